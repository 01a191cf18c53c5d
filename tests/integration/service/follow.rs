//! A recorder that outlives its instance.

use sgascope::record::{Reader, ScanOptions};

use super::{Held, LIMIT, Recording, events, kinds};
use crate::support::{Sim, end, nattch, sgascope, shared, wait_for};

const SMALL: [&str; 4] = ["--sessions", "80", "--processes", "60"];

#[test]
fn follow_goes_on_over_restarts_of_the_instance() {
    let _beside = shared();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("recording");
    let args = ["-r", "100", "--flush", "100ms", "--follow"];
    // nobody there yet
    let mut recording = Recording::start("FOLLOW", &dir, &args);
    let mut sim = Sim::start("FOLLOW", &SMALL);
    recording.wait_flushes(3);
    // killed: its segments stay, and nobody must hold them
    let shmids = sim.shmids();
    sim.kill();
    recording.wait_event("instance_gone");
    wait_for("its memory is let go", LIMIT, || {
        shmids.iter().all(|id| nattch(*id).unwrap_or(0) == 0)
    });
    drop(sim);
    // again, of another release
    let mut sim = Sim::start("FOLLOW", &[&SMALL[..], &["--release", "23.5"]].concat());
    let back = recording.wait_event("instance_back");
    recording.wait_flushes(3);
    sim.stop();
    recording.wait_event("instance_gone");
    let sim = Sim::start("FOLLOW", &SMALL);
    recording.wait_event("instance_back");
    recording.wait_flushes(3);
    let (summary, _) = recording.end();
    drop(sim);
    let gone_and_back = ["instance_gone", "instance_back"];
    let expected = [
        &["started"],
        &gone_and_back[..],
        &gone_and_back,
        &["stopped"],
    ]
    .concat();
    assert_eq!(kinds(&dir), expected);
    assert!(events(&dir)[2].1.contains("blueprint") && !back.is_null());
    let held = Held::read(&dir, &ScanOptions::default());
    assert_eq!(held.ticks.len() as u64, summary["run"]["frames"]);
    let numbers: Vec<u64> = held.ticks.values().map(|t| t.0).collect();
    assert!(numbers.windows(2).all(|w| w[0] < w[1]), "numbers go on");
    let recorded = Reader::open(&dir).unwrap();
    let ids: Vec<&String> = recorded
        .recording()
        .runs
        .iter()
        .map(|r| &r.meta.blueprint_id)
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids[0] == ids[2] && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn a_waiting_recorder_ends_when_asked_and_another_error_is_one() {
    let _beside = shared();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("recording");
    let socket = temp.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    let mut waiting = std::process::Command::new(crate::support::program())
        .args(["record", "--follow", "-I", "NOTTHERE", "-o"])
        .arg(&dir)
        .env("NOTIFY_SOCKET", &socket)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // waiting is what it was asked for, so it is ready
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let mut bytes = [0u8; 200];
    let read = manager.recv(&mut bytes).unwrap();
    assert!(bytes[..read].starts_with(b"READY=1"));
    let pid = nix::unistd::Pid::from_raw(waiting.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    let path = dir.to_str().unwrap();
    let (code, said) = end(&sgascope(["record", "-I", "NOTTHERE", "-o", path]));
    assert_eq!(code, 4, "{said}");
}
