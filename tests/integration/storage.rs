//! Narrow recordings: what was sampled is what is read back, and what a sample costs.

use std::path::Path;

use arrow::array::RecordBatch;
use sgascope::decode::Decoder;
use sgascope::decode::columns::{needs_of, sample_columns};
use sgascope::discover::Via;
use sgascope::record::{Reader, Recorder, RecordingMeta, ScanOptions};
use sgascope::sample::{Attachment, Owners, SampleRows, Source};
use sgascope::walk::{Select, Walker};

use crate::mutation::batches;
use crate::support::{Sim, json, sgascope, shared};

/// 2026-07-26T10:59:59Z.
const START_NS: i64 = 1_785_063_599_000_000_000;
const TICK_NS: i64 = 100_000_000;

fn meta() -> RecordingMeta {
    RecordingMeta {
        host: "db1".into(),
        instance: "NARROW".into(),
        blueprint_id: "test".into(),
        forced: false,
        rate_hz: 10.0,
        program_version: "0".into(),
        sql_text: "none".into(),
        cpu_count: None,
        start: jiff::Timestamp::from_nanosecond(START_NS.into()).unwrap(),
    }
}

/// A column as texts; whatever its dictionary.
fn shown(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch
        .column_by_name(name)
        .unwrap_or_else(|| panic!("{name} is missing"));
    let plain = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
    let plain = arrow::array::AsArray::as_string::<i32>(&plain);
    plain.iter().map(|t| t.map(str::to_owned)).collect()
}

/// Rows as texts of all columns, sorted by tick and session.
fn rows(batches: &[RecordBatch], names: &[String]) -> Vec<Vec<Option<String>>> {
    let mut all = Vec::new();
    for batch in batches {
        let columns: Vec<_> = names.iter().map(|name| shown(batch, name)).collect();
        for row in 0..batch.num_rows() {
            all.push(columns.iter().map(|c| c[row].clone()).collect::<Vec<_>>());
        }
    }
    all.sort();
    all
}

/// The same frames, decoded into wide rows and recorded narrow, over the end of an hour: every value
/// of every column is read back, hot and closed. Sessions come and go, are sniped and killed.
#[test]
fn a_narrow_recording_reads_as_the_wide_one() {
    let _beside = shared();
    let sim = Sim::start(
        "NARROW",
        &["--sessions", "200", "--processes", "160", "--seed", "4"],
    );
    let source = Source::Live {
        sid: Some("NARROW".into()),
        via: Via::default(),
    };
    let attachment = Attachment::open(&source, None).unwrap();
    // both decode every frame by themselves, as waits are watched
    let (mut walker, mut of_wide) = taker(&attachment);
    let (_, mut of_narrow) = taker(&attachment);
    let mut frame = walker.frame();
    let mut wide = SampleRows::new(&of_wide.1, "NARROW", "test");
    let mut narrow = SampleRows::narrow(&of_narrow.1, "NARROW", "test");
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(dir.path(), meta()).unwrap();
    let mut expected = Vec::new();
    for tick in 0..40 {
        frame.tick = tick;
        frame.mono_ns = tick * TICK_NS as u64;
        frame.wall_ns = START_NS + tick as i64 * TICK_NS;
        walker.sweep(&mut frame, || 0);
        for (owners, decoder) in [&mut of_wide, &mut of_narrow] {
            owners.look(&frame, decoder);
        }
        wide.append(&frame, &mut of_wide.1);
        narrow.append(&frame, &mut of_narrow.1);
        expected.push(wide.take().unwrap().0);
        for (table, batch) in narrow.take_tables().unwrap() {
            recorder.write(table, &batch).unwrap();
        }
        if tick % 7 == 0 {
            recorder.flush().unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    recorder.flush().unwrap();
    let wanted: Vec<String> = ["sample_id", "sample_time", "session_id"]
        .into_iter()
        .map(str::to_owned)
        .chain(
            expected[0]
                .schema()
                .fields()
                .iter()
                .map(|f| f.name().clone()),
        )
        // rounded in recordings
        .filter(|name| name != "off_us")
        .collect();
    let expected = rows(&expected, &wanted);
    assert!(expected.len() > 2_000, "{} rows", expected.len());
    assert_eq!(
        rows(&batches(dir.path(), "samples"), &wanted),
        expected,
        "hot"
    );
    recorder.close().unwrap();
    assert_eq!(
        rows(&batches(dir.path(), "samples"), &wanted),
        expected,
        "closed"
    );
    check_sessions(dir.path(), expected.len());
    drop(sim);
}

/// A walker over all sessions, and what decodes its frames as `record` does.
fn taker(attachment: &Attachment) -> (Walker, (Owners, Decoder)) {
    let columns = sample_columns();
    let bound = attachment.bind_sessions(&needs_of(&columns)).unwrap();
    let owners = Owners::new(attachment);
    let context = owners.context().watching(bound.rows.len());
    let decoder = Decoder::within(&attachment.blueprint, &bound, &columns, context);
    (Walker::new(bound, Select::Used).unwrap(), (owners, decoder))
}

/// Each key once in each hour, and far fewer rows than samples.
fn check_sessions(dir: &Path, samples: usize) {
    for (table, key) in [
        ("sessions", "session_key"),
        ("cursors", "cursor_key"),
        ("event_names", "event_no"),
    ] {
        let reader = Reader::open(dir).unwrap();
        let hours: Vec<i64> = reader
            .parts(table)
            .unwrap()
            .iter()
            .map(|p| p.hour_us)
            .collect();
        assert_eq!(hours.len(), 2, "{table}: one file for each hour");
        for hour_us in hours {
            let options = ScanOptions {
                from_us: Some(hour_us),
                to_us: Some(hour_us + 1),
                ..ScanOptions::default()
            };
            let window = ScanOptions {
                to_us: Some(hour_us + 3_600_000_000),
                ..options
            };
            let scan = reader.scan(table, &window).unwrap();
            let mut keys: Vec<_> = scan.flat_map(|b| shown(&b.unwrap(), key)).collect();
            let count = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), count, "{table}: a key twice in one hour");
            assert!(count > 3 && count * 4 < samples, "{table}: {count} rows");
        }
    }
}

