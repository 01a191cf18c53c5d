//! The writing side: tables that rows are appended to, rotated by hour and size.
//!
//! For: [`Recorder`]. Closing and retention happen on a thread of their own (`closer`), so that an
//! hour's conversion never makes the caller wait. Not for: pacing. Callers: `cli`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;

use super::adopt::finish_adoption;
use super::close::{Compression, left_open};
use super::closer::{Closer, Note};
use super::error::{RecordError, RecordErrorKind};
use super::meta::{DirLock, Recording, RecordingMeta};
use super::retain::{self, Retention};
use super::table::Table;

/// How a [`Recorder`] writes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RecorderOptions {
    /// [`Recorder::flush_if_due`] flushes when a table has so many rows waiting.
    pub flush_rows: usize,
    /// [`Recorder::flush_if_due`] flushes when the last flush is so long ago.
    pub flush_interval: Duration,
    /// A hot file that reaches this many bytes is closed and another one begun.
    pub rotate_bytes: u64,
    /// Codec of closed files.
    pub compression: Compression,
    /// What is kept for how long.
    pub retention: Retention,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        RecorderOptions {
            flush_rows: 16_384,
            flush_interval: Duration::from_secs(1),
            rotate_bytes: 512 << 20,
            compression: Compression::default(),
            retention: Retention::default(),
        }
    }
}

/// What a recorder wrote, from [`Recorder::close`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Parquet files written.
    pub files: u64,
    /// Rows in all tables.
    pub rows: u64,
    /// Bytes of the Parquet files.
    pub bytes: u64,
    /// Files of earlier runs that were closed; not in the numbers above.
    pub earlier_files: u64,
    /// Files that retention removed.
    pub removed_files: u64,
    /// Hot files that could not be closed, with the reason. Their rows are readable as they are;
    /// the next start or [`super::recover`] closes them.
    pub left_hot: Vec<(PathBuf, String)>,
}

/// Writes the tables of one instance to a recording directory, which it holds exclusively.
///
/// Rows given to [`Recorder::write`] wait in memory until [`Recorder::flush`]; after that they
/// survive the end of this process, however it ends. Tables are flushed in the order of their first
/// write, and not past one that can't be: write a tick's samples before its row of `ticks` (an empty
/// batch of samples too, the first time), and no tick is on disk without its samples.
pub struct Recorder {
    dir: PathBuf,
    meta: Arc<RecordingMeta>,
    /// The meta isn't in `recording.json` yet, for want of room.
    unsaid: bool,
    options: RecorderOptions,
    tables: Vec<Table>,
    closer: Closer,
    last_flush: Instant,
    _lock: DirLock,
}

/// What a table needs of its recorder to write.
pub(super) struct Place<'a> {
    pub(super) dir: &'a Path,
    pub(super) options: &'a RecorderOptions,
    pub(super) closer: &'a Closer,
}

impl Recorder {
    /// Starts recording into `dir`, made if it isn't there, with default options.
    ///
    /// # Errors
    /// See [`Recorder::create_with`].
    pub fn create(dir: &Path, meta: RecordingMeta) -> Result<Recorder, RecordError> {
        Recorder::create_with(dir, meta, RecorderOptions::default())
    }

    /// Starts recording into `dir`, made if it isn't there. What an earlier run left open is
    /// closed meanwhile. A directory can hold several runs, of several instances.
    ///
    /// # Errors
    /// [`RecordError::Locked`] if another recorder writes there, [`RecordError::Damaged`] if its
    /// `recording.json` can't be read, or the file system's.
    pub fn create_with(
        dir: &Path,
        meta: RecordingMeta,
        options: RecorderOptions,
    ) -> Result<Recorder, RecordError> {
        fs::create_dir_all(dir).map_err(|e| RecordError::io(dir, e))?;
        let lock = DirLock::take(dir)?;
        finish_adoption(dir)?;
        let left = left_open(dir)?;
        if let Err(error) = Recording::append(dir, &meta) {
            if error.kind() != RecordErrorKind::DiskFull {
                return Err(error);
            }
            // what is too old or too much makes room
            retain::apply(dir, &options.retention, jiff::Timestamp::now())?;
            Recording::append(dir, &meta)?;
        }
        let closer = Closer::start(dir, &options);
        for path in left {
            closer.close_earlier(path);
        }
        Ok(Recorder {
            dir: dir.to_path_buf(),
            meta: Arc::new(meta),
            unsaid: false,
            options,
            tables: Vec::new(),
            closer,
            last_flush: Instant::now(),
            _lock: lock,
        })
    }

    /// Goes on with another run in the same recording: the instance was started anew. Rows written
    /// before keep the identity they were written under.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] or [`RecordError::Io`]; want of room isn't one, `recording.json` then
    /// follows with a later flush.
    pub fn begin_run(&mut self, meta: RecordingMeta) -> Result<(), RecordError> {
        self.meta = Arc::new(meta);
        self.unsaid = true;
        match self.say_run() {
            Err(error) if error.kind() == RecordErrorKind::DiskFull => Ok(()),
            other => other,
        }
    }

