//! `reconcile` against situations made on purpose among healthy sessions, and the process and limit
//! parts of dumps against the simulator's own account.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Sim, end, json, sgascope, shared};

/// Row, SID, SERIAL#, PID, SPID.
type Situation = (u64, Option<u64>, Option<u64>, Option<u64>, Option<String>);

fn situation(of: &Value) -> Situation {
    let number = |name: &str| of[name].as_u64();
    let row = number("row").unwrap();
    let spid = of["spid"].as_str().map(str::to_owned);
    (row, number("sid"), number("serial_no"), number("pid"), spid)
}

fn sorted(list: &Value) -> Vec<Situation> {
    let mut all: Vec<Situation> = list.as_array().unwrap().iter().map(situation).collect();
    all.sort();
    all
}

fn reconcile(sim: &Sim, extra: &[&str]) -> (i32, Value) {
    let mut args = vec!["reconcile", "-I", &sim.sid, "-f", "json"];
    args.extend(extra);
    let output = sgascope(&args);
    let (code, message) = end(&output);
    assert!(code <= 1, "{code}: {message}");
    let document = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    (code, document)
}

fn mixed(sid: &str, release: &str, sessions: &str, processes: &str, situations: &str) -> Sim {
    Sim::start(
        sid,
        &[
            "--release",
            release,
            "--workload",
            "idle",
            "--start-paused",
            "--os-processes",
            "--sessions",
            sessions,
            "--processes",
            processes,
            "--situations",
            situations,
        ],
    )
}

#[test]
fn every_situation_is_named_and_nothing_else() {
    let _guard = shared();
    let rows = "3,4,5,6,7,8,9,10,11,12,13,15,16";
    for (sid, release) in [("RECA", "19.3"), ("RECB", "12.1"), ("RECC", "23.5")] {
        let sim = mixed(sid, release, "500", "700", rows);
        let truth = sim.json_file("situations.json");
        let (code, found) = reconcile(&sim, &["--age", "0s"]);
        assert_eq!(code, 1, "warnings and errors make a check say no");
        assert_eq!(sorted(&found["findings"]), sorted(&truth), "{release}");
        let named: std::collections::BTreeSet<u64> = sorted(&truth).iter().map(|s| s.0).collect();
        assert_eq!(named, (1..=16).collect(), "{release}: every row was made");
        let processes = found["meta"]["processes"].as_u64().unwrap();
        let judged = found["findings"].as_array().unwrap().len() as u64;
        assert!(
            processes > 300 + judged,
            "{processes} processes, {judged} findings: a mix of 300 healthy ones"
        );
    }
}

#[test]
fn full_limits_are_errors_and_make_snipes_worse() {
    let _guard = shared();
    let sim = mixed("RECF", "19.3", "500", "400", "7,17");
    let truth = sim.json_file("situations.json");
    let (code, found) = reconcile(&sim, &[]);
    assert_eq!(code, 1);
    assert_eq!(sorted(&found["findings"]), sorted(&truth));
    let finding = |row: u64| {
        let all = found["findings"].as_array().unwrap();
        all.iter().find(|f| f["row"] == row).unwrap().clone()
    };
    assert_eq!(finding(7)["severity"], "error", "processes are short");
    let seventeen = finding(17);
    let evidence = seventeen["evidence"][0].as_str().unwrap();
    assert!(evidence.contains("ORA-00020"), "{evidence}");
}

#[test]
fn healthy_sessions_are_no_finding() {
    let _guard = shared();
    let sim = Sim::start(
        "RECH",
        &[
            "--workload",
            "idle",
            "--start-paused",
            "--os-processes",
            "--sessions",
            "120",
            "--processes",
            "160",
        ],
    );
    let (code, found) = reconcile(&sim, &["--age", "0s", "--idle-limit", "1h"]);
    assert_eq!(code, 0, "{found}");
    let rows = sorted(&found["findings"]);
    assert!(rows.iter().all(|f| [1, 2, 14].contains(&f.0)), "{rows:?}");
}

