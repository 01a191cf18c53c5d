//! Rows of `samples` to sessions, tick by tick.
//!
//! For: the columns of one batch that chains need. Columns that a recording lacks (it may be older
//! than they are) read as null. Callers: [`super::tally`].

use std::collections::HashMap;

use arrow::array::RecordBatch;

use super::follow::Links;
use super::graph::{Session, VALID, Wait, Xid};
use super::labels::{self, EVENT2, PROGRAM2};
use crate::analyze::columns::{Lookup, Numbers, STATE_COLUMN, flags, times};
use crate::analyze::error::AnalyzeError;
use crate::analyze::filter::Filter;
use crate::analyze::texts::Texts as Numbered;
use crate::analyze::value::Value;

/// Columns without which there are no chains.
pub(super) const NEEDED: [&str; 11] = [
    "sample_id",
    "sample_time",
    "weight_us",
    "session_id",
    "is_active",
    STATE_COLUMN,
    "event",
    "wait_class",
    "p1",
    "p2",
    "p3",
];

/// Columns that are read where they are there.
pub(super) const WANTED: [&str; 15] = [
    "session_serial_no",
    "session_type",
    "username",
    "program",
    "machine",
    "status",
    "sql_id",
    "sql_exec_id",
    "taddr",
    "lockwait",
    "xid",
    "blocking_session_status",
    "blocking_inst_id",
    "blocking_session",
    "last_call_et",
];

/// What is told of a session beside its place in a chain; texts are numbers of [`Texts`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Details {
    pub(super) label: u32,
    pub(super) active: bool,
    /// Whether it is wanted at the head of chains.
    pub(super) head: bool,
    pub(super) username: u32,
    pub(super) program: u32,
    pub(super) machine: u32,
    pub(super) status: u32,
    pub(super) event: u32,
    pub(super) sql_id: u32,
    pub(super) state: u32,
    pub(super) last_call_et: Option<u64>,
}

/// Distinct values as texts, numbered, and the labels made of them; 0 is null.
#[derive(Debug, Default)]
pub(super) struct Texts {
    values: Numbered,
    /// Labels by the numbers of their parts.
    labels: HashMap<Vec<u32>, u32>,
}

impl Texts {
    pub(super) fn get(&self, number: u32) -> Option<&str> {
        self.values.get(number)
    }

    fn number(&mut self, value: &Value) -> u32 {
        match value {
            Value::Null => 0,
            value => {
                let text = value.to_string();
                self.values
                    .number(Some(&text).filter(|t| !t.is_empty()).map(String::as_str))
            }
        }
    }
}

type Words<'a> = Option<Lookup<'a, u32>>;
type Hex<'a> = Option<Lookup<'a, Option<u64>>>;

