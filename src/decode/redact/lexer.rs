//! The lexical elements of Oracle SQL and PL/SQL, as far as redaction needs them: where literals,
//! comments and quoted names begin and end (Oracle SQL Language Reference, "Literals", "Comments";
//! PL/SQL Language Reference, "Lexical Units").
//!
//! Not for: grammar. Every text is split without error; what is not understood is [`Token::Other`].
//! Callers: `redact`.

/// Kind of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// White space.
    Space,
    /// A keyword or an unquoted name.
    Word,
    /// `:1` or `:name`.
    Bind,
    /// A number.
    Number,
    /// `'…'`, `N'…'`, `q'[…]'`, `nq'[…]'`.
    Text {
        /// With the prefix N.
        national: bool,
        /// Its end is missing.
        open: bool,
    },
    /// `"…"`.
    Quoted {
        /// Its end is missing.
        open: bool,
    },
    /// `/*…*/` or `--…`.
    Comment {
        /// Where it ends is missing or in doubt.
        open: bool,
    },
    /// Any other character.
    Other,
}

/// Splits a text; an open element reaches to its end.
#[derive(Clone, Copy)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    in_hint: bool,
    /// The last element that isn't white space or a comment was a literal or a quoted name.
    after_literal: bool,
}

/// Binds have numbers up to 65,535.
const BIND_DIGITS: usize = 5;

