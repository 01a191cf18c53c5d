//! The tables of a page: what took the time, by each dimension, and who waited for whom.
//!
//! The script fills the same rows anew for a range or a filter. Callers: [`super::Page::render`].

use maud::{Markup, html};

use super::classes::{UNKNOWN, key, rank};
use super::text::{self, MOST_SQL_CHARS, count, seconds_of, shown, shown_sql, span};
use super::{MOST_INSTANCES, Page};
use crate::analyze::Value;
use crate::analyze::chains::FinalBlocker;
use crate::analyze::cube::{Cube, DIMENSIONS, Dimension, SESSION};

/// Rows that are shown at first.
pub(super) const ROWS: usize = 15;

/// How a dimension is headed.
struct Head {
    dimension: &'static str,
    title: &'static str,
    value: &'static str,
    detail: Option<&'static str>,
    /// Half as wide as the page.
    narrow: bool,
}

const fn head(
    dimension: &'static str,
    title: &'static str,
    value: &'static str,
    detail: Option<&'static str>,
    narrow: bool,
) -> Head {
    Head {
        dimension,
        title,
        value,
        detail,
        narrow,
    }
}

/// In the order of the page.
const HEADS: [Head; 6] = [
    head("sql_id", "Top SQL", "SQL_ID", Some("Text"), false),
    head("event", "Top events", "Event", Some("Wait class"), false),
    head(SESSION, "Top sessions", "SID, SERIAL#", Some("Who"), false),
    head("program", "Programs", "Program", None, true),
    head("module", "Modules", "Module", None, true),
    head("username", "Users", "User", None, true),
];

/// All tables.
pub(super) fn sections(page: &Page) -> Markup {
    let cube = &page.cube;
    let place = |head: &Head| {
        cube.dimensions
            .iter()
            .position(|d| d.name == head.dimension)
    };
    let table = |head: &Head| {
        place(head).map_or_else(
            || html! { p class="nothing" { "The recording has no column for this." } },
            |at| dimension(page, head, at),
        )
    };
    html! {
        @for head in HEADS.iter().filter(|head| !head.narrow) {
            section class="wide" {
                h2 { (head.title) }
                @if head.dimension == "sql_id" { (about_texts(page)) }
                (table(head))
            }
            @if head.dimension == "event" { (chains(page)) }
        }
        div class="columns" {
            @for head in HEADS.iter().filter(|head| head.narrow) {
                section { h2 { (head.title) } (table(head)) }
            }
        }
    }
}

fn about_texts(page: &Page) -> Markup {
    html! {
        @match (&page.texts.form, &page.texts.why) {
            (None, Some(why)) => { p class="note" { "No texts: " (why) "." } },
            (Some(form), why) => {
                p class="note" {
                    "Texts are " (form.name()) @if let Some(why) = why { ": " (why) }
                    @if form.name() == "redacted" { " (without literals and comments)" } "."
                }
            },
            (None, None) => {},
        }
    }
}

/// The part of each class in each value's time, in the order of the stack.
fn splits(cube: &Cube, at: usize) -> Vec<Vec<(usize, u64)>> {
    let mut all: Vec<std::collections::BTreeMap<usize, u64>> =
        vec![Default::default(); cube.dimensions[at].kept.len()];
    let classes = cube.dimensions.first().filter(|d| d.name == "wait_class");
    for combination in &cube.cells.combinations {
        let (Some(class), Some(value)) = (combination.places.first(), combination.places.get(at))
        else {
            continue;
        };
        let class = classes.and_then(|d| d.kept.get(usize::from(*class)));
        let class = class
            .and_then(|row| row.values.first())
            .map_or_else(|| rank(&Value::Null), rank);
        if let Some(split) = all.get_mut(usize::from(*value)) {
            let us: u64 = combination.sums.iter().map(|(_, us)| us).sum();
            *split.entry(class).or_default() += us;
        }
    }
    all.into_iter()
        .map(|split| split.into_iter().collect())
        .collect()
}

