//! Names that an instance knows: wait events, statistics, latches, SQL commands, wait classes.
//!
//! Hand-written selections of what Oracle's reference manual documents (appendix "Oracle Wait
//! Events", "Statistics Descriptions"), filled up with synthetic names to the length of the real
//! lists. Positions of events are this simulator's own: a reader has to take them from the event
//! table. Called by the instance builder and by the file writers.

mod events;
mod statistics;
pub mod tree;

use crate::exe::{EventSpec, StatSpec};

/// Wait classes: number = position, name, WAIT_CLASS_ID (Oracle Reference, V$EVENT_NAME).
pub const WAIT_CLASSES: [(&str, u32); 13] = [
    ("Other", 1_893_977_003),
    ("Application", 4_217_450_380),
    ("Configuration", 3_290_255_840),
    ("Administrative", 4_166_625_743),
    ("Concurrency", 3_875_070_507),
    ("Commit", 3_386_400_367),
    ("Idle", 2_723_168_908),
    ("Network", 2_000_153_315),
    ("User I/O", 1_740_759_767),
    ("System I/O", 4_108_307_767),
    ("Scheduler", 2_396_326_234),
    ("Cluster", 3_871_361_733),
    ("Queueing", 644_977_587),
];

/// Multiplier that scatters the documented events over the table.
const SCATTER: usize = 1_237;

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// `count` wait events, EVENT# = position: 0 is `null event`, documented events are scattered over
/// the rest (the most important ones first, so that a short list has them), the remainder is named
/// `spare event 0123` (class Other). All names differ. 19.3 has 1,920.
pub fn events(count: usize) -> Vec<EventSpec> {
    let mut out: Vec<EventSpec> = (0..count)
        .map(|i| event(&format!("spare event {i:04}"), ["", "", ""], 0))
        .collect();
    let Some(first) = out.first_mut() else {
        return out;
    };
    *first = event("null event", ["", "", ""], 0);
    let room = count - 1;
    let mut step = SCATTER;
    while room > 0 && greatest_common_divisor(step, room) != 1 {
        step += 1;
    }
    for (k, (name, p, class)) in events::EVENTS.iter().take(room).enumerate() {
        out[1 + (k + 1) * step % room] = event(name, *p, *class);
    }
    out
}

fn event(name: &str, p: [&str; 3], class: usize) -> EventSpec {
    EventSpec {
        name: name.to_owned(),
        p: p.map(str::to_owned),
        class_no: class as u32,
        class_id: WAIT_CLASSES[class].1,
    }
}

/// Class bit of statistics that exist per instance only: V$SESSTAT's array ends below the first
/// statistic whose class is above 200.
const INSTANCE_ONLY: u32 = 256;

/// `count` statistics, STATISTIC# = position, numbered as in 19.3 where those numbers are public
/// (Kyle Hailey's 19.3 header): 3 logons current, 14 session logical reads, 19 CPU used by this
/// session, 604 temp space allocated... The last twentieth are instance-only (class above 200).
/// 19.3 has 2,036.
pub fn statistics(count: usize) -> Vec<StatSpec> {
    let mut out: Vec<Option<StatSpec>> = vec![None; count];
    for (number, name, class) in statistics::NUMBERED {
        if let Some(slot) = out.get_mut(*number) {
            *slot = Some(StatSpec {
                name: (*name).to_owned(),
                class: *class,
            });
        }
    }
    let per_session = count - count / 20;
    let mut more = statistics::MORE.iter();
    let free = out.iter().filter(|slot| slot.is_none()).count();
    let stride = (free / statistics::MORE.len()).max(1);
    let mut seen = 0;
    for (i, slot) in out.iter_mut().enumerate() {
        if slot.is_none() {
            let named = if seen % stride == 0 {
                more.next()
            } else {
                None
            };
            *slot = Some(named.map_or_else(
                || StatSpec {
                    name: format!("spare statistic {i:04}"),
                    class: 128,
                },
                |(name, class)| StatSpec {
                    name: (*name).to_owned(),
                    class: *class,
                },
            ));
            seen += 1;
        }
        if let Some(statistic) = slot.as_mut().filter(|_| i >= per_session) {
            statistic.class |= INSTANCE_ONLY;
        }
    }
    out.into_iter().flatten().collect()
}

