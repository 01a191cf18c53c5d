//! Images of an SGA: what is worth capturing, what an image says of itself, parts of one.
//!
//! For: [`capture`], which reads all that any verb would read while memory stands still for it, so
//! that answers from the image are those of the live instance at that moment; [`Info`];
//! [`slice`], for a part to attach to a bug report.
//!
//! Not for: the file's form and reading memory from it (`memory::image`), or opening one to be read
//! by a verb (`sample::Attachment`).
//!
//! Callers: `cli`.

mod capture;
mod error;
mod info;
mod reach;
mod slice;

pub use capture::{CaptureOptions, capture};
pub use error::CaptureError;
pub use info::Info;
pub use slice::{Part, slice};
