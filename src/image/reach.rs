//! All that verbs read, read once: whoever reads a copy made meanwhile finds everything.
//!
//! Not for: what the values are; they are thrown away.

use std::collections::BTreeSet;

use crate::blueprint::model::{ArrayLayout, Blueprint, Struct};
use crate::decode::Decoder;
use crate::decode::columns::{dump_columns, needs_of, sample_columns};
use crate::decode::needs::PREVIOUS_SQL_NEEDS;
use crate::memory::image::{FreezingSpace, ImageError};
use crate::memory::{AddressSpace, TargetAddr};
use crate::plan::arrays::{self, read_uint};
use crate::plan::handle::MAX_SQL_TEXT;
use crate::plan::{Asked, StatisticPlan};
use crate::sample::snapshot::Extras;
use crate::sample::statistics::NEEDS;
use crate::sample::{
    AttachError, Attachment, ProcessSnapshot, RowValues, Slots, Snapshot, TextForm,
};
use crate::walk::{Select, Walker};

/// Bytes of the first region that are always captured: calibration looks for pointers to arrays
/// there.
const FIXED: u64 = 64 << 20;

/// Copies all rows of all declared arrays, those of idle and freed slots too, the pointer arrays
/// and the fixed variables. With `whole`, also the beginning of the first region, where the fixed
/// SGA is.
pub(super) fn freeze_declared(
    live: &Attachment,
    copy: &FreezingSpace,
    whole: bool,
) -> Result<(), ImageError> {
    let (blueprint, accepted) = (&*live.blueprint, &*live.accepted);
    for (name, rows) in [
        ("sessions", &accepted.sessions),
        ("processes", &accepted.processes),
    ] {
        let row = blueprint.array(name).and_then(|a| blueprint.strukt(&a.row));
        let bytes = row.map_or(0, reach);
        let mut addrs = rows.addrs.clone();
        addrs.sort_unstable();
        addrs.iter().try_for_each(|row| copy.freeze(*row, bytes))?;
    }
    for array in &blueprint.arrays {
        freeze_pointers(live, copy, &array.layout)?;
    }
    for anchor in &blueprint.anchors {
        copy.freeze(TargetAddr(anchor.address), anchor.size.max(8))?;
    }
    match live.space.regions().first() {
        Some(first) if whole => copy.freeze(first.start, first.len.min(FIXED)),
        _ => Ok(()),
    }
}

fn freeze_pointers(
    live: &Attachment,
    copy: &FreezingSpace,
    layout: &ArrayLayout,
) -> Result<(), ImageError> {
    let blueprint = &live.blueprint;
    let place = |base: &crate::blueprint::model::MemberRef| {
        let strukt = blueprint.strukt(&base.strukt)?;
        let field = strukt.field(&base.field)?;
        let offset = live.accepted.offset(&strukt.name, field).ok()?;
        let at = arrays::member(blueprint, &base.anchor, offset)?;
        Some(TargetAddr(copy.read_u64(at).ok()?))
    };
    let rows = match layout {
        ArrayLayout::Pointers { base, .. } => place(base).map(|table| {
            let most = live
                .accepted
                .sessions
                .len()
                .max(live.accepted.processes.len());
            (table, 8 * most as u64)
        }),
        ArrayLayout::Flat { base, stride, .. } => place(base).map(|table| {
            (
                table,
                stride.saturating_mul(live.events.events.len() as u64),
            )
        }),
        ArrayLayout::Runs { .. } => None,
    };
    rows.map_or(Ok(()), |(table, bytes)| copy.freeze(table, bytes))
}

/// Bytes of a row.
pub(super) fn reach(row: &Struct) -> u64 {
    let ends = row.fields.iter().map(|f| f.offset.saturating_add(f.size));
    row.size.max(ends.max().unwrap_or(8))
}

