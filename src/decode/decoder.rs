//! Recipes compiled against one bound plan.
//!
//! A [`Decoder`] holds, for each asked column, either a closure from a scratch row to a value or the
//! reason why the column can't be had on this instance. Version rules are read from the blueprint
//! when it is made.

use std::collections::HashMap;

use super::columns::{Column, Recipe};
use super::context::{Context, Owner};
use super::core::Core;
use super::value::Value;
use crate::blueprint::model::{Blueprint, Stored};
use crate::memory::TargetAddr;
use crate::plan::{BoundPlan, FieldRef, Need, handle, row, times, via};
use crate::walk::{Frame, Quality};

/// Longest inline or pointed-to text of a row, in bytes.
const MAX_TEXT: usize = 1024;

type Op = Box<dyn for<'a> Fn(&'a Core, &Row<'a>) -> Value<'a> + Send + Sync>;

/// A compiled recipe, and whether it is the second choice of two.
struct Compiled {
    op: Op,
    second: bool,
}

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
    /// Process id of its server process.
    pub os_pid: Option<u32>,
    /// SERVER by that process.
    pub server: Option<&'static str>,
    /// SID and serial number of the session that it works for, if it is a recursive one.
    pub serves: Option<(u32, u32)>,
    /// For how long its wait has been watched, in microseconds.
    pub observed_us: Option<u64>,
}

/// A statement as a row shows it, unconfirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownSql {
    /// Its cursor's handle.
    pub handle: TargetAddr,
    /// Its hash value.
    pub hash: u32,
    /// Its SQL_ID as a number, where the row's high word is known.
    pub id: Option<u64>,
}

