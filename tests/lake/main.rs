//! Recordings read by others: DuckDB, pandas and Spark must give the figures that `sgascope report` gives, exactly.
//!
//! What they need from PyPI (requirements.txt) is installed once, below the target directory. Spark runs as a standalone
//! cluster of a master and two workers on the loopback interface (tools/fleet/cluster.py); it needs Java 17, and a machine
//! without Debian's `musl` package, which breaks Spark's snappy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../integration/support.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use serde_json::{Value, json};
use sgascope::record::{Reader, ScanOptions};
use support::{Sim, program, sgascope};
use tempfile::TempDir;

/// Recordings of three hosts, and a lake of them all.
struct Lake {
    dir: TempDir,
}

const HOSTS: [&str; 3] = ["db01.example.com", "db02.example.com", "007"];

impl Lake {
    fn get() -> &'static Lake {
        static LAKE: OnceLock<Lake> = OnceLock::new();
        LAKE.get_or_init(Lake::make)
    }

    fn make() -> Lake {
        let lake = Lake {
            dir: tempfile::tempdir().unwrap(),
        };
        std::thread::scope(|scope| {
            for (number, host) in HOSTS.iter().enumerate() {
                let lake = &lake;
                scope.spawn(move || record(number, host, &lake.recording(host)));
            }
        });
        for host in HOSTS {
            copy(&lake.recording(host), &lake.all());
        }
        lake
    }

    /// The recording of one host.
    fn recording(&self, host: &str) -> PathBuf {
        self.dir.path().join(host)
    }

    /// The recordings of all.
    fn all(&self) -> PathBuf {
        self.dir.path().join("all")
    }
}

/// Records an instance as a host of this name would: twice, so that side tables repeat rows in an hour.
fn record(number: usize, host: &str, to: &Path) {
    let sid = format!("LAKE{number}");
    let seed = (number + 1).to_string();
    let mut sim = Sim::start(
        &sid,
        &[
            "--release",
            "19.3",
            "--sessions",
            "120",
            "--workload",
            "oltp",
            "--seed",
            &seed,
        ],
    );
    for _ in 0..2 {
        // a host name of its own, for this process only
        let script = r#"hostname "$1" && shift && exec "$@""#;
        let output = Command::new("unshare")
            .args(["--uts", "sh", "-c", script, "sh", host])
            .arg(program())
            .args(["record", "-I", &sid, "-r", "40", "-d", "2s", "-q", "-o"])
            .arg(to)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{:?}", support::end(&output));
    }
    sim.stop();
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-rT").args([from, to]).status();
    assert!(status.unwrap().success());
}

/// One report, in the terms of each engine.
struct Case {
    report: Vec<String>,
    sql: Option<&'static str>,
    /// `Some("")` takes all rows; `None`: not for pandas.
    pandas: Option<&'static str>,
    window: Option<(String, String)>,
}

impl Case {
    fn new(groups: &str, words: &[&str], sql: Option<&'static str>) -> Case {
        let mut report = vec!["-g".to_owned(), groups.to_owned()];
        report.extend(words.iter().map(|w| (*w).to_owned()));
        Case {
            report,
            sql,
            pandas: None,
            window: None,
        }
    }

    fn pandas(mut self, condition: &'static str) -> Case {
        self.pandas = Some(condition);
        self
    }

    fn within(mut self, window: &(String, String)) -> Case {
        self.report
            .extend([format!("--from={}", window.0), format!("--to={}", window.1)]);
        self.window = Some(window.clone());
        self
    }

    /// The case as the scripts read it. `expected` is the recording whose report must come out of reading `lake`, only
    /// of `host` if that is said.
    fn json(&self, lake: &Path, host: Option<&str>, expected: &Path) -> Value {
        let mut report = self.report.clone();
        let expected = report_of(expected, &report);
        report.extend(host.map(|host| format!("--host={host}")));
        let (from, to) = self.window.clone().unzip();
        json!({
            "name": report.join(" "), "recording": lake, "report": report, "sql": self.sql, "pandas": self.pandas,
            "from": from, "to": to, "host": host, "whole": self.report.len() == 2,
            "sources": if host.is_some() { 1 } else { HOSTS.len() }, "expected": expected,
        })
    }
}

fn report_of(recording: &Path, words: &[String]) -> Value {
    let mut args = vec!["report".to_owned(), recording.display().to_string()];
    args.extend(words.iter().cloned());
    args.extend(["--top", "1000000", "-f", "json"].map(str::to_owned));
    let output = sgascope(&args);
    let report = support::json(&output);
    assert!(!report["rows"].as_array().unwrap().is_empty(), "{args:?}");
    report
}

/// A window that holds the inner half of a recording's ticks.
fn inner(recording: &Path) -> (String, String) {
    let ticks = Reader::open(recording)
        .unwrap()
        .scan("ticks", &ScanOptions::default())
        .unwrap();
    let mut times = Vec::new();
    for batch in ticks {
        let batch = batch.unwrap();
        let column = batch.column_by_name("sample_time").unwrap();
        times.extend_from_slice(column.as_primitive::<TimestampMicrosecondType>().values());
    }
    times.sort_unstable();
    let text = |us: i64| jiff::Timestamp::from_microsecond(us).unwrap().to_string();
    (
        text(times[times.len() / 4]),
        text(times[times.len() * 3 / 4]),
    )
}

