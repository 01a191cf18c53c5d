//! Budgets: how much of one is used, what that means, and when it will be reached.
//!
//! For: [`Standing`], its levels with hysteresis ([`State`]), and a projection with an interval
//! ([`project`]). Not for: what things cost ([`super::statement`]). Callers: `cli`.

mod relay;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::prices::{Period, Quota};
use super::{FinopsError, files};
use crate::analyze::student::quantile_95;

pub use relay::{RelayError, post};

/// An hour, µs.
pub const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// Whole days from which on days are what a projection counts by; before, hours.
const FEW_DAYS: usize = 3;

/// How a budget stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below what is warned of.
    #[default]
    Ok,
    /// From `warn_percent` on, until it is below `clear_percent`.
    Warn,
    /// All of it is used, until it is below `clear_percent`.
    Breach,
}

impl Level {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Breach => "breach",
        }
    }

    /// The level after this one at so much of the budget. Once told, a level stays until use is below
    /// `clear_percent`, so that one about a limit doesn't tell again and again.
    pub fn next(self, used: i128, budget: i128, quota: &Quota) -> Level {
        let at_least =
            |percent: u32| used.saturating_mul(100) >= budget.saturating_mul(i128::from(percent));
        let reached = match () {
            () if at_least(100) => Level::Breach,
            () if at_least(quota.warn_percent) => Level::Warn,
            () => Level::Ok,
        };
        match at_least(quota.clear_percent) {
            true => reached.max(self),
            false => reached,
        }
    }
}

/// The levels that were told, by tenant and period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    levels: BTreeMap<String, Level>,
}

impl State {
    /// Reads a file; an empty state if there is none.
    ///
    /// # Errors
    /// It can't be read, or isn't a state.
    pub fn load(path: &Path) -> Result<State, FinopsError> {
        match files::bytes(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| FinopsError::Damaged {
                path: path.to_path_buf(),
                line: e.line(),
                message: format!("no state of quotas: {e}"),
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
            Err(e) => Err(FinopsError::io(path)(e)),
        }
    }

    /// Writes it, whole.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, path: &Path) -> Result<(), FinopsError> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".new");
        let draft = path.with_file_name(name);
        std::fs::write(&draft, serde_json::to_vec_pretty(self)?)
            .map_err(FinopsError::io(&draft))?;
        std::fs::rename(&draft, path).map_err(FinopsError::io(path))
    }

    /// The level that was told.
    pub fn level(&self, key: &str) -> Level {
        self.levels.get(key).copied().unwrap_or_default()
    }

    /// Notes a level; those of periods that are over are forgotten.
    pub fn set(&mut self, key: &str, level: Level) {
        self.levels.insert(key.to_owned(), level);
    }

    /// Forgets all but these.
    pub fn keep(&mut self, keys: &[String]) {
        self.levels.retain(|key, _| keys.contains(key));
    }
}

/// A period: begin and end, µs since 1970.
///
/// # Errors
/// A time that no calendar has.
pub fn bounds(period: Period, at_us: i64) -> Result<(i64, i64), FinopsError> {
    let odd = |_| FinopsError::TooLarge("a time");
    let at = Timestamp::from_microsecond(at_us).map_err(odd)?;
    let day = at.to_zoned(TimeZone::UTC).date();
    let (first, next) = match period {
        Period::Day => (day, day.tomorrow().map_err(odd)?),
        Period::Week => {
            let back = i32::from(day.weekday().to_monday_zero_offset());
            let first = day.checked_sub(jiff::Span::new().days(back)).map_err(odd)?;
            let next = first.checked_add(jiff::Span::new().days(7)).map_err(odd)?;
            (first, next)
        }
        Period::Month => (
            day.first_of_month(),
            day.last_of_month().tomorrow().map_err(odd)?,
        ),
    };
    let us = |date: Date| -> Result<i64, FinopsError> {
        let zoned = date.to_zoned(TimeZone::UTC).map_err(odd)?;
        Ok(zoned.timestamp().as_microsecond())
    };
    Ok((us(first)?, us(next)?))
}

/// When a budget will have been used: µs since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// By the mean of what was used so far.
    pub at_us: i64,
    /// As early, with 95 %.
    pub earliest_us: i64,
    /// As late, with 95 %; `None`: it may be never.
    pub latest_us: Option<i64>,
}

