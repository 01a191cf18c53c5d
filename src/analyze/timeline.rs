//! Time in equal steps: what was active in each, and what was watched.
//!
//! For: charts over time, and comparisons of windows. Not for: reading a recording
//! ([`super::survey`] does). Callers: `analyze`, `export`, `cli`.

use serde::Serialize;

use super::value::Value;

/// Widths that people read well, in microseconds: 0.1 s to a day.
const WIDTHS_US: [i64; 19] = [
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    15_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    600_000_000,
    900_000_000,
    1_800_000_000,
    3_600_000_000,
    10_800_000_000,
    21_600_000_000,
    86_400_000_000,
];

/// Equal steps that cover a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Steps {
    /// Start of the first step, microseconds since 1970-01-01 UTC.
    pub start_us: i64,
    /// Width of a step in microseconds.
    pub width_us: i64,
    /// How many.
    pub count: usize,
}

impl Steps {
    /// At most `most` steps of a round width, beginning at a multiple of it, that cover the times
    /// `first_us` to `last_us`.
    pub fn round(first_us: i64, last_us: i64, most: usize) -> Steps {
        let most = most.max(1);
        let of = |width_us: i64| {
            let start_us = first_us.div_euclid(width_us).saturating_mul(width_us);
            let span = last_us.max(first_us).saturating_sub(start_us);
            let count =
                usize::try_from(span / width_us).map_or(usize::MAX, |n| n.saturating_add(1));
            Steps {
                start_us,
                width_us,
                count,
            }
        };
        let fits = WIDTHS_US.into_iter().map(of).find(|s| s.count <= most);
        fits.unwrap_or_else(|| {
            let day = WIDTHS_US[WIDTHS_US.len() - 1];
            let days = last_us.max(first_us).saturating_sub(first_us) / day + 1;
            let width = days
                .div_euclid(most as i64)
                .saturating_add(1)
                .saturating_mul(day);
            let steps = of(width);
            Steps {
                count: steps.count.min(most),
                ..steps
            }
        })
    }

    /// Exactly `count` equal steps of a window (the last may reach beyond it).
    pub fn equal(from_us: i64, to_us: i64, count: usize) -> Steps {
        let count = count.max(1);
        let span = to_us.saturating_sub(from_us).max(1);
        Steps {
            start_us: from_us,
            width_us: span.saturating_add(count as i64 - 1) / count as i64,
            count,
        }
    }

    /// The step that a time lies in; the last for later times, `None` for earlier ones.
    pub fn index(&self, time_us: i64) -> Option<usize> {
        let after = time_us.checked_sub(self.start_us)?;
        let index = usize::try_from(after.checked_div(self.width_us)?).ok()?;
        (after >= 0).then_some(index.min(self.count.saturating_sub(1)))
    }
}

/// Active time of groups in steps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Timeline {
    /// The steps.
    pub steps: Steps,
    /// Watched microseconds in each step: the ticks' weights, of the source that was watched most.
    pub watched_us: Vec<u64>,
    /// One for each row of the table that it belongs to, in its order.
    pub series: Vec<Series>,
}

/// Active time of one group in steps.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// The group's values.
    pub values: Vec<Value>,
    /// Active session microseconds in each step.
    pub active_us: Vec<u64>,
}

impl Timeline {
    /// Average active sessions of `series` in a step; `None` if the step wasn't watched.
    pub fn aas(&self, series: &Series, step: usize) -> Option<f64> {
        let watched = *self.watched_us.get(step)?;
        let active = *series.active_us.get(step)?;
        (watched > 0).then(|| active as f64 / watched as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        let minute = Steps::round(1_000_000_123, 1_060_000_000, 100);
        assert_eq!(
            (minute.start_us, minute.width_us),
            (1_000_000_000, 1_000_000)
        );
        assert_eq!(minute.count, 61);
        assert_eq!(minute.index(1_000_000_123), Some(0));
        assert_eq!(minute.index(1_060_000_000), Some(60));
        assert_eq!(minute.index(9_000_000_000), Some(60));
        assert_eq!(minute.index(999_999_999), None);
        let year = Steps::round(0, 365 * 86_400_000_000, 100);
        assert!(year.count <= 100 && year.width_us % 86_400_000_000 == 0);
        assert_eq!(Steps::round(5, 5, 10).count, 1);
        let equal = Steps::equal(0, 100, 3);
        assert_eq!((equal.width_us, equal.count), (34, 3));
        assert_eq!(equal.index(99), Some(2));
    }
}
