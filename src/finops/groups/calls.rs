//! Calls and idle times of sessions, as far as samples show them.
//!
//! A session that is active in ticks that follow each other may be in one call or in several. Two looks
//! are in the same call for certain if the session is in the same execution (SQL_EXEC_ID), or if no
//! wait began between them (SEQ#), as a session between calls waits for its client. So a run of active
//! ticks is at most one call that began just behind the tick before it and ended just before the tick
//! after it, and at least its longest part that is one call for certain.
//!
//! Callers: [`super::limits`].

use super::rows::Row;
use crate::finops::directives::judge::Bounds;

/// Standard deviations that a 95 % interval reaches to both sides.
const Z: f64 = 1.96;

/// A run of active ticks that is finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    /// Tick before it, and the one after it; the window's ends where there is none. µs since the epoch.
    pub(super) outer_us: (i64, i64),
    /// Begin and end of the part that is one call for certain.
    pub(super) inner_us: (i64, i64),
    /// Statement of its last look.
    pub(super) sql_id: u32,
    /// Seconds.
    pub(super) elapsed_s: Bounds,
    /// Seconds on CPU: a 95 % interval, as only some moments were looked at. Waiting for a CPU counts,
    /// as samples can't tell it.
    pub(super) cpu_s: Bounds,
    /// Whether it reaches out of the window.
    pub(super) cut: bool,
}

/// Ticks summed up.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    first: usize,
    cpu_us: f64,
    squares: f64,
}

impl Part {
    fn at(tick: usize) -> Part {
        Part {
            first: tick,
            ..Part::default()
        }
    }

    fn add(&mut self, row: &Row) {
        let weight = row.weight_us as f64;
        self.cpu_us += if row.on_cpu { weight } else { 0.0 };
        self.squares += weight * weight;
    }

    /// How far the CPU time may be from the sampled one, s: each look is of a random moment of its
    /// period, and a part of a period that is on CPU has at most the variance of a half.
    fn margin_s(&self) -> f64 {
        Z * self.squares.sqrt() / 2.0 / 1e6
    }
}

/// A run that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) last: usize,
    whole: Part,
    part: Part,
    before: Row,
    longest: (usize, usize),
    cpu_at_least_s: f64,
}

impl Open {
    /// Begins with an active look at this tick.
    pub(super) fn begin(tick: usize, row: Row) -> Open {
        let mut whole = Part::at(tick);
        whole.add(&row);
        Open {
            last: tick,
            whole,
            part: whole,
            before: row,
            longest: (tick, tick),
            cpu_at_least_s: 0.0,
        }
    }

    /// The next tick, active too.
    pub(super) fn go_on(&mut self, tick: usize, row: Row, ticks: &[i64]) {
        if !same_call(&self.before, &row) {
            self.part = Part::at(tick);
        }
        self.whole.add(&row);
        self.part.add(&row);
        let length = |(from, to): (usize, usize)| ticks[to] - ticks[from];
        if length((self.part.first, tick)) > length(self.longest) {
            self.longest = (self.part.first, tick);
        }
        let cpu = self.part.cpu_us / 1e6 - self.part.margin_s();
        self.cpu_at_least_s = self.cpu_at_least_s.max(cpu);
        (self.last, self.before) = (tick, row);
    }

    /// What can be said of it now that it is over.
    pub(super) fn finish(&self, ticks: &[i64]) -> Run {
        let first = self.whole.first;
        let cut = first == 0 || self.last + 1 >= ticks.len();
        let outer = (
            ticks[first.saturating_sub(1)],
            ticks[(self.last + 1).min(ticks.len() - 1)],
        );
        let inner = (ticks[self.longest.0], ticks[self.longest.1]);
        let seconds = |(from, to): (i64, i64)| (to - from) as f64 / 1e6;
        let at_most = seconds(outer);
        let cpu = self.whole.cpu_us / 1e6 + self.whole.margin_s();
        Run {
            outer_us: outer,
            inner_us: inner,
            sql_id: self.before.sql_id,
            elapsed_s: Bounds {
                at_least: seconds(inner),
                at_most,
            },
            cpu_s: Bounds {
                at_least: self.cpu_at_least_s.min(seconds(inner)),
                at_most: cpu.min(at_most),
            },
            cut,
        }
    }
}

