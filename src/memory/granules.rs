//! `/dev/shm` granule files of an instance with automatic memory management, mapped read-only.
//!
//! For: `MEMORY_TARGET` instances, whose SGA is one POSIX shared-memory file per granule
//! (`/dev/shm/ora_<SID>_<id>_<n>`, unused ones of size 0; Tanel Poder, 2007). Granules that touch
//! become one region.
//!
//! Not for: finding the files (`discover` does).
//!
//! The instance gives granules back by cutting their files short. Reading a page past the present
//! end of a mapped file would end the reader with `SIGBUS`, so [`super::AddressSpace::refresh`] takes the
//! lengths again; the sampler calls it before every tick. What is left is the window between that
//! and the read, of the length of a tick; `--via process-vm` has none.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::TargetAddr;
use super::pieces::{OfPieces, Overlap, Piece, Pieces, Rest};
use super::raw::Mapping;

/// A granule file and where the target has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GranuleAt {
    /// The file.
    pub path: PathBuf,
    /// Where the target mapped it.
    pub address: TargetAddr,
    /// Bytes that the target mapped.
    pub len: u64,
    /// Offset in the file of the first mapped byte.
    pub file_offset: u64,
}

/// Why a granule file can't be mapped.
#[derive(Debug, thiserror::Error)]
pub enum GranuleError {
    /// The file can't be opened or mapped.
    #[error(
        "can't map {} (0x{address}) for reading: {source}; {}", path.display(), advice(source)
    )]
    Os {
        /// The file.
        path: PathBuf,
        /// Where the target has it.
        address: TargetAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A mapping leaves the address space.
    #[error("{} at 0x{address} with {len} bytes leaves the address space", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// Where the target has it.
        address: TargetAddr,
        /// Bytes that the target mapped.
        len: u64,
    },
    /// Two granules claim the same addresses.
    #[error(transparent)]
    Overlap(#[from] Overlap),
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "run as the file's owner or root, or as its group",
        io::ErrorKind::NotFound => "the instance has ended or was started again: run discover",
        _ => "run doctor",
    }
}

/// Granule files of a target, mapped read-only until dropped.
pub struct GranuleSpace {
    pieces: Pieces,
}

impl GranuleSpace {
    /// Maps all `granules` that aren't empty. A granule that is shorter than what the target
    /// mapped reads as [`super::FaultKind::Hole`] past its end.
    pub fn open(granules: &[GranuleAt]) -> Result<GranuleSpace, GranuleError> {
        let mut pieces = Vec::with_capacity(granules.len());
        for granule in granules {
            pieces.extend(piece(granule)?);
        }
        Ok(GranuleSpace {
            pieces: Pieces::new(pieces, true)?,
        })
    }
}

fn piece(granule: &GranuleAt) -> Result<Option<Piece>, GranuleError> {
    if granule.address.checked_add(granule.len).is_none() {
        return Err(GranuleError::Range {
            path: granule.path.clone(),
            address: granule.address,
            len: granule.len,
        });
    }
    let os = |source| GranuleError::Os {
        path: granule.path.clone(),
        address: granule.address,
        source,
    };
    let file = File::open(&granule.path).map_err(os)?;
    if file.metadata().map_err(os)?.len() <= granule.file_offset {
        return Ok(None);
    }
    let mapping = match Mapping::map(file) {
        Ok(mapping) => mapping,
        // Emptied between the two looks.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => return Ok(None),
        Err(e) => return Err(os(e)),
    };
    let behind = (mapping.len() as u64).saturating_sub(granule.file_offset);
    Ok(Some(Piece {
        start: granule.address.0,
        len: granule.len,
        stored: behind.min(granule.len),
        mapping: Some(Arc::new(mapping)),
        from: granule.file_offset,
        rest: Rest::Hole,
        name: granule.path.display().to_string(),
    }))
}

impl OfPieces for GranuleSpace {
    const KIND: &'static str = "dev-shm";

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }
}
