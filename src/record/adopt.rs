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
use super::layout::{self, Part};
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
    let hour = (part.host.as_str(), part.instance.as_str(), part.hour_us);
    let there = layout::parts_of_hour(dir, table, hour)?;
    let taken = |number: &u32| there.iter().any(|p| p.name == (start.clone(), *number));
    let number = (0..u32::MAX)
        .find(|number| !taken(number))
        .ok_or_else(odd)?;
    // what was staged was closed by this program
    let sum = part.sum.ok_or_else(|| {
        let detail = "a name with the sum of its footer expected (part-….<8 digits>.parquet)";
        RecordError::damaged(&part.path, 0, detail)
    })?;
    let target = partition.join(layout::closed_name(start, number, sum));
    fs::rename(&part.path, &target).map_err(|e| RecordError::io(&target, e))?;
    sync_dir(&partition)
}

#[cfg(test)]
mod tests {
    use super::super::layout::HOUR_US;
    use super::super::testing::*;
    use super::super::tests::{record, sample};
    use super::super::{RecordErrorKind, ScanOptions};
    use super::*;

    fn times(dir: &Path) -> Vec<i64> {
        let rows = read_samples(dir, &ScanOptions::default());
        rows.iter().map(|row| row.time_us).collect()
    }

    fn staged(dir: &Path, times: &[i64]) {
        let rows: Vec<Sample> = times.iter().map(|time| sample(*time, 2)).collect();
        write(
            &dir.join(STAGE),
            &meta(),
            &[("samples", vec![samples(&rows)])],
        )
        .unwrap();
    }

    #[test]
    fn rows_are_added_beside_those_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let own = [vec![sample(START_US, 1)]];
        record(dir.path(), &own, 1).close().unwrap();
        // the same second, hence the same name but for its number; and another hour
        let more = [sample(START_US + 1, 2), sample(START_US + HOUR_US, 2)];
        let summary = adopt(dir.path(), &meta(), &[("samples", vec![samples(&more)])]).unwrap();
        assert_eq!((summary.files, summary.rows), (2, 2));
        let mut found = times(dir.path());
        found.sort_unstable();
        assert_eq!(found, [START_US, START_US + 1, START_US + HOUR_US]);
        assert!(!dir.path().join(STAGE).exists());
    }

    #[test]
    fn a_crash_leaves_all_or_nothing() {
        for complete in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let own = [vec![sample(START_US, 1)]];
            record(dir.path(), &own, 1).close().unwrap();
            staged(dir.path(), &[START_US + HOUR_US, START_US + 2 * HOUR_US]);
            assert_eq!(times(dir.path()).len(), 1, "what is staged isn't read");
            if complete {
                File::create(dir.path().join(STAGE).join(COMPLETE)).unwrap();
                // one of the two was moved already
                let stage = dir.path().join(STAGE);
                let part = layout::parts(&stage, "samples").unwrap().remove(0);
                move_in(dir.path(), "samples", &part).unwrap();
            }
            // whoever writes there next
            drop(Recorder::create(dir.path(), meta()).unwrap());
            assert_eq!(times(dir.path()).len(), if complete { 3 } else { 1 });
            assert!(!dir.path().join(STAGE).exists());
        }
    }

    #[test]
    fn refused_while_a_recorder_writes_there_and_nothing_is_left_by_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = record(dir.path(), &[vec![sample(START_US, 1)]], 1);
        let more = samples(&[sample(START_US + 1, 2)]);
        let refused = adopt(dir.path(), &meta(), &[("samples", vec![more.clone()])]).unwrap_err();
        assert_eq!(refused.kind(), RecordErrorKind::Locked);
        recorder.close().unwrap();
        let failed = adopt(
            dir.path(),
            &meta(),
            &[("samples", vec![more]), ("No Such Name", vec![ticks(&[])])],
        );
        assert!(failed.is_err());
        assert_eq!(times(dir.path()), [START_US]);
        assert!(!dir.path().join(STAGE).exists());
    }
}