#[test]
fn what_may_be_done_is_said_and_nothing_is_done() {
    let _guard = shared();
    let sim = mixed("RECD", "19.3", "120", "160", "5,6,7,9,13");
    let before = sim.json_file("situations.json");
    let (_, found) = reconcile(&sim, &["--age", "0s"]);
    for f in found["findings"].as_array().unwrap() {
        let row = f["row"].as_u64().unwrap();
        let statement = f["statement"].as_str().unwrap_or("");
        let sid = format!("'{},{}'", f["sid"], f["serial_no"]);
        match row {
            6 | 7 => {
                let wanted = format!("ALTER SYSTEM DISCONNECT SESSION {sid} IMMEDIATE");
                assert_eq!(statement, wanted);
            }
            // one observation is not enough for a kill
            _ => assert_eq!(statement, "", "row {row}"),
        }
        for means in ["dcd", "profile_idle_time", "resource_manager_max_idle_time"] {
            assert!(f["would_have_cleaned"][means].is_string());
        }
        let identity = f["identity"].as_str().unwrap();
        assert!(
            identity.contains("@RECD") && identity.contains("seen 20"),
            "{identity}"
        );
    }
    // the second look agrees with the first, so a leaked server process may be ended
    let (_, twice) = reconcile(&sim, &["--age", "0s", "--twice", "1s"]);
    let leaked = twice["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["row"] == 5);
    for f in leaked {
        let wanted = format!("kill -TERM {}", f["spid"].as_str().unwrap());
        assert_eq!(f["statement"], wanted.as_str());
    }
    assert_eq!(
        sorted(&twice["findings"]),
        sorted(&before),
        "all are still there"
    );
    // a server process that is younger than --age may be on its way to log on
    let (_, young) = reconcile(&sim, &["--age", "1h"]);
    assert!(sorted(&young["findings"]).iter().all(|f| f.0 != 5));
}

#[test]
fn the_table_is_short_and_by_severity() {
    let _guard = shared();
    let sim = mixed("RECT", "19.3", "120", "160", "5,6,7,9,10,13");
    let output = sgascope(["reconcile", "-I", "RECT", "--age", "0s"]);
    assert_eq!(end(&output).0, 1);
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with("ERROR") && first.contains("orphan-session"),
        "{text}"
    );
    assert!(
        !text.contains("info  row"),
        "normal ones are counted only: {text}"
    );
    assert!(text.contains("ALTER SYSTEM DISCONNECT SESSION"), "{text}");
    assert!(text.contains("left before ORA-00020"), "{text}");
    drop(sim);
    let csv = sgascope(["reconcile", "-f", "csv"]);
    assert_eq!(end(&csv).0, 2);
}

fn by_pid(rows: &Value) -> BTreeMap<u64, &Value> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|r| (r["pid"].as_u64().unwrap(), r)).collect()
}

#[test]
fn processes_equal_the_simulators_account() {
    let _guard = shared();
    for (sid, release) in [("RECP", "19.3"), ("RECQ", "12.1"), ("RECR", "23.5")] {
        let sim = mixed(sid, release, "120", "160", "3,4,10");
        let dump = json(&sgascope(["dump", "-I", sid, "-f", "json", "--processes"]));
        let expected = sim.json_file("expected.json");
        let (found, wanted) = (by_pid(&dump["processes"]), by_pid(&expected["processes"]));
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            wanted.keys().collect::<Vec<_>>()
        );
        let absent = dump["meta"]["absent"].as_object().unwrap();
        let mut equal = 0;
        for (pid, want) in &wanted {
            for (column, value) in want.as_object().unwrap() {
                if column.starts_with('_') {
                    continue;
                }
                assert_eq!(&found[pid][column], value, "{release}: {pid}.{column}");
                equal += 1;
            }
            for column in found[pid].as_object().unwrap().keys() {
                let explained = absent.contains_key(&format!("processes.{column}"));
                let somewhere = found.values().any(|row| !row[column].is_null());
                let quiet = ["latchwait", "read_flags"].contains(&column.as_str());
                assert!(
                    explained || somewhere || quiet,
                    "{release}: {column} unexplained"
                );
            }
        }
        assert!(equal > 500, "{release}: only {equal} values compared");
        // PSEUDO and the one that was ended have no process of the operating system
        let dead: Vec<u64> = found
            .iter()
            .filter(|(_, p)| p["os_alive"] == false)
            .map(|(pid, _)| *pid)
            .collect();
        let truth = sim.json_file("situations.json");
        let ended: Vec<u64> = sorted(&truth)
            .iter()
            .filter(|s| s.0 == 10)
            .map(|s| s.3.unwrap())
            .collect();
        assert_eq!(dead, ended, "{release}");
        assert!(found[&1]["os_alive"].is_null() && found[&1]["role"] == "PSEUDO");
    }
}

#[test]
fn limits_count_hidden_slots_too() {
    let _guard = shared();
    let sim = mixed("RECL", "19.3", "120", "160", "11");
    let dump = json(&sgascope([
        "dump",
        "-I",
        "RECL",
        "-f",
        "json",
        "--resource-limit",
        "--watch",
        "2s",
    ]));
    let expected = sim.json_file("expected.json");
    let count = |name: &str| expected[name].as_array().unwrap().len();
    let rows = dump["resource_limit"].as_array().unwrap();
    for (row, name, limit) in [(&rows[0], "processes", 160), (&rows[1], "sessions", 120)] {
        assert_eq!(row["resource_name"], name);
        assert_eq!(
            row["current_utilization"],
            count(name),
            "recursive ones included"
        );
        assert_eq!(row["limit_value"], limit.to_string());
        assert_eq!(row["head_room"], limit - count(name));
        assert_eq!(row["observed_maximum"], count(name));
        assert_eq!(row["looks"], 3, "one, and one each second");
        assert_eq!(row["trend_per_hour"], 0.0);
        assert!(row["exhausted_in_s"].is_null() && row["max_utilization"].is_null());
    }
    let absent = &dump["meta"]["absent"]["resource_limit.max_utilization"];
    assert!(absent.is_string(), "{absent}");
    let table = sgascope(["dump", "-I", "RECL", "--resource-limit"]);
    assert!(
        String::from_utf8(table.stdout)
            .unwrap()
            .contains("ORA-00018")
    );
    let both = sgascope([
        "dump",
        "-I",
        "RECL",
        "--resource-limit",
        "--processes",
        "-f",
        "csv",
    ]);
    assert_eq!(end(&both).0, 2, "two kinds of rows don't fit one CSV");
}
