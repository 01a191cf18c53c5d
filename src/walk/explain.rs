//! What a plan costs: which cache lines a row takes, and how its words are read.
//!
//! For: `blueprint explain`. Nothing here is estimated: it is what a [`super::Walker`] does with the
//! same plan.

use serde::Serialize;

use super::reads::{Reads, STRETCH_GAP};
use crate::memory::LINE;
use crate::plan::{Need, Plan, Span, Tail};

/// The cost of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What is read of every row.
    pub gate: Part,
    /// What is read beside of a selected row.
    pub spans: Part,
    /// What is read only of long texts, of mapped memory.
    pub tails: Tails,
    /// What is read behind a selected row's pointers.
    pub chases: Vec<Behind>,
    /// What the second reading compares.
    pub guard: Guard,
    /// Words that are kept of a selected row, 8 bytes each.
    pub row_words: usize,
    /// The lines of a row that begins on a line.
    pub lines: Vec<Line>,
}

/// Words of a row that are read together.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Fields in them.
    pub fields: usize,
    /// Words of 8 bytes; of memory that isn't mapped the long texts' tails are read with them.
    pub words: usize,
    /// Runs of neighbouring words. Words between them aren't read of mapped memory.
    pub runs: usize,
    /// Fewest cache lines of 64 bytes that a row takes, by where in a line it begins. Of the spans:
    /// those that the gate hasn't taken already.
    pub lines_least: usize,
    /// Most cache lines.
    pub lines_most: usize,
    /// Reads of memory that isn't mapped, each over gaps of up to 64 bytes.
    pub unmapped_reads: usize,
    /// Bytes of those reads that nobody asked for.
    pub unmapped_gap_bytes: u64,
}

/// The tails of texts, each read when what stands before it doesn't end the text.
#[derive(Clone, Debug, Serialize)]
pub struct Tails {
    /// Texts that have one.
    pub fields: usize,
    /// Words of 8 bytes of all of them.
    pub words: usize,
}

/// A read behind a pointer.
#[derive(Clone, Debug, Serialize)]
pub struct Behind {
    /// The pointer field.
    pub pointer: &'static str,
    /// Bytes from where it leads.
    pub offset: u64,
    /// Bytes that are read.
    pub bytes: u32,
    /// Fewest cache lines.
    pub lines_least: u64,
    /// Most cache lines.
    pub lines_most: u64,
}

/// The second reading.
#[derive(Clone, Debug, Serialize)]
pub struct Guard {
    /// Words that are compared: all that are kept.
    pub words: usize,
    /// Cache lines that it takes beyond the first reading's: none.
    pub lines: usize,
    /// Readings after the second one before a row is emitted as torn.
    pub retries: usize,
}

/// A cache line of a row.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Bytes from the row's start.
    pub offset: u64,
    /// Words of it that are read.
    pub words: usize,
    /// Of these, words of tails.
    pub tail_words: usize,
    /// Whether the gate needs it: such a line is read of every row.
    pub gate: bool,
    /// Fields that begin in it.
    pub fields: Vec<&'static str>,
}

