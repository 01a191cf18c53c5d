//! ELF core files: the memory of a process at one moment.
//!
//! For: cores of an Oracle process as the kernel or gcore writes them, read through the same trait
//! as live memory. 64-bit little-endian cores only.
//!
//! Not for: registers, threads, notes.
//!
//! What a segment of the core (`PT_LOAD`) holds is read so:
//! - file size 0: the range existed but was not dumped (kernel `coredump_filter`, gcore): a hole;
//! - file size smaller than memory size: the rest reads as zero, as the ELF specification has it,
//!   if the segment is writable; of read-only mappings of files the kernel dumps the first page
//!   only, and the rest is a hole;
//! - bytes that the header promises but a file cut short doesn't have: a hole;
//! - segments that touch are one region, so that rows spanning them are readable.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};

use super::pieces::{OfPieces, Overlap, Piece, Pieces, Rest};
use super::raw::Mapping;

/// More program headers than a process can have mappings (`vm.max_map_count` is 65,530 by
/// default and 262,144 where it is raised for Oracle).
const MAX_PROGRAM_HEADERS: u64 = 262_144;
/// `e_phnum` when the real count is in the first section header (ELF gABI extension `PN_XNUM`).
const PN_XNUM: u16 = 0xffff;
const EHDR_BYTES: usize = 64;
const PHDR_BYTES: u64 = 56;
const SHDR_BYTES: usize = 64;
/// Offset of `sh_info` in a 64-bit section header.
const SH_INFO: usize = 44;

/// Why a file can't be read as a core.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The file can't be opened, read or mapped.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Not a core file of the kind that can be read.
    #[error("{} is not an x86-64 ELF core file: {found}", path.display())]
    NotACore {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// Header values that can't be.
    #[error(
        "{} is damaged at offset {offset:#x}: {found}; take the core again, and see that it was \
         written whole", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What was found and what was expected.
        found: String,
    },
    /// Two segments claim the same addresses.
    #[error("{} is damaged: {source}", path.display())]
    Overlap {
        /// The file.
        path: PathBuf,
        /// Which ones.
        source: Overlap,
    },
}

/// The memory in a core file.
pub struct CoreSpace {
    pieces: Pieces,
}

