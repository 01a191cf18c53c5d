//! Tests of the whole: what is written is what is read, whatever happens in between.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::hot_sums::sums_path;
use super::layout::{self, HOUR_US};
use super::testing::*;
use super::*;

pub(super) fn record(dir: &Path, ticks: &[Vec<Sample>], flush_each: usize) -> Recorder {
    let mut recorder = Recorder::create(dir, meta()).unwrap();
    for (number, tick) in ticks.iter().enumerate() {
        recorder.write("samples", &samples(tick)).unwrap();
        if number % flush_each == 0 {
            recorder.flush().unwrap();
        }
    }
    recorder
}

/// Leaves hot files behind as `kill -9` would: nothing is closed, nothing more is flushed.
pub(super) fn abandon(mut recorder: Recorder, dir: &Path, to: &Path) {
    recorder.flush().unwrap();
    // what a kill leaves is of one moment: copied again when a file was closed meanwhile
    while copy_tree(dir, to).is_err() || names(dir) != names(to) {
        fs::remove_dir_all(to).unwrap();
    }
    drop(recorder);
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Names and lengths of all files.
fn names(dir: &Path) -> std::collections::BTreeSet<(std::ffi::OsString, u64)> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => names(&entry.path()),
        Ok(found) => [(entry.file_name(), found.len())].into(),
        Err(_) => Default::default(),
    };
    entries.flat_map(of).collect()
}

pub(super) fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    layout::files_ending(dir, suffix).unwrap()
}

pub(super) fn sample(time_us: i64, sid: u32) -> Sample {
    Sample {
        tick: 0,
        time_us,
        weight_us: 100_000,
        sid,
        kind: "USER",
        event: Some(format!("event {sid}")),
        sql_id: None,
        exec: None,
        username: Some("SCOTT".to_owned()),
        p1: Some(u64::MAX),
        active: true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(ticks in any_ticks(1..30), flush_each in 1usize..6) {
        let temp = tempfile::tempdir().unwrap();
        let expected: Vec<Sample> = ticks.concat();
        let mut recorder = record(temp.path(), &ticks, flush_each);
        recorder.flush().unwrap();
        prop_assert_eq!(&read_samples(temp.path(), &ScanOptions::default()), &expected);
        let summary = recorder.close().unwrap();
        prop_assert_eq!(summary.rows, expected.len() as u64);
        prop_assert_eq!(summary.left_hot, vec![]);
        prop_assert_eq!(files(temp.path(), ".arrows"), Vec::<PathBuf>::new());
        prop_assert_eq!(&read_samples(temp.path(), &ScanOptions::default()), &expected);
    }

    #[test]
    fn recovery_equals_a_clean_close(ticks in any_ticks(1..20), flush_each in 1usize..6) {
        let temp = tempfile::tempdir().unwrap();
        let (clean, killed) = (temp.path().join("clean"), temp.path().join("killed"));
        record(&clean, &ticks, flush_each).close().unwrap();
        abandon(record(&temp.path().join("other"), &ticks, flush_each), &temp.path().join("other"), &killed);
        let report = recover(&killed).unwrap();
        prop_assert_eq!(&report.truncated, &Vec::<PathBuf>::new());
        let names = |dir: &Path| -> Vec<PathBuf> {
            let all = files(dir, "").into_iter();
            all.map(|path| path.strip_prefix(dir).unwrap().to_path_buf()).collect()
        };
        prop_assert_eq!(names(&clean), names(&killed));
        for name in names(&clean) {
            prop_assert_eq!(fs::read(clean.join(&name)).unwrap(), fs::read(killed.join(&name)).unwrap());
        }
    }

    #[test]
    fn windows_and_columns(ticks in any_ticks(1..40), from in 0i64..4_000, length in 0i64..4_000) {
        let temp = tempfile::tempdir().unwrap();
        record(temp.path(), &ticks, 3).close().unwrap();
        let options = ScanOptions {
            from_us: Some(START_US + from * 1_000),
            to_us: Some(START_US + (from + length) * 1_000),
            ..ScanOptions::default()
        };
        let window = options.from_us.unwrap()..options.to_us.unwrap();
        let expected: Vec<Sample> =
            ticks.concat().into_iter().filter(|s| window.contains(&s.time_us)).collect();
        prop_assert_eq!(&read_samples(temp.path(), &options), &expected);
        if files(temp.path(), ".parquet").is_empty() {
            return Ok(());
        }
        let narrow = ScanOptions {
            columns: Some(vec!["p1".to_owned(), "session_id".to_owned()]),
            ..options
        };
        let reader = Reader::open(temp.path()).unwrap();
        let mut rows = 0;
        for batch in reader.scan("samples", &narrow).unwrap() {
            let batch = batch.unwrap();
            prop_assert_eq!(batch.schema_ref().field(0).name(), "p1");
            prop_assert_eq!(batch.num_columns(), 2);
            rows += batch.num_rows();
        }
        prop_assert_eq!(rows, expected.len());
    }
}

#[test]
fn rows_go_to_the_hour_of_their_time() {
    let temp = tempfile::tempdir().unwrap();
    let hour_end = START_US + HOUR_US;
    let rows: Vec<Sample> = [hour_end - 2, hour_end - 1, hour_end, hour_end + 1]
        .iter()
        .map(|time| sample(*time, 7))
        .collect();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder.write("samples", &samples(&rows)).unwrap();
    // The clock steps back into the hour before, and forward again.
    recorder
        .write("samples", &samples(&[sample(hour_end - 5, 8)]))
        .unwrap();
    recorder
        .write("samples", &samples(&[sample(hour_end + 5, 9)]))
        .unwrap();
    let summary = recorder.close().unwrap();
    assert_eq!((summary.files, summary.rows), (4, 6));
    let parts = Reader::open(temp.path()).unwrap().parts("samples").unwrap();
    let shown: Vec<String> = parts
        .iter()
        .map(|part| {
            let path = part.path.strip_prefix(temp.path()).unwrap();
            // the name ends with the sum of the file's footer
            let sum = format!(".{:08x}.parquet", part.sum.unwrap());
            let shown = path.display().to_string();
            format!("{}.parquet", shown.strip_suffix(&sum).unwrap())
        })
        .collect();
    let base = "samples/host=db1.example/instance=TST1/date=2026-07-26";
    assert_eq!(
        shown,
        [
            format!("{base}/hour=10/part-20260726T105959Z-0000.parquet"),
            format!("{base}/hour=10/part-20260726T105959Z-0001.parquet"),
            format!("{base}/hour=11/part-20260726T110000Z-0000.parquet"),
            format!("{base}/hour=11/part-20260726T110000Z-0001.parquet"),
        ]
    );
    let late = ScanOptions {
        from_us: Some(hour_end),
        ..ScanOptions::default()
    };
    let sids: Vec<u32> = read_samples(temp.path(), &late)
        .iter()
        .map(|s| s.sid)
        .collect();
    assert_eq!(sids, [7, 7, 9]);
}

#[test]
fn files_are_rotated_by_size_and_by_hand() {
    let temp = tempfile::tempdir().unwrap();
    let options = RecorderOptions {
        rotate_bytes: 20_000,
        compression: Compression::Brotli,
        ..RecorderOptions::default()
    };
    let mut recorder = Recorder::create_with(temp.path(), meta(), options).unwrap();
    let mut expected = Vec::new();
    for tick in 0..20 {
        let rows: Vec<Sample> = (0..50).map(|s| sample(START_US + tick, s)).collect();
        recorder.write("samples", &samples(&rows)).unwrap();
        recorder.flush().unwrap();
        expected.extend(rows);
    }
    recorder.rotate().unwrap();
    assert_eq!(read_samples(temp.path(), &ScanOptions::default()), expected);
    let summary = recorder.close().unwrap();
    assert!(summary.files > 2, "{summary:?}");
    assert_eq!(read_samples(temp.path(), &ScanOptions::default()), expected);
}

#[test]
fn two_recorders_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let first = Recorder::create(temp.path(), meta()).unwrap();
    let second = Recorder::create(temp.path(), meta()).err().unwrap();
    assert_eq!(second.kind(), RecordErrorKind::Locked);
    assert_eq!(
        recover(temp.path()).unwrap_err().kind(),
        RecordErrorKind::Locked
    );
    drop(first);
    Recorder::create(temp.path(), meta()).unwrap();
}

