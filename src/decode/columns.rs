//! The one table of columns: what sgascope can show of a session, and how.
//!
//! Names are V$SESSION's (for recordings V$ACTIVE_SESSION_HISTORY's) in lower case with `#` written
//! `_no`. Recipes follow the text of GV$SESSION (11.1 in full; bits and masks of later releases from
//! public queries); offsets and version rules come from the blueprint, never from here.

use super::needs::CORE_NEEDS;
pub use super::sides::{Home, SIDES, Side, side_of};
use super::value::Value;
use crate::plan::{FieldRef, Need, row, via};

/// Type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned number up to 32 bits.
    U32,
    /// Unsigned number up to 64 bits.
    U64,
    /// Signed number.
    I64,
    /// Yes or no.
    Bool,
    /// Text.
    Text,
    /// 16 hex digits.
    Address,
    /// A point in time.
    Time,
}

impl Kind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::U32 | Kind::U64 | Kind::I64 => "number",
            Kind::Bool => "true or false",
            Kind::Text => "text",
            Kind::Address => "16 hex digits",
            Kind::Time => "time",
        }
    }
}

/// Where a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In dumps only.
    Dump,
    /// In recordings only.
    Sample,
    /// In both.
    Both,
}

/// How a column is made of fields.
#[derive(Clone, Copy, Debug)]
pub enum Recipe {
    /// The row's address.
    RowAddress,
    /// The slot number, from 1 (V$SESSION.SID is x$ksuse.indx).
    Slot,
    /// An unsigned number.
    Uint(Need),
    /// An unsigned number that is NULL at one value.
    UintNull(Need, u64),
    /// A signed number.
    Int(Need),
    /// An address, NULL when zero.
    Address(Need),
    /// RAW, `00` when zero.
    Raw(Need),
    /// Text, NULL when empty.
    Text(Need),
    /// A DATE or a 4-byte time, NULL when zero.
    Time(Need),
    /// A code: value to word, with a word for all others.
    Code(Need, &'static [(u64, &'static str)], &'static str),
    /// Whether a bit is set.
    Bit(Need, u32),
    /// One word if any bit of the mask is set, another if not.
    Flag(Need, u64, &'static str, &'static str),
    /// The word of the first mask of which a bit is set, or another if none is.
    Flags(Need, &'static [(u64, &'static str)], &'static str),
    /// The first recipe, or the second where the blueprint hasn't the first's fields.
    Either(&'static Recipe, &'static Recipe),
    /// Seconds from a time to now.
    Since(Need),
    /// A part of a packed blocker (instance and SID, or a code).
    Blocker(Need, Blocker),
    /// A number that is shown only while another isn't zero.
    UintIf(Need, Need),
    /// A number that is NULL at zero and unless a time-model bit is set.
    UintInPlsql(Need),
    /// PADDR: the owner, or the owner's owner where that isn't null.
    ProcessAddress,
    /// Text behind a pointer with its length beside it.
    CountedText(Need, Need),
    /// A number beside counted texts, NULL where the text disagrees with its length.
    CountedUint(Need, Need, Need),
    /// SQL_ID of the current statement, confirmed.
    SqlId,
    /// SQL_ID from address, high word and hash value.
    PlainSqlId(Need, Need, Need),
    /// Identifier of the open transaction, confirmed.
    Xid,
    /// Computed from several fields by a rule of its own.
    Special(Special),
    /// Made of several fields by a function of its own.
    Made(&'static [Need], Make),
    /// Not to be had, with the reason.
    NotStored(&'static str),
}

/// Makes a value of a row's fields (in the order of the recipe's needs) and words.
pub type Make = fn(&[FieldRef], &[u64]) -> Value<'static>;

/// Columns with rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// STATUS.
    Status,
    /// TYPE.
    Type,
    /// FOREGROUND or BACKGROUND.
    SessionType,
    /// USER, BACKGROUND or RECURSIVE.
    SessionKind,
    /// Whether V$SESSION shows the row.
    InVSession,
    /// Sniped by its profile.
    Sniped,
    /// EVENT.
    Event,
    /// EVENT while waiting, else NULL.
    EventNow,
    /// P1TEXT, P2TEXT, P3TEXT.
    PText(u8),
    /// WAIT_CLASS#.
    WaitClassNo,
    /// WAIT_CLASS_ID.
    WaitClassId,
    /// WAIT_CLASS.
    WaitClass,
    /// WAIT_CLASS while waiting, else NULL.
    WaitClassNow,
    /// WAIT_CLASS_ID while waiting, else NULL.
    WaitClassIdNow,
    /// STATE.
    State,
    /// WAIT_TIME, centiseconds.
    WaitTime,
    /// SECONDS_IN_WAIT.
    SecondsInWait,
    /// WAITING or ON CPU.
    SessionState,
    /// Whether the session counts as active.
    IsActive,
    /// Name of the SQL command.
    CommandName,
    /// SQL_TRACE_PLAN_STATS.
    TracePlanStats,
    /// SERVER from the process that owns the session.
    OwnersServer,
    /// FAILOVER_TYPE.
    FailoverType,
    /// TIME_REMAINING_MICRO from X$KSLWT's fields.
    TimeRemaining,
    /// Process id of the server process.
    OsPid,
    /// Seconds since logon.
    Age,
    /// SID, SERIAL# of the session that a recursive one works for.
    Serves(bool),
    /// How long the wait has been watched.
    WaitObserved,
    /// What was noticed while reading.
    ReadFlags,
}

