//! The one file with `unsafe`: attached and mapped memory, and the system calls that no safe crate
//! offers.
//!
//! Rules, kept by every line here:
//!
//! 1. No reference (`&T`, `&[u8]`) into attached memory ever exists. A [`Mapping`] holds a private
//!    pointer and a length; the only way out is a bounded copy.
//! 2. Attached memory is read in naturally aligned 8-byte words by `read_volatile`, or two of them at once
//!    ([`Two`]); only the last, incomplete word of a mapping is read byte by byte. Aligned words don't
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
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::{MmapOptions, MmapRaw};

use super::words::{FewWords, LINE, ManyWords, Move, MoveOf, WORD, WordList};

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

    /// `len` bytes from byte `offset` on; `None` when they don't all lie inside, or don't begin at a word.
    #[inline]
    pub(super) fn proven(&self, offset: usize, len: usize) -> Option<Proven<'_>> {
        let inside = offset.checked_add(len)? <= self.len();
        (inside && offset.is_multiple_of(WORD)).then(|| Proven {
            // SAFETY: inside the mapping.
            start: unsafe { self.base.add(offset) },
            len,
            owner: PhantomData,
        })
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

/// Bytes of a mapping of which bounds and alignment are proven.
#[derive(Clone, Copy)]
pub struct Proven<'a> {
    start: NonNull<u8>,
    len: usize,
    owner: PhantomData<&'a Mapping>,
}

/// What null leads to, for whoever reads all the same.
static ZEROS: [u64; 512] = [0; 512];

impl Proven<'static> {
    /// So many bytes of zeros, a page at most.
    #[inline]
    pub fn zeros(len: usize) -> Proven<'static> {
        Proven {
            start: NonNull::from(&ZEROS).cast(),
            len: len.min(size_of_val(&ZEROS)),
            owner: PhantomData,
        }
    }
}

