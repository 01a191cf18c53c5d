//! What was watched: the ticks by step, and when nobody looked.
//!
//! Callers: [`super::cube_recording`].

use arrow::array::RecordBatch;

use super::super::columns::{self, Numbers};
use super::super::error::AnalyzeError;
use super::super::report::{ReportOptions, in_window};
use super::super::timeline::Steps;
use super::{MOST_STEPS, Sparse, TICKS_PER_STEP, add_to, step_of};
use crate::record::{Reader, RecordError, ScanOptions};

/// A pause between two ticks that is longer than this, and than some ticks, is a gap.
const GAP_US: i64 = 1_000_000;
/// How many ticks that is.
const GAP_TICKS: i64 = 5;
/// Gaps that are told one by one.
const MOST_GAPS: usize = 50;

/// What was watched.
#[derive(Debug)]
pub struct Watch {
    /// Each instance's; empty without ticks.
    pub sources: Vec<Watched>,
    /// Ticks taken, by step.
    pub taken: Sparse,
    /// Ticks missed or dropped, by step.
    pub lost: Sparse,
    /// The longest times without any tick of an instance, in the order of time.
    pub gaps: Vec<Gap>,
    /// How many gaps there are.
    pub gaps_total: u64,
    /// Microseconds of all gaps.
    pub gaps_us: u64,
}

/// Ticks of one instance.
#[derive(Debug)]
pub struct Watched {
    /// Host and instance.
    pub name: String,
    /// Microseconds watched, by step.
    pub sums: Sparse,
}

/// A time without ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Last tick before it, microseconds since 1970-01-01 UTC.
    pub from_us: i64,
    /// First tick after it, likewise.
    pub to_us: i64,
}

/// The ticks of a window: when the first and the last were, and when there were none.
#[derive(Default)]
pub(super) struct Ticks {
    span: Option<(i64, i64)>,
    count: u64,
    weight_us: u64,
    gaps: Vec<Gap>,
    gaps_total: u64,
    gaps_us: u64,
}

/// Columns of ticks that are read.
const COLUMNS: [&str; 4] = ["sample_time", "weight_us", "missed", "dropped"];

/// Reads the ticks for the first time.
pub(super) fn ticks(reader: &Reader, options: &ReportOptions) -> Result<Ticks, AnalyzeError> {
    let mut ticks = Ticks::default();
    let mut last: Option<(String, i64)> = None;
    scan(reader, options, |source, batch| {
        let tick = TickColumns::of(batch)?;
        for row in 0..batch.num_rows() {
            let (time_us, weight_us) = (tick.time.value(row), tick.weight.get(row));
            if !in_window(options, time_us) {
                continue;
            }
            let before = last.take().filter(|(of, _)| of == source);
            let before = before.map(|(_, before_us)| before_us);
            let lost = tick.missed.get(row).saturating_add(tick.dropped.get(row));
            ticks.add(before, time_us, weight_us, lost);
            last = Some((source.to_owned(), time_us));
        }
        Ok(())
    })?;
    Ok(ticks)
}

impl Ticks {
    fn add(&mut self, before_us: Option<i64>, time_us: i64, weight_us: u64, lost: u64) {
        let (first, end) = self.span.unwrap_or((time_us, time_us));
        self.span = Some((first.min(time_us), end.max(time_us)));
        self.count += lost.saturating_add(1);
        self.weight_us = self.weight_us.saturating_add(weight_us);
        let Some(before_us) = before_us else { return };
        // a tick's weight counts those that were lost before it
        let period_us = i64::try_from(weight_us / (lost + 1)).unwrap_or(i64::MAX);
        let covered_us = i64::try_from(weight_us).unwrap_or(i64::MAX);
        let least = GAP_US.max(period_us.saturating_mul(GAP_TICKS));
        let pause_us = time_us.saturating_sub(before_us).saturating_sub(covered_us);
        if pause_us <= least {
            return;
        }
        self.gaps_total += 1;
        self.gaps_us = self.gaps_us.saturating_add(pause_us as u64);
        self.gaps.push(Gap {
            from_us: before_us,
            to_us: time_us,
        });
        if self.gaps.len() >= 2 * MOST_GAPS {
            self.longest_gaps();
        }
    }