#[test]
fn runs_are_remembered() {
    let temp = tempfile::tempdir().unwrap();
    let mut later = meta();
    later.start = jiff::Timestamp::from_microsecond(START_US + 5).unwrap();
    Recorder::create(temp.path(), meta())
        .unwrap()
        .close()
        .unwrap();
    Recorder::create(temp.path(), later.clone())
        .unwrap()
        .close()
        .unwrap();
    let forced = RecordingMeta {
        forced: true,
        ..meta()
    };
    Recorder::create(temp.path(), forced)
        .unwrap()
        .close()
        .unwrap();
    Recorder::create(temp.path(), meta())
        .unwrap()
        .close()
        .unwrap();
    let reader = Reader::open(temp.path()).unwrap();
    let recording = reader.recording();
    assert_eq!(recording.runs.len(), 3);
    assert_eq!(recording.runs[0].starts, 2);
    assert_eq!(recording.runs[0].last_start, later.start);
    assert!(recording.forced() && !recording.latest().unwrap().forced);
    let text = fs::read_to_string(temp.path().join("recording.json")).unwrap();
    assert!(
        text.contains("\"start\": \"2026-07-26T10:00:00Z\""),
        "{text}"
    );
}

#[test]
fn what_is_not_there_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let kind = |path: &Path| Reader::open(path).unwrap_err().kind();
    assert_eq!(kind(&temp.path().join("none")), RecordErrorKind::NotFound);
    assert_eq!(kind(temp.path()), RecordErrorKind::NotFound);
    assert_eq!(
        recover(temp.path()).unwrap_err().kind(),
        RecordErrorKind::NotFound
    );
    fs::write(
        temp.path().join("recording.json"),
        b"{\"format_version\": 1",
    )
    .unwrap();
    assert_eq!(kind(temp.path()), RecordErrorKind::Damaged);
    fs::write(
        temp.path().join("recording.json"),
        super::meta::summed("{\"format_version\": 99, \"runs\": []}"),
    )
    .unwrap();
    assert!(
        Reader::open(temp.path())
            .unwrap_err()
            .to_string()
            .contains("newer program")
    );
    fs::remove_file(temp.path().join("recording.json")).unwrap();

    record(temp.path(), &[vec![sample(START_US, 1)]], 1)
        .close()
        .unwrap();
    let reader = Reader::open(temp.path()).unwrap();
    let error = reader.scan("ticks", &ScanOptions::default()).err().unwrap();
    assert!(
        error.to_string().contains("it has tables: samples"),
        "{error}"
    );
    let odd = ScanOptions {
        columns: Some(vec!["colour".to_owned()]),
        ..ScanOptions::default()
    };
    let error = reader.scan("samples", &odd).err().unwrap();
    assert_eq!(error.kind(), RecordErrorKind::NotFound);
    assert!(error.to_string().contains("session_kind"), "{error}");
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    let batch = samples(&[sample(START_US, 1)]);
    let narrow = batch.project(&[1, 2]).unwrap();
    let timeless = batch.project(&[0]).unwrap();
    recorder.write("samples", &batch).unwrap();
    for (table, batch) in [
        ("samples", &narrow),
        ("other", &timeless),
        ("../x", &narrow),
    ] {
        let error = recorder.write(table, batch).unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::Schema, "{table}");
    }
    assert_eq!(recorder.close().unwrap().rows, 1);
}

