//! `dump --list-columns`: the table of columns, for people and for programs.

use std::io::Write;

use serde_json::{Value as Json, json};

use super::args::Format;
use super::{Exit, Failure, table};
use crate::decode::statistics::SESSION_IO;
use crate::decode::{COLUMNS, Column, Scope};
use crate::sample::TEXT_COLUMNS;

/// Prints all columns.
pub fn list(out: &mut dyn Write, format: Format) -> Result<Exit, Failure> {
    match format {
        Format::Table => {
            let mut rows = table::new(&["column", "in recordings", "meaning"]);
            for c in COLUMNS {
                let (dump, sample) = names(c);
                rows.add_row([dump, sample, c.help]);
            }
            for (name, help) in on_demand() {
                rows.add_row([name, "", &help]);
            }
            write!(out, "{}", table::render(&rows))?;
        }
        Format::Json => {
            let all: Vec<Json> = objects().collect();
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for object in objects() {
                serde_json::to_writer(&mut *out, &object)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "--list-columns prints -f table, json or jsonl",
            ));
        }
    }
    Ok(Exit::Ok)
}

/// Names in dumps and in recordings; empty where it isn't shown.
pub fn names(c: &Column) -> (&'static str, &'static str) {
    match c.scope {
        Scope::Dump => (c.name, ""),
        Scope::Sample => ("", c.ash),
        Scope::Both => (c.name, c.ash),
    }
}

/// Columns of dumps that other options add.
fn on_demand() -> impl Iterator<Item = (&'static str, String)> {
    let texts = TEXT_COLUMNS.into_iter();
    let texts = texts.map(|(name, help)| (name, format!("{help}; with --sql-text")));
    let io = SESSION_IO.iter();
    texts.chain(io.map(|c| (c.name, format!("{}; with --session-io", c.help))))
}

fn objects() -> impl Iterator<Item = Json> {
    let more = on_demand().map(|(name, help)| json!({"column": name, "meaning": help}));
    COLUMNS.iter().map(object).chain(more)
}

fn object(c: &Column) -> Json {
    let (dump, sample) = names(c);
    let or_null = |text: &str| match text {
        "" => Json::Null,
        text => text.into(),
    };
    json!({
        "column": or_null(dump),
        "in_recordings": or_null(sample),
        "type": c.kind.name(),
        "meaning": c.help,
        "absent_unless_in_blueprint": or_null(c.never_or_unless()),
        "inferred": or_null(c.inferred),
    })
}
