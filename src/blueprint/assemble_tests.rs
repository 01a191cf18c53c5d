//! Extraction from executables: what comes out, and that damaged ones end with an error.

use std::time::{Duration, Instant};

use super::super::model::{Accept, Confidence, Guard, Stored};
use super::super::symbols::holds_kqftab;
use super::super::test_elf::{BASE, TestExe, oracle_tables};
use super::*;

fn extract(exe: &TestExe) -> Result<Blueprint, ExtractError> {
    let directory = tempfile::tempdir().unwrap();
    from_executable(&exe.write(directory.path()), &Hints::shipped().unwrap())
}

fn extracted(exe: &TestExe) -> Blueprint {
    extract(exe).unwrap_or_else(|e| panic!("{e}"))
}

fn place(blueprint: &Blueprint, strukt: &str, field: &str) -> (u64, u64, Stored) {
    let f = blueprint.strukt(strukt).unwrap().field(field);
    let f = f.unwrap_or_else(|| panic!("no {strukt}.{field}"));
    (f.offset, f.size, f.stored)
}

fn absent<'a>(blueprint: &'a Blueprint, strukt: &str, column: &str) -> &'a str {
    let absent = &blueprint.strukt(strukt).unwrap().absent;
    &absent.iter().find(|a| a.name == column).unwrap().reason
}

#[test]
fn an_executable_of_19_3_gives_the_public_layout() {
    let b = extracted(&TestExe::default());
    assert_eq!(b.id, "19.3.0.0.0-linux-x86-64-010203040506");
    assert_eq!(
        b.identity.build_id.as_deref(),
        Some("0102030405060708090a0b0c0d0e0f1011121314")
    );
    assert_eq!(b.identity.release, "19.3.0.0.0");
    assert_eq!(b.anchor("ksusga_").unwrap().address, 0x6000_a410);
    assert_eq!(b.strukt("ksusga").unwrap().size, 2480);
    // From the executable.
    assert_eq!(b.strukt("ksuse").unwrap().size, 10216);
    assert_eq!(place(&b, "ksuse", "KSUSENUM"), (2168, 4, Stored::Uint));
    assert_eq!(place(&b, "ksuse", "KSUSECLID"), (4688, 8, Stored::TextPtr));
    assert_eq!(place(&b, "ksled", "KSLEDNAM"), (0, 8, Stored::TextPtr));
    assert!(absent(&b, "ksuse", "KSUSEPRO").contains("kqfcop 2"));
    // Amended.
    assert_eq!(place(&b, "ksuse", "KSUSETIM"), (2096, 4, Stored::Int));
    let flag = b.strukt("ksuse").unwrap().field("KSSPAFLG").unwrap();
    assert_eq!(
        (flag.accept, &*flag.alternatives),
        (Some(Accept::UsedFlag), &[1][..])
    );
    assert_eq!(
        b.strukt("ksuse")
            .unwrap()
            .field("KSUSESQL")
            .unwrap()
            .to
            .as_deref(),
        Some("kglhd")
    );
    // From hints, relative and absolute: the 19c numbers of the public sources.
    assert_eq!(place(&b, "ksuse", "stats_ptr"), (2040, 8, Stored::Addr));
    assert_eq!(place(&b, "ksuse", "sql_id_high"), (2432, 4, Stored::Uint));
    assert_eq!(
        place(&b, "ksuse", "prev_sql_id_high"),
        (2504, 4, Stored::Uint)
    );
    assert_eq!(place(&b, "ksuse", "modact_ptr"), (3272, 8, Stored::Addr));
    assert_eq!(place(&b, "ksuse", "wait_stamp"), (3604, 4, Stored::Epoch4));
    assert_eq!(place(&b, "ksuse", "call_stamp"), (3600, 4, Stored::Epoch4));
    assert_eq!(place(&b, "ksusga", "sessions"), (0x48, 8, Stored::Addr));
    assert_eq!(place(&b, "ksupr", "session_addr"), (0x70, 8, Stored::Addr));
    assert_eq!(place(&b, "kglhd", "text"), (0x1c0, 0, Stored::Text));
    assert_eq!(b.rule_u64("status_mask"), Some(9));
    assert_eq!(b.rule_u64("blocker_bits"), Some(18));
    assert_eq!(b.rule_str("wait_rule"), Some("ksusetim"));
    assert_eq!(b.dictionaries.statistics[1].name, "logons cumulative");
    assert_eq!(b.dictionaries.wait_classes.len(), 13);
    assert_eq!(b.dictionaries.commands[&189], "UPSERT");
    match &b.array("events").unwrap().layout {
        ArrayLayout::Flat { stride, .. } => assert_eq!(*stride, 56),
        other => panic!("{other:?}"),
    }
    assert_eq!(b.strukt("ksuse").unwrap().guard, Some(Guard::Stable));
    assert_eq!(checks::check(&b, &[]), []);
}

