//! Chunks of a file, read and checked when they are first needed, and kept as far as there is room.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::ImageError;
use super::format::{CHUNK_BYTES, ChunkEntry, RUN_BYTES, SHA, hex, sha256};
use super::index::{Found, Index};

/// Bytes of memory of chunks that are kept.
const MAX_KEPT: usize = 256 << 20;

/// Memory of the chunks used last.
#[derive(Default)]
struct Kept {
    chunks: HashMap<u32, (Arc<Vec<u8>>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Kept {
    fn get(&mut self, chunk: u32) -> Option<Arc<Vec<u8>>> {
        self.clock += 1;
        let (data, used) = self.chunks.get_mut(&chunk)?;
        *used = self.clock;
        Some(data.clone())
    }

    fn put(&mut self, chunk: u32, data: Arc<Vec<u8>>) {
        self.bytes += data.len();
        self.clock += 1;
        if let Some((old, _)) = self.chunks.insert(chunk, (data, self.clock)) {
            self.bytes -= old.len();
        }
        while self.bytes > MAX_KEPT && self.chunks.len() > 1 {
            let oldest = self.chunks.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(chunk, _)| *chunk) else {
                break;
            };
            if let Some((old, _)) = self.chunks.remove(&oldest) {
                self.bytes -= old.len();
            }
        }
    }
}

/// The chunks of a file, and where addresses are in them.
pub(super) struct Store {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) chunks: Vec<ChunkEntry>,
    pub(super) index: Index,
    kept: Mutex<Kept>,
}

/// Why bytes could not be copied.
pub(super) enum Missing {
    /// They weren't captured.
    Hole,
    /// The chunk that holds them is damaged.
    Damaged(ImageError),
}

impl Store {
    pub(super) fn new(file: File, path: PathBuf) -> Store {
        Store {
            file,
            path,
            chunks: Vec::new(),
            index: Index::default(),
            kept: Mutex::default(),
        }
    }

    /// Keeps the memory of a chunk that was just written.
    pub(super) fn keep(&self, chunk: u32, data: Vec<u8>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(chunk, Arc::new(data));
    }

    /// The memory of a chunk.
    pub(super) fn data(&self, chunk: u32) -> Result<Arc<Vec<u8>>, ImageError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(data) = kept().get(chunk) {
            return Ok(data);
        }
        let data = Arc::new(self.load(chunk as usize)?);
        kept().put(chunk, data.clone());
        Ok(data)
    }

    /// Reads a chunk from the file and checks it against the table.
    pub(super) fn load(&self, number: usize) -> Result<Vec<u8>, ImageError> {
        let damaged = |offset: u64, expected: String, found: String| ImageError::Damaged {
            path: self.path.clone(),
            what: self
                .chunks
                .get(number)
                .map_or_else(String::new, |c| c.name(number)),
            offset,
            expected,
            found,
        };
        let Some(chunk) = self.chunks.get(number) else {
            return Err(damaged(0, "a chunk".into(), format!("no chunk {number}")));
        };
        let mut bytes = vec![0u8; chunk.file_bytes() as usize];
        self.file
            .read_exact_at(&mut bytes, chunk.offset)
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => damaged(
                    chunk.offset,
                    format!("{} bytes", bytes.len()),
                    "the file's end".into(),
                ),
                _ => ImageError::io(&self.path, "read")(e),
            })?;
        let sha = sha256(&[&bytes[..CHUNK_BYTES - SHA], &bytes[CHUNK_BYTES..]]);
        if hex(&sha) != chunk.sha256 {
            return Err(damaged(
                chunk.offset,
                format!("SHA-256 {}", chunk.sha256),
                hex(&sha),
            ));
        }
        let stored = &bytes[CHUNK_BYTES + chunk.runs.len() * RUN_BYTES..];
        let mut memory = vec![0u8; chunk.bytes as usize];
        let unpacked = lz4_flex::block::decompress_into(stored, &mut memory);
        match unpacked {
            Ok(n) if n == memory.len() => Ok(memory),
            Ok(n) => Err(damaged(
                chunk.offset,
                format!("{} bytes of memory", memory.len()),
                n.to_string(),
            )),
            Err(e) => Err(damaged(chunk.offset, "LZ4 data".into(), e.to_string())),
        }
    }

    /// Copies memory from `address` on; `current` is the memory of the chunk that isn't written yet.
    pub(super) fn copy(
        &self,
        mut address: u64,
        mut out: &mut [u8],
        current: &[u8],
    ) -> Result<(), Missing> {
        while !out.is_empty() {
            let Found::Run(run) = self.index.find(address) else {
                return Err(Missing::Hole);
            };
            let inside = address - run.start;
            let take = (run.len - inside).min(out.len() as u64) as usize;
            let (head, rest) = out.split_at_mut(take);
            match run.offset {
                None => head.fill(0),
                Some(offset) => {
                    let from = (offset + inside) as usize;
                    let written = (run.chunk as usize) < self.chunks.len();
                    let kept = written.then(|| self.data(run.chunk)).transpose();
                    let kept = kept.map_err(Missing::Damaged)?;
                    let data = kept.as_ref().map_or(current, |k| k.as_slice());
                    let bytes = data.get(from..from + take).ok_or(Missing::Hole)?;
                    head.copy_from_slice(bytes);
                }
            }
            out = rest;
            address = address.saturating_add(take as u64);
        }
        Ok(())
    }
}
