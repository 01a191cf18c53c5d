//! Each row of the table alone, what hides what, and what is never advised.

use super::*;
use crate::discover::{OsFact, OsProcess};

const NOW: i64 = 1_700_000_000;
const START: i64 = NOW - 10_000;

fn alive(pid: i32) -> OsFact {
    OsFact::Alive(OsProcess {
        pid,
        state: 'S',
        cpu_s: 0.0,
        threads: 1,
        started_at: Some(START),
        cmdline: Some("oracleORCL (LOCAL=NO)".into()),
    })
}

fn process(pid: u32, role: Option<&str>) -> ProcessFacts {
    ProcessFacts {
        addr: u64::from(pid) * 0x1000,
        pid,
        serial_no: Some(pid + 100),
        spid: Some((pid + 5000).to_string()),
        program: Some(match role {
            Some(role) => format!("oracle@host ({role})"),
            None => "oracle@host".into(),
        }),
        role: role.map(str::to_owned),
        background: false,
        fatal: false,
        stable: true,
        os: alive(pid as i32 + 5000),
    }
}

fn session(sid: u32, pid: u32) -> SessionFacts {
    SessionFacts {
        sid,
        serial_no: Some(sid * 7),
        paddr: Some(u64::from(pid) * 0x1000),
        creator: u64::from(pid) * 0x1000,
        creator_serial_no: Some(pid + 100),
        status: "INACTIVE".into(),
        machine: Some("app01".into()),
        client: Some("1234".into()),
        logon: Some(START + 1),
        idle: Some(Idle {
            seconds: 10,
            counts: "LAST_CALL_ET",
        }),
        ..SessionFacts::default()
    }
}

/// PSEUDO, SMON, and two healthy sessions.
fn healthy() -> Observation {
    let pseudo = ProcessFacts {
        spid: None,
        os: OsFact::Gone,
        ..process(1, Some("PSEUDO"))
    };
    let smon = ProcessFacts {
        background: true,
        fatal: true,
        ..process(2, Some("SMON"))
    };
    Observation {
        instance: "ORCL".into(),
        now: NOW,
        processes: vec![pseudo, smon, process(3, None), process(4, None)],
        sessions: vec![
            SessionFacts {
                background: true,
                status: "ACTIVE".into(),
                ..session(2, 2)
            },
            session(3, 3),
            session(4, 4),
        ],
        blockers: Some(BTreeSet::new()),
        limits: vec![usage("processes", 4, 100), usage("sessions", 3, 100)],
        clean_up: CleanUp {
            disconnect: Some(true),
            dead_cleanup: true,
        },
    }
}

fn usage(name: &'static str, current: u64, limit: u64) -> Usage {
    Usage {
        name,
        current,
        limit,
    }
}

type Found = (u8, Option<u32>, Option<u32>);

fn rows(findings: &[Finding]) -> Vec<Found> {
    let mut rows: Vec<Found> = findings.iter().map(|f| (f.row, f.sid, f.pid)).collect();
    rows.sort_unstable();
    rows
}

/// Rows, SIDs and PIDs found beside those of every instance.
fn found(seen: &Observation) -> Vec<Found> {
    let mut all = rows(&judge(seen, &Policy::default()));
    let always = [(1, None, Some(1)), (2, None, Some(2))];
    all.retain(|f| !always.contains(f));
    all
}

fn only(seen: &Observation, row: u8) -> Finding {
    let mut hits = judge(seen, &Policy::default());
    hits.retain(|f| f.row == row);
    assert_eq!(hits.len(), 1, "row {row}");
    hits.remove(0)
}

#[test]
fn the_table_is_complete() {
    let numbers: Vec<u8> = rules::RULES.iter().map(|r| r.row).collect();
    assert_eq!(numbers, (1..=17).collect::<Vec<u8>>());
}

#[test]
fn rows_1_and_2_are_in_every_instance_and_healthy_sessions_in_none() {
    let seen = healthy();
    let all = judge(&seen, &Policy::default());
    assert_eq!(rows(&all), [(1, None, Some(1)), (2, None, Some(2))]);
    assert!(
        all.iter()
            .all(|f| f.severity == Severity::Info && f.advice == "never touch")
    );
}

