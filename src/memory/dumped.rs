//! Raw copies of shared memory segments, one file each, named `<shmid>.<base>.bin`: the segment's
//! identifier in decimal and the address at which the instance had it in hexadecimal, with or
//! without `0x`. Tools that copy segments (`dd` of an attached segment, small C programs) write such.
//!
//! A file that is cut short, or has holes of its file system, is read as it lies.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TargetAddr;
use super::pieces::{OfPieces, Overlap, Piece, Pieces, Rest};
use super::raw::Mapping;

/// Why raw segment files can't be read.
#[derive(Debug, thiserror::Error)]
pub enum DumpedError {
    /// A file can't be opened or mapped.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The directory holds none.
    #[error(
        "{} holds no segment file: expected <shmid>.<base>.bin with the base address in \
         hexadecimal, e.g. 458803.60000000.bin", path.display()
    )]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// A file's name says an address at which it can't be.
    #[error("{} at 0x{address} with {len} bytes leaves the address space: see its name", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// Its address.
        address: TargetAddr,
        /// Its bytes.
        len: u64,
    },
    /// Two files claim the same addresses.
    #[error("{source}: see the names of the segment files")]
    Overlap {
        /// Which ones.
        #[from]
        source: Overlap,
    },
}

/// shmid and base address that a file's name says.
pub fn segment_name(path: &Path) -> Option<(i32, TargetAddr)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".bin")?;
    let (shmid, base) = name.split_once('.')?;
    let base = base.strip_prefix("0x").unwrap_or(base);
    let base = u64::from_str_radix(base, 16).ok()?;
    Some((shmid.parse().ok()?, TargetAddr(base)))
}

/// Segments as they were copied to files.
pub struct DumpedSpace {
    pieces: Pieces,
}

impl DumpedSpace {
    /// Opens one file, or all of a directory that are named so.
    ///
    /// # Errors
    /// None is there, one can't be read, or two overlap.
    pub fn open(path: &Path) -> Result<DumpedSpace, DumpedError> {
        let io = |source| DumpedError::Io {
            path: path.to_owned(),
            source,
        };
        let mut files = vec![path.to_owned()];
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(io)?;
            let entries: Result<Vec<PathBuf>, io::Error> =
                entries.map(|e| e.map(|e| e.path())).collect();
            files = entries.map_err(io)?;
        }
        let mut pieces = Vec::new();
        for file in files {
            if let Some((shmid, address)) = segment_name(&file) {
                pieces.extend(piece(&file, shmid, address)?);
            }
        }
        if pieces.is_empty() {
            return Err(DumpedError::None {
                path: path.to_owned(),
            });
        }
        Ok(DumpedSpace {
            pieces: Pieces::new(pieces, false)?,
        })
    }
}

fn piece(path: &Path, shmid: i32, address: TargetAddr) -> Result<Option<Piece>, DumpedError> {
    let io = |source| DumpedError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() == 0 {
        return Ok(None);
    }
    let mapping = Mapping::map(file).map_err(io)?;
    let len = mapping.len() as u64;
    if address.checked_add(len).is_none() {
        return Err(DumpedError::Range {
            path: path.to_owned(),
            address,
            len,
        });
    }
    Ok(Some(Piece {
        start: address.0,
        len,
        mapping: Some(Arc::new(mapping)),
        from: 0,
        stored: len,
        rest: Rest::Hole,
        name: format!("shmid {shmid}"),
    }))
}

impl OfPieces for DumpedSpace {
    const KIND: &'static str = "segments";

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }
}
