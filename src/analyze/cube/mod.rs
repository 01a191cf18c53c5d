//! The activity of a window by time and by what a DBA asks for, in bounded size.
//!
//! For: pages that narrow and filter without the recording ([`cube_recording`]). The tables of all
//! dimensions come from one pass, as reports have them; the largest values are kept, and those that
//! were largest for a while. A second pass sums all dimensions together, by combination of kept
//! values and by time ([`Cells`]), and each kept value alone by finer time. What isn't kept is
//! summed as *other*, so that every sum is exact.
//!
//! Not for: showing. Callers: [`super::chains`] (sums by step), `export`.

mod cells;
mod kept;
#[cfg(test)]
mod tests;
mod watch;

pub use cells::{Cells, Combination, encode_sums};
pub use watch::{Gap, Watch, Watched};

use super::error::AnalyzeError;
use super::report::ReportOptions;
use super::survey::{Grouping, StepsWanted, Surveyed, survey_recording};
use super::table::{ReportMeta, Row};
use super::timeline::Steps;
use super::value::Value;
use crate::record::{Reader, RecordError};

/// Steps that a window is cut into at most.
pub const MOST_STEPS: usize = 600;
/// A step holds at least so many ticks' time, so that an empty one means that nobody looked.
const TICKS_PER_STEP: u64 = 5;
/// Slices of the window in which a value can be the largest and so be kept.
const SLICES: usize = 48;
/// Of ten kept values so many are those with the most time, the others those with the most in a
/// slice.
const BY_TOTAL: usize = 6;

/// One way to look at activity.
#[derive(Debug)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Columns of samples whose values together are one value of it; those that a recording lacks
    /// are left out.
    pub columns: &'static [&'static str],
    /// Values kept at most.
    pub keep: usize,
}

/// The dimension of sessions.
pub const SESSION: &str = "session";
/// Columns that tell who a session is: its values of [`Dimension::about`].
pub const ABOUT_SESSION: [&str; 3] = ["username", "program", "session_kind"];

/// The dimensions of a cube. Charts are stacked by the first.
pub const DIMENSIONS: [Spec; 7] = [
    spec("wait_class", &["wait_class"], 16),
    spec("event", &["event"], 40),
    spec("sql_id", &["sql_id"], 60),
    spec(
        SESSION,
        &["instance_name", "session_id", "session_serial_no"],
        50,
    ),
    spec("username", &["username"], 25),
    spec("program", &["program"], 30),
    spec("module", &["module"], 30),
];

