//! Filling slots: processes, background sessions, logons, recursive sessions, and the state an instance starts with.
//!
//! Part of the engine.

use std::sync::Arc;

use super::fields::{Num, ProcNum, ProcText, Text};
use super::people::BACKGROUND;
use super::stage::{
    IN_USE, LOGGED_ON, NO_CHILD, ON_FREE_LIST, RECURSIVE, SYSTEM, USER, epoch_seconds, monotonic_ns,
};
use super::{Engine, LONGEST_NAP_NS, SHORTEST_NAP_NS, Step, Task, Workload};

/// Bit of KSUPRFLG: background process.
pub(super) const PROCESS_BACKGROUND: u64 = 2;
/// Bit of KSUPRFLG: fatal background process (Tanel Poder, fatal_bg_proc.sql).
const PROCESS_FATAL: u64 = 4;
/// KSUSESOW without an owner ("not valid").
const NO_OWNER: u64 = 2_147_483_644;
/// Session edition ORA$BASE.
const EDITION: u64 = 133;
/// Changes a second that one session makes which calls all the time, unstretched.
const CHANGES_PER_HOT: f64 = 1_000.0;
/// Changes a second that are asked of one such session at most.
const RATE_PER_HOT: f64 = 130.0;

impl Engine {
    /// Fills the instance with processes and sessions; each of them is logged as `init`.
    pub fn populate(&mut self, rate: u32) {
        let (sessions, processes) = (self.stage.sessions.len(), self.stage.processes.len());
        self.free_processes = (1..processes).rev().collect();
        self.stage.put_process(0, ProcNum::Flags, 0);
        self.stage.process_text(0, ProcText::Program, "PSEUDO");
        self.stage.put_process(0, ProcNum::StateFlag, IN_USE);
        let background = BACKGROUND.len().min(sessions / 6).min(processes / 4).max(2);
        for n in 0..background {
            self.start_background(n);
        }
        let room = sessions - background;
        let users = (room * 7 / 10)
            .min(processes.saturating_sub(background + 3))
            .max(1);
        if self.workload == Workload::Oltp {
            let wanted = (f64::from(rate) / RATE_PER_HOT).ceil() as usize;
            self.hot_wanted = wanted.clamp(2, (users * 6 / 10).max(2));
            self.pace.expect(self.hot_wanted, CHANGES_PER_HOT);
            // A session makes at most one change in a nap.
            let gap = 1e9 * self.hot_wanted as f64 / f64::from(rate.max(1));
            self.nap_ns = (gap as u64 / 4).clamp(SHORTEST_NAP_NS, LONGEST_NAP_NS);
        }
        for _ in 0..users {
            let slot = self.random_free_slot();
            self.log_on(slot, "init");
        }
        for _ in 0..2usize.min(room / 10) {
            let slot = self.random_free_slot();
            self.start_recursive(slot, None, "init");
        }
        self.later(Task::Recursion, 10_000.0);
    }

    /// The lowest free slots are the likelier ones, as on a real instance that has seen more sessions than now.
    pub(super) fn random_free_slot(&mut self) -> Option<usize> {
        let free: Vec<usize> = (0..self.minds.len())
            .filter(|i| self.minds[*i].step == Step::Free)
            .collect();
        let n = self.random.popular(free.len());
        free.get(n).copied()
    }

    pub(super) fn start_process(
        &mut self,
        flags: u64,
        program: &str,
        os_user: &str,
    ) -> Option<usize> {
        let p = self.free_processes.pop()?;
        let serial = self.next_serial(self.stage.processes[p].num(ProcNum::Serial), 255);
        // PMON is this very process; the others have real ones only if asked for, else ids that nobody has.
        let spid = if program.contains("(PMON)") {
            std::process::id()
        } else {
            self.start_server(p, program)
                .unwrap_or(5_000_000 + p as u32 * 7)
        };
        self.stage.put_process(p, ProcNum::Owner, 0);
        self.stage.put_process(p, ProcNum::Serial, serial);
        self.stage.put_process(p, ProcNum::Flags, flags);
        self.stage.process_text(p, ProcText::OsUser, os_user);
        self.stage.process_text(p, ProcText::Terminal, "UNKNOWN");
        self.stage.process_text(p, ProcText::Program, program);
        self.stage
            .process_text(p, ProcText::Spid, &spid.to_string());
        self.process_memory(p);
        self.stage.put_process(p, ProcNum::StateFlag, IN_USE);
        Some(p)
    }

    /// New PGA figures for a process.
    pub(super) fn process_memory(&mut self, p: usize) {
        let used = 900_000 + self.random.below(6_000_000);
        let ram = used + self.random.below(1_500_000);
        self.stage.put_process(p, ProcNum::PgaUsed, used);
        self.stage.put_process(p, ProcNum::PgaAllocRam, ram);
        self.stage
            .put_process(p, ProcNum::PgaAllocName, 65_536 * (1 + p as u64 % 5));
    }