/// Whether two looks that follow each other are in one call for certain.
fn same_call(before: &Row, now: &Row) -> bool {
    let same_wait = before.seq_no.is_some() && before.seq_no == now.seq_no;
    let same_execution = before.sql_exec_id.is_some()
        && before.sql_exec_id == now.sql_exec_id
        && before.sql_id == now.sql_id;
    same_wait || same_execution
}

/// Between two runs: seen idle at least from the tick after the first to the tick before the second.
pub(super) fn idle_between(last: usize, first: usize, ticks: &[i64]) -> Option<Bounds> {
    let (from, to) = (last + 1, first.checked_sub(1)?);
    (from <= to).then(|| Bounds {
        at_least: (ticks[to] - ticks[from]) as f64 / 1e6,
        at_most: (ticks[first] - ticks[last]) as f64 / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(on_cpu: bool, seq: u64, exec: Option<u64>) -> Row {
        Row {
            time_us: 0,
            weight_us: 1_000_000,
            sid: 1,
            serial_no: 1,
            logon_us: None,
            active: true,
            on_cpu,
            fields: [0; 8],
            actual: 0,
            sql_id: 1,
            seq_no: Some(seq),
            sql_exec_id: exec,
            blocker: None,
        }
    }

    fn ticks() -> Vec<i64> {
        (0..100).map(|s| s * 1_000_000).collect()
    }

    #[test]
    fn one_wait_is_one_call() {
        let ticks = ticks();
        let mut open = Open::begin(10, row(false, 7, None));
        for tick in 11..=20 {
            open.go_on(tick, row(false, 7, None), &ticks);
        }
        let run = open.finish(&ticks);
        let elapsed = (run.elapsed_s.at_least, run.elapsed_s.at_most);
        assert_eq!((elapsed, run.cut), ((10.0, 12.0), false));
        assert_eq!(run.cpu_s.at_least, 0.0);
    }

    #[test]
    fn waits_and_executions_that_change_may_be_many_calls() {
        let ticks = ticks();
        let mut open = Open::begin(10, row(true, 7, None));
        for (tick, seq) in (11..=20).zip(8..) {
            open.go_on(tick, row(true, seq, None), &ticks);
        }
        let run = open.finish(&ticks);
        assert_eq!(run.elapsed_s.at_least, 0.0);
        assert_eq!(run.cpu_s.at_least, 0.0);
        assert!(run.cpu_s.at_most > 11.0 && run.cpu_s.at_most <= 12.0);
        // one execution goes on over its waits
        let mut open = Open::begin(10, row(true, 7, Some(3)));
        for (tick, seq) in (11..=60).zip(8..) {
            open.go_on(tick, row(true, seq, Some(3)), &ticks);
        }
        let run = open.finish(&ticks);
        assert_eq!(run.elapsed_s.at_least, 50.0);
        // 51 looks of a second: 51 s less 1.96 times half a second times the root of 51
        assert!((run.cpu_s.at_least - 44.0).abs() < 0.01, "{run:?}");
    }

    #[test]
    fn a_run_at_the_windows_edge_is_cut() {
        let ticks = ticks();
        assert!(Open::begin(0, row(true, 1, None)).finish(&ticks).cut);
        assert!(Open::begin(99, row(true, 1, None)).finish(&ticks).cut);
    }

    #[test]
    fn idle_is_what_lies_between() {
        let idle = idle_between(20, 30, &ticks()).unwrap();
        assert_eq!((idle.at_least, idle.at_most), (8.0, 10.0));
        assert!(idle_between(20, 21, &ticks()).is_none());
    }
}
