//! `recording.json` and the lock: who was recorded, by what, since when, and that only one
//! recorder writes.
//!
//! Not for: the data files. Callers: [`super::Recorder`], [`super::Reader`], [`super::recover`].

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::error::RecordError;

/// Version of the layout on disk; a reader refuses a newer one.
pub(super) const FORMAT_VERSION: u32 = 2;
pub(super) const META_FILE: &str = "recording.json";
const LOCK_FILE: &str = "recording.lock";
/// More than any real file has: one entry for each distinct identity recorded.
const MAX_META_BYTES: u64 = 16 << 20;

/// What one run of the recorder records, and how.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RecordingMeta {
    /// Host name, as in the partition `host=`.
    pub host: String,
    /// Instance name (SID), as in the partition `instance=`.
    pub instance: String,
    /// Identity of the blueprint the values were decoded with.
    pub blueprint_id: String,
    /// Whether that blueprint was forced on the instance instead of matching it exactly.
    pub forced: bool,
    /// Nominal sampling rate in Hz.
    pub rate_hz: f64,
    /// Version of the program that recorded.
    pub program_version: String,
    /// Which form of SQL texts is recorded: none, redacted or full.
    #[serde(default = "unknown_form")]
    pub sql_text: String,
    /// Processors of the host that were online; `None` where that isn't known (an image). Not the
    /// parameter CPU_COUNT, which may be set lower.
    #[serde(default)]
    pub cpu_count: Option<u32>,
    /// When the run started. RFC 3339, UTC.
    #[serde(with = "timestamp_text")]
    pub start: Timestamp,
}

impl RecordingMeta {
    /// Whether two runs differ in nothing but their start.
    fn same_identity(&self, other: &RecordingMeta) -> bool {
        let mut other = other.clone();
        other.start = self.start;
        *self == other
    }

    /// The stamp each data file carries, as key-value pairs.
    pub(super) fn stamp(&self) -> Vec<(String, String)> {
        [
            ("sgascope.format_version", FORMAT_VERSION.to_string()),
            ("sgascope.host", self.host.clone()),
            ("sgascope.instance", self.instance.clone()),
            ("sgascope.blueprint_id", self.blueprint_id.clone()),
            ("sgascope.forced", self.forced.to_string()),
            ("sgascope.rate_hz", self.rate_hz.to_string()),
            ("sgascope.program_version", self.program_version.clone()),
            ("sgascope.sql_text", self.sql_text.clone()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }
}

/// For recordings made before this was said.
fn unknown_form() -> String {
    "unknown".into()
}

/// One or several starts of the recorder with the same identity, one after the other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// What was recorded; `start` is the first start.
    #[serde(flatten)]
    pub meta: RecordingMeta,
    /// How often the recorder was started so, at least 1.
    pub starts: u64,
    /// The last of these starts.
    #[serde(with = "timestamp_text")]
    pub last_start: Timestamp,
}

/// The content of `recording.json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// Version of the layout on disk.
    pub format_version: u32,
    /// All runs in the order of their first start; never empty.
    pub runs: Vec<Run>,
}

impl Recording {
    /// The latest run.
    pub fn latest(&self) -> Option<&RecordingMeta> {
        self.runs.last().map(|run| &run.meta)
    }

    /// Whether any run used a forced blueprint, so that every output is to say so.
    pub fn forced(&self) -> bool {
        self.runs.iter().any(|run| run.meta.forced)
    }

    fn push(&mut self, meta: &RecordingMeta) {
        if let Some(run) = self.runs.last_mut()
            && run.meta.same_identity(meta)
        {
            run.starts = run.starts.saturating_add(1);
            run.last_start = meta.start;
            return;
        }
        self.runs.push(Run {
            meta: meta.clone(),
            starts: 1,
            last_start: meta.start,
        });
    }

