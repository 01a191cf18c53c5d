//! What samples add up to.
//!
//! For: the ashtop-like report ([`report`]) with its filters, intervals ([`aas`]) and renderings
//! ([`render`]); wait chains and final blockers ([`chains`]). Samples come as record batches, from a recording or live.
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
pub mod render;
pub mod report;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use error::AnalyzeError;
pub use filter::Filter;
pub use report::{Include, Report, ReportOptions, report_recording};
pub use table::{ReportMeta, ReportTable, Row};
pub use value::Value;
