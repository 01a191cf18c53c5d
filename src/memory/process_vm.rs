//! The memory of another process, read by `process_vm_readv`.
//!
//! For: reading an instance without attaching to its segments: nothing is kept alive, `nattch`
//! doesn't change, and a bad address is an error of the call. One system call per read, so slower
//! than attached memory. Needs the rights of a debugger: root, `CAP_SYS_PTRACE`, or the same user.
//!
//! Not for: what must be read as whole words under all circumstances: the kernel copies in whole
//! words in practice, but doesn't promise it.

use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::{AddressSpace, Fault, FaultKind, Region, Spot, TargetAddr, within};

/// Why another process's memory can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The kernel refused, for want of rights.
    #[error(
        "no permission to read the memory of process {pid}: run as root or as the user it runs \
         as, or give the reader CAP_SYS_PTRACE"
    )]
    Denied {
        /// The process.
        pid: i32,
    },
    /// There is no such process.
    #[error("process {pid} is gone: the instance has ended or was started again; run discover")]
    Gone {
        /// The process.
        pid: i32,
    },
    /// Two regions claim the same addresses.
    #[error("{first} and {second} of process {pid} overlap")]
    Overlap {
        /// The process.
        pid: i32,
        /// Region that begins first.
        first: String,
        /// The other one.
        second: String,
    },
    /// Anything else that the kernel said.
    #[error("can't read the memory of process {pid}: {source}")]
    Os {
        /// The process.
        pid: i32,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// Ranges of another process's memory.
pub struct ProcessSpace {
    pid: Pid,
    regions: Vec<Region>,
}

impl ProcessSpace {
    /// Checks the ranges and tries one byte of the first, so that missing rights show here.
    pub fn open(pid: i32, mut regions: Vec<Region>) -> Result<ProcessSpace, ProcessError> {
        regions.retain(|r| r.len > 0);
        regions.sort_by_key(|r| r.start);
        if let Some(pair) = regions.windows(2).find(|w| w[0].end() > w[1].start) {
            return Err(ProcessError::Overlap {
                pid,
                first: pair[0].name.clone(),
                second: pair[1].name.clone(),
            });
        }
        let space = ProcessSpace {
            pid: Pid::from_raw(pid),
            regions,
        };
        if let Some(first) = space.regions.first() {
            space
                .copy(first.start, &mut [0u8; 1])
                .map_err(|errno| match errno {
                    Errno::EPERM | Errno::EACCES => ProcessError::Denied { pid },
                    Errno::ESRCH => ProcessError::Gone { pid },
                    other => ProcessError::Os {
                        pid,
                        source: other.into(),
                    },
                })?;
        }
        Ok(space)
    }

    fn copy(&self, addr: TargetAddr, out: &mut [u8]) -> Result<(), Errno> {
        let len = out.len();
        if len == 0 {
            return Ok(());
        }
        let base = usize::try_from(addr.0).map_err(|_| Errno::EFAULT)?;
        let copied = process_vm_readv(
            self.pid,
            &mut [IoSliceMut::new(out)],
            &[RemoteIoVec { base, len }],
        )?;
        if copied == len {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    fn read_at(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        let len = out.len() as u64;
        let at = within(&self.regions, spot, offset, len)?;
        let addr = TargetAddr(self.regions[spot.region as usize].start.0 + at);
        self.copy(addr, out).map_err(|errno| Fault {
            addr,
            len,
            kind: FaultKind::Os(errno as i32),
        })
    }
}

impl AddressSpace for ProcessSpace {
    fn regions(&self) -> &[Region] {
        &self.regions
    }

    fn kind(&self) -> &'static str {
        "process-vm"
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.read_at(spot, offset, out)
    }
}
