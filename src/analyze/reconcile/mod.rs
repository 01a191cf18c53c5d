//! Sessions against processes against the operating system: what is sniped, killed and not cleaned
//! up, orphaned, shared, recursive, idle; and what to do about it.
//!
//! For: one table of 17 rules ([`rules::RULES`]) over one [`Observation`]; plain data in, findings
//! out. The situations and their clean-up follow Oracle's note 601605.1 (dead connections, profiles,
//! processes), A. Nanda's "Difference between Session and Process" (2010, with F. Pachot's comments)
//! and the V$SESSION, V$DEAD_CLEANUP pages of the Database Reference.
//!
//! Not for: reading anything, and never for doing anything: statements are text for a person.
//!
//! Callers: `cli`.

pub mod advice;
mod facts;
pub mod rules;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeSet;

use serde::Serialize;

pub use facts::{Idle, ProcessFacts, SessionFacts};

use super::resource_limit::Usage;
use view::View;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Normal, or nothing to do.
    Info,
    /// Holds something that somebody should get back.
    Warn,
    /// Hurts, or is about to.
    Error,
}

/// All that is known at one moment.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// SID of the instance; server processes carry it in their command line. Empty: unknown.
    pub instance: String,
    /// Seconds since 1970.
    pub now: i64,
    /// Processes in use.
    pub processes: Vec<ProcessFacts>,
    /// Sessions in use, recursive ones included.
    pub sessions: Vec<SessionFacts>,
    /// SIDs that others wait for; `None`: there is no way to know.
    pub blockers: Option<BTreeSet<u32>>,
    /// Use of the limits `processes` and `sessions`.
    pub limits: Vec<Usage>,
    /// What this release offers for cleaning up.
    pub clean_up: CleanUp,
}

/// What a release offers for cleaning up, from the rules of its blueprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanUp {
    /// Whether `ALTER SYSTEM DISCONNECT SESSION … IMMEDIATE` ends session and process of a dedicated
    /// connection; `None`: not known for this release.
    pub disconnect: Option<bool>,
    /// Whether there is V$DEAD_CLEANUP.
    pub dead_cleanup: bool,
}

/// Where normal ends.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// A server process without session is reported from this age on, seconds.
    pub age_s: u64,
    /// A session is idle for long from here on, seconds.
    pub idle_limit_s: u64,
    /// Share of a limit from which on it's at risk.
    pub limit_share: f64,
    /// Equal observations so far; killing a process is advised from the second on.
    pub observations: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            age_s: 60,
            idle_limit_s: 3600,
            limit_share: 0.9,
            observations: 1,
        }
    }
}

/// One situation that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Number of the rule.
    pub row: u8,
    /// Its name.
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Session, if it is about one.
    pub sid: Option<u32>,
    /// Its serial number.
    pub serial_no: Option<u32>,
    /// Its user.
    pub username: Option<String>,
    /// Oracle's number of the process, if it is about one.
    pub pid: Option<u32>,
    /// The process's serial number.
    pub process_serial_no: Option<u32>,
    /// Its number in the operating system, as Oracle has it.
    pub spid: Option<String>,
    /// When the operating system started it.
    pub os_start_time: Option<String>,
    /// Program of the process, else of the session.
    pub program: Option<String>,
    /// Since when, seconds; what it counts is in the evidence.
    pub age_s: Option<u64>,
    /// What was seen.
    pub evidence: Vec<String>,
    /// What it means.
    pub why: &'static str,
    /// What to do.
    pub advice: String,
    /// Statement or command to run after looking again; never run by sgascope.
    pub statement: Option<String>,
    /// What the automatic means would have done.
    pub would_have_cleaned: advice::WouldClean,
    /// All that identifies the target, to be compared right before acting.
    pub identity: String,
    /// How often it was seen in a row.
    pub observations: u32,
}

impl Finding {
    /// What makes two findings the same one in two observations.
    pub fn key(&self) -> (u8, Option<u32>, Option<u32>, Option<u32>, Option<u32>) {
        (
            self.row,
            self.sid,
            self.serial_no,
            self.pid,
            self.process_serial_no,
        )
    }
}

/// All findings, the gravest first.
pub fn judge(seen: &Observation, policy: &Policy) -> Vec<Finding> {
    let view = View::new(seen, policy);
    let mut findings: Vec<Finding> = rules::RULES
        .iter()
        .flat_map(|rule| {
            (rule.find)(&view)
                .into_iter()
                .map(|hit| compose(&view, rule, hit))
                .collect::<Vec<_>>()
        })
        .collect();
    findings.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.row, f.pid, f.sid));
    findings
}

/// The findings of the second observation that the first one had too. What is normal needs no second
/// look; what isn't may have been a session on its way in or out.
pub fn confirmed(first: &[Finding], second: Vec<Finding>) -> Vec<Finding> {
    let known: BTreeSet<_> = first.iter().map(Finding::key).collect();
    let stays = |f: &Finding| f.severity == Severity::Info || known.contains(&f.key());
    second.into_iter().filter(stays).collect()
}

fn compose(view: &View, rule: &rules::Rule, hit: rules::Hit) -> Finding {
    let session = hit.session.map(|s| &view.seen.sessions[s]);
    let process = hit.process.map(|p| &view.seen.processes[p]);
    let guide = advice::of(view, rule, &hit);
    let started = process.and_then(ProcessFacts::os_start_time);
    let program = process
        .and_then(|p| p.program.clone())
        .or_else(|| session.and_then(|s| s.program.clone()));
    Finding {
        row: rule.row,
        name: rule.name,
        severity: hit.severity.unwrap_or(rule.severity),
        sid: session.map(|s| s.sid),
        serial_no: session.and_then(|s| s.serial_no),
        username: session.and_then(|s| s.username.clone()),
        pid: process.map(|p| p.pid),
        process_serial_no: process.and_then(|p| p.serial_no),
        spid: process.and_then(|p| p.spid.clone()),
        identity: identity(view, session, process),
        os_start_time: started,
        program,
        age_s: hit.age_s,
        evidence: hit.evidence,
        why: rule.why,
        advice: guide.advice,
        statement: guide.statement,
        would_have_cleaned: rule.would_clean,
        observations: view.policy.observations,
    }
}

/// One line with everything that must still be so when somebody acts.
fn identity(view: &View, session: Option<&SessionFacts>, process: Option<&ProcessFacts>) -> String {
    let mut parts = Vec::new();
    if let Some(s) = session {
        let serial = s.serial_no.map_or_else(|| "?".into(), |n| n.to_string());
        parts.push(format!("SID,SERIAL# {},{serial}", s.sid));
    }
    parts.push(format!("@{}", view.seen.instance));
    if let Some(p) = process {
        let spid = p.spid.as_deref().unwrap_or("none");
        let start = p.os_start_time().unwrap_or_else(|| "unknown".into());
        parts.push(format!("SPID {spid} started {start}"));
        parts.push(p.program.clone().unwrap_or_default());
    }
    parts.push(format!(
        "seen {}",
        crate::decode::dates::rfc3339(view.seen.now)
    ));
    parts.retain(|p| !p.is_empty());
    parts.join(", ")
}
