//! What sessions do when their time has come: calls, statements, waits, locks, commits, idling, leaving.
//!
//! Part of the engine.

use super::fields::{Num, Text};
use super::population::CLIENT_PARAMETERS;
use super::stage::{
    BUSY, CACHED, KILLED, NO_CHILD, ON_FREE_LIST, SNIPED, epoch_seconds, monotonic_ns,
};
use super::{Engine, Step, Task};

/// Mean time between calls of a session that calls all the time, unstretched, in microseconds.
const HOT_THINK: f64 = 4_000.0;
/// Mean time between calls of the others, never stretched, in microseconds.
const COLD_THINK: f64 = 15_000_000.0;
/// Mean CPU burst, unstretched, in microseconds.
const CPU: f64 = 300.0;

impl Engine {
    /// The appointment of session slot `i` is due.
    pub(super) fn act(&mut self, i: usize) {
        match self.minds[i].step {
            Step::Thinking => self.decide(i),
            Step::Running => self.step(i),
            Step::Waiting => self.wake(i),
            Step::Committing => self.committed(i),
            Step::Ending => self.log_off(i),
            Step::Dormant => self.background_wakes(i),
            Step::Awake => self.background_works(i),
            Step::Working => self.background_worked(i),
            Step::Recursive => self.end_recursive(i),
            Step::Free | Step::Blocked | Step::Permanent | Step::Held => {}
        }
    }

    pub(super) fn think(&mut self, i: usize) {
        let holding = self.minds[i].row.is_some();
        let time = match (self.minds[i].hot, holding) {
            (true, _) => self.stretched(HOT_THINK),
            (false, true) => self.stretched(10.0 * HOT_THINK),
            (false, false) => self.random.exponential(COLD_THINK),
        };
        self.appoint(i, time);
    }

    /// An idle session mostly calls; now and then something else happens to it.
    fn decide(&mut self, i: usize) {
        let free = self.minds[i].row.is_none();
        match self.random.below(1000) {
            0..3 if free => self.log_off(i),
            3..11 => self.change_module(i, "module"),
            11..16 => self.change_client(i),
            16 if free => self.ending(i, SNIPED, "snipe"),
            17 if free => self.ending(i, KILLED, "kill"),
            18..22 if free => self.cache(i),
            _ => self.call(i),
        }
    }

    fn change_module(&mut self, i: usize, op: &'static str) {
        let (module, action) = self.people.module_action(&mut self.random);
        self.stage.begin();
        self.stage.module_action(i, &module, &action);
        self.stage.finish(i, op);
        self.think(i);
    }

    fn change_client(&mut self, i: usize) {
        let info = self.people.client_info(&mut self.random);
        let id = self.people.client_id(&mut self.random);
        let ecid = if self.random.once_in(2) {
            self.people.nothing.clone()
        } else {
            "0000OdYx^1234,0:1".into()
        };
        self.stage.begin();
        self.stage.text(i, Text::ClientInfo, &info);
        self.stage.text(i, Text::ClientId, &id);
        self.stage.text(i, Text::Ecid, &ecid);
        self.stage.finish(i, "client");
        self.think(i);
    }

    /// Marks an idle session as sniped or killed; a killed one is moved to the PSEUDO process.
    fn ending(&mut self, i: usize, bit: u64, op: &'static str) {
        self.end_child(i);
        let idle = self.stage.sessions[i].num(Num::Idle) | bit;
        self.stage.begin();
        self.stage.put(i, Num::Idle, idle);
        if bit == KILLED {
            let pseudo = self.stage.instance.places.processes[0];
            self.stage.put(i, Num::Owner, pseudo);
            self.stage.close_transaction(i);
        }
        self.stage.finish(i, op);
        self.minds[i].step = Step::Ending;
        let time = self.random.exponential(2_000_000.0);
        self.appoint(i, time);
    }

    fn cache(&mut self, i: usize) {
        let flags = self.stage.sessions[i].num(Num::Flags) | CACHED;
        self.stage.begin();
        self.stage.put(i, Num::Flags, flags);
        self.stage.finish(i, "cache");
        self.think(i);
    }

