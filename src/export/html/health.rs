//! How far to trust the recording, and what stands out in it, in plain words.
//!
//! Callers: [`super::Page::render`].

use maud::{Markup, html};

use super::chart::watched;
use super::text::{self, shown, span, thousands};
use super::{tables, times};
use crate::analyze::chains::{ChainTable, FinalBlocker};
use crate::analyze::cube::{Cube, Dimension};
use crate::analyze::{ReportMeta, Row};

/// How the recorder did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Grade {
    Good,
    Fair,
    Poor,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Grade::Good => "Good",
            Grade::Fair => "Fair",
            Grade::Poor => "Poor",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Grade::Good => "good",
            Grade::Fair => "fair",
            Grade::Poor => "poor",
        }
    }

    /// By a share and its limits.
    fn of(share: f64, fair: f64, poor: f64) -> Grade {
        match share {
            s if s > poor => Grade::Poor,
            s if s > fair => Grade::Fair,
            _ => Grade::Good,
        }
    }
}

/// Ticks below which an average says little.
const FEW_TICKS: u64 = 30;

/// The grade, and every reason for it that isn't good.
fn judged(cube: &Cube) -> (Grade, Vec<String>) {
    let meta = &cube.meta;
    let mut found: Vec<(Grade, String)> = Vec::new();
    let mut add = |grade: Grade, what: String| {
        if grade > Grade::Good {
            found.push((grade, what));
        }
    };
    if meta.forced {
        add(
            Grade::Poor,
            "the blueprint was forced: any value may be wrong".into(),
        );
    }
    if meta.ticks == 0 {
        add(
            Grade::Poor,
            "there is no tick: how long was watched isn't known, so there is no AAS".into(),
        );
    } else if meta.ticks < FEW_TICKS {
        add(
            Grade::Fair,
            format!(
                "only {}: averages of so few say little",
                text::count(meta.ticks, "tick")
            ),
        );
    }
    let lost = meta.missed.saturating_add(meta.dropped);
    let share = lost as f64 / meta.ticks.saturating_add(lost).max(1) as f64;
    add(
        Grade::of(share, 0.01, 0.1),
        format!(
            "{:.1} % of the ticks were missed or dropped; others count for them",
            100.0 * share
        ),
    );
    let torn = meta.torn_share();
    add(
        Grade::of(torn, 0.001, 0.01),
        format!(
            "{:.2} % of the rows changed while they were read",
            100.0 * torn
        ),
    );
    let faulted = meta.faulted as f64 / meta.rows_seen.max(1) as f64;
    let grade = Grade::of(faulted, 0.0, 0.01);
    add(
        grade,
        format!(
            "{} had a part that couldn't be read",
            text::count(meta.faulted, "row")
        ),
    );
    if let Some(gaps) = gaps(cube) {
        let watched_us = meta.elapsed_seconds.unwrap_or(0.0) * 1e6;
        let share = cube.watch.gaps_us as f64 / (watched_us + cube.watch.gaps_us as f64);
        add(
            Grade::of(share, 0.0, 0.1),
            format!("nobody looked for {gaps}"),
        );
    }
    if meta.truncated_files > 0 {
        let files = text::count(meta.truncated_files, "file");
        add(
            Grade::Fair,
            format!(
                "{files} ended within a flush: it was being written, or the recorder was killed, and its last second may be missing"
            ),
        );
    }
    if meta.unproven_files > 0 {
        let files = text::count(meta.unproven_files, "file");
        let what = format!("{files} without checksums: damage to them may not be seen");
        add(Grade::Fair, what);
    }
    if meta.unjoined > 0 {
        let times = text::count(meta.unjoined, "time");
        add(
            Grade::Fair,
            format!(
                "{times} a sample refers to a session, cursor or event that the recording lacks: its columns are empty there"
            ),
        );
    }
    let worst = found.iter().map(|(grade, _)| *grade).max();
    let mut reasons: Vec<(Grade, String)> = found;
    reasons.sort_by_key(|(grade, _)| std::cmp::Reverse(*grade));
    (
        worst.unwrap_or(Grade::Good),
        reasons.into_iter().map(|(_, what)| what).collect(),
    )
}

fn gaps(cube: &Cube) -> Option<String> {
    let watch = &cube.watch;
    (watch.gaps_total > 0).then(|| {
        let gaps = text::count(watch.gaps_total, "gap");
        format!("{} in all ({gaps})", span(watch.gaps_us))
    })
}

