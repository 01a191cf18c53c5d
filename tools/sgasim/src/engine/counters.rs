//! Statistics of the sessions: what V$SESSTAT shows of each, kept beside the memory, and the stores to memory.
//!
//! Every documented statistic of every session moves. A count goes to one statistic; V$SESSTAT shows it also in those
//! that this one is part of. From 18c on memory holds it once, in the statistic itself (a public 19c sampler: parents
//! hold only what their parts don't); before, every statistic holds its whole value. It doesn't know what sessions do.
//! Only `stage` and `pmon` use it.

use std::fmt::Write as _;

use super::random::Random;
use super::stage::{Stage, epoch_seconds};
use crate::instance::Instance;
use crate::names::tree::{LATEST, LEVELS, MICROSECONDS, PART_OF};

/// Statistics that a call moves besides its own.
const MOVED: usize = 12;

/// How a statistic moves and is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// Grows.
    Count,
    /// Grows by microseconds, shown in centiseconds.
    Microseconds,
    /// Rises and falls.
    Level,
    /// Seconds since 1970.
    Latest,
}

/// A statistic that moves.
#[derive(Debug)]
struct Moving {
    number: usize,
    name: String,
    unit: Unit,
    /// Those that it is part of, directly and through others, as positions in the list of moving ones.
    whole: Vec<usize>,
}

/// The statistics of all session slots.
#[derive(Debug)]
pub struct Counters {
    moving: Vec<Moving>,
    /// Position in `moving` by STATISTIC#.
    position: Vec<Option<usize>>,
    /// Value of each moving statistic as V$SESSTAT adds it up, in memory's unit; slot by slot.
    values: Vec<u64>,
    in_parts: bool,
    /// Statistics move only by what is counted.
    only_counted: bool,
    random: Random,
}

impl Counters {
    /// No session has counted anything.
    pub fn new(instance: &Instance) -> Counters {
        let count = instance.session_statistics;
        let named = |s: &str| !s.starts_with("spare ");
        let names = instance.exe.statistics.iter().take(count).enumerate();
        let mut moving: Vec<Moving> = names
            .filter(|(_, s)| named(&s.name))
            .map(|(number, s)| Moving {
                number,
                name: s.name.clone(),
                unit: unit(&s.name),
                whole: Vec::new(),
            })
            .collect();
        let mut position = vec![None; count];
        for (t, statistic) in moving.iter().enumerate() {
            position[statistic.number] = Some(t);
        }
        for t in 0..moving.len() {
            moving[t].whole = whole(&moving, t);
        }
        Counters {
            values: vec![0; instance.places.sessions.len() * moving.len()],
            in_parts: !instance.layout.release.starts_with("12."),
            only_counted: false,
            random: Random::new(instance.places.sessions.len() as u64),
            moving,
            position,
        }
    }

    /// From now on nothing moves but what is counted, and sessions begin at 0.
    pub fn only_counted(&mut self) {
        self.only_counted = true;
    }

    /// What V$SESSTAT shows of a statistic of a slot.
    pub fn shown(&self, slot: usize, name: &str) -> Option<u64> {
        let t = self.moving.iter().position(|m| m.name == name)?;
        Some(self.shown_value(slot, t))
    }

    fn shown_value(&self, slot: usize, t: usize) -> u64 {
        let value = self.values[slot * self.moving.len() + t];
        match self.moving[t].unit {
            Unit::Microseconds => value / 10_000,
            _ => value,
        }
    }

    /// Sets a statistic that rises and falls.
    pub fn level(&mut self, at: &Instance, slot: usize, number: Option<usize>, to: u64) {
        let position = number.and_then(|n| self.position.get(n).copied().flatten());
        if let Some(t) = position {
            self.set(at, slot, t, to);
        }
    }

    fn value(&mut self, slot: usize, t: usize) -> &mut u64 {
        &mut self.values[slot * self.moving.len() + t]
    }

    /// Adds to a statistic of a slot.
    pub fn count(&mut self, at: &Instance, slot: usize, number: Option<usize>, by: u64) {
        let position = number.and_then(|n| self.position.get(n).copied().flatten());
        if let Some(t) = position {
            self.add(at, slot, t, by);
        }
    }

    fn add(&mut self, at: &Instance, slot: usize, t: usize, by: u64) {
        self.add_value(slot, t, by);
        store_sum(at, slot, self.moving[t].number, by);
        for k in 0..self.moving[t].whole.len() {
            let above = self.moving[t].whole[k];
            self.add_value(slot, above, by);
            if !self.in_parts {
                store_sum(at, slot, self.moving[above].number, by);
            }
        }
    }

