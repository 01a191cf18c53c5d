//! Captured images: memory in compressed, checked chunks, with a table of what is where.
//!
//! For: writing one as memory is read ([`FreezingSpace`], [`ImageWriter`]), and reading it back
//! ([`ImageSpace`]). The file is described in `docs/image-format.md`.
//!
//! Not for: what is worth capturing, and what the other members of the table mean: the module
//! `image` knows.
//!
//! Callers: `image`, `sample`.

mod error;
mod format;
mod freeze;
mod index;
mod space;
mod store;
#[cfg(test)]
mod tests;
mod write;

pub use error::ImageError;
pub use format::{ChunkEntry, Run, VERSION};
pub use freeze::{Clock, FreezingSpace, Torn, Unit};
pub use space::ImageSpace;
pub use write::{ImageWriter, Written, partial_path};

/// The eight bytes with which an image begins.
pub const MAGIC: &[u8; 8] = format::HEAD_MAGIC;
