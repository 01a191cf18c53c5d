//! Random lock graphs: who waits for whom in a paused instance, with the truth about it.
//!
//! For: tests of wait chains. A graph replaces the state of all user sessions: trees and chains of waiters, holders that
//! are idle, on CPU or in another wait, deadlocks that nobody has noticed yet, waiters whose holder is no session or is
//! told by no wait parameter, and sessions that look like either and aren't. Part of the engine, whose workload can't
//! go on afterwards.

use serde_json::{Value, json};

use super::fields::Num;
use super::population::CLIENT_PARAMETERS;
use super::random::Random;
use super::stage::{BUSY, NO_CHILD};
use super::{Engine, Xid};
use crate::layout::Layout;

/// Longest chain in sessions, the final blocker included.
const LONGEST: u64 = 31;
/// KSUSEBLOCKER of a wait whose blocker isn't known, that has none, and of no wait.
const UNKNOWN: u64 = 0xffff_ffff;
const NO_HOLDER: u64 = 0xffff_fffc;
const NOT_IN_WAIT: u64 = 0xffff_fffb;

/// Enqueues whose P2 and P3 are the holder's transaction: event, mode.
const TRANSACTIONS: [(&str, u64); 5] = [
    ("enq: TX - row lock contention", 6),
    ("enq: TX - row lock contention", 6),
    ("enq: TX - row lock contention", 4),
    ("enq: TX - allocate ITL entry", 4),
    ("enq: TX - index contention", 4),
];
/// Waits for another session that no parameter names: event, P1.
const OTHERS: [(&str, u64); 3] = [
    ("enq: TM - contention", 0x544d_0006),
    ("enq: UL - contention", 0x554c_0006),
    ("library cache lock", 0x7f3e_4410),
];

/// One wait of one session for another.
#[derive(Clone, Copy, Debug)]
struct Edge {
    waiter: usize,
    /// None: the transaction is no session's (a distributed one in doubt).
    holder: Option<usize>,
    event: &'static str,
    p1: u64,
}

impl Edge {
    fn is_transaction(&self) -> bool {
        self.p1 >> 16 == 0x5458
    }
}

impl Engine {
    /// Sets the graph of a seed and returns the truth about it.
    pub fn set_graph(&mut self, seed: u64) -> Value {
        let mut random = Random::new(seed);
        let mut users: Vec<usize> = (0..self.stage.sessions.len())
            .filter(|i| {
                let session = &self.stage.sessions[*i];
                session.is_in_use() && session.kind() == "USER"
            })
            .collect();
        for k in (1..users.len()).rev() {
            users.swap(k, random.below(k as u64 + 1) as usize);
        }
        self.graph_set = true;
        let edges = edges(&users, &mut random);
        self.clear(&users, &mut random);
        self.open(&users, &edges, &mut random);
        self.wait_for_holders(&edges, &mut random);
        let place = blocker_place(&self.stage.instance.layout);
        self.blockers(&edges, place);
        truth(self, seed, &edges, place)
    }

    /// Everybody idle, on CPU or reading a block; nobody in a transaction.
    fn clear(&mut self, users: &[usize], random: &mut Random) {
        for &i in users {
            self.stage.begin();
            self.stage.close_transaction(i);
            self.stage.put_all(
                i,
                &[
                    (Num::LockWait, 0),
                    (Num::Idle, BUSY),
                    (Num::SqlChild, NO_CHILD),
                ],
            );
            match random.below(4) {
                0 => self.start_wait(i, self.event("db file sequential read"), [4, 128, 1]),
                1 => self.stage.put(i, Num::WaitTime, 900),
                _ => {
                    self.stage.put(i, Num::Idle, 0);
                    self.start_wait(i, self.numbers.client, CLIENT_PARAMETERS);
                }
            }
            self.stage.finish(i, "graph");
        }
    }

    /// Transactions of all holders, of most waiters, and of some that nobody waits for.
    fn open(&mut self, users: &[usize], edges: &[Edge], random: &mut Random) {
        let strangers = random.below(2) * random.below(8);
        for (k, &i) in users.iter().rev().enumerate() {
            let holds = edges.iter().any(|e| e.holder == Some(i));
            let waits = edges.iter().any(|e| e.waiter == i);
            let stranger = (k as u64) < strangers;
            if holds || stranger || (waits && random.once_in(3)) {
                self.stage.begin();
                self.stage
                    .open_transaction(i, Xid::nth(i, random.below(1 << 20)));
                self.stage.finish(i, "graph");
            }
        }
    }

