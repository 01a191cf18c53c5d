//! One table being written: rows that wait, and the hot file they go to.
//!
//! For: keeping rows by hour and run until they are flushed, in order, each whatever became of
//! those before. Not for: closing files. Callers: `recorder`.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};

use super::TIME_COLUMN;
use super::closer::Closer;
use super::error::RecordError;
use super::hot::{HotFile, storable};
use super::hot_sums::remove_hot;
use super::layout::{self, HOUR_US};
use super::meta::RecordingMeta;
use super::recorder::{Place, RecorderOptions};

/// Texts of one hot file held in memory; past this the file is rotated.
const MAX_DICTIONARY_BYTES: usize = 64 << 20;
/// Rows waiting for a flush that the caller doesn't ask for, in units of `flush_rows`.
const FORCED_FLUSH: usize = 4;
/// Bytes waiting for such a flush.
const MAX_PENDING_BYTES: usize = 64 << 20;
/// Time after its hour's end until a hot file is closed though no row of a later hour has come.
const GRACE_US: i64 = 10_000_000;
/// Tries to make a file in a directory that is being removed for being empty.
const DIRECTORY_TRIES: u32 = 8;

/// Rows that belong into one file.
struct Chunk {
    hour_us: i64,
    first_us: i64,
    meta: Arc<RecordingMeta>,
    batch: RecordBatch,
}

/// The hot file, and what belongs into it.
struct Hot {
    file: HotFile,
    hour_us: i64,
    meta: Arc<RecordingMeta>,
}

impl Hot {
    fn takes(&self, chunk: &Chunk) -> bool {
        // one that was ended and found no room for its end takes nothing more
        !self.file.is_ended()
            && self.hour_us == chunk.hour_us
            && Arc::ptr_eq(&self.meta, &chunk.meta)
    }
}

/// A table being written.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) pending_rows: usize,
    pending_bytes: usize,
    pending: Vec<Chunk>,
    schema: SchemaRef,
    time_index: usize,
    /// The run whose rows came last.
    meta: Option<Arc<RecordingMeta>>,
    hot: Option<Hot>,
}

impl Table {
    pub(super) fn new(name: &str, schema: SchemaRef) -> Result<Table, RecordError> {
        let time_index = checked(name, &schema)?;
        Ok(Table {
            name: name.to_owned(),
            pending_rows: 0,
            pending_bytes: 0,
            pending: Vec::new(),
            schema,
            time_index,
            meta: None,
            hot: None,
        })
    }

    /// Whether so much waits that no more may be taken.
    pub(super) fn is_full(&self, options: &RecorderOptions) -> bool {
        self.pending_rows >= FORCED_FLUSH.saturating_mul(options.flush_rows)
            || self.pending_bytes >= MAX_PENDING_BYTES
    }

    /// Takes the rows of `batch`; touches no file.
    pub(super) fn write(
        &mut self,
        batch: &RecordBatch,
        meta: &Arc<RecordingMeta>,
    ) -> Result<(), RecordError> {
        let same_run = self.meta.as_ref().is_none_or(|own| Arc::ptr_eq(own, meta));
        if !same_run {
            // another run may know more or less of the instance
            self.time_index = checked(&self.name, batch.schema_ref())?;
            self.schema = batch.schema();
        }
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
        self.meta = Some(Arc::clone(meta));
        let times = times.values();
        let mut start = 0;
        while start < times.len() {
            let hour_us = layout::hour_of(times[start]);
            let hour = hour_us..hour_us.saturating_add(HOUR_US);
            let same = times[start..].iter().take_while(|t| hour.contains(*t));
            let rows = same.count();
            self.pending.push(Chunk {
                hour_us,
                first_us: times[start],
                meta: Arc::clone(meta),
                batch: batch.slice(start, rows),
            });
            self.pending_rows += rows;
            start += rows;
        }
        self.pending_bytes += batch.get_array_memory_size();
        Ok(())
    }

