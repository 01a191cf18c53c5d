//! A comparison as text: table, JSON, JSON lines, CSV.
//!
//! Callers: `cli`.

use super::compare::{Change, ChangeRow, Comparison, LEVEL};
use super::render::{TABLE_WIDTH, csv_of, fitted, printable};
use super::table::ReportMeta;
use super::value::time_text;

/// Columns before the groups.
const FIGURES: usize = 6;

/// A table for people in a width of 120.
pub fn render_table(comparison: &Comparison) -> String {
    let mut out = String::new();
    for (name, meta) in [("before", &comparison.before), ("after", &comparison.after)] {
        out.push_str(&window_line(name, meta));
    }
    let changed = comparison
        .rows
        .iter()
        .filter(|row| row.significant())
        .count();
    let tested = comparison.rows.iter().any(|row| row.p.is_some());
    if tested {
        let (before, after) = comparison.blocks;
        out.push_str(&format!(
            "{changed} of the {} groups shown (of {}) changed by more than chance: Welch's t of {before} and {after} \
             blocks of time, Holm's p < {LEVEL}\n",
            comparison.rows.len(), comparison.groups_total,
        ));
    } else {
        out.push_str("Too little was watched to tell changes from chance.\n");
    }
    if comparison.rows.is_empty() {
        out.push_str("\nNo active samples.\n");
        return out;
    }
    let mut headings: Vec<String> = [
        "AAS\nbefore",
        "AAS\nafter",
        "Change",
        "95 % of\nchange",
        "Ratio",
        "p\n(Holm)",
    ]
    .map(str::to_owned)
    .to_vec();
    headings.extend(comparison.groups.iter().map(|name| name.to_uppercase()));
    headings.push("WHAT".to_owned());
    let cells = comparison.rows.iter().map(cells).collect();
    let groups = FIGURES..FIGURES + comparison.groups.len();
    out.push('\n');
    out.push_str(&fitted(
        headings,
        cells,
        groups.clone(),
        groups.end + 1,
        TABLE_WIDTH,
    ));
    out
}

fn window_line(name: &str, meta: &ReportMeta) -> String {
    let time = |time: Option<i64>| time.map_or("?".to_owned(), time_text);
    let mut line = format!("{name:>6}: {} to {}", time(meta.from_us), time(meta.to_us));
    if let Some(elapsed) = meta.elapsed_seconds {
        line.push_str(&format!(", {elapsed:.1} s watched"));
    }
    line.push_str(&format!(", {:.2} s active", meta.total_seconds));
    if let Some(aas) = meta.aas {
        line.push_str(&format!(", AAS {aas:.2}"));
    }
    if meta.forced {
        line.push_str("; WARNING: forced blueprint, values may be wrong");
    }
    line.push('\n');
    line
}

fn cells(row: &ChangeRow) -> Vec<String> {
    let p = |p: f64| {
        if p < 0.001 {
            "<0.001".to_owned()
        } else {
            format!("{p:.3}")
        }
    };
    let mut cells = vec![
        format!("{:.2}", row.before),
        format!("{:.2}", row.after),
        format!("{:+.2}", row.difference),
        row.interval.map_or(String::new(), |(low, high)| {
            format!("{low:+.2} to {high:+.2}")
        }),
        row.ratio()
            .map_or(String::new(), |ratio| format!("{ratio:.2}")),
        row.p_adjusted.map(p).unwrap_or_default(),
    ];
    cells.extend(row.values.iter().map(|value| printable(&value.to_string())));
    cells.push(match row.change {
        Change::Same => String::new(),
        change => change.name().to_owned(),
    });
    cells
}

/// One object per row and line.
///
/// # Errors
/// None in practice: all names are texts.
pub fn render_jsonl(comparison: &Comparison) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for record in comparison.records() {
        text.push_str(&serde_json::to_string(&record)?);
        text.push('\n');
    }
    Ok(text)
}

/// RFC 4180 with a line of names; null is an empty field.
pub fn render_csv(comparison: &Comparison) -> String {
    let first = [
        "change",
        "aas_before",
        "aas_after",
        "difference",
        "difference_low",
        "difference_high",
        "ratio",
        "p",
        "p_adjusted",
    ];
    let mut names: Vec<String> = first.map(str::to_owned).to_vec();
    names.extend(comparison.groups.iter().cloned());
    names.extend(["seconds_before", "seconds_after"].map(str::to_owned));
    csv_of(&names, comparison.records())
}
