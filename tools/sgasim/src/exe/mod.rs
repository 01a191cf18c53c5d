//! The synthetic `oracle` executable: what an Oracle instance's program file tells a reader.
//!
//! Writes an ELF64 x86-64 file that holds the fixed-table dictionary (`kqftab`, `kqftap`, column
//! arrays, `kqfcop`), fixed views, statistic and latch descriptors, wait event texts, the banner of
//! the release, and the fixed SGA variables as absolute symbols. It does not decide any layout:
//! every offset comes with the [`ExeSpec`]. Called by the instance builder and by the spool writer.

mod elf;
mod release;
mod rodata;
mod symbols;
#[cfg(test)]
mod tests;
pub mod views;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub use release::{Release, release};

/// Everything that the executable has to contain.
#[derive(Debug, Clone, Default)]
pub struct ExeSpec {
    /// Full release, e.g. `19.3.0.0.0`; its leading number must be 12, 19 or 23.
    pub release: String,
    /// Bytes per `kqftap` entry: 32 up to 21c, 40 from 23ai (mvelikikh/xinfo).
    pub kqftap_entry: usize,
    /// Fixed tables in the order of X$KQFTA.
    pub tables: Vec<TableSpec>,
    /// Fixed SGA variables.
    pub symbols: Vec<SymSpec>,
    /// Wait events; the position is EVENT#.
    pub events: Vec<EventSpec>,
    /// Session and instance statistics; the position is STATISTIC#.
    pub statistics: Vec<StatSpec>,
    /// Fixed views: name and complete text.
    pub views: Vec<(String, String)>,
    /// Size of the sparse hole in `.text` in bytes (0 = none); one extra symbol per 1,024 bytes.
    pub pad_bytes: u64,
}

/// One fixed table (a row of X$KQFTA).
#[derive(Debug, Clone, Default)]
pub struct TableSpec {
    /// KQFTANAM, e.g. `X$KSUSE`.
    pub name: String,
    /// Name of the C structure, e.g. `ksuse`; names the column array symbol `ksuse_c`.
    pub struct_name: String,
    /// KQFTATYP.
    pub typ: u16,
    /// KQFTAFLG.
    pub flg: u16,
    /// KQFTARSZ, row size in bytes.
    pub rsz: u64,
    /// KQFTAOBJ.
    pub obj: u32,
    /// KQFTAVER.
    pub ver: u16,
    /// Whether the first callback word of `kqftap` is set.
    pub cb1: bool,
    /// Whether the second callback word of `kqftap` is set.
    pub cb2: bool,
    /// Columns in the order of KQFCOCNO.
    pub columns: Vec<ColSpec>,
}

/// One column of a fixed table (a row of X$KQFCO).
#[derive(Debug, Clone, Default)]
pub struct ColSpec {
    /// KQFCONAM.
    pub name: String,
    /// KQFCODTY, the SQL type.
    pub dty: u8,
    /// KQFCOTYP, the storage.
    pub typ: u8,
    /// KQFCOIDX.
    pub idx: u8,
    /// KQFCOIPO.
    pub ipo: u8,
    /// KQFCOMAX.
    pub max: u8,
    /// KQFCOLSZ, size of the length field in bytes.
    pub lsz: u8,
    /// KQFCOLOF, offset of the length field in the row.
    pub lof: u64,
    /// KQFCOSIZ in bytes.
    pub siz: u64,
    /// KQFCOOFF, offset in the row.
    pub off: u16,
    /// Index of the column's triple in `kqfcop`; 0 = stored, no function.
    pub cop: u64,
}

/// One fixed SGA variable (a row of X$KSMFSV).
#[derive(Debug, Clone, Default)]
pub struct SymSpec {
    /// KSMFSNAM, e.g. `ksusga_`.
    pub name: String,
    /// KSMFSADR, the run-time address.
    pub address: u64,
    /// KSMFSSIZ in bytes.
    pub size: u64,
    /// KSMFSTYP, the C type.
    pub ctype: String,
}

