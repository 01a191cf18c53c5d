//! Large recordings, written quickly: the Parquet files themselves, without a recorder's hot files.
//! `benches/report.rs` uses it too.

#![allow(dead_code)] // a bench and a test each use a part

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sgascope::record::{Recorder, RecordingMeta};

#[path = "summed.rs"]
mod summed;

use summed::Summed;

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
    /// Rows of a row group, at least those of one tick.
    pub group: usize,
    /// Statements, some of which are executed more often than others.
    pub statements: u64,
    /// Different SQL_EXEC_IDs of a statement at most.
    pub execs: u64,
}

const EVENTS: u64 = 40;
const CLASSES: u64 = 8;
/// Ticks that a session stays in one wait, or on CPU.
const STATE_TICKS: u64 = 4;
/// Ticks that an execution takes, of each fourth session.
const EXEC_TICKS: [u64; 4] = [1, 4, 16, 64];

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("+00:00"))
}

/// One sample, by session and tick.
#[derive(Clone, Copy)]
struct Row {
    session: u64,
    tick: u64,
}

impl Row {
    fn state(self) -> u64 {
        mix(self.session << 32 | (self.tick / STATE_TICKS))
    }

    fn on_cpu(self) -> bool {
        self.state() % 2 == 1
    }

    fn event(self) -> u64 {
        self.state() % EVENTS
    }

    /// The tick in which the execution began.
    fn exec_start(self) -> u64 {
        let ticks = EXEC_TICKS[self.session as usize % EXEC_TICKS.len()];
        self.tick / ticks * ticks
    }

    /// Few statements are executed most.
    fn statement(self, big: &Big) -> u64 {
        let any = mix(!(self.session << 32 | self.exec_start())) % big.statements;
        any * any / big.statements
    }

    /// Grows with time, as a statement's executions are numbered.
    fn exec(self, big: &Big) -> u32 {
        16_777_216 + ((self.exec_start() * 4 + self.session % 4) % big.execs) as u32
    }
}

fn statement_key(statement: u64) -> i64 {
    mix(statement << 8) as i64
}

fn session_key(session: u64) -> i64 {
    mix(session << 40) as i64
}

/// Codes of `distinct` texts.
fn texts(
    name: &str,
    distinct: u64,
    keys: impl Iterator<Item = Option<u64>>,
    spell: impl Fn(u64) -> String,
) -> (String, ArrayRef) {
    let values: StringArray = (0..distinct).map(|value| Some(spell(value))).collect();
    let keys: Int32Array = keys.map(|key| key.map(|key| key as i32)).collect();
    let array = DictionaryArray::<Int32Type>::new(keys, Arc::new(values));
    (name.to_owned(), Arc::new(array))
}

fn number(name: &str) -> impl Fn(u64) -> String {
    let name = name.to_owned();
    move |value| format!("{name} number {value}")
}

