//! What proves a closed file: sums of its blocks in its footer, and the footer's sum in its name.
//!
//! So a file proves itself wherever it is copied to, and is plain Parquet to everybody else. For:
//! [`SummingFile`], which writes it, and [`ClosedFile`], which gives Parquet's decoder no byte that
//! isn't proven. What isn't read isn't proven either. Every block is proven whenever it is read from
//! the disk.
//!
//! Layout: blocks of [`BLOCK_BYTES`] from the file's begin up to the footer, the last one shorter, each
//! with its CRC-32 (that of IEEE 802.3). The footer (Parquet's metadata, its length, `PAR1`) has the
//! sums under the key [`SUMS_KEY`]: bytes of a block, bytes in all, the sums in hexadecimal digits. The
//! name ends with the footer's own CRC-32: `part-….<8 digits>.parquet`. A file without that was written
//! by somebody else, and is read unproven.
//!
//! Not for: hot files (`hot_sums`). Callers: `close` writes, `source` reads.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use crc32fast::Hasher;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use super::error::RecordError;

const BLOCK_BYTES: u64 = 64 << 10;
const SUMS_KEY: &str = "sgascope.block_sums";
/// Read at once of a column at most, if no more is asked for: a column of a row group is rarely more.
const WINDOW_BYTES: u64 = 1 << 20;
/// What ends a Parquet file: the length of its metadata and its mark.
const END_BYTES: u64 = 8;
const MARK: &[u8] = b"PAR1";

/// A Parquet file being written, summed meanwhile.
pub(super) struct SummingFile {
    file: File,
    written: u64,
    /// Of the block being written, later of the footer.
    sum: Hasher,
    sums: Vec<u32>,
    in_footer: bool,
}

impl SummingFile {
    pub(super) fn new(file: File) -> SummingFile {
        SummingFile {
            file,
            written: 0,
            sum: Hasher::new(),
            sums: Vec::new(),
            in_footer: false,
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Says that all blocks are written and the footer comes, and gives what it is to say of them.
    pub(super) fn end_blocks(&mut self) -> KeyValue {
        if !self.written.is_multiple_of(BLOCK_BYTES) {
            self.end_block();
        }
        self.in_footer = true;
        let mut text = format!("{BLOCK_BYTES} {} ", self.written);
        text.extend(self.sums.iter().map(|sum| format!("{sum:08x}")));
        KeyValue::new(SUMS_KEY.to_owned(), text)
    }

    /// The sum of what was written since [`SummingFile::end_blocks`].
    pub(super) fn footer_sum(&self) -> u32 {
        self.sum.clone().finalize()
    }

    fn end_block(&mut self) {
        self.sums.push(std::mem::take(&mut self.sum).finalize());
    }

    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.in_footer {
            let room = BLOCK_BYTES - self.written % BLOCK_BYTES;
            let (now, later) = bytes.split_at(bytes.len().min(room as usize));
            self.sum.update(now);
            self.written += now.len() as u64;
            if self.written.is_multiple_of(BLOCK_BYTES) {
                self.end_block();
            }
            bytes = later;
        }
        self.sum.update(bytes);
    }
}

impl Write for SummingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The sums that a footer has.
struct Sums {
    block_bytes: u64,
    /// Bytes summed: all before the footer.
    bytes: u64,
    sums: Vec<u32>,
}

impl Sums {
    fn parse(text: &str) -> Option<Sums> {
        let mut words = text.split(' ');
        let block_bytes: u64 = words.next()?.parse().ok()?;
        let bytes: u64 = words.next()?.parse().ok()?;
        let digits = words.next()?.as_bytes();
        let sums: Vec<u32> = digits
            .chunks(8)
            .map(|sum| u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok())
            .collect::<Option<_>>()?;
        let fits = block_bytes > 0 && bytes.div_ceil(block_bytes) == sums.len() as u64;
        (words.next().is_none() && fits).then_some(Sums {
            block_bytes,
            bytes,
            sums,
        })
    }

    /// The whole blocks that hold `from..to`.
    fn blocks(&self, from: u64, to: u64) -> (u64, u64) {
        let end = to.div_ceil(self.block_bytes) * self.block_bytes;
        (
            from / self.block_bytes * self.block_bytes,
            end.min(self.bytes),
        )
    }

