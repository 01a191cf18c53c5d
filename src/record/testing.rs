//! Batches for tests: a few columns of the real `samples` and `ticks`, filled from plain rows.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;

use super::{Reader, RecordError, RecordingMeta, ScanOptions};

/// One row of `samples`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sample {
    pub tick: u64,
    pub time_us: i64,
    pub weight_us: u64,
    pub sid: u32,
    pub kind: &'static str,
    pub event: Option<String>,
    pub sql_id: Option<String>,
    pub exec: Option<u32>,
    pub username: Option<String>,
    pub p1: Option<u64>,
    pub active: bool,
}

/// One row of `ticks`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Tick {
    pub tick: u64,
    pub time_us: i64,
    pub weight_us: u64,
    pub rows_seen: u32,
    pub torn: u32,
}

/// 2026-07-26T10:00:00Z.
pub(crate) const START_US: i64 = 1_785_060_000_000_000;

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

pub(crate) fn samples_schema() -> SchemaRef {
    let dict = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("sample_id", DataType::UInt64, false),
        Field::new("sample_time", time_type(), false),
        Field::new("weight_us", DataType::UInt64, false),
        Field::new("session_id", DataType::UInt32, false),
        Field::new("session_type", dict(), false),
        Field::new("session_kind", dict(), false),
        Field::new("session_state", dict(), false),
        Field::new("event", dict(), true),
        Field::new("sql_id", dict(), true),
        Field::new("sql_exec_id", DataType::UInt32, true),
        Field::new("username", dict(), true),
        Field::new("p1", DataType::UInt64, true),
        Field::new("is_active", DataType::Boolean, false),
    ]))
}

pub(crate) fn samples(rows: &[Sample]) -> RecordBatch {
    fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
        Arc::new(values.collect::<DictionaryArray<Int32Type>>())
    }
    let all = |f: fn(&Sample) -> Option<&str>| texts(rows.iter().map(f));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.tick))),
        Arc::new(times(rows.iter().map(|r| r.time_us))),
        Arc::new(UInt64Array::from_iter_values(
            rows.iter().map(|r| r.weight_us),
        )),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.sid))),
        all(|r| {
            Some(if r.kind == "BACKGROUND" {
                r.kind
            } else {
                "FOREGROUND"
            })
        }),
        all(|r| Some(r.kind)),
        all(|r| {
            Some(if r.event.is_some() {
                "WAITING"
            } else {
                "ON CPU"
            })
        }),
        all(|r| r.event.as_deref()),
        all(|r| r.sql_id.as_deref()),
        Arc::new(rows.iter().map(|r| r.exec).collect::<UInt32Array>()),
        all(|r| r.username.as_deref()),
        Arc::new(rows.iter().map(|r| r.p1).collect::<UInt64Array>()),
        Arc::new(
            rows.iter()
                .map(|r| Some(r.active))
                .collect::<BooleanArray>(),
        ),
    ];
    RecordBatch::try_new(samples_schema(), columns).unwrap()
}

pub(crate) fn ticks(rows: &[Tick]) -> RecordBatch {
    let number = |f: fn(&Tick) -> u32| -> ArrayRef {
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(f)))
    };
    let fields = [
        "late_us",
        "walk_us",
        "rows_seen",
        "rows_emitted",
        "torn",
        "faulted",
        "missed",
        "dropped",
    ];
    let mut schema = vec![
        Field::new("sample_id", DataType::UInt64, false),
        Field::new("sample_time", time_type(), false),
        Field::new("weight_us", DataType::UInt64, false),
    ];
    schema.extend(fields.map(|name| Field::new(name, DataType::UInt32, false)));
    let columns = vec![
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.tick))) as ArrayRef,
        Arc::new(times(rows.iter().map(|r| r.time_us))),
        Arc::new(UInt64Array::from_iter_values(
            rows.iter().map(|r| r.weight_us),
        )),
        number(|r| (r.tick % 7) as u32),
        number(|_| 90),
        number(|r| r.rows_seen),
        number(|r| r.rows_seen),
        number(|r| r.torn),
        number(|_| 0),
        number(|_| 1),
        number(|_| 0),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(schema)), columns).unwrap()
}

