//! Cells and CSV, as all verbs that list rows print them.
//!
//! Callers: `cli`.

use std::io::Write;

use serde_json::Value as Json;

use super::Failure;
use crate::sample::Named;

/// A value as plain text; null is empty.
pub fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
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
