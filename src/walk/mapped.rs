//! Rows that lie whole in mapped memory, and what is behind their pointers there.
//!
//! For: reading them with as few instructions as there are words, after the lines have been asked for
//! in two steps: a row's own, and, when these are there, those that its pointers lead to.
//!
//! Not for: rows of other memory ([`super::reads`]), or deciding which rows are read. What a pointer
//! leads to is read through the [`AddressSpace`] where it isn't mapped or aligned.

use std::ops::Range;

use crate::memory::{
    AddressSpace, ManyWords, MappedMemory, Proven, RowStarts, TargetAddr, WordList, fence_acquire,
};
use crate::plan::{BoundPlan, Chase, Plan};

use super::chase::follow;
use super::reads::Reads;

/// Selected rows whose lines are asked for before the first of them is read.
pub(super) const LANES: usize = 8;
/// Pointers that a plan may follow; with more its rows are read in the general way.
const POINTERS: usize = 16;

/// The rows of a plan that lie in mapped memory.
pub(super) struct MappedRows {
    memory: MappedMemory,
    rows: RowStarts,
    pointers: Vec<Pointer>,
    /// The scratch row's word of each of them.
    pointer_words: Vec<usize>,
    /// What is read behind all of them.
    behind: ManyWords,
}

/// A pointer of the rows, and what is read behind it.
struct Pointer {
    chase: Chase,
    /// Bytes from the row's start.
    in_row: u32,
    /// What is read behind it, and where in the scratch row it goes.
    words: WordList,
    /// Bytes of these.
    bytes: usize,
    /// Their words of the scratch row.
    place: Range<usize>,
}

/// Where the pointers of rows lead whose lines have been asked for; good for one sweep.
pub(super) struct Lanes<'a> {
    mapped: &'a MappedRows,
    leads: [Leads<'a>; LANES],
    /// Where each pointer led last, for [`MappedMemory::place`].
    near: [u32; POINTERS],
}

/// Where the pointers of a row lead.
#[derive(Clone, Copy)]
struct Leads<'a> {
    pointers: [u64; POINTERS],
    /// Zeros for null, and where that isn't mapped.
    there: [Proven<'a>; POINTERS],
    /// The bits of pointers that lead where nothing is mapped.
    unmapped: u32,
}

/// A row to be read: its slot, its lane, and the slot of a row that will be read later.
pub(super) type Turn = (usize, usize, Option<usize>);

