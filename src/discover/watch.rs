//! Noticing that an instance went away, cheaply and often.
//!
//! A reader that stays attached keeps the memory of a dead instance alive: the sampler asks here
//! every tick or so, and lets go at once. The identity strings in the fixed SGA are checked by the
//! caller; this module only asks the kernel.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::instance::Instance;
use super::procfs::{ProcRoot, Stat};
use crate::memory::sysv;

/// What is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Gone {
    /// PMON has ended.
    #[error("PMON (pid {pid}) has ended")]
    PmonGone {
        /// PMON.
        pid: i32,
    },
    /// Another process has PMON's number now.
    #[error("PMON has ended, and pid {pid} is another process now")]
    PidReused {
        /// PMON's former number.
        pid: i32,
    },
    /// A segment goes away with its last attachment: the instance is ending, or someone removed it.
    #[error("segment {shmid} is marked for removal")]
    SegmentMarked {
        /// The segment.
        shmid: i32,
    },
    /// There is no such segment any more.
    #[error("segment {shmid} is removed")]
    SegmentRemoved {
        /// The segment.
        shmid: i32,
    },
}

/// Watches one instance.
pub struct Watch {
    pid: i32,
    start_ticks: u64,
    stat: PathBuf,
    segments: Vec<Watched>,
}

struct Watched {
    shmid: i32,
    size: Option<u64>,
    cpid: Option<i32>,
}

impl Watch {
    /// Watches `instance` on this host.
    pub fn new(instance: &Instance) -> Watch {
        Watch::under(&ProcRoot::default(), instance)
    }

    /// Watches `instance` under another `/proc`.
    pub fn under(root: &ProcRoot, instance: &Instance) -> Watch {
        let segments = if instance.same_ipc_namespace() {
            instance.segments.as_slice()
        } else {
            &[]
        };
        Watch {
            pid: instance.pid,
            start_ticks: instance.start_ticks,
            stat: root.of(instance.pid).join("stat"),
            segments: segments
                .iter()
                .filter(|segment| segment.address.is_some())
                .map(|segment| Watched {
                    shmid: segment.shmid,
                    size: segment.size,
                    cpid: segment.cpid,
                })
                .collect(),
        }
    }

    /// One look: three system calls for PMON and one for each segment; allocates nothing. What
    /// can't be looked at for want of rights counts as still there.
    pub fn check(&mut self) -> Result<(), Gone> {
        self.check_pmon()?;
        self.segments.iter().try_for_each(check_segment)
    }

    fn check_pmon(&self) -> Result<(), Gone> {
        let pid = self.pid;
        let mut line = [0u8; 1024];
        let read = File::open(&self.stat).and_then(|mut file| file.read(&mut line));
        let length = match read {
            Ok(length) => length,
            Err(e) if has_ended(&e) => return Err(Gone::PmonGone { pid }),
            Err(_) => return Ok(()),
        };
        match Stat::parse(&line[..length]) {
            Some(stat) if stat.start_ticks != self.start_ticks => Err(Gone::PidReused { pid }),
            Some(stat) if stat.has_ended() => Err(Gone::PmonGone { pid }),
            _ => Ok(()),
        }
    }
}

fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn check_segment(watched: &Watched) -> Result<(), Gone> {
    let shmid = watched.shmid;
    match sysv::segment_record(shmid) {
        Ok(state) if state.marked_for_removal => Err(Gone::SegmentMarked { shmid }),
        // The number belongs to another segment now.
        Ok(state)
            if watched.size.is_some_and(|size| size != state.size)
                || watched.cpid.is_some_and(|cpid| cpid != state.cpid) =>
        {
            Err(Gone::SegmentRemoved { shmid })
        }
        Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EIDRM)) => {
            Err(Gone::SegmentRemoved { shmid })
        }
        _ => Ok(()),
    }
}