/// Number of statistics that sessions have: those below the first with a class above 200.
pub fn per_session_statistics(statistics: &[StatSpec]) -> usize {
    let first = statistics.iter().position(|s| s.class > 200);
    first.unwrap_or(statistics.len())
}

/// Latch names for `kslldt` (documented in Oracle's and public tuning literature).
pub const LATCHES: [&str; 48] = [
    "latch wait list",
    "event range base latch",
    "post/wait queue",
    "process allocation",
    "session allocation",
    "session switching",
    "process group creation",
    "session idle bit",
    "client/application info",
    "messages",
    "enqueues",
    "enqueue hash chains",
    "enqueue freelist latch",
    "instance enqueue",
    "active checkpoint queue latch",
    "checkpoint queue latch",
    "cache buffers chains",
    "cache buffer handles",
    "cache buffers lru chain",
    "multiblock read objects",
    "object queue header operation",
    "simulator lru latch",
    "simulator hash latch",
    "redo writing",
    "redo allocation",
    "redo copy",
    "Consistent RBA",
    "mostly latch-free SCN",
    "lgwr LWN SCN",
    "archive control",
    "undo global data",
    "transaction allocation",
    "dml lock allocation",
    "sort extent pool",
    "row cache objects",
    "shared pool",
    "shared pool simulator",
    "library cache load lock",
    "parameter table management",
    "resmgr:active threads",
    "resmgr:schema config",
    "In memory undo latch",
    "parallel query alloc buffer",
    "parallel query stats",
    "job_queue_processes parameter latch",
    "space background task latch",
    "OS process allocation",
    "active service list",
];

