//! A whole instance, seen from outside: process, maps, segments, control commands, and memory against the truth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const SGASIM: &str = env!("CARGO_BIN_EXE_sgasim");

struct Running {
    parent: Child,
    pid: u32,
    dir: PathBuf,
}

impl Running {
    fn start(name: &str, arguments: &[&str]) -> Running {
        let dir = std::env::temp_dir().join(format!("sgasim-test-{name}-{}", std::process::id()));
        let mut parent = Command::new(SGASIM)
            .args(["run", "--dir"])
            .arg(&dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let pid = line
            .split_whitespace()
            .find_map(|w| w.strip_prefix("pid="))
            .expect("a ready line")
            .parse()
            .unwrap();
        Running { parent, pid, dir }
    }

    fn tell(&self, command: &str, more: &[&str]) -> Output {
        Command::new(SGASIM)
            .args([command, "--dir"])
            .arg(&self.dir)
            .args(more)
            .output()
            .unwrap()
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join(file)).unwrap()).unwrap()
    }

    fn maps(&self) -> Vec<String> {
        fs::read_to_string(format!("/proc/{}/maps", self.pid))
            .unwrap()
            .lines()
            .map(str::to_string)
            .collect()
    }

    fn segment_ids(&self) -> Vec<i64> {
        self.json("instance.json")["segments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["shmid"].as_i64().unwrap())
            .collect()
    }

    fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0u8; len];
        let local = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: len,
        };
        let remote = libc::iovec {
            iov_base: address as *mut libc::c_void,
            iov_len: len,
        };
        // SAFETY: `local` describes `bytes`; the remote range is only read.
        let n = unsafe { libc::process_vm_readv(self.pid as i32, &local, 1, &remote, 1, 0) };
        assert_eq!(n, len as isize, "{address:#x}");
        bytes
    }

    fn number(&self, address: u64, width: usize) -> u64 {
        let mut word = [0u8; 8];
        word[..width].copy_from_slice(&self.read(address, width));
        u64::from_le_bytes(word)
    }

    fn text(&self, address: u64, size: usize) -> String {
        let bytes = self.read(address, size);
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(size);
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.parent.kill();
        let _ = self.parent.wait();
        for _ in 0..200 {
            if !Path::new(&format!("/proc/{}", self.pid)).exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// shmid to (key, permissions, number of mappings) of all segments.
fn segments() -> HashMap<i64, (i64, String, i64)> {
    let text = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let f: Vec<&str> = line.split_whitespace().collect();
            (
                f[1].parse().unwrap(),
                (
                    f[0].parse().unwrap(),
                    f[2].to_string(),
                    f[6].parse().unwrap(),
                ),
            )
        })
        .collect()
}

