//! Blocks of rows against row by row: what [`super::column`] makes is what [`Decoder::value`] gives.
//!
//! Rows are random in every field, and change in a few from tick to tick, so that each short way is
//! taken and each is left again.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::builder::Builder;
use super::*;
use crate::blueprint::Blueprint;
use crate::blueprint::model::{Stored, WaitClass};
use crate::decode::Context;
use crate::decode::columns::{needs_of, sample_columns};
use crate::memory::{BytesSpace, TargetAddr};
use crate::plan::{Accepted, Event, EventTable, RowTable, bind, compile};
use crate::walk::{GateFields, Select, Walker};

const BASE: u64 = 0x6800_0000;
const ROW: u64 = 10_240;
/// More than one block.
const ROWS: u64 = 70;
/// What rows point to.
const BEHIND: u64 = BASE + ROWS * ROW;
const PIECE: u64 = 6_400;
const PIECES: u64 = 40;
const TICKS: u64 = 12;
const NOW_S: u64 = 1_700_000_000;

const BLUEPRINTS: [&str; 2] = [
    include_str!("../../../blueprints/synthetic/sgasim-19.3.json"),
    include_str!("../../../blueprints/drafts/12.2.0.1.json"),
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

fn blueprint(json: &str) -> Blueprint {
    let mut blueprint = Blueprint::from_json(json.as_bytes(), "test").unwrap();
    for field in blueprint.structs.iter_mut().flat_map(|s| &mut s.fields) {
        field.accept = None;
    }
    blueprint.dictionaries.commands.insert(3, "SELECT".into());
    blueprint
}

/// Bytes of a field, such as occur and such as don't.
fn field_bytes(name: &str, stored: Stored, size: usize, slot: u64, random: &mut Random) -> Vec<u8> {
    let piece = match name {
        "KSUSETRN" => slot % PIECES,
        _ => random.below(PIECES),
    };
    let behind = BEHIND + piece * PIECE;
    let noise = random.0;
    let number = match name {
        "KSSPAFLG" => 1,
        "KSUSENUM" => slot + 1 + random.below(20) / 19,
        "KSUSEFLG" => random.one(&[1, 2, 17, 4097]),
        "KSUSEOPC" => random.below(6),
        "KSUSETIM" => random.one(&[0, 0, 500, u64::MAX, u64::MAX - 1, u64::MAX - 5]),
        "KSUSESEQ" => random.below(3),
        "KSUSEIDL" => random.below(4),
        "KSUUDOCT" => random.one(&[0, 3, 200]),
        "KSUSESCH" => random.one(&[0, 65_535]),
        "KSUSESESTA" => random.one(&[0, NOW_S - 5, NOW_S + 400_000, 5]),
        "KSUSESQH" => random.below(3),
        _ => random.one(&[0, 0, 1, 7, 0x8001, noise]),
    };
    match stored {
        Stored::Text => {
            let text = random.one(&["", "JDBC Thin Client", "app\u{e4}", "x\0y"]);
            let full = "F".repeat(size);
            let text = if random.below(9) == 0 { &full } else { text };
            let mut bytes = text.as_bytes()[..text.len().min(size)].to_vec();
            bytes.resize(size, 0);
            bytes
        }
        Stored::Date7 => {
            let mut bytes = random.one(&[[120, 123, 11, 14, 1, 1, 1], [0; 7]]).to_vec();
            bytes.resize(size, 0);
            bytes
        }
        Stored::Addr | Stored::TextPtr => {
            let pointer = random.one(&[0, behind, behind, behind, 0x10]);
            pointer.to_le_bytes()[..size].to_vec()
        }
        _ => number.to_le_bytes()[..size.min(8)].to_vec(),
    }
}

struct Memory<'a> {
    bytes: Vec<u8>,
    blueprint: &'a Blueprint,
    random: Random,
}

