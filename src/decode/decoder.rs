//! Recipes compiled against one bound plan.
//!
//! A [`Decoder`] holds, for each asked column, either a closure from a scratch row to a value or the
//! reason why the column can't be had on this instance. Version rules (`status_mask`) are read from
//! the blueprint when it is made.

use std::collections::HashSet;

use super::columns::{CORE_NEEDS, Column, Recipe, Special};
use super::dates;
use super::text::{Charset, before_nul};
use super::value::Value;
use crate::blueprint::model::{Blueprint, Stored};
use crate::memory::TargetAddr;
use crate::plan::{BoundPlan, Event, EventTable, FieldRef, Need, handle, row};
use crate::walk::{Frame, Quality};

/// Longest inline or pointed-to text of a row, in bytes.
const MAX_TEXT: usize = 1024;

type Op = Box<dyn for<'a> Fn(&'a Core, &Row<'a>) -> Value<'a> + Send + Sync>;

/// One row of a frame, on its way to values.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its words.
    pub words: &'a [u64],
    /// Its slot, from 0.
    pub slot: u32,
    /// Its address.
    pub addr: TargetAddr,
    /// What was noticed so far.
    pub quality: Quality,
    /// When it was read, ns since the epoch.
    pub wall_ns: i64,
    /// Its confirmed SQL_ID as a number.
    pub sql_id: Option<u64>,
}

/// What all columns share.
pub struct Core {
    charset: Charset,
    events: std::sync::Arc<EventTable>,
    commands: std::collections::BTreeMap<u32, String>,
    status_mask: u64,
    fields: CoreFields,
}

struct CoreFields {
    kind: Option<FieldRef>,
    idle: Option<FieldRef>,
    event: Option<FieldRef>,
    wait: Option<FieldRef>,
    seq: Option<FieldRef>,
    model: Option<FieldRef>,
    ordinal: Option<FieldRef>,
    sql_address: Option<FieldRef>,
    sql_hash: Option<FieldRef>,
    sql_high: Option<FieldRef>,
    handle_high: Option<FieldRef>,
    handle_low: Option<FieldRef>,
    wait_stamp: Option<FieldRef>,
    flag2: Option<FieldRef>,
    command: Option<FieldRef>,
}

/// Decodes the rows of one bound plan.
pub struct Decoder {
    core: Core,
    columns: Vec<(&'static Column, Result<Op, String>)>,
    addrs: Vec<TargetAddr>,
    confirmed: HashSet<u64>,
}

impl Decoder {
    /// Compiles the columns' recipes.
    pub fn new(blueprint: &Blueprint, bound: &BoundPlan, columns: &[&'static Column]) -> Decoder {
        let place = |need: Need| bound.plan.field(need);
        let core_need = |i: usize| place(CORE_NEEDS[i]);
        let core = Core {
            charset: Charset::named(blueprint.charset.as_deref()),
            events: bound.events.clone(),
            commands: blueprint.dictionaries.commands.clone(),
            status_mask: blueprint.rule_u64("status_mask").unwrap_or(0),
            fields: CoreFields {
                kind: place(row("KSUSEFLG")),
                ordinal: core_need(0),
                idle: core_need(1),
                event: core_need(2),
                wait: core_need(3),
                seq: place(row("KSUSESEQ")),
                model: core_need(4),
                sql_address: core_need(5),
                sql_hash: core_need(6),
                sql_high: core_need(7),
                handle_high: core_need(8),
                handle_low: core_need(9),
                wait_stamp: place(row("wait_stamp")),
                flag2: place(row("KSUSEFLG2")),
                command: place(row("KSUUDOCT")),
            },
        };
        let compiled = columns
            .iter()
            .map(|c| (*c, compile(c, bound, &core)))
            .collect();
        Decoder {
            core,
            columns: compiled,
            addrs: bound.rows.addrs.clone(),
            confirmed: HashSet::new(),
        }
    }

    /// The columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.columns.iter().map(|(c, _)| *c)
    }

    /// Columns that can't be had on this instance, with the reason.
    pub fn absent(&self) -> impl Iterator<Item = (&'static Column, &str)> {
        self.columns
            .iter()
            .filter_map(|(c, op)| op.as_ref().err().map(|why| (*c, why.as_str())))
    }

