//! Cases that are timed or counted: a sweep of so many slots of which so many are active; decoding.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use sgascope::blueprint::Blueprint;
use sgascope::blueprint::model::WaitClass;
use sgascope::decode::columns::{needs_of, sample_columns};
use sgascope::decode::{Context, Decoder};
use sgascope::plan::{Accepted, BoundPlan, Event, EventTable, RowTable, bind, compile};
use sgascope::sample::SampleRows;
use sgascope::sample::pacer::monotonic_ns;
use sgascope::walk::{Frame, GateFields, Select, Walker};

use super::floor::Floor;
use super::segment::{Pages, Segment};
use super::store::{SLOTS, Store};

/// A sweep and its floor.
pub struct Case {
    pub floor: Floor,
    walker: Walker,
    frame: Frame,
    // the floor points into it
    _segment: Segment,
}

impl Case {
    pub fn new(slots: u64, percent: u64, pages: Pages) -> io::Result<Case> {
        let blueprint = blueprint();
        let mut segment = Segment::new(slots, pages)?;
        let active = segment.fill(&blueprint, percent);
        let bound = bound(&blueprint, &segment);
        let floor = Floor::new(&segment, &bound.plan, &active);
        let idle = vec![false, true].into();
        let mut walker = Walker::new(bound, Select::Active { idle }).unwrap();
        let mut frame = walker.frame();
        walker.sweep(&mut frame, || 0);
        assert_eq!(frame.len(), active.len(), "the sweep sees what was written");
        Ok(Case {
            floor,
            walker,
            frame,
            _segment: segment,
        })
    }

    /// One sweep, as the sampler does it.
    pub fn sweep(&mut self) {
        let start = monotonic_ns();
        self.walker
            .sweep(&mut self.frame, || monotonic_ns() - start);
        black_box(self.frame.len());
    }
}

/// Decoding of frames in which all rows are active.
pub struct Decode {
    frames: Vec<Frame>,
    /// Ticks decoded so far.
    ticks: u64,
    pub decoder: Decoder,
    pub rows: SampleRows,
}

/// Which rows are made of frames.
#[derive(Clone, Copy)]
pub enum Shape {
    /// All columns in one table.
    Wide,
    /// As recordings have them: `samples` and its side tables.
    Narrow,
}

/// Ticks that differ; then they come again.
const FRAMES: u64 = 16;
/// Time between ticks: 1,000 Hz.
const TICK_NS: u64 = 1_000_000;

impl Decode {
    /// Frames of `slots` rows each. Of `moving` ones every row is in another wait each tick, see
    /// [`Segment::next_tick`]; else no row changes.
    pub fn new(slots: u64, shape: Shape, moving: bool) -> Decode {
        let blueprint = blueprint();
        let mut segment = Segment::new(slots, Pages::Small).unwrap();
        segment.fill(&blueprint, 100);
        let bound = bound(&blueprint, &segment);
        let context = Context::unknown().watching(slots as usize);
        let decoder = Decoder::within(&blueprint, &bound, &sample_columns(), context);
        let mut walker = Walker::new(bound, Select::Used).unwrap();
        let mut frames = Vec::new();
        for tick in 0..if moving { FRAMES } else { 1 } {
            if moving {
                segment.next_tick(&blueprint, tick);
            }
            let mut frame = walker.frame();
            walker.sweep(&mut frame, || 0);
            frames.push(frame);
        }
        let rows = match shape {
            Shape::Wide => SampleRows::new(&decoder, "BENCH", &blueprint.id),
            Shape::Narrow => SampleRows::narrow(&decoder, "BENCH", &blueprint.id),
        };
        let mut case = Decode {
            frames,
            ticks: 0,
            decoder,
            rows,
        };
        // each frame once: what is seen for the first time comes before the work
        for _ in 0..case.frames.len() {
            case.batch();
        }
        case
    }

    /// Rows of a frame.
    pub fn frame_rows(&self) -> u64 {
        self.frames[0].len() as u64
    }

