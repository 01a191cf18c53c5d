//! Closing: a finished or abandoned hot file becomes Parquet, whole or not at all.
//!
//! For: the conversion, its encodings, and [`recover`] after a crash.
//! Not for: deciding when a file is full. Callers: `closer`, `recorder`, and `cli` for [`recover`].

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression as Codec, Encoding};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::TIME_COLUMN;
use super::error::RecordError;
use super::hot_read::HotReader;
use super::layout::{self, CLOSED, HOT};
use super::meta::{DirLock, META_FILE, sync_dir};

/// Rows of one row group: what a time window can skip, and what a reader holds at a time.
const ROW_GROUP_ROWS: usize = 131_072;
const TEMP_SUFFIX: &str = ".parquet.tmp";
const DAMAGED_SUFFIX: &str = "damaged";

/// Codec of closed files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// Fast, read by everything.
    #[default]
    Snappy,
    /// Smaller, costs more processor time when closing.
    Brotli,
    /// LZ4 (raw blocks).
    Lz4,
}

/// What [`recover`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoverReport {
    /// Files made Parquet.
    pub closed: Vec<PathBuf>,
    /// Rows in them.
    pub rows: u64,
    /// Files that ended within a batch; all complete batches before are kept.
    pub truncated: Vec<PathBuf>,
    /// Files with a batch that isn't valid: what came before is kept as Parquet, and the file
    /// itself is kept under the name given here.
    pub damaged: Vec<PathBuf>,
}

/// What became of one hot file.
pub(super) struct ClosedFile {
    pub(super) rows: u64,
    /// Bytes of the Parquet file, 0 if there were no rows and so no file.
    pub(super) bytes: u64,
    pub(super) truncated: bool,
    pub(super) damaged: bool,
}

/// Closes all hot files that a crash left in the recording `dir`, and removes its half-written
/// Parquet files. Nothing readable is lost. Refused while a recorder writes there.
///
/// # Errors
/// [`RecordError::NoRecording`], [`RecordError::Locked`], or the file system's.
pub fn recover(dir: &Path) -> Result<RecoverReport, RecordError> {
    if !dir.join(META_FILE).is_file() {
        return Err(RecordError::NoRecording {
            path: dir.to_path_buf(),
            detail: format!("it has no {META_FILE}"),
        });
    }
    let _lock = DirLock::take(dir)?;
    let mut report = RecoverReport::default();
    for path in left_open(dir)? {
        let closed = close_file(&path, Compression::default())?;
        if closed.bytes > 0 {
            report.closed.push(path.with_extension(CLOSED));
        }
        report.rows += closed.rows;
        if closed.truncated {
            report.truncated.push(path.clone());
        }
        if closed.damaged {
            report.damaged.push(damaged_name(&path));
        }
    }
    Ok(report)
}

/// Removes half-written Parquet files and lists the hot files that wait to be closed, in the order
/// of their time. For who holds the lock.
pub(super) fn left_open(dir: &Path) -> Result<Vec<PathBuf>, RecordError> {
    for path in layout::files_ending(dir, TEMP_SUFFIX)? {
        remove(&path)?;
    }
    let mut left = Vec::new();
    for path in layout::files_ending(dir, &format!(".{HOT}"))? {
        if path.with_extension(CLOSED).exists() {
            // the crash came between the last two steps of closing
            remove(&path)?;
        } else {
            left.push(path);
        }
    }
    left.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(left)
}

/// Makes the hot file `path` Parquet: written aside, made durable, renamed, then the hot one removed.
pub(super) fn close_file(path: &Path, compression: Compression) -> Result<ClosedFile, RecordError> {
    let mut closed = ClosedFile {
        rows: 0,
        bytes: 0,
        truncated: false,
        damaged: false,
    };
    let temp = path.with_extension(&TEMP_SUFFIX[1..]);
    match HotReader::open(path) {
        Ok(mut reader) => {
            let written = convert(&mut reader, &temp, compression, &mut closed);
            if let Err(error) = written {
                let _ = fs::remove_file(&temp);
                return Err(error);
            }
            closed.truncated = reader.truncated();
        }
        Err(RecordError::Damaged { .. }) => closed.damaged = true,
        Err(error) => return Err(error),
    }
    if closed.rows > 0 {
        let target = path.with_extension(CLOSED);
        fs::rename(&temp, &target).map_err(|e| RecordError::io(&target, e))?;
    }
    if let Some(parent) = path.parent() {
        sync_dir(parent)?;
    }
    if closed.damaged {
        let kept = damaged_name(path);
        fs::rename(path, &kept).map_err(|e| RecordError::io(&kept, e))?;
    } else {
        remove(path)?;
    }
    Ok(closed)
}

fn convert(
    reader: &mut HotReader,
    temp: &Path,
    compression: Compression,
    closed: &mut ClosedFile,
) -> Result<(), RecordError> {
    let Some(schema) = reader.schema() else {
        return Ok(());
    };
    let mut writer: Option<ArrowWriter<File>> = None;
    loop {
        let batch = match reader.next_batch() {
            Ok(Some(batch)) if batch.num_rows() == 0 => continue,
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(RecordError::Damaged { .. }) => {
                closed.damaged = true;
                break;
            }
            Err(error) => return Err(error),
        };
        let writer = match &mut writer {
            Some(writer) => writer,
            None => {
                let file = File::create(temp).map_err(|e| RecordError::io(temp, e))?;
                let properties = properties(&schema, compression);
                let made = ArrowWriter::try_new(file, schema.clone(), Some(properties));
                writer.insert(made.map_err(|e| parquet_error(temp, e))?)
            }
        };
        writer.write(&batch).map_err(|e| parquet_error(temp, e))?;
        closed.rows += batch.num_rows() as u64;
    }
    if let Some(mut writer) = writer {
        writer.finish().map_err(|e| parquet_error(temp, e))?;
        let file = writer.inner();
        let durable = file.sync_all().and_then(|()| file.metadata());
        closed.bytes = durable.map_err(|e| RecordError::io(temp, e))?.len();
    }
    Ok(())
}

/// Texts are dictionary-coded; numbers too, and where a dictionary doesn't pay, by differences.
/// Time and tick number only grow, so they are always coded by differences.
fn properties(schema: &Schema, compression: Compression) -> WriterProperties {
    let codec = match compression {
        Compression::Snappy => Codec::SNAPPY,
        Compression::Brotli => Codec::BROTLI(BrotliLevel::default()),
        Compression::Lz4 => Codec::LZ4_RAW,
    };
    let mut metadata: HashMap<&String, &String> = schema.metadata().iter().collect();
    let mut pairs: Vec<KeyValue> = metadata
        .drain()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    pairs.sort_by(|a, b| a.key.cmp(&b.key));
    let mut builder = WriterProperties::builder()
        .set_compression(codec)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(pairs));
    for field in schema.fields() {
        let path = ColumnPath::new(vec![field.name().clone()]);
        let growing = field.name() == TIME_COLUMN || field.name() == "sample_id";
        if growing {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
        }
        if growing || field.data_type().is_integer() {
            builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

fn parquet_error(path: &Path, error: ParquetError) -> RecordError {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(io) => RecordError::io(path, *io),
            Err(other) => RecordError::damaged(path, 0, other.to_string()),
        },
        other => RecordError::damaged(path, 0, other.to_string()),
    }
}

fn damaged_name(path: &Path) -> PathBuf {
    path.with_extension(format!("{HOT}.{DAMAGED_SUFFIX}"))
}

fn remove(path: &Path) -> Result<(), RecordError> {
    fs::remove_file(path).map_err(|e| RecordError::io(path, e))
}
