//! Oracle's times in memory, as seconds since the epoch.
//!
//! For: the 7-byte DATE, and the two forms of 4-byte times; when and in which zone memory is read.
//! Not for: printing (that is `decode::dates`).

use std::sync::OnceLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::blueprint::model::Stored;

/// Seconds by which a time may lie before a logon or after now: zones of server and reader may
/// differ.
const SLACK: i64 = 86_400;

/// The moment that memory is of, and the zone of the dates in it.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Seconds since the epoch.
    pub now_s: i64,
    /// Zone of the host that the instance runs on.
    pub zone: TimeZone,
}

impl Moment {
    /// Live memory of this host.
    pub fn now() -> Moment {
        Moment {
            now_s: jiff::Timestamp::now().as_second(),
            zone: host_zone().clone(),
        }
    }
}

impl Default for Moment {
    fn default() -> Moment {
        Moment::now()
    }
}

/// A 7-byte Oracle DATE (century + 100, year + 100, month, day, hour + 1, minute + 1, second + 1),
/// in the zone of the instance's host, as seconds since the epoch. All zero, or not a date: `None`.
///
/// Source: Oracle's DATE format; seen in LOGON_TIME's bytes `78 7b 08 04 10 13 33` =
/// 2023-08-04 15:18:50 on 19c (public Pro*C sampler).
pub fn date7(bytes: &[u8], zone: &TimeZone) -> Option<i64> {
    let [century, year, month, day, hour, minute, second] = *bytes.first_chunk::<7>()?;
    local(
        (i16::from(century) - 100) * 100 + i16::from(year) - 100,
        [
            month,
            day,
            hour.checked_sub(1)?,
            minute.checked_sub(1)?,
            second.checked_sub(1)?,
        ],
        zone,
    )
}

/// A 4-byte time in seconds since the epoch: `epoch4` as it is, `packed4` by Oracle's formula
/// `(((((y-1988)*12+m-1)*31+d-1)*24+h)*60+mi)*60+s` in the zone of the instance's host. 0, or not a date:
/// `None`.
pub fn seconds(value: u32, form: Stored, zone: &TimeZone) -> Option<i64> {
    match form {
        _ if value == 0 => None,
        Stored::Epoch4 => Some(i64::from(value)),
        Stored::Packed4 => {
            let (rest, second) = (value / 60, value % 60);
            let (rest, minute) = (rest / 60, rest % 60);
            let (rest, hour) = (rest / 24, rest % 24);
            let (rest, day) = (rest / 31, rest % 31);
            let (years, month) = (rest / 12, rest % 12);
            let parts = [month + 1, day + 1, hour, minute, second];
            local(1988 + years as i16, parts.map(|p| p as u8), zone)
        }
        _ => None,
    }
}

/// Whether a time of a session can be true: not before its logon, not after now, give or take a
/// day.
pub fn is_between(time: i64, logon: i64, now: i64) -> bool {
    (logon.saturating_sub(SLACK)..=now.saturating_add(SLACK)).contains(&time)
}

/// The host's zone, asked for once: a dump of thousands of sessions shows tens of thousands of times.
pub fn host_zone() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(TimeZone::system)
}

fn local(year: i16, [month, day, hour, minute, second]: [u8; 5], zone: &TimeZone) -> Option<i64> {
    let small = |n: u8| i8::try_from(n).ok();
    let civil = DateTime::new(
        year,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    )
    .ok()?;
    let zoned = civil.to_zoned(zone.clone()).ok()?;
    Some(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-08-04 15:18:50 in both forms: the bytes are those of a public row dump, the number is
    /// the formula worked out by hand.
    #[test]
    fn one_time_in_both_forms() {
        let date = date7(
            &[0x78, 0x7b, 0x08, 0x04, 0x10, 0x13, 0x33],
            &TimeZone::system(),
        )
        .unwrap();
        let packed = ((((35 * 12 + 7) * 31 + 3) * 24 + 15) * 60 + 18) * 60 + 50;
        assert_eq!(packed, 1_143_991_130);
        assert_eq!(
            seconds(packed, Stored::Packed4, &TimeZone::system()),
            Some(date)
        );
        assert_eq!(seconds(0, Stored::Packed4, &TimeZone::system()), None);
        assert_eq!(seconds(0, Stored::Epoch4, &TimeZone::system()), None);
        // 31 February
        let wrong = ((((35 * 12 + 1) * 31 + 30) * 24) * 60) * 60;
        assert_eq!(seconds(wrong, Stored::Packed4, &TimeZone::system()), None);
        for value in [1, u32::MAX, 1 << 31] {
            let _ = seconds(value, Stored::Packed4, &TimeZone::system());
        }
    }

    /// Read in the other form a time leaves the session's life on either side.
    #[test]
    fn a_time_fits_in_one_form_only() {
        let logon = date7(
            &[0x78, 0x7b, 0x08, 0x04, 0x10, 0x13, 0x33],
            &TimeZone::system(),
        )
        .unwrap();
        let now = logon + 9 * 86_400;
        let packed = ((((35 * 12 + 7) * 31 + 9) * 24 + 15) * 60 + 18) * 60 + 50;
        let epoch = logon + 3600;
        let fits = |value, form| {
            seconds(value, form, &TimeZone::system()).is_some_and(|t| is_between(t, logon, now))
        };
        assert!(fits(packed, Stored::Packed4) && !fits(packed, Stored::Epoch4));
        let epoch = epoch as u32;
        assert!(fits(epoch, Stored::Epoch4) && !fits(epoch, Stored::Packed4));
    }

    #[test]
    fn what_is_no_date() {
        assert_eq!(date7(&[0; 7], &TimeZone::system()), None);
        assert_eq!(
            date7(&[120, 123, 13, 4, 1, 1, 1], &TimeZone::system()),
            None,
            "month 13"
        );
        assert_eq!(
            date7(&[120, 123, 2, 30, 1, 1, 1], &TimeZone::system()),
            None,
            "30 February"
        );
        assert_eq!(
            date7(&[120, 123, 2, 3, 0, 1, 1], &TimeZone::system()),
            None,
            "hour byte 0"
        );
        assert_eq!(
            date7(&[120, 123, 2], &TimeZone::system()),
            None,
            "too short"
        );
    }
}
