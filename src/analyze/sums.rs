//! Samples summed up by several groupings at once.
//!
//! For: one thread's part of a pass, and joining such parts. All sums are whole microseconds, so
//! that the result doesn't depend on how the work was shared. Callers: [`super::survey`],
//! [`super::report`].

use arrow::array::{Array, RecordBatch};

use super::columns::{self, Chosen, Numbers};
use super::condition::Conditions;
use super::distinct::Ticks;
use super::error::AnalyzeError;
use super::execs::Execs;
use super::report::ReportOptions;
use super::slice_ticks::SliceTicks;
use super::symbols::{Coder, Combinations, Symbols};
use super::timeline::Steps;
use super::value::Value;
use super::variance::{Looks, Spread};
use crate::filter::Bound;

/// Rows that are added at a time: what is known of them in between stays in a processor's own cache.
const PIECE_ROWS: usize = 8_192;

/// The column that is one half of an execution.
const SQL_COLUMN: &str = "sql_id";

/// Sums of one group.
pub(super) struct GroupSums {
    pub(super) weight_us: u64,
    pub(super) samples: u64,
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    /// The execution seen last, a number of a SQL_ID and a SQL_EXEC_ID: often the next one's too.
    last_exec: u64,
    /// Distinct executions, once all is read.
    pub(super) distinct_execs: u64,
    /// Sample times of the slice of time that is being read.
    tstamps: Ticks,
    /// Distinct sample times of earlier slices.
    pub(super) distinct_tstamps: u64,
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
            last_exec: NO_EXEC,
            distinct_execs: 0,
            tstamps: Ticks::default(),
            distinct_tstamps: 0,
            steps_us: Vec::new(),
            looks: Looks::default(),
            spread: Spread::default(),
        }
    }

    /// Takes over what another thread summed up of other slices, but for executions.
    fn absorb(&mut self, other: GroupSums) {
        self.weight_us = self.weight_us.saturating_add(other.weight_us);
        self.samples += other.samples;
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.distinct_tstamps += other.distinct_tstamps;
        if self.steps_us.len() < other.steps_us.len() {
            self.steps_us.resize(other.steps_us.len(), 0);
        }
        for (mine, more) in self.steps_us.iter_mut().zip(other.steps_us) {
            *mine = mine.saturating_add(more);
        }
        self.spread.absorb(&other.spread);
    }
}

/// One way of grouping, and its groups.
pub(super) struct GroupingSums {
    /// Positions in the columns of the whole.
    columns: Vec<usize>,
    steps: Option<Steps>,
    combinations: Combinations,
    pub(super) groups: Vec<GroupSums>,
    execs: Execs,
    /// The groups of the codes of the batch that is being read.
    table: Vec<u32>,
    /// The step of each tick of the slice that is being read.
    step_of: Vec<Option<usize>>,
}

/// The rows of a batch that are wanted.
struct Rows<'a> {
    /// Numbers of their ticks.
    ticks: &'a [u32],
    /// The times of those.
    times: &'a [i64],
    weights: &'a [u64],
    /// A number of a SQL_ID and a SQL_EXEC_ID, or [`NO_EXEC`].
    execs: &'a [u64],
    intervals: bool,
}

/// A batch that is being added.
struct Whole<'a> {
    batch: &'a RecordBatch,
    /// How many of its rows are wanted.
    wanted: usize,
    weights: Numbers<'a>,
    execs: Numbers<'a>,
    /// The number of null, which is no SQL_ID.
    no_sql: u32,
}

/// No execution: no statement has this number.
const NO_EXEC: u64 = u64::MAX;

impl GroupingSums {
    fn reach(&mut self, group: u32) -> &mut GroupSums {
        let group = group as usize;
        if group >= self.groups.len() {
            self.groups.resize_with(group + 1, GroupSums::new);
        }
        &mut self.groups[group]
    }

