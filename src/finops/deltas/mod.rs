//! Lifecycle-cumulative counters of sessions to what was consumed in each interval.
//!
//! For: [`Deltas`], a state machine over readings of one instance's sessions: differences that are
//! never negative and never counted twice, gauges integrated over time, and what can't have been
//! seen because a session ended between two readings ([`Unobserved`], with a bound). A session is
//! (SID, SERIAL#, LOGON_TIME), as SERIAL# has 16 bits and wraps.
//!
//! Not for: reading recordings ([`read`]), tenants, prices. Callers: the rest of `finops`, benches.

pub(super) mod columns;
mod engine;
pub mod read;
pub mod sessions;
#[cfg(test)]
mod tests;

pub use engine::{Deltas, Step};

/// How many counters a reading has.
pub const COUNTERS: usize = 12;

/// A counter of a session. CPU and DB time are in microseconds here, bytes in bytes; the statistics
/// are those of V$SESSTAT (Oracle Database Reference, Statistics Descriptions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// 'CPU used by this session': moves when a call ends.
    Cpu,
    /// 'DB time'.
    DbTime,
    /// 'session logical reads'.
    LogicalReads,
    /// 'physical reads'.
    PhysicalReads,
    /// 'physical read total bytes'.
    ReadBytes,
    /// 'physical write total bytes'.
    WriteBytes,
    /// 'redo size'.
    RedoBytes,
    /// 'user calls'.
    UserCalls,
    /// 'user commits'.
    Commits,
    /// 'execute count'.
    Executions,
    /// 'bytes sent via SQL*Net to client'.
    SentBytes,
    /// 'bytes received via SQL*Net from client'.
    ReceivedBytes,
}

impl Counter {
    /// All, in the order of the arrays of this module: the column that recordings have them in, and
    /// what one of the column's unit is here (V$SESSTAT shows CPU and DB time in centiseconds).
    pub const ALL: [(Counter, &'static str, u64); COUNTERS] = [
        (Counter::Cpu, "cpu_used_by_this_session", 10_000),
        (Counter::DbTime, "db_time", 10_000),
        (Counter::LogicalReads, "session_logical_reads", 1),
        (Counter::PhysicalReads, "physical_reads", 1),
        (Counter::ReadBytes, "physical_read_total_bytes", 1),
        (Counter::WriteBytes, "physical_write_total_bytes", 1),
        (Counter::RedoBytes, "redo_size", 1),
        (Counter::UserCalls, "user_calls", 1),
        (Counter::Commits, "user_commits", 1),
        (Counter::Executions, "execute_count", 1),
        (Counter::SentBytes, "bytes_sent_via_sql_net_to_client", 1),
        (
            Counter::ReceivedBytes,
            "bytes_received_via_sql_net_from_client",
            1,
        ),
    ];
}

/// A session of one instance, from logon to logoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LifeKey {
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial: u32,
    /// LOGON_TIME, µs since 1970 (whole seconds); 0 where it isn't known.
    pub logon_us: i64,
}

/// What a session had counted at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose.
    pub key: LifeKey,
    /// When, µs since 1970.
    pub time_us: i64,
    /// The reading before of the same reader, which had this session with the values of its last
    /// row, or hadn't it; `None`: this is the reader's first.
    pub seen_us: Option<i64>,
    /// Counted since logon, by [`Counter`].
    pub counters: [u64; COUNTERS],
    /// Temporary space now, bytes.
    pub temp_bytes: u64,
    /// PGA now, bytes.
    pub pga_bytes: u64,
    /// CPU of the server process by the kernel, where it is the session's own and in a call, µs.
    pub os_cpu_us: Option<u64>,
    /// Whether it was in a call.
    pub active: bool,
    /// Anything that the caller wants back with what comes of it.
    pub tag: u32,
}

/// Where CPU time of an interval is from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CpuSource {
    /// 'CPU used by this session'.
    Counter,
    /// CPU of the server process by the kernel: the counter stood still in a call.
    Os,
    /// No counter: imported samples of a time without the recorder (`record import`).
    Samples,
}

impl CpuSource {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            CpuSource::Counter => "counter",
            CpuSource::Os => "os",
            CpuSource::Samples => "samples",
        }
    }
}

/// What a session consumed between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Whose.
    pub key: LifeKey,
    /// Of the reading at the end.
    pub tag: u32,
    /// Begin of the interval, µs since 1970: when it was seen last with the old values, or logon.
    pub from_us: i64,
    /// End, µs since 1970.
    pub to_us: i64,
    /// Since when CPU that is counted now may have been used: the counter moves at ends of calls.
    pub cpu_since_us: i64,
    /// By [`Counter`]; CPU by `cpu_source`.
    pub counters: [u64; COUNTERS],
    /// Where CPU is from.
    pub cpu_source: CpuSource,
    /// By how much temporary space grew; 0 when it shrank.
    pub temp_growth_bytes: u64,
    /// Temporary space over time since the last row, bytes × µs.
    pub temp_byte_us: u128,
    /// How far that may be off, as it isn't known when between two readings it changed.
    pub temp_byte_us_bound: u128,
    /// PGA over time since the last row, bytes × µs.
    pub pga_byte_us: u128,
    /// Level at the end, bytes.
    pub temp_bytes: u64,
    /// Level at the end, bytes.
    pub pga_bytes: u64,
    /// The first of its session, which began at 0 at its logon.
    pub first: bool,
    /// A counter fell: it counts from there on, and this interval's part is 0.
    pub reset: bool,
}

/// Why something can't have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It logged off, was killed, or its slot was taken over.
    Ended,
    /// The instance or the recorder went away.
    Gap,
    /// It logged on about when reading began; what it had counted then isn't taken.
    Logon,
}

impl Why {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Why::Ended => "ended",
            Why::Gap => "gap",
            Why::Logon => "logon",
        }
    }
}

/// A time in which a session may have consumed something that no reading shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unobserved {
    /// Whose.
    pub key: LifeKey,
    /// Of its last reading.
    pub tag: u32,
    /// Why.
    pub why: Why,
    /// Last seen, µs since 1970.
    pub from_us: i64,
    /// Noticed to be gone, µs since 1970.
    pub to_us: i64,
    /// Likely CPU, µs: as much as in its last interval, for half of the time, if it was in a call.
    pub cpu_us_estimate: u64,
    /// Since when CPU may not have been counted: a call that doesn't end isn't.
    pub cpu_since_us: i64,
    /// Gauges when it was seen last, for this time: bytes × µs.
    pub temp_byte_us_bound: u128,
}

impl Unobserved {
    /// How long, µs.
    pub fn span_us(&self) -> u64 {
        u64::try_from(self.to_us.saturating_sub(self.from_us)).unwrap_or(0)
    }

    /// The most CPU it can have used: one CPU's, µs.
    pub fn cpu_us_bound(&self) -> u64 {
        u64::try_from(self.to_us.saturating_sub(self.cpu_since_us)).unwrap_or(0)
    }
}
