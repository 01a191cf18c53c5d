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
    /// The word of each field in the row, and in its copy.
    words: FewWords<FIELDS>,
    copied: [usize; FIELDS],
    /// Where the field is in it.
    shifts: [u32; FIELDS],
    masks: [u64; FIELDS],
    select: Select,
}

impl QuickGate {
    /// `None` when a field lies across two words.
    pub(super) fn of(plan: &Plan, select: &Select) -> Option<QuickGate> {
        let mut offsets = [0; FIELDS];
        let mut copied = [0; FIELDS];
        let mut bits = [(0, 0); FIELDS];
        for (i, need) in GateFields::NEEDS.into_iter().enumerate() {
            let field = plan.field(need)?;
            bits[i] = field.in_one_word()?;
            offsets[i] = u32::try_from(plan.row_offset(field)? & !7).ok()?;
            copied[i] = (field.byte / 8) as usize;
        }
        Some(QuickGate {
            words: FewWords::new(offsets)?,
            copied,
            shifts: bits.map(|(shift, _)| shift),
            masks: bits.map(|(_, mask)| mask),
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
        Some(self.decide(row.few(&self.words)?))
    }

    /// The same for a row that was copied to these words.
    #[inline(always)]
    pub(super) fn selects_copy(&self, row: &[u64]) -> bool {
        let word = |at: usize| row.get(at).copied().unwrap_or(0);
        self.decide(self.copied.map(word))
    }

    #[inline(always)]
    fn decide(&self, words: [u64; FIELDS]) -> bool {
        let value = |i: usize| words[i] >> (self.shifts[i] & 63) & self.masks[i];
        self.select.selects(value)
    }
}

/// What decides whether a row is wanted.
#[derive(Clone, Debug)]
pub(super) enum Gate {
    /// Session rows, by these fields.
    Sessions([FieldRef; FIELDS], Select),
    /// Rows of any state object: KSSPAFLG & 1.
    InUse(FieldRef),
}

impl Gate {
    /// The gate of session rows, or `None` when the plan lacks its fields.
    pub(super) fn of_sessions(plan: &Plan, select: Select) -> Option<Gate> {
        let f = GateFields::of(plan)?;
        let fields = [f.used, f.kind, f.status, f.event, f.wait, f.seq];
        Some(Gate::Sessions(fields, select))
    }

    /// The gate of any state objects, or `None` when the plan lacks their flag.
    pub(super) fn of_state_objects(plan: &Plan) -> Option<Gate> {
        Some(Gate::InUse(plan.field(STATE_FLAG)?))
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
            Gate::Sessions(fields, select) => select.selects(|i| fields[i].uint(words)),
            Gate::InUse(flag) => flag.uint(words) & 1 != 0,
        }
    }
}
