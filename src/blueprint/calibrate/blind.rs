//! Learning without any truth: what the bytes prove by themselves.
//!
//! An array is known by rows that hold their own number, a statement's text by the digest that other words repeat, the
//! current statement from the previous one by which follows which. Texts and times are known as such but not by name:
//! they are reported as ambiguous. Not for: fields that only a name could tell apart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::ask::{Form, Question, Verdict, Want, ask};
use super::calibration::{CalibrateError, Calibration, Settings};
use super::character;
use super::compose::{Draft, SESSIONS, head, plain, runs, strukt};
use super::learner::{Learner, Proof};
use super::pointed::text_runs;
use super::report::{Line, Report};
use super::scan::{self, Found};
use super::shot::{POINTED_BYTES, uint, word};
use crate::blueprint::model::{Anchor, ArrayLayout, Dictionaries, Field, Stored, Struct};
use crate::memory::AddressSpace;

/// Shortest SQL text that is tried.
const SHORTEST_SQL: usize = 8;
/// Rows by which a text's place must be proven.
const FEWEST_PROOFS: usize = 3;

/// Learns what the memory proves by itself; `pause` is called between the rounds.
///
/// # Errors
/// No array of rows that hold their own numbers.
pub fn without_truth(
    space: &dyn AddressSpace,
    settings: Settings,
    rounds: usize,
    pause: &mut dyn FnMut(),
) -> Result<Calibration, CalibrateError> {
    let began = Instant::now();
    let mut proven = Blind::learn(space, &settings, rounds, pause)?;
    proven.by_character(space);
    proven.unnamed();
    let (anchors, of_head, layout) = proven.head();
    let Blind {
        learner,
        ksuse,
        structs,
        mut report,
        ..
    } = proven;
    let row = Struct {
        table: Some("X$KSUSE".into()),
        ..strukt("ksuse", learner.rows.len as u64, ksuse)
    };
    let draft = Draft {
        detail: format!(
            "{} rounds over {} rows, without truth",
            report.rounds, report.rows
        ),
        anchors,
        structs: std::iter::once(row).chain(structs).chain(of_head).collect(),
        layout,
        rules: BTreeMap::new(),
        dictionaries: Dictionaries::default(),
    };
    report.took(began.elapsed());
    Ok(Calibration {
        blueprint: draft.blueprint(&settings),
        report,
    })
}

/// What the bytes have proven by themselves.
pub struct Blind<'a> {
    /// The rows, and all rounds.
    pub learner: Learner<'a>,
    /// The array.
    pub array: Found,
    /// Proven fields of the row.
    pub ksuse: Vec<Field>,
    /// The structure of a statement's handle, if it is proven.
    pub structs: Vec<Struct>,
    /// What there is to say of it.
    pub report: Report,
}

impl<'a> Blind<'a> {
    /// Finds the array, reads the rounds, proves what can be proven.
    ///
    /// # Errors
    /// As [`without_truth`].
    pub fn learn(
        space: &'a dyn AddressSpace,
        settings: &Settings,
        rounds: usize,
        pause: &mut dyn FnMut(),
    ) -> Result<Blind<'a>, CalibrateError> {
        let mut report = Report::default();
        let (found, bytes) = scan::ordinal_arrays(space);
        report.bytes_read += bytes;
        let array = the_array(found, &mut report)?;
        let mut learner = Learner::new(space, array.rows.clone())
            .ok_or(CalibrateError::NotRows(array.rows.len()))?;
        for round in 0..rounds.max(1) {
            if round > 0 {
                pause();
            }
            // Without a truth to bracket there is nothing between the two shots.
            let _: Result<_, CalibrateError> = learner.round(|| Ok(()));
        }
        report.rows = learner.rows.addrs.len();
        report.row_bytes = learner.rows.len;
        report.rounds = learner.rounds.len();
        let mut ksuse = ordinal(&array, &mut report);
        let structs = statements(&learner, settings.sql_id_of, &mut ksuse, &mut report);
        report.bytes_read += learner.bytes();
        Ok(Blind {
            learner,
            array,
            ksuse,
            structs,
            report,
        })
    }

    /// Adds what only one place looks like.
    pub fn by_character(&mut self, space: &dyn AddressSpace) {
        let found = character::named(space, &self.learner, &mut self.report);
        self.ksuse.extend(found);
    }

    /// Reports what is known as text or time, but not by name.
    pub fn unnamed(&mut self) {
        character::texts(&self.learner, &mut self.report);
        character::stamps(&self.learner, &mut self.report);
    }

    /// The way to the rows: the array's head where its count is certain, else the rows themselves.
    pub fn head(&self) -> (Vec<Anchor>, Option<Struct>, ArrayLayout) {
        match self.array.counts.as_slice() {
            [count] => head(&SESSIONS, self.array.pointer, *count),
            _ => (
                Vec::new(),
                None,
                ArrayLayout::Runs {
                    runs: runs(&self.array.rows),
                },
            ),
        }
    }
}

