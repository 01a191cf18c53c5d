//! The table `stats`: the chosen statistics of every session in use, with who it is.
//!
//! For: counters with what tells since when they count: the reading before (`seen_time`), and CPU
//! by the kernel while a call lasts, in which 'CPU used by this session' stands still.
//! Not for: deltas (`finops`). Callers: the parent module.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;

use super::{HOUR_NS, Known, Rows, SlowBatch, Source, named};
use crate::decode::columns::needs_of;
use crate::decode::{COLUMNS, Decoder, Value};
use crate::discover::{OsFact, OsProcesses};
use crate::plan::StatisticPlan;
use crate::sample::attach::{AttachError, Attachment};
use crate::sample::lives::Lives;
use crate::sample::owners::Owners;
use crate::sample::pacer::{monotonic_ns, wall_ns};
use crate::sample::rows::{optional_times, time_type};
use crate::sample::statistics::{self, StatisticTable};
use crate::walk::{Frame, Select, Walker};

/// Whose statistics they are, by the names of recordings.
pub(super) const WHOSE: [&str; 18] = [
    "session_id",
    "session_serial_no",
    "session_kind",
    "logon_time",
    "username",
    "service_name",
    "program",
    "module",
    "action",
    "client_id",
    "machine",
    "osuser",
    "con_id",
    "con_name",
    "resource_consumer_group",
    "os_pid",
    "server",
    "is_active",
];

/// The table `stats`.
pub(super) struct Statistics {
    plan: StatisticPlan,
    walker: Walker,
    decoder: Decoder,
    frame: Frame,
    rows: Rows,
    known: Known<Vec<u64>>,
    lives: Lives,
    owners: Owners,
    processes: Option<OsProcesses>,
    /// Sessions of the frame that count as active.
    in_call: Vec<bool>,
    /// Places of columns among the decoder's.
    sid: usize,
    logon: usize,
    os_pid: usize,
    active: usize,
}

/// What a reading says of a session beside its row and its statistics.
#[derive(Default)]
struct Beside {
    seen_us: Vec<Option<i64>>,
    os_cpu_us: Vec<Option<u64>>,
}

