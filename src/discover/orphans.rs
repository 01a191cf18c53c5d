//! Shared memory that dead instances left behind.
//!
//! The rule for segments, whose evidence is told with each: the process that created it is gone,
//! no live PMON has it mapped, and either nobody is attached, or those attached are processes of
//! Oracle's or only readers. What another program still works with is never called an orphan, nor
//! what can't be told for want of rights.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::account::user_name;
use super::instance::{Instance, key_text};
use super::maps::{self, granule_parts};
use super::procfs::ProcRoot;
use super::scan::started_at;
use super::segments::Row;
use crate::memory::sysv::SegmentState;

/// Most bytes of a stub segment of an instance with granule files: a page.
const STUB_BYTES: u64 = 4_096;

/// A segment without a live PMON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Orphan {
    /// The kernel's identifier.
    pub shmid: i32,
    /// Key.
    #[serde(serialize_with = "key_text")]
    pub key: Option<u32>,
    /// Bytes.
    pub size: u64,
    /// Owner.
    pub uid: u32,
    /// Owner's name.
    pub user: Option<String>,
    /// Mappings in all processes.
    pub nattch: u64,
    /// Process that created it.
    pub cpid: i32,
    /// Whether it goes away with its last attachment.
    pub marked_for_removal: bool,
    /// The evidence.
    pub why: String,
}

/// Granule files without a live PMON, put together by SID and id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OrphanFiles {
    /// SID in the files' names.
    pub sid: String,
    /// Id in the files' names.
    pub id: String,
    /// First file, by name.
    pub example: PathBuf,
    /// How many.
    pub files: usize,
    /// Bytes in all.
    pub bytes: u64,
    /// The evidence.
    pub why: String,
}

/// Segments of `table` that fit the rule; `granules` are all granule files.
pub(super) fn segments(
    root: &ProcRoot,
    instances: &[Instance],
    table: &[Row],
    granules: &[GranuleFiles],
) -> Vec<Orphan> {
    let claimed: Vec<i32> = instances
        .iter()
        .filter(|i| i.same_ipc_namespace())
        .flat_map(|i| i.segments.iter().map(|s| s.shmid))
        .collect();
    let suspects: Vec<&SegmentState> = table
        .iter()
        .map(|row| &row.state)
        .filter(|s| !claimed.contains(&s.shmid) && !creator_lives(root, s))
        .filter(|s| !may_be_stub(s, instances, granules))
        .collect();
    let holders = if suspects.iter().any(|s| s.nattch > 0) {
        holders(root)
    } else {
        BTreeMap::new()
    };
    suspects
        .into_iter()
        .filter_map(|state| {
            let nobody = Vec::new();
            let why = evidence(state, holders.get(&state.shmid).unwrap_or(&nobody))?;
            Some(orphan(state, why))
        })
        .collect()
}

/// Instances with granule files also make small segments that nobody attaches: ipcs shows them with
/// 4,096 bytes and nattch 0 (Tanel Poder, 2007). They are not orphans while such an instance of the
/// same user lives.
fn may_be_stub(state: &SegmentState, instances: &[Instance], granules: &[GranuleFiles]) -> bool {
    state.size <= STUB_BYTES
        && instances.iter().any(|i| {
            let has_files = granules.iter().any(|g| g.sid == i.sid);
            has_files && [state.uid, state.cuid].contains(&i.uid)
        })
}

fn orphan(state: &SegmentState, why: String) -> Orphan {
    Orphan {
        shmid: state.shmid,
        key: Some(state.key),
        size: state.size,
        uid: state.uid,
        user: user_name(state.uid),
        nattch: state.nattch,
        cpid: state.cpid,
        marked_for_removal: state.marked_for_removal,
        why,
    }
}

fn evidence(state: &SegmentState, holders: &[Holder]) -> Option<String> {
    let creator = format!("its creator (pid {}) is gone", state.cpid);
    if state.nattch == 0 {
        return Some(format!("{creator}, nobody is attached"));
    }
    if holders.is_empty() || !holders.iter().all(Holder::outlives_an_instance) {
        return None;
    }
    let names: Vec<String> = holders
        .iter()
        .take(5)
        .map(|h| format!("{} (pid {})", h.name, h.pid))
        .collect();
    let more = if holders.len() > 5 { " and more" } else { "" };
    Some(format!(
        "{creator}, no live PMON has it mapped; attached are {}{more}",
        names.join(", ")
    ))
}

/// A process that has a segment mapped.
struct Holder {
    pid: i32,
    name: String,
    writes: bool,
}

