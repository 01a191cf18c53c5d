//! Locks: the transaction that a session holds.
//!
//! XID is read behind TADDR (X$KTCXB) and believed only where that row names this session back:
//! KTCXBSES is its address.
//!
//! Not for: following who waits for whom (that is `analyze::chains`). Callers: `decoder`.

use super::recipes::Op;
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

/// XID as V$TRANSACTION shows it: RAW(8), segment, slot and sequence as they lie in memory.
pub(super) fn xid([taddr, session, usn, slot, sqn]: [FieldRef; 5]) -> Op {
    Box::new(move |_, r| {
        let transaction = taddr.uint(r.words);
        if transaction == 0 {
            return Value::Null;
        }
        if session.is_faulted(r.words) || session.uint(r.words) != r.addr.0 {
            return Value::Absent;
        }
        let part = |f: FieldRef, bits: u32| f.uint(r.words) & ((1 << bits) - 1);
        let packed = part(usn, 16) | part(slot, 16) << 16 | part(sqn, 32) << 32;
        Value::Raw(packed.swap_bytes())
    })
}
