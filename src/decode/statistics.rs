//! Raw counters to the values that V$SESSTAT and V$SESS_IO show.
//!
//! Not for: which counters a statistic needs (`plan::statistics`), reading them
//! (`sample::statistics`).

use crate::plan::Counter;

/// A column that is a statistic under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatisticColumn {
    /// Name in dumps.
    pub name: &'static str,
    /// NAME in V$STATNAME.
    pub statistic: &'static str,
    /// One line for people, with the unit.
    pub help: &'static str,
}

/// V$SESS_IO's columns (Oracle Reference, V$SESS_IO), then memory and temporary space of the
/// session.
#[rustfmt::skip] // a table: one line a column
pub const SESSION_IO: &[StatisticColumn] = &[
    StatisticColumn { name: "block_gets", statistic: "db block gets", help: "current blocks read, blocks" },
    StatisticColumn { name: "consistent_gets", statistic: "consistent gets", help: "consistent blocks read, blocks" },
    StatisticColumn { name: "physical_reads", statistic: "physical reads", help: "blocks read from disk" },
    StatisticColumn { name: "block_changes", statistic: "db block changes", help: "changes of current blocks" },
    StatisticColumn { name: "consistent_changes", statistic: "consistent changes", help: "undo records applied for consistent blocks" },
    StatisticColumn { name: "optimized_physical_reads", statistic: "physical read requests optimized", help: "reads from flash cache" },
    StatisticColumn { name: "temp_space_allocated", statistic: "temp space allocated (bytes)", help: "temporary space held now, bytes" },
    StatisticColumn { name: "session_pga_memory", statistic: "session pga memory", help: "PGA held now, bytes" },
];

/// The value that V$SESSTAT shows, from a session's words. Counters wrap at 64 bits.
pub fn shown(counter: &Counter, words: &[u64]) -> u64 {
    let own = counter
        .words
        .iter()
        .map(|w| words.get(*w as usize).copied().unwrap_or(0));
    let raw = if counter.is_maximum {
        own.max().unwrap_or(0)
    } else {
        own.fold(0, u64::wrapping_add)
    };
    raw.checked_div(counter.divisor).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(words: &[u32], divisor: u64, is_maximum: bool) -> Counter {
        Counter {
            name: "a".into(),
            number: 0,
            words: words.to_vec(),
            divisor,
            is_maximum,
        }
    }

    #[test]
    fn sums_maxima_and_units() {
        let words = [5, 70, u64::MAX, 1_239_999];
        assert_eq!(shown(&counter(&[1, 0], 1, false), &words), 75);
        assert_eq!(shown(&counter(&[1, 0], 1, true), &words), 70);
        assert_eq!(
            shown(&counter(&[3], 10_000, false), &words),
            123,
            "µs to cs"
        );
        assert_eq!(shown(&counter(&[2, 0], 1, false), &words), 4, "wraps");
        assert_eq!(shown(&counter(&[9], 0, false), &words), 0, "nothing there");
    }
}
