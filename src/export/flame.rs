//! A flamegraph as one SVG that needs nothing else: titles to hover over, a click to zoom.
//!
//! The root is at the bottom; each row above it is one column, wide as the time. What waits has the
//! colour of its wait class, what is below it a pale mixture of what is above. All texts come from
//! the monitored clients and are escaped: they can't become markup or script. The only script is
//! `flame.js`, which is the same in every file.
//!
//! Callers: `cli`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::colors::{self, Rgb};
use super::stacks::Stacks;

const SCRIPT: &str = include_str!("flame.js");
/// Width and margins in pixels.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 76.0;
const FOOT: f64 = 44.0;
/// A character of the font, about, in pixels.
const LETTER: f64 = 6.7;
/// Frames of an SVG at most: the widest are kept.
const MOST_FRAMES: usize = 20_000;

/// A frame with those on top of it.
#[derive(Default)]
struct Frame {
    active_us: u64,
    classes: BTreeMap<String, u64>,
    children: BTreeMap<String, Frame>,
}

impl Frame {
    fn add(&mut self, frames: &[String], class: &str, active_us: u64) {
        self.active_us += active_us;
        *self.classes.entry(class.to_owned()).or_default() += active_us;
        if let Some((first, rest)) = frames.split_first() {
            let child = self.children.entry(first.clone()).or_default();
            child.add(rest, class, active_us);
        }
    }

    fn widths(&self, all: &mut Vec<u64>) {
        all.push(self.active_us);
        self.children.values().for_each(|child| child.widths(all));
    }

    fn color(&self) -> Rgb {
        let pale = if self.children.is_empty() { 0.0 } else { 0.62 };
        let parts = self.classes.iter();
        colors::mixed(
            parts.map(|(class, us)| (colors::of_class(class), *us)),
            pale,
        )
    }
}

/// The flamegraph; `title` and `subtitle` stand above it.
pub fn svg(stacks: &Stacks, title: &str, subtitle: &str) -> String {
    let mut root = Frame::default();
    for stack in &stacks.stacks {
        root.add(&stack.frames, &stack.class, stack.active_us);
    }
    let depth = stacks.columns.len() as f64 + 1.0;
    let height = HEAD + depth * ROW + FOOT;
    let mut widths = Vec::new();
    root.widths(&mut widths);
    widths.sort_unstable_by(|a, b| b.cmp(a));
    let mut drawing = Drawing {
        out: String::new(),
        total_us: root.active_us.max(1),
        columns: &stacks.columns,
        bottom: HEAD + (depth - 1.0) * ROW,
        least_us: widths.get(MOST_FRAMES).map_or(1, |us| us + 1),
    };
    drawing.head(title, subtitle, height);
    drawing.legend(&root);
    drawing.out.push_str("<g id=\"frames\">\n");
    drawing.frame("all", &root, 0, 0);
    drawing.out.push_str("</g>\n");
    let _ = write!(
        drawing.out,
        "<text id=\"details\" x=\"{MARGIN}\" y=\"{:.0}\">Hover over a frame for its time; click to zoom, click the \
         lowest row for all.</text>\n<script><![CDATA[\n{SCRIPT}]]></script>\n</svg>\n",
        height - 16.0,
    );
    drawing.out
}

struct Drawing<'s> {
    out: String,
    total_us: u64,
    columns: &'s [String],
    /// Top of the lowest row.
    bottom: f64,
    least_us: u64,
}

