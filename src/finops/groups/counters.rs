//! Counters of sessions, from the table `stats`.
//!
//! They only grow while a session lives, and a row is written when one changed. `CPU used by this
//! session` moves when a call ends, the others while it runs. Callers: [`super::limits`].

use std::collections::HashMap;

use super::calls::Run;
use super::follow::Key;
use super::rows::Window;
use crate::analyze::AnalyzeError;
use crate::analyze::columns::{Numbers, times};
use crate::finops::directives::judge::{Bounds, Usage};
use crate::record::{Reader, RecordError, ScanOptions};

/// Columns of `stats`, in the order of [`Reading::values`].
const COLUMNS: [&str; 7] = [
    "user_calls",
    "cpu_used_by_this_session",
    "session_logical_reads",
    "physical_read_total_bytes",
    "physical_write_total_bytes",
    "physical_read_total_io_requests",
    "physical_write_total_io_requests",
];
const CALLS: usize = 0;
const CPU: usize = 1;
const LOGICAL: usize = 2;
const BYTES: [usize; 2] = [3, 4];
const REQUESTS: [usize; 2] = [5, 6];

/// A session's counters at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    time_us: i64,
    values: [Option<u64>; 7],
}

impl Reading {
    fn sum(&self, places: &[usize]) -> Option<f64> {
        let values = places.iter().map(|place| self.values[*place]);
        values.sum::<Option<u64>>().map(|sum| sum as f64)
    }
}

/// Counters of all sessions, by source, SID and SERIAL#.
#[derive(Debug, Default)]
pub(super) struct Counters {
    readings: HashMap<Key, Vec<Reading>>,
}

impl Counters {
    /// Reads them; none if the recording has none.
    pub(super) fn read(
        reader: &Reader,
        window: &Window,
        sources: &[(String, String)],
    ) -> Result<Counters, AnalyzeError> {
        let schema = match reader.schema("stats") {
            Ok(schema) => schema,
            Err(RecordError::NoTable { .. }) => return Ok(Counters::default()),
            Err(error) => return Err(error.into()),
        };
        let there = |name: &&str| schema.column_with_name(name).is_some();
        let names = ["sample_time", "session_id", "session_serial_no"];
        let names = names.into_iter().chain(COLUMNS).filter(there);
        let names: Vec<String> = names.map(str::to_owned).collect();
        let mut counters = Counters::default();
        for (source, (host, instance)) in sources.iter().enumerate() {
            let options = ScanOptions {
                // a counter's value before the window is what a call began with
                from_us: None,
                to_us: window.to_us,
                columns: Some(names.clone()),
                host: Some(host.clone()),
                instance: Some(instance.clone()),
            };
            for batch in reader.scan("stats", &options)?.in_order() {
                let batch = batch?;
                let time = times(&batch, "sample_time")?;
                let sid = Numbers::of(&batch, "session_id")?;
                let serial = Numbers::of(&batch, "session_serial_no")?;
                let column = |name| {
                    batch
                        .column_by_name(name)
                        .map(|_| Numbers::of(&batch, name))
                };
                let mut columns = Vec::with_capacity(COLUMNS.len());
                for name in COLUMNS {
                    columns.push(column(name).transpose()?);
                }
                for row in 0..batch.num_rows() {
                    let mut values = [None; 7];
                    for (value, column) in values.iter_mut().zip(&columns) {
                        *value = column.as_ref().and_then(|c| c.get_valid(row));
                    }
                    let key = (source, sid.get(row) as u32, serial.get(row) as u32);
                    let time_us = time.value(row);
                    counters
                        .readings
                        .entry(key)
                        .or_default()
                        .push(Reading { time_us, values });
                }
            }
        }
        Ok(counters)
    }

    /// What a run consumed: samples tell CPU and elapsed time, counters the rest and sharpen CPU.
    pub(super) fn usage(&self, key: Key, run: &Run) -> Usage {
        let mut usage = Usage {
            cpu_s: Some(run.cpu_s),
            elapsed_s: Some(run.elapsed_s),
            ..Usage::default()
        };
        let Some(readings) = self.readings.get(&key) else {
            return usage;
        };
        let around = Around::of(readings, run);
        let scaled = |bounds: Option<Bounds>, by: f64| {
            bounds.map(|b| Bounds {
                at_least: b.at_least / by,
                at_most: b.at_most / by,
            })
        };
        usage.io_logical = around.of_call(&[LOGICAL]);
        usage.io_reqs = around.of_call(&REQUESTS);
        usage.io_megabytes = scaled(around.of_call(&BYTES), 1_048_576.0);
        if let (Some(cpu), Some(sampled)) = (around.cpu_of_call(), &mut usage.cpu_s) {
            sampled.at_least = sampled.at_least.max(cpu.at_least);
            sampled.at_most = sampled.at_most.min(cpu.at_most).max(sampled.at_least);
        }
        usage
    }
}

