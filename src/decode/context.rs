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
    /// Address of what owns the session: the process, or something of its.
    nearest: u64,
    pub(super) owner: Owner,
    /// SERVER by the process.
    pub(super) server: Option<&'static str>,
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

    pub(super) fn owned(&self, slot: u32, serial: u64, nearest: u64) -> Option<&Owned> {
        let known = self.owners.get(slot as usize)?.as_ref()?;
        (known.serial == serial && known.nearest == nearest).then_some(known)
    }

    pub(super) fn set_owner(&mut self, slot: u32, serial: u64, nearest: u64, owner: Owner) {
        let slot = slot as usize;
        if self.owners.len() <= slot {
            self.owners.resize(slot + 1, None);
        }
        self.owners[slot] = Some(Owned {
            serial,
            nearest,
            server: owner.server(),
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_wait_is_watched_from_its_first_look_on() {
        let mut context = Context::unknown().watching(2);
        assert_eq!(context.watch(1, Some((7, 5)), 10 * MS), Some(0));
        assert_eq!(context.watch(1, Some((7, 5)), 25 * MS), Some(15_000));
        assert_eq!(
            context.watch(1, Some((7, 6)), 30 * MS),
            Some(0),
            "the next wait"
        );
        assert_eq!(
            context.watch(1, Some((8, 6)), 40 * MS),
            Some(0),
            "another session"
        );
        assert_eq!(context.watch(1, None, 50 * MS), None, "on CPU");
        assert_eq!(
            context.watch(1, Some((8, 6)), 60 * MS),
            Some(0),
            "a full turn of SEQ#"
        );
        assert_eq!(
            context.watch(0, Some((8, 6)), 70 * MS),
            Some(0),
            "each slot by itself"
        );
        assert_eq!(
            context.watch(9, Some((8, 6)), 70 * MS),
            None,
            "no more slots than there are"
        );
        assert_eq!(
            Context::unknown().watch(0, Some((1, 1)), MS),
            None,
            "a single look"
        );
    }

    #[test]
    fn processes_are_known_for_one_session_only() {
        let mut context = Context::unknown();
        let owner = Owner {
            os_pid: Some(4711),
            program: None,
        };
        context.set_owner(3, 7, 0x6800, owner.clone());
        let known = |serial, nearest| context.owned(3, serial, nearest).map(|o| &o.owner);
        assert_eq!(known(7, 0x6800), Some(&owner));
        assert_eq!(known(8, 0x6800), None, "the slot's next session");
        assert_eq!(known(7, 0x6900), None, "moved to another process");
        assert!(context.owned(4, 7, 0x6800).is_none());
    }

    #[test]
    fn servers_by_their_program() {
        let server = |os_pid, program: &str| {
            let program = Some(program.to_owned());
            Owner { os_pid, program }.server()
        };
        assert_eq!(server(None, "PSEUDO"), Some("PSEUDO"));
        for (program, word) in [
            ("oracle@db01", "DEDICATED"),
            ("oracle@db01 (TNS V1-V3)", "DEDICATED"),
            ("oracle@db01 (S000)", "SHARED"),
            ("oracle@db01 (D003)", "NONE"),
            ("oracle@db01 (L001)", "POOLED"),
            ("oracle@db01 (N000)", "POOLED"),
            ("oracle@db01 (SMON)", "DEDICATED"),
            ("oracle@db01 (LGWR)", "DEDICATED"),
            ("", "DEDICATED"),
        ] {
            assert_eq!(server(Some(1), program), Some(word), "{program}");
        }
        let unnamed = Owner {
            os_pid: Some(1),
            program: None,
        };
        assert_eq!(unnamed.server(), None);
    }
}
