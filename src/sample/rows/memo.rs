//! What was made of a row before, so that it needn't be made again.
//!
//! Bounded: by the number of slots, or by a fixed number of places that later keys take over.
//! Not for: what is remembered. Callers: `column`.

use crate::decode::Inputs;

/// Places of a [`Memo`], a power of two.
const PLACES: usize = 512;

/// What follows from some numbers seen lately.
pub(super) struct Memo<T> {
    places: Box<[Option<(u64, T)>]>,
}

impl<T: Copy> Memo<T> {
    pub(super) fn new() -> Memo<T> {
        Memo {
            places: vec![None; PLACES].into(),
        }
    }

    /// What follows from `key`, made by `make` if it isn't remembered.
    #[inline]
    pub(super) fn get(&mut self, key: u64, make: impl FnOnce() -> T) -> T {
        // 64-bit Fibonacci hashing
        let place = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize % PLACES;
        match self.places[place] {
            Some((known, what)) if known == key => what,
            _ => {
                let what = make();
                self.places[place] = Some((key, what));
                what
            }
        }
    }

    pub(super) fn forget(&mut self) {
        self.places.fill(None);
    }
}

/// What each slot showed last, and what followed from it.
pub(super) struct Slots {
    inputs: Inputs,
    seen: Vec<Option<(Vec<u64>, u32)>>,
}

impl Slots {
    /// For what follows from these words.
    pub(super) fn new(inputs: Inputs) -> Slots {
        let seen = Vec::new();
        Slots { inputs, seen }
    }

    /// What follows from a slot's words, made by `make` if it showed others last.
    #[inline]
    pub(super) fn get(&mut self, slot: u32, words: &[u64], make: impl FnOnce() -> u32) -> u32 {
        match self.seen.get(slot as usize) {
            Some(Some((kept, what))) if self.inputs.same(words, kept) => *what,
            _ => self.renew(slot as usize, words, make()),
        }
    }

    fn renew(&mut self, slot: usize, words: &[u64], what: u32) -> u32 {
        if self.seen.len() <= slot {
            self.seen.resize_with(slot + 1, || None);
        }
        let empty = || (Vec::with_capacity(self.inputs.len()), what);
        let (kept, known) = self.seen[slot].get_or_insert_with(empty);
        self.inputs.keep(words, kept);
        *known = what;
        what
    }

    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }
}
