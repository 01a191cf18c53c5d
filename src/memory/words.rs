//! Which words of a row are read, and in which cache lines they are: checked once, read for thousands
//! of rows by [`super::Proven`].
//!
//! Not for: reading (that is `raw`), or deciding what is read (that is `plan`).

/// Bytes of a word.
pub(super) const WORD: usize = size_of::<u64>();

/// Places of words within a row, all checked once: multiples of 8, none past `reach`.
#[derive(Clone, Debug, Default)]
pub struct WordList {
    /// Bytes from the row's start.
    pub(super) offsets: Box<[u32]>,
    /// Bytes from the row's start behind the last of them.
    pub(super) reach: usize,
    /// The first word of each line, for a row that begins 8 × i bytes into one.
    pub(super) lines: [Box<[u32]>; LINE / WORD],
}

/// A few words of a row in an order of their own, to be read without a loop.
#[derive(Clone, Copy, Debug)]
pub struct FewWords<const N: usize> {
    pub(super) offsets: [u32; N],
    pub(super) reach: usize,
    /// A word in each line, for a row that begins 8 × i bytes into one; some lines more than once.
    pub(super) lines: [[u32; N]; LINE / WORD],
}

/// Bytes of a cache line, of every x86-64 processor.
pub const LINE: usize = 64;

impl WordList {
    /// The words at these offsets, in this order; `None` when one isn't a multiple of 8.
    pub fn new(offsets: impl IntoIterator<Item = u32>) -> Option<WordList> {
        let offsets: Box<[u32]> = offsets.into_iter().collect();
        Some(WordList {
            reach: reach_of(&offsets)?,
            lines: std::array::from_fn(|skip| lines_of(&offsets, skip).into()),
            offsets,
        })
    }

    /// How many words.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The first word of each cache line that a row costs which begins `start` bytes into its
    /// mapping, in ascending order.
    pub fn lines(&self, start: usize) -> &[u32] {
        &self.lines[start / WORD % (LINE / WORD)]
    }
}

impl<const N: usize> FewWords<N> {
    /// The words at these offsets, in this order; `None` when one isn't a multiple of 8.
    pub fn new(offsets: [u32; N]) -> Option<FewWords<N>> {
        let lines = |skip| {
            let firsts = lines_of(&offsets, skip);
            let last = firsts.last().copied().unwrap_or(0);
            std::array::from_fn(|i| firsts.get(i).copied().unwrap_or(last))
        };
        Some(FewWords {
            offsets,
            reach: reach_of(&offsets)?,
            lines: std::array::from_fn(lines),
        })
    }
}

/// Bytes from a row's start behind the last word; `None` when an offset isn't a multiple of 8.
fn reach_of(offsets: &[u32]) -> Option<usize> {
    let whole = |at: &u32| (*at as usize).is_multiple_of(WORD);
    let reach = offsets.iter().map(|at| *at as usize + WORD).max();
    offsets.iter().all(whole).then_some(reach.unwrap_or(0))
}

/// The first word of each line, for a row that begins 8 × `skip` bytes into one.
fn lines_of(offsets: &[u32], skip: usize) -> Vec<u32> {
    let mut firsts = offsets.to_vec();
    firsts.sort_unstable();
    firsts.dedup_by_key(|at| (*at as usize + skip * WORD) / LINE);
    firsts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_where_the_row_begins() {
        assert!(WordList::new([8, 12]).is_none(), "words are aligned");
        let list = WordList::new([0, 8, 56, 64, 120]).unwrap();
        assert_eq!(list.lines(4096), [0, 64]);
        assert_eq!(list.lines(4096 + 8), [0, 56, 120]);
        assert_eq!(list.lines(56), [0, 8, 120]);
        assert!(FewWords::new([8, 12]).is_none(), "words are aligned");
    }
}
