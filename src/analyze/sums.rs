//! Samples summed up by several groupings at once.
//!
//! For: one thread's part of a pass, and joining such parts. All sums are whole microseconds, so
//! that the result doesn't depend on how the work was shared. Callers: [`super::survey`],
//! [`super::report`].

use arrow::array::{Array, RecordBatch};

use super::columns::{self, Numbers};
use super::condition::Conditions;
use super::distinct::Distinct;
use super::error::AnalyzeError;
use super::report::{ReportOptions, in_window};
use super::symbols::{Coder, Combinations, Symbols};
use super::timeline::Steps;
use super::value::Value;
use super::variance::{Looks, Spread};
use crate::filter::Bound;

/// Sums of one group.
pub(super) struct GroupSums {
    pub(super) weight_us: u64,
    pub(super) samples: u64,
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    /// Pairs of a number of a SQL_ID and a SQL_EXEC_ID.
    execs: Distinct<u64>,
    /// Sample times of the slice of time that is being read.
    tstamps: Distinct<i64>,
    /// Distinct sample times of earlier slices.
    tstamps_before: u64,
    /// Active microseconds in each step of the timeline.
    pub(super) steps_us: Vec<u64>,
    looks: Looks,
    pub(super) spread: Spread,
}

impl GroupSums {
    fn new() -> GroupSums {
        GroupSums {
            weight_us: 0,
            samples: 0,
            first_us: i64::MAX,
            last_us: i64::MIN,
            execs: Distinct::new(),
            tstamps: Distinct::new(),
            tstamps_before: 0,
            steps_us: Vec::new(),
            looks: Looks::default(),
            spread: Spread::default(),
        }
    }

    pub(super) fn distinct_execs(&mut self) -> u64 {
        self.execs.count()
    }

    pub(super) fn distinct_tstamps(&mut self) -> u64 {
        self.tstamps_before + self.tstamps.count()
    }

    /// Takes over what another thread summed up of other slices.
    fn absorb(&mut self, mut other: GroupSums, sqls: &[u32]) {
        self.weight_us = self.weight_us.saturating_add(other.weight_us);
        self.samples += other.samples;
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.tstamps_before += other.distinct_tstamps();
        for exec in other.execs.into_items() {
            let sql = sqls.get((exec >> 32) as usize).copied().unwrap_or(0);
            self.execs.insert(exec_key(sql, exec as u32));
        }
        if self.steps_us.len() < other.steps_us.len() {
            self.steps_us.resize(other.steps_us.len(), 0);
        }
        for (mine, more) in self.steps_us.iter_mut().zip(other.steps_us) {
            *mine = mine.saturating_add(more);
        }
        self.spread.absorb(&other.spread);
    }
}

fn exec_key(sql: u32, exec: u32) -> u64 {
    (u64::from(sql) << 32) | u64::from(exec)
}

/// One way of grouping, and its groups.
pub(super) struct GroupingSums {
    /// Positions in the columns of the whole.
    columns: Vec<usize>,
    steps: Option<Steps>,
    combinations: Combinations,
    pub(super) groups: Vec<GroupSums>,
}

/// What is summed up: the same for all threads of a pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) options: ReportOptions,
    /// The options' condition, its columns found.
    pub(super) bound: Option<Bound>,
    /// Columns of each grouping, all resolved, none twice in one.
    pub(super) groupings: Vec<Vec<String>>,
    /// For each grouping its steps.
    pub(super) steps: Vec<Option<Steps>>,
}

/// All groupings of one thread.
pub(super) struct Sums<'w> {
    wanted: &'w Wanted,
    symbols: Symbols,
    coders: Vec<Coder>,
    sql: Coder,
    pub(super) groupings: Vec<GroupingSums>,
    conditions: Conditions<'w>,
    buffers: Buffers,
}

/// Kept from batch to batch for their memory.
#[derive(Default)]
struct Buffers {
    rows: Vec<u32>,
    codes: Vec<Vec<u32>>,
    groups: Vec<u32>,
    sqls: Vec<u32>,
}

impl<'w> Sums<'w> {
    pub(super) fn new(wanted: &'w Wanted) -> Sums<'w> {
        let mut coders: Vec<Coder> = Vec::new();
        let mut groupings = Vec::with_capacity(wanted.groupings.len());
        for (names, steps) in wanted.groupings.iter().zip(&wanted.steps) {
            let columns = names.iter().map(|name| {
                let known = coders.iter().position(|c| c.name() == name);
                known.unwrap_or_else(|| {
                    coders.push(Coder::new(name));
                    coders.len() - 1
                })
            });
            let columns: Vec<usize> = columns.collect();
            groupings.push(GroupingSums {
                combinations: Combinations::new(columns.len()),
                columns,
                steps: *steps,
                groups: Vec::new(),
            });
        }
        let codes = vec![Vec::new(); coders.len()];
        Sums {
            wanted,
            symbols: Symbols::default(),
            coders,
            sql: Coder::new("sql_id"),
            groupings,
            conditions: Conditions::new(&wanted.options, wanted.bound.as_ref()),
            buffers: Buffers {
                codes,
                ..Buffers::default()
            },
        }
    }

    pub(super) fn wanted(&self) -> &'w Wanted {
        self.wanted
    }

