//! All dimensions together, so that one can be narrowed by others: time by combination of kept
//! values and by slot.
//!
//! For: sums that stay small whatever comes ([`Joint`]). Where there are too many, slots become
//! longer and fewer values are told apart, by turns ([`STEPS`]); the sums stay exact.
//! Callers: [`super::cube_recording`].

use std::collections::HashMap;

use super::{Dimension, Sparse};

/// Sums while they are made.
const MOST_CELLS: usize = 400_000;
/// Bytes of the finished cells as pages write them: a few for each number.
const MOST_BYTES: usize = 900_000;

/// One way of having fewer cells.
enum Step {
    /// No more slots than this.
    Slots(u32),
    /// No more values of a dimension than this.
    Values(&'static str, u16),
}

/// What is given up, in this order.
const STEPS: [Step; 22] = [
    Step::Slots(150),
    Step::Values("session", 25),
    Step::Slots(96),
    Step::Values("session", 12),
    Step::Values("module", 15),
    Step::Slots(48),
    Step::Values("program", 15),
    Step::Values("session", 0),
    Step::Slots(24),
    Step::Values("sql_id", 30),
    Step::Values("module", 0),
    Step::Slots(12),
    Step::Values("program", 0),
    Step::Values("sql_id", 12),
    Step::Values("event", 15),
    Step::Slots(4),
    Step::Values("username", 8),
    Step::Values("sql_id", 0),
    Step::Values("username", 0),
    Step::Slots(1),
    Step::Values("event", 0),
    Step::Values("wait_class", 0),
];

/// All dimensions together.
#[derive(Debug)]
pub struct Cells {
    /// Steps in a slot.
    pub slot_steps: u32,
    /// For each dimension how many of its kept values are told apart; all others are one.
    pub told_apart: Vec<u16>,
    /// The combinations there are, sorted by their places.
    pub combinations: Vec<Combination>,
}

/// Time of one combination of values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Combination {
    /// For each dimension the place of the value among the kept; what isn't told apart has the
    /// number of the kept ones.
    pub places: Vec<u16>,
    /// Microseconds by slot.
    pub sums: Sparse,
}

/// [`Cells`] being summed.
pub(super) struct Joint {
    steps: u32,
    slot_steps: u32,
    names: Vec<&'static str>,
    /// For each dimension how many values are kept, and how many of them are told apart.
    kept: Vec<u16>,
    told_apart: Vec<u16>,
    /// How many of [`STEPS`] were taken.
    taken: usize,
    numbers: HashMap<Vec<u16>, u32>,
    sums: HashMap<(u32, u32), u64>,
    /// The places of the combination that is being added.
    told: Vec<u16>,
}

impl Joint {
    pub(super) fn new(steps: u32, dimensions: &[Dimension]) -> Joint {
        let kept: Vec<u16> = dimensions.iter().map(|d| d.kept.len() as u16).collect();
        Joint {
            steps,
            slot_steps: 1,
            names: dimensions.iter().map(|d| d.name).collect(),
            told_apart: kept.clone(),
            kept,
            taken: 0,
            numbers: HashMap::new(),
            sums: HashMap::new(),
            told: Vec::new(),
        }
    }

    /// Adds time of a combination of values, given by their places among the kept.
    pub(super) fn add(&mut self, places: &[u16], step: u32, us: u64) {
        let number = self.number(places);
        let sum = self.sums.entry((number, step / self.slot_steps));
        let sum = sum.or_default();
        *sum = sum.saturating_add(us);
        while self.sums.len() > MOST_CELLS && self.give_up() {}
    }

