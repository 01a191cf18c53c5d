//! What a sweep costs beside a bare loop over the same cache lines (the floor), and what decoding
//! into Arrow batches costs. Memory is this process's own; `benches/README.md` keeps figures.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sgascope::blueprint::Blueprint;
use sgascope::decode::Decoder;
use sgascope::decode::columns::{needs_of, sample_columns};
use sgascope::memory::{AddressSpace, BytesSpace, TargetAddr};
use sgascope::plan::{Accepted, BoundPlan, EventTable, RowTable, bind, compile};
use sgascope::sample::SampleRows;
use sgascope::walk::{GateFields, Select, Walker};

const BASE: u64 = 0x6800_0000;
/// Row size of 19.3.
const STRIDE: u64 = 10_216;

fn put(bytes: &mut [u8], at: u64, value: u64, size: usize) {
    let at = at as usize;
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
}

/// A bound plan over `slots` rows of which each `every`-th is active.
fn bound(slots: u64, every: u64) -> (Blueprint, BoundPlan) {
    let json = include_bytes!("../blueprints/synthetic/sgasim-19.3.json");
    let mut blueprint = Blueprint::from_json(json, "shipped").unwrap();
    // these rows are made here, by the blueprint itself: there is nothing to accept
    for field in blueprint.structs.iter_mut().flat_map(|s| &mut s.fields) {
        field.accept = None;
    }
    let ksuse = blueprint.strukt("ksuse").unwrap().clone();
    let at = |name: &str| ksuse.field(name).unwrap().offset;
    let mut bytes = vec![0u8; (slots * STRIDE) as usize];
    for slot in 0..slots {
        let row = slot * STRIDE;
        put(&mut bytes, row, 1, 1);
        put(&mut bytes, row + at("KSUSENUM"), slot + 1, 4);
        put(&mut bytes, row + at("KSUSEFLG"), 1, 4);
        put(&mut bytes, row + at("KSUSESEQ"), 9, 2);
        let active = slot % every == 0;
        put(&mut bytes, row + at("KSUSEIDL"), u64::from(active), 2);
        put(&mut bytes, row + at("KSUSETIM"), u64::from(active) * 500, 4);
        put(&mut bytes, row + at("KSUSEOPC"), 1, 2);
        let name = row as usize + at("KSUUDLNA") as usize;
        bytes[name..name + 5].copy_from_slice(b"SCOTT");
    }
    let space: Arc<dyn AddressSpace> =
        Arc::new(BytesSpace::new(vec![(TargetAddr(BASE), bytes)]).unwrap());
    let accepted = Arc::new(Accepted::default());
    let needs = needs_of(&sample_columns());
    let plan = compile(&blueprint, &accepted, "ksuse", &GateFields::NEEDS, &needs);
    let plan = plan.unwrap();
    let addrs = (0..slots).map(|i| TargetAddr(BASE + i * STRIDE)).collect();
    let rows = RowTable {
        addrs,
        spots: Vec::new(),
    };
    let bound = bind(
        space,
        plan,
        &rows,
        accepted,
        Arc::new(EventTable::default()),
    );
    (blueprint, bound)
}

fn active() -> Select {
    Select::Active {
        idle: vec![false, true].into(),
    }
}

fn sweeps(c: &mut Criterion) {
    let mut group = c.benchmark_group("sweep");
    for slots in [1_000u64, 10_000] {
        group.throughput(Throughput::Elements(slots));
        let (_, plan) = bound(slots, 1);
        group.bench_function(BenchmarkId::new("floor", slots), |b| {
            let mut words = [0u64; 16];
            b.iter(|| {
                for spot in plan.rows.spots.iter().flatten() {
                    for span in &plan.plan.gate {
                        let out = &mut words[..span.words as usize];
                        plan.space.read_words(*spot, span.offset, out).unwrap();
                    }
                }
                black_box(words)
            });
        });
        for (name, every) in [("2%", 50), ("10%", 10), ("100%", 1)] {
            let (_, plan) = bound(slots, every);
            let mut walker = Walker::new(plan, active()).unwrap();
            let mut frame = walker.frame();
            group.bench_function(BenchmarkId::new(name, slots), |b| {
                b.iter(|| {
                    walker.sweep(&mut frame, || 0);
                    black_box(frame.len())
                });
            });
        }
    }
    group.finish();
}

fn decoding(c: &mut Criterion) {
    let (blueprint, plan) = bound(1_000, 1);
    let columns = sample_columns();
    let mut decoder = Decoder::new(&blueprint, &plan, &columns);
    let mut walker = Walker::new(plan, active()).unwrap();
    let mut frame = walker.frame();
    walker.sweep(&mut frame, || 0);
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(frame.len() as u64));
    group.bench_function("to Arrow", |b| {
        let mut rows = SampleRows::new(decoder.columns(), "BENCH", &blueprint.id);
        b.iter(|| {
            rows.append(&frame, &mut decoder);
            black_box(rows.take().unwrap())
        });
    });
    group.finish();
}

criterion_group!(benches, sweeps, decoding);
criterion_main!(benches);
