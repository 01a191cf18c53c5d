//! The static furniture of an instance: where every array, row and structure lies, and what never changes.
//!
//! [`Instance::build`] fills the fixed area, the pointer arrays and the event table; rows that change belong to the
//! engine. It takes all offsets from the [`Layout`]. `control` builds it, the engine works on it.

use std::io;
use std::path::Path;

use thiserror::Error;

use crate::exe::{self, ExeMap, ExeSpec};
use crate::layout::tables;
use crate::layout::{Content, Layout, RowArray};
use crate::names;
use crate::segments::{Memory, MemoryKind, MemorySpec, SegmentError, VARIABLE_BASE};
use crate::sql::{self, Statement};

/// Size and kind of an instance.
#[derive(Clone, Debug)]
pub struct InstanceSpec {
    /// ORACLE_SID.
    pub sid: String,
    /// Number of session slots.
    pub sessions: usize,
    /// Number of process slots.
    pub processes: usize,
    /// Kind of memory.
    pub memory: MemoryKind,
    /// Access mode of the segments, e.g. 0o640.
    pub mode: u32,
    /// Bytes of the variable area; raised when the structures need more.
    pub variable_bytes: u64,
    /// Few events, statistics and texts, for fixtures.
    pub small: bool,
    /// Number of statements of a library cache under churn; none: the usual pool.
    pub cursors: Option<usize>,
}

/// Why an instance could not be built.
#[derive(Debug, Error)]
pub enum InstanceError {
    /// The memory could not be made.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The executable could not be written.
    #[error("writing the executable {path}: {source}")]
    Executable {
        /// File.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// A place for one cursor handle.
#[derive(Clone, Copy, Debug)]
pub struct HandleSlot {
    /// Address of the handle.
    pub address: u64,
    /// Longest text in bytes, without its NUL.
    pub capacity: usize,
}

/// Addresses of everything that the engine writes.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Session rows by slot.
    pub sessions: Vec<u64>,
    /// Process rows by slot.
    pub processes: Vec<u64>,
    /// Statistics array of each session slot.
    pub statistics: Vec<u64>,
    /// Module/action structure of each session slot.
    pub modules: Vec<u64>,
    /// Client identifier text of each session slot.
    pub client_ids: Vec<u64>,
    /// Transaction structures.
    pub transactions: Vec<u64>,
    /// Enqueue structure of each session slot.
    pub enqueues: Vec<u64>,
    /// Cursor handles.
    pub handles: Vec<HandleSlot>,
    /// Array of pointers to session rows.
    pub session_array: u64,
    /// Array of pointers to process rows.
    pub process_array: u64,
    /// System statistics.
    pub system_statistics: u64,
    /// Event table.
    pub events: u64,
}

/// A built instance.
#[derive(Debug)]
pub struct Instance {
    /// The release's layout.
    pub layout: Layout,
    /// Mapped memory.
    pub memory: Memory,
    /// Addresses.
    pub places: Places,
    /// Statements that sessions run.
    pub pool: Vec<Statement>,
    /// What the executable holds.
    pub exe: ExeSpec,
    /// Where the executable's texts ended up.
    pub exe_map: ExeMap,
    /// Statistics per session: those before the first of a class above 200.
    pub session_statistics: usize,
}

/// Bytes of a transaction structure (X$KTCXB row size of the synthetic executable).
const TRANSACTION_BYTES: u64 = 392;
/// Bytes of an enqueue structure.
const ENQUEUE_BYTES: u64 = 96;
/// Bytes between the longest client identifier and the next structure.
const CLIENT_ID_BYTES: u64 = 72;

impl Instance {
    /// Writes the executable to `oracle`, makes the memory and fills what never changes.
    pub fn build(
        mut layout: Layout,
        spec: &InstanceSpec,
        oracle: &Path,
    ) -> Result<Instance, InstanceError> {
        if spec.small {
            layout.events = layout.events.min(SMALL_EVENTS);
            layout.statistics = layout.statistics.min(SMALL_STATISTICS);
        }
        let exe = tables::exe_spec(&layout, 0);
        let exe_map =
            exe::write_executable(&exe, oracle).map_err(|source| InstanceError::Executable {
                path: oracle.display().to_string(),
                source,
            })?;
        let session_statistics = names::per_session_statistics(&exe.statistics);
        let pool = match spec.cursors {
            Some(count) => sql::churning(count),
            None if spec.small => sql::pool(17, 2, 1),
            None => sql::pool(460, 12, 8),
        };
        let mut room = Room::new();
        let places = place(&layout, spec, &pool, session_statistics, &mut room);
        let memory = Memory::create(&MemorySpec {
            sid: spec.sid.clone(),
            kind: spec.memory,
            mode: spec.mode,
            fixed_bytes: 9_146_368,
            variable_bytes: spec.variable_bytes.max(room.next - VARIABLE_BASE + 4096),
            redo_bytes: 7_630_848,
        })?;
        let instance = Instance {
            layout,
            memory,
            places,
            pool,
            exe,
            exe_map,
            session_statistics,
        };
        instance.fill(spec);
        Ok(instance)
    }

