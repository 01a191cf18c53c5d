//! What is recorded seldom: statistics of sessions and rows of processes, by a thread of its own.
//!
//! For: the tables `stats` and `processes` of a recording. A row is written when it changed since it
//! was written last, and in each hour at least once, so that each hour stands by itself. Not for:
//! snapshots that `dump` shows. Callers: `cli::record`.

mod stats;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::attach::{AttachError, Attachment};
use super::pacer::{monotonic_ns, wall_ns};
use super::processes::ProcessReader;
use super::rows::{Builder, data_type, text_column, text_type, time_type, times};
use crate::decode::processes::PROCESS_COLUMNS;
use crate::decode::{Column, Decoder};
use crate::plan::StatisticPlan;
use crate::walk::Frame;

use self::stats::Statistics;
pub use self::stats::statistic_column;

/// Batches that may wait for the writer; a reading that finds no room is left out.
const WAITING: usize = 64;
/// The longest wait, if there is nothing to read.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const HOUR_NS: i64 = 3_600_000_000_000;

/// What of a process is recorded.
const OF_PROCESS: [&str; 12] = [
    "pid",
    "serial_no",
    "spid",
    "username",
    "program",
    "role",
    "background",
    "terminal",
    "pga_used_mem",
    "pga_alloc_mem",
    "pga_freeable_mem",
    "pga_max_mem",
];

/// What to read how often.
#[derive(Clone, Debug, Default)]
pub struct SlowOptions {
    /// Statistics, and the time between two readings.
    pub statistics: Option<(StatisticPlan, Duration)>,
    /// Time between two readings of the processes.
    pub processes: Option<Duration>,
}

