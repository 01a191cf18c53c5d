//! The workload: an event-driven simulation in real time, on one thread, of sessions that log on, call, wait, burn
//! CPU, block each other and log off.
//!
//! The engine owns the logical state (through [`stage::Stage`]) and is the only writer of rows. `control` drives it.

mod actions;
mod background;
pub mod cost;
pub mod counters;
mod cursors;
pub mod fields;
mod graph;
mod locks;
mod meter;
mod pace;
mod people;
mod population;
pub mod random;
pub mod servers;
pub mod situations;
pub mod stage;
mod transactions;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use cursors::{Cursor, Cursors};
use locks::Locks;
use pace::Pace;
use people::{Numbers, People};
use random::Random;
use servers::Servers;
use situations::Account;
use stage::{Stage, monotonic_ns};
pub use transactions::Xid;

/// Kind of workload.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Many short calls.
    Oltp,
    /// Connected sessions that hardly do anything.
    Idle,
}

/// What the engine has to do.
#[derive(Clone, Copy, Debug)]
pub struct EngineSpec {
    /// Kind of workload.
    pub workload: Workload,
    /// Seed of all choices.
    pub seed: u64,
    /// State changes a second over all sessions.
    pub rate: u32,
    /// Some sessions work through shared servers, a dispatcher, the connection pool.
    pub pooled: bool,
    /// Statements a second that are loaded beside those that sessions run; with any, all statements are run in turn.
    pub cursor_churn: u32,
}

/// What a session is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Step {
    /// The slot isn't in use.
    #[default]
    Free,
    /// Idle between calls.
    Thinking,
    /// On CPU in a call.
    Running,
    /// In a timed wait of a call.
    Waiting,
    /// In the wait for its commit.
    Committing,
    /// Waits for another session's row lock, without a time limit.
    Blocked,
    /// Sniped or killed; will log off.
    Ending,
    /// Background process, waiting for work.
    Dormant,
    /// Background process on CPU.
    Awake,
    /// Background process in a working wait.
    Working,
    /// Recursive session that will go away.
    Recursive,
    /// Recursive session that stays.
    Permanent,
    /// Put into a situation on purpose, where it stays.
    Held,
}

/// What the workload knows of a session beyond its row.
#[derive(Clone, Debug, Default)]
struct Mind {
    step: Step,
    /// Appointments with another generation are void.
    generation: u32,
    /// Calls all the time.
    hot: bool,
    /// Steps left in the call.
    steps: u32,
    /// CLOCK_MONOTONIC when the wait began.
    wait_began: u64,
    /// Slot of its process.
    process: Option<usize>,
    /// Row that it holds or awaits.
    row: Option<usize>,
    current: Option<Cursor>,
    previous: Option<usize>,
    /// Its recursive session.
    child: Option<usize>,
    /// The session whose recursive session it is.
    parent: Option<usize>,
    /// Index in the list of background processes.
    background: usize,
    executions: u64,
    transactions: u64,
}

/// Something that is due at some time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Task {
    Session(usize, u32),
    Logon,
    Recursion,
    Churn,
}

/// The workload engine.
#[derive(Debug)]
pub struct Engine {
    /// Memory and logical state.
    pub stage: Stage,
    workload: Workload,
    pooled: bool,
    random: Random,
    agenda: BinaryHeap<Reverse<(u64, Task)>>,
    minds: Vec<Mind>,
    cursors: Cursors,
    /// Mean time between two loads of churn, in microseconds.
    churn_pause: f64,
    locks: Locks,
    pace: Pace,
    numbers: Numbers,
    people: People,
    free_processes: Vec<usize>,
    hot_wanted: usize,
    hot_now: usize,
    nap_ns: u64,
    /// Time that agenda times lag behind CLOCK_MONOTONIC: pauses and delays.
    lag: u64,
    host: std::sync::Arc<str>,
    /// Operating-system processes, if there are to be any.
    servers: Option<Servers>,
    /// The account of what sessions consume, if one is kept.
    meter: Option<meter::Meter>,
    /// What was made on purpose.
    pub accounts: Vec<Account>,
    /// A lock graph has replaced what the workload knows of its sessions.
    pub graph_set: bool,
}