    /// Reads `recording.json` of `dir`.
    pub(super) fn load(dir: &Path) -> Result<Option<Recording>, RecordError> {
        let path = dir.join(META_FILE);
        let file_len = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::io(&path, error)),
        };
        if file_len > MAX_META_BYTES {
            return Err(RecordError::damaged(
                &path,
                0,
                format!("{file_len} bytes long, at most {MAX_META_BYTES} expected"),
            ));
        }
        let text = fs::read(&path).map_err(|e| RecordError::io(&path, e))?;
        let text = proven(&text).map_err(|(at, detail)| RecordError::damaged(&path, at, detail))?;
        let recording: Recording = serde_json::from_slice(text)
            .map_err(|e| RecordError::damaged(&path, 0, e.to_string()))?;
        if recording.format_version > FORMAT_VERSION {
            let detail = format!(
                "format version {} found, this program reads up to {FORMAT_VERSION}; use a newer program",
                recording.format_version
            );
            return Err(RecordError::damaged(&path, 0, detail));
        }
        Ok(Some(recording))
    }

    /// Adds a run to `recording.json` of `dir`: whole or not at all.
    pub(super) fn append(dir: &Path, meta: &RecordingMeta) -> Result<(), RecordError> {
        let mut recording = Recording::load(dir)?.unwrap_or(Recording {
            format_version: FORMAT_VERSION,
            runs: Vec::new(),
        });
        recording.push(meta);
        let path = dir.join(META_FILE);
        let text = serde_json::to_string_pretty(&recording)
            .map_err(|e| RecordError::damaged(&path, 0, e.to_string()))?;
        let text = summed(&text);
        let temp = dir.join("recording.json.tmp");
        let written = File::create(&temp).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|e| RecordError::io(&temp, e))?;
        fs::rename(&temp, &path).map_err(|e| RecordError::io(&path, e))?;
        sync_dir(dir)
    }
}

/// The JSON object `text`, with the sum of what it says as its last member: the CRC-32 of all bytes before
/// that member.
pub(super) fn summed(text: &str) -> String {
    let said = text.trim_end().trim_end_matches('}').trim_end();
    let sum = crc32fast::hash(said.as_bytes());
    format!("{said},\n  \"crc32\": \"{sum:08x}\"\n}}\n")
}

/// `text` if its sum is right; else where it isn't and why.
fn proven(text: &[u8]) -> Result<&[u8], (u64, String)> {
    const AFTERWARDS: usize = ",\n  \"crc32\": \"00000000\"\n}\n".len();
    let at = text.len().saturating_sub(AFTERWARDS);
    let (said, found) = text.split_at(at);
    let sum = crc32fast::hash(said);
    if found == format!(",\n  \"crc32\": \"{sum:08x}\"\n}}\n").as_bytes() {
        return Ok(text);
    }
    let detail = format!(
        "the member \"crc32\": \"{sum:08x}\" expected at its end, {:?} found; put back a copy, or move the file away and start a recorder there, which writes another one",
        String::from_utf8_lossy(found)
    );
    Err((at as u64, detail))
}

/// Makes renames and removals in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), RecordError> {
    File::open(dir)
        .and_then(|handle| handle.sync_all())
        .map_err(|e| RecordError::io(dir, e))
}

/// The exclusive right to write to a recording; given back when dropped or when the process ends.
pub(super) struct DirLock {
    _lock: Flock<File>,
}

impl DirLock {
    pub(super) fn take(dir: &Path) -> Result<DirLock, RecordError> {
        let path = dir.join(LOCK_FILE);
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| RecordError::io(&path, e))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => {
                sign(&lock);
                Ok(DirLock { _lock: lock })
            }
            Err((file, Errno::EWOULDBLOCK)) => Err(RecordError::Locked {
                path: dir.to_path_buf(),
                holder: signed(&file),
            }),
            Err((_, errno)) => Err(RecordError::io(&path, errno.into())),
        }
    }
}

/// Writes into the lock file who holds it, so that who is refused can say it. Only for people: on a
/// full disk it stays unsaid.
fn sign(mut file: &File) {
    let text = format!("pid {} since {}\n", std::process::id(), Timestamp::now());
    let _ = file
        .set_len(0)
        .and_then(|()| file.write_all(text.as_bytes()));
}

fn signed(mut file: &File) -> String {
    let mut bytes = [0u8; 100];
    let read = file.read(&mut bytes).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..read]);
    match text.lines().next() {
        Some(line) if line.starts_with("pid ") => line.to_owned(),
        _ => "a process that hasn't said who it is".to_owned(),
    }
}

mod timestamp_text {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(time)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(D::Error::custom)
    }
}
