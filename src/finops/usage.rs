//! What is charged for: quantities in whole base units, that add up exactly.
//!
//! Callers: the rest of `finops`, `cli`.

use super::deltas::{Counter, Delta};

/// How many metrics there are.
pub const METRICS: usize = 12;

const GIB: u128 = 1 << 30;
const SECOND_US: u128 = 1_000_000;

/// Something that can have a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name of its price, and its unit.
    pub name: &'static str,
    /// Name of its quantity in base units.
    pub quantity: &'static str,
    /// Base units in one of its units.
    pub base: u128,
    /// Unit as people write it.
    pub unit: &'static str,
    /// What it is.
    pub what: &'static str,
}

/// All metrics, in the order of the arrays of [`Usage`].
#[rustfmt::skip] // a table: one line a metric
pub const ALL: [Metric; METRICS] = [
    Metric { name: "cpu_seconds", quantity: "cpu_us", base: SECOND_US, unit: "Seconds", what: "CPU time" },
    Metric { name: "db_time_seconds", quantity: "db_time_us", base: SECOND_US, unit: "Seconds", what: "DB time" },
    Metric { name: "logical_reads", quantity: "logical_reads", base: 1, unit: "Reads", what: "Logical reads" },
    Metric { name: "physical_reads", quantity: "physical_reads", base: 1, unit: "Reads", what: "Physical reads" },
    Metric { name: "read_gib", quantity: "read_bytes", base: GIB, unit: "GiB", what: "Bytes read" },
    Metric { name: "written_gib", quantity: "written_bytes", base: GIB, unit: "GiB", what: "Bytes written" },
    Metric { name: "redo_gib", quantity: "redo_bytes", base: GIB, unit: "GiB", what: "Redo" },
    Metric { name: "user_calls", quantity: "user_calls", base: 1, unit: "Calls", what: "User calls" },
    Metric { name: "user_commits", quantity: "user_commits", base: 1, unit: "Commits", what: "Commits" },
    Metric { name: "temp_gib", quantity: "temp_growth_bytes", base: GIB, unit: "GiB", what: "Temporary space taken" },
    Metric { name: "temp_gib_seconds", quantity: "temp_byte_us", base: GIB * SECOND_US, unit: "GiB-Seconds", what: "Temporary space held" },
    Metric { name: "pga_gib_seconds", quantity: "pga_byte_us", base: GIB * SECOND_US, unit: "GiB-Seconds", what: "PGA held" },
];

/// Quantities by [`ALL`], in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage(pub [u128; METRICS]);

impl Usage {
    /// What a delta says.
    pub fn of(delta: &Delta) -> Usage {
        let counter = |c: Counter| u128::from(delta.counters[c as usize]);
        Usage([
            counter(Counter::Cpu),
            counter(Counter::DbTime),
            counter(Counter::LogicalReads),
            counter(Counter::PhysicalReads),
            counter(Counter::ReadBytes),
            counter(Counter::WriteBytes),
            counter(Counter::RedoBytes),
            counter(Counter::UserCalls),
            counter(Counter::Commits),
            u128::from(delta.temp_growth_bytes),
            delta.temp_byte_us,
            delta.pga_byte_us,
        ])
    }

    /// Adds another.
    pub fn add(&mut self, other: &Usage) {
        for (own, by) in self.0.iter_mut().zip(other.0) {
            *own = own.saturating_add(by);
        }
    }

    /// The quantity of a metric by its name in base units; 0 of one that isn't.
    pub fn quantity(&self, name: &str) -> u128 {
        let at = ALL.iter().position(|metric| metric.quantity == name);
        at.map_or(0, |at| self.0[at])
    }
}
