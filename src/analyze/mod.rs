//! What samples add up to.
//!
//! For: the ashtop-like report ([`report`]) with its filters, intervals ([`aas`]) and renderings
//! ([`render`]), several groupings and timelines from one pass ([`survey`]), comparisons of two
//! windows ([`compare`]); wait chains and final blockers ([`chains`]);
//! the decision table of sessions, processes and the operating system ([`reconcile`]); the use of
//! limits ([`resource_limit`]); activity by time and all that a page narrows by ([`cube`]);
//! conditions on ticks, by which a recorder looks closer ([`trigger`]).
//!
//! Not for: drawing screens, reading files other than through `record`, reading memory.
//!
//! Callers: `export`, `cli`.

pub mod aas;
pub mod chains;
pub(crate) mod columns;
pub mod compare;
pub mod compare_render;
#[cfg(test)]
mod compare_tests;
mod condition;
pub mod cube;
mod distinct;
mod error;
mod execs;
pub mod filter;
pub mod reconcile;
pub mod render;
pub mod report;
pub mod resource_limit;
mod shares;
mod slice_ticks;
pub(crate) mod student;
mod sums;
pub mod survey;
mod symbols;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod texts;
pub mod timeline;
pub mod trigger;
#[cfg(test)]
mod truth_tests;
mod value;
mod variance;
#[cfg(test)]
mod variance_tests;
mod watched;

pub use error::AnalyzeError;
pub use filter::Filter;
pub use report::{Include, ReportOptions, report_recording};
pub use survey::{Grouping, StepsWanted, Surveyed, last_tick_us, survey_recording};
pub use table::{ReportMeta, ReportTable, Row};
pub use timeline::{Series, Steps, Timeline};
pub use value::Value;