#[test]
fn other_entry_sizes_are_found_by_agreement() {
    let layout = |b: Blueprint| (b.structs, b.anchors);
    let expected = layout(extracted(&TestExe::default()));
    for (table_entry, pointer_entry, column_entry) in
        [(80, 40, 64), (88, 32, 64), (80, 32, 72), (96, 56, 80)]
    {
        let exe = TestExe {
            table_entry,
            pointer_entry,
            column_entry,
            ..TestExe::default()
        };
        let found = layout(extracted(&exe));
        assert_eq!(found.1.len(), expected.1.len());
        assert_eq!(
            found, expected,
            "{table_entry} {pointer_entry} {column_entry}"
        );
    }
}

#[test]
fn dynamic_symbols_do_where_the_others_are_stripped() {
    let found = extracted(&TestExe {
        dynamic_only: true,
        ..TestExe::default()
    });
    assert_eq!(found.structs, extracted(&TestExe::default()).structs);
}

#[test]
fn hints_follow_the_release() {
    let texts = |texts| TestExe {
        texts,
        ..TestExe::default()
    };
    let b = extracted(&texts(vec![
        "Oracle Database 12c Enterprise Edition Release 12.1.0.2.0 - 64bit Production",
    ]));
    assert_eq!(b.rule_u64("status_mask"), Some(11));
    let sessions = b.strukt("ksusga").unwrap().field("sessions").unwrap();
    assert_eq!(
        (sessions.confidence, sessions.scan),
        (Confidence::Low, true)
    );
    assert!(absent(&b, "ksupr", "session_addr").contains("not published"));
    let b = extracted(&texts(vec!["RDBMS_23.5.0.24.07DBRU_LINUX.X64_240701"]));
    assert_eq!(place(&b, "ksusga", "sessions").0, 0x40);
    let message = extract(&texts(vec!["RDBMS_11.2.0.4.0_LINUX.X64"]))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("release 11.2.0.4.0") && message.contains("19"),
        "{message}"
    );
    let message = extract(&texts(vec![])).unwrap_err().to_string();
    assert!(message.contains("found none"), "{message}");
}

