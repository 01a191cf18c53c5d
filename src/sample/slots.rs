//! How many slots of an array are in use: the flags of all rows, and nothing else of them.
//!
//! Callers: `cli` (use of limits).

use super::attach::{AttachError, Attachment};
use crate::walk::{Select, Walker};

/// Use of an array's slots at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Slots in use.
    pub used: u64,
    /// Slots there are.
    pub all: u64,
}

impl Slots {
    /// Of sessions, those included that V$SESSION hides.
    ///
    /// # Errors
    /// When the blueprint lacks the fields of the gate.
    pub fn of_sessions(attachment: &Attachment) -> Result<Slots, AttachError> {
        let bound = attachment.bind_sessions(&[])?;
        let walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
        Ok(count(walker))
    }

    /// Of processes, PSEUDO included.
    ///
    /// # Errors
    /// When the blueprint lacks the process array, or live rows didn't prove it.
    pub fn of_processes(attachment: &Attachment) -> Result<Slots, AttachError> {
        let bound = attachment.bind_processes(&[])?;
        let walker = Walker::of_state_objects(bound).ok_or_else(|| attachment.lacks_gate())?;
        Ok(count(walker))
    }
}

fn count(mut walker: Walker) -> Slots {
    let mut frame = walker.frame();
    walker.sweep(&mut frame, || 0);
    Slots {
        used: frame.len() as u64,
        all: walker.bound().rows.len() as u64,
    }
}
