//! Oracle's fixed-table dictionary inside its executable: X$ tables, their columns, statistics.
//!
//! Entry forms: Mikhail Velikikh's xinfo (tested by him on 19.13, 21.5, 23.6). `kqftab` is an array
//! of 80-byte entries with a terminator; `kqftap` runs parallel to it (32 bytes an entry, 40 in
//! 23ai) and points to column arrays of 64-byte entries with an all-zero terminator. The sizes are
//! not taken for granted: a size is believed only if names are printable, lengths agree and counts
//! equal terminators.
//!
//! It doesn't say what a column means: see `columns`. Callers: `assemble`.

use super::elf::ExeReader;
use super::error::ExtractError;
use super::model::StatisticName;
use super::symbols::{Symbol, Symbols};

/// Symbols that [`tables`] and [`statistics`] look up.
pub const SYMBOLS: &[&str] = &["kqftab", "kqftap", "ksusdt", "ksusdn"];

/// Most tables (21.5 has 1,272).
pub(super) const MAX_TABLES: usize = 20_000;
/// Most columns of one table (SQL itself allows 1,000).
const MAX_COLUMNS: u32 = 2_000;
/// Longest name of a table, structure or column.
const MAX_NAME: u64 = 64;
/// Largest row in bytes.
const MAX_ROW: u64 = 1 << 20;
/// Most statistics (19.3 has 2,036) and longest name.
pub(super) const MAX_STATISTICS: u32 = 100_000;
const MAX_STATISTIC_NAME: usize = 128;
/// Bytes of a `ksusdt` entry where the symbol has no size (Christoph Lutz, `gdb/sesstat-wp.gdb`).
const STATISTIC_ENTRY: u64 = 0x20;
/// Entry sizes that are tried for `kqftab`, `kqftap` and column arrays.
const TABLE_ENTRIES: [u64; 9] = [64, 72, 80, 88, 96, 104, 112, 120, 128];
const POINTER_ENTRIES: [u64; 6] = [24, 32, 40, 48, 56, 64];
const COLUMN_ENTRIES: [u64; 7] = [56, 64, 72, 80, 88, 96, 104];
/// Tables by which the sizes of `kqftap` and column entries are proven.
const PROOF_TABLES: usize = 16;

/// A fixed table (X$KQFTA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KqfTable {
    /// KQFTANAM, e.g. "X$KSUSE".
    pub name: String,
    /// Name of the C structure.
    pub strukt: String,
    /// KQFTATYP: 1 flat array, 2 array of row pointers, 4 and 5 made by a callback (Velikikh).
    pub typ: u16,
    /// KQFTAFLG.
    pub flg: u16,
    /// KQFTARSZ: bytes of a row.
    pub rsz: u64,
    /// KQFTAOBJ.
    pub obj: u32,
    /// KQFTAVER.
    pub ver: u16,
    /// Columns in order.
    pub columns: Vec<KqfColumn>,
    /// Whether the source shows `kqfcop` indices; X$KQFCO doesn't.
    pub functions_known: bool,
}

/// A column (X$KQFCO).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KqfColumn {
    /// KQFCONAM.
    pub name: String,
    /// KQFCODTY: external type.
    pub dty: u8,
    /// KQFCOTYP: storage.
    pub typ: u8,
    /// KQFCOLSZ: bytes of a separate length, 0 = none.
    pub lsz: u8,
    /// KQFCOLOF: offset of that length.
    pub lof: u64,
    /// KQFCOSIZ: bytes.
    pub siz: u64,
    /// KQFCOOFF: offset in the row.
    pub off: u16,
    /// Index into `kqfcop`, the functions that make or change values; 0 = none. X$KQFCO hides it.
    pub cop: u64,
}

/// One entry's bytes with little-endian getters.
struct Entry([u8; 128]);

impl Entry {
    fn read(exe: &ExeReader, base: u64, index: u64, size: u64) -> Result<Entry, ExtractError> {
        let mut bytes = [0; 128];
        let at = index
            .checked_mul(size)
            .and_then(|skip| base.checked_add(skip));
        let at = at.ok_or_else(|| exe.damaged("table", base, "an address", "overflow"))?;
        exe.bytes_at(at, &mut bytes[..(size as usize).min(128)])?;
        Ok(Entry(bytes))
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[at..at + N]);
        out
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }

    /// Length and pointer of the name at `at` are both zero.
    fn ends(&self) -> bool {
        self.u64(0) == 0 && self.u64(8) == 0
    }

    /// The name whose length stands at `at` and whose address at `at + 8`; `None` unless it is
    /// printable and exactly that long.
    fn name(&self, exe: &ExeReader, at: usize) -> Option<String> {
        let len = self.u64(at);
        if len == 0 || len > MAX_NAME {
            return None;
        }
        let text = exe.text_at(self.u64(at + 8), len as usize + 1)?;
        (text.len() as u64 == len && text.bytes().all(|b| b.is_ascii_graphic() || b == b' '))
            .then_some(text)
    }
}

