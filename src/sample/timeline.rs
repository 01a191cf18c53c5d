//! The periods of a run one after the other: the base rate's, and those of bursts at another rate.
//!
//! For: a tick's deadline, number and weight, such that the weights of all ticks cover the run
//! without gap or overlap whatever rates it changed between. Not for: waiting. Callers: `sampler`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::pacer::{Jitter, Pacer};

/// Asks a running sampler for a burst; can be cloned and used from anywhere.
#[derive(Clone, Debug, Default)]
pub struct BurstControl(Arc<Wish>);

#[derive(Debug, Default)]
struct Wish {
    /// Rate and length of the burst that is asked for; 0: none is.
    asked: AtomicU64,
    /// The fastest rate asked for so far.
    fastest: AtomicU64,
}

/// Rates are handed over in thousandths of a hertz.
const MILLI: f64 = 1000.0;

impl BurstControl {
    /// Asks for ticks at `rate_hz` for `duration` from now on. While a burst is under way another is
    /// not taken up before its end. Rates up to 4 MHz, durations up to 49 days.
    pub fn begin(&self, rate_hz: f64, duration: Duration) {
        let rate = (rate_hz * MILLI).round().clamp(1.0, f64::from(u32::MAX)) as u64;
        let millis = duration.as_millis().clamp(1, u128::from(u32::MAX)) as u64;
        self.0.fastest.fetch_max(rate, Ordering::Relaxed);
        self.0.asked.store(rate << 32 | millis, Ordering::Release);
    }

    /// The fastest rate asked for so far, in Hz; 0: none was.
    pub(super) fn fastest_hz(&self) -> f64 {
        self.0.fastest.load(Ordering::Relaxed) as f64 / MILLI
    }

    /// Whether a burst was asked for and not taken up yet.
    pub(super) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed) != 0
    }

    /// Takes the wish for a burst: rate in Hz and length in ns.
    fn take(&self) -> Option<(f64, u64)> {
        let asked = self.0.asked.swap(0, Ordering::Acquire);
        let rate = (asked >> 32) as f64 / MILLI;
        (asked != 0).then_some((rate, (asked & u64::from(u32::MAX)) * 1_000_000))
    }
}

/// A tick that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueTick {
    /// Number from 0, skipped ones included.
    pub(super) number: u64,
    /// CLOCK_MONOTONIC ns.
    pub(super) deadline_ns: u64,
    /// Ticks skipped since the last one.
    pub(super) missed: u32,
    /// Periods of this rate that were over or taken before, this tick and the skipped ones not.
    before: u64,
}

/// Gives ticks one after the other.
pub(super) struct Timeline {
    pacer: Pacer,
    base_hz: f64,
    jitter: Jitter,
    seed: u64,
    /// Ticks before this pacer's first.
    first: u64,
    /// Periods of this pacer that are over or given out.
    counted: u64,
    /// When the burst under way ends.
    burst_end_ns: Option<u64>,
    /// Time that belongs to the next tick that is taken, beside its own period.
    carry_ns: u64,
}

impl Timeline {
    /// Starts now, at the base rate.
    pub(super) fn new(base_hz: f64, jitter: Jitter, seed: u64) -> Timeline {
        Timeline {
            pacer: Pacer::new(base_hz, jitter, seed),
            base_hz,
            jitter,
            seed,
            first: 0,
            counted: 0,
            burst_end_ns: None,
            carry_ns: 0,
        }
    }

    /// CLOCK_MONOTONIC ns of the start.
    pub(super) fn start_ns(&self) -> u64 {
        self.pacer.start_ns()
    }

    /// Length of the present period, ns.
    pub(super) fn period_ns(&self) -> u64 {
        self.pacer.period_ns()
    }

    /// The next tick that can still be kept at `now_ns`.
    pub(super) fn next_due(&mut self, now_ns: u64) -> DueTick {
        let mut missed = 0;
        loop {
            let due = self.pacer.next_due(now_ns);
            if let Some(end) = self.burst_end_ns.filter(|end| due.deadline_ns >= *end) {
                // what is left of the burst is over untaken
                let periods = (end - self.pacer.start_ns()) / self.period_ns();
                let left = periods.saturating_sub(self.counted);
                missed += left;
                self.carry_ns += left * self.period_ns();
                self.counted = periods;
                self.burst_end_ns = None;
                self.change(self.base_hz, end);
                continue;
            }
            let before = self.counted;
            missed += u64::from(due.missed);
            self.carry_ns += u64::from(due.missed) * self.period_ns();
            self.counted = due.number + 1;
            return DueTick {
                number: self.first + due.number,
                deadline_ns: due.deadline_ns,
                missed: u32::try_from(missed).unwrap_or(u32::MAX),
                before,
            };
        }
    }