impl MappedRows {
    /// `None` when not one row is mapped, or the plan's pointers are too many or not whole words.
    pub(super) fn of(bound: &BoundPlan) -> Option<MappedRows> {
        let memory = MappedMemory::of(&*bound.space)?;
        let placed = bound.rows.addrs.iter().zip(&bound.rows.spots);
        let addrs = placed.map(|(addr, spot)| spot.is_ok().then_some(*addr));
        let rows = memory.rows(addrs, bound.plan.reach);
        let chases = &bound.plan.chases;
        let pointer = |chase: &Chase| Pointer::of(&bound.plan, chase);
        let pointers: Vec<Pointer> = chases.iter().map(pointer).collect::<Option<_>>()?;
        (!rows.is_empty() && pointers.len() <= POINTERS).then_some(MappedRows {
            memory,
            rows,
            pointer_words: (chases.iter())
                .map(|chase| (chase.pointer.byte / 8) as usize)
                .collect(),
            behind: ManyWords::of(pointers.iter().map(|pointer| &pointer.words)),
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

    /// Notes where a pointer of a row leads. `near` is where it led last.
    #[inline]
    fn lead<'a>(&'a self, number: usize, value: u64, leads: &mut Leads<'a>, near: &mut u32) {
        let pointer = &self.pointers[number];
        leads.pointers[number] = value;
        leads.there[number] = Proven::zeros(pointer.bytes);
        leads.unmapped &= !(1 << number);
        if value == 0 {
            return;
        }
        let at = TargetAddr(value).checked_add(pointer.chase.offset);
        let place = at.and_then(|at| self.memory.place(at, pointer.bytes as u64, near));
        match place.and_then(|place| self.memory.at(place, pointer.bytes)) {
            Some(there) => leads.there[number] = there,
            None => leads.unmapped |= 1 << number,
        }
    }
}

impl<'a> Lanes<'a> {
    pub(super) fn new(mapped: &'a MappedRows) -> Lanes<'a> {
        let leads = Leads {
            pointers: [0; POINTERS],
            there: std::array::from_fn(|i| {
                Proven::zeros(mapped.pointers.get(i).map_or(0, |p| p.bytes))
            }),
            unmapped: 0,
        };
        Lanes {
            mapped,
            leads: [leads; LANES],
            near: [0; POINTERS],
        }
    }

    /// Asks for the lines that a row's pointers lead to, and keeps the places for reading the row in
    /// this lane. The row's own lines should be there.
    #[inline]
    pub(super) fn look_behind(&mut self, slot: usize, lane: usize) {
        let mapped = self.mapped;
        let Some(row) = mapped.rows.row(slot) else {
            return;
        };
        let leads = &mut self.leads[lane % LANES];
        for (number, (pointer, near)) in mapped.pointers.iter().zip(&mut self.near).enumerate() {
            let value = row.word(pointer.in_row).unwrap_or(0);
            mapped.lead(number, value, leads, near);
            if value != 0 {
                leads.there[number].prefetch(&pointer.words);
            }
        }
    }

    /// Reads a row and what is behind its pointers into `row`, twice. `Some(false)`: it moved meanwhile;
    /// `None`: it isn't mapped. `held` are the tails that stand in `row`, before and after. `again` is
    /// scratch memory as long as `row`. Asks for the lines of the turn's later row meanwhile.
    #[inline]
    pub(super) fn read(
        &mut self,
        space: &dyn AddressSpace,
        (slot, lane, next): Turn,
        reads: &Reads,
        (row, held): (&mut [u64], &mut u64),
        again: &mut [u64],
    ) -> Option<bool> {
        let place = self.mapped.rows.row(slot)?;
        let next = next.and_then(|slot| self.mapped.rows.row(slot));
        *held = reads.gather(place, next, row, *held)?;
        let mapped = self.mapped;
        let leads = &mut self.leads[lane % LANES];
        for (number, word) in mapped.pointer_words.iter().enumerate() {
            let value = *row.get(*word)?;
            if leads.pointers[number] != value {
                // another one than when its lines were asked for
                mapped.lead(number, value, leads, &mut self.near[number]);
            }
        }
        let there = &leads.there[..mapped.pointers.len()];
        Proven::gather_many(there, &mapped.behind, row)?;
        row[0] = match leads.unmapped {
            0 => 0,
            _ => mapped.follow_unmapped(space, leads, row),
        };
        fence_acquire();
        if !reads.same(place, row, *held)? {
            return Some(false);
        }
        // with the same pointers only what is behind them can have moved
        match leads.unmapped {
            0 => Proven::same_many(there, &mapped.behind, row),
            _ => mapped.same_behind(space, leads, row, again),
        }
    }
}

impl MappedRows {
    /// Reads what isn't mapped to its place in `row`; gives the bits of pointers behind which nothing
    /// can be read.
    #[cold]
    fn follow_unmapped(&self, space: &dyn AddressSpace, leads: &Leads<'_>, row: &mut [u64]) -> u64 {
        let mut faults = 0;
        for (number, pointer) in self.pointers.iter().enumerate() {
            if leads.unmapped >> number & 1 != 0 {
                let read = pointer.follow(space, leads.pointers[number], row);
                faults |= u64::from(!read) << number;
            }
        }
        faults
    }

    /// Whether what is behind the pointers is now as it stands in `row`, whose first word says behind
    /// which nothing could be read.
    #[cold]
    fn same_behind(
        &self,
        space: &dyn AddressSpace,
        leads: &Leads<'_>,
        row: &[u64],
        again: &mut [u64],
    ) -> Option<bool> {
        for (number, pointer) in self.pointers.iter().enumerate() {
            let same = if leads.unmapped >> number & 1 == 0 {
                leads.there[number].same(&pointer.words, row)?
            } else {
                let read = pointer.follow(space, leads.pointers[number], again);
                let place = || pointer.place.clone();
                read == (row[0] >> number & 1 == 0) && again.get(place()) == row.get(place())
            };
            if !same {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl Pointer {
    /// `None` when it isn't a whole word of the row, or wants more than there can be.
    fn of(plan: &Plan, chase: &Chase) -> Option<Pointer> {
        let at = plan.row_offset(chase.pointer)?;
        if !at.is_multiple_of(8) || chase.pointer.size != 8 {
            return None;
        }
        let words = chase.bytes.div_ceil(8);
        let bytes = 8 * words as usize;
        Some(Pointer {
            chase: *chase,
            in_row: u32::try_from(at).ok()?,
            bytes,
            place: chase.dst as usize..(chase.dst + words) as usize,
            words: WordList::placed((0..words).map(|i| (8 * i, chase.dst + i)))?,
        })
    }

    /// Reads what it leads to by way of the space to its place in `row`; what can't be read is zero.
    fn follow(&self, space: &dyn AddressSpace, value: u64, row: &mut [u64]) -> bool {
        let out = row.get_mut(self.place.clone()).unwrap_or_default();
        let read = follow(space, &self.chase, value, out);
        if !read {
            out.fill(0);
        }
        read
    }
}
