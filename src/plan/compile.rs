//! Wanted fields to a flat list of reads.
//!
//! Fields are sorted by offset, so that the words of a cache line are read together, and merged into
//! spans of whole words where they touch. Words between fields aren't read: in a line that is there
//! anyway a word costs as much as a wanted one (to copy, to keep in the frame, to compare in the
//! second reading), and a break between two spans costs nothing, since `walk` reads mapped memory
//! word by word (`benches/README.md`, "What a gap costs"); where it costs something, on memory that
//! isn't mapped, `walk` reads over gaps. Fields behind pointers become chases. What can't be read (not in the blueprint, not accepted) is recorded with
//! its reason; nothing is guessed.

use std::collections::BTreeMap;

use super::tails::{self, Tail};
use super::{Accepted, FieldRef, Need, PlanError};
use crate::blueprint::model::{Blueprint, Field, Stored, Struct};

/// Longest text that is fetched behind a pointer into a scratch row, in bytes.
const MAX_POINTED_TEXT: u64 = 128;

/// A run of words to copy from a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes from the row's start, a multiple of 8.
    pub offset: u64,
    /// Words to copy.
    pub words: u32,
    /// First word in the scratch row.
    pub dst: u32,
}

/// A read behind a pointer of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chase {
    /// The pointer in the scratch row.
    pub pointer: FieldRef,
    /// Bytes added to the pointer.
    pub offset: u64,
    /// Bytes to copy.
    pub bytes: u32,
    /// First word in the scratch row.
    pub dst: u32,
    /// NUL-terminated text: may end with its segment before `bytes`.
    pub is_text: bool,
}

impl Chase {
    /// Its words among those that a scratch row has from word `own` on.
    #[inline]
    pub fn words_of(self, own: usize, behind: &mut [u64]) -> &mut [u64] {
        let dst = (self.dst as usize).saturating_sub(own);
        let words = self.bytes.div_ceil(8) as usize;
        behind.get_mut(dst..dst + words).unwrap_or_default()
    }
}

/// What to read of each row. The scratch row's word 0 is the chase status: bit n set = chase n
/// faulted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Spans of the gate: enough to know whether a slot is in use and active.
    pub gate: Vec<Span>,
    /// All other spans.
    pub spans: Vec<Span>,
    /// Of their words, those that are only read when a text goes on so far.
    pub tails: Vec<Tail>,
    /// Reads behind pointers.
    pub chases: Vec<Chase>,
    /// Words of a scratch row.
    pub row_words: usize,
    /// Bytes from the row's start that the spans reach.
    pub reach: u64,
    fields: BTreeMap<Need, FieldRef>,
    absent: BTreeMap<Need, String>,
}

impl Plan {
    /// Where a field is in the scratch row.
    pub fn field(&self, need: Need) -> Option<FieldRef> {
        self.fields.get(&need).copied()
    }

    /// All fields that are read, and where they are in the scratch row.
    pub fn fields(&self) -> impl Iterator<Item = (Need, FieldRef)> + '_ {
        self.fields.iter().map(|(need, field)| (*need, *field))
    }

    /// Bytes from the row's start at which a field of the row itself stands.
    pub fn row_offset(&self, field: FieldRef) -> Option<u64> {
        let spans = self.gate.iter().chain(&self.spans);
        let (word, rest) = (field.byte / 8, u64::from(field.byte % 8));
        spans
            .filter(|s| field.chase.is_none() && (s.dst..s.dst + s.words).contains(&word))
            .map(|s| s.offset + u64::from(word - s.dst) * 8 + rest)
            .next()
    }

    /// Why a needed field can't be read.
    pub fn why_absent(&self, need: Need) -> &str {
        self.absent
            .get(&need)
            .map_or("not asked for", String::as_str)
    }
}

