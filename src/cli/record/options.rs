//! The options that make `record` a service, and what all its options come to.
//!
//! Callers: `cli::args`, `service`.

use std::time::Duration;

use clap::Args as ClapArgs;

use super::super::Failure;
use super::super::args::RecordArgs;
use super::super::quantities::{age, bytes, duration, duration_or_zero, rate};
use super::super::statistics::statistic_plan;
use crate::analyze::trigger::{Trigger, parse};
use crate::decode::columns::sample_columns;
use crate::filter::{Expr, FilterError};
use crate::memory::ThreadPriority;
use crate::record::{RecorderOptions, RecordingMeta, Retention};
use crate::sample::slow::SlowOptions;
use crate::sample::{Attachment, TextForm, ThreadOptions};

/// Arguments of `record` for long runs.
#[derive(ClapArgs, Debug, Clone)]
pub struct ServiceArgs {
    /// How often rows are handed to the operating system: what a kill loses at most
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub flush: Duration,
    /// Also when a table has so many rows waiting
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..))]
    pub flush_rows: u32,
    /// Size at which a file is closed; all are closed at the end of their hour, and at SIGHUP
    #[arg(long, value_name = "SIZE", value_parser = bytes, default_value = "512MB")]
    pub max_size: u64,
    /// Remove hours that ended so long ago: 7d, 36h
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub retain: Option<Duration>,
    /// Remove the oldest hours while all files together are larger: 20GB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub retain_bytes: Option<u64>,
    /// Wait for the instance if it isn't there, and again whenever it goes away
    #[arg(long)]
    pub follow: bool,
    /// Sample faster for a while when this holds: 'active > 50', "aas(wait_class = 'Concurrency') > 10 OR count(event LIKE 'enq: TX%') >= 5", 'missed > 0'
    #[arg(long, value_name = "EXPR", value_parser = trigger)]
    pub trigger: Option<Expr>,
    /// How fast and how long then; the minute before, one look a second at all sessions, idle ones too, is kept in up to 64 MiB of memory and written as table preceding
    #[arg(long, value_name = "HZ:TIME", value_parser = burst, default_value = "1000:5s")]
    pub burst: (f64, Duration),
    /// Time from the begin of a burst to that of the next, while the trigger holds or again
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1m")]
    pub burst_every: Duration,
    /// Processors that the sampling thread may run on, comma-separated: 0 or 2,3
    #[arg(long, value_name = "CPUS", value_delimiter = ',')]
    pub affinity: Vec<usize>,
    /// Nice value of the sampling thread, -20 (first) to 19 (last)
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with = "fifo", value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub nice: Option<i32>,
    /// Make the sampling thread a SCHED_FIFO one of this priority, 1 to 99: it goes before all ordinary work
    #[arg(long, value_name = "PRIORITY", value_parser = clap::value_parser!(i32).range(1..=99))]
    pub fifo: Option<i32>,
    /// Session statistics in the table stats, names comma-separated, or none; by default what accounting for cost and limits of consumer groups need
    #[arg(long, value_delimiter = ',', value_name = "NAMES|none")]
    pub stats: Vec<String>,
    /// How often they are read
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15s")]
    pub stats_every: Duration,
    /// How often processes are read for the table processes; 0: never
    #[arg(long, value_name = "TIME", value_parser = duration_or_zero, default_value = "1m")]
    pub processes_every: Duration,
}

/// Statistics that accounting for cost and plan directives' limits need, by their names in V$STATNAME (Oracle Database Reference,
/// Statistics Descriptions).
const COST_STATISTICS: [&str; 16] = [
    "CPU used by this session",
    "DB time",
    "session logical reads",
    "physical reads",
    "physical read total bytes",
    "physical write total bytes",
    "physical read total IO requests",
    "physical write total IO requests",
    "redo size",
    "user calls",
    "user commits",
    "execute count",
    "temp space allocated (bytes)",
    "session pga memory",
    "bytes sent via SQL*Net to client",
    "bytes received via SQL*Net from client",
];

/// What is done when.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    pub(super) trigger: Expr,
    pub(super) rate_hz: f64,
    pub(super) length: Duration,
    pub(super) every: Duration,
}

/// A trigger of columns that recordings have.
fn trigger(text: &str) -> Result<Expr, FilterError> {
    let expression = parse(text)?;
    Trigger::bind(&expression, &sample_columns())?;
    Ok(expression)
}

/// A rate and a time: `1000:5s`.
fn burst(text: &str) -> Result<(f64, Duration), String> {
    let (hz, time) = text
        .split_once(':')
        .ok_or("a burst is a rate and a time like 1000:5s")?;
    Ok((rate(hz)?, duration(time)?))
}

impl ServiceArgs {
    /// Wishes for the sampling thread.
    pub(super) fn thread(&self) -> ThreadOptions {
        let nice = self.nice.map(ThreadPriority::Nice);
        ThreadOptions {
            affinity: self.affinity.clone(),
            priority: self.fifo.map(ThreadPriority::Fifo).or(nice),
        }
    }

    /// The trigger, if there is one.
    pub(super) fn burst(&self) -> Option<Burst> {
        let (rate_hz, length) = self.burst;
        self.trigger.clone().map(|trigger| Burst {
            trigger,
            rate_hz,
            length,
            every: self.burst_every,
        })
    }

    /// What is read seldom of this instance.
    ///
    /// # Errors
    /// A statistic that was asked for and that it doesn't have.
    pub(super) fn slow(&self, attachment: &Attachment) -> Result<SlowOptions, Failure> {
        let known = &attachment.blueprint.dictionaries.statistics;
        let names: Vec<String> = match self.stats.as_slice() {
            [] => {
                let all = COST_STATISTICS.iter().map(|n| (*n).to_owned());
                // a release that lacks one is recorded without
                all.filter(|n| known.iter().any(|s| s.name == *n)).collect()
            }
            [none] if none.eq_ignore_ascii_case("none") => Vec::new(),
            given => given.iter().map(|n| n.trim().to_owned()).collect(),
        };
        let statistics = match names.is_empty() {
            true => None,
            false => Some(statistic_plan(attachment, names)?),
        };
        let every = self.stats_every;
        let processes = Some(self.processes_every).filter(|every| !every.is_zero());
        Ok(SlowOptions {
            statistics: statistics
                .filter(|plan| !plan.counters.is_empty())
                .map(|plan| (plan, every)),
            processes,
        })
    }

    /// How files are written.
    pub(super) fn recorder_options(&self) -> RecorderOptions {
        RecorderOptions {
            flush_rows: self.flush_rows as usize,
            flush_interval: self.flush,
            rotate_bytes: self.max_size,
            retention: Retention {
                age: self.retain,
                bytes: self.retain_bytes,
            },
            ..RecorderOptions::default()
        }
    }
}

/// What is said of a run in `recording.json` and in every file.
pub(in crate::cli) fn meta(args: &RecordArgs, attachment: &Attachment) -> RecordingMeta {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|h| h.into_string().ok());
    RecordingMeta {
        host: host.unwrap_or_else(|| "unknown".into()),
        instance: attachment.name.clone(),
        blueprint_id: attachment.blueprint.id.clone(),
        forced: attachment.forced,
        rate_hz: args.rate,
        program_version: env!("CARGO_PKG_VERSION").into(),
        sql_text: args.sql_text.form().map_or("none", TextForm::name).into(),
        cpu_count: match attachment.instance {
            Some(_) => crate::discover::cpus_online(),
            None => None,
        },
        start: jiff::Timestamp::now(),
    }
}
