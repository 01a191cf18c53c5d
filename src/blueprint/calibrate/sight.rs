//! What was seen of the rows: quiet rows of all rounds, and how their bytes look at some place.
//!
//! Not for: names. It knows bytes, texts, times, pointers; which field should look how comes from [`super::looks`].

use std::collections::{BTreeMap, BTreeSet};

use super::shot::{Round, uint, word};
use super::text::{goes_on, is_text, text_at};
use crate::memory::{AddressSpace, TargetAddr};

/// Rounds whose rows are looked at one by one; changes are looked for in all.
const LOOKED_AT: usize = 8;
/// Seconds that a stamp may be old.
const OLD: i64 = 400 * 86_400;
/// Fewest rows that make a pattern.
pub const FEW: usize = 5;

/// Quiet rows by round and slot.
pub struct Sight<'a> {
    space: &'a dyn AddressSpace,
    rounds: Vec<Vec<Option<&'a [u8]>>>,
    /// Indices of the rounds that are looked at.
    chosen: Vec<usize>,
    /// Whether a byte isn't zero in some row that is looked at.
    busy: Vec<bool>,
    /// Seconds since 1970 when the rows were read.
    now: i64,
    /// Rows that count, by chosen round and slot, once that is known.
    used: Option<Vec<Vec<bool>>>,
    len: usize,
}

/// How often something was so, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows for.
    pub yes: usize,
    /// Rows against.
    pub no: usize,
}

impl Tally {
    /// Counts one row.
    pub fn count(&mut self, so: bool) {
        if so {
            self.yes += 1;
        } else {
            self.no += 1;
        }
    }

    /// Share of the rows for; 0 without rows.
    pub fn share(self) -> f64 {
        match self.yes + self.no {
            0 => 0.0,
            all => self.yes as f64 / all as f64,
        }
    }
}