/// Longest nap between two batches of changes, but for its uneven part.
const LONGEST_NAP_NS: u64 = 800_000;
/// Shortest one: more wake-ups would cost more than the changes.
const SHORTEST_NAP_NS: u64 = 60_000;
/// Longest delay that is caught up; more is dropped from the schedule.
const LONGEST_DELAY_NS: u64 = 50_000_000;

impl Engine {
    /// An engine over a stage; [`Engine::populate`] fills it.
    pub fn new(stage: Stage, spec: &EngineSpec) -> Engine {
        let numbers = Numbers::new(&stage.instance.exe);
        let churn = spec.cursor_churn > 0;
        let cursors = Cursors::new(
            &stage.instance.places.handles,
            stage.instance.pool.len(),
            churn,
        );
        let sessions = stage.sessions.len();
        let mut engine = Engine {
            minds: vec![Mind::default(); sessions],
            workload: spec.workload,
            pooled: spec.pooled,
            random: Random::new(spec.seed),
            agenda: BinaryHeap::new(),
            cursors,
            churn_pause: 1e6 / f64::from(spec.cursor_churn.max(1)),
            locks: Locks::new((sessions / 8).max(4)),
            pace: Pace::new(f64::from(spec.rate)),
            numbers,
            people: People::new(),
            free_processes: Vec::new(),
            hot_wanted: 0,
            hot_now: 0,
            nap_ns: LONGEST_NAP_NS,
            lag: 0,
            host: std::sync::Arc::from(host_name().as_str()),
            servers: None,
            meter: None,
            accounts: Vec::new(),
            stage,
            graph_set: false,
        };
        if churn {
            engine.later(Task::Churn, 0.0);
        }
        engine
    }

    /// From now on every process row has a process of the operating system.
    pub fn serve_with(&mut self, servers: Servers) {
        self.servers = Some(servers);
    }

    /// Does everything that is due; returns how long the caller may sleep.
    pub fn advance(&mut self) -> Duration {
        let now = self.now();
        if let Some(&Reverse((due, _))) = self.agenda.peek() {
            let delay = now.saturating_sub(due);
            // what is metered goes by time itself, which may be faster than this program
            if delay > LONGEST_DELAY_NS && self.meter.is_none() {
                self.lag += delay;
            }
        }
        let now = self.now();
        self.pace.measure(self.stage.changes, now);
        while let Some(&Reverse((due, task))) = self.agenda.peek() {
            if due > now {
                return Duration::from_nanos((due - now).max(self.nap()));
            }
            self.agenda.pop();
            match task {
                Task::Session(i, generation) if self.minds[i].generation == generation => {
                    self.act(i)
                }
                Task::Session(..) => {}
                Task::Logon => self.somebody_logs_on(),
                Task::Recursion => self.somebody_recurses(),
                Task::Churn => self.churn(),
            }
        }
        Duration::from_millis(50)
    }

    /// What is due within a nap of up to a millisecond is done together; naps are uneven, so that readers with a fixed
    /// period see all phases, and shorter when few sessions have to make many changes.
    fn nap(&mut self) -> u64 {
        self.nap_ns / 8 + self.random.below(self.nap_ns)
    }

    /// Time of the schedule in nanoseconds.
    fn now(&self) -> u64 {
        monotonic_ns().saturating_sub(self.lag)
    }

    /// Takes `ns` out of the schedule, e.g. a pause.
    pub fn skip(&mut self, ns: u64) {
        self.lag += ns;
    }

    /// Makes an appointment for session slot `i` and voids its earlier ones.
    fn appoint(&mut self, i: usize, microseconds: f64) {
        self.minds[i].generation = self.minds[i].generation.wrapping_add(1);
        let task = Task::Session(i, self.minds[i].generation);
        self.agenda
            .push(Reverse((self.now() + (microseconds * 1e3) as u64, task)));
    }

    /// A duration that the asked rate stretches.
    fn stretched(&mut self, mean: f64) -> f64 {
        self.random.exponential(mean) * self.pace.scale()
    }

    fn later(&mut self, task: Task, microseconds: f64) {
        self.agenda
            .push(Reverse((self.now() + (microseconds * 1e3) as u64, task)));
    }
}

/// The host's name, for PROGRAM of background processes.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".into(), |n| n.trim().to_string())
}
