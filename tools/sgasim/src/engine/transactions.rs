//! Transactions: rows of X$KTCXB, row locks, sessions that block each other, commits.
//!
//! Part of the engine. Each session slot has one transaction row; its columns lie where the executable's own X$KTCXB
//! says (places not public), so a reader learns them from there.

use super::fields::Num;
use super::stage::{IN_USE, Stage};
use super::{Engine, Step};
use crate::exe::ColSpec;

/// Mean wait for a commit, unstretched, in microseconds.
const COMMIT: f64 = 1_200.0;
/// P1 of a TX enqueue in mode 6.
const TX_EXCLUSIVE: u64 = 0x5458_0006;
/// Slots of a transaction table in an undo segment header.
const UNDO_SLOTS: u64 = 34;

/// Transaction id: undo segment, slot of its transaction table, sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Xid {
    /// XIDUSN.
    pub usn: u64,
    /// XIDSLOT.
    pub slot: u64,
    /// XIDSQN.
    pub sqn: u64,
}

impl Xid {
    /// The id of the `n`th transaction of session slot `i`: no two open ones share segment and slot.
    pub fn nth(i: usize, n: u64) -> Xid {
        Xid {
            usn: 1 + i as u64 / UNDO_SLOTS,
            slot: i as u64 % UNDO_SLOTS,
            sqn: 1_000 + n,
        }
    }

    /// P1 to P3 of a wait for its TX enqueue; `p1` is the name and the mode.
    pub fn parameters(self, p1: u64) -> [u64; 3] {
        [p1, self.usn << 16 | self.slot, self.sqn]
    }
}

impl Stage {
    /// Fills the transaction row of session slot `i` and points TADDR to it.
    pub fn open_transaction(&mut self, i: usize, xid: Xid) {
        let session = self.instance.places.sessions[i];
        for (column, value) in [
            ("KTCXBSES", session),
            ("KTCXBFLG", 0xe03),
            ("KXIDUSN", xid.usn),
            ("KXIDSLT", xid.slot),
            ("KXIDSQN", xid.sqn),
            ("KSSOBFLG", IN_USE),
        ] {
            self.put_transaction(i, column, value);
        }
        self.transactions[i] = Some(xid);
        let address = self.instance.places.transactions[i];
        self.put(i, Num::Transaction, address);
    }

    /// Clears TADDR of session slot `i`; the transaction row keeps its old values but for the flag.
    pub fn close_transaction(&mut self, i: usize) {
        self.put(i, Num::Transaction, 0);
        self.put_transaction(i, "KSSOBFLG", 0);
        self.transactions[i] = None;
    }

    /// Sets a column of the transaction row of session slot `i`, at the place that the executable says.
    pub fn put_transaction(&mut self, i: usize, column: &str, value: u64) {
        let tables = &self.instance.exe.tables;
        let table = tables.iter().find(|t| t.name == "X$KTCXB");
        let place = table.and_then(|t| t.columns.iter().find(|c| c.name == column));
        if let Some(&ColSpec { off, siz, .. }) = place {
            let row = self.instance.places.transactions[i];
            self.instance
                .memory
                .store(row + u64::from(off), siz as u32, value);
            self.wait();
        }
    }
}

impl Engine {
    /// Asks for a row lock: gets it, or waits for its holder.
    pub(super) fn lock(&mut self, i: usize) {
        let n = self.random.below(self.locks.len() as u64) as usize;
        self.minds[i].row = Some(n);
        if self.locks.request(n, i) {
            self.stage.begin();
            self.start_transaction(i);
            self.stage.finish(i, "lock");
            return self.run(i);
        }
        let row = self.locks.row(n).clone();
        let enqueue = self.stage.instance.places.enqueues[i];
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
        self.await_holder(i, row.holder.unwrap_or(i));
        self.stage.finish(i, "block");
        self.minds[i].step = Step::Blocked;
        // Voids the appointment: the holder's commit ends this wait.
        self.minds[i].generation = self.minds[i].generation.wrapping_add(1);
    }

    /// Session `i` begins to wait for the transaction of `holder`.
    pub(super) fn await_holder(&mut self, i: usize, holder: usize) {
        let xid = self.stage.transactions[holder].unwrap_or_default();
        let event = self.numbers.row_lock;
        self.start_wait(i, event, xid.parameters(TX_EXCLUSIVE));
    }

    pub(super) fn start_transaction(&mut self, i: usize) {
        self.minds[i].transactions += 1;
        let xid = Xid::nth(i, self.minds[i].transactions);
        self.stage.open_transaction(i, xid);
    }

    /// Gives up the row of session `i`; the next waiter gets it and runs on, the others wait for that one.
    pub(super) fn unlock(&mut self, i: usize) {
        let Some(row) = self.minds[i].row.take() else {
            return;
        };
        let Some(next) = self.locks.release(row) else {
            return;
        };
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
            ],
        );
        self.start_transaction(next);
        self.stage.finish(next, "unblock");
        self.run(next);
        for waiter in self.locks.waiters(row) {
            // Two changes: between them the session is seen outside a wait.
            self.stage.begin();
            self.end_wait(waiter);
            self.stage.finish(waiter, "unblock");
            self.stage.begin();
            self.await_holder(waiter, next);
            self.stage.finish(waiter, "block");
        }
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
        self.stage.close_transaction(i);
        self.stage.finish(i, "committed");
        self.stage.count(i, self.numbers.user_commits, 1);
        let redo = 400 + self.random.below(4_000);
        self.stage.count(i, self.numbers.redo_size, redo);
        self.unlock(i);
        self.run(i);
    }
}
