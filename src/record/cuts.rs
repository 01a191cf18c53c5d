//! Where the row groups of a table lie in time.
//!
//! For: skipping those that a window excludes, and cutting a window so that threads can share it
//! ([`Reader::cuts`]). Not for: reading rows. Callers: `reader`, `analyze`.

use std::collections::BTreeMap;

use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::TIME_COLUMN;
use super::error::RecordError;
use super::layout::HOUR_US;
use super::reader::{Reader, ScanOptions};
use super::source::Source;

/// The row groups of one hour: where each begins, and its rows.
#[derive(Default)]
struct Hour {
    groups: Vec<(i64, u64)>,
    hot: bool,
}

impl Hour {
    /// Where row groups begin that have some `rows` rows, or more, since the one before.
    fn cuts(mut self, rows: u64) -> Vec<i64> {
        if self.hot {
            return Vec::new();
        }
        self.groups.sort_unstable();
        let mut since = 0u64;
        let mut cuts = Vec::new();
        for (begin_us, of_group) in self.groups {
            if since >= rows {
                cuts.push(begin_us);
                since = 0;
            }
            since = since.saturating_add(of_group);
        }
        cuts
    }
}

impl Reader {
    /// Cuts the window of `options` where row groups of `table` begin, so that a piece has some
    /// `rows` rows and no row group is read twice as far as they lie one after the other. A piece
    /// is a first `sample_time` and a first one no longer of it, within one hour; a hot file,
    /// which can only be read from its beginning, isn't cut.
    ///
    /// # Errors
    /// [`RecordError::Damaged`], or the file system's.
    pub fn cuts(
        &self,
        table: &str,
        options: &ScanOptions,
        rows: u64,
    ) -> Result<Vec<(i64, i64)>, RecordError> {
        let (from_us, to_us) = options.window();
        let mut hours: BTreeMap<i64, Hour> = BTreeMap::new();
        for part in self.parts(table)? {
            if !options.takes(&part) {
                continue;
            }
            let hour = hours.entry(part.hour_us).or_default();
            let Some(source) = Source::open(&part)? else {
                continue;
            };
            hour.hot |= source.is_hot();
            for group in source.row_groups() {
                let begin_us = times_of(group).map_or(i64::MIN, |(min, _)| min);
                let rows = u64::try_from(group.num_rows()).unwrap_or(0);
                hour.groups.push((begin_us, rows));
            }
        }
        let mut pieces = Vec::new();
        for (hour_us, hour) in hours {
            let mut from = hour_us.max(from_us);
            let end = hour_us.saturating_add(HOUR_US).min(to_us);
            for cut in hour.cuts(rows) {
                if cut > from && cut < end {
                    pieces.push((from, cut));
                    from = cut;
                }
            }
            pieces.push((from, end));
        }
        Ok(pieces)
    }
}

/// Whether a row group can hold rows of the window; yes if its statistics don't say.
pub(super) fn overlaps(group: &RowGroupMetaData, from_us: i64, to_us: i64) -> bool {
    times_of(group).is_none_or(|(min, max)| min < to_us && max >= from_us)
}

/// The first and the last time in a row group, if its statistics say so.
fn times_of(group: &RowGroupMetaData) -> Option<(i64, i64)> {
    let mut columns = group.columns().iter();
    let time = columns.find(|c| c.column_path().string() == TIME_COLUMN)?;
    match time.statistics() {
        Some(Statistics::Int64(range)) => Some((*range.min_opt()?, *range.max_opt()?)),
        _ => None,
    }
}
