//! Situations of sessions, processes and the operating system that a report has to name, made on purpose, and the
//! account of them.
//!
//! The numbers are those of the table of situations: sessions and processes that are normal but look odd (1 to 4, 8,
//! 11 to 14, 16), and those that hold something (5 to 7, 9, 10, 15, 17). Part of the engine; `pmon` writes the account.

use std::sync::Arc;

use serde::Serialize;

use super::fields::{Num, ProcNum, ProcText, Text};
use super::population::PROCESS_BACKGROUND;
use super::stage::{BUSY, IN_USE, KILLED, ON_FREE_LIST, SNIPED, epoch_seconds};
use super::{Engine, Step};

/// How long ago idle sessions made their last call, in seconds. Their processes are younger, since no process can be
/// made old; so their logon stays young too.
const LONG_AGO: u64 = 7_200;
/// Share of a limit that counts as risky.
const RISK: f64 = 0.9;

/// One thing that a report has to show.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Number of the situation.
    pub row: u8,
    /// Session, if it is about one.
    pub sid: Option<usize>,
    /// Its serial number.
    pub serial_no: Option<u64>,
    /// Process, if it is about one.
    pub pid: Option<usize>,
    /// Its number in the operating system.
    pub spid: Option<String>,
    /// What was done.
    pub what: &'static str,
}

/// A situation by its number; 1, 2 and 14 are in every instance.
type Maker = fn(&mut Engine);

/// Makers by number.
const MAKERS: &[(u8, Maker)] = &[
    (3, Engine::shared_idle),
    (4, Engine::pooled_idle),
    (5, Engine::without_session),
    (6, Engine::killed_holding),
    (7, Engine::sniped_holding),
    (8, Engine::rolling_back),
    (9, Engine::orphans),
    (10, Engine::dead_processes),
    (11, Engine::recursing),
    (12, Engine::two_sessions),
    (13, Engine::shared_busy),
    (15, Engine::idle_blocker),
    (16, Engine::abandoned),
    (17, Engine::full),
];

/// All numbers that can be asked for.
pub fn numbers() -> Vec<u8> {
    MAKERS.iter().map(|(row, _)| *row).collect()
}

impl Engine {
    /// Makes the situations asked for, and accounts for them and for what is in every instance.
    pub fn make_situations(&mut self, rows: &[u8]) {
        for &(row, make) in MAKERS {
            if rows.contains(&row) {
                make(self);
            }
        }
        let used = |e: &Engine| -> Vec<usize> {
            let all = 0..e.stage.processes.len();
            all.filter(|p| e.stage.processes[*p].is_in_use()).collect()
        };
        for p in used(self) {
            let flags = self.stage.processes[p].num(ProcNum::Flags);
            if p == 0 {
                self.note(1, None, Some(p), "PSEUDO");
            } else if flags & PROCESS_BACKGROUND != 0 {
                self.note(2, None, Some(p), "background");
            }
        }
        for i in 0..self.minds.len() {
            if self.minds[i].step == Step::Permanent && self.stage.sessions[i].kind() == "RECURSIVE"
            {
                self.note(14, Some(i), None, "no owner");
            }
        }
        let sessions = self.stage.sessions.iter().filter(|s| s.is_in_use()).count();
        let limits = [
            (used(self).len(), self.stage.processes.len(), "processes"),
            (sessions, self.stage.sessions.len(), "sessions"),
        ];
        for (current, limit, what) in limits {
            if current as f64 >= limit as f64 * RISK {
                self.note(17, None, None, what);
            }
        }
    }

    fn note(&mut self, row: u8, i: Option<usize>, p: Option<usize>, what: &'static str) {
        let spid = p.map(|p| self.stage.processes[p].text(ProcText::Spid).to_string());
        self.accounts.push(Account {
            row,
            sid: i.map(|i| i + 1),
            serial_no: i.map(|i| self.stage.sessions[i].num(Num::Serial)),
            pid: p.map(|p| p + 1),
            spid: spid.filter(|s| !s.is_empty()),
            what,
        });
    }

