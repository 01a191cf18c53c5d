//! An observation with its parts joined: which sessions a process owns, what kind of process it is,
//! whether it still exists.
//!
//! Callers: the rules and their advice.

use std::collections::HashMap;

use super::{Observation, Policy, ProcessFacts, SessionFacts};
use crate::discover::OsFact;

/// A server process starts before its session logs on. Clocks that were set meanwhile may make it
/// look later by this much, seconds.
const CLOCK_SLACK_S: i64 = 60;

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Slot 1: no process at all.
    Pseudo,
    Background,
    /// Dnnn or Snnn.
    Shared,
    /// Processes that wait for work without a session: DRCP, parallel query, jobs, queues,
    /// prespawned.
    Pooled,
    /// Serves one connection.
    Dedicated,
}

/// An observation and its joins.
pub(super) struct View<'a> {
    pub(super) seen: &'a Observation,
    pub(super) policy: &'a Policy,
    pub(super) classes: Vec<Class>,
    /// The process of each session.
    owner: Vec<Option<usize>>,
    /// Sessions that V$SESSION shows, and recursive ones, of each process.
    owned: Vec<(Vec<usize>, Vec<usize>)>,
    /// Sessions by the process that created them.
    created: HashMap<(u64, u32), Vec<usize>>,
    process_at: HashMap<u64, usize>,
    gone: Vec<Option<String>>,
}