/// A bar of `share` percent of the whole, cut by class.
fn bar(share: f64, split: &[(usize, u64)]) -> Markup {
    let all: u64 = split.iter().map(|(_, us)| us).sum();
    let mut x = 0.0;
    let mut parts = Vec::new();
    for (class, us) in split {
        let width = share * *us as f64 / all.max(1) as f64;
        parts.push((super::classes::CLASSES[*class].key, x, width));
        x += width;
    }
    if parts.is_empty() {
        parts.push((UNKNOWN, 0.0, share));
    }
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            @for (key, x, width) in parts {
                rect class=(format!("k-{key}")) x=(format!("{x:.2}")) width=(format!("{width:.2}")) height="10" {}
            }
        }
    }
}

/// Bars are as long as their share of the largest: what is to be compared are rows.
fn of_largest(pct: f64, largest: f64) -> f64 {
    match largest > 0.0 {
        true => (100.0 * pct / largest).min(100.0),
        false => 0.0,
    }
}

fn dimension(page: &Page, head: &Head, at: usize) -> Markup {
    let cube = &page.cube;
    let dimension = &cube.dimensions[at];
    let splits = splits(cube, at);
    let largest = dimension.kept.first().map_or(0.0, |row| row.pct);
    let shown_rows = dimension.kept.iter().zip(&splits).enumerate().take(ROWS);
    let rest: f64 =
        cube.meta.total_seconds - dimension.kept.iter().map(|r| r.total_seconds).sum::<f64>();
    html! {
        table data-dimension=(at) data-name=(dimension.name) {
            (table_head(head.value, head.detail))
            tbody {
                @for (place, (row, split)) in shown_rows {
                    tr data-place=(place) {
                        td class="share" { (bar(of_largest(row.pct, largest), split)) span { (format!("{:.1} %", row.pct)) } }
                        td class="n" { (format!("{:.2}", row.total_seconds)) }
                        td class="n" { @if let Some(aas) = row.aas { (format!("{aas:.2}")) } }
                        td class="value" { (value_of(dimension, place)) }
                        @if head.detail.is_some() { td class="detail" { (detail_of(page, dimension, place, split)) } }
                        td class="t" { (time(row.first_seen_us)) }
                        td class="t" { (time(row.last_seen_us)) }
                    }
                }
                @if dimension.others > 0 && rest > 0.0 {
                    tr class="others" {
                        td class="share" { span { (format!("{:.1} %", 100.0 * rest / cube.meta.total_seconds)) } }
                        td class="n" { (format!("{rest:.2}")) }
                        td class="n" {}
                        td class="value" { "(" (count(dimension.others, "other")) ")" }
                        @if head.detail.is_some() { td {} }
                        td {} td {}
                    }
                }
            }
        }
        @if dimension.kept.is_empty() { p class="nothing" { "Nothing." } }
        p class="more" { @if dimension.kept.len() > ROWS { (count((dimension.kept.len() - ROWS) as u64, "more row")) } }
    }
}

fn table_head(value: &str, detail: Option<&str>) -> Markup {
    html! {
        thead {
            tr {
                th data-sort="us" scope="col" { "Share" }
                th data-sort="us" scope="col" class="n" { "Seconds" }
                th data-sort="us" scope="col" class="n" { "AAS" }
                th data-sort="text" scope="col" { (value) }
                @if let Some(detail) = detail { th scope="col" { (detail) } }
                th data-sort="first" scope="col" class="t" { "First seen" }
                th data-sort="last" scope="col" class="t" { "Last seen" }
            }
        }
    }
}

fn time(us: i64) -> Markup {
    html! { time data-us=(us) data-clock="" datetime=(text::rfc3339(us)) { (seconds_of(us)) } }
}

/// A kept value's name.
pub(super) fn name_of(dimension: &Dimension, place: usize) -> String {
    let values = dimension.kept.get(place).map(|row| row.values.as_slice());
    let values = values.unwrap_or_default();
    if dimension.name == SESSION {
        return session_name(dimension, values);
    }
    let text = values.first().map(ToString::to_string).unwrap_or_default();
    match text.is_empty() {
        true => "(none)".to_owned(),
        false => shown(&text),
    }
}

