//! Wait chains: who waits for whom, down to the final blocker, and how much time each chain took.
//!
//! For: chains of one look at all sessions ([`graph`], [`follow`]), summed up over many looks
//! ([`Chains`]), as Tanel Poder's ash_wait_chains.sql prints them; who blocks others now
//! ([`blockers`]).
//!
//! Edges come by three routes, the most trusted first, and say which: `blocker` (Oracle's own word,
//! KSUSEBLOCKER, where a blueprint has its place), `tx` (P2 and P3 of a TX enqueue wait are the XID
//! that a session's transaction has), `inferred` (no XID can be read: the only session whose
//! transaction it can be). A wait for another session that nothing names ends its chain as unknown.
//!
//! Not for: reading memory. Callers: `cli`.

mod batches;
mod blockers;
pub mod follow;
pub mod graph;
mod infer;
mod labels;
pub mod render;
mod table;
mod tally;
#[cfg(test)]
mod tests;

pub use blockers::{Blocking, blockers};
pub use graph::{Route, Xid};
pub use table::{ChainRow, ChainTable, ChainsMeta, FinalBlocker, FinalRow, Node};
pub use tally::{Chains, ChainsOptions, chains_recording};