/// Reads what verbs read of a copy; the SPIDs of all processes.
///
/// # Errors
/// When the blueprint lacks what session rows need.
pub(super) fn read_all(copy: &Attachment, texts: bool) -> Result<BTreeSet<i32>, AttachError> {
    let statistics = StatisticPlan::compile(&copy.blueprint, &copy.accepted, &Asked::All).ok();
    let extras = Extras {
        texts: texts.then_some(TextForm::Full),
        statistics,
    };
    Snapshot::take(copy, extras)?;
    sweep(copy)?;
    Slots::of_sessions(copy)?;
    // a blueprint may know no processes; then no verb reads any
    let Ok(processes) = ProcessSnapshot::take(copy) else {
        return Ok(BTreeSet::new());
    };
    let _ = Slots::of_processes(copy);
    let spid = |row: &RowValues| row.get("spid")?.as_str()?.parse().ok();
    Ok(processes.processes.iter().filter_map(spid).collect())
}

/// One sweep with the needs of all verbs at once, which reaches at least as far as each verb's own.
fn sweep(copy: &Attachment) -> Result<(), AttachError> {
    let mut columns = dump_columns();
    columns.extend(sample_columns());
    let mut needs = needs_of(&columns);
    needs.extend(PREVIOUS_SQL_NEEDS);
    needs.extend(NEEDS);
    let bound = copy.bind_sessions(&needs)?;
    let mut decoder = Decoder::new(&copy.blueprint, &bound, &columns);
    let mut walker = Walker::new(bound, Select::Used).ok_or_else(|| copy.lacks_gate())?;
    let mut frame = walker.frame();
    walker.sweep(&mut frame, || 0);
    for i in 0..frame.len() {
        let row = decoder.row(&frame, i);
        decoder.values(&row).for_each(drop);
    }
    Ok(())
}

/// Where texts of statements lie that rows of `space` lead to: first address, first one behind.
/// Those of the rows in `but` are left out.
pub(super) fn texts(
    attachment: &Attachment,
    space: &dyn AddressSpace,
    but: &[TargetAddr],
) -> Vec<(u64, u64)> {
    let blueprint = &attachment.blueprint;
    let handle = &attachment.accepted.handle;
    let claimed = |b: &Blueprint| Some(b.strukt("kglhd")?.field("text")?.offset);
    let Some(text) = handle.text.or_else(|| claimed(blueprint)) else {
        return Vec::new();
    };
    let row = blueprint
        .array("sessions")
        .and_then(|a| blueprint.strukt(&a.row));
    let pointers: Vec<u64> = ["KSUSESQL", "KSUSEPSQ"]
        .iter()
        .filter_map(|name| Some(row?.field(name)?.offset))
        .collect();
    let of = |rows: &mut dyn Iterator<Item = &TargetAddr>| -> BTreeSet<u64> {
        let each = rows.flat_map(|row| pointers.iter().map(|o| row.0.saturating_add(*o)));
        each.filter_map(|at| space.read_u64(TargetAddr(at)).ok())
            .filter(|handle| *handle != 0)
            .collect()
    };
    let rows = &attachment.accepted.sessions.addrs;
    let kept = of(&mut but.iter());
    let all = of(&mut rows.iter().filter(|r| !but.contains(r)));
    all.difference(&kept)
        .filter_map(|at| {
            let from = at.checked_add(text)?;
            let stated = handle.text_len.and_then(|o| at.checked_add(o));
            let stated =
                stated.and_then(|at| read_uint(&*attachment.space, TargetAddr(at), 4).ok());
            let stated = stated.filter(|n| *n <= MAX_SQL_TEXT as u64).unwrap_or(0);
            let shown = to_nul(&*attachment.space, TargetAddr(from));
            Some((from, from.checked_add(stated.max(shown) + 1)?))
        })
        .collect()
}

/// Bytes up to the NUL, at most those of the longest text.
fn to_nul(space: &dyn AddressSpace, at: TargetAddr) -> u64 {
    let mut piece = [0u8; 512];
    let mut length = 0u64;
    while length < MAX_SQL_TEXT as u64 {
        let Some(from) = at.checked_add(length) else {
            break;
        };
        let mut size = piece.len();
        // the segment may end before
        while size > 0 && space.read(from, &mut piece[..size]).is_err() {
            size /= 2;
        }
        if size == 0 {
            break;
        }
        if let Some(nul) = piece[..size].iter().position(|b| *b == 0) {
            return length + nul as u64;
        }
        length += size as u64;
    }
    length
}
