//! Signals, systemd, and a directory that is taken.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sgascope::record::ScanOptions;

use super::{Held, LIMIT, Recording, files, kinds};
use crate::support::{Sim, end, sgascope, shared, wait_for};

#[test]
fn two_recorders_on_one_directory_refuse() {
    let _beside = shared();
    let sim = Sim::start("TWO", &["--sessions", "80", "--processes", "60"]);
    let dir = sim.file("recording");
    let mut first = Recording::start("TWO", &dir, &[]);
    first.wait_flushes(1);
    let path = dir.to_str().unwrap();
    let second = sgascope(["record", "-I", "TWO", "-d", "1s", "-o", path]);
    let (code, said) = end(&second);
    assert_eq!(code, 2, "{said}");
    let holder = format!("pid {} since ", first.child.id());
    assert!(said.contains(path) && said.contains(&holder), "{said}");
    // the first one goes on as if nothing had been
    first.wait_flushes(1);
    let (summary, _) = first.end();
    let held = Held::read(&dir, &ScanOptions::default());
    assert_eq!(held.ticks.len() as u64, summary["run"]["frames"]);
}

#[test]
fn sighup_closes_all_files_and_sigterm_ends_cleanly() {
    let _beside = shared();
    let sim = Sim::start("HUP", &["--sessions", "80", "--processes", "60"]);
    let dir = sim.file("recording");
    let mut recording = Recording::start("HUP", &dir, &["-r", "100", "--flush", "100ms"]);
    recording.wait_flushes(2);
    assert!(files(&dir, ".parquet").is_empty());
    recording.signal(Signal::SIGHUP);
    recording.wait_event("rotated");
    wait_for("samples, ticks and events are closed", LIMIT, || {
        files(&dir, ".parquet").len() >= 3
    });
    recording.wait_flushes(2);
    assert!(!files(&dir, ".arrows").is_empty(), "it goes on");
    // a second signal while it closes changes nothing
    recording.signal(Signal::SIGTERM);
    recording.signal(Signal::SIGTERM);
    recording.signal(Signal::SIGINT);
    let (summary, said) = recording.ended();
    assert_eq!(said, "");
    assert!(files(&dir, ".arrows").is_empty() && files(&dir, ".tmp").is_empty());
    let held = Held::read(&dir, &ScanOptions::default());
    assert_eq!(held.ticks.len() as u64, summary["run"]["frames"]);
    assert_eq!(kinds(&dir), ["started", "rotated", "stopped"]);
}

/// What a service manager hears, with the wish for an answer each two seconds.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message; `None`: nothing for so long.
    fn hear(&self, patience: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0u8; 4096];
        let read = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..read]).into_owned())
    }

    fn wait(&self, word: &str) -> String {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            match self.hear(Duration::from_secs(1)) {
                Some(message) if message.contains(word) => return message,
                _ => {}
            }
        }
        panic!("{word} was never told");
    }
}

#[test]
fn systemd_is_told_and_its_watchdog_only_petted_while_rows_are_written() {
    let _beside = shared();
    let sim = Sim::start("NOTIFY", &["--sessions", "80", "--processes", "60"]);
    let dir = sim.file("recording");
    let socket = sim.file("notify.socket");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    let mut command = std::process::Command::new(crate::support::program());
    let mut child = command
        .args([
            "record", "-f", "jsonl", "-I", "NOTIFY", "-r", "1000", "--flush", "1ms", "-o",
        ])
        .arg(&dir)
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "900000")
        .env_remove("WATCHDOG_PID")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(
        manager.hear(LIMIT).unwrap().contains("READY=1"),
        "that comes first"
    );
    let status = manager.wait("STATUS=");
    assert!(status.contains("NOTIFY: recording"), "{status}");
    // Nobody reads what it prints, so that its writer is soon stuck in a full pipe: that is no
    // progress, though its other threads live.
    let start = Instant::now();
    let quiet = Duration::from_secs(3);
    while manager.hear(quiet).is_some() {
        assert!(start.elapsed() < LIMIT, "a stuck writer is petted for");
    }
    // it can go on
    let mut out = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    manager.wait("WATCHDOG=1");
    manager.wait("WATCHDOG=1");
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    manager.wait("STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reading.join().unwrap().unwrap();
    Held::read(&dir, &ScanOptions::default());
}

/// What the shipped unit starts is understood: without `--follow` it only misses the instance.
#[test]
fn the_unit_starts_what_there_is() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tools/systemd/sgascope-record@.service"
    );
    let unit = std::fs::read_to_string(path).unwrap();
    let line = unit.lines().find_map(|l| l.strip_prefix("ExecStart="));
    let temp = tempfile::tempdir().unwrap();
    let words = line.unwrap().split(' ').skip(1);
    let words = words.filter(|w| *w != "--follow").map(|w| {
        let own = w.replace("/var/lib/sgascope", temp.path().to_str().unwrap());
        own.replace("%i", "NOTTHERE")
    });
    let (code, said) = end(&sgascope(words));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("no instance NOTTHERE"), "{said}");
}
