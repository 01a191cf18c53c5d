//! What an image says of itself.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::decode::dates;
use crate::discover::Captured;
use crate::memory::AddressSpace;
use crate::memory::image::ImageSpace;
use crate::sample::{AttachError, captured};

/// A region and how much of it an image holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionInfo {
    /// First address.
    pub start: String,
    /// Bytes.
    pub bytes: u64,
    /// What backed it.
    pub name: String,
    /// Bytes that were captured.
    pub captured_bytes: u64,
}

/// What an image says of itself.
#[derive(Clone, Debug)]
pub struct Info {
    /// Of whom it was taken, and how.
    pub captured: Captured,
    /// Its regions.
    pub regions: Vec<RegionInfo>,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of memory in it.
    pub memory_bytes: u64,
    /// Chunks.
    pub chunks: usize,
    /// When the first and last bytes were copied, ns since the epoch.
    pub copied_ns: Option<(i64, i64)>,
}

impl Info {
    /// Of an opened image.
    ///
    /// # Errors
    /// Its table lacks what this program expects.
    pub fn of(image: &ImageSpace) -> Result<Info, AttachError> {
        let captured = captured(image)?;
        let mut regions: Vec<RegionInfo> = image
            .regions()
            .iter()
            .map(|region| RegionInfo {
                start: format!("{:#x}", region.start.0),
                bytes: region.len,
                name: region.name.clone(),
                captured_bytes: 0,
            })
            .collect();
        let mut memory_bytes = 0;
        for (addr, len) in image.captured() {
            memory_bytes += len;
            let at = image.regions().partition_point(|r| r.start <= addr);
            if let Some(region) = at.checked_sub(1).and_then(|at| regions.get_mut(at)) {
                region.captured_bytes += len;
            }
        }
        let chunks = image.chunks();
        let first = chunks.iter().map(|c| c.began_ns).min();
        let last = chunks.iter().map(|c| c.ended_ns).max();
        Ok(Info {
            captured,
            regions,
            file_bytes: std::fs::metadata(image.path()).map_or(0, |m| m.len()),
            memory_bytes,
            chunks: chunks.len(),
            copied_ns: first.zip(last),
        })
    }

    /// The table as a document for programs: all of it but the blueprint's body and the chunks' runs.
    pub fn document(&self, image: &ImageSpace) -> Json {
        let mut document = image.document().clone();
        if let Some(members) = document.as_object_mut() {
            let of = |name: &str| self.captured.blueprint[name].clone();
            members.insert(
                "blueprint".into(),
                json!({"id": of("id"), "identity": of("identity"), "status": of("status")}),
            );
            members.insert("regions".into(), json!(self.regions));
            members.insert("file_bytes".into(), self.file_bytes.into());
            members.insert("memory_bytes".into(), self.memory_bytes.into());
            members.insert(
                "copied".into(),
                json!(
                    self.copied_ns
                        .map(|(first, last)| [dates::rfc3339_ns(first), dates::rfc3339_ns(last)])
                ),
            );
            let chunk = |c: &crate::memory::image::ChunkEntry| {
                json!({
                    "offset": c.offset, "bytes": c.bytes, "stored_bytes": c.stored, "runs": c.runs.len(),
                    "began": dates::rfc3339_ns(c.began_ns), "ended": dates::rfc3339_ns(c.ended_ns),
                    "sha256": c.sha256,
                })
            };
            let chunks: Vec<Json> = image.chunks().iter().map(chunk).collect();
            members.insert("chunks".into(), chunks.into());
        }
        document
    }

    /// Name and value of what people want to know first.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let c = &self.captured;
        let id = &c.blueprint["id"];
        let smeared = self.copied_ns.map_or(0, |(first, last)| last - first) as f64 / 1e6;
        let mut lines = vec![
            ("instance", format!("{} on {}", c.sid, c.host)),
            ("release", c.release.clone()),
            ("executable", c.executable.path.clone().unwrap_or_default()),
            (
                "build-id",
                c.executable.build_id.clone().unwrap_or_default(),
            ),
            ("blueprint", id.as_str().unwrap_or_default().to_owned()),
            ("alert log", c.alert_log.clone()),
            ("taken at", dates::rfc3339_ns(c.taken_at.wall_ns)),
            ("copied in", format!("{smeared:.1} ms")),
            ("PMON", c.instance["pid"].to_string()),
            ("kind", if c.full { "full" } else { "sparse" }.into()),
            ("left out", c.left_out.join("; ")),
            ("torn places", c.torn_count.to_string()),
            (
                "processes",
                format!("{} looked at in the operating system", c.os_processes.len()),
            ),
            (
                "memory",
                format!("{} bytes in {} chunks", self.memory_bytes, self.chunks),
            ),
            ("file", format!("{} bytes", self.file_bytes)),
        ];
        if !c.slice.is_empty() {
            lines.push(("slice of it", c.slice.join("; ")));
        }
        lines
    }
}
