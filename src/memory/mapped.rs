//! Memory that is mapped in this process, read by places that are looked up once.
//!
//! For: reading the same words of thousands of rows, tick after tick, with one check of bounds for
//! each row and no call through [`AddressSpace`].
//!
//! Not for: what lies across two granule files, or isn't mapped at all; whoever asks for a place there
//! gets `None` and reads it through its [`AddressSpace`].

use std::sync::Arc;

use super::raw::{Mapping, Proven, RowStarts};
use super::{AddressSpace, TargetAddr};

/// A stretch of the target's memory that one mapping holds.
pub struct MappedRange {
    pub(super) start: TargetAddr,
    pub(super) len: u64,
    pub(super) mapping: Arc<Mapping>,
    /// Where the stretch begins in the mapping.
    pub(super) offset: usize,
}

/// The mapped stretches of a space, which stay mapped as long as this lives.
pub struct MappedMemory {
    /// Sorted by start, not overlapping.
    ranges: Vec<MappedRange>,
}

/// A place in a [`MappedMemory`]; another one reads something else there, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    range: u32,
    /// Bytes from the start of the range's mapping.
    offset: usize,
}

impl MappedMemory {
    /// What is mapped of the space; `None` when nothing is.
    pub fn of(space: &dyn AddressSpace) -> Option<MappedMemory> {
        let mut ranges = space.mapped();
        ranges.retain(|range| range.len > 0);
        ranges.sort_by_key(|range| range.start);
        (!ranges.is_empty()).then_some(MappedMemory { ranges })
    }

    /// The place of `len` bytes at `addr`, when one mapping holds them all. `hint` is where to look
    /// first: addresses that are asked for one after the other mostly lie near each other.
    #[inline]
    pub fn place(&self, addr: TargetAddr, len: u64, hint: &mut u32) -> Option<Place> {
        let known = self.ranges.get(*hint as usize);
        if let Some(offset) = known.and_then(|range| range.offset_of(addr, len)) {
            let range = *hint;
            return Some(Place { range, offset });
        }
        let after = self.ranges.partition_point(|range| range.start <= addr);
        let index = after.checked_sub(1)?;
        let offset = self.ranges.get(index)?.offset_of(addr, len)?;
        *hint = u32::try_from(index).ok()?;
        let range = *hint;
        Some(Place { range, offset })
    }

    /// `len` bytes at a place; `None` when they aren't mapped (any more) or not aligned.
    #[inline]
    pub fn at(&self, place: Place, len: usize) -> Option<Proven<'_>> {
        let range = self.ranges.get(place.range as usize)?;
        range.mapping.proven(place.offset, len)
    }

    /// Where the rows at these addresses begin, of which `len` bytes are read.
    pub fn rows(&self, addrs: impl Iterator<Item = Option<TargetAddr>>, len: u64) -> RowStarts {
        let mut hint = 0;
        let rows = addrs.map(|addr| {
            let place = self.place(addr?, len, &mut hint)?;
            let range = self.ranges.get(place.range as usize)?;
            Some((&range.mapping, place.offset))
        });
        RowStarts::new(usize::try_from(len).unwrap_or(usize::MAX), rows)
    }
}