#[test]
fn row_2_needs_no_flags() {
    let mut seen = healthy();
    seen.processes.push(process(5, Some("LGWR")));
    assert_eq!(found(&seen), [(2, None, Some(5))]);
}

#[test]
fn rows_3_and_4_wait_for_work() {
    let mut seen = healthy();
    let roles = [
        "D000", "S001", "P000", "N000", "L000", "J000", "W001", "q001", "V003",
    ];
    for (pid, role) in (5..).zip(roles) {
        seen.processes.push(process(pid, Some(role)));
    }
    let mut expected: Vec<Found> = vec![(3, None, Some(5)), (3, None, Some(6))];
    expected.extend((7..=13).map(|pid| (4, None, Some(pid))));
    assert_eq!(found(&seen), expected);
}

#[test]
fn row_5_is_old_sessionless_and_seen_twice_before_a_kill() {
    let mut seen = healthy();
    seen.processes.push(process(5, None));
    assert_eq!(found(&seen), [(5, None, Some(5))]);
    let once = only(&seen, 5);
    assert_eq!((once.severity, once.age_s), (Severity::Warn, Some(10_000)));
    assert_eq!(once.statement, None, "{}", once.advice);
    assert!(once.advice.contains("--twice"), "{}", once.advice);
    let twice = Policy {
        observations: 2,
        ..Policy::default()
    };
    let confirmed = confirmed(&judge(&seen, &Policy::default()), judge(&seen, &twice));
    let hit = confirmed.iter().find(|f| f.row == 5).unwrap();
    assert_eq!(hit.statement.as_deref(), Some("kill -TERM 5005"));
    // a young one may be on its way to log on; so may one that began between two readings
    let old = Policy {
        age_s: 20_000,
        ..Policy::default()
    };
    assert!(judge(&seen, &old).iter().all(|f| f.row != 5));
    seen.processes[4].stable = false;
    assert_eq!(found(&seen), []);
}

fn killed(sid: u32, pid: u32) -> SessionFacts {
    SessionFacts {
        status: "KILLED".into(),
        paddr: Some(0x1000),
        ..session(sid, pid)
    }
}

#[test]
fn row_6_finds_the_real_process_of_a_session_moved_to_pseudo() {
    let mut seen = healthy();
    seen.processes.extend([process(5, None), process(6, None)]);
    seen.sessions.extend([killed(11, 5), killed(14, 6)]);
    assert_eq!(
        found(&seen),
        [(6, Some(11), Some(5)), (6, Some(14), Some(6))]
    );
    let hit = judge(&seen, &Policy::default()).remove(0);
    let statement = "ALTER SYSTEM DISCONNECT SESSION '11,77' IMMEDIATE";
    assert_eq!(hit.statement.as_deref(), Some(statement));
    assert!(hit.advice.contains("V$DEAD_CLEANUP") && hit.advice.contains("kill -TERM 5005"));
    for part in [
        "11,77",
        "@ORCL",
        "SPID 5005",
        "started 20",
        "oracle@host",
        "seen 20",
    ] {
        assert!(hit.identity.contains(part), "{part}: {}", hit.identity);
    }
    // the slot's next process is another one
    seen.processes[4].serial_no = Some(1);
    assert_eq!(
        found(&seen),
        [
            (5, None, Some(5)),
            (6, Some(14), Some(6)),
            (9, Some(11), None)
        ]
    );
}

#[test]
fn row_7_is_worse_when_processes_are_short() {
    let mut seen = healthy();
    seen.sessions[1].sniped = true;
    seen.sessions[1].idle = Some(Idle {
        seconds: 90_000,
        counts: "LAST_CALL_ET",
    });
    assert_eq!(found(&seen), [(7, Some(3), Some(3))], "not 16 as well");
    let hit = only(&seen, 7);
    assert_eq!(hit.severity, Severity::Warn);
    let statement = "ALTER SYSTEM DISCONNECT SESSION '3,21' IMMEDIATE";
    assert_eq!(hit.statement.as_deref(), Some(statement));
    assert!(
        hit.would_have_cleaned
            .profile_idle_time
            .starts_with("it did")
    );
    seen.limits[0] = usage("processes", 95, 100);
    assert_eq!(only(&seen, 7).severity, Severity::Error);
}

