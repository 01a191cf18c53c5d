//! What is told of limits: one by one, summed up, and what a recording can't know.
//!
//! Callers: [`super::limits`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::follow::Declared;
use crate::finops::directives::Scope;

/// A limit that was, or may have been, passed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitRow {
    /// Instance.
    pub instance_name: String,
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial_no: u32,
    /// User.
    pub username: Option<String>,
    /// Statement when the call was last seen.
    pub sql_id: Option<String>,
    /// Where the session ran.
    pub consumer_group: String,
    /// What was judged: call, session, idle time, or idle time while blocking others.
    pub judged: &'static str,
    /// Not before this time. RFC 3339.
    pub from: String,
    /// Not after this time.
    pub to: String,
    /// Parameter of the directive.
    pub limit: &'static str,
    /// Its value, in its unit.
    pub allowed: u64,
    /// At least this was used.
    pub at_least: f64,
    /// At most this was used.
    pub at_most: f64,
    /// Whether the limit was passed for certain.
    pub certain: bool,
    /// What the Resource Manager would have done: a group to switch to, KILL_SESSION, CANCEL_SQL,
    /// LOG_ONLY.
    pub action: String,
    /// Why it would not have been done, or for how long.
    pub remark: &'static str,
}

/// How many by group, limit and action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitSum {
    /// Consumer group.
    pub consumer_group: String,
    /// Parameter.
    pub limit: &'static str,
    /// What would have been done.
    pub action: String,
    /// Passed for certain.
    pub certain: u64,
    /// Perhaps passed.
    pub possible: u64,
    /// Sessions concerned.
    pub sessions: u64,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    /// Runs of active looks that were judged; each is a call or several.
    pub runs: u64,
    /// Of these the ones that reach out of the window.
    pub cut: u64,
    /// Runs of sessions that had been killed by then.
    pub after_kill: u64,
    /// Longest time between two looks, seconds: shorter calls may not have been seen.
    pub longest_period_s: f64,
    /// What isn't known, and what is assumed.
    pub notes: Vec<String>,
    /// Summed up.
    pub sums: Vec<LimitSum>,
    /// One by one, in the order in which they were over.
    pub passed: Vec<LimitRow>,
}

/// What a recording can't know, and what is assumed.
pub(super) fn own_notes(
    declared: &Declared,
    untold: &BTreeSet<&'static str>,
    foreign: u64,
) -> Vec<String> {
    let mut notes = vec![
        "a call shorter than the time between two looks may not have been seen: there were at least these".into(),
        "time on CPU includes waiting for a CPU, which samples can't tell".into(),
    ];
    if declared.plans.active.is_none() {
        notes.push("no plan is active: name it with `plan` in the file of rules".into());
    }
    if declared.scope == Scope::Session {
        notes.push(
            "limits without SWITCH_FOR_CALL are summed over the session, as 19c's documents say; \
             limits_count = \"call\" judges each call, as 11.1's do"
                .into(),
        );
    }
    for limit in untold {
        let needs: &[&str] = match *limit {
            "SWITCH_IO_REQS" => &[
                "physical read total IO requests",
                "physical write total IO requests",
            ],
            "SWITCH_IO_MEGABYTES" => &["physical read total bytes", "physical write total bytes"],
            "SWITCH_IO_LOGICAL" => &["session logical reads"],
            _ => {
                notes.push(format!("{limit} can't be judged by any recording"));
                continue;
            }
        };
        notes.push(format!(
            "{limit} can't be judged of some sessions: the table stats hasn't '{}' of them; record reads that by \
             default, with --stats name it too: --stats 'user calls,CPU used by this session,{}'",
            needs.join("' and '"),
            needs.join(",")
        ));
    }
    if foreign > 0 {
        notes.push(format!(
            "{foreign} rows from elsewhere aren't judged: no tick tells when they were looked at"
        ));
    }
    notes
}

/// By group, limit and action.
pub(super) fn summed(passed: &[LimitRow]) -> Vec<LimitSum> {
    type Counts<'a> = (u64, u64, BTreeSet<(&'a str, u32, u32)>);
    let mut sums: BTreeMap<(&str, &'static str, &str), Counts<'_>> = BTreeMap::new();
    for row in passed {
        let key = (row.consumer_group.as_str(), row.limit, row.action.as_str());
        let sum = sums.entry(key).or_default();
        match row.certain {
            true => sum.0 += 1,
            false => sum.1 += 1,
        }
        sum.2.insert((&row.instance_name, row.sid, row.serial_no));
    }
    let sum =
        |((group, limit, action), (certain, possible, sessions)): ((&str, _, &str), Counts<'_>)| {
            LimitSum {
                consumer_group: group.to_owned(),
                limit,
                action: action.to_owned(),
                certain,
                possible,
                sessions: sessions.len() as u64,
            }
        };
    sums.into_iter().map(sum).collect()
}
