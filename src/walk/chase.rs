//! What is behind a row's pointers.

use crate::memory::{AddressSpace, Spot, TargetAddr};
use crate::plan::{Chase, Plan};

/// Follows all pointers of a row, of which `own` are the words before those of chases, and `behind`
/// become the words from there on; what can't be read is zero. Gives the row's status: bit n set =
/// chase n faulted.
pub(super) fn follow_all(
    space: &dyn AddressSpace,
    plan: &Plan,
    own: &[u64],
    behind: &mut [u64],
) -> u64 {
    let mut faults = 0;
    for (number, chase) in plan.chases.iter().enumerate() {
        let out = chase.words_of(own.len(), behind);
        let pointer = chase.pointer.uint(own);
        if pointer == 0 || !follow(space, chase, pointer, out) {
            out.fill(0);
            faults |= u64::from(pointer != 0) << number;
        }
    }
    faults
}

/// Reads what a pointer of the row leads to; false: it can't be read.
pub(super) fn follow(
    space: &dyn AddressSpace,
    chase: &Chase,
    pointer: u64,
    out: &mut [u64],
) -> bool {
    let Some(at) = TargetAddr(pointer).checked_add(chase.offset) else {
        return false;
    };
    let whole = (out.len() * 8) as u64;
    if let Ok(spot) = space.locate(at, whole) {
        return space.read_words(spot, 0, out).is_ok();
    }
    chase.is_text && follow_to_end(space, at, out)
}

/// Text may stand at the very end of its segment.
#[cold]
fn follow_to_end(space: &dyn AddressSpace, at: TargetAddr, out: &mut [u64]) -> bool {
    let Ok(spot) = space.locate(at, 1) else {
        return false;
    };
    let words = (room(space, spot) / 8).min(out.len() as u64) as usize;
    out.fill(0);
    space.read_words(spot, 0, &mut out[..words]).is_ok()
}

/// Bytes from a place to the end of its region.
fn room(space: &dyn AddressSpace, spot: Spot) -> u64 {
    let region = space.regions().get(spot.region as usize);
    region.map_or(0, |r| r.len.saturating_sub(spot.offset))
}
