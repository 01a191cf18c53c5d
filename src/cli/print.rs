//! Cells, tables and CSV, as all verbs that list rows print them.
//!
//! Callers: `cli`.

use std::io::Write;

use serde_json::Value as Json;

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

/// Rows as a table for people: numbers stand right, control characters, which would break its
/// lines, are blanks.
pub fn table<R: Named>(rows: &[&R], columns: &[&str]) -> String {
    let mut shown = table::new(columns);
    for row in rows {
        shown.add_row(columns.iter().map(|c| {
            let cell = row.named(c).map(plain).unwrap_or_default();
            cell.replace(char::is_control, " ")
        }));
    }
    let is_number = |c: &str| rows.iter().any(|r| r.named(c).is_some_and(Json::is_number));
    let numbers: Vec<usize> = (0..columns.len())
        .filter(|i| is_number(columns[*i]))
        .collect();
    table::right(&mut shown, &numbers);
    table::render(&shown)
}

/// Rows as CSV, with a header line.
///
/// # Errors
/// When it can't be written.
pub fn write_csv<R: Named>(
    out: &mut dyn Write,
    rows: &[&R],
    columns: &[String],
) -> Result<(), Failure> {
    writeln!(out, "{}", columns.join(","))?;
    for row in rows {
        let cells: Vec<String> = columns
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
