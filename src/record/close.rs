//! Closing: a finished or abandoned hot file becomes Parquet, whole or not at all.
//!
//! For: the conversion, the order of rows, and [`recover`] after a crash.
//! Not for: deciding when a file is full. Callers: `closer`, `recorder`, and `cli` for [`recover`].

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Schema, TimestampMicrosecondType, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::TIME_COLUMN;
use super::encodings::{ROW_GROUP_ROWS, properties};
use super::error::RecordError;
use super::hot::joined;
use super::hot_read::HotReader;
use super::hot_sums::{remove_hot, rename_hot, sums_path};
use super::layout::{self, HOT};
use super::meta::{DirLock, META_FILE, sync_dir};
use super::proof::SummingFile;
use super::source::reordered;

/// The column by which rows of a row group are sorted.
const SORTED_BY: &str = "session_id";
const TEMP_SUFFIX: &str = ".parquet.tmp";
const DAMAGED_SUFFIX: &str = "damaged";

/// Codec of closed files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
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
    /// Files with bytes that aren't proven: what came before is kept as Parquet, and the file
    /// itself is kept under the name given here, with its sums.
    pub damaged: Vec<PathBuf>,
}

/// What became of one hot file.
pub(super) struct ClosedFile {
    pub(super) rows: u64,
    /// Bytes of the Parquet file, 0 if there were no rows and so no file.
    pub(super) bytes: u64,
    pub(super) truncated: bool,
    /// Why the hot file was kept beside, if it was.
    pub(super) damaged: Option<RecordError>,
    /// The Parquet file.
    path: Option<PathBuf>,
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
        report.closed.extend(closed.path);
        report.rows += closed.rows;
        if closed.truncated {
            report.truncated.push(path.clone());
        }
        if closed.damaged.is_some() {
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
        if layout::closed_form(&path)?.is_some() {
            // the crash came between the last two steps of closing
            remove_hot(&path)?;
        } else {
            left.push(path);
        }
    }
    for sums in layout::files_ending(dir, &format!(".{HOT}.sums"))? {
        // the crash came while the hot file was being removed, or renamed
        let hot = sums.with_extension("");
        let kept = damaged_name(&hot);
        if kept.exists() && !hot.exists() && !sums_path(&kept).exists() {
            fs::rename(&sums, sums_path(&kept)).map_err(|e| RecordError::io(&sums, e))?;
        } else if !hot.exists() {
            remove(&sums)?;
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
        damaged: None,
        path: None,
    };
    let mut footer_sum = 0;
    let temp = path.with_extension(&TEMP_SUFFIX[1..]);
    match HotReader::open(path) {
        Ok(reader) if !reader.proven() => {
            let why = "it has no sums beside it, so nothing of it is proven";
            closed.damaged = Some(RecordError::damaged(path, 0, why));
        }
        Ok(mut reader) => {
            let written = convert(&mut reader, &temp, compression, &mut closed);
            match written {
                Ok(sum) => footer_sum = sum,
                Err(error) => {
                    let _ = fs::remove_file(&temp);
                    return Err(error);
                }
            }
            closed.truncated = reader.truncated();
        }
        Err(error @ RecordError::Damaged { .. }) => closed.damaged = Some(error),
        Err(error) => return Err(error),
    }
    if closed.rows > 0 {
        let target = layout::closed_path(path, footer_sum);
        fs::rename(&temp, &target).map_err(|e| RecordError::io(&target, e))?;
        closed.path = Some(target);
    }
    if let Some(parent) = path.parent() {
        sync_dir(parent)?;
    }
    match closed.damaged {
        Some(_) => rename_hot(path, &damaged_name(path))?,
        None => remove_hot(path)?,
    }
    Ok(closed)
}

/// Writes the rows of `reader` to the Parquet file `temp`, and gives the sum of its footer.
fn convert(
    reader: &mut HotReader,
    temp: &Path,
    compression: Compression,
    closed: &mut ClosedFile,
) -> Result<u32, RecordError> {
    let Some(schema) = reader.schema() else {
        return Ok(0);
    };
    let mut writer: Option<ArrowWriter<SummingFile>> = None;
    let mut groups = Groups::of(&schema);
    loop {
        let batch = match reader.next_batch() {
            Ok(Some(batch)) if batch.num_rows() == 0 => continue,
            Ok(batch) => batch,
            Err(error @ RecordError::Damaged { .. }) => {
                closed.damaged = Some(error);
                None
            }
            Err(error) => return Err(error),
        };
        let at_end = batch.is_none();
        for rows in groups
            .next(batch)
            .map_err(|e| RecordError::damaged(temp, 0, e))?
        {
            let writer = match &mut writer {
                Some(writer) => writer,
                None => {
                    let file = File::create(temp).map_err(|e| RecordError::io(temp, e))?;
                    let properties = properties(&schema, compression);
                    let file = SummingFile::new(file);
                    let made = ArrowWriter::try_new(file, schema.clone(), Some(properties));
                    writer.insert(made.map_err(|e| parquet_error(temp, e))?)
                }
            };
            writer.write(&rows).map_err(|e| parquet_error(temp, e))?;
            if groups.sorted {
                writer.flush().map_err(|e| parquet_error(temp, e))?;
            }
            closed.rows += rows.num_rows() as u64;
        }
        if at_end {
            break;
        }
    }
    let Some(mut writer) = writer else {
        return Ok(0);
    };
    writer.flush().map_err(|e| parquet_error(temp, e))?;
    writer.sync().map_err(|e| RecordError::io(temp, e))?;
    let sums = writer.inner_mut().end_blocks();
    writer.append_key_value_metadata(sums);
    writer.finish().map_err(|e| parquet_error(temp, e))?;
    let file = writer.inner().file();
    let durable = file.sync_all().and_then(|()| file.metadata());
    closed.bytes = durable.map_err(|e| RecordError::io(temp, e))?.len();
    Ok(writer.inner().footer_sum())
}

/// Narrow samples are stored session by session within a row group: what changes slowly in a session
/// then hardly takes room. All rows of a tick stay in one row group.
struct Groups {
    sorted: bool,
    pending: Vec<RecordBatch>,
    rows: usize,
}

impl Groups {
    fn of(schema: &Schema) -> Groups {
        let has = |name: &str| schema.column_with_name(name).is_some();
        Groups {
            sorted: has("session_key") && has(SORTED_BY) && has("sample_id"),
            pending: Vec::new(),
            rows: 0,
        }
    }

