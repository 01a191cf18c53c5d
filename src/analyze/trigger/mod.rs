//! Triggers: conditions on what a tick shows, `active > 50 or missed > 0`.
//!
//! For: parsing such an expression ([`parse`]) and judging tick after tick by it. Grammar:
//!
//! ```text
//! expression = condition { ("and" | "or") condition }     and binds closer than or; not; ( )
//! condition  = figure ( > | >= | < | <= | = | != ) number
//! figure     = active | missed | dropped | late_ms | walk_ms | torn | faulted
//!            | count( filter, … ) | aas( filter, … )
//! filter     = "column=value" | column = value | column != "value with % for any text"
//! ```
//!
//! `active` and `count` are of one tick's active sessions, `aas` is their average over the last
//! [`AAS_WINDOW_NS`]. Not for: what happens when one fires. Callers: `cli::record`.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::filter::Filter;
use super::value::Value;
use crate::decode::{self, Decoder};
use crate::walk::Frame;

pub use parse::{TriggerError, parse};

/// Time over which `aas` averages, ns.
pub const AAS_WINDOW_NS: u64 = 10_000_000_000;

/// How a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `!=`
    Unequal,
}

impl Comparison {
    fn holds(self, found: f64, limit: f64) -> bool {
        match self {
            Comparison::Greater => found > limit,
            Comparison::AtLeast => found >= limit,
            Comparison::Less => found < limit,
            Comparison::AtMost => found <= limit,
            Comparison::Equal => found == limit,
            Comparison::Unequal => found != limit,
        }
    }
}

/// A number that a tick shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickFigure {
    /// Ticks skipped since the tick before.
    Missed,
    /// Ticks for which no frame was free, or that found no room.
    Dropped,
    /// How much later than its deadline it began, ms.
    LateMs,
    /// How long the walk took, ms.
    WalkMs,
    /// Rows that changed during every reading.
    Torn,
    /// Rows that could not be read.
    Faulted,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Of the tick itself.
    Tick(TickFigure),
    /// Active sessions that pass all filters.
    Count(Vec<Filter>),
    /// Their average.
    Aas(Vec<Filter>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// Both.
    And(Box<Expression>, Box<Expression>),
    /// Either.
    Or(Box<Expression>, Box<Expression>),
    /// Not.
    Not(Box<Expression>),
    /// A figure against a number.
    Compare(Figure, Comparison, f64),
}

/// One sum of active sessions, with its average.
struct Counted {
    /// Column of the decoder and condition.
    filters: Vec<(usize, Filter)>,
    count: u64,
    /// Weight and count of the last ticks, and their sums; only for averages.
    window: Option<Window>,
}

#[derive(Default)]
struct Window {
    ticks: VecDeque<(u64, u64)>,
    weight_ns: u64,
    /// Sum of weight times count: ns of active sessions.
    active_ns: u128,
}

impl Window {
    fn push(&mut self, weight_ns: u64, count: u64) {
        self.ticks.push_back((weight_ns, count));
        self.weight_ns += weight_ns;
        self.active_ns += u128::from(weight_ns) * u128::from(count);
        while self.weight_ns > AAS_WINDOW_NS
            && let Some((weight, count)) = self.ticks.pop_front()
        {
            self.weight_ns -= weight;
            self.active_ns -= u128::from(weight) * u128::from(count);
        }
    }

    fn average(&self) -> f64 {
        match self.weight_ns {
            0 => 0.0,
            weight => self.active_ns as f64 / weight as f64,
        }
    }
}

/// An expression bound to a decoder's columns, with what it remembers of earlier ticks.
pub struct Trigger {
    node: Node,
    active: Option<usize>,
    counted: Vec<Counted>,
}

enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Tick(TickFigure, Comparison, f64),
    Count(usize, Comparison, f64),
    Aas(usize, Comparison, f64),
}

