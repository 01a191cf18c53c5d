//! What a calibration is told, why it can fail, and what comes of it.
//!
//! Not for: learning.

use super::learner::Proof;
use super::processes::Processes;
use super::report::Report;
use super::truth::{Spec, TruthError};
use crate::blueprint::model::{Blueprint, Identity};

/// Files of a truth spool.
pub const TRUTH_FILES: [&str; 6] = [
    "v_session",
    "v_process",
    "v_sesstat",
    "v_session_wait",
    "x_ksuse",
    "v_event_name",
];
/// What a calibration has to be told.
pub struct Settings {
    /// Columns of V$SESSION and the fields they show.
    pub specs: Vec<Spec>,
    /// Text of a statement to the number that its SQL_ID stands for.
    pub sql_id_of: Proof,
    /// SQL_ID to its number.
    pub parse_sql_id: fn(&str) -> Option<u64>,
    /// Masks of the STATUS rule that are known of any release.
    pub status_masks: Vec<u64>,
    /// What the result is for.
    pub identity: Identity,
    /// Name of the result.
    pub id: String,
}

/// Why nothing was learned.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// The truth can't be used.
    #[error(transparent)]
    Truth(#[from] TruthError),
    /// The command that makes the truth failed.
    #[error("{0}")]
    Command(String),
    /// The truth doesn't say where the rows are.
    #[error(
        "the truth spool has no x_ksuse.csv with ADDR and INDX of all rows (expected INDX 1, 2, 3 … without gaps)"
    )]
    NoAddresses,
    /// Nothing looks like the session array.
    #[error(
        "no pointer in the first region leads to an array of rows that hold their own numbers; is this an instance's SGA?"
    )]
    NoArray,
    /// The prior says nothing of session rows.
    #[error(
        "the prior {0} describes no session rows; give the blueprint of a neighbouring release"
    )]
    PriorWithoutRows(String),
    /// Several arrays look alike.
    #[error(
        "several arrays of the same length hold rows with their own numbers: give a truth spool"
    )]
    SeveralArrays,
    /// Those aren't rows.
    #[error(
        "the {0} addresses of x_ksuse.csv can't be rows: spooled from another start of the instance?"
    )]
    NotRows(usize),
}

impl Calibration {
    /// Adds the process rows, or why they weren't found.
    pub(super) fn add_processes(&mut self, processes: Result<Processes<'_>, String>) {
        let parts = match processes {
            Ok(processes) => processes.finish(&mut self.report),
            Err(why) => {
                self.report.remarks.push(format!("process rows: {why}"));
                None
            }
        };
        if let Some(parts) = parts {
            self.blueprint.anchors.extend(parts.anchors);
            self.blueprint.structs.extend(parts.structs);
            self.blueprint.arrays.push(parts.array);
        }
    }
}

/// What was learned.
#[derive(Debug)]
pub struct Calibration {
    /// All that is certain.
    pub blueprint: Blueprint,
    /// All that was asked.
    pub report: Report,
}