    /// Begins the burst that was asked for, unless one is under way, in place of the tick `due`.
    /// False: there is none to begin.
    pub(super) fn begin_burst(
        &mut self,
        control: &BurstControl,
        due: &DueTick,
        now_ns: u64,
    ) -> bool {
        if self.burst_end_ns.is_some() {
            return false;
        }
        let Some((rate_hz, length_ns)) = control.take() else {
            return false;
        };
        // the tick due is not taken; periods before it are covered by weights or carried
        self.counted = due.number - self.first;
        let covered = self.pacer.start_ns() + self.counted * self.period_ns();
        let start = now_ns.max(covered);
        self.carry_ns += start - covered;
        self.change(rate_hz, start);
        let periods = (length_ns / self.period_ns()).max(1);
        self.burst_end_ns = Some(start + periods * self.period_ns());
        true
    }

    fn change(&mut self, rate_hz: f64, start_ns: u64) {
        self.first += self.counted;
        self.counted = 0;
        self.seed = self
            .seed
            .wrapping_mul(0x5851_F42D_4C95_7F2D)
            .wrapping_add(1);
        self.pacer = Pacer::starting(rate_hz, self.jitter, self.seed, start_ns);
    }

    /// The weight of the tick now taken: its period and all that was carried to it.
    pub(super) fn take_weight_ns(&mut self) -> u64 {
        self.period_ns() + std::mem::take(&mut self.carry_ns)
    }

    /// The tick due found no frame: its time is the next one's.
    pub(super) fn carry_tick(&mut self) {
        self.carry_ns += self.period_ns();
    }

    /// Periods until `end_ns` of which no tick was due before `due`.
    pub(super) fn periods_left(&self, due: &DueTick, end_ns: u64) -> u64 {
        self.pacer.periods_until(end_ns).saturating_sub(due.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Runs a timeline with a burst asked for after `ask`, ticks taken `late` after their deadline,
    /// and gives numbers, deadlines and weights.
    fn run(ask_ns: u64, late: impl Fn(u64) -> u64, end_ns: u64) -> Vec<(u64, u64, u64)> {
        let control = BurstControl::default();
        let mut line = Timeline::new(10.0, Jitter::Uniform, 3);
        let start = line.start_ns();
        let (mut now, mut asked, mut taken) = (start, false, Vec::new());
        loop {
            let due = line.next_due(now);
            if due.deadline_ns >= start + end_ns {
                return taken;
            }
            if !asked && due.deadline_ns > start + ask_ns {
                control.begin(1000.0, Duration::from_millis(500));
                asked = true;
                now = now.max(start + ask_ns);
                assert!(line.begin_burst(&control, &due, now));
                continue;
            }
            now = now.max(due.deadline_ns) + late(due.number);
            taken.push((due.number, due.deadline_ns - start, line.take_weight_ns()));
        }
    }

    #[test]
    fn weights_cover_the_run_through_a_burst() {
        let taken = run(1_234 * MS, |_| 0, 3_000 * MS);
        let total: u64 = taken.iter().map(|t| t.2).sum();
        assert!(total.abs_diff(3_000 * MS) <= 100 * MS, "{total}");
        let burst = taken.iter().filter(|t| t.2 == MS).count();
        assert!((498..=500).contains(&burst), "{burst}");
        let numbers: Vec<u64> = taken.iter().map(|t| t.0).collect();
        let expected: Vec<u64> = (0..numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "none is missing, none twice");
        assert!(taken.windows(2).all(|w| w[0].1 < w[1].1));
        // the weights up to any tick are the time up to the end of its period
        let mut sum = 0;
        for (number, deadline, weight) in taken {
            sum += weight;
            assert!(
                sum > deadline && sum <= deadline + 100 * MS,
                "tick {number} at {deadline}: {sum}"
            );
        }
    }

    #[test]
    fn what_is_missed_in_a_burst_weighs_what_it_was() {
        // one tick of the burst takes 2 s: the rest of the burst and base periods are over
        let taken = run(
            1_000 * MS,
            |n| if n == 20 { 2_000 * MS } else { 0 },
            5_000 * MS,
        );
        let total: u64 = taken.iter().map(|t| t.2).sum();
        assert!(total.abs_diff(5_000 * MS) <= 100 * MS, "{total}");
        let after = taken.iter().find(|t| t.0 > 20).unwrap();
        assert!(after.0 > 500 && after.2 > 1_900 * MS, "{after:?}");
    }
}
