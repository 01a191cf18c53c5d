//! An `oracle` executable as a bounded source of facts: build-id, symbols, bytes at link addresses.
//!
//! A real one has 400-500 MB, 400,000 symbols and is replaced in place by patches, so it is read
//! piece by piece with `pread`: nothing is mapped that could vanish, and only what is asked for is
//! touched. Every offset, count and length found in the file is checked against the file's real
//! length and a cap before use; a hostile file ends with an [`ExtractError`].
//!
//! It knows ELF, not Oracle's tables: see `kqf` and `banner`; symbols are in `symbols`.
//!
//! Callers: `kqf`, `banner`, `assemble`, `sample` (event names stand in the executable), `cli`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, header64};
use goblin::elf::note::{NT_GNU_BUILD_ID, NoteDataIterator};
use goblin::elf::program_header::{PF_X, PT_LOAD, PT_NOTE, program_header64};
use goblin::elf::section_header::{
    SHF_ALLOC, SHF_EXECINSTR, SHT_NOTE, SHT_PROGBITS, section_header64,
};

use super::elf_pieces::Pieces;
use super::error::ExtractError;

/// Most bytes of notes that are looked at.
const MAX_NOTES: u64 = 1 << 20;
/// Most note parts that are looked at.
const MAX_NOTE_PARTS: usize = 64;
/// Longest text that [`ExeReader::text_at`] reads.
const MAX_TEXT: usize = 64 << 10;

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
pub(super) struct Section {
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) link: usize,
}

/// An open executable.
#[derive(Debug)]
pub struct ExeReader {
    path: PathBuf,
    file: File,
    pieces: Pieces,
    len: u64,
    machine: u16,
    loads: Vec<Load>,
    pub(super) sections: Vec<Section>,
    build_id: Option<String>,
}

pub(super) const fn little_endian() -> Ctx {
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
            pieces: Pieces::default(),
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
    pub(super) fn piece(
        &self,
        what: &str,
        offset: u64,
        len: u64,
        cap: u64,
    ) -> Result<Vec<u8>, ExtractError> {
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
        let text = self.terminated_at(address, max)?;
        text.chars().all(|c| !c.is_control()).then_some(text)
    }

    /// As [`ExeReader::text_at`], of text that may be broken into lines.
    pub(super) fn query_at(&self, address: u64, max: usize) -> Option<String> {
        let text = self.terminated_at(address, max)?;
        let plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
        text.chars().all(plain).then_some(text)
    }

    fn terminated_at(&self, address: u64, max: usize) -> Option<String> {
        let (offset, left) = self.locate(address)?;
        let max = max.min(MAX_TEXT).min(usize::try_from(left).ok()?);
        let read = |at: u64, buf: &mut [u8]| self.file.read_at(buf, at);
        if let Some(text) = self.pieces.before_nul(offset, max, read) {
            return String::from_utf8(text).ok();
        }
        // it goes on in the next piece, or isn't terminated
        let mut buf = vec![0; max];
        self.read(offset, &mut buf).ok()?;
        let end = buf.iter().position(|&byte| byte == 0)?;
        buf.truncate(end);
        String::from_utf8(buf).ok()
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

    /// Whether a loaded part covers this address at run time.
    pub(super) fn in_loaded_part(&self, address: u64) -> bool {
        let inside = |l: &Load| {
            address
                .checked_sub(l.address)
                .is_some_and(|at| at < l.memory)
        };
        self.loads.iter().any(inside)
    }
}
