//! Tests of the whole: totals against sums made by hand, and what a user sees.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::filter::column_name;
use super::render::*;
use super::sums::{Sums, Wanted};
use super::survey::finish;
use super::variance::Design;
use super::watched::Watched;
use super::*;
use crate::record::testing::*;
use crate::record::{Reader, Recorder, ScanOptions};

pub(super) fn options(groups: &[&str]) -> ReportOptions {
    ReportOptions {
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..ReportOptions::default()
    }
}

fn report(options: ReportOptions, batches: &[Vec<Sample>]) -> ReportTable {
    let wanted = Wanted {
        groupings: vec![options.groups.iter().map(|g| column_name(g)).collect()],
        steps: vec![None],
        bound: None,
        options,
    };
    let mut sums = Sums::new(&wanted);
    for batch in batches {
        sums.add(&samples(batch)).unwrap();
    }
    let (watched, design) = (Watched::default(), Design::default());
    finish(sums, &watched, &design, &|_| Vec::new())
        .remove(0)
        .table
}

fn tick(number: u64, weight_us: u64) -> Tick {
    Tick {
        tick: number,
        time_us: START_US + number as i64 * 100_000,
        weight_us,
        rows_seen: 50,
        torn: u32::from(number == 3),
    }
}

pub(super) fn sample(number: u64, sid: u32, event: Option<&str>) -> Sample {
    Sample {
        tick: number,
        time_us: START_US + number as i64 * 100_000,
        weight_us: 100_000,
        sid,
        kind: "USER",
        event: event.map(str::to_owned),
        sql_id: Some("8x2bjmagmb2yb".to_owned()),
        exec: Some(16_777_216 + sid),
        username: Some("SCOTT".to_owned()),
        p1: None,
        active: true,
    }
}

/// Ten ticks: session 1 on CPU in all, session 2 waits in the first four, session 3 is idle.
fn ten_ticks() -> Vec<Vec<Sample>> {
    (0..10)
        .map(|number| {
            let mut rows = vec![sample(number, 1, None)];
            if number < 4 {
                rows.push(sample(number, 2, Some("db file sequential read")));
            }
            let mut idle = sample(number, 3, Some("SQL*Net message from client"));
            idle.active = false;
            rows.push(idle);
            rows
        })
        .collect()
}

fn recorded(dir: &std::path::Path, samples_of: &[Vec<Sample>]) -> Reader {
    let mut recorder = Recorder::create(dir, meta()).unwrap();
    for (number, rows) in samples_of.iter().enumerate() {
        recorder.write("samples", &samples(rows)).unwrap();
        let row = tick(number as u64, 100_000);
        recorder.write("ticks", &ticks(&[row])).unwrap();
        recorder.flush_if_due().unwrap();
    }
    recorder.close().unwrap();
    Reader::open(dir).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn totals_are_those_summed_by_hand(ticks in any_ticks(1..25)) {
        let all: Vec<Sample> = ticks.concat().into_iter().filter(|s| s.active).collect();
        let total: u64 = all.iter().map(|s| s.weight_us).sum();
        for groups in [&["event"][..], &["username", "sql_id", "event"], &["p1"], &[]] {
            let table = report(options(groups), &ticks);
            let sum: f64 = table.rows.iter().map(|row| row.total_seconds).sum();
            prop_assert!((sum - total as f64 / 1e6).abs() < 1e-6);
            prop_assert_eq!(table.rows.iter().map(|row| row.samples).sum::<u64>(), all.len() as u64);
            if !all.is_empty() {
                let share: f64 = table.rows.iter().map(|row| row.pct).sum();
                prop_assert!((share - 100.0).abs() < 1e-6);
            }
            prop_assert!(table.rows.windows(2).all(|w| w[0].total_seconds >= w[1].total_seconds));
        }
    }

    #[test]
    fn groups_are_those_found_by_hand(ticks in any_ticks(1..25), shuffle in any::<bool>()) {
        type Expected<'a> = (u64, i64, i64, BTreeSet<(&'a str, u32)>, BTreeSet<i64>);
        let mut expected: BTreeMap<(Option<&str>, String), Expected<'_>> = BTreeMap::new();
        let all = ticks.concat();
        for s in all.iter().filter(|s| s.active) {
            let event = s.event.clone().unwrap_or_else(|| "ON CPU".to_owned());
            let entry = expected
                .entry((s.username.as_deref(), event))
                .or_insert((0, i64::MAX, i64::MIN, BTreeSet::new(), BTreeSet::new()));
            entry.0 += s.weight_us;
            entry.1 = entry.1.min(s.time_us);
            entry.2 = entry.2.max(s.time_us);
            if let (Some(sql), Some(exec)) = (&s.sql_id, s.exec) {
                entry.3.insert((sql, exec));
            }
            entry.4.insert(s.time_us);
        }
        // The order of batches doesn't matter.
        let mut batches = ticks.clone();
        if shuffle {
            batches.reverse();
        }
        let table = report(options(&["username", "event"]), &batches);
        prop_assert_eq!(table.rows.len(), expected.len());
        for row in &table.rows {
            let Value::Text(event) = &row.values[1] else { panic!("{row:?}") };
            let name = match &row.values[0] {
                Value::Text(name) => Some(name.as_str()),
                _ => None,
            };
            let (weight, first, last, execs, times) = &expected[&(name, event.clone())];
            prop_assert!((row.total_seconds - *weight as f64 / 1e6).abs() < 1e-9);
            prop_assert_eq!((row.first_seen_us, row.last_seen_us), (*first, *last));
            prop_assert_eq!(row.distinct_execs, execs.len() as u64);
            prop_assert_eq!(row.distinct_tstamps, times.len() as u64);
        }
    }

    #[test]
    fn kinds_add_up(ticks in any_ticks(1..15)) {
        let seconds = |recursive, background| {
            let asked = ReportOptions { recursive, background, ..options(&[]) };
            report(asked, &ticks).meta.total_seconds
        };
        let all = seconds(Include::Include, Include::Include);
        for kinds in [
            seconds(Include::Exclude, Include::Include) + seconds(Include::Only, Include::Include),
            seconds(Include::Include, Include::Exclude) + seconds(Include::Include, Include::Only),
        ] {
            prop_assert!((all - kinds).abs() < 1e-6);
        }
    }
}

