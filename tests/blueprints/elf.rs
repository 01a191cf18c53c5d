//! A minimal executable around given bytes: each piece becomes a loaded part at its own address.

use std::path::{Path, PathBuf};

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;

/// What the executable holds.
#[derive(Default)]
pub struct MiniElf {
    /// Address and bytes of each loaded part.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// Name, address and size of each symbol.
    pub symbols: Vec<(&'static str, u64, u64)>,
}

impl MiniElf {
    /// Writes it into a directory.
    pub fn write(&self, directory: &Path) -> PathBuf {
        let mut file = vec![0u8; HEADER + PROGRAM_HEADER * self.pieces.len()];
        let mut programs = Vec::new();
        for (address, bytes) in &self.pieces {
            let (offset, size) = (file.len() as u64, bytes.len() as u64);
            file.extend_from_slice(bytes);
            // PT_LOAD, readable.
            programs.extend_from_slice(&1u32.to_le_bytes());
            programs.extend_from_slice(&4u32.to_le_bytes());
            for word in [offset, *address, *address, size, size, 1] {
                programs.extend_from_slice(&word.to_le_bytes());
            }
        }
        let mut names = vec![0u8];
        let mut symbols = vec![0u8; SYMBOL];
        for (name, address, size) in &self.symbols {
            symbols.extend_from_slice(&(names.len() as u32).to_le_bytes());
            // A global object of section 1.
            symbols.extend_from_slice(&[0x11, 0, 1, 0]);
            symbols.extend_from_slice(&address.to_le_bytes());
            symbols.extend_from_slice(&size.to_le_bytes());
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        let mut sections = vec![0u8; SECTION_HEADER];
        for (kind, link, entry, bytes) in [(2u32, 2u32, SYMBOL as u64, &symbols), (3, 0, 0, &names)]
        {
            let offset = file.len() as u64;
            file.extend_from_slice(bytes);
            for word in [0, kind] {
                sections.extend_from_slice(&word.to_le_bytes());
            }
            for word in [0, 0, offset, bytes.len() as u64] {
                sections.extend_from_slice(&word.to_le_bytes());
            }
            sections.extend_from_slice(&link.to_le_bytes());
            sections.extend_from_slice(&0u32.to_le_bytes());
            for word in [1, entry] {
                sections.extend_from_slice(&word.to_le_bytes());
            }
        }
        let section_offset = file.len() as u64;
        file.extend_from_slice(&sections);
        let header = header(self.pieces.len() as u16, section_offset);
        file[..HEADER].copy_from_slice(&header);
        file[HEADER..HEADER + programs.len()].copy_from_slice(&programs);
        let path = directory.join("oracle");
        std::fs::write(&path, file).unwrap();
        path
    }
}

/// An x86-64 executable's header with three sections.
fn header(programs: u16, section_offset: u64) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&62u16.to_le_bytes());
    out.extend_from_slice(&1u32.to_le_bytes());
    for word in [0, HEADER as u64, section_offset] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&0u32.to_le_bytes());
    for half in [
        HEADER as u16,
        PROGRAM_HEADER as u16,
        programs,
        SECTION_HEADER as u16,
        3,
        0,
    ] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out
}
