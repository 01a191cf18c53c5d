//! A small reproducible random number generator (splitmix64) and the distributions that the workload uses.
//!
//! Not for anything secret. Only the engine uses it.

/// Generator state.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator for a seed; equal seeds give equal sequences.
    pub fn new(seed: u64) -> Random {
        Random(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.bits() % end }
    }

    /// True once in `n` times on average.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Exponentially distributed with that mean, at most 8 times the mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        (-(1.0 - self.unit()).ln()).min(8.0) * mean
    }

    /// One of a slice that isn't empty.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// An index below `n` with small ones far more frequent.
    pub fn popular(&mut self, n: usize) -> usize {
        let skewed = self.unit().powi(3) * n as f64;
        (skewed as usize).min(n.saturating_sub(1))
    }
}
