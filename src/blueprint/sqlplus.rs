//! Runs the extraction script through SQL*Plus, or what stands for it, as a child process.
//!
//! The script comes on the child's standard input and spools into the child's working directory, a
//! temporary one. The command is the user's own (`sqlplus -s / as sysdba`, `ssh host sqlplus …` won't
//! do: the files must end up here); its words are split at blanks, quotes group, no shell is involved.
//!
//! It is the only place that talks to a database, once, on demand. Callers: `cli`.

use std::fs::DirBuilder;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// The script, as `tools/sql/extract.sql` in the sources.
pub const SCRIPT: &str = include_str!("../../tools/sql/extract.sql");

/// Most bytes of the child's words that are kept for an error.
const MAX_OUTPUT: u64 = 64 << 10;
/// Last line that a script which came through prints.
const DONE: &str = "sgascope extract: done";

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub enum SqlplusError {
    /// The command has no words, or an open quote.
    #[error(
        "can't run {command:?}: expected a program and its arguments, e.g. sqlplus -s / as sysdba"
    )]
    Command {
        /// As given.
        command: String,
    },
    /// The system's reason.
    #[error("can't run {command:?}: {source}")]
    Run {
        /// As given.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended, but not well.
    #[error("{command:?} ended without finishing the extraction ({status}); it said:\n{output}")]
    Failed {
        /// As given.
        command: String,
        /// Its exit status.
        status: String,
        /// The end of what it printed.
        output: String,
    },
}

/// A temporary directory for the spool, only for this user; removed with everything in it at the end.
#[derive(Debug)]
pub struct Workplace(PathBuf);

impl Workplace {
    /// Makes one.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> std::io::Result<Workplace> {
        let parent = std::env::temp_dir();
        let mut number = u64::from(std::process::id()) << 16;
        loop {
            let path = parent.join(format!("sgascope-spool-{number:x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Workplace(path)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing depends on it any more; what stays is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `command` with the script on its standard input and `directory` as its working directory,
/// where the spool files end up.
///
/// # Errors
/// It can't be started, ends with an error, or without the script's last words.
pub fn run(command: &str, directory: &Path) -> Result<(), SqlplusError> {
    let failed = |source| SqlplusError::Run {
        command: command.to_owned(),
        source,
    };
    let words = words(command).filter(|w| !w.is_empty());
    let Some((program, arguments)) = words.as_deref().and_then(<[String]>::split_first) else {
        return Err(SqlplusError::Command {
            command: command.to_owned(),
        });
    };
    let mut child = Command::new(resolved(program).map_err(failed)?)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    let output = converse(&mut child).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if status.success() && output.lines().any(|line| line.trim() == DONE) {
        return Ok(());
    }
    Err(SqlplusError::Failed {
        command: command.to_owned(),
        status: status.to_string(),
        output: output.trim_end().to_owned(),
    })
}

/// A path with a folder in it is meant from here, not from the child's directory.
///
/// # Errors
/// When there is no current directory.
pub fn resolved(program: &str) -> std::io::Result<PathBuf> {
    if program.contains('/') {
        std::path::absolute(program)
    } else {
        Ok(PathBuf::from(program))
    }
}

/// Gives the child the script while reading what it says, so that neither waits for the other.
fn converse(child: &mut Child) -> std::io::Result<String> {
    let stdin = child.stdin.take();
    let writer = thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // A child that doesn't read to the end says itself what is wrong.
            let _ = stdin.write_all(SCRIPT.as_bytes());
        }
    });
    let mut bytes = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        let mut piece = [0; 8192];
        loop {
            let n = stdout.read(&mut piece)?;
            if n == 0 {
                break;
            }
            bytes.extend_from_slice(&piece[..n]);
            let above = bytes.len().saturating_sub(MAX_OUTPUT as usize);
            bytes.drain(..above);
        }
    }
    let _ = writer.join();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Words split at blanks; single or double quotes group. `None` when a quote stays open.
pub fn words(command: &str) -> Option<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    quote.is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_without_a_shell() {
        let split = |text| words(text).unwrap();
        assert_eq!(
            split("sqlplus -s '/ as sysdba'"),
            ["sqlplus", "-s", "/ as sysdba"]
        );
        assert_eq!(split("a \"b c\"d ''"), ["a", "b cd", ""]);
        assert_eq!(words("a 'b"), None);
        assert!(matches!(
            run(" ", Path::new("/")),
            Err(SqlplusError::Command { .. })
        ));
    }

    #[test]
    fn a_workplace_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let place = Workplace::new().unwrap();
        let path = place.path().to_owned();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(path.join("x"), "y").unwrap();
        drop(place);
        assert!(!path.exists());
    }

    #[test]
    fn a_command_that_fails_is_told_with_its_words() {
        let directory = tempfile::tempdir().unwrap();
        let error = run(
            "sh -c 'cat >/dev/null; echo ORA-01034; exit 3'",
            directory.path(),
        );
        let text = error.unwrap_err().to_string();
        assert!(text.contains("ORA-01034") && text.contains('3'), "{text}");
        // A good end without the last words isn't one.
        assert!(run("sh -c 'cat >/dev/null'", directory.path()).is_err());
        assert!(run("/no/such/program", directory.path()).is_err());
        run(
            "sh -c 'cat >/dev/null; echo sgascope extract: done'",
            directory.path(),
        )
        .unwrap();
    }
}