/// The longest array whose rows hold their numbers; several different ones of that length can't be told apart.
fn the_array(mut found: Vec<Found>, report: &mut Report) -> Result<Found, CalibrateError> {
    found.sort_by_key(|f| std::cmp::Reverse(f.rows.len()));
    for f in &found {
        report.remarks.push(format!(
            "array of {} rows that hold their numbers: its address stands at 0x{}, its count at {:?}",
            f.rows.len(),
            f.pointer,
            f.counts
        ));
    }
    let Some(first) = found.first().cloned() else {
        return Err(CalibrateError::NoArray);
    };
    if found
        .iter()
        .skip(1)
        .any(|f| f.rows.len() == first.rows.len() && f.rows != first.rows)
    {
        return Err(CalibrateError::SeveralArrays);
    }
    Ok(first)
}

fn ordinal(array: &Found, report: &mut Report) -> Vec<Field> {
    let offsets: BTreeSet<u32> = array.ordinals.iter().map(|o| o.0).collect();
    let rows = array.rows.len();
    let widest = array
        .ordinals
        .iter()
        .max_by_key(|o| o.1)
        .filter(|_| offsets.len() == 1);
    report
        .lines
        .push(line("KSUSENUM", &offsets, rows as u32, rows));
    widest.map_or_else(Vec::new, |(offset, width)| {
        let evidence = format!("calibrated: {rows} rows hold their number");
        vec![plain(
            "KSUSENUM",
            (*offset).into(),
            (*width).into(),
            Stored::Uint,
            &evidence,
        )]
    })
}

pub(super) fn line(field: &str, offsets: &BTreeSet<u32>, agree: u32, distinct: usize) -> Line {
    let unique = offsets.len() == 1;
    Line {
        strukt: "ksuse".into(),
        field: field.into(),
        columns: Vec::new(),
        verdict: if unique { "learned" } else { "ambiguous" },
        offset: offsets.first().copied().filter(|_| unique),
        stored: String::new(),
        agree,
        disagree: 0,
        distinct,
        alternatives: if unique {
            Vec::new()
        } else {
            offsets.iter().copied().collect()
        },
    }
}

/// A pointer to texts whose digest the row repeats.
#[derive(Default)]
struct Statement {
    via: u32,
    text: u32,
    low: BTreeSet<u32>,
    high: BTreeSet<u32>,
    /// Round, row, number, length.
    proofs: Vec<(usize, usize, u64, u64)>,
}

