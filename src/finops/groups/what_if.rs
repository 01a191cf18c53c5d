//! What another set of rules would have moved.
//!
//! Callers: `cli`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::evaluate::{notes, seconds, watched};
use super::follow::{Declared, Sessions};
use super::rows::{Window, scan};
use crate::analyze::AnalyzeError;
use crate::analyze::texts::Texts;
use crate::record::Reader;

/// Load that one set of rules puts here, and the other there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MoveRow {
    /// Group by the rules as they are; null where they are ambiguous.
    pub from_group: Option<String>,
    /// Group by the changed rules.
    pub to_group: Option<String>,
    /// Whether these differ.
    pub moved: bool,
    /// Sessions that have such time.
    pub sessions: u64,
    /// Seconds active: DB time.
    pub db_time_seconds: f64,
    /// Average active sessions.
    pub aas: Option<f64>,
    /// Share of all DB time, 0 to 1.
    pub share: f64,
}

/// A group before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangeRow {
    /// Consumer group; null where rules are ambiguous.
    pub consumer_group: Option<String>,
    /// Seconds active by the rules as they are.
    pub before_seconds: f64,
    /// Seconds active by the changed rules.
    pub after_seconds: f64,
    /// Average active sessions before.
    pub before_aas: Option<f64>,
    /// Average active sessions after.
    pub after_aas: Option<f64>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhatIf {
    /// Seconds watched.
    pub elapsed_seconds: Option<f64>,
    /// Seconds active altogether.
    pub db_time_seconds: f64,
    /// Of these moved.
    pub moved_seconds: f64,
    /// What isn't known, and what is assumed.
    pub notes: Vec<String>,
    /// By pair of groups, the most moved first.
    pub moves: Vec<MoveRow>,
    /// By group.
    pub groups: Vec<ChangeRow>,
}

type Pair = (Option<String>, Option<String>);

/// Compares two sets of rules over a recording.
///
/// # Errors
/// The recording can't be read, or lacks a column.
pub fn what_if(
    reader: &Reader,
    before: &Declared,
    after: &Declared,
    window: &Window,
) -> Result<WhatIf, AnalyzeError> {
    let mut texts = Texts::default();
    let mut sessions = Sessions::new(vec![before, after]);
    // by session: where it is now, and the time until it moves
    let mut now: Vec<(Pair, u64)> = Vec::new();
    let mut sums: BTreeMap<Pair, (u64, BTreeSet<usize>)> = BTreeMap::new();
    let mut total = 0u64;
    let known = scan(
        reader,
        window,
        &mut texts,
        |source, instance, row, texts, known| {
            let (place, switches) = sessions.see((source, instance), &row, texts, known);
            let us = if row.active { row.weight_us } else { 0 };
            total += us;
            let pair = || {
                let trackers = &sessions.all[place].trackers;
                (
                    trackers[0].now().group.clone(),
                    trackers[1].now().group.clone(),
                )
            };
            if place == now.len() {
                now.push((pair(), 0));
            } else if !switches.is_empty() {
                let moved = std::mem::replace(&mut now[place], (pair(), 0));
                close(&mut sums, place, moved);
            }
            now[place].1 += us;
        },
    )?;
    for (place, last) in now.into_iter().enumerate() {
        close(&mut sums, place, last);
    }
    let elapsed = watched(reader, window)?;
    Ok(summed(
        sums,
        total,
        elapsed,
        notes(after, known.unknown, true),
    ))
}

fn close(sums: &mut BTreeMap<Pair, (u64, BTreeSet<usize>)>, place: usize, (pair, us): (Pair, u64)) {
    if us > 0 {
        let sum = sums.entry(pair).or_default();
        sum.0 += us;
        sum.1.insert(place);
    }
}

fn summed(
    sums: BTreeMap<Pair, (u64, BTreeSet<usize>)>,
    total: u64,
    elapsed: Option<f64>,
    notes: Vec<String>,
) -> WhatIf {
    let aas = |us: u64| elapsed.filter(|e| *e > 0.0).map(|e| seconds(us) / e);
    let mut groups: BTreeMap<Option<String>, (u64, u64)> = BTreeMap::new();
    let mut moves = Vec::new();
    let mut moved_us = 0;
    for ((from, to), (us, sessions)) in sums {
        groups.entry(from.clone()).or_default().0 += us;
        groups.entry(to.clone()).or_default().1 += us;
        let moved = from != to;
        moved_us += if moved { us } else { 0 };
        moves.push(MoveRow {
            from_group: from,
            to_group: to,
            moved,
            sessions: sessions.len() as u64,
            db_time_seconds: seconds(us),
            aas: aas(us),
            share: us as f64 / total.max(1) as f64,
        });
    }
    moves.sort_by(|a, b| {
        let by_time = b.db_time_seconds.total_cmp(&a.db_time_seconds);
        b.moved.cmp(&a.moved).then(by_time)
    });
    let change = |(consumer_group, (before, after))| ChangeRow {
        consumer_group,
        before_seconds: seconds(before),
        after_seconds: seconds(after),
        before_aas: aas(before),
        after_aas: aas(after),
    };
    WhatIf {
        elapsed_seconds: elapsed,
        db_time_seconds: seconds(total),
        moved_seconds: seconds(moved_us),
        notes,
        moves,
        groups: groups.into_iter().map(change).collect(),
    }
}
