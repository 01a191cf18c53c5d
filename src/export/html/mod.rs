//! A report as one HTML page that needs nothing else: no network, no other file.
//!
//! For: [`page`], made to be read by a DBA in a hurry. Charts and tables of the whole window are in
//! the page as such; its script ([`SCRIPT`]) makes them live: a range of the chart, a value that is
//! clicked narrow everything, computed from sums that the page carries ([`data`]). Whatever was
//! recorded is hostile: names and texts come from the monitored clients ([`text`]).
//!
//! [`bench`] is another page in the same look, of what `bench` measured.
//!
//! Not for: reading a recording other than for texts ([`texts`]). Callers: `cli`.

pub mod bench;
mod chart;
mod classes;
mod data;
mod health;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod texts;

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

pub use texts::Texts;

use super::colors;
use crate::analyze::chains::{ChainTable, ChainsOptions, chains_recording};
use crate::analyze::cube::{Cube, Sparse, cube_recording};
use crate::analyze::{AnalyzeError, Include, ReportOptions};
use crate::record::{Reader, Recording};
use crate::sample::TextForm;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Chains and final blockers that are told.
const CHAINS: usize = 20;
/// Instances of a page at most: each has its own account of what was watched.
pub const MOST_INSTANCES: usize = 32;

/// What a page is made of.
pub struct Page {
    cube: Cube,
    chains: ChainTable,
    /// Waiting for other sessions, by step.
    blocked: Sparse,
    /// Why there are no chains.
    no_chains: Option<String>,
    texts: Texts,
    recording: Recording,
    /// What was left out by the user, in words.
    conditions: Vec<String>,
    /// When the page was made.
    made: Timestamp,
}

/// Reads what a page of a recording's window needs. `form`: which SQL texts are wanted.
///
/// # Errors
/// As [`cube_recording`] and [`chains_recording`].
pub fn read(
    reader: &Reader,
    options: &ReportOptions,
    form: Option<TextForm>,
    conditions: Vec<String>,
) -> Result<Page, AnalyzeError> {
    let cube = cube_recording(reader, options)?;
    let mut no_chains = None;
    let mut blocked: BTreeMap<u32, u64> = BTreeMap::new();
    let mut filters = options.filters.clone();
    // of chains it is the waiter that is chosen
    match options.recursive {
        Include::Include => {}
        Include::Exclude => filters.push("session_kind!=RECURSIVE".parse()?),
        Include::Only => filters.push("session_kind=RECURSIVE".parse()?),
    }
    let wanted = ChainsOptions {
        groups: ["username", "program2", "event2"].map(str::to_owned).into(),
        filters,
        from_us: options.from_us,
        to_us: options.to_us,
        top: None,
        instance: options.instance.clone(),
        steps: Some(cube.steps),
    };
    let chains = match chains_recording(reader, &wanted) {
        Ok(_) if options.condition.is_some() => {
            no_chains =
                Some("they can't be chosen by --where; use conditions column=value".to_owned());
            ChainTable::default()
        }
        Ok(mut chains) => {
            // a session that waits for nobody is a chain of itself, which the other tables tell
            chains.chains.retain(|row| row.final_blocker.is_some());
            for row in &chains.finals {
                for (step, us) in &row.sums {
                    *blocked.entry(*step).or_default() += us;
                }
            }
            chains.chains.truncate(CHAINS);
            chains.finals.truncate(CHAINS);
            chains
        }
        // a recording that lacks columns which chains need has a page all the same
        Err(error @ (AnalyzeError::NoColumn { .. } | AnalyzeError::Record(_))) => {
            no_chains = Some(error.to_string());
            ChainTable::default()
        }
        Err(error) => return Err(error),
    };
    let wanted = cube.dimensions.iter().find(|d| d.name == "sql_id");
    let wanted = wanted.map_or(&[][..], |d| d.kept.as_slice());
    let ids = wanted.iter().filter_map(|row| row.values.first());
    let recording = reader.recording().clone();
    Ok(Page {
        texts: Texts::read(reader, &recording, ids, form)?,
        cube,
        chains,
        blocked: blocked.into_iter().collect(),
        no_chains,
        recording,
        conditions,
        made: Timestamp::now(),
    })
}

impl Page {
    /// Whether there is any activity in it.
    pub fn is_empty(&self) -> bool {
        self.cube.meta.samples == 0
    }

    /// Instances that were watched.
    pub fn instances(&self) -> usize {
        self.cube.watch.sources.len()
    }

