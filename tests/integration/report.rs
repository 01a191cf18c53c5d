//! `report` as a user types it: conditions, several groupings, baselines, stacks, memory.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::big::{self, Big};
use crate::support::{end, json, program, sgascope, shared};

/// 3 sessions at 10 Hz for 100 s.
fn small(dir: &Path) {
    let small = Big {
        sessions: 3,
        rows: 3_000,
        group: 500,
        statements: 3_000,
        execs: u64::MAX,
    };
    big::write(dir, &small);
}

fn report(dir: &Path, words: &[&str]) -> Value {
    let mut args = vec![
        "report",
        dir.to_str().unwrap(),
        "-f",
        "json",
        "--top",
        "10000",
    ];
    args.extend(words);
    json(&sgascope(args))
}

fn seconds(report: &Value) -> f64 {
    let rows = report["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| row["total_seconds"].as_f64().unwrap())
        .sum()
}

#[test]
fn conditions_divide_what_there_is() {
    let _side_by_side = shared();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rec");
    small(&dir);
    let all = seconds(&report(&dir, &[]));
    assert!((all - 300.0).abs() < 1e-6, "{all}");
    for condition in [
        "event LIKE '%1%'",
        "p1 BETWEEN 100 AND 300",
        "sid IN (1, 3) AND Event <> 'ON CPU'",
    ] {
        let with = seconds(&report(&dir, &["-w", condition]));
        let without = seconds(&report(&dir, &["-w", &format!("NOT ({condition})")]));
        assert!(with > 0.0 && without > 0.0, "{condition}");
        assert!(
            (with + without - all).abs() < 1e-6,
            "{condition}: {with} + {without}"
        );
    }
    // As words say it.
    let by_word = report(&dir, &["event=ON CPU", "sid=2"]);
    assert_eq!(
        by_word,
        report(&dir, &["-w", "event = 'ON CPU' and sid = 2"])
    );
    // A time in a condition chooses samples; how long was watched is the window's.
    let late = report(&dir, &["-w", "sample_time >= '2026-07-26 00:00:50'"]);
    assert_eq!(late["meta"]["elapsed_seconds"], 100.0);
    assert!((seconds(&late) - 150.0).abs() < 1e-6);

    let run = sgascope([
        "report",
        dir.to_str().unwrap(),
        "-w",
        "sid = 1 and evnt = 'x'",
    ]);
    let (code, message) = end(&run);
    assert_eq!(code, 2);
    assert!(
        message.contains("is it event?") && message.contains("\n              ^"),
        "{message}"
    );
}

#[test]
fn several_groupings_come_from_one_pass() {
    let _side_by_side = shared();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rec");
    small(&dir);
    let both = report(&dir, &["-g", "event", "-g", "username,sid"]);
    let reports = both["reports"].as_array().unwrap();
    assert_eq!(reports[0], report(&dir, &["-g", "event"]));
    assert_eq!(reports[1], report(&dir, &["-g", "username,sid"]));
    let text = sgascope([
        "report",
        dir.to_str().unwrap(),
        "-g",
        "event",
        "-g",
        "username,sid",
    ]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("\nBy username, session_id: 3 of 3 groups\n"),
        "{text}"
    );
    assert_eq!(text.matches("watched").count(), 1);
    let run = sgascope([
        "report",
        dir.to_str().unwrap(),
        "-g",
        "event",
        "-g",
        "sid",
        "-f",
        "csv",
    ]);
    assert_eq!(end(&run).0, 2);
}

#[test]
fn a_window_is_compared_with_an_earlier_one_and_with_another_recording() {
    let _side_by_side = shared();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rec");
    small(&dir);
    let words = [
        "--from",
        "-50s",
        "--baseline-to",
        "-50s",
        "-g",
        "session_kind",
    ];
    let found = report(&dir, &words);
    let row = &found["rows"][0];
    assert_eq!(row["change"], "same");
    assert!((row["aas_before"].as_f64().unwrap() - 3.0).abs() < 1e-9);
    assert!((row["aas_after"].as_f64().unwrap() - 3.0).abs() < 1e-9);

    let more = temp.path().join("more");
    let big = Big {
        sessions: 5,
        rows: 5_000,
        group: 500,
        statements: 3_000,
        execs: u64::MAX,
    };
    big::write(&more, &big);
    let run = sgascope([
        "report",
        "--baseline",
        dir.to_str().unwrap(),
        more.to_str().unwrap(),
        "-g",
        "session_kind",
    ]);
    let text = String::from_utf8(run.stdout.clone()).unwrap();
    assert_eq!(end(&run).0, 0, "{text}");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(
        words.join(" ").contains("3.00 5.00 +2.00") && words.contains(&"more"),
        "{text}"
    );
    let run = sgascope([
        "report",
        "--baseline",
        "/nonexistent",
        more.to_str().unwrap(),
    ]);
    assert_eq!(end(&run).0, 1);
}

#[test]
fn stacks_hold_all_the_time() {
    let _side_by_side = shared();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rec");
    small(&dir);
    let file = |name: &str| temp.path().join(name);
    let run = sgascope([
        "report".as_ref(),
        dir.as_os_str(),
        "--flame".as_ref(),
        file("flame.svg").as_os_str(),
        "--speedscope".as_ref(),
        file("speedscope.json").as_os_str(),
        "--folded".as_ref(),
        file("folded.txt").as_os_str(),
        "--flame-by".as_ref(),
        "username,sql_id,event".as_ref(),
    ]);
    assert_eq!(end(&run).0, 0);
    let folded = fs::read_to_string(file("folded.txt")).unwrap();
    let us = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
    assert_eq!(folded.lines().map(us).sum::<u64>(), 300_000_000);
    assert!(folded.lines().all(|line| line.matches(';').count() == 2));
    let document: Value =
        serde_json::from_str(&fs::read_to_string(file("speedscope.json")).unwrap()).unwrap();
    assert_eq!(document["profiles"][0]["endValue"], 300.0);
    let svg = fs::read_to_string(file("flame.svg")).unwrap();
    assert!(
        svg.contains("all: 300.00 s, 100.00 %") && svg.contains("ON CPU"),
        "no root"
    );
}

/// Rows aren't held: four times as many, with the same statements, executions and sessions in them,
/// take no more memory.
#[test]
fn rows_are_not_held_in_memory() {
    let _side_by_side = shared();
    let temp = tempfile::tempdir().unwrap();
    let peak = |rows: u64| -> u64 {
        let dir = temp.path().join(rows.to_string());
        let big = Big {
            sessions: 20,
            rows,
            group: 20_000,
            statements: 5,
            execs: 2,
        };
        big::write(&dir, &big);
        let mut command = Command::new("python3");
        command.args(["-c", PEAK]).arg(program()).arg("report");
        command
            .arg(&dir)
            .args(["-g", "event", "-g", "username,program,event", "--ci"]);
        let run = command.output().unwrap();
        let (code, message) = end(&run);
        assert_eq!(code, 0, "{message}");
        let active = format!("{}.00 s active", rows / 10);
        assert!(String::from_utf8_lossy(&run.stdout).contains(&active));
        message.trim().parse().unwrap()
    };
    let (few, many) = (peak(600_000), peak(2_400_000));
    let found = format!("{few} KiB for 600,000 rows, {many} KiB for 2,400,000");
    println!("peak resident memory: {found}");
    assert!(many * 100 < few * 115, "{found}");
}

/// Runs a program and says on standard error how much memory it held at most, in KiB.
const PEAK: &str = "import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";
