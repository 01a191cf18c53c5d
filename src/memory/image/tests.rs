//! Tests of captured images on plain bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value as Json, json};

use super::write::ImageWriter;
use super::*;
use crate::memory::{AddressSpace, BytesSpace, Fault, FaultKind, Region, Spot, TargetAddr};

const BASE: u64 = 0x6000_0000;
const PAGES: usize = 24;

/// Pages of different content; every third is zero.
fn memory() -> Arc<BytesSpace> {
    let byte = |i: usize| match (i / 4096) % 3 {
        0 => 0,
        _ => (i * 7 + i / 251) as u8,
    };
    let bytes = (0..PAGES * 4096).map(byte).collect();
    let small = vec![9u8; 100];
    let pieces = vec![(TargetAddr(BASE), bytes), (TargetAddr(0x7000_0000), small)];
    Arc::new(BytesSpace::new(pieces).unwrap())
}

fn identity() -> Json {
    json!({"sid": "X", "full": false})
}

fn freezing(target: &Path, resume: bool, unit: Unit) -> Result<FreezingSpace, ImageError> {
    let begun = ImageWriter::begin(target, resume, 4096, (&identity(), &json!(7)));
    let (writer, started) = begun?;
    assert_eq!(started, 7);
    let clock: Clock = Box::new(|addr| addr.0 as i64);
    Ok(FreezingSpace::new(memory(), writer, unit, clock))
}

fn finish(copy: &FreezingSpace) -> Torn {
    let (writer, torn) = copy.take().unwrap();
    let regions = memory().regions().to_vec();
    let mut document = Map::new();
    document.insert("who".into(), "X".into());
    writer.unwrap().finish(&regions, document).unwrap();
    torn
}

fn read(space: &dyn AddressSpace, at: u64, len: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0u8; len];
    space.read(TargetAddr(at), &mut bytes).map(|()| bytes)
}

fn target() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.img");
    (dir, path)
}

/// Reads that touch pages here and there.
const READS: [(u64, usize); 5] = [
    (BASE + 100, 8),
    (BASE + 4090, 20),
    (BASE + 5 * 4096, 3 * 4096),
    (BASE + PAGES as u64 * 4096 - 1, 1),
    (0x7000_0000 + 3, 97),
];

#[test]
fn what_was_read_is_there_and_nothing_else() {
    let (_dir, path) = target();
    let copy = freezing(&path, false, Unit::Page).unwrap();
    for (at, len) in READS {
        assert_eq!(read(&copy, at, len), read(&*memory(), at, len));
    }
    assert_eq!(
        read(&copy, BASE - 1, 1).unwrap_err().kind,
        FaultKind::Unmapped
    );
    assert_eq!(finish(&copy).count, 0);
    assert!(!partial_path(&path).exists());
    let image = ImageSpace::open(&path).unwrap();
    assert_eq!(image.regions(), memory().regions());
    assert_eq!(image.document()["who"], "X");
    assert_eq!(image.chunks()[0].began_ns, BASE as i64);
    assert_eq!(image.copied_at_ns(TargetAddr(BASE + 8)), Some(BASE as i64));
    for (at, len) in READS {
        assert_eq!(read(&image, at, len), read(&*memory(), at, len), "{at:#x}");
    }
    let mut words = [0u64; 3];
    let spot = image.locate(TargetAddr(BASE + 4093), 24).unwrap();
    image.read_words(spot, 0, &mut words).unwrap();
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    assert_eq!(Ok(bytes), read(&*memory(), BASE + 4093, 24));
    // page 3 was never read
    assert_eq!(
        read(&image, BASE + 3 * 4096, 8).unwrap_err().kind,
        FaultKind::Hole
    );
    assert_eq!(
        read(&image, BASE + 2 * 4096 - 1, 2).unwrap_err().kind,
        FaultKind::Hole
    );
    assert_eq!(image.damage().map(|d| d.to_string()), None);
    let pages = image
        .captured()
        .map(|(_, len)| len.div_ceil(4096))
        .sum::<u64>();
    assert_eq!(pages, 2 + 3 + 1 + 1);
    image.verify().unwrap();
}

#[test]
fn exact_copies_hold_what_was_read_and_hide_what_is_hidden() {
    let (_dir, path) = target();
    let copy = freezing(&path, false, Unit::Exact).unwrap();
    copy.hide(vec![(BASE + 5000, BASE + 5100), (BASE + 5050, BASE + 5200)]);
    read(&copy, BASE + 4500, 8).unwrap();
    read(&copy, BASE + 4504, 8).unwrap();
    for at in [BASE + 4999, BASE + 5000, BASE + 5199] {
        assert_eq!(
            read(&copy, at, 2).unwrap_err().kind,
            FaultKind::Hole,
            "{at:#x}"
        );
    }
    read(&copy, BASE + 5200, 2).unwrap();
    finish(&copy);
    let image = ImageSpace::open(&path).unwrap();
    let all: Vec<(u64, u64)> = image.captured().map(|(a, len)| (a.0 - BASE, len)).collect();
    assert_eq!(all, [(4500, 12), (5200, 2)]);
}

