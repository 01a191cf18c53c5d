//! A batch as it is given out: the rows of the window, the columns asked for.
//!
//! Not for: where columns come from. Callers: `reader`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Int32Type, Schema, SchemaRef, TimestampMicrosecondType};

use super::TIME_COLUMN;

/// The rows of the window.
pub(super) fn window(batch: &RecordBatch, from_us: i64, to_us: i64) -> Result<RecordBatch, String> {
    let time = batch.column_by_name(TIME_COLUMN);
    let time = time.ok_or_else(|| format!("it has no column {TIME_COLUMN}"))?;
    let coded = time.as_dictionary_opt::<Int32Type>();
    let times = coded.map_or(time, |coded| coded.values());
    let times = times
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| format!("{TIME_COLUMN} isn't in microseconds"))?
        .values();
    let wanted = |time: &i64| *time >= from_us && *time < to_us;
    if times.iter().all(wanted) {
        return Ok(batch.clone());
    }
    let wanted: BooleanBuffer = times.iter().map(wanted).collect();
    let mask = match coded {
        Some(coded) => {
            let keys = coded.keys().values().iter();
            BooleanArray::from_iter(keys.map(|key| Some(wanted.value(*key as usize))))
        }
        None => BooleanArray::new(wanted, None),
    };
    arrow::compute::filter_record_batch(batch, &mask).map_err(|e| e.to_string())
}

/// The columns of `schema`: of the batch, else of its side tables, else null.
pub(super) fn shape(
    batch: &RecordBatch,
    joined: &[(String, ArrayRef)],
    schema: &SchemaRef,
    coded: bool,
) -> Result<RecordBatch, String> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let from_side = || joined.iter().find(|(name, _)| name == field.name());
        let column = batch.column_by_name(field.name());
        columns.push(match column.or_else(|| Some(&from_side()?.1)) {
            Some(column) if is_of(column.data_type(), field.data_type(), coded) => {
                Arc::clone(column)
            }
            Some(column) => {
                return Err(format!(
                    "column {} has type {}, the newest file has {}; read them by --from/--to apart",
                    field.name(),
                    column.data_type(),
                    field.data_type()
                ));
            }
            None => new_null_array(field.data_type(), batch.num_rows()),
        });
    }
    let schema = match coded {
        false => Arc::clone(schema),
        true => {
            let fields = schema.fields().iter().zip(&columns);
            let fields = fields
                .map(|(f, c)| Arc::new(f.as_ref().clone().with_data_type(c.data_type().clone())));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        }
    };
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(|e| e.to_string())
}

/// Whether a column is of a type, or, `coded`, a dictionary of it.
fn is_of(found: &DataType, expected: &DataType, coded: bool) -> bool {
    match found {
        found if found == expected => true,
        DataType::Dictionary(_, values) if coded => is_of(values, expected, coded),
        _ => false,
    }
}
