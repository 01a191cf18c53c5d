//! How times are printed.

use jiff::Timestamp;

use crate::plan::times::host_zone;

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
    let offset = host_zone().to_offset(time);
    time.display_with_offset(offset).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::times::date7;

    #[test]
    fn the_public_logon_time() {
        let seconds = date7(&[0x78, 0x7b, 0x08, 0x04, 0x10, 0x13, 0x33], host_zone()).unwrap();
        assert!(rfc3339(seconds).starts_with("2023-08-04T15:18:50"));
    }
}
