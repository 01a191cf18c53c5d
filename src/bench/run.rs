//! The bench: both sides at each rate, idle and saturated.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::{Client, MAX_STATEMENT, PollError};
use super::dialect::{Dialect, Query};
use super::document::{Document, Meta, SCHEMA, SqlMeta, Step};
use super::load::Load;
use super::peers::CLAIMS;
use super::polling::{self, Polled};
use super::sampling::{self, Pace};
use crate::decode::dates::rfc3339_ns;
use crate::discover::{cpus_online, own_cpu_ns};
use crate::sample::pacer::wall_ns;
use crate::sample::{AttachError, Attachment};

/// Said in every document, so that nobody reads more into it.
const COUNTED: [&str; 5] = [
    "a sweep looks at all sessions once: for the sampler at every session slot, copying and decoding those that are active (with --idle all in use); for SQL it is one execution of the statement with all its rows fetched and printed",
    "CPU of the sampler is all that this process used but for reading the SQL client's output: sampling thread, decoding to the rows of a recording, counting what was seen",
    "CPU of SQL is that of the client's processes and of its server process on this host, by the kernel's clocks of those processes; reading and parsing the client's output is billed to nobody",
    "both run side by side, so that they see the same sessions and disturb each other alike",
    "the sampler uses no CPU inside the database and takes no latch there",
];

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The instance can't be read.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The SQL client can't be used.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// The instance went away.
    #[error("the instance went away: {0}")]
    Gone(String),
    /// The system refused something.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Rows don't fit their schema: a defect.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// A defect.
    #[error("the sampling thread died; this is a defect")]
    SamplerDied,
    /// A defect.
    #[error("the polling thread died; this is a defect")]
    PollerDied,
    /// A statement that a pipe doesn't take at once.
    #[error("{what}: the statement has {found} bytes, expected 1 to {MAX_STATEMENT}; shorten it")]
    Statement {
        /// Which.
        what: String,
        /// Its length.
        found: usize,
    },
}

/// SQL polling as it is asked for.
#[derive(Clone, Debug)]
pub struct Polling {
    /// The client's command.
    pub command: String,
    /// Its language.
    pub dialect: Dialect,
    /// Name of the statement.
    pub name: String,
    /// The statement, with its end.
    pub statement: String,
    /// The shipped query that it is.
    pub query: Option<Query>,
    /// Asks for the server's process id; the dialect's usual way by default.
    pub spid_sql: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What to compare, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Against what; only the sampler without.
    pub polling: Option<Polling>,
    /// Polls a second, one step for each.
    pub rates_hz: Vec<f64>,
    /// Length of a step.
    pub duration: Duration,
    /// Each step again with all CPUs busy.
    pub saturate: bool,
    /// Whether the sampler copies idle sessions too.
    pub idle: bool,
}

/// Runs all steps. When the SQL client fails, the steps until then are the result, and the last one
/// says why. `stop` ends it after the step under way, without that step.
///
/// # Errors
/// See [`BenchError`]; a client that doesn't even answer the first time is one.
pub fn run(
    attachment: &Attachment,
    options: &Options,
    stop: &AtomicBool,
) -> Result<Document, BenchError> {
    let started = rfc3339_ns(wall_ns());
    let mut client = None;
    let mut sql_meta = None;
    if let Some(polling) = &options.polling {
        let (ready, meta) = ready(polling)?;
        client = Some(ready);
        sql_meta = Some(meta);
    }
    let meta = Meta {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        started,
        host: nix::unistd::gethostname()
            .ok()
            .map(|name| name.to_string_lossy().into_owned()),
        cpu_count: cpus_online(),
        instance_name: attachment.name.clone(),
        blueprint_id: attachment.blueprint.id.clone(),
        session_slots: sampling::slots(attachment)?,
        idle: options.idle,
        duration_s: options.duration.as_secs_f64(),
        sql: sql_meta,
        counted: COUNTED.to_vec(),
    };
    let steps = steps(attachment, options, client.as_mut(), stop)?;
    let ratios = steps.iter().filter_map(|s| s.sweeps_per_cpu_second_vs_sql);
    Ok(Document {
        meta,
        sweeps_per_cpu_second_vs_sql: ratios.reduce(f64::min),
        steps,
        claims_not_measured: CLAIMS.to_vec(),
    })
}