impl Holder {
    /// Whether it may be attached to what is left of an instance: a process of Oracle's, or one
    /// that only reads.
    fn outlives_an_instance(&self) -> bool {
        !self.writes || is_oracle_name(&self.name)
    }
}

/// Names of Oracle's processes: background ones `<kind>_<name>_<SID>`, servers `oracle<SID>`.
fn is_oracle_name(name: &str) -> bool {
    name.starts_with("oracle")
        || ["ora_", "asm_", "mdb_", "xe_", "db_"]
            .iter()
            .any(|p| name.starts_with(p))
}

fn name_of(root: &ProcRoot, pid: i32) -> String {
    root.argv0(pid)
        .or_else(|| root.comm(pid))
        .unwrap_or_default()
}

/// By shmid, the processes of our IPC namespace that have it mapped, as far as they can be seen.
fn holders(root: &ProcRoot) -> BTreeMap<i32, Vec<Holder>> {
    let own = root.namespace("self", "ipc");
    let mut found: BTreeMap<i32, Vec<Holder>> = BTreeMap::new();
    for pid in root.pids() {
        let Ok(text) = root.maps(pid) else { continue };
        let shared = maps::shared(&text);
        if shared.segments.is_empty() || root.namespace(&pid.to_string(), "ipc") != own {
            continue;
        }
        for (shmid, (_, mapped)) in shared.segments {
            found.entry(shmid).or_default().push(Holder {
                pid,
                name: name_of(root, pid),
                writes: mapped.writable,
            });
        }
    }
    found
}

/// Whether the process that created the segment still runs. A process that started after the
/// segment was made has only inherited the number.
fn creator_lives(root: &ProcRoot, state: &SegmentState) -> bool {
    let Some(stat) = root.stat(state.cpid).filter(|stat| !stat.has_ended()) else {
        return false;
    };
    // One second for the rounding of both times. A later change of owner or mode moves the time
    // of the segment on, which can only make a number look inherited less often.
    started_at(root, &stat).is_none_or(|start| start <= state.ctime.saturating_add(1))
}

/// Whether a live process that isn't Oracle's made the segment.
pub(super) fn made_by_other_program(
    root: &ProcRoot,
    state: &SegmentState,
    instance: &Instance,
) -> bool {
    state.cpid != instance.pid
        && creator_lives(root, state)
        && !is_oracle_name(&name_of(root, state.cpid))
}

/// Granule files of one SID and id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct GranuleFiles {
    pub(super) sid: String,
    id: String,
    example: PathBuf,
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// All granule files under `/dev/shm`, by SID and id.
pub(super) fn granule_files(root: &ProcRoot) -> Vec<GranuleFiles> {
    let Ok(entries) = std::fs::read_dir(&root.dev_shm) else {
        return Vec::new();
    };
    let mut found: BTreeMap<(String, String), GranuleFiles> = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((sid, id, _)) = name.to_str().and_then(granule_parts) else {
            continue;
        };
        let group = found
            .entry((sid.to_string(), id.to_string()))
            .or_insert_with(|| GranuleFiles {
                sid: sid.to_string(),
                id: id.to_string(),
                example: entry.path(),
                files: 0,
                bytes: 0,
            });
        let bytes = entry.metadata().map_or(0, |m| m.len());
        group.files += 1;
        group.bytes = group.bytes.saturating_add(bytes);
        group.example = std::mem::take(&mut group.example).min(entry.path());
    }
    found.into_values().collect()
}

/// Granule files that no live PMON has mapped. Files of a SID whose PMON lives but can't be looked
/// into are left out.
pub(super) fn files(all: Vec<GranuleFiles>, instances: &[Instance]) -> Vec<OrphanFiles> {
    all.into_iter()
        .filter_map(|group| {
            let why = file_evidence(instances, &group.sid, &group.id)?;
            Some(OrphanFiles {
                sid: group.sid,
                id: group.id,
                example: group.example,
                files: group.files,
                bytes: group.bytes,
                why,
            })
        })
        .collect()
}

fn file_evidence(instances: &[Instance], sid: &str, id: &str) -> Option<String> {
    let mut same_sid = instances.iter().filter(|i| i.sid == sid).peekable();
    if same_sid.peek().is_none() {
        return Some(format!("no live PMON has the SID {sid}"));
    }
    let owned = same_sid.any(|instance| {
        !instance.maps_readable
            || instance.granules.iter().any(|granule| {
                let name = granule.path.file_name().and_then(|n| n.to_str());
                name.and_then(granule_parts)
                    .is_some_and(|(_, granule_id, _)| granule_id == id)
            })
    });
    (!owned).then(|| format!("the live PMON of {sid} has no file with id {id} mapped"))
}
