//! One file of a table, hot or closed: opening it, and its batches.
//!
//! For: what `reader` and `join` have in common. Not for: which files, which rows.

use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;

use super::TIME_COLUMN;
use super::coded::Coded;
use super::error::RecordError;
use super::hot_read::HotReader;
use super::layout::{CLOSED, Part};

pub(super) const BATCH_ROWS: usize = 8_192;

/// How rows are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Form {
    /// As they lie.
    #[default]
    AsTheyLie,
    /// In the order of their time.
    InOrder,
    /// As they lie, by row groups; any column may be a dictionary.
    Coded,
}

/// The batches of an opened part.
pub(super) enum Batches {
    Hot(HotReader),
    Closed(ParquetRecordBatchReader),
    Ordered(Ordered),
    Coded(Coded),
}

impl Batches {
    /// The next batch; a hot one has all columns.
    pub(super) fn next_batch(&mut self, path: &Path) -> Result<Option<RecordBatch>, RecordError> {
        match self {
            Batches::Hot(hot) => hot.next_batch(),
            Batches::Closed(reader) => guarded(path, || reader.next().transpose()),
            Batches::Ordered(ordered) => ordered.next_batch(path),
            Batches::Coded(coded) => coded.next_batch(path),
        }
    }
}

/// An opened part.
pub(super) struct Source {
    pub(super) path: PathBuf,
    kind: Kind,
}

enum Kind {
    Hot(HotReader),
    Closed(File, ArrowReaderMetadata),
}

impl Source {
    /// Opens `part`, or its closed form if it was closed since it was listed; `None` if it is gone
    /// (retention removed it).
    pub(super) fn open(part: &Part) -> Result<Option<Source>, RecordError> {
        if part.hot {
            match HotReader::open(&part.path) {
                Ok(hot) => {
                    return Ok(Some(Source {
                        path: part.path.clone(),
                        kind: Kind::Hot(hot),
                    }));
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let path = part.path.with_extension(CLOSED);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::io(&path, error)),
        };
        let metadata = guarded(&path, || {
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::default())
        })?;
        let kind = Kind::Closed(file, metadata);
        Ok(Some(Source { path, kind }))
    }

    /// The columns; `None` if a hot file ends before they are known.
    pub(super) fn schema(&self) -> Option<SchemaRef> {
        match &self.kind {
            Kind::Hot(hot) => hot.schema(),
            Kind::Closed(_, metadata) => Some(Arc::clone(metadata.schema())),
        }
    }

    /// The same file once more, if it is a closed one.
    pub(super) fn again(&self) -> Option<Source> {
        match &self.kind {
            Kind::Hot(_) => None,
            Kind::Closed(file, metadata) => Some(Source {
                path: self.path.clone(),
                kind: Kind::Closed(file.try_clone().ok()?, metadata.clone()),
            }),
        }
    }

    /// Whether it isn't closed yet.
    pub(super) fn is_hot(&self) -> bool {
        matches!(self.kind, Kind::Hot(_))
    }

    /// The row groups; none of a hot file.
    pub(super) fn row_groups(&self) -> &[RowGroupMetaData] {
        match &self.kind {
            Kind::Hot(_) => &[],
            Kind::Closed(_, metadata) => metadata.metadata().row_groups(),
        }
    }

