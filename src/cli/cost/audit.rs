//! `cost audit`: sums that must be the same, and counters against samples.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value as Json, json};

use super::super::args::{CostReportArgs, Format};
use super::super::print::{csv_cell, plain};
use super::super::{Exit, Failure, table};
use super::Asked;
use super::report::{meta, quantities};
use crate::finops::account::account;
use crate::finops::deltas::read::Found;
use crate::finops::sampled::{Time, fill, sampled};
use crate::finops::usage::Usage;

const SHOWN: [&str; 8] = [
    "tenant",
    "sessions",
    "db_time_us",
    "sampled_db_time_us",
    "cpu_us",
    "os_cpu_us",
    "sampled_on_cpu_us",
    "filled_db_time_us",
];

pub fn run(args: &CostReportArgs) -> Result<Exit, Failure> {
    let asked = Asked::of(&args.account)?;
    let options = asked.options(None);
    // by another way than the account itself: delta by delta
    let mut seen = Usage::default();
    let mut refused = Usage::default();
    let mut made = account(
        &asked.reader,
        &options,
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
    let times = sampled(
        &asked.reader,
        &asked.window,
        &asked.rules.checks,
        asked.rules.tenants.as_ref(),
    )?;
    let counted = made.total;
    let mut by_tenant = Usage::default();
    for entry in made.entries.values() {
        by_tenant.add(&entry.usage);
    }
    by_tenant.add(&made.refused);
    let conserved = seen == counted && by_tenant == counted;
    fill(&mut made, &times, None);
    let mut own: BTreeMap<&str, Time> = BTreeMap::new();
    for (whose, time) in times.iter().filter(|(whose, _)| !whose.imported) {
        let sum = own.entry(&whose.tenant).or_default();
        sum.db_us += time.db_us;
        sum.cpu_us += time.cpu_us;
    }
    let mut lines = Vec::new();
    let mut tenants: Vec<&str> = made.tenants();
    tenants.extend(own.keys());
    tenants.sort_unstable();
    tenants.dedup();
    for tenant in tenants {
        let entry = made.of(tenant);
        let time = own.get(tenant).copied().unwrap_or_default();
        lines.push(json!({
            "tenant": tenant,
            "sessions": entry.sessions.len(),
            "db_time_us": entry.usage.quantity("db_time_us") as u64 - entry.filled_us.1,
            "sampled_db_time_us": time.db_us,
            "cpu_us": entry.usage.quantity("cpu_us") as u64 - entry.filled_us.0,
            "os_cpu_us": entry.os_cpu_us,
            "sampled_on_cpu_us": time.cpu_us,
            "filled_db_time_us": entry.filled_us.1,
            "resets": entry.resets,
        }));
    }
    let document = json!({
        "meta": meta(&asked, &made, "0"),
        "conserved": conserved,
        "total": quantities(&counted),
        "tenants": lines,
    });
    let mut out = std::io::stdout().lock();
    print(&mut out, &document, &lines, args.format)?;
    Ok(if conserved { Exit::Ok } else { Exit::Nothing })
}

fn print(
    out: &mut dyn Write,
    document: &Json,
    lines: &[Json],
    format: Format,
) -> Result<(), Failure> {
    let cells = |line: &Json| SHOWN.map(|name| plain(&line[name]));
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(document)?)?,
        Format::Jsonl => {
            for line in lines {
                writeln!(out, "{line}")?;
            }
        }
        Format::Csv => {
            writeln!(out, "{}", SHOWN.join(","))?;
            for line in lines {
                writeln!(out, "{}", cells(line).map(|c| csv_cell(&c)).join(","))?;
            }
        }
        Format::Table => {
            let mut shown = table::new(&SHOWN);
            for line in lines {
                shown.add_row(cells(line).map(|c| c.replace(char::is_control, " ")));
            }
            table::right(&mut shown, &(1..SHOWN.len()).collect::<Vec<_>>());
            write!(out, "{}", table::render(&shown))?;
            let word = match document["conserved"] == true {
                true => "charged and refused are all that was read, exactly",
                false => "NOT conserved: charged and refused are not all that was read",
            };
            writeln!(out, "{word}")?;
        }
    }
    Ok(())
}