#[test]
fn a_hint_without_its_anchor_or_on_taken_bytes_is_absent() {
    let mut exe = TestExe::default();
    let columns = &mut exe.tables[1].2;
    columns.retain(|c| c.0 != "KSUSEFIX");
    columns.push(("KSUSENEW", 2, 11, 4, 2042, 0));
    let b = extracted(&exe);
    assert!(absent(&b, "ksuse", "modact_ptr").contains("KSUSEFIX"));
    assert!(absent(&b, "ksuse", "stats_ptr").contains("KSUSENEW"));
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oracle");
    std::fs::write(&path, "#!/bin/sh\n".repeat(20)).unwrap();
    let hints = Hints::shipped().unwrap();
    let message = from_executable(&path, &hints).unwrap_err().to_string();
    assert!(
        message.contains("expected a 64-bit little-endian ELF"),
        "{message}"
    );
    assert!(holds_kqftab(&path).is_err());
    assert!(matches!(
        from_executable(&directory.path().join("none"), &hints),
        Err(ExtractError::Open { .. })
    ));
    assert!(from_executable(directory.path(), &hints).is_err());
    let own = std::env::current_exe().unwrap();
    assert!(!holds_kqftab(&own).unwrap());
    let message = from_executable(&own, &hints).unwrap_err().to_string();
    assert!(message.contains("no symbol `kqftab`"), "{message}");
    let message = extract(&TestExe {
        machine: 3,
        ..TestExe::default()
    })
    .unwrap_err()
    .to_string();
    assert!(message.contains("machine 3"), "{message}");
    let mut exe = TestExe::default();
    exe.tables.remove(2);
    let message = extract(&exe).unwrap_err().to_string();
    assert!(
        message.contains("no table X$KSUPR among the 3"),
        "{message}"
    );
}

#[test]
fn text_and_bytes_are_read_at_link_addresses_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = TestExe::default().write(directory.path());
    assert!(holds_kqftab(&path).unwrap());
    let exe = ExeReader::open(&path).unwrap();
    let at = BASE + 64 + 3 * 56;
    assert_eq!(exe.text_at(at, 64).as_deref(), Some("synthetic"));
    assert_eq!(exe.text_at(at, 10).as_deref(), Some("synthetic"));
    assert_eq!(exe.text_at(at, 9), None, "no end within 9 bytes");
    assert_eq!(exe.text_at(BASE + 4, 64), None, "control characters");
    for outside in [0, BASE - 1, BASE + (1 << 30), u64::MAX] {
        assert_eq!(exe.text_at(outside, 64), None);
        assert!(exe.bytes_at(outside, &mut [0; 8]).is_err());
    }
    assert_eq!(exe.symbols(&["kqftab"]).unwrap().absolute.len(), 4);
}

/// Every hostile file ends within bounded time, whatever the answer.
fn survives(directory: &Path, bytes: &[u8], hints: &Hints) -> bool {
    let path = directory.join("hostile");
    std::fs::write(&path, bytes).unwrap();
    let start = Instant::now();
    let result = from_executable(&path, hints);
    let _ = holds_kqftab(&path);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    result.is_ok()
}

#[test]
fn truncated_files_end_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let hints = Hints::shipped().unwrap();
    let bytes = TestExe::default().bytes();
    for len in (0..bytes.len()).step_by(64) {
        assert!(!survives(directory.path(), &bytes[..len], &hints), "{len}");
    }
    assert!(survives(directory.path(), &bytes, &hints));
}

#[test]
fn random_damage_never_panics_or_hangs() {
    let directory = tempfile::tempdir().unwrap();
    let hints = Hints::shipped().unwrap();
    let bytes = TestExe::default().bytes();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..2000 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + round % 8 {
            // Every other flip hits the headers or the symbol table's end of the file.
            let at = match round % 4 {
                0 => random(64 + 3 * 56),
                1 => damaged.len() - 1 - random(256),
                _ => random(damaged.len()),
            };
            damaged[at] ^= 1 << random(8);
        }
        survives(directory.path(), &damaged, &hints);
    }
}

