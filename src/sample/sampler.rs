//! The sampling thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::ThreadOptions;
use super::gather::{Newcomers, Taker, gather, waits_long};
use super::pacer::{Jitter, monotonic_ns, sleep_until, wall_ns};
use super::timeline::{BurstControl, Timeline};
use crate::walk::{Frame, Walker};

/// The longest sleep in one go, so that a stop is noticed soon at slow rates.
const LONGEST_SLEEP_NS: u64 = 250_000_000;
/// The same where a burst may be asked for at any moment.
const LONGEST_ARMED_SLEEP_NS: u64 = 10_000_000;

/// How to sample.
#[derive(Clone, Debug)]
pub struct SamplerOptions {
    /// Ticks per second.
    pub rate_hz: f64,
    /// Where in its period a tick lies.
    pub jitter: Jitter,
    /// How long; `None`: until stopped.
    pub duration: Option<Duration>,
    /// Frames in the pool: how many ticks a consumer may lag before they are dropped.
    pub frames: usize,
    /// Seed of the jitter.
    pub seed: u64,
}

/// Why sampling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The duration is over.
    Duration,
    /// The stop flag was set.
    Stopped,
    /// Nobody takes frames any more.
    NoConsumer,
}

/// What a run came to: `ticks = frames + missed + dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RunStats {
    /// Periods that were due.
    pub ticks: u64,
    /// Frames handed over.
    pub frames: u64,
    /// Ticks skipped because their period was over before they could be taken.
    pub missed: u64,
    /// Ticks for which no frame was free.
    pub dropped: u64,
    /// Frames that were late by more than a tenth of a period.
    pub late: u64,
    /// Longest lateness, ns.
    pub max_late_ns: u64,
    /// Sum of the walks' durations, ns.
    pub walk_ns: u64,
}

impl RunStats {
    /// Adds those of a later run.
    pub fn add(&mut self, later: &RunStats) {
        self.ticks += later.ticks;
        self.frames += later.frames;
        self.missed += later.missed;
        self.dropped += later.dropped;
        self.late += later.late;
        self.max_late_ns = self.max_late_ns.max(later.max_late_ns);
        self.walk_ns += later.walk_ns;
    }
}

/// A running sampling thread, and the frames that come out of it.
pub struct Sampler {
    /// Filled frames, oldest first; give each back with [`Sampler::give_back`].
    pub frames: Receiver<Frame>,
    free: Sender<Frame>,
    stop: Arc<AtomicBool>,
    burst: BurstControl,
    armed: Arc<AtomicBool>,
    rate_hz: f64,
    pool: u32,
    taker: Taker,
    /// Whether the thread calls when there are newcomers.
    calls: bool,
    thread: JoinHandle<(RunStats, Ended)>,
}

impl Sampler {
    /// Starts sampling. All frames are allocated here, none later.
    ///
    /// # Errors
    /// If the thread can't be started.
    pub fn start(walker: Walker, options: SamplerOptions) -> std::io::Result<Sampler> {
        Sampler::start_as(walker, options, ThreadOptions::default(), None)
    }

