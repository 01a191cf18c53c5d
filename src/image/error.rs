//! Why there is no image.

use std::path::PathBuf;

use crate::memory::image::ImageError;
use crate::sample::AttachError;

/// Why an image could not be captured or sliced.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There is nothing to read.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The file can't be written, or can't be gone on with.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file of that name is there.
    #[error("{} exists; remove it or name another file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// What is asked for can't be had together, or isn't there.
    #[error("{0}")]
    Asked(String),
    /// The instance went away meanwhile.
    #[error("instance {sid} went away while it was captured: {reason}; what was captured is in {}", partial.display())]
    Gone {
        /// The instance.
        sid: String,
        /// What is gone.
        reason: String,
        /// The unfinished file.
        partial: PathBuf,
    },
}
