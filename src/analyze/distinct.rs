//! Exact counts of distinct values in little memory: of anything, of ticks, of executions.
//!
//! Callers: [`super::sums`].

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::symbols::Mix;

/// The distinct values of a stream: exact, and never more than twice their size in memory. Cheap
/// when equal values come together, as samples of one tick do.
#[derive(Clone, Debug)]
pub(super) struct Distinct<T> {
    items: Vec<T>,
    limit: usize,
}

const FIRST_LIMIT: usize = 32;

impl<T: Ord + Copy> Distinct<T> {
    pub(super) fn new() -> Distinct<T> {
        Distinct {
            items: Vec::new(),
            limit: FIRST_LIMIT,
        }
    }

    pub(super) fn insert(&mut self, item: T) {
        if self.items.last() == Some(&item) {
            return;
        }
        if self.items.len() >= self.limit {
            self.compact();
            self.limit = FIRST_LIMIT.max(self.items.len().saturating_mul(2));
        }
        self.items.push(item);
    }

    pub(super) fn count(&mut self) -> u64 {
        self.compact();
        self.items.len() as u64
    }

    fn absorb(&mut self, other: Distinct<T>) {
        if self.items.is_empty() {
            self.items = other.items;
        } else {
            self.items.extend(other.items);
        }
        self.compact();
        self.limit = FIRST_LIMIT.max(self.items.len().saturating_mul(2));
    }

    fn compact(&mut self) {
        if !self.items.is_sorted_by(|a, b| a < b) {
            self.items.sort_unstable();
            self.items.dedup();
        }
    }
}

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

/// Distinct executions of groups: pairs of a statement's number and SQL_EXEC_ID. Executions of one
/// statement in one group are held together, four bytes each.
#[derive(Default)]
pub(super) struct Execs {
    /// By group and statement.
    at: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    sets: Vec<(u64, Distinct<u32>)>,
}

impl Execs {
    pub(super) fn insert(&mut self, group: u32, sql: u32, exec: u32) {
        self.set(group, sql).insert(exec);
    }

    fn set(&mut self, group: u32, sql: u32) -> &mut Distinct<u32> {
        let key = (u64::from(group) << 32) | u64::from(sql);
        let next = self.sets.len();
        let at = *self.at.entry(key).or_insert(next as u32) as usize;
        if at == next {
            self.sets.push((key, Distinct::new()));
        }
        &mut self.sets[at].1
    }

    /// Takes over what another thread found: `group` and `sql` give our numbers of its.
    pub(super) fn absorb(
        &mut self,
        other: Execs,
        group: impl Fn(u32) -> u32,
        sql: impl Fn(u32) -> u32,
    ) {
        for (key, theirs) in other.sets {
            let mine = self.set(group((key >> 32) as u32), sql(key as u32));
            mine.absorb(theirs);
        }
    }

    /// Adds the counts to those of `groups`.
    pub(super) fn counts(&mut self, groups: usize) -> Vec<u64> {
        let mut counts = vec![0; groups];
        for (key, set) in &mut self.sets {
            if let Some(count) = counts.get_mut((*key >> 32) as usize) {
                *count += set.count();
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_what_a_set_counts(items in prop::collection::vec(0u32..300, 0..2_000)) {
            let mut distinct = Distinct::new();
            for item in &items {
                distinct.insert(*item);
            }
            let set: BTreeSet<_> = items.into_iter().collect();
            prop_assert_eq!(distinct.count(), set.len() as u64);
        }
    }

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

        #[test]
        fn executions_are_counted_as_a_set_counts(
            mine in prop::collection::vec((0u32..4, 0u32..9, 0u32..300), 0..900),
            theirs in prop::collection::vec((0u32..4, 0u32..9, 0u32..300), 0..900),
        ) {
            let (mut a, mut b) = (Execs::default(), Execs::default());
            for (group, sql, exec) in &mine {
                a.insert(*group, *sql, *exec);
            }
            for (group, sql, exec) in &theirs {
                // the other's numbers are ours backwards
                b.insert(3 - *group, 8 - *sql, *exec);
            }
            a.absorb(b, |group| 3 - group, |sql| 8 - sql);
            let set: BTreeSet<_> = mine.into_iter().chain(theirs).collect();
            let expected: Vec<u64> = (0..4)
                .map(|group| set.iter().filter(|(g, ..)| *g == group).count() as u64)
                .collect();
            prop_assert_eq!(a.counts(4), expected);
        }
    }

    #[test]
    fn repeated_values_take_no_memory() {
        let mut distinct = Distinct::new();
        for round in 0..10_000u32 {
            distinct.insert(round % 7);
        }
        assert!(distinct.items.capacity() <= 2 * FIRST_LIMIT);
        assert_eq!(distinct.count(), 7);
    }
}
