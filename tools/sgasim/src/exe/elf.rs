//! ELF64 x86-64 executable container: headers, segments, sections, symbol tables, build-id.
//!
//! Knows nothing of Oracle. Addresses equal file offset + [`BASE`], as a linker lays out a non-PIE
//! program. Only [`super::Image::build`] calls it.

use md5::{Digest, Md5};

/// Link address of non-PIE programs on Linux x86-64; the 19.3 executable is mapped here too
/// (Kyle Hailey's public 19.3 trace).
pub(super) const BASE: u64 = 0x0040_0000;
const PAGE: u64 = 0x1000;
const TEXT_OFFSET: u64 = PAGE;
const NOTE_OFFSET: u64 = 0x400;
const NOTE_HEAD: usize = 16;
const BUILD_ID: usize = 20;
const EHDR: u64 = 64;
const PHDR: u64 = 56;
const SHN_ABS: u16 = 0xfff1;

/// Section that a symbol's value is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// The value is final (SHN_ABS).
    Absolute,
    /// Offset into `.text`.
    Text,
    /// Offset into `.rodata`.
    Rodata,
    /// Offset into `.data`.
    Data,
}

/// ELF symbol type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NoType = 0,
    Object = 1,
    Function = 2,
    File = 4,
}

/// One symbol; `value` is relative to `home`.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) value: u64,
    pub(super) size: u64,
    pub(super) home: Home,
    pub(super) kind: Kind,
    pub(super) local: bool,
    /// Also in `.dynsym`.
    pub(super) dynamic: bool,
}

/// Contents to link.
pub(super) struct Parts {
    /// Code; execution starts at its first byte.
    pub(super) text: Vec<u8>,
    /// Length of `.text` with the hole behind the code.
    pub(super) text_len: u64,
    pub(super) rodata: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) symbols: Vec<Symbol>,
}

/// A linked file.
pub(super) struct Linked {
    pub(super) pieces: Vec<(u64, Vec<u8>)>,
    pub(super) build_id: Vec<u8>,
    pub(super) len: u64,
}

/// Virtual address of `.text`.
pub(super) fn text_address() -> u64 {
    BASE + TEXT_OFFSET
}

/// Virtual address of `.rodata` behind a `.text` of `text_len` bytes.
pub(super) fn rodata_address(text_len: u64) -> u64 {
    BASE + align(TEXT_OFFSET + text_len, PAGE)
}

fn align(value: u64, to: u64) -> u64 {
    value.div_ceil(to) * to
}

/// A growing file image with section headers.
struct Builder {
    pieces: Vec<(u64, Vec<u8>)>,
    cursor: u64,
    headers: Vec<Header>,
    names: Vec<u8>,
}

#[derive(Default, Clone)]
struct Header {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entry: u64,
}

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const HASH: u32 = 5;
const DYNAMIC: u32 = 6;
const NOTE: u32 = 7;
const DYNSYM: u32 = 11;
const WRITE: u64 = 1;
const ALLOC: u64 = 2;
const EXEC: u64 = 4;

impl Builder {
    fn new() -> Self {
        Self {
            pieces: Vec::new(),
            cursor: 0,
            headers: vec![Header::default()],
            names: vec![0],
        }
    }

    /// Appends a section at the next offset that is a multiple of `header.align`; returns its index.
    fn section(&mut self, name: &str, mut header: Header, bytes: Vec<u8>) -> u32 {
        self.cursor = align(self.cursor, header.align);
        header.name = self.names.len() as u32;
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        header.offset = self.cursor;
        if header.size == 0 {
            header.size = bytes.len() as u64;
        }
        if header.flags & ALLOC != 0 {
            header.address = BASE + self.cursor;
        }
        self.pieces.push((self.cursor, bytes));
        self.cursor += header.size;
        self.headers.push(header);
        self.headers.len() as u32 - 1
    }

    fn offset(&self, index: u32) -> u64 {
        self.headers[index as usize].offset
    }

    fn end(&self, index: u32) -> u64 {
        let header = &self.headers[index as usize];
        header.offset + header.size
    }
}

/// Section indexes that symbols refer to, and their addresses.
struct Homes {
    text: (u16, u64),
    rodata: (u16, u64),
    data: (u16, u64),
}

impl Homes {
    fn place(&self, symbol: &Symbol) -> (u16, u64) {
        let (index, base) = match symbol.home {
            Home::Absolute => (SHN_ABS, 0),
            Home::Text => self.text,
            Home::Rodata => self.rodata,
            Home::Data => self.data,
        };
        (index, base + symbol.value)
    }
}

