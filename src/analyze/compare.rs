//! What changed between two windows, and whether it is more than chance.
//!
//! For: AAS per group before and after, of two recordings or of two windows of one. Not for:
//! showing it ([`super::compare_render`]). Callers: `cli`.
//!
//! The question isn't how well a window was sampled but whether the next window of the same work
//! would look like that. So each window is cut into [`BLOCKS`] equal blocks of time, and how a
//! group's AAS varies from block to block says how much it varies by itself: Welch's t test on the
//! means of blocks, with degrees of freedom after Satterthwaite. Blocks that follow each other may
//! be alike (a batch runs through several); where they are, their number counts for less, by the
//! first autocorrelation `r`: `n (1 - r)/(1 + r)` (batch means: Law, Simulation Modeling and
//! Analysis, 5th ed. 2015, 9.5.3). Many groups are tested at once, so p values are adjusted after
//! Holm (Scandinavian Journal of Statistics 6 (1979) 65): where nothing changed, the chance that
//! any group at all is called significant stays at 5 %.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

use super::error::AnalyzeError;
use super::report::{ReportOptions, report_recording};
use super::student::{quantile_95, two_sided};
use super::survey::{Grouping, StepsWanted, survey_recording};
use super::table::ReportMeta;
use super::timeline::{Steps, Timeline};
use super::value::Value;
use crate::record::Reader;

/// Blocks that a window is cut into.
pub const BLOCKS: usize = 32;
/// Blocks that a window needs at least for anything to be said of significance.
const FEWEST_BLOCKS: usize = 8;
/// Ticks of a block at least, else blocks are made fewer.
const TICKS_OF_BLOCK: u64 = 4;
/// Adjusted p values below this are significant.
pub const LEVEL: f64 = 0.05;

/// How a group's AAS differs between two windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Not seen before.
    New,
    /// Not seen any more.
    Gone,
    /// Significantly more.
    More,
    /// Significantly less.
    Less,
    /// Not more than chance.
    Same,
    /// Too little was watched to say.
    Unknown,
}

impl Change {
    /// The word that stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Change::New => "new",
            Change::Gone => "gone",
            Change::More => "more",
            Change::Less => "less",
            Change::Same => "same",
            Change::Unknown => "unknown",
        }
    }
}

/// One group in both windows. AAS in sessions.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeRow {
    /// The group's values.
    pub values: Vec<Value>,
    /// Active microseconds in the first window.
    pub before_us: u64,
    /// Active microseconds in the second.
    pub after_us: u64,
    /// AAS in the first window.
    pub before: f64,
    /// AAS in the second.
    pub after: f64,
    /// `after` less `before`.
    pub difference: f64,
    /// 95 % interval of the difference, if it can be said.
    pub interval: Option<(f64, f64)>,
    /// Probability of such a difference by chance alone.
    pub p: Option<f64>,
    /// The same, adjusted for the number of groups (Holm).
    pub p_adjusted: Option<f64>,
    /// What it amounts to.
    pub change: Change,
}

impl ChangeRow {
    /// `after` divided by `before`; `None` if there was nothing before.
    pub fn ratio(&self) -> Option<f64> {
        (self.before > 0.0).then(|| self.after / self.before)
    }

    /// Whether the difference is more than chance.
    pub fn significant(&self) -> bool {
        self.p_adjusted.is_some_and(|p| p < LEVEL)
    }
}

/// A finished comparison. Serialises as `{"before": {…}, "after": {…}, "groups": […], "rows": […]}`.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// The first window.
    pub before: ReportMeta,
    /// The second.
    pub after: ReportMeta,
    /// Names of the columns grouped by.
    pub groups: Vec<String>,
    /// Groups there are; `rows` may be fewer.
    pub groups_total: u64,
    /// Blocks that were compared in each window.
    pub blocks: (usize, usize),
    /// Significant changes first, then the largest differences.
    pub rows: Vec<ChangeRow>,
}

