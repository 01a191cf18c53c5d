//! Which keys of a side table were given out in which hour.
//!
//! For: giving each key's row once in every UTC hour in which it is sampled, so that each hour of a
//! recording stands by itself. Memory is bounded however long a recorder runs.
//!
//! Callers: `keyed`, `events`.

use std::collections::HashSet;

const HOUR_US: i64 = 3_600_000_000;
/// Hours remembered: the clock may step back a little, and forward again.
const HOURS: usize = 3;
/// Keys remembered for an hour. More are given out twice, which readers bear.
const MAX_KEYS: usize = 1 << 20;

/// The UTC hour of a time in microseconds since the epoch, counted from there.
pub(super) fn hour_of(time_us: i64) -> i64 {
    time_us.div_euclid(HOUR_US)
}

/// Keys given out, by hour; the hour used last is the last.
#[derive(Default)]
pub(super) struct Written {
    hours: Vec<(i64, HashSet<i64>)>,
}

impl Written {
    /// Whether this is the first time for `key` in `hour`; from now on it isn't.
    pub(super) fn is_first(&mut self, hour: i64, key: i64) -> bool {
        match self.hours.iter().position(|(h, _)| *h == hour) {
            Some(at) if at + 1 == self.hours.len() => {}
            Some(at) => {
                let known = self.hours.remove(at);
                self.hours.push(known);
            }
            None => {
                if self.hours.len() == HOURS {
                    self.hours.remove(0);
                }
                self.hours.push((hour, HashSet::new()));
            }
        }
        let Some((_, keys)) = self.hours.last_mut() else {
            return true;
        };
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.insert(key)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.hours.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_first_once_in_each_hour() {
        let mut written = Written::default();
        assert!(written.is_first(1, 7) && !written.is_first(1, 7));
        assert!(written.is_first(2, 7) && written.is_first(2, 8));
        assert!(!written.is_first(1, 7), "the clock stepped back");
        assert!(!written.is_first(2, 8), "and forward again");
        for hour in 3..50 {
            assert!(written.is_first(hour, 7));
            assert!(written.hours.len() <= HOURS);
        }
        written.clear();
        assert!(written.is_first(49, 7));
    }

    #[test]
    fn hours_are_utc_hours() {
        assert_eq!(hour_of(HOUR_US - 1), 0);
        assert_eq!(hour_of(HOUR_US), 1);
        assert_eq!(hour_of(-1), -1);
    }
}
