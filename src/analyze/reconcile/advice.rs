//! What to do about a situation: words, and a statement where a safe one exists.
//!
//! A server process may be killed only where nothing else hangs on it; everything that speaks
//! against it is named. Sources: Oracle's note 601605.1; SQL Language Reference, ALTER SYSTEM
//! (DISCONNECT SESSION destroys the dedicated server process, or the virtual circuit of a shared
//! one); Database Reference, V$DEAD_CLEANUP, THREADED_EXECUTION.

use serde::Serialize;

use super::rules::{Hit, Rule};
use super::view::{Class, View};
use crate::discover::OsFact;

/// What the automatic means would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WouldClean {
    /// Dead connection detection (SQLNET.EXPIRE_TIME).
    pub dcd: &'static str,
    /// IDLE_TIME of the user's profile, with RESOURCE_LIMIT=TRUE.
    pub profile_idle_time: &'static str,
    /// MAX_IDLE_TIME of the resource manager's plan directive.
    pub resource_manager_max_idle_time: &'static str,
}

const CLIENT_GONE: &str =
    "only if the client is gone: a client that lives answers the probe, however idle it is";

/// Where there is nothing to clean.
pub const NOTHING: WouldClean = WouldClean {
    dcd: "nothing to clean",
    profile_idle_time: "nothing to clean",
    resource_manager_max_idle_time: "nothing to clean",
};
pub(super) const PROCESS_ONLY: WouldClean = WouldClean {
    dcd: CLIENT_GONE,
    profile_idle_time: "no: it ends sessions, and there is none",
    resource_manager_max_idle_time: "no: it ends sessions, and there is none",
};
pub(super) const KILLED: WouldClean = WouldClean {
    dcd: CLIENT_GONE,
    profile_idle_time: "no: the session is ended already, and the process is not its business",
    resource_manager_max_idle_time: "no: it kills sessions just so, and leaves the process until the client's next call",
};
pub(super) const SNIPED: WouldClean = WouldClean {
    dcd: CLIENT_GONE,
    profile_idle_time: "it did: the session is sniped; the process stays until the client's next call",
    resource_manager_max_idle_time: "not the process: it would have marked the session KILLED instead",
};
pub(super) const ROLLING_BACK: WouldClean = WouldClean {
    dcd: "no: the rollback must end first",
    profile_idle_time: "no: the session is ended already",
    resource_manager_max_idle_time: "no: the session is ended already",
};
pub(super) const DEAD: WouldClean = WouldClean {
    dcd: "no: there is no server process left to probe the client",
    profile_idle_time: "no: PMON cleans up after dead processes",
    resource_manager_max_idle_time: "no: PMON cleans up after dead processes",
};
pub(super) const BLOCKER: WouldClean = WouldClean {
    dcd: CLIENT_GONE,
    profile_idle_time: "the session, whose locks go at its client's next call; not the process",
    resource_manager_max_idle_time: "yes: the session is killed and its locks go; MAX_IDLE_BLOCKER_TIME would do so sooner",
};
pub(super) const IDLE: WouldClean = WouldClean {
    dcd: CLIENT_GONE,
    profile_idle_time: "the session, not the process",
    resource_manager_max_idle_time: "the session, not the process",
};

/// Words and statement.
pub(super) struct Guide {
    pub(super) advice: String,
    pub(super) statement: Option<String>,
}

impl Guide {
    fn words(advice: impl Into<String>) -> Guide {
        Guide {
            advice: advice.into(),
            statement: None,
        }
    }
}

pub(super) fn of(view: &View, rule: &Rule, hit: &Hit) -> Guide {
    match rule.row {
        1 | 2 => Guide::words("never touch"),
        3 | 13 => Guide::words(
            "normal; never kill by OS pid: it takes every session it serves with it; use the parameters DISPATCHERS and SHARED_SERVERS",
        ),
        5 => without_session(view, hit),
        6 => killed(view, hit),
        7 => sniped(view, hit),
        8 => Guide::words(
            "wait; killing the process moves the rollback to PMON and SMON, and makes it no faster",
        ),
        9 | 10 => Guide::words(dead(view)),
        12 => Guide::words(
            "normal; ending the process, by OS pid or DISCONNECT SESSION, ends all of these sessions",
        ),
        15 => idle_blocker(view, hit),
        16 => Guide::words(
            "ask the pool's owner for a maximum idle time; SQLNET.EXPIRE_TIME won't help while the client lives",
        ),
        17 => Guide::words(
            "free what the findings of rows 5 to 7 hold, then look at connection pools, then raise the parameter (restart)",
        ),
        _ => Guide::words("none: normal"),
    }
}

fn without_session(view: &View, hit: &Hit) -> Guide {
    let Some(p) = hit.process else {
        return Guide::words("look at the client");
    };
    let look = "look at the client's socket (ss -tnp): if the peer is gone or in CLOSE-WAIT, DCD should catch it; else tell the client's owner";
    if let Some(why) = refuse_kill(view, p, None) {
        return Guide::words(format!("{look}. Do not kill the OS process: {why}"));
    }
    if view.policy.observations < 2 {
        return Guide::words(format!(
            "{look}. A kill needs two observations: run with --twice 60s"
        ));
    }
    Guide {
        advice: format!("{look}. If it must go: look again right before, TERM first, KILL last"),
        statement: Some(term(view, p)),
    }
}

