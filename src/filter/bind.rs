//! Names and types: a condition for rows that have certain columns.

use super::error::{FilterError, close_names};
use super::parse::{Expr, Node, Operand, Operator, What};
use super::test::{Kind as TestKind, Side, Test, Truth};
use super::value::{Value, parse_number, parse_time};
use super::{Row, column_name};

/// Type of a column's values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Whole numbers.
    Number,
    /// Texts.
    Text,
    /// Yes or no.
    Bool,
    /// Points in time.
    Time,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::Bool => "true or false",
            Kind::Time => "a time",
        }
    }
}

/// A condition whose columns are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    columns: Vec<String>,
    root: Tree,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Tree {
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Not(Box<Tree>),
    Test(Test),
}

impl Expr {
    /// The condition for rows that have these columns.
    ///
    /// # Errors
    /// [`FilterError`] at a column that isn't there, with close names, and at what can't be compared.
    pub fn bind(&self, columns: &[(String, Kind)]) -> Result<Bound, FilterError> {
        let mut binder = Binder {
            text: &self.text,
            known: columns,
            used: Vec::new(),
        };
        let root = binder.node(&self.root)?;
        Ok(Bound {
            columns: binder.used,
            root,
        })
    }

    /// An error at the first place where the column `name` stands, for a source that knows itself
    /// that it has none; `known` are the columns there are.
    pub fn unknown_column(&self, name: &str, known: &[String]) -> FilterError {
        let mut at = 0;
        self.root.visit(&mut |operand| {
            if at == 0 && operand.what == What::Column(name.to_owned()) {
                at = operand.at;
            }
        });
        FilterError::new(&self.text, at, no_column(name, known))
    }

    /// The times outside of which `column` can't fulfil the condition: first one wanted and first
    /// one no longer wanted, microseconds since 1970-01-01 UTC.
    pub fn window(&self, column: &str) -> (Option<i64>, Option<i64>) {
        let mut window = (None, None);
        self.root.narrow(&column_name(column), &mut window);
        window
    }
}

fn no_column(name: &str, known: &[String]) -> String {
    let close = close_names(name, known);
    match close.is_empty() {
        true => format!("no column `{name}`; there are: {}", known.join(", ")),
        false => format!("no column `{name}`; is it {}?", close.join(", ")),
    }
}

impl Node {
    fn narrow(&self, column: &str, window: &mut (Option<i64>, Option<i64>)) {
        let is = |operand: &Operand| operand.what == What::Column(column.to_owned());
        let time = |operand: &Operand| match &operand.what {
            What::Text(text) | What::Time(text) => parse_time(text),
            _ => None,
        };
        let mut from = |time: i64| window.0 = Some(window.0.map_or(time, |t| t.max(time)));
        match self {
            Node::And(parts) => parts.iter().for_each(|part| part.narrow(column, window)),
            Node::Compare(a, operator, b) if is(a) => {
                let Some(time) = time(b) else { return };
                let after = time.saturating_add(1);
                match operator {
                    Operator::Greater => from(after),
                    Operator::GreaterOrEqual => from(time),
                    Operator::Equal => {
                        from(time);
                        until(window, after);
                    }
                    Operator::Less => until(window, time),
                    Operator::LessOrEqual => until(window, after),
                    Operator::NotEqual => {}
                }
            }
            Node::Between(a, low, high, false) if is(a) => {
                if let Some(low) = time(low) {
                    from(low);
                }
                if let Some(high) = time(high) {
                    until(window, high.saturating_add(1));
                }
            }
            _ => {}
        }
    }
}

fn until(window: &mut (Option<i64>, Option<i64>), time: i64) {
    window.1 = Some(window.1.map_or(time, |t| t.min(time)));
}

struct Binder<'e> {
    text: &'e str,
    known: &'e [(String, Kind)],
    used: Vec<String>,
}

