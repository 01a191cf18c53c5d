//! The ticks of a recording: how long was watched, and how well.
//!
//! Callers: [`super::survey`].

use arrow::array::RecordBatch;

use super::columns::{self, Numbers};
use super::error::AnalyzeError;
use super::report::{ReportOptions, in_window};
use super::table::ReportMeta;
use super::timeline::Steps;

/// The columns of `ticks` that are read.
pub(super) const TICK_COLUMNS: [&str; 8] = [
    "sample_time",
    "weight_us",
    "late_us",
    "rows_seen",
    "torn",
    "faulted",
    "missed",
    "dropped",
];

/// Sums over the ticks of all sources. With several sources the one that was watched longest
/// counts, so that AAS is that of all instances together.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    pub(super) meta: ReportMeta,
    late_sum_us: u64,
    /// Watched microseconds of each source.
    sources_us: Vec<u64>,
    pub(super) first_us: Option<i64>,
    pub(super) last_us: Option<i64>,
}

impl Watched {
    /// What follows is of the next source.
    pub(super) fn next_source(&mut self) {
        self.sources_us.push(0);
    }

    /// Microseconds of the source that was watched longest; `None` without ticks.
    pub(super) fn longest_us(&self) -> Option<u64> {
        self.sources_us.iter().copied().max().filter(|us| *us > 0)
    }

    /// Adds ticks.
    ///
    /// # Errors
    /// [`AnalyzeError::NoColumn`] or [`AnalyzeError::ColumnType`] if the batch isn't of `ticks`.
    pub(super) fn add(
        &mut self,
        options: &ReportOptions,
        batch: &RecordBatch,
    ) -> Result<(), AnalyzeError> {
        let time = columns::times(batch, "sample_time")?;
        let weight = Numbers::of(batch, "weight_us")?;
        let late = Numbers::of(batch, "late_us")?;
        let seen = Numbers::of(batch, "rows_seen")?;
        let torn = Numbers::of(batch, "torn")?;
        let faulted = Numbers::of(batch, "faulted")?;
        let missed = Numbers::of(batch, "missed")?;
        let dropped = Numbers::of(batch, "dropped")?;
        let mut elapsed_us = 0u64;
        for row in 0..batch.num_rows() {
            let time_us = time.value(row);
            if !in_window(options, time_us) {
                continue;
            }
            self.first_us = Some(self.first_us.map_or(time_us, |t| t.min(time_us)));
            self.last_us = Some(self.last_us.map_or(time_us, |t| t.max(time_us)));
            elapsed_us = elapsed_us.saturating_add(weight.get(row));
            self.late_sum_us = self.late_sum_us.saturating_add(late.get(row));
            let meta = &mut self.meta;
            meta.ticks += 1;
            meta.late_max_us = meta.late_max_us.max(late.get(row));
            meta.rows_seen = meta.rows_seen.saturating_add(seen.get(row));
            meta.torn = meta.torn.saturating_add(torn.get(row));
            meta.faulted = meta.faulted.saturating_add(faulted.get(row));
            meta.missed = meta.missed.saturating_add(missed.get(row));
            meta.dropped = meta.dropped.saturating_add(dropped.get(row));
        }
        match self.sources_us.last_mut() {
            Some(sum) => *sum = sum.saturating_add(elapsed_us),
            None => self.sources_us.push(elapsed_us),
        }
        Ok(())
    }

    /// What can be said of the ticks alone.
    pub(super) fn finished_meta(&self, options: &ReportOptions) -> ReportMeta {
        let mut meta = self.meta.clone();
        meta.elapsed_seconds = self.longest_us().map(super::report::seconds);
        meta.late_mean_us = match meta.ticks {
            0 => 0.0,
            ticks => self.late_sum_us as f64 / ticks as f64,
        };
        meta.from_us = options.from_us.or(self.first_us);
        meta.to_us = options.to_us.or(self.last_us);
        meta
    }
}

/// Adds the weights of a batch of ticks to the steps that they lie in.
pub(super) fn add_to_steps(
    batch: &RecordBatch,
    steps: &Steps,
    watched_us: &mut [u64],
) -> Result<(), AnalyzeError> {
    for (time_us, weight_us) in times_and_weights(batch)? {
        if let Some(step) = steps.index(time_us).and_then(|i| watched_us.get_mut(i)) {
            *step = step.saturating_add(weight_us);
        }
    }
    Ok(())
}

/// Times and weights of a batch of ticks.
pub(super) fn times_and_weights(batch: &RecordBatch) -> Result<Vec<(i64, u64)>, AnalyzeError> {
    let time = columns::times(batch, "sample_time")?;
    let weight = Numbers::of(batch, "weight_us")?;
    let rows = 0..batch.num_rows();
    Ok(rows.map(|row| (time.value(row), weight.get(row))).collect())
}
