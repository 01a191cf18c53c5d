//! Times in which a recorder wasn't there, and how much of them was imported.
//!
//! For: [`gaps`]. Not for: what sessions did in them. Callers: `finops`.

use super::coverage::each_tick;
use crate::record::{Reader, RecordError, ScanOptions};

/// A time without ticks of the recorder, between two with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// Instance.
    pub instance_name: String,
    /// Begin, microseconds since 1970-01-01 UTC.
    pub from_us: i64,
    /// End, microseconds since 1970-01-01 UTC.
    pub to_us: i64,
    /// How much of it imported ticks cover, microseconds.
    pub imported_us: i64,
}

/// Begin and end, microseconds since 1970-01-01 UTC.
type Span = (i64, i64);

/// The gaps of an instance between two times, microseconds since 1970-01-01 UTC, in their order.
///
/// # Errors
/// The recording can't be read.
pub fn gaps(
    reader: &Reader,
    host: &str,
    instance: &str,
    from_us: Option<i64>,
    to_us: Option<i64>,
) -> Result<Vec<Gap>, RecordError> {
    let options = ScanOptions {
        from_us,
        to_us,
        host: Some(host.to_owned()),
        instance: Some(instance.to_owned()),
        ..ScanOptions::default()
    };
    let (mut own, mut imported) = (Vec::new(), Vec::new());
    each_tick(reader, options, &mut |tick| {
        let spans = match tick.imported {
            true => &mut imported,
            false => &mut own,
        };
        add(spans, tick.piece());
    })?;
    let (own, imported) = (joined(own), joined(imported));
    let found = own.windows(2).map(|pair| {
        let (from_us, to_us) = (pair[0].1, pair[1].0);
        let within = |(from, to): &Span| (*to).min(to_us) - (*from).max(from_us);
        Gap {
            instance_name: instance.to_owned(),
            from_us,
            to_us,
            imported_us: imported.iter().map(within).filter(|us| *us > 0).sum(),
        }
    });
    Ok(found.collect())
}

/// Adds a piece to the last span, if it follows it, so that few are held. A tick lies anywhere in its period:
/// a hole shorter than a tick's weight is none.
fn add(spans: &mut Vec<Span>, (from, to, weight): (i64, i64, i64)) {
    match spans.last_mut() {
        Some(last) if from >= last.0 && from.saturating_sub(weight) <= last.1 => {
            last.1 = last.1.max(to);
        }
        _ => spans.push((from, to)),
    }
}

/// Spans in their order, apart from each other.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut apart: Vec<Span> = Vec::new();
    for (from, to) in spans {
        add(&mut apart, (from, to, 0));
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_follow_each_other_are_one_span_whatever_their_order() {
        let mut spans = Vec::new();
        // of two files, the later one first; a hole shorter than a tick is none
        for tick in [50, 60, 75, 10, 20, 30, 40] {
            add(&mut spans, (tick - 10, tick, 10));
        }
        assert_eq!(joined(spans), [(0, 75)]);
        let mut spans = Vec::new();
        for tick in [10, 20, 60, 70] {
            add(&mut spans, (tick - 10, tick, 10));
        }
        assert_eq!(joined(spans), [(0, 20), (50, 70)]);
    }
}
