//! Sweeps over memory that moves in a known way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::blueprint::Blueprint;
use crate::memory::testing::Owner;
use crate::memory::{AddressSpace, Fault, Region, Spot, SysvSpace, TargetAddr};
use crate::plan::{Accepted, EventTable, Need, RowTable, bind, compile, row, via};

/// Rows of 64 words; what is read can change from one read to the next.
struct Moving {
    regions: Vec<Region>,
    reads: AtomicU64,
    /// Word at `offset` in read number `n` of the slot's payload.
    word: fn(slot: u64, offset: u64, read: u64) -> u64,
}

const ROW_BYTES: u64 = 512;
const SLOTS: u64 = 8;
const BASE: u64 = 0x6800_0000;

impl AddressSpace for Moving {
    fn regions(&self) -> &[Region] {
        &self.regions
    }

    fn kind(&self) -> &'static str {
        "bytes"
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        for (i, word) in out.iter_mut().enumerate() {
            let at = spot.offset + offset + i as u64 * 8;
            let (slot, within) = (at / ROW_BYTES, at % ROW_BYTES);
            // a new reading of a row begins with its last span
            let read = if within == PAYLOAD {
                self.reads.fetch_add(1, Ordering::Relaxed)
            } else {
                self.reads.load(Ordering::Relaxed)
            };
            *word = match within {
                0 => 1,               // KSSPAFLG in use
                FLAGS => 1 | 1 << 32, // KSUSEFLG user; KSUSEIDL in a call
                WAIT => 5 | 7 << 16,  // SEQ# 5, EVENT# 7, KSUSETIM 0: waiting
                within => (self.word)(slot, within, read),
            };
        }
        Ok(())
    }

    fn read_bytes(&self, _: Spot, _: u64, out: &mut [u8]) -> Result<(), Fault> {
        out.fill(0);
        Ok(())
    }
}

const FLAGS: u64 = 64;
const WAIT: u64 = 128;
const PAYLOAD: u64 = 256;

/// A text of the row with room for 128 bytes, a pointer to text, and a pointer to a structure.
const NAME: u64 = 288;
const POINTERS: u64 = 272;

fn blueprint() -> Blueprint {
    let stored = |name: &str, offset: u64, size: u64, stored: &str| serde_json::json!({"name": name, "offset": offset, "size": size, "stored": stored, "source": "s", "confidence": "high"});
    let mut pointer = stored("owner", POINTERS + 8, 8, "addr");
    pointer["to"] = "behind".into();
    let field = |name: &str, offset: u64, size: u64| serde_json::json!({"name": name, "offset": offset, "size": size, "stored": "uint", "source": "s", "confidence": "high"});
    let document = serde_json::json!({
        "schema": "1.0", "id": "walk-test", "status": "synthetic",
        "identity": {"release": "1", "port": "test"},
        "sources": [{"id": "s", "kind": "executable", "detail": "test"}],
        "anchors": [], "arrays": [],
        "structs": [{"name": "r", "size": ROW_BYTES, "fields": [
            field("KSSPAFLG", 0, 1), field("KSUSEFLG", FLAGS, 4), field("KSUSEIDL", FLAGS + 4, 2),
            field("KSUSESEQ", WAIT, 2), field("KSUSEOPC", WAIT + 2, 2), field("KSUSETIM", WAIT + 4, 4),
            field("KSUSEP1", PAYLOAD, 8), field("KSUSEP2", PAYLOAD + 8, 8),
            stored("KSUSEUNM", NAME, 128, "text"), stored("KSUSECLID", POINTERS, 8, "text-ptr"), pointer,
        ]}, {"name": "behind", "size": 64, "fields": [field("KSSOBOWN", 8, 8), field("KSLLAPRC", 24, 8)]}],
    });
    Blueprint::from_json(document.to_string().as_bytes(), "test").unwrap()
}

fn sweep(word: fn(u64, u64, u64) -> u64) -> (Frame, usize) {
    swept(Arc::new(Moving {
        regions: vec![Region {
            start: TargetAddr(BASE),
            len: ROW_BYTES * SLOTS,
            name: "moving".into(),
        }],
        reads: AtomicU64::new(0),
        word,
    }))
}

/// The frame of one sweep, and the place of P1 in its rows.
fn swept(space: Arc<dyn AddressSpace>) -> (Frame, usize) {
    let (mut walker, first) = walker(space);
    let mut frame = walker.frame();
    walker.sweep(&mut frame, || 0);
    (frame, first)
}

fn walker(space: Arc<dyn AddressSpace>) -> (Walker, usize) {
    let walker = walker_of(space, &[row("KSUSEP1"), row("KSUSEP2")]);
    let first = walker.bound().plan.field(row("KSUSEP1")).unwrap().byte / 8;
    (walker, first as usize)
}

