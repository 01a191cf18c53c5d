//! `dump`: one snapshot of all sessions, of one instance or several.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;

use super::args::{DumpArgs, Format, RecursiveArg};
use super::print::{self, plain, write_csv};
use super::statistics::{Listed, SessionJson, Wanted};
use super::{Exit, Failure, columns, filter, instances, processes, recursive};
use crate::analyze::Filter;
use crate::decode::columns::dump_columns;
use crate::sample::snapshot::Extras;
use crate::sample::{Attachment, RowValues, Snapshot, Source, TEXT_COLUMNS, TextForm};

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

/// Columns of the table of hidden sessions for people: whom they serve, by which process.
const RECURSIVE_COLUMNS: &[&str] = &[
    "sid",
    "serial_no",
    "serves_sid",
    "serves_serial_no",
    "paddr",
    "os_pid",
    "status",
    "username",
    "age_s",
    "sql_id",
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

/// A snapshot and what of it is shown.
struct Taken {
    snapshot: Snapshot,
    /// Places of the shown sessions in the snapshot.
    found: Vec<usize>,
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
    let texts = texts(args, std::io::stdout().is_terminal());
    let several = instances::several(&args.source.instance);
    let statistics = Wanted::of(args);
    let mut shown = chosen(args, texts)?;
    if several {
        shown.insert(0, INSTANCE.to_owned());
    }
    shown.extend(statistics.columns());
    let sources = instances::sources(&args.source)?;
    let taken = instances::each(&sources, |source| {
        take(args, source, (texts, &statistics), &filters)
    })?;
    let mut out = output(args)?;
    write(
        &mut out,
        args.format,
        &taken,
        (&shown, &statistics, several),
    )?;
    out.flush()?;
    let empty = taken.iter().all(|t| t.found.is_empty() && !t.parts.asked());
    Ok(if empty { Exit::Nothing } else { Exit::Ok })
}

/// Where to write.
fn output(args: &DumpArgs) -> Result<Box<dyn Write>, Failure> {
    let Some(path) = &args.output else {
        return Ok(Box::new(BufWriter::new(std::io::stdout().lock())));
    };
    let file = File::create(path).map_err(|e| {
        Failure::new(
            Exit::Damaged,
            format!("can't write {}: {e}", path.display()),
        )
    })?;
    Ok(Box::new(BufWriter::new(file)))
}

fn take(
    args: &DumpArgs,
    source: &Source,
    (texts, statistics): (Texts, &Wanted),
    filters: &[Filter],
) -> Result<Taken, Failure> {
    let attachment = Attachment::open(source, args.source.blueprint().as_deref())?;
    let extras = Extras {
        texts: texts.form,
        statistics: statistics.plan(&attachment)?,
    };
    let began = Instant::now();
    // side by side: what the kernel says of thousands of processes takes as long as the sessions
    let (parts, snapshot) = std::thread::scope(|scope| {
        let parts = scope.spawn(|| processes::Parts::take(&attachment, args));
        let snapshot = Snapshot::take(&attachment, extras);
        (parts.join(), snapshot)
    });
    let died = |_| Failure::new(Exit::Damaged, "reading processes died; this is a defect");
    let taken = parts.map_err(died).map(|parts| (parts, snapshot));
    attachment.intact()?;
    let (parts, snapshot) = taken?;
    let (parts, mut snapshot) = (parts?, snapshot?);
    let took = began.elapsed().as_micros() as u64;
    snapshot.meta.insert("took_us".into(), took.into());
    drop(attachment);
    name(&mut snapshot);
    statistics.add_columns(&mut snapshot);
    if texts.unasked {
        snapshot.sessions.iter_mut().for_each(shorten);
    }
    let sessions = snapshot.sessions.iter().enumerate();
    let found = sessions
        .filter(|(_, row)| wanted(row, args.recursive, filters))
        .map(|(i, _)| i)
        .collect();
    Ok(Taken {
        snapshot,
        found,
        parts,
    })
}

/// Adds the instance's name to each session.
fn name(snapshot: &mut Snapshot) {
    let Some(first) = snapshot.sessions.first() else {
        return;
    };
    let names = Arc::new(first.names.with([INSTANCE]));
    let name = &snapshot.meta[INSTANCE];
    for session in &mut snapshot.sessions {
        session.names = names.clone();
        session.values.push(name.clone());
    }
}

/// Leaves the beginning of the current statement's text.
fn shorten(row: &mut RowValues) {
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
            Format::Table => {
                let hidden = args.recursive == RecursiveArg::Only;
                let columns = if hidden {
                    RECURSIVE_COLUMNS
                } else {
                    TABLE_COLUMNS
                };
                columns.iter().map(|c| (*c).to_owned()).collect()
            }
            _ => known.iter().map(|c| (*c).to_owned()).collect(),
        };
        return Ok(names.into_iter().chain(with_text).collect());
    }
    let names: Vec<String> = args.columns.iter().map(|c| c.to_lowercase()).collect();
    let is_known = |n: &str| known.contains(&n) || text_names.contains(&n) || n == INSTANCE;
    if let Some(wrong) = names.iter().find(|n| !is_known(n)) {
        return Err(Failure::new(
            Exit::Usage,
            format!("no column {wrong}; see sgascope dump --list-columns"),
        ));
    }
    Ok(names)
}

fn wanted(row: &RowValues, recursive: RecursiveArg, filters: &[Filter]) -> bool {
    let is_recursive = row["in_v_session"] == Json::Bool(false);
    let kind = match recursive {
        RecursiveArg::Include => true,
        RecursiveArg::Exclude => !is_recursive,
        RecursiveArg::Only => is_recursive,
    };
    kind && filters.iter().all(|f| filter::matches(f, &row[&f.column]))
}

