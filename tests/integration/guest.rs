//! The reader is a good guest: it attaches read-only, changes nothing, and goes when it is done.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Sim, nattch, program, sgascope, shared, wait_for};

/// Everything that reads, over all its ways, leaves the memory as it was, bit for bit.
#[test]
fn nothing_is_ever_written() {
    let _beside = shared();
    for memory in ["sysv", "amm"] {
        let sid = format!("RO{}", memory.to_uppercase());
        let sim = Sim::start(
            &sid,
            &["--memory", memory, "--sessions", "120", "--processes", "90"],
        );
        std::thread::sleep(Duration::from_millis(500));
        sim.pause();
        let [before, after] = ["before", "after"].map(|name| sim.file(name));
        sim.core(&before);
        let out = sim.file("recording");
        let image = sim.file("guest.img");
        let verbs: [&[&str]; 7] = [
            &["discover"],
            &["doctor", "-I", &sid],
            &["dump", "-I", &sid, "-f", "json", "--sql-text", "full"],
            &["dump", "-I", &sid, "-f", "json", "--via", "process-vm"],
            &["blueprint", "show", "-I", &sid],
            &[
                "image",
                "capture",
                "-I",
                &sid,
                "-o",
                image.to_str().unwrap(),
            ],
            &[
                "record",
                "-I",
                &sid,
                "-r",
                "500",
                "-d",
                "2s",
                "--sql-text",
                "full",
                "-o",
                out.to_str().unwrap(),
            ],
        ];
        for verb in verbs {
            let run = sgascope(verb);
            assert!(
                run.status.success(),
                "{verb:?}: {}",
                String::from_utf8_lossy(&run.stderr)
            );
        }
        sim.core(&after);
        let (before, after) = (fs::read(before).unwrap(), fs::read(after).unwrap());
        assert!(
            before.len() > 1 << 20,
            "the core is too small to mean anything"
        );
        assert!(
            before == after,
            "{memory}: the instance's memory has changed"
        );
        // the comparison sees a change: the workload makes some
        sim.resume();
        std::thread::sleep(Duration::from_millis(300));
        sim.core(&sim.file("later"));
        assert!(fs::read(sim.file("later")).unwrap() != after);
    }
}

/// While it records, its mappings of the instance's segments are read-only, each attached once;
/// afterwards they are gone.
#[test]
fn mappings_are_read_only_and_go_away() {
    let _beside = shared();
    let sim = Sim::start("MAPS", &["--sessions", "120", "--processes", "90"]);
    let shmids = sim.shmids();
    let before: Vec<_> = shmids.iter().map(|id| nattch(*id)).collect();
    let out = sim.file("recording");
    let mut record = Command::new(program())
        .args(["record", "-I", "MAPS", "-d", "2s", "-o"])
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let maps = format!("/proc/{}/maps", record.id());
    let mut lines = Vec::new();
    wait_for("the segments are mapped", Duration::from_secs(10), || {
        let text = fs::read_to_string(&maps).unwrap_or_default();
        lines = text
            .lines()
            .filter(|l| l.contains("/SYSV"))
            .map(str::to_owned)
            .collect();
        lines.len() >= shmids.len()
    });
    for line in &lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1], "r--s", "{line}");
        assert!(shmids.contains(&words[4].parse().unwrap()), "{line}");
    }
    assert_eq!(lines.len(), shmids.len());
    assert!(record.wait().unwrap().success());
    let after: Vec<_> = shmids.iter().map(|id| nattch(*id)).collect();
    assert_eq!(before, after);
}
