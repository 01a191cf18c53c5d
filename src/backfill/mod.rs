//! Filling gaps of recordings with what the database kept of itself: rows of V$ACTIVE_SESSION_HISTORY (one a second) or
//! DBA_HIST_ACTIVE_SESS_HISTORY (one each ten seconds), spooled as CSV.
//!
//! For: [`backfill`]. Names in the first line say what a column is; those that recordings have are taken. Each row counts
//! for the time between two samples of its view, and says in `source` where it is from. Times that the recording has
//! already, by its ticks, are left out, so that nothing is counted twice, also when a file is given twice. All of a file
//! is taken or nothing. The file's rows are held in memory.
//!
//! Ticks are added too, also for moments at which nobody was active: SAMPLE_ID counts seconds, so it tells those from
//! times at which nothing was sampled. (That it does, and that each tenth sample goes to DBA_HIST: Oracle Database
//! Reference, V$ACTIVE_SESSION_HISTORY: SAMPLE_ID, IS_AWR_SAMPLE.)
//!
//! Not for: asking a database. Callers: `cli`.

mod coverage;
mod error;
mod folds;
pub mod gaps;
mod header;
mod read;
mod tables;
#[cfg(test)]
mod tests;
mod times;

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use error::BackfillError;

use self::coverage::Coverage;
use crate::record::{Reader, RecordError, RecordingMeta, adopt};

/// Which view rows are from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// V$ACTIVE_SESSION_HISTORY: a sample each second.
    Ash,
    /// DBA_HIST_ACTIVE_SESS_HISTORY: a sample each ten seconds.
    DbaHist,
}

impl View {
    /// What `source` says in samples.
    pub fn source(self) -> &'static str {
        match self {
            View::Ash => "ash",
            View::DbaHist => "dba_hist",
        }
    }

    /// Time between two samples, in microseconds: what a row counts for.
    pub fn period_us(self) -> i64 {
        match self {
            View::Ash => 1_000_000,
            View::DbaHist => 10_000_000,
        }
    }
}

/// What to import, and where to.
#[derive(Clone, Debug)]
pub struct Backfill {
    /// The CSV file.
    pub csv: PathBuf,
    /// Directory of the recording; made if it isn't there.
    pub dir: PathBuf,
    /// Host that the rows are of; the recording's only one if `None`.
    pub host: Option<String>,
    /// Instance that the rows are of; the recording's only one if `None`.
    pub instance: Option<String>,
    /// Zone of times that name none: that of the database's host.
    pub zone: Option<TimeZone>,
    /// The view; told by the columns if `None`.
    pub view: Option<View>,
    /// Only rows of this INSTANCE_NUMBER or INST_ID.
    pub instance_number: Option<u64>,
}

/// What was imported.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Imported {
    /// Host that the rows are of.
    pub host: String,
    /// Instance that the rows are of.
    pub instance: String,
    /// What `source` says of them.
    pub source: &'static str,
    /// Rows added to `samples`.
    pub rows: u64,
    /// Rows left out because the recording has their time.
    pub covered: u64,
    /// Rows left out because they are of other instances.
    pub other_instances: u64,
    /// Rows added to `ticks`.
    pub ticks: u64,
    /// Names of columns that recordings don't have.
    pub not_taken: Vec<String>,
}

/// Imports a file.
///
/// # Errors
/// See [`BackfillError`]; nothing is added then.
pub fn backfill(wanted: &Backfill) -> Result<Imported, BackfillError> {
    let recording = open(wanted)?;
    let (host, instance) = of_whom(wanted, recording.as_ref())?;
    let spool = read::read(wanted)?;
    let times = folds::resolve(&spool, wanted)?;
    let covered = match &recording {
        Some(reader) => Coverage::of(reader, &host, &instance, &times)?,
        None => Coverage::default(),
    };
    let view = spool.view;
    let mut imported = Imported {
        host,
        instance,
        source: view.source(),
        rows: 0,
        covered: 0,
        other_instances: spool.other_instances,
        ticks: 0,
        not_taken: spool.not_taken.clone(),
    };
    let taken = tables::fresh(&times, &covered);
    imported.rows = taken.len() as u64;
    imported.covered = times.len() as u64 - imported.rows;
    let ticks = coverage::watched(&spool.ids, &times, view, &covered);
    imported.ticks = ticks.len() as u64;
    if ticks.is_empty() {
        return Ok(imported);
    }
    let tables = tables::of(spool, &times, &taken, &ticks, &imported.instance)?;
    adopt(&wanted.dir, &meta(&imported, view), &tables)?;
    Ok(imported)
}

/// The recording, if there is one.
fn open(wanted: &Backfill) -> Result<Option<Reader>, BackfillError> {
    match Reader::open(&wanted.dir) {
        Ok(reader) => Ok(Some(reader)),
        Err(RecordError::NoRecording { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The host and the instance that rows are of.
fn of_whom(
    wanted: &Backfill,
    recording: Option<&Reader>,
) -> Result<(String, String), BackfillError> {
    let mut known = match recording {
        Some(reader) => reader.instances("ticks")?,
        None => Vec::new(),
    };
    known.retain(|(host, instance)| {
        wanted.host.as_ref().is_none_or(|h| h == host)
            && wanted.instance.as_ref().is_none_or(|i| i == instance)
    });
    match (&wanted.host, &wanted.instance, known.as_slice()) {
        (Some(host), Some(instance), _) => Ok((host.clone(), instance.clone())),
        (_, _, [one]) => Ok(one.clone()),
        _ => Err(BackfillError::Usage(format!(
            "{} holds {} hosts and instances that fit; say with --host and --instance whose rows these are",
            wanted.dir.display(),
            known.len()
        ))),
    }
}

fn meta(imported: &Imported, view: View) -> RecordingMeta {
    RecordingMeta {
        host: imported.host.clone(),
        instance: imported.instance.clone(),
        blueprint_id: format!("none: imported from {}", view.source()),
        forced: false,
        rate_hz: 1e6 / view.period_us() as f64,
        program_version: env!("CARGO_PKG_VERSION").into(),
        sql_text: "none".into(),
        cpu_count: None,
        start: Timestamp::now(),
    }
}
