//! Recipes compiled against one bound plan.
//!
//! A [`Decoder`] holds, for each asked column, either a closure from a scratch row to a value or the
//! reason why the column can't be had on this instance. Version rules are read from the blueprint
//! when it is made.

use std::collections::HashMap;

use super::basis::{Basis, Key};
use super::columns::{Column, Recipe};
use super::context::{Context, Owner};
use super::core::Core;
use super::inputs::Inputs;
use super::recipes::{Compiled, ProcessOf, compile};
use super::value::Value;
use crate::blueprint::Blueprint;
use crate::blueprint::model::{Stored, WaitClass};
use crate::memory::TargetAddr;
use crate::plan::{BoundPlan, Event, FieldRef, times};
use crate::walk::{Frame, Quality};

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
    /// Whether it waits, by the gate's own rule.
    pub waiting: bool,
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
    /// Fields that each column reads.
    fields: Vec<Vec<FieldRef>>,
    /// What each column follows from.
    bases: Vec<Basis>,
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
        let compiled: Vec<(&'static Column, Result<Compiled, String>)> = columns
            .iter()
            .map(|c| {
                (
                    *c,
                    compile(&c.recipe, bound, &core).map_err(|e| reason(c, &e)),
                )
            })
            .collect();
        let basis = |(column, op): &(&'static Column, Result<Compiled, String>)| match op {
            Ok(compiled) => Basis::of(column, compiled.second, bound, &core),
            Err(_) => Basis::Nothing,
        };
        Decoder {
            bases: compiled.iter().map(basis).collect(),
            core,
            columns: compiled,
            fields: columns
                .iter()
                .map(|c| {
                    c.needs()
                        .iter()
                        .filter_map(|n| bound.plan.field(*n))
                        .collect()
                })
                .collect(),
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

    /// What owns a row's session, if the caller has yet to say which process that is.
    pub fn unknown_owner(&self, words: &[u64], slot: u32) -> Option<TargetAddr> {
        let owner = self.process.nearest(words).filter(|o| *o != 0)?;
        let known = self.core.context.owned(slot, self.serial(words), owner);
        known.is_none().then_some(TargetAddr(owner))
    }

    /// The fields by which a row's owner is known or not: serial number and what owns the session. As
    /// long as both stay, [`Decoder::unknown_owner`] says the same.
    pub fn owner_fields(&self) -> Option<[FieldRef; 2]> {
        Some([self.core.fields.serial?, self.process.nearest_field()?])
    }

    /// Rows that there are.
    pub fn slots(&self) -> usize {
        self.addrs.len()
    }

    /// Says what the process of a row's session is.
    pub fn set_owner(&mut self, words: &[u64], slot: u32, process: Owner) {
        let owner = self.process.nearest(words).unwrap_or(0);
        let serial = self.serial(words);
        self.core.context.set_owner(slot, serial, owner, process);
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
        self.core.confirm(sql_id);
    }

    /// The current statement that a row shows, unconfirmed.
    pub fn shown_sql(&self, words: &[u64]) -> Option<ShownSql> {
        let f = &self.core.fields;
        shown_sql([&f.sql_address, &f.sql_hash, &f.sql_high], words)
    }

    /// The previous statement that a row shows, unconfirmed; `None` too when
    /// [`super::needs::PREVIOUS_SQL_NEEDS`] were not read.
    pub fn shown_previous_sql(&self, words: &[u64]) -> Option<ShownSql> {
        shown_sql(self.core.fields.previous_sql.each_ref(), words)
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
        let nearest = self.process.nearest(words);
        let waiting = self.core.waiting(words);
        let wait = waiting.then(|| (serial, Core::get(self.core.fields.seq, words)));
        let now_ns = frame.mono_ns + u64::from(frame.off_ns[i]);
        let observed_us = self.core.context.watch(slot, wait, now_ns);
        let context = &self.core.context;
        let owned = nearest.and_then(|o| context.owned(slot, serial, o));
        Row {
            words,
            slot,
            addr: self
                .addrs
                .get(slot as usize)
                .copied()
                .unwrap_or(TargetAddr::NULL),
            quality: quality.with(self.core.judge(words, slot, waiting)),
            wall_ns: frame.wall_ns + i64::from(frame.off_ns[i]),
            sql_id,
            os_pid: owned.and_then(|o| o.owner.os_pid),
            server: match nearest {
                Some(0) => Some("NONE"),
                _ => owned.and_then(|o| o.server),
            },
            serves: context.serves.as_ref().and_then(|s| s.get(&slot).copied()),
            waiting,
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

    /// What the values of column `c` follow from.
    pub fn basis(&self, c: usize) -> &Basis {
        self.bases.get(c).unwrap_or(&Basis::Nothing)
    }

    /// The number of a row from which the values of a column alone follow.
    #[inline]
    pub fn key(&self, key: Key, row: &Row<'_>) -> u64 {
        key.of(&self.core, row)
    }

    /// Whether a row's session counts as active.
    #[inline]
    pub fn is_active(&self, row: &Row<'_>) -> bool {
        self.core.is_active(row)
    }

    /// Whether a row's session executes PL/SQL.
    #[inline]
    pub fn in_plsql(&self, words: &[u64]) -> bool {
        self.core.in_plsql(words)
    }

    /// A 4-byte time, whether it can be one of a session's or not; see [`times::is_between`].
    pub fn time4(&self, value: u32, form: Stored) -> Option<i64> {
        times::seconds(value, form, &self.core.zone)
    }

    /// A 7-byte DATE, its first byte the lowest of the number.
    pub fn date7(&self, bytes: u64) -> Option<i64> {
        times::date7(&bytes.to_le_bytes()[..7], &self.core.zone)
    }

    /// The field of LOGON_TIME, if it is read.
    pub fn logon_field(&self) -> Option<FieldRef> {
        self.core.fields.logon
    }

    /// What of a row's words the columns at these places are made of: rows that agree in it, in
    /// slot, `sql_id` and `os_pid` show the same values.
    pub fn inputs(&self, places: &[usize]) -> Inputs {
        let fields = places.iter().filter_map(|place| self.fields.get(*place));
        Inputs::of(fields.flatten().copied())
    }

    /// A row's EVENT#, if it is read.
    pub fn event_no(&self, words: &[u64]) -> Option<u64> {
        Some(self.core.fields.event?.uint(words))
    }

    /// An event by its number, with its class if that is known.
    pub fn event(&self, number: u64) -> Option<(&Event, Option<&WaitClass>)> {
        let event = self.core.events.get(number)?;
        Some((event, self.core.events.class_of(event)))
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
        let claimed = match (&f.handle_high, &f.handle_low) {
            (Some(high), Some(low)) => Some(high.uint(words) << 32 | low.uint(words)),
            _ => None,
        };
        if claimed == Some(id) {
            self.core.confirm(id);
            return Ok(Some(id));
        }
        let known = self.core.is_confirmed(id);
        if known || (claimed.is_none() && self.core.trusted.0) {
            return Ok(Some(id));
        }
        Err(())
    }
}

#[inline]
fn shown_sql(fields: [&Option<FieldRef>; 3], words: &[u64]) -> Option<ShownSql> {
    let [address, hash, high] = fields;
    let handle = TargetAddr(address.as_ref()?.uint(words));
    let hash = hash.as_ref()?.uint(words) as u32;
    let id = high.as_ref().map(|h| h.uint(words) << 32 | u64::from(hash));
    (!handle.is_null() && hash != 0).then_some(ShownSql { handle, hash, id })
}

/// The reason of absence: the column's own, which the manual lists, then what the blueprint says.
fn reason(column: &Column, found: &str) -> String {
    match column.unless {
        "" => found.to_owned(),
        unless => format!("{unless}; {found}"),
    }
}
