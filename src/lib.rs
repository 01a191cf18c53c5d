//! sgascope reads the shared memory (SGA) of a running Oracle Database directly, without SQL, and
//! shows and records what every session does, many times a second, including the recursive
//! sessions that V$SESSION hides.
//!
//! The one path that data takes, and the order of the modules (each may use only those before it):
//!
//! ```text
//! memory ─ discover ─ blueprint ─ plan ─ walk ─ filter ─ decode ─ sample ─ record ─ backfill ─ image ─ analyze ─ bench ─ finops ─ export ─ cli
//! ```
//!
//! Layouts are data ([`blueprint`]); every read of the target is bounded ([`memory`]); the sampling
//! thread neither allocates nor formats ([`walk`], [`sample`]); values are decoded as the V$ views
//! show them or carry the reason why not ([`decode`]).

pub mod analyze;
pub mod backfill;
pub mod bench;
pub mod blueprint;
pub mod cli;
pub mod decode;
pub mod discover;
pub mod export;
pub mod filter;
pub mod finops;
pub mod image;
pub mod memory;
pub mod plan;
pub mod record;
pub mod sample;
pub mod walk;
