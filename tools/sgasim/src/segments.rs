//! The memory itself: System V segments, or granule files in `/dev/shm`, mapped at Oracle's addresses.
//!
//! It knows areas and bytes, nothing of what they mean. The instance and the engine store through [`Memory`]; every
//! store is volatile and of 1, 2, 4 or 8 bytes, so that a reader sees each one whole and in order.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Address of the fixed area on Linux x86-64 (Kyle Hailey 19.3, Jonathan Lewis 19c/21c).
pub const FIXED_BASE: u64 = 0x6000_0000;
/// First granule boundary behind the fixed area with granules of 128 MB.
pub const VARIABLE_BASE: u64 = 0x6800_0000;
/// Granule of the address rule, in bytes.
const GRANULE: u64 = 0x0800_0000;
/// Size of an AMM granule file in bytes.
const AMM_GRANULE: u64 = 4 << 20;
/// Empty granule files that an AMM instance keeps for memory given to the PGA.
const AMM_EMPTY: u64 = 6;
const PAGE: u64 = 4096;

/// Why the memory could not be made.
#[derive(Debug, Error)]
pub enum SegmentError {
    /// shmget failed.
    #[error(
        "shmget of {bytes} bytes for `{area}` failed: {source}; see kernel.shmall and kernel.shmmni"
    )]
    Get {
        /// Area name.
        area: String,
        /// Bytes asked for.
        bytes: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// The address is taken or the mapping was refused.
    #[error(
        "mapping `{area}` at {address:#x} failed: {source}; is the address range free in this process?"
    )]
    Map {
        /// Area name.
        area: String,
        /// Address asked for.
        address: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// A granule file could not be made.
    #[error("granule file {path}: {source}")]
    Granule {
        /// File.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// System V segments or AMM granule files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryKind {
    /// One System V segment per area.
    Sysv,
    /// Granule files in `/dev/shm` and tiny stub segments.
    Amm,
}

/// One area of the SGA. With AMM, `shmid` and `key` are those of its stub segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Area {
    /// Name as `oradebug ipc` prints it.
    pub area: String,
    /// Shared memory id.
    pub shmid: i32,
    /// IPC key; only the overhead area has one other than 0.
    pub key: i32,
    /// Address of the first byte.
    pub address: u64,
    /// Bytes, rounded up to pages.
    pub size: u64,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct MemorySpec {
    /// ORACLE_SID.
    pub sid: String,
    /// Kind of memory.
    pub kind: MemoryKind,
    /// Access mode, e.g. 0o600.
    pub mode: u32,
    /// Bytes used of the fixed area.
    pub fixed_bytes: u64,
    /// Bytes of the variable area.
    pub variable_bytes: u64,
    /// Bytes of the redo area.
    pub redo_bytes: u64,
}

/// The mapped memory of one instance.
#[derive(Debug)]
pub struct Memory {
    /// Areas in the order of their addresses.
    pub areas: Vec<Area>,
    /// Granule files, empty ones included (AMM only).
    pub granules: Vec<PathBuf>,
}

impl Memory {
    /// Makes and maps all areas. Nothing is left behind when it fails.
    pub fn create(spec: &MemorySpec) -> Result<Memory, SegmentError> {
        let mut memory = Memory {
            areas: Vec::new(),
            granules: Vec::new(),
        };
        let made = match spec.kind {
            MemoryKind::Sysv => memory.create_sysv(spec),
            MemoryKind::Amm => memory.create_amm(spec),
        };
        if let Err(error) = made.and_then(|()| protect_first_page()) {
            memory.remove();
            return Err(error);
        }
        Ok(memory)
    }

    fn plan(spec: &MemorySpec) -> Vec<(&'static str, u64, u64, i32)> {
        let fixed = spec.fixed_bytes.next_multiple_of(PAGE);
        let variable = spec.variable_bytes.next_multiple_of(AMM_GRANULE);
        let redo_base = VARIABLE_BASE + variable;
        let redo = spec.redo_bytes.next_multiple_of(PAGE);
        let overhead_base = (redo_base + redo).next_multiple_of(GRANULE);
        vec![
            ("Fixed Size", FIXED_BASE, fixed, 0),
            ("Variable Size", VARIABLE_BASE, variable, 0),
            ("Redo Buffers", redo_base, redo, 0),
            (
                "skgm overhead",
                overhead_base,
                28_672,
                overhead_key(&spec.sid),
            ),
        ]
    }

    fn create_sysv(&mut self, spec: &MemorySpec) -> Result<(), SegmentError> {
        for (area, address, size, key) in Memory::plan(spec) {
            let (shmid, key) = get_segment(area, size, key, spec.mode)?;
            self.areas.push(Area {
                area: area.into(),
                shmid,
                key,
                address,
                size,
            });
            attach(area, shmid, address)?;
        }
        Ok(())
    }

    fn create_amm(&mut self, spec: &MemorySpec) -> Result<(), SegmentError> {
        let plan = Memory::plan(spec);
        for (area, address, size, key) in &plan {
            let (shmid, key) = get_segment(area, PAGE, *key, spec.mode)?;
            self.areas.push(Area {
                area: (*area).into(),
                shmid,
                key,
                address: *address,
                size: *size,
            });
        }
        let id = self.areas.first().map_or(0, |a| a.shmid);
        let mut index = 0;
        for (area, address, size, _) in &plan {
            for piece in 0..size.div_ceil(AMM_GRANULE) {
                self.map_granule(spec, id, index, area, address + piece * AMM_GRANULE)?;
                index += 1;
            }
        }
        for empty in index..index + AMM_EMPTY {
            self.granule_file(spec, id, empty)?;
        }
        for area in &mut self.areas {
            area.size = area.size.next_multiple_of(AMM_GRANULE);
        }
        Ok(())
    }

    fn granule_file(
        &mut self,
        spec: &MemorySpec,
        id: i32,
        index: u64,
    ) -> Result<fs::File, SegmentError> {
        let path = PathBuf::from(format!("/dev/shm/ora_{}_{id}_{index}", spec.sid));
        let error = |source| SegmentError::Granule {
            path: path.display().to_string(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(spec.mode)
            .open(&path);
        let file = file.map_err(error)?;
        self.granules.push(path.clone());
        // The umask has nothing to say about the mode.
        file.set_permissions(fs::Permissions::from_mode(spec.mode))
            .map_err(error)?;
        Ok(file)
    }

    fn map_granule(
        &mut self,
        spec: &MemorySpec,
        id: i32,
        index: u64,
        area: &str,
        address: u64,
    ) -> Result<(), SegmentError> {
        let file = self.granule_file(spec, id, index)?;
        let map_error = |source| SegmentError::Map {
            area: area.into(),
            address,
            source,
        };
        file.set_len(AMM_GRANULE).map_err(map_error)?;
        // SAFETY: MAP_FIXED_NOREPLACE never replaces an existing mapping; the file is ours and of that length.
        let at = unsafe {
            libc::mmap(
                address as *mut libc::c_void,
                AMM_GRANULE as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE,
                file.as_raw_fd(),
                0,
            )
        };
        if at as u64 == address {
            Ok(())
        } else {
            Err(map_error(io::Error::last_os_error()))
        }
    }

    /// Marks every segment for removal and unlinks the granule files; existing mappings go on working.
    pub fn remove(&mut self) {
        for area in &self.areas {
            remove_segment(area.shmid);
        }
        for path in self.granules.drain(..) {
            // A file that is gone already is what was wanted.
            let _ = fs::remove_file(path);
        }
    }

    fn check(&self, address: u64, len: u64) {
        let inside = self
            .areas
            .iter()
            .any(|a| address >= a.address && address + len <= a.address + a.size);
        assert!(
            inside && address >= FIXED_BASE + PAGE,
            "store of {len} bytes at {address:#x} is outside the areas"
        );
    }

    /// Stores the low `width` bytes (1 to 8) of `value` at `address`, in one store when width and alignment allow it.
    pub fn store(&self, address: u64, width: u32, value: u64) {
        self.check(address, u64::from(width));
        // SAFETY: the range is inside a mapped writable area (just checked) and each store is aligned to its width.
        unsafe {
            match width {
                8 if address.is_multiple_of(8) => (address as *mut u64).write_volatile(value),
                4 if address.is_multiple_of(4) => {
                    (address as *mut u32).write_volatile(value as u32)
                }
                2 if address.is_multiple_of(2) => {
                    (address as *mut u16).write_volatile(value as u16)
                }
                _ => {
                    for (i, byte) in value.to_le_bytes().iter().take(width as usize).enumerate() {
                        ((address as usize + i) as *mut u8).write_volatile(*byte);
                    }
                }
            }
        }
    }

    /// The 8 aligned bytes at `address`.
    pub fn load(&self, address: u64) -> u64 {
        self.check(address, 8);
        assert!(
            address.is_multiple_of(8),
            "load at {address:#x} is not aligned to 8"
        );
        // SAFETY: inside a mapped area and aligned (just checked).
        unsafe { (address as *const u64).read_volatile() }
    }

    /// Stores bytes: single ones up to the next multiple of 8, then 8 at a time. `between` is called after each store.
    pub fn store_bytes(&self, address: u64, bytes: &[u8], mut between: impl FnMut()) {
        let head = (address.next_multiple_of(8) - address).min(bytes.len() as u64) as usize;
        for (i, byte) in bytes[..head].iter().enumerate() {
            self.store(address + i as u64, 1, u64::from(*byte));
        }
        let mut at = address + head as u64;
        let mut chunks = bytes[head..].chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0u8; 8];
            word.copy_from_slice(chunk);
            self.store(at, 8, u64::from_le_bytes(word));
            at += 8;
            between();
        }
        for byte in chunks.remainder() {
            self.store(at, 1, u64::from(*byte));
            at += 1;
        }
    }

    /// Copies the bytes at `address` for the core writer.
    pub fn read(&self, address: u64, buffer: &mut [u8]) {
        let inside =
            |a: &Area| address >= a.address && address + buffer.len() as u64 <= a.address + a.size;
        assert!(
            self.areas.iter().any(inside),
            "read of {} bytes at {address:#x} is outside the areas",
            buffer.len()
        );
        // SAFETY: the range is inside a mapped area (just checked); the engine, the only writer, is this thread.
        unsafe {
            std::ptr::copy_nonoverlapping(address as *const u8, buffer.as_mut_ptr(), buffer.len())
        }
    }
}

/// An instance that is killed leaves its memory behind; one that ends in any other way doesn't.
impl Drop for Memory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Marks one segment for removal; a segment that is gone already is no error.
pub fn remove_segment(shmid: i32) {
    // SAFETY: IPC_RMID takes no buffer.
    unsafe { libc::shmctl(shmid, libc::IPC_RMID, std::ptr::null_mut()) };
}

/// Creation time and creator's pid of a segment, None when it is gone.
pub fn segment_origin(shmid: i32) -> Option<(i64, i32)> {
    // SAFETY: shmid_ds is plain data, all-zero is a valid value, and IPC_STAT fills it.
    let mut ds: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: `ds` is a valid buffer for IPC_STAT.
    let done = unsafe { libc::shmctl(shmid, libc::IPC_STAT, &mut ds) };
    (done == 0).then_some((ds.shm_ctime, ds.shm_cpid))
}

/// The overhead segment's key: stable for a SID, never 0.
fn overhead_key(sid: &str) -> i32 {
    let hash = sid.bytes().fold(0x811c_9dc5u32, |h, b| {
        (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
    });
    (hash & 0x7fff_ffff | 0x0100_0000) as i32
}

/// A new segment; when another one has the key, the next keys are tried.
fn get_segment(area: &str, bytes: u64, key: i32, mode: u32) -> Result<(i32, i32), SegmentError> {
    let mut last = io::Error::from_raw_os_error(libc::EEXIST);
    for attempt in 0..64 {
        let try_key = if key == 0 {
            libc::IPC_PRIVATE
        } else {
            key ^ attempt
        };
        let flags = libc::IPC_CREAT | libc::IPC_EXCL | libc::SHM_NORESERVE | mode as libc::c_int;
        // SAFETY: shmget takes plain numbers.
        let shmid = unsafe { libc::shmget(try_key, bytes as usize, flags) };
        if shmid >= 0 {
            return Ok((shmid, try_key));
        }
        last = io::Error::last_os_error();
        if last.raw_os_error() != Some(libc::EEXIST) {
            break;
        }
    }
    Err(SegmentError::Get {
        area: area.into(),
        bytes,
        source: last,
    })
}

fn attach(area: &str, shmid: i32, address: u64) -> Result<(), SegmentError> {
    // SAFETY: without SHM_REMAP an occupied range makes shmat fail instead of replacing anything.
    let at = unsafe { libc::shmat(shmid, address as *const libc::c_void, 0) };
    if at as u64 == address {
        Ok(())
    } else {
        Err(SegmentError::Map {
            area: area.into(),
            address,
            source: io::Error::last_os_error(),
        })
    }
}

/// Makes the first page of the fixed area read-only, as Oracle does.
fn protect_first_page() -> Result<(), SegmentError> {
    // SAFETY: the page belongs to the fixed area that this process has mapped.
    let done = unsafe {
        libc::mprotect(
            FIXED_BASE as *mut libc::c_void,
            PAGE as usize,
            libc::PROT_READ,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        let source = io::Error::last_os_error();
        Err(SegmentError::Map {
            area: "Fixed Size".into(),
            address: FIXED_BASE,
            source,
        })
    }
}