/// A `kqftab` entry and where its columns are counted.
struct Head {
    table: KqfTable,
    columns: u32,
}

/// Those of the wanted X$ tables that the executable has, with their columns, in the order wanted.
///
/// # Errors
/// Symbols missing, or tables that aren't optional; no entry size under which the dictionary agrees with itself; numbers
/// past all reason.
pub fn tables(
    exe: &ExeReader,
    symbols: &Symbols,
    wanted: &[&str],
    optional: &[&str],
) -> Result<Vec<KqfTable>, ExtractError> {
    let heads = heads(exe, symbol(exe, symbols, "kqftab")?)?;
    let mut places = Vec::with_capacity(wanted.len());
    for name in wanted {
        match heads.iter().position(|head| head.table.name == *name) {
            Some(place) => places.push(place),
            None if !optional.contains(name) => {
                return Err(ExtractError::NoTable {
                    path: exe.path().to_owned(),
                    table: (*name).to_owned(),
                    tables: heads.len(),
                });
            }
            None => {}
        }
    }
    let kqftap = symbol(exe, symbols, "kqftap")?;
    let sizes = entry_sizes(exe, kqftap, &heads, &places)?;
    let read = |&place: &usize| {
        let head = &heads[place];
        let columns = columns(exe, kqftap.value, place as u64, head.columns, sizes)?;
        Ok(KqfTable {
            columns,
            ..head.table.clone()
        })
    };
    places.iter().map(read).collect()
}

/// Whether this is an `oracle` executable at all.
///
/// # Errors
/// The dictionary's symbols are missing.
pub fn require(exe: &ExeReader, symbols: &Symbols) -> Result<(), ExtractError> {
    symbol(exe, symbols, "kqftab")?;
    symbol(exe, symbols, "kqftap").map(drop)
}

fn symbol<'a>(
    exe: &ExeReader,
    symbols: &'a Symbols,
    name: &str,
) -> Result<&'a Symbol, ExtractError> {
    symbols.get(name).ok_or_else(|| ExtractError::NoSymbol {
        path: exe.path().to_owned(),
        name: name.to_owned(),
    })
}

/// All table heads, by the entry size under which every entry up to the terminator is right. A
/// wrong size can meet zeros early, so the size that explains most entries is the right one.
fn heads(exe: &ExeReader, kqftab: &Symbol) -> Result<Vec<Head>, ExtractError> {
    let at = kqftab.value;
    let mut fitting: Vec<Vec<Head>> = TABLE_ENTRIES
        .iter()
        .filter_map(|&size| heads_of(exe, at, size))
        .collect();
    fitting.sort_by_key(Vec::len);
    let most = fitting.pop();
    match (most, fitting.last().map(Vec::len)) {
        (Some(heads), next) if next.is_none_or(|tables| tables < heads.len()) => Ok(heads),
        (None, _) => Err(exe.damaged(
            "kqftab",
            at,
            "entries with printable X$ names of the stated length up to a terminator",
            "none of the known entry sizes fits",
        )),
        _ => Err(exe.damaged("kqftab", at, "one entry size that fits", "several")),
    }
}

fn heads_of(exe: &ExeReader, base: u64, size: u64) -> Option<Vec<Head>> {
    let mut heads = Vec::new();
    while heads.len() <= MAX_TABLES {
        let entry = Entry::read(exe, base, heads.len() as u64, size).ok()?;
        if entry.ends() {
            return (!heads.is_empty()).then_some(heads);
        }
        let name = entry.name(exe, 0).filter(|name| name.starts_with("X$"))?;
        let strukt = if entry.u64(16) == 0 {
            String::new()
        } else {
            entry.name(exe, 16)?
        };
        let table = KqfTable {
            name,
            strukt,
            typ: entry.u16(32),
            flg: entry.u16(34),
            rsz: entry.u64(40),
            obj: entry.u32(64),
            ver: entry.u16(68),
            columns: Vec::new(),
            functions_known: true,
        };
        heads.push(Head {
            table,
            columns: entry.u32(56),
        });
    }
    None
}

/// Entry sizes of `kqftap` and of column arrays.
#[derive(Clone, Copy)]
struct Sizes {
    pointer: u64,
    column: u64,
}