    /// The page, as UTF-8 text.
    pub fn render(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                (head(&self.heading()))
                body {
                    (self.header())
                    main {
                        (self.in_short())
                        (chart::section(&self.cube, self.cpu_count()))
                        (tables::sections(self))
                        (health::section(&self.cube))
                        (self.footer())
                    }
                    script type="application/json" id="data" { (PreEscaped(data::json(self))) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    /// CPUs of the host, if all runs say the same.
    fn cpu_count(&self) -> Option<u32> {
        let mut counts = self.recording.runs.iter().map(|run| run.meta.cpu_count);
        let first = counts.next().flatten()?;
        counts.all(|c| c == Some(first)).then_some(first)
    }

    /// Instances, and their hosts.
    fn heading(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for run in &self.recording.runs {
            let name = format!("{} on {}", run.meta.instance, run.meta.host);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        text::shown(&names.join(", "))
    }

    fn header(&self) -> Markup {
        let meta = &self.cube.meta;
        let mut blueprints: Vec<&str> = Vec::new();
        for run in &self.recording.runs {
            if !blueprints.contains(&run.meta.blueprint_id.as_str()) {
                blueprints.push(&run.meta.blueprint_id);
            }
        }
        let forced = meta.forced || self.recording.forced();
        html! {
            header {
                h1 {
                    bdi { (self.heading()) }
                    @if forced { " " strong class="forced" { "FORCED" } }
                }
                @if forced {
                    p class="forced-why" {
                        "Recorded with a blueprint that was forced on the instance instead of matching it: any value may be wrong."
                    }
                }
                p class="of" {
                    span { "Blueprint " code { (text::shown(&blueprints.join(", "))) } }
                    span { "Window " (times(meta.from_us, meta.to_us)) }
                    span { (text::count(meta.samples, "active sample")) }
                    @if let Some(run) = self.recording.latest() {
                        span { "recorded at " (run.rate_hz) " Hz" }
                    }
                    @if !self.conditions.is_empty() {
                        span class="only" { "only " bdi { (text::shown(&self.conditions.join(", "))) } }
                    }
                }
                (health::verdict(&self.cube))
            }
        }
    }

    /// What a reader should see first, in words.
    fn in_short(&self) -> Markup {
        let lines = health::in_short(&self.cube, &self.chains, self.cpu_count());
        html! {
            section class="short" {
                h2 { "In short" }
                ul { @for line in lines { li { (line) } } }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer {
                h2 { "About these figures" }
                ul {
                    @for line in tables::cuts(self) { li { (line) } }
                    li {
                        "Time is the sum of the samples' own weights: what sampling saw, not what waits said of themselves. "
                        "AAS, average active sessions, is active time by time watched. "
                        "sgascope reads memory without latches; what was still moving is counted as torn."
                    }
                    li {
                        "Made by sgascope " (env!("CARGO_PKG_VERSION")) " at "
                        (times(Some(self.made.as_microsecond()), None))
                        ", with nothing but what is in this file."
                    }
                }
            }
        }
    }
}

/// What stands in front of a page: its title, its style, and what it may do.
fn head(heading: &str) -> Markup {
    let style = style();
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy(&style));
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            title { (heading) " – sgascope" }
            style { (PreEscaped(style)) }
        }
    }
}

/// A time, or two, in UTC; the script shows them in the reader's zone when asked to.
pub(super) fn times(from_us: Option<i64>, to_us: Option<i64>) -> Markup {
    let one = |us: i64| {
        html! { time data-us=(us) datetime=(text::rfc3339(us)) { (text::seconds_of(us)) } }
    };
    html! {
        @match (from_us, to_us) {
            (Some(from), Some(to)) => { (one(from)) " to " (one(to)) " " },
            (Some(at), None) | (None, Some(at)) => { (one(at)) " " },
            (None, None) => { "of no known time" },
        }
        @if from_us.or(to_us).is_some() { span class="zone" { "UTC" } }
    }
}

/// The style, after the colours of wait classes; dark ones are in `page.css`.
fn style() -> String {
    let colours = classes::CLASSES.iter().map(|class| {
        let colour = colors::hex(colors::of_class(class.name));
        format!("--{}:{colour};", class.key)
    });
    format!(":root{{{}}}\n{STYLE}", colours.collect::<String>())
}

/// What the page may do: run its own script and style, and nothing from anywhere.
fn policy(style: &str) -> String {
    let hash = |text: &str| data::base64(&Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(style)
    )
}
