//! What is known of an instance: plain data, serialisable for `discover -f json`.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::memory::{GranuleAt, SegmentAt, TargetAddr};

/// What a PMON process belongs to, by the prefix of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceKind {
    /// A database instance.
    Database,
    /// An ASM instance.
    Asm,
    /// A Grid Infrastructure management repository database.
    Management,
    /// An Express Edition instance.
    Express,
    /// A database instance under the Free edition's process names.
    Free,
}

/// How the SGA is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryKind {
    /// SysV segments.
    Sysv,
    /// `/dev/shm` granule files (automatic memory management), perhaps with SysV stubs.
    DevShm,
    /// Neither was seen.
    Unknown,
}

/// How a segment was tied to its instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// PMON has it mapped: certain, address known.
    Maps,
    /// PMON's maps can't be read, and PMON's user owns it or PMON made it: a candidate whose
    /// address isn't known.
    Owner,
}

/// A SysV segment of an instance. What the kernel's table says is `None` where it can't be seen
/// (another IPC namespace).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Segment {
    /// The kernel's identifier; the inode of the maps line.
    pub shmid: i32,
    /// Key; 0 for all but the last of an instance's segments.
    #[serde(serialize_with = "key_text")]
    pub key: Option<u32>,
    /// Where the instance has it; `None` for candidates.
    pub address: Option<TargetAddr>,
    /// Bytes that the instance mapped; 0 for candidates.
    pub mapped: u64,
    /// Bytes of the segment.
    pub size: Option<u64>,
    /// Mappings in PMON: the first page of the fixed area is mapped apart from the rest.
    pub mappings: u32,
    /// Whether it is of huge pages; `None` when that can't be told.
    pub huge_pages: Option<bool>,
    /// Permission bits.
    #[serde(serialize_with = "mode_text")]
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Owner's name.
    pub user: Option<String>,
    /// Owning group.
    pub gid: Option<u32>,
    /// Owning group's name.
    pub group: Option<String>,
    /// Creating user; has the owner's rights.
    #[serde(skip)]
    pub cuid: Option<u32>,
    /// Creating group; has the owning group's rights.
    #[serde(skip)]
    pub cgid: Option<u32>,
    /// Mappings in all processes: not a count of processes.
    pub nattch: Option<u64>,
    /// Process that created it.
    pub cpid: Option<i32>,
    /// Seconds since 1970 of its creation or last change of owner or mode.
    pub ctime: Option<i64>,
    /// Whether it goes away with its last attachment.
    pub marked_for_removal: bool,
    /// How it was tied to the instance.
    pub evidence: Evidence,
}

/// A `/dev/shm` granule file of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Granule {
    /// The file, as this process opens it.
    pub path: PathBuf,
    /// Where the instance has it.
    pub address: TargetAddr,
    /// Bytes that the instance mapped.
    pub mapped: u64,
    /// Offset in the file of the first mapped byte.
    pub file_offset: u64,
    /// Bytes of the file now; `None` when it can't be looked at.
    pub size: Option<u64>,
}

/// Where a candidate for the instance's executable comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `/proc/<pid>/exe`.
    ProcExe,
    /// `$ORACLE_HOME/bin/oracle` by PMON's environment.
    OracleHome,
}

/// A candidate for the instance's executable. The caller takes the first one that holds the
/// table of fixed tables.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Executable {
    /// What to open.
    pub path: PathBuf,
    /// What people call it: the link's target, or the path in the instance's own file system.
    pub shown: PathBuf,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it can be opened for reading.
    pub readable: bool,
    /// Why not.
    pub why_not: Option<String>,
}

/// The IPC namespace of an instance against our own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Namespace {
    /// The instance's, e.g. `ipc:[4026531839]`; `None` when it may not be read.
    pub instance: Option<String>,
    /// Our own.
    pub own: Option<String>,
    /// Whether they are the same; `None` when that can't be told.
    pub same: Option<bool>,
}

