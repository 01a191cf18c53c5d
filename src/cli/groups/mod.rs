//! `groups`: consumer groups by the Resource Manager's own rules, offline.

mod evaluate;
mod import;
mod limits;
mod what_if;

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::args::{Format, GroupsArgs, GroupsCommand, RecordingArgs};
use super::print::{self, plain};
use super::report::window;
use super::{Exit, Failure};
use crate::finops::groups::{Declared, Window};
use crate::finops::import::ImportError;
use crate::finops::rules_file::{RulesFile, RulesFileError};
use crate::record::Reader;

pub fn run(args: &GroupsArgs) -> Result<Exit, Failure> {
    match &args.command {
        GroupsCommand::Import(a) => import::run(a),
        GroupsCommand::Evaluate(a) => evaluate::run(a),
        GroupsCommand::WhatIf(a) => what_if::run(a),
        GroupsCommand::Limits(a) => limits::run(a),
    }
}

/// What the system said of a file that the user named.
pub(super) fn file_exit(error: &std::io::Error) -> Exit {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Exit::NoPermission,
        std::io::ErrorKind::NotFound => Exit::Usage,
        _ => Exit::Damaged,
    }
}

impl From<RulesFileError> for Failure {
    fn from(error: RulesFileError) -> Failure {
        let exit = match &error {
            RulesFileError::Io { source, .. } => file_exit(source),
            _ => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        let exit = match &error {
            ImportError::Io { source, .. } => file_exit(source),
            ImportError::Nothing { .. } => Exit::Nothing,
            _ => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

/// What a file of rules declares.
fn declared(path: &Path) -> Result<Declared, Failure> {
    Ok(Declared::of(&RulesFile::read(path)?, path)?)
}

/// The recording named, and what of it.
fn recording(
    args: &RecordingArgs,
    instance: Option<&String>,
) -> Result<Option<(Reader, Window)>, Failure> {
    let (dir, words) = match args.words.split_first() {
        Some((first, rest)) if !first.contains('=') || Path::new(first).is_dir() => (first, rest),
        _ => return Ok(None),
    };
    let reader = Reader::open(Path::new(dir))?;
    let (from_us, to_us) = window(&reader, args.from.as_deref(), args.to.as_deref())?;
    let filters = words.iter().map(|w| w.parse()).collect::<Result<_, _>>()?;
    let window = Window {
        from_us,
        to_us,
        instance: instance.cloned(),
        filters,
    };
    Ok(Some((reader, window)))
}

/// The recording that a verb can't do without.
fn required(args: &RecordingArgs, instance: Option<&String>) -> Result<(Reader, Window), Failure> {
    recording(args, instance)?.ok_or_else(|| {
        let message = "name the directory of a recording (sgascope record -o DIR makes one)";
        Failure::new(Exit::Usage, message)
    })
}

/// Columns of groups; null where rules are ambiguous.
const GROUPS: [&str; 3] = ["consumer_group", "from_group", "to_group"];

/// A row with its lists as text. For people numbers have two digits behind the point, a session is SID and SERIAL# as
/// ALTER SYSTEM KILL SESSION wants them, and null says what it means.
fn flat(row: &impl Serialize, for_people: bool) -> Result<Map<String, Json>, Failure> {
    let Json::Object(mut map) = serde_json::to_value(row)? else {
        return Ok(Map::new());
    };
    for value in map.values_mut() {
        match value {
            Json::Array(items) => {
                let texts: Vec<String> = items.iter().map(item).collect();
                *value = texts.join("; ").into();
            }
            Json::Object(_) => *value = item(value).into(),
            Json::Number(number) if for_people && number.is_f64() => {
                let number = number.as_f64().unwrap_or_default();
                *value = ((number * 100.0).round() / 100.0).into();
            }
            _ => {}
        }
    }
    if for_people {
        for name in GROUPS {
            if let Some(group @ Json::Null) = map.get_mut(name) {
                *group = "(ambiguous)".into();
            }
        }
        if let (Some(sid), Some(serial)) = (map.get("sid"), map.get("serial_no")) {
            let session = format!("{},{}", plain(sid), plain(serial));
            map.insert("session".to_owned(), session.into());
        }
    }
    Ok(map)
}

/// An item of a list, as text.
fn item(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let parts: Vec<String> = map.values().map(plain).collect();
            parts.join(" ")
        }
        other => plain(other),
    }
}

/// Rows as a table of these columns, the first `top`; columns that are null in all of them are left out.
fn table(rows: &[impl Serialize], columns: &[&str], top: usize) -> Result<String, Failure> {
    let rows: Vec<_> = rows
        .iter()
        .take(top)
        .map(|r| flat(r, true))
        .collect::<Result<_, _>>()?;
    let is_given = |name: &&str| {
        rows.is_empty()
            || rows
                .iter()
                .any(|row| row.get(*name).is_some_and(|v| !v.is_null()))
    };
    let columns: Vec<&str> = columns.iter().copied().filter(is_given).collect();
    Ok(print::table(&rows.iter().collect::<Vec<_>>(), &columns))
}

/// The whole document, or its rows, as asked; `None`: a table is wanted.
fn machine(
    format: Format,
    document: &impl Serialize,
    rows: &[impl Serialize],
) -> Result<Option<String>, Failure> {
    Ok(Some(match format {
        Format::Table => return Ok(None),
        Format::Json => serde_json::to_string_pretty(document)? + "\n",
        Format::Jsonl => {
            let lines: Vec<String> = rows
                .iter()
                .map(serde_json::to_string)
                .collect::<Result<_, _>>()?;
            lines.into_iter().map(|line| line + "\n").collect()
        }
        Format::Csv => {
            let rows: Vec<_> = rows
                .iter()
                .map(|r| flat(r, false))
                .collect::<Result<_, _>>()?;
            let columns = rows.first().map(|row| row.keys().cloned().collect());
            let columns: Vec<String> = columns.unwrap_or_default();
            let mut out = Vec::new();
            print::write_csv(&mut out, &rows.iter().collect::<Vec<_>>(), &columns)?;
            String::from_utf8_lossy(&out).into_owned()
        }
    }))
}

/// Notes, for people.
fn footnotes(notes: &[String]) -> String {
    notes.iter().map(|note| format!("note: {note}\n")).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(write!(std::io::stdout().lock(), "{text}")?)
}
