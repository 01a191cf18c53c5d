//! Which words of a row are read, and in which cache lines they are: checked once, read for thousands
//! of rows by [`super::Proven`].
//!
//! Not for: reading (that is `raw`), or deciding what is read (that is `plan`).

/// Bytes of a word.
pub(super) const WORD: usize = size_of::<u64>();

/// Places of words within a row and where each is copied to, all checked once: multiples of 8, none
/// past `reach`, no target past `room`.
#[derive(Clone, Debug, Default)]
pub struct WordList {
    /// Neighbours that stay neighbours, read two at once; a word may be in two of these.
    pub(super) twos: Box<[Move]>,
    /// All other words.
    pub(super) ones: Box<[Move]>,
    /// How many words.
    len: usize,
    /// Bytes from the row's start behind the last of them.
    pub(super) reach: usize,
    /// Words from the start of the copy behind the last of them.
    pub(super) room: usize,
    /// The first word of each line, for a row that begins 8 × i bytes into one.
    pub(super) lines: [Box<[u32]>; LINE / WORD],
}

/// Where a word is, and where it is copied to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    /// Bytes from the row's start.
    pub(super) from: u32,
    /// Words from the start of the copy.
    pub(super) to: u32,
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
    /// The words at these offsets, copied one behind the other; `None` when one isn't a multiple of 8.
    pub fn new(offsets: impl IntoIterator<Item = u32>) -> Option<WordList> {
        WordList::placed(offsets.into_iter().zip(0..))
    }

    /// The words at these offsets, each with where in the copy it goes (in words); `None` when an offset
    /// isn't a multiple of 8.
    pub fn placed(words: impl IntoIterator<Item = (u32, u32)>) -> Option<WordList> {
        let moves = words.into_iter().map(|(from, to)| Move { from, to });
        let moves: Vec<Move> = moves.collect();
        let offsets: Vec<u32> = moves.iter().map(|at| at.from).collect();
        let (mut twos, mut ones) = (Vec::new(), Vec::new());
        for run in moves.chunk_by(|a, b| a.from + WORD as u32 == b.from && a.to + 1 == b.to) {
            match run {
                [one] => ones.push(*one),
                _ => {
                    twos.extend(run.chunks_exact(2).map(|two| two[0]));
                    // the last word of an odd number, with the one before it once more
                    twos.extend((run.len() % 2 == 1).then(|| run[run.len() - 2]));
                }
            }
        }
        Some(WordList {
            twos: twos.into(),
            ones: ones.into(),
            len: moves.len(),
            reach: reach_of(&offsets)?,
            room: moves.iter().map(|at| at.to as usize + 1).max().unwrap_or(0),
            lines: std::array::from_fn(|skip| lines_of(&offsets, skip).into()),
        })
    }

    /// How many words.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first word of each cache line that a row costs which begins `start` bytes into its
    /// mapping, in ascending order.
    pub fn lines(&self, start: usize) -> &[u32] {
        &self.lines[start / WORD % (LINE / WORD)]
    }
}

/// Words of several rows at once, each row with a list of its own, all copied to one place.
#[derive(Clone, Debug, Default)]
pub struct ManyWords {
    /// Neighbours that stay neighbours, and all other words.
    pub(super) twos: Box<[MoveOf]>,
    pub(super) ones: Box<[MoveOf]>,
    /// The bytes that each row's list reaches.
    pub(super) reach: Box<[usize]>,
    /// Words from the start of the copy behind the last of them.
    pub(super) room: usize,
}

/// A word of one of several rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct MoveOf {
    pub(super) at: Move,
    /// Which row.
    pub(super) row: u32,
}

impl ManyWords {
    /// The words of these lists, one for each row.
    pub fn of<'a>(lists: impl Iterator<Item = &'a WordList> + Clone) -> ManyWords {
        let moves = |of: fn(&WordList) -> &[Move]| {
            let rows = (0..).zip(lists.clone());
            rows.flat_map(|(row, list)| of(list).iter().map(move |at| MoveOf { at: *at, row }))
                .collect()
        };
        ManyWords {
            twos: moves(|list| &list.twos),
            ones: moves(|list| &list.ones),
            reach: lists.clone().map(|list| list.reach).collect(),
            room: lists.map(|list| list.room).max().unwrap_or(0),
        }
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
