//! Finding instances by their PMON processes.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::account::{Credentials, group_name, user_name};
use super::instance::{
    Executable, Granule, Instance, InstanceKind, Namespace, Origin, Readable, Segment,
};
use super::maps::{self, SharedMaps};
use super::orphans::{self, GranuleFiles, Orphan, OrphanFiles};
use super::procfs::{ProcRoot, Stat, variable};
use super::readable;
use super::segments::{self, Row};
use crate::memory::TargetAddr;

/// Names that PMON processes go by: what precedes the SID in the command name and `argv[0]`.
const PMON_PREFIXES: [(&str, InstanceKind); 5] = [
    ("ora_pmon_", InstanceKind::Database),
    ("asm_pmon_", InstanceKind::Asm),
    ("mdb_pmon_", InstanceKind::Management),
    ("xe_pmon_", InstanceKind::Express),
    ("db_pmon_", InstanceKind::Free),
];
/// The kernel cuts command names at this many bytes (`TASK_COMM_LEN` less the final NUL).
const COMM_BYTES: usize = 15;
/// Clock ticks in a second as `/proc` counts them (`USER_HZ`), fixed on Linux.
pub(super) const USER_HZ: u64 = 100;

/// All that was found on this host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Survey {
    /// Instances with a live PMON, by SID and pid.
    pub instances: Vec<Instance>,
    /// Segments without a live PMON.
    pub orphans: Vec<Orphan>,
    /// Granule files without a live PMON.
    pub orphan_files: Vec<OrphanFiles>,
    /// What could not be looked at, and what that means for the lists.
    pub problems: Vec<String>,
}

/// The instances under `root`, by SID and pid. Attaches nothing.
pub fn scan(root: &ProcRoot) -> Vec<Instance> {
    survey(root).instances
}

/// The instances under `root`, and memory that dead ones left behind. Attaches nothing.
pub fn survey(root: &ProcRoot) -> Survey {
    let mut problems = Vec::new();
    let table = segments::table(root).unwrap_or_else(|e| {
        problems.push(format!(
            "the table of segments ({}) can't be read: {e}; sizes, owners and orphans are unknown",
            root.proc.join("sysvipc/shm").display()
        ));
        Vec::new()
    });
    let table_known = problems.is_empty();
    let mut instances: Vec<Instance> = pmons(root)
        .into_iter()
        .map(|pmon| describe(root, pmon, &table))
        .collect();
    let granules = orphans::granule_files(root);
    add_candidates(root, &mut instances, &table, &granules);
    let credentials = Credentials::read(&root.proc.join("self/status"));
    if credentials.is_none() {
        problems.push("our own rights can't be read: verdicts assume those of a stranger".into());
    }
    let credentials = credentials.unwrap_or(Credentials {
        uid: u32::MAX,
        gid: u32::MAX,
        ..Credentials::default()
    });
    for instance in &mut instances {
        instance.readable = readable::verdict(instance, &credentials, table_known);
    }
    instances.sort_by(|a, b| (&a.sid, a.pid).cmp(&(&b.sid, b.pid)));
    Survey {
        orphans: orphans::segments(root, &instances, &table, &granules),
        orphan_files: orphans::files(granules, &instances),
        instances,
        problems,
    }
}

/// A live process that goes by a PMON's name.
struct Pmon {
    pid: i32,
    stat: Stat,
    sid: String,
    kind: InstanceKind,
    notes: Vec<String>,
}

fn pmons(root: &ProcRoot) -> Vec<Pmon> {
    let mut found: Vec<Pmon> = root
        .pids()
        .into_iter()
        .filter_map(|pid| pmon(root, pid))
        .collect();
    // A process that PMON has just forked carries its name until it takes its own.
    let parents: Vec<(i32, String)> = found.iter().map(|p| (p.pid, p.sid.clone())).collect();
    found.retain(|p| {
        !parents
            .iter()
            .any(|(pid, sid)| *pid == p.stat.ppid && *sid == p.sid)
    });
    found
}

fn pmon(root: &ProcRoot, pid: i32) -> Option<Pmon> {
    let comm = root.comm(pid);
    let argv0 = root.argv0(pid);
    let by_argv = argv0.as_deref().and_then(pmon_name);
    let by_comm = comm.as_deref().and_then(pmon_name);
    let (kind, sid) = by_argv.or(by_comm)?;
    let stat = root.stat(pid).filter(|stat| !stat.has_ended())?;
    let mut notes = Vec::new();
    let mut sid = sid.to_string();
    let cut = by_argv.is_none() && comm.is_some_and(|c| c.len() >= COMM_BYTES);
    if cut {
        let full = oracle_sid(root, pid).filter(|full| full.starts_with(&sid));
        match full {
            Some(full) => sid = full,
            None => notes.push(
                "the SID is taken from the command name, which the kernel cuts: it may be longer"
                    .into(),
            ),
        }
    }
    Some(Pmon {
        pid,
        stat,
        sid,
        kind,
        notes,
    })
}

/// Kind and SID by a process's name.
pub(super) fn pmon_name(name: &str) -> Option<(InstanceKind, &str)> {
    let (kind, rest) = PMON_PREFIXES
        .iter()
        .find_map(|(prefix, kind)| Some((*kind, name.strip_prefix(prefix)?)))?;
    let sid = rest.split_whitespace().next()?;
    Some((kind, sid))
}

fn oracle_sid(root: &ProcRoot, pid: i32) -> Option<String> {
    variable(&root.environ(pid)?, "ORACLE_SID")
}

