//! Recipes to closures from a scratch row to a value.
//!
//! Callers: `decoder`.

use super::columns::Recipe;
use super::core::Core;
use super::decoder::Row;
use super::locks;
use super::value::Value;
use crate::blueprint::model::Stored;
use crate::plan::{BoundPlan, FieldRef, Need, handle, row, times, via};

/// Longest inline or pointed-to text of a row, in bytes.
const MAX_TEXT: usize = 1024;

pub(super) type Op = Box<dyn for<'a> Fn(&'a Core, &Row<'a>) -> Value<'a> + Send + Sync>;

/// A compiled recipe, and whether it is the second choice of two.
pub(super) struct Compiled {
    pub(super) op: Op,
    pub(super) second: bool,
}

/// Where the process of a session is said.
pub(super) struct ProcessOf {
    process: Option<FieldRef>,
    pub(super) owner: Option<FieldRef>,
    above: Option<FieldRef>,
}

impl ProcessOf {
    pub(super) fn new(bound: &BoundPlan) -> ProcessOf {
        ProcessOf {
            process: bound.plan.field(row("KSUSEPRO")),
            owner: bound.plan.field(row("owner")),
            above: bound.plan.field(via("owner", "owner")),
        }
    }

    /// KSUSEPRO where it is stored, else the owner itself: the process, or something of its.
    pub(super) fn nearest(&self, words: &[u64]) -> Option<u64> {
        Some(self.nearest_field()?.uint(words))
    }

    pub(super) fn nearest_field(&self) -> Option<FieldRef> {
        self.process.or(self.owner)
    }

    /// KSUSEPRO where it is stored. Else the owner, or what owns it: the rule of a public 19c
    /// sampler. `None`: not to be had in this row.
    pub(super) fn of(&self, words: &[u64]) -> Option<u64> {
        if let Some(process) = self.process {
            return Some(process.uint(words));
        }
        let (owner, above) = (self.owner?, self.above?);
        if above.is_faulted(words) {
            return None;
        }
        Some(match (owner.uint(words), above.uint(words)) {
            (owner, 0) => owner,
            (0, _) => 0,
            (_, above) => above,
        })
    }
}

/// Compiles a recipe; of two the first that can be had.
pub(super) fn compile(recipe: &Recipe, bound: &BoundPlan, core: &Core) -> Result<Compiled, String> {
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
            Box::new(move |c, r| match field.uint(r.words) {
                0 => Value::Null,
                v if c.in_plsql(r.words) => Value::Uint(v),
                _ => Value::Null,
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
                } else if c.trusted.1 || c.is_confirmed(id) {
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
        Recipe::Special(special) => {
            core.missing(special, bound)?;
            Box::new(move |c, r| c.special(special, r))
        }
    })
}

fn number(field: FieldRef, make: impl Fn(u64) -> Value<'static> + Send + Sync + 'static) -> Op {
    Box::new(move |_, r| {
        if field.is_faulted(r.words) {
            return Value::Absent;
        }
        make(field.uint(r.words))
    })
}

fn text(field: FieldRef) -> Op {
    Box::new(move |c, r| {
        if field.is_faulted(r.words) {
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
    if field.is_faulted(words) {
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
        Stored::Date7 => Ok(Box::new(move |c, r| {
            let mut bytes = [0u8; 7];
            let n = field.bytes(r.words, &mut bytes);
            times::date7(&bytes[..n], &c.zone).map_or(Value::Null, Value::Time)
        })),
        form @ (Stored::Epoch4 | Stored::Packed4) => Ok(Box::new(move |c, r| {
            let value = field.uint(r.words) as u32;
            let now = r.wall_ns.div_euclid(1_000_000_000);
            let logon = c.logon(r.words).unwrap_or(i64::MIN);
            match times::seconds(value, form, &c.zone) {
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
    Ok(Box::new(move |c, r| {
        let now = r.wall_ns.div_euclid(1_000_000_000);
        match times::seconds(field.uint(r.words) as u32, form, &c.zone) {
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
