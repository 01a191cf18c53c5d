//! Large recordings, written quickly: the Parquet files themselves, without a recorder's hot files.
//! `benches/report.rs` uses it too.

#![allow(dead_code)] // a bench and a test each use a part

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sgascope::record::{Recorder, RecordingMeta};

/// 2026-07-26T00:00:00Z.
const START_US: i64 = 1_785_024_000_000_000;
const HOUR_US: i64 = 3_600_000_000;
const TICK_US: i64 = 100_000;

/// What to write.
pub struct Big {
    /// Active sessions at each tick; ticks are 100 ms apart.
    pub sessions: u64,
    /// Rows of `samples`.
    pub rows: u64,
    /// Rows of a row group.
    pub group: usize,
}

/// Text columns, and how many distinct values each has.
const TEXTS: [(&str, u64); 10] = [
    ("session_kind", 1),
    ("session_type", 1),
    ("session_state", 2),
    ("event", 40),
    ("wait_class", 8),
    ("sql_id", 3_000),
    ("username", 12),
    ("program", 30),
    ("module", 60),
    ("service_name", 4),
];

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn text(column: &str, value: u64) -> String {
    match column {
        "session_kind" => "USER".to_owned(),
        "session_type" => "FOREGROUND".to_owned(),
        "session_state" => ["WAITING", "ON CPU"][value as usize % 2].to_owned(),
        "sql_id" => format!("{:013x}", mix(value) >> 12),
        _ => format!("{column} number {value}"),
    }
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("+00:00"))
}

/// Rows `from..until` of `samples`.
fn samples(big: &Big, dictionaries: &[ArrayRef], from: u64, until: u64) -> RecordBatch {
    let rows = || from..until;
    let tick = |row: u64| row / big.sessions;
    // A session is in the same state for some ticks, and does the same statement for some more.
    let state = |row: u64, ticks: u64| mix((row % big.sessions) << 32 | (tick(row) / ticks));
    let mut columns: Vec<(String, ArrayRef)> = vec![
        (
            "sample_id".into(),
            Arc::new(UInt64Array::from_iter_values(rows().map(tick))),
        ),
        (
            "sample_time".into(),
            times(rows().map(|row| START_US + tick(row) as i64 * TICK_US)),
        ),
        (
            "weight_us".into(),
            Arc::new(UInt64Array::from_iter_values(
                rows().map(|_| TICK_US as u64),
            )),
        ),
        (
            "session_id".into(),
            Arc::new(UInt32Array::from_iter_values(
                rows().map(|row| (row % big.sessions) as u32 + 1),
            )),
        ),
        (
            "sql_exec_id".into(),
            Arc::new(UInt32Array::from_iter_values(
                rows().map(|row| 16_777_216 + (state(row, 20) >> 40) as u32),
            )),
        ),
        (
            "p1".into(),
            Arc::new(UInt64Array::from_iter_values(
                rows().map(|row| state(row, 2) % 500),
            )),
        ),
        (
            "is_active".into(),
            Arc::new(BooleanArray::from_iter(rows().map(|_| Some(true)))),
        ),
    ];
    for (number, ((name, distinct), dictionary)) in TEXTS.iter().zip(dictionaries).enumerate() {
        let key = |row: u64| match *name {
            "sql_id" => state(row, 20) % distinct,
            "event" | "wait_class" | "session_state" => state(row, 2) % distinct,
            _ => mix(row % big.sessions + number as u64) % distinct,
        };
        let on_cpu = |row: u64| state(row, 2) % 2 == 1;
        let wait = ["event", "wait_class"].contains(name);
        let keys: Int32Array = rows()
            .map(|row| (!(wait && on_cpu(row))).then(|| key(row) as i32))
            .collect();
        let array = DictionaryArray::<Int32Type>::new(keys, Arc::clone(dictionary));
        columns.push(((*name).to_owned(), Arc::new(array)));
    }
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn ticks(big: &Big, from: u64, until: u64) -> RecordBatch {
    let counts = [
        "late_us",
        "walk_us",
        "rows_seen",
        "rows_emitted",
        "torn",
        "faulted",
        "missed",
        "dropped",
    ];
    let mut fields = vec![
        Field::new("sample_id", DataType::UInt64, false),
        Field::new("sample_time", time_type(), false),
        Field::new("weight_us", DataType::UInt64, false),
    ];
    fields.extend(counts.map(|name| Field::new(name, DataType::UInt32, false)));
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(from..until)),
        times((from..until).map(|tick| START_US + tick as i64 * TICK_US)),
        Arc::new(UInt64Array::from_iter_values(
            (from..until).map(|_| TICK_US as u64),
        )),
    ];
    for name in counts {
        let value = if name.starts_with("rows") {
            big.sessions as u32
        } else {
            0
        };
        arrays.push(Arc::new(UInt32Array::from_iter_values(
            (from..until).map(|_| value),
        )));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn writer(
    dir: &Path,
    table: &str,
    hour: i64,
    batch: &RecordBatch,
    group: usize,
) -> ArrowWriter<File> {
    let path = dir.join(format!(
        "{table}/host=big.example/instance=BIG/date=2026-07-{:02}/hour={:02}",
        26 + hour / 24,
        hour % 24
    ));
    fs::create_dir_all(&path).unwrap();
    let name = format!(
        "part-202607{:02}T{:02}0000Z-0001.parquet",
        26 + hour / 24,
        hour % 24
    );
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(group))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for name in ["sample_id", "sample_time"] {
        let column = ColumnPath::new(vec![name.to_owned()]);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    let file = File::create(path.join(name)).unwrap();
    ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap()
}

/// Writes the recording; its last tick may be cut.
pub fn write(dir: &Path, big: &Big) {
    let meta = RecordingMeta {
        host: "big.example".to_owned(),
        instance: "BIG".to_owned(),
        blueprint_id: "big:1".to_owned(),
        forced: false,
        rate_hz: 10.0,
        program_version: "0.0.0".to_owned(),
        sql_text: "none".to_owned(),
        cpu_count: None,
        start: jiff::Timestamp::from_microsecond(START_US).unwrap(),
    };
    Recorder::create(dir, meta).unwrap().close().unwrap();
    let dictionaries: Vec<ArrayRef> = TEXTS
        .iter()
        .map(|(name, distinct)| {
            let values = (0..*distinct).map(|value| Some(text(name, value)));
            Arc::new(values.collect::<StringArray>()) as ArrayRef
        })
        .collect();
    let hour_ticks = (HOUR_US / TICK_US) as u64;
    let all_ticks = big.rows.div_ceil(big.sessions);
    for hour in 0..all_ticks.div_ceil(hour_ticks) {
        let (first, last) = (hour * hour_ticks, ((hour + 1) * hour_ticks).min(all_ticks));
        let batch = ticks(big, first, last);
        let mut file = writer(dir, "ticks", hour as i64, &batch, 131_072);
        file.write(&batch).unwrap();
        file.close().unwrap();
        let (mut row, end) = (first * big.sessions, (last * big.sessions).min(big.rows));
        let mut file = None;
        while row < end {
            let until = (row + 65_536).min(end);
            let batch = samples(big, &dictionaries, row, until);
            let file =
                file.get_or_insert_with(|| writer(dir, "samples", hour as i64, &batch, big.group));
            file.write(&batch).unwrap();
            row = until;
        }
        if let Some(file) = file {
            file.close().unwrap();
        }
    }
}
