//! The timeline: average active sessions by wait class, as SVG that needs no script.
//!
//! The script draws the same picture anew at the window's own width, and for what is filtered.
//! Callers: [`super::Page::render`].

use std::fmt::Write;

use maud::{Markup, html};

use super::classes::{CLASSES, UNKNOWN, rank};
use super::text;
use crate::analyze::Steps;
use crate::analyze::cube::{Cube, Sparse};

/// Labels of the time axis at most, and how far apart they may be.
const LABELS: i64 = 9;
const LABELS_EVERY_MS: [i64; 21] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000,
];
/// Size and margins of the picture, in its own units. `page.js` has the same margins.
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// CPUs so far above the highest activity would flatten it: they are told in words instead.
const CPU_ROOM: f64 = 3.0;

/// The section of the chart, with the places that the script fills.
pub(super) fn section(cube: &Cube, cpu_count: Option<u32>) -> Markup {
    html! {
        section class="timeline" {
            h2 { "Average active sessions by wait class" }
            p id="range" class="range" aria-live="polite" { (whole(cube)) }
            div id="filters" class="filters" {}
            div id="chart" class="chart" {
                @if cube.meta.samples == 0 {
                    p class="nothing" { "No active session was sampled in this window." }
                }
                (svg(cube, cpu_count))
            }
            (legend(cube))
            p class="hint script-only" {
                "Drag over the chart to narrow everything below to a time; double-click or " kbd { "Esc" } " for the whole window. "
                "With the keyboard: " kbd { "Tab" } " to an edge, then " kbd { "←" } " " kbd { "→" } ". "
                "Click a value in a table or the legend to see only that; click it again to see all."
            }
            p class="hint" {
                @match cpu_count {
                    Some(count) => { "Dashed line: " (text::count(count.into(), "CPU")) " of the host (CPU_COUNT of the instance may be lower). More sessions ON CPU than that can't all have had one." },
                    None => { "No CPU line: the recording doesn't say how many CPUs the host has." },
                }
            }
        }
    }
}

fn whole(cube: &Cube) -> Markup {
    let meta = &cube.meta;
    html! {
        "Whole window: " (super::times(meta.from_us, meta.to_us))
        @if let Some(aas) = meta.aas { " · AAS " b { (format!("{aas:.2}")) } }
        @if let Some(seconds) = meta.elapsed_seconds { " · " (text::span((seconds * 1e6) as u64)) " watched" }
    }
}

fn legend(cube: &Cube) -> Markup {
    html! {
        ul id="legend" class="legend" {
            @for (place, class) in stacked(cube) {
                li data-dimension="0" data-place=(place) {
                    svg class="swatch" viewBox="0 0 14 14" aria-hidden="true" {
                        rect width="14" height="14" fill=(format!("url(#fill-{})", CLASSES[class].key)) {}
                    }
                    span { @if CLASSES[class].key == UNKNOWN { "(no class)" } @else { (CLASSES[class].name) } }
                }
            }
        }
    }
}

/// Kept classes by place, with their entry of [`CLASSES`], from the bottom of the stack to its top.
fn stacked(cube: &Cube) -> Vec<(usize, usize)> {
    let Some(dimension) = classes_of(cube) else {
        return Vec::new();
    };
    let rows = dimension.kept.iter().enumerate();
    let mut all: Vec<_> = rows
        .map(|(place, row)| (place, row.values.first().map_or(CLASSES.len() - 1, rank)))
        .collect();
    all.sort_by_key(|(place, class)| (*class, *place));
    all
}

fn classes_of(cube: &Cube) -> Option<&crate::analyze::cube::Dimension> {
    cube.dimensions.first().filter(|d| d.name == "wait_class")
}

/// Watched microseconds in each step, of the instance that was watched most.
pub(super) fn watched(cube: &Cube) -> Vec<u64> {
    let mut most = vec![0u64; cube.steps.count];
    for source in &cube.watch.sources {
        for (step, us) in &source.sums {
            if let Some(most) = most.get_mut(*step as usize) {
                *most = (*most).max(*us);
            }
        }
    }
    most
}

