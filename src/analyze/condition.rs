//! Which rows of a batch the options take, whatever their time.
//!
//! Callers: [`super::sums`].

use arrow::array::RecordBatch;

use super::columns::Lookup;
use super::error::AnalyzeError;
use super::filter::Filter;
use super::report::{Include, ReportOptions};
use super::value::Value;

/// All conditions of a report.
pub(super) struct Conditions<'a> {
    words: Vec<Word<'a>>,
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
    pub(super) fn new(options: &'a ReportOptions) -> Conditions<'a> {
        let mut words: Vec<Word<'a>> = Vec::new();
        if options.recursive != Include::Include {
            words.push(Word::Kind(options.recursive, "session_kind", "RECURSIVE"));
        }
        if options.background != Include::Include {
            words.push(Word::Kind(options.background, "session_type", "BACKGROUND"));
        }
        words.extend(options.filters.iter().map(Word::Filter));
        Conditions { words }
    }

    /// The columns that are looked at.
    pub(super) fn columns(&self) -> impl Iterator<Item = String> + '_ {
        self.words.iter().map(|word| word.column().to_owned())
    }

    /// Keeps those of `rows` that fulfil all conditions.
    pub(super) fn keep(
        &mut self,
        batch: &RecordBatch,
        rows: &mut Vec<u32>,
    ) -> Result<(), AnalyzeError> {
        for word in &self.words {
            let mut lookup = Lookup::<bool>::of(batch, word.column())?;
            rows.retain(|row| lookup.get(*row as usize, |value| word.takes(value)));
        }
        Ok(())
    }
}