    /// Decodes the next frame.
    pub fn append(&mut self) {
        let which = (self.ticks % self.frames.len() as u64) as usize;
        let frame = &mut self.frames[which];
        frame.tick = self.ticks;
        frame.mono_ns = self.ticks * TICK_NS;
        frame.wall_ns = START_NS + (self.ticks * TICK_NS) as i64;
        frame.weight_ns = TICK_NS;
        self.ticks += 1;
        self.rows.append(frame, &mut self.decoder);
    }

    /// One frame to batches; gives its rows.
    pub fn batch(&mut self) -> usize {
        self.append();
        let tables = self.rows.all_tables().unwrap();
        tables.iter().map(|(_, batch)| batch.num_rows()).sum()
    }
}

/// 2026-01-01 00:00 UTC.
const START_NS: i64 = 1_767_225_600_000_000_000;

fn blueprint() -> Blueprint {
    let json = include_bytes!("../../blueprints/synthetic/sgasim-19.3.json");
    let mut blueprint = Blueprint::from_json(json, "shipped").unwrap();
    // these rows are made here, by the blueprint itself: there is nothing to accept
    for field in blueprint.structs.iter_mut().flat_map(|s| &mut s.fields) {
        field.accept = None;
    }
    blueprint
}

fn bound(blueprint: &Blueprint, segment: &Segment) -> BoundPlan {
    let accepted = Arc::new(Accepted::default());
    let needs = needs_of(&sample_columns());
    let plan = compile(blueprint, &accepted, "ksuse", &GateFields::NEEDS, &needs).unwrap();
    let rows = RowTable {
        addrs: segment.rows.clone(),
        spots: Vec::new(),
    };
    let events = Arc::new(events());
    bind(segment.space.clone(), plan, &rows, accepted, events)
}

/// Events of four classes, the second idle.
fn events() -> EventTable {
    let class = |no: u32| WaitClass {
        no,
        id: 1_000 + no,
        name: ["Idle", "User I/O", "Concurrency", "Commit"][no as usize].into(),
    };
    let event = |number: usize| Event {
        name: format!("event number {number}"),
        parameters: ["file#".into(), "block#".into(), "blocks".into()],
        class: Some(if number == 1 { 0 } else { 1 + number % 3 }),
    };
    EventTable {
        events: (0..200).map(event).collect(),
        classes: (0..4).map(class).collect(),
        problem: None,
    }
}

/// Does the work of a case `rounds` times: `sweep/SLOTS/PERCENT%`, `floor/SLOTS/PERCENT%`,
/// `decode/ROWS` (wide), `narrow/ROWS`, `same/ROWS` (narrow, of rows that don't change), or
/// `record/ROWS` (narrow, in frames of 1,000, and written to a hot file: 17,000 are one flush).
pub fn count(name: &str, rounds: u32) {
    let parts: Vec<&str> = name.split('/').collect();
    let number = |i: usize| -> u64 { parts[i].trim_end_matches('%').parse().unwrap() };
    match parts[0] {
        "sweep" | "floor" => {
            let mut case = Case::new(number(1), number(2), Pages::Small).unwrap();
            for _ in 0..rounds {
                if parts[0] == "sweep" {
                    case.sweep();
                } else {
                    black_box(case.floor.read());
                }
            }
        }
        "decode" => decode(&mut Decode::new(number(1), Shape::Wide, true), rounds),
        "narrow" => decode(&mut Decode::new(number(1), Shape::Narrow, true), rounds),
        "same" => decode(&mut Decode::new(number(1), Shape::Narrow, false), rounds),
        "record" => {
            let dir = tempfile::tempdir_in("/dev/shm").unwrap();
            let mut case = Store::new(dir.path(), true);
            let ticks = u64::from(rounds) * number(1) / SLOTS;
            (0..ticks).for_each(|_| case.tick());
        }
        other => panic!("no case {other}"),
    }
}

fn decode(case: &mut Decode, rounds: u32) {
    for _ in 0..rounds {
        black_box(case.batch());
    }
}
