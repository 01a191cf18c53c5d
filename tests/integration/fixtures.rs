//! The checked-in images give the checked-in account, without any instance.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::dump_truth::compare;
use crate::support::{json, program};

/// A file below `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// The releases that have fixtures.
pub const RELEASES: [&str; 3] = ["12.1", "19.3", "23.5"];

fn dump(release: &str) -> Value {
    let output = Command::new(program())
        .env("TZ", "UTC") // the dates in the fixtures were local there
        .args(["dump", "-f", "json", "--sql-text", "full", "--image"])
        .arg(fixture(&format!("{release}.core")))
        .arg("--blueprint")
        .arg(fixture(&format!("{release}.blueprint.json")))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    json(&output)
}

#[test]
fn dumps_equal_the_expected_ones() {
    for release in RELEASES {
        let expected = std::fs::read(fixture(&format!("{release}.expected.json"))).unwrap();
        let mut expected: Value = serde_json::from_slice(&expected).unwrap();
        // seconds since the wait began are of the time of capture
        for session in expected["sessions"].as_array_mut().unwrap() {
            for stamp in ["_wait_stamp", "_call_stamp", "_logon"] {
                session.as_object_mut().unwrap().remove(stamp);
            }
        }
        let dump = dump(release);
        let equal = compare(&dump, &expected);
        assert!(equal > 1000, "{release}: only {equal} values compared");
        let sessions = dump["sessions"].as_array().unwrap();
        assert!(
            sessions.iter().any(|s| s["sql_text"].is_string()),
            "{release}: no text proven"
        );
        assert_eq!(
            dump["meta"]["blueprint_forced"], true,
            "an image has no identity of its own"
        );
    }
}

#[test]
fn fixtures_are_small() {
    for release in RELEASES {
        for kind in ["core", "blueprint.json", "expected.json"] {
            let size = std::fs::metadata(fixture(&format!("{release}.{kind}")))
                .unwrap()
                .len();
            assert!(size < 2 << 20, "{release}.{kind}: {size} bytes");
        }
    }
}
