//! Times as Oracle's tools print them.
//!
//! For: texts of TIMESTAMP and DATE under usual settings of NLS_TIMESTAMP_FORMAT and NLS_DATE_FORMAT, with or without a
//! zone. A day and a month that could be the other way round (`03/04/2026`) are refused.
//!
//! Callers: [`super::read`].

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// What is accepted, for messages.
pub(super) const FORMATS: &str =
    "a time like 2026-11-21 14:30:05.123, 2026-11-21T14:30:05Z or 21-NOV-26 02.30.05.123 PM";

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// A text's time: of a clock on a wall, in a zone if it names one.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Spoken {
    pub(super) wall: DateTime,
    pub(super) zone: Option<TimeZone>,
}

/// Which moments a wall-clock time can be. Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    At(i64),
    /// Clocks were set back: before that, and after it.
    Either(i64, i64),
}

impl Spoken {
    /// The moments; `None` if clocks were set forward over this time, or it is beyond what can be counted.
    pub(super) fn moment(&self, zone: &TimeZone) -> Option<Moment> {
        let zone = self.zone.as_ref().unwrap_or(zone);
        let at = |offset: Offset| Some(offset.to_timestamp(self.wall).ok()?.as_microsecond());
        match zone.to_ambiguous_timestamp(self.wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some(Moment::At(at(offset)?)),
            AmbiguousOffset::Fold { before, after } => {
                Some(Moment::Either(at(before)?, at(after)?))
            }
            AmbiguousOffset::Gap { .. } => None,
        }
    }
}

/// The time that a text says, with its time of day.
pub(super) fn parse(text: &str) -> Option<Spoken> {
    let text = text.trim();
    let (date, rest) = split_date(text)?;
    let date = parse_date(date)?;
    let rest = rest.trim();
    let clock_end = rest
        .find(|c: char| !c.is_ascii_digit() && !".:,".contains(c))
        .unwrap_or(rest.len());
    let (clock, rest) = rest.split_at(clock_end);
    let mut rest = rest.trim();
    let mut half = None;
    for (word, afternoon) in [("AM", false), ("PM", true), ("A.M.", false), ("P.M.", true)] {
        if let Some(head) = rest.get(..word.len())
            && head.eq_ignore_ascii_case(word)
        {
            half = Some(afternoon);
            rest = rest[word.len()..].trim();
            break;
        }
    }
    let wall = date.to_datetime(parse_clock(clock, half)?);
    let zone = match rest {
        "" => None,
        rest => Some(parse_zone(rest)?),
    };
    Some(Spoken { wall, zone })
}

/// Whether a text is a date without a time of day.
pub(super) fn is_date(text: &str) -> bool {
    parse_date(text.trim()).is_some()
}

fn split_date(text: &str) -> Option<(&str, &str)> {
    // a T between digits is ISO's; month names have a T too
    let iso = text.char_indices().find(|(at, c)| {
        let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        *c == 'T'
            && digit(text.as_bytes().get(at + 1))
            && *at > 0
            && digit(text.as_bytes().get(at - 1))
    });
    match iso {
        Some((at, _)) => Some((&text[..at], &text[at + 1..])),
        None => text.split_once(char::is_whitespace),
    }
}

fn parse_date(text: &str) -> Option<Date> {
    let separator = text.chars().find(|c| "-/.".contains(*c))?;
    let parts: Vec<&str> = text.split(separator).collect();
    let [first, middle, last] = parts.as_slice() else {
        return None;
    };
    let number = |text: &str| -> Option<i16> {
        let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let (year, month, day) = if first.len() == 4 {
        (number(first)?, number(middle)?, number(last)?)
    } else if let Some(month) = month_named(middle) {
        (year_of(last, number(last)?)?, month, number(first)?)
    } else if separator == '.' || (separator == '-' && last.len() == 4) {
        (
            year_of(last, number(last)?)?,
            number(middle)?,
            number(first)?,
        )
    } else {
        return None;
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn month_named(text: &str) -> Option<i16> {
    let short = text.get(..3)?.to_ascii_uppercase();
    let place = MONTHS.iter().position(|month| *month == short)?;
    Some(place as i16 + 1)
}

/// Two digits as Oracle's RR has them, in this half century or the other.
fn year_of(text: &str, number: i16) -> Option<i16> {
    match (text.len(), number) {
        (4, year) => Some(year),
        (2, 0..50) => Some(2000 + number),
        (2, _) => Some(1900 + number),
        _ => None,
    }
}

fn parse_clock(text: &str, afternoon: Option<bool>) -> Option<Time> {
    let parts: Vec<&str> = text.split([':', '.', ',']).collect();
    let (clock, fraction) = match parts.as_slice() {
        [_, _, _] => (parts.as_slice(), ""),
        [clock @ .., fraction] if clock.len() == 3 => (clock, *fraction),
        _ => return None,
    };
    let number = |text: &str| -> Option<i8> {
        ((1..=2).contains(&text.len()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let (hour, minute, second) = (number(clock[0])?, number(clock[1])?, number(clock[2])?);
    let hour = match afternoon {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
    };
    if fraction.len() > 9 {
        return None;
    }
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Time::new(hour, minute, second, nanos).ok()
}

fn parse_zone(text: &str) -> Option<TimeZone> {
    if text.eq_ignore_ascii_case("Z") || text.eq_ignore_ascii_case("UTC") {
        return Some(TimeZone::UTC);
    }
    let Some(sign) = text.chars().next().filter(|c| "+-".contains(*c)) else {
        return TimeZone::get(text).ok();
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |text: &str| text.parse::<i32>().ok();
    let seconds = number(&digits[..2])? * 3600 + number(&digits[2..])? * 60;
    let seconds = if sign == '-' { -seconds } else { seconds };
    Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
}
