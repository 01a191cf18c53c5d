//! The sampler against SQL polling, side by side on this host.
//!
//! For: both look at all sessions at the same rates for the same time ([`run`]): the sampler straight
//! from memory ([`sampling`]), an SQL client that stays connected from the database's views
//! ([`polling`], [`client`]). Each is billed with all its CPU time: the SQL client with its server
//! process, the sampler with its thread and with decoding. What one poll got beside what the other
//! did is told too ([`seen`]). [`peers`] has what others say of themselves.
//!
//! Not for: the form of the result (`export`, `cli`), or for judging one by the other's truth.
//!
//! Callers: `cli`, `export` (the page).

pub mod client;
pub mod dialect;
pub mod document;
pub mod load;
pub mod peers;
pub mod polling;
pub mod run;
pub mod sampling;
pub mod seen;
mod spread;

pub use client::{Client, PollError};
pub use dialect::{Dialect, Query};
pub use document::{Document, Side, Step, times};
pub use run::{BenchError, Options, Polling, run};
