//! How far a sampled average of active sessions can be from the truth.
//!
//! For: standard error and interval of one group's AAS, of the variance that [`super::variance`]
//! estimates. Not for: summing, and not for other windows: the interval is for the true AAS of the
//! very window that was watched. Callers: [`super::report`].
//!
//! The interval is a score interval: the true time `t` that are within z standard errors of the
//! sampled time `x`, with a variance that grows with `t` as that of a count does: its `v/x` is
//! kept. With one sample seen it is that of a Poisson count of 1, 0.18 to 5.67; with many it is
//! `x ± z √v`. Design effect and effective count as in Korn and Graubard, Survey Methodology 24
//! (1998) 193.

use serde::Serialize;

/// 0.975 quantile of the normal distribution.
pub(super) const Z_95: f64 = 1.959_963_984_540_054;

/// The uncertainty of one AAS. All in sessions.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Interval {
    /// Standard error.
    pub std_error: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// The interval of the AAS that `active_us` in `watched_us` is, where the variance of `active_us`
/// is `variance_us2`. `None` where nothing can be said.
pub fn interval(active_us: u64, variance_us2: f64, watched_us: u64) -> Option<Interval> {
    if watched_us == 0 || active_us == 0 || !variance_us2.is_finite() || variance_us2 < 0.0 {
        return None;
    }
    let (x, watched) = (active_us as f64, watched_us as f64);
    let per_us = variance_us2 / x;
    let z2 = Z_95 * Z_95;
    let centre = x + per_us * z2 / 2.0;
    let half = Z_95 * (variance_us2 + per_us * per_us * z2 / 4.0).sqrt();
    Some(Interval {
        std_error: variance_us2.sqrt() / watched,
        low: (centre - half).max(0.0) / watched,
        high: (centre + half) / watched,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_has_the_score_interval_of_a_poisson_count() {
        // Barker, The American Statistician 56 (2002) 85, score interval: x + z²/2 ± z √(x + z²/4).
        let one = interval(100_000, 1e10, 100_000).unwrap();
        assert!(
            (one.low - 0.1765).abs() < 5e-5 && (one.high - 5.6649).abs() < 5e-5,
            "{one:?}"
        );
        let hundred = interval(10_000_000, 1e12, 100_000).unwrap();
        assert!((hundred.low - 82.22).abs() < 5e-3 && (hundred.high - 121.62).abs() < 5e-3);
        assert_eq!(hundred.std_error, 10.0);
    }

    #[test]
    fn what_is_certain_has_no_width_and_nonsense_is_refused() {
        let sure = interval(500, 0.0, 1_000).unwrap();
        assert_eq!((sure.low, sure.high), (0.5, 0.5));
        assert!(interval(1, 1.0, 0).is_none());
        assert!(interval(0, 1.0, 10).is_none());
        assert!(interval(1, f64::NAN, 10).is_none());
    }
}