fn killed(view: &View, hit: &Hit) -> Guide {
    let look = if view.seen.clean_up.dead_cleanup {
        "look at V$DEAD_CLEANUP; "
    } else {
        ""
    };
    let then = match hit.process {
        Some(p) => match refuse_kill(view, p, hit.session) {
            Some(why) => format!(". Do not kill the OS process: {why}"),
            None => format!(". If the process stays: {}", term(view, p)),
        },
        None => String::new(),
    };
    end_session(view, hit, look, &then)
}

fn sniped(view: &View, hit: &Hit) -> Guide {
    let then = match hit.process.and_then(|p| refuse_kill(view, p, hit.session)) {
        Some(why) => format!(". Do not kill the OS process: {why}"),
        None => String::new(),
    };
    end_session(view, hit, "", &then)
}

fn idle_blocker(view: &View, hit: &Hit) -> Guide {
    let mut guide = end_session(
        view,
        hit,
        "ask its owner to commit or roll back; if a commit is on its way, DISCONNECT … POST_TRANSACTION waits for it; else ",
        "",
    );
    guide
        .advice
        .push_str(". MAX_IDLE_BLOCKER_TIME keeps it from happening again");
    guide
}

/// Ends a session in the way that this release and this kind of server allow.
fn end_session(view: &View, hit: &Hit, before: &str, after: &str) -> Guide {
    let (Some(s), Some(p)) = (hit.session, hit.process) else {
        return Guide::words(format!("{before}look at the session again{after}"));
    };
    let session = view.session(s);
    let Some(serial) = session.serial_no else {
        return Guide::words(format!(
            "{before}find its SERIAL#: the blueprint doesn't have it{after}"
        ));
    };
    let target = format!("'{},{serial}'", session.sid);
    let others: Vec<String> = view
        .shown(p)
        .iter()
        .filter(|o| **o != s)
        .map(|o| view.session(*o).sid.to_string())
        .collect();
    if view.classes[p] != Class::Dedicated {
        return Guide {
            advice: format!("{before}end the session only: the server serves others too{after}"),
            statement: Some(format!("ALTER SYSTEM KILL SESSION {target} IMMEDIATE")),
        };
    }
    if !others.is_empty() {
        return Guide {
            advice: format!(
                "{before}end the session only: SIDs {} live on the same process, and DISCONNECT would end them too{after}",
                others.join(", ")
            ),
            statement: Some(format!("ALTER SYSTEM KILL SESSION {target} IMMEDIATE")),
        };
    }
    match view.seen.clean_up.disconnect {
        Some(true) => Guide {
            advice: format!("{before}disconnect it: session and server process end{after}"),
            statement: Some(format!(
                "ALTER SYSTEM DISCONNECT SESSION {target} IMMEDIATE"
            )),
        },
        Some(false) => match refuse_kill(view, p, Some(s)) {
            Some(why) => Guide::words(format!(
                "{before}in this release only ending the OS process helps, and that must not be: {why}"
            )),
            None => Guide {
                advice: format!(
                    "{before}in this release only ending the OS process of the dedicated server helps; TERM first, KILL last"
                ),
                statement: Some(term(view, p)),
            },
        },
        None => Guide::words(format!(
            "{before}disconnect it; how this release does that is not known to its blueprint{after}"
        )),
    }
}

fn dead(view: &View) -> String {
    let look = if view.seen.clean_up.dead_cleanup {
        "; watch DEAD_TIME and STATE in V$DEAD_CLEANUP"
    } else {
        ""
    };
    format!("wait for PMON{look}; do not kill that OS pid: another process may have the number now")
}

fn term(view: &View, p: usize) -> String {
    let pid = match &view.process(p).os {
        OsFact::Alive(os) => os.pid.to_string(),
        _ => view.process(p).spid.clone().unwrap_or_default(),
    };
    format!("kill -TERM {pid}")
}

/// Why the OS process must not be killed; `None`: nothing speaks against it. `target` is the session
/// that would be ended on purpose.
pub(super) fn refuse_kill(view: &View, p: usize, target: Option<usize>) -> Option<String> {
    let process = view.process(p);
    match view.classes[p] {
        Class::Pseudo => return Some("PSEUDO is no process".into()),
        Class::Background if process.fatal => {
            return Some("the instance ends with this background process".into());
        }
        Class::Background => return Some("it is a background process".into()),
        Class::Shared | Class::Pooled => {
            return Some("it is no dedicated server: others are served by it".into());
        }
        Class::Dedicated => {}
    }
    let others = view.shown(p).iter().filter(|s| Some(**s) != target).count();
    if others > 0 {
        return Some(format!("{others} other sessions would die with it"));
    }
    match view.shares_spid(p) {
        0 => {}
        n => {
            return Some(format!(
                "{n} other Oracle processes share this OS pid (THREADED_EXECUTION): all would die"
            ));
        }
    }
    if let Some(why) = view.gone(p) {
        return Some(why.to_owned());
    }
    match &process.os {
        OsFact::Unknown(why) => Some(format!("whose pid that is here isn't known: {why}")),
        _ => None,
    }
}