/// The steps to project by, of the costs of whole hours (begin, µs since 1970, and cost): whole days,
/// once there are some, as load goes by the hour of the day; else the hours. Gives their length, µs.
pub fn steps(hours: &[(i64, f64)]) -> (Vec<f64>, i64) {
    let mut days: BTreeMap<i64, (usize, f64)> = BTreeMap::new();
    for (at, cost) in hours {
        let day = days.entry(at.div_euclid(DAY_US)).or_default();
        day.0 += 1;
        day.1 += cost;
    }
    let whole = days.values().filter(|(hours, _)| *hours == 24);
    let whole: Vec<f64> = whole.map(|(_, cost)| *cost).collect();
    match whole.len() >= FEW_DAYS {
        true => (whole, DAY_US),
        false => (hours.iter().map(|(_, cost)| *cost).collect(), HOUR_US),
    }
}

/// Projects by the costs of whole steps. `None`: less than two steps, or nothing is used.
pub fn project(
    steps: &[f64],
    step_us: i64,
    used: f64,
    budget: f64,
    now_us: i64,
) -> Option<Projection> {
    let n = steps.len();
    if n < 2 {
        return None;
    }
    let mean = steps.iter().sum::<f64>() / n as f64;
    let squares: f64 = steps.iter().map(|cost| (cost - mean).powi(2)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt() * quantile_95((n - 1) as f64);
    if mean <= 0.0 {
        return None;
    }
    let left = (budget - used).max(0.0);
    let at = |rate: f64| now_us.saturating_add((left / rate * step_us as f64) as i64);
    Some(Projection {
        at_us: at(mean),
        earliest_us: at(mean + error),
        latest_us: (mean > error).then(|| at(mean - error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    fn quota() -> Quota {
        Quota {
            tenant: "A".into(),
            period: Period::Month,
            budget: Decimal::ONE_HUNDRED,
            warn_percent: 80,
            clear_percent: 75,
        }
    }

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn levels_have_hysteresis() {
        let of = |from: Level, used| from.next(used, 100, &quota());
        assert_eq!(of(Level::Ok, 79), Level::Ok);
        assert_eq!(of(Level::Ok, 80), Level::Warn);
        assert_eq!(of(Level::Warn, 76), Level::Warn, "not below what clears");
        assert_eq!(of(Level::Warn, 74), Level::Ok);
        assert_eq!(of(Level::Warn, 100), Level::Breach);
        assert_eq!(of(Level::Breach, 90), Level::Breach);
        assert_eq!(of(Level::Breach, 74), Level::Ok);
    }

    #[test]
    fn periods_are_of_the_calendar() {
        let day = |period, at: &str| {
            let (from, to) = bounds(period, us(at)).unwrap();
            [from, to].map(|t| Timestamp::from_microsecond(t).unwrap().to_string())
        };
        assert_eq!(
            day(Period::Month, "2026-02-11T12:00:00Z"),
            ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]
        );
        assert_eq!(
            day(Period::Week, "2026-11-22T23:00:00Z"),
            ["2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"]
        );
        assert_eq!(
            day(Period::Day, "2026-12-31T00:00:00Z"),
            ["2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"]
        );
    }

    #[test]
    fn whole_days_are_steps_once_there_are_some() {
        let hours = |n: i64| (5..n + 5).map(|h| (h * HOUR_US, 1.0)).collect::<Vec<_>>();
        assert_eq!(
            steps(&hours(70)),
            (vec![1.0; 70], HOUR_US),
            "two whole days"
        );
        assert_eq!(steps(&hours(91)), (vec![24.0; 3], DAY_US));
    }

    #[test]
    fn a_budget_is_reached_on_the_19th() {
        // 9 days of about 10 a day: of 190, 100 are left
        let days = [9.0, 11.0, 10.0, 10.0, 9.5, 10.5, 10.0, 10.0, 10.0];
        let found = project(&days, DAY_US, 90.0, 190.0, us("2026-11-10T00:00:00Z")).unwrap();
        let date = |t: i64| Timestamp::from_microsecond(t).unwrap().to_string()[..10].to_owned();
        assert_eq!(date(found.at_us - 1), "2026-11-19");
        // t of 8 degrees of freedom is 2.306; the error of the mean 0.4364
        let early = 100.0 / 10.4356;
        assert!(
            (found.earliest_us - us("2026-11-10T00:00:00Z")) as f64 / DAY_US as f64 - early < 0.02
        );
        assert!(found.latest_us.unwrap() > found.at_us);
        assert_eq!(project(&[1.0], DAY_US, 1.0, 5.0, 0), None);
        let wild = project(&[0.0, 10.0], DAY_US, 10.0, 50.0, 0).unwrap();
        assert_eq!(wild.latest_us, None);
    }
}
