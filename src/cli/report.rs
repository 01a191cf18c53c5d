//! `report`: where the time went, over a recording.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::args::{RecursiveArg, ReportArgs, ReportFormat};
use super::brief::Brief;
use super::{Exit, Failure, html};
use crate::analyze::{
    AnalyzeError, Filter, Include, ReportOptions, ReportTable, render, report_recording,
};
use crate::record::Reader;

impl From<AnalyzeError> for Failure {
    fn from(error: AnalyzeError) -> Failure {
        match error {
            AnalyzeError::Record(error) => error.into(),
            AnalyzeError::NoColumn { .. } | AnalyzeError::Filter { .. } => {
                Failure::new(Exit::Usage, error.to_string())
            }
            AnalyzeError::ColumnType { .. } => Failure::new(Exit::Damaged, error.to_string()),
        }
    }
}

pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let (dir, words) = match args.recording.split_first() {
        Some((first, rest)) if !first.contains('=') => (Some(first.as_str()), rest),
        _ => (None, args.recording.as_slice()),
    };
    let filters: Vec<Filter> = words.iter().map(|w| w.parse()).collect::<Result<_, _>>()?;
    let (reader, _brief) = opened(args, dir)?;
    let (from_us, to_us) = window(&reader, args.from.as_deref(), args.to.as_deref())?;
    let options = ReportOptions {
        groups: args.group.clone(),
        filters,
        recursive: match args.recursive {
            RecursiveArg::Include => Include::Include,
            RecursiveArg::Exclude => Include::Exclude,
            RecursiveArg::Only => Include::Only,
        },
        from_us,
        to_us,
        top: Some(args.top),
        intervals: args.ci,
        instance: match dir {
            Some(_) => args.source.instance.first().cloned(),
            None => None,
        },
        ..ReportOptions::default()
    };
    let (text, exit) = match args.format {
        ReportFormat::Html => html::page(&reader, &options, args, words)?,
        format => {
            let report = report_recording(&reader, &options)?;
            let empty = report.rows.is_empty();
            let exit = if empty { Exit::Nothing } else { Exit::Ok };
            (rendered(&report, format)?, exit)
        }
    };
    match &args.output {
        Some(path) => std::fs::write(path, text).map_err(|e| {
            Failure::new(
                Exit::Damaged,
                format!("can't write {}: {e}", path.display()),
            )
        })?,
        None => write!(std::io::stdout().lock(), "{text}")?,
    }
    Ok(exit)
}

/// The recording meant; one made for this report is removed with what comes second.
fn opened(args: &ReportArgs, dir: Option<&str>) -> Result<(Reader, Option<Brief>), Failure> {
    let source = &args.source;
    let wrong = |message: &str| Err(Failure::new(Exit::Usage, message));
    match dir {
        Some(_) if args.watch.is_some() || source.image.is_some() => {
            wrong("name a recording, or --for with a running instance, or --image; not both")
        }
        _ if source.instance.len() > 1 => {
            wrong("a report is of one instance or of a whole recording: name one with -I")
        }
        Some(dir) => Ok((Reader::open(Path::new(dir))?, None)),
        None if args.watch.is_some() || source.image.is_some() => {
            let brief = Brief::record(source, args.watch, args.sql_text)?;
            Ok((Reader::open(brief.path())?, Some(brief)))
        }
        None => wrong(
            "name the directory of a recording, or a running instance with -I SID --for 30s, or --image FILE",
        ),
    }
}

fn rendered(report: &ReportTable, format: ReportFormat) -> Result<String, Failure> {
    Ok(match format {
        ReportFormat::Table => render::render_table(report),
        ReportFormat::Json => render::render_json(report)?,
        ReportFormat::Jsonl => render::render_jsonl(report)?,
        ReportFormat::Csv => render::render_csv(report),
        ReportFormat::Html => String::new(),
    })
}

/// First time wanted and first one no longer wanted, µs since the epoch.
pub(super) fn window(
    reader: &Reader,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(Option<i64>, Option<i64>), Failure> {
    let end = || end_us(reader);
    let time = |text: Option<&str>| text.map(|t| time_us(t, &end)).transpose();
    Ok((time(from)?, time(to)?))
}

/// When the recording's last tick was, µs since the epoch.
fn end_us(reader: &Reader) -> Result<i64, Failure> {
    let whole = ReportOptions {
        groups: vec!["session_kind".into()],
        ..ReportOptions::default()
    };
    let report = report_recording(reader, &whole)?;
    report
        .meta
        .to_us
        .ok_or_else(|| Failure::new(Exit::Nothing, "the recording has no tick"))
}

/// RFC 3339, or a span back from the recording's end (`-15m`).
fn time_us(text: &str, end: &dyn Fn() -> Result<i64, Failure>) -> Result<i64, Failure> {
    if let Some(span) = text.strip_prefix('-')
        && let Ok(back) = span.parse::<SignedDuration>()
    {
        return Ok(end()? - back.as_micros() as i64);
    }
    text.parse::<Timestamp>()
        .map(Timestamp::as_microsecond)
        .map_err(|e| {
            Failure::new(
                Exit::Usage,
                format!("{text:?} is no time ({e}); write RFC 3339, or -15m for 15 minutes before the recording's end"),
            )
        })
}