/// An instance answers `stop` before it ends, and segments go with its last attachment.
fn soon(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "not yet: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sysv_instance_looks_like_oracle_and_leaves_nothing() {
    let i = Running::start(
        "sysv",
        &[
            "--sid",
            "SAT1",
            "--sessions",
            "60",
            "--processes",
            "50",
            "--mode",
            "600",
            "--rate",
            "2000",
        ],
    );
    assert_eq!(
        fs::read_to_string(format!("/proc/{}/comm", i.pid)).unwrap(),
        "ora_pmon_SAT1\n"
    );
    assert_eq!(
        fs::read(format!("/proc/{}/cmdline", i.pid)).unwrap(),
        b"ora_pmon_SAT1\0"
    );
    let environment = fs::read(format!("/proc/{}/environ", i.pid)).unwrap();
    assert!(
        environment
            .split(|b| *b == 0)
            .any(|v| v == b"ORACLE_SID=SAT1")
    );

    let ids = i.segment_ids();
    let maps = i.maps();
    let mapped = |start: &str| {
        maps.iter()
            .find(|l| l.starts_with(start))
            .unwrap_or_else(|| panic!("{start}: {maps:#?}"))
    };
    let fixed = format!(" 00:01 {} ", ids[0]);
    assert!(mapped("60000000-60001000 r--s 00000000").contains(&fixed));
    assert!(mapped("60001000-608b9000 rw-s 00001000").contains(&fixed));
    assert!(mapped("68000000-").contains(&format!(" 00:01 {} ", ids[1])));

    let kernel = segments();
    for (k, id) in ids.iter().enumerate() {
        let (key, mode, attached) = &kernel[id];
        assert_eq!(*key != 0, k == 3, "only the overhead segment has a key");
        assert_eq!(mode, "600");
        assert_eq!(*attached, if k == 0 { 2 } else { 1 });
    }
    for file in ["bin/oracle", "spool/x_kqfco.csv", "ipc.trc", "sql.jsonl"] {
        assert!(i.dir.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    assert!(i.tell("stop", &[]).status.success());
    soon("no segment is left", || {
        ids.iter().all(|id| !segments().contains_key(id))
    });
}

#[test]
fn paused_rows_equal_the_expected_dump() {
    let i = Running::start(
        "pause",
        &[
            "--sid",
            "SAT2",
            "--sessions",
            "140",
            "--processes",
            "90",
            "--store-pause",
            "1us",
        ],
    );
    std::thread::sleep(Duration::from_millis(1500));
    assert!(i.tell("pause", &[]).status.success());
    let expected = i.json("expected.json");
    let ksusga = i.json("instance.json")["fixed_variables"]["ksusga_"]
        .as_u64()
        .unwrap();
    let array = i.number(ksusga + 0x48, 8);
    assert_eq!(i.number(ksusga + 0x50, 4), 140);
    let sessions = expected["sessions"].as_array().unwrap();
    assert!(sessions.len() > 60);
    for s in sessions {
        let sid = s["sid"].as_u64().unwrap();
        let row = i.number(array + 8 * (sid - 1), 8);
        assert_eq!(format!("{row:016X}"), s["saddr"], "sid {sid}");
        for (name, offset, width) in [
            ("serial_no", 2172, 2),
            ("event_no", 2066, 2),
            ("p2", 2080, 8),
            ("sql_hash_value", 2436, 4),
        ] {
            assert_eq!(s[name], i.number(row + offset, width), "sid {sid} {name}");
        }
        for (name, offset, size) in [
            ("username", 197, 128),
            ("program", 2912, 48),
            ("machine", 2696, 64),
        ] {
            assert_eq!(
                s[name].as_str().unwrap_or(""),
                i.text(row + offset, size),
                "sid {sid} {name}"
            );
        }
        let module = i.number(row + 3272, 8);
        assert_eq!(
            s["module"].as_str().unwrap_or(""),
            i.text(module, i.number(module + 64, 8) as usize),
            "sid {sid}"
        );
        let client = i.number(row + 4688, 8);
        let client = if client == 0 {
            String::new()
        } else {
            i.text(client, 65)
        };
        assert_eq!(
            s["client_identifier"].as_str().unwrap_or(""),
            client,
            "sid {sid}"
        );
        if let Some(id) = s["sql_id"].as_str() {
            let handle = i.number(row + 2424, 8);
            assert_eq!(
                i.number(handle + 0x160, 4),
                s["sql_hash_value"].as_u64().unwrap(),
                "sid {sid} {id}"
            );
        }
    }
    let before = i.read(i.number(array, 8), 10_216);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        before,
        i.read(i.number(array, 8), 10_216),
        "a paused instance changed"
    );
    assert!(i.tell("resume", &[]).status.success());
    assert!(i.tell("stop", &[]).status.success());
    soon("nobody is there any more", || {
        !i.tell("pause", &[]).status.success()
    });
}

#[test]
fn amm_instance_maps_granule_files() {
    let i = Running::start(
        "amm",
        &[
            "--sid",
            "SAT3",
            "--sessions",
            "40",
            "--processes",
            "30",
            "--memory",
            "amm",
            "--small",
            "--rate",
            "500",
        ],
    );
    let maps = i.maps();
    let id = i.segment_ids()[0];
    let first = maps
        .iter()
        .find(|l| l.starts_with("60000000-60001000 r--s"))
        .unwrap();
    assert!(
        first.ends_with(&format!("/dev/shm/ora_SAT3_{id}_0")),
        "{first}"
    );
    let prefix = format!("ora_SAT3_{id}_");
    let files = || -> Vec<u64> {
        let entries = fs::read_dir("/dev/shm").unwrap().flatten();
        entries
            .filter(|e| e.file_name().to_string_lossy().starts_with(&prefix))
            .map(|e| e.metadata().unwrap().len())
            .collect()
    };
    assert!(files().iter().filter(|len| **len == 4 << 20).count() >= 5);
    assert!(files().contains(&0), "unused granules are empty files");
    assert!(i.tell("stop", &[]).status.success());
    soon("no file and no segment is left", || {
        files().is_empty() && !segments().contains_key(&id)
    });
}

#[test]
fn killed_instance_leaves_orphans_that_clean_removes() {
    let mut i = Running::start(
        "kill",
        &[
            "--sid",
            "SATK",
            "--sessions",
            "30",
            "--processes",
            "24",
            "--small",
            "--rate",
            "100",
        ],
    );
    let ids = i.segment_ids();
    // SAFETY: the pid is that of the instance just started, which has not been waited for by anybody else.
    unsafe { libc::kill(i.pid as i32, libc::SIGKILL) };
    assert_eq!(i.parent.wait().unwrap().code(), Some(128 + 9));
    let kernel = segments();
    assert!(
        ids.iter().all(|id| kernel[id].2 == 0),
        "segments stay behind without mappings"
    );
    let clean = Command::new(SGASIM)
        .args(["clean", "--sid-prefix", "SATK"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8(clean.stdout)
            .unwrap()
            .contains("removed 4 segments")
    );
    let kernel = segments();
    assert!(ids.iter().all(|id| !kernel.contains_key(id)));
}

#[test]
fn rmid_core_truth_and_duration() {
    let truth = std::env::temp_dir().join(format!("sgasim-test-{}.truth", std::process::id()));
    let name = truth.to_str().unwrap();
    let mut i = Running::start(
        "rmid",
        &[
            "--sid",
            "SAT5",
            "--release",
            "12.1",
            "--sessions",
            "30",
            "--processes",
            "24",
            "--small",
            "--duration",
            "3s",
            "--truth",
            name,
        ],
    );
    let began = Instant::now();
    assert!(i.tell("rmid", &[]).status.success());
    let kernel = segments();
    assert!(
        i.segment_ids()
            .iter()
            .all(|id| kernel[id].1.starts_with('1')),
        "SHM_DEST is shown in the mode"
    );
    let core = i.dir.join("core");
    assert!(
        i.tell("core", &["-o", core.to_str().unwrap()])
            .status
            .success()
    );
    assert_eq!(&fs::read(&core).unwrap()[..4], b"\x7fELF");
    assert!(core.metadata().unwrap().len() < 2 << 20);
    assert_eq!(i.parent.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8));
    let text = fs::read_to_string(&truth).unwrap();
    fs::remove_file(&truth).unwrap();
    let mut lines = text.lines();
    let columns = lines.next().unwrap().split('\t').count();
    assert_eq!(columns, 17);
    let mut last = 0;
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields.len(), columns, "{line}");
        let (begin, end): (u64, u64) = (fields[0].parse().unwrap(), fields[1].parse().unwrap());
        assert!(last <= begin && begin <= end, "{line}");
        last = end;
        assert!(
            fields[5] == "0" || fields[10] != "0" || fields[6] == "R",
            "SEQ# 0 in use: {line}"
        );
    }
    assert!(text.contains("\tinit\t") && text.contains("\twait\t") && text.contains("\twake\t"));
}