/// COMMAND_TYPE and COMMAND_NAME as V$SQLCOMMAND lists them (Oracle Reference, V$SESSION).
pub const SQL_COMMANDS: &[(u32, &str)] = &[
    (0, ""),
    (1, "CREATE TABLE"),
    (2, "INSERT"),
    (3, "SELECT"),
    (4, "CREATE CLUSTER"),
    (5, "ALTER CLUSTER"),
    (6, "UPDATE"),
    (7, "DELETE"),
    (8, "DROP CLUSTER"),
    (9, "CREATE INDEX"),
    (10, "DROP INDEX"),
    (11, "ALTER INDEX"),
    (12, "DROP TABLE"),
    (13, "CREATE SEQUENCE"),
    (14, "ALTER SEQUENCE"),
    (15, "ALTER TABLE"),
    (16, "DROP SEQUENCE"),
    (17, "GRANT OBJECT"),
    (18, "REVOKE OBJECT"),
    (19, "CREATE SYNONYM"),
    (20, "DROP SYNONYM"),
    (21, "CREATE VIEW"),
    (22, "DROP VIEW"),
    (23, "VALIDATE INDEX"),
    (24, "CREATE PROCEDURE"),
    (25, "ALTER PROCEDURE"),
    (26, "LOCK TABLE"),
    (27, "NO-OP"),
    (28, "RENAME"),
    (29, "COMMENT"),
    (30, "AUDIT OBJECT"),
    (31, "NOAUDIT OBJECT"),
    (32, "CREATE DATABASE LINK"),
    (33, "DROP DATABASE LINK"),
    (34, "CREATE DATABASE"),
    (35, "ALTER DATABASE"),
    (36, "CREATE ROLLBACK SEG"),
    (37, "ALTER ROLLBACK SEG"),
    (38, "DROP ROLLBACK SEG"),
    (39, "CREATE TABLESPACE"),
    (40, "ALTER TABLESPACE"),
    (41, "DROP TABLESPACE"),
    (42, "ALTER SESSION"),
    (43, "ALTER USER"),
    (44, "COMMIT"),
    (45, "ROLLBACK"),
    (46, "SAVEPOINT"),
    (47, "PL/SQL EXECUTE"),
    (48, "SET TRANSACTION"),
    (49, "ALTER SYSTEM"),
    (50, "EXPLAIN"),
    (51, "CREATE USER"),
    (52, "CREATE ROLE"),
    (53, "DROP USER"),
    (54, "DROP ROLE"),
    (55, "SET ROLE"),
    (56, "CREATE SCHEMA"),
    (57, "CREATE CONTROL FILE"),
    (59, "CREATE TRIGGER"),
    (60, "ALTER TRIGGER"),
    (61, "DROP TRIGGER"),
    (62, "ANALYZE TABLE"),
    (63, "ANALYZE INDEX"),
    (64, "ANALYZE CLUSTER"),
    (65, "CREATE PROFILE"),
    (66, "DROP PROFILE"),
    (67, "ALTER PROFILE"),
    (68, "DROP PROCEDURE"),
    (70, "ALTER RESOURCE COST"),
    (71, "CREATE MATERIALIZED VIEW LOG"),
    (72, "ALTER MATERIALIZED VIEW LOG"),
    (73, "DROP MATERIALIZED VIEW LOG"),
    (74, "CREATE MATERIALIZED VIEW"),
    (75, "ALTER MATERIALIZED VIEW"),
    (76, "DROP MATERIALIZED VIEW"),
    (77, "CREATE TYPE"),
    (78, "DROP TYPE"),
    (79, "ALTER ROLE"),
    (80, "ALTER TYPE"),
    (81, "CREATE TYPE BODY"),
    (82, "ALTER TYPE BODY"),
    (83, "DROP TYPE BODY"),
    (84, "DROP LIBRARY"),
    (85, "TRUNCATE TABLE"),
    (86, "TRUNCATE CLUSTER"),
    (88, "ALTER VIEW"),
    (90, "SET CONSTRAINTS"),
    (91, "CREATE FUNCTION"),
    (92, "ALTER FUNCTION"),
    (93, "DROP FUNCTION"),
    (94, "CREATE PACKAGE"),
    (95, "ALTER PACKAGE"),
    (96, "DROP PACKAGE"),
    (97, "CREATE PACKAGE BODY"),
    (98, "ALTER PACKAGE BODY"),
    (99, "DROP PACKAGE BODY"),
    (157, "CREATE DIRECTORY"),
    (158, "DROP DIRECTORY"),
    (159, "CREATE LIBRARY"),
    (160, "CREATE JAVA"),
    (161, "ALTER JAVA"),
    (162, "DROP JAVA"),
    (163, "CREATE OPERATOR"),
    (164, "CREATE INDEXTYPE"),
    (165, "DROP INDEXTYPE"),
    (166, "ALTER INDEXTYPE"),
    (167, "DROP OPERATOR"),
    (168, "ASSOCIATE STATISTICS"),
    (169, "DISASSOCIATE STATISTICS"),
    (170, "CALL METHOD"),
    (171, "CREATE SUMMARY"),
    (172, "ALTER SUMMARY"),
    (173, "DROP SUMMARY"),
    (174, "CREATE DIMENSION"),
    (175, "ALTER DIMENSION"),
    (176, "DROP DIMENSION"),
    (177, "CREATE CONTEXT"),
    (178, "DROP CONTEXT"),
    (179, "ALTER OUTLINE"),
    (180, "CREATE OUTLINE"),
    (181, "DROP OUTLINE"),
    (182, "UPDATE INDEXES"),
    (183, "ALTER OPERATOR"),
    (189, "UPSERT"),
    (197, "PURGE USER_RECYCLEBIN"),
    (198, "PURGE DBA_RECYCLEBIN"),
    (199, "PURGE TABLESPACE"),
    (200, "PURGE TABLE"),
    (201, "PURGE INDEX"),
    (202, "UNDROP OBJECT"),
    (203, "DROP DATABASE"),
    (204, "FLASHBACK DATABASE"),
    (205, "FLASHBACK TABLE"),
    (206, "CREATE RESTORE POINT"),
    (207, "DROP RESTORE POINT"),
    (212, "CREATE EDITION"),
    (213, "ALTER EDITION"),
    (214, "DROP EDITION"),
    (218, "CREATE FLASHBACK ARCHIVE"),
    (219, "ALTER FLASHBACK ARCHIVE"),
    (220, "DROP FLASHBACK ARCHIVE"),
    (225, "ALTER DATABASE LINK"),
    (226, "CREATE PLUGGABLE DATABASE"),
    (227, "ALTER PLUGGABLE DATABASE"),
    (228, "DROP PLUGGABLE DATABASE"),
    (229, "CREATE AUDIT POLICY"),
    (230, "ALTER AUDIT POLICY"),
    (231, "DROP AUDIT POLICY"),
    (238, "ADMINISTER KEY MANAGEMENT"),
    (239, "CREATE MATERIALIZED ZONEMAP"),
    (240, "ALTER MATERIALIZED ZONEMAP"),
    (241, "DROP MATERIALIZED ZONEMAP"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn all_differ<'a>(names: impl Iterator<Item = &'a str>) -> bool {
        let mut seen = HashSet::new();
        names.into_iter().all(|name| seen.insert(name))
    }

    #[test]
    fn events_are_distinct_and_complete() {
        for count in [0, 1, 2, 40, 200, 1_651, 1_920, 2_289] {
            let list = events(count);
            assert_eq!(list.len(), count);
            assert!(all_differ(list.iter().map(|e| e.name.as_str())), "{count}");
        }
        let list = events(1_920);
        assert_eq!(list[0].name, "null event");
        let known = list.iter().filter(|e| !e.name.starts_with("spare event"));
        assert_eq!(known.count(), events::EVENTS.len() + 1);
        assert!(events::EVENTS.len() >= 150);
    }

    #[test]
    fn row_lock_event_has_its_documented_texts_and_class() {
        let list = events(64);
        let lock = list
            .iter()
            .find(|e| e.name == "enq: TX - row lock contention")
            .expect("a short list must hold the important events");
        assert_eq!(lock.p, ["name|mode", "usn<<16 | slot", "sequence"]);
        assert_eq!((lock.class_no, lock.class_id), (1, 4_217_450_380));
        let idle = list
            .iter()
            .find(|e| e.name == "SQL*Net message from client");
        assert_eq!(idle.expect("idle event").class_no, 6);
    }

    #[test]
    fn statistics_stand_at_their_19c_numbers() {
        let list = statistics(2_036);
        assert_eq!(list.len(), 2_036);
        for (number, name) in [
            (3, "logons current"),
            (6, "user commits"),
            (8, "user calls"),
            (14, "session logical reads"),
            (19, "CPU used by this session"),
            (20, "DB time"),
            (57, "physical read total bytes"),
            (159, "db block gets"),
            (163, "consistent gets"),
            (172, "physical reads"),
            (313, "redo size"),
            (604, "temp space allocated (bytes)"),
        ] {
            assert_eq!(list[number].name, name);
        }
        assert!(all_differ(list.iter().map(|s| s.name.as_str())));
        let known = list.iter().filter(|s| !s.name.starts_with("spare"));
        assert_eq!(
            known.count(),
            statistics::NUMBERED.len() + statistics::MORE.len()
        );
        assert!(statistics::NUMBERED.len() + statistics::MORE.len() >= 200);
    }

    #[test]
    fn instance_only_statistics_are_the_tail() {
        let list = statistics(2_036);
        let split = per_session_statistics(&list);
        assert!(split > 604 && split < list.len(), "{split}");
        assert!(list[split..].iter().all(|s| s.class > 200));
        assert_eq!(statistics(10).len(), 10);
        assert!(statistics(0).is_empty());
    }

    #[test]
    fn commands_ascend() {
        assert!(SQL_COMMANDS.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(SQL_COMMANDS.iter().all(|(code, _)| *code < 256));
    }
}
