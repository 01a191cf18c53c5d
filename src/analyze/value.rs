//! One value of any column, and how times are written.
//!
//! Callers: the rest of `analyze`, and whoever reads a report's rows.

use std::fmt;

use jiff::Timestamp;

/// A value as it is grouped by and shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// Not there.
    Null,
    /// A flag.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that may need all 64 bits.
    UInt(u64),
    /// A text.
    Text(String),
    /// Microseconds since 1970-01-01 UTC.
    Time(i64),
}

/// Text of a time: RFC 3339 in UTC, or the bare number if there is no such time.
pub(super) fn time_text(time_us: i64) -> String {
    match Timestamp::from_microsecond(time_us) {
        Ok(time) => time.to_string(),
        Err(_) => time_us.to_string(),
    }
}

/// Null is the empty text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => Ok(()),
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::UInt(value) => value.fmt(f),
            Value::Text(value) => value.fmt(f),
            Value::Time(value) => f.write_str(&time_text(*value)),
        }
    }
}

impl Value {
    /// The value in JSON's types; a time is a text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::UInt(value) => (*value).into(),
            Value::Text(value) => value.as_str().into(),
            Value::Time(value) => time_text(*value).into(),
        }
    }
}
