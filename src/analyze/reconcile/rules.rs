//! The table of situations, and how each is recognised.
//!
//! A session or process is in as many situations as are true of it; those that are about to be
//! cleaned up by somebody else hide those that a person would act on: what is gone (9, 10) hides the
//! rest, a rollback (8) hides the killed session (6), killed and sniped hide idle.

use super::Severity::{self, Error, Info, Warn};
use super::advice::{self, WouldClean};
use super::view::{Class, View};
use crate::discover::OsFact;

/// One situation.
pub struct Rule {
    /// Its number in the table.
    pub row: u8,
    /// Its name.
    pub name: &'static str,
    /// How much it matters, unless a hit says otherwise.
    pub severity: Severity,
    /// What it means.
    pub why: &'static str,
    pub(super) would_clean: WouldClean,
    pub(super) find: fn(&View) -> Vec<Hit>,
}

/// One place where a situation was found: indices into the observation.
#[derive(Default)]
pub(super) struct Hit {
    pub(super) session: Option<usize>,
    pub(super) process: Option<usize>,
    pub(super) age_s: Option<u64>,
    pub(super) evidence: Vec<String>,
    pub(super) severity: Option<Severity>,
}

impl Hit {
    fn process(p: usize, evidence: Vec<String>) -> Hit {
        Hit {
            process: Some(p),
            evidence,
            ..Hit::default()
        }
    }

    /// A session with its process; aged by how long it has made no call.
    fn session(view: &View, s: usize, process: Option<usize>, evidence: Vec<String>) -> Hit {
        let idle = view.session(s).idle;
        let mut hit = Hit {
            session: Some(s),
            process,
            age_s: idle.map(|i| i.seconds),
            evidence,
            severity: None,
        };
        if let Some(idle) = idle {
            hit.evidence
                .push(format!("age: {} s ({})", idle.seconds, idle.counts));
        }
        hit
    }
}

