//! The two complete V$SESSION rows of 12.2.0.1 that are public, from raw rows of the shipped 12.2
//! draft; and what depends on a version rule, on the same rows.
//!
//! Columns whose places aren't public stand at places invented here, behind the draft's last one.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::columns::{dump_columns, needs_of};
use super::*;
use crate::blueprint::Blueprint;
use crate::memory::{BytesSpace, TargetAddr};
use crate::plan::{Accepted, Event, EventTable, RowTable, bind, compile};
use crate::walk::{Frame, GateFields, Select, Walker};

const DRAFT: &str = include_str!("../../blueprints/drafts/12.2.0.1.json");
const BASE: u64 = 0x6800_0000;
const ROW: u64 = 10_240;
/// The module structure of each row, and the process of both, behind the rows.
const MODULES: u64 = BASE + 2 * ROW;
const PROCESS: u64 = MODULES + 512;
const SPACE: usize = 2 * ROW as usize + 1024;
/// The rows were printed at this time.
const NOW: i64 = 1_500_000_000;
/// SIDs of the blocked session and of its blocker.
const BLOCKED: u32 = 729;
const BLOCKER: u32 = 16;

/// Invented places: name, offset, size, stored.
const INVENTED: [(&str, u64, u64, &str); 20] = [
    ("KSUSESOW", 9608, 4, "uint"),
    ("KSUSEBLOCKER", 9612, 4, "uint"),
    ("KSUSEFBLOCKER", 9616, 4, "uint"),
    ("KSUUDSAE", 9620, 4, "uint"),
    ("KSLWTSTIME", 9624, 8, "uint"),
    ("KSLWTLTIME", 9632, 8, "uint"),
    ("KSLWTTREM", 9640, 8, "int"),
    ("KSLWTINWAIT", 9648, 4, "uint"),
    ("KSLWTFLAGS", 9652, 4, "uint"),
    ("KSUSEPGAAUTO", 9656, 8, "uint"),
    ("KSUSEGRP", 9664, 32, "text"),
    ("KSUSESVC", 9696, 64, "text"),
    ("CON_ID", 9760, 2, "uint"),
    ("KSUSEPCH", 9762, 2, "uint"),
    ("KSUSEPEID", 9764, 4, "uint"),
    ("KSUSEPESTA", 9768, 4, "epoch4"),
    ("KSUSEFT", 9772, 4, "uint"),
    ("KSUSEPXOPT", 9776, 4, "uint"),
    ("KSUSECRE", 9784, 8, "addr"),
    ("KSSPATYP", 9792, 1, "uint"),
];

/// The draft as if live rows had accepted it, with the invented places and these rules.
fn blueprint(rules: &[(&str, Json)]) -> Blueprint {
    let mut draft: Json = serde_json::from_str(DRAFT).unwrap();
    for (name, value) in rules {
        draft["rules"][name] = json!({"value": value, "source": "dsm2", "confidence": "low"});
    }
    for strukt in draft["structs"].as_array_mut().unwrap() {
        let is_row = strukt["name"] == "ksuse";
        let fields = strukt["fields"].as_array_mut().unwrap();
        for field in fields.iter_mut() {
            field.as_object_mut().unwrap().remove("accept");
        }
        for (name, offset, size, stored) in INVENTED.iter().filter(|_| is_row) {
            fields.push(json!({"name": name, "offset": offset, "size": size, "stored": stored, "source": "dsm2", "confidence": "low"}));
        }
    }
    draft["dictionaries"]["commands"]["6"] = "UPDATE".into();
    Blueprint::from_json(draft.to_string().as_bytes(), "golden").unwrap()
}

/// Memory with the two rows, written by the blueprint's own places.
struct Raw<'a> {
    bytes: Vec<u8>,
    blueprint: &'a Blueprint,
}

