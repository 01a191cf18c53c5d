//! Writing an image: chunk by chunk beside its place, then table and end, then the rename.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde_json::{Map, Value as Json, json};

use super::error::ImageError;
use super::format::{
    CHUNK_BYTES, ChunkEntry, END_BYTES, END_MAGIC, HEAD_BYTES, HEAD_MAGIC, MAX_CHUNK, MAX_HEAD,
    MAX_RUNS, RUN_BYTES, Run, SHA, TABLE_MAGIC, VERSION, sealed, u32_at, unsealed,
};
use super::index::{Found, Placed};
use super::store::{Missing, Store};
use crate::memory::Region;

/// Bytes that are looked at together for being all zero.
const BLOCK: usize = 4096;
/// Runs after which a chunk is written even if it isn't full.
const MANY_RUNS: usize = 1 << 14;
/// Bytes of memory, zeros included, after which a chunk is written even if it isn't full.
const MUCH_COVERED: u64 = 1 << 30;

/// What an image that was written holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of memory in it.
    pub memory_bytes: u64,
    /// Those that are zero and take no room.
    pub zero_bytes: u64,
    /// Chunks.
    pub chunks: usize,
    /// Chunks that an interrupted capture had left.
    pub resumed_chunks: usize,
}

/// An image being written: to a file beside it, which is renamed when it is whole.
pub struct ImageWriter {
    target: PathBuf,
    _lock: Flock<File>,
    store: Store,
    end: u64,
    data: Vec<u8>,
    runs: Vec<Run>,
    times: Option<(i64, i64)>,
    covered: u64,
    chunk_bytes: usize,
    written: Written,
}

/// The file that an image is written to until it is whole.
pub fn partial_path(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}

