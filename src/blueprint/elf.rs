//! An `oracle` executable as a bounded source of facts: build-id, symbols, bytes at link addresses.
//!
//! A real one has 400-500 MB, 400,000 symbols and is replaced in place by patches, so it is read
//! piece by piece with `pread`: nothing is mapped that could vanish, and only what is asked for is
//! touched. Every offset, count and length found in the file is checked against the file's real
//! length and a cap before use; a hostile file ends with an [`ExtractError`].
//!
//! It knows ELF, not Oracle's tables: see `kqf` and `banner`.
//!
//! Callers: `kqf`, `banner`, `assemble`, `sample` (event names stand in the executable), `cli`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, header64};
use goblin::elf::note::{NT_GNU_BUILD_ID, NoteDataIterator};
use goblin::elf::program_header::{PF_X, PT_LOAD, PT_NOTE, program_header64};
use goblin::elf::section_header::{
    SHF_ALLOC, SHF_EXECINSTR, SHN_ABS, SHT_DYNSYM, SHT_NOTE, SHT_PROGBITS, SHT_SYMTAB,
    section_header64,
};
use goblin::elf::sym::{STT_FILE, STT_SECTION, Symtab};

use super::hints::HintsError;

/// Most bytes of one string table (a real one has some 15 MB).
const MAX_STRINGS: u64 = 64 << 20;
/// Most bytes of one symbol table: 10 million symbols (a real one has 400,000).
const MAX_SYMBOLS: u64 = 240_000_000;
/// Most absolute symbols that are kept (a real executable has tens of thousands).
const MAX_ABSOLUTE: usize = 1_000_000;
/// Most bytes of notes that are looked at.
const MAX_NOTES: u64 = 1 << 20;
/// Most note parts that are looked at.
const MAX_NOTE_PARTS: usize = 64;
/// Longest symbol name that is compared.
const MAX_NAME: usize = 128;
/// Longest text that [`ExeReader::text_at`] reads.
const MAX_TEXT: usize = 64 << 10;
/// Symbols are read in pieces of this many.
const SYMBOLS_PER_PIECE: u64 = 43_690;
const SYMBOL_BYTES: u64 = 24;

/// Why an executable gives no blueprint.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Can't be opened (no right: only its owner may read a real one, mode 6751).
    #[error("can't open {}: {source}: run as the owner of the Oracle software or root", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A read failed or ended early.
    #[error("{}: can't read {len} bytes at file offset {offset:#x}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// First byte.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// Not a 64-bit little-endian ELF executable of a known machine.
    #[error("{}: expected a 64-bit little-endian ELF executable, found {found}: give the `oracle` executable of the instance", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// A part of the file contradicts itself.
    #[error("{}: {what} at {at:#x}: expected {expected}, found {found}: the file is damaged or of an unknown form", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part.
        what: String,
        /// File offset or link address.
        at: u64,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A needed symbol isn't there.
    #[error("{}: no symbol `{name}`: this is not Oracle's `oracle` executable, or its symbols were stripped", path.display())]
    NoSymbol {
        /// The file.
        path: PathBuf,
        /// The symbol.
        name: String,
    },
    /// No X$ table of this name.
    #[error("{}: no table {table} among the {tables} of kqftab", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// The table.
        table: String,
        /// Tables found.
        tables: usize,
    },
    /// The release can't be told from the texts.
    #[error("{}: no single release among its texts (found {found}): give a blueprint with --blueprint", path.display())]
    NoRelease {
        /// The file.
        path: PathBuf,
        /// Candidates, or "none".
        found: String,
    },
    /// The hints can't be used for it.
    #[error(transparent)]
    Hints(#[from] HintsError),
    /// The assembled blueprint breaks a semantic rule.
    #[error("{}: the assembled blueprint isn't coherent: {finding}", path.display())]
    Incoherent {
        /// The file.
        path: PathBuf,
        /// The first finding of severity error.
        finding: String,
    },
}

