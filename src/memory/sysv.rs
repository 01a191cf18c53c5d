//! Live SysV shared memory, attached read-only.
//!
//! For: attaching the segments that an instance uses wherever the kernel has room (addresses are
//! translated, so the reader needn't have them at the instance's own), and asking the kernel about
//! segments.
//!
//! Not for: finding out which segments belong to an instance (`discover` does). Never attaches for
//! writing, never creates, changes or removes a segment.
//!
//! Every attachment raises the segment's `nattch` and keeps its memory alive even after its owner
//! marked it for removal: callers watch [`segment_state`] and drop the space at once.

use std::io;
use std::sync::Arc;

use super::TargetAddr;
use super::pieces::{OfPieces, Overlap, Piece, Pieces, Rest};
use super::raw::{Mapping, ShmQuery, shm_query};

/// `shm_perm.mode` bit of a segment that goes away with its last attachment (`linux/shm.h`).
const SHM_DEST: u32 = 0o1000;
const PAGE: u64 = 4096;

/// A segment and where the target has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentAt {
    /// The kernel's identifier.
    pub shmid: i32,
    /// Where the target attached it.
    pub address: TargetAddr,
    /// Bytes of it that the target mapped.
    pub len: u64,
    /// What to call it to people, e.g. "shmid 3".
    pub name: String,
}

/// What the kernel says of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentState {
    /// The kernel's identifier.
    pub shmid: i32,
    /// Its key; 0 for private segments, and for those marked for removal.
    pub key: u32,
    /// Permission bits (0o777 part).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Creating user; has the owner's rights.
    pub cuid: u32,
    /// Creating group; has the owning group's rights.
    pub cgid: u32,
    /// Bytes.
    pub size: u64,
    /// Attachments: one for each mapping in each process, so not a count of processes.
    pub nattch: u64,
    /// Process that created it.
    pub cpid: i32,
    /// Process that attached or detached last.
    pub lpid: i32,
    /// Last change of owner or mode, or creation: seconds since 1970.
    pub ctime: i64,
    /// Whether it goes away with its last attachment.
    pub marked_for_removal: bool,
}

/// Why a segment can't be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The kernel refused, for want of rights.
    #[error(
        "no permission to attach {name} (shmid {shmid}, 0x{address}) for reading: {holder}; \
         run as its owner or root, or give the reader CAP_IPC_OWNER, or let the instance be \
         started with ALLOW_GROUP_ACCESS_TO_SGA=TRUE and run as a member of its group"
    )]
    Denied {
        /// Segment.
        shmid: i32,
        /// What it is called.
        name: String,
        /// Where the target has it.
        address: TargetAddr,
        /// Owner and mode, as far as they are known.
        holder: String,
    },
    /// There is no such segment (any more).
    #[error(
        "{name} (shmid {shmid}, 0x{address}) is gone: the instance has ended or was started \
         again, or it runs in another IPC namespace; run discover again"
    )]
    Gone {
        /// Segment.
        shmid: i32,
        /// What it is called.
        name: String,
        /// Where the target has it.
        address: TargetAddr,
    },
    /// The segment is shorter than what the target mapped: not the same segment.
    #[error(
        "{name} (shmid {shmid}, 0x{address}) has {actual} bytes, expected at least {expected}: \
         another segment has taken its number; run discover again"
    )]
    TooShort {
        /// Segment.
        shmid: i32,
        /// What it is called.
        name: String,
        /// Where the target has it.
        address: TargetAddr,
        /// Bytes that the target mapped.
        expected: u64,
        /// Bytes that the segment has.
        actual: u64,
    },
    /// Two segments claim the same addresses.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// Anything else that the kernel said.
    #[error("can't attach {name} (shmid {shmid}, 0x{address}) for reading: {source}")]
    Os {
        /// Segment.
        shmid: i32,
        /// What it is called.
        name: String,
        /// Where the target has it.
        address: TargetAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl AttachError {
    fn from_os(segment: &SegmentAt, source: io::Error) -> AttachError {
        let (shmid, address, name) = (segment.shmid, segment.address, segment.name.clone());
        match source.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => AttachError::Denied {
                shmid,
                name,
                address,
                holder: holder_text(shmid),
            },
            Some(libc::EINVAL | libc::EIDRM) => AttachError::Gone {
                shmid,
                name,
                address,
            },
            _ => AttachError::Os {
                shmid,
                name,
                address,
                source,
            },
        }
    }
}

