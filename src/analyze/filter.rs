//! Filter words: `username=SCOTT`, `program=sqlplus%`, `event!=ON CPU`.
//!
//! For: parsing one word and matching one value. Callers: [`super::report`], `cli`.

use std::fmt;
use std::str::FromStr;

use super::error::AnalyzeError;
use super::value::Value;
pub use crate::filter::column_name;

/// One condition on one column. Texts are compared exactly, upper and lower case apart; `%` in the
/// value stands for any text. A null matches only the empty value (`sql_id=`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Column name.
    pub column: String,
    /// Text to match, with `%` for any text.
    pub pattern: String,
    /// True for `!=`.
    pub negated: bool,
}

impl FromStr for Filter {
    type Err = AnalyzeError;

    fn from_str(word: &str) -> Result<Filter, AnalyzeError> {
        let bad = || AnalyzeError::Filter {
            word: word.to_owned(),
        };
        let (left, pattern) = word.split_once('=').ok_or_else(bad)?;
        let (name, negated) = match left.strip_suffix('!') {
            Some(name) => (name, true),
            None => (left, false),
        };
        let mut column = column_name(name);
        // a container is meant by its number or by its name
        let number = !pattern.is_empty() && pattern.bytes().all(|b| b.is_ascii_digit());
        if number && name.trim().eq_ignore_ascii_case("con") {
            column = "con_id".to_owned();
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if column.is_empty() || !column.bytes().all(plain) {
            return Err(bad());
        }
        Ok(Filter {
            column,
            pattern: pattern.to_owned(),
            negated,
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = if self.negated { "!=" } else { "=" };
        write!(f, "{}{operator}{}", self.column, self.pattern)
    }
}

impl Filter {
    /// Whether `value` fulfils the condition.
    pub fn matches(&self, value: &Value) -> bool {
        let equal = match value {
            Value::Text(text) => like(text, &self.pattern),
            Value::Null => self.pattern.is_empty(),
            other => like(&other.to_string(), &self.pattern),
        };
        equal != self.negated
    }
}

/// Whether `text` is `pattern`, where each `%` stands for any text.
fn like(text: &str, pattern: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('%') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let (middle, tail) = rest.rsplit_once('%').unwrap_or(("", rest));
    // The earliest place of each middle part leaves the most text for what follows.
    for part in middle.split('%') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(word: &str, text: &str) -> bool {
        let filter: Filter = word.parse().unwrap();
        filter.matches(&Value::Text(text.to_owned()))
    }

    #[test]
    fn wildcards() {
        assert!(matches("program=sqlplus%", "sqlplus@db1 (TNS V1-V3)"));
        assert!(matches("program=%TNS%", "sqlplus@db1 (TNS V1-V3)"));
        assert!(matches("program=s%@%V3)", "sqlplus@db1 (TNS V1-V3)"));
        assert!(matches("a=%", ""));
        assert!(matches("a=%a%a", "aba"));
        assert!(!matches("a=%a%a", "ab"));
        assert!(!matches("a=ab%ba", "aba"));
        assert!(!matches("username=SCOTT", "SCOTT2"));
        assert!(!matches("username=SCOTT", "scott"));
        assert!(matches("event!=ON CPU", "latch free"));
        assert!(matches("module=a=b", "a=b"));
    }

    #[test]
    fn null_matches_only_the_empty_value() {
        let empty: Filter = "sql_id=".parse().unwrap();
        let any: Filter = "sql_id=%".parse().unwrap();
        let some: Filter = "sql_id!=".parse().unwrap();
        assert!(empty.matches(&Value::Null));
        assert!(!any.matches(&Value::Null));
        assert!(!some.matches(&Value::Null));
    }

    #[test]
    fn names_are_resolved_and_numbers_compare_as_shown() {
        let filter: Filter = "SID=42".parse().unwrap();
        assert_eq!(filter.column, "session_id");
        assert!(filter.matches(&Value::UInt(42)));
        assert!(!filter.matches(&Value::UInt(420)));
    }

    #[test]
    fn words_that_are_none() {
        for word in ["username", "=x", "a b=1", "!=1", ""] {
            assert!(word.parse::<Filter>().is_err(), "{word}");
        }
    }
}
