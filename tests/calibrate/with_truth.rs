//! `--shuffle-layout` with a spool of truth: what is learned reads every column right.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Sim, end, json, sgascope, simulator};

const RELEASES: [&str; 3] = ["19.3", "12.1", "23.5"];
/// Members that no column shows, by their names in the blueprint.
const HIDDEN: [(&str, &str); 7] = [
    ("owner", "(owner)"),
    ("stats_ptr", "(statistics)"),
    ("modact_ptr", "(module_action)"),
    ("sql_id_high", "(sql_id_high)"),
    ("prev_sql_id_high", "(prev_sql_id_high)"),
    ("wait_stamp", "(wait_stamp)"),
    ("call_stamp", "(call_stamp)"),
];

fn start(seed: u64) -> Sim {
    let seed_text = seed.to_string();
    let args = [
        "--release",
        RELEASES[seed as usize % 3],
        "--sessions",
        "400",
        "--processes",
        "300",
        "--rate",
        "100",
        "--seed",
        &seed_text,
        "--shuffle-layout",
        &seed_text,
        "--no-executable",
        "--scripted",
    ];
    Sim::start(&format!("CLT{seed}"), &args)
}

/// Learns with truth, and a prior or `auto` for none.
pub fn learn(sim: &Sim, prior: &str) -> Value {
    let truth = sim.file("truth");
    let command = format!(
        "{} truth-spool --dir {} -o {}",
        simulator().display(),
        sim.dir.path().display(),
        truth.display()
    );
    let (truth, blueprint) = (
        truth.display().to_string(),
        sim.file("learned.json").display().to_string(),
    );
    let args = [
        "blueprint",
        "calibrate",
        "-I",
        &sim.sid,
        "--blueprint",
        prior,
        "--truth",
        &truth,
        "--truth-command",
        &command,
        "--rounds",
        "8",
        "--interval",
        "300ms",
        "-o",
        &blueprint,
        "-f",
        "json",
    ];
    json(&sgascope(args))
}

/// Columns of the sessions that the dump shows as expected, shows wrong, and doesn't show.
fn compare(dump: &Value, expected: &Value) -> [Vec<String>; 3] {
    let by_sid = |d: &Value| -> BTreeMap<u64, Value> {
        let rows = d["sessions"].as_array().unwrap();
        rows.iter()
            .map(|s| (s["sid"].as_u64().unwrap(), s.clone()))
            .collect()
    };
    let (found, wanted) = (by_sid(dump), by_sid(expected));
    assert!(
        wanted.len() > 100 && found.keys().eq(wanted.keys()),
        "the sessions in use"
    );
    let absent = dump["meta"]["absent"].as_object().unwrap();
    let mut ends: [Vec<String>; 3] = Default::default();
    let columns = wanted.values().next().unwrap().as_object().unwrap();
    for column in columns.keys().filter(|c| !c.starts_with('_')) {
        let differ: Vec<u64> = wanted
            .iter()
            .filter(|(sid, want)| found[sid].get(column) != want.get(column))
            .map(|(sid, _)| *sid)
            .collect();
        match (absent.contains_key(column), differ.first()) {
            (true, _) => ends[2].push(column.clone()),
            (false, None) => ends[0].push(column.clone()),
            (false, Some(sid)) => {
                let (have, want) = (&found[sid][column], &wanted[sid][column]);
                ends[1].push(format!(
                    "{column} of {} sessions, e.g. {sid}: {have}, not {want}",
                    differ.len()
                ));
            }
        }
    }
    ends
}

/// Members of the process row that no column shows.
const HIDDEN_OF_PROCESS: (&str, &str) = ("session_addr", "(session)");

