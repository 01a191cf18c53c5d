//! Since when and until when the statistics of sessions are read: what a reading says of the one
//! before, and the table `ended`.
//!
//! For: telling what was counted between two readings from what was counted before the first or
//! after the last one. A session that has gone leaves no row; only a reading without it tells.
//! Not for: why it ended. Callers: `slow`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::rows::{optional_times, text_column, text_type, time_type, times};

/// A session, while it is read.
struct Life {
    sid: u32,
    serial: u32,
    logon_us: Option<i64>,
    /// When it was read last, µs since 1970.
    seen_us: i64,
}

/// The sessions of the last reading.
pub(super) struct Lives {
    instance: String,
    lives: HashMap<(u32, u64), Life>,
    previous_us: Option<i64>,
}

impl Lives {
    pub(super) fn new(instance: &str) -> Lives {
        Lives {
            instance: instance.to_owned(),
            lives: HashMap::new(),
            previous_us: None,
        }
    }

    /// The session of `key` (slot, SERIAL#) is there. Gives the time of the reading before, µs since 1970,
    /// which had the session or no session of its key; `None`: there was no reading before.
    pub(super) fn see(
        &mut self,
        key: (u32, u64),
        (sid, logon_us): (u32, Option<i64>),
        now_us: i64,
    ) -> Option<i64> {
        let life = self.lives.entry(key).or_insert(Life {
            sid,
            serial: u32::try_from(key.1).unwrap_or(u32::MAX),
            logon_us,
            seen_us: self.previous_us.unwrap_or(now_us),
        });
        life.seen_us = now_us;
        self.previous_us
    }

    /// Ends a reading: gives the rows of `ended` for the sessions that it hasn't seen.
    pub(super) fn end_reading(&mut self, now_us: i64) -> Result<Option<RecordBatch>, ArrowError> {
        let gone: Vec<(u32, u64)> = self
            .lives
            .iter()
            .filter(|(_, life)| life.seen_us != now_us)
            .map(|(key, _)| *key)
            .collect();
        self.previous_us = Some(now_us);
        let taken = gone.iter().filter_map(|key| self.lives.remove(key));
        let mut ended: Vec<Life> = taken.collect();
        if ended.is_empty() {
            return Ok(None);
        }
        ended.sort_by_key(|life| (life.sid, life.serial));
        self.rows(&ended, now_us).map(Some)
    }

    fn rows(&self, ended: &[Life], now_us: i64) -> Result<RecordBatch, ArrowError> {
        let fields = vec![
            Field::new("sample_time", time_type(), false),
            Field::new("instance_name", text_type(), false),
            Field::new("session_id", DataType::UInt32, false),
            Field::new("session_serial_no", DataType::UInt32, false),
            Field::new("logon_time", time_type(), true),
            Field::new("seen_time", time_type(), false),
        ];
        let of = |f: fn(&Life) -> u32| ended.iter().map(f);
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            vec![
                times(vec![now_us; ended.len()]),
                text_column(ended.iter().map(|_| self.instance.as_str())),
                Arc::new(UInt32Array::from_iter_values(of(|life| life.sid))),
                Arc::new(UInt32Array::from_iter_values(of(|life| life.serial))),
                optional_times(ended.iter().map(|life| life.logon_us).collect()),
                times(ended.iter().map(|life| life.seen_us).collect()),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::{TimestampMicrosecondType, UInt32Type};

    #[test]
    fn an_end_is_told_once_with_when_it_was_seen_last() {
        let mut lives = Lives::new("ORCL");
        assert_eq!(
            lives.see((6, 12), (7, Some(5)), 100),
            None,
            "the first reading"
        );
        assert!(lives.end_reading(100).unwrap().is_none());
        assert_eq!(lives.see((6, 12), (7, Some(5)), 200), Some(100));
        assert_eq!(
            lives.see((7, 1), (8, Some(150)), 200),
            Some(100),
            "a new one"
        );
        assert!(lives.end_reading(200).unwrap().is_none());
        // the slot has another session now
        lives.see((6, 13), (7, Some(250)), 300);
        lives.see((7, 1), (8, Some(150)), 300);
        let ended = lives.end_reading(300).unwrap().unwrap();
        let number = |name: &str| {
            let column = ended.column_by_name(name).unwrap();
            column.as_primitive::<UInt32Type>().values().to_vec()
        };
        assert_eq!(number("session_id"), [7]);
        assert_eq!(number("session_serial_no"), [12]);
        let seen = ended.column_by_name("seen_time").unwrap();
        assert_eq!(
            seen.as_primitive::<TimestampMicrosecondType>().value(0),
            200
        );
        lives.see((6, 13), (7, Some(250)), 400);
        lives.see((7, 1), (8, Some(150)), 400);
        assert!(lives.end_reading(400).unwrap().is_none());
    }
}
