//! The scripted sessions of a calibration: some sessions get values by which columns can be told apart that a plain
//! workload keeps equal (a schema other than the user's, a proxy user, editions, owners).
//!
//! Only `pmon` calls it.

use std::sync::Arc;

use crate::engine::Xid;
use crate::engine::fields::{Num, Text};
use crate::engine::stage::{BUSY, NO_CHILD, SNIPED, Stage, epoch_seconds};

/// Gives a third of the logged-on sessions settings of their own, and lets another third sleep in a call, some of them
/// in PL/SQL or waiting for a row.
pub fn diversify(stage: &mut Stage) {
    for i in 0..stage.sessions.len() {
        let session = &stage.sessions[i];
        if !session.is_in_use() || session.num(Num::UserNo) == 0 {
            continue;
        }
        stage.begin();
        match i % 3 {
            0 => settings(stage, i),
            1 if stage.sessions[i].num(Num::PrevAddress) != 0 => call(stage, i),
            // The profile's IDLE_TIME has ended it.
            2 if i % 7 == 2 && stage.sessions[i].num(Num::Idle) == 0 => {
                stage.put(i, Num::Idle, SNIPED);
            }
            _ => {}
        }
        stage.finish(i, "script");
    }
}

fn settings(stage: &mut Stage, i: usize) {
    let n = i as u64 % 17;
    let user = stage.sessions[i].num(Num::UserNo);
    let processes = &stage.instance.places.processes;
    let creator = processes[(i * 7 + 3) % processes.len()];
    stage.put_all(
        i,
        &[
            (Num::SchemaNo, user + 20 + n),
            (Num::UserId, user + 300 + n),
            (Num::Edition, 133 + n),
            (Num::OwnerId, (1 << 16) + 40 + n),
            (Num::TranslationProfile, 70_000 + n),
            (Num::Creator, creator),
            (Num::CreatorSerial, 2 + 3 * n),
        ],
    );
    if i.is_multiple_of(2) {
        on_cpu(stage, i);
    }
    stage.text(i, Text::Schema, &Arc::from(format!("SCHEMA_{n}")));
    stage.text(i, Text::UserName, &Arc::from(format!("PROXY_{}", n % 5)));
    stage.text(i, Text::Ecid, &Arc::from(format!("0000Oe{n:02}^77,0:{n}")));
}

fn call(stage: &mut Stage, i: usize) {
    let n = i as u64 % 13;
    let places = &stage.instance.places;
    let enqueue = places.enqueues[i];
    let session = &stage.sessions[i];
    if session.num(Num::SqlAddress) == 0 {
        let previous = [Num::PrevAddress, Num::PrevHigh, Num::PrevHash].map(|f| session.num(f));
        let now = epoch_seconds();
        stage.put_all(
            i,
            &[
                (Num::SqlAddress, previous[0]),
                (Num::SqlHigh, previous[1]),
                (Num::SqlHash, previous[2]),
                (Num::SqlChild, n % 4),
                (Num::SqlStart, now - 5 - n),
                (Num::SqlExec, (1 << 24) + 100 + i as u64),
                (Num::Command, [2, 3, 6, 7][n as usize % 4]),
                (Num::Idle, BUSY),
                (Num::PrevAddress, 0),
                (Num::PrevHigh, 0),
                (Num::PrevHash, 0),
                (Num::PrevChild, NO_CHILD),
                (Num::PrevStart, 0),
                (Num::PrevExec, 0),
            ],
        );
    }
    stage.put_all(
        i,
        &[
            (Num::TimeModel, 1 << 10 | 1 << 11),
            (Num::EntryObject, 20_000 + n),
            (Num::EntrySubprogram, 1 + n % 5),
            (Num::Object, 20_300 + 2 * n),
            (Num::Subprogram, 6 + n % 7),
        ],
    );
    if stage.transactions[i].is_none() {
        stage.open_transaction(i, Xid::nth(i, 500 + n));
    }
    if i % 2 == 1 {
        on_cpu(stage, i);
    } else {
        stage.put_all(
            i,
            &[
                (Num::LockWait, enqueue),
                (Num::RowObject, 73_000 + n),
                (Num::RowFile, 4 + n),
                (Num::RowBlock, 640 + 11 * n),
                (Num::RowSlot, 1 + n),
            ],
        );
    }
}

/// The last wait has ended.
fn on_cpu(stage: &mut Stage, i: usize) {
    let n = i as u64 % 13;
    let ended = [u64::from(u32::MAX), 10_000 + 700 * n][n as usize % 2];
    stage.put_all(
        i,
        &[
            (Num::WaitTime, ended),
            (Num::P1, 900 + n),
            (Num::P2, 77_000 + 3 * n),
            (Num::P3, 5 + n),
        ],
    );
}