#[test]
fn aas_is_of_the_time_watched() {
    let temp = tempfile::tempdir().unwrap();
    let reader = recorded(temp.path(), &ten_ticks());
    let mut asked = options(&["event"]);
    asked.intervals = true;
    let table = report_recording(&reader, &asked).unwrap();
    assert_eq!(table.meta.elapsed_seconds, Some(1.0));
    assert_eq!((table.meta.ticks, table.meta.missed), (10, 10));
    assert!((table.meta.torn_share() - 1.0 / 500.0).abs() < 1e-12);
    let shown: Vec<(String, f64, f64)> = table
        .rows
        .iter()
        .map(|r| (r.values[0].to_string(), r.total_seconds, r.aas.unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("ON CPU".to_owned(), 1.0, 1.0),
            ("db file sequential read".to_owned(), 0.4, 0.4)
        ]
    );
    // On CPU in every tick: no change was seen, so nothing is uncertain. The wait ended between two
    // ticks: its end is known to within a period.
    let cpu = table.rows[0].interval.unwrap();
    assert_eq!((cpu.low, cpu.high), (1.0, 1.0));
    let wait = table.rows[1].interval.unwrap();
    assert!(
        wait.low < 0.4 && wait.high > 0.4 && wait.low > 0.2 && wait.high < 0.7,
        "{wait:?}"
    );

    // A window: half the ticks, and only their samples.
    asked.from_us = Some(START_US + 500_000);
    let half = report_recording(&reader, &asked).unwrap();
    assert_eq!(half.meta.elapsed_seconds, Some(0.5));
    assert_eq!((half.rows.len(), half.rows[0].aas), (1, Some(1.0)));
}

