//! Copies of all rows of an array, and of what their pointers lead to, at one moment.
//!
//! Truth that takes time to spool is bracketed by two shots: only rows that are equal in both count, since the truth in
//! between must then have seen the same. Not for: what the bytes mean.

use std::collections::BTreeMap;

use crate::memory::{AddressSpace, TargetAddr};

/// Bytes that are copied behind a pointer.
pub const POINTED_BYTES: usize = 1536;
/// Pointer members of one row that are followed at most.
const MAX_POINTERS: usize = 40;

/// Rows of an array and how many bytes each has.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Address of each row.
    pub addrs: Vec<TargetAddr>,
    /// Bytes of a row.
    pub len: usize,
}

/// All rows at one moment.
#[derive(Debug, Default)]
pub struct Shot {
    rows: Vec<Option<Box<[u8]>>>,
    pointed: BTreeMap<u32, Vec<Option<Box<[u8]>>>>,
    /// Bytes read for it.
    pub bytes: u64,
}

impl Shot {
    /// Copies all rows, and what the pointer members lead to that are pointers in some row.
    pub fn take(space: &dyn AddressSpace, rows: &Rows, follow: bool) -> Shot {
        let mut shot = Shot::default();
        for addr in &rows.addrs {
            let bytes = copy(space, *addr, rows.len);
            shot.bytes += bytes.as_ref().map_or(0, |b| b.len() as u64);
            shot.rows.push(bytes);
        }
        if follow {
            for offset in shot.pointer_members(space, rows.len) {
                shot.follow(space, offset);
            }
        }
        shot
    }

    /// Offsets at which some rows hold addresses and nearly no row holds anything else but null.
    fn pointer_members(&self, space: &dyn AddressSpace, len: usize) -> Vec<u32> {
        let mut found = Vec::new();
        for offset in (0..len.saturating_sub(7)).step_by(8) {
            let (mut good, mut bad) = (0usize, 0usize);
            for row in self.rows.iter().flatten() {
                match word(row, offset) {
                    0 => {}
                    w if space.locate(TargetAddr(w), 8).is_ok() => good += 1,
                    _ => bad += 1,
                }
                if bad > 8 && bad > good {
                    break;
                }
            }
            if good > 0 && bad * 20 <= good && found.len() < MAX_POINTERS {
                found.push(offset as u32);
            }
        }
        found
    }

    fn follow(&mut self, space: &dyn AddressSpace, offset: u32) {
        let mut all = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let target = row.as_ref().map(|r| TargetAddr(word(r, offset as usize)));
            let bytes = target.and_then(|t| copy(space, t, POINTED_BYTES));
            self.bytes += bytes.as_ref().map_or(0, |b| b.len() as u64);
            all.push(bytes);
        }
        self.pointed.insert(offset, all);
    }

    /// The bytes of a row, or of what its pointer at `via` leads to.
    pub fn row(&self, row: usize, via: Option<u32>) -> Option<&[u8]> {
        let all = match via {
            None => &self.rows,
            Some(offset) => self.pointed.get(&offset)?,
        };
        all.get(row)?.as_deref()
    }

    /// Rows of the shot.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Pointer members that were followed.
    pub fn followed(&self) -> impl Iterator<Item = u32> + '_ {
        self.pointed.keys().copied()
    }
}

/// Two shots around a truth.
#[derive(Debug, Default)]
pub struct Round {
    /// Taken before the truth.
    pub before: Shot,
    /// Taken after it.
    pub after: Shot,
    quiet: Vec<bool>,
}

impl Round {
    /// Two shots of the same rows.
    pub fn new(before: Shot, after: Shot) -> Round {
        let quiet = (0..after.len())
            .map(|row| {
                before.row(row, None).is_some() && before.row(row, None) == after.row(row, None)
            })
            .collect();
        Round {
            before,
            after,
            quiet,
        }
    }

    /// Whether nothing in the row moved between the shots. A row with any change may have had others that went back.
    pub fn is_quiet(&self, row: usize) -> bool {
        self.quiet.get(row).copied().unwrap_or(false)
    }
}

/// The 8-byte little-endian word at `offset`, 0 where there is none.
pub fn word(bytes: &[u8], offset: usize) -> u64 {
    uint(bytes, offset, 8).unwrap_or(0)
}

/// The little-endian integer of `width` bytes at `offset`.
pub fn uint(bytes: &[u8], offset: usize, width: usize) -> Option<u64> {
    let part = bytes.get(offset..offset.checked_add(width)?)?;
    Some(part.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b)))
}

/// As many of `len` bytes as lie in the region of `at`; `None` when it isn't mapped.
fn copy(space: &dyn AddressSpace, at: TargetAddr, len: usize) -> Option<Box<[u8]>> {
    let spot = space.locate(at, 1).ok()?;
    let room = space.regions().get(spot.region as usize)?.len - spot.offset;
    let mut bytes = vec![0u8; len.min(usize::try_from(room).unwrap_or(len))].into_boxed_slice();
    space.read_bytes(spot, 0, &mut bytes).ok()?;
    Some(bytes)
}
