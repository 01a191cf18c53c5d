//! The options that make `record` a service, and what all its options come to.
//!
//! Callers: `cli::args`, `service`.

use std::time::Duration;

use clap::Args as ClapArgs;

use super::super::args::RecordArgs;
use super::super::quantities::{age, bytes, duration};
use crate::record::{RecorderOptions, RecordingMeta, Retention};
use crate::sample::{Attachment, TextForm};

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
}

impl ServiceArgs {
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
