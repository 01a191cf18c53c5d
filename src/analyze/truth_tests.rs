//! Random recordings: every figure of a report against plain sums over all rows, exactly.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::options;
use super::*;
use crate::filter::Expr;
use crate::record::testing::*;
use crate::record::{Reader, Recorder, ScanOptions};

/// A condition, and the same by hand.
type Case = (&'static str, fn(&Sample) -> bool);

const CONDITIONS: [Case; 8] = [
    ("p1 is null or p1 >= 9223372036854775808", |s| {
        s.p1.is_none_or(|p| p >= 1 << 63)
    }),
    ("event like '%a%' and not event = 'a'", |s| {
        shown(s).contains('a') && shown(s) != "a"
    }),
    (
        "event = 'ON CPU' or sql_id in ('1', '2', 'aa', null)",
        |s| {
            s.event.is_none()
                || s.sql_id
                    .as_deref()
                    .is_some_and(|id| ["1", "2", "aa"].contains(&id))
        },
    ),
    ("username not like 'A%'", |s| {
        s.username.as_ref().is_some_and(|u| !u.starts_with('A'))
    }),
    ("sid between 5 and 20 and session_kind <> 'USER'", |s| {
        (5..=20).contains(&s.sid) && s.kind != "USER"
    }),
    (
        "sample_time >= '2026-07-26T10:00:01Z' and sql_exec_id is not null",
        |s| s.time_us >= START_US + 1_000_000 && s.exec.is_some(),
    ),
    ("not (username = 'A' or p1 < 5)", |s| {
        s.username.as_ref().is_some_and(|u| u != "A") && s.p1.is_some_and(|p| p >= 5)
    }),
    ("session_id = sql_exec_id or username = sql_id", |s| {
        s.exec == Some(s.sid) || (s.username.is_some() && s.username == s.sql_id)
    }),
];

fn shown(s: &Sample) -> &str {
    s.event.as_deref().unwrap_or("ON CPU")
}

fn value(s: &Sample, column: &str) -> Value {
    let text = |text: Option<&str>| text.map_or(Value::Null, |t| Value::Text(t.to_owned()));
    match column {
        "event" => text(Some(shown(s))),
        "sql_id" => text(s.sql_id.as_deref()),
        "username" => text(s.username.as_deref()),
        "session_id" => Value::UInt(u64::from(s.sid)),
        "session_kind" => text(Some(s.kind)),
        "p1" => s.p1.map_or(Value::Null, Value::UInt),
        "is_active" => Value::Bool(s.active),
        "sample_time" => Value::Time(s.time_us),
        _ => unreachable!("{column}"),
    }
}

#[derive(Default, PartialEq, Debug)]
struct Truth {
    us: u64,
    samples: u64,
    first: Option<i64>,
    last: Option<i64>,
    execs: BTreeSet<(String, u32)>,
    times: BTreeSet<i64>,
    in_steps: BTreeMap<usize, u64>,
}

fn truth(rows: &[Sample], columns: &[&str], steps: &Steps) -> BTreeMap<Vec<Value>, Truth> {
    let mut groups: BTreeMap<Vec<Value>, Truth> = BTreeMap::new();
    for s in rows {
        let key = columns.iter().map(|column| value(s, column)).collect();
        let group = groups.entry(key).or_default();
        group.us += s.weight_us;
        group.samples += 1;
        group.first = Some(group.first.map_or(s.time_us, |t| t.min(s.time_us)));
        group.last = Some(group.last.map_or(s.time_us, |t| t.max(s.time_us)));
        if let (Some(sql), Some(exec)) = (&s.sql_id, s.exec) {
            group.execs.insert((sql.clone(), exec));
        }
        group.times.insert(s.time_us);
        let step = ((s.time_us - steps.start_us) / steps.width_us) as usize;
        *group.in_steps.entry(step).or_default() += s.weight_us;
    }
    groups
}

/// Spreads ticks over hours, so that there are several files and slices.
fn written(dir: &std::path::Path, all: &mut [Vec<Sample>], gap_us: i64, closed: bool) -> Reader {
    let mut recorder = Recorder::create(dir, meta()).unwrap();
    for (number, rows) in all.iter_mut().enumerate() {
        let time_us = START_US + number as i64 * gap_us;
        for s in rows.iter_mut() {
            s.time_us = time_us;
        }
        if !rows.is_empty() {
            recorder.write("samples", &samples(rows)).unwrap();
        }
        let tick = Tick {
            tick: number as u64,
            time_us,
            weight_us: rows.first().map_or(100_000, |s| s.weight_us),
            rows_seen: 10,
            torn: 0,
        };
        recorder.write("ticks", &ticks(&[tick])).unwrap();
    }
    if closed {
        recorder.close().unwrap();
    } else {
        recorder.flush().unwrap();
    }
    Reader::open(dir).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reports_equal_plain_sums(
        mut all in any_ticks(1..40),
        gap_us in prop::sample::select(vec![100_000i64, 60_000_000, 1_000_000_000]),
        closed in any::<bool>(),
        condition in prop::option::of(0..CONDITIONS.len()),
        window in prop::option::of((0i64..20, 1i64..30)),
        recursive in prop::sample::select(vec![Include::Include, Include::Exclude, Include::Only]),
    ) {
        let temp = tempfile::tempdir().unwrap();
        let reader = written(temp.path(), &mut all, gap_us, closed);
        let groupings: [&[&str]; 5] = [
            &["event"], &["username", "sql_id", "event"], &["p1", "is_active"], &[], &["sample_time", "session_id"],
        ];
        let mut asked = ReportOptions { recursive, intervals: true, ..options(&[]) };
        if let Some((from, length)) = window {
            asked.from_us = Some(START_US + from * gap_us);
            asked.to_us = Some(START_US + (from + length) * gap_us + 1);
        }
        asked.condition = condition.map(|n| Expr::parse(CONDITIONS[n].0).unwrap());
        let steps = Steps { start_us: START_US, width_us: 7_000_000, count: 10_000 };
        let wanted = groupings.map(|columns| Grouping {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            steps: Some(StepsWanted::Exactly(steps)),
        });
        let surveyed = match survey_recording(&reader, &asked, &wanted) {
            Ok(surveyed) => surveyed,
            // Only where nothing was ever sampled.
            Err(error) => { prop_assert!(all.concat().is_empty(), "{}", error); return Ok(()); }
        };
        // Rows are read back, not taken from the generator.
        let rows: Vec<Sample> = read_samples(temp.path(), &ScanOptions::default())
            .into_iter()
            .filter(|s| s.active)
            .filter(|s| asked.from_us.is_none_or(|t| s.time_us >= t) && asked.to_us.is_none_or(|t| s.time_us < t))
            .filter(|s| match recursive {
                Include::Include => true,
                Include::Exclude => s.kind != "RECURSIVE",
                Include::Only => s.kind == "RECURSIVE",
            })
            .filter(|s| condition.is_none_or(|n| CONDITIONS[n].1(s)))
            .collect();
        for (columns, surveyed) in groupings.iter().zip(&surveyed) {
            let expected = truth(&rows, columns, &steps);
            let table = &surveyed.table;
            prop_assert_eq!(table.rows.len(), expected.len());
            prop_assert_eq!(table.meta.groups_total, expected.len() as u64);
            prop_assert_eq!(table.meta.samples, rows.len() as u64);
            let mut order: Vec<(&Vec<Value>, u64)> = expected.iter().map(|(k, t)| (k, t.us)).collect();
            order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            let timeline = surveyed.timeline.as_ref().unwrap();
            for ((row, series), (key, _)) in table.rows.iter().zip(&timeline.series).zip(order) {
                let truth = &expected[key];
                prop_assert_eq!(&row.values, key);
                prop_assert_eq!((row.total_us, row.samples), (truth.us, truth.samples));
                prop_assert_eq!((Some(row.first_seen_us), Some(row.last_seen_us)), (truth.first, truth.last));
                prop_assert_eq!(row.distinct_execs, truth.execs.len() as u64);
                prop_assert_eq!(row.distinct_tstamps, truth.times.len() as u64);
                let active = series.active_us.iter().enumerate().filter(|(_, us)| **us > 0);
                let active: BTreeMap<usize, u64> = active.map(|(n, us)| (n, *us)).collect();
                prop_assert_eq!(&active, &truth.in_steps);
            }
        }
    }
}

#[test]
fn a_condition_on_no_column_points_at_it() {
    let temp = tempfile::tempdir().unwrap();
    let mut all = vec![vec![super::tests::sample(0, 1, None)]];
    let reader = written(temp.path(), &mut all, 100_000, true);
    let mut asked = options(&["event"]);
    asked.condition = Some(Expr::parse("sid = 1 and usrname = 'X'").unwrap());
    let error = report_recording(&reader, &asked).unwrap_err().to_string();
    assert!(
        error.contains("is it username?") && error.ends_with("\n              ^"),
        "{error}"
    );
}
