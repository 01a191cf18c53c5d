//! A condition's words.

use super::error::FilterError;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A name or a word of the language.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    Text(String),
    /// As it was written, with its sign.
    Number(String),
    /// One of `= != < <= > >=`.
    Operator(&'static str),
    Open,
    Close,
    Comma,
    End,
}

/// The tokens of `text` and the byte at which each begins; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let start = at;
        let rest = &text[at..];
        let token = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '\'' | '"' => {
                let (content, length) = quoted(text, at, first)?;
                at += length;
                found.push((
                    start,
                    match first {
                        '\'' => Token::Text(content),
                        _ => Token::Quoted(content),
                    },
                ));
                continue;
            }
            c if c.is_ascii_digit()
                || ((c == '-' || c == '+' || c == '.') && digit_follows(rest)) =>
            {
                let length = 1 + rest[1..]
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
                    .unwrap_or(rest.len() - 1);
                at += length;
                found.push((start, Token::Number(rest[..length].to_owned())));
                continue;
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = rest
                    .find(|c: char| !(c.is_alphanumeric() || "_$#".contains(c)))
                    .unwrap_or(rest.len());
                at += length;
                found.push((start, Token::Word(rest[..length].to_owned())));
                continue;
            }
            _ => match operator(rest) {
                Some((written, meant)) => {
                    at += written.len();
                    found.push((start, Token::Operator(meant)));
                    continue;
                }
                None => {
                    let message = format!("`{first}` isn't part of a condition");
                    return Err(FilterError::new(text, at, message));
                }
            },
        };
        at += first.len_utf8();
        found.push((start, token));
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

fn digit_follows(rest: &str) -> bool {
    let mut after = rest[1..].chars();
    match after.next() {
        Some('.') => after.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_ascii_digit(),
        None => false,
    }
}

/// The longer ones first.
const OPERATORS: [(&str, &str); 8] = [
    ("<>", "!="),
    ("!=", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("==", "="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
];

fn operator(rest: &str) -> Option<(&'static str, &'static str)> {
    OPERATORS
        .into_iter()
        .find(|(written, _)| rest.starts_with(written))
}

/// The content of what is quoted at `at`, a doubled quote being one, and its length with quotes.
fn quoted(text: &str, at: usize, quote: char) -> Result<(String, usize), FilterError> {
    let mut content = String::new();
    let mut chars = text[at..].char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        if c != quote {
            content.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            content.push(quote);
            chars.next();
        } else {
            return Ok((content, offset + 1));
        }
    }
    let message = format!("the closing {quote} is missing");
    Err(FilterError::new(text, at, message))
}
