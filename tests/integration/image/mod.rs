//! Captured images: what their tests share.

mod answers;
mod capturing;
mod damage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sgascope::memory::image::ImageSpace;
use sgascope::memory::{AddressSpace, TargetAddr};

use crate::support::{Sim, end, json, sgascope};

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Pauses at a moment at which statements run, so that texts can be proven.
pub fn pause_with_statements(sim: &Sim) {
    let start = Instant::now();
    loop {
        sim.pause();
        let expected = sim.json_file("expected.json");
        let sessions = expected["sessions"].as_array().unwrap();
        let runs = |s: &&Value| s["sql_id"].is_string() && s["status"] == "ACTIVE";
        if sessions.iter().filter(runs).count() >= 3 {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no statements run"
        );
        sim.resume();
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn capture(sim: &Sim, name: &str, extra: &[&str]) -> PathBuf {
    let path = sim.file(name);
    let mut args = vec!["image", "capture", "-I", &sim.sid, "-o", text(&path)];
    args.extend(extra);
    let output = sgascope(&args);
    assert!(output.status.success(), "{:?}", end(&output));
    path
}

/// Everything that `dump` can show.
const ALL: [&str; 9] = [
    "-f",
    "json",
    "--processes",
    "--resource-limit",
    "--session-io",
    "--sql-text",
    "full",
    "--stats",
    "all",
];

fn dump(source: &[&str], extra: &[&str]) -> Value {
    let mut args = vec!["dump"];
    args.extend(source);
    args.extend(extra);
    json(&sgascope(&args))
}

/// Whether a value is the one before or after, or, where time passes, between them.
fn between(before: &Value, value: &Value, after: &Value) -> bool {
    match (before.as_f64(), value.as_f64(), after.as_f64()) {
        (Some(from), Some(now), Some(to)) => (from..=to).contains(&now),
        _ => value == before && value == after,
    }
}

/// All parts of dumps but `meta`, value by value; how many there are.
fn same(before: &Value, image: &Value, after: &Value) -> usize {
    let mut values = 0;
    let parts: Vec<&String> = before.as_object().unwrap().keys().collect();
    assert_eq!(parts, image.as_object().unwrap().keys().collect::<Vec<_>>());
    for part in parts.into_iter().filter(|p| *p != "meta") {
        let rows = |d: &Value| d[part].as_array().unwrap().clone();
        let (before, image, after) = (rows(before), rows(image), rows(after));
        assert_eq!(before.len(), image.len(), "rows of {part}");
        for ((before, image), after) in before.iter().zip(&image).zip(&after) {
            let row = before.as_object().unwrap();
            assert_eq!(row.len(), image.as_object().unwrap().len());
            for (column, value) in row {
                let (shown, later) = (&image[column], &after[column]);
                // a process of the operating system never pauses
                let moves = column == "os_state";
                assert!(
                    moves || between(value, shown, later),
                    "{part}.{column}: {shown}, not {value} to {later} in {before}"
                );
                values += 1;
            }
        }
    }
    assert_eq!(before["meta"]["absent"], image["meta"]["absent"]);
    assert_eq!(before["meta"]["inferred"], image["meta"]["inferred"]);
    values
}
/// Columns that count from the reader's clock, which cores and raw segments don't hold.
const SINCE: [&str; 3] = ["seconds_in_wait", "last_call_et", "age_s"];

fn without_clock(mut dump: Value) -> Value {
    for session in dump["sessions"].as_array_mut().unwrap() {
        for column in SINCE {
            session.as_object_mut().unwrap().remove(column);
        }
    }
    dump["sessions"].take()
}

/// All that an image holds.
pub fn content(path: &Path) -> BTreeMap<u64, Vec<u8>> {
    let image = ImageSpace::open(path).unwrap();
    let mut pages = BTreeMap::new();
    for (start, len) in image.captured() {
        let mut at = start.0;
        while at < start.0 + len {
            let next = (at - at % 4096 + 4096).min(start.0 + len);
            let mut bytes = vec![0u8; (next - at) as usize];
            image.read(TargetAddr(at), &mut bytes).unwrap();
            pages.insert(at, bytes);
            at = next;
        }
    }
    pages
}
