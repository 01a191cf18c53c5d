//! The tables `ticks` and `sql_text`.
//!
//! Callers: [`super`], and `cli` for the texts.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::builder::{time_type, times};
use crate::plan::handle::sql_id_text;
use crate::sample::sql_texts::Statement;
use crate::walk::Frame;

/// A row of `ticks`.
pub(super) struct TickRow {
    pub(super) tick: u64,
    pub(super) time_us: i64,
    pub(super) mono_ns: u64,
    pub(super) late_us: u32,
    pub(super) walk_us: u32,
    pub(super) weight_us: u64,
    pub(super) counts: [u32; 6],
}

impl TickRow {
    /// What a frame says of its tick.
    pub(super) fn of(frame: &Frame) -> TickRow {
        let micros = |ns: u64| u32::try_from(ns / 1000).unwrap_or(u32::MAX);
        TickRow {
            tick: frame.tick,
            time_us: frame.wall_ns.div_euclid(1000),
            mono_ns: frame.mono_ns,
            late_us: micros(frame.late_ns),
            walk_us: micros(frame.walk_ns),
            weight_us: frame.weight_ns / 1000,
            counts: [
                frame.seen,
                frame.len() as u32,
                frame.torn,
                frame.faulted,
                frame.missed,
                frame.dropped,
            ],
        }
    }
}

/// Schema of `ticks`.
pub fn tick_schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::UInt32, false);
    Arc::new(Schema::new(vec![
        Field::new("sample_id", DataType::UInt64, false),
        Field::new("sample_time", time_type(), false),
        Field::new("mono_ns", DataType::UInt64, false),
        number("late_us"),
        number("walk_us"),
        Field::new("weight_us", DataType::UInt64, false),
        number("rows_seen"),
        number("rows_emitted"),
        number("torn"),
        number("faulted"),
        number("missed"),
        number("dropped"),
    ]))
}

pub(super) fn tick_batch(ticks: &[TickRow]) -> Result<RecordBatch, ArrowError> {
    let count = |i: usize| -> ArrayRef {
        Arc::new(
            ticks
                .iter()
                .map(|t| Some(t.counts[i]))
                .collect::<UInt32Array>(),
        )
    };
    let u64s = |get: &dyn Fn(&TickRow) -> u64| -> ArrayRef {
        Arc::new(ticks.iter().map(|t| Some(get(t))).collect::<UInt64Array>())
    };
    let u32s = |get: &dyn Fn(&TickRow) -> u32| -> ArrayRef {
        Arc::new(ticks.iter().map(|t| Some(get(t))).collect::<UInt32Array>())
    };
    let mut arrays = vec![
        u64s(&|t| t.tick),
        times(ticks.iter().map(|t| t.time_us).collect()),
        u64s(&|t| t.mono_ns),
        u32s(&|t| t.late_us),
        u32s(&|t| t.walk_us),
        u64s(&|t| t.weight_us),
    ];
    arrays.extend((0..6).map(count));
    RecordBatch::try_new(tick_schema(), arrays)
}

/// The table `sql_text`: proven statements, `sample_time` being when each was proven.
///
/// # Errors
/// If the columns don't fit the schema, which would be a defect of this module.
pub fn statement_batch(statements: &[Statement]) -> Result<RecordBatch, ArrowError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("sql_id", DataType::Utf8, false),
        Field::new("sample_time", time_type(), false),
        Field::new("sql_text", DataType::Utf8, false),
    ]));
    let ids: StringArray = statements
        .iter()
        .map(|s| Some(sql_id_text(s.sql_id)))
        .collect();
    let texts: StringArray = statements.iter().map(|s| Some(s.text.as_str())).collect();
    let seen = statements.iter().map(|s| s.first_seen_ns.div_euclid(1000));
    RecordBatch::try_new(
        schema,
        vec![Arc::new(ids), times(seen.collect()), Arc::new(texts)],
    )
}
