//! The sampler's side: what `record` does for every tick, but for writing files.
//!
//! Frames are taken by the sampling thread, and here made rows of a recording, which are dropped.
//! Callers: [`super::run()`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::document::Side;
use super::run::BenchError;
use super::seen::{Eyes, Sight};
use super::spread::Times;
use crate::decode::Decoder;
use crate::decode::columns::{needs_of, sample_columns};
use crate::discover::{Watch, thread_cpu_ns};
use crate::sample::{Attachment, Jitter, Owners, RunStats, SampleRows, Sampler, SamplerOptions};
use crate::walk::{Frame, GateFields, Select, Walker};

/// Frames that may wait to be decoded before ticks are dropped, as `record` has.
const FRAMES: usize = 64;
/// How often it is looked whether the instance is still there: it must be let go within a second.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// How often rows become batches, as `record` does.
const BATCH_EVERY: Duration = Duration::from_secs(1);

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Sweeps a second.
    pub rate_hz: f64,
    /// For so long.
    pub duration: Duration,
}

/// What decodes frames and looks at them.
struct Taking {
    rows: SampleRows,
    decoder: Decoder,
    owners: Owners,
    gate: GateFields,
    eyes: Eyes,
    walks: Times,
    late: Times,
}

impl Taking {
    fn take(&mut self, frame: &Frame) {
        self.owners.look(frame, &mut self.decoder);
        self.rows.append(frame, &mut self.decoder);
        self.walks.add(frame.walk_ns);
        self.late.add(frame.late_ns);
        self.eyes.sweep();
        for i in 0..frame.len() {
            let words = frame.row(i);
            let idle = self.is_idle(words);
            let waits = self.gate.is_waiting(words) && !idle;
            let recursive = self.decoder.is_recursive(words);
            let in_call = self.gate.status.uint(words) & 1 != 0;
            self.eyes.sight(Sight {
                session: Some((u64::from(frame.slots[i]) + 1, self.decoder.serial(words))),
                active: Some(recursive || waits || (in_call && !self.gate.is_waiting(words))),
                // recursive sessions have no wait of their own (decode rules: no x$kslwt row)
                wait: Some((waits && !recursive).then(|| self.gate.seq.uint(words))),
                recursive: Some(recursive),
            });
        }
    }

    fn is_idle(&self, words: &[u64]) -> bool {
        let event = self.gate.event.uint(words);
        let class = self.decoder.event(event).and_then(|(_, class)| class);
        class.is_some_and(|class| class.name == "Idle")
    }
}

/// What is bound and allocated before a step begins, so that it isn't billed: SQL's connecting isn't either.
pub(super) struct Ready<'a> {
    attachment: &'a Attachment,
    taking: Taking,
    walker: Walker,
}

/// Slots that a sweep looks at.
///
/// # Errors
/// When the blueprint lacks what a sweep needs.
pub(super) fn slots(attachment: &Attachment) -> Result<usize, BenchError> {
    let bound = attachment.bind_sessions(&needs_of(&sample_columns()))?;
    Ok(bound.rows.len())
}

/// Binds what recordings hold.
///
/// # Errors
/// When the blueprint lacks what a sweep needs.
pub(super) fn prepare(attachment: &Attachment, idle: bool) -> Result<Ready<'_>, BenchError> {
    let columns = sample_columns();
    let bound = attachment.bind_sessions(&needs_of(&columns))?;
    let select = match idle {
        true => Select::Used,
        false => Select::Active {
            idle: attachment.events.idle_mask(),
        },
    };
    let owners = Owners::new(attachment);
    let context = owners.context().watching(bound.rows.len());
    let decoder = Decoder::within(&attachment.blueprint, &bound, &columns, context);
    let gate = GateFields::of(&bound.plan).ok_or_else(|| attachment.lacks_gate())?;
    let walker = Walker::new(bound, select).ok_or_else(|| attachment.lacks_gate())?;
    let taking = Taking {
        rows: SampleRows::narrow(&decoder, &attachment.name, &attachment.blueprint.id),
        decoder,
        owners,
        gate,
        eyes: Eyes::default(),
        walks: Times::default(),
        late: Times::default(),
    };
    Ok(Ready {
        attachment,
        taking,
        walker,
    })
}

/// Samples at a rate for a time; all CPU of the process is billed by the caller. The second number is
/// what this thread used of it, ns: decoding and counting, but not walking.
///
/// # Errors
/// When the thread can't be started, or the instance goes.
pub(super) fn run(
    ready: Ready<'_>,
    pace: Pace,
    stop: &AtomicBool,
) -> Result<(Side, u64), BenchError> {
    let Ready {
        attachment,
        mut taking,
        walker,
    } = ready;
    let before = thread_cpu_ns();
    let sampler = Sampler::start(
        walker,
        SamplerOptions {
            rate_hz: pace.rate_hz,
            jitter: Jitter::None,
            duration: Some(pace.duration),
            frames: FRAMES,
            seed: 0,
        },
    )?;
    let taken = consume(&mut taking, &sampler, attachment, stop);
    sampler.stop_flag().store(true, Ordering::Relaxed);
    let (stats, _) = sampler.join().ok_or(BenchError::SamplerDied)?;
    let used = thread_cpu_ns() - before;
    taken?;
    Ok((side(stats, taking), used))
}

fn consume(
    taking: &mut Taking,
    sampler: &Sampler,
    attachment: &Attachment,
    stop: &AtomicBool,
) -> Result<(), BenchError> {
    let mut watch = attachment.instance.as_ref().map(Watch::new);
    let (mut batched, mut looked) = (Instant::now(), Instant::now());
    let mut gone = None;
    loop {
        match sampler.next_frame(WATCH_EVERY) {
            Ok(frame) => {
                taking.take(&frame);
                sampler.give_back(frame);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if looked.elapsed() >= WATCH_EVERY {
            looked = Instant::now();
            let left = watch.as_mut().and_then(|w| w.check().err());
            gone = gone.or(left.map(|why| why.to_string()));
            if gone.is_none() && !attachment.still_named() {
                gone = Some("its identity string changed".to_owned());
            }
            if stop.load(Ordering::Relaxed) || gone.is_some() {
                sampler.stop_flag().store(true, Ordering::Relaxed);
            }
        }
        if batched.elapsed() >= BATCH_EVERY {
            batched = Instant::now();
            taking.rows.take_tables()?;
        }
    }
    match gone {
        Some(why) => Err(BenchError::Gone(why)),
        None => Ok(()),
    }
}

fn side(stats: RunStats, taking: Taking) -> Side {
    Side {
        due: stats.ticks,
        taken: stats.frames,
        missed: stats.missed + stats.dropped,
        latency_us: taking.walks.spread(),
        late_us: taking.late.spread(),
        seen: taking.eyes.seen(),
        ..Side::default()
    }
}