fn batch(columns: Vec<(String, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The samples of some ticks, session by session as closed files have them.
fn samples(big: &Big, from: u64, until: u64) -> RecordBatch {
    let mut rows: Vec<Row> = Vec::new();
    for session in 0..big.sessions {
        let all = (from..until).map(|tick| Row { session, tick });
        rows.extend(all.filter(|row| row.tick * big.sessions + row.session < big.rows));
    }
    let u64s = |name: &str, of: &dyn Fn(Row) -> u64| -> (String, ArrayRef) {
        let values = rows.iter().map(|row| of(*row));
        (
            name.to_owned(),
            Arc::new(UInt64Array::from_iter_values(values)),
        )
    };
    let u32s = |name: &str, of: &dyn Fn(Row) -> u32| -> (String, ArrayRef) {
        let values = rows.iter().map(|row| of(*row));
        (
            name.to_owned(),
            Arc::new(UInt32Array::from_iter_values(values)),
        )
    };
    let keys = |name: &str, of: &dyn Fn(Row) -> i64| -> (String, ArrayRef) {
        let values = rows.iter().map(|row| of(*row));
        (
            name.to_owned(),
            Arc::new(Int64Array::from_iter_values(values)),
        )
    };
    let time = |row: &Row| START_US + row.tick as i64 * TICK_US;
    let events = rows.iter().map(|row| (!row.on_cpu()).then(|| row.event()));
    let states = rows.iter().map(|row| Some(u64::from(row.on_cpu())));
    let modules = rows.iter().map(|row| Some(mix(row.session + 8) % 60));
    batch(vec![
        u64s("sample_id", &|row| row.tick),
        ("sample_time".to_owned(), times(rows.iter().map(time))),
        u64s("weight_us", &|_| TICK_US as u64),
        u32s("session_id", &|row| row.session as u32 + 1),
        keys("session_key", &|row| session_key(row.session)),
        keys("cursor_key", &|row| statement_key(row.statement(big))),
        u32s("sql_exec_id", &|row| row.exec(big)),
        u32s("event_no", &|row| row.event() as u32),
        texts("session_state", 2, states, |cpu| {
            ["WAITING", "ON CPU"][cpu as usize].to_owned()
        }),
        texts("event", EVENTS, events, number("event")),
        texts("module", 60, modules, number("module")),
        u64s("p1", &|row| row.state() % 500),
        (
            "is_active".to_owned(),
            Arc::new(BooleanArray::from(vec![true; rows.len()])),
        ),
    ])
}

/// The side tables, as each hour has them: name, rows.
fn sides(big: &Big, hour: u64) -> Vec<(&'static str, RecordBatch)> {
    let hour_us = START_US + hour as i64 * HOUR_US;
    let table = |key: &str, keys: ArrayRef, columns: Vec<(String, ArrayRef)>| {
        let all = (0..keys.len()).map(|_| hour_us);
        let mut all = vec![
            ("sample_time".to_owned(), times(all)),
            (key.to_owned(), keys),
        ];
        all.extend(columns);
        batch(all)
    };
    let of_sessions =
        |distinct: u64| (0..big.sessions).map(move |s| Some(mix(s + distinct) % distinct));
    let text =
        |name: &str, distinct: u64| texts(name, distinct, of_sessions(distinct), number(name));
    let same = |name: &str, value: &'static str| {
        texts(name, 1, (0..big.sessions).map(|_| Some(0)), |_| {
            value.to_owned()
        })
    };
    let key = |keys: &mut dyn Iterator<Item = i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(keys))
    };
    let events = || (0..EVENTS).map(Some);
    vec![
        (
            "sessions",
            table(
                "session_key",
                key(&mut (0..big.sessions).map(session_key)),
                vec![
                    same("session_kind", "USER"),
                    same("session_type", "FOREGROUND"),
                    text("username", 12),
                    text("program", 30),
                    text("service_name", 4),
                ],
            ),
        ),
        (
            "cursors",
            table(
                "cursor_key",
                key(&mut (0..big.statements).map(statement_key)),
                vec![texts(
                    "sql_id",
                    big.statements,
                    (0..big.statements).map(Some),
                    |n| format!("{:013x}", mix(n) >> 12),
                )],
            ),
        ),
        (
            "event_names",
            table(
                "event_no",
                Arc::new(UInt32Array::from_iter_values(0..EVENTS as u32)),
                vec![
                    texts("event", EVENTS, events(), number("event")),
                    texts(
                        "wait_class",
                        CLASSES,
                        events().map(|e| e.map(|e| e % CLASSES)),
                        number("wait_class"),
                    ),
                ],
            ),
        ),
    ]
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

fn writer(dir: &Path, table: &str, hour: i64, batch: &RecordBatch) -> ArrowWriter<Summed> {
    let path = dir.join(format!(
        "{table}/host=big.example/instance=BIG/date=2026-07-{:02}/hour={:02}",
        26 + hour / 24,
        hour % 24
    ));
    fs::create_dir_all(&path).unwrap();
    let name = format!(
        "part-202607{:02}T{:02}0000Z-0001",
        26 + hour / 24,
        hour % 24
    );
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for name in ["sample_id", "sql_exec_id"] {
        let column = ColumnPath::new(vec![name.to_owned()]);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    let file = Summed::create(&path.join(name));
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
    let hour_ticks = (HOUR_US / TICK_US) as u64;
    let all_ticks = big.rows.div_ceil(big.sessions);
    let group_ticks = (big.group as u64 / big.sessions).max(1);
    for hour in 0..all_ticks.div_ceil(hour_ticks) {
        let (first, last) = (hour * hour_ticks, ((hour + 1) * hour_ticks).min(all_ticks));
        let mut whole = sides(big, hour);
        whole.push(("ticks", ticks(big, first, last)));
        for (table, batch) in whole {
            let mut file = writer(dir, table, hour as i64, &batch);
            file.write(&batch).unwrap();
            summed::finish(file);
        }
        let mut file = None;
        for from in (first..last).step_by(group_ticks as usize) {
            let batch = samples(big, from, (from + group_ticks).min(last));
            let file = file.get_or_insert_with(|| writer(dir, "samples", hour as i64, &batch));
            file.write(&batch).unwrap();
            file.flush().unwrap();
        }
        if let Some(file) = file {
            summed::finish(file);
        }
    }
}