    /// A proven SQL_ID: rows that show it need no other confirmation from now on.
    pub fn confirm(&mut self, sql_id: u64) {
        self.confirmed.insert(sql_id);
    }

    /// The handle address, hash value and SQL_ID that a row shows, unconfirmed.
    pub fn shown_sql(&self, words: &[u64]) -> Option<(TargetAddr, u32, Option<u64>)> {
        let f = &self.core.fields;
        let address = f.sql_address?.uint(words);
        let hash = f.sql_hash?.uint(words) as u32;
        let id = f.sql_high.map(|h| h.uint(words) << 32 | u64::from(hash));
        (address != 0 && hash != 0).then_some((TargetAddr(address), hash, id))
    }

    /// Row `i` of a frame, judged: its SQL_ID confirmed or refused, impossible values noticed.
    pub fn row<'a>(&mut self, frame: &'a Frame, i: usize) -> Row<'a> {
        let words = frame.row(i);
        let slot = frame.slots[i];
        let mut quality = frame.quality[i];
        let sql_id = match self.sql_id(words) {
            Ok(id) => id,
            Err(()) => {
                quality = quality.with(Quality::SQL_UNPROVEN);
                None
            }
        };
        Row {
            words,
            slot,
            addr: self
                .addrs
                .get(slot as usize)
                .copied()
                .unwrap_or(TargetAddr::NULL),
            quality: quality.with(self.core.judge(words, slot)),
            wall_ns: frame.wall_ns + i64::from(frame.off_ns[i]),
            sql_id,
        }
    }

    /// The values of a row, in the columns' order.
    pub fn values<'a>(&'a self, row: &'a Row<'a>) -> impl Iterator<Item = Value<'a>> + 'a {
        self.columns.iter().map(move |(_, op)| match op {
            Ok(op) => op(&self.core, row),
            Err(_) => Value::Absent,
        })
    }

    /// The value of column `c` of a row.
    pub fn value<'a>(&'a self, c: usize, row: &Row<'a>) -> Value<'a> {
        match self.columns.get(c) {
            Some((_, Ok(op))) => op(&self.core, row),
            _ => Value::Absent,
        }
    }

    /// The SQL_ID of a row: confirmed by the two words of the cursor's handle, or shown before and
    /// proven. `Err`: shown but not confirmed, so the row was caught between two stores, or the
    /// handle was freed meanwhile. Where the handle's layout isn't accepted the row's own words
    /// stand, as they passed their test at attach.
    fn sql_id(&mut self, words: &[u64]) -> Result<Option<u64>, ()> {
        let Some((_, _, Some(id))) = self.shown_sql(words) else {
            return Ok(None);
        };
        let f = &self.core.fields;
        let (Some(high), Some(low)) = (f.handle_high, f.handle_low) else {
            return Ok(Some(id));
        };
        if high.uint(words) << 32 | low.uint(words) == id {
            self.confirmed.insert(id);
            return Ok(Some(id));
        }
        if self.confirmed.contains(&id) {
            return Ok(Some(id));
        }
        Err(())
    }
}

impl Core {
    fn get(field: Option<FieldRef>, words: &[u64]) -> u64 {
        field.map_or(0, |f| f.uint(words))
    }

    /// Waiting now, by the gate's own rule: KSUSETIM = 0 and SEQ# ≠ 0.
    fn waiting(&self, words: &[u64]) -> bool {
        self.fields.wait.is_some_and(|f| f.int(words) == 0)
            && self.fields.seq.is_none_or(|f| f.uint(words) != 0)
    }

    fn kind(&self, words: &[u64]) -> u64 {
        Self::get(self.fields.kind, words)
    }

    fn event(&self, words: &[u64]) -> Option<&Event> {
        self.events.get(Self::get(self.fields.event, words))
    }

    /// What can't be true of a row.
    fn judge(&self, words: &[u64], slot: u32) -> Quality {
        let f = &self.fields;
        let mut quality = Quality::CLEAN;
        let wrong_slot = f
            .ordinal
            .is_some_and(|o| o.uint(words) != u64::from(slot) + 1);
        let wrong_event =
            !self.events.events.is_empty() && f.event.is_some() && self.event(words).is_none();
        let wrong_wait = f.wait.is_some_and(|w| w.int(words) < -2);
        if wrong_slot || wrong_event || wrong_wait {
            quality = quality.with(Quality::IMPLAUSIBLE);
        }
        let background = self.kind(words) & 16 != 0;
        if background && !self.waiting(words) && Self::get(f.idle, words) & 1 == 0 {
            quality = quality.with(Quality::CPU_UNSURE);
        }
        quality
    }

