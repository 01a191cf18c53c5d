//! What samples say of sessions: what counters are compared with, and what fills gaps.
//!
//! For: [`sampled`], DB time and time on CPU by the weights of samples; those of the recorder itself by
//! tenant, and apart from them what only the database's own history has seen (`record import`). Not
//! for: averages (`analyze`), who pays ([`super::account::fill`]). Callers: `cli`, [`super::account`].

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::RecordBatch;

use super::FinopsError;
use super::checks::{Checks, Reason};
use super::deltas::columns::texts;
use super::deltas::read::{HOUR_US, Window, known_from_us};
use super::deltas::sessions::{Session, Sessions};
use super::deltas::{COUNTERS, Counter, CpuSource, Delta, LifeKey};
use super::tenants::{IDLE, Tenants};
use crate::analyze::AnalyzeError;
use crate::analyze::columns::{Numbers, flags, times};
use crate::backfill::gaps::{Gap, gaps};
use crate::record::{Reader, RecordError, ScanOptions};

/// What of samples is from the recorder itself.
const OWN: &str = "sga";

/// Time by samples, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// On CPU or in a wait of a call.
    pub db_us: u64,
    /// On CPU.
    pub cpu_us: u64,
    /// When it was seen last, µs since 1970.
    pub last_us: i64,
    /// Squares of the weights, µs².
    pub squares_us: u128,
}

impl Time {
    /// How far DB time by samples may be from the true one, µs: a 95 % interval. Each look is of a random
    /// moment of its period, and a part of a period that is in a call has at most the variance of a half.
    pub fn margin_us(&self) -> u64 {
        (1.96 * (self.squares_us as f64).sqrt() / 2.0) as u64
    }

    fn add(&mut self, sample: &Sample) {
        self.db_us += sample.weight_us;
        self.cpu_us += if sample.on_cpu { sample.weight_us } else { 0 };
        self.last_us = self.last_us.max(sample.time_us);
        self.squares_us += u128::from(sample.weight_us).pow(2);
    }
}

/// What samples say.
#[derive(Clone, Debug, Default)]
pub struct Sampled {
    /// By tenant, of the recorder's own samples.
    pub own: BTreeMap<String, Time>,
    /// Of these the sessions that were never read, as they lived between two readings: tenant and time.
    pub unread: Vec<(String, Time)>,
    /// What the database's own history saw of sessions after they had been read last, or that never
    /// were: time on CPU and DB time, by session and hour. A session that was read later is left
    /// out: its counters have all of it.
    pub filled: Vec<(Session, Delta)>,
    /// Times without samples of the recorder.
    pub gaps: Vec<Gap>,
}

/// SID and SERIAL#.
type Id = (u32, u32);

/// An active session at one moment.
struct Sample {
    time_us: i64,
    weight_us: u64,
    id: Id,
    on_cpu: bool,
    imported: bool,
    user_id: Option<u64>,
}

/// A session's part of an hour, by tag, user's number, SID and SERIAL#, and hour.
type Part = (u32, Option<u64>, Id, i64);

/// Sums up the samples of a window.
///
/// # Errors
/// The recording can't be read.
pub fn sampled(
    reader: &Reader,
    window: &Window,
    checks: &Checks,
    tenants: Option<&Tenants>,
) -> Result<Sampled, FinopsError> {
    let mut found = Sampled::default();
    for place in reader.instances("samples")? {
        if window.instance.as_ref().is_some_and(|i| *i != place.1) {
            continue;
        }
        let scan = match reader.scan("samples", &window.scan(&place, window.from_us)) {
            Err(RecordError::NoTable { .. }) => return Ok(found),
            scan => scan?,
        };
        let read = last_read(reader, window, &place)?;
        let mut sessions = Sessions::new(&place);
        let mut known: HashMap<u32, Option<String>> = HashMap::new();
        let mut unread: BTreeMap<(String, Id), Time> = BTreeMap::new();
        let mut parts: BTreeMap<Part, (i64, Time)> = BTreeMap::new();
        for batch in scan {
            let batch = batch?;
            let tags = sessions.tags(&batch)?;
            each_active(&batch, &mut |row, sample| {
                let tag = tags[row];
                if sample.imported {
                    if read
                        .get(&sample.id)
                        .is_none_or(|last| sample.time_us > *last)
                    {
                        let hour = sample.time_us.div_euclid(HOUR_US);
                        let begin = sample.time_us.saturating_sub_unsigned(sample.weight_us);
                        let part = (tag, sample.user_id, sample.id, hour);
                        let part = parts.entry(part).or_insert((begin, Time::default()));
                        part.0 = part.0.min(begin);
                        part.1.add(&sample);
                    }
                    return;
                }
                let tenant = known
                    .entry(tag)
                    .or_insert_with(|| tenant_of(sessions.of(tag), checks, tenants).ok());
                let Some(tenant) = tenant else {
                    return;
                };
                match found.own.get_mut(tenant) {
                    Some(time) => time.add(&sample),
                    None => found.own.entry(tenant.clone()).or_default().add(&sample),
                }
                if !read.contains_key(&sample.id) {
                    let whose = (tenant.clone(), sample.id);
                    unread.entry(whose).or_default().add(&sample);
                }
            })?;
        }
        let unread = unread.into_iter().map(|((tenant, _), time)| (tenant, time));
        found.unread.extend(unread);
        let nameless = |(tag, user_id, ..): &Part| {
            user_id.filter(|_| sessions.of(*tag).attributes.oracle_user.is_none())
        };
        let wanted: HashSet<u64> = parts.keys().filter_map(nameless).collect();
        let names = names(reader, &place, &wanted)?;
        let filled = parts.iter().map(|(part, (begin, time))| {
            let name = nameless(part).and_then(|id| names.get(&id).cloned().flatten());
            (
                imported_session(sessions.of(part.0), name),
                delta(part.2, *begin, time),
            )
        });
        found.filled.extend(filled);
        let (host, instance) = &place;
        found
            .gaps
            .extend(gaps(reader, host, instance, window.from_us, window.to_us)?);
    }
    Ok(found)
}