/// The sizes under which the wanted tables and the first few have as many columns as they say.
fn entry_sizes(
    exe: &ExeReader,
    kqftap: &Symbol,
    heads: &[Head],
    wanted: &[usize],
) -> Result<Sizes, ExtractError> {
    let mut proof: Vec<usize> = (0..heads.len().min(PROOF_TABLES)).collect();
    proof.extend(wanted);
    let fits = |sizes: &Sizes| {
        let ends = Entry::read(exe, kqftap.value, heads.len() as u64, sizes.pointer);
        ends.is_ok_and(|entry| entry.u64(8) == 0)
            && proof
                .iter()
                .all(|&i| columns(exe, kqftap.value, i as u64, heads[i].columns, *sizes).is_ok())
    };
    let all = POINTER_ENTRIES.iter().flat_map(|&pointer| {
        COLUMN_ENTRIES
            .iter()
            .map(move |&column| Sizes { pointer, column })
    });
    let fitting: Vec<Sizes> = all.filter(fits).collect();
    // One table alone can't tell two sizes apart, but its symbol's size can.
    let stated = |s: &&Sizes| kqftap.size == s.pointer * (heads.len() as u64 + 1);
    match fitting.as_slice() {
        [sizes] => Ok(*sizes),
        several => several.iter().find(stated).copied().ok_or_else(|| {
            let found = format!("{} sizes under which column counts agree", several.len());
            exe.damaged("kqftap", kqftap.value, "one entry size that fits", found)
        }),
    }
}

/// The columns of table `index`; an error unless there are exactly `count` before the terminator.
fn columns(
    exe: &ExeReader,
    kqftap: u64,
    index: u64,
    count: u32,
    sizes: Sizes,
) -> Result<Vec<KqfColumn>, ExtractError> {
    let base = Entry::read(exe, kqftap, index, sizes.pointer)?.u64(8);
    if count > MAX_COLUMNS {
        let expected = format!("at most {MAX_COLUMNS} columns");
        return Err(exe.damaged("kqftab", base, expected, count.to_string()));
    }
    if count == 0 && base == 0 {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    for i in 0..u64::from(count) {
        let entry = Entry::read(exe, base, i, sizes.column)?;
        let Some(name) = entry.name(exe, 0) else {
            let found = format!("none at entry {i}");
            return Err(exe.damaged("column array", base, "a name of its stated length", found));
        };
        out.push(KqfColumn {
            name,
            dty: entry.get::<1>(16)[0],
            typ: entry.get::<1>(17)[0],
            lsz: entry.get::<1>(24)[0],
            lof: entry.u64(32),
            siz: entry.u64(40),
            off: entry.u16(48),
            cop: if sizes.column >= 64 { entry.u64(56) } else { 0 },
        });
    }
    if Entry::read(exe, base, u64::from(count), sizes.column)?.ends() {
        Ok(out)
    } else {
        let found = "more entries".to_owned();
        Err(exe.damaged(
            "column array",
            base,
            format!("a terminator after {count}"),
            found,
        ))
    }
}

/// Whether a row size is within reason, so that offsets and widths stay small numbers.
pub fn row_size_fits(table: &KqfTable) -> bool {
    (1..=MAX_ROW).contains(&table.rsz)
}

/// Statistic names in STATISTIC# order from `ksusdt` (first word of an entry points to the name)
/// and their number `ksusdn` (Christoph Lutz, `gdb/sesstat-wp.gdb`). Empty when the executable has
/// no such symbols. Their classes stand at no public place.
///
/// # Errors
/// A count past all reason or a name that isn't text.
pub fn statistics(exe: &ExeReader, symbols: &Symbols) -> Result<Vec<StatisticName>, ExtractError> {
    let (Some(table), Some(number)) = (symbols.get("ksusdt"), symbols.get("ksusdn")) else {
        return Ok(Vec::new());
    };
    let mut count = [0; 4];
    exe.bytes_at(number.value, &mut count)?;
    let count = u32::from_le_bytes(count);
    if count > MAX_STATISTICS {
        let expected = format!("at most {MAX_STATISTICS} statistics");
        return Err(exe.damaged("ksusdn", number.value, expected, count.to_string()));
    }
    let entry = match table.size.checked_div(u64::from(count)) {
        Some(bytes @ 8..=128) if bytes * u64::from(count) == table.size => bytes,
        _ => STATISTIC_ENTRY,
    };
    let mut out = Vec::new();
    for i in 0..u64::from(count) {
        let name = Entry::read(exe, table.value, i, entry)?.u64(0);
        let Some(name) = exe.text_at(name, MAX_STATISTIC_NAME) else {
            let found = format!("no text for statistic {i}");
            return Err(exe.damaged("ksusdt", table.value, "a printable name", found));
        };
        out.push(StatisticName { name, class: None });
    }
    Ok(out)
}
