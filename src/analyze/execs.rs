//! Exact counts of distinct executions by group, in little memory.
//!
//! An execution is a statement's number and SQL_EXEC_ID. What is new is gathered, sorted and laid
//! down as a run: executions of one statement in one group together, four bytes each, so that
//! nothing is searched for and nothing small is allocated. Runs are merged whenever they hold twice
//! what was distinct at the last time. Executions of a statement are numbered as time goes by, so
//! that most merging is copying.
//!
//! Callers: [`super::sums`].

use super::shares::{in_parallel, threads};

/// Executions gathered before they are laid down, at first and at most.
const FEWEST_FRESH: usize = 1 << 13;
const MOST_FRESH: usize = 1 << 20;
/// Executions held before runs are merged for the first time.
const FEWEST_HELD: usize = 1 << 16;
/// Executions that are worth a thread.
const WORTH_A_THREAD: usize = 1 << 20;

/// Distinct executions of groups.
#[derive(Default)]
pub(super) struct Execs {
    /// Groups with the statement (upper half) and SQL_EXEC_ID (lower half).
    fresh: Vec<(u32, u64)>,
    fresh_limit: usize,
    runs: Vec<Run>,
    /// Executions of all runs.
    held: usize,
    held_limit: usize,
}

/// Executions laid down: by group and statement, each sorted and once.
#[derive(Default)]
struct Run {
    /// Sorted by key.
    cells: Vec<Cell>,
    execs: Vec<u32>,
}

/// The executions of one statement in one group.
#[derive(Clone, Copy)]
struct Cell {
    /// The group (upper half) and the statement (lower half).
    key: u64,
    from: u32,
    until: u32,
}

impl Run {
    fn execs_of(&self, cell: &Cell) -> &[u32] {
        &self.execs[cell.from as usize..cell.until as usize]
    }
}

impl Execs {
    /// Adds an execution: `exec` is a statement's number (upper half) and SQL_EXEC_ID (lower half).
    #[inline]
    pub(super) fn insert(&mut self, group: u32, exec: u64) {
        if self.fresh.len() >= self.fresh_limit {
            self.make_room();
        }
        self.fresh.push((group, exec));
    }

    /// Makes room for more: a run of what is fresh, unless that is mostly the same again and again.
    fn make_room(&mut self) {
        let all = self.fresh.len();
        sort(&mut self.fresh);
        let distinct = self.fresh.len();
        if distinct > all / 2 {
            self.lay_down();
            self.merge_if_due();
        }
        self.fresh_limit = (distinct * 2).clamp(FEWEST_FRESH, MOST_FRESH);
    }

    /// Makes a run of what is fresh, which is sorted.
    fn lay_down(&mut self) {
        let mut run = Run {
            cells: Vec::new(),
            execs: Vec::with_capacity(self.fresh.len()),
        };
        for (group, exec) in self.fresh.drain(..) {
            let key = key_of(group, (exec >> 32) as u32);
            run.execs.push(exec as u32);
            let until = run.execs.len() as u32;
            match run.cells.last_mut() {
                Some(cell) if cell.key == key => cell.until = until,
                _ => run.cells.push(Cell {
                    key,
                    from: until - 1,
                    until,
                }),
            }
        }
        self.held += run.execs.len();
        self.runs.push(run);
    }

    fn merge_if_due(&mut self) {
        // places in a run are of 32 bits
        if self.held < self.held_limit.max(FEWEST_HELD) || self.held > u32::MAX as usize {
            return;
        }
        let mut merged = Run {
            cells: Vec::new(),
            execs: Vec::with_capacity(self.held),
        };
        each_cell(&self.runs, 0, u64::MAX, |key, execs| {
            let from = merged.execs.len() as u32;
            merged.execs.extend_from_slice(execs);
            let until = merged.execs.len() as u32;
            merged.cells.push(Cell { key, from, until });
        });
        merged.execs.shrink_to_fit();
        self.held = merged.execs.len();
        self.held_limit = self.held * 2;
        self.runs = vec![merged];
    }

    /// Takes over what another thread found: `group` and `sql` give our numbers of its.
    pub(super) fn absorb(
        &mut self,
        other: Execs,
        group: impl Fn(u32) -> u32,
        sql: impl Fn(u32) -> u32,
    ) {
        for (of, exec) in &other.fresh {
            let ours = u64::from(sql((exec >> 32) as u32)) << 32;
            self.insert(group(*of), ours | (exec & 0xFFFF_FFFF));
        }
        for mut run in other.runs {
            for cell in &mut run.cells {
                cell.key = key_of(group((cell.key >> 32) as u32), sql(cell.key as u32));
            }
            run.cells.sort_unstable_by_key(|cell| cell.key);
            self.held += run.execs.len();
            self.runs.push(run);
        }
    }

