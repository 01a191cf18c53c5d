//! The table of columns of a process: V$PROCESS in 19c's order, then our own.
//!
//! Names are V$PROCESS's in lower case with `#` written `_no`. Places come from the blueprint: what
//! the executable's X$KSUPR says, and public offsets (KSUPROSID, KSUPRPUM, KSUPRPRAM, KSUPRPNAM:
//! Christoph Lutz, 19.26; Mikhail Velikikh, 19.3).
//!
//! Not for: what `/proc` says of the process (that is `discover`).

use super::columns::{Column, Kind, Recipe, dump};
use super::text::before_nul;
use super::value::Value;
use crate::plan::{FieldRef, Need, row};

use Kind::{Address, Text, U32, U64};
use Recipe as R;

/// Bit of KSUPRFLG: background process.
const BACKGROUND: u64 = 2;
/// Bit of KSUPRFLG: the instance ends with this process (Tanel Poder, fatal_bg_proc.sql).
const FATAL: u64 = 4;
/// Longest PROGRAM, bytes (KSUPRPNM).
const PROGRAM_BYTES: usize = 48;

const NOT_PUBLIC: &str = "its place in X$KSUPR is not public";

const FLAGS: &[Need] = &[row("KSUPRFLG")];

/// All columns of a process.
#[rustfmt::skip] // a table: one line a column
pub const PROCESS_COLUMNS: &[Column] = &[
    dump("addr", Address, R::RowAddress, "address of the process's row"),
    dump("pid", U32, R::Slot, "Oracle's process identifier; 1 is PSEUDO"),
    dump("sosid", Text, R::NotStored(NOT_PUBLIC), "operating-system identifier with that of the thread"),
    dump("spid", Text, R::Text(row("KSUPROSID")), "operating-system process identifier; null for PSEUDO"),
    dump("stid", Text, R::NotStored(NOT_PUBLIC), "operating-system thread identifier"),
    dump("execution_type", Text, R::NotStored(NOT_PUBLIC), "PROCESS or THREAD"),
    dump("pname", Text, R::NotStored("its place in X$KSUPR is not public; role is the name in PROGRAM's brackets"), "name of the process"),
    dump("username", Text, R::Text(row("KSUPRUNM")), "operating-system user"),
    dump("serial_no", U32, R::Uint(row("KSUPRSER")), "serial number; tells processes in one slot apart"),
    dump("terminal", Text, R::Text(row("KSUPRTID")), "operating-system terminal"),
    dump("program", Text, R::Text(row("KSUPRPNM")), "program"),
    dump("traceid", Text, R::NotStored(NOT_PUBLIC), "identifier of the trace file"),
    dump("tracefile", Text, R::NotStored("not stored: the view composes it of diagnostic_dest, instance and SPID"), "current trace file"),
    dump("background", Text, R::Made(FLAGS, background), "1 for a background process"),
    dump("latchwait", Address, R::Address(row("KSLLAWAT")), "address of the latch waited for"),
    dump("latchspin", Address, R::NotStored(NOT_PUBLIC), "address of the latch spun on"),
    dump("pga_used_mem", U64, R::Uint(row("KSUPRPUM")), "bytes of PGA in use"),
    dump("pga_alloc_mem", U64, R::Made(&[row("KSUPRPRAM"), row("KSUPRPNAM")], sum), "bytes of PGA allocated, with what is free in it"),
    dump("pga_freeable_mem", U64, R::Uint(row("KSUPRPFM")), "bytes of PGA that can go back to the operating system"),
    dump("pga_max_mem", U64, R::Uint(row("KSUPRPMM")), "most bytes of PGA ever allocated"),
    dump("numa_default", U32, R::NotStored(NOT_PUBLIC), "default NUMA node"),
    dump("numa_curr", U32, R::NotStored(NOT_PUBLIC), "current NUMA node"),
    dump("cpu_used", U64, R::NotStored("its place in X$KSUPR is not public; os_cpu_s is the kernel's count"), "microseconds of CPU since the process began"),
    dump("con_id", U32, R::NotStored("X$KSUPR computes it when it is queried"), "container"),
    dump("role", Text, R::Made(&[row("KSUPRPNM")], role), "name in PROGRAM's brackets (PMON, D000, …); null for a dedicated server"),
    dump("fatal", Text, R::Made(FLAGS, fatal), "1 where the instance ends with the process"),
    dump("session_addr", Address, R::Address(row("session_addr")), "address of the session that the process serves now"),
    dump("read_flags", Text, R::Special(super::columns::Special::ReadFlags), "what was noticed while reading: retried, torn, fault"),
];

