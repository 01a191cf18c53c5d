//! Triggers: conditions on what a tick shows, `active > 50 OR missed > 0`.
//!
//! For: judging tick after tick by a condition of [`crate::filter`] whose columns are the tick's
//! figures ([`FIGURES`]) and two functions of conditions on its active sessions: `count(…)` of one tick,
//! `aas(…)` their average over the last [`AAS_WINDOW_NS`]. Not for: what happens when one fires. Callers:
//! `cli::record`.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::decode::columns::Kind as ColumnKind;
use crate::decode::{self, Decoder};
use crate::filter::{Bound, Expr, FilterError, Kind, Row, Value};
use crate::walk::Frame;

/// Time over which `aas` averages, ns.
pub const AAS_WINDOW_NS: u64 = 10_000_000_000;

/// A number that a tick shows.
type Figure = fn(&Frame) -> Value<'static>;

/// Numbers that a tick shows: active sessions are counted apart.
const FIGURES: [(&str, Figure); 6] = [
    // ticks skipped since the tick before
    ("missed", |tick| Value::Int(tick.missed.into())),
    // ticks for which no frame was free, or that found no room
    ("dropped", |tick| Value::Int(tick.dropped.into())),
    // how much later than its deadline it began
    ("late_ms", |tick| Value::Decimal(tick.late_ns.into(), 6)),
    // how long the walk took
    ("walk_ms", |tick| Value::Decimal(tick.walk_ns.into(), 6)),
    // rows that changed during every reading
    ("torn", |tick| Value::Int(tick.torn.into())),
    // rows that could not be read
    ("faulted", |tick| Value::Int(tick.faulted.into())),
];

const ACTIVE: &str = "active";
const COUNT: &str = "count";
const AAS: &str = "aas";

/// Parses a trigger.
///
/// # Errors
/// [`FilterError`], which shows where.
pub fn parse(text: &str) -> Result<Expr, FilterError> {
    Expr::parse_with(text, &[COUNT, AAS])
}

/// Where a column of the condition comes from.
enum Source {
    Tick(Figure),
    Counted(usize),
}

/// Active sessions that fulfil a condition.
struct Counted {
    /// The condition, with the decoder's column of each of its columns; none: all.
    condition: Option<(Bound, Vec<usize>)>,
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

    /// In thousandths.
    fn average(&self) -> i128 {
        let average = (self.active_ns * 1000).checked_div(self.weight_ns.into());
        average.and_then(|n| i128::try_from(n).ok()).unwrap_or(0)
    }
}

impl Counted {
    fn value(&self) -> Value<'static> {
        match &self.window {
            Some(window) => Value::Decimal(window.average(), 3),
            None => Value::Int(self.count.into()),
        }
    }
}

/// A condition bound to a decoder's columns, with what it remembers of earlier ticks.
pub struct Trigger {
    condition: Bound,
    /// Of each of the condition's columns.
    sources: Vec<Source>,
    /// The decoder's column that says whether a session is active.
    active: Option<usize>,
    counted: Vec<Counted>,
}

impl Trigger {
    /// Binds a condition to the columns of a recording, by their names there.
    ///
    /// # Errors
    /// [`FilterError`] for a figure that ticks don't have, or a column that recordings don't have.
    pub fn bind(expr: &Expr, columns: &[&'static decode::Column]) -> Result<Trigger, FilterError> {
        let names = [ACTIVE].into_iter().chain(FIGURES.map(|(name, _)| name));
        let calls = expr.calls().iter().map(|call| call.name.as_str());
        let known: Vec<_> = names
            .chain(calls)
            .map(|name| (name.to_owned(), Kind::Number))
            .collect();
        let condition = expr.bind(&known)?;
        let mut counted = Vec::new();
        let mut sources = Vec::new();
        for name in condition.columns() {
            if let Some((_, figure)) = FIGURES.iter().find(|(known, _)| known == name) {
                sources.push(Source::Tick(*figure));
                continue;
            }
            let call = expr.calls().iter().find(|call| call.name == *name);
            let inner = call.and_then(|call| call.condition.as_ref());
            sources.push(Source::Counted(counted.len()));
            counted.push(Counted {
                condition: inner.map(|inner| of_columns(inner, columns)).transpose()?,
                count: 0,
                window: call
                    .is_some_and(|call| call.function == AAS)
                    .then(Window::default),
            });
        }
        Ok(Trigger {
            condition,
            sources,
            active: columns.iter().position(|c| c.ash == "is_active"),
            counted,
        })
    }

    /// Judges a tick. When the condition holds: what was found, in words.
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
                let fulfils = counted.condition.as_ref().is_none_or(|(bound, at)| {
                    let found = at.iter().map(|at| plain(value(*at))).collect();
                    bound.matches(&Values(found))
                });
                counted.count += u64::from(fulfils);
            }
        }
        for counted in &mut self.counted {
            if let Some(window) = &mut counted.window {
                window.push(frame.weight_ns, counted.count);
            }
        }
        self.holds(frame)
    }

    fn holds(&self, frame: &Frame) -> Option<String> {
        let of = |source: &Source| match source {
            Source::Tick(figure) => figure(frame),
            Source::Counted(at) => self.counted.get(*at).map_or(Value::Null, Counted::value),
        };
        let values = Values(self.sources.iter().map(of).collect());
        self.condition.matches(&values).then(|| {
            let names = self.condition.columns().iter().zip(&values.0);
            let found = names.map(|(name, value)| format!("{name} is {}", shown(value)));
            found.collect::<Vec<_>>().join(", ")
        })
    }
}

struct Values<'a>(Vec<Value<'a>>);

impl Row for Values<'_> {
    fn value(&self, column: usize) -> Value<'_> {
        self.0.get(column).cloned().unwrap_or(Value::Null)
    }
}

/// A condition on sessions, with the place in `columns` of each of its columns.
fn of_columns(
    expr: &Expr,
    columns: &[&'static decode::Column],
) -> Result<(Bound, Vec<usize>), FilterError> {
    let known: Vec<_> = columns
        .iter()
        .map(|column| (column.ash.to_owned(), kind(column.kind)))
        .collect();
    let bound = expr.bind(&known)?;
    let place = |name: &String| columns.iter().position(|column| column.ash == name);
    let places = bound.columns().iter().filter_map(place).collect();
    Ok((bound, places))
}

/// How conditions compare a column.
fn kind(kind: ColumnKind) -> Kind {
    match kind {
        ColumnKind::U32 | ColumnKind::U64 | ColumnKind::I64 => Kind::Number,
        ColumnKind::Bool => Kind::Bool,
        ColumnKind::Time => Kind::Time,
        ColumnKind::Text | ColumnKind::Address => Kind::Text,
    }
}

/// A decoded value as conditions compare it.
fn plain(value: decode::Value<'_>) -> Value<'_> {
    match value {
        decode::Value::Absent | decode::Value::Null => Value::Null,
        decode::Value::Uint(n) => Value::Int(n.into()),
        decode::Value::Int(n) => Value::Int(n.into()),
        decode::Value::Bool(value) => Value::Bool(value),
        decode::Value::Time(seconds) => Value::Time(seconds.saturating_mul(1_000_000)),
        decode::Value::Text(text) => Value::Text(text),
        other => Value::Text(other.to_text().into()),
    }
}

/// A figure as people read it: at most two decimals.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Int(n) => n.to_string(),
        Value::Decimal(n, scale) => {
            let number = *n as f64 / 10f64.powi(*scale as i32);
            ((number * 100.0).round() / 100.0).to_string()
        }
        _ => "unknown".to_owned(),
    }
}
