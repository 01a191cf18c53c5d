//! Exact counts of distinct ticks in little memory.
//!
//! Callers: [`super::sums`].

/// Numbers of ticks of a slice: few as a list, many as bits.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticks {
    few: Vec<u32>,
    bits: Vec<u64>,
}

/// Numbers in a list at most.
const FEW: usize = 64;

impl Ticks {
    #[inline]
    pub(super) fn insert(&mut self, number: u32) {
        if self.bits.is_empty() {
            if self.few.last() == Some(&number) {
                return;
            }
            if self.few.len() < FEW {
                return self.few.push(number);
            }
            self.few.sort_unstable();
            self.few.dedup();
            if self.few.len() < FEW / 2 {
                return self.few.push(number);
            }
            for few in std::mem::take(&mut self.few) {
                self.set(few);
            }
        }
        self.set(number);
    }

    #[inline]
    fn set(&mut self, number: u32) {
        let word = number as usize / 64;
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (number % 64);
    }

    /// How many distinct ones there were; none are left.
    pub(super) fn take_count(&mut self) -> u64 {
        self.few.sort_unstable();
        self.few.dedup();
        let bits = self.bits.iter().map(|word| u64::from(word.count_ones()));
        let count = bits.sum::<u64>() + self.few.len() as u64;
        self.few.clear();
        self.bits = Vec::new();
        count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ticks_are_counted_as_a_set_counts(slices in prop::collection::vec(
            prop::collection::vec(prop_oneof![0u32..20, 0u32..5_000], 0..400), 1..4,
        )) {
            let mut ticks = Ticks::default();
            for numbers in slices {
                for number in &numbers {
                    ticks.insert(*number);
                }
                let set: BTreeSet<_> = numbers.into_iter().collect();
                prop_assert_eq!(ticks.take_count(), set.len() as u64);
            }
        }
    }
}
