//! Finding arrays of row pointers: by the addresses that they must hold, or by what their rows hold.
//!
//! Not for: the meaning of any row.

use std::collections::BTreeSet;

use super::shot::uint;
use crate::memory::{AddressSpace, Spot, TargetAddr};

/// Bytes of a region in which pointers to arrays are looked for.
const MAX_SCAN: u64 = 64 << 20;
/// Bytes around a pointer to an array in which its count is looked for.
const NEAR: u64 = 4096;
/// Words that are read at once.
const PIECE: usize = 8192;
/// Words of a page.
const PAGE_WORDS: usize = 512;
/// Rows of an array at most.
const MAX_ROWS: usize = 1 << 20;
/// Fewest rows by which an array is recognised.
const FEWEST: usize = 8;
/// Longest row.
const MAX_ROW: u64 = 64 << 10;

/// A pointer array that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where the pointer to it stands.
    pub pointer: TargetAddr,
    /// Row addresses.
    pub rows: Vec<TargetAddr>,
    /// Where numbers stand near the pointer that equal the number of rows.
    pub counts: Vec<TargetAddr>,
    /// Offsets and widths at which row i holds i + 1.
    pub ordinals: Vec<(u32, u8)>,
}

/// Calls `each` with the address and value of every aligned word of the first region; returns bytes read.
fn words(space: &dyn AddressSpace, mut each: impl FnMut(TargetAddr, u64)) -> u64 {
    let Some(region) = space.regions().first().cloned() else {
        return 0;
    };
    let len = region.len.min(MAX_SCAN) / 8;
    let mut piece = vec![0u64; PIECE];
    let mut at = 0u64;
    while at < len {
        let n = (len - at).min(PIECE as u64) as usize;
        let spot = Spot {
            region: 0,
            offset: at * 8,
        };
        // of an image only some pages may be there
        let step = match space.read_words(spot, 0, &mut piece[..n]) {
            Ok(()) => n,
            Err(_) => n.min(PAGE_WORDS),
        };
        if step == n || space.read_words(spot, 0, &mut piece[..step]).is_ok() {
            for (i, word) in piece[..step].iter().enumerate() {
                each(TargetAddr(region.start.0 + (at + i as u64) * 8), *word);
            }
        }
        at += step as u64;
    }
    len * 8
}

/// Pointers in the first region to arrays that hold exactly these addresses; and bytes read.
pub fn arrays_of(space: &dyn AddressSpace, rows: &[TargetAddr]) -> (Vec<Found>, u64) {
    let mut found = Vec::new();
    let [first, second, ..] = rows else {
        return (found, 0);
    };
    let bytes = words(space, |pointer, word| {
        let start = TargetAddr(word);
        let second_at = word.wrapping_add(8);
        let likely = word % 8 == 0
            && space.read_u64(start) == Ok(first.0)
            && space.read_u64(TargetAddr(second_at)) == Ok(second.0);
        if likely && entries(space, start, rows.len()).as_deref() == Some(rows) {
            found.push(Found {
                pointer,
                rows: rows.to_vec(),
                counts: counts_near(space, pointer, rows.len()),
                ordinals: Vec::new(),
            });
        }
    });
    (found, bytes)
}

/// Pointer arrays in the first region with these addresses at these indices; and bytes read. Their length is what a
/// number near the pointer says, where all entries of that many lead to rows at the distances of the addresses given
/// and none to a row of `others`, another array.
pub fn arrays_with(
    space: &dyn AddressSpace,
    members: &[(usize, TargetAddr)],
    others: &[TargetAddr],
) -> (Vec<Found>, u64) {
    let mut found = Vec::new();
    let last = members.iter().map(|m| m.0).max().unwrap_or(0);
    let others: BTreeSet<u64> = others.iter().map(|o| o.0).collect();
    let bytes = words(space, |pointer, word| {
        let holds = |m: &(usize, TargetAddr)| {
            let at = word.checked_add(8 * m.0 as u64);
            at.is_some_and(|at| space.read_u64(TargetAddr(at)) == Ok(m.1.0))
        };
        if word % 8 == 0 && word != 0 && members.iter().all(holds) {
            found.extend(whole_array(
                space,
                pointer,
                (TargetAddr(word), last + 1),
                &others,
            ));
        }
    });
    (found, bytes)
}

