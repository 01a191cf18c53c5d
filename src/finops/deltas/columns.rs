//! Columns of a batch of `stats` or `ended` as readings.
//!
//! Callers: [`super::read`], [`super::sessions`], `finops::sampled`.

use arrow::array::{Array, BooleanArray, RecordBatch, TimestampMicrosecondArray};

use super::{COUNTERS, Counter, LifeKey, Reading};
use crate::analyze::columns::{Numbers, Values, flags, plain_value, times};
use crate::analyze::{AnalyzeError, Value};

/// A column of texts.
pub(in crate::finops) fn texts(
    batch: &RecordBatch,
    name: &str,
) -> Result<Vec<Option<String>>, AnalyzeError> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    Ok(match Values::of(batch, name)? {
        Values::Coded(values, codes) => (0..batch.num_rows())
            .map(|row| match codes.is_valid(row) {
                true => values.get(codes.value(row) as usize).and_then(text),
                false => None,
            })
            .collect(),
        Values::Plain(array) => (0..batch.num_rows())
            .map(|row| text(&plain_value(array, row)))
            .collect(),
    })
}

/// Who a row is of.
pub(super) struct Keys<'a> {
    sid: Numbers<'a>,
    serial: Numbers<'a>,
    logon: Option<&'a TimestampMicrosecondArray>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(batch: &'a RecordBatch) -> Result<Keys<'a>, AnalyzeError> {
        Ok(Keys {
            sid: Numbers::of(batch, "session_id")?,
            serial: Numbers::of(batch, "session_serial_no")?,
            logon: times(batch, "logon_time").ok(),
        })
    }

    pub(super) fn key(&self, row: usize) -> LifeKey {
        LifeKey {
            sid: self.sid.get(row) as u32,
            serial: self.serial.get(row) as u32,
            logon_us: optional(self.logon, row).unwrap_or(0),
        }
    }
}

fn optional(column: Option<&TimestampMicrosecondArray>, row: usize) -> Option<i64> {
    column.filter(|c| c.is_valid(row)).map(|c| c.value(row))
}

/// The numbers of a batch of `stats`.
pub(super) struct Columns<'a> {
    keys: Keys<'a>,
    times: &'a TimestampMicrosecondArray,
    seen: Option<&'a TimestampMicrosecondArray>,
    counters: Vec<(Option<Numbers<'a>>, u64)>,
    temp: Option<Numbers<'a>>,
    pga: Option<Numbers<'a>>,
    os_cpu: Option<Numbers<'a>>,
    active: Option<&'a BooleanArray>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(
        batch: &'a RecordBatch,
        missing: &mut Vec<&'static str>,
    ) -> Result<Columns<'a>, AnalyzeError> {
        let mut wanted = |name: &'static str| {
            let column = Numbers::of(batch, name).ok();
            if column.is_none() && !missing.contains(&name) {
                missing.push(name);
            }
            column
        };
        Ok(Columns {
            keys: Keys::of(batch)?,
            times: times(batch, "sample_time")?,
            seen: times(batch, "seen_time").ok(),
            counters: Counter::ALL
                .iter()
                .map(|(_, name, unit)| (wanted(name), *unit))
                .collect(),
            temp: wanted("temp_space_allocated_bytes"),
            pga: wanted("session_pga_memory"),
            os_cpu: Numbers::of(batch, "os_cpu_us").ok(),
            active: flags(batch, "is_active").ok(),
        })
    }

    pub(super) fn reading(&self, row: usize, tag: u32, dedicated: bool) -> Reading {
        let mut counters = [0; COUNTERS];
        for (value, (column, unit)) in counters.iter_mut().zip(&self.counters) {
            let shown = column.as_ref().map_or(0, |c| c.get(row));
            *value = shown.saturating_mul(*unit);
        }
        let level = |column: &Option<Numbers<'_>>| column.as_ref().map_or(0, |c| c.get(row));
        let os_cpu = self.os_cpu.as_ref().filter(|_| dedicated);
        Reading {
            key: self.keys.key(row),
            time_us: self.times.value(row),
            seen_us: optional(self.seen, row),
            counters,
            temp_bytes: level(&self.temp),
            pga_bytes: level(&self.pga),
            os_cpu_us: os_cpu.and_then(|c| c.get_valid(row)),
            active: self.active.is_some_and(|c| c.is_valid(row) && c.value(row)),
            tag,
        }
    }
}