    /// How many distinct executions each of `groups` groups has.
    pub(super) fn counts(mut self, groups: usize) -> Vec<u64> {
        sort(&mut self.fresh);
        self.lay_down();
        let runs = &self.runs;
        let pieces = pieces(runs, threads().min(1 + self.held / WORTH_A_THREAD));
        let counted = in_parallel(pieces, |_, (from, until)| {
            let mut counts: Vec<(u32, u64)> = Vec::new();
            each_cell(runs, from, until, |key, execs| {
                let (group, more) = ((key >> 32) as u32, execs.len() as u64);
                match counts.last_mut() {
                    Some((last, count)) if *last == group => *count += more,
                    _ => counts.push((group, more)),
                }
            });
            counts
        });
        let mut counts = vec![0; groups];
        for (group, more) in counted.into_iter().flatten() {
            if let Some(count) = counts.get_mut(group as usize) {
                *count += more;
            }
        }
        counts
    }
}

fn key_of(group: u32, sql: u32) -> u64 {
    (u64::from(group) << 32) | u64::from(sql)
}

/// Sorts as tuples are sorted, each once; by one number of 64 bits if all bits fit into it.
fn sort(fresh: &mut Vec<(u32, u64)>) {
    let bits = |any: u32| 32 - any.leading_zeros();
    let any = fresh.iter().fold((0, 0), |any: (u32, u64), (group, exec)| {
        (any.0 | group, any.1 | exec)
    });
    let sql_bits = bits((any.1 >> 32) as u32);
    if bits(any.0).max(1) + sql_bits > 32 {
        fresh.sort_unstable();
        return fresh.dedup();
    }
    let shift = 32 + sql_bits;
    let packed = fresh.drain(..);
    let mut packed: Vec<u64> = packed
        .map(|(group, exec)| (u64::from(group) << shift) | exec)
        .collect();
    sort_by_digits(&mut packed);
    packed.dedup();
    let exec_bits = (1 << shift) - 1;
    fresh.extend(packed.iter().map(|p| ((p >> shift) as u32, p & exec_bits)));
}

/// Bits of a digit: a table of counts for them fits into a processor's nearest cache.
const DIGIT_BITS: u32 = 11;

/// Sorts numbers digit by digit, from the least (a radix sort); bits that are the same in all are
/// left out.
fn sort_by_digits(numbers: &mut Vec<u64>) {
    const DIGITS: usize = 1 << DIGIT_BITS;
    let first = numbers.first().copied().unwrap_or(0);
    let mut differ = numbers
        .iter()
        .fold(0, |bits, number| bits | (number ^ first));
    let mut other = vec![0; numbers.len()];
    while differ != 0 {
        let shift = differ.trailing_zeros();
        let digit = |number: u64| (number >> shift) as usize % DIGITS;
        differ &= !((DIGITS as u64 - 1) << shift);
        let mut places = [0usize; DIGITS];
        for number in numbers.iter() {
            places[digit(*number)] += 1;
        }
        let mut next = 0;
        for place in &mut places {
            next += std::mem::replace(place, next);
        }
        for number in numbers.iter() {
            let place = &mut places[digit(*number)];
            other[*place] = *number;
            *place += 1;
        }
        std::mem::swap(numbers, &mut other);
    }
}

/// Keys cut into at most `most` pieces that have some as many statements each.
fn pieces(runs: &[Run], most: usize) -> Vec<(u64, u64)> {
    let Some(largest) = runs.iter().max_by_key(|run| run.cells.len()) else {
        return Vec::new();
    };
    let mut from = 0;
    let mut pieces = Vec::new();
    for piece in 1..most {
        let cut = largest.cells.get(largest.cells.len() * piece / most);
        if let Some(cut) = cut.map(|cell| cell.key).filter(|cut| *cut > from) {
            pieces.push((from, cut));
            from = cut;
        }
    }
    // no statement has the greatest number
    pieces.push((from, u64::MAX));
    pieces
}

