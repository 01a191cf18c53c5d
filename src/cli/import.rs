//! `record import`: rows of V$ACTIVE_SESSION_HISTORY or DBA_HIST_ACTIVE_SESS_HISTORY into a recording.

use std::io::Write;
use std::path::PathBuf;

use clap::{ArgMatches, Args as ClapArgs, Command, FromArgMatches, ValueEnum};
use jiff::tz::TimeZone;

use super::args::{Format, RecordArgs};
use super::{Exit, Failure};
use crate::backfill::{Backfill, BackfillError, Imported, View, backfill};

/// `record`: sampling, or what else is done with recordings.
#[derive(Debug, Clone)]
pub enum RecordCommand {
    /// Sample an instance.
    Sample(Box<RecordArgs>),
    /// Take rows from elsewhere.
    Import(ImportArgs),
}

/// Name of the sub-command.
const IMPORT: &str = "import";
const ABOUT_IMPORT: &str = "Fill gaps with what the database kept: a CSV file of V$ACTIVE_SESSION_HISTORY or \
                            DBA_HIST_ACTIVE_SESS_HISTORY";

/// By hand, as sampling has required arguments of its own, which a sub-command lifts.
impl FromArgMatches for RecordCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<RecordCommand, clap::Error> {
        match matches.subcommand() {
            Some((IMPORT, import)) => {
                ImportArgs::from_arg_matches(import).map(RecordCommand::Import)
            }
            _ => RecordArgs::from_arg_matches(matches)
                .map(|args| RecordCommand::Sample(Box::new(args))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = RecordCommand::from_arg_matches(matches)?;
        Ok(())
    }
}

impl ClapArgs for RecordCommand {
    fn augment_args(command: Command) -> Command {
        let import = ImportArgs::augment_args(Command::new(IMPORT)).about(ABOUT_IMPORT);
        RecordArgs::augment_args(command)
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .subcommand(import)
    }

    fn augment_args_for_update(command: Command) -> Command {
        RecordCommand::augment_args(command)
    }
}

/// Arguments of `record import`.
#[derive(ClapArgs, Debug, Clone)]
pub struct ImportArgs {
    /// The file; its first line names the columns (SQL*Plus: SET MARKUP CSV ON)
    #[arg(long, value_name = "FILE", required = true)]
    pub ash_csv: PathBuf,
    /// Directory of the recording; made if it doesn't exist
    #[arg(short, long, value_name = "DIR", required = true)]
    pub output: PathBuf,
    /// Host that the rows are of; needed where the recording isn't of just one
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Instance that the rows are of; needed where the recording isn't of just one
    #[arg(short = 'I', long, value_name = "SID")]
    pub instance: Option<String>,
    /// Zone of times that name none, that of the database's host: Europe/Berlin, UTC
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub time_zone: Option<TimeZone>,
    /// The view, which says for how long a row counts; by default told by the columns
    #[arg(long, value_enum)]
    pub view: Option<ViewArg>,
    /// Only rows of this INSTANCE_NUMBER or INST_ID
    #[arg(long, value_name = "N")]
    pub instance_number: Option<u64>,
    /// How to print the summary at the end
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// A view of the database.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
pub enum ViewArg {
    /// V$ACTIVE_SESSION_HISTORY: a sample each second
    Ash,
    /// DBA_HIST_ACTIVE_SESS_HISTORY: a sample each ten seconds
    DbaHist,
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "expected the name of a time zone, like Europe/Berlin".into())
}

impl From<BackfillError> for Failure {
    fn from(error: BackfillError) -> Failure {
        let exit = match error {
            BackfillError::Record(error) => return error.into(),
            BackfillError::Io { ref source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Exit::NoPermission,
                std::io::ErrorKind::NotFound => Exit::Usage,
                _ => Exit::Damaged,
            },
            BackfillError::Usage(_) => Exit::Usage,
            BackfillError::Csv { .. } | BackfillError::Content { .. } | BackfillError::Rows(_) => {
                Exit::Damaged
            }
        };
        Failure::new(exit, error.to_string())
    }
}

/// `record` or what else was asked for.
pub fn run_record(command: &RecordCommand, quiet: bool) -> Result<Exit, Failure> {
    match command {
        RecordCommand::Sample(args) => super::record::run(args, quiet),
        RecordCommand::Import(args) => run(args, quiet),
    }
}

fn run(args: &ImportArgs, quiet: bool) -> Result<Exit, Failure> {
    let imported = backfill(&Backfill {
        csv: args.ash_csv.clone(),
        dir: args.output.clone(),
        host: args.host.clone(),
        instance: args.instance.clone(),
        zone: args.time_zone.clone(),
        view: args.view.map(|view| match view {
            ViewArg::Ash => View::Ash,
            ViewArg::DbaHist => View::DbaHist,
        }),
        instance_number: args.instance_number,
    })?;
    let mut out = std::io::stdout().lock();
    if args.format != Format::Table {
        serde_json::to_writer(&mut out, &imported)?;
        writeln!(out)?;
    } else if !quiet {
        write!(out, "{}", summary(&imported, args))?;
    }
    let nothing = imported.rows + imported.covered == 0;
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn summary(imported: &Imported, args: &ImportArgs) -> String {
    let Imported {
        host,
        instance,
        source,
        rows,
        covered,
        ticks,
        ..
    } = imported;
    let mut text = format!(
        "{rows} rows and {ticks} ticks of {host}/{instance} added to {} as source={source}; {covered} rows left out: the recording has their time\n",
        args.output.display()
    );
    if imported.other_instances > 0 {
        text += &format!(
            "{} rows of other instances left out\n",
            imported.other_instances
        );
    }
    if !imported.not_taken.is_empty() {
        text += &format!("columns not taken: {}\n", imported.not_taken.join(", "));
    }
    text
}