    /// Adds rows to their groups.
    fn add(&mut self, rows: &Rows<'_>, groups: &[u32]) {
        if let Some(last) = groups.iter().max() {
            self.reach(*last);
        }
        let columns = rows.ticks.iter().zip(rows.weights).zip(rows.execs);
        for (group, ((tick, weight_us), exec)) in groups.iter().zip(columns) {
            let time_us = rows.times[*tick as usize];
            let sums = &mut self.groups[*group as usize];
            sums.weight_us = sums.weight_us.saturating_add(*weight_us);
            sums.samples += 1;
            sums.first_us = sums.first_us.min(time_us);
            sums.last_us = sums.last_us.max(time_us);
            sums.tstamps.insert(*tick);
            if *exec != sums.last_exec && *exec != NO_EXEC {
                sums.last_exec = *exec;
                self.execs.insert(*group, *exec);
            }
            if rows.intervals {
                sums.looks.add(time_us, *weight_us);
            }
        }
        if let Some(steps) = &self.steps {
            let more = rows.times.iter().skip(self.step_of.len());
            self.step_of
                .extend(more.map(|time_us| steps.index(*time_us)));
            let columns = rows.ticks.iter().zip(rows.weights);
            for (group, (tick, weight_us)) in groups.iter().zip(columns) {
                let Some(step) = self.step_of[*tick as usize] else {
                    continue;
                };
                let steps_us = &mut self.groups[*group as usize].steps_us;
                if steps_us.is_empty() {
                    *steps_us = vec![0; steps.count];
                }
                steps_us[step] = steps_us[step].saturating_add(*weight_us);
            }
        }
    }
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
    pub(super) symbols: Symbols,
    coders: Vec<Coder>,
    /// Position of `sql_id` in `coders`.
    sql: usize,
    slice: SliceTicks,
    pub(super) groupings: Vec<GroupingSums>,
    conditions: Conditions<'w>,
    buffers: Buffers,
}

