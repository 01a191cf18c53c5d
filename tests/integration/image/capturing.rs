//! Capturing: interrupted, while everything moves, without texts, with its clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use sgascope::memory::image::partial_path;

use super::{ALL, capture, content, dump, pause_with_statements, same, text, without_clock};
use crate::corruption::Random;
use crate::support::{Sim, end, json, program, sgascope, shared};

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
    // a fraction of a second may have fewer digits than six
    let shown = elsewhere["meta"]["sample_time"].as_str().unwrap();
    assert!(
        shown.ends_with("+09:00"),
        "shown in the reader's zone: {shown}"
    );
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
