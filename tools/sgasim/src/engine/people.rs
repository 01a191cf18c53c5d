//! Who connects and with what: users, programs, machines, modules; wait events and how long they take.
//!
//! Data and a few picks; only the engine uses it.

use std::sync::Arc;

use super::random::Random;
use crate::exe::ExeSpec;

/// Users: name, number.
const USERS: &[(&str, u64)] = &[
    ("SOE", 104),
    ("HR", 107),
    ("APP_BATCH", 111),
    ("REPORTING", 112),
    ("SYSTEM", 9),
    ("SYS", 0),
    ("Müller", 131),
    ("C##MONITOR", 102),
];
const PROGRAMS: &[&str] = &[
    "JDBC Thin Client",
    "sqlplus@app01 (TNS V1-V3)",
    "python3.11@etl02 (TNS V1-V3)",
    "w3wp.exe",
    "SQL Developer",
    "rman@backup01 (TNS V1-V3)",
    "frmweb@forms-éu.example.com (TNS V1-V3)",
];
const MACHINES: &[&str] = &[
    "app01",
    "app02.example.com",
    "etl02",
    "WORKGROUP\\DESKTOP-7Q2K",
    "forms-éu.example.com",
    "backup01",
];
const OS_USERS: &[&str] = &[
    "oracle",
    "tomcat",
    "svc_etl",
    "jürgen",
    "Administrator",
    "backup",
];
const MODULES: &[&str] = &[
    "SQL*Plus",
    "JDBC Thin Client",
    "New Customer",
    "Browse Products",
    "Order Entry",
    "Nightly batch",
    "Übersicht Bestände",
    "A module name that is exactly sixty-four bytes long, no more no.",
];
const ACTIONS: &[&str] = &[
    "",
    "",
    "insert",
    "checkout",
    "step 1 of 5",
    "step 2 of 5",
    "Prüfung",
    "commit",
];
const CLIENT_INFOS: &[&str] = &["", "", "batch run 17", "tenant=acme;region=eu", "größe>10"];
const CLIENT_IDS: &[&str] = &[
    "",
    "",
    "alice@example.com",
    "bob",
    "session-7f3a91c2-5d0e-4b7b-9a1e-0b6a6f3d2c11",
];
const TERMINALS: &[&str] = &["unknown", "pts/0", "DESKTOP-7Q2K", ""];

/// Background processes: name, the event they idle on, the event they work on ("" = none).
pub const BACKGROUND: &[(&str, &str, &str)] = &[
    ("PMON", "pmon timer", ""),
    ("CLMN", "pmon timer", ""),
    ("PSP0", "rdbms ipc message", ""),
    ("VKTM", "VKTM Logical Idle Wait", ""),
    ("GEN0", "rdbms ipc message", ""),
    ("MMAN", "rdbms ipc message", ""),
    ("DIAG", "DIAG idle wait", ""),
    ("DIA0", "DIAG idle wait", ""),
    ("DBW0", "rdbms ipc message", "db file parallel write"),
    ("LGWR", "rdbms ipc message", "log file parallel write"),
    ("CKPT", "rdbms ipc message", "control file parallel write"),
    ("SMON", "smon timer", ""),
    ("RECO", "rdbms ipc message", ""),
    ("LREG", "rdbms ipc message", ""),
    ("MMON", "rdbms ipc message", "control file sequential read"),
    ("MMNL", "rdbms ipc message", ""),
    ("CJQ0", "rdbms ipc message", ""),
    ("W000", "Space Manager: slave idle wait", ""),
    ("W001", "Space Manager: slave idle wait", ""),
    ("ARC0", "rdbms ipc message", ""),
    ("DBW1", "rdbms ipc message", "db file parallel write"),
    ("LG00", "rdbms ipc message", "log file parallel write"),
];

/// Waits inside calls: event, mean microseconds, weight.
const WAITS: &[(&str, f64, u32)] = &[
    ("db file sequential read", 700.0, 30),
    ("db file scattered read", 1_600.0, 10),
    ("direct path read", 2_200.0, 6),
    ("direct path write temp", 1_800.0, 3),
    ("buffer busy waits", 900.0, 4),
    ("library cache lock", 600.0, 3),
    ("cursor: pin S wait on X", 500.0, 3),
    ("SQL*Net more data from client", 400.0, 4),
    ("SQL*Net message to client", 3.0, 6),
    ("resmgr:cpu quantum", 6_000.0, 2),
    ("read by other session", 800.0, 3),
    ("gc cr block 2-way", 450.0, 3),
    ("control file sequential read", 350.0, 1),
    ("enq: TM - contention", 4_000.0, 1),
];

