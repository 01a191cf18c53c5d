//! The writing side: tables that rows are appended to, rotated by hour and size.
//!
//! For: [`Recorder`]. Closing happens on a thread of its own, so that an hour's conversion never
//! makes the caller wait. Not for: pacing, retention. Callers: `cli`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};
use crossbeam_channel::Sender;

use super::TIME_COLUMN;
use super::adopt::finish_adoption;
use super::close::{Compression, RecoverReport, close_file, recover_locked};
use super::error::RecordError;
use super::hot::{HotFile, storable};
use super::layout::{self, CLOSED, HOT};
use super::meta::{DirLock, Recording, RecordingMeta};

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
}

impl Default for RecorderOptions {
    fn default() -> Self {
        RecorderOptions {
            flush_rows: 16_384,
            flush_interval: Duration::from_secs(1),
            rotate_bytes: 512 << 20,
            compression: Compression::default(),
        }
    }
}

/// Texts of one hot file held in memory; past this the file is rotated.
const MAX_DICTIONARY_BYTES: usize = 64 << 20;
/// Rows waiting for a flush that the caller doesn't ask for, in units of `flush_rows`.
const FORCED_FLUSH: usize = 4;

/// What a recorder wrote, from [`Recorder::close`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Parquet files written.
    pub files: u64,
    /// Rows in all tables.
    pub rows: u64,
    /// Bytes of the Parquet files.
    pub bytes: u64,
    /// Hot files that could not be closed, with the reason. Their rows are readable as they are;
    /// the next start or [`super::recover`] closes them.
    pub left_hot: Vec<(PathBuf, String)>,
}

/// Writes the tables of one instance to a recording directory, which it holds exclusively.
///
/// Rows given to [`Recorder::write`] wait in memory until [`Recorder::flush`]; after that they
/// survive the end of this process, however it ends. Write a tick's samples before its row of
/// `ticks`, then call [`Recorder::flush_if_due`]: then no tick is on disk without its samples.
pub struct Recorder {
    dir: PathBuf,
    meta: RecordingMeta,
    options: RecorderOptions,
    tables: Vec<Table>,
    closer: Closer,
    last_flush: Instant,
    recovered: RecoverReport,
    _lock: DirLock,
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
    /// closed first. A directory can hold several runs, of several instances.
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
        let recovered = recover_locked(dir, options.compression)?;
        Recording::append(dir, &meta)?;
        Ok(Recorder {
            dir: dir.to_path_buf(),
            meta,
            options,
            tables: Vec::new(),
            closer: Closer::start(options.compression),
            last_flush: Instant::now(),
            recovered,
            _lock: lock,
        })
    }

    /// What was closed for an earlier run when this one started.
    pub fn recovered(&self) -> &RecoverReport {
        &self.recovered
    }

    /// Appends the rows of `batch` to `table`, which the first batch makes. Rows go to the file of
    /// the UTC hour of their `sample_time`.
    ///
    /// # Errors
    /// [`RecordError::Schema`] if the batch doesn't fit; [`RecordError::DiskFull`] or
    /// [`RecordError::Io`] if earlier rows still can't be written, and then these aren't taken:
    /// the caller counts them as dropped and goes on.
    pub fn write(&mut self, table: &str, batch: &RecordBatch) -> Result<(), RecordError> {
        let index = match self.tables.iter().position(|t| t.name == table) {
            Some(index) => index,
            None => {
                self.tables.push(Table::new(table, batch.schema())?);
                self.tables.len() - 1
            }
        };
        if self.tables[index].is_full(&self.options) {
            // all tables, so that no row is on disk before those that it refers to
            self.flush()?;
        }
        let place = Place {
            dir: &self.dir,
            meta: &self.meta,
            options: &self.options,
            closer: &self.closer,
        };
        self.tables[index].write(batch, &place)
    }

    /// Flushes if rows or time since the last flush ask for it. Call it after each tick.
    ///
    /// # Errors
    /// See [`Recorder::flush`].
    pub fn flush_if_due(&mut self) -> Result<(), RecordError> {
        let rows = self.tables.iter().map(|t| t.pending_rows).max();
        if rows.unwrap_or(0) >= self.options.flush_rows
            || self.last_flush.elapsed() >= self.options.flush_interval
        {
            return self.flush();
        }
        Ok(())
    }

    /// Hands all rows to the operating system: after that they outlive this process. Tables are
    /// flushed in the order of their first write, and none after one that can't be: what a row
    /// refers to is on disk before it.
    ///
    /// # Errors
    /// [`RecordError::DiskFull`] or [`RecordError::Io`]; no row is lost, the next flush tries again.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        self.last_flush = Instant::now();
        for table in &mut self.tables {
            table.flush(&self.options, &self.closer)?;
        }
        Ok(())
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

/// What a table needs of its recorder to write.
struct Place<'a> {
    dir: &'a Path,
    meta: &'a RecordingMeta,
    options: &'a RecorderOptions,
    closer: &'a Closer,
}

struct Table {
    name: String,
    schema: SchemaRef,
    time_index: usize,
    hour_us: i64,
    hot: Option<HotFile>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
}

