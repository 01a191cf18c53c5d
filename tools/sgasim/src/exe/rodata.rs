//! `.rodata` of the synthetic executable: strings and the fixed-table dictionary.
//!
//! Entry forms are those that mvelikikh/xinfo reads (19.13, 21.5, 23.6) and Christoph Lutz's
//! scripts (19.26, 23.26). Only [`super::Image::build`] calls it.

use std::collections::{HashMap, HashSet};

use super::elf::{Home, Kind, Symbol};
use super::release::Release;
use super::symbols::Callbacks;
use super::{ColSpec, EventSpec, ExeSpec, StatSpec, TableSpec};
use crate::names;

const KQFTAB_ENTRY: usize = 80;
const COLUMN_ENTRY: usize = 64;
const STATISTIC_ENTRY: usize = 0x20;
const LATCH_ENTRY: usize = 0x28;
const VIEW_ENTRY: usize = 0x50;

/// The finished section.
pub(super) struct Rodata {
    pub(super) bytes: Vec<u8>,
    pub(super) symbols: Vec<Symbol>,
    pub(super) event_addrs: Vec<[u64; 4]>,
    pub(super) kqftab_address: u64,
}

struct Pool {
    base: u64,
    bytes: Vec<u8>,
    strings: HashMap<String, u64>,
    symbols: Vec<Symbol>,
}

impl Pool {
    /// Virtual address of a NUL-terminated `text`, stored once.
    fn text(&mut self, text: &str) -> u64 {
        if let Some(address) = self.strings.get(text) {
            return *address;
        }
        self.align(4);
        let address = self.base + self.bytes.len() as u64;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.strings.insert(text.to_owned(), address);
        address
    }

    fn align(&mut self, to: usize) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(to), b'\0');
    }

    /// Stores an object under a symbol; its virtual address.
    fn object(&mut self, name: &str, bytes: &[u8]) -> u64 {
        self.align(32);
        let value = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        self.symbols.push(Symbol {
            name: name.to_owned(),
            value,
            size: bytes.len() as u64,
            home: Home::Rodata,
            kind: Kind::Object,
            local: false,
            dynamic: true,
        });
        self.base + value
    }
}

/// One fixed-size table entry, filled at given offsets.
struct Entry(Vec<u8>);

impl Entry {
    fn new(len: usize) -> Self {
        Self(vec![0; len])
    }

    fn set<const N: usize>(mut self, at: usize, bytes: [u8; N]) -> Self {
        self.0[at..at + N].copy_from_slice(&bytes);
        self
    }

    fn u64(self, at: usize, value: u64) -> Self {
        self.set(at, value.to_le_bytes())
    }

    fn u32(self, at: usize, value: u32) -> Self {
        self.set(at, value.to_le_bytes())
    }

    fn u16(self, at: usize, value: u16) -> Self {
        self.set(at, value.to_le_bytes())
    }

    fn u8(self, at: usize, value: u8) -> Self {
        self.set(at, [value])
    }
}

/// `kqftab` entry of 80 bytes. The word at 60 is not explained in public; the 21.5 dump shows 2 for
/// X$KQFTA and 0 for two flat tables, so it is written as the number of indexes (KQFCOIDX).
fn table_entry(pool: &mut Pool, table: &TableSpec) -> Vec<u8> {
    let name = pool.text(&table.name);
    let structure = pool.text(&table.struct_name);
    let indexes = table.columns.iter().map(|c| c.idx).max().unwrap_or(0);
    Entry::new(KQFTAB_ENTRY)
        .u64(0, table.name.len() as u64)
        .u64(8, name)
        .u64(16, table.struct_name.len() as u64)
        .u64(24, structure)
        .u16(32, table.typ)
        .u16(34, table.flg)
        .u64(40, table.rsz)
        .u32(56, table.columns.len() as u32)
        .u32(60, u32::from(indexes))
        .u32(64, table.obj)
        .u16(68, table.ver)
        .0
}

/// Column entry of 64 bytes.
fn column_entry(pool: &mut Pool, column: &ColSpec) -> Vec<u8> {
    let name = pool.text(&column.name);
    Entry::new(COLUMN_ENTRY)
        .u64(0, column.name.len() as u64)
        .u64(8, name)
        .u8(16, column.dty)
        .u8(17, column.typ)
        .u8(18, column.idx)
        .u8(19, column.ipo)
        .u8(20, column.max)
        .u8(24, column.lsz)
        .u64(32, column.lof)
        .u64(40, column.siz)
        .u16(48, column.off)
        .u64(56, column.cop)
        .0
}

/// Column array symbol: `<struct>_c`; a structure that serves a second table is named after that
/// table instead, because a global symbol can't be defined twice.
fn array_name(table: &TableSpec, taken: &mut HashSet<String>) -> String {
    let own = format!("{}_c", table.struct_name);
    let name = if taken.contains(&own) {
        let table = table.name.trim_start_matches("X$").to_ascii_lowercase();
        format!("{table}_c")
    } else {
        own
    };
    taken.insert(name.clone());
    name
}

