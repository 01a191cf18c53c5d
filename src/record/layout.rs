//! Where the files of a recording lie, and what their names say.
//!
//! For: partition paths, their Hive percent-encoding, the list of parts of a table.
//! Not for: the content of a file. Callers: the rest of `record`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::RecordError;

pub(super) const HOT: &str = "arrows";
pub(super) const CLOSED: &str = "parquet";
pub(super) const HOUR_US: i64 = 3_600_000_000;
const EMPTY_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// One data file of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// Host, decoded.
    pub host: String,
    /// Instance, decoded.
    pub instance: String,
    /// Start of the hour of all its rows: microseconds since 1970-01-01 UTC.
    pub hour_us: i64,
    /// UTC start as the name spells it, then the number that makes the name unique.
    pub name: (String, u32),
    /// The sum of a closed file's footer, as the name spells it; without it the file is unproven.
    pub sum: Option<u32>,
    /// Still an Arrow IPC stream, not yet Parquet.
    pub hot: bool,
}

impl Part {
    fn order(&self) -> (i64, &(String, u32), &str, &str) {
        (self.hour_us, &self.name, &self.host, &self.instance)
    }
}

/// The start of the UTC hour of `time_us` (microseconds since 1970).
pub(super) fn hour_of(time_us: i64) -> i64 {
    time_us.div_euclid(HOUR_US).saturating_mul(HOUR_US)
}

