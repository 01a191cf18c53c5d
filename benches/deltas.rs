//! Deltas a second on one core: the state machine of `cost` over readings of many sessions.
//!
//! `cargo bench --bench deltas`.

#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sgascope::finops::deltas::{COUNTERS, Deltas, LifeKey, Reading};

/// Readings of each session in a round.
const READINGS: u64 = 20;

fn reading(sid: u32, at: u64) -> Reading {
    let life = at / 10;
    let mut counters = [0; COUNTERS];
    for (n, counter) in counters.iter_mut().enumerate() {
        *counter = (at % 10) * (1_000 + n as u64) + u64::from(sid);
    }
    Reading {
        key: LifeKey {
            sid,
            serial: life as u32,
            logon_us: life as i64 * 150_000_000 + 1,
        },
        time_us: at as i64 * 15_000_000,
        seen_us: (at > 0).then(|| (at as i64 - 1) * 15_000_000),
        counters,
        temp_bytes: at << 20,
        pga_bytes: 5 << 20,
        os_cpu_us: None,
        active: sid.is_multiple_of(3),
        tag: sid,
    }
}

fn deltas(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deltas");
    group.measurement_time(Duration::from_secs(5));
    for sessions in [1_000u32, 20_000] {
        let readings: Vec<Reading> = (0..READINGS)
            .flat_map(|at| (0..sessions).map(move |sid| reading(sid, at)))
            .collect();
        group.throughput(Throughput::Elements(readings.len() as u64));
        group.bench_function(sessions.to_string(), |bencher| {
            bencher.iter(|| {
                let mut deltas = Deltas::new(None);
                for reading in &readings {
                    black_box(deltas.push(black_box(reading)));
                }
                deltas.alive()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, deltas);
criterion_main!(benches);