fn dictionary(pool: &mut Pool, spec: &ExeSpec, calls: &Callbacks) -> u64 {
    let mut taken = HashSet::new();
    let mut kqftab = Vec::new();
    let mut kqftap = Vec::new();
    for (table, words) in spec.tables.iter().zip(&calls.tables) {
        kqftab.extend(table_entry(pool, table));
        let mut array: Vec<u8> = Vec::new();
        for column in &table.columns {
            array.extend(column_entry(pool, column));
        }
        array.extend([0; COLUMN_ENTRY]);
        let columns = pool.object(&array_name(table, &mut taken), &array);
        let entry = Entry::new(spec.kqftap_entry)
            .u64(8, columns)
            .u64(16, words[0])
            .u64(24, words[1]);
        kqftap.extend(entry.0);
    }
    kqftab.extend([0; KQFTAB_ENTRY]);
    kqftap.extend(vec![0; spec.kqftap_entry]);
    let address = pool.object("kqftab", &kqftab);
    pool.object("kqftap", &kqftap);
    let triples = calls.columns.iter().flatten();
    let kqfcop: Vec<u8> = triples.flat_map(|word| word.to_le_bytes()).collect();
    pool.object("kqfcop", &kqfcop);
    address
}

/// `kqfviw` (name at +8), `kqfvip` (text at +0; 0x20 bytes in 19c, 0x28 in 23ai) and `kqfvpsz`, the
/// number of entries with the terminator (Christoph Lutz, `kqfvi.sh`).
fn views(pool: &mut Pool, spec: &ExeSpec) {
    let text_entry = if spec.kqftap_entry == 40 { 0x28 } else { 0x20 };
    let mut names = Vec::new();
    let mut texts = Vec::new();
    for (name, text) in &spec.views {
        let entry = Entry::new(VIEW_ENTRY)
            .u64(0, name.len() as u64)
            .u64(8, pool.text(name));
        names.extend(entry.0);
        texts.extend(Entry::new(text_entry).u64(0, pool.text(text)).0);
    }
    names.extend([0; VIEW_ENTRY]);
    texts.extend(vec![0; text_entry]);
    pool.object("kqfviw", &names);
    pool.object("kqfvip", &texts);
    pool.object("kqfvpsz", &(spec.views.len() as u32 + 1).to_le_bytes());
}

/// `ksusdt`: name pointer first (Christoph Lutz, `sesstat-wp.gdb`); the class at +0x10 and the
/// number at +0x18 are this simulator's choice, their real places are not public.
fn statistics(pool: &mut Pool, statistics: &[StatSpec]) {
    let mut array = Vec::new();
    for (number, statistic) in statistics.iter().enumerate() {
        let entry = Entry::new(STATISTIC_ENTRY)
            .u64(0, pool.text(&statistic.name))
            .u32(0x10, statistic.class)
            .u32(0x18, number as u32);
        array.extend(entry.0);
    }
    pool.object("ksusdt", &array);
    pool.object("ksusdn", &(statistics.len() as u32).to_le_bytes());
}

fn latches(pool: &mut Pool) {
    let mut array = Vec::new();
    for (number, name) in names::LATCHES.iter().enumerate() {
        let entry = Entry::new(LATCH_ENTRY)
            .u64(0, pool.text(name))
            .u32(0x10, number as u32 % 16);
        array.extend(entry.0);
    }
    pool.object("kslldt", &array);
}

fn events(pool: &mut Pool, events: &[EventSpec]) -> Vec<[u64; 4]> {
    let mut addresses = Vec::with_capacity(events.len());
    for event in events {
        let name = pool.text(&event.name);
        let [p1, p2, p3] = event.p.each_ref().map(|text| pool.text(text));
        addresses.push([name, p1, p2, p3]);
    }
    addresses
}

/// Builds the section for the virtual address `base`.
pub(super) fn build(spec: &ExeSpec, release: &Release, calls: &Callbacks, base: u64) -> Rodata {
    let mut pool = Pool {
        base,
        bytes: Vec::new(),
        strings: HashMap::new(),
        symbols: Vec::new(),
    };
    for text in [
        "Copyright (c) synthetic instance",
        release.banner,
        &release.version_line,
        &release.label,
        &release.full,
    ] {
        pool.text(text);
    }
    let event_addrs = events(&mut pool, &spec.events);
    let kqftab_address = dictionary(&mut pool, spec, calls);
    views(&mut pool, spec);
    statistics(&mut pool, &spec.statistics);
    latches(&mut pool);
    pool.align(16);
    Rodata {
        bytes: pool.bytes,
        symbols: pool.symbols,
        event_addrs,
        kqftab_address,
    }
}
