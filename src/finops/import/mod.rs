//! What a database administrator has, to a file of rules.
//!
//! For: the calls of DBMS_RESOURCE_MANAGER and DBMS_RESOURCE_MANAGER_PRIVS as they stand in scripts
//! ([`calls`]), and CSV files of the views DBA_RSRC_GROUP_MAPPINGS, DBA_RSRC_MAPPING_PRIORITY,
//! DBA_RSRC_CONSUMER_GROUP_PRIVS, DBA_RSRC_PLAN_DIRECTIVES, DBA_USERS and DBA_ROLE_PRIVS ([`csv`]).
//! Files add up, in their order.
//!
//! Not for: running PL/SQL. What isn't a literal is an error that names its place: a rule that is left
//! out silently would move load to somebody else. Callers: `cli`.

mod apply;
mod calls;
mod csv;
#[cfg(test)]
mod documentation_tests;
mod lexer;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::files;
use super::rules_file::RulesFile;
use crate::blueprint::csv::CsvError;

/// Why something can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The system's reason.
    #[error("{}: {source}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something that can't be understood or evaluated.
    #[error("{}: line {line}, column {column}: expected {expected}, found {found}", path.display())]
    Content {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, from 1, in characters; in a CSV file the field's number.
        column: u64,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// No CSV file.
    #[error("{}: {source}", path.display())]
    Csv {
        /// File.
        path: PathBuf,
        /// Why.
        source: CsvError,
    },
    /// Nothing in it that could be imported.
    #[error(
        "{}: expected calls of DBMS_RESOURCE_MANAGER or a CSV file with the column names of a DBA_RSRC_ view \
         (SQL*Plus: SET MARKUP CSV ON), found neither",
        path.display()
    )]
    Nothing {
        /// File.
        path: PathBuf,
    },
}

/// What is wrong at a place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    line: u64,
    column: u64,
    expected: String,
    found: String,
}

impl Problem {
    fn of(self, path: &Path) -> ImportError {
        ImportError::Content {
            path: path.to_path_buf(),
            line: self.line,
            column: self.column,
            expected: self.expected,
            found: self.found,
        }
    }
}

/// A file of rules in the making.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// What has been found.
    pub file: RulesFile,
    /// What was left out or deserves a look, with its place.
    pub notes: Vec<String>,
    /// Calls and rows taken.
    pub taken: u64,
}

impl Import {
    /// Begins with what a file already says.
    pub fn onto(file: RulesFile) -> Import {
        Import {
            file,
            ..Import::default()
        }
    }

    /// Adds a file: CSV if its first line names columns of a known view, else PL/SQL.
    ///
    /// # Errors
    /// It can't be read or understood, or there is nothing in it.
    pub fn add(&mut self, path: &Path) -> Result<(), ImportError> {
        let io = |source| ImportError::Io {
            path: path.to_path_buf(),
            source,
        };
        let bytes = files::bytes(path).map_err(io)?;
        self.add_text(&String::from_utf8_lossy(&bytes), path)
    }

    /// Adds a text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Import::add`].
    pub fn add_text(&mut self, text: &str, path: &Path) -> Result<(), ImportError> {
        let before = self.taken;
        if !csv::add(self, text, path)? {
            calls::add(self, text, path)?;
            if self.taken == before {
                return Err(ImportError::Nothing {
                    path: path.to_path_buf(),
                });
            }
        }
        Ok(())
    }

    fn note(&mut self, path: &Path, line: u64, what: &str) {
        self.notes
            .push(format!("{}: line {line}: {what}", path.display()));
    }
}