    /// Adds the active samples of a batch that the options want.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), AnalyzeError> {
        let options = &self.wanted.options;
        let times = columns::times(batch, "sample_time")?;
        let active = columns::flags(batch, "is_active")?;
        let weights = Numbers::of(batch, "weight_us")?;
        let execs = Numbers::of(batch, "sql_exec_id")?;
        let Buffers {
            rows,
            codes,
            groups,
            sqls,
        } = &mut self.buffers;
        rows.clear();
        rows.extend((0..batch.num_rows()).filter_map(|row| {
            let taken =
                active.is_valid(row) && active.value(row) && in_window(options, times.value(row));
            taken.then_some(row as u32)
        }));
        self.conditions.keep(batch, rows)?;
        if rows.is_empty() {
            return Ok(());
        }
        for (coder, codes) in self.coders.iter_mut().zip(codes.iter_mut()) {
            coder.encode(batch, rows, &mut self.symbols, codes)?;
        }
        self.sql.encode(batch, rows, &mut self.symbols, sqls)?;
        let no_sql = self.symbols.number(&Value::Null);
        for grouping in &mut self.groupings {
            let columns: Vec<&[u32]> = grouping
                .columns
                .iter()
                .map(|column| codes[*column].as_slice())
                .collect();
            grouping.combinations.encode(&columns, rows.len(), groups);
            let last = groups.iter().max().map_or(0, |last| *last as usize + 1);
            while grouping.groups.len() < last {
                grouping.groups.push(GroupSums::new());
            }
            for ((row, group), sql) in rows.iter().zip(groups.iter()).zip(sqls.iter()) {
                let row = *row as usize;
                let (time_us, weight_us) = (times.value(row), weights.get(row));
                let group = &mut grouping.groups[*group as usize];
                group.weight_us = group.weight_us.saturating_add(weight_us);
                group.samples += 1;
                group.first_us = group.first_us.min(time_us);
                group.last_us = group.last_us.max(time_us);
                group.tstamps.insert(time_us);
                if *sql != no_sql
                    && let Some(exec) = execs.get_valid(row)
                {
                    // SQL_EXEC_ID is a 32-bit number.
                    group.execs.insert(exec_key(*sql, exec as u32));
                }
                if options.intervals {
                    group.looks.add(time_us, weight_us);
                }
                if let Some(steps) = &grouping.steps
                    && let Some(step) = steps.index(time_us)
                {
                    if group.steps_us.is_empty() {
                        group.steps_us = vec![0; steps.count];
                    }
                    group.steps_us[step] = group.steps_us[step].saturating_add(weight_us);
                }
            }
        }
        Ok(())
    }

    /// Ends the looks of one source in one slice of time, whose ticks (time and weight, sorted by
    /// time) say when nothing was seen.
    pub(super) fn end_source(&mut self, ticks: &[(i64, u64)]) {
        for group in self.groupings.iter_mut().flat_map(|g| &mut g.groups) {
            group.spread.add(&mut group.looks, ticks);
        }
    }

    /// Ends a slice of time: no further sample will be of it.
    pub(super) fn end_slice(&mut self) {
        for group in self.groupings.iter_mut().flat_map(|g| &mut g.groups) {
            group.tstamps_before += group.tstamps.count();
            group.tstamps = Distinct::new();
        }
    }

    /// Takes over what another thread summed up of other slices.
    pub(super) fn absorb(&mut self, other: Sums<'_>) {
        let numbers = self.symbols.absorb(other.symbols);
        for (mine, theirs) in self.groupings.iter_mut().zip(other.groupings) {
            let GroupingSums {
                combinations,
                groups,
                ..
            } = theirs;
            for (number, group) in groups.into_iter().enumerate() {
                let parts = combinations.made_of(number as u32);
                let parts = parts.iter().map(|part| numbers[*part as usize]);
                let number = mine.combinations.number(parts) as usize;
                while mine.groups.len() <= number {
                    mine.groups.push(GroupSums::new());
                }
                mine.groups[number].absorb(group, &numbers);
            }
        }
    }

    /// The groups of all groupings with their values, in no order.
    pub(super) fn into_groups(self) -> Vec<Vec<(Vec<Value>, GroupSums)>> {
        let symbols = self.symbols;
        let groupings = self.groupings.into_iter().map(|grouping| {
            let combinations = grouping.combinations;
            let groups = grouping.groups.into_iter().enumerate();
            groups
                .map(|(number, group)| {
                    let parts = combinations.made_of(number as u32);
                    let values = parts.into_iter().map(|part| symbols.value(part));
                    (values.collect(), group)
                })
                .collect()
        });
        groupings.collect()
    }
}
