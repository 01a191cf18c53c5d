//! Symbols and code of the synthetic executable: callbacks, fixed SGA variables, and the many
//! unrelated names that a look-up has to tell apart from the wanted ones.
//!
//! Makes no table contents. Only [`super::Image::build`] calls it.

use std::collections::HashSet;

use super::elf::{Home, Kind, Symbol, text_address};
use super::{SymSpec, TableSpec};

/// Bytes per function stub.
const STUB: u64 = 16;
/// Bytes of padding per extra symbol: a real executable of 400 MB has 400,000 (mvelikikh, 21.5).
const PAD_PER_SYMBOL: u64 = 1024;

/// Code under construction with the symbols that point into it.
pub(super) struct Text {
    pub(super) code: Vec<u8>,
    pub(super) symbols: Vec<Symbol>,
    names: HashSet<String>,
}

impl Text {
    /// Starts with `_start`, which ends the process with code 0.
    pub(super) fn new() -> Self {
        // mov eax, 60 (exit); xor edi, edi; syscall
        let mut code = vec![0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
        code.resize(STUB as usize, 0xcc);
        let mut text = Self {
            code,
            symbols: Vec::new(),
            names: HashSet::new(),
        };
        text.symbol("_start", 0, false);
        text
    }

    fn symbol(&mut self, name: &str, value: u64, local: bool) {
        self.names.insert(name.to_owned());
        self.symbols.push(Symbol {
            name: name.to_owned(),
            value,
            size: STUB,
            home: Home::Text,
            kind: Kind::Function,
            local,
            dynamic: !local,
        });
    }

    /// Adds a function that returns 0, unless it exists; its virtual address.
    fn function(&mut self, name: &str, local: bool) -> u64 {
        if self.names.contains(name) {
            let known = self.symbols.iter().find(|s| s.name == name);
            return text_address() + known.map_or(0, |s| s.value);
        }
        let value = self.code.len() as u64;
        // xor eax, eax; ret
        self.code.extend_from_slice(&[0x31, 0xc0, 0xc3]);
        self.code.resize((value + STUB) as usize, 0xcc);
        self.symbol(name, value, local);
        text_address() + value
    }
}

/// Addresses of all callback functions.
pub(super) struct Callbacks {
    /// Both callback words of each `kqftap` entry, 0 = none.
    pub(super) tables: Vec<[u64; 2]>,
    /// Triples of `kqfcop`; triple 0 is empty because index 0 means "no function".
    pub(super) columns: Vec<[u64; 3]>,
}

/// Place of a column's function inside its `kqfcop` triple, by KQFCOTYP (mvelikikh/xinfo).
fn triple_slot(typ: u8) -> usize {
    match typ {
        8 => 1,
        20 | 33 | 43 => 2,
        _ => 0,
    }
}

fn identifier(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// Makes a function for every table and column callback.
pub(super) fn callbacks(text: &mut Text, tables: &[TableSpec]) -> Callbacks {
    let indexes = tables.iter().flat_map(|t| &t.columns).map(|c| c.cop);
    let triples = indexes.max().unwrap_or(0) as usize + 1;
    let mut out = Callbacks {
        tables: Vec::new(),
        columns: vec![[0; 3]; triples],
    };
    for table in tables {
        let base = identifier(table.name.trim_start_matches("X$"));
        let mut words = [0; 2];
        for (word, (set, tail)) in words
            .iter_mut()
            .zip([(table.cb1, "cb"), (table.cb2, "nxt")])
        {
            if set {
                *word = text.function(&format!("{base}_{tail}"), false);
            }
        }
        out.tables.push(words);
        for column in table.columns.iter().filter(|c| c.cop != 0) {
            let slot = &mut out.columns[column.cop as usize][triple_slot(column.typ)];
            if *slot == 0 {
                *slot = text.function(&format!("kqfc_{}", identifier(&column.name)), false);
            }
        }
    }
    out
}

/// Kernel functions that public stack traces and tracing scripts name.
const FUNCTIONS: [&str; 72] = [
    "main",
    "opimai_real",
    "ssthrdmain",
    "opidrv",
    "sou2o",
    "opiodr",
    "opiino",
    "opitsk",
    "ttcpip",
    "opikndf2",
    "kpoal8",
    "opiexe",
    "opiosq0",
    "opifch2",
    "opial7",
    "kkspsc0",
    "kksParseCursor",
    "kksfbc",
    "kkslod",
    "kglget",
    "kglgob",
    "kglLock",
    "kglpin",
    "kglobld",
    "kghalf",
    "kghalo",
    "kghfrf",
    "kghupr1",
    "kslgetl",
    "kslfre",
    "kslwtbctx",
    "kslwtectx",
    "kskthbwt",
    "kskthewt",
    "kews_update_wait_time",
    "ksliwat",
    "kslwaitctx",
    "skgpwwait",
    "sskgpwwait",
    "ksqgtlctx",
    "ksqcmi",
    "ksqrcli",
    "ktcsta",
    "ktugur",
    "ktuxnm",
    "kcbgtcr",
    "kcbgcur",
    "kcbzib",
    "kcbzgb",
    "kcbrls",
    "kcfrbd",
    "ksfdrdx",
    "ksfd_skgfqio",
    "kcrfw_redo_gen_ext",
    "kcrf_commit_force_int",
    "ktrget2",
    "kdstf000010100001000km",
    "kdsgrp",
    "kdiixs1",
    "kdifxs1",
    "qertbFetch",
    "qertbFetchByRowID",
    "qerixtFetch",
    "qersoFetch",
    "qerhjFetch",
    "qergsFetch",
    "qerfxFetch",
    "qerfxArrayMaxSize",
    "ksugetblocker",
    "ksucrp",
    "ksuprog",
    "kewastUnPackStats",
];

const GENERATED_FUNCTIONS: u32 = 160;
const SOURCE_FILES: [&str; 8] = [
    "kqf.c", "ksu.c", "ksl.c", "ksm.c", "kgl.c", "kcb.c", "opi.c", "ksms.s",
];

/// Adds functions that have nothing to do with fixed tables, some of them local, and file symbols.
pub(super) fn filler(text: &mut Text) {
    for name in FUNCTIONS {
        text.function(name, false);
    }
    for i in 0..GENERATED_FUNCTIONS {
        text.function(&format!("kszf{i:04}_int"), i % 8 == 7);
    }
    for name in SOURCE_FILES {
        text.symbols.push(Symbol {
            name: name.to_owned(),
            value: 0,
            size: 0,
            home: Home::Absolute,
            kind: Kind::File,
            local: true,
            dynamic: false,
        });
    }
}

/// Spreads symbols over the hole of `pad` bytes that begins at `start` in `.text`. Somewhat more
/// than half of them are dynamic, as in the real file (225,083 of 402,534 in 21.5; mvelikikh).
pub(super) fn padding(text: &mut Text, start: u64, pad: u64) {
    text.symbols
        .extend((0..pad / PAD_PER_SYMBOL).map(|i| Symbol {
            name: format!("kzpd{i:07}_fn"),
            value: start + i * PAD_PER_SYMBOL,
            size: PAD_PER_SYMBOL,
            home: Home::Text,
            kind: Kind::Function,
            local: false,
            dynamic: i % 9 < 5,
        }));
}

/// The fixed SGA variables: absolute symbols without a type, as an assembler's `.set` makes them
/// (bpftrace can't resolve them, gdb can: Christoph Lutz, POUG2024).
pub(super) fn sga(variables: &[SymSpec]) -> impl Iterator<Item = Symbol> {
    variables.iter().map(|variable| Symbol {
        name: variable.name.clone(),
        value: variable.address,
        size: variable.size,
        home: Home::Absolute,
        kind: Kind::NoType,
        local: false,
        dynamic: true,
    })
}

const DATA_OBJECTS: u64 = 96;

/// Adds process-private variables and returns the bytes of `.data` that they name.
pub(super) fn data_objects(symbols: &mut Vec<Symbol>) -> Vec<u8> {
    symbols.extend((0..DATA_OBJECTS).map(|i| Symbol {
        name: format!("kspg{i:03}_"),
        value: i * STUB,
        size: STUB,
        home: Home::Data,
        kind: Kind::Object,
        local: i % 6 == 5,
        dynamic: i % 6 != 5,
    }));
    (0..DATA_OBJECTS)
        .flat_map(|i| [i, i.wrapping_mul(0x9e37_79b9_7f4a_7c15)])
        .flat_map(u64::to_le_bytes)
        .collect()
}