impl<'a> View<'a> {
    pub(super) fn new(seen: &'a Observation, policy: &'a Policy) -> View<'a> {
        let process_at: HashMap<u64, usize> = seen
            .processes
            .iter()
            .enumerate()
            .map(|(i, p)| (p.addr, i))
            .collect();
        let owner: Vec<Option<usize>> = seen
            .sessions
            .iter()
            .map(|s| process_at.get(&s.paddr?).copied())
            .collect();
        let mut owned = vec![(Vec::new(), Vec::new()); seen.processes.len()];
        let mut created: HashMap<(u64, u32), Vec<usize>> = HashMap::new();
        for (i, session) in seen.sessions.iter().enumerate() {
            if let Some(p) = owner[i] {
                let (shown, recursive) = &mut owned[p];
                if session.recursive { recursive } else { shown }.push(i);
            }
            if let (Some(serial), false) = (session.creator_serial_no, session.recursive) {
                let key = (session.creator, serial);
                created.entry(key).or_default().push(i);
            }
        }
        let classes: Vec<Class> = seen.processes.iter().map(class).collect();
        let mut view = View {
            seen,
            policy,
            gone: Vec::new(),
            classes,
            owner,
            owned,
            created,
            process_at,
        };
        view.gone = (0..seen.processes.len())
            .map(|p| view.why_gone(p))
            .collect();
        view
    }

    pub(super) fn process(&self, p: usize) -> &'a ProcessFacts {
        &self.seen.processes[p]
    }

    pub(super) fn session(&self, s: usize) -> &'a SessionFacts {
        &self.seen.sessions[s]
    }

    /// Processes by their number in the observation.
    pub(super) fn processes(&self) -> impl Iterator<Item = usize> + '_ {
        0..self.seen.processes.len()
    }

    /// Sessions that V$SESSION shows.
    pub(super) fn shown_sessions(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.seen.sessions.len()).filter(|s| !self.session(*s).recursive)
    }

    /// The process that owns a session by its PADDR, PSEUDO included.
    pub(super) fn owner(&self, s: usize) -> Option<usize> {
        self.owner[s]
    }

    /// Sessions of a process that V$SESSION shows.
    pub(super) fn shown(&self, p: usize) -> &[usize] {
        &self.owned[p].0
    }

    /// Its recursive sessions.
    pub(super) fn recursive(&self, p: usize) -> &[usize] {
        &self.owned[p].1
    }

    pub(super) fn has_no_session(&self, p: usize) -> bool {
        self.shown(p).is_empty() && self.recursive(p).is_empty()
    }

    /// Sessions that this process, in this life of its slot, has created and that it doesn't own.
    pub(super) fn left_behind(&self, p: usize) -> Vec<usize> {
        let process = self.process(p);
        let Some(serial) = process.serial_no else {
            return Vec::new();
        };
        let created = self.created.get(&(process.addr, serial));
        let elsewhere = |s: &&usize| self.owner[**s] != Some(p);
        created
            .into_iter()
            .flatten()
            .filter(elsewhere)
            .copied()
            .collect()
    }

    /// Whether a session was moved to PSEUDO, as KILL SESSION does.
    pub(super) fn moved(&self, s: usize) -> bool {
        self.owner[s].is_some_and(|p| self.classes[p] == Class::Pseudo)
    }

    /// The process that really serves, or served, a session: its owner, or its creator where it was
    /// moved to PSEUDO.
    pub(super) fn real_process(&self, s: usize) -> Option<usize> {
        if !self.moved(s) {
            return self.owner[s];
        }
        let session = self.session(s);
        let p = *self.process_at.get(&session.creator)?;
        let same = self.process(p).serial_no == session.creator_serial_no;
        (same && self.classes[p] != Class::Pseudo).then_some(p)
    }

    /// Why the operating-system process that a row names is gone; `None`: it's there, or it can't be
    /// told.
    pub(super) fn gone(&self, p: usize) -> Option<&str> {
        self.gone[p].as_deref()
    }

    fn why_gone(&self, p: usize) -> Option<String> {
        let process = self.process(p);
        if !process.stable {
            return None;
        }
        let spid = process.spid.as_deref()?;
        let os = match &process.os {
            OsFact::Unknown(_) => return None,
            OsFact::Gone => return Some(format!("there is no OS process {spid}")),
            OsFact::Alive(os) => os,
        };
        if let Some(line) = &os.cmdline
            && !self.seen.instance.is_empty()
            && !line.contains(&self.seen.instance)
        {
            return Some(format!("OS process {spid} is another program now: {line}"));
        }
        let start = os.started_at?;
        // a session moves between shared or pooled servers, which may be younger than it
        if self.classes[p] != Class::Dedicated {
            return None;
        }
        let logons = self.shown(p).iter().filter_map(|s| self.session(*s).logon);
        let logon = logons.min()?;
        (start > logon + CLOCK_SLACK_S).then(|| {
            let time = crate::decode::dates::rfc3339;
            format!(
                "OS process {spid} started {}, after the session's logon {}: the number was given to another process",
                time(start),
                time(logon)
            )
        })
    }

    /// Age of a process by the operating system, seconds.
    pub(super) fn process_age(&self, p: usize) -> Option<u64> {
        let start = self.process(p).os_start()?;
        Some(u64::try_from(self.seen.now - start).unwrap_or(0))
    }

    /// Other processes of the instance with the same SPID (THREADED_EXECUTION).
    pub(super) fn shares_spid(&self, p: usize) -> usize {
        let spid = &self.process(p).spid;
        let same =
            |other: &usize| *other != p && spid.is_some() && &self.process(*other).spid == spid;
        self.processes().filter(same).count()
    }

    /// Whether others wait for a session; `None`: it can't be told.
    pub(super) fn blocks(&self, s: usize) -> Option<bool> {
        let blockers = self.seen.blockers.as_ref()?;
        Some(blockers.contains(&self.session(s).sid))
    }
}

/// The class by flags, the name in PROGRAM's brackets, and the command line.
fn class(process: &ProcessFacts) -> Class {
    if process.spid.is_none() && process.pid == 1 {
        return Class::Pseudo;
    }
    if process.background || process.fatal {
        return Class::Background;
    }
    let Some(role) = process.role.as_deref() else {
        return Class::Dedicated;
    };
    let mut letters = role.bytes();
    let first = letters.next().unwrap_or(0).to_ascii_uppercase();
    let numbered = role.len() == 4 && letters.next().is_some_and(|b| b.is_ascii_digit());
    match first {
        b'D' | b'S' if numbered => Class::Shared,
        // DRCP (N, L), parallel query (P), jobs (J), slaves (W), queues (Q), prespawned (V)
        b'N' | b'L' | b'P' | b'J' | b'W' | b'Q' | b'V' if numbered => Class::Pooled,
        // any other name is a background process's: dedicated servers have none
        _ => Class::Background,
    }
}
