//! Like for like on a real database: the backends of a PostgreSQL server with 500 sessions, read from
//! its shared memory by the layout that was learned, beside polling pg_stat_activity with psql. Both
//! must say the same; what each costs is printed as one line of JSON after `figures `.
//!
//! What reads memory here is this test's own loop over the learned members (the sampler's gate is
//! Oracle's), one row after the other under its change counter, all texts included.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::json;
use sgascope::bench::{Client, Dialect};
use sgascope::blueprint::calibrate::Learned;
use sgascope::blueprint::calibrate::ask::Form;
use sgascope::discover::thread_cpu_ns;
use sgascope::memory::{AddressSpace, TargetAddr, fence_acquire};

use super::server::{Server, activity_sql};
use super::support::wait_for;
use super::{Array, STATES, in_front, learned_array};

const BACKENDS: usize = 500;
/// Sweeps of each side that are billed.
const MEMORY_SWEEPS: usize = 200;
const SQL_SWEEPS: usize = 40;
/// Milliseconds that a row may take to rest.
const WAITS: usize = 30_000;
/// Most bytes of a statement that the server keeps (track_activity_query_size), its NUL included.
const MAX_TEXT: usize = 1024;
/// Slots on both sides of a known one that are looked at.
const SLOTS: i64 = 700;

/// A member as it is read.
struct Member {
    at: usize,
    kind: Kind,
}

enum Kind {
    Number(usize),
    Text,
    Pointed,
    Word(usize, BTreeMap<u64, u32>),
}

/// One backend, in the order of `columns`.
type Shown = Vec<String>;

/// What one look at a row gave: a backend without what it shows where a learned word or pointer is
/// none that was learned.
enum Look {
    Free,
    Held(u32, Option<Shown>),
    Moving,
}

/// Reads rows again and again into the same memory.
struct Reading<'a> {
    space: &'a dyn AddressSpace,
    rows: Vec<TargetAddr>,
    counter: usize,
    pid: usize,
    members: Vec<Member>,
    row: Vec<u8>,
    text: Vec<u8>,
}

fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut word = [0u8; 8];
    word[..width].copy_from_slice(&bytes[at..at + width]);
    u64::from_le_bytes(word)
}

fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or(&[])
}

fn member(learned: &Learned) -> Member {
    let (offset, form) = learned.place.unwrap();
    let kind = match form {
        Form::Text if learned.pointed => Kind::Pointed,
        Form::Text => Kind::Text,
        Form::Class(n) => Kind::Word(n.into(), learned.place_words()),
        form => Kind::Number(usize::from(form.width())),
    };
    Member {
        at: offset as usize,
        kind,
    }
}

impl Reading<'_> {
    /// One sweep: all rows that hold a backend with a statement, by pid.
    fn sweep(&mut self, into: &mut BTreeMap<u32, Shown>) {
        into.clear();
        for i in 0..self.rows.len() {
            if let Some((pid, shown)) = self.row(self.rows[i]) {
                into.insert(pid, shown);
            }
        }
    }

    /// A row that rests, None where it holds no backend.
    fn row(&mut self, at: TargetAddr) -> Option<(u32, Shown)> {
        for tries in 0..1000 + WAITS {
            match self.look(at).expect("rows of the array are readable") {
                Look::Free => return None,
                Look::Held(pid, shown) => return shown.map(|shown| (pid, shown)),
                Look::Moving => {}
            }
            if tries > 1000 {
                // on a busy machine a backend may have to wait for a CPU in the middle of a change
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        panic!("the row at 0x{at} never rests");
    }

    /// One look at a row under its guard: the counter is even, and the same before and after.
    /// None where no row can be.
    fn look(&mut self, at: TargetAddr) -> Option<Look> {
        let spot = self.space.locate(at, self.row.len() as u64).ok()?;
        self.space.read_bytes(spot, 0, &mut self.row).ok()?;
        let before = number(&self.row, self.counter, 4);
        let pid = number(&self.row, self.pid, 4) as u32;
        if pid == 0 {
            return Some(Look::Free);
        }
        let shown: Option<Shown> = (0..self.members.len()).map(|m| self.show(m)).collect();
        fence_acquire();
        let mut after = [0u8; 4];
        let offset = self.counter as u64;
        self.space.read_bytes(spot, offset, &mut after).ok()?;
        let rests = before.is_multiple_of(2) && u64::from(u32::from_le_bytes(after)) == before;
        Some(if rests {
            Look::Held(pid, shown)
        } else {
            Look::Moving
        })
    }

    fn show(&mut self, m: usize) -> Option<String> {
        let Member { at, kind } = &self.members[m];
        let text = |bytes: &[u8]| String::from_utf8_lossy(before_nul(bytes)).into_owned();
        Some(match kind {
            Kind::Number(width) => number(&self.row, *at, *width).to_string(),
            Kind::Word(width, words) => {
                let word = words.get(&number(&self.row, *at, *width))?;
                STATES[*word as usize].to_owned()
            }
            Kind::Text => text(&self.row[*at..]),
            Kind::Pointed => {
                let place = TargetAddr(number(&self.row, *at, 8));
                let most = self.text.len();
                let spot = self.space.locate(place, most as u64).ok()?;
                // most texts are short: a piece at a time
                let mut read = 0;
                while read < most {
                    let end = (read + 64).min(most);
                    let piece = &mut self.text[read..end];
                    self.space.read_bytes(spot, read as u64, piece).ok()?;
                    let ended = piece.contains(&0);
                    read = end;
                    if ended {
                        break;
                    }
                }
                text(&self.text[..read])
            }
        })
    }
}

/// Reads all rows of the array around the one that is known: from the first to the last that show
/// what SQL told. A pid alone proves no row, other arrays lie in the same memory.
fn reading<'a>(
    space: &'a dyn AddressSpace,
    array: &Array,
    truth: &BTreeMap<u32, Shown>,
) -> Reading<'a> {
    let pid = in_front(array.first);
    let at = |k: i64| {
        let row = array.first.0 - pid;
        TargetAddr(row.wrapping_add_signed(k * array.stride as i64))
    };
    let mut reading = Reading {
        space,
        rows: Vec::new(),
        counter: array.counter as usize,
        pid: pid as usize,
        members: array.learned.iter().map(member).collect(),
        row: vec![0; array.stride as usize],
        text: vec![0; MAX_TEXT],
    };
    let mut known = |k: &i64| match reading.look(at(*k)) {
        Some(Look::Held(pid, shown)) => shown.is_some() && truth.get(&pid) == shown.as_ref(),
        _ => false,
    };
    let first = (-SLOTS..SLOTS)
        .find(&mut known)
        .expect("a row that SQL told");
    let last = (first..SLOTS).rfind(&mut known).expect("the first is one");
    reading.rows = (first..=last).map(at).collect();
    reading
}

