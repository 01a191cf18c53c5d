//! How fields of a session row look, whatever their place: what tells them apart when only a neighbouring release's
//! order is known.
//!
//! One table, from public facts: the decodes in the texts of GV$SESSION (KSUSEFLG & 19, KSUSEIDL, 65535 for no child
//! cursor, KSUSETIM), V$SESSION_WAIT (SEQ# rises with each wait; EVENT# is an index), and which columns describe the
//! statement at KSUSESQL or KSUSEPSQ and so are zero without one. Not for: searching, that is for their callers; nor for
//! the stored types, which [`super::sight`] judges by themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::shot::{uint, word};
use super::sight::{FEW, Sight, Tally};
use super::text::text_at;

/// A way to look that a stored type doesn't tell. Names are fields whose places must be known first.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// With this mask one of these values in every row, and all of them but zero in some.
    Classes(u64, &'static [u64]),
    /// Bit 0 is set exactly in rows where this field has one of these bits.
    Marks(&'static str, u64),
    /// In rows that count, bit 0 is set exactly where this field isn't zero; small.
    BusyWith(&'static str),
    /// A counter: where it changes, it rises by little.
    Rises,
    /// A number that seldom changes, and then rises by little.
    RisesSeldom,
    /// A small number below this that is never alone in changing: this counter does too.
    MovesWith(&'static str, u64),
    /// As [`Look::MovesWith`] without a bound.
    FollowsCounter(&'static str),
    /// Zero or above, or -1 or -2; both zero and others occur.
    Microseconds,
    /// In rows that count never zero, mostly different from row to row, and steady.
    Identity,
    /// In rows that count, each number goes with one value of this text and each text with one number.
    GoesWith(&'static str),
    /// In rows that count, zero exactly where this field is.
    ZeroWith(&'static str),
    /// In rows that count, this value exactly where the field is zero.
    NullWith(&'static str, u64),
    /// The address of something of the same kind: the word there at the same offset is null, or once more such.
    Owner,
    /// In rows that count, mostly the same address as there.
    SameAs(&'static str),
    /// In rows that count a different address in each, and steady.
    OwnMemory,
}

use Look::{
    BusyWith, Classes, FollowsCounter, GoesWith, Identity, Marks, Microseconds, MovesWith,
    NullWith, OwnMemory, Owner, Rises, RisesSeldom, SameAs, ZeroWith,
};

/// Wait events that any release has at most (23.5 has 2,289).
const EVENTS: u64 = 4096;

/// Different values of a word of flags at most.
const MOST_FLAGS: usize = 64;

/// Score of a bit that is set where it should be, and nowhere else.
pub const EXACTLY: f64 = 12.0;

/// Fields and their looks.
const LOOKS: &[(&str, Look)] = &[
    ("KSSPAFLG", Marks("KSUSEFLG", 3)),
    ("owner", Owner),
    ("KSUUDUID", GoesWith("KSUUDLNA")),
    ("KSUUDLUI", GoesWith("KSUUDLNA")),
    ("KSUUDOCT", ZeroWith("KSUSESQL")),
    ("KSUUDSID", GoesWith("KSUUDSNA")),
    ("stats_ptr", OwnMemory),
    ("KSUSESEQ", Rises),
    ("KSUSEOPC", MovesWith("KSUSESEQ", EVENTS)),
    ("KSUSEP1", FollowsCounter("KSUSESEQ")),
    ("KSUSEP2", FollowsCounter("KSUSESEQ")),
    ("KSUSEP3", FollowsCounter("KSUSESEQ")),
    ("KSUSETIM", Microseconds),
    ("KSUSSTMBV", ZeroWith("KSUSESQL")),
    ("KSUSESER", Identity),
    ("KSUSEFLG", Classes(19, &[0, 1, 2, 17])),
    ("KSUSEIDL", BusyWith("KSUSESQL")),
    // The creator's process is the session's, but for migrated and recursive ones.
    ("KSUSECRE", SameAs("owner")),
    ("KSUSESCH", NullWith("KSUSESQL", 65_535)),
    ("KSUSESPH", ZeroWith("KSUSESQL")),
    ("KSUSEFULLSPH", ZeroWith("KSUSESQL")),
    ("KSUSESESTA", ZeroWith("KSUSESQL")),
    ("KSUSESEID", ZeroWith("KSUSESQL")),
    ("KSUSEPCH", NullWith("KSUSEPSQ", 65_535)),
    ("KSUSEPPH", ZeroWith("KSUSEPSQ")),
    ("KSUSEPESTA", ZeroWith("KSUSEPSQ")),
    ("KSUSEPEID", ZeroWith("KSUSEPSQ")),
    ("KSUSEFIX", Rises),
];

/// The look of a field, if it has one of its own.
pub fn look_of(field: &str) -> Option<Look> {
    LOOKS.iter().find(|l| l.0 == field).map(|l| l.1)
}

/// The field that a look compares with.
pub fn companion(look: Look) -> Option<&'static str> {
    match look {
        Marks(field, _)
        | BusyWith(field)
        | MovesWith(field, _)
        | FollowsCounter(field)
        | GoesWith(field)
        | SameAs(field)
        | ZeroWith(field)
        | NullWith(field, _) => Some(field),
        Classes(..) | Rises | RisesSeldom | Microseconds | Identity | Owner | OwnMemory => None,
    }
}

/// A known field: offset and bytes.
pub type Place = (usize, usize);

/// How well the bytes at a place look like the field of this name; 0 when it has no look of its own.
pub fn score_of(sight: &Sight<'_>, field: &str, place: Place, other: Option<Place>) -> f64 {
    look_of(field).map_or(0.0, |look| score(sight, look, place, other))
}

/// How well `width` bytes at `at` look like that; `other` is the place of the companion. 0 when nothing can be said.
pub fn score(sight: &Sight<'_>, look: Look, (at, width): Place, other: Option<Place>) -> f64 {
    let other = match (companion(look), other) {
        (Some(_), None) => return 0.0,
        (_, other) => other.unwrap_or((0, 0)),
    };
    match look {
        Classes(mask, among) => classes(sight, at, width, mask, among),
        Marks(_, bits) => marks(sight, at, width, other, bits),
        BusyWith(_) => busy_with(sight, at, width, other),
        Rises => rises(sight, at, width, 2 * FEW),
        RisesSeldom => rises(sight, at, width, FEW),
        MovesWith(_, below) => moves_with(sight, at, width, other, Some(below)),
        FollowsCounter(_) => moves_with(sight, at, width, other, None),
        Microseconds => microseconds(sight, at),
        Identity => identity(sight, at, width),
        GoesWith(_) => goes_with(sight, at, width, other),
        ZeroWith(_) => null_with(sight, at, width, other, 0),
        NullWith(_, null) => null_with(sight, at, width, other, null),
        SameAs(_) => same_as(sight, at, width, other),
        Owner => owner(sight, at),
        OwnMemory => own_memory(sight, at),
    }
}

fn value(row: &[u8], (at, width): Place) -> u64 {
    uint(row, at, width).unwrap_or(0)
}

fn classes(sight: &Sight<'_>, at: usize, width: usize, mask: u64, among: &[u64]) -> f64 {
    let mut values: BTreeMap<u64, usize> = BTreeMap::new();
    for row in sight.rows() {
        *values.entry(value(row, (at, width))).or_default() += 1;
    }
    let mut seen: Vec<usize> = vec![0; among.len()];
    // Each value counts once: most rows may rest on one that suits by chance.
    let mut good = Tally::default();
    for (value, rows) in &values {
        let class = among.iter().position(|c| value & mask == *c);
        good.count(class.is_some());
        if let Some(class) = class {
            seen[class] += rows;
        }
    }
    let kinds = among.iter().zip(&seen).filter(|(c, n)| **c != 0 && **n > 1);
    match (good.share(), kinds.count()) {
        (share, _) if share < 0.98 => -8.0,
        _ if values.len() > MOST_FLAGS => -4.0,
        (_, 3..) => 9.0,
        (_, 2) => 3.0,
        (_, 1) => 0.0,
        _ => -2.0,
    }
}

/// Agreement of two yes-or-no questions in both directions, as a score.
fn agreement(both: impl Iterator<Item = (bool, bool)>, share: f64, top: f64) -> Option<f64> {
    let (mut yes, mut no) = (Tally::default(), Tally::default());
    for (is, should) in both {
        if should {
            yes.count(is);
        } else {
            no.count(!is);
        }
    }
    let enough = yes.yes + yes.no >= FEW && no.yes + no.no >= FEW;
    let least = yes.share().min(no.share());
    enough.then_some(if least >= share { top } else { -4.0 })
}

fn marks(sight: &Sight<'_>, at: usize, width: usize, other: Place, bits: u64) -> f64 {
    let both = || {
        sight.rows().map(|row| {
            let (is, should) = (value(row, (at, width)) & 1, value(row, other) & bits);
            (is != 0, should != 0)
        })
    };
    let always = agreement(both(), 0.999, EXACTLY);
    always
        .filter(|score| *score > 0.0)
        .or_else(|| agreement(both(), 0.98, 9.0))
        .unwrap_or(0.0)
}

fn busy_with(sight: &Sight<'_>, at: usize, width: usize, other: Place) -> f64 {
    let small = sight.values(at, width).keys().all(|v| *v < 1024);
    let both = sight.used().map(|row| {
        let (is, should) = (value(row, (at, width)) & 1, value(row, other));
        (is != 0, should != 0)
    });
    match agreement(both, 0.8, 8.0) {
        Some(score) if small || score < 0.0 => score,
        Some(_) => -4.0,
        None => 0.0,
    }
}

fn rises(sight: &Sight<'_>, at: usize, width: usize, enough: usize) -> f64 {
    if !sight.is_busy(at, width) {
        return -1.0;
    }
    let mut little = Tally::default();
    for (then, now) in sight.pairs() {
        let bits = 64 - 8 * width as u32;
        let rise = value(now, (at, width)).wrapping_sub(value(then, (at, width))) << bits >> bits;
        if rise != 0 {
            little.count(rise < 4096);
        }
    }
    match (little.yes + little.no, little.share()) {
        (0, _) => -1.0,
        (_, share) if share < 0.9 => -6.0,
        (n, _) if n >= enough => 6.0,
        _ => 0.0,
    }
}

fn moves_with(sight: &Sight<'_>, at: usize, width: usize, other: Place, below: Option<u64>) -> f64 {
    if !sight.is_busy(at, width) {
        return -2.0;
    }
    let mut along = Tally::default();
    for (then, now) in sight.pairs() {
        if value(then, (at, width)) != value(now, (at, width)) {
            along.count(value(then, other) != value(now, other));
        }
    }
    let values = sight.values(at, width);
    let bounded = below.is_none_or(|b| values.keys().all(|v| *v < b));
    match (along.yes + along.no, along.share()) {
        _ if !bounded => -8.0,
        (1.., share) if share < 0.95 => -6.0,
        (n, _) if n >= 2 * FEW && values.len() >= 3 => 6.0,
        _ => 0.0,
    }
}

fn microseconds(sight: &Sight<'_>, at: usize) -> f64 {
    let mut zero = Tally::default();
    let mut good = Tally::default();
    let mut kinds = BTreeSet::new();
    for row in sight.used() {
        let micros = value(row, (at, 4)) as u32 as i32;
        good.count(micros >= -2);
        zero.count(micros == 0);
        kinds.insert(micros);
    }
    match good.share() {
        _ if good == Tally::default() => 0.0,
        share if share < 0.99 => -8.0,
        _ if zero.yes < FEW => -2.0,
        _ if zero.no >= FEW && kinds.len() >= FEW => 3.0,
        _ => 0.0,
    }
}

fn identity(sight: &Sight<'_>, at: usize, width: usize) -> f64 {
    if !sight.knows_used() {
        return 0.0;
    }
    let values = sight.values(at, width);
    let rows: usize = values.values().sum();
    let zeros = values.get(&0).copied().unwrap_or(0);
    let mut steady = Tally::default();
    for (then, now) in sight.pairs() {
        steady.count(value(then, (at, width)) == value(now, (at, width)));
    }
    // The same rows are looked at in several rounds.
    let slots = rows / sight.looks().max(1);
    match steady.share() {
        _ if rows < FEW => 0.0,
        _ if zeros * 50 > rows => -6.0,
        share if share < 0.95 => -6.0,
        _ if values.len() * 10 >= slots * 6 => 6.0,
        _ => -2.0,
    }
}

fn goes_with(sight: &Sight<'_>, at: usize, width: usize, other: Place) -> f64 {
    if !sight.is_busy(at, width) {
        return -1.0;
    }
    let mut all = BTreeMap::new();
    for row in sight.used() {
        if let Some(text) = text_at(&row[..(other.0 + other.1).min(row.len())], other.0) {
            *all.entry((value(row, (at, width)), text)).or_insert(0usize) += 1;
        }
    }
    let rows: usize = all.values().sum();
    let mut texts: BTreeMap<&[u8], usize> = Default::default();
    let mut numbers: BTreeMap<u64, usize> = Default::default();
    for ((number, text), n) in &all {
        let most = texts.entry(text).or_default();
        *most = (*most).max(*n);
        let most = numbers.entry(*number).or_default();
        *most = (*most).max(*n);
    }
    let explained = |most: usize| most as f64 >= 0.97 * rows as f64;
    match rows {
        0..20 => 0.0,
        _ if !explained(texts.values().sum()) || !explained(numbers.values().sum()) => -3.0,
        _ if texts.len() >= 3 && numbers.len() >= 3 => 7.0,
        _ => 0.0,
    }
}

fn null_with(sight: &Sight<'_>, at: usize, width: usize, other: Place, null: u64) -> f64 {
    let both = sight
        .used()
        .map(|row| (value(row, (at, width)) == null, value(row, other) == 0));
    // What a session left behind, or has from elsewhere, is no contradiction worth much.
    agreement(both, 0.85, 6.0).unwrap_or(0.0).max(-2.0)
}

fn same_as(sight: &Sight<'_>, at: usize, width: usize, other: Place) -> f64 {
    let mut same = Tally::default();
    for row in sight.used() {
        same.count(value(row, (at, width)) == value(row, other) && value(row, other) != 0);
    }
    match same.share() {
        _ if same.yes + same.no < FEW => 0.0,
        share if share >= 0.7 => 6.0,
        _ => -1.0,
    }
}

fn owner(sight: &Sight<'_>, at: usize) -> f64 {
    let mut good = Tally::default();
    for row in sight.used() {
        match word(row, at) {
            0 => {}
            target => {
                let above = sight.word_behind(target, at as u64);
                good.count(above.is_some_and(|a| a == 0 || sight.is_mapped(a)));
            }
        }
    }
    match good.share() {
        _ if good.yes + good.no < FEW => 0.0,
        share if share < 0.9 => -8.0,
        _ => 1.0,
    }
}

fn own_memory(sight: &Sight<'_>, at: usize) -> f64 {
    if !sight.knows_used() {
        return 0.0;
    }
    let values = sight.values(at, 8);
    let rows: usize = values.values().sum();
    let nulls = values.get(&0).copied().unwrap_or(0);
    let slots = rows / sight.looks().max(1);
    match rows {
        0..FEW => 0.0,
        _ if nulls * 20 > rows => -6.0,
        _ if values.len() * 10 >= slots * 9 => 2.0,
        _ => -6.0,
    }
}