/// `SID,SERIAL#`, with `@INSTANCE` where there are several.
fn session_name(dimension: &Dimension, values: &[Value]) -> String {
    let instance = dimension.columns.iter().position(|c| c == "instance_name");
    let numbers = values
        .iter()
        .enumerate()
        .filter(|(at, _)| Some(*at) != instance);
    let numbers: Vec<String> = numbers.map(|(_, value)| value.to_string()).collect();
    let mut name = numbers.join(",");
    if let Some(at) = instance
        && dimension
            .kept
            .iter()
            .any(|row| row.values.get(at) != values.get(at))
        && let Some(of) = values.get(at)
    {
        name.push('@');
        name.push_str(&of.to_string());
    }
    shown(&name)
}

/// What else is told of a kept value.
pub(super) fn about(page: &Page, dimension: &Dimension, place: usize) -> String {
    match dimension.name {
        SESSION => {
            let about = dimension
                .about
                .get(place)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let texts = about.iter().map(ToString::to_string);
            let texts: Vec<String> = texts.filter(|t| !t.is_empty() && t != "USER").collect();
            shown(&texts.join(" · "))
        }
        "sql_id" => {
            let id = dimension.kept.get(place).and_then(|row| row.values.first());
            let text = id.and_then(|id| page.texts.get(&id.to_string()));
            text.map(shown_sql).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn value_of(dimension: &Dimension, place: usize) -> Markup {
    html! { bdi { (name_of(dimension, place)) } }
}

fn detail_of(page: &Page, dimension: &Dimension, place: usize, split: &[(usize, u64)]) -> Markup {
    let about = about(page, dimension, place);
    match dimension.name {
        "sql_id" if !about.is_empty() => sql(&about),
        "event" => {
            let class = split
                .iter()
                .max_by_key(|(_, us)| *us)
                .map(|(class, _)| super::classes::CLASSES[*class].name);
            html! { (class.unwrap_or_default()) }
        }
        _ => html! { bdi { (about) } },
    }
}

/// A statement, folded.
fn sql(text: &str) -> Markup {
    html! { details class="sql" { summary { code { (one_line(text)) } } pre { (text) } } }
}

/// The beginning of a statement in one line.
fn one_line(text: &str) -> String {
    const MOST: usize = 200;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.chars().count() > MOST {
        true => line.chars().take(MOST).collect::<String>() + "…",
        false => line,
    }
}

/// A final blocker in words.
pub(super) fn blocker(end: &FinalBlocker) -> String {
    let who = |parts: [&Option<String>; 3]| {
        let parts = parts.into_iter().flatten().map(String::as_str);
        parts.collect::<Vec<_>>().join(" · ")
    };
    let text = match end {
        FinalBlocker::Session {
            sid,
            serial_no,
            idle,
            username,
            program,
            machine,
            ..
        } => {
            let state = if *idle { "idle" } else { "active" };
            format!(
                "{sid},{serial_no} {state}  {}",
                who([username, program, machine])
            )
        }
        FinalBlocker::Elsewhere {
            instance: Some(instance),
            sid,
        } => format!("SID {sid} of instance {instance}, not looked at"),
        FinalBlocker::Elsewhere {
            instance: None,
            sid,
        } => format!("SID {sid}, not among the samples (idle sessions are recorded with --idle)"),
        FinalBlocker::Cycle => "a ring: sessions that wait for each other".to_owned(),
        FinalBlocker::Unknown => "(not known: memory names no blocker)".to_owned(),
    };
    shown(text.trim_end())
}

fn chains(page: &Page) -> Markup {
    let chains = &page.chains;
    let blocked = chains.meta.blocked_us as f64 / 1e6;
    html! {
        section class="wide" {
            h2 { "Who blocks" }
            @if let Some(why) = &page.no_chains {
                p class="nothing" { "No wait chains: " (shown(why)) }
            } @else if chains.finals.is_empty() {
                p class="nothing" { "No session waited for another one." }
            } @else {
                p class="note" {
                    (format!("{blocked:.2}")) " s of waiting for other sessions, by the session at the end of the chain. Shares are of that time."
                    span class="script-only" { " Narrowed by time, not by filters." }
                }
                table data-ends="finals" {
                    (table_head("Final blocker", None))
                    @let largest = chains.finals.first().map_or(0.0, |row| row.pct);
                    tbody {
                        @for row in chains.finals.iter().take(ROWS) {
                            (end_row(largest, row.pct, row.seconds, row.aas, html! { bdi { (blocker(&row.final_blocker)) } }, (row.first_seen_us, row.last_seen_us)))
                        }
                    }
                }
                h3 { "Wait chains" }
                p class="note" { "Who waits for whom, from the session that waits to the one at the end. Shares are of all active time." }
                table data-ends="chains" {
                    (table_head("Chain", None))
                    @let largest = chains.chains.first().map_or(0.0, |row| row.pct);
                    tbody {
                        @for row in chains.chains.iter().take(ROWS) {
                            (end_row(largest, row.pct, row.seconds, row.aas, html! { bdi { (chain_text(&row.chain)) } }, (row.first_seen_us, row.last_seen_us)))
                        }
                    }
                }
            }
        }
    }
}

/// A chain as ash_wait_chains prints it; it is longer than a name.
pub(super) fn chain_text(chain: &str) -> String {
    let text = shown_sql(chain);
    text.replace(['\n', '\t'], " ")
}

fn end_row(
    largest: f64,
    pct: f64,
    seconds: f64,
    aas: Option<f64>,
    value: Markup,
    seen: (i64, i64),
) -> Markup {
    html! {
        tr {
            td class="share" { (bar(of_largest(pct, largest), &[])) span { (format!("{pct:.1} %")) } }
            td class="n" { (format!("{seconds:.2}")) }
            td class="n" { @if let Some(aas) = aas { (format!("{aas:.2}")) } }
            td class="value" { (value) }
            td class="t" { (time(seen.0)) }
            td class="t" { (time(seen.1)) }
        }
    }
}

/// What the page leaves out, in words.
pub(super) fn cuts(page: &Page) -> Vec<String> {
    let cube = &page.cube;
    let mut lines = vec![format!(
        "The chart has {} of {}; a range is of whole ones.",
        count(cube.steps.count as u64, "step"),
        span(cube.steps.width_us as u64)
    )];
    let kept = DIMENSIONS
        .iter()
        .skip(1)
        .map(|spec| format!("{} {}", spec.keep, spec.name));
    lines.push(format!(
        "Of each kind the values with the most time are kept, and those that were largest for a while: at most {}. All others are one row.",
        kept.collect::<Vec<_>>().join(", ")
    ));
    if cube.cells.slot_steps > 1 {
        lines.push(format!(
            "There is too much to filter at that resolution: with a filter, ranges are multiples of {} and the chart is as coarse; so are the colours within bars.",
            span((cube.steps.width_us as u64).saturating_mul(u64::from(cube.cells.slot_steps)))
        ));
    }
    for (dimension, told) in cube.dimensions.iter().zip(&cube.cells.told_apart) {
        if usize::from(*told) < dimension.kept.len() {
            lines.push(format!(
                "Only the largest {told} values of {} can be used as a filter here; for others narrow the window, or use sgascope report.",
                dimension.name
            ));
        }
    }
    let long = cube
        .dimensions
        .iter()
        .filter(|d| d.name == "sql_id")
        .flat_map(|d| &d.kept)
        .filter_map(|row| page.texts.get(&row.values.first()?.to_string()));
    let long = long
        .filter(|text| text.chars().count() > MOST_SQL_CHARS)
        .count();
    if long > 0 {
        lines.push(format!(
            "{} after {MOST_SQL_CHARS} characters.",
            count(long as u64, "statement") + " cut"
        ));
    }
    lines.push(format!(
        "At most {} final blockers and chains, and {MOST_INSTANCES} instances.",
        super::CHAINS
    ));
    if !cube.meta.forced && cube.watch.sources.len() > 1 {
        lines.push(
            "AAS is that of all instances together, by the one that was watched longest."
                .to_owned(),
        );
    }
    lines
}

/// The key of a class value's colour.
pub(super) fn class_key(dimension: &Dimension, place: usize) -> &'static str {
    let value = dimension.kept.get(place).and_then(|row| row.values.first());
    value.map_or(UNKNOWN, key)
}