impl<'a> Sight<'a> {
    /// The quiet rows of these rounds, of `len` bytes each.
    pub fn new(space: &'a dyn AddressSpace, rounds: &'a [Round], len: usize) -> Sight<'a> {
        let quiet = |round: &'a Round| {
            let row = |slot: usize| round.after.row(slot, None).filter(|_| round.is_quiet(slot));
            (0..round.after.len()).map(row).collect::<Vec<_>>()
        };
        let rounds: Vec<Vec<Option<&[u8]>>> = rounds.iter().map(quiet).collect();
        let step = rounds.len().div_ceil(LOOKED_AT).max(1);
        let mut chosen: Vec<usize> = (0..rounds.len()).rev().step_by(step).collect();
        chosen.reverse();
        let mut busy = vec![false; len];
        for row in chosen.iter().flat_map(|r| rounds[*r].iter().flatten()) {
            for (seen, byte) in busy.iter_mut().zip(row.iter()) {
                *seen |= *byte != 0;
            }
        }
        Sight {
            space,
            rounds,
            chosen,
            busy,
            now: jiff::Timestamp::now().as_second(),
            used: None,
            len,
        }
    }

    /// How many times each row is looked at.
    pub fn looks(&self) -> usize {
        self.chosen.len()
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.len
    }

    /// Whether some row holds anything but zeros there.
    pub fn is_busy(&self, at: usize, bytes: usize) -> bool {
        self.busy
            .get(at..(at + bytes).min(self.len))
            .is_some_and(|b| b.contains(&true))
    }

    /// From now on only rows for which `counts` says so.
    pub fn only(&mut self, counts: impl Fn(&[u8]) -> bool) {
        let used = |round: &usize| {
            let row = |row: &Option<&[u8]>| row.is_some_and(&counts);
            self.rounds[*round].iter().map(row).collect()
        };
        self.used = Some(self.chosen.iter().map(used).collect());
    }

    /// All rows that are looked at.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        let of = |r: &usize| self.rounds[*r].iter().flatten().copied();
        self.chosen.iter().flat_map(of)
    }

    /// Those of them that count; none before [`Sight::only`].
    pub fn used(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        let flags = self.used.iter().flatten();
        self.chosen.iter().zip(flags).flat_map(|(round, flags)| {
            let both = self.rounds[*round].iter().zip(flags);
            both.filter(|(_, used)| **used).filter_map(|(row, _)| *row)
        })
    }

    /// Whether it is known which rows count.
    pub fn knows_used(&self) -> bool {
        self.used.is_some()
    }

    /// Each row with itself a round later, where both are quiet.
    pub fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.rounds.windows(2).flat_map(|pair| {
            let both = pair[0].iter().zip(&pair[1]);
            both.filter_map(|(then, now)| Some(((*then)?, (*now)?)))
        })
    }

    /// Whether a word is null or leads into memory.
    pub fn is_mapped(&self, value: u64) -> bool {
        self.space.locate(TargetAddr(value), 8).is_ok()
    }

    /// A word behind a pointer.
    pub fn word_behind(&self, pointer: u64, offset: u64) -> Option<u64> {
        let at = TargetAddr(pointer).checked_add(offset)?;
        self.space.read_u64(at).ok()
    }

    /// Bytes behind a pointer.
    pub fn bytes_behind(&self, pointer: u64, offset: u64, into: &mut [u8]) -> Option<()> {
        let at = TargetAddr(pointer).checked_add(offset)?;
        self.space.read(at, into).ok()
    }

    /// Text in place of at most `size` bytes: how sure it begins at `at`.
    pub fn text(&self, at: usize, size: usize) -> f64 {
        if !self.is_busy(at, size) {
            return 0.0;
        }
        if !self.is_busy(at, 1) {
            return if self.emptied(at, size) { 0.0 } else { -6.0 };
        }
        let (mut good, mut joined) = (Tally::default(), 0);
        let mut lengths = BTreeSet::new();
        for row in self.rows() {
            let Some(field) = row.get(at..(at + size).min(row.len())) else {
                return f64::NEG_INFINITY;
            };
            let end = field.iter().position(|b| !goes_on(*b));
            let n = end.unwrap_or(field.len());
            let begins = field.first().is_some_and(|b| *b == 0 || is_text(*b));
            let ends = match end {
                Some(end) => field[end] == 0,
                // As long as the field: nothing may go on behind it.
                None => row.get(at + size).is_none_or(|b| !is_text(*b)),
            };
            good.count(begins && ends);
            if n > 0 {
                lengths.insert(n);
                joined += usize::from(at > 0 && is_text(row[at - 1]));
            }
        }
        let texts = self.rows().filter(|r| is_text(r[at])).count();
        // All that ever begins here is no text.
        if texts == 0 || good.share() < 0.98 || joined * 2 > texts {
            return -8.0;
        }
        match self.length_behind(at, size) {
            Some(2..) => 12.0,
            Some(1) => 7.0,
            _ if texts >= FEW && lengths.iter().any(|n| *n >= 3) => 3.0,
            _ => 0.0,
        }
    }

    /// Whether what stands behind a NUL there may be the rest of texts that were emptied by it: it begins with the
    /// second byte, and the length behind the field is 0. Else something else begins there.
    fn emptied(&self, at: usize, size: usize) -> bool {
        let length = (at + size).next_multiple_of(8);
        let field = |row: &'a [u8]| Some((row.get(at..at + size)?, uint(row, length, 8)?));
        let held = self.rows().filter_map(field);
        let mut held = held.filter(|(field, _)| field.iter().any(|b| *b != 0));
        held.all(|(field, length)| length == 0 && field.get(1).is_some_and(|b| *b != 0))
    }

    /// Different lengths of the text that a number behind it tells right: one byte, or 8 bytes aligned.
    fn length_behind(&self, at: usize, size: usize) -> Option<usize> {
        let end = at + size;
        let places = [(end, 1), (end.next_multiple_of(8), 8)];
        let told = |(place, width): (usize, usize)| {
            let (mut right, mut lengths) = (Tally::default(), BTreeSet::new());
            for row in self.rows() {
                let field = row.get(at..end)?;
                let n = field.iter().position(|b| *b == 0).unwrap_or(size);
                right.count(uint(row, place, width)? == n as u64);
                if n > 0 {
                    lengths.insert(n);
                }
            }
            (right.share() >= 0.98 && !lengths.is_empty()).then_some(lengths.len())
        };
        places.into_iter().filter_map(told).max()
    }

    /// Addresses, or null.
    pub fn address(&self, at: usize) -> f64 {
        if !self.is_busy(at, 8) {
            return 0.0;
        }
        let mut good = Tally::default();
        let mut targets = BTreeSet::new();
        for row in self.rows() {
            match word(row, at) {
                0 => {}
                target => {
                    let mapped = self.is_mapped(target);
                    good.count(mapped);
                    if mapped {
                        targets.insert(target);
                    }
                }
            }
        }
        match good.yes {
            _ if good.share() < 0.95 => -10.0,
            FEW.. if targets.len() >= 3 => 5.0,
            _ => 2.0,
        }
    }

    /// Addresses of texts, or null.
    pub fn text_address(&self, at: usize) -> f64 {
        let as_address = self.address(at);
        if as_address <= 0.0 {
            return as_address;
        }
        let mut good = Tally::default();
        for row in self.rows() {
            let mut head = [0u8; 4];
            match word(row, at) {
                0 => {}
                target => {
                    let read = self.bytes_behind(target, 0, &mut head).is_some();
                    good.count(read && text_at(&head, 0).is_some());
                }
            }
        }
        match good.share() {
            share if share < 0.9 => -8.0,
            _ if good.yes >= FEW => 8.0,
            _ => 3.0,
        }
    }

    /// 7-byte dates of the past, or zeros.
    pub fn date(&self, at: usize) -> f64 {
        if !self.is_busy(at, 7) {
            return 0.0;
        }
        let mut good = Tally::default();
        for row in self.rows() {
            let Some(bytes) = row.get(at..at + 7) else {
                return f64::NEG_INFINITY;
            };
            if bytes.iter().any(|b| *b != 0) {
                good.count(is_date(bytes));
            }
        }
        match good.share() {
            share if share < 0.97 => -10.0,
            _ if good.yes >= FEW => 10.0,
            _ => 2.0,
        }
    }

    /// Seconds since 1970 of the past, or zero.
    pub fn epoch(&self, at: usize) -> f64 {
        if !self.is_busy(at, 4) {
            return 0.0;
        }
        let mut good = Tally::default();
        for value in self.rows().filter_map(|r| uint(r, at, 4)) {
            if value != 0 {
                let value = value as i64;
                good.count(value > self.now - OLD && value <= self.now + 1);
            }
        }
        match good.share() {
            share if share < 0.95 => -8.0,
            _ if good.yes >= FEW => 5.0,
            _ => 1.0,
        }
    }

    /// A number: all that speaks against one is that the bytes are something else, text or part of an address.
    pub fn number(&self, at: usize, width: usize) -> f64 {
        if !self.is_busy(at, width) {
            return 0.0;
        }
        let (mut text, mut address) = (Tally::default(), Tally::default());
        for row in self.rows() {
            let Some(bytes) = row.get(at..at + width) else {
                return f64::NEG_INFINITY;
            };
            if bytes.iter().all(|b| *b == 0) {
                continue;
            }
            // A text of three characters or more that covers these bytes.
            let from = at.saturating_sub(2);
            text.count((from..=at).any(|a| text_at(row, a).is_some()) && is_text(bytes[0]));
            if width < 8 {
                address.count(self.is_mapped(word(row, at / 8 * 8)));
            }
        }
        let is = |t: Tally| t.yes >= FEW && t.share() > 0.6;
        if is(text) || is(address) { -6.0 } else { 0.0 }
    }

    /// Numbers at a place in the rows that count, with how many rows hold each.
    pub fn values(&self, at: usize, width: usize) -> BTreeMap<u64, usize> {
        let mut all = BTreeMap::new();
        for value in self.used().filter_map(|r| uint(r, at, width)) {
            *all.entry(value).or_default() += 1;
        }
        all
    }
}