    /// Hands all rows to the operating system, file by file. After an error what is not yet there
    /// waits on, in the same order.
    pub(super) fn flush(&mut self, place: &Place<'_>) -> Result<(), RecordError> {
        // What an earlier flush could not write goes first, and bounds what is held encoded.
        if let Some(hot) = &mut self.hot {
            hot.file.flush()?;
        }
        loop {
            let fits = |(hot, first): (&Hot, &Chunk)| hot.takes(first);
            if !self.hot.as_ref().zip(self.pending.first()).is_none_or(fits) {
                self.rotate(place.closer)?;
            }
            let Some(first) = self.pending.first() else {
                break;
            };
            if self.hot.is_none() {
                self.hot = Some(Hot {
                    file: self.start_file(first, place)?,
                    hour_us: first.hour_us,
                    meta: Arc::clone(&first.meta),
                });
            }
            let Some(hot) = &mut self.hot else {
                break;
            };
            let same = self.pending.iter().take_while(|c| hot.takes(c)).count();
            let batches: Vec<RecordBatch> = self.pending[..same]
                .iter()
                .map(|c| c.batch.clone())
                .collect();
            hot.file.append(&batches)?;
            self.pending.drain(..same);
            self.pending_rows = self.pending.iter().map(|c| c.batch.num_rows()).sum();
            if self.pending.is_empty() {
                self.pending_bytes = 0;
            }
            hot.file.flush()?;
        }
        let full = |hot: &Hot| {
            hot.file.bytes() >= place.options.rotate_bytes
                || hot.file.dictionary_bytes() >= MAX_DICTIONARY_BYTES
        };
        if self.hot.as_ref().is_some_and(full) {
            self.rotate(place.closer)?;
        }
        Ok(())
    }

    /// Whether the hot file's hour has been over for a while, and no row waits for it.
    pub(super) fn is_past(&self, now_us: i64) -> bool {
        let over = |hot: &Hot| hot.hour_us.saturating_add(HOUR_US + GRACE_US) <= now_us;
        self.pending.is_empty() && self.hot.as_ref().is_some_and(over)
    }

    /// Ends the hot file, if there is one, and has it closed.
    pub(super) fn rotate(&mut self, closer: &Closer) -> Result<(), RecordError> {
        if let Some(hot) = &mut self.hot {
            hot.file.finish()?;
            closer.close(hot.file.path.clone());
            self.hot = None;
        }
        Ok(())
    }

    fn start_file(&self, first: &Chunk, place: &Place<'_>) -> Result<HotFile, RecordError> {
        let first_us = first.first_us;
        let odd = || RecordError::schema(&self.name, format!("no such time: {first_us} µs"));
        let (dir, meta) = (place.dir, &first.meta);
        let partition =
            layout::partition_dir(dir, &self.name, &meta.host, &meta.instance, first.hour_us)
                .ok_or_else(odd)?;
        let start = layout::part_start(first_us).ok_or_else(odd)?;
        let mut vanished = 0;
        fs::create_dir_all(&partition).map_err(|e| RecordError::io(&partition, e))?;
        let mut number = 0u32;
        while number < u32::MAX {
            let path = partition.join(layout::hot_name(&start, number));
            match File::options().write(true).create_new(true).open(&path) {
                // Asked only now that the name is ours: the closer may just have closed it.
                Ok(file) if layout::closed_form(&path)?.is_none() => {
                    let schema = first.batch.schema();
                    let started = HotFile::start(file, path.clone(), schema, meta.stamp());
                    if started.is_err() {
                        // the next try takes the name again
                        let _ = remove_hot(&path);
                    }
                    return started;
                }
                Ok(_) => fs::remove_file(&path).map_err(|e| RecordError::io(&path, e))?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::NotFound && vanished < DIRECTORY_TRIES => {
                    // retention has just removed the directory, which was empty
                    vanished += 1;
                    fs::create_dir_all(&partition).map_err(|e| RecordError::io(&partition, e))?;
                    continue;
                }
                Err(error) => return Err(RecordError::io(&path, error)),
            }
            number += 1;
        }
        Err(RecordError::schema(&self.name, "no free file name"))
    }
}

/// Where the time of a row is; names and types must be such as can be recorded.
fn checked(name: &str, schema: &SchemaRef) -> Result<usize, RecordError> {
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
    Ok(time_index)
}
