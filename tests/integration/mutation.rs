//! A recording at 1,000 Hz of an instance under full-rate mutation with pauses between its stores:
//! the counts add up, no row shows a value that its session never had, every proven text is right.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{UInt32Type, UInt64Type};
use serde_json::Value;
use sgascope::record::{Reader, ScanOptions};

use crate::support::{self, Sim, State, alone, json, sgascope, states_within};

/// Clock rounding of recorded times, ns.
const ROUNDING_NS: u64 = 2_000;

/// One tick of a recording.
pub struct Tick {
    pub mono_ns: u64,
    pub walk_ns: u64,
    pub weight_us: u64,
    pub missed: u64,
    pub dropped: u64,
    pub emitted: u64,
}

/// All batches of a table.
pub fn batches(dir: &Path, table: &str) -> Vec<RecordBatch> {
    let reader = Reader::open(dir).unwrap();
    let scan = reader.scan(table, &ScanOptions::default()).unwrap();
    scan.map(|b| b.unwrap()).collect()
}

pub fn u64s<'a>(batch: &'a RecordBatch, name: &str) -> &'a [u64] {
    batch
        .column_by_name(name)
        .unwrap()
        .as_primitive::<UInt64Type>()
        .values()
}

pub fn u32s<'a>(batch: &'a RecordBatch, name: &str) -> &'a [u32] {
    batch
        .column_by_name(name)
        .unwrap()
        .as_primitive::<UInt32Type>()
        .values()
}

/// A text column, row by row.
pub fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap();
    let plain = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
    plain
        .as_string::<i32>()
        .iter()
        .map(|t| t.map(str::to_owned))
        .collect()
}

/// The ticks of a recording by their number.
pub fn ticks(dir: &Path) -> BTreeMap<u64, Tick> {
    let mut found = BTreeMap::new();
    for batch in batches(dir, "ticks") {
        for i in 0..batch.num_rows() {
            let previous = found.insert(
                u64s(&batch, "sample_id")[i],
                Tick {
                    mono_ns: u64s(&batch, "mono_ns")[i],
                    walk_ns: u64::from(u32s(&batch, "walk_us")[i]) * 1000,
                    weight_us: u64s(&batch, "weight_us")[i],
                    missed: u64::from(u32s(&batch, "missed")[i]),
                    dropped: u64::from(u32s(&batch, "dropped")[i]),
                    emitted: u64::from(u32s(&batch, "rows_emitted")[i]),
                },
            );
            assert!(previous.is_none(), "a tick was recorded twice");
        }
    }
    found
}

/// What a check of rows came to.
#[derive(Default, Debug)]
struct Tally {
    rows: u64,
    flagged: u64,
    flags: BTreeMap<String, u64>,
    wrong: Vec<String>,
    with_sql: u64,
}

/// Checks one recorded row against the states that its session had while the tick was read.
fn check_row(tally: &mut Tally, row: &Row<'_>, states: &[State]) {
    tally.rows += 1;
    if let Some(flags) = row.flags {
        tally.flagged += 1;
        *tally.flags.entry(flags.to_owned()).or_default() += 1;
    }
    let mut must = |what: &str, shown: &dyn std::fmt::Debug, held: bool| {
        if !held && tally.wrong.len() < 20 {
            tally.wrong.push(format!(
                "tick {} sid {} {what} {shown:?} ({:?}) among {states:#?}",
                row.tick, row.sid, row.flags
            ));
        }
    };
    let any = |held: &dyn Fn(&State) -> bool| states.iter().any(held);
    must("in use", &true, any(&|s| s.in_use));
    must("serial", &row.serial, any(&|s| s.serial == row.serial));
    must("kind", &row.kind, any(&|s| s.kind == row.kind));
    must(
        "event_no",
        &row.event_no,
        any(&|s| s.event_no == row.event_no),
    );
    must("seq_no", &row.seq, any(&|s| s.seq == row.seq));
    must("waiting", &row.waiting, any(&|s| s.waiting == row.waiting));
    for (i, p) in row.p.iter().enumerate() {
        must("p", p, any(&|s| s.p[i] == *p));
    }
    must(
        "username",
        &row.username,
        any(&|s| s.username == row.username.unwrap_or("")),
    );
    // module and SQL_ID are null when they were caught half-way; never wrong
    if let Some(module) = row.module {
        must("module", &module, any(&|s| s.module == module));
    }
    if let Some(id) = row.sql_id {
        tally.with_sql += 1;
        must("sql_id", &id, any(&|s| s.sql_id.as_deref() == Some(id)));
    }
}