    fn number(&mut self, places: &[u16]) -> u32 {
        self.told.clear();
        for (at, place) in places.iter().enumerate() {
            let told = *place < self.told_apart[at];
            self.told.push(if told { *place } else { self.kept[at] });
        }
        if let Some(number) = self.numbers.get(&self.told) {
            return *number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(self.told.clone(), number);
        number
    }

    /// Takes the next step that changes anything; false if there is none.
    fn give_up(&mut self) -> bool {
        while let Some(step) = STEPS.get(self.taken) {
            self.taken += 1;
            match step {
                Step::Slots(most) => {
                    let wanted = self.steps.div_ceil(*most);
                    if wanted <= self.slot_steps {
                        continue;
                    }
                    // longer slots must hold whole shorter ones
                    let longer = wanted.div_ceil(self.slot_steps);
                    self.slot_steps = self.slot_steps.saturating_mul(longer);
                    let sums = std::mem::take(&mut self.sums);
                    for ((number, slot), us) in sums {
                        let sum = self.sums.entry((number, slot / longer)).or_default();
                        *sum = sum.saturating_add(us);
                    }
                }
                Step::Values(name, most) => {
                    let at = self.names.iter().position(|n| n == name);
                    let Some(at) = at.filter(|at| self.told_apart[*at] > *most) else {
                        continue;
                    };
                    self.told_apart[at] = *most;
                    let sums = std::mem::take(&mut self.sums);
                    let all = std::mem::take(&mut self.numbers);
                    let mut now = vec![0; all.len()];
                    for (places, before) in all {
                        now[before as usize] = self.number(&places);
                    }
                    for ((before, slot), us) in sums {
                        let sum = self.sums.entry((now[before as usize], slot)).or_default();
                        *sum = sum.saturating_add(us);
                    }
                }
            }
            return true;
        }
        false
    }

    pub(super) fn finish(mut self) -> Cells {
        loop {
            let cells = self.cells();
            if cells.bytes() <= MOST_BYTES || !self.give_up() {
                return cells;
            }
        }
    }

    fn cells(&self) -> Cells {
        let mut sums: Vec<((u32, u32), u64)> = self.sums.iter().map(|(k, us)| (*k, *us)).collect();
        sums.sort_unstable();
        let mut series: Vec<Sparse> = vec![Sparse::new(); self.numbers.len()];
        for ((number, slot), us) in sums {
            series[number as usize].push((slot, us));
        }
        let mut combinations: Vec<Combination> = self
            .numbers
            .iter()
            .map(|(places, number)| Combination {
                places: places.clone(),
                sums: std::mem::take(&mut series[*number as usize]),
            })
            .collect();
        combinations.sort_unstable();
        Cells {
            slot_steps: self.slot_steps,
            told_apart: self.told_apart.clone(),
            combinations,
        }
    }
}

impl Cells {
    /// Bytes of all numbers, as [`Cells::encode`] writes them.
    fn bytes(&self) -> usize {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes.len()
    }

    /// Writes all numbers, each with 7 bits a byte, the lowest first: the combinations; for each
    /// how many places are those of the one before, the other places, the slots, and for each of
    /// these how many slots it is after the one before and its microseconds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.combinations.len() as u64);
        let mut before: &[u16] = &[];
        for combination in &self.combinations {
            let places = &combination.places;
            let same = places.iter().zip(before).take_while(|(a, b)| a == b);
            let same = same.count();
            put(out, same as u64);
            for place in &places[same..] {
                put(out, u64::from(*place));
            }
            encode_sums(&combination.sums, out);
            before = places;
        }
    }
}

/// Writes how many sums there are, then each as the steps after the one before and microseconds.
pub fn encode_sums(sums: &Sparse, out: &mut Vec<u8>) {
    put(out, sums.len() as u64);
    let mut next = 0;
    for (step, us) in sums {
        put(out, u64::from(step - next));
        put(out, *us);
        next = *step;
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::super::DIMENSIONS;
    use super::*;

    /// Whatever comes: few bytes, and no microsecond is lost.
    #[test]
    fn size_is_bounded_and_sums_are_exact() {
        let kept: Vec<u16> = DIMENSIONS.iter().map(|spec| spec.keep as u16).collect();
        let mut joint = Joint {
            steps: 600,
            slot_steps: 1,
            names: DIMENSIONS.iter().map(|spec| spec.name).collect(),
            told_apart: kept.clone(),
            kept: kept.clone(),
            taken: 0,
            numbers: HashMap::new(),
            sums: HashMap::new(),
            told: Vec::new(),
        };
        let mut random = 1u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let (mut all, mut of_class) = (0, vec![0; 17]);
        for _ in 0..410_000 {
            let places: Vec<u16> = kept
                .iter()
                .map(|k| next(u64::from(*k) + 1) as u16)
                .collect();
            let (step, us) = (next(600) as u32, next(1_000_000));
            joint.add(&places, step, us);
            assert!(joint.sums.len() <= MOST_CELLS);
            all += us;
            of_class[usize::from(places[0])] += us;
        }
        let cells = joint.finish();
        assert!(cells.bytes() <= MOST_BYTES, "{} bytes", cells.bytes());
        let sum = |c: &Combination| c.sums.iter().map(|(_, us)| us).sum::<u64>();
        assert_eq!(cells.combinations.iter().map(sum).sum::<u64>(), all);
        assert!(cells.slot_steps > 1 && cells.told_apart[3] < kept[3]);
        assert_eq!(cells.told_apart[0], kept[0], "classes are the last to go");
        for (class, expected) in of_class.into_iter().enumerate() {
            let of = cells
                .combinations
                .iter()
                .filter(|c| usize::from(c.places[0]) == class);
            assert_eq!(of.map(sum).sum::<u64>(), expected, "class {class}");
        }
    }

    #[test]
    fn numbers_have_seven_bits_a_byte() {
        let mut out = Vec::new();
        encode_sums(&vec![(3, 127), (4, 300), (400, 0)], &mut out);
        assert_eq!(out, [3, 3, 127, 1, 0xAC, 2, 0x8C, 3, 0]);
    }
}
