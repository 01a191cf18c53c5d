//! Rows that lie whole in mapped memory, each by its number.
//!
//! For: reading the same words of thousands of rows, tick after tick, with one check of bounds for
//! each row and no call through [`AddressSpace`].
//!
//! Not for: rows across two granule files, or of memory that isn't mapped; whoever asks for one of
//! those gets `None` and reads it through its [`AddressSpace`].

use std::sync::Arc;

use super::raw::{Mapping, WordList};
use super::{AddressSpace, Fault, Spot};

/// A place in mapped memory.
pub struct MappedAt {
    pub(super) mapping: Arc<Mapping>,
    pub(super) offset: usize,
}

/// The places of rows in the mappings that hold them, which stay mapped as long as this lives.
pub struct MappedRows {
    mappings: Vec<Arc<Mapping>>,
    places: Vec<Option<Place>>,
}

/// A row's mapping (its index) and first byte.
#[derive(Clone, Copy)]
struct Place {
    mapping: u32,
    offset: usize,
}

impl MappedRows {
    /// Looks up the rows at `spots`, of which `reach` bytes are read; `None` when not one of them is
    /// mapped.
    pub fn new(
        space: &dyn AddressSpace,
        spots: &[Result<Spot, Fault>],
        reach: u64,
    ) -> Option<MappedRows> {
        let mut mappings: Vec<Arc<Mapping>> = Vec::new();
        let mut place = |spot: &Result<Spot, Fault>| {
            let at = space.mapped(*spot.as_ref().ok()?, reach)?;
            // neighbours mostly share a mapping, and there are few
            let known = mappings.iter().rposition(|m| Arc::ptr_eq(m, &at.mapping));
            let mapping = known.unwrap_or(mappings.len());
            if known.is_none() {
                mappings.push(at.mapping);
            }
            Some(Place {
                mapping: u32::try_from(mapping).ok()?,
                offset: at.offset,
            })
        };
        let places: Vec<_> = spots.iter().map(&mut place).collect();
        (!mappings.is_empty()).then_some(MappedRows { mappings, places })
    }

    #[inline]
    fn place(&self, row: usize) -> Option<(&Mapping, usize)> {
        let place = self.places.get(row).copied().flatten()?;
        Some((self.mappings.get(place.mapping as usize)?, place.offset))
    }

    /// Asks for the cache lines of the list's words of a row. Does nothing for rows that aren't
    /// mapped or that there aren't.
    #[inline]
    pub fn prefetch(&self, row: usize, list: &WordList) {
        if let Some((mapping, offset)) = self.place(row) {
            for line in list.lines(offset as u64) {
                mapping.prefetch(offset + *line as usize);
            }
        }
    }

    /// Copies the list's words of a row; `None` when they aren't mapped (any more), or `out` is not
    /// as long as the list.
    #[inline]
    pub fn gather(&self, row: usize, list: &WordList, out: &mut [u64]) -> Option<()> {
        let (mapping, offset) = self.place(row)?;
        mapping.gather(offset, list, out)
    }

    /// Whether the list's words of a row are `words` now; `None` as for [`MappedRows::gather`].
    #[inline]
    pub fn same(&self, row: usize, list: &WordList, words: &[u64]) -> Option<bool> {
        let (mapping, offset) = self.place(row)?;
        mapping.same(offset, list, words)
    }

    /// First words of the cache lines that a row costs with this list, from the row's start; none
    /// of rows that aren't mapped.
    pub fn lines<'a>(&self, row: usize, list: &'a WordList) -> &'a [u32] {
        self.place(row)
            .map_or(&[], |(_, offset)| list.lines(offset as u64))
    }
}