    /// In a call and not waiting, or waiting for an event that isn't idle. Background processes
    /// have no call bit between actions: not waiting counts (and is flagged `cpu_unsure`).
    fn is_active(&self, words: &[u64]) -> bool {
        if self.waiting(words) {
            let class = self.event(words).and_then(|e| self.events.class_of(e));
            class.is_none_or(|c| c.name != "Idle")
        } else {
            Self::get(self.fields.idle, words) & 1 != 0 || self.kind(words) & 16 != 0
        }
    }
}

/// Whether the chase that fetched a field faulted in this row.
fn faulted(field: FieldRef, words: &[u64]) -> bool {
    field
        .chase
        .is_some_and(|n| words.first().copied().unwrap_or(0) >> n & 1 != 0)
}

fn compile(column: &Column, bound: &BoundPlan, core: &Core) -> Result<Op, String> {
    let need = |n: Need| {
        bound
            .plan
            .field(n)
            .ok_or_else(|| bound.plan.why_absent(n).to_owned())
    };
    Ok(match column.recipe {
        Recipe::NotStored(why) => return Err(why.to_owned()),
        Recipe::RowAddress => Box::new(|_, r| Value::Address(r.addr.0)),
        Recipe::Slot => Box::new(|_, r| Value::Uint(u64::from(r.slot) + 1)),
        Recipe::Uint(n) => number(need(n)?, Value::Uint),
        Recipe::UintNull(n, null) => number(need(n)?, move |v| {
            if v == null {
                Value::Null
            } else {
                Value::Uint(v)
            }
        }),
        Recipe::Raw(n) => number(need(n)?, Value::Raw),
        Recipe::Address(n) => number(need(n)?, |v| match v {
            0 => Value::Null,
            v => Value::Address(v),
        }),
        Recipe::Bit(n, bit) => number(need(n)?, move |v| Value::Bool(v >> bit & 1 != 0)),
        Recipe::Flag(n, mask, yes, no) => number(need(n)?, move |v| {
            Value::Text(if v & mask != 0 { yes } else { no }.into())
        }),
        Recipe::Code(n, codes, other) => number(need(n)?, move |v| {
            let word = codes.iter().find(|(code, _)| *code == v);
            Value::Text(word.map_or(other, |(_, word)| *word).into())
        }),
        Recipe::Int(n) => {
            let field = need(n)?;
            Box::new(move |_, r| Value::Int(field.int(r.words)))
        }
        Recipe::Text(n) => text(need(n)?),
        Recipe::CountedText(t, len) => counted_text(need(t)?, need(len)?),
        Recipe::Time(n) => time(need(n)?)?,
        Recipe::UintIf(n, condition) => {
            let (field, condition) = (need(n)?, need(condition)?);
            Box::new(move |_, r| match condition.uint(r.words) {
                0 => Value::Null,
                _ => Value::Uint(field.uint(r.words)),
            })
        }
        Recipe::UintInPlsql(n) => {
            let field = need(n)?;
            Box::new(move |c, r| {
                let in_plsql = Core::get(c.fields.model, r.words) & (1 << 11) != 0;
                match field.uint(r.words) {
                    0 => Value::Null,
                    v if in_plsql => Value::Uint(v),
                    _ => Value::Null,
                }
            })
        }
        Recipe::ProcessAddress => process_address(
            need(row("owner"))?,
            need(crate::plan::via("owner", "owner"))?,
        ),
        Recipe::SqlId => {
            need(row("sql_id_high"))?;
            need(row("KSUSESQH"))?;
            Box::new(|_, r| match r.sql_id {
                Some(id) => Value::Text(handle::sql_id_text(id).into()),
                None => Value::Null,
            })
        }
        Recipe::PlainSqlId(address, high, low) => {
            let (address, high, low) = (need(address)?, need(high)?, need(low)?);
            Box::new(move |_, r| match address.uint(r.words) {
                0 => Value::Null,
                _ => {
                    let id = high.uint(r.words) << 32 | low.uint(r.words);
                    Value::Text(handle::sql_id_text(id).into())
                }
            })
        }
        Recipe::Special(special) => {
            core.missing(special, bound)?;
            Box::new(move |c, r| c.special(special, r))
        }
    })
}

