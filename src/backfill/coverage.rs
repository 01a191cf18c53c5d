//! Which times a recording has, and which ones a file watched.
//!
//! Callers: [`super`].

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};

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
            columns: Some(vec!["sample_time".into(), "weight_us".into()]),
            host: Some(host.to_owned()),
            instance: Some(instance.to_owned()),
        };
        let mut ticks: Vec<(i64, i64)> = Vec::new();
        let scan = match reader.scan("ticks", &options) {
            Ok(scan) => scan,
            Err(RecordError::NoTable { .. }) => return Ok(Coverage::default()),
            Err(error) => return Err(error.into()),
        };
        for batch in scan {
            let batch = batch?;
            let times = batch
                .column_by_name("sample_time")
                .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
            let weights = batch
                .column_by_name("weight_us")
                .and_then(|c| c.as_primitive_opt::<UInt64Type>());
            if let (Some(times), Some(weights)) = (times, weights) {
                let weights = weights.values().iter();
                let weights = weights.map(|w| i64::try_from(*w).unwrap_or(i64::MAX));
                ticks.extend(times.values().iter().copied().zip(weights));
            }
        }
        ticks.sort_unstable();
        Ok(Coverage::joined(&ticks))
    }

    /// Spans of ticks (time and weight), sorted. Ticks lie anywhere in their periods, so a hole shorter than a tick's
    /// weight is none.
    fn joined(ticks: &[(i64, i64)]) -> Coverage {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for (time, weight) in ticks {
            let start = time.saturating_sub(*weight);
            match spans.last_mut() {
                Some((_, end)) if start.saturating_sub(*weight) <= *end => *end = *time,
                _ => spans.push((start, *time)),
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
