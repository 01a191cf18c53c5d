//! Rows that lie whole in mapped memory, and what is behind their pointers there.
//!
//! For: reading them with as few instructions as there are words, after the lines have been asked for
//! in two steps: a row's own, and, when these are there, those that its pointers lead to.
//!
//! Not for: rows of other memory ([`super::reads`]), or deciding which rows are read. What a pointer
//! leads to is read through the [`AddressSpace`] where it isn't mapped or aligned.

use crate::memory::{
    AddressSpace, MappedMemory, Place, Proven, RowStarts, TargetAddr, WordList, fence_acquire,
};
use crate::plan::{BoundPlan, Chase, Plan};

use super::chase::follow;

/// Selected rows whose lines are asked for before the first of them is read.
pub(super) const LANES: usize = 8;

/// The rows of a plan that lie in mapped memory.
pub(super) struct MappedRows {
    memory: MappedMemory,
    rows: RowStarts,
    pointers: Vec<Pointer>,
}

/// A pointer of the rows, and what is read behind it.
struct Pointer {
    chase: Chase,
    /// Bytes from the row's start, when it stands in one word.
    in_row: Option<u32>,
    /// What is read behind it.
    words: WordList,
    /// Bytes of these.
    bytes: usize,
    /// Where the last one led, for [`MappedMemory::place`].
    near: u32,
    /// Where it leads from the row of each lane.
    leads: [Lead; LANES],
}

#[derive(Clone, Copy, Default)]
struct Lead {
    pointer: u64,
    place: Option<Place>,
}

impl MappedRows {
    /// `None` when not one row is mapped.
    pub(super) fn of(bound: &BoundPlan) -> Option<MappedRows> {
        let memory = MappedMemory::of(&*bound.space)?;
        let placed = bound.rows.addrs.iter().zip(&bound.rows.spots);
        let addrs = placed.map(|(addr, spot)| spot.is_ok().then_some(*addr));
        let rows = memory.rows(addrs, bound.plan.reach);
        let pointer = |chase: &Chase| Pointer::of(&bound.plan, chase);
        let pointers = bound
            .plan
            .chases
            .iter()
            .map(pointer)
            .collect::<Option<_>>()?;
        (!rows.is_empty()).then_some(MappedRows {
            memory,
            rows,
            pointers,
        })
    }

    /// Whether all rows are still there. Ask before every tick.
    pub(super) fn intact(&self) -> bool {
        self.rows.intact()
    }

    /// A row; `None` when it isn't mapped.
    #[inline(always)]
    pub(super) fn row(&self, slot: usize) -> Option<Proven<'_>> {
        self.rows.row(slot)
    }

    /// Asks for the lines that a row's pointers lead to, and keeps the places for reading the row in
    /// this lane. The row's own lines should be there.
    #[inline]
    pub(super) fn look_behind(&mut self, slot: usize, lane: usize) {
        let Some(row) = self.rows.row(slot) else {
            return;
        };
        for pointer in &mut self.pointers {
            let leads = pointer.in_row.and_then(|at| row.word(at)).unwrap_or(0);
            if let Some(place) = pointer.follow(&self.memory, lane, leads)
                && let Some(behind) = self.memory.at(place, pointer.bytes)
            {
                behind.prefetch(&pointer.words);
            }
        }
    }

    /// Reads a row's `words` and what is behind its pointers into `row`, twice. `Some(false)`: it moved
    /// meanwhile; `None`: it isn't mapped. `again` is scratch memory as long as `row`. Asks for the lines
    /// of the row in slot `next` meanwhile.
    #[inline]
    pub(super) fn read(
        &mut self,
        space: &dyn AddressSpace,
        (slot, lane): (usize, usize),
        next: Option<usize>,
        words: &WordList,
        row: &mut [u64],
        again: &mut [u64],
    ) -> Option<bool> {
        let place = self.rows.row(slot)?;
        let own_len = words.len() + 1;
        let (own, behind) = row.split_at_mut_checked(own_len)?;
        let next = next.and_then(|slot| self.rows.row(slot));
        place.gather_asking(words, &mut own[1..], next)?;
        let mut faults = 0;
        for (number, pointer) in self.pointers.iter_mut().enumerate() {
            let out = pointer.chase.words_of(own_len, behind);
            let leads = pointer.chase.pointer.uint(own);
            if leads == 0 {
                pointer.leads[lane % LANES] = Lead::default();
                out.fill(0);
                continue;
            }
            let read = pointer
                .follow(&self.memory, lane, leads)
                .and_then(|place| self.memory.at(place, pointer.bytes))
                .and_then(|there| there.gather(&pointer.words, out));
            if read.is_none() {
                pointer.leads[lane % LANES].place = None;
                if !follow(space, &pointer.chase, leads, out) {
                    out.fill(0);
                    faults |= 1 << number;
                }
            }
        }
        own[0] = faults;
        fence_acquire();
        if !place.same(words, &own[1..])? {
            return Some(false);
        }
        // the pointers are the same, so only what is behind them can have moved
        let again = again.get_mut(own_len..)?;
        let mut behind = self.pointers.iter().enumerate().map(|(number, pointer)| {
            let was = pointer.chase.words_of(own_len, &mut *behind);
            let lead = pointer.leads[lane % LANES];
            match lead.place {
                Some(place) => {
                    let there = self.memory.at(place, pointer.bytes);
                    there.and_then(|t| t.same(&pointer.words, was)) == Some(true)
                }
                None if lead.pointer == 0 => true,
                None => {
                    let now = pointer.chase.words_of(own_len, again);
                    let read = follow(space, &pointer.chase, lead.pointer, now);
                    let could = faults >> number & 1 == 0;
                    read == could && (!read || now == was)
                }
            }
        });
        Some(behind.all(|same| same))
    }
}

impl Pointer {
    /// `None` when it wants more than there can be.
    fn of(plan: &Plan, chase: &Chase) -> Option<Pointer> {
        let in_row = plan
            .row_offset(chase.pointer)
            .filter(|at| at.is_multiple_of(8));
        let words = (0..chase.bytes.div_ceil(8)).map(|word| 8 * word);
        Some(Pointer {
            chase: *chase,
            in_row: in_row
                .filter(|_| chase.pointer.size == 8)
                .and_then(|at| u32::try_from(at).ok()),
            bytes: 8 * words.len(),
            words: WordList::new(words)?,
            near: 0,
            leads: [Lead::default(); LANES],
        })
    }

    /// Where a pointer leads, looked up unless the lane has it already.
    #[inline]
    fn follow(&mut self, memory: &MappedMemory, lane: usize, pointer: u64) -> Option<Place> {
        let lead = &mut self.leads[lane % LANES];
        if lead.pointer != pointer {
            let at = TargetAddr(pointer).checked_add(self.chase.offset);
            let place = at.and_then(|at| memory.place(at, self.bytes as u64, &mut self.near));
            *lead = Lead { pointer, place };
        }
        lead.place
    }
}
