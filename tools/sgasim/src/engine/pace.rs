//! How far durations are stretched so that the asked number of state changes a second comes out.
//!
//! Only the engine uses it.

/// Shortest time between two corrections, in nanoseconds.
const WINDOW_NS: u64 = 200_000_000;
/// Fewest expected changes in a window that says something.
const FEWEST: f64 = 100.0;

/// The stretching factor and its controller.
#[derive(Debug)]
pub struct Pace {
    rate: f64,
    scale: f64,
    controlled: bool,
    since: Option<(u64, u64)>,
}

impl Pace {
    /// For `rate` changes a second; until [`Pace::expect`] is called the factor stays 1.
    pub fn new(rate: f64) -> Pace {
        Pace {
            rate: rate.max(0.1),
            scale: 1.0,
            controlled: false,
            since: None,
        }
    }

    /// Sets the factor for `hot` sessions that would each make `per_second` changes a second unstretched.
    pub fn expect(&mut self, hot: usize, per_second: f64) {
        self.controlled = true;
        self.scale = (hot as f64 * per_second / self.rate).clamp(0.001, 1e6);
    }

    /// Stretches durations by this factor from now on.
    pub fn fix(&mut self, scale: f64) {
        (self.controlled, self.scale) = (false, scale);
    }

    /// The factor for durations.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Corrects the factor by what was counted since the last correction.
    pub fn measure(&mut self, changes: u64, now: u64) {
        if !self.controlled {
            return;
        }
        let Some((then, count)) = self.since else {
            self.since = Some((now, changes));
            return;
        };
        let elapsed = now.saturating_sub(then);
        let expected = self.rate * elapsed as f64 / 1e9;
        if elapsed < WINDOW_NS || expected < FEWEST {
            return;
        }
        let ratio = (changes.saturating_sub(count) as f64 / expected).clamp(0.7, 1.4);
        self.scale = (self.scale * ratio.sqrt()).clamp(0.001, 1e6);
        self.since = Some((now, changes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_changes_stretch_and_too_few_shorten() {
        let mut pace = Pace::new(1000.0);
        pace.measure(0, 0);
        pace.measure(1200, 1_000_000_000);
        assert_eq!(pace.scale(), 1.0, "nothing to stretch yet");
        pace.expect(1, 1000.0);
        pace.measure(0, 0);
        pace.measure(1200, 1_000_000_000);
        assert!(pace.scale() > 1.0);
        let before = pace.scale();
        pace.measure(1900, 2_000_000_000);
        assert!(pace.scale() < before);
    }
}
