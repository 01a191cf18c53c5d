//! `cost report`: a line for each tenant.

use std::io::Write;

use serde_json::{Map, Value as Json, json};

use super::super::args::CostReportArgs;
use super::super::print::{self, plain};
use super::super::{Exit, Failure};
use super::Asked;
use crate::backfill::gaps::Gap;
use crate::finops::FinopsError;
use crate::finops::account::{Account, Entry};
use crate::finops::money::decimal;
use crate::finops::prices::Limits;
use crate::finops::rows::rfc3339;
use crate::finops::statement::{Statement, statement};
use crate::finops::usage::{ALL, Usage};

/// Columns in CSV.
const COLUMNS: [&str; 18] = [
    "tenant",
    "sessions",
    "cpu_seconds",
    "db_time_seconds",
    "logical_reads",
    "physical_reads",
    "read_gib",
    "written_gib",
    "redo_gib",
    "user_calls",
    "user_commits",
    "temp_gib",
    "temp_gib_seconds",
    "pga_gib_seconds",
    "unobserved_cpu_seconds",
    "filled_cpu_seconds",
    "shared_cost",
    "cost",
];

/// Columns for people, as many as go into 80 characters.
const SHOWN: [&str; 6] = [
    "tenant",
    "sessions",
    "cpu_seconds",
    "logical_reads",
    "physical_reads",
    "cost",
];

/// Gaps that are told of one by one, for people.
const GAPS_SHOWN: usize = 5;

