//! The alert log of a start, as far as it says who started: banner, version, PMON.
//!
//! Form: the public alert log of a 19.9 instance (mvelikikh/oracle, blog 202101). It reads no memory.
//! Called by `pmon`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exe::release;

/// Writes `BASE/diag/rdbms/<db>/<SID>/trace/alert_<SID>.log` (the automatic diagnostic repository);
/// its path. Errors: those of the file system; `InvalidInput` for a release that isn't known.
pub fn write(
    base: &Path,
    release_name: &str,
    database: &str,
    sid: &str,
    pid: u32,
) -> io::Result<PathBuf> {
    let texts = release(release_name).ok_or_else(|| {
        let message = format!("release {release_name:?} is not known");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })?;
    let dir = base
        .join("diag/rdbms")
        .join(database.to_ascii_lowercase())
        .join(sid)
        .join("trace");
    fs::create_dir_all(&dir)?;
    let path = dir.join(format!("alert_{sid}.log"));
    // The version line has a full stop here and nowhere else.
    let version = match texts.version_line.as_str() {
        "" => String::new(),
        line => format!("{line}.\n"),
    };
    let text = format!(
        "2026-01-14T10:43:17.026939+00:00\nStarting ORACLE instance (normal) (OS id: {pid})\n\
         LICENSE_MAX_USERS = 0\nSYS auditing is enabled\n{}\n{version}\
         ORACLE_HOME:    {}\nSystem name:\tLinux\n\
         2026-01-14T10:43:20.526939+00:00\nPMON started with pid=2, OS id={pid} \n",
        texts.banner,
        base.display(),
    );
    fs::write(&path, text)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_a_start() {
        let dir = std::env::temp_dir().join(format!("sgasim-alert-{}", std::process::id()));
        let path = write(&dir, "19.3", "SIM", "SIM1", 42).expect("alert log");
        assert!(path.ends_with("diag/rdbms/sim/SIM1/trace/alert_SIM1.log"));
        let text = fs::read_to_string(&path).expect("alert log");
        assert!(
            text.contains("\nVersion 19.3.0.0.0.\nORACLE_HOME:"),
            "{text}"
        );
        assert!(text.contains("PMON started with pid=2, OS id=42"));
        fs::remove_dir_all(&dir).expect("clean up");
    }
}
