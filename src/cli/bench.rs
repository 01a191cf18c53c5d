//! `bench`: the sampler against SQL polling.

use std::io::Write;

use super::args::{BenchArgs, BenchFormat};
use super::record::on_signals;
use super::{Exit, Failure, table};
use crate::bench::client::PollError;
use crate::bench::run::{Options, Polling};
use crate::bench::{BenchError, Dialect, Document, Side, load, run as measure, times};
use crate::export::html::bench::page;
use crate::sample::Attachment;

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Failure {
        let exit = match error {
            BenchError::Attach(error) => return error.into(),
            BenchError::Io(error) => return error.into(),
            BenchError::Arrow(error) => return error.into(),
            BenchError::Gone(_) => Exit::NoInstance,
            BenchError::Statement { .. } | BenchError::Poll(PollError::Command { .. }) => {
                Exit::Usage
            }
            BenchError::Poll(_) => Exit::Nothing,
            BenchError::SamplerDied | BenchError::PollerDied => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

/// Runs the bench. Exit code 1 when the SQL client failed; the steps until then are printed.
pub fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    if args.busy {
        load::be_busy();
        return Ok(Exit::Ok);
    }
    let options = Options {
        polling: polling(args)?,
        rates_hz: args.rates.clone(),
        duration: args.duration,
        saturate: args.saturate,
        idle: args.idle,
    };
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let stop = on_signals()?;
    let document = measure(&attachment, &options, &stop)?;
    let text = match args.format {
        BenchFormat::Json => serde_json::to_string_pretty(&document)? + "\n",
        BenchFormat::Table => text(&document),
    };
    match &args.output {
        Some(path) => written(path, &text)?,
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    if let Some(path) = &args.html {
        written(path, &page(&document))?;
    }
    let sides = document.steps.iter().filter_map(|step| step.sql.as_ref());
    match sides.filter_map(|side| side.failed.as_ref()).next() {
        Some(why) => Err(Failure::new(
            Exit::Nothing,
            format!("{why}; the steps until then are told"),
        )),
        None if document.steps.is_empty() => Ok(Exit::Nothing),
        None => Ok(Exit::Ok),
    }
}

fn written(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        let failure = Failure::from(error);
        Failure::new(
            failure.exit,
            format!("can't write {}: {}", path.display(), failure.message),
        )
    })
}

fn polling(args: &BenchArgs) -> Result<Option<Polling>, Failure> {
    let Some(command) = &args.poll_cmd else {
        return Ok(None);
    };
    let known = args.poll_dialect.or_else(|| Dialect::of_command(command));
    let dialect = known.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!(
                "{command:?} names neither sqlplus nor psql; say its language with --poll-dialect"
            ),
        )
    })?;
    let query = args.poll_query.unwrap_or(dialect.usual_query());
    let (name, statement, query) = match &args.poll_sql {
        None => (
            query.name().to_owned(),
            query.text().to_owned(),
            Some(query),
        ),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let failure = Failure::from(error);
                let message = format!("can't read {}: {}", path.display(), failure.message);
                Failure::new(failure.exit, message)
            })?;
            (path.display().to_string(), ended(&text), None)
        }
    };
    Ok(Some(Polling {
        command: command.clone(),
        dialect,
        name,
        statement,
        query,
        spid_sql: args.poll_spid_sql.as_deref().map(ended),
        timeout: args.poll_timeout,
    }))
}

/// The statement with the semicolon that ends it.
fn ended(statement: &str) -> String {
    let statement = statement.trim();
    match statement.ends_with([';', '/']) || statement.is_empty() {
        true => statement.to_owned(),
        false => format!("{statement};"),
    }
}

const HEADERS: [&str; 13] = [
    "rate",
    "load",
    "who",
    "taken",
    "missed",
    "hz",
    "p50 ms",
    "p95 ms",
    "max ms",
    "% of a cpu",
    "sweeps/cpu s",
    "rows",
    "waits",
];

/// The document for people.
fn text(document: &Document) -> String {
    let mut rows = table::new(&HEADERS);
    for step in &document.steps {
        let sides = [
            ("sgascope", Some(&step.sampler)),
            ("SQL", step.sql.as_ref()),
        ];
        for (who, side) in sides {
            let Some(side) = side else { continue };
            let load = if step.saturated { "busy" } else { "idle" };
            let mut row = vec![step.rate_hz.to_string(), load.to_owned(), who.to_owned()];
            row.extend(cells(side));
            rows.add_row(row);
        }
    }
    table::right(&mut rows, &[0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let mut text = table::render(&rows);
    if let Some(ratio) = document.sweeps_per_cpu_second_vs_sql {
        text.push_str(&format!(
            "\nOf a second of CPU, client and server together, sgascope makes at least {} times as many sweeps.\n",
            times(ratio)
        ));
    }
    if let Some(why) = document
        .meta
        .sql
        .as_ref()
        .and_then(|s| s.no_server.as_ref())
    {
        text.push_str(&format!(
            "SQL is billed without its server process, which isn't known: {why}\n"
        ));
    }
    text
}

fn cells(side: &Side) -> Vec<String> {
    let ms = |us: Option<f64>| us.map_or_else(String::new, |us| format!("{:.3}", us / 1e3));
    let count = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    let spread = side.latency_us;
    vec![
        side.taken.to_string(),
        side.missed.to_string(),
        format!("{:.1}", side.achieved_hz),
        ms(spread.map(|s| s.p50)),
        ms(spread.map(|s| s.p95)),
        ms(spread.map(|s| s.max)),
        format!("{:.2}", side.cpu_percent),
        side.sweeps_per_cpu_second
            .map_or_else(String::new, |n| format!("{n:.0}")),
        format!("{:.1}", side.seen.rows_per_sweep),
        count(side.seen.waits),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_get_their_end() {
        assert_eq!(ended(" select 1 \n"), "select 1;");
        assert_eq!(ended("select 1;\n"), "select 1;");
        assert_eq!(ended("begin null; end;\n/"), "begin null; end;\n/");
    }
}
