//! Explicit switches of sessions that are seen once, and rules that only tell tenants apart.

use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use serde_json::{Value, json};

use super::{sessions, write};
use crate::mutation::{batches, texts, u32s};
use crate::service::time;
use crate::support::{Sim, end, json, sgascope, shared};

/// A session at one look.
#[derive(Clone, Debug, PartialEq)]
struct Look {
    time_us: i64,
    sid: u32,
    serial: u32,
    logon_us: i64,
    user: String,
}

/// Looks at users' sessions, whose LOGON_TIME is known.
fn looks(recording: &Path) -> Vec<Look> {
    let mut found = Vec::new();
    for batch in batches(recording, "samples") {
        let logon = batch.column_by_name("logon_time").unwrap();
        let logon = logon.as_primitive::<TimestampMicrosecondType>();
        let (sids, serials) = (
            u32s(&batch, "session_id"),
            u32s(&batch, "session_serial_no"),
        );
        let (kinds, users) = (texts(&batch, "session_kind"), texts(&batch, "username"));
        for row in 0..batch.num_rows() {
            if kinds[row].as_deref() == Some("USER") && logon.is_valid(row) {
                found.push(Look {
                    time_us: time(&batch, row),
                    sid: sids[row],
                    serial: serials[row],
                    logon_us: logon.value(row),
                    user: users[row].clone().unwrap(),
                });
            }
        }
    }
    found
}

fn text(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).unwrap().to_string()
}

fn of<'a>(found: &'a Value, look: &Look) -> &'a Value {
    let mut all = sessions(found).iter();
    all.find(|s| s["sid"] == look.sid && s["serial_no"] == look.serial)
        .unwrap_or_else(|| panic!("{look:?} in {found}"))
}

#[test]
fn an_explicit_switch_counts_where_a_session_is_seen_once() {
    let _beside = shared();
    let sim = Sim::start("GRPONE", &["--sessions", "120", "--processes", "90"]);
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("recording");
    let path = recording.to_str().unwrap();
    let record = ["record", "-I", "GRPONE", "-r", "5", "-d", "2s", "-o", path];
    assert!(sgascope(record).status.success());
    sim.pause();
    let looks = looks(&recording);
    // at one moment, where nothing else is seen of anybody
    let at_us = looks.iter().map(|look| look.time_us).max().unwrap();
    let once: Vec<&Look> = looks.iter().filter(|look| look.time_us == at_us).collect();
    // of those, one that is still there
    let none = write(dir.path(), "none.toml", "");
    let live = [
        "groups", "evaluate", "-I", "GRPONE", "--rules", &none, "-f", "json",
    ];
    let live = json(&sgascope(live));
    let is_there = |look: &&&Look| {
        let mut all = sessions(&live).iter();
        all.any(|s| s["sid"] == look.sid && s["serial_no"] == look.serial)
    };
    let there = once.iter().filter(is_there);
    let one = *there.min_by_key(|look| look.logon_us).unwrap();
    assert!(one.logon_us < at_us, "{one:?}");
    let evaluate = |switch: &str| {
        let rules = write(
            dir.path(),
            "rules.toml",
            &format!("[[switches]]\ngroup = \"MOVED\"\n{switch}"),
        );
        let window = ["--from", &text(at_us), "--to", &text(at_us + 1)];
        let args = ["groups", "evaluate", path, "--rules", &rules, "-f", "json"];
        let found = json(&sgascope([&args[..], &window].concat()));
        let live = [
            "groups", "evaluate", "-I", "GRPONE", "--rules", &rules, "-f", "json",
        ];
        (found, json(&sgascope(live)))
    };
    let session = format!("sid = {}\nserial_no = {}\n", one.sid, one.serial);
    // after its logon and before the look: it is there, and when is known exactly
    let called = text(one.logon_us + (at_us - one.logon_us) / 2);
    let (found, live) = evaluate(&format!("{session}at = \"{called}\"\n"));
    let moved = of(&found, one);
    assert_eq!(
        (&moved["consumer_group"], &moved["given_by"]),
        (&json!("MOVED"), &json!("explicit"))
    );
    let switches = moved["switches"].as_array().unwrap();
    assert_eq!(switches.len(), 1, "{moved}");
    assert_eq!(
        (&switches[0]["after"], &switches[0]["by"]),
        (&json!(called), &json!(called))
    );
    assert_eq!(found["meta"]["switched"], 1);
    assert_eq!(of(&live, one)["consumer_group"], "MOVED");
    // without a time: from its login on
    let (found, live) = evaluate(&session);
    for found in [&found, &live] {
        assert_eq!(of(found, one)["consumer_group"], "MOVED");
    }
    // after the look, and of another session in the same slot: no
    for switch in [
        format!("{session}at = \"{}\"\n", text(at_us + 3_600_000_000)),
        format!("sid = {}\nserial_no = {}\n", one.sid, one.serial + 1),
    ] {
        let (found, live) = evaluate(&switch);
        for found in [&found, &live] {
            assert_eq!(
                of(found, one)["consumer_group"],
                "DEFAULT_CONSUMER_GROUP",
                "{switch}"
            );
        }
        assert_eq!(found["meta"]["switched"], 0);
    }
    // of a user: the sessions that were there when it was called, none that logged on later
    let user = &one.user;
    let called_us = (one.logon_us + 1_000_000).min(at_us);
    let (found, live) = evaluate(&format!(
        "user = \"\\\"{user}\\\"\"\nat = \"{}\"\n",
        text(called_us)
    ));
    for look in once.iter().filter(|look| look.user == *user) {
        let is_moved = of(&found, look)["consumer_group"] == "MOVED";
        assert_eq!(is_moved, look.logon_us <= called_us, "{look:?}");
    }
    assert_eq!(of(&live, one)["consumer_group"], "MOVED");
    let (found, live) = evaluate(&format!(
        "user = \"\\\"{user}\\\"\"\nat = \"{}\"\n",
        text(one.logon_us - 1)
    ));
    for found in [&found, &live] {
        assert_eq!(
            of(found, one)["consumer_group"],
            "DEFAULT_CONSUMER_GROUP",
            "it logged on later"
        );
    }
}

