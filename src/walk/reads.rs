//! What is read of a row, in the form that each kind of memory reads fastest.
//!
//! Mapped memory is read word by word: a word too many costs as much as a word that is wanted, a
//! jump to another line costs nothing; the tails of long texts are read only if the texts go on. Other
//! memory is read in stretches, since each read of it is a system call or a look-up, and a few bytes
//! between two spans cost less than another of those.

use std::ops::Range;

use crate::memory::{AddressSpace, Fault, Proven, Spot, WordList};
use crate::plan::{Plan, Span, Tail};

/// Bytes between two spans up to which other memory is read in one stretch. Not more than a cache
/// line, since what no plan reads may not have been captured.
pub(super) const STRETCH_GAP: u64 = 64;

/// Words of a row that are read together.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Those that are always read, each with its place in the scratch row.
    pub(super) words: WordList,
    /// Those that are read when a text goes on so far.
    pub(super) tails: Vec<TailRead>,
    /// Words of the scratch row that all of them take, with the unused first one.
    pub(super) room: usize,
    stretches: Vec<Stretch>,
    /// Where a stretch is read to.
    buffer: Vec<u64>,
}

/// The rest of a text.
#[derive(Debug)]
pub(super) struct TailRead {
    /// The word of the scratch row that tells whether it is needed.
    after: usize,
    words: WordList,
    /// Its words of the scratch row.
    place: Range<usize>,
}

impl TailRead {
    fn of(tail: &Tail) -> Option<TailRead> {
        let start = u32::try_from(tail.offset).ok()?;
        let words = (0..tail.words).map(|i| (start + 8 * i, tail.dst + i));
        Some(TailRead {
            after: tail.after as usize,
            words: WordList::placed(words)?,
            place: tail.dst as usize..(tail.dst + tail.words) as usize,
        })
    }

    /// Whether the text goes on, by what was read before it.
    #[inline]
    fn is_needed(&self, row: &[u64]) -> bool {
        row.get(self.after).is_some_and(|word| word >> 56 != 0)
    }
}

/// Spans that are read at once.
#[derive(Debug)]
struct Stretch {
    offset: u64,
    words: usize,
    spans: Vec<Span>,
}

impl Reads {
    /// The reads of a plan's gate, which come first in a row, and those of the whole row. `None` if the
    /// plan's spans aren't made of whole words, one behind the other.
    pub(super) fn of(plan: &Plan) -> Option<[Reads; 2]> {
        let gate = Reads::new(plan.gate.iter(), &[])?;
        let row = Reads::new(plan.gate.iter().chain(&plan.spans), &plan.tails)?;
        Some([gate, row])
    }

    fn new<'a>(spans: impl Iterator<Item = &'a Span>, tails: &[Tail]) -> Option<Reads> {
        let tails: Vec<TailRead> = tails.iter().map(TailRead::of).collect::<Option<_>>()?;
        let is_tail = |word: &u32| tails.iter().any(|t| t.place.contains(&(*word as usize)));
        let mut next = 1;
        let mut words = Vec::new();
        let mut stretches: Vec<Stretch> = Vec::new();
        for span in spans {
            if span.dst != next {
                return None;
            }
            next += span.words;
            let start = u32::try_from(span.offset).ok()?;
            let places = (span.dst..next).filter(|word| !is_tail(word));
            words.extend(places.map(|word| (start + 8 * (word - span.dst), word)));
            match stretches.last_mut() {
                Some(last) if last.takes(span) => {
                    last.words = ((span.offset - last.offset) / 8) as usize + span.words as usize;
                    last.spans.push(*span);
                }
                _ => stretches.push(Stretch {
                    offset: span.offset,
                    words: span.words as usize,
                    spans: vec![*span],
                }),
            }
        }
        let longest = stretches.iter().map(|s| s.words).max().unwrap_or(0);
        Some(Reads {
            words: WordList::placed(words)?,
            tails,
            room: next as usize,
            stretches,
            buffer: vec![0; longest],
        })
    }

    /// Reads a mapped row's words into `row`, and of its tails those that are needed; gives their bits.
    /// `held` are those that stand in `row` from an earlier one. Asks for the lines of another row
    /// meanwhile. `None`: this isn't such a row.
    #[inline]
    pub(super) fn gather(
        &self,
        place: Proven<'_>,
        next: Option<Proven<'_>>,
        row: &mut [u64],
        held: u64,
    ) -> Option<u64> {
        match next {
            Some(next) => place.gather_asking(&self.words, row, next)?,
            None => place.gather(&self.words, row)?,
        }
        let mut read = 0;
        for (number, tail) in self.tails.iter().enumerate() {
            if tail.is_needed(row) {
                place.gather(&tail.words, row)?;
                read |= 1 << number;
            }
        }
        if held & !read != 0 {
            self.clear(held & !read, row);
        }
        Some(read)
    }

    /// Zeroes tails that stand in `row` from an earlier one.
    #[cold]
    fn clear(&self, held: u64, row: &mut [u64]) {
        for (number, tail) in self.tails.iter().enumerate() {
            if held >> number & 1 != 0 {
                row[tail.place.clone()].fill(0);
            }
        }
    }

    /// Whether a mapped row's words, and these tails, are now as they stand in `row`.
    #[inline]
    pub(super) fn same(&self, place: Proven<'_>, row: &[u64], tails: u64) -> Option<bool> {
        let mut same = place.same(&self.words, row)?;
        if tails != 0 {
            for (number, tail) in self.tails.iter().enumerate() {
                let read = tails >> number & 1 != 0;
                same &= !read || place.same(&tail.words, row)?;
            }
        }
        Some(same)
    }

    /// Reads a row of any memory, into the words behind the first one of `row`.
    pub(super) fn read(
        &mut self,
        space: &dyn AddressSpace,
        spot: Spot,
        row: &mut [u64],
    ) -> Result<(), Fault> {
        for stretch in &self.stretches {
            let whole = &mut self.buffer[..stretch.words];
            space.read_words(spot, stretch.offset, whole)?;
            for span in &stretch.spans {
                let from = ((span.offset - stretch.offset) / 8) as usize;
                let (to, n) = (span.dst as usize, span.words as usize);
                row[to..to + n].copy_from_slice(&whole[from..from + n]);
            }
        }
        Ok(())
    }
}

impl Stretch {
    fn takes(&self, span: &Span) -> bool {
        let end = self.offset + self.words as u64 * 8;
        span.offset >= end && span.offset - end <= STRETCH_GAP
    }
}
