//! `record import`: rows of V$ACTIVE_SESSION_HISTORY and DBA_HIST_ACTIVE_SESS_HISTORY fill gaps of recordings.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Sim, end, json, sgascope};

const HEAD: &str = "SAMPLE_ID,SAMPLE_TIME,SESSION_ID,SESSION_SERIAL#,SESSION_STATE,EVENT,WAIT_CLASS,SQL_ID,SQL_EXEC_ID,P1";

/// A spool of a number of seconds from `start`: in each the sessions 1 to (second mod 4), so that every fourth is idle.
fn spool(
    dir: &TempDir,
    name: &str,
    start: jiff::Timestamp,
    seconds: i64,
    step: usize,
    head: &str,
) -> (PathBuf, u64) {
    let mut text = format!("{HEAD}{head}\n");
    let mut rows = 0;
    for second in (0..seconds).step_by(step) {
        let time = start + jiff::SignedDuration::from_secs(second);
        let time = time.strftime("%d-%b-%y %I.%M.%S.%f %p");
        for sid in 1..=(second / step as i64) % 4 {
            let (state, event, class) = match sid {
                1 => ("ON CPU", "", ""),
                _ => ("WAITING", "db file sequential read", "User I/O"),
            };
            let extra = if head.is_empty() { "" } else { ",77" };
            text += &format!(
                "{},\"{time}\",{sid},7,{state},{event},{class},abc,{sid},-1{extra}\n",
                1000 + second
            );
            rows += 1;
        }
    }
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    (path, rows)
}

fn import(csv: &Path, to: &Path, more: &[&str]) -> Value {
    let paths = [
        "record",
        "import",
        "--time-zone",
        "UTC",
        "-f",
        "json",
        "--ash-csv",
    ];
    let mut args: Vec<String> = paths.map(str::to_owned).to_vec();
    args.extend([
        csv.display().to_string(),
        "-o".into(),
        to.display().to_string(),
    ]);
    args.extend(more.iter().map(|word| (*word).to_owned()));
    json(&sgascope(&args))
}

fn report(recording: &Path, words: &[&str]) -> Value {
    let dir = recording.display().to_string();
    let mut args = vec!["report", dir.as_str(), "-f", "json", "--top", "1000"];
    args.extend(words);
    json(&sgascope(&args))
}

fn start() -> jiff::Timestamp {
    "2026-11-20T22:55:01Z".parse().unwrap()
}

/// All files below a directory, but locks.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.file_name() != "recording.lock" {
            found.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn reports_of_an_import_are_what_the_file_counts() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("rec");
    let of = ["--host", "db01", "--instance", "ORCL"];
    // over an hour's end; the last second has rows, the first has none
    let (csv, rows) = spool(&dir, "ash.csv", start(), 600, 1, "");
    let told = import(&csv, &recording, &of);
    // what is watched begins with the first row
    assert_eq!(
        (&told["rows"], &told["ticks"], &told["covered"]),
        (&rows.into(), &599.into(), &0.into()),
        "{told}"
    );
    let found = report(&recording, &["-g", "event,source"]);
    assert_eq!(found["meta"]["elapsed_seconds"], 599.0);
    assert_eq!(found["meta"]["total_seconds"], rows as f64);
    assert_eq!(found["meta"]["aas"], rows as f64 / 599.0);
    // of four seconds one has one row on CPU, one has two rows, one has three
    let shown: Vec<(&str, f64)> = found["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["event"].as_str().unwrap(),
                row["total_seconds"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [("ON CPU", 450.0), ("db file sequential read", 450.0)]
    );
    assert!(
        found["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["source"] == "ash")
    );

    let before = files(&recording);
    let again = import(&csv, &recording, &[]);
    assert_eq!(
        (&again["rows"], &again["covered"], &again["ticks"]),
        (&0.into(), &rows.into(), &0.into())
    );
    assert_eq!(files(&recording), before, "nothing is added");

    // the AWR's rows of the same time and of before: only those of before count, ten seconds each
    let early = start() - jiff::SignedDuration::from_secs(400);
    let (csv, all) = spool(&dir, "hist.csv", early, 800, 10, ",SNAP_ID");
    let told = import(&csv, &recording, &[]);
    assert_eq!(told["source"], "dba_hist");
    let (added, covered) = (
        told["rows"].as_u64().unwrap(),
        told["covered"].as_u64().unwrap(),
    );
    assert_eq!(added + covered, all);
    let found = report(&recording, &["-g", "source"]);
    let seconds = |source: &str| {
        let rows = found["rows"].as_array().unwrap();
        rows.iter().find(|row| row["source"] == source).unwrap()["total_seconds"]
            .as_f64()
            .unwrap()
    };
    assert_eq!(seconds("ash"), rows as f64);
    assert_eq!(seconds("dba_hist"), 10.0 * added as f64);
    let before = report(&recording, &["-g", "source", "--to", &start().to_string()]);
    assert_eq!(
        before["meta"]["total_seconds"],
        10.0 * added as f64,
        "all of before"
    );
    assert_eq!(added, 60, "40 samples, 0 to 3 rows each in turn");
}

#[test]
fn what_a_recording_has_is_not_counted_twice() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("rec");
    let mut sim = Sim::start(
        "BACKF",
        &[
            "--release",
            "19.3",
            "--sessions",
            "60",
            "--workload",
            "oltp",
        ],
    );
    let to = recording.display().to_string();
    let output = sgascope([
        "record", "-I", "BACKF", "-r", "20", "-d", "4s", "-q", "-o", &to,
    ]);
    assert!(output.status.success(), "{:?}", end(&output));
    sim.stop();
    let alone = report(&recording, &["-g", "event"]);
    let time =
        |name: &str| -> jiff::Timestamp { alone["meta"][name].as_str().unwrap().parse().unwrap() };
    let (first, last) = (time("from"), time("to"));
    // whole seconds from a minute before the recording to a minute after it
    let begin = jiff::Timestamp::from_second(first.as_second() - 60).unwrap();
    let seconds = last.as_second() + 60 - begin.as_second();
    let (csv, rows) = spool(&dir, "ash.csv", begin, seconds, 1, "");
    // host and instance are the recording's
    let told = import(&csv, &recording, &[]);
    let (added, covered) = (
        told["rows"].as_u64().unwrap(),
        told["covered"].as_u64().unwrap(),
    );
    assert_eq!(added + covered, rows);
    let both = report(&recording, &["-g", "event"]);
    let us =
        |report: &Value, name: &str| (report["meta"][name].as_f64().unwrap() * 1e6).round() as u64;
    let total = |report: &Value| us(report, "total_seconds");
    assert_eq!(total(&both), total(&alone) + added * 1_000_000);
    let (from, until) = (
        first.to_string(),
        (last + jiff::SignedDuration::from_micros(1)).to_string(),
    );
    let inside = report(
        &recording,
        &["-g", "event", "--from", &from, "--to", &until],
    );
    assert_eq!(
        inside["rows"], alone["rows"],
        "within the recording's time nothing is added"
    );
    // what was watched grows by the seconds outside only
    let watched = |report: &Value| us(report, "elapsed_seconds");
    let ticks = told["ticks"].as_u64().unwrap();
    assert_eq!(watched(&both), watched(&alone) + ticks * 1_000_000);
    let expected = seconds as u64 * 1_000_000;
    assert!(
        watched(&both).abs_diff(expected) <= 3_000_000,
        "{} of {seconds} s",
        watched(&both)
    );
}

