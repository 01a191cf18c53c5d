//! Arguments of `bench`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::super::quantities::{duration, rate};
use super::SourceArgs;
use crate::bench::{Dialect, Query};

/// Ways to print a bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchFormat {
    /// For people.
    Table,
    /// One JSON document (docs/bench.schema.json).
    Json,
}

/// Arguments of `bench`.
#[derive(ClapArgs, Debug)]
pub struct BenchArgs {
    /// Where to read from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// SQL client to poll with, e.g. 'sqlplus -s / as sysdba' or 'psql -X -q'; it is kept open; without it only the sampler runs
    #[arg(long, value_name = "COMMAND")]
    pub poll_cmd: Option<String>,
    /// File with the statement to poll with
    #[arg(
        long,
        value_name = "FILE",
        requires = "poll_cmd",
        conflicts_with = "poll_query"
    )]
    pub poll_sql: Option<PathBuf>,
    /// Shipped statement to poll with; v_session for SQL*Plus, pg_stat_activity for psql by default
    #[arg(long, value_enum, value_name = "NAME", requires = "poll_cmd")]
    pub poll_query: Option<Query>,
    /// The client's language; by default known by the program's name
    #[arg(long, value_enum, requires = "poll_cmd")]
    pub poll_dialect: Option<Dialect>,
    /// Statement that gives the process id of the client's server process on this host
    #[arg(long, value_name = "SQL", requires = "poll_cmd")]
    pub poll_spid_sql: Option<String>,
    /// How long an answer of the client may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub poll_timeout: std::time::Duration,
    /// Sweeps a second, comma-separated; a step for each
    #[arg(long, value_name = "HZ", value_delimiter = ',', value_parser = rate, default_value = "1,10,100,1000")]
    pub rates: Vec<f64>,
    /// Length of a step
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub duration: std::time::Duration,
    /// Each step again while other processes keep all CPUs busy
    #[arg(long)]
    pub saturate: bool,
    /// The sampler copies sessions that are idle too
    #[arg(long)]
    pub idle: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: BenchFormat,
    /// Where to write what is printed; standard output by default
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Also write one page for any browser, without network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Be a busy process
    #[arg(long, hide = true)]
    pub busy: bool,
}