    fn start_server(&mut self, p: usize, program: &str) -> Option<u32> {
        let started = self.servers.as_mut()?.start(p, program);
        started
            .inspect_err(|e| eprintln!("sgasim: starting {program}: {e}"))
            .ok()
    }

    /// Ends the operating-system process of a row that stays.
    pub(super) fn end_server(&mut self, p: usize) {
        if let Some(servers) = &mut self.servers {
            servers.end(p);
        }
    }

    /// Another program gets the number that a row has: here the row gets the program's.
    pub(super) fn replace_server(&mut self, p: usize, line: &str) {
        let Some(servers) = &mut self.servers else {
            return;
        };
        if let Ok(pid) = servers.start_as(p, line) {
            self.stage.process_text(p, ProcText::Spid, &pid.to_string());
        }
    }

    pub(super) fn end_process(&mut self, p: usize) {
        self.end_server(p);
        self.stage.put_process(p, ProcNum::StateFlag, ON_FREE_LIST);
        self.stage.put_process(p, ProcNum::Session, 0);
        self.free_processes.push(p);
    }

    fn next_serial(&mut self, last: u64, end: u64) -> u64 {
        let start = if last == 0 {
            self.random.below(end / 2)
        } else {
            last
        };
        start % end + 1
    }

    fn start_background(&mut self, n: usize) {
        let (name, ..) = BACKGROUND[n];
        let program = format!("oracle@{} ({name})", self.host);
        let flags = PROCESS_BACKGROUND | if n < 10 { PROCESS_FATAL } else { 0 };
        let (Some(p), Some(i)) = (
            self.start_process(flags, &program, "oracle"),
            self.first_free(),
        ) else {
            return;
        };
        self.minds[i].background = n;
        self.minds[i].process = Some(p);
        self.stage.begin_statistics(i);
        self.meter_begins(i);
        self.stage.begin();
        self.identity(i, p, (self.people.nothing.clone(), 0), Arc::from("SYS"));
        let texts = [
            Arc::from(program.as_str()),
            self.host.clone(),
            Arc::from("oracle"),
            Arc::from("UNKNOWN"),
        ];
        self.client(
            i,
            texts,
            self.stage.processes[p].text(ProcText::Spid).clone(),
            0,
        );
        self.clean(i);
        self.stage.put(i, Num::Audsid, 0);
        self.stage.put(i, Num::Idle, 1);
        self.stage.put(i, Num::TimeModel, 1 << 2);
        let idle = self.numbers.background[n].0;
        self.start_wait(i, idle, [300, 0, 0]);
        self.switch_on(i, p, USER | SYSTEM);
        self.stage.finish(i, "init");
        self.minds[i].step = Step::Dormant;
        self.sleep_background(i);
    }

    fn first_free(&self) -> Option<usize> {
        self.minds.iter().position(|m| m.step == Step::Free)
    }

    pub(super) fn somebody_logs_on(&mut self) {
        let slot = self.random_free_slot();
        self.log_on(slot, "logon");
    }

    pub(super) fn log_on(&mut self, slot: Option<usize>, op: &'static str) {
        let [program, machine, os_user, terminal] = self.people.client(&mut self.random);
        let user = self.people.user(&mut self.random);
        let Some(i) = slot else {
            return self.later(Task::Logon, 100_000.0);
        };
        let name = self.server_program(i);
        let Some(p) = self.start_process(0, &name, "oracle") else {
            return self.later(Task::Logon, 100_000.0);
        };
        let (module, action) = self.people.module_action(&mut self.random);
        self.stage.begin_statistics(i);
        self.meter_begins(i);
        self.minds[i].process = Some(p);
        self.stage.begin();
        let schema = user.0.clone();
        self.identity(i, p, user, schema);
        let pid = format!("{}", 1000 + self.random.below(60_000));
        let port = if self.random.once_in(6) {
            0
        } else {
            32_768 + self.random.below(28_000)
        };
        self.client(
            i,
            [program, machine, os_user, terminal],
            Arc::from(pid.as_str()),
            port,
        );
        self.clean(i);
        self.stage.module_action(i, &module, &action);
        let info = self.people.client_info(&mut self.random);
        self.stage.text(i, Text::ClientInfo, &info);
        let id = self.people.client_id(&mut self.random);
        self.stage.text(i, Text::ClientId, &id);
        let event = self.numbers.client;
        self.start_wait(i, event, CLIENT_PARAMETERS);
        self.switch_on(i, p, USER | LOGGED_ON);
        self.stage.finish(i, op);
        self.stage.count(i, self.numbers.logons, 1);
        self.minds[i].step = Step::Thinking;
        self.minds[i].hot = self.hot_now < self.hot_wanted;
        self.hot_now += usize::from(self.minds[i].hot);
        self.think(i);
    }