impl Proven<'_> {
    /// Copies the list's words to their places in `out`; `None` when they reach further than what is
    /// proven, or `out` has no room for them.
    #[inline]
    pub fn gather(self, list: &WordList, out: &mut [u64]) -> Option<()> {
        self.copy(list, out, || ())
    }

    /// Does the same, and meanwhile asks for the lines of another row's words: few at a time, since the
    /// processor waits when too many are on their way.
    #[inline]
    pub fn gather_asking(self, list: &WordList, out: &mut [u64], other: Proven<'_>) -> Option<()> {
        let mut lines = list.lines[other.skip()].iter();
        let mut ask = || {
            if let Some(line) = lines.next() {
                other.ask_for(*line);
            }
        };
        self.copy(list, out, &mut ask)?;
        lines.for_each(|line| other.ask_for(*line));
        Some(())
    }

    /// Copies, and calls `between` after every other step.
    #[inline(always)]
    fn copy(self, list: &WordList, out: &mut [u64], mut between: impl FnMut()) -> Option<()> {
        if list.reach > self.len || list.room > out.len() {
            return None;
        }
        let out = out.as_mut_ptr();
        // SAFETY: all of the list's words are aligned and inside its reach, their places inside its room.
        let copy = |at: &Move| unsafe {
            let to = out.add(at.to as usize).cast::<Two>();
            to.write_unaligned(load_two(self.start, at.from as usize));
        };
        let (fours, rest) = list.twos.as_chunks::<4>();
        for [a, b, c, d] in fours {
            copy(a);
            copy(b);
            between();
            copy(c);
            copy(d);
            between();
        }
        rest.iter().for_each(copy);
        for at in &list.ones {
            // SAFETY: as above.
            unsafe { *out.add(at.to as usize) = load(self.start, at.from as usize) };
        }
        Some(())
    }

    /// Whether the list's words are now as they stand in `words`; `None` as for [`Proven::gather`].
    #[inline]
    pub fn same(self, list: &WordList, words: &[u64]) -> Option<bool> {
        if list.reach > self.len || list.room > words.len() {
            return None;
        }
        let words = words.as_ptr();
        // SAFETY: as in `copy`.
        let look = |moved: Differences, at: &Move| unsafe {
            let was = words.add(at.to as usize).cast::<Two>().read_unaligned();
            moved.with(load_two(self.start, at.from as usize), was)
        };
        let (fours, rest) = list.twos.as_chunks::<4>();
        let mut moved = Differences::none();
        for [a, b, c, d] in fours {
            moved = look(look(look(look(moved, a), b), c), d);
        }
        moved = rest.iter().fold(moved, look);
        // SAFETY: as in `copy`.
        let look = |moved: u64, at: &Move| unsafe {
            moved | (*words.add(at.to as usize) ^ load(self.start, at.from as usize))
        };
        let one_moved = list.ones.iter().fold(0, look);
        Some(moved.is_none() && one_moved == 0)
    }

    /// Copies the words of several rows; `None` as for [`Proven::gather`], or when these aren't as many
    /// rows as the list has.
    #[inline]
    pub fn gather_many(rows: &[Proven<'_>], list: &ManyWords, out: &mut [u64]) -> Option<()> {
        if !Self::have(rows, list) || list.room > out.len() {
            return None;
        }
        let (rows, out) = (rows.as_ptr(), out.as_mut_ptr());
        // SAFETY: `of` is below the number of rows; all of the list's words are aligned and inside the
        // reach of their row's, their places inside its room.
        let copy = |of: &MoveOf| unsafe {
            let to = out.add(of.at.to as usize).cast::<Two>();
            let start = (*rows.add(of.row as usize)).start;
            to.write_unaligned(load_two(start, of.at.from as usize));
        };
        let (twos, rest) = list.twos.as_chunks::<2>();
        for [a, b] in twos {
            copy(a);
            copy(b);
        }
        rest.iter().for_each(copy);
        for of in &list.ones {
            // SAFETY: as above.
            unsafe {
                let start = (*rows.add(of.row as usize)).start;
                *out.add(of.at.to as usize) = load(start, of.at.from as usize);
            }
        }
        Some(())
    }

    /// Whether the words of several rows are now as they stand in `words`; `None` as for
    /// [`Proven::gather_many`].
    #[inline]
    pub fn same_many(rows: &[Proven<'_>], list: &ManyWords, words: &[u64]) -> Option<bool> {
        if !Self::have(rows, list) || list.room > words.len() {
            return None;
        }
        let (rows, words) = (rows.as_ptr(), words.as_ptr());
        // SAFETY: as in `gather_many`.
        let look = |moved: Differences, of: &MoveOf| unsafe {
            let was = words.add(of.at.to as usize).cast::<Two>().read_unaligned();
            let start = (*rows.add(of.row as usize)).start;
            moved.with(load_two(start, of.at.from as usize), was)
        };
        let (twos, rest) = list.twos.as_chunks::<2>();
        let moved = twos
            .iter()
            .fold(Differences::none(), |moved, [a, b]| look(look(moved, a), b));
        let moved = rest.iter().fold(moved, look);
        // SAFETY: as in `gather_many`.
        let look = |moved: u64, of: &MoveOf| unsafe {
            let start = (*rows.add(of.row as usize)).start;
            moved | (*words.add(of.at.to as usize) ^ load(start, of.at.from as usize))
        };
        Some(moved.is_none() && list.ones.iter().fold(0, look) == 0)
    }

    /// Whether these are as many rows as the list has, each so long as its words reach.
    #[inline(always)]
    fn have(rows: &[Proven<'_>], list: &ManyWords) -> bool {
        rows.len() == list.reach.len()
            && rows
                .iter()
                .zip(&list.reach)
                .all(|(row, reach)| *reach <= row.len)
    }

    /// A few words; `None` when they reach further than what is proven.
    #[inline(always)]
    pub fn few<const N: usize>(self, words: &FewWords<N>) -> Option<[u64; N]> {
        if words.reach > self.len {
            return None;
        }
        // SAFETY: as in `gather`.
        Some(
            words
                .offsets
                .map(|at| unsafe { load(self.start, at as usize) }),
        )
    }

    /// The word at byte `offset`; `None` when it isn't inside or not aligned.
    #[inline]
    pub fn word(self, offset: u32) -> Option<u64> {
        let inside = offset as usize + WORD <= self.len;
        // SAFETY: just checked.
        (inside && offset.is_multiple_of(WORD as u32))
            .then(|| unsafe { load(self.start, offset as usize) })
    }

    /// Asks the processor to fetch the lines of the list's words.
    #[inline]
    pub fn prefetch(self, list: &WordList) {
        for at in &list.lines[self.skip()] {
            self.ask_for(*at);
        }
    }

    /// Asks the processor to fetch the lines of a few words.
    #[inline(always)]
    pub fn prefetch_few<const N: usize>(self, words: &FewWords<N>) {
        for at in words.lines[self.skip()] {
            self.ask_for(at);
        }
    }

    /// Words between the start of a cache line and here.
    #[inline(always)]
    fn skip(self) -> usize {
        self.start.as_ptr().addr() / WORD % (LINE / WORD)
    }

    /// A place outside does no harm, and no good.
    #[inline(always)]
    fn ask_for(self, at: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let line = self.start.as_ptr().wrapping_add(at as usize);
            // SAFETY: a prefetch reads nothing by the language's rules and never faults, whatever
            // the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
        }
    }
}

/// Where rows begin in mappings that stay mapped as long as this lives: proven once instead of at
/// every look.
pub struct RowStarts {
    starts: Box<[Option<NonNull<u8>>]>,
    /// Bytes of each row that lie inside its mapping.
    len: usize,
    /// The mappings, and how far the rows reach in each.
    held: Vec<(Arc<Mapping>, usize)>,
}

// SAFETY: as for `Mapping`, of whose memory the starts are places.
unsafe impl Send for RowStarts {}
// SAFETY: as above; `&RowStarts` gives nothing but copies.
unsafe impl Sync for RowStarts {}

impl RowStarts {
    /// Rows of `len` bytes, each by its mapping and first byte; those that aren't mapped, aligned and
    /// whole have no start.
    pub(super) fn new<'a>(
        len: usize,
        rows: impl Iterator<Item = Option<(&'a Arc<Mapping>, usize)>>,
    ) -> RowStarts {
        let mut held: Vec<(Arc<Mapping>, usize)> = Vec::new();
        let start = |row: Option<(&Arc<Mapping>, usize)>| {
            let (mapping, offset) = row?;
            let start = mapping.proven(offset, len)?.start;
            // neighbours mostly share a mapping, and there are few
            let known = held.iter_mut().rfind(|(m, _)| Arc::ptr_eq(m, mapping));
            match known {
                Some((_, end)) => *end = (*end).max(offset + len),
                None => held.push((Arc::clone(mapping), offset + len)),
            }
            Some(start)
        };
        RowStarts {
            starts: rows.map(start).collect(),
            len,
            held,
        }
    }

    /// Whether all rows are still there: mapped files may have been cut. Ask before every tick.
    pub fn intact(&self) -> bool {
        self.held.iter().all(|(mapping, end)| *end <= mapping.len())
    }

    /// A row; `None` when it isn't mapped.
    #[inline(always)]
    pub fn row(&self, slot: usize) -> Option<Proven<'_>> {
        let start = (*self.starts.get(slot)?)?;
        Some(Proven {
            start,
            len: self.len,
            owner: PhantomData,
        })
    }

    /// Whether no row at all is mapped.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// Two words, the first one low.
#[cfg(target_arch = "x86_64")]
type Two = std::arch::x86_64::__m128i;
/// Two words.
#[cfg(not(target_arch = "x86_64"))]
type Two = [u64; 2];

/// Reads two words. Processors read each of them whole; if one didn't, the second reading would find
/// another value.
///
/// # Safety
///
/// `start` must be aligned to 8, `at` a multiple of 8, and `at + 16` not past what is attached there.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn load_two(start: NonNull<u8>, at: usize) -> Two {
    let two;
    // SAFETY: the caller proves the bounds; the instruction asks for no alignment and writes to nothing
    // but its register. It is assembly since Rust has no read of 16 bytes that others may be writing to.
    unsafe {
        std::arch::asm!(
            "movdqu {two}, xmmword ptr [{start} + {at}]",
            two = out(xmm_reg) two,
            start = in(reg) start.as_ptr(),
            at = in(reg) at,
            options(nostack, preserves_flags, readonly),
        );
    }
    two
}

