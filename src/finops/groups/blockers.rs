//! Sessions that others wait for while they are idle.
//!
//! A session is an idle blocker in a tick if an active session names it in BLOCKING_SESSION and it isn't
//! active itself. Callers: [`super::limits`].

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::rows::Row;
use crate::finops::directives::judge::Bounds;

/// A blocker's idle time is over.
pub(super) struct Blocked {
    pub(super) place: Option<usize>,
    pub(super) used: Bounds,
    pub(super) span: (i64, i64),
}

/// Sessions that others wait for, tick by tick.
#[derive(Default)]
pub(super) struct Blockers {
    at: Option<(usize, usize)>,
    /// SIDs waited for in this tick.
    wanted: BTreeSet<u32>,
    /// SIDs active in this tick.
    active: BTreeSet<u32>,
    /// By source and SID: first and last tick of its time as an idle blocker.
    runs: HashMap<(usize, u32), (usize, usize)>,
    /// The session that was last seen under a SID.
    places: HashMap<(usize, u32), usize>,
}

impl Blockers {
    /// Takes a row; a time that another tick shows to be over.
    pub(super) fn see(
        &mut self,
        source: usize,
        tick: usize,
        row: &Row,
        place: usize,
        ticks: &[i64],
    ) -> Option<Blocked> {
        self.places.insert((source, row.sid), place);
        if self.at != Some((source, tick)) {
            self.close_tick();
            self.at = Some((source, tick));
        }
        self.wanted.extend(row.blocker.filter(|_| row.active));
        if !row.active {
            return None;
        }
        self.active.insert(row.sid);
        // it works again: what it was before is over
        let run = self.runs.remove(&(source, row.sid))?;
        Some(self.ended(source, row.sid, run, ticks))
    }

    fn close_tick(&mut self) {
        let Some((source, tick)) = self.at else {
            return;
        };
        for sid in std::mem::take(&mut self.wanted) {
            if !self.active.contains(&sid) {
                self.runs.entry((source, sid)).or_insert((tick, tick)).1 = tick;
            }
        }
        self.active.clear();
    }

    pub(super) fn finish(&mut self, ticks: &[Rc<[i64]>]) -> Vec<Blocked> {
        self.close_tick();
        let runs = std::mem::take(&mut self.runs);
        let mut runs: Vec<_> = runs.into_iter().collect();
        runs.sort_unstable();
        let ended = |((source, sid), run): ((usize, u32), (usize, usize))| {
            self.ended(source, sid, run, &ticks[source])
        };
        runs.into_iter().map(ended).collect()
    }

    fn ended(
        &self,
        source: usize,
        sid: u32,
        (first, last): (usize, usize),
        ticks: &[i64],
    ) -> Blocked {
        let span = (
            ticks[first.saturating_sub(1)],
            ticks[(last + 1).min(ticks.len() - 1)],
        );
        Blocked {
            place: self.places.get(&(source, sid)).copied(),
            used: Bounds {
                at_least: (ticks[last] - ticks[first]) as f64 / 1e6,
                at_most: (span.1 - span.0) as f64 / 1e6,
            },
            span,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sid: u32, active: bool, blocker: Option<u32>) -> Row {
        Row {
            time_us: 0,
            weight_us: 1_000_000,
            sid,
            serial_no: 1,
            logon_us: None,
            active,
            on_cpu: false,
            fields: [0; 8],
            actual: 0,
            sql_id: 0,
            seq_no: None,
            sql_exec_id: None,
            blocker,
        }
    }

    #[test]
    fn a_session_is_an_idle_blocker_from_when_it_stops_to_when_it_works_again() {
        let ticks: Vec<i64> = (0..40).map(|s| s * 1_000_000).collect();
        let mut blockers = Blockers::default();
        let mut see = |tick, row: Row, place| blockers.see(0, tick, &row, place, &ticks);
        for tick in 0..40 {
            // 7 waits for 9 all the time; 9 works until 10 and from 30 on
            assert!(see(tick, row(7, true, Some(9)), 0).is_none());
            if tick <= 10 || tick >= 30 {
                let ended = see(tick, row(9, true, None), 1);
                assert_eq!(ended.is_some(), tick == 30);
                if let Some(ended) = ended {
                    assert_eq!(ended.place, Some(1));
                    assert_eq!((ended.used.at_least, ended.used.at_most), (18.0, 20.0));
                }
            }
        }
        assert!(blockers.finish(&[ticks.into()]).is_empty());
    }
}
