//! One file of a table, hot or closed: opening it, and its batches.
//!
//! For: what `reader` and `join` have in common. Not for: which files, which rows.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;

use super::TIME_COLUMN;
use super::coded::Coded;
use super::error::RecordError;
use super::hot_read::HotReader;
use super::layout::{self, Part};
use super::proof::ClosedFile;

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
    Closed(ClosedFile, ParquetRecordBatchReader),
    Ordered(Ordered),
    Coded(Coded),
}

impl Batches {
    /// The next batch; a hot one has all columns.
    pub(super) fn next_batch(&mut self, path: &Path) -> Result<Option<RecordBatch>, RecordError> {
        match self {
            Batches::Hot(hot) => hot.next_batch(),
            Batches::Closed(file, reader) => file.guarded(|| reader.next().transpose()),
            Batches::Ordered(ordered) => ordered.next_batch(path),
            Batches::Coded(coded) => coded.next_batch(),
        }
    }
}

/// An opened part.
pub(super) struct Source {
    pub(super) path: PathBuf,
    kind: Kind,
}

enum Kind {
    Hot(Box<HotReader>),
    Closed(ClosedFile, ArrowReaderMetadata),
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
                        kind: Kind::Hot(Box::new(hot)),
                    }));
                }
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        let (path, sum) = match part.hot {
            false => (part.path.clone(), part.sum),
            true => match layout::closed_form(&part.path)? {
                Some(closed) => (closed.path, closed.sum),
                None => return Ok(None),
            },
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::io(&path, error)),
        };
        let (file, metadata) = ClosedFile::open(file, &path, sum)?;
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
                kind: Kind::Closed(file.clone(), metadata.clone()),
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

    /// Whether what is read of it is proven by sums.
    pub(super) fn proven(&self) -> bool {
        match &self.kind {
            Kind::Hot(hot) => hot.proven(),
            Kind::Closed(file, _) => file.proven(),
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
            Kind::Hot(hot) => return Ok((Batches::Hot(*hot), 0)),
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
        let reader = ordered.reader(some, BATCH_ROWS)?;
        Ok((Batches::Closed(ordered.file, reader), skipped))
    }
}

/// A closed file's rows in the order of their time: in it a row group's rows may stand in another
/// one, but every row of a group is before every row of the next.
pub(super) struct Ordered {
    file: ClosedFile,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    groups: VecDeque<usize>,
    ready: Option<RecordBatch>,
}

impl Ordered {
    fn reader(
        &self,
        groups: Vec<usize>,
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, RecordError> {
        let (file, metadata) = (self.file.clone(), self.metadata.clone());
        self.file.guarded(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
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
            let mut reader = self.reader(vec![group], usize::MAX >> 1)?;
            let mut batches = Vec::new();
            while let Some(batch) = self.file.guarded(|| reader.next().transpose())? {
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