    fn say_run(&mut self) -> Result<(), RecordError> {
        if self.unsaid {
            Recording::append(&self.dir, &self.meta)?;
            self.unsaid = false;
        }
        Ok(())
    }

    /// What happened on the side since the last call: files closed later, removed, left.
    pub fn notes(&mut self) -> Vec<Note> {
        self.closer.notes()
    }

    /// Appends the rows of `batch` to `table`, which the first batch makes. Rows go to the file of
    /// the UTC hour of their `sample_time`.
    ///
    /// # Errors
    /// [`RecordError::Schema`] if the batch doesn't fit; [`RecordError::DiskFull`] or
    /// [`RecordError::Io`] if too many earlier rows still can't be written, and then these aren't
    /// taken: the caller counts them as dropped and goes on.
    pub fn write(&mut self, table: &str, batch: &RecordBatch) -> Result<(), RecordError> {
        let index = match self.tables.iter().position(|t| t.name == table) {
            Some(index) => index,
            None => {
                self.tables.push(Table::new(table, batch.schema())?);
                self.tables.len() - 1
            }
        };
        // Only of this table: batches that belong together were let in together by `make_room`.
        if self.tables[index].is_full(&self.options) {
            self.flush()?;
        }
        self.tables[index].write(batch, &self.meta)
    }

    /// Sees that the next batch of every table can be taken, so that batches that belong together
    /// are taken all or not at all.
    ///
    /// # Errors
    /// See [`Recorder::flush`]: too much waits in memory, and it can't be written.
    pub fn make_room(&mut self) -> Result<(), RecordError> {
        // all tables, so that no row is on disk before those that it refers to
        match self.tables.iter().any(|t| t.is_full(&self.options)) {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Flushes if rows or time since the last flush ask for it, and says whether it did. Call it
    /// after each tick.
    ///
    /// # Errors
    /// See [`Recorder::flush`].
    pub fn flush_if_due(&mut self) -> Result<bool, RecordError> {
        let rows = self.tables.iter().map(|t| t.pending_rows).max();
        let due = rows.unwrap_or(0) >= self.options.flush_rows
            || self.last_flush.elapsed() >= self.options.flush_interval;
        if due {
            self.flush()?;
        }
        Ok(due)
    }

    /// Hands all rows to the operating system: after that they outlive this process. Tables are
    /// flushed in the order of their first write, and none after one that can't be: what a row
    /// refers to is on disk before it.
    ///
    /// # Errors
    /// [`RecordError::DiskFull`] or [`RecordError::Io`]; no row is lost, the next flush tries again.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        self.last_flush = Instant::now();
        let result = self.flush_tables();
        if let Err(error) = &result
            && error.kind() == RecordErrorKind::DiskFull
        {
            self.closer.retain();
        }
        result
    }

    fn flush_tables(&mut self) -> Result<(), RecordError> {
        self.say_run()?;
        let place = Place {
            dir: &self.dir,
            options: &self.options,
            closer: &self.closer,
        };
        self.tables
            .iter_mut()
            .try_for_each(|table| table.flush(&place))
    }

    /// Closes all hot files now and goes on with new ones.
    ///
    /// # Errors
    /// See [`Recorder::flush`].
    pub fn rotate(&mut self) -> Result<(), RecordError> {
        self.flush()?;
        for table in &mut self.tables {
            table.rotate(&self.closer)?;
        }
        Ok(())
    }

    /// Closes the hot files of hours that are over at `now`: of tables that no row comes to any more,
    /// or seldom.
    ///
    /// # Errors
    /// See [`Recorder::flush`].
    pub fn close_past_hours(&mut self, now: jiff::Timestamp) -> Result<(), RecordError> {
        let now_us = now.as_microsecond();
        let past = |table: &&mut Table| table.is_past(now_us);
        for table in self.tables.iter_mut().filter(past) {
            table.rotate(&self.closer)?;
        }
        Ok(())
    }

    /// Doesn't judge the age of files for so long: the clock that says it has just been stepped.
    pub fn distrust_clock(&self, time: Duration) {
        self.closer.distrust_clock(time);
    }

    /// Flushes, closes all files to Parquet and waits for it.
    ///
    /// # Errors
    /// See [`Recorder::flush`]. A file that can't be made Parquet is no error, see [`Summary`].
    pub fn close(mut self) -> Result<Summary, RecordError> {
        self.rotate()?;
        Ok(self.closer.finish())
    }
}

impl Drop for Recorder {
    /// Without [`Recorder::close`], the hot files stay hot, but complete.
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "the last rows are lost");
        }
    }
}
