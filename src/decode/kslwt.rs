//! Wait columns from X$KSLWT's fields, where a blueprint knows them (11.1 and later compute them).
//!
//! The recipes are GV$SESSION's text of 11.1 and later. Oracle's ROUND is half up.
//!
//! Callers: `core`.

use super::columns::Special;
use super::core::Core;
use super::value::Value;

impl Core {
    fn in_wait(&self, words: &[u64]) -> bool {
        Self::get(self.fields.in_wait, words) != 0
    }

    fn wait_flags(&self, words: &[u64]) -> u64 {
        Self::get(self.fields.wait_flags, words)
    }

    /// SECONDS_IN_WAIT.
    pub(super) fn kslwt_seconds(&self, words: &[u64]) -> u64 {
        let waited = Self::get(self.fields.wait_micros, words);
        let since = match self.in_wait(words) {
            true => 0,
            false => Self::get(self.fields.since_micros, words),
        };
        waited.saturating_add(since).saturating_add(500_000) / 1_000_000
    }

    /// STATE and WAIT_TIME.
    pub(super) fn kslwt_state<'a>(&self, words: &[u64], special: Special) -> Value<'a> {
        let waited = Self::get(self.fields.wait_micros, words);
        let centis = (waited.saturating_add(5_000) / 10_000) as i64;
        let known = self.wait_flags(words) & 256 != 0;
        let (state, time) = match (self.in_wait(words), known, centis) {
            (true, _, _) => ("WAITING", 0),
            (false, false, _) => ("WAITED UNKNOWN TIME", -2),
            (false, true, 0) => ("WAITED SHORT TIME", -1),
            (false, true, centis) => ("WAITED KNOWN TIME", centis),
        };
        match special {
            Special::State => Value::Text(state.into()),
            _ => Value::Int(time),
        }
    }

    /// TIME_REMAINING_MICRO: null outside a wait, 0 when its time is over, -1 without a limit.
    pub(super) fn time_remaining<'a>(&self, words: &[u64]) -> Value<'a> {
        if !self.in_wait(words) {
            Value::Null
        } else if self.wait_flags(words) & 64 != 0 {
            Value::Int(0)
        } else {
            Value::Int(self.fields.remaining.map_or(0, |f| f.int(words)))
        }
    }
}
