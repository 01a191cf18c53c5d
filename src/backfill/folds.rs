//! The hour that clocks show twice when they are set back.
//!
//! For: which of the two moments such a row is of. SAMPLE_ID goes on by one a second, so where the wall clock goes back
//! from one sample to the next, it was set back; and rows nearby that are of one moment only say the rest.
//!
//! Callers: [`super`].

use std::collections::BTreeMap;

use super::Backfill;
use super::error::BackfillError;
use super::read::Spool;
use super::times::Moment;

/// Microseconds for which one SAMPLE_ID stands.
const ID_US: i64 = 1_000_000;

/// The time of each row, microseconds since 1970-01-01 UTC.
pub(super) fn resolve(spool: &Spool, wanted: &Backfill) -> Result<Vec<i64>, BackfillError> {
    let unclear = |row: usize| {
        BackfillError::Content {
        path: wanted.csv.clone(),
        line: spool.lines[row],
        column: "SAMPLE_TIME".into(),
        expected: "a time that clocks showed once, or SAMPLE_TIME_UTC beside it, or SAMPLE_ID and rows of hours around".into(),
        found: "one that they showed twice, being set back".into(),
    }
    };
    // samples of two moments by the time at which they would be if clocks weren't set back yet
    let mut folds: BTreeMap<i64, BTreeMap<i64, (i64, i64)>> = BTreeMap::new();
    let mut anchors: BTreeMap<i64, i64> = BTreeMap::new();
    for (row, moment) in spool.moments.iter().enumerate() {
        match (*moment, spool.ids[row]) {
            (Moment::At(time), Some(id)) => {
                anchors.insert(id, time);
            }
            (Moment::Either(before, after), Some(id)) => {
                folds
                    .entry(day_of(before))
                    .or_default()
                    .insert(id, (before, after));
            }
            (Moment::Either(..), None) => return Err(unclear(row)),
            (Moment::At(_), None) => {}
        }
    }
    let mut first_after: BTreeMap<i64, Option<i64>> = BTreeMap::new();
    for (day, samples) in &folds {
        first_after.insert(*day, set_back(samples, &anchors));
    }
    let rows = spool.moments.iter().zip(&spool.ids).enumerate();
    rows.map(|(row, (moment, id))| match *moment {
        Moment::At(time) => Ok(time),
        Moment::Either(before, after) => {
            let first_after = first_after.get(&day_of(before)).copied().flatten();
            match (first_after, id) {
                (Some(first), Some(id)) if *id >= first => Ok(after),
                (Some(_), Some(_)) => Ok(before),
                _ => Err(unclear(row)),
            }
        }
    })
    .collect()
}

/// Clocks are set back once in a day at most.
fn day_of(time_us: i64) -> i64 {
    time_us.div_euclid(86_400_000_000)
}

/// The first SAMPLE_ID after clocks were set back: 0 if all of these samples are, above all if none is.
fn set_back(samples: &BTreeMap<i64, (i64, i64)>, anchors: &BTreeMap<i64, i64>) -> Option<i64> {
    let pairs = samples.iter().zip(samples.iter().skip(1));
    for ((_, (earlier, _)), (id, (later, _))) in pairs {
        if later < earlier {
            return Some(*id);
        }
    }
    let (id, (before, after)) = samples.iter().next()?;
    let earlier = anchors.range(..id).next_back();
    let later = anchors.range(id..).next();
    let nearest = [earlier, later]
        .into_iter()
        .flatten()
        .min_by_key(|(anchor, _)| (*anchor - id).abs());
    let (anchor, time) = nearest?;
    let expected = time.saturating_add(id.saturating_sub(*anchor).saturating_mul(ID_US));
    match expected.abs_diff(*before) <= expected.abs_diff(*after) {
        true => Some(i64::MAX),
        false => Some(0),
    }
}
