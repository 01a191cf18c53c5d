//! Why sources give no blueprint: one error for headers, symbols, tables, texts and hints,
//! and for spools, traces and their merging.
//!
//! Callers: `elf`, `banner`, `kqf`, `assemble`; `cli` shows it.

use std::io;
use std::path::PathBuf;

use super::hints::HintsError;
use super::merge::Contradiction;
use super::spool::SpoolError;
use super::trace::TraceError;

/// Why sources give no blueprint.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Can't be opened (no right: only its owner may read a real one, mode 6751).
    #[error("can't open {}: {source}: run as the owner of the Oracle software or root", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A read failed or ended early.
    #[error("{}: can't read {len} bytes at file offset {offset:#x}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// First byte.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// Not a 64-bit little-endian ELF executable of a known machine.
    #[error("{}: expected a 64-bit little-endian ELF executable, found {found}: give the `oracle` executable of the instance", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// A part of the file contradicts itself.
    #[error("{}: {what} at {at:#x}: expected {expected}, found {found}: the file is damaged or of an unknown form", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part.
        what: String,
        /// File offset or link address.
        at: u64,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A needed symbol isn't there.
    #[error("{}: no symbol `{name}`: this is not Oracle's `oracle` executable, or its symbols were stripped", path.display())]
    NoSymbol {
        /// The file.
        path: PathBuf,
        /// The symbol.
        name: String,
    },
    /// No X$ table of this name.
    #[error("{}: no table {table} among the {tables} of kqftab", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// The table.
        table: String,
        /// Tables found.
        tables: usize,
    },
    /// The release can't be told from the texts.
    #[error("{}: no single release among its texts (found {found}): give a blueprint with --blueprint", path.display())]
    NoRelease {
        /// The file.
        path: PathBuf,
        /// Candidates, or "none".
        found: String,
    },
    /// The hints can't be used for it.
    #[error(transparent)]
    Hints(#[from] HintsError),
    /// The assembled blueprint breaks a semantic rule.
    #[error("{origin}: the assembled blueprint isn't coherent: {finding}")]
    Incoherent {
        /// The sources.
        origin: String,
        /// The first finding of severity error.
        finding: String,
    },
    /// Something that no source gives, and without which there is no blueprint.
    #[error("no source gives {what}: {advice}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Where it could come from.
        advice: &'static str,
    },
    /// A spool that can't be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A trace that can't be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Sources that don't belong together.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}
