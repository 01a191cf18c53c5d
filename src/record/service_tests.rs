//! Tests of what a recorder that stays on needs: retention, runs, names that never clash.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::layout::HOUR_US;
use super::retain;
use super::testing::*;
use super::tests::{files, sample};
use super::*;

fn at(time_us: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time_us).unwrap()
}

/// A recording with a file of `samples` and of `ticks` in each of `hours` hours.
fn hours(dir: &Path, hours: i64) {
    let mut recorder = Recorder::create(dir, meta()).unwrap();
    for hour in 0..hours {
        let time_us = START_US + hour * HOUR_US;
        let tick = Tick {
            tick: hour as u64,
            time_us,
            weight_us: 1,
            rows_seen: 1,
            torn: 0,
        };
        recorder
            .write("samples", &samples(&[sample(time_us, 1)]))
            .unwrap();
        recorder.write("ticks", &ticks(&[tick])).unwrap();
    }
    recorder.close().unwrap();
}

/// Hours of which `table` has files, after the first.
fn left(dir: &Path, table: &str) -> Vec<i64> {
    let parts = Reader::open(dir).unwrap().parts(table).unwrap();
    let hours = parts.iter().map(|p| (p.hour_us - START_US) / HOUR_US);
    hours.collect()
}

#[test]
fn age_removes_whole_hours_of_all_tables_oldest_first() {
    let temp = tempfile::tempdir().unwrap();
    hours(temp.path(), 6);
    let retention = Retention {
        age: Some(Duration::from_secs(2 * 3600)),
        bytes: None,
    };
    // hour 2 ended exactly two hours ago, hour 3 not yet
    let removed = retain::apply(temp.path(), &retention, at(START_US + 5 * HOUR_US)).unwrap();
    let told: Vec<(i64, u64)> = removed
        .iter()
        .map(|r| ((r.hour.as_microsecond() - START_US) / HOUR_US, r.files))
        .collect();
    assert_eq!(told, [(0, 2), (1, 2), (2, 2)]);
    for table in ["samples", "ticks"] {
        assert_eq!(left(temp.path(), table), [3, 4, 5]);
    }
    let date = "samples/host=db1.example/instance=TST1/date=2026-07-26";
    assert!(
        !temp.path().join(date).join("hour=10").exists(),
        "empty directories go"
    );
    // far in the future nothing but the newest hour is left
    retain::apply(temp.path(), &retention, at(START_US + 900 * HOUR_US)).unwrap();
    assert_eq!(left(temp.path(), "ticks"), [5]);
}

#[test]
fn bytes_remove_the_oldest_and_never_a_hot_hour_or_the_newest() {
    let temp = tempfile::tempdir().unwrap();
    hours(temp.path(), 4);
    // a late row makes hour 1 hot again
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder
        .write("samples", &samples(&[sample(START_US + HOUR_US, 2)]))
        .unwrap();
    recorder.flush().unwrap();
    let total: u64 = files(temp.path(), "")
        .iter()
        .map(|f| fs::metadata(f).unwrap().len())
        .sum();
    let limit = |bytes| Retention {
        age: None,
        bytes: Some(bytes),
    };
    assert_eq!(
        retain::apply(temp.path(), &limit(total), at(0)).unwrap(),
        []
    );
    let removed = retain::apply(temp.path(), &limit(total - 1), at(0)).unwrap();
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert_eq!(left(temp.path(), "ticks"), [1, 2, 3]);
    let removed = retain::apply(temp.path(), &limit(1), at(0)).unwrap();
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert_eq!(left(temp.path(), "samples"), [1, 1, 3]);
    recorder.close().unwrap();
    retain::apply(temp.path(), &limit(1), at(0)).unwrap();
    assert_eq!(left(temp.path(), "samples"), [3]);
}