impl ImageWriter {
    /// Begins an image at `target`, with chunks of `chunk_bytes`. With `resume`, goes on from what
    /// an interrupted one left behind, if there is any. `identity` says what is captured and how,
    /// and must be the same then; `started` is kept from the first begin. Returns it.
    ///
    /// # Errors
    /// The file can't be written, another capture writes it, or what is there is another one's.
    pub fn begin(
        target: &Path,
        resume: bool,
        chunk_bytes: usize,
        (identity, started): (&Json, &Json),
    ) -> Result<(ImageWriter, Json), ImageError> {
        let path = partial_path(target);
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600) // memory of a database is nobody else's business
            .open(&path)
            .map_err(ImageError::io(&path, "write"))?;
        let second = open.try_clone().map_err(ImageError::io(&path, "write"))?;
        let lock = Flock::lock(second, FlockArg::LockExclusiveNonblock)
            .map_err(|_| ImageError::Busy { path: path.clone() })?;
        let mut writer = ImageWriter {
            target: target.to_owned(),
            _lock: lock,
            store: Store::new(open, path),
            end: 0,
            data: Vec::new(),
            runs: Vec::new(),
            times: None,
            covered: 0,
            chunk_bytes: chunk_bytes.clamp(BLOCK, MAX_CHUNK / 2),
            written: Written::default(),
        };
        if resume && let Some(started) = writer.take_over(identity)? {
            return Ok((writer, started));
        }
        writer.cut(0)?;
        let head = json!({"identity": identity, "started": started}).to_string();
        let mut numbers = VERSION.to_le_bytes().to_vec();
        numbers.extend_from_slice(&(head.len() as u32).to_le_bytes());
        writer.append(&sealed(HEAD_MAGIC, &numbers, head.as_bytes()))?;
        Ok((writer, started.clone()))
    }

    fn cut(&mut self, end: u64) -> Result<(), ImageError> {
        let path = &self.store.path;
        self.store
            .file
            .set_len(end)
            .map_err(ImageError::io(path, "write"))?;
        self.end = end;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        let path = &self.store.path;
        self.store
            .file
            .write_all_at(bytes, self.end)
            .map_err(ImageError::io(path, "write"))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Takes over the whole chunks of an interrupted capture; `None` when not even its head is
    /// whole.
    fn take_over(&mut self, identity: &Json) -> Result<Option<Json>, ImageError> {
        let Some((head, mut at)) = read_head(&self.store.file, &self.store.path)? else {
            return Ok(None);
        };
        for (name, now) in identity.as_object().into_iter().flatten() {
            let begun = &head["identity"][name];
            if begun != now {
                return Err(ImageError::Other {
                    path: self.store.path.clone(),
                    what: name.clone(),
                    expected: now.to_string(),
                    found: begun.to_string(),
                });
            }
        }
        while let Some(chunk) = self.chunk_at(at)? {
            let number = self.store.chunks.len();
            if self.store.index.add_chunk(number, &chunk).is_err() {
                break;
            }
            at += chunk.file_bytes();
            self.count(&chunk.runs);
            self.store.chunks.push(chunk);
        }
        self.written.resumed_chunks = self.store.chunks.len();
        self.cut(at)?;
        Ok(Some(head["started"].clone()))
    }

    fn chunk_at(&self, offset: u64) -> Result<Option<ChunkEntry>, ImageError> {
        let mut head = [0u8; CHUNK_BYTES];
        if !self.read_at(&mut head, offset)? {
            return Ok(None);
        }
        let (runs, stored) = (u32_at(&head, 8) as usize, u32_at(&head, 16) as usize);
        if runs > MAX_RUNS || stored > 2 * MAX_CHUNK {
            return Ok(None);
        }
        let mut whole = vec![0u8; CHUNK_BYTES + runs * RUN_BYTES + stored];
        if !self.read_at(&mut whole, offset)? {
            return Ok(None);
        }
        Ok(ChunkEntry::parse(&whole, offset).map(|(chunk, _)| chunk))
    }

    /// Whether there were as many bytes.
    fn read_at(&self, out: &mut [u8], offset: u64) -> Result<bool, ImageError> {
        match self.store.file.read_exact_at(out, offset) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(ImageError::io(&self.store.path, "read")(e)),
        }
    }

    fn count(&mut self, runs: &[Run]) {
        for run in runs {
            let len = u64::from(run.len);
            self.written.memory_bytes += len;
            self.written.zero_bytes += if run.zero { len } else { 0 };
        }
    }

    /// What is written so far.
    pub fn written(&self) -> Written {
        Written {
            file_bytes: self.end,
            chunks: self.store.chunks.len(),
            ..self.written
        }
    }

    /// The first range of `start..end` that isn't there yet.
    pub fn gap(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let mut at = start;
        while at < end {
            match self.store.index.find(at) {
                Found::Run(run) => at = run.end(),
                Found::Nothing(next) => return Some((at, next.unwrap_or(end).min(end))),
            }
        }
        None
    }

    /// Adds memory that isn't there yet, copied at `time_ns`.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn add(&mut self, start: u64, bytes: &[u8], time_ns: i64) -> Result<(), ImageError> {
        let mut at = start;
        let mut rest = bytes;
        while !rest.is_empty() {
            // blocks end where pages do
            let room = (BLOCK as u64 - at % BLOCK as u64) as usize;
            let (block, behind) = rest.split_at(room.min(rest.len()));
            self.block(at, block, time_ns)?;
            at += block.len() as u64;
            rest = behind;
        }
        Ok(())
    }

    fn block(&mut self, start: u64, block: &[u8], time_ns: i64) -> Result<(), ImageError> {
        let zero = block.iter().all(|b| *b == 0);
        let run = Run {
            start,
            len: block.len() as u32,
            zero,
        };
        let placed = Placed {
            start,
            len: block.len() as u64,
            chunk: self.store.chunks.len() as u32,
            offset: (!zero).then_some(self.data.len() as u64),
        };
        if self.store.index.insert(placed).is_err() {
            return Ok(());
        }
        if !zero {
            self.data.extend_from_slice(block);
        }
        match self.runs.last_mut() {
            Some(last) if last.end() == start && last.zero == zero && last.len < 1 << 30 => {
                last.len += run.len;
            }
            _ => self.runs.push(run),
        }
        let (began, _) = *self.times.get_or_insert((time_ns, time_ns));
        self.times = Some((began, time_ns));
        self.covered += block.len() as u64;
        let full = self.data.len() >= self.chunk_bytes || self.covered >= MUCH_COVERED;
        if full || self.runs.len() >= MANY_RUNS {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is collected as a chunk.
    fn flush(&mut self) -> Result<(), ImageError> {
        let Some((began_ns, ended_ns)) = self.times.take() else {
            return Ok(());
        };
        self.covered = 0;
        let data = std::mem::take(&mut self.data);
        let stored = lz4_flex::block::compress(&data);
        let mut chunk = ChunkEntry {
            offset: self.end,
            bytes: data.len() as u32,
            stored: stored.len() as u32,
            began_ns,
            ended_ns,
            sha256: String::new(),
            runs: std::mem::take(&mut self.runs),
        };
        let bytes = chunk.seal(&stored);
        self.append(&bytes)?;
        self.count(&chunk.runs);
        self.store.keep(self.store.chunks.len() as u32, data);
        self.store.chunks.push(chunk);
        Ok(())
    }

    /// Copies memory that is there; whether it was.
    ///
    /// # Errors
    /// A chunk can't be read back.
    pub fn read(&self, address: u64, out: &mut [u8]) -> Result<bool, ImageError> {
        match self.store.copy(address, out, &self.data) {
            Ok(()) => Ok(true),
            Err(Missing::Hole) => Ok(false),
            Err(Missing::Damaged(error)) => Err(error),
        }
    }

    /// Writes the table with `regions` and everything of `document`, and gives the file its name.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn finish(
        mut self,
        regions: &[Region],
        document: Map<String, Json>,
    ) -> Result<Written, ImageError> {
        self.flush()?;
        let region = |r: &Region| json!({"start": format!("{:#x}", r.start.0), "bytes": r.len, "name": r.name});
        let mut table = Map::new();
        table.insert("format".into(), "sgascope-image".into());
        table.insert("version".into(), VERSION.into());
        table.extend(document);
        let regions: Vec<Json> = regions.iter().map(region).collect();
        table.insert("regions".into(), regions.into());
        table.insert("chunks".into(), json!(self.store.chunks));
        let text = Json::Object(table).to_string();
        let stored = lz4_flex::block::compress(text.as_bytes());
        let mut numbers = (text.len() as u64).to_le_bytes().to_vec();
        numbers.extend_from_slice(&(stored.len() as u64).to_le_bytes());
        let place = self.end;
        self.append(&sealed(TABLE_MAGIC, &numbers, &stored))?;
        let mut numbers = place.to_le_bytes().to_vec();
        numbers.extend_from_slice(&(self.end + END_BYTES as u64).to_le_bytes());
        self.append(&sealed(END_MAGIC, &numbers, &[]))?;
        let path = self.store.path.clone();
        let done = self.store.file.sync_all();
        done.map_err(ImageError::io(&path, "write"))?;
        fs::rename(&path, &self.target).map_err(ImageError::io(&self.target, "write"))?;
        let folder = self
            .target
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(ImageError::io(folder, "write"))?;
        Ok(self.written())
    }
}