impl Binder<'_> {
    fn error(&self, at: usize, message: String) -> FilterError {
        FilterError::new(self.text, at, message)
    }

    fn node(&mut self, node: &Node) -> Result<Tree, FilterError> {
        let mut all = |parts: &[Node]| -> Result<Vec<Tree>, FilterError> {
            parts.iter().map(|part| self.node(part)).collect()
        };
        let test = match node {
            Node::And(parts) => return Ok(Tree::And(all(parts)?)),
            Node::Or(parts) => return Ok(Tree::Or(all(parts)?)),
            Node::Not(part) => return Ok(Tree::Not(Box::new(self.node(part)?))),
            Node::Compare(a, operator, b) => {
                let kind = self.common(&[a, b])?;
                TestKind::Compare(self.side(a, kind)?, *operator, self.side(b, kind)?)
            }
            Node::Like(a, pattern, negated) => {
                let kind = self.kind(a)?;
                if kind == Some(Kind::Time) {
                    let message = "a time has no LIKE; compare it with <, >= or BETWEEN";
                    return Err(self.error(a.at, message.to_owned()));
                }
                TestKind::Like(self.side(a, kind)?, pattern.clone(), *negated)
            }
            Node::In(a, list, negated) => {
                let mut operands = vec![a];
                operands.extend(list);
                let kind = self.common(&operands)?;
                let mut values = Vec::with_capacity(list.len());
                for one in list {
                    if let Side::Value(value) = self.side(one, kind)? {
                        values.push(value);
                    }
                }
                TestKind::In(self.side(a, kind)?, values, *negated)
            }
            Node::Between(a, low, high, negated) => {
                let kind = self.common(&[a, low, high])?;
                let (low, high) = (self.side(low, kind)?, self.side(high, kind)?);
                TestKind::Between(self.side(a, kind)?, low, high, *negated)
            }
            Node::IsNull(a, negated) => {
                let kind = self.kind(a)?;
                TestKind::IsNull(self.side(a, kind)?, *negated)
            }
            Node::Yes(a) => {
                let kind = self.kind(a)?;
                if let Some(kind) = kind.filter(|kind| *kind != Kind::Bool) {
                    let message = format!("this is {}: compare it with something", kind.name());
                    return Err(self.error(a.at, message));
                }
                TestKind::Yes(self.side(a, kind)?)
            }
        };
        Ok(Tree::Test(Test(test)))
    }

    /// The type of an operand by itself; a text may still stand for a number or a time.
    fn kind(&self, operand: &Operand) -> Result<Option<Kind>, FilterError> {
        Ok(match &operand.what {
            What::Column(name) => {
                let found = self.known.iter().find(|(known, _)| known == name);
                let Some((_, kind)) = found else {
                    let names: Vec<String> = self.known.iter().map(|(n, _)| n.clone()).collect();
                    return Err(self.error(operand.at, no_column(name, &names)));
                };
                Some(*kind)
            }
            What::Text(_) => Some(Kind::Text),
            What::Time(_) => Some(Kind::Time),
            What::Number(_) => Some(Kind::Number),
            What::Bool(_) => Some(Kind::Bool),
            What::Null => None,
        })
    }

    /// The type that operands are compared as: that of the columns, else of the values.
    fn common(&self, operands: &[&Operand]) -> Result<Option<Kind>, FilterError> {
        let is_column = |operand: &&&Operand| matches!(operand.what, What::Column(_));
        let columns = operands.iter().filter(is_column);
        let values = operands.iter().filter(|operand| !is_column(operand));
        let mut common = None;
        for operand in columns.chain(values) {
            let kind = self.kind(operand)?;
            common = match (common, kind) {
                (None, kind) => kind,
                (Some(Kind::Number | Kind::Time), Some(Kind::Text)) if !is_column(&operand) => {
                    common
                }
                (Some(a), Some(b)) if a != b => {
                    let hint = match (a, &operand.what) {
                        (Kind::Text, What::Number(text)) => format!("; write '{text}'"),
                        _ => String::new(),
                    };
                    let message = format!("{} can't be compared with {}{hint}", b.name(), a.name());
                    return Err(self.error(operand.at, message));
                }
                (common, _) => common,
            };
        }
        Ok(common)
    }

    fn side(&mut self, operand: &Operand, kind: Option<Kind>) -> Result<Side, FilterError> {
        let bad = |text: &str, expected: &str| {
            let message = format!("{text:?} is no {expected}");
            Err(FilterError::new(self.text, operand.at, message))
        };
        const TIME: &str = "time; write 2026-07-26T10:00:00Z, or 2026-07-26 10:00:00 for UTC";
        const NUMBER: &str = "number of at most 20 digits before the point and 18 behind it";
        Ok(Side::Value(match (&operand.what, kind) {
            (What::Column(name), _) => {
                let known = self.used.iter().position(|used| used == name);
                return Ok(Side::Column(known.unwrap_or_else(|| {
                    self.used.push(name.clone());
                    self.used.len() - 1
                })));
            }
            (What::Text(text), Some(Kind::Time)) | (What::Time(text), _) => {
                match parse_time(text) {
                    Some(time) => Value::Time(time),
                    None => return bad(text, TIME),
                }
            }
            (What::Text(text), Some(Kind::Number)) | (What::Number(text), _) => {
                match parse_number(text.trim()) {
                    Some(number) => number,
                    None => return bad(text, NUMBER),
                }
            }
            (What::Text(text), _) => Value::Text(text.clone().into()),
            (What::Bool(value), _) => Value::Bool(*value),
            (What::Null, _) => Value::Null,
        }))
    }
}

impl Bound {
    /// The columns whose values are asked for.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The truth for a row.
    pub fn truth(&self, row: &impl Row) -> Truth {
        let mut truths = [Truth::Unknown];
        // Never an error: this one has none.
        let _ = self.fold(&mut truths, &mut |test, out: &mut [Truth]| {
            out.fill(test.truth(&|column| row.value(column)));
            Ok::<(), std::convert::Infallible>(())
        });
        truths[0]
    }

    /// Whether a row is taken: whether its truth is true.
    pub fn matches(&self, row: &impl Row) -> bool {
        self.truth(row) == Truth::True
    }

    /// The truths for many rows, of those of its single comparisons, which `each` gives.
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn fold<E>(
        &self,
        out: &mut [Truth],
        each: &mut impl FnMut(&Test, &mut [Truth]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.root.fold(out, each)
    }
}

impl Tree {
    fn fold<E>(
        &self,
        out: &mut [Truth],
        each: &mut impl FnMut(&Test, &mut [Truth]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Tree::Test(test) => each(test, out),
            Tree::Not(part) => {
                part.fold(out, each)?;
                out.iter_mut().for_each(|truth| *truth = truth.not());
                Ok(())
            }
            Tree::And(parts) => joined(parts, out, each, Truth::True, Truth::min),
            Tree::Or(parts) => joined(parts, out, each, Truth::False, Truth::max),
        }
    }
}

fn joined<E>(
    parts: &[Tree],
    out: &mut [Truth],
    each: &mut impl FnMut(&Test, &mut [Truth]) -> Result<(), E>,
    neutral: Truth,
    join: fn(Truth, Truth) -> Truth,
) -> Result<(), E> {
    let mut part_truths = vec![neutral; out.len()];
    out.fill(neutral);
    for part in parts {
        part.fold(&mut part_truths, each)?;
        for (truth, more) in out.iter_mut().zip(&part_truths) {
            *truth = join(*truth, *more);
        }
    }
    Ok(())
}
