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
        let runs = Run::of(&plan.counters);
        let sessions: Vec<usize> = (0..frame.len()).collect();
        let room = || (vec![0u64; plan.words], vec![(0, 0); plan.counters.len()]);
        table.values = in_parallel(&sessions, room, |(words, found), i| {
            places.read(bound, frame, *i, plan, words)?;
            let used = non_zero(&runs, &plan.counters, words, found);
            Some(found[..used].to_vec())
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

/// Neighbours in the plan: nearly all counters are just one word, and words follow one another.
/// Thousands of sessions with thousands of statistics are read at once, so the common case has a
/// plain loop of its own.
enum Run {
    /// So many counters from this position on are the words from this one on.
    Plain {
        position: usize,
        word: usize,
        len: usize,
    },
    /// The counter at this position is put together.
    Shown(usize),
}

impl Run {
    fn of(counters: &[Counter]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (position, counter) in counters.iter().enumerate() {
            let word = match (counter.words.as_slice(), counter.divisor) {
                ([only], 1) => *only as usize,
                _ => {
                    runs.push(Run::Shown(position));
                    continue;
                }
            };
            match runs.last_mut() {
                Some(Run::Plain {
                    word: first, len, ..
                }) if *first + *len == word => *len += 1,
                _ => runs.push(Run::Plain {
                    position,
                    word,
                    len: 1,
                }),
            }
        }
        runs
    }
}

/// Puts position and value of all statistics that aren't 0 into `found`, which has room for all, and
/// returns how many those are.
fn non_zero(runs: &[Run], counters: &[Counter], words: &[u64], found: &mut [(u32, u64)]) -> usize {
    let mut used = 0;
    let mut put = |position: usize, value: u64| {
        if let Some(place) = found.get_mut(used) {
            *place = (position as u32, value);
            used += usize::from(value != 0);
        }
    };
    for run in runs {
        match *run {
            Run::Plain {
                position,
                word,
                len,
            } => {
                let values = words.get(word..word + len).unwrap_or_default();
                for (i, value) in values.iter().enumerate() {
                    put(position + i, *value);
                }
            }
            Run::Shown(position) => put(position, shown(&counters[position], words)),
        }
    }
    used
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
