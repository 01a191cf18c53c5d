//! A frame: the raw words of one tick's rows, in memory that is allocated once and used again.

/// What was noticed while a row was copied; bits that add up.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub struct Quality(pub u16);

impl Quality {
    /// Nothing to remark.
    pub const CLEAN: Quality = Quality(0);
    /// The row changed while it was read; a second or third reading was quiet.
    pub const RETRIED: Quality = Quality(1);
    /// The row changed during every reading; its fields may belong to different moments.
    pub const TORN: Quality = Quality(1 << 1);
    /// A pointer of the row led nowhere readable; what is behind it is absent.
    pub const FAULT: Quality = Quality(1 << 2);
    /// A value is impossible (event number past the table, unknown status); it is shown as absent.
    pub const IMPLAUSIBLE: Quality = Quality(1 << 3);
    /// SQL_ID could not be confirmed against the cursor's handle or a proven text; it is absent.
    pub const SQL_UNPROVEN: Quality = Quality(1 << 4);
    /// A background process outside a wait: on CPU, or doing something uninstrumented.
    pub const CPU_UNSURE: Quality = Quality(1 << 5);

    const NAMES: [(Quality, &'static str); 6] = [
        (Quality::RETRIED, "retried"),
        (Quality::TORN, "torn"),
        (Quality::FAULT, "fault"),
        (Quality::IMPLAUSIBLE, "implausible"),
        (Quality::SQL_UNPROVEN, "sql_unproven"),
        (Quality::CPU_UNSURE, "cpu_unsure"),
    ];

    /// Whether all bits of `other` are set.
    pub fn has(self, other: Quality) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Quality) -> Quality {
        Quality(self.0 | other.0)
    }

    /// The set bits' names, comma-separated; empty when clean. The recording's `read_flags`.
    pub fn names(self) -> String {
        Self::NAMES
            .iter()
            .filter(|(bit, _)| self.has(*bit))
            .map(|(_, name)| *name)
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// One tick's rows. All vectors have their full capacity from the start; one frame serves any
/// number of ticks.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Number of the tick, counted from the sampler's start, missed ones included.
    pub tick: u64,
    /// CLOCK_MONOTONIC at the walk's start, ns.
    pub mono_ns: u64,
    /// CLOCK_REALTIME at the walk's start, ns since the epoch.
    pub wall_ns: i64,
    /// How much later than its deadline the walk began, ns.
    pub late_ns: u64,
    /// How long the walk took, ns.
    pub walk_ns: u64,
    /// The time this tick stands for, ns.
    pub weight_ns: u64,
    /// Deadlines skipped since the previous tick.
    pub missed: u32,
    /// Ticks since the previous frame that found no free frame.
    pub dropped: u32,
    /// Rows whose gate was read.
    pub seen: u32,
    /// Rows that changed during every reading.
    pub torn: u32,
    /// Rows that could not be read at all.
    pub faulted: u32,
    /// Slot of each row, from 0.
    pub slots: Vec<u32>,
    /// Quality of each row.
    pub quality: Vec<Quality>,
    /// When each row was read, ns after `mono_ns`.
    pub off_ns: Vec<u32>,
    /// `row_words` words for each row, and room for all rows.
    words: Vec<u64>,
    /// Which tails of texts ([`crate::plan::Tail`]) stand in the memory of each row.
    tails: Vec<u64>,
    /// Words of one row.
    pub row_words: usize,
}

impl Frame {
    /// A frame that holds up to `rows` rows of `row_words` words.
    pub fn new(rows: usize, row_words: usize) -> Frame {
        Frame {
            tick: 0,
            mono_ns: 0,
            wall_ns: 0,
            late_ns: 0,
            walk_ns: 0,
            weight_ns: 0,
            missed: 0,
            dropped: 0,
            seen: 0,
            torn: 0,
            faulted: 0,
            slots: Vec::with_capacity(rows),
            quality: Vec::with_capacity(rows),
            off_ns: Vec::with_capacity(rows),
            // fresh zero pages cost nothing until a row is kept there
            words: vec![0; rows * row_words],
            tails: vec![0; rows],
            row_words,
        }
    }

    /// Empties the frame; its memory stays.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.quality.clear();
        self.off_ns.clear();
        self.seen = 0;
        self.torn = 0;
        self.faulted = 0;
    }

    /// Rows in the frame.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no row was selected.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether it holds so many rows of so many words.
    pub(super) fn fits(&self, rows: usize, row_words: usize) -> bool {
        self.row_words == row_words && self.words.len() == rows * row_words
    }

    /// Where the words of the next row to be kept go, and which tails stand there from an earlier row, to
    /// be told anew; `None` when the frame is full.
    #[inline]
    pub(super) fn next_row(&mut self) -> Option<(&mut [u64], &mut u64)> {
        let row = self.slots.len();
        let at = row * self.row_words;
        let words = self.words.get_mut(at..at + self.row_words)?;
        Some((words, self.tails.get_mut(row)?))
    }

    /// Keeps the next row, whose words have been written.
    #[inline]
    pub(super) fn keep(&mut self, slot: u32, quality: Quality, off_ns: u32) {
        self.slots.push(slot);
        self.quality.push(quality);
        self.off_ns.push(off_ns);
    }

    /// The words of row `i`.
    pub fn row(&self, i: usize) -> &[u64] {
        &self.words[i * self.row_words..(i + 1) * self.row_words]
    }
}
