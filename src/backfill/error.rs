//! What can go wrong with an import.

use std::path::PathBuf;

use crate::blueprint::csv::CsvError;
use crate::record::RecordError;

/// Why a file was not imported.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The file can't be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is no CSV.
    #[error("{}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: CsvError,
    },
    /// Something in it isn't what it should be.
    #[error("{}: line {line}{}: expected {expected}, found {found}", path.display(), of(column))]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Name of the column; empty if it is about the whole line.
        column: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// What was asked for can't be or isn't enough.
    #[error("{0}")]
    Usage(String),
    /// Of the recording.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Rows don't fit the table; a defect.
    #[error("the rows don't fit the table: {0}; this is a defect")]
    Rows(#[from] arrow::error::ArrowError),
}

fn of(column: &str) -> String {
    match column {
        "" => String::new(),
        column => format!(", column {column}"),
    }
}
