//! The deltas of a recording: its tables `stats`, `ended` and `events`, instance by instance, in the
//! order of time.
//!
//! For: [`read_deltas`], which gives each delta with whose it is. An interval belongs to the window
//! that has its end, so that windows side by side add up to the whole. Not for: sums.
//!
//! Callers: the rest of `finops`.

use std::collections::HashMap;

use arrow::array::RecordBatch;

use super::{COUNTERS, Counter, Delta, Deltas, LifeKey, Reading, Unobserved};
use crate::analyze::columns::{Numbers, Values, flags, plain_value, times};
use crate::analyze::{AnalyzeError, Value};
use crate::finops::FinopsError;
use crate::finops::mapping::SessionAttributes;
use crate::record::{Reader, RecordError, ScanOptions};

const HOUR_US: i64 = 3_600_000_000;

/// Columns of `stats` that say whose a row is.
const WHO: [&str; 11] = [
    "session_kind",
    "username",
    "service_name",
    "osuser",
    "program",
    "machine",
    "client_id",
    "module",
    "action",
    "con_name",
    "server",
];

/// Whose a delta is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// Host of the recording.
    pub host: String,
    /// SID of the instance.
    pub instance: String,
    /// USER, BACKGROUND or RECURSIVE.
    pub kind: String,
    /// Container.
    pub con_name: Option<String>,
    /// What rules look at.
    pub attributes: SessionAttributes,
}

impl Session {
    /// Whether it is the instance's own work, not a user's.
    pub fn is_overhead(&self) -> bool {
        self.kind != "USER"
    }
}

/// What is found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// Something was consumed.
    Delta(&'a Delta),
    /// Something may have been.
    Unobserved(&'a Unobserved),
}

/// What of a recording is wanted.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// First time wanted, µs since 1970.
    pub from_us: Option<i64>,
    /// First time no longer wanted, µs since 1970.
    pub to_us: Option<i64>,
    /// Only this instance.
    pub instance: Option<String>,
}

impl Window {
    fn has(&self, time_us: i64) -> bool {
        self.from_us.is_none_or(|from| time_us >= from) && self.to_us.is_none_or(|to| time_us < to)
    }

