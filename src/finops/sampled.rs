//! DB time by samples: what counters are compared with, and what fills gaps.
//!
//! For: [`sampled`], DB time and time on CPU of each session by the weights of its samples, apart by
//! where they are from. Not for: averages (`analyze`). Callers: `cli`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::FinopsError;
use super::account::Account;
use super::checks::{Checks, Reason};
use super::deltas::columns::texts;
use super::deltas::read::Window;
use super::deltas::sessions::{Session, Sessions};
use super::tenants::{IDLE, Tenants};
use crate::analyze::columns::{Numbers, flags, times};
use crate::record::{Reader, RecordError};

/// What of samples is from the recorder itself.
const OWN: &str = "sga";

/// Time of a session by samples, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// On CPU or in a wait of a call.
    pub db_us: u64,
    /// On CPU.
    pub cpu_us: u64,
    /// When it was seen last, µs since 1970.
    pub last_us: i64,
}

/// Whose samples.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whose {
    /// Tenant.
    pub tenant: String,
    /// Instance, SID, SERIAL#.
    pub session: (String, u32, u32),
    /// From a dump of the database's own history, not from the recorder.
    pub imported: bool,
}

/// Sums up the samples of a window.
///
/// # Errors
/// The recording can't be read.
pub fn sampled(
    reader: &Reader,
    window: &Window,
    checks: &Checks,
    tenants: Option<&Tenants>,
) -> Result<BTreeMap<Whose, Time>, FinopsError> {
    let mut found: BTreeMap<Whose, Time> = BTreeMap::new();
    for place in reader.instances("samples")? {
        if window.instance.as_ref().is_some_and(|i| *i != place.1) {
            continue;
        }
        let mut sessions = Sessions::new(&place);
        let mut known: HashMap<u32, Option<String>> = HashMap::new();
        let scan = match reader.scan("samples", &window.scan(&place, window.from_us)) {
            Err(RecordError::NoTable { .. }) => return Ok(found),
            scan => scan?,
        };
        for batch in scan {
            let batch = batch?;
            let tags = sessions.tags(&batch)?;
            let (at, active) = (times(&batch, "sample_time")?, flags(&batch, "is_active")?);
            let (sid, serial) = (
                Numbers::of(&batch, "session_id")?,
                Numbers::of(&batch, "session_serial_no")?,
            );
            let weight = Numbers::of(&batch, "weight_us")?;
            let states = texts(&batch, "session_state")?;
            let sources = texts(&batch, "source")?;
            for (row, tag) in tags.into_iter().enumerate() {
                if !active.value(row) {
                    continue;
                }
                let tenant = known
                    .entry(tag)
                    .or_insert_with(|| tenant_of(sessions.of(tag), checks, tenants).ok());
                let Some(tenant) = tenant else {
                    continue;
                };
                let whose = Whose {
                    tenant: tenant.clone(),
                    session: (place.1.clone(), sid.get(row) as u32, serial.get(row) as u32),
                    imported: sources[row].as_deref() != Some(OWN),
                };
                let time = found.entry(whose).or_default();
                time.db_us += weight.get(row);
                if states[row].as_deref() == Some("ON CPU") {
                    time.cpu_us += weight.get(row);
                }
                time.last_us = time.last_us.max(at.value(row));
            }
        }
    }
    Ok(found)
}

fn tenant_of(
    session: &Session,
    checks: &Checks,
    tenants: Option<&Tenants>,
) -> Result<String, Reason> {
    match session.is_overhead() {
        true => Ok(IDLE.to_owned()),
        false => checks.tenant(session, tenants).map(str::to_owned),
    }
}

/// Fills gaps: sessions that only the database's own history has seen, as the recorder was away, are
/// added to the account with their time on CPU and DB time, and marked as filled. A session that has
/// been read is left out: its counters have all of it. Sessions that only the recorder's own samples
/// have seen are noted.
pub fn fill(account: &mut Account, sampled: &BTreeMap<Whose, Time>, step_us: Option<i64>) {
    let read: HashSet<(String, u32, u32)> = account
        .entries
        .values()
        .flat_map(|entry| &entry.sessions)
        .map(|(instance, key)| (instance.clone(), key.sid, key.serial))
        .collect();
    for (whose, time) in sampled {
        match (read.contains(&whose.session), whose.imported) {
            (true, _) => {}
            (false, true) => account.fill(&whose.tenant, time, step_us),
            (false, false) => account.unread(&whose.tenant, time, step_us),
        }
    }
}