/// `value` as Hive spells it in a path.
pub(super) fn encode(value: &str) -> String {
    if value.is_empty() {
        return EMPTY_VALUE.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            out.push_str(&format!("%{:02X}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

/// The value that [`encode`] made `text` of; `None` if it could not have.
pub(super) fn decode(text: &str) -> Option<String> {
    if text == EMPTY_VALUE {
        return Some(String::new());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// The directory of a table's rows of one hour.
pub(super) fn partition_dir(
    dir: &Path,
    table: &str,
    host: &str,
    instance: &str,
    hour_us: i64,
) -> Option<PathBuf> {
    let hour = Timestamp::from_microsecond(hour_us)
        .ok()?
        .to_zoned(TimeZone::UTC);
    Some(
        dir.join(table)
            .join(format!("host={}", encode(host)))
            .join(format!("instance={}", encode(instance)))
            .join(hour.strftime("date=%Y-%m-%d").to_string())
            .join(hour.strftime("hour=%H").to_string()),
    )
}

/// The stem of a part whose first row is of `start_us`: without number and extension.
pub(super) fn part_start(start_us: i64) -> Option<String> {
    let start = Timestamp::from_microsecond(start_us).ok()?;
    Some(start.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The file name of a hot part.
pub(super) fn hot_name(start: &str, number: u32) -> String {
    format!("part-{start}-{number:04}.{HOT}")
}

/// The file name of a closed part whose footer has this sum.
pub(super) fn closed_name(start: &str, number: u32, sum: u32) -> String {
    format!("part-{start}-{number:04}.{sum:08x}.{CLOSED}")
}

/// The closed form of the hot file `path` whose footer has this sum.
pub(super) fn closed_path(path: &Path, sum: u32) -> PathBuf {
    path.with_extension(format!("{sum:08x}.{CLOSED}"))
}

/// The closed form of the hot file `path`, if it is there.
pub(super) fn closed_form(path: &Path) -> Result<Option<Part>, RecordError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(hour_dir), Some(hot)) = (path.parent(), name.and_then(parse_part)) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    list_hour(hour_dir, "", "", 0, &mut found)?;
    found.retain(|part| !part.hot && part.name == hot.name);
    Ok(found.pop())
}

/// Names of the tables that `dir` has, sorted.
pub(super) fn tables(dir: &Path) -> Result<Vec<String>, RecordError> {
    let mut names = Vec::new();
    for (name, path) in subdirs(dir)? {
        if subdirs(&path)?.iter().any(|(n, _)| n.starts_with("host=")) {
            names.push(name);
        }
    }
    Ok(names)
}

/// All parts of a table in the order of their time. Where the same part is there both hot and
/// closed (a crash between the rename and the removal), only the closed one is listed.
pub(super) fn parts(dir: &Path, table: &str) -> Result<Vec<Part>, RecordError> {
    let mut found = Vec::new();
    for (host, host_dir) in keyed(&dir.join(table), "host=")? {
        for (instance, instance_dir) in keyed(&host_dir, "instance=")? {
            for (date, date_dir) in keyed(&instance_dir, "date=")? {
                for (hour, hour_dir) in keyed(&date_dir, "hour=")? {
                    if let Some(hour_us) = parse_hour(&date, &hour) {
                        list_hour(&hour_dir, &host, &instance, hour_us, &mut found)?;
                    }
                }
            }
        }
    }
    Ok(in_order(found))
}

/// The parts of a table that hold one instance's rows of one hour, in the order of their names.
pub(super) fn parts_of_hour(
    dir: &Path,
    table: &str,
    (host, instance, hour_us): (&str, &str, i64),
) -> Result<Vec<Part>, RecordError> {
    let mut found = Vec::new();
    if let Some(hour_dir) = partition_dir(dir, table, host, instance, hour_us) {
        list_hour(&hour_dir, host, instance, hour_us, &mut found)?;
    }
    Ok(in_order(found))
}

fn in_order(mut found: Vec<Part>) -> Vec<Part> {
    found.sort_by(|a, b| a.order().cmp(&b.order()).then(a.hot.cmp(&b.hot)));
    found.dedup_by(|later, kept| later.order() == kept.order());
    found
}

/// All files of a recording whose name ends with `suffix`, in no order.
pub(super) fn files_ending(dir: &Path, suffix: &str) -> Result<Vec<PathBuf>, RecordError> {
    let mut found = Vec::new();
    for table in tables(dir)? {
        let mut level = vec![dir.join(table)];
        for _ in 0..4 {
            let mut next = Vec::new();
            for path in level {
                next.extend(subdirs(&path)?.into_iter().map(|(_, path)| path));
            }
            level = next;
        }
        for hour_dir in level {
            let files = entries(&hour_dir)?;
            found.extend(
                files
                    .into_iter()
                    .filter(|(name, _)| name.starts_with("part-") && name.ends_with(suffix))
                    .map(|(_, path)| path),
            );
        }
    }
    Ok(found)
}

/// The start of the hour that the directories of a part name.
pub(super) fn hour_of_file(path: &Path) -> Option<i64> {
    let mut above = path.ancestors().skip(1);
    let mut value = |key: &str| {
        let name = above.next()?.file_name()?.to_str()?;
        name.strip_prefix(key)
    };
    let (hour, date) = (value("hour=")?, value("date=")?);
    parse_hour(date, hour)
}

fn list_hour(
    hour_dir: &Path,
    host: &str,
    instance: &str,
    hour_us: i64,
    found: &mut Vec<Part>,
) -> Result<(), RecordError> {
    for (file, path) in entries(hour_dir)? {
        if let Some(parsed) = parse_part(&file) {
            found.push(Part {
                path,
                host: host.to_owned(),
                instance: instance.to_owned(),
                hour_us,
                name: parsed.name,
                sum: parsed.sum,
                hot: parsed.hot,
            });
        }
    }
    Ok(())
}

/// What the name of a part says.
struct PartName {
    name: (String, u32),
    sum: Option<u32>,
    hot: bool,
}

fn parse_part(file: &str) -> Option<PartName> {
    let (stem, extension) = file.strip_prefix("part-")?.rsplit_once('.')?;
    let hot = match extension {
        HOT => true,
        CLOSED => false,
        _ => return None,
    };
    let (stem, sum) = match stem.split_once('.') {
        None => (stem, None),
        Some((stem, sum)) if sum.len() == 8 && !hot => {
            (stem, Some(u32::from_str_radix(sum, 16).ok()?))
        }
        Some(_) => return None,
    };
    let (start, number) = stem.rsplit_once('-')?;
    Some(PartName {
        name: (start.to_owned(), number.parse().ok()?),
        sum,
        hot,
    })
}

fn parse_hour(date: &str, hour: &str) -> Option<i64> {
    let time: Timestamp = format!("{date}T{hour}:00:00Z").parse().ok()?;
    Some(time.as_microsecond())
}

/// Sub-directories named `<key><value>`, with the decoded value.
fn keyed(dir: &Path, key: &str) -> Result<Vec<(String, PathBuf)>, RecordError> {
    let all = subdirs(dir)?;
    Ok(all
        .into_iter()
        .filter_map(|(name, path)| Some((decode(name.strip_prefix(key)?)?, path)))
        .collect())
}

fn subdirs(dir: &Path) -> Result<Vec<(String, PathBuf)>, RecordError> {
    let mut all = entries(dir)?;
    all.retain(|(_, path)| path.is_dir());
    Ok(all)
}

/// Names and paths in `dir`, sorted; none if `dir` isn't there or is no directory.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, RecordError> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(RecordError::io(dir, error)),
    };
    let mut all = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|e| RecordError::io(dir, e))?;
        if let Ok(name) = entry.file_name().into_string() {
            all.push((name, entry.path()));
        }
    }
    all.sort();
    Ok(all)
}
