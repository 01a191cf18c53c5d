//! Gaps of a recording that the database's own history fills.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt32Type;
use serde_json::Value;

use super::number;
use crate::mutation::{batches, texts, u32s};
use crate::support::{Sim, end, json, sgascope, shared, wait_for};

/// Seconds that the recorder stays away.
const AWAY_S: i64 = 6;

/// Records for some seconds.
fn record(sid: &str, dir: &str) {
    let output = sgascope([
        "record",
        "-I",
        sid,
        "-r",
        "20",
        "-d",
        "3s",
        "--stats-every",
        "1s",
        "-q",
        "-o",
        dir,
    ]);
    assert!(output.status.success(), "{:?}", end(&output));
}

/// Number of each user.
fn users(dir: &Path) -> BTreeMap<String, u32> {
    let mut numbers = BTreeMap::new();
    for batch in batches(dir, "samples") {
        let ids = batch.column_by_name("user_id").unwrap();
        let ids = ids.as_primitive::<UInt32Type>();
        for (row, name) in texts(&batch, "username").into_iter().enumerate() {
            if let Some(name) = name.filter(|_| ids.is_valid(row)) {
                numbers.insert(name, ids.value(row));
            }
        }
    }
    numbers
}

/// A session of a user that was read before and after a time, µs: SID and SERIAL#.
fn stayed(dir: &Path, user: &str, (from_us, to_us): (i64, i64)) -> (u32, u32) {
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    for batch in batches(dir, "stats") {
        let (sids, serials) = (
            u32s(&batch, "session_id"),
            u32s(&batch, "session_serial_no"),
        );
        for (row, name) in texts(&batch, "username").into_iter().enumerate() {
            if name.as_deref() == Some(user) {
                let session = (sids[row], serials[row]);
                match crate::service::time(&batch, row) {
                    time if time <= from_us => before.insert(session),
                    time => time >= to_us && after.insert(session),
                };
            }
        }
    }
    *before.intersection(&after).next().unwrap()
}

fn cost(verb: &str, dir: &str, more: &[&str]) -> Value {
    json(&sgascope(
        [&["cost", verb, dir, "-f", "json"], more].concat(),
    ))
}

fn line<'a>(document: &'a Value, tenant: &str) -> &'a Value {
    let lines = document["tenants"].as_array().unwrap();
    lines.iter().find(|line| line["tenant"] == tenant).unwrap()
}

/// What was grown by.
fn more(after: &Value, before: &Value, tenant: &str, name: &str) -> i128 {
    let of = |document: &Value| number(&line(document, tenant)["quantities"][name]);
    of(after) - of(before)
}

/// Rows of V$ACTIVE_SESSION_HISTORY.
struct Spool(String);

impl Spool {
    /// A session in each of these seconds; every third in a wait.
    fn add(&mut self, seconds: &[i64], (sid, serial): (u32, u32), kind: &str, user: u32) {
        for second in seconds {
            let time = jiff::Timestamp::from_second(*second).unwrap();
            let (state, event) = match second % 3 {
                0 => ("WAITING", "log file sync"),
                _ => ("ON CPU", ""),
            };
            let time = time.strftime("%Y-%m-%d %H:%M:%S");
            self.0 += &format!("{second},{time},{sid},{serial},{kind},{user},{state},{event}\n");
        }
    }
}

/// What that comes to: DB time and CPU, µs.
fn spent(seconds: &[i64]) -> (i128, i128) {
    let cpu = seconds.iter().filter(|second| *second % 3 != 0).count();
    (seconds.len() as i128 * 1_000_000, cpu as i128 * 1_000_000)
}

/// The times of the gap that a report tells, and how much of it was imported; µs.
fn gap(report: &Value) -> (i64, i64, i64) {
    let gaps = report["meta"]["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let time = |name: &str| {
        let time: jiff::Timestamp = gaps[0][name].as_str().unwrap().parse().unwrap();
        time.as_microsecond()
    };
    (
        time("from"),
        time("to"),
        gaps[0]["imported_us"].as_i64().unwrap(),
    )
}

