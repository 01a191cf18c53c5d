//! The state machine: one life in each SID's place.
//!
//! Callers: [`super`].

use super::{COUNTERS, Counter, CpuSource, Delta, LifeKey, Reading, Unobserved, Why};

/// LOGON_TIME is in whole seconds.
const LOGON_STEP_US: i64 = 1_000_000;
const CPU: usize = Counter::Cpu as usize;

/// What a reading came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// The session that had the SID before and whose end nobody had told, or what a new one had
    /// counted before its first reading.
    pub unobserved: Option<Unobserved>,
    /// What was consumed.
    pub delta: Option<Delta>,
}

/// A session that is read.
struct Life {
    last: Reading,
    /// CPU given out since logon, or counted before the first reading, µs.
    cpu_us: u64,
    /// Since when CPU may not have been counted: the present call can't have begun before.
    cpu_since_us: i64,
    /// CPU in the last interval, and how long it was, µs.
    pace: (u64, u64),
}

/// Deltas of the sessions of one instance. Readings have to come in the order of time.
pub struct Deltas {
    /// By SID.
    lives: Vec<Option<Life>>,
    /// Readings before are not known: a session of then isn't new.
    known_since_us: Option<i64>,
    /// The last reading.
    last_us: Option<i64>,
}

impl Deltas {
    /// Knows nothing of any session. `from_us`: readings before that aren't given.
    pub fn new(from_us: Option<i64>) -> Deltas {
        Deltas {
            lives: Vec::new(),
            known_since_us: from_us,
            last_us: None,
        }
    }

    /// Takes a reading.
    pub fn push(&mut self, reading: &Reading) -> Step {
        let sid = reading.key.sid as usize;
        if self.lives.len() <= sid {
            self.lives.resize_with(sid + 1, || None);
        }
        let before = self.last_us;
        if before.is_none_or(|last| last < reading.time_us) {
            self.last_us = Some(reading.time_us);
        }
        let known = self.known_since_us.get_or_insert(reading.time_us);
        let known_since_us = *known;
        let mut step = Step::default();
        match &mut self.lives[sid] {
            Some(life) if life.last.key == reading.key => {
                step.delta = Some(life.advance(reading));
                return step;
            }
            place => {
                let old = place.take();
                step.unobserved =
                    old.map(|old| old.end(Why::Ended, old.last.time_us, reading.time_us));
            }
        }
        match begin(reading, known_since_us, before) {
            Begin::Zero(from_us) => {
                let mut life = Life::zero(reading, from_us);
                let delta = life.advance(reading);
                step.delta = Some(Delta {
                    first: true,
                    ..delta
                });
                self.lives[sid] = Some(life);
            }
            Begin::Baseline => {
                let life = Life::baseline(reading);
                // it may have logged on after reading had begun
                if reading.key.logon_us != 0
                    && reading.key.logon_us + LOGON_STEP_US > known_since_us
                    && step.unobserved.is_none()
                {
                    step.unobserved =
                        Some(life.end(Why::Logon, reading.key.logon_us, reading.time_us));
                }
                self.lives[sid] = Some(life);
            }
        }
        step
    }

    /// A session is gone: seen last at `seen_us`, noticed at `noticed_us` (µs since 1970).
    pub fn end(&mut self, key: LifeKey, seen_us: i64, noticed_us: i64) -> Option<Unobserved> {
        let place = self.lives.get_mut(key.sid as usize)?;
        if place.as_ref()?.last.key != key {
            return None;
        }
        let life = place.take()?;
        let seen_us = seen_us.max(life.last.time_us);
        Some(life.end(Why::Ended, seen_us, noticed_us.max(seen_us)))
    }

    /// A reader that began at `time_us` has seen all there are: the others have gone, at the latest
    /// when the one before let go of the instance because it went away (`gone_us`).
    pub fn reader_began(&mut self, time_us: i64, gone_us: Option<i64>) -> Vec<Unobserved> {
        let mut ended = Vec::new();
        for place in &mut self.lives {
            if let Some(life) = place.take_if(|life| life.last.time_us < time_us) {
                let seen_us = life.last.time_us;
                let until_us = gone_us.filter(|gone| *gone >= seen_us).unwrap_or(time_us);
                ended.push(life.end(Why::Gap, seen_us, until_us));
            }
        }
        ended
    }

    /// Sessions that are read now.
    pub fn alive(&self) -> usize {
        self.lives.iter().flatten().count()
    }
}

enum Begin {
    /// Everything that it has counted is since then.
    Zero(i64),
    /// What it has counted until now is from before.
    Baseline,
}

