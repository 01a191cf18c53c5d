//! When to sample: absolute deadlines, jitter, and no bursts.
//!
//! The n-th deadline belongs to the n-th period after the start; a period that is over before its
//! deadline could be kept is skipped and counted, never made up. With jitter the deadline lies
//! anywhere in its period, so that sampling doesn't alias with periodic work.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Where in its period a deadline lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Jitter {
    /// Anywhere, equally likely.
    Uniform,
    /// Gaps between deadlines are exponential: the next sample can't be foreseen at all.
    Poisson,
    /// At its start.
    None,
}

/// CLOCK_MONOTONIC in ns.
pub fn monotonic_ns() -> u64 {
    now(ClockId::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME in ns since the epoch.
pub fn wall_ns() -> i64 {
    now(ClockId::CLOCK_REALTIME) as i64
}

fn now(clock: ClockId) -> u64 {
    // these clocks exist on every Linux, so the call can't fail
    clock_gettime(clock).map_or(0, |t| {
        t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64
    })
}

/// A due tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its number, from 0, skipped ones included.
    pub number: u64,
    /// Its deadline, CLOCK_MONOTONIC ns.
    pub deadline_ns: u64,
    /// Ticks skipped since the last one that was due.
    pub missed: u32,
}

/// Gives the deadlines one after the other.
#[derive(Debug)]
pub struct Pacer {
    start_ns: u64,
    period_ns: u64,
    next: u64,
    last_ns: u64,
    jitter: Jitter,
    random: SplitMix,
}

impl Pacer {
    /// A pacer that starts now. `rate_hz` is limited to 0.001 … 1,000,000.
    pub fn new(rate_hz: f64, jitter: Jitter, seed: u64) -> Pacer {
        Pacer::starting(rate_hz, jitter, seed, monotonic_ns())
    }

    /// A pacer whose first period begins at `start_ns` (CLOCK_MONOTONIC).
    pub(super) fn starting(rate_hz: f64, jitter: Jitter, seed: u64, start_ns: u64) -> Pacer {
        let rate = if rate_hz.is_finite() {
            rate_hz.clamp(0.001, 1e6)
        } else {
            10.0
        };
        Pacer {
            start_ns,
            period_ns: (1e9 / rate).round() as u64,
            next: 0,
            last_ns: start_ns,
            jitter,
            random: SplitMix(seed),
        }
    }

    /// Length of a period, ns.
    pub fn period_ns(&self) -> u64 {
        self.period_ns
    }

    /// CLOCK_MONOTONIC ns at which the first period began.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// The next tick that can still be kept at `now_ns`.
    pub fn next_due(&mut self, now_ns: u64) -> Due {
        let over = now_ns.saturating_sub(self.start_ns) / self.period_ns;
        let missed = over.saturating_sub(self.next);
        let number = self.next + missed;
        self.next = number + 1;
        let begin = self.start_ns + number * self.period_ns;
        let deadline_ns = match self.jitter {
            Jitter::None => begin,
            Jitter::Uniform => begin + self.random.below(self.period_ns),
            // an exponential gap after the last deadline, kept within the tick's own period
            Jitter::Poisson => (self.last_ns + self.random.exponential(self.period_ns))
                .clamp(begin, begin + self.period_ns - 1),
        };
        self.last_ns = deadline_ns;
        Due {
            number,
            deadline_ns,
            missed: u32::try_from(missed).unwrap_or(u32::MAX),
        }
    }

    /// Ticks whose period has ended or begun by `now_ns`.
    pub fn periods_until(&self, now_ns: u64) -> u64 {
        now_ns
            .saturating_sub(self.start_ns)
            .div_ceil(self.period_ns)
    }
}

/// Sleeps until an absolute CLOCK_MONOTONIC time. Returns early only when a signal interrupts.
pub fn sleep_until(deadline_ns: u64) {
    let time = TimeSpec::from(Duration::from_nanos(deadline_ns));
    // an interrupted sleep is no error: the caller looks at its stop flag and sleeps again
    let _ = clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::TIMER_ABSTIME,
        &time,
    );
}

/// Sebastiano Vigna's SplitMix64: enough for jitter.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    fn exponential(&mut self, mean: u64) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (-(1.0 - unit).ln() * mean as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(jitter: Jitter) -> Pacer {
        let mut p = Pacer::new(100.0, jitter, 7);
        p.start_ns = 1_000_000_000;
        p.last_ns = p.start_ns;
        p
    }

    #[test]
    fn deadlines_do_not_drift() {
        let mut p = pacer(Jitter::None);
        for n in 0..1000u64 {
            // each tick is taken 3 ms after its deadline
            let due = p.next_due(1_000_000_000 + n * 10_000_000 - u64::from(n > 0) * 7_000_000);
            assert_eq!((due.number, due.missed), (n, 0));
            assert_eq!(due.deadline_ns, 1_000_000_000 + n * 10_000_000);
        }
    }

    #[test]
    fn late_ticks_are_skipped_and_counted_not_made_up() {
        let mut p = pacer(Jitter::None);
        assert_eq!(p.next_due(1_000_000_000).number, 0);
        let due = p.next_due(1_000_000_000 + 55_000_000);
        assert_eq!((due.number, due.missed), (5, 4), "ticks 1 to 4 are over");
        assert_eq!(p.next_due(1_000_000_000 + 56_000_000).number, 6);
    }

    #[test]
    fn jitter_stays_in_its_period_and_fills_it() {
        for jitter in [Jitter::Uniform, Jitter::Poisson] {
            let mut p = pacer(jitter);
            let mut early = 0;
            for n in 0..2000u64 {
                let begin = 1_000_000_000 + n * 10_000_000;
                let due = p.next_due(begin);
                let into = due.deadline_ns - begin;
                assert!(into < 10_000_000);
                early += u32::from(into < 5_000_000);
            }
            assert!((600..1800).contains(&early), "{jitter:?}: {early}");
        }
    }
}
