//! What a correct reader shows of a paused instance: `expected.json`, from the logical state alone.
//!
//! Rules: the public GV$SESSION texts (10.2 for the wait columns of the row, 18c+ for the rest). It never reads the
//! memory. Only `pmon` calls it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::engine::fields::{Num, ProcNum, ProcText, Text};
use crate::engine::stage::{NO_CHILD, Process, RECURSIVE, SNIPED, Session, Stage, USER};
use crate::names::WAIT_CLASSES;
use crate::sql;

/// Columns of one row in the order of the view.
type Row = Map<String, Value>;

/// The whole document: every session in use and every process in use, in the order of their slots.
pub fn document(stage: &Stage) -> Value {
    let sessions = stage
        .sessions
        .iter()
        .enumerate()
        .filter(|(_, s)| s.is_in_use());
    let processes = stage
        .processes
        .iter()
        .enumerate()
        .filter(|(_, p)| p.is_in_use());
    json!({
        "sessions": sessions.map(|(i, s)| Value::Object(session(stage, i, s))).collect::<Vec<_>>(),
        "processes": processes.map(|(i, p)| Value::Object(process(stage, i, p))).collect::<Vec<_>>(),
    })
}

fn session(stage: &Stage, i: usize, s: &Session) -> Row {
    let mut row = Row::new();
    identity(&mut row, stage, i, s);
    statements(&mut row, s);
    program_state(&mut row, stage, s);
    waits(&mut row, stage, s);
    settings(&mut row, s);
    put(&mut row, "session_kind", json!(s.kind()));
    put(
        &mut row,
        "in_v_session",
        json!(s.num(Num::Flags) & USER != 0),
    );
    put(&mut row, "sniped", json!(s.num(Num::Idle) & SNIPED != 0));
    beyond_the_row(&mut row, stage, s);
    if stage.instance.layout.is_revealed() {
        revealed(&mut row, stage, s);
    } else {
        put(&mut row, "server", json!(server(stage, s)));
        put(&mut row, "_wait_stamp", json!(s.num(Num::WaitStamp)));
        put(&mut row, "_call_stamp", json!(s.num(Num::CallStamp)));
    }
    row
}

fn identity(row: &mut Row, stage: &Stage, i: usize, s: &Session) {
    put(row, "saddr", hex(stage.instance.places.sessions[i]));
    put(row, "sid", json!(i + 1));
    put(row, "serial_no", json!(s.num(Num::Serial)));
    put(row, "audsid", json!(s.num(Num::Audsid)));
    put(row, "paddr", raw(process_address(stage, s)));
    put(row, "user_no", json!(s.num(Num::UserNo)));
    put(row, "username", text(s, Text::LoginName));
    put(row, "command", json!(s.num(Num::Command)));
    put(row, "ownerid", json!(s.num(Num::OwnerId)));
    put(row, "taddr", non_zero(s.num(Num::Transaction), hex));
    put(row, "xid", transaction(stage, i, s));
    put(row, "lockwait", non_zero(s.num(Num::LockWait), hex));
    put(
        row,
        "status",
        json!(s.status(stage.instance.layout.status_mask)),
    );
    put(row, "schema_no", json!(s.num(Num::SchemaNo)));
    put(row, "schemaname", text(s, Text::Schema));
    put(row, "osuser", text(s, Text::OsUser));
    put(row, "process", text(s, Text::Process));
    put(row, "machine", text(s, Text::Machine));
    put(row, "port", json!(s.num(Num::Port)));
    put(row, "terminal", text(s, Text::Terminal));
    put(row, "program", text(s, Text::Program));
    put(row, "type", json!(s.kind()));
}

