//! How many counters a session has: the claimed number against the arrays behind the sessions' own
//! pointers, which don't overlap.

use super::{MOST, Trial, Verdict};
use crate::blueprint::model::{Accept, Blueprint, Field, Struct};
use crate::memory::TargetAddr;
use crate::plan::arrays::{self, read_uint};

/// Sessions whose pointers are looked at.
const MOST_POINTERS: usize = 4_096;
/// Where the number isn't claimed to stand at one place, it is recognised by the arrays' distance:
/// no more than this many bytes between two neighbours are heap (a chunk's header and rounding).
const HEAP_BYTES: u64 = 64;
/// Fewest statistics that an Oracle release can have (11.2 has over 600).
const FEWEST: u64 = 64;

impl Trial<'_> {
    /// Tests the number of counters per session, and the system's counters.
    pub(super) fn counters(&mut self) {
        let pointers = self.counter_arrays();
        let Some((holder, field)) = claimed(self.blueprint, Accept::CounterCount) else {
            return;
        };
        let (holder, field) = (holder.name.clone(), field.clone());
        let score = (pointers.len(), pointers.len());
        let verdict = match (self.anchor_of(&holder), smallest_distance(&pointers)) {
            (Some(at), Some(distance)) => self.count(&field, at, &pointers, distance).map_or(
                Verdict::Refused,
                |(offset, count)| {
                    self.accepted.statistics = Some(count);
                    Verdict::Accepted(offset)
                },
            ),
            _ => Verdict::Untested,
        };
        self.accepted.record(&holder, &field.name, verdict, score);
    }

    /// Distinct places that the rows' accepted counter pointers lead to, in order. Rows that aren't
    /// in use keep theirs.
    fn counter_arrays(&self) -> Vec<u64> {
        let Ok(row) = self.blueprint_row() else {
            return Vec::new();
        };
        let pointer = row
            .fields
            .iter()
            .find(|f| f.accept == Some(Accept::CounterArray))
            .and_then(|f| self.accepted.offset(&row.name, f).ok());
        let Some(offset) = pointer else {
            return Vec::new();
        };
        let table = &self.accepted.sessions;
        let mut found: Vec<u64> = table
            .addrs
            .iter()
            .zip(&table.spots)
            .filter(|(_, spot)| spot.is_ok())
            .filter_map(|(row, _)| self.space.read_u64(row.checked_add(offset)?).ok())
            .filter(|p| *p != 0 && self.space.locate(TargetAddr(*p), 8).is_ok())
            .take(MOST_POINTERS)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The anchor at which a structure stands, by the arrays that name both.
    fn anchor_of(&self, strukt: &str) -> Option<String> {
        use crate::blueprint::model::ArrayLayout;
        self.blueprint
            .arrays
            .iter()
            .find_map(|array| match &array.layout {
                ArrayLayout::Pointers { base, .. } if base.strukt == strukt => {
                    Some(base.anchor.clone())
                }
                _ => None,
            })
    }

    /// The first number that fits: at the claimed place any that keeps the arrays apart, elsewhere
    /// one that fills the distance between two neighbours. Of several the least, which reads no
    /// further than any.
    fn count(
        &self,
        field: &Field,
        anchor: String,
        pointers: &[u64],
        distance: u64,
    ) -> Option<(u64, u64)> {
        let known = self.blueprint.dictionaries.statistics.len() as u64;
        let read = |offset: u64| {
            let at = arrays::member(self.blueprint, &anchor, offset)?;
            read_uint(self.space, at, field.size).ok()
        };
        let inside = |bytes: u64| {
            let whole = |p: &&u64| self.space.locate(TargetAddr(**p), bytes).is_ok();
            pointers.iter().filter(whole).count() as f64
        };
        let fits = |count: u64| {
            let bytes = count.saturating_mul(8);
            (FEWEST..=1 << 16).contains(&count)
                && bytes <= distance
                && (known == 0 || count <= known)
                && inside(bytes) >= pointers.len() as f64 * MOST
        };
        let claimed = std::iter::once(field.offset).chain(field.alternatives.iter().copied());
        let filled = |count: u64| distance - count * 8 < HEAP_BYTES;
        for offset in claimed {
            // a hypothesis has to fill the distance as well
            if let Some(count) = read(offset).filter(|n| fits(*n) && (!field.scan || filled(*n))) {
                return Some((offset, count));
            }
        }
        let size = self.blueprint.anchor(&anchor)?.size.min(1 << 16);
        (0..size)
            .step_by(field.size.clamp(1, 8) as usize)
            .filter(|_| field.scan)
            .filter_map(|offset| Some((offset, read(offset)?)))
            .filter(|(_, count)| fits(*count) && filled(*count))
            .min_by_key(|(_, count)| *count)
    }
}

/// The first structure and field with this test.
fn claimed(blueprint: &Blueprint, test: Accept) -> Option<(&Struct, &Field)> {
    blueprint
        .structs
        .iter()
        .find_map(|s| Some((s, s.fields.iter().find(|f| f.accept == Some(test))?)))
}

/// The least distance between two of the sorted places, but for one in twenty: a few pointers may
/// be damaged.
fn smallest_distance(places: &[u64]) -> Option<u64> {
    let mut distances: Vec<u64> = places.windows(2).map(|w| w[1] - w[0]).collect();
    distances.sort_unstable();
    distances.get(distances.len() / 20).copied()
}
