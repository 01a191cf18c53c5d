//! What is read of counters, counted.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::memory::{BytesSpace, Fault, Region, Spot};
use crate::plan::Span;

/// Memory that counts the words read of it.
struct Counting {
    bytes: BytesSpace,
    words: AtomicUsize,
}

impl AddressSpace for Counting {
    fn regions(&self) -> &[Region] {
        self.bytes.regions()
    }

    fn kind(&self) -> &'static str {
        self.bytes.kind()
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        self.words.fetch_add(out.len(), Ordering::Relaxed);
        self.bytes.read_words(spot, offset, out)
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.words
            .fetch_add(out.len().div_ceil(8), Ordering::Relaxed);
        self.bytes.read_bytes(spot, offset, out)
    }
}

const ARRAY: u64 = 0x7000_0000;

/// 2,000 counters, of which counter n is 3 n.
fn memory() -> Counting {
    let bytes = (0..2_000u64).flat_map(|n| (3 * n).to_le_bytes()).collect();
    Counting {
        bytes: BytesSpace::new(vec![(TargetAddr(ARRAY), bytes)]).unwrap(),
        words: AtomicUsize::new(0),
    }
}

fn plan() -> StatisticPlan {
    let counter = |name: &str, words: &[u32]| Counter {
        name: name.into(),
        number: 0,
        words: words.to_vec(),
        divisor: 1,
        is_maximum: false,
    };
    let span = |slot: u64, words, dst| Span {
        offset: slot * 8,
        words,
        dst,
    };
    StatisticPlan {
        spans: vec![span(14, 1, 0), span(159, 11, 1)],
        words: 12,
        reach: 170 * 8,
        counters: vec![counter("a", &[0]), counter("b", &[1, 11])],
        ..StatisticPlan::default()
    }
}

#[test]
fn only_the_needed_counters_are_read() {
    let (space, plan) = (memory(), plan());
    let mut words = vec![0; plan.words];
    copy(&space, TargetAddr(ARRAY), &plan, &mut words).unwrap();
    assert_eq!(space.words.load(Ordering::Relaxed), 12, "of 2,000");
    let values: Vec<u64> = plan.counters.iter().map(|c| shown(c, &words)).collect();
    assert_eq!(values, [3 * 14, 3 * 159 + 3 * 169]);
}

#[test]
fn a_wild_pointer_is_no_value() {
    let (space, plan) = (memory(), plan());
    let mut words = vec![0; plan.words];
    for at in [0, 1, ARRAY - 8, ARRAY + 8 * 1_990, u64::MAX - 7] {
        assert_eq!(
            copy(&space, TargetAddr(at), &plan, &mut words),
            None,
            "{at:#x}"
        );
    }
    assert_eq!(space.words.load(Ordering::Relaxed), 0, "nothing was read");
}

#[test]
fn zeros_take_no_room_and_are_values() {
    let one = SessionStatistics(&[(1, 7), (5, 9)]);
    assert_eq!([0, 1, 2, 5, 6].map(|p| one.get(p)), [0, 7, 0, 9, 0]);
    assert_eq!(one.non_zero().collect::<Vec<_>>(), [(1, 7), (5, 9)]);
}

/// In any order of words, with and without parts, what is found is what the counters say one by one.
#[test]
fn runs_find_what_the_counters_say() {
    let counter = |words: &[u32], divisor| Counter {
        name: String::new(),
        number: 0,
        words: words.to_vec(),
        divisor,
        is_maximum: false,
    };
    let plain = |w: u32| counter(&[w], 1);
    let counters = [
        plain(0),
        plain(1),
        counter(&[2, 3], 1),
        plain(3),
        plain(4),
        counter(&[5], 10),
        plain(5),
        plain(2),
    ];
    let runs = Run::of(&counters);
    assert_eq!(runs.len(), 6, "0-1, parts, 3-4, divided, 5, 2");
    for words in [[1, 0, 3, 4, 0, 60], [0; 6], [7; 6], [0, 9, 0, 0, 1, 5]] {
        let mut found = vec![(0, 0); counters.len()];
        let used = non_zero(&runs, &counters, &words, &mut found);
        let each = counters.iter().map(|c| shown(c, &words));
        let expected: Vec<(u32, u64)> = (0..).zip(each).filter(|v| v.1 != 0).collect();
        assert_eq!(found[..used], expected, "{words:?}");
    }
}
