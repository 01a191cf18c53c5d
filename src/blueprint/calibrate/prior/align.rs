//! Aligning an old order of places with a new one: the most likely shift of every part, and how certain it is.
//!
//! Parts keep their order, and neighbours keep their distance except at few seams. Each part may say how well a shift
//! suits it. Of all assignments of shifts that keep the order the best is found (a dynamic programme forwards and
//! backwards), and for each part how much worse the best assignment is that gives it another shift. Not for: where
//! the scores come from.

/// What a seam between two neighbours costs, in the units of the scores (about the natural logarithm of odds).
pub const SEAM: f64 = 3.0;
/// By how much the best assignment must beat the next one that moves a part elsewhere. More than one seam, so that
/// a part at the end of the known ones isn't moved along without a word of its own; less than two, so that a part
/// between two neighbours that moved alike is.
pub const MARGIN: f64 = 5.0;

/// A part of the old order.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it begins in the old order.
    pub start: i64,
    /// Where it ends there.
    pub end: i64,
    /// For each shift of the range its score; minus infinity where it can't be.
    pub scores: Vec<f64>,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Fate {
    /// The shift of the best assignment.
    pub shift: i64,
    /// By how much it beats the best one that shifts this part otherwise.
    pub margin: f64,
    /// The part's own score there.
    pub own: f64,
    /// Shifts that come within [`MARGIN`] of the best.
    pub rivals: Vec<i64>,
}

impl Fate {
    /// Whether the shift is certain, and the part itself says nothing against it.
    pub fn is_certain(&self) -> bool {
        self.margin >= MARGIN && self.own >= 0.0
    }
}

/// The fate of each part, for shifts from `first` on; `None` when no assignment keeps the order.
pub fn align(parts: &[Part], first: i64) -> Option<Vec<Fate>> {
    let width = parts.first()?.scores.len();
    let forward = forward(parts, width);
    let backward = backward(parts, width);
    let mut fates = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let total = |s: usize| forward[i][s] + backward[i][s];
        let best = (0..width).max_by(|a, b| total(*a).total_cmp(&total(*b)))?;
        let top = total(best);
        if top == f64::NEG_INFINITY {
            return None;
        }
        let others = (0..width).filter(|s| *s != best);
        let second = others.clone().map(total).fold(f64::NEG_INFINITY, f64::max);
        let near = |s: &usize| top - total(*s) < MARGIN;
        fates.push(Fate {
            shift: first + best as i64,
            margin: top - second,
            own: part.scores[best],
            rivals: (0..width).filter(near).map(|s| first + s as i64).collect(),
        });
    }
    Some(fates)
}

/// Best sum of all parts up to this one, for each shift of it.
fn forward(parts: &[Part], width: usize) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let sums = match i.checked_sub(1) {
            None => part.scores.clone(),
            Some(before) => {
                let gap = part.start - parts[before].end;
                let reach = running_max(all[before].iter());
                // The one before may be shifted further by no more than the gap.
                let moved = |s: usize| at_most(&reach, s as i64 + gap);
                let join = |s: usize| all[before][s].max(moved(s) - SEAM);
                (0..width).map(|s| part.scores[s] + join(s)).collect()
            }
        };
        all.push(sums);
    }
    all
}

/// Best sum of all parts behind this one, for each shift of it.
fn backward(parts: &[Part], width: usize) -> Vec<Vec<f64>> {
    let mut all = vec![vec![0.0; width]; parts.len()];
    for i in (0..parts.len().saturating_sub(1)).rev() {
        let next = &parts[i + 1];
        let sums: Vec<f64> = (0..width).map(|s| all[i + 1][s] + next.scores[s]).collect();
        let gap = next.start - parts[i].end;
        let mut reach = running_max(sums.iter().rev());
        reach.reverse();
        let moved = |s: usize| at_least(&reach, s as i64 - gap);
        all[i] = (0..width).map(|s| sums[s].max(moved(s) - SEAM)).collect();
    }
    all
}

fn running_max<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<f64> {
    let mut most = f64::NEG_INFINITY;
    values
        .map(|v| {
            most = most.max(*v);
            most
        })
        .collect()
}

fn at_most(reach: &[f64], index: i64) -> f64 {
    let last = reach.len() as i64 - 1;
    match usize::try_from(index.min(last)) {
        Ok(i) => reach[i],
        Err(_) => f64::NEG_INFINITY,
    }
}

fn at_least(reach: &[f64], index: i64) -> f64 {
    let first = usize::try_from(index.max(0)).unwrap_or(0);
    reach.get(first).copied().unwrap_or(f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part of 4 bytes that is sure of a shift, or of none; shifts 0 to 15.
    fn part(start: i64, sure: Option<usize>) -> Part {
        let score = |s: usize| if sure == Some(s) { 10.0 } else { 0.0 };
        Part {
            start,
            end: start + 4,
            scores: (0..16).map(score).collect(),
        }
    }

    #[test]
    fn a_silent_part_goes_with_two_neighbours_that_moved_alike() {
        let parts = [part(0, Some(8)), part(4, None), part(8, Some(8))];
        let fates = align(&parts, 0).unwrap();
        assert!(fates.iter().all(|f| f.shift == 8 && f.is_certain()));
    }

    #[test]
    fn between_neighbours_that_moved_differently_it_is_open() {
        let parts = [part(0, Some(0)), part(4, None), part(8, Some(8))];
        let fates = align(&parts, 0).unwrap();
        assert!(!fates[1].is_certain() && fates[0].is_certain() && fates[2].is_certain());
        assert!(fates[1].rivals.contains(&0) && fates[1].rivals.contains(&8));
    }

    #[test]
    fn at_the_end_it_is_open() {
        let parts = [part(0, Some(8)), part(4, None)];
        assert!(!align(&parts, 0).unwrap()[1].is_certain());
    }

    #[test]
    fn the_order_is_kept() {
        // The second can't go back to where the first is now, however sure it is.
        let parts = [part(0, Some(12)), part(4, Some(0)), part(8, Some(12))];
        let fates = align(&parts, 0).unwrap();
        for pair in fates.windows(2).zip(parts.windows(2)) {
            let (fate, part) = pair;
            assert!(part[0].end + fate[0].shift <= part[1].start + fate[1].shift);
        }
    }

    #[test]
    fn a_part_that_speaks_against_its_place_is_open() {
        let mut silent = part(4, None);
        silent.scores = vec![-1.0; 16];
        let parts = [part(0, Some(8)), silent, part(8, Some(8))];
        let fates = align(&parts, 0).unwrap();
        assert!(fates[1].margin >= MARGIN && !fates[1].is_certain());
    }
}