/// Parts of BLOCKING_SESSION and FINAL_BLOCKING_SESSION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// VALID, NO HOLDER, NOT IN WAIT, UNKNOWN.
    Status,
    /// Instance number.
    Instance,
    /// SID.
    Session,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in dumps.
    pub name: &'static str,
    /// Name in recordings.
    pub ash: &'static str,
    /// Type.
    pub kind: Kind,
    /// Where it is shown.
    pub scope: Scope,
    /// Where recordings hold it.
    pub home: Home,
    /// How it is made.
    pub recipe: Recipe,
    /// One line for people, with the unit.
    pub help: &'static str,
    /// Why it can be missing though Oracle has it: its place in memory is not public. Empty: it is.
    pub unless: &'static str,
    /// How it is inferred where it isn't stored as the view shows it. Empty: it is stored.
    pub inferred: &'static str,
}

impl Column {
    const fn unless(mut self, why: &'static str) -> Column {
        self.unless = why;
        self
    }

    /// Why it is missing, always or unless a blueprint knows its place; empty: its place is public.
    pub fn never_or_unless(&self) -> &'static str {
        match self.recipe {
            R::NotStored(why) => why,
            _ => self.unless,
        }
    }

    const fn of(mut self, home: Home) -> Column {
        self.home = home;
        self
    }

    const fn inferred(mut self, how: &'static str) -> Column {
        self.inferred = how;
        self
    }
}

const fn both(
    name: &'static str,
    ash: &'static str,
    kind: Kind,
    recipe: Recipe,
    help: &'static str,
) -> Column {
    Column {
        name,
        ash,
        kind,
        scope: Scope::Both,
        home: Home::Sample,
        recipe,
        help,
        unless: "",
        inferred: "",
    }
}

pub(super) const fn dump(
    name: &'static str,
    kind: Kind,
    recipe: Recipe,
    help: &'static str,
) -> Column {
    Column {
        name,
        ash: name,
        kind,
        scope: Scope::Dump,
        home: Home::Sample,
        recipe,
        help,
        unless: "",
        inferred: "",
    }
}

const fn sample(name: &'static str, kind: Kind, recipe: Recipe, help: &'static str) -> Column {
    Column {
        name,
        ash: name,
        kind,
        scope: Scope::Sample,
        home: Home::Sample,
        recipe,
        help,
        unless: "",
        inferred: "",
    }
}

use Blocker as B;
use Home::{Cursor, Event, Session};
use Kind::{Address, Bool, I64, Text, Time, U32, U64};
use Recipe as R;
use Special as S;

const COMPUTED: &str =
    "X$KSUSE computes it by a callback when it is queried; no place in memory is public";
const KSLWT: &str =
    "it comes from X$KSLWT, which is computed when queried; no place in memory is public";
const NO_BIT: &str = "the bit that holds it is not public";
const NO_COLUMN: &str = "the X$ column behind it is not public";