fn statements(row: &mut Row, s: &Session) {
    let n = |field| s.num(field);
    put(row, "sql_address", raw(n(Num::SqlAddress)));
    put(row, "sql_hash_value", json!(n(Num::SqlHash)));
    put(
        row,
        "sql_id",
        sql_id(n(Num::SqlAddress), n(Num::SqlHigh), n(Num::SqlHash)),
    );
    put(row, "sql_child_number", child(n(Num::SqlChild)));
    put(row, "sql_exec_start", non_zero(n(Num::SqlStart), time));
    put(row, "sql_exec_id", non_zero(n(Num::SqlExec), |v| json!(v)));
    put(row, "prev_sql_addr", raw(n(Num::PrevAddress)));
    put(row, "prev_hash_value", json!(n(Num::PrevHash)));
    put(
        row,
        "prev_sql_id",
        sql_id(n(Num::PrevAddress), n(Num::PrevHigh), n(Num::PrevHash)),
    );
    put(row, "prev_child_number", child(n(Num::PrevChild)));
    put(row, "prev_exec_start", non_zero(n(Num::PrevStart), time));
    put(
        row,
        "prev_exec_id",
        non_zero(n(Num::PrevExec), |v| json!(v)),
    );
    let entry = n(Num::EntryObject);
    put(row, "plsql_entry_object_id", non_zero(entry, |v| json!(v)));
    put(
        row,
        "plsql_entry_subprogram_id",
        non_zero(entry, |_| json!(n(Num::EntrySubprogram))),
    );
    let in_plsql = n(Num::TimeModel) & 1 << 11 != 0;
    let gated = |value: u64| non_zero(if in_plsql { value } else { 0 }, |v| json!(v));
    put(row, "plsql_object_id", gated(n(Num::Object)));
    put(row, "plsql_subprogram_id", gated(n(Num::Subprogram)));
}

fn program_state(row: &mut Row, stage: &Stage, s: &Session) {
    let auto = stage.instance.layout.status_mask == 9;
    put(row, "module", nullable(&s.module));
    put(row, "module_hash", json!(s.module_hash));
    put(row, "action", nullable(&s.action));
    put(row, "action_hash", json!(s.action_hash));
    put(row, "client_info", text(s, Text::ClientInfo));
    put(
        row,
        "fixed_table_sequence",
        json!(s.num(Num::FixedSequence)),
    );
    put(row, "row_wait_obj_no", json!(s.num(Num::RowObject) as i32));
    put(row, "row_wait_file_no", json!(s.num(Num::RowFile)));
    put(row, "row_wait_block_no", json!(s.num(Num::RowBlock)));
    put(row, "row_wait_row_no", json!(s.num(Num::RowSlot)));
    put(row, "top_level_call_no", json!(s.num(Num::TopCall)));
    put(row, "logon_time", non_zero(s.num(Num::Logon), time));
    let failover_type = match s.num(Num::FailoverType) {
        2 => "SESSION",
        4 => "SELECT",
        8 => "TRANSACTIONAL",
        // from 18c on
        32 if auto => "AUTO",
        _ => "NONE",
    };
    let failover_method = match s.num(Num::FailoverMethod) {
        1 => "BASIC",
        2 => "PRECONNECT",
        4 => "PREPARSE",
        _ => "NONE",
    };
    put(row, "failover_type", json!(failover_type));
    put(row, "failover_method", json!(failover_method));
    put(
        row,
        "failed_over",
        json!(if s.num(Num::FailedOver) == 1 {
            "YES"
        } else {
            "NO"
        }),
    );
    put(row, "client_identifier", text(s, Text::ClientId));
}

fn waits(row: &mut Row, stage: &Stage, s: &Session) {
    put(row, "seq_no", json!(s.num(Num::Seq)));
    put(row, "event_no", json!(s.num(Num::Event)));
    if let Some(event) = stage.instance.exe.events.get(s.num(Num::Event) as usize) {
        put(row, "event", json!(event.name));
        for (k, (field, parameter)) in [Num::P1, Num::P2, Num::P3]
            .into_iter()
            .zip(&event.p)
            .enumerate()
        {
            let value = s.num(field);
            put(row, &format!("p{}text", k + 1), nullable(parameter));
            put(row, &format!("p{}", k + 1), json!(value));
            put(row, &format!("p{}raw", k + 1), raw(value));
        }
        put(row, "wait_class_id", json!(event.class_id));
        put(row, "wait_class_no", json!(event.class_no));
        let class = WAIT_CLASSES.get(event.class_no as usize).map(|c| c.0);
        put(row, "wait_class", json!(class));
    }
    let (wait_time, state) = wait_time(s.num(Num::WaitTime) as i32);
    put(row, "wait_time", json!(wait_time));
    put(row, "state", json!(state));
}

