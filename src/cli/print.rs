//! Cells, tables and CSV, as all verbs that list rows print them.
//!
//! Callers: `cli`.

use std::io::Write;

use serde::Serialize;
use serde_json::Value as Json;

use super::args::Format;
use super::{Failure, table};
use crate::sample::Named;

/// A value as plain text; null is empty.
pub fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Rows for programs, as asked: JSON is the whole document, JSON lines and CSV are its rows, CSV of these
/// columns. False: a table for people is wanted, and nothing is printed.
///
/// # Errors
/// When it can't be written.
pub fn machine<R: Named + Serialize>(
    out: &mut dyn Write,
    format: Format,
    document: &impl Serialize,
    rows: &[R],
    columns: &[&str],
) -> Result<bool, Failure> {
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(document)?)?,
        Format::Jsonl => {
            for row in rows {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
        }
        Format::Csv => write_csv(out, &rows.iter().collect::<Vec<_>>(), columns)?,
        Format::Table => return Ok(false),
    }
    Ok(true)
}

/// Rows as a table for people: numbers stand right, also those that are texts so that they lose no digit;
/// control characters, which would break its lines, are blanks.
pub fn table<R: Named>(rows: &[&R], columns: &[&str]) -> String {
    let mut shown = table::new(columns);
    for row in rows {
        shown.add_row(columns.iter().map(|c| {
            let cell = row.named(c).map(plain).unwrap_or_default();
            cell.replace(char::is_control, " ")
        }));
    }
    let is_number = |c: &str| {
        let values = rows.iter().filter_map(|row| row.named(c));
        let mut given = values.filter(|value| !value.is_null()).peekable();
        given.peek().is_some() && given.all(|value| value.is_number() || is_decimal(value))
    };
    let numbers: Vec<usize> = (0..columns.len())
        .filter(|i| is_number(columns[*i]))
        .collect();
    table::right(&mut shown, &numbers);
    table::render(&shown)
}

/// A text of digits with a point in it.
fn is_decimal(value: &Json) -> bool {
    let parts = value.as_str().and_then(|text| {
        let text = text.strip_prefix('-').unwrap_or(text);
        text.split_once('.')
    });
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(whole, rest)| digits(whole) && digits(rest))
}

/// Rows as CSV, with a header line.
///
/// # Errors
/// When it can't be written.
pub fn write_csv<R: Named>(
    out: &mut dyn Write,
    rows: &[&R],
    columns: &[impl AsRef<str>],
) -> Result<(), Failure> {
    let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
    writeln!(out, "{}", names.join(","))?;
    for row in rows {
        let cells: Vec<String> = names
            .iter()
            .map(|c| csv_cell(&row.named(c).map(plain).unwrap_or_default()))
            .collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// A CSV cell by RFC 4180.
pub fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