#[test]
fn start_paused_idle_instance_stands_still_until_resumed() {
    let i = Running::start(
        "idle",
        &[
            "--sid",
            "SAT6",
            "--release",
            "23.5",
            "--sessions",
            "40",
            "--processes",
            "30",
            "--small",
            "--workload",
            "idle",
            "--start-paused",
        ],
    );
    let expected = i.json("expected.json");
    let ksusga = i.json("instance.json")["fixed_variables"]["ksusga_"]
        .as_u64()
        .unwrap();
    let array = i.number(ksusga + 0x40, 8);
    assert_eq!(i.number(ksusga + 0x48, 4), 40);
    let rows = || -> Vec<Vec<u8>> {
        (0..40)
            .map(|k| i.read(i.number(array + 8 * k, 8), 11_208))
            .collect()
    };
    for s in expected["sessions"].as_array().unwrap() {
        let row = i.number(array + 8 * (s["sid"].as_u64().unwrap() - 1), 8);
        assert_eq!(s["sid"], i.number(row + 3080, 4));
        assert_eq!(s["username"].as_str().unwrap_or(""), i.text(row + 201, 128));
    }
    let before = rows();
    std::thread::sleep(Duration::from_millis(400));
    assert!(before == rows(), "a paused instance changed");
    assert!(i.tell("resume", &[]).status.success());
    std::thread::sleep(Duration::from_millis(1500));
    assert!(
        before != rows(),
        "background processes wake up even when users idle"
    );
    assert!(i.tell("stop", &[]).status.success());
}