/// WAIT_TIME (centiseconds) and STATE from KSUSETIM (microseconds), by the 10.2 view text.
fn wait_time(micros: i32) -> (i32, &'static str) {
    let centis = (i64::from(micros) + 5_000) / 10_000;
    match micros {
        0 => (0, "WAITING"),
        -2 => (-2, "WAITED UNKNOWN TIME"),
        -1 => (-1, "WAITED SHORT TIME"),
        _ if centis == 0 => (-1, "WAITED SHORT TIME"),
        _ => (centis as i32, "WAITED KNOWN TIME"),
    }
}

fn settings(row: &mut Row, s: &Session) {
    let flags = s.num(Num::Flags2);
    let truth = |bit: u64| json!(if flags & bit != 0 { "TRUE" } else { "FALSE" });
    put(
        row,
        "sql_trace",
        json!(if flags & 0x20 != 0 {
            "ENABLED"
        } else {
            "DISABLED"
        }),
    );
    put(row, "sql_trace_waits", truth(0x40));
    put(row, "sql_trace_binds", truth(0x80));
    let plan_stats = match flags & 0x30000 {
        0 => json!("FIRST EXEC"),
        0x10000 => json!("ALL EXEC"),
        0x20000 => json!("NEVER"),
        _ => Value::Null,
    };
    put(row, "sql_trace_plan_stats", plan_stats);
    put(row, "session_edition_id", json!(s.num(Num::Edition)));
    put(row, "creator_addr", raw(s.num(Num::Creator)));
    put(row, "creator_serial_no", json!(s.num(Num::CreatorSerial)));
    put(row, "ecid", text(s, Text::Ecid));
    put(
        row,
        "sql_translation_profile_id",
        json!(s.num(Num::TranslationProfile)),
    );
    put(row, "pga_tunable_mem", json!(s.num(Num::PgaAuto)));
    put(row, "external_name", text(s, Text::ExternalName));
}

/// XID as V$TRANSACTION shows it: RAW(8), the bytes of segment, slot and sequence as they lie in memory.
fn transaction(stage: &Stage, i: usize, s: &Session) -> Value {
    let xid = stage.transactions[i].filter(|_| s.num(Num::Transaction) != 0);
    xid.map_or(Value::Null, |x| {
        hex((x.usn | x.slot << 16 | x.sqn << 32).swap_bytes())
    })
}

/// PADDR: the owner, or the owner's owner when the owner is a session.
pub fn process_address(stage: &Stage, s: &Session) -> u64 {
    let owner = s.num(Num::Owner);
    let parent = stage
        .instance
        .places
        .sessions
        .iter()
        .position(|a| *a == owner);
    parent.map_or(owner, |i| stage.sessions[i].num(Num::Owner))
}

/// What a reader learns from other rows: the process, and the session that a recursive one works for.
fn beyond_the_row(row: &mut Row, stage: &Stage, s: &Session) {
    put(row, "con_name", text(s, Text::Container));
    put(row, "_logon", json!(s.num(Num::Logon)));
    let process = owning_process(stage, s);
    let spid = process.and_then(|p| p.text(ProcText::Spid).parse::<u32>().ok());
    put(row, "os_pid", json!(spid));
    let address = process_address(stage, s);
    let hidden = s.num(Num::Flags) & USER == 0 && s.num(Num::Flags) & RECURSIVE != 0;
    let served = stage.sessions.iter().enumerate().find(|(i, other)| {
        let owns = stage.instance.places.sessions[*i] == s.num(Num::Owner);
        let shares = address != 0 && process_address(stage, other) == address;
        other.is_in_use() && other.num(Num::Flags) & USER != 0 && (owns || shares)
    });
    let served = served.filter(|_| hidden);
    put(row, "serves_sid", json!(served.map(|(i, _)| i + 1)));
    let serial = served.map(|(_, other)| other.num(Num::Serial));
    put(row, "serves_serial_no", json!(serial));
}

