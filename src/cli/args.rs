//! What a user types.

mod bench;
mod cost;
mod groups;
mod image;
mod report;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::quantities::{duration, duration_or_zero, rate};
use super::record::ServiceArgs;
use crate::record::Compression;
use crate::sample::{Jitter, Source, TextForm};

pub use bench::{BenchArgs, BenchFormat};
pub use cost::{
    AccountArgs, CostArgs, CostCommand, CostReportArgs, CostRules, DeadLettersCommand, DeltasArgs,
    ExportArgs, ExportFormat, QuotaCheckArgs, QuotaCommand,
};
pub use groups::{
    GroupsArgs, GroupsCommand, GroupsEvaluateArgs, GroupsImportArgs, GroupsLimitsArgs,
    GroupsWhatIfArgs, Only, RecordingArgs,
};
pub use image::{CaptureArgs, ImageArgs, ImageCommand, SliceArgs};
pub use report::{BaselineArgs, ReportArgs, ReportFormat, StackArgs};

/// Reads the shared memory of a running Oracle Database directly, without SQL, and shows and
/// records what every session does, including the recursive sessions that V$SESSION hides.
#[derive(Parser, Debug)]
#[command(name = "sgascope", version, about, long_about = None, after_help = EXIT_CODES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Errors only: no progress, no warnings.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 ok; 1 nothing found, or a check said no; 2 usage; 3 no permission; \
4 no such instance, or it went away; 5 no blueprint, or it doesn't fit; 6 damaged data.";

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Instances on this host: memory, owner, version, and whether they can be read
    Discover(DiscoverArgs),
    /// Whether an instance can be attached, and if not, the exact cause and the least privilege that would do
    Doctor(DoctorArgs),
    /// Layouts: extract, list, compare, check, show
    Blueprint(BlueprintArgs),
    /// One snapshot of all sessions, as V$SESSION would show them, plus those it hides
    Dump(DumpArgs),
    /// Sample sessions at a steady rate into an open recording (Arrow while hot, Parquet when closed)
    Record(super::import::RecordCommand),
    /// Where the time went: ashtop over a recording
    Report(Box<ReportArgs>),
    /// Sessions against processes against the operating system: sniped, killed, orphaned, shared, recursive; prints clean-up statements, never runs them
    Reconcile(ReconcileArgs),
    /// Wait chains with their final blockers, idle ones too: live, over an image or a recording
    Chains(ChainsArgs),
    /// Consumer groups by the Resource Manager's own rules: which rule wins, what changed rules would move, which limits calls would pass
    Groups(Box<GroupsArgs>),
    /// What sessions consumed by their counters, whose that is, and what it costs
    Cost(Box<CostArgs>),
    /// Capture memory into a file, to be read by every verb with --image; show one, cut parts out of one
    Image(ImageArgs),
    /// The sampler against SQL polling on this host: what each costs, how long each takes, what each sees
    Bench(BenchArgs),
}

/// Ways to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// How to read memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ViaArg {
    /// Attach the segments, or map the granule files, read-only.
    Shm,
    /// process_vm_readv from PMON; attaches nothing.
    ProcessVm,
}

/// Whether recursive sessions are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecursiveArg {
    /// With the others.
    Include,
    /// Not.
    Exclude,
    /// Nothing else.
    Only,
}

/// Whether SQL text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqlTextArg {
    /// No text.
    None,
    /// The whole text without literals, comments and passwords.
    Redacted,
    /// The whole text.
    Full,
}

impl SqlTextArg {
    /// The form of texts, if any are wanted.
    pub fn form(self) -> Option<TextForm> {
        match self {
            SqlTextArg::None => None,
            SqlTextArg::Redacted => Some(TextForm::Redacted),
            SqlTextArg::Full => Some(TextForm::Full),
        }
    }
}

/// Where to read from.
#[derive(ClapArgs, Debug, Clone)]
pub struct SourceArgs {
    /// Instance (SID) to read, or all; may be given several times; the only running one by default
    #[arg(short = 'I', long, value_name = "SID")]
    pub instance: Vec<String>,
    /// Captured image, ELF core of an Oracle process, or a directory of raw segment files (SHMID.BASE.bin), instead of a running instance
    #[arg(long, value_name = "FILE", conflicts_with = "instance")]
    pub image: Option<PathBuf>,
    /// Blueprint file, or auto: the one in the image; else exact identity in the registry, else extracted from the instance's own executable, else one for its release that live rows accept
    #[arg(long, value_name = "FILE|auto", default_value = "auto")]
    pub blueprint: String,
    /// How to read memory
    #[arg(long, value_enum, default_value = "shm")]
    pub via: ViaArg,
}

impl SourceArgs {
    /// The one source meant. Of several names no instance has the joined one, so opening says so.
    pub fn source(&self) -> Source {
        match &self.image {
            Some(path) => Source::Image(path.clone()),
            None => Source::Live {
                sid: (!self.instance.is_empty()).then(|| self.instance.join(" and ")),
                via: match self.via {
                    ViaArg::Shm => crate::discover::Via::Shm,
                    ViaArg::ProcessVm => crate::discover::Via::ProcessVm,
                },
            },
        }
    }

