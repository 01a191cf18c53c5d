//! What takes frames from the sampler and writes them, whatever the disk and the clock do.
//!
//! For: batches, flushes, room on the disk, clock steps, and the events that tell of them.
//! Not for: attaching, waiting for an instance (`service`). Callers: `service`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::super::Failure;
use super::super::args::RecordArgs;
use super::burst::Judged;
use super::disk::Disk;
use super::feed::Feed;
use super::life::Signals;
use super::notify::Seat;
use super::options::{self, ServiceArgs};
use super::queue::Queue;
use super::summary::Progress;
use crate::record::{Note, RecordError, RecordErrorKind, Recorder, RecorderOptions, Summary};
use crate::sample::recorder_events::event_batch;
use crate::sample::rows::statement_batch;
use crate::sample::slow::{SlowBatch, SlowTables};
use crate::sample::{BATCH_ROWS, ClockWatch, EventKind, Jitter, RecorderEvent, Sampler};
use crate::walk::Frame;

/// The shortest wait for a frame.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// Time after which rows become a batch anyway.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// How often files of past hours are looked for: of tables that get rows seldom.
const PAST_HOURS_EVERY: Duration = Duration::from_secs(10);
/// After a clock step of more than this, the age of files isn't judged for as long.
const DISTRUST_STEP: Duration = Duration::from_secs(3600);
/// Events that wait for room; more are forgotten.
const MAX_EVENTS: usize = 10_000;
/// Without a frame for so long, and for some periods, the sampler doesn't make progress.
const QUIET: Duration = Duration::from_secs(5);

/// What is safe on disk, as far as a kill of this process goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Ticks and samples of the whole run.
    pub(super) ticks: u64,
    pub(super) rows: u64,
    /// Number, wall and monotonic time (ns) of the last tick.
    pub(super) last: Option<(u64, i64, u64)>,
}

/// Writes one recording, over all starts of its instance.
pub(super) struct Writer<'a> {
    pub(super) instance: String,
    /// What no try again can mend; it ends the recording.
    pub(super) failed: Option<Failure>,
    pub(super) disk: Disk,
    pub(super) progress: Progress,
    args: &'a RecordArgs,
    recorder: Recorder,
    clock: ClockWatch,
    events: Vec<RecorderEvent>,
    /// What earlier starts of the instance add to tick numbers.
    tick_base: u64,
    /// With what isn't flushed yet.
    taken: Written,
    written: Written,
    batched: Instant,
    flush_at: Instant,
    looked_for_past: Instant,
    /// All files are to be closed.
    rotating: bool,
    /// Rows of other tables that wait for the next write.
    queue: Queue,
}

