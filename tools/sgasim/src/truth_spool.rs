//! The CSV spool of V$SESSION, V$PROCESS, V$SESSTAT, V$SESSION_WAIT and X$KSUSE that a DBA's queries would give at one
//! moment: what `calibrate` takes for true.
//!
//! Made from the expected document; only the statistics, which have no other copy, are read from the memory. Only
//! `pmon` calls it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use crate::engine::fields::Num;
use crate::engine::stage::{Stage, epoch_seconds};
use crate::expected;
use crate::names::WAIT_CLASSES;

/// Sessions whose statistics are listed.
const STATISTIC_SESSIONS: usize = 40;

/// Columns of X$KSUSE that V$SESSION doesn't show as they are.
const KSUSE: &[(&str, Num)] = &[
    ("KSSPAFLG", Num::StateFlag),
    ("KSUSENUM", Num::Sid),
    ("KSUSESER", Num::Serial),
    ("KSUSEFLG", Num::Flags),
    ("KSUSEIDL", Num::Idle),
    ("KSUSEFLG2", Num::Flags2),
    ("KSUSSTMBV", Num::TimeModel),
    ("KSUSETIM", Num::WaitTime),
];

/// Writes the spool into `dir`, made when missing.
pub fn write(stage: &Stage, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let document = expected::document(stage);
    let rows = |key: &str| {
        let rows = document[key].as_array().cloned().unwrap_or_default();
        rows.into_iter()
            .filter_map(|r| r.as_object().cloned())
            .collect::<Vec<_>>()
    };
    let sessions: Vec<_> = rows("sessions")
        .into_iter()
        .filter(|r| r.get("in_v_session") == Some(&Value::Bool(true)))
        .collect();
    let own = [
        "session_kind",
        "in_v_session",
        "sniped",
        "con_name",
        "os_pid",
        "serves_sid",
        "serves_serial_no",
    ];
    objects(&dir.join("v_session.csv"), &sessions, &own)?;
    objects(&dir.join("v_process.csv"), &rows("processes"), &[])?;
    waits(&dir.join("v_session_wait.csv"), &sessions)?;
    statistics(stage, &dir.join("v_sesstat.csv"), &sessions)?;
    ksuse(stage, &dir.join("x_ksuse.csv"))?;
    events(stage, &dir.join("v_event_name.csv"))
}

/// `serial_no` is SERIAL# in the views.
fn view_name(key: &str) -> String {
    let name = key.strip_suffix("_no").map(|k| format!("{k}#"));
    name.unwrap_or_else(|| key.to_string()).to_uppercase()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => {
            // RFC 3339 with zone, as the expected document has it, to the form of NLS_DATE_FORMAT.
            let time = text.len() == 25 && text.as_bytes().get(10) == Some(&b'T');
            let shown = if time {
                text[..19].replace('T', " ")
            } else {
                text.replace('"', "\"\"")
            };
            format!("\"{shown}\"")
        }
        Some(other) => other.to_string(),
    }
}

fn objects(path: &Path, rows: &[Map<String, Value>], own: &[&str]) -> io::Result<()> {
    let shown = |key: &&String| !key.starts_with('_') && !own.contains(&key.as_str());
    let keys: Vec<String> = rows
        .first()
        .map(|r| r.keys().filter(shown).cloned().collect())
        .unwrap_or_default();
    let mut text = String::new();
    let header: Vec<String> = keys
        .iter()
        .map(|k| format!("\"{}\"", view_name(k)))
        .collect();
    text.push_str(&(header.join(",") + "\n"));
    for row in rows {
        let cells: Vec<String> = keys.iter().map(|k| cell(row.get(k))).collect();
        text.push_str(&(cells.join(",") + "\n"));
    }
    fs::write(path, text)
}

fn waits(path: &Path, sessions: &[Map<String, Value>]) -> io::Result<()> {
    let now = epoch_seconds();
    let mut text = String::from(
        "\"SID\",\"SEQ#\",\"EVENT\",\"P1\",\"P2\",\"P3\",\"SECONDS_IN_WAIT\",\"STATE\",\"EPOCH\"\n",
    );
    for row in sessions {
        let stamp = row.get("_wait_stamp").and_then(Value::as_u64).unwrap_or(0);
        let seconds = if stamp == 0 {
            String::new()
        } else {
            now.saturating_sub(stamp).to_string()
        };
        let cells: Vec<String> = ["sid", "seq_no", "event", "p1", "p2", "p3"]
            .iter()
            .map(|k| cell(row.get(*k)))
            .collect();
        let state = cell(row.get("state"));
        let _ = writeln!(text, "{},{seconds},{state},{now}", cells.join(","));
    }
    fs::write(path, text)
}

fn statistics(stage: &Stage, path: &Path, sessions: &[Map<String, Value>]) -> io::Result<()> {
    let mut text = String::from("\"SID\",\"STATISTIC#\",\"VALUE\"\n");
    for row in sessions.iter().rev().take(STATISTIC_SESSIONS) {
        let Some(sid) = row.get("sid").and_then(Value::as_u64) else {
            continue;
        };
        let base = stage.instance.places.statistics[sid as usize - 1];
        for n in 0..stage.instance.session_statistics as u64 {
            let value = stage.instance.memory.load(base + 8 * n);
            if value != 0 {
                let _ = writeln!(text, "{sid},{n},{value}");
            }
        }
    }
    fs::write(path, text)
}

fn ksuse(stage: &Stage, path: &Path) -> io::Result<()> {
    let mut text = String::from("\"ADDR\",\"INDX\"");
    for (name, _) in KSUSE {
        let _ = write!(text, ",\"{name}\"");
    }
    text.push('\n');
    for (i, session) in stage.sessions.iter().enumerate() {
        let _ = write!(
            text,
            "\"{:016X}\",{}",
            stage.instance.places.sessions[i],
            i + 1
        );
        for (name, field) in KSUSE {
            let value = session.num(*field);
            let _ = match *name {
                "KSUSETIM" => write!(text, ",{}", value as i32),
                _ => write!(text, ",{value}"),
            };
        }
        text.push('\n');
    }
    fs::write(path, text)
}

fn events(stage: &Stage, path: &Path) -> io::Result<()> {
    let mut text = String::from(
        "\"EVENT#\",\"NAME\",\"PARAMETER1\",\"PARAMETER2\",\"PARAMETER3\",\"WAIT_CLASS_ID\",\"WAIT_CLASS#\",\"WAIT_CLASS\"\n",
    );
    for (i, event) in stage.instance.exe.events.iter().enumerate() {
        let quoted = |t: &str| cell(Some(&Value::String(t.into())));
        let class = WAIT_CLASSES
            .get(event.class_no as usize)
            .map_or("", |c| c.0);
        let _ = writeln!(
            text,
            "{i},{},{},{},{},{},{},{}",
            quoted(&event.name),
            quoted(&event.p[0]),
            quoted(&event.p[1]),
            quoted(&event.p[2]),
            event.class_id,
            event.class_no,
            quoted(class)
        );
    }
    fs::write(path, text)
}
