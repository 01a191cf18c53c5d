//! The sweep over all rows.

use crate::memory::{Fault, Spot};
use crate::plan::BoundPlan;

use super::chase::follow_all;
use super::gate::{Gate, QuickGate, Select};
use super::mapped::{LANES, Lanes, MappedRows, Turn};
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
            scratch: vec![0; gate_reads.room],
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
        let mapped = self.mapped.as_ref();
        let mut pass = Pass {
            bound: &self.bound,
            gate: &self.gate,
            quick: self.quick.as_ref(),
            mapped,
            lanes: mapped.map(Lanes::new),
            gate_reads: &mut self.gate_reads,
            row_reads: &mut self.row_reads,
            scratch: &mut self.scratch,
            again: &mut self.again,
            next_slot: 0,
        };
        let clock = Clock {
            elapsed_ns,
            off_ns: 0,
            credit: 0,
            // a read of memory that isn't mapped takes far longer than asking the clock
            gate_cost: mapped.map_or(CLOCK_AFTER, |_| 1),
        };
        pass.run(frame, clock);
    }
}

/// One sweep.
struct Pass<'a> {
    bound: &'a BoundPlan,
    gate: &'a Gate,
    quick: Option<&'a QuickGate>,
    mapped: Option<&'a MappedRows>,
    lanes: Option<Lanes<'a>>,
    gate_reads: &'a mut Reads,
    row_reads: &'a mut Reads,
    scratch: &'a mut [u64],
    again: &'a mut [u64],
    /// The next slot whose gate is to be read.
    next_slot: usize,
}

