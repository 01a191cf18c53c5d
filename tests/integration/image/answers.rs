//! Answers from an image are those of the live instance at that moment.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;
use sgascope::memory::image::ImageSpace;
use sgascope::memory::{AddressSpace, CoreSpace, TargetAddr};

use super::{ALL, capture, dump, pause_with_statements, same, text, without_clock};
use crate::support::{Sim, end, json, sgascope, shared};

fn chains(source: &[&str]) -> BTreeSet<String> {
    let mut args = vec!["chains", "-f", "jsonl", "-g", "sid", "--top", "100000"];
    args.extend(source);
    let output = sgascope(&args);
    assert!(output.status.success(), "{:?}", end(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let chain: Value = serde_json::from_str(line).unwrap();
        format!(
            "{} {} {}",
            chain["chain"], chain["routes"], chain["seconds"]
        )
    };
    lines.lines().map(line).collect()
}

/// What a finding is about and what is said of it, without what counts seconds.
fn findings(source: &[&str]) -> BTreeSet<String> {
    let mut args = vec!["reconcile", "-f", "json", "--age", "0s"];
    args.extend(source);
    let output = sgascope(&args);
    assert!(output.status.code().unwrap() <= 1, "{:?}", end(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["meta"]["os_unknown"], Value::Null);
    let all = document["findings"].as_array().unwrap();
    let what = [
        "row",
        "name",
        "severity",
        "sid",
        "serial_no",
        "pid",
        "spid",
        "username",
        "program",
        "statement",
        "advice",
    ];
    all.iter()
        .map(|f| what.map(|member| f[member].to_string()).join(" "))
        .collect()
}

fn of_its_moment(sid: &str, release: &str, memory: &str) {
    let _beside = shared();
    let sim = Sim::start(
        sid,
        &[
            "--release",
            release,
            "--memory",
            memory,
            "--sessions",
            "400",
            "--processes",
            "500",
            "--os-processes",
            "--situations",
            "3,4,5,6,7,8,9,10,11,12,13,15,16",
        ],
    );
    pause_with_statements(&sim);
    let live = ["-I", sid];
    let before = dump(&live, &ALL);
    let path = capture(&sim, "moment.img", &[]);
    let after = dump(&live, &ALL);
    let source = ["--image", text(&path)];
    let image = dump(&source, &ALL);
    let values = same(&before, &image, &after);
    assert!(values > 30_000, "only {values} values compared");
    let texts = |d: &Value| {
        let sessions = d["sessions"].as_array().unwrap();
        sessions
            .iter()
            .filter(|s| s["sql_text"].is_string())
            .count()
    };
    assert!(texts(&image) > 0 && texts(&image) == texts(&before));
    let alive = |d: &Value| {
        let processes = d["processes"].as_array().unwrap();
        processes.iter().filter(|p| p["os_alive"] == true).count()
    };
    assert!(alive(&image) > 100, "{} processes", alive(&image));
    let meta = &image["meta"];
    assert_eq!(meta["blueprint_selected"], "embedded");
    assert_eq!(meta["blueprint_forced"], false);
    assert_eq!(meta["memory"], "image");
    assert_eq!(
        meta["image"]["torn_places"], 0,
        "nothing moves while paused"
    );
    // statistics that somebody names are there too, whatever else is read with them
    let named = [
        "-f",
        "json",
        "--stats",
        "user commits,session logical reads",
    ];
    let io = |d: Value| d["sessions"].clone();
    let by_name = |d: Value| -> Vec<Value> {
        let sessions = d["sessions"].as_array().unwrap().clone();
        sessions
            .into_iter()
            .map(|s| s["statistics"].clone())
            .collect()
    };
    assert!(io(dump(&source, &named)).as_array().unwrap().len() > 100);
    assert_eq!(by_name(dump(&source, &named)), by_name(dump(&live, &named)));

    let mut once = live.to_vec();
    once.push("--once");
    assert_eq!(chains(&source), chains(&once));
    assert_eq!(findings(&source), findings(&live));
    assert!(findings(&source).len() > 10);

    // one look: each session that is active counts a second
    let mut args = vec!["report", "-g", "session_id", "--top", "10000", "-f", "json"];
    args.extend(source);
    let report = json(&sgascope(&args));
    let rows = report["rows"].as_array().unwrap();
    let sids = |rows: &[Value], name: &str| -> BTreeSet<u64> {
        rows.iter().filter_map(|r| r[name].as_u64()).collect()
    };
    let shown = sids(image["sessions"].as_array().unwrap(), "sid");
    assert!(!rows.is_empty() && sids(rows, "session_id").is_subset(&shown));
    assert!(rows.iter().all(|r| r["total_seconds"] == 1.0));

    let show = sgascope(["blueprint", "show", "--image", text(&path)]);
    assert!(show.status.success(), "{:?}", end(&show));
    let doctor = sgascope(["doctor", "--image", text(&path)]);
    assert!(doctor.status.success(), "{:?}", end(&doctor));
    let info = json(&sgascope([
        "image",
        "info",
        text(&path),
        "--verify",
        "-f",
        "json",
    ]));
    assert_eq!(info["sid"], sid);
    assert_eq!(info["instance"]["pid"], sim.pid);
    assert_eq!(info["verified"], true);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "others may not read it");
}

#[test]
fn answers_are_those_of_the_moment_sysv_19() {
    of_its_moment("IMG19", "19.3", "sysv");
}

#[test]
fn answers_are_those_of_the_moment_amm_12() {
    of_its_moment("IMG12", "12.1", "amm");
}

#[test]
fn answers_are_those_of_the_moment_sysv_23() {
    of_its_moment("IMG23", "23.5", "sysv");
}

/// The same memory as an image, a full image, an ELF core and raw segment files.
#[test]
fn all_kinds_of_images_say_the_same() {
    let _beside = shared();
    let sim = Sim::start(
        "KINDS",
        &["--small", "--sessions", "60", "--processes", "50"],
    );
    pause_with_statements(&sim);
    let asked = ["-f", "json", "--sql-text", "full"];
    let live = without_clock(dump(&["-I", "KINDS"], &asked));
    let blueprint = sim.file("kinds.json");
    let exe = sim.file("bin/oracle");
    let extract = [
        "blueprint",
        "extract",
        "-I",
        "KINDS",
        "--binary",
        text(&exe),
        "-o",
        text(&blueprint),
    ];
    assert!(sgascope(extract).status.success());
    let given = ["--blueprint", text(&blueprint)];
    let core = sim.file("kinds.core");
    sim.core(&core);
    let segments = sim.file("segments");
    fs::create_dir(&segments).unwrap();
    raw_segments(&sim, &core, &segments);
    let sparse = capture(&sim, "sparse.img", &[]);
    let full = capture(&sim, "full.img", &["--full"]);
    // an image of a core is as good as one of the instance, but for what it can't know
    let again = sim.file("again.img");
    let of_core = [
        "image",
        "capture",
        "--image",
        text(&core),
        given[0],
        given[1],
        "-o",
        text(&again),
    ];
    let output = sgascope(of_core);
    assert!(output.status.success(), "{:?}", end(&output));
    for path in [&sparse, &full, &again] {
        assert_eq!(without_clock(dump(&["--image", text(path)], &asked)), live);
    }
    for path in [&core, &segments, &sparse, &full] {
        let source = ["--image", text(path), given[0], given[1]];
        assert_eq!(without_clock(dump(&source, &asked)), live, "{path:?}");
    }
    let bytes = |path: &Path| -> u64 {
        let image = ImageSpace::open(path).unwrap();
        image.captured().map(|(_, len)| len).sum()
    };
    let all: u64 = ImageSpace::open(&full)
        .unwrap()
        .regions()
        .iter()
        .map(|r| r.len)
        .sum();
    assert_eq!(bytes(&full), all);
    assert!(bytes(&sparse) < all);
    // another executable's blueprint is refused
    let other = crate::fixtures::fixture("12.1.blueprint.json");
    let (code, message) = end(&sgascope([
        "dump",
        "--image",
        text(&sparse),
        "--blueprint",
        text(&other),
    ]));
    assert_eq!(code, 5, "{message}");
    // none of the files: what was expected is said
    let empty = sim.file("empty");
    fs::create_dir(&empty).unwrap();
    let (code, message) = end(&sgascope([
        "dump",
        "--image",
        text(&empty),
        given[0],
        given[1],
    ]));
    assert!(
        code == 6 && message.contains("<shmid>.<base>.bin"),
        "{message}"
    );
}

/// Segment files as `<shmid>.<base>.bin`, with holes where the core has only zeros.
fn raw_segments(sim: &Sim, core: &Path, folder: &Path) {
    let memory = CoreSpace::open(core).unwrap();
    let instance = sim.json_file("instance.json");
    for segment in instance["segments"].as_array().unwrap() {
        let number = |name: &str| match &segment[name] {
            Value::String(hex) => u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap(),
            other => other.as_u64().unwrap(),
        };
        let (base, size) = (number("address"), number("size"));
        let path = folder.join(format!("{}.{base:x}.bin", number("shmid")));
        let file = fs::File::create(path).unwrap();
        file.set_len(size).unwrap();
        let mut page = [0u8; 4096];
        for at in (0..size).step_by(4096) {
            if memory.read(TargetAddr(base + at), &mut page).is_ok() && page.iter().any(|b| *b != 0)
            {
                file.write_all_at(&page, at).unwrap();
            }
        }
    }
}
