//! Transactions: row locks, sessions that block each other, commits.
//!
//! Part of the engine.

use super::fields::Num;
use super::{Engine, Step};

/// Mean wait for a commit, unstretched, in microseconds.
const COMMIT: f64 = 1_200.0;
/// P1 of a TX enqueue in mode 6.
const TX_EXCLUSIVE: u64 = 0x5458_0006;

impl Engine {
    /// Asks for a row lock: gets it, or waits for its holder.
    pub(super) fn lock(&mut self, i: usize) {
        let n = self.random.below(self.locks.len() as u64) as usize;
        self.minds[i].row = Some(n);
        if self.locks.request(n, i) {
            let transaction = self.transaction(i);
            self.stage.begin();
            self.stage.put(i, Num::Transaction, transaction);
            self.stage.finish(i, "lock");
            return self.run(i);
        }
        let row = self.locks.row(n).clone();
        let holder = row.holder.unwrap_or(i);
        let p2 = (1 + holder as u64 % 10) << 16 | (holder as u64 % 34);
        let p3 = 1_000 + self.minds[holder].transactions;
        let enqueue = self.stage.instance.places.enqueues[i];
        let event = self.numbers.row_lock;
        self.stage.begin();
        self.stage.put_all(
            i,
            &[
                (Num::RowObject, row.object),
                (Num::RowFile, row.file),
                (Num::RowBlock, row.block),
                (Num::RowSlot, row.slot),
                (Num::LockWait, enqueue),
            ],
        );
        self.start_wait(i, event, [TX_EXCLUSIVE, p2, p3]);
        self.stage.finish(i, "block");
        self.minds[i].step = Step::Blocked;
        // Voids the appointment: the holder's commit ends this wait.
        self.minds[i].generation = self.minds[i].generation.wrapping_add(1);
    }

    fn transaction(&mut self, i: usize) -> u64 {
        self.minds[i].transactions += 1;
        self.stage.instance.places.transactions[i]
    }

    /// Gives up the row of session `i`; the next waiter gets it and runs on.
    pub(super) fn unlock(&mut self, i: usize) {
        let Some(next) = self.minds[i]
            .row
            .take()
            .and_then(|row| self.locks.release(row))
        else {
            return;
        };
        let transaction = self.transaction(next);
        self.stage.begin();
        self.end_wait(next);
        self.stage.put_all(
            next,
            &[
                (Num::LockWait, 0),
                (Num::RowObject, u64::MAX),
                (Num::RowFile, 0),
                (Num::RowBlock, 0),
                (Num::RowSlot, 0),
                (Num::Transaction, transaction),
            ],
        );
        self.stage.finish(next, "unblock");
        self.run(next);
    }

    pub(super) fn commit(&mut self, i: usize) {
        let event = self.numbers.commit;
        let p = [self.random.below(9_000), self.random.below(1 << 31), 0];
        self.stage.begin();
        self.stage.put(i, Num::Command, 44);
        self.start_wait(i, event, p);
        self.stage.finish(i, "commit");
        self.minds[i].step = Step::Committing;
        let time = self.stretched(COMMIT);
        self.appoint(i, time);
    }

    pub(super) fn committed(&mut self, i: usize) {
        self.stage.begin();
        self.end_wait(i);
        self.stage.put(i, Num::Transaction, 0);
        self.stage.finish(i, "committed");
        self.stage.count(i, self.numbers.user_commits, 1);
        let redo = 400 + self.random.below(4_000);
        self.stage.count(i, self.numbers.redo_size, redo);
        self.unlock(i);
        self.run(i);
    }
}
