//! How far a sampled average of active sessions can be from the truth.
//!
//! For: standard error and interval of one group's AAS. Not for: summing. Callers:
//! [`super::report`].
//!
//! Each look at one session in one tick is one trial that finds it in the group or not, so that
//! with `n` looks of which `k` found it, `k` is binomial and AAS is `k/n` times the sessions
//! looked at per tick. Looks at one session in successive ticks are not independent when its
//! states last longer than a tick. That makes the true AAS of the window better known than this
//! says, because long states are hit by many ticks; it says nothing of other windows.

use serde::Serialize;

/// 0.975 quantile of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// The uncertainty of one AAS. All in sessions.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Interval {
    /// Binomial standard error.
    pub std_error: f64,
    /// Lower end of the 95 % Wilson interval.
    pub low: f64,
    /// Upper end of the 95 % Wilson interval.
    pub high: f64,
}

/// The interval of an AAS that `hits` of `trials` looks gave; `scale` is the AAS that a hit at
/// every look would be. `None` where nothing can be said (no trials, or more hits than trials).
pub fn interval(hits: u64, trials: u64, scale: f64) -> Option<Interval> {
    if trials == 0 || hits > trials || !scale.is_finite() {
        return None;
    }
    let n = trials as f64;
    let p = hits as f64 / n;
    let z2 = Z_95 * Z_95;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Some(Interval {
        std_error: (p * (1.0 - p) / n).sqrt() * scale,
        low: (centre - half).max(0.0) * scale,
        high: (centre + half).min(1.0) * scale,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_wilson_values() {
        // Newcombe, Statistics in Medicine 17 (1998) 857: 81 of 263 is 0.2553 to 0.3662, and 0 of
        // 20 is 0 to 0.1611.
        let some = interval(81, 263, 1.0).unwrap();
        assert!((some.low - 0.2553).abs() < 5e-5 && (some.high - 0.3662).abs() < 5e-5);
        let none = interval(0, 20, 1.0).unwrap();
        assert!(none.low.abs() < 1e-12 && (none.high - 0.1611).abs() < 5e-5);
        assert_eq!(none.std_error, 0.0);
    }

    #[test]
    fn scales_and_refuses() {
        let one = interval(30, 1_000, 1.0).unwrap();
        let many = interval(30, 1_000, 50.0).unwrap();
        assert!((many.high - 50.0 * one.high).abs() < 1e-9);
        assert!((many.std_error - 50.0 * (0.03f64 * 0.97 / 1_000.0).sqrt()).abs() < 1e-12);
        assert!(interval(1, 0, 1.0).is_none());
        assert!(interval(2, 1, 1.0).is_none());
        assert!(interval(1, 2, f64::NAN).is_none());
    }
}