fn owning_process<'a>(stage: &'a Stage, s: &Session) -> Option<&'a Process> {
    let address = process_address(stage, s);
    let places = &stage.instance.places.processes;
    let p = places.iter().position(|a| *a == address)?;
    stage.processes.get(p)
}

/// SERVER from the process, as V$SESSION documents it.
fn server(stage: &Stage, s: &Session) -> &'static str {
    let Some(process) = owning_process(stage, s) else {
        return "NONE";
    };
    let program = process.text(ProcText::Program);
    match program.rsplit_once(" (") {
        _ if process.text(ProcText::Spid).is_empty() => "PSEUDO",
        Some((_, "S000)")) => "SHARED",
        Some((_, "D000)")) => "NONE",
        Some((_, "L001)" | "N002)")) => "POOLED",
        _ => "DEDICATED",
    }
}

/// Columns that only a revealed layout stores, by the texts of GV$SESSION (11.2 and later).
fn revealed(row: &mut Row, stage: &Stage, s: &Session) {
    let n = |field| s.num(field);
    let server = match n(Num::ServerType) {
        1 => "DEDICATED",
        2 => "SHARED",
        3 => "PSEUDO",
        4 => "POOLED",
        _ => "NONE",
    };
    put(row, "server", json!(server));
    put(row, "last_call_et", json!(n(Num::CallSeconds)));
    put(row, "seconds_in_wait", json!(n(Num::WaitSeconds)));
    put(row, "current_queue_duration", json!(n(Num::QueueSeconds)));
    put(row, "con_id", json!(n(Num::ContainerId)));
    put(row, "resource_consumer_group", text(s, Text::Group));
    put(row, "service_name", text(s, Text::Service));
    let options = n(Num::ParallelOptions);
    let bit = |bit: u64| options & bit != 0;
    put(
        row,
        "pdml_enabled",
        json!(if bit(12) { "YES" } else { "NO" }),
    );
    let pdml = if bit(4) {
        "ENABLED"
    } else if bit(8) {
        "FORCED"
    } else {
        "DISABLED"
    };
    let forced = |force: u64, disable: u64| match (bit(force), bit(disable)) {
        (true, _) => "FORCED",
        (false, true) => "DISABLED",
        (false, false) => "ENABLED",
    };
    put(row, "pdml_status", json!(pdml));
    put(row, "pddl_status", json!(forced(2, 1)));
    put(row, "pq_status", json!(forced(32, 16)));
    let bits = stage.instance.layout.blocker_bits();
    blocker(row, "", n(Num::Blocker), bits);
    blocker(row, "final_", n(Num::FinalBlocker), bits);
    put(row, "wait_time_micro", json!(n(Num::WaitMicros)));
    put(
        row,
        "time_since_last_wait_micro",
        json!(n(Num::SinceMicros)),
    );
    let left = match (n(Num::InWait), n(Num::WaitFlags) & 64) {
        (0, _) => Value::Null,
        (_, 0) => json!(n(Num::Remaining) as i64),
        _ => json!(0),
    };
    put(row, "time_remaining_micro", left);
}

