//! Executable, spool and trace of one synthetic instance give the same blueprint; sources of two
//! instances contradict each other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use sgascope::blueprint::{Blueprint, trace};

use crate::support::{Sim, end, json, sgascope, shared};

fn extract(args: &[&str]) -> Blueprint {
    let output = sgascope([&["blueprint", "extract"], args].concat());
    assert!(output.status.success(), "{args:?}: {:?}", end(&output));
    Blueprint::from_json(&output.stdout, "standard output").unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a blueprint says of layouts, without who says it.
fn content(blueprint: &Blueprint) -> Value {
    let mut all = serde_json::to_value(blueprint).unwrap();
    for name in ["id", "sources", "dictionaries", "x-areas"] {
        all.as_object_mut().unwrap().remove(name);
    }
    all["identity"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name == "release");
    for anchor in all["anchors"].as_array_mut().unwrap() {
        anchor
            .as_object_mut()
            .unwrap()
            .retain(|name, _| name == "name" || name == "address" || name == "size");
    }
    for rule in all["rules"].as_object_mut().unwrap().values_mut() {
        let rule = rule.as_object_mut().unwrap();
        rule.retain(|name, _| name == "value");
    }
    // Of a text longer than SQL shows, a spool has the beginning.
    for view in all["views"].as_object_mut().unwrap().values_mut() {
        let view = view.as_object_mut().unwrap();
        view.retain(|name, _| name == "text");
        let text: String = view["text"].as_str().unwrap().chars().take(4000).collect();
        view.insert("text".into(), text.into());
    }
    for strukt in all["structs"].as_array_mut().unwrap() {
        let strukt = strukt.as_object_mut().unwrap();
        for column in strukt
            .get_mut("absent")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            column.as_object_mut().unwrap().remove("reason");
        }
        for field in strukt["fields"].as_array_mut().unwrap() {
            for name in ["source", "confidence", "evidence"] {
                field.as_object_mut().unwrap().remove(name);
            }
        }
    }
    all
}

fn statistics(blueprint: &Blueprint) -> Vec<&str> {
    blueprint
        .dictionaries
        .statistics
        .iter()
        .map(|s| s.name.as_str())
        .collect()
}

fn agree(sid: &str, release: &str) {
    let _guard = shared();
    let sim = Sim::start(sid, &["--release", release, "--small", "--start-paused"]);
    let (binary, spool, ipc) = (
        sim.file("bin/oracle"),
        sim.file("spool"),
        sim.file("ipc.trc"),
    );
    let by_binary = extract(&["--binary", text(&binary)]);
    let by_spool = extract(&["--spool", text(&spool)]);
    let by_all = extract(&[
        "--binary",
        text(&binary),
        "--spool",
        text(&spool),
        "--trace",
        text(&ipc),
    ]);
    let by_spool_and_trace = extract(&["--spool", text(&spool), "--trace", text(&ipc)]);
    for other in [&by_spool, &by_all, &by_spool_and_trace] {
        assert_eq!(content(&by_binary), content(other), "{release}");
        assert_eq!(statistics(&by_binary), statistics(other));
        // The spool's names are the instance's own; hints know the same codes.
        for code in by_binary.dictionaries.commands.keys() {
            let known = other.dictionaries.commands.contains_key(code);
            assert!(known, "command {code}");
        }
        assert!(other.dictionaries.events.len() > 300);
    }
    assert_eq!(by_all.id, by_binary.id);
    assert_eq!(by_all.identity, by_binary.identity);
    assert_eq!(by_spool_and_trace.identity.port, "Linux x86-64");
    assert!(!by_all.is_partial() && !by_spool.is_partial());
    // The executable's text is whole, the spool's is cut; together they are one.
    let view = |b: &Blueprint| b.views["GV$SESSION"].clone();
    assert!(view(&by_binary).complete && view(&by_binary).text.len() > 4000);
    assert!(!view(&by_spool).complete && view(&by_spool).text.len() == 4000);
    assert_eq!(view(&by_all).text, view(&by_binary).text);
    assert_eq!(view(&by_all).evidence.as_deref(), Some("the same in spool"));
    assert_eq!(by_all.rules["status_mask"].source, "executable");
    assert_eq!(by_spool.rules["blocker_bits"].source, "spool");
    assert_eq!(by_all.views.len(), 8);
    let serial = by_all.strukt("ksuse").unwrap().field("KSUSESER").unwrap();
    assert_eq!(serial.source, "executable");
    assert_eq!(serial.evidence.as_deref(), Some("the same in spool"));
    // The trace's areas are the segments that the kernel knows.
    let areas = trace::read(&ipc).unwrap().areas;
    let shmids: Vec<i64> = areas.iter().map(|a| a.shmid).collect();
    assert_eq!(shmids, sim.shmids());
    let kept = by_all.extra["x-areas"]["areas"].as_array().unwrap();
    assert_eq!(kept.len(), areas.len());
    // And the blueprint of the spool alone reads the instance.
    let path = sim.file("from-spool.json");
    fs::write(&path, by_spool.to_json_pretty().unwrap()).unwrap();
    let by_spool = sessions(sid, &["--blueprint", text(&path)]);
    let own = sessions(sid, &[]);
    assert!(own.len() > 5);
    for (read, expected) in by_spool.iter().zip(&own) {
        assert_eq!(read, expected);
    }
    assert_eq!(by_spool.len(), own.len());
}