/// Every offset of the process row is where the simulator put the member; returns how many there are.
fn processes_are_true(blueprint: &Value, layout: &Value) -> usize {
    let structs = blueprint["structs"].as_array().unwrap();
    let ksupr = structs.iter().find(|s| s["name"] == "ksupr").unwrap();
    let fields = ksupr["fields"].as_array().unwrap();
    for field in fields {
        let name = field["name"].as_str().unwrap();
        let member = match name == HIDDEN_OF_PROCESS.0 {
            true => HIDDEN_OF_PROCESS.1,
            false => name,
        };
        assert_eq!(
            field["offset"], layout["process"]["columns"][member],
            "ksupr.{name}"
        );
    }
    assert_eq!(ksupr["size"], layout["process"]["stride"]);
    let arrays = blueprint["arrays"].as_array().unwrap();
    assert!(arrays.iter().any(|a| a["name"] == "processes"));
    fields.len()
}

/// Every offset in the blueprint is where the simulator put the member.
pub fn offsets_are_true(blueprint: &Value, layout: &Value) {
    let structs = blueprint["structs"].as_array().unwrap();
    let ksuse = structs.iter().find(|s| s["name"] == "ksuse").unwrap();
    let fields = ksuse["fields"].as_array().unwrap();
    for field in fields {
        let name = field["name"].as_str().unwrap();
        let member = HIDDEN.iter().find(|h| h.0 == name).map_or(name, |h| h.1);
        assert_eq!(
            field["offset"], layout["session"]["columns"][member],
            "{name}"
        );
    }
    assert_eq!(ksuse["size"], layout["session"]["stride"]);
}

/// `blueprint check` finds nothing wrong with what was learned.
pub fn passes_check(sim: &Sim) {
    let file = sim.file("learned.json").display().to_string();
    let check = sgascope(["blueprint", "check", &file]);
    assert!(
        check.status.success(),
        "{}{:?}",
        String::from_utf8_lossy(&check.stdout),
        end(&check)
    );
}

fn seed(seed: u64) {
    let sim = start(seed);
    let report = learn(&sim, "auto");
    assert!(
        report["seconds"].as_f64().unwrap() < 60.0
            && report["bytes_read"].as_u64().unwrap() > 1 << 20
    );
    let blueprint = sim.json_file("learned.json");
    offsets_are_true(&blueprint, &sim.json_file("layout.json"));
    let of_processes = processes_are_true(&blueprint, &sim.json_file("layout.json"));
    assert!(of_processes >= 8, "seed {seed}: {blueprint:#}");
    passes_check(&sim);
    sim.pause();
    let file = sim.file("learned.json").display().to_string();
    let dump = json(&sgascope([
        "dump",
        "-I",
        &sim.sid,
        "--blueprint",
        &file,
        "-f",
        "json",
    ]));
    let [right, wrong, missing] = compare(&dump, &sim.json_file("expected.json"));
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    let share = right.len() as f64 / (right.len() + missing.len()) as f64;
    assert!(share >= 0.95, "seed {seed}: {share}: {missing:?}");
}

#[test]
fn seeds_1_to_7() {
    (1..=7).for_each(seed);
}

#[test]
fn seeds_8_to_14() {
    (8..=14).for_each(seed);
}

#[test]
fn seeds_15_to_20() {
    (15..=20).for_each(seed);
}

/// Truth of another start of the instance is refused, with the reason.
#[test]
fn foreign_truth_is_refused() {
    let sim = start(21);
    let truth = sim.file("truth");
    std::fs::create_dir_all(&truth).unwrap();
    let args = |truth: &str| sgascope(["blueprint", "calibrate", "-I", &sim.sid, "--truth", truth]);
    let truth_dir = truth.display().to_string();
    let (code, message) = end(&args(&truth_dir));
    assert!(
        code == 6 && message.contains("x_ksuse.csv"),
        "{code} {message}"
    );
    std::fs::write(
        truth.join("x_ksuse.csv"),
        "ADDR,INDX\n00007F0000001000,1\n00007F0000003000,2\n",
    )
    .unwrap();
    let (code, message) = end(&args(&truth_dir));
    assert!(
        code == 5 && message.contains("another start"),
        "{code} {message}"
    );
    std::fs::write(truth.join("x_ksuse.csv"), "ADDR,INDX\n1\n").unwrap();
    let (code, message) = end(&args(&truth_dir));
    assert!(code == 6 && message.contains("line 2"), "{code} {message}");
}
