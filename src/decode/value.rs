//! A decoded value, and how it is written as JSON and as plain text.

use std::borrow::Cow;

/// One decoded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// It can't be had in this row (fault, implausible); shown as null.
    Absent,
    /// The view shows NULL.
    Null,
    /// Unsigned number.
    Uint(u64),
    /// Signed number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// An address or RAW(8): 16 upper-case hex digits.
    Address(u64),
    /// RAW as the view prints it: `00` when zero, else 16 upper-case hex digits.
    Raw(u64),
    /// Text.
    Text(Cow<'a, str>),
    /// A point in time, seconds since the epoch.
    Time(i64),
}

impl Value<'_> {
    /// Whether the value is shown as null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Absent | Value::Null)
    }

    /// The value as JSON: addresses as text, times as RFC 3339 in the host's zone.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Absent | Value::Null => serde_json::Value::Null,
            Value::Uint(n) => (*n).into(),
            Value::Int(n) => (*n).into(),
            Value::Bool(b) => (*b).into(),
            Value::Text(text) => text.as_ref().into(),
            Value::Address(_) | Value::Raw(_) | Value::Time(_) => self.to_text().into(),
        }
    }

    /// The value as plain text; null is empty.
    pub fn to_text(&self) -> String {
        match self {
            Value::Absent | Value::Null => String::new(),
            Value::Uint(n) => n.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Raw(0) => "00".into(),
            Value::Address(a) | Value::Raw(a) => hex16(*a),
            Value::Text(text) => text.to_string(),
            Value::Time(seconds) => super::dates::rfc3339(*seconds),
        }
    }
}

/// 16 upper-case hex digits; by hand, as a dump of thousands of sessions has tens of thousands.
fn hex16(number: u64) -> String {
    let digit = |nibble: u64| b"0123456789ABCDEF"[(nibble & 15) as usize];
    let digits: [u8; 16] = std::array::from_fn(|i| digit(number >> (60 - 4 * i)));
    String::from_utf8_lossy(&digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_16_digits() {
        for number in [0, 0xA, 0x0000_0001_6F5E_3A98, u64::MAX] {
            assert_eq!(Value::Address(number).to_text(), format!("{number:016X}"));
        }
        assert_eq!(Value::Raw(0).to_text(), "00");
    }
}
