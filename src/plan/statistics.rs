//! Asked statistics to the counters that have to be read for them.
//!
//! A session's counters are an array of 8-byte words, one per STATISTIC#, behind a pointer of its
//! row (Christoph Lutz, sesstat-wp.gdb for 19.26). From 18c on a counter holds only what those that
//! are part of it don't, and V$SESSTAT adds them up (a public 19c sampler); so a statistic needs its
//! own counter and those of all its parts. Which these are, by name, is the blueprint's to say.
//!
//! Not for: adding up (`decode::statistics`), reading (`sample::statistics`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Accepted, Span};
use crate::blueprint::model::{Accept, Blueprint, Dictionaries};

/// Counters between two needed ones up to which one read covers both: a cache line's worth.
const COALESCE_GAP: u64 = 8;
/// From this CLASS on, a statistic is the instance's and no session has it.
const FIRST_INSTANCE_CLASS: u32 = 201;
/// Counters per session that are ever read; 23.5 has 2,289 names.
const MAX_COUNTERS: u64 = 1 << 16;

/// Which statistics a caller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All that a session has.
    All,
    /// These, by name as V$STATNAME has it, in any case.
    Names(Vec<String>),
}

/// A statistic that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// NAME.
    pub name: String,
    /// STATISTIC#.
    pub number: u32,
    /// Words of the scratch array that make it: its own first, then those of its parts.
    pub words: Vec<u32>,
    /// What the sum is divided by to be in V$SESSTAT's unit.
    pub divisor: u64,
    /// The largest word counts, not the sum.
    pub is_maximum: bool,
}

/// What to read of each session's counters, and what it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatisticPlan {
    /// Runs of words to copy from the array.
    pub spans: Vec<Span>,
    /// Words of the scratch array.
    pub words: usize,
    /// Bytes from the array's start that the spans reach.
    pub reach: u64,
    /// The statistics, in the order asked for.
    pub counters: Vec<Counter>,
    /// Those that can't be had, with the reason; under `""` the reason why none can.
    pub absent: BTreeMap<String, String>,
    /// Statistics that a session has, where that is known.
    pub per_session: Option<u64>,
}

impl StatisticPlan {
    /// The statistic of this name, in the case that V$STATNAME has it.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.counters.iter().position(|c| c.name == name)
    }

    /// Compiles the asked statistics.
    ///
    /// # Errors
    /// Names that no statistic has.
    pub fn compile(
        blueprint: &Blueprint,
        accepted: &Accepted,
        asked: &Asked,
    ) -> Result<StatisticPlan, Vec<String>> {
        let all = &blueprint.dictionaries;
        if all.statistics.is_empty() {
            return Ok(Self::nothing("the blueprint has no names of statistics"));
        }
        let numbers = chosen(all, asked)?;
        let made = Rules::of(blueprint).and_then(|rules| {
            let count = per_session(blueprint, accepted)?;
            Ok(build(all, &rules, count, &numbers, asked))
        });
        Ok(made.unwrap_or_else(|why| Self::nothing(&why)))
    }

    fn nothing(why: &str) -> StatisticPlan {
        StatisticPlan {
            absent: BTreeMap::from([(String::new(), why.to_owned())]),
            ..StatisticPlan::default()
        }
    }
}

/// How memory holds statistics, by the blueprint's version rules.
struct Rules {
    in_parts: bool,
    in_microseconds: bool,
}

impl Rules {
    fn of(blueprint: &Blueprint) -> Result<Rules, String> {
        let rule = |name: &str, yes: &str, no: &str| match blueprint.rule_str(name) {
            Some(word) if word == yes => Ok(true),
            Some(word) if word == no => Ok(false),
            found => Err(format!(
                "the blueprint's rule {name} is {}, neither {yes:?} nor {no:?}: extract the blueprint again",
                found.map_or("missing".to_owned(), |word| format!("{word:?}"))
            )),
        };
        Ok(Rules {
            in_parts: rule("statistic_rollup", "parts", "whole")?,
            in_microseconds: rule("statistic_times", "microseconds", "as-shown")?,
        })
    }
}

/// Positions in the dictionary, in the order asked for.
fn chosen(all: &Dictionaries, asked: &Asked) -> Result<Vec<usize>, Vec<String>> {
    let Asked::Names(names) = asked else {
        return Ok((0..all.statistics.len()).collect());
    };
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        let same = |s: &crate::blueprint::model::StatisticName| s.name.eq_ignore_ascii_case(name);
        match all.statistics.iter().position(same) {
            Some(n) if !found.contains(&n) => found.push(n),
            Some(_) => {}
            None => unknown.push(name.clone()),
        }
    }
    if unknown.is_empty() {
        Ok(found)
    } else {
        Err(unknown)
    }
}

