//! Real public data, where it is present: beside the checkout in `../shared/realdata`, or where
//! `SGASCOPE_REALDATA` says. Without it these tests say so and pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sgascope::blueprint::kqf::{self, KqfTable};
use sgascope::blueprint::model::Stored;
use sgascope::blueprint::{Blueprint, ExeReader, runs, trace};

use crate::elf::MiniElf;

/// A file of the public data.
fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SGASCOPE_REALDATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/realdata"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {} (set SGASCOPE_REALDATA)", path.display());
    None
}

fn shipped(file: &str) -> Blueprint {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("blueprints/drafts").join(file);
    Blueprint::from_json(&fs::read(&path).unwrap(), file).unwrap()
}

#[test]
fn the_real_19_3_trace_gives_its_areas() {
    let Some(path) = real("19.3.0_x86-64_oradebug_ipc_ORCLCDB_ora_380555.trc") else {
        return;
    };
    let t = trace::read(&path).unwrap();
    let areas: Vec<(&str, i64, u64, u64)> = t
        .areas
        .iter()
        .map(|a| (a.name.as_str(), a.shmid, a.address, a.bytes))
        .collect();
    assert_eq!(
        areas,
        [
            ("Fixed Size", 2, 0x6000_0000, 9_146_368),
            ("Variable Size", 3, 0x6800_0000, 40_265_318_400),
            ("Redo Buffers", 4, 0x9_c800_0000, 125_071_360),
            ("skgm overhead", 5, 0x9_d000_0000, 28_672),
        ]
    );
    assert_eq!(t.segments.len(), 4);
    assert_eq!((t.segments[3].shmid, t.segments[3].key), (5, 0x43b3_75cc));
    assert_eq!(t.spans.len(), 3);
    assert_eq!(t.processes, Some(320));
    assert_eq!(t.instance.as_deref(), Some("ORCLCDB"));
    assert_eq!(t.port.as_deref(), Some("Linux x86-64"));
    assert_eq!(t.banner.unwrap().release, "19.3.0.0.0");
}

/// Columns of X$KSUSECST stand in the same rows under other names; those of X$KSUSESTA describe a
/// small generated record (offsets below 56).
#[test]
fn the_shipped_19_3_agrees_with_the_public_spool_on_every_offset() {
    let Some(path) = real("19.3.0_x86-64_kqfco_ksuse_ksusecst_ksusesta.csv") else {
        return;
    };
    let blueprint = shipped("19.3.json");
    let ksuse = blueprint.strukt("ksuse").unwrap();
    assert_eq!(ksuse.size, 10_216);
    let mut seen = 0;
    for line in fs::read_to_string(path).unwrap().lines().skip(1) {
        let cells: Vec<&str> = line.trim().split(',').collect();
        let (offset, size): (u64, u64) = (cells[1].parse().unwrap(), cells[2].parse().unwrap());
        if offset < 56 {
            continue;
        }
        let alias = cells[0].replacen("KSUSS", "KSUSE", 1);
        let field = ksuse.field(cells[0]).or_else(|| ksuse.field(&alias));
        let field = field.unwrap_or_else(|| panic!("{} isn't there", cells[0]));
        assert_eq!(field.offset, offset, "{}", cells[0]);
        let stored_shorter = matches!(field.stored, Stored::Epoch4 | Stored::TextPtr);
        assert!(field.size == size || stored_shorter, "{}", cells[0]);
        seen += 1;
    }
    assert_eq!(seen, 94);
    // And it claims no other column than the flag byte at 0.
    let columns = ksuse.fields.iter().filter(|f| f.name.starts_with("KS"));
    assert_eq!(columns.count(), 84);
}

#[test]
fn the_public_row_addresses_are_four_runs() {
    let Some(path) = real("19.3.0_x86-64_ksuse_addr.txt") else {
        return;
    };
    let addresses: Vec<u64> = fs::read_to_string(path)
        .unwrap()
        .split_whitespace()
        .map(|word| u64::from_str_radix(word, 16).unwrap())
        .collect();
    assert_eq!(addresses.len(), 504);
    let found = runs::runs(&addresses);
    assert_eq!(found.len(), 4);
    for run in &found {
        assert_eq!((run.count, run.stride), (126, 10_216));
    }
    assert_eq!(runs::addresses(&found, 10_000), addresses);
}

/// Address and bytes of each line of an `objdump -s` listing; lines that follow each other join.
fn dumped(name: &str) -> Option<Vec<(u64, Vec<u8>)>> {
    let text = fs::read_to_string(real(name)?).unwrap();
    let mut pieces: Vec<(u64, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).unwrap();
        let hex: String = words.take(4).collect();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        assert_eq!(bytes.len(), 16, "{line}");
        match pieces.last_mut() {
            Some((start, before)) if *start + before.len() as u64 == address => {
                before.extend(bytes);
            }
            _ => pieces.push((address, bytes)),
        }
    }
    Some(pieces)
}

