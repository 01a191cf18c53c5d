//! Frames to Arrow batches: the tables of a recording.
//!
//! For: [`SampleRows`], either all columns in one wide table (for who looks at them at once), or
//! narrow for recordings: `samples` with what changes from sample to sample, and beside it
//! `sessions`, `cursors` and `event_names` with what follows from a key (see
//! [`crate::decode::columns::SIDES`]); `record` joins them when reading.
//!
//! Not for: writing them. Callers: `cli`.

mod builder;
mod column;
#[cfg(test)]
mod column_tests;
mod events;
mod keyed;
mod memo;
mod numbers;
#[cfg(test)]
mod tests;
mod texts;
mod ticks;
mod written;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use self::column::{BLOCK, Column as Collected, Shared, taken};
use self::events::EventRows;
use self::keyed::KeyedRows;
use self::memo::Steady;
use self::ticks::{TickRow, tick_batch};
use crate::decode::columns::{Home, SIDES};
use crate::decode::{Column, Decoder, Row};
use crate::walk::Frame;

pub use self::builder::STORED_ZONE;
pub(crate) use self::builder::{
    Builder, constant, data_type, optional_times, text_column, text_type, time_type, times,
};
pub use self::ticks::{statement_batch, tick_schema};

/// What `source` says of these rows; others come from elsewhere (see `backfill`).
const SOURCE: &str = "sga";

/// Rows of which a recorder makes a batch: as many as it flushes by default, so that none are copied together.
pub const BATCH_ROWS: usize = 16_384;

/// Collects the rows of frames into batches of `samples`, its side tables, and `ticks`.
pub struct SampleRows {
    schema: SchemaRef,
    ids: Vec<u64>,
    times: Vec<i64>,
    weights: Vec<u64>,
    offs: Vec<u32>,
    columns: Vec<Collected>,
    sides: Sides,
    steady: Steady,
    instance: String,
    blueprint: String,
    ticks: Vec<TickRow>,
}

/// What stands beside narrow samples; nothing beside wide ones.
#[derive(Default)]
struct Sides {
    /// Each with the keys of the samples collected.
    keyed: Vec<(KeyedRows, Vec<i64>)>,
    events: Option<EventRows>,
}

impl Sides {
    /// Notes what a block of rows refers to.
    fn note(&mut self, decoder: &Decoder, rows: &[Row<'_>], steady: u64, time_us: i64) {
        for (table, keys) in &mut self.keyed {
            keys.extend(rows.iter().enumerate().map(|(i, row)| {
                let steady = steady >> i & 1 != 0;
                table.key(decoder, row, steady, time_us)
            }));
        }
        if let Some(events) = &mut self.events {
            for row in rows {
                events.note(decoder, row, time_us);
            }
        }
    }
}

impl SampleRows {
    /// An empty collection of wide samples, for a decoder's columns.
    pub fn new(decoder: &Decoder, instance: &str, blueprint: &str) -> SampleRows {
        let columns = decoder.columns().enumerate().collect();
        SampleRows::with(decoder, columns, Sides::default(), (instance, blueprint))
    }

    /// An empty collection of narrow samples and their side tables, for a decoder's columns.
    pub fn narrow(decoder: &Decoder, instance: &str, blueprint: &str) -> SampleRows {
        let all = decoder.columns().enumerate();
        let own = all.filter(|(_, c)| c.home == Home::Sample).collect();
        let keyed = SIDES.iter().filter_map(|side| KeyedRows::of(side, decoder));
        let sides = Sides {
            keyed: keyed.map(|rows| (rows, Vec::new())).collect(),
            events: EventRows::of(decoder),
        };
        SampleRows::with(decoder, own, sides, (instance, blueprint))
    }