impl Trigger {
    /// Binds an expression to the columns of a recording, by their names there.
    ///
    /// # Errors
    /// [`TriggerError`] for a filter's column that recordings don't have.
    pub fn bind(
        expression: &Expression,
        columns: &[&'static decode::Column],
    ) -> Result<Trigger, TriggerError> {
        let mut trigger = Trigger {
            node: Node::Tick(TickFigure::Missed, Comparison::Less, 0.0),
            active: columns.iter().position(|c| c.ash == "is_active"),
            counted: Vec::new(),
        };
        trigger.node = trigger.node(expression, columns)?;
        Ok(trigger)
    }

    fn node(
        &mut self,
        expression: &Expression,
        columns: &[&'static decode::Column],
    ) -> Result<Node, TriggerError> {
        Ok(match expression {
            Expression::And(a, b) => Node::And(
                Box::new(self.node(a, columns)?),
                Box::new(self.node(b, columns)?),
            ),
            Expression::Or(a, b) => Node::Or(
                Box::new(self.node(a, columns)?),
                Box::new(self.node(b, columns)?),
            ),
            Expression::Not(a) => Node::Not(Box::new(self.node(a, columns)?)),
            Expression::Compare(Figure::Tick(figure), comparison, limit) => {
                Node::Tick(*figure, *comparison, *limit)
            }
            Expression::Compare(Figure::Count(filters), comparison, limit) => {
                Node::Count(self.count(filters, columns, false)?, *comparison, *limit)
            }
            Expression::Compare(Figure::Aas(filters), comparison, limit) => {
                Node::Aas(self.count(filters, columns, true)?, *comparison, *limit)
            }
        })
    }

    fn count(
        &mut self,
        filters: &[Filter],
        columns: &[&'static decode::Column],
        average: bool,
    ) -> Result<usize, TriggerError> {
        let bound = filters.iter().map(|filter| {
            let found = columns.iter().position(|c| c.ash == filter.column);
            let names = || columns.iter().map(|c| c.ash).collect::<Vec<_>>().join(", ");
            let at = found.ok_or_else(|| TriggerError::NoColumn {
                column: filter.column.clone(),
                available: names(),
            })?;
            Ok((at, filter.clone()))
        });
        self.counted.push(Counted {
            filters: bound.collect::<Result<_, _>>()?,
            count: 0,
            window: average.then(Window::default),
        });
        Ok(self.counted.len() - 1)
    }

    /// Judges a tick. When the expression holds: what was found, in words.
    pub fn look(&mut self, frame: &Frame, decoder: &mut Decoder) -> Option<String> {
        for counted in &mut self.counted {
            counted.count = 0;
        }
        for i in 0..frame.len() {
            let row = decoder.row(frame, i);
            let value = |at: usize| decoder.value(at, &row);
            let is_active = self
                .active
                .is_none_or(|at| value(at) == decode::Value::Bool(true));
            if !is_active {
                continue;
            }
            for counted in &mut self.counted {
                let mut filters = counted.filters.iter();
                let passes = filters.all(|(at, filter)| filter.matches(&plain(&value(*at))));
                counted.count += u64::from(passes);
            }
        }
        for counted in &mut self.counted {
            if let Some(window) = &mut counted.window {
                window.push(frame.weight_ns, counted.count);
            }
        }
        let mut found = Vec::new();
        self.holds(&self.node, frame, &mut found)
            .then(|| found.join(", "))
    }

    fn holds(&self, node: &Node, frame: &Frame, found: &mut Vec<String>) -> bool {
        let (name, value, comparison, limit) = match node {
            // both are judged, so that all figures are told
            Node::And(a, b) => return self.holds(a, frame, found) & self.holds(b, frame, found),
            Node::Or(a, b) => return self.holds(a, frame, found) | self.holds(b, frame, found),
            Node::Not(a) => return !self.holds(a, frame, found),
            Node::Tick(figure, comparison, limit) => {
                let (name, value) = of_tick(*figure, frame);
                (name.to_owned(), value, comparison, limit)
            }
            Node::Count(at, comparison, limit) => {
                let (name, counted) = self.named("count", *at);
                (
                    name,
                    counted.map_or(0.0, |c| c.count as f64),
                    comparison,
                    limit,
                )
            }
            Node::Aas(at, comparison, limit) => {
                let (name, counted) = self.named("aas", *at);
                let window = counted.and_then(|c| c.window.as_ref());
                (name, window.map_or(0.0, Window::average), comparison, limit)
            }
        };
        found.push(format!("{name} is {}", (value * 100.0).round() / 100.0));
        comparison.holds(value, *limit)
    }

    fn named(&self, function: &str, at: usize) -> (String, Option<&Counted>) {
        let counted = self.counted.get(at);
        let filters = counted.map_or_else(Vec::new, |c| {
            c.filters.iter().map(|(_, f)| f.to_string()).collect()
        });
        let name = match (function, filters.is_empty()) {
            ("count", true) => "active".to_owned(),
            _ => format!("{function}({})", filters.join(", ")),
        };
        (name, counted)
    }
}

fn of_tick(figure: TickFigure, frame: &Frame) -> (&'static str, f64) {
    match figure {
        TickFigure::Missed => ("missed", f64::from(frame.missed)),
        TickFigure::Dropped => ("dropped", f64::from(frame.dropped)),
        TickFigure::LateMs => ("late_ms", frame.late_ns as f64 / 1e6),
        TickFigure::WalkMs => ("walk_ms", frame.walk_ns as f64 / 1e6),
        TickFigure::Torn => ("torn", f64::from(frame.torn)),
        TickFigure::Faulted => ("faulted", f64::from(frame.faulted)),
    }
}

/// A decoded value as filters compare it.
fn plain(value: &decode::Value<'_>) -> Value {
    match value {
        value if value.is_null() => Value::Null,
        decode::Value::Uint(n) => Value::UInt(*n),
        other => Value::Text(other.to_text()),
    }
}