#[test]
fn row_8_hides_row_6() {
    let mut seen = healthy();
    seen.processes.push(process(5, None));
    seen.sessions.push(SessionFacts {
        in_transaction: true,
        ..killed(11, 5)
    });
    assert_eq!(found(&seen), [(8, Some(11), Some(5))]);
    assert_eq!(only(&seen, 8).statement, None);
}

#[test]
fn row_9_by_absence_by_program_and_by_start_time() {
    let mut seen = healthy();
    seen.processes[2].os = OsFact::Gone;
    assert_eq!(found(&seen), [(9, Some(3), Some(3))]);
    let hit = only(&seen, 9);
    assert_eq!((hit.severity, &hit.statement), (Severity::Error, &None));
    assert!(hit.advice.contains("do not kill"));
    let other = |cmdline: &str, start: i64| {
        let OsFact::Alive(os) = alive(5003) else {
            unreachable!()
        };
        OsFact::Alive(OsProcess {
            cmdline: Some(cmdline.into()),
            started_at: Some(start),
            ..os
        })
    };
    seen.processes[2].os = other("backup-agent", START);
    assert_eq!(found(&seen), [(9, Some(3), Some(3))]);
    seen.processes[2].os = other("oracleORCL (LOCAL=NO)", START + 3600);
    assert_eq!(found(&seen), [(9, Some(3), Some(3))]);
    seen.processes[2].os = other("oracleORCL (LOCAL=NO)", START + 30);
    assert_eq!(found(&seen), [], "clocks are set now and then");
    // a shared server may be younger than the session it serves
    seen.processes[2] = ProcessFacts {
        os: other("ora_s000_ORCL", START + 3600),
        ..process(3, Some("S000"))
    };
    assert_eq!(found(&seen), [(13, None, Some(3))]);
    seen.sessions[1].paddr = Some(0x9000);
    assert!(
        found(&seen).contains(&(9, Some(3), None)),
        "no such process row"
    );
}

#[test]
fn row_10_has_no_session() {
    let mut seen = healthy();
    seen.processes.push(ProcessFacts {
        os: OsFact::Gone,
        ..process(5, None)
    });
    assert_eq!(found(&seen), [(10, None, Some(5))]);
    seen.processes[4].stable = false;
    assert_eq!(found(&seen), [], "it ended while we looked");
}

fn recursive(sid: u32, pid: u32) -> SessionFacts {
    SessionFacts {
        recursive: true,
        ..session(sid, pid)
    }
}

#[test]
fn rows_11_and_14_are_recursive_sessions() {
    let mut seen = healthy();
    seen.sessions.push(recursive(20, 3));
    seen.sessions.push(recursive(21, 2));
    seen.sessions.push(SessionFacts {
        paddr: Some(0),
        ..recursive(22, 0)
    });
    assert_eq!(
        found(&seen),
        [
            (11, Some(2), Some(2)),
            (11, Some(3), Some(3)),
            (14, Some(22), None)
        ]
    );
    // a process with a recursive session only isn't without session
    seen.processes.push(process(5, None));
    seen.sessions.push(recursive(23, 5));
    assert_eq!(found(&seen).len(), 3);
}

#[test]
fn row_12_keeps_others_alive() {
    let mut seen = healthy();
    seen.sessions.push(SessionFacts {
        module: Some("SQL*Plus".into()),
        ..session(30, 3)
    });
    assert_eq!(found(&seen), [(12, None, Some(3))]);
    let hit = only(&seen, 12);
    assert!(hit.evidence.iter().any(|e| e.contains("autotrace")));
    // one of them sniped: DISCONNECT would end the other
    seen.sessions[1].sniped = true;
    let hit = only(&seen, 7);
    let statement = "ALTER SYSTEM KILL SESSION '3,21' IMMEDIATE";
    assert_eq!(hit.statement.as_deref(), Some(statement));
    assert!(hit.advice.contains("SIDs 30"), "{}", hit.advice);
}

