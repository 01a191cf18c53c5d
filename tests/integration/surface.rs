//! What a user types and sees: formats, filters, reports, `blueprint` verbs.

use serde_json::Value;

use crate::fixtures::fixture;
use crate::support::{Sim, end, json, sgascope, shared};

fn text(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{:?}", end(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn dump_formats_and_filters_agree() {
    let _beside = shared();
    let sim = Sim::start("SURF", &["--sessions", "200", "--processes", "150"]);
    std::thread::sleep(std::time::Duration::from_millis(800));
    sim.pause();
    let all = json(&sgascope(["dump", "-I", "SURF", "-f", "json"]));
    let sessions = all["sessions"].as_array().unwrap();
    let count = |holds: &dyn Fn(&Value) -> bool| sessions.iter().filter(|s| holds(s)).count();
    let lines = |args: &[&str]| {
        let mut all = vec!["dump", "-I", "SURF"];
        all.extend(args);
        text(&sgascope(all)).lines().count()
    };
    assert_eq!(lines(&["-f", "jsonl"]), sessions.len());
    assert_eq!(lines(&["-f", "csv"]), sessions.len() + 1);
    let hidden = count(&|s| s["in_v_session"] == false);
    assert!(hidden > 0);
    assert_eq!(lines(&["-f", "jsonl", "--recursive", "only"]), hidden);
    assert_eq!(
        lines(&["-f", "jsonl", "--recursive", "exclude"]),
        sessions.len() - hidden
    );
    let active = count(&|s| s["status"] == "ACTIVE" && s["session_kind"] == "USER");
    assert!(active > 0);
    assert_eq!(
        lines(&["-f", "jsonl", "status=ACTIVE", "session_kind=USER"]),
        active
    );
    let oracle = count(&|s| {
        s["program"]
            .as_str()
            .is_some_and(|p| p.starts_with("oracle@"))
    });
    assert_eq!(lines(&["-f", "jsonl", "program=oracle@%"]), oracle);
    // a table has a header, a line each, a blank and a summary
    assert_eq!(lines(&["-f", "table"]), sessions.len() + 3);
    let chosen = text(&sgascope([
        "dump",
        "-I",
        "SURF",
        "-f",
        "csv",
        "--columns",
        "sid,username",
        "sid=1",
    ]));
    assert_eq!(chosen, "sid,username\n1,\n");
    assert_eq!(
        end(&sgascope(["dump", "-I", "SURF", "username=NOBODY"])).0,
        1,
        "nothing found"
    );
}

#[test]
fn record_then_report() {
    let _beside = shared();
    let sim = Sim::start("REPO", &[]);
    let out = sim.file("recording");
    let dir = out.to_str().unwrap();
    let summary = json(&sgascope([
        "record", "-I", "REPO", "-r", "100", "-d", "3s", "-o", dir, "-f", "json",
    ]));
    assert!(summary["rows"].as_u64() > Some(1000), "{summary}");
    let table = text(&sgascope(["report", dir, "-g", "event,sql_id"]));
    // ashtop's columns; long titles stand in two lines
    for column in [
        "Total",
        "Seconds",
        "AAS",
        "%This",
        "EVENT",
        "SQL_ID",
        "FIRST_SEEN",
        "LAST_SEEN",
        "Execs",
        "Tstamps",
    ] {
        assert!(table.contains(column), "{column} is missing:\n{table}");
    }
    let report = json(&sgascope([
        "report", dir, "-g", "event", "-f", "json", "--top", "1000",
    ]));
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() >= 10, "{report}");
    let total: f64 = rows
        .iter()
        .map(|r| r["total_seconds"].as_f64().unwrap())
        .sum();
    let whole = report["meta"]["total_seconds"].as_f64().unwrap();
    assert!(
        (total - whole).abs() < 1e-6 * whole,
        "{total} against {whole}"
    );
    // a second recording goes on in the same directory; half of it can be asked for
    let again = sgascope(["record", "-I", "REPO", "-r", "50", "-d", "2s", "-o", dir]);
    assert!(again.status.success());
    let later = json(&sgascope(["report", dir, "-f", "json", "--from", "-1s"]));
    let ticks = later["meta"]["ticks"].as_u64().unwrap();
    assert!(
        (30..=70).contains(&ticks),
        "{ticks} ticks in the last second of 50 Hz"
    );
    assert_eq!(end(&sgascope(["report", dir, "-g", "nosuch"])).0, 2);
    assert_eq!(end(&sgascope(["report", dir, "username=NOBODY"])).0, 1);
}

#[test]
fn blueprint_verbs() {
    let path = fixture("19.3.blueprint.json");
    let path = path.to_str().unwrap();
    let shown = text(&sgascope(["blueprint", "show", path]));
    for word in ["KSUSESER", "2172", "ksusga_", "19.3.0.0.0"] {
        assert!(shown.contains(word), "{word} is missing");
    }
    let (code, message) = end(&sgascope(["blueprint", "check", path]));
    assert_eq!(code, 0, "{message}");
    // a field past the end of its structure is noticed, with its place in the document
    let mut blueprint: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    blueprint["structs"][0]["size"] = 100.into();
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.json");
    std::fs::write(&bad, blueprint.to_string()).unwrap();
    let checked = sgascope(["blueprint", "check", bad.to_str().unwrap(), "-f", "json"]);
    assert_eq!(checked.status.code(), Some(1));
    let findings: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let rules: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|f| f["rule"].as_str())
        .collect();
    assert!(rules.contains(&"size-contains-fields"), "{findings}");
    assert!(
        findings[0]["pointer"]
            .as_str()
            .unwrap()
            .starts_with("/structs/0"),
        "{findings}"
    );
}

#[test]
fn discover_lists_instances_of_every_name() {
    let _beside = shared();
    let prefixes = ["ora_pmon", "asm_pmon", "mdb_pmon", "xe_pmon", "db_pmon"];
    let _sims: Vec<Sim> = prefixes
        .iter()
        .enumerate()
        .map(|(i, prefix)| {
            Sim::start(
                &format!("NAME{i}"),
                &[
                    "--sessions",
                    "40",
                    "--processes",
                    "30",
                    "--pmon-prefix",
                    prefix,
                ],
            )
        })
        .collect();
    let seen = json(&sgascope(["discover", "-f", "json"]));
    let sids: Vec<&str> = seen["instances"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|i| i["sid"].as_str())
        .collect();
    for i in 0..prefixes.len() {
        assert!(sids.contains(&format!("NAME{i}").as_str()), "{sids:?}");
    }
    for instance in seen["instances"].as_array().unwrap() {
        let sid = instance["sid"].as_str().unwrap();
        if sid.starts_with("NAME") {
            let fixed = &instance["segments"][0];
            assert_eq!(
                fixed["mappings"], 2,
                "two mappings of the fixed area are one segment"
            );
            assert_eq!(instance["segments"].as_array().unwrap().len(), 4);
            assert_eq!(instance["version"]["release"], "19.3.0.0.0");
        }
    }
    let (code, _) = end(&sgascope(["dump"]));
    assert_eq!(code, 4, "several instances and none named");
}
