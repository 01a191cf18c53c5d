//! A real SysV segment, laid out as 19.3 lays out its sessions: a pointer array, and runs of 126
//! rows of 10,216 bytes between which other memory lies; and behind them what rows point to.

use std::io;

use sgascope::blueprint::Blueprint;
use sgascope::memory::{SegmentAt, SysvSpace, TargetAddr};

/// Where the target has the segment.
const BASE: u64 = 0x6000_0000;
/// Row size of 19.3.
const STRIDE: u64 = 10_216;
/// Rows in a run of 19.3.
const RUN: u64 = 126;
/// Bytes between two runs (not public).
const GAP: u64 = 4_096 + 264;
/// Cursors that the sessions share, and room for a handle and what it holds.
const CURSORS: u64 = 300;
const CURSOR_BYTES: u64 = 1_048;
/// Room for a session's process, transaction, and module and action.
const BEHIND_BYTES: u64 = 6_200;

/// Which pages a segment has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    Small,
    Huge,
}

impl Pages {
    pub fn name(self) -> &'static str {
        match self {
            Pages::Small => "4k",
            Pages::Huge => "2m",
        }
    }
}

/// A segment that this process writes, as an instance would, and reads through another attachment.
pub struct Segment {
    memory: *mut u8,
    len: u64,
    slots: u64,
    pub space: std::sync::Arc<SysvSpace>,
    /// Address of each row.
    pub rows: Vec<TargetAddr>,
}

impl Segment {
    /// Makes one with all rows zero. It is gone when both attachments are.
    pub fn new(slots: u64, pages: Pages) -> io::Result<Segment> {
        let runs = slots.div_ceil(RUN);
        let first = (slots * 8).next_multiple_of(4096) + 56;
        let rows: Vec<u64> = (0..slots)
            .map(|slot| first + slot * STRIDE + slot / RUN * GAP)
            .collect();
        let behind = first + slots * STRIDE + runs * GAP;
        let len = behind + CURSORS * CURSOR_BYTES + slots * BEHIND_BYTES;
        let len = len.next_multiple_of(2 << 20);
        let huge = if pages == Pages::Huge {
            libc::SHM_HUGETLB
        } else {
            0
        };
        // SAFETY: a new private segment; nothing of ours is touched.
        let shmid = unsafe { libc::shmget(libc::IPC_PRIVATE, len as usize, 0o600 | huge) };
        if shmid < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel chooses a free range.
        let memory = unsafe { libc::shmat(shmid, std::ptr::null(), 0) };
        let at = SegmentAt {
            shmid,
            address: TargetAddr(BASE),
            len,
            name: "bench".into(),
        };
        let space = SysvSpace::attach(&[at]).map_err(io::Error::other);
        // SAFETY: our own segment; it lives on until its attachments end.
        unsafe { libc::shmctl(shmid, libc::IPC_RMID, std::ptr::null_mut()) };
        if memory as isize == -1 {
            return Err(io::Error::last_os_error());
        }
        let mut segment = Segment {
            memory: memory.cast(),
            len,
            slots,
            space: std::sync::Arc::new(space?),
            rows: rows.iter().map(|at| TargetAddr(BASE + at)).collect(),
        };
        for (slot, row) in rows.into_iter().enumerate() {
            segment.put(slot as u64 * 8, BASE + row, 8);
        }
        Ok(segment)
    }

    fn put(&mut self, at: u64, value: u64, size: usize) {
        self.bytes(at, &value.to_le_bytes()[..size]);
    }