/// The head's JSON, and where the first chunk begins; `None` when it isn't whole.
pub(super) fn read_head(file: &File, path: &Path) -> Result<Option<(Json, u64)>, ImageError> {
    let mut bytes = Vec::new();
    let limit = (HEAD_BYTES + MAX_HEAD) as u64;
    let mut from_start = file.try_clone().map_err(ImageError::io(path, "read"))?;
    std::io::Seek::rewind(&mut from_start).map_err(ImageError::io(path, "read"))?;
    from_start
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(ImageError::io(path, "read"))?;
    if bytes.len() < HEAD_BYTES || &bytes[..8] != HEAD_MAGIC {
        return Ok(None);
    }
    let version = u32_at(&bytes, 8);
    if version > VERSION {
        return Err(ImageError::Version {
            path: path.to_owned(),
            expected: VERSION,
            found: version,
        });
    }
    let len = HEAD_BYTES.saturating_add(u32_at(&bytes, 12) as usize);
    let Some(whole) = bytes.get(..len) else {
        return Ok(None);
    };
    if unsealed(whole, HEAD_BYTES - SHA).is_err() {
        return Ok(None);
    }
    let json = serde_json::from_slice(&whole[HEAD_BYTES..]).ok();
    Ok(json.map(|json| (json, len as u64)))
}
