//! Intervals against simulated sessions whose true time is known.

use super::aas::interval;
use super::variance::{Design, Looks, Spread};
use crate::record::testing::Random;

/// 100 ms.
const PERIOD: f64 = 0.1;

struct Regime {
    name: &'static str,
    /// Mean seconds in the group, and out of it.
    on: f64,
    off: f64,
    sessions: usize,
    /// All sessions enter and leave together.
    together: bool,
    /// Share of ticks that are missed; the next one counts for them.
    missed: f64,
}

/// True time and sampled interval of one window of `periods` periods.
fn window(regime: &Regime, periods: usize, random: &mut Random) -> Option<(f64, f64, f64)> {
    let mut ticks = Vec::new();
    let mut weight = 0;
    for period in 0..periods {
        weight += 100_000;
        if period > 0 && random.unit() < regime.missed {
            continue;
        }
        let time = (period as f64 + random.unit()) * PERIOD;
        ticks.push(((time * 1e6) as i64, weight));
        weight = 0;
    }
    let end = periods as f64 * PERIOD;
    let mut seen = vec![0u64; ticks.len()];
    let mut truth = 0.0;
    let (drawn, copies) = match regime.together {
        true => (1, regime.sessions as u64),
        false => (regime.sessions, 1),
    };
    for _ in 0..drawn {
        let mut is_on = random.unit() < regime.on / (regime.on + regime.off);
        let (mut now, mut tick) = (0.0, 0);
        while now < end {
            let mean = if is_on { regime.on } else { regime.off };
            let until = (now - mean * (1.0 - random.unit()).ln()).min(end);
            while tick < ticks.len() && (ticks[tick].0 as f64) < until * 1e6 {
                seen[tick] += copies * u64::from(is_on);
                tick += 1;
            }
            if is_on {
                truth += (until - now) * copies as f64;
            }
            (now, is_on) = (until, !is_on);
        }
    }
    let mut looks = Looks::default();
    let mut total_us = 0;
    for ((time_us, weight), sessions) in ticks.iter().zip(seen) {
        for _ in 0..sessions {
            looks.add(*time_us, *weight);
            total_us += weight;
        }
    }
    let (mut spread, mut design) = (Spread::default(), Design::default());
    spread.add(&mut looks, &ticks);
    design.add(&ticks);
    let variance = design.variance_us2(&spread)?;
    let watched: u64 = ticks.iter().map(|(_, weight)| weight).sum();
    let found = interval(total_us, variance, watched)?;
    Some((truth / end, found.low, found.high))
}

/// Sessions that change within a period or over many, alone or all at once, often or seldom.
const REGIMES: [Regime; 6] = [
    Regime {
        name: "short",
        on: 0.01,
        off: 0.04,
        sessions: 10,
        together: false,
        missed: 0.0,
    },
    Regime {
        name: "medium",
        on: 0.1,
        off: 0.4,
        sessions: 10,
        together: false,
        missed: 0.0,
    },
    Regime {
        name: "long",
        on: 2.0,
        off: 8.0,
        sessions: 10,
        together: false,
        missed: 0.0,
    },
    Regime {
        name: "convoy",
        on: 0.01,
        off: 0.09,
        sessions: 20,
        together: true,
        missed: 0.0,
    },
    Regime {
        name: "rare",
        on: 0.01,
        off: 2.0,
        sessions: 10,
        together: false,
        missed: 0.0,
    },
    Regime {
        name: "missed",
        on: 0.1,
        off: 0.4,
        sessions: 10,
        together: false,
        missed: 0.05,
    },
];

/// Ten or twenty sessions of each of six regimes are looked at in 600 windows of two minutes each.
#[test]
fn intervals_of_95_percent_hold_the_truth_in_93_to_97_percent_of_windows() {
    for (number, regime) in REGIMES.iter().enumerate() {
        let mut random = Random::new(number as u64 + 1);
        let (mut held, mut windows) = (0, 0);
        for _ in 0..600 {
            if let Some((truth, low, high)) = window(regime, 1_200, &mut random) {
                windows += 1;
                held += i32::from(low <= truth && truth <= high);
            }
        }
        let coverage = f64::from(held) / f64::from(windows);
        eprintln!("{}: {coverage:.3} of {windows}", regime.name);
        assert!(
            (0.93..=0.97).contains(&coverage),
            "{}: {coverage}",
            regime.name
        );
    }
}

#[test]
fn sums_of_sparse_looks_equal_those_over_all_ticks() {
    let mut random = Random::new(9);
    for _ in 0..200 {
        let ticks: Vec<(i64, u64)> = (0..40i64)
            .map(|n| {
                (
                    n * 100 + (random.unit() * 100.0) as i64,
                    50 + (random.unit() * 3.0) as u64 * 50,
                )
            })
            .collect();
        let sums: Vec<u64> = ticks
            .iter()
            .map(|(_, weight)| {
                if random.unit() < 0.3 {
                    weight * (1 + (random.unit() * 3.0) as u64)
                } else {
                    0
                }
            })
            .collect();
        let mut looks = Looks::default();
        for ((time, _), sum) in ticks.iter().zip(&sums).rev() {
            if *sum > 0 {
                looks.add(*time, *sum);
            }
        }
        let mut spread = Spread::default();
        spread.add(&mut looks, &ticks);
        let squared = |a: usize, b: usize| {
            let (wa, wb) = (ticks[a].1 as f64, ticks[b].1 as f64);
            let d = sums[a] as f64 / wa - sums[b] as f64 / wb;
            (wa * wb * d * d / 2.0) as u128
        };
        let next: u128 = (1..ticks.len()).map(|b| squared(b - 1, b)).sum();
        let second: u128 = (2..ticks.len()).map(|b| squared(b - 2, b)).sum();
        let near: u128 = (1..ticks.len())
            .filter(|b| {
                (ticks[*b].0 - ticks[*b - 1].0) * 4 < (ticks[*b].1 + ticks[*b - 1].1) as i64
            })
            .map(|b| squared(b - 1, b))
            .sum();
        let close = |a: u128, b: u128| a.abs_diff(b) <= 80;
        assert!(
            close(spread.next, next) && close(spread.second, second) && close(spread.near, near)
        );
    }
}