    fn bytes(&mut self, at: u64, bytes: &[u8]) {
        assert!(at + bytes.len() as u64 <= self.len);
        // SAFETY: inside our attachment, which nobody reads meanwhile.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.memory.add(at as usize), bytes.len())
        };
    }

    /// Where a target address is in this process, if it is in the segment.
    pub fn host(&self, address: u64) -> Option<*const u64> {
        let at = address.checked_sub(BASE).filter(|at| *at < self.len)?;
        // SAFETY: inside our attachment.
        Some(unsafe { self.memory.add(at as usize) }.cast_const().cast())
    }

    /// Writes all rows anew, of which about `percent` in a hundred are active, here and there. Gives
    /// their slots.
    pub fn fill(&mut self, blueprint: &Blueprint, percent: u64) -> Vec<usize> {
        let ksuse = blueprint.strukt("ksuse").unwrap();
        let at = |name: &str| ksuse.field(name).unwrap().offset;
        let rows: Vec<u64> = self.rows.iter().map(|a| a.0 - BASE).collect();
        let cursors = rows[rows.len() - 1] + STRIDE + GAP;
        let behind = cursors + CURSORS * CURSOR_BYTES;
        let mut random = 0x9E37_79B9u64;
        let mut active = Vec::new();
        for (slot, row) in (0..self.slots).zip(rows) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let is_active = random % 100 < percent;
            let put = |s: &mut Segment, name: &str, value: u64, size| {
                s.put(row + at(name), value, size);
            };
            let own = behind + slot * BEHIND_BYTES;
            put(self, "KSSPAFLG", 1, 1);
            put(self, "KSUSENUM", slot + 1, 4);
            put(self, "KSUSESER", 1 + slot * 7 % 60_000, 2);
            put(self, "KSUSEFLG", 1, 4);
            put(self, "KSUSESEQ", 9, 2);
            put(self, "KSUSEIDL", u64::from(is_active), 2);
            // in a call: a half waits (KSUSETIM 0) for an event that isn't idle; idle ones for event 1
            let waits = !is_active || slot % 2 == 0;
            put(self, "KSUSETIM", if waits { 0 } else { 500 }, 4);
            put(
                self,
                "KSUSEOPC",
                if is_active { 2 + slot % 40 } else { 1 },
                2,
            );
            put(self, "KSUSEP1", slot * 977, 8);
            put(self, "owner", BASE + own, 8);
            self.put(own + 8, 0, 8);
            let cursor = cursors + random / 100 % CURSORS * CURSOR_BYTES;
            put(
                self,
                "KSUSESQL",
                if is_active { BASE + cursor } else { 0 },
                8,
            );
            let id = cursor.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            put(self, "KSUSESQH", id & 0xFFFF_FFFF, 4);
            put(self, "sql_id_high", id >> 32, 4);
            self.put(cursor + 368, id >> 32, 4);
            self.put(cursor + 372, id & 0xFFFF_FFFF, 4);
            let writes = is_active && slot % 3 == 0;
            put(
                self,
                "KSUSETRN",
                if writes { BASE + own + 5_496 } else { 0 },
                8,
            );
            self.put(own + 5_496 + 96, BASE + row, 8);
            put(self, "modact_ptr", BASE + own + 5_896, 8);
            self.bytes(own + 5_896, b"ORDER ENTRY");
            self.put(own + 5_896 + 64, 11, 8);
            self.bytes(row + at("KSUUDLNA"), b"SHOP_APP");
            self.bytes(row + at("KSUSEUNM"), b"appserver");
            self.bytes(
                row + at("KSUSEMNM"),
                format!("app{:03}.example.com", slot % 40).as_bytes(),
            );
            self.bytes(row + at("KSUSEPNM"), b"JDBC Thin Client");
            if is_active {
                active.push(slot as usize);
            }
        }
        active
    }

    /// The next tick: every row is in another wait; of a tenth the statement is another, of a
    /// thirtieth the transaction, of a hundredth the module.
    pub fn next_tick(&mut self, blueprint: &Blueprint, tick: u64) {
        let ksuse = blueprint.strukt("ksuse").unwrap();
        let at = |name: &str| ksuse.field(name).unwrap().offset;
        let rows: Vec<u64> = self.rows.iter().map(|a| a.0 - BASE).collect();
        let cursors = rows[rows.len() - 1] + STRIDE + GAP;
        let behind = cursors + CURSORS * CURSOR_BYTES;
        for (slot, row) in (0..self.slots).zip(rows) {
            let put = |s: &mut Segment, name: &str, value: u64, size| {
                s.put(row + at(name), value, size);
            };
            let random = (slot * 1_000_003 + tick).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
            put(self, "KSUSESEQ", 9 + tick, 2);
            put(self, "KSUSEOPC", 2 + random % 40, 2);
            put(
                self,
                "KSUSETIM",
                if random.is_multiple_of(2) {
                    0
                } else {
                    random % 9_000
                },
                4,
            );
            put(self, "KSUSEP1", random, 8);
            put(self, "KSUSEP2", random % 4_096, 8);
            put(self, "KSUSEP3", random % 16, 8);
            if random.is_multiple_of(10) {
                let cursor = cursors + random / 10 % CURSORS * CURSOR_BYTES;
                let id = cursor.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                put(self, "KSUSESQL", BASE + cursor, 8);
                put(self, "KSUSESQH", id & 0xFFFF_FFFF, 4);
                put(self, "sql_id_high", id >> 32, 4);
                put(self, "KSUSESEID", 1 << 24 | tick, 4);
            }
            let own = behind + slot * BEHIND_BYTES;
            if random.is_multiple_of(30) {
                let writes = random.is_multiple_of(60);
                put(
                    self,
                    "KSUSETRN",
                    if writes { BASE + own + 5_496 } else { 0 },
                    8,
                );
            }
            if random.is_multiple_of(100) {
                let module = format!("ORDER STEP {:02}", tick % 20);
                self.bytes(own + 5_896, module.as_bytes());
                self.put(own + 5_896 + 64, module.len() as u64, 8);
            }
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: attached in `new`, and nothing that points into it outlives the segment's case.
        unsafe { libc::shmdt(self.memory.cast()) };
    }
}
