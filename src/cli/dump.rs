//! `dump`: one snapshot of all sessions.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};

use serde_json::{Map, Value as Json, json};

use super::args::{DumpArgs, Format, RecursiveArg};
use super::filter;
use super::{Exit, Failure, table};
use crate::analyze::Filter;
use crate::decode::Column;
use crate::decode::columns::dump_columns;
use crate::sample::{Attachment, Snapshot, TEXT_COLUMNS, TextForm};

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

/// Characters of a text that nobody asked for.
const UNASKED_TEXT: usize = 60;

/// Which texts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Texts {
    form: Option<TextForm>,
    /// Nobody asked for them: only the beginning of the current one is shown.
    unasked: bool,
}

/// As asked; by default redacted where a column of texts is named, and on a terminal.
fn texts(args: &DumpArgs, terminal: bool) -> Texts {
    let is_text = |c: &String| {
        TEXT_COLUMNS
            .iter()
            .any(|(name, _)| c.eq_ignore_ascii_case(name))
    };
    let for_people = args.format == Format::Table && args.output.is_none() && terminal;
    let unasked = args.sql_text.is_none() && args.columns.is_empty() && for_people;
    let named = args.columns.iter().any(is_text);
    let default = (unasked || named).then_some(TextForm::Redacted);
    Texts {
        form: args.sql_text.map_or(default, |asked| asked.form()),
        unasked,
    }
}

pub fn run(args: &DumpArgs) -> Result<Exit, Failure> {
    if args.list_columns {
        return list_columns();
    }
    let filters = filter::parse(&args.filters)?;
    let texts = texts(args, std::io::stdout().is_terminal());
    let shown = chosen(args, texts)?;
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let mut snapshot = Snapshot::take(&attachment, texts.form)?;
    drop(attachment);
    if texts.unasked {
        snapshot.sessions.iter_mut().for_each(shorten);
    }
    let rows: Vec<&Map<String, Json>> = snapshot
        .sessions
        .iter()
        .filter(|row| wanted(row, args.recursive, &filters))
        .collect();
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|e| {
            Failure::new(
                Exit::Damaged,
                format!("can't write {}: {e}", path.display()),
            )
        })?)),
        None => Box::new(std::io::stdout().lock()),
    };
    match args.format {
        Format::Json => {
            let mut meta = snapshot.meta.clone();
            meta.insert("sessions".into(), rows.len().into());
            let rows: Vec<Json> = rows.iter().map(|r| picked(r, &shown)).collect();
            serde_json::to_writer_pretty(&mut out, &json!({"meta": meta, "sessions": rows}))?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for row in &rows {
                serde_json::to_writer(&mut out, &picked(row, &shown))?;
                writeln!(out)?;
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

/// Leaves the beginning of the current statement's text.
fn shorten(row: &mut Map<String, Json>) {
    if let Some(Json::String(text)) = row.get_mut(TEXT_COLUMNS[0].0)
        && let Some((end, _)) = text.char_indices().nth(UNASKED_TEXT)
    {
        text.truncate(end);
        text.push('…');
    }
}

fn chosen(args: &DumpArgs, texts: Texts) -> Result<Vec<String>, Failure> {
    let text_names = TEXT_COLUMNS.map(|(name, _)| name);
    // a table has no room for the previous statement too
    let added = match (texts.form, args.format) {
        (None, _) => 0,
        (Some(_), Format::Table) => 1,
        (Some(_), _) => text_names.len(),
    };
    let with_text = text_names[..added].iter().map(|c| (*c).to_owned());
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
        .find(|n| !known.contains(&n.as_str()) && !text_names.contains(&n.as_str()))
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

fn plain(value: &Json) -> String {
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

fn write_csv(
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
fn csv_cell(text: &str) -> String {
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
    for (name, help) in TEXT_COLUMNS {
        rows.add_row([name, "", &format!("{help}; with --sql-text")]);
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", table::render(&rows))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Args, Command};

    fn shown(words: &[&str], terminal: bool) -> Option<TextForm> {
        let all = ["sgascope", "dump"].iter().chain(words);
        match Args::parse_from(all).command {
            Command::Dump(args) => texts(&args, terminal).form,
            other => panic!("{other:?}"),
        }
    }

    /// Whole texts only where the word full was typed; no text leaves for a file or a pipe unasked.
    #[test]
    fn texts_are_redacted_unless_full_is_said() {
        let redacted = Some(TextForm::Redacted);
        assert_eq!(shown(&[], true), redacted);
        assert_eq!(shown(&[], false), None);
        for format in ["json", "jsonl", "csv"] {
            assert_eq!(shown(&["-f", format], true), None);
            assert_eq!(
                shown(&["-f", format, "--columns", "sid,sql_text"], true),
                redacted
            );
            assert_eq!(
                shown(&["-f", format, "--columns", "PREV_SQL_TEXT"], false),
                redacted
            );
        }
        assert_eq!(shown(&["-o", "x"], true), None);
        assert_eq!(shown(&["--columns", "sid"], true), None);
        for terminal in [true, false] {
            assert_eq!(shown(&["--sql-text", "none"], terminal), None);
            assert_eq!(shown(&["--sql-text", "redacted"], terminal), redacted);
            assert_eq!(
                shown(&["--sql-text", "full"], terminal),
                Some(TextForm::Full)
            );
        }
    }

    #[test]
    fn an_unasked_text_is_short() {
        let mut row = Map::new();
        row.insert("sql_text".into(), "ö".repeat(61).into());
        shorten(&mut row);
        assert_eq!(row["sql_text"], format!("{}…", "ö".repeat(60)));
        shorten(&mut row);
        assert_eq!(row["sql_text"].as_str().unwrap().chars().count(), 61);
    }
}