fn describe(root: &ProcRoot, pmon: Pmon, table: &[Row]) -> Instance {
    let pid = pmon.pid;
    let environ = root.environ(pid);
    let of_environ = |name| environ.as_deref().and_then(|e| variable(e, name));
    let oracle_home = of_environ("ORACLE_HOME").map(PathBuf::from);
    let owner = Credentials::read(&root.of(pid).join("status")).unwrap_or_default();
    let ipc_namespace = namespace(root, pid);
    let mut notes = pmon.notes;
    let maps = root.maps(pid);
    if let Err(e) = &maps {
        notes.push(format!("the maps of PMON can't be read: {e}"));
    }
    let maps_readable = maps.as_ref().is_ok_and(|text| !text.is_empty());
    let shared = maps.map(|text| maps::shared(&text)).unwrap_or_default();
    let rows = if ipc_namespace.same == Some(false) {
        &[]
    } else {
        table
    };
    Instance {
        sid: pmon.sid,
        kind: pmon.kind,
        pid,
        ppid: pmon.stat.ppid,
        start_ticks: pmon.stat.start_ticks,
        started_at: started_at(root, &pmon.stat),
        uid: owner.uid,
        user: user_name(owner.uid),
        gid: owner.gid,
        group: group_name(owner.gid),
        oracle_sid: of_environ("ORACLE_SID"),
        executables: executables(root, pid, oracle_home.as_deref()),
        oracle_home,
        oracle_base: of_environ("ORACLE_BASE").map(PathBuf::from),
        segments: mapped_segments(&shared, rows),
        granules: granules(root, pid, &shared),
        ipc_namespace,
        maps_readable,
        readable: Readable::Yes,
        notes,
    }
}

/// Start of a process in seconds since 1970.
pub(super) fn started_at(root: &ProcRoot, stat: &Stat) -> Option<i64> {
    let since_boot = i64::try_from(stat.start_ticks / USER_HZ).ok()?;
    root.boot_time()?.checked_add(since_boot)
}

fn namespace(root: &ProcRoot, pid: i32) -> Namespace {
    let instance = root.namespace(&pid.to_string(), "ipc");
    let own = root.namespace("self", "ipc");
    let same = match (&instance, &own) {
        (Some(instance), Some(own)) => Some(instance == own),
        _ => None,
    };
    Namespace {
        instance,
        own,
        same,
    }
}

fn executables(root: &ProcRoot, pid: i32, oracle_home: Option<&Path>) -> Vec<Executable> {
    let link = root.of(pid).join("exe");
    let shown = std::fs::read_link(&link).unwrap_or_else(|_| link.clone());
    let mut found = vec![executable(link, shown, Origin::ProcExe)];
    if let Some(home) = oracle_home {
        let shown = home.join("bin/oracle");
        let path = root.path_of(pid, &shown);
        found.push(executable(path, shown, Origin::OracleHome));
    }
    found
}

fn executable(path: PathBuf, shown: PathBuf, origin: Origin) -> Executable {
    let why_not = std::fs::File::open(&path).err().map(|e| e.to_string());
    Executable {
        path,
        shown,
        origin,
        readable: why_not.is_none(),
        why_not,
    }
}

fn mapped_segments(shared: &SharedMaps, table: &[Row]) -> Vec<Segment> {
    let mut found: Vec<Segment> = shared
        .segments
        .iter()
        .map(|(shmid, (key, mapped))| {
            let row = table.iter().find(|row| row.state.shmid == *shmid);
            segments::mapped_segment(*shmid, *key, mapped, row)
        })
        .collect();
    found.sort_by_key(|segment| segment.address);
    found
}

fn granules(root: &ProcRoot, pid: i32, shared: &SharedMaps) -> Vec<Granule> {
    let mut found: Vec<Granule> = shared
        .granules
        .iter()
        .map(|(name, mapped)| {
            let in_its_system = root.path_of(pid, &Path::new("/dev/shm").join(name));
            let path = if in_its_system.starts_with("/dev/shm") {
                root.dev_shm.join(name)
            } else {
                in_its_system
            };
            Granule {
                size: std::fs::metadata(&path).ok().map(|m| m.len()),
                path,
                address: TargetAddr(mapped.start),
                mapped: mapped.end - mapped.start,
                file_offset: mapped.offset,
            }
        })
        .collect();
    found.sort_by_key(|granule| granule.address);
    found
}

/// What can still be seen without rights: segments of PMON's user that no other instance has
/// mapped. A segment without attachments isn't a running instance's.
fn add_candidates(
    root: &ProcRoot,
    instances: &mut [Instance],
    table: &[Row],
    granules: &[GranuleFiles],
) {
    let claimed: Vec<i32> = instances
        .iter()
        .filter(|i| i.same_ipc_namespace())
        .flat_map(|i| i.segments.iter().map(|s| s.shmid))
        .collect();
    for instance in instances
        .iter_mut()
        .filter(|i| !i.maps_readable && i.same_ipc_namespace())
    {
        let candidates: Vec<Segment> = table
            .iter()
            .filter(|row| {
                let state = &row.state;
                let owned = state.cpid == instance.pid
                    || state.uid == instance.uid
                    || state.cuid == instance.uid;
                owned && state.nattch > 0 && !claimed.contains(&state.shmid)
            })
            .filter(|row| !orphans::made_by_other_program(root, &row.state, instance))
            .map(segments::candidate_segment)
            .collect();
        if !candidates.is_empty() {
            instance.notes.push(format!(
                "{} segments are candidates only: they belong to PMON's user, their addresses are \
                 unknown",
                candidates.len()
            ));
        }
        instance.segments = candidates;
        for group in granules.iter().filter(|g| g.sid == instance.sid) {
            instance.notes.push(format!(
                "{} granule files with {} bytes bear its SID under {}",
                group.files,
                group.bytes,
                root.dev_shm.display()
            ));
        }
    }
}
