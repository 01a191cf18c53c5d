//! Whose load it is.
//!
//! For: tenants and consumer groups by Oracle's own session-to-consumer-group mapping rules, what
//! plan directives would have done, and what load costs whom.
//!
//! Not for: reading memory, sampling, or printing.
//!
//! Callers: `export`, `cli`.

pub mod directives;
pub mod mapping;
pub mod rules_file;
pub mod tenants;