#[test]
fn filters_and_top() {
    let all = ten_ticks();
    let filtered = |words: &[&str]| {
        let filters = words.iter().map(|w| w.parse().unwrap()).collect();
        let asked = ReportOptions {
            filters,
            ..options(&["sid"])
        };
        let table = report(asked, &all);
        assert_eq!(table.groups, ["session_id"]);
        table
            .rows
            .iter()
            .map(|r| r.values[0].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(filtered(&[]), [Value::UInt(1), Value::UInt(2)]);
    assert_eq!(filtered(&["event=db file%"]), [Value::UInt(2)]);
    assert_eq!(filtered(&["event=ON CPU"]), [Value::UInt(1)]);
    assert_eq!(filtered(&["sid!=1", "username=SCOTT"]), [Value::UInt(2)]);
    assert_eq!(filtered(&["username=SYS"]), []);
    let top = ReportOptions {
        top: Some(1),
        ..options(&["event"])
    };
    let table = report(top, &all);
    assert_eq!((table.rows.len(), table.meta.groups_total), (1, 2));
    assert!((table.meta.total_seconds - 1.4).abs() < 1e-9);
    assert!(render_table(&table).contains("1 of 2 groups (71.4 %)"));
}

#[test]
fn an_unknown_column_is_answered_with_those_there_are() {
    let temp = tempfile::tempdir().unwrap();
    let reader = recorded(temp.path(), &ten_ticks());
    let error = report_recording(&reader, &options(&["colour"]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`colour`") && error.contains("session_kind"),
        "{error}"
    );
}

#[test]
fn a_recording_without_samples_is_an_empty_report() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder
        .write("ticks", &ticks(&[tick(0, 100_000)]))
        .unwrap();
    recorder.close().unwrap();
    let reader = Reader::open(temp.path()).unwrap();
    let table = report_recording(&reader, &options(&["event"])).unwrap();
    assert_eq!((table.meta.ticks, table.meta.aas), (1, Some(0.0)));
    assert!(render_table(&table).contains("No active samples."));
}

#[test]
fn the_table_is_ashtops() {
    let temp = tempfile::tempdir().unwrap();
    let reader = recorded(temp.path(), &ten_ticks());
    let table = report_recording(&reader, &options(&["event", "sql_id"])).unwrap();
    let text = render_table(&table);
    let expected = "\
2026-07-26T10:00:00Z to 2026-07-26T10:00:00.9Z, 1.0 s watched, 1.40 s active, AAS 1.40
Recorder: 10 ticks, 10 missed, 0 dropped, late 2 µs on average and 6 µs at most, 0.200 % of rows torn, 0 faulted

  Total                                                                                          Distinct Distinct
Seconds  AAS %This EVENT                   SQL_ID        FIRST_SEEN          LAST_SEEN              Execs  Tstamps
------- ---- ----- ----------------------- ------------- ------------------- ------------------- -------- --------
   1.00 1.00  71 % ON CPU                  8x2bjmagmb2yb 2026-07-26 10:00:00 2026-07-26 10:00:00        1       10
   0.40 0.40  29 % db file sequential read 8x2bjmagmb2yb 2026-07-26 10:00:00 2026-07-26 10:00:00        1        4
";
    assert_eq!(text, expected, "{text}");
}

#[test]
fn long_and_hostile_texts_stay_inside_the_table() {
    let mut rows = ten_ticks();
    rows[0][0].username = Some(format!("\u{1b}[31m{}", "long name ".repeat(30)));
    let table = report(options(&["username", "event", "sql_id"]), &rows);
    let text = render_table(&table);
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(
        text.lines().skip(2).all(|line| line.chars().count() <= 120),
        "{text}"
    );
    assert!(
        text.contains('…') && text.contains("Times of 2026-07-26"),
        "{text}"
    );
}

#[test]
fn machine_readable_forms_agree() {
    let mut rows = ten_ticks();
    for row in &mut rows[0] {
        row.username = Some("a \"b\", c".to_owned());
    }
    let table = report(options(&["username", "sid"]), &rows);
    let json: serde_json::Value = serde_json::from_str(&render_json(&table).unwrap()).unwrap();
    let lines = render_jsonl(&table).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json["rows"].as_array().unwrap(), &lines);
    assert_eq!(json["meta"]["samples"], 14);
    assert_eq!(lines[0]["session_id"], 1);
    assert_eq!(lines[0]["first_seen"], "2026-07-26T10:00:00.1Z");
    assert_eq!(lines[0]["aas"], serde_json::Value::Null);
    let csv = render_csv(&table);
    let mut csv_lines = csv.split("\r\n");
    assert_eq!(
        csv_lines.next().unwrap(),
        "total_seconds,aas,pct,username,session_id,first_seen,last_seen,distinct_execs,\
         distinct_tstamps,samples"
    );
    assert_eq!(csv.matches("\r\n").count(), 1 + table.rows.len());
    assert!(csv.contains(",\"a \"\"b\"\", c\",1,"), "{csv}");
}

/// What a report costs: values are looked at once for each row group, not for each row.
#[test]
fn distinct_values_are_looked_at_not_rows() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    let rows: Vec<Sample> = (0..20_000)
        .map(|n| {
            sample(
                n / 10,
                n as u32 % 10,
                [None, Some("a"), Some("b")][n as usize % 3],
            )
        })
        .collect();
    recorder.write("samples", &samples(&rows)).unwrap();
    recorder.close().unwrap();
    let options = options(&["event", "sql_id", "sid"]);
    let wanted = Wanted {
        groupings: vec![options.groups.iter().map(|g| column_name(g)).collect()],
        steps: vec![None],
        bound: None,
        options,
    };
    let reader = Reader::open(temp.path()).unwrap();
    let scan = reader.scan("samples", &ScanOptions::default()).unwrap();
    let mut sums = Sums::new(&wanted);
    let mut batches = 0;
    for batch in scan.coded() {
        sums.add(&batch.unwrap()).unwrap();
        batches += 1;
    }
    assert_eq!(batches, 1, "a row group is one batch");
    // ON CPU and two events, one statement, ten sessions, and null once
    assert_eq!(sums.symbols.looked_for, 3 + 1 + 10 + 1);
    assert_eq!(sums.into_groups()[0].len(), 30);
}
