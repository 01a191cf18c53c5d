//! Logical session and process states, and the only way to change them: every change of the logical state is also a
//! store to memory, so the two can't drift apart.
//!
//! It decides nothing about the workload. Only the engine uses it; `expected` reads the logical states.

use std::sync::Arc;
use std::time::Duration;

use super::counters::Counters;
use super::fields::{Num, ProcNum, ProcText, RowMap, Text};
use crate::instance::Instance;
use crate::layout::{Column, Kind};
use crate::truth::{Line, TruthLog};

/// Bit of KSSPAFLG: the state object is in use.
pub const IN_USE: u64 = 1;
/// Bit of KSSPAFLG: the state object is on the free list.
pub const ON_FREE_LIST: u64 = 2;
/// Bit of KSUSEFLG: user session.
pub const USER: u64 = 1;
/// Bit of KSUSEFLG: recursive session.
pub const RECURSIVE: u64 = 2;
/// Bit of KSUSEFLG: made by the system.
pub const SYSTEM: u64 = 0x10;
/// Bit of KSUSEFLG: logged on.
pub const LOGGED_ON: u64 = 0x40;
/// Bit of KSUSEFLG: cached.
pub const CACHED: u64 = 0x1000;
/// Bit of KSUSEIDL: in a call.
pub const BUSY: u64 = 1;
/// Bit of KSUSEIDL: sniped.
pub const SNIPED: u64 = 2;
/// Bit of KSUSEIDL: killed.
pub const KILLED: u64 = 8;
/// KSUSESCH of no child cursor.
pub const NO_CHILD: u64 = 65_535;

/// Logical state of one session slot.
#[derive(Clone, Debug)]
pub struct Session {
    num: Vec<u64>,
    text: Vec<Arc<str>>,
    /// Module text.
    pub module: Arc<str>,
    /// Action text.
    pub action: Arc<str>,
    /// Hash of the module text.
    pub module_hash: u32,
    /// Hash of the action text.
    pub action_hash: u32,
}

impl Session {
    fn new(sid: usize) -> Session {
        let nothing: Arc<str> = Arc::from("");
        let mut session = Session {
            num: vec![0; Num::COLUMNS.len()],
            text: vec![nothing.clone(); Text::COLUMNS.len()],
            module: nothing.clone(),
            action: nothing,
            module_hash: 0,
            action_hash: 0,
        };
        session.num[Num::Sid as usize] = sid as u64;
        session
    }

    /// Value of a number; signed ones are sign-extended.
    pub fn num(&self, field: Num) -> u64 {
        self.num[field as usize]
    }

    /// Value of a text.
    pub fn text(&self, field: Text) -> &Arc<str> {
        &self.text[field as usize]
    }

    /// True when a reader has to show the session: in use, and a user or recursive one.
    pub fn is_in_use(&self) -> bool {
        self.num(Num::StateFlag) & IN_USE != 0 && self.num(Num::Flags) & (USER | RECURSIVE) != 0
    }

    /// True while the row says that the session waits.
    pub fn is_waiting(&self) -> bool {
        self.num(Num::WaitTime) == 0 && self.num(Num::Seq) != 0
    }

    /// STATUS as V$SESSION shows it with the release's mask.
    pub fn status(&self, mask: u64) -> &'static str {
        match self.num(Num::Idle) & mask {
            1 => "ACTIVE",
            0 if self.num(Num::Flags) & CACHED != 0 => "CACHED",
            0 => "INACTIVE",
            2 | 3 if mask & SNIPED != 0 => "SNIPED",
            _ => "KILLED",
        }
    }

    /// TYPE of V$SESSION from KSUSEFLG.
    pub fn kind(&self) -> &'static str {
        match self.num(Num::Flags) & 19 {
            17 => "BACKGROUND",
            1 => "USER",
            2 => "RECURSIVE",
            _ => "?",
        }
    }
}

/// Logical state of one process slot.
#[derive(Clone, Debug)]
pub struct Process {
    num: Vec<u64>,
    text: Vec<Arc<str>>,
}

