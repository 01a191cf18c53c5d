//! Exact counts of distinct values in little memory.

/// The distinct values of a stream: exact, and never more than twice their size in memory. Cheap
/// when equal values come together, as samples of one tick do.
#[derive(Clone, Debug)]
pub(super) struct Distinct<T> {
    items: Vec<T>,
    limit: usize,
}

const FIRST_LIMIT: usize = 64;

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

    /// The items, each once or more.
    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }

    fn compact(&mut self) {
        if !self.items.is_sorted_by(|a, b| a < b) {
            self.items.sort_unstable();
            self.items.dedup();
        }
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