    fn call(&mut self, i: usize) {
        let cursor = self.next_cursor(i);
        let fixed = self.stage.sessions[i].num(Num::FixedSequence) + 1;
        let flags = self.stage.sessions[i].num(Num::Flags);
        let call = *self.random.pick(&[94, 94, 94, 59, 14, 5, 3]);
        self.minds[i].steps = 1 + self.random.below(6) as u32;
        self.meter_call(i);
        let now = epoch_seconds();
        self.stage.begin();
        self.end_wait(i);
        if flags & CACHED != 0 {
            self.stage.put(i, Num::Flags, flags & !CACHED);
        }
        self.stage.put_all(
            i,
            &[
                (Num::CallStamp, now),
                (Num::CallTime, now),
                (Num::TopCall, call),
                (Num::FixedSequence, fixed),
                (Num::Idle, BUSY),
            ],
        );
        self.execute(i, cursor);
        self.stage.finish(i, "call");
        self.run(i);
    }

    /// The statement that session `i` runs next, pinned.
    fn next_cursor(&mut self, i: usize) -> Option<super::Cursor> {
        let few = !self.minds[i].hot;
        self.cursors.acquire(&self.stage, &mut self.random, few)
    }

    /// Loads statements that other instances of the workload would parse.
    pub(super) fn churn(&mut self) {
        self.cursors.churn(&self.stage, &mut self.random);
        let pause = self.random.exponential(self.churn_pause);
        self.later(Task::Churn, pause);
    }

    pub(super) fn run(&mut self, i: usize) {
        self.meter_step(i);
        self.minds[i].step = Step::Running;
        let time = self.stretched(CPU);
        self.appoint(i, time);
    }

    /// The stores of a new execution: the current statement becomes the previous one.
    fn execute(&mut self, i: usize, cursor: Option<super::Cursor>) {
        let Some(cursor) = cursor else {
            return;
        };
        self.move_to_previous(i);
        let statement = &self.stage.instance.pool[cursor.statement];
        let (identity, command, plan) = (statement.identity, statement.command, statement.plan);
        let address = self.stage.instance.places.handles[cursor.slot].address;
        self.minds[i].executions += 1;
        let exec = 1 << 24 | (self.minds[i].executions & 0xff_ffff);
        let plsql = command == 47;
        let parse = if cursor.hard_parse {
            1 << 4 | 1 << 7
        } else {
            0
        };
        let time_model = 1 << 1 | parse | if plsql { 1 << 11 } else { 1 << 10 };
        let child = self.random.below(3);
        self.stage.put_all(
            i,
            &[
                (Num::TimeModel, time_model),
                (Num::Command, u64::from(command)),
                (Num::SqlHigh, u64::from(identity.high())),
                (Num::SqlHash, u64::from(identity.hash())),
                (Num::SqlAddress, address),
                (Num::SqlChild, child),
                (Num::SqlPlan, u64::from(plan)),
                (Num::SqlFullPlan, u64::from(plan ^ 0x5a5a)),
                (Num::SqlStart, epoch_seconds()),
                (Num::SqlExec, exec),
                (Num::EntryObject, if plsql { 20_000 + child } else { 0 }),
                (Num::EntrySubprogram, if plsql { 1 + child } else { 0 }),
            ],
        );
        if plsql {
            // Left behind when the next statement is none: valid only with bit 11 of the time-model bits.
            self.stage.put_all(
                i,
                &[(Num::Object, 20_100 + child), (Num::Subprogram, child)],
            );
        }
        self.minds[i].current = Some(cursor);
        self.stage.count(i, self.numbers.executions, 1);
    }

    fn move_to_previous(&mut self, i: usize) {
        let Some(current) = self.minds[i].current.take() else {
            return;
        };
        let s = &self.stage.sessions[i];
        let values = [
            (Num::PrevAddress, s.num(Num::SqlAddress)),
            (Num::PrevHigh, s.num(Num::SqlHigh)),
            (Num::PrevHash, s.num(Num::SqlHash)),
            (Num::PrevChild, s.num(Num::SqlChild)),
            (Num::PrevPlan, s.num(Num::SqlPlan)),
            (Num::PrevStart, s.num(Num::SqlStart)),
            (Num::PrevExec, s.num(Num::SqlExec)),
        ];
        self.stage.put_all(i, &values);
        let kept = self.cursors.leave(current.slot);
        if let Some(old) = std::mem::replace(&mut self.minds[i].previous, kept) {
            self.cursors.release(old);
        }
    }

    /// After a CPU burst: the next step of the call, or its end.
    fn step(&mut self, i: usize) {
        if self.minds[i].steps == 0 {
            return self.end_call(i);
        }
        self.minds[i].steps -= 1;
        match self.random.below(20) {
            0..2 => self.run_another(i),
            2..4 if self.minds[i].row.is_none() => self.lock(i),
            _ => self.wait(i),
        }
    }

    fn run_another(&mut self, i: usize) {
        let cursor = self.next_cursor(i);
        self.stage.begin();
        self.execute(i, cursor);
        self.stage.finish(i, "exec");
        self.run(i);
    }