/// Whether an instance's memory can be read by this process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Readable {
    /// It can.
    Yes,
    /// It can't.
    No {
        /// What stands in the way.
        cause: String,
        /// The least privilege, or the least change, that would do.
        least_privilege: String,
        /// Whether it is a matter of rights (and not, say, of memory gone).
        permission: bool,
    },
}

/// An instance with a live PMON process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Instance {
    /// System identifier: what follows the prefix in PMON's name.
    pub sid: String,
    /// By the prefix of PMON's name.
    pub kind: InstanceKind,
    /// PMON's process id.
    pub pid: i32,
    /// PMON's parent.
    pub ppid: i32,
    /// PMON's start, in clock ticks since boot (field 22 of `/proc/<pid>/stat`). With the pid it
    /// identifies the process.
    pub start_ticks: u64,
    /// PMON's start in seconds since 1970, where it can be told.
    pub started_at: Option<i64>,
    /// PMON's effective user.
    pub uid: u32,
    /// Its name.
    pub user: Option<String>,
    /// PMON's effective group.
    pub gid: u32,
    /// Its name.
    pub group: Option<String>,
    /// `ORACLE_SID` of PMON's environment, where readable.
    pub oracle_sid: Option<String>,
    /// `ORACLE_HOME` of PMON's environment, where readable.
    pub oracle_home: Option<PathBuf>,
    /// `ORACLE_BASE` of PMON's environment, where readable.
    pub oracle_base: Option<PathBuf>,
    /// Candidates for the executable, best first.
    pub executables: Vec<Executable>,
    /// IPC namespaces.
    pub ipc_namespace: Namespace,
    /// Whether PMON's maps could be read: without them addresses are unknown and segments are
    /// candidates only.
    pub maps_readable: bool,
    /// Segments, by address.
    pub segments: Vec<Segment>,
    /// Granule files, by address; empty ones included.
    pub granules: Vec<Granule>,
    /// Whether the memory can be read.
    pub readable: Readable,
    /// Anything worth knowing that has no place of its own.
    pub notes: Vec<String>,
}

impl Instance {
    /// How the SGA is made.
    pub fn memory_kind(&self) -> MemoryKind {
        if self.granules.iter().any(|g| g.size != Some(0)) {
            MemoryKind::DevShm
        } else if !self.segments.is_empty() {
            MemoryKind::Sysv
        } else {
            MemoryKind::Unknown
        }
    }

    /// The segments whose addresses are known, to be attached.
    pub fn segments_at(&self) -> Vec<SegmentAt> {
        self.segments.iter().filter_map(Segment::at).collect()
    }

    /// The granule files that aren't empty, to be mapped.
    pub fn granules_at(&self) -> Vec<GranuleAt> {
        self.granules
            .iter()
            .filter(|g| g.size != Some(0))
            .map(|g| GranuleAt {
                path: g.path.clone(),
                address: g.address,
                len: g.mapped,
                file_offset: g.file_offset,
            })
            .collect()
    }

    /// Whether shmids of PMON's maps mean the same segments to us. Unknown counts as yes.
    pub fn same_ipc_namespace(&self) -> bool {
        self.ipc_namespace.same != Some(false)
    }

    /// The first executable candidate for which `holds` answers true.
    pub fn executable(&self, holds: impl Fn(&std::path::Path) -> bool) -> Option<&Executable> {
        self.executables
            .iter()
            .find(|e| e.readable && holds(&e.path))
    }
}

impl Segment {
    /// What to attach; `None` for candidates.
    pub fn at(&self) -> Option<SegmentAt> {
        Some(SegmentAt {
            shmid: self.shmid,
            address: self.address?,
            // Segments of huge pages are mapped longer than they are.
            len: self.mapped.min(self.size.unwrap_or(self.mapped)),
            name: format!("shmid {}", self.shmid),
        })
    }
}

pub(super) fn key_text<S: Serializer>(key: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => serializer.collect_str(&format_args!("0x{key:08x}")),
        None => serializer.serialize_none(),
    }
}

pub(super) fn mode_text<S: Serializer>(
    mode: &Option<u32>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match mode {
        Some(mode) => serializer.collect_str(&format_args!("{mode:03o}")),
        None => serializer.serialize_none(),
    }
}
