//! Columns without a public place, inferred ones, recursive sessions, several instances.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::dump_truth::compare;
use crate::mutation::{batches, texts};
use crate::support::{Sim, end, json, sgascope, shared, truth};

const BLOCKING_STATUSES: [&str; 4] = ["VALID", "UNKNOWN", "NO HOLDER", "NOT IN WAIT"];
const SERVERS: [&str; 5] = ["DEDICATED", "SHARED", "PSEUDO", "POOLED", "NONE"];

/// Looks at most at a running instance until everything has occurred in one of them.
const LOOKS: usize = 60;

/// Dumps of an instance that is paused now and then, each equal to the simulator's own account of
/// it, until `enough` has been seen in them: what sessions do at one moment is chance.
fn looks(sid: &str, args: &[&str], enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let size = ["--sessions", "300", "--processes", "220"];
    let sim = Sim::start(sid, &[&size, args].concat());
    let mut dumps = Vec::new();
    while dumps.len() < LOOKS {
        std::thread::sleep(Duration::from_millis(if dumps.is_empty() {
            2500
        } else {
            200
        }));
        sim.pause();
        let dump = json(&sgascope(["dump", "-I", sid, "-f", "json"]));
        compare(&dump, &sim.json_file("expected.json"));
        sim.resume();
        dumps.push(dump);
        if enough(&dumps) {
            break;
        }
    }
    dumps
}

fn sessions(dump: &Value) -> &Vec<Value> {
    dump["sessions"].as_array().unwrap()
}

fn words<'a>(dumps: &'a [Value], column: &str) -> BTreeSet<&'a str> {
    let sessions = dumps.iter().flat_map(sessions);
    sessions.filter_map(|s| s[column].as_str()).collect()
}

/// Whether a column has a value in some session.
fn shown(dumps: &[Value], column: &str) -> bool {
    let mut sessions = dumps.iter().flat_map(sessions);
    sessions.any(|s| !s[column].is_null())
}

/// Why a column is absent, if it is.
fn why(dump: &Value, column: &str) -> Option<String> {
    dump["meta"]["absent"][column].as_str().map(str::to_owned)
}

/// The columns that the manual lists, in dumps: name to why it may be missing.
fn listed() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/columns.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|l| l.starts_with("| ")).skip(1);
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].to_owned(), cells[6].to_owned())
    })
    .filter(|(name, _)| !name.is_empty())
    .collect()
}

/// Every column is non-null in some row of an instance whose layout stores it, or it is absent with
/// the reason that the manual lists. A reason is given where nothing is stored, too.
#[test]
fn every_column_is_shown_or_its_absence_is_in_the_manual() {
    let _beside = shared();
    let listed = listed();
    assert!(listed.len() > 110, "{listed:?}");
    let plain = looks("COLPLAIN", &[], |_| true);
    let revealed = looks("COLSHOWN", &["--revealed"], |dumps| {
        let due = listed.keys().filter(|c| why(&dumps[0], c).is_none());
        let mut due = due.filter(|c| *c != "read_flags");
        due.all(|column| shown(dumps, column))
            && words(dumps, "blocking_session_status").len() >= BLOCKING_STATUSES.len()
            && words(dumps, "server").len() >= SERVERS.len()
    });
    for (column, reason) in &listed {
        let manual = |why: String, dumps: &[Value]| {
            let said = !reason.is_empty() && why.starts_with(reason);
            assert!(said, "{column}: {why}");
            assert!(!shown(dumps, column), "{column} is absent and shown");
        };
        match why(&revealed[0], column) {
            None => assert!(
                shown(&revealed, column) || column == "read_flags",
                "{column} is null everywhere in {} looks",
                revealed.len()
            ),
            Some(why) if column == "wait_observed_us" => assert!(why.contains("one look"), "{why}"),
            Some(why) => manual(why, &revealed),
        }
        // where the layout doesn't store it, the reason is the manual's
        if let Some(why) = why(&plain[0], column).filter(|_| column != "wait_observed_us") {
            manual(why, &plain);
        }
    }
    // nothing is called inferred that is stored
    let inferred = |dumps: &[Value]| dumps[0]["meta"]["inferred"].as_object().unwrap().clone();
    assert!(inferred(&plain)["server"].is_string());
    assert!(!inferred(&revealed).contains_key("server"));
    assert_eq!(
        inferred(&plain).len(),
        inferred(&revealed).len() + 3,
        "server, last_call_et, seconds_in_wait"
    );
    // every code occurred
    let statuses = words(&revealed, "blocking_session_status");
    assert_eq!(statuses, BTreeSet::from(BLOCKING_STATUSES));
    assert_eq!(words(&revealed, "server"), BTreeSet::from(SERVERS));
}

