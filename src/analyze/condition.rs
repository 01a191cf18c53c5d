//! Which rows of a batch the options take, whatever their time.
//!
//! Callers: [`super::sums`], [`super::survey`].

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use super::columns::Lookup;
use super::error::AnalyzeError;
use super::filter::Filter;
use super::report::{Include, ReportOptions};
use super::symbols::Symbols;
use super::value::Value;
use crate::filter::{Bound, Expr, FilterError, Kind, Test, Truth, Value as Operand};

/// All conditions of a report.
pub(super) struct Conditions<'a> {
    words: Vec<Word<'a>>,
    bound: Option<&'a Bound>,
}

enum Word<'a> {
    Filter(&'a Filter),
    Kind(Include, &'static str, &'static str),
}

impl Word<'_> {
    fn column(&self) -> &str {
        match self {
            Word::Filter(filter) => &filter.column,
            Word::Kind(_, column, _) => column,
        }
    }

    fn takes(&self, value: &Value) -> bool {
        match self {
            Word::Filter(filter) => filter.matches(value),
            Word::Kind(include, _, kind) => {
                include.takes(matches!(value, Value::Text(text) if text == kind))
            }
        }
    }
}

impl<'a> Conditions<'a> {
    /// `bound` is the options' condition, its columns found.
    pub(super) fn new(options: &'a ReportOptions, bound: Option<&'a Bound>) -> Conditions<'a> {
        let mut words: Vec<Word<'a>> = Vec::new();
        if options.recursive != Include::Include {
            words.push(Word::Kind(options.recursive, "session_kind", "RECURSIVE"));
        }
        if options.background != Include::Include {
            words.push(Word::Kind(options.background, "session_type", "BACKGROUND"));
        }
        words.extend(options.filters.iter().map(Word::Filter));
        Conditions { words, bound }
    }

    /// The columns that are looked at.
    pub(super) fn columns(&self) -> Vec<String> {
        let words = self.words.iter().map(|word| word.column().to_owned());
        let bound = self
            .bound
            .into_iter()
            .flat_map(|b| b.columns().iter().cloned());
        words.chain(bound).collect()
    }

    /// Keeps those of `rows` that fulfil all conditions.
    pub(super) fn keep(
        &self,
        batch: &RecordBatch,
        rows: &mut Vec<u32>,
    ) -> Result<(), AnalyzeError> {
        for word in &self.words {
            let mut lookup = Lookup::<bool>::of(batch, word.column())?;
            rows.retain(|row| lookup.get(*row as usize, |value| word.takes(value)));
        }
        let Some(bound) = self.bound else {
            return Ok(());
        };
        let mut truths = vec![Truth::Unknown; rows.len()];
        bound.fold(&mut truths, &mut |test, out| {
            truths_of(test, bound.columns(), batch, rows, out)
        })?;
        let mut truths = truths.into_iter();
        rows.retain(|_| truths.next() == Some(Truth::True));
        Ok(())
    }
}

/// The truths of one comparison, looked at once for each distinct value of a dictionary.
fn truths_of(
    test: &Test,
    names: &[String],
    batch: &RecordBatch,
    rows: &[u32],
    out: &mut [Truth],
) -> Result<(), AnalyzeError> {
    match test.columns().as_slice() {
        [] => out.fill(test.truth(&|_| Operand::Null)),
        [column] => {
            let mut lookup = Lookup::<Truth>::of(batch, &names[*column])?;
            for (row, out) in rows.iter().zip(out) {
                *out = lookup.get(*row as usize, |value| test.truth(&|_| operand(value)));
            }
        }
        several => {
            let mut symbols = Symbols::default();
            let mut numbers = Vec::with_capacity(several.len());
            for column in several {
                let mut lookup = Lookup::<u32>::of(batch, &names[*column])?;
                let of_rows = rows
                    .iter()
                    .map(|row| lookup.get(*row as usize, |value| symbols.number(value)));
                numbers.push((*column, of_rows.collect::<Vec<u32>>()));
            }
            for (at, out) in out.iter_mut().enumerate() {
                let values: Vec<(usize, Value)> = numbers
                    .iter()
                    .map(|(column, numbers)| (*column, symbols.value(numbers[at])))
                    .collect();
                *out = test.truth(&|wanted| {
                    let found = values.iter().find(|(column, _)| *column == wanted);
                    found.map_or(Operand::Null, |(_, value)| operand(value))
                });
            }
        }
    }
    Ok(())
}

fn operand(value: &Value) -> Operand<'_> {
    match value {
        Value::Null => Operand::Null,
        Value::Bool(value) => Operand::Bool(*value),
        Value::Int(n) => Operand::Int(i128::from(*n)),
        Value::UInt(n) => Operand::Int(i128::from(*n)),
        Value::Text(text) => Operand::Text(Cow::Borrowed(text)),
        Value::Time(time) => Operand::Time(*time),
    }
}

/// The columns of a schema that conditions can be on, with their types.
fn kinds(schema: &Schema) -> Vec<(String, Kind)> {
    let kind = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => Some(Kind::Text),
        DataType::Utf8 => Some(Kind::Text),
        DataType::Boolean => Some(Kind::Bool),
        DataType::Timestamp(..) => Some(Kind::Time),
        other => other.is_integer().then_some(Kind::Number),
    };
    let fields = schema.fields().iter();
    fields
        .filter_map(|field| Some((field.name().clone(), kind(field.data_type())?)))
        .collect()
}

/// The condition for samples of this schema.
pub(super) fn bind(expr: &Expr, schema: &Schema) -> Result<Bound, FilterError> {
    expr.bind(&kinds(schema))
}
