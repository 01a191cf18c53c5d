//! Cases that are timed or counted: a sweep of so many slots of which so many are active; decoding.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use sgascope::blueprint::Blueprint;
use sgascope::decode::Decoder;
use sgascope::decode::columns::{needs_of, sample_columns};
use sgascope::plan::{Accepted, BoundPlan, EventTable, RowTable, bind, compile};
use sgascope::sample::SampleRows;
use sgascope::sample::pacer::monotonic_ns;
use sgascope::walk::{Frame, GateFields, Select, Walker};

use super::floor::Floor;
use super::segment::{Pages, Segment};

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

/// Decoding of a frame in which all rows are active.
pub struct Decode {
    frame: Frame,
    decoder: Decoder,
    rows: SampleRows,
    _walker: Walker,
}

impl Decode {
    pub fn new(slots: u64) -> Decode {
        let blueprint = blueprint();
        let mut segment = Segment::new(slots, Pages::Small).unwrap();
        segment.fill(&blueprint, 100);
        let bound = bound(&blueprint, &segment);
        let decoder = Decoder::new(&blueprint, &bound, &sample_columns());
        let mut walker = Walker::new(bound, Select::Used).unwrap();
        let mut frame = walker.frame();
        walker.sweep(&mut frame, || 0);
        let rows = SampleRows::new(decoder.columns(), "BENCH", &blueprint.id);
        Decode {
            frame,
            decoder,
            rows,
            _walker: walker,
        }
    }

    pub fn rows(&self) -> u64 {
        self.frame.len() as u64
    }

    /// One frame to a batch; gives its rows.
    pub fn batch(&mut self) -> usize {
        self.rows.append(&self.frame, &mut self.decoder);
        self.rows.take().unwrap().0.num_rows()
    }
}

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
    let events = Arc::new(EventTable::default());
    bind(segment.space.clone(), plan, &rows, accepted, events)
}

/// Does the work of a case `rounds` times: `sweep/SLOTS/PERCENT%`, `floor/SLOTS/PERCENT%`,
/// `decode/ROWS`, or `none/…` for what comes before the work.
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
        "decode" => {
            let mut case = Decode::new(number(1));
            for _ in 0..rounds {
                black_box(case.batch());
            }
        }
        other => panic!("no case {other}"),
    }
}
