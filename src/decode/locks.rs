//! Locks: the transaction that a session holds, and the session that blocks it.
//!
//! XID is read behind TADDR (X$KTCXB) and believed only where that row names this session back:
//! KTCXBSES is its address. KSUSEBLOCKER packs an instance number and a SID; its five highest values
//! are words (GV$SESSION texts of 10.2 to 12c, public queries for 18c and later).
//!
//! Not for: following who waits for whom (that is `analyze::chains`). Callers: `decoder`.

use super::decoder::{Op, faulted};
use super::value::Value;
use crate::plan::{FieldRef, Need, row, via};

/// The fields that XID is made of: TADDR, the session it names, segment, slot, sequence.
pub const XID_NEEDS: [Need; 5] = [
    row("KSUSETRN"),
    via("KSUSETRN", "KTCXBSES"),
    via("KSUSETRN", "KXIDUSN"),
    via("KSUSETRN", "KXIDSLT"),
    via("KSUSETRN", "KXIDSQN"),
];

/// A part of KSUSEBLOCKER or KSUSEFBLOCKER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// VALID, NO HOLDER, NOT IN WAIT or UNKNOWN.
    Status,
    /// Instance number.
    Instance,
    /// SID.
    Session,
}

/// XID as V$TRANSACTION shows it: RAW(8), segment, slot and sequence as they lie in memory.
pub(super) fn xid([taddr, session, usn, slot, sqn]: [FieldRef; 5]) -> Op {
    Box::new(move |_, r| {
        let transaction = taddr.uint(r.words);
        if transaction == 0 {
            return Value::Null;
        }
        if faulted(session, r.words) || session.uint(r.words) != r.addr.0 {
            return Value::Absent;
        }
        let part = |f: FieldRef, bits: u32| f.uint(r.words) & ((1 << bits) - 1);
        let packed = part(usn, 16) | part(slot, 16) << 16 | part(sqn, 32) << 32;
        Value::Raw(packed.swap_bytes())
    })
}

/// A part of a blocker's word whose SID has `bits` bits (rule `blocker_bits`).
pub(super) fn blocker(field: FieldRef, part: Blocker, bits: u64) -> Op {
    Box::new(move |_, r| {
        if faulted(field, r.words) {
            return Value::Absent;
        }
        let word = field.uint(r.words) & 0xffff_ffff;
        let status = match word {
            0xffff_fffd.. => "UNKNOWN",
            0xffff_fffc => "NO HOLDER",
            0xffff_fffb => "NOT IN WAIT",
            _ => "VALID",
        };
        match part {
            Blocker::Status => Value::Text(status.into()),
            _ if status != "VALID" => Value::Null,
            // the highest bit is part of neither
            Blocker::Instance => Value::Uint((word & 0x7fff_ffff) >> bits),
            Blocker::Session => Value::Uint(word & ((1 << bits) - 1)),
        }
    })
}
