//! Bytes of a target at target addresses, wherever they come from.
//!
//! For: one small trait, [`AddressSpace`], between the memory of an instance (live SysV segments,
//! `/dev/shm` granule files, another process's memory, an ELF core, raw segment files, a captured
//! image, plain bytes in tests) and everything above. Every read is bounded and a bad address is a value, [`Fault`], never a crash.
//!
//! Not for: anything of Oracle. This module doesn't know what the bytes mean.
//!
//! Callers: `discover`, `blueprint` (calibration), `plan`, `walk`, `sample`, `image`.

mod bytes;
mod core;
#[cfg(test)]
mod core_tests;
mod dumped;
mod file;
mod granules;
pub mod image;
mod joined;
mod mapped;
mod pieces;
mod process_vm;
mod raw;
pub mod sysv;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

pub use self::bytes::BytesSpace;
pub use self::core::{CoreError, CoreSpace};
pub use self::dumped::{DumpedError, DumpedSpace};
pub use self::file::{FileError, FileSpace};
pub use self::granules::{GranuleAt, GranuleError, GranuleSpace};
pub use self::joined::JoinedSpace;
pub use self::mapped::{MappedMemory, MappedRange, Place};
pub use self::pieces::Overlap;
pub use self::process_vm::{ProcessError, ProcessSpace};
pub use self::raw::{
    Proven, RowStarts, ThreadPriority, give_back_free_memory, set_thread_priority,
};
pub use self::sysv::{AttachError, SegmentAt, SysvSpace};
pub use self::words::{FewWords, LINE, ManyWords, WordList};

/// An address in the target's address space. Never a pointer of this process: it can only be used
/// through an [`AddressSpace`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TargetAddr(pub u64);

impl TargetAddr {
    /// The null address, which Oracle uses for "none".
    pub const NULL: TargetAddr = TargetAddr(0);

    /// The address `bytes` further on, or `None` past the end of the address space.
    #[inline]
    pub fn checked_add(self, bytes: u64) -> Option<TargetAddr> {
        self.0.checked_add(bytes).map(TargetAddr)
    }

    /// Whether this is the null address.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }
}

/// 16 upper-case hex digits, as the V$ views print addresses.
impl fmt::Display for TargetAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// As it is printed.
impl serde::Serialize for TargetAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for TargetAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TargetAddr({:#x})", self.0)
    }
}

/// Why bytes could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// The address is null.
    Null,
    /// No region covers the first byte.
    Unmapped,
    /// A region covers the first byte, but not all of them.
    PastEnd,
    /// The region is known, but this part of it was not captured (a gap of a core or image).
    Hole,
    /// The file that holds it is damaged there, see [`AddressSpace::damage`].
    Damaged,
    /// Address plus length leaves the 64-bit address space.
    Overflow,
    /// The operating system refused the read; the value is its errno.
    Os(i32),
}

/// A read that can't be done: a value to be counted or shown, not a reason to stop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("can't read {len} bytes at 0x{addr}: {}", kind_text(.kind))]
pub struct Fault {
    /// First byte asked for.
    pub addr: TargetAddr,
    /// Bytes asked for.
    pub len: u64,
    /// Why.
    pub kind: FaultKind,
}

fn kind_text(kind: &FaultKind) -> String {
    match kind {
        FaultKind::Null => "the address is null".into(),
        FaultKind::Unmapped => "no segment covers it".into(),
        FaultKind::PastEnd => "it ends past the end of its segment".into(),
        FaultKind::Hole => "this part was not captured".into(),
        FaultKind::Damaged => "the image is damaged there".into(),
        FaultKind::Overflow => "the range leaves the address space".into(),
        FaultKind::Os(errno) => std::io::Error::from_raw_os_error(*errno).to_string(),
    }
}

/// A contiguous range of target addresses with one backing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Region {
    /// First address.
    pub start: TargetAddr,
    /// Length in bytes, never 0.
    pub len: u64,
    /// What backs it, for people: "shmid 3", "/dev/shm/ora_X_1_0", "core PT_LOAD 4".
    pub name: String,
}

impl Region {
    /// First address after the region.
    pub fn end(&self) -> TargetAddr {
        TargetAddr(self.start.0.saturating_add(self.len))
    }
}

/// A proven place: region `region` of its space, `offset` bytes in. Made by
/// [`AddressSpace::locate`], which proves that the range asked for lies inside that one region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spot {
    /// Index into [`AddressSpace::regions`].
    pub region: u32,
    /// Bytes from the region's start.
    pub offset: u64,
}