    fn fill(&self, spec: &InstanceSpec) {
        let places = &self.places;
        self.pointer_array(places.session_array, &places.sessions);
        self.pointer_array(places.process_array, &places.processes);
        if let Some(number) = self.layout.session.column("KSUSENUM") {
            for (i, row) in places.sessions.iter().enumerate() {
                self.memory
                    .store(row + u64::from(number.offset), number.size, i as u64 + 1);
            }
        }
        self.fill_events();
        self.fill_fixed(spec);
    }

    fn pointer_array(&self, address: u64, pointers: &[u64]) {
        for (i, pointer) in pointers.iter().enumerate() {
            self.memory.store(address + 8 * i as u64, 8, *pointer);
        }
    }

    fn fill_events(&self) {
        let event = &self.layout.event;
        for (i, (spec, texts)) in self
            .exe
            .events
            .iter()
            .zip(&self.exe_map.event_addrs)
            .enumerate()
        {
            let row = self.places.events + i as u64 * event.stride;
            for (at, text) in event.texts.iter().zip(texts) {
                self.memory.store(row + at, 8, *text);
            }
            self.memory
                .store(row + event.class_id, 4, u64::from(spec.class_id));
            self.memory
                .store(row + event.class_no, 4, u64::from(spec.class_no));
            self.memory
                .store(row + event.stride - 16, 8, noise(i as u64) & 0xffff_ffff);
        }
    }

    fn fill_fixed(&self, spec: &InstanceSpec) {
        for (i, variable) in self.layout.fixed.iter().enumerate() {
            let seed = i as u64 * 1000;
            match variable.content {
                Content::Ksusga => self.fill_ksusga(variable.address, variable.size),
                Content::EventTable => self.memory.store(variable.address, 8, self.places.events),
                Content::Sid => self.text(variable.address, variable.size, &spec.sid),
                Content::DatabaseName => {
                    self.text(variable.address, variable.size, &database_name(&spec.sid))
                }
                Content::Word => {
                    self.memory
                        .store(variable.address, variable.size as u32, noise(seed) % 50_000)
                }
                Content::Pointer => self.memory.store(variable.address, 8, self.somewhere(seed)),
                Content::Block => self.fill_block(variable.address, variable.size, seed),
            }
        }
    }

    fn text(&self, address: u64, size: u64, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.truncate(size as usize - 1);
        bytes.push(0);
        self.memory.store_bytes(address, &bytes, || ());
    }

    /// Some structure in the variable area, as other variables point to.
    fn somewhere(&self, seed: u64) -> u64 {
        let ends = [
            self.places.session_array,
            self.places.process_array,
            self.places.events,
        ];
        ends[(noise(seed) % 3) as usize] + 4096 + (noise(seed + 1) % 65_536) * 8
    }

    /// Mixed words: pointers, counters, pairs of u32, zeros.
    fn fill_block(&self, address: u64, size: u64, seed: u64) {
        for i in 0..size / 8 {
            let random = noise(seed + 7 + i);
            let value = match random % 6 {
                0 => self.somewhere(random),
                1 => random % 100_000,
                2 => ((random % 900) << 32) | ((random >> 40) % 5_000),
                _ => 0,
            };
            self.memory.store(address + 8 * i, 8, value);
        }
    }