/// One wait event with its parameter texts and wait class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventSpec {
    /// NAME.
    pub name: String,
    /// PARAMETER1..3, empty when unused.
    pub p: [String; 3],
    /// WAIT_CLASS#.
    pub class_no: u32,
    /// WAIT_CLASS_ID.
    pub class_id: u32,
}

/// One statistic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatSpec {
    /// NAME.
    pub name: String,
    /// CLASS; above 200 for statistics that exist per instance only.
    pub class: u32,
}

/// Where things ended up in the written executable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExeMap {
    /// The 20 bytes of the GNU build-id note; a function of the file's content.
    pub build_id: Vec<u8>,
    /// For each event the virtual addresses of its name, P1, P2 and P3 text in `.rodata`.
    pub event_addrs: Vec<[u64; 4]>,
    /// Length of the file in bytes.
    pub image_bytes: u64,
}

/// A complete executable in memory, holes left out.
pub(crate) struct Image {
    /// File offset and bytes, ascending, not overlapping.
    pieces: Vec<(u64, Vec<u8>)>,
    /// What [`write_executable`] returns.
    pub(crate) map: ExeMap,
    /// Virtual address of `kqftab`, i.e. ADDR of the first row of X$KQFTA.
    pub(crate) kqftab_address: u64,
}

impl Image {
    /// Lays the executable out. Fails with `InvalidInput` when the specification can't be expressed
    /// (unknown release, entry size, or so much padding that it would reach the SGA's addresses).
    pub(crate) fn build(spec: &ExeSpec) -> io::Result<Image> {
        check(spec)?;
        let release = release(&spec.release).ok_or_else(|| {
            invalid(format!(
                "release {:?} is not known, expected one that begins with 12., 19. or 23.",
                spec.release
            ))
        })?;
        let mut text = symbols::Text::new();
        let calls = symbols::callbacks(&mut text, &spec.tables);
        symbols::filler(&mut text);
        let code_len = text.code.len() as u64;
        symbols::padding(&mut text, code_len, spec.pad_bytes);
        let text_len = code_len + spec.pad_bytes;
        let content = rodata::build(spec, &release, &calls, elf::rodata_address(text_len));
        let mut all = text.symbols;
        all.extend(content.symbols);
        all.extend(symbols::sga(&spec.symbols));
        let data = symbols::data_objects(&mut all);
        let linked = elf::link(elf::Parts {
            text: text.code,
            text_len,
            rodata: content.bytes,
            data,
            symbols: all,
        });
        Ok(Image {
            map: ExeMap {
                build_id: linked.build_id,
                event_addrs: content.event_addrs,
                image_bytes: linked.len,
            },
            pieces: linked.pieces,
            kqftab_address: content.kqftab_address,
        })
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        for (offset, bytes) in &self.pieces {
            file.seek(SeekFrom::Start(*offset))?;
            file.write_all(bytes)?;
        }
        file.set_len(self.map.image_bytes)
    }
}

/// Writes the executable of `spec` to `path` (mode 755, replaced as a whole, parents created).
/// Equal specifications give equal files. Errors: those of the file system, and `InvalidInput`.
pub fn write_executable(spec: &ExeSpec, path: &Path) -> io::Result<ExeMap> {
    let image = Image::build(spec)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = Path::new(&name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(temporary)?;
    image.write(&mut file)?;
    drop(file);
    fs::rename(temporary, path)?;
    Ok(image.map)
}

/// The padding must leave the executable below 0x60000000, where the SGA begins.
const MAX_PAD: u64 = 0x5000_0000;

fn check(spec: &ExeSpec) -> io::Result<()> {
    if spec.kqftap_entry != 32 && spec.kqftap_entry != 40 {
        return Err(invalid(format!(
            "kqftap entry of {} bytes: expected 32 (up to 21c) or 40 (23ai)",
            spec.kqftap_entry
        )));
    }
    if spec.pad_bytes > MAX_PAD {
        return Err(invalid(format!(
            "padding of {} bytes would reach the SGA's addresses: expected at most {MAX_PAD}",
            spec.pad_bytes
        )));
    }
    Ok(())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
