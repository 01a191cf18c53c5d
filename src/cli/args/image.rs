//! Arguments of `image`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::super::quantities::address_range;
use super::{Format, SourceArgs};

/// Arguments of `image`.
#[derive(ClapArgs, Debug)]
pub struct ImageArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ImageCommand,
}

/// Verbs of `image`.
#[derive(Subcommand, Debug)]
pub enum ImageCommand {
    /// Capture what any verb reads, with the blueprint: sparse, compressed, checked; answers from it are those of that moment
    Capture(CaptureArgs),
    /// What an image holds, of whom, taken when and how
    Info {
        /// Image file
        file: PathBuf,
        /// Also read and check every chunk
        #[arg(long)]
        verify: bool,
        /// How to print
        #[arg(short, long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Cut parts out of an image into a smaller one, e.g. for a bug report
    Slice(SliceArgs),
}

/// Arguments of `image capture`.
#[derive(ClapArgs, Debug)]
pub struct CaptureArgs {
    /// Where to read from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// File to write; it gets its name when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// All segments, not only what the blueprint reaches
    #[arg(long)]
    pub full: bool,
    /// Leave the texts of statements out, and every byte that no verb reads
    #[arg(long, conflicts_with = "full")]
    pub no_sql_text: bool,
    /// Go on from what an interrupted capture to this file left behind
    #[arg(long)]
    pub resume: bool,
    /// How to print what was written
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Arguments of `image slice`.
#[derive(ClapArgs, Debug)]
pub struct SliceArgs {
    /// Image file
    pub file: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Addresses to keep, in hexadecimal, and how many bytes; may be given several times
    #[arg(long, value_name = "ADDR:LEN", value_parser = address_range, required_unless_present = "sid")]
    pub range: Vec<(u64, u64)>,
    /// Sessions to keep, with all that is read by way of them, comma-separated; no other session's statements
    #[arg(long, value_name = "SIDS", value_delimiter = ',')]
    pub sid: Vec<u32>,
    /// How to print what was written
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
}
