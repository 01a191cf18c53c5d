//! `cost dead-letters`: what was refused, and trying it again.

use std::io::Write;

use serde_json::json;

use super::super::args::{DeadLettersCommand, Format};
use super::super::{Exit, Failure, table};
use super::Rules;
use crate::finops::dead_letters::{Ledger, Letter, letters};

pub fn run(command: &DeadLettersCommand) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match command {
        DeadLettersCommand::List { ledger, format } => {
            let all = letters(ledger)?;
            list(&mut out, &all, *format)?;
            Ok(if all.is_empty() {
                Exit::Nothing
            } else {
                Exit::Ok
            })
        }
        DeadLettersCommand::Replay {
            ledger,
            rules,
            format,
        } => {
            let mut rules = Rules::of(rules)?;
            if rules.checks.limits.cpus == 0 {
                // a replay has no recording that tells
                rules.checks.limits.cpus = crate::discover::cpus_online().map_or(1, u64::from);
            }
            // a directory without letters is none of a ledger
            letters(ledger)?;
            let mut ledger = Ledger::open(ledger)?;
            let replayed = ledger.replay(&rules.checks, rules.tenants.as_ref())?;
            if *format == Format::Table {
                writeln!(
                    out,
                    "{} letters charged, {} had been charged before, {} still refused",
                    replayed.charged, replayed.known, replayed.refused
                )?;
            } else {
                writeln!(out, "{}", json!(replayed))?;
            }
            Ok(if replayed.refused > 0 {
                Exit::Nothing
            } else {
                Exit::Ok
            })
        }
    }
}

fn list(out: &mut dyn Write, all: &[Letter], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => writeln!(out, "{}", json!(all))?,
        Format::Jsonl => {
            for letter in all {
                writeln!(out, "{}", json!(letter))?;
            }
        }
        Format::Csv | Format::Table => {
            let names = [
                "sample_time",
                "reason",
                "instance_name",
                "session_id",
                "session_serial_no",
                "username",
                "detail",
            ];
            let cells = all.iter().map(|letter| {
                let row = &letter.row;
                [
                    row.sample_time.clone(),
                    letter.reason.name().to_owned(),
                    row.instance_name.clone(),
                    row.session_id.to_string(),
                    row.session_serial_no.to_string(),
                    row.username.clone().unwrap_or_default(),
                    letter.detail.clone(),
                ]
            });
            if format == Format::Csv {
                writeln!(out, "{}", names.join(","))?;
                for row in cells {
                    let row = row.map(|cell| super::super::print::csv_cell(&cell));
                    writeln!(out, "{}", row.join(","))?;
                }
            } else {
                let mut shown = table::new(&names);
                for row in cells {
                    shown.add_row(row.map(|cell| cell.replace(char::is_control, " ")));
                }
                table::right(&mut shown, &[3, 4]);
                write!(out, "{}", table::render(&shown))?;
            }
        }
    }
    Ok(())
}