/// Statements behind the followed pointers.
fn proven(learner: &Learner<'_>, number: Proof) -> Vec<Statement> {
    let mut all = Vec::new();
    let vias: BTreeSet<u32> = learner
        .rounds
        .iter()
        .flat_map(|r| r.after.followed())
        .collect();
    for via in vias {
        // Digests of each target once.
        let mut known: BTreeMap<u64, Vec<(u32, u64, u64)>> = BTreeMap::new();
        let mut by_text: BTreeMap<u32, Statement> = BTreeMap::new();
        for (round, shots) in learner.rounds.iter().enumerate() {
            for slot in (0..shots.after.len()).filter(|slot| shots.is_quiet(*slot)) {
                let (Some(row), Some(target)) = (
                    shots.after.row(slot, None),
                    shots.after.row(slot, Some(via)),
                ) else {
                    continue;
                };
                let digests = known
                    .entry(word(row, via as usize))
                    .or_insert_with(|| digests(target, number));
                for &(text, id, len) in digests.iter() {
                    let holds = |w: u32| places(row, w);
                    let (low, high) = (holds(id as u32), holds((id >> 32) as u32));
                    if low.is_empty() || high.is_empty() {
                        continue;
                    }
                    let s = by_text.entry(text).or_insert_with(|| Statement {
                        via,
                        text,
                        low: low.clone(),
                        high: high.clone(),
                        proofs: Vec::new(),
                    });
                    s.low.retain(|o| low.contains(o));
                    s.high.retain(|o| high.contains(o));
                    s.proofs.push((round, slot, id, len));
                }
            }
        }
        all.extend(
            by_text
                .into_values()
                .filter(|s| s.proofs.len() >= FEWEST_PROOFS),
        );
    }
    all
}

/// Digests of the texts that begin behind something that isn't text.
fn digests(target: &[u8], number: Proof) -> Vec<(u32, u64, u64)> {
    text_runs(target)
        .filter(|(offset, text)| {
            let before = (*offset as usize).checked_sub(1).map_or(0, |i| target[i]);
            text.len() >= SHORTEST_SQL && !(0x20..0x7f).contains(&before)
        })
        .map(|(offset, text)| (offset, number(text), text.len() as u64))
        .collect()
}

fn places(row: &[u8], value: u32) -> BTreeSet<u32> {
    (0..row.len() as u32)
        .step_by(4)
        .filter(|o| uint(row, *o as usize, 4) == Some(value.into()))
        .collect()
}

/// Fields of the current and the previous statement, and the structure behind them.
fn statements(
    learner: &Learner<'_>,
    number: Proof,
    ksuse: &mut Vec<Field>,
    report: &mut Report,
) -> Vec<Struct> {
    let found = proven(learner, number);
    let current = match found.as_slice() {
        [one, other] => follows(learner, one, other),
        _ => None,
    };
    let mut handle = Vec::new();
    for (i, s) in found.iter().enumerate() {
        let names = match current {
            Some(c) if c == i => ["KSUSESQL", "KSUSESQH", "sql_id_high"],
            Some(_) => ["KSUSEPSQ", "KSUSEPHA", "prev_sql_id_high"],
            None => ["(sql address)", "(sql hash)", "(sql_id high)"],
        };
        let ids: BTreeSet<u64> = s.proofs.iter().map(|p| p.2).collect();
        let evidence = format!(
            "calibrated: {} texts in {} rows proven by MD5",
            ids.len(),
            s.proofs.len()
        );
        let via = BTreeSet::from([s.via]);
        for (name, offsets, stored) in [
            (names[0], &via, Stored::Addr),
            (names[1], &s.low, Stored::Uint),
            (names[2], &s.high, Stored::Uint),
        ] {
            let mut line = line(name, offsets, s.proofs.len() as u32, ids.len());
            if current.is_none() {
                line.verdict = "ambiguous";
            }
            report.lines.push(line);
            if let (Some(offset), 1, Some(_)) = (offsets.first(), offsets.len(), current) {
                let size = if stored == Stored::Addr { 8 } else { 4 };
                let mut field = plain(name, (*offset).into(), size, stored, &evidence);
                field.to = (stored == Stored::Addr).then(|| "kglhd".to_owned());
                ksuse.push(field);
            }
        }
        if handle.is_empty() {
            handle = handle_fields(learner, s, report);
        }
    }
    if handle.is_empty() {
        ksuse.iter_mut().for_each(|f| f.to = None);
        return Vec::new();
    }
    vec![strukt("kglhd", 0, handle)]
}