impl Comparison {
    /// The rows as objects: name to value, in the order of the columns.
    pub fn records(&self) -> impl Iterator<Item = Map<String, Json>> + '_ {
        self.rows.iter().map(|row| {
            let mut record = Map::new();
            let mut put = |name: &str, value: Json| record.insert(name.to_owned(), value);
            put("change", row.change.name().into());
            put("aas_before", row.before.into());
            put("aas_after", row.after.into());
            put("difference", row.difference.into());
            put("difference_low", row.interval.map(|i| i.0).into());
            put("difference_high", row.interval.map(|i| i.1).into());
            put("ratio", row.ratio().into());
            put("p", row.p.into());
            put("p_adjusted", row.p_adjusted.into());
            for (name, value) in self.groups.iter().zip(&row.values) {
                put(name, value.to_json());
            }
            put("seconds_before", (row.before_us as f64 / 1e6).into());
            put("seconds_after", (row.after_us as f64 / 1e6).into());
            record
        })
    }
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<_> = self.records().collect();
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("before", &self.before)?;
        map.serialize_entry("after", &self.after)?;
        map.serialize_entry("blocks_before", &self.blocks.0)?;
        map.serialize_entry("blocks_after", &self.blocks.1)?;
        map.serialize_entry("level", &LEVEL)?;
        map.serialize_entry("groups", &self.groups)?;
        map.serialize_entry("groups_total", &self.groups_total)?;
        map.serialize_entry("rows", &rows)?;
        map.end()
    }
}

/// Compares two windows, each of a recording; `options` of the second say the groups and how many
/// rows. Both should have the same conditions.
///
/// # Errors
/// As [`survey_recording`].
pub fn compare_recordings(
    before: (&Reader, &ReportOptions),
    after: (&Reader, &ReportOptions),
) -> Result<Comparison, AnalyzeError> {
    let groups = &after.1.groups;
    let before = window(before.0, before.1, groups)?;
    let after_top = after.1.top;
    let after = window(after.0, after.1, groups)?;
    let mut comparison = compare(&before.timeline, &after.timeline);
    comparison.before = before.meta;
    comparison.after = after.meta;
    comparison.groups = after.groups;
    comparison.rows.truncate(after_top.unwrap_or(usize::MAX));
    Ok(comparison)
}

struct Window {
    meta: ReportMeta,
    groups: Vec<String>,
    timeline: Timeline,
}

fn window(
    reader: &Reader,
    options: &ReportOptions,
    groups: &[String],
) -> Result<Window, AnalyzeError> {
    let all = ReportOptions {
        top: None,
        intervals: false,
        ..options.clone()
    };
    // Ticks alone say from when to when, and how many: no sample need be read for that.
    let nothing = ReportOptions {
        from_us: all.from_us,
        to_us: all.to_us,
        instance: all.instance.clone(),
        ..ReportOptions::default()
    };
    let watched = super::survey::watched(reader, &nothing)?;
    let steps = match (watched.first_us, watched.last_us) {
        (Some(first), Some(last)) => {
            let blocks = (watched.meta.ticks / TICKS_OF_BLOCK).clamp(1, BLOCKS as u64);
            Steps::equal(first, last.saturating_add(1), blocks as usize)
        }
        _ => {
            let table = report_recording(
                reader,
                &ReportOptions {
                    groups: groups.to_vec(),
                    ..all
                },
            )?;
            return Ok(Window {
                meta: table.meta,
                groups: table.groups,
                timeline: Timeline::default(),
            });
        }
    };
    let grouping = Grouping {
        columns: groups.to_vec(),
        steps: Some(StepsWanted::Exactly(steps)),
    };
    let mut surveyed = survey_recording(reader, &all, &[grouping])?;
    let surveyed = surveyed.swap_remove(0);
    Ok(Window {
        meta: surveyed.table.meta,
        groups: surveyed.table.groups,
        timeline: surveyed.timeline.unwrap_or_default(),
    })
}

/// Compares the groups of two timelines; their steps are the blocks.
pub fn compare(before: &Timeline, after: &Timeline) -> Comparison {
    let blocks = (Blocks::of(before), Blocks::of(after));
    let mut groups: BTreeMap<&Vec<Value>, [Option<&[u64]>; 2]> = BTreeMap::new();
    for (side, timeline) in [before, after].into_iter().enumerate() {
        for series in &timeline.series {
            groups.entry(&series.values).or_default()[side] = Some(&series.active_us);
        }
    }
    let mut rows: Vec<ChangeRow> = groups
        .into_iter()
        .map(|(values, [before, after])| {
            row(values.clone(), blocks.0.mean(before), blocks.1.mean(after))
        })
        .collect();
    adjust(&mut rows);
    rows.sort_by(|a, b| {
        let size = |row: &ChangeRow| row.difference.abs();
        (b.significant().cmp(&a.significant()))
            .then_with(|| size(b).total_cmp(&size(a)))
            .then_with(|| a.values.cmp(&b.values))
    });
    Comparison {
        before: ReportMeta::default(),
        after: ReportMeta::default(),
        groups: Vec::new(),
        groups_total: rows.len() as u64,
        blocks: (blocks.0.usable.len(), blocks.1.usable.len()),
        rows,
    }
}