/// Texts as shared strings, so that a change copies only a pointer.
#[derive(Debug)]
pub struct People {
    users: Vec<(Arc<str>, u64)>,
    programs: Vec<Arc<str>>,
    machines: Vec<Arc<str>>,
    os_users: Vec<Arc<str>>,
    modules: Vec<Arc<str>>,
    actions: Vec<Arc<str>>,
    client_infos: Vec<Arc<str>>,
    client_ids: Vec<Arc<str>>,
    terminals: Vec<Arc<str>>,
    /// The empty text.
    pub nothing: Arc<str>,
}

fn shared(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|t| Arc::from(*t)).collect()
}

impl People {
    /// All texts of this file.
    pub fn new() -> People {
        People {
            users: USERS
                .iter()
                .map(|(name, no)| (Arc::from(*name), *no))
                .collect(),
            programs: shared(PROGRAMS),
            machines: shared(MACHINES),
            os_users: shared(OS_USERS),
            modules: shared(MODULES),
            actions: shared(ACTIONS),
            client_infos: shared(CLIENT_INFOS),
            client_ids: shared(CLIENT_IDS),
            terminals: shared(TERMINALS),
            nothing: Arc::from(""),
        }
    }

    /// A user and its number.
    pub fn user(&self, random: &mut Random) -> (Arc<str>, u64) {
        self.users[random.popular(self.users.len())].clone()
    }

    /// Program, machine, OS user, terminal of a client.
    pub fn client(&self, random: &mut Random) -> [Arc<str>; 4] {
        [
            &self.programs,
            &self.machines,
            &self.os_users,
            &self.terminals,
        ]
        .map(|of| random.pick(of).clone())
    }

    /// A module and an action.
    pub fn module_action(&self, random: &mut Random) -> (Arc<str>, Arc<str>) {
        (
            random.pick(&self.modules).clone(),
            random.pick(&self.actions).clone(),
        )
    }

    /// A client info text, often none.
    pub fn client_info(&self, random: &mut Random) -> Arc<str> {
        random.pick(&self.client_infos).clone()
    }

    /// A client identifier, often none.
    pub fn client_id(&self, random: &mut Random) -> Arc<str> {
        random.pick(&self.client_ids).clone()
    }
}

/// Numbers of the events and statistics that the workload uses, looked up by name.
#[derive(Debug)]
pub struct Numbers {
    /// `SQL*Net message from client`.
    pub client: u64,
    /// `enq: TX - row lock contention`.
    pub row_lock: u64,
    /// `log file sync`.
    pub commit: u64,
    /// Waits inside calls: event, mean microseconds; repeated by weight.
    pub waits: Vec<(u64, f64)>,
    /// Idle and working event of each background process.
    pub background: Vec<(u64, Option<u64>)>,
    /// `user calls`.
    pub user_calls: Option<usize>,
    /// `user commits`.
    pub user_commits: Option<usize>,
    /// `execute count`.
    pub executions: Option<usize>,
    /// `consistent gets pin (fastpath)` or another leaf of the logical reads.
    pub logical_reads: Option<usize>,
    /// `CPU used by this session`.
    pub cpu: Option<usize>,
    /// `DB time`.
    pub db_time: Option<usize>,
    /// `physical reads`.
    pub physical_reads: Option<usize>,
    /// `redo size`.
    pub redo_size: Option<usize>,
    /// `logons cumulative`.
    pub logons: Option<usize>,
}

impl Numbers {
    /// Finds every name in the executable's lists; an event that isn't there becomes event 0.
    pub fn new(exe: &ExeSpec) -> Numbers {
        let find = |name: &str| {
            exe.events
                .iter()
                .position(|e| e.name == name)
                .map(|n| n as u64)
        };
        let event = |name: &str| find(name).unwrap_or(0);
        let statistic = |name: &str| exe.statistics.iter().position(|s| s.name == name);
        Numbers {
            client: event("SQL*Net message from client"),
            row_lock: event("enq: TX - row lock contention"),
            commit: event("log file sync"),
            waits: WAITS
                .iter()
                .filter_map(|&(name, mean, weight)| Some((find(name)?, mean, weight)))
                .flat_map(|(number, mean, weight)| {
                    std::iter::repeat_n((number, mean), weight as usize)
                })
                .collect(),
            background: BACKGROUND
                .iter()
                .map(|&(_, idle, work)| (event(idle), find(work)))
                .collect(),
            user_calls: statistic("user calls"),
            user_commits: statistic("user commits"),
            executions: statistic("execute count"),
            logical_reads: statistic("consistent gets pin (fastpath)")
                .or_else(|| statistic("consistent gets")),
            cpu: statistic("CPU used by this session"),
            db_time: statistic("DB time"),
            physical_reads: statistic("physical reads"),
            redo_size: statistic("redo size"),
            logons: statistic("logons cumulative"),
        }
    }
}
