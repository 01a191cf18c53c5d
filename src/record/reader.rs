//! The reading side: a table's rows by time, from closed and hot files alike.
//!
//! For: [`Reader`] and [`Scan`], which skip what a time window excludes by path and by row-group
//! statistics, and read only the columns asked for. Not for: what columns mean.
//! Callers: `analyze`, `cli`.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::TIME_COLUMN;
use super::error::RecordError;
use super::hot_read::HotReader;
use super::layout::{self, CLOSED, HOUR_US, Part};
use super::meta::{META_FILE, Recording};

const BATCH_ROWS: usize = 8_192;

/// A recording, opened for reading. It may be written at the same time.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
    recording: Recording,
}

/// What to read of a table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanOptions {
    /// First `sample_time` wanted, microseconds since 1970-01-01 UTC.
    pub from_us: Option<i64>,
    /// First `sample_time` no longer wanted, microseconds since 1970-01-01 UTC.
    pub to_us: Option<i64>,
    /// Columns wanted, in this order; all if `None`.
    pub columns: Option<Vec<String>>,
    /// Only rows of this host; of all if `None`.
    pub host: Option<String>,
    /// Only rows of this instance; of all if `None`.
    pub instance: Option<String>,
}

impl Reader {
    /// Opens the recording in `dir`.
    ///
    /// # Errors
    /// [`RecordError::NoRecording`] if there is none, [`RecordError::Damaged`] if its
    /// `recording.json` can't be read.
    pub fn open(dir: &Path) -> Result<Reader, RecordError> {
        let missing = |detail: String| RecordError::NoRecording {
            path: dir.to_path_buf(),
            detail,
        };
        if !dir.is_dir() {
            return Err(missing("it isn't a directory".to_owned()));
        }
        let recording =
            Recording::load(dir)?.ok_or_else(|| missing(format!("it has no {META_FILE}")))?;
        Ok(Reader {
            dir: dir.to_path_buf(),
            recording,
        })
    }

    /// Who was recorded, by what, since when.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The tables there are, sorted.
    ///
    /// # Errors
    /// The file system's.
    pub fn tables(&self) -> Result<Vec<String>, RecordError> {
        layout::tables(&self.dir)
    }

    /// The files of `table` in the order of their time; none if there is no such table.
    ///
    /// # Errors
    /// The file system's.
    pub fn parts(&self, table: &str) -> Result<Vec<Part>, RecordError> {
        layout::parts(&self.dir, table)
    }