/// Explains a plan. `None` for a plan that no walker takes.
pub fn explain(plan: &Plan) -> Option<Explanation> {
    let [gate, row] = Reads::of(plan)?;
    let own = gate.words.len();
    let in_row = |need: &Need| need.via.is_none();
    let (gate_fields, other_fields): (Vec<_>, Vec<_>) = plan
        .fields()
        .filter(|(need, _)| in_row(need))
        .partition(|(_, field)| ((field.byte / 8) as usize) <= own && field.chase.is_none());
    let counts = |count: &dyn Fn(usize) -> usize| {
        let all = (0..LINE).step_by(8).map(count);
        (all.clone().min().unwrap_or(0), all.max().unwrap_or(0))
    };
    let gate_lines = counts(&|start| gate.words.lines(start).len());
    let more_lines = counts(&|start| row.words.lines(start).len() - gate.words.lines(start).len());
    let part = |spans: &[Span], words: usize, fields: usize, lines: (usize, usize)| {
        let (reads, gap) = stretches(spans);
        Part {
            fields,
            words,
            runs: spans.len(),
            lines_least: lines.0,
            lines_most: lines.1,
            unmapped_reads: reads,
            unmapped_gap_bytes: gap,
        }
    };
    Some(Explanation {
        gate: part(&plan.gate, own, gate_fields.len(), gate_lines),
        spans: part(
            &plan.spans,
            row.words.len() - own,
            other_fields.len(),
            more_lines,
        ),
        tails: Tails {
            fields: plan.tails.len(),
            words: plan.tails.iter().map(|t| t.words as usize).sum(),
        },
        chases: chases(plan),
        guard: Guard {
            words: plan.row_words - 1,
            lines: 0,
            retries: super::sweep::RETRIES,
        },
        row_words: plan.row_words,
        lines: lines(plan),
    })
}

/// Reads of other memory that the spans make, and the bytes of gaps in them.
fn stretches(spans: &[Span]) -> (usize, u64) {
    let gaps = spans
        .windows(2)
        .map(|pair| pair[1].offset - (pair[0].offset + u64::from(pair[0].words) * 8));
    let within = gaps.filter(|gap| *gap <= STRETCH_GAP);
    let (merged, bytes) = within.fold((0, 0), |(n, sum), gap| (n + 1, sum + gap));
    (spans.len() - merged, bytes)
}

fn chases(plan: &Plan) -> Vec<Behind> {
    let name = |number: usize| {
        let of_chase = |f: Option<u8>| f.is_some_and(|n| usize::from(n) == number);
        let found = plan.fields().find(|(_, field)| of_chase(field.chase));
        found.map_or("", |(need, _)| need.via.unwrap_or(need.field))
    };
    let line = LINE as u64;
    let one = |(number, chase): (usize, &crate::plan::Chase)| Behind {
        pointer: name(number),
        offset: chase.offset,
        bytes: chase.bytes,
        lines_least: u64::from(chase.bytes).div_ceil(line),
        // structures behind pointers begin on words
        lines_most: (u64::from(chase.bytes) + line - 8).div_ceil(line),
    };
    plan.chases.iter().enumerate().map(one).collect()
}

fn lines(plan: &Plan) -> Vec<Line> {
    let line = LINE as u64;
    let mut words: Vec<(u64, bool)> = Vec::new();
    for (spans, gate) in [(&plan.gate, true), (&plan.spans, false)] {
        for span in spans {
            let own = (0..u64::from(span.words)).map(|i| (span.offset + 8 * i, gate));
            words.extend(own);
        }
    }
    words.sort_unstable();
    words.dedup_by_key(|(offset, _)| *offset);
    let fields: Vec<(u64, &'static str)> = plan
        .fields()
        .filter(|(need, _)| need.via.is_none())
        .filter_map(|(need, field)| Some((plan.row_offset(field)?, need.field)))
        .collect();
    let mut lines: Vec<Line> = Vec::new();
    for (offset, gate) in words {
        let of = |t: &Tail| (t.offset..t.offset + u64::from(t.words) * 8).contains(&offset);
        let tail = usize::from(plan.tails.iter().any(of));
        let start = offset / line * line;
        match lines.last_mut() {
            Some(last) if last.offset == start => {
                last.words += 1;
                last.tail_words += tail;
                last.gate |= gate;
            }
            _ => {
                let begins = |(at, _): &&(u64, &str)| *at / line * line == start;
                let mut names: Vec<_> = fields.iter().filter(begins).copied().collect();
                names.sort_unstable();
                lines.push(Line {
                    offset: start,
                    words: 1,
                    tail_words: tail,
                    gate,
                    fields: names.into_iter().map(|(_, name)| name).collect(),
                });
            }
        }
    }
    lines
}