/// Rows of a printed SQL*Plus table by the words of its header line.
fn printed(name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let text = fs::read_to_string(real(name)?).unwrap();
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let header: Vec<&str> = lines.next()?.split_whitespace().collect();
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pairs = header.iter().zip(&words);
        (words.len() == header.len()).then(|| {
            pairs
                .map(|(h, w)| ((*h).to_owned(), (*w).to_owned()))
                .collect()
        })
    };
    Some(
        lines
            .filter(|l| !l.starts_with('-'))
            .filter_map(row)
            .collect(),
    )
}

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A column array of `count` made-up columns, with its terminator, at `address`; the name behind.
fn made_up_columns(address: u64, count: u64) -> Vec<u8> {
    let name = address + 64 * (count + 1);
    let mut bytes = Vec::new();
    for i in 0..count {
        bytes.extend(words(&[4, name, 0x0b02, 0, 0, 4, 8 * i, 0]));
    }
    bytes.extend([0; 64]);
    bytes.extend(b"COLX\0");
    bytes
}

const KQFTAB: u64 = 0x16cd_bf20;
const KCCCP_COLUMNS: u64 = 0x16d7_7100;
/// Free addresses for what the listings don't hold.
const OWN: u64 = 0x2000_0000;

/// The real first three rows of `kqftab` and the real first five columns of X$KCCCP, completed by
/// what the listings leave out: column arrays of the three, a row for X$KCCCP, terminators.
fn executable_of_21_5() -> Option<(MiniElf, usize)> {
    let mut pieces = dumped("21.5_x86-64_rodata_kqftab_hexdump.txt")?;
    pieces.extend(dumped("21.5_x86-64_rodata_kctcpx_c_hexdump.txt")?);
    let real_columns = {
        let (_, array) = pieces.iter_mut().find(|(at, _)| *at == KCCCP_COLUMNS)?;
        let count = array.len() / 64;
        array.truncate(count * 64);
        array.extend([0; 64]);
        count
    };
    let (_, table) = pieces.iter_mut().find(|(at, _)| *at == KQFTAB)?;
    assert_eq!(table.len(), 3 * 80);
    let counts: Vec<u64> = (0..3).map(|row| u64::from(table[row * 80 + 56])).collect();
    table.extend(words(&[7, OWN, 0, 0, 5, 552, 0, real_columns as u64, 1, 0]));
    table.extend([0; 80]);
    pieces.push((OWN, b"X$KCCCP\0".to_vec()));
    // The structure name of the first two rows: the listing leaves its text out, not its length.
    pieces.push((0x16e8_3b70, b"kqf..\0".to_vec()));
    let mut pointers = Vec::new();
    for (row, &count) in counts.iter().enumerate() {
        let at = OWN + 0x1_0000 * (row as u64 + 1);
        pieces.push((at, made_up_columns(at, count)));
        pointers.extend(words(&[0, at, 0, 0]));
    }
    pointers.extend(words(&[0, KCCCP_COLUMNS, 0, 0, 0, 0, 0, 0]));
    let kqftap = OWN + 0x10_0000;
    pieces.push((kqftap, pointers));
    let symbols = vec![("kqftab", KQFTAB, 5 * 80), ("kqftap", kqftap, 5 * 32)];
    Some((MiniElf { pieces, symbols }, real_columns))
}

fn read(elf: &MiniElf, wanted: &[&str]) -> Vec<KqfTable> {
    let directory = tempfile::tempdir().unwrap();
    let exe = ExeReader::open(&elf.write(directory.path())).unwrap();
    let symbols = exe.symbols(kqf::SYMBOLS).unwrap();
    kqf::tables(&exe, &symbols, wanted, &[]).unwrap()
}

#[test]
fn real_21_5_bytes_decode_to_what_sqlplus_printed() {
    let Some((elf, real_columns)) = executable_of_21_5() else {
        return;
    };
    let wanted = ["X$KQFTA", "X$KQFVI", "X$KQFVT", "X$KCCCP"];
    let tables = read(&elf, &wanted);
    let rows = printed("21.5_x86-64_sqlplus_kqfta_excerpt.txt").unwrap();
    for table in &tables[..3] {
        let row = rows.iter().find(|r| r["KQFTANAM"] == table.name).unwrap();
        let number = |name: &str| row[name].parse::<u64>().unwrap();
        assert_eq!(u64::from(table.obj), number("KQFTAOBJ"));
        assert_eq!(u64::from(table.ver), number("KQFTAVER"));
        assert_eq!(u64::from(table.typ), number("KQFTATYP"));
        assert_eq!(u64::from(table.flg), number("KQFTAFLG"));
        assert_eq!(table.rsz, number("KQFTARSZ"));
        assert_eq!(table.columns.len() as u64, number("KQFTACOC"));
    }
    let rows = printed("21.5_x86-64_sqlplus_kqfco_XKCCCP.txt").unwrap();
    let columns = &tables[3].columns;
    assert_eq!((columns.len(), real_columns, rows.len()), (5, 5, 25));
    for (column, row) in columns.iter().zip(&rows) {
        let number = |name: &str| row[name].parse::<u64>().unwrap();
        assert_eq!(column.name, row["KQFCONAM"]);
        assert_eq!(column.siz, number("KQFCOSIZ"), "{}", column.name);
        assert_eq!(u64::from(column.dty), number("KQFCODTY"), "{}", column.name);
        assert_eq!(u64::from(column.typ), number("KQFCOTYP"), "{}", column.name);
        assert_eq!(u64::from(column.lsz), number("KQFCOLSZ"), "{}", column.name);
        assert_eq!(column.lof, number("KQFCOLOF"), "{}", column.name);
        assert_eq!(u64::from(column.off), number("KQFCOOFF"), "{}", column.name);
        assert_eq!(column.cop, 0);
    }
}
