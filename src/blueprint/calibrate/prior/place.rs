//! Where the prior's fields of a row are now.
//!
//! Not for: anything but the row; what else the prior says is for [`super::carry`].

use std::collections::{BTreeMap, BTreeSet};

use super::super::blind::Blind;
use super::super::looks::{self, Look, Place};
use super::super::shot::uint;
use super::super::sight::Sight;
use super::align::{self, Fate, Part};
use crate::blueprint::model::{Field, Stored, Struct};
use crate::memory::AddressSpace;

/// Bytes by which a block may have moved beyond what the row grew or shrank.
const SLACK: i64 = 256;
/// Proven members by which a neighbour is recognised.
const FEWEST_PROVEN: usize = 4;
/// Times that places are looked for anew with what was found before.
const PASSES: usize = 5;
/// Offsets that are named for a field that isn't decided.
const MAX_RIVALS: usize = 8;
/// Which sessions count: KSUSEFLG & 19 is 1 for users (text of GV$SESSION), KSSPAFLG & 1 in use.
const USER: (u64, u64) = (19, 1);

/// What became of a field.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Its own bytes decide.
    Own {
        /// New offset.
        offset: u64,
        /// Rows that were looked at.
        rows: u32,
    },
    /// It keeps its distance to neighbours on both sides.
    Neighbours {
        /// New offset.
        offset: u64,
    },
    /// Not decided: offsets that remain, as far as they are few.
    Open(Vec<u32>),
}

/// A field of the prior.
#[derive(Clone, Debug)]
pub struct Placed {
    /// As the prior has it.
    pub field: Field,
    /// What became of it.
    pub verdict: Verdict,
}

impl Placed {
    /// The certain offset with what speaks for it.
    pub fn certain(&self) -> Option<(u64, String)> {
        let by = |offset: u64| offset as i64 - self.field.offset as i64;
        match self.verdict {
            Verdict::Own { offset, rows } => Some((
                offset,
                format!(
                    "moved by {} from the prior: the bytes of {rows} rows decide",
                    by(offset)
                ),
            )),
            Verdict::Neighbours { offset } => Some((
                offset,
                format!(
                    "moved by {} from the prior, as its neighbours on both sides",
                    by(offset)
                ),
            )),
            Verdict::Open(_) => None,
        }
    }
}

/// All fields of the prior's row but the proven ones.
#[derive(Clone, Debug, Default)]
pub struct Placing {
    /// The fields, in the prior's order.
    pub fields: Vec<Placed>,
    /// Whether this memory is a neighbour of the prior at all.
    pub is_neighbour: bool,
    /// What there is to say of it.
    pub remarks: Vec<String>,
}

/// Members that move together: they share bytes in the prior.
struct Group<'a> {
    fields: Vec<&'a Field>,
    start: i64,
    end: i64,
}

/// Finds the places of the prior's fields in rows whose members `proven` knows some of.
pub fn place(space: &dyn AddressSpace, proven: &Blind<'_>, old: &Struct) -> Placing {
    let known: BTreeMap<&str, Place> = proven
        .ksuse
        .iter()
        .map(|f| (f.name.as_str(), (f.offset as usize, f.size as usize)))
        .collect();
    let groups = groups(old);
    let mut placing = Placing::default();
    let open = |groups: &[Group<'_>]| -> Vec<Placed> {
        let all = groups.iter().flat_map(|g| &g.fields);
        all.filter(|f| !known.contains_key(f.name.as_str()))
            .map(|f| Placed {
                field: (*f).clone(),
                verdict: Verdict::Open(Vec::new()),
            })
            .collect()
    };
    if let Err(why) = neighbourhood(old, &known) {
        placing.remarks.push(format!(
            "this memory is no neighbour of the prior: {why}; only what the bytes prove is taken"
        ));
        placing.fields = open(&groups);
        return placing;
    }
    let row_bytes = proven.learner.rows.len;
    let mut work = Work {
        sight: Sight::new(space, &proven.learner.rounds, row_bytes),
        range: range(old, row_bytes),
        old_bytes: old.size as i64,
        row_bytes: row_bytes as i64,
        proven: known.clone(),
        known: known.clone(),
        plain: Vec::new(),
    };
    match work.settle(&groups) {
        Some(fates) => {
            placing.is_neighbour = true;
            placing.remarks.extend(blocks(&groups, &fates));
            placing.fields = work.verdicts(&groups, &fates);
        }
        None => {
            placing.remarks.push(
                "no order of the prior's fields fits these rows: only what the bytes prove is taken"
                    .into(),
            );
            placing.fields = open(&groups);
        }
    }
    placing
}