/// Decodes the rows of one bound plan.
pub struct Decoder {
    core: Core,
    columns: Vec<(&'static Column, Result<Compiled, String>)>,
    process: ProcessOf,
    addrs: Vec<TargetAddr>,
}

impl Decoder {
    /// Compiles the columns' recipes; nothing is known beyond the rows themselves.
    pub fn new(blueprint: &Blueprint, bound: &BoundPlan, columns: &[&'static Column]) -> Decoder {
        Decoder::within(blueprint, bound, columns, Context::unknown())
    }

    /// Compiles the columns' recipes, with what the caller knows beyond the rows.
    pub fn within(
        blueprint: &Blueprint,
        bound: &BoundPlan,
        columns: &[&'static Column],
        context: Context,
    ) -> Decoder {
        let core = Core::new(blueprint, bound, context);
        let compiled = columns
            .iter()
            .map(|c| {
                (
                    *c,
                    compile(&c.recipe, bound, &core).map_err(|e| reason(c, &e)),
                )
            })
            .collect();
        Decoder {
            core,
            columns: compiled,
            process: ProcessOf::new(bound),
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

    /// Columns that are inferred on this instance, and how.
    pub fn inferred(&self) -> impl Iterator<Item = (&'static Column, &'static str)> {
        self.columns.iter().filter_map(|(c, op)| {
            let either = matches!(c.recipe, Recipe::Either(..));
            let holds = op.as_ref().is_ok_and(|op| op.second || !either);
            (holds && !c.inferred.is_empty()).then_some((*c, c.inferred))
        })
    }

    /// The process that owns a row's session, if the caller has yet to say what it is.
    pub fn unknown_process(&self, words: &[u64], slot: u32) -> Option<TargetAddr> {
        let process = self.process.of(words).filter(|p| *p != 0)?;
        let known = self.core.context.owner(slot, self.serial(words), process);
        known.is_none().then_some(TargetAddr(process))
    }

    /// Says what the process of a row's session is.
    pub fn set_owner(&mut self, words: &[u64], slot: u32, owner: Owner) {
        let (serial, process) = (self.serial(words), self.process.of(words).unwrap_or(0));
        self.core.context.set_owner(slot, serial, process, owner);
    }

    /// Says for which session (SID, serial number) each slot works.
    pub fn set_serves(&mut self, serves: HashMap<u32, (u32, u32)>) {
        self.core.context.serves = Some(serves);
    }

    /// Owner of a row's session, and the process that the owner is or belongs to.
    pub fn owners(&self, words: &[u64]) -> (Option<TargetAddr>, Option<TargetAddr>) {
        let owner = self.process.owner.map(|o| TargetAddr(o.uint(words)));
        (owner, self.process.of(words).map(TargetAddr))
    }

    /// SERIAL# of a row.
    pub fn serial(&self, words: &[u64]) -> u64 {
        Core::get(self.core.fields.serial, words)
    }

    /// Whether a row is a recursive session, which V$SESSION hides.
    pub fn is_recursive(&self, words: &[u64]) -> bool {
        self.core.kind(words) & 1 == 0
    }

    /// A proven SQL_ID: rows that show it need no other confirmation from now on.
    pub fn confirm(&mut self, sql_id: u64) {
        self.core.confirmed.insert(sql_id);
    }

    /// The current statement that a row shows, unconfirmed.
    pub fn shown_sql(&self, words: &[u64]) -> Option<ShownSql> {
        let f = &self.core.fields;
        shown_sql([f.sql_address, f.sql_hash, f.sql_high], words)
    }

    /// The previous statement that a row shows, unconfirmed; `None` too when
    /// [`super::columns::PREVIOUS_SQL_NEEDS`] were not read.
    pub fn shown_previous_sql(&self, words: &[u64]) -> Option<ShownSql> {
        shown_sql(self.core.fields.previous_sql, words)
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
        let serial = self.serial(words);
        let process = self.process.of(words);
        let wait =
            (self.core.waiting(words)).then(|| (serial, Core::get(self.core.fields.seq, words)));
        let now_ns = frame.mono_ns + u64::from(frame.off_ns[i]);
        let observed_us = self.core.context.watch(slot, wait, now_ns);
        let context = &self.core.context;
        let owner = process.and_then(|p| context.owner(slot, serial, p));
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
            os_pid: owner.and_then(|o| o.os_pid),
            server: match process {
                Some(0) => Some("NONE"),
                _ => owner.and_then(Owner::server),
            },
            serves: context.serves.as_ref().and_then(|s| s.get(&slot).copied()),
            observed_us,
        }
    }

    /// The values of a row, in the columns' order.
    pub fn values<'a>(&'a self, row: &'a Row<'a>) -> impl Iterator<Item = Value<'a>> + 'a {
        self.columns.iter().map(move |(_, op)| match op {
            Ok(compiled) => (compiled.op)(&self.core, row),
            Err(_) => Value::Absent,
        })
    }

    /// The value of column `c` of a row.
    pub fn value<'a>(&'a self, c: usize, row: &Row<'a>) -> Value<'a> {
        match self.columns.get(c) {
            Some((_, Ok(compiled))) => (compiled.op)(&self.core, row),
            _ => Value::Absent,
        }
    }

    /// The SQL_ID of a row: confirmed by the two words of the cursor's handle, or shown before and
    /// proven. `Err`: shown but not confirmed, so the row was caught between two stores, or the
    /// handle was freed meanwhile. Where the handle's layout isn't accepted the row's own words
    /// stand, as they passed their test at attach.
    fn sql_id(&mut self, words: &[u64]) -> Result<Option<u64>, ()> {
        let Some(id) = self.shown_sql(words).and_then(|shown| shown.id) else {
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

fn shown_sql(fields: [Option<FieldRef>; 3], words: &[u64]) -> Option<ShownSql> {
    let [address, hash, high] = fields;
    let handle = TargetAddr(address?.uint(words));
    let hash = hash?.uint(words) as u32;
    let id = high.map(|h| h.uint(words) << 32 | u64::from(hash));
    (!handle.is_null() && hash != 0).then_some(ShownSql { handle, hash, id })
}

/// Whether the chase that fetched a field faulted in this row.
fn faulted(field: FieldRef, words: &[u64]) -> bool {
    field
        .chase
        .is_some_and(|n| words.first().copied().unwrap_or(0) >> n & 1 != 0)
}

/// Where the process of a session is said.
struct ProcessOf {
    process: Option<FieldRef>,
    owner: Option<FieldRef>,
    above: Option<FieldRef>,
}

impl ProcessOf {
    fn new(bound: &BoundPlan) -> ProcessOf {
        ProcessOf {
            process: bound.plan.field(row("KSUSEPRO")),
            owner: bound.plan.field(row("owner")),
            above: bound.plan.field(via("owner", "owner")),
        }
    }

    /// KSUSEPRO where it is stored. Else the owner, or what owns it: the rule of a public 19c
    /// sampler. `None`: not to be had in this row.
    fn of(&self, words: &[u64]) -> Option<u64> {
        if let Some(process) = self.process {
            return Some(process.uint(words));
        }
        let (owner, above) = (self.owner?, self.above?);
        if faulted(above, words) {
            return None;
        }
        Some(match (owner.uint(words), above.uint(words)) {
            (owner, 0) => owner,
            (0, _) => 0,
            (_, above) => above,
        })
    }
}

/// The reason of absence: the column's own, which the manual lists, then what the blueprint says.
fn reason(column: &Column, found: &str) -> String {
    match column.unless {
        "" => found.to_owned(),
        unless => format!("{unless}; {found}"),
    }
}

fn compile(recipe: &Recipe, bound: &BoundPlan, core: &Core) -> Result<Compiled, String> {
    let Recipe::Either(first, second) = recipe else {
        let op = op(recipe, bound, core)?;
        return Ok(Compiled { op, second: false });
    };
    let why = match compile(first, bound, core) {
        Ok(compiled) => return Ok(compiled),
        Err(why) => why,
    };
    match compile(second, bound, core) {
        Ok(compiled) => Ok(Compiled {
            second: true,
            ..compiled
        }),
        Err(also) => Err(format!("{why}; {also}")),
    }
}

fn op(recipe: &Recipe, bound: &BoundPlan, core: &Core) -> Result<Op, String> {
    let need = |n: Need| {
        bound
            .plan
            .field(n)
            .ok_or_else(|| bound.plan.why_absent(n).to_owned())
    };
    Ok(match *recipe {
        Recipe::NotStored(why) => return Err(why.to_owned()),
        Recipe::Made(needs, make) => {
            let fields = needs.iter().map(|n| need(*n));
            let fields: Vec<FieldRef> = fields.collect::<Result<_, _>>()?;
            Box::new(move |_, r| make(&fields, r.words))
        }
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
        Recipe::Flags(n, masks, none) => number(need(n)?, move |v| {
            let word = masks.iter().find(|(mask, _)| v & mask != 0);
            Value::Text(word.map_or(none, |(_, word)| *word).into())
        }),
        Recipe::Blocker(n, part) => {
            let field = need(n)?;
            let bits = core.blocker_bits.ok_or(NO_PACKING)?;
            number(field, move |v| Core::blocker(v, bits, part))
        }
        Recipe::Code(n, codes, other) => number(need(n)?, move |v| {
            let word = codes.iter().find(|(code, _)| *code == v);
            Value::Text(word.map_or(other, |(_, word)| *word).into())
        }),
        Recipe::Int(n) => {
            let field = need(n)?;
            Box::new(move |_, r| Value::Int(field.int(r.words)))
        }
        Recipe::Text(n) => text(need(n)?),
        Recipe::Since(n) => since(need(n)?)?,
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
        Recipe::ProcessAddress => {
            need(row("owner"))?;
            need(via("owner", "owner"))?;
            process_address(ProcessOf::new(bound))
        }
        Recipe::Either(..) => compile(recipe, bound, core)?.op,
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
        let n = field.bytes_to_nul(r.words, &mut bytes);
        shown(c, &bytes[..n])
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
    let n = field.bytes_to_nul(words, bytes);
    let used = &bytes[..n];
    (used.len() as u64 == length.uint(words)).then_some(used)
}

fn shown<'a>(core: &Core, bytes: &[u8]) -> Value<'a> {
    if bytes.is_empty() {
        return Value::Null;
    }
    Value::Text(core.charset.decode(bytes).into_owned().into())
}

/// A 4-byte time that lies before the session's logon or after now is none of this session's.
fn time(field: FieldRef) -> Result<Op, String> {
    match field.stored {
        Stored::Date7 => Ok(Box::new(move |_, r| {
            let mut bytes = [0u8; 7];
            let n = field.bytes(r.words, &mut bytes);
            times::date7(&bytes[..n]).map_or(Value::Null, Value::Time)
        })),
        form @ (Stored::Epoch4 | Stored::Packed4) => Ok(Box::new(move |c, r| {
            let value = field.uint(r.words) as u32;
            let now = r.wall_ns.div_euclid(1_000_000_000);
            let logon = c.logon(r.words).unwrap_or(i64::MIN);
            match times::seconds(value, form) {
                _ if value == 0 => Value::Null,
                Some(time) if times::is_between(time, logon, now) => Value::Time(time),
                _ => Value::Absent,
            }
        })),
        other => Err(format!(
            "the blueprint stores it as {other:?}, which is no date"
        )),
    }
}

fn since(field: FieldRef) -> Result<Op, String> {
    let form = field.stored;
    if !matches!(form, Stored::Epoch4 | Stored::Packed4) {
        return Err(format!(
            "the blueprint stores it as {form:?}, which is no time"
        ));
    }
    Ok(Box::new(move |_, r| {
        let now = r.wall_ns.div_euclid(1_000_000_000);
        match times::seconds(field.uint(r.words) as u32, form) {
            Some(time) => Value::Uint((now - time).max(0) as u64),
            None => Value::Null,
        }
    }))
}

fn process_address(process: ProcessOf) -> Op {
    Box::new(move |_, r| match process.of(r.words) {
        None => Value::Absent,
        Some(0) => Value::Raw(0),
        Some(process) => Value::Address(process),
    })
}

const NO_PACKING: &str = "the blueprint has no rule blocker_bits";