    /// The (host, instance) pairs that `table` has rows of, sorted.
    ///
    /// # Errors
    /// The file system's.
    pub fn instances(&self, table: &str) -> Result<Vec<(String, String)>, RecordError> {
        let mut all: Vec<_> = self
            .parts(table)?
            .into_iter()
            .map(|part| (part.host, part.instance))
            .collect();
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// The columns of `table`: those of its newest file, then those that only older ones have.
    ///
    /// # Errors
    /// [`RecordError::NoTable`], [`RecordError::Damaged`], or the file system's.
    pub fn schema(&self, table: &str) -> Result<SchemaRef, RecordError> {
        self.schema_of(table, &self.parts(table)?)
    }

    fn schema_of(&self, table: &str, parts: &[Part]) -> Result<SchemaRef, RecordError> {
        let mut fields: Vec<FieldRef> = Vec::new();
        for part in parts.iter().rev() {
            let Some(schema) = Source::open(part)?.and_then(|source| source.schema()) else {
                continue;
            };
            for field in schema.fields() {
                if !fields.iter().any(|known| known.name() == field.name()) {
                    // A file may lack the column, so it may be null whatever this file says.
                    let nullable = field.as_ref().clone().with_nullable(true);
                    fields.push(Arc::new(nullable));
                }
            }
        }
        if fields.is_empty() {
            return Err(RecordError::NoTable {
                path: self.dir.clone(),
                table: table.to_owned(),
                available: self.tables()?.join(", "),
            });
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Reads `table` file by file in the order of time. The columns are those of the files of the
    /// window.
    ///
    /// # Errors
    /// [`RecordError::NoTable`], [`RecordError::NoColumn`], [`RecordError::Damaged`], or the file
    /// system's.
    pub fn scan(&self, table: &str, options: &ScanOptions) -> Result<Scan, RecordError> {
        let from_us = options.from_us.unwrap_or(i64::MIN);
        let to_us = options.to_us.unwrap_or(i64::MAX);
        let mut parts = self.parts(table)?;
        let newest = parts.last().cloned();
        parts.retain(|part| {
            part.hour_us < to_us
                && part.hour_us.saturating_add(HOUR_US) > from_us
                && options.host.as_ref().is_none_or(|h| *h == part.host)
                && options
                    .instance
                    .as_ref()
                    .is_none_or(|i| *i == part.instance)
        });
        // Only files of the window are opened; with none there, the newest says the columns.
        let schema = match (parts.is_empty(), newest) {
            (true, Some(newest)) => self.schema_of(table, &[newest])?,
            _ => self.schema_of(table, &parts)?,
        };
        let schema = match &options.columns {
            None => schema,
            Some(columns) => project(table, &schema, columns)?,
        };
        parts.reverse();
        Ok(Scan {
            schema,
            parts,
            current: None,
            from_us,
            to_us,
            truncated: Vec::new(),
            row_groups_skipped: 0,
        })
    }
}

fn project(table: &str, schema: &Schema, columns: &[String]) -> Result<SchemaRef, RecordError> {
    let mut fields = Vec::with_capacity(columns.len());
    for column in columns {
        let found = schema.fields().iter().find(|f| f.name() == column);
        fields.push(Arc::clone(found.ok_or_else(|| {
            let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            RecordError::NoColumn {
                table: table.to_owned(),
                column: column.clone(),
                available: names.join(", "),
            }
        })?));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The rows of a [`Reader::scan`], batch by batch. Ends after the first error.
pub struct Scan {
    schema: SchemaRef,
    parts: Vec<Part>,
    current: Option<(PathBuf, Batches)>,
    from_us: i64,
    to_us: i64,
    truncated: Vec<PathBuf>,
    row_groups_skipped: usize,
}

impl Scan {
    /// The columns of every batch. All may be null: a file may lack a column.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Hot files read so far that ended within a batch, which is no error: a recorder is writing
    /// it or was killed.
    pub fn truncated(&self) -> &[PathBuf] {
        &self.truncated
    }

    /// Row groups of opened files that the time window made needless to read.
    pub fn row_groups_skipped(&self) -> usize {
        self.row_groups_skipped
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, RecordError> {
        loop {
            if self.current.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let Some((path, batches)) = &mut self.current else {
                return Ok(None);
            };
            let Some(batch) = batches.next_batch(path)? else {
                if let Batches::Hot(hot) = batches
                    && hot.truncated()
                {
                    self.truncated.push(path.clone());
                }
                self.current = None;
                continue;
            };
            let shaped = shape(&batch, &self.schema, self.from_us, self.to_us)
                .map_err(|detail| RecordError::damaged(path, 0, detail))?;
            if shaped.num_rows() > 0 {
                return Ok(Some(shaped));
            }
        }
    }

    fn open_next(&mut self) -> Result<bool, RecordError> {
        while let Some(part) = self.parts.pop() {
            let Some(source) = Source::open(&part)? else {
                continue;
            };
            let path = source.path.clone();
            let batches = match source.kind {
                Kind::Hot(hot) => Batches::Hot(hot),
                Kind::Closed(builder) => {
                    let groups = builder.metadata().row_groups();
                    let wanted: Vec<usize> = (0..groups.len())
                        .filter(|i| overlaps(&groups[*i], self.from_us, self.to_us))
                        .collect();
                    self.row_groups_skipped += groups.len() - wanted.len();
                    let names = self.schema.fields().iter().map(|f| f.name().as_str());
                    let mask = ProjectionMask::columns(
                        builder.parquet_schema(),
                        names.chain([TIME_COLUMN]),
                    );
                    let reader = guarded(&path, || {
                        builder
                            .with_batch_size(BATCH_ROWS)
                            .with_row_groups(wanted)
                            .with_projection(mask)
                            .build()
                    })?;
                    Batches::Closed(reader)
                }
            };
            self.current = Some((path, batches));
            return Ok(true);
        }
        Ok(false)
    }
}

impl Iterator for Scan {
    type Item = Result<RecordBatch, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.parts.clear();
            self.current = None;
        }
        next.transpose()
    }
}

enum Batches {
    Hot(HotReader),
    Closed(ParquetRecordBatchReader),
}

impl Batches {
    fn next_batch(&mut self, path: &Path) -> Result<Option<RecordBatch>, RecordError> {
        match self {
            Batches::Hot(hot) => hot.next_batch(),
            Batches::Closed(reader) => guarded(path, || reader.next().transpose()),
        }
    }
}

/// An opened part.
struct Source {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Hot(HotReader),
    Closed(ParquetRecordBatchReaderBuilder<File>),
}

impl Source {
    /// Opens `part`, or its closed form if it was closed since it was listed; `None` if it is gone
    /// (retention removed it).
    fn open(part: &Part) -> Result<Option<Source>, RecordError> {
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
        let builder = guarded(&path, || ParquetRecordBatchReaderBuilder::try_new(file))?;
        let kind = Kind::Closed(builder);
        Ok(Some(Source { path, kind }))
    }

    fn schema(&self) -> Option<SchemaRef> {
        match &self.kind {
            Kind::Hot(hot) => hot.schema(),
            Kind::Closed(builder) => Some(Arc::clone(builder.schema())),
        }
    }
}

/// Runs a step of decoding Parquet. The decoder panics on some damage (a division by a count that
/// is 0, a slice past its end) instead of returning an error; for us both are a damaged file.
fn guarded<T, E: std::fmt::Display>(
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

/// Whether a row group can hold rows of the window; yes if its statistics don't say.
fn overlaps(group: &RowGroupMetaData, from_us: i64, to_us: i64) -> bool {
    let time = group
        .columns()
        .iter()
        .find(|c| c.column_path().string() == TIME_COLUMN);
    match time.and_then(|column| column.statistics()) {
        Some(Statistics::Int64(range)) => {
            let (Some(min), Some(max)) = (range.min_opt(), range.max_opt()) else {
                return true;
            };
            *min < to_us && *max >= from_us
        }
        _ => true,
    }
}

/// Rows of the window, columns of `schema`.
fn shape(
    batch: &RecordBatch,
    schema: &SchemaRef,
    from_us: i64,
    to_us: i64,
) -> Result<RecordBatch, String> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        columns.push(match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Arc::clone(column),
            Some(column) => {
                return Err(format!(
                    "column {} has type {}, the newest file has {}; read them by --from/--to apart",
                    field.name(),
                    column.data_type(),
                    field.data_type()
                ));
            }
            None => new_null_array(field.data_type(), batch.num_rows()),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let shaped = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|e| e.to_string())?;
    let time = batch.column_by_name(TIME_COLUMN);
    let Some(time) = time.filter(|t| matches!(t.data_type(), DataType::Timestamp(..))) else {
        return Err(format!("it has no column {TIME_COLUMN}"));
    };
    let times = time
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| format!("{TIME_COLUMN} isn't in microseconds"))?
        .values();
    let wanted = |time: &i64| *time >= from_us && *time < to_us;
    if times.iter().all(wanted) {
        return Ok(shaped);
    }
    let mask = BooleanArray::from_iter(times.iter().map(|time| Some(wanted(time))));
    arrow::compute::filter_record_batch(&shaped, &mask).map_err(|e| e.to_string())
}