impl Memory<'_> {
    fn new(blueprint: &Blueprint) -> Memory<'_> {
        let mut memory = Memory {
            bytes: vec![0; (ROWS * ROW + PIECES * PIECE) as usize],
            blueprint,
            random: Random(0x9E37_79B9_7F4A_7C15),
        };
        for word in (ROWS * ROW..memory.bytes.len() as u64).step_by(8) {
            let row = BASE + memory.random.below(ROWS) * ROW;
            let value = memory.random.one(&[0, 3, 0x45_4c_55_44_4f_4d, row]);
            memory.bytes[word as usize..][..8].copy_from_slice(&value.to_le_bytes());
        }
        for row in 0..ROWS {
            memory.change(row, 100);
        }
        memory.change_behind();
        memory
    }

    /// Writes what rows point to anew: modules with their lengths, transactions of some row.
    fn change_behind(&mut self) {
        for piece in 0..PIECES {
            let at = ROWS * ROW + piece * PIECE;
            // its own row, or another
            let row = BASE + (piece + self.random.below(2) * PIECES) % ROWS * ROW;
            self.behind(at, ("KSUSETRN", "KTCXBSES"), &row.to_le_bytes());
            let sequence = self.random.below(3);
            self.behind(at, ("KSUSETRN", "KXIDSQN"), &sequence.to_le_bytes()[..4]);
            let module = self
                .random
                .one(&["", "ORDERS", "a longer name of a module"]);
            let mut bytes = [0; 64];
            bytes[..module.len()].copy_from_slice(module.as_bytes());
            self.behind(at, ("modact_ptr", "module"), &bytes[..48]);
            let length = module.len() as u64 + self.random.below(4) / 3;
            self.behind(at, ("modact_ptr", "module_len"), &length.to_le_bytes());
        }
    }

    fn behind(&mut self, at: u64, (pointer, name): (&str, &str), bytes: &[u8]) {
        let ksuse = self.blueprint.strukt("ksuse").unwrap();
        let target = ksuse.field(pointer).and_then(|f| f.to.as_deref());
        let field = target.and_then(|t| self.blueprint.strukt(t)?.field(name));
        if let Some(field) = field {
            let at = (at + field.offset) as usize;
            self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    /// Writes about so many in a hundred of a row's fields anew.
    fn change(&mut self, row: u64, percent: u64) {
        let ksuse = self.blueprint.strukt("ksuse").unwrap();
        for field in &ksuse.fields {
            if self.random.below(100) < percent && field.offset + field.size <= ROW {
                let (size, name) = (field.size as usize, &field.name);
                let bytes = field_bytes(name, field.stored, size, row, &mut self.random);
                let at = (row * ROW + field.offset) as usize;
                self.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
}

fn events() -> EventTable {
    let class = |no, id, name: &str| WaitClass {
        no,
        id,
        name: name.into(),
    };
    let event = |name: &str, class| Event {
        name: name.into(),
        parameters: ["file#".into(), String::new(), "blocks".into()],
        class,
    };
    EventTable {
        events: vec![
            event("null event", None),
            event("SQL*Net message from client", Some(0)),
            event("db file sequential read", Some(1)),
            event("log file sync", Some(1)),
        ],
        classes: vec![
            class(6, 2723168908, "Idle"),
            class(8, 1740759767, "User I/O"),
        ],
        problem: None,
    }
}

/// The same rows by both ways; all columns of all ticks that differ.
fn differences(json: &str) -> Vec<String> {
    let blueprint = blueprint(json);
    let mut memory = Memory::new(&blueprint);
    let columns = sample_columns();
    let accepted = Arc::new(Accepted::default());
    let needs = needs_of(&columns);
    let addrs: Vec<TargetAddr> = (0..ROWS).map(|n| TargetAddr(BASE + n * ROW)).collect();
    let rows = RowTable {
        addrs,
        spots: Vec::new(),
    };
    let mut collected = None;
    let mut differ = Vec::new();
    let mut decoder: Option<Decoder> = None;
    for tick in 0..TICKS {
        let pieces = vec![(TargetAddr(BASE), memory.bytes.clone())];
        let space = Arc::new(BytesSpace::new(pieces).unwrap());
        let plan = compile(&blueprint, &accepted, "ksuse", &GateFields::NEEDS, &needs).unwrap();
        let bound = bind(space, plan, &rows, accepted.clone(), Arc::new(events()));
        let decoder = decoder.get_or_insert_with(|| {
            let context = Context::unknown().watching(ROWS as usize);
            Decoder::within(&blueprint, &bound, &columns, context)
        });
        let mut walker = Walker::new(bound, Select::Used).unwrap();
        let mut frame = walker.frame();
        frame.wall_ns = NOW_S as i64 * 1_000_000_000;
        frame.mono_ns = tick * 1_000_000;
        walker.sweep(&mut frame, || 0);
        assert_eq!(frame.len() as u64, ROWS, "all are in use");
        let collected =
            collected.get_or_insert_with(|| SampleRows::new(decoder, "TEST", "blueprint"));
        collected.append(&frame, decoder);
        let (batch, _) = collected.take().unwrap();
        for (place, column) in columns.iter().enumerate() {
            let mut builder = Builder::new(column.kind);
            for i in 0..frame.len() {
                let row = decoder.row(&frame, i);
                builder.append(&decoder.value(place, &row));
            }
            let expected: ArrayRef = builder.finish();
            let found = batch.column_by_name(column.ash).unwrap();
            if **found != *expected {
                differ.push(format!("tick {tick}, {}", column.ash));
            }
        }
        for row in 0..ROWS {
            // some not at all, some in a few fields, some in all
            let percent = memory.random.one(&[0, 2, 2, 20, 100]);
            memory.change(row, percent);
        }
        memory.change_behind();
    }
    differ
}

#[test]
fn blocks_of_rows_are_what_rows_are() {
    for json in BLUEPRINTS {
        let differ = differences(json);
        assert!(differ.is_empty(), "{differ:?}");
    }
}
