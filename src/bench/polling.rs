//! SQL's side: one statement asked again and again of a client that stays connected.
//!
//! Callers: [`super::run()`].

use std::sync::atomic::{AtomicBool, Ordering};

use super::client::{Client, PollError, Spent};
use super::document::Side;
use super::sampling::Pace;
use super::seen::{Eyes, look_at_csv};
use super::spread::Times;
use crate::discover::thread_cpu_ns;
use crate::sample::pacer::{monotonic_ns, sleep_until};
use crate::sample::{Jitter, Pacer};

/// The longest sleep in one go, so that a stop is noticed.
const LONGEST_SLEEP_NS: u64 = 100_000_000;

/// What a step of polling came to.
pub(super) struct Polled {
    pub(super) side: Side,
    /// Why it ended early.
    pub(super) failed: Option<PollError>,
    /// CPU that nobody is billed for: reading and parsing the client's output, ns.
    pub(super) own_ns: u64,
}

/// Polls at a rate for a time.
pub(super) fn run(
    client: &mut Client,
    statement: &str,
    all_active: bool,
    pace: Pace,
    stop: &AtomicBool,
) -> Polled {
    let own_before = thread_cpu_ns();
    let before = client.spent();
    let mut pacer = Pacer::new(pace.rate_hz, Jitter::None, 0);
    let start = pacer.start_ns();
    let end = start + u64::try_from(pace.duration.as_nanos()).unwrap_or(u64::MAX / 2);
    let (mut latency, mut late, mut eyes) = (Times::default(), Times::default(), Eyes::default());
    let mut side = Side::default();
    let (mut bytes, mut failed) = (0u64, None);
    loop {
        let due = pacer.next_due(monotonic_ns());
        if due.deadline_ns >= end || !wait(due.deadline_ns, stop) {
            break;
        }
        side.due += 1 + u64::from(due.missed);
        side.missed += u64::from(due.missed);
        let asked = monotonic_ns();
        match client.ask(statement) {
            Ok(answer) => {
                latency.add(monotonic_ns() - asked);
                late.add(asked.saturating_sub(due.deadline_ns));
                side.taken += 1;
                bytes += answer.len() as u64;
                look_at_csv(&mut eyes, answer, all_active);
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let elapsed = monotonic_ns().clamp(start + 1, end.max(start + 1)) - start;
    if failed.is_none() && !stop.load(Ordering::Relaxed) {
        // periods that ended untaken since the last poll
        let left = pacer.periods_until(end).saturating_sub(side.due);
        side.due += left;
        side.missed += left;
    }
    let after = client.spent();
    side.bytes = Some(bytes);
    side.latency_us = latency.spread();
    side.late_us = late.spread();
    side.seen = eyes.seen();
    side.failed = failed.as_ref().map(ToString::to_string);
    bill(&mut side, &before, &after, elapsed);
    Polled {
        side,
        failed,
        own_ns: thread_cpu_ns() - own_before + (after.reading_ns - before.reading_ns),
    }
}

fn bill(side: &mut Side, before: &Spent, after: &Spent, elapsed_ns: u64) {
    let server = after
        .server_ns
        .zip(before.server_ns)
        .map(|(after, before)| after.saturating_sub(before));
    let client = after.client_ns.saturating_sub(before.client_ns);
    side.bill(client, server, elapsed_ns as f64 / 1e9);
}

/// Sleeps until the deadline; false when it is to stop.
fn wait(deadline_ns: u64, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let now = monotonic_ns();
        if now >= deadline_ns {
            return true;
        }
        sleep_until(deadline_ns.min(now + LONGEST_SLEEP_NS));
    }
}
