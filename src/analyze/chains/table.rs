//! Chains and final blockers as a result, and its machine-readable form.
//!
//! Not for: computing it. Callers: [`super::tally`] makes it, [`super::render`] and `cli` show it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Serializer;

use super::graph::Route;
use crate::analyze::cube::Sparse;
use crate::analyze::value::time_text;

/// Chains and final blockers.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ChainTable {
    /// What was looked at.
    pub meta: ChainsMeta,
    /// Columns that stand for a session.
    pub groups: Vec<String>,
    /// Distinct chains, the one with the most time first.
    pub chains: Vec<ChainRow>,
    /// Ends of the chains of blocked sessions, the one with the most time first.
    pub finals: Vec<FinalRow>,
}

/// What was looked at.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ChainsMeta {
    /// Instance, where it is one.
    pub instance_name: Option<String>,
    /// Seconds that were watched; `None` where that isn't known.
    pub elapsed_seconds: Option<f64>,
    /// Time of the first look, microseconds since 1970-01-01 UTC.
    #[serde(rename = "from", serialize_with = "time")]
    pub first_us: Option<i64>,
    /// Time of the last look, likewise.
    #[serde(rename = "to", serialize_with = "time")]
    pub last_us: Option<i64>,
    /// Ticks taken.
    pub ticks: u64,
    /// Ticks with any session in them.
    pub looks: u64,
    /// Microseconds of all chains.
    pub total_us: u64,
    /// Microseconds of the chains of sessions that wait for another one.
    pub blocked_us: u64,
    /// Chains there are; the table may show fewer.
    pub chains_total: u64,
    /// A blueprint was forced on the instance, so that values may be wrong.
    pub forced: bool,
    /// Columns that can't be had, and why.
    pub absent: BTreeMap<String, String>,
}

fn time<S: Serializer>(time_us: &Option<i64>, out: S) -> Result<S::Ok, S::Error> {
    time_us.map(time_text).serialize(out)
}

fn time_of<S: Serializer>(time_us: &i64, out: S) -> Result<S::Ok, S::Error> {
    time_text(*time_us).serialize(out)
}

fn route_names<S: Serializer>(routes: &[Route], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(routes.iter().map(|r| r.name()))
}

/// One distinct chain.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ChainRow {
    /// Share of all chains' time, in percent.
    pub pct: f64,
    /// Seconds that sessions spent at its head.
    pub seconds: f64,
    /// Average sessions at its head; `None` where the time that was watched isn't known.
    pub aas: Option<f64>,
    /// The chain as ash_wait_chains prints it.
    pub chain: String,
    /// The sessions of it when it was first seen, from the waiter to the end.
    pub nodes: Vec<Node>,
    /// How it ended mostly; `None`: its one session waits for nobody.
    pub final_blocker: Option<FinalBlocker>,
    /// Distinct ends.
    pub final_blockers: u64,
    /// It ends in sessions that wait for each other.
    pub cycle: bool,
    /// Links of the chain; a ring's members count each.
    pub depth: u64,
    /// By what its edges are known, the most trusted first.
    #[serde(serialize_with = "route_names")]
    pub routes: Vec<Route>,
    /// First sample's time, microseconds since 1970-01-01 UTC.
    #[serde(rename = "first_seen", serialize_with = "time_of")]
    pub first_seen_us: i64,
    /// Last sample's time, likewise.
    #[serde(rename = "last_seen", serialize_with = "time_of")]
    pub last_seen_us: i64,
    /// Samples.
    pub samples: u64,
    /// Time by step, where steps were asked for.
    #[serde(skip)]
    pub sums: Sparse,
}

impl ChainRow {
    /// How sure its edges are: `low` where one is inferred, else `high`; none has no edge.
    pub fn confidence(&self) -> Option<&'static str> {
        self.routes.last().map(|route| route.confidence())
    }
}

/// A session of a chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Node {
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial_no: u32,
    /// User name.
    pub username: Option<String>,
    /// Event waited for; `None` on CPU.
    pub event: Option<String>,
    /// SQL_ID of the current statement.
    pub sql_id: Option<String>,
    /// WAITING or ON CPU.
    pub state: Option<String>,
}

/// How a chain of waiting sessions ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum FinalBlocker {
    /// With a session that waits for no other one.
    Session {
        /// SID.
        sid: u32,
        /// SERIAL#.
        serial_no: u32,
        /// Whether it does nothing.
        idle: bool,
        /// STATUS, where it was looked at.
        status: Option<String>,
        /// User name.
        username: Option<String>,
        /// Client's program.
        program: Option<String>,
        /// Client's machine.
        machine: Option<String>,
        /// Seconds since it became active or idle, where that can be had.
        last_call_et: Option<u64>,
    },
    /// With a session that wasn't looked at.
    Elsewhere {
        /// Its instance, if another one.
        instance: Option<u32>,
        /// SID.
        sid: u32,
    },
    /// In sessions that wait for each other.
    Cycle,
    /// Nobody knows.
    Unknown,
}

/// One end of chains.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FinalRow {
    /// Share of all blocked sessions' time, in percent.
    pub pct: f64,
    /// Seconds that sessions waited for it, directly or through others.
    pub seconds: f64,
    /// Average sessions that did; `None` where the time that was watched isn't known.
    pub aas: Option<f64>,
    /// The end.
    pub final_blocker: FinalBlocker,
    /// Samples.
    pub samples: u64,
    /// First sample's time, microseconds since 1970-01-01 UTC.
    #[serde(rename = "first_seen", serialize_with = "time_of")]
    pub first_seen_us: i64,
    /// Last sample's time, likewise.
    #[serde(rename = "last_seen", serialize_with = "time_of")]
    pub last_seen_us: i64,
    /// Time by step, where steps were asked for.
    #[serde(skip)]
    pub sums: Sparse,
}