impl Table {
    fn new(name: &str, schema: SchemaRef) -> Result<Table, RecordError> {
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain {
            return Err(RecordError::schema(
                name,
                "a table's name has only a-z, 0-9 and _",
            ));
        }
        let time_index = schema
            .index_of(TIME_COLUMN)
            .map_err(|_| RecordError::schema(name, format!("it has no column {TIME_COLUMN}")))?;
        let time_type = schema.field(time_index).data_type();
        if !matches!(
            time_type,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_))
        ) {
            return Err(RecordError::schema(
                name,
                format!("{TIME_COLUMN} is {time_type}, Timestamp(µs, \"+00:00\") expected"),
            ));
        }
        if let Some(field) = schema.fields().iter().find(|f| !storable(f.data_type())) {
            let detail = format!(
                "column {} has type {}; only flat columns are recorded",
                field.name(),
                field.data_type()
            );
            return Err(RecordError::schema(name, detail));
        }
        Ok(Table {
            name: name.to_owned(),
            schema,
            time_index,
            hour_us: 0,
            hot: None,
            pending: Vec::new(),
            pending_rows: 0,
        })
    }

    fn write(&mut self, batch: &RecordBatch, place: &Place<'_>) -> Result<(), RecordError> {
        if batch.schema_ref().fields() != self.schema.fields() {
            return Err(RecordError::schema(
                &self.name,
                "the batch's columns aren't those of the table's first batch",
            ));
        }
        let times = batch
            .column(self.time_index)
            .as_primitive::<TimestampMicrosecondType>();
        if times.null_count() > 0 {
            return Err(RecordError::schema(
                &self.name,
                format!("{TIME_COLUMN} is null in a row"),
            ));
        }
        let times = times.values();
        let mut start = 0;
        while start < times.len() {
            let hour_us = layout::hour_of(times[start]);
            let same = times[start..]
                .iter()
                .take_while(|t| layout::hour_of(**t) == hour_us);
            let rows = same.count();
            self.make_room(hour_us, times[start], place)?;
            self.pending.push(batch.slice(start, rows));
            self.pending_rows += rows;
            start += rows;
        }
        Ok(())
    }

    /// Whether more waits in memory than should.
    fn is_full(&self, options: &RecorderOptions) -> bool {
        self.pending_rows >= FORCED_FLUSH.saturating_mul(options.flush_rows)
    }

    /// Sees that there is a hot file for `hour_us` and that not too much waits in memory.
    fn make_room(
        &mut self,
        hour_us: i64,
        first_us: i64,
        place: &Place<'_>,
    ) -> Result<(), RecordError> {
        if self.hot.is_some() && self.hour_us != hour_us {
            self.flush(place.options, place.closer)?;
            self.rotate(place.closer)?;
        }
        if self.is_full(place.options) {
            self.flush(place.options, place.closer)?;
        }
        if self.hot.is_none() {
            self.hot = Some(self.start_file(hour_us, first_us, place)?);
            self.hour_us = hour_us;
        }
        Ok(())
    }

    fn start_file(
        &self,
        hour_us: i64,
        first_us: i64,
        place: &Place<'_>,
    ) -> Result<HotFile, RecordError> {
        let odd = || RecordError::schema(&self.name, format!("no such time: {first_us} µs"));
        let meta = place.meta;
        let partition =
            layout::partition_dir(place.dir, &self.name, &meta.host, &meta.instance, hour_us)
                .ok_or_else(odd)?;
        let start = layout::part_start(first_us).ok_or_else(odd)?;
        fs::create_dir_all(&partition).map_err(|e| RecordError::io(&partition, e))?;
        for number in 0..u32::MAX {
            let path = partition.join(layout::part_name(&start, number, HOT));
            if path.with_extension(CLOSED).exists() {
                continue;
            }
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    return HotFile::start(file, path, Arc::clone(&self.schema), meta.stamp());
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RecordError::io(&path, error)),
            }
        }
        Err(RecordError::schema(&self.name, "no free file name"))
    }

    fn flush(&mut self, options: &RecorderOptions, closer: &Closer) -> Result<(), RecordError> {
        let Some(hot) = &mut self.hot else {
            return Ok(());
        };
        // What an earlier flush could not write goes first, and bounds what is held encoded.
        hot.flush()?;
        if self.pending_rows > 0 {
            hot.append(&self.pending)?;
            self.pending.clear();
            self.pending_rows = 0;
            hot.flush()?;
        }
        if hot.bytes() >= options.rotate_bytes || hot.dictionary_bytes() >= MAX_DICTIONARY_BYTES {
            self.rotate(closer)?;
        }
        Ok(())
    }

    fn rotate(&mut self, closer: &Closer) -> Result<(), RecordError> {
        if let Some(hot) = &mut self.hot {
            hot.finish()?;
            closer.close(hot.path.clone());
            self.hot = None;
        }
        Ok(())
    }
}

/// The thread that makes Parquet of finished hot files, one after the other.
struct Closer {
    queue: Option<Sender<PathBuf>>,
    thread: Option<JoinHandle<Summary>>,
}

impl Closer {
    fn start(compression: Compression) -> Closer {
        let (queue, finished) = crossbeam_channel::unbounded::<PathBuf>();
        let thread = std::thread::spawn(move || {
            let mut summary = Summary::default();
            for path in finished {
                match close_file(&path, compression) {
                    Ok(closed) => {
                        summary.files += u64::from(closed.bytes > 0);
                        summary.rows += closed.rows;
                        summary.bytes += closed.bytes;
                    }
                    Err(error) => {
                        tracing::warn!(%error, file = %path.display(), "left as it is");
                        summary.left_hot.push((path, error.to_string()));
                    }
                }
            }
            summary
        });
        Closer {
            queue: Some(queue),
            thread: Some(thread),
        }
    }

    fn close(&self, path: PathBuf) {
        if let Some(queue) = &self.queue {
            // The thread ends only after this side has hung up; if it died, the file stays hot.
            let _ = queue.send(path);
        }
    }

    fn finish(&mut self) -> Summary {
        self.queue = None;
        let thread = self.thread.take();
        thread
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Closer {
    /// Waits, so that nothing is still being closed when the lock is given back.
    fn drop(&mut self) {
        self.finish();
    }
}
