//! What a sweep costs beside a bare loop over the same cache lines (the floor), and what decoding
//! into Arrow batches costs; on real SysV segments. `benches/README.md` keeps figures.
//!
//! Without arguments: criterion. `-- --json`: one JSON object of ratios, of floor and sweep measured
//! in turn. `-- --count CASE N`: that case's work N times, for tools that count instructions.
//! `-- --store [DIR [ROWS]]`: one JSON object of what decoding and writing a recording takes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![allow(unsafe_code)] // makes and fills the segments, and reads them as barely as can be

mod cases;
mod floor;
mod ratios;
mod segment;
mod store;

use std::hint::black_box;

use cases::Shape;
use criterion::{BenchmarkId, Criterion, Throughput};
use segment::Pages;

fn sweeps(c: &mut Criterion) {
    let mut group = c.benchmark_group("sweep");
    for slots in [1_000u64, 10_000] {
        group.throughput(Throughput::Elements(slots));
        for percent in [2, 10, 100] {
            let mut case = cases::Case::new(slots, percent, Pages::Small).unwrap();
            let name = format!("{percent}%");
            group.bench_function(BenchmarkId::new(format!("floor {name}"), slots), |b| {
                b.iter(|| black_box(case.floor.read()));
            });
            group.bench_function(BenchmarkId::new(name, slots), |b| b.iter(|| case.sweep()));
        }
    }
    group.finish();
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (name, shape) in [("to Arrow", Shape::Wide), ("narrow", Shape::Narrow)] {
        let mut case = cases::Decode::new(1_000, shape, true);
        group.throughput(Throughput::Elements(case.frame_rows()));
        group.bench_function(name, |b| b.iter(|| black_box(case.batch())));
    }
    group.finish();
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    match args.next().as_deref() {
        Some("--json") => println!("{}", ratios::all(&args.collect::<Vec<_>>())),
        Some("--count") => {
            let name = args.next().unwrap();
            cases::count(&name, args.next().unwrap().parse().unwrap());
        }
        Some("--store") => {
            let dir = args.next().unwrap_or("/dev/shm".into());
            let rows = args.next().map_or(2_000_000, |n| n.parse().unwrap());
            println!("{}", store::measure(dir.as_ref(), rows));
        }
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            sweeps(&mut criterion);
            decoding(&mut criterion);
            criterion.final_summary();
        }
    }
}
