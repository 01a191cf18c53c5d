//! The learner at work on one array of rows: rounds of shots and truths, then all questions.
//!
//! Which columns show which fields comes in as [`Spec`]s; the learner itself knows none.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::{Answer, Form, Question, Verdict, Want, ask};
use super::scan;
use super::shot::{POINTED_BYTES, Round, Rows, Shot, uint};
use super::truth::{Shape, Spec, Table};
use crate::memory::{AddressSpace, TargetAddr};

/// Changes by which a change counter is recognised.
const FEWEST_CHANGES: usize = 12;

/// A text of bytes to the number that proves it.
pub type Proof = fn(&[u8]) -> u64;

/// A field that was asked for, and what it came to.
#[derive(Clone, Debug)]
pub struct Learned {
    /// Pointer field behind which it is.
    pub via: Option<String>,
    /// Field.
    pub field: String,
    /// Columns that told.
    pub columns: BTreeSet<String>,
    /// The end.
    pub answer: Answer,
    /// Where it is if it is unique: offset, form.
    pub place: Option<(u32, Form)>,
    /// Bytes of a text; the form's width for others.
    pub size: u64,
    /// Whether the row holds a pointer to the text, not the text.
    pub pointed: bool,
    /// Whether it is an address.
    pub address: bool,
}

impl Learned {
    /// What the numbers at the place of a [`Form::Class`] stand for: number to the word's index.
    pub fn place_words(&self) -> BTreeMap<u64, u32> {
        let here = |c: &&super::ask::Candidate| self.place == Some((c.offset, c.form));
        let found = self.answer.candidates.iter().find(here);
        found.map_or_else(BTreeMap::new, |c| {
            c.words.iter().map(|(w, v)| (*v, *w)).collect()
        })
    }
}

/// A field's name with the pointer behind which it is.
pub(super) type Key = (Option<String>, String);

/// What was asked for one field.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) columns: BTreeSet<String>,
    pub(super) widest: u8,
    pub(super) address: bool,
}

/// Rounds over one array of rows.
pub struct Learner<'a> {
    space: &'a dyn AddressSpace,
    /// The rows.
    pub rows: Rows,
    /// Rounds so far.
    pub rounds: Vec<Round>,
    pub(super) asked: BTreeMap<Key, Asked>,
    /// Wanted counters behind a pointer: round, row, index, value.
    counters: Vec<(usize, usize, usize, u64)>,
    /// Cells that weren't of their column's shape.
    pub misfits: Vec<String>,
}

