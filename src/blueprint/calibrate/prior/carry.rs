//! What the prior says besides the session row, taken over as far as this memory agrees.
//!
//! Fixed variables hold if what they should lead to is there; structures behind pointers if their texts and lengths
//! agree; process rows if their size is still the prior's and the sessions' owners are among them; event names if the
//! live table has the classes in the same order. Rules and other names can't be tested: they are taken over with that
//! said. Not for: the session row itself.

use std::collections::{BTreeMap, BTreeSet};

use super::super::blind::Blind;
use super::super::scan;
use super::super::shot::{uint, word};
use super::Prior;
use crate::blueprint::model::{
    Accept, Anchor, Array, ArrayLayout, Blueprint, Confidence, Dictionaries, Field, MemberRef,
    Rule, Struct,
};
use crate::memory::{AddressSpace, TargetAddr};

/// Rows of the event table that are compared without names.
const SOME_EVENTS: u64 = 256;
/// Fewest texts that prove a structure.
const FEWEST_TEXTS: usize = 3;
/// Rows of any array at most.
const MAX_ROWS: u64 = 1 << 20;

/// What holds.
pub struct Carried {
    /// Fixed variables.
    pub anchors: Vec<Anchor>,
    /// Structures besides the session row.
    pub structs: Vec<Struct>,
    /// The way to the session rows.
    pub layout: ArrayLayout,
    /// Other arrays.
    pub arrays: Vec<Array>,
    /// Rules.
    pub rules: BTreeMap<String, Rule>,
    /// Names.
    pub dictionaries: Dictionaries,
    /// What there is to say of it.
    pub remarks: Vec<String>,
}

struct Work<'a> {
    space: &'a dyn AddressSpace,
    prior: &'a Prior,
    proven: &'a Blind<'a>,
    out: Carried,
}

/// Takes over what holds; drops from `ksuse` what would lead to a structure that doesn't.
pub fn carry(
    space: &dyn AddressSpace,
    prior: &Prior,
    proven: &Blind<'_>,
    ksuse: &mut [Field],
    is_neighbour: bool,
) -> Carried {
    let (anchors, head, layout) = proven.head();
    let mut work = Work {
        space,
        prior,
        proven,
        out: Carried {
            anchors,
            structs: proven.structs.iter().cloned().chain(head).collect(),
            layout,
            arrays: Vec::new(),
            rules: BTreeMap::new(),
            dictionaries: Dictionaries::default(),
            remarks: Vec::new(),
        },
    };
    if is_neighbour {
        work.head();
        work.identity();
        work.handle();
        work.behind(ksuse);
        work.processes(ksuse);
        work.events();
        work.words();
    }
    let known: BTreeSet<&str> = work.out.structs.iter().map(|s| s.name.as_str()).collect();
    for field in ksuse.iter_mut() {
        field.to = field.to.take().filter(|to| known.contains(to.as_str()));
    }
    work.out
}

