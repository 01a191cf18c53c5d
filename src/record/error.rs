//! What can go wrong with a recording.

use std::path::{Path, PathBuf};

/// The kind of a [`RecordError`], by which a caller chooses what to do and the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordErrorKind {
    /// There is no recording, no such table or no such column there.
    NotFound,
    /// Something is there, but it can't be read as what it should be.
    Damaged,
    /// Another recorder writes there.
    Locked,
    /// The batch given doesn't fit the table.
    Schema,
    /// The file system has no room; what was given before is kept and can be flushed later.
    DiskFull,
    /// The operating system refused.
    Io,
}

/// An error of reading or writing a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No recording at this path.
    #[error("{}: no recording there ({detail}); give the directory that `record -o` wrote", path.display())]
    NoRecording {
        /// The directory asked for.
        path: PathBuf,
        /// What was missing.
        detail: String,
    },
    /// No such table in the recording.
    #[error("{}: this recording has no rows of a table `{table}`; it has tables: {available}", path.display())]
    NoTable {
        /// The recording's directory.
        path: PathBuf,
        /// The table asked for.
        table: String,
        /// The tables there are.
        available: String,
    },
    /// No such column in the table.
    #[error("no column `{column}` in table `{table}`; it has: {available}")]
    NoColumn {
        /// The table.
        table: String,
        /// The column asked for.
        column: String,
        /// The columns there are.
        available: String,
    },
    /// A file is not what it should be.
    #[error("{}: damaged at byte {offset}: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file, in bytes, as far as known (0 if not).
        offset: u64,
        /// What was expected and what was found.
        detail: String,
    },
    /// Another recorder holds the directory.
    #[error(
        "{}: another recorder is writing there ({holder}); choose another directory or stop it first", path.display()
    )]
    Locked {
        /// The recording's directory.
        path: PathBuf,
        /// Process id and start of the one that writes, as far as it said so.
        holder: String,
    },
    /// A batch doesn't fit its table.
    #[error("table `{table}`: {detail}")]
    Schema {
        /// The table.
        table: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// The file system is full.
    #[error(
        "{}: no room left on the file system; recording goes on when there is room", path.display()
    )]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}

impl RecordError {
    /// The kind of this error.
    pub fn kind(&self) -> RecordErrorKind {
        match self {
            RecordError::NoRecording { .. }
            | RecordError::NoTable { .. }
            | RecordError::NoColumn { .. } => RecordErrorKind::NotFound,
            RecordError::Damaged { .. } => RecordErrorKind::Damaged,
            RecordError::Locked { .. } => RecordErrorKind::Locked,
            RecordError::Schema { .. } => RecordErrorKind::Schema,
            RecordError::DiskFull { .. } => RecordErrorKind::DiskFull,
            RecordError::Io { .. } => RecordErrorKind::Io,
        }
    }

    /// Whether there is no such file any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, RecordError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    pub(super) fn io(path: &Path, source: std::io::Error) -> RecordError {
        let full = matches!(
            source.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
        let path = path.to_path_buf();
        if full {
            RecordError::DiskFull { path }
        } else {
            RecordError::Io { path, source }
        }
    }

    pub(super) fn damaged(path: &Path, offset: u64, detail: impl Into<String>) -> RecordError {
        RecordError::Damaged {
            path: path.to_path_buf(),
            offset,
            detail: detail.into(),
        }
    }

    pub(super) fn schema(table: &str, detail: impl Into<String>) -> RecordError {
        RecordError::Schema {
            table: table.to_owned(),
            detail: detail.into(),
        }
    }
}
