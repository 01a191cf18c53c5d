//! Batches of other tables than samples and ticks that wait for the next write.
//!
//! A batch leaves only once it is written: what a full disk holds up waits on, in its order. Not for:
//! who makes the batches. Callers: `writer`.

use std::collections::VecDeque;

use arrow::array::RecordBatch;

use crate::record::RecordError;
use crate::sample::slow::SlowBatch;

/// Readings that wait for room; more are left out.
const MAX_READINGS: usize = 128;

/// The batches, the oldest first.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<SlowBatch>,
}

impl Queue {
    /// Takes readings; while there is no room, only so many.
    pub(super) fn readings(&mut self, batches: impl Iterator<Item = SlowBatch>) {
        let room = MAX_READINGS.saturating_sub(self.waiting.len());
        self.waiting.extend(batches.take(room));
    }

    /// Takes what comes only once.
    pub(super) fn once(&mut self, table: &'static str, batch: RecordBatch) {
        self.waiting.push_back((table, batch));
    }

    /// Hands all to `write`, up to one that can't be written: that one waits, and all after it.
    pub(super) fn write(
        &mut self,
        mut write: impl FnMut(&str, &RecordBatch) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        while let Some((table, batch)) = self.waiting.front() {
            write(table, batch)?;
            self.waiting.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::record::testing::{START_US, Tick, ticks};

    fn batch(number: u64) -> RecordBatch {
        ticks(&[Tick {
            tick: number,
            time_us: START_US,
            weight_us: 1,
            rows_seen: 1,
            torn: 0,
        }])
    }

    #[test]
    fn what_finds_no_room_waits_and_nothing_behind_it_is_lost() {
        let mut queue = Queue::default();
        queue.readings((0..3).map(|n| ("stats", batch(n))));
        queue.once("sql_text", batch(3));
        let mut room = 1;
        let mut written: Vec<(String, RecordBatch)> = Vec::new();
        let mut write = |table: &str, batch: &RecordBatch| {
            let path = PathBuf::from("full");
            room -= 1;
            if room < 0 {
                room = 2;
                return Err(RecordError::DiskFull { path });
            }
            written.push((table.to_owned(), batch.clone()));
            Ok(())
        };
        assert!(queue.write(&mut write).is_err());
        assert!(queue.write(&mut write).is_err());
        queue.write(&mut write).unwrap();
        let expected = ["stats", "stats", "stats", "sql_text"];
        let expected = expected
            .iter()
            .zip(0..)
            .map(|(t, n)| ((*t).to_owned(), batch(n)));
        assert_eq!(written, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_long_wait_is_bounded_but_for_what_comes_once() {
        let mut queue = Queue::default();
        queue.readings((0..1000).map(|_| ("stats", batch(0))));
        queue.readings((0..1000).map(|_| ("stats", batch(0))));
        queue.once("preceding", batch(1));
        let mut tables = Vec::new();
        let all = queue.write(|table, _| {
            tables.push(table.to_owned());
            Ok(())
        });
        all.unwrap();
        assert_eq!(tables.len(), MAX_READINGS + 1);
        assert_eq!(tables.last().unwrap(), "preceding");
    }
}
