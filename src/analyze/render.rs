//! A report as text: table, JSON, JSON lines, CSV.
//!
//! Not for: colours and screens. Callers: `cli`.

use std::ops::Range;

use comfy_table::{
    Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::table::{ReportMeta, ReportTable, Row};
use super::value::time_text;

/// Columns of the terminal that [`render_table`] fits into, where it can.
pub const TABLE_WIDTH: usize = 120;
const MIN_GROUP_WIDTH: usize = 8;

/// The columns of ashtop, as sqlplus would align them, in a width of 120.
pub fn render_table(report: &ReportTable) -> String {
    render_table_wide(report, TABLE_WIDTH)
}

/// Several tables of the same samples, one after the other, under one head.
pub fn render_tables(reports: &[ReportTable]) -> String {
    let mut out = String::new();
    for (number, report) in reports.iter().enumerate() {
        let text = render_table(report);
        if number == 0 {
            out.push_str(&text);
            continue;
        }
        // The head is the same but for the number of groups, which the first line ends with.
        let body = text.split_once("\n\n").map_or("", |(_, body)| body);
        let shown = report.rows.len() as u64;
        out.push_str(&format!(
            "\nBy {}: {shown} of {} groups\n\n{body}",
            report.groups.join(", "),
            report.meta.groups_total,
        ));
    }
    out
}

/// The columns of ashtop, fitted into `width` characters where that can be: first times lose their
/// date if all are of one day, then the texts of the groups are cut.
pub fn render_table_wide(report: &ReportTable, width: usize) -> String {
    let mut out = header_lines(&report.meta, report);
    if report.rows.is_empty() {
        out.push_str("\nNo active samples.\n");
        return out;
    }
    let groups = report.groups.len();
    let intervals = report.rows.iter().any(|row| row.interval.is_some());
    let mut cells: Vec<Vec<String>> = Vec::with_capacity(report.rows.len());
    let mut short_times = false;
    let mut widths = Vec::new();
    for attempt in [false, true] {
        short_times = attempt && one_day(report);
        cells = report
            .rows
            .iter()
            .map(|row| row_cells(row, intervals, short_times))
            .collect();
        widths = column_widths(&headings(report, intervals), &cells);
        if total_width(&widths) <= width {
            break;
        }
    }
    let first_group = if intervals { 4 } else { 3 };
    cut_groups(
        &mut cells,
        &mut widths,
        first_group..first_group + groups,
        width,
    );
    if short_times && let Some(row) = report.rows.first() {
        out.push_str(&format!(
            "Times of {}, UTC.\n",
            clock(row.first_seen_us, "%Y-%m-%d")
        ));
    }
    out.push('\n');
    let texts = first_group..first_group + groups + 2;
    out.push_str(&draw(headings(report, intervals), cells, texts));
    out
}

/// One object, indented: `{"meta": …, "groups": […], "rows": […]}`.
///
/// # Errors
/// None in practice: all names are texts.
pub fn render_json(report: &ReportTable) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}

/// One object per row and line.
///
/// # Errors
/// None in practice: all names are texts.
pub fn render_jsonl(report: &ReportTable) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for record in report.records() {
        text.push_str(&serde_json::to_string(&record)?);
        text.push('\n');
    }
    Ok(text)
}

/// RFC 4180 with a line of names; null is an empty field.
pub fn render_csv(report: &ReportTable) -> String {
    let mut names: Vec<String> = ["total_seconds", "aas", "pct"].map(str::to_owned).to_vec();
    if report.rows.iter().any(|row| row.interval.is_some()) {
        names.extend(["aas_std_error", "aas_low", "aas_high"].map(str::to_owned));
    }
    names.extend(report.groups.iter().cloned());
    let last = [
        "first_seen",
        "last_seen",
        "distinct_execs",
        "distinct_tstamps",
        "samples",
    ];
    names.extend(last.map(str::to_owned));
    csv_of(&names, report.records())
}

/// Records as lines of CSV after a line of names.
pub(super) fn csv_of(names: &[String], records: impl Iterator<Item = Map<String, Json>>) -> String {
    let mut text = csv_line(names.iter().map(String::as_str));
    for record in records {
        let fields: Vec<String> = names
            .iter()
            .map(|name| match record.get(name) {
                None | Some(Json::Null) => String::new(),
                Some(Json::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            })
            .collect();
        text.push_str(&csv_line(fields.iter().map(String::as_str)));
    }
    text
}

pub(super) fn csv_line<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = fields
        .map(|field| {
            if field.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field.to_owned()
            }
        })
        .collect();
    quoted.join(",") + "\r\n"
}

