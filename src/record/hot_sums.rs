//! What proves a hot file: beside it, `….arrows.sums` has the sum of every stretch that a flush wrote.
//!
//! First the stretch is written, then its entry; only then the rows count as flushed. So what is
//! behind the last entry was being written when the recorder ended: it isn't read. One flush writes one
//! batch of rows at most, so more than one there means that the sums were cut. A stretch that has an
//! entry was written whole: if it is shorter or different now, it was damaged.
//!
//! Layout: entries of [`ENTRY_BYTES`], little-endian: the stretch's offset (8 bytes), its length (8),
//! its CRC-32 (4), and the CRC-32 of these 20 bytes. Stretches follow each other without a gap.
//!
//! Not for: closed files (`proof`). Callers: `hot` writes, `hot_read` reads.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::RecordError;

const ENTRY_BYTES: usize = 24;
const SUMMED_BYTES: usize = 20;

/// A stretch of a hot file: what one flush wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) sum: u32,
}

impl Stretch {
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }

    fn entry(&self) -> [u8; ENTRY_BYTES] {
        let mut entry = [0u8; ENTRY_BYTES];
        entry[..8].copy_from_slice(&self.offset.to_le_bytes());
        entry[8..16].copy_from_slice(&self.bytes.to_le_bytes());
        entry[16..SUMMED_BYTES].copy_from_slice(&self.sum.to_le_bytes());
        let own = crc32fast::hash(&entry[..SUMMED_BYTES]);
        entry[SUMMED_BYTES..].copy_from_slice(&own.to_le_bytes());
        entry
    }

    /// `None` if the entry's own sum isn't right.
    fn of_entry(entry: &[u8; ENTRY_BYTES]) -> Option<Stretch> {
        let long = |at: usize| {
            let bytes = entry.get(at..at + 8).and_then(|b| b.try_into().ok());
            bytes.map(u64::from_le_bytes)
        };
        let sum = |at: usize| {
            let bytes = entry.get(at..at + 4).and_then(|b| b.try_into().ok());
            bytes.map(u32::from_le_bytes)
        };
        let right = sum(SUMMED_BYTES)? == crc32fast::hash(&entry[..SUMMED_BYTES]);
        right.then_some(Stretch {
            offset: long(0)?,
            bytes: long(8)?,
            sum: sum(16)?,
        })
    }
}

/// Where the sums of the hot file `hot` are.
pub(super) fn sums_path(hot: &Path) -> PathBuf {
    let mut path = hot.as_os_str().to_owned();
    path.push(".sums");
    PathBuf::from(path)
}

/// The sums of a hot file being written.
pub(super) struct HotSums {
    path: PathBuf,
    file: File,
    /// Of whole entries.
    bytes: u64,
}

impl HotSums {
    pub(super) fn create(hot: &Path) -> Result<HotSums, RecordError> {
        let path = sums_path(hot);
        let file = File::create(&path).map_err(|e| RecordError::io(&path, e))?;
        let bytes = 0;
        Ok(HotSums { path, file, bytes })
    }

    /// Says that `bytes` were written at `offset`. After an error it isn't said.
    pub(super) fn add(&mut self, offset: u64, bytes: &[u8]) -> Result<(), RecordError> {
        let stretch = Stretch {
            offset,
            bytes: bytes.len() as u64,
            sum: crc32fast::hash(bytes),
        };
        let written = self
            .file
            .seek(SeekFrom::Start(self.bytes))
            .and_then(|_| self.file.write_all(&stretch.entry()));
        if let Err(error) = written {
            // If even this fails, the next try writes over what is there.
            let _ = self.file.set_len(self.bytes);
            return Err(RecordError::io(&self.path, error));
        }
        self.bytes += ENTRY_BYTES as u64;
        Ok(())
    }

    /// Makes all durable.
    pub(super) fn sync(&self) -> Result<(), RecordError> {
        let synced = self.file.sync_all();
        synced.map_err(|e| RecordError::io(&self.path, e))
    }
}

/// What the sums of a hot file say.
pub(super) struct Proof {
    /// Each begins where the one before ends, the first at 0.
    pub(super) stretches: Vec<Stretch>,
    /// Where an entry is wrong and why; the stretches are those of the entries before.
    pub(super) fault: Option<RecordError>,
}

impl Proof {
    /// Reads the sums of the hot file `hot`; `None` if it has none. An entry that was being written is
    /// left out.
    pub(super) fn read(hot: &Path) -> Result<Option<Proof>, RecordError> {
        let path = sums_path(hot);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::io(&path, error)),
        };
        let mut proof = Proof {
            stretches: Vec::new(),
            fault: None,
        };
        let mut entries = BufReader::new(file);
        let mut entry = [0u8; ENTRY_BYTES];
        loop {
            match entries.read_exact(&mut entry) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(RecordError::io(&path, error)),
            }
            let end = proof.end();
            let stretch = Stretch::of_entry(&entry).filter(|s| s.offset == end && s.bytes > 0);
            let Some(stretch) = stretch else {
                let at = (proof.stretches.len() * ENTRY_BYTES) as u64;
                let detail = format!(
                    "the sum of what was written to {} at {end} expected there; the entry contradicts itself",
                    hot.display()
                );
                proof.fault = Some(RecordError::damaged(&path, at, detail));
                break;
            };
            proof.stretches.push(stretch);
        }
        Ok(Some(proof))
    }

    /// Where what has a sum ends.
    pub(super) fn end(&self) -> u64 {
        self.stretches.last().map_or(0, Stretch::end)
    }
}

/// Removes the hot file `hot`, then its sums: who finds it, finds them.
pub(super) fn remove_hot(hot: &Path) -> Result<(), RecordError> {
    fs::remove_file(hot).map_err(|e| RecordError::io(hot, e))?;
    with_sums(hot, |sums| fs::remove_file(sums))
}

/// Renames the hot file `hot`, then its sums.
pub(super) fn rename_hot(hot: &Path, to: &Path) -> Result<(), RecordError> {
    fs::rename(hot, to).map_err(|e| RecordError::io(to, e))?;
    with_sums(hot, |sums| fs::rename(sums, sums_path(to)))
}

fn with_sums(hot: &Path, step: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), RecordError> {
    let sums = sums_path(hot);
    match step(&sums) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(RecordError::io(&sums, error)),
        _ => Ok(()),
    }
}
