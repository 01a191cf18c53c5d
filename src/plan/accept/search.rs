//! Finding the arrays: pointer members tried one after the other until rows prove one.

use std::collections::HashSet;

use super::{MOST, Trial, Verdict};
use crate::blueprint::model::{Array, ArrayLayout, Field, MemberRef, Struct};
use crate::memory::TargetAddr;
use crate::plan::PlanError;
use crate::plan::arrays::{self, RowTable, read_uint};

/// Share of a pointer array's rows that must hold their ordinal.
const ARRAY_SHARE: f64 = 0.95;
/// Fewest rows by which an array may be recognised.
const FEWEST_ROWS: usize = 4;

/// A pointer array that passed: base field offset, count field offset, addresses.
struct Found {
    base: u64,
    count: Option<u64>,
    addrs: Vec<TargetAddr>,
    score: (usize, usize),
}

impl Trial<'_> {
    pub(super) fn sessions(&mut self) -> Result<(), PlanError> {
        let array = arrays::find(self.blueprint, "sessions")?.clone();
        let row = self.strukt(&array.row)?.clone();
        let reach = row.size.max(reach_of(&row));
        if let Some(addrs) = arrays::runs(&array.layout) {
            self.accepted.sessions = RowTable::place(self.space, addrs, reach);
            return Ok(());
        }
        let ordinal = array
            .ordinal
            .as_deref()
            .and_then(|name| row.field(name))
            .map(|f| (f.offset, f.size))
            .ok_or_else(|| self.incomplete("the slot-number field of the sessions array"))?;
        let ArrayLayout::Pointers { base, count } = &array.layout else {
            return Err(self.incomplete("a pointer array for sessions"));
        };
        let holder = self.strukt(&base.strukt)?.clone();
        let base_field = holder
            .field(&base.field)
            .ok_or_else(|| self.incomplete(&format!("{}.{}", base.strukt, base.field)))?;
        let check = |addrs: &[TargetAddr]| {
            arrays::ordinals(self.space, addrs, ordinal.0, ordinal.1, usize::MAX)
        };
        let found = self
            .pointer_candidates(&array, base_field)
            .into_iter()
            .find_map(|offset| self.try_array(&array, offset, holder.field(&count.field), &check));
        let Some(found) = found else {
            return Err(PlanError::Unfit {
                id: self.blueprint.id.clone(),
                what: format!(
                    "the session pointer array at {} (0x{:x})",
                    base.anchor,
                    self.blueprint.anchor(&base.anchor).map_or(0, |a| a.address)
                ),
                expected: "a pointer to row pointers whose row i holds i + 1".into(),
                found: "no such array at any offset tried".into(),
            });
        };
        self.accepted.sessions = self.take(found, base, count, reach);
        Ok(())
    }

    /// Records what an array was found by, and places its rows.
    fn take(&mut self, found: Found, base: &MemberRef, count: &MemberRef, reach: u64) -> RowTable {
        let verdict = Verdict::Accepted(found.base);
        self.accepted
            .record(&base.strukt, &base.field, verdict, found.score);
        if let Some(at) = found.count {
            let verdict = Verdict::Accepted(at);
            self.accepted
                .record(&count.strukt, &count.field, verdict, found.score);
        }
        RowTable::place(self.space, found.addrs, reach)
    }

    /// The in-use flag: set in some rows, and nearly only in rows that say what kind of session
    /// they are. (At another offset stands the state object's type, alike in all rows.)
    pub(super) fn used_flag(&mut self) {
        let row = self.row_struct_name();
        let (Some(flag), Some(kind)) = (
            self.session_field("KSSPAFLG"),
            self.session_field("KSUSEFLG"),
        ) else {
            return;
        };
        if flag.accept.is_none() {
            return;
        }
        let value = |addr: &TargetAddr, offset: u64, size: u64| {
            read_uint(self.space, addr.checked_add(offset)?, size).ok()
        };
        let mut result = (Verdict::Untested, (0, 0));
        for offset in std::iter::once(flag.offset).chain(flag.alternatives.iter().copied()) {
            let set = self
                .accepted
                .sessions
                .addrs
                .iter()
                .filter(|addr| value(addr, offset, 1).is_some_and(|v| v & 1 != 0));
            let mut score = (0, 0);
            for addr in set {
                score.1 += 1;
                let known = value(addr, kind.offset, kind.size).is_some_and(|k| k & 3 != 0);
                score.0 += usize::from(known);
            }
            let fits = score.1 > 0 && score.0 as f64 >= score.1 as f64 * MOST;
            if fits {
                result = (Verdict::Accepted(offset), score);
                break;
            }
            if score.1 > 0 {
                result = (Verdict::Refused, score);
            }
        }
        self.accepted.record(&row, "KSSPAFLG", result.0, result.1);
    }

    pub(super) fn processes(&mut self) {
        let Some(array) = self.blueprint.array("processes").cloned() else {
            return;
        };
        let Some(row) = self.blueprint.strukt(&array.row).cloned() else {
            return;
        };
        let ArrayLayout::Pointers { base, count } = &array.layout else {
            return;
        };
        let Some(holder) = self.blueprint.strukt(&base.strukt).cloned() else {
            return;
        };
        let Some(base_field) = holder.field(&base.field) else {
            return;
        };
        let reach = row.size.max(reach_of(&row));
        // the owner chain of the sessions in use is the proof: it ends at rows of this array
        let owners = self.session_owners();
        let check = |addrs: &[TargetAddr]| {
            let rows: HashSet<TargetAddr> = addrs.iter().copied().collect();
            let placed = addrs
                .iter()
                .filter(|a| self.space.locate(**a, reach).is_ok())
                .count();
            if rows.len() != addrs.len() || placed < addrs.len() {
                return (0, addrs.len());
            }
            let hit = owners
                .iter()
                .filter(|(direct, grand)| rows.contains(direct) || rows.contains(grand))
                .count();
            (hit, owners.len())
        };
        let found = self
            .pointer_candidates(&array, base_field)
            .into_iter()
            .find_map(|offset| self.try_array(&array, offset, holder.field(&count.field), &check));
        match found {
            Some(found) => self.accepted.processes = self.take(found, base, count, reach),
            None => self.accepted.record(
                &base.strukt,
                &base.field,
                Verdict::Refused,
                (0, owners.len()),
            ),
        }
    }

    /// Owner and owner's owner of the sessions that claim to be in use.
    pub(super) fn session_owners(&self) -> Vec<(TargetAddr, TargetAddr)> {
        let Some(offset) = self.session_field("owner").map(|f| f.offset) else {
            return Vec::new();
        };
        self.used_rows()
            .iter()
            .filter_map(|row| {
                let owner = TargetAddr(self.space.read_u64(row.checked_add(offset)?).ok()?);
                let above = self.space.read_u64(owner.checked_add(offset)?).ok()?;
                Some((owner, TargetAddr(above)))
            })
            .collect()
    }

    /// Offsets to try for a pointer member, most trusted first.
    fn pointer_candidates(&self, array: &Array, field: &Field) -> Vec<u64> {
        let mut offsets = vec![field.offset];
        offsets.extend(&field.alternatives);
        if field.scan
            && let ArrayLayout::Pointers { base, .. } = &array.layout
            && let Some(anchor) = self.blueprint.anchor(&base.anchor)
        {
            offsets.extend((0..anchor.size.min(1 << 16)).step_by(8));
        }
        offsets
    }

    /// Tries the pointer at one offset: with the claimed count, else with any count member that
    /// stands in the 32 bytes behind the pointer.
    fn try_array(
        &self,
        array: &Array,
        offset: u64,
        count: Option<&Field>,
        check: &dyn Fn(&[TargetAddr]) -> (usize, usize),
    ) -> Option<Found> {
        let ArrayLayout::Pointers { base, .. } = &array.layout else {
            return None;
        };
        let at = arrays::member(self.blueprint, &base.anchor, offset)?;
        let table = TargetAddr(self.space.read_u64(at).ok()?);
        let entry = self.space.read_u64(table).ok()?;
        self.space.locate(TargetAddr(entry), 8).ok();
        let claimed: Vec<u64> = count
            .map(|f| {
                std::iter::once(f.offset)
                    .chain(f.alternatives.iter().copied())
                    .collect()
            })
            .unwrap_or_default();
        let near = (8..=32).step_by(4).map(|d| offset + d);
        let mut best: Option<Found> = None;
        for count_at in claimed.into_iter().chain(near) {
            let Some(place) = arrays::member(self.blueprint, &base.anchor, count_at) else {
                continue;
            };
            let Ok(n) = self.space.read_u32(place) else {
                continue;
            };
            if (n as usize) < FEWEST_ROWS || u64::from(n) > arrays::MAX_ROWS {
                continue;
            }
            let Ok(addrs) = arrays::pointer_array(self.space, table, u64::from(n)) else {
                continue;
            };
            let score = check(&addrs);
            let share = score.0 as f64 / score.1.max(1) as f64;
            // of several counts that fit, the largest is the array's length
            if score.1 > 0
                && share >= ARRAY_SHARE
                && best.as_ref().is_none_or(|b| b.addrs.len() < addrs.len())
            {
                best = Some(Found {
                    base: offset,
                    count: Some(count_at),
                    addrs,
                    score,
                });
            }
        }
        best
    }
}

/// Bytes up to the end of the last field.
fn reach_of(strukt: &Struct) -> u64 {
    strukt
        .fields
        .iter()
        .map(|f| f.offset.saturating_add(f.size))
        .max()
        .unwrap_or(8)
}
