//! Texts of unknown origin as a page may show them, and numbers as people read them.
//!
//! For: taking the power from control and direction characters, and cutting what is too long.
//! Escaping is not done here: maud does it for HTML, and [`super::data`] for JSON.

use std::fmt::Write;

use jiff::Timestamp;

/// Characters of a name that are shown.
const MOST_CHARS: usize = 160;
/// Characters of a statement that are shown.
pub(super) const MOST_SQL_CHARS: usize = 4_000;

/// A name as it is shown: what can't be seen or would reorder the text around it is spelt out.
pub(super) fn shown(name: &str) -> String {
    cut(name, MOST_CHARS, false)
}

/// A statement likewise; its lines and tabs stay.
pub(super) fn shown_sql(statement: &str) -> String {
    cut(statement, MOST_SQL_CHARS, true)
}

fn cut(text: &str, most: usize, lines: bool) -> String {
    let mut out = String::with_capacity(text.len().min(2 * most));
    for (nth, c) in text.chars().enumerate() {
        if nth == most {
            let more = text.chars().count() - most;
            let _ = write!(out, "… ({more} more characters)");
            break;
        }
        if is_unseen(c) && !(lines && matches!(c, '\n' | '\t')) {
            let _ = write!(out, "‹{:04X}›", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and those that show nothing but change how others are shown: Unicode's
/// Bidi_Control, line and paragraph separators, zero-width spaces, tags, what isn't a character.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}' | '\u{E0000}'..='\u{E007F}')
}

/// `1 session`, `2 sessions`, thousands set apart.
pub(super) fn count(number: u64, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {of}{plural}", thousands(number))
}

/// `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time with its date, to the second, in UTC.
pub(super) fn seconds_of(us: i64) -> String {
    formatted(us, "%Y-%m-%d %H:%M:%S")
}

/// A time as machines read it.
pub(super) fn rfc3339(us: i64) -> String {
    formatted(us, "%Y-%m-%dT%H:%M:%S%.6fZ")
}

/// A time in UTC.
pub(super) fn formatted(us: i64, format: &str) -> String {
    match Timestamp::from_microsecond(us) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => us.to_string(),
    }
}

/// A span of time: `250 ms`, `10 s`, `2 min`, `3 h`.
pub(super) fn span(us: u64) -> String {
    let seconds = us as f64 / 1e6;
    let rounded = |value: f64| {
        let text = format!("{value:.1}");
        text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
    };
    match seconds {
        s if s < 1.0 => format!("{} ms", rounded(s * 1e3)),
        s if s < 120.0 => format!("{} s", rounded(s)),
        s if s < 7_200.0 => format!("{} min", rounded(s / 60.0)),
        s if s < 172_800.0 => format!("{} h", rounded(s / 3_600.0)),
        s => format!("{} days", rounded(s / 86_400.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_is_spelt_out() {
        assert_eq!(shown("a\u{202E}cba\u{0}\n"), "a‹202E›cba‹0000›‹000A›");
        assert_eq!(shown_sql("select\n\t1\u{1b}"), "select\n\t1‹001B›");
        assert_eq!(shown("münchen@日本 שלום"), "münchen@日本 שלום");
        let long = shown(&"x".repeat(500));
        assert!(long.ends_with("x… (340 more characters)"), "{long}");
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(count(1, "tick"), "1 tick");
        assert_eq!(count(1_234_567, "tick"), "1,234,567 ticks");
        for (us, text) in [
            (50_000, "50 ms"),
            (10_000_000, "10 s"),
            (180_000_000, "3 min"),
            (5_400_000_000, "90 min"),
            (9_000_000_000, "2.5 h"),
        ] {
            assert_eq!(span(us), text);
        }
        assert_eq!(
            rfc3339(1_785_060_000_000_001),
            "2026-07-26T10:00:00.000001Z"
        );
    }
}
