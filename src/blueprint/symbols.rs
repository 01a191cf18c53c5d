//! The symbols of an executable: a few wanted names, and the fixed SGA variables.
//!
//! The table is walked once in pieces and names are compared where they stand, so that 400,000
//! symbols cost no strings. Counts and lengths are bounded by the file and by caps.
//!
//! Callers: `assemble`, `kqf`; `cli` and `discover`'s users through [`holds_kqftab`].

use std::path::Path;

use goblin::elf::section_header::{SHN_ABS, SHT_DYNSYM, SHT_SYMTAB};
use goblin::elf::sym::{STT_FILE, STT_SECTION, Symtab};

use super::elf::{ExeReader, Section, little_endian};
use super::error::ExtractError;

/// Most bytes of one string table (a real one has some 15 MB).
const MAX_STRINGS: u64 = 64 << 20;
/// Most bytes of one symbol table: 10 million symbols (a real one has 400,000).
const MAX_SYMBOLS: u64 = 240_000_000;
/// Most absolute symbols that are kept (a real executable has tens of thousands).
const MAX_ABSOLUTE: usize = 1_000_000;
/// Longest symbol name that is compared.
const MAX_NAME: usize = 128;
/// Symbols are read in pieces of this many.
const SYMBOLS_PER_PIECE: u64 = 43_690;
const SYMBOL_BYTES: u64 = 24;

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

impl ExeReader {
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

    fn symbol_table(&self) -> Result<Section, ExtractError> {
        let of = |kind| self.sections.iter().find(|s| s.kind == kind).copied();
        of(SHT_SYMTAB)
            .or_else(|| of(SHT_DYNSYM))
            .ok_or_else(|| ExtractError::NoSymbol {
                path: self.path().to_owned(),
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
