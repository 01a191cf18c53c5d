//! A finished image as an address space.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value as Json;

use super::error::ImageError;
use super::format::{
    ChunkEntry, END_BYTES, END_MAGIC, MAX_CHUNK, MAX_RUNS, MAX_TABLE, Run, SHA, TABLE_BYTES,
    TABLE_MAGIC, VERSION, u64_at, unsealed,
};
use super::store::{Missing, Store};
use super::write::read_head;
use crate::memory::{AddressSpace, Fault, FaultKind, Region, Spot, TargetAddr, within};

/// Memory as it was captured.
pub struct ImageSpace {
    store: Store,
    regions: Vec<Region>,
    document: Json,
    damage: OnceLock<ImageError>,
}

#[derive(Deserialize)]
struct Table {
    version: u32,
    regions: Vec<RegionEntry>,
    chunks: Vec<ChunkEntry>,
}

#[derive(Deserialize)]
struct RegionEntry {
    start: String,
    bytes: u64,
    name: String,
}

/// The parts of a file that hold for all of it.
struct Opening<'a> {
    file: &'a File,
    path: &'a Path,
    len: u64,
}

impl Opening<'_> {
    fn damaged(
        &self,
        what: &str,
        offset: u64,
        (expected, found): (impl Into<String>, impl Into<String>),
    ) -> ImageError {
        ImageError::Damaged {
            path: self.path.to_owned(),
            what: what.to_owned(),
            offset,
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn bytes(&self, what: &str, offset: u64, len: u64) -> Result<Vec<u8>, ImageError> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            let found = format!("a file of {} bytes", self.len);
            return Err(self.damaged(what, offset, (format!("{len} bytes"), found)));
        }
        let mut bytes = vec![0u8; len as usize];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(ImageError::io(self.path, "read"))?;
        Ok(bytes)
    }

    /// Where the table begins.
    fn end(&self) -> Result<u64, ImageError> {
        let unfinished = |found: String| ImageError::Unfinished {
            path: self.path.to_owned(),
            found,
        };
        if read_head(self.file, self.path)?.is_none() {
            let found = "another head, or one whose SHA-256 is wrong";
            return Err(self.damaged("its head", 0, ("the head of an image", found)));
        }
        let Some(at) = self.len.checked_sub(END_BYTES as u64) else {
            return Err(unfinished(format!("it has {} bytes", self.len)));
        };
        let end = self.bytes("its end", at, END_BYTES as u64)?;
        if &end[..8] != END_MAGIC {
            return Err(unfinished("its end mark is missing".into()));
        }
        unsealed(&end, END_BYTES - SHA)
            .map_err(|(stated, found)| self.damaged("its end", at, (stated, found)))?;
        if u64_at(&end, 16) != self.len {
            let lengths = (u64_at(&end, 16).to_string(), self.len.to_string());
            return Err(self.damaged("its length", at, lengths));
        }
        Ok(u64_at(&end, 8))
    }

    fn table(&self) -> Result<Json, ImageError> {
        let at = self.end()?;
        let head = self.bytes("its table", at, TABLE_BYTES as u64)?;
        let (len, stored) = (u64_at(&head, 8), u64_at(&head, 16));
        if &head[..8] != TABLE_MAGIC || len > MAX_TABLE || stored > MAX_TABLE {
            return Err(self.damaged("its table", at, ("SGATABLE and two lengths", "others")));
        }
        let whole = self.bytes("its table", at, TABLE_BYTES as u64 + stored)?;
        unsealed(&whole, TABLE_BYTES - SHA)
            .map_err(|(stated, found)| self.damaged("its table", at, (stated, found)))?;
        let text = lz4_flex::block::decompress(&whole[TABLE_BYTES..], len as usize)
            .map_err(|e| self.damaged("its table", at, ("LZ4 data", e.to_string())))?;
        serde_json::from_slice(&text)
            .map_err(|e| self.damaged("its table", at, ("JSON", e.to_string())))
    }
}

