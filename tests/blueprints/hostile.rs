//! Hostile inputs end with an error, in memory that the kernel bounds and in time that doesn't grow with
//! them.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{end, program, simulator};

/// Address space that a run may use, kB: what the program takes at rest and some tens of megabytes.
const MOST_KB: &str = "300000";
/// Seconds after which a run counts as hanging.
const MOST_SECONDS: &str = "60";

/// Extracts with bounded memory; `timeout` ends with 124 what hangs.
fn extract(args: &[&str]) -> Output {
    Command::new("sh")
        .args([
            "-c",
            r#"ulimit -v "$1"; shift; exec timeout "$@""#,
            "sh",
            MOST_KB,
            MOST_SECONDS,
        ])
        .arg(program())
        .args(["blueprint", "extract", "-o", "/dev/null"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Refused as damaged, in one line that holds `words`.
fn refused(args: &[&str], words: &str) {
    let (code, message) = end(&extract(args));
    assert_eq!(code, 6, "{args:?}: {message}");
    assert!(message.contains(words), "{words}: {message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn executable(directory: &Path) -> Vec<u8> {
    let path = directory.join("oracle");
    let made = Command::new(simulator())
        .args(["executable", "--release", "19.3", "-o"])
        .arg(&path)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(
        end(&extract(&["--binary", text(&path)])).0,
        0,
        "whole, it fits into the bounds"
    );
    fs::read(path).unwrap()
}

fn word(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

#[test]
fn truncated_and_looped_executables() {
    let directory = tempfile::tempdir().unwrap();
    let whole = executable(directory.path());
    let path = directory.path().join("hostile");
    for part in 1..8 {
        fs::write(&path, &whole[..whole.len() * part / 8]).unwrap();
        refused(&["--binary", text(&path)], "hostile");
    }
    // Section headers of 64 bytes: kind at 4, size at 32, link at 40.
    let (table, count) = (word(&whole, 40), usize::from(whole[60]));
    let symbols = (0..count).find(|i| whole[table + i * 64 + 4] == 2).unwrap();
    let header = table + symbols * 64;
    // A symbol table whose names stand in itself, and one without an end.
    let mut looped = whole.clone();
    looped[header + 40..header + 44].copy_from_slice(&(symbols as u32).to_le_bytes());
    fs::write(&path, &looped).unwrap();
    refused(&["--binary", text(&path)], "hostile");
    for size in [1u64 << 40, u64::MAX] {
        let mut endless = whole.clone();
        endless[header + 32..header + 40].copy_from_slice(&size.to_le_bytes());
        fs::write(&path, &endless).unwrap();
        refused(&["--binary", text(&path)], "symbol table");
    }
}

/// A gigabyte without a line end, of nothing and of one quoted field.
#[test]
fn a_line_of_a_gigabyte() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.csv");
    let mut file = File::create(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    refused(&["--spool", text(directory.path())], "a record of at most");
    file.write_all(b"VIEW_NAME,VIEW_DEFINITION\nGV$SESSION,\"select ")
        .unwrap();
    refused(
        &["--spool", text(directory.path())],
        "line 2: expected a record of at most",
    );
    // The same as a trace: no line of one, and nothing in it.
    let (code, message) = end(&extract(&["--trace", text(&path)]));
    assert!(code == 5 || code == 6, "{code} {message}");
}

#[test]
fn a_million_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.csv");
    let header: Vec<String> = (0..1_000_000).map(|i| format!("C{i}")).collect();
    fs::write(&path, header.join(",") + "\n").unwrap();
    refused(&["--spool", text(directory.path())], "at most 2000 fields");
    // In the executable: the count of X$KSUSE's columns, 16 bytes behind its row size.
    let mut bytes = executable(directory.path());
    let size = 10_216u64.to_le_bytes();
    let at = bytes.windows(8).position(|w| w == size).unwrap();
    bytes[at + 16..at + 20].copy_from_slice(&1_000_000u32.to_le_bytes());
    let path = directory.path().join("hostile");
    fs::write(&path, &bytes).unwrap();
    refused(&["--binary", text(&path)], "hostile");
}

#[test]
fn binary_rubbish_as_every_kind_of_source() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.csv");
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for round in 0..20 {
        let mut rubbish = vec![0u8; 1 << 18];
        for byte in &mut rubbish {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        // Some look right at first.
        if round % 4 == 1 {
            rubbish[..10].copy_from_slice(b"INDX,ADDR\n");
        } else if round % 4 == 2 {
            rubbish[..26].copy_from_slice(b"VIEW_NAME,VIEW_DEFINITION\n");
        } else if round % 4 == 3 {
            rubbish[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        }
        fs::write(&path, &rubbish).unwrap();
        for source in [
            ["--binary", text(&path)],
            ["--trace", text(&path)],
            ["--spool", text(directory.path())],
        ] {
            let (code, message) = end(&extract(&source));
            assert!(code == 5 || code == 6, "{source:?} {code}: {message}");
            assert!(message.starts_with("sgascope: "), "{message}");
        }
    }
}
