//! Opening the memory of an instance.

use std::str::FromStr;

use super::instance::{Instance, Readable};
use super::watch::{Gone, Watch};
use crate::memory::{
    AddressSpace, AttachError, GranuleError, GranuleSpace, JoinedSpace, ProcessError, ProcessSpace,
    Region, SysvSpace,
};

/// How to read an instance's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Via {
    /// Attach its segments or map its granule files, read-only.
    #[default]
    Shm,
    /// Read through PMON by `process_vm_readv`, attaching nothing.
    ProcessVm,
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Via, String> {
        match text {
            "shm" => Ok(Via::Shm),
            "process-vm" => Ok(Via::ProcessVm),
            other => Err(format!("{other} is not one of shm, process-vm")),
        }
    }
}

/// Why an instance's memory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// For want of rights (exit code 3).
    #[error("no permission to read instance {sid}: {reason}")]
    NoPermission {
        /// The instance.
        sid: String,
        /// What was refused, and what would do.
        reason: String,
    },
    /// It went away, or is about to (exit code 4).
    #[error("instance {sid} went away: {reason}")]
    Gone {
        /// The instance.
        sid: String,
        /// What is gone.
        reason: String,
    },
    /// Anything else.
    #[error("the memory of instance {sid} can't be opened: {reason}")]
    Other {
        /// The instance.
        sid: String,
        /// What failed.
        reason: String,
    },
}

/// Why opening failed, before the instance's name is added.
enum Cause {
    Permission(String),
    Gone(String),
    Other(String),
}

impl From<AttachError> for Cause {
    fn from(error: AttachError) -> Cause {
        match error {
            AttachError::Denied { .. } => Cause::Permission(error.to_string()),
            AttachError::Gone { .. } | AttachError::TooShort { .. } => {
                Cause::Gone(error.to_string())
            }
            AttachError::Overlap(_) | AttachError::Os { .. } => Cause::Other(error.to_string()),
        }
    }
}

impl From<GranuleError> for Cause {
    fn from(error: GranuleError) -> Cause {
        let kind = match &error {
            GranuleError::Os { source, .. } => Some(source.kind()),
            _ => None,
        };
        match kind {
            Some(std::io::ErrorKind::PermissionDenied) => Cause::Permission(error.to_string()),
            Some(std::io::ErrorKind::NotFound) => Cause::Gone(error.to_string()),
            _ => Cause::Other(error.to_string()),
        }
    }
}

impl From<ProcessError> for Cause {
    fn from(error: ProcessError) -> Cause {
        match error {
            ProcessError::Denied { .. } => Cause::Permission(error.to_string()),
            ProcessError::Gone { .. } => Cause::Gone(error.to_string()),
            _ => Cause::Other(error.to_string()),
        }
    }
}

impl From<Gone> for Cause {
    fn from(gone: Gone) -> Cause {
        Cause::Gone(gone.to_string())
    }
}

/// Opens all the shared memory that `instance` uses. What is attached is detached again when the
/// space is dropped. Nothing stays attached of an instance that goes away meanwhile.
pub fn open_memory(instance: &Instance, via: Via) -> Result<Box<dyn AddressSpace>, OpenError> {
    open(instance, via).map_err(|cause| {
        let sid = instance.sid.clone();
        match cause {
            Cause::Permission(reason) => OpenError::NoPermission { sid, reason },
            Cause::Gone(reason) => OpenError::Gone { sid, reason },
            Cause::Other(reason) => OpenError::Other { sid, reason },
        }
    })
}

fn open(instance: &Instance, via: Via) -> Result<Box<dyn AddressSpace>, Cause> {
    // First, so that a segment marked for removal isn't kept alive by us even for a moment.
    let mut watch = Watch::new(instance);
    watch.check()?;
    let blind = !instance.maps_readable;
    let elsewhere = via == Via::Shm && !instance.same_ipc_namespace();
    if let Readable::No {
        cause,
        least_privilege,
        ..
    } = &instance.readable
        && (blind || elsewhere)
    {
        return Err(Cause::Permission(format!("{cause}; {least_privilege}")));
    }
    let space = match via {
        Via::Shm => attach(instance)?,
        Via::ProcessVm => Box::new(ProcessSpace::open(instance.pid, ranges(instance))?),
    };
    if space.regions().is_empty() {
        return Err(Cause::Other(format!(
            "PMON (pid {}) has no shared memory mapped; the instance is starting or ending",
            instance.pid
        )));
    }
    watch.check()?;
    Ok(space)
}

fn attach(instance: &Instance) -> Result<Box<dyn AddressSpace>, Cause> {
    let granules = instance.granules_at();
    let segments = instance.segments_at();
    if granules.is_empty() {
        return Ok(Box::new(SysvSpace::attach(&segments)?));
    }
    let granules = Box::new(GranuleSpace::open(&granules)?);
    if segments.is_empty() {
        return Ok(granules);
    }
    let spaces: Vec<Box<dyn AddressSpace>> =
        vec![granules, Box::new(SysvSpace::attach(&segments)?)];
    let joined = JoinedSpace::new(spaces).map_err(|e| Cause::Other(e.to_string()))?;
    Ok(Box::new(joined))
}

/// Segments as they are; granules that touch as one region, so that what spans them can be read.
fn ranges(instance: &Instance) -> Vec<Region> {
    let pid = instance.pid;
    let mut regions: Vec<Region> = Vec::new();
    for granule in instance.granules_at() {
        let name = granule.path.display();
        match regions.last_mut() {
            Some(last) if last.end() == granule.address => {
                last.len += granule.len;
                let first = last.name.split(" to ").next().unwrap_or_default();
                last.name = format!("{first} to {name}");
            }
            _ => regions.push(Region {
                start: granule.address,
                len: granule.len,
                name: format!("pid {pid} {name}"),
            }),
        }
    }
    regions.extend(instance.segments_at().into_iter().map(|s| Region {
        start: s.address,
        len: s.len,
        name: format!("pid {pid} {}", s.name),
    }));
    regions
}