fn groups(old: &Struct) -> Vec<Group<'_>> {
    let mut fields: Vec<&Field> = old.fields.iter().collect();
    fields.sort_by_key(|f| (f.offset, f.size));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for field in fields {
        let (start, end) = (field.offset as i64, (field.offset + field.size) as i64);
        match groups.last_mut() {
            Some(last) if start < last.end => {
                last.end = last.end.max(end);
                last.fields.push(field);
            }
            _ => groups.push(Group {
                fields: vec![field],
                start,
                end,
            }),
        }
    }
    groups
}

/// Shifts that are thought of: first and number.
fn range(old: &Struct, row_bytes: usize) -> (i64, usize) {
    let last = old.fields.iter().map(|f| f.offset + f.size).max();
    let old_bytes = old.size.max(last.unwrap_or(0)) as i64;
    let grown = row_bytes as i64 - old_bytes;
    let first = grown.min(0) - SLACK;
    (first, (grown.max(0) + SLACK - first + 1) as usize)
}

/// Whether the proven members are in the prior's order and mostly at its distances.
pub(super) fn neighbourhood(old: &Struct, known: &BTreeMap<&str, Place>) -> Result<(), String> {
    let mut pairs: Vec<(u64, usize)> = old
        .fields
        .iter()
        .filter_map(|f| Some((f.offset, known.get(f.name.as_str())?.0)))
        .collect();
    pairs.sort_unstable();
    if pairs.len() < FEWEST_PROVEN {
        return Err(format!(
            "the bytes prove only {} members of its row ({FEWEST_PROVEN} are needed to compare; a livelier or longer look may prove more)",
            pairs.len()
        ));
    }
    if pairs.windows(2).any(|w| w[0].1 >= w[1].1) {
        return Err("the proven members are in another order".into());
    }
    let kept = pairs
        .windows(2)
        .filter(|w| w[1].0 - w[0].0 == (w[1].1 - w[0].1) as u64);
    let kept = kept.count();
    if kept * 2 < pairs.len() - 1 {
        return Err(format!(
            "only {kept} of {} proven members keep their distance to the next",
            pairs.len() - 1
        ));
    }
    Ok(())
}

struct Work<'a> {
    sight: Sight<'a>,
    /// First shift, and how many.
    range: (i64, usize),
    old_bytes: i64,
    row_bytes: i64,
    /// Members that the bytes proved.
    proven: BTreeMap<&'a str, Place>,
    /// Those, and what was placed so far.
    known: BTreeMap<&'a str, Place>,
    /// Scores of the stored types by group and shift.
    plain: Vec<Vec<f64>>,
}