/// The column that a statistic gets: its name in lower case, letters and digits joined by `_`.
pub fn statistic_column(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

impl Statistics {
    pub(super) fn new(
        attachment: &Attachment,
        plan: StatisticPlan,
    ) -> Result<Statistics, AttachError> {
        let columns = named(COLUMNS, &WHOSE);
        let mut needs = needs_of(&columns);
        needs.extend(statistics::NEEDS);
        let bound = attachment.bind_sessions(&needs)?;
        let owners = Owners::new(attachment);
        let decoder = Decoder::within(&attachment.blueprint, &bound, &columns, owners.context());
        let walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
        let beside = [
            Field::new("seen_time", time_type(), true),
            Field::new("os_cpu_us", DataType::UInt64, true),
        ];
        let counters = plan.counters.iter();
        let counters =
            counters.map(|c| Field::new(statistic_column(&c.name), DataType::UInt64, true));
        let more = beside.into_iter().chain(counters);
        let place = |name: &str| columns.iter().position(|c| c.ash == name);
        let place = |name: &str| place(name).unwrap_or(usize::MAX);
        Ok(Statistics {
            lives: Lives::new(&attachment.name),
            owners,
            processes: attachment.instance.as_ref().map(OsProcesses::of),
            in_call: Vec::new(),
            sid: place("session_id"),
            logon: place("logon_time"),
            os_pid: place("os_pid"),
            active: place("is_active"),
            frame: walker.frame(),
            rows: Rows::new(&attachment.name, &columns, more.collect()),
            plan,
            walker,
            decoder,
            known: Known::new(),
        })
    }
}

impl Statistics {
    /// Server processes of sessions in a call, that no other session in use has too: process ids.
    fn own_processes(&mut self) -> HashMap<usize, i32> {
        self.owners.look(&self.frame, &mut self.decoder);
        let mut users: HashMap<u64, usize> = HashMap::new();
        let mut in_call = HashMap::new();
        self.in_call.clear();
        for i in 0..self.frame.len() {
            let row = self.decoder.row(&self.frame, i);
            let active = self.decoder.value(self.active, &row) == Value::Bool(true);
            self.in_call.push(active);
            let Value::Uint(pid) = self.decoder.value(self.os_pid, &row) else {
                continue;
            };
            *users.entry(pid).or_default() += 1;
            if active {
                in_call.insert(i, pid);
            }
        }
        in_call.retain(|_, pid| users.get(pid) == Some(&1));
        let own = in_call.into_iter();
        own.filter_map(|(i, pid)| Some((i, i32::try_from(pid).ok()?)))
            .collect()
    }

    fn os_cpu_us(&self, pid: Option<&i32>) -> Option<u64> {
        match self.processes.as_ref()?.look(*pid?) {
            OsFact::Alive(process) => Some((process.cpu_s * 1e6).round() as u64),
            OsFact::Gone | OsFact::Unknown(_) => None,
        }
    }

    fn sid_and_logon(&mut self, i: usize) -> (u32, Option<i64>) {
        let row = self.decoder.row(&self.frame, i);
        let sid = match self.decoder.value(self.sid, &row) {
            Value::Uint(sid) => u32::try_from(sid).unwrap_or(0),
            _ => 0,
        };
        match self.decoder.value(self.logon, &row) {
            Value::Time(seconds) => (sid, seconds.checked_mul(1_000_000)),
            _ => (sid, None),
        }
    }
}

impl Source for Statistics {
    fn read(&mut self, last: bool) -> Result<Vec<SlowBatch>, ArrowError> {
        let start = monotonic_ns();
        self.frame.mono_ns = start;
        self.frame.wall_ns = wall_ns();
        self.walker
            .sweep(&mut self.frame, || monotonic_ns() - start);
        let table = StatisticTable::read(self.walker.bound(), &self.frame, self.plan.clone());
        let hour = self.frame.wall_ns.div_euclid(HOUR_NS);
        let now_us = self.frame.wall_ns.div_euclid(1000);
        let own_processes = self.own_processes();
        let mut there = HashSet::new();
        let mut values: Vec<Vec<u64>> = vec![Vec::new(); self.plan.counters.len()];
        let mut beside = Beside::default();
        for i in 0..self.frame.len() {
            let key = (self.frame.slots[i], self.decoder.serial(self.frame.row(i)));
            let who = self.sid_and_logon(i);
            // one whose counters can't be read now is there all the same
            let seen_us = self.lives.see(key, who, now_us);
            there.insert(key);
            let Some(of) = table.of(i) else {
                continue;
            };
            let own: Vec<u64> = (0..values.len()).map(|at| of.get(at)).collect();
            let os_cpu_us = self.os_cpu_us(own_processes.get(&i));
            let mut news = own.clone();
            news.extend(os_cpu_us);
            // whether it was in a call when it was read last tells what its end may have cost
            news.push(u64::from(self.in_call.get(i) == Some(&true)));
            if !self.known.is_news(key, news, hour) && !last {
                continue;
            }
            self.rows.append(&mut self.decoder, &self.frame, i);
            beside.seen_us.push(seen_us);
            beside.os_cpu_us.push(os_cpu_us);
            for (column, value) in values.iter_mut().zip(own) {
                column.push(value);
            }
        }
        self.known.keep(&there);
        let mut batches = Vec::new();
        if self.rows.rows > 0 {
            let mut more: Vec<ArrayRef> = vec![
                optional_times(beside.seen_us),
                Arc::new(UInt64Array::from(beside.os_cpu_us)),
            ];
            let array = |values| -> ArrayRef { Arc::new(UInt64Array::from(values)) };
            more.extend(values.into_iter().map(array));
            batches.push(("stats", self.rows.take(self.frame.wall_ns, more)?));
        }
        let ended = self.lives.end_reading(now_us)?;
        batches.extend(ended.map(|ended| ("ended", ended)));
        Ok(batches)
    }
}