impl Raw<'_> {
    fn store(&mut self, at: u64, bytes: &[u8]) {
        let at = (at - BASE) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn number(&mut self, row: u64, name: &str, value: u64) {
        let ksuse = self.blueprint.strukt("ksuse").unwrap();
        let field = ksuse.field(name).unwrap_or_else(|| panic!("{name}"));
        let bytes = value.to_le_bytes();
        self.store(
            BASE + row * ROW + field.offset,
            &bytes[..field.size as usize],
        );
    }

    fn text(&mut self, row: u64, name: &str, text: &str) {
        let ksuse = self.blueprint.strukt("ksuse").unwrap();
        let offset = ksuse.field(name).unwrap().offset;
        self.store(BASE + row * ROW + offset, text.as_bytes());
    }

    fn numbers(&mut self, row: u64, values: &[(&str, u64)]) {
        for (name, value) in values {
            self.number(row, name, *value);
        }
    }
}

/// What both rows have: a user session in use, logged on, with its module structure.
fn common(raw: &mut Raw, row: u64, sid: u32) {
    let module = MODULES + row * 160;
    let (year, now) = (117u8, NOW as u64);
    let date = [120, year, 7, 14, 1, 1, 1];
    let ksuse = raw.blueprint.strukt("ksuse").unwrap();
    let logon = ksuse.field("KSUSELTM").unwrap().offset;
    raw.store(BASE + row * ROW + logon, &date);
    raw.numbers(
        row,
        &[
            ("KSSPAFLG", 1),
            ("owner", PROCESS),
            ("KSUSECRE", PROCESS),
            ("KSUSENUM", sid.into()),
            ("KSUSEFLG", 0x41),
            ("KSUSESOW", 2_147_483_644),
            ("KSUUDSAE", 133),
            ("KSUSEORAFN", 94),
            ("KSUSEFLG2", 0x40009),
            ("KSUSEFT", 32),
            ("KSUSEPXOPT", 4),
            ("KSSPATYP", 1),
            ("CON_ID", 3),
            ("KSUSEOPC", 284),
            ("KSLWTINWAIT", 1),
            ("KSLWTTREM", u64::MAX),
            ("KSUSESEQ", 37),
            ("modact_ptr", module),
        ],
    );
    raw.text(row, "KSUSEGRP", "OTHER_GROUPS");
    raw.text(row, "KSUSESVC", "pdb1");
    raw.text(row, "KSUUDLNA", "HR");
    raw.store(module, b"SQL*Plus");
    raw.store(module + 64, &8u64.to_le_bytes());
    raw.store(module + 72, &3_669_949_024u32.to_le_bytes());
    let called = if row == 0 { 362 } else { 368 };
    raw.number(row, "call_stamp", now - called);
}

fn memory(blueprint: &Blueprint) -> Vec<u8> {
    let mut raw = Raw {
        bytes: vec![0; SPACE],
        blueprint,
    };
    common(&mut raw, 0, BLOCKED);
    common(&mut raw, 1, BLOCKER);
    let id = crate::plan::handle::parse_sql_id("6smgtv6h8958b").unwrap();
    raw.numbers(
        0,
        &[
            ("KSUSESER", 21_153),
            ("KSUUDOCT", 6),
            ("KSUSETRN", 0x6371_DFB0),
            ("KSQPSWAT", 0x67C3_9418),
            ("KSUSEIDL", 1),
            ("KSUSESQL", 0x6399_0000),
            ("sql_id_high", id >> 32),
            ("KSUSESQH", id & 0xFFFF_FFFF),
            ("KSUSESEID", 16_777_219),
            ("KSUSESESTA", NOW as u64 - 361),
            ("KSUSEOBJ", 73_219),
            ("KSUSEFIL", 12),
            ("KSUSEBLK", 207),
            ("KSUSESLT", 10),
            ("KSUSEBLOCKER", 1 << 16 | 16),
            ("KSUSEFBLOCKER", 1 << 16 | 16),
            ("KSUSEP1", 0x5458_0006),
            ("KSUSEP2", 393_223),
            ("KSLWTSTIME", 361_203_435),
        ],
    );
    raw.numbers(
        1,
        &[
            ("KSUSESCH", 65_535),
            ("KSUSEPCH", 65_535),
            ("KSUSEOBJ", u64::from(u32::MAX)),
            ("KSUSEBLOCKER", 4_294_967_292),
            ("KSUSEFBLOCKER", 4_294_967_295),
            ("KSUSEP1", 1_413_697_536),
            ("KSUSEP2", 1),
            ("KSLWTSTIME", 366_874_066),
        ],
    );
    raw.bytes
}

