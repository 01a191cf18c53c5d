//! Consumer groups against the simulator's truth: of a running instance, of a recording, of changed
//! rules, and the limits of plan directives.

mod limits;
mod switches;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use serde_json::{Value, json};

use crate::mutation::{batches, texts, u64s};
use crate::support::{self, Sim, end, json, sgascope, shared};

/// Records at most, until a session was seen to switch.
const RECORDS: usize = 20;

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Imports files into `rules.toml` of the directory.
fn import(dir: &Path, name: &str, files: &[&str]) -> String {
    let path = dir.join(name);
    let path = path.to_str().unwrap().to_owned();
    let output = sgascope([&["groups", "import", "-o", &path], files].concat());
    assert!(output.status.success(), "{:?}", end(&output));
    path
}

const SCRIPT: &str = "
BEGIN
  DBMS_RESOURCE_MANAGER.CREATE_PENDING_AREA();
  -- what runs at night runs below everything else, whoever runs it
  DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING(
    attribute => DBMS_RESOURCE_MANAGER.MODULE_NAME, value => 'Nightly%', consumer_group => 'BATCH_GROUP');
  DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING(DBMS_RESOURCE_MANAGER.MODULE_NAME, 'New Customer', 'OLTP');
  DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING(DBMS_RESOURCE_MANAGER.ORACLE_USER, 'soe', 'OLTP');
  DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING(DBMS_RESOURCE_MANAGER.ORACLE_USER, 'SYSTEM', 'SYS_GROUP');
  DBMS_RESOURCE_MANAGER.SUBMIT_PENDING_AREA();
END;
/";

/// What that script gives a session, in plain words.
fn by_module_and_user(module: &str, user: &str) -> &'static str {
    if module.starts_with("Nightly") {
        "BATCH_GROUP"
    } else if module == "New Customer" || user == "SOE" {
        "OLTP"
    } else if user == "SYSTEM" {
        "SYS_GROUP"
    } else {
        "DEFAULT_CONSUMER_GROUP"
    }
}

/// More rules, of what only a revealed layout shows and of programs.
const VIEW: &str = "ATTRIBUTE,VALUE,CONSUMER_GROUP,STATUS
SERVICE_NAME,sales.%,SALES,
CLIENT_PROGRAM,rman,BACKUP_GROUP,
CLIENT_MACHINE,WORKGROUP\\DESKTOP-7Q2K,OFFICE,
";

/// What both give, by priority: module, service, user, program, machine.
fn by_all(session: &Value) -> &'static str {
    let text = |column: &str| session[column].as_str().unwrap_or("");
    match by_module_and_user(text("module"), "") {
        "DEFAULT_CONSUMER_GROUP" => {}
        group => return group,
    }
    if text("service_name").starts_with("sales.") {
        return "SALES";
    }
    match by_module_and_user("", text("username")) {
        "DEFAULT_CONSUMER_GROUP" => {}
        group => return group,
    }
    if text("program").split('@').next() == Some("rman") {
        "BACKUP_GROUP"
    } else if text("machine") == "WORKGROUP\\DESKTOP-7Q2K" {
        "OFFICE"
    } else {
        "DEFAULT_CONSUMER_GROUP"
    }
}

fn sessions(found: &Value) -> &Vec<Value> {
    found["sessions"].as_array().unwrap()
}

