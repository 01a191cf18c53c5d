//! Rows from elsewhere, put into a recording all or not at all.
//!
//! For: [`adopt`]. The rows are written and closed in a directory beside the tables; once that is complete and durable, it
//! is marked so, and its parts are moved in. What a crash leaves is finished or removed by whoever writes there next.
//!
//! Not for: where rows come from, or whether they are there already. Callers: `backfill`, [`super::Recorder`].

use std::fs::{self, File};
use std::path::Path;

use arrow::array::RecordBatch;

use super::error::RecordError;
use super::layout::{self, CLOSED, HOT, Part};
use super::meta::{DirLock, Recording, RecordingMeta, sync_dir};
use super::recorder::{Recorder, Summary};

/// Beside the tables of a recording.
const STAGE: &str = "import.staged";
/// In it once all of it is to be moved.
const COMPLETE: &str = "complete";

/// Adds rows of several tables to the recording `dir`, made if it isn't there. Each table's batches must be in the order
/// of their time.
///
/// # Errors
/// As [`Recorder::create`] and [`Recorder::write`]; then nothing is added.
pub fn adopt(
    dir: &Path,
    meta: &RecordingMeta,
    tables: &[(&str, Vec<RecordBatch>)],
) -> Result<Summary, RecordError> {
    fs::create_dir_all(dir).map_err(|e| RecordError::io(dir, e))?;
    let _lock = DirLock::take(dir)?;
    finish_adoption(dir)?;
    let stage = dir.join(STAGE);
    let staged = write(&stage, meta, tables).and_then(|summary| {
        // recording.json first: what follows can be finished by others
        Recording::append(dir, meta)?;
        let mark = stage.join(COMPLETE);
        let marked = File::create(&mark).and_then(|file| file.sync_all());
        marked.map_err(|e| RecordError::io(&mark, e))?;
        sync_dir(&stage)?;
        Ok(summary)
    });
    match staged {
        Ok(summary) => finish_adoption(dir).map(|()| summary),
        Err(error) => {
            let _ = fs::remove_dir_all(&stage);
            Err(error)
        }
    }
}

fn write(
    stage: &Path,
    meta: &RecordingMeta,
    tables: &[(&str, Vec<RecordBatch>)],
) -> Result<Summary, RecordError> {
    let mut recorder = Recorder::create(stage, meta.clone())?;
    for (table, batches) in tables {
        for batch in batches {
            recorder.write(table, batch)?;
            recorder.flush_if_due()?;
        }
    }
    let summary = recorder.close()?;
    match summary.left_hot.first() {
        Some((path, why)) => Err(RecordError::damaged(path, 0, why.clone())),
        None => Ok(summary),
    }
}

/// Moves in what was staged completely, and removes what wasn't. For who holds the lock.
pub(super) fn finish_adoption(dir: &Path) -> Result<(), RecordError> {
    let stage = dir.join(STAGE);
    if !stage.is_dir() {
        return Ok(());
    }
    if stage.join(COMPLETE).is_file() {
        for table in layout::tables(&stage)? {
            for part in layout::parts(&stage, &table)? {
                move_in(dir, &table, &part)?;
            }
        }
    }
    fs::remove_dir_all(&stage).map_err(|e| RecordError::io(&stage, e))?;
    sync_dir(dir)
}

fn move_in(dir: &Path, table: &str, part: &Part) -> Result<(), RecordError> {
    let odd = || RecordError::schema(table, format!("no such hour: {} µs", part.hour_us));
    let partition = layout::partition_dir(dir, table, &part.host, &part.instance, part.hour_us);
    let partition = partition.ok_or_else(odd)?;
    fs::create_dir_all(&partition).map_err(|e| RecordError::io(&partition, e))?;
    let start = &part.name.0;
    let taken = |number: &u32| {
        [HOT, CLOSED]
            .iter()
            .any(|kind| partition.join(layout::part_name(start, *number, kind)).exists())
    };
    let number = (0..u32::MAX).find(|number| !taken(number)).ok_or_else(odd)?;
    let target = partition.join(layout::part_name(start, number, CLOSED));
    fs::rename(&part.path, &target).map_err(|e| RecordError::io(&target, e))?;
    sync_dir(&partition)
}
