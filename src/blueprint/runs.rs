//! Row addresses as runs: how X$KSUSE's rows lie when their addresses are all that is known.
//!
//! Rows stand in chunks with a constant stride and gaps between chunks (19.3: four runs of 126 rows,
//! Kyle Hailey's kit), and descend in some releases (12.x, github.com/N3i1/dsm2). Addresses are those
//! of one start of the instance.
//!
//! Callers: `assemble`; tests.

use std::collections::BTreeMap;

use super::model::Run;

/// The runs that give exactly these addresses in this order. The stride is the most frequent
/// distance between neighbours; each other distance begins a new run.
pub fn runs(addresses: &[u64]) -> Vec<Run> {
    let stride = common_stride(addresses);
    let mut out: Vec<Run> = Vec::new();
    let mut before = None;
    for &address in addresses {
        match out.last_mut() {
            Some(run) if before.and_then(|b| distance(b, address)) == Some(stride) => {
                run.count += 1;
            }
            _ => out.push(Run {
                start: address,
                count: 1,
                stride,
            }),
        }
        before = Some(address);
    }
    out
}

/// The addresses of runs, at most `most` of them.
pub fn addresses(runs: &[Run], most: usize) -> Vec<u64> {
    let each = runs.iter().flat_map(|run| {
        (0..run.count).map_while(|i| {
            let skip = i64::try_from(i).ok()?.checked_mul(run.stride)?;
            run.start.checked_add_signed(skip)
        })
    });
    each.take(most).collect()
}

fn distance(from: u64, to: u64) -> Option<i64> {
    i64::try_from(i128::from(to) - i128::from(from)).ok()
}

fn common_stride(addresses: &[u64]) -> i64 {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for pair in addresses.windows(2) {
        if let Some(stride) = distance(pair[0], pair[1]) {
            *counts.entry(stride).or_default() += 1;
        }
    }
    let most = counts.iter().max_by_key(|(_, count)| **count);
    most.map_or(0, |(stride, _)| *stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_and_descending_rows() {
        let up: Vec<u64> = (0..6)
            .map(|i| 0x1000 + i * 0x100 + (i / 3) * 0x40)
            .collect();
        let found = runs(&up);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[1].start, found[1].count, found[1].stride),
            (0x1340, 3, 0x100)
        );
        assert_eq!(addresses(&found, 100), up);
        let down: Vec<u64> = up.iter().rev().copied().collect();
        assert_eq!(runs(&down)[0].stride, -0x100);
        assert_eq!(addresses(&runs(&down), 100), down);
    }

    #[test]
    fn odd_lists_come_back_as_they_were() {
        for list in [vec![], vec![7], vec![9, 9, 9], vec![u64::MAX, 0, u64::MAX]] {
            assert_eq!(addresses(&runs(&list), 100), list);
        }
    }
}