impl Work<'_> {
    fn old(&self) -> &Blueprint {
        &self.prior.blueprint
    }

    fn remark(&mut self, text: String) {
        self.out.remarks.push(text);
    }

    /// The address of a member of a fixed variable of the prior.
    fn member(&self, member: &MemberRef) -> Option<TargetAddr> {
        let anchor = self.old().anchor(&member.anchor)?;
        let field = self.old().strukt(&member.strukt)?.field(&member.field)?;
        TargetAddr(anchor.address).checked_add(field.offset)
    }

    fn taken(&self, strukt: &Struct, why: &str) -> Struct {
        let field = |f: &Field| self.prior.moved(f, f.offset, why.to_owned());
        Struct {
            fields: strukt.fields.iter().map(field).collect(),
            ..strukt.clone()
        }
    }

    fn keep_anchor(&mut self, name: &str) {
        let known = self.out.anchors.iter().any(|a| a.name == name);
        if let Some(anchor) = self.old().anchor(name).cloned().filter(|_| !known) {
            self.out.anchors.push(Anchor {
                source: super::SOURCE.into(),
                ..anchor
            });
        }
    }

    /// The fixed variable that leads to the session rows: does it stand where the prior has it?
    fn head(&mut self) {
        let array = self.old().array("sessions").cloned();
        let Some(ArrayLayout::Pointers { base, count }) = array.map(|a| a.layout) else {
            return;
        };
        let (at, counted) = (self.member(&base), self.member(&count));
        let found = self.proven.array.pointer;
        let rows = self.proven.array.rows.len() as u32;
        let holds =
            at == Some(found) && counted.is_some_and(|c| self.space.read_u32(c) == Ok(rows));
        if !holds {
            let said = at.map_or("nowhere".to_owned(), |a| format!("at 0x{a}"));
            self.remark(format!(
                "{} of the prior doesn't hold: the session array's address stands at 0x{found}, the prior says {said}; nothing that rests on it is taken over",
                base.anchor
            ));
            return;
        }
        self.remark(format!(
            "{} holds: the session array's address and its count stand where the prior says",
            base.anchor
        ));
        let Some(strukt) = self.old().strukt(&base.strukt).cloned() else {
            return;
        };
        let why = "stands with the session array's address, which holds";
        let strukt = self.taken(&strukt, why);
        let learned: Vec<String> = self.out.anchors.drain(..).map(|a| a.name).collect();
        self.out.structs.retain(|s| !learned.contains(&s.name));
        self.out.structs.push(strukt);
        self.keep_anchor(&base.anchor);
        self.out.layout = ArrayLayout::Pointers { base, count };
    }

    /// Fixed variables that hold the instance's name as text.
    fn identity(&mut self) {
        let Some(sid) = self.prior.sid.clone() else {
            return;
        };
        let led: BTreeSet<String> = self
            .old()
            .arrays
            .iter()
            .filter_map(|a| match &a.layout {
                ArrayLayout::Pointers { base, .. } | ArrayLayout::Flat { base, .. } => {
                    Some(base.anchor.clone())
                }
                ArrayLayout::Runs { .. } => None,
            })
            .collect();
        let others: Vec<Anchor> = self.old().anchors.clone();
        for anchor in others.iter().filter(|a| !led.contains(&a.name)) {
            let mut text = vec![0u8; sid.len() + 1];
            let read = self.space.read(TargetAddr(anchor.address), &mut text);
            if read.is_ok() && text.strip_suffix(&[0]) == Some(sid.as_bytes()) {
                self.keep_anchor(&anchor.name);
                self.remark(format!("{} holds: it names this instance", anchor.name));
            } else {
                self.remark(format!(
                    "{} isn't taken over: nothing here proves it",
                    anchor.name
                ));
            }
        }
    }

    /// The statement's handle: where all that was proven stands where the prior has it, the rest does too.
    fn handle(&mut self) {
        let Some(proven) = self.out.structs.iter().position(|s| s.name == "kglhd") else {
            return;
        };
        let Some(old) = self.old().strukt("kglhd").cloned() else {
            return;
        };
        let new = &self.out.structs[proven];
        let same = |f: &Field| old.field(&f.name).is_some_and(|o| o.offset == f.offset);
        if !new.fields.iter().all(same) {
            return;
        }
        let missing: Vec<Field> = old
            .fields
            .iter()
            .filter(|f| new.field(&f.name).is_none())
            .map(|f| {
                let why = "text, length and identifier stand where the prior has them";
                self.prior.moved(f, f.offset, why.into())
            })
            .collect();
        self.out.structs[proven].fields.extend(missing);
    }

    /// Structures of texts with lengths behind a pointer of the row, and the state object's head.
    fn behind(&mut self, ksuse: &[Field]) {
        for field in ksuse {
            let Some(old) = field.to.as_deref().and_then(|to| self.old().strukt(to)) else {
                continue;
            };
            let old = old.clone();
            if self.out.structs.iter().any(|s| s.name == old.name) {
                continue;
            }
            if let [only] = old.fields.as_slice()
                && only.name == field.name
            {
                // All state objects begin alike.
                let why = "stands where the session row has it, as in all state objects".to_owned();
                let owner = self.prior.moved(only, field.offset, why);
                self.out.structs.push(Struct {
                    fields: vec![owner],
                    ..old
                });
                continue;
            }
            let texts: Vec<(&Field, &Field)> = old
                .fields
                .iter()
                .filter_map(|f| Some((f, old.field(&format!("{}_len", f.name))?)))
                .collect();
            if texts.is_empty() {
                continue;
            }
            let (right, wrong) = self.counted_texts(field.offset as usize, &texts);
            let holds = right >= FEWEST_TEXTS && wrong * 20 <= right;
            self.remark(format!(
                "{} behind {}: {right} texts are as long as the prior's place of their length says, {wrong} aren't: {}",
                old.name,
                field.name,
                if holds { "taken over" } else { "not taken over" }
            ));
            if holds {
                let why =
                    format!("{right} texts with their lengths stand where the prior has them");
                let taken = self.taken(&old, &why);
                self.out.structs.push(taken);
            }
        }
    }

    fn counted_texts(&self, pointer: usize, texts: &[(&Field, &Field)]) -> (usize, usize) {
        let (mut right, mut wrong) = (0, 0);
        let Some(round) = self.proven.learner.rounds.last() else {
            return (0, 0);
        };
        for slot in (0..round.after.len()).filter(|s| round.is_quiet(*s)) {
            let target = round.after.row(slot, None).map_or(0, |r| word(r, pointer));
            for (text, length) in texts {
                let mut bytes = vec![0u8; text.size.min(256) as usize];
                let at = |offset: u64| TargetAddr(target).checked_add(offset);
                let mut told = [0u8; 8];
                let width = length.size.min(8) as usize;
                let read = at(text.offset).is_some_and(|a| self.space.read(a, &mut bytes).is_ok())
                    && at(length.offset)
                        .is_some_and(|a| self.space.read(a, &mut told[..width]).is_ok());
                if target == 0 || !read {
                    continue;
                }
                let n = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len()) as u64;
                match uint(&told, 0, 8) {
                    Some(told) if told != n => wrong += 1,
                    Some(_) if n > 0 => right += 1,
                    _ => {}
                }
            }
        }
        (right, wrong)
    }

    /// The process rows: their size is the prior's, and the sessions' owners are among them.
    fn processes(&mut self, ksuse: &[Field]) {
        let Some(array) = self.old().array("processes").cloned() else {
            return;
        };
        let ArrayLayout::Pointers { base, count } = &array.layout else {
            return;
        };
        let (Some(row), true) = (
            self.old().strukt(&array.row).cloned(),
            self.out.structs.iter().any(|s| s.name == base.strukt),
        ) else {
            return;
        };
        let addrs = self.pointers(base, count);
        let owner = ksuse.iter().find(|f| f.name == "owner").map(|f| f.offset);
        let (hit, owners) = owner.map_or((0, 0), |o| self.owners_in(&addrs, o));
        let stride = scan::stride(&addrs);
        let holds = stride == Some(row.size) && owners > 0 && hit * 20 >= owners * 19;
        self.remark(format!(
            "process rows: {} of {} bytes each (the prior has {}), {hit} of {owners} sessions' owners are among them: {}",
            addrs.len(),
            stride.unwrap_or(0),
            row.size,
            if holds { "taken over" } else { "not taken over" }
        ));
        if holds {
            let why = format!("the row has still {} bytes", row.size);
            let row = self.taken(&row, &why);
            self.out.structs.push(row);
            self.out.arrays.push(array);
        }
    }

    fn pointers(&self, base: &MemberRef, count: &MemberRef) -> Vec<TargetAddr> {
        let read = |m: &MemberRef| self.member(m);
        let start = read(base).and_then(|at| self.space.read_u64(at).ok());
        let n = read(count).and_then(|at| self.space.read_u32(at).ok());
        let (Some(start), Some(n)) = (start, n) else {
            return Vec::new();
        };
        let n = u64::from(n).min(MAX_ROWS);
        let entry = |i: u64| {
            let at = TargetAddr(start).checked_add(8 * i)?;
            let row = TargetAddr(self.space.read_u64(at).ok()?);
            self.space.locate(row, 8).ok().map(|_| row)
        };
        (0..n).map_while(entry).collect()
    }

    /// Owners, or owners' owners, of user sessions that are among these rows; and all of them.
    fn owners_in(&self, rows: &[TargetAddr], at: u64) -> (usize, usize) {
        let rows: BTreeSet<u64> = rows.iter().map(|r| r.0).collect();
        let Some(round) = self.proven.learner.rounds.last() else {
            return (0, 0);
        };
        let (mut hit, mut all) = (0, 0);
        for slot in 0..round.after.len() {
            let owner = round
                .after
                .row(slot, None)
                .map_or(0, |r| word(r, at as usize));
            if owner == 0 {
                continue;
            }
            all += 1;
            let above = TargetAddr(owner)
                .checked_add(at)
                .and_then(|a| self.space.read_u64(a).ok());
            let is_one = rows.contains(&owner) || above.is_some_and(|a| rows.contains(&a));
            hit += usize::from(is_one);
        }
        (hit, all)
    }

    /// The event table, and the names if its wait classes come in the same order.
    fn events(&mut self) {
        let Some(array) = self.old().array("events").cloned() else {
            return;
        };
        let ArrayLayout::Flat { base, stride, .. } = &array.layout else {
            return;
        };
        let parts = [&base.strukt, &array.row].map(|n| self.old().strukt(n).cloned());
        let [Some(holder), Some(row)] = parts else {
            return;
        };
        let start = self
            .member(base)
            .and_then(|at| self.space.read_u64(at).ok());
        let class = row.field("KSLEDCLASS#").map(|f| (f.offset, f.size));
        let (Some(start), Some(class)) = (start, class) else {
            return;
        };
        let live = |i: u64| {
            let mut bytes = [0u8; 8];
            let at = TargetAddr(start).checked_add(i.checked_mul(*stride)? + class.0)?;
            let into = &mut bytes[..class.1.min(8) as usize];
            self.space.read(at, into).ok()?;
            uint(&bytes, 0, 8)
        };
        let words = &self.old().dictionaries;
        let classes: BTreeSet<u64> = words.wait_classes.iter().map(|c| c.no.into()).collect();
        let known = (0..SOME_EVENTS).filter(|i| live(*i).is_some_and(|c| classes.contains(&c)));
        let kinds: BTreeSet<Option<u64>> = (0..SOME_EVENTS).map(live).collect();
        if known.count() as u64 != SOME_EVENTS || kinds.len() < 3 {
            self.remark(format!(
                "{} isn't taken over: no table of wait events there",
                base.anchor
            ));
            return;
        }
        let anchor = base.anchor.clone();
        let same = words
            .events
            .iter()
            .zip(0..)
            .filter(|(e, i)| live(*i) == Some(e.wait_class_no.into()))
            .count();
        self.out.dictionaries.wait_classes = words.wait_classes.clone();
        let why = format!("the first {SOME_EVENTS} rows hold wait classes");
        let taken = [self.taken(&holder, &why), self.taken(&row, &why)];
        self.out.structs.extend(taken);
        self.keep_anchor(&anchor);
        self.out.arrays.push(Array {
            accept: array.accept.or(Some(Accept::NameTable)),
            ..array
        });
        self.event_names(&anchor, same);
    }

    /// Names of events, of which `same` have the wait class of the live table's entry.
    fn event_names(&mut self, anchor: &str, same: usize) {
        let names = self.old().dictionaries.events.clone();
        if names.is_empty() {
            self.remark(format!("{anchor} holds: a table of wait events is there"));
        } else if same == names.len() {
            self.remark(format!(
                "{anchor} holds: its {same} events have the prior's wait classes; the prior's names serve where the executable's can't be read"
            ));
            self.out.dictionaries.events = names;
        } else {
            self.remark(format!(
                "{anchor} holds, but only {same} of {} events have the prior's wait class: its names aren't taken over",
                names.len()
            ));
        }
    }

    /// Rules and names that nothing here can test.
    fn words(&mut self) {
        let old = &self.prior.blueprint;
        for (name, rule) in &old.rules {
            let before = rule.evidence.as_deref().unwrap_or("no evidence named");
            let taken = Rule {
                source: super::SOURCE.into(),
                confidence: rule.confidence.min(Confidence::Medium),
                evidence: Some(format!("as in the prior ({before}); not tested here")),
                ..rule.clone()
            };
            self.out.rules.insert(name.clone(), taken);
        }
        self.out.dictionaries.statistics = old.dictionaries.statistics.clone();
        self.out.dictionaries.commands = old.dictionaries.commands.clone();
        let (rules, statistics) = (old.rules.len(), old.dictionaries.statistics.len());
        self.remark(format!(
            "taken over without a test: {rules} rules, {statistics} names of statistics, {} of commands",
            old.dictionaries.commands.len()
        ));
    }
}
