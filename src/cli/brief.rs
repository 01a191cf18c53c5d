//! A recording made for one report only, and removed with it.
//!
//! For: `report` over a live instance (`-I SID --for 30s`) and over an image (a single look
//! that counts a second for each active session): the same files, so that every report sees the same. Callers: `report`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use super::args::{Args, Command, RecordArgs, SourceArgs, SqlTextArg};
use super::import::RecordCommand;
use super::{Exit, Failure, look, record};

/// A directory that nobody else may read, removed when dropped.
pub struct Brief {
    dir: PathBuf,
}

impl Brief {
    /// Records `source`: an instance for `time`, an image once.
    ///
    /// # Errors
    /// As `record`, and the file system's.
    pub fn record(
        source: &SourceArgs,
        time: Option<Duration>,
        sql_text: SqlTextArg,
    ) -> Result<Brief, Failure> {
        let brief = Brief::new()?;
        let mut args = record_args(&brief.dir)?;
        args.source = source.clone();
        args.sql_text = sql_text;
        match source.image {
            Some(_) => look::record(&brief.dir, &args)?,
            None => {
                args.duration = time;
                record::run(&args, true)?;
            }
        }
        Ok(brief)
    }

    fn new() -> Result<Brief, Failure> {
        let now = jiff::Timestamp::now().as_nanosecond();
        let name = format!("sgascope-report-{}-{now}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        // fails if somebody else has made it
        DirBuilder::new().mode(0o700).create(&dir).map_err(|e| {
            let why = format!(
                "{}: {e}; a recording for this report must lie somewhere, set TMPDIR",
                dir.display()
            );
            Failure::new(Exit::NoPermission, why)
        })?;
        Ok(Brief { dir })
    }

    /// Where the recording lies.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!("{} couldn't be removed: {error}", self.dir.display());
        }
    }
}

/// The arguments of `record -o DIR`, with all their defaults.
fn record_args(dir: &Path) -> Result<RecordArgs, Failure> {
    let words = ["sgascope", "record", "-o"].map(std::ffi::OsStr::new);
    let words = words.into_iter().chain([dir.as_os_str()]);
    match Args::try_parse_from(words).map(|args| args.command) {
        Ok(Command::Record(RecordCommand::Sample(args))) => Ok(*args),
        _ => Err(Failure::new(
            Exit::Usage,
            "record has no defaults; this is a defect",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let brief = Brief::new().unwrap();
        let path = brief.path().to_path_buf();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(record_args(&path).is_ok());
        drop(brief);
        assert!(!path.exists());
    }
}