    /// Takes the next batch, or the end, and gives what is to be written now.
    fn next(&mut self, batch: Option<RecordBatch>) -> Result<Vec<RecordBatch>, String> {
        if !self.sorted {
            return Ok(batch.into_iter().collect());
        }
        let at_end = batch.is_none();
        if let Some(batch) = batch {
            self.rows += batch.num_rows();
            self.pending.push(batch);
        }
        if self.rows == 0 || (self.rows < ROW_GROUP_ROWS && !at_end) {
            return Ok(Vec::new());
        }
        let all = one(&std::mem::take(&mut self.pending))?;
        let ticks = times(&all)?;
        let last = ticks.last().copied();
        let cut = match at_end {
            true => ticks.len(),
            // the last tick may go on; one that fills a row group by itself goes on
            false => ticks
                .iter()
                .rposition(|t| Some(*t) != last)
                .map_or(0, |at| at + 1),
        };
        self.rows = all.num_rows() - cut;
        if self.rows > 0 {
            self.pending.push(all.slice(cut, self.rows));
        }
        if cut == 0 {
            return Ok(Vec::new());
        }
        let whole = all.slice(0, cut);
        let sids = whole
            .column_by_name(SORTED_BY)
            .and_then(|c| c.as_primitive_opt::<UInt32Type>())
            .ok_or_else(|| format!("{SORTED_BY} isn't a number of 32 bits"))?;
        Ok(vec![reordered(&whole, |row| sids.value(row))?])
    }
}
fn times(batch: &RecordBatch) -> Result<&[i64], String> {
    let times = batch.column_by_name(TIME_COLUMN);
    let times = times.and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
    times
        .map(|times| &times.values()[..])
        .ok_or_else(|| format!("it has no column {TIME_COLUMN} in microseconds"))
}

/// The rows of several batches as one.
fn one(batches: &[RecordBatch]) -> Result<RecordBatch, String> {
    let Some(schema) = batches.first().map(RecordBatch::schema) else {
        return Err("no batch".to_owned());
    };
    let columns = schema.fields().iter().enumerate().map(|(i, field)| {
        let pieces: Vec<&ArrayRef> = batches.iter().map(|b| b.column(i)).collect();
        joined(field.data_type(), &pieces)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>();
    columns
        .and_then(|columns| RecordBatch::try_new(schema, columns))
        .map_err(|e| e.to_string())
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
