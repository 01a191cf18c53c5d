//! Tests of the join: what was sampled comes back value by value, whatever table it stands in.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch, TimestampMicrosecondArray,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimestampMicrosecondType, UInt32Type};
use proptest::prelude::*;

use super::layout::{HOUR_US, hour_of};
use super::testing::{START_US, meta};
use super::tests::{abandon, files};
use super::*;

/// A sample as it was taken.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
struct Taken {
    time_us: i64,
    sid: u32,
    username: Option<String>,
    port: Option<u32>,
    event_no: u32,
    waiting: bool,
}

impl Taken {
    fn key(&self) -> i64 {
        // any function of the content will do that tells contents apart
        let mut hash = DefaultHasher::new();
        (self.sid, &self.username, self.port).hash(&mut hash);
        hash.finish() as i64
    }

    fn event(&self) -> Option<String> {
        self.waiting.then(|| format!("event {}", self.event_no))
    }

    fn class(&self) -> Option<String> {
        self.waiting.then(|| format!("class {}", self.event_no % 3))
    }

    fn p1text(&self) -> String {
        format!("p1 of {}", self.event_no)
    }
}

fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    let values: Vec<Option<T>> = values.collect();
    let plain = values.iter().map(|v| v.as_ref().map(|t| t.as_ref()));
    Arc::new(plain.collect::<DictionaryArray<Int32Type>>())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields = columns.iter().map(|(name, c)| {
        let nullable = !["sample_time", "sample_id", "session_key"].contains(name);
        Field::new(*name, c.data_type().clone(), nullable)
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, c)| c).collect();
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn times(rows: &[&Taken]) -> ArrayRef {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.time_us));
    Arc::new(times.with_timezone("+00:00"))
}

fn numbers(values: impl Iterator<Item = Option<u32>>) -> ArrayRef {
    Arc::new(values.collect::<UInt32Array>())
}

fn identity(rows: &[&Taken]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("username", texts(rows.iter().map(|r| r.username.as_ref()))),
        ("port", numbers(rows.iter().map(|r| r.port))),
    ]
}

fn sessions(rows: &[&Taken]) -> RecordBatch {
    let keys = Int64Array::from_iter_values(rows.iter().map(|r| r.key()));
    let mut columns = vec![
        ("session_key", Arc::new(keys) as ArrayRef),
        ("sample_time", times(rows)),
        ("session_id", numbers(rows.iter().map(|r| Some(r.sid)))),
    ];
    columns.extend(identity(rows));
    batch(columns)
}

fn event_names(rows: &[&Taken]) -> RecordBatch {
    batch(vec![
        ("sample_time", times(rows)),
        ("event_no", numbers(rows.iter().map(|r| Some(r.event_no)))),
        (
            "wait_class",
            texts(
                rows.iter()
                    .map(|r| Some(format!("class {}", r.event_no % 3))),
            ),
        ),
        ("p1text", texts(rows.iter().map(|r| Some(r.p1text())))),
    ])
}

fn samples(rows: &[&Taken], wide: bool) -> RecordBatch {
    let ids = rows.iter().map(|r| ((r.time_us - START_US) / 1000) as u64);
    let mut columns = vec![
        (
            "sample_id",
            Arc::new(UInt64Array::from_iter_values(ids)) as ArrayRef,
        ),
        ("sample_time", times(rows)),
        ("session_id", numbers(rows.iter().map(|r| Some(r.sid)))),
        ("event_no", numbers(rows.iter().map(|r| Some(r.event_no)))),
        ("event", texts(rows.iter().map(|r| r.event()))),
    ];
    if wide {
        columns.extend(identity(rows));
        columns.push(("wait_class", texts(rows.iter().map(|r| r.class()))));
        columns.push(("p1text", texts(rows.iter().map(|r| Some(r.p1text())))));
    } else {
        let keys = Int64Array::from_iter_values(rows.iter().map(|r| r.key()));
        columns.push(("session_key", Arc::new(keys)));
    }
    batch(columns)
}