fn holder_text(shmid: i32) -> String {
    match segment_state(shmid) {
        Ok(state) => format!("owner uid {}, mode {:o}", state.uid, state.mode),
        Err(_) => "owner unknown".into(),
    }
}

/// SysV segments of a target, attached read-only until dropped.
pub struct SysvSpace {
    pieces: Pieces,
}

impl SysvSpace {
    /// Attaches all `segments`; on any error those attached so far are detached again.
    pub fn attach(segments: &[SegmentAt]) -> Result<SysvSpace, AttachError> {
        let pieces = segments.iter().map(piece).collect::<Result<Vec<_>, _>>()?;
        Ok(SysvSpace {
            pieces: Pieces::new(pieces, false)?,
        })
    }
}

fn piece(segment: &SegmentAt) -> Result<Piece, AttachError> {
    let mapping = Mapping::attach(segment.shmid).map_err(|e| AttachError::from_os(segment, e))?;
    let actual = mapping.len() as u64;
    let in_address_space = segment.address.checked_add(segment.len).is_some();
    if actual.next_multiple_of(PAGE) < segment.len || !in_address_space {
        return Err(AttachError::TooShort {
            shmid: segment.shmid,
            name: segment.name.clone(),
            address: segment.address,
            expected: segment.len,
            actual,
        });
    }
    let len = actual.min(segment.len);
    Ok(Piece {
        start: segment.address.0,
        len,
        mapping: Some(Arc::new(mapping)),
        from: 0,
        stored: len,
        rest: Rest::Hole,
        name: segment.name.clone(),
    })
}

impl OfPieces for SysvSpace {
    const KIND: &'static str = "sysv";

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }
}

/// What the kernel says of segment `shmid`; for segments that we may not read, by the kernel's
/// table for everyone. Errors: `EINVAL` or `EIDRM` when there is no such segment.
pub fn segment_state(shmid: i32) -> io::Result<SegmentState> {
    match shm_query(shmid, ShmQuery::Stat) {
        Ok((_, record)) => Ok(state(shmid, &record)),
        Err(e) if e.raw_os_error() == Some(libc::EACCES) => all_segments()?
            .into_iter()
            .find(|s| s.shmid == shmid)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL)),
        Err(e) => Err(e),
    }
}

/// Whether segment `shmid` is there and not marked for removal, without allocating; `EACCES` when
/// its record may not be read.
pub fn segment_record(shmid: i32) -> io::Result<SegmentState> {
    shm_query(shmid, ShmQuery::Stat).map(|(_, record)| state(shmid, &record))
}

/// All segments of this IPC namespace (`SHM_STAT_ANY`), whoever owns them. `shmid`s ascending.
pub fn all_segments() -> io::Result<Vec<SegmentState>> {
    let (highest, _) = shm_query(0, ShmQuery::Highest)?;
    let mut found: Vec<SegmentState> = (0..=highest)
        .filter_map(|index| shm_query(index, ShmQuery::StatAny).ok())
        .map(|(shmid, record)| state(shmid, &record))
        .collect();
    found.sort_by_key(|s| s.shmid);
    Ok(found)
}

fn state(shmid: i32, record: &libc::shmid_ds) -> SegmentState {
    let mode = u32::from(record.shm_perm.mode);
    SegmentState {
        shmid,
        key: record.shm_perm.__key as u32,
        mode: mode & 0o777,
        uid: record.shm_perm.uid,
        gid: record.shm_perm.gid,
        cuid: record.shm_perm.cuid,
        cgid: record.shm_perm.cgid,
        size: record.shm_segsz as u64,
        nattch: record.shm_nattch,
        cpid: record.shm_cpid,
        lpid: record.shm_lpid,
        ctime: record.shm_ctime,
        marked_for_removal: mode & SHM_DEST != 0,
    }
}
