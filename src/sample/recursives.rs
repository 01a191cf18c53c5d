//! Recursive sessions: for whom they work, what share of the slots they take, how long they live.
//!
//! V$SESSION hides them, yet they count against the parameter `sessions` (Arup Nanda, 2010: SID 7
//! of the user and SID 10 RECURSIVE on one process, and one beside most background processes).
//!
//! For: decoding nothing; it follows owners and counts. Callers: `snapshot`, `cli::recursive`.

use std::collections::HashMap;

use crate::decode::Decoder;
use crate::memory::TargetAddr;
use crate::walk::Frame;

/// SID and serial number of a session.
pub type Session = (u32, u32);

/// The session for which each recursive one of the frame works, by slot: the session that owns it,
/// or the only other session of its process. None for those that belong to no process.
pub fn served(frame: &Frame, decoder: &Decoder, rows: &[TargetAddr]) -> HashMap<u32, Session> {
    let mut by_address = HashMap::new();
    let mut by_process: HashMap<TargetAddr, Vec<Session>> = HashMap::new();
    let mut recursive = Vec::new();
    for i in 0..frame.len() {
        let (words, slot) = (frame.row(i), frame.slots[i]);
        let (owner, process) = decoder.owners(words);
        let process = process.filter(|p| *p != TargetAddr::NULL);
        if decoder.is_recursive(words) {
            recursive.push((slot, owner, process));
            continue;
        }
        let session = (slot + 1, decoder.serial(words) as u32);
        if let Some(address) = rows.get(slot as usize) {
            by_address.insert(*address, session);
        }
        if let Some(process) = process {
            by_process.entry(process).or_default().push(session);
        }
    }
    let session_of = |owner: Option<TargetAddr>, process: Option<TargetAddr>| {
        if let Some(session) = owner.and_then(|o| by_address.get(&o)) {
            return Some(*session);
        }
        match by_process.get(&process?)?.as_slice() {
            [only] => Some(*only),
            // several sessions share the process: nobody says which
            _ => None,
        }
    };
    let served = recursive
        .into_iter()
        .filter_map(|(slot, owner, process)| Some((slot, session_of(owner, process)?)));
    served.collect()
}

/// One recursive session as it was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its SID and serial number.
    pub session: Session,
    /// The session that it works for.
    pub serves: Option<Session>,
    /// When it was first and last seen, ns since the watch began.
    pub first_ns: u64,
    /// See `first_ns`.
    pub last_ns: u64,
    /// Looks that saw it.
    pub looks: u64,
    /// Whether it began, ended while the watch went on.
    pub began: bool,
    /// See `began`.
    pub ended: bool,
}

impl Life {
    /// It lived at least so long, in ns.
    pub fn at_least_ns(&self) -> u64 {
        self.last_ns - self.first_ns
    }
}

/// Follows recursive sessions from look to look.
#[derive(Debug, Default)]
pub struct Watch {
    began_ns: Option<u64>,
    alive: HashMap<Session, Life>,
    over: Vec<Life>,
    /// Looks so far.
    pub looks: u64,
    /// Lives that ended after [`MOST_LIVES`] were kept, and so are only counted.
    pub uncounted: u64,
    /// Recursive sessions in all looks together.
    pub seen: u64,
    /// Most recursive sessions in one look.
    pub peak: u64,
    /// Sessions in use in all looks together, recursive ones included.
    pub in_use: u64,
}

/// Ended lives that are kept; a watch may go on for days.
pub const MOST_LIVES: usize = 1 << 20;

impl Watch {
    /// Takes a look: a frame of all sessions in use.
    pub fn look(&mut self, frame: &Frame, decoder: &Decoder, rows: &[TargetAddr]) {
        let began = *self.began_ns.get_or_insert(frame.mono_ns);
        let first_look = self.looks == 0;
        let serves = served(frame, decoder, rows);
        let mut count = 0;
        for i in 0..frame.len() {
            let (words, slot) = (frame.row(i), frame.slots[i]);
            if !decoder.is_recursive(words) {
                continue;
            }
            count += 1;
            let at = (frame.mono_ns + u64::from(frame.off_ns[i])).saturating_sub(began);
            let session = (slot + 1, decoder.serial(words) as u32);
            let life = self.alive.entry(session).or_insert(Life {
                session,
                serves: None,
                first_ns: at,
                last_ns: at,
                looks: 0,
                began: !first_look,
                ended: false,
            });
            life.last_ns = at;
            life.looks += 1;
            life.serves = life.serves.or_else(|| serves.get(&slot).copied());
        }
        self.looks += 1;
        self.seen += count;
        self.peak = self.peak.max(count);
        self.in_use += frame.len() as u64;
        self.bury(frame.mono_ns.saturating_sub(began));
    }

    /// Lives that the look at `at_ns` did not see are over.
    fn bury(&mut self, at_ns: u64) {
        let (over, uncounted) = (&mut self.over, &mut self.uncounted);
        self.alive.retain(|_, life| {
            let alive = life.last_ns >= at_ns;
            if !alive && over.len() < MOST_LIVES {
                over.push(Life {
                    ended: true,
                    ..*life
                });
            } else if !alive {
                *uncounted += 1;
            }
            alive
        });
    }

    /// All lives, by when they were first seen.
    pub fn lives(self) -> Vec<Life> {
        let mut lives = self.over;
        lives.extend(self.alive.into_values());
        lives.sort_by_key(|l| (l.first_ns, l.session));
        lives
    }
}