impl ImageSpace {
    /// Opens the image at `path`: head, table and end are read and checked, chunks when they are
    /// needed.
    ///
    /// # Errors
    /// It can't be read, isn't finished, is damaged, or of a newer format.
    pub fn open(path: &Path) -> Result<ImageSpace, ImageError> {
        let file = File::open(path).map_err(ImageError::io(path, "read"))?;
        let meta = file.metadata().map_err(ImageError::io(path, "read"))?;
        let opening = Opening {
            file: &file,
            path,
            len: meta.len(),
        };
        let mut document = opening.table()?;
        let wrong = |found: String| opening.damaged("its table", 0, ("a table of chunks", found));
        let table = Table::deserialize(&document).map_err(|e| wrong(e.to_string()))?;
        if table.version > VERSION {
            return Err(ImageError::Version {
                path: path.to_owned(),
                expected: VERSION,
                found: table.version,
            });
        }
        let regions = regions(&table.regions).map_err(wrong)?;
        for (number, chunk) in table.chunks.iter().enumerate() {
            bounded(chunk, meta.len())
                .map_err(|e| wrong(format!("{}: {e}", chunk.name(number))))?;
        }
        if let Some(members) = document.as_object_mut() {
            members.remove("chunks");
        }
        let clash = |run: Run| wrong(format!("run {} twice or too long", String::from(run)));
        let mut index = super::index::Index::default();
        for (number, chunk) in table.chunks.iter().enumerate() {
            index.add_chunk(number, chunk).map_err(clash)?;
        }
        let mut store = Store::new(
            file.try_clone().map_err(ImageError::io(path, "read"))?,
            path.to_owned(),
        );
        store.chunks = table.chunks;
        store.index = index;
        Ok(ImageSpace {
            store,
            regions,
            document,
            damage: OnceLock::new(),
        })
    }

    /// All that the table says beside regions' and chunks' places.
    pub fn document(&self) -> &Json {
        &self.document
    }

    /// The chunks.
    pub fn chunks(&self) -> &[ChunkEntry] {
        &self.store.chunks
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.store.path
    }

    /// Captured ranges (address, bytes), by address.
    pub fn captured(&self) -> impl Iterator<Item = (TargetAddr, u64)> {
        self.store
            .index
            .runs()
            .map(|run| (TargetAddr(run.start), run.len))
    }

    /// When the bytes at an address were copied, ns since the epoch; as its chunk says.
    pub fn copied_at_ns(&self, address: TargetAddr) -> Option<i64> {
        match self.store.index.find(address.0) {
            super::index::Found::Run(run) => {
                let chunk = self.store.chunks.get(run.chunk as usize)?;
                Some(chunk.began_ns)
            }
            super::index::Found::Nothing(_) => None,
        }
    }

    /// Reads and checks every chunk.
    ///
    /// # Errors
    /// The first that is damaged.
    pub fn verify(&self) -> Result<(), ImageError> {
        (0..self.store.chunks.len()).try_for_each(|number| self.store.load(number).map(drop))
    }

    fn read_at(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        let len = out.len() as u64;
        let at = within(&self.regions, spot, offset, len)?;
        let addr = TargetAddr(self.regions[spot.region as usize].start.0 + at);
        let fault = |kind| Fault { addr, len, kind };
        match self.store.copy(addr.0, out, &[]) {
            Ok(()) => Ok(()),
            Err(Missing::Hole) => Err(fault(FaultKind::Hole)),
            Err(Missing::Damaged(error)) => {
                // the first one is told; readers see a value that can't be had
                let _ = self.damage.set(error);
                Err(fault(FaultKind::Damaged))
            }
        }
    }
}

fn bounded(chunk: &ChunkEntry, file_len: u64) -> Result<(), String> {
    let end = chunk.offset.checked_add(chunk.file_bytes());
    if end.is_none_or(|end| end > file_len) {
        return Err(format!("ends after the file's {file_len} bytes"));
    }
    if chunk.bytes as usize > MAX_CHUNK || chunk.runs.len() > MAX_RUNS {
        return Err(format!(
            "{} bytes in {} runs",
            chunk.bytes,
            chunk.runs.len()
        ));
    }
    Ok(())
}

fn regions(entries: &[RegionEntry]) -> Result<Vec<Region>, String> {
    let mut regions: Vec<Region> = Vec::with_capacity(entries.len());
    for entry in entries {
        let hex = entry.start.strip_prefix("0x");
        let start = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let start = start.ok_or_else(|| format!("{:?} is no address", entry.start))?;
        let before = regions.last().map_or(0, |r| r.end().0);
        let end = start.checked_add(entry.bytes);
        if entry.bytes == 0 || end.is_none() || start < before {
            return Err(format!("region {} at {start:#x} can't be", entry.name));
        }
        regions.push(Region {
            start: TargetAddr(start),
            len: entry.bytes,
            name: entry.name.clone(),
        });
    }
    Ok(regions)
}

impl AddressSpace for ImageSpace {
    fn regions(&self) -> &[Region] {
        &self.regions
    }

    fn kind(&self) -> &'static str {
        "image"
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.read_at(spot, offset, out)
    }

    fn damage(&self) -> Option<ImageError> {
        self.damage.get().cloned()
    }
}