/// `.symtab`-like bytes, their string table and the index of the first global symbol.
fn symbol_table<'a>(
    symbols: impl Iterator<Item = &'a Symbol> + Clone,
    homes: &Homes,
) -> (Vec<u8>, Vec<u8>, u32) {
    let mut table = vec![0u8; 24];
    let mut names = vec![0u8];
    let mut first_global = 1;
    let locals = symbols.clone().filter(|s| s.local);
    for symbol in locals.chain(symbols.filter(|s| !s.local)) {
        let (index, value) = homes.place(symbol);
        table.extend_from_slice(&(names.len() as u32).to_le_bytes());
        table.push((u8::from(!symbol.local) << 4) | symbol.kind as u8);
        table.push(0);
        table.extend_from_slice(&index.to_le_bytes());
        table.extend_from_slice(&value.to_le_bytes());
        table.extend_from_slice(&symbol.size.to_le_bytes());
        names.extend_from_slice(symbol.name.as_bytes());
        names.push(0);
        first_global += u32::from(symbol.local);
    }
    (table, names, first_global)
}

/// The System V symbol hash function (ELF gABI).
fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0u32, |hash, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

/// `.hash` of the dynamic symbols in table order (`names` without the null symbol).
fn hash_table(names: &[&str]) -> Vec<u8> {
    let count = names.len() + 1;
    let buckets = (count / 2).max(1);
    let mut heads = vec![0u32; buckets];
    let mut chains = vec![0u32; count];
    for (i, name) in names.iter().enumerate() {
        let slot = sysv_hash(name) as usize % buckets;
        chains[i + 1] = heads[slot];
        heads[slot] = i as u32 + 1;
    }
    let words = [buckets as u32, count as u32];
    words
        .iter()
        .chain(&heads)
        .chain(&chains)
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

fn note(build_id: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [4u32, BUILD_ID as u32, 3] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(b"GNU\0");
    bytes.extend_from_slice(build_id);
    bytes
}

/// 20 bytes from the content, so that equal files have equal ids and different ones don't.
fn digest(pieces: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let run = |salt: u8| {
        let mut md5 = Md5::new();
        md5.update([salt]);
        for (offset, bytes) in pieces {
            md5.update(offset.to_le_bytes());
            md5.update(bytes);
        }
        md5.finalize().to_vec()
    };
    let mut id = run(0);
    id.extend(run(1));
    id.truncate(BUILD_ID);
    id
}

fn allocated(kind: u32, flags: u64, align: u64) -> Header {
    Header {
        kind,
        flags: ALLOC | flags,
        align,
        ..Header::default()
    }
}

/// The dynamic symbol table, its names and hash; returns their section indexes.
fn add_dynamic_tables(out: &mut Builder, symbols: &[Symbol], homes: &Homes) -> (u32, u32, u32) {
    let dynamic = || symbols.iter().filter(|s| s.dynamic && !s.local);
    let (table, names, _) = symbol_table(dynamic(), homes);
    let ordered: Vec<&str> = dynamic().map(|s| s.name.as_str()).collect();
    let dynsym = out.headers.len() as u32;
    let header = Header {
        link: dynsym + 1,
        info: 1,
        entry: 24,
        ..allocated(DYNSYM, 0, 8)
    };
    out.section(".dynsym", header, table);
    let dynstr = out.section(".dynstr", allocated(STRTAB, 0, 1), names);
    let header = Header {
        link: dynsym,
        entry: 4,
        ..allocated(HASH, 0, 8)
    };
    let hash = out.section(".hash", header, hash_table(&ordered));
    (dynsym, dynstr, hash)
}

fn dynamic_bytes(out: &Builder, dynsym: u32, dynstr: u32, hash: u32) -> Vec<u8> {
    const DT_HASH: u64 = 4;
    const DT_STRTAB: u64 = 5;
    const DT_SYMTAB: u64 = 6;
    const DT_STRSZ: u64 = 10;
    const DT_SYMENT: u64 = 11;
    [
        (DT_HASH, BASE + out.offset(hash)),
        (DT_STRTAB, BASE + out.offset(dynstr)),
        (DT_SYMTAB, BASE + out.offset(dynsym)),
        (DT_STRSZ, out.end(dynstr) - out.offset(dynstr)),
        (DT_SYMENT, 24),
        (0, 0),
    ]
    .iter()
    .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
    .collect()
}

fn program_header(kind: u32, flags: u32, offset: u64, size: u64, align: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    let address = if kind == GNU_STACK { 0 } else { BASE + offset };
    for word in [offset, address, address, size, size, align] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

const LOAD: u32 = 1;
const GNU_STACK: u32 = 0x6474_e551;

fn section_header(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&header.name.to_le_bytes());
    bytes.extend_from_slice(&header.kind.to_le_bytes());
    for word in [header.flags, header.address, header.offset, header.size] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&header.link.to_le_bytes());
    bytes.extend_from_slice(&header.info.to_le_bytes());
    bytes.extend_from_slice(&header.align.to_le_bytes());
    bytes.extend_from_slice(&header.entry.to_le_bytes());
    bytes
}

