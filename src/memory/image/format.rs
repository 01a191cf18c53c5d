//! The bytes of an image file; `docs/image-format.md` describes them for others.
//!
//! `head, chunk…, table, end`. Every byte is covered by a SHA-256, and all numbers are
//! little-endian. A chunk says itself what it holds, so that the whole ones of an interrupted
//! capture can be used.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of the format; a reader refuses newer ones.
pub const VERSION: u32 = 1;
pub(super) const HEAD_MAGIC: &[u8; 8] = b"SGAIMAGE";
pub(super) const CHUNK_MAGIC: &[u8; 8] = b"SGACHUNK";
pub(super) const TABLE_MAGIC: &[u8; 8] = b"SGATABLE";
pub(super) const END_MAGIC: &[u8; 8] = b"SGAIMEND";
pub(super) const SHA: usize = 32;
/// Magic, version, length of the JSON, SHA-256.
pub(super) const HEAD_BYTES: usize = 8 + 4 + 4 + SHA;
/// Magic, runs, bytes, stored bytes, reserved, first and last time, SHA-256.
pub(super) const CHUNK_BYTES: usize = 8 + 4 * 4 + 2 * 8 + SHA;
/// Address, length, kind.
pub(super) const RUN_BYTES: usize = 16;
/// Magic, bytes, stored bytes, SHA-256.
pub(super) const TABLE_BYTES: usize = 8 + 2 * 8 + SHA;
/// Magic, place of the table, length of the file, SHA-256.
pub(super) const END_BYTES: usize = 8 + 2 * 8 + SHA;

/// Most bytes of memory in a chunk.
pub(super) const MAX_CHUNK: usize = 8 << 20;
/// Most runs of a chunk.
pub(super) const MAX_RUNS: usize = 1 << 16;
/// Most bytes of the head's JSON.
pub(super) const MAX_HEAD: usize = 4 << 20;
/// Most bytes of the table's JSON.
pub(super) const MAX_TABLE: u64 = 1 << 30;

/// A run of captured addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Run {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub len: u32,
    /// Nothing but zeros, so that nothing is stored.
    pub zero: bool,
}

impl Run {
    /// First address after the run.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(u64::from(self.len))
    }
}

/// As the table has it: `0x60000000+4096`, with ` zero` behind it where nothing is stored.
impl From<Run> for String {
    fn from(run: Run) -> String {
        let zero = if run.zero { " zero" } else { "" };
        format!("{:#x}+{}{zero}", run.start, run.len)
    }
}

impl TryFrom<String> for Run {
    type Error = String;

    fn try_from(text: String) -> Result<Run, String> {
        let (place, zero) = match text.strip_suffix(" zero") {
            Some(place) => (place, true),
            None => (text.as_str(), false),
        };
        let parsed = place.split_once('+').and_then(|(start, len)| {
            let start = u64::from_str_radix(start.strip_prefix("0x")?, 16).ok()?;
            let len: u32 = len.parse().ok()?;
            (len > 0 && start.checked_add(len.into()).is_some()).then_some((start, len))
        });
        let (start, len) = parsed.ok_or_else(|| format!("{text:?} is no run of addresses"))?;
        Ok(Run { start, len, zero })
    }
}

/// A chunk, as the table lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Bytes of memory that it stores, without zeros.
    pub bytes: u32,
    /// Bytes that they take in the file, LZ4-compressed.
    pub stored: u32,
    /// When its first bytes were copied, ns since the epoch.
    pub began_ns: i64,
    /// When its last bytes were copied, ns since the epoch.
    pub ended_ns: i64,
    /// SHA-256 of its head, runs and stored bytes, lower-case hex.
    pub sha256: String,
    /// What it holds; those that aren't zero lie in its bytes in this order.
    pub runs: Vec<Run>,
}

impl ChunkEntry {
    /// Bytes in the file, head and runs included.
    pub fn file_bytes(&self) -> u64 {
        (CHUNK_BYTES + self.runs.len() * RUN_BYTES) as u64 + u64::from(self.stored)
    }

