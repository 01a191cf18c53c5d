//! Raw words to typed values, exactly as the V$ views show them, or the reason for absence.
//!
//! For: the one table of columns ([`columns`]: name, unit, type, help, recipe), from which dump,
//! recording and reports take theirs; the recipes ([`decoder`]); character sets ([`text`]); dates
//! ([`dates`]); transactions and blockers ([`locks`]).
//!
//! Not for: reading memory. What a recipe needs was copied by `walk`.
//!
//! Callers: `sample`, `record` (through Arrow batches), `cli`.

pub mod columns;
mod core;
pub mod dates;
pub mod decoder;
pub mod locks;
pub mod text;
pub mod value;

pub use columns::{COLUMNS, Column, Kind, Scope};
pub use decoder::{Decoder, Row};
pub use value::Value;
