//! Retention: what is older than asked for, or more than asked for, is removed hour by hour.
//!
//! For: whole hours, oldest first, all tables of an hour together; never an hour that holds a hot
//! file, and never the newest. Not for: deciding when to look. Callers: `closer`, `recorder`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::error::RecordError;
use super::layout::{self, HOT, HOUR_US};

/// Levels of directories from an hour up to its table.
const LEVELS: usize = 4;

/// What of a recording is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Hours that ended longer ago than this are removed.
    pub age: Option<Duration>,
    /// While all files together take more bytes than this, the oldest hour is removed.
    pub bytes: Option<u64>,
}

/// An hour that was removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removed {
    /// Its start.
    pub hour: Timestamp,
    /// Files of all tables.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Which limit asked for it: `age` or `bytes`.
    pub limit: &'static str,
}

/// The files of one hour.
#[derive(Default)]
struct Hour {
    files: Vec<PathBuf>,
    bytes: u64,
    hot: bool,
}

/// Removes what `retention` no longer keeps at `now`.
///
/// # Errors
/// The file system's; what was removed until then stays removed.
pub(super) fn apply(
    dir: &Path,
    retention: &Retention,
    now: Timestamp,
) -> Result<Vec<Removed>, RecordError> {
    let mut removed = Vec::new();
    if *retention == Retention::default() {
        return Ok(removed);
    }
    let mut hours = hours(dir)?;
    let mut total: u64 = hours.values().map(|hour| hour.bytes).sum();
    // the newest is being written, or was the last that was
    hours.pop_last();
    let age_us = |age: Duration| i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let oldest_us = retention
        .age
        .map(|age| now.as_microsecond().saturating_sub(age_us(age)));
    for (hour_us, hour) in hours {
        if hour.hot {
            continue;
        }
        let old = oldest_us.is_some_and(|oldest| hour_us.saturating_add(HOUR_US) <= oldest);
        let much = retention.bytes.is_some_and(|limit| total > limit);
        if !old && !much {
            continue;
        }
        remove(&hour)?;
        total = total.saturating_sub(hour.bytes);
        removed.push(Removed {
            hour: Timestamp::from_microsecond(hour_us).unwrap_or(Timestamp::UNIX_EPOCH),
            files: hour.files.len() as u64,
            bytes: hour.bytes,
            limit: if old { "age" } else { "bytes" },
        });
    }
    Ok(removed)
}

/// All files by hour: data, and what was kept beside for its damage.
fn hours(dir: &Path) -> Result<BTreeMap<i64, Hour>, RecordError> {
    let mut hours: BTreeMap<i64, Hour> = BTreeMap::new();
    for path in layout::files_ending(dir, "")? {
        let Some(hour_us) = layout::hour_of_file(&path) else {
            continue;
        };
        let hour = hours.entry(hour_us).or_default();
        hour.hot |= path.extension().is_some_and(|e| e == HOT || e == "tmp");
        hour.bytes += length(&path)?;
        hour.files.push(path);
    }
    Ok(hours)
}

/// Bytes of a file; 0 if it has just been closed or removed.
fn length(path: &Path) -> Result<u64, RecordError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(RecordError::io(path, error)),
    }
}

fn remove(hour: &Hour) -> Result<(), RecordError> {
    for path in &hour.files {
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(RecordError::io(path, error)),
        }
    }
    for path in &hour.files {
        let parents = path.ancestors().skip(1).take(LEVELS);
        for parent in parents {
            // only an empty one goes; whoever writes there makes it anew
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }
    Ok(())
}