/// Writes ticks as the sampler's rows come: what is referred to first, once in each hour.
fn record(dir: &Path, ticks: &[Vec<Taken>], flush_each: usize, rotate_bytes: u64) -> Recorder {
    let options = RecorderOptions {
        rotate_bytes,
        ..RecorderOptions::default()
    };
    let mut recorder = Recorder::create_with(dir, meta(), options).unwrap();
    let (mut known, mut events) = (HashSet::new(), HashSet::new());
    for (number, tick) in ticks.iter().enumerate() {
        let all: Vec<&Taken> = tick.iter().collect();
        let new = |r: &&&Taken| known.insert((hour_of(r.time_us), r.key()));
        let new: Vec<&Taken> = all.iter().filter(new).copied().collect();
        let first = |r: &&&Taken| events.insert((hour_of(r.time_us), r.event_no));
        let first: Vec<&Taken> = all.iter().filter(first).copied().collect();
        recorder.write("sessions", &sessions(&new)).unwrap();
        recorder.write("event_names", &event_names(&first)).unwrap();
        recorder.write("samples", &samples(&all, false)).unwrap();
        if number % flush_each == 0 {
            recorder.flush().unwrap();
        }
    }
    recorder
}

fn text(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap();
    let column = column.as_dictionary::<Int32Type>();
    let key = column
        .keys()
        .is_valid(row)
        .then(|| column.keys().value(row));
    key.map(|key| {
        column
            .values()
            .as_string::<i32>()
            .value(key as usize)
            .to_owned()
    })
}

fn number(batch: &RecordBatch, name: &str, row: usize) -> Option<u32> {
    let column = batch
        .column_by_name(name)
        .unwrap()
        .as_primitive::<UInt32Type>();
    column.is_valid(row).then(|| column.value(row))
}

