//! Row locks: who holds one, who waits for it.
//!
//! A session holds or awaits at most one row, so there are no deadlocks. It writes nothing; only the engine uses it.

use std::collections::VecDeque;

/// A row that sessions fight for.
#[derive(Clone, Debug)]
pub struct HotRow {
    /// Object number.
    pub object: u64,
    /// Relative file number.
    pub file: u64,
    /// Block number.
    pub block: u64,
    /// Row in the block.
    pub slot: u64,
    /// Session slot of the holder.
    pub holder: Option<usize>,
    waiters: VecDeque<usize>,
}

/// All hot rows.
#[derive(Debug)]
pub struct Locks {
    rows: Vec<HotRow>,
}

impl Locks {
    /// `count` free rows.
    pub fn new(count: usize) -> Locks {
        let rows = (0..count as u64).map(|n| HotRow {
            object: 73_219 + n / 3,
            file: 12,
            block: 207 + 8 * n,
            slot: n % 40,
            holder: None,
            waiters: VecDeque::new(),
        });
        Locks {
            rows: rows.collect(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row by its number.
    pub fn row(&self, row: usize) -> &HotRow {
        &self.rows[row]
    }

    /// Sessions that wait for the row, in their order.
    pub fn waiters(&self, row: usize) -> Vec<usize> {
        self.rows[row].waiters.iter().copied().collect()
    }

    /// Takes the row for a session, or queues the session; true when it got the row.
    pub fn request(&mut self, row: usize, session: usize) -> bool {
        let row = &mut self.rows[row];
        if row.holder.is_none() {
            row.holder = Some(session);
            return true;
        }
        row.waiters.push_back(session);
        false
    }

    /// Gives the row to the first waiter, which is returned.
    pub fn release(&mut self, row: usize) -> Option<usize> {
        let row = &mut self.rows[row];
        row.holder = row.waiters.pop_front();
        row.holder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_get_the_row_in_their_order() {
        let mut locks = Locks::new(2);
        assert!(locks.request(1, 7));
        assert!(!locks.request(1, 8));
        assert!(!locks.request(1, 9));
        assert_eq!(locks.row(1).holder, Some(7));
        assert_eq!(locks.waiters(1), [8, 9]);
        assert_eq!(locks.release(1), Some(8));
        assert_eq!(locks.waiters(1), [9]);
        assert_eq!(locks.release(1), Some(9));
        assert_eq!(locks.release(1), None);
        assert_eq!(locks.row(1).holder, None);
    }
}
