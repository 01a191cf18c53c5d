//! `dump`: one snapshot of all sessions.

use std::fs::File;
use std::io::{BufWriter, Write};

use serde_json::{Map, Value as Json};

use super::args::{DumpArgs, Format, RecursiveArg, SqlTextArg};
use super::filter;
use super::statistics::{Listed, SessionJson, Wanted};
use super::{Exit, Failure, table};
use crate::analyze::Filter;
use crate::decode::Column;
use crate::decode::columns::dump_columns;
use crate::sample::{Attachment, SessionValues, Snapshot};

/// Columns of the table for people.
const TABLE_COLUMNS: &[&str] = &[
    "sid",
    "serial_no",
    "session_kind",
    "status",
    "username",
    "program",
    "sql_id",
    "state",
    "event",
    "seconds_in_wait",
    "machine",
];

pub fn run(args: &DumpArgs) -> Result<Exit, Failure> {
    if args.list_columns {
        return list_columns();
    }
    let filters = filter::parse(&args.filters)?;
    let statistics = Wanted::of(args);
    let mut shown = chosen(args)?;
    shown.extend(statistics.columns());
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let with_text = args.sql_text == SqlTextArg::Full;
    let plan = statistics.plan(&attachment)?;
    let mut snapshot = Snapshot::with_statistics(&attachment, with_text, plan)?;
    drop(attachment);
    statistics.add_columns(&mut snapshot);
    let listed = statistics.listed(&snapshot);
    let found: Vec<usize> = (0..snapshot.sessions.len())
        .filter(|i| wanted(&snapshot.sessions[*i], args.recursive, &filters))
        .collect();
    let rows: Vec<&SessionValues> = found.iter().map(|i| &snapshot.sessions[*i]).collect();
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|e| {
            Failure::new(
                Exit::Damaged,
                format!("can't write {}: {e}", path.display()),
            )
        })?)),
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    let place = |name: &String| rows.first().and_then(|row| row.names.place(name));
    let placed: Vec<_> = shown
        .iter()
        .map(|name| (name.clone(), place(name)))
        .collect();
    match args.format {
        Format::Json => {
            let mut meta = snapshot.meta.clone();
            meta.insert("sessions".into(), rows.len().into());
            let sessions = sessions(&found, &rows, &placed, listed.as_ref()).collect();
            serde_json::to_writer_pretty(&mut out, &Document { meta, sessions })?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for session in sessions(&found, &rows, &placed, listed.as_ref()) {
                serde_json::to_writer(&mut out, &session)?;
                writeln!(out)?;
            }
        }
        Format::Csv | Format::Table if listed.is_some() => {
            let listed = listed.iter();
            for list in listed {
                list.write(&mut out, &snapshot, &found, args.format == Format::Csv)?;
            }
        }
        Format::Csv => write_csv(&mut out, &rows, &shown)?,
        Format::Table => write!(out, "{}", text(&snapshot, &rows, &shown))?,
    }
    out.flush()?;
    Ok(if rows.is_empty() {
        Exit::Nothing
    } else {
        Exit::Ok
    })
}

fn chosen(args: &DumpArgs) -> Result<Vec<String>, Failure> {
    let with_text = (args.sql_text == SqlTextArg::Full).then(|| "sql_text".to_owned());
    let known: Vec<&str> = dump_columns().iter().map(|c| c.name).collect();
    if args.columns.is_empty() {
        let names: Vec<String> = match args.format {
            Format::Table => TABLE_COLUMNS.iter().map(|c| (*c).to_owned()).collect(),
            _ => known.iter().map(|c| (*c).to_owned()).collect(),
        };
        return Ok(names.into_iter().chain(with_text).collect());
    }
    let names: Vec<String> = args.columns.iter().map(|c| c.to_lowercase()).collect();
    if let Some(wrong) = names
        .iter()
        .find(|n| !known.contains(&n.as_str()) && *n != "sql_text")
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("no column {wrong}; see sgascope dump --list-columns"),
        ));
    }
    Ok(names)
}

fn wanted(row: &SessionValues, recursive: RecursiveArg, filters: &[Filter]) -> bool {
    let is_recursive = row["in_v_session"] == Json::Bool(false);
    let kind = match recursive {
        RecursiveArg::Include => true,
        RecursiveArg::Exclude => !is_recursive,
        RecursiveArg::Only => is_recursive,
    };
    kind && filters.iter().all(|f| filter::matches(f, &row[&f.column]))
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The document that `-f json` prints.
#[derive(serde::Serialize)]
struct Document<'a> {
    meta: Map<String, Json>,
    sessions: Vec<SessionJson<'a>>,
}

fn sessions<'a>(
    found: &'a [usize],
    rows: &'a [&'a SessionValues],
    columns: &'a [(String, Option<usize>)],
    listed: Option<&'a Listed<'a>>,
) -> impl Iterator<Item = SessionJson<'a>> {
    found.iter().zip(rows).map(move |(index, row)| SessionJson {
        row,
        columns,
        index: *index,
        listed,
    })
}

fn write_csv(
    out: &mut dyn Write,
    rows: &[&SessionValues],
    columns: &[String],
) -> Result<(), Failure> {
    writeln!(out, "{}", columns.join(","))?;
    for row in rows {
        let cells: Vec<String> = columns
            .iter()
            .map(|c| csv_cell(&row.get(c).map(plain).unwrap_or_default()))
            .collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// A CSV cell by RFC 4180.
pub(super) fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn text(snapshot: &Snapshot, rows: &[&SessionValues], columns: &[String]) -> String {
    let headers: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut shown = table::new(&headers);
    for row in rows {
        shown.add_row(columns.iter().map(|c| {
            let cell = row.get(c).map(plain).unwrap_or_default();
            // control characters of a statement would break the lines of the table
            cell.replace(char::is_control, " ")
        }));
    }
    let numbers: Vec<usize> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| rows.iter().any(|r| r[c].is_number()))
        .map(|(i, _)| i)
        .collect();
    table::right(&mut shown, &numbers);
    let m = &snapshot.meta;
    format!(
        "{}\n{} of {} sessions in use, {} slots, instance {} ({}), {}, read in {} µs{}{}\n",
        table::render(&shown),
        rows.len(),
        m["in_use"],
        m["slots"],
        plain(&m["instance_name"]),
        plain(&m["release"]),
        plain(&m["sample_time"]),
        m["walk_us"],
        count(&m["torn"], "torn"),
        count(&m["faulted"], "unreadable"),
    )
}

fn count(value: &Json, what: &str) -> String {
    match value.as_u64() {
        Some(n) if n > 0 => format!(", {n} {what}"),
        _ => String::new(),
    }
}

fn list_columns() -> Result<Exit, Failure> {
    let mut rows = table::new(&["column", "in recordings", "meaning"]);
    for c in crate::decode::COLUMNS {
        let Column {
            name,
            ash,
            scope,
            help,
            ..
        } = c;
        let (dump, sample) = match scope {
            crate::decode::Scope::Dump => (*name, ""),
            crate::decode::Scope::Sample => ("", *ash),
            crate::decode::Scope::Both => (*name, *ash),
        };
        rows.add_row([dump, sample, help]);
    }
    for c in crate::decode::statistics::SESSION_IO {
        rows.add_row([c.name, "", &format!("with --session-io: {}", c.help)]);
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", table::render(&rows))?;
    Ok(Exit::Ok)
}
