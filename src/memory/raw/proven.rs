//! Rows of attached memory of which bounds and alignment are proven: their words are read, compared and
//! asked for without further checks.
//!
//! Not for: which words those are ([`super::super::words`]), or where rows are. Callers: `memory` only;
//! others get the types, which they can't make.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use super::super::words::{FewWords, LINE, ManyWords, Move, MoveOf, WORD, WordList};
use super::two::{Differences, Two, load_two};
use super::{Mapping, load};

/// Bytes of a mapping of which bounds and alignment are proven.
#[derive(Clone, Copy)]
pub struct Proven<'a> {
    start: NonNull<u8>,
    len: usize,
    owner: PhantomData<&'a Mapping>,
}

impl Mapping {
    /// `len` bytes from byte `offset` on; `None` when they don't all lie inside, or don't begin at a word.
    #[inline]
    pub(in crate::memory) fn proven(&self, offset: usize, len: usize) -> Option<Proven<'_>> {
        let inside = offset.checked_add(len)? <= self.len();
        (inside && offset.is_multiple_of(WORD)).then(|| Proven {
            // SAFETY: inside the mapping.
            start: unsafe { self.base.add(offset) },
            len,
            owner: PhantomData,
        })
    }
}

/// What null leads to, for whoever reads all the same.
static ZEROS: [u64; 512] = [0; 512];

impl Proven<'static> {
    /// So many bytes of zeros, a page at most.
    #[inline]
    pub fn zeros(len: usize) -> Proven<'static> {
        Proven {
            start: NonNull::from(&ZEROS).cast(),
            len: len.min(size_of_val(&ZEROS)),
            owner: PhantomData,
        }
    }
}

