//! Values of columns and literals, and how they compare.

use std::borrow::Cow;
use std::cmp::Ordering;

/// A value as conditions see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// Not there.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with decimals: the first divided by ten to the power of the second (18 at most).
    Decimal(i128, u32),
    /// A text.
    Text(Cow<'a, str>),
    /// Microseconds since 1970-01-01 UTC.
    Time(i64),
}

impl Value<'_> {
    /// How two values compare; `None` with null, and where they can't be compared.
    pub(super) fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
            (a, b) => {
                let ((a, a_scale), (b, b_scale)) = (a.number()?, b.number()?);
                let scale = a_scale.max(b_scale);
                let scaled = |n: i128, of: u32| n.checked_mul(10i128.checked_pow(scale - of)?);
                match (scaled(a, a_scale), scaled(b, b_scale)) {
                    (Some(a), Some(b)) => Some(a.cmp(&b)),
                    // Only one of them is that large.
                    (None, _) => Some(a.cmp(&0)),
                    (_, None) => Some(0.cmp(&b)),
                }
            }
        }
    }

    fn number(&self) -> Option<(i128, u32)> {
        match self {
            Value::Int(n) => Some((*n, 0)),
            Value::Decimal(n, scale) => Some((*n, *scale)),
            _ => None,
        }
    }

    /// The text that LIKE looks at; `None` for null.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Value::Null => return None,
            Value::Bool(value) => Cow::Owned(value.to_string()),
            Value::Int(n) => Cow::Owned(n.to_string()),
            Value::Decimal(..) | Value::Time(_) => return None,
            Value::Text(text) => Cow::Borrowed(text.as_ref()),
        })
    }
}

/// Decimals that a number may have.
const MOST_DECIMALS: usize = 18;
/// Digits that a number may have.
const MOST_DIGITS: usize = 20;

/// A number as it is written: digits with sign and decimals, no exponent.
pub(super) fn parse_number(text: &str) -> Option<Value<'static>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + decimals.len() == 0
        || !all_digits(whole)
        || !all_digits(decimals)
        || whole.trim_start_matches('0').len() > MOST_DIGITS
    {
        return None;
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > MOST_DECIMALS {
        return None;
    }
    let number: i128 = format!("0{whole}{decimals}").parse().ok()?;
    let number = if negative { -number } else { number };
    Some(match decimals.len() {
        0 => Value::Int(number),
        scale => Value::Decimal(number, scale as u32),
    })
}

/// A time as it is written: RFC 3339, or date and time (or a date) in UTC. Microseconds since 1970.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_microsecond());
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok();
    let civil = civil.or_else(|| Some(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0)));
    let zoned = civil?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_microsecond())
}