fn number(field: FieldRef, make: impl Fn(u64) -> Value<'static> + Send + Sync + 'static) -> Op {
    Box::new(move |_, r| {
        if faulted(field, r.words) {
            return Value::Absent;
        }
        make(field.uint(r.words))
    })
}

fn text(field: FieldRef) -> Op {
    Box::new(move |c, r| {
        if faulted(field, r.words) {
            return Value::Absent;
        }
        let mut bytes = [0u8; MAX_TEXT];
        let n = field.bytes(r.words, &mut bytes);
        shown(c, before_nul(&bytes[..n]))
    })
}

/// Text with its length beside it: where the two disagree the text was caught while it changed.
fn counted_text(field: FieldRef, length: FieldRef) -> Op {
    Box::new(move |c, r| {
        if faulted(field, r.words) {
            return Value::Absent;
        }
        let mut bytes = [0u8; MAX_TEXT];
        let n = field.bytes(r.words, &mut bytes);
        let used = before_nul(&bytes[..n]);
        if used.len() as u64 != length.uint(r.words) {
            return Value::Absent;
        }
        shown(c, used)
    })
}

fn shown<'a>(core: &Core, bytes: &[u8]) -> Value<'a> {
    if bytes.is_empty() {
        return Value::Null;
    }
    Value::Text(core.charset.decode(bytes).into_owned().into())
}

fn time(field: FieldRef) -> Result<Op, String> {
    match field.stored {
        Stored::Date7 => Ok(Box::new(move |_, r| {
            let mut bytes = [0u8; 7];
            let n = field.bytes(r.words, &mut bytes);
            dates::date7(&bytes[..n]).map_or(Value::Null, Value::Time)
        })),
        Stored::Epoch4 => Ok(number(field, |v| match v {
            0 => Value::Null,
            v => Value::Time(v as i64),
        })),
        other => Err(format!(
            "the blueprint stores it as {other:?}, which is no date"
        )),
    }
}

/// Owner rule of a public 19c sampler: the owner is the process, or something whose owner is it.
fn process_address(owner: FieldRef, above: FieldRef) -> Op {
    Box::new(move |_, r| {
        if faulted(above, r.words) {
            return Value::Absent;
        }
        match (owner.uint(r.words), above.uint(r.words)) {
            (0, _) => Value::Raw(0),
            (owner, 0) => Value::Address(owner),
            (_, above) => Value::Address(above),
        }
    })
}

impl Core {
    /// What a special column lacks on this instance.
    fn missing(&self, special: Special, bound: &BoundPlan) -> Result<(), String> {
        let need = |n: Need| {
            bound
                .plan
                .field(n)
                .map(|_| ())
                .ok_or_else(|| bound.plan.why_absent(n).to_owned())
        };
        match special {
            Special::Status if self.status_mask == 0 => {
                Err("the blueprint has no rule status_mask".into())
            }
            Special::Status | Special::Sniped => need(row("KSUSEIDL")),
            Special::SecondsInWait => need(row("wait_stamp")),
            Special::TracePlanStats => need(row("KSUSEFLG2")),
            Special::Event
            | Special::EventNow
            | Special::PText(_)
            | Special::WaitClass
            | Special::WaitClassId
            | Special::WaitClassNo
            | Special::WaitClassNow
            | Special::WaitClassIdNow => match &self.events.problem {
                Some(problem) => Err(problem.clone()),
                None => need(row("KSUSEOPC")),
            },
            Special::CommandName if self.commands.is_empty() => {
                Err("the blueprint has no dictionary of commands".into())
            }
            _ => Ok(()),
        }
    }

