//! Conditions `column=value` on a dump's rows, as ashtop and Snapper users type them.

use serde_json::Value as Json;

use super::{Exit, Failure};
use crate::analyze::{Filter, Value};
use crate::decode::columns::dump_columns;

/// Parses conditions; names are a dump's or a recording's (`sid`, `session_id`).
pub fn parse(words: &[String]) -> Result<Vec<Filter>, Failure> {
    let columns = dump_columns();
    words
        .iter()
        .map(|word| {
            let mut filter: Filter = word.parse().map_err(|e: crate::analyze::AnalyzeError| {
                Failure::new(Exit::Usage, e.to_string())
            })?;
            let meant = columns
                .iter()
                .find(|c| c.name == filter.column)
                .or_else(|| columns.iter().find(|c| c.ash == filter.column));
            match meant {
                Some(column) => filter.column = column.name.to_owned(),
                None => {
                    let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
                    let known = names.join(", ");
                    let message = format!("no column {}; there are: {known}", filter.column);
                    return Err(Failure::new(Exit::Usage, message));
                }
            }
            Ok(filter)
        })
        .collect()
}

/// Whether a row's value fulfils a condition.
pub fn matches(filter: &Filter, value: &Json) -> bool {
    let value = match value {
        Json::Null => Value::Null,
        Json::String(text) => Value::Text(text.clone()),
        other => Value::Text(other.to_string()),
    };
    filter.matches(&value)
}
