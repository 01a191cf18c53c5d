//! A disk that is full, and then isn't any more.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use sgascope::record::ScanOptions;

use super::{Held, LIMIT, Recording, events, files, kinds};
use crate::mutation::batches;
use crate::support::{Sim, shared, wait_for};

/// A small file system of its own.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Small {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "sgascope-test"])
            .arg(at)
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "tmpfs can't be mounted; run the tests as root"
        );
        Small(at.to_path_buf())
    }

    /// Takes all room but so many bytes.
    fn fill(&self, but: u64) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        let block = [7u8; 4096];
        while file.write_all(&block).is_ok() {}
        let taken = file.metadata().unwrap().len();
        file.set_len(taken.saturating_sub(but)).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Resident bytes of a process.
fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn a_full_disk_stops_writing_and_nothing_else() {
    let _beside = shared();
    let sim = Sim::start("FULL", &["--sessions", "200", "--processes", "150"]);
    let small = Small::mount(&sim.file("small"), "12m");
    let dir = small.0.join("recording");
    let args = ["-r", "200", "--flush", "100ms", "--flush-rows", "500"];
    let mut recording = Recording::start("FULL", &dir, &args);
    recording.wait_flushes(3);
    small.fill(0);
    recording.wait_event("disk_full");
    // the first rows are lost only when what may wait in memory is full
    recording.wait("a loss", |line| line["lost"]["rows"].as_u64() > Some(0));
    let before = resident(recording.child.id());
    recording.wait("a long loss", |line| {
        line["lost"]["rows"].as_u64() > Some(100_000)
    });
    let after = resident(recording.child.id());
    assert!(
        after < before + (48 << 20),
        "memory grew from {before} to {after}"
    );
    // what is there can be read all the while
    Held::read(&dir, &ScanOptions::default());
    small.free();
    let room = recording.wait_event("disk_room");
    recording.wait_flushes(3);
    let (summary, said) = recording.end();
    assert_eq!(said.matches("no room left").count(), 1, "said once: {said}");
    assert_eq!(said.matches("there is room again").count(), 1, "{said}");
    // nothing twice, every tick with all its rows, and what isn't there is counted
    let held = Held::read(&dir, &ScanOptions::default());
    let lost = summary["ticks_lost"].as_u64().unwrap();
    assert!(lost > 0);
    assert_eq!(held.ticks.len() as u64 + lost, summary["run"]["frames"]);
    let dropped: u64 = held.ticks.values().map(|t| u64::from(t.3)).sum();
    assert_eq!(
        dropped,
        lost + summary["run"]["dropped"].as_u64().unwrap(),
        "told in ticks"
    );
    let kept: u64 = held.rows.values().map(|n| u64::from(*n)).sum();
    let rows: u64 = held.ticks.values().map(|t| u64::from(t.2)).sum();
    assert_eq!(kept, rows);
    assert_eq!(
        kinds(&dir),
        ["started", "disk_full", "disk_room", "stopped"]
    );
    let told = &events(&dir)[2].1;
    assert_eq!(room["event"]["detail"], told.as_str());
    assert!(
        told.contains(&format!("{lost} ticks with {} rows", summary["rows_lost"])),
        "{told}"
    );
    let costs: Vec<u64> = batches(&dir, "events")
        .iter()
        .flat_map(|b| {
            let column = b.column_by_name("ticks_lost").unwrap();
            let numbers =
                arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt64Type>(column);
            numbers.iter().flatten().collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(costs, [lost]);
    assert!(files(&dir, ".arrows").is_empty(), "all closed");
}

#[test]
fn a_file_that_finds_no_room_to_be_closed_is_closed_later() {
    let _beside = shared();
    let sim = Sim::start("LATER", &["--sessions", "200", "--processes", "150"]);
    let small = Small::mount(&sim.file("small"), "96m");
    let dir = small.0.join("recording");
    // few flushes, so that the other tables' hot files give little room back when they are closed
    let args = ["-r", "100", "--flush", "500ms", "--stats", "none"];
    let mut recording = Recording::start("LATER", &dir, &args);
    // a hot file whose Parquet is larger than what will be left
    recording.wait("rows", |line| {
        line["flushed"]["rows"].as_u64() > Some(60_000)
    });
    // while it stands still: room for a flush, not for the Parquet file
    recording.signal(Signal::SIGSTOP);
    small.fill(500 << 10);
    recording.signal(Signal::SIGHUP);
    recording.signal(Signal::SIGCONT);
    recording.wait("a file that stays hot", |line| {
        let event = &line["event"];
        let detail = event["detail"].as_str().unwrap_or_default();
        event["kind"] == "left_open"
            && detail.contains("/samples/")
            && detail.contains("when there is room")
    });
    Held::read(&dir, &ScanOptions::default());
    small.free();
    let closed = || {
        let all = files(&dir, ".parquet");
        all.iter()
            .any(|p| p.to_string_lossy().contains("/samples/"))
    };
    wait_for("it is closed", LIMIT, closed);
    let (summary, _) = recording.end();
    let held = Held::read(&dir, &ScanOptions::default());
    let lost = summary["ticks_lost"].as_u64().unwrap();
    assert_eq!(held.ticks.len() as u64 + lost, summary["run"]["frames"]);
    assert!(files(&dir, ".arrows").is_empty());
}
