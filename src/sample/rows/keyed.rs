//! Rows of a side table whose key is a hash of their content: `sessions`, `cursors`.
//!
//! For: finding cheaply, sample by sample, whether a session's attributes are still what they were
//! (raw words are compared, nothing is decoded), and giving out their row when they aren't.
//!
//! Callers: [`super`].

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use sha2::{Digest, Sha256};

use super::builder::{Builder, data_type, time_type, times};
use super::written::{Written, hour_of};
use crate::decode::columns::{Home, Side};
use crate::decode::{Column, Decoder, Inputs, Row, Value};

/// Contents whose keys are remembered.
const MAX_KNOWN: usize = 1 << 14;

/// Columns of `samples` that are part of a session's identity and so of `sessions` too.
const IDENTITY: [&str; 2] = ["session_id", "session_serial_no"];

/// A side table being collected.
pub(super) struct KeyedRows {
    pub(super) side: &'static Side,
    schema: SchemaRef,
    columns: Vec<(usize, &'static Column, Builder)>,
    keys: Vec<i64>,
    times: Vec<i64>,
    /// What of a row the columns are made of.
    pub(super) inputs: Inputs,
    /// Whether they follow from a row's SQL_ID, and from its server process.
    follows: (bool, bool),
    /// What each slot showed last.
    seen: Vec<Option<Seen>>,
    /// Keys by what is kept of a row; `None`: columns follow from more than that.
    known: Option<HashMap<Vec<u64>, i64>>,
    written: Written,
}

/// What the decoder knows of a row beyond its words: SQL_ID, and the server process's id.
type Beyond = (Option<u64>, Option<u32>);

/// What a slot showed last.
struct Seen {
    words: Vec<u64>,
    beyond: Beyond,
    key: i64,
    /// The hour in which the key was given out.
    hour: Option<i64>,
}

impl KeyedRows {
    /// The table of `side`, if its key is a hash.
    pub(super) fn of(side: &'static Side, decoder: &Decoder) -> Option<KeyedRows> {
        if side.home == Home::Event {
            return None;
        }
        let identity = |c: &Column| side.home == Home::Session && IDENTITY.contains(&c.ash);
        let columns: Vec<(usize, &'static Column)> = decoder
            .columns()
            .enumerate()
            .filter(|(_, c)| c.home == side.home || identity(c))
            .collect();
        let mut fields = vec![
            Field::new(side.key, DataType::Int64, false),
            Field::new("sample_time", time_type(), false),
        ];
        let shown = columns.iter();
        fields.extend(shown.map(|(_, c)| Field::new(c.ash, data_type(c.kind), true)));
        let places: Vec<usize> = columns.iter().map(|(place, _)| *place).collect();
        let has = |name: &str| columns.iter().any(|(_, c)| c.ash == name);
        let follows = (has("sql_id"), has("os_pid"));
        let built = columns.into_iter();
        Some(KeyedRows {
            side,
            schema: Arc::new(Schema::new(fields)),
            columns: built.map(|(i, c)| (i, c, Builder::new(c.kind))).collect(),
            keys: Vec::new(),
            times: Vec::new(),
            inputs: decoder.inputs(&places),
            follows,
            seen: Vec::new(),
            // a session's row has its slot's number too
            known: (side.home != Home::Session).then(HashMap::new),
            written: Written::default(),
        })
    }

    /// The key of a row's attributes, which are given out if they weren't in this hour.
    /// `steady`: what is wide in the row is as it was.
    pub(super) fn key(
        &mut self,
        decoder: &Decoder,
        row: &Row<'_>,
        steady: bool,
        time_us: i64,
    ) -> i64 {
        let beyond = self.beyond(row);
        let slot = row.slot as usize;
        if self.seen.len() <= slot {
            self.seen.resize_with(slot + 1, || None);
        }
        let hour = hour_of(time_us);
        let same = self.seen[slot].as_ref().filter(|seen| {
            seen.beyond == beyond
                && ((steady && self.inputs.is_wide()) || self.inputs.same(row.words, &seen.words))
        });
        let known = match same {
            Some(seen) if seen.hour == Some(hour) => return seen.key,
            Some(seen) => Some(seen.key),
            None => None,
        };
        let key = match known.or_else(|| self.shown_before(row)) {
            Some(key) => key,
            None => self.first_shown(decoder, row),
        };
        if self.written.is_first(hour, key) {
            self.keys.push(key);
            self.times.push(time_us);
            for (place, _, builder) in &mut self.columns {
                builder.append(&decoder.value(*place, row));
            }
        }
        let seen = self.seen[slot].get_or_insert_with(|| Seen {
            words: vec![0; self.inputs.len()],
            beyond,
            key,
            hour: None,
        });
        self.inputs.keep(row.words, &mut seen.words);
        seen.beyond = beyond;
        (seen.key, seen.hour) = (key, Some(hour));
        key
    }

    /// What the columns follow from beyond the row's words.
    fn beyond(&self, row: &Row<'_>) -> Beyond {
        let (sql_id, os_pid) = self.follows;
        (row.sql_id.filter(|_| sql_id), row.os_pid.filter(|_| os_pid))
    }

    /// The key of the same content, shown in any slot before.
    fn shown_before(&self, row: &Row<'_>) -> Option<i64> {
        self.known.as_ref()?.get(&self.content(row)).copied()
    }

    /// The key of content that wasn't shown before, as far as that is remembered.
    fn first_shown(&mut self, decoder: &Decoder, row: &Row<'_>) -> i64 {
        let places = self.columns.iter();
        let values: Vec<Value<'_>> = places.map(|(i, ..)| decoder.value(*i, row)).collect();
        let key = content_key(&self.columns, &values);
        let content = self.content(row);
        if let Some(known) = &mut self.known {
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(content, key);
        }
        key
    }

    /// What the columns follow from, but for a session's slot.
    fn content(&self, row: &Row<'_>) -> Vec<u64> {
        let words = self.inputs.len();
        let mut content = vec![0; words + 4];
        self.inputs.keep(row.words, &mut content[..words]);
        let (sql_id, os_pid) = self.beyond(row);
        let flag = |there: bool| u64::from(there);
        content[words..].copy_from_slice(&[
            flag(sql_id.is_some()),
            sql_id.unwrap_or(0),
            flag(os_pid.is_some()),
            os_pid.map_or(0, u64::from),
        ]);
        content
    }

    /// Whether no row is collected.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The rows collected so far; none is left afterwards.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(std::mem::take(&mut self.keys))),
            times(std::mem::take(&mut self.times)),
        ];
        arrays.extend(self.columns.iter_mut().map(|(_, _, b)| b.finish()));
        RecordBatch::try_new(self.schema.clone(), arrays)
    }