impl<'a> Writer<'a> {
    /// Begins a recording.
    pub(super) fn start(
        args: &'a RecordArgs,
        progress: Progress,
        feed: &mut Feed,
    ) -> Result<Writer<'a>, Failure> {
        let meta = options::meta(args, &feed.attachment);
        let options = RecorderOptions {
            compression: args.compression,
            ..args.service.recorder_options()
        };
        let mut writer = Writer {
            instance: feed.attachment.name.clone(),
            failed: None,
            disk: Disk::default(),
            progress,
            args,
            recorder: Recorder::create_with(&args.output, meta, options)?,
            clock: ClockWatch::default(),
            events: Vec::new(),
            tick_base: 0,
            taken: Written::default(),
            written: Written::default(),
            batched: Instant::now(),
            flush_at: Instant::now() + args.service.flush,
            looked_for_past: Instant::now(),
            rotating: false,
            queue: Queue::default(),
        };
        // tables are flushed in this order: what a sample refers to before it, a tick after its samples
        for (table, none) in feed.rows.all_tables()? {
            writer.recorder.write(table, &none)?;
        }
        writer.event(EventKind::Started, writer.started(feed));
        Ok(writer)
    }

    fn started(&self, feed: &Feed) -> String {
        let args = self.args;
        let follow = if args.service.follow { ", follow" } else { "" };
        format!(
            "sgascope {} pid {}, {} Hz, blueprint {}{follow}",
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
            args.rate,
            feed.attachment.blueprint.id,
        )
    }

    /// Goes on after the instance was started again.
    pub(super) fn begin_run(&mut self, feed: &Feed) -> Result<(), Failure> {
        self.recorder
            .begin_run(options::meta(self.args, &feed.attachment))?;
        self.tick_base = self.taken.last.map_or(0, |(tick, _, _)| tick + 1);
        self.event(EventKind::InstanceBack, self.started(feed));
        Ok(())
    }

    /// Notes what happened.
    pub(super) fn event(&mut self, kind: EventKind, detail: impl Into<String>) {
        self.note(RecorderEvent::now(kind, detail));
    }

    fn note(&mut self, event: RecorderEvent) {
        let told = self.progress.event(&self.instance, &event);
        self.told(told);
        if self.events.len() < MAX_EVENTS {
            self.events.push(event);
        }
    }

    /// Takes and writes frames until the sampler ends. An error of writing stops the sampler, not
    /// this loop, so that no frame is lost between them.
    pub(super) fn consume(
        &mut self,
        feed: &mut Feed,
        sampler: &Sampler,
        slow: &mut SlowTables,
        (signals, seat): (&Signals, &Seat),
    ) {
        let stop = sampler.stop_flag();
        let quiet = QUIET.max(Duration::from_secs_f64(3.0 / self.args.rate));
        let mut last_frame = Instant::now();
        loop {
            match sampler.next_frame(self.patience().min(seat.patience())) {
                Ok(frame) => {
                    self.take_all(feed, sampler, frame);
                    last_frame = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if feed.rows.len() >= BATCH_ROWS || self.batch_is_due() {
                self.queue.readings(slow.batches.try_iter());
                self.write(Some(feed));
                seat.status(|| self.status(), false);
            }
            if self.heeds_rotation(signals) {
                self.write(Some(feed));
            }
            if last_frame.elapsed() < quiet {
                seat.progress();
            }
            self.stop_if_failed(&stop);
        }
        self.queue.readings(slow.finish().into_iter());
        self.write(Some(feed));
    }

    /// Takes a frame and those that gathered behind it, as far as a batch goes.
    fn take_all(&mut self, feed: &mut Feed, sampler: &Sampler, first: Frame) {
        // those that come meanwhile wait for the next time, so that no batch is late for them
        let mut waiting = sampler.frames.len();
        let mut next = Some(first);
        while let Some(mut frame) = next.take() {
            self.take(feed, &mut frame);
            sampler.give_back(frame);
            if waiting > 0 && feed.rows.len() < BATCH_ROWS {
                waiting -= 1;
                next = sampler.frames.try_recv().ok();
            }
        }
    }

    fn judge(&mut self, feed: &mut Feed, frame: &Frame) {
        let Some(bursts) = &mut feed.bursts else {
            return;
        };
        match bursts.look(frame, &mut feed.decoder) {
            Judged::Calm => {}
            Judged::Begun(why) => {
                let looks = bursts.take_preceding();
                for look in looks {
                    self.queue.once("preceding", look);
                }
                self.event(EventKind::BurstBegun, why);
            }
            Judged::Ended(ticks) => {
                self.event(
                    EventKind::BurstEnded,
                    format!("{ticks} ticks since it began"),
                );
            }
        }
    }

    fn stop_if_failed(&self, stop: &AtomicBool) {
        if self.failed.is_some() {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// The longest wait for a frame: until a batch is due.
    fn patience(&self) -> Duration {
        let left = self.batch_due().saturating_duration_since(Instant::now());
        // one that has failed has no batch to make any more
        left.max(SHORTEST_WAIT)
    }

    fn batch_due(&self) -> Instant {
        let time = BATCH_TIME.min(self.args.service.flush);
        self.flush_at.min(self.batched + time)
    }

    fn batch_is_due(&self) -> bool {
        Instant::now() >= self.batch_due()
    }

    fn take(&mut self, feed: &mut Feed, frame: &mut Frame) {
        frame.tick += self.tick_base;
        let (dropped, missed) = self.disk.take_carried();
        frame.dropped = frame.dropped.saturating_add(dropped);
        frame.missed = frame.missed.saturating_add(missed);
        if let Some(step) = self.clock.look(frame.mono_ns, frame.wall_ns) {
            let seconds = step.by_ns as f64 / 1e9;
            let shown = |ns: i64| crate::decode::dates::rfc3339_ns(ns);
            let detail = format!(
                "by {seconds:+.3} s, from {} to {}",
                shown(step.from_wall_ns),
                shown(frame.wall_ns)
            );
            tracing::warn!("the clock was stepped {detail}");
            self.event(EventKind::ClockStepped, detail);
            if step.by_ns.unsigned_abs() > DISTRUST_STEP.as_nanos() as u64 {
                self.recorder.distrust_clock(DISTRUST_STEP);
            }
        }
        self.judge(feed, frame);
        feed.take(frame);
        self.taken.ticks += 1;
        self.taken.rows += frame.len() as u64;
        self.taken.last = Some((frame.tick, frame.wall_ns, frame.mono_ns));
    }

    /// Makes a batch of what was collected and has it flushed if that is due.
    pub(super) fn write(&mut self, feed: Option<&mut Feed>) {
        self.batched = Instant::now();
        if self.failed.is_some() {
            return;
        }
        self.take_notes();
        let flush = self.batched >= self.flush_at;
        if flush {
            self.flush_at = self.batched + self.args.service.flush;
        }
        match self.try_write(feed, flush) {
            Ok(false) => {}
            Ok(true) => {
                if let Some(event) = self.disk.room() {
                    self.note(event);
                }
                self.flushed();
            }
            Err(error) if error.kind() == RecordErrorKind::DiskFull => {
                if let Some(event) = self.disk.full(&error.to_string()) {
                    self.note(event);
                }
            }
            Err(error) => self.failed = Some(error.into()),
        }
        self.rotate_if_asked();
    }

    /// True: everything taken so far is flushed.
    fn try_write(&mut self, feed: Option<&mut Feed>, flush: bool) -> Result<bool, RecordError> {
        let room = self.recorder.make_room();
        if let Some(feed) = feed {
            if !feed.rows.is_empty() {
                let tables = feed.rows.take_tables();
                let tables = tables.map_err(|e| unfit("samples", &e))?;
                let written = match &room {
                    Ok(()) => self.write_tables(&tables),
                    Err(_) => {
                        self.lose(&tables);
                        Ok(())
                    }
                };
                if room.is_err() || written.is_err() {
                    feed.rows.lost();
                }
                written?;
            }
            room?;
            let fresh = feed.texts.as_mut().map(|texts| texts.take_fresh());
            if let Some(fresh) = fresh.filter(|f| !f.is_empty()) {
                let batch = statement_batch(&fresh).map_err(|e| unfit("sql_text", &e))?;
                self.queue.once("sql_text", batch);
            }
        } else {
            room?;
        }
        let recorder = &mut self.recorder;
        self.queue
            .write(|table, batch| recorder.write(table, batch))?;
        self.write_events()?;
        self.close_past_hours()?;
        if !flush {
            return self.recorder.flush_if_due();
        }
        self.recorder.flush()?;
        Ok(true)
    }

    fn write_tables(&mut self, tables: &[SlowBatch]) -> Result<(), RecordError> {
        let mut tables = tables.iter();
        tables.try_for_each(|(table, batch)| self.recorder.write(table, batch))
    }

    /// Counts what there is no room for.
    fn lose(&mut self, tables: &[SlowBatch]) {
        let of = |name: &str| tables.iter().find(|(table, _)| *table == name);
        let Some((_, ticks)) = of("ticks") else {
            return;
        };
        let rows = of("samples").map_or(0, |(_, samples)| samples.num_rows() as u64);
        self.disk.lose(rows, ticks);
        self.taken.ticks -= ticks.num_rows() as u64;
        self.taken.rows -= rows;
        let told = self.progress.lost(&self.instance, &self.disk.total);
        self.told(told);
    }

    /// Takes what the closing of files came to; also while there is no room to write it down.
    fn take_notes(&mut self) {
        for note in self.recorder.notes() {
            self.note(event_of(&note));
        }
    }

    fn write_events(&mut self) -> Result<(), RecordError> {
        if !self.events.is_empty() {
            let batch = event_batch(&self.instance, &self.events);
            let batch = batch.map_err(|e| unfit("events", &e))?;
            self.recorder.write("events", &batch)?;
            self.events.clear();
        }
        Ok(())
    }

    fn close_past_hours(&mut self) -> Result<(), RecordError> {
        if self.looked_for_past.elapsed() >= PAST_HOURS_EVERY {
            self.looked_for_past = Instant::now();
            self.recorder.close_past_hours(jiff::Timestamp::now())?;
        }
        Ok(())
    }

    fn flushed(&mut self) {
        if self.taken.ticks != self.written.ticks {
            let told = self.progress.flushed(&self.instance, &self.taken);
            self.told(told);
        }
        self.written = self.taken;
    }

    /// Who doesn't read any more what is told ends the recording.
    fn told(&mut self, told: Result<(), Failure>) {
        if let Err(failure) = told {
            self.failed.get_or_insert(failure);
        }
    }

    /// Whether SIGHUP came: the next write closes all files.
    pub(super) fn heeds_rotation(&mut self, signals: &Signals) -> bool {
        let asked = signals.rotate.swap(false, Ordering::Relaxed);
        if asked {
            self.event(EventKind::Rotated, "SIGHUP");
            self.rotating = true;
        }
        asked
    }

    /// Closes all files if that was asked for; while there is no room, with a later write.
    fn rotate_if_asked(&mut self) {
        if !self.rotating || self.failed.is_some() {
            return;
        }
        match self.recorder.rotate() {
            Ok(()) => self.rotating = false,
            Err(error) if error.kind() == RecordErrorKind::DiskFull => {
                if let Some(event) = self.disk.full(&error.to_string()) {
                    self.note(event);
                }
            }
            Err(error) => self.failed = Some(error.into()),
        }
    }

    /// The options of a long run.
    pub(super) fn service(&self) -> &'a ServiceArgs {
        &self.args.service
    }

    /// Ticks per second while there is no burst.
    pub(super) fn rate(&self) -> f64 {
        self.args.rate
    }

    /// Where in its period a tick lies.
    pub(super) fn jitter(&self) -> Jitter {
        self.args.jitter
    }

    /// What it does, for `systemctl status`.
    pub(super) fn status(&self) -> String {
        let state = if self.disk.is_full() {
            "no room on the disk, sampling on"
        } else {
            "recording"
        };
        format!(
            "{}: {state}, {} ticks, {} rows",
            self.instance, self.taken.ticks, self.taken.rows
        )
    }

    /// Closes everything. The memory of the instance must have been let go before.
    pub(super) fn finish(mut self, why: &str) -> Result<Summary, Failure> {
        self.event(EventKind::Stopped, why);
        self.write(None);
        self.progress.close();
        Ok(self.recorder.close()?)
    }
}

fn unfit(table: &str, error: &arrow::error::ArrowError) -> RecordError {
    RecordError::Schema {
        table: table.to_owned(),
        detail: error.to_string(),
    }
}

/// The event that tells of a note.
fn event_of(note: &Note) -> RecorderEvent {
    match note {
        Note::LeftHot { path, why, again } => {
            let then = if *again {
                "; it is closed when there is room"
            } else {
                ""
            };
            let detail = format!("{} stays hot: {why}{then}", path.display());
            tracing::warn!("{detail}");
            RecorderEvent::now(EventKind::LeftOpen, detail)
        }
        Note::Damaged { path, why } => {
            let detail = format!("{} was damaged and is kept beside: {why}", path.display());
            tracing::warn!("{detail}");
            RecorderEvent::now(EventKind::LeftOpen, detail)
        }
        Note::Removed(removed) => RecorderEvent::now(
            EventKind::Removed,
            format!(
                "hour {}: {} files, {} bytes, by {}",
                removed.hour, removed.files, removed.bytes, removed.limit
            ),
        ),
        Note::RetentionFailed { why } => {
            tracing::warn!("what is too old can't be removed: {why}");
            RecorderEvent::now(EventKind::Trouble, format!("retention: {why}"))
        }
    }
}
