//! The thread that makes Parquet of finished hot files, one after the other, and removes what is
//! kept no longer.
//!
//! For: everything that takes long on disk, away from who writes rows. A file for which there is no
//! room stays hot and is tried again. Not for: deciding when a file is full. Callers: `recorder`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::close::{Compression, close_file};
use super::error::{RecordError, RecordErrorKind};
use super::recorder::{RecorderOptions, Summary};
use super::retain::{self, Removed, Retention};

/// Time between two looks at what is kept, and between two tries to close a file that found no room.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_secs(5);
/// Retention asked for by a full disk isn't looked at more often.
const URGENT_EVERY: Duration = Duration::from_secs(1);

/// What happened away from the writer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// A hot file could not be closed; it is readable as it is.
    LeftHot {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
        /// It is tried again: only room is missing.
        again: bool,
    },
    /// A hot file isn't proven to its end: what came before was closed, the file itself is kept beside.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// Retention removed an hour.
    Removed(Removed),
    /// Retention could not look or remove.
    RetentionFailed {
        /// Why.
        why: String,
    },
}

enum Job {
    Close { path: PathBuf, earlier: bool },
    Retain,
    DistrustClock(Duration),
}

/// The thread, and the way to it.
pub(super) struct Closer {
    queue: Option<Sender<Job>>,
    notes: Receiver<Note>,
    thread: Option<JoinHandle<Summary>>,
}

impl Closer {
    pub(super) fn start(dir: &Path, options: &RecorderOptions) -> Closer {
        let (queue, jobs) = crossbeam_channel::unbounded();
        let (said, notes) = crossbeam_channel::unbounded();
        let mut work = Work {
            dir: dir.to_path_buf(),
            compression: options.compression,
            retention: options.retention,
            trust_age_from: Instant::now(),
            last_look: None,
            waiting: Vec::new(),
            said: HashSet::new(),
            retry_at: Instant::now(),
            summary: Summary::default(),
            notes: said,
        };
        let thread = std::thread::spawn(move || {
            work.until_hung_up(&jobs);
            work.summary
        });
        Closer {
            queue: Some(queue),
            notes,
            thread: Some(thread),
        }
    }

    fn send(&self, job: Job) {
        if let Some(queue) = &self.queue {
            // The thread ends only after this side has hung up; if it died, files stay hot.
            let _ = queue.send(job);
        }
    }

    pub(super) fn close(&self, path: PathBuf) {
        let earlier = false;
        self.send(Job::Close { path, earlier });
    }

    /// Closes what an earlier run left open.
    pub(super) fn close_earlier(&self, path: PathBuf) {
        let earlier = true;
        self.send(Job::Close { path, earlier });
    }

    /// Looks at what is kept soon: the disk is full.
    pub(super) fn retain(&self) {
        self.send(Job::Retain);
    }

    pub(super) fn distrust_clock(&self, time: Duration) {
        self.send(Job::DistrustClock(time));
    }

    pub(super) fn notes(&self) -> Vec<Note> {
        self.notes.try_iter().collect()
    }

    /// Waits until everything is done.
    pub(super) fn finish(&mut self) -> Summary {
        self.queue = None;
        let thread = self.thread.take();
        thread
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Closer {
    /// Waits, so that nothing is still being closed when the lock is given back.
    fn drop(&mut self) {
        self.finish();
    }
}

/// What the thread knows.
struct Work {
    dir: PathBuf,
    compression: Compression,
    retention: Retention,
    /// Before this, the clock isn't trusted to say how old a file is.
    trust_age_from: Instant,
    last_look: Option<Instant>,
    /// Files that found no room; each with whether an earlier run left it.
    waiting: Vec<(PathBuf, bool)>,
    /// Those of them that were said.
    said: HashSet<PathBuf>,
    retry_at: Instant,
    summary: Summary,
    notes: Sender<Note>,
}

impl Work {
    fn until_hung_up(&mut self, jobs: &Receiver<Job>) {
        self.look();
        loop {
            match jobs.recv_timeout(RETRY_EVERY) {
                Ok(Job::Close { path, earlier }) => {
                    self.close(path, earlier);
                }
                Ok(Job::Retain) => self.look_after(URGENT_EVERY),
                Ok(Job::DistrustClock(time)) => self.trust_age_from = Instant::now() + time,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look_after(LOOK_EVERY);
            if Instant::now() >= self.retry_at {
                self.retry();
            }
        }
        self.retry();
        let left = std::mem::take(&mut self.waiting).into_iter();
        let why = "no room left on the file system";
        self.summary
            .left_hot
            .extend(left.map(|(path, _)| (path, why.to_owned())));
    }

    /// Closes a file; false: there was no room, and it waits.
    fn close(&mut self, path: PathBuf, earlier: bool) -> bool {
        let closed = match close_file(&path, self.compression) {
            Ok(closed) => closed,
            Err(error) => return self.leave(path, earlier, &error),
        };
        let files = u64::from(closed.bytes > 0);
        if let Some(why) = closed.damaged {
            let why = why.to_string();
            self.say(Note::Damaged { path, why });
        }
        if earlier {
            self.summary.earlier_files += files;
        } else {
            self.summary.files += files;
            self.summary.rows += closed.rows;
            self.summary.bytes += closed.bytes;
        }
        true
    }

    fn leave(&mut self, path: PathBuf, earlier: bool, error: &RecordError) -> bool {
        let again = error.kind() == RecordErrorKind::DiskFull;
        let why = error.to_string();
        if again {
            self.waiting.push((path.clone(), earlier));
        } else {
            self.summary.left_hot.push((path.clone(), why.clone()));
        }
        // said once, not at each try
        if !again || self.said.insert(path.clone()) {
            self.say(Note::LeftHot { path, why, again });
        }
        !again
    }

    /// Tries again what found no room, until one finds none again.
    fn retry(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        while let Some((path, earlier)) = waiting.next() {
            if !self.close(path, earlier) {
                self.waiting.extend(waiting);
                break;
            }
        }
        if self.waiting.is_empty() {
            self.said.clear();
        }
        self.retry_at = Instant::now() + RETRY_EVERY;
    }

    fn look_after(&mut self, pause: Duration) {
        if self.last_look.is_none_or(|last| last.elapsed() >= pause) {
            self.look();
        }
    }

    fn look(&mut self) {
        self.last_look = Some(Instant::now());
        let mut retention = self.retention;
        if Instant::now() < self.trust_age_from {
            retention.age = None;
        }
        match retain::apply(&self.dir, &retention, jiff::Timestamp::now()) {
            Ok(removed) => {
                for hour in removed {
                    self.summary.removed_files += hour.files;
                    self.say(Note::Removed(hour));
                }
            }
            Err(error) => self.say(Note::RetentionFailed {
                why: error.to_string(),
            }),
        }
    }

    fn say(&self, note: Note) {
        // nobody listens any more only when the recorder is being dropped
        let _ = self.notes.send(note);
    }
}