impl Process {
    fn new() -> Process {
        Process {
            num: vec![0; ProcNum::COLUMNS.len()],
            text: vec![Arc::from(""); ProcText::COLUMNS.len()],
        }
    }

    /// Value of a number.
    pub fn num(&self, field: ProcNum) -> u64 {
        self.num[field as usize]
    }

    /// Value of a text.
    pub fn text(&self, field: ProcText) -> &Arc<str> {
        &self.text[field as usize]
    }

    /// True when the slot is in use.
    pub fn is_in_use(&self) -> bool {
        self.num(ProcNum::StateFlag) & IN_USE != 0
    }
}

/// The instance, its logical state and the truth about it.
#[derive(Debug)]
pub struct Stage {
    /// Memory and addresses.
    pub instance: Instance,
    /// Logical sessions by slot.
    pub sessions: Vec<Session>,
    /// Logical processes by slot.
    pub processes: Vec<Process>,
    /// Statistics of all sessions.
    pub counters: Counters,
    /// Open transaction of each session slot.
    pub transactions: Vec<Option<super::Xid>>,
    map: RowMap,
    truth: TruthLog,
    pause: Duration,
    began: u64,
    /// State changes since the start.
    pub changes: u64,
}

impl Stage {
    /// A stage whose slots have never been used. `pause` is waited between the stores of one change.
    pub fn new(instance: Instance, truth: TruthLog, pause: Duration) -> Stage {
        let sessions = (0..instance.places.sessions.len())
            .map(|i| Session::new(i + 1))
            .collect();
        let processes = instance
            .places
            .processes
            .iter()
            .map(|_| Process::new())
            .collect();
        let map = RowMap::new(&instance.layout);
        let counters = Counters::new(&instance);
        Stage {
            transactions: vec![None; instance.places.sessions.len()],
            instance,
            counters,
            sessions,
            processes,
            map,
            truth,
            pause,
            began: 0,
            changes: 0,
        }
    }

    /// Begins a change: everything up to [`Stage::finish`] is one.
    pub fn begin(&mut self) {
        self.began = monotonic_ns();
    }

    /// Ends a change of session slot `i` and logs its state.
    pub fn finish(&mut self, i: usize, op: &'static str) {
        let ended = monotonic_ns();
        self.changes += 1;
        let mask = self.instance.layout.status_mask;
        let session = &self.sessions[i];
        let has_sql = session.num(Num::SqlAddress) != 0;
        self.truth.push(Line {
            begin_ns: self.began,
            end_ns: ended,
            sid: i as u32 + 1,
            serial: session.num(Num::Serial) as u32,
            op,
            in_use: session.is_in_use(),
            kind: session.kind().as_bytes()[0],
            status: session.status(mask),
            waiting: session.is_waiting(),
            event: session.num(Num::Event) as u16,
            seq: session.num(Num::Seq) as u16,
            p: [
                session.num(Num::P1),
                session.num(Num::P2),
                session.num(Num::P3),
            ],
            sql: has_sql.then_some((
                session.num(Num::SqlHigh) as u32,
                session.num(Num::SqlHash) as u32,
            )),
            username: session.text(Text::LoginName).clone(),
            module: session.module.clone(),
        });
    }

    /// Sends logged lines to the writer; with `sync` waits until they are in the file.
    pub fn flush_truth(&mut self, sync: bool) {
        self.truth.flush(sync);
    }

    /// Sets a number of session slot `i`.
    pub fn put(&mut self, i: usize, field: Num, value: u64) {
        self.sessions[i].num[field as usize] = value;
        if let Some(column) = self.map.num(field) {
            let address = self.instance.places.sessions[i] + u64::from(column.offset);
            match column.kind {
                Kind::Date7 => {
                    self.instance
                        .memory
                        .store_bytes(address, &oracle_date(value as i64), || ());
                }
                Kind::Packed4 => {
                    self.instance
                        .memory
                        .store(address, 4, u64::from(packed_time(value as i64)))
                }
                _ => self
                    .instance
                    .memory
                    .store(address, column.stored_width(), value),
            }
            self.wait();
        }
    }

