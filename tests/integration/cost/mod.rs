//! `cost` over real recordings of a synthetic instance that tells what each session consumed.

mod files;
mod gaps;
mod relay;
mod warp;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::mutation::batches;
use crate::service::{LIMIT, Recording};
use crate::support::{Sim, end, json, sgascope, shared, wait_for};
use warp::Warp;

/// How much faster clocks go: ten hours are three minutes. Faster, and the few milliseconds that a process may
/// have to wait for a CPU were more than the time between two readings.
const FACTOR: i64 = 200;
const HOURS: i64 = 10;
/// On the programs' wall clock; midnight comes in between.
const BEGIN: &str = "2031-03-14T20:00:00Z";
/// Twice what the simulator counts at most in a second.
const LIMITS: &str = "\
currency = \"EUR\"
[prices]
cpu_seconds = { price = \"0.002\" }
logical_reads = { price = \"0.0005\", per = 10000 }
physical_reads = { price = \"0.005\", per = 1000 }
temp_gib = { price = \"0.01\" }
pga_gib_seconds = { price = \"0.0001\" }
[limits]
cpus = 2
logical_reads = 10000
physical_reads = 800
temp_bytes = 33554432
";
const TENANTS: &str = include_str!("../../../examples/tenants.toml");

/// What `examples/tenants.toml` makes of a user, by another table.
fn tenant(kind: &str, user: &str) -> &'static str {
    match (kind, user) {
        ("USER", "SOE") => "SHOP",
        ("USER", "HR") => "PEOPLE",
        ("USER", "REPORTING") => "ANALYTICS",
        ("USER", "APP_BATCH") => "BATCH",
        ("USER", _) => "(unmapped)",
        _ => "(idle)",
    }
}

/// A recording of an instance whose every session was metered.
struct Metered {
    temp: tempfile::TempDir,
    dir: PathBuf,
    truth: Vec<Value>,
}

impl Metered {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.temp.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn cost(&self, verb: &str, more: &[&str]) -> Output {
        let dir = self.dir.display().to_string();
        sgascope([&["cost", verb, &dir], more].concat())
    }
}

fn has_rows(dir: &Path, table: &str) -> bool {
    let mut stack = vec![dir.join(table)];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => stack.push(entry.path()),
                false if entry.metadata().unwrap().len() > 0 => return true,
                false => {}
            }
        }
    }
    false
}

/// Records so many hours in so many lives of the instance.
fn record(sid: &str, hours: i64, lives: i64) -> Metered {
    let temp = tempfile::tempdir().unwrap();
    let (dir, meter) = (
        temp.path().join("recording"),
        temp.path().join("meter.jsonl"),
    );
    let meter_path = meter.display().to_string();
    let warp = Warp::new(temp.path(), FACTOR, BEGIN.parse().unwrap());
    let args = [
        "--workload",
        "idle",
        "--sessions",
        "90",
        "--processes",
        "70",
        "--start-paused",
        "--meter",
        &meter_path,
    ];
    let start = || Sim::with(sid, &args, |command| warp.apply(command));
    let mut sim = start();
    let begin = warp.seconds();
    let options = ["-r", "0.1", "--follow", "--flush", "60s"];
    let mut recording = Recording::with(sid, &dir, &options, |command| warp.apply(command));
    // before the first reading nothing may move that it would have to know
    wait_for("the first reading", LIMIT, || has_rows(&dir, "stats"));
    for life in 1..=lives {
        sim.resume();
        let until = begin + hours * 3600 * life / lives;
        wait_for("hours", 5 * LIMIT, || warp.seconds() >= until);
        sim.stop();
        recording.wait_event("instance_gone");
        drop(sim);
        if life == lives {
            break;
        }
        sim = start();
        recording.wait_event("instance_back");
    }
    recording.end();
    let truth = fs::read_to_string(&meter).unwrap();
    let truth = truth.lines().map(|l| serde_json::from_str(l).unwrap());
    Metered {
        truth: truth.collect(),
        temp,
        dir,
    }
}

fn number(value: &Value) -> i128 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        Value::Number(n) => n.to_string().parse().unwrap(),
        other => panic!("no number: {other}"),
    }
}

/// An amount in last digits.
fn amount(value: &Value) -> i128 {
    let text = value.as_str().unwrap();
    assert_eq!(text.split_once('.').unwrap().1.len(), 6, "{text}");
    text.replace('.', "").parse().unwrap()
}

