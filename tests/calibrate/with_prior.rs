//! `--shift-blocks` with the blueprint of the release before: whole blocks of members have moved, the executable is
//! withheld, and no truth is there. What is claimed is right, and it is enough to read sessions by.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Sim, end, json, sgascope};
use crate::with_truth::{self, offsets_are_true, passes_check};

/// What must be known in the end.
const COLUMNS: [&str; 7] = [
    "sid",
    "serial_no",
    "status",
    "username",
    "program",
    "event",
    "sql_id",
];
/// The shipped blueprint of the synthetic instance, without event names.
const SHIPPED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/blueprints/synthetic/sgasim-19.3.json"
);

/// The blueprint of an instance whose blocks haven't moved, with its event names; and its file.
fn before_the_update() -> &'static (tempfile::TempDir, PathBuf) {
    static PRIOR: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    PRIOR.get_or_init(|| {
        let sim = Sim::start(
            "CLP",
            &["--sessions", "40", "--processes", "40", "--start-paused"],
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("prior.json");
        let binary = sim.file("bin/oracle").display().to_string();
        let out = file.display().to_string();
        let extracted = sgascope([
            "blueprint",
            "extract",
            "--binary",
            &binary,
            "-I",
            "CLP",
            "-o",
            &out,
        ]);
        assert!(extracted.status.success(), "{:?}", end(&extracted));
        (dir, file)
    })
}

fn start(sid: &str, seed: u64, moved: &str) -> Sim {
    let text = seed.to_string();
    let args = [
        "--sessions",
        "160",
        "--processes",
        "130",
        "--rate",
        "4000",
        "--seed",
        &text,
        moved,
        &text,
        "--no-executable",
    ];
    Sim::start(sid, &args)
}

fn learn(sim: &Sim, prior: &str) -> Value {
    let out = sim.file("learned.json").display().to_string();
    json(&sgascope([
        "blueprint",
        "calibrate",
        "-I",
        &sim.sid,
        "--blueprint",
        prior,
        "--rounds",
        "20",
        "--interval",
        "150ms",
        "-o",
        &out,
        "-f",
        "json",
    ]))
}

fn dump(sim: &Sim) -> (BTreeMap<u64, Value>, BTreeMap<u64, Value>) {
    sim.pause();
    let learned = sim.file("learned.json").display().to_string();
    let found = json(&sgascope([
        "dump",
        "-I",
        &sim.sid,
        "--blueprint",
        &learned,
        "--sql-text",
        "full",
        "-f",
        "json",
    ]));
    let by_sid = |d: &Value| {
        let rows = d["sessions"].as_array().unwrap().iter();
        rows.map(|s| (s["sid"].as_u64().unwrap(), s.clone()))
            .collect()
    };
    (by_sid(&found), by_sid(&sim.json_file("expected.json")))
}

fn same(
    (found, wanted): &(BTreeMap<u64, Value>, BTreeMap<u64, Value>),
    columns: &[&str],
    seed: u64,
) {
    assert!(wanted.len() > 80 && found.keys().eq(wanted.keys()));
    for (sid, want) in wanted {
        for column in columns {
            assert_eq!(
                found[sid][*column], want[*column],
                "seed {seed}: {column} of {sid}"
            );
        }
    }
}

fn seed(seed: u64) {
    let (_, prior) = before_the_update();
    let sim = start(&format!("CLP{seed}"), seed, "--shift-blocks");
    let report = learn(&sim, &prior.display().to_string());
    let blueprint = sim.json_file("learned.json");
    offsets_are_true(&blueprint, &sim.json_file("layout.json"));
    for line in report["lines"].as_array().unwrap() {
        let claimed = line["verdict"] == "learned";
        assert_eq!(claimed, line["offset"].is_u64(), "seed {seed}: {line}");
    }
    passes_check(&sim);
    let both = dump(&sim);
    same(&both, &COLUMNS, seed);
    texts_are_right(&both, &statements(&sim), seed);
}