    /// PROGRAM of the server process for a session slot: shared servers, dispatchers and pooled servers say their name.
    fn server_program(&self, i: usize) -> String {
        let role = match i % 20 {
            3 => " (S000)",
            8 => " (D000)",
            13 => " (L001)",
            18 => " (N002)",
            _ => "",
        };
        format!(
            "oracle@{}{}",
            self.host,
            if self.pooled { role } else { "" }
        )
    }

    /// Session and user identity; everything that stays from logon to logoff.
    fn identity(&mut self, i: usize, p: usize, user: (Arc<str>, u64), schema: Arc<str>) {
        let serial = self.next_serial(self.stage.sessions[i].num(Num::Serial), 65_535);
        let places = &self.stage.instance.places;
        let (process, statistics, module) =
            (places.processes[p], places.statistics[i], places.modules[i]);
        let process_serial = self.stage.processes[p].num(ProcNum::Serial);
        let audsid = match user.1 {
            0 => 4_294_967_295,
            _ => 100_000 + self.random.below(4_000_000),
        };
        let schema_no = if &*schema == "SYS" { 0 } else { user.1 };
        self.stage.put_all(
            i,
            &[
                (Num::Serial, serial),
                (Num::Owner, process),
                (Num::Audsid, audsid),
                (Num::UserId, user.1),
                (Num::UserNo, user.1),
                (Num::SchemaNo, schema_no),
                (Num::Edition, EDITION),
                (Num::TranslationProfile, 0),
                (Num::Statistics, statistics),
                (Num::ModuleAction, module),
                (Num::Creator, process),
                (Num::CreatorSerial, process_serial),
                (Num::OwnerId, NO_OWNER),
            ],
        );
        let external = if self.random.once_in(3) {
            Arc::from("uid=svc,ou=apps,dc=example")
        } else {
            user.0.clone()
        };
        self.stage.text(i, Text::UserName, &user.0);
        self.stage.text(i, Text::LoginName, &user.0);
        self.stage.text(i, Text::ExternalName, &external);
        self.stage.text(i, Text::Schema, &schema);
        let container = match user.1 {
            0 => "CDB$ROOT",
            no if no % 2 == 0 => "SALESPDB",
            _ => "ORCLPDB1",
        };
        self.stage.text(i, Text::Container, &Arc::from(container));
    }

    /// Program, machine, OS user, terminal, process id and port of the client.
    fn client(
        &mut self,
        i: usize,
        [program, machine, os_user, terminal]: [Arc<str>; 4],
        process: Arc<str>,
        port: u64,
    ) {
        self.stage.text(i, Text::OsUser, &os_user);
        self.stage.text(i, Text::Machine, &machine);
        self.stage.text(i, Text::Terminal, &terminal);
        self.stage.text(i, Text::Process, &process);
        self.stage.text(i, Text::Program, &program);
        self.stage.put(i, Num::Port, port);
    }

    /// Members of a session that hasn't done anything yet.
    fn clean(&mut self, i: usize) {
        let nothing = self.people.nothing.clone();
        self.stage.module_action(i, &nothing, &nothing);
        self.stage.text(i, Text::ClientInfo, &nothing);
        self.stage.text(i, Text::ClientId, &nothing);
        self.stage.text(i, Text::Ecid, &nothing);
        self.no_sql(i);
        let now = epoch_seconds();
        let flags2 = 0x40009
            | *self
                .random
                .pick(&[0, 0, 0, 0, 0, 0, 0x20, 0x60, 0xe0, 0x10000, 0x20000]);
        let failover = *self.random.pick(&[
            (0, 0, 0),
            (0, 0, 0),
            (0, 0, 0),
            (2, 1, 0),
            (4, 1, 1),
            (8, 4, 0),
            (32, 1, 0),
        ]);
        let pga = 65_536 * self.random.below(12);
        self.stage.put_all(
            i,
            &[
                (Num::Transaction, 0),
                (Num::LockWait, 0),
                (Num::Idle, 0),
                (Num::TimeModel, 0),
                (Num::RowObject, u64::MAX),
                (Num::RowFile, 0),
                (Num::RowBlock, 0),
                (Num::RowSlot, 0),
                (Num::FixedSequence, 0),
                (Num::Logon, now),
                (Num::CallStamp, now),
                (Num::CallTime, now),
                (Num::Flags2, flags2),
                (Num::FailoverType, failover.0),
                (Num::FailoverMethod, failover.1),
                (Num::FailedOver, failover.2),
                (Num::TopCall, 0),
                (Num::PgaManual, pga / 2),
                (Num::PgaAuto, pga),
            ],
        );
    }