impl Pass<'_> {
    fn run(&mut self, frame: &mut Frame, mut clock: Clock<impl FnMut() -> u64>) {
        let mut queue = Queue::default();
        loop {
            let selected = self.next_selected(frame, &mut clock);
            if let Some(slot) = selected {
                queue.push(slot);
                if queue.waiting() <= READ_AFTER
                    && let Some(row) = self.mapped.and_then(|rows| rows.row(slot))
                {
                    row.prefetch(&self.row_reads.words);
                }
            }
            // behind the last row those that wait are read
            let (behind_after, read_after) =
                selected.map_or((0, 0), |_| (BEHIND_AFTER, READ_AFTER));
            while let Some((slot, lane)) = queue.next(Step::Behind, behind_after) {
                if let Some(lanes) = &mut self.lanes {
                    lanes.look_behind(slot, lane);
                }
            }
            while let Some((slot, lane)) = queue.next(Step::Read, read_after) {
                // the last one's lines are asked for while the first one is read
                self.take_row((slot, lane, selected), frame, &mut clock);
            }
            if selected.is_none() {
                return;
            }
        }
    }

    /// The slot of the next row that is wanted, by its gate.
    #[inline(always)]
    fn next_selected(
        &mut self,
        frame: &mut Frame,
        clock: &mut Clock<impl FnMut() -> u64>,
    ) -> Option<usize> {
        loop {
            let (refused, selected) = self.pass_refused();
            frame.seen += refused as u32;
            clock.credit += (refused + 1) * clock.gate_cost;
            let slot = self.next_slot;
            if slot >= self.bound.rows.spots.len() {
                return None;
            }
            self.next_slot += 1;
            match selected.map_or_else(|| self.is_selected(slot), Ok) {
                Ok(selected) => {
                    frame.seen += 1;
                    if selected {
                        return Some(slot);
                    }
                }
                Err(unreadable) => {
                    frame.seen += u32::from(!unreadable.placeless);
                    frame.faulted += 1;
                }
            }
        }
    }

    /// Goes on behind mapped rows that the quick gate refuses. Gives their number, and what that gate
    /// says of the row where it stands then: `None` if it can't say.
    #[inline(always)]
    fn pass_refused(&mut self) -> (usize, Option<bool>) {
        let (Some(rows), Some(gate)) = (self.mapped, self.quick) else {
            return (0, None);
        };
        let (first, end) = (self.next_slot, self.bound.rows.spots.len());
        let mut slot = first;
        let mut selected = None;
        while slot < end {
            if let Some(ahead) = rows.row(slot + PREFETCH_AHEAD) {
                gate.ask_for(ahead);
            }
            selected = rows.row(slot).and_then(|row| gate.selects(row));
            if selected != Some(false) {
                break;
            }
            slot += 1;
        }
        self.next_slot = slot;
        (slot - first, selected)
    }

    /// Whether a row is wanted, by its gate; of any memory.
    #[inline]
    fn is_selected(&mut self, slot: usize) -> Result<bool, Unreadable> {
        if let Some(row) = self.mapped.and_then(|rows| rows.row(slot + PREFETCH_AHEAD)) {
            row.prefetch(&self.gate_reads.words);
        }
        self.read_gate(slot)?;
        Ok(self.gate.selects(self.scratch))
    }

    /// Reads the gate of any row into the scratch words.
    fn read_gate(&mut self, slot: usize) -> Result<(), Unreadable> {
        let spot = self.spot(slot).ok_or(Unreadable { placeless: true })?;
        let space = &*self.bound.space;
        self.gate_reads
            .read(space, spot, self.scratch)
            .map_err(|_| Unreadable { placeless: false })
    }

    fn spot(&self, slot: usize) -> Option<Spot> {
        self.bound.rows.spots.get(slot)?.ok()
    }

    /// Reads a selected row into the frame.
    #[inline(always)]
    fn take_row(&mut self, turn: Turn, frame: &mut Frame, clock: &mut Clock<impl FnMut() -> u64>) {
        let off_ns = clock.now();
        let Some((row, held)) = frame.next_row() else {
            return;
        };
        let Ok(quality) = self.read_row(turn, row, held) else {
            frame.faulted += 1;
            return;
        };
        // it may have been freed or gone idle between gate and row
        let still = match self.quick {
            Some(gate) => gate.selects_copy(row),
            None => self.gate.selects(row),
        };
        if still {
            frame.torn += u32::from(quality.has(Quality::TORN));
            frame.keep(turn.0 as u32, quality, off_ns);
        }
    }

    /// Reads a row until two readings in a row are equal, or the retries are used up.
    #[inline(always)]
    fn read_row(&mut self, turn: Turn, row: &mut [u64], held: &mut u64) -> Result<Quality, Fault> {
        let space = &*self.bound.space;
        let lanes = self.lanes.as_mut();
        let read = lanes.and_then(|l| l.read(space, turn, self.row_reads, (row, held), self.again));
        let mut quality = match read {
            Some(true) => Quality::CLEAN,
            moved => {
                *held = u64::MAX;
                self.read_until_quiet(turn.0, row, moved.is_some())?
            }
        };
        if row[0] != 0 {
            quality = quality.with(Quality::FAULT);
        }
        Ok(quality)
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
        row.copy_from_slice(self.again);
        let mut quality = if moved {
            Quality::RETRIED
        } else {
            Quality::CLEAN
        };
        for attempt in usize::from(moved)..=RETRIES {
            self.read_once(slot)?;
            if *row == *self.again {
                break;
            }
            row.copy_from_slice(self.again);
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
        self.row_reads.read(space, spot, self.again)?;
        let (own, behind) = self.again.split_at_mut(self.row_reads.room);
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
    /// What reading a gate counts.
    gate_cost: usize,
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

/// What is done with selected rows, in order.
#[derive(Clone, Copy)]
enum Step {
    /// Their pointers are followed.
    Behind,
    /// They are read.
    Read,
}

/// Selected rows that are yet to be read, in order; each has a lane until then.
#[derive(Default)]
struct Queue {
    slots: [usize; LANES],
    /// How many rows came.
    pushed: usize,
    /// With how many of them each [`Step`] is done.
    done: [usize; 2],
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
        self.pushed - self.done[Step::Read as usize]
    }

    /// Slot and lane of the next row for a step, unless it is one of the last `but`.
    #[inline]
    fn next(&mut self, step: Step, but: usize) -> Option<(usize, usize)> {
        let at = self.done[step as usize];
        (at + but < self.pushed).then(|| {
            self.done[step as usize] += 1;
            (self.slots[at % LANES], at % LANES)
        })
    }
}
