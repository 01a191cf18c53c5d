//! What an instance's alert log says of its last start: the one place beside the executable that
//! names the full release, and one that more users may read.
//!
//! The log stands in the automatic diagnostic repository, below `$ORACLE_BASE/diag` or, where that
//! isn't set, `$ORACLE_HOME/log/diag` (Oracle Database Administrator's Guide, "Automatic Diagnostic
//! Repository Structure"). A start begins with "Starting ORACLE instance", shows the banner, and names
//! PMON's process id (public 19.9 alert log, mvelikikh/oracle).
//!
//! It doesn't judge the lines. Callers: `sample`, when the executable can't be read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::instance::Instance;
use super::procfs::ProcRoot;

/// Most bytes at the end of a log that are read: a start and some days after it.
const MAX_TAIL: u64 = 16 << 20;
/// Most databases of one repository that are looked at.
const MAX_DATABASES: usize = 1_000;
/// Most lines of a start that are kept.
const MAX_LINES: usize = 2_000;

/// The lines that an instance's last start wrote before PMON was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// The log.
    pub path: PathBuf,
    /// Lines, without blanks and a full stop at their ends.
    pub lines: Vec<String>,
}

/// The last start of an instance by its alert log, or why it isn't known.
///
/// # Errors
/// No log is found or can be read, or its last start isn't this PMON's; in words.
pub fn last_start(root: &ProcRoot, instance: &Instance) -> Result<Startup, String> {
    let path = log(root, instance)?;
    let wrong = |why: &str| Err(format!("{}: {why}", path.display()));
    let text = match tail(&path) {
        Ok(text) => text,
        Err(e) => return wrong(&e.to_string()),
    };
    let Some((lines, pid)) = last_in(&text) else {
        return wrong("no start of an instance in it");
    };
    let namespace = |process: &str| root.namespace(process, "pid");
    let (own, theirs) = (namespace("self"), namespace(&instance.pid.to_string()));
    let comparable = own.is_none() || theirs.is_none() || own == theirs;
    match pid {
        Some(pid) if comparable && pid != instance.pid => wrong(&format!(
            "its last start is that of PMON {pid}, the instance's is {}",
            instance.pid
        )),
        _ => Ok(Startup { path, lines }),
    }
}

/// The newest `alert_<SID>.log` of the repositories.
fn log(root: &ProcRoot, instance: &Instance) -> Result<PathBuf, String> {
    let base = instance.oracle_base.clone();
    let home = instance.oracle_home.as_ref().map(|home| home.join("log"));
    let bases: Vec<PathBuf> = base.into_iter().chain(home).collect();
    if bases.is_empty() {
        return Err("PMON's environment is unreadable, so its alert log can't be found".into());
    }
    let name = format!("{0}/trace/alert_{0}.log", instance.sid);
    let mut found = Vec::new();
    for base in &bases {
        let databases = root.path_of(instance.pid, &base.join("diag/rdbms"));
        let listing = std::fs::read_dir(databases).into_iter().flatten().flatten();
        for database in listing.take(MAX_DATABASES) {
            let path = database.path().join(&name);
            if let Ok(changed) = path.metadata().and_then(|m| m.modified()) {
                found.push((changed, path));
            }
        }
    }
    found.sort();
    found.pop().map(|(_, path)| path).ok_or_else(|| {
        let places: Vec<String> = bases
            .iter()
            .map(|b| b.join("diag/rdbms/*").join(&name).display().to_string())
            .collect();
        format!("no alert log at {}", places.join(" or "))
    })
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(MAX_TAIL)))?;
    let mut bytes = Vec::new();
    file.take(MAX_TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines of the last start up to PMON's, and PMON's process id.
fn last_in(text: &str) -> Option<(Vec<String>, Option<i32>)> {
    let mut last = None;
    let mut open = false;
    for line in text.lines() {
        if line.starts_with("Starting ORACLE instance") {
            last = Some((Vec::new(), None));
            open = true;
        }
        let Some((lines, pid)) = last.as_mut().filter(|_| open) else {
            continue;
        };
        if lines.len() < MAX_LINES {
            lines.push(line.trim().trim_end_matches('.').to_owned());
        }
        if let Some(rest) = line.strip_prefix("PMON started with ") {
            *pid = rest
                .split_once("OS id=")
                .and_then(|(_, id)| id.trim().parse().ok());
            open = false;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "Starting ORACLE instance (normal) (OS id: 9)\n\
        Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production\n\
        Version 19.8.0.0.0.\nPMON started with pid=2, OS id=10 \nVersion 1.1\n\
        Starting ORACLE instance (normal) (OS id: 11)\n\
        Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production\n\
        Version 19.9.0.0.0.\nPMON started with pid=2, OS id=12 \n  Version 19.1.0.0.0\n";

    #[test]
    fn the_last_start_is_told_up_to_its_pmon() {
        let (lines, pid) = last_in(LOG).unwrap();
        assert_eq!(pid, Some(12));
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2], "Version 19.9.0.0.0");
        assert_eq!(last_in("nothing of the kind"), None);
        // Cut off before PMON: the start is there, its process isn't.
        let cut = LOG.rsplit_once("PMON").unwrap().0;
        assert_eq!(last_in(cut).unwrap().1, None);
    }
}