/// What the report is of, and how well its recorder did.
fn header_lines(meta: &ReportMeta, report: &ReportTable) -> String {
    let mut out = String::new();
    if meta.forced {
        out.push_str("WARNING: recorded with a forced blueprint; values may be wrong.\n");
    }
    let time = |time: Option<i64>| time.map_or("?".to_owned(), time_text);
    out.push_str(&format!("{} to {}", time(meta.from_us), time(meta.to_us)));
    if let Some(elapsed) = meta.elapsed_seconds {
        out.push_str(&format!(", {elapsed:.1} s watched"));
    }
    out.push_str(&format!(", {:.2} s active", meta.total_seconds));
    if let Some(aas) = meta.aas {
        out.push_str(&format!(", AAS {aas:.2}"));
    }
    let (shown, all) = (report.rows.len() as u64, meta.groups_total);
    if shown < all {
        let share: f64 = report.rows.iter().map(|row| row.pct).sum();
        out.push_str(&format!(", {shown} of {all} groups ({share:.1} %)"));
    }
    out.push('\n');
    out.push_str(&format!(
        "Recorder: {} ticks, {} missed, {} dropped, late {:.0} µs on average and {} µs at most, \
         {:.3} % of rows torn, {} faulted",
        meta.ticks,
        meta.missed,
        meta.dropped,
        meta.late_mean_us,
        meta.late_max_us,
        100.0 * meta.torn_share(),
        meta.faulted,
    ));
    if meta.truncated_files > 0 {
        out.push_str(&format!(
            ", {} file(s) end within a flush",
            meta.truncated_files
        ));
    }
    out.push('\n');
    if meta.unproven_files > 0 {
        out.push_str(&format!(
            "Unproven: {} file(s) carry no checksums, so damage to them may not be seen\n",
            meta.unproven_files
        ));
    }
    if meta.unjoined > 0 {
        out.push_str(&format!(
            "Missing: {} times a sample refers to a session, cursor or event that the recording lacks; its columns are empty there\n",
            meta.unjoined
        ));
    }
    out
}

fn headings(report: &ReportTable, intervals: bool) -> Vec<String> {
    let mut all = vec!["Total\nSeconds".to_owned(), "AAS".to_owned()];
    if intervals {
        all.push("95 % of AAS".to_owned());
    }
    all.push("%This".to_owned());
    all.extend(report.groups.iter().map(|name| name.to_uppercase()));
    let last = [
        "FIRST_SEEN",
        "LAST_SEEN",
        "Distinct\nExecs",
        "Distinct\nTstamps",
    ];
    all.extend(last.map(str::to_owned));
    all
}

fn row_cells(row: &Row, intervals: bool, short_times: bool) -> Vec<String> {
    let format = if short_times {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    let mut cells = vec![
        format!("{:.2}", row.total_seconds),
        row.aas.map_or(String::new(), |aas| format!("{aas:.2}")),
    ];
    if intervals {
        let shown = row.interval.map(|i| format!("{:.2}-{:.2}", i.low, i.high));
        cells.push(shown.unwrap_or_default());
    }
    cells.push(format!("{:.0} %", row.pct));
    cells.extend(row.values.iter().map(|value| printable(&value.to_string())));
    cells.push(clock(row.first_seen_us, format));
    cells.push(clock(row.last_seen_us, format));
    cells.push(row.distinct_execs.to_string());
    cells.push(row.distinct_tstamps.to_string());
    cells
}

/// Text without anything that a terminal would act on: names come from the monitored clients.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn clock(time_us: i64, format: &str) -> String {
    match Timestamp::from_microsecond(time_us) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => time_us.to_string(),
    }
}

fn one_day(report: &ReportTable) -> bool {
    let day = |time_us| clock(time_us, "%Y-%m-%d");
    let first = report.rows.first().map(|row| day(row.first_seen_us));
    report
        .rows
        .iter()
        .flat_map(|row| [row.first_seen_us, row.last_seen_us])
        .all(|time_us| Some(day(time_us)) == first)
}

fn column_widths(headings: &[String], cells: &[Vec<String>]) -> Vec<usize> {
    let longest_line = |text: &String| text.lines().map(|l| l.chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = headings.iter().map(longest_line).collect();
    for row in cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn total_width(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + widths.len().saturating_sub(1)
}

/// A table whose columns `groups` are cut so that it fits into `width`; texts reach to `texts_end`.
pub(super) fn fitted(
    headings: Vec<String>,
    mut cells: Vec<Vec<String>>,
    groups: Range<usize>,
    texts_end: usize,
    width: usize,
) -> String {
    let mut widths = column_widths(&headings, &cells);
    let texts = groups.start..texts_end;
    cut_groups(&mut cells, &mut widths, groups, width);
    draw(headings, cells, texts)
}

fn cut_groups(cells: &mut [Vec<String>], widths: &mut [usize], groups: Range<usize>, width: usize) {
    fit_groups(widths, groups, width);
    for row in cells {
        for (cell, width) in row.iter_mut().zip(widths.iter()) {
            *cell = cut(cell, *width);
        }
    }
}

/// Narrows the widest group columns until all fits or none can be narrower.
fn fit_groups(widths: &mut [usize], groups: Range<usize>, width: usize) {
    while total_width(widths) > width {
        let widest = groups.clone().max_by_key(|index| widths[*index]);
        match widest {
            Some(index) if widths[index] > MIN_GROUP_WIDTH => widths[index] -= 1,
            _ => return,
        }
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

fn draw(headings: Vec<String>, cells: Vec<Vec<String>>, texts: Range<usize>) -> String {
    let style = TableStyle::new()
        .header_lines(ContentLineStyle::none().junction(' '))
        .header_separator(LineStyle::none().fill('-').junction(' '))
        .content_lines(ContentLineStyle::none().junction(' '));
    let mut table = Table::new();
    table.load_style(style);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let on_last_line = |heading: String| match heading.contains('\n') {
        true => heading,
        false => format!("\n{heading}"),
    };
    table.set_header(headings.into_iter().map(|h| Cell::new(on_last_line(h))));
    for row in cells {
        table.add_row(row.into_iter().map(Cell::new));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 0));
        let is_text = texts.contains(&index);
        column.set_cell_alignment(match is_text {
            true => CellAlignment::Left,
            false => CellAlignment::Right,
        });
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
