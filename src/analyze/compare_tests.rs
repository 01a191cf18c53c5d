//! Comparisons of simulated windows: few false alarms, and what changed is found.

use super::compare::{Change, Comparison, compare, compare_recordings};
use super::compare_render::{render_csv, render_jsonl, render_table};
use super::tests::{options, sample};
use super::timeline::{Series, Steps, Timeline};
use super::value::Value;
use crate::record::testing::*;
use crate::record::{Reader, Recorder};

const TICKS: usize = 1_024;
const BLOCKS: usize = 32;
const SESSIONS: usize = 5;
/// Mean seconds of a wait, of each of the events; some are longer than a block.
const WAITS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

fn event(number: usize) -> Vec<Value> {
    vec![Value::Text(format!("event {number}"))]
}

/// A window at 10 Hz: five sessions to each event, which wait half of their time; for `more`, more.
fn window(random: &mut Random, more: Option<(usize, f64)>) -> Timeline {
    let steps = Steps::equal(0, TICKS as i64 * 100_000, BLOCKS);
    let series = WAITS.iter().enumerate().map(|(number, wait)| {
        let factor = more
            .filter(|(n, _)| *n == number)
            .map_or(1.0, |(_, factor)| factor);
        let share = 0.5 * factor;
        // Rates into and out of the wait; the chance to be in it after a tick is known in closed form.
        let out = 1.0 / wait;
        let back = out * share / (1.0 - share);
        let keeps = (-(out + back) * 0.1).exp();
        let mut active_us = vec![0; BLOCKS];
        for _ in 0..SESSIONS {
            let mut waits = random.unit() < share;
            for tick in 0..TICKS {
                let chance = share + (f64::from(u8::from(waits)) - share) * keeps;
                waits = random.unit() < chance;
                active_us[tick * BLOCKS / TICKS] += u64::from(waits) * 100_000;
            }
        }
        Series {
            values: event(number),
            active_us,
        }
    });
    Timeline {
        series: series.collect(),
        watched_us: vec![(TICKS / BLOCKS) as u64 * 100_000; BLOCKS],
        steps,
    }
}

fn significant(found: &Comparison) -> Vec<&Vec<Value>> {
    let rows = found.rows.iter().filter(|row| row.significant());
    rows.map(|row| &row.values).collect()
}

#[test]
fn where_nothing_changed_few_alarms_are_false() {
    let alarms = (0..100).filter(|seed| {
        let mut random = Random::new(*seed);
        let found = compare(&window(&mut random, None), &window(&mut random, None));
        !significant(&found).is_empty()
    });
    // Five of a hundred may be, and do vary.
    let alarms = alarms.count();
    eprintln!("{alarms} of 100");
    assert!(alarms <= 9, "{alarms} of 100");
}

#[test]
fn a_fifth_more_of_one_event_is_found_and_nothing_else() {
    let (mut found_it, mut alone) = (0, 0);
    for seed in 0..100 {
        let mut random = Random::new(1_000 + seed);
        let before = window(&mut random, None);
        let after = window(&mut random, Some((3, 1.2)));
        let found = compare(&before, &after);
        let names = significant(&found);
        found_it += usize::from(names.contains(&&event(3)));
        alone += usize::from(names == [&event(3)]);
    }
    eprintln!("found {found_it}, alone {alone} of 100");
    assert!(
        found_it >= 97 && alone >= 90,
        "found {found_it}, alone {alone} of 100"
    );
}