fn walker_of(space: Arc<dyn AddressSpace>, needs: &[Need]) -> Walker {
    let accepted = Arc::new(Accepted::default());
    let plan = compile(&blueprint(), &accepted, "r", &GateFields::NEEDS, needs).unwrap();
    let addrs = (0..SLOTS)
        .map(|i| TargetAddr(BASE + i * ROW_BYTES))
        .collect();
    let rows = RowTable {
        addrs,
        spots: Vec::new(),
    };
    let bound = bind(
        space,
        plan,
        &rows,
        accepted,
        Arc::new(EventTable::default()),
    );
    Walker::new(bound, Select::Used).unwrap()
}

#[test]
fn quiet_rows_are_clean() {
    let (frame, first) = sweep(|slot, _, _| 100 + slot);
    assert_eq!(frame.len(), SLOTS as usize);
    assert!(frame.quality.iter().all(|q| *q == Quality::CLEAN));
    assert_eq!(frame.row(3)[first], 103);
    assert_eq!(frame.torn, 0);
}

#[test]
fn a_row_that_changed_once_is_read_again_and_says_so() {
    // the second word of each row changes between the first and the second reading
    let (frame, first) = sweep(|_, offset, read| if offset > PAYLOAD { read.min(2) } else { 1 });
    assert_eq!(frame.quality[0], Quality::RETRIED);
    let words = frame.row(0);
    assert_eq!(
        (words[first], words[first + 1]),
        (1, 2),
        "what is shown is the quiet reading"
    );
    assert!(frame.quality[1..].iter().all(|q| *q == Quality::CLEAN));
}

#[test]
fn a_row_that_never_rests_is_emitted_as_torn() {
    let (frame, _) = sweep(|_, offset, read| if offset > PAYLOAD { read } else { 1 });
    assert_eq!(frame.len(), SLOTS as usize, "never dropped");
    assert!(frame.quality.iter().all(|q| q.has(Quality::TORN)));
    assert_eq!(frame.torn, SLOTS as u32);
}

/// Rows of the same layout in a real segment of another process; slots 0, 2, 4 and 6 are in use.
fn segment() -> Owner {
    let mut owner = Owner::start("walk_MAPPED", "600", &[(BASE, ROW_BYTES * SLOTS)]);
    for slot in 0..SLOTS {
        let row = slot * ROW_BYTES;
        owner.poke(row, 1 - slot % 2);
        owner.poke(row + FLAGS, 1 | 1 << 32);
        owner.poke(row + WAIT, 5 | 7 << 16);
        owner.poke(row + PAYLOAD, 100 + slot);
        owner.poke(row + PAYLOAD + 8, 200 + slot);
    }
    owner
}

/// The same memory, of which nobody says that it is mapped.
struct NotMapped(SysvSpace);

impl AddressSpace for NotMapped {
    fn regions(&self) -> &[Region] {
        self.0.regions()
    }

    fn kind(&self) -> &'static str {
        "bytes"
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        self.0.read_words(spot, offset, out)
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.0.read_bytes(spot, offset, out)
    }
}

#[test]
fn mapped_rows_read_as_all_others_do() {
    let owner = segment();
    let attach = || SysvSpace::attach(&owner.segments).unwrap();
    let frames = [
        swept(Arc::new(attach())),
        swept(Arc::new(NotMapped(attach()))),
    ];
    for (frame, first) in &frames {
        assert_eq!(frame.slots, [0, 2, 4, 6]);
        assert_eq!((frame.seen, frame.faulted), (SLOTS as u32, 0));
        assert!(frame.quality.iter().all(|q| *q == Quality::CLEAN));
        assert_eq!(frame.row(3)[*first..*first + 2], [106, 206]);
    }
    let rows = |(frame, _): &(Frame, usize)| -> Vec<Vec<u64>> {
        (0..frame.len()).map(|i| frame.row(i).to_vec()).collect()
    };
    assert_eq!(rows(&frames[0]), rows(&frames[1]));
}

/// The text of a field of each row.
fn texts(frame: &Frame, walker: &Walker, name: &'static str) -> Vec<String> {
    let field = walker.bound().plan.field(row(name)).unwrap();
    let text = |i: usize| {
        let mut bytes = [0; 128];
        let n = field.bytes_to_nul(frame.row(i), &mut bytes);
        String::from_utf8(bytes[..n].to_vec()).unwrap()
    };
    (0..frame.len()).map(text).collect()
}

/// Writes a text, filled up to `len` bytes with NULs.
fn poke_text(owner: &mut Owner, at: u64, text: &str, len: usize) {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(len.max(bytes.len()), 0);
    for (i, piece) in bytes.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..piece.len()].copy_from_slice(piece);
        owner.poke(at + 8 * i as u64, u64::from_le_bytes(word));
    }
}