struct Row<'a> {
    tick: u64,
    sid: u32,
    serial: u32,
    kind: char,
    event_no: u32,
    seq: u32,
    waiting: bool,
    p: [u64; 3],
    sql_id: Option<&'a str>,
    username: Option<&'a str>,
    module: Option<&'a str>,
    flags: Option<&'a str>,
}

fn check_batch(
    tally: &mut Tally,
    batch: &RecordBatch,
    ticks: &BTreeMap<u64, Tick>,
    truth: &HashMap<u32, Vec<State>>,
) {
    let [kind, state, sql, user, module, flags] = [
        "session_kind",
        "session_state",
        "sql_id",
        "username",
        "module",
        "read_flags",
    ]
    .map(|c| texts(batch, c));
    let number = |name: &str| u32s(batch, name).to_vec();
    let [sid, serial, event_no, seq] =
        ["session_id", "session_serial_no", "event_no", "seq_no"].map(number);
    let p: [&[u64]; 3] = ["p1", "p2", "p3"].map(|c| u64s(batch, c));
    for i in 0..batch.num_rows() {
        let tick_no = u64s(batch, "sample_id")[i];
        let tick = &ticks[&tick_no];
        let from = tick.mono_ns.saturating_sub(ROUNDING_NS);
        let until = tick.mono_ns + tick.walk_ns + ROUNDING_NS;
        let states = states_within(&truth[&sid[i]], from, until);
        let row = Row {
            tick: tick_no,
            sid: sid[i],
            serial: serial[i],
            kind: kind[i]
                .as_deref()
                .and_then(|k| k.chars().next())
                .unwrap_or('?'),
            event_no: event_no[i],
            seq: seq[i],
            waiting: state[i].as_deref() == Some("WAITING"),
            p: [p[0][i], p[1][i], p[2][i]],
            sql_id: sql[i].as_deref(),
            username: user[i].as_deref(),
            module: module[i].as_deref(),
            flags: flags[i].as_deref(),
        };
        check_row(tally, &row, states);
    }
}

#[test]
fn full_rate_for_a_minute_at_a_thousand_hertz() {
    let _quiet = alone();
    let dir = tempfile::tempdir().unwrap();
    let truth_file = dir.path().join("truth");
    let recording = dir.path().join("recording");
    let mut sim = Sim::start(
        "MUT",
        &[
            "--rate",
            "20000",
            "--store-pause",
            "1us",
            "--seed",
            "3",
            "--truth",
            truth_file.to_str().unwrap(),
        ],
    );
    let summary = json(&sgascope([
        "record",
        "-I",
        "MUT",
        "-r",
        "1000",
        "-d",
        "60s",
        "-f",
        "json",
        "--sql-text",
        "full",
        "-o",
        recording.to_str().unwrap(),
    ]));
    sim.pause();
    check_counts(&summary, &recording);
    let truth = support::truth(&truth_file);
    let changes: usize = truth.values().map(Vec::len).sum();
    let ticks = ticks(&recording);
    let mut tally = Tally::default();
    for batch in batches(&recording, "samples") {
        check_batch(&mut tally, &batch, &ticks, &truth);
    }
    eprintln!(
        "{changes} changes, {} rows, {} with sql_id, flags {:?}",
        tally.rows, tally.with_sql, tally.flags
    );
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(
        changes > 200_000,
        "only {changes} changes in a minute: no full rate"
    );
    assert!(tally.rows > 100_000, "only {} rows", tally.rows);
    assert!(
        tally.with_sql > tally.rows / 10,
        "only {} rows with a SQL_ID",
        tally.with_sql
    );
    assert!(
        tally.flags.keys().any(|f| f.contains("retried")),
        "no torn read was ever noticed"
    );
    check_texts(&sim, &recording);
    sim.stop();
}