    /// The batches with (at least) these columns, as far as there are such, of the row groups that
    /// are `wanted`; and how many weren't.
    pub(super) fn batches<'a>(
        self,
        columns: impl Iterator<Item = &'a str>,
        wanted: impl Fn(&RowGroupMetaData) -> bool,
        form: Form,
    ) -> Result<(Batches, usize), RecordError> {
        let (file, metadata) = match self.kind {
            Kind::Hot(hot) => return Ok((Batches::Hot(hot), 0)),
            Kind::Closed(file, metadata) => (file, metadata),
        };
        let groups = metadata.metadata().row_groups();
        let some: Vec<usize> = (0..groups.len()).filter(|i| wanted(&groups[*i])).collect();
        let skipped = groups.len() - some.len();
        if form == Form::Coded {
            let coded = Coded::new(file, metadata, columns, some.into());
            return Ok((Batches::Coded(coded), skipped));
        }
        let mask = ProjectionMask::columns(metadata.parquet_schema(), columns);
        let ordered = Ordered {
            file,
            metadata,
            mask,
            groups: some.into(),
            ready: None,
        };
        if form == Form::InOrder {
            return Ok((Batches::Ordered(ordered), skipped));
        }
        let some = ordered.groups.iter().copied().collect();
        let reader = ordered.reader(&self.path, some, BATCH_ROWS)?;
        Ok((Batches::Closed(reader), skipped))
    }
}

/// A closed file's rows in the order of their time: in it a row group's rows may stand in another
/// one, but every row of a group is before every row of the next.
pub(super) struct Ordered {
    file: File,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    groups: VecDeque<usize>,
    ready: Option<RecordBatch>,
}

impl Ordered {
    fn reader(
        &self,
        path: &Path,
        groups: Vec<usize>,
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, RecordError> {
        let file = self
            .file
            .try_clone()
            .map_err(|e| RecordError::io(path, e))?;
        guarded(path, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_batch_size(rows)
                .with_row_groups(groups)
                .with_projection(self.mask.clone())
                .build()
        })
    }

    fn next_batch(&mut self, path: &Path) -> Result<Option<RecordBatch>, RecordError> {
        loop {
            if let Some(rest) = self.ready.take().filter(|rest| rest.num_rows() > 0) {
                let rows = rest.num_rows().min(BATCH_ROWS);
                self.ready = Some(rest.slice(rows, rest.num_rows() - rows));
                return Ok(Some(rest.slice(0, rows)));
            }
            let Some(group) = self.groups.pop_front() else {
                return Ok(None);
            };
            let mut reader = self.reader(path, vec![group], usize::MAX >> 1)?;
            let mut batches = Vec::new();
            while let Some(batch) = guarded(path, || reader.next().transpose())? {
                batches.push(batch);
            }
            let Some(schema) = batches.first().map(RecordBatch::schema) else {
                continue;
            };
            let sorted = arrow::compute::concat_batches(&schema, &batches)
                .map_err(|e| e.to_string())
                .and_then(|batch| by_time(&batch));
            self.ready = Some(sorted.map_err(|detail| RecordError::damaged(path, 0, detail))?);
        }
    }
}

/// The rows in the order of their time; those of one time stay as they are.
fn by_time(batch: &RecordBatch) -> Result<RecordBatch, String> {
    let times = batch
        .column_by_name(TIME_COLUMN)
        .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| format!("it has no column {TIME_COLUMN} in microseconds"))?
        .values();
    reordered(batch, |row| times[row])
}

/// The rows in the order of `key`; those of one key stay as they are.
pub(super) fn reordered<K: Ord>(
    batch: &RecordBatch,
    key: impl Fn(usize) -> K,
) -> Result<RecordBatch, String> {
    let rows = u32::try_from(batch.num_rows()).map_err(|e| e.to_string())?;
    let mut order: Vec<u32> = (0..rows).collect();
    order.sort_by_key(|row| key(*row as usize));
    arrow::compute::take_record_batch(batch, &UInt32Array::from(order)).map_err(|e| e.to_string())
}

/// Runs a step of decoding Parquet. The decoder panics on some damage (a division by a count that
/// is 0, a slice past its end) instead of returning an error; for us both are a damaged file.
pub(super) fn guarded<T, E: std::fmt::Display>(
    path: &Path,
    step: impl FnOnce() -> Result<T, E>,
) -> Result<T, RecordError> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => done.map_err(|e| RecordError::damaged(path, 0, e.to_string())),
        Err(_) => Err(RecordError::damaged(
            path,
            0,
            "its content contradicts itself",
        )),
    }
}

fn is_gone(error: &RecordError) -> bool {
    matches!(error, RecordError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}
