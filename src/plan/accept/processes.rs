//! Testing claimed fields of the process row on process rows in use.
//!
//! The array itself is found by `search`; here its rows are judged. Not for: session rows.

use super::{SAMPLE_ROWS, Trial, Verdict};
use crate::memory::TargetAddr;
use crate::plan::arrays::{self, read_uint};

/// In-use bit of a state object's flag byte (KSSOINIT).
const IN_USE: u64 = 1;

impl Trial<'_> {
    /// Tests the in-use flag of the process rows, then every other claimed field on rows in use.
    pub(super) fn process_fields(&mut self) {
        let Ok(array) = arrays::find(self.blueprint, "processes") else {
            return;
        };
        let Some(row) = self.blueprint.strukt(&array.row).cloned() else {
            return;
        };
        if self.accepted.processes.is_empty() {
            return;
        }
        let Some(flag) = row.field("KSSPAFLG") else {
            return;
        };
        let mut offset = flag.offset;
        if flag.accept.is_some() {
            let (verdict, score) = self.process_flag(&row.name, flag.offset);
            if let Verdict::Accepted(found) = verdict {
                offset = found;
            }
            self.accepted.record(&row.name, "KSSPAFLG", verdict, score);
        }
        let used: Vec<TargetAddr> = self
            .accepted
            .processes
            .addrs
            .iter()
            .filter(|addr| self.flag(addr, offset).is_some_and(|f| f & IN_USE != 0))
            .take(SAMPLE_ROWS)
            .copied()
            .collect();
        self.fields_of(&row, &used);
    }

    /// A process row begins with the same state-object header as a session row, so that its flag
    /// byte stands where live session rows have proven theirs. The proof on process rows: every
    /// process that owns a session in use is in use itself.
    fn process_flag(&self, row: &str, claimed: u64) -> (Verdict, (usize, usize)) {
        let sessions = self.session_field("KSSPAFLG");
        let offset = match sessions.map(|f| self.accepted.offset(&self.row_struct_name(), f)) {
            Some(Ok(offset)) => offset,
            _ => claimed,
        };
        let owners: Vec<TargetAddr> = self
            .session_owners()
            .into_iter()
            .flat_map(|(direct, above)| [direct, above])
            .filter(|owner| self.accepted.processes.addrs.contains(owner))
            .collect();
        let set = owners
            .iter()
            .filter(|owner| self.flag(owner, offset).is_some_and(|f| f & IN_USE != 0))
            .count();
        let score = (set, owners.len());
        tracing::debug!(
            "{row}.KSSPAFLG at {offset}: {set} of {} owners",
            owners.len()
        );
        let verdict = match score {
            (_, 0) => Verdict::Untested,
            (set, all) if set as f64 >= all as f64 * super::MOST => Verdict::Accepted(offset),
            _ => Verdict::Refused,
        };
        (verdict, score)
    }

    fn flag(&self, row: &TargetAddr, offset: u64) -> Option<u64> {
        read_uint(self.space, row.checked_add(offset)?, 1).ok()
    }
}
