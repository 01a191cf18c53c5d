//! The words, and of each the bits, that columns are made of: whoever keeps them finds out without
//! decoding whether a slot still shows what it showed last.
//!
//! Not for: what the values are. Callers: `basis`, `decoder`, and through it `sample::rows`.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::plan::FieldRef;

/// Whole words in a row that are worth one comparison of memory; fewer are compared one by one.
const WORTH_A_RUN: usize = 4;

/// Which bits of a row matter, and some beside them: all of a word that a wide field touches.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Words that matter as a whole.
    runs: Vec<Range<usize>>,
    /// Other words, each with the bits that matter.
    parts: Vec<(usize, u64)>,
    len: usize,
}

impl Inputs {
    /// The bits of these fields, and of the first word those that say that a field's chase faulted.
    pub(super) fn of(fields: impl Iterator<Item = FieldRef>) -> Inputs {
        let mut masks: BTreeMap<usize, u64> = BTreeMap::new();
        for field in fields {
            for byte in field.byte..field.byte.saturating_add(field.size) {
                let mask = masks.entry((byte / 8) as usize).or_default();
                *mask |= match field.size {
                    0..8 => 0xFF << (byte % 8 * 8),
                    // a neighbour's change costs a look more, masks would cost each look
                    _ => u64::MAX,
                };
            }
            if let Some(chase) = field.chase {
                *masks.entry(0).or_default() |= 1 << (chase % 64);
            }
        }
        Inputs::of_masks(masks)
    }

    fn of_masks(masks: BTreeMap<usize, u64>) -> Inputs {
        let masks: Vec<(usize, u64)> = masks.into_iter().collect();
        let mut inputs = Inputs {
            len: masks.len(),
            ..Inputs::default()
        };
        let next_whole = |a: &(usize, u64), b: &(usize, u64)| {
            b.0 == a.0 + 1 && a.1 == u64::MAX && b.1 == u64::MAX
        };
        for run in masks.chunk_by(next_whole) {
            match run.first() {
                Some((first, _)) if run.len() >= WORTH_A_RUN => {
                    inputs.runs.push(*first..first + run.len());
                }
                _ => inputs.parts.extend(run),
            }
        }
        inputs
    }

    /// Words that [`Inputs::keep`] keeps.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The word that matters, and its bits, if there is only one.
    #[inline]
    pub fn single(&self) -> Option<(usize, u64)> {
        match self.parts.as_slice() {
            [part] if self.runs.is_empty() => Some(*part),
            _ => None,
        }
    }

    /// Whether nothing of the row matters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps what matters of a row in [`Inputs::len`] words, for [`Inputs::same`].
    pub fn keep(&self, words: &[u64], kept: &mut [u64]) {
        let Some((parts, mut rest)) = kept.split_at_mut_checked(self.parts.len()) else {
            return;
        };
        for (kept, (at, mask)) in parts.iter_mut().zip(&self.parts) {
            *kept = words.get(*at).copied().unwrap_or(0) & mask;
        }
        for run in &self.runs {
            let (Some(now), Some((then, after))) =
                (words.get(run.clone()), rest.split_at_mut_checked(run.len()))
            else {
                return;
            };
            then.copy_from_slice(now);
            rest = after;
        }
    }

    /// Whether there are many words side by side: such as texts have.
    pub fn is_wide(&self) -> bool {
        !self.runs.is_empty()
    }

    /// What matters to any of these.
    pub fn union<'a>(all: impl Iterator<Item = &'a Inputs>) -> Inputs {
        let mut masks: BTreeMap<usize, u64> = BTreeMap::new();
        for inputs in all {
            let whole = inputs.runs.iter().cloned().flatten();
            let whole = whole.map(|at| (at, u64::MAX));
            for (at, mask) in inputs.parts.iter().copied().chain(whole) {
                *masks.entry(at).or_default() |= mask;
            }
        }
        Inputs::of_masks(masks)
    }

    /// Whether a row shows in what matters the same as the row that was kept.
    #[inline]
    pub fn same(&self, words: &[u64], kept: &[u64]) -> bool {
        let Some((parts, mut rest)) = kept.split_at_checked(self.parts.len()) else {
            return false;
        };
        let mut differ = 0;
        for ((at, mask), kept) in self.parts.iter().zip(parts) {
            differ |= (words.get(*at).copied().unwrap_or(0) & mask) ^ kept;
        }
        if differ != 0 {
            return false;
        }
        for run in &self.runs {
            let (Some(now), Some((then, after))) =
                (words.get(run.clone()), rest.split_at_checked(run.len()))
            else {
                return false;
            };
            if now != then {
                return false;
            }
            rest = after;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::model::Stored;

    fn field(byte: u32, size: u32, chase: Option<u8>) -> FieldRef {
        FieldRef::new(byte, size, Stored::Uint, chase)
    }

    /// A bit's change is seen if it matters, and else only beside a wide field.
    #[test]
    fn every_bit_that_matters_is_compared_and_few_others() {
        let fields = [
            field(8, 2, None),
            field(21, 70, None),
            field(96, 8, Some(3)),
        ];
        let inputs = Inputs::of(fields.into_iter());
        let row: Vec<u64> = (1..64).map(|n| n * 0x0123_4567_89AB_CDEF).collect();
        let mut kept = vec![0; inputs.len()];
        inputs.keep(&row, &mut kept);
        assert!(inputs.same(&row, &kept));
        for bit in 0..row.len() * 64 {
            let mut other = row.clone();
            other[bit / 64] ^= 1 << (bit % 64);
            let inside = |f: &FieldRef| {
                let (mut first, mut end) = (f.byte as usize * 8, (f.byte + f.size) as usize * 8);
                if f.size >= 8 {
                    (first, end) = (first / 64 * 64, end.next_multiple_of(64));
                }
                let bits = first..end;
                bits.contains(&bit) || f.chase.is_some_and(|c| usize::from(c) == bit)
            };
            let matters = fields.iter().any(inside);
            assert_eq!(!inputs.same(&other, &kept), matters, "bit {bit}");
        }
        assert!(!inputs.same(&row, &[]), "nothing was kept");
        let both = [
            inputs.clone(),
            Inputs::of([field(480, 8, None)].into_iter()),
        ];
        let both = Inputs::union(both.iter());
        let mut kept_of_both = vec![0; both.len()];
        both.keep(&row, &mut kept_of_both);
        for bit in 0..row.len() * 64 {
            let mut other = row.clone();
            other[bit / 64] ^= 1 << (bit % 64);
            let matters = !inputs.same(&other, &kept) || bit / 64 == 60;
            assert_eq!(
                !both.same(&other, &kept_of_both),
                matters,
                "bit {bit} of both"
            );
        }
        assert!(!inputs.same(&row[..4], &kept), "a row that is too short");
    }
}
