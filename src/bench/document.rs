//! What a bench found: the JSON document, as `docs/bench.schema.json` describes it.
//!
//! Callers: everyone in [`super`], `export`, `cli`.

use serde::Serialize;

use super::dialect::Dialect;
use super::peers::Claim;
use super::seen::Seen;

/// Version of the document's form.
pub const SCHEMA: u32 = 1;

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// What was compared, and where.
    pub meta: Meta,
    /// One step for each rate and load, in the order in which they ran.
    pub steps: Vec<Step>,
    /// How many more sweeps the sampler made of a CPU-second than SQL polling: the least of all steps.
    pub sweeps_per_cpu_second_vs_sql: Option<f64>,
    /// Figures that others publish of themselves: nothing of it was measured here.
    pub claims_not_measured: Vec<Claim>,
}

/// What was compared, and where.
#[derive(Clone, Debug, Serialize)]
pub struct Meta {
    /// Form of this document.
    pub schema: u32,
    /// This program's version.
    pub version: &'static str,
    /// When it began, RFC 3339.
    pub started: String,
    /// Host.
    pub host: Option<String>,
    /// CPUs online.
    pub cpu_count: Option<u32>,
    /// Instance that the sampler read.
    pub instance_name: String,
    /// Blueprint by which it read.
    pub blueprint_id: String,
    /// Session slots that each sweep of the sampler looks at.
    pub session_slots: usize,
    /// Whether the sampler also copied idle sessions.
    pub idle: bool,
    /// Length of a step, seconds.
    pub duration_s: f64,
    /// The SQL client; none when only the sampler ran.
    pub sql: Option<SqlMeta>,
    /// What is counted, in words.
    pub counted: Vec<&'static str>,
}

/// The SQL client.
#[derive(Clone, Debug, Serialize)]
pub struct SqlMeta {
    /// Its command.
    pub command: String,
    /// Its language.
    pub dialect: Dialect,
    /// Name of the shipped query, or the file's.
    pub query: String,
    /// The statement.
    pub statement: String,
    /// Its server process on this host.
    pub server_pid: Option<i32>,
    /// Why the server process isn't known; then its CPU isn't billed.
    pub no_server: Option<String>,
}

/// Both at one rate.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Polls a second asked for.
    pub rate_hz: f64,
    /// Whether all CPUs were busy with other work.
    pub saturated: bool,
    /// The sampler.
    pub sampler: Side,
    /// SQL polling.
    pub sql: Option<Side>,
    /// How many more sweeps the sampler made of a CPU-second.
    pub sweeps_per_cpu_second_vs_sql: Option<f64>,
}

/// One of both.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    /// Sweeps that were due. A sweep looks at all sessions once.
    pub due: u64,
    /// Sweeps made.
    pub taken: u64,
    /// Due ones that were skipped because the one before took too long, or CPUs were busy.
    pub missed: u64,
    /// Sweeps made a second.
    pub achieved_hz: f64,
    /// CPU time, client and server together, seconds.
    pub cpu_s: f64,
    /// Of it the client's: the sampler's whole work, the SQL client's processes.
    pub client_cpu_s: f64,
    /// Of the sampler's work that of the sampling thread, which walks over memory; the rest is decoding
    /// and counting. Null for SQL.
    pub walking_cpu_s: Option<f64>,
    /// Of it the database server process's; 0 for the sampler, null if not known.
    pub server_cpu_s: Option<f64>,
    /// CPU time by time, percent of one CPU.
    pub cpu_percent: f64,
    /// Sweeps made of a second of CPU time.
    pub sweeps_per_cpu_second: Option<f64>,
    /// From asking until all rows were there, µs.
    pub latency_us: Option<Spread>,
    /// How much later than due it began, µs.
    pub late_us: Option<Spread>,
    /// Bytes that the client printed; none for the sampler.
    pub bytes: Option<u64>,
    /// What it got to see.
    pub seen: Seen,
    /// Why it ended before its time.
    pub failed: Option<String>,
}

/// How times are spread.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Half of them aren't longer.
    pub p50: f64,
    /// 95 % of them aren't longer.
    pub p95: f64,
    /// The longest.
    pub max: f64,
}

impl Side {
    /// Bills the CPU time, ns, of a step that took so long, s.
    pub(super) fn bill(&mut self, client_ns: u64, server_ns: Option<u64>, elapsed_s: f64) {
        self.client_cpu_s = client_ns as f64 / 1e9;
        self.server_cpu_s = server_ns.map(|ns| ns as f64 / 1e9);
        self.cpu_s = self.client_cpu_s + self.server_cpu_s.unwrap_or(0.0);
        self.achieved_hz = self.taken as f64 / elapsed_s.max(1e-9);
        self.cpu_percent = 100.0 * self.cpu_s / elapsed_s.max(1e-9);
        let any = self.taken > 0 && self.cpu_s > 0.0;
        self.sweeps_per_cpu_second = any.then(|| self.taken as f64 / self.cpu_s);
    }
}

/// How many times as many, as people read it: 312, 4.2, 0.03.
pub fn times(ratio: f64) -> String {
    match ratio {
        r if r >= 10.0 => format!("{r:.0}"),
        r if r >= 1.0 => format!("{r:.1}"),
        r => format!("{r:.2}"),
    }
}