/// Gives `out` each key from `from` on and before `until`, and its executions in all runs, sorted
/// and once.
fn each_cell(runs: &[Run], from: u64, until: u64, mut out: impl FnMut(u64, &[u32])) {
    let mut left: Vec<(&Run, &[Cell])> = Vec::with_capacity(runs.len());
    for run in runs {
        let at = |key: u64| run.cells.partition_point(|cell| cell.key < key);
        left.push((run, &run.cells[at(from)..at(until)]));
    }
    let mut joined: Vec<u32> = Vec::new();
    loop {
        left.retain(|(_, cells)| !cells.is_empty());
        let Some(key) = left.iter().map(|(_, cells)| cells[0].key).min() else {
            return;
        };
        joined.clear();
        let mut ascending = true;
        for (run, cells) in &mut left {
            // another thread's numbers may be several times the same of ours
            while let Some((cell, rest)) = cells.split_first().filter(|(c, _)| c.key == key) {
                let execs = run.execs_of(cell);
                ascending &= joined.last() < execs.first();
                joined.extend_from_slice(execs);
                *cells = rest;
            }
        }
        if !ascending {
            // what is sorted already is only merged
            joined.sort();
            joined.dedup();
        }
        out(key, &joined);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn exec(sql: u32, exec: u32) -> u64 {
        (u64::from(sql) << 32) | u64::from(exec)
    }

    proptest! {
        #[test]
        fn digits_sort_as_comparing_does(
            mut numbers in prop::collection::vec(
                prop_oneof![any::<u64>(), 0u64..50, (0u64..9).prop_map(|n| n << 60 | 7)], 0..300,
            ),
        ) {
            let mut expected = numbers.clone();
            expected.sort_unstable();
            sort_by_digits(&mut numbers);
            prop_assert_eq!(numbers, expected);
        }

        #[test]
        fn executions_are_counted_as_a_set_counts(
            mine in prop::collection::vec((0u32..4, 0u32..9, 0u32..300), 0..900),
            theirs in prop::collection::vec((0u32..4, 0u32..9, 0u32..300), 0..900),
            wide in any::<bool>(),
            often in 1usize..30,
        ) {
            // numbers that don't fit into 64 bits together, and such that do
            let stride = if wide { 1 << 20 } else { 1 };
            let (mut a, mut b) = (Execs::default(), Execs::default());
            for (n, (group, sql, id)) in mine.iter().enumerate() {
                a.insert(*group * stride, exec(*sql * stride, *id));
                if n % often == 0 {
                    a.make_room();
                }
            }
            for (n, (group, sql, id)) in theirs.iter().enumerate() {
                // the other's numbers are ours backwards
                b.insert((3 - *group) * stride, exec((8 - *sql) * stride, *id));
                if n % often == 0 {
                    b.make_room();
                }
            }
            a.absorb(b, |group| 3 * stride - group, |sql| 8 * stride - sql);
            let set: BTreeSet<_> = mine.into_iter().chain(theirs).collect();
            let expected: Vec<u64> = (0..4)
                .map(|group| set.iter().filter(|(g, ..)| *g == group).count() as u64)
                .collect();
            let found = a.counts(3 * stride as usize + 1);
            let found: Vec<u64> = (0..4).map(|group| found[(group * stride) as usize]).collect();
            prop_assert_eq!(found, expected);
        }
    }

    /// The same over several threads, and after merging.
    #[test]
    fn many_are_counted_and_held_once() {
        let mut execs = Execs::default();
        for round in 0..3u32 {
            for n in 0..1_500_000u32 {
                execs.insert(n % 7, exec(n % 1_000, n.wrapping_mul(40_503) & 0xFF_FFFF));
            }
            // what was there before is held twice at most, until it is merged
            assert!(execs.held <= (round as usize + 1).min(2) * 1_500_000);
        }
        let mut expected = vec![BTreeSet::new(); 7];
        for n in 0..1_500_000u32 {
            expected[n as usize % 7].insert((n % 1_000, n.wrapping_mul(40_503) & 0xFF_FFFF));
        }
        let expected: Vec<u64> = expected.iter().map(|set| set.len() as u64).collect();
        assert_eq!(execs.counts(7), expected);
    }

    #[test]
    fn repeated_executions_take_no_memory() {
        let mut execs = Execs::default();
        for round in 0..1_000_000u32 {
            execs.insert(round % 3, exec(round % 5, round % 7));
        }
        assert!(execs.runs.is_empty() && execs.fresh.capacity() <= 2 * FEWEST_FRESH);
        assert_eq!(execs.counts(3), [35, 35, 35]);
    }
}