    fn special<'a>(&'a self, special: Special, r: &Row<'a>) -> Value<'a> {
        let words = r.words;
        match special {
            Special::Status => self.status(words),
            Special::Type | Special::SessionKind => self.session_kind(words, special),
            Special::SessionType => Value::Text(
                if self.kind(words) & 16 != 0 {
                    "BACKGROUND"
                } else {
                    "FOREGROUND"
                }
                .into(),
            ),
            Special::InVSession => Value::Bool(self.kind(words) & 1 != 0),
            Special::Sniped => Value::Bool(Self::get(self.fields.idle, words) & 2 != 0),
            Special::IsActive => Value::Bool(self.is_active(words)),
            Special::SessionState => Value::Text(
                if self.waiting(words) {
                    "WAITING"
                } else {
                    "ON CPU"
                }
                .into(),
            ),
            Special::State | Special::WaitTime => self.wait_state(words, special),
            Special::SecondsInWait => {
                let now = r.wall_ns.div_euclid(1_000_000_000);
                match Self::get(self.fields.wait_stamp, words) as i64 {
                    0 => Value::Null,
                    stamp => Value::Uint((now - stamp).max(0) as u64),
                }
            }
            Special::CommandName => {
                let code = Self::get(self.fields.command, words) as u32;
                match self.commands.get(&code) {
                    Some(name) if code != 0 => Value::Text(name.as_str().into()),
                    _ => Value::Null,
                }
            }
            Special::TracePlanStats => {
                let bits = Self::get(self.fields.flag2, words) & 0x3_0000;
                match bits {
                    0x1_0000 => Value::Text("ALL EXEC".into()),
                    0x2_0000 => Value::Text("NEVER".into()),
                    0 => Value::Text("FIRST EXEC".into()),
                    _ => Value::Null,
                }
            }
            Special::ReadFlags => match r.quality.names() {
                names if names.is_empty() => Value::Null,
                names => Value::Text(names.into()),
            },
            _ => self.event_part(special, words),
        }
    }

    /// STATUS by the release's mask (11 before 18c, 9 after; GV$SESSION texts).
    fn status<'a>(&self, words: &[u64]) -> Value<'a> {
        let cached = self.kind(words) & 4096 != 0;
        let word = match Self::get(self.fields.idle, words) & self.status_mask {
            1 => "ACTIVE",
            0 if cached => "CACHED",
            0 => "INACTIVE",
            2 | 3 => "SNIPED",
            _ => "KILLED",
        };
        Value::Text(word.into())
    }

    fn session_kind<'a>(&self, words: &[u64], special: Special) -> Value<'a> {
        let word = match self.kind(words) & 19 {
            17 => "BACKGROUND",
            1 => "USER",
            2 => "RECURSIVE",
            _ if special == Special::Type => "?",
            kind if kind & 1 != 0 => "USER",
            _ => "RECURSIVE",
        };
        Value::Text(word.into())
    }

    /// STATE and WAIT_TIME by the 10.2 text over KSUSETIM, which later rows still keep.
    fn wait_state<'a>(&self, words: &[u64], special: Special) -> Value<'a> {
        let micros = self.fields.wait.map_or(-2, |f| f.int(words));
        // Oracle's ROUND is half up
        let centis = (micros + 5_000).div_euclid(10_000);
        let (state, time) = match micros {
            0 => ("WAITING", 0),
            -1 => ("WAITED SHORT TIME", -1),
            m if m < 0 => ("WAITED UNKNOWN TIME", -2),
            _ if centis == 0 => ("WAITED SHORT TIME", -1),
            _ => ("WAITED KNOWN TIME", centis),
        };
        match special {
            Special::State => Value::Text(state.into()),
            _ => Value::Int(time),
        }
    }

    fn event_part<'a>(&'a self, special: Special, words: &[u64]) -> Value<'a> {
        let now = matches!(
            special,
            Special::EventNow | Special::WaitClassNow | Special::WaitClassIdNow
        );
        if now && !self.waiting(words) {
            return Value::Null;
        }
        let Some(event) = self.event(words) else {
            return Value::Absent;
        };
        let text = |t: &'a str| match t {
            "" => Value::Null,
            t => Value::Text(t.into()),
        };
        if let Special::PText(i) = special {
            return text(&event.parameters[usize::from(i)]);
        }
        if matches!(special, Special::Event | Special::EventNow) {
            return text(&event.name);
        }
        let Some(class) = self.events.class_of(event) else {
            return Value::Absent;
        };
        match special {
            Special::WaitClassNo => Value::Uint(u64::from(class.no)),
            Special::WaitClassId | Special::WaitClassIdNow => Value::Uint(u64::from(class.id)),
            _ => text(&class.name),
        }
    }
}