const MODACT: [Need; 6] = [
    via("modact_ptr", "module"),
    via("modact_ptr", "module_len"),
    via("modact_ptr", "module_hash"),
    via("modact_ptr", "action"),
    via("modact_ptr", "action_len"),
    via("modact_ptr", "action_hash"),
];
// MODULE and ACTION stand in the row (10g, 11g) or behind a pointer (19c): the blueprint says
const MODULE: R = R::CountedText(MODACT[0], MODACT[1]);
const MODULE_HASH: R = R::CountedUint(MODACT[2], MODACT[0], MODACT[1]);
const ACTION: R = R::CountedText(MODACT[3], MODACT[4]);
const ACTION_HASH: R = R::CountedUint(MODACT[5], MODACT[3], MODACT[4]);
const KSUSEAPP: R = R::Text(row("KSUSEAPP"));
const KSUSEAPH: R = R::Uint(row("KSUSEAPH"));
const KSUSEACT: R = R::Text(row("KSUSEACT"));
const KSUSEACH: R = R::Uint(row("KSUSEACH"));
const KSUSEPRO: R = R::Raw(row("KSUSEPRO"));
const OWNER: R = R::ProcessAddress;
const KSSPATYP: R = R::Code(
    row("KSSPATYP"),
    &[
        (1, "DEDICATED"),
        (2, "SHARED"),
        (3, "PSEUDO"),
        (4, "POOLED"),
    ],
    "NONE",
);
const OWNERS_SERVER: R = R::Special(S::OwnersServer);
const KSUSECTM: R = R::Uint(row("KSUSECTM"));
const CALL_TIME: R = R::Either(&R::Since(row("call_stamp")), &R::Since(row("KSUSETMC")));
const KSUSEWTM: R = R::Uint(row("KSUSEWTM"));
const WAIT_SECONDS: R = R::Special(S::SecondsInWait);

