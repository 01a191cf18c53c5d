//! Arguments of `report`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::super::quantities::duration;
use super::{Format, RecursiveArg, SourceArgs, SqlTextArg};

/// Ways to print a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// One page with charts and tables that can be narrowed by time and filtered.
    Html,
}

impl ReportFormat {
    /// The same among the formats that other verbs have too.
    pub fn plain(self) -> Option<Format> {
        match self {
            ReportFormat::Table => Some(Format::Table),
            ReportFormat::Json => Some(Format::Json),
            ReportFormat::Jsonl => Some(Format::Jsonl),
            ReportFormat::Csv => Some(Format::Csv),
            ReportFormat::Html => None,
        }
    }
}

/// Arguments of `report`.
#[derive(ClapArgs, Debug)]
pub struct ReportArgs {
    /// Directory of a recording (none with --for or --image), then conditions column=value; % stands for any characters
    #[arg(value_name = "[DIR] [COLUMN=VALUE]…")]
    pub recording: Vec<String>,
    /// Where to read from without a recording; -I also chooses an instance of one
    #[command(flatten)]
    pub source: SourceArgs,
    /// Watch the running instance that long, and report on that
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with_all = ["image", "from", "to"])]
    pub watch: Option<std::time::Duration>,
    /// Columns to group by, comma-separated; each -g gives a table of its own
    #[arg(short, long, value_name = "COLUMNS", default_value = "event")]
    pub group: Vec<String>,
    /// Condition as SQL writes it: "event LIKE 'db file%' AND (p3 > 8 OR sql_id IS NULL)"
    #[arg(short = 'w', long = "where", value_name = "EXPR")]
    pub condition: Option<String>,
    /// From this time: RFC 3339, or back from the recording's end: -15m, -1h30m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Until this time, likewise
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Lines to show
    #[arg(long, default_value_t = 15)]
    pub top: usize,
    /// Sessions that V$SESSION hides
    #[arg(long, value_enum, default_value = "include")]
    pub recursive: RecursiveArg,
    /// Adds 95 % confidence intervals of AAS: how far it may be from the truth of this window because only some moments were looked at
    #[arg(long)]
    pub ci: bool,
    /// What to compare with.
    #[command(flatten)]
    pub baseline: BaselineArgs,
    /// Files of stacks, beside the table.
    #[command(flatten)]
    pub stacks: StackArgs,
    /// How to print: html is one page that needs nothing else
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: ReportFormat,
    /// Where to write; standard output by default
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// SQL texts on the page, where the recording has them
    #[arg(long, value_enum, default_value = "redacted")]
    pub sql_text: SqlTextArg,
}

/// What `report` compares with.
#[derive(ClapArgs, Debug)]
pub struct BaselineArgs {
    /// Compare with this recording: what changed since, with significance
    #[arg(long, value_name = "DIR", conflicts_with = "ci")]
    pub baseline: Option<PathBuf>,
    /// Compare from this time of the baseline on (without --baseline: of the same recording), as --from
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub baseline_from: Option<String>,
    /// Compare until this time, likewise
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub baseline_to: Option<String>,
}

/// Files that `report` writes beside its table.
#[derive(ClapArgs, Debug)]
pub struct StackArgs {
    /// Also write a flamegraph: an SVG for any browser, with zoom
    #[arg(long, value_name = "FILE")]
    pub flame: Option<PathBuf>,
    /// Also write a profile for https://www.speedscope.app
    #[arg(long, value_name = "FILE")]
    pub speedscope: Option<PathBuf>,
    /// Also write folded stacks with microseconds, one line each
    #[arg(long, value_name = "FILE")]
    pub folded: Option<PathBuf>,
    /// Columns of these stacks, the root's first; by default service_name,program,module,sql_id,event
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub flame_by: Vec<String>,
}