#[test]
fn damaged_files_are_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("rec");
    let row = "1,2026-11-21 10:00:00,1,7,WAITING,x,,abc,1,5";
    for (text, code, expected) in [
        (
            String::new(),
            6,
            "line 1: expected a line with names of columns",
        ),
        (
            "a,b\n1,2\n".into(),
            6,
            "line 1: expected names of columns of V$ACTIVE_SESSION_HISTORY",
        ),
        (
            format!("{HEAD},P1\n{row},1\n"),
            6,
            "expected each column once, found P1 again",
        ),
        (
            format!("{HEAD}\n{row}\n{row},9\n"),
            6,
            "line 3: expected 10 fields",
        ),
        (
            format!("{HEAD}\n{row}\n\n2 rows selected.\n"),
            6,
            "line 4: expected 10 fields",
        ),
        (
            format!("{HEAD}\n{row}\n1,noon,1,7,WAITING,x,,abc,1,5\n"),
            6,
            "line 3, column SAMPLE_TIME: expected a time like",
        ),
        (
            format!("{HEAD}\n{row}\n1,03/04/2026 10:00:00,1,7,WAITING,x,,abc,1,5\n"),
            6,
            "found \"03/04/2026 10:00:00\"",
        ),
        (
            format!("{HEAD}\n{row}\n1,2026-11-21 10:00:00,1,7,WAITING,x,,abc,1,1.5E+10\n"),
            6,
            "line 3, column P1: expected a whole number",
        ),
        (
            format!("{HEAD}\n{row}\n1,2026-11-21 10:00:00,4294967296,7,WAITING,x,,abc,1,5\n"),
            6,
            "column SESSION_ID",
        ),
        (
            format!("{HEAD}\n{row}\nx,2026-11-21 10:00:00,1,7,WAITING,x,,abc,1,5\n"),
            6,
            "line 3, column SAMPLE_ID",
        ),
        (
            format!("{HEAD}\n{row}\n1,\"2026-11-21 10:00:00,1"),
            6,
            "line 3: expected a closing quote",
        ),
        (
            format!("{HEAD}\n{row}\n\"1\"x,2026-11-21 10:00:00,1,7,WAITING,x,,abc,1,5\n"),
            6,
            "line 3: expected a comma",
        ),
        (format!("{HEAD}\n"), 1, ""),
    ] {
        let csv = dir.path().join("bad.csv");
        fs::write(&csv, &text).unwrap();
        let (csv, to) = (csv.display().to_string(), recording.display().to_string());
        let output = sgascope([
            "record",
            "import",
            "--ash-csv",
            &csv,
            "-o",
            &to,
            "--host",
            "h",
            "-I",
            "X",
            "--time-zone",
            "UTC",
        ]);
        let (found, told) = end(&output);
        assert_eq!(found, code, "{text:?}: {told}");
        assert!(told.contains(expected), "{text:?}: {told}");
        assert!(files(&recording).is_empty(), "{text:?} left something");
    }
}

#[test]
fn arguments_of_both_forms_of_record() {
    let (code, told) = end(&sgascope(["record", "import"]));
    assert_eq!(code, 2, "{told}");
    let (code, told) = end(&sgascope(["record"]));
    assert_eq!(code, 2, "{told}");
    let dir = tempfile::tempdir().unwrap();
    let (csv, _) = spool(&dir, "ash.csv", start(), 8, 1, "");
    let (csv, to) = (
        csv.display().to_string(),
        dir.path().join("rec").display().to_string(),
    );
    // whose rows, and in which zone
    for missing in [&["--time-zone", "UTC"][..], &["--host", "h", "-I", "X"]] {
        let mut args = vec!["record", "import", "--ash-csv", &csv, "-o", &to];
        args.extend(missing);
        let (code, told) = end(&sgascope(&args));
        assert_eq!(code, 2, "{told}");
        assert!(
            told.contains("--host") || told.contains("--time-zone"),
            "{told}"
        );
    }
    assert!(files(&dir.path().join("rec")).is_empty());
}
