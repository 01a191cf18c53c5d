//! Plain bytes at target addresses.
//!
//! For: tests and generated inputs that need an [`AddressSpace`] without an instance.
//!
//! Not for: files (see `core`) or anything that changes while it is read.

use super::{AddressSpace, Fault, FaultKind, Overlap, Region, Spot, TargetAddr, within};

/// Byte vectors at addresses.
pub struct BytesSpace {
    regions: Vec<Region>,
    pieces: Vec<Vec<u8>>,
}

impl BytesSpace {
    /// A space of one region for each piece that isn't empty. Errors: two pieces overlap, or one
    /// leaves the address space (then it is named twice).
    pub fn new(pieces: Vec<(TargetAddr, Vec<u8>)>) -> Result<BytesSpace, Overlap> {
        let mut sorted: Vec<_> = pieces.into_iter().filter(|(_, b)| !b.is_empty()).collect();
        sorted.sort_by_key(|(start, _)| *start);
        let mut regions: Vec<Region> = Vec::with_capacity(sorted.len());
        for (start, bytes) in &sorted {
            let region = Region {
                start: *start,
                len: bytes.len() as u64,
                name: format!("bytes at 0x{start}"),
            };
            let clash = match regions.last() {
                _ if start.checked_add(region.len).is_none() => Some(region.name.clone()),
                Some(last) if last.end() > *start => Some(last.name.clone()),
                _ => None,
            };
            if let Some(first) = clash {
                return Err(Overlap {
                    first,
                    second: region.name,
                    at: *start,
                });
            }
            regions.push(region);
        }
        Ok(BytesSpace {
            regions,
            pieces: sorted.into_iter().map(|(_, bytes)| bytes).collect(),
        })
    }

    fn slice(&self, spot: Spot, offset: u64, len: u64) -> Result<&[u8], Fault> {
        let at = within(&self.regions, spot, offset, len)?;
        self.pieces[spot.region as usize]
            .get(at as usize..(at + len) as usize)
            .ok_or(Fault {
                addr: self.regions[spot.region as usize].start,
                len,
                kind: FaultKind::PastEnd,
            })
    }
}

impl AddressSpace for BytesSpace {
    fn regions(&self) -> &[Region] {
        &self.regions
    }

    fn kind(&self) -> &'static str {
        "bytes"
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        let bytes = self.slice(spot, offset, (out.len() as u64).saturating_mul(8))?;
        for (word, chunk) in out.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut eight = [0u8; 8];
            eight.copy_from_slice(chunk);
            *word = u64::from_le_bytes(eight);
        }
        Ok(())
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        out.copy_from_slice(self.slice(spot, offset, out.len() as u64)?);
        Ok(())
    }
}
