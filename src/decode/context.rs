//! What is known of rows beyond their own words: the process that owns them, the session that a
//! recursive one works for, and for how long a wait has been watched.
//!
//! All of it is bounded by the number of slots, and lives with whoever takes frames, not with the
//! sampling thread. What comes from other rows is read by `sample` and handed in.
//!
//! Callers: `decoder`, `sample`.

use std::collections::HashMap;

/// What a process row says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// KSUPROSID as a number; none: the PSEUDO process, or one without an operating-system process.
    pub os_pid: Option<u32>,
    /// KSUPRPNM, where the blueprint has it.
    pub program: Option<String>,
}

/// What the caller knows of rows.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The process of the session in each slot.
    pub(super) owners: Vec<Option<Owned>>,
    /// Why process ids can't be had.
    no_pid: Option<String>,
    /// Why programs of processes can't be had.
    no_program: Option<String>,
    /// (SID, serial number) of the session for which each slot works; none: nobody looked.
    pub(super) serves: Option<HashMap<u32, (u32, u32)>>,
    /// Waits by slot; none: a single look.
    pub(super) watched: Option<Vec<Watched>>,
}

/// A session's process. A process slot can be taken by another process, but not while this session
/// is its.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    serial: u64,
    process: u64,
    owner: Owner,
}

/// A wait that is being watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watched {
    serial: u64,
    seq: u64,
    /// CLOCK_MONOTONIC when it was first seen; 0: not waiting.
    since_ns: u64,
}

impl Context {
    /// A context that knows nothing, and says why.
    pub fn unknown() -> Context {
        Context::of_processes(Some("the processes were not read".into()), None)
    }

    /// A context that will be told of processes, except what can't be had for these reasons.
    pub fn of_processes(no_pid: Option<String>, no_program: Option<String>) -> Context {
        Context {
            no_pid,
            no_program,
            ..Context::default()
        }
    }

    /// Watches the waits of so many slots from now on.
    #[must_use]
    pub fn watching(mut self, slots: usize) -> Context {
        self.watched = Some(vec![Watched::default(); slots]);
        self
    }

    /// Will be told for which session each recursive one works.
    #[must_use]
    pub fn serving(mut self) -> Context {
        self.serves = Some(HashMap::new());
        self
    }

    pub(super) fn owner(&self, slot: u32, serial: u64, process: u64) -> Option<&Owner> {
        let known = self.owners.get(slot as usize)?.as_ref()?;
        (known.serial == serial && known.process == process).then_some(&known.owner)
    }

    pub(super) fn set_owner(&mut self, slot: u32, serial: u64, process: u64, owner: Owner) {
        let slot = slot as usize;
        if self.owners.len() <= slot {
            self.owners.resize(slot + 1, None);
        }
        self.owners[slot] = Some(Owned {
            serial,
            process,
            owner,
        });
    }

    pub(super) fn missing_pid(&self) -> Result<(), String> {
        self.no_pid.clone().map_or(Ok(()), Err)
    }

    pub(super) fn missing_server(&self) -> Result<(), String> {
        self.missing_pid()?;
        self.no_program.clone().map_or(Ok(()), Err)
    }

    /// How long the wait of a slot has been watched, in microseconds. `wait`: serial number and
    /// SEQ# while it waits.
    pub(super) fn watch(
        &mut self,
        slot: u32,
        wait: Option<(u64, u64)>,
        now_ns: u64,
    ) -> Option<u64> {
        let seen = self.watched.as_mut()?.get_mut(slot as usize)?;
        let Some((serial, seq)) = wait else {
            *seen = Watched::default();
            return None;
        };
        let same = seen.since_ns != 0 && (seen.serial, seen.seq) == (serial, seq);
        if !same {
            *seen = Watched {
                serial,
                seq,
                since_ns: now_ns.max(1),
            };
        }
        Some(now_ns.saturating_sub(seen.since_ns) / 1000)
    }
}

impl Owner {
    /// SERVER by the process (V$SESSION.SERVER as documented): PSEUDO has no process of the
    /// operating system; Snnn is a shared server; at a dispatcher (Dnnn) the session is idle and
    /// shows NONE; Lnnn and Nnnn are of the connection pool.
    pub fn server(&self) -> Option<&'static str> {
        if self.os_pid.is_none() {
            return Some("PSEUDO");
        }
        let program = self.program.as_deref()?;
        let role = program
            .rsplit_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'))
            .filter(|role| role.len() == 4 && role[1..].bytes().all(|b| b.is_ascii_digit()))
            .and_then(|role| role.chars().next());
        Some(match role {
            Some('S') => "SHARED",
            Some('D') => "NONE",
            Some('L' | 'N') => "POOLED",
            _ => "DEDICATED",
        })
    }
}