/// Longest time between two readings, µs.
fn longest_gap(dir: &Path) -> i64 {
    let mut times = BTreeSet::new();
    for batch in batches(dir, "stats") {
        times.extend((0..batch.num_rows()).map(|row| crate::service::time(&batch, row)));
    }
    let times: Vec<i64> = times.into_iter().collect();
    times.windows(2).map(|t| t[1] - t[0]).max().unwrap()
}

/// Metrics: the name in reports, the name in the truth, what one of the truth's is.
const COUNTED: [(&str, &str, i128); 6] = [
    ("cpu_us", "cpu_cs", 10_000),
    ("logical_reads", "logical_reads", 1),
    ("physical_reads", "physical_reads", 1),
    ("temp_growth_bytes", "temp_bytes", 1),
    ("temp_byte_us", "temp_byte_us", 1),
    ("user_calls", "user_calls", 1),
];

fn check_truth(metered: &Metered, report: &Value, deltas: &[Value]) {
    let seen: HashSet<(u64, u64)> = deltas
        .iter()
        .map(|d| {
            (
                d["session_id"].as_u64().unwrap(),
                d["session_serial_no"].as_u64().unwrap(),
            )
        })
        .collect();
    let gap = longest_gap(&metered.dir);
    let mut sums: BTreeMap<&str, BTreeMap<&str, i128>> = BTreeMap::new();
    let mut unread = 0;
    for line in &metered.truth {
        let key = (
            line["sid"].as_u64().unwrap(),
            line["serial"].as_u64().unwrap(),
        );
        if !seen.contains(&key) {
            // it lived between two readings, or never did anything
            let alive = line["alive_us"].as_i64().unwrap();
            assert!(alive <= gap, "{line} was never seen in {gap} µs");
            unread += 1;
            continue;
        }
        let whose = tenant(
            line["kind"].as_str().unwrap(),
            line["username"].as_str().unwrap(),
        );
        for (name, told, unit) in COUNTED {
            *sums.entry(whose).or_default().entry(name).or_default() += number(&line[told]) * unit;
        }
    }
    assert!(unread * 5 < metered.truth.len(), "{unread} were never seen");
    for (whose, truth) in &sums {
        let line = report["tenants"].as_array().unwrap();
        let line = line.iter().find(|l| l["tenant"] == **whose).unwrap();
        let (found, unobserved) = (&line["quantities"], &line["unobserved"]);
        for (name, true_sum) in truth {
            let found = number(&found[*name]);
            let bound = match *name {
                "user_calls" => continue,
                name => number(&unobserved[format!("{name}_bound")]),
            };
            let missing = true_sum - found;
            println!("{whose} {name}: truth {true_sum}, found {found}, bound {bound}");
            assert!(
                missing <= bound,
                "{whose} {name}: {missing} of {true_sum} missing, bound {bound}"
            );
            match *name {
                "temp_byte_us" => {
                    assert!(-missing <= bound, "{whose} {name}: {found} > {true_sum}")
                }
                _ => assert!(missing >= 0, "{whose} {name}: {found} > {true_sum}"),
            }
            // the bound says something; temporary space grows only up to a level, so less of it
            let least = if *name == "temp_growth_bytes" { 1 } else { 2 };
            assert!(
                *whose == "(idle)" || bound * least < *true_sum,
                "{whose} {name}: {bound} of {true_sum}"
            );
        }
    }
    assert!(sums.len() >= 6, "{:?}", sums.keys());
}

fn check_conserved(report: &Value, audit: &Value) {
    assert_eq!(audit["conserved"], true);
    assert_eq!(
        report["meta"]["refused"],
        serde_json::json!({}),
        "nothing is impossible"
    );
    let lines = report["tenants"].as_array().unwrap();
    for (name, total) in audit["total"].as_object().unwrap() {
        let sum: i128 = lines.iter().map(|l| number(&l["quantities"][name])).sum();
        assert_eq!(sum, number(total), "{name}");
        assert_eq!(
            number(&report["total"]["quantities"][name]),
            number(total),
            "{name}"
        );
    }
    let cost: i128 = lines.iter().map(|l| amount(&l["cost"])).sum();
    assert_eq!(cost, amount(&report["total"]["cost"]));
    assert!(cost > 0);
}