/// Whether a session that wasn't known has logged on since the reading before.
fn begin(reading: &Reading, known_since_us: i64, before: Option<i64>) -> Begin {
    let logon = Some(reading.key.logon_us).filter(|us| *us != 0);
    let since = match reading.seen_us {
        Some(seen) => seen,
        // a reader's first reading: sessions of after the last reading of the reader before
        None => match before.filter(|before| *before < reading.time_us) {
            Some(before) if logon.is_some_and(|logon| logon >= before) => before,
            _ => return Begin::Baseline,
        },
    };
    let late = logon.is_some_and(|logon| logon.saturating_add(2 * LOGON_STEP_US) < since);
    if since < known_since_us || late {
        return Begin::Baseline;
    }
    Begin::Zero(logon.map_or(since, |logon| logon.clamp(since, reading.time_us)))
}

impl Life {
    fn zero(reading: &Reading, from_us: i64) -> Life {
        Life {
            last: Reading {
                time_us: from_us,
                counters: [0; COUNTERS],
                temp_bytes: 0,
                pga_bytes: 0,
                os_cpu_us: None,
                active: false,
                ..*reading
            },
            cpu_us: 0,
            cpu_since_us: from_us,
            pace: (0, 0),
        }
    }

    fn baseline(reading: &Reading) -> Life {
        Life {
            last: *reading,
            cpu_us: reading.counters[CPU],
            // a call that it is in may have begun long before
            cpu_since_us: match reading.active {
                true => reading.key.logon_us.min(reading.time_us),
                false => reading.time_us,
            },
            pace: (0, 0),
        }
    }

    fn advance(&mut self, now: &Reading) -> Delta {
        let last = &self.last;
        let seen_us = now.seen_us.unwrap_or(last.time_us);
        let seen_us = seen_us.clamp(last.time_us, now.time_us.max(last.time_us));
        let mut counters = [0; COUNTERS];
        let mut reset = false;
        for ((delta, now), before) in counters.iter_mut().zip(now.counters).zip(last.counters) {
            match now.checked_sub(before) {
                Some(grown) => *delta = grown,
                None => reset = true,
            }
        }
        let (cpu, cpu_source) = self.cpu(now);
        counters[CPU] = cpu;
        let last = &self.last;
        let held_us = (seen_us - last.time_us) as u128;
        let open_us = u128::try_from(now.time_us.saturating_sub(seen_us)).unwrap_or(0);
        let over_time = |before: u64, after: u64| {
            let both = u128::from(before) + u128::from(after);
            u128::from(before) * held_us + both * open_us / 2
        };
        let delta = Delta {
            key: now.key,
            tag: now.tag,
            from_us: seen_us,
            to_us: now.time_us,
            cpu_since_us: self.cpu_since_us,
            counters,
            cpu_source,
            temp_growth_bytes: now.temp_bytes.saturating_sub(last.temp_bytes),
            temp_byte_us: over_time(last.temp_bytes, now.temp_bytes),
            temp_byte_us_bound: u128::from(now.temp_bytes.abs_diff(last.temp_bytes)) * open_us / 2
                + 1,
            pga_byte_us: over_time(last.pga_bytes, now.pga_bytes),
            temp_bytes: now.temp_bytes,
            pga_bytes: now.pga_bytes,
            first: false,
            reset,
        };
        if !now.active {
            self.cpu_since_us = now.time_us;
        } else if now.counters[CPU] != last.counters[CPU] || !last.active {
            // a call ended since, or it was idle: the present one began since
            self.cpu_since_us = seen_us;
        }
        self.pace = (cpu, now.time_us.saturating_sub(seen_us).unsigned_abs());
        self.last = *now;
        delta
    }

    /// CPU of the interval: what the counter is ahead of what was given out, or the process's while
    /// the counter stands still in a call. What the kernel counted is not given again when the
    /// counter comes after it.
    fn cpu(&mut self, now: &Reading) -> (u64, CpuSource) {
        let last = &self.last;
        let (before, after) = (last.counters[CPU], now.counters[CPU]);
        if after < before {
            self.cpu_us = after;
            return (0, CpuSource::Counter);
        }
        if after == before
            && now.active
            && let (Some(from), Some(to)) = (last.os_cpu_us, now.os_cpu_us)
            && to > from
        {
            self.cpu_us += to - from;
            return (to - from, CpuSource::Os);
        }
        let ahead = after.saturating_sub(self.cpu_us);
        self.cpu_us += ahead;
        (ahead, CpuSource::Counter)
    }

    fn end(&self, why: Why, seen_us: i64, until_us: i64) -> Unobserved {
        let span = until_us.saturating_sub(seen_us).max(0);
        let (cpu, interval) = self.pace;
        let likely = match (self.last.active, interval) {
            (true, 1..) => u128::from(cpu) * span as u128 / u128::from(interval) / 2,
            _ => 0,
        };
        let cpu_since_us = match self.last.active {
            true => self.cpu_since_us.min(seen_us),
            false => seen_us,
        };
        Unobserved {
            key: self.last.key,
            tag: self.last.tag,
            why,
            from_us: seen_us,
            to_us: until_us,
            cpu_us_estimate: u64::try_from(likely.min(span as u128)).unwrap_or(0),
            cpu_since_us,
            temp_byte_us_bound: u128::from(self.last.temp_bytes) * span as u128,
        }
    }
}