/// The array of at least `least` entries at `start`, as long as the nearest number that fits says.
fn whole_array(
    space: &dyn AddressSpace,
    pointer: TargetAddr,
    (start, least): (TargetAddr, usize),
    others: &BTreeSet<u64>,
) -> Option<Found> {
    let known = entries(space, start, least)?;
    let step = stride(&known)?;
    let is_row = |row: &TargetAddr| {
        row.0.is_multiple_of(8) && !others.contains(&row.0) && space.locate(*row, step).is_ok()
    };
    let fits = |n: &u32| {
        let rows = entries(space, start, *n as usize);
        rows.is_some_and(|rows| stride(&rows) == Some(step) && rows.iter().all(is_row))
    };
    let near = pointer.0.saturating_sub(NEAR);
    let told: BTreeSet<u32> = (near..pointer.0 + NEAR)
        .step_by(4)
        .filter_map(|at| space.read_u32(TargetAddr(at)).ok())
        .filter(|n| (least..=MAX_ROWS).contains(&(*n as usize)))
        .collect();
    // One number more would be an entry that leads nowhere: the largest that fits is the length.
    let n = told.into_iter().filter(fits).max()? as usize;
    Some(Found {
        pointer,
        rows: entries(space, start, n)?,
        counts: counts_near(space, pointer, n),
        ordinals: Vec::new(),
    })
}

fn entries(space: &dyn AddressSpace, start: TargetAddr, n: usize) -> Option<Vec<TargetAddr>> {
    let spot = space.locate(start, 8 * n as u64).ok()?;
    let mut words = vec![0u64; n];
    space.read_words(spot, 0, &mut words).ok()?;
    Some(words.into_iter().map(TargetAddr).collect())
}

fn counts_near(space: &dyn AddressSpace, pointer: TargetAddr, n: usize) -> Vec<TargetAddr> {
    let from = pointer.0.saturating_sub(NEAR);
    (from..pointer.0 + NEAR)
        .step_by(4)
        .map(TargetAddr)
        .filter(|at| space.read_u32(*at) == Ok(n as u32))
        .collect()
}

/// Pointer arrays in the first region whose row i holds i + 1 at some offset; and bytes read.
pub fn ordinal_arrays(space: &dyn AddressSpace) -> (Vec<Found>, u64) {
    let mut tried = BTreeSet::new();
    let mut found = Vec::new();
    let mut more = 0;
    let bytes = words(space, |pointer, word| {
        if word % 8 != 0 || word == 0 {
            return;
        }
        let Some(first) = entries(space, TargetAddr(word), FEWEST) else {
            return;
        };
        let Some(stride) = stride(&first) else { return };
        if first
            .iter()
            .any(|a| a.0 % 8 != 0 || space.locate(*a, stride).is_err())
            || !tried.insert((pointer.0, word))
        {
            return;
        }
        more += FEWEST as u64 * stride;
        if let Some(array) = ordinal_array(space, pointer, TargetAddr(word), stride) {
            found.push(array);
        }
    });
    (found, bytes + more)
}

/// The least distance of neighbours: the row size, if it can be one.
pub fn stride(rows: &[TargetAddr]) -> Option<u64> {
    let mut sorted: Vec<u64> = rows.iter().map(|a| a.0).collect();
    sorted.sort_unstable();
    let least = sorted.windows(2).map(|w| w[1] - w[0]).min()?;
    (16..=MAX_ROW).contains(&least).then_some(least)
}

fn ordinal_array(
    space: &dyn AddressSpace,
    pointer: TargetAddr,
    start: TargetAddr,
    stride: u64,
) -> Option<Found> {
    let mut ordinals: Vec<(u32, u8)> = Vec::new();
    for width in [2u8, 4] {
        let step = usize::from(width);
        ordinals.extend((0..stride as u32).step_by(step).map(|o| (o, width)));
    }
    let mut rows = Vec::new();
    let mut row = vec![0u8; stride as usize];
    while rows.len() < MAX_ROWS {
        let at = TargetAddr(start.0.checked_add(8 * rows.len() as u64)?);
        let Ok(addr) = space.read_u64(at).map(TargetAddr) else {
            break;
        };
        if addr.0 % 8 != 0 || space.read(addr, &mut row).is_err() {
            break;
        }
        let want = rows.len() as u64 + 1;
        let left: Vec<(u32, u8)> = ordinals
            .iter()
            .copied()
            .filter(|&(o, w)| uint(&row, o as usize, w.into()) == Some(want))
            .collect();
        if left.is_empty() {
            break;
        }
        ordinals = left;
        rows.push(addr);
    }
    if rows.len() < FEWEST {
        return None;
    }
    let counts = counts_near(space, pointer, rows.len());
    Some(Found {
        pointer,
        rows,
        counts,
        ordinals,
    })
}