/// Whose a session is, or why it is nobody's.
pub(super) fn tenant_of(
    session: &Session,
    checks: &Checks,
    tenants: Option<&Tenants>,
) -> Result<String, Reason> {
    match session.is_overhead() {
        true => Ok(IDLE.to_owned()),
        false => checks.tenant(session, tenants).map(str::to_owned),
    }
}

/// Gives the rows of active sessions.
fn each_active(
    batch: &RecordBatch,
    take: &mut dyn FnMut(usize, Sample),
) -> Result<(), AnalyzeError> {
    let (at, active) = (times(batch, "sample_time")?, flags(batch, "is_active")?);
    let sid = Numbers::of(batch, "session_id")?;
    let serial = Numbers::of(batch, "session_serial_no")?;
    let weight = Numbers::of(batch, "weight_us")?;
    let states = texts(batch, "session_state")?;
    let sources = texts(batch, "source")?;
    let user = batch.column_by_name("user_id");
    let user = user.map(|_| Numbers::of(batch, "user_id")).transpose()?;
    for row in (0..batch.num_rows()).filter(|row| active.value(*row)) {
        let sample = Sample {
            time_us: at.value(row),
            weight_us: weight.get(row),
            id: (sid.get(row) as u32, serial.get(row) as u32),
            on_cpu: states[row].as_deref() == Some("ON CPU"),
            imported: sources[row].as_deref() != Some(OWN),
            user_id: user.as_ref().and_then(|user| user.get_valid(row)),
        };
        take(row, sample);
    }
    Ok(())
}

/// When each session was read last, µs since 1970. Readings after the window count too, so that windows
/// side by side add up to the whole.
fn last_read(
    reader: &Reader,
    window: &Window,
    (host, instance): &(String, String),
) -> Result<HashMap<Id, i64>, FinopsError> {
    let columns = ["sample_time", "session_id", "session_serial_no"];
    let options = ScanOptions {
        from_us: known_from_us(window.from_us),
        to_us: None,
        columns: Some(columns.map(str::to_owned).to_vec()),
        host: Some(host.clone()),
        instance: Some(instance.clone()),
    };
    let mut found: HashMap<Id, i64> = HashMap::new();
    let scan = match reader.scan("stats", &options) {
        Err(RecordError::NoTable { .. }) => return Ok(found),
        scan => scan?,
    };
    for batch in scan {
        let batch = batch?;
        let at = times(&batch, "sample_time")?;
        let sid = Numbers::of(&batch, "session_id")?;
        let serial = Numbers::of(&batch, "session_serial_no")?;
        for row in 0..batch.num_rows() {
            let id = (sid.get(row) as u32, serial.get(row) as u32);
            let last = found.entry(id).or_insert(i64::MIN);
            *last = (*last).max(at.value(row));
        }
    }
    Ok(found)
}

/// Names of users by their numbers, as the recorder's own samples of any time show them: the views have the
/// number only. A number that several users have, in containers of one instance, has none.
fn names(
    reader: &Reader,
    (host, instance): &(String, String),
    wanted: &HashSet<u64>,
) -> Result<HashMap<u64, Option<String>>, FinopsError> {
    let mut found: HashMap<u64, Option<String>> = HashMap::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let options = ScanOptions {
        columns: Some(["user_id", "username"].map(str::to_owned).to_vec()),
        host: Some(host.clone()),
        instance: Some(instance.clone()),
        ..ScanOptions::default()
    };
    for batch in reader.scan("samples", &options)? {
        let batch = batch?;
        let ids = Numbers::of(&batch, "user_id")?;
        for (row, name) in texts(&batch, "username")?.into_iter().enumerate() {
            let id = ids.get_valid(row).filter(|id| wanted.contains(id));
            let (Some(id), Some(name)) = (id, name.filter(|name| !name.is_empty())) else {
                continue;
            };
            match found.get_mut(&id) {
                None => drop(found.insert(id, Some(name))),
                Some(known) if *known != Some(name) => *known = None,
                Some(_) => {}
            }
        }
    }
    Ok(found)
}

/// Whose imported samples are.
fn imported_session(session: &Session, user: Option<String>) -> Session {
    let mut session = session.clone();
    if session.kind.is_empty() {
        // without SESSION_TYPE: background processes would be named by their program at most
        session.kind = "USER".to_owned();
    }
    if user.is_some() {
        session.attributes.oracle_user = user;
    }
    session
}

/// Samples of an hour as if they had been counted.
fn delta((sid, serial): Id, from_us: i64, time: &Time) -> Delta {
    let mut counters = [0; COUNTERS];
    counters[Counter::Cpu as usize] = time.cpu_us;
    counters[Counter::DbTime as usize] = time.db_us;
    Delta {
        key: LifeKey {
            sid,
            serial,
            logon_us: 0,
        },
        tag: 0,
        from_us,
        to_us: time.last_us,
        cpu_since_us: from_us,
        counters,
        cpu_source: CpuSource::Samples,
        temp_growth_bytes: 0,
        temp_byte_us: 0,
        temp_byte_us_bound: 0,
        pga_byte_us: 0,
        temp_bytes: 0,
        pga_bytes: 0,
        first: false,
        reset: false,
    }
}