    pub(in crate::finops) fn scan(
        &self,
        (host, instance): &(String, String),
        from_us: Option<i64>,
    ) -> ScanOptions {
        ScanOptions {
            from_us,
            to_us: self.to_us,
            columns: None,
            host: Some(host.clone()),
            instance: Some(instance.clone()),
        }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Rows of `stats`.
    pub readings: u64,
    /// First and last reading in the window, µs since 1970, of all instances.
    pub span_us: Option<(i64, i64)>,
    /// Time from first to last reading, summed over instances, µs.
    pub instance_us: i64,
    /// Sessions that were still there at the end.
    pub alive: u64,
    /// Statistics that the recording lacks.
    pub missing: Vec<&'static str>,
}

/// Reads the deltas of a window.
///
/// # Errors
/// The recording has no statistics (`record --stats none`), or can't be read.
pub fn read_deltas(
    reader: &Reader,
    window: &Window,
    sink: &mut dyn FnMut(&Session, Found<'_>) -> Result<(), FinopsError>,
) -> Result<Coverage, FinopsError> {
    let mut coverage = Coverage::default();
    // each hour has a row of every session, at its first reading: from the hour before on, all
    // that there was at the begin of the window is known
    let warm_us = window
        .from_us
        .map(|from| from.div_euclid(HOUR_US) * HOUR_US - HOUR_US);
    for place in reader.instances("stats")? {
        if window.instance.as_ref().is_some_and(|i| *i != place.1) {
            continue;
        }
        let mut one = Instance::open(reader, window, &place, warm_us)?;
        let scan = reader
            .scan("stats", &window.scan(&place, warm_us))?
            .in_order();
        for batch in scan {
            one.take(&batch?, window, &mut coverage, sink)?;
        }
        one.finish(window, &mut coverage, sink)?;
    }
    if coverage.readings == 0 && reader.instances("stats")?.is_empty() {
        return Err(RecordError::NoTable {
            path: reader.dir().to_path_buf(),
            table: "stats".to_owned(),
            available: reader.tables()?.join(", "),
        }
        .into());
    }
    Ok(coverage)
}

/// A row of `ended`.
struct End {
    noticed_us: i64,
    key: LifeKey,
    seen_us: i64,
}

/// One instance of the recording.
struct Instance {
    deltas: Deltas,
    sessions: Sessions,
    /// Latest first.
    ended: Vec<End>,
    /// When the instance went away, in order.
    gone_us: Vec<i64>,
    /// The reading, a reader's first one, that is being taken.
    began_us: Option<i64>,
    first_us: Option<i64>,
    last_us: i64,
}

impl Instance {
    fn open(
        reader: &Reader,
        window: &Window,
        place: &(String, String),
        warm_us: Option<i64>,
    ) -> Result<Instance, FinopsError> {
        let options = window.scan(place, warm_us);
        let mut ended = ends(reader, &options)?;
        ended.sort_by_key(|end| std::cmp::Reverse(end.noticed_us));
        Ok(Instance {
            deltas: Deltas::new(warm_us),
            sessions: Sessions::new(place),
            ended,
            gone_us: gone(reader, &options)?,
            began_us: None,
            first_us: None,
            last_us: i64::MIN,
        })
    }

    fn take(
        &mut self,
        batch: &RecordBatch,
        window: &Window,
        coverage: &mut Coverage,
        sink: &mut dyn FnMut(&Session, Found<'_>) -> Result<(), FinopsError>,
    ) -> Result<(), FinopsError> {
        let columns = Columns::of(batch, &mut coverage.missing)?;
        let tags = self.sessions.tags(batch)?;
        for (row, tag) in tags.into_iter().enumerate() {
            let dedicated = self.sessions.dedicated(tag);
            let reading = columns.reading(row, tag, dedicated);
            self.before(&reading, window, sink)?;
            let step = self.deltas.push(&reading);
            if let Some(lost) = &step.unobserved
                && window.has(lost.to_us)
            {
                sink(self.sessions.of(lost.tag), Found::Unobserved(lost))?;
            }
            if let Some(delta) = &step.delta
                && window.has(delta.to_us)
            {
                sink(self.sessions.of(delta.tag), Found::Delta(delta))?;
            }
            if window.has(reading.time_us) {
                coverage.readings += 1;
                self.first_us.get_or_insert(reading.time_us);
                self.last_us = self.last_us.max(reading.time_us);
            }
        }
        Ok(())
    }

    /// What happened until a reading.
    fn before(
        &mut self,
        reading: &Reading,
        window: &Window,
        sink: &mut dyn FnMut(&Session, Found<'_>) -> Result<(), FinopsError>,
    ) -> Result<(), FinopsError> {
        self.close(reading.time_us, window, sink)?;
        if self.began_us.is_some_and(|began| began < reading.time_us) {
            self.reader_began(window, sink)?;
        }
        if reading.seen_us.is_none() {
            self.began_us = Some(reading.time_us);
        }
        Ok(())
    }

    /// Ends noticed up to a time.
    fn close(
        &mut self,
        until_us: i64,
        window: &Window,
        sink: &mut dyn FnMut(&Session, Found<'_>) -> Result<(), FinopsError>,
    ) -> Result<(), FinopsError> {
        while let Some(end) = self.ended.pop_if(|end| end.noticed_us <= until_us) {
            let lost = self.deltas.end(end.key, end.seen_us, end.noticed_us);
            if let Some(lost) = &lost
                && window.has(lost.to_us)
            {
                sink(self.sessions.of(lost.tag), Found::Unobserved(lost))?;
            }
        }
        Ok(())
    }

    fn reader_began(
        &mut self,
        window: &Window,
        sink: &mut dyn FnMut(&Session, Found<'_>) -> Result<(), FinopsError>,
    ) -> Result<(), FinopsError> {
        let Some(began_us) = self.began_us.take() else {
            return Ok(());
        };
        let gone = self.gone_us.iter().rev().find(|gone| **gone < began_us);
        for lost in self.deltas.reader_began(began_us, gone.copied()) {
            if window.has(lost.to_us) {
                sink(self.sessions.of(lost.tag), Found::Unobserved(&lost))?;
            }
        }
        Ok(())
    }

    fn finish(
        mut self,
        window: &Window,
        coverage: &mut Coverage,
        sink: &mut dyn FnMut(&Session, Found<'_>) -> Result<(), FinopsError>,
    ) -> Result<(), FinopsError> {
        self.close(i64::MAX, window, sink)?;
        self.reader_began(window, sink)?;
        // the instance ended and nothing came after it
        if let Some(gone) = self.gone_us.last().filter(|gone| **gone >= self.last_us) {
            let until = gone.saturating_add(1);
            for lost in self.deltas.reader_began(until, Some(*gone)) {
                if window.has(lost.to_us) {
                    sink(self.sessions.of(lost.tag), Found::Unobserved(&lost))?;
                }
            }
        }
        coverage.alive += self.deltas.alive() as u64;
        if let Some(first) = self.first_us {
            coverage.instance_us += self.last_us - first;
            let (from, to) = coverage.span_us.unwrap_or((first, self.last_us));
            coverage.span_us = Some((from.min(first), to.max(self.last_us)));
        }
        Ok(())
    }
}

fn ends(reader: &Reader, options: &ScanOptions) -> Result<Vec<End>, FinopsError> {
    let mut found = Vec::new();
    let scan = match reader.scan("ended", options) {
        Err(RecordError::NoTable { .. }) => return Ok(found),
        scan => scan?,
    };
    for batch in scan {
        let batch = batch?;
        let (noticed, seen) = (times(&batch, "sample_time")?, times(&batch, "seen_time")?);
        let keys = Keys::of(&batch)?;
        found.extend((0..batch.num_rows()).map(|row| End {
            noticed_us: noticed.value(row),
            key: keys.key(row),
            seen_us: seen.value(row),
        }));
    }
    Ok(found)
}

fn gone(reader: &Reader, options: &ScanOptions) -> Result<Vec<i64>, FinopsError> {
    let mut found = Vec::new();
    let scan = match reader.scan("events", options) {
        Err(RecordError::NoTable { .. }) => return Ok(found),
        scan => scan?,
    };
    for batch in scan {
        let batch = batch?;
        let at = times(&batch, "sample_time")?;
        let kinds = texts(&batch, "kind")?;
        let rows = kinds.iter().enumerate();
        let gone = rows.filter(|(_, kind)| kind.as_deref() == Some("instance_gone"));
        found.extend(gone.map(|(row, _)| at.value(row)));
    }
    found.sort_unstable();
    Ok(found)
}

/// A column of texts.
pub(in crate::finops) fn texts(
    batch: &RecordBatch,
    name: &str,
) -> Result<Vec<Option<String>>, AnalyzeError> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    use arrow::array::Array as _;
    Ok(match Values::of(batch, name)? {
        Values::Coded(values, codes) => (0..batch.num_rows())
            .map(|row| match codes.is_valid(row) {
                true => values.get(codes.value(row) as usize).and_then(text),
                false => None,
            })
            .collect(),
        Values::Plain(array) => (0..batch.num_rows())
            .map(|row| text(&plain_value(array, row)))
            .collect(),
    })
}

/// Who a row is of.
struct Keys<'a> {
    sid: Numbers<'a>,
    serial: Numbers<'a>,
    logon: Option<&'a arrow::array::TimestampMicrosecondArray>,
}

impl<'a> Keys<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Keys<'a>, AnalyzeError> {
        Ok(Keys {
            sid: Numbers::of(batch, "session_id")?,
            serial: Numbers::of(batch, "session_serial_no")?,
            logon: times(batch, "logon_time").ok(),
        })
    }

    fn key(&self, row: usize) -> LifeKey {
        LifeKey {
            sid: self.sid.get(row) as u32,
            serial: self.serial.get(row) as u32,
            logon_us: optional(self.logon, row).unwrap_or(0),
        }
    }
}

fn optional(column: Option<&arrow::array::TimestampMicrosecondArray>, row: usize) -> Option<i64> {
    use arrow::array::Array as _;
    column.filter(|c| c.is_valid(row)).map(|c| c.value(row))
}

/// The numbers of a batch of `stats`.
struct Columns<'a> {
    keys: Keys<'a>,
    times: &'a arrow::array::TimestampMicrosecondArray,
    seen: Option<&'a arrow::array::TimestampMicrosecondArray>,
    counters: Vec<(Option<Numbers<'a>>, u64)>,
    temp: Option<Numbers<'a>>,
    pga: Option<Numbers<'a>>,
    os_cpu: Option<Numbers<'a>>,
    active: Option<&'a arrow::array::BooleanArray>,
}

impl<'a> Columns<'a> {
    fn of(
        batch: &'a RecordBatch,
        missing: &mut Vec<&'static str>,
    ) -> Result<Columns<'a>, AnalyzeError> {
        let mut wanted = |name: &'static str| {
            let column = Numbers::of(batch, name).ok();
            if column.is_none() && !missing.contains(&name) {
                missing.push(name);
            }
            column
        };
        Ok(Columns {
            keys: Keys::of(batch)?,
            times: times(batch, "sample_time")?,
            seen: times(batch, "seen_time").ok(),
            counters: Counter::ALL
                .iter()
                .map(|(_, name, unit)| (wanted(name), *unit))
                .collect(),
            temp: wanted("temp_space_allocated_bytes"),
            pga: wanted("session_pga_memory"),
            os_cpu: Numbers::of(batch, "os_cpu_us").ok(),
            active: flags(batch, "is_active").ok(),
        })
    }

    fn reading(&self, row: usize, tag: u32, dedicated: bool) -> Reading {
        let mut counters = [0; COUNTERS];
        for (value, (column, unit)) in counters.iter_mut().zip(&self.counters) {
            let shown = column.as_ref().map_or(0, |c| c.get(row));
            *value = shown.saturating_mul(*unit);
        }
        let level = |column: &Option<Numbers<'_>>| column.as_ref().map_or(0, |c| c.get(row));
        let os_cpu = self.os_cpu.as_ref().filter(|_| dedicated);
        use arrow::array::Array as _;
        Reading {
            key: self.keys.key(row),
            time_us: self.times.value(row),
            seen_us: optional(self.seen, row),
            counters,
            temp_bytes: level(&self.temp),
            pga_bytes: level(&self.pga),
            os_cpu_us: os_cpu.and_then(|c| c.get_valid(row)),
            active: self.active.is_some_and(|c| c.is_valid(row) && c.value(row)),
            tag,
        }
    }
}

/// The distinct sessions' attributes.
pub(in crate::finops) struct Sessions {
    host: String,
    instance: String,
    numbers: HashMap<Option<String>, u32>,
    texts: Vec<Option<String>>,
    tags: HashMap<[u32; WHO.len()], u32>,
    all: Vec<(Session, bool)>,
}

impl Sessions {
    pub(in crate::finops) fn new((host, instance): &(String, String)) -> Sessions {
        Sessions {
            host: host.clone(),
            instance: instance.clone(),
            numbers: HashMap::new(),
            texts: Vec::new(),
            tags: HashMap::new(),
            all: Vec::new(),
        }
    }

    pub(in crate::finops) fn of(&self, tag: u32) -> &Session {
        &self.all[tag as usize].0
    }

    fn dedicated(&self, tag: u32) -> bool {
        self.all[tag as usize].1
    }

    /// Whose each row is.
    pub(in crate::finops) fn tags(
        &mut self,
        batch: &RecordBatch,
    ) -> Result<Vec<u32>, AnalyzeError> {
        let mut rows = vec![[0u32; WHO.len()]; batch.num_rows()];
        for (at, name) in WHO.iter().enumerate() {
            let column = match batch.column_by_name(name) {
                Some(_) => texts(batch, name)?,
                None => vec![None; rows.len()],
            };
            for (row, text) in rows.iter_mut().zip(column) {
                row[at] = self.number(text);
            }
        }
        Ok(rows.into_iter().map(|row| self.tag(row)).collect())
    }

    fn number(&mut self, text: Option<String>) -> u32 {
        if let Some(known) = self.numbers.get(&text) {
            return *known;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    fn tag(&mut self, row: [u32; WHO.len()]) -> u32 {
        if let Some(known) = self.tags.get(&row) {
            return *known;
        }
        let [
            kind,
            user,
            service,
            os_user,
            program,
            machine,
            client_id,
            module,
            action,
            con_name,
            server,
        ] = row.map(|number| self.texts[number as usize].clone());
        let session = Session {
            host: self.host.clone(),
            instance: self.instance.clone(),
            kind: kind.unwrap_or_default(),
            con_name,
            attributes: SessionAttributes {
                oracle_user: user,
                service_name: service,
                client_os_user: os_user,
                client_program: program,
                client_machine: machine,
                client_id,
                module_name: module,
                action,
                ..SessionAttributes::default()
            },
        };
        // a shared or pooled server's CPU is not one session's
        let dedicated = server.as_deref() == Some("DEDICATED");
        let tag = self.all.len() as u32;
        self.all.push((session, dedicated));
        self.tags.insert(row, tag);
        tag
    }
}
