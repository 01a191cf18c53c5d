//! What happened to a recorder: the table `events` of a recording.
//!
//! For: that who reads a recording later knows why there is a gap, a burst or an hour missing.
//! Not for: wait events, or what happened to the database. Callers: `cli::record`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::pacer::{monotonic_ns, wall_ns};
use super::rows::{text_column, text_type, time_type, times};

/// The kinds of events; their names are in docs/recording.md too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Recording began, with the options in the detail.
    Started,
    /// It ended on request.
    Stopped,
    /// The instance went away.
    InstanceGone,
    /// It is back, or another start of it.
    InstanceBack,
    /// The file system is full.
    DiskFull,
    /// There is room again.
    DiskRoom,
    /// The wall clock was stepped.
    ClockStepped,
    /// A burst began.
    BurstBegun,
    /// It ended.
    BurstEnded,
    /// Hot files were closed on request.
    Rotated,
    /// Retention removed an hour.
    Removed,
    /// A hot file could not be closed, or was damaged.
    LeftOpen,
    /// Something could not be read or done.
    Trouble,
}

impl EventKind {
    /// Its name in the column `kind`.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Started => "started",
            EventKind::Stopped => "stopped",
            EventKind::InstanceGone => "instance_gone",
            EventKind::InstanceBack => "instance_back",
            EventKind::DiskFull => "disk_full",
            EventKind::DiskRoom => "disk_room",
            EventKind::ClockStepped => "clock_stepped",
            EventKind::BurstBegun => "burst_begun",
            EventKind::BurstEnded => "burst_ended",
            EventKind::Rotated => "rotated",
            EventKind::Removed => "removed",
            EventKind::LeftOpen => "left_open",
            EventKind::Trouble => "trouble",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderEvent {
    /// What happened.
    pub kind: EventKind,
    /// In words.
    pub detail: String,
    /// CLOCK_REALTIME, ns since the epoch.
    pub wall_ns: i64,
    /// CLOCK_MONOTONIC, ns.
    pub mono_ns: u64,
    /// Ticks that it cost, where it cost some.
    pub ticks: Option<u64>,
    /// Rows that it cost.
    pub rows: Option<u64>,
}

impl RecorderEvent {
    /// An event of now.
    pub fn now(kind: EventKind, detail: impl Into<String>) -> RecorderEvent {
        RecorderEvent {
            kind,
            detail: detail.into(),
            wall_ns: wall_ns(),
            mono_ns: monotonic_ns(),
            ticks: None,
            rows: None,
        }
    }

    /// With what it cost.
    #[must_use]
    pub fn costing(mut self, ticks: u64, rows: u64) -> RecorderEvent {
        (self.ticks, self.rows) = (Some(ticks), Some(rows));
        self
    }
}

/// The table `events`.
///
/// # Errors
/// If the columns don't fit the schema, which would be a defect of this module.
pub fn event_batch(instance: &str, events: &[RecorderEvent]) -> Result<RecordBatch, ArrowError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("sample_time", time_type(), false),
        Field::new("mono_ns", DataType::UInt64, false),
        Field::new("instance_name", text_type(), false),
        Field::new("kind", text_type(), false),
        Field::new("detail", DataType::Utf8, false),
        Field::new("ticks_lost", DataType::UInt64, true),
        Field::new("rows_lost", DataType::UInt64, true),
    ]));
    let details: StringArray = events.iter().map(|e| Some(e.detail.as_str())).collect();
    let columns: Vec<ArrayRef> = vec![
        times(events.iter().map(|e| e.wall_ns.div_euclid(1000)).collect()),
        Arc::new(UInt64Array::from_iter_values(
            events.iter().map(|e| e.mono_ns),
        )),
        text_column(events.iter().map(|_| instance)),
        text_column(events.iter().map(|e| e.kind.name())),
        Arc::new(details),
        Arc::new(events.iter().map(|e| e.ticks).collect::<UInt64Array>()),
        Arc::new(events.iter().map(|e| e.rows).collect::<UInt64Array>()),
    ];
    RecordBatch::try_new(schema, columns)
}
