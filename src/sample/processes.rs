//! One walk over all process slots in use, decoded: what `dump --processes` shows of memory.
//!
//! Not for: what the kernel says of the processes (`discover`), printing (`cli`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attach::{AttachError, Attachment};
use super::pacer::monotonic_ns;
use super::parallel::in_parallel;
use super::shown::{Names, RowValues};
use crate::decode::processes::PROCESS_COLUMNS;
use crate::decode::{Column, Decoder, Row};
use crate::plan::Need;
use crate::walk::{Frame, Walker};

/// Walks over all process slots in use, again and again.
pub(super) struct ProcessReader {
    pub(super) decoder: Decoder,
    /// The rows of the last look.
    pub(super) frame: Frame,
    walker: Walker,
    slots: usize,
}

impl ProcessReader {
    /// Binds these columns.
    ///
    /// # Errors
    /// When the blueprint lacks the process array, or live rows didn't prove it.
    pub(super) fn new(
        attachment: &Attachment,
        columns: &[&'static Column],
    ) -> Result<ProcessReader, AttachError> {
        let mut needs: Vec<Need> = columns.iter().flat_map(|c| c.needs()).collect();
        needs.sort_unstable();
        needs.dedup();
        let bound = attachment.bind_processes(&needs)?;
        let slots = bound.rows.len();
        let decoder = Decoder::new(&attachment.blueprint, &bound, columns);
        let walker = Walker::of_state_objects(bound).ok_or_else(|| attachment.lacks_gate())?;
        Ok(ProcessReader {
            decoder,
            frame: walker.frame(),
            walker,
            slots,
        })
    }

    /// Reads all rows, at the time that these clocks show ([`Attachment::clocks`]).
    pub(super) fn look(&mut self, clocks: (u64, i64)) {
        let start = monotonic_ns();
        (self.frame.mono_ns, self.frame.wall_ns) = clocks;
        self.walker
            .sweep(&mut self.frame, || monotonic_ns() - start);
    }
}

/// Room in each process for columns that are added later.
const EXTRA: usize = 8;

/// All processes in use at one moment.
#[derive(Clone, Debug)]
pub struct ProcessSnapshot {
    /// One row for each process, in slot order, with all columns.
    pub processes: Vec<RowValues>,
    /// Columns that can't be had, with the reason.
    pub absent: BTreeMap<&'static str, String>,
    /// Slots (parameter processes).
    pub slots: usize,
    /// Rows that could not be read.
    pub faulted: u32,
}

impl ProcessSnapshot {
    /// Takes a snapshot.
    ///
    /// # Errors
    /// When the blueprint lacks the process array, or live rows didn't prove it.
    pub fn take(attachment: &Attachment) -> Result<ProcessSnapshot, AttachError> {
        let columns: Vec<&'static Column> = PROCESS_COLUMNS.iter().collect();
        let mut reader = ProcessReader::new(attachment, &columns)?;
        reader.look(attachment.clocks());
        let ProcessReader {
            mut decoder,
            frame,
            slots,
            ..
        } = reader;
        let rows: Vec<Row> = (0..frame.len()).map(|i| decoder.row(&frame, i)).collect();
        let decoder = &decoder;
        let names = Names::new(columns.iter().map(|c| c.name.to_owned()));
        let names = Arc::new(names);
        let one = |(): &mut (), row: &Row| {
            let mut values = Vec::with_capacity(columns.len() + EXTRA);
            values.extend(decoder.values(row).map(|v| v.to_json()));
            RowValues {
                names: names.clone(),
                values,
            }
        };
        let processes = in_parallel(&rows, || (), one);
        let absent = decoder.absent();
        Ok(ProcessSnapshot {
            processes,
            absent: absent.map(|(c, why)| (c.name, why.to_owned())).collect(),
            slots,
            faulted: frame.faulted,
        })
    }
}