    fn fill_ksusga(&self, address: u64, size: u64) {
        self.fill_block(address, size, 77_777);
        let at = &self.layout.ksusga;
        self.memory
            .store(address + at.processes, 8, self.places.process_array);
        self.memory.store(
            address + at.process_count,
            4,
            self.places.processes.len() as u64,
        );
        self.memory
            .store(address + at.sessions, 8, self.places.session_array);
        self.memory.store(
            address + at.session_count,
            4,
            self.places.sessions.len() as u64,
        );
        self.memory.store(
            address + at.statistic_count,
            4,
            self.session_statistics as u64,
        );
        self.memory.store(
            address + at.system_statistics,
            8,
            self.places.system_statistics,
        );
    }
}

/// Events of a `--small` instance.
const SMALL_EVENTS: usize = 400;
/// Statistics of a `--small` instance.
const SMALL_STATISTICS: usize = 700;

/// The database name of an instance: its SID, at most 8 characters.
pub fn database_name(sid: &str) -> String {
    sid.chars().take(8).collect()
}

/// Hands out addresses of the variable area in rising order.
struct Room {
    next: u64,
}

impl Room {
    fn new() -> Room {
        // The first bytes of the area belong to its heap headers.
        Room {
            next: VARIABLE_BASE + 0x2_0000,
        }
    }

    fn take(&mut self, bytes: u64) -> u64 {
        let at = self.next.next_multiple_of(8);
        // Chunk headers lie between allocations.
        self.next = at + bytes + 24;
        at
    }

    fn skip(&mut self, bytes: u64) {
        self.next += bytes;
    }

    fn rows(&mut self, rows: &RowArray, count: usize) -> Vec<u64> {
        let base = self.take(rows.bytes(count));
        (0..count)
            .map(|i| base + rows.row_offset(i, count))
            .collect()
    }

    fn each(&mut self, count: usize, bytes: u64) -> Vec<u64> {
        (0..count).map(|_| self.take(bytes)).collect()
    }
}

fn place(
    layout: &Layout,
    spec: &InstanceSpec,
    pool: &[Statement],
    statistics: usize,
    room: &mut Room,
) -> Places {
    // Untouched pages cost nothing, so distances can be generous except in fixtures.
    let apart = if spec.small { 0x1000 } else { 0x9_3000 };
    let mut places = Places {
        process_array: room.take(8 * spec.processes as u64),
        ..Places::default()
    };
    places.processes = room.rows(&layout.process.rows, spec.processes);
    room.skip(apart);
    places.session_array = room.take(8 * spec.sessions as u64);
    places.sessions = room.rows(&layout.session.rows, spec.sessions);
    room.skip(apart);
    places.events = room.take(layout.events as u64 * layout.event.stride);
    places.system_statistics = room.take(8 * layout.statistics as u64);
    room.skip(apart);
    places.statistics = room.each(spec.sessions, 8 * statistics as u64);
    places.modules = room.each(spec.sessions, layout.module.size);
    places.client_ids = room.each(spec.sessions, CLIENT_ID_BYTES);
    places.transactions = room.each(spec.sessions, TRANSACTION_BYTES);
    places.enqueues = room.each(spec.sessions, ENQUEUE_BYTES);
    room.skip(apart);
    // Parts of the texts that find room at the same time.
    let share = if spec.cursors.is_some() {
        (1, 2)
    } else {
        (4, 5)
    };
    let capacities = handle_capacities(pool, share);
    for half in 0..2 {
        for &capacity in capacities.iter().skip(half).step_by(2) {
            let address = room.take(layout.handle.text + capacity as u64 + 1);
            places.handles.push(HandleSlot { address, capacity });
        }
        if !spec.small {
            // The other cursors lie in the upper half of the area, beyond 4 GiB when it is that large.
            room.next = room.next.max(VARIABLE_BASE + spec.variable_bytes / 2);
        }
    }
    places
}

/// Longest short text, which is also the capacity of most handles.
const SHORT_CAPACITY: usize = 4_096;
/// Capacity for texts above 4 kB.
const MEDIUM_CAPACITY: usize = 16_384;

/// Capacities of the handles: for each size class fewer handles than texts, so that handle memory gets reused.
fn handle_capacities(pool: &[Statement], (part, of): (usize, usize)) -> Vec<usize> {
    let longest = pool.iter().map(|s| s.text.len()).max().unwrap_or(0);
    let classes = [
        (0, SHORT_CAPACITY),
        (SHORT_CAPACITY, MEDIUM_CAPACITY),
        (MEDIUM_CAPACITY, longest),
    ];
    let mut all = Vec::new();
    for (above, capacity) in classes {
        let texts = pool
            .iter()
            .filter(|s| s.text.len() > above && s.text.len() <= capacity)
            .count();
        all.extend(std::iter::repeat_n(capacity, (texts * part).div_ceil(of)));
    }
    all
}

/// A reproducible pseudo-random number (splitmix64).
fn noise(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