#[test]
fn a_column_that_an_older_file_lacks_is_null() {
    let temp = tempfile::tempdir().unwrap();
    let batch = samples(&[sample(START_US, 1)]);
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder
        .write("samples", &batch.project(&[0, 1, 3]).unwrap())
        .unwrap();
    recorder.close().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    let later = samples(&[sample(START_US + HOUR_US, 2)]);
    recorder.write("samples", &later).unwrap();
    recorder.close().unwrap();
    let options = ScanOptions {
        columns: Some(vec!["session_id".to_owned(), "event".to_owned()]),
        ..ScanOptions::default()
    };
    let scan = Reader::open(temp.path())
        .unwrap()
        .scan("samples", &options)
        .unwrap();
    let nulls: Vec<usize> = scan
        .map(|batch| batch.unwrap().column(1).null_count())
        .collect();
    assert_eq!(nulls, [1, 0]);
}

#[test]
fn row_groups_outside_the_window_are_not_read() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    for part in 0..4i64 {
        let rows: Vec<Sample> = (0..50_000)
            .map(|s| sample(START_US + part * 1_000_000 + s, 1))
            .collect();
        recorder.write("samples", &samples(&rows)).unwrap();
    }
    recorder.close().unwrap();
    let options = ScanOptions {
        from_us: Some(START_US + 3_000_000),
        columns: Some(vec!["session_id".to_owned()]),
        ..ScanOptions::default()
    };
    let reader = Reader::open(temp.path()).unwrap();
    let mut scan = reader.scan("samples", &options).unwrap();
    let rows: usize = scan.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 50_000);
    assert_eq!(scan.row_groups_skipped(), 1);
}

#[test]
fn partition_values_are_encoded_as_hive_does() {
    for value in [
        "db1.example",
        "a/b=c%d",
        "",
        "Büro 7",
        "x[1]^\u{1}",
        "+ASM1",
    ] {
        let encoded = layout::encode(value);
        assert!(!encoded.contains('/') && !encoded.is_empty());
        assert_eq!(layout::decode(&encoded).as_deref(), Some(value));
    }
    assert_eq!(layout::encode("a/b=c"), "a%2Fb%3Dc");
    assert_eq!(layout::decode("a%2"), None);
    assert_eq!(layout::decode("a%zz"), None);
}

#[test]
fn a_file_both_hot_and_closed_is_read_once() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, both) = (temp.path().join("a"), temp.path().join("both"));
    abandon(record(&dir, &[vec![sample(START_US, 1)]], 1), &dir, &both);
    let hot = files(&both, ".arrows").remove(0);
    let bytes = fs::read(&hot).unwrap();
    recover(&both).unwrap();
    fs::write(&hot, bytes).unwrap();
    fs::write(sums_path(&hot), []).unwrap();
    fs::write(hot.with_extension("parquet.tmp"), b"half").unwrap();
    assert_eq!(read_samples(&both, &ScanOptions::default()).len(), 1);
    recover(&both).unwrap();
    let closed = layout::closed_form(&hot).unwrap().unwrap();
    assert_eq!(files(&both, ""), vec![closed.path]);
    assert_eq!(read_samples(&both, &ScanOptions::default()).len(), 1);
}
