//! Limits of plan directives over recorded calls.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::{RECORDS, import, write};
use crate::support::{Sim, end, sgascope, shared};

/// Sets the lock graph of a seed: who waits, waits for ever.
fn waiters(sim: &Sim, seed: u64) -> BTreeSet<u64> {
    let mut stream = UnixStream::connect(sim.file("control.sock")).unwrap();
    writeln!(stream, "{}", json!({"graph": seed})).unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    let document = sim.json_file("graph.json");
    let edges = document["edges"].as_array().unwrap().iter();
    edges.map(|e| e["waiter"].as_u64().unwrap()).collect()
}

#[test]
fn calls_that_wait_past_a_limit_would_have_been_killed() {
    let _beside = shared();
    let sim = Sim::start("GRPLIM", &["--sessions", "160", "--processes", "140"]);
    // whose turn it is to wait depends on who is connected at that moment
    let mut graphs = (7..107).map(|seed| waiters(&sim, seed));
    let waiting = graphs.find(|waiting| waiting.len() > 3).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("recording");
    let recording = recording.to_str().unwrap();
    let record = [
        "record",
        "-I",
        "GRPLIM",
        "-r",
        "20",
        "-d",
        "6s",
        "--stats-every",
        "1s",
        "-o",
        recording,
    ];
    assert!(sgascope(record).status.success());
    let directive = |limit: &str| {
        let script = format!(
            "exec dbms_resource_manager.create_plan_directive(plan => 'DAYTIME', group_or_subplan => 'DEFAULT_CONSUMER_GROUP', \
             comment => '', switch_group => 'KILL_SESSION', {limit}, switch_for_call => TRUE)"
        );
        let script = write(dir.path(), "limit.sql", &script);
        import(dir.path(), "limit.toml", &[&script])
    };
    let limits = |limit: &str| {
        let rules = directive(limit);
        let args = [
            "groups",
            "limits",
            recording,
            "--rules",
            &rules,
            "-f",
            "json",
            "--certain",
        ];
        let output = sgascope(args);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        (end(&output).0, found)
    };
    let (code, found) = limits("switch_elapsed_time => 1");
    assert_eq!(code, 0);
    let passed = found["passed"].as_array().unwrap();
    let sids: BTreeSet<u64> = passed.iter().map(|p| p["sid"].as_u64().unwrap()).collect();
    assert!(waiting.is_subset(&sids), "{waiting:?} wait, {sids:?} found");
    for row in passed {
        let (least, most) = (
            row["at_least"].as_f64().unwrap(),
            row["at_most"].as_f64().unwrap(),
        );
        assert!(least > 1.0 && least <= most && most < 60.0, "{row}");
        assert_eq!(
            (&row["action"], &row["limit"]),
            (&json!("KILL_SESSION"), &json!("SWITCH_ELAPSED_TIME"))
        );
    }
    // who waits uses no CPU and reads nothing
    let of_waiters = |found: &Value| {
        let rows = found["passed"].as_array().unwrap().iter();
        rows.filter(|p| waiting.contains(&p["sid"].as_u64().unwrap()))
            .count()
    };
    assert_eq!(of_waiters(&limits("switch_time => 1").1), 0);
    assert_eq!(of_waiters(&limits("switch_io_logical => 1").1), 0);
    let (code, nothing) = limits("switch_elapsed_time => 3600");
    assert_eq!((code, nothing["passed"].as_array().unwrap().len()), (1, 0));
    // who waits requests nothing
    assert_eq!(of_waiters(&limits("switch_io_reqs => 1").1), 0);
}

#[test]
fn requests_are_judged_by_a_default_recording_and_else_it_is_said() {
    let _beside = shared();
    let _sim = Sim::start("GRPIO", &["--sessions", "160", "--processes", "140"]);
    let dir = tempfile::tempdir().unwrap();
    let script = "exec dbms_resource_manager.create_plan_directive(plan => 'DAYTIME', \
         group_or_subplan => 'DEFAULT_CONSUMER_GROUP', comment => '', switch_group => 'KILL_SESSION', \
         switch_io_reqs => 1, switch_for_call => TRUE)";
    let script = write(dir.path(), "limit.sql", script);
    let rules = import(dir.path(), "limit.toml", &[&script]);
    let record = |name: &str, more: &[&str]| {
        let to = dir.path().join(name).to_str().unwrap().to_owned();
        let args = ["record", "-I", "GRPIO", "-r", "20", "-d", "3s", "-o", &to];
        assert!(sgascope([&args[..], more].concat()).status.success());
        let args = ["groups", "limits", &to, "--rules", &rules, "-f", "json"];
        let output = sgascope(args);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    // until a session was seen to request something within a call
    let passed = (0..RECORDS).any(|n| {
        let found = record(&format!("default{n}"), &["--stats-every", "1s"]);
        let mut passed = found["passed"].as_array().unwrap().iter();
        passed.any(|row| row["limit"] == "SWITCH_IO_REQS")
    });
    assert!(passed, "no request in {RECORDS} recordings");
    let untold = record("few", &["--stats", "user calls"]);
    let notes = untold["notes"].to_string();
    assert!(
        notes.contains("SWITCH_IO_REQS can't be judged")
            && notes.contains("physical write total IO requests"),
        "{notes}"
    );
}
