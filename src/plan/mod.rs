//! From a blueprint to reads: what is accepted on this target, which spans to copy, where rows are.
//!
//! Three steps, each once per instance start: [`accept`] tries every claim of the blueprint that
//! needs proof on live rows and finds the arrays, and [`verify`] that the rows are such rows; [`compile`] turns the fields that a caller
//! [`Need`]s into a flat list of spans and pointer chases; [`bind`] joins the two into a
//! [`BoundPlan`], whose row places are proven to lie inside one region each.
//!
//! Not for: decoding values, or reading rows again and again (that is `walk`).
//!
//! Callers: `walk`, `decode`, `sample`, `cli`.

pub mod accept;
pub mod arrays;
pub mod bind;
pub mod cell;
pub mod compile;
pub mod events;
pub mod handle;
pub mod statistics;
pub mod tails;
pub mod times;

pub use accept::invariants::verify;
pub use accept::{Accepted, Outcome, Verdict, accept};
pub use arrays::RowTable;
pub use bind::{BoundPlan, bind};
pub use cell::FieldRef;
pub use compile::{Chase, Plan, Span, compile};
pub use events::{Event, EventTable, TextAt};
pub use statistics::{Asked, Counter, StatisticPlan};
pub use tails::Tail;
pub use times::Moment;

/// A field that a caller wants to see: of the row itself, or of a structure that a pointer of the
/// row leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// The pointer field of the row that leads to the structure; `None`: the row itself.
    pub via: Option<&'static str>,
    /// Field name in the row structure, or in the structure that `via` points to.
    pub field: &'static str,
}

/// A field of the row itself.
pub const fn row(field: &'static str) -> Need {
    Need { via: None, field }
}

/// A field behind a pointer of the row.
pub const fn via(pointer: &'static str, field: &'static str) -> Need {
    Need {
        via: Some(pointer),
        field,
    }
}

/// Why a blueprint doesn't fit the target it is tried on.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The blueprint lacks something without which nothing can be read.
    #[error(
        "blueprint {id} lacks {what}; extract it again from the instance's own executable, or add it to a hints file"
    )]
    Incomplete {
        /// Blueprint id.
        id: String,
        /// What is missing.
        what: String,
    },
    /// The blueprint contradicts the memory.
    #[error(
        "blueprint {id} does not fit this memory: {what} (expected {expected}, found {found}); check that it was made from this instance's executable"
    )]
    Unfit {
        /// Blueprint id.
        id: String,
        /// What was tested, with its address.
        what: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}
