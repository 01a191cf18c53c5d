//! Members known by their character alone, with neither truth nor prior.
//!
//! A member gets its name if exactly one place of the row looks like it ([`super::looks`]) in all rows; several places
//! are reported as ambiguous, each with the rows that agree. Texts and times are told apart from other bytes, but not
//! from each other. Not for: what bytes prove, that is [`super::blind`].

use std::collections::{BTreeMap, BTreeSet};

use super::blind::line;
use super::compose::plain;
use super::learner::Learner;
use super::looks::{self, Look, Place};
use super::report::Report;
use super::shot::{Shot, uint};
use super::sight::{Sight, is_date};
use super::text::{is_text, text_at};
use crate::blueprint::model::{Confidence, Field, Stored};
use crate::memory::AddressSpace;

/// Rows by which text is recognised.
const FEWEST_TEXTS: usize = 6;
/// Seconds that a stamp may be older than the newest ones.
const RECENT: i64 = 120;
/// Seconds that any stamp may be old.
const OLD: i64 = 400 * 86_400;
/// Bytes in front of a text that are taken for the end of a number at most.
const MOST_ALIKE: usize = 7;
/// Score from which a place looks like a member.
const LOOKS_SO: f64 = 5.0;
/// Words of a structure of counters that rise in some row.
const FEWEST_COUNTERS: usize = 3;
/// Bytes of a structure in which counters are looked for.
const COUNTERS: usize = 1024;

/// Session kind, in-use flag, serial number, event number and statistics pointer, as far as one place only looks so.
pub(super) fn named(
    space: &dyn AddressSpace,
    learner: &Learner<'_>,
    report: &mut Report,
) -> Vec<Field> {
    let mut found = Found {
        sight: Sight::new(space, &learner.rounds, learner.rows.len),
        report,
        fields: Vec::new(),
    };
    let kinds = found.places(4, |s, at| looks::score_of(s, "KSUSEFLG", (at, 4), None));
    let Some(kind) = found.settle("KSUSEFLG", 4, Stored::Uint, &kinds) else {
        return found.fields;
    };
    let flags = found.places(1, |s, at| {
        let score = looks::score_of(s, "KSSPAFLG", (at, 1), Some(kind));
        // A constant of sessions in use marks them too, but stays when they are gone.
        if score >= looks::EXACTLY { score } else { 0.0 }
    });
    let flag = found.settle("KSSPAFLG", 1, Stored::Uint, &flags);
    let value = |row: &[u8], place: Place| uint(row, place.0, place.1).unwrap_or(0);
    found
        .sight
        .only(|row| value(row, kind) & 19 == 1 && flag.is_none_or(|f| value(row, f) & 1 != 0));
    // A slot's next session has the next serial number; other numbers of a session have no such order.
    let serials = found.places(2, |s, at| {
        let own = looks::score(s, Look::Identity, (at, 2), None);
        own.min(looks::score(s, Look::RisesSeldom, (at, 2), None))
            .min(LOOKS_SO + s.number(at, 2))
    });
    found.settle("KSUSESER", 2, Stored::Uint, &serials);
    let counters = found.places(2, |s, at| {
        looks::score(s, Look::Rises, (at, 2), None).min(LOOKS_SO + s.number(at, 2))
    });
    let events = found.places(2, |s, at| {
        let along = counters.iter().filter(|c| **c != at);
        let best = along.map(|c| looks::score_of(s, "KSUSEOPC", (at, 2), Some((*c, 2))));
        best.fold(0.0, f64::max).min(LOOKS_SO + s.number(at, 2))
    });
    found.settle("KSUSEOPC", 2, Stored::Uint, &events);
    let statistics = found.places(8, |s, at| {
        let own = s.address(at).min(LOOKS_SO) + looks::score_of(s, "stats_ptr", (at, 8), None);
        let counts = counters_behind(learner, at as u32);
        if counts { own } else { 0.0 }
    });
    found.settle("stats_ptr", 8, Stored::Addr, &statistics);
    found.fields
}

struct Found<'a> {
    sight: Sight<'a>,
    report: &'a mut Report,
    fields: Vec<Field>,
}

