//! What must be refused, with its exit code and one clear line; and letting go in time.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Sim, end, json, nattch, program, sgascope, shared, simulator, wait_for};

/// One line, beginning with the program's name.
fn one_line(message: &str) {
    assert!(message.starts_with("sgascope: "), "{message:?}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message:?}");
}

#[test]
fn no_such_instance() {
    let _beside = shared();
    for verb in ["dump", "record"] {
        let mut args = vec![verb, "-I", "NOSUCH"];
        if verb == "record" {
            args.extend(["-o", "/nonexistent/never-made"]);
        }
        let (code, message) = end(&sgascope(args));
        assert_eq!(code, 4, "{message}");
        one_line(&message);
        assert!(message.contains("NOSUCH"), "{message}");
    }
}

#[test]
fn another_executables_blueprint() {
    let _beside = shared();
    let sim = Sim::start("WRNG", &["--sessions", "60", "--processes", "50"]);
    let mut blueprint: Value = json(&sgascope([
        "blueprint".as_ref(),
        "extract".as_ref(),
        "--binary".as_ref(),
        sim.file("bin/oracle").as_os_str(),
    ] as [&std::ffi::OsStr; 4]));
    let path = sim.file("other.json");
    blueprint["identity"]["build_id"] = "00112233445566778899aabbccddeeff00112233".into();
    std::fs::write(&path, blueprint.to_string()).unwrap();
    let (code, message) = end(&sgascope([
        "dump",
        "-I",
        "WRNG",
        "--blueprint",
        path.to_str().unwrap(),
    ]));
    assert_eq!(code, 5, "{message}");
    one_line(&message);
    assert!(message.contains("0011223344"), "{message}");
    // without a build-id it is tried, and refused by the memory: another anchor address
    blueprint["identity"]
        .as_object_mut()
        .unwrap()
        .remove("build_id");
    for anchor in blueprint["anchors"].as_array_mut().unwrap() {
        if anchor["name"] == "ksusga_" {
            anchor["address"] = "0x60000100".into();
        }
    }
    std::fs::write(&path, blueprint.to_string()).unwrap();
    let (code, message) = end(&sgascope([
        "dump",
        "-I",
        "WRNG",
        "--blueprint",
        path.to_str().unwrap(),
    ]));
    assert_eq!(code, 5, "{message}");
    one_line(&message);
}

/// Runs sgascope as the user nobody, from a place that nobody may read.
fn as_nobody(args: &[&str]) -> std::process::Output {
    let dir = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let copy = dir.path().join("sgascope");
    std::fs::copy(program(), &copy).unwrap();
    Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&copy)
        .args(args)
        .stdin(Stdio::null())
        .current_dir("/")
        .output()
        .expect("setpriv (util-linux) is installed")
}

#[test]
fn no_rights() {
    let _beside = shared();
    let sim = Sim::start(
        "PRIV",
        &["--sessions", "60", "--processes", "50", "--mode", "600"],
    );
    for args in [
        vec!["dump", "-I", "PRIV"],
        vec!["dump", "-I", "PRIV", "--via", "process-vm"],
        vec![
            "record",
            "-I",
            "PRIV",
            "-d",
            "1s",
            "-o",
            "/tmp/never-made-by-nobody",
        ],
    ] {
        let (code, message) = end(&as_nobody(&args));
        assert_eq!(code, 3, "{args:?}: {message}");
        one_line(&message);
    }
    let doctor = as_nobody(&["doctor", "-I", "PRIV"]);
    assert_eq!(end(&doctor).0, 3);
    // what can be seen without rights is shown
    let seen = as_nobody(&["discover", "-f", "json"]);
    assert!(seen.status.success());
    let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
    let instances = seen["instances"].as_array().unwrap();
    let instance = instances
        .iter()
        .find(|i| i["sid"] == "PRIV")
        .expect("PRIV is seen");
    assert_eq!(instance["pid"], sim.pid);
    assert_eq!(instance["readable"]["verdict"], "no");
    assert!(!instance["segments"].as_array().unwrap().is_empty());
}

