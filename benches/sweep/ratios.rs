//! Sweep and floor in turn, in one process; their ratio.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::cases::{Case, Decode, Shape};
use super::floor::Floor;
use super::segment::Pages;

/// How long each case is measured back to back, and how long paced.
const TIME: Duration = Duration::from_millis(1_000);
/// Sweeps, and floors, in a row.
const BATCH: usize = 8;
/// Other work between two paced ticks: so many bytes written, twice the L2 cache; then a sleep.
const OTHER_WORK: usize = 4 << 20;
const PAUSE: Duration = Duration::from_micros(500);

/// One JSON object: all cases, or those whose name holds one of `wanted`.
pub fn all(wanted: &[String]) -> Value {
    let mut tables: [(&str, Map<String, Value>); 7] = [
        "sweep_to_floor_ratio",
        "sweep_to_floor_ratio_paced",
        "sweep_to_touch_ratio",
        "sweep_us",
        "floor_us",
        "sweep_paced_us",
        "lines",
    ]
    .map(|name| (name, Map::new()));
    let mut missing = Map::new();
    for pages in [Pages::Small, Pages::Huge] {
        for slots in [1_000, 10_000, 50_000] {
            for percent in [2, 10, 100] {
                let name = format!("{slots}/{percent}%/{}", pages.name());
                if !wanted.is_empty() && !wanted.iter().any(|w| name.contains(w)) {
                    continue;
                }
                match Case::new(slots, percent, pages) {
                    Ok(case) => {
                        for (value, (_, table)) in measure(case).into_iter().zip(&mut tables) {
                            table.insert(name.clone(), json!((value * 1000.0).round() / 1000.0));
                        }
                    }
                    Err(e) => {
                        missing.insert(
                            name,
                            format!("no such segment: {e}; huge pages need vm.nr_hugepages").into(),
                        );
                    }
                }
            }
        }
    }
    let mut object: Map<String, Value> = tables
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.into()))
        .collect();
    object.insert("not_measured".into(), missing.into());
    if wanted.is_empty() || wanted.iter().any(|w| w == "decode") {
        object.insert("decode_rows_per_second".into(), json!(decode().round()));
    }
    object.into()
}

/// In the order of `all`'s tables.
fn measure(mut case: Case) -> [f64; 7] {
    case.floor
        .tune(|floor| quiet((0..24).map(|_| floor_us(floor)).collect()));
    let (mut floors, mut sweeps, mut touches) = (Vec::new(), Vec::new(), Vec::new());
    let end = Instant::now() + TIME;
    while floors.len() < 3 * BATCH || Instant::now() < end {
        floors.extend((0..BATCH).map(|_| floor_us(&case.floor)));
        sweeps.extend((0..BATCH).map(|_| sweep_us(&mut case)));
        touches.extend((0..BATCH).map(|_| timed(|| black_box(case.floor.touch()))));
    }
    let (mut cold_floors, mut cold_sweeps) = (Vec::new(), Vec::new());
    let mut work = vec![0u8; OTHER_WORK];
    let end = Instant::now() + TIME;
    while cold_floors.len() < 16 || Instant::now() < end {
        other_work(&mut work);
        cold_floors.push(floor_us(&case.floor));
        other_work(&mut work);
        cold_sweeps.push(sweep_us(&mut case));
    }
    let (floor, sweep, touch) = (quiet(floors), quiet(sweeps), quiet(touches));
    let (cold_floor, cold_sweep) = (quiet(cold_floors), quiet(cold_sweeps));
    let lines = case.floor.len() as f64;
    [
        sweep / floor,
        cold_sweep / cold_floor,
        sweep / touch,
        sweep,
        floor,
        cold_sweep,
        lines,
    ]
}

fn other_work(work: &mut [u8]) {
    work.iter_mut()
        .step_by(64)
        .for_each(|b| *b = b.wrapping_add(1));
    black_box(work);
    std::thread::sleep(PAUSE);
}

fn floor_us(floor: &Floor) -> f64 {
    timed(|| black_box(floor.read()))
}

fn sweep_us(case: &mut Case) -> f64 {
    timed(|| case.sweep())
}

fn timed<T>(mut work: impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / 1000.0
}

/// The lower quartile: on a machine that others use too, half of all times are theirs.
fn quiet(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 4]
}

/// Rows a second from raw words to an Arrow batch.
fn decode() -> f64 {
    let mut case = Decode::new(1_000, Shape::Wide, true);
    let rows = case.frame_rows() as f64;
    rows / quiet((0..200).map(|_| timed(|| case.batch())).collect()) * 1e6
}