    /// The same with wishes for the thread. With `newcomers` frames without any may wait to be taken
    /// for a second, whatever the rate.
    ///
    /// # Errors
    /// If the thread can't be started, or can't be as wished.
    pub fn start_as(
        walker: Walker,
        options: SamplerOptions,
        wishes: ThreadOptions,
        newcomers: Option<Newcomers>,
    ) -> std::io::Result<Sampler> {
        let pool = options.frames.max(2);
        let (free, free_out) = bounded(pool);
        let (full_in, frames) = bounded(pool);
        for _ in 0..pool {
            // the channel holds `pool` frames, so this can't fail
            let _ = free.try_send(walker.frame());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (burst, armed) = (BurstControl::default(), Arc::new(AtomicBool::new(false)));
        let rate_hz = options.rate_hz;
        // at high rates frames are taken soon anyway
        let newcomers = newcomers.filter(|_| waits_long(rate_hz, pool as u32));
        let signs = Signs {
            stop: stop.clone(),
            burst: burst.clone(),
            armed: armed.clone(),
        };
        let (taker, calls) = (Taker::default(), newcomers.is_some());
        let out = Out {
            full: full_in,
            newcomers,
            taker: taker.clone(),
        };
        let (told, outcome) = bounded(1);
        let thread = std::thread::Builder::new()
            .name("sampler".into())
            .spawn(move || {
                let applied = wishes.apply();
                let failed = applied.is_err();
                let _ = told.send(applied);
                if failed {
                    return (RunStats::default(), Ended::Stopped);
                }
                run(walker, &options, &free_out, out, &signs)
            })?;
        // a thread that ended without a word is told of when it is joined
        outcome.recv().unwrap_or(Ok(()))?;
        Ok(Sampler {
            frames,
            free,
            stop,
            burst,
            armed,
            rate_hz,
            pool: pool as u32,
            taker,
            calls,
            thread,
        })
    }

    /// What asks for bursts at another rate. From now on the thread wakes up more often than its
    /// rate asks for, so that a burst begins soon.
    pub fn burst_control(&self) -> BurstControl {
        self.armed.store(true, Ordering::Relaxed);
        self.burst.clone()
    }

    /// The flag by which anyone (a signal handler, the watch) stops the thread.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// The next frame, oldest first; waits for it for about `patience`. Once all are taken, it first
    /// lets some gather where that pays, without being woken by each.
    ///
    /// # Errors
    /// `Timeout`: none came. `Disconnected`: sampling has ended, and all frames are taken.
    pub fn next_frame(&self, patience: Duration) -> Result<Frame, RecvTimeoutError> {
        match self.frames.try_recv() {
            Ok(frame) => return Ok(frame),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        let rate_hz = self.rate_hz.max(self.burst.fastest_hz());
        let gather = gather(rate_hz, self.pool, self.calls).min(patience);
        if gather.is_zero() {
            return self.frames.recv_timeout(patience);
        }
        self.taker.wait(gather);
        self.frames.recv_timeout(patience - gather)
    }

    /// Gives a frame back to the pool.
    pub fn give_back(&self, frame: Frame) {
        let _ = self.free.try_send(frame);
    }

    /// Waits for the thread's end. Frames still queued are lost to the caller, so take them first.
    pub fn join(self) -> Option<(RunStats, Ended)> {
        drop(self.frames);
        self.thread.join().ok()
    }
}

/// What others tell the thread.
struct Signs {
    stop: Arc<AtomicBool>,
    burst: BurstControl,
    armed: Arc<AtomicBool>,
}

/// Where frames go.
struct Out {
    full: Sender<Frame>,
    newcomers: Option<Newcomers>,
    taker: Taker,
}

impl Out {
    /// Hands a frame over. False: nobody takes frames any more.
    fn hand_over(&mut self, frame: Frame) -> bool {
        let calls = self.newcomers.as_mut().is_some_and(|n| n.any(&frame));
        // the queue holds the whole pool, so only a vanished consumer refuses
        let taken = self.full.try_send(frame).is_ok();
        if calls {
            self.taker.call();
        }
        taken
    }
}

impl Drop for Out {
    /// Who lets frames gather is told that none comes any more.
    fn drop(&mut self) {
        self.taker.call();
    }
}

/// How a wait for a deadline ended.
enum Waited {
    Due,
    Burst,
    Stopped,
}

/// The thread: sleep, take a free frame, sweep, hand over.
fn run(
    mut walker: Walker,
    options: &SamplerOptions,
    free: &Receiver<Frame>,
    mut out: Out,
    signs: &Signs,
) -> (RunStats, Ended) {
    let mut line = Timeline::new(options.rate_hz, options.jitter, options.seed);
    let end_ns = options
        .duration
        .map(|d| line.start_ns() + d.as_nanos() as u64);
    let mut stats = RunStats::default();
    // room for the whole pool, so that nothing is allocated later
    let mut spare: Vec<Frame> = Vec::with_capacity(options.frames.max(2));
    let (mut missed, mut dropped) = (0u32, 0u32);
    let ended = loop {
        let due = line.next_due(monotonic_ns());
        if let Some(end) = end_ns.filter(|end| due.deadline_ns >= *end) {
            // periods that ended untaken since the last tick
            let left = line.periods_left(&due, end);
            stats.ticks += left;
            stats.missed += left;
            break Ended::Duration;
        }
        stats.ticks += 1 + u64::from(due.missed);
        stats.missed += u64::from(due.missed);
        missed += due.missed;
        match wait(due.deadline_ns, signs) {
            Waited::Due => {}
            Waited::Burst => {
                if line.begin_burst(&signs.burst, &due, monotonic_ns()) {
                    stats.ticks -= 1;
                    continue;
                }
                // one is under way; this wish waits for its end
                sleep_until(due.deadline_ns);
            }
            Waited::Stopped => {
                // the tick under way is not taken
                stats.ticks -= 1;
                break Ended::Stopped;
            }
        }
        // those used last first: while the consumer keeps up, the others' memory is never touched
        spare.extend(free.try_iter());
        let Some(mut frame) = spare.pop() else {
            stats.dropped += 1;
            dropped += 1;
            line.carry_tick();
            continue;
        };
        let mono_ns = monotonic_ns();
        frame.mono_ns = mono_ns;
        frame.wall_ns = wall_ns();
        walker.sweep(&mut frame, || monotonic_ns() - mono_ns);
        frame.tick = due.number;
        frame.late_ns = mono_ns.saturating_sub(due.deadline_ns);
        frame.walk_ns = monotonic_ns() - mono_ns;
        frame.missed = missed;
        frame.dropped = dropped;
        frame.weight_ns = line.take_weight_ns();
        stats.frames += 1;
        stats.late += u64::from(frame.late_ns > line.period_ns() / 10);
        stats.max_late_ns = stats.max_late_ns.max(frame.late_ns);
        stats.walk_ns += frame.walk_ns;
        (missed, dropped) = (0, 0);
        if !out.hand_over(frame) {
            stats.frames -= 1;
            stats.dropped += 1;
            break Ended::NoConsumer;
        }
    };
    (stats, ended)
}

/// Sleeps until the deadline in steps.
fn wait(deadline_ns: u64, signs: &Signs) -> Waited {
    loop {
        if signs.stop.load(Ordering::Relaxed) {
            return Waited::Stopped;
        }
        if signs.burst.is_asked() {
            return Waited::Burst;
        }
        let now = monotonic_ns();
        if now >= deadline_ns {
            return Waited::Due;
        }
        let step = match signs.armed.load(Ordering::Relaxed) {
            true => LONGEST_ARMED_SLEEP_NS,
            false => LONGEST_SLEEP_NS,
        };
        sleep_until(deadline_ns.min(now + step));
    }
}