    fn longest_gaps(&mut self) {
        self.gaps
            .sort_by_key(|gap| std::cmp::Reverse(gap.to_us.saturating_sub(gap.from_us)));
        self.gaps.truncate(MOST_GAPS);
    }

    /// Steps for all these ticks and for samples from the first to the last of `sampled`.
    pub(super) fn steps(&self, sampled: Option<(i64, i64)>) -> Steps {
        let both = self.span.into_iter().chain(sampled);
        let span = both.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let (first, last) = span.unwrap_or((0, 0));
        let least_us = (self.weight_us / self.count.max(1)).saturating_mul(TICKS_PER_STEP);
        let length_us = last.saturating_sub(first) as u64;
        let most = length_us.checked_div(least_us).unwrap_or(u64::MAX);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Steps::round(first, last, most.clamp(1, MOST_STEPS))
    }

    /// The ticks by step.
    pub(super) fn finish(
        mut self,
        reader: &Reader,
        options: &ReportOptions,
        steps: &Steps,
    ) -> Result<Watch, AnalyzeError> {
        self.longest_gaps();
        self.gaps.sort_by_key(|gap| gap.from_us);
        let mut watch = Watch {
            sources: Vec::new(),
            taken: Sparse::new(),
            lost: Sparse::new(),
            gaps: self.gaps,
            gaps_total: self.gaps_total,
            gaps_us: self.gaps_us,
        };
        scan(reader, options, |source, batch| {
            let tick = TickColumns::of(batch)?;
            for row in 0..batch.num_rows() {
                let time_us = tick.time.value(row);
                if !in_window(options, time_us) {
                    continue;
                }
                let step = step_of(steps, time_us);
                if watch.sources.last().is_none_or(|s| s.name != source) {
                    watch.sources.push(Watched {
                        name: source.to_owned(),
                        sums: Sparse::new(),
                    });
                }
                if let Some(watched) = watch.sources.last_mut() {
                    add_to(&mut watched.sums, step, tick.weight.get(row));
                }
                add_to(&mut watch.taken, step, 1);
                let lost = tick.missed.get(row).saturating_add(tick.dropped.get(row));
                if lost > 0 {
                    add_to(&mut watch.lost, step, lost);
                }
            }
            Ok(())
        })?;
        Ok(watch)
    }
}

struct TickColumns<'a> {
    time: &'a arrow::array::TimestampMicrosecondArray,
    weight: Numbers<'a>,
    missed: Numbers<'a>,
    dropped: Numbers<'a>,
}

impl<'a> TickColumns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<TickColumns<'a>, AnalyzeError> {
        Ok(TickColumns {
            time: columns::times(batch, "sample_time")?,
            weight: Numbers::of(batch, "weight_us")?,
            missed: Numbers::of(batch, "missed")?,
            dropped: Numbers::of(batch, "dropped")?,
        })
    }
}

/// All ticks of the window, instance by instance.
fn scan(
    reader: &Reader,
    options: &ReportOptions,
    mut each: impl FnMut(&str, &RecordBatch) -> Result<(), AnalyzeError>,
) -> Result<(), AnalyzeError> {
    for (host, instance) in reader.instances("ticks")? {
        if options.instance.as_ref().is_some_and(|i| *i != instance) {
            continue;
        }
        let source = format!("{host}/{instance}");
        let scan = ScanOptions {
            from_us: options.from_us,
            to_us: options.to_us,
            columns: Some(COLUMNS.map(str::to_owned).to_vec()),
            host: Some(host),
            instance: Some(instance),
        };
        match reader.scan("ticks", &scan) {
            Ok(ticks) => {
                for batch in ticks {
                    each(&source, &batch?)?;
                }
            }
            // Ticks are there only as a file that ends before its first batch.
            Err(RecordError::NoTable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