    /// Proves `bytes`, whole blocks from `start` on; else where it fails and why.
    fn prove(&self, start: u64, bytes: &[u8]) -> Result<(), (u64, String)> {
        let first = (start / self.block_bytes) as usize;
        let blocks = bytes.chunks(self.block_bytes as usize).enumerate();
        for (number, block) in blocks {
            let found = crc32fast::hash(block);
            let expected = self.sums.get(first + number).copied().unwrap_or(!found);
            if found != expected {
                return Err((
                    start + number as u64 * self.block_bytes,
                    disagreement("bytes", block.len(), expected, found),
                ));
            }
        }
        Ok(())
    }
}

/// A sum that isn't what it should be.
pub(super) fn disagreement(what: &str, bytes: usize, expected: u32, found: u32) -> String {
    format!(
        "the {bytes} {what} from there have the CRC-32 {found:08x}, {expected:08x} expected; put a copy of the file in its place, or move it away and read without it"
    )
}

/// A closed file being read. Clones share what was read.
#[derive(Clone)]
pub(super) struct ClosedFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// `None`: written by somebody else.
    sums: Option<Sums>,
    metadata: Arc<ParquetMetaData>,
    /// What was read last of each column, proven.
    read: Mutex<Vec<Option<Window>>>,
    /// Why a read failed: the decoder has no room for it in its own errors.
    failure: Mutex<Option<RecordError>>,
}

#[derive(Clone)]
struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    /// What it has from `start` on, if that is at least `length` bytes.
    fn from(&self, start: u64, length: usize) -> Option<Bytes> {
        let skipped = usize::try_from(start.checked_sub(self.start)?).ok()?;
        let enough = skipped.checked_add(length)? <= self.bytes.len();
        (enough && skipped <= self.bytes.len()).then(|| self.bytes.slice(skipped..))
    }
}

impl ClosedFile {
    /// Opens a file whose name says that its footer has the sum `sum`, or says nothing.
    pub(super) fn open(
        file: File,
        path: &Path,
        sum: Option<u32>,
    ) -> Result<(ClosedFile, ArrowReaderMetadata), RecordError> {
        let io = |e| RecordError::io(path, e);
        let bytes = file.metadata().map_err(io)?.len();
        let (start, footer) = footer(&file, path, bytes)?;
        if let Some(expected) = sum {
            let found = crc32fast::hash(&footer);
            if found != expected {
                let detail = disagreement("bytes of its footer", footer.len(), expected, found);
                return Err(RecordError::damaged(path, start, detail));
            }
        }
        let metadata_bytes = &footer[..footer.len() - END_BYTES as usize];
        let (metadata, for_arrow) = caught(path, || {
            let metadata = Arc::new(ParquetMetaDataReader::decode_metadata(metadata_bytes)?);
            let options = ArrowReaderOptions::default();
            let for_arrow = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)?;
            Ok::<_, ParquetError>((metadata, for_arrow))
        })?;
        let sums =
            match sum {
                None => None,
                Some(_) => Some(sums_of(&metadata).filter(|s| s.bytes == start).ok_or_else(
                    || {
                        RecordError::damaged(
                            path,
                            start,
                            "its footer has no sums of what is before it",
                        )
                    },
                )?),
            };
        let columns = metadata.file_metadata().schema_descr().num_columns();
        let inner = Inner {
            path: path.to_path_buf(),
            file,
            bytes,
            sums,
            metadata,
            read: Mutex::new(vec![None; columns]),
            failure: Mutex::new(None),
        };
        Ok((ClosedFile(Arc::new(inner)), for_arrow))
    }

    /// Whether what is read of it is proven.
    pub(super) fn proven(&self) -> bool {
        self.0.sums.is_some()
    }

    /// Runs a step of decoding it. The decoder panics on some damage (a division by a count that is
    /// 0, a slice past its end) instead of returning an error; for us both are a damaged file.
    pub(super) fn guarded<T, E: std::fmt::Display>(
        &self,
        step: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, RecordError> {
        caught(&self.0.path, step).map_err(|error| {
            let failure = self.0.failure.lock();
            let mut failure = failure.unwrap_or_else(PoisonError::into_inner);
            failure.take().unwrap_or(error)
        })
    }

    /// What the file has from `start` on, proven, at least `length` bytes.
    fn from(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        {
            let read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
            let mut windows = read.iter().flatten();
            if let Some(bytes) = windows.find_map(|window| window.from(start, length)) {
                return Ok(bytes);
            }
        }
        let (column, chunk_end) = self.column_at(start);
        match self.load(start, length as u64, chunk_end) {
            Ok(window) => {
                let found = window.from(start, length);
                let mut read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(kept) = read.get_mut(column) {
                    *kept = Some(window);
                }
                found.ok_or_else(|| ParquetError::EOF("a page ends behind the file".to_owned()))
            }
            Err(error) => {
                let text = error.to_string();
                let failure = self.0.failure.lock();
                let mut failure = failure.unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
                Err(ParquetError::General(text))
            }
        }
    }

    /// The column whose bytes are at `offset`, and where they end.
    fn column_at(&self, offset: u64) -> (usize, u64) {
        let groups = self.0.metadata.row_groups();
        let starts_by = |group: &&parquet::file::metadata::RowGroupMetaData| {
            let first = group.columns().first();
            first.is_some_and(|column| column.byte_range().0 <= offset)
        };
        let after = groups.partition_point(|group| starts_by(&group));
        let group = after.checked_sub(1).and_then(|at| groups.get(at));
        let columns = group.map_or(&[][..], |group| group.columns());
        let ends = columns.iter().map(|column| {
            let (start, length) = column.byte_range();
            (start, start.saturating_add(length))
        });
        let mut ends = ends.enumerate();
        ends.find(|(_, (start, end))| (*start..*end).contains(&offset))
            .map_or(
                (0, offset.saturating_add(BLOCK_BYTES)),
                |(number, (_, end))| (number, end),
            )
    }

    /// Reads at least `length` bytes from `start` on, and a column to its end if that isn't far.
    fn load(&self, start: u64, length: u64, chunk_end: u64) -> Result<Window, RecordError> {
        let Inner {
            path, file, sums, ..
        } = &*self.0;
        let limit = sums.as_ref().map_or(self.0.bytes, |sums| sums.bytes);
        let to = start.saturating_add(length);
        if to > limit {
            let detail = format!("{length} bytes expected there, the file's data end at {limit}");
            return Err(RecordError::damaged(path, start, detail));
        }
        let to = to.max(chunk_end.min(start + WINDOW_BYTES)).min(limit);
        let (start, end) = match sums {
            Some(sums) => sums.blocks(start, to),
            None => (start, to),
        };
        let mut bytes = vec![0u8; (end - start) as usize];
        file.read_exact_at(&mut bytes, start)
            .map_err(|e| RecordError::io(path, e))?;
        if let Some(sums) = sums {
            let proven = sums.prove(start, &bytes);
            proven.map_err(|(offset, detail)| RecordError::damaged(path, offset, detail))?;
        }
        let bytes = Bytes::from(bytes);
        Ok(Window { start, bytes })
    }
}