#[test]
fn a_gap_is_told_and_filled_by_the_databases_own_history() {
    let _beside = shared();
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("recording");
    let dir = path.to_str().unwrap().to_owned();
    let sim = Sim::start("GAPFILL", &["--sessions", "90", "--processes", "70"]);
    record("GAPFILL", &dir);
    let back = jiff::Timestamp::now().as_second() + AWAY_S;
    wait_for("the gap", super::LIMIT, || {
        jiff::Timestamp::now().as_second() >= back
    });
    record("GAPFILL", &dir);
    drop(sim);

    let before = cost("report", &dir, &[]);
    let (from_us, to_us, imported_us) = gap(&before);
    assert_eq!(imported_us, 0);
    let table = sgascope(["cost", "report", &dir]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("gap of GAPFILL: ") && table.contains("nothing imported"),
        "{table}"
    );
    let inside: Vec<i64> = (from_us / 1_000_000 + 2..to_us / 1_000_000 - 1).collect();
    assert!(inside.len() >= 2, "{from_us} to {to_us}");
    let last: jiff::Timestamp = before["meta"]["to"].as_str().unwrap().parse().unwrap();
    let later: Vec<i64> = (last.as_second() + 5..last.as_second() + 9).collect();

    let (soe, known) = (users(&path)["SOE"], stayed(&path, "SOE", (from_us, to_us)));
    let mut spool = Spool("SAMPLE_ID,SAMPLE_TIME,SESSION_ID,SESSION_SERIAL#,SESSION_TYPE,USER_ID,SESSION_STATE,EVENT\n".to_owned());
    // one that no reading saw, one that was there before and after, a process, a user that nobody knows, and
    // one after its last reading
    spool.add(&inside, (60_001, 5), "FOREGROUND", soe);
    spool.add(&inside, known, "FOREGROUND", soe);
    spool.add(&inside, (60_002, 5), "BACKGROUND", 0);
    spool.add(&inside, (60_003, 5), "FOREGROUND", 4_000_000);
    spool.add(&later, known, "FOREGROUND", soe);
    let csv = temp.path().join("ash.csv");
    std::fs::write(&csv, &spool.0).unwrap();
    let csv = csv.to_str().unwrap();
    let import = [
        "record",
        "import",
        "--time-zone",
        "UTC",
        "--ash-csv",
        csv,
        "-o",
        &dir,
    ];
    let output = sgascope(import);
    assert!(output.status.success(), "{:?}", end(&output));

    let after = cost("report", &dir, &[]);
    check_report(&before, &after, &inside, &later);
    check_audit(&dir, &after);
    check_deltas(&dir, &inside, &later);
    check_windows(&dir, &after, (from_us + to_us) / 2);
    check_ledger(&dir, &after, temp.path());
    check_focus(&dir, &after, temp.path());
    let table = String::from_utf8(sgascope(["cost", "report", &dir]).stdout).unwrap();
    assert!(
        table.contains("filled from imported samples: ")
            && table.contains("imported samples cover"),
        "{table}"
    );
}

fn check_report(before: &Value, after: &Value, inside: &[i64], later: &[i64]) {
    let (_, _, imported_us) = gap(after);
    let span = (inside.last().unwrap() - inside[0]) * 1_000_000;
    assert!(imported_us >= span, "{imported_us} of {span}");
    let all = [inside, later].concat();
    let (db, cpu) = spent(&all);
    assert_eq!(more(after, before, "SOE", "db_time_us"), db);
    assert_eq!(more(after, before, "SOE", "cpu_us"), cpu);
    assert_eq!(more(after, before, "SOE", "logical_reads"), 0);
    let soe = line(after, "SOE");
    assert_eq!(number(&soe["filled_cpu_us"]), cpu);
    assert_eq!(number(&soe["filled_db_time_us"]), db);
    assert_eq!(
        number(&soe["sessions"]) - number(&line(before, "SOE")["sessions"]),
        1,
        "one that nobody had read"
    );
    // the process is nobody's, and who can't be named isn't charged
    assert_eq!(more(after, before, "(idle)", "db_time_us"), spent(inside).0);
    assert!(number(&after["meta"]["refused"]["no_user_name"]) > 0);
    let refused = |report: &Value| number(&report["meta"]["refused_quantities"]["db_time_us"]);
    assert_eq!(refused(after) - refused(before), spent(inside).0);
    // CPU is 0.002 a second
    let cost = |document: &Value| super::amount(&line(document, "SOE")["charges"]["cpu_seconds"]);
    let grown = cost(after) - cost(before);
    assert!((grown - cpu / 1_000 * 2).abs() <= 1, "{grown} for {cpu} µs");
}

