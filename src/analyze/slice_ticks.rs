//! The ticks of the slice of time that is being read, numbered.
//!
//! For: looking at the time of each tick once, not at that of each row. Callers: [`super::sums`].

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use arrow::array::{AsArray, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;

use super::columns::{self, Chosen};
use super::error::AnalyzeError;
use super::report::{ReportOptions, in_window};
use super::symbols::Mix;

const TIME_COLUMN: &str = "sample_time";

/// Sample times of a slice, in the order they came.
#[derive(Default)]
pub(super) struct SliceTicks {
    known: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    times: Vec<i64>,
    /// Of each distinct time of the batch its number, if they are coded.
    numbers: Vec<u32>,
}

/// The times of a batch: of each row, or each distinct time and which of them a row has.
struct Times<'a> {
    times: &'a TimestampMicrosecondArray,
    codes: Option<&'a Int32Array>,
}

impl<'a> Times<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Times<'a>, AnalyzeError> {
        let array = columns::column(batch, TIME_COLUMN)?;
        let coded = array.as_dictionary_opt::<Int32Type>();
        if let Some(coded) = coded
            && let Some(times) = coded.values().as_primitive_opt()
        {
            return Ok(Times {
                times,
                codes: Some(coded.keys()),
            });
        }
        Ok(Times {
            times: columns::times(batch, TIME_COLUMN)?,
            codes: None,
        })
    }
}

impl SliceTicks {
    /// Keeps those of `rows` that lie in the options' window.
    pub(super) fn keep(
        &self,
        batch: &RecordBatch,
        options: &ReportOptions,
        rows: &mut Vec<u32>,
    ) -> Result<(), AnalyzeError> {
        let Times { times, codes } = Times::of(batch)?;
        let inside = |time_us: &i64| in_window(options, *time_us);
        if times.values().iter().all(inside) {
            return Ok(());
        }
        rows.retain(|row| {
            let row = codes.map_or(*row as usize, |c| c.value(*row as usize) as usize);
            inside(&times.value(row))
        });
        Ok(())
    }

    /// Says which batch is encoded next.
    pub(super) fn begin(&mut self, batch: &RecordBatch) -> Result<(), AnalyzeError> {
        let Times { times, codes } = Times::of(batch)?;
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        if codes.is_some() {
            numbers.extend(times.values().iter().map(|time| self.number(*time)));
        }
        self.numbers = numbers;
        Ok(())
    }

    /// The numbers of the ticks of `rows` of the batch begun, in `out`.
    pub(super) fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Chosen<'_>,
        out: &mut Vec<u32>,
    ) -> Result<(), AnalyzeError> {
        let Times { times, codes } = Times::of(batch)?;
        if let Some(codes) = codes {
            let codes = codes.values();
            rows.gather(out, |row| self.numbers[codes[row] as usize]);
            return Ok(());
        }
        let mut last = None;
        rows.gather(out, |row| {
            let time_us = times.value(row);
            match last {
                Some((of, number)) if of == time_us => number,
                _ => {
                    let number = self.number(time_us);
                    last = Some((time_us, number));
                    number
                }
            }
        });
        Ok(())
    }

    fn number(&mut self, time_us: i64) -> u32 {
        // A slice has less than 2^32 ticks: it lies within an hour.
        let next = self.times.len() as u32;
        let number = *self.known.entry(time_us as u64).or_insert(next);
        if number == next {
            self.times.push(time_us);
        }
        number
    }

    /// The times by number.
    pub(super) fn times(&self) -> &[i64] {
        &self.times
    }

    /// The next slice begins.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.times.clear();
    }
}
