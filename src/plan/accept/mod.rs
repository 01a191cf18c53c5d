//! Acceptance: which claims of a blueprint hold on this memory.
//!
//! What an executable says of its own structures is taken as it is once the build-id has matched. A
//! claim that comes from anywhere else (hints) carries a test, and is used only if live rows pass it:
//! row i holds i + 1, pointers lead into segments, hashes of texts come out right. What fails, or
//! can't be tested because no row has a value, is absent with that reason.
//!
//! Rows move while they are tested, so weak tests need most rows, and a proof by MD5 needs few.

mod counters;
mod fields;
pub mod invariants;
mod processes;
mod proofs;
mod search;
mod times;

use std::collections::BTreeMap;

use super::PlanError;
use super::arrays::{self, RowTable, read_uint};
use super::handle::HandleLayout;
use super::times::Moment;
use crate::blueprint::model::{Accept, Blueprint, Field, Stored, Struct};
use crate::memory::{AddressSpace, TargetAddr};

/// Rows that a field's test looks at.
const SAMPLE_ROWS: usize = 256;
/// Share of rows that must pass a weak test.
const MOST: f64 = 0.9;

/// The end of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, at this offset.
    Accepted(u64),
    /// It doesn't, at any offset tried.
    Refused,
    /// No row has a value to test it on.
    Untested,
}

/// What was tested, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Structure and field.
    pub strukt: String,
    /// Field name.
    pub field: String,
    /// The end.
    pub verdict: Verdict,
    /// Rows that passed.
    pub agreed: usize,
    /// Rows that were tested.
    pub tested: usize,
}

/// All that holds on this memory.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// The session rows.
    pub sessions: RowTable,
    /// The process rows; empty when they weren't found.
    pub processes: RowTable,
    /// Tests and their ends, in order.
    pub outcomes: Vec<Outcome>,
    /// Layout of a parent cursor's handle, as far as it holds.
    pub handle: HandleLayout,
    /// Number of per-session statistics, where found.
    pub statistics: Option<u64>,
    /// When this memory is of, and the zone of its dates.
    pub moment: Moment,
    verdicts: BTreeMap<(String, String), Verdict>,
    forms: BTreeMap<(String, String), Stored>,
}

impl Accepted {
    /// How a field is stored: as live rows have shown, else as the blueprint says.
    pub fn stored(&self, strukt: &str, field: &Field) -> Stored {
        let shown = self.forms.get(&(strukt.to_owned(), field.name.clone()));
        shown.copied().unwrap_or(field.stored)
    }

    /// Whether live rows have passed the field's test, or it needs none.
    pub fn is_proven(&self, strukt: &str, field: &Field) -> bool {
        let verdict = self.verdicts.get(&(strukt.to_owned(), field.name.clone()));
        field.accept.is_none() || matches!(verdict, Some(Verdict::Accepted(_)))
    }

    /// The offset at which a field may be read, or the reason why it may not.
    ///
    /// A field that no row could test at attach (an idle instance shows no statement) may be read
    /// all the same if each of its values proves itself: a SQL_ID by its handle or by MD5, a text by
    /// the length beside it, a time by the logon before it. `decode` then shows proven values only.
    pub fn offset(&self, strukt: &str, field: &Field) -> Result<u64, String> {
        if field.accept.is_none() {
            return Ok(field.offset);
        }
        match self.verdicts.get(&(strukt.to_owned(), field.name.clone())) {
            Some(Verdict::Accepted(offset)) => Ok(*offset),
            Some(Verdict::Untested) if proves_itself(field) => Ok(field.offset),
            Some(Verdict::Refused) => Err(format!(
                "{strukt}.{} was refused by live rows at every offset tried",
                field.name
            )),
            Some(Verdict::Untested) => Err(format!(
                "{strukt}.{} could not be tested: no row has a value",
                field.name
            )),
            None => Err(format!("{strukt}.{} was not tested", field.name)),
        }
    }

    fn record(
        &mut self,
        strukt: &str,
        field: &str,
        verdict: Verdict,
        (agreed, tested): (usize, usize),
    ) {
        self.verdicts
            .insert((strukt.to_owned(), field.to_owned()), verdict.clone());
        self.outcomes.push(Outcome {
            strukt: strukt.to_owned(),
            field: field.to_owned(),
            verdict,
            agreed,
            tested,
        });
    }
}

/// Whether each value of a field is proven when it is decoded.
fn proves_itself(field: &Field) -> bool {
    matches!(
        field.accept,
        Some(Accept::SqlId | Accept::SqlText | Accept::TextAndLength | Accept::Time4)
    )
}

/// Tries a blueprint on memory, which is of a moment.
///
/// # Errors
/// [`PlanError::Unfit`] when no session array is found where the blueprint says, since then nothing
/// else means anything; [`PlanError::Incomplete`] when it doesn't even say where.
pub fn accept(
    blueprint: &Blueprint,
    space: &dyn AddressSpace,
    moment: Moment,
) -> Result<Accepted, PlanError> {
    let mut trial = Trial {
        blueprint,
        space,
        accepted: Accepted {
            moment,
            ..Accepted::default()
        },
    };
    trial.sessions()?;
    trial.used_flag();
    trial.processes();
    let used = trial.used_rows();
    trial.handles(&used);
    trial.times(&used);
    trial.row_fields(&used);
    trial.process_fields();
    trial.counters();
    Ok(trial.accepted)
}

struct Trial<'a> {
    blueprint: &'a Blueprint,
    space: &'a dyn AddressSpace,
    accepted: Accepted,
}

impl Trial<'_> {
    /// Rows that claim to be in use, as far as a sample goes.
    fn used_rows(&self) -> Vec<TargetAddr> {
        let flag = self
            .session_field("KSSPAFLG")
            .and_then(|f| Some((self.accepted.offset(&self.row_struct_name(), f).ok()?, 1)));
        let kind = self.session_field("KSUSEFLG").map(|f| (f.offset, f.size));
        let (Some(flag), Some(kind)) = (flag, kind) else {
            return Vec::new();
        };
        let value = |row: &TargetAddr, (offset, size): (u64, u64)| {
            read_uint(self.space, row.checked_add(offset)?, size).ok()
        };
        let table = &self.accepted.sessions;
        table
            .addrs
            .iter()
            .zip(&table.spots)
            .filter(|(_, spot)| spot.is_ok())
            .map(|(addr, _)| *addr)
            .filter(|row| {
                value(row, flag).is_some_and(|f| f & 1 != 0)
                    && value(row, kind).is_some_and(|f| f & 3 != 0)
            })
            .take(SAMPLE_ROWS)
            .collect()
    }

    fn strukt(&self, name: &str) -> Result<&Struct, PlanError> {
        self.blueprint
            .strukt(name)
            .ok_or_else(|| self.incomplete(&format!("the structure {name}")))
    }

    fn blueprint_row(&self) -> Result<&Struct, PlanError> {
        let array = arrays::find(self.blueprint, "sessions")?;
        self.strukt(&array.row)
    }

    fn row_struct_name(&self) -> String {
        self.blueprint_row()
            .map_or_else(|_| String::new(), |s| s.name.clone())
    }

    fn session_field(&self, name: &str) -> Option<&Field> {
        self.blueprint_row().ok()?.field(name)
    }

    fn incomplete(&self, what: &str) -> PlanError {
        PlanError::Incomplete {
            id: self.blueprint.id.clone(),
            what: what.to_owned(),
        }
    }
}
