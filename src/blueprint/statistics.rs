//! How V$SESSTAT is made of counters, as a blueprint says it: names that an executable doesn't have
//! are left out when one is assembled, and what remains is judged.
//!
//! Not for: reading counters (`plan::statistics`).
//!
//! Callers: `assemble`, `checks`.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Findings;
use super::load::pointer_of;
use super::model::{Blueprint, Dictionaries};

/// Leaves out what names a statistic that this release doesn't have. Nothing is left out where the
/// names aren't known.
pub(super) fn keep_known(all: &mut Dictionaries) {
    if all.statistics.is_empty() {
        return;
    }
    let known: BTreeSet<&str> = all.statistics.iter().map(|s| s.name.as_str()).collect();
    let is_known = |name: &String| known.contains(name.as_str());
    for parts in all.statistic_parts.values_mut() {
        parts.retain(is_known);
    }
    all.statistic_parts
        .retain(|whole, parts| is_known(whole) && !parts.is_empty());
    all.statistic_divisors.retain(|name, _| is_known(name));
    all.statistic_maxima.retain(is_known);
}

/// `statistic-known`: every name in the tables is one of the dictionary's, where there is one; no
/// divisor is 0.
pub(super) fn statistic_known(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "statistic-known";
    let all = &blueprint.dictionaries;
    let known: BTreeSet<&str> = all.statistics.iter().map(|s| s.name.as_str()).collect();
    let mut judge = |pointer: String, name: &str| {
        if !known.is_empty() && !known.contains(name) {
            let message = format!("no statistic {name:?} is in /dictionaries/statistics");
            out.error(RULE, pointer, message);
        }
    };
    for (whole, parts) in &all.statistic_parts {
        let at = pointer_of("/dictionaries/statistic_parts", whole);
        judge(at.clone(), whole);
        for (i, part) in parts.iter().enumerate() {
            judge(format!("{at}/{i}"), part);
        }
    }
    for name in all.statistic_divisors.keys() {
        judge(pointer_of("/dictionaries/statistic_divisors", name), name);
    }
    for (i, name) in all.statistic_maxima.iter().enumerate() {
        judge(format!("/dictionaries/statistic_maxima/{i}"), name);
    }
    for (name, _) in all.statistic_divisors.iter().filter(|(_, d)| **d == 0) {
        let at = pointer_of("/dictionaries/statistic_divisors", name);
        out.error(RULE, at, format!("{name}: a divisor of 0"));
    }
}

/// `statistic-tree-acyclic`: no statistic is part of itself, or of two others, which would count
/// it twice in what both are part of.
pub(super) fn statistic_tree_acyclic(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "statistic-tree-acyclic";
    let tree = &blueprint.dictionaries.statistic_parts;
    let mut part_of: BTreeMap<&str, &str> = BTreeMap::new();
    for (whole, parts) in tree {
        for (i, part) in parts.iter().enumerate() {
            if let Some(other) = part_of.insert(part, whole) {
                let at = pointer_of("/dictionaries/statistic_parts", whole);
                let message = format!("{part:?} is part of {whole:?} and already of {other:?}");
                out.error(RULE, format!("{at}/{i}"), message);
            }
        }
    }
    for whole in tree.keys() {
        let mut above = whole.as_str();
        // a way up that is longer than the tree goes round
        for _ in 0..=part_of.len() {
            match part_of.get(above) {
                None => break,
                Some(next) if *next == whole => {
                    let at = pointer_of("/dictionaries/statistic_parts", whole);
                    out.error(RULE, at, format!("{whole:?} is part of itself"));
                    break;
                }
                Some(next) => above = next,
            }
        }
    }
}
