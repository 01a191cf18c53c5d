//! What the kernel says of an instance's server processes, by the SPID that Oracle has of them.
//!
//! For: alive or not, since when, how much CPU, under which command line. An instance in a container
//! has SPIDs of its own PID namespace; they are translated by `NSpid` of `/proc/<pid>/status`.
//!
//! Not for: judging (that is `analyze`). It sends no signal. Callers: `cli`.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::instance::Instance;
use super::procfs::ProcRoot;
use super::scan::USER_HZ;

/// A process of this host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OsProcess {
    /// Its id here; differs from the SPID where the instance runs in a container.
    pub pid: i32,
    /// State as `ps` shows it: R, S, D, …
    pub state: char,
    /// CPU seconds used in user and kernel mode.
    pub cpu_s: f64,
    /// Threads.
    pub threads: u32,
    /// Start in seconds since 1970, where the boot time is known.
    pub started_at: Option<i64>,
    /// Command line; `None` when it has none or may not be read.
    pub cmdline: Option<String>,
}

/// Whether there is a process of some SPID.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OsFact {
    /// There is.
    Alive(OsProcess),
    /// There isn't, or it has ended and only waits to be collected.
    Gone,
    /// It can't be told, and why.
    Unknown(String),
}

/// How SPIDs of an instance are found here.
enum Numbers {
    /// They are this host's.
    Ours,
    /// They are another PID namespace's: id there to id here.
    Mapped(HashMap<i32, i32>),
    /// It can't be told.
    Unknown(String),
    /// They were looked at when an image was captured.
    Captured(BTreeMap<i32, OsFact>),
}

/// The server processes of one instance.
pub struct OsProcesses {
    root: ProcRoot,
    numbers: Numbers,
    /// Seconds since 1970; read once, `/proc/stat` is long.
    boot: Option<i64>,
}

impl OsProcesses {
    /// Those of `instance` on this host.
    pub fn of(instance: &Instance) -> OsProcesses {
        OsProcesses::under(ProcRoot::default(), instance.pid)
    }

    /// Those of the instance with this PMON, under another `/proc`.
    pub fn under(root: ProcRoot, pmon: i32) -> OsProcesses {
        let numbers = numbers(&root, pmon);
        OsProcesses {
            boot: root.boot_time(),
            root,
            numbers,
        }
    }

    /// None can be looked at, for this reason (an image).
    pub fn none(why: &str) -> OsProcesses {
        OsProcesses {
            root: ProcRoot::default(),
            numbers: Numbers::Unknown(why.to_owned()),
            boot: None,
        }
    }

    /// Those that were looked at when an image was captured, by SPID.
    pub fn captured(facts: BTreeMap<i32, OsFact>) -> OsProcesses {
        OsProcesses {
            root: ProcRoot::default(),
            numbers: Numbers::Captured(facts),
            boot: None,
        }
    }

    /// The process of an SPID.
    pub fn look(&self, spid: i32) -> OsFact {
        let pid = match &self.numbers {
            Numbers::Ours => spid,
            Numbers::Mapped(map) => match map.get(&spid) {
                Some(pid) => *pid,
                None => return OsFact::Gone,
            },
            Numbers::Unknown(why) => return OsFact::Unknown(why.clone()),
            Numbers::Captured(facts) => {
                let why = || OsFact::Unknown("it wasn't looked at when the image was taken".into());
                return facts.get(&spid).cloned().unwrap_or_else(why);
            }
        };
        let Some(stat) = self.root.stat(pid).filter(|stat| !stat.has_ended()) else {
            return OsFact::Gone;
        };
        OsFact::Alive(OsProcess {
            pid,
            state: char::from(stat.state),
            cpu_s: stat.cpu_ticks as f64 / USER_HZ as f64,
            threads: stat.threads,
            started_at: self
                .boot
                .and_then(|boot| boot.checked_add(i64::try_from(stat.start_ticks / USER_HZ).ok()?)),
            cmdline: self.root.cmdline(pid),
        })
    }
}

