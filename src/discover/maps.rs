//! Lines of `/proc/<pid>/maps`, and the SGA in them.
//!
//! SysV segments show as `/SYSV<key in hex> (deleted)`, with the shmid in the inode column;
//! "(deleted)" is always there and doesn't mean removal (oradebug ipc trace of a 19.3 instance,
//! published with Kyle Hailey's xksuse). The first page of the fixed area is a mapping of its own,
//! so mappings of one shmid are put together. Granules are files `/dev/shm/ora_<SID>_<id>_<n>`.

use std::collections::BTreeMap;

/// One mapping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapsLine<'a> {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Four letters, e.g. `rw-s`.
    pub permissions: &'a str,
    /// Offset in the file of the first byte.
    pub offset: u64,
    /// Device, e.g. `00:01`.
    pub device: &'a str,
    /// Inode; for SysV segments the shmid.
    pub inode: u64,
    /// Path, or empty.
    pub path: &'a str,
}

/// One line of maps; `None` if it isn't one.
pub fn parse_line(line: &str) -> Option<MapsLine<'_>> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let (permissions, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (device, rest) = rest.split_once(' ')?;
    let (inode, path) = rest.split_once(' ').unwrap_or((rest, ""));
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let parsed = MapsLine {
        start: hex(start)?,
        end: hex(end)?,
        permissions,
        offset: hex(offset)?,
        device,
        inode: inode.trim().parse().ok()?,
        path: path.trim_start(),
    };
    (parsed.start < parsed.end && permissions.len() == 4).then_some(parsed)
}

/// Mappings of one segment or file, put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mapped {
    /// Where the byte at `offset` is.
    pub(super) start: u64,
    /// First address after the last mapping.
    pub(super) end: u64,
    /// Offset in the segment or file of the first mapped byte.
    pub(super) offset: u64,
    /// How many mappings.
    pub(super) mappings: u32,
    /// Device column.
    pub(super) device: String,
    /// Whether any mapping may be written through.
    pub(super) writable: bool,
}

/// What a process has mapped of shared memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct SharedMaps {
    /// By shmid, with the key of the name.
    pub(super) segments: BTreeMap<i32, (u32, Mapped)>,
    /// By file name (without folder).
    pub(super) granules: BTreeMap<String, Mapped>,
}

/// Reads a whole maps text. Lines that don't concern shared memory are skipped.
pub(super) fn shared(text: &str) -> SharedMaps {
    let mut found = SharedMaps::default();
    for line in text.lines().filter_map(parse_line) {
        if let Some((shmid, key)) = segment_of(&line) {
            let entry = found.segments.entry(shmid);
            entry
                .and_modify(|(_, mapped)| join(mapped, &line))
                .or_insert_with(|| (key, mapped(&line)));
        } else if let Some(name) = granule_name(line.path) {
            let entry = found.granules.entry(name.to_string());
            entry
                .and_modify(|mapped| join(mapped, &line))
                .or_insert_with(|| mapped(&line));
        }
    }
    found
}

fn mapped(line: &MapsLine<'_>) -> Mapped {
    Mapped {
        start: line.start,
        end: line.end,
        offset: line.offset,
        mappings: 1,
        device: line.device.to_string(),
        writable: line.permissions.contains('w'),
    }
}

/// A second attachment of the same segment elsewhere is left out: its start doesn't follow from
/// its offset.
fn join(mapped: &mut Mapped, line: &MapsLine<'_>) {
    mapped.mappings += 1;
    mapped.writable |= line.permissions.contains('w');
    let base = mapped.start.wrapping_sub(mapped.offset);
    if line.start.wrapping_sub(line.offset) != base {
        return;
    }
    if line.start < mapped.start {
        mapped.start = line.start;
        mapped.offset = line.offset;
    }
    mapped.end = mapped.end.max(line.end);
}

fn segment_of(line: &MapsLine<'_>) -> Option<(i32, u32)> {
    let hex = line.path.strip_prefix("/SYSV")?.get(..8)?;
    // Only the kernel's own file systems have major number 0, so a file of that name on a disk
    // isn't taken for a segment.
    line.device.strip_prefix("00:")?;
    let key = u32::from_str_radix(hex, 16).ok()?;
    Some((i32::try_from(line.inode).ok()?, key))
}

/// The file name of a granule's path, without " (deleted)".
fn granule_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/dev/shm/")?;
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    granule_parts(name).map(|_| name)
}

/// SID, id and number of a granule file's name `ora_<SID>_<id>_<n>`. The SID may hold underscores.
pub(super) fn granule_parts(name: &str) -> Option<(&str, &str, &str)> {
    let (rest, number) = name.strip_prefix("ora_")?.rsplit_once('_')?;
    let (sid, id) = rest.rsplit_once('_')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (!sid.is_empty() && digits(id) && digits(number)).then_some((sid, id, number))
}