/// Compiles the needed fields of the `sessions` rows (or another array's) to reads.
///
/// `gate` fields come first and in few words; a gate field that is absent is an error, since
/// without it nobody can tell which rows mean something.
pub fn compile(
    blueprint: &Blueprint,
    accepted: &Accepted,
    row_struct: &str,
    gate: &[Need],
    needs: &[Need],
) -> Result<Plan, PlanError> {
    let strukt = blueprint
        .strukt(row_struct)
        .ok_or_else(|| PlanError::Incomplete {
            id: blueprint.id.clone(),
            what: format!("the structure {row_struct}"),
        })?;
    let mut build = Builder {
        blueprint,
        accepted,
        strukt,
        next_word: 1,
        plan: Plan {
            gate: Vec::new(),
            spans: Vec::new(),
            tails: Vec::new(),
            chases: Vec::new(),
            row_words: 0,
            reach: 0,
            fields: BTreeMap::new(),
            absent: BTreeMap::new(),
        },
    };
    build.plan.gate = build.row_spans(gate);
    if let Some(missing) = gate.iter().find(|n| build.plan.field(**n).is_none()) {
        return Err(PlanError::Incomplete {
            id: blueprint.id.clone(),
            what: format!(
                "{row_struct}.{} ({})",
                missing.field,
                build.plan.why_absent(*missing)
            ),
        });
    }
    let mut rows: Vec<Need> = needs.iter().map(|n| n.via.map_or(*n, super::row)).collect();
    rows.sort_unstable();
    rows.dedup();
    rows.retain(|n| build.plan.field(*n).is_none());
    build.plan.spans = build.row_spans(&rows);
    let fields: Vec<FieldRef> = build.plan.fields.values().copied().collect();
    build.plan.tails = tails::of(&fields, &build.plan.spans);
    build.pointed_texts(&rows);
    build.chases(needs);
    build.plan.row_words = build.next_word as usize;
    Ok(build.plan)
}

struct Builder<'a> {
    blueprint: &'a Blueprint,
    accepted: &'a Accepted,
    strukt: &'a Struct,
    next_word: u32,
    plan: Plan,
}

