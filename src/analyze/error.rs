//! What can go wrong with an analysis.

use crate::filter::FilterError;
use crate::record::RecordError;

/// An error of an analysis.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The samples have no such column.
    #[error("no column `{column}`; there are: {available}")]
    NoColumn {
        /// The column asked for.
        column: String,
        /// The columns there are.
        available: String,
    },
    /// A column of the samples has a type that it can't have.
    #[error("column `{column}` has type {found}, {expected} expected")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The type it should have.
        expected: &'static str,
    },
    /// A filter word that isn't one.
    #[error("`{word}` is no filter; write column=value or column!=value, with % for any text")]
    Filter {
        /// The word.
        word: String,
    },
    /// A condition that can't be understood.
    #[error(transparent)]
    Condition(#[from] FilterError),
    /// The recording can't be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}