/// A client that has answered the statement once.
fn ready(polling: &Polling) -> Result<(Client, SqlMeta), BenchError> {
    let asked = [Some(&polling.statement), polling.spid_sql.as_ref()];
    for statement in asked.into_iter().flatten() {
        if statement.trim().is_empty() || statement.len() > MAX_STATEMENT {
            return Err(BenchError::Statement {
                what: polling.name.clone(),
                found: statement.len(),
            });
        }
    }
    let mut client = Client::start(&polling.command, polling.dialect, polling.timeout)?;
    let server = client.find_server(polling.spid_sql.as_deref())?;
    client.ask(&polling.statement)?;
    let meta = SqlMeta {
        command: client.command.clone(),
        dialect: polling.dialect,
        query: polling.name.clone(),
        statement: polling.statement.clone(),
        server_pid: server.as_ref().ok().copied(),
        no_server: server.err(),
    };
    Ok((client, meta))
}

fn steps(
    attachment: &Attachment,
    options: &Options,
    mut client: Option<&mut Client>,
    stop: &AtomicBool,
) -> Result<Vec<Step>, BenchError> {
    let loads: &[bool] = if options.saturate {
        &[false, true]
    } else {
        &[false]
    };
    let mut steps = Vec::new();
    for saturated in loads {
        let load = saturated.then(Load::start).transpose()?;
        for rate_hz in &options.rates_hz {
            let pace = Pace {
                rate_hz: *rate_hz,
                duration: options.duration,
            };
            let (step, failed) = step(attachment, options, client.as_deref_mut(), pace, stop)?;
            if stop.load(Ordering::Relaxed) {
                return Ok(steps);
            }
            steps.push(Step {
                saturated: *saturated,
                ..step
            });
            // of a client that hangs or is gone nothing more can be had
            if failed {
                return Ok(steps);
            }
        }
        drop(load);
    }
    Ok(steps)
}

/// Both sides at one rate, and whether SQL failed.
fn step(
    attachment: &Attachment,
    options: &Options,
    client: Option<&mut Client>,
    pace: Pace,
    stop: &AtomicBool,
) -> Result<(Step, bool), BenchError> {
    let ready = sampling::prepare(attachment, options.idle)?;
    let (cpu_before, began) = (own_cpu_ns(), Instant::now());
    // what ends the sampler early ends polling too
    let halt = AtomicBool::new(false);
    let (sampled, polled) = std::thread::scope(|scope| {
        let halt = &halt;
        let poller = client
            .zip(options.polling.as_ref())
            .map(|(client, polling)| {
                let all_active = matches!(polling.query, Some(Query::Finops | Query::Ash));
                scope
                    .spawn(move || polling::run(client, &polling.statement, all_active, pace, halt))
            });
        let sampled = sampling::run(ready, pace, stop);
        if sampled.is_err() || stop.load(Ordering::Relaxed) {
            halt.store(true, Ordering::Relaxed);
        }
        let polled = poller.map(std::thread::ScopedJoinHandle::join).transpose();
        (sampled, polled)
    });
    let polled: Option<Polled> = polled.map_err(|_| BenchError::PollerDied)?;
    let (mut sampler, taking_ns) = sampled?;
    let own = polled.as_ref().map_or(0, |p| p.own_ns);
    let used = (own_cpu_ns() - cpu_before).saturating_sub(own);
    let elapsed = began.elapsed().min(pace.duration).as_secs_f64();
    sampler.bill(used, Some(0), elapsed);
    sampler.walking_cpu_s = Some(used.saturating_sub(taking_ns) as f64 / 1e9);
    let failed = polled.as_ref().is_some_and(|p| p.failed.is_some());
    let sql = polled.map(|p| p.side);
    let of_sql = sql.as_ref().and_then(|s| s.sweeps_per_cpu_second);
    let ratio = sampler
        .sweeps_per_cpu_second
        .zip(of_sql)
        .map(|(ours, theirs)| ours / theirs);
    let step = Step {
        rate_hz: pace.rate_hz,
        saturated: false,
        sampler,
        sql,
        sweeps_per_cpu_second_vs_sql: ratio,
    };
    Ok((step, failed))
}
