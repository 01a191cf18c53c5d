//! The truth file: one line per state change, written by its own thread.
//!
//! The engine only pushes records into a buffer. It doesn't read memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use crate::sql;

/// Records that go to the writer at a time.
const BATCH: usize = 4096;

/// State of a session after one change.
#[derive(Clone, Debug)]
pub struct Line {
    /// CLOCK_MONOTONIC ns just before the first store.
    pub begin_ns: u64,
    /// CLOCK_MONOTONIC ns just after the last store.
    pub end_ns: u64,
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial: u32,
    /// What happened.
    pub op: &'static str,
    /// A reader has to show the session.
    pub in_use: bool,
    /// U, B or R; ? for a slot that isn't in use.
    pub kind: u8,
    /// STATUS of V$SESSION.
    pub status: &'static str,
    /// KSUSETIM is 0 and SEQ# isn't.
    pub waiting: bool,
    /// EVENT#.
    pub event: u16,
    /// SEQ#.
    pub seq: u16,
    /// P1 to P3.
    pub p: [u64; 3],
    /// High and low word of the SQL_ID.
    pub sql: Option<(u32, u32)>,
    /// USERNAME.
    pub username: Arc<str>,
    /// MODULE.
    pub module: Arc<str>,
}

enum Message {
    Lines(Vec<Line>),
    Sync(SyncSender<()>),
}

/// The engine's end of the log; without a file it drops everything.
#[derive(Debug)]
pub struct TruthLog {
    buffer: Vec<Line>,
    writer: Option<(Sender<Message>, JoinHandle<()>)>,
}

impl TruthLog {
    /// A log that keeps nothing.
    pub fn none() -> TruthLog {
        TruthLog {
            buffer: Vec::new(),
            writer: None,
        }
    }

    /// Creates the file, writes the header line and starts the writer.
    pub fn create(path: &Path) -> io::Result<TruthLog> {
        let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        file.write_all(HEADER.as_bytes())?;
        file.flush()?;
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("sgasim_truth".into())
            .spawn(move || write(&receiver, file))?;
        Ok(TruthLog {
            buffer: Vec::with_capacity(BATCH),
            writer: Some((sender, thread)),
        })
    }

    /// Adds one line.
    pub fn push(&mut self, line: Line) {
        if self.writer.is_none() {
            return;
        }
        self.buffer.push(line);
        if self.buffer.len() >= BATCH {
            self.flush(false);
        }
    }

    /// Hands the buffered lines over; with `sync` waits until they are written to the file.
    pub fn flush(&mut self, sync: bool) {
        let Some((sender, _)) = &self.writer else {
            return;
        };
        if !self.buffer.is_empty() {
            let lines = std::mem::replace(&mut self.buffer, Vec::with_capacity(BATCH));
            // A writer that is gone has reported its error; the instance goes on without a log.
            let _ = sender.send(Message::Lines(lines));
        }
        if sync {
            let (done, wait) = sync_channel(1);
            if sender.send(Message::Sync(done)).is_ok() {
                let _ = wait.recv();
            }
        }
    }
}

impl Drop for TruthLog {
    fn drop(&mut self) {
        self.flush(false);
        if let Some((sender, thread)) = self.writer.take() {
            drop(sender);
            // A panic of the writer has been printed by then.
            let _ = thread.join();
        }
    }
}

const HEADER: &str = "begin_ns\tend_ns\tsid\tserial\top\tin_use\tkind\tstatus\twaiting\tevent_no\tseq\tp1\tp2\tp3\tsql_id\tusername\tmodule\n";

fn write(receiver: &Receiver<Message>, mut file: BufWriter<File>) {
    for message in receiver {
        let result = match message {
            Message::Lines(lines) => lines.iter().try_for_each(|l| write_line(&mut file, l)),
            Message::Sync(done) => {
                let flushed = file.flush();
                // The engine may have given up waiting.
                let _ = done.send(());
                flushed
            }
        };
        if let Err(error) = result {
            eprintln!("sgasim: the truth file can't be written any more: {error}");
            return;
        }
    }
    if let Err(error) = file.flush() {
        eprintln!("sgasim: the truth file could not be finished: {error}");
    }
}

fn write_line(file: &mut BufWriter<File>, l: &Line) -> io::Result<()> {
    let sql_id = l
        .sql
        .map_or_else(|| "-".to_string(), |(high, low)| sql::sql_id(high, low));
    writeln!(
        file,
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{sql_id}\t{}\t{}",
        l.begin_ns,
        l.end_ns,
        l.sid,
        l.serial,
        l.op,
        u8::from(l.in_use),
        char::from(l.kind),
        l.status,
        u8::from(l.waiting),
        l.event,
        l.seq,
        l.p[0],
        l.p[1],
        l.p[2],
        escaped(&l.username),
        escaped(&l.module),
    )
}

fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['\t', '\n', '\r', '\\']) {
        text.replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .into()
    } else {
        text.into()
    }
}
