//! `report`: where the time went, over a recording.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::args::{Format, RecursiveArg, ReportArgs};
use super::{Exit, Failure, look};
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
    let report = match &args.image {
        Some(image) => {
            let options = options(args, &args.recording, (None, None))?;
            look::report(image, args.blueprint.as_deref(), options)?
        }
        None => {
            let (dir, words) = args
                .recording
                .split_first()
                .ok_or_else(|| Failure::new(Exit::Usage, "name the directory of a recording"))?;
            let reader = Reader::open(Path::new(dir))?;
            let window = window(&reader, args.from.as_deref(), args.to.as_deref())?;
            report_recording(&reader, &options(args, words, window)?)?
        }
    };
    let mut out = std::io::stdout().lock();
    write!(out, "{}", rendered(&report, args.format)?)?;
    Ok(if report.rows.is_empty() {
        Exit::Nothing
    } else {
        Exit::Ok
    })
}

fn options(
    args: &ReportArgs,
    words: &[String],
    (from_us, to_us): (Option<i64>, Option<i64>),
) -> Result<ReportOptions, Failure> {
    let filters: Vec<Filter> = words.iter().map(|w| w.parse()).collect::<Result<_, _>>()?;
    Ok(ReportOptions {
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
        ..ReportOptions::default()
    })
}

fn rendered(report: &ReportTable, format: Format) -> Result<String, Failure> {
    Ok(match format {
        Format::Table => render::render_table(report),
        Format::Json => render::render_json(report)?,
        Format::Jsonl => render::render_jsonl(report)?,
        Format::Csv => render::render_csv(report),
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