/// The sessions of a paused instance, without what goes on with the clock.
fn sessions(sid: &str, args: &[&str]) -> Vec<Value> {
    let dump = json(&sgascope(
        [&["dump", "-I", sid, "-f", "json"], args].concat(),
    ));
    let mut rows = dump["sessions"].as_array().unwrap().clone();
    for row in &mut rows {
        for since in ["seconds_in_wait", "last_call_et", "age_s"] {
            row.as_object_mut().unwrap().remove(since);
        }
    }
    rows
}

#[test]
fn executable_spool_and_trace_agree_on_19_3() {
    agree("BQ19", "19.3");
}

#[test]
fn executable_spool_and_trace_agree_on_12_1() {
    agree("BQ12", "12.1");
}

#[test]
fn executable_spool_and_trace_agree_on_23_5() {
    agree("BQ23", "23.5");
}

#[test]
fn sources_of_two_releases_contradict_each_other() {
    let _guard = shared();
    let new = Sim::start("BQN", &["--release", "19.3", "--small", "--start-paused"]);
    let old = Sim::start("BQO", &["--release", "12.1", "--small", "--start-paused"]);
    let output = sgascope([
        "blueprint",
        "extract",
        "--binary",
        text(&new.file("bin/oracle")),
        "--spool",
        text(&old.file("spool")),
    ]);
    let (code, message) = end(&output);
    assert_eq!(code, 1, "{message}");
    for word in [
        "executable says 19.3.0.0.0",
        "spool says 12.1.0.2.0",
        "the release",
    ] {
        assert!(message.contains(word), "{message}");
    }
    assert!(output.stdout.is_empty());
    // One offset changed in the spool of the same instance.
    let spool = new.file("spool/x_kqfco.csv");
    let columns = fs::read_to_string(&spool).unwrap();
    let changed = columns.replace(",2,2172,", ",2,2174,");
    assert_ne!(columns, changed);
    fs::write(&spool, changed).unwrap();
    let output = sgascope([
        "blueprint",
        "extract",
        "--spool",
        text(&new.file("spool")),
        "--binary",
        text(&new.file("bin/oracle")),
    ]);
    let (code, message) = end(&output);
    assert_eq!(code, 1, "{message}");
    assert!(
        message.contains("X$KSUSE.KSUSESER: offset: executable says 2172, spool says 2174"),
        "{message}"
    );
    // One mask changed in the text of GV$SESSION.
    fs::write(&spool, columns).unwrap();
    let views = new.file("spool/gv_view_text.csv");
    let texts = fs::read_to_string(&views).unwrap();
    let changed = texts.replace("s.ksuseidl,9)", "s.ksuseidl,11)");
    assert_ne!(texts, changed);
    fs::write(&views, changed).unwrap();
    let output = sgascope([
        "blueprint",
        "extract",
        "--spool",
        text(&new.file("spool")),
        "--binary",
        text(&new.file("bin/oracle")),
    ]);
    let (code, message) = end(&output);
    assert_eq!(code, 1, "{message}");
    for word in [
        "the text of GV$SESSION",
        "executable says \"9),1,",
        "spool says \"11),1,",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }
    // A trace alone describes no rows.
    let (code, message) = end(&sgascope([
        "blueprint",
        "extract",
        "--trace",
        text(&new.file("ipc.trc")),
    ]));
    assert_eq!(code, 5, "{message}");
    assert!(message.contains("columns of X$KSUSE"), "{message}");
}

/// A stand-in for SQL*Plus: it gets the script on its standard input, leaves a spool in its working
/// directory and says what the script's last line would make it say.
#[test]
fn the_script_is_run_through_the_given_command() {
    let _guard = shared();
    let sim = Sim::start("BQS", &["--release", "19.3", "--small", "--start-paused"]);
    let fake = sim.file("fake sqlplus");
    let script = format!(
        "#!/bin/sh\ncat > '{seen}'\n[ \"$1 $2\" = '-s / as sysdba' ] || exit 9\ncp '{spool}'/*.csv .\npwd > '{place}'\necho 'sgascope extract: done'\n",
        seen = text(&sim.file("seen.sql")),
        spool = text(&sim.file("spool")),
        place = text(&sim.file("place")),
    );
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("'{}' -s '/ as sysdba'", text(&fake));
    let by_command = extract(&["--sqlplus", &command]);
    let by_spool = extract(&["--spool", text(&sim.file("spool"))]);
    assert_eq!(content(&by_command), content(&by_spool));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = fs::read_to_string(root.join("tools/sql/extract.sql")).unwrap();
    assert_eq!(fs::read_to_string(sim.file("seen.sql")).unwrap(), shipped);
    // Its place was a temporary one and is gone.
    let place = fs::read_to_string(sim.file("place")).unwrap();
    assert!(!Path::new(place.trim()).exists(), "{place}");
    let (code, message) = end(&sgascope(["blueprint", "extract", "--sqlplus", "false"]));
    assert_eq!(code, 1, "{message}");
}

