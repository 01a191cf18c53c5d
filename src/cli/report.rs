//! `report`: where the time went, over a recording, and what changed since another.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::args::{Format, RecursiveArg, ReportArgs};
use super::brief::Brief;
use super::{Exit, Failure, html, stacks};
use crate::analyze::compare::{Comparison, compare_recordings};
use crate::analyze::{
    AnalyzeError, Filter, Grouping, Include, ReportOptions, ReportTable, compare_render,
    last_tick_us, render, survey_recording,
};
use crate::filter::Expr;
use crate::record::Reader;

impl From<AnalyzeError> for Failure {
    fn from(error: AnalyzeError) -> Failure {
        match error {
            AnalyzeError::Record(error) => error.into(),
            AnalyzeError::NoColumn { .. }
            | AnalyzeError::Filter { .. }
            | AnalyzeError::Condition(_) => Failure::new(Exit::Usage, error.to_string()),
            AnalyzeError::ColumnType { .. } => Failure::new(Exit::Damaged, error.to_string()),
        }
    }
}

pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let (dir, words) = match args.recording.split_first() {
        Some((first, rest)) if !first.contains('=') || Path::new(first).is_dir() => {
            (Some(first.as_str()), rest)
        }
        _ => (None, args.recording.as_slice()),
    };
    let filters: Vec<Filter> = words.iter().map(|w| w.parse()).collect::<Result<_, _>>()?;
    let condition = args.condition.as_deref().map(Expr::parse).transpose();
    // one made for this report is removed when it goes out of scope
    let brief = brief(args, dir.is_some())?;
    let dir = match (&brief, dir) {
        (Some(brief), _) => brief.path(),
        (None, dir) => Path::new(dir.unwrap_or(".")),
    };
    let reader = Reader::open(dir)?;
    let (from_us, to_us) = window(&reader, args.from.as_deref(), args.to.as_deref())?;
    let options = ReportOptions {
        filters,
        condition: condition.map_err(AnalyzeError::from)?,
        recursive: match args.recursive {
            RecursiveArg::Include => Include::Include,
            RecursiveArg::Exclude => Include::Exclude,
            RecursiveArg::Only => Include::Only,
        },
        from_us,
        to_us,
        top: Some(args.top),
        intervals: args.ci,
        instance: match brief {
            Some(_) => None,
            None => args.source.instance.first().cloned(),
        },
        ..ReportOptions::default()
    };
    let baseline = &args.baseline;
    if baseline.baseline.is_some()
        || baseline.baseline_from.is_some()
        || baseline.baseline_to.is_some()
    {
        return compared(args, dir, &reader, options);
    }
    let format = args.format.plain();
    let groups = args.group.iter().filter(|_| format.is_some());
    let mut groupings: Vec<Grouping> = groups.map(|g| grouping(g)).collect();
    let tables = groupings.len();
    groupings.extend(stacks::grouping(&args.stacks));
    // Stacks are of all groups, so rows are cut afterwards.
    let all = ReportOptions {
        top: None,
        ..options
    };
    let surveyed = match groupings.is_empty() {
        true => Vec::new(),
        false => survey_recording(&reader, &all, &groupings)?,
    };
    let mut all_tables: Vec<ReportTable> = surveyed.into_iter().map(|s| s.table).collect();
    let of_stacks = all_tables.split_off(tables);
    let mut tables = all_tables;
    for table in &mut tables {
        table.rows.truncate(args.top);
    }
    if let Some(table) = of_stacks.first() {
        stacks::write(&args.stacks, table, &dir.display().to_string())?;
    }
    let (text, nothing) = match format {
        Some(format) => {
            let nothing = tables.iter().all(|table| table.rows.is_empty());
            (rendered(&tables, format)?, nothing)
        }
        None => html::page(&reader, &all, args, words)?,
    };
    write_out(args, &text)?;
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