impl<'a> Work<'a> {
    /// Aligns, and again with what that made known, until nothing new comes.
    fn settle(&mut self, groups: &[Group<'a>]) -> Option<Vec<Fate>> {
        self.plain = groups.iter().map(|g| self.plain_scores(g)).collect();
        let mut fates = self.align(groups)?;
        for _ in 1..PASSES {
            let before = self.known.clone();
            self.learn_from(groups, &fates);
            if self.known == before {
                break;
            }
            fates = self.align(groups)?;
        }
        // Seams everywhere: that is no neighbour, whatever single fields look like.
        let seams = fates
            .windows(2)
            .filter(|w| w[0].shift != w[1].shift)
            .count();
        (seams * 3 <= fates.len()).then_some(fates)
    }

    fn learn_from(&mut self, groups: &[Group<'a>], fates: &[Fate]) {
        let mut known = self.proven.clone();
        for (group, fate) in groups.iter().zip(fates).filter(|(_, f)| f.is_certain()) {
            for field in &group.fields {
                let at = (field.offset as i64 + fate.shift) as usize;
                known
                    .entry(&field.name)
                    .or_insert((at, field.size as usize));
            }
        }
        let (kind, flag) = (
            known.get("KSUSEFLG").copied(),
            known.get("KSSPAFLG").copied(),
        );
        if let Some(kind) = kind {
            let value = |row: &[u8], place: Place| uint(row, place.0, place.1).unwrap_or(0);
            self.sight.only(|row| {
                value(row, kind) & USER.0 == USER.1 && flag.is_none_or(|f| value(row, f) & 1 != 0)
            });
        }
        self.known = known;
    }

    fn align(&self, groups: &[Group<'a>]) -> Option<Vec<Fate>> {
        let mut parts = Vec::with_capacity(groups.len() + 2);
        // The row's beginning stays, and its end is known.
        parts.push(self.fixed(0, 0));
        for (group, plain) in groups.iter().zip(&self.plain) {
            parts.push(Part {
                start: group.start,
                end: group.end,
                scores: self.all_scores(group, plain),
            });
        }
        if self.old_bytes > 0 {
            parts.push(self.fixed(self.old_bytes, self.row_bytes));
        }
        let mut fates = align::align(&parts, self.range.0)?;
        fates.remove(0);
        fates.truncate(groups.len());
        Some(fates)
    }

    /// A place that is known in both.
    fn fixed(&self, old: i64, new: i64) -> Part {
        let mut scores = vec![f64::NEG_INFINITY; self.range.1];
        if let Some(score) = scores.get_mut((new - old - self.range.0) as usize) {
            *score = 0.0;
        }
        Part {
            start: old,
            end: old,
            scores,
        }
    }

    fn shifts(&self) -> impl Iterator<Item = i64> + use<> {
        let (first, count) = self.range;
        first..first + count as i64
    }

    /// What the stored types say to each shift of a group.
    fn plain_scores(&self, group: &Group<'_>) -> Vec<f64> {
        let score = |shift: i64| {
            let inside = group.start + shift >= 0 && group.end + shift <= self.row_bytes;
            if !inside {
                return f64::NEG_INFINITY;
            }
            let mut seen = BTreeSet::new();
            let of = |f: &&&Field| seen.insert((f.offset, f.size, f.stored == Stored::Text));
            // Columns of the same bytes say it once.
            let fields: Vec<&&Field> = group.fields.iter().filter(of).collect();
            fields.iter().map(|f| self.plain(f, shift)).sum()
        };
        self.shifts().map(score).collect()
    }

    fn plain(&self, field: &Field, shift: i64) -> f64 {
        let at = (field.offset as i64 + shift) as usize;
        if let Some(place) = self.proven.get(field.name.as_str()) {
            return if place.0 == at {
                0.0
            } else {
                f64::NEG_INFINITY
            };
        }
        let size = field.size as usize;
        let align = match field.stored {
            Stored::Uint | Stored::Int | Stored::Addr | Stored::TextPtr => size.max(1),
            Stored::Epoch4 | Stored::Packed4 => 4,
            Stored::Text | Stored::Date7 | Stored::Raw => 1,
        };
        // C aligns naturally; where the old place isn't, the new one needn't be.
        if (field.offset as usize).is_multiple_of(align) && !at.is_multiple_of(align) {
            return f64::NEG_INFINITY;
        }
        match field.stored {
            Stored::Text => self.sight.text(at, size),
            Stored::TextPtr => self.sight.text_address(at),
            Stored::Addr => self.sight.address(at),
            Stored::Date7 => self.sight.date(at),
            Stored::Epoch4 => self.sight.epoch(at),
            Stored::Uint | Stored::Int => self.sight.number(at, size),
            Stored::Packed4 | Stored::Raw => 0.0,
        }
    }

    /// With what the looks say, as far as it can be said yet.
    fn all_scores(&self, group: &Group<'_>, plain: &[f64]) -> Vec<f64> {
        let looks: Vec<(&&Field, Look)> = group
            .fields
            .iter()
            .filter(|f| !self.proven.contains_key(f.name.as_str()))
            .filter_map(|f| Some((f, looks::look_of(&f.name)?)))
            .collect();
        let add = |(shift, plain): (i64, &f64)| {
            if *plain == f64::NEG_INFINITY {
                return *plain;
            }
            let of = |(field, look): &(&&Field, Look)| {
                let at = (field.offset as i64 + shift) as usize;
                let other = looks::companion(*look).and_then(|c| self.known.get(c).copied());
                looks::score(&self.sight, *look, (at, field.size as usize), other)
            };
            plain + looks.iter().map(of).sum::<f64>()
        };
        self.shifts().zip(plain).map(add).collect()
    }

    fn verdicts(&self, groups: &[Group<'a>], fates: &[Fate]) -> Vec<Placed> {
        let rows = self.sight.rows().count() as u32;
        let mut all = Vec::new();
        for (group, fate) in groups.iter().zip(fates) {
            for field in &group.fields {
                if self.proven.contains_key(field.name.as_str()) {
                    continue;
                }
                let at = |shift: i64| (field.offset as i64 + shift) as u64;
                let offset = at(fate.shift);
                let verdict = match fate.is_certain() {
                    true if fate.own >= align::MARGIN => Verdict::Own { offset, rows },
                    true => Verdict::Neighbours { offset },
                    false => {
                        let rivals = fate.rivals.iter().take(MAX_RIVALS);
                        Verdict::Open(rivals.map(|s| at(*s) as u32).collect())
                    }
                };
                all.push(Placed {
                    field: (*field).clone(),
                    verdict,
                });
            }
        }
        all
    }
}

/// Blocks of neighbours that moved alike, in words.
fn blocks(groups: &[Group<'_>], fates: &[Fate]) -> Vec<String> {
    let mut all: Vec<(i64, i64, i64)> = Vec::new();
    for (group, fate) in groups.iter().zip(fates).filter(|(_, f)| f.is_certain()) {
        match all.last_mut() {
            Some(last) if last.2 == fate.shift => last.1 = group.end,
            _ => all.push((group.start, group.end, fate.shift)),
        }
    }
    let words = |(start, end, shift): &(i64, i64, i64)| {
        format!("members at {start} to {end} of the prior moved by {shift}")
    };
    all.iter().map(words).collect()
}
