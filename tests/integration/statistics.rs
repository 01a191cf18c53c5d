//! Statistics of paused instances equal what the simulator says V$SESSTAT shows.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Sim, end, json, sgascope, shared};

/// Statistics that must be compared, and that must have moved.
const FEWEST: usize = 200;

fn start(sid: &str, release: &str) -> Sim {
    let sim = Sim::start(
        sid,
        &[
            "--release",
            release,
            "--sessions",
            "504",
            "--processes",
            "320",
            "--seed",
            "7",
        ],
    );
    std::thread::sleep(std::time::Duration::from_millis(1200));
    sim.pause();
    sim
}

/// The simulator's account: by SID, name to shown value.
fn truth(sim: &Sim) -> (u64, BTreeMap<u64, BTreeMap<String, u64>>) {
    let document = sim.json_file("statistics.json");
    let names: Vec<&str> = document["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_str().unwrap())
        .collect();
    assert!(names.len() >= FEWEST, "only {} statistics", names.len());
    let sessions = document["sessions"].as_object().unwrap();
    let of = |values: &Value| {
        let values = values
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap());
        names.iter().map(|n| (*n).to_owned()).zip(values).collect()
    };
    let by_sid = sessions
        .iter()
        .map(|(sid, v)| (sid.parse().unwrap(), of(v)))
        .collect();
    (document["per_session"].as_u64().unwrap(), by_sid)
}

fn sessions(dump: &Value) -> &Vec<Value> {
    dump["sessions"].as_array().unwrap()
}

/// Compares every value of every session; returns statistics compared and those that differ
/// between sessions.
fn compare(dump: &Value, truth: &BTreeMap<u64, BTreeMap<String, u64>>) -> (usize, usize) {
    assert_eq!(sessions(dump).len(), truth.len(), "the sessions in use");
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for session in sessions(dump) {
        let sid = session["sid"].as_u64().unwrap();
        let shown = session["statistics"]
            .as_object()
            .expect("statistics of each session");
        for (name, value) in &truth[&sid] {
            // "all" leaves out what is 0
            let found = shown.get(name).map_or(0, |v| v.as_u64().unwrap());
            if found != *value {
                wrong.push(format!("{sid} {name}: {found}, not {value}"));
            }
            seen.entry(name).or_default().push(*value);
        }
        let unknown = shown.keys().find(|name| !truth[&sid].contains_key(*name));
        assert_eq!(unknown, None, "a statistic that never moved has a value");
    }
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    let moved = seen
        .values()
        .filter(|v| v.iter().any(|x| *x != v[0]))
        .count();
    (seen.len(), moved)
}

fn equal_truth(sid: &str, release: &str) {
    let _beside = shared();
    let sim = start(sid, release);
    let (per_session, truth) = truth(&sim);
    let dump = json(&sgascope([
        "dump",
        "-I",
        sid,
        "-f",
        "json",
        "--stats",
        "all",
        "--session-io",
    ]));
    assert_eq!(dump["meta"]["statistics"]["per_session"], per_session);
    assert_eq!(dump["meta"]["statistics"]["unreadable"], 0);
    let (compared, moved) = compare(&dump, &truth);
    assert!(compared >= FEWEST, "{compared} statistics compared");
    assert!(
        moved >= FEWEST - 1,
        "{moved} statistics differ between sessions"
    );
    // V$SESS_IO's columns are the same figures
    for session in sessions(&dump) {
        let of = &truth[&session["sid"].as_u64().unwrap()];
        for (column, name) in [
            ("block_gets", "db block gets"),
            ("consistent_gets", "consistent gets"),
            ("physical_reads", "physical reads"),
            ("block_changes", "db block changes"),
            ("consistent_changes", "consistent changes"),
            (
                "optimized_physical_reads",
                "physical read requests optimized",
            ),
            ("temp_space_allocated", "temp space allocated (bytes)"),
            ("session_pga_memory", "session pga memory"),
        ] {
            assert_eq!(session[column], of[name], "{column}");
        }
    }
}

#[test]
fn equal_truth_19() {
    equal_truth("ST193", "19.3");
}

#[test]
fn equal_truth_12() {
    equal_truth("ST121", "12.1");
}

#[test]
fn equal_truth_23() {
    equal_truth("ST235", "23.5");
}

/// What is asked for costs what it needs: a sum its parts, a plain one itself.
#[test]
fn few_statistics_read_few_counters() {
    let _beside = shared();
    let sid = "STFEW";
    let sim = start(sid, "19.3");
    let (_, truth) = truth(&sim);
    let read = |names: &str| {
        let dump = json(&sgascope([
            "dump",
            "-I",
            sid,
            "-f",
            "json",
            "--columns",
            "sid",
            "--stats",
            names,
        ]));
        let of = |s: &Value| truth[&s["sid"].as_u64().unwrap()].clone();
        for session in sessions(&dump) {
            for (name, value) in session["statistics"].as_object().unwrap() {
                assert_eq!(*value, of(session)[name], "{name}");
            }
        }
        dump["meta"]["statistics"]["counters_read"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(read("user calls"), 1);
    // 14 and 159 to 169
    assert_eq!(read("session logical reads"), 12);
    assert!(read("user calls,session logical reads,temp space allocated (bytes)") < 25);
    let (code, error) = end(&sgascope(["dump", "-I", sid, "--stats", "user cals"]));
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("user cals"), "{error}");
    // the instance's own: named, null nowhere, explained
    let spare = json(&sgascope([
        "dump",
        "-I",
        sid,
        "-f",
        "json",
        "--stats",
        "spare statistic 2035",
    ]));
    let why = spare["meta"]["absent"]["statistics.spare statistic 2035"]
        .as_str()
        .unwrap();
    assert!(why.contains("a session has 1935"), "{why}");
}

#[test]
fn lists_have_a_line_for_each_statistic() {
    let _beside = shared();
    let sid = "STLIST";
    let sim = start(sid, "19.3");
    let (_, truth) = truth(&sim);
    let names = "user calls,non-idle wait time";
    let text = |format: &str| {
        let output = sgascope(["dump", "-I", sid, "-f", format, "--stats", names]);
        assert_eq!(end(&output).0, 0);
        String::from_utf8(output.stdout).unwrap()
    };
    let csv = text("csv");
    assert_eq!(csv.lines().next(), Some("sid,serial_no,statistic,value"));
    assert_eq!(csv.lines().count(), 1 + 2 * truth.len());
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let want = truth[&cells[0].parse().unwrap()][cells[2]];
        assert_eq!(cells[3], want.to_string());
    }
    let table = text("table");
    assert_eq!(table.lines().count(), csv.lines().count());
    assert!(
        table.lines().next().unwrap().contains("STATISTIC"),
        "{table}"
    );
}
