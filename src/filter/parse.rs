//! Text to a tree, names and types not yet looked at.

use super::error::FilterError;
use super::lex::{Token, tokens};
use super::{column_name, like};

/// Brackets and NOTs in each other, at most.
const DEEPEST: usize = 64;

/// A condition as it was written. Its columns may not exist yet: see [`Expr::bind`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expr {
    pub(super) text: String,
    pub(super) root: Node,
    calls: Vec<Call>,
}

/// A function of a condition, `count(event = 'x')`: whoever parses knows what it means, and gives its
/// value as that of the column [`Call::name`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The whole as it is written.
    pub name: String,
    /// The function, lower case.
    pub function: String,
    /// What stands in the brackets, if anything.
    pub condition: Option<Expr>,
}

/// A part of a condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Operand, Operator, Operand),
    Like(Operand, like::Pattern, bool),
    In(Operand, Vec<Operand>, bool),
    Between(Operand, Operand, Operand, bool),
    IsNull(Operand, bool),
    Yes(Operand),
}

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is compared, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// Name, resolved.
    Column(String),
    Text(String),
    /// A time by TIMESTAMP.
    Time(String),
    Number(String),
    Bool(bool),
    Null,
}

const WORDS: [&str; 12] = [
    "and",
    "or",
    "not",
    "like",
    "escape",
    "in",
    "between",
    "is",
    "null",
    "true",
    "false",
    "timestamp",
];

impl Expr {
    /// Parses a condition.
    ///
    /// # Errors
    /// [`FilterError`] with the place.
    pub fn parse(text: &str) -> Result<Expr, FilterError> {
        Expr::parse_with(text, &[])
    }

    /// Parses a condition in which these functions of a condition may stand where columns do.
    ///
    /// # Errors
    /// [`FilterError`] with the place.
    pub fn parse_with(text: &str, functions: &[&str]) -> Result<Expr, FilterError> {
        let mut parser = Parser {
            text,
            functions,
            calls: Vec::new(),
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
        };
        let root = parser.or()?;
        match parser.peek() {
            Token::End => Ok(Expr {
                text: text.to_owned(),
                root,
                calls: parser.calls,
            }),
            Token::Close => Err(parser.error("there is no ( to this )")),
            _ => Err(parser.error("AND, OR or the end is expected here")),
        }
    }

    /// The functions called, in their order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The columns named, each once, in their order.
    pub fn columns(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.root.visit(&mut |operand| {
            if let What::Column(name) = &operand.what
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        });
        names
    }
}

