//! What was made of a row before, so that it needn't be made again.
//!
//! Bounded: by the number of slots, or by a fixed number of places that later keys take over.
//! Not for: what is remembered. Callers: `column`.

use crate::decode::{Inputs, Row};

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
    /// What was kept of each slot, one after the other.
    kept: Vec<u64>,
    /// What followed from it, if anything was kept.
    known: Vec<Option<u32>>,
}

impl Slots {
    /// For what follows from these words.
    pub(super) fn new(inputs: Inputs) -> Slots {
        Slots {
            inputs,
            kept: Vec::new(),
            known: Vec::new(),
        }
    }

    /// What follows from a slot's words, made by `make` if it showed others last.
    /// `steady`: it is known already that it shows the same.
    #[inline]
    pub(super) fn get(
        &mut self,
        slot: u32,
        words: &[u64],
        steady: bool,
        make: impl FnOnce() -> u32,
    ) -> u32 {
        let slot = slot as usize;
        if let Some(Some(what)) = self.known.get(slot)
            && (steady || self.is_same(slot, words))
        {
            return *what;
        }
        let what = make();
        self.renew(slot, words, what);
        what
    }

    /// Whether a slot that is known shows what was kept of it.
    #[inline]
    fn is_same(&self, slot: usize, words: &[u64]) -> bool {
        let len = self.inputs.len();
        match self.inputs.single() {
            Some((at, mask)) => {
                let (now, kept) = (words.get(at), self.kept.get(slot));
                now.zip(kept).is_some_and(|(now, kept)| now & mask == *kept)
            }
            None => {
                let kept = self.kept.get(slot * len..(slot + 1) * len);
                kept.is_some_and(|kept| self.inputs.same(words, kept))
            }
        }
    }

    fn renew(&mut self, slot: usize, words: &[u64], what: u32) {
        let len = self.inputs.len();
        if self.known.len() <= slot {
            self.known.resize(slot + 1, None);
            self.kept.resize((slot + 1) * len, 0);
        }
        self.known[slot] = Some(what);
        let kept = self.kept.get_mut(slot * len..(slot + 1) * len);
        self.inputs.keep(words, kept.unwrap_or_default());
    }

    pub(super) fn forget(&mut self) {
        self.known.fill(None);
    }
}

/// Which rows show in all that is wide, their texts above all, what their slots showed last: one
/// look for all columns that follow from it.
pub(super) struct Steady {
    inputs: Inputs,
    kept: Vec<u64>,
    seen: Vec<bool>,
}

impl Steady {
    /// For the wide ones of these.
    pub(super) fn new<'a>(all: impl Iterator<Item = &'a Inputs>) -> Steady {
        Steady {
            inputs: Inputs::union(all.filter(|inputs| inputs.is_wide())),
            kept: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The bits of the rows that show the same as before. All of them count as seen now.
    pub(super) fn look(&mut self, rows: &[Row<'_>]) -> u64 {
        let len = self.inputs.len();
        let mut steady = 0;
        for (i, row) in rows.iter().enumerate() {
            let slot = row.slot as usize;
            if self.seen.len() <= slot {
                self.seen.resize(slot + 1, false);
                self.kept.resize((slot + 1) * len, 0);
            }
            let Some(kept) = self.kept.get_mut(slot * len..(slot + 1) * len) else {
                continue;
            };
            if self.seen[slot] && self.inputs.same(row.words, kept) {
                steady |= 1 << i;
            } else {
                self.inputs.keep(row.words, kept);
                self.seen[slot] = true;
            }
        }
        steady
    }
}
