//! Holders of transactions whose identifiers can't be read, by exclusion.
//!
//! For: blueprints without X$KTCXB. All waiters for one XID wait for one session, which has an open
//! transaction, isn't among them, and holds no other awaited XID. Where one session alone is left, it
//! is the holder, provided that the holder is a session at all; so such edges are marked.
//! Callers: [`super::graph`].

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Next, Route, Session, Xid};

/// Turns unknown holders into inferred ones where one candidate alone is left.
pub(super) fn holders(sessions: &[Session], next: &mut [Next]) {
    let mut candidates: BTreeSet<usize> = sessions
        .iter()
        .enumerate()
        .filter(|(_, s)| s.in_transaction && s.xid.is_none())
        .map(|(i, _)| i)
        .collect();
    let mut groups: BTreeMap<Xid, Group> = BTreeMap::new();
    for (i, step) in next.iter().enumerate() {
        if let Next::Unknown(Some(xid)) = step
            && !sessions[i].no_blocker
        {
            let group = groups.entry(*xid).or_default();
            group.waiters.push(i);
            group.own += usize::from(candidates.contains(&i));
        }
    }
    while let Some((xid, holder)) = certain(&groups, &candidates) {
        candidates.remove(&holder);
        if let Next::Unknown(Some(awaited)) = next[holder]
            && let Some(group) = groups.get_mut(&awaited)
        {
            group.own -= 1;
        }
        if let Some(group) = groups.remove(&xid) {
            for waiter in group.waiters {
                next[waiter] = Next::Session(holder, Route::Inferred);
            }
        }
    }
}

/// Sessions that wait for the same transaction.
#[derive(Default)]
struct Group {
    waiters: Vec<usize>,
    /// How many of them are candidates, but not for this one.
    own: usize,
}

/// An XID with one candidate alone, and that one.
fn certain(groups: &BTreeMap<Xid, Group>, candidates: &BTreeSet<usize>) -> Option<(Xid, usize)> {
    let (xid, group) = groups
        .iter()
        .find(|(_, group)| group.own + 1 == candidates.len())?;
    let waiters: BTreeSet<usize> = group.waiters.iter().copied().collect();
    let holder = candidates.iter().find(|i| !waiters.contains(i))?;
    Some((*xid, *holder))
}
