//! `cost audit`: sums that must be the same, and counters against samples.

use std::io::Write;

use serde_json::{Value as Json, json};

use super::super::args::CostReportArgs;
use super::super::{Exit, Failure, print};
use super::Asked;
use super::report::{filled_line, gap_lines, meta, quantities};
use crate::finops::account::Account;
use crate::finops::deltas::read::Found;
use crate::finops::sampled::Sampled;
use crate::finops::usage::Usage;

/// Columns in CSV.
const COLUMNS: [&str; 10] = [
    "tenant",
    "sessions",
    "db_time_us",
    "sampled_db_time_us",
    "sampled_db_time_margin_us",
    "cpu_us",
    "os_cpu_us",
    "sampled_on_cpu_us",
    "filled_db_time_us",
    "resets",
];

/// Columns for people, in seconds, as many as go into 80 characters.
const SHOWN: [&str; 7] = [
    "tenant",
    "db_time_s",
    "sampled_s",
    "margin_s",
    "cpu_s",
    "sampled_on_cpu_s",
    "filled_s",
];

pub fn run(args: &CostReportArgs) -> Result<Exit, Failure> {
    let asked = Asked::of(&args.account)?;
    // by another way than the account itself: delta by delta
    let mut seen = Usage::default();
    let mut refused = Usage::default();
    let (made, sampled) = asked.with_samples(
        None,
        &mut |letter| {
            refused.add(&Usage::of(&letter.row.delta()));
            Ok(())
        },
        &mut |_, _, found| {
            if let Found::Delta(delta) = found {
                seen.add(&Usage::of(delta));
            }
            Ok(())
        },
    )?;
    seen.add(&refused);
    let mut by_tenant = Usage::default();
    for entry in made.entries.values() {
        by_tenant.add(&entry.usage);
    }
    by_tenant.add(&made.refused);
    let conserved = seen == made.total && by_tenant == made.total;
    let lines = lines(&made, &sampled);
    let document = json!({
        "meta": meta(&asked, &made, "0"),
        "conserved": conserved,
        "total": quantities(&made.total),
        "tenants": lines,
    });
    let mut out = std::io::stdout().lock();
    if !print::machine(&mut out, args.format, &document, &lines, &COLUMNS)? {
        write!(out, "{}", for_people(&lines, &made, conserved))?;
    }
    Ok(if conserved { Exit::Ok } else { Exit::Nothing })
}

fn lines(made: &Account, sampled: &Sampled) -> Vec<Json> {
    let mut tenants: Vec<&str> = made.tenants();
    tenants.extend(sampled.own.keys().map(String::as_str));
    tenants.sort_unstable();
    tenants.dedup();
    let line = |tenant: &str| {
        let entry = made.of(tenant);
        let time = sampled.own.get(tenant).copied().unwrap_or_default();
        let counted = |name: &str| u64::try_from(entry.usage.quantity(name)).unwrap_or(u64::MAX);
        let db_us = counted("db_time_us").saturating_sub(entry.filled_us.1);
        // samples see also those that no reading saw; a reading is off by a hundredth of a second
        let margin_us = time.margin_us() + entry.unread_db_us + 10_000 * entry.deltas;
        json!({
            "tenant": tenant,
            "sessions": entry.sessions.len(),
            "db_time_us": db_us,
            "sampled_db_time_us": time.db_us,
            "sampled_db_time_margin_us": margin_us,
            "cpu_us": counted("cpu_us").saturating_sub(entry.filled_us.0),
            "os_cpu_us": entry.os_cpu_us,
            "sampled_on_cpu_us": time.cpu_us,
            "filled_db_time_us": entry.filled_us.1,
            "resets": entry.resets,
        })
    };
    tenants.into_iter().map(line).collect()
}

fn for_people(lines: &[Json], made: &Account, conserved: bool) -> String {
    let seconds = |line: &Json, name: &str| {
        let us = line[name].as_u64().unwrap_or(0);
        format!("{:.2}", us as f64 / 1e6)
    };
    let rows: Vec<Json> = lines
        .iter()
        .map(|line| {
            json!({
                "tenant": line["tenant"],
                "db_time_s": seconds(line, "db_time_us"),
                "sampled_s": seconds(line, "sampled_db_time_us"),
                "margin_s": seconds(line, "sampled_db_time_margin_us"),
                "cpu_s": seconds(line, "cpu_us"),
                "sampled_on_cpu_s": seconds(line, "sampled_on_cpu_us"),
                "filled_s": seconds(line, "filled_db_time_us"),
            })
        })
        .collect();
    let mut text = print::table(&rows.iter().collect::<Vec<_>>(), &SHOWN);
    text += "db_time_s, cpu_s: by counters; sampled: by samples of the same time. Where both are right they differ by \
             about margin_s (95 %),\nand by calls that were under way at the begin or end, as counters may move when a \
             call ends.\nsampled_on_cpu_s includes waiting for a CPU. filled_s: DB time that imported samples show \
             and no counter has.\n";
    text += &filled_line(made);
    text += &gap_lines(made);
    text += match conserved {
        true => "charged and refused are all that was read, exactly\n",
        false => "NOT conserved: charged and refused are not all that was read\n",
    };
    text
}