/// PMON's ids from here down to its own namespace say whether SPIDs mean the same here; if not, the
/// processes of PMON's own namespace are listed by their ids there.
fn numbers(root: &ProcRoot, pmon: i32) -> Numbers {
    let nested = match root.namespace_pids(pmon) {
        Some(ids) => ids.len() > 1,
        None => {
            return Numbers::Unknown(format!(
                "{} can't be read, so it isn't known whether process ids there mean the same here",
                root.of(pmon).join("status").display()
            ));
        }
    };
    if !nested {
        return Numbers::Ours;
    }
    let Some(theirs) = root.namespace(&pmon.to_string(), "pid") else {
        return Numbers::Unknown(format!(
            "the instance runs in another PID namespace, and {} can't be read; run as root or as PMON's user",
            root.of(pmon).join("ns/pid").display()
        ));
    };
    let map = root
        .pids()
        .into_iter()
        .filter(|pid| root.namespace(&pid.to_string(), "pid").as_ref() == Some(&theirs))
        .filter_map(|pid| Some((*root.namespace_pids(pid)?.last()?, pid)));
    Numbers::Mapped(map.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct Proc(tempfile::TempDir);

    impl Proc {
        fn new() -> Proc {
            let proc = Proc(tempfile::tempdir().unwrap());
            fs::write(proc.0.path().join("stat"), "cpu 1\nbtime 1000000\n").unwrap();
            proc
        }

        fn root(&self) -> ProcRoot {
            ProcRoot {
                proc: self.0.path().to_owned(),
                dev_shm: "/nonexistent".into(),
            }
        }

        fn add(&self, pid: i32, ids: &str, namespace: &str, state: char) {
            let dir = self.0.path().join(pid.to_string());
            fs::create_dir_all(dir.join("ns")).unwrap();
            let stat = format!(
                "{pid} (oracle (x)) {state} 1 1 1 0 -1 0 0 0 0 0 150 50 9 9 20 0 3 0 5000 1 1\n"
            );
            fs::write(dir.join("stat"), stat).unwrap();
            fs::write(
                dir.join("status"),
                format!("Name:\toracle\nNSpid:\t{ids}\n"),
            )
            .unwrap();
            fs::write(dir.join("cmdline"), b"oracleX\0(LOCAL=NO)\0").unwrap();
            symlink(namespace, dir.join("ns/pid")).unwrap();
        }
    }

    #[test]
    fn a_process_of_this_host() {
        let proc = Proc::new();
        proc.add(10, "10", "pid:[1]", 'S');
        proc.add(20, "20", "pid:[1]", 'R');
        proc.add(30, "30", "pid:[1]", 'Z');
        let os = OsProcesses::under(proc.root(), 10);
        let OsFact::Alive(found) = os.look(20) else {
            panic!("it is alive");
        };
        assert_eq!(found.pid, 20);
        assert_eq!((found.state, found.threads, found.cpu_s), ('R', 3, 2.0));
        assert_eq!(found.started_at, Some(1_000_050));
        assert_eq!(found.cmdline.as_deref(), Some("oracleX (LOCAL=NO)"));
        assert_eq!(os.look(30), OsFact::Gone, "a zombie has ended");
        assert_eq!(os.look(40), OsFact::Gone);
    }

    #[test]
    fn a_container_has_numbers_of_its_own() {
        let proc = Proc::new();
        proc.add(1010, "1010 10", "pid:[7]", 'S');
        proc.add(1020, "1020 20", "pid:[7]", 'S');
        // another container's process with the same number
        proc.add(2020, "2020 20", "pid:[8]", 'R');
        proc.add(30, "30", "pid:[1]", 'S');
        let os = OsProcesses::under(proc.root(), 1010);
        assert!(matches!(os.look(20), OsFact::Alive(p) if p.pid == 1020));
        assert_eq!(os.look(30), OsFact::Gone, "that is the host's 30");
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let proc = Proc::new();
        let os = OsProcesses::under(proc.root(), 10);
        assert!(matches!(os.look(10), OsFact::Unknown(why) if why.contains("status")));
        proc.add(10, "10 1", "pid:[7]", 'S');
        fs::remove_file(proc.0.path().join("10/ns/pid")).unwrap();
        let os = OsProcesses::under(proc.root(), 10);
        assert!(matches!(os.look(1), OsFact::Unknown(why) if why.contains("namespace")));
    }
}
