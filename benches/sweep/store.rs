//! What a recording takes from frames to files: rows a second, on this thread alone and all in all.
//!
//! `-- --store [DIR [ROWS]]` prints one JSON object: frames of 1,000 rows are decoded, written as the
//! recorder writes them (hot files), and at last closed to Parquet.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sgascope::record::{Recorder, RecorderOptions, RecordingMeta};
use sgascope::sample::BATCH_ROWS;

use super::cases::{Decode, Shape};

/// Rows of a frame.
pub const SLOTS: u64 = 1_000;

/// A recording being written.
pub struct Store {
    decode: Decode,
    recorder: Recorder,
}

impl Store {
    pub fn new(dir: &Path, moving: bool) -> Store {
        let meta = RecordingMeta {
            instance: "BENCH".into(),
            host: "bench".into(),
            blueprint_id: "bench".into(),
            forced: false,
            rate_hz: 1_000.0,
            program_version: String::new(),
            sql_text: "none".into(),
            cpu_count: None,
            start: jiff::Timestamp::now(),
        };
        let options = RecorderOptions {
            // by rows alone, whatever the time
            flush_interval: Duration::MAX,
            ..RecorderOptions::default()
        };
        let mut recorder = Recorder::create_with(dir, meta, options).unwrap();
        let mut decode = Decode::new(SLOTS, Shape::Narrow, moving);
        for (table, none) in decode.rows.all_tables().unwrap() {
            recorder.write(table, &none).unwrap();
        }
        Store { decode, recorder }
    }

    /// Takes one frame, and writes if enough rows are collected.
    pub fn tick(&mut self) {
        self.decode.append();
        if self.decode.rows.len() >= BATCH_ROWS {
            self.write();
        }
    }

    fn write(&mut self) {
        for (table, batch) in self.decode.rows.take_tables().unwrap() {
            self.recorder.write(table, &batch).unwrap();
        }
        self.recorder.flush_if_due().unwrap();
    }
}

/// `rows` rows to files below `dir`.
pub fn measure(dir: &Path, rows: u64) -> Value {
    let one = |moving: bool| {
        let temp = tempfile::tempdir_in(dir).unwrap();
        let mut store = Store::new(temp.path(), moving);
        let start = Instant::now();
        for _ in 0..rows / SLOTS {
            store.tick();
        }
        store.write();
        store.recorder.flush().unwrap();
        let hot = start.elapsed().as_secs_f64();
        let bytes = size(temp.path());
        let summary = store.recorder.close().unwrap();
        let closed = start.elapsed().as_secs_f64();
        let rate = |seconds: f64| (rows as f64 / seconds).round();
        json!({
            "rows_per_second": rate(hot),
            "rows_per_second_with_parquet": rate(closed),
            "hot_bytes_per_row": bytes as f64 / rows as f64,
            "parquet_bytes_per_row": summary.bytes as f64 / rows as f64,
        })
    };
    let decode = |moving: bool| {
        let mut case = Decode::new(SLOTS, Shape::Narrow, moving);
        let start = Instant::now();
        for _ in 0..rows / SLOTS {
            case.append();
            if case.rows.len() >= BATCH_ROWS {
                case.rows.all_tables().unwrap();
            }
        }
        (rows as f64 / start.elapsed().as_secs_f64()).round()
    };
    json!({
        "rows": rows,
        "decode_rows_per_second": {"all_rows_change": decode(true), "no_row_changes": decode(false)},
        "decode_and_write": {"all_rows_change": one(true), "no_row_changes": one(false)},
    })
}

fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    let sizes = entries.map(|e| match e.file_type().unwrap().is_dir() {
        true => size(&e.path()),
        false => e.metadata().unwrap().len(),
    });
    sizes.sum()
}