/// Whether 7 bytes are a date in Oracle's form (century and year in excess 100, hour, minute and second in excess 1),
/// between 1970 and 2100.
pub fn is_date(bytes: &[u8]) -> bool {
    let [century, year, month, day, hour, minute, second] = *bytes else {
        return false;
    };
    let year = (i32::from(century) - 100) * 100 + i32::from(year) - 100;
    (1970..2100).contains(&year)
        && (100..200).contains(&bytes[1])
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (1..=24).contains(&hour)
        && (1..=60).contains(&minute)
        && (1..=60).contains(&second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::calibrate::shot::{Rows, Shot};
    use crate::memory::BytesSpace;

    const BASE: u64 = 0x1_0000;
    const ROW: usize = 64;

    /// Rows of a text at 8 (16 bytes) with its length at 24, a date at 33, the row's own address at 40, and text only
    /// at 48.
    fn memory(rows: usize) -> BytesSpace {
        let mut bytes = vec![0u8; rows * ROW];
        for (i, row) in bytes.chunks_exact_mut(ROW).enumerate() {
            let text = format!("NAME{}", "X".repeat(i % 5));
            row[8..8 + text.len()].copy_from_slice(text.as_bytes());
            row[24] = text.len() as u8;
            row[33..40].copy_from_slice(&[120, 123, 8, 4, 16, 19, 51]);
            let own = BASE + (i * ROW) as u64;
            row[40..48].copy_from_slice(&own.to_le_bytes());
            row[48..52].copy_from_slice(b"TEXT");
        }
        BytesSpace::new(vec![(TargetAddr(BASE), bytes)]).unwrap()
    }

    /// One look at the 40 rows, twice.
    fn round(space: &BytesSpace) -> [Round; 1] {
        let rows = Rows {
            addrs: (0..40).map(|i| TargetAddr(BASE + i * ROW as u64)).collect(),
            len: ROW,
        };
        let shot = || Shot::take(space, &rows, false);
        [Round::new(shot(), shot())]
    }

    #[test]
    fn places_look_like_what_they_are() {
        let space = memory(40);
        let rounds = round(&space);
        let sight = Sight::new(&space, &rounds, ROW);
        assert!(sight.text(8, 16) > 10.0, "with its length behind it");
        assert!(sight.text(9, 15) < 0.0, "inside a text");
        assert!(sight.text(7, 16) < 0.0, "in front of a text");
        assert!(sight.text(8, 4) < 0.0, "the text is longer");
        assert!((0.0..5.0).contains(&sight.text(48, 8)), "no length");
        assert!(sight.date(33) > 5.0 && sight.date(32) < 0.0);
        assert!(sight.address(40) > 0.0 && sight.address(8) < 0.0);
        assert!(sight.number(48, 4) < 0.0, "text");
        assert!(sight.number(40, 4) < 0.0, "part of an address");
        assert_eq!(sight.number(24, 1), 0.0);
        assert_eq!(sight.address(56), 0.0, "nothing there");
    }

    /// What a text leaves behind its NUL is no sign against its place.
    #[test]
    fn emptied_texts_are_no_sign_against_their_place() {
        let mut bytes = vec![0u8; 40 * ROW];
        for row in bytes.chunks_exact_mut(ROW).step_by(3) {
            row[9..14].copy_from_slice(b"BCDEF");
            row[33..37].copy_from_slice(b"MORE");
            row[48] = 4;
        }
        let space = BytesSpace::new(vec![(TargetAddr(BASE), bytes)]).unwrap();
        let rounds = round(&space);
        let sight = Sight::new(&space, &rounds, ROW);
        assert_eq!(sight.text(8, 16), 0.0);
        assert!(sight.text(6, 16) < 0.0, "it begins further behind");
        assert!(sight.text(32, 16) < 0.0, "its length isn't 0: it lives");
        assert!(sight.text(48, 8) < 0.0, "a number is no text");
    }

    #[test]
    fn dates() {
        // A public 19c row dump: 2023-08-04 15:18:50.
        assert!(is_date(&[0x78, 0x7b, 0x08, 0x04, 0x10, 0x13, 0x33]));
        assert!(!is_date(&[0x78, 0x7b, 0x0d, 0x04, 0x10, 0x13, 0x33]));
        assert!(!is_date(b"ABCDEFG"));
    }
}