    fn wait_for_holders(&mut self, edges: &[Edge], random: &mut Random) {
        for edge in edges {
            let enqueue = self.stage.instance.places.enqueues[edge.waiter];
            let lock = if edge.event.starts_with("enq:") {
                enqueue
            } else {
                0
            };
            let xid = self.awaited(edge);
            let p = match xid {
                Some(xid) => xid.parameters(edge.p1),
                None => [edge.p1, 70_000 + random.below(99), 0],
            };
            let i = edge.waiter;
            self.stage.begin();
            self.stage
                .put_all(i, &[(Num::Idle, BUSY), (Num::LockWait, lock)]);
            self.start_wait(i, self.event(edge.event), p);
            self.stage.finish(i, "graph");
        }
        // Some that are on CPU have waited for a transaction just before: their row still shows that wait.
        let held: Vec<Xid> = edges.iter().filter_map(|e| self.awaited(e)).collect();
        for i in 0..self.stage.sessions.len() {
            let session = &self.stage.sessions[i];
            let on_cpu = session.is_in_use() && session.kind() == "USER" && !session.is_waiting();
            if on_cpu && !held.is_empty() && random.once_in(2) {
                let p = random.pick(&held).parameters(0x5458_0006);
                self.stage.begin();
                self.start_wait(i, self.numbers.row_lock, p);
                self.stage.put(i, Num::WaitTime, 51_000);
                self.stage.finish(i, "graph");
            }
        }
    }

    /// The transaction that an edge's waiter waits for.
    fn awaited(&self, edge: &Edge) -> Option<Xid> {
        if !edge.is_transaction() {
            return None;
        }
        match edge.holder {
            Some(holder) => self.stage.transactions[holder],
            None => Some(Xid::nth(60_000 + edge.waiter, 7)),
        }
    }

    /// KSUSEBLOCKER of all sessions.
    fn blockers(&mut self, edges: &[Edge], place: (u64, u32)) {
        for (i, session) in self.stage.sessions.iter().enumerate() {
            let edge = edges.iter().find(|e| e.waiter == i);
            let value = match edge.map(|e| e.holder) {
                Some(Some(holder)) => 1 << place.1 | (holder as u64 + 1),
                Some(None) => UNKNOWN,
                None if session.is_waiting() => NO_HOLDER,
                None => NOT_IN_WAIT,
            };
            let row = self.stage.instance.places.sessions[i];
            self.stage.instance.memory.store(row + place.0, 4, value);
        }
    }

    fn event(&self, name: &str) -> u64 {
        let events = &self.stage.instance.exe.events;
        events.iter().position(|e| e.name == name).unwrap_or(0) as u64
    }
}

/// Where the blocker's word is put (not public: behind the last member of the session row), and the bits of its SID:
/// 16 up to 12.2, 18 from 18c on (public queries on GV$SESSION).
fn blocker_place(layout: &Layout) -> (u64, u32) {
    let end = layout
        .session
        .columns
        .iter()
        .map(|c| {
            c.length_offset()
                .map_or(c.offset + c.stored_width(), |at| at + c.length_width)
        })
        .max()
        .unwrap_or(0);
    let bits = if layout.status_mask & 2 != 0 { 16 } else { 18 };
    (u64::from(end).next_multiple_of(8), bits)
}

/// Takes sessions from the front of `users` and ties them together until a random part of them is used.
fn edges(users: &[usize], random: &mut Random) -> Vec<Edge> {
    let part = match random.below(4) {
        0 => 2 + random.below(5) as usize,
        _ => 2 + random.below(users.len() as u64 * 3 / 4) as usize,
    };
    let mut left = &users[..part.min(users.len())];
    let mut all = Vec::new();
    while left.len() >= 2 {
        let size = 2 + random.below(LONGEST - 1) as usize;
        let (group, rest) = left.split_at(size.min(left.len()));
        left = rest;
        tie(group, random, &mut all);
    }
    all
}