const fn rule(
    (row, name, severity): (u8, &'static str, Severity),
    why: &'static str,
    would_clean: WouldClean,
    find: fn(&View) -> Vec<Hit>,
) -> Rule {
    Rule {
        row,
        name,
        severity,
        why,
        would_clean,
        find,
    }
}

/// All situations, in the table's order.
#[rustfmt::skip] // a table: one line a situation
pub const RULES: &[Rule] = &[
    rule((1, "pseudo-process", Info), "slot 1 is no process; killed sessions are moved to it", advice::NOTHING, pseudo),
    rule((2, "background-process", Info), "the instance's own work", advice::NOTHING, background),
    rule((3, "shared-server-process", Info), "dispatchers and shared servers have no session between calls", advice::NOTHING, shared_idle),
    rule((4, "pooled-process", Info), "pooled servers and slaves wait for work without a session", advice::NOTHING, pooled_idle),
    rule((5, "process-without-session", Warn), "the session logged off or was removed, and its server process stayed", advice::PROCESS_ONLY, without_session),
    rule((6, "killed-session-holding-process", Warn), "KILL SESSION marks the session; its process stays until the client's next call gets ORA-00028", advice::KILLED, killed),
    rule((7, "sniped-session-holding-process", Warn), "its profile's IDLE_TIME ended the session; its process stays until the client's next call gets ORA-02396", advice::SNIPED, sniped),
    rule((8, "killed-rolling-back", Info), "the killed session's transaction is being rolled back", advice::ROLLING_BACK, rolling_back),
    rule((9, "orphan-session", Error), "the session's server process has ended, and PMON hasn't finished cleaning up", advice::DEAD, orphan),
    rule((10, "dead-process", Warn), "the server process has ended without a session, and PMON hasn't cleaned up", advice::DEAD, dead_process),
    rule((11, "recursive-session", Info), "Oracle's own SQL on behalf of the session; counts toward the limit sessions", advice::NOTHING, recursive),
    rule((12, "several-sessions-on-one-process", Info), "autotrace in SQL*Plus and OCI clients open several sessions over one connection", advice::NOTHING, several),
    rule((13, "shared-server-sessions", Info), "shared servers and dispatchers serve sessions in turn", advice::NOTHING, shared_busy),
    rule((14, "unattached-recursive-session", Info), "kept by the instance for its own SQL; owned by no process", advice::NOTHING, unattached),
    rule((15, "idle-blocker", Error), "it makes no call, and others wait for what its transaction has locked", advice::BLOCKER, idle_blocker),
    rule((16, "abandoned-connection-candidate", Info), "it has made no call for long and holds no lock; perhaps nobody will come back", advice::IDLE, abandoned),
    rule((17, "limit-at-risk", Error), "at the limit new connections fail", advice::NOTHING, limits),
];

fn of_class(view: &View, class: Class) -> impl Iterator<Item = usize> {
    let of: Vec<usize> = view
        .processes()
        .filter(|p| view.classes[*p] == class && view.gone(*p).is_none())
        .collect();
    of.into_iter()
}

fn role(view: &View, p: usize) -> String {
    let role = view.process(p).role.as_deref();
    format!("role {}", role.unwrap_or("none"))
}

fn pseudo(view: &View) -> Vec<Hit> {
    of_class(view, Class::Pseudo)
        .map(|p| Hit::process(p, vec!["slot 1, no SPID".into()]))
        .collect()
}

fn background(view: &View) -> Vec<Hit> {
    let hit = |p: usize| {
        let process = view.process(p);
        let mut evidence = vec![role(view, p)];
        if process.background {
            evidence.push("background flag".into());
        }
        if process.fatal {
            evidence.push("fatal flag: the instance ends with it".into());
        }
        Hit::process(p, evidence)
    };
    of_class(view, Class::Background).map(hit).collect()
}

fn shared_idle(view: &View) -> Vec<Hit> {
    of_class(view, Class::Shared)
        .filter(|p| view.has_no_session(*p))
        .map(|p| Hit::process(p, vec![role(view, p), "no session".into()]))
        .collect()
}

fn pooled_idle(view: &View) -> Vec<Hit> {
    of_class(view, Class::Pooled)
        .filter(|p| view.has_no_session(*p))
        .map(|p| Hit::process(p, vec![role(view, p), "no session".into()]))
        .collect()
}

fn without_session(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    for p in of_class(view, Class::Dedicated) {
        let process = view.process(p);
        if !process.stable || !view.has_no_session(p) || !view.left_behind(p).is_empty() {
            continue;
        }
        let age = view.process_age(p);
        // a young one may be about to log on
        if age.is_some_and(|age| age < view.policy.age_s) {
            continue;
        }
        let mut evidence = vec![
            "no session is owned by the process, recursive ones neither".into(),
            "no session says that this process created it".into(),
        ];
        match (&process.os, age) {
            (OsFact::Unknown(why), _) => evidence.push(format!("OS side unknown: {why}")),
            (_, Some(age)) => evidence.push(format!("age: {age} s since its OS process started")),
            _ => {}
        }
        hits.push(Hit {
            age_s: age,
            ..Hit::process(p, evidence)
        });
    }
    hits
}

fn killed(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    for s in view.shown_sessions() {
        let session = view.session(s);
        if !(session.killed() || view.moved(s)) || session.in_transaction {
            continue;
        }
        let Some(p) = view.real_process(s).filter(|p| view.gone(*p).is_none()) else {
            continue;
        };
        let mut evidence = vec![format!("status {}", session.status)];
        if view.moved(s) {
            evidence.push(format!(
                "PADDR is PSEUDO's; CREATOR_ADDR {:016X} and CREATOR_SERIAL# {} name its real process",
                session.creator,
                session.creator_serial_no.unwrap_or(0)
            ));
        }
        hits.push(Hit::session(view, s, Some(p), evidence));
    }
    hits
}

fn sniped(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    let short = view
        .seen
        .limits
        .iter()
        .any(|l| l.name == "processes" && l.share() > view.policy.limit_share);
    for s in view.shown_sessions() {
        let session = view.session(s);
        if !session.sniped || session.killed() || view.moved(s) {
            continue;
        }
        let Some(p) = view.owner(s).filter(|p| view.gone(*p).is_none()) else {
            continue;
        };
        let mut evidence = vec![format!(
            "sniped flag (KSUSEIDL & 2); STATUS shows {}",
            session.status
        )];
        if short {
            evidence.push("processes are short: every one held counts".into());
        }
        let mut hit = Hit::session(view, s, Some(p), evidence);
        hit.severity = short.then_some(Error);
        hits.push(hit);
    }
    hits
}

fn rolling_back(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    for s in view.shown_sessions() {
        let session = view.session(s);
        let process = view.real_process(s);
        if !session.killed() || !session.in_transaction || lost(view, s).is_some() {
            continue;
        }
        let evidence = vec![
            "status KILLED".into(),
            "it has a transaction (TADDR)".into(),
        ];
        hits.push(Hit::session(view, s, process, evidence));
    }
    hits
}

/// Why a session's process is gone.
fn lost(view: &View, s: usize) -> Option<(Option<usize>, String)> {
    let session = view.session(s);
    if let Some(p) = view.real_process(s) {
        return Some((Some(p), view.gone(p)?.to_owned()));
    }
    if view.moved(s) {
        return Some((
            None,
            format!(
                "moved to PSEUDO, and its own process (CREATOR_ADDR {:016X}, CREATOR_SERIAL# {}) is no longer in X$KSUPR",
                session.creator,
                session.creator_serial_no.unwrap_or(0)
            ),
        ));
    }
    let paddr = session.paddr.filter(|a| *a != 0)?;
    Some((
        None,
        format!("its process {paddr:016X} is no longer in X$KSUPR"),
    ))
}

fn orphan(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    for s in view.shown_sessions() {
        let Some((process, why)) = lost(view, s) else {
            continue;
        };
        let session = view.session(s);
        let mut evidence = vec![why, format!("status {}", session.status)];
        if session.sniped {
            evidence.push("sniped".into());
        }
        if session.in_transaction {
            evidence.push("it has a transaction, to be rolled back".into());
        }
        hits.push(Hit::session(view, s, process, evidence));
    }
    hits
}

fn dead_process(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    for p in view.processes() {
        let Some(why) = view.gone(p) else { continue };
        if !view.process(p).stable || !view.shown(p).is_empty() || !view.left_behind(p).is_empty() {
            continue;
        }
        let mut evidence = vec![why.to_owned()];
        match view.recursive(p).len() {
            0 => evidence.push("no session".into()),
            n => evidence.push(format!("{n} recursive sessions, no other")),
        }
        hits.push(Hit::process(p, evidence));
    }
    hits
}

fn sids(view: &View, sessions: &[usize]) -> String {
    let sids = sessions.iter().map(|s| view.session(*s).sid.to_string());
    sids.collect::<Vec<_>>().join(", ")
}

fn recursive(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    for p in view.processes().filter(|p| view.gone(*p).is_none()) {
        let (shown, recursive) = (view.shown(p), view.recursive(p));
        let (Some(first), false) = (shown.first(), recursive.is_empty()) else {
            continue;
        };
        if view.classes[p] == Class::Pseudo {
            continue;
        }
        let evidence = vec![format!("recursive SIDs {}", sids(view, recursive))];
        hits.push(Hit {
            session: Some(*first),
            ..Hit::process(p, evidence)
        });
    }
    hits
}

fn several(view: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    for p in of_class(view, Class::Dedicated) {
        let shown = view.shown(p);
        let Some(first) = shown.first().filter(|_| shown.len() > 1) else {
            continue;
        };
        let client = |s: &usize| (&view.session(*s).machine, &view.session(*s).client);
        let mut evidence = vec![format!("SIDs {}", sids(view, shown))];
        evidence.push(if shown.iter().all(|s| client(s) == client(first)) {
            "the same client process on the same machine".into()
        } else {
            "different clients: one reading may have caught a change".to_owned()
        });
        let plus = |s: &usize| view.session(*s).module.as_deref() == Some("SQL*Plus");
        if shown.iter().any(plus) {
            evidence.push("module SQL*Plus: autotrace".into());
        }
        hits.push(Hit::process(p, evidence));
    }
    hits
}

fn shared_busy(view: &View) -> Vec<Hit> {
    of_class(view, Class::Shared)
        .filter(|p| !view.has_no_session(*p))
        .map(|p| {
            let sessions = [view.shown(p), view.recursive(p)].concat();
            let evidence = vec![role(view, p), format!("SIDs {}", sids(view, &sessions))];
            Hit::process(p, evidence)
        })
        .collect()
}

fn unattached(view: &View) -> Vec<Hit> {
    (0..view.seen.sessions.len())
        .filter(|s| view.session(*s).recursive && view.session(*s).paddr == Some(0))
        .map(|s| Hit {
            session: Some(s),
            evidence: vec!["recursive flag, no owner".into()],
            ..Hit::default()
        })
        .collect()
}

/// Sessions that have made no call for longer than the limit, and are nothing worse.
fn long_idle(view: &View) -> Vec<usize> {
    let idle = |s: &usize| {
        let session = view.session(*s);
        let long = session
            .idle
            .is_some_and(|i| i.seconds > view.policy.idle_limit_s);
        long && session.status == "INACTIVE"
            && !session.sniped
            && !session.background
            && !view.moved(*s)
            && lost(view, *s).is_none()
    };
    view.shown_sessions().filter(idle).collect()
}

fn idle_blocker(view: &View) -> Vec<Hit> {
    let hit = |s: usize| {
        let mut evidence = vec!["INACTIVE, and other sessions wait for it".to_owned()];
        if view.session(s).in_transaction {
            evidence.push("it has a transaction (TADDR)".into());
        }
        Hit::session(view, s, view.owner(s), evidence)
    };
    long_idle(view)
        .into_iter()
        .filter(|s| view.blocks(*s) == Some(true))
        .map(hit)
        .collect()
}

fn abandoned(view: &View) -> Vec<Hit> {
    long_idle(view)
        .into_iter()
        .filter(|s| !view.session(*s).in_transaction && view.blocks(*s) != Some(true))
        .map(|s| {
            let evidence = vec!["INACTIVE, no transaction".to_owned()];
            Hit::session(view, s, view.owner(s), evidence)
        })
        .collect()
}

fn limits(view: &View) -> Vec<Hit> {
    let counts = [
        (without_session(view).len(), "processes without session"),
        (killed(view).len(), "killed sessions holding a process"),
        (sniped(view).len(), "sniped sessions holding a process"),
    ];
    let recursive = view.seen.sessions.iter().filter(|s| s.recursive).count();
    view.seen
        .limits
        .iter()
        .filter(|l| l.share() >= view.policy.limit_share)
        .map(|l| {
            let mut evidence = vec![format!(
                "{} {} of {} in use ({:.0} %), {} left before {}",
                l.name,
                l.current,
                l.limit,
                l.share() * 100.0,
                l.head_room(),
                l.error()
            )];
            let share = |n: usize| 100.0 * n as f64 / l.current.max(1) as f64;
            for (n, what) in counts.iter().filter(|(n, _)| *n > 0) {
                evidence.push(format!("{n} {what} ({:.1} %)", share(*n)));
            }
            if l.name == "sessions" {
                let percent = share(recursive);
                evidence.push(format!("{recursive} recursive sessions ({percent:.1} %)"));
            }
            Hit {
                evidence,
                ..Hit::default()
            }
        })
        .collect()
}
