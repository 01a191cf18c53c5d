//! Starting synthetic instances, running sgascope, reading truth.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Tests that judge timing run alone; all others side by side.
static QUIET: RwLock<()> = RwLock::new(());

/// For tests that may run beside others.
pub fn shared() -> RwLockReadGuard<'static, ()> {
    QUIET.read().unwrap_or_else(|e| e.into_inner())
}

/// For tests that need the machine for themselves.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    QUIET.write().unwrap_or_else(|e| e.into_inner())
}

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sgascope"))
}

/// The simulator, built beside it by `cargo test --workspace`.
pub fn simulator() -> PathBuf {
    let path = program().with_file_name("sgasim");
    assert!(
        path.exists(),
        "{} is missing: run cargo test --workspace (or cargo build -p sgasim first)",
        path.display()
    );
    path
}

/// Runs sgascope and waits.
pub fn sgascope<I, S>(args: I) -> Output
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    Command::new(program())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("sgascope starts")
}

/// The exit code and the error output of a run.
pub fn end(output: &Output) -> (i32, String) {
    let code = output.status.code().expect("not killed by a signal");
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Standard output as JSON; the run must have been good.
pub fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{:?}", end(output));
    serde_json::from_slice(&output.stdout).expect("JSON on standard output")
}

/// A running synthetic instance.
pub struct Sim {
    /// Its SID.
    pub sid: String,
    /// Its directory.
    pub dir: TempDir,
    /// PMON's pid.
    pub pid: i32,
    child: Child,
    ended: bool,
}

impl Sim {
    /// Starts an instance with extra arguments and waits until it is ready.
    pub fn start(sid: &str, args: &[&str]) -> Sim {
        Sim::with(sid, args, |_| {})
    }

    /// The same with a changed command.
    pub fn with(sid: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Sim {
        let dir = tempfile::Builder::new()
            .prefix("sgasim-")
            .tempdir()
            .expect("a temporary directory");
        // other users must be able to read the executable and to fail on the memory itself
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open).unwrap();
        let mut command = Command::new(simulator());
        command
            .args(["run", "--sid", sid, "--dir"])
            .arg(dir.path())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("sgasim starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "sgasim said {line:?}");
        let pid = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("pid="))
            .and_then(|pid| pid.parse().ok())
            .expect("a pid in the ready line");
        Sim {
            sid: sid.to_owned(),
            dir,
            pid,
            child,
            ended: false,
        }
    }

    fn control(&self, verb: &str) -> bool {
        let status = Command::new(simulator())
            .args([verb, "--dir"])
            .arg(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("sgasim runs");
        status.success()
    }

    /// Stops the workload; `expected.json` is there afterwards.
    pub fn pause(&self) {
        assert!(self.control("pause"), "sgasim pause failed");
    }

    /// Lets the workload go on.
    pub fn resume(&self) {
        assert!(self.control("resume"), "sgasim resume failed");
    }

    /// Marks the segments for removal.
    pub fn mark_for_removal(&self) {
        assert!(self.control("rmid"), "sgasim rmid failed");
    }

    /// Writes an ELF core.
    pub fn core(&self, to: &Path) {
        let status = Command::new(simulator())
            .args(["core", "--dir"])
            .arg(self.dir.path())
            .arg("-o")
            .arg(to)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "sgasim core failed");
    }

    /// Ends the instance cleanly.
    pub fn stop(&mut self) {
        if !self.ended {
            self.ended = true;
            let _ = self.control("stop");
            let _ = self.child.wait();
        }
    }

    /// Kills PMON; its segments stay.
    pub fn kill(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        let _ = self.child.wait();
    }

    /// A file in the instance's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A JSON file in the instance's directory.
    pub fn json_file(&self, name: &str) -> Value {
        let path = self.file(name);
        let text = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&text).unwrap()
    }

    /// Shmids of its segments.
    pub fn shmids(&self) -> Vec<i64> {
        let instance = self.json_file("instance.json");
        let segments = instance["segments"].as_array().unwrap();
        segments
            .iter()
            .filter_map(|s| s["shmid"].as_i64())
            .collect()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // what a kill left behind
        let _ = Command::new(simulator())
            .args(["clean", "--sid-prefix", &self.sid])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Mappings of a segment, by the kernel's table; `None` when it is gone.
pub fn nattch(shmid: i64) -> Option<u64> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1)?.parse() == Ok(shmid)).then(|| words[6].parse().unwrap())
    })
}

/// Waits until a condition holds, at most this long.
pub fn wait_for(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One state of a session, from the truth file: it begins to appear at `begin_ns` and is complete
/// at `end_ns` (CLOCK_MONOTONIC).
#[derive(Clone, Debug)]
pub struct State {
    pub begin_ns: u64,
    pub end_ns: u64,
    pub serial: u32,
    pub in_use: bool,
    pub kind: char,
    pub active: bool,
    pub waiting: bool,
    pub event_no: u32,
    pub seq: u32,
    pub p: [u64; 3],
    pub sql_id: Option<String>,
    pub username: String,
    pub module: String,
}

/// All states of each session (by SID), oldest first.
pub fn truth(path: &Path) -> HashMap<u32, Vec<State>> {
    let file = BufReader::new(fs::File::open(path).unwrap());
    let mut lines = file.lines();
    let header = lines.next().unwrap().unwrap();
    let names: Vec<&str> = header.split('\t').collect();
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
    let columns = [
        "begin_ns", "end_ns", "sid", "serial", "in_use", "kind", "status", "waiting", "event_no",
        "seq", "p1", "p2", "p3", "sql_id", "username", "module",
    ]
    .map(at);
    let mut sessions: HashMap<u32, Vec<State>> = HashMap::new();
    for line in lines {
        let line = line.unwrap();
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |i: usize| cells[columns[i]];
        let number = |i: usize| cell(i).parse::<u64>().unwrap();
        sessions.entry(number(2) as u32).or_default().push(State {
            begin_ns: number(0),
            end_ns: number(1),
            serial: number(3) as u32,
            in_use: cell(4) == "1",
            kind: cell(5).chars().next().unwrap_or('?'),
            active: cell(6) == "ACTIVE",
            waiting: cell(7) == "1",
            event_no: number(8) as u32,
            seq: number(9) as u32,
            p: [number(10), number(11), number(12)],
            sql_id: (cell(13) != "-").then(|| cell(13).to_owned()),
            username: cell(14).to_owned(),
            module: cell(15).to_owned(),
        });
    }
    sessions
}

/// The states that a session had at some moment between two times: those that began to appear
/// before the end and were not yet wholly replaced at the start.
pub fn states_within(states: &[State], from_ns: u64, to_ns: u64) -> &[State] {
    let last = states.partition_point(|s| s.begin_ns <= to_ns);
    let complete = states[..last].partition_point(|s| s.end_ns <= from_ns);
    &states[complete.saturating_sub(1)..last]
}
