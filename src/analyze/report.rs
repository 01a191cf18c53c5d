//! The ashtop-like report: active time by any columns.
//!
//! For: one pass over samples and ticks ([`Report`]), or over a recording ([`report_recording`]).
//! The columns are those of Tanel Poder's ashtop.sql. Time is the sum of the samples' own weights,
//! never of the wait times that samples show in progress: those count long waits many times.
//! Memory grows with the number of groups and of distinct executions and ticks, not with rows.
//!
//! Not for: showing the result. Callers: `cli`.

use std::collections::HashMap;

use arrow::array::{Array, RecordBatch};

use super::aas;
use super::columns::{self, Lookup, Numbers, STATE_COLUMN, WAIT_COLUMNS};
use super::distinct::Distinct;
use super::error::AnalyzeError;
use super::filter::{Filter, column_name};
use super::table::{ReportMeta, ReportTable, Row};
use super::value::Value;
use crate::record::{Reader, RecordError, ScanOptions};

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
    fn takes(self, is_of_kind: bool) -> bool {
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
/// [`AnalyzeError::Record`] if the recording can't be read or has no such column, and as
/// [`Report::add`].
pub fn report_recording(
    reader: &Reader,
    options: &ReportOptions,
) -> Result<ReportTable, AnalyzeError> {
    let mut report = Report::new(options.clone());
    let mut scan = ScanOptions {
        from_us: options.from_us,
        to_us: options.to_us,
        columns: Some(report.columns()),
        host: None,
        instance: options.instance.clone(),
    };
    let instances = reader.instances("ticks")?;
    match reader.scan("samples", &scan) {
        Ok(mut samples) => {
            for batch in &mut samples {
                report.add(&batch?)?;
            }
            report.meta.truncated_files = samples.truncated().len() as u64;
        }
        // An idle instance: ticks, but no row of `samples` ever.
        Err(RecordError::NoTable { .. }) if !instances.is_empty() => {}
        Err(error) => return Err(error.into()),
    }
    report.meta.forced = reader.recording().forced();
    scan.columns = Some(TICK_COLUMNS.map(str::to_owned).to_vec());
    for (host, instance) in instances {
        if options.instance.as_ref().is_some_and(|i| *i != instance) {
            continue;
        }
        let source = format!("{host}/{instance}");
        scan.host = Some(host);
        scan.instance = Some(instance);
        match reader.scan("ticks", &scan) {
            Ok(ticks) => {
                for batch in ticks {
                    report.add_ticks(&source, &batch?)?;
                }
            }
            // Ticks are there only as a file that ends before its first batch.
            Err(RecordError::NoTable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(report.finish())
}

/// The columns of `ticks` that a report reads.
const TICK_COLUMNS: [&str; 8] = [
    "sample_time",
    "weight_us",
    "late_us",
    "rows_seen",
    "torn",
    "faulted",
    "missed",
    "dropped",
];

/// A report being summed up.
pub struct Report {
    options: ReportOptions,
    /// Distinct values of all group columns; a group is a list of positions here.
    symbols: HashMap<Value, u32>,
    groups: HashMap<Box<[u32]>, Group>,
    /// Distinct SQL_IDs, numbered.
    sqls: HashMap<Value, u32>,
    /// Distinct sample times, numbered.
    times: HashMap<i64, u32>,
    /// Watched microseconds of each source of ticks.
    elapsed_us: HashMap<String, u64>,
    late_sum_us: u64,
    first_us: Option<i64>,
    last_us: Option<i64>,
    meta: ReportMeta,
}

struct Group {
    weight_us: u64,
    samples: u64,
    first_us: i64,
    last_us: i64,
    execs: Distinct<(u32, u32)>,
    tstamps: Distinct<u32>,
}

impl Group {
    fn new() -> Group {
        Group {
            weight_us: 0,
            samples: 0,
            first_us: i64::MAX,
            last_us: i64::MIN,
            execs: Distinct::new(),
            tstamps: Distinct::new(),
        }
    }

    /// The group's row of the result; `trials` are the looks that intervals are to be computed of.
    fn row(
        mut self,
        values: Vec<Value>,
        total_us: u64,
        watched: Option<f64>,
        trials: Option<u64>,
    ) -> Row {
        let total_seconds = seconds(self.weight_us);
        let aas = watched.map(|watched| total_seconds / watched);
        let interval = match (aas, trials) {
            (Some(aas), Some(trials)) => {
                let scale = aas * trials as f64 / self.samples as f64;
                aas::interval(self.samples, trials, scale)
            }
            _ => None,
        };
        Row {
            values,
            total_seconds,
            aas,
            pct: match total_us {
                0 => 0.0,
                total_us => 100.0 * self.weight_us as f64 / total_us as f64,
            },
            first_seen_us: self.first_us,
            last_seen_us: self.last_us,
            distinct_execs: self.execs.count(),
            distinct_tstamps: self.tstamps.count(),
            samples: self.samples,
            interval,
        }
    }
}

/// The number of `value` in `known`; a new one if it is new.
fn number<K: std::hash::Hash + Eq + Clone>(known: &mut HashMap<K, u32>, value: &K) -> u32 {
    if let Some(number) = known.get(value) {
        return *number;
    }
    // 2^32 distinct values don't fit into memory before this could saturate.
    let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
    known.insert(value.clone(), number);
    number
}

impl Report {
    /// An empty report.
    pub fn new(mut options: ReportOptions) -> Report {
        for name in &mut options.groups {
            *name = column_name(name);
        }
        let mut seen: Vec<String> = Vec::new();
        options.groups.retain(|name| {
            let new = !seen.contains(name);
            if new {
                seen.push(name.clone());
            }
            new
        });
        Report {
            options,
            symbols: HashMap::new(),
            groups: HashMap::new(),
            sqls: HashMap::new(),
            times: HashMap::new(),
            elapsed_us: HashMap::new(),
            late_sum_us: 0,
            first_us: None,
            last_us: None,
            meta: ReportMeta::default(),
        }
    }

    /// The columns of samples that [`Report::add`] reads.
    pub fn columns(&self) -> Vec<String> {
        let always = [
            "sample_time",
            "weight_us",
            "is_active",
            "sql_id",
            "sql_exec_id",
        ];
        let mut names: Vec<String> = always.map(str::to_owned).to_vec();
        names.extend(self.options.groups.iter().cloned());
        names.extend(self.options.filters.iter().map(|f| f.column.clone()));
        if names
            .iter()
            .any(|name| WAIT_COLUMNS.contains(&name.as_str()))
        {
            names.push(STATE_COLUMN.to_owned());
        }
        if self.options.recursive != Include::Include {
            names.push("session_kind".to_owned());
        }
        if self.options.background != Include::Include {
            names.push("session_type".to_owned());
        }
        let mut unique = Vec::with_capacity(names.len());
        for name in names {
            if !unique.contains(&name) {
                unique.push(name);
            }
        }
        unique
    }

    /// Adds samples; rows outside the window or not active are skipped.
    ///
    /// # Errors
    /// [`AnalyzeError::NoColumn`] or [`AnalyzeError::ColumnType`] if a column of
    /// [`Report::columns`] is not there or not of its type.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), AnalyzeError> {
        let time = columns::times(batch, "sample_time")?;
        let active = columns::flags(batch, "is_active")?;
        let weight = Numbers::of(batch, "weight_us")?;
        let mut sql = Lookup::<Option<u32>>::of(batch, "sql_id")?;
        let exec = Numbers::of(batch, "sql_exec_id")?;
        let mut kinds = Kinds::of(batch, &self.options)?;
        let mut columns = Vec::with_capacity(self.options.groups.len());
        for name in &self.options.groups {
            columns.push(Lookup::<u32>::of(batch, name)?);
        }
        let mut key = vec![0u32; columns.len()];
        for row in 0..batch.num_rows() {
            let time_us = time.value(row);
            let is_active = active.is_valid(row) && active.value(row);
            let wanted = is_active && in_window(&self.options, time_us) && kinds.take(row);
            if !wanted {
                continue;
            }
            for (part, column) in key.iter_mut().zip(&mut columns) {
                *part = column.get(row, |value| number(&mut self.symbols, value));
            }
            if !self.groups.contains_key(key.as_slice()) {
                self.groups.insert(key.clone().into(), Group::new());
            }
            let Some(group) = self.groups.get_mut(key.as_slice()) else {
                continue;
            };
            group.weight_us = group.weight_us.saturating_add(weight.get(row));
            group.samples += 1;
            group.first_us = group.first_us.min(time_us);
            group.last_us = group.last_us.max(time_us);
            group.tstamps.insert(number(&mut self.times, &time_us));
            let sql = sql.get(row, |value| {
                (*value != Value::Null).then(|| number(&mut self.sqls, value))
            });
            if let (Some(sql), Some(exec)) = (sql, exec.get_valid(row)) {
                // SQL_EXEC_ID is a 32-bit number.
                group.execs.insert((sql, exec as u32));
            }
        }
        Ok(())
    }

    /// Adds ticks of the instance `source`, which say how long was watched. With several sources
    /// the longest counts, so that AAS is that of all instances together.
    ///
    /// # Errors
    /// [`AnalyzeError::NoColumn`] or [`AnalyzeError::ColumnType`] if the batch isn't of `ticks`.
    pub fn add_ticks(&mut self, source: &str, batch: &RecordBatch) -> Result<(), AnalyzeError> {
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
            if !in_window(&self.options, time_us) {
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
        let sum = self.elapsed_us.entry(source.to_owned()).or_default();
        *sum = sum.saturating_add(elapsed_us);
        Ok(())
    }

    /// The result: the largest groups first, equal ones by their values.
    pub fn finish(mut self) -> ReportTable {
        let elapsed_us = self.elapsed_us.values().copied().max().unwrap_or(0);
        let watched = (elapsed_us > 0).then(|| seconds(elapsed_us));
        let weights = self.groups.values().map(|g| g.weight_us);
        let total_us = weights.fold(0, u64::saturating_add);
        self.finish_meta(total_us, watched);
        let mut names = vec![Value::Null; self.symbols.len()];
        for (value, number) in self.symbols {
            names[number as usize] = value;
        }
        let mut sorted: Vec<(Vec<Value>, Group)> = self
            .groups
            .into_iter()
            .map(|(key, group)| {
                let values = key.iter().map(|number| names[*number as usize].clone());
                (values.collect(), group)
            })
            .collect();
        sorted.sort_by(|(a_values, a), (b_values, b)| {
            (b.weight_us.cmp(&a.weight_us)).then_with(|| a_values.cmp(b_values))
        });
        sorted.truncate(self.options.top.unwrap_or(usize::MAX));
        let trials = self.options.intervals.then_some(self.meta.rows_seen);
        let rows = sorted
            .into_iter()
            .map(|(values, group)| group.row(values, total_us, watched, trials));
        ReportTable {
            rows: rows.collect(),
            meta: self.meta,
            groups: self.options.groups,
        }
    }

    fn finish_meta(&mut self, total_us: u64, watched: Option<f64>) {
        let first = self.groups.values().map(|g| g.first_us).min();
        let last = self.groups.values().map(|g| g.last_us).max();
        let meta = &mut self.meta;
        meta.samples = self.groups.values().map(|g| g.samples).sum();
        meta.groups_total = self.groups.len() as u64;
        meta.total_seconds = seconds(total_us);
        meta.elapsed_seconds = watched;
        meta.aas = watched.map(|watched| seconds(total_us) / watched);
        meta.late_mean_us = match meta.ticks {
            0 => 0.0,
            ticks => self.late_sum_us as f64 / ticks as f64,
        };
        meta.from_us = self.options.from_us.or(self.first_us).or(first);
        meta.to_us = self.options.to_us.or(self.last_us).or(last);
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn in_window(options: &ReportOptions, time_us: i64) -> bool {
    options.from_us.is_none_or(|from| time_us >= from)
        && options.to_us.is_none_or(|to| time_us < to)
}

/// Which rows the options take, whatever their time.
struct Kinds<'a> {
    conditions: Vec<(Condition<'a>, Lookup<'a, bool>)>,
}

enum Condition<'a> {
    Filter(&'a Filter),
    Kind(Include, &'static str),
}

impl<'a> Kinds<'a> {
    fn of(batch: &'a RecordBatch, options: &'a ReportOptions) -> Result<Kinds<'a>, AnalyzeError> {
        let mut conditions = Vec::new();
        if options.recursive != Include::Include {
            let lookup = Lookup::of(batch, "session_kind")?;
            conditions.push((Condition::Kind(options.recursive, "RECURSIVE"), lookup));
        }
        if options.background != Include::Include {
            let lookup = Lookup::of(batch, "session_type")?;
            conditions.push((Condition::Kind(options.background, "BACKGROUND"), lookup));
        }
        for filter in &options.filters {
            let lookup = Lookup::of(batch, &filter.column)?;
            conditions.push((Condition::Filter(filter), lookup));
        }
        Ok(Kinds { conditions })
    }

    fn take(&mut self, row: usize) -> bool {
        self.conditions.iter_mut().all(|(condition, lookup)| {
            lookup.get(row, |value| match condition {
                Condition::Filter(filter) => filter.matches(value),
                Condition::Kind(include, kind) => {
                    include.takes(matches!(value, Value::Text(text) if text == kind))
                }
            })
        })
    }
}