/// V$PROCESS.BACKGROUND: 1 or NULL.
fn background(fields: &[FieldRef], words: &[u64]) -> Value<'static> {
    flag(fields, words, BACKGROUND)
}

fn fatal(fields: &[FieldRef], words: &[u64]) -> Value<'static> {
    flag(fields, words, FATAL)
}

fn flag(fields: &[FieldRef], words: &[u64], bit: u64) -> Value<'static> {
    match fields.first() {
        Some(f) if f.uint(words) & bit != 0 => Value::Text("1".into()),
        Some(_) => Value::Null,
        None => Value::Absent,
    }
}

fn sum(fields: &[FieldRef], words: &[u64]) -> Value<'static> {
    let parts = fields.iter().map(|f| f.uint(words));
    Value::Uint(parts.fold(0, u64::wrapping_add))
}

fn role(fields: &[FieldRef], words: &[u64]) -> Value<'static> {
    let mut bytes = [0u8; PROGRAM_BYTES];
    let Some(field) = fields.first() else {
        return Value::Absent;
    };
    let n = field.bytes(words, &mut bytes);
    let program = String::from_utf8_lossy(before_nul(&bytes[..n]));
    match role_of(&program) {
        Some(role) => Value::Text(role.to_owned().into()),
        None => Value::Null,
    }
}

/// The role in a server's PROGRAM: `oracle@host (PMON)` → PMON. `oracle@host` is a dedicated
/// server, and so is one that names its client's driver (`oracle@host (TNS V1-V3)`).
fn role_of(program: &str) -> Option<&str> {
    if program == "PSEUDO" {
        return Some(program);
    }
    let inside = program.strip_suffix(')')?;
    let role = &inside[inside.rfind('(')? + 1..];
    let is_name = !role.is_empty() && role.bytes().all(|b| b.is_ascii_alphanumeric());
    is_name.then_some(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::model::Stored;

    fn field(byte: u32, size: u32) -> FieldRef {
        FieldRef::new(byte, size, Stored::Uint, None)
    }

    #[test]
    fn roles_are_the_names_in_brackets() {
        assert_eq!(role_of("oracle@oradba1 (D000)"), Some("D000"));
        assert_eq!(role_of("oracle@oradba1 (PMON)"), Some("PMON"));
        assert_eq!(role_of("oracle@oradba1 (q001)"), Some("q001"));
        assert_eq!(role_of("PSEUDO"), Some("PSEUDO"));
        assert_eq!(role_of("oracle@oradba1"), None);
        assert_eq!(role_of("oracle@oradba1 (TNS V1-V3)"), None);
        assert_eq!(role_of("oracle@(x) y"), None);
        assert_eq!(role_of("oracle@h ()"), None);
        assert_eq!(role_of(""), None);
    }

    #[test]
    fn background_is_one_or_null() {
        let flags = [field(0, 4)];
        assert_eq!(background(&flags, &[2]), Value::Text("1".into()));
        assert_eq!(background(&flags, &[4]), Value::Null);
        assert_eq!(fatal(&flags, &[4]), Value::Text("1".into()));
        assert_eq!(sum(&[field(0, 8), field(8, 8)], &[70, 8]), Value::Uint(78));
    }

    #[test]
    fn names_are_unique_and_explained() {
        let mut names: Vec<_> = PROCESS_COLUMNS.iter().map(|c| c.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(PROCESS_COLUMNS.iter().all(|c| !c.help.is_empty()));
    }
}
