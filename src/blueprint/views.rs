//! Fixed views inside Oracle's executable: names and complete texts.
//!
//! `kqfviw` holds an entry per view with a pointer to its name at +8, `kqfvip` runs parallel to it with
//! a pointer to the text at +0, `kqfvpsz` is the number of entries, one more than there are views
//! (Christoph Lutz, `gdb/kqfvi.sh`, 19.26 and 23.26: 0x50 bytes an entry, and 0x20 or 0x28). Sizes
//! aren't taken for granted: one is believed only if the names are names, the texts are queries, and
//! all counts agree.
//!
//! It doesn't say what a text means: see `view_text`. Callers: `assemble`.

use std::collections::BTreeMap;

use super::elf::ExeReader;
use super::error::ExtractError;
use super::kqf::Entry;
use super::symbols::{Symbol, Symbols};

/// Most views (19c has some 1,700).
const MAX_VIEWS: u64 = 20_000;
/// Longest name of a view.
const MAX_NAME: usize = 64;
/// Longest text (GV$SESSION has some 5,000 bytes).
const MAX_TEXT: usize = 64 << 10;
/// Entry sizes that are tried.
const NAME_ENTRIES: std::ops::RangeInclusive<u64> = 16..=128;
const TEXT_ENTRIES: std::ops::RangeInclusive<u64> = 8..=96;
const STEP: usize = 8;

/// The complete texts of the wanted views that there are. Empty when the executable has no such
/// symbols.
///
/// # Errors
/// The symbols are there, and no entry size fits.
pub fn views(
    exe: &ExeReader,
    symbols: &Symbols,
    wanted: &[String],
) -> Result<BTreeMap<String, String>, ExtractError> {
    let (Some(names_at), Some(texts_at)) = (symbols.get("kqfviw"), symbols.get("kqfvip")) else {
        return Ok(BTreeMap::new());
    };
    let stated = stated_count(exe, symbols)?;
    let names = names(exe, names_at, stated)?;
    let size = text_size(exe, texts_at, names.len() as u64)?;
    let mut out = BTreeMap::new();
    for (i, name) in names.into_iter().enumerate() {
        if !wanted.contains(&name) {
            continue;
        }
        let pointer = Entry::read(exe, texts_at.value, i as u64, size)?.u64(0);
        let Some(text) = exe.query_at(pointer, MAX_TEXT) else {
            let found = format!("none at {pointer:#x}");
            return Err(exe.damaged(name, texts_at.value, "a text that ends", found));
        };
        out.insert(name, text.trim().to_owned());
    }
    Ok(out)
}

/// The number of views that `kqfvpsz` states.
fn stated_count(exe: &ExeReader, symbols: &Symbols) -> Result<Option<u64>, ExtractError> {
    let Some(symbol) = symbols.get("kqfvpsz") else {
        return Ok(None);
    };
    let mut count = [0; 4];
    exe.bytes_at(symbol.value, &mut count)?;
    let count = u64::from(u32::from_le_bytes(count));
    match count.checked_sub(1) {
        Some(views @ 1..=MAX_VIEWS) => Ok(Some(views)),
        _ => {
            let expected = format!("2 to {} entries", MAX_VIEWS + 1);
            Err(exe.damaged("kqfvpsz", symbol.value, expected, count.to_string()))
        }
    }
}

/// All names, by the entry size under which there are as many as stated, or the most up to a
/// terminator.
fn names(exe: &ExeReader, at: &Symbol, stated: Option<u64>) -> Result<Vec<String>, ExtractError> {
    let mut fitting: Vec<Vec<String>> = NAME_ENTRIES
        .step_by(STEP)
        .filter_map(|size| names_of(exe, at.value, size))
        .filter(|names| stated.is_none_or(|n| n == names.len() as u64))
        .collect();
    fitting.sort_by_key(Vec::len);
    let most = fitting.pop();
    match (most, fitting.last().map(Vec::len)) {
        (Some(names), next) if next.is_none_or(|fewer| fewer < names.len()) => Ok(names),
        (found, _) => {
            let expected = match stated {
                Some(n) => format!("{n} names of views up to a terminator, as kqfvpsz says"),
                None => "names of views up to a terminator".to_owned(),
            };
            let found = found.map_or("no entry size that fits", |_| "several that fit");
            Err(exe.damaged("kqfviw", at.value, expected, found))
        }
    }
}

