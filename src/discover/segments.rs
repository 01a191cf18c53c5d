//! The kernel's table of SysV segments (`/proc/sysvipc/shm`, readable for everyone), joined with
//! what PMON has mapped.

use std::io;

use super::account::{group_name, user_name};
use super::instance::{Evidence, Segment};
use super::maps::Mapped;
use super::procfs::{ProcRoot, read_bounded};
use crate::memory::TargetAddr;
use crate::memory::sysv::{self, SegmentState};

/// Mode bit of a segment marked for removal, as the `perms` column shows it (1600, 1640).
const SHM_DEST: u32 = 0o1000;
const SMALL_PAGE: u64 = 4096;
const HUGE_PAGE: u64 = 2 << 20;
/// Device of ordinary and of huge-page segments in maps, on kernels where that was seen.
const ORDINARY_DEVICE: &str = "00:01";
const HUGE_DEVICE: &str = "00:11";

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) state: SegmentState,
    /// Resident bytes. Not to be shown: for huge pages the kernel counts them wrongly.
    resident: Option<u64>,
}

/// All segments of our IPC namespace. Falls back to asking the kernel index by index.
pub(super) fn table(root: &ProcRoot) -> io::Result<Vec<Row>> {
    match read_bounded(&root.proc.join("sysvipc/shm")) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(_) if *root == ProcRoot::default() => Ok(sysv::all_segments()?
            .into_iter()
            .map(|state| Row {
                state,
                resident: None,
            })
            .collect()),
        Err(e) => Err(e),
    }
}

/// Rows by the words of the header line; rows that don't fit it are skipped.
pub(super) fn parse(text: &str) -> Vec<Row> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
    lines.filter_map(|line| row(&header, line)).collect()
}

fn row(header: &[&str], line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let field = |name: &str| {
        let column = header.iter().position(|h| *h == name)?;
        fields.get(column).copied()
    };
    let id = |name| field(name)?.parse::<u32>().ok();
    let perms = u32::from_str_radix(field("perms")?, 8).ok()?;
    let state = SegmentState {
        shmid: field("shmid")?.parse().ok()?,
        key: field("key")?.parse::<i64>().ok()? as u32,
        mode: perms & 0o777,
        uid: id("uid")?,
        gid: id("gid")?,
        cuid: id("cuid")?,
        cgid: id("cgid")?,
        size: field("size")?.parse().ok()?,
        nattch: field("nattch")?.parse().ok()?,
        cpid: field("cpid")?.parse().ok()?,
        lpid: field("lpid")?.parse().ok()?,
        ctime: field("ctime")?.parse().ok()?,
        marked_for_removal: perms & SHM_DEST != 0,
    };
    let resident = field("rss").and_then(|rss| rss.parse().ok());
    Some(Row { state, resident })
}

/// A segment that PMON has mapped. `row` is `None` when the table doesn't hold it.
pub(super) fn mapped_segment(shmid: i32, key: u32, mapped: &Mapped, row: Option<&Row>) -> Segment {
    let base = mapped.start.wrapping_sub(mapped.offset);
    let length = mapped.end.wrapping_sub(base);
    let mut segment = Segment {
        shmid,
        key: Some(key),
        address: Some(TargetAddr(base)),
        mapped: length,
        size: None,
        mappings: mapped.mappings,
        huge_pages: huge_pages(mapped, length, row),
        mode: None,
        uid: None,
        user: None,
        gid: None,
        group: None,
        cuid: None,
        cgid: None,
        nattch: None,
        cpid: None,
        ctime: None,
        marked_for_removal: false,
        evidence: Evidence::Maps,
    };
    if let Some(row) = row {
        fill(&mut segment, row);
    }
    segment
}

/// A segment that may be the instance's, by its owner or creator.
pub(super) fn candidate_segment(row: &Row) -> Segment {
    let mapped = Mapped {
        start: 0,
        end: 0,
        offset: 0,
        mappings: 0,
        device: String::new(),
        writable: false,
    };
    let mut segment = mapped_segment(row.state.shmid, row.state.key, &mapped, Some(row));
    segment.address = None;
    segment.evidence = Evidence::Owner;
    segment
}

fn fill(segment: &mut Segment, row: &Row) {
    let state = &row.state;
    segment.size = Some(state.size);
    segment.mode = Some(state.mode);
    segment.uid = Some(state.uid);
    segment.user = user_name(state.uid);
    segment.gid = Some(state.gid);
    segment.group = group_name(state.gid);
    segment.cuid = Some(state.cuid);
    segment.cgid = Some(state.cgid);
    segment.nattch = Some(state.nattch);
    segment.cpid = Some(state.cpid);
    segment.ctime = Some(state.ctime);
    segment.marked_for_removal = state.marked_for_removal;
}

/// Huge pages show in three ways: the mapping is rounded up to huge pages, the device is another one
/// than that of ordinary segments, and the kernel counts more resident bytes than there are.
fn huge_pages(mapped: &Mapped, length: u64, row: Option<&Row>) -> Option<bool> {
    if let Some(row) = row {
        let small = row.state.size.next_multiple_of(SMALL_PAGE);
        if length > small && length.is_multiple_of(HUGE_PAGE) {
            return Some(true);
        }
        if row.resident.is_some_and(|resident| resident > small) {
            return Some(true);
        }
    }
    match mapped.device.as_str() {
        HUGE_DEVICE => Some(true),
        ORDINARY_DEVICE => Some(false),
        _ => None,
    }
}