/// The statement whose value the other takes over later is the current one.
fn follows(learner: &Learner<'_>, one: &Statement, other: &Statement) -> Option<usize> {
    let mut tally = [0usize, 0];
    for pair in learner.rounds.windows(2) {
        for slot in 0..pair[0].after.len() {
            let (Some(then), Some(now)) = (
                pair[0].after.row(slot, None),
                pair[1].before.row(slot, None),
            ) else {
                continue;
            };
            for (i, (a, b)) in [(one, other), (other, one)].into_iter().enumerate() {
                let old = word(then, a.via as usize);
                let moved = old != 0
                    && word(now, b.via as usize) == old
                    && word(then, b.via as usize) != old
                    && word(now, a.via as usize) != old;
                tally[i] += usize::from(moved);
            }
        }
    }
    match tally {
        [a, b] if a >= FEWEST_PROOFS && a > 3 * b => Some(0),
        [a, b] if b >= FEWEST_PROOFS && b > 3 * a => Some(1),
        _ => rests(learner, one, other),
    }
}

/// A session at rest has no current statement and keeps the previous one (SQL_ID and PREV_SQL_ID of V$SESSION).
fn rests(learner: &Learner<'_>, one: &Statement, other: &Statement) -> Option<usize> {
    let mut tally = [0usize, 0];
    for shots in &learner.rounds {
        for slot in (0..shots.after.len()).filter(|slot| shots.is_quiet(*slot)) {
            let Some(row) = shots.after.row(slot, None) else {
                continue;
            };
            match [one, other].map(|s| word(row, s.via as usize)) {
                [0, b] if b != 0 => tally[0] += 1,
                [a, 0] if a != 0 => tally[1] += 1,
                _ => {}
            }
        }
    }
    let clearly = |a: usize, b: usize| a >= 10 * FEWEST_PROOFS && a > 5 * b;
    match tally {
        [a, b] if clearly(a, b) => Some(0),
        [a, b] if clearly(b, a) => Some(1),
        _ => None,
    }
}

fn handle_fields(learner: &Learner<'_>, s: &Statement, report: &mut Report) -> Vec<Field> {
    let evidence = format!("calibrated: {} texts proven by MD5", s.proofs.len());
    let mut place = |name: &str, form: Form, want: &dyn Fn(u64, u64) -> Want| {
        let wants = s
            .proofs
            .iter()
            .map(|p| (p.0, p.1, want(p.2, p.3)))
            .collect();
        let question = Question {
            forms: vec![form],
            wants,
        };
        let answer = ask(&learner.rounds, Some(s.via), POINTED_BYTES, &question);
        let offsets = answer.offsets();
        report
            .remarks
            .push(format!("kglhd.{name}: offsets {offsets:?}"));
        offsets
            .first()
            .copied()
            .filter(|_| answer.verdict == Verdict::Unique)
            .map(u64::from)
    };
    let words = place("sql_id", Form::Bytes, &|id, _| {
        let mut bytes = ((id >> 32) as u32).to_le_bytes().to_vec();
        bytes.extend((id as u32).to_le_bytes());
        Want::Bytes(bytes)
    });
    let length = place("text_len", Form::Uint(4), &|_, len| Want::Value(len));
    let mut fields = Vec::new();
    if let Some(at) = words {
        fields.push(plain("sql_id_high", at, 4, Stored::Uint, &evidence));
        fields.push(plain("sql_id_low", at + 4, 4, Stored::Uint, &evidence));
    }
    if let Some(at) = length {
        fields.push(plain("text_len", at, 4, Stored::Uint, &evidence));
        let mut text = plain("text", s.text.into(), 0, Stored::Text, &evidence);
        text.max = Some(4 << 20);
        fields.push(text);
    }
    report
        .remarks
        .push(format!("kglhd.text at {}: {evidence}", s.text));
    fields
}
