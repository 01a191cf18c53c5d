//! One directive, and the plan that is active.
//!
//! Callers: [`super`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::finops::mapping::identifier;

/// A directive's limits, as CREATE_PLAN_DIRECTIVE takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// Plan.
    pub plan: String,
    /// Consumer group or sub-plan.
    pub group: String,
    /// Group to switch to, or CANCEL_SQL, KILL_SESSION, LOG_ONLY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_group: Option<String>,
    /// CPU, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_time: Option<u64>,
    /// Elapsed time, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_elapsed_time: Option<u64>,
    /// Megabytes read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_io_megabytes: Option<u64>,
    /// Requests to read or write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_io_reqs: Option<u64>,
    /// Logical reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_io_logical: Option<u64>,
    /// Whether consumption is that of one top call, after which the session comes back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switch_for_call: bool,
    /// Whether calls are switched before they start, by the optimizer's estimate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switch_estimate: bool,
    /// Longest estimated time of a call, CPU seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_est_exec_time: Option<u64>,
    /// Idle, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_idle_time: Option<u64>,
    /// Idle while it blocks another session, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_idle_blocker_time: Option<u64>,
    /// Untunable PGA, MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_pga_limit: Option<u64>,
    /// Sessions active at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_sess_pool_p1: Option<u64>,
}

/// What is done to a session that passes a limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It goes to this group.
    Switch(String),
    /// Its statement is aborted.
    CancelSql,
    /// It ends.
    KillSession,
    /// It is only noted (V$SQL_MONITOR).
    LogOnly,
}

impl Action {
    /// As SWITCH_GROUP has it.
    pub fn word(&self) -> &str {
        match self {
            Action::Switch(group) => group,
            Action::CancelSql => "CANCEL_SQL",
            Action::KillSession => "KILL_SESSION",
            Action::LogOnly => "LOG_ONLY",
        }
    }
}

impl Directive {
    /// What SWITCH_GROUP asks for.
    pub fn action(&self) -> Option<Action> {
        let name = identifier(self.switch_group.as_deref()?);
        Some(match name.as_str() {
            "CANCEL_SQL" => Action::CancelSql,
            "KILL_SESSION" => Action::KillSession,
            "LOG_ONLY" => Action::LogOnly,
            _ => Action::Switch(name),
        })
    }
}

/// Over what consumption is summed where SWITCH_FOR_CALL isn't TRUE: the documents differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole session (19c: "accumulated for the length of the session").
    #[default]
    Session,
    /// Each call (11.1: "if any single call within a session exceeds one of these limits").
    Call,
}

/// Directives of all plans, and which plan is active.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plans {
    /// The active plan.
    pub active: Option<String>,
    directives: BTreeMap<(String, String), Directive>,
}

impl Plans {
    /// Directives by plan and group; a later one replaces an earlier one. Without a name the active
    /// plan is the only one that is no other's sub-plan.
    pub fn new(active: Option<&str>, directives: &[Directive]) -> Plans {
        let key = |d: &Directive| (identifier(&d.plan), identifier(&d.group));
        let directives: BTreeMap<_, _> = directives.iter().map(|d| (key(d), d.clone())).collect();
        let groups: BTreeSet<&str> = directives.keys().map(|(_, g)| g.as_str()).collect();
        let tops: BTreeSet<&str> = directives
            .keys()
            .map(|(plan, _)| plan.as_str())
            .filter(|plan| !groups.contains(plan))
            .collect();
        let only = match tops.len() {
            1 => tops.first().map(|plan| (*plan).to_owned()),
            _ => None,
        };
        Plans {
            active: active.map(identifier).or(only),
            directives,
        }
    }

    /// Groups with a directive in the active plan or its sub-plans; none if no plan is known.
    pub fn groups(&self) -> Option<BTreeSet<String>> {
        let all = self.reachable()?;
        Some(all.into_iter().map(|(group, _)| group.to_owned()).collect())
    }

    /// The directive of a group in the active plan or its sub-plans.
    pub fn of(&self, group: &str) -> Option<&Directive> {
        let all = self.reachable()?;
        all.into_iter().find(|(g, _)| *g == group).map(|(_, d)| d)
    }

    fn reachable(&self) -> Option<Vec<(&str, &Directive)>> {
        let mut plans = vec![self.active.as_deref()?];
        let (mut at, mut found) = (0, Vec::new());
        while let Some(plan) = plans.get(at).copied() {
            at += 1;
            for ((of, group), directive) in &self.directives {
                if of != plan {
                    continue;
                }
                let is_plan = self.directives.keys().any(|(p, _)| p == group);
                match is_plan {
                    true if !plans.contains(&group.as_str()) => plans.push(group),
                    true => {}
                    false => found.push((group.as_str(), directive)),
                }
            }
        }
        Some(found)
    }
}
