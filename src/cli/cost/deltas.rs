//! `cost deltas`: a row for each session and interval.

use std::io::Write;

use serde_json::{Value as Json, json};

use super::super::args::{DeltasArgs, Format};
use super::super::{Exit, Failure, print};
use super::Asked;
use super::report::{gap_lines, gaps, refused};
use crate::finops::FinopsError;
use crate::finops::dead_letters::Ledger;
use crate::finops::deltas::Unobserved;
use crate::finops::deltas::read::Found;
use crate::finops::deltas::sessions::Session;
use crate::finops::rows::{Row, rfc3339};

/// Columns of the table for people.
const SHOWN: [&str; 13] = [
    "sample_time",
    "tenant",
    "instance_name",
    "session_id",
    "session_serial_no",
    "username",
    "cpu_us",
    "cpu_source",
    "logical_reads",
    "physical_reads",
    "temp_growth_bytes",
    "pga_bytes",
    "unobserved",
];

pub fn run(args: &DeltasArgs) -> Result<Exit, Failure> {
    let asked = Asked::of(&args.account)?;
    match &args.ledger {
        Some(dir) => to_ledger(args, &asked, dir),
        None => printed(args, &asked),
    }
}

fn row_json(tenant: &str, session: &Session, found: Found<'_>) -> Result<Json, FinopsError> {
    match found {
        Found::Delta(delta) => {
            let row = Row {
                tenant: Some(tenant.to_owned()),
                ..Row::of(session, delta)
            };
            Ok(serde_json::to_value(row)?)
        }
        Found::Unobserved(lost) => Ok(unobserved_json(tenant, session, lost)),
    }
}

fn unobserved_json(tenant: &str, session: &Session, lost: &Unobserved) -> Json {
    json!({
        "tenant": tenant,
        "host": session.host,
        "instance_name": session.instance,
        "session_id": lost.key.sid,
        "session_serial_no": lost.key.serial,
        "logon_us": lost.key.logon_us,
        "sample_time": rfc3339(lost.to_us),
        "from_us": lost.from_us,
        "to_us": lost.to_us,
        "username": session.attributes.oracle_user,
        "unobserved": lost.why.name(),
        "cpu_us_estimate": lost.cpu_us_estimate,
        "cpu_us_bound": lost.cpu_us_bound(),
        "temp_byte_us_bound": lost.temp_byte_us_bound.to_string(),
    })
}

fn printed(args: &DeltasArgs, asked: &Asked) -> Result<Exit, Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut rows: Vec<Json> = Vec::new();
    let mut count = 0u64;
    // as they come: there may be many
    let lines = args.format == Format::Jsonl;
    let mut failed = None;
    let made = asked.accounted(None, &mut |_| Ok(()), &mut |tenant, session, found| {
        let row = row_json(tenant, session, found)?;
        count += 1;
        if !lines {
            rows.push(row);
        } else if failed.is_none() {
            failed = writeln!(out, "{row}").err();
        }
        Ok(())
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let document = json!({
        "meta": {
            "refused": refused(&made),
            "readings": made.coverage.readings,
            "gaps": gaps(&made),
        },
        "deltas": rows,
    });
    if !lines && !print::machine(&mut out, args.format, &document, &rows, &columns(&rows))? {
        let all: Vec<&Json> = rows.iter().collect();
        write!(out, "{}", print::table(&all, &SHOWN))?;
        write!(out, "{}", gap_lines(&made))?;
    }
    out.flush()?;
    let refused: u64 = made.reasons.values().sum();
    if refused > 0 {
        tracing::warn!(
            "{refused} deltas were refused; cost deltas --ledger DIR keeps them with the reason"
        );
    }
    Ok(if count == 0 { Exit::Nothing } else { Exit::Ok })
}

/// Columns in CSV: of deltas, and of what wasn't seen.
fn columns(rows: &[Json]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let own = row.as_object().into_iter().flat_map(|o| o.keys());
        for name in own {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        if names.contains(&"unobserved") && names.contains(&"cpu_us") {
            break;
        }
    }
    names
}

fn to_ledger(args: &DeltasArgs, asked: &Asked, dir: &std::path::Path) -> Result<Exit, Failure> {
    let ledger = std::cell::RefCell::new(Ledger::open(dir)?);
    let (mut charged, mut known, mut letters) = (0u64, 0u64, 0u64);
    let made = asked.accounted(
        None,
        &mut |letter| {
            letters += u64::from(ledger.borrow_mut().refuse(&letter)?);
            Ok(())
        },
        &mut |tenant, session, found| {
            let Found::Delta(delta) = found else {
                return Ok(());
            };
            let new = ledger.borrow_mut().add(tenant, Row::of(session, delta))?;
            charged += u64::from(new);
            known += u64::from(!new);
            Ok(())
        },
    )?;
    ledger.borrow_mut().sync()?;
    let mut out = std::io::stdout().lock();
    if args.format == Format::Table {
        writeln!(
            out,
            "{charged} deltas charged, {known} were there; {letters} letters added to {}",
            dir.join(crate::finops::dead_letters::LETTERS).display()
        )?;
    } else {
        let document = json!({"charged": charged, "known": known, "letters": letters});
        writeln!(out, "{document}")?;
    }
    let nothing = made.coverage.readings == 0;
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}