impl<'a> Lexer<'a> {
    /// Over a statement.
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            in_hint: false,
            after_literal: false,
        }
    }

    /// Over what a hint holds: comments that would need an end of their own can't be in it.
    pub(super) fn of_hint(text: &'a str) -> Lexer<'a> {
        Lexer {
            in_hint: true,
            ..Lexer::new(text)
        }
    }

    /// Whether this is the inside of a hint.
    pub(super) fn in_hint(&self) -> bool {
        self.in_hint
    }

    /// What has not been split yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Leaves the rest unsplit.
    pub(super) fn finish(&mut self) {
        self.at = self.text.len();
    }

    /// The next element that isn't white space or a comment, with a lexer that stands before it.
    pub(super) fn significant(&mut self) -> Option<(Lexer<'a>, Token, &'a str)> {
        loop {
            let before = *self;
            let (token, text) = self.next()?;
            if !matches!(token, Token::Space | Token::Comment { .. }) {
                return Some((before, token, text));
            }
        }
    }

    /// Kind and length of the element at the start of `rest`, whose first character is `first`.
    fn element(&self, rest: &'a str, first: char) -> (Token, usize) {
        if first.is_whitespace() {
            let space = |c: char| !c.is_whitespace();
            return (Token::Space, rest.find(space).unwrap_or(rest.len()));
        }
        if let Some((open, length)) = self.comment(rest) {
            return (Token::Comment { open }, length);
        }
        if let Some((national, open, length)) = literal(rest) {
            return (Token::Text { national, open }, length);
        }
        match first {
            '"' => match rest[1..].find('"') {
                Some(end) => (Token::Quoted { open: false }, end + 2),
                None => (Token::Quoted { open: true }, rest.len()),
            },
            ':' => match self.bind(rest) {
                Some(length) => (Token::Bind, length),
                None => (Token::Other, 1),
            },
            _ if starts_number(rest) => (Token::Number, number(rest)),
            // the range operator, so that its second half isn't taken for the point of a number
            '.' if rest.starts_with("..") => (Token::Other, 2),
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c));
                (Token::Word, end.unwrap_or(rest.len()))
            }
            other => (Token::Other, other.len_utf8()),
        }
    }

    /// Whether a comment at the start is open, and its length.
    fn comment(&self, rest: &str) -> Option<(bool, usize)> {
        if rest.starts_with("--") {
            let end = rest.find('\n').unwrap_or(rest.len());
            // whether a carriage return of its own ends a comment is not documented
            let lone = rest[..end].trim_end_matches('\r').contains('\r');
            return Some(if lone {
                (true, rest.len())
            } else {
                (false, end)
            });
        }
        if self.in_hint || !rest.starts_with("/*") {
            return None;
        }
        Some(match rest[2..].find("*/") {
            Some(end) => (false, end + 4),
            None => (true, rest.len()),
        })
    }

    /// Length of a bind variable. `'key':1` in JSON_OBJECT is none, and neither is `:q'[x]'`.
    fn bind(&self, rest: &str) -> Option<usize> {
        let name = &rest[1..];
        let first = name.chars().next()?;
        if literal(name).is_some() {
            return None;
        }
        if first.is_ascii_digit() {
            let digits = digits(name);
            let glued = self.text[..self.at].ends_with(is_word);
            let fits = digits <= BIND_DIGITS && !glued && !self.after_literal;
            return fits.then_some(1 + digits);
        }
        is_word(first).then(|| 1 + name.find(|c| !is_word(c)).unwrap_or(name.len()))
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = (Token, &'a str);

    fn next(&mut self) -> Option<(Token, &'a str)> {
        let rest = self.rest();
        let (token, length) = self.element(rest, rest.chars().next()?);
        self.at += length;
        if !matches!(token, Token::Space | Token::Comment { .. }) {
            self.after_literal = matches!(token, Token::Text { .. } | Token::Quoted { .. });
        }
        Some((token, &rest[..length]))
    }
}

/// Characters of words. Letters of any alphabet can be in names; digits can't begin one, which the
/// caller sees to.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '_' | '$' | '#')
        || (!c.is_ascii() && !c.is_whitespace())
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn starts_number(text: &str) -> bool {
    let text = text.strip_prefix('.').unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Length of the number at the start: digits, point, exponent, the suffixes F and D.
fn number(text: &str) -> usize {
    let mut length = digits(text);
    let after = &text[length..];
    if after.starts_with('.') && !after.starts_with("..") {
        length += 1 + digits(&after[1..]);
    }
    let after = &text[length..];
    if let Some(exponent) = after.strip_prefix(['e', 'E']) {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits(unsigned) > 0 {
            length += after.len() - unsigned.len() + digits(unsigned);
        }
    }
    let mut suffix = text[length..].chars();
    let is_suffix = matches!(suffix.next(), Some('f' | 'F' | 'd' | 'D'));
    // `1from` is a number and a word
    length + usize::from(is_suffix && !suffix.next().is_some_and(is_word))
}

/// Whether a text literal at the start is national and open, and its length.
fn literal(text: &str) -> Option<(bool, bool, usize)> {
    let unmarked = text.strip_prefix(['n', 'N']).unwrap_or(text);
    let national = unmarked.len() < text.len();
    let alternative = unmarked.strip_prefix(['q', 'Q']);
    let inner = alternative.unwrap_or(unmarked).strip_prefix('\'')?;
    let delimiter = alternative.and_then(|_| inner.chars().next());
    let end = match delimiter.filter(|c| !c.is_whitespace()) {
        Some(delimiter) => alternative_end(inner, delimiter),
        None => plain_end(inner),
    };
    let length = end.map_or(text.len(), |end| text.len() - inner.len() + end);
    Some((national, end.is_none(), length))
}

/// Where the closing quote ends; a doubled one doesn't close.
fn plain_end(inner: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += inner[at..].find('\'')? + 1;
        if !inner[at..].starts_with('\'') {
            return Some(at);
        }
        at += 1;
    }
}

/// Where a literal with alternative quoting ends, whose delimiter is at the start: at the closing
/// one and a quote.
fn alternative_end(inner: &str, delimiter: char) -> Option<usize> {
    let closing = match delimiter {
        '[' => ']',
        '{' => '}',
        '(' => ')',
        '<' => '>',
        other => other,
    };
    let start = delimiter.len_utf8();
    inner[start..]
        .match_indices(closing)
        .map(|(at, found)| start + at + found.len())
        .find(|end| inner[*end..].starts_with('\''))
        .map(|end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(Token, &str)> {
        let all: Vec<_> = Lexer::new(text).collect();
        let whole: String = all.iter().map(|(_, t)| *t).collect();
        assert_eq!(whole, text, "nothing is lost");
        all.into_iter()
            .filter(|(k, _)| *k != Token::Space)
            .collect()
    }

    #[test]
    fn literals_end_where_oracle_ends_them() {
        let text = |national, open| Token::Text { national, open };
        for (sql, national) in [
            ("'a'", false),
            ("''", false),
            ("'it''s'", false),
            ("N'a'", true),
            ("q'[it's]'", false),
            ("Q'{a}b}'", false),
            ("nq'<a'>'", true),
            ("q'!it's!'", false),
            ("q'éaé'", false),
            ("q''a''", false),
        ] {
            let found = split(sql);
            assert_eq!(found, [(text(national, false), sql)], "{sql}");
        }
        for sql in ["'a", "'a''", "q'[a'", "q'[a]", "q'", "q' a", "n'"] {
            assert!(
                matches!(split(sql)[..], [(Token::Text { open: true, .. }, t)] if t == sql),
                "{sql}"
            );
        }
        // a word that ends in q is no prefix
        assert_eq!(
            split("seq'[a]'"),
            [(Token::Word, "seq"), (text(false, false), "'[a]'")]
        );
    }

    #[test]
    fn numbers() {
        for sql in [
            "1", "1.5", ".5", "1.", "1e3", "1.5E-3", "2f", "2.5D", "1e+3f",
        ] {
            assert_eq!(split(sql), [(Token::Number, sql)], "{sql}");
        }
        let kinds = |sql| split(sql).into_iter().map(|(_, t)| t).collect::<Vec<_>>();
        assert_eq!(kinds("1..10"), ["1", "..", "10"]);
        assert_eq!(kinds("1from t1"), ["1", "from", "t1"]);
        assert_eq!(kinds("1e"), ["1", "e"]);
    }

    #[test]
    fn binds_and_what_only_looks_like_one() {
        assert_eq!(split(":1")[0], (Token::Bind, ":1"));
        assert_eq!(split("x = :B1")[2], (Token::Bind, ":B1"));
        assert_eq!(split("x := 4")[1], (Token::Other, ":"));
        assert_eq!(split("'key':1")[2], (Token::Number, "1"));
        assert_eq!(split("'key' :12")[2], (Token::Number, "12"));
        assert_eq!(split(":4111111111")[1], (Token::Number, "4111111111"));
        assert!(matches!(split("'k':q'[it's]'")[2].0, Token::Text { .. }));
    }

    #[test]
    fn comments() {
        let comment = |open| Token::Comment { open };
        assert_eq!(split("/* ' */"), [(comment(false), "/* ' */")]);
        assert_eq!(split("-- it's\nx")[0], (comment(false), "-- it's"));
        assert_eq!(split("--a\r\nx")[0], (comment(false), "--a\r"));
        assert_eq!(split("--a\rb\nx"), [(comment(true), "--a\rb\nx")]);
        assert_eq!(split("/* a"), [(comment(true), "/* a")]);
        assert_eq!(split("/*/ a"), [(comment(true), "/*/ a")]);
    }
}