/// AAS of each step.
fn aas(sums: &Sparse, watched: &[u64]) -> Vec<f64> {
    let mut all = vec![0.0; watched.len()];
    for (step, us) in sums {
        let step = *step as usize;
        if let Some(watched) = watched.get(step).filter(|us| **us > 0) {
            all[step] = *us as f64 / *watched as f64;
        }
    }
    all
}

fn svg(cube: &Cube, cpu_count: Option<u32>) -> Markup {
    let watched = watched(cube);
    let total = aas(&cube.total, &watched);
    let highest = total.iter().copied().fold(0.0, f64::max);
    let cpus = cpu_count
        .map(f64::from)
        .filter(|c| *c <= highest.max(1.0) * CPU_ROOM);
    let scale = Scale::of(highest.max(cpus.unwrap_or(0.0)), cube.steps);
    let series = classes_of(cube).map_or(&[][..], |d| d.sums.as_slice());
    let mut below = vec![0.0; watched.len()];
    let mut paths = Vec::new();
    for (place, class) in stacked(cube) {
        let Some(sums) = series.get(place) else {
            continue;
        };
        let above: Vec<f64> = aas(sums, &watched)
            .iter()
            .zip(&below)
            .map(|(a, b)| a + b)
            .collect();
        paths.push((CLASSES[class].key, scale.area(&below, &above)));
        below = above;
    }
    if paths.is_empty() {
        paths.push((UNKNOWN, scale.area(&below, &total)));
    }
    let unwatched = unwatched(&watched);
    html! {
        (defs())
        svg class="plot" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label="Average active sessions over time, stacked by wait class" {
            @for (at, label) in scale.values() {
                line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at) y2=(at) {}
                text class="axis" x=(LEFT - 6.0) y=(at + 4.0) text-anchor="end" { (label) }
            }
            @for (from, to) in &unwatched {
                rect class="unwatched" fill="url(#fill-unwatched)" x=(round(scale.x(*from))) y=(TOP)
                    width=(round(scale.x(*to) - scale.x(*from))) height=(HEIGHT - TOP - BOTTOM) {
                    title { "nobody looked" }
                }
            }
            @for (key, path) in &paths {
                path d=(path) fill=(format!("url(#fill-{key})")) {}
            }
            @if let Some(cpus) = cpus {
                line class="cpus" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(round(scale.y(cpus))) y2=(round(scale.y(cpus))) {}
                text class="cpus" x=(WIDTH - RIGHT - 4.0) y=(round(scale.y(cpus) - 5.0)) text-anchor="end" {
                    (text::count(cpus as u64, "CPU"))
                }
            }
            @for (at, label) in scale.times() {
                line class="tick" x1=(at) x2=(at) y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM + 5.0) {}
                text class="axis" x=(at) y=(HEIGHT - 12.0) text-anchor="middle" { (label) }
            }
            line class="base" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM) {}
        }
    }
}

/// Fills of all classes, in a picture of their own that stays when the script draws the chart anew.
fn defs() -> Markup {
    let pattern = |key: &str, lines: Option<&str>| {
        html! {
            pattern id=(format!("fill-{key}")) width="8" height="8" patternUnits="userSpaceOnUse" {
                rect class=(format!("k-{key}")) width="8" height="8" {}
                @if let Some(lines) = lines { path class="lines" d=(lines) {} }
            }
        }
    };
    html! {
        svg class="defs" width="0" height="0" aria-hidden="true" {
            defs {
                @for class in &CLASSES { (pattern(class.key, class.pattern)) }
                (pattern("unwatched", Some("M0 8L8 0")))
            }
        }
    }
}

/// Runs of steps that nobody watched.
fn unwatched(watched: &[u64]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (step, us) in watched.iter().enumerate() {
        match runs.last_mut() {
            _ if *us > 0 => {}
            Some((_, end)) if *end == step => *end = step + 1,
            _ => runs.push((step, step + 1)),
        }
    }
    runs
}

/// From steps and sessions to the picture.
struct Scale {
    steps: Steps,
    top: f64,
    by: f64,
}

impl Scale {
    fn of(highest: f64, steps: Steps) -> Scale {
        let (top, by) = nice_top(highest);
        Scale { steps, top, by }
    }

