//! A dump of a paused instance equals the simulator's own account, value by value.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Sim, json, sgascope, shared};

/// Columns of our own that the simulator doesn't account for, and columns that it leaves to the
/// reader's clock.
const OWN: [&str; 7] = [
    "saddr",
    "seconds_in_wait",
    "last_call_et",
    "age_s",
    "read_flags",
    "sql_text",
    "prev_sql_text",
];

/// Columns that count from a time, which the simulator accounts for.
const SINCE: [(&str, &str); 3] = [
    ("_wait_stamp", "seconds_in_wait"),
    ("_call_stamp", "last_call_et"),
    ("_logon", "age_s"),
];

fn by_sid(document: &Value) -> BTreeMap<u64, &Value> {
    let sessions = document["sessions"].as_array().unwrap();
    sessions
        .iter()
        .map(|s| (s["sid"].as_u64().unwrap(), s))
        .collect()
}

/// Compares every value of every session; returns how many values were equal.
pub fn compare(dump: &Value, expected: &Value) -> usize {
    let (found, wanted) = (by_sid(dump), by_sid(expected));
    let sids = |m: &BTreeMap<u64, &Value>| m.keys().copied().collect::<Vec<_>>();
    assert_eq!(sids(&found), sids(&wanted), "the sessions in use");
    assert!(wanted.len() >= 10, "too few sessions to mean anything");
    let absent = dump["meta"]["absent"].as_object().unwrap();
    let now = dump["meta"]["sample_time"].as_str().unwrap();
    let now: jiff::Timestamp = now.parse().unwrap();
    let (mut equal, mut wrong) = (0, Vec::new());
    for (sid, want) in &wanted {
        let have = found[sid].as_object().unwrap();
        for (column, value) in want.as_object().unwrap() {
            if let Some((_, since)) = SINCE.iter().find(|(stamp, _)| stamp == column) {
                let shown = have[*since].as_i64();
                let stamp = value.as_i64().unwrap();
                let real = now.as_second() - stamp;
                // a session that never waited has no stamp
                let right = match shown {
                    None => stamp == 0,
                    Some(shown) => (shown - real).abs() <= 1,
                };
                if right {
                    equal += 1;
                } else {
                    wrong.push(format!("{sid}.{since}: {shown:?}, not {real}"));
                }
                continue;
            }
            if column.starts_with('_') {
                continue;
            }
            match have.get(column) {
                Some(shown) if shown == value => equal += 1,
                // a column that can't be had must be explained
                Some(Value::Null) if absent.contains_key(column) => {}
                other => wrong.push(format!("{sid}.{column}: {other:?}, not {value}")),
            }
        }
        for (column, value) in have {
            let accounted = want.get(column).is_some() || OWN.contains(&column.as_str());
            if !accounted && !absent.contains_key(column) && !value.is_null() {
                wrong.push(format!("{sid}.{column}: {value} out of nothing"));
            }
        }
        assert_eq!(
            have["read_flags"],
            Value::Null,
            "nothing moves while paused"
        );
    }
    assert!(
        wrong.is_empty(),
        "{} of {} wrong: {:#?}",
        wrong.len(),
        equal,
        &wrong[..wrong.len().min(20)]
    );
    for kind in ["USER", "BACKGROUND", "RECURSIVE"] {
        assert!(
            found.values().any(|s| s["session_kind"] == kind),
            "no {kind} session: the comparison means little"
        );
    }
    equal
}

/// Columns without which a dump is of no use: they may not hide behind `absent`.
const ESSENTIAL: [&str; 30] = [
    "sid",
    "serial_no",
    "audsid",
    "paddr",
    "user_no",
    "username",
    "command",
    "status",
    "osuser",
    "process",
    "machine",
    "program",
    "type",
    "sql_address",
    "sql_hash_value",
    "sql_id",
    "sql_child_number",
    "sql_exec_start",
    "prev_sql_id",
    "module",
    "action",
    "row_wait_obj_no",
    "logon_time",
    "client_identifier",
    "event",
    "wait_class",
    "p1",
    "p1raw",
    "state",
    "seconds_in_wait",
];

