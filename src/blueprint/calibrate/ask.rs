//! The learner: of all offsets and encodings, those at which every row says what the truth says.
//!
//! It knows rows, truths and types to try, and nothing of any database. A question names what each row must hold; all
//! candidates begin alive and die by disagreement. One place left is an answer; several are reported, never chosen from.

use std::collections::{BTreeMap, BTreeSet};

use super::shot::{Round, uint};

/// What a row must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This number.
    Value(u64),
    /// This signed number.
    Signed(i64),
    /// A number with these bits.
    Masked {
        /// Bits that matter.
        mask: u64,
        /// What they are.
        value: u64,
    },
    /// Any number but these.
    NoneOf(Vec<u64>),
    /// This text; the empty one too where a null pointer stands.
    Text(Vec<u8>),
    /// These bytes.
    Bytes(Vec<u8>),
    /// A point in time: seconds since 1970, and as the 7 bytes of an Oracle DATE.
    Moment {
        /// Seconds since 1970, 0 for none.
        epoch: i64,
        /// Seconds that it may differ.
        slack: i64,
        /// The 7 bytes, all 0 for none.
        date7: [u8; 7],
    },
    /// Some number that stands for this word and no other.
    Class(u32),
}

/// How a candidate is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Unsigned, of so many bytes.
    Uint(u8),
    /// Signed, of so many bytes.
    Int(u8),
    /// Text in place, ended by a NUL.
    Text,
    /// Bytes as they are.
    Bytes,
    /// 7-byte DATE.
    Date7,
    /// 4 bytes of seconds.
    Epoch4,
    /// A number of so many bytes that stands for a word.
    Class(u8),
}

impl Form {
    /// Bytes between offsets that are tried: C aligns integers naturally.
    fn step(self) -> usize {
        match self {
            Form::Uint(n) | Form::Int(n) | Form::Class(n) => usize::from(n),
            Form::Epoch4 | Form::Bytes => 4,
            Form::Text | Form::Date7 => 1,
        }
    }

    /// Width in bytes of a number; 0 for others.
    pub fn width(self) -> u8 {
        match self {
            Form::Uint(n) | Form::Int(n) | Form::Class(n) => n,
            Form::Epoch4 => 4,
            Form::Date7 => 7,
            Form::Text | Form::Bytes => 0,
        }
    }
}

/// What is to be found.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Encodings to try.
    pub forms: Vec<Form>,
    /// Round, row and what it must hold.
    pub wants: Vec<(usize, usize, Want)>,
}

/// A place that is still possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Bytes from the row's start.
    pub offset: u32,
    /// How it is stored.
    pub form: Form,
    /// Rows that agree.
    pub agree: u32,
    /// Rows that don't.
    pub disagree: u32,
    /// Words of a [`Want::Class`] by number.
    pub words: BTreeMap<u32, u64>,
}

/// What is known in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One place.
    Unique,
    /// Several places hold the same in all rows.
    Ambiguous,
    /// No place.
    Nowhere,
    /// The truth says too little: it is the same small number, or nothing, in all rows.
    NoEvidence,
}

/// The end of a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it came to.
    pub verdict: Verdict,
    /// Places with the fewest disagreements, all of them when ambiguous; several forms of one offset may be among them.
    pub candidates: Vec<Candidate>,
    /// Different truths.
    pub distinct: usize,
}

impl Answer {
    /// Offsets that are left.
    pub fn offsets(&self) -> BTreeSet<u32> {
        self.candidates.iter().map(|c| c.offset).collect()
    }

    /// The one place, in its widest form of at most `widest` bytes.
    pub fn place(&self, widest: u8) -> Option<&Candidate> {
        if self.verdict != Verdict::Unique {
            return None;
        }
        let fits = |c: &&Candidate| c.form.width() <= widest;
        self.candidates
            .iter()
            .filter(fits)
            .max_by_key(|c| c.form.width())
    }
}

/// Share of the telling rows (those that say something else than most) that may disagree at a place that is accepted
/// although some do: rows that changed and changed back between two shots.
const NOISE: f64 = 0.05;
/// Share of disagreeing telling rows up to which a candidate stays in the race.
const RIVAL: f64 = 0.4;
/// Rows that must agree with something else than what most rows say.
const FEWEST_TELLING: usize = 3;
/// A number that all rows share is evidence only from here on.
const TELLING: u64 = 1 << 16;

