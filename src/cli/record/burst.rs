//! Bursts: what is sampled at another rate for a short time because a trigger fired.
//!
//! For: judging each tick, asking the sampler for a burst, and the minute before it: one look a
//! second at all sessions, idle ones too, is kept in memory and written to the table `preceding` when
//! a burst begins. Not for: the grammar (`analyze::trigger`). Callers: `writer`.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::array::RecordBatch;

use super::super::Failure;
use super::options::Burst;
use crate::analyze::trigger::Trigger;
use crate::decode::Decoder;
use crate::decode::columns::{needs_of, sample_columns};
use crate::sample::pacer::monotonic_ns;
use crate::sample::{Attachment, BurstControl, Owners, SampleRows};
use crate::walk::{Frame, Select, Walker};

/// Time between two looks at all sessions, ns.
const LOOK_NS: u64 = 1_000_000_000;
/// Time that is kept, ns.
const KEPT_NS: u64 = 60_000_000_000;
/// Bytes that are kept; past this the oldest look goes.
const KEPT_BYTES: usize = 64 << 20;
/// A burst begins at most so much later than it was asked for, ns.
const SLACK_NS: u64 = 200_000_000;

/// What became of a tick.
pub(super) enum Judged {
    /// Nothing.
    Calm,
    /// A burst begins, for this reason.
    Begun(String),
    /// One has ended; so many ticks were taken since it began.
    Ended(u64),
}

/// The trigger of one attachment, and how it stands.
pub(super) struct Bursts {
    trigger: Trigger,
    options: Burst,
    control: BurstControl,
    /// When the one under way ends (CLOCK_MONOTONIC ns), and its ticks so far.
    under_way: Option<(u64, u64)>,
    /// When the next may begin.
    armed_at_ns: u64,
    preceding: Preceding,
}

impl Bursts {
    /// Binds a trigger to an attachment.
    pub(super) fn of(
        attachment: &Attachment,
        options: &Burst,
        control: BurstControl,
    ) -> Result<Bursts, Failure> {
        let trigger = Trigger::bind(&options.trigger, &sample_columns())
            .map_err(|e| Failure::new(super::super::Exit::Usage, e.to_string()))?;
        Ok(Bursts {
            trigger,
            options: options.clone(),
            control,
            under_way: None,
            armed_at_ns: 0,
            preceding: Preceding::of(attachment)?,
        })
    }

    /// Judges a tick, which `decoder` decodes with the columns of recordings.
    pub(super) fn look(&mut self, frame: &Frame, decoder: &mut Decoder) -> Judged {
        let why = self.trigger.look(frame, decoder);
        let now = frame.mono_ns;
        if let Some((end_ns, ticks)) = &mut self.under_way {
            if now < *end_ns {
                *ticks += 1;
                return Judged::Calm;
            }
            let ticks = *ticks;
            self.under_way = None;
            return Judged::Ended(ticks);
        }
        self.preceding.look(frame);
        let Some(why) = why.filter(|_| now >= self.armed_at_ns) else {
            return Judged::Calm;
        };
        let nanos = |time: Duration| time.as_nanos() as u64;
        self.control
            .begin(self.options.rate_hz, self.options.length);
        self.under_way = Some((now + nanos(self.options.length) + SLACK_NS, 0));
        self.armed_at_ns = now + nanos(self.options.every.max(self.options.length));
        Judged::Begun(why)
    }

    /// The looks of the minute before, which are given once.
    pub(super) fn take_preceding(&mut self) -> Vec<RecordBatch> {
        self.preceding.take()
    }
}

/// The last minute, one look a second.
struct Preceding {
    walker: Walker,
    frame: Frame,
    decoder: Decoder,
    owners: Owners,
    rows: SampleRows,
    /// When each was taken (CLOCK_MONOTONIC ns), and its rows.
    looks: VecDeque<(u64, RecordBatch)>,
    bytes: usize,
}

impl Preceding {
    fn of(attachment: &Attachment) -> Result<Preceding, Failure> {
        let columns = sample_columns();
        let bound = attachment.bind_sessions(&needs_of(&columns))?;
        let owners = Owners::new(attachment);
        let context = owners.context().watching(bound.rows.len());
        let decoder = Decoder::within(&attachment.blueprint, &bound, &columns, context);
        let walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
        let id = &attachment.blueprint.id;
        Ok(Preceding {
            frame: walker.frame(),
            rows: SampleRows::new(&decoder, &attachment.name, id),
            walker,
            decoder,
            owners,
            looks: VecDeque::new(),
            bytes: 0,
        })
    }

    /// Looks at all sessions if the last look is a second ago. `tick` is the tick just taken.
    fn look(&mut self, tick: &Frame) {
        let last = self.looks.back().map(|l| l.0);
        if last.is_some_and(|last| tick.mono_ns < last + LOOK_NS) {
            return;
        }
        let frame = &mut self.frame;
        let start = monotonic_ns();
        frame.mono_ns = start;
        frame.wall_ns = tick.wall_ns + (start - tick.mono_ns) as i64;
        frame.tick = tick.tick;
        frame.weight_ns = LOOK_NS;
        self.walker.sweep(frame, || monotonic_ns() - start);
        self.owners.look(frame, &mut self.decoder);
        self.rows.append(frame, &mut self.decoder);
        match self.rows.take() {
            Ok((samples, _)) => {
                self.bytes += samples.get_array_memory_size();
                self.looks.push_back((start, samples));
            }
            Err(error) => tracing::warn!(%error, "rows that don't fit; this is a defect"),
        }
        let old = |l: &(u64, RecordBatch)| l.0 + KEPT_NS < start;
        while self.looks.front().is_some_and(old) || self.bytes > KEPT_BYTES {
            let Some((_, gone)) = self.looks.pop_front() else {
                break;
            };
            self.bytes -= gone.get_array_memory_size();
        }
    }

    fn take(&mut self) -> Vec<RecordBatch> {
        self.bytes = 0;
        self.looks.drain(..).map(|(_, batch)| batch).collect()
    }
}
