//! Captured images: answers from one are those of the live instance at that moment; interrupted
//! ones are gone on with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sgascope::memory::image::{ImageSpace, partial_path};
use sgascope::memory::{AddressSpace, CoreSpace, TargetAddr};

use crate::corruption::Random;
use crate::support::{Sim, end, json, program, sgascope, shared};

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

/// Killed again and again, at other places each time, then gone on with to the end.
#[test]
fn an_interrupted_capture_is_gone_on_with() {
    let _beside = shared();
    let sim = Sim::start("KILLED", &["--sessions", "400", "--processes", "300"]);
    pause_with_statements(&sim);
    let whole = capture(&sim, "whole.img", &[]);
    let size = fs::metadata(&whole).unwrap().len();
    let target = sim.file("killed.img");
    let partial = partial_path(&target);
    let shmids = sim.shmids();
    let mut random = Random(11);
    let (mut landed, mut mapped, mut resumed) = (0, 0, 0);
    for _ in 0..100 {
        if landed >= 8 && mapped >= 3 {
            break;
        }
        if target.exists() {
            fs::remove_file(&target).unwrap();
        }
        let until = random.below(size);
        let mut run = Command::new(program())
            .args(["image", "capture", "-I", "KILLED", "--resume", "-o"])
            .arg(&target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let maps = format!("/proc/{}/maps", run.id());
        while run.try_wait().unwrap().is_none() {
            let lines = fs::read_to_string(&maps).unwrap_or_default();
            for line in lines.lines().filter(|l| l.contains("/SYSV")) {
                let words: Vec<&str> = line.split_whitespace().collect();
                assert_eq!(words[1], "r--s", "{line}");
                assert!(shmids.contains(&words[4].parse().unwrap()), "{line}");
                mapped += 1;
            }
            if fs::metadata(&partial).is_ok_and(|m| m.len() > until) {
                run.kill().unwrap();
                break;
            }
        }
        run.wait().unwrap();
        landed += u32::from(!target.exists());
        if target.exists() {
            assert_eq!(content(&target), content(&whole));
        }
        // what a torn write leaves
        if partial.exists() && random.below(2) == 0 {
            let file = fs::OpenOptions::new().write(true).open(&partial).unwrap();
            let len = file.metadata().unwrap().len();
            file.set_len(len - random.below(len.min(5000))).unwrap();
        }
    }
    assert!(landed >= 8 && mapped >= 3, "{landed} kills, {mapped} maps");
    if !target.exists() {
        let end = json(&sgascope([
            "image",
            "capture",
            "-I",
            "KILLED",
            "--resume",
            "-o",
            text(&target),
            "-f",
            "json",
        ]));
        resumed = end["written"]["resumed_chunks"].as_u64().unwrap();
    }
    assert_eq!(content(&target), content(&whole), "after {resumed} chunks");
    assert!(!partial.exists());
    let asked = ["-f", "json", "--sql-text", "full"];
    let [a, b] = [&target, &whole].map(|p| without_clock(dump(&["--image", text(p)], &asked)));
    assert_eq!(a, b);
    // calibration finds the arrays in a sparse image
    let learn = ["blueprint", "calibrate", "--rounds", "1", "--image"];
    let learned = sgascope(learn.iter().copied().chain([text(&whole)]));
    assert!(learned.status.success(), "{:?}", end(&learned));
    // nothing is written over, and nobody else's capture is gone on with
    let (code, message) = end(&sgascope([
        "image",
        "capture",
        "-I",
        "KILLED",
        "-o",
        text(&whole),
    ]));
    assert!(code == 2 && message.contains("exists"), "{message}");
    let begun = sim.file("begun.img");
    let head = fs::read(&whole).unwrap();
    fs::write(partial_path(&begun), &head[..head.len() / 2]).unwrap();
    let other = [
        "image",
        "capture",
        "-I",
        "KILLED",
        "--resume",
        "--no-sql-text",
        "-o",
        text(&begun),
    ];
    let (code, message) = end(&sgascope(other));
    assert!(
        code == 2 && message.contains("without_sql_text"),
        "{message}"
    );
}

/// While everything moves: what was read is there, and nothing else is missed.
#[test]
fn a_moving_instance_is_captured_whole() {
    let _beside = shared();
    let sim = Sim::start(
        "MOVING",
        &["--sessions", "300", "--processes", "250", "--rate", "50000"],
    );
    for round in 0..3 {
        let path = capture(&sim, &format!("moving{round}.img"), &[]);
        let image = dump(&["--image", text(&path)], &ALL);
        let meta = &image["meta"];
        assert_eq!(meta["faulted"], 0);
        assert_eq!(meta["torn"], 0, "an image doesn't move");
        assert_eq!(meta["statistics"]["unreadable"], 0);
        assert!(image["sessions"].as_array().unwrap().len() > 50);
        let hole = |s: &Value| {
            s["read_flags"]
                .as_str()
                .is_some_and(|f| f.contains("fault"))
        };
        assert!(!image["sessions"].as_array().unwrap().iter().any(hole));
    }
}

/// Texts of statements are nowhere in the file, everything else is.
#[test]
fn texts_are_left_out_when_asked() {
    let _beside = shared();
    let sim = Sim::start("NOTEXT", &["--sessions", "200", "--processes", "150"]);
    pause_with_statements(&sim);
    let all = ["-f", "json", "--stats", "all", "--processes"];
    let before = dump(&["-I", "NOTEXT"], &all);
    let path = capture(&sim, "notext.img", &["--no-sql-text"]);
    let after = dump(&["-I", "NOTEXT"], &all);
    let source = ["--image", text(&path)];
    let image = dump(&source, &all);
    same(&before, &image, &after);
    let ids = image["sessions"].as_array().unwrap().iter();
    assert!(ids.filter(|s| s["sql_id"].is_string()).count() >= 3);
    let with = dump(&["-I", "NOTEXT"], &["-f", "json", "--sql-text", "full"]);
    let mut texts = BTreeSet::new();
    for session in with["sessions"].as_array().unwrap() {
        for column in ["sql_text", "prev_sql_text"] {
            texts.extend(
                session[column]
                    .as_str()
                    .map(|t| t.chars().take(24).collect::<String>()),
            );
        }
    }
    assert!(texts.len() > 3, "{texts:?}");
    let found = |path: &Path| -> usize {
        let memory: Vec<u8> = content(path).into_values().flatten().collect();
        let holds = |t: &&String| memory.windows(t.len()).any(|w| w == t.as_bytes());
        texts.iter().filter(holds).count()
    };
    assert_eq!(found(&path), 0);
    assert_eq!(found(&capture(&sim, "text.img", &[])), texts.len());
    let none = dump(&source, &["-f", "json", "--sql-text", "full"]);
    let none = none["sessions"].as_array().unwrap();
    assert!(none.iter().all(|s| s["sql_text"].is_null()));
    let info = json(&sgascope(["image", "info", text(&path), "-f", "json"]));
    assert!(info["left_out"].to_string().contains("texts of statements"));

    // a slice of one session: that one as it was, and no other one's statement
    let sessions = with["sessions"].as_array().unwrap();
    let one = sessions.iter().find(|s| s["sql_text"].is_string()).unwrap();
    let sid = one["sid"].to_string();
    let (from, to) = (sim.file("text.img"), sim.file("slice.img"));
    let output = sgascope([
        "image",
        "slice",
        text(&from),
        "-o",
        text(&to),
        "--sid",
        &sid,
    ]);
    assert!(output.status.success(), "{:?}", end(&output));
    let condition = format!("sid={sid}");
    let mut asked = ALL.to_vec();
    asked.push(&condition);
    let [whole, part] = [&from, &to].map(|p| {
        let mut session = dump(&["--image", text(p)], &asked)["sessions"][0].clone();
        // whom it serves is said by another session's row
        for column in ["serves_sid", "serves_serial_no"] {
            session.as_object_mut().unwrap().remove(column);
        }
        session
    });
    assert_eq!(part, whole);
    let own = [&one["sql_text"], &one["prev_sql_text"]].map(|t| t.as_str().unwrap_or(""));
    let others: Vec<&String> = texts
        .iter()
        .filter(|t| !own.iter().any(|o| o.starts_with(*t)))
        .collect();
    let memory: Vec<u8> = content(&to).into_values().flatten().collect();
    let leaked = |t: &&&String| memory.windows(t.len()).any(|w| w == t.as_bytes());
    assert_eq!(others.iter().filter(leaked).count(), 0);
    assert!(fs::metadata(&to).unwrap().len() * 2 < fs::metadata(&from).unwrap().len());

    // a slice of addresses
    let page = content(&from)
        .into_iter()
        .find(|(_, bytes)| bytes.iter().any(|b| *b != 0))
        .unwrap();
    let range = format!("{:#x}:{}", page.0, page.1.len());
    let to = sim.file("range.img");
    let output = sgascope([
        "image",
        "slice",
        text(&from),
        "-o",
        text(&to),
        "--range",
        &range,
    ]);
    assert!(output.status.success(), "{:?}", end(&output));
    assert_eq!(content(&to), BTreeMap::from([page]));
    let no = sim.file("no.img");
    let nothing = [
        "image",
        "slice",
        text(&from),
        "-o",
        text(&no),
        "--range",
        "0x10:16",
    ];
    assert_eq!(end(&sgascope(nothing)).0, 2);
}

/// Read in another time zone, dates are the same moments; what needs time to pass is refused.
#[test]
fn an_image_keeps_its_clock_and_zone() {
    let _beside = shared();
    let sim = Sim::start(
        "ZONED",
        &["--small", "--sessions", "60", "--processes", "50"],
    );
    pause_with_statements(&sim);
    let path = capture(&sim, "zoned.img", &[]);
    let here = dump(&["--image", text(&path)], &["-f", "json"]);
    let elsewhere = Command::new(program())
        .env("TZ", "Asia/Tokyo")
        .args(["dump", "-f", "json", "--image"])
        .arg(&path)
        .output()
        .unwrap();
    let elsewhere = json(&elsewhere);
    let moments = |dump: &Value| -> Vec<Option<jiff::Timestamp>> {
        let sessions = dump["sessions"].as_array().unwrap().iter();
        sessions
            .map(|s| s["logon_time"].as_str().map(|t| t.parse().unwrap()))
            .collect()
    };
    assert!(moments(&here).iter().any(Option::is_some));
    assert_eq!(moments(&here), moments(&elsewhere));
    let offset = |d: &Value| d["meta"]["sample_time"].as_str().unwrap()[26..].to_owned();
    assert_eq!(offset(&elsewhere), "+09:00", "shown in the reader's zone");
    let image = ["--image", text(&path)];
    for verb in [
        &["dump", "--resource-limit", "--watch", "1s"][..],
        &["reconcile", "--twice", "1s"],
        &["record", "-o", text(&sim.file("recording"))],
    ] {
        let mut args = verb.to_vec();
        args.extend(image);
        let (code, message) = end(&sgascope(&args));
        assert!(code == 2 && message.contains("one moment"), "{message}");
    }
}
