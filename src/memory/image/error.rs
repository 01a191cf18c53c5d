//! What can be wrong with an image file, each with the place, what was expected and what was found.

use std::io;
use std::path::{Path, PathBuf};

/// Why an image can't be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    /// The file can't be opened, read or written.
    #[error("can't {what} {}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Kind of the system's answer.
        kind: io::ErrorKind,
        /// The system's answer.
        reason: String,
    },
    /// A capture that was interrupted.
    #[error(
        "{} is no whole image: {found}; if its capture was interrupted, go on with: \
         sgascope image capture --resume", path.display()
    )]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// What is missing.
        found: String,
    },
    /// Written by a newer program.
    #[error(
        "{} has version {found} of the image format, this program reads up to {expected}; \
         use a newer sgascope", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Newest version that can be read.
        expected: u32,
        /// Its version.
        found: u32,
    },
    /// Bytes that can't be what was written.
    #[error(
        "{} is damaged: {what} at file offset {offset:#x}: expected {expected}, found {found}; \
         copy the image again from where it was captured", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part, with the target addresses that it holds.
        what: String,
        /// Where it begins in the file, in bytes.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Somebody else writes it now.
    #[error("{} is being written by another capture; wait for it, or end it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// What was begun is another instance's, or was begun with other options.
    #[error(
        "{} was begun with another {what}: {found}, now {expected}; remove it and capture anew",
        path.display()
    )]
    Other {
        /// The unfinished file.
        path: PathBuf,
        /// What differs.
        what: String,
        /// What is captured now.
        expected: String,
        /// What was begun.
        found: String,
    },
    /// The memory that is captured can't be read.
    #[error("memory that was to be captured can't be read: {0}")]
    Memory(super::super::Fault),
}

impl ImageError {
    pub(super) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> ImageError {
        let path = path.to_owned();
        move |error| ImageError::Io {
            path,
            what,
            kind: error.kind(),
            reason: error.to_string(),
        }
    }
}