/// Cut off at every byte, an unfinished image is gone on with to the same content, and nothing that
/// was copied wholly is copied again.
#[test]
fn an_unfinished_image_is_gone_on_with_from_every_byte() {
    let (_dir, path) = target();
    let copy = freezing(&path, false, Unit::Page).unwrap();
    copy.freeze(TargetAddr(BASE), PAGES as u64 * 4096).unwrap();
    let before = copy.written();
    drop(copy);
    let partial = partial_path(&path);
    let begun = std::fs::read(&partial).unwrap();
    assert!(before.chunks > 8, "{before:?}");
    let mut resumed = std::collections::BTreeSet::new();
    for cut in (0..=begun.len()).step_by(37).chain([begun.len()]) {
        std::fs::write(&partial, &begun[..cut]).unwrap();
        let copy = freezing(&path, true, Unit::Page).unwrap();
        resumed.insert(copy.written().resumed_chunks);
        copy.freeze(TargetAddr(BASE), PAGES as u64 * 4096).unwrap();
        finish(&copy);
        let image = ImageSpace::open(&path).unwrap();
        let whole = PAGES * 4096;
        assert_eq!(
            read(&image, BASE, whole),
            read(&*memory(), BASE, whole),
            "cut at {cut}"
        );
    }
    assert_eq!(resumed.len(), before.chunks + 1, "{resumed:?}");
    // another one's
    std::fs::write(&partial, &begun).unwrap();
    let other = json!({"sid": "Y", "full": false});
    let refused = ImageWriter::begin(&path, true, 4096, (&other, &json!(7))).map(drop);
    assert!(matches!(refused, Err(ImageError::Other { what, .. }) if what == "sid"));
    // one writer at a time
    let _one = freezing(&path, true, Unit::Page).unwrap();
    let second = freezing(&path, true, Unit::Page).map(drop);
    assert!(matches!(second, Err(ImageError::Busy { .. })));
    assert!(matches!(
        ImageSpace::open(&partial),
        Err(ImageError::Unfinished { .. })
    ));
}

/// Memory whose first word is another one at each look, until it has been looked at `rests` times.
struct Moving {
    still: Arc<BytesSpace>,
    looks: AtomicU64,
    rests: u64,
}

impl AddressSpace for Moving {
    fn regions(&self) -> &[Region] {
        self.still.regions()
    }

    fn kind(&self) -> &'static str {
        "bytes"
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        self.still.read_words(spot, offset, out)
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.still.read_bytes(spot, offset, out)?;
        if spot.offset + offset == 0 {
            out[0] = self.looks.fetch_add(1, Ordering::Relaxed).min(self.rests) as u8;
        }
        Ok(())
    }
}

#[test]
fn what_moves_is_copied_again_and_told() {
    for (rests, torn) in [(0, 0), (2, 0), (100, 1)] {
        let (_dir, path) = target();
        let begun = ImageWriter::begin(&path, false, 4096, (&identity(), &json!(7))).unwrap();
        let moving = Arc::new(Moving {
            still: memory(),
            looks: AtomicU64::new(0),
            rests,
        });
        let copy = FreezingSpace::new(moving, begun.0, Unit::Page, Box::new(|_| 0));
        let first = read(&copy, BASE, 16).unwrap();
        assert_eq!(read(&copy, BASE, 16).unwrap(), first, "it stands still");
        let found = finish(&copy);
        assert_eq!(found.count, torn, "{rests}");
        let places = [(TargetAddr(BASE), 4096)];
        assert_eq!(found.places, places[..torn as usize]);
    }
}

/// A table that says what can't be is refused, with its checksum right.
#[test]
fn a_wrong_table_is_refused() {
    let run = |text: &str| Run::try_from(text.to_owned());
    assert_eq!(
        run("0x10+4096 zero"),
        Ok(Run {
            start: 16,
            len: 4096,
            zero: true
        })
    );
    for wrong in [
        "",
        "0x10",
        "0x10+0",
        "10+1",
        "0xffffffffffffffff+2",
        "0x1+-1",
        "0x1+1 zer",
    ] {
        assert!(run(wrong).is_err(), "{wrong}");
    }
    let (_dir, path) = target();
    let copy = freezing(&path, false, Unit::Page).unwrap();
    copy.freeze(TargetAddr(BASE), 8 * 4096).unwrap();
    let (writer, _) = copy.take().unwrap();
    let overlapping = [
        Region {
            start: TargetAddr(BASE),
            len: 8192,
            name: "a".into(),
        },
        Region {
            start: TargetAddr(BASE + 4096),
            len: 8192,
            name: "b".into(),
        },
    ];
    writer.unwrap().finish(&overlapping, Map::new()).unwrap();
    let refused = ImageSpace::open(&path).map(drop);
    assert!(
        matches!(refused, Err(ImageError::Damaged { .. })),
        "{refused:?}"
    );
}