    /// A new session on a process of its own, that will do nothing.
    fn quiet_session(&mut self) -> Option<(usize, usize)> {
        let i = self.random_free_slot()?;
        self.log_on(Some(i), "init");
        let p = self.minds[i].process?;
        self.hold_still(i);
        Some((i, p))
    }

    /// Voids the session's appointments.
    fn hold_still(&mut self, i: usize) {
        self.minds[i].step = Step::Held;
        self.minds[i].generation = self.minds[i].generation.wrapping_add(1);
    }

    fn change(&mut self, i: usize, values: &[(Num, u64)]) {
        self.stage.begin();
        self.stage.put_all(i, values);
        self.stage.finish(i, "situation");
    }

    fn named_process(&mut self, role: &str) -> Option<usize> {
        let program = format!("oracle@{} ({role})", self.host);
        self.start_process(0, &program, "oracle")
    }

    fn shared_idle(&mut self) {
        for role in ["D000", "S000"] {
            if let Some(p) = self.named_process(role) {
                self.note(3, None, Some(p), "no session");
            }
        }
    }

    fn pooled_idle(&mut self) {
        for role in ["P000", "J001", "N003", "L001", "V001", "Q002", "W00A"] {
            if let Some(p) = self.named_process(role) {
                self.note(4, None, Some(p), "no session");
            }
        }
    }

    fn without_session(&mut self) {
        let program = format!("oracle@{}", self.host);
        if let Some(p) = self.start_process(0, &program, "oracle") {
            self.note(5, None, Some(p), "never had a session");
        }
        let Some((i, p)) = self.quiet_session() else {
            return;
        };
        self.change(i, &[(Num::StateFlag, ON_FREE_LIST), (Num::Flags, 0)]);
        self.minds[i].step = Step::Free;
        self.minds[i].process = None;
        self.stage.put_process(p, ProcNum::Session, 0);
        self.note(5, None, Some(p), "its session logged off");
    }

    fn killed_holding(&mut self) {
        let pseudo = self.stage.instance.places.processes[0];
        for _ in 0..2 {
            if let Some((i, p)) = self.quiet_session() {
                self.change(i, &[(Num::Idle, KILLED), (Num::Owner, pseudo)]);
                self.stage.put_process(p, ProcNum::Session, 0);
                self.note(6, Some(i), Some(p), "moved to PSEUDO");
            }
        }
        if let Some((i, p)) = self.quiet_session() {
            self.change(i, &[(Num::Idle, KILLED)]);
            self.note(6, Some(i), Some(p), "not moved");
        }
    }

    fn sniped_holding(&mut self) {
        if let Some((i, p)) = self.quiet_session() {
            self.change(i, &[(Num::Idle, SNIPED)]);
            self.note(7, Some(i), Some(p), "sniped");
        }
    }

    fn rolling_back(&mut self) {
        let pseudo = self.stage.instance.places.processes[0];
        for moved in [false, true] {
            if let Some((i, p)) = self.quiet_session() {
                self.stage.begin();
                self.start_transaction(i);
                self.stage.put(i, Num::Idle, KILLED);
                self.stage.finish(i, "situation");
                if moved {
                    self.change(i, &[(Num::Owner, pseudo)]);
                }
                self.note(8, Some(i), Some(p), "killed with a transaction");
            }
        }
    }

    fn orphans(&mut self) {
        if let Some((i, p)) = self.quiet_session() {
            self.end_server(p);
            self.note(9, Some(i), Some(p), "its OS process has ended");
        }
        if let Some((i, p)) = self.quiet_session() {
            self.replace_server(p, "backup-agent --daily");
            self.note(9, Some(i), Some(p), "its OS pid is another program's");
        }
        if let Some((i, p)) = self.quiet_session() {
            self.change(i, &[(Num::Logon, epoch_seconds() - LONG_AGO)]);
            self.note(9, Some(i), Some(p), "its OS pid is a younger server's");
        }
        if let Some((i, p)) = self.quiet_session() {
            let pseudo = self.stage.instance.places.processes[0];
            self.change(i, &[(Num::Idle, KILLED), (Num::Owner, pseudo)]);
            self.minds[i].process = None;
            self.end_process(p);
            self.note(9, Some(i), None, "killed, and its process is cleaned up");
        }
    }

