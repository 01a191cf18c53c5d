//! The floor: a bare loop over the very cache lines that a sweep needs.
//!
//! Per case the lines are listed beforehand, in the sweep's order: those of the gate's fields for
//! every row, and for the active rows also those of all other fields and of what is read behind
//! their pointers, each once; not those of the tails of texts, as none here is so long. The loop
//! does nothing but ask for the lines ahead and read the eight words of each. What it doesn't do,
//! and a sweep must: decide which rows are active, follow pointers, keep what was read, read again
//! and compare.

use sgascope::memory::TargetAddr;
use sgascope::plan::{Plan, Span, Tail};

use super::segment::Segment;

const LINE: u64 = 64;
/// Lines between the one asked for and the one read; the best of these is the floor.
const AHEAD: [usize; 5] = [8, 16, 24, 32, 48];

/// The lines of one case.
pub struct Floor {
    lines: Vec<*const u64>,
    ahead: usize,
}

impl Floor {
    pub fn new(segment: &Segment, plan: &Plan, active: &[usize]) -> Floor {
        let mut lines = Vec::new();
        let mut active = active.iter().peekable();
        for (slot, row) in segment.rows.iter().enumerate() {
            let mut wanted = Vec::new();
            plan.gate
                .iter()
                .for_each(|s| span_lines(*row, s, &[], &mut wanted));
            if active.next_if_eq(&&slot).is_some() {
                // none of these rows' texts is so long that its tail is needed
                plan.spans
                    .iter()
                    .for_each(|s| span_lines(*row, s, &plan.tails, &mut wanted));
                wanted.sort_unstable();
                wanted.dedup();
                behind(segment, plan, *row, &mut wanted);
            }
            wanted.dedup();
            lines.extend(wanted.iter().filter_map(|line| segment.host(*line)));
        }
        Floor { lines, ahead: 8 }
    }

    /// Takes the best distance of prefetch for these lines.
    pub fn tune(&mut self, mut time: impl FnMut(&Floor) -> f64) {
        let timed = AHEAD.map(|ahead| {
            self.ahead = ahead;
            (time(self), ahead)
        });
        let best = timed.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        self.ahead = best.map_or(8, |(_, ahead)| ahead);
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Reads all words of all lines.
    pub fn read(&self) -> u64 {
        self.each(|line| {
            let mut sum = 0;
            for word in 0..8 {
                // SAFETY: a whole line inside the segment, which is attached.
                sum ^= unsafe { line.add(word).read_volatile() };
            }
            sum
        })
    }

    /// Touches one word of each line: the least that brings them here.
    pub fn touch(&self) -> u64 {
        // SAFETY: as in `read`.
        self.each(|line| unsafe { line.read_volatile() })
    }

    #[inline(always)]
    fn each(&self, read: impl Fn(*const u64) -> u64) -> u64 {
        let ahead = self.lines[self.ahead.min(self.lines.len())..].iter();
        let last = self.lines.last();
        let mut sum = 0u64;
        for (line, next) in self.lines.iter().zip(ahead.chain(last.into_iter().cycle())) {
            prefetch(*next);
            sum ^= read(*line);
        }
        sum
    }
}

fn prefetch(line: *const u64) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
}

fn span_lines(row: TargetAddr, span: &Span, tails: &[Tail], lines: &mut Vec<u64>) {
    for word in span.dst..span.dst + span.words {
        let of = |tail: &Tail| (tail.dst..tail.dst + tail.words).contains(&word);
        if !tails.iter().any(of) {
            // several words may share a line
            add_lines(
                row.0 + span.offset + u64::from(word - span.dst) * 8,
                8,
                lines,
            );
        }
    }
}

fn add_lines(first: u64, bytes: u64, lines: &mut Vec<u64>) {
    let last = first + bytes.max(1) - 1;
    lines.extend((first / LINE..=last / LINE).map(|line| line * LINE));
}

/// The lines behind a row's pointers.
fn behind(segment: &Segment, plan: &Plan, row: TargetAddr, lines: &mut Vec<u64>) {
    for chase in &plan.chases {
        let Some(at) = plan.row_offset(chase.pointer) else {
            continue;
        };
        let Some(host) = segment.host(row.0 + at) else {
            continue;
        };
        // SAFETY: inside the segment; rows' pointers are aligned.
        let pointer = unsafe { host.read_volatile() };
        if pointer != 0 {
            add_lines(pointer + chase.offset, u64::from(chase.bytes), lines);
        }
    }
}