/// Answers a question on the rows themselves, or on what their pointer at `via` leads to.
pub fn ask(rounds: &[Round], via: Option<u32>, len: usize, question: &Question) -> Answer {
    let is_quiet = |w: &&(usize, usize, Want)| rounds.get(w.0).is_some_and(|r| r.is_quiet(w.1));
    let wants: Vec<&(usize, usize, Want)> = question.wants.iter().filter(is_quiet).collect();
    let distinct = distinct(&wants);
    let nothing = |verdict| Answer {
        verdict,
        candidates: Vec::new(),
        distinct,
    };
    if wants.is_empty() || !is_telling(&wants, distinct) {
        return nothing(Verdict::NoEvidence);
    }
    let order = in_telling_order(&wants);
    let telling = order.len()
        - order
            .last()
            .map_or(0, |last| order.iter().filter(|w| w.2 == last.2).count());
    let telling = if distinct == 1 { order.len() } else { telling };
    if telling < FEWEST_TELLING {
        return nothing(Verdict::NoEvidence);
    }
    let budget = (telling as f64 * RIVAL) as u32;
    let longest = wants.iter().map(|w| text_len(&w.2)).max().unwrap_or(0);
    let mut alive = all_candidates(question, len);
    for (round, row, want) in order {
        let Some(round) = rounds.get(*round) else {
            continue;
        };
        let (before, after) = (round.before.row(*row, via), round.after.row(*row, via));
        alive.retain_mut(|c| {
            match holds(c, before, after, want, longest) {
                None => {}
                Some(true) => c.agree += 1,
                Some(false) => c.disagree += 1,
            }
            c.disagree <= budget
        });
    }
    alive.retain(|c| c.agree > 0);
    // A place that most rounds could not test says less than one that they could.
    let most = alive.iter().map(|c| c.agree).max().unwrap_or(0);
    alive.retain(|c| c.agree * 4 >= most);
    let Some(least) = alive.iter().map(|c| c.disagree).min() else {
        return nothing(Verdict::Nowhere);
    };
    if f64::from(least) > telling as f64 * NOISE {
        return nothing(Verdict::Nowhere);
    }
    alive.retain(|c| c.disagree <= 3 * least);
    if via.is_some() && distinct > 1 {
        let tells = |c: &Candidate| telling_rows(rounds, via, &wants, c, longest) >= FEWEST_TELLING;
        if !alive.iter().take(64).any(tells) {
            return nothing(Verdict::NoEvidence);
        }
    }
    let offsets: BTreeSet<u32> = alive.iter().map(|c| c.offset).collect();
    let verdict = if offsets.len() == 1 {
        Verdict::Unique
    } else {
        Verdict::Ambiguous
    };
    Answer {
        verdict,
        candidates: alive,
        distinct,
    }
}

/// Rows that agree at a candidate and say something else than most of the agreeing rows do.
/// Bytes behind a pointer may have moved though the row was quiet.
fn telling_rows(
    rounds: &[Round],
    via: Option<u32>,
    wants: &[&(usize, usize, Want)],
    c: &Candidate,
    longest: usize,
) -> usize {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut fresh = Candidate {
        words: BTreeMap::new(),
        ..c.clone()
    };
    for (round, row, want) in wants {
        let Some(round) = rounds.get(*round) else {
            continue;
        };
        let (before, after) = (round.before.row(*row, via), round.after.row(*row, via));
        if holds(&mut fresh, before, after, want, longest) == Some(true) {
            *counts.entry(format!("{want:?}")).or_default() += 1;
        }
    }
    let all: usize = counts.values().sum();
    all - counts.values().max().copied().unwrap_or(0)
}

fn all_candidates(question: &Question, len: usize) -> Vec<Candidate> {
    let mut all = Vec::new();
    for &form in &question.forms {
        let width = usize::from(form.width().max(1));
        for offset in (0..(len + 1).saturating_sub(width)).step_by(form.step()) {
            all.push(Candidate {
                offset: offset as u32,
                form,
                agree: 0,
                disagree: 0,
                words: BTreeMap::new(),
            });
        }
    }
    all
}