/// The script names every table that a spool needs, and none that walks memory.
#[test]
fn the_script_reads_what_it_says_and_nothing_that_walks_memory() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::read_to_string(root.join("tools/sql/extract.sql"))
        .unwrap()
        .to_lowercase();
    let statements: String = script
        .lines()
        .filter(|line| !line.starts_with("--") && !line.starts_with("prompt"))
        .collect::<Vec<_>>()
        .join("\n");
    for table in [
        "x$ksmfsv",
        "x$kqfta",
        "x$kqfco",
        "x$kqfdt",
        "x$ksuse",
        "x$ksupr",
        "x$ksmssinfo",
        "v$event_name",
        "v$statname",
        "v$sqlcommand",
        "v$parameter",
        "v$nls_parameters",
        "v$instance",
        "v$version",
        "v$database",
        "v$fixed_view_definition",
    ] {
        assert!(statements.contains(&format!("from {table}")), "{table}");
        assert!(script.contains(table), "{table} isn't announced");
    }
    for table in [
        "x$ksmmem", "x$ksmsp", "insert ", "update ", "delete ", "create ", "drop ",
    ] {
        assert!(!statements.contains(table), "{table}");
    }
    assert!(statements.contains("cdb$root"));
    // SQL*Plus would ask for a variable in a comment, and take a hyphen at a line's end as its going on.
    for line in script.lines().filter(|line| line.starts_with("--")) {
        assert!(!line.contains('&') && !line.ends_with('-'), "{line}");
    }
}

#[test]
fn list_and_diff_show_the_shipped_ones() {
    let list = json(&sgascope(["blueprint", "list", "-f", "json"]));
    let shipped: Vec<&str> = list["blueprints"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|b| b["origin"].as_str().unwrap().starts_with("shipped"))
        .map(|b| b["release"].as_str().unwrap())
        .collect();
    for release in [
        "11.2.0.4.0",
        "12.1.0.1.0",
        "12.1.0.2.0",
        "12.2.0.1.0",
        "19.3.0.0.0",
    ] {
        assert!(shipped.contains(&release), "{shipped:?}");
    }
    let output = sgascope([
        "blueprint",
        "diff",
        "12.1.0.1.0-linux-x86-64-draft",
        "12.1.0.2.0-linux-x86-64-draft",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let moved = |line: &&str| line.starts_with("moved") && line.contains("ksuse.KSUSESER");
    let line = text.lines().find(moved).unwrap();
    assert!(line.ends_with("at 1610 -> at 1706"), "{line}");
    assert!(!text.contains("KSUUDLNA"), "{text}");
    let same = sgascope([
        "blueprint",
        "diff",
        "12.1.0.1.0-linux-x86-64-draft",
        "12.1.0.1.0-linux-x86-64-draft",
    ]);
    assert_eq!(same.status.code(), Some(0));
}

#[test]
fn views_are_shown_by_length_and_in_full() {
    let _guard = shared();
    let sim = Sim::start("BQV", &["--release", "12.1", "--small", "--start-paused"]);
    let path = sim.file("blueprint.json");
    let binary = sim.file("bin/oracle");
    let made = sgascope([
        "blueprint",
        "extract",
        "--binary",
        text(&binary),
        "-o",
        text(&path),
    ]);
    assert!(made.status.success(), "{:?}", end(&made));
    let show = |args: &[&str]| sgascope([&["blueprint", "show", text(&path)], args].concat());
    let shown = |args: &[&str]| String::from_utf8(show(args).stdout).unwrap();
    let all = shown(&[]);
    let full = shown(&["--view", "gv$session"]);
    let line = all
        .lines()
        .find(|l| l.trim_start().starts_with("GV$SESSION "))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let bytes = full.trim_end().len().to_string();
    assert_eq!(words, ["GV$SESSION", bytes.as_str(), "yes", "executable"]);
    assert!(
        full.starts_with("select s.inst_id,") && full.trim_end().ends_with("w.kslwtevt=e.indx")
    );
    let document: Value = serde_json::from_str(&shown(&["-f", "json"])).unwrap();
    assert_eq!(document["views"]["GV$SESSION"]["text"], full.trim_end());
    assert_eq!(document["rules"]["blocker_bits"]["value"], 16);
    let (code, message) = end(&show(&["--view", "GV$NONE"]));
    assert_eq!(code, 1, "{message}");
    assert!(
        message.contains("GV$PROCESS"),
        "it says which there are: {message}"
    );
}