    fn with(
        decoder: &Decoder,
        columns: Vec<(usize, &Column)>,
        sides: Sides,
        (instance, blueprint): (&str, &str),
    ) -> SampleRows {
        let mut fields = vec![
            Field::new("sample_id", DataType::UInt64, false),
            Field::new("sample_time", time_type(), false),
            Field::new("weight_us", DataType::UInt64, false),
            Field::new("off_us", DataType::UInt32, false),
            Field::new("instance_name", text_type(), false),
            Field::new("blueprint_id", text_type(), false),
            Field::new("source", text_type(), false),
        ];
        let keys = sides.keyed.iter().map(|(rows, _)| rows.side.key);
        fields.extend(keys.map(|key| Field::new(key, DataType::Int64, false)));
        let own = columns.iter();
        fields.extend(own.map(|(_, c)| Field::new(c.ash, data_type(c.kind), true)));
        let collected = columns.into_iter();
        let columns: Vec<Collected> = collected
            .map(|(place, c)| Collected::new(decoder, place, c.kind))
            .collect();
        let wide = sides.keyed.iter().map(|(rows, _)| &rows.inputs);
        let wide = wide.chain(columns.iter().filter_map(Collected::inputs));
        SampleRows {
            steady: Steady::new(wide),
            schema: Arc::new(Schema::new(fields)),
            ids: Vec::new(),
            times: Vec::new(),
            weights: Vec::new(),
            offs: Vec::new(),
            columns,
            sides,
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

    /// Adds a frame of the decoder that this was made for: one tick, and one sample for each of
    /// its rows.
    pub fn append(&mut self, frame: &Frame, decoder: &mut Decoder) {
        let time_us = frame.wall_ns.div_euclid(1000);
        let all = self.ids.len() + frame.len();
        self.ids.resize(all, frame.tick);
        self.times.resize(all, time_us);
        self.weights.resize(all, frame.weight_ns / 1000);
        // recordings round down: the microseconds of a walk would be noise that takes room
        let offs = frame.off_ns.iter();
        match self.sides.keyed.is_empty() {
            true => self.offs.extend(offs.map(|ns| ns / 1_000)),
            false => self.offs.extend(offs.map(|ns| ns / 100_000 * 100)),
        }
        for first in (0..frame.len()).step_by(BLOCK) {
            let block = first..frame.len().min(first + BLOCK);
            let rows: Vec<Row<'_>> = block.map(|i| decoder.row(frame, i)).collect();
            let steady = self.steady.look(&rows);
            self.sides.note(decoder, &rows, steady, time_us);
            let mut shared = Shared::of(steady);
            for column in &mut self.columns {
                column.append(decoder, &rows, &mut shared);
            }
        }
        self.ticks.push(TickRow::of(frame));
    }

    /// The batches of `samples` and `ticks` collected so far; of these nothing is left afterwards.
    ///
    /// # Errors
    /// If the columns don't fit the schema, which would be a defect of this module.
    pub fn take(&mut self) -> Result<(RecordBatch, RecordBatch), ArrowError> {
        let rows = self.ids.len();
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(taken(&mut self.ids))),
            times(taken(&mut self.times)),
            Arc::new(UInt64Array::from(taken(&mut self.weights))),
            Arc::new(UInt32Array::from(taken(&mut self.offs))),
            constant(&self.instance, rows),
            constant(&self.blueprint, rows),
            constant(SOURCE, rows),
        ];
        for (_, keys) in &mut self.sides.keyed {
            arrays.push(Arc::new(Int64Array::from(taken(keys))));
        }
        for column in &mut self.columns {
            arrays.push(column.finish()?);
        }
        let samples = RecordBatch::try_new(self.schema.clone(), arrays)?;
        let ticks = tick_batch(&std::mem::take(&mut self.ticks))?;
        Ok((samples, ticks))
    }

    /// All tables that have rows, in the order in which they are to be written: what a sample
    /// refers to before the sample, a tick after its samples.
    ///
    /// # Errors
    /// If the columns don't fit the schema, which would be a defect of this module.
    pub fn take_tables(&mut self) -> Result<Vec<(&'static str, RecordBatch)>, ArrowError> {
        self.tables(false)
    }

    /// As [`SampleRows::take_tables`], also tables without rows.
    ///
    /// # Errors
    /// If the columns don't fit the schema, which would be a defect of this module.
    pub fn all_tables(&mut self) -> Result<Vec<(&'static str, RecordBatch)>, ArrowError> {
        self.tables(true)
    }

    /// Batches of many columns cost something without rows too, so none is made without need.
    fn tables(&mut self, empty: bool) -> Result<Vec<(&'static str, RecordBatch)>, ArrowError> {
        let mut tables = Vec::new();
        for (rows, _) in &mut self.sides.keyed {
            if empty || !rows.is_empty() {
                tables.push((rows.side.table, rows.take()?));
            }
        }
        if let Some(events) = &mut self.sides.events
            && (empty || !events.is_empty())
        {
            tables.push((events.side.table, events.take()?));
        }
        if empty || !self.is_empty() {
            let (samples, ticks) = self.take()?;
            let both = [("samples", samples), ("ticks", ticks)];
            tables.extend(both.into_iter().filter(|(_, b)| empty || b.num_rows() > 0));
        }
        Ok(tables)
    }

    /// Says that tables taken could not be written: what samples refer to is given out again.
    pub fn lost(&mut self) {
        for (rows, _) in &mut self.sides.keyed {
            rows.lost();
        }
        if let Some(events) = &mut self.sides.events {
            events.lost();
        }
    }
}
