//! One recording from its start to its end, over all starts of its instance.
//!
//! For: attaching, waiting for an instance that isn't there, and how all ends. Not for: rows
//! (`writer`). Callers: `cli::record`.

use std::time::{Duration, Instant};

use super::super::args::RecordArgs;
use super::super::{Exit, Failure};
use super::burst::Bursts;
use super::feed::Feed;
use super::life::{Signals, watch};
use super::notify::Seat;
use super::summary::{self, Progress};
use super::writer::Writer;
use crate::sample::slow::SlowTables;
use crate::sample::{
    Attachment, Ended, EventKind, RunStats, Sampler, SamplerOptions, Source, TextStats,
};
use crate::walk::Walker;

/// Frames that may wait for the writer before ticks are dropped.
const FRAMES: usize = 64;
/// How often an instance is looked for that isn't there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Steps of that wait.
const STEP: Duration = Duration::from_millis(100);

/// Records one instance.
pub(super) fn run(args: &RecordArgs, quiet: bool, seat: &Seat) -> Result<Exit, Failure> {
    let result = record(args, quiet, seat);
    seat.ended();
    result
}

/// How sampling of one start of the instance ended.
struct RunEnd {
    ended: Ended,
    gone: Option<String>,
}

/// What all starts together came to.
#[derive(Default)]
struct Totals {
    stats: RunStats,
    texts: Option<TextStats>,
}

fn record(args: &RecordArgs, quiet: bool, seat: &Seat) -> Result<Exit, Failure> {
    let signals = Signals::register()?;
    let mut waiting = Waiting {
        args,
        signals: &signals,
        seat,
        until: None,
        told: String::new(),
    };
    let Some((mut feed, walker)) = waiting.first()? else {
        return Ok(Exit::Ok);
    };
    let mut writer = Writer::start(args, Progress::new(args, quiet), &mut feed)?;
    let until = args.duration.map(|d| Instant::now() + d);
    waiting.until = until;
    let mut totals = Totals::default();
    let mut attached = (feed, walker);
    let end = loop {
        let (feed, walker) = attached;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.filter(|_| totals.stats.ticks > 0).or(args.duration);
        let outside = (&signals, seat);
        let end = sample(&mut writer, feed, walker, left, outside, &mut totals)?;
        let Some(gone) = end.gone.as_ref().filter(|_| args.service.follow) else {
            break end;
        };
        if writer.failed.is_some() || signals.stopped() {
            break end;
        }
        tracing::warn!("the instance went away: {gone}; waiting for it");
        writer.event(EventKind::InstanceGone, gone.clone());
        match waiting.again(&mut writer)? {
            Some(next) => {
                writer.begin_run(&next.0)?;
                attached = next;
            }
            None => break RunEnd { gone: None, ..end },
        }
    };
    seat.stopping();
    finish(args, quiet, (writer, &totals), &signals, end)
}

/// Samples one start of the instance until it or the recording ends, and lets go of its memory.
fn sample(
    writer: &mut Writer<'_>,
    mut feed: Feed,
    walker: Walker,
    duration: Option<Duration>,
    (signals, seat): (&Signals, &Seat),
    totals: &mut Totals,
) -> Result<RunEnd, Failure> {
    let options = SamplerOptions {
        rate_hz: writer.rate(),
        jitter: writer.jitter(),
        duration,
        frames: FRAMES,
        seed: crate::sample::pacer::monotonic_ns(),
    };
    let wishes = writer.service().thread();
    let newcomers = feed.newcomers(writer.service().trigger.is_some());
    let sampler = Sampler::start_as(walker, options, wishes, newcomers).map_err(|e| {
        match e.kind() {
            // no such processor
            std::io::ErrorKind::InvalidInput => Failure::new(Exit::Usage, e.to_string()),
            _ => e.into(),
        }
    })?;
    let stop = sampler.stop_flag();
    if let Some(burst) = writer.service().burst() {
        let control = sampler.burst_control();
        feed.bursts = Some(Bursts::of(&feed.attachment, &burst, control)?);
    }
    let mut slow = SlowTables::start(&feed.attachment, feed.slow.clone())?;
    let watch = watch(&feed.attachment, stop.clone(), signals.stop.clone())?;
    seat.ready();
    seat.status(|| writer.status(), true);
    writer.consume(&mut feed, &sampler, &mut slow, (signals, seat));
    let (stats, ended) = sampler
        .join()
        .ok_or_else(|| Failure::new(Exit::Damaged, "the sampling thread died; this is a defect"))?;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let gone = watch.join().unwrap_or(None);
    totals.stats.add(&stats);
    totals.add_texts(feed.texts.as_ref().map(|t| t.stats()));
    Ok(RunEnd { ended, gone })
}