fn times(values: impl Iterator<Item = i64>) -> TimestampMicrosecondArray {
    TimestampMicrosecondArray::from_iter_values(values).with_timezone("+00:00")
}

/// The rows of a batch of [`samples_schema`], whatever its dictionaries.
pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<Sample> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{TimestampMicrosecondType, UInt32Type, UInt64Type};
    let text = |name: &str, row: usize| -> Option<String> {
        let column = batch
            .column_by_name(name)
            .unwrap()
            .as_dictionary::<Int32Type>();
        let keys: &Int32Array = column.keys();
        let values: &StringArray = column.values().as_string();
        keys.is_valid(row)
            .then(|| values.value(keys.value(row) as usize).to_owned())
    };
    let long = |name: &str, row: usize| {
        let column = batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<UInt64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let short = |name: &str, row: usize| {
        let column = batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<UInt32Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let time = batch.column_by_name("sample_time").unwrap();
    let time = time.as_primitive::<TimestampMicrosecondType>();
    let kinds = ["USER", "BACKGROUND", "RECURSIVE"];
    (0..batch.num_rows())
        .map(|row| Sample {
            tick: long("sample_id", row).unwrap(),
            time_us: time.value(row),
            weight_us: long("weight_us", row).unwrap(),
            sid: short("session_id", row).unwrap(),
            kind: kinds
                .into_iter()
                .find(|kind| text("session_kind", row).unwrap() == *kind)
                .unwrap(),
            event: text("event", row),
            sql_id: text("sql_id", row),
            exec: short("sql_exec_id", row),
            username: text("username", row),
            p1: long("p1", row),
            active: batch
                .column_by_name("is_active")
                .unwrap()
                .as_boolean()
                .value(row),
        })
        .collect()
}

/// All rows of `samples` in a recording's window; none if no row was ever written.
pub(crate) fn read_samples(dir: &Path, options: &ScanOptions) -> Vec<Sample> {
    match Reader::open(dir).unwrap().scan("samples", options) {
        Ok(scan) => scan.flat_map(|batch| rows_of(&batch.unwrap())).collect(),
        Err(RecordError::NoTable { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn meta() -> RecordingMeta {
    RecordingMeta {
        host: "db1.example".to_owned(),
        instance: "TST1".to_owned(),
        blueprint_id: "test:1".to_owned(),
        forced: false,
        rate_hz: 10.0,
        program_version: "0.0.0".to_owned(),
        sql_text: "none".to_owned(),
        cpu_count: Some(4),
        start: jiff::Timestamp::from_microsecond(START_US).unwrap(),
    }
}

/// SplitMix64, so that a case can be made again from its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Random ticks of random samples, 100 ms apart, from [`START_US`].
pub(crate) fn any_ticks(ticks: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<Sample>>> {
    let sample = (
        (
            0u32..30,
            prop::sample::select(vec!["USER", "BACKGROUND", "RECURSIVE"]),
            any::<bool>(),
        ),
        (
            prop::option::of("[a-d ]{0,3}"),
            prop::option::of("[0-9a-f]{1,2}"),
        ),
        (prop::option::of(1u32..4), prop::option::of("[A-C]{1}é?")),
        prop::option::of(any::<u64>()),
    );
    let tick = (1u64..300_000, prop::collection::vec(sample, 0..8));
    prop::collection::vec(tick, ticks).prop_map(|ticks| {
        let ticks = ticks.into_iter().enumerate();
        ticks
            .map(|(number, (weight_us, rows))| {
                let rows = rows.into_iter();
                rows.map(
                    |((sid, kind, active), (event, sql_id), (exec, username), p1)| Sample {
                        tick: number as u64,
                        time_us: START_US + number as i64 * 100_000,
                        weight_us,
                        sid,
                        kind,
                        event,
                        sql_id,
                        exec,
                        username,
                        p1,
                        active,
                    },
                )
                .collect()
            })
            .collect()
    })
}
