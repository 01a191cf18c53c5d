//! The text of a trigger made an [`Expression`].

use super::{Comparison, Expression, Figure, TickFigure};
use crate::analyze::filter::Filter;

/// Parentheses and `not` inside each other at most.
const MAX_DEPTH: usize = 32;

/// Why a trigger can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// The text is no expression.
    #[error("{expected} expected at column {}, found {found}\n  {text}\n  {:>width$}", .at + 1, "^", width = .at + 1)]
    Syntax {
        /// The whole text.
        text: String,
        /// Where, in characters from 0.
        at: usize,
        /// What could stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A filter's column isn't one of recordings.
    #[error("no column `{column}`; there are: {available}")]
    NoColumn {
        /// The column.
        column: String,
        /// Those there are.
        available: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
    End,
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Quoted(text) => format!("\"{text}\""),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_owned(),
        }
    }
}

/// Parses a trigger.
///
/// # Errors
/// [`TriggerError::Syntax`], which shows where.
pub fn parse(text: &str) -> Result<Expression, TriggerError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
    };
    let expression = parser.either(0)?;
    match parser.peek() {
        Token::End => Ok(expression),
        _ => Err(parser.wrong("`and`, `or` or the end")),
    }
}

const SIGNS: [&str; 9] = [">=", "<=", "!=", "==", ">", "<", "=", "(", ")"];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, TriggerError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let rest: String = chars[at..].iter().take(2).collect();
        let sign = SIGNS.iter().find(|s| rest.starts_with(**s));
        let start = at;
        if c.is_whitespace() {
            at += 1;
            continue;
        } else if let Some(sign) = sign {
            at += sign.len();
            tokens.push((start, Token::Sign(sign)));
        } else if c == ',' {
            at += 1;
            tokens.push((start, Token::Sign(",")));
        } else if c == '"' || c == '\'' {
            let length = chars[at + 1..].iter().position(|end| *end == c);
            let length = length.ok_or_else(|| TriggerError::Syntax {
                text: text.to_owned(),
                at,
                expected: format!("a closing {c}"),
                found: "none".to_owned(),
            })?;
            let quoted = chars[at + 1..at + 1 + length].iter().collect();
            at += length + 2;
            tokens.push((start, Token::Quoted(quoted)));
        } else {
            let ends = |c: &char| c.is_whitespace() || "()<>=!,\"'".contains(*c);
            // a lone `!` belongs to no word, and is none
            let length = chars[at..]
                .iter()
                .position(ends)
                .unwrap_or(chars.len() - at);
            at += length.max(1);
            tokens.push((start, Token::Word(chars[start..at].iter().collect())));
        }
    }
    tokens.push((chars.len(), Token::End));
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |t| &t.1)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    /// Takes the next token if it is this sign or word.
    fn took(&mut self, wanted: &str) -> bool {
        let is = match self.peek() {
            Token::Sign(sign) => *sign == wanted,
            Token::Word(word) => word.eq_ignore_ascii_case(wanted),
            _ => false,
        };
        self.next += usize::from(is);
        is
    }

    fn wrong(&self, expected: &str) -> TriggerError {
        let at = self.tokens.get(self.next).or(self.tokens.last());
        TriggerError::Syntax {
            text: self.text.to_owned(),
            at: at.map_or(0, |t| t.0),
            expected: expected.to_owned(),
            found: self.peek().shown(),
        }
    }

    fn expect(&mut self, sign: &str) -> Result<(), TriggerError> {
        match self.took(sign) {
            true => Ok(()),
            false => Err(self.wrong(&format!("`{sign}`"))),
        }
    }

    fn either(&mut self, depth: usize) -> Result<Expression, TriggerError> {
        let mut left = self.both(depth)?;
        while self.took("or") {
            left = Expression::Or(Box::new(left), Box::new(self.both(depth)?));
        }
        Ok(left)
    }

    fn both(&mut self, depth: usize) -> Result<Expression, TriggerError> {
        let mut left = self.one(depth)?;
        while self.took("and") {
            left = Expression::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Expression, TriggerError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("an expression less deep"));
        }
        if self.took("not") {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.took("(") {
            let inner = self.either(depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let figure = self.figure()?;
        let comparison = self.comparison()?;
        Ok(Expression::Compare(figure, comparison, self.number()?))
    }

    fn figure(&mut self) -> Result<Figure, TriggerError> {
        const KNOWN: &str =
            "active, count(…), aas(…), missed, dropped, late_ms, walk_ms, torn or faulted";
        let Token::Word(word) = self.peek() else {
            return Err(self.wrong(KNOWN));
        };
        let figure = match word.to_ascii_lowercase().as_str() {
            "active" => Figure::Count(Vec::new()),
            "missed" => Figure::Tick(TickFigure::Missed),
            "dropped" => Figure::Tick(TickFigure::Dropped),
            "late_ms" => Figure::Tick(TickFigure::LateMs),
            "walk_ms" => Figure::Tick(TickFigure::WalkMs),
            "torn" => Figure::Tick(TickFigure::Torn),
            "faulted" => Figure::Tick(TickFigure::Faulted),
            "count" => {
                self.next += 1;
                return Ok(Figure::Count(self.filters()?));
            }
            "aas" => {
                self.next += 1;
                return Ok(Figure::Aas(self.filters()?));
            }
            _ => return Err(self.wrong(KNOWN)),
        };
        self.next += 1;
        Ok(figure)
    }

    fn filters(&mut self) -> Result<Vec<Filter>, TriggerError> {
        self.expect("(")?;
        let mut filters = Vec::new();
        while !self.took(")") {
            if !filters.is_empty() {
                self.expect(",")?;
            }
            filters.push(self.filter()?);
        }
        Ok(filters)
    }

    fn filter(&mut self) -> Result<Filter, TriggerError> {
        const WANTED: &str = "column=value";
        let start = self.next;
        let text = match self.take() {
            Token::Quoted(text) => text,
            Token::Word(column) => {
                let sign = match self.take() {
                    Token::Sign("=" | "==") => "=",
                    Token::Sign("!=") => "!=",
                    _ => {
                        self.next -= 1;
                        return Err(self.wrong("`=` or `!=`"));
                    }
                };
                match self.take() {
                    Token::Quoted(value) | Token::Word(value) => format!("{column}{sign}{value}"),
                    _ => {
                        self.next -= 1;
                        return Err(self.wrong("a value"));
                    }
                }
            }
            _ => String::new(),
        };
        text.parse().map_err(|_| {
            self.next = start;
            self.wrong(WANTED)
        })
    }

    fn comparison(&mut self) -> Result<Comparison, TriggerError> {
        let comparison = match self.peek() {
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::AtLeast,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::AtMost,
            Token::Sign("=" | "==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::Unequal,
            _ => return Err(self.wrong("a comparison: > >= < <= = !=")),
        };
        self.next += 1;
        Ok(comparison)
    }

    fn number(&mut self) -> Result<f64, TriggerError> {
        let number = match self.peek() {
            Token::Word(word) => word.parse::<f64>().ok().filter(|n| n.is_finite()),
            _ => None,
        };
        let number = number.ok_or_else(|| self.wrong("a number"))?;
        self.next += 1;
        Ok(number)
    }
}