fn blocker(row: &mut Row, prefix: &str, value: u64, bits: u32) {
    let status = match value {
        4_294_967_293..=4_294_967_295 => "UNKNOWN",
        4_294_967_292 => "NO HOLDER",
        4_294_967_291 => "NOT IN WAIT",
        _ => "VALID",
    };
    let valid = |v: u64| {
        if status == "VALID" {
            json!(v)
        } else {
            Value::Null
        }
    };
    // The masks of the texts: 2147418112 / 65536 and 65535, or 2147221504 / 262144 and 262143.
    let (instance, session) = match bits {
        16 => ((value & 2_147_418_112) / 65_536, value & 65_535),
        _ => ((value & 2_147_221_504) / 262_144, value & 262_143),
    };
    put(
        row,
        &format!("{prefix}blocking_session_status"),
        json!(status),
    );
    put(row, &format!("{prefix}blocking_instance"), valid(instance));
    put(row, &format!("{prefix}blocking_session"), valid(session));
}

fn process(stage: &Stage, i: usize, p: &Process) -> Row {
    let mut row = Row::new();
    let of = |field| nullable(p.text(field));
    put(&mut row, "addr", hex(stage.instance.places.processes[i]));
    put(&mut row, "pid", json!(i + 1));
    put(&mut row, "spid", of(ProcText::Spid));
    put(&mut row, "username", of(ProcText::OsUser));
    put(&mut row, "serial_no", json!(p.num(ProcNum::Serial)));
    put(&mut row, "terminal", of(ProcText::Terminal));
    put(&mut row, "program", of(ProcText::Program));
    put(
        &mut row,
        "background",
        if p.num(ProcNum::Flags) & 2 != 0 {
            json!("1")
        } else {
            Value::Null
        },
    );
    put(&mut row, "pga_used_mem", json!(p.num(ProcNum::PgaUsed)));
    put(
        &mut row,
        "pga_alloc_mem",
        json!(p.num(ProcNum::PgaAllocRam) + p.num(ProcNum::PgaAllocName)),
    );
    put(
        &mut row,
        "_session_addr",
        non_zero(p.num(ProcNum::Session), hex),
    );
    row
}

fn put(row: &mut Row, name: &str, value: Value) {
    row.insert(name.into(), value);
}

fn text(s: &Session, field: Text) -> Value {
    nullable(s.text(field))
}

/// The empty text is NULL.
fn nullable(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        json!(text)
    }
}

fn hex(value: u64) -> Value {
    json!(format!("{value:016X}"))
}

/// A RAW that V$ views show as `00` when it is zero.
fn raw(value: u64) -> Value {
    if value == 0 { json!("00") } else { hex(value) }
}

fn non_zero(value: u64, show: impl Fn(u64) -> Value) -> Value {
    if value == 0 { Value::Null } else { show(value) }
}

fn child(value: u64) -> Value {
    if value == NO_CHILD {
        Value::Null
    } else {
        json!(value)
    }
}

fn sql_id(address: u64, high: u64, hash: u64) -> Value {
    non_zero(address, |_| json!(sql::sql_id(high as u32, hash as u32)))
}

/// RFC 3339 in the server's zone, whole seconds.
fn time(epoch: u64) -> Value {
    let zoned = Timestamp::from_second(epoch as i64).map(|t| t.to_zoned(TimeZone::system()));
    zoned.map_or(Value::Null, |z| {
        json!(z.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_time_follows_the_view_text() {
        assert_eq!(wait_time(0), (0, "WAITING"));
        assert_eq!(wait_time(-1), (-1, "WAITED SHORT TIME"));
        assert_eq!(wait_time(-2), (-2, "WAITED UNKNOWN TIME"));
        assert_eq!(wait_time(4_999), (-1, "WAITED SHORT TIME"));
        assert_eq!(wait_time(5_000), (1, "WAITED KNOWN TIME"));
        assert_eq!(wait_time(3_612_034), (361, "WAITED KNOWN TIME"));
    }

    #[test]
    fn raws_are_sixteen_digits_or_00() {
        assert_eq!(raw(0), json!("00"));
        assert_eq!(raw(0x5458_0006), json!("0000000054580006"));
        assert_eq!(non_zero(0, hex), Value::Null);
    }
}