/// The footer and where it begins, its length checked.
fn footer(file: &File, path: &Path, bytes: u64) -> Result<(u64, Vec<u8>), RecordError> {
    let io = |e| RecordError::io(path, e);
    let cut = |detail: String| Err(RecordError::damaged(path, bytes, detail));
    if bytes < END_BYTES + MARK.len() as u64 {
        return cut("it is shorter than any Parquet file; it was cut".to_owned());
    }
    let mut end = [0u8; END_BYTES as usize];
    file.read_exact_at(&mut end, bytes - END_BYTES)
        .map_err(io)?;
    let (length, mark) = end.split_at(4);
    let length = u64::from((&mut &length[..]).get_u32_le());
    if mark != MARK || length > bytes - END_BYTES - MARK.len() as u64 {
        return cut("it doesn't end as a Parquet file does; it was cut or written over".to_owned());
    }
    let start = bytes - END_BYTES - length;
    let mut footer = vec![0u8; (bytes - start) as usize];
    file.read_exact_at(&mut footer, start).map_err(io)?;
    Ok((start, footer))
}

fn sums_of(metadata: &ParquetMetaData) -> Option<Sums> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let pair = pairs.iter().find(|pair| pair.key == SUMS_KEY)?;
    Sums::parse(pair.value.as_deref()?)
}

fn caught<T, E: std::fmt::Display>(
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

impl Length for ClosedFile {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for ClosedFile {
    type T = Proven;

    fn get_read(&self, start: u64) -> Result<Proven, ParquetError> {
        Ok(Proven {
            file: self.clone(),
            at: start,
            ready: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.from(start, length)?.slice(..length))
    }
}

/// The bytes of a file from some place on.
pub(super) struct Proven {
    file: ClosedFile,
    at: u64,
    ready: Bytes,
}

impl Read for Proven {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() && !out.is_empty() {
            self.ready = self.file.from(self.at, 1).map_err(io::Error::other)?;
        }
        let length = out.len().min(self.ready.len());
        self.ready.copy_to_slice(&mut out[..length]);
        self.at += length as u64;
        Ok(length)
    }
}
