//! Whose load it is.
//!
//! For: tenants and consumer groups by Oracle's own session-to-consumer-group mapping rules, what
//! plan directives would have done, and what load costs whom.
//!
//! Not for: reading memory, sampling, or printing.
//!
//! Callers: `export`, `cli`.

pub mod account;
pub mod checks;
pub mod dead_letters;
pub mod deltas;
pub mod directives;
mod error;
pub mod files;
pub mod focus;
pub mod groups;
pub mod import;
pub mod mapping;
pub mod money;
pub mod prices;
pub mod quota;
pub mod rows;
pub mod rules_file;
pub mod sampled;
pub mod statement;
pub mod tenants;
pub mod usage;

pub use error::FinopsError;