/// Read-only memory of a target.
///
/// Implementations never write to the target, never panic on any address, and never allocate in
/// the two `read_*` methods (those of captured images do, up to a bound: they unpack).
pub trait AddressSpace: Send + Sync {
    /// All regions, sorted by start, not overlapping.
    fn regions(&self) -> &[Region];

    /// What kind of memory this is, for people: "sysv", "dev-shm", "process-vm", "core", "segments", "image", "bytes".
    fn kind(&self) -> &'static str;

    /// Copies `out.len()` little-endian words from `spot.offset + offset` of region `spot.region`.
    /// Both offsets' sum needs no alignment, but aligned words are read whole (untorn on x86-64).
    /// Bounds are checked again on every call, so a stale `Spot` gives a [`Fault`], nothing worse.
    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        self.read_bytes(spot, offset, raw::bytes_of(out))?;
        for word in out {
            *word = u64::from_le(*word);
        }
        Ok(())
    }

    /// Copies `out.len()` bytes from `spot.offset + offset` of region `spot.region`.
    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault>;

    /// The stretches that are mapped in this process, for [`MappedMemory`]; none where reading takes
    /// more than looking.
    fn mapped(&self) -> Vec<MappedRange> {
        Vec::new()
    }

    /// Looks again at what can change under a mapping (the length of mapped files), so that what
    /// is gone reads as a [`Fault`]. Cheap, allocates nothing; call it before every tick.
    fn refresh(&self) {}

    /// The first damage that a read has met, of memory that can be damaged. Such reads are faults;
    /// who shows what was read must ask here first.
    fn damage(&self) -> Option<image::ImageError> {
        None
    }

    /// The place of `len` bytes at `addr`, proven to lie inside one region.
    fn locate(&self, addr: TargetAddr, len: u64) -> Result<Spot, Fault> {
        let fault = |kind| Fault { addr, len, kind };
        if addr.is_null() {
            return Err(fault(FaultKind::Null));
        }
        let end = addr
            .checked_add(len)
            .ok_or_else(|| fault(FaultKind::Overflow))?;
        let regions = self.regions();
        let after = regions.partition_point(|r| r.start <= addr);
        let index = after
            .checked_sub(1)
            .ok_or_else(|| fault(FaultKind::Unmapped))?;
        let region = &regions[index];
        if addr >= region.end() {
            return Err(fault(FaultKind::Unmapped));
        }
        if end > region.end() {
            return Err(fault(FaultKind::PastEnd));
        }
        Ok(Spot {
            region: index as u32,
            offset: addr.0 - region.start.0,
        })
    }

    /// Copies `out.len()` bytes at `addr`; all or nothing.
    fn read(&self, addr: TargetAddr, out: &mut [u8]) -> Result<(), Fault> {
        let spot = self.locate(addr, out.len() as u64)?;
        self.read_bytes(spot, 0, out)
    }

    /// The little-endian 8-byte word at `addr`.
    fn read_u64(&self, addr: TargetAddr) -> Result<u64, Fault> {
        let spot = self.locate(addr, 8)?;
        let mut word = [0u64];
        self.read_words(spot, 0, &mut word)?;
        Ok(word[0])
    }

    /// The little-endian 4-byte word at `addr`.
    fn read_u32(&self, addr: TargetAddr) -> Result<u32, Fault> {
        let mut bytes = [0u8; 4];
        self.read(addr, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

/// Keeps reads of the target after it from being done before reads in front of it: between a guard
/// and what it guards.
#[inline(always)]
pub fn fence_acquire() {
    std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
}

/// Offset from the start of region `spot.region` of `len` bytes at `spot.offset + offset`, proven
/// to lie inside that region.
fn within(regions: &[Region], spot: Spot, offset: u64, len: u64) -> Result<u64, Fault> {
    let fault = |addr, kind| Err(Fault { addr, len, kind });
    let Some(region) = regions.get(spot.region as usize) else {
        return fault(TargetAddr(spot.offset), FaultKind::Unmapped);
    };
    let at = spot.offset.saturating_add(offset);
    let addr = TargetAddr(region.start.0.saturating_add(at));
    match at.checked_add(len) {
        Some(end) if end <= region.len => Ok(at),
        Some(_) => fault(addr, FaultKind::PastEnd),
        None => fault(addr, FaultKind::Overflow),
    }
}