/// A Python that has what requirements.txt says.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let (home, wanted) = (
        target.join("lake-venv"),
        fs::read_to_string(here("requirements.txt")).unwrap(),
    );
    let (python, stamp) = (home.join("bin/python"), home.join("installed.txt"));
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return;
        }
        let _ = fs::remove_dir_all(&home);
        run(Command::new("python3").args(["-m", "venv"]).arg(&home));
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-cache-dir",
            "--disable-pip-version-check",
            "-r",
        ];
        run(Command::new(&python)
            .args(pip)
            .arg(here("requirements.txt")));
        fs::write(&stamp, wanted).unwrap();
    });
    python
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn here(name: &str) -> PathBuf {
    root().join("tests/lake").join(name)
}

/// Runs a command, which must be good; what it printed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{out}\n{err}",
        output.status
    );
    out
}

fn write(dir: &TempDir, cases: Vec<Value>) -> PathBuf {
    let path = dir.path().join("cases.json");
    fs::write(&path, serde_json::to_vec(&cases).unwrap()).unwrap();
    path
}

#[test]
fn duckdb_and_pandas_give_the_same_figures() {
    let lake = Lake::get();
    let one = lake.recording(HOSTS[0]);
    let window = inner(&one);
    let of_one = [
        Case::new("event,wait_class", &[], None).pandas(""),
        Case::new("username,sql_id", &[], None).pandas(""),
        Case::new(
            "program,module,event",
            &["username=S%"],
            Some("username LIKE 'S%'"),
        )
        .pandas("username.str.startswith('S').fillna(False)"),
        Case::new(
            "sql_id,session_id",
            &["event!=ON CPU"],
            Some("event IS DISTINCT FROM 'ON CPU'"),
        )
        .within(&window),
        Case::new("event", &[], None).within(&window).pandas(""),
        Case::new(
            "wait_class",
            &["--recursive", "exclude"],
            Some("session_kind IS DISTINCT FROM 'RECURSIVE'"),
        )
        .within(&window),
        Case::new(
            "sql_id",
            &["-w", "event LIKE 'db file%' OR sql_id IS NULL"],
            Some("event LIKE 'db file%' OR sql_id IS NULL"),
        ),
    ];
    let of_all = [
        Case::new("event", &[], None).pandas(""),
        Case::new("machine,username", &[], None).within(&window),
    ];
    let mut cases: Vec<Value> = of_one
        .iter()
        .map(|case| case.json(&one, None, &one))
        .collect();
    // every column there is, so that none is lost or changed by a view
    for column in sgascope::decode::columns::sample_columns() {
        cases.push(Case::new(column.ash, &[], None).json(&one, None, &one));
    }
    let all = lake.all();
    cases.extend(of_all.iter().map(|case| case.json(&all, None, &all)));
    let dir = tempfile::tempdir().unwrap();
    let cases = write(&dir, cases);
    let told = run(Command::new(python())
        .arg(here("with_duckdb.py"))
        .arg(&cases)
        .arg(root().join("tools/sql")));
    println!("{told}");
    let told = run(Command::new(python())
        .arg(here("with_pandas.py"))
        .arg(&cases));
    println!("{told}");
}

#[test]
fn spark_gives_the_same_reports_row_for_row() {
    for musl in ["/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"] {
        assert!(
            !Path::new(musl).exists(),
            "{musl} makes Spark load the wrong snappy: remove the package musl"
        );
    }
    let lake = Lake::get();
    // a lake of its own, in which a sync has left a hot file behind
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().join("lake");
    copy(&lake.all(), &all);
    let window = inner(&lake.recording(HOSTS[1]));
    let mut cases: Vec<Value> = HOSTS
        .iter()
        .map(|host| {
            Case::new("event,wait_class", &[], None).json(&all, Some(host), &lake.recording(host))
        })
        .collect();
    let of_all = [
        Case::new("username,program,sql_id", &[], None),
        Case::new("session_id,p1,sql_exec_start,in_parse", &[], None).within(&window),
        Case::new(
            "sql_id",
            &["username=S%", "event!=ON CPU", "--recursive", "exclude"],
            None,
        ),
        Case::new(
            "event",
            &[
                "-w",
                "wait_class IN ('User I/O', 'ON CPU') AND NOT (sid < 50)",
            ],
            None,
        )
        .within(&window),
    ];
    cases.extend(of_all.iter().map(|case| case.json(&all, None, &all)));
    hot_file(&all);
    let cases = write(&dir, cases);
    let cluster = ["--workers", "2", "--memory", "768m", "--"];
    let told = run(Command::new(python())
        .arg(root().join("tools/fleet/cluster.py"))
        .args(cluster)
        .env(MARK, &all)
        .arg(python())
        .arg(here("with_spark.py"))
        .arg(&cases));
    println!("{told}");
    assert_eq!(processes_of(&all), 0, "processes of the cluster are left");
}

/// Puts a file that is no Parquet beside one of `ticks`.
fn hot_file(lake: &Path) {
    let mut dir = lake.join("ticks");
    while let Some(entry) = fs::read_dir(&dir)
        .unwrap()
        .flatten()
        .find(|e| e.path().is_dir())
    {
        dir = entry.path();
    }
    fs::write(
        dir.join("part-20260101T000000Z-0000.arrows"),
        b"still being written",
    )
    .unwrap();
}

/// In the environment of all processes of the cluster.
const MARK: &str = "SGASCOPE_TEST_LAKE";

/// How many processes of the cluster that read this lake there are.
fn processes_of(lake: &Path) -> usize {
    let mark = format!("{MARK}={}\0", lake.display());
    let environments = fs::read_dir("/proc").unwrap().flatten();
    environments
        .filter_map(|entry| fs::read(entry.path().join("environ")).ok())
        .filter(|environment| String::from_utf8_lossy(environment).contains(&mark))
        .count()
}