#[test]
fn groups_of_a_running_instance_equal_the_simulators_account() {
    let _beside = shared();
    let size = ["--sessions", "300", "--processes", "220", "--revealed"];
    let sim = Sim::start("GRPLIVE", &size);
    let dir = tempfile::tempdir().unwrap();
    let script = write(dir.path(), "rules.sql", SCRIPT);
    let view = write(dir.path(), "mappings.csv", VIEW);
    let rules = import(dir.path(), "rules.toml", &[&script, &view]);
    sim.pause();
    let args = ["groups", "evaluate", "-I", "GRPLIVE", "--rules", &rules];
    let found = json(&sgascope([&args[..], &["-f", "json"]].concat()));
    let expected = sim.json_file("expected.json");
    let users = sessions(&expected).iter().filter(|s| s["type"] == "USER");
    let expected: BTreeMap<u64, &Value> = users.map(|s| (s["sid"].as_u64().unwrap(), s)).collect();
    let sids: BTreeSet<u64> = sessions(&found)
        .iter()
        .map(|s| s["sid"].as_u64().unwrap())
        .collect();
    assert!(
        sids.iter().eq(expected.keys()),
        "users' sessions, no others"
    );
    let mut seen = BTreeSet::new();
    let mut drifting = 0;
    for session in sessions(&found) {
        let truth = expected[&session["sid"].as_u64().unwrap()];
        let group = by_all(truth);
        seen.insert(group);
        assert_eq!(session["consumer_group"], group, "{session}\n{truth}");
        let actual = &truth["resource_consumer_group"];
        assert_eq!(session["actual_group"], *actual, "{session}");
        let drift = actual.as_str().map(|actual| actual != group);
        assert_eq!(session["drift"].as_bool(), drift, "{session}");
        drifting += u64::from(drift == Some(true));
    }
    assert_eq!(found["meta"]["drifting"], drifting);
    assert!(
        drifting > 0 && seen.len() >= 4,
        "{drifting} drifting, {seen:?}"
    );
    // the same for people, and narrowed
    let table = sgascope([&args[..], &["--only", "drift", "username=SOE"]].concat());
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(
        text.contains("is in ") && text.contains("note: no switch privileges given"),
        "{text}"
    );
    assert!(!text.contains(" HR "), "{text}");
    let nobody = sgascope([&args[..], &["username=NOBODY"]].concat());
    assert_eq!(end(&nobody).0, 1);
}

/// The groups that a session went through, without repetitions.
fn path(groups: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut path: Vec<String> = groups.into_iter().collect();
    path.dedup();
    path
}

/// Whether all of `part` occur in `whole`, in this order.
fn is_within(part: &[String], whole: &[String]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|p| rest.any(|w| w == p))
}

/// Records until a session was seen to change its group.
fn recorded_switch(dir: &Path, sid: &str, rules: &str) -> (PathBuf, Value) {
    for n in 0..RECORDS {
        let recording = dir.join(format!("recording{n}"));
        let path = recording.to_str().unwrap().to_owned();
        let record = ["record", "-I", sid, "-r", "50", "-d", "3s", "-o", &path];
        assert!(sgascope(record).status.success());
        let evaluate = ["groups", "evaluate", &path, "--rules", rules, "-f", "json"];
        let found = json(&sgascope(evaluate));
        if found["meta"]["switched"].as_u64().unwrap() > 0 {
            return (recording, found);
        }
    }
    panic!("no session changed its group in {RECORDS} recordings");
}

/// Seconds active of users' sessions, and of these the ones of a user.
fn sampled_seconds(recording: &Path, user: &str) -> (f64, f64) {
    let (mut all, mut of_user) = (0, 0);
    for batch in batches(recording, "samples") {
        let active = batch.column_by_name("is_active").unwrap().as_boolean();
        let (kinds, users) = (texts(&batch, "session_kind"), texts(&batch, "username"));
        for (row, weight) in u64s(&batch, "weight_us").iter().enumerate() {
            if active.value(row) && kinds[row].as_deref() == Some("USER") {
                all += weight;
                of_user += if users[row].as_deref() == Some(user) {
                    *weight
                } else {
                    0
                };
            }
        }
    }
    (all as f64 / 1e6, of_user as f64 / 1e6)
}