/// Evenly spaced places in all regions that hold these different numbers (4 bytes), most of them each once: an array's
/// member. Returns first place, distance and the numbers found, the fullest first; and bytes read.
pub fn even_places(
    space: &dyn AddressSpace,
    numbers: &[u32],
) -> (Vec<(TargetAddr, u64, usize)>, u64) {
    let wanted: BTreeSet<u32> = numbers.iter().copied().collect();
    let (places, bytes) = places_of(space, &wanted);
    let mut distances = BTreeSet::new();
    for (i, a) in places.iter().enumerate() {
        let near = places[i + 1..].iter().take_while(|b| b.0 - a.0 <= MAX_ROW);
        distances.extend(
            near.filter(|b| b.1 != a.1)
                .map(|b| b.0 - a.0)
                .filter(|d| *d >= 16 && d % 8 == 0),
        );
    }
    let mut found: Vec<(TargetAddr, u64, usize)> = Vec::new();
    for &distance in &distances {
        // Places of one array: the same remainder, none further apart than there are slots.
        let mut groups: std::collections::BTreeMap<u64, Vec<(u64, u32)>> = Default::default();
        for place in &places {
            groups.entry(place.0 % distance).or_default().push(*place);
        }
        let reach = distance * 8 * wanted.len() as u64;
        // the same number far away is something else, and no part of the array
        let parts = groups
            .values()
            .flat_map(|group| group.chunk_by(|a, b| b.0 - a.0 <= reach));
        for group in parts {
            let kinds: BTreeSet<u32> = group.iter().map(|p| p.1).collect();
            let compact = group[group.len() - 1].0 - group[0].0 <= reach;
            if compact && kinds.len() == group.len() && kinds.len() * 10 >= wanted.len() * 9 {
                found.push((TargetAddr(group[0].0), distance, kinds.len()));
            }
        }
    }
    // A divisor of a distance fits too; the largest is the row's size.
    found.sort_by_key(|f| (std::cmp::Reverse(f.2), std::cmp::Reverse(f.1)));
    (found, bytes)
}

fn places_of(space: &dyn AddressSpace, wanted: &BTreeSet<u32>) -> (Vec<(u64, u32)>, u64) {
    let mut places = Vec::new();
    let mut total = 0;
    let mut piece = vec![0u64; PIECE];
    for (index, region) in space.regions().iter().enumerate() {
        let len = region.len / 8;
        let mut at = 0;
        while at < len {
            let n = (len - at).min(PIECE as u64) as usize;
            let spot = Spot {
                region: index as u32,
                offset: at * 8,
            };
            if space.read_words(spot, 0, &mut piece[..n]).is_ok() {
                for (i, word) in piece[..n].iter().enumerate() {
                    for (half, value) in [(0, *word as u32), (4, (*word >> 32) as u32)] {
                        if wanted.contains(&value) {
                            places.push((region.start.0 + (at + i as u64) * 8 + half, value));
                        }
                    }
                }
            }
            at += n as u64;
        }
        total += len * 8;
    }
    (places, total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::BytesSpace;

    #[test]
    fn evenly_spaced_numbers_are_found_beside_strays() {
        let numbers: Vec<u32> = (2500..2520).collect();
        let mut bytes = vec![0u8; 1 << 16];
        let mut put = |at: usize, number: u32| {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        };
        for (i, number) in numbers.iter().enumerate() {
            put(64 + i * 216, *number);
        }
        // one of them again far away, at the same remainder
        put(64 + 250 * 216, 2503);
        let base = TargetAddr(0x10_0000 * 216);
        let space = BytesSpace::new(vec![(base, bytes)]).unwrap();
        let (found, read) = even_places(&space, &numbers);
        assert_eq!(found[0], (TargetAddr(base.0 + 64), 216, 20));
        assert_eq!(read, 1 << 16);
    }
}