/// Where the result goes.
fn write_out(args: &ReportArgs, text: &str) -> Result<(), Failure> {
    let Some(path) = &args.output else {
        return Ok(write!(std::io::stdout().lock(), "{text}")?);
    };
    std::fs::write(path, text).map_err(|e| {
        let message = format!("can't write {}: {e}", path.display());
        Failure::new(Exit::Damaged, message)
    })
}

/// A recording of the instance or image that is named instead of one.
fn brief(args: &ReportArgs, named: bool) -> Result<Option<Brief>, Failure> {
    let source = &args.source;
    let wrong = |message: &str| Err(Failure::new(Exit::Usage, message));
    let asked = args.watch.is_some() || source.image.is_some();
    match (named, asked) {
        _ if source.instance.len() > 1 => {
            wrong("a report is of one instance or of a whole recording: name one with -I")
        }
        (true, true) => wrong(
            "name a recording, or --for with a running instance, or --image: only one of them",
        ),
        (true, false) => Ok(None),
        (false, true) => Brief::record(source, args.watch, args.sql_text).map(Some),
        (false, false) => wrong(
            "name the directory of a recording, or a running instance with -I SID --for 30s, or --image FILE",
        ),
    }
}

fn grouping(columns: &str) -> Grouping {
    let names = columns.split(',').filter(|name| !name.trim().is_empty());
    Grouping {
        columns: names.map(str::to_owned).collect(),
        steps: None,
    }
}

fn rendered(tables: &[ReportTable], format: Format) -> Result<String, Failure> {
    Ok(match (format, tables) {
        (Format::Table, tables) => render::render_tables(tables),
        (Format::Json, [table]) => render::render_json(table)?,
        (Format::Json, tables) => {
            let reports = serde_json::json!({ "reports": tables });
            serde_json::to_string_pretty(&reports)? + "\n"
        }
        (Format::Jsonl, [table]) => render::render_jsonl(table)?,
        (Format::Csv, [table]) => render::render_csv(table),
        (Format::Jsonl | Format::Csv, _) => {
            let message = "several -g have different columns: use -f table or -f json, or one -g";
            return Err(Failure::new(Exit::Usage, message));
        }
    })
}

/// What changed since the baseline.
fn compared(
    args: &ReportArgs,
    dir: &Path,
    reader: &Reader,
    options: ReportOptions,
) -> Result<Exit, Failure> {
    let usage = |message: &str| Err(Failure::new(Exit::Usage, message));
    let [groups] = args.group.as_slice() else {
        return usage("a comparison has one -g");
    };
    let stacks = &args.stacks;
    if stacks.flame.is_some() || stacks.speedscope.is_some() || stacks.folded.is_some() {
        return usage("stacks are of one window: leave --baseline out");
    }
    let asked = &args.baseline;
    let before = Reader::open(asked.baseline.as_deref().unwrap_or(dir))?;
    let (from_us, to_us) = window(
        &before,
        asked.baseline_from.as_deref(),
        asked.baseline_to.as_deref(),
    )?;
    let after_options = ReportOptions {
        groups: grouping(groups).columns,
        ..options
    };
    let before_options = ReportOptions {
        from_us,
        to_us,
        ..after_options.clone()
    };
    let found = compare_recordings((&before, &before_options), (reader, &after_options))?;
    let Some(format) = args.format.plain() else {
        return usage("a comparison has no page: use another -f");
    };
    write_out(args, &rendered_comparison(&found, format)?)?;
    let nothing = found.rows.is_empty();
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn rendered_comparison(found: &Comparison, format: Format) -> Result<String, Failure> {
    Ok(match format {
        Format::Table => compare_render::render_table(found),
        Format::Json => serde_json::to_string_pretty(found)? + "\n",
        Format::Jsonl => compare_render::render_jsonl(found)?,
        Format::Csv => compare_render::render_csv(found),
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
    last_tick_us(reader)?.ok_or_else(|| Failure::new(Exit::Nothing, "the recording has no tick"))
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
