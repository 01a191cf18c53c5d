//! `record` as a service: what a recorder that stays on must stand.

mod burst;
mod clock;
mod disk;
mod follow;
mod kills;
mod retention;
mod signals;
mod tables;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{TimestampMicrosecondType, UInt32Type};
use nix::sys::signal::Signal;
use serde_json::Value;
use sgascope::record::{Reader, RecordError, ScanOptions};

use crate::mutation::{batches, texts, u32s, u64s};
use crate::support::{Sim, program, sgascope};

/// Generous: for a machine that does much else.
pub const LIMIT: Duration = Duration::from_secs(180);

/// A recorder that runs with `-f jsonl`.
pub struct Recording {
    pub child: Child,
    lines: Receiver<Value>,
    seen: Vec<Value>,
}

impl Recording {
    /// Starts it on `sid` into `dir`.
    pub fn start(sid: &str, dir: &Path, args: &[&str]) -> Recording {
        Recording::with(sid, dir, args, |_| {})
    }

    /// The same with a changed command.
    pub fn with(
        sid: &str,
        dir: &Path,
        args: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Recording {
        let mut command = Command::new(program());
        command
            .args(["record", "-f", "jsonl", "-I", sid, "-o"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // a killed process may leave half a line
                if let Ok(line) = serde_json::from_str(&line)
                    && sender.send(line).is_err()
                {
                    break;
                }
            }
        });
        Recording {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for a line that fulfils a condition, and gives it.
    pub fn wait(&mut self, what: &str, mut holds: impl FnMut(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            let line = self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|e| {
                let mut said = String::new();
                let _ = self.child.kill();
                let _ = self.child.stderr.take().unwrap().read_to_string(&mut said);
                let last = self.seen.last();
                panic!("{what}: {e}; last line {last:?}; {said}");
            });
            self.seen.push(line.clone());
            if holds(&line) {
                return line;
            }
        }
    }

    /// Waits until `count` more flushes have been told.
    pub fn wait_flushes(&mut self, count: usize) -> Value {
        let mut left = count;
        self.wait("flushes", |line| {
            left -= usize::from(!line["flushed"].is_null());
            left == 0
        })
    }

    /// Waits for an event of this kind.
    pub fn wait_event(&mut self, kind: &str) -> Value {
        self.wait(kind, |line| line["event"]["kind"] == kind)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Ends it with SIGTERM; gives its summary and what it said on stderr.
    pub fn end(mut self) -> (Value, String) {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits until it ends well by itself.
    pub fn ended(&mut self) -> (Value, String) {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{said}");
        let summary = self.wait("the summary", |line| !line["run"].is_null());
        (summary, said)
    }

    /// Kills it and gives the last flush that it told, if any.
    pub fn kill(mut self) -> Option<Value> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let rest = self.lines.iter().collect::<Vec<_>>();
        let mut told = self.seen.iter().chain(&rest);
        told.rfind(|l| !l["flushed"].is_null()).cloned()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Number, weight in µs, rows that it should have, dropped, missed, late in µs.
pub type Tick = (u64, u64, u32, u32, u32, u32);

/// What a recording holds, tick by tick; a tick is known by its monotonic time.
#[derive(Default, Debug)]
pub struct Held {
    /// By monotonic ns.
    pub ticks: BTreeMap<u64, Tick>,
    /// Rows of `samples` by number and time of their tick.
    pub rows: HashMap<(u64, i64), u32>,
}

impl Held {
    /// Reads a window of a recording, which must be sound: no tick and no row twice, and every tick
    /// with all its rows.
    pub fn read(dir: &Path, options: &ScanOptions) -> Held {
        let mut held = Held::default();
        let mut times = HashMap::new();
        for batch in scanned(dir, "ticks", options) {
            for i in 0..batch.num_rows() {
                let tick = (
                    u64s(&batch, "sample_id")[i],
                    u64s(&batch, "weight_us")[i],
                    u32s(&batch, "rows_emitted")[i],
                    u32s(&batch, "dropped")[i],
                    u32s(&batch, "missed")[i],
                    u32s(&batch, "late_us")[i],
                );
                let mono = u64s(&batch, "mono_ns")[i];
                let before = held.ticks.insert(mono, tick);
                assert!(before.is_none(), "tick {tick:?} is there twice");
                times.insert((tick.0, time(&batch, i)), tick.2);
            }
        }
        let mut sessions = HashSet::new();
        for batch in scanned(dir, "samples", options) {
            let sids = batch.column_by_name("session_id").unwrap();
            let sids = sids.as_primitive::<UInt32Type>();
            for i in 0..batch.num_rows() {
                let tick = (u64s(&batch, "sample_id")[i], time(&batch, i));
                assert!(
                    sessions.insert((tick, sids.value(i))),
                    "session {} twice in tick {tick:?}",
                    sids.value(i)
                );
                *held.rows.entry(tick).or_default() += 1;
            }
        }
        for (tick, rows) in times {
            let found = held.rows.get(&tick).copied().unwrap_or(0);
            assert_eq!(found, rows, "rows of tick {tick:?}");
        }
        held
    }
}

pub fn time(batch: &RecordBatch, row: usize) -> i64 {
    let column = batch.column_by_name("sample_time").unwrap();
    column.as_primitive::<TimestampMicrosecondType>().value(row)
}

/// Batches of a window; none where no row was ever written.
pub fn scanned(dir: &Path, table: &str, options: &ScanOptions) -> Vec<RecordBatch> {
    match Reader::open(dir).unwrap().scan(table, options) {
        Ok(scan) => scan.map(|batch| batch.unwrap()).collect(),
        Err(RecordError::NoTable { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

/// The recorder's events in the order in which they happened: kind and detail.
pub fn events(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for batch in batches(dir, "events") {
        let times = u64s(&batch, "mono_ns").iter();
        let kinds = texts(&batch, "kind").into_iter().flatten();
        let details = texts(&batch, "detail").into_iter().flatten();
        found.extend(times.copied().zip(kinds.zip(details)));
    }
    found.sort();
    found.into_iter().map(|(_, event)| event).collect()
}

/// Kinds of the recorder's events.
pub fn kinds(dir: &Path) -> Vec<String> {
    events(dir).into_iter().map(|e| e.0).collect()
}

/// Files of a recording that end so.
pub fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            found.extend(files(&path, suffix));
        } else if path.to_string_lossy().ends_with(suffix) {
            found.push(path);
        }
    }
    found
}

/// The blueprint of an instance, so that recorders start at once.
pub fn blueprint(sim: &Sim) -> PathBuf {
    let path = sim.file("blueprint.json");
    let binary = sim.file("bin/oracle");
    let made = sgascope([
        "blueprint".as_ref(),
        "extract".as_ref(),
        "-I".as_ref(),
        sim.sid.as_ref(),
        "--binary".as_ref(),
        binary.as_os_str(),
        "-o".as_ref(),
        path.as_os_str(),
    ]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    path
}