#[test]
fn a_rule_that_names_a_tenant_only_gives_no_group() {
    let _beside = shared();
    let sim = Sim::start("GRPTEN", &["--sessions", "120", "--processes", "90"]);
    sim.pause();
    let dir = tempfile::tempdir().unwrap();
    let group = "[[rules]]\nattribute = \"ORACLE_USER\"\nvalue = \"SOE\"\ngroup = \"OLTP\"\n";
    let tenant = "[[rules]]\nattribute = \"MODULE_NAME\"\nvalue = \"%\"\ntenant = \"EVERY\"\n";
    let evaluate = |text: &str, format: &str| {
        let rules = write(dir.path(), "rules.toml", text);
        sgascope([
            "groups", "evaluate", "-I", "GRPTEN", "--rules", &rules, "-f", format, "--top", "500",
        ])
    };
    let found = json(&evaluate(&format!("{group}{tenant}"), "json"));
    let mut of_group = 0;
    for session in sessions(&found) {
        let is_soe = session["username"] == "SOE";
        of_group += u64::from(is_soe);
        let expected = if is_soe {
            "OLTP"
        } else {
            "DEFAULT_CONSUMER_GROUP"
        };
        assert_eq!(session["consumer_group"], expected, "{session}");
        let tenant = match session["module"].as_str() {
            Some(_) => "EVERY",
            None if is_soe => "OLTP",
            None => "(unmapped)",
        };
        assert_eq!(session["tenant"], tenant, "{session}");
    }
    assert!(of_group > 0);
    let shown = |text: &str| String::from_utf8(evaluate(text, "table").stdout).unwrap();
    let with = shown(&format!("{group}{tenant}"));
    assert!(
        with.contains("TENANT") && with.contains("ORACLE_USER 'SOE'  "),
        "{with}"
    );
    assert!(!shown(group).contains("TENANT"), "nobody is told apart");
    let output = evaluate(group, "json");
    assert_eq!(end(&output).0, 0);
    assert!(
        sessions(&json(&output))
            .iter()
            .all(|s| s["tenant"].is_null())
    );
}
