//! What samples add up to.
//!
//! For: the ashtop-like report ([`report`]) with its filters, intervals ([`aas`]) and renderings
//! ([`render`]), whose samples come as record batches; wait chains and final blockers ([`chains`]);
//! the decision table of sessions, processes and the operating system ([`reconcile`]); the use of
//! limits ([`resource_limit`]); conditions on ticks, by which a recorder looks closer ([`trigger`]).
//!
//! Not for: drawing screens, reading files other than through `record`, reading memory.
//!
//! Callers: `cli`.

pub mod aas;
pub mod chains;
mod columns;
mod distinct;
mod error;
pub mod filter;
pub mod reconcile;
pub mod render;
pub mod report;
pub mod resource_limit;
mod table;
#[cfg(test)]
mod tests;
pub mod trigger;
mod value;

pub use error::AnalyzeError;
pub use filter::Filter;
pub use report::{Include, Report, ReportOptions, report_recording};
pub use table::{ReportMeta, ReportTable, Row};
pub use value::Value;
