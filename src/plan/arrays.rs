//! Arrays: from an anchor to the places of all rows.
//!
//! For: reading pointer arrays, runs and flat arrays with every bound checked, and proving the
//! pointer arrays by the slot ordinals that the rows hold.
//! Not for: deciding which candidate to trust (that is `accept`).

use crate::blueprint::model::{Array, ArrayLayout, Blueprint};
use crate::memory::{AddressSpace, Fault, FaultKind, Spot, TargetAddr};

/// Rows of one array that are ever looked at. Oracle's `sessions` and `processes` parameters stay
/// far below; a count beyond it is damage.
pub const MAX_ROWS: u64 = 1 << 20;

/// Where each row of an array is; row i is slot i.
#[derive(Clone, Debug, Default)]
pub struct RowTable {
    /// Address of each row, as the pointer array has it.
    pub addrs: Vec<TargetAddr>,
    /// Proven place of each row, or why it can't be read.
    pub spots: Vec<Result<Spot, Fault>>,
}

impl RowTable {
    /// Places the rows at `addrs`, of which each must be readable for `reach` bytes.
    pub fn place(space: &dyn AddressSpace, addrs: Vec<TargetAddr>, reach: u64) -> RowTable {
        let spots = addrs
            .iter()
            .map(|addr| aligned(*addr, reach).and_then(|()| space.locate(*addr, reach)))
            .collect();
        RowTable { addrs, spots }
    }

    /// Rows, readable or not.
    pub fn len(&self) -> usize {
        self.addrs.len()
    }

    /// Whether there are no rows at all.
    pub fn is_empty(&self) -> bool {
        self.addrs.is_empty()
    }

    /// Rows that can be read.
    pub fn readable(&self) -> usize {
        self.spots.iter().filter(|s| s.is_ok()).count()
    }
}

/// State objects are 8-byte aligned; a row pointer that isn't is damage.
fn aligned(addr: TargetAddr, len: u64) -> Result<(), Fault> {
    if addr.0.is_multiple_of(8) {
        Ok(())
    } else {
        Err(Fault {
            addr,
            len,
            kind: FaultKind::Unmapped,
        })
    }
}

/// Reads a flat array of `count` row pointers at `base`. Entries that can't be read are null.
pub fn pointer_array(
    space: &dyn AddressSpace,
    base: TargetAddr,
    count: u64,
) -> Result<Vec<TargetAddr>, Fault> {
    let count = count.min(MAX_ROWS);
    let spot = space.locate(base, count * 8)?;
    let mut words = vec![0u64; count as usize];
    space.read_words(spot, 0, &mut words)?;
    Ok(words.into_iter().map(TargetAddr).collect())
}

/// Row addresses of an array whose runs the blueprint lists itself.
pub fn runs(layout: &ArrayLayout) -> Option<Vec<TargetAddr>> {
    let ArrayLayout::Runs { runs } = layout else {
        return None;
    };
    let mut addrs = Vec::new();
    for run in runs {
        for i in 0..run.count.min(MAX_ROWS) {
            let offset = run.stride.checked_mul(i as i64)?;
            addrs.push(TargetAddr(run.start.checked_add_signed(offset)?));
            if addrs.len() as u64 > MAX_ROWS {
                return None;
            }
        }
    }
    Some(addrs)
}

/// How many of the first rows are readable and hold their own ordinal (row i holds i + 1), and how
/// many were looked at. Rows are looked at until `limit`.
pub fn ordinals(
    space: &dyn AddressSpace,
    addrs: &[TargetAddr],
    offset: u64,
    size: u64,
    limit: usize,
) -> (usize, usize) {
    let mut good = 0;
    let mut seen = 0;
    for (i, addr) in addrs.iter().take(limit).enumerate() {
        seen += 1;
        let Some(at) = addr.checked_add(offset).filter(|_| addr.0 % 8 == 0) else {
            continue;
        };
        if read_uint(space, at, size) == Ok(i as u64 + 1) {
            good += 1;
        }
    }
    (good, seen)
}

/// An unsigned integer of 1 to 8 bytes in memory.
pub fn read_uint(space: &dyn AddressSpace, at: TargetAddr, size: u64) -> Result<u64, Fault> {
    let mut bytes = [0u8; 8];
    let n = size.clamp(1, 8) as usize;
    space.read(at, &mut bytes[..n])?;
    Ok(u64::from_le_bytes(bytes))
}

/// The address of an array's base or count member, by the anchor's address and a field offset.
pub fn member(blueprint: &Blueprint, anchor: &str, offset: u64) -> Option<TargetAddr> {
    TargetAddr(blueprint.anchor(anchor)?.address).checked_add(offset)
}

/// The array of this name, or what is missing.
pub fn find<'a>(blueprint: &'a Blueprint, name: &str) -> Result<&'a Array, super::PlanError> {
    blueprint
        .array(name)
        .ok_or_else(|| super::PlanError::Incomplete {
            id: blueprint.id.clone(),
            what: format!("the array {name}"),
        })
}