/// Readings around and within a run.
struct Around<'a> {
    before: Option<&'a Reading>,
    inside: &'a [Reading],
    after: Option<&'a Reading>,
    last: Option<&'a Reading>,
}

impl<'a> Around<'a> {
    fn of(readings: &'a [Reading], run: &Run) -> Around<'a> {
        let until = |us: i64| readings.partition_point(|r| r.time_us <= us);
        let since = |us: i64| readings.partition_point(|r| r.time_us < us);
        let (first, end) = (since(run.inner_us.0), until(run.inner_us.1));
        Around {
            before: until(run.outer_us.0)
                .checked_sub(1)
                .and_then(|at| readings.get(at)),
            inside: readings.get(first..end).unwrap_or_default(),
            after: readings.get(since(run.outer_us.1)),
            last: readings.last(),
        }
    }

    /// What counters that move within calls say: the difference of two readings within what is one
    /// call is the least, that of the readings around it the most (from 0, the session's beginning,
    /// where there is none before).
    fn of_call(&self, places: &[usize]) -> Option<Bounds> {
        let value = |reading: Option<&Reading>| reading.and_then(|r| r.sum(places));
        let at_most = value(self.after.or(self.last))? - value(self.before).unwrap_or(0.0);
        let inside = value(self.inside.last()).zip(value(self.inside.first()));
        Some(Bounds {
            at_least: inside.map_or(0.0, |(last, first)| last - first),
            at_most: at_most.max(0.0),
        })
    }

    /// CPU, seconds: exact to a hundredth where just one call ended between the readings.
    fn cpu_of_call(&self) -> Option<Bounds> {
        let (before, after) = (self.before?, self.after?);
        let calls = after.values[CALLS]?.checked_sub(before.values[CALLS]?)?;
        let used = after.values[CPU]?.checked_sub(before.values[CPU]?)? as f64;
        Some(Bounds {
            at_least: if calls == 1 { used / 100.0 } else { 0.0 },
            at_most: (used + 1.0) / 100.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(second: i64, calls: u64, cpu: u64, logical: u64) -> Reading {
        let mut values = [None; 7];
        values[CALLS] = Some(calls);
        values[CPU] = Some(cpu);
        values[LOGICAL] = Some(logical);
        Reading {
            time_us: second * 1_000_000,
            values,
        }
    }

    fn run(outer: (i64, i64), inner: (i64, i64)) -> Run {
        let us = |(from, to): (i64, i64)| (from * 1_000_000, to * 1_000_000);
        Run {
            outer_us: us(outer),
            inner_us: us(inner),
            sql_id: 0,
            elapsed_s: Bounds::default(),
            cpu_s: Bounds {
                at_least: 1.0,
                at_most: 30.0,
            },
            cut: false,
        }
    }

    #[test]
    fn counters_bound_a_call_from_within_and_around() {
        let readings = vec![
            reading(0, 5, 100, 1_000),
            reading(15, 5, 100, 1_500),
            reading(30, 5, 100, 4_000),
            reading(45, 6, 900, 4_600),
        ];
        let counters = Counters {
            readings: HashMap::from([((0, 1, 1), readings)]),
        };
        let usage = counters.usage((0, 1, 1), &run((10, 40), (11, 39)));
        let logical = usage.io_logical.unwrap();
        assert_eq!((logical.at_least, logical.at_most), (2_500.0, 3_600.0));
        // one call ended: its CPU is known
        let cpu = usage.cpu_s.unwrap();
        assert_eq!((cpu.at_least, cpu.at_most), (8.0, 8.01));
        assert!(usage.io_reqs.is_none() && usage.io_megabytes.is_none());
        // a session that nothing was read of
        assert!(
            counters
                .usage((0, 2, 1), &run((10, 40), (11, 39)))
                .io_logical
                .is_none()
        );
    }
}
