//! `--shuffle-layout` with neither truth nor prior: what the bytes prove, and nothing guessed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Sim, json, sgascope};

/// Text columns that the workload fills with three or more characters in many sessions.
const TEXTS: [&str; 8] = [
    "KSUUDLNA", "KSUUDNAM", "KSUUDSNA", "KSUSEUNM", "KSUSEMNM", "KSUSEPID", "KSUSEPNM", "KSUSEXNM",
];
const PROVEN: [(&str, &str); 7] = [
    ("KSUSENUM", "KSUSENUM"),
    ("KSUSESQL", "KSUSESQL"),
    ("KSUSESQH", "KSUSESQH"),
    ("sql_id_high", "(sql_id_high)"),
    ("KSUSEPSQ", "KSUSEPSQ"),
    ("KSUSEPHA", "KSUSEPHA"),
    ("prev_sql_id_high", "(prev_sql_id_high)"),
];

/// Learned where only one place looks so.
const BY_CHARACTER: [(&str, &str); 5] = [
    ("KSUSEFLG", "KSUSEFLG"),
    ("KSSPAFLG", "KSSPAFLG"),
    ("KSUSESER", "KSUSESER"),
    ("KSUSEOPC", "KSUSEOPC"),
    ("stats_ptr", "(statistics)"),
];

/// What is learned by character stands at its true place; what isn't decided claims no offset. Whether the places
/// reported as ambiguous contain the true one isn't asserted.
fn characters_are_true(report: &Value, columns: &Value, seed: u64) {
    for (field, member) in BY_CHARACTER {
        for line in lines(report, field) {
            let fits = match line["verdict"].as_str().unwrap() {
                "learned" => line["offset"] == columns[member],
                "ambiguous" => line["offset"].is_null(),
                other => other == "no evidence",
            };
            assert!(fits, "seed {seed}: {line} not {}", columns[member]);
        }
    }
}

fn lines<'a>(report: &'a Value, field: &'a str) -> impl Iterator<Item = &'a Value> {
    report["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(move |l| l["field"] == field)
}

fn seed(seed: u64) {
    let text = seed.to_string();
    let sid = format!("CLB{seed}");
    let args = [
        "--sessions",
        "400",
        "--processes",
        "300",
        "--rate",
        "2000",
        "--seed",
        &text,
        "--shuffle-layout",
        &text,
        "--no-executable",
    ];
    let sim = Sim::start(&sid, &args);
    let out = sim.file("blind.json").display().to_string();
    let report = json(&sgascope([
        "blueprint",
        "calibrate",
        "-I",
        &sid,
        "--rounds",
        "14",
        "--interval",
        "200ms",
        "-o",
        &out,
        "-f",
        "json",
    ]));
    let layout = sim.json_file("layout.json");
    let columns = &layout["session"]["columns"];
    assert_eq!(
        (report["rows"].as_u64(), &report["row_bytes"]),
        (Some(400), &layout["session"]["stride"])
    );
    for (field, member) in PROVEN {
        let found: Vec<&Value> = lines(&report, field).collect();
        assert_eq!(found.len(), 1, "seed {seed}: {field}: {report:#}");
        assert_eq!(
            (&found[0]["verdict"], &found[0]["offset"]),
            (&"learned".into(), &columns[member]),
            "seed {seed}: {field}"
        );
    }
    characters_are_true(&report, columns, seed);
    let texts: BTreeSet<u64> = lines(&report, "(text)")
        .flat_map(|l| l["alternatives"].as_array().unwrap())
        .map(|o| o.as_u64().unwrap())
        .collect();
    for column in TEXTS {
        assert!(
            texts.contains(&columns[column].as_u64().unwrap()),
            "seed {seed}: {column} isn't among {texts:?}"
        );
    }
    assert!(
        lines(&report, "(text)")
            .chain(lines(&report, "(time)"))
            .all(|l| l["verdict"] == "ambiguous")
    );
    blueprint_is_true(&sim.json_file("blind.json"), &layout);
}

/// Nothing in the blueprint but what was proven, and that where it is.
fn blueprint_is_true(blueprint: &Value, layout: &Value) {
    for strukt in blueprint["structs"].as_array().unwrap() {
        for field in strukt["fields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            let handle = &layout["handle"];
            let place = match (strukt["name"].as_str().unwrap(), name) {
                ("ksuse", _) => {
                    let member = PROVEN
                        .iter()
                        .chain(&BY_CHARACTER)
                        .find(|p| p.0 == name)
                        .expect("only what is proven")
                        .1;
                    layout["session"]["columns"][member].as_u64()
                }
                ("kglhd", "text") => handle["text"].as_u64(),
                ("kglhd", "text_len") => handle["length"].as_u64(),
                ("kglhd", "sql_id_high") => handle["full_hash"].as_u64().map(|o| o + 8),
                ("kglhd", "sql_id_low") => handle["full_hash"].as_u64().map(|o| o + 12),
                _ => continue,
            };
            assert_eq!(field["offset"].as_u64(), place, "{}.{name}", strukt["name"]);
        }
    }
}

#[test]
fn seeds_31_to_40() {
    (31..=40).for_each(seed);
}

#[test]
fn seeds_41_to_50() {
    (41..=50).for_each(seed);
}

/// Before anything ran, the bytes prove no statement: nothing is claimed, nothing fails.
#[test]
fn an_idle_instance_gives_the_array_and_no_more() {
    let args = [
        "--sessions",
        "200",
        "--processes",
        "150",
        "--workload",
        "idle",
        "--start-paused",
        "--shuffle-layout",
        "60",
        "--no-executable",
    ];
    let sim = Sim::start("CLB60", &args);
    let report = json(&sgascope([
        "blueprint",
        "calibrate",
        "-I",
        "CLB60",
        "--rounds",
        "2",
        "--interval",
        "50ms",
        "-f",
        "json",
    ]));
    let layout = sim.json_file("layout.json");
    let ordinal: Vec<&Value> = lines(&report, "KSUSENUM").collect();
    assert_eq!(
        ordinal[0]["offset"],
        layout["session"]["columns"]["KSUSENUM"]
    );
}