fn essentials_are_there(dump: &Value) {
    let absent = dump["meta"]["absent"].as_object().unwrap();
    let missing: Vec<_> = ESSENTIAL
        .iter()
        .filter(|c| absent.contains_key(**c))
        .collect();
    assert!(missing.is_empty(), "{missing:?}: {absent:#?}");
}

fn live(release: &str, memory: &str) {
    let _beside = shared();
    let sid = format!("T{}{}", release.replace('.', ""), memory.to_uppercase());
    let sim = Sim::start(
        &sid,
        &[
            "--release",
            release,
            "--memory",
            memory,
            "--sessions",
            "504",
            "--processes",
            "320",
            "--seed",
            "7",
        ],
    );
    std::thread::sleep(std::time::Duration::from_millis(1500));
    sim.pause();
    let expected = sim.json_file("expected.json");
    let dump = json(&sgascope(["dump", "-I", &sid, "-f", "json"]));
    assert_eq!(
        dump["meta"]["release"].as_str().unwrap().split('.').next(),
        release.split('.').next()
    );
    essentials_are_there(&dump);
    compare(&dump, &expected);
    // the other way to read live memory sees the same
    let dump = json(&sgascope([
        "dump",
        "-I",
        &sid,
        "-f",
        "json",
        "--via",
        "process-vm",
    ]));
    compare(&dump, &expected);
    // and so does a core of it, with a blueprint that carries the event names
    let blueprint = sim.file("blueprint.json");
    let core = sim.file("core");
    let made = sgascope([
        "blueprint".as_ref(),
        "extract".as_ref(),
        "--binary".as_ref(),
        sim.file("bin/oracle").as_os_str(),
        "-I".as_ref(),
        sid.as_ref(),
        "-o".as_ref(),
        blueprint.as_os_str(),
    ] as [&std::ffi::OsStr; 8]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    sim.core(&core);
    let dump = json(&sgascope([
        "dump".as_ref(),
        "-f".as_ref(),
        "json".as_ref(),
        "--image".as_ref(),
        core.as_os_str(),
        "--blueprint".as_ref(),
        blueprint.as_os_str(),
    ] as [&std::ffi::OsStr; 7]));
    essentials_are_there(&dump);
    compare(&dump, &expected);
}

#[test]
fn sysv_19() {
    live("19.3", "sysv");
}

#[test]
fn sysv_12() {
    live("12.1", "sysv");
}

#[test]
fn sysv_23() {
    live("23.5", "sysv");
}

#[test]
fn amm_19() {
    live("19.3", "amm");
}

#[test]
fn amm_12() {
    live("12.1", "amm");
}

#[test]
fn amm_23() {
    live("23.5", "amm");
}

/// A value changed on either side is noticed: the comparison isn't blind.
#[test]
fn the_comparison_notices_a_single_wrong_value() {
    let session = |sid: u64, kind: &str| serde_json::json!({"sid": sid, "serial_no": 7, "username": "SCOTT", "session_kind": kind, "read_flags": null});
    let kinds = ["USER", "BACKGROUND", "RECURSIVE"];
    let rows: Vec<Value> = (1..=12)
        .map(|i| session(i, kinds[i as usize % 3]))
        .collect();
    let dump = serde_json::json!({"meta": {"absent": {}, "sample_time": "2026-01-01T00:00:00Z"}, "sessions": rows});
    let mut expected = serde_json::json!({"sessions": rows});
    for s in expected["sessions"].as_array_mut().unwrap() {
        s.as_object_mut().unwrap().remove("read_flags");
    }
    compare(&dump, &expected);
    expected["sessions"][4]["serial_no"] = 8.into();
    let noticed = std::panic::catch_unwind(|| compare(&dump, &expected));
    assert!(noticed.is_err());
}