    fn wait(&mut self, i: usize) {
        let waits = &self.numbers.waits;
        let Some(&(event, mean)) = waits.get(self.random.below(waits.len() as u64) as usize) else {
            return self.run(i);
        };
        let p = [
            1 + self.random.below(40),
            self.random.below(4_000_000),
            1 + self.random.below(128),
        ];
        self.stage.begin();
        self.start_wait(i, event, p);
        self.stage.finish(i, "wait");
        self.minds[i].step = Step::Waiting;
        let time = self.stretched(mean);
        self.appoint(i, time);
    }

    fn wake(&mut self, i: usize) {
        self.stage.begin();
        self.end_wait(i);
        self.stage.finish(i, "wake");
        self.stage.count(i, self.numbers.physical_reads, 1);
        self.run(i);
    }

    /// Stores the time that the wait took; -1 stands for one below the clock's unit.
    pub(super) fn end_wait(&mut self, i: usize) {
        let micros = (monotonic_ns() - self.minds[i].wait_began) / 1000;
        let short = micros == 0 || self.random.once_in(2000);
        let time = if short {
            u64::MAX
        } else {
            micros.min(i32::MAX as u64)
        };
        self.stage.put(i, Num::WaitStamp, epoch_seconds());
        self.stage.put(i, Num::WaitTime, time);
    }

    fn end_call(&mut self, i: usize) {
        // Some sessions go idle in their transaction and so block others.
        if self.minds[i].row.is_some() && !self.random.once_in(20) {
            return self.commit(i);
        }
        self.go_idle(i);
    }

    fn go_idle(&mut self, i: usize) {
        let now = epoch_seconds();
        let idle = self.stage.sessions[i].num(Num::Idle) & !BUSY;
        let event = self.numbers.client;
        self.stage.begin();
        self.move_to_previous(i);
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
                (Num::Command, 0),
                (Num::TimeModel, 0),
                (Num::CallStamp, now),
                (Num::CallTime, now),
                (Num::Idle, idle),
            ],
        );
        self.start_wait(i, event, CLIENT_PARAMETERS);
        self.stage.finish(i, "idle");
        self.account(i);
        self.minds[i].step = Step::Thinking;
        self.think(i);
    }

    /// Statistics and process memory after a call.
    fn account(&mut self, i: usize) {
        self.stage.count(i, self.numbers.user_calls, 1);
        let reads = 3 + self.random.below(200);
        self.stage.count(i, self.numbers.logical_reads, reads);
        let cpu = self.random.below(2);
        if self.meter.is_none() {
            self.stage.count(i, self.numbers.db_time, 1);
            self.stage.count(i, self.numbers.cpu, cpu);
        }
        self.stage.move_statistics(i);
        self.meter_called(i);
        if let (Some(p), true) = (self.minds[i].process, self.random.once_in(10)) {
            self.process_memory(p);
        }
    }

    fn end_child(&mut self, i: usize) {
        if let Some(child) = self.minds[i].child {
            self.end_recursive(child);
        }
    }

    fn end_recursive(&mut self, i: usize) {
        if let Some(parent) = self.minds[i].parent.take() {
            self.minds[parent].child = None;
        }
        self.vanish(i);
    }

    /// Ends a session: the flags go first, all other bytes stay.
    fn vanish(&mut self, i: usize) {
        let how = match self.stage.sessions[i].num(Num::Idle) {
            idle if idle & KILLED != 0 => "kill",
            idle if idle & SNIPED != 0 => "snipe",
            _ => "logoff",
        };
        self.meter_ends(i, how);
        self.stage.begin();
        self.stage.put(i, Num::StateFlag, ON_FREE_LIST);
        self.stage.put(i, Num::Flags, 0);
        self.stage.finish(i, "logoff");
        self.stage.end_statistics(i);
        let mind = &mut self.minds[i];
        mind.step = Step::Free;
        mind.generation = mind.generation.wrapping_add(1);
        for slot in [mind.current.take().map(|c| c.slot), mind.previous.take()]
            .into_iter()
            .flatten()
        {
            self.cursors.release(slot);
        }
    }

    fn log_off(&mut self, i: usize) {
        self.end_child(i);
        self.vanish(i);
        self.unlock(i);
        if let Some(p) = self.minds[i].process.take() {
            self.end_process(p);
        }
        if std::mem::take(&mut self.minds[i].hot) {
            self.hot_now -= 1;
        }
        let pause = self.random.exponential(200_000.0);
        self.later(Task::Logon, pause);
    }
}