#[test]
fn new_and_vanished_groups_are_named_and_sorted_first() {
    let mut random = Random::new(7);
    let (mut before, mut after) = (window(&mut random, None), window(&mut random, None));
    before.series.remove(1);
    after.series.remove(2);
    let found = compare(&before, &after);
    let changes: Vec<(&Vec<Value>, Change)> =
        found.rows.iter().map(|r| (&r.values, r.change)).collect();
    assert!(
        changes[..2].contains(&(&event(1), Change::New)),
        "{changes:?}"
    );
    assert!(
        changes[..2].contains(&(&event(2), Change::Gone)),
        "{changes:?}"
    );
    let row = found.rows.iter().find(|r| r.values == event(1)).unwrap();
    assert_eq!((row.before, row.ratio()), (0.0, None));
    let (low, high) = row.interval.unwrap();
    assert!(
        low < 2.5 && high > 2.5 && low > 2.0 && high < 3.0,
        "{low} {high}"
    );
}

#[test]
fn too_short_windows_say_so() {
    let short = Timeline {
        series: vec![Series {
            values: event(0),
            active_us: vec![500_000; 4],
        }],
        watched_us: vec![1_000_000; 4],
        steps: Steps::equal(0, 4_000_000, 4),
    };
    let found = compare(&short, &Timeline::default());
    assert_eq!(
        (found.rows.len(), found.rows[0].change),
        (1, Change::Unknown)
    );
    assert!(render_table(&found).contains("Too little was watched"));
}

/// Two recordings of 200 ticks: `more` sessions wait in the second.
fn recorded(dir: &std::path::Path, reads: u64) -> Reader {
    let mut recorder = Recorder::create(dir, meta()).unwrap();
    let mut random = Random::new(reads);
    for number in 0..200 {
        let mut rows = vec![sample(number, 1, None)];
        let waiting = (0..reads).filter(|_| random.unit() < 0.5);
        rows.extend(
            waiting.map(|sid| sample(number, 10 + sid as u32, Some("db file sequential read"))),
        );
        recorder.write("samples", &samples(&rows)).unwrap();
        let tick = Tick {
            tick: number,
            time_us: START_US + number as i64 * 100_000,
            weight_us: 100_000,
            rows_seen: 50,
            torn: 0,
        };
        recorder.write("ticks", &ticks(&[tick])).unwrap();
    }
    recorder.close().unwrap();
    Reader::open(dir).unwrap()
}

#[test]
fn recordings_and_windows_are_compared_alike() {
    let temp = tempfile::tempdir().unwrap();
    let few = recorded(&temp.path().join("few"), 4);
    let many = recorded(&temp.path().join("many"), 8);
    let by_event = options(&["event"]);
    let found = compare_recordings((&few, &by_event), (&many, &by_event)).unwrap();
    assert_eq!(found.groups, ["event"]);
    assert_eq!(found.blocks, (32, 32));
    let first = &found.rows[0];
    assert_eq!(
        (first.values[0].to_string().as_str(), first.change),
        ("db file sequential read", Change::More)
    );
    assert!(
        (first.before - 2.0).abs() < 0.4 && (first.after - 4.0).abs() < 0.5,
        "{first:?}"
    );
    assert_eq!(found.rows[1].change, Change::Same);
    assert_eq!((found.rows[1].before, found.rows[1].after), (1.0, 1.0));

    // Half of one recording against its other half: nothing changed there.
    let half = |from, to| {
        let mut asked = options(&["event"]);
        (asked.from_us, asked.to_us) = (Some(START_US + from), Some(START_US + to));
        asked
    };
    let halves = (half(0, 10_000_000), half(10_000_000, 20_000_000));
    let same = compare_recordings((&many, &halves.0), (&many, &halves.1)).unwrap();
    assert!(
        same.rows.iter().all(|row| row.change == Change::Same),
        "{:?}",
        same.rows
    );
    assert_eq!(same.blocks, (25, 25));

    let text = render_table(&found);
    assert!(
        text.contains("more") && text.contains("DB") | text.contains("EVENT"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
    let lines = render_jsonl(&found).unwrap();
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(line["change"], "more");
    assert_eq!(line["event"], "db file sequential read");
    let csv = render_csv(&found);
    assert!(csv.starts_with("change,aas_before,aas_after,difference,difference_low,difference_high,ratio,p,p_adjusted,event,"));
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["rows"][0], line);
}