impl Found<'_> {
    /// Aligned places that look so.
    fn places(&self, step: usize, score: impl Fn(&Sight<'_>, usize) -> f64) -> Vec<usize> {
        let end = self.sight.row_bytes().saturating_sub(step - 1);
        (0..end)
            .step_by(step)
            .filter(|at| self.sight.is_busy(*at, step) && score(&self.sight, *at) >= LOOKS_SO)
            .collect()
    }

    /// One place is the member's; several are reported.
    fn settle(
        &mut self,
        name: &str,
        size: usize,
        stored: Stored,
        places: &[usize],
    ) -> Option<Place> {
        let rows = self.sight.rows().count();
        let offsets: BTreeSet<u32> = places.iter().map(|p| *p as u32).collect();
        let mut line = line(name, &offsets, rows as u32, places.len());
        if places.is_empty() {
            line.verdict = "no evidence";
            line.agree = 0;
        }
        self.report.lines.push(line);
        let [at] = places else { return None };
        let evidence = format!(
            "calibrated: of all places only this looks so in {rows} rows of several rounds"
        );
        let mut field = plain(name, *at as u64, size as u64, stored, &evidence);
        field.confidence = Confidence::Medium;
        self.fields.push(field);
        Some((*at, size))
    }
}

/// Whether counters stand behind the pointer at `via`: words that rise by little in some rows, and none that falls.
fn counters_behind(learner: &Learner<'_>, via: u32) -> bool {
    let mut rising = BTreeSet::new();
    let mut falling = BTreeSet::new();
    for pair in learner.rounds.windows(2) {
        for slot in 0..pair[0].after.len() {
            let pointer = |shot: &Shot| uint(shot.row(slot, None)?, via as usize, 8);
            let (Some(then), Some(now)) = (pointer(&pair[0].after), pointer(&pair[1].after)) else {
                continue;
            };
            let targets = (
                pair[0].after.row(slot, Some(via)),
                pair[1].after.row(slot, Some(via)),
            );
            let (Some(old), Some(new)) = targets else {
                continue;
            };
            if then != now {
                continue;
            }
            for at in (0..COUNTERS).step_by(8) {
                let (Some(a), Some(b)) = (uint(old, at, 8), uint(new, at, 8)) else {
                    break;
                };
                match b.wrapping_sub(a) {
                    0 => {}
                    rise if rise < 1 << 32 => {
                        rising.insert(at);
                    }
                    // Set back to zero for the slot's next session.
                    _ if b < 1 << 16 => {}
                    _ => {
                        falling.insert(at);
                    }
                }
            }
        }
    }
    rising.len() >= FEWEST_COUNTERS && falling.is_empty()
}

/// Bytes at which text begins in some rows and never anything else: columns of text whose names can't be known.
pub(super) fn texts(learner: &Learner<'_>, report: &mut Report) {
    let Some(shots) = learner.rounds.last() else {
        return;
    };
    let last = quiet_rows(&shots.after);
    let stamps = recent(&last, learner.rows.len);
    // Of all rounds: what a number's bytes look like by chance in one they don't in the next.
    let rows: Vec<&[u8]> = learner
        .rounds
        .iter()
        .flat_map(|shots| quiet_rows(&shots.after))
        .collect();
    let mut found = BTreeSet::new();
    let mut skip = 0;
    for offset in 0..learner.rows.len {
        if offset < skip {
            continue;
        }
        if rows.iter().any(|r| r[offset] != 0 && !is_text(r[offset])) {
            continue;
        }
        let values: BTreeSet<&[u8]> = rows.iter().filter_map(|row| text_at(row, offset)).collect();
        let (mut texts, mut joined, mut single, mut later) = (0, 0, 0, 0);
        // The last byte of a stamp is printable for decades, that of a date for half of each minute.
        let behind_time = offset >= 4 && stamps.contains_key(&(offset - 4))
            || offset >= 7 && are_dates(&last, offset - 7);
        for row in &rows {
            later += usize::from(!is_text(row[offset]) && text_at(row, offset + 1).is_some());
            match row[offset] {
                0 => {}
                _ if row.get(offset + 1).is_none_or(|b| !is_text(*b)) => single += 1,
                _ if text_at(row, offset).is_none() => {}
                _ => {
                    texts += 1;
                    let joins = offset > 0 && !behind_time && is_text(row[offset - 1]);
                    joined += usize::from(joins);
                }
            }
        }
        // The byte in front may be a number's; inside a text it is always text.
        let apart = single * 20 <= texts && later * 20 <= texts && joined * 10 < texts * 9;
        if values.len() >= 2 && texts >= FEWEST_TEXTS && apart {
            found.insert(offset as u32);
            let longest = values.iter().map(|v| v.len()).max().unwrap_or(0);
            skip = offset + longest;
        }
    }
    for offset in &found {
        let at = *offset as usize;
        let values: BTreeSet<&[u8]> = rows.iter().filter_map(|row| text_at(row, at)).collect();
        let mut line = line(
            "(text)",
            &BTreeSet::from([*offset]),
            values.len() as u32,
            values.len(),
        );
        line.verdict = "ambiguous";
        line.offset = None;
        line.alternatives = beginnings(&values, *offset);
        line.stored = "text".into();
        report.lines.push(line);
    }
    report.remarks.push(format!(
        "{} places hold text: which column is which only a truth or a neighbouring blueprint can tell",
        found.len()
    ));
}

