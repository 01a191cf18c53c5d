//! The ashtop-like report: active time by any columns.
//!
//! For: what to report ([`ReportOptions`]), over a recording ([`report_recording`]). The columns are those of Tanel Poder's ashtop.sql. Time is
//! the sum of the samples' own weights, never of the wait times that samples show in progress:
//! those count long waits many times. Memory grows with the number of groups and of distinct
//! executions, not with rows.
//!
//! Not for: showing the result. Callers: `cli`.

use super::aas;
use super::error::AnalyzeError;
use super::filter::Filter;
use super::sums::GroupSums;
use super::survey::{Grouping, survey_recording};
use super::table::{ReportTable, Row};
use super::value::Value;
use super::variance::Design;
use crate::filter::Expr;
use crate::record::Reader;

/// What to do with samples of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Include {
    /// Count them with the others.
    #[default]
    Include,
    /// Leave them out.
    Exclude,
    /// Leave the others out.
    Only,
}

impl Include {
    pub(super) fn takes(self, is_of_kind: bool) -> bool {
        match self {
            Include::Include => true,
            Include::Exclude => !is_of_kind,
            Include::Only => is_of_kind,
        }
    }
}

/// What to report.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReportOptions {
    /// Columns to group by; none gives one row of all. Short names (`sid`) are resolved.
    pub groups: Vec<String>,
    /// Conditions that all must hold.
    pub filters: Vec<Filter>,
    /// A condition that must hold too; `event` and `wait_class` are `ON CPU` there while a session
    /// doesn't wait.
    pub condition: Option<Expr>,
    /// Recursive sessions (`session_kind` is `RECURSIVE`).
    pub recursive: Include,
    /// Background processes (`session_type` is `BACKGROUND`).
    pub background: Include,
    /// First `sample_time` wanted, microseconds since 1970-01-01 UTC.
    pub from_us: Option<i64>,
    /// First `sample_time` no longer wanted, microseconds since 1970-01-01 UTC.
    pub to_us: Option<i64>,
    /// Rows of the result; all if `None`.
    pub top: Option<usize>,
    /// Whether to compute intervals of AAS.
    pub intervals: bool,
    /// Only this instance of a recording; all if `None`.
    pub instance: Option<String>,
}

/// Reports on a recording: its tables `samples` and `ticks`.
///
/// # Errors
/// [`AnalyzeError::Record`] if the recording can't be read or has no such column,
/// [`AnalyzeError::ColumnType`] if a column isn't of its type.
pub fn report_recording(
    reader: &Reader,
    options: &ReportOptions,
) -> Result<ReportTable, AnalyzeError> {
    let grouping = Grouping {
        columns: options.groups.clone(),
        steps: None,
    };
    let mut surveyed = survey_recording(reader, options, &[grouping])?;
    // One grouping gives one table.
    Ok(surveyed.swap_remove(0).table)
}

impl GroupSums {
    /// The group's row of the result, of a whole of `total_us`; `interval_of` gives the interval
    /// where one is wanted.
    pub(super) fn row(
        self,
        values: Vec<Value>,
        total_us: u64,
        watched_us: Option<u64>,
        design: Option<&Design>,
    ) -> Row {
        let variance = design.and_then(|design| design.variance_us2(&self.spread));
        let interval = match (variance, watched_us) {
            (Some(variance), Some(watched)) => aas::interval(self.weight_us, variance, watched),
            _ => None,
        };
        Row {
            values,
            total_us: self.weight_us,
            total_seconds: seconds(self.weight_us),
            aas: watched_us.map(|watched| self.weight_us as f64 / watched as f64),
            pct: match total_us {
                0 => 0.0,
                total_us => 100.0 * self.weight_us as f64 / total_us as f64,
            },
            first_seen_us: self.first_us,
            last_seen_us: self.last_us,
            distinct_execs: self.distinct_execs,
            distinct_tstamps: self.distinct_tstamps,
            samples: self.samples,
            interval,
        }
    }
}

pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

pub(super) fn in_window(options: &ReportOptions, time_us: i64) -> bool {
    options.from_us.is_none_or(|from| time_us >= from)
        && options.to_us.is_none_or(|to| time_us < to)
}
