//! Recipes compiled against one bound plan.
//!
//! A [`Decoder`] holds, for each asked column, either a closure from a scratch row to a value or the
//! reason why the column can't be had on this instance. Version rules (`status_mask`) are read from
//! the blueprint when it is made.

use std::collections::HashSet;

use super::columns::{CORE_NEEDS, Column, Recipe};
use super::core::{Core, CoreFields};
use super::dates;
use super::locks;
use super::text::{Charset, before_nul};
use super::value::Value;
use crate::blueprint::model::{Blueprint, Stored};
use crate::memory::TargetAddr;
use crate::plan::{BoundPlan, FieldRef, Need, handle, row};
use crate::walk::{Frame, Quality};

/// Longest inline or pointed-to text of a row, in bytes.
const MAX_TEXT: usize = 1024;

pub(super) type Op = Box<dyn for<'a> Fn(&'a Core, &Row<'a>) -> Value<'a> + Send + Sync>;

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

/// Decodes the rows of one bound plan.
pub struct Decoder {
    core: Core,
    columns: Vec<(&'static Column, Result<Op, String>)>,
    addrs: Vec<TargetAddr>,
}

impl Decoder {
    /// Compiles the columns' recipes.
    pub fn new(blueprint: &Blueprint, bound: &BoundPlan, columns: &[&'static Column]) -> Decoder {
        let place = |need: Need| bound.plan.field(need);
        let core_need = |i: usize| place(CORE_NEEDS[i]);
        let rows = blueprint
            .array("sessions")
            .and_then(|a| blueprint.strukt(&a.row));
        let trusted = |name: &str| {
            rows.and_then(|s| Some(bound.accepted.is_proven(&s.name, s.field(name)?)))
                .unwrap_or(false)
        };
        let core = Core {
            confirmed: HashSet::new(),
            trusted: (trusted("sql_id_high"), trusted("prev_sql_id_high")),
            charset: Charset::named(blueprint.charset.as_deref()),
            events: bound.events.clone(),
            commands: blueprint.dictionaries.commands.clone(),
            status_mask: blueprint.rule_u64("status_mask").unwrap_or(0),
            blocker_bits: blueprint.rule_u64("blocker_bits"),
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
        self.core.confirmed.insert(sql_id);
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
        let claimed = match (f.handle_high, f.handle_low) {
            (Some(high), Some(low)) => Some(high.uint(words) << 32 | low.uint(words)),
            _ => None,
        };
        if claimed == Some(id) {
            self.core.confirmed.insert(id);
            return Ok(Some(id));
        }
        let known = self.core.confirmed.contains(&id);
        if known || (claimed.is_none() && self.core.trusted.0) {
            return Ok(Some(id));
        }
        Err(())
    }
}

/// Whether the chase that fetched a field faulted in this row.
pub(super) fn faulted(field: FieldRef, words: &[u64]) -> bool {
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
        Recipe::CountedUint(n, t, len) => {
            let (field, text, length) = (need(n)?, need(t)?, need(len)?);
            Box::new(move |_, r| {
                let mut bytes = [0u8; MAX_TEXT];
                match counted(text, length, r.words, &mut bytes) {
                    Some(_) => Value::Uint(field.uint(r.words)),
                    None => Value::Absent,
                }
            })
        }
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
            Box::new(move |c, r| {
                let id = high.uint(r.words) << 32 | low.uint(r.words);
                if address.uint(r.words) == 0 {
                    Value::Null
                } else if c.trusted.1 || c.confirmed.contains(&id) {
                    Value::Text(handle::sql_id_text(id).into())
                } else {
                    Value::Absent
                }
            })
        }
        Recipe::Xid => {
            let [taddr, session, usn, slot, sqn] = locks::XID_NEEDS.map(need);
            locks::xid([taddr?, session?, usn?, slot?, sqn?])
        }
        Recipe::Blocker(n, part) => {
            let field = need(n)?;
            let bits = core.blocker_bits.filter(|bits| (1..31).contains(bits));
            let bits = bits.ok_or("the blueprint has no usable rule blocker_bits")?;
            locks::blocker(field, part, bits)
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

fn counted_text(field: FieldRef, length: FieldRef) -> Op {
    Box::new(move |c, r| {
        let mut bytes = [0u8; MAX_TEXT];
        match counted(field, length, r.words, &mut bytes) {
            Some(text) => shown(c, text),
            None => Value::Absent,
        }
    })
}

/// Text with its length beside it; `None`: it can't be read, or the two disagree, so that it was
/// caught while it changed.
fn counted<'a>(
    field: FieldRef,
    length: FieldRef,
    words: &[u64],
    bytes: &'a mut [u8; MAX_TEXT],
) -> Option<&'a [u8]> {
    if faulted(field, words) {
        return None;
    }
    let n = field.bytes(words, bytes);
    let used = before_nul(&bytes[..n]);
    (used.len() as u64 == length.uint(words)).then_some(used)
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
