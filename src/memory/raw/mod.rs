//! The one folder with `unsafe`: attached and mapped memory, and the system calls that no safe crate
//! offers.
//!
//! Rules, kept by every line here:
//!
//! 1. No reference (`&T`, `&[u8]`) into attached memory ever exists. A [`Mapping`] holds a private
//!    pointer and a length; the only way out is a bounded copy.
//! 2. Attached memory is read in naturally aligned 8-byte words by `read_volatile`, or two of them at once
//!    ([`two`]); only the last, incomplete word of a mapping is read byte by byte. Aligned words don't
//!    tear on x86-64.
//! 3. A guard is separated from what it guards by [`super::fence_acquire`].
//! 4. Segments are attached with `SHM_RDONLY`, files mapped with `PROT_READ`. Nothing here changes,
//!    creates or removes a segment.
//! 5. A `Mapping` owns its attachment and detaches on drop, so no copy can outlive it.
//!
//! A mapped *file* can be cut short by others; touching a page past its new end raises `SIGBUS`.
//! [`Mapping::recheck`] narrows what can be read: call it often. SysV segments can't shrink.
//!
//! Not for: addresses of the target (see the other files of `memory`). Callers: `memory` only.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::{MmapOptions, MmapRaw};

use super::words::WORD;

mod proven;
mod two;

pub use self::proven::{Proven, RowStarts};

/// `shmctl` command: status by index of the kernel's table, without needing read permission
/// (`linux/shm.h`, Linux 4.17).
const SHM_STAT_ANY: libc::c_int = 15;
/// `shmctl` command: totals; returns the highest used index (`linux/shm.h`).
const SHM_INFO: libc::c_int = 14;

/// Read-only memory of someone else in this process's address space: an attached SysV segment or a
/// mapped file. Detached or unmapped on drop.
pub(super) struct Mapping {
    base: NonNull<u8>,
    /// Bytes that may be read now; never more than what was mapped.
    len: AtomicUsize,
    backing: Backing,
}

enum Backing {
    Segment,
    File {
        file: File,
        mapped: usize,
        _map: MmapRaw,
    },
}

// SAFETY: the memory is only read, by volatile copies, from any thread; `base` never changes, and
// the attachment belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives nothing but copies.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Attaches SysV segment `shmid` read-only wherever the kernel chooses. The length is the
    /// segment's own, asked for after attaching, so that it belongs to what was attached.
    pub(super) fn attach(shmid: i32) -> io::Result<Mapping> {
        // SAFETY: a null address lets the kernel choose a free range; SHM_RDONLY maps no page for
        // writing. No memory of ours is touched.
        let base = unsafe { libc::shmat(shmid, std::ptr::null(), libc::SHM_RDONLY) };
        if base as isize == -1 {
            return Err(io::Error::last_os_error());
        }
        let mapping = Mapping {
            base: not_null(base.cast())?,
            len: AtomicUsize::new(0),
            backing: Backing::Segment,
        };
        let len = shm_query(shmid, ShmQuery::Stat)?.1.shm_segsz;
        mapping.len.store(len, Ordering::Relaxed);
        Ok(mapping)
    }

    /// Maps the whole of `file` with `PROT_READ`. An empty file is an error of kind
    /// `InvalidInput`: there is nothing to map, and no byte of it could be read.
    pub(super) fn map(file: File) -> io::Result<Mapping> {
        let len = file_len(&file)?;
        if len == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let map = MmapOptions::new().len(len).map_raw_read_only(&file)?;
        Ok(Mapping {
            base: not_null(map.as_mut_ptr())?,
            len: AtomicUsize::new(len),
            backing: Backing::File {
                file,
                mapped: len,
                _map: map,
            },
        })
    }

    /// Bytes that can be read now.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Takes the length of a mapped file again: reads past its present end are refused from now
    /// on. Never more than what was mapped at first. Does nothing for segments.
    pub(super) fn recheck(&self) -> io::Result<()> {
        if let Backing::File { file, mapped, .. } = &self.backing {
            let len = file_len(file)?.min(*mapped);
            self.len.store(len, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies whole words from byte `offset` on; `None` when they don't all lie inside. Words at
    /// aligned places are read whole; others are put together of the two that they straddle.
    pub(super) fn copy_words(&self, offset: usize, out: &mut [u64]) -> Option<()> {
        let len = self.len();
        if offset.checked_add(out.len().checked_mul(WORD)?)? > len {
            return None;
        }
        let skip = offset % WORD;
        let mut at = offset - skip;
        if skip == 0 {
            for word in out {
                // SAFETY: `at` is a multiple of 8 with at + 8 <= len: checked above for the run.
                *word = unsafe { load(self.base, at) };
                at += WORD;
            }
            return Some(());
        }
        let shift = 8 * skip as u32;
        let mut low = self.load(at, len);
        for word in out {
            at += WORD;
            let high = self.load(at, len);
            *word = (low >> shift) | (high << (u64::BITS - shift));
            low = high;
        }
        Some(())
    }

    /// Copies bytes from byte `offset` on; `None` when they don't all lie inside.
    pub(super) fn copy_bytes(&self, offset: usize, out: &mut [u8]) -> Option<()> {
        let len = self.len();
        if offset.checked_add(out.len())? > len {
            return None;
        }
        let mut skip = offset % WORD;
        let mut at = offset - skip;
        let mut rest = out;
        while !rest.is_empty() {
            let bytes = self.load(at, len).to_le_bytes();
            let take = (WORD - skip).min(rest.len());
            let (head, tail) = rest.split_at_mut(take);
            head.copy_from_slice(&bytes[skip..skip + take]);
            rest = tail;
            skip = 0;
            at += WORD;
        }
        Some(())
    }

    /// The little-endian word at `at`, a multiple of 8; bytes at or past `len` are 0.
    fn load(&self, at: usize, len: usize) -> u64 {
        if at + WORD <= len {
            // SAFETY: aligned, and the whole word lies inside.
            return unsafe { load(self.base, at) };
        }
        let mut word = 0;
        for index in at..len {
            // SAFETY: index < len, so the byte lies inside.
            let byte = unsafe { self.base.as_ptr().add(index).read_volatile() };
            word |= u64::from(byte) << (8 * (index - at));
        }
        word
    }
}

/// # Safety
///
/// `start` must be aligned, `at` a multiple of 8, and `at + 8` not past what is attached there.
#[inline(always)]
unsafe fn load(start: NonNull<u8>, at: usize) -> u64 {
    // SAFETY: the caller proves alignment and bounds. The memory lies outside every Rust allocation;
    // others may write to it while we read, which a volatile read of a plain integer outside Rust's
    // memory may meet.
    let word = unsafe { start.as_ptr().add(at).cast::<u64>().read_volatile() };
    u64::from_le(word)
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if matches!(self.backing, Backing::Segment) {
            // SAFETY: `base` came from shmat and is detached only here.
            unsafe { libc::shmdt(self.base.as_ptr().cast()) };
        }
    }
}

fn not_null(base: *mut u8) -> io::Result<NonNull<u8>> {
    NonNull::new(base).ok_or_else(|| io::Error::other("the kernel mapped memory at address 0"))
}

fn file_len(file: &File) -> io::Result<usize> {
    usize::try_from(file.metadata()?.len())
        .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "longer than the address space"))
}