/// Kept from batch to batch for their memory.
#[derive(Default)]
struct Buffers {
    rows: Vec<u32>,
    /// Numbers of ticks.
    ticks: Vec<u32>,
    weights: Vec<u64>,
    exec_ids: Vec<u64>,
    execs: Vec<u64>,
    groups: Vec<u32>,
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
                execs: Execs::default(),
                table: Vec::new(),
                step_of: Vec::new(),
            });
        }
        let sql = coders.iter().position(|c| c.name() == SQL_COLUMN);
        let sql = sql.unwrap_or_else(|| {
            coders.push(Coder::new(SQL_COLUMN));
            coders.len() - 1
        });
        Sums {
            wanted,
            symbols: Symbols::default(),
            coders,
            sql,
            slice: SliceTicks::default(),
            groupings,
            conditions: Conditions::new(&wanted.options, wanted.bound.as_ref()),
            buffers: Buffers::default(),
        }
    }

    pub(super) fn wanted(&self) -> &'w Wanted {
        self.wanted
    }

    /// Adds the active samples of a batch that the options want.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), AnalyzeError> {
        let options = &self.wanted.options;
        let active = columns::flags(batch, "is_active")?;
        let weights = Numbers::of(batch, "weight_us")?;
        let execs = Numbers::of(batch, "sql_exec_id")?;
        let buffers = &mut self.buffers;
        let rows = &mut buffers.rows;
        rows.clear();
        let all = 0..batch.num_rows() as u32;
        match active.null_count() == 0 && !active.has_false() {
            true => rows.extend(all),
            false => rows.extend(all.filter(|row| {
                let row = *row as usize;
                active.is_valid(row) && active.value(row)
            })),
        }
        self.slice.keep(batch, options, rows)?;
        self.conditions.keep(batch, rows)?;
        if rows.is_empty() {
            return Ok(());
        }
        self.slice.begin(batch)?;
        for grouping in &mut self.groupings {
            grouping.table.clear();
        }
        let rows = std::mem::take(&mut self.buffers.rows);
        let whole = Whole {
            batch,
            wanted: rows.len(),
            weights,
            execs,
            no_sql: self.symbols.number(&Value::Null),
        };
        for piece in Chosen::pieces(&rows, batch.num_rows(), PIECE_ROWS) {
            self.add_piece(&whole, piece)?;
        }
        self.buffers.rows = rows;
        Ok(())
    }

    /// Adds some rows of a batch.
    fn add_piece(&mut self, whole: &Whole<'_>, piece: Chosen<'_>) -> Result<(), AnalyzeError> {
        let batch = whole.batch;
        let buffers = &mut self.buffers;
        self.slice.encode(batch, piece, &mut buffers.ticks)?;
        for coder in &mut self.coders {
            coder.encode(batch, piece, &mut self.symbols)?;
        }
        whole.weights.all(piece, 0, &mut buffers.weights);
        // SQL_EXEC_ID is a 32-bit number, so that none is this one
        whole.execs.all(piece, u64::MAX, &mut buffers.exec_ids);
        let of_statement = |sql: u32| match sql == whole.no_sql {
            true => NO_EXEC,
            false => u64::from(sql) << 32,
        };
        self.coders[self.sql].each(of_statement, &mut buffers.execs);
        for (exec, id) in buffers.execs.iter_mut().zip(&buffers.exec_ids) {
            let none = *id == u64::MAX;
            // all bits of one that is none are set
            *exec |= if none { NO_EXEC } else { id & 0xFFFF_FFFF };
        }
        let rows = Rows {
            ticks: &buffers.ticks,
            times: self.slice.times(),
            weights: &buffers.weights,
            execs: &buffers.execs,
            intervals: self.wanted.options.intervals,
        };
        for grouping in &mut self.groupings {
            let columns: Vec<&Coder> = grouping.columns.iter().map(|n| &self.coders[*n]).collect();
            let (table, groups) = (&mut grouping.table, &mut buffers.groups);
            let combinations = &mut grouping.combinations;
            combinations.encode(&columns, piece.len(), whole.wanted, table, groups);
            grouping.add(&rows, groups);
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
            group.distinct_tstamps += group.tstamps.take_count();
        }
        for grouping in &mut self.groupings {
            grouping.step_of.clear();
        }
        self.slice.clear();
    }

    /// Takes over what another thread summed up of other slices.
    pub(super) fn absorb(&mut self, other: Sums<'_>) {
        let numbers = self.symbols.absorb(other.symbols);
        for (mine, theirs) in self.groupings.iter_mut().zip(other.groupings) {
            let GroupingSums {
                combinations,
                groups,
                execs,
                ..
            } = theirs;
            let mut as_mine = Vec::with_capacity(groups.len());
            for (number, group) in groups.into_iter().enumerate() {
                let parts = combinations.made_of(number as u32);
                let parts = parts.iter().map(|part| numbers[*part as usize]);
                let number = mine.combinations.number(parts);
                as_mine.push(number);
                mine.reach(number).absorb(group);
            }
            let of = |numbers: &[u32], number: u32| numbers.get(number as usize).copied();
            mine.execs.absorb(
                execs,
                |group| of(&as_mine, group).unwrap_or(0),
                |sql| of(&numbers, sql).unwrap_or(0),
            );
        }
    }

    /// The groups of all groupings with their values, in no order.
    pub(super) fn into_groups(mut self) -> Vec<Vec<(Vec<Value>, GroupSums)>> {
        self.end_slice();
        let symbols = self.symbols;
        let groupings = self.groupings.into_iter().map(|grouping| {
            let combinations = grouping.combinations;
            let execs = grouping.execs.counts(grouping.groups.len());
            let groups = grouping.groups.into_iter().zip(execs).enumerate();
            groups
                .map(|(number, (mut group, execs))| {
                    group.distinct_execs = execs;
                    let parts = combinations.made_of(number as u32);
                    let values = parts.into_iter().map(|part| symbols.value(part));
                    (values.collect(), group)
                })
                .collect()
        });
        groupings.collect()
    }
}
