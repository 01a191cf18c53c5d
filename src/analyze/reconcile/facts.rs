//! What the rules need of a session and of a process, taken from the rows that dumps show.
//!
//! Callers: `cli` (makes them), the rules.

use serde_json::{Map, Value as Json};

use crate::decode::dates::rfc3339;
use crate::discover::OsFact;

type Row = Map<String, Json>;

/// Since when a session makes no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Seconds.
    pub seconds: u64,
    /// What they count: LAST_CALL_ET itself, or what stands in for it.
    pub counts: &'static str,
}

/// A session in use.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts {
    /// V$SESSION.SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial_no: Option<u32>,
    /// PADDR; 0: owned by nobody; `None`: can't be told.
    pub paddr: Option<u64>,
    /// CREATOR_ADDR: the process that created it.
    pub creator: u64,
    /// CREATOR_SERIAL#.
    pub creator_serial_no: Option<u32>,
    /// Hidden from V$SESSION (KSUSEFLG & 1 = 0).
    pub recursive: bool,
    /// Of a background process.
    pub background: bool,
    /// STATUS as that release shows it.
    pub status: String,
    /// KSUSEIDL & 2: ended by its profile, whatever STATUS shows.
    pub sniped: bool,
    /// Whether it has a transaction (TADDR).
    pub in_transaction: bool,
    /// USERNAME.
    pub username: Option<String>,
    /// MACHINE.
    pub machine: Option<String>,
    /// PROCESS: the client's.
    pub client: Option<String>,
    /// PROGRAM: the client's.
    pub program: Option<String>,
    /// MODULE.
    pub module: Option<String>,
    /// LOGON_TIME, seconds since 1970.
    pub logon: Option<i64>,
    /// Since when it makes no call, if it makes none.
    pub idle: Option<Idle>,
}

/// A process in use.
#[derive(Clone, Debug)]
pub struct ProcessFacts {
    /// V$PROCESS.ADDR.
    pub addr: u64,
    /// PID.
    pub pid: u32,
    /// SERIAL#.
    pub serial_no: Option<u32>,
    /// SPID.
    pub spid: Option<String>,
    /// PROGRAM.
    pub program: Option<String>,
    /// The name in PROGRAM's brackets.
    pub role: Option<String>,
    /// KSUPRFLG & 2.
    pub background: bool,
    /// KSUPRFLG & 4.
    pub fatal: bool,
    /// Whether it was there both before and after the sessions were read.
    pub stable: bool,
    /// What the operating system says.
    pub os: OsFact,
}

fn number(row: &Row, column: &str) -> Option<u64> {
    row.get(column)?.as_u64()
}

fn short(row: &Row, column: &str) -> Option<u32> {
    u32::try_from(number(row, column)?).ok()
}

fn text(row: &Row, column: &str) -> Option<String> {
    Some(row.get(column)?.as_str()?.to_owned())
}

/// An address as dumps write it; `00` is 0.
fn address(row: &Row, column: &str) -> Option<u64> {
    u64::from_str_radix(row.get(column)?.as_str()?, 16).ok()
}

fn time(row: &Row, column: &str) -> Option<i64> {
    let time: jiff::Timestamp = row.get(column)?.as_str()?.parse().ok()?;
    Some(time.as_second())
}

fn is_true(row: &Row, column: &str) -> bool {
    row.get(column) == Some(&Json::Bool(true))
}

impl SessionFacts {
    /// From a session's row of a dump, at a time in seconds since 1970.
    pub fn from_row(row: &Row, now: i64) -> SessionFacts {
        let status = text(row, "status").unwrap_or_default();
        SessionFacts {
            sid: short(row, "sid").unwrap_or(0),
            serial_no: short(row, "serial_no"),
            paddr: address(row, "paddr"),
            creator: address(row, "creator_addr").unwrap_or(0),
            creator_serial_no: short(row, "creator_serial_no"),
            recursive: row.get("in_v_session") == Some(&Json::Bool(false)),
            background: text(row, "type").as_deref() == Some("BACKGROUND"),
            sniped: is_true(row, "sniped") || status == "SNIPED",
            in_transaction: address(row, "taddr").is_some(),
            username: text(row, "username"),
            machine: text(row, "machine"),
            client: text(row, "process"),
            program: text(row, "program"),
            module: text(row, "module"),
            logon: time(row, "logon_time"),
            idle: (status != "ACTIVE").then(|| idle(row, now)).flatten(),
            status,
        }
    }

    /// KILLED, by KSUSEIDL & 8 as STATUS shows it in every release.
    pub fn killed(&self) -> bool {
        self.status == "KILLED"
    }
}

/// LAST_CALL_ET, or the nearest thing to it that the row has: the age of the idle wait that began
/// when the call ended; the start of the last execution; the logon.
fn idle(row: &Row, now: i64) -> Option<Idle> {
    let since = |time: Option<i64>| time.map(|t| u64::try_from(now - t).unwrap_or(0));
    let waiting = text(row, "state").as_deref() == Some("WAITING");
    let started = time(row, "sql_exec_start").max(time(row, "prev_exec_start"));
    let (seconds, counts) = if let Some(n) = number(row, "last_call_et") {
        (n, "LAST_CALL_ET")
    } else if let Some(n) = number(row, "seconds_in_wait").filter(|_| waiting) {
        (n, "age of its idle wait, for LAST_CALL_ET")
    } else if let Some(n) = since(started) {
        (n, "since its last execution began, for LAST_CALL_ET")
    } else {
        (
            since(time(row, "logon_time"))?,
            "since its logon, for LAST_CALL_ET",
        )
    };
    Some(Idle { seconds, counts })
}

impl ProcessFacts {
    /// From a process's row of a dump and what the operating system says of its SPID.
    pub fn from_row(row: &Row, os: OsFact) -> ProcessFacts {
        ProcessFacts {
            addr: address(row, "addr").unwrap_or(0),
            pid: short(row, "pid").unwrap_or(0),
            serial_no: short(row, "serial_no"),
            spid: text(row, "spid"),
            program: text(row, "program"),
            role: text(row, "role"),
            background: text(row, "background").is_some(),
            fatal: text(row, "fatal").is_some(),
            stable: true,
            os,
        }
    }

    /// Whether two readings show one and the same process.
    pub fn is_same(&self, other: &ProcessFacts) -> bool {
        (self.addr, self.serial_no, &self.spid) == (other.addr, other.serial_no, &other.spid)
    }

    /// Start by the operating system, seconds since 1970.
    pub fn os_start(&self) -> Option<i64> {
        match &self.os {
            OsFact::Alive(os) => os.started_at,
            _ => None,
        }
    }

    /// The same as RFC 3339.
    pub fn os_start_time(&self) -> Option<String> {
        self.os_start().map(rfc3339)
    }
}
