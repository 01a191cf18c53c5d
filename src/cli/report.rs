//! `report`: where the time went, over a recording, and what changed since another.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::args::{Format, RecursiveArg, ReportArgs};
use super::{Exit, Failure, stacks};
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
    let (dir, words) = args
        .recording
        .split_first()
        .ok_or_else(|| Failure::new(Exit::Usage, "name the directory of a recording"))?;
    let filters: Vec<Filter> = words.iter().map(|w| w.parse()).collect::<Result<_, _>>()?;
    let condition = args.condition.as_deref().map(Expr::parse).transpose();
    let reader = Reader::open(Path::new(dir))?;
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
        ..ReportOptions::default()
    };
    let baseline = &args.baseline;
    if baseline.baseline.is_some()
        || baseline.baseline_from.is_some()
        || baseline.baseline_to.is_some()
    {
        return compared(args, Path::new(dir), &reader, options);
    }
    let mut groupings: Vec<Grouping> = args.group.iter().map(|g| grouping(g)).collect();
    groupings.extend(stacks::grouping(&args.stacks));
    // Stacks are of all groups, so rows are cut afterwards.
    let all = ReportOptions {
        top: None,
        ..options
    };
    let surveyed = survey_recording(&reader, &all, &groupings)?;
    let mut tables: Vec<ReportTable> = surveyed.into_iter().map(|s| s.table).collect();
    let of_stacks = tables.split_off(args.group.len());
    for table in &mut tables {
        table.rows.truncate(args.top);
    }
    if let Some(table) = of_stacks.first() {
        stacks::write(&args.stacks, table, dir)?;
    }
    let text = rendered(&tables, args.format)?;
    write!(std::io::stdout().lock(), "{text}")?;
    let nothing = tables.iter().all(|table| table.rows.is_empty());
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
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
    write!(
        std::io::stdout().lock(),
        "{}",
        rendered_comparison(&found, args.format)?
    )?;
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
