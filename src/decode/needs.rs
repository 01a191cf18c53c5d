//! Which fields each recipe reads.
//!
//! Callers: `columns`, and through it whoever compiles a plan.

use super::columns::{Column, Recipe, Special};
use super::locks::XID_NEEDS;
use crate::plan::{Need, row, via};

/// Fields that every decoder needs whatever the columns: kind, status, waits, and what confirms
/// SQL_ID.
pub const CORE_NEEDS: &[Need] = &[
    row("KSUSENUM"),
    row("KSUSEIDL"),
    row("KSUSEOPC"),
    row("KSUSETIM"),
    row("KSUSSTMBV"),
    row("KSUSESQL"),
    row("KSUSESQH"),
    row("sql_id_high"),
    via("KSUSESQL", "sql_id_high"),
    via("KSUSESQL", "sql_id_low"),
    row("KSLWTINWAIT"),
    row("KSLWTFLAGS"),
    row("KSLWTSTIME"),
    row("KSLWTLTIME"),
    row("KSLWTTREM"),
];

/// Fields by which the text of a session's previous statement is found; only who shows texts reads
/// them.
pub const PREVIOUS_SQL_NEEDS: [Need; 3] =
    [row("KSUSEPSQ"), row("KSUSEPHA"), row("prev_sql_id_high")];

impl Column {
    /// The fields that the recipe reads.
    pub fn needs(&self) -> Vec<Need> {
        self.recipe.needs()
    }
}

impl Recipe {
    fn needs(&self) -> Vec<Need> {
        match *self {
            Recipe::Uint(n)
            | Recipe::UintNull(n, _)
            | Recipe::Int(n)
            | Recipe::Address(n)
            | Recipe::Raw(n) => vec![n],
            Recipe::Text(n) | Recipe::Code(n, _, _) | Recipe::Bit(n, _) | Recipe::Since(n) => {
                vec![n]
            }
            Recipe::Flag(n, _, _, _) | Recipe::Flags(n, _, _) | Recipe::UintInPlsql(n) => vec![n],
            Recipe::Blocker(n, _) => vec![n],
            Recipe::Time(n) => vec![n, row("KSUSELTM")],
            Recipe::UintIf(a, b) | Recipe::CountedText(a, b) => vec![a, b],
            Recipe::PlainSqlId(a, b, c) | Recipe::CountedUint(a, b, c) => vec![a, b, c],
            Recipe::Either(a, b) => [a.needs(), b.needs()].concat(),
            Recipe::Xid => XID_NEEDS.to_vec(),
            Recipe::Made(needs, _) => needs.to_vec(),
            Recipe::ProcessAddress => vec![row("owner"), via("owner", "owner")],
            Recipe::Special(special) => special.needs(),
            Recipe::RowAddress | Recipe::Slot | Recipe::SqlId | Recipe::NotStored(_) => Vec::new(),
        }
    }
}

impl Special {
    fn needs(self) -> Vec<Need> {
        match self {
            Special::SecondsInWait => vec![row("wait_stamp")],
            Special::CommandName => vec![row("KSUUDOCT")],
            Special::TracePlanStats => vec![row("KSUSEFLG2")],
            Special::FailoverType => vec![row("KSUSEFT")],
            Special::Age => vec![row("KSUSELTM")],
            Special::SessionType | Special::SessionKind | Special::InVSession => {
                vec![row("KSUSEFLG")]
            }
            Special::Sniped => vec![row("KSUSEIDL")],
            Special::WaitObserved => vec![row("KSUSESER")],
            Special::OwnersServer | Special::OsPid => vec![row("KSUSEPRO"), row("owner")],
            Special::Serves(_) => Recipe::ProcessAddress.needs(),
            _ => Vec::new(),
        }
    }
}
