//! The processes that own the sessions of a frame: what the operating system calls them, and which
//! program they run (V$PROCESS.SPID, PROGRAM).
//!
//! Each is read once for each session, by whoever takes frames, after the walk.
//! Not for: rows of processes as such, or whether a process still lives.
//!
//! Callers: `snapshot`, `cli::record`.

use std::collections::HashSet;
use std::sync::Arc;

use super::attach::Attachment;
use crate::blueprint::model::Stored;
use crate::decode::text::before_nul;
use crate::decode::{Context, Decoder, Owner};
use crate::memory::{AddressSpace, TargetAddr};
use crate::walk::Frame;

/// Longest text of a process row that is read here, in bytes.
const MAX_TEXT: usize = 64;

/// Offset and width of a text, or why it can't be had.
type Place = Result<(u64, usize), String>;

/// Reads the processes of sessions.
pub struct Owners {
    space: Arc<dyn AddressSpace>,
    rows: HashSet<TargetAddr>,
    /// Where a state object says what owns it.
    above: Option<u64>,
    os_pid: Place,
    program: Place,
}

impl Owners {
    /// Finds what the blueprint says of process rows.
    pub fn new(attachment: &Attachment) -> Owners {
        let addrs = attachment.accepted.processes.addrs.iter();
        Owners {
            space: attachment.space.clone(),
            rows: addrs.copied().collect(),
            above: above(attachment),
            os_pid: place(attachment, "KSUPROSID"),
            program: place(attachment, "KSUPRPNM"),
        }
    }

    /// What a decoder may expect of [`Owners::look`].
    pub fn context(&self) -> Context {
        let why = |place: &Place| place.as_ref().err().cloned();
        Context::of_processes(why(&self.os_pid), why(&self.program))
    }

    /// Tells the decoder of all processes of the frame's sessions that it doesn't know yet.
    pub fn look(&self, frame: &Frame, decoder: &mut Decoder) {
        if self.os_pid.is_err() {
            return;
        }
        for i in 0..frame.len() {
            let (words, slot) = (frame.row(i), frame.slots[i]);
            let Some(owner) = decoder.unknown_owner(words, slot) else {
                continue;
            };
            let process = self.process_of(owner).and_then(|p| self.read(p));
            if let Some(process) = process {
                decoder.set_owner(words, slot, process);
            }
        }
    }

    /// The owner, or what owns it; a pointer that leads to no process says nothing.
    fn process_of(&self, owner: TargetAddr) -> Option<TargetAddr> {
        if self.rows.contains(&owner) {
            return Some(owner);
        }
        let above = self.space.read_u64(owner.checked_add(self.above?)?).ok()?;
        Some(TargetAddr(above)).filter(|p| self.rows.contains(p))
    }

    fn read(&self, process: TargetAddr) -> Option<Owner> {
        let text = |place: &Place| {
            let (offset, size) = *place.as_ref().ok()?;
            let mut bytes = [0u8; MAX_TEXT];
            let at = process.checked_add(offset)?;
            self.space.read(at, &mut bytes[..size]).ok()?;
            let text = String::from_utf8_lossy(before_nul(&bytes[..size]));
            Some(text.into_owned())
        };
        let spid = text(&self.os_pid)?;
        // no digits and not empty: not a process id, so nothing is known
        let os_pid = match spid.as_str() {
            "" => None,
            digits => Some(digits.parse().ok()?),
        };
        let program = text(&self.program);
        Some(Owner { os_pid, program })
    }
}

fn above(attachment: &Attachment) -> Option<u64> {
    let blueprint = &attachment.blueprint;
    let row = blueprint.strukt(&blueprint.array("sessions")?.row)?;
    let header = blueprint.strukt(row.field("owner")?.to.as_deref()?)?;
    let owner = header.field("owner")?;
    attachment.accepted.offset(&header.name, owner).ok()
}

fn place(attachment: &Attachment, name: &str) -> Place {
    let blueprint = &attachment.blueprint;
    let row = blueprint
        .array("processes")
        .filter(|_| !attachment.accepted.processes.is_empty())
        .and_then(|array| blueprint.strukt(&array.row))
        .ok_or("the processes were not found")?;
    let field = row
        .field(name)
        .filter(|f| f.stored == Stored::Text)
        .ok_or_else(|| format!("{}.{name} is not in the blueprint", row.name))?;
    let offset = attachment.accepted.offset(&row.name, field)?;
    Ok((offset, (field.size as usize).min(MAX_TEXT)))
}