/// The columns of one batch.
pub(super) struct Columns<'a> {
    pub(super) sample_id: Numbers<'a>,
    pub(super) time: &'a arrow::array::TimestampMicrosecondArray,
    pub(super) weight: Numbers<'a>,
    active: &'a arrow::array::BooleanArray,
    sid: Numbers<'a>,
    p: [Numbers<'a>; 3],
    state: Lookup<'a, u32>,
    event: Lookup<'a, u32>,
    class: Lookup<'a, u32>,
    serial: Option<Numbers<'a>>,
    blocker: Option<[Numbers<'a>; 2]>,
    sql_exec_id: Option<Numbers<'a>>,
    last_call_et: Option<Numbers<'a>>,
    taddr: Hex<'a>,
    lockwait: Hex<'a>,
    xid: Hex<'a>,
    /// session_type, username, program, machine, status, sql_id, blocking_session_status.
    words: [Words<'a>; 7],
    groups: Vec<(&'a str, Words<'a>)>,
    filters: Vec<(&'a Filter, Lookup<'a, bool>)>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(
        batch: &'a RecordBatch,
        groups: &'a [String],
        filters: &'a [Filter],
    ) -> Result<Columns<'a>, AnalyzeError> {
        let there = |name: &str| batch.column_by_name(name).is_some();
        let numbers = |name: &str| Numbers::of(batch, name);
        let maybe = |name: &str| there(name).then(|| numbers(name)).transpose();
        let hex = |name: &str| -> Result<Hex<'a>, AnalyzeError> {
            there(name).then(|| Lookup::of(batch, name)).transpose()
        };
        let words = |name: &str| -> Result<Words<'a>, AnalyzeError> {
            there(name).then(|| Lookup::of(batch, name)).transpose()
        };
        let blocker = match (maybe("blocking_inst_id")?, maybe("blocking_session")?) {
            (Some(instance), Some(sid)) => Some([instance, sid]),
            _ => None,
        };
        let mut group_columns = Vec::with_capacity(groups.len());
        for name in groups {
            let column = match name.as_str() {
                PROGRAM2 | EVENT2 => None,
                name => Some(Lookup::of(batch, name)?),
            };
            group_columns.push((name.as_str(), column));
        }
        let mut conditions = Vec::with_capacity(filters.len());
        for filter in filters {
            conditions.push((filter, Lookup::of(batch, &filter.column)?));
        }
        Ok(Columns {
            sample_id: numbers("sample_id")?,
            time: times(batch, "sample_time")?,
            weight: numbers("weight_us")?,
            active: flags(batch, "is_active")?,
            sid: numbers("session_id")?,
            p: [numbers("p1")?, numbers("p2")?, numbers("p3")?],
            state: Lookup::of(batch, STATE_COLUMN)?,
            event: Lookup::of(batch, "event")?,
            class: Lookup::of(batch, "wait_class")?,
            serial: maybe("session_serial_no")?,
            blocker,
            sql_exec_id: maybe("sql_exec_id")?,
            last_call_et: maybe("last_call_et")?,
            taddr: hex("taddr")?,
            lockwait: hex("lockwait")?,
            xid: hex("xid")?,
            words: [
                words("session_type")?,
                words("username")?,
                words("program")?,
                words("machine")?,
                words("status")?,
                words("sql_id")?,
                words("blocking_session_status")?,
            ],
            groups: group_columns,
            filters: conditions,
        })
    }

    /// A row as a session and its details.
    pub(super) fn session(
        &mut self,
        row: usize,
        texts: &mut Texts,
        links: &mut Links,
    ) -> (Session, Details) {
        let state = self.state.get(row, |v| texts.number(v));
        let event = self.event.get(row, |v| texts.number(v));
        let class = self.class.get(row, |v| texts.number(v));
        let [kind, username, program, machine, status, sql_id, said] =
            self.words.each_mut().map(|w| {
                w.as_mut()
                    .map_or(0, |column| column.get(row, |v| texts.number(v)))
            });
        let p = [0, 1, 2].map(|n: usize| self.p[n].get(row));
        let waiting = texts.get(state) == Some("WAITING");
        let lockwait = address(&mut self.lockwait, row).is_some();
        let wait = match waiting {
            true => Wait::of(texts.get(event), texts.get(class), lockwait, p),
            false => Wait::Nobody,
        };
        let number = |column: &Option<Numbers<'_>>| column.as_ref().and_then(|c| c.get_valid(row));
        let blocker = self.blocker.as_ref().and_then(|[instance, sid]| {
            Some((instance.get_valid(row)? as u32, sid.get_valid(row)? as u32))
        });
        let session = Session {
            sid: self.sid.get(row) as u32,
            serial_no: number(&self.serial).unwrap_or(0) as u32,
            wait,
            in_transaction: address(&mut self.taddr, row).is_some(),
            xid: address(&mut self.xid, row).map(Xid::from_raw),
            blocker,
            no_blocker: texts.get(said).is_some_and(|said| said != VALID),
            instance: number(&self.sql_exec_id).map(|id| (id >> 24) as u32),
        };
        let active = arrow::array::Array::is_valid(self.active, row) && self.active.value(row);
        let head = active
            && self
                .filters
                .iter_mut()
                .all(|(filter, column)| column.get(row, |value| filter.matches(value)));
        let background = texts.get(kind) == Some("BACKGROUND");
        let mode = if waiting { p[0] as u32 } else { 0 };
        let known = (program, u32::from(background), event, mode);
        let details = Details {
            label: self.label(row, known, texts, links),
            active,
            head,
            username,
            program,
            machine,
            status,
            event,
            sql_id,
            state,
            last_call_et: number(&self.last_call_et),
        };
        (session, details)
    }

    /// The number of the row's label; `known`: program, whether background, event, low word of P1.
    fn label(
        &mut self,
        row: usize,
        known: (u32, u32, u32, u32),
        texts: &mut Texts,
        links: &mut Links,
    ) -> u32 {
        let (program, background, event, p1) = known;
        let mut key = Vec::with_capacity(2 * self.groups.len());
        for (name, column) in &mut self.groups {
            match (*name, column) {
                (PROGRAM2, _) => key.extend([program, background]),
                (EVENT2, _) => {
                    let enqueue = texts.get(event).is_some_and(|e| e.starts_with("enq: "));
                    key.extend([event, if enqueue { p1 } else { 0 }]);
                }
                (_, Some(column)) => key.push(column.get(row, |v| texts.number(v))),
                (_, None) => {}
            }
        }
        if let Some(label) = texts.labels.get(&key) {
            return *label;
        }
        let mut parts: Vec<(&str, String)> = Vec::with_capacity(self.groups.len());
        let mut numbers = key.iter();
        let mut take = || numbers.next().copied().unwrap_or(0);
        for (name, _) in &self.groups {
            let text = texts.get(take()).unwrap_or("");
            let text = match *name {
                PROGRAM2 => labels::program2(text, take() == 1),
                EVENT2 => labels::event2(text, u64::from(take())),
                _ => text.to_owned(),
            };
            parts.push((name, text));
        }
        let joined = labels::joined(parts.iter().map(|(name, text)| (*name, text.as_str())));
        let label = links.label(if joined.is_empty() { "-" } else { &joined });
        texts.labels.insert(key, label);
        label
    }
}

/// An address or RAW(8) shown as hex digits; null and zero are none.
fn address(column: &mut Hex<'_>, row: usize) -> Option<u64> {
    let value = column.as_mut()?.get(row, |value| match value {
        Value::Text(text) => u64::from_str_radix(text, 16).ok(),
        _ => None,
    });
    value.filter(|v| *v != 0)
}
