//! Groups of a report as stacks: one frame for each column, the first being the root.
//!
//! Callers: [`super::flame`], [`super::speedscope`], `cli`.

use std::collections::BTreeMap;

use crate::analyze::{ReportTable, Value};

/// Columns of a stack unless others are asked for.
pub const BY: [&str; 5] = ["service_name", "program", "module", "sql_id", "event"];
/// The column whose values colour frames; it is grouped by too.
pub const CLASS: &str = "wait_class";

/// Stacks with their time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stacks {
    /// Columns that the frames are values of, the root's first.
    pub columns: Vec<String>,
    /// Frames, wait class, active microseconds.
    pub stacks: Vec<Stack>,
}

/// One combination of values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stack {
    /// The values, the root's first.
    pub frames: Vec<String>,
    /// Wait class, or `ON CPU`; empty if not known.
    pub class: String,
    /// Active microseconds.
    pub active_us: u64,
}

impl Stacks {
    /// The stacks of a report that is grouped by `columns` and [`CLASS`].
    pub fn of(report: &ReportTable, columns: &[String]) -> Stacks {
        let at = |name: &str| report.groups.iter().position(|group| group == name);
        let places: Vec<(&String, Option<usize>)> = columns.iter().map(|c| (c, at(c))).collect();
        let class = at(CLASS);
        let frame = |(name, place): &(&String, Option<usize>), values: &[Value]| match place
            .and_then(|place| values.get(place))
        {
            None | Some(Value::Null) => format!("[no {name}]"),
            Some(value) => value.to_string(),
        };
        let mut stacks: BTreeMap<(Vec<String>, String), u64> = BTreeMap::new();
        for row in &report.rows {
            let frames = places
                .iter()
                .map(|place| frame(place, &row.values))
                .collect();
            let class = class.and_then(|place| row.values.get(place));
            let class = class.map(Value::to_string).unwrap_or_default();
            *stacks.entry((frames, class)).or_default() += row.total_us;
        }
        let stacks = stacks
            .into_iter()
            .map(|((frames, class), active_us)| Stack {
                frames,
                class,
                active_us,
            });
        Stacks {
            columns: columns.to_vec(),
            stacks: stacks.collect(),
        }
    }

    /// Active microseconds of all.
    pub fn total_us(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.active_us).sum()
    }

    /// Folded stacks, as Brendan Gregg's stackcollapse scripts write them: frames joined by `;`, a
    /// blank, and the active microseconds.
    pub fn folded(&self) -> String {
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for stack in &self.stacks {
            let clean = |frame: &String| -> String {
                let one = |c: char| match c {
                    ';' => ',',
                    c if c.is_control() => ' ',
                    c => c,
                };
                frame.chars().map(one).collect()
            };
            let frames: Vec<String> = stack.frames.iter().map(clean).collect();
            *lines.entry(frames.join(";")).or_default() += stack.active_us;
        }
        lines
            .iter()
            .map(|(frames, us)| format!("{frames} {us}\n"))
            .collect()
    }
}
