//! How times are spread: middle, 95th percentile, most.

use super::document::Spread;

/// Times of a step that are kept, so that memory has a bound: of longer steps the first count.
const MOST: usize = 4_000_000;

/// Times, ns.
#[derive(Default)]
pub(super) struct Times(Vec<u64>);

impl Times {
    pub(super) fn add(&mut self, ns: u64) {
        if self.0.len() < MOST {
            self.0.push(ns);
        }
    }

    /// In µs; `None` without any.
    pub(super) fn spread(mut self) -> Option<Spread> {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1)?;
        // the nearest rank: the least time that p % don't exceed
        let at =
            |percent: usize| self.0[(self.0.len() * percent).div_ceil(100).max(1) - 1] as f64 / 1e3;
        Some(Spread {
            p50: at(50),
            p95: at(95),
            max: self.0[last] as f64 / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let mut times = Times::default();
        for ns in (1..=100u64).rev() {
            times.add(ns * 1000);
        }
        let spread = times.spread().unwrap();
        assert_eq!((spread.p50, spread.p95, spread.max), (50.0, 95.0, 100.0));
        let mut one = Times::default();
        one.add(7_000);
        assert_eq!(one.spread().unwrap().p50, 7.0);
        assert!(Times::default().spread().is_none());
    }
}