impl Proven<'_> {
    /// Copies the list's words to their places in `out`; `None` when they reach further than what is
    /// proven, or `out` has no room for them.
    #[inline]
    pub fn gather(self, list: &WordList, out: &mut [u64]) -> Option<()> {
        self.copy(list, out, || ())
    }

    /// Does the same, and meanwhile asks for the lines of another row's words: few at a time, since the
    /// processor waits when too many are on their way.
    #[inline]
    pub fn gather_asking(self, list: &WordList, out: &mut [u64], other: Proven<'_>) -> Option<()> {
        let mut lines = list.lines[other.skip()].iter();
        let mut ask = || {
            if let Some(line) = lines.next() {
                other.ask_for(*line);
            }
        };
        self.copy(list, out, &mut ask)?;
        lines.for_each(|line| other.ask_for(*line));
        Some(())
    }

    /// Copies, and calls `between` after every other step.
    #[inline(always)]
    fn copy(self, list: &WordList, out: &mut [u64], mut between: impl FnMut()) -> Option<()> {
        if list.reach > self.len || list.room > out.len() {
            return None;
        }
        let out = out.as_mut_ptr();
        // SAFETY: all of the list's words are aligned and inside its reach, their places inside its room.
        let copy = |at: &Move| unsafe {
            let to = out.add(at.to as usize).cast::<Two>();
            to.write_unaligned(load_two(self.start, at.from as usize));
        };
        let (fours, rest) = list.twos.as_chunks::<4>();
        for [a, b, c, d] in fours {
            copy(a);
            copy(b);
            between();
            copy(c);
            copy(d);
            between();
        }
        rest.iter().for_each(copy);
        for at in &list.ones {
            // SAFETY: as above.
            unsafe { *out.add(at.to as usize) = load(self.start, at.from as usize) };
        }
        Some(())
    }

    /// Whether the list's words are now as they stand in `words`; `None` as for [`Proven::gather`].
    #[inline]
    pub fn same(self, list: &WordList, words: &[u64]) -> Option<bool> {
        if list.reach > self.len || list.room > words.len() {
            return None;
        }
        let words = words.as_ptr();
        // SAFETY: as in `copy`.
        let look = |moved: Differences, at: &Move| unsafe {
            let was = words.add(at.to as usize).cast::<Two>().read_unaligned();
            moved.with(load_two(self.start, at.from as usize), was)
        };
        let (fours, rest) = list.twos.as_chunks::<4>();
        let mut moved = Differences::none();
        for [a, b, c, d] in fours {
            moved = look(look(look(look(moved, a), b), c), d);
        }
        moved = rest.iter().fold(moved, look);
        // SAFETY: as in `copy`.
        let look = |moved: u64, at: &Move| unsafe {
            moved | (*words.add(at.to as usize) ^ load(self.start, at.from as usize))
        };
        let one_moved = list.ones.iter().fold(0, look);
        Some(moved.is_none() && one_moved == 0)
    }

    /// Copies the words of several rows; `None` as for [`Proven::gather`], or when these aren't as many
    /// rows as the list has.
    #[inline]
    pub fn gather_many(rows: &[Proven<'_>], list: &ManyWords, out: &mut [u64]) -> Option<()> {
        if !Self::have(rows, list) || list.room > out.len() {
            return None;
        }
        let (rows, out) = (rows.as_ptr(), out.as_mut_ptr());
        // SAFETY: `of` is below the number of rows; all of the list's words are aligned and inside the
        // reach of their row's, their places inside its room.
        let copy = |of: &MoveOf| unsafe {
            let to = out.add(of.at.to as usize).cast::<Two>();
            let start = (*rows.add(of.row as usize)).start;
            to.write_unaligned(load_two(start, of.at.from as usize));
        };
        let (twos, rest) = list.twos.as_chunks::<2>();
        for [a, b] in twos {
            copy(a);
            copy(b);
        }
        rest.iter().for_each(copy);
        for of in &list.ones {
            // SAFETY: as above.
            unsafe {
                let start = (*rows.add(of.row as usize)).start;
                *out.add(of.at.to as usize) = load(start, of.at.from as usize);
            }
        }
        Some(())
    }

    /// Whether the words of several rows are now as they stand in `words`; `None` as for
    /// [`Proven::gather_many`].
    #[inline]
    pub fn same_many(rows: &[Proven<'_>], list: &ManyWords, words: &[u64]) -> Option<bool> {
        if !Self::have(rows, list) || list.room > words.len() {
            return None;
        }
        let (rows, words) = (rows.as_ptr(), words.as_ptr());
        // SAFETY: as in `gather_many`.
        let look = |moved: Differences, of: &MoveOf| unsafe {
            let was = words.add(of.at.to as usize).cast::<Two>().read_unaligned();
            let start = (*rows.add(of.row as usize)).start;
            moved.with(load_two(start, of.at.from as usize), was)
        };
        let (twos, rest) = list.twos.as_chunks::<2>();
        let moved = twos
            .iter()
            .fold(Differences::none(), |moved, [a, b]| look(look(moved, a), b));
        let moved = rest.iter().fold(moved, look);
        // SAFETY: as in `gather_many`.
        let look = |moved: u64, of: &MoveOf| unsafe {
            let start = (*rows.add(of.row as usize)).start;
            moved | (*words.add(of.at.to as usize) ^ load(start, of.at.from as usize))
        };
        Some(moved.is_none() && list.ones.iter().fold(0, look) == 0)
    }

    /// Whether these are as many rows as the list has, each so long as its words reach.
    #[inline(always)]
    fn have(rows: &[Proven<'_>], list: &ManyWords) -> bool {
        rows.len() == list.reach.len()
            && rows
                .iter()
                .zip(&list.reach)
                .all(|(row, reach)| *reach <= row.len)
    }

    /// A few words; `None` when they reach further than what is proven.
    #[inline(always)]
    pub fn few<const N: usize>(self, words: &FewWords<N>) -> Option<[u64; N]> {
        if words.reach > self.len {
            return None;
        }
        // SAFETY: as in `gather`.
        Some(
            words
                .offsets
                .map(|at| unsafe { load(self.start, at as usize) }),
        )
    }

    /// The word at byte `offset`; `None` when it isn't inside or not aligned.
    #[inline]
    pub fn word(self, offset: u32) -> Option<u64> {
        let inside = offset as usize + WORD <= self.len;
        // SAFETY: just checked.
        (inside && offset.is_multiple_of(WORD as u32))
            .then(|| unsafe { load(self.start, offset as usize) })
    }

    /// Asks the processor to fetch the lines of the list's words.
    #[inline]
    pub fn prefetch(self, list: &WordList) {
        for at in &list.lines[self.skip()] {
            self.ask_for(*at);
        }
    }

    /// Asks the processor to fetch the lines of a few words.
    #[inline(always)]
    pub fn prefetch_few<const N: usize>(self, words: &FewWords<N>) {
        for at in words.lines[self.skip()] {
            self.ask_for(at);
        }
    }

    /// Words between the start of a cache line and here.
    #[inline(always)]
    fn skip(self) -> usize {
        self.start.as_ptr().addr() / WORD % (LINE / WORD)
    }

    /// A place outside does no harm, and no good.
    #[inline(always)]
    fn ask_for(self, at: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let line = self.start.as_ptr().wrapping_add(at as usize);
            // SAFETY: a prefetch reads nothing by the language's rules and never faults, whatever
            // the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
        }
    }
}

/// Where rows begin in mappings that stay mapped as long as this lives: proven once instead of at
/// every look.
pub struct RowStarts {
    starts: Box<[Option<NonNull<u8>>]>,
    /// Bytes of each row that lie inside its mapping.
    len: usize,
    /// The mappings, and how far the rows reach in each.
    held: Vec<(Arc<Mapping>, usize)>,
}

// SAFETY: as for `Mapping`, of whose memory the starts are places.
unsafe impl Send for RowStarts {}
// SAFETY: as above; `&RowStarts` gives nothing but copies.
unsafe impl Sync for RowStarts {}

impl RowStarts {
    /// Rows of `len` bytes, each by its mapping and first byte; those that aren't mapped, aligned and
    /// whole have no start.
    pub(in crate::memory) fn new<'a>(
        len: usize,
        rows: impl Iterator<Item = Option<(&'a Arc<Mapping>, usize)>>,
    ) -> RowStarts {
        let mut held: Vec<(Arc<Mapping>, usize)> = Vec::new();
        let start = |row: Option<(&Arc<Mapping>, usize)>| {
            let (mapping, offset) = row?;
            let start = mapping.proven(offset, len)?.start;
            // neighbours mostly share a mapping, and there are few
            let known = held.iter_mut().rfind(|(m, _)| Arc::ptr_eq(m, mapping));
            match known {
                Some((_, end)) => *end = (*end).max(offset + len),
                None => held.push((Arc::clone(mapping), offset + len)),
            }
            Some(start)
        };
        RowStarts {
            starts: rows.map(start).collect(),
            len,
            held,
        }
    }

    /// Whether all rows are still there: mapped files may have been cut. Ask before every tick.
    pub fn intact(&self) -> bool {
        self.held.iter().all(|(mapping, end)| *end <= mapping.len())
    }

    /// A row; `None` when it isn't mapped.
    #[inline(always)]
    pub fn row(&self, slot: usize) -> Option<Proven<'_>> {
        let start = (*self.starts.get(slot)?)?;
        Some(Proven {
            start,
            len: self.len,
            owner: PhantomData,
        })
    }

    /// Whether no row at all is mapped.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