/// The blocks of a window.
struct Blocks<'t> {
    watched_us: &'t [u64],
    /// Those that were watched for at least half as long as the one watched longest: a block that
    /// the recorder hardly saw says little and would count as much.
    usable: Vec<usize>,
    total_us: u64,
}

/// A group's AAS in a window, and how it varies.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    active_us: u64,
    aas: f64,
    /// Squared standard error, and the degrees of freedom it has; `None` with too few blocks.
    spread: Option<(f64, f64)>,
}

impl<'t> Blocks<'t> {
    fn of(timeline: &'t Timeline) -> Blocks<'t> {
        let longest = timeline.watched_us.iter().copied().max().unwrap_or(0);
        let enough = |us: u64| us > 0 && us >= longest / 2;
        let watched = timeline.watched_us.iter().enumerate();
        Blocks {
            watched_us: &timeline.watched_us,
            usable: watched
                .filter(|(_, us)| enough(**us))
                .map(|(i, _)| i)
                .collect(),
            total_us: timeline.watched_us.iter().sum(),
        }
    }

    fn mean(&self, active_us: Option<&[u64]>) -> Mean {
        let active_us = active_us.unwrap_or_default();
        let total: u64 = active_us.iter().sum();
        let aas = match self.total_us {
            0 => 0.0,
            watched => total as f64 / watched as f64,
        };
        let block = |i: &usize| {
            let active = active_us.get(*i).copied().unwrap_or(0);
            active as f64 / self.watched_us[*i] as f64
        };
        let blocks: Vec<f64> = self.usable.iter().map(block).collect();
        Mean {
            active_us: total,
            aas,
            spread: (blocks.len() >= FEWEST_BLOCKS).then(|| spread(&blocks)),
        }
    }
}

/// Squared standard error of the mean of blocks, and its degrees of freedom.
fn spread(blocks: &[f64]) -> (f64, f64) {
    let n = blocks.len() as f64;
    let mean = blocks.iter().sum::<f64>() / n;
    let squares: f64 = blocks.iter().map(|x| (x - mean).powi(2)).sum();
    let products: f64 = blocks
        .windows(2)
        .map(|w| (w[0] - mean) * (w[1] - mean))
        .sum();
    // The estimate is too low by about 1/n, because the mean is one of the same blocks.
    let r = match squares > 0.0 {
        true => (products / squares + 1.0 / n).clamp(0.0, 0.9),
        false => 0.0,
    };
    let effective = (n * (1.0 - r) / (1.0 + r)).max(2.0);
    (squares / (n - 1.0) / effective, effective - 1.0)
}

fn row(values: Vec<Value>, before: Mean, after: Mean) -> ChangeRow {
    let difference = after.aas - before.aas;
    let mut row = ChangeRow {
        values,
        before_us: before.active_us,
        after_us: after.active_us,
        before: before.aas,
        after: after.aas,
        difference,
        interval: None,
        p: None,
        p_adjusted: None,
        change: Change::Unknown,
    };
    let (Some((a, a_degrees)), Some((b, b_degrees))) = (before.spread, after.spread) else {
        return row;
    };
    let variance = a + b;
    if variance > 0.0 {
        let degrees = variance * variance / (a * a / a_degrees + b * b / b_degrees);
        let error = variance.sqrt();
        let reach = quantile_95(degrees) * error;
        row.interval = Some((difference - reach, difference + reach));
        row.p = Some(two_sided(difference / error, degrees));
    } else {
        // The same in every block of a window: there is no chance to compare with.
        row.interval = Some((difference, difference));
        row.p = Some(if difference.abs() < 1e-12 { 1.0 } else { 0.0 });
    }
    row
}

/// Adjusts the p values for their number, after Holm, and says what each row amounts to.
fn adjust(rows: &mut [ChangeRow]) {
    let mut order: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].p.is_some()).collect();
    order.sort_by(|a, b| {
        let p = |i: &usize| rows[*i].p.unwrap_or(1.0);
        p(a).total_cmp(&p(b))
    });
    let tests = order.len();
    let mut least: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        let row = &mut rows[index];
        least = least
            .max(row.p.unwrap_or(1.0) * (tests - rank) as f64)
            .min(1.0);
        row.p_adjusted = Some(least);
    }
    for row in rows {
        row.change = match (row.p_adjusted, row.significant()) {
            (None, _) => Change::Unknown,
            (Some(_), false) => Change::Same,
            (Some(_), true) if row.before_us == 0 => Change::New,
            (Some(_), true) if row.after_us == 0 => Change::Gone,
            (Some(_), true) if row.difference > 0.0 => Change::More,
            (Some(_), true) => Change::Less,
        };
    }
}
