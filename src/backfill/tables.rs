//! Imported rows as the tables of a recording: `samples` with all columns in it, and `ticks`.
//!
//! Callers: [`super`].

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};

use super::coverage::Coverage;
use super::error::BackfillError;
use super::read::Spool;
use crate::sample::rows::{
    constant, data_type, text_type, tick_schema, time_type, times as time_array,
};

/// Rows of one batch.
const BATCH_ROWS: usize = 65_536;

/// The rows whose time the recording hasn't, in the order of their time.
pub(super) fn fresh(times: &[i64], covered: &Coverage) -> Vec<u32> {
    let rows = (0..times.len() as u32).filter(|row| !covered.has(times[*row as usize]));
    let mut rows: Vec<u32> = rows.collect();
    rows.sort_by_key(|row| times[*row as usize]);
    rows
}

/// The batches of both tables: rows `taken`, and `ticks` (time and rows seen).
pub(super) fn of(
    spool: Spool,
    times: &[i64],
    taken: &[u32],
    ticks: &[(i64, u32)],
    instance: &str,
) -> Result<[(&'static str, Vec<RecordBatch>); 2], BackfillError> {
    let period_us = spool.view.period_us();
    let samples = samples(spool, times, taken, instance)?;
    let in_batches = |whole: &RecordBatch| {
        let starts = (0..whole.num_rows()).step_by(BATCH_ROWS);
        starts
            .map(|start| whole.slice(start, BATCH_ROWS.min(whole.num_rows() - start)))
            .collect()
    };
    let ticks = tick_batch(ticks, period_us)?;
    Ok([
        ("samples", in_batches(&samples)),
        ("ticks", in_batches(&ticks)),
    ])
}

fn samples(
    spool: Spool,
    times: &[i64],
    taken: &[u32],
    instance: &str,
) -> Result<RecordBatch, BackfillError> {
    let rows = taken.len();
    let picked = taken.iter().map(|row| *row as usize);
    let ids = picked.clone().map(|row| spool.ids[row].unwrap_or(0) as u64);
    let weight = spool.view.period_us() as u64;
    let mut columns: Vec<(Field, ArrayRef)> = vec![
        (
            Field::new("sample_id", DataType::UInt64, false),
            Arc::new(ids.collect::<UInt64Array>()),
        ),
        (
            Field::new("sample_time", time_type(), false),
            time_array(picked.map(|row| times[row]).collect()),
        ),
        (
            Field::new("weight_us", DataType::UInt64, false),
            Arc::new(UInt64Array::from(vec![weight; rows])),
        ),
        (
            Field::new("off_us", DataType::UInt32, false),
            Arc::new(UInt32Array::from(vec![0; rows])),
        ),
        (
            Field::new("instance_name", text_type(), false),
            constant(instance, rows),
        ),
        (
            Field::new("blueprint_id", text_type(), true),
            new_null_array(&text_type(), rows),
        ),
        (
            Field::new("source", text_type(), false),
            constant(spool.view.source(), rows),
        ),
    ];
    let order = UInt32Array::from(taken.to_vec());
    for (column, mut builder) in spool.columns {
        let values = arrow::compute::take(&builder.finish(), &order, None)?;
        columns.push((Field::new(column.ash, data_type(column.kind), true), values));
    }
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn tick_batch(ticks: &[(i64, u32)], period_us: i64) -> Result<RecordBatch, BackfillError> {
    let schema = tick_schema();
    let rows = ticks.len();
    let arrays = schema.fields().iter().map(|field| -> ArrayRef {
        match (field.name().as_str(), field.data_type()) {
            ("sample_time", _) => time_array(ticks.iter().map(|(time, _)| *time).collect()),
            ("weight_us", _) => Arc::new(UInt64Array::from(vec![period_us as u64; rows])),
            ("rows_seen" | "rows_emitted", _) => {
                Arc::new(ticks.iter().map(|(_, seen)| *seen).collect::<UInt32Array>())
            }
            // nothing was late, torn or missed that these views would tell
            (_, DataType::UInt64) => Arc::new(UInt64Array::from(vec![0; rows])),
            (_, DataType::UInt32) => Arc::new(UInt32Array::from(vec![0; rows])),
            (_, other) => new_null_array(other, rows),
        }
    });
    let arrays: Vec<ArrayRef> = arrays.collect();
    Ok(RecordBatch::try_new(schema, arrays)?)
}