fn names_of(exe: &ExeReader, base: u64, size: u64) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while names.len() as u64 <= MAX_VIEWS {
        let pointer = Entry::read(exe, base, names.len() as u64, size)
            .ok()?
            .u64(8);
        if pointer == 0 {
            return (!names.is_empty()).then_some(names);
        }
        names.push(
            exe.text_at(pointer, MAX_NAME)
                .filter(|name| is_name(name))?,
        );
    }
    None
}

/// GV$…, V$…, and a few like GO$SQL_BIND_CAPTURE: capitals with a dollar.
fn is_name(name: &str) -> bool {
    let plain =
        |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'$' | b'_' | b'#');
    name.contains('$') && name.bytes().all(plain)
}

/// The entry size under which every text is a query and a terminator follows.
fn text_size(exe: &ExeReader, at: &Symbol, count: u64) -> Result<u64, ExtractError> {
    let pointer = |i: u64, size: u64| Entry::read(exe, at.value, i, size).ok().map(|e| e.u64(0));
    let fits = |size: &u64| {
        (0..count).all(|i| pointer(i, *size).is_some_and(|p| begins_a_query(exe, p)))
            && pointer(count, *size) == Some(0)
    };
    let fitting: Vec<u64> = TEXT_ENTRIES.step_by(STEP).filter(fits).collect();
    // One view alone can't tell two sizes apart, but the symbol's size can.
    let stated = |size: &&u64| at.size == **size * (count + 1);
    match fitting.as_slice() {
        [size] => Ok(*size),
        several => several.iter().find(stated).copied().ok_or_else(|| {
            let found = format!("{} entry sizes under which they are", several.len());
            exe.damaged("kqfvip", at.value, format!("{count} queries"), found)
        }),
    }
}

fn begins_a_query(exe: &ExeReader, address: u64) -> bool {
    let mut bytes = [0; 16];
    if exe.bytes_at(address, &mut bytes).is_err() {
        return false;
    }
    let text = bytes.trim_ascii_start().to_ascii_lowercase();
    [&b"select"[..], b"with", b"("]
        .iter()
        .any(|word| text.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::super::kqf;
    use super::super::test_elf::TestExe;
    use super::*;

    fn read(exe: &TestExe) -> Result<BTreeMap<String, String>, ExtractError> {
        let directory = tempfile::tempdir().unwrap();
        let exe = ExeReader::open(&exe.write(directory.path())).unwrap();
        let symbols = exe.symbols(kqf::SYMBOLS).unwrap();
        views(&exe, &symbols, &["GV$SESSION".into(), "GV$NONE".into()])
    }

    #[test]
    fn sizes_are_found_by_agreement() {
        let long = format!("select {} 1\n\tfrom x$ksuse", "s.indx, ".repeat(900));
        let texts = vec![
            ("GV$PROCESS", "select 1 from x$ksupr".to_owned()),
            ("GV$SESSION", long.clone()),
            ("V$SESSION", "SELECT * from gv$session".to_owned()),
            ("GO$SQL_BIND_CAPTURE", " select 2 from x$kqlfbc".to_owned()),
        ];
        for (name_entry, text_entry) in [(0x50, 0x20), (0x50, 0x28), (0x58, 0x30), (0x40, 0x10)] {
            let exe = TestExe {
                views: texts.clone(),
                view_entries: (name_entry, text_entry),
                ..TestExe::default()
            };
            let found = read(&exe).unwrap();
            assert!(long.len() > 4000);
            assert_eq!(found, [("GV$SESSION".to_owned(), long.clone())].into());
        }
    }

    #[test]
    fn none_is_no_error_and_nonsense_is_one() {
        assert_eq!(read(&TestExe::default()).unwrap(), BTreeMap::new());
        let refused = |views: Vec<(&'static str, String)>, word: &str| {
            let exe = TestExe {
                views,
                ..TestExe::default()
            };
            let message = read(&exe).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        };
        let query = || "select 1 from dual".to_owned();
        refused(vec![("lower$case", query()), ("GV$B", query())], "kqfviw");
        refused(
            vec![("GV$A", query()), ("GV$B", "no query".into())],
            "kqfvip",
        );
    }
}
