//! `groups evaluate`: each session's group, live, over an image or a recording.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use super::super::args::{GroupsEvaluateArgs, Only};
use super::super::{Exit, Failure, filter};
use super::{declared, footnotes, machine, print, recording, table};
use crate::finops::groups::Declared;
use crate::finops::groups::evaluate::{
    Evaluated, Looked, SessionRow, evaluate_look, evaluate_recording,
};
use crate::finops::mapping::{Field, Fields, SessionAttributes};
use crate::sample::snapshot::Extras;
use crate::sample::{Attachment, RowValues, Snapshot};

/// Columns for people.
const SHOWN: [&str; 7] = [
    "session",
    "username",
    "consumer_group",
    "given_by",
    "tenant",
    "actual_group",
    "seconds",
];

/// A session as people see it: what gave it its group is the rule, if one did.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    session: &'a SessionRow,
    given_by: &'a str,
}

pub fn run(args: &GroupsEvaluateArgs) -> Result<Exit, Failure> {
    let declared = declared(&args.rules)?;
    let instance = args.source.instance.first();
    let recording = recording(&args.recording, instance)?;
    let wrong = |message: &str| Err(Failure::new(Exit::Usage, message));
    if args.source.instance.len() > 1 {
        return wrong("groups are of one instance at a time: name it with -I");
    }
    let mut found = match &recording {
        Some(_) if args.source.image.is_some() => {
            return wrong("name a recording or --image, not both");
        }
        Some((reader, window)) => evaluate_recording(reader, &declared, window)?,
        None if args.recording.from.is_some() || args.recording.to.is_some() => {
            return wrong("--from and --to are for recordings; name its directory first");
        }
        None => look(args, &declared)?,
    };
    if let Some(only) = args.only {
        found.sessions.retain(|s| is_wanted(only, s));
    }
    found
        .sessions
        .sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let text = machine(args.recording.format, &found, &found.sessions)?;
    print(&text.map_or_else(|| shown(&found, args.recording.top), Ok)?)?;
    let nothing = found.sessions.is_empty();
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn is_wanted(only: Only, session: &SessionRow) -> bool {
    match only {
        Only::Drift => session.drift == Some(true) || session.drift_seconds > 0.0,
        Only::Ambiguous => !session.ambiguous.is_empty(),
        Only::Switched => session.switches.iter().any(|s| s.from != s.to),
    }
}

/// One look at a running instance or an image: sessions in use, idle ones too.
fn look(args: &GroupsEvaluateArgs, declared: &Declared) -> Result<Evaluated, Failure> {
    let filters = filter::parse(&args.recording.words)?;
    let source = &args.source;
    let attachment = Attachment::open(&source.source(), source.blueprint().as_deref())?;
    let snapshot = Snapshot::take(&attachment, Extras::default())?;
    attachment.intact()?;
    let absent = snapshot.meta.get("absent");
    let is_absent = |column: &str| absent.is_some_and(|a| a.get(column).is_some());
    let mut unknown = Fields::default().with(Field::OracleFunction);
    for field in Field::ALL {
        if dump_column(field).is_some_and(is_absent) {
            unknown = unknown.with(field);
        }
    }
    let matches = |row: &&RowValues| filters.iter().all(|f| filter::matches(f, &row[&f.column]));
    let users = snapshot
        .sessions
        .iter()
        .filter(|row| row["session_kind"] == "USER");
    let looked = users.filter(matches).map(|row| {
        let text = |column: &str| row[column].as_str().map(str::to_owned);
        let number = |column: &str| row[column].as_u64().unwrap_or(0) as u32;
        let mut session = SessionAttributes {
            unknown,
            ..SessionAttributes::default()
        };
        for field in Field::ALL {
            session.set(field, dump_column(field).and_then(text));
        }
        Looked {
            instance: attachment.name.clone(),
            sid: number("sid"),
            serial_no: number("serial_no"),
            logon_us: row["logon_time"]
                .as_str()
                .and_then(|t| t.parse::<jiff::Timestamp>().ok())
                .map(jiff::Timestamp::as_microsecond),
            session,
            actual: match &row["resource_consumer_group"] {
                Json::String(group) => Some(group.clone()),
                _ => None,
            },
        }
    });
    // an image is of the moment when it was taken
    let taken = snapshot.meta.get("sample_time").and_then(Json::as_str);
    let at_us = taken
        .and_then(|t| t.parse::<jiff::Timestamp>().ok())
        .map_or(i64::MAX, |t| t.as_microsecond());
    let looked: Vec<Looked> = looked.collect();
    Ok(evaluate_look(declared, &looked, at_us))
}

/// The column of dumps that holds a field.
fn dump_column(field: Field) -> Option<&'static str> {
    match field {
        Field::ClientId => Some("client_identifier"),
        other => other.column(),
    }
}

fn shown(found: &Evaluated, top: usize) -> Result<String, Failure> {
    let meta = &found.meta;
    let mut text = String::new();
    let watched = meta
        .elapsed_seconds
        .map_or("one look".into(), |s| format!("{s:.1} s watched"));
    let _ = writeln!(
        text,
        "{watched}, {} sessions, {} switched, {} ambiguous, {} elsewhere than the rules put them\n",
        meta.sessions, meta.switched, meta.ambiguous, meta.drifting
    );
    let groups = ["consumer_group", "sessions", "seconds", "aas"];
    text += &table(&found.groups, &groups, top)?;
    text.push('\n');
    let sessions: Vec<Shown<'_>> = found
        .sessions
        .iter()
        .map(|session| Shown {
            session,
            // the group that it gives has a column of its own
            given_by: session.rule.as_deref().map_or(session.given_by, |rule| {
                rule.rsplit_once(" → ").map_or(rule, |(rule, _)| rule)
            }),
        })
        .collect();
    text += &table(&sessions, &SHOWN, top)?;
    for session in found.sessions.iter().take(top) {
        let who = format!("SID {},{}", session.sid, session.serial_no);
        for lost in &session.lost {
            let _ = writeln!(text, "{who}: lost {} ({})", lost.rule, lost.why);
        }
        if !session.ambiguous.is_empty() {
            let _ = writeln!(text, "{who}: ambiguous: {}", session.ambiguous.join(" or "));
        }
        if !session.near.is_empty() {
            let _ = writeln!(
                text,
                "{who}: but for upper and lower case: {}",
                session.near.join(", ")
            );
        }
        for switch in &session.switches {
            let group = |g: &Option<String>| g.clone().unwrap_or_else(|| "(ambiguous)".into());
            let (from, to) = (group(&switch.from), group(&switch.to));
            let _ = writeln!(text, "{who}: {} {from} → {to} ({})", switch.by, switch.why);
        }
        if session.drift == Some(true) {
            let actual = session.actual_group.as_deref().unwrap_or("");
            let declared = session.runs_in.as_deref().unwrap_or("(ambiguous)");
            let _ = writeln!(text, "{who}: is in {actual}, by the rules in {declared}");
        }
    }
    Ok(text + &footnotes(&meta.notes))
}
