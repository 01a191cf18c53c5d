//! What is read of a row, in the form that each kind of memory reads fastest.
//!
//! Mapped memory is read word by word: a word too many costs as much as a word that is wanted, a
//! jump to another line costs nothing. Other memory is read in stretches, since each read of it is
//! a system call or a look-up, and a few bytes between two spans cost less than another of those.

use crate::memory::{AddressSpace, Fault, Spot, WordList};
use crate::plan::{Plan, Span};

/// Bytes between two spans up to which other memory is read in one stretch. Not more than a cache
/// line, since what no plan reads may not have been captured.
pub(super) const STRETCH_GAP: u64 = 64;

/// Words of a row that are read together.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Their places in the row.
    pub(super) words: WordList,
    stretches: Vec<Stretch>,
    /// Where a stretch is read to.
    buffer: Vec<u64>,
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
        let gate = Reads::new(plan.gate.iter())?;
        let row = Reads::new(plan.gate.iter().chain(&plan.spans))?;
        Some([gate, row])
    }

    fn new<'a>(spans: impl Iterator<Item = &'a Span> + Clone) -> Option<Reads> {
        let mut next = 1;
        let mut offsets = Vec::new();
        let mut stretches: Vec<Stretch> = Vec::new();
        for span in spans {
            if span.dst != next {
                return None;
            }
            next += span.words;
            let start = u32::try_from(span.offset).ok()?;
            offsets.extend((0..span.words).map(|i| start + 8 * i));
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
            words: WordList::new(offsets)?,
            stretches,
            buffer: vec![0; longest],
        })
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
