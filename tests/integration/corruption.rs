//! Ten thousand damaged images: never a crash or a hang, always rows, or a reason and a code.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sgascope::blueprint::Blueprint;
use sgascope::cli::{Exit, Failure};
use sgascope::memory::{AddressSpace, BytesSpace, CoreSpace, TargetAddr};
use sgascope::sample::snapshot::Extras;
use sgascope::sample::{Attachment, Snapshot, TextForm};

use crate::fixtures::{RELEASES, fixture};
use crate::support::{end, program};

/// Images damaged in memory; [`FILES`] more go through the program as files.
const IMAGES: u64 = 10_000;
const FILES: u64 = 60;

/// SplitMix64, so that a failing image can be made again from its number.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

/// What a damaged image is made of: the bytes of a good one, and the places whose damage hurts.
struct Original {
    blueprint: Blueprint,
    pieces: Vec<(TargetAddr, Vec<u8>)>,
    targets: Vec<TargetAddr>,
}

impl Original {
    fn load(release: &str) -> Original {
        let json = fs::read(fixture(&format!("{release}.blueprint.json"))).unwrap();
        let blueprint = Blueprint::from_json(&json, release).unwrap();
        let core = CoreSpace::open(&fixture(&format!("{release}.core"))).unwrap();
        let pieces: Vec<(TargetAddr, Vec<u8>)> = core
            .regions()
            .iter()
            .map(|region| {
                let mut bytes = vec![0u8; region.len as usize];
                // holes stay zero
                for (page, chunk) in bytes.chunks_mut(4096).enumerate() {
                    let at = region.start.checked_add(page as u64 * 4096).unwrap();
                    let _ = core.read(at, chunk);
                }
                (region.start, bytes)
            })
            .collect();
        let targets = targets(&blueprint, &core);
        Original {
            blueprint,
            pieces,
            targets,
        }
    }

    /// The pieces with `hits` words damaged.
    fn damaged(&self, random: &mut Random, hits: u64) -> Vec<(TargetAddr, Vec<u8>)> {
        let mut pieces = self.pieces.clone();
        for _ in 0..hits {
            let at = if random.below(4) == 0 {
                let (start, bytes) = &pieces[random.below(pieces.len() as u64) as usize];
                TargetAddr(start.0 + random.below(bytes.len() as u64))
            } else {
                self.targets[random.below(self.targets.len() as u64) as usize]
            };
            let value = self.evil(random);
            let width = [1, 2, 4, 8][random.below(4) as usize];
            for (start, bytes) in &mut pieces {
                let Some(offset) = at.0.checked_sub(start.0).map(|o| o as usize) else {
                    continue;
                };
                if let Some(place) = bytes.get_mut(offset..offset + width) {
                    place.copy_from_slice(&value.to_le_bytes()[..width]);
                }
            }
        }
        pieces
    }

    /// A value that hurts: huge, near the end of a segment, unaligned, another valid pointer.
    fn evil(&self, random: &mut Random) -> u64 {
        let (start, bytes) = &self.pieces[random.below(self.pieces.len() as u64) as usize];
        let end = start.0 + bytes.len() as u64;
        match random.below(9) {
            0 => random.next(),
            1 => u64::MAX - random.below(16),
            2 => end - random.below(64),
            3 => start.0 + random.below(bytes.len() as u64),
            4 => 0,
            5 => 1 << random.below(64),
            6 => u64::from(u32::MAX) - random.below(4),
            7 => self.targets[random.below(self.targets.len() as u64) as usize].0,
            _ => random.below(1 << 20),
        }
    }
}

