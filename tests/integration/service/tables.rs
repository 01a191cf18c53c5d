//! The tables beside samples: statistics, processes.

use std::collections::HashMap;

use arrow::array::AsArray;
use arrow::datatypes::{UInt32Type, UInt64Type};

use super::{Recording, kinds};
use crate::mutation::{batches, texts, u64s};
use crate::support::{Sim, end, json, sgascope, shared};

#[test]
fn statistics_and_processes_are_those_of_a_dump() {
    let _beside = shared();
    let sim = Sim::start("STATS", &["--sessions", "120", "--processes", "90"]);
    let dir = sim.file("recording");
    let args = [
        "--flush",
        "100ms",
        "--stats-every",
        "200ms",
        "--processes-every",
        "200ms",
        "--stats",
        "DB time,session logical reads,temp space allocated (bytes)",
    ];
    let mut recording = Recording::start("STATS", &dir, &args);
    recording.wait_flushes(20);
    sim.pause();
    // readings of the standstill are on disk with the last reading, at the end
    recording.wait_flushes(2);
    let (_, said) = recording.end();
    assert_eq!(said, "");
    let dump = json(&sgascope([
        "dump",
        "-I",
        "STATS",
        "-f",
        "json",
        "--processes",
        "--stats",
        "DB time,session logical reads,temp space allocated (bytes)",
    ]));
    // the last row of each session and serial number
    let mut last: HashMap<(u32, u32), (i64, Vec<u64>)> = HashMap::new();
    let mut rows = 0;
    for batch in batches(&dir, "stats") {
        let number = |name: &str| {
            let column = batch.column_by_name(name).unwrap();
            column.as_primitive::<UInt32Type>().clone()
        };
        let (sid, serial) = (number("session_id"), number("session_serial_no"));
        let counters: Vec<&[u64]> = [
            "db_time",
            "session_logical_reads",
            "temp_space_allocated_bytes",
        ]
        .iter()
        .map(|name| u64s(&batch, name))
        .collect();
        for i in 0..batch.num_rows() {
            rows += 1;
            let values: Vec<u64> = counters.iter().map(|c| c[i]).collect();
            let key = (sid.value(i), serial.value(i));
            let at = super::time(&batch, i);
            let known = last.entry(key).or_insert((at, values.clone()));
            assert!(at >= known.0, "rows come in the order of time");
            *known = (at, values);
        }
        assert!(
            texts(&batch, "instance_name")
                .iter()
                .all(|n| n.as_deref() == Some("STATS"))
        );
    }
    let mut compared = 0;
    for session in dump["sessions"].as_array().unwrap() {
        let key = (
            session["sid"].as_u64().unwrap() as u32,
            session["serial_no"].as_u64().unwrap() as u32,
        );
        let Some(stats) = session["statistics"].as_object() else {
            continue;
        };
        let of = |name: &str| stats.get(name).and_then(|v| v.as_u64()).unwrap_or(0);
        let wanted = [
            "DB time",
            "session logical reads",
            "temp space allocated (bytes)",
        ]
        .map(of);
        let (_, found) = last
            .get(&key)
            .unwrap_or_else(|| panic!("session {key:?} is missing"));
        assert_eq!(found.as_slice(), wanted, "session {key:?}");
        compared += usize::from(wanted[1] > 0);
    }
    assert!(compared > 20, "{compared}");
    assert!(rows > last.len(), "counters grew");
    // processes: the last row of each
    let mut known: HashMap<u32, (Option<String>, Option<u64>)> = HashMap::new();
    for batch in batches(&dir, "processes") {
        let pid = batch
            .column_by_name("pid")
            .unwrap()
            .as_primitive::<UInt32Type>();
        let pga = batch
            .column_by_name("pga_alloc_mem")
            .unwrap()
            .as_primitive::<UInt64Type>();
        for (i, spid) in texts(&batch, "spid").into_iter().enumerate() {
            let bytes = (!arrow::array::Array::is_null(pga, i)).then(|| pga.value(i));
            known.insert(pid.value(i), (spid, bytes));
        }
    }
    let processes = dump["processes"].as_array().unwrap();
    assert!(processes.len() > 20);
    for process in processes {
        let pid = process["pid"].as_u64().unwrap() as u32;
        let (spid, pga) = &known[&pid];
        assert_eq!(spid.as_deref(), process["spid"].as_str(), "process {pid}");
        assert_eq!(*pga, process["pga_alloc_mem"].as_u64(), "process {pid}");
    }
    assert_eq!(kinds(&dir), ["started", "stopped"]);
}

#[test]
fn what_costs_need_is_the_default_and_none_is_none() {
    let _beside = shared();
    let sim = Sim::start("COSTS", &["--sessions", "80", "--processes", "60"]);
    let [dir, none] = ["recording", "none"].map(|name| sim.file(name));
    let mut recording = Recording::start("COSTS", &dir, &["--flush", "100ms"]);
    recording.wait_flushes(2);
    recording.end();
    let schema = batches(&dir, "stats")[0].schema();
    for column in [
        "username",
        "service_name",
        "cpu_used_by_this_session",
        "db_time",
        "redo_size",
    ] {
        assert!(
            schema.column_with_name(column).is_some(),
            "{column} in {schema}"
        );
    }
    let off = [
        "--flush",
        "100ms",
        "--stats",
        "none",
        "--processes-every",
        "0",
    ];
    let mut recording = Recording::start("COSTS", &none, &off);
    recording.wait_flushes(2);
    recording.end();
    let tables = sgascope::record::Reader::open(&none)
        .unwrap()
        .tables()
        .unwrap();
    let off = |t: &String| t == "stats" || t == "processes";
    assert!(!tables.iter().any(off), "{tables:?}");
    let path = none.to_str().unwrap();
    let unknown = sgascope(["record", "-I", "COSTS", "-o", path, "--stats", "DB tyme"]);
    let (code, said) = end(&unknown);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("\"DB tyme\""), "{said}");
}