/// All samples in the order of time, then SID; each checked in what follows from its event.
fn read(dir: &Path, options: &ScanOptions) -> Vec<Taken> {
    let reader = Reader::open(dir).unwrap();
    let mut scan = match reader.scan("samples", options) {
        Ok(scan) => scan.in_order(),
        Err(error) => {
            assert_eq!(error.kind(), RecordErrorKind::NotFound);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for batch in scan.by_ref() {
        found.extend(taken(&batch.unwrap()));
    }
    assert_eq!(scan.unjoined(), 0);
    assert!(
        found.is_sorted_by_key(|taken: &Taken| taken.time_us),
        "in order"
    );
    found.sort();
    assert_eq!(read_coded(&reader, options), found);
    found
}

/// The same by another way: as codes, piece by piece.
fn read_coded(reader: &Reader, options: &ScanOptions) -> Vec<Taken> {
    let scan = reader.scan("samples", options).unwrap().coded();
    let (schema, mut scan) = (scan.schema(), scan.fork());
    let mut found = Vec::new();
    for (from, to) in reader.cuts("samples", options, 7).unwrap() {
        scan.restart(from, to);
        for batch in scan.by_ref() {
            let batch = batch.unwrap();
            let columns = batch.columns().iter().zip(schema.fields());
            let columns = columns.map(|(c, field)| decoded(c, field.data_type()));
            let plain = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
            found.extend(taken(&plain));
        }
        assert_eq!(scan.unjoined(), 0);
    }
    found.sort();
    found
}

/// A column of codes, or of codes of codes, as one of the type `wanted`.
fn decoded(column: &ArrayRef, wanted: &DataType) -> ArrayRef {
    let mut column = Arc::clone(column);
    while column.data_type() != wanted {
        let coded = column.as_dictionary::<Int32Type>();
        column = arrow::compute::take(coded.values(), coded.keys(), None).unwrap();
    }
    column
}

fn taken(batch: &RecordBatch) -> Vec<Taken> {
    let time = batch.column_by_name("sample_time").unwrap();
    let time = time.as_primitive::<TimestampMicrosecondType>();
    let rows = 0..batch.num_rows();
    rows.map(|row| {
        let event = text(batch, "event", row);
        let taken = Taken {
            time_us: time.value(row),
            sid: number(batch, "session_id", row).unwrap(),
            username: text(batch, "username", row),
            port: number(batch, "port", row),
            event_no: number(batch, "event_no", row).unwrap(),
            waiting: event.is_some(),
        };
        assert_eq!(event, taken.event());
        assert_eq!(text(batch, "wait_class", row), taken.class());
        assert_eq!(text(batch, "p1text", row), Some(taken.p1text()));
        taken
    })
    .collect()
}

/// Ticks around the end of an hour, of a few sessions whose attributes change.
fn any_ticks() -> impl Strategy<Value = Vec<Vec<Taken>>> {
    let row = (
        0u32..6,
        prop::option::of("[A-C]{0,2}é?"),
        prop::option::of(0u32..3),
        0u32..5,
        any::<bool>(),
    );
    let tick = prop::collection::btree_map(0u32..6, row, 0..6);
    prop::collection::vec(tick, 1..40).prop_map(|ticks| {
        let ticks = ticks.into_iter().enumerate();
        ticks
            .map(|(number, rows)| {
                let time_us = START_US + HOUR_US - 1_000_000 + number as i64 * 100_000;
                rows.into_iter()
                    .map(|(sid, (_, username, port, event_no, waiting))| Taken {
                        time_us,
                        sid,
                        username,
                        port,
                        event_no,
                        waiting,
                    })
                    .collect()
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_sampled_comes_back_joined(ticks in any_ticks(), flush_each in 1usize..6) {
        let temp = tempfile::tempdir().unwrap();
        let (dir, killed) = (temp.path().join("a"), temp.path().join("killed"));
        let mut expected = ticks.concat();
        expected.sort();
        // files are closed meanwhile
        let mut recorder = record(&temp.path().join("rotated"), &ticks, flush_each, 8_000);
        recorder.flush().unwrap();
        prop_assert_eq!(&read(&temp.path().join("rotated"), &ScanOptions::default()), &expected);
        let recorder = record(&dir, &ticks, flush_each, 1 << 30);
        abandon(recorder, &dir, &killed);
        prop_assert_eq!(&read(&killed, &ScanOptions::default()), &expected);
        recover(&killed).unwrap();
        prop_assert_eq!(files(&killed, ".arrows").len(), 0);
        prop_assert_eq!(&read(&killed, &ScanOptions::default()), &expected);
        for from in [START_US + HOUR_US - 500_000, START_US + HOUR_US, START_US + HOUR_US + 700_000] {
            let window = ScanOptions { from_us: Some(from), ..ScanOptions::default() };
            let expected: Vec<Taken> = expected.iter().filter(|r| r.time_us >= from).cloned().collect();
            prop_assert_eq!(&read(&killed, &window), &expected);
        }
        // each hour stands by itself
        for (table, part) in ["samples", "sessions", "event_names"].iter().flat_map(|table| {
            let parts = Reader::open(&killed).unwrap().parts(table).unwrap();
            parts.into_iter().map(move |part| (table, part))
        }) {
            if part.hour_us == START_US {
                fs::remove_file(&part.path).unwrap_or_else(|e| panic!("{table}: {e}"));
            }
        }
        expected.retain(|r| r.time_us >= START_US + HOUR_US);
        prop_assert_eq!(&read(&killed, &ScanOptions::default()), &expected);
    }
}

fn one(time_us: i64, sid: u32) -> Taken {
    Taken {
        time_us,
        sid,
        username: Some(format!("USER{sid}")),
        port: Some(sid),
        event_no: sid % 4,
        waiting: sid.is_multiple_of(2),
    }
}

#[test]
fn old_wide_samples_stay_as_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let old = one(START_US, 1);
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder.write("samples", &samples(&[&old], true)).unwrap();
    recorder.close().unwrap();
    let found = read(temp.path(), &ScanOptions::default());
    assert_eq!(found, std::slice::from_ref(&old));
    let new = one(START_US + HOUR_US, 2);
    let narrow = vec![vec![new.clone()]];
    record(temp.path(), &narrow, 1, 1 << 30).close().unwrap();
    assert_eq!(read(temp.path(), &ScanOptions::default()), [old, new]);
}

#[test]
fn only_side_tables_that_are_needed_are_read() {
    let temp = tempfile::tempdir().unwrap();
    let ticks = vec![(0..9).map(|sid| one(START_US, sid)).collect()];
    record(temp.path(), &ticks, 1, 1 << 30).close().unwrap();
    // a damaged file that isn't needed does no harm; one that is needed ends it
    for path in files(temp.path(), ".parquet") {
        if path.display().to_string().contains("sessions") {
            let mut bytes = fs::read(&path).unwrap();
            for byte in &mut bytes[4..60] {
                *byte ^= 0xFF;
            }
            fs::write(&path, bytes).unwrap();
        }
    }
    let reader = Reader::open(temp.path()).unwrap();
    let columns = |names: &[&str]| ScanOptions {
        columns: Some(names.iter().map(|n| (*n).to_owned()).collect()),
        ..ScanOptions::default()
    };
    let mut scan = reader
        .scan("samples", &columns(&["p1text", "event"]))
        .unwrap();
    let batch = scan.next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), 9);
    assert_eq!(batch.schema_ref().field(0).name(), "p1text");
    let needed = reader.scan("samples", &columns(&["username"])).unwrap();
    let errors: Vec<_> = needed.filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].kind(), RecordErrorKind::Damaged);
    assert!(
        errors[0].to_string().contains("/sessions/"),
        "{}",
        errors[0]
    );
}

#[test]
fn a_key_that_is_not_there_is_null_and_counted() {
    let temp = tempfile::tempdir().unwrap();
    let (there, lost) = (one(START_US, 1), one(START_US, 2));
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    recorder.write("sessions", &sessions(&[&there])).unwrap();
    let both = samples(&[&there, &lost], false);
    recorder.write("samples", &both).unwrap();
    recorder.close().unwrap();
    let reader = Reader::open(temp.path()).unwrap();
    let mut scan = reader.scan("samples", &ScanOptions::default()).unwrap();
    let batch = scan.next().unwrap().unwrap();
    assert_eq!(text(&batch, "username", 0).as_deref(), Some("USER1"));
    assert_eq!(text(&batch, "username", 1), None);
    assert_eq!(number(&batch, "port", 1), None);
    assert!(scan.next().is_none());
    assert_eq!(scan.unjoined(), 1);
}

/// A reader that began before a session was known sees it when it comes to its samples.
#[test]
fn side_rows_written_while_reading_are_found() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    for (number, sid) in [1, 2].into_iter().enumerate() {
        let taken = one(START_US + number as i64, sid);
        recorder.write("sessions", &sessions(&[&taken])).unwrap();
        recorder
            .write("samples", &samples(&[&taken], false))
            .unwrap();
        recorder.flush().unwrap();
        if number == 0 {
            recorder.rotate().unwrap();
        }
    }
    let reader = Reader::open(temp.path()).unwrap();
    let mut scan = reader.scan("samples", &ScanOptions::default()).unwrap();
    let first = scan.next().unwrap().unwrap();
    assert_eq!(text(&first, "username", 0).as_deref(), Some("USER1"));
    let third = one(START_US + 9, 3);
    recorder.write("sessions", &sessions(&[&third])).unwrap();
    recorder
        .write("samples", &samples(&[&third], false))
        .unwrap();
    recorder.flush().unwrap();
    let rest: Vec<Option<String>> = scan
        .by_ref()
        .map(Result::unwrap)
        .flat_map(|b| {
            (0..b.num_rows())
                .map(|r| text(&b, "username", r))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(rest, [Some("USER2".to_owned()), Some("USER3".to_owned())]);
    assert_eq!(scan.unjoined(), 0);
    assert_eq!(
        reader
            .schema("samples")
            .unwrap()
            .field_with_name("username")
            .unwrap()
            .data_type(),
        &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
    );
}

/// Closed samples stand session by session, yet no tick is cut by a row group's end.
#[test]
fn row_groups_end_with_a_tick_and_are_sorted_within() {
    let temp = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
    let mut expected = Vec::new();
    for tick in 0..210i64 {
        let rows: Vec<Taken> = (0..1_000)
            .map(|sid| one(START_US + tick * 1000, sid))
            .collect();
        let all: Vec<&Taken> = rows.iter().collect();
        if tick == 0 {
            recorder.write("sessions", &sessions(&all)).unwrap();
            recorder
                .write("event_names", &event_names(&all[..4]))
                .unwrap();
        }
        recorder.write("samples", &samples(&all, false)).unwrap();
        expected.extend(rows);
    }
    recorder.close().unwrap();
    expected.sort();
    assert_eq!(read(temp.path(), &ScanOptions::default()), expected);
    let path = &Reader::open(temp.path()).unwrap().parts("samples").unwrap()[0].path;
    let file = fs::File::open(path).unwrap();
    let file = parquet::file::serialized_reader::SerializedFileReader::new(file).unwrap();
    let groups = parquet::file::reader::FileReader::metadata(&file)
        .row_groups()
        .to_vec();
    let rows: Vec<i64> = groups.iter().map(|g| g.num_rows()).collect();
    assert!(
        rows.len() == 2 && rows.iter().all(|rows| rows % 1_000 == 0),
        "{rows:?}"
    );
    let reader = Reader::open(temp.path()).unwrap();
    let mut scan = reader.scan("samples", &ScanOptions::default()).unwrap();
    let first = scan.next().unwrap().unwrap();
    let sids: Vec<u32> = (0..300)
        .map(|row| number(&first, "session_id", row).unwrap())
        .collect();
    assert!(
        sids.is_sorted() && sids[0] == 0 && sids[299] <= 3,
        "{sids:?}"
    );
}
