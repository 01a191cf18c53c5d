//! Reports over large recordings: rows a second and peak memory of the program.
//!
//! `cargo bench --bench report` writes 10,000,000 rows and reports on them in several ways;
//! `cargo bench --bench report -- --rows 100000000` so many. `--dir DIR` keeps the recording,
//! `--write-only` only writes it, for `tools/bench-report`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/integration/big.rs"]
mod big;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    // `cargo test` runs benches with --test, to see that they start.
    if args.iter().any(|arg| arg == "--test") {
        return;
    }
    let rows: u64 = option("--rows").map_or(10_000_000, |text| text.parse().unwrap());
    let temp = tempfile::tempdir().unwrap();
    let dir = option("--dir").map_or(temp.path().join("recording"), PathBuf::from);
    if !dir.exists() {
        let begin = Instant::now();
        let big = big::Big {
            // A day of ticks, if there are enough rows.
            sessions: (rows / 864_000).max(10),
            rows,
            group: 131_072,
            statements: 3_000,
            execs: 1 << 31,
        };
        big::write(&dir, &big);
        println!(
            "written: {rows} rows in {:.1} s",
            begin.elapsed().as_secs_f64()
        );
    }
    if args.iter().any(|arg| arg == "--write-only") {
        return;
    }
    let reports: [(&str, &[&str]); 6] = [
        ("by event", &["-g", "event"]),
        (
            "by username, sql_id, event",
            &["-g", "username,sql_id,event"],
        ),
        (
            "three groupings",
            &["-g", "event", "-g", "sql_id", "-g", "username,program"],
        ),
        ("by event, intervals", &["-g", "event", "--ci"]),
        (
            "condition",
            &[
                "-g",
                "sql_id",
                "-w",
                "event LIKE '%1%' AND p1 > 100 OR sql_id IS NULL",
            ],
        ),
        ("last 15 minutes", &["-g", "event", "--from", "-15m"]),
    ];
    for (name, words) in reports {
        let begin = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_sgascope"))
            .arg("report")
            .arg(&dir)
            .args(words)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let seconds = begin.elapsed().as_secs_f64();
        let peak_kib = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
        println!(
            "{name}: {seconds:.2} s, {:.1} million rows/s; most memory so far {} MiB",
            rows as f64 / seconds / 1e6,
            peak_kib / 1024,
        );
    }
}