impl Drawing<'_> {
    fn head(&mut self, title: &str, subtitle: &str, height: f64) {
        let _ = write!(
            self.out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"11\">\n\
             <style>.f{{cursor:pointer}} .f:hover rect{{stroke:#111;stroke-width:1.2}} .f.below{{opacity:.55}} \
             text{{fill:#1b1f24}} .light{{fill:#fff}} #title{{font-size:16px;font-weight:bold}} \
             #subtitle{{fill:#57606a}} #details{{font-size:12px}}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fcfcfd\"/>\n\
             <text id=\"title\" x=\"{MARGIN}\" y=\"24\">{}</text>\n\
             <text id=\"subtitle\" x=\"{MARGIN}\" y=\"42\">{}</text>\n",
            escape(title),
            escape(subtitle),
        );
    }

    /// The wait classes that there are, the largest first.
    fn legend(&mut self, root: &Frame) {
        let mut classes: Vec<(&String, &u64)> = root.classes.iter().collect();
        classes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mut x = MARGIN;
        for (class, us) in classes {
            let name = if class.is_empty() { "not known" } else { class };
            let label = format!("{name} {:.0} %", percent(*us, self.total_us));
            let width = 14.0 + (label.chars().count() as f64 + 3.0) * LETTER;
            if x + width > WIDTH - MARGIN {
                break;
            }
            let color = colors::hex(colors::of_class(class));
            let _ = writeln!(
                self.out,
                "<rect x=\"{x:.1}\" y=\"53\" width=\"10\" height=\"10\" rx=\"2\" fill=\"{color}\"/>\
                 <text x=\"{:.1}\" y=\"62\">{}</text>",
                x + 14.0,
                escape(&label),
            );
            x += width;
        }
    }

    /// A frame whose left end is at `start_us`, and all on top of it.
    fn frame(&mut self, name: &str, frame: &Frame, depth: usize, start_us: u64) {
        let span = WIDTH - 2.0 * MARGIN;
        let place = |us: u64| us as f64 / self.total_us as f64 * span;
        let (x, width) = (MARGIN + place(start_us), place(frame.active_us));
        let y = self.bottom - depth as f64 * ROW;
        let column = depth.checked_sub(1).and_then(|d| self.columns.get(d));
        let column = column.map_or(String::new(), |column| format!("{column} "));
        let text = format!(
            "{column}{name}: {} s, {:.2} %",
            seconds(frame.active_us),
            percent(frame.active_us, self.total_us),
        );
        let color = frame.color();
        let class = if colors::is_light(color) {
            ""
        } else {
            " class=\"light\""
        };
        let _ = writeln!(
            self.out,
            "<g class=\"f\" data-s=\"{start_us}\" data-w=\"{}\" data-d=\"{depth}\" data-n=\"{}\"><title>{}</title>\
             <rect x=\"{x:.2}\" y=\"{y:.0}\" width=\"{:.2}\" height=\"{:.0}\" rx=\"2\" fill=\"{}\"/>\
             <text x=\"{:.2}\" y=\"{:.0}\"{class}>{}</text></g>",
            frame.active_us,
            escape(name),
            escape(&text),
            (width - 0.6).max(0.2),
            ROW - 1.0,
            colors::hex(color),
            x + 4.0,
            y + 13.5,
            escape(&shortened(name, width)),
        );
        let mut children: Vec<(&String, &Frame)> = frame.children.iter().collect();
        children.sort_by(|a, b| b.1.active_us.cmp(&a.1.active_us).then(a.0.cmp(b.0)));
        let mut start_us = start_us;
        for (name, child) in children {
            if child.active_us >= self.least_us {
                self.frame(name, child, depth + 1, start_us);
            }
            start_us += child.active_us;
        }
    }
}

fn percent(us: u64, of_us: u64) -> f64 {
    100.0 * us as f64 / of_us.max(1) as f64
}

fn seconds(us: u64) -> String {
    format!("{}.{:02}", us / 1_000_000, us % 1_000_000 / 10_000)
}

/// As much of a name as fits into `width` pixels; nothing if that would be less than three letters.
fn shortened(name: &str, width: f64) -> String {
    let room = ((width - 8.0) / LETTER).floor().max(0.0) as usize;
    if name.chars().count() <= room {
        return name.to_owned();
    }
    match room {
        0..3 => String::new(),
        room => name.chars().take(room - 1).chain(['…']).collect(),
    }
}

/// Text that can stand in XML, in elements and attributes: what XML can't hold at all is replaced.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