fn check_audit(dir: &str, report: &Value) {
    let audit = cost("audit", dir, &[]);
    assert_eq!(audit["conserved"], true);
    let soe = line(&audit, "SOE");
    assert_eq!(
        soe["filled_db_time_us"],
        line(report, "SOE")["filled_db_time_us"]
    );
    let counted = number(&line(report, "SOE")["quantities"]["db_time_us"]);
    let filled = number(&soe["filled_db_time_us"]);
    assert_eq!(
        number(&soe["db_time_us"]),
        counted - filled,
        "counters only"
    );
}

/// Filled rows say so.
fn check_deltas(dir: &str, inside: &[i64], later: &[i64]) {
    let found = cost("deltas", dir, &[]);
    let rows = found["deltas"].as_array().unwrap().iter();
    let filled: Vec<&Value> = rows.filter(|row| row["cpu_source"] == "samples").collect();
    let sum = |name: &str| filled.iter().map(|row| number(&row[name])).sum::<i128>();
    let (soe_db, soe_cpu) = spent(&[inside, later].concat());
    let (idle_db, idle_cpu) = spent(inside);
    assert_eq!(sum("db_time_us"), soe_db + idle_db);
    assert_eq!(sum("cpu_us"), soe_cpu + idle_cpu);
    assert_eq!(sum("logical_reads"), 0);
    let new = filled
        .iter()
        .find(|row| row["session_id"] == 60_001)
        .unwrap();
    assert_eq!(new["username"], "SOE", "the view has the number only");
    assert!(filled.iter().all(|row| row["session_id"] != 60_003));
}

/// Windows side by side add up, also through a gap.
fn check_windows(dir: &str, whole: &Value, middle_us: i64) {
    let middle = jiff::Timestamp::from_microsecond(middle_us)
        .unwrap()
        .to_string();
    let parts = ["--to", "--from"].map(|which| cost("report", dir, &[which, &middle]));
    for name in ["db_time_us", "cpu_us", "logical_reads"] {
        let sum: i128 = parts
            .iter()
            .map(|part| number(&part["total"]["quantities"][name]))
            .sum();
        assert_eq!(sum, number(&whole["total"]["quantities"][name]), "{name}");
    }
}

/// A ledger has all that a report has, once.
fn check_ledger(dir: &str, report: &Value, temp: &Path) {
    let ledger = temp.join("ledger").display().to_string();
    let first = cost("deltas", dir, &["--ledger", &ledger]);
    let again = cost("deltas", dir, &["--ledger", &ledger]);
    assert!(number(&first["letters"]) > 0);
    assert_eq!([&again["charged"], &again["letters"]].map(number), [0, 0]);
    let charged = super::files::lines(&Path::new(&ledger).join("charged.jsonl"));
    let sum: i128 = charged.iter().map(|row| number(&row["db_time_us"])).sum();
    assert_eq!(sum, number(&report["total"]["quantities"]["db_time_us"]));
}

/// FOCUS rows say how much of them was filled.
fn check_focus(dir: &str, report: &Value, temp: &Path) {
    let out = temp.join("focus").display().to_string();
    let output = sgascope(["cost", "export", dir, "-o", &out]);
    assert_eq!(end(&output).0, 0, "{:?}", end(&output));
    let mut filled = 0f64;
    for path in crate::service::files(Path::new(&out), ".csv") {
        for row in super::files::csv(&std::fs::read_to_string(path).unwrap()) {
            if row["SkuId"] == "cpu_seconds" && row["SubAccountId"] == "SOE" {
                filled += row["x_FilledQuantity"].parse::<f64>().unwrap();
            }
            let tells = ["cpu_seconds", "db_time_seconds"].contains(&row["SkuId"].as_str());
            assert_eq!(!row["x_FilledQuantity"].is_empty(), tells, "{row:?}");
        }
    }
    let expected = number(&line(report, "SOE")["filled_cpu_us"]) as f64 / 1e6;
    assert!((filled - expected).abs() < 1e-6, "{filled} of {expected}");
}