fn write(
    out: &mut dyn Write,
    format: Format,
    taken: &[Taken],
    (shown, statistics, several): (&[String], &Wanted, bool),
) -> Result<(), Failure> {
    if format != Format::Json && taken.iter().any(|t| t.parts.asked()) {
        return taken
            .iter()
            .try_for_each(|t| t.parts.write_instead(out, format));
    }
    let listed: Vec<Option<Listed>> = taken
        .iter()
        .map(|t| statistics.listed(&t.snapshot))
        .collect();
    let placed: Vec<Vec<(String, Option<usize>)>> = taken.iter().map(|t| t.places(shown)).collect();
    let each = || taken.iter().zip(&placed).zip(&listed);
    match format {
        Format::Json if several => {
            write!(out, "{{\n\"instances\": [")?;
            for (i, ((t, p), l)) in each().enumerate() {
                writeln!(out, "{}", if i > 0 { "," } else { "" })?;
                t.write_json(out, p, l.as_ref())?;
            }
            writeln!(out, "\n]\n}}")?;
        }
        Format::Json => {
            for ((t, p), l) in each() {
                t.write_json(out, p, l.as_ref())?;
                writeln!(out)?;
            }
        }
        Format::Jsonl => {
            for ((t, p), l) in each() {
                for session in t.sessions(p, l.as_ref()) {
                    serde_json::to_writer(&mut *out, &session)?;
                    writeln!(out)?;
                }
            }
        }
        Format::Csv | Format::Table if statistics.lists() => {
            let csv = format == Format::Csv;
            for ((t, _), l) in each() {
                l.iter()
                    .try_for_each(|l| l.write(out, &t.snapshot, &t.found, csv))?;
            }
        }
        Format::Csv => {
            let rows: Vec<&RowValues> = taken.iter().flat_map(Taken::rows).collect();
            write_csv(out, &rows, shown)?;
        }
        Format::Table => {
            for t in taken {
                write!(out, "{}", text(&t.snapshot, &t.rows(), shown))?;
            }
        }
    }
    Ok(())
}

impl Taken {
    fn rows(&self) -> Vec<&RowValues> {
        let of = |i: &usize| &self.snapshot.sessions[*i];
        self.found.iter().map(of).collect()
    }

    /// The places of columns among the values of each session.
    fn places(&self, shown: &[String]) -> Vec<(String, Option<usize>)> {
        let names = self.snapshot.sessions.first().map(|s| &s.names);
        let place = |name: &String| names.and_then(|n| n.place(name));
        shown.iter().map(|n| (n.clone(), place(n))).collect()
    }

    fn sessions<'a>(
        &'a self,
        columns: &'a [(String, Option<usize>)],
        listed: Option<&'a Listed<'a>>,
    ) -> impl Iterator<Item = SessionJson<'a>> {
        self.found.iter().map(move |index| SessionJson {
            row: &self.snapshot.sessions[*index],
            columns,
            index: *index,
            listed,
        })
    }

    /// One object, with a line for each session: for people to search, and half the bytes of an indented one.
    fn write_json(
        &self,
        out: &mut dyn Write,
        columns: &[(String, Option<usize>)],
        listed: Option<&Listed>,
    ) -> Result<(), Failure> {
        let mut meta = self.snapshot.meta.clone();
        meta.insert("sessions".into(), self.found.len().into());
        self.parts.explain(&mut meta);
        write!(out, "{{\n\"meta\": ")?;
        serde_json::to_writer_pretty(&mut *out, &meta)?;
        write_lines(out, "sessions", self.sessions(columns, listed))?;
        for (name, rows) in self.parts.named() {
            write_lines(out, name, rows.iter())?;
        }
        write!(out, "\n}}")?;
        Ok(())
    }
}

/// A member of a JSON object that is an array, one element a line.
fn write_lines<T: serde::Serialize>(
    out: &mut dyn Write,
    name: &str,
    rows: impl Iterator<Item = T>,
) -> Result<(), Failure> {
    write!(out, ",\n\"{name}\": [")?;
    // put together in one piece: thousands of small writes cost more than the text
    let mut line = Vec::new();
    for (i, row) in rows.enumerate() {
        line.clear();
        line.extend_from_slice(if i > 0 { b",\n" } else { b"\n" });
        serde_json::to_writer(&mut line, &row)?;
        out.write_all(&line)?;
    }
    write!(out, "\n]")?;
    Ok(())
}

fn text(snapshot: &Snapshot, rows: &[&RowValues], columns: &[String]) -> String {
    let headers: Vec<&str> = columns.iter().map(String::as_str).collect();
    let m = &snapshot.meta;
    format!(
        "{}\n{} of {} sessions in use, {} slots, {} of them hidden from V$SESSION ({:.1} % of slots), instance {} ({}), {}, read in {} µs{}{}\n",
        print::table(rows, &headers),
        rows.len(),
        m["in_use"],
        m["slots"],
        m["recursive"]["count"],
        m["recursive"]["share_of_slots"].as_f64().unwrap_or(0.0) * 100.0,
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Args, Command};
    use crate::sample::Names;

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
        let names = Arc::new(Names::new(["sql_text".to_owned()]));
        let values = vec!["ö".repeat(61).into()];
        let mut row = RowValues { names, values };
        shorten(&mut row);
        assert_eq!(row["sql_text"], format!("{}…", "ö".repeat(60)));
        shorten(&mut row);
        assert_eq!(row["sql_text"].as_str().unwrap().chars().count(), 61);
    }
}
