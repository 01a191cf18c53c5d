//! What was found, in the forms that other programs read.
//!
//! For: flamegraphs ([`flame`]), speedscope ([`speedscope`]) and folded stacks ([`stacks`]) of
//! where time went.
//!
//! Not for: computing anything. Callers: `cli`.

pub mod colors;
pub mod flame;
pub mod speedscope;
pub mod stacks;
#[cfg(test)]
mod tests;

pub use stacks::Stacks;
