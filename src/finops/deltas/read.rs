//! The deltas of a recording: its tables `stats`, `ended` and `events`, instance by instance, in the
//! order of time.
//!
//! For: [`read_deltas`], which gives each delta with whose it is. An interval belongs to the window
//! that has its end, so that windows side by side add up to the whole. Not for: sums.
//!
//! Callers: the rest of `finops`.

use arrow::array::RecordBatch;

use super::columns::{Columns, Keys, texts};
use super::sessions::{Session, Sessions};
use super::{Delta, Deltas, LifeKey, Reading, Unobserved};
use crate::analyze::columns::times;
use crate::finops::FinopsError;
use crate::record::{Reader, RecordError, ScanOptions};

/// An hour, µs.
pub(in crate::finops) const HOUR_US: i64 = 3_600_000_000;

/// What is found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// Something was consumed.
    Delta(&'a Delta),
    /// Something may have been.
    Unobserved(&'a Unobserved),
}

/// Who takes what is found, with whose it is.
pub type Sink<'a> = dyn FnMut(&Session, Found<'_>) -> Result<(), FinopsError> + 'a;

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

/// From when on readings have to be known for a window that begins at `from_us`, µs since 1970: each hour has a
/// row of every session, at its first reading, so that from the hour before on all that there was at
/// the begin of the window is known.
pub(in crate::finops) fn known_from_us(from_us: Option<i64>) -> Option<i64> {
    from_us.map(|from| from.div_euclid(HOUR_US) * HOUR_US - HOUR_US)
}

/// The same of an instance; where nothing was read in that time, as the recorder was away, from its first reading on.
fn warm_from_us(
    reader: &Reader,
    window: &Window,
    place: &(String, String),
) -> Result<Option<i64>, FinopsError> {
    let warm_us = known_from_us(window.from_us);
    if warm_us.is_none() {
        return Ok(None);
    }
    let options = ScanOptions {
        to_us: window.from_us,
        columns: Some(vec!["sample_time".to_owned()]),
        ..window.scan(place, warm_us)
    };
    for batch in reader.scan("stats", &options)? {
        if batch?.num_rows() > 0 {
            return Ok(warm_us);
        }
    }
    Ok(None)
}

/// Reads the deltas of a window.
///
/// # Errors
/// The recording has no statistics (`record --stats none`), or can't be read.
pub fn read_deltas(
    reader: &Reader,
    window: &Window,
    sink: &mut Sink<'_>,
) -> Result<Coverage, FinopsError> {
    let mut coverage = Coverage::default();
    for place in reader.instances("stats")? {
        if window.instance.as_ref().is_some_and(|i| *i != place.1) {
            continue;
        }
        let warm_us = warm_from_us(reader, window, &place)?;
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
        sink: &mut Sink<'_>,
    ) -> Result<(), FinopsError> {
        let columns = Columns::of(batch, &mut coverage.missing)?;
        let tags = self.sessions.tags(batch)?;
        for (row, tag) in tags.into_iter().enumerate() {
            let dedicated = self.sessions.dedicated(tag);
            let reading = columns.reading(row, tag, dedicated);
            self.before(&reading, window, sink)?;
            let step = self.deltas.push(&reading);
            if let Some(lost) = &step.unobserved {
                self.tell(lost, window, sink)?;
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
        sink: &mut Sink<'_>,
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
        sink: &mut Sink<'_>,
    ) -> Result<(), FinopsError> {
        while let Some(end) = self.ended.pop_if(|end| end.noticed_us <= until_us) {
            if let Some(lost) = self.deltas.end(end.key, end.seen_us, end.noticed_us) {
                self.tell(&lost, window, sink)?;
            }
        }
        Ok(())
    }

    /// Gives what may have been consumed unseen, if its end is in the window.
    fn tell(
        &self,
        lost: &Unobserved,
        window: &Window,
        sink: &mut Sink<'_>,
    ) -> Result<(), FinopsError> {
        match window.has(lost.to_us) {
            true => sink(self.sessions.of(lost.tag), Found::Unobserved(lost)),
            false => Ok(()),
        }
    }

    fn reader_began(&mut self, window: &Window, sink: &mut Sink<'_>) -> Result<(), FinopsError> {
        let Some(began_us) = self.began_us.take() else {
            return Ok(());
        };
        let gone = self.gone_us.iter().rev().find(|gone| **gone < began_us);
        for lost in self.deltas.reader_began(began_us, gone.copied()) {
            self.tell(&lost, window, sink)?;
        }
        Ok(())
    }

    fn finish(
        mut self,
        window: &Window,
        coverage: &mut Coverage,
        sink: &mut Sink<'_>,
    ) -> Result<(), FinopsError> {
        self.close(i64::MAX, window, sink)?;
        self.reader_began(window, sink)?;
        // the instance ended and nothing came after it
        if let Some(gone) = self.gone_us.last().filter(|gone| **gone >= self.last_us) {
            let until = gone.saturating_add(1);
            for lost in self.deltas.reader_began(until, Some(*gone)) {
                self.tell(&lost, window, sink)?;
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