impl MappedRange {
    /// Where `len` bytes at `addr` begin in the mapping, if the stretch has them all.
    #[inline]
    fn offset_of(&self, addr: TargetAddr, len: u64) -> Option<usize> {
        let inside = addr.0.checked_sub(self.start.0)?;
        let room = self.len.checked_sub(inside)?;
        (len <= room).then(|| self.offset.wrapping_add(inside as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Owner;
    use super::super::{BytesSpace, FewWords, ManyWords, SysvSpace, WordList};
    use super::*;

    const BASE: u64 = 0x6900_0000;

    #[test]
    fn words_are_read_by_their_list_and_no_further_than_their_mapping() {
        let second = BASE + 0x10_0000;
        let segments = [(BASE, 8192), (second, 4096)];
        let mut owner = Owner::start("mapped_WORDS", "600", &segments);
        owner.poke(4096, 11);
        owner.poke(4096 + 72, 22);
        let space = SysvSpace::attach(&owner.segments).unwrap();
        let memory = MappedMemory::of(&space).unwrap();
        let list = WordList::new([72, 0]).unwrap();
        let mut hint = 0;
        let mut place = |at: u64| memory.place(TargetAddr(at), 80, &mut hint);
        let place_of_row = place(BASE + 4096).unwrap();
        let row = memory.at(place_of_row, 80).unwrap();
        let mut out = [0; 2];
        assert_eq!(row.gather(&list, &mut out), Some(()));
        assert_eq!(out, [22, 11], "in the list's order");
        assert_eq!(row.same(&list, &out), Some(true));
        assert_eq!(
            (row.word(72), row.word(80), row.word(4)),
            (Some(22), None, None)
        );
        let few = FewWords::new([72, 0, 72]).unwrap();
        assert_eq!(row.few(&few), Some([22, 11, 22]));
        owner.poke(4096, 12);
        assert_eq!(row.same(&list, &out), Some(false));
        assert_eq!(row.gather(&list, &mut [0; 1]), None, "no room");
        let short = memory.at(place_of_row, 72).unwrap();
        assert_eq!(short.gather(&list, &mut out), None, "not proven so far");
        assert_eq!((short.same(&list, &out), short.few(&few)), (None, None));
        row.prefetch(&list);
        row.prefetch_few(&few);
        // the last that fits, whatever the hint says; one too far; between two; in front; the far end
        for at in [second + 4016, BASE + 8112, second] {
            assert!(place(at).is_some(), "{at:x}");
        }
        let outside = [
            BASE + 8120,
            BASE + 9000,
            BASE - 8,
            second + 4096,
            u64::MAX,
            0,
        ];
        for at in outside {
            assert!(place(at).is_none(), "{at:x}");
        }
        let odd = place(BASE + 4097).unwrap();
        assert!(memory.at(odd, 8).is_none(), "not aligned");
        // a place beyond what is mapped, as of another memory
        for (range, offset) in [(9, 0), (0, 8184), (1, usize::MAX - 7)] {
            assert!(memory.at(Place { range, offset }, 16).is_none());
        }
        // rows: mapped, not aligned, none, not whole, mapped
        let addrs = [BASE + 8, BASE + 12, 0, BASE + 8192 - 72, second];
        let addrs = addrs.map(|at| (at != 0).then_some(TargetAddr(at)));
        let rows = memory.rows(addrs.into_iter(), 80);
        let there: Vec<bool> = (0..6).map(|slot| rows.row(slot).is_some()).collect();
        assert_eq!(there, [true, false, false, false, true, false]);
        assert!(rows.intact() && !rows.is_empty());
        owner.poke(8, 44);
        owner.poke(8 + 72, 33);
        assert_eq!(rows.row(0).unwrap().few(&few), Some([33, 44, 33]));
    }

    #[test]
    fn words_of_several_rows_go_where_they_belong_and_are_watched_there() {
        let mut owner = Owner::start("mapped_MANY", "600", &[(BASE, 8192)]);
        (0..16).for_each(|word| owner.poke(8 * word, 100 + word));
        let space = SysvSpace::attach(&owner.segments).unwrap();
        let memory = MappedMemory::of(&space).unwrap();
        let mut hint = 0;
        let mut at = |at: u64, len: usize| {
            let place = memory.place(TargetAddr(BASE + at), len as u64, &mut hint);
            memory.at(place.unwrap(), len).unwrap()
        };
        // a run of three, a word alone, a run of four that goes to two places; zeros
        let lists = [
            WordList::placed([(8, 1), (16, 2), (24, 3), (40, 9)]).unwrap(),
            WordList::placed([(0, 4), (8, 5), (16, 7), (24, 8)]).unwrap(),
            WordList::new([0]).unwrap(),
        ];
        let many = ManyWords::of(lists.iter());
        let rows = [at(0, 48), at(64, 32), Proven::zeros(8)];
        let mut out = [7; 10];
        assert_eq!(Proven::gather_many(&rows, &many, &mut out), Some(()));
        assert_eq!(out, [0, 101, 102, 103, 108, 109, 7, 110, 111, 105]);
        let same = |out: &[u64]| Proven::same_many(&rows, &many, out);
        assert_eq!(same(&out), Some(true));
        for i in (0..10).filter(|i| *i != 6) {
            let mut other = out;
            other[i] ^= 1 << 63;
            assert_eq!(same(&other), Some(false), "word {i}");
        }
        // too little room, too few rows, a row too short
        assert_eq!(same(&out[..9]), None);
        assert_eq!(Proven::same_many(&rows[..2], &many, &out), None);
        let short = [at(0, 40), rows[1], rows[2]];
        assert_eq!(Proven::gather_many(&short, &many, &mut out), None);
        for (i, list) in lists.iter().enumerate() {
            let mut one = [7; 10];
            rows[i].gather(list, &mut one).unwrap();
            assert_eq!(rows[i].same(list, &one), Some(true));
            let told = one.iter().zip(&out).filter(|(one, _)| **one != 7);
            assert!(
                told.clone().count() == list.len() && told.clone().all(|(one, all)| one == all)
            );
        }
    }

    #[test]
    fn rows_of_a_file_that_was_cut_are_not_intact() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8192).unwrap();
        let mapping = Arc::new(Mapping::map(file.reopen().unwrap()).unwrap());
        let rows = RowStarts::new(64, [Some((&mapping, 4096))].into_iter());
        assert!(rows.intact());
        file.as_file().set_len(4096).unwrap();
        mapping.recheck().unwrap();
        assert!(!rows.intact());
    }

    #[test]
    fn memory_that_is_not_mapped_has_no_places() {
        let space = BytesSpace::new(vec![(TargetAddr(BASE), vec![0; 4096])]).unwrap();
        assert!(MappedMemory::of(&space).is_none());
    }
}