/// The verdict, in one line.
pub(super) fn verdict(cube: &Cube) -> Markup {
    let (grade, reasons) = judged(cube);
    let meta = &cube.meta;
    html! {
        p class=(format!("verdict {}", grade.key())) {
            b { "Recording: " (grade.word()) "." } " "
            @if reasons.is_empty() {
                "The recorder kept up: " (thousands(meta.ticks)) " of "
                (thousands(meta.ticks + meta.missed + meta.dropped)) " ticks taken, nothing torn or lost that matters."
            } @else {
                (sentence(&reasons.join("; ")))
            }
            " " a href="#health" { "details" }
        }
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str() + "."
}

/// The recorder's own account.
pub(super) fn section(cube: &Cube) -> Markup {
    let meta = &cube.meta;
    let lost = |number: u64| {
        let share = 100.0 * number as f64 / (meta.ticks + meta.missed + meta.dropped).max(1) as f64;
        format!("{} ({share:.2} %)", thousands(number))
    };
    let rows = |number: u64| {
        let share = 100.0 * number as f64 / meta.rows_seen.max(1) as f64;
        format!("{} ({share:.3} %)", thousands(number))
    };
    let facts = [
        (
            "Ticks taken",
            thousands(meta.ticks),
            "looks at all sessions",
        ),
        ("Missed", lost(meta.missed), "an earlier look took too long"),
        (
            "Dropped",
            lost(meta.dropped),
            "looked, but writing was behind",
        ),
        (
            "Late",
            format!(
                "{:.0} µs on average, {} at most",
                meta.late_mean_us,
                span(meta.late_max_us)
            ),
            "behind their own time",
        ),
        (
            "Rows looked at",
            thousands(meta.rows_seen),
            "sessions, over all ticks",
        ),
        ("Torn", rows(meta.torn), "still moving after retries"),
        ("Faulted", rows(meta.faulted), "a part couldn't be read"),
        (
            "Not watched",
            gaps(cube).unwrap_or_else(|| "never".into()),
            "between the first tick and the last",
        ),
        (
            "Cut files",
            thousands(meta.truncated_files),
            "being written, or the recorder was killed",
        ),
    ];
    html! {
        section class="health" id="health" {
            h2 { "Recorder" }
            dl {
                @for (name, value, meaning) in facts {
                    div { dt { (name) } dd { b { (value) } " " span { (meaning) } } }
                }
            }
            @if !cube.watch.gaps.is_empty() {
                details {
                    summary { "When nobody looked" @if cube.watch.gaps_total > cube.watch.gaps.len() as u64 { ", the longest times" } }
                    ul {
                        @for gap in &cube.watch.gaps {
                            li { (times(Some(gap.from_us), Some(gap.to_us))) }
                        }
                    }
                }
            }
        }
    }
}

/// What stands out in the whole window, most urgent first.
pub(super) fn in_short(cube: &Cube, chains: &ChainTable, cpu_count: Option<u32>) -> Vec<Markup> {
    let meta = &cube.meta;
    if meta.samples == 0 {
        return vec![html! { "No session was active whenever it was looked, in this window." }];
    }
    let mut lines = vec![load(cube, cpu_count)];
    let of = |name: &str| cube.dimensions.iter().find(|d| d.name == name);
    let most = |name: &str| of(name).and_then(first_known);
    if let (Some((class, _)), Some((event, value))) = (most("wait_class"), most("event")) {
        let class_name = class
            .values
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        lines.push(html! {
            "Most time: " b { (percent(class.pct)) " " (shown(&class_name)) } "; the largest event is "
            b { bdi { (value) } } " with " (percent(event.pct)) "."
        });
    }
    if let Some((row, value)) = most("sql_id") {
        lines.push(html! { "Top statement: " code { (value) } " with " b { (percent(row.pct)) } " of the time." });
    }
    if let Some(row) = chains
        .finals
        .first()
        .filter(|row| row.seconds >= 0.01 * meta.total_seconds)
    {
        let idle = matches!(&row.final_blocker, FinalBlocker::Session { idle: true, .. });
        lines.push(html! {
            "Blocked: " b { (percent(100.0 * chains.meta.blocked_us as f64 / 1e6 / meta.total_seconds)) }
            " of the time was waiting for other sessions, "
            @if row.final_blocker == FinalBlocker::Unknown {
                "of which memory names no blocker for " (percent(row.pct)) "."
            } @else {
                (percent(row.pct)) " of that for " b { bdi { (tables::blocker(&row.final_blocker)) } }
                @if idle { ", which does nothing itself" }
                "."
            }
        });
    }
    lines
}

/// The largest value that is one.
fn first_known(dimension: &Dimension) -> Option<(&Row, String)> {
    let known = |row: &&Row| row.values.iter().all(|v| !v.to_string().is_empty());
    let row = dimension.kept.iter().find(known)?;
    let values: Vec<String> = row.values.iter().map(|v| shown(&v.to_string())).collect();
    Some((row, values.join(",")))
}

fn load(cube: &Cube, cpu_count: Option<u32>) -> Markup {
    let meta: &ReportMeta = &cube.meta;
    let watched = watched(cube);
    let busiest = cube.total.iter().filter_map(|(step, us)| {
        let watched = *watched.get(*step as usize)?;
        (watched > 0).then(|| (*step, *us as f64 / watched as f64))
    });
    let busiest = busiest.max_by(|a, b| a.1.total_cmp(&b.1));
    let aas = meta.aas.unwrap_or(0.0);
    html! {
        "Load: " b { (format!("{aas:.2}")) } " active sessions on average"
        @if let Some(cpus) = cpu_count.filter(|c| *c > 0) {
            " (" (format!("{:.1}", aas / f64::from(cpus))) " per CPU)"
        }
        @if let Some((step, most)) = busiest {
            @let from = cube.steps.start_us.saturating_add(cube.steps.width_us.saturating_mul(step.into()));
            ", at most " b { (format!("{most:.2}")) } " in the " (span(cube.steps.width_us as u64)) " from " (times(Some(from), None))
        }
        "."
    }
}

fn percent(share: f64) -> String {
    format!("{share:.0} %")
}
