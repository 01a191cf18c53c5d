//! The statistics of the sessions of one frame, read when they are asked for.
//!
//! Each session's counters are copied once, after its row: every word is whole, and a counter only
//! grows, so that words of different moments make no impossible value. The slot's SERIAL# is read
//! again afterwards: counters of a slot that changed hands meanwhile are nobody's.
//!
//! Not for: rows, which `walk` copies.

use serde_json::{Map, Value as Json, json};

use super::parallel::in_parallel;
use crate::decode::statistics::shown;
use crate::memory::{AddressSpace, TargetAddr};
use crate::plan::arrays::read_uint;
use crate::plan::{BoundPlan, Counter, FieldRef, Need, StatisticPlan, row};
use crate::walk::Frame;

/// What a frame needs of its rows so that their statistics can be read.
pub const NEEDS: [Need; 2] = [row("stats_ptr"), row("KSUSESER")];

/// Values of the asked statistics, session by session.
#[derive(Clone, Debug, Default)]
pub struct StatisticTable {
    /// What was asked for and could be had.
    pub plan: StatisticPlan,
    /// For each of the frame's sessions that could be read: position in the plan and value, without
    /// zeros, which most are.
    values: Vec<Option<Vec<(u32, u64)>>>,
}

/// The statistics of one session.
#[derive(Clone, Copy, Debug)]
pub struct SessionStatistics<'a>(&'a [(u32, u64)]);

impl<'a> SessionStatistics<'a> {
    /// The value of the plan's statistic `position`.
    pub fn get(self, position: usize) -> u64 {
        let found = self.0.binary_search_by_key(&position, |v| v.0 as usize);
        found.map_or(0, |at| self.0[at].1)
    }

    /// Position and value of all that aren't 0, in the plan's order.
    pub fn non_zero(self) -> impl Iterator<Item = (usize, u64)> + 'a {
        self.0
            .iter()
            .map(|(position, value)| (*position as usize, *value))
    }
}

impl StatisticTable {
    /// Reads the counters of all sessions of a frame.
    pub fn read(bound: &BoundPlan, frame: &Frame, plan: StatisticPlan) -> StatisticTable {
        let mut table = StatisticTable {
            plan,
            values: Vec::new(),
        };
        let places = match Places::of(bound) {
            Ok(places) => places,
            Err(why) => {
                table.plan.counters.clear();
                table.plan.absent.insert(String::new(), why);
                table.values.resize(frame.len(), None);
                return table;
            }
        };
        let plan = &table.plan;
        let plain = plain_words(&plan.counters);
        let sessions: Vec<usize> = (0..frame.len()).collect();
        let words = || vec![0u64; plan.words];
        table.values = in_parallel(&sessions, words, |words, i| {
            places.read(bound, frame, *i, plan, words)?;
            let counters = plain.iter().zip(&plan.counters).enumerate();
            let values = counters.map(|(position, (word, counter))| {
                let value = match word {
                    Some(word) => words.get(*word).copied().unwrap_or(0),
                    None => shown(counter, words),
                };
                (position as u32, value)
            });
            Some(values.filter(|v| v.1 != 0).collect())
        });
        table
    }

    /// The statistics of session `i` of the frame; `None`: they can't be read.
    pub fn of(&self, i: usize) -> Option<SessionStatistics<'_>> {
        self.values.get(i)?.as_deref().map(SessionStatistics)
    }

    /// Sessions whose counters could not be read.
    pub fn unreadable(&self) -> usize {
        self.values.iter().filter(|v| v.is_none()).count()
    }

    /// Why a statistic can't be had.
    pub fn why_absent(&self, name: &str) -> &str {
        let known = self.plan.absent.get(name).or(self.plan.absent.get(""));
        known.map_or("this release has no such statistic", String::as_str)
    }

    /// Adds to `meta` how it went, and to its `absent` why statistics can't be had: `statistics`
    /// for all of them or `statistics.NAME`.
    pub fn describe(&self, meta: &mut Map<String, Json>) {
        let how = json!({
            "per_session": self.plan.per_session,
            "shown": self.plan.counters.len(),
            "counters_read": self.plan.words,
            "unreadable": self.unreadable(),
        });
        meta.insert("statistics".into(), how);
        let Some(Json::Object(absent)) = meta.get_mut("absent") else {
            return;
        };
        for (name, why) in &self.plan.absent {
            let key = match name.as_str() {
                "" => "statistics".to_owned(),
                name => format!("statistics.{name}"),
            };
            absent.insert(key, why.as_str().into());
        }
    }
}

/// The word of each counter that is just that word, side by side: nearly all are, and thousands of
/// sessions with thousands of statistics are read at once.
fn plain_words(counters: &[Counter]) -> Vec<Option<usize>> {
    let plain = |c: &Counter| match (c.words.as_slice(), c.divisor) {
        ([only], 1) => Some(*only as usize),
        _ => None,
    };
    counters.iter().map(plain).collect()
}

/// Where a row says where its counters are, and whose they are.
struct Places {
    pointer: FieldRef,
    serial: FieldRef,
    serial_offset: u64,
}

impl Places {
    fn of(bound: &BoundPlan) -> Result<Places, String> {
        let [pointer, serial] = NEEDS.map(|need| {
            bound
                .plan
                .field(need)
                .ok_or_else(|| bound.plan.why_absent(need).to_owned())
        });
        let serial = serial?;
        Ok(Places {
            pointer: pointer?,
            serial,
            serial_offset: bound
                .plan
                .row_offset(serial)
                .ok_or("SERIAL# is not part of the row")?,
        })
    }

    /// Copies the counters of session `i`; `None` when its pointer leads nowhere, or the slot was
    /// taken by another session meanwhile.
    fn read(
        &self,
        bound: &BoundPlan,
        frame: &Frame,
        i: usize,
        plan: &StatisticPlan,
        words: &mut [u64],
    ) -> Option<()> {
        let space = &*bound.space;
        let own = frame.row(i);
        let array = TargetAddr(self.pointer.uint(own));
        copy(space, array, plan, words)?;
        let row = bound.rows.addrs.get(frame.slots[i] as usize)?;
        let size = u64::from(self.serial.size);
        let serial = read_uint(space, row.checked_add(self.serial_offset)?, size).ok()?;
        (serial == self.serial.uint(own)).then_some(())
    }
}

/// Copies the planned counters of one array.
fn copy(
    space: &dyn AddressSpace,
    array: TargetAddr,
    plan: &StatisticPlan,
    words: &mut [u64],
) -> Option<()> {
    let spot = space.locate(array, plan.reach).ok()?;
    for span in &plan.spans {
        let dst = span.dst as usize..(span.dst + span.words) as usize;
        let out = words.get_mut(dst)?;
        space.read_words(spot, span.offset, out).ok()?;
    }
    Some(())
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
