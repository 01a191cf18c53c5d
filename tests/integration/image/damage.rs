//! Thousands of damaged images: the right answer or code 6, never another answer.

use std::fs;
use std::sync::OnceLock;

use serde_json::Value;
use sgascope::cli::{Exit, Failure};
use sgascope::memory::image::ImageSpace;
use sgascope::memory::{AddressSpace, TargetAddr};
use sgascope::sample::snapshot::Extras;
use sgascope::sample::{Attachment, Snapshot, Source, TextForm};

use super::{capture, content, pause_with_statements, text};
use crate::corruption::Random;
use crate::support::{Sim, end, sgascope, shared};

/// A small image for damages, made once.
fn small() -> &'static (Vec<u8>, tempfile::TempDir) {
    static IMAGE: OnceLock<(Vec<u8>, tempfile::TempDir)> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let sim = Sim::start(
            "SMALLI",
            &["--small", "--sessions", "32", "--processes", "28"],
        );
        pause_with_statements(&sim);
        let path = capture(&sim, "small.img", &[]);
        (fs::read(path).unwrap(), tempfile::tempdir().unwrap())
    })
}

/// A damaged copy: one or more bits turned, or cut off anywhere.
fn damaged(random: &mut Random, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    match random.below(4) {
        0 => bytes.truncate(random.below(whole.len() as u64) as usize),
        hits => {
            for _ in 0..hits {
                let at = random.below(whole.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
        }
    }
    bytes
}

/// Every byte that an image gives is the right one, or it says that it is damaged.
#[test]
fn no_damage_shows_another_byte() {
    let _beside = shared();
    let (whole, dir) = small();
    let path = dir.path().join("bytes.img");
    fs::write(&path, whole).unwrap();
    let right = content(&path);
    let mut random = Random(5);
    let (mut refused, mut noticed, mut same) = (0, 0, 0);
    for case in 0..2_500 {
        fs::write(&path, damaged(&mut random, whole)).unwrap();
        let image = match ImageSpace::open(&path) {
            Ok(image) => image,
            Err(error) => {
                assert_eq!(Failure::from(error).exit, Exit::Damaged);
                refused += 1;
                continue;
            }
        };
        let mut faults = 0;
        for (at, bytes) in &right {
            let mut found = vec![0u8; bytes.len()];
            match image.read(TargetAddr(*at), &mut found) {
                Ok(()) => assert!(found == *bytes, "case {case} at {at:#x}"),
                Err(_) => faults += 1,
            }
        }
        assert_eq!(faults > 0, image.damage().is_some(), "case {case}");
        assert_eq!(faults > 0, image.verify().is_err(), "case {case}");
        *(if faults > 0 { &mut noticed } else { &mut same }) += 1;
    }
    assert!(refused > 500 && noticed > 300, "{refused} {noticed} {same}");
}

/// What is shown of a damaged image is what the whole one shows, or nothing and code 6.
#[test]
fn no_damage_shows_another_answer() {
    let _beside = shared();
    let (whole, dir) = small();
    let path = dir.path().join("answers.img");
    let answer = || -> Result<Vec<Vec<Value>>, Failure> {
        let attachment = Attachment::open(&Source::Image(path.clone()), None)?;
        let extras = Extras {
            texts: Some(TextForm::Full),
            statistics: None,
        };
        let snapshot = Snapshot::take(&attachment, extras);
        attachment.intact()?;
        let sessions = snapshot?.sessions.into_iter();
        Ok(sessions.map(|s| s.values).collect())
    };
    fs::write(&path, whole).unwrap();
    let right = answer().unwrap_or_else(|f| panic!("{}", f.message));
    let image = ImageSpace::open(&path).unwrap();
    let mut random = Random(6);
    let mut refused = 0;
    for case in 0..150 {
        // in a chunk: the table's are refused before anything is read
        let chunk = &image.chunks()[random.below(image.chunks().len() as u64) as usize];
        let mut bytes = whole.clone();
        let at = chunk.offset + random.below(chunk.file_bytes());
        bytes[at as usize] ^= 1 << random.below(8);
        fs::write(&path, bytes).unwrap();
        match answer() {
            Ok(found) => assert!(found == right, "case {case}"),
            Err(failure) => {
                assert_eq!(failure.exit, Exit::Damaged, "{}", failure.message);
                let named = ["chunk", "expected SHA-256", "found"];
                assert!(
                    named.iter().all(|w| failure.message.contains(w)),
                    "{}",
                    failure.message
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    // and through the program, every verb
    let file = dir.path().join("program.img");
    let p = text(&file);
    let verbs: [&[&str]; 6] = [
        &["dump", "-f", "json", "--image", p],
        &["dump", "-f", "json", "--processes", "--image", p],
        &["chains", "-f", "jsonl", "--image", p],
        &["reconcile", "-f", "json", "--image", p],
        &["report", "-f", "json", "--image", p],
        &["image", "info", "--verify", p],
    ];
    fs::write(&file, whole).unwrap();
    let outputs: Vec<_> = verbs.iter().map(|v| sgascope(*v)).collect();
    for _ in 0..6 {
        fs::write(&file, damaged(&mut random, whole)).unwrap();
        for (verb, right) in verbs.iter().zip(&outputs) {
            let found = sgascope(*verb);
            let (code, message) = end(&found);
            if code == 6 {
                assert!(found.stdout.is_empty(), "{verb:?}: {message}");
            } else {
                assert_eq!(code, end(right).0, "{verb:?}: {message}");
                let trim = |o: &[u8]| {
                    let text = String::from_utf8_lossy(o).into_owned();
                    let lines = text.lines().filter(|l| !l.contains("_us\""));
                    lines.map(str::to_owned).collect::<Vec<_>>()
                };
                assert_eq!(trim(&found.stdout), trim(&right.stdout), "{verb:?}");
            }
        }
    }
}
