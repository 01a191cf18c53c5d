//! `cost dead-letters`: what was refused, and trying it again.

use std::io::Write;

use serde_json::{Value as Json, json};

use super::super::args::{DeadLettersCommand, Format};
use super::super::{Exit, Failure, print};
use super::Rules;
use crate::finops::dead_letters::{Ledger, Letter, letters};

/// Columns in CSV and for people.
const COLUMNS: [&str; 7] = [
    "sample_time",
    "reason",
    "instance_name",
    "session_id",
    "session_serial_no",
    "username",
    "detail",
];

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
    let rows: Vec<Json> = all.iter().map(|letter| json!(letter)).collect();
    if !print::machine(out, format, &rows, &rows, &COLUMNS)? {
        write!(
            out,
            "{}",
            print::table(&rows.iter().collect::<Vec<_>>(), &COLUMNS)
        )?;
    }
    Ok(())
}