#[test]
fn long_texts_are_read_to_their_end_and_short_ones_no_further() {
    let mut owner = segment();
    let (whole, long) = ("x".repeat(128), "a name of more than thirty-two bytes");
    let names = [
        whole.as_str(),
        "SHOP",
        "exactly thirty-two bytes of name",
        long,
    ];
    for (slot, name) in (0..SLOTS).step_by(2).zip(names) {
        let at = slot * ROW_BYTES + NAME;
        poke_text(&mut owner, at, name, 128);
        if name == "SHOP" {
            // what was there before the name
            poke_text(&mut owner, at + 40, &"stale".repeat(16), 0);
        }
    }
    let space = Arc::new(SysvSpace::attach(&owner.segments).unwrap());
    let mut walker = walker_of(space, &[row("KSUSEUNM")]);
    let plan = &walker.bound().plan;
    let [tail] = plan.tails[..] else {
        panic!("{:?}", plan.tails);
    };
    assert_eq!((tail.words, tail.offset), (12, NAME + 32));
    let (first, last) = (tail.dst as usize, (tail.dst + tail.words) as usize);
    let mut frame = walker.frame();
    walker.sweep(&mut frame, || 0);
    assert_eq!(texts(&frame, &walker, "KSUSEUNM"), names);
    let is_zero = |frame: &Frame, i: usize| frame.row(i)[first..last].iter().all(|w| *w == 0);
    assert_eq!(
        [0, 1, 2, 3].map(|i| is_zero(&frame, i)),
        [false, true, true, false]
    );
    // the second row, whose name is short, now stands where the first one stood
    owner.poke(0, 0);
    walker.sweep(&mut frame, || 0);
    assert_eq!(texts(&frame, &walker, "KSUSEUNM"), names[1..]);
    assert_eq!([0, 1, 2].map(|i| is_zero(&frame, i)), [true, true, false]);
    assert!(frame.quality.iter().all(|q| *q == Quality::CLEAN));
}

#[test]
fn what_pointers_lead_to_is_read_wherever_it_is() {
    let mut owner = segment();
    let end = BASE + ROW_BYTES * SLOTS;
    // text and structure in the segment, both null, text at the very end, both where nothing is
    let pointers = [
        (BASE + NAME, BASE + PAYLOAD - 8),
        (0, 0),
        (end - 8, 0),
        (end + 4096, u64::MAX - 7),
    ];
    for (slot, (text, other)) in (0..SLOTS).step_by(2).zip(pointers) {
        owner.poke(slot * ROW_BYTES + POINTERS, text);
        owner.poke(slot * ROW_BYTES + POINTERS + 8, other);
    }
    poke_text(&mut owner, NAME, "a text elsewhere", 128);
    poke_text(&mut owner, ROW_BYTES * SLOTS - 8, "the end", 8);
    let needs = [
        row("KSUSECLID"),
        via("owner", "KSSOBOWN"),
        via("owner", "KSLLAPRC"),
    ];
    let attach = || SysvSpace::attach(&owner.segments).unwrap();
    let spaces: [Arc<dyn AddressSpace>; 2] = [Arc::new(attach()), Arc::new(NotMapped(attach()))];
    let frames = spaces.map(|space| {
        let mut walker = walker_of(space, &needs);
        let mut frame = walker.frame();
        walker.sweep(&mut frame, || 0);
        assert_eq!(
            texts(&frame, &walker, "KSUSECLID"),
            ["a text elsewhere", "", "the end", ""]
        );
        let behind = walker.bound().plan.field(needs[1]).unwrap();
        let values: Vec<u64> = (0..4).map(|i| behind.uint(frame.row(i))).collect();
        assert_eq!(values, [100, 0, 0, 0], "P1 of the first row");
        let faults: Vec<bool> = frame
            .quality
            .iter()
            .map(|q| q.has(Quality::FAULT))
            .collect();
        assert_eq!(faults, [false, false, false, true]);
        assert!(frame.quality.iter().all(|q| !q.has(Quality::RETRIED)));
        frame
    });
    for i in 0..4 {
        assert_eq!(frames[0].row(i), frames[1].row(i), "row {i}");
    }
}

