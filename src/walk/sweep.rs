//! The sweep over all rows.

use crate::memory::{Fault, MappedRows, Spot};
use crate::plan::BoundPlan;

use super::chase::{follow_all, prefetch_all};
use super::gate::{Gate, GateFields, STATE_FLAG, Select};
use super::reads::Reads;
use super::{Frame, Quality};

/// How often a row that moved is read again before it is emitted as torn.
pub(super) const RETRIES: usize = 2;

/// Rows between the one whose gate is read and the one whose gate's lines are asked for (measured
/// best for two to four cache lines a row: 4 to 16).
const PREFETCH_AHEAD: usize = 8;

/// Selected rows whose lines are asked for before the first of them is read.
const ROWS_AHEAD: usize = 2;

/// The clock is asked anew when so many gates have been read since, a whole row counting as
/// [`ROW_COST`]: about a microsecond.
const CLOCK_AFTER: usize = 48;
/// What reading a selected row costs, in gates.
const ROW_COST: usize = 12;

/// Sweeps the rows of one bound plan. Owns the scratch memory, so that sweeping allocates nothing.
pub struct Walker {
    bound: BoundPlan,
    gate: Gate,
    gate_reads: Reads,
    row_reads: Reads,
    /// The rows that lie in mapped memory.
    mapped: Option<MappedRows>,
    /// The gate's words behind an unused one, as in a whole row.
    scratch: Vec<u64>,
    again: Vec<u64>,
}

impl Walker {
    /// A walker, or `None` when the plan lacks the gate's fields.
    pub fn new(bound: BoundPlan, select: Select) -> Option<Walker> {
        let gate = Gate::Sessions(GateFields::of(&bound.plan)?, select);
        Walker::with_gate(bound, gate)
    }

    /// A walker over the rows in use of an array of other state objects, e.g. processes, or `None`
    /// when the plan lacks their flag.
    pub fn of_state_objects(bound: BoundPlan) -> Option<Walker> {
        let gate = Gate::InUse(bound.plan.field(STATE_FLAG)?);
        Walker::with_gate(bound, gate)
    }

    fn with_gate(bound: BoundPlan, gate: Gate) -> Option<Walker> {
        let [gate_reads, row_reads] = Reads::of(&bound.plan)?;
        let mapped = MappedRows::new(&*bound.space, &bound.rows.spots, bound.plan.reach);
        Some(Walker {
            scratch: vec![0; gate_reads.words.len() + 1],
            again: vec![0; bound.plan.row_words],
            bound,
            gate,
            gate_reads,
            row_reads,
            mapped,
        })
    }

    /// The bound plan.
    pub fn bound(&self) -> &BoundPlan {
        &self.bound
    }

    /// A frame that fits.
    pub fn frame(&self) -> Frame {
        Frame::new(self.bound.rows.len(), self.bound.plan.row_words)
    }

    /// Reads all rows once into `frame`, which is cleared first; one that isn't this walker's own
    /// ([`Walker::frame`]) is replaced. `elapsed_ns` gives the time since the walk's start; it is asked for
    /// selected rows, once for some that are read within the same microsecond or so.
    ///
    /// Mapped rows are read in two steps: all gates one after the other, with the lines of the gates
    /// ahead asked for; a selected row's other lines are asked for at once, and read when the next
    /// rows have been selected.
    pub fn sweep(&mut self, frame: &mut Frame, elapsed_ns: impl FnMut() -> u64) {
        if !frame.fits(self.bound.rows.len(), self.bound.plan.row_words) {
            *frame = self.frame();
        }
        frame.clear();
        self.bound.space.refresh();
        let mut clock = Clock {
            elapsed_ns,
            off_ns: 0,
            credit: 0,
        };
        let mut waiting = Waiting::default();
        // a read of memory that isn't mapped takes far longer than asking the clock
        let gate_cost = self.mapped.as_ref().map_or(CLOCK_AFTER, |_| 1);
        for slot in 0..self.bound.rows.spots.len() {
            if let Some(rows) = &self.mapped {
                rows.prefetch(slot + PREFETCH_AHEAD, &self.gate_reads.words);
            }
            clock.credit += gate_cost;
            match self.read_gate(slot) {
                Ok(()) => frame.seen += 1,
                Err(unreadable) => {
                    frame.seen += u32::from(!unreadable.placeless);
                    frame.faulted += 1;
                    continue;
                }
            }
            if !self.gate.selects(&self.scratch) {
                continue;
            }
            if let Some(rows) = &self.mapped {
                rows.prefetch(slot, &self.row_reads.words);
            }
            if let Some(slot) = waiting.push(slot) {
                self.take(slot, frame, &mut clock);
            }
        }
        while let Some(slot) = waiting.pop() {
            self.take(slot, frame, &mut clock);
        }
    }

