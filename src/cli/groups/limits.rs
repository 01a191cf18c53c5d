//! `groups limits`: calls that would have passed a plan directive's limits.

use super::super::args::GroupsLimitsArgs;
use super::super::{Exit, Failure};
use super::{declared, footnotes, machine, print, required, table};
use crate::finops::groups::limits::{Limits, limits};

pub fn run(args: &GroupsLimitsArgs) -> Result<Exit, Failure> {
    let declared = declared(&args.rules)?;
    let (reader, window) = required(&args.recording, args.instance.as_ref())?;
    let mut found = limits(&reader, &declared, &window)?;
    if args.certain {
        found.passed.retain(|row| row.certain);
        found.sums.retain(|sum| sum.certain > 0);
    }
    let text = machine(args.recording.format, &found, &found.passed)?;
    print(&text.map_or_else(|| shown(&found, args.recording.top), Ok)?)?;
    let nothing = found.passed.is_empty();
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn shown(found: &Limits, top: usize) -> Result<String, Failure> {
    let certain = found.passed.iter().filter(|row| row.certain).count();
    let mut text = format!(
        "{} runs of active looks judged ({} reach out of the window), {certain} limits passed for certain, {} perhaps; \
         at most {:.3} s between two looks\n\n",
        found.runs,
        found.cut,
        found.passed.len() - certain,
        found.longest_period_s
    );
    let sums = [
        "consumer_group",
        "limit",
        "action",
        "certain",
        "possible",
        "sessions",
    ];
    text += &table(&found.sums, &sums, top)?;
    text.push('\n');
    let columns = [
        "session", "username", "limit", "allowed", "at_least", "at_most", "certain", "action",
        "remark",
    ];
    text += &table(&found.passed, &columns, top)?;
    Ok(text + &footnotes(&found.notes))
}