/// One tree: a group's first session, or a ring of some, at its root.
fn tie(group: &[usize], random: &mut Random, all: &mut Vec<Edge>) {
    let shape = random.below(6);
    let mut tied = 1;
    let transaction = |waiter: usize, holder: Option<usize>, random: &mut Random| {
        let &(event, mode) = random.pick(&TRANSACTIONS);
        Edge {
            waiter,
            holder,
            event,
            p1: 0x5458_0000 | mode,
        }
    };
    match shape {
        0 => {
            tied = (2 + random.below(4) as usize).min(group.len());
            for k in 0..tied {
                all.push(transaction(group[k], Some(group[(k + 1) % tied]), random));
            }
        }
        1 => all.push(transaction(group[0], None, random)),
        2 => {
            tied = 2;
            let &(event, p1) = random.pick(&OTHERS);
            all.push(Edge {
                waiter: group[1],
                holder: Some(group[0]),
                event,
                p1,
            });
        }
        _ => {}
    }
    for k in tied..group.len() {
        let holder = match shape {
            3 => group[k - 1],
            4 => group[0],
            _ => group[random.below(k as u64) as usize],
        };
        all.push(transaction(group[k], Some(holder), random));
    }
}

fn truth(engine: &Engine, seed: u64, edges: &[Edge], place: (u64, u32)) -> Value {
    let next = |i: usize| edges.iter().find(|e| e.waiter == i);
    let mut cycles: Vec<Vec<usize>> = Vec::new();
    let chains: Vec<Value> = edges
        .iter()
        .map(|edge| {
            let mut path = vec![edge.waiter];
            let mut at = next(edge.waiter).and_then(|e| e.holder);
            while let Some(i) = at.filter(|i| !path.contains(i)) {
                path.push(i);
                at = next(i).and_then(|e| e.holder);
            }
            let last = path[path.len() - 1];
            let ring = at.and_then(|i| path.iter().position(|p| *p == i));
            if let Some(from) = ring {
                let mut members = path[from..].to_vec();
                let least = (0..members.len()).min_by_key(|k| members[*k]).unwrap_or(0);
                members.rotate_left(least);
                if !cycles.contains(&members) {
                    cycles.push(members);
                }
            }
            // Nobody knows the end of a chain to a transaction that is no session's.
            let known = ring.is_none() && next(last).is_none();
            json!({
                "waiter": edge.waiter + 1,
                "final": known.then_some(last + 1),
                "idle": known && engine.stage.sessions[last].num(Num::Idle) & BUSY == 0,
                "cycle": ring.is_some(),
                "length": path.len(),
            })
        })
        .collect();
    let sids = |slots: &[usize]| slots.iter().map(|i| i + 1).collect::<Vec<_>>();
    json!({
        "seed": seed,
        "blocker": {"offset": place.0, "size": 4, "bits": place.1},
        "edges": edges.iter().map(|e| json!({
            "waiter": e.waiter + 1,
            "holder": e.holder.map(|h| h + 1),
            "event": e.event,
            "xid": engine.awaited(e).map(|x| format!("{}.{}.{}", x.usn, x.slot, x.sqn)),
        })).collect::<Vec<_>>(),
        "chains": chains,
        "cycles": cycles.iter().map(|c| sids(c)).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_twice_and_all_shapes_occur() {
        let users: Vec<usize> = (10..210).collect();
        let (mut rings, mut foreign, mut unnamed, mut longest) = (0, 0, 0, 0);
        for seed in 0..300 {
            let edges = edges(&users, &mut Random::new(seed));
            let mut waiters: Vec<usize> = edges.iter().map(|e| e.waiter).collect();
            waiters.sort_unstable();
            waiters.dedup();
            assert_eq!(waiters.len(), edges.len(), "seed {seed}");
            assert!(edges.iter().all(|e| e.holder != Some(e.waiter)));
            foreign += edges.iter().filter(|e| e.holder.is_none()).count();
            unnamed += edges.iter().filter(|e| !e.is_transaction()).count();
            for edge in &edges {
                let mut path = vec![edge.waiter];
                let next = |i| edges.iter().find(|e| e.waiter == i).and_then(|e| e.holder);
                let mut at = edge.holder;
                while let Some(i) = at.filter(|i| !path.contains(i)) {
                    path.push(i);
                    at = next(i);
                }
                rings += usize::from(at.is_some());
                longest = longest.max(path.len());
            }
        }
        assert!(rings > 100 && foreign > 100 && unnamed > 100);
        assert_eq!(longest as u64, LONGEST);
    }
}
