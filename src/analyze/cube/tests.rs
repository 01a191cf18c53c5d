//! Tests of the cube against reports of the same recording.

use proptest::prelude::*;

use super::*;
use crate::analyze::{Filter, report_recording};
use crate::record::Recorder;
use crate::record::testing::*;

fn recorded(dir: &std::path::Path, ticks_of: &[Vec<Sample>]) -> Reader {
    let mut recorder = Recorder::create(dir, meta()).unwrap();
    for (number, rows) in ticks_of.iter().enumerate() {
        if !rows.is_empty() {
            recorder.write("samples", &samples(rows)).unwrap();
        }
        let tick = Tick {
            tick: number as u64,
            time_us: START_US + number as i64 * 100_000,
            weight_us: rows.first().map_or(100_000, |row| row.weight_us),
            rows_seen: 50,
            torn: 0,
        };
        recorder.write("ticks", &ticks(&[tick])).unwrap();
    }
    recorder.close().unwrap();
    Reader::open(dir).unwrap()
}

fn report(
    reader: &Reader,
    columns: &[String],
    window: Option<(i64, i64)>,
    filters: &[Filter],
) -> Vec<Row> {
    let options = ReportOptions {
        groups: columns.to_vec(),
        filters: filters.to_vec(),
        from_us: window.map(|(from, _)| from),
        to_us: window.map(|(_, to)| to),
        ..ReportOptions::default()
    };
    report_recording(reader, &options).unwrap().rows
}

fn begin(steps: &Steps, step: u32) -> i64 {
    steps.start_us + steps.width_us * i64::from(step)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each value's time in any range of steps, and under a filter, is what a report of that range
    /// and with that filter says, to the microsecond.
    #[test]
    fn ranges_and_filters_are_those_of_reports(ticks in any_ticks(1..60), from in 0.0f64..1.0, to in 0.0f64..1.0) {
        let dir = tempfile::tempdir().unwrap();
        let reader = recorded(dir.path(), &ticks);
        let cube = cube_recording(&reader, &ReportOptions::default()).unwrap();
        let steps = &cube.steps;
        let (a, b) = ((from * steps.count as f64) as u32, (to * steps.count as f64) as u32);
        let (first, end) = (a.min(b), a.max(b) + 1);
        let window = (begin(steps, first), begin(steps, end));
        let within = |sums: &Sparse| -> u64 {
            sums.iter().filter(|(step, _)| (first..end).contains(step)).map(|(_, us)| us).sum()
        };
        prop_assert_eq!(cube.cells.slot_steps, 1);
        let all: u64 = report(&reader, &[], Some(window), &[]).iter().map(|row| row.total_us).sum();
        prop_assert_eq!(within(&cube.total), all);
        for dimension in &cube.dimensions {
            prop_assert_eq!(dimension.others, 0);
            let rows = report(&reader, &dimension.columns, None, &[]);
            prop_assert_eq!(&dimension.kept, &rows);
            let rows = report(&reader, &dimension.columns, Some(window), &[]);
            for (kept, sums) in dimension.kept.iter().zip(&dimension.sums) {
                let expected = rows.iter().find(|row| row.values == kept.values);
                prop_assert_eq!(within(sums), expected.map_or(0, |row| row.total_us));
            }
        }
        // the largest event, and what is left of all others with it
        let at = cube.dimensions.iter().position(|d| d.name == "event").unwrap();
        if let Some(Value::Text(event)) = cube.dimensions[at].kept.first().map(|row| &row.values[0]) {
            let filter: Filter = format!("event={event}").parse().unwrap();
            for (other, dimension) in cube.dimensions.iter().enumerate() {
                let rows = report(&reader, &dimension.columns, Some(window), std::slice::from_ref(&filter));
                for (place, kept) in dimension.kept.iter().enumerate() {
                    let cells = cube.cells.combinations.iter();
                    let cells = cells.filter(|c| c.places[at] == 0 && usize::from(c.places[other]) == place);
                    let sum: u64 = cells.map(|c| within(&c.sums)).sum();
                    let expected = rows.iter().find(|row| row.values == kept.values);
                    prop_assert_eq!(sum, expected.map_or(0, |row| row.total_us));
                }
            }
        }
    }
}

fn sample(tick: u64, sid: u32, event: &str) -> Sample {
    Sample {
        tick,
        time_us: START_US + tick as i64 * 100_000,
        weight_us: 100_000,
        sid,
        kind: "USER",
        event: Some(event.to_owned()),
        sql_id: None,
        exec: None,
        username: None,
        p1: None,
        active: true,
    }
}

/// What hurt for a moment is kept, though many others took more in all.
#[test]
fn values_that_were_largest_for_a_while_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut all: Vec<Vec<Sample>> = Vec::new();
    for tick in 0..480 {
        let mut rows: Vec<Sample> = (0..100)
            .map(|n| sample(tick, n, &format!("event {n:03}")))
            .collect();
        if (200..204).contains(&tick) {
            rows.extend((100..150).map(|sid| sample(tick, sid, "short but bad")));
        }
        all.push(rows);
    }
    let cube = cube_recording(&recorded(dir.path(), &all), &ReportOptions::default()).unwrap();
    let events = cube.dimensions.iter().find(|d| d.name == "event").unwrap();
    let most = DIMENSIONS[1].keep;
    assert_eq!(
        (events.kept.len(), events.others),
        (most, 101 - most as u64)
    );
    let short = Value::Text("short but bad".to_owned());
    assert!(events.kept.iter().any(|row| row.values == [short.clone()]));
    assert!(events.kept.is_sorted_by(|a, b| a.total_us >= b.total_us));
}

#[test]
fn times_without_ticks_are_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(dir.path(), meta()).unwrap();
    for (number, at_s) in [0.0, 0.1, 0.2, 30.0, 30.1].into_iter().enumerate() {
        let tick = Tick {
            tick: number as u64,
            time_us: START_US + (at_s * 1e6) as i64,
            weight_us: 100_000,
            rows_seen: 50,
            torn: 0,
        };
        recorder.write("ticks", &ticks(&[tick])).unwrap();
    }
    recorder.close().unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let cube = cube_recording(&reader, &ReportOptions::default()).unwrap();
    let watch = &cube.watch;
    assert_eq!((watch.gaps_total, watch.gaps_us), (1, 29_700_000));
    assert_eq!(
        watch.gaps,
        [Gap {
            from_us: START_US + 200_000,
            to_us: START_US + 30_000_000
        }]
    );
    assert_eq!(watch.taken.iter().map(|(_, n)| n).sum::<u64>(), 5);
    assert_eq!(
        watch.lost.iter().map(|(_, n)| n).sum::<u64>(),
        5,
        "each of these ticks says that it missed one"
    );
    assert!(cube.dimensions.is_empty() && cube.total.is_empty());
}