pub fn run(args: &CostReportArgs) -> Result<Exit, Failure> {
    let asked = Asked::of(&args.account)?;
    let made = asked.sums(None)?;
    let prices = &asked.rules.prices;
    let idle = asked.idle(args.idle);
    let statement = statement(&made, None, prices, idle, made.coverage.instance_us)?;
    let document = document(&asked, &made, &statement)?;
    let mut out = std::io::stdout().lock();
    let tenants = document["tenants"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if !print::machine(&mut out, args.format, &document, tenants, &COLUMNS)? {
        write!(out, "{}", for_people(&document, &made))?;
    }
    let nothing = made.coverage.readings == 0;
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn for_people(document: &Json, made: &Account) -> String {
    let meta = &document["meta"];
    let mut text = format!(
        "{} to {}, cost in {}\n",
        plain(&meta["from"]),
        plain(&meta["to"]),
        plain(&meta["currency"])
    );
    let tenants = document["tenants"].as_array().into_iter().flatten();
    let total = &document["total"];
    let lines: Vec<&Json> = tenants.chain([total]).collect();
    text += &print::table(&lines, &SHOWN);
    text += &format!(
        "in all: {} s of DB time, {} GiB of temporary space taken, {} GiB·s of PGA held (-f csv, -f json: by tenant)\n",
        plain(&total["db_time_seconds"]),
        plain(&total["temp_gib"]),
        plain(&total["pga_gib_seconds"]),
    );
    let unobserved = &total["unobserved"];
    text += &format!(
        "unobserved, not charged: {} ends of sessions and gaps; at most {} s of CPU, {} logical and {} physical reads\n",
        plain(&unobserved["times"]),
        plain(&total["unobserved_cpu_seconds"]),
        plain(&unobserved["logical_reads_bound"]),
        plain(&unobserved["physical_reads_bound"]),
    );
    if unobserved["unread_sessions"] != 0 {
        let seconds = unobserved["unread_db_time_us"].as_u64().unwrap_or(0) as f64 / 1e6;
        text += &format!(
            "not charged: {} sessions that lived between two readings; {seconds:.1} s of DB time by samples\n",
            plain(&unobserved["unread_sessions"]),
        );
    }
    text += &filled_line(made);
    text += &gap_lines(made);
    for (reason, count) in &made.reasons {
        text += &format!(
            "refused, {}: {count} deltas (cost deltas --ledger DIR keeps them)\n",
            reason.name()
        );
    }
    for name in &made.coverage.missing {
        text += &format!("the recording lacks {name}\n");
    }
    text
}

/// What imported samples added, for people.
pub(super) fn filled_line(made: &Account) -> String {
    let filled = made.entries.values().map(|entry| entry.filled_us);
    let (cpu, db) = filled.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    if (cpu, db) == (0, 0) {
        return String::new();
    }
    format!(
        "filled from imported samples: {:.1} s of CPU and {:.1} s of DB time thereof\n",
        cpu as f64 / 1e6,
        db as f64 / 1e6
    )
}

/// When the recorder wasn't there, for people; the longest times.
pub(super) fn gap_lines(made: &Account) -> String {
    let mut gaps: Vec<&Gap> = made.gaps.iter().collect();
    gaps.sort_by_key(|gap| gap.from_us - gap.to_us);
    let second = |us: i64| rfc3339(us.div_euclid(1_000_000) * 1_000_000);
    let seconds = |us: i64| us as f64 / 1e6;
    let mut text = String::new();
    for gap in gaps.iter().take(GAPS_SHOWN) {
        let length = gap.to_us - gap.from_us;
        let imported = match gap.imported_us {
            0 => "nothing imported: who was there in it only isn't counted (record import fills gaps)".to_owned(),
            us => format!("imported samples cover {:.1} s", seconds(us)),
        };
        text += &format!(
            "gap of {}: {} to {}, {:.1} s; {imported}\n",
            gap.instance_name,
            second(gap.from_us),
            second(gap.to_us),
            seconds(length)
        );
    }
    if gaps.len() > GAPS_SHOWN {
        text += &format!("and {} shorter gaps\n", gaps.len() - GAPS_SHOWN);
    }
    text
}

/// When the recorder wasn't there.
pub(super) fn gaps(made: &Account) -> Json {
    let all = made.gaps.iter().map(|gap| {
        json!({
            "instance_name": gap.instance_name,
            "from": rfc3339(gap.from_us),
            "to": rfc3339(gap.to_us),
            "gap_us": gap.to_us - gap.from_us,
            "imported_us": gap.imported_us,
        })
    });
    Json::Array(all.collect())
}

/// Deltas that were refused, by reason.
pub(super) fn refused(made: &Account) -> Json {
    let all = made.reasons.iter();
    let all = all.map(|(reason, count)| (reason.name().to_owned(), (*count).into()));
    Json::Object(all.collect())
}

fn document(asked: &Asked, made: &Account, statement: &Statement) -> Result<Json, FinopsError> {
    let prices = &asked.rules.prices;
    let money = |amount: i128| Ok::<_, FinopsError>(decimal(amount, prices.decimals)?.to_string());
    let limits = &asked.rules.checks.limits;
    let mut tenants = Vec::new();
    let mut all = Entry::default();
    for line in &statement.lines {
        let mut shown = Map::new();
        shown.insert("tenant".into(), line.tenant.as_str().into());
        describe(&mut shown, &line.entry, limits);
        let mut charges = Map::new();
        for (metric, charge) in ALL.iter().zip(line.charges).filter(|(_, c)| *c != 0) {
            charges.insert(metric.name.into(), money(charge)?.into());
        }
        shown.insert("charges".into(), charges.into());
        shown.insert("shared_cost".into(), money(line.shared)?.into());
        shown.insert("cost".into(), money(line.cost())?.into());
        tenants.push(Json::Object(shown));
        add(&mut all, &line.entry);
    }
    let mut total = Map::new();
    total.insert("tenant".into(), "total".into());
    describe(&mut total, &all, limits);
    let shared: i128 = statement.lines.iter().map(|line| line.shared).sum();
    total.insert("shared_cost".into(), money(shared)?.into());
    total.insert("cost".into(), money(statement.cost())?.into());
    Ok(json!({
        "meta": meta(asked, made, &money(statement.dropped)?),
        "tenants": tenants,
        "total": total,
    }))
}

/// When, in what, and what is missing.
pub(super) fn meta(asked: &Asked, made: &Account, dropped: &str) -> Json {
    let span = made.coverage.span_us;
    json!({
        "from": span.map(|s| rfc3339(s.0)),
        "to": span.map(|s| rfc3339(s.1)),
        "currency": asked.rules.prices.currency,
        "readings": made.coverage.readings,
        "instance_hours_us": made.coverage.instance_us,
        "alive": made.coverage.alive,
        "missing": made.coverage.missing,
        "gaps": gaps(made),
        "refused": refused(made),
        "refused_quantities": quantities(&made.refused),
        "dropped_cost": dropped,
    })
}

fn add(all: &mut Entry, entry: &Entry) {
    all.usage.add(&entry.usage);
    all.os_cpu_us += entry.os_cpu_us;
    all.filled_us.0 += entry.filled_us.0;
    all.filled_us.1 += entry.filled_us.1;
    all.unread += entry.unread;
    all.unread_db_us += entry.unread_db_us;
    all.deltas += entry.deltas;
    all.resets += entry.resets;
    all.sessions.extend(entry.sessions.iter().cloned());
    all.unseen.merge(&entry.unseen);
}

/// Quantities in whole base units; those that numbers of JSON can't hold everywhere are texts.
pub(super) fn quantities(usage: &Usage) -> Json {
    let all = ALL.iter().zip(usage.0).map(|(metric, quantity)| {
        let value = match u64::try_from(quantity) {
            Ok(small) if metric.base < 1 << 40 => Json::from(small),
            _ => Json::from(quantity.to_string()),
        };
        (metric.quantity.to_owned(), value)
    });
    Json::Object(all.collect())
}

/// A quantity in its metric's unit, for people.
fn in_units(quantity: u128, base: u128) -> Json {
    if base == 1 {
        return u64::try_from(quantity).map_or_else(|_| quantity.to_string().into(), Json::from);
    }
    let (whole, rest) = (quantity / base, quantity % base);
    let thousandths = rest * 1000 / base;
    Json::from(format!("{whole}.{thousandths:03}"))
}

fn describe(shown: &mut Map<String, Json>, entry: &Entry, limits: &Limits) {
    shown.insert("sessions".into(), entry.sessions.len().into());
    for (metric, quantity) in ALL.iter().zip(entry.usage.0) {
        shown.insert(metric.name.into(), in_units(quantity, metric.base));
    }
    let unseen = &entry.unseen;
    let bound = |rate: u64| in_units(unseen.bound(rate), 1);
    shown.insert(
        "unobserved_cpu_seconds".into(),
        in_units(u128::from(unseen.cpu_us_bound), 1_000_000),
    );
    shown.insert(
        "filled_cpu_seconds".into(),
        in_units(u128::from(entry.filled_us.0), 1_000_000),
    );
    shown.insert("quantities".into(), quantities(&entry.usage));
    shown.insert("os_cpu_us".into(), entry.os_cpu_us.into());
    shown.insert("filled_cpu_us".into(), entry.filled_us.0.into());
    shown.insert("filled_db_time_us".into(), entry.filled_us.1.into());
    shown.insert("deltas".into(), entry.deltas.into());
    shown.insert("resets".into(), entry.resets.into());
    let unobserved = json!({
        "times": unseen.times,
        "span_us": unseen.span_us,
        "cpu_us_estimate": unseen.cpu_us_estimate,
        "cpu_us_bound": unseen.cpu_us_bound,
        "logical_reads_bound": bound(limits.logical_reads),
        "physical_reads_bound": bound(limits.physical_reads),
        "temp_growth_bytes_bound": bound(limits.temp_bytes),
        "unread_sessions": entry.unread,
        "unread_db_time_us": entry.unread_db_us,
        "temp_byte_us_bound": unseen.temp_byte_us_bound(limits.temp_bytes).to_string(),
    });
    shown.insert("unobserved".into(), unobserved);
}