/// 12.1 packs blockers with 16 bits, and 32 is no kind of failover there.
#[test]
fn revealed_columns_of_12_follow_its_own_rules() {
    let _beside = shared();
    let valid = |dumps: &[Value]| -> Vec<Value> {
        let all = dumps.iter().flat_map(sessions);
        let valid = all.filter(|s| s["blocking_session_status"] == "VALID");
        valid.cloned().collect()
    };
    let dumps = looks("COLSHOWN12", &["--revealed", "--release", "12.1"], |d| {
        !valid(d).is_empty()
    });
    let blocked = valid(&dumps);
    assert!(!blocked.is_empty());
    let instance = |s: &Value| s["blocking_instance"].as_u64();
    assert!(blocked.iter().all(|s| instance(s) <= Some(4)));
    assert!(!words(&dumps, "failover_type").contains("AUTO"));
}

/// Which form the 4-byte times have is learned at attach, from rows whose logon is known.
#[test]
fn packed_times_are_recognised() {
    let _beside = shared();
    for release in ["12.1", "19.3", "23.5"] {
        let sid = format!("PACK{}", &release[..2]);
        let times = |dumps: &[Value]| !words(dumps, "prev_exec_start").is_empty();
        let dumps = looks(&sid, &["--packed-times", "--release", release], times);
        assert!(times(&dumps), "{release}: nothing compared");
    }
}

#[test]
fn servers_are_inferred_from_the_process() {
    let _beside = shared();
    let expected = BTreeSet::from(["DEDICATED", "SHARED", "POOLED", "NONE"]);
    let all = |dumps: &[Value]| expected.is_subset(&words(dumps, "server"));
    let dumps = looks("COLPOOL", &["--pooled"], all);
    assert!(all(&dumps), "{:?}", words(&dumps, "server"));
    for s in dumps.iter().flat_map(sessions) {
        let process = s["paddr"] != "00" && s["server"] != "PSEUDO";
        assert_eq!(s["os_pid"].is_u64(), process, "{s}");
    }
}

/// Arup Nanda's experiment of 2010: a user's session and a recursive one on one process, and
/// background processes with theirs.
#[test]
fn recursive_sessions_and_whom_they_serve() {
    let _beside = shared();
    let sim = Sim::start("RECUR", &["--sessions", "300", "--processes", "220"]);
    let mut served_kinds = BTreeSet::new();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(300));
        sim.pause();
        let all = json(&sgascope(["dump", "-I", "RECUR", "-f", "json"]));
        let hidden = json(&sgascope([
            "dump",
            "-I",
            "RECUR",
            "-f",
            "json",
            "--recursive",
            "only",
        ]));
        sim.resume();
        let meta = &hidden["meta"]["recursive"];
        let rows = sessions(&hidden);
        assert_eq!(meta["count"].as_u64(), Some(rows.len() as u64));
        let share = rows.len() as f64 / 300.0;
        assert!((meta["share_of_slots"].as_f64().unwrap() - share).abs() < 1e-4);
        for row in rows {
            assert_eq!(row["session_kind"], "RECURSIVE");
            assert_eq!(row["in_v_session"], false);
            assert!(row["age_s"].is_u64());
            let Some(sid) = row["serves_sid"].as_u64() else {
                assert_eq!(row["paddr"], "00", "attached, yet serves nobody: {row}");
                continue;
            };
            let served = sessions(&all).iter().find(|s| s["sid"] == sid).unwrap();
            assert_eq!(served["serial_no"], row["serves_serial_no"]);
            assert_eq!(served["in_v_session"], true);
            assert_eq!(
                (&served["paddr"], &served["os_pid"]),
                (&row["paddr"], &row["os_pid"])
            );
            served_kinds.insert(served["session_kind"].as_str().unwrap().to_owned());
        }
        if served_kinds.len() == 2 {
            break;
        }
    }
    let both = BTreeSet::from(["USER".to_owned(), "BACKGROUND".to_owned()]);
    assert_eq!(
        served_kinds, both,
        "neither kind was seen to have a recursive session"
    );
}

