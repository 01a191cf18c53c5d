//! The gate: which rows a caller wants, by the few fields that say so.

use crate::memory::{FewWords, Proven};
use crate::plan::{FieldRef, Need, Plan, row};

/// The flag by which any state object says that it is in use.
pub const STATE_FLAG: Need = row("KSSPAFLG");

/// Which rows a caller wants.
#[derive(Clone, Debug)]
pub enum Select {
    /// Every slot in use (KSSPAFLG & 1 and KSUSEFLG & 3 ≠ 0), recursive sessions included.
    Used,
    /// Slots in use that are active now, and all recursive ones: in a call and not waiting, or
    /// waiting for an event whose class isn't Idle. The mask says which EVENT# are idle.
    Active {
        /// Whether each EVENT# is of the class Idle.
        idle: Box<[bool]>,
    },
}

/// The gate's fields in a scratch row.
#[derive(Clone, Copy, Debug)]
pub struct GateFields {
    /// KSSPAFLG.
    pub used: FieldRef,
    /// KSUSEFLG.
    pub kind: FieldRef,
    /// KSUSEIDL.
    pub status: FieldRef,
    /// KSUSEOPC (EVENT#).
    pub event: FieldRef,
    /// KSUSETIM.
    pub wait: FieldRef,
    /// KSUSESEQ (SEQ#).
    pub seq: FieldRef,
}

impl GateFields {
    /// The columns of the gate, in the order of this structure's fields.
    pub const NEEDS: [Need; 6] = [
        STATE_FLAG,
        row("KSUSEFLG"),
        row("KSUSEIDL"),
        row("KSUSEOPC"),
        row("KSUSETIM"),
        row("KSUSESEQ"),
    ];

    /// The fields' places, if the plan has all of them.
    pub fn of(plan: &Plan) -> Option<GateFields> {
        let [used, kind, status, event, wait, seq] = Self::NEEDS.map(|n| plan.field(n));
        Some(GateFields {
            used: used?,
            kind: kind?,
            status: status?,
            event: event?,
            wait: wait?,
            seq: seq?,
        })
    }

    /// Whether the slot is in use: its state object is initialised and it is a user, background or
    /// recursive session (GV$SESSION's text tests the same bits; recursive ones it leaves out).
    #[inline]
    pub fn is_used(&self, words: &[u64]) -> bool {
        self.used.uint(words) & 1 != 0 && self.kind.uint(words) & 3 != 0
    }

    /// Whether the session waits now: KSUSETIM = 0, and it has waited at all (SEQ# ≠ 0, as
    /// GV$SESSION_WAIT's text asks; before the first wait both are 0).
    #[inline]
    pub fn is_waiting(&self, words: &[u64]) -> bool {
        self.wait.int(words) == 0 && self.seq.uint(words) != 0
    }
}

/// The gate's fields by their place in [`GateFields::NEEDS`].
const USED: usize = 0;
const KIND: usize = 1;
const STATUS: usize = 2;
const EVENT: usize = 3;
const WAIT: usize = 4;
const SEQ: usize = 5;
/// How many they are.
pub(super) const FIELDS: usize = GateFields::NEEDS.len();

impl Select {
    /// What [`GateFields::is_used`] and [`GateFields::is_waiting`] say, and what is made of it; by the
    /// values of the gate's fields.
    #[inline(always)]
    fn selects(&self, value: impl Fn(usize) -> u64) -> bool {
        let kind = value(KIND);
        if value(USED) & 1 == 0 || kind & 3 == 0 {
            return false;
        }
        let Select::Active { idle } = self else {
            return true;
        };
        if kind & 1 == 0 {
            return true;
        }
        if value(WAIT) == 0 && value(SEQ) != 0 {
            let event = value(EVENT) as usize;
            !idle.get(event).copied().unwrap_or(false)
        } else {
            // background processes have no call bit between their actions
            value(STATUS) & 1 != 0 || kind & 16 != 0
        }
    }
}

/// The gate's fields where each lies in one word of a mapped row: no more than six reads a row.
pub(super) struct QuickGate {
    /// The word of each field.
    words: FewWords<FIELDS>,
    /// Where the field is in it.
    shifts: [u32; FIELDS],
    masks: [u64; FIELDS],
    select: Select,
}

