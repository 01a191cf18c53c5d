//! The sweep over all rows.

use crate::memory::{Fault, Spot};
use crate::plan::BoundPlan;

use super::chase::follow_all;
use super::gate::{Gate, QuickGate, Select};
use super::mapped::{LANES, MappedRows};
use super::reads::Reads;
use super::{Frame, Quality};

/// How often a row that moved is read again before it is emitted as torn.
pub(super) const RETRIES: usize = 2;

/// Rows between the one whose gate is read and the one whose gate's lines are asked for (measured
/// best for two to four cache lines a row: 4 to 16).
const PREFETCH_AHEAD: usize = 8;

/// Selected rows between one whose lines are asked for and one whose pointers are followed.
const BEHIND_AFTER: usize = 2;
/// Selected rows between one whose lines are asked for and one that is read.
const READ_AFTER: usize = 4;
const _: () = assert!(READ_AFTER < LANES);

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
    /// The gate, for those.
    quick: Option<QuickGate>,
    /// The gate's words behind an unused one, as in a whole row.
    scratch: Vec<u64>,
    again: Vec<u64>,
}

impl Walker {
    /// A walker, or `None` when the plan lacks the gate's fields.
    pub fn new(bound: BoundPlan, select: Select) -> Option<Walker> {
        let gate = Gate::of_sessions(&bound.plan, select)?;
        Walker::with_gate(bound, gate)
    }

    /// A walker over the rows in use of an array of other state objects, e.g. processes, or `None`
    /// when the plan lacks their flag.
    pub fn of_state_objects(bound: BoundPlan) -> Option<Walker> {
        let gate = Gate::of_state_objects(&bound.plan)?;
        Walker::with_gate(bound, gate)
    }