    /// The blueprint file, unless automatic.
    pub fn blueprint(&self) -> Option<PathBuf> {
        (self.blueprint != "auto").then(|| PathBuf::from(&self.blueprint))
    }
}

/// Arguments of `discover`.
#[derive(ClapArgs, Debug)]
pub struct DiscoverArgs {
    /// Instance (SID) to show, or all; may be given several times; all by default
    #[arg(short = 'I', long, value_name = "SID")]
    pub instance: Vec<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Arguments of `doctor`.
#[derive(ClapArgs, Debug)]
pub struct DoctorArgs {
    /// Instance (SID) to look at, or all; may be given several times; all by default
    #[arg(short = 'I', long, value_name = "SID")]
    pub instance: Vec<String>,
    /// Captured image instead: whether it is whole and its blueprint fits
    #[arg(long, value_name = "FILE", conflicts_with = "instance")]
    pub image: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Arguments of `blueprint`.
#[derive(ClapArgs, Debug)]
pub struct BlueprintArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: BlueprintCommand,
}

/// Verbs of `blueprint`.
#[derive(Subcommand, Debug)]
pub enum BlueprintCommand {
    /// Make a blueprint from an oracle executable, a spool of the dictionary, oradebug traces; several are merged, contradictions are errors
    Extract(ExtractArgs),
    /// The blueprints there are: shipped ones and those in your directories
    List {
        /// How to print
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Fields moved, added, removed or resized between two blueprints, and rules and anchors that changed
    Diff {
        /// Blueprint file, or the id of one that `list` shows
        first: String,
        /// The other
        second: String,
        /// How to print
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Check a blueprint by its schema and the named rules
    Check {
        /// Blueprint file
        file: PathBuf,
        /// How to print
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show a blueprint for people; with an instance or image also what of it holds there
    Show {
        /// Blueprint file; by default that of the instance
        file: Option<PathBuf>,
        /// Only the full text of this fixed view, e.g. GV$SESSION
        #[arg(long, value_name = "NAME")]
        view: Option<String>,
        /// How to print: a table, or the document itself as json
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
        /// Where to try it.
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Say what sampling by a blueprint costs: cache lines of a row, gate, spans, guard; on an instance also the time of a sweep
    Explain {
        /// Blueprint file; by default that of the instance
        file: Option<PathBuf>,
        /// How to print
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
        /// Where to try it.
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Learn the layout from live memory or an image, with or without a spool of SQL truth; --blueprint FILE starts from a neighbouring release's
    Calibrate(CalibrateArgs),
}

/// Arguments of `blueprint calibrate`.
#[derive(ClapArgs, Debug)]
pub struct CalibrateArgs {
    /// Where to read from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Spool of SQL truth: v_session.csv, v_sesstat.csv, v_session_wait.csv, x_ksuse.csv, v_event_name.csv
    #[arg(long, value_name = "DIR")]
    pub truth: Option<PathBuf>,
    /// Command that writes that spool anew, run by the shell in each round
    #[arg(long, value_name = "CMD", requires = "truth")]
    pub truth_command: Option<String>,
    /// Rounds of reading and spooling
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Pause between rounds
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: std::time::Duration,
    /// Release of the instance, e.g. 19.3.0.0.0
    #[arg(long, default_value = "0.0")]
    pub release: String,
    /// Where to write the blueprint; none is written by default
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How to print the report
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Arguments of `blueprint extract`.
#[derive(ClapArgs, Debug)]
pub struct ExtractArgs {
    /// Where the facts come from.
    #[command(flatten)]
    pub sources: ExtractSources,
    /// Running instance of that executable: its event names go into the blueprint, so that images can be read without the executable
    #[arg(short = 'I', long, value_name = "SID", requires = "binary")]
    pub instance: Option<String>,
    /// Where to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Sources of `blueprint extract`; at least one.
#[derive(ClapArgs, Debug)]
#[group(required = true, multiple = true)]
pub struct ExtractSources {
    /// $ORACLE_HOME/bin/oracle
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Directory of CSV files, one per fixed table, as tools/sql/extract.sql spools them
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// oradebug traces: ipc, dumpvar sga NAME, dump global_area 2
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub trace: Vec<PathBuf>,
    /// Command that runs the extraction script on its standard input, e.g. 'sqlplus -s / as sysdba'
    #[arg(long, value_name = "COMMAND")]
    pub sqlplus: Option<String>,
}

/// Arguments of `dump`.
#[derive(ClapArgs, Debug)]
pub struct DumpArgs {
    /// Where to read from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
    /// Where to write; standard output by default
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Columns to show, comma-separated; all in JSON and CSV, the most used in a table
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub columns: Vec<String>,
    /// List the columns with their meaning, and end
    #[arg(long)]
    pub list_columns: bool,
    /// Sessions that V$SESSION hides
    #[arg(long, value_enum, default_value = "include")]
    pub recursive: RecursiveArg,
    /// Texts of current and previous statements (sql_text, prev_sql_text), proven by SQL_ID; redacted on a terminal or where a column of them is named, else none by default
    #[arg(long, value_enum)]
    pub sql_text: Option<SqlTextArg>,
    /// Processes, as V$PROCESS would show them, with what the operating system says: added in JSON, else instead of sessions
    #[arg(long)]
    pub processes: bool,
    /// Use of the limits sessions and processes, as V$RESOURCE_LIMIT: added in JSON, else instead of sessions
    #[arg(long)]
    pub resource_limit: bool,
    /// Keep looking: with --resource-limit every second, for observed maximum, trend and time to exhaustion; with --recursive only 100 times a second, for how long each recursive session lives
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub watch: Option<std::time::Duration>,
    /// Session statistics as V$SESSTAT shows them, names comma-separated, or all that aren't 0; in a table and in CSV one line each
    #[arg(long, value_delimiter = ',', value_name = "NAMES|all")]
    pub stats: Vec<String>,
    /// Adds V$SESS_IO's columns, temporary space and PGA of the session
    #[arg(long)]
    pub session_io: bool,
    /// Conditions column=value; % stands for any characters
    #[arg(value_name = "COLUMN=VALUE")]
    pub filters: Vec<String>,
}

/// Arguments of `record`.
#[derive(ClapArgs, Debug, Clone)]
pub struct RecordArgs {
    /// Where to read from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Samples per second
    #[arg(short, long, value_name = "HZ", default_value = "10", value_parser = rate)]
    pub rate: f64,
    /// Where in its period a sample lies
    #[arg(long, value_enum, default_value = "uniform")]
    pub jitter: Jitter,
    /// How long: 10s, 5m, 1h; until interrupted by default
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<std::time::Duration>,
    /// Directory of the recording; made if it doesn't exist; of several instances each has one in it
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Also sessions in use that are idle
    #[arg(long)]
    pub idle: bool,
    /// A table sql_text with the texts of current and previous statements, proven by SQL_ID
    #[arg(long, value_enum, default_value = "none")]
    pub sql_text: SqlTextArg,
    /// Codec of closed files: snappy is read by everything, brotli is smallest and not read by every Spark
    #[arg(long, value_enum, default_value = "snappy")]
    pub compression: Compression,
    /// How to print the summary at the end; jsonl also prints a line for each flush
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
    /// What a long run needs.
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// From which severity on findings are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    /// All, normal ones too.
    Info,
    /// What holds something that somebody should get back, and worse.
    Warn,
    /// What hurts.
    Error,
}

/// Arguments of `reconcile`.
#[derive(ClapArgs, Debug)]
pub struct ReconcileArgs {
    /// Where to read from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
    /// From which severity on; warn in a table, else info
    #[arg(long, value_enum)]
    pub severity: Option<SeverityArg>,
    /// From which age on a server process without session is reported
    #[arg(long, value_name = "TIME", value_parser = duration_or_zero, default_value = "60s")]
    pub age: std::time::Duration,
    /// From when on a session without calls is idle for long
    #[arg(long, value_name = "TIME", value_parser = duration_or_zero, default_value = "1h")]
    pub idle_limit: std::time::Duration,
    /// Look again after this time and keep what is still so
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub twice: Option<std::time::Duration>,
    /// SIDs known to block others, from elsewhere (V$LOCK), comma-separated; adds to what memory shows
    #[arg(long, value_name = "SIDS", value_delimiter = ',')]
    pub blocker: Vec<u32>,
}

/// Arguments of `chains`.
#[derive(ClapArgs, Debug)]
pub struct ChainsArgs {
    /// Where to read from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Directory of a recording instead of an instance, then conditions column=value on the waiter; % stands for any characters
    #[arg(value_name = "[DIR] [COLUMN=VALUE]…")]
    pub words: Vec<String>,
    /// Columns that stand for a session, comma-separated: those of recordings, and program2, event2
    #[arg(
        short,
        long,
        value_delimiter = ',',
        default_value = "username,program2,event2"
    )]
    pub group: Vec<String>,
    /// Only how chains end: final blockers and the time that others waited for each
    #[arg(long = "final")]
    pub finals: bool,
    /// Looks per second
    #[arg(short, long, value_name = "HZ", default_value = "10", value_parser = rate)]
    pub rate: f64,
    /// How long: 10s, 5m; 1 s by default
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<std::time::Duration>,
    /// A single look, which counts a second for each session
    #[arg(long, conflicts_with_all = ["rate", "duration"])]
    pub once: bool,
    /// From this time of the recording: RFC 3339, or back from its end: -15m, -1h30m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Until this time, likewise
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Lines to show
    #[arg(long, default_value_t = 15)]
    pub top: usize,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_sound() {
        Args::command().debug_assert();
    }
}