    /// What was given out got lost.
    pub(super) fn lost(&mut self) {
        self.written.clear();
        for seen in self.seen.iter_mut().flatten() {
            seen.hour = None;
        }
    }
}

/// The first 8 bytes, little-endian, of SHA-256 over the names and values that aren't null: the
/// same content has the same key, whoever wrote it when.
fn content_key(columns: &[(usize, &'static Column, Builder)], values: &[Value<'_>]) -> i64 {
    let mut hash = Sha256::new();
    for ((_, column, _), value) in columns.iter().zip(values) {
        if value.is_null() {
            continue;
        }
        hash.update(column.ash.as_bytes());
        // a name has no NUL, and a value says how long it is
        hash.update([0, tag(value)]);
        match value {
            Value::Absent | Value::Null => {}
            Value::Uint(n) | Value::Address(n) | Value::Raw(n) => hash.update(n.to_le_bytes()),
            Value::Int(n) | Value::Time(n) => hash.update(n.to_le_bytes()),
            Value::Bool(b) => hash.update([u8::from(*b)]),
            Value::Text(text) => {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
    }
    let mut first = [0u8; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_le_bytes(first)
}

fn tag(value: &Value<'_>) -> u8 {
    match value {
        Value::Absent | Value::Null => 0,
        Value::Uint(_) => 1,
        Value::Int(_) => 2,
        Value::Bool(_) => 3,
        Value::Address(_) | Value::Raw(_) => 4,
        Value::Text(_) => 5,
        Value::Time(_) => 6,
    }
}
