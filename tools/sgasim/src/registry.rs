//! Notes about instances that run, so that `sgasim clean` can remove what killed ones left, and nothing else.
//!
//! One file per instance in `<temp>/sgasim-<uid>/`. A segment counts as the noted one only with the noted creation time
//! and creator.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::segments::{Memory, remove_segment, segment_origin};

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    sid: String,
    pid: u32,
    start: u64,
    segments: Vec<(i32, i64, i32)>,
    granules: Vec<PathBuf>,
}

/// The note of a running instance; removed when dropped.
#[derive(Debug)]
pub struct Note(PathBuf);

impl Drop for Note {
    fn drop(&mut self) {
        // A note that is gone already is what was wanted.
        let _ = fs::remove_file(&self.0);
    }
}

fn directory() -> PathBuf {
    // SAFETY: geteuid only returns a number.
    std::env::temp_dir().join(format!("sgasim-{}", unsafe { libc::geteuid() }))
}

/// Notes this process and its memory.
pub fn note(sid: &str, memory: &Memory) -> io::Result<Note> {
    let pid = std::process::id();
    let origin = |shmid| segment_origin(shmid).map(|(ctime, cpid)| (shmid, ctime, cpid));
    let entry = Entry {
        sid: sid.into(),
        pid,
        start: start_time(pid).unwrap_or(0),
        segments: memory
            .areas
            .iter()
            .filter_map(|a| origin(a.shmid))
            .collect(),
        granules: memory.granules.clone(),
    };
    fs::create_dir_all(directory())?;
    let path = directory().join(format!("{sid}.{pid}.json"));
    fs::write(&path, serde_json::to_vec(&entry)?)?;
    Ok(Note(path))
}

/// Removes what ended instances left whose SID begins with `prefix`; returns a line for each.
pub fn clean(prefix: &str) -> io::Result<Vec<String>> {
    let mut done = Vec::new();
    let files = match fs::read_dir(directory()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(done),
        other => other?,
    };
    for file in files {
        let path = file?.path();
        let Some(entry) = fs::read(&path)
            .ok()
            .and_then(|b| serde_json::from_slice::<Entry>(&b).ok())
        else {
            continue;
        };
        if !entry.sid.starts_with(prefix) || start_time(entry.pid) == Some(entry.start) {
            continue;
        }
        done.push(remove(&entry));
        fs::remove_file(&path)?;
    }
    Ok(done)
}

fn remove(entry: &Entry) -> String {
    let left: Vec<i32> = entry
        .segments
        .iter()
        .filter(|s| segment_origin(s.0) == Some((s.1, s.2)))
        .map(|s| s.0)
        .collect();
    for shmid in &left {
        remove_segment(*shmid);
    }
    let granules = entry
        .granules
        .iter()
        .filter(|g| fs::remove_file(g).is_ok())
        .count();
    format!(
        "sid={} pid={}: removed {} segments, {granules} granule files",
        entry.sid,
        entry.pid,
        left.len()
    )
}

/// Start time of a process in clock ticks since boot, None when it doesn't exist.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // A zombie has no memory left.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