fn decoded(rules: &[(&str, Json)], change: impl FnOnce(&mut Raw)) -> (Vec<Json>, Vec<String>) {
    let blueprint = blueprint(rules);
    let mut raw = Raw {
        bytes: memory(&blueprint),
        blueprint: &blueprint,
    };
    change(&mut raw);
    let bytes = raw.bytes;
    let space = Arc::new(BytesSpace::new(vec![(TargetAddr(BASE), bytes)]).unwrap());
    let columns = dump_columns();
    let accepted = Arc::new(Accepted::default());
    let needs = needs_of(&columns);
    let plan = compile(&blueprint, &accepted, "ksuse", &GateFields::NEEDS, &needs).unwrap();
    let mut addrs = vec![TargetAddr::NULL; BLOCKED as usize];
    addrs[BLOCKED as usize - 1] = TargetAddr(BASE);
    addrs[BLOCKER as usize - 1] = TargetAddr(BASE + ROW);
    let rows = RowTable {
        addrs,
        spots: Vec::new(),
    };
    let event = Event {
        name: "enq: TX - row lock contention".into(),
        ..Event::default()
    };
    let events = EventTable {
        events: vec![event; 300],
        ..EventTable::default()
    };
    let bound = bind(space, plan, &rows, accepted, Arc::new(events));
    let mut decoder = Decoder::new(&blueprint, &bound, &columns);
    decoder.confirm(crate::plan::handle::parse_sql_id("6smgtv6h8958b").unwrap());
    let mut walker = Walker::new(bound, Select::Used).unwrap();
    let mut frame: Frame = walker.frame();
    walker.sweep(&mut frame, || 0);
    frame.wall_ns = NOW * 1_000_000_000;
    assert_eq!(frame.slots, [BLOCKER - 1, BLOCKED - 1]);
    let mut shown = Vec::new();
    for i in [1, 0] {
        let row = decoder.row(&frame, i);
        let object: serde_json::Map<String, Json> = decoder
            .columns()
            .zip(decoder.values(&row))
            .map(|(c, v)| (c.name.to_owned(), v.to_json()))
            .collect();
        shown.push(Json::Object(object));
    }
    let absent = decoder.absent().map(|(c, _)| c.name.to_owned()).collect();
    (shown, absent)
}

fn check(row: &Json, expected: &Json) {
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(&row[column], value, "{column}");
    }
}

fn kslwt() -> Vec<(&'static str, Json)> {
    vec![("wait_rule", "kslwt".into())]
}