    fn x(&self, step: usize) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * step as f64 / self.steps.count.max(1) as f64
    }

    fn y(&self, sessions: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height * (1.0 - sessions / self.top)
    }

    /// The area between two lines of stairs; empty if there is none.
    fn area(&self, below: &[f64], above: &[f64]) -> String {
        let mut path = String::new();
        let mut step = 0;
        while step < above.len() {
            if above[step] <= below[step] {
                step += 1;
                continue;
            }
            let from = step;
            while step < above.len() && above[step] > below[step] {
                step += 1;
            }
            let _ = write!(
                path,
                "M{} {}",
                round(self.x(from)),
                round(self.y(below[from]))
            );
            for (at, top) in above.iter().enumerate().take(step).skip(from) {
                let _ = write!(path, "V{}H{}", round(self.y(*top)), round(self.x(at + 1)));
            }
            for at in (from..step).rev() {
                let _ = write!(path, "V{}H{}", round(self.y(below[at])), round(self.x(at)));
            }
            path.push('Z');
        }
        path
    }

    /// Lines of the grid: place and label.
    fn values(&self) -> Vec<(f64, String)> {
        let lines = (self.top / self.by).round() as usize;
        let decimals = if self.by < 0.1 {
            2
        } else {
            usize::from(self.by < 1.0)
        };
        let all = (0..=lines).map(|n| {
            let value = n as f64 * self.by;
            (round(self.y(value)), format!("{value:.decimals$}"))
        });
        all.collect()
    }

    /// The first step with a label, and the steps from label to label: at round times, not too many.
    fn labelled(&self) -> (usize, usize) {
        let Steps {
            start_us,
            width_us,
            count,
        } = self.steps;
        let least_us = width_us.saturating_mul(count as i64) / LABELS;
        let fits = |us: &i64| *us >= least_us && width_us > 0 && us % width_us == 0;
        let by_us = LABELS_EVERY_MS.iter().map(|ms| ms * 1_000).find(fits);
        match by_us {
            Some(by_us) => {
                let first_us = (by_us - start_us.rem_euclid(by_us)) % by_us;
                ((first_us / width_us) as usize, (by_us / width_us) as usize)
            }
            None => (0, count.div_ceil(LABELS as usize).max(1)),
        }
    }

    /// Labels of the time axis: place and time.
    fn times(&self) -> Vec<(f64, String)> {
        let width_us = self.steps.width_us;
        let span_us = width_us.saturating_mul(self.steps.count as i64);
        let format = match span_us {
            us if us >= 2 * 86_400_000_000 => "%m-%d %H:%M",
            us if us >= 600_000_000 => "%H:%M",
            us if us >= 10_000_000 => "%H:%M:%S",
            _ => "%H:%M:%S%.3f",
        };
        let (first, every) = self.labelled();
        let steps = (first..=self.steps.count).step_by(every);
        let inside = steps.filter(|step| self.x(*step) < WIDTH - 40.0);
        let label = |step: usize| {
            let us = self
                .steps
                .start_us
                .saturating_add(width_us.saturating_mul(step as i64));
            (round(self.x(step)), text::formatted(us, format))
        };
        inside.map(label).collect()
    }
}

/// A round number not below `highest`, and the distance of the lines up to it.
fn nice_top(highest: f64) -> (f64, f64) {
    let highest = if highest.is_finite() {
        highest.max(0.01)
    } else {
        1.0
    };
    let power = 10f64.powf((highest / 5.0).log10().floor());
    let by = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power);
    let by = by
        .into_iter()
        .find(|by| by * 5.0 >= highest)
        .unwrap_or(10.0 * power);
    ((highest / by).ceil() * by, by)
}

/// Tenths are enough for a picture.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_on_round_numbers_above_all() {
        for (highest, top, by) in [
            (0.0, 0.01, 0.002),
            (1.0, 1.0, 0.2),
            (4.2, 5.0, 1.0),
            (85.0, 100.0, 20.0),
            (1_001.0, 1_500.0, 500.0),
        ] {
            let (found, distance) = nice_top(highest);
            assert!(
                (found - top).abs() < 1e-9 && (distance - by).abs() < 1e-9,
                "{highest}: {found} by {distance}"
            );
        }
    }

    #[test]
    fn times_that_nobody_watched_are_runs() {
        assert_eq!(unwatched(&[0, 0, 1, 1, 0, 1, 0]), [(0, 2), (4, 5), (6, 7)]);
    }
}