/// How many counters a session has: as accepted on this memory, else up to the first statistic
/// that belongs to the instance (V$STATNAME's CLASS above 200; a public 19c sampler).
fn per_session(blueprint: &Blueprint, accepted: &Accepted) -> Result<u64, String> {
    if let Some(count) = accepted.statistics {
        return Ok(count.min(MAX_COUNTERS));
    }
    let names = &blueprint.dictionaries.statistics;
    if names.iter().all(|s| s.class.is_some()) {
        let instance = |c: Option<u32>| c.is_some_and(|c| c >= FIRST_INSTANCE_CLASS);
        let first = names.iter().position(|s| instance(s.class));
        return Ok(first.unwrap_or(names.len()) as u64);
    }
    let claim = blueprint.structs.iter().find_map(|s| {
        let field = s
            .fields
            .iter()
            .find(|f| f.accept == Some(Accept::CounterCount))?;
        accepted.offset(&s.name, field).err()
    });
    let why = claim.unwrap_or_else(|| "the blueprint doesn't say where".to_owned());
    Err(format!(
        "how many counters a session has is not known: {why}"
    ))
}

fn build(
    all: &Dictionaries,
    rules: &Rules,
    count: u64,
    numbers: &[usize],
    asked: &Asked,
) -> StatisticPlan {
    let by_name: HashMap<&str, usize> = all
        .statistics
        .iter()
        .enumerate()
        .map(|(n, s)| (s.name.as_str(), n))
        .collect();
    let mut plan = StatisticPlan {
        per_session: Some(count),
        ..StatisticPlan::default()
    };
    let mut wanted: Vec<(usize, Vec<u64>)> = Vec::new();
    for &number in numbers {
        let name = &all.statistics[number].name;
        if number as u64 >= count {
            // the instance's own were not meant by "all"
            if *asked != Asked::All {
                let why = format!("STATISTIC# {number} is the instance's: a session has {count}");
                plan.absent.insert(name.clone(), why);
            }
            continue;
        }
        match needed(all, rules, &by_name, count, number) {
            Ok(slots) => wanted.push((number, slots)),
            Err(why) => {
                plan.absent.insert(name.clone(), why);
            }
        }
    }
    let slots: BTreeSet<u64> = wanted.iter().flat_map(|(_, s)| s.iter().copied()).collect();
    plan.place(&slots);
    for (number, slots) in wanted {
        let name = &all.statistics[number].name;
        let divisor = all.statistic_divisors.get(name).copied().unwrap_or(1);
        let words = slots.iter().filter_map(|s| plan.word_of(*s)).collect();
        plan.counters.push(Counter {
            name: name.clone(),
            number: number as u32,
            words,
            divisor: if rules.in_microseconds {
                divisor.max(1)
            } else {
                1
            },
            is_maximum: all.statistic_maxima.contains(name),
        });
    }
    plan
}

/// The counters that make a statistic: its own, and with `in_parts` those of everything below it.
fn needed(
    all: &Dictionaries,
    rules: &Rules,
    by_name: &HashMap<&str, usize>,
    count: u64,
    number: usize,
) -> Result<Vec<u64>, String> {
    let mut slots = vec![number as u64];
    let mut next = 0;
    while let Some(slot) = slots.get(next).copied().filter(|_| rules.in_parts) {
        next += 1;
        let name = &all.statistics[slot as usize].name;
        for part in all.statistic_parts.get(name).into_iter().flatten() {
            let found = by_name.get(part.as_str()).map(|n| *n as u64);
            match found.filter(|n| *n < count) {
                // a part that is there already would go round
                Some(n) if !slots.contains(&n) => slots.push(n),
                Some(_) => {}
                None => return Err(format!("its part {part:?} is no counter of a session")),
            }
        }
    }
    Ok(slots)
}

impl StatisticPlan {
    /// Lays the needed counters out in spans.
    fn place(&mut self, slots: &BTreeSet<u64>) {
        for &slot in slots {
            let end = |s: &Span| s.offset / 8 + u64::from(s.words);
            match self.spans.last_mut() {
                Some(last) if slot < end(last) + COALESCE_GAP => {
                    last.words = (slot + 1 - last.offset / 8) as u32;
                }
                _ => self.spans.push(Span {
                    offset: slot * 8,
                    words: 1,
                    dst: 0,
                }),
            }
            self.reach = (slot + 1) * 8;
        }
        let mut dst = 0;
        for span in &mut self.spans {
            span.dst = dst;
            dst += span.words;
        }
        self.words = dst as usize;
    }

    /// The word of the scratch array that holds a counter.
    fn word_of(&self, slot: u64) -> Option<u32> {
        let at = self.spans.partition_point(|s| s.offset <= slot * 8);
        let span = self.spans.get(at.checked_sub(1)?)?;
        let word = (slot - span.offset / 8) as u32;
        (word < span.words).then_some(span.dst + word)
    }
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