/// Rare truths first: they kill most candidates.
fn in_telling_order<'a>(wants: &[&'a (usize, usize, Want)]) -> Vec<&'a (usize, usize, Want)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let keys: Vec<String> = wants.iter().map(|w| format!("{:?}", w.2)).collect();
    for key in &keys {
        *counts.entry(key.clone()).or_default() += 1;
    }
    let mut order: Vec<usize> = (0..wants.len()).collect();
    order.sort_by_key(|&i| counts[&keys[i]]);
    order.into_iter().map(|i| wants[i]).collect()
}

fn distinct(wants: &[&(usize, usize, Want)]) -> usize {
    let all: BTreeSet<String> = wants.iter().map(|w| format!("{:?}", w.2)).collect();
    all.len()
}

fn is_telling(wants: &[&(usize, usize, Want)], distinct: usize) -> bool {
    let first = wants.first().map(|w| &w.2);
    match first {
        _ if distinct > 1 => true,
        Some(Want::Value(v)) => *v >= TELLING,
        Some(Want::Text(t)) => t.len() >= 4,
        Some(Want::Bytes(b)) => b.len() >= 8,
        Some(Want::Moment { epoch, .. }) => *epoch > 0,
        _ => false,
    }
}

fn text_len(want: &Want) -> usize {
    match want {
        Want::Text(t) => t.len(),
        _ => 0,
    }
}

/// Whether a candidate holds what it must; `None` when the bytes moved between the shots, or say nothing.
fn holds(
    c: &mut Candidate,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    want: &Want,
    longest: usize,
) -> Option<bool> {
    let empty = matches!(want, Want::Text(t) if t.is_empty());
    let (before, after) = match (before, after) {
        (Some(b), Some(a)) => (b, a),
        // Nothing behind a null pointer: right for the empty text.
        (None, None) if empty => return Some(true),
        (None, None) => return Some(false),
        _ => return None,
    };
    let at = c.offset as usize;
    let span = match (c.form, want) {
        (Form::Text, Want::Text(t)) => t.len() + usize::from(t.len() < longest || t.is_empty()),
        (Form::Bytes, Want::Bytes(b)) => b.len(),
        (Form::Text | Form::Bytes, _) => return Some(false),
        (form, _) => usize::from(form.width()),
    };
    let Some(now) = after.get(at..at + span) else {
        return Some(false);
    };
    if before.get(at..at + span) != Some(now) {
        return None;
    }
    Some(says(c, now, want))
}

fn says(c: &mut Candidate, bytes: &[u8], want: &Want) -> bool {
    let value = || uint(bytes, 0, bytes.len().min(8)).unwrap_or(0);
    match want {
        Want::Value(v) => match c.form {
            Form::Uint(_) | Form::Epoch4 => value() == *v,
            Form::Int(n) => signed(value(), n) == *v as i64,
            _ => false,
        },
        Want::Signed(v) => matches!(c.form, Form::Int(n) if signed(value(), n) == *v),
        Want::Masked { mask, value: v } => value() & mask == *v,
        Want::NoneOf(others) => !others.contains(&value()),
        Want::Text(text) => {
            let (head, tail) = bytes.split_at(text.len().min(bytes.len()));
            head == &text[..] && tail.first().is_none_or(|b| *b == 0)
        }
        Want::Bytes(wanted) => bytes == &wanted[..],
        Want::Moment {
            epoch,
            slack,
            date7,
        } => match c.form {
            Form::Date7 => bytes == date7,
            Form::Epoch4 if *epoch == 0 => value() == 0,
            Form::Epoch4 => (value() as i64 - epoch).abs() <= *slack,
            _ => false,
        },
        Want::Class(word) => class(c, *word, value()),
    }
}

/// A number may stand for one word only, and a word for one number.
fn class(c: &mut Candidate, word: u32, value: u64) -> bool {
    match c.words.get(&word) {
        Some(known) => *known == value,
        None if c.words.values().any(|v| *v == value) => false,
        None => {
            c.words.insert(word, value);
            true
        }
    }
}

fn signed(value: u64, width: u8) -> i64 {
    let shift = 64 - 8 * u32::from(width.clamp(1, 8));
    ((value << shift) as i64) >> shift
}