#[test]
fn the_blocked_session() {
    let (rows, absent) = decoded(&kslwt(), |_| {});
    check(
        &rows[0],
        &json!({
        "sid": 729, "serial_no": 21153, "command": 6, "ownerid": 2_147_483_644u32,
        "taddr": "000000006371DFB0", "lockwait": "0000000067C39418", "status": "ACTIVE",
        "server": "DEDICATED", "type": "USER", "username": "HR",
        "sql_hash_value": 2_693_043_467u32, "sql_id": "6smgtv6h8958b", "sql_child_number": 0,
        "sql_exec_id": 16_777_219, "module": "SQL*Plus", "module_hash": 3_669_949_024u32,
        "action": null, "action_hash": 0, "row_wait_obj_no": 73_219, "row_wait_file_no": 12,
        "row_wait_block_no": 207, "row_wait_row_no": 10, "top_level_call_no": 94,
        "last_call_et": 362, "failover_type": "NONE", "pdml_enabled": "YES",
        "pdml_status": "ENABLED", "pddl_status": "ENABLED", "pq_status": "ENABLED",
        }),
    );
    check(
        &rows[0],
        &json!({
        "blocking_session_status": "VALID", "blocking_instance": 1, "blocking_session": 16,
        "final_blocking_session_status": "VALID", "final_blocking_instance": 1,
        "final_blocking_session": 16, "seq_no": 37, "event_no": 284,
        "event": "enq: TX - row lock contention", "p1raw": "0000000054580006",
        "p2": 393_223, "p2raw": "0000000000060007", "p3": 0, "p3raw": "00", "wait_time": 0,
        "seconds_in_wait": 361, "state": "WAITING", "wait_time_micro": 361_203_435,
        "time_remaining_micro": -1, "time_since_last_wait_micro": 0,
        }),
    );
    check(
        &rows[0],
        &json!({
            "resource_consumer_group": "OTHER_GROUPS", "service_name": "pdb1",
            "sql_trace": "DISABLED", "sql_trace_waits": "FALSE", "sql_trace_binds": "FALSE",
            "sql_trace_plan_stats": "FIRST EXEC", "session_edition_id": 133,
            "pga_tunable_mem": 0, "con_id": 3, "ecid": null, "creator_addr": "0000000068005200",
            "paddr": "0000000068005200", "in_v_session": true,
        }),
    );
    assert!(rows[0]["sql_exec_start"].is_string());
    // DISABLED in the printed row: the bit isn't known, and nothing is guessed
    assert!(absent.contains(&"shard_ddl_status".to_owned()));
}

#[test]
fn its_blocker() {
    let (rows, _) = decoded(&kslwt(), |_| {});
    check(
        &rows[1],
        &json!({
            "sid": 16, "status": "INACTIVE", "command": 0, "taddr": null, "lockwait": null,
            "sql_address": "00", "sql_hash_value": 0, "sql_id": null, "sql_child_number": null,
            "sql_exec_start": null, "sql_exec_id": null, "prev_child_number": null,
            "row_wait_obj_no": -1, "blocking_session_status": "NO HOLDER",
            "blocking_instance": null, "blocking_session": null,
            "final_blocking_session_status": "UNKNOWN", "final_blocking_instance": null,
            "final_blocking_session": null, "p1": 1_413_697_536, "p1raw": "0000000054435000",
            "p3": 0, "p3raw": "00", "last_call_et": 368, "seconds_in_wait": 367,
            "wait_time_micro": 366_874_066, "time_remaining_micro": -1,
        }),
    );
}

/// The same bytes in a release with other rules.
#[test]
fn rules_of_later_releases_are_data() {
    let rules = [
        ("status_mask", json!(9)),
        ("blocker_bits", json!(18)),
        ("failover_auto", json!(32)),
        ("wait_rule", json!("kslwt")),
    ];
    let change = |raw: &mut Raw| {
        raw.number(0, "KSUSEBLOCKER", 1 << 18 | 16);
        raw.number(1, "KSUSEIDL", 2);
        raw.number(0, "KSUSEIDL", 9);
    };
    let (rows, _) = decoded(&rules, change);
    check(
        &rows[0],
        &json!({"blocking_instance": 1, "blocking_session": 16, "failover_type": "AUTO", "status": "KILLED"}),
    );
    check(&rows[1], &json!({"status": "INACTIVE", "sniped": true}));
    let sniped = |raw: &mut Raw| raw.number(1, "KSUSEIDL", 2);
    check(
        &decoded(&kslwt(), sniped).0[1],
        &json!({"status": "SNIPED", "sniped": true}),
    );
    // read with the older packing the instance comes out as 4
    let older = |raw: &mut Raw| raw.number(0, "KSUSEBLOCKER", 1 << 18 | 16);
    check(
        &decoded(&kslwt(), older).0[0],
        &json!({"blocking_instance": 4, "blocking_session": 16}),
    );
    let none = decoded(&[("blocker_bits", Json::Null)], |_| {});
    assert!(none.1.contains(&"blocking_session".to_owned()));
}