/// A loaded part: file bytes at link addresses.
#[derive(Clone, Copy, Debug)]
struct Load {
    address: u64,
    offset: u64,
    /// Bytes in the file, cut at the file's end.
    bytes: u64,
    /// Bytes in memory.
    memory: u64,
    executable: bool,
}

/// A section, as far as it matters here.
#[derive(Clone, Copy, Debug)]
struct Section {
    kind: u32,
    flags: u64,
    offset: u64,
    bytes: u64,
    link: usize,
}

/// Value and size of a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Name without decoration.
    pub name: String,
    /// Link address, for absolute symbols the run-time SGA address.
    pub value: u64,
    /// Bytes; 0 when the linker didn't say.
    pub size: u64,
}

/// What one walk over the symbol table gave.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// The wanted ones that exist.
    pub named: Vec<Symbol>,
    /// Fixed SGA variables: absolute symbols whose value lies in no loaded part (Christoph Lutz,
    /// POUG2024, `19.23/ex-13`: bpftrace's `uaddr()` fails on them, gdb's `&ksusga_` resolves).
    pub absolute: Vec<Symbol>,
}

impl Symbols {
    /// The wanted symbol of this name.
    pub fn get(&self, name: &str) -> Option<&Symbol> {
        self.named.iter().find(|s| s.name == name)
    }

    /// The fixed SGA variable of this name.
    pub fn fixed(&self, name: &str) -> Option<&Symbol> {
        self.absolute.iter().find(|s| s.name == name)
    }
}

/// An open executable.
#[derive(Debug)]
pub struct ExeReader {
    path: PathBuf,
    file: File,
    len: u64,
    machine: u16,
    loads: Vec<Load>,
    sections: Vec<Section>,
    build_id: Option<String>,
}

const fn little_endian() -> Ctx {
    Ctx {
        container: Container::Big,
        le: Endian::Little,
    }
}

impl ExeReader {
    /// Opens an executable and reads its headers and build-id.
    ///
    /// # Errors
    /// Not readable, not a 64-bit little-endian executable, or headers outside the file.
    pub fn open(path: &Path) -> Result<ExeReader, ExtractError> {
        let open = |source| ExtractError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(open)?;
        let meta = file.metadata().map_err(open)?;
        let mut exe = ExeReader {
            path: path.to_owned(),
            file,
            len: if meta.is_file() { meta.len() } else { 0 },
            machine: 0,
            loads: Vec::new(),
            sections: Vec::new(),
            build_id: None,
        };
        exe.read_headers()?;
        exe.build_id = exe.find_build_id();
        Ok(exe)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// GNU build-id, lower-case hex; `None` when the linker wrote none.
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// Platform in words: "Linux x86-64" or "Linux aarch64".
    pub fn port(&self) -> &'static str {
        if self.machine == EM_AARCH64 {
            "Linux aarch64"
        } else {
            "Linux x86-64"
        }
    }

    fn not_executable(&self, found: impl Into<String>) -> ExtractError {
        ExtractError::NotExecutable {
            path: self.path.clone(),
            found: found.into(),
        }
    }

