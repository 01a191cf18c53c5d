//! When the one who takes frames is called: mostly never, it comes by itself after a while.
//!
//! For: threads that aren't woken for each frame, which costs both more than the frame; and rows of
//! sessions that weren't there before, whose processes must be read while they are still there.
//! Not for: taking frames (`sampler`). Callers: `sampler`, `cli::record`.

use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crate::decode::Decoder;
use crate::plan::FieldRef;
use crate::walk::Frame;

/// Frames gather for so long before they are taken, if the pool allows it.
const GATHER: Duration = Duration::from_millis(50);
/// The same where newcomers are called out.
const LONG_GATHER: Duration = Duration::from_secs(1);
/// The share of the pool that may gather.
const GATHERED_SHARE: u32 = 4;

/// For how long frames may gather at a rate: not past a share of the pool, and not at all where only
/// one would come meanwhile.
pub(super) fn gather(rate_hz: f64, pool: u32, calls: bool) -> Duration {
    let frames = f64::from(pool / GATHERED_SHARE);
    // as `Pacer` limits it
    let rate_hz = rate_hz.clamp(0.001, 1e6);
    let longest = if calls { LONG_GATHER } else { GATHER };
    let time = (frames / rate_hz).min(longest.as_secs_f64());
    match time * rate_hz >= 2.0 {
        true => Duration::from_secs_f64(time),
        false => Duration::ZERO,
    }
}

/// Whether calling newcomers out lets frames gather for longer.
pub(super) fn waits_long(rate_hz: f64, pool: u32) -> bool {
    gather(rate_hz, pool, true) > GATHER
}

/// Notices rows of sessions that weren't there before, or have another owner.
#[derive(Clone, Debug)]
pub struct Newcomers {
    /// Serial number and owner.
    fields: Option<[FieldRef; 2]>,
    /// What each slot showed last.
    last: Vec<[u64; 2]>,
}

impl Newcomers {
    /// Of the rows that `decoder` decodes. Where it can't say who owns them, nobody is new.
    pub fn of(decoder: &Decoder) -> Newcomers {
        let fields = decoder.owner_fields();
        let slots = fields.map_or(0, |_| decoder.slots());
        Newcomers {
            fields,
            last: vec![[0; 2]; slots],
        }
    }

    /// Whether there is one in the frame.
    pub(super) fn any(&mut self, frame: &Frame) -> bool {
        let rows = frame.slots.iter().enumerate();
        rows.fold(false, |any, (i, slot)| {
            self.is_new(*slot, frame.row(i)) | any
        })
    }

    fn is_new(&mut self, slot: u32, words: &[u64]) -> bool {
        let (Some([serial, owner]), Some(last)) = (self.fields, self.last.get_mut(slot as usize))
        else {
            return false;
        };
        let shown = [serial.uint(words), owner.uint(words)];
        std::mem::replace(last, shown) != shown
    }
}

/// The thread that takes frames, once it has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Taker(Arc<OnceLock<Thread>>);

impl Taker {
    /// The calling thread takes frames; it waits until it is called, at most for `time`.
    pub(super) fn wait(&self, time: Duration) {
        self.0.get_or_init(std::thread::current);
        std::thread::park_timeout(time);
    }

    /// Calls it.
    pub(super) fn call(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::model::Stored;

    #[test]
    fn what_gathers_leaves_most_of_the_pool_free() {
        for rate_hz in [41.0, 100.0, 1000.0, 5000.0, 100_000.0] {
            let time = gather(rate_hz, 64, false);
            assert!(time <= GATHER, "{rate_hz} Hz");
            let frames = time.as_secs_f64() * rate_hz;
            assert!((2.0..=16.5).contains(&frames), "{rate_hz} Hz: {frames}");
        }
        for rate_hz in [f64::NAN, -1.0, 0.0, 0.001, 1.0, 10.0, 39.0] {
            assert_eq!(gather(rate_hz, 64, false), Duration::ZERO, "{rate_hz} Hz");
        }
        assert_eq!(gather(1000.0, 2, true), Duration::ZERO, "a pool of two");
        for rate_hz in [2.0, 10.0, 39.0, 1000.0] {
            let time = gather(rate_hz, 64, true);
            let frames = time.as_secs_f64() * rate_hz;
            assert!((2.0..=16.5).contains(&frames), "{rate_hz} Hz: {frames}");
            assert!(time <= LONG_GATHER, "{rate_hz} Hz");
        }
        assert_eq!(gather(1.0, 64, true), Duration::ZERO);
        assert!(waits_long(10.0, 64) && !waits_long(1000.0, 64) && !waits_long(1.0, 64));
    }

    #[test]
    fn who_waits_is_called() {
        let taker = Taker::default();
        let waiting = taker.clone();
        // far longer than any test may take
        let thread = std::thread::spawn(move || waiting.wait(Duration::from_secs(86_400)));
        while !thread.is_finished() {
            taker.call();
            std::thread::yield_now();
        }
        thread.join().unwrap();
    }

    #[test]
    fn a_session_is_new_once_and_another_in_its_slot_is_new() {
        let field = |word: u32| FieldRef::new(word * 8, 8, Stored::Uint, None);
        let mut newcomers = Newcomers {
            fields: Some([field(1), field(2)]),
            last: vec![[0; 2]; 4],
        };
        let mut any =
            |slot: u32, serial: u64, owner: u64| newcomers.is_new(slot, &[0, serial, owner]);
        assert!(any(1, 7, 100));
        assert!(!any(1, 7, 100));
        assert!(any(2, 7, 100), "another slot");
        assert!(any(1, 8, 100), "another session");
        assert!(any(1, 8, 200), "another process");
        assert!(!any(2, 7, 100), "as it was");
        assert!(!any(9, 7, 100), "no such slot");
    }
}