fn elf_header(phnum: u16, shoff: u64, shnum: u16) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    bytes.resize(16, 0);
    bytes.extend_from_slice(&2u16.to_le_bytes());
    bytes.extend_from_slice(&62u16.to_le_bytes());
    bytes.extend_from_slice(&1u32.to_le_bytes());
    for word in [text_address(), EHDR, shoff] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&0u32.to_le_bytes());
    for half in [EHDR as u16, PHDR as u16, phnum, 64, shnum, shnum - 1] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    bytes
}

/// Sections in file order and the offsets that the program headers need.
struct Layout {
    rodata: u32,
    hash: u32,
    data: u32,
    dynamic: u32,
}

fn add_sections(out: &mut Builder, parts: Parts) -> Layout {
    out.cursor = NOTE_OFFSET;
    out.section(
        ".note.gnu.build-id",
        allocated(NOTE, 0, 4),
        note(&[0; BUILD_ID]),
    );
    out.cursor = TEXT_OFFSET;
    let header = Header {
        size: parts.text_len,
        ..allocated(PROGBITS, EXEC, 16)
    };
    let text = out.section(".text", header, parts.text);
    let rodata = out.section(".rodata", allocated(PROGBITS, 0, PAGE), parts.rodata);
    // The two tables between .rodata and .data have a size that does not depend on addresses.
    let mut homes = Homes {
        text: (text as u16, BASE + out.offset(text)),
        rodata: (rodata as u16, BASE + out.offset(rodata)),
        data: (rodata as u16 + 4, 0),
    };
    let mut trial = Builder::new();
    trial.cursor = out.cursor;
    add_dynamic_tables(&mut trial, &parts.symbols, &homes);
    homes.data.1 = BASE + align(trial.cursor, PAGE);
    let (dynsym, dynstr, hash) = add_dynamic_tables(out, &parts.symbols, &homes);
    let data = out.section(".data", allocated(PROGBITS, WRITE, PAGE), parts.data);
    let bytes = dynamic_bytes(out, dynsym, dynstr, hash);
    let header = Header {
        link: dynstr,
        entry: 16,
        ..allocated(DYNAMIC, WRITE, 8)
    };
    let dynamic = out.section(".dynamic", header, bytes);
    let (table, names, first_global) = symbol_table(parts.symbols.iter(), &homes);
    let symtab = out.headers.len() as u32;
    let header = Header {
        kind: SYMTAB,
        link: symtab + 1,
        info: first_global,
        align: 8,
        entry: 24,
        ..Header::default()
    };
    out.section(".symtab", header, table);
    let strings = Header {
        kind: STRTAB,
        align: 1,
        ..Header::default()
    };
    out.section(".strtab", strings.clone(), names);
    let mut all = out.names.clone();
    all.extend_from_slice(b".shstrtab\0");
    out.section(".shstrtab", strings, all);
    Layout {
        rodata,
        hash,
        data,
        dynamic,
    }
}

/// Puts the parts together and derives the build-id from the result.
pub(super) fn link(parts: Parts) -> Linked {
    let mut out = Builder::new();
    let text_end = TEXT_OFFSET + parts.text_len;
    let at = add_sections(&mut out, parts);
    let shoff = align(out.cursor, 8);
    let headers: Vec<u8> = out.headers.iter().flat_map(section_header).collect();
    let shnum = out.headers.len() as u16;
    let (ro, rw) = (out.offset(at.rodata), out.offset(at.data));
    let dynamic = out.offset(at.dynamic);
    let note_len = (NOTE_HEAD + BUILD_ID) as u64;
    let dynamic_len = out.end(at.dynamic) - dynamic;
    let programs = [
        program_header(LOAD, 5, 0, text_end, PAGE),
        program_header(LOAD, 4, ro, out.end(at.hash) - ro, PAGE),
        program_header(LOAD, 6, rw, out.end(at.dynamic) - rw, PAGE),
        program_header(2, 6, dynamic, dynamic_len, 8),
        program_header(4, 4, NOTE_OFFSET, note_len, 4),
        program_header(GNU_STACK, 6, 0, 0, 16),
    ];
    let mut head = elf_header(programs.len() as u16, shoff, shnum);
    head.extend(programs.concat());
    let mut pieces = vec![(0, head)];
    pieces.append(&mut out.pieces);
    let len = shoff + headers.len() as u64;
    pieces.push((shoff, headers));
    let build_id = digest(&pieces);
    if let Some(piece) = pieces.iter_mut().find(|(at, _)| *at == NOTE_OFFSET) {
        piece.1 = note(&build_id);
    }
    Linked {
        pieces,
        build_id,
        len,
    }
}