    /// Sets several numbers in that order.
    pub fn put_all(&mut self, i: usize, values: &[(Num, u64)]) {
        for &(field, value) in values {
            self.put(i, field, value);
        }
    }

    /// Sets a text of session slot `i`; bytes behind its NUL stay as they were.
    pub fn text(&mut self, i: usize, field: Text, value: &Arc<str>) {
        let Some(column) = self.map.text(field).cloned() else {
            return;
        };
        let value = fit(value, column.size as usize);
        let row = self.instance.places.sessions[i];
        if self.map.is_pointer(field) {
            let place = self.instance.places.client_ids[i];
            self.store_text(place, &value, column.size as usize + 1);
            let pointer = if value.is_empty() { 0 } else { place };
            self.instance
                .memory
                .store(row + u64::from(column.offset), 8, pointer);
        } else {
            self.inline_text(row, &column, &value);
        }
        self.sessions[i].text[field as usize] = value;
        self.wait();
    }

    fn inline_text(&self, row: u64, column: &Column, value: &str) {
        self.store_text(row + u64::from(column.offset), value, column.size as usize);
        if let Some(offset) = column.length_offset() {
            self.instance.memory.store(
                row + u64::from(offset),
                column.length_width,
                value.len() as u64,
            );
        }
    }

    fn store_text(&self, address: u64, value: &str, room: usize) {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() < room {
            bytes.push(0);
        }
        self.instance
            .memory
            .store_bytes(address, &bytes, || self.wait());
    }

    /// Sets module and action of session slot `i`: length to 0, text, hash, length.
    pub fn module_action(&mut self, i: usize, module: &Arc<str>, action: &Arc<str>) {
        let at = self.instance.layout.module;
        let base = self.instance.places.modules[i];
        let size = at.text_size as usize;
        let (module, action) = (fit(module, size), fit(action, size));
        let hashes = (
            crate::sql::module_hash(&module),
            crate::sql::module_hash(&action),
        );
        let parts = [
            (
                at.module,
                at.module_length,
                at.module_hash,
                &module,
                hashes.0,
            ),
            (
                at.action,
                at.action_length,
                at.action_hash,
                &action,
                hashes.1,
            ),
        ];
        for (text_at, length_at, hash_at, text, hash) in parts {
            self.instance.memory.store(base + length_at, 8, 0);
            self.wait();
            self.store_text(base + text_at, text, size);
            self.instance
                .memory
                .store(base + hash_at, 4, u64::from(hash));
            self.wait();
            self.instance
                .memory
                .store(base + length_at, 8, text.len() as u64);
            self.wait();
        }
        let session = &mut self.sessions[i];
        (session.module, session.action) = (module, action);
        (session.module_hash, session.action_hash) = hashes;
    }

    /// Sets a number of process slot `p`.
    pub fn put_process(&mut self, p: usize, field: ProcNum, value: u64) {
        self.processes[p].num[field as usize] = value;
        if let Some(column) = self.map.proc_num(field) {
            let address = self.instance.places.processes[p] + u64::from(column.offset);
            self.instance
                .memory
                .store(address, column.stored_width(), value);
        }
    }

    /// Sets a text of process slot `p`.
    pub fn process_text(&mut self, p: usize, field: ProcText, value: &str) {
        let Some(column) = self.map.proc_text(field).cloned() else {
            return;
        };
        let value = fit(&Arc::from(value), column.size as usize);
        self.inline_text(self.instance.places.processes[p], &column, &value);
        self.processes[p].text[field as usize] = value;
    }

    /// Adds to a statistic of session slot `i`.
    pub fn count(&mut self, i: usize, statistic: Option<usize>, by: u64) {
        self.counters.count(&self.instance, i, statistic, by);
    }

    /// Sets a statistic of session slot `i` that rises and falls.
    pub fn level(&mut self, i: usize, statistic: Option<usize>, to: u64) {
        self.counters.level(&self.instance, i, statistic, to);
    }

