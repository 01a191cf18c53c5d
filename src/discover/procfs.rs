//! `/proc` and `/dev/shm`, or stand-ins of them.
//!
//! Everything read from here is bounded and may be missing or refused: then it is `None`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most bytes taken of one file: maps of the largest processes have a few megabytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Where `/proc` and `/dev/shm` are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcRoot {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/dev/shm`.
    pub dev_shm: PathBuf,
}

impl Default for ProcRoot {
    /// This host's.
    fn default() -> ProcRoot {
        ProcRoot {
            proc: "/proc".into(),
            dev_shm: "/dev/shm".into(),
        }
    }
}

/// What `/proc/<pid>/stat` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stat {
    pub(super) state: u8,
    pub(super) ppid: i32,
    /// CPU used in user and kernel mode, clock ticks.
    pub(super) cpu_ticks: u64,
    pub(super) threads: u32,
    pub(super) start_ticks: u64,
}

impl Stat {
    /// Parses the line. The command name in brackets may hold anything, so the fields begin after
    /// the last bracket.
    pub(super) fn parse(line: &[u8]) -> Option<Stat> {
        let close = line.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let ppid = fields.next()?.parse().ok()?;
        // The next field is the 5th: user time is the 14th, threads the 20th, the start the 22nd.
        let user: u64 = fields.nth(9)?.parse().ok()?;
        let kernel: u64 = fields.next()?.parse().ok()?;
        let threads = fields.nth(4)?.parse().ok()?;
        let start_ticks = fields.nth(1)?.parse().ok()?;
        Some(Stat {
            state,
            ppid,
            cpu_ticks: user.saturating_add(kernel),
            threads,
            start_ticks,
        })
    }

    /// Whether the process has ended and only waits to be collected.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

impl ProcRoot {
    /// The folder of a process.
    pub(super) fn of(&self, pid: i32) -> PathBuf {
        self.proc.join(pid.to_string())
    }

    /// All process ids, ascending.
    pub(super) fn pids(&self) -> Vec<i32> {
        let Ok(entries) = std::fs::read_dir(&self.proc) else {
            return Vec::new();
        };
        let mut pids: Vec<i32> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        pids
    }

    /// The state of a process; `None` when there is none.
    pub(super) fn stat(&self, pid: i32) -> Option<Stat> {
        Stat::parse(&read_bounded(&self.of(pid).join("stat")).ok()?)
    }

    /// The command name, at most 15 bytes.
    pub(super) fn comm(&self, pid: i32) -> Option<String> {
        let bytes = read_bounded(&self.of(pid).join("comm")).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_string())
    }

    /// The command line with blanks between arguments; `None` when there is none.
    pub(super) fn cmdline(&self, pid: i32) -> Option<String> {
        let bytes = read_bounded(&self.of(pid).join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// A process's ids from our PID namespace (or the one that `/proc` shows) down to its own.
    pub(super) fn namespace_pids(&self, pid: i32) -> Option<Vec<i32>> {
        let bytes = read_bounded(&self.of(pid).join("status")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
        line.split_ascii_whitespace()
            .map(|n| n.parse().ok())
            .collect()
    }

    /// The first argument; `None` when there are none.
    pub(super) fn argv0(&self, pid: i32) -> Option<String> {
        let bytes = read_bounded(&self.of(pid).join("cmdline")).ok()?;
        let first = bytes.split(|b| *b == 0).next()?;
        (!first.is_empty()).then(|| String::from_utf8_lossy(first).into_owned())
    }

    /// A variable of the environment that the process was started with.
    pub(super) fn environ(&self, pid: i32) -> Option<Vec<u8>> {
        read_bounded(&self.of(pid).join("environ")).ok()
    }

    /// The maps, or why they can't be read.
    pub(super) fn maps(&self, pid: i32) -> io::Result<String> {
        let bytes = read_bounded(&self.of(pid).join("maps"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The target of a namespace link, e.g. `ipc:[4026531839]`.
    pub(super) fn namespace(&self, process: &str, kind: &str) -> Option<String> {
        let link = self.proc.join(process).join("ns").join(kind);
        Some(
            std::fs::read_link(link)
                .ok()?
                .to_string_lossy()
                .into_owned(),
        )
    }

    /// Where a path of a process's own file system is found from here.
    pub(super) fn path_of(&self, pid: i32, path: &Path) -> PathBuf {
        let own = self.namespace("self", "mnt");
        let theirs = self.namespace(&pid.to_string(), "mnt");
        match (own, theirs) {
            (Some(own), Some(theirs)) if own != theirs => {
                let relative = path.strip_prefix("/").unwrap_or(path);
                self.of(pid).join("root").join(relative)
            }
            _ => path.to_path_buf(),
        }
    }

    /// Boot in seconds since 1970.
    pub(super) fn boot_time(&self) -> Option<i64> {
        let bytes = read_bounded(&self.proc.join("stat")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .trim()
            .parse()
            .ok()
    }
}

/// The value of a variable in an environment block.
pub(super) fn variable(environ: &[u8], name: &str) -> Option<String> {
    environ
        .split(|b| *b == 0)
        .find_map(|entry| {
            entry
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
        })
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

/// The file's bytes, up to a cap.
pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    // most files are shorter: one read, and one for the end, for each of thousands of processes
    let mut bytes = Vec::with_capacity(4096);
    File::open(path)?
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