/// ticks = frames + missed + dropped, in the summary and in the recording alike.
fn check_counts(summary: &Value, recording: &Path) {
    let run = &summary["run"];
    let count = |name: &str| run[name].as_u64().unwrap();
    assert_eq!(count("ticks"), 60_000);
    assert_eq!(
        count("ticks"),
        count("frames") + count("missed") + count("dropped"),
        "{run}"
    );
    assert!(count("frames") > 5_000, "{run}");
    let ticks = ticks(recording);
    assert_eq!(ticks.len() as u64, count("frames"));
    let last = ticks.keys().next_back().unwrap();
    let skipped: u64 = ticks.values().map(|t| t.missed + t.dropped).sum();
    assert_eq!(
        last + 1,
        ticks.len() as u64 + skipped,
        "each number is taken, missed or dropped"
    );
    let rows: u64 = ticks.values().map(|t| t.emitted).sum();
    let recorded: u64 = batches(recording, "samples")
        .iter()
        .map(|b| b.num_rows() as u64)
        .sum();
    assert_eq!(rows, recorded);
    eprintln!("{run}");
}

/// Every recorded text is, byte for byte, the simulator's text of that SQL_ID.
fn check_texts(sim: &Sim, recording: &Path) {
    let known: HashMap<String, String> = std::fs::read_to_string(sim.file("sql.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|s| {
            (
                s["sql_id"].as_str().unwrap().to_owned(),
                s["text"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let mut seen = HashMap::new();
    for batch in batches(recording, "sql_text") {
        for (id, text) in texts(&batch, "sql_id")
            .into_iter()
            .zip(texts(&batch, "sql_text"))
        {
            seen.insert(id.unwrap(), text.unwrap());
        }
    }
    eprintln!("{} statements proven", seen.len());
    assert!(
        seen.len() >= 100,
        "only {} statements were proven",
        seen.len()
    );
    for (id, text) in &seen {
        assert_eq!(known.get(id), Some(text), "{id}");
    }
    for (what, long) in [("over 4 kB", 4096), ("over 64 kB", 65_536)] {
        assert!(seen.values().any(|t| t.len() > long), "no text {what}");
    }
    assert!(seen.values().any(|t| !t.is_ascii()), "no multi-byte text");
}

/// An instance that is idle at attach shows no statement by which the place of SQL_ID could be
/// accepted; those that come later prove themselves one by one.
#[test]
fn statements_that_come_after_attaching_are_shown() {
    let _beside = support::shared();
    let dir = tempfile::tempdir().unwrap();
    let truth_file = dir.path().join("truth");
    let recording = dir.path().join("recording");
    let truth_arg = truth_file.to_str().unwrap();
    let sim = Sim::start(
        "LATE",
        &["--start-paused", "--seed", "5", "--truth", truth_arg],
    );
    let record = std::process::Command::new(support::program())
        .args(["record", "-I", "LATE", "-r", "100", "-d", "4s", "-o"])
        .arg(&recording)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let shmids = sim.shmids();
    let before: Vec<_> = shmids.iter().map(|id| support::nattch(*id)).collect();
    support::wait_for(
        "the recorder attaches",
        std::time::Duration::from_secs(10),
        || {
            shmids
                .iter()
                .zip(&before)
                .any(|(id, n)| support::nattch(*id) > *n)
        },
    );
    std::thread::sleep(std::time::Duration::from_millis(500));
    sim.resume();
    assert!(record.wait_with_output().unwrap().status.success());
    sim.pause();
    let truth = support::truth(&truth_file);
    let ticks = ticks(&recording);
    let mut tally = Tally::default();
    for batch in batches(&recording, "samples") {
        check_batch(&mut tally, &batch, &ticks, &truth);
    }
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(tally.with_sql > 1000, "{tally:?}");
}
