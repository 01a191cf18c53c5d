//! Rates, times and addresses as users type them.
//!
//! Callers: `args`.

/// Samples per second, 0.01 to 10,000.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hz) if (0.01..=10_000.0).contains(&hz) => Ok(hz),
        _ => Err("a rate is a number of samples per second, 0.01 to 10000".into()),
    }
}

/// A time that may be 0.
pub fn duration_or_zero(text: &str) -> Result<std::time::Duration, String> {
    match text {
        "0" | "0s" => Ok(std::time::Duration::ZERO),
        _ => duration(text),
    }
}

/// A time above 0: `10s`, `1h30m`, or bare seconds.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    let bare_seconds = text.parse::<u64>().ok().map(std::time::Duration::from_secs);
    bare_seconds
        .or_else(|| {
            let span: jiff::SignedDuration = text.parse().ok()?;
            span.try_into().ok()
        })
        .filter(|d: &std::time::Duration| !d.is_zero())
        .ok_or_else(|| "a duration is a time like 10s, 5m or 1h30m".into())
}

/// An address in hexadecimal and a number of bytes, `0x60000000:4096`.
pub fn address_range(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str, radix| u64::from_str_radix(text.trim_start_matches("0x"), radix).ok();
    let parsed = text.split_once(':').and_then(|(start, len)| {
        let radix = if len.starts_with("0x") { 16 } else { 10 };
        Some((number(start, 16)?, number(len, radix)?))
    });
    parsed
        .filter(|(start, len)| *len > 0 && start.checked_add(*len).is_some())
        .ok_or_else(|| {
            "a range is an address in hexadecimal and a number of bytes: 0x60000000:4096".into()
        })
}

/// A time above 0 that may be in days or weeks: `7d`, `2w`, `36h`.
pub fn age(text: &str) -> Result<std::time::Duration, String> {
    let unit = |suffix: char, hours: u64| {
        let number: u64 = text.strip_suffix(suffix)?.parse().ok()?;
        let seconds = number.checked_mul(hours * 3600)?;
        (seconds > 0).then(|| std::time::Duration::from_secs(seconds))
    };
    match unit('d', 24).or_else(|| unit('w', 7 * 24)) {
        Some(time) => Ok(time),
        None => duration(text).map_err(|_| "an age is a time like 7d, 2w or 36h".into()),
    }
}

/// A size above 0: `20GB`, `512MB`, `64KiB`, or bare bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let lower = text.to_ascii_lowercase();
    let found = UNITS
        .iter()
        .find_map(|(unit, size)| Some((lower.strip_suffix(&unit.to_ascii_lowercase())?, *size)));
    let (number, size) = found.unwrap_or((&lower, 1));
    let number: Option<u64> = number.trim().parse().ok();
    number
        .and_then(|n| n.checked_mul(size))
        .filter(|n| *n > 0)
        .ok_or_else(|| "a size is a number of bytes like 20GB, 512MB or 64KiB".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_ranges() {
        assert_eq!(address_range("0x60000000:4096"), Ok((0x6000_0000, 4096)));
        assert_eq!(address_range("6000F000:0x10"), Ok((0x6000_f000, 16)));
        for wrong in ["", "0x1", "0x1:0", "zz:1", "ffffffffffffffff:2", "0x1:-1"] {
            assert!(address_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("10s").unwrap().as_secs(), 10);
        assert_eq!(duration("1h30m").unwrap().as_secs(), 5400);
        assert_eq!(duration("7").unwrap().as_secs(), 7);
        assert!(duration("soon").is_err() && duration("0s").is_err() && duration("-5s").is_err());
    }

    #[test]
    fn ages_and_sizes() {
        assert_eq!(age("7d").unwrap().as_secs(), 604_800);
        assert_eq!(age("36h").unwrap().as_secs(), 129_600);
        assert!(age("0d").is_err() && age("d").is_err());
        assert_eq!(bytes("20GB"), Ok(20_000_000_000));
        assert_eq!(bytes("64 kib"), Ok(65_536));
        assert_eq!(bytes("100"), Ok(100));
        assert!(bytes("0").is_err() && bytes("GB").is_err() && bytes("-1MB").is_err());
        assert!(bytes("99999999999TB").is_err());
    }
}
