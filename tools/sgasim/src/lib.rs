//! sgasim: a synthetic Oracle instance, as far as a reader of its shared memory can see one.
//!
//! Real segments at Oracle's addresses, an executable that describes them, rows that a workload keeps changing, and the
//! truth about every change. It shares no code with the reader, so that both can't be wrong in the same way.

pub mod alert;
pub mod control;
pub mod core;
pub mod engine;
pub mod exe;
pub mod expected;
pub mod instance;
pub mod layout;
pub mod names;
pub mod pmon;
pub mod registry;
pub mod revealed;
pub mod scripted;
pub mod segments;
pub mod spool;
pub mod sql;
pub mod trace;
pub mod truth;
pub mod truth_spool;
