//! Raw words to typed values, exactly as the V$ views show them, or the reason for absence.
//!
//! For: the one table of columns ([`columns`]: name, unit, type, help, recipe), from which dump,
//! recording and reports take theirs; the recipes ([`decoder`]), and what decoding many rows at once
//! may rely on ([`basis`]); character sets ([`text`]); dates
//! ([`dates`]); what is known beyond a row ([`context`]); statements without literals and passwords
//! ([`redact`]); transactions ([`locks`]).
//!
//! Not for: reading memory. What a recipe needs was copied by `walk`.
//!
//! Callers: `sample`, `record` (through Arrow batches), `cli`.

pub mod basis;
pub mod columns;
pub mod context;
mod core;
pub mod dates;
pub mod decoder;
#[cfg(test)]
mod golden_tests;
mod inputs;
mod kslwt;
pub mod locks;
pub mod needs;
pub mod processes;
mod recipes;
pub mod redact;
pub mod sides;
pub mod statistics;
pub mod text;
pub mod value;

pub use basis::{Basis, Key};
pub use columns::{COLUMNS, Column, Home, Kind, Scope};
pub use context::{Context, Owner};
pub use decoder::{Decoder, Row, ShownSql};
pub use inputs::Inputs;
pub use value::Value;