impl Builder<'_> {
    /// The field with its accepted offset, or the reason why it can't be had.
    fn resolve(&self, strukt: &Struct, name: &str) -> Result<(Field, u64), String> {
        if let Some(field) = strukt.field(name) {
            return match self.accepted.offset(&strukt.name, field) {
                Ok(offset) => {
                    let stored = self.accepted.stored(&strukt.name, field);
                    let field = Field {
                        stored,
                        ..field.clone()
                    };
                    Ok((field, offset))
                }
                Err(why) => Err(why),
            };
        }
        let reason = strukt.absent.iter().find(|a| a.name == name).map_or_else(
            || format!("{}.{name} is not in the blueprint", strukt.name),
            |a| format!("{name} is not stored: {}", a.reason),
        );
        Err(reason)
    }

    /// Spans for fields of the row itself.
    fn row_spans(&mut self, needs: &[Need]) -> Vec<Span> {
        let mut found: Vec<(u64, Field, Need)> = Vec::new();
        for need in needs {
            match self.resolve(self.strukt, need.field) {
                Ok((field, offset)) => found.push((offset, field, *need)),
                Err(why) => {
                    self.plan.absent.insert(*need, why);
                }
            }
        }
        found.sort_by_key(|(offset, _, _)| *offset);
        let mut spans: Vec<Span> = Vec::new();
        for (offset, field, need) in &found {
            let start = offset & !7;
            let end = (offset + field.size).next_multiple_of(8);
            let merged = match spans.last_mut() {
                Some(last) if start <= last.offset + u64::from(last.words) * 8 => {
                    let words = ((end.max(last.offset + 8) - last.offset) / 8) as u32;
                    last.words = last.words.max(words);
                    *last
                }
                _ => {
                    let span = Span {
                        offset: start,
                        words: ((end - start) / 8) as u32,
                        dst: 0,
                    };
                    spans.push(span);
                    span
                }
            };
            self.plan.reach = self.plan.reach.max(end);
            // the destination is fixed below, when all spans have their final length
            self.plan.fields.insert(
                *need,
                FieldRef::new(
                    (offset - merged.offset) as u32,
                    field.size as u32,
                    field.stored,
                    None,
                ),
            );
        }
        for span in &mut spans {
            span.dst = self.next_word;
            self.next_word += span.words;
        }
        for (offset, _, need) in &found {
            let span = spans
                .iter()
                .rev()
                .find(|s| s.offset <= *offset)
                .copied()
                .unwrap_or(Span {
                    offset: 0,
                    words: 0,
                    dst: 0,
                });
            if let Some(field) = self.plan.fields.get_mut(need) {
                *field = field.moved_to(span.dst * 8 + (offset - span.offset) as u32);
            }
        }
        spans
    }

    /// Row fields that are stored as a pointer to text: the text is fetched by a chase, and the
    /// field's reference is moved to it.
    fn pointed_texts(&mut self, rows: &[Need]) {
        for need in rows {
            let Some(pointer) = self.plan.field(*need) else {
                continue;
            };
            if pointer.stored != Stored::TextPtr {
                continue;
            }
            let declared = self
                .strukt
                .field(need.field)
                .and_then(|f| f.max)
                .unwrap_or(MAX_POINTED_TEXT);
            let bytes = declared.min(MAX_POINTED_TEXT) as u32;
            if let Some(chase) = self.push_chase(pointer, 0, bytes, true) {
                let dst = self.plan.chases[chase as usize].dst;
                self.plan.fields.insert(
                    *need,
                    FieldRef::new(dst * 8, bytes, Stored::TextPtr, Some(chase)),
                );
            }
        }
    }

    fn push_chase(
        &mut self,
        pointer: FieldRef,
        offset: u64,
        bytes: u32,
        is_text: bool,
    ) -> Option<u8> {
        let number = u8::try_from(self.plan.chases.len())
            .ok()
            .filter(|n| *n < 64)?;
        self.plan.chases.push(Chase {
            pointer,
            offset,
            bytes,
            dst: self.next_word,
            is_text,
        });
        self.next_word += bytes.div_ceil(8);
        Some(number)
    }

    /// Chases for fields behind pointers: one per pointer and structure, from its first needed
    /// byte to its last.
    fn chases(&mut self, needs: &[Need]) {
        let mut by_pointer: BTreeMap<&'static str, Vec<Need>> = BTreeMap::new();
        for need in needs {
            if let Some(pointer) = need.via {
                by_pointer.entry(pointer).or_default().push(*need);
            }
        }
        for (pointer, wanted) in by_pointer {
            let target = self
                .strukt
                .field(pointer)
                .and_then(|f| f.to.as_deref())
                .and_then(|name| self.blueprint.strukt(name));
            let (Some(place), Some(target)) = (self.plan.field(super::row(pointer)), target) else {
                let why = match self.plan.field(super::row(pointer)) {
                    Some(_) => format!("the blueprint doesn't describe what {pointer} leads to"),
                    None => self.plan.why_absent(super::row(pointer)).to_owned(),
                };
                for need in wanted {
                    self.plan.absent.insert(need, why.clone());
                }
                continue;
            };
            self.chase_struct(place, target, &wanted);
        }
    }

    fn chase_struct(&mut self, pointer: FieldRef, target: &Struct, wanted: &[Need]) {
        let mut found = Vec::new();
        for need in wanted {
            match self.resolve(target, need.field) {
                Ok((field, offset)) => found.push((offset, field, *need)),
                Err(why) => {
                    self.plan.absent.insert(*need, why);
                }
            }
        }
        let Some(first) = found.iter().map(|(o, _, _)| *o & !7).min() else {
            return;
        };
        let end = found
            .iter()
            .map(|(o, f, _)| o + f.size)
            .max()
            .unwrap_or(first);
        let Some(number) = self.push_chase(pointer, first, (end - first) as u32, false) else {
            return;
        };
        let dst = self.plan.chases[number as usize].dst;
        for (offset, field, need) in found {
            self.plan.fields.insert(
                need,
                FieldRef::new(
                    dst * 8 + (offset - first) as u32,
                    field.size as u32,
                    field.stored,
                    Some(number),
                ),
            );
        }
    }
}