const fn spec(name: &'static str, columns: &'static [&'static str], keep: usize) -> Spec {
    Spec {
        name,
        columns,
        keep,
    }
}

/// Sums of few steps among many: step and microseconds, in the order of steps.
pub type Sparse = Vec<(u32, u64)>;

/// Adds to a step; quick when times come roughly in their order.
pub(super) fn add_to(sums: &mut Sparse, step: u32, us: u64) {
    match sums.last_mut() {
        Some((last, sum)) if *last == step => *sum = sum.saturating_add(us),
        Some((last, _)) if *last > step => match sums.binary_search_by_key(&step, |(at, _)| *at) {
            Ok(at) => sums[at].1 = sums[at].1.saturating_add(us),
            Err(at) => sums.insert(at, (step, us)),
        },
        _ => sums.push((step, us)),
    }
}

/// The step of a time; the first for earlier times.
pub(super) fn step_of(steps: &Steps, time_us: i64) -> u32 {
    steps.index(time_us).unwrap_or(0) as u32
}

/// Activity of a window.
#[derive(Debug)]
pub struct Cube {
    /// Window, totals and the recorder's health, as a report of the window has them.
    pub meta: ReportMeta,
    /// How the window is cut.
    pub steps: Steps,
    /// What was watched, step by step.
    pub watch: Watch,
    /// Active microseconds by step.
    pub total: Sparse,
    /// Those of [`DIMENSIONS`] that the recording has columns of, in that order.
    pub dimensions: Vec<Dimension>,
    /// All dimensions together.
    pub cells: Cells,
}

/// One dimension of a cube.
#[derive(Debug)]
pub struct Dimension {
    /// As [`Spec::name`].
    pub name: &'static str,
    /// Columns that its values are made of.
    pub columns: Vec<String>,
    /// The values kept, the largest first, as a report grouped by `columns` has them.
    pub kept: Vec<Row>,
    /// For each kept value its time by step.
    pub sums: Vec<Sparse>,
    /// Values that aren't kept.
    pub others: u64,
    /// Who each kept session was when it was last seen, [`ABOUT_SESSION`]; empty for other
    /// dimensions.
    pub about: Vec<Vec<Value>>,
}

/// The cube of a recording's window. Groups, `top` and `intervals` of the options are not used.
///
/// # Errors
/// [`AnalyzeError::Record`] if the recording can't be read or lacks a column of a filter or one
/// that all recordings have; [`AnalyzeError::ColumnType`] if a column isn't of its type.
pub fn cube_recording(reader: &Reader, options: &ReportOptions) -> Result<Cube, AnalyzeError> {
    let options = ReportOptions {
        groups: Vec::new(),
        top: None,
        intervals: false,
        ..options.clone()
    };
    let mut dimensions = known_dimensions(reader)?;
    let groupings: Vec<Grouping> = dimensions
        .iter()
        .map(|dimension| Grouping {
            columns: dimension.columns.clone(),
            steps: Some(StepsWanted::AtMost(SLICES)),
        })
        .chain([Grouping::default()])
        .collect();
    let mut surveyed = survey_recording(reader, &options, &groupings)?;
    let whole = surveyed.pop().map(|s| s.table);
    let (meta, sampled) = match whole {
        Some(table) => {
            let rows = table.rows.iter();
            let sampled = rows.map(|r| (r.first_seen_us, r.last_seen_us)).next();
            (table.meta, sampled)
        }
        None => (ReportMeta::default(), None),
    };
    for (dimension, surveyed) in dimensions.iter_mut().zip(surveyed) {
        dimension.keep(surveyed);
    }
    let ticks = watch::ticks(reader, &options)?;
    let steps = ticks.steps(sampled);
    let (cells, total) = kept::sum(reader, &options, &steps, &mut dimensions)?;
    Ok(Cube {
        meta,
        steps,
        watch: ticks.finish(reader, &options, &steps)?,
        total,
        dimensions,
        cells,
    })
}

/// The dimensions that the recording has columns of, still empty.
fn known_dimensions(reader: &Reader) -> Result<Vec<Dimension>, AnalyzeError> {
    let schema = match reader.schema("samples") {
        Ok(schema) => schema,
        // an idle instance has ticks, but no sample ever
        Err(RecordError::NoTable { .. }) if !reader.instances("ticks")?.is_empty() => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    let known = DIMENSIONS.iter().filter_map(|spec| {
        let there = |name: &&&str| schema.column_with_name(name).is_some();
        let columns: Vec<_> = spec.columns.iter().filter(there).collect();
        // an instance alone isn't a session
        let enough = columns.iter().any(|name| **name != "instance_name");
        enough.then(|| Dimension {
            name: spec.name,
            columns: columns.into_iter().map(|c| (*c).to_owned()).collect(),
            kept: Vec::new(),
            sums: Vec::new(),
            others: 0,
            about: Vec::new(),
        })
    });
    Ok(known.collect())
}

impl Dimension {
    /// Keeps the values with the most time, and those with the most in a slice: what hurt for some
    /// minutes of a day is to be there too.
    fn keep(&mut self, surveyed: Surveyed) {
        let Surveyed { table, timeline } = surveyed;
        let spec = DIMENSIONS.iter().find(|spec| spec.name == self.name);
        let most = spec.map_or(0, |spec| spec.keep);
        let by_total = match table.rows.len() <= most {
            true => most,
            false => most * BY_TOTAL / 10,
        };
        let peak_us = |row: usize| {
            let series = timeline.as_ref().and_then(|t| t.series.get(row));
            series.and_then(|s| s.active_us.iter().max().copied())
        };
        let mut rest: Vec<usize> = (by_total..table.rows.len()).collect();
        rest.sort_by_key(|row| (std::cmp::Reverse(peak_us(*row)), *row));
        rest.truncate(most - by_total);
        self.others = table.rows.len() as u64;
        let rows = table.rows.into_iter().enumerate();
        let kept = rows.filter(|(row, _)| *row < by_total || rest.contains(row));
        self.kept = kept.map(|(_, row)| row).collect();
        self.others -= self.kept.len() as u64;
        self.sums = vec![Sparse::new(); self.kept.len()];
        if self.name == SESSION {
            self.about = vec![vec![Value::Null; ABOUT_SESSION.len()]; self.kept.len()];
        }
    }
}
