//! Recorded AAS per event against the truth's own time integral.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::AsArray;

use crate::mutation::{batches, texts, ticks, u64s};
use crate::support::{self, Sim, State, alone, json, sgascope};

/// Session time by event name over a window, in seconds, for sessions that count as active.
fn true_seconds(
    truth: &HashMap<u32, Vec<State>>,
    events: &HashMap<u32, (String, bool)>,
    window: (u64, u64),
) -> HashMap<String, f64> {
    let mut seconds = HashMap::new();
    for states in truth.values() {
        for (i, state) in states.iter().enumerate() {
            let from = state.end_ns.max(window.0);
            let until = states
                .get(i + 1)
                .map_or(window.1, |next| next.end_ns)
                .min(window.1);
            if !state.in_use || state.kind == 'R' || until <= from {
                continue;
            }
            let key = if state.waiting {
                let (name, idle) = &events[&state.event_no];
                if *idle {
                    continue;
                }
                name.clone()
            } else if state.active || state.kind == 'B' {
                "ON CPU".to_owned()
            } else {
                continue;
            };
            *seconds.entry(key).or_default() += (until - from) as f64 / 1e9;
        }
    }
    seconds
}

/// Samples and weighted seconds by event, of active sessions that V$SESSION shows.
fn sampled_seconds(recording: &Path) -> HashMap<String, (u64, f64)> {
    let mut found: HashMap<String, (u64, f64)> = HashMap::new();
    for batch in batches(recording, "samples") {
        let active = batch.column_by_name("is_active").unwrap().as_boolean();
        let shown = batch.column_by_name("in_v_session").unwrap().as_boolean();
        let event = texts(&batch, "event");
        for (i, event) in event.into_iter().enumerate() {
            if !active.value(i) || !shown.value(i) {
                continue;
            }
            let key = event.unwrap_or_else(|| "ON CPU".into());
            let entry = found.entry(key).or_default();
            entry.0 += 1;
            entry.1 += u64s(&batch, "weight_us")[i] as f64 / 1e6;
        }
    }
    found
}

/// EVENT# to name and whether its class is Idle, from the simulator's spool of V$EVENT_NAME.
fn event_names(sim: &Sim) -> HashMap<u32, (String, bool)> {
    let text = std::fs::read_to_string(sim.file("spool/v_event_name.csv")).unwrap();
    let mut lines = text.lines();
    let cells = |line: &str| -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells
    };
    let header = cells(lines.next().unwrap());
    let at = |name: &str| header.iter().position(|h| h == name).unwrap();
    let (number, name, class) = (at("EVENT#"), at("NAME"), at("WAIT_CLASS"));
    lines
        .map(cells)
        .map(|c| {
            (
                c[number].parse().unwrap(),
                (c[name].clone(), c[class] == "Idle"),
            )
        })
        .collect()
}

#[test]
fn aas_per_event_is_within_three_standard_errors() {
    let _quiet = alone();
    let dir = tempfile::tempdir().unwrap();
    let truth_file = dir.path().join("truth");
    let recording = dir.path().join("recording");
    let mut sim = Sim::start(
        "ACC",
        &["--seed", "11", "--truth", truth_file.to_str().unwrap()],
    );
    let summary = json(&sgascope([
        "record",
        "-I",
        "ACC",
        "-r",
        "100",
        "-d",
        "40s",
        "-f",
        "json",
        "-o",
        recording.to_str().unwrap(),
    ]));
    sim.pause();
    let truth = support::truth(&truth_file);
    let ticks = ticks(&recording);
    // each tick stands for its own period, so all of them together for the whole window
    let first = ticks.values().next().unwrap();
    let elapsed: u64 = ticks.values().map(|t| t.weight_us * 1000).sum();
    let begin = first.mono_ns - first.mono_ns.min(5_000_000);
    let wanted = true_seconds(&truth, &event_names(&sim), (begin, begin + elapsed));
    let sampled = sampled_seconds(&recording);
    let observations = (ticks.len() * truth.len()) as f64;
    let total = elapsed as f64 / 1e9 * truth.len() as f64;
    let (mut compared, mut wrong) = (0, Vec::new());
    for (event, (samples, seconds)) in &sampled {
        let real = wanted.get(event).copied().unwrap_or(0.0);
        if *samples < 100 {
            continue;
        }
        compared += 1;
        let p = real / total;
        let error = (p * (1.0 - p) / observations).sqrt() * total;
        let line = format!(
            "{event}: {samples} samples, {seconds:.3} s against {real:.3} s, {:+.2} standard errors",
            (seconds - real) / error
        );
        eprintln!("{line}");
        if (seconds - real).abs() > 3.0 * error {
            wrong.push(line);
        }
    }
    assert!(compared >= 8, "only {compared} events had 100 samples");
    assert!(wrong.is_empty(), "{wrong:#?} {summary}");
    // an event that took long and was never sampled would be as wrong
    for (event, real) in &wanted {
        assert!(
            *real < 3.0 || sampled.contains_key(event),
            "{event}: {real} s never seen"
        );
    }
    sim.stop();
}
