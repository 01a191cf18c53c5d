//! The result of a report, and its machine-readable form.
//!
//! Not for: computing it. Callers: [`super::report`] makes it, [`super::render`] and `cli` show it.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

use super::aas::Interval;
use super::value::{Value, time_text};

/// A finished report. Serialises as `{"meta": {…}, "groups": […], "rows": [{…}]}`, a row as
/// [`ReportTable::records`] gives it.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportTable {
    /// Window, totals and health of the recorder.
    pub meta: ReportMeta,
    /// Names of the columns grouped by.
    pub groups: Vec<String>,
    /// One row per group, the largest first.
    pub rows: Vec<Row>,
}

impl ReportTable {
    /// The rows as objects: name to value, in the order of the columns.
    pub fn records(&self) -> impl Iterator<Item = Map<String, Json>> + '_ {
        self.rows.iter().map(|row| {
            let mut record = Map::new();
            let mut put = |name: &str, value: Json| record.insert(name.to_owned(), value);
            put("total_seconds", row.total_seconds.into());
            put("aas", row.aas.into());
            put("pct", row.pct.into());
            if let Some(interval) = &row.interval {
                put("aas_std_error", interval.std_error.into());
                put("aas_low", interval.low.into());
                put("aas_high", interval.high.into());
            }
            for (name, value) in self.groups.iter().zip(&row.values) {
                put(name, value.to_json());
            }
            put("first_seen", time_text(row.first_seen_us).into());
            put("last_seen", time_text(row.last_seen_us).into());
            put("distinct_execs", row.distinct_execs.into());
            put("distinct_tstamps", row.distinct_tstamps.into());
            put("samples", row.samples.into());
            record
        })
    }
}

impl Serialize for ReportTable {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<_> = self.records().collect();
        let mut map = out.serialize_map(Some(3))?;
        map.serialize_entry("meta", &self.meta)?;
        map.serialize_entry("groups", &self.groups)?;
        map.serialize_entry("rows", &rows)?;
        map.end()
    }
}

/// One group.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The group's values, in the order of [`ReportTable::groups`].
    pub values: Vec<Value>,
    /// Active session microseconds.
    pub total_us: u64,
    /// The same in seconds.
    pub total_seconds: f64,
    /// Average active sessions; `None` where the time that was watched isn't known.
    pub aas: Option<f64>,
    /// Share of all groups' time, in percent.
    pub pct: f64,
    /// First sample's time, microseconds since 1970-01-01 UTC.
    pub first_seen_us: i64,
    /// Last sample's time, microseconds since 1970-01-01 UTC.
    pub last_seen_us: i64,
    /// Distinct executions seen: pairs of `sql_id` and `sql_exec_id`.
    pub distinct_execs: u64,
    /// Distinct sample times.
    pub distinct_tstamps: u64,
    /// Samples.
    pub samples: u64,
    /// Uncertainty of `aas`, if asked for and known.
    pub interval: Option<Interval>,
}

/// What a report is of, and how well its recorder did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ReportMeta {
    /// First time of the window, microseconds since 1970-01-01 UTC: as asked for, else of the data.
    pub from_us: Option<i64>,
    /// Last time of the window, likewise.
    pub to_us: Option<i64>,
    /// Seconds that were watched: the sum of the ticks' weights. `None` without ticks.
    pub elapsed_seconds: Option<f64>,
    /// Active session seconds of all groups.
    pub total_seconds: f64,
    /// Average active sessions of all groups.
    pub aas: Option<f64>,
    /// Active samples that passed the filters.
    pub samples: u64,
    /// Groups there are; the table may show fewer.
    pub groups_total: u64,
    /// Ticks taken.
    pub ticks: u64,
    /// Ticks skipped because an earlier one took too long.
    pub missed: u64,
    /// Frames dropped because the writer was behind.
    pub dropped: u64,
    /// Largest lateness of a tick, in microseconds.
    pub late_max_us: u64,
    /// Mean lateness of a tick, in microseconds.
    pub late_mean_us: f64,
    /// Session rows looked at.
    pub rows_seen: u64,
    /// Rows changed while they were read, in spite of retries.
    pub torn: u64,
    /// Rows with a part that could not be read.
    pub faulted: u64,
    /// Files with more than their sums prove: being written, or the recorder was killed.
    pub truncated_files: u64,
    /// Files without sums: somebody else wrote them, damage to them may not be seen.
    pub unproven_files: u64,
    /// How often a sample referred to a session, cursor or event that the recording lacks: what would come
    /// from there is null.
    pub unjoined: u64,
    /// A blueprint was forced on the instance, so that values may be wrong.
    pub forced: bool,
}

impl ReportMeta {
    /// Share of torn rows, 0 to 1.
    pub fn torn_share(&self) -> f64 {
        match self.rows_seen {
            0 => 0.0,
            seen => self.torn as f64 / seen as f64,
        }
    }
}

impl Serialize for ReportMeta {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("from", &self.from_us.map(time_text))?;
        map.serialize_entry("to", &self.to_us.map(time_text))?;
        map.serialize_entry("elapsed_seconds", &self.elapsed_seconds)?;
        map.serialize_entry("total_seconds", &self.total_seconds)?;
        map.serialize_entry("aas", &self.aas)?;
        map.serialize_entry("samples", &self.samples)?;
        map.serialize_entry("groups_total", &self.groups_total)?;
        map.serialize_entry("ticks", &self.ticks)?;
        map.serialize_entry("missed", &self.missed)?;
        map.serialize_entry("dropped", &self.dropped)?;
        map.serialize_entry("late_max_us", &self.late_max_us)?;
        map.serialize_entry("late_mean_us", &self.late_mean_us)?;
        map.serialize_entry("rows_seen", &self.rows_seen)?;
        map.serialize_entry("torn", &self.torn)?;
        map.serialize_entry("torn_share", &self.torn_share())?;
        map.serialize_entry("faulted", &self.faulted)?;
        map.serialize_entry("truncated_files", &self.truncated_files)?;
        map.serialize_entry("unproven_files", &self.unproven_files)?;
        map.serialize_entry("unjoined", &self.unjoined)?;
        map.serialize_entry("forced", &self.forced)?;
        map.end()
    }
}
