//! What a recording says of itself: progress on a terminal, a line for each flush, the summary.
//!
//! Callers: `service`, `writer`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::super::Failure;
use super::super::args::{Format, RecordArgs};
use super::disk::Lost;
use super::writer::Written;
use crate::decode::dates::rfc3339_ns;
use crate::record::Summary;
use crate::sample::{RecorderEvent, RunStats, TextStats};

/// How often the terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(500);

/// What is shown while it records.
pub(super) struct Progress {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    pub(super) fn new(args: &RecordArgs, quiet: bool) -> Progress {
        Progress {
            bar: bar(args, quiet),
            lines: args.format == Format::Jsonl,
        }
    }

    /// Everything up to `written` is flushed.
    pub(super) fn flushed(&self, instance: &str, written: &Written) -> Result<(), Failure> {
        let (ticks, rows) = (written.ticks, written.rows);
        self.bar.set_position(self.bar.elapsed().as_secs());
        let average = rows as f64 / ticks.max(1) as f64;
        self.bar.set_message(format!(
            "{ticks} ticks, {rows} samples, {average:.1} sessions at a time"
        ));
        let Some((tick, wall_ns, mono_ns)) = written.last else {
            return Ok(());
        };
        self.line(json!({"instance_name": instance, "flushed": {
            "sample_id": tick, "sample_time": rfc3339_ns(wall_ns),
            "mono_ns": mono_ns, "ticks": ticks, "rows": rows,
        }}))
    }

    /// Something happened.
    pub(super) fn event(&self, instance: &str, event: &RecorderEvent) -> Result<(), Failure> {
        self.line(json!({"instance_name": instance, "event": {
            "kind": event.kind.name(), "detail": event.detail,
            "sample_time": rfc3339_ns(event.wall_ns), "mono_ns": event.mono_ns,
        }}))
    }

    /// Ticks were lost for want of room; so many up to now.
    pub(super) fn lost(&self, instance: &str, lost: &Lost) -> Result<(), Failure> {
        self.line(json!({"instance_name": instance, "lost": {
            "ticks": lost.ticks, "rows": lost.rows,
        }}))
    }

    /// One line where lines are wanted.
    fn line(&self, document: serde_json::Value) -> Result<(), Failure> {
        if self.lines {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{document}").and_then(|()| out.flush())?;
        }
        Ok(())
    }

    /// The instance is waited for.
    pub(super) fn waiting(&self) {
        self.bar.set_message("waiting for the instance");
    }

    /// Clears the terminal's line.
    pub(super) fn close(&self) {
        self.bar.finish_and_clear();
    }
}

fn bar(args: &RecordArgs, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match args.duration {
        Some(duration) => (
            ProgressBar::new(duration.as_secs()),
            "{bar:24} {elapsed} of {len} s  {msg}",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} recording for {elapsed}  {msg}  (Ctrl-C ends it)",
        ),
    };
    let style = ProgressStyle::with_template(template);
    bar.enable_steady_tick(REDRAW);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Prints the summary at the end.
pub(super) fn finish(
    args: &RecordArgs,
    quiet: bool,
    name: &str,
    (stats, texts, lost): (&RunStats, Option<&TextStats>, &Lost),
    summary: &Summary,
) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if args.format != Format::Table {
        let document = json!({
            "instance_name": name, "run": stats, "sql_text": texts,
            "files": summary.files, "rows": summary.rows, "bytes": summary.bytes,
            "earlier_files": summary.earlier_files, "removed_files": summary.removed_files,
            "ticks_lost": lost.ticks, "rows_lost": lost.rows,
        });
        serde_json::to_writer(&mut out, &document)?;
        writeln!(out)?;
    } else if !quiet {
        for line in lines(args, (stats, texts, lost), summary) {
            writeln!(out, "{line}")?;
        }
    }
    for (path, why) in &summary.left_hot {
        tracing::warn!("{} stays open as it is: {why}", path.display());
    }
    Ok(())
}

fn lines(
    args: &RecordArgs,
    (stats, texts, lost): (&RunStats, Option<&TextStats>, &Lost),
    summary: &Summary,
) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} ticks: {} taken, {} missed, {} dropped; {} late by over a tenth of a period, at most {} µs; a walk took {} µs on average",
            stats.ticks,
            stats.frames,
            stats.missed,
            stats.dropped,
            stats.late,
            stats.max_late_ns / 1000,
            stats.walk_ns / 1000 / stats.frames.max(1),
        ),
        format!(
            "{} rows in {} files, {} bytes, in {}",
            summary.rows,
            summary.files,
            summary.bytes,
            args.output.display()
        ),
    ];
    if lost.ticks > 0 {
        lines.push(format!(
            "for want of room {} ticks with {} samples were not recorded",
            lost.ticks, lost.rows
        ));
    }
    if summary.earlier_files > 0 {
        lines.push(format!(
            "{} files that an earlier run left open are closed",
            summary.earlier_files
        ));
    }
    if summary.removed_files > 0 {
        lines.push(format!(
            "{} files were removed by age or size",
            summary.removed_files
        ));
    }
    if let Some(texts) = texts {
        lines.push(format!(
            "SQL text, {}: {} statements proven, {} not",
            texts.form.name(),
            texts.proven,
            texts.unproven,
        ));
    }
    lines
}