/// What SQL says, in the order of the members.
fn told(server: &Server, columns: &[&str]) -> BTreeMap<u32, Shown> {
    let rows = server.activity().into_iter();
    rows.map(|(pid, row)| (pid, columns.iter().map(|c| row[*c].clone()).collect()))
        .collect()
}

#[test]
fn five_hundred_backends_read_and_asked() {
    let server = Server::with_connections(BACKENDS as u32 + 40);
    let space = server.attach();
    let array = learned_array(&server, &space);
    let sessions: Vec<UnixStream> = (1000..1000 + BACKENDS).map(|i| server.backend(i)).collect();
    let columns: Vec<&str> = array.learned.iter().map(|l| l.field.as_str()).collect();
    let name = columns.iter().position(|c| *c == "application_name");
    // sessions of clients that are gone may sleep on: their numbers are below 100
    let is_ours = |shown: &Shown| shown[name.unwrap()].len() == "steady-1000".len();
    let limit = Duration::from_secs(60);
    wait_for("all backends at their statements", limit, || {
        told(&server, &columns)
            .values()
            .filter(|s| is_ours(s))
            .count()
            == BACKENDS
    });
    let truth = told(&server, &columns);
    let mut reading = reading(&space, &array, &truth);
    let mut shown = BTreeMap::new();
    reading.sweep(&mut shown);
    let ours = |all: &BTreeMap<u32, Shown>| -> BTreeMap<u32, Shown> {
        let kept = all.iter().filter(|(_, s)| is_ours(s));
        kept.map(|(pid, s)| (*pid, s.clone())).collect()
    };
    // pids, databases, users, names, states, statements and when they began
    assert_eq!(ours(&shown), ours(&truth));
    assert_eq!(ours(&shown).len(), BACKENDS);
    figures(&server, &mut reading, &mut shown);
    drop(sessions);
}

/// What each costs, in turn.
fn figures(server: &Server, reading: &mut Reading<'_>, shown: &mut BTreeMap<u32, Shown>) {
    let timeout = Duration::from_secs(30);
    let command = server.client_command();
    let mut client = Client::start(&command, Dialect::Psql, timeout).unwrap();
    client.find_server(None).unwrap().unwrap();
    let statement = activity_sql() + ";";
    let (mut rows, mut sql_wall, mut memory_wall) = (0, Duration::ZERO, Duration::ZERO);
    let (mut sql_ns, mut memory_ns) = (0u64, 0u64);
    for _ in 0..SQL_SWEEPS {
        let (before, began) = (client.spent(), Instant::now());
        let answer = client.ask(&statement).unwrap();
        sql_wall += began.elapsed();
        rows = answer.iter().filter(|b| **b == b'\n').count() - 1;
        let after = client.spent();
        sql_ns += after.client_ns - before.client_ns;
        sql_ns += after.server_ns.unwrap() - before.server_ns.unwrap();
        let (before, began) = (thread_cpu_ns(), Instant::now());
        for _ in 0..MEMORY_SWEEPS / SQL_SWEEPS {
            reading.sweep(shown);
        }
        memory_ns += thread_cpu_ns() - before;
        memory_wall += began.elapsed();
    }
    assert!(rows >= BACKENDS && shown.len() >= BACKENDS, "{rows}");
    let us = |ns: u64, of: usize| ns as f64 / 1e3 / of as f64;
    let (ours, theirs) = (us(memory_ns, MEMORY_SWEEPS), us(sql_ns, SQL_SWEEPS));
    let wall = |all: Duration, of: usize| all.as_secs_f64() * 1e6 / of as f64;
    println!(
        "figures {}",
        json!({
            "backends": BACKENDS,
            "slots_read": reading.rows.len(),
            "memory_cpu_us_per_sweep": ours,
            "memory_wall_us_per_sweep": wall(memory_wall, MEMORY_SWEEPS),
            "sql_cpu_us_per_sweep": theirs,
            "sql_wall_us_per_sweep": wall(sql_wall, SQL_SWEEPS),
            "sweeps_per_cpu_second_vs_sql": theirs / ours,
            "optimized": !cfg!(debug_assertions),
        })
    );
    // a build for tests says nothing of cost
    assert!(
        cfg!(debug_assertions) || ours < theirs,
        "{ours} µs against {theirs} µs of CPU"
    );
}