/// Places of row pointers, counts, cursor pointers, lengths, event-table pointers.
fn targets(blueprint: &Blueprint, core: &CoreSpace) -> Vec<TargetAddr> {
    let mut targets = Vec::new();
    for anchor in &blueprint.anchors {
        targets.extend(
            (0..anchor.size.clamp(8, 256))
                .step_by(4)
                .map(|o| TargetAddr(anchor.address + o)),
        );
    }
    let accepted = sgascope::plan::accept(blueprint, core, sgascope::plan::Moment::now()).unwrap();
    let ksusga = blueprint.anchor("ksusga_").unwrap();
    for offset in (0..ksusga.size.min(256)).step_by(8) {
        // the pointer arrays themselves
        let Ok(base) = core.read_u64(TargetAddr(ksusga.address + offset)) else {
            continue;
        };
        if core
            .read_u64(TargetAddr(base))
            .is_ok_and(|row| accepted.sessions.addrs.contains(&TargetAddr(row)))
        {
            targets.extend((0..accepted.sessions.len() as u64).map(|i| TargetAddr(base + i * 8)));
        }
    }
    let ksuse = blueprint.strukt("ksuse").unwrap();
    for row in &accepted.sessions.addrs {
        for field in &ksuse.fields {
            targets.push(TargetAddr(row.0 + field.offset));
        }
        let pointer = |name: &str| {
            let at = TargetAddr(row.0 + ksuse.field(name)?.offset);
            core.read_u64(at).ok().filter(|p| *p != 0)
        };
        for handle in ["KSUSESQL", "KSUSEPSQ", "modact_ptr"]
            .into_iter()
            .filter_map(pointer)
        {
            targets.extend((0..480).step_by(8).map(|o| TargetAddr(handle + o)));
        }
    }
    targets
}

fn extras() -> Extras {
    Extras {
        texts: Some(TextForm::Full),
        statistics: None,
    }
}

#[test]
fn ten_thousand_damaged_images() {
    let originals = RELEASES.map(Original::load);
    let (mut read, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    let mut faulted = 0;
    for image in 0..IMAGES {
        let mut random = Random(image);
        let original = &originals[image as usize % originals.len()];
        let hits = 1 + random.below(40);
        let pieces = original.damaged(&mut random, hits);
        let space: Arc<dyn AddressSpace> = Arc::new(BytesSpace::new(pieces).unwrap());
        let start = Instant::now();
        let result = Attachment::on_memory(space, original.blueprint.clone(), "image")
            .and_then(|a| Snapshot::take(&a, extras()));
        slowest = slowest.max(start.elapsed());
        match result {
            Ok(snapshot) => {
                read += 1;
                let sessions = &snapshot.sessions;
                faulted += u64::from(snapshot.meta["faulted"].as_u64() > Some(0));
                assert!(sessions.len() <= 4096, "image {image}");
            }
            Err(error) => {
                refused += 1;
                let failure = Failure::from(error);
                assert_eq!(
                    failure.exit,
                    Exit::NoBlueprint,
                    "image {image}: {}",
                    failure.message
                );
                assert!(
                    failure.message.len() > 40,
                    "image {image}: {}",
                    failure.message
                );
            }
        }
    }
    eprintln!(
        "{read} read ({faulted} with rows that could not be), {refused} refused, slowest {slowest:?}"
    );
    assert!(
        read > IMAGES / 4 && refused > IMAGES / 50 && faulted > IMAGES / 50,
        "the damage is too weak or too strong to test anything"
    );
    assert!(
        slowest < Duration::from_secs(20),
        "an image took {slowest:?}"
    );
}

/// Damage of the file itself, through the program: headers, lengths, cut short.
#[test]
fn damaged_core_files_end_with_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let mut codes = std::collections::BTreeMap::new();
    for number in 0..FILES {
        let release = RELEASES[number as usize % RELEASES.len()];
        let mut random = Random(number ^ 0xC0DE);
        let mut bytes = fs::read(fixture(&format!("{release}.core"))).unwrap();
        for _ in 0..random.below(30) {
            let at = random.below(4096.min(bytes.len() as u64)) as usize;
            bytes[at] = random.next() as u8;
        }
        if random.below(3) == 0 {
            bytes.truncate(random.below(bytes.len() as u64) as usize);
        }
        fs::write(&path, &bytes).unwrap();
        let output = Command::new("timeout")
            .arg("60")
            .arg(program())
            .args(["dump", "-f", "json", "--sql-text", "full", "--image"])
            .arg(&path)
            .arg("--blueprint")
            .arg(fixture(&format!("{release}.blueprint.json")))
            .output()
            .unwrap();
        let (code, message) = end(&output);
        *codes.entry(code).or_insert(0) += 1;
        assert!(
            [0, 1, 5, 6].contains(&code),
            "file {number}: code {code}: {message}"
        );
        assert!(
            code <= 1 || message.starts_with("sgascope: "),
            "file {number}: {message:?}"
        );
        assert!(!message.contains("panicked"), "file {number}: {message}");
    }
    eprintln!("exit codes {codes:?}");
    assert!(codes.len() >= 3, "{codes:?}: the damage is too alike");
}
