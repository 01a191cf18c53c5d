//! What can go wrong with accounting for cost.

use std::path::PathBuf;

use crate::analyze::AnalyzeError;
use crate::record::RecordError;

/// An error of accounting.
#[derive(Debug, thiserror::Error)]
pub enum FinopsError {
    /// The recording can't be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A table of it isn't as it should be.
    #[error(transparent)]
    Columns(#[from] AnalyzeError),
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that a person wrote isn't what it should be.
    #[error("{}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What was expected, and found.
        message: String,
    },
    /// A file that this program wrote isn't what it should be.
    #[error("{}: line {line}: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Something too large to be counted.
    #[error("{0} is larger than can be counted exactly; account for a shorter time (--from, --to)")]
    TooLarge(&'static str),
    /// Rows can't be made; a defect.
    #[error(transparent)]
    Rows(#[from] arrow::error::ArrowError),
    /// JSON can't be made or read.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl FinopsError {
    /// For `map_err` of what is done with a file.
    pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> FinopsError + use<> {
        let path = path.to_path_buf();
        move |source| FinopsError::Io { path, source }
    }
}
