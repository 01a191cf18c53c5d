//! Edges of one look: for each session the one that it waits for, and by what that is known.
//!
//! Pure: sessions in, edges out, in linear time. Callers: [`super::tally`], [`super::blockers`].

use std::collections::HashMap;
use std::fmt;

use super::infer;

/// Identifier of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Xid {
    /// Undo segment (XIDUSN).
    pub usn: u16,
    /// Slot of its transaction table (XIDSLOT).
    pub slot: u16,
    /// Sequence (XIDSQN).
    pub sqn: u32,
}

impl Xid {
    /// From V$TRANSACTION.XID as shown: RAW(8), the parts as they lie in little-endian memory.
    pub fn from_raw(raw: u64) -> Xid {
        let packed = raw.swap_bytes();
        Xid {
            usn: packed as u16,
            slot: (packed >> 16) as u16,
            sqn: (packed >> 32) as u32,
        }
    }

    /// From P2 and P3 of a wait for a TX enqueue: usn<<16 | slot, sequence (V$EVENT_NAME).
    pub fn from_wait(p2: u64, p3: u64) -> Xid {
        Xid {
            usn: (p2 >> 16) as u16,
            slot: p2 as u16,
            sqn: p3 as u32,
        }
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.usn, self.slot, self.sqn)
    }
}

/// What a session waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wait {
    /// It doesn't wait, or not for another session.
    #[default]
    Nobody,
    /// For a session that no parameter of the wait names.
    Somebody,
    /// For the end of a transaction.
    Transaction(Xid),
}

impl Wait {
    /// By event, class and parameters of a session that waits. P1 of an enqueue wait has its two
    /// letters in the high half and the mode in the low one (1415053318 = 'TX', 6: a public row of
    /// 12.2). `lockwait`: KSQPSWAT says that it waits for an enqueue, whatever the event's name.
    pub fn of(event: Option<&str>, class: Option<&str>, lockwait: bool, p: [u64; 3]) -> Wait {
        const TX: u64 = 0x5458;
        let enqueue = match event {
            Some(event) => event.starts_with("enq: "),
            None => lockwait,
        };
        match (enqueue, class) {
            (true, _) if p[0] >> 16 == TX => Wait::Transaction(Xid::from_wait(p[1], p[2])),
            (true, _) | (false, Some("Concurrency")) => Wait::Somebody,
            _ => Wait::Nobody,
        }
    }
}

/// One session in one look, as far as edges depend on it.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial_no: u32,
    /// What it waits for now.
    pub wait: Wait,
    /// Whether it has an open transaction.
    pub in_transaction: bool,
    /// That transaction's identifier, where it can be read.
    pub xid: Option<Xid>,
    /// The blocker that Oracle names: instance and SID.
    pub blocker: Option<(u32, u32)>,
    /// Whether Oracle says of its blocker that none is known: then none is inferred either.
    pub no_blocker: bool,
    /// Number of the instance, where the session shows it (highest byte of SQL_EXEC_ID).
    pub instance: Option<u32>,
}

/// BLOCKING_SESSION_STATUS of a session whose blocker is named.
pub(super) const VALID: &str = "VALID";

/// By what an edge is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Route {
    /// Oracle names the blocker.
    Blocker,
    /// The awaited transaction is the blocker's.
    Transaction,
    /// No other session can hold the awaited transaction, if a session of this look does.
    Inferred,
}

impl Route {
    /// All, the most trusted first.
    pub const ALL: [Route; 3] = [Route::Blocker, Route::Transaction, Route::Inferred];

    /// Its bit in a set of routes.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Route::Blocker => "blocker",
            Route::Transaction => "tx",
            Route::Inferred => "inferred",
        }
    }

    /// How sure such an edge is: a transaction without a session (a distributed one in doubt) would
    /// make an inference wrong.
    pub fn confidence(self) -> &'static str {
        match self {
            Route::Blocker | Route::Transaction => "high",
            Route::Inferred => "low",
        }
    }
}

/// Where a chain goes on from a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It waits for no session: the chain ends with it.
    Nobody,
    /// For the session at this position.
    Session(usize, Route),
    /// For a session that isn't in the look: instance where it is another one, SID.
    Elsewhere(Option<u32>, u32),
    /// For a session that isn't known, or the holder of this transaction that isn't.
    Unknown(Option<Xid>),
}

/// Where the chain goes on from each session of a look.
pub fn edges(sessions: &[Session]) -> Vec<Next> {
    let mut by_sid = HashMap::new();
    let mut by_xid: HashMap<Xid, Option<usize>> = HashMap::new();
    for (i, session) in sessions.iter().enumerate() {
        by_sid.insert(session.sid, i);
        if let Some(xid) = session.xid {
            // two holders of one transaction: one of them was read at another moment
            by_xid
                .entry(xid)
                .and_modify(|holder| *holder = None)
                .or_insert(Some(i));
        }
    }
    let own = own_instance(sessions);
    let mut next: Vec<Next> = sessions
        .iter()
        .map(|session| match (session.blocker, session.wait) {
            (Some((instance, sid)), _) => match by_sid.get(&sid) {
                _ if own.is_some_and(|own| own != instance) => Next::Elsewhere(Some(instance), sid),
                Some(i) => Next::Session(*i, Route::Blocker),
                None => Next::Elsewhere(None, sid),
            },
            (None, Wait::Transaction(xid)) => match by_xid.get(&xid).copied().flatten() {
                Some(i) => Next::Session(i, Route::Transaction),
                None => Next::Unknown(Some(xid)),
            },
            (None, Wait::Somebody) => Next::Unknown(None),
            (None, Wait::Nobody) => Next::Nobody,
        })
        .collect();
    infer::holders(sessions, &mut next);
    next
}

/// The instance that most sessions show.
fn own_instance(sessions: &[Session]) -> Option<u32> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for instance in sessions.iter().filter_map(|s| s.instance) {
        *counts.entry(instance).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(n, count)| (*count, *n));
    most.map(|(instance, _)| instance)
}