    /// Statistics of session slot `i` as at the beginning of its session.
    pub fn begin_statistics(&mut self, i: usize) {
        self.counters.begin(&self.instance, i);
    }

    /// Moves some statistics of session slot `i`, as a call does.
    pub fn move_statistics(&mut self, i: usize) {
        self.counters.work(&self.instance, i);
    }

    /// Adds the statistics of session slot `i`, which ends, to the system's.
    pub fn end_statistics(&mut self, i: usize) {
        self.counters.end(&self.instance, i);
    }

    /// Waits the pause between two stores of a change, awake.
    pub fn wait(&self) {
        if self.pause.is_zero() {
            return;
        }
        let end = monotonic_ns() + self.pause.as_nanos() as u64;
        while monotonic_ns() < end {
            std::hint::spin_loop();
        }
    }
}

/// The text cut to `size` bytes at a character boundary.
fn fit(text: &Arc<str>, size: usize) -> Arc<str> {
    if text.len() <= size {
        return text.clone();
    }
    let mut end = size;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Arc::from(&text[..end])
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CPU time of the calling thread in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Seconds since 1970.
pub fn epoch_seconds() -> u64 {
    clock_ns(libc::CLOCK_REALTIME) / 1_000_000_000
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut at = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `at` is a valid buffer; these clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut at) };
    at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64
}

/// The 7 bytes of an Oracle DATE in server-local time; zeros for time 0.
pub fn oracle_date(epoch: i64) -> [u8; 7] {
    let Ok(timestamp) = jiff::Timestamp::from_second(epoch) else {
        return [0; 7];
    };
    if epoch == 0 {
        return [0; 7];
    }
    let t = timestamp.to_zoned(jiff::tz::TimeZone::system());
    date_bytes(t.datetime())
}

/// Oracle's packed form of a time in server-local time: seconds since 1988 in months of 31 days; 0 for time 0.
pub fn packed_time(epoch: i64) -> u32 {
    let Ok(timestamp) = jiff::Timestamp::from_second(epoch) else {
        return 0;
    };
    if epoch == 0 {
        return 0;
    }
    pack(timestamp.to_zoned(jiff::tz::TimeZone::system()).datetime())
}

fn pack(t: jiff::civil::DateTime) -> u32 {
    let part = |n: i8| u32::try_from(n).unwrap_or(0);
    let months = (u32::try_from(t.year()).unwrap_or(1988) - 1988) * 12 + part(t.month()) - 1;
    let days = months * 31 + part(t.day()) - 1;
    ((days * 24 + part(t.hour())) * 60 + part(t.minute())) * 60 + part(t.second())
}

fn date_bytes(t: jiff::civil::DateTime) -> [u8; 7] {
    let year = t.year();
    [
        (year / 100 + 100) as u8,
        (year % 100 + 100) as u8,
        t.month() as u8,
        t.day() as u8,
        t.hour() as u8 + 1,
        t.minute() as u8 + 1,
        t.second() as u8 + 1,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a public 19c row dump: 2023-08-04 15:18:50.
    #[test]
    fn date_matches_public_bytes() {
        let bytes = date_bytes(jiff::civil::date(2023, 8, 4).at(15, 18, 50, 0));
        assert_eq!(bytes, [0x78, 0x7b, 0x08, 0x04, 0x10, 0x13, 0x33]);
        assert_eq!(oracle_date(0), [0; 7]);
    }

    /// Worked out by hand: ((((35*12+7)*31+3)*24+15)*60+18)*60+50.
    #[test]
    fn packed_times() {
        assert_eq!(
            pack(jiff::civil::date(2023, 8, 4).at(15, 18, 50, 0)),
            1_143_991_130
        );
        assert_eq!(packed_time(0), 0);
    }

    #[test]
    fn fit_cuts_at_a_character() {
        let text: Arc<str> = Arc::from("añb");
        assert_eq!(&*fit(&text, 2), "a");
        assert_eq!(&*fit(&text, 3), "añ");
    }
}