#[test]
fn row_13_is_no_dedicated_server() {
    let mut seen = healthy();
    seen.processes.push(process(5, Some("S000")));
    seen.sessions.push(session(40, 5));
    seen.sessions.push(session(41, 5));
    assert_eq!(found(&seen), [(13, None, Some(5))]);
    seen.sessions[3].sniped = true;
    let hit = only(&seen, 7);
    assert!(hit.statement.unwrap().contains("KILL SESSION '40,280'"));
    assert!(hit.advice.contains("Do not kill the OS process"));
}

#[test]
fn rows_15_and_16_are_idle_for_long() {
    let mut seen = healthy();
    seen.sessions[1].idle = Some(Idle {
        seconds: 3601,
        counts: "LAST_CALL_ET",
    });
    assert_eq!(found(&seen), [(16, Some(3), Some(3))]);
    seen.sessions[1].in_transaction = true;
    assert_eq!(found(&seen), [], "in a transaction, and nobody waits");
    seen.blockers = Some(BTreeSet::from([3]));
    assert_eq!(found(&seen), [(15, Some(3), Some(3))]);
    let hit = only(&seen, 15);
    assert_eq!(hit.severity, Severity::Error);
    assert!(hit.advice.contains("POST_TRANSACTION") && hit.advice.contains("MAX_IDLE_BLOCKER"));
    seen.sessions[1].status = "ACTIVE".into();
    assert_eq!(found(&seen), []);
    seen.sessions[1].status = "INACTIVE".into();
    seen.blockers = None;
    assert_eq!(found(&seen), [], "unknown is not yes");
}

#[test]
fn row_17_names_each_limit_with_shares() {
    let mut seen = healthy();
    seen.limits = vec![usage("processes", 90, 100), usage("sessions", 89, 100)];
    seen.sessions[1].sniped = true;
    let hit = only(&seen, 17);
    assert!(hit.evidence[0].contains("ORA-00020"), "{:?}", hit.evidence);
    assert!(hit.evidence.iter().any(|e| e.starts_with("1 sniped")));
    seen.limits[1] = usage("sessions", 95, 100);
    let all = judge(&seen, &Policy::default());
    assert_eq!(all.iter().filter(|f| f.row == 17).count(), 2);
}

#[test]
fn threads_share_a_pid_and_are_not_killed_by_it() {
    let mut seen = healthy();
    seen.processes.push(process(5, None));
    seen.processes[4].spid = seen.processes[3].spid.clone();
    let twice = Policy {
        observations: 2,
        ..Policy::default()
    };
    let all = judge(&seen, &twice);
    let hit = all.iter().find(|f| f.row == 5).unwrap();
    assert_eq!(hit.statement, None);
    assert!(hit.advice.contains("THREADED_EXECUTION"), "{}", hit.advice);
}

#[test]
fn before_10_2_only_the_process_of_a_dedicated_server_is_ended() {
    let mut seen = healthy();
    seen.clean_up = CleanUp {
        disconnect: Some(false),
        dead_cleanup: false,
    };
    seen.sessions[1].sniped = true;
    let hit = only(&seen, 7);
    assert_eq!(hit.statement.as_deref(), Some("kill -TERM 5003"));
    seen.processes[2].os = OsFact::Unknown("another namespace".into());
    let hit = only(&seen, 7);
    assert_eq!(hit.statement, None);
    assert!(hit.advice.contains("another namespace"));
    seen.clean_up.disconnect = None;
    assert_eq!(only(&seen, 7).statement, None, "an unknown release");
}

#[test]
fn the_second_look_must_agree() {
    let mut seen = healthy();
    seen.processes.push(process(5, None));
    let first = judge(&seen, &Policy::default());
    seen.processes.pop();
    seen.processes.push(process(6, None));
    let both = confirmed(&first, judge(&seen, &Policy::default()));
    assert!(
        both.iter().all(|f| f.severity == Severity::Info),
        "{both:?}"
    );
}
