//! One tick: every row by its proven place, gate first, then spans, then guard, into a [`Frame`].
//!
//! For: copying raw words of the selected rows, with a quality word that says what was noticed
//! while copying.
//!
//! Not for: decoding, waiting, allocating, formatting. A walk makes no system call of its own; with
//! memory that isn't mapped (`process_vm_readv`) each span is one.
//!
//! Callers: `sample`, `cli` (a dump is one walk; `blueprint explain`).

mod chase;
pub mod explain;
mod frame;
mod gate;
mod mapped;
mod reads;
mod sweep;
#[cfg(test)]
mod tests;

pub use frame::{Frame, Quality};
pub use gate::{GateFields, STATE_FLAG, Select};
pub use sweep::Walker;
