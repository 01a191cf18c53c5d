//! What `bench` measured as one page, in the look of a report: no script, no network.
//!
//! Callers: `cli`.

use maud::{DOCTYPE, Markup, html};

use super::head;
use super::text::{shown, shown_sql, thousands};
use crate::bench::{Document, Side, Step, times};

/// Width of a bar that is full, of 100.
const FULL: f64 = 100.0;

/// The page, as UTF-8 text.
pub fn page(document: &Document) -> String {
    let meta = &document.meta;
    let heading = format!("Bench of {}", shown(&meta.instance_name));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(&heading))
            body {
                header {
                    h1 { bdi { (heading) } @if let Some(host) = &meta.host { " on " bdi { (shown(host)) } } }
                    p class="of" {
                        span { "Blueprint " code { (shown(&meta.blueprint_id)) } }
                        span { (thousands(meta.session_slots as u64)) " session slots" }
                        @if let Some(cpus) = meta.cpu_count { span { (cpus) " CPUs" } }
                        span { "each step " (meta.duration_s) " s" }
                        span { (shown(&meta.started)) }
                    }
                    (verdict(document))
                }
                main {
                    (against(document))
                    (efficiency(&document.steps))
                    (steps(&document.steps))
                    (truth(&document.steps))
                    (claims(document))
                    footer {
                        h2 { "What is counted" }
                        ul { @for line in &meta.counted { li { (line) } } }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// What it comes to.
fn verdict(document: &Document) -> Markup {
    let failed: Vec<&String> = document
        .steps
        .iter()
        .filter_map(|step| step.sql.as_ref()?.failed.as_ref())
        .collect();
    let key = match (failed.is_empty(), document.sweeps_per_cpu_second_vs_sql) {
        (false, _) => "poor",
        (true, Some(ratio)) if ratio >= 1.0 => "good",
        (true, _) => "fair",
    };
    html! {
        p class={ "verdict " (key) } {
            @match document.sweeps_per_cpu_second_vs_sql {
                Some(ratio) => {
                    "Of a second of CPU, client and server together, sgascope makes at least "
                    b { (times(ratio)) " times" }
                    " as many sweeps over all sessions as SQL polling."
                },
                None => { "There is nothing to compare: SQL was not polled, or used no time." },
            }
            @for why in failed { " " bdi { (shown(why)) } }
        }
    }
}

fn against(document: &Document) -> Markup {
    let Some(sql) = &document.meta.sql else {
        return html! {};
    };
    html! {
        section {
            h2 { "SQL polling" }
            dl {
                div { dt { "Client" } dd { code { (shown(&sql.command)) } } }
                div { dt { "Statement" } dd { (shown(&sql.query)) } }
                div { dt { "Server" } dd {
                    @match (sql.server_pid, &sql.no_server) {
                        (Some(pid), _) => { "process " (pid) },
                        (None, Some(why)) => { "not billed: " bdi { (shown(why)) } },
                        (None, None) => { "not known" },
                    }
                } }
            }
            details class="sql" {
                summary { "Its text" }
                pre { (shown_sql(&sql.statement)) }
            }
        }
    }
}

/// Both sides of a step, with a name for each.
fn sides(step: &Step) -> impl Iterator<Item = (&'static str, &Side)> {
    let sql = step.sql.as_ref().map(|sql| ("SQL", sql));
    std::iter::once(("sgascope", &step.sampler)).chain(sql)
}

fn rate(step: &Step) -> String {
    let load = if step.saturated { ", CPUs busy" } else { "" };
    format!("{} Hz{load}", step.rate_hz)
}

/// Sweeps of a CPU-second, as bars: powers of ten, as one side is far from the other.
fn efficiency(steps: &[Step]) -> Markup {
    let all = steps.iter().flat_map(sides);
    let most = all
        .filter_map(|(_, side)| side.sweeps_per_cpu_second)
        .fold(10.0, f64::max);
    let bar = |side: &Side| {
        let per = side.sweeps_per_cpu_second.unwrap_or(1.0).max(1.0);
        (per.log10() / most.log10() * FULL).clamp(0.5, FULL)
    };
    html! {
        section {
            h2 { "Sweeps over all sessions of a second of CPU" }
            p class="note" { "Client and server together. Bars are of powers of ten." }
            table data-name="efficiency" {
                thead { tr { th { "Rate" } th { "Who" } th class="share" { "Sweeps" } th class="n" { "Ratio" } } }
                tbody {
                    @for step in steps {
                        @for (who, side) in sides(step) {
                            tr {
                                td class="t" { (rate(step)) }
                                td { (who) }
                                td class="share" {
                                    svg class="bar" viewBox="0 0 100 11" preserveAspectRatio="none" aria-hidden="true" {
                                        rect class=(if who == "SQL" { "k-application" } else { "k-cpu" })
                                            width=(format!("{:.1}", bar(side))) height="11" {}
                                    }
                                    span { (side.sweeps_per_cpu_second.map_or_else(String::new, |n| thousands(n.round() as u64))) }
                                }
                                td class="n" {
                                    @if let Some(ratio) = step.sweeps_per_cpu_second_vs_sql.filter(|_| who != "SQL") {
                                        (times(ratio)) " ×"
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn steps(steps: &[Step]) -> Markup {
    let ms = |us: Option<f64>| us.map_or_else(String::new, |us| format!("{:.3}", us / 1e3));
    let percent = |s: f64, of: f64| format!("{:.2}", if of > 0.0 { 100.0 * s / of } else { 0.0 });
    html! {
        section {
            h2 { "What each cost, and how long a sweep took" }
            table data-name="steps" {
                thead { tr {
                    th { "Rate" } th { "Who" } th class="n" { "Taken" } th class="n" { "Missed" }
                    th class="n" { "p50 ms" } th class="n" { "p95 ms" } th class="n" { "Most ms" } th class="n" { "Late p95 ms" }
                    th class="n" { "% of a CPU" } th class="n" { "client" } th class="n" { "server" }
                } }
                tbody {
                    @for step in steps {
                        @for (who, side) in sides(step) {
                            tr {
                                td class="t" { (rate(step)) }
                                td { (who) }
                                td class="n" { (thousands(side.taken)) }
                                td class="n" { (thousands(side.missed)) }
                                td class="n" { (ms(side.latency_us.map(|s| s.p50))) }
                                td class="n" { (ms(side.latency_us.map(|s| s.p95))) }
                                td class="n" { (ms(side.latency_us.map(|s| s.max))) }
                                td class="n" { (ms(side.late_us.map(|s| s.p95))) }
                                td class="n" { (format!("{:.2}", side.cpu_percent)) }
                                td class="n" { (percent(side.client_cpu_s * side.cpu_percent, side.cpu_s * 100.0)) }
                                td class="n" {
                                    @match side.server_cpu_s {
                                        Some(s) => (percent(s * side.cpu_percent, side.cpu_s * 100.0)),
                                        None => "not known",
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn truth(steps: &[Step]) -> Markup {
    let count = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), thousands);
    html! {
        section {
            h2 { "What each saw" }
            p class="note" { "Different sessions and waits over the step; – where the statement has no column that tells. "
                "Waits seen once were shorter than two periods." }
            table data-name="truth" {
                thead { tr {
                    th { "Rate" } th { "Who" } th class="n" { "Rows a sweep" } th class="n" { "Sessions" } th class="n" { "Active" }
                    th class="n" { "Waits" } th class="n" { "seen once" } th class="n" { "Recursive sessions" }
                } }
                tbody {
                    @for step in steps {
                        @for (who, side) in sides(step) {
                            tr {
                                td class="t" { (rate(step)) }
                                td { (who) }
                                td class="n" { (format!("{:.1}", side.seen.rows_per_sweep)) }
                                td class="n" { (count(side.seen.sessions)) }
                                td class="n" { (count(side.seen.sessions_active)) }
                                td class="n" { (count(side.seen.waits)) }
                                td class="n" { (count(side.seen.waits_seen_once)) }
                                td class="n" { (count(side.seen.recursive_sessions)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn claims(document: &Document) -> Markup {
    html! {
        section {
            h2 { "Claims, not measurements" }
            p class="note" { "What others publish of themselves, on machines and loads of their own. Nothing of it was measured here." }
            table data-name="claims" {
                thead { tr { th { "What" } th { "Who" } th { "Claim" } th { "Source" } } }
                tbody {
                    @for claim in &document.claims_not_measured {
                        tr {
                            td { (claim.what) }
                            td { (claim.peer) }
                            td { (claim.value) }
                            td class="detail" { a href=(claim.url) rel="noreferrer" { (claim.url) } }
                        }
                    }
                }
            }
        }
    }
}
