//! What each side got to see of the truth: sessions, waits, recursive sessions.
//!
//! Rows of SQL are read by the names of their columns; what has no name that is known here is null,
//! not guessed. Callers: [`super::sampling`], [`super::polling`].

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::blueprint::csv::{CsvReader, Record};

/// What was seen over all sweeps of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Seen {
    /// Rows of all sweeps.
    pub rows: u64,
    /// Rows of a sweep on average.
    pub rows_per_sweep: f64,
    /// Different sessions (SID and SERIAL#, or pid).
    pub sessions: Option<u64>,
    /// Different sessions that were seen active: in a call, or waiting for something that isn't idle.
    pub sessions_active: Option<u64>,
    /// Different waits (session and SEQ#) that aren't idle.
    pub waits: Option<u64>,
    /// Of them those seen by one sweep only: waits shorter than two periods.
    pub waits_seen_once: Option<u64>,
    /// Different recursive sessions, which V$SESSION hides.
    pub recursive_sessions: Option<u64>,
}

/// One session at one moment; what isn't known is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) session: Option<(u64, u64)>,
    pub(super) active: Option<bool>,
    /// SEQ# of the wait it is in, if it is in one that isn't idle.
    pub(super) wait: Option<Option<u64>>,
    pub(super) recursive: Option<bool>,
}

/// Collects sights.
#[derive(Default)]
pub(super) struct Eyes {
    sweeps: u64,
    rows: u64,
    sessions: Option<HashSet<(u64, u64)>>,
    active: Option<HashSet<(u64, u64)>>,
    recursive: Option<HashSet<(u64, u64)>>,
    waits: Option<HashMap<(u64, u64, u64), u32>>,
}

impl Eyes {
    pub(super) fn sweep(&mut self) {
        self.sweeps += 1;
    }

    /// Rows of which nothing is known.
    fn rows(&mut self, rows: u64) {
        self.rows += rows;
    }

    pub(super) fn sight(&mut self, sight: Sight) {
        self.rows += 1;
        let Some(session) = sight.session else { return };
        self.sessions.get_or_insert_default().insert(session);
        let sets = [
            (&mut self.active, sight.active),
            (&mut self.recursive, sight.recursive),
        ];
        for (set, member) in sets {
            let Some(member) = member else { continue };
            let set = set.get_or_insert_default();
            if member {
                set.insert(session);
            }
        }
        if let Some(wait) = sight.wait {
            let waits = self.waits.get_or_insert_default();
            if let Some(seq) = wait {
                *waits.entry((session.0, session.1, seq)).or_default() += 1;
            }
        }
    }

    pub(super) fn seen(&self) -> Seen {
        let count = |set: &Option<HashSet<(u64, u64)>>| set.as_ref().map(|s| s.len() as u64);
        let once = |waits: &HashMap<_, u32>| waits.values().filter(|n| **n == 1).count() as u64;
        Seen {
            rows: self.rows,
            rows_per_sweep: self.rows as f64 / self.sweeps.max(1) as f64,
            sessions: count(&self.sessions),
            sessions_active: count(&self.active),
            waits: self.waits.as_ref().map(|w| w.len() as u64),
            waits_seen_once: self.waits.as_ref().map(once),
            recursive_sessions: count(&self.recursive),
        }
    }
}

/// Places of the columns that are known, in a line of names.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    sid: Option<usize>,
    serial: Option<usize>,
    key: Option<usize>,
    status: Option<usize>,
    state: Option<usize>,
    class: Option<usize>,
    seq: Option<usize>,
    kind: Option<usize>,
}

impl Places {
    fn of(names: &[String]) -> Places {
        let place = |wanted: &[&str]| names.iter().position(|n| wanted.contains(&n.as_str()));
        Places {
            sid: place(&["sid", "session_id", "pid"]),
            serial: place(&["serial#", "serial_no", "session_serial#"]),
            key: place(&["session_key"]),
            status: place(&["status"]),
            state: place(&["state"]),
            class: place(&["wait_class"]),
            seq: place(&["seq#", "seq_no"]),
            kind: place(&["type"]),
        }
    }

