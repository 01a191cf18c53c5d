//! Consumer groups of the sessions of a recording, or of one look.
//!
//! For: which group the rules give each session, when it switches, which rule won and which lost, and
//! where the actual group differs ([`evaluate`]); what another set of rules would have moved
//! ([`what_if`]); which calls would have passed a plan directive's limits ([`limits`]).
//!
//! Not for: reading rules, printing. Callers: `cli`.

mod blockers;
mod calls;
mod counters;
pub mod evaluate;
mod follow;
mod judged;
pub mod limits;
mod rows;
pub mod what_if;

pub use follow::Declared;
pub use rows::Window;
