//! What a captured image says of where and when it was taken: the part of its table that makes
//! answers from it the ones that the live instance would have given.
//!
//! Not for: memory (`memory::image`), writing images (`image`). Callers: `sample`, `image`, `cli`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::processes::OsFact;

/// When an image was taken: at the moment before its session rows were copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenAt {
    /// Nanoseconds since the epoch.
    pub wall_ns: i64,
    /// CLOCK_MONOTONIC of the host, nanoseconds.
    pub mono_ns: u64,
    /// Time zone of the host, which is that of dates in memory; `None` where it has no name.
    pub zone: Option<String>,
    /// Its offset from UTC at that time, seconds.
    pub zone_offset_s: i32,
}

impl TakenAt {
    /// Now, on this host, by these clocks.
    pub fn now(wall_ns: i64, mono_ns: u64) -> TakenAt {
        let zone = jiff::tz::TimeZone::system();
        let time = jiff::Timestamp::from_nanosecond(wall_ns.into()).unwrap_or_default();
        TakenAt {
            wall_ns,
            mono_ns,
            zone: zone.iana_name().map(str::to_owned),
            zone_offset_s: zone.to_offset(time).seconds(),
        }
    }

    /// The zone, by its name where this host knows it, else the offset alone.
    pub fn time_zone(&self) -> jiff::tz::TimeZone {
        let named = self.zone.as_deref().map(jiff::tz::TimeZone::get);
        if let Some(Ok(zone)) = named {
            return zone;
        }
        let offset = jiff::tz::Offset::from_seconds(self.zone_offset_s);
        offset.map_or(jiff::tz::TimeZone::UTC, jiff::tz::Offset::to_time_zone)
    }
}

/// The executable, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedExecutable {
    /// Where it was.
    pub path: Option<String>,
    /// Its GNU build-id.
    pub build_id: Option<String>,
    /// Its banner line.
    pub banner: Option<String>,
}

/// Of whom an image was taken, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    /// Version of the program that captured.
    pub program_version: String,
    /// Host name.
    pub host: String,
    /// Instance name; the source's name where it was no running instance.
    pub sid: String,
    /// Full release, as the blueprint says.
    pub release: String,
    /// Executable.
    pub executable: CapturedExecutable,
    /// The instance as `discover -f json` shows it; null for what was no running instance.
    pub instance: Json,
    /// The alert log, or why it was not found.
    pub alert_log: String,
    /// When.
    pub taken_at: TakenAt,
    /// Whether all memory was captured, or what the blueprint reaches.
    pub full: bool,
    /// What was left out on purpose, for people.
    pub left_out: Vec<String>,
    /// Whether texts of statements were left out.
    pub without_sql_text: bool,
    /// Places (address as 0x…, bytes) that never rested while they were copied.
    pub torn: Vec<(String, u64)>,
    /// How many there were, those included that `torn` has no room for.
    pub torn_count: u64,
    /// What the operating system said of the server processes, by SPID.
    pub os_processes: BTreeMap<i32, OsFact>,
    /// Why it says nothing of others.
    pub os_unknown: Option<String>,
    /// Of a slice: what of the image it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slice: Vec<String>,
    /// The blueprint by which it was captured, with the names of wait events.
    pub blueprint: Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_come_back() {
        let mut taken = TakenAt::now(1_700_000_000_000_000_000, 5);
        let here = jiff::tz::TimeZone::system();
        let time = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(taken.time_zone().to_offset(time), here.to_offset(time));
        taken.zone = Some("No/Where".into());
        taken.zone_offset_s = 7200;
        assert_eq!(taken.time_zone().to_offset(time).seconds(), 7200);
    }
}
