//! PL/SQL to tokens: as much of the language as scripts of calls need.
//!
//! Texts ('', N'', q'[]'), names ("quoted" too), numbers, comments (`--`, `/* */`, SQL*Plus' REM),
//! SQL*Plus' `-` at a line's end. Callers: [`super::calls`].

use super::Problem;

/// A token's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name, in upper case unless quoted.
    Name(String),
    /// A text, without its quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// `=>`.
    Arrow,
    /// `||`.
    Join,
    /// Any other character.
    Other(char),
}

impl Kind {
    /// As messages show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Kind::Name(name) => format!("the name {name}"),
            Kind::Text(text) => format!("the text {text:?}"),
            Kind::Number(number) => number.to_string(),
            Kind::Arrow => "`=>`".into(),
            Kind::Join => "`||`".into(),
            Kind::Other(c) => format!("{c:?}"),
        }
    }
}

/// A token and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: u64,
    pub(super) column: u64,
}

struct Chars<'a> {
    rest: std::str::Chars<'a>,
    line: u64,
    column: u64,
    /// Whether only blanks stand before in this line.
    line_start: bool,
}

impl Chars<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn peek_second(&self) -> Option<char> {
        let mut ahead = self.rest.clone();
        ahead.next();
        ahead.next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            (self.line, self.column, self.line_start) = (self.line + 1, 1, true);
        } else {
            self.column += 1;
            self.line_start &= c.is_whitespace();
        }
        Some(c)
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.next();
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|c| wanted(*c)) {
            taken.push(c);
            self.next();
        }
        taken
    }
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut chars = Chars {
        rest: text.chars(),
        line: 1,
        column: 1,
        line_start: true,
    };
    let mut found = Vec::new();
    loop {
        let (line, column, line_start) = (chars.line, chars.column, chars.line_start);
        let unclosed = |expected: &str| Problem {
            line,
            column,
            expected: expected.into(),
            found: "the end of the file".into(),
        };
        let Some(c) = chars.next() else {
            return Ok(found);
        };
        let next = chars.peek();
        let kind = match c {
            c if c.is_whitespace() => continue,
            '-' if next == Some('-') => {
                chars.skip_line();
                continue;
            }
            '-' if matches!(next, None | Some('\n' | '\r')) => continue,
            '/' if next == Some('*') => {
                chars.next();
                block_comment(&mut chars).ok_or_else(|| unclosed("`*/` at a comment's end"))?;
                continue;
            }
            '\'' => {
                Kind::Text(text_of(&mut chars, '\'').ok_or_else(|| unclosed("a closing quote"))?)
            }
            'n' | 'N' if next == Some('\'') => {
                chars.next();
                Kind::Text(text_of(&mut chars, '\'').ok_or_else(|| unclosed("a closing quote"))?)
            }
            'q' | 'Q' if next == Some('\'') => {
                chars.next();
                Kind::Text(alternative(&mut chars).ok_or_else(|| unclosed("the end of q'…'"))?)
            }
            '"' => Kind::Name(text_of(&mut chars, '"').ok_or_else(|| unclosed("a closing `\"`"))?),
            '=' if next == Some('>') => {
                chars.next();
                Kind::Arrow
            }
            '|' if next == Some('|') => {
                chars.next();
                Kind::Join
            }
            c if c.is_ascii_digit() => number(c, &mut chars).ok_or_else(|| Problem {
                line,
                column,
                expected: "a number".into(),
                found: "digits that are none".into(),
            })?,
            c if c.is_alphabetic() || c == '_' => {
                let mut name = c.to_string();
                name += &chars.take_while(|c| c.is_alphanumeric() || "_$#".contains(c));
                let name = name.to_uppercase();
                if line_start && ["REM", "REMARK", "PROMPT"].contains(&name.as_str()) {
                    chars.skip_line();
                    continue;
                }
                Kind::Name(name)
            }
            c => Kind::Other(c),
        };
        found.push(Token { kind, line, column });
    }
}

fn block_comment(chars: &mut Chars<'_>) -> Option<()> {
    loop {
        if chars.next()? == '*' && chars.peek() == Some('/') {
            chars.next();
            return Some(());
        }
    }
}

/// What stands up to a quote; a doubled one is one.
fn text_of(chars: &mut Chars<'_>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote && chars.peek() == Some(quote) => {
                chars.next();
                text.push(quote);
            }
            c if c == quote => return Some(text),
            c => text.push(c),
        }
    }
}

/// `[it's]'` behind `q'`.
fn alternative(chars: &mut Chars<'_>) -> Option<String> {
    let close = match chars.next()? {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        '<' => '>',
        other => other,
    };
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == close && chars.peek() == Some('\'') => {
                chars.next();
                return Some(text);
            }
            c => text.push(c),
        }
    }
}

fn number(first: char, chars: &mut Chars<'_>) -> Option<Kind> {
    let mut digits = first.to_string();
    digits += &chars.take_while(|c| c.is_ascii_digit());
    if chars.peek() == Some('.') && chars.peek_second().is_some_and(|c| c.is_ascii_digit()) {
        chars.next();
        digits.push('.');
        digits += &chars.take_while(|c| c.is_ascii_digit());
    }
    if chars.peek().is_some_and(|c| c == 'e' || c == 'E')
        && chars.peek_second().is_some_and(|c| c.is_ascii_digit())
    {
        chars.next();
        digits.push('e');
        digits += &chars.take_while(|c| c.is_ascii_digit());
    }
    digits.parse().ok().map(Kind::Number)
}
