//! Which blueprint an instance is read with when none is given, and what is refused.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Sim, end, json, program, sgascope, shared};

/// The user's own registry, and nothing else of the user's.
struct Registry(tempfile::TempDir);

impl Registry {
    fn new() -> Registry {
        Registry(tempfile::tempdir().unwrap())
    }

    fn store(&self, name: &str, blueprint: &Value) {
        std::fs::write(self.0.path().join(name), blueprint.to_string()).unwrap();
    }

    fn dump(&self, args: &[&str]) -> Output {
        Command::new(program())
            .args(["dump", "-f", "json"])
            .args(args)
            .env("SGASCOPE_BLUEPRINTS", self.0.path())
            .env("HOME", "/nonexistent")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The dump must be refused with code 5 and one line, which is returned.
    fn refused(&self, sid: &str) -> String {
        let (code, message) = end(&self.dump(&["-I", sid]));
        assert_eq!(code, 5, "{message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        message
    }
}

/// The blueprint of an instance's executable with its event names.
fn extract(sim: &Sim) -> Value {
    let binary = sim.file("bin/oracle");
    let args = ["blueprint", "extract", "-I", &sim.sid, "--binary"];
    json(&sgascope(
        args.iter().copied().chain([binary.to_str().unwrap()]),
    ))
}

fn field<'a>(blueprint: &'a mut Value, name: &str) -> &'a mut Value {
    let structs = blueprint["structs"].as_array_mut().unwrap();
    let row = structs.iter_mut().find(|s| s["name"] == "ksuse").unwrap();
    let mut fields = row["fields"].as_array_mut().unwrap().iter_mut();
    fields.find(|f| f["name"] == name).unwrap()
}

const SMALL: [&str; 6] = [
    "--small",
    "--start-paused",
    "--sessions",
    "60",
    "--processes",
    "50",
];

#[test]
fn by_build_id_else_from_the_executable() {
    let _beside = shared();
    let sim = Sim::start("SELX", &SMALL);
    let registry = Registry::new();
    let selected = |args: &[&str]| {
        let dump = json(&registry.dump(&[&["-I", "SELX"], args].concat()));
        assert_eq!(dump["meta"]["db_name"], "SELX");
        dump["meta"]["blueprint_selected"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(selected(&[]), "executable");
    let blueprint = extract(&sim);
    registry.store("own.json", &blueprint);
    assert_eq!(selected(&[]), "build-id");
    let path = sim.file("given.json");
    std::fs::write(&path, blueprint.to_string()).unwrap();
    assert_eq!(selected(&["--blueprint", path.to_str().unwrap()]), "given");
}

#[test]
fn an_unreadable_executable_is_made_up_for_by_the_release() {
    let _beside = shared();
    let model = Sim::start("SELA", &SMALL);
    let blueprint = extract(&model);
    let sim = Sim::start("SELB", &[&SMALL[..], &["--no-executable"]].concat());
    let registry = Registry::new();

    // Nothing but the shipped draft, which says not where the sessions are.
    let message = registry.refused("SELB");
    for word in [
        "executable",
        "19.3.0.0.0",
        "drafts/19.3.json is partial",
        "sessions",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }

    // One for the release with all rows in other places is tried and refused.
    let mut wrong = blueprint.clone();
    wrong["id"] = "wrong-layout".into();
    field(&mut wrong, "KSUSENUM")["offset"] = 2112.into();
    field(&mut wrong, "KSUSETIM")["offset"] = 2168.into();
    registry.store("a-wrong.json", &wrong);
    let message = registry.refused("SELB");
    for word in ["a-wrong.json", "does not fit", "row i holds i + 1"] {
        assert!(message.contains(word), "{word}: {message}");
    }

    // Beside it the right one is found, and said to be found so.
    registry.store("b-right.json", &blueprint);
    let dump = json(&registry.dump(&["-I", "SELB"]));
    assert_eq!(dump["meta"]["blueprint_selected"], "release");
    assert_eq!(dump["meta"]["blueprint_id"], blueprint["id"]);
    assert_eq!(dump["meta"]["blueprint_forced"], false);
    assert!(dump["sessions"].as_array().unwrap().len() > 5);

    // A copy under another name changes nothing; one that shows something else does.
    let mut copy = blueprint.clone();
    copy["id"] = "copy".into();
    copy["identity"].as_object_mut().unwrap().remove("build_id");
    registry.store("c-copy.json", &copy);
    json(&registry.dump(&["-I", "SELB"]));
    field(&mut copy, "KSUSEMNP")["name"] = "KSUSEMNQ".into();
    registry.store("c-copy.json", &copy);
    let message = registry.refused("SELB");
    for word in ["several", "b-right.json", "c-copy.json"] {
        assert!(message.contains(word), "{word}: {message}");
    }

    // Of another release none is taken, and without the alert log the release isn't known.
    let log = sim.file("diag/rdbms/selb/SELB/trace/alert_SELB.log");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("19.3.0.0.0", "19.4.0.0.0")).unwrap();
    let message = registry.refused("SELB");
    assert!(
        message.contains("release 19.4.0.0.0") && message.contains("there is none"),
        "{message}"
    );
    std::fs::write(&log, text.replace(&format!("OS id={}", sim.pid), "OS id=1")).unwrap();
    let message = registry.refused("SELB");
    assert!(
        message.contains("its last start is that of PMON 1"),
        "{message}"
    );
    std::fs::remove_file(&log).unwrap();
    let message = registry.refused("SELB");
    assert!(
        message.contains("release isn't known") && message.contains("no alert log"),
        "{message}"
    );
    assert!(Path::new(&sim.file("bin")).exists());
}