    fn no_sql(&mut self, i: usize) {
        self.stage.put_all(
            i,
            &[
                (Num::SqlAddress, 0),
                (Num::SqlHigh, 0),
                (Num::SqlHash, 0),
                (Num::SqlChild, NO_CHILD),
                (Num::SqlPlan, 0),
                (Num::SqlFullPlan, 0),
                (Num::SqlStart, 0),
                (Num::SqlExec, 0),
                (Num::PrevAddress, 0),
                (Num::PrevHigh, 0),
                (Num::PrevHash, 0),
                (Num::PrevChild, NO_CHILD),
                (Num::PrevPlan, 0),
                (Num::PrevStart, 0),
                (Num::PrevExec, 0),
                (Num::EntryObject, 0),
                (Num::EntrySubprogram, 0),
                (Num::Object, 0),
                (Num::Subprogram, 0),
                (Num::Command, 0),
            ],
        );
    }

    /// The flags that make a row visible come last.
    fn switch_on(&mut self, i: usize, p: usize, flags: u64) {
        let row = self.stage.instance.places.sessions[i];
        self.stage.put_process(p, ProcNum::Session, row);
        self.stage.put(i, Num::Flags, flags);
        self.stage.put(i, Num::StateFlag, IN_USE);
    }

    pub(super) fn somebody_recurses(&mut self) {
        let parent = self.random.below(self.minds.len() as u64) as usize;
        let mind = &self.minds[parent];
        let fits = mind.step != Step::Free
            && mind.process.is_some()
            && mind.child.is_none()
            && mind.step != Step::Ending;
        let running = self
            .minds
            .iter()
            .filter(|m| m.step == Step::Recursive)
            .count();
        if fits && running < self.minds.len() / 20 + 1 {
            let slot = self.random_free_slot();
            self.start_recursive(slot, Some(parent), "recursive");
        }
        let pause = self.random.exponential(if self.workload == Workload::Oltp {
            40_000.0
        } else {
            900_000.0
        });
        let pause = pause * self.seldom();
        self.later(Task::Recursion, pause);
    }

    /// A recursive session; its owner is the parent's session, whose owner is the process.
    pub(super) fn start_recursive(
        &mut self,
        slot: Option<usize>,
        parent: Option<usize>,
        op: &'static str,
    ) {
        let Some(i) = slot else {
            return;
        };
        let p = parent.and_then(|parent| self.minds[parent].process);
        self.stage.begin_statistics(i);
        self.meter_begins(i);
        self.stage.begin();
        self.identity(i, p.unwrap_or(0), (Arc::from("SYS"), 0), Arc::from("SYS"));
        // Some belong to the session that they work for, others to the process of both.
        let places = &self.stage.instance.places;
        let owner = match (parent, p) {
            (Some(parent), _) if i.is_multiple_of(2) => places.sessions[parent],
            (_, Some(p)) => places.processes[p],
            _ => 0,
        };
        self.stage.put(i, Num::Owner, owner);
        if p.is_none() {
            self.stage
                .put_all(i, &[(Num::Creator, 0), (Num::CreatorSerial, 0)]);
        }
        let nothing = self.people.nothing.clone();
        self.client(
            i,
            std::array::from_fn(|_| nothing.clone()),
            nothing.clone(),
            0,
        );
        self.clean(i);
        self.stage.put(i, Num::Flags, RECURSIVE);
        self.stage.put(i, Num::StateFlag, IN_USE);
        self.stage.finish(i, op);
        self.minds[i].parent = parent;
        self.minds[i].step = if parent.is_some() {
            Step::Recursive
        } else {
            Step::Permanent
        };
        if let Some(parent) = parent {
            self.minds[parent].child = Some(i);
            let life = 2_000.0 + self.random.exponential(120_000.0);
            self.appoint(i, life);
        }
    }

    pub(super) fn start_wait(&mut self, i: usize, event: u64, p: [u64; 3]) {
        let seq = self.stage.sessions[i].num(Num::Seq) % 65_535 + 1;
        self.minds[i].wait_began = monotonic_ns();
        self.stage.put_all(
            i,
            &[
                (Num::Seq, seq),
                (Num::Event, event),
                (Num::P1, p[0]),
                (Num::P2, p[1]),
                (Num::P3, p[2]),
                (Num::WaitStamp, epoch_seconds()),
                (Num::WaitTime, 0),
            ],
        );
    }
}

/// P1 to P3 of `SQL*Net message from client` over TCP: driver id, bytes, unused.
pub(super) const CLIENT_PARAMETERS: [u64; 3] = [1_413_697_536, 1, 0];
