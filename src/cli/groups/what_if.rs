//! `groups what-if`: what changed rules would have moved.

use super::super::args::GroupsWhatIfArgs;
use super::super::{Exit, Failure};
use super::{declared, footnotes, machine, print, required, table};
use crate::finops::groups::what_if::{WhatIf, what_if};

pub fn run(args: &GroupsWhatIfArgs) -> Result<Exit, Failure> {
    let before = declared(&args.rules)?;
    let after = declared(&args.changed)?;
    let (reader, window) = required(&args.recording, args.instance.as_ref())?;
    let found = what_if(&reader, &before, &after, &window)?;
    let text = machine(args.recording.format, &found, &found.moves)?;
    print(&text.map_or_else(|| shown(&found, args.recording.top), Ok)?)?;
    let nothing = found.moves.is_empty();
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn shown(found: &WhatIf, top: usize) -> Result<String, Failure> {
    let mut text = format!(
        "{:.1} s watched, {:.2} s active, {:.2} s of it in another group\n\n",
        found.elapsed_seconds.unwrap_or(0.0),
        found.db_time_seconds,
        found.moved_seconds
    );
    let moves = [
        "from_group",
        "to_group",
        "moved",
        "sessions",
        "db_time_seconds",
        "aas",
        "share",
    ];
    text += &table(&found.moves, &moves, top)?;
    text.push('\n');
    let groups = [
        "consumer_group",
        "before_seconds",
        "after_seconds",
        "before_aas",
        "after_aas",
    ];
    text += &table(&found.groups, &groups, top)?;
    Ok(text + &footnotes(&found.notes))
}
