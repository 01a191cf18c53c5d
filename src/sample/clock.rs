//! The wall clock against the monotonic one: noticing that it was stepped.
//!
//! For: telling a step (an administrator, NTP's first correction, a host that slept) from the slow
//! slewing that keeps a clock right. Not for: correcting anything: rows keep the time that the clock
//! showed, weights come from the monotonic clock. Callers: `cli::record`.

/// From this on a difference is a step: NTP slews by at most half a millisecond a second and steps
/// from 128 ms on (ntpd(8), "step threshold").
pub const STEP_NS: i64 = 100_000_000;

/// Compares readings of both clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockWatch {
    offset_ns: Option<i64>,
    /// An offset seen once that far off, and the wall time before it.
    doubtful: Option<(i64, i64)>,
    last_wall_ns: i64,
}

/// The wall clock was stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// By how much, ns; negative: back.
    pub by_ns: i64,
    /// What it showed last before, ns since the epoch.
    pub from_wall_ns: i64,
}

impl ClockWatch {
    /// Takes one reading of both clocks. A step is told with the second reading after it: a thread
    /// that was stopped between reading the two clocks looks like a step, but only once.
    pub fn look(&mut self, mono_ns: u64, wall_ns: i64) -> Option<Step> {
        let offset = wall_ns.saturating_sub(i64::try_from(mono_ns).unwrap_or(i64::MAX));
        let known = *self.offset_ns.get_or_insert(offset);
        let far = |from: i64| offset.saturating_sub(from).saturating_abs() >= STEP_NS;
        let step = match self.doubtful {
            _ if !far(known) => {
                (self.offset_ns, self.doubtful) = (Some(offset), None);
                None
            }
            Some((seen, from_wall_ns)) if !far(seen) => {
                (self.offset_ns, self.doubtful) = (Some(offset), None);
                let by_ns = offset.saturating_sub(known);
                Some(Step {
                    by_ns,
                    from_wall_ns,
                })
            }
            doubt => {
                let before = doubt.map_or(self.last_wall_ns, |(_, before)| before);
                self.doubtful = Some((offset, before));
                None
            }
        };
        self.last_wall_ns = wall_ns;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn steps(readings: &[(u64, i64)]) -> Vec<i64> {
        let mut watch = ClockWatch::default();
        let each = readings
            .iter()
            .filter_map(|(mono, wall)| watch.look(mono * MS as u64, wall * MS));
        each.map(|s| s.by_ns / MS).collect()
    }

    #[test]
    fn steps_are_told_once_and_slewing_is_none() {
        let back = [
            (0, 9000),
            (100, 9100),
            (200, 7200),
            (300, 7300),
            (400, 7400),
        ];
        assert_eq!(steps(&back), [-2000]);
        let slewed: Vec<(u64, i64)> = (0..10_000).map(|n| (n * 100, (n * 101) as i64)).collect();
        assert_eq!(steps(&slewed), [] as [i64; 0]);
        let twice = [
            (0, 0),
            (100, 5100),
            (200, 200),
            (300, 300),
            (400, 900),
            (500, 1000),
        ];
        assert_eq!(steps(&twice), [500], "what is seen once is no step");
    }

    #[test]
    fn the_time_before_is_told() {
        let mut watch = ClockWatch::default();
        watch.look(0, 0);
        watch.look(1, 1);
        watch.look(2, 10_000 * MS);
        let step = watch.look(3, 10_000 * MS + 1).unwrap();
        assert_eq!(step.from_wall_ns, 1);
    }
}
