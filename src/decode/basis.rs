//! What a column's values follow from, as far as it is less than the whole row.
//!
//! For: whoever decodes many rows. Numbers are had in a loop without asking each row anew what the
//! column is; a text is decoded once for each thing that it follows from. What comes out is by
//! definition what [`super::Decoder::value`] gives, which every basis may fall back on.
//!
//! Callers: `decoder`, and through it `sample::rows`.

use super::columns::{Column, Recipe, Special};
use super::core::Core;
use super::decoder::Row;
use super::inputs::Inputs;
use super::locks::XID_NEEDS;
use crate::blueprint::model::Stored;
use crate::plan::{BoundPlan, FieldRef, Need};

/// What a column's values follow from.
#[derive(Clone, Debug)]
pub enum Basis {
    /// Nothing: the column can't be had here, every row shows null.
    Nothing,
    /// The slot: its number, from 1.
    Slot,
    /// A field as an unsigned number, null where its chase faulted and at one value.
    Uint(FieldRef, Option<u64>),
    /// A field as a signed number.
    Int(FieldRef),
    /// The first field as an unsigned number, null where the second is zero.
    UintIf(FieldRef, FieldRef),
    /// A field as an unsigned number, null at zero and outside PL/SQL.
    UintInPlsql(FieldRef),
    /// A bit of a field, null where its chase faulted.
    Bit(FieldRef, u32),
    /// A 4-byte time, and the session's logon.
    Time4(FieldRef),
    /// A 7-byte DATE.
    Date7(FieldRef),
    /// For how long the wait has been watched.
    Observed,
    /// Process id of the server process.
    OsPid,
    /// Whether the session counts as active.
    Active,
    /// One number of the row's.
    Key(Key),
    /// These words, in the same slot.
    Words(Inputs),
    /// All of the row, and when it was read.
    Row,
}

/// A number from which alone a column's value follows.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// A field that isn't behind a pointer.
    Field(FieldRef),
    /// Whether it waits.
    Waiting,
    /// The event waited for, if it waits.
    EventNow,
    /// What was noticed while reading.
    Quality,
    /// The confirmed SQL_ID.
    SqlId,
}

impl Basis {
    /// The basis of a column that can be had; `second`: of two recipes it is the second.
    pub(super) fn of(column: &Column, second: bool, bound: &BoundPlan, core: &Core) -> Basis {
        let recipe = match column.recipe {
            Recipe::Either(_, recipe) if second => *recipe,
            Recipe::Either(recipe, _) => *recipe,
            recipe => recipe,
        };
        Basis::of_recipe(&recipe, bound, core).unwrap_or(Basis::Row)
    }

    fn of_recipe(recipe: &Recipe, bound: &BoundPlan, core: &Core) -> Option<Basis> {
        let field = |need: Need| bound.plan.field(need);
        let words = |needs: &[Need]| -> Option<Basis> {
            let fields: Option<Vec<FieldRef>> = needs.iter().map(|n| field(*n)).collect();
            Some(Basis::Words(Inputs::of(fields?.into_iter())))
        };
        match *recipe {
            Recipe::Slot => Some(Basis::Slot),
            Recipe::Uint(n) => Some(Basis::Uint(field(n)?, None)),
            Recipe::UintNull(n, null) => Some(Basis::Uint(field(n)?, Some(null))),
            Recipe::Int(n) => Some(Basis::Int(field(n)?)),
            Recipe::UintIf(n, condition) => Some(Basis::UintIf(field(n)?, field(condition)?)),
            Recipe::UintInPlsql(n) => Some(Basis::UintInPlsql(field(n)?)),
            Recipe::Bit(n, bit) => Some(Basis::Bit(field(n)?, bit)),
            Recipe::Time(n) => {
                let field = field(n)?;
                Some(match field.stored {
                    Stored::Date7 => Basis::Date7(field),
                    _ => Basis::Time4(field),
                })
            }
            Recipe::Address(n) | Recipe::Raw(n) | Recipe::Text(n) => words(&[n]),
            Recipe::Code(n, ..) | Recipe::Flag(n, ..) | Recipe::Flags(n, ..) => words(&[n]),
            Recipe::Blocker(n, _) => words(&[n]),
            Recipe::CountedText(text, length) => words(&[text, length]),
            Recipe::Xid => words(&XID_NEEDS),
            Recipe::SqlId => Some(Basis::Key(Key::SqlId)),
            Recipe::Special(special) => Basis::of_special(special, core),
            _ => None,
        }
    }

    fn of_special(special: Special, core: &Core) -> Option<Basis> {
        let f = &core.fields;
        let key = |field: Option<FieldRef>| {
            let inline = field.filter(|f| f.chase.is_none());
            inline.map(|field| Basis::Key(Key::Field(field)))
        };
        match special {
            Special::SessionKind | Special::SessionType | Special::Type => key(f.kind),
            Special::InVSession => Some(Basis::Bit(f.kind?, 0)),
            Special::Sniped => Some(Basis::Bit(f.idle?, 1)),
            Special::Event | Special::PText(_) | Special::WaitClass => key(f.event),
            Special::EventNow | Special::WaitClassNow => Some(Basis::Key(Key::EventNow)),
            Special::SessionState => Some(Basis::Key(Key::Waiting)),
            Special::CommandName => key(f.command),
            Special::ReadFlags => Some(Basis::Key(Key::Quality)),
            Special::WaitObserved => Some(Basis::Observed),
            Special::OsPid => Some(Basis::OsPid),
            Special::IsActive => Some(Basis::Active),
            _ => None,
        }
    }
}

impl Key {
    /// The number of a row.
    #[inline]
    pub(super) fn of(self, core: &Core, row: &Row<'_>) -> u64 {
        match self {
            Key::Field(field) => field.uint(row.words),
            Key::Waiting => u64::from(row.waiting),
            // numbers fit into 32 bits or are past the table, where one is as unknown as the other
            Key::EventNow if row.waiting => {
                let number = Core::get(core.fields.event, row.words);
                number.saturating_add(1)
            }
            Key::EventNow => 0,
            Key::Quality => u64::from(row.quality.0),
            Key::SqlId => row.sql_id.unwrap_or(0),
        }
    }
}