    /// Reads the gate of a row into the scratch words.
    #[inline]
    fn read_gate(&mut self, slot: usize) -> Result<(), Unreadable> {
        if let Some(rows) = &self.mapped {
            let read = rows.gather(slot, &self.gate_reads.words, &mut self.scratch[1..]);
            if read.is_some() {
                return Ok(());
            }
        }
        let spot = self.spot(slot).ok_or(Unreadable { placeless: true })?;
        let space = &*self.bound.space;
        self.gate_reads
            .read(space, spot, &mut self.scratch)
            .map_err(|_| Unreadable { placeless: false })
    }

    fn spot(&self, slot: usize) -> Option<Spot> {
        self.bound.rows.spots.get(slot)?.ok()
    }

    /// Reads a selected row into the frame.
    fn take(&mut self, slot: usize, frame: &mut Frame, clock: &mut Clock<impl FnMut() -> u64>) {
        let off_ns = clock.now();
        let row = frame.next_row();
        let Ok(quality) = self.read_row(slot, row) else {
            frame.faulted += 1;
            return;
        };
        // it may have been freed or gone idle between gate and row
        if self.gate.selects(row) {
            frame.torn += u32::from(quality.has(Quality::TORN));
            frame.keep(slot as u32, quality, off_ns);
        }
    }

    /// Reads a row until two readings in a row are equal, or the retries are used up.
    #[inline]
    fn read_row(&mut self, slot: usize, row: &mut [u64]) -> Result<Quality, Fault> {
        let mut quality = match self.read_mapped(slot, row) {
            Some(true) => Quality::CLEAN,
            moved => self.read_until_quiet(slot, row, moved.is_some())?,
        };
        if row[0] != 0 {
            quality = quality.with(Quality::FAULT);
        }
        Ok(quality)
    }

    /// Reads a mapped row twice. `Some(false)`: it moved meanwhile; `None`: it isn't mapped.
    #[inline]
    fn read_mapped(&mut self, slot: usize, row: &mut [u64]) -> Option<bool> {
        let (words, plan) = (&self.row_reads.words, &self.bound.plan);
        let (space, rows) = (&*self.bound.space, self.mapped.as_ref()?);
        let (own, behind) = row.split_at_mut(words.len() + 1);
        rows.gather(slot, words, &mut own[1..])?;
        prefetch_all(space, plan, own);
        own[0] = follow_all(space, plan, own, behind);
        if !rows.same(slot, words, &own[1..])? {
            return Some(false);
        }
        // the pointers are the same, so only what is behind them can have moved
        let again = &mut self.again[own.len()..];
        Some(follow_all(space, plan, own, again) == own[0] && again == behind)
    }

    /// The same for any memory; `moved`: a first attempt has seen the row move.
    #[cold]
    fn read_until_quiet(
        &mut self,
        slot: usize,
        row: &mut [u64],
        moved: bool,
    ) -> Result<Quality, Fault> {
        self.read_once(slot)?;
        row.copy_from_slice(&self.again);
        let mut quality = if moved {
            Quality::RETRIED
        } else {
            Quality::CLEAN
        };
        for attempt in usize::from(moved)..=RETRIES {
            self.read_once(slot)?;
            if row == self.again {
                break;
            }
            row.copy_from_slice(&self.again);
            quality = quality.with(if attempt == RETRIES {
                Quality::TORN
            } else {
                Quality::RETRIED
            });
        }
        Ok(quality)
    }

    /// One reading of a row, whatever memory it is in.
    fn read_once(&mut self, slot: usize) -> Result<(), Fault> {
        let spot = self.bound.rows.spots[slot]?;
        let space = &*self.bound.space;
        self.row_reads.read(space, spot, &mut self.again)?;
        let (own, behind) = self.again.split_at_mut(self.row_reads.words.len() + 1);
        own[0] = follow_all(space, &self.bound.plan, own, behind);
        Ok(())
    }
}

/// Why a gate could not be read.
struct Unreadable {
    /// The row's address leads nowhere.
    placeless: bool,
}

/// The time of rows, asked for as seldom as will do.
struct Clock<F> {
    elapsed_ns: F,
    off_ns: u32,
    /// Gates read since it was asked.
    credit: usize,
}

impl<F: FnMut() -> u64> Clock<F> {
    fn now(&mut self) -> u32 {
        if self.credit >= CLOCK_AFTER {
            self.credit = 0;
            self.off_ns = u32::try_from((self.elapsed_ns)()).unwrap_or(u32::MAX);
        }
        self.credit += ROW_COST;
        self.off_ns
    }
}

/// Selected rows that are yet to be read, in order.
#[derive(Default)]
struct Waiting {
    slots: [usize; ROWS_AHEAD],
    first: usize,
    len: usize,
}

impl Waiting {
    /// Adds a row, and gives the first one back if there are too many.
    fn push(&mut self, slot: usize) -> Option<usize> {
        let out = if self.len == ROWS_AHEAD {
            self.pop()
        } else {
            None
        };
        self.slots[(self.first + self.len) % ROWS_AHEAD] = slot;
        self.len += 1;
        out
    }

    fn pop(&mut self) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let slot = self.slots[self.first];
        self.first = (self.first + 1) % ROWS_AHEAD;
        self.len -= 1;
        Some(slot)
    }
}
