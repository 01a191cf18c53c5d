//! Whether there is room, and what was lost while there was none.
//!
//! Callers: `writer`.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;

use crate::sample::{EventKind, RecorderEvent};

/// What could not be taken for want of room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    /// Ticks.
    pub(super) ticks: u64,
    /// Rows of `samples` of these ticks.
    pub(super) rows: u64,
    /// Monotonic time of the first and the last lost tick, ns.
    span_ns: Option<(u64, u64)>,
    /// To be told by the next tick: dropped and missed ones.
    carried: (u32, u32),
}

/// The state of the disk as the writer finds it.
#[derive(Debug, Default)]
pub(super) struct Disk {
    full: bool,
    lost: Lost,
    /// Of the whole run.
    pub(super) total: Lost,
}

impl Disk {
    /// Whether the last try to write found no room.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// There is no room. Gives the event where there was room before.
    pub(super) fn full(&mut self, why: &str) -> Option<RecorderEvent> {
        if std::mem::replace(&mut self.full, true) {
            return None;
        }
        tracing::warn!("{why}; sampling goes on");
        Some(RecorderEvent::now(EventKind::DiskFull, why))
    }

    /// Everything that waited is written. Gives the event where there was no room before.
    pub(super) fn room(&mut self) -> Option<RecorderEvent> {
        if !std::mem::replace(&mut self.full, false) {
            return None;
        }
        let lost = std::mem::take(&mut self.lost);
        self.lost.carried = lost.carried;
        let detail = match lost.span_ns {
            None => "nothing was lost".to_owned(),
            Some((first, last)) => format!(
                "{} ticks with {} rows over {:.1} s were not recorded",
                lost.ticks,
                lost.rows,
                (last - first) as f64 / 1e9
            ),
        };
        tracing::warn!("there is room again: {detail}");
        let event = RecorderEvent::now(EventKind::DiskRoom, detail);
        Some(event.costing(lost.ticks, lost.rows))
    }

    /// These ticks with so many rows could not be taken.
    pub(super) fn lose(&mut self, rows: u64, ticks: &RecordBatch) {
        let sum = |name: &str| -> u32 {
            let column = ticks.column_by_name(name);
            let counts = column.and_then(|c| c.as_primitive_opt::<UInt32Type>());
            counts.map_or(0, |c| {
                c.values().iter().fold(0, |a, b| u32::saturating_add(a, *b))
            })
        };
        let count = ticks.num_rows() as u64;
        let count32 = u32::try_from(count).unwrap_or(u32::MAX);
        let now = crate::sample::pacer::monotonic_ns();
        for lost in [&mut self.lost, &mut self.total] {
            lost.ticks += count;
            lost.rows += rows;
            lost.span_ns = Some((lost.span_ns.map_or(now, |s| s.0), now));
        }
        let (dropped, missed) = self.lost.carried;
        self.lost.carried = (
            dropped
                .saturating_add(count32)
                .saturating_add(sum("dropped")),
            missed.saturating_add(sum("missed")),
        );
    }

    /// Lost ticks (dropped, missed) that the next tick is to tell of; told once.
    pub(super) fn take_carried(&mut self) -> (u32, u32) {
        std::mem::take(&mut self.lost.carried)
    }
}
