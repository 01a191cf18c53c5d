//! Regions made of mapped pieces: what live segments, granule files and core files have in common.
//!
//! For: one bounded lookup from a proven place to the bytes behind it, also where a region is made
//! of several files or of a file part and zeros.
//!
//! Not for: opening anything; the callers `sysv`, `granules` and `core` bring their mappings.

use std::sync::Arc;

use super::raw::Mapping;
use super::{AddressSpace, Fault, FaultKind, MappedRange, Region, Spot, TargetAddr, within};

/// A space that is nothing but mapped pieces; being one makes it an [`AddressSpace`].
pub(super) trait OfPieces: Send + Sync {
    /// What kind of memory it is.
    const KIND: &'static str;

    /// Its pieces.
    fn pieces(&self) -> &Pieces;
}

impl<T: OfPieces> AddressSpace for T {
    fn regions(&self) -> &[Region] {
        &self.pieces().regions
    }

    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        self.pieces().read_words(spot, offset, out)
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.pieces().read_bytes(spot, offset, out)
    }

    fn mapped(&self) -> Vec<MappedRange> {
        self.pieces().mapped()
    }

    fn refresh(&self) {
        self.pieces().recheck();
    }
}

/// What bytes past the stored part of a piece are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    /// They read as zero.
    Zero,
    /// They were not captured.
    Hole,
}

/// A range of target addresses with at most one mapping behind it.
pub(super) struct Piece {
    pub(super) start: u64,
    /// Bytes of target addresses; the end must not leave the address space.
    pub(super) len: u64,
    /// What holds the bytes; `None` if nothing was captured.
    pub(super) mapping: Option<Arc<Mapping>>,
    /// Where the piece begins in the mapping.
    pub(super) from: u64,
    /// How many bytes the mapping holds, at most `len`.
    pub(super) stored: u64,
    pub(super) rest: Rest,
    pub(super) name: String,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.len
    }

    fn bytes(&self, offset: u64, out: &mut [u8]) -> Option<()> {
        let in_store = self.stored.saturating_sub(offset).min(out.len() as u64) as usize;
        let (stored, rest) = out.split_at_mut(in_store);
        if !stored.is_empty() {
            let mapping = self.mapping.as_ref()?;
            mapping.copy_bytes((self.from + offset) as usize, stored)?;
        }
        if !rest.is_empty() {
            if self.rest == Rest::Hole {
                return None;
            }
            rest.fill(0);
        }
        Some(())
    }
}

/// Two pieces claim the same addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} both claim address 0x{at}")]
pub struct Overlap {
    /// Name of the piece that begins first.
    pub first: String,
    /// Name of the other one.
    pub second: String,
    /// First address claimed twice.
    pub at: TargetAddr,
}

/// Sorted pieces and the regions that they make up.
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    regions: Vec<Region>,
    /// For each region the index of its first piece; one more entry at the end.
    firsts: Vec<usize>,
}

impl Pieces {
    /// Sorts the pieces. With `merge`, pieces that touch become one region, so that what spans
    /// them can be read.
    pub(super) fn new(mut pieces: Vec<Piece>, merge: bool) -> Result<Pieces, Overlap> {
        pieces.retain(|piece| piece.len > 0);
        pieces.sort_by_key(|piece| piece.start);
        let mut regions: Vec<Region> = Vec::new();
        let mut firsts = Vec::new();
        let mut end_before: Option<(u64, usize)> = None;
        for (index, piece) in pieces.iter().enumerate() {
            let mut touches = false;
            if let Some((end, before)) = end_before {
                if piece.start < end {
                    return Err(Overlap {
                        first: pieces[before].name.clone(),
                        second: piece.name.clone(),
                        at: TargetAddr(piece.start),
                    });
                }
                touches = piece.start == end;
            }
            match regions.last_mut() {
                Some(region) if merge && touches => region.len += piece.len,
                _ => {
                    firsts.push(index);
                    regions.push(Region {
                        start: TargetAddr(piece.start),
                        len: piece.len,
                        name: piece.name.clone(),
                    });
                }
            }
            end_before = Some((piece.end(), index));
        }
        firsts.push(pieces.len());
        for (region, bounds) in regions.iter_mut().zip(firsts.windows(2)) {
            if bounds[1] - bounds[0] > 1 {
                region.name = format!("{} to {}", region.name, pieces[bounds[1] - 1].name);
            }
        }
        Ok(Pieces {
            pieces,
            regions,
            firsts,
        })
    }

    /// Takes the lengths of mapped files again. A file that can't be asked keeps its length.
    fn recheck(&self) {
        for mapping in self.pieces.iter().filter_map(|p| p.mapping.as_ref()) {
            // The file is held open, so asking for its length doesn't fail in practice; and the
            // old length is the best one known.
            let _ = mapping.recheck();
        }
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        let len = (out.len() as u64).saturating_mul(8);
        let at = within(&self.regions, spot, offset, len)?;
        let (index, inside) = self.piece_at(spot.region, at);
        let piece = &self.pieces[index];
        if inside + len <= piece.stored
            && let Some(mapping) = &piece.mapping
        {
            return mapping
                .copy_words((piece.from + inside) as usize, out)
                .ok_or_else(|| self.hole(spot, offset, len));
        }
        for (nth, word) in out.iter_mut().enumerate() {
            let mut bytes = [0u8; 8];
            self.copy(spot.region, at + 8 * nth as u64, &mut bytes)
                .ok_or_else(|| self.hole(spot, offset, len))?;
            *word = u64::from_le_bytes(bytes);
        }
        Ok(())
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        let len = out.len() as u64;
        let at = within(&self.regions, spot, offset, len)?;
        self.copy(spot.region, at, out)
            .ok_or_else(|| self.hole(spot, offset, len))
    }

    fn mapped(&self) -> Vec<MappedRange> {
        let ranges = self.pieces.iter().filter_map(|piece| {
            Some(MappedRange {
                start: TargetAddr(piece.start),
                len: piece.stored,
                mapping: piece.mapping.clone()?,
                offset: usize::try_from(piece.from).ok()?,
            })
        });
        ranges.collect()
    }

    /// The piece that holds byte `at` of a region, and the offset inside it. `at` lies inside the
    /// region, or at its end for reads of nothing.
    fn piece_at(&self, region: u32, at: u64) -> (usize, u64) {
        let region = region as usize;
        let (first, next) = (self.firsts[region], self.firsts[region + 1]);
        let address = self.regions[region].start.0 + at;
        let index = if next - first == 1 {
            first
        } else {
            let after = self.pieces[first..next].partition_point(|p| p.start <= address);
            first + after.saturating_sub(1)
        };
        (index, address - self.pieces[index].start)
    }

    fn copy(&self, region: u32, at: u64, out: &mut [u8]) -> Option<()> {
        let (mut index, mut inside) = self.piece_at(region, at);
        let mut rest = out;
        while !rest.is_empty() {
            let piece = self.pieces.get(index)?;
            let take = (piece.len - inside).min(rest.len() as u64) as usize;
            let (head, tail) = rest.split_at_mut(take);
            piece.bytes(inside, head)?;
            rest = tail;
            index += 1;
            inside = 0;
        }
        Some(())
    }

    fn hole(&self, spot: Spot, offset: u64, len: u64) -> Fault {
        let start = self.regions[spot.region as usize].start.0;
        Fault {
            addr: TargetAddr(start.saturating_add(spot.offset).saturating_add(offset)),
            len,
            kind: FaultKind::Hole,
        }
    }
}