#[test]
fn groups_over_a_recording_follow_the_truth_and_changed_rules_move_what_they_say() {
    let _beside = shared();
    let dir = tempfile::tempdir().unwrap();
    let truth_file = dir.path().join("truth");
    let size = ["--sessions", "200", "--processes", "150", "--truth"];
    let mut sim = Sim::start(
        "GRPREC",
        &[&size[..], &[truth_file.to_str().unwrap()]].concat(),
    );
    let script = write(dir.path(), "rules.sql", SCRIPT);
    let rules = import(dir.path(), "rules.toml", &[&script]);
    let (recording, found) = recorded_switch(dir.path(), "GRPREC", &rules);
    sim.stop();
    follows_truth(&found, &truth_file);
    let notes = found["meta"]["notes"].to_string();
    assert!(
        notes.contains("explicit switches are in no sample"),
        "{notes}"
    );
    let groups = found["groups"].as_array().unwrap().iter();
    let sum: f64 = groups.map(|g| g["seconds"].as_f64().unwrap()).sum();
    let (all, of_soe) = sampled_seconds(&recording, "SOE");
    assert!(
        (sum - all).abs() < 1e-6 && of_soe > 0.0,
        "{sum} s in groups, {all} s sampled"
    );
    what_if(
        dir.path(),
        recording.to_str().unwrap(),
        &rules,
        (all, of_soe),
    );
    selections(dir.path(), recording.to_str().unwrap(), &rules);
}

/// Each session went through groups that it truly went through, in that order.
fn follows_truth(found: &Value, truth_file: &Path) {
    let truth = support::truth(truth_file);
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    for session in sessions(found) {
        let sid = session["sid"].as_u64().unwrap() as u32;
        let serial = session["serial_no"].as_u64().unwrap() as u32;
        let own = truth[&sid].iter();
        let own = own.filter(|s| s.serial == serial && s.in_use && s.kind == 'U');
        let truly = path(own.map(|s| by_module_and_user(&s.module, &s.username).to_owned()));
        let switches = session["switches"].as_array().unwrap();
        let first = switches
            .first()
            .map_or(&session["consumer_group"], |s| &s["from"]);
        let later = switches.iter().map(|s| text(&s["to"]));
        let seen = path([text(first)].into_iter().chain(later));
        assert!(is_within(&seen, &truly), "{session}\n{truly:?}");
        assert_eq!(
            seen.last(),
            Some(&text(&session["consumer_group"])),
            "{session}"
        );
    }
}