#[test]
fn a_watch_says_how_long_recursive_sessions_live() {
    let _beside = shared();
    let sim = Sim::start(
        "WATCHED",
        &[
            "--sessions",
            "200",
            "--processes",
            "150",
            "--truth",
            "/dev/null",
        ],
    );
    let refused = sgascope(["dump", "-I", "WATCHED", "--watch", "1s"]);
    assert_eq!(end(&refused).0, 2, "--watch is for recursive sessions");
    drop(sim);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let mut sim = Sim::start(
        "WATCHED",
        &["--sessions", "200", "--processes", "150", "--truth", &path],
    );
    let watched = json(&sgascope([
        "dump",
        "-I",
        "WATCHED",
        "--recursive",
        "only",
        "--watch",
        "3s",
        "-f",
        "json",
    ]));
    sim.stop();
    let truth = truth(file.path());
    let lives = watched["recursive"].as_array().unwrap();
    let meta = &watched["meta"];
    assert_eq!(meta["count"].as_u64(), Some(lives.len() as u64));
    assert!(meta["whole_lives"].as_u64() > Some(5), "{meta}");
    let median = meta["lived_at_least_median_s"].as_f64().unwrap();
    assert!(median <= meta["lived_at_least_max_s"].as_f64().unwrap());
    for life in lives {
        let states = &truth[&(life["sid"].as_u64().unwrap() as u32)];
        let serial = life["serial_no"].as_u64().unwrap() as u32;
        let own: Vec<_> = states.iter().filter(|s| s.serial == serial).collect();
        let began = own.iter().find(|s| s.in_use && s.kind == 'R');
        let began = began.unwrap_or_else(|| panic!("no such recursive session: {life}"));
        // a life that was seen to end has ended, and was no shorter than what was seen of it
        let ended = own.iter().find(|s| !s.in_use);
        if life["ended_while_watched"] == true {
            let true_s = (ended.unwrap().end_ns - began.begin_ns) as f64 / 1e9;
            assert!(
                life["lived_at_least_s"].as_f64().unwrap() <= true_s,
                "{life}: {true_s}"
            );
        }
    }
}

