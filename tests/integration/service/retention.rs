//! Retention by the program.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use sgascope::record::{Reader, Recorder, RecordingMeta, ScanOptions};

use super::{Held, Recording, kinds};
use crate::support::{Sim, shared};

const HOUR_US: i64 = 3_600_000_000;

#[test]
fn hours_that_are_too_old_are_removed_and_told() {
    let _beside = shared();
    let sim = Sim::start("RETAIN", &["--sessions", "30", "--processes", "30"]);
    let dir = sim.file("recording");
    let now = jiff::Timestamp::now();
    let meta = RecordingMeta {
        host: "old.example".to_owned(),
        instance: "RETAIN".to_owned(),
        blueprint_id: "test:1".to_owned(),
        forced: false,
        rate_hz: 10.0,
        program_version: "0.0.0".to_owned(),
        sql_text: "none".to_owned(),
        cpu_count: None,
        start: now,
    };
    let mut recorder = Recorder::create(&dir, meta).unwrap();
    let ages = [9, 5, 2];
    for age in ages {
        let times = [now.as_microsecond() - age * HOUR_US];
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("+00:00");
        let columns = [("sample_time", Arc::new(times) as ArrayRef)];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        recorder.write("stats", &batch).unwrap();
    }
    recorder.close().unwrap();
    let ages_left = || -> Vec<i64> {
        let parts = Reader::open(&dir).unwrap().parts("stats").unwrap();
        let old = parts.iter().filter(|part| part.host == "old.example");
        let age = |hour_us: i64| (now.as_microsecond() - hour_us) / HOUR_US;
        old.map(|part| age(part.hour_us)).collect()
    };
    assert_eq!(ages_left(), ages);
    let args = ["--flush", "100ms", "--retain", "4h"];
    let mut recording = Recording::start("RETAIN", &dir, &args);
    // the hour that ended five hours ago is removed after the older one
    recording.wait_event("removed");
    let last = recording.wait_event("removed");
    let detail = last["event"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("1 files") && detail.ends_with("by age"),
        "{detail}"
    );
    recording.wait_flushes(2);
    recording.end();
    assert_eq!(ages_left(), [2]);
    let removed = kinds(&dir).into_iter().filter(|kind| kind == "removed");
    assert_eq!(removed.count(), 2);
    assert!(!Held::read(&dir, &ScanOptions::default()).ticks.is_empty());
}