    fn sight(&self, record: &Record, all_active: bool) -> Sight {
        let get = |place: Option<usize>| place.and_then(|p| record.get(p));
        let number = |place| get(place).and_then(|t| t.parse::<u64>().ok());
        let (state, class) = (get(self.state), get(self.class));
        let waiting = state.as_deref() == Some("WAITING");
        let idle = class.as_deref() == Some("Idle");
        // as the sampler judges: waiting for what isn't idle, or in a call (PostgreSQL: state active)
        let active = match (self.status, self.state, self.class) {
            _ if all_active => Some(true),
            (Some(_), Some(_), Some(_)) if waiting => Some(!idle),
            (Some(_), _, _) => get(self.status).map(|s| s == "ACTIVE"),
            (None, Some(_), None) => Some(state.as_deref() == Some("active")),
            _ => None,
        };
        let in_wait = (self.state.is_some() && self.class.is_some() && self.seq.is_some())
            .then(|| number(self.seq).filter(|_| waiting && !idle));
        let key = || {
            let key = get(self.key)?;
            let (sid, serial) = key.split_once('-')?;
            Some((sid.parse().ok()?, serial.parse().ok()?))
        };
        let session = number(self.sid).map(|sid| (sid, number(self.serial).unwrap_or(0)));
        Sight {
            session: session.or_else(key),
            active,
            wait: in_wait,
            recursive: get(self.kind).map(|k| k == "RECURSIVE"),
        }
    }
}

/// Reads one answer, a line of names and then rows. `all_active`: the statement chooses active
/// sessions only.
pub(super) fn look_at_csv(eyes: &mut Eyes, answer: &[u8], all_active: bool) {
    eyes.sweep();
    let mut csv = CsvReader::new(answer);
    let mut record = Record::default();
    let Ok(true) = csv.next(&mut record) else {
        return;
    };
    let names: Vec<String> = (0..record.len())
        .filter_map(|i| Some(record.get(i)?.to_lowercase()))
        .collect();
    let places = Places::of(&names);
    if places.sid.is_none() && places.key.is_none() {
        let lines = answer.iter().filter(|b| **b == b'\n').count() as u64;
        eyes.rows(lines.saturating_sub(1));
        return;
    }
    while let Ok(true) = csv.next(&mut record) {
        eyes.sight(places.sight(&record, all_active));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(answers: &[&str]) -> Seen {
        let mut eyes = Eyes::default();
        for answer in answers {
            look_at_csv(&mut eyes, answer.as_bytes(), false);
        }
        eyes.seen()
    }

    #[test]
    fn rows_of_v_session() {
        let names = "\"SID\",\"SERIAL#\",\"STATUS\",\"TYPE\",\"SEQ#\",\"STATE\",\"WAIT_CLASS\"\n";
        let first = "1,5,\"ACTIVE\",\"BACKGROUND\",9,\"WAITING\",\"Idle\"\n\
                     2,7,\"ACTIVE\",\"USER\",4,\"WAITING\",\"User I/O\"\n\
                     3,7,\"INACTIVE\",\"USER\",4,\"WAITING\",\"Idle\"\n\
                     4,1,\"ACTIVE\",\"USER\",4,\"WAITED SHORT TIME\",\"User I/O\"\n";
        let second = "2,7,\"ACTIVE\",\"USER\",4,\"WAITING\",\"User I/O\"\n\
                      4,1,\"INACTIVE\",\"USER\",5,\"WAITING\",\"Commit\"\n\
                      4,2,\"ACTIVE\",\"USER\",5,\"WAITING\",\"Commit\"\n";
        let seen = seen(&[&format!("{names}{first}"), &format!("{names}{second}")]);
        assert_eq!(
            seen,
            Seen {
                rows: 7,
                rows_per_sweep: 3.5,
                sessions: Some(5),
                sessions_active: Some(3),
                waits: Some(3),
                waits_seen_once: Some(2),
                recursive_sessions: Some(0),
            }
        );
    }

    #[test]
    fn rows_of_other_statements() {
        let finops = "SESSION_KEY,USERNAME,CPU_TIME\n12-7,SOE,5\n12-8,HR,1\n";
        let mut eyes = Eyes::default();
        look_at_csv(&mut eyes, finops.as_bytes(), true);
        let found = eyes.seen();
        assert_eq!((found.sessions, found.sessions_active), (Some(2), Some(2)));
        assert_eq!((found.waits, found.recursive_sessions), (None, None));
        let backends = seen(&["pid,state,query\n9,active,\"a,\n\"\"b\"\"\"\n10,idle,x\n"]);
        assert_eq!((backends.rows, backends.sessions_active), (2, Some(1)));
        let others = seen(&["a,b\n1,2\n3,4\n", "a,b\n"]);
        assert_eq!((others.rows, others.sessions), (2, None));
        assert_eq!(seen(&["", "\n"]).rows, 0);
    }
}
