//! A part of an image, as an image: small enough for a bug report, and with no more of others than
//! is needed to read it.
//!
//! Of a session it holds the row, all that verbs read by way of it, its process's row, and of the
//! other rows the words by which the blueprint is accepted. No other session's statements.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::capture::{embedded, finish};
use super::error::CaptureError;
use super::reach;
use crate::blueprint::Blueprint;
use crate::discover::Captured;
use crate::memory::image::{FreezingSpace, ImageSpace, ImageWriter, Unit, Written};
use crate::memory::{AddressSpace, TargetAddr};
use crate::plan::RowTable;
use crate::sample::{Attachment, Source, captured};

/// Memory of a chunk, bytes.
const CHUNK: usize = 256 << 10;

/// What of an image to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Addresses, as far as they were captured.
    Range {
        /// First address.
        start: TargetAddr,
        /// Bytes.
        len: u64,
    },
    /// A session by its SID.
    Session(u32),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Range { start, len } => write!(f, "range {:#x}+{len}", start.0),
            Part::Session(sid) => write!(f, "session {sid}"),
        }
    }
}

/// Writes the parts of image `from` to a new image `target`.
///
/// # Errors
/// No part of it was captured, or the file can't be read or written.
pub fn slice(from: &Path, target: &Path, parts: &[Part]) -> Result<Written, CaptureError> {
    if target.exists() {
        let path = target.to_owned();
        return Err(CaptureError::Exists { path });
    }
    let image = Arc::new(ImageSpace::open(from)?);
    let mut about = captured(&image)?;
    about.slice.extend(parts.iter().map(Part::to_string));
    let identity = json!({"slice": about.slice, "sid": about.sid, "host": about.host});
    let begun = ImageWriter::begin(target, false, CHUNK, (&identity, &json!(about.taken_at)))?;
    let times = image.clone();
    let clock = Box::new(move |addr| times.copied_at_ns(addr).unwrap_or_default());
    let copy = FreezingSpace::new(image.clone(), begun.0, Unit::Exact, clock);
    let copy = Arc::new(copy);
    for part in parts {
        if let Part::Range { start, len } = part {
            range(&image, &copy, *start, *len)?;
        }
    }
    let sids: Vec<u32> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Session(sid) => Some(*sid),
            Part::Range { .. } => None,
        })
        .collect();
    let mut spids = std::collections::BTreeSet::new();
    if !sids.is_empty() {
        let whole = Attachment::open(&Source::Image(from.to_owned()), None)?;
        let own = embedded(&whole, true);
        about.blueprint = serde_json::to_value(&own).unwrap_or_default();
        spids = sessions(&whole, &copy, (own, about.clone()), &sids)?;
    }
    about.os_processes.retain(|spid, _| spids.contains(spid));
    if let Some(damage) = copy.damage() {
        return Err(damage.into());
    }
    finish(&copy, image.regions(), about)
}

/// What was captured of a range.
fn range(
    image: &ImageSpace,
    copy: &FreezingSpace,
    start: TargetAddr,
    len: u64,
) -> Result<(), CaptureError> {
    let end = start.0.saturating_add(len);
    let mut any = false;
    for (at, bytes) in image.captured() {
        let (from, to) = (at.0.max(start.0), (at.0 + bytes).min(end));
        if from < to {
            any = true;
            copy.freeze(TargetAddr(from), to - from)?;
        }
    }
    if any {
        return Ok(());
    }
    let start = start.0;
    let message = format!("nothing of {start:#x} to {end:#x} is in the image; see image info");
    Err(CaptureError::Asked(message))
}

/// Rows of sessions and all that is read by way of them; SPIDs of their processes.
fn sessions(
    whole: &Attachment,
    copy: &Arc<FreezingSpace>,
    (blueprint, about): (Blueprint, Captured),
    sids: &[u32],
) -> Result<std::collections::BTreeSet<i32>, CaptureError> {
    let rows = &whole.accepted.sessions.addrs;
    let mut own = Vec::new();
    for sid in sids {
        let row = sid.checked_sub(1).and_then(|slot| rows.get(slot as usize));
        let row = row.ok_or_else(|| {
            CaptureError::Asked(format!(
                "no session {sid}: SIDs go from 1 to {}",
                rows.len()
            ))
        })?;
        own.push(*row);
    }
    let layout = &whole.blueprint;
    let bytes = |array: &str| {
        let row = layout.array(array).and_then(|a| layout.strukt(&a.row));
        row.map_or(0, reach::reach)
    };
    let (session_bytes, process_bytes) = (bytes("sessions"), bytes("processes"));
    for row in &own {
        copy.freeze(*row, session_bytes)?;
    }
    copy.hide(reach::texts(whole, &*whole.space, &own));
    let mut narrow = whole.on_copy(copy.clone(), blueprint, about)?;
    let processes = processes_of(&narrow, &own);
    for process in &processes {
        copy.freeze(*process, process_bytes)?;
    }
    let mut accepted = (*narrow.accepted).clone();
    accepted.sessions = RowTable::place(&**copy, own, session_bytes);
    accepted.processes = RowTable::place(&**copy, processes, process_bytes);
    narrow.accepted = Arc::new(accepted);
    Ok(reach::read_all(&narrow, true)?)
}

/// The process rows that own these sessions, directly or through one state object.
fn processes_of(attachment: &Attachment, sessions: &[TargetAddr]) -> Vec<TargetAddr> {
    let blueprint = &attachment.blueprint;
    let row = blueprint
        .array("sessions")
        .and_then(|a| blueprint.strukt(&a.row));
    let owner = row.and_then(|r| {
        let field = r.field("owner")?;
        attachment.accepted.offset(&r.name, field).ok()
    });
    let Some(owner) = owner else {
        return Vec::new();
    };
    let known = &attachment.accepted.processes.addrs;
    let above = |object: TargetAddr| {
        let at = object.checked_add(owner)?;
        attachment.space.read_u64(at).ok().map(TargetAddr)
    };
    let mut found: Vec<TargetAddr> = sessions
        .iter()
        .filter_map(|session| {
            let direct = above(*session)?;
            match known.contains(&direct) {
                true => Some(direct),
                false => above(direct).filter(|p| known.contains(p)),
            }
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