/// A table's name and rows.
pub type SlowBatch = (&'static str, RecordBatch);

/// The running thread.
pub struct SlowTables {
    /// What it has read.
    pub batches: Receiver<SlowBatch>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SlowTables {
    /// Starts reading.
    ///
    /// # Errors
    /// When the fields that say which slots are in use are missing, or the thread can't be started.
    pub fn start(attachment: &Attachment, options: SlowOptions) -> Result<SlowTables, AttachError> {
        let mut readers: Vec<Reader> = Vec::new();
        if let Some((plan, every)) = options.statistics {
            let kind = Box::new(Statistics::new(attachment, plan)?);
            readers.push(Reader::every(every, kind));
        }
        // an instance whose processes can't be read is recorded all the same
        if let Some(every) = options.processes
            && let Ok(kind) = Processes::new(attachment)
        {
            readers.push(Reader::every(every, Box::new(kind)));
        }
        let (sender, batches) = bounded(WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::Builder::new()
            .name("slow tables".into())
            .spawn(move || run(&mut readers, &sender, &flag))
            .map_err(|error| AttachError::Io {
                path: "thread".into(),
                error,
            })?;
        Ok(SlowTables {
            batches,
            stop,
            thread: Some(thread),
        })
    }

    /// Ends the thread; what it has read until then, with a last reading of all, follows.
    pub fn finish(&mut self) -> Vec<SlowBatch> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // one that died has sent what it could
            let _ = thread.join();
        }
        self.batches.try_iter().collect()
    }
}

impl Drop for SlowTables {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Something that is read from time to time.
trait Source: Send {
    /// Rows that are to be written now; with `last` also those that haven't changed.
    fn read(&mut self, last: bool) -> Result<Vec<SlowBatch>, ArrowError>;
}

struct Reader {
    source: Box<dyn Source>,
    every: Duration,
    due: Instant,
}

impl Reader {
    fn every(every: Duration, source: Box<dyn Source>) -> Reader {
        Reader {
            source,
            every,
            due: Instant::now(),
        }
    }

    fn read(&mut self, out: &Sender<SlowBatch>, last: bool) {
        match self.source.read(last) {
            Ok(batches) => {
                for batch in batches {
                    // a writer that doesn't come along loses this reading, and counters are read again
                    if out.try_send(batch).is_err() {
                        tracing::warn!("statistics were read that nobody had time to write");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "rows that don't fit; this is a defect"),
        }
    }
}

fn run(readers: &mut [Reader], out: &Sender<SlowBatch>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        for reader in readers.iter_mut().filter(|r| r.due <= now) {
            reader.read(out, false);
            // late readings are not made up
            reader.due = now + reader.every;
        }
        // woken before that when it is told to end
        let due = readers.iter().map(|r| r.due).min();
        let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
        std::thread::park_timeout(wait.unwrap_or(LONGEST_WAIT));
    }
    // the end of what is counted
    readers.iter_mut().for_each(|reader| reader.read(out, true));
}

/// Rows of a table whose columns are decoded, with when and where.
struct Rows {
    schema: SchemaRef,
    instance: String,
    builders: Vec<Builder>,
    rows: usize,
}

impl Rows {
    fn new(instance: &str, columns: &[&'static Column], more: Vec<Field>) -> Rows {
        let mut fields = vec![
            Field::new("sample_time", time_type(), false),
            Field::new("instance_name", text_type(), false),
        ];
        let named = |c: &&Column| Field::new(c.ash, data_type(c.kind), true);
        fields.extend(columns.iter().map(named));
        fields.extend(more);
        Rows {
            schema: Arc::new(Schema::new(fields)),
            instance: instance.to_owned(),
            builders: columns.iter().map(|c| Builder::new(c.kind)).collect(),
            rows: 0,
        }
    }

    fn append(&mut self, decoder: &mut Decoder, frame: &Frame, i: usize) {
        let row = decoder.row(frame, i);
        for (builder, value) in self.builders.iter_mut().zip(decoder.values(&row)) {
            builder.append(&value);
        }
        self.rows += 1;
    }

    fn take(&mut self, wall_ns: i64, more: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        let mut columns = vec![
            times(vec![wall_ns.div_euclid(1000); rows]),
            text_column((0..rows).map(|_| self.instance.as_str())),
        ];
        columns.extend(self.builders.iter_mut().map(Builder::finish));
        columns.extend(more);
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

/// What was written last of each thing, and in which hour.
struct Known<T> {
    last: HashMap<(u32, u64), (T, i64)>,
}

impl<T: PartialEq> Known<T> {
    fn new() -> Known<T> {
        Known {
            last: HashMap::new(),
        }
    }

    /// Whether `value` is to be written now.
    fn is_news(&mut self, key: (u32, u64), value: T, hour: i64) -> bool {
        match self.last.get(&key) {
            Some((known, written)) if *known == value && *written == hour => false,
            _ => {
                self.last.insert(key, (value, hour));
                true
            }
        }
    }

    /// Forgets what isn't there any more.
    fn keep(&mut self, there: &HashSet<(u32, u64)>) {
        self.last.retain(|key, _| there.contains(key));
    }
}

/// The table `processes`.
struct Processes {
    reader: ProcessReader,
    rows: Rows,
    known: Known<Vec<u64>>,
}

impl Processes {
    fn new(attachment: &Attachment) -> Result<Processes, AttachError> {
        let columns = named(PROCESS_COLUMNS, &OF_PROCESS);
        Ok(Processes {
            reader: ProcessReader::new(attachment, &columns)?,
            rows: Rows::new(&attachment.name, &columns, Vec::new()),
            known: Known::new(),
        })
    }
}

impl Source for Processes {
    fn read(&mut self, _last: bool) -> Result<Vec<SlowBatch>, ArrowError> {
        self.reader.look((monotonic_ns(), wall_ns()));
        let frame = &self.reader.frame;
        let hour = frame.wall_ns.div_euclid(HOUR_NS);
        let mut there = HashSet::new();
        for i in 0..frame.len() {
            let key = (frame.slots[i], 0);
            there.insert(key);
            if self.known.is_news(key, frame.row(i).to_vec(), hour) {
                self.rows.append(&mut self.reader.decoder, frame, i);
            }
        }
        self.known.keep(&there);
        if self.rows.rows == 0 {
            return Ok(Vec::new());
        }
        let batch = self.rows.take(frame.wall_ns, Vec::new())?;
        Ok(vec![("processes", batch)])
    }
}

/// The columns of these names, in their order.
fn named(all: &'static [Column], names: &[&str]) -> Vec<&'static Column> {
    let find = |name: &&str| all.iter().find(|c| c.ash == *name);
    names.iter().filter_map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::stats::WHOSE;
    use super::*;
    use crate::decode::COLUMNS;

    #[test]
    fn names_of_statistics_are_columns() {
        let column = |name| statistic_column(name);
        assert_eq!(
            column("CPU used by this session"),
            "cpu_used_by_this_session"
        );
        assert_eq!(
            column("temp space allocated (bytes)"),
            "temp_space_allocated_bytes"
        );
        assert_eq!(
            column("SQL*Net roundtrips to/from client"),
            "sql_net_roundtrips_to_from_client"
        );
    }

    #[test]
    fn all_named_columns_exist() {
        assert_eq!(named(COLUMNS, &WHOSE).len(), WHOSE.len());
        assert_eq!(named(PROCESS_COLUMNS, &OF_PROCESS).len(), OF_PROCESS.len());
    }

    #[test]
    fn a_row_is_news_when_it_changed_and_once_an_hour() {
        let mut known = Known::new();
        let key = (1, 7);
        assert!(known.is_news(key, 5, 0));
        assert!(!known.is_news(key, 5, 0));
        assert!(known.is_news(key, 6, 0));
        assert!(known.is_news(key, 6, 1), "another hour");
        known.keep(&HashSet::new());
        assert!(known.is_news(key, 6, 1), "it was gone meanwhile");
    }
}