impl Totals {
    fn add_texts(&mut self, texts: Option<TextStats>) {
        let earlier = self.texts.take();
        self.texts = texts.map(|mut texts| {
            if let Some(earlier) = &earlier {
                texts.proven += earlier.proven;
                texts.unproven += earlier.unproven;
                texts.bytes += earlier.bytes;
            }
            texts
        });
    }
}

fn finish(
    args: &RecordArgs,
    quiet: bool,
    (writer, totals): (Writer<'_>, &Totals),
    signals: &Signals,
    end: RunEnd,
) -> Result<Exit, Failure> {
    let mut writer = writer;
    let why = match (&end.gone, &writer.failed) {
        (_, Some(failed)) => failed.message.clone(),
        (Some(gone), _) => format!("the instance went away: {gone}"),
        _ if signals.stopped() => "on a signal".to_owned(),
        _ => "the duration is over".to_owned(),
    };
    let (failed, lost) = (writer.failed.take(), writer.disk.total);
    let name = writer.instance.clone();
    let summary = writer.finish(&why)?;
    summary::finish(
        args,
        quiet,
        &name,
        (&totals.stats, totals.texts.as_ref(), &lost),
        &summary,
    )?;
    if let Some(failed) = failed {
        return Err(failed);
    }
    match (end.ended, end.gone) {
        (_, Some(reason)) => Err(Failure::new(
            Exit::NoInstance,
            format!(
                "the instance went away: {reason}; the recording up to there is closed in {}",
                args.output.display()
            ),
        )),
        (Ended::NoConsumer, None) => Err(Failure::new(
            Exit::Damaged,
            "the writer ended early; this is a defect",
        )),
        (Ended::Duration | Ended::Stopped, None) => Ok(Exit::Ok),
    }
}

/// Waits for an instance.
struct Waiting<'a> {
    args: &'a RecordArgs,
    signals: &'a Signals,
    seat: &'a Seat,
    /// When the recording ends anyway.
    until: Option<Instant>,
    /// What was said last, so that it isn't said each second.
    told: String,
}

impl Waiting<'_> {
    fn attach(&self, name: Option<&str>) -> Result<(Feed, Walker), Failure> {
        let source = match (self.args.source.source(), name) {
            (Source::Live { via, .. }, Some(name)) => Source::Live {
                sid: Some(name.to_owned()),
                via,
            },
            (source, _) => source,
        };
        let blueprint = self.args.source.blueprint();
        Feed::of(self.args, Attachment::open(&source, blueprint.as_deref())?)
    }

    /// The first attachment. With `--follow` it waits for an instance that isn't there; any other
    /// reason is an error. `None`: stopped meanwhile.
    fn first(&mut self) -> Result<Option<(Feed, Walker)>, Failure> {
        loop {
            match self.attach(None) {
                Ok(attached) => return Ok(Some(attached)),
                Err(failure) if !self.args.service.follow || failure.exit != Exit::NoInstance => {
                    return Err(failure);
                }
                Err(failure) => self.tell(&failure),
            }
            self.seat.ready();
            if !self.pause() {
                return Ok(None);
            }
        }
    }

    /// The next attachment, whatever is in the way: an instance that starts can't be read yet.
    fn again(&mut self, writer: &mut Writer<'_>) -> Result<Option<(Feed, Walker)>, Failure> {
        let name = writer.instance.clone();
        let status = || format!("{name}: waiting for the instance");
        self.seat.status(status, true);
        loop {
            writer.heeds_rotation(self.signals);
            writer.write(None);
            if let Some(failed) = writer.failed.take() {
                return Err(failed);
            }
            writer.progress.waiting();
            if !self.pause() {
                return Ok(None);
            }
            match self.attach(Some(&name)) {
                Ok(attached) => return Ok(Some(attached)),
                Err(failure) => self.tell(&failure),
            }
        }
    }

    fn tell(&mut self, failure: &Failure) {
        if self.told != failure.message {
            self.told.clone_from(&failure.message);
            tracing::warn!("waiting: {}", failure.message);
        }
    }

    /// False: the recording is to end.
    fn pause(&self) -> bool {
        let end = Instant::now() + LOOK_EVERY;
        while Instant::now() < end {
            if self.signals.stopped() || self.until.is_some_and(|until| Instant::now() >= until) {
                return false;
            }
            self.seat.progress();
            std::thread::sleep(STEP);
        }
        true
    }
}