impl Node {
    pub(super) fn visit(&self, each: &mut impl FnMut(&Operand)) {
        match self {
            Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|p| p.visit(each)),
            Node::Not(part) => part.visit(each),
            Node::Compare(a, _, b) => [a, b].into_iter().for_each(each),
            Node::Like(a, ..) | Node::IsNull(a, _) | Node::Yes(a) => each(a),
            Node::In(a, list, _) => std::iter::once(a).chain(list).for_each(each),
            Node::Between(a, b, c, _) => [a, b, c].into_iter().for_each(each),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    functions: &'t [&'t str],
    calls: Vec<Call>,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens
            .get(self.next)
            .map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.text.len(), |(at, _)| *at)
    }

    fn error(&self, message: impl Into<String>) -> FilterError {
        FilterError::new(self.text, self.at(), message)
    }

    /// Takes the word of the language `word`, if it is next.
    fn word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Token::Word(next) if next.eq_ignore_ascii_case(word));
        self.next += usize::from(is);
        is
    }

    fn token(&mut self, token: &Token) -> bool {
        let is = self.peek() == token;
        self.next += usize::from(is);
        is
    }

    fn expect_word(&mut self, word: &str) -> Result<(), FilterError> {
        match self.word(word) {
            true => Ok(()),
            false => Err(self.error(format!("{} is expected here", word.to_uppercase()))),
        }
    }

    fn or(&mut self) -> Result<Node, FilterError> {
        let mut parts = vec![self.and()?];
        while self.word("or") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Node::Or))
    }

    fn and(&mut self) -> Result<Node, FilterError> {
        let mut parts = vec![self.factor()?];
        while self.word("and") {
            parts.push(self.factor()?);
        }
        Ok(one_or(parts, Node::And))
    }

    fn factor(&mut self) -> Result<Node, FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(format!(
                "more than {DEEPEST} brackets and NOTs in each other"
            )));
        }
        let node = if self.word("not") {
            Node::Not(Box::new(self.factor()?))
        } else if self.token(&Token::Open) {
            let node = self.or()?;
            if !self.token(&Token::Close) {
                return Err(self.error("AND, OR or ) is expected here"));
            }
            node
        } else {
            self.predicate()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn predicate(&mut self) -> Result<Node, FilterError> {
        let left = self.operand()?;
        if let Token::Operator(written) = self.peek() {
            let operator = operator(written);
            self.next += 1;
            return Ok(Node::Compare(left, operator, self.operand()?));
        }
        if self.word("is") {
            let negated = self.word("not");
            self.expect_word("null")?;
            return Ok(Node::IsNull(left, negated));
        }
        let negated = self.word("not");
        if self.word("like") {
            return Ok(Node::Like(left, self.pattern()?, negated));
        }
        if self.word("in") {
            return Ok(Node::In(left, self.list()?, negated));
        }
        if self.word("between") {
            let low = self.operand()?;
            self.expect_word("and")?;
            return Ok(Node::Between(left, low, self.operand()?, negated));
        }
        match (negated, &left.what) {
            (false, What::Column(_) | What::Bool(_) | What::Null) => Ok(Node::Yes(left)),
            (true, _) => Err(self.error("LIKE, IN or BETWEEN is expected after NOT")),
            _ => Err(self.error(
                "a comparison is expected here: =, !=, <, <=, >, >=, LIKE, IN, BETWEEN, IS NULL",
            )),
        }
    }

    fn list(&mut self) -> Result<Vec<Operand>, FilterError> {
        if !self.token(&Token::Open) {
            return Err(self.error("( is expected after IN"));
        }
        let mut list = Vec::new();
        loop {
            let at = self.at();
            let operand = self.operand()?;
            if matches!(operand.what, What::Column(_)) {
                let message = "IN lists values, not columns; texts stand in '…'";
                return Err(FilterError::new(self.text, at, message));
            }
            list.push(operand);
            if self.token(&Token::Close) {
                return Ok(list);
            }
            if !self.token(&Token::Comma) {
                return Err(self.error(", or ) is expected here"));
            }
        }
    }

    fn pattern(&mut self) -> Result<like::Pattern, FilterError> {
        let at = self.at();
        let Token::Text(pattern) = self.peek().clone() else {
            return Err(self.error("a pattern in '…' is expected after LIKE"));
        };
        self.next += 1;
        let mut escape = None;
        if self.word("escape") {
            let Token::Text(text) = self.peek().clone() else {
                return Err(self.error("one character in '…' is expected after ESCAPE"));
            };
            let mut chars = text.chars();
            escape = match (chars.next(), chars.next()) {
                (Some(c), None) => Some(c),
                _ => return Err(self.error("ESCAPE takes exactly one character")),
            };
            self.next += 1;
        }
        like::Pattern::parse(&pattern, escape).map_err(|_| {
            let message = "after the escape character only %, _ or itself may stand";
            FilterError::new(self.text, at, message)
        })
    }

    /// A function and its brackets; inside no other function may stand.
    fn call(&mut self, at: usize, function: &str) -> Result<String, FilterError> {
        self.next += 1;
        if !self.token(&Token::Open) {
            return Err(self.error(format!("( is expected after {function}")));
        }
        let functions = std::mem::take(&mut self.functions);
        let root = match self.peek() {
            Token::Close => None,
            _ => Some(self.or()?),
        };
        self.functions = functions;
        let end = self.at();
        if !self.token(&Token::Close) {
            return Err(self.error("AND, OR or ) is expected here"));
        }
        let name = self.text.get(at..=end).unwrap_or(function).to_owned();
        self.calls.push(Call {
            name: name.clone(),
            function: function.to_owned(),
            condition: root.map(|root| Expr {
                text: self.text.to_owned(),
                root,
                calls: Vec::new(),
            }),
        });
        Ok(name)
    }

    fn operand(&mut self) -> Result<Operand, FilterError> {
        let at = self.at();
        let what = match self.peek().clone() {
            Token::Text(text) => What::Text(text),
            Token::Number(text) => What::Number(text),
            Token::Quoted(name) => What::Column(column_name(&name)),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "null" => What::Null,
                "true" => What::Bool(true),
                "false" => What::Bool(false),
                "timestamp" => {
                    self.next += 1;
                    match self.peek().clone() {
                        Token::Text(text) => What::Time(text),
                        _ => return Err(self.error("a time in '…' is expected after TIMESTAMP")),
                    }
                }
                word if WORDS.contains(&word) => {
                    let message = "a column or a value is expected here";
                    return Err(self.error(message));
                }
                word if self.functions.contains(&word) => {
                    return Ok(Operand {
                        at,
                        what: What::Column(self.call(at, word)?),
                    });
                }
                word => What::Column(column_name(word)),
            },
            _ => return Err(self.error("a column or a value is expected here")),
        };
        self.next += 1;
        Ok(Operand { at, what })
    }
}

fn one_or(mut parts: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

fn operator(written: &str) -> Operator {
    match written {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        _ => Operator::GreaterOrEqual,
    }
}
