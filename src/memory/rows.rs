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

#[cfg(test)]
mod tests {
    use super::super::testing::Owner;
    use super::super::{BytesSpace, SysvSpace, TargetAddr};
    use super::*;

    const BASE: u64 = 0x6900_0000;

    fn spots(space: &dyn AddressSpace, at: &[u64]) -> Vec<Result<Spot, Fault>> {
        let place = |offset: &u64| space.locate(TargetAddr(BASE + offset), 1);
        at.iter().map(place).collect()
    }

    #[test]
    fn rows_are_read_by_their_words_and_no_further_than_their_mapping() {
        let mut owner = Owner::start("rows_WORDS", "600", &[(BASE, 8192)]);
        owner.poke(4096, 11);
        owner.poke(4096 + 72, 22);
        let space = SysvSpace::attach(&owner.segments).unwrap();
        // in order, behind the reach, not aligned, nowhere
        let spots = spots(&space, &[4096, 8192 - 72, 4097, 9000]);
        let rows = MappedRows::new(&space, &spots, 72).unwrap();
        let list = WordList::new([72, 0]).unwrap();
        let mut out = [0; 2];
        assert_eq!(rows.gather(0, &list, &mut out), Some(()));
        assert_eq!(out, [22, 11], "in the list's order");
        assert_eq!(rows.same(0, &list, &out), Some(true));
        owner.poke(4096, 12);
        assert_eq!(rows.same(0, &list, &out), Some(false));
        for row in [1, 2, 3, 4] {
            rows.prefetch(row, &list);
            assert_eq!(rows.gather(row, &list, &mut out), None, "row {row}");
            assert_eq!(rows.same(row, &list, &out), None, "row {row}");
        }
        assert_eq!(rows.gather(0, &list, &mut [0; 3]), None, "another length");
    }

    #[test]
    fn memory_that_is_not_mapped_has_no_mapped_rows() {
        let space = BytesSpace::new(vec![(TargetAddr(BASE), vec![0; 4096])]).unwrap();
        assert!(MappedRows::new(&space, &spots(&space, &[0, 8]), 8).is_none());
    }

    #[test]
    fn lines_are_counted_from_where_the_row_begins() {
        assert!(WordList::new([8, 12]).is_none(), "words are aligned");
        let list = WordList::new([0, 8, 56, 64, 120]).unwrap();
        assert_eq!(list.lines(4096), [0, 64]);
        assert_eq!(list.lines(4096 + 8), [0, 56, 120]);
        assert_eq!(list.lines(56), [0, 8, 120]);
    }
}