/// Where texts found at `offset` may begin. The bytes in front may be the end of a number that happens to be printable
/// (minute and second of a date, say): such bytes are alike in all rows, or differ where the rest is the same.
fn beginnings(values: &BTreeSet<&[u8]>, offset: u32) -> Vec<u32> {
    let from = |i: usize| -> BTreeSet<&[u8]> { values.iter().filter_map(|v| v.get(i..)).collect() };
    let is_apart = |i: &usize| {
        let first: BTreeSet<u8> = values.iter().filter_map(|v| v.get(*i)).copied().collect();
        first.len() <= 2 || from(i + 1).len() < from(*i).len()
    };
    let more = (0..MOST_ALIKE).take_while(is_apart).count() as u32;
    (offset..=offset + more).collect()
}

fn quiet_rows(shot: &Shot) -> Vec<&[u8]> {
    (0..shot.len())
        .filter_map(|row| shot.row(row, None))
        .collect()
}

/// Reports the words that are times.
pub(super) fn stamps(learner: &Learner<'_>, report: &mut Report) {
    let Some(shots) = learner.rounds.last() else {
        return;
    };
    for (offset, values) in recent(&quiet_rows(&shots.after), learner.rows.len) {
        let offset = offset as u32;
        let places = BTreeSet::from([offset]);
        let mut line = line("(time)", &places, values as u32, values);
        line.verdict = "ambiguous";
        line.offset = None;
        line.alternatives = vec![offset];
        line.stored = "epoch4".into();
        report.lines.push(line);
    }
}

/// Whether all rows hold dates there, zeros apart.
fn are_dates(rows: &[&[u8]], at: usize) -> bool {
    let held = rows.iter().filter_map(|row| row.get(at..at + 7));
    let mut held = held.filter(|b| b.iter().any(|b| *b != 0)).peekable();
    held.peek().is_some() && held.all(is_date)
}

/// Words that are times of the recent past in all rows, zero apart; with the number of different ones.
fn recent(rows: &[&[u8]], len: usize) -> BTreeMap<usize, usize> {
    let now = jiff::Timestamp::now().as_second();
    let values = |offset: usize| -> BTreeSet<i64> {
        let all = rows.iter().filter_map(|row| uint(row, offset, 4));
        all.filter(|v| *v != 0).map(|v| v as i64).collect()
    };
    let is_recent = |values: &BTreeSet<i64>| match (values.first(), values.last()) {
        (Some(first), Some(last)) => *first > now - OLD && *last <= now + 1 && *last > now - RECENT,
        _ => false,
    };
    let places = (0..len.saturating_sub(3)).step_by(4);
    places
        .map(|offset| (offset, values(offset)))
        .filter(|(_, values)| is_recent(values))
        .map(|(offset, values)| (offset, values.len()))
        .collect()
}