#[test]
fn huge_counts_and_looped_tables_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let hints = Hints::shipped().unwrap();
    let bytes = TestExe::default().bytes();
    let find = |needle: &[u8]| {
        bytes
            .windows(needle.len())
            .position(|w| w == needle)
            .unwrap()
    };
    // X$KSUSE's entry in kqftab: name length 7 and row size 10216 are 40 bytes apart.
    let row_size = find(&10216u64.to_le_bytes());
    for count in [u32::MAX, 1_000_000, 24, 26] {
        let mut changed = bytes.clone();
        changed[row_size + 16..row_size + 20].copy_from_slice(&count.to_le_bytes());
        assert!(
            !survives(directory.path(), &changed, &hints),
            "{count} columns"
        );
    }
    for rsz in [0, u64::MAX, 1 << 40] {
        let mut changed = bytes.clone();
        changed[row_size..row_size + 8].copy_from_slice(&u64::to_le_bytes(rsz));
        assert!(
            !survives(directory.path(), &changed, &hints),
            "row of {rsz} bytes"
        );
    }
    // The symbol table as its own string table, and one that claims the whole address space.
    let sections = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    let symtab = sections + 2 * 64;
    let mut changed = bytes.clone();
    changed[symtab + 40] = 2;
    assert!(!survives(directory.path(), &changed, &hints));
    for size in [u64::MAX, 1 << 40, 100_000_000] {
        let mut changed = bytes.clone();
        changed[symtab + 32..symtab + 40].copy_from_slice(&size.to_le_bytes());
        assert!(!survives(directory.path(), &changed, &hints));
    }
}

/// Every word reads as a length of 16 and as the address 16, where a name of 16 bytes stands: a
/// dictionary that is right at every entry size and goes on for a megabyte.
#[test]
fn equal_entries_at_every_size_are_bounded() {
    let mut bytes = TestExe::default().bytes();
    let start = bytes.len().next_multiple_of(8);
    bytes.resize(start, 0);
    let mut region = vec![0; 64];
    region[16..32].copy_from_slice(b"X$LOOPEDLOOPEDLO");
    region.extend(16u64.to_le_bytes().repeat(150_000));
    region.resize(region.len() + 4096, 0);
    bytes.extend(&region);
    // The second loaded part maps the region at address 0.
    let load = 64 + 56;
    let len = region.len() as u64;
    for (at, value) in [(8, start as u64), (16, 0), (32, len), (40, len)] {
        bytes[load + at..load + at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    let word = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
    };
    let symtab = word(&bytes, 40) + 2 * 64;
    let (offset, size) = (word(&bytes, symtab + 24), word(&bytes, symtab + 32));
    for symbol in (offset..offset + size).step_by(24) {
        // Objects of the executable; the fixed variables keep their section.
        if bytes[symbol + 6] == 2 {
            bytes[symbol + 8..symbol + 16].copy_from_slice(&64u64.to_le_bytes());
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oracle");
    std::fs::write(&path, &bytes).unwrap();
    let start = Instant::now();
    let message = from_executable(&path, &Hints::shipped().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no table X$KSUSE among the 18750"),
        "{message}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_21_5_forms_decode_to_the_published_columns() {
    // Name, dty, typ, siz, off of X$KCCCP as SQL*Plus showed them on 21.5 (Velikikh).
    let published = [
        ("ADDR", 23, 9, 8, 0, 0),
        ("INDX", 2, 11, 4, 0, 0),
        ("INST_ID", 2, 11, 4, 0, 0),
        ("CON_ID", 2, 11, 2, 0, 0),
        ("CPTNO", 2, 0, 4, 524, 0),
        ("CPSTA", 2, 11, 4, 0, 0),
        ("CPFLG", 2, 11, 4, 4, 0),
        ("CPODS", 1, 5, 20, 484, 0),
    ];
    let mut tables = oracle_tables();
    tables.insert(1, ("X$KCCCP", 552, published.to_vec()));
    let directory = tempfile::tempdir().unwrap();
    let path = TestExe {
        tables,
        ..TestExe::default()
    }
    .write(directory.path());
    let exe = ExeReader::open(&path).unwrap();
    let symbols = exe.symbols(kqf::SYMBOLS).unwrap();
    let found = kqf::tables(&exe, &symbols, &["X$KCCCP"], &[])
        .unwrap()
        .remove(0);
    assert_eq!((found.rsz, found.strukt.as_str()), (552, "kcccp"));
    let shown: Vec<_> = found
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.dty, c.typ, c.siz, c.off, c.cop))
        .collect();
    assert_eq!(shown, published);
}