fn what_if(dir: &Path, recording: &str, rules: &str, (all, of_soe): (f64, f64)) {
    let compare = |changed: &str| {
        let args = [
            "groups",
            "what-if",
            recording,
            "--rules",
            rules,
            "--changed",
            changed,
        ];
        json(&sgascope([&args[..], &["-f", "json"]].concat()))
    };
    let same = compare(rules);
    assert_eq!(same["moved_seconds"], 0.0);
    let total = same["db_time_seconds"].as_f64().unwrap();
    assert!((total - all).abs() < 1e-6, "{total} s, {all} s sampled");
    // one user's sessions to a group of their own, above all else: just these move
    let first = "exec dbms_resource_manager.set_consumer_group_mapping_pri(explicit => 1, oracle_user => 2, service_name => 3, \
                 client_os_user => 4, client_program => 5, client_machine => 6, module_name => 7, module_name_action => 8, \
                 service_module => 9, service_module_action => 10)\n\
                 exec dbms_resource_manager.set_consumer_group_mapping('ORACLE_USER', 'SOE', 'TENANT_1')\n\
                 exec dbms_resource_manager.set_consumer_group_mapping('ORACLE_USER', 'SYSTEM', NULL)";
    let first = write(dir, "changed.sql", first);
    let changed = import(dir, "changed.toml", &[rules, &first]);
    let moved = compare(&changed);
    let moves = moved["moves"].as_array().unwrap().iter();
    let to_tenant = moves.clone().filter(|m| m["to_group"] == "TENANT_1");
    let seconds: f64 = to_tenant
        .map(|m| m["db_time_seconds"].as_f64().unwrap())
        .sum();
    assert!(
        (seconds - of_soe).abs() < 1e-6,
        "{seconds} s moved, {of_soe} s of SOE"
    );
    let shares: f64 = moves.clone().map(|m| m["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    assert!(
        moves
            .clone()
            .all(|m| (m["from_group"] != m["to_group"]) == (m["moved"] == true))
    );
    let tenant = moved["groups"].as_array().unwrap().iter();
    let tenant = tenant
        .clone()
        .find(|g| g["consumer_group"] == "TENANT_1")
        .unwrap();
    assert_eq!(tenant["before_seconds"], 0.0);
    assert!(tenant["after_aas"].as_f64().unwrap() > 0.0);
}

/// Windows, conditions, formats, and what is refused.
fn selections(dir: &Path, recording: &str, rules: &str) {
    let run = |more: &[&str]| {
        let args = ["groups", "evaluate", recording, "--rules", rules];
        sgascope([&args[..], more].concat())
    };
    let one = json(&run(&["username=SOE", "--from", "-1s", "-f", "json"]));
    assert!(sessions(&one).iter().all(|s| s["username"] == "SOE"));
    let csv = run(&["-f", "csv"]);
    let csv = String::from_utf8(csv.stdout).unwrap();
    let mut lines = csv.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("instance_name,sid,serial_no,username"),
        "{csv}"
    );
    assert!(lines.next().unwrap().starts_with("GRPREC,"), "{csv}");
    let text = String::from_utf8(run(&["--only", "switched"]).stdout).unwrap();
    assert!(text.contains("(module changed)"), "{text}");
    let tie = "[[rules]]\nattribute = \"MODULE_NAME\"\nvalue = \"%\"\ngroup = \"A\"\n\
               [[rules]]\nattribute = \"MODULE_NAME\"\nvalue = \"%e%\"\ngroup = \"B\"\n";
    let tie = write(dir, "tie.toml", tie);
    let tied = json(&sgascope([
        "groups",
        "evaluate",
        recording,
        "--rules",
        &tie,
        "--only",
        "ambiguous",
        "-f",
        "json",
    ]));
    let first = &sessions(&tied)[0];
    assert_eq!(first["given_by"], "ambiguous");
    assert_eq!(first["ambiguous"].as_array().unwrap().len(), 2, "{first}");
    // a service can't be had of this layout, and that is said
    let service = "[[rules]]\nattribute = \"SERVICE_NAME\"\nvalue = \"x\"\ngroup = \"A\"\n";
    let service = write(dir, "service.toml", service);
    let found = json(&sgascope([
        "groups", "evaluate", recording, "--rules", &service, "-f", "json",
    ]));
    assert!(
        found["meta"]["notes"]
            .to_string()
            .contains("service_name can't be had"),
        "{}",
        found["meta"]
    );
    assert_eq!(
        sessions(&found)[0]["undecided"],
        json!(["SERVICE_NAME 'x' → A"])
    );

    let wrong = write(dir, "wrong.toml", "[[rules]]\nattribute = \"SIZE\"\n");
    for (args, code, part) in [
        (
            vec!["groups", "evaluate", recording, "--rules", &wrong],
            6,
            "line 2, column 13",
        ),
        (
            vec!["groups", "evaluate", recording, "--rules", "/no/such/file"],
            2,
            "/no/such/file",
        ),
        (
            vec![
                "groups",
                "evaluate",
                recording,
                "--rules",
                rules,
                "no_such=1",
            ],
            2,
            "no_such",
        ),
        (
            vec!["groups", "evaluate", "--rules", rules, "--from", "-1s"],
            2,
            "for recordings",
        ),
        (
            vec!["groups", "what-if", "--rules", rules, "--changed", rules],
            2,
            "name the directory",
        ),
        (vec!["groups", "limits", recording, "--rules", rules], 1, ""),
        (vec!["groups", "import", &wrong], 6, "unknown variant"),
        (vec!["groups", "import", recording], 6, "directory"),
    ] {
        let (found, error) = end(&sgascope(&args));
        assert!(
            found == code && error.contains(part),
            "{args:?}: {found}, {error}"
        );
    }
}
