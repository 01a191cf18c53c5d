//! `dump`: one snapshot of all sessions.

use std::fs::File;
use std::io::{BufWriter, Write};

use serde_json::{Map, Value as Json, json};

use super::args::{DumpArgs, Format, RecursiveArg, SqlTextArg};
use super::{Exit, Failure, columns, filter, instances, processes, recursive, table};
use crate::analyze::Filter;
use crate::decode::columns::dump_columns;
use crate::sample::{Attachment, Snapshot, Source};

/// The column that tells the rows of several instances apart.
const INSTANCE: &str = "instance_name";

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

/// A snapshot and what of it is shown.
struct Taken {
    snapshot: Snapshot,
    rows: Vec<Map<String, Json>>,
    parts: processes::Parts,
}

pub fn run(args: &DumpArgs) -> Result<Exit, Failure> {
    if args.list_columns {
        return columns::list(&mut output(args)?, args.format);
    }
    if let Some(time) = args.watch.filter(|_| !args.resource_limit) {
        return recursive::watch(args, time, &mut output(args)?);
    }
    let filters = filter::parse(&args.filters)?;
    let several = instances::several(&args.source.instance);
    let mut shown = chosen(args)?;
    if several {
        shown.insert(0, INSTANCE.to_owned());
    }
    let sources = instances::sources(&args.source)?;
    let taken = instances::each(&sources, |source| take(args, source, &filters))?;
    let mut out = output(args)?;
    if args.format != Format::Json && taken.iter().any(|t| t.parts.asked()) {
        for one in &taken {
            one.parts.write_instead(&mut out, args.format)?;
        }
        return Ok(Exit::Ok);
    }
    match args.format {
        Format::Json => {
            let mut all: Vec<Json> = taken.iter().map(|t| document(t, &shown)).collect();
            let whole = match all.pop() {
                Some(only) if !several => only,
                last => json!({"instances": all.into_iter().chain(last).collect::<Vec<_>>()}),
            };
            serde_json::to_writer_pretty(&mut out, &whole)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for row in taken.iter().flat_map(|t| &t.rows) {
                serde_json::to_writer(&mut out, &picked(row, &shown))?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            let rows: Vec<&Map<String, Json>> = taken.iter().flat_map(|t| &t.rows).collect();
            write_csv(&mut out, &rows, &shown)?;
        }
        Format::Table => {
            for one in &taken {
                let rows: Vec<&Map<String, Json>> = one.rows.iter().collect();
                write!(out, "{}", text(&one.snapshot, &rows, &shown))?;
            }
        }
    }
    out.flush()?;
    Ok(if taken.iter().all(|t| t.rows.is_empty()) {
        Exit::Nothing
    } else {
        Exit::Ok
    })
}

/// Where to write.
fn output(args: &DumpArgs) -> Result<Box<dyn Write>, Failure> {
    let Some(path) = &args.output else {
        return Ok(Box::new(std::io::stdout().lock()));
    };
    let file = File::create(path).map_err(|e| {
        Failure::new(
            Exit::Damaged,
            format!("can't write {}: {e}", path.display()),
        )
    })?;
    Ok(Box::new(BufWriter::new(file)))
}

fn take(args: &DumpArgs, source: &Source, filters: &[Filter]) -> Result<Taken, Failure> {
    let attachment = Attachment::open(source, args.source.blueprint().as_deref())?;
    let parts = processes::Parts::take(&attachment, args)?;
    let mut snapshot = Snapshot::take(&attachment, args.sql_text == SqlTextArg::Full)?;
    drop(attachment);
    let name = snapshot.meta[INSTANCE].clone();
    let mut rows = std::mem::take(&mut snapshot.sessions);
    rows.retain(|row| wanted(row, args.recursive, filters));
    for row in &mut rows {
        row.insert(INSTANCE.to_owned(), name.clone());
    }
    Ok(Taken {
        snapshot,
        rows,
        parts,
    })
}

/// What JSON shows of one instance.
fn document(taken: &Taken, shown: &[String]) -> Json {
    let mut meta = taken.snapshot.meta.clone();
    meta.insert("sessions".into(), taken.rows.len().into());
    let rows: Vec<Json> = taken.rows.iter().map(|r| picked(r, shown)).collect();
    let mut document = json!({"meta": meta, "sessions": rows});
    taken.parts.add_to(&mut document);
    document
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
        .find(|n| !known.contains(&n.as_str()) && *n != "sql_text" && *n != INSTANCE)
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("no column {wrong}; see sgascope dump --list-columns"),
        ));
    }
    Ok(names)
}

fn wanted(row: &Map<String, Json>, recursive: RecursiveArg, filters: &[Filter]) -> bool {
    let is_recursive = row["in_v_session"] == Json::Bool(false);
    let kind = match recursive {
        RecursiveArg::Include => true,
        RecursiveArg::Exclude => !is_recursive,
        RecursiveArg::Only => is_recursive,
    };
    kind && filters.iter().all(|f| filter::matches(f, &row[&f.column]))
}

pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn picked(row: &Map<String, Json>, columns: &[String]) -> Json {
    let pairs = columns
        .iter()
        .map(|c| (c.clone(), row.get(c).cloned().unwrap_or(Json::Null)));
    Json::Object(pairs.collect())
}

pub(super) fn write_csv(
    out: &mut dyn Write,
    rows: &[&Map<String, Json>],
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

fn text(snapshot: &Snapshot, rows: &[&Map<String, Json>], columns: &[String]) -> String {
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
        .filter(|(_, c)| rows.iter().any(|r| r.get(*c).is_some_and(Json::is_number)))
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
