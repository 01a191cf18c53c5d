//! Arguments of `groups`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{Format, SourceArgs};

/// Arguments of `groups`.
#[derive(ClapArgs, Debug)]
pub struct GroupsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: GroupsCommand,
}

/// Verbs of `groups`.
#[derive(Subcommand, Debug)]
pub enum GroupsCommand {
    /// A file of rules from what a DBA has: scripts of DBMS_RESOURCE_MANAGER calls, CSV of DBA_RSRC_GROUP_MAPPINGS, DBA_RSRC_MAPPING_PRIORITY, DBA_RSRC_CONSUMER_GROUP_PRIVS, DBA_RSRC_PLAN_DIRECTIVES, DBA_USERS, DBA_ROLE_PRIVS
    Import(GroupsImportArgs),
    /// Each session's consumer group by the rules: which rule won, which lost and why, when it switched, where the actual group differs
    Evaluate(GroupsEvaluateArgs),
    /// What changed rules would have moved, over a recording
    WhatIf(GroupsWhatIfArgs),
    /// Calls of a recording that would have passed a plan directive's limits: switched, cancelled, killed
    Limits(GroupsLimitsArgs),
}

/// Arguments of `groups import`.
#[derive(ClapArgs, Debug)]
pub struct GroupsImportArgs {
    /// Files, taken in this order: PL/SQL, CSV with the view's column names (SQL*Plus: SET MARKUP CSV ON), or a file of rules (.toml) to begin with
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Where to write the rules; standard output by default
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A recording and what of it.
#[derive(ClapArgs, Debug)]
pub struct RecordingArgs {
    /// Directory of a recording, then conditions column=value; % stands for any characters
    #[arg(value_name = "[DIR] [COLUMN=VALUE]…")]
    pub words: Vec<String>,
    /// From this time: RFC 3339, or back from the recording's end: -15m, -1h30m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Until this time, likewise
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Lines to show in a table
    #[arg(long, default_value_t = 15)]
    pub top: usize,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Which sessions are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// Those that aren't where the rules put them.
    Drift,
    /// Those of which rules tie.
    Ambiguous,
    /// Those that switched to another group.
    Switched,
}

/// Arguments of `groups evaluate`.
#[derive(ClapArgs, Debug)]
pub struct GroupsEvaluateArgs {
    /// File of rules, as `groups import` writes it
    #[arg(long, value_name = "FILE")]
    pub rules: PathBuf,
    /// Where to read from without a recording; -I also chooses an instance of one.
    #[command(flatten)]
    pub source: SourceArgs,
    /// What of a recording.
    #[command(flatten)]
    pub recording: RecordingArgs,
    /// Only these sessions
    #[arg(long, value_enum)]
    pub only: Option<Only>,
}

/// Arguments of `groups what-if`.
#[derive(ClapArgs, Debug)]
pub struct GroupsWhatIfArgs {
    /// File of rules as they are
    #[arg(long, value_name = "FILE")]
    pub rules: PathBuf,
    /// File of rules as they might be
    #[arg(long, value_name = "FILE")]
    pub changed: PathBuf,
    /// Only this instance of the recording
    #[arg(short = 'I', long, value_name = "SID")]
    pub instance: Option<String>,
    /// What of a recording.
    #[command(flatten)]
    pub recording: RecordingArgs,
}

/// Arguments of `groups limits`.
#[derive(ClapArgs, Debug)]
pub struct GroupsLimitsArgs {
    /// File of rules with [[directives]]
    #[arg(long, value_name = "FILE")]
    pub rules: PathBuf,
    /// Only this instance of the recording
    #[arg(short = 'I', long, value_name = "SID")]
    pub instance: Option<String>,
    /// Only limits that were passed for certain
    #[arg(long)]
    pub certain: bool,
    /// What of a recording.
    #[command(flatten)]
    pub recording: RecordingArgs,
}
