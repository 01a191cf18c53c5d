//! An executable of real size costs neither memory nor patience.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{alone, program, simulator};

/// A real executable: some 450 MB, 400,000 symbols.
const PADDING: &str = "450000000";
const MOST_RSS_KB: u64 = 100 * 1024;
/// Unoptimised builds on busy machines take longer than the 3 s that a release build keeps.
const MOST_TIME: Duration = Duration::from_secs(30);

#[test]
fn half_a_gigabyte_is_read_in_little_memory() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oracle");
    let made = Command::new(simulator())
        .args([
            "executable",
            "--release",
            "19.3",
            "--pad-executable",
            PADDING,
            "-o",
        ])
        .arg(&path)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    assert!(fs::metadata(&path).unwrap().len() > 450_000_000);
    let start = Instant::now();
    let mut child = Command::new(program())
        .args(["blueprint", "extract", "--binary"])
        .arg(&path)
        .arg("-o")
        .arg(directory.path().join("blueprint.json"))
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most_kb = 0;
    let ended = loop {
        // The peak only grows, so the last look before the end is the peak but for a moment.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|p| p.trim().strip_suffix(" kB")?.trim().parse().ok());
        most_kb = most_kb.max(peak.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let took = start.elapsed();
    assert!(ended.success());
    println!("peak {most_kb} kB, {took:?}");
    assert!(
        most_kb > 1_000 && most_kb < MOST_RSS_KB,
        "peak {most_kb} kB"
    );
    assert!(took < MOST_TIME, "{took:?}");
}
