//! How much the sampled time of a group may differ from the time that really passed, by chance.
//!
//! For: the variance behind [`super::aas`]'s intervals. Callers: [`super::sums`].
//!
//! A tick looks at all sessions at one moment. Looks at the same session in successive ticks are
//! not independent (a long wait is hit by many), nor are looks at many sessions in one tick (they
//! may all wait for the same lock). So the moments are what was drawn by chance, not the looks:
//! `y`, the sessions of the group at a tick, is one observation. A tick lies anywhere in its own
//! period, one in each, which is a stratified sample with one draw from each stratum; its variance
//! is `Σ w² V` with the tick's weight `w` and `V` the variance of `y` within a period. One draw
//! tells nothing of `V`, but neighbours do (successive differences: Wolter, Introduction to
//! Variance Estimation, 2nd ed. 2007, ch. 8): `(y - y')²/2` of two ticks that jitter brought closer
//! than half a period (a third of one on average, as two random moments of one period are) has `V`
//! as its expectation. Where few such pairs differ, all neighbours and next neighbours help
//! out: for any mixture of states that begin and end at random, the variance grows ever slower with
//! distance, so what the line through both says for a third of a period is at least `V`.

/// What a group showed at the ticks of one source in one slice of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    /// Time of the tick, and the samples' weights there; a tick may stand there several times.
    seen: Vec<(i64, u64)>,
    /// So many, and ticks are added up.
    limit: usize,
}

const FIRST_LIMIT: usize = 64;

impl Looks {
    pub(super) fn add(&mut self, time_us: i64, weight_us: u64) {
        match self.seen.last_mut() {
            Some((last, sum)) if *last == time_us => *sum = sum.saturating_add(weight_us),
            _ => {
                if self.seen.len() >= self.limit.max(FIRST_LIMIT) {
                    self.add_up();
                    self.limit = self.seen.len().saturating_mul(2);
                }
                self.seen.push((time_us, weight_us));
            }
        }
    }

    /// Each tick once, in the order of time.
    fn add_up(&mut self) {
        self.seen.sort_unstable_by_key(|(time_us, _)| *time_us);
        self.seen.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(later.1);
            }
            same
        });
    }
}

/// Sums of squared differences between neighbouring ticks, in µs².
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// Over neighbours closer than half a period.
    pub(super) near: u128,
    /// Such neighbours that differ.
    pub(super) near_differing: u64,
    /// Over all neighbours.
    pub(super) next: u128,
    /// Over ticks with one between them.
    pub(super) second: u128,
}

impl Spread {
    pub(super) fn absorb(&mut self, other: &Spread) {
        self.near += other.near;
        self.near_differing += other.near_differing;
        self.next += other.next;
        self.second += other.second;
    }

    /// Adds the looks of one source, whose ticks (time and weight, sorted by time) are given.
    pub(super) fn add(&mut self, looks: &mut Looks, ticks: &[(i64, u64)]) {
        if looks.seen.is_empty() {
            return;
        }
        looks.add_up();
        // Position of a tick, and its sum.
        let mut at: Vec<(usize, u64)> = Vec::with_capacity(looks.seen.len());
        for (time_us, sum) in looks.seen.drain(..) {
            if let Ok(position) = ticks.binary_search_by_key(&time_us, |(time, _)| *time) {
                at.push((position, sum));
            }
        }
        let sum_at = |from: usize, position: usize| -> u64 {
            // The tick wanted is among the next two.
            let after = at.get(from..(from + 3).min(at.len())).unwrap_or_default();
            let found = after.iter().find(|(p, _)| *p == position);
            found.map_or(0, |(_, sum)| *sum)
        };
        for (index, (position, sum)) in at.iter().enumerate() {
            let before = |distance: usize| {
                let wanted = position.checked_sub(distance)?;
                let seen = at[index.saturating_sub(2)..index]
                    .iter()
                    .any(|(p, _)| *p == wanted);
                // A pair of which both saw the group is counted by the earlier.
                (!seen).then_some(wanted)
            };
            for distance in [1, 2] {
                let after = position + distance;
                if after < ticks.len() {
                    self.pair(
                        ticks,
                        *position,
                        *sum,
                        after,
                        sum_at(index, after),
                        distance,
                    );
                }
                if let Some(before) = before(distance) {
                    self.pair(ticks, before, 0, *position, *sum, distance);
                }
            }
        }
    }

    fn pair(
        &mut self,
        ticks: &[(i64, u64)],
        a: usize,
        a_us: u64,
        b: usize,
        b_us: u64,
        distance: usize,
    ) {
        let squared = squared_difference((a_us, ticks[a].1), (b_us, ticks[b].1));
        match distance {
            1 => {
                self.next += squared;
                if is_near(ticks[a], ticks[b]) {
                    self.near += squared;
                    self.near_differing += u64::from(squared > 0);
                }
            }
            _ => self.second += squared,
        }
    }
}

/// `w w' (x/w - x'/w')²/2`, rounded.
fn squared_difference((a_us, a_weight): (u64, u64), (b_us, b_weight): (u64, u64)) -> u128 {
    if a_weight == 0 || b_weight == 0 {
        return 0;
    }
    if a_weight == b_weight {
        let difference = u128::from(a_us.abs_diff(b_us));
        return difference.saturating_mul(difference) / 2;
    }
    let (a, b) = (a_weight as f64, b_weight as f64);
    let difference = a_us as f64 / a - b_us as f64 / b;
    (a * b * difference * difference / 2.0) as u128
}

fn is_near((a_time, a_weight): (i64, u64), (b_time, b_weight): (i64, u64)) -> bool {
    let gap = b_time.saturating_sub(a_time).unsigned_abs();
    gap.saturating_mul(4) < a_weight.saturating_add(b_weight)
}

/// The same sums over all ticks, whatever they saw: what [`Spread`] is measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Design {
    /// `Σ w²` over ticks.
    pub(super) own: u128,
    near: u128,
    next: u128,
    second: u128,
}

impl Design {
    /// Adds the ticks of one source in one slice of time (time and weight, sorted by time).
    pub(super) fn add(&mut self, ticks: &[(i64, u64)]) {
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        for (_, weight) in ticks {
            self.own += product(*weight, *weight);
        }
        for pair in ticks.windows(2) {
            let product = product(pair[0].1, pair[1].1);
            self.next += product;
            if is_near(pair[0], pair[1]) {
                self.near += product;
            }
        }
        for three in ticks.windows(3) {
            self.second += product(three[0].1, three[2].1);
        }
    }

    pub(super) fn absorb(&mut self, other: &Design) {
        self.own += other.own;
        self.near += other.near;
        self.next += other.next;
        self.second += other.second;
    }

    /// The variance of a group's time, in µs²; `None` if too few ticks were taken.
    pub(super) fn variance_us2(&self, spread: &Spread) -> Option<f64> {
        if self.next == 0 || self.second == 0 {
            return None;
        }
        let mean = |sum: u128, of: u128| sum as f64 / of as f64;
        let next = mean(spread.next, self.next);
        let second = mean(spread.second, self.second);
        let line = (5.0 * next - 2.0 * second) / 3.0;
        let line = line.clamp(next / 3.0, next);
        let within = match self.near {
            0 => line,
            near => {
                let pairs = spread.near_differing as f64;
                (pairs * mean(spread.near, near) + FEW_PAIRS * line) / (pairs + FEW_PAIRS)
            }
        };
        Some(within * self.own as f64)
    }
}

/// As many near pairs as the line through all neighbours counts for.
const FEW_PAIRS: f64 = 20.0;
