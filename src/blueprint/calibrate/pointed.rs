//! What the pointers of a row lead to: texts, fields of a structure, texts that a digest proves.
//!
//! Part of the learner. Not for: the row itself.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::{Answer, Form, Verdict, ask};
use super::learner::{Asked, Learned, Learner, Proof};
use super::shot::{POINTED_BYTES, word};

impl Learner<'_> {
    /// A text that no row holds may be where a pointer of the row leads.
    pub(super) fn pointed_text(&self, learned: &mut Learned, asked: &Asked) {
        let mut candidates = Vec::new();
        for via in self.followed() {
            let answer = ask(&self.rounds, Some(via), POINTED_BYTES, &asked.question);
            let first = answer.candidates.iter().find(|c| c.offset == 0);
            candidates.extend(first.map(|c| {
                let mut c = c.clone();
                c.offset = via;
                c
            }));
        }
        if candidates.is_empty() {
            return;
        }
        let unique = candidates.len() == 1;
        learned.answer.verdict = if unique {
            Verdict::Unique
        } else {
            Verdict::Ambiguous
        };
        learned.place = unique.then(|| (candidates[0].offset, Form::Text));
        learned.answer.candidates = candidates;
        learned.pointed = true;
        learned.size = 8;
    }

    /// Fields behind one pointer: of all pointer members the one behind which most are found.
    pub(super) fn behind(&self, pointer: &str, known: Option<u32>, all: &mut Vec<Learned>) {
        let of_pointer: Vec<(&String, &Asked)> = self
            .asked
            .iter()
            .filter(|(key, _)| key.0.as_deref() == Some(pointer))
            .map(|(key, asked)| (&key.1, asked))
            .collect();
        let tries: Vec<u32> =
            known.map_or_else(|| self.followed().into_iter().collect(), |o| vec![o]);
        let mut best: Vec<(u32, usize, Vec<Learned>)> = Vec::new();
        for via in tries {
            let found: Vec<Learned> = of_pointer
                .iter()
                .map(|(field, asked)| {
                    let answer = ask(&self.rounds, Some(via), POINTED_BYTES, &asked.question);
                    self.learned(Some(pointer.to_owned()), field, asked, answer)
                })
                .collect();
            let score = found
                .iter()
                .filter(|l| !l.answer.candidates.is_empty())
                .count();
            if score > 0 {
                best.push((via, score, found));
            }
        }
        let most = best.iter().map(|b| b.1).max().unwrap_or(0);
        best.retain(|b| b.1 == most);
        let unique = best.len() == 1;
        let vias: Vec<u32> = best.iter().map(|b| b.0).collect();
        let Some((via, score, mut found)) = best.into_iter().next() else {
            return;
        };
        if !unique {
            for learned in &mut found {
                learned.place = None;
                learned.answer.verdict = Verdict::Ambiguous;
            }
        }
        if known.is_none() {
            all.push(pointer_member(pointer, &vias, via, score, unique));
        }
        all.append(&mut found);
    }

    /// Texts behind the pointer at `via`, proven by their digest: for each round and row with a number to prove, the
    /// offset at which a text gives it. Returns the offset with the most proofs, the proofs and the rows tried, and the
    /// texts.
    pub fn proven_texts(
        &self,
        via: u32,
        number: Proof,
        wanted: &[(usize, usize, u64)],
    ) -> Option<Proven> {
        let mut tally: BTreeMap<u32, Vec<(usize, usize, Vec<u8>)>> = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for &(round, row, id) in wanted {
            let shots = self.rounds.get(round)?;
            let (Some(before), Some(after)) = (
                shots.before.row(row, Some(via)),
                shots.after.row(row, Some(via)),
            ) else {
                continue;
            };
            let at = word(shots.after.row(row, None)?, via as usize);
            if before != after || seen.insert((at, id), ()).is_some() {
                continue;
            }
            for (offset, text) in text_runs(after) {
                if number(text) == id {
                    tally
                        .entry(offset)
                        .or_default()
                        .push((round, row, text.to_vec()));
                }
            }
        }
        let tried = seen.len();
        let (offset, texts) = tally.into_iter().max_by_key(|t| t.1.len())?;
        Some(Proven {
            offset,
            tried,
            texts,
        })
    }
}

/// Texts that were proven.
#[derive(Clone, Debug)]
pub struct Proven {
    /// Their offset behind the pointer.
    pub offset: u32,
    /// Different pointers tried.
    pub tried: usize,
    /// Round, row, text.
    pub texts: Vec<(usize, usize, Vec<u8>)>,
}

/// NUL-ended texts that begin at a multiple of 4 and end inside the bytes.
pub fn text_runs(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    (0..bytes.len()).step_by(4).filter_map(|offset| {
        let rest = &bytes[offset..];
        let first = *rest.first()?;
        let begins = first >= 0x20 && (offset == 0 || rest.len() > 1);
        let end = begins
            .then(|| rest.iter().position(|b| *b == 0))
            .flatten()?;
        (end > 0).then(|| (offset as u32, &rest[..end]))
    })
}

fn pointer_member(pointer: &str, vias: &[u32], via: u32, score: usize, unique: bool) -> Learned {
    let candidate = |offset: &u32| super::ask::Candidate {
        offset: *offset,
        form: Form::Uint(8),
        agree: score as u32,
        disagree: 0,
        words: BTreeMap::new(),
    };
    Learned {
        via: None,
        field: pointer.to_owned(),
        columns: BTreeSet::new(),
        answer: Answer {
            verdict: if unique {
                Verdict::Unique
            } else {
                Verdict::Ambiguous
            },
            candidates: vias.iter().map(candidate).collect(),
            distinct: score,
        },
        place: unique.then_some((via, Form::Uint(8))),
        size: 8,
        pointed: false,
        address: true,
    }
}
