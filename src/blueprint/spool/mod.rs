//! A spool of the dictionary: CSV files that `tools/sql/extract.sql`, or anything else, wrote.
//!
//! A directory with one file per fixed table or view, in any order. A file is known by the columns
//! that its header names, in any order and case; only lists of plain addresses (INDX, ADDR) need
//! `ksuse` or `ksupr` in their name, since their header doesn't say whose they are. Columns that this
//! program doesn't know are kept with the column they describe. Files, records, rows and numbers are
//! bounded.
//!
//! X$KQFCO joins to X$KQFTA by KQFCOTAB = INDX and by KQFCOTOB = KQFTAOBJ, and the two are known to
//! disagree for some tables (Frits Hoogland, 2019): the join that gives as many columns as KQFTACOC says is
//! taken, and when that doesn't decide, the table is refused.
//!
//! It reads no database: see `sqlplus`. Callers: `cli`.

mod dictionary;
mod files;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::csv::CsvError;
use super::facts::Facts;
use super::model::{Source, SourceKind};
use files::{Content, Kind};

/// Most files of a directory.
const MAX_FILES: usize = 1_000;

/// Why a spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system's reason.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// File or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not CSV, or past a bound.
    #[error("{}, {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: CsvError,
    },
    /// A record that isn't right.
    #[error("{}, line {line}: expected {expected}, found {found}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Two files hold the same table.
    #[error("{} and {} both hold {table}: keep one", first.display(), second.display())]
    Twice {
        /// The table.
        table: &'static str,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The two joins of X$KQFTA and X$KQFCO disagree about a table.
    #[error(
        "{}: {table} has {by_index} columns by KQFCOTAB, {by_object} by KQFCOTOB, and KQFTACOC says \
         {stated}: spool both tables again, or use the executable", path.display()
    )]
    Joins {
        /// The directory.
        path: PathBuf,
        /// The table.
        table: String,
        /// Columns by one join.
        by_index: usize,
        /// Columns by the other.
        by_object: usize,
        /// What X$KQFTA says.
        stated: String,
    },
    /// Nothing of use in it.
    #[error(
        "{}: no file with the columns of a known table among its {files}: make a spool with \
         tools/sql/extract.sql", path.display()
    )]
    Empty {
        /// The directory.
        path: PathBuf,
        /// Files looked at.
        files: usize,
    },
}

/// What a spool says, and what of it wasn't understood.
#[derive(Debug)]
pub struct Spool {
    /// The facts.
    pub facts: Facts,
    /// Files whose header names no known table.
    pub ignored: Vec<PathBuf>,
}

/// What of a dictionary is needed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Tables whose columns are ([`super::Hints::tables`]).
    pub tables: &'a BTreeSet<&'a str>,
    /// Fixed views whose texts are ([`super::Hints::views`]).
    pub views: &'a BTreeSet<&'a str>,
}

/// Reads all files of a directory; `id` names the spool among the sources.
///
/// # Errors
/// See [`SpoolError`].
pub fn read(directory: &Path, id: &str, wanted: &Wanted) -> Result<Spool, SpoolError> {
    let mut contents: Vec<(Kind, PathBuf, Content)> = Vec::new();
    let mut ignored = Vec::new();
    let mut digest = Sha256::new();
    for path in list(directory)? {
        let Some(file) = files::read(&path)? else {
            ignored.push(path);
            continue;
        };
        if let Some((_, first, _)) = contents.iter().find(|(kind, ..)| *kind == file.kind) {
            return Err(SpoolError::Twice {
                table: file.kind.table(),
                first: first.clone(),
                second: path,
            });
        }
        // As `sha256sum` lists them, so that the digest can be had without this program.
        let name = path.file_name().unwrap_or_default().display();
        digest.update(format!("{}  {name}\n", file.sha256));
        contents.push((file.kind, path, file.content));
    }
    if contents.is_empty() {
        return Err(SpoolError::Empty {
            path: directory.to_owned(),
            files: ignored.len(),
        });
    }
    let names: Vec<&str> = contents.iter().map(|(kind, ..)| kind.table()).collect();
    let source = Source {
        id: id.to_owned(),
        kind: SourceKind::Spool,
        sha256: Some(
            digest
                .finalize()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect(),
        ),
        detail: format!("spool of {}", names.join(", ")),
    };
    let facts = dictionary::facts(directory, source, contents, wanted)?;
    Ok(Spool { facts, ignored })
}

/// The files of a directory in the order of their names.
fn list(directory: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let wrap = |source| SpoolError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(wrap)?.take(MAX_FILES) {
        let path = entry.map_err(wrap)?.path();
        let csv = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        if csv && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