/// A recording under way: ends with code 4 within a second of `gone`, lets go of the memory, and
/// what was recorded reads back.
fn lets_go(sid: &str, end_it: impl FnOnce(&mut Sim), survives: bool) {
    let mut sim = Sim::start(sid, &["--sessions", "120", "--processes", "90"]);
    let shmids = sim.shmids();
    let before: Vec<_> = shmids.iter().map(|id| nattch(*id)).collect();
    let out = tempfile::tempdir().unwrap();
    let recording = out.path().join("recording");
    let record = Command::new(program())
        .args(["record", "-I", sid, "-r", "50", "-o"])
        .arg(&recording)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the recorder attaches", Duration::from_secs(10), || {
        shmids.iter().zip(&before).any(|(id, n)| nattch(*id) > *n)
    });
    std::thread::sleep(Duration::from_millis(1500));
    end_it(&mut sim);
    let gone = Instant::now();
    wait_for("the recorder lets go", Duration::from_secs(1), || {
        shmids.iter().zip(&before).all(|(id, n)| match nattch(*id) {
            None => true,
            // the instance's own mappings may still be there
            Some(now) => now == 0 || (survives && Some(now) <= *n),
        })
    });
    eprintln!("{sid}: let go after {:?}", gone.elapsed());
    let output = record.wait_with_output().unwrap();
    let (code, message) = end(&output);
    assert_eq!(code, 4, "{message}");
    one_line(&message);
    let report = sgascope(["report", recording.to_str().unwrap(), "-f", "json"]);
    assert!(report.status.success(), "{:?}", end(&report));
}

#[test]
fn the_instance_stops() {
    let _beside = shared();
    lets_go("GOA", Sim::stop, false);
}

#[test]
fn the_instance_is_killed() {
    let _beside = shared();
    lets_go("GOB", Sim::kill, false);
}

#[test]
fn its_segments_are_marked_for_removal() {
    let _beside = shared();
    lets_go("GOC", |sim| sim.mark_for_removal(), true);
}

#[test]
fn segments_of_a_killed_instance_are_orphaned() {
    let _beside = shared();
    let mut sim = Sim::start("ORPH", &["--sessions", "60", "--processes", "50"]);
    let shmids = sim.shmids();
    sim.kill();
    let seen = sgascope(["discover", "-f", "json"]);
    let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
    let orphans: Vec<i64> = seen["orphans"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|o| o["shmid"].as_i64())
        .collect();
    for shmid in &shmids {
        assert!(orphans.contains(shmid), "{shmid} not in {orphans:?}");
    }
    let clean = Command::new(simulator())
        .args(["clean", "--sid-prefix", "ORPH"])
        .output()
        .unwrap();
    assert!(clean.status.success());
}

#[test]
fn usage_is_code_2_and_help_is_code_0() {
    for args in [
        &["record"][..],
        &["dump", "--nope"],
        &["dump", "-I", "X", "nocolumn=1"],
        &["report"],
        &["frobnicate"],
    ] {
        assert_eq!(end(&sgascope(args)).0, 2, "{args:?}");
    }
    assert_eq!(end(&sgascope(["--help"])).0, 0);
    assert_eq!(end(&sgascope(["--version"])).0, 0);
}

#[test]
fn damaged_files_are_code_6() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad");
    std::fs::write(&bad, b"\x7fELF and then nothing").unwrap();
    let path = bad.to_str().unwrap();
    assert_eq!(end(&sgascope(["blueprint", "check", path])).0, 6);
    let (code, message) = end(&sgascope(["dump", "--image", path]));
    assert_eq!(code, 5, "no blueprint named: {message}");
    assert_eq!(
        end(&sgascope(["blueprint", "extract", "--binary", path])).0,
        6
    );
    assert_eq!(
        end(&sgascope(["report", dir.path().to_str().unwrap()])).0,
        1,
        "no recording there"
    );
}

#[test]
fn a_broken_pipe_is_no_failure() {
    let _beside = shared();
    let _sim = Sim::start("PIPE", &["--sessions", "504", "--processes", "320"]);
    let mut dump = Command::new(program())
        .args(["dump", "-I", "PIPE", "-f", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(dump.stdout.take());
    assert_eq!(end(&dump.wait_with_output().unwrap()), (0, String::new()));
}
