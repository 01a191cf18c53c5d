//! The library cache: which statement lies in which handle, who still points to it, and reuse of freed handles.
//!
//! Only the engine uses it. A handle is overwritten only when no session's SQL or previous SQL points to it; under churn
//! also while it is a session's previous SQL, since Oracle doesn't keep that one either.

use super::random::Random;
use super::stage::Stage;
use crate::instance::HandleSlot;

/// Stores between two pauses while a text is written, so that long texts don't stop the engine.
const STORES_PER_PAUSE: u32 = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    statement: Option<usize>,
    pins: u32,
}

/// Handles of one size, in the order of their addresses.
#[derive(Debug)]
struct Class {
    capacity: usize,
    slots: Vec<usize>,
    never_used: usize,
}

/// Handles and the statements in them.
#[derive(Debug)]
pub struct Cursors {
    slots: Vec<Slot>,
    classes: Vec<Class>,
    loaded: Vec<Option<usize>>,
    step: usize,
    /// Under churn all statements are run in turn, and a session's previous cursor may be freed.
    turn: Option<usize>,
}

/// A pinned handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Index of the handle.
    pub slot: usize,
    /// Index of its statement.
    pub statement: usize,
    /// The statement had to be loaded (a hard parse).
    pub hard_parse: bool,
}

impl Cursors {
    /// All handles free.
    pub fn new(handles: &[HandleSlot], statements: usize, churn: bool) -> Cursors {
        // Primes that don't divide the number of statements, so that all are reached. Under churn a large one, so that
        // texts of a size, which share a few handles, aren't run one after the other.
        let steps = if churn { [7919, 7907] } else { [7, 11] };
        let step = steps[usize::from(statements.is_multiple_of(steps[0]))];
        let mut capacities: Vec<usize> = handles.iter().map(|h| h.capacity).collect();
        capacities.sort_unstable();
        capacities.dedup();
        let class = |capacity| {
            let slots: Vec<usize> = (0..handles.len())
                .filter(|k| handles[*k].capacity == capacity)
                .collect();
            Class {
                capacity,
                never_used: slots.len(),
                slots,
            }
        };
        Cursors {
            slots: vec![Slot::default(); handles.len()],
            classes: capacities.into_iter().map(class).collect(),
            loaded: vec![None; statements],
            step,
            turn: churn.then_some(0),
        }
    }

    /// A statement for a session to run, pinned. `few` limits the choice to the most popular ones.
    /// None when every fitting handle is pinned and no statement is loaded.
    pub fn acquire(&mut self, stage: &Stage, random: &mut Random, few: bool) -> Option<Cursor> {
        let count = self.loaded.len();
        let statement = match &mut self.turn {
            Some(turn) => {
                *turn = (*turn + self.step) % count;
                *turn
            }
            None => {
                let rank = random.popular(if few { count.min(40) } else { count });
                // Popularity is spread over the pool so that long texts are among the popular ones too.
                rank * self.step % count
            }
        };
        if let Some(slot) = self.loaded[statement] {
            return Some(self.pin(slot, statement, false));
        }
        let needed = stage.instance.pool[statement].text.len();
        if let Some(slot) = self.free_slot(random, needed) {
            self.load(stage, slot, statement);
            return Some(self.pin(slot, statement, true));
        }
        let start = random.below(count as u64) as usize;
        let other = (0..count)
            .map(|k| (start + k) % count)
            .find(|s| self.loaded[*s].is_some())?;
        self.loaded[other].map(|slot| self.pin(slot, other, false))
    }

    /// Loads some statement over another one that no session runs, as parsing by others would.
    pub fn churn(&mut self, stage: &Stage, random: &mut Random) {
        let statement = random.below(self.loaded.len() as u64) as usize;
        if self.loaded[statement].is_some() {
            return;
        }
        let needed = stage.instance.pool[statement].text.len();
        if let Some(slot) = self.free_slot(random, needed) {
            self.load(stage, slot, statement);
        }
    }

    /// The cursor that a session has just left: what is to be kept of it as its previous one. Under
    /// churn nothing, so that PREV_SQL_ADDR soon points to a handle that was freed and reused.
    pub fn leave(&mut self, slot: usize) -> Option<usize> {
        if self.turn.is_none() {
            return Some(slot);
        }
        self.release(slot);
        None
    }

    /// One pointer less to a handle.
    pub fn release(&mut self, slot: usize) {
        self.slots[slot].pins = self.slots[slot].pins.saturating_sub(1);
    }

    fn pin(&mut self, slot: usize, statement: usize, hard_parse: bool) -> Cursor {
        self.slots[slot].pins += 1;
        Cursor {
            slot,
            statement,
            hard_parse,
        }
    }

    /// A handle of the smallest fitting capacity that nobody points to; never-used ones first.
    fn free_slot(&self, random: &mut Random, needed: usize) -> Option<usize> {
        let class = self.classes.iter().find(|c| c.capacity >= needed)?;
        let start = random.below(self.slots.len() as u64) as usize;
        let (before, after) = class
            .slots
            .split_at(class.slots.partition_point(|k| *k < start));
        let candidates = || {
            let turned = after.iter().chain(before).copied();
            turned.filter(|k| self.slots[*k].pins == 0)
        };
        let mut fresh = candidates().filter(|k| self.slots[*k].statement.is_none());
        let first = if class.never_used > 0 {
            fresh.next()
        } else {
            None
        };
        first.or_else(|| candidates().next())
    }

    /// Writes a statement into a handle: the old identity goes first, the new one comes last.
    fn load(&mut self, stage: &Stage, slot: usize, statement: usize) {
        match self.slots[slot].statement.replace(statement) {
            Some(old) => self.loaded[old] = None,
            None => {
                let class = self.classes.iter_mut().find(|c| c.slots.contains(&slot));
                class.into_iter().for_each(|c| c.never_used -= 1);
            }
        }
        self.loaded[statement] = Some(slot);
        let memory = &stage.instance.memory;
        let at = stage.instance.layout.handle;
        let handle = stage.instance.places.handles[slot].address;
        let statement = &stage.instance.pool[statement];
        memory.store(handle + at.length, 4, 0);
        memory.store(handle + at.hash, 4, 0);
        memory.store(handle + at.namespace, 1, 0);
        let mut bytes = statement.text.as_bytes().to_vec();
        bytes.push(0);
        let mut stores = 0u32;
        memory.store_bytes(handle + at.text, &bytes, || {
            stores += 1;
            if stores.is_multiple_of(STORES_PER_PAUSE) {
                stage.wait();
            }
        });
        for (k, word) in statement.identity.words.iter().enumerate() {
            memory.store(handle + at.full_hash + 4 * k as u64, 4, u64::from(*word));
        }
        memory.store(handle + at.hash, 4, u64::from(statement.identity.hash()));
        memory.store(handle + at.length, 4, statement.text.len() as u64);
    }
}