#[test]
fn a_recorder_removes_by_itself_and_says_so() {
    let temp = tempfile::tempdir().unwrap();
    hours(temp.path(), 3);
    let options = RecorderOptions {
        retention: Retention {
            age: None,
            bytes: Some(1),
        },
        ..RecorderOptions::default()
    };
    let mut recorder = Recorder::create_with(temp.path(), meta(), options).unwrap();
    let mut removed = Vec::new();
    while removed.len() < 2 {
        removed.extend(recorder.notes());
        std::thread::yield_now();
    }
    assert!(
        removed
            .iter()
            .all(|n| matches!(n, Note::Removed(r) if r.limit == "bytes"))
    );
    assert_eq!(recorder.close().unwrap().removed_files, 4);
    assert_eq!(left(temp.path(), "ticks"), [2]);
}

#[test]
fn another_run_goes_on_in_the_same_recording() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder
        .write("samples", &samples(&[sample(START_US, 1)]))
        .unwrap();
    let other = RecordingMeta {
        blueprint_id: "test:2".to_owned(),
        ..meta()
    };
    recorder.begin_run(other).unwrap();
    recorder
        .write("samples", &samples(&[sample(START_US + 1, 2)]))
        .unwrap();
    recorder.close().unwrap();
    let reader = Reader::open(temp.path()).unwrap();
    let ids: Vec<&str> = reader
        .recording()
        .runs
        .iter()
        .map(|r| r.meta.blueprint_id.as_str())
        .collect();
    assert_eq!(ids, ["test:1", "test:2"]);
    // a file says under which run its rows were taken
    assert_eq!(reader.parts("samples").unwrap().len(), 2);
    let rows = read_samples(temp.path(), &ScanOptions::default());
    assert_eq!(rows.iter().map(|r| r.sid).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_later_run_may_have_other_columns() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    let whole = samples(&[sample(START_US, 1)]);
    let narrow = whole.project(&[0, 1, 3]).unwrap();
    recorder.write("samples", &whole).unwrap();
    assert!(recorder.write("samples", &narrow).is_err());
    recorder.begin_run(meta()).unwrap();
    recorder.write("samples", &narrow).unwrap();
    assert!(recorder.write("samples", &whole).is_err());
    assert_eq!(recorder.close().unwrap().rows, 2);
}

#[test]
fn files_of_past_hours_are_closed_without_another_row() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder
        .write("samples", &samples(&[sample(START_US, 1)]))
        .unwrap();
    recorder.flush().unwrap();
    recorder
        .close_past_hours(at(START_US + HOUR_US - 1))
        .unwrap();
    assert_eq!(left_hot(temp.path()), 1, "its hour isn't over");
    recorder
        .close_past_hours(at(START_US + 2 * HOUR_US))
        .unwrap();
    recorder
        .write("samples", &samples(&[sample(START_US + 5, 2)]))
        .unwrap();
    let summary = recorder.close().unwrap();
    assert_eq!((summary.files, summary.rows), (2, 2));
}

fn left_hot(dir: &Path) -> usize {
    files(dir, ".arrows").len()
}

#[test]
fn a_name_that_was_just_closed_is_not_taken_again() {
    let temp = tempfile::tempdir().unwrap();
    for run in 0..5u32 {
        let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
        for part in 0..20 {
            let row = sample(START_US + i64::from(part), run * 100 + part);
            recorder.write("samples", &samples(&[row])).unwrap();
            recorder.rotate().unwrap();
        }
        recorder.close().unwrap();
    }
    let mut sids: Vec<u32> = read_samples(temp.path(), &ScanOptions::default())
        .iter()
        .map(|s| s.sid)
        .collect();
    sids.sort_unstable();
    let expected: Vec<u32> = (0..5)
        .flat_map(|run| (0..20).map(move |p| run * 100 + p))
        .collect();
    assert_eq!(sids, expected);
}

#[test]
fn who_holds_the_directory_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let _first = Recorder::create(temp.path(), meta()).unwrap();
    let second = Recorder::create(temp.path(), meta()).err().unwrap();
    let holder = format!("(pid {} since ", std::process::id());
    assert!(second.to_string().contains(&holder), "{second}");
}
