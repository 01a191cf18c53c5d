//! The gate: which rows a caller wants, by the few fields that say so.

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

    #[inline]
    fn selects(&self, select: &Select, words: &[u64]) -> bool {
        if !self.is_used(words) {
            return false;
        }
        let Select::Active { idle } = select else {
            return true;
        };
        let kind = self.kind.uint(words);
        if kind & 1 == 0 {
            return true;
        }
        if self.is_waiting(words) {
            let event = self.event.uint(words) as usize;
            !idle.get(event).copied().unwrap_or(false)
        } else {
            // background processes have no call bit between their actions
            self.status.uint(words) & 1 != 0 || kind & 16 != 0
        }
    }
}

/// What decides whether a row is wanted.
#[derive(Clone, Debug)]
pub(super) enum Gate {
    /// Session rows, by these fields.
    Sessions(GateFields, Select),
    /// Rows of any state object: KSSPAFLG & 1.
    InUse(FieldRef),
}

impl Gate {
    /// Whether a row is wanted, by the words of the gate's fields.
    #[inline]
    pub(super) fn selects(&self, words: &[u64]) -> bool {
        match self {
            Gate::Sessions(fields, select) => fields.selects(select, words),
            Gate::InUse(flag) => flag.uint(words) & 1 != 0,
        }
    }
}