/// Reads two words.
///
/// # Safety
///
/// As for [`super::load`], with `at + 16`.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn load_two(start: NonNull<u8>, at: usize) -> Two {
    // SAFETY: the caller proves both.
    unsafe { [load(start, at), load(start, at + 8)] }
}

/// The bits in which pairs of words differed.
#[derive(Clone, Copy)]
struct Differences(Two);

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as sse2;

// SSE2, whose instructions these are, is part of every x86-64
#[cfg(target_arch = "x86_64")]
impl Differences {
    #[inline(always)]
    fn none() -> Differences {
        // SAFETY: SSE2 is there; no memory is touched.
        Differences(unsafe { sse2::_mm_setzero_si128() })
    }

    #[inline(always)]
    fn with(self, a: Two, b: Two) -> Differences {
        // SAFETY: as above.
        Differences(unsafe { sse2::_mm_or_si128(self.0, sse2::_mm_xor_si128(a, b)) })
    }

    #[inline(always)]
    fn is_none(self) -> bool {
        let none = Differences::none().0;
        // SAFETY: as above.
        unsafe { sse2::_mm_movemask_epi8(sse2::_mm_cmpeq_epi8(self.0, none)) == 0xFFFF }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Differences {
    fn none() -> Differences {
        Differences([0; 2])
    }

    fn with(self, a: Two, b: Two) -> Differences {
        Differences([self.0[0] | (a[0] ^ b[0]), self.0[1] | (a[1] ^ b[1])])
    }

    fn is_none(self) -> bool {
        self.0 == [0; 2]
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