impl CoreSpace {
    /// Opens the core at `path`. The file is mapped, not read: only headers are touched here.
    pub fn open(path: &Path) -> Result<CoreSpace, CoreError> {
        let io = |source| CoreError::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let file_len = file.metadata().map_err(io)?.len();
        let headers = program_headers(&file, file_len, path)?;
        let mapping = Arc::new(Mapping::map(file).map_err(io)?);
        let mut pieces = Vec::new();
        for (index, ph) in headers.iter().enumerate() {
            if ph.p_type == PT_LOAD && ph.p_memsz > 0 {
                pieces.push(piece(index, ph, &mapping, path)?);
            }
        }
        let pieces = Pieces::new(pieces, true).map_err(|source| CoreError::Overlap {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(CoreSpace { pieces })
    }
}

fn piece(
    index: usize,
    ph: &ProgramHeader,
    mapping: &Arc<Mapping>,
    path: &Path,
) -> Result<Piece, CoreError> {
    if ph.p_vaddr.checked_add(ph.p_memsz).is_none() || ph.p_filesz > ph.p_memsz {
        return Err(CoreError::Damaged {
            path: path.to_path_buf(),
            offset: 0,
            found: format!(
                "program header {index}: address {:#x}, {:#x} bytes of memory, {:#x} bytes of file",
                ph.p_vaddr, ph.p_memsz, ph.p_filesz
            ),
        });
    }
    let in_file = (mapping.len() as u64).saturating_sub(ph.p_offset);
    let whole = ph.p_filesz > 0 && ph.p_filesz <= in_file;
    Ok(Piece {
        start: ph.p_vaddr,
        len: ph.p_memsz,
        mapping: Some(Arc::clone(mapping)),
        from: ph.p_offset,
        stored: ph.p_filesz.min(in_file),
        // A file cut short would otherwise show zeros for bytes that it once held.
        rest: if whole && ph.is_write() {
            Rest::Zero
        } else {
            Rest::Hole
        },
        name: format!("core PT_LOAD {index}"),
    })
}

fn program_headers(
    file: &File,
    file_len: u64,
    path: &Path,
) -> Result<Vec<ProgramHeader>, CoreError> {
    let damaged = |offset, found: String| CoreError::Damaged {
        path: path.to_path_buf(),
        offset,
        found,
    };
    let header = elf_header(file, file_len, path)?;
    let count = header_count(file, &header, path)?;
    if u64::from(header.e_phentsize) != PHDR_BYTES && count > 0 {
        return Err(damaged(
            54,
            format!(
                "program headers of {} bytes, expected 56",
                header.e_phentsize
            ),
        ));
    }
    if count > MAX_PROGRAM_HEADERS {
        return Err(damaged(
            56,
            format!("{count} program headers, at most {MAX_PROGRAM_HEADERS} can be"),
        ));
    }
    let bytes = count * PHDR_BYTES;
    let end = header.e_phoff.checked_add(bytes);
    if end.is_none_or(|end| end > file_len) {
        return Err(damaged(
            header.e_phoff,
            format!("{count} program headers, but the file ends at {file_len:#x}"),
        ));
    }
    let mut table = vec![0u8; bytes as usize];
    read_at(file, &mut table, header.e_phoff, path)?;
    let ctx = Ctx::new(Container::Big, Endian::Little);
    ProgramHeader::parse(&table, 0, count as usize, ctx)
        .map_err(|e| damaged(header.e_phoff, e.to_string()))
}

fn elf_header(file: &File, file_len: u64, path: &Path) -> Result<Header, CoreError> {
    let not_a_core = |found: String| CoreError::NotACore {
        path: path.to_path_buf(),
        found,
    };
    if file_len < EHDR_BYTES as u64 {
        return Err(not_a_core(format!("it has {file_len} bytes")));
    }
    let mut bytes = [0u8; EHDR_BYTES];
    read_at(file, &mut bytes, 0, path)?;
    let ident = &bytes[..header::SIZEOF_IDENT];
    if &ident[..header::SELFMAG] != header::ELFMAG {
        return Err(not_a_core("it has no ELF magic number".into()));
    }
    if ident[header::EI_CLASS] != header::ELFCLASS64
        || ident[header::EI_DATA] != header::ELFDATA2LSB
    {
        return Err(not_a_core("it is not 64-bit little-endian".into()));
    }
    let header = goblin::elf::Elf::parse_header(&bytes).map_err(|e| not_a_core(e.to_string()))?;
    if header.e_type != header::ET_CORE {
        return Err(not_a_core(format!(
            "ELF type {}, expected 4 (core)",
            header::et_to_str(header.e_type)
        )));
    }
    Ok(header)
}

fn header_count(file: &File, header: &Header, path: &Path) -> Result<u64, CoreError> {
    if header.e_phnum != PN_XNUM {
        return Ok(u64::from(header.e_phnum));
    }
    let mut section = [0u8; SHDR_BYTES];
    if header.e_shoff == 0 {
        return Err(CoreError::Damaged {
            path: path.to_path_buf(),
            offset: 40,
            found: "the count of program headers is in a section header, and there is none".into(),
        });
    }
    read_at(file, &mut section, header.e_shoff, path)?;
    let mut info = [0u8; 4];
    info.copy_from_slice(&section[SH_INFO..SH_INFO + 4]);
    Ok(u64::from(u32::from_le_bytes(info)))
}

fn read_at(file: &File, out: &mut [u8], offset: u64, path: &Path) -> Result<(), CoreError> {
    // `pread` takes a signed offset.
    if offset > i64::MAX as u64 {
        return Err(CoreError::Damaged {
            path: path.to_path_buf(),
            offset,
            found: "an offset past every file's end".into(),
        });
    }
    file.read_exact_at(out, offset).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => CoreError::Damaged {
            path: path.to_path_buf(),
            offset,
            found: format!("the file ends before {} bytes", out.len()),
        },
        _ => CoreError::Io {
            path: path.to_path_buf(),
            source: e,
        },
    })
}

impl OfPieces for CoreSpace {
    const KIND: &'static str = "core";

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }
}
