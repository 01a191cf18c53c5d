//! Which times a recording has, and which ones a file watched.
//!
//! Callers: [`super`].

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::{TimestampMicrosecondType, UInt32Type, UInt64Type};

use super::View;
use super::error::BackfillError;
use crate::record::{Reader, RecordError, ScanOptions};

/// A tick before the window that stands for some of it was at most so long after it.
const REACH_US: i64 = 3_600_000_000;
/// SAMPLE_ID counts so many microseconds.
const ID_US: i64 = 1_000_000;
/// Samples that a gap may lack for having had nobody to show; more than a day of seconds is no idle time.
const MOST_IDLE: i64 = 100_000;

/// Times that a recording has.
#[derive(Default)]
pub(super) struct Coverage {
    /// Starts and ends, sorted, apart from each other. Microseconds since 1970-01-01 UTC.
    spans: Vec<(i64, i64)>,
}

/// A tick of the recording; all in microseconds.
pub(super) struct Tick {
    pub(super) time: i64,
    weight: i64,
    late: i64,
    /// Of a file that was imported: such ticks have no monotonic time.
    pub(super) imported: bool,
}

impl Tick {
    /// Begin and end of the time that it stands for, and how much a tick before that may be earlier. What was
    /// taken late stands for the time at which it was due.
    pub(super) fn piece(&self) -> (i64, i64, i64) {
        let due = self.time.saturating_sub(self.late);
        (due.saturating_sub(self.weight), self.time, self.weight)
    }
}

/// Gives the ticks that `options` select, none if the recording has none.
pub(super) fn each_tick(
    reader: &Reader,
    options: ScanOptions,
    take: &mut dyn FnMut(Tick),
) -> Result<(), RecordError> {
    let columns = ["sample_time", "weight_us", "late_us", "mono_ns"];
    let options = ScanOptions {
        columns: Some(columns.map(str::to_owned).to_vec()),
        ..options
    };
    let scan = match reader.scan("ticks", &options) {
        Ok(scan) => scan,
        Err(RecordError::NoTable { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    for batch in scan {
        let batch = batch?;
        let column = |name: &str| batch.column_by_name(name);
        let times =
            column("sample_time").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let weights = column("weight_us").and_then(|c| c.as_primitive_opt::<UInt64Type>());
        let lates = column("late_us").and_then(|c| c.as_primitive_opt::<UInt32Type>());
        let monos = column("mono_ns").and_then(|c| c.as_primitive_opt::<UInt64Type>());
        if let (Some(times), Some(weights), Some(lates), Some(monos)) =
            (times, weights, lates, monos)
        {
            for row in 0..batch.num_rows() {
                take(Tick {
                    time: times.value(row),
                    weight: i64::try_from(weights.value(row)).unwrap_or(i64::MAX),
                    late: i64::from(lates.value(row)),
                    imported: monos.value(row) == 0,
                });
            }
        }
    }
    Ok(())
}

impl Coverage {
    /// What the ticks of an instance cover around these times: each the time for which it stands, which ends with it.
    pub(super) fn of(
        reader: &Reader,
        host: &str,
        instance: &str,
        times: &[i64],
    ) -> Result<Coverage, BackfillError> {
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
            return Ok(Coverage::default());
        };
        let options = ScanOptions {
            from_us: Some(first.saturating_sub(REACH_US)),
            to_us: Some(last.saturating_add(REACH_US)),
            host: Some(host.to_owned()),
            instance: Some(instance.to_owned()),
            ..ScanOptions::default()
        };
        let mut ticks = Vec::new();
        each_tick(reader, options, &mut |tick| ticks.push(tick))?;
        Ok(Coverage::joined(&ticks))
    }

    /// Spans of ticks. Weights cover the run without holes, each up to the end of its tick's period; a tick lies anywhere in
    /// its period, so a hole shorter than a tick's weight is none.
    fn joined(ticks: &[Tick]) -> Coverage {
        let mut pieces: Vec<(i64, i64, i64)> = ticks.iter().map(Tick::piece).collect();
        pieces.sort_unstable();
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for (start, end, weight) in pieces {
            match spans.last_mut() {
                Some((_, last)) if start.saturating_sub(weight) <= *last => *last = end.max(*last),
                _ => spans.push((start, end)),
            }
        }
        Coverage { spans }
    }

    /// Whether the recording has this time.
    pub(super) fn has(&self, time: i64) -> bool {
        let next = self.spans.partition_point(|(start, _)| *start <= time);
        next > 0 && time <= self.spans[next - 1].1
    }
}

/// The ticks of a file's samples: time, and rows seen. Where SAMPLE_ID goes on over a time without rows, nobody was
/// active in it, and it was watched all the same; without SAMPLE_ID, so is any time without rows up to a day. Times that
/// the recording has are left out.
pub(super) fn watched(
    ids: &[Option<i64>],
    times: &[i64],
    view: View,
    covered: &Coverage,
) -> Vec<(i64, u32)> {
    let period_us = view.period_us();
    let mut samples: BTreeMap<i64, (Option<i64>, u32)> = BTreeMap::new();
    for (time, id) in times.iter().zip(ids) {
        let sample = samples.entry(*time).or_insert((*id, 0));
        sample.1 = sample.1.saturating_add(1);
    }
    let mut ticks = Vec::new();
    let mut before: Option<(i64, Option<i64>)> = None;
    for (time, (id, rows)) in samples {
        if let Some((last, last_id)) = before {
            let span = time - last;
            let steps = match (last_id, id) {
                (Some(a), Some(b)) => b.saturating_sub(a).saturating_mul(ID_US) / period_us,
                _ => (span + period_us / 2) / period_us,
            };
            // ids that began anew, or don't fit the time that went by, say nothing
            let steady = (2..=MOST_IDLE).contains(&steps)
                && (period_us / 2..=period_us * 2).contains(&(span / steps));
            if steady {
                let between = (1..steps).map(|step| {
                    last + (i128::from(span) * i128::from(step) / i128::from(steps)) as i64
                });
                ticks.extend(between.map(|time| (time, 0)));
            }
        }
        ticks.push((time, rows));
        before = Some((time, id));
    }
    ticks.retain(|(time, _)| !covered.has(*time));
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_and_missed_ticks_leave_no_hole() {
        let tick = |time, weight, late| Tick {
            time,
            weight,
            late,
            imported: false,
        };
        // periods of 10: the one due at 22 came at 51, and three were missed after it
        let ticks = [
            tick(3, 10, 0),
            tick(18, 10, 0),
            tick(51, 10, 29),
            tick(64, 40, 0),
            tick(203, 10, 0),
        ];
        let covered = Coverage::joined(&ticks);
        assert_eq!(covered.spans, [(-7, 64), (193, 203)]);
        assert!(covered.has(30) && covered.has(64) && covered.has(-7));
        assert!(!covered.has(65) && !covered.has(192) && !covered.has(204) && !covered.has(-8));
        assert!(!Coverage::default().has(0));
    }
}
