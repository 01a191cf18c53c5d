//! Values for the columns of a revealed layout: every code and both sides of every condition occur.
//!
//! Only `pmon` calls it, when the workload stands still.

use std::sync::Arc;

use crate::engine::fields::{Num, Text};
use crate::engine::stage::{Stage, USER};
use crate::expected::process_address;

const GROUPS: &[&str] = &["OTHER_GROUPS", "SYS_GROUP", "BATCH_GROUP", "", "Größe_L"];
const SERVICES: &[&str] = &[
    "SYS$USERS",
    "SYS$BACKGROUND",
    "sales.example.com",
    "pdb_größe",
];
/// KSUSEBLOCKER without a blocker: three that mean unknown, no holder, not in wait.
const CODES: &[u64] = &[
    4_294_967_295,
    4_294_967_294,
    4_294_967_293,
    4_294_967_292,
    4_294_967_291,
];

/// Gives every session in use its values.
pub fn dress(stage: &mut Stage) {
    if !stage.instance.layout.is_revealed() {
        return;
    }
    for i in 0..stage.sessions.len() {
        if stage.sessions[i].is_in_use() {
            stage.begin();
            session(stage, i);
            stage.finish(i, "dress");
        }
    }
}

fn session(stage: &mut Stage, i: usize) {
    let n = i as u64;
    let bits = stage.instance.layout.blocker_bits();
    let sessions = stage.sessions.len() as u64;
    let blocker = |k: u64| match CODES.get((k % 8) as usize) {
        Some(code) => *code,
        None => (1 + k % 4) << bits | (1 + k * 7 % sessions),
    };
    let s = &stage.sessions[i];
    let user = s.num(Num::Flags) & USER != 0;
    let (module, action) = (s.module.clone(), s.action.clone());
    let hashes = (u64::from(s.module_hash), u64::from(s.action_hash));
    let process = process_address(stage, s);
    let [waited, since, flags, left] = wait(n, s.is_waiting());
    let in_wait = u64::from(s.is_waiting());
    stage.put_all(
        i,
        &[
            (Num::Process, process),
            (Num::WaitMicros, waited),
            (Num::SinceMicros, since),
            (Num::Remaining, left),
            (Num::InWait, in_wait),
            (Num::WaitFlags, flags),
            (Num::ServerType, n % 5),
            (Num::ParallelOptions, n % 64),
            (Num::QueueSeconds, n % 7),
            (Num::CallSeconds, 3 + n % 1000),
            (Num::WaitSeconds, n % 500),
            (Num::Blocker, blocker(n)),
            (Num::FinalBlocker, blocker(n / 3)),
            (Num::ModuleHash, hashes.0),
            (Num::ActionHash, hashes.1),
            (Num::ContainerId, if user { 1 + n % 5 } else { 0 }),
        ],
    );
    let group = GROUPS[i % GROUPS.len()];
    let service = SERVICES[i % SERVICES.len()];
    stage.text(i, Text::Group, &Arc::from(group));
    stage.text(i, Text::Service, &Arc::from(service));
    stage.text(i, Text::Module, &module);
    stage.text(i, Text::Action, &action);
}

/// KSLWTSTIME, KSLWTLTIME, KSLWTFLAGS, KSLWTTREM.
fn wait(n: u64, waiting: bool) -> [u64; 4] {
    if waiting {
        let left = [u64::MAX, 5_000 * n][(n % 2) as usize];
        let over = if n.is_multiple_of(3) { 64 } else { 0 };
        return [1_000_000 * (n % 400) + 203_435 + n, 0, over, left];
    }
    let waited = [3, 4_999, 5_000, 3_612_034][(n % 4) as usize];
    let known = if n.is_multiple_of(5) { 0 } else { 256 };
    [waited, 1_000 * n, known, 0]
}