/// Sets the calling thread's nice value (-20 … 19), or makes it a SCHED_FIFO thread of priority
/// 1 … 99 (sched(7)). Errors: `EPERM` without CAP_SYS_NICE or the rlimit for it, `EINVAL` for other
/// numbers.
pub fn set_thread_priority(priority: ThreadPriority) -> io::Result<()> {
    let outcome = match priority {
        // SAFETY: plain numbers; 0 is the calling thread (setpriority(2), "C library/kernel
        // differences").
        ThreadPriority::Nice(nice) => unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) },
        ThreadPriority::Fifo(priority) => {
            let param = libc::sched_param {
                sched_priority: priority,
            };
            // SAFETY: `param` is valid for reading; 0 is the calling thread.
            unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) }
        }
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes this process's allocator give memory back to the system once it is free, also what a start
/// needed a lot of: for programs that run for months. glibc's own thresholds grow with what was
/// allocated (mallopt(3), `M_MMAP_THRESHOLD`); elsewhere nothing is done.
pub fn give_back_free_memory() {
    #[cfg(target_env = "gnu")]
    {
        /// Bytes from which an allocation is a mapping of its own: glibc's first value.
        const FROM: libc::c_int = 128 << 10;
        // SAFETY: plain numbers; the allocator's own lock guards its settings.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, FROM);
            libc::mallopt(libc::M_TRIM_THRESHOLD, FROM);
        }
    }
}

/// How the kernel shall schedule a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadPriority {
    /// As all others, with this nice value.
    Nice(i32),
    /// Before all others, with this priority.
    Fifo(i32),
}

/// What to ask the kernel about segments.
#[derive(Clone, Copy)]
pub(super) enum ShmQuery {
    /// The record of a shmid; needs read permission on the segment.
    Stat = libc::IPC_STAT as isize,
    /// The shmid and record at an index of the kernel's table, for any user.
    StatAny = SHM_STAT_ANY as isize,
    /// The highest index in use in the kernel's table; the record means nothing.
    Highest = SHM_INFO as isize,
}

/// Asks; the number is the call's own answer.
pub(super) fn shm_query(id: i32, query: ShmQuery) -> io::Result<(i32, libc::shmid_ds)> {
    const { assert!(size_of::<libc::shmid_ds>() >= 48) };
    // SAFETY: `shmid_ds` is plain old data, for which zero bytes are a value.
    let mut record: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: none of the three queries writes more than a `shmid_ds` (`shm_info` has 48 bytes).
    let answer = unsafe { libc::shmctl(id, query as libc::c_int, &mut record) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((answer, record))
}

/// The bytes of `words`, to be filled by a system call.
pub(super) fn bytes_of(words: &mut [u64]) -> &mut [u8] {
    let len = size_of_val(words);
    // SAFETY: memory of our own; u8 has no alignment and every byte pattern is a u64.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}