    pub(super) fn damaged(
        &self,
        what: impl Into<String>,
        at: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> ExtractError {
        ExtractError::Damaged {
            path: self.path.clone(),
            what: what.into(),
            at,
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn read_headers(&mut self) -> Result<(), ExtractError> {
        let mut head = [0u8; header64::SIZEOF_EHDR];
        if self.len < head.len() as u64 {
            return Err(self.not_executable(format!("a file of {} bytes", self.len)));
        }
        self.read(0, &mut head)?;
        // e_ident: magic, 64-bit class, little-endian data.
        if head[..6] != [0x7f, b'E', b'L', b'F', 2, 1] {
            return Err(self.not_executable(format!("a file that begins with {:02x?}", &head[..6])));
        }
        let header = Elf::parse_header(&head).map_err(|e| self.not_executable(e.to_string()))?;
        let known = matches!(header.e_type, ET_EXEC | ET_DYN)
            && matches!(header.e_machine, EM_X86_64 | EM_AARCH64);
        if !known {
            let (kind, machine) = (header.e_type, header.e_machine);
            return Err(self.not_executable(format!("ELF type {kind} for machine {machine}")));
        }
        self.machine = header.e_machine;
        self.read_program_headers(header.e_phoff, header.e_phentsize, header.e_phnum)?;
        self.read_sections(header.e_shoff, header.e_shentsize, header.e_shnum)
    }

    fn header_table(
        &self,
        what: &str,
        offset: u64,
        entry: (u16, usize),
        count: u16,
    ) -> Result<Vec<u8>, ExtractError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if usize::from(entry.0) != entry.1 {
            let expected = format!("entries of {} bytes", entry.1);
            return Err(self.damaged(what, offset, expected, entry.0.to_string()));
        }
        let bytes = u64::from(count) * entry.1 as u64;
        self.piece(what, offset, bytes, bytes)
    }

    fn read_program_headers(
        &mut self,
        offset: u64,
        entry: u16,
        count: u16,
    ) -> Result<(), ExtractError> {
        let sizes = (entry, program_header64::SIZEOF_PHDR);
        let table = self.header_table("program headers", offset, sizes, count)?;
        let headers = program_header64::ProgramHeader::from_bytes(&table, usize::from(count));
        for header in headers {
            let part = Load {
                address: header.p_vaddr,
                offset: header.p_offset,
                bytes: header
                    .p_filesz
                    .min(self.len.saturating_sub(header.p_offset)),
                memory: header.p_memsz,
                executable: header.p_flags & PF_X != 0,
            };
            match header.p_type {
                PT_LOAD => self.loads.push(part),
                // Notes are kept as sections are, so that one list is searched.
                PT_NOTE => self.sections.push(Section {
                    kind: SHT_NOTE,
                    flags: 0,
                    offset: part.offset,
                    bytes: part.bytes,
                    link: 0,
                }),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_sections(&mut self, offset: u64, entry: u16, count: u16) -> Result<(), ExtractError> {
        let sizes = (entry, section_header64::SIZEOF_SHDR);
        let table = self.header_table("section headers", offset, sizes, count)?;
        let headers = section_header64::SectionHeader::from_bytes(&table, usize::from(count));
        // Links of sections are indexes into the section table, which therefore comes first.
        let notes = std::mem::take(&mut self.sections);
        self.sections.extend(headers.iter().map(|h| Section {
            kind: h.sh_type,
            flags: h.sh_flags,
            offset: h.sh_offset,
            bytes: h.sh_size,
            link: h.sh_link as usize,
        }));
        self.sections.extend(notes);
        Ok(())
    }

    fn find_build_id(&self) -> Option<String> {
        let notes = self
            .sections
            .iter()
            .filter(|s| s.kind == SHT_NOTE)
            .take(MAX_NOTE_PARTS);
        for part in notes {
            let Ok(data) = self.piece("notes", part.offset, part.bytes, MAX_NOTES) else {
                continue;
            };
            let mut iter = NoteDataIterator {
                data: &data,
                size: data.len(),
                offset: 0,
                ctx: (4, little_endian()),
            };
            let found = iter.find_map(|note| {
                let note = note.ok()?;
                let own = note.n_type == NT_GNU_BUILD_ID && note.name == "GNU";
                (own && (4..=64).contains(&note.desc.len())).then(|| note.desc.to_vec())
            });
            if let Some(id) = found {
                return Some(id.iter().map(|byte| format!("{byte:02x}")).collect());
            }
        }
        None
    }

    /// Exactly `buf.len()` bytes at a file offset.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), ExtractError> {
        self.file
            .read_exact_at(buf, offset)
            .map_err(|source| ExtractError::Read {
                path: self.path.clone(),
                offset,
                len: buf.len() as u64,
                source,
            })
    }

    /// A part of the file, refused when it is longer than `cap` or leaves the file.
    fn piece(&self, what: &str, offset: u64, len: u64, cap: u64) -> Result<Vec<u8>, ExtractError> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        if len > cap || !inside {
            let expected = format!("at most {cap} bytes inside a file of {}", self.len);
            return Err(self.damaged(what, offset, expected, format!("{len} bytes")));
        }
        let mut bytes = vec![0; len as usize];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// File offset and remaining file bytes of a link address.
    fn locate(&self, address: u64) -> Option<(u64, u64)> {
        self.loads.iter().find_map(|load| {
            let inside = address
                .checked_sub(load.address)
                .filter(|at| *at < load.bytes)?;
            Some((load.offset.checked_add(inside)?, load.bytes - inside))
        })
    }

    /// Exactly `buf.len()` bytes at a link address; an error when no loaded part has them.
    ///
    /// # Errors
    /// The address isn't in the file, or reading fails.
    pub fn bytes_at(&self, address: u64, buf: &mut [u8]) -> Result<(), ExtractError> {
        match self.locate(address) {
            Some((offset, left)) if left >= buf.len() as u64 => self.read(offset, buf),
            _ => {
                let found = format!("{} bytes that no loaded part holds", buf.len());
                Err(self.damaged("link address", address, "bytes of a loaded part", found))
            }
        }
    }

    /// The NUL-terminated printable text of fewer than `max` bytes at a link address; `None` when
    /// there is none.
    pub fn text_at(&self, address: u64, max: usize) -> Option<String> {
        let (offset, left) = self.locate(address)?;
        let mut buf = vec![0; max.min(MAX_TEXT).min(usize::try_from(left).ok()?)];
        self.read(offset, &mut buf).ok()?;
        let end = buf.iter().position(|&byte| byte == 0)?;
        buf.truncate(end);
        let text = String::from_utf8(buf).ok()?;
        text.chars().all(|c| !c.is_control()).then_some(text)
    }

    /// Offset and length of the parts that hold constant data, in file order.
    pub(super) fn constants(&self) -> Vec<(u64, u64)> {
        let constant = |s: &&Section| {
            s.kind == SHT_PROGBITS
                && s.flags & u64::from(SHF_ALLOC) != 0
                && s.flags & u64::from(SHF_EXECINSTR) == 0
        };
        let mut parts: Vec<(u64, u64)> = self
            .sections
            .iter()
            .filter(constant)
            .map(|s| (s.offset, s.bytes))
            .collect();
        if parts.is_empty() {
            let plain = self.loads.iter().filter(|l| !l.executable);
            parts = plain.map(|l| (l.offset, l.bytes)).collect();
        }
        parts.retain(|(offset, bytes)| {
            offset
                .checked_add(*bytes)
                .is_some_and(|end| end <= self.len)
        });
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// Walks `.symtab`, or `.dynsym` where that is missing, once: the `wanted` names and all
    /// absolute symbols.
    ///
    /// # Errors
    /// No symbol table, or one that leaves the file or is past all reason.
    pub fn symbols(&self, wanted: &[&str]) -> Result<Symbols, ExtractError> {
        let table = self.symbol_table()?;
        let strings = self.strings_of(&table)?;
        let mut out = Symbols::default();
        self.walk_symbols(&table, |raw| {
            let absolute = u32::from(raw.section) == SHN_ABS
                && !matches!(raw.kind, STT_FILE | STT_SECTION)
                && raw.value != 0
                && !self.in_loaded_part(raw.value);
            let Some(name) = name_in(&strings, raw.name) else {
                return true;
            };
            let mut symbol = None;
            let is_wanted = raw.section != 0
                && wanted.iter().any(|w| w.as_bytes() == name)
                && out.named.iter().all(|s| s.name.as_bytes() != name);
            if is_wanted || absolute {
                symbol = std::str::from_utf8(name).ok().map(|name| Symbol {
                    name: name.to_owned(),
                    value: raw.value,
                    size: raw.size,
                });
            }
            if absolute && out.absolute.len() < MAX_ABSOLUTE {
                out.absolute.extend(symbol.clone());
            }
            if is_wanted {
                out.named.extend(symbol);
            }
            true
        })?;
        Ok(out)
    }

    /// Whether a defined symbol of this name exists; stops at the first.
    fn has_symbol(&self, name: &str) -> Result<bool, ExtractError> {
        let table = self.symbol_table()?;
        let strings = self.strings_of(&table)?;
        let mut found = false;
        self.walk_symbols(&table, |raw| {
            found = raw.section != 0 && name_in(&strings, raw.name) == Some(name.as_bytes());
            !found
        })?;
        Ok(found)
    }

    fn in_loaded_part(&self, address: u64) -> bool {
        let inside = |l: &Load| {
            address
                .checked_sub(l.address)
                .is_some_and(|at| at < l.memory)
        };
        self.loads.iter().any(inside)
    }

    fn symbol_table(&self) -> Result<Section, ExtractError> {
        let of = |kind| self.sections.iter().find(|s| s.kind == kind).copied();
        of(SHT_SYMTAB)
            .or_else(|| of(SHT_DYNSYM))
            .ok_or_else(|| ExtractError::NoSymbol {
                path: self.path.clone(),
                name: "kqftab".into(),
            })
    }

    fn strings_of(&self, table: &Section) -> Result<Vec<u8>, ExtractError> {
        let Some(strings) = self.sections.get(table.link) else {
            let found = format!("section {}", table.link);
            return Err(self.damaged("symbol table", table.offset, "a string table", found));
        };
        self.piece("string table", strings.offset, strings.bytes, MAX_STRINGS)
    }

    /// Calls `each` for every symbol until it returns false.
    fn walk_symbols(
        &self,
        table: &Section,
        mut each: impl FnMut(&RawSymbol) -> bool,
    ) -> Result<(), ExtractError> {
        if table.bytes > MAX_SYMBOLS {
            let expected = format!("at most {MAX_SYMBOLS} bytes");
            let found = table.bytes.to_string();
            return Err(self.damaged("symbol table", table.offset, expected, found));
        }
        let mut left = table.bytes / SYMBOL_BYTES;
        let mut offset = table.offset;
        while left > 0 {
            let count = left.min(SYMBOLS_PER_PIECE);
            let bytes = count * SYMBOL_BYTES;
            let piece = self.piece("symbol table", offset, bytes, bytes)?;
            let symbols = Symtab::parse(&piece, 0, count as usize, little_endian())
                .map_err(|e| self.damaged("symbol table", offset, "symbols", e.to_string()))?;
            for symbol in symbols.iter() {
                let raw = RawSymbol {
                    name: symbol.st_name,
                    kind: symbol.st_type(),
                    section: symbol.st_shndx as u16,
                    value: symbol.st_value,
                    size: symbol.st_size,
                };
                if !each(&raw) {
                    return Ok(());
                }
            }
            left -= count;
            offset += bytes;
        }
        Ok(())
    }
}

/// A symbol as it stands in the table.
struct RawSymbol {
    name: usize,
    kind: u8,
    section: u16,
    value: u64,
    size: u64,
}

/// The non-empty name at an offset of a string table, if it ends within [`MAX_NAME`] bytes.
fn name_in(strings: &[u8], at: usize) -> Option<&[u8]> {
    let rest = strings.get(at..)?;
    let rest = &rest[..rest.len().min(MAX_NAME)];
    let end = rest.iter().position(|&byte| byte == 0)?;
    (end > 0).then(|| &rest[..end])
}

/// Whether this executable holds Oracle's fixed-table dictionary, i.e. is an `oracle` executable.
///
/// # Errors
/// Not readable, not an ELF executable, damaged.
pub fn holds_kqftab(path: &Path) -> Result<bool, ExtractError> {
    match ExeReader::open(path)?.has_symbol("kqftab") {
        Err(ExtractError::NoSymbol { .. }) => Ok(false),
        other => other,
    }
}