#[test]
fn several_instances_at_once() {
    let _beside = shared();
    let size = ["--sessions", "60", "--processes", "50"];
    let one = Sim::start("MANYA", &size);
    let _two = Sim::start("MANYB", &[&size[..], &["--release", "12.1"]].concat());
    let both = ["-I", "MANYB", "-I", "MANYA"];
    let dump = |args: &[&str]| sgascope([&["dump"], args].concat());
    let document = json(&dump(&[&both[..], &["-f", "json"]].concat()));
    let instances = document["instances"].as_array().unwrap();
    let names: Vec<&str> = instances
        .iter()
        .map(|i| i["meta"]["instance_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["MANYB", "MANYA"]);
    assert!(instances.iter().all(|i| sessions(i).len() > 20));
    let csv = dump(&[&both[..], &["-f", "csv"]].concat());
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(csv.starts_with("instance_name,saddr,"), "{}", &csv[..80]);
    for name in ["\nMANYA,", "\nMANYB,"] {
        assert!(csv.contains(name), "{name:?}");
    }
    let all = dump(&["-I", "all", "-f", "jsonl", "--columns", "sid"]);
    let all = String::from_utf8(all.stdout).unwrap();
    for name in ["MANYA", "MANYB"] {
        assert!(
            all.contains(&format!("{{\"instance_name\":\"{name}\",\"sid\":1}}")),
            "{name}"
        );
    }
    // what can't be read doesn't hide the rest
    let partly = dump(&["-I", "MANYA", "-I", "NOSUCH", "-f", "json"]);
    assert_eq!(json(&partly)["instances"].as_array().unwrap().len(), 1);
    assert!(end(&partly).1.contains("NOSUCH"), "{:?}", end(&partly));
    let none = dump(&["-I", "NOSUCH", "-I", "NEITHER"]);
    assert_eq!(end(&none).0, 4, "{:?}", end(&none));
    // commands that take one instance say so
    let shown = sgascope(["blueprint", "show", "-I", "MANYA", "-I", "MANYB"]);
    assert_eq!(end(&shown).0, 4);
    let found = json(&sgascope(["discover", "-I", "MANYA", "-f", "json"]));
    assert_eq!(found["instances"].as_array().unwrap().len(), 1);
    let doctor = sgascope(["doctor", "-I", "MANYA", "-I", "MANYB"]);
    assert_eq!(end(&doctor).0, 0, "{:?}", end(&doctor));
    // containers by name; a recording of each in its own directory
    let pdb = json(&dump(&["-I", "MANYA", "-f", "json", "con=SALESPDB"]));
    assert!(sessions(&pdb).iter().all(|s| s["con_name"] == "SALESPDB"));
    let out = one.file("recordings");
    let record = sgascope(
        [
            &[
                "record",
                "-r",
                "20",
                "-d",
                "2s",
                "--idle",
                "-o",
                out.to_str().unwrap(),
            ],
            &both[..],
        ]
        .concat(),
    );
    assert_eq!(end(&record).0, 0, "{:?}", end(&record));
    for name in ["MANYA", "MANYB"] {
        let batches = batches(&out.join(name), "samples");
        let containers: BTreeSet<Option<String>> =
            batches.iter().flat_map(|b| texts(b, "con_name")).collect();
        assert!(
            containers.contains(&Some("SALESPDB".into())),
            "{containers:?}"
        );
    }
}

/// A recording has what one look hasn't: for how long each wait has been watched.
#[test]
fn recordings_watch_waits_and_know_processes() {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{UInt32Type, UInt64Type};
    let _beside = shared();
    let sim = Sim::start("WAITS", &["--sessions", "100", "--processes", "80"]);
    let out = sim.file("recording");
    let record = sgascope([
        "record",
        "-I",
        "WAITS",
        "-r",
        "50",
        "-d",
        "2s",
        "--idle",
        "-o",
        out.to_str().unwrap(),
    ]);
    assert_eq!(end(&record).0, 0);
    let mut longest: BTreeMap<[u32; 3], u64> = BTreeMap::new();
    let (mut processes, mut rows) = (0, 0);
    for batch in batches(&out, "samples") {
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let (sid, pid) = (
            column("session_id").as_primitive::<UInt32Type>(),
            column("os_pid"),
        );
        let serial = column("session_serial_no").as_primitive::<UInt32Type>();
        let seq = column("seq_no").as_primitive::<UInt32Type>();
        let watched = column("wait_observed_us").as_primitive::<UInt64Type>();
        let states = texts(&batch, "session_state");
        for (i, state) in states.iter().enumerate() {
            rows += 1;
            processes += usize::from(pid.is_valid(i));
            let waiting = state.as_deref() == Some("WAITING");
            assert_eq!(watched.is_valid(i), waiting, "row {i}");
            if waiting {
                let key = [sid.value(i), serial.value(i), seq.value(i)];
                let before = longest.insert(key, watched.value(i)).unwrap_or(0);
                assert!(before <= watched.value(i), "it only grows: {key:?}");
            }
        }
    }
    assert!(
        rows > 1000 && processes * 10 > rows * 9,
        "{processes} of {rows}"
    );
    // idle sessions wait through the whole recording, and never longer than it lasts
    let most = longest.values().copied().max().unwrap();
    assert!((1_000_000..3_000_000).contains(&most), "{most}");
}

/// The set named in the blueprint decides; what it can't decode is never another letter.
#[test]
fn text_is_in_the_databases_character_set() {
    let _beside = shared();
    let sim = Sim::start("CHARS", &["--sessions", "120", "--processes", "90"]);
    sim.pause();
    let file = sim.file("blueprint.json");
    let path = file.to_str().unwrap();
    let binary = sim.file("bin/oracle");
    let binary = binary.to_str().unwrap();
    let made = sgascope(["blueprint", "extract", "--binary", binary, "-o", path]);
    assert!(made.status.success(), "{:?}", end(&made));
    let mut blueprint: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    // the simulator writes UTF-8
    for (set, user) in [
        (Some("AL32UTF8"), "Müller"),
        (Some("WE8ISO8859P1"), "MÃ¼ller"),
        (Some("US7ASCII"), "M\u{fffd}\u{fffd}ller"),
        (Some("TR8EBCDIC1026"), "M\u{fffd}\u{fffd}ller"),
        (None, "Müller"),
    ] {
        blueprint["charset"] = set.into();
        std::fs::write(&file, blueprint.to_string()).unwrap();
        let dump = json(&sgascope([
            "dump",
            "-I",
            "CHARS",
            "--blueprint",
            path,
            "-f",
            "json",
        ]));
        assert!(
            words(std::slice::from_ref(&dump), "username").contains(user),
            "{set:?}"
        );
        let known = matches!(set, Some(set) if set != "TR8EBCDIC1026");
        assert_eq!(dump["meta"]["charset_problem"].is_null(), known, "{set:?}");
        assert_eq!(dump["meta"]["charset"], Value::from(set));
    }
}
