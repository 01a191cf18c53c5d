//! Frames to Arrow batches: the tables `samples`, `ticks` and `sql_text` of a recording.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringArray, StringDictionaryBuilder,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder, UInt32Array, UInt32Builder,
    UInt64Array, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use super::sql_texts::Statement;
use crate::decode::{Column, Decoder, Kind, Value};
use crate::plan::handle::sql_id_text;
use crate::walk::Frame;

/// Zone of all stored times: UTC, as an offset, so that readers need no zone database.
pub const STORED_ZONE: &str = "+00:00";

pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(STORED_ZONE.into()))
}

pub(crate) fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub(crate) fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::U32 => DataType::UInt32,
        Kind::U64 => DataType::UInt64,
        Kind::I64 => DataType::Int64,
        Kind::Bool => DataType::Boolean,
        Kind::Text | Kind::Address => text_type(),
        Kind::Time => time_type(),
    }
}

pub(crate) enum Builder {
    U32(UInt32Builder),
    U64(UInt64Builder),
    I64(Int64Builder),
    Bool(BooleanBuilder),
    Text(StringDictionaryBuilder<Int32Type>),
    Time(TimestampMicrosecondBuilder),
}

impl Builder {
    pub(crate) fn new(kind: Kind) -> Builder {
        match kind {
            Kind::U32 => Builder::U32(UInt32Builder::new()),
            Kind::U64 => Builder::U64(UInt64Builder::new()),
            Kind::I64 => Builder::I64(Int64Builder::new()),
            Kind::Bool => Builder::Bool(BooleanBuilder::new()),
            Kind::Text | Kind::Address => Builder::Text(StringDictionaryBuilder::new()),
            Kind::Time => Builder::Time(TimestampMicrosecondBuilder::new()),
        }
    }

    pub(crate) fn append(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Builder::U32(b), Value::Uint(n)) => b.append_option(u32::try_from(*n).ok()),
            (Builder::U32(b), _) => b.append_null(),
            (Builder::U64(b), Value::Uint(n)) => b.append_value(*n),
            (Builder::U64(b), _) => b.append_null(),
            (Builder::I64(b), Value::Int(n)) => b.append_value(*n),
            (Builder::I64(b), Value::Uint(n)) => b.append_option(i64::try_from(*n).ok()),
            (Builder::I64(b), _) => b.append_null(),
            (Builder::Bool(b), Value::Bool(v)) => b.append_value(*v),
            (Builder::Bool(b), _) => b.append_null(),
            (Builder::Time(b), Value::Time(s)) => b.append_option(s.checked_mul(1_000_000)),
            (Builder::Time(b), _) => b.append_null(),
            (Builder::Text(b), Value::Text(t)) => b.append_value(t),
            (Builder::Text(b), value) if value.is_null() => b.append_null(),
            (Builder::Text(b), value) => b.append_value(value.to_text()),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::U32(b) => Arc::new(b.finish()),
            Builder::U64(b) => Arc::new(b.finish()),
            Builder::I64(b) => Arc::new(b.finish()),
            Builder::Bool(b) => Arc::new(b.finish()),
            Builder::Text(b) => Arc::new(b.finish()),
            Builder::Time(b) => Arc::new(b.finish().with_timezone(STORED_ZONE)),
        }
    }
}

/// Collects the rows of frames into batches of `samples` and `ticks`.
pub struct SampleRows {
    schema: SchemaRef,
    ids: Vec<u64>,
    times: Vec<i64>,
    weights: Vec<u64>,
    offs: Vec<u32>,
    columns: Vec<Builder>,
    instance: String,
    blueprint: String,
    ticks: Vec<TickRow>,
}

struct TickRow {
    tick: u64,
    time_us: i64,
    mono_ns: u64,
    late_us: u32,
    walk_us: u32,
    weight_us: u64,
    counts: [u32; 6],
}

impl SampleRows {
    /// An empty collection for these columns.
    pub fn new<'a>(
        columns: impl Iterator<Item = &'a Column>,
        instance: &str,
        blueprint: &str,
    ) -> SampleRows {
        let columns: Vec<&Column> = columns.collect();
        let mut fields = vec![
            Field::new("sample_id", DataType::UInt64, false),
            Field::new("sample_time", time_type(), false),
            Field::new("weight_us", DataType::UInt64, false),
            Field::new("off_us", DataType::UInt32, false),
            Field::new("instance_name", text_type(), false),
            Field::new("blueprint_id", text_type(), false),
        ];
        fields.extend(
            columns
                .iter()
                .map(|c| Field::new(c.ash, data_type(c.kind), true)),
        );
        SampleRows {
            schema: Arc::new(Schema::new(fields)),
            ids: Vec::new(),
            times: Vec::new(),
            weights: Vec::new(),
            offs: Vec::new(),
            columns: columns.iter().map(|c| Builder::new(c.kind)).collect(),
            instance: instance.to_owned(),
            blueprint: blueprint.to_owned(),
            ticks: Vec::new(),
        }
    }

    /// Schema of `samples`.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Sampled sessions collected so far.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether neither samples nor ticks are collected.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.ticks.is_empty()
    }

    /// Adds a frame: one tick, and one sample for each of its rows.
    pub fn append(&mut self, frame: &Frame, decoder: &mut Decoder) {
        let time_us = frame.wall_ns.div_euclid(1000);
        let micros = |ns: u64| u32::try_from(ns / 1000).unwrap_or(u32::MAX);
        for i in 0..frame.len() {
            let row = decoder.row(frame, i);
            self.ids.push(frame.tick);
            self.times.push(time_us);
            self.weights.push(frame.weight_ns / 1000);
            self.offs.push(frame.off_ns[i] / 1000);
            for (builder, value) in self.columns.iter_mut().zip(decoder.values(&row)) {
                builder.append(&value);
            }
        }
        self.ticks.push(TickRow {
            tick: frame.tick,
            time_us,
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
        });
    }

    /// The batches of `samples` and `ticks` collected so far; the collection is empty afterwards.
    ///
    /// # Errors
    /// If the columns don't fit the schema, which would be a defect of this module.
    pub fn take(&mut self) -> Result<(RecordBatch, RecordBatch), ArrowError> {
        let rows = self.ids.len();
        let constant = |text: &str| -> ArrayRef {
            let mut b = StringDictionaryBuilder::<Int32Type>::new();
            b.append_values(text, rows);
            Arc::new(b.finish())
        };
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(std::mem::take(&mut self.ids))),
            times(std::mem::take(&mut self.times)),
            Arc::new(UInt64Array::from(std::mem::take(&mut self.weights))),
            Arc::new(UInt32Array::from(std::mem::take(&mut self.offs))),
            constant(&self.instance),
            constant(&self.blueprint),
        ];
        arrays.extend(self.columns.iter_mut().map(Builder::finish));
        let samples = RecordBatch::try_new(self.schema.clone(), arrays)?;
        let ticks = tick_batch(&std::mem::take(&mut self.ticks))?;
        Ok((samples, ticks))
    }
}

pub(crate) fn times(micros: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone(STORED_ZONE))
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

fn tick_batch(ticks: &[TickRow]) -> Result<RecordBatch, ArrowError> {
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