#[test]
fn codes_of_blockers() {
    for (code, word) in [
        (0xFFFF_FFFFu64, "UNKNOWN"),
        (0xFFFF_FFFE, "UNKNOWN"),
        (0xFFFF_FFFD, "UNKNOWN"),
        (0xFFFF_FFFC, "NO HOLDER"),
        (0xFFFF_FFFB, "NOT IN WAIT"),
        (0xFFFF_FFFA, "VALID"),
    ] {
        let (rows, _) = decoded(&kslwt(), |raw| raw.number(0, "KSUSEBLOCKER", code));
        assert_eq!(rows[0]["blocking_session_status"], word, "{code:#x}");
        assert_eq!(
            rows[0]["blocking_session"].is_null(),
            word != "VALID",
            "{code:#x}"
        );
    }
}

/// GV$SESSION's text of 11.1 and later: round is half up, flag 256 says that the time is known.
#[test]
fn ended_waits() {
    for (micros, flags, state, wait_time) in [
        (4_999u64, 256u64, "WAITED SHORT TIME", -1),
        (5_000, 256, "WAITED KNOWN TIME", 1),
        (3_612_034, 256, "WAITED KNOWN TIME", 361),
        (3_612_034, 0, "WAITED UNKNOWN TIME", -2),
    ] {
        let change = |raw: &mut Raw| {
            let values = [
                ("KSLWTINWAIT", 0),
                ("KSLWTFLAGS", flags),
                ("KSLWTSTIME", micros),
                ("KSLWTLTIME", 1_500_000),
            ];
            raw.numbers(0, &values);
        };
        let (rows, _) = decoded(&kslwt(), change);
        let seconds = (micros + 1_500_000 + 500_000) / 1_000_000;
        check(
            &rows[0],
            &json!({"state": state, "wait_time": wait_time, "seconds_in_wait": seconds,
                "time_remaining_micro": null, "time_since_last_wait_micro": 1_500_000}),
        );
    }
    let over = |raw: &mut Raw| raw.number(0, "KSLWTFLAGS", 64);
    check(
        &decoded(&kslwt(), over).0[0],
        &json!({"time_remaining_micro": 0}),
    );
}

/// A time outside the session's life is none of its times, in whatever form.
#[test]
fn times_before_the_logon_or_after_now_are_absent() {
    for value in [NOW - 90 * 86_400, NOW + 3 * 86_400] {
        let (rows, _) = decoded(&kslwt(), |raw| raw.number(0, "KSUSESESTA", value as u64));
        assert_eq!(rows[0]["sql_exec_start"], Json::Null, "{value}");
    }
}

#[test]
fn parallel_options() {
    for (bits, status) in [
        (0u64, ["NO", "DISABLED", "ENABLED", "ENABLED"]),
        (4, ["YES", "ENABLED", "ENABLED", "ENABLED"]),
        (8, ["YES", "FORCED", "ENABLED", "ENABLED"]),
        (12, ["YES", "ENABLED", "ENABLED", "ENABLED"]),
        (1, ["NO", "DISABLED", "DISABLED", "ENABLED"]),
        (3, ["NO", "DISABLED", "FORCED", "ENABLED"]),
        (16, ["NO", "DISABLED", "ENABLED", "DISABLED"]),
        (48, ["NO", "DISABLED", "ENABLED", "FORCED"]),
    ] {
        let (rows, _) = decoded(&kslwt(), |raw| raw.number(0, "KSUSEPXOPT", bits));
        let names = ["pdml_enabled", "pdml_status", "pddl_status", "pq_status"];
        assert_eq!(
            names.map(|n| rows[0][n].as_str().unwrap()),
            status,
            "{bits}"
        );
    }
}