    fn add_value(&mut self, slot: usize, t: usize, by: u64) {
        let value = self.value(slot, t);
        *value = value.wrapping_add(by);
    }

    fn set(&mut self, at: &Instance, slot: usize, t: usize, to: u64) {
        *self.value(slot, t) = to;
        let place = at.places.statistics[slot] + 8 * self.moving[t].number as u64;
        at.memory.store(place, 8, to);
    }

    /// A session begins: what the slot's last session counted is gone, and it has counted something itself.
    pub fn begin(&mut self, at: &Instance, slot: usize) {
        for n in 0..at.session_statistics as u64 {
            let place = at.places.statistics[slot] + 8 * n;
            if at.memory.load(place) != 0 {
                at.memory.store(place, 8, 0);
            }
        }
        let width = self.moving.len();
        self.values[slot * width..(slot + 1) * width].fill(0);
        for t in 0..width {
            if !self.only_counted && !self.random.once_in(8) {
                self.step(at, slot, t, 200_000);
            }
        }
    }

    /// A call moves a few statistics, each call others.
    pub fn work(&mut self, at: &Instance, slot: usize) {
        let moved = if self.only_counted { 0 } else { MOVED };
        for _ in 0..moved {
            let t = self.random.below(self.moving.len() as u64) as usize;
            if t < self.moving.len() {
                self.step(at, slot, t, 500);
            }
        }
    }

    fn step(&mut self, at: &Instance, slot: usize, t: usize, most: u64) {
        let by = 1 + self.random.below(most);
        match self.moving[t].unit {
            Unit::Count => self.add(at, slot, t, by),
            Unit::Microseconds => self.add(at, slot, t, by * 1_237),
            Unit::Level => self.set(at, slot, t, by << 13),
            Unit::Latest => self.set(at, slot, t, epoch_seconds()),
        }
    }

    /// A session ends: V$SYSSTAT keeps what it has counted.
    pub fn end(&mut self, at: &Instance, slot: usize) {
        for statistic in &self.moving {
            let offset = 8 * statistic.number as u64;
            let own = at.memory.load(at.places.statistics[slot] + offset);
            let place = at.places.system_statistics + offset;
            let before = at.memory.load(place);
            let after = match statistic.unit {
                Unit::Count | Unit::Microseconds => before.wrapping_add(own),
                Unit::Level => before,
                Unit::Latest => before.max(own),
            };
            at.memory.store(place, 8, after);
        }
    }

    /// What V$SESSTAT shows of every session in use: `names`, and by SID their values in that order; and how many
    /// statistics a session has.
    pub fn document(&self, stage: &Stage) -> String {
        let names: Vec<&str> = self.moving.iter().map(|m| m.name.as_str()).collect();
        let names = serde_json::Value::from(names);
        let per_session = stage.instance.session_statistics;
        let mut text = format!("{{\"per_session\":{per_session},\"names\":{names},\"sessions\":{{");
        let mut first = true;
        for (slot, _) in stage
            .sessions
            .iter()
            .enumerate()
            .filter(|(_, s)| s.is_in_use())
        {
            let _ = write!(text, "{}\n\"{}\":[", if first { "" } else { "," }, slot + 1);
            first = false;
            for t in 0..self.moving.len() {
                let shown = self.shown_value(slot, t);
                let _ = write!(text, "{}{shown}", if t == 0 { "" } else { "," });
            }
            text.push(']');
        }
        text.push_str("\n}}\n");
        text
    }
}

fn unit(name: &str) -> Unit {
    if MICROSECONDS.contains(&name) {
        Unit::Microseconds
    } else if LEVELS.contains(&name) {
        Unit::Level
    } else if name == LATEST {
        Unit::Latest
    } else {
        Unit::Count
    }
}

/// Everything that statistic `t` is part of.
fn whole(moving: &[Moving], t: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut name = moving[t].name.as_str();
    while let Some((_, above)) = PART_OF.iter().find(|(part, _)| *part == name) {
        let Some(position) = moving.iter().position(|m| m.name == *above) else {
            break;
        };
        found.push(position);
        name = above;
    }
    found
}

fn store_sum(at: &Instance, slot: usize, number: usize, by: u64) {
    let place = at.places.statistics[slot] + 8 * number as u64;
    let sum = at.memory.load(place).wrapping_add(by);
    at.memory.store(place, 8, sum);
}