/// Bytes of all Parquet files of a recording.
fn bytes(dir: &Path) -> u64 {
    let mut sum = 0;
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.metadata().unwrap();
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if entry.path().extension().is_some_and(|e| e == "parquet") {
                sum += kind.len();
            }
        }
    }
    sum
}

/// The goal is 20 bytes a sample with full identity, all tables counted, on 10 minutes of 1,000
/// sessions at 10 Hz (`tools/bench-size`). Here it is the same load and as many samples of each
/// session, but faster. What doesn't shrink with the time is allowed for: the footers of the files,
/// and the rows of the sessions and cursors, of which a short recording sees nearly as many.
#[test]
fn a_sample_costs_20_bytes() {
    const GOAL: u64 = 20;
    const FOOTERS: u64 = 100_000;
    const SIDE_ROW: u64 = 40;
    let _beside = shared();
    let sim = Sim::start(
        "SIZE",
        &[
            "--sessions",
            "1100",
            "--processes",
            "1000",
            "--rate",
            "100000",
            "--seed",
            "1",
        ],
    );
    let out = sim.file("recording");
    let mut size = Vec::new();
    for codec in ["brotli", "snappy"] {
        let dir = out.join(codec);
        let summary = json(&sgascope([
            "record",
            "-I",
            "SIZE",
            "-r",
            "60",
            "-d",
            "15s",
            "-f",
            "json",
            "--compression",
            codec,
            "-o",
            dir.to_str().unwrap(),
        ]));
        let count = |table: &str| -> u64 {
            batches(&dir, table)
                .iter()
                .map(|b| b.num_rows() as u64)
                .sum()
        };
        let (samples, side) = (count("samples"), count("sessions") + count("cursors"));
        assert!(samples > 20_000, "{samples} samples: {summary}");
        let total = bytes(&dir);
        eprintln!(
            "{codec}: {samples} samples, {side} side rows, {total} bytes, {:.1} a sample",
            total as f64 / samples as f64
        );
        size.push((total, samples * GOAL + FOOTERS + side * SIDE_ROW));
    }
    let (total, allowed) = size[0];
    assert!(total <= allowed, "{total} bytes, {allowed} allowed");
}
