//! The library cache: which statement lies in which handle, who still points to it, and reuse of freed handles.
//!
//! Only the engine uses it. A handle is overwritten only when no session's SQL or previous SQL points to it.

use super::random::Random;
use super::stage::Stage;

/// Stores between two pauses while a text is written, so that long texts don't stop the engine.
const STORES_PER_PAUSE: u32 = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    statement: Option<usize>,
    pins: u32,
}

/// Handles and the statements in them.
#[derive(Debug)]
pub struct Cursors {
    slots: Vec<Slot>,
    loaded: Vec<Option<usize>>,
    step: usize,
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
    pub fn new(handles: usize, statements: usize) -> Cursors {
        let step = if statements.is_multiple_of(7) { 11 } else { 7 };
        Cursors {
            slots: vec![Slot::default(); handles],
            loaded: vec![None; statements],
            step,
        }
    }

    /// A statement for a session to run, pinned. `few` limits the choice to the most popular ones.
    /// None when every fitting handle is pinned and no statement is loaded.
    pub fn acquire(&mut self, stage: &Stage, random: &mut Random, few: bool) -> Option<Cursor> {
        let count = self.loaded.len();
        let rank = random.popular(if few { count.min(40) } else { count });
        // Popularity is spread over the pool so that long texts are among the popular ones too.
        let statement = rank * self.step % count;
        if let Some(slot) = self.loaded[statement] {
            return Some(self.pin(slot, statement, false));
        }
        let needed = stage.instance.pool[statement].text.len();
        if let Some(slot) = self.free_slot(stage, random, needed) {
            self.load(stage, slot, statement);
            return Some(self.pin(slot, statement, true));
        }
        let start = random.below(count as u64) as usize;
        let other = (0..count)
            .map(|k| (start + k) % count)
            .find(|s| self.loaded[*s].is_some())?;
        self.loaded[other].map(|slot| self.pin(slot, other, false))
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
    fn free_slot(&self, stage: &Stage, random: &mut Random, needed: usize) -> Option<usize> {
        let handles = &stage.instance.places.handles;
        let capacity = handles
            .iter()
            .map(|h| h.capacity)
            .filter(|c| *c >= needed)
            .min()?;
        let fits = |k: usize| handles[k].capacity == capacity && self.slots[k].pins == 0;
        let start = random.below(handles.len() as u64) as usize;
        let mut candidates = (0..handles.len())
            .map(|k| (start + k) % handles.len())
            .filter(|k| fits(*k));
        let first = candidates
            .clone()
            .find(|k| self.slots[*k].statement.is_none());
        first.or_else(|| candidates.next())
    }

    /// Writes a statement into a handle: the old identity goes first, the new one comes last.
    fn load(&mut self, stage: &Stage, slot: usize, statement: usize) {
        if let Some(old) = self.slots[slot].statement.replace(statement) {
            self.loaded[old] = None;
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