    fn dead_processes(&mut self) {
        let program = format!("oracle@{}", self.host);
        if let Some(p) = self.start_process(0, &program, "oracle") {
            self.end_server(p);
            self.note(10, None, Some(p), "its OS process has ended");
        }
    }

    fn recursing(&mut self) {
        for _ in 0..2 {
            let Some((i, p)) = self.quiet_session() else {
                return;
            };
            let slot = self.random_free_slot();
            self.start_recursive(slot, Some(i), "situation");
            if let Some(child) = self.minds[i].child {
                self.hold_still(child);
                self.note(11, Some(i), Some(p), "recursive session");
            }
        }
    }

    fn two_sessions(&mut self) {
        let (Some((first, p)), Some((second, own))) = (self.quiet_session(), self.quiet_session())
        else {
            return;
        };
        self.join(second, own, p);
        for text in [Text::Process, Text::Machine, Text::Program, Text::OsUser] {
            let value = self.stage.sessions[first].text(text).clone();
            self.stage.text(second, text, &value);
        }
        let (module, action): (Arc<str>, Arc<str>) = (Arc::from("SQL*Plus"), Arc::from(""));
        self.stage.module_action(second, &module, &action);
        self.note(12, None, Some(p), "autotrace");
    }

    /// Session `i`, which has a process of its own, moves to process `p`; the own one ends.
    fn join(&mut self, i: usize, own: usize, p: usize) {
        let address = self.stage.instance.places.processes[p];
        let serial = self.stage.processes[p].num(ProcNum::Serial);
        self.change(
            i,
            &[
                (Num::Owner, address),
                (Num::Creator, address),
                (Num::CreatorSerial, serial),
            ],
        );
        self.minds[i].process = Some(p);
        self.end_process(own);
    }

    fn shared_busy(&mut self) {
        let (Some(p), Some((i, own))) = (self.named_process("S001"), self.quiet_session()) else {
            return;
        };
        self.join(i, own, p);
        self.note(13, None, Some(p), "serves a session");
    }

    fn grow_idle(&mut self, i: usize) {
        let then = epoch_seconds() - LONG_AGO;
        self.change(
            i,
            &[
                (Num::WaitStamp, then),
                (Num::CallStamp, then),
                (Num::CallTime, then),
            ],
        );
    }

    /// An idle session with a transaction, and one that waits for its row.
    fn idle_blocker(&mut self) {
        let (Some((holder, p)), Some((waiter, _))) = (self.quiet_session(), self.quiet_session())
        else {
            return;
        };
        self.stage.begin();
        self.start_transaction(holder);
        self.stage.finish(holder, "situation");
        self.grow_idle(holder);
        let enqueue = self.stage.instance.places.enqueues[waiter];
        self.stage.begin();
        self.stage
            .put_all(waiter, &[(Num::Idle, BUSY), (Num::LockWait, enqueue)]);
        self.await_holder(waiter, holder);
        self.stage.finish(waiter, "situation");
        self.note(15, Some(holder), Some(p), "idle, blocks another");
    }

    fn abandoned(&mut self) {
        if let Some((i, p)) = self.quiet_session() {
            self.grow_idle(i);
            self.note(16, Some(i), Some(p), "idle, no transaction");
        }
    }

    /// Healthy sessions until the processes are short.
    fn full(&mut self) {
        let limit = self.stage.processes.len();
        let risky = (limit as f64 * RISK).ceil() as usize;
        let mut used = self
            .stage
            .processes
            .iter()
            .filter(|p| p.num(ProcNum::StateFlag) & IN_USE != 0)
            .count();
        // one more, so that it is above the share too
        while used <= risky && self.quiet_session().is_some() {
            used += 1;
        }
    }
}
