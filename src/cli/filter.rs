//! Conditions `column=value`, as ashtop and Snapper users type them.

use super::{Exit, Failure};

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Column name, lower case.
    pub column: String,
    /// Value; `%` stands for any characters.
    pub pattern: String,
}

/// Parses conditions; the names must be among `known`.
pub fn parse<'a>(
    words: &[String],
    known: impl Fn() -> Box<dyn Iterator<Item = &'a str> + 'a>,
) -> Result<Vec<Filter>, Failure> {
    words
        .iter()
        .map(|word| {
            let (column, pattern) = word.split_once('=').ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    format!("{word:?} is no condition; write column=value, e.g. username=SCOTT"),
                )
            })?;
            let column = column.trim().to_lowercase();
            if !known().any(|name| name == column) {
                let names: Vec<&str> = known().collect();
                return Err(Failure::new(
                    Exit::Usage,
                    format!("no column {column}; there are: {}", names.join(", ")),
                ));
            }
            Ok(Filter {
                column,
                pattern: pattern.to_owned(),
            })
        })
        .collect()
}

/// Whether text matches a pattern in which `%` stands for any characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches("SCOTT", "SCOTT") && !matches("SCOTT", "SCOTTY"));
        assert!(matches("db file%read", "db file sequential read"));
        assert!(matches("%", "") && matches("%a%b%", "xxaxxbxx"));
        assert!(!matches("a%a", "a"), "both ends need their own character");
    }
}