/// What counters say of DB time and what samples say of it differ by what sampling and calls under way explain.
fn check_reconciles(report: &Value, audit: &Value) {
    let lines = audit["tenants"].as_array().unwrap();
    let mut busy = 0;
    for line in lines.iter().filter(|l| l["tenant"] != "(idle)") {
        let (counted, sampled) = (
            number(&line["db_time_us"]),
            number(&line["sampled_db_time_us"]),
        );
        let whose = report["tenants"].as_array().unwrap();
        let whose = whose
            .iter()
            .find(|l| l["tenant"] == line["tenant"])
            .unwrap();
        // four standard deviations, and calls whose end no reading saw
        let bound = 2 * number(&line["sampled_db_time_margin_us"])
            + number(&whose["unobserved"]["cpu_us_bound"]);
        println!(
            "{}: counted {counted}, sampled {sampled}, bound {bound}",
            line["tenant"]
        );
        assert!((counted - sampled).abs() <= bound, "{line}: bound {bound}");
        busy += i32::from(bound < sampled);
    }
    assert!(busy >= 4, "{audit}");
}

#[test]
fn ten_hours_with_restarts_equal_the_truth_within_the_bound() {
    let _beside = shared();
    let metered = record("TENH", HOURS, 3);
    let prices = metered.file("prices.toml", LIMITS);
    let tenants = metered.file("tenants.toml", TENANTS);
    let rules = ["--prices", &prices, "--tenants", &tenants];
    let as_json = [&rules[..], &["-f", "json"]].concat();
    let report = json(&metered.cost("report", &as_json));
    let audit = json(&metered.cost("audit", &as_json));
    let deltas = metered.cost("deltas", &rules);
    let (code, said) = end(&deltas);
    assert_eq!(code, 0, "{said}");
    let deltas: Vec<Value> = String::from_utf8(deltas.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // the story had what it was to have
    let how = |how: &str| metered.truth.iter().filter(|l| l["how"] == how).count();
    assert!(
        how("logoff") > 20 && how("kill") > 0,
        "{} logoffs, {} kills",
        how("logoff"),
        how("kill")
    );
    let sids: BTreeSet<u64> = metered
        .truth
        .iter()
        .map(|l| l["sid"].as_u64().unwrap())
        .collect();
    assert!(
        metered.truth.len() > sids.len() + 100,
        "SIDs are used again"
    );
    assert!(
        metered
            .truth
            .iter()
            .filter(|l| l["how"] == "instance")
            .count()
            > 60
    );
    let span = number(&report["meta"]["instance_hours_us"]);
    assert!(span > 9 * 3_600_000_000, "{span} µs were read");
    check_truth(&metered, &report, &deltas);
    check_conserved(&report, &audit);
    check_reconciles(&report, &audit);
    check_windows(&metered, &rules, &report);
    check_idle(&metered, &rules, &report);
    files::check_letters(&metered, &audit);
    files::check_quota(&metered);
    files::check_focus(&metered, &rules);
}

/// Windows side by side add up to the whole.
fn check_windows(metered: &Metered, rules: &[&str], report: &Value) {
    let middle = "-4h17m";
    let of =
        |more: &[&str]| json(&metered.cost("report", &[rules, &["-f", "json"], more].concat()));
    let (before, after) = (of(&["--to", middle]), of(&["--from", middle]));
    for name in [
        "cpu_us",
        "logical_reads",
        "physical_reads",
        "temp_growth_bytes",
    ] {
        let sum = [&before, &after].map(|r| number(&r["total"]["quantities"][name]));
        assert!(sum[0] > 0 && sum[1] > 0);
        let whole = number(&report["total"]["quantities"][name]);
        assert_eq!(sum[0] + sum[1], whole, "{name}");
    }
}

/// Whatever becomes of what is nobody's, lines add up to the total.
fn check_idle(metered: &Metered, rules: &[&str], report: &Value) {
    let hours = LIMITS.replace("[prices]", "instance_hour = \"0.37\"\n[prices]");
    let prices = metered.file("hours.toml", &hours);
    for idle in ["row", "share", "drop"] {
        let more = [
            "-f",
            "json",
            "--idle",
            idle,
            "--prices",
            &prices,
            "--tenants",
            rules[3],
        ];
        let found = json(&metered.cost("report", &more));
        let lines = found["tenants"].as_array().unwrap();
        let cost: i128 = lines.iter().map(|l| amount(&l["cost"])).sum();
        assert_eq!(cost, amount(&found["total"]["cost"]), "{idle}");
        let own = lines.iter().find(|l| l["tenant"] == "(idle)");
        match idle {
            "row" => assert!(amount(&own.unwrap()["cost"]) > 3_000_000),
            "share" => assert_eq!(amount(&own.unwrap()["cost"]), 0),
            _ => assert!(own.is_none() && cost <= amount(&report["total"]["cost"])),
        }
    }
}