/// All columns, in V$SESSION's order, then our own, then those of recordings only.
#[rustfmt::skip] // a table: one line a column
pub const COLUMNS: &[Column] = &[
    dump("saddr", Address, R::RowAddress, "address of the session's row"),
    both("sid", "session_id", U32, R::Slot, "session identifier"),
    both("serial_no", "session_serial_no", U32, R::Uint(row("KSUSESER")), "session serial number; tells sessions in one slot apart"),
    dump("audsid", U32, R::Uint(row("KSUUDSES")), "auditing session identifier"),
    dump("paddr", Address, R::Either(&KSUSEPRO, &OWNER), "address of the process that owns the session"),
    both("user_no", "user_id", U32, R::Uint(row("KSUUDLUI")), "user number").of(Session),
    both("username", "username", Text, R::Text(row("KSUUDLNA")), "user name").of(Session),
    both("command", "sql_opcode", U32, R::Uint(row("KSUUDOCT")), "SQL command code (V$SQLCOMMAND), 0 when idle").of(Cursor),
    dump("ownerid", U32, R::Uint(row("KSUSESOW")), "owner of a migratable session; 2147483644: none"),
    both("taddr", "taddr", Address, R::Address(row("KSUSETRN")), "address of the open transaction"),
    both("lockwait", "lockwait", Address, R::Address(row("KSQPSWAT")), "address of the lock waited for"),
    dump("status", Text, R::Special(S::Status), "ACTIVE, INACTIVE, CACHED, SNIPED or KILLED, as the view of that release shows it"),
    dump("server", Text, R::Either(&KSSPATYP, &OWNERS_SERVER), "DEDICATED, SHARED, PSEUDO, POOLED or NONE").unless(COMPUTED).inferred("by the program of the process that owns the session, as KSSPATYP isn't stored"),
    dump("schema_no", U32, R::Uint(row("KSUUDSID")), "schema user number"),
    both("schemaname", "schemaname", Text, R::Text(row("KSUUDSNA")), "schema user name").of(Session),
    both("osuser", "osuser", Text, R::Text(row("KSUSEUNM")), "client's operating-system user").of(Session),
    both("process", "process", Text, R::Text(row("KSUSEPID")), "client's process id, as the client said it").of(Session),
    both("machine", "machine", Text, R::Text(row("KSUSEMNM")), "client's machine").of(Session),
    both("port", "port", U32, R::Uint(row("KSUSEMNP")), "client's port").of(Session),
    both("terminal", "terminal", Text, R::Text(row("KSUSETID")), "client's terminal").of(Session),
    both("program", "program", Text, R::Text(row("KSUSEPNM")), "client's program").of(Session),
    dump("type", Text, R::Special(S::Type), "USER, BACKGROUND, RECURSIVE or ?"),
    dump("sql_address", Address, R::Raw(row("KSUSESQL")), "address of the current statement's parent cursor"),
    dump("sql_hash_value", U32, R::Uint(row("KSUSESQH")), "hash value of the current statement"),
    both("sql_id", "sql_id", Text, R::SqlId, "SQL_ID of the current statement").of(Cursor),
    both("sql_child_number", "sql_child_number", U32, R::UintNull(row("KSUSESCH"), 65_535), "child number of the current statement").of(Cursor),
    both("sql_exec_start", "sql_exec_start", Time, R::Time(row("KSUSESESTA")), "start of the current execution"),
    both("sql_exec_id", "sql_exec_id", U32, R::UintNull(row("KSUSESEID"), 0), "execution number of the current statement"),
    dump("prev_sql_addr", Address, R::Raw(row("KSUSEPSQ")), "address of the previous statement's parent cursor"),
    dump("prev_hash_value", U32, R::Uint(row("KSUSEPHA")), "hash value of the previous statement"),
    dump("prev_sql_id", Text, R::PlainSqlId(row("KSUSEPSQ"), row("prev_sql_id_high"), row("KSUSEPHA")), "SQL_ID of the previous statement"),
    dump("prev_child_number", U32, R::UintNull(row("KSUSEPCH"), 65_535), "child number of the previous statement"),
    dump("prev_exec_start", Time, R::Time(row("KSUSEPESTA")), "start of the previous execution"),
    dump("prev_exec_id", U32, R::UintNull(row("KSUSEPEID"), 0), "execution number of the previous statement"),
    both("plsql_entry_object_id", "plsql_entry_object_id", U32, R::UintNull(row("KSUSEPEO"), 0), "topmost PL/SQL object on the stack"),
    both("plsql_entry_subprogram_id", "plsql_entry_subprogram_id", U32, R::UintIf(row("KSUSEPES"), row("KSUSEPEO")), "topmost PL/SQL subprogram on the stack"),
    both("plsql_object_id", "plsql_object_id", U32, R::UintInPlsql(row("KSUSEPCO")), "currently executing PL/SQL object"),
    both("plsql_subprogram_id", "plsql_subprogram_id", U32, R::UintInPlsql(row("KSUSEPCS")), "currently executing PL/SQL subprogram"),
    both("module", "module", Text, R::Either(&KSUSEAPP, &MODULE), "module, as DBMS_APPLICATION_INFO set it"),
    dump("module_hash", U32, R::Either(&KSUSEAPH, &MODULE_HASH), "hash value of the module"),
    both("action", "action", Text, R::Either(&KSUSEACT, &ACTION), "action, as DBMS_APPLICATION_INFO set it"),
    dump("action_hash", U32, R::Either(&KSUSEACH, &ACTION_HASH), "hash value of the action"),
    dump("client_info", Text, R::Text(row("KSUSECLI")), "client info, as DBMS_APPLICATION_INFO set it"),
    dump("fixed_table_sequence", U64, R::Uint(row("KSUSEFIX")), "grows with each call that looked at a fixed table"),
    both("row_wait_obj_no", "current_obj_no", I64, R::Int(row("KSUSEOBJ")), "object of the row waited for; -1: none"),
    both("row_wait_file_no", "current_file_no", U32, R::Uint(row("KSUSEFIL")), "file of the row waited for"),
    both("row_wait_block_no", "current_block_no", U32, R::Uint(row("KSUSEBLK")), "block of the row waited for"),
    both("row_wait_row_no", "current_row_no", U32, R::Uint(row("KSUSESLT")), "row waited for"),
    both("top_level_call_no", "top_level_call_no", U32, R::Uint(row("KSUSEORAFN")), "number of the top-level call"),
    both("logon_time", "logon_time", Time, R::Time(row("KSUSELTM")), "time of logon").of(Session),
    dump("last_call_et", U32, R::Either(&KSUSECTM, &CALL_TIME), "seconds since the session became active or inactive").unless(COMPUTED).inferred("now less the call's time stamp, which is not proven to be what KSUSECTM counts from"),
    dump("pdml_enabled", Text, R::Flag(row("KSUSEPXOPT"), 12, "YES", "NO"), "replaced by pdml_status").unless(COMPUTED),
    dump("failover_type", Text, R::Special(S::FailoverType), "kind of transparent failover"),
    dump("failover_method", Text, R::Code(row("KSUSEFM"), &[(1, "BASIC"), (2, "PRECONNECT"), (4, "PREPARSE")], "NONE"), "method of transparent failover"),
    dump("failed_over", Text, R::Code(row("KSUSEFS"), &[(1, "YES")], "NO"), "whether the session has failed over"),
    both("resource_consumer_group", "resource_consumer_group", Text, R::Text(row("KSUSEGRP")), "current resource consumer group").unless(COMPUTED).of(Session),
    dump("pdml_status", Text, R::Flags(row("KSUSEPXOPT"), &[(4, "ENABLED"), (8, "FORCED")], "DISABLED"), "parallel DML").unless(COMPUTED),
    dump("pddl_status", Text, R::Flags(row("KSUSEPXOPT"), &[(2, "FORCED"), (1, "DISABLED")], "ENABLED"), "parallel DDL").unless(COMPUTED),
    dump("pq_status", Text, R::Flags(row("KSUSEPXOPT"), &[(32, "FORCED"), (16, "DISABLED")], "ENABLED"), "parallel query").unless(COMPUTED),
    dump("current_queue_duration", U32, R::Uint(row("KSUSECQD")), "seconds queued by the resource manager").unless(COMPUTED),
    both("client_identifier", "client_id", Text, R::Text(row("KSUSECLID")), "client identifier"),
    both("blocking_session_status", "blocking_session_status", Text, R::Blocker(row("KSUSEBLOCKER"), B::Status), "VALID, NO HOLDER, NOT IN WAIT or UNKNOWN").unless(COMPUTED),
    both("blocking_instance", "blocking_inst_id", U32, R::Blocker(row("KSUSEBLOCKER"), B::Instance), "instance of the blocker").unless(COMPUTED),
    both("blocking_session", "blocking_session", U32, R::Blocker(row("KSUSEBLOCKER"), B::Session), "SID of the blocker").unless(COMPUTED),
    dump("final_blocking_session_status", Text, R::Blocker(row("KSUSEFBLOCKER"), B::Status), "VALID, NO HOLDER, NOT IN WAIT or UNKNOWN, of the final blocker").unless(COMPUTED),
    dump("final_blocking_instance", U32, R::Blocker(row("KSUSEFBLOCKER"), B::Instance), "instance of the final blocker").unless(COMPUTED),
    dump("final_blocking_session", U32, R::Blocker(row("KSUSEFBLOCKER"), B::Session), "SID of the final blocker").unless(COMPUTED),
    both("seq_no", "seq_no", U32, R::Uint(row("KSUSESEQ")), "wait sequence number, 16 bits, wraps"),
    both("event_no", "event_no", U32, R::Uint(row("KSUSEOPC")), "event number"),
    dump("event", Text, R::Special(S::Event), "event waited for, or waited for last"),
    both("p1text", "p1text", Text, R::Special(S::PText(0)), "what p1 is").of(Event),
    both("p1", "p1", U64, R::Uint(row("KSUSEP1")), "first wait parameter"),
    dump("p1raw", Address, R::Raw(row("KSUSEP1")), "first wait parameter in hex"),
    both("p2text", "p2text", Text, R::Special(S::PText(1)), "what p2 is").of(Event),
    both("p2", "p2", U64, R::Uint(row("KSUSEP2")), "second wait parameter"),
    dump("p2raw", Address, R::Raw(row("KSUSEP2")), "second wait parameter in hex"),
    both("p3text", "p3text", Text, R::Special(S::PText(2)), "what p3 is").of(Event),
    both("p3", "p3", U64, R::Uint(row("KSUSEP3")), "third wait parameter"),
    dump("p3raw", Address, R::Raw(row("KSUSEP3")), "third wait parameter in hex"),
    dump("wait_class_id", U32, R::Special(S::WaitClassId), "identifier of the event's class"),
    dump("wait_class_no", U32, R::Special(S::WaitClassNo), "number of the event's class"),
    dump("wait_class", Text, R::Special(S::WaitClass), "class of the event"),
    dump("wait_time", I64, R::Special(S::WaitTime), "centiseconds of the last wait; 0: waiting, -1: short, -2: unknown"),
    dump("seconds_in_wait", U32, R::Either(&KSUSEWTM, &WAIT_SECONDS), "seconds since the wait, or the last one, began").inferred("now less the wait's time stamp, whole seconds, as KSUSEWTM isn't stored"),
    dump("state", Text, R::Special(S::State), "WAITING or how the last wait ended"),
    dump("wait_time_micro", U64, R::Uint(row("KSLWTSTIME")), "microseconds waited").unless(KSLWT),
    dump("time_remaining_micro", I64, R::Special(S::TimeRemaining), "microseconds until the wait times out; -1: never").unless(KSLWT),
    dump("total_time_waited_micro", U64, R::NotStored(NO_COLUMN), "microseconds waited in all"),
    dump("heur_time_waited_micro", U64, R::NotStored(NO_COLUMN), "microseconds waited, with interrupted waits"),
    dump("time_since_last_wait_micro", U64, R::Uint(row("KSLWTLTIME")), "microseconds since the last wait; 0 while waiting").unless(KSLWT),
    both("service_name", "service_name", Text, R::Text(row("KSUSESVC")), "service").unless(COMPUTED).of(Session),
    dump("sql_trace", Text, R::Flag(row("KSUSEFLG2"), 32, "ENABLED", "DISABLED"), "SQL trace"),
    dump("sql_trace_waits", Text, R::Flag(row("KSUSEFLG2"), 64, "TRUE", "FALSE"), "SQL trace with waits"),
    dump("sql_trace_binds", Text, R::Flag(row("KSUSEFLG2"), 128, "TRUE", "FALSE"), "SQL trace with binds"),
    dump("sql_trace_plan_stats", Text, R::Special(S::TracePlanStats), "SQL trace with row source statistics"),
    dump("session_edition_id", U32, R::Uint(row("KSUUDSAE")), "edition"),
    dump("creator_addr", Address, R::Raw(row("KSUSECRE")), "address of the process that created the session"),
    dump("creator_serial_no", U32, R::Uint(row("KSUSECSN")), "serial number of that process"),
    both("ecid", "ecid", Text, R::Text(row("KSUSEECID")), "execution context identifier"),
    dump("sql_translation_profile_id", U32, R::Uint(row("KSUUDTXLP")), "SQL translation profile").inferred("KSUUDTXLP, by its name"),
    dump("pga_tunable_mem", U64, R::Uint(row("KSUSEPGAAUTO")), "bytes of tunable PGA memory").inferred("KSUSEPGAAUTO, by its name"),
    dump("shard_ddl_status", Text, R::NotStored(NO_BIT), "shard DDL"),
    both("con_id", "con_id", U32, R::Uint(row("CON_ID")), "container").unless("X$KSUSE makes it when it is queried; no place in memory is public").of(Session),
    dump("external_name", Text, R::Text(row("KSUSEXNM")), "external name of the user"),
    dump("plsql_debugger_connected", Text, R::NotStored(NO_BIT), "PL/SQL debugger"),
    dump("drain_status", Text, R::NotStored(NO_COLUMN), "whether the session is being drained (21c and later)"),
    dump("drain_deadline", Time, R::NotStored(NO_COLUMN), "until when it is drained (21c and later)"),
    dump("drain_origin", Text, R::NotStored(NO_COLUMN), "what drains it (21c and later)"),
    both("xid", "xid", Address, R::Xid, "identifier of the open transaction (V$TRANSACTION.XID)"),
    both("session_kind", "session_kind", Text, R::Special(S::SessionKind), "USER, BACKGROUND or RECURSIVE").of(Session),
    both("in_v_session", "in_v_session", Bool, R::Special(S::InVSession), "whether V$SESSION shows the session").of(Session),
    both("sniped", "sniped", Bool, R::Special(S::Sniped), "ended by its profile's IDLE_TIME; 18c and later show INACTIVE").of(Session),
    both("con_name", "con_name", Text, R::Text(row("KSUUDCON")), "container's name").inferred("KSUUDCON, by its name and place").of(Session),
    both("os_pid", "os_pid", U32, R::Special(S::OsPid), "process id of the server process on its host; null without one").of(Session),
    both("wait_observed_us", "wait_observed_us", U64, R::Special(S::WaitObserved), "microseconds for which this wait (SEQ#) has been watched: at least so long it lasts; null on CPU"),
    dump("serves_sid", U32, R::Special(S::Serves(false)), "SID of the session that a recursive one works for"),
    dump("serves_serial_no", U32, R::Special(S::Serves(true)), "its serial number"),
    dump("age_s", U32, R::Special(S::Age), "seconds since logon, of a recursive session since it was made"),
    both("read_flags", "read_flags", Text, R::Special(S::ReadFlags), "what was noticed while reading: retried, torn, fault, implausible, sql_unproven, cpu_unsure"),
    sample("session_type", Text, R::Special(S::SessionType), "FOREGROUND or BACKGROUND").of(Session),
    sample("is_active", Bool, R::Special(S::IsActive), "counts for AAS: on CPU in a call, or waiting for an event that isn't idle"),
    sample("session_state", Text, R::Special(S::SessionState), "WAITING or ON CPU"),
    sample("event", Text, R::Special(S::EventNow), "event waited for; null on CPU"),
    sample("wait_class", Text, R::Special(S::WaitClassNow), "class of the event; null on CPU").of(Event),
    sample("wait_class_id", U32, R::Special(S::WaitClassIdNow), "identifier of the event's class; null on CPU").of(Event),
    sample("wait_time", I64, R::Int(row("KSUSETIM")), "0 while waiting, else microseconds of the last wait (-1 short, -2 unknown)"),
    sample("sql_opname", Text, R::Special(S::CommandName), "name of the SQL command").of(Cursor),
    sample("sql_plan_hash_value", U32, R::UintNull(row("KSUSESPH"), 0), "plan hash value of the current statement").of(Cursor),
    sample("sql_full_plan_hash_value", U32, R::UintNull(row("KSUSEFULLSPH"), 0), "full plan hash value of the current statement").of(Cursor),
    sample("time_model", U32, R::Uint(row("KSUSSTMBV")), "time-model bits: what the session is doing"),
    sample("in_connection_mgmt", Bool, R::Bit(row("KSUSSTMBV"), 3), "connecting or disconnecting"),
    sample("in_parse", Bool, R::Bit(row("KSUSSTMBV"), 4), "parsing"),
    sample("in_hard_parse", Bool, R::Bit(row("KSUSSTMBV"), 7), "hard parsing"),
    sample("in_sql_execution", Bool, R::Bit(row("KSUSSTMBV"), 10), "executing SQL"),
    sample("in_plsql_execution", Bool, R::Bit(row("KSUSSTMBV"), 11), "executing PL/SQL"),
    sample("in_plsql_rpc", Bool, R::Bit(row("KSUSSTMBV"), 12), "executing inbound PL/SQL RPC"),
    sample("in_plsql_compilation", Bool, R::Bit(row("KSUSSTMBV"), 13), "compiling PL/SQL"),
    sample("in_java_execution", Bool, R::Bit(row("KSUSSTMBV"), 14), "executing Java"),
    sample("in_bind", Bool, R::Bit(row("KSUSSTMBV"), 15), "binding"),
    sample("in_cursor_close", Bool, R::Bit(row("KSUSSTMBV"), 16), "closing a cursor"),
    sample("in_sequence_load", Bool, R::Bit(row("KSUSSTMBV"), 17), "loading a sequence"),
];

/// The columns of dumps, in order.
pub fn dump_columns() -> Vec<&'static Column> {
    let shown = |c: &&Column| c.scope != Scope::Sample;
    COLUMNS.iter().filter(shown).collect()
}

/// The columns of recordings, in order.
pub fn sample_columns() -> Vec<&'static Column> {
    let shown = |c: &&Column| c.scope != Scope::Dump;
    COLUMNS.iter().filter(shown).collect()
}

/// All fields that these columns read.
pub fn needs_of(columns: &[&Column]) -> Vec<Need> {
    let mut needs = CORE_NEEDS.to_vec();
    needs.extend(columns.iter().flat_map(|c| c.needs()));
    needs.sort_unstable();
    needs.dedup();
    needs
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
