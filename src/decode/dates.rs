//! Oracle's dates in memory, and how times are printed.

use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};

/// A 7-byte Oracle DATE (century + 100, year + 100, month, day, hour + 1, minute + 1, second + 1),
/// in the host's local time, as seconds since the epoch. All zero, or not a date: `None`.
///
/// Source: Oracle's DATE format; seen in LOGON_TIME's bytes `78 7b 08 04 10 13 33` =
/// 2023-08-04 15:18:50 on 19c (public Pro*C sampler).
pub fn date7(bytes: &[u8]) -> Option<i64> {
    let [century, year, month, day, hour, minute, second] = *bytes.first_chunk::<7>()?;
    let year = (i16::from(century) - 100) * 100 + i16::from(year) - 100;
    let civil = DateTime::new(
        year,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour.checked_sub(1)?).ok()?,
        i8::try_from(minute.checked_sub(1)?).ok()?,
        i8::try_from(second.checked_sub(1)?).ok()?,
        0,
    )
    .ok()?;
    let zoned = civil.to_zoned(TimeZone::system()).ok()?;
    Some(zoned.timestamp().as_second())
}

/// Seconds since the epoch as RFC 3339 with the host's zone offset.
pub fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), rfc3339_of)
}

/// Nanoseconds since the epoch as RFC 3339 with microseconds and the host's zone offset.
pub fn rfc3339_ns(nanoseconds: i64) -> String {
    let micros = nanoseconds.div_euclid(1000);
    Timestamp::from_microsecond(micros).map_or_else(|_| nanoseconds.to_string(), rfc3339_of)
}

fn rfc3339_of(time: Timestamp) -> String {
    let zone = TimeZone::system();
    let offset = zone.to_offset(time);
    time.display_with_offset(offset).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_logon_time() {
        let seconds = date7(&[0x78, 0x7b, 0x08, 0x04, 0x10, 0x13, 0x33]).unwrap();
        assert!(rfc3339(seconds).starts_with("2023-08-04T15:18:50"));
    }

    #[test]
    fn what_is_no_date() {
        assert_eq!(date7(&[0; 7]), None);
        assert_eq!(date7(&[120, 123, 13, 4, 1, 1, 1]), None, "month 13");
        assert_eq!(date7(&[120, 123, 2, 30, 1, 1, 1]), None, "30 February");
        assert_eq!(date7(&[120, 123, 2, 3, 0, 1, 1]), None, "hour byte 0");
        assert_eq!(date7(&[120, 123, 2]), None, "too short");
    }
}