    /// "chunk 3 (0x60001000 to 0x60002fff)".
    pub(super) fn name(&self, number: usize) -> String {
        let first = self.runs.iter().map(|r| r.start).min().unwrap_or(0);
        let last = self.runs.iter().map(Run::end).max().unwrap_or(1);
        format!("chunk {number} ({first:#x} to {:#x})", last.wrapping_sub(1))
    }

    /// The bytes in front of the stored ones; `sha256` must be right, or is filled by `seal`.
    fn prefix(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(CHUNK_BYTES + self.runs.len() * RUN_BYTES);
        out.extend_from_slice(CHUNK_MAGIC);
        for n in [self.runs.len() as u32, self.bytes, self.stored, 0] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.began_ns, self.ended_ns] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out
    }

    fn runs_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.runs.len() * RUN_BYTES);
        for run in &self.runs {
            out.extend_from_slice(&run.start.to_le_bytes());
            out.extend_from_slice(&run.len.to_le_bytes());
            out.extend_from_slice(&u32::from(run.zero).to_le_bytes());
        }
        out
    }

    /// The chunk as it lies in the file; sets `sha256`.
    pub(super) fn seal(&mut self, stored: &[u8]) -> Vec<u8> {
        let (mut out, runs) = (self.prefix(), self.runs_bytes());
        let sha = sha256(&[&out, &runs, stored]);
        self.sha256 = hex(&sha);
        out.extend_from_slice(&sha);
        out.extend_from_slice(&runs);
        out.extend_from_slice(stored);
        out
    }

    /// The chunk that begins with `bytes`, and where its stored bytes lie in them; `None` when none
    /// does, or its SHA-256 is wrong.
    pub(super) fn parse(bytes: &[u8], offset: u64) -> Option<(ChunkEntry, std::ops::Range<usize>)> {
        let head = bytes.get(..CHUNK_BYTES)?;
        if &head[..8] != CHUNK_MAGIC {
            return None;
        }
        let [runs, raw, stored, _] = [8, 12, 16, 20].map(|at| u32_at(head, at));
        let (runs, stored) = (runs as usize, stored as usize);
        if runs > MAX_RUNS || raw as usize > MAX_CHUNK {
            return None;
        }
        let from = CHUNK_BYTES + runs * RUN_BYTES;
        let whole = bytes.get(..from.checked_add(stored)?)?;
        let sha = sha256(&[&whole[..CHUNK_BYTES - SHA], &whole[CHUNK_BYTES..]]);
        if sha != whole[CHUNK_BYTES - SHA..CHUNK_BYTES] {
            return None;
        }
        let run = |bytes: &[u8]| Run {
            start: u64_at(bytes, 0),
            len: u32_at(bytes, 8),
            zero: u32_at(bytes, 12) != 0,
        };
        let entry = ChunkEntry {
            offset,
            bytes: raw,
            stored: stored as u32,
            began_ns: u64_at(head, 24) as i64,
            ended_ns: u64_at(head, 32) as i64,
            sha256: hex(&sha),
            runs: whole[CHUNK_BYTES..from]
                .chunks_exact(RUN_BYTES)
                .map(run)
                .collect(),
        };
        Some((entry, from..from + stored))
    }
}

/// A part of the file that begins with a magic and some numbers, and ends with what they describe.
pub(super) fn sealed(magic: &[u8; 8], numbers: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut out = magic.to_vec();
    out.extend_from_slice(numbers);
    let sha = sha256(&[&out, rest]);
    out.extend_from_slice(&sha);
    out.extend_from_slice(rest);
    out
}

/// Whether the SHA-256 of a part holds whose first `numbers` bytes are magic and numbers: the one
/// that was found if not.
pub(super) fn unsealed(bytes: &[u8], numbers: usize) -> Result<(), (String, String)> {
    let sha = sha256(&[&bytes[..numbers], &bytes[numbers + SHA..]]);
    let stated = &bytes[numbers..numbers + SHA];
    if sha == stated {
        Ok(())
    } else {
        Err((hex(stated), hex(&sha)))
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; SHA] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    sha.finalize().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|b| b.first_chunk::<4>());
    four.map_or(0, |b| u32::from_le_bytes(*b))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..).and_then(|b| b.first_chunk::<8>());
    eight.map_or(0, |b| u64::from_le_bytes(*b))
}
