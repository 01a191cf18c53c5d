//! Layouts as data: the blueprint of one exact Oracle executable.
//!
//! For: the JSON model ([`model`]), reading and writing it ([`load`]), its semantic rules
//! ([`checks`]), the facts of an `oracle` executable ([`elf`], [`symbols`], [`banner`], [`kqf`],
//! [`columns`], [`views`], [`view_text`]), of spooled fixed tables ([`spool`], [`csv`], [`sqlplus`]) and of oradebug traces
//! ([`trace`]), their merging ([`facts`], [`merge`]) and what is made of them ([`assemble`],
//! [`runs`]), what must be true of rows ([`invariant`]), hints for what no source can say ([`hints`]), the registry ([`registry`]), differences
//! ([`diff`]) and a view for people ([`show`]).
//!
//! Not for: reading live memory; that a claim of a blueprint holds on a live instance is proven by
//! `plan` when it binds.
//!
//! Callers: `plan`, `decode` (rules and dictionaries), `sample`, `record` (identity), `cli`.

pub mod assemble;
pub mod banner;
pub mod calibrate;
pub mod checks;
pub mod columns;
pub mod csv;
pub mod dictionaries;
pub mod diff;
pub mod elf;
mod elf_pieces;
pub mod error;
pub mod facts;
pub mod finding;
pub mod hints;
pub mod invariant;
pub mod kqf;
pub mod load;
pub mod merge;
pub mod model;
mod overlap;
pub mod registry;
pub mod runs;
pub mod show;
pub mod spool;
pub mod sqlplus;
mod stated_checks;
mod statistics;
pub mod symbols;
pub mod trace;
pub mod view_rules;
pub mod view_text;
pub mod views;

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod test_elf;
#[cfg(test)]
mod testing;

pub use assemble::{assemble, executable, from_executable};
pub use elf::ExeReader;
pub use error::ExtractError;
pub use hints::{Hints, HintsError};
pub use load::BlueprintError;
pub use model::Blueprint;
pub use registry::Registry;
pub use symbols::holds_kqftab;
