//! Triggers and bursts.

use std::collections::HashSet;

use sgascope::record::ScanOptions;

use super::{Held, Recording, events, scanned};
use crate::mutation::u64s;
use crate::support::{Sim, end, sgascope, shared};

#[test]
fn a_burst_is_sampled_faster_and_weighs_the_same() {
    let _beside = shared();
    let sim = Sim::start(
        "BURST",
        &["--sessions", "100", "--processes", "80", "--rate", "500"],
    );
    let dir = sim.file("recording");
    // it always holds, so that a burst comes as soon as it may
    let args = [
        "-r",
        "20",
        "--flush",
        "100ms",
        "--trigger",
        "active >= 0 and not count(username = 'NOBODY') > 0",
        "--burst",
        "500:2s",
        "--burst-every",
        "5s",
    ];
    let mut recording = Recording::start("BURST", &dir, &args);
    let begun = recording.wait_event("burst_begun");
    let why = begun["event"]["detail"].as_str().unwrap();
    assert!(
        why.starts_with("active is ") && why.contains("count(username = 'NOBODY') is 0"),
        "{why}"
    );
    recording.wait_event("burst_ended");
    recording.wait_event("burst_begun");
    recording.wait_event("burst_ended");
    recording.wait_flushes(3);
    let (summary, _) = recording.end();
    let held = Held::read(&dir, &ScanOptions::default());
    assert_eq!(held.ticks.len() as u64, summary["run"]["frames"]);
    // two bursts of 1,000 periods of 2 ms, the rest in periods of 50 ms; ticks that were missed are
    // in the weight of the next
    let short: Vec<_> = held.ticks.values().filter(|t| t.1 < 50_000).collect();
    assert!(short.len() > 20 && short.len() <= 2_000, "{}", short.len());
    let ticks: Vec<(&u64, &super::Tick)> = held.ticks.iter().collect();
    let numbers: HashSet<u64> = ticks.iter().map(|t| t.1.0).collect();
    assert_eq!(numbers.len(), ticks.len(), "no number twice");
    // weights cover the time, through all changes of the rate
    let deadline = |t: &(&u64, &super::Tick)| t.0 - u64::from(t.1.5) * 1000;
    let start = deadline(&ticks[0]);
    let mut weight = 0u64;
    for tick in &ticks {
        weight += tick.1.1 * 1000;
        let passed = deadline(tick) - start;
        // the first tick lies somewhere in its period, and so does this one
        assert!(weight + 1_000_000 > passed, "{weight} at {passed}");
        assert!(weight < passed + 101_000_000, "{weight} at {passed}");
    }
    // AAS of the whole window doesn't lean to the bursts: the average of active sessions over the
    // ticks of the base rate and of the bursts is each near that of all, weighted
    let of = |wanted: &dyn Fn(u64) -> bool| {
        let mut sums = (0.0, 0.0);
        for (_, tick) in ticks.iter().filter(|t| wanted(t.1.1)) {
            sums.0 += tick.1 as f64 * f64::from(tick.2);
            sums.1 += tick.1 as f64;
        }
        sums.0 / sums.1
    };
    let (all, base, burst) = (of(&|_| true), of(&|w| w >= 50_000), of(&|w| w < 50_000));
    let low = base.min(burst);
    let high = base.max(burst);
    assert!((low..=high).contains(&all), "{all} of {base} and {burst}");
    let (_, begun) = events(&dir)
        .into_iter()
        .find(|e| e.0 == "burst_begun")
        .unwrap();
    assert_eq!(begun, why);
    // the minute before: looks at all sessions, idle ones too, once a second
    let looks = scanned(&dir, "preceding", &ScanOptions::default());
    let mut times = HashSet::new();
    let mut rows = 0;
    for batch in &looks {
        rows += batch.num_rows();
        times.extend(u64s(batch, "sample_id").iter().copied());
        assert!(u64s(batch, "weight_us").iter().all(|w| *w == 1_000_000));
    }
    assert!((2..=60).contains(&times.len()), "{} looks", times.len());
    let largest = ticks.iter().map(|t| t.1.2 as usize).max().unwrap();
    assert!(rows / times.len() > largest, "idle sessions are there too");
}

#[test]
fn a_trigger_that_does_not_hold_costs_nothing_and_a_wrong_one_is_refused() {
    let _beside = shared();
    let sim = Sim::start("CALM", &["--sessions", "80", "--processes", "60"]);
    let dir = sim.file("recording");
    let args = [
        "-r",
        "50",
        "--flush",
        "100ms",
        "--trigger",
        "aas(event = 'nothing') > 0 or active > 100000",
    ];
    let mut recording = Recording::start("CALM", &dir, &args);
    recording.wait_flushes(10);
    let (summary, _) = recording.end();
    let held = Held::read(&dir, &ScanOptions::default());
    assert_eq!(held.ticks.len() as u64, summary["run"]["frames"]);
    assert!(held.ticks.values().all(|t| t.1 >= 20_000), "no burst");
    assert!(scanned(&dir, "preceding", &ScanOptions::default()).is_empty());
    let path = dir.to_str().unwrap();
    let refused = |expression: &str| {
        let run = sgascope(["record", "-I", "CALM", "-o", path, "--trigger", expression]);
        let (code, said) = end(&run);
        assert_eq!(code, 2, "{said}");
        said
    };
    let said = refused("active >> 5");
    assert!(
        said.contains("a column or a value is expected here"),
        "{said}"
    );
    assert!(said.contains("\n  active >> 5\n          ^"), "{said}");
    let said = refused("count(colour = 'red') > 5");
    assert!(
        said.contains("no column `colour`") && said.contains("wait_class"),
        "{said}"
    );
}