    fn with_gate(bound: BoundPlan, gate: Gate) -> Option<Walker> {
        let [gate_reads, row_reads] = Reads::of(&bound.plan)?;
        let mapped = MappedRows::of(&bound);
        let quick = gate.quick(&bound.plan);
        Some(Walker {
            scratch: vec![0; gate_reads.words.len() + 1],
            again: vec![0; bound.plan.row_words],
            bound,
            gate,
            gate_reads,
            row_reads,
            mapped,
            quick,
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
    /// Mapped rows are read in steps: all gates one after the other, with the lines of the gates ahead
    /// asked for; a selected row's other lines are asked for at once or while an earlier row is read, what
    /// its pointers lead to when these lines are there, and it is read when more rows have been selected.
    pub fn sweep(&mut self, frame: &mut Frame, elapsed_ns: impl FnMut() -> u64) {
        if !frame.fits(self.bound.rows.len(), self.bound.plan.row_words) {
            *frame = self.frame();
        }
        frame.clear();
        self.bound.space.refresh();
        if self.mapped.as_ref().is_some_and(|rows| !rows.intact()) {
            // what is left of a file that was cut is read through its bounds
            self.mapped = None;
        }
        let mut clock = Clock {
            elapsed_ns,
            off_ns: 0,
            credit: 0,
        };
        let mut queue = Queue::default();
        // a read of memory that isn't mapped takes far longer than asking the clock
        let gate_cost = self.mapped.as_ref().map_or(CLOCK_AFTER, |_| 1);
        for slot in 0..self.bound.rows.spots.len() {
            self.ask_for_gate(slot + PREFETCH_AHEAD);
            clock.credit += gate_cost;
            let selected = match self.is_selected(slot) {
                Ok(selected) => selected,
                Err(unreadable) => {
                    frame.seen += u32::from(!unreadable.placeless);
                    frame.faulted += 1;
                    continue;
                }
            };
            frame.seen += 1;
            if !selected {
                continue;
            }
            queue.push(slot);
            if queue.waiting() <= READ_AFTER
                && let Some(row) = self.mapped.as_ref().and_then(|rows| rows.row(slot))
            {
                row.prefetch(&self.row_reads.words);
            }
            self.look_behind(&mut queue, BEHIND_AFTER);
            // the last one's lines are asked for while the first one is read
            self.take(&mut queue, READ_AFTER, frame, &mut clock);
        }
        self.look_behind(&mut queue, 0);
        self.take(&mut queue, 0, frame, &mut clock);
    }

    /// Asks for what is behind the pointers of queued rows, but for those of the last ones.
    #[inline]
    fn look_behind(&mut self, queue: &mut Queue, but: usize) {
        while let Some((slot, lane)) = queue.next_behind(but) {
            if let Some(rows) = &mut self.mapped {
                rows.look_behind(slot, lane);
            }
        }
    }

    /// Reads queued rows into the frame, but for the last ones.
    #[inline]
    fn take(
        &mut self,
        queue: &mut Queue,
        but: usize,
        frame: &mut Frame,
        clock: &mut Clock<impl FnMut() -> u64>,
    ) {
        while let Some(at) = queue.next_read(but) {
            let next = (but > 0).then(|| queue.last());
            self.take_row(at, next, frame, clock);
        }
    }

    /// Asks for the lines of a mapped row's gate.
    #[inline(always)]
    fn ask_for_gate(&self, slot: usize) {
        if let Some(row) = self.mapped.as_ref().and_then(|rows| rows.row(slot)) {
            match &self.quick {
                Some(gate) => gate.ask_for(row),
                None => row.prefetch(&self.gate_reads.words),
            }
        }
    }

    /// Whether a row is wanted, by its gate.
    #[inline(always)]
    fn is_selected(&mut self, slot: usize) -> Result<bool, Unreadable> {
        if let Some(gate) = &self.quick
            && let Some(row) = self.mapped.as_ref().and_then(|rows| rows.row(slot))
            && let Some(selected) = gate.selects(row)
        {
            return Ok(selected);
        }
        self.read_gate(slot)?;
        Ok(self.gate.selects(&self.scratch))
    }

    /// Reads the gate of any row into the scratch words.
    fn read_gate(&mut self, slot: usize) -> Result<(), Unreadable> {
        let spot = self.spot(slot).ok_or(Unreadable { placeless: true })?;
        let space = &*self.bound.space;
        self.gate_reads
            .read(space, spot, &mut self.scratch)
            .map_err(|_| Unreadable { placeless: false })
    }

    fn spot(&self, slot: usize) -> Option<Spot> {
        self.bound.rows.spots.get(slot)?.ok()
    }

    /// Reads a selected row, which has had this lane of the queue, into the frame.
    #[inline]
    fn take_row(
        &mut self,
        (slot, lane): (usize, usize),
        next: Option<usize>,
        frame: &mut Frame,
        clock: &mut Clock<impl FnMut() -> u64>,
    ) {
        let off_ns = clock.now();
        let row = frame.next_row();
        let Ok(quality) = self.read_row((slot, lane), next, row) else {
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
    fn read_row(
        &mut self,
        (slot, lane): (usize, usize),
        next: Option<usize>,
        row: &mut [u64],
    ) -> Result<Quality, Fault> {
        let mut quality = match self.read_mapped((slot, lane), next, row) {
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
    fn read_mapped(
        &mut self,
        at: (usize, usize),
        next: Option<usize>,
        row: &mut [u64],
    ) -> Option<bool> {
        let (words, space) = (&self.row_reads.words, &*self.bound.space);
        let rows = self.mapped.as_mut()?;
        rows.read(space, at, next, words, row, &mut self.again)
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

/// Selected rows that are yet to be read, in order; each has a lane until then.
#[derive(Default)]
struct Queue {
    slots: [usize; LANES],
    /// How many rows came, of how many the pointers were followed, and how many were read.
    pushed: usize,
    looked: usize,
    read: usize,
}

impl Queue {
    #[inline]
    fn push(&mut self, slot: usize) {
        self.slots[self.pushed % LANES] = slot;
        self.pushed += 1;
    }

    /// Rows that are yet to be read.
    #[inline]
    fn waiting(&self) -> usize {
        self.pushed - self.read
    }

    /// The slot of the row that came last.
    #[inline]
    fn last(&self) -> usize {
        self.slots[self.pushed.wrapping_sub(1) % LANES]
    }

    /// The next row whose pointers are to be followed, unless it is one of the last `but`.
    #[inline]
    fn next_behind(&mut self, but: usize) -> Option<(usize, usize)> {
        let at = self.looked;
        (at + but < self.pushed).then(|| {
            self.looked += 1;
            (self.slots[at % LANES], at % LANES)
        })
    }

    /// The next row to be read, unless it is one of the last `but`.
    #[inline]
    fn next_read(&mut self, but: usize) -> Option<(usize, usize)> {
        let at = self.read;
        (at + but < self.pushed).then(|| {
            self.read += 1;
            (self.slots[at % LANES], at % LANES)
        })
    }
}
