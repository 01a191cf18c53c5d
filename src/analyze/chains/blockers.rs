//! Who blocks others now, from a snapshot.
//!
//! Callers: `cli` and other analyses of snapshots.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::sample::Named;

use super::follow::{End, Links, follow};
use super::graph::{Next, Route, Session, VALID, Wait, Xid, edges};

/// How many wait for one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Blocking {
    /// Sessions that wait for it directly.
    pub direct: usize,
    /// Sessions whose chain ends with it; 0 while it waits itself.
    pub final_for: usize,
    /// Whether some direct waiter is only inferred ([`Route::Inferred`]).
    pub inferred: bool,
}

/// The sessions that block others, by SID. `sessions`: rows of a snapshot, with a dump's columns.
pub fn blockers<R: Named>(sessions: &[R]) -> BTreeMap<u32, Blocking> {
    let sessions: Vec<Session> = sessions.iter().map(session).collect();
    let next = edges(&sessions);
    let mut found: BTreeMap<u32, Blocking> = BTreeMap::new();
    for step in &next {
        if let Next::Session(i, route) = step {
            let blocking = found.entry(sessions[*i].sid).or_default();
            blocking.direct += 1;
            blocking.inferred |= *route == Route::Inferred;
        }
    }
    // chains are followed for their ends alone: all labels alike
    let ways = follow(&next, &mut Links::default(), &|_| 0);
    for (i, way) in ways.iter().enumerate() {
        if let Some(End::Session(last)) = way.map(|w| w.end)
            && last != i
        {
            found.entry(sessions[last].sid).or_default().final_for += 1;
        }
    }
    found
}

fn session(row: &impl Named) -> Session {
    let number = |name: &str| row.named(name).and_then(Json::as_u64);
    let text = |name: &str| row.named(name).and_then(Json::as_str);
    let address = |name: &str| {
        let value = u64::from_str_radix(text(name)?, 16).ok()?;
        (value != 0).then_some(value)
    };
    let p = ["p1", "p2", "p3"].map(|name| number(name).unwrap_or(0));
    let lockwait = address("lockwait").is_some();
    let wait = match text("state") {
        Some("WAITING") => Wait::of(text("event"), text("wait_class"), lockwait, p),
        _ => Wait::Nobody,
    };
    Session {
        sid: number("sid").unwrap_or(0) as u32,
        serial_no: number("serial_no").unwrap_or(0) as u32,
        wait,
        in_transaction: address("taddr").is_some(),
        xid: address("xid").map(Xid::from_raw),
        blocker: number("blocking_instance")
            .zip(number("blocking_session"))
            .map(|(instance, sid)| (instance as u32, sid as u32)),
        no_blocker: text("blocking_session_status").is_some_and(|status| status != VALID),
        instance: number("sql_exec_id").map(|id| (id >> 24) as u32),
    }
}
