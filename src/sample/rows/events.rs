//! The table `event_names`: what follows from an event's number alone.
//!
//! Callers: [`super`].

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::builder::{Builder, data_type, time_type, times};
use super::written::{Written, hour_of};
use crate::decode::columns::{Home, Side, side_of};
use crate::decode::{Decoder, Kind, Row, Value};

/// The columns beside `sample_time`. The names are those of the registry; classes are those of the
/// event itself, also where it was first seen on CPU.
const COLUMNS: [(&str, Kind); 7] = [
    ("event_no", Kind::U32),
    ("event", Kind::Text),
    ("wait_class", Kind::Text),
    ("wait_class_id", Kind::U32),
    ("p1text", Kind::Text),
    ("p2text", Kind::Text),
    ("p3text", Kind::Text),
];

/// EVENT#s whose last hour is remembered apart (23.5 has 2,289 events).
const MAX_EVENTS: usize = 4096;

/// The events sampled, being collected.
pub(super) struct EventRows {
    pub(super) side: &'static Side,
    schema: SchemaRef,
    times: Vec<i64>,
    builders: Vec<Builder>,
    written: Written,
    /// The hour in which each event was given out last, by EVENT#.
    hours: Vec<Option<i64>>,
}

impl EventRows {
    /// The table, if the decoder's columns have the number.
    pub(super) fn of(decoder: &Decoder) -> Option<EventRows> {
        let side = side_of(Home::Event)?;
        decoder.columns().find(|c| c.ash == side.key)?;
        let mut fields = vec![Field::new("sample_time", time_type(), false)];
        fields.extend(COLUMNS.map(|(name, kind)| Field::new(name, data_type(kind), true)));
        Some(EventRows {
            side,
            schema: Arc::new(Schema::new(fields)),
            times: Vec::new(),
            builders: COLUMNS.map(|(_, kind)| Builder::new(kind)).into(),
            written: Written::default(),
            hours: vec![None; MAX_EVENTS],
        })
    }

    /// Gives out the row's event if it wasn't in this hour.
    pub(super) fn note(&mut self, decoder: &Decoder, row: &Row<'_>, time_us: i64) {
        let Some(number) = decoder.event_no(row.words) else {
            return;
        };
        let hour = hour_of(time_us);
        if let Some(last) = self.hours.get_mut(number as usize) {
            if *last == Some(hour) {
                return;
            }
            *last = Some(hour);
        }
        if !self.written.is_first(hour, number as i64) {
            return;
        }
        let text = |t: &str| match t {
            "" => Value::Null,
            t => Value::Text(t.to_owned().into()),
        };
        // a number past the table has a row too: it is known to have no name
        let [mut name, mut class, mut class_id] = [Value::Null, Value::Null, Value::Null];
        let mut parameters = [Value::Null, Value::Null, Value::Null];
        if let Some((event, its_class)) = decoder.event(number) {
            name = text(&event.name);
            parameters = event.parameters.each_ref().map(|p| text(p));
            if let Some(its_class) = its_class {
                class = text(&its_class.name);
                class_id = Value::Uint(u64::from(its_class.id));
            }
        }
        let own = [Value::Uint(number), name, class, class_id];
        self.times.push(time_us);
        for (builder, value) in self.builders.iter_mut().zip(own.iter().chain(&parameters)) {
            builder.append(value);
        }
    }

    /// Whether no row is collected.
    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The rows collected so far; none is left afterwards.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut arrays: Vec<ArrayRef> = vec![times(std::mem::take(&mut self.times))];
        arrays.extend(self.builders.iter_mut().map(Builder::finish));
        RecordBatch::try_new(self.schema.clone(), arrays)
    }

    /// What was given out got lost.
    pub(super) fn lost(&mut self) {
        self.written.clear();
        self.hours.fill(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::columns::sample_columns;

    #[test]
    fn it_has_the_columns_that_the_registry_says() {
        let columns = sample_columns();
        for c in columns.iter().filter(|c| c.home == Home::Event) {
            let own = COLUMNS.iter().find(|(name, _)| *name == c.ash);
            assert_eq!(own.map(|(_, kind)| *kind), Some(c.kind), "{}", c.ash);
        }
    }
}