impl QuickGate {
    /// `None` when a field lies across two words.
    pub(super) fn of(plan: &Plan, select: &Select) -> Option<QuickGate> {
        let mut offsets = [0; FIELDS];
        let mut bits = [Bits::default(); FIELDS];
        for (i, need) in GateFields::NEEDS.into_iter().enumerate() {
            let field = plan.field(need)?;
            bits[i] = Bits::of(field);
            if bits[i].high_mask != 0 {
                return None;
            }
            offsets[i] = u32::try_from(plan.row_offset(field)? & !7).ok()?;
        }
        Some(QuickGate {
            words: FewWords::new(offsets)?,
            shifts: bits.map(|b| b.low_shift),
            masks: bits.map(|b| b.mask),
            select: select.clone(),
        })
    }

    /// Asks for the row's lines of the gate.
    #[inline(always)]
    pub(super) fn ask_for(&self, row: Proven<'_>) {
        row.prefetch_few(&self.words);
    }

    /// Whether a row is wanted; `None` when it ends before the gate does.
    #[inline(always)]
    pub(super) fn selects(&self, row: Proven<'_>) -> Option<bool> {
        let words = row.few(&self.words)?;
        let value = |i: usize| words[i] >> (self.shifts[i] & 63) & self.masks[i];
        Some(self.select.selects(value))
    }
}

/// Where a field's bits are in a scratch row: in one word, or in two of which the second's are
/// above the first's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bits {
    low: u32,
    low_shift: u32,
    high: u32,
    high_shift: u32,
    /// Of both together.
    mask: u64,
    /// Of the second word; 0 when there is none.
    high_mask: u64,
}

impl Bits {
    fn of(field: FieldRef) -> Bits {
        let (low, skip) = (field.byte / 8, field.byte % 8 * 8);
        let width = field.size.min(8) * 8;
        let straddles = skip + width > 64;
        Bits {
            low,
            low_shift: skip,
            high: low + u32::from(straddles),
            high_shift: (64 - skip) % 64,
            mask: u64::MAX.checked_shr(64 - width).unwrap_or(0),
            high_mask: if straddles { u64::MAX } else { 0 },
        }
    }

    /// What [`FieldRef::uint`] gives.
    #[inline(always)]
    fn uint(self, words: &[u64]) -> u64 {
        let word = |at: u32| words.get(at as usize).copied().unwrap_or(0);
        let high = (word(self.high) & self.high_mask) << self.high_shift;
        (word(self.low) >> self.low_shift | high) & self.mask
    }
}

/// What decides whether a row is wanted.
#[derive(Clone, Debug)]
pub(super) enum Gate {
    /// Session rows, by these fields.
    Sessions([Bits; FIELDS], Select),
    /// Rows of any state object: KSSPAFLG & 1.
    InUse(Bits),
}

impl Gate {
    /// The gate of session rows, or `None` when the plan lacks its fields.
    pub(super) fn of_sessions(plan: &Plan, select: Select) -> Option<Gate> {
        let mut bits = [Bits::default(); FIELDS];
        for (bits, need) in bits.iter_mut().zip(GateFields::NEEDS) {
            *bits = Bits::of(plan.field(need)?);
        }
        Some(Gate::Sessions(bits, select))
    }

    /// The gate of any state objects, or `None` when the plan lacks their flag.
    pub(super) fn of_state_objects(plan: &Plan) -> Option<Gate> {
        Some(Gate::InUse(Bits::of(plan.field(STATE_FLAG)?)))
    }

    /// The same for mapped rows, where that can be done in a quicker way.
    pub(super) fn quick(&self, plan: &Plan) -> Option<QuickGate> {
        match self {
            Gate::Sessions(_, select) => QuickGate::of(plan, select),
            Gate::InUse(_) => None,
        }
    }

    /// Whether a row is wanted, by the words of the gate's fields.
    #[inline(always)]
    pub(super) fn selects(&self, words: &[u64]) -> bool {
        match self {
            Gate::Sessions(bits, select) => select.selects(|i| bits[i].uint(words)),
            Gate::InUse(flag) => flag.uint(words) & 1 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::model::Stored;

    #[test]
    fn bits_are_those_of_the_field() {
        let words = [0x8877_6655_4433_2211, 0xFFEE_DDCC_BBAA_0099, 0x1234_5678];
        for byte in 0..32 {
            for size in 0..=10 {
                let field = FieldRef::new(byte, size, Stored::Uint, None);
                let bits = Bits::of(field);
                assert_eq!(bits.uint(&words), field.uint(&words), "{field:?}");
            }
        }
    }
}