/// The simulator's own account of its statements: SQL_ID to text.
fn statements(sim: &Sim) -> BTreeMap<String, String> {
    let account = std::fs::read_to_string(sim.file("sql.jsonl")).unwrap();
    let lines = account.lines().map(|l| {
        let line: Value = serde_json::from_str(l).unwrap();
        let of = |name: &str| line[name].as_str().unwrap().to_owned();
        (of("sql_id"), of("text"))
    });
    lines.collect()
}

/// Each current statement's text is shown, and is what the simulator wrote.
fn texts_are_right(
    (found, wanted): &(BTreeMap<u64, Value>, BTreeMap<u64, Value>),
    statements: &BTreeMap<String, String>,
    seed: u64,
) {
    let running = wanted
        .iter()
        .filter_map(|(sid, w)| Some((sid, w["sql_id"].as_str()?)));
    let mut count = 0;
    for (sid, sql_id) in running {
        let text = found[sid]["sql_text"].as_str();
        assert_eq!(
            text,
            statements.get(sql_id).map(String::as_str),
            "seed {seed}: {sid}"
        );
        count += 1;
    }
    assert!(count > 0, "seed {seed}: nobody runs anything");
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

/// The shipped blueprint serves as well, but for names of events.
#[test]
fn a_prior_without_event_names_gives_their_numbers() {
    let sim = start("CLP50", 50, "--shift-blocks");
    learn(&sim, SHIPPED);
    let columns = [
        "sid",
        "serial_no",
        "status",
        "username",
        "program",
        "event_no",
        "sql_id",
    ];
    same(&dump(&sim), &columns, 50);
    let blueprint = sim.json_file("learned.json");
    let sources = blueprint["sources"].as_array().unwrap();
    let prior = sources.iter().find(|s| s["kind"] == "prior").unwrap();
    assert_eq!(prior["sha256"].as_str().unwrap().len(), 64);
}

/// With a truth besides, the prior only fills gaps between members that moved alike.
#[test]
fn a_truth_learns_and_the_prior_fills_in() {
    let args = [
        "--sessions",
        "160",
        "--processes",
        "130",
        "--rate",
        "100",
        "--seed",
        "56",
        "--shift-blocks",
        "56",
        "--no-executable",
        "--scripted",
    ];
    let sim = Sim::start("CLP56", &args);
    let report = with_truth::learn(&sim, SHIPPED);
    let blueprint = sim.json_file("learned.json");
    offsets_are_true(&blueprint, &sim.json_file("layout.json"));
    passes_check(&sim);
    let fields = blueprint["structs"][0]["fields"].as_array().unwrap();
    let of = |source: &str| fields.iter().filter(|f| f["source"] == source).count();
    assert!(of("prior") > 0 && of("calibration") > 60, "{report:#}");
}

/// A layout in another order is noticed: nothing but what the bytes prove is claimed.
#[test]
fn another_layout_is_no_neighbour() {
    for seed in 51..=55 {
        let sim = start(&format!("CLP{seed}"), seed, "--shuffle-layout");
        let report = learn(&sim, SHIPPED);
        let blueprint = sim.json_file("learned.json");
        offsets_are_true(&blueprint, &sim.json_file("layout.json"));
        let fields = blueprint["structs"][0]["fields"].as_array().unwrap();
        assert!(fields.iter().all(|f| f["source"] == "calibration"));
        let remarks = report["remarks"].to_string();
        assert!(remarks.contains("no neighbour of the prior"), "{remarks}");
    }
}

/// A prior that isn't one is refused before anything is read.
#[test]
fn a_prior_must_be_a_blueprint() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("some.json");
    let calibrate = |file: &str| {
        let run = sgascope(["blueprint", "calibrate", "-I", "NONE", "--blueprint", file]);
        end(&run)
    };
    let name = file.display().to_string();
    assert_eq!(calibrate(&name).0, 6, "there is no such file");
    std::fs::write(&file, "{}").unwrap();
    let (code, message) = calibrate(&name);
    assert!(
        code == 6 && message.contains("some.json"),
        "{code} {message}"
    );
}