impl<'a> Learner<'a> {
    /// A learner of rows at these addresses; `None` when they can't be rows.
    pub fn new(space: &'a dyn AddressSpace, addrs: Vec<TargetAddr>) -> Option<Learner<'a>> {
        let len = scan::stride(&addrs)? as usize;
        Some(Learner {
            space,
            rows: Rows { addrs, len },
            rounds: Vec::new(),
            asked: BTreeMap::new(),
            counters: Vec::new(),
            misfits: Vec::new(),
        })
    }

    /// One round: rows, truth, rows again. Returns its number.
    ///
    /// # Errors
    /// Those of `truth`.
    pub fn round<T, E>(&mut self, truth: impl FnOnce() -> Result<T, E>) -> Result<(usize, T), E> {
        let before = Shot::take(self.space, &self.rows, true);
        let told = truth()?;
        let after = Shot::take(self.space, &self.rows, true);
        self.rounds.push(Round::new(before, after));
        Ok((self.rounds.len() - 1, told))
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.rounds
            .iter()
            .map(|r| r.before.bytes + r.after.bytes)
            .sum()
    }

    /// Takes in a table whose `key` column is the row's number from 1.
    pub fn tell(&mut self, round: usize, table: &Table, key: &str, specs: &[Spec]) {
        let Some(key) = table.column(key) else { return };
        for spec in specs {
            let Some(column) = table.column(&spec.column) else {
                continue;
            };
            for row in &table.rows {
                let slot = table.number(row, key).and_then(|n| usize::try_from(n).ok());
                let Some(slot) = slot.filter(|n| (1..=self.rows.addrs.len()).contains(n)) else {
                    continue;
                };
                match spec.shape.want(row[column].as_deref()) {
                    Ok(Some(want)) => self.want(spec, round, slot - 1, want),
                    Ok(None) => {}
                    Err(why) => self.misfit(format!("{}: {why}", spec.column)),
                }
            }
        }
    }

    fn misfit(&mut self, what: String) {
        if self.misfits.len() < 20 {
            self.misfits.push(what);
        }
    }

    fn want(&mut self, spec: &Spec, round: usize, row: usize, want: Want) {
        if let (Shape::PointedText { length }, Want::Text(text)) = (&spec.shape, &want) {
            let length = Spec {
                column: format!("length of {}", spec.column),
                via: spec.via.clone(),
                field: length.clone(),
                shape: Shape::Uint {
                    widest: 8,
                    null: None,
                },
            };
            self.want(&length, round, row, Want::Value(text.len() as u64));
        }
        let key = (spec.via.clone(), spec.field.clone());
        let asked = self.asked.entry(key).or_default();
        asked.columns.insert(spec.column.clone());
        for form in spec.shape.forms() {
            if !asked.question.forms.contains(&form) {
                asked.question.forms.push(form);
            }
        }
        asked.address |= matches!(spec.shape, Shape::Address);
        asked.widest = asked.widest.max(match spec.shape {
            Shape::Uint { widest, .. } => widest,
            Shape::Address | Shape::Time => 8,
            _ => 4,
        });
        asked.question.wants.push((round, row, want));
    }

    /// A single thing to know of one row, besides what tables tell.
    pub fn tell_one(&mut self, spec: &Spec, round: usize, row: usize, want: Want) {
        self.want(spec, round, row, want);
    }

    /// A counter of the array that some pointer of the row leads to.
    pub fn tell_counter(&mut self, round: usize, row: usize, index: usize, value: u64) {
        if index < POINTED_BYTES / 8 && row < self.rows.addrs.len() {
            self.counters.push((round, row, index, value));
        }
    }

    /// Pointer members that were followed in any round.
    pub(super) fn followed(&self) -> BTreeSet<u32> {
        self.rounds
            .iter()
            .flat_map(|r| r.before.followed().chain(r.after.followed()))
            .collect()
    }

    /// The pointer member that leads to the counters told: offset, and counters that agree and disagree.
    pub fn counters(&self) -> Vec<(u32, usize, usize)> {
        let mut fits = Vec::new();
        for via in self.followed() {
            let (mut agree, mut disagree) = (0, 0);
            for &(round, row, index, value) in &self.counters {
                let shots = &self.rounds[round];
                let at = |shot: &Shot| uint(shot.row(row, Some(via))?, index * 8, 8);
                match (at(&shots.before), at(&shots.after)) {
                    (Some(a), Some(b)) if a == b && a == value => agree += 1,
                    (Some(a), Some(b)) if a != b => {}
                    _ => disagree += 1,
                }
            }
            if agree > 0 && disagree * 20 <= agree {
                fits.push((via, agree, disagree));
            }
        }
        fits
    }

    /// Words that count the changes of their row: they rise by an even number whenever anything in the row changes,
    /// and only then. Offset, changes seen, and changes that broke the rule (a shot in the midst of a change).
    pub fn change_counters(&self) -> Vec<(u32, usize, usize)> {
        let shots: Vec<&Shot> = self
            .rounds
            .iter()
            .flat_map(|r| [&r.before, &r.after])
            .collect();
        let mut found = Vec::new();
        for offset in (0..self.rows.len.saturating_sub(3)).step_by(4) {
            let (mut good, mut bad) = (0, 0);
            for pair in shots.windows(2) {
                for row in 0..self.rows.addrs.len() {
                    let (Some(then), Some(now)) = (pair[0].row(row, None), pair[1].row(row, None))
                    else {
                        continue;
                    };
                    if then == now {
                        continue;
                    }
                    let rise = uint(now, offset, 4)
                        .zip(uint(then, offset, 4))
                        .map(|(n, t)| n.wrapping_sub(t) as u32);
                    match rise {
                        Some(n) if n > 0 && n % 2 == 0 && n < 1 << 24 => good += 1,
                        _ => bad += 1,
                    }
                }
            }
            if good >= FEWEST_CHANGES && bad * 20 <= good {
                found.push((offset as u32, good, bad));
            }
        }
        found
    }

    /// Answers all questions.
    pub fn answers(&self) -> Vec<Learned> {
        let mut all: Vec<Learned> = Vec::new();
        let row_fields = self.asked.iter().filter(|(key, _)| key.0.is_none());
        for ((_, field), asked) in row_fields {
            all.push(self.in_row(field, asked));
        }
        let pointers: BTreeSet<&String> = self.asked.keys().filter_map(|k| k.0.as_ref()).collect();
        for pointer in pointers {
            let known = all
                .iter()
                .find(|l| &l.field == pointer)
                .and_then(|l| l.place);
            self.behind(pointer, known.map(|p| p.0), &mut all);
        }
        self.settle_widths(&mut all);
        all
    }

    fn in_row(&self, field: &str, asked: &Asked) -> Learned {
        let answer = ask(&self.rounds, None, self.rows.len, &asked.question);
        let mut learned = self.learned(None, field, asked, answer);
        let is_text = asked.question.forms == [Form::Text];
        if is_text && learned.answer.verdict == Verdict::Nowhere {
            self.pointed_text(&mut learned, asked);
        }
        learned
    }

    pub(super) fn learned(
        &self,
        via: Option<String>,
        field: &str,
        asked: &Asked,
        answer: Answer,
    ) -> Learned {
        let place = answer
            .place(asked.widest.max(1))
            .map(|c| (c.offset, c.form));
        Learned {
            via,
            field: field.to_owned(),
            columns: asked.columns.clone(),
            size: place.map_or(0, |p| u64::from(p.1.width())),
            place,
            answer,
            pointed: false,
            address: asked.address,
        }
    }

    /// Numbers as wide as they can be without reaching into the next field, texts up to it.
    fn settle_widths(&self, all: &mut [Learned]) {
        let mut starts: BTreeMap<Option<String>, BTreeSet<u32>> = BTreeMap::new();
        for learned in all.iter() {
            if let Some((offset, _)) = learned.place {
                starts
                    .entry(learned.via.clone())
                    .or_default()
                    .insert(offset);
            }
        }
        let vias: BTreeMap<String, u32> = all
            .iter()
            .filter_map(|l| Some((l.field.clone(), l.place?.0)))
            .collect();
        for learned in all.iter_mut() {
            let Some((offset, form)) = learned.place else {
                continue;
            };
            let next = starts
                .get(&learned.via)
                .and_then(|s| s.range(offset + 1..).next().copied());
            let room = next.map_or(u32::MAX, |n| n - offset);
            let via = learned.via.as_ref().and_then(|v| vias.get(v).copied());
            match form {
                Form::Text if !learned.pointed => {
                    learned.size = self.text_extent(via, offset, room);
                }
                Form::Text => {}
                _ if u32::from(form.width()) <= room => {}
                _ => {
                    let fits = |w: u8| u32::from(w) <= room;
                    let narrower = learned
                        .answer
                        .candidates
                        .iter()
                        .map(|c| c.form)
                        .filter(|f| fits(f.width()))
                        .max_by_key(|f| f.width());
                    learned.place = narrower.map(|f| (offset, f));
                    learned.size = narrower.map_or(0, |f| u64::from(f.width()));
                }
            }
        }
    }

    /// Bytes from `offset` that are text or zero in all rows of all shots.
    fn text_extent(&self, via: Option<u32>, offset: u32, room: u32) -> u64 {
        let mut extent = room.min(4000) as usize;
        for shot in self.rounds.iter().flat_map(|r| [&r.before, &r.after]) {
            for row in 0..shot.len() {
                let Some(bytes) = shot.row(row, via).and_then(|b| b.get(offset as usize..)) else {
                    continue;
                };
                extent = extent.min(bytes.len());
                let end = bytes[..extent]
                    .iter()
                    .position(|b| (1..0x20).contains(b) || *b == 0x7f);
                extent = end.unwrap_or(extent);
            }
        }
        extent as u64
    }
}