#[test]
fn a_pointer_that_changed_since_its_lines_were_asked_for_leads_where_it_leads_now() {
    let mut owner = segment();
    let target = |slot: u64| BASE + slot * ROW_BYTES + PAYLOAD - 8;
    let point_to = |owner: &mut Owner, to: u64| {
        (0..SLOTS).for_each(|slot| owner.poke(slot * ROW_BYTES + POINTERS + 8, target(to)));
    };
    (0..SLOTS).for_each(|slot| owner.poke(slot * ROW_BYTES, 1));
    point_to(&mut owner, 0);
    let space = Arc::new(SysvSpace::attach(&owner.segments).unwrap());
    let needs = [row("owner"), via("owner", "KSSOBOWN")];
    let mut walker = walker_of(space, &needs);
    let mut frame = walker.frame();
    // the clock is asked for the first time when some rows have been read, and others been asked for
    walker.sweep(&mut frame, || {
        point_to(&mut owner, 2);
        0
    });
    let value = |need: Need, i: usize| walker.bound().plan.field(need).unwrap().uint(frame.row(i));
    let seen: Vec<(u64, u64)> = (0..frame.len())
        .map(|i| (value(needs[0], i), value(needs[1], i)))
        .collect();
    let (before, after) = ((target(0), 100), (target(2), 102));
    assert!(
        seen.iter().all(|pair| [before, after].contains(pair)),
        "{seen:x?}"
    );
    assert!(seen.contains(&before) && seen.contains(&after), "{seen:x?}");
}

#[test]
fn a_mapped_row_that_moves_says_so() {
    let mut owner = segment();
    let space = Arc::new(SysvSpace::attach(&owner.segments).unwrap());
    let (mut walker, _) = walker(space);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for value in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                owner.poke(PAYLOAD + 8, value);
            }
        });
        let mut frame = walker.frame();
        let start = std::time::Instant::now();
        let mut moved = false;
        while !moved && start.elapsed().as_secs() < 120 {
            walker.sweep(&mut frame, || 0);
            moved = frame.quality.iter().any(|q| *q != Quality::CLEAN);
        }
        over.store(true, Ordering::Relaxed);
        assert!(moved, "no second reading ever differed from the first");
    });
}

#[test]
fn a_frame_of_another_walker_is_replaced() {
    let owner = segment();
    let (mut walker, _) = walker(Arc::new(SysvSpace::attach(&owner.segments).unwrap()));
    for (rows, words) in [(2, 3), (0, 0), (SLOTS as usize, 200)] {
        let mut frame = Frame::new(rows, words);
        walker.sweep(&mut frame, || 0);
        assert_eq!(frame.len(), 4);
    }
}

#[test]
fn what_a_plan_costs_is_explained() {
    let needs = [row("KSUSEP1"), row("KSUSEP2")];
    let accepted = Accepted::default();
    let plan = compile(&blueprint(), &accepted, "r", &GateFields::NEEDS, &needs).unwrap();
    let cost = explain::explain(&plan).unwrap();
    // words 0, 64 and 128, each in a line of its own wherever the row begins
    let gate = &cost.gate;
    assert_eq!((gate.fields, gate.words, gate.runs), (6, 3, 3));
    assert_eq!((gate.lines_least, gate.lines_most), (3, 3));
    // each 56 bytes behind the other: one read where reads are dear
    assert_eq!((gate.unmapped_reads, gate.unmapped_gap_bytes), (1, 112));
    // two words, which a line's end parts if the row begins 8 bytes before one
    let spans = &cost.spans;
    assert_eq!((spans.fields, spans.words, spans.runs), (2, 2, 1));
    assert_eq!((spans.lines_least, spans.lines_most), (1, 2));
    assert_eq!((cost.guard.words, cost.row_words), (5, 6));
    let lines: Vec<(u64, bool)> = cost.lines.iter().map(|l| (l.offset, l.gate)).collect();
    assert_eq!(lines, [(0, true), (64, true), (128, true), (256, false)]);
    assert_eq!(cost.lines[3].fields, ["KSUSEP1", "KSUSEP2"]);
}

#[test]
fn a_frame_keeps_its_memory() {
    let mut frame = Frame::new(4, 8);
    let at = |frame: &Frame| (frame.row(0).as_ptr(), frame.slots.as_ptr());
    let fill = |frame: &mut Frame, word: u64| {
        for slot in 0..4 {
            let (row, tails) = frame.next_row().unwrap();
            assert_eq!(
                *tails,
                if word == 7 { 0 } else { 5 },
                "what is held stays told"
            );
            row.fill(word + u64::from(slot));
            *tails = 5;
            frame.keep(slot, Quality::CLEAN, 0);
        }
    };
    fill(&mut frame, 7);
    assert!(frame.next_row().is_none(), "it is full");
    let before = at(&frame);
    frame.clear();
    assert!(frame.is_empty());
    fill(&mut frame, 20);
    assert_eq!((at(&frame), frame.row(3)), (before, &[23; 8][..]));
}

#[test]
fn quality_names() {
    assert_eq!(Quality::CLEAN.names(), "");
    assert_eq!(Quality::TORN.with(Quality::RETRIED).names(), "retried,torn");
}
