//! Arguments of `cost`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::Format;
use crate::finops::focus::Version;
use crate::finops::rules_file::Idle;

/// Arguments of `cost`.
#[derive(ClapArgs, Debug)]
pub struct CostArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CostCommand,
}

/// Verbs of `cost`.
#[derive(Subcommand, Debug)]
pub enum CostCommand {
    /// What each session consumed in each interval, from counters that are cumulative
    Deltas(DeltasArgs),
    /// What each tenant consumed and what that costs, with what can't have been seen
    Report(CostReportArgs),
    /// Whether sums are conserved, and how counters agree with samples
    Audit(CostReportArgs),
    /// How budgets stand, and when they will be reached; check ends with code 1 when one is used up
    Quota(QuotaArgs),
    /// Charges as rows of FOCUS (FinOps Open Cost and Usage Specification), a file for each billing period
    Export(ExportArgs),
    /// Files of deltas that were refused
    DeadLetters(DeadLettersArgs),
}

/// What is accounted for.
#[derive(ClapArgs, Debug, Clone)]
pub struct AccountArgs {
    /// Directory of a recording with the table stats
    #[arg(value_name = "DIR")]
    pub recording: PathBuf,
    /// Instance of the recording; all by default
    #[arg(short = 'I', long, value_name = "SID")]
    pub instance: Option<String>,
    /// From this time: RFC 3339, or back from the recording's end: -15m, -1h30m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Until this time, likewise; an interval belongs where its end is
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Who is accounted for how.
    #[command(flatten)]
    pub rules: CostRules,
}

/// Who is accounted for how.
#[derive(ClapArgs, Debug, Clone)]
pub struct CostRules {
    /// Whose a session is: mapping rules; without, each user is a tenant
    #[arg(long, value_name = "FILE")]
    pub tenants: Option<PathBuf>,
    /// Prices, limits and quotas; the shipped example by default
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    /// Sessions that no rule fits are refused instead of being (unmapped)
    #[arg(long, requires = "tenants")]
    pub require_tenant: bool,
}

/// Arguments of `cost deltas`.
#[derive(ClapArgs, Debug)]
pub struct DeltasArgs {
    /// Of what.
    #[command(flatten)]
    pub account: AccountArgs,
    /// Add charged and refused deltas to the files of this directory, each once, instead of printing them
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "jsonl")]
    pub format: Format,
}

/// Arguments of `cost report` and `cost audit`.
#[derive(ClapArgs, Debug)]
pub struct CostReportArgs {
    /// Of what.
    #[command(flatten)]
    pub account: AccountArgs,
    /// What becomes of what is nobody's: the instance's own work, and instance hours; by default as the tenants' file says, else row
    #[arg(long, value_enum)]
    pub idle: Option<Idle>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Arguments of `cost quota`.
#[derive(ClapArgs, Debug)]
pub struct QuotaArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: QuotaCommand,
}

/// Verbs of `cost quota`.
#[derive(Subcommand, Debug)]
pub enum QuotaCommand {
    /// How each budget of the prices' file stands now
    Check(QuotaCheckArgs),
}

/// Arguments of `cost quota check`.
#[derive(ClapArgs, Debug)]
pub struct QuotaCheckArgs {
    /// Of what.
    #[command(flatten)]
    pub account: AccountArgs,
    /// What becomes of what is nobody's; by default as the tenants' file says, else row
    #[arg(long, value_enum)]
    pub idle: Option<Idle>,
    /// File that remembers what was told, so that a level is told once and over only when use is well below it
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Relay that is told of each change of a level: http://host:port/path
    #[arg(long, value_name = "URL", requires = "state")]
    pub webhook: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Kinds of exported files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated values.
    Csv,
    /// Parquet, with decimal numbers.
    Parquet,
}

/// Arguments of `cost export`.
#[derive(ClapArgs, Debug)]
pub struct ExportArgs {
    /// Of what.
    #[command(flatten)]
    pub account: AccountArgs,
    /// Version of the specification
    #[arg(long, value_enum, value_name = "VERSION", default_value = "1.3")]
    pub focus: Version,
    /// Directory; files go to billing_period=YYYY-MM/ in it
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Kind of file
    #[arg(short, long, value_enum, default_value = "csv")]
    pub format: ExportFormat,
    /// What becomes of what is nobody's; by default as the tenants' file says, else row
    #[arg(long, value_enum)]
    pub idle: Option<Idle>,
    /// Name tenants by a hash
    #[arg(long)]
    pub hash_tenant: bool,
    /// File whose content goes into that hash, so that names can't be tried out
    #[arg(long, value_name = "FILE", requires = "hash_tenant")]
    pub hash_key: Option<PathBuf>,
    /// BillingAccountId
    #[arg(long, value_name = "NAME", default_value = "oracle")]
    pub billing_account: String,
    /// Who provides the service and issues the bill
    #[arg(long, value_name = "NAME", default_value = "Database operations")]
    pub provider: String,
    /// Who provides the host
    #[arg(long, value_name = "NAME", default_value = "Own data centre")]
    pub host_provider: String,
}

/// Arguments of `cost dead-letters`.
#[derive(ClapArgs, Debug)]
pub struct DeadLettersArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

/// Verbs of `cost dead-letters`.
#[derive(Subcommand, Debug)]
pub enum DeadLettersCommand {
    /// Refused deltas and why
    List {
        /// Directory that was given to cost deltas --ledger
        #[arg(value_name = "DIR")]
        ledger: PathBuf,
        /// How to print
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Try them again after a fix of rules or limits; each is charged once
    Replay {
        /// Directory that was given to cost deltas --ledger
        #[arg(value_name = "DIR")]
        ledger: PathBuf,
        /// By what.
        #[command(flatten)]
        rules: CostRules,
        /// How to print
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
    },
}
