//! `cost report`: a line for each tenant.

use std::io::Write;

use serde_json::{Map, Value as Json, json};

use super::super::args::{CostReportArgs, Format};
use super::super::print::{csv_cell, plain};
use super::super::{Exit, Failure, table};
use super::Asked;
use crate::finops::FinopsError;
use crate::finops::account::{Account, Entry};
use crate::finops::money::decimal;
use crate::finops::prices::Limits;
use crate::finops::rows::rfc3339;
use crate::finops::statement::{Statement, statement};
use crate::finops::usage::{ALL, Usage};

/// Columns for people and in CSV: name in the document, header.
const SHOWN: [&str; 12] = [
    "tenant",
    "sessions",
    "cpu_seconds",
    "db_time_seconds",
    "logical_reads",
    "physical_reads",
    "temp_gib",
    "temp_gib_seconds",
    "pga_gib_seconds",
    "unobserved_cpu_seconds",
    "shared_cost",
    "cost",
];

pub fn run(args: &CostReportArgs) -> Result<Exit, Failure> {
    let asked = Asked::of(&args.account)?;
    let made = asked.accounted(None)?;
    let prices = &asked.rules.prices;
    let idle = asked.idle(args.idle);
    let statement = statement(&made, None, prices, idle, made.coverage.instance_us)?;
    let document = document(&asked, &made, &statement)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?,
        Format::Jsonl => {
            for line in document["tenants"].as_array().into_iter().flatten() {
                writeln!(out, "{line}")?;
            }
        }
        Format::Csv => {
            writeln!(out, "{}", SHOWN.join(","))?;
            for line in lines(&document) {
                let cells: Vec<String> = line.iter().map(|cell| csv_cell(cell)).collect();
                writeln!(out, "{}", cells.join(","))?;
            }
        }
        Format::Table => write!(out, "{}", for_people(&document))?,
    }
    let nothing = made.coverage.readings == 0;
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn lines(document: &Json) -> Vec<Vec<String>> {
    let all = document["tenants"].as_array().into_iter().flatten();
    all.chain([&document["total"]])
        .map(|line| {
            let cell = |name: &&str| plain(line.get(*name).unwrap_or(&Json::Null));
            SHOWN.iter().map(cell).collect()
        })
        .collect()
}

fn for_people(document: &Json) -> String {
    let mut shown = table::new(&SHOWN);
    for line in lines(document) {
        shown.add_row(line.iter().map(|cell| cell.replace(char::is_control, " ")));
    }
    table::right(&mut shown, &(1..SHOWN.len()).collect::<Vec<_>>());
    let meta = &document["meta"];
    let mut text = format!(
        "{} to {}, {}\n",
        plain(&meta["from"]),
        plain(&meta["to"]),
        plain(&meta["currency"])
    );
    text += &table::render(&shown);
    text += &format!(
        "unobserved: {} ends and gaps, at most {} s of CPU, {} logical and {} physical reads\n",
        plain(&document["total"]["unobserved"]["times"]),
        plain(&document["total"]["unobserved_cpu_seconds"]),
        plain(&document["total"]["unobserved"]["logical_reads_bound"]),
        plain(&document["total"]["unobserved"]["physical_reads_bound"]),
    );
    for (reason, count) in meta["refused"].as_object().into_iter().flatten() {
        text += &format!("refused, {reason}: {count} deltas\n");
    }
    for name in meta["missing"].as_array().into_iter().flatten() {
        text += &format!("the recording lacks {}\n", plain(name));
    }
    text
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
    let refused: Map<String, Json> = made
        .reasons
        .iter()
        .map(|(reason, count)| (reason.name().to_owned(), (*count).into()))
        .collect();
    json!({
        "from": span.map(|s| rfc3339(s.0)),
        "to": span.map(|s| rfc3339(s.1)),
        "currency": asked.rules.prices.currency,
        "readings": made.coverage.readings,
        "instance_hours_us": made.coverage.instance_us,
        "alive": made.coverage.alive,
        "missing": made.coverage.missing,
        "refused": refused,
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
