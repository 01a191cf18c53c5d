//! Each session with its group: who gave it, which rules lost, when it switched, and whether it is
//! where the rules put it.
//!
//! Callers: `cli`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::follow::{Declared, Followed, Sessions};
use super::rows::{Window, scan};
use crate::analyze::AnalyzeError;
use crate::analyze::report::{ReportOptions, report_recording};
use crate::analyze::texts::Texts;
use crate::finops::mapping::{
    Evaluation, Field, Fields, Given, ManualSwitch, Outcome, Rule, RuleSet, SessionAttributes,
    Switch, Tracker,
};
use crate::record::Reader;

/// A rule that fits and doesn't win.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostRule {
    /// The rule.
    pub rule: String,
    /// Why.
    pub why: &'static str,
}

/// A switch, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SwitchRow {
    /// The session was last seen in its old group then; an explicit switch was called then. RFC 3339.
    pub after: String,
    /// It was first seen in its new one then, or the same. RFC 3339.
    pub by: String,
    /// Old group; null where rules are ambiguous.
    pub from: Option<String>,
    /// New group.
    pub to: Option<String>,
    /// Why.
    pub why: &'static str,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionRow {
    /// Instance.
    pub instance_name: String,
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial_no: u32,
    /// User.
    pub username: Option<String>,
    /// Program.
    pub program: Option<String>,
    /// Module when it was last seen.
    pub module: Option<String>,
    /// The group that it is mapped to; null where rules are ambiguous.
    pub consumer_group: Option<String>,
    /// The same, or OTHER_GROUPS if that isn't in the plan.
    pub runs_in: Option<String>,
    /// explicit, rule, initial group, default or ambiguous.
    pub given_by: &'static str,
    /// The rule that won.
    pub rule: Option<String>,
    /// Whose it is for `cost`; null where the file of rules tells no tenants apart.
    pub tenant: Option<String>,
    /// Rules that fit equally well and give different groups.
    pub ambiguous: Vec<String>,
    /// Rules that fit and lost.
    pub lost: Vec<LostRule>,
    /// Rules that might change this if a value were known that isn't.
    pub undecided: Vec<String>,
    /// Rules that fit but for upper and lower case.
    pub near: Vec<String>,
    /// When it was first seen, RFC 3339; null for one look.
    pub first_seen: Option<String>,
    /// When it was last seen.
    pub last_seen: Option<String>,
    /// Changes of group, oldest first.
    pub switches: Vec<SwitchRow>,
    /// RESOURCE_CONSUMER_GROUP, where it can be read.
    pub actual_group: Option<String>,
    /// Whether that differs from what the rules say; null where it can't be told.
    pub drift: Option<bool>,
    /// Seconds active.
    pub seconds: f64,
    /// Of these the ones in another group than the rules say.
    pub drift_seconds: f64,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupRow {
    /// Consumer group; null where rules are ambiguous.
    pub consumer_group: Option<String>,
    /// Sessions that were in it.
    pub sessions: u64,
    /// Seconds active in it.
    pub seconds: f64,
    /// Average active sessions; null for one look.
    pub aas: Option<f64>,
}

/// How it was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Meta {
    /// Seconds watched; null for one look.
    pub elapsed_seconds: Option<f64>,
    /// Sessions.
    pub sessions: u64,
    /// Sessions that switched to another group.
    pub switched: u64,
    /// Sessions of which rules are ambiguous.
    pub ambiguous: u64,
    /// Sessions that aren't where the rules put them.
    pub drifting: u64,
    /// What isn't known, and what is assumed.
    pub notes: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluated {
    /// How it was found.
    pub meta: Meta,
    /// By group.
    pub groups: Vec<GroupRow>,
    /// By session.
    pub sessions: Vec<SessionRow>,
}

/// Text of a rule, as people read it.
pub fn described(rule: &Rule) -> String {
    let to = rule
        .group
        .as_deref()
        .or(rule.tenant.as_deref())
        .unwrap_or("");
    format!("{} '{}' → {to}", rule.attribute, rule.value)
}

/// Text of a time in µs since the epoch.
pub(super) fn time(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |t| t.to_string())
}

pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// What is assumed of a set of rules, and what can't be had.
pub fn notes(declared: &Declared, unknown: Fields, recorded: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let rules = &declared.rules;
    if !rules.privileges.are_known() {
        notes.push(
            "no switch privileges given: everybody is taken to have all (import \
             DBA_RSRC_CONSUMER_GROUP_PRIVS)"
                .into(),
        );
    }
    if rules
        .privileges
        .users
        .values()
        .all(|user| user.initial_group.is_none())
    {
        notes.push(
            "no initial groups given: sessions that no rule fits are taken to be in \
             DEFAULT_CONSUMER_GROUP (import DBA_USERS)"
                .into(),
        );
    }
    for field in Field::ALL.into_iter().filter(|f| unknown.has(*f)) {
        let looks = |r: &&Rule| r.attribute.fields().contains(&field);
        let count = rules.rules().iter().filter(looks).count();
        if count > 0 {
            let name = field.column().unwrap_or("ORACLE_FUNCTION");
            notes.push(format!(
                "{name} can't be had here: {count} rules that look at it are undecided"
            ));
        }
    }
    if recorded {
        notes.push(
            "explicit switches are in no sample: they count only if given as [[switches]]".into(),
        );
    }
    notes
}

/// Whether a session is elsewhere than the rules put it; `None`: that can't be told.
fn drift(rules: &RuleSet, now: &Evaluation, actual: Option<&str>) -> Option<bool> {
    let actual = actual?;
    let of_rule = |rule: usize| rules.rules()[rule].group.as_deref();
    let may_be = |rule: usize| of_rule(rule).is_some_and(|g| rules.placed(g) == actual);
    if let Given::Ambiguous(tied) = &now.by {
        return (!tied.iter().any(|rule| may_be(*rule))).then_some(true);
    }
    if now.runs_in.as_deref() == Some(actual) {
        return Some(false);
    }
    // a rule that can't be decided may be why
    (!now.undecided.iter().any(|(rule, _)| may_be(*rule))).then_some(true)
}

/// A session at one moment.
fn row_of(
    declared: &Declared,
    (instance, sid, serial_no): (&str, u32, u32),
    session: &SessionAttributes,
    now: &Evaluation,
    actual: Option<&str>,
) -> SessionRow {
    let rules = &declared.rules;
    let text = |rule: usize| described(&rules.rules()[rule]);
    let tenants = declared.tenants.as_ref();
    let lost = now
        .rules
        .iter()
        .filter(|(_, outcome)| !matches!(outcome, Outcome::Won | Outcome::Tied));
    SessionRow {
        instance_name: instance.to_owned(),
        sid,
        serial_no,
        username: session.oracle_user.clone(),
        program: session.client_program.clone(),
        module: session.module_name.clone(),
        consumer_group: now.group.clone(),
        runs_in: now.runs_in.clone(),
        given_by: match now.by {
            Given::Explicit => "explicit",
            Given::Rule(_) => "rule",
            Given::InitialGroup => "initial group",
            Given::Default => "default",
            Given::Ambiguous(_) => "ambiguous",
        },
        rule: match now.by {
            Given::Rule(rule) => Some(text(rule)),
            _ => None,
        },
        tenant: tenants.map(|tenants| tenants.tenant_of(session).tenant.to_owned()),
        ambiguous: match &now.by {
            Given::Ambiguous(tied) => tied.iter().map(|rule| text(*rule)).collect(),
            _ => Vec::new(),
        },
        lost: lost
            .map(|(rule, outcome)| LostRule {
                rule: text(*rule),
                why: outcome.word(),
            })
            .collect(),
        undecided: now.undecided.iter().map(|(rule, _)| text(*rule)).collect(),
        near: now.near.iter().map(|rule| text(*rule)).collect(),
        first_seen: None,
        last_seen: None,
        switches: Vec::new(),
        actual_group: actual.map(str::to_owned),
        drift: drift(rules, now, actual),
        seconds: 0.0,
        drift_seconds: 0.0,
    }
}

/// A session of one look.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Instance.
    pub instance: String,
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial_no: u32,
    /// LOGON_TIME, µs since the epoch, where it can be read.
    pub logon_us: Option<i64>,
    /// What rules look at.
    pub session: SessionAttributes,
    /// RESOURCE_CONSUMER_GROUP, where it can be read.
    pub actual: Option<String>,
}

/// The groups of one look at `at_us`, µs since the epoch.
pub fn evaluate_look(declared: &Declared, looked: &[Looked], at_us: i64) -> Evaluated {
    let rules = &declared.rules;
    let mut groups: BTreeMap<Option<String>, u64> = BTreeMap::new();
    let rows = looked.iter().map(|l| {
        let mut tracker = Tracker::login(rules, &l.session, at_us);
        let target = tracker.target(l.sid, l.serial_no);
        let all = declared.manual.iter();
        let manual = all.filter(|s| s.is_for(target) && s.reaches(l.logon_us));
        let manual: Vec<&ManualSwitch> = manual.collect();
        tracker.observe(rules, &l.session, at_us, &manual);
        let now = tracker.now();
        *groups.entry(now.group.clone()).or_default() += 1;
        let who = (l.instance.as_str(), l.sid, l.serial_no);
        row_of(declared, who, &l.session, now, l.actual.as_deref())
    });
    let sessions: Vec<SessionRow> = rows.collect();
    let unknown = looked
        .first()
        .map_or(Fields::default(), |l| l.session.unknown);
    let group = |(consumer_group, sessions)| GroupRow {
        consumer_group,
        sessions,
        seconds: 0.0,
        aas: None,
    };
    Evaluated {
        meta: meta(&sessions, notes(declared, unknown, false), None),
        groups: groups.into_iter().map(group).collect(),
        sessions,
    }
}

fn meta(sessions: &[SessionRow], notes: Vec<String>, elapsed_seconds: Option<f64>) -> Meta {
    let count =
        |wanted: &dyn Fn(&SessionRow) -> bool| sessions.iter().filter(|s| wanted(s)).count() as u64;
    Meta {
        elapsed_seconds,
        sessions: sessions.len() as u64,
        switched: count(&|s| s.switches.iter().any(|w| w.from != w.to)),
        ambiguous: count(&|s| !s.ambiguous.is_empty()),
        drifting: count(&|s| s.drift == Some(true) || s.drift_seconds > 0.0),
        notes,
    }
}

/// Seconds that a recording's window was watched.
pub(super) fn watched(reader: &Reader, window: &Window) -> Result<Option<f64>, AnalyzeError> {
    let options = ReportOptions {
        groups: vec!["session_kind".into()],
        from_us: window.from_us,
        to_us: window.to_us,
        instance: window.instance.clone(),
        top: Some(1),
        ..ReportOptions::default()
    };
    Ok(report_recording(reader, &options)?.meta.elapsed_seconds)
}

/// What is summed up of a session.
#[derive(Default)]
struct Sum {
    active_us: u64,
    drift_us: u64,
    actual: u32,
    switches: Vec<SwitchRow>,
    /// Whether it is where the rules put it, by actual group, until something changes.
    judged: Option<(u32, Option<bool>)>,
    groups: Vec<(Option<String>, u64)>,
}

impl Sum {
    /// Adds to the time in a group.
    fn add(&mut self, group: Option<&str>, us: u64) {
        match self
            .groups
            .iter_mut()
            .find(|(known, _)| known.as_deref() == group)
        {
            Some((_, sum)) => *sum += us,
            None => self.groups.push((group.map(str::to_owned), us)),
        }
    }
}

/// The groups of a recording's sessions.
///
/// # Errors
/// The recording can't be read, or lacks a column.
pub fn evaluate_recording(
    reader: &Reader,
    declared: &Declared,
    window: &Window,
) -> Result<Evaluated, AnalyzeError> {
    let mut texts = Texts::default();
    let mut sessions = Sessions::new(vec![declared]);
    let mut sums: Vec<Sum> = Vec::new();
    let rules = &declared.rules;
    let known = scan(
        reader,
        window,
        &mut texts,
        |source, instance, row, texts, known| {
            let (place, switches) = sessions.see((source, instance), &row, texts, known);
            sums.resize_with(sessions.all.len(), Sum::default);
            let (sum, now) = (&mut sums[place], sessions.all[place].trackers[0].now());
            if !switches.is_empty() {
                sum.judged = None;
            }
            sum.switches
                .extend(switches.into_iter().map(|(_, switch)| shown(switch)));
            sum.actual = row.actual;
            let us = if row.active { row.weight_us } else { 0 };
            sum.active_us += us;
            sum.add(now.group.as_deref(), us);
            let judged = match sum.judged {
                Some((actual, judged)) if actual == row.actual => judged,
                _ => drift(rules, now, texts.get(row.actual)),
            };
            sum.judged = Some((row.actual, judged));
            if judged == Some(true) {
                sum.drift_us += us;
            }
        },
    )?;
    let elapsed = watched(reader, window)?;
    let groups = by_group(&sums, elapsed);
    let rows = sessions.all.iter().zip(sums);
    let rows = rows.map(|(followed, sum)| finished(declared, followed, sum, &texts));
    let rows: Vec<SessionRow> = rows.collect();
    Ok(Evaluated {
        meta: meta(&rows, notes(declared, known.unknown, true), elapsed),
        groups,
        sessions: rows,
    })
}

fn shown(switch: Switch) -> SwitchRow {
    SwitchRow {
        after: time(switch.after_us),
        by: time(switch.by_us),
        from: switch.from,
        to: switch.to,
        why: switch.cause.word(),
    }
}

fn finished(declared: &Declared, followed: &Followed, sum: Sum, texts: &Texts) -> SessionRow {
    let who = (followed.instance.as_str(), followed.sid, followed.serial_no);
    let now = followed.trackers[0].now();
    SessionRow {
        first_seen: Some(time(followed.first_us)),
        last_seen: Some(time(followed.last_us)),
        switches: sum.switches,
        seconds: seconds(sum.active_us),
        drift_seconds: seconds(sum.drift_us),
        ..row_of(declared, who, &followed.session, now, texts.get(sum.actual))
    }
}

fn by_group(sums: &[Sum], elapsed: Option<f64>) -> Vec<GroupRow> {
    let mut groups: BTreeMap<Option<&str>, (u64, u64)> = BTreeMap::new();
    for (group, us) in sums.iter().flat_map(|sum| &sum.groups) {
        let entry = groups.entry(group.as_deref()).or_default();
        *entry = (entry.0 + 1, entry.1 + us);
    }
    let row = |(group, (sessions, us)): (Option<&str>, (u64, u64))| GroupRow {
        consumer_group: group.map(str::to_owned),
        sessions,
        seconds: seconds(us),
        aas: elapsed.filter(|e| *e > 0.0).map(|e| seconds(us) / e),
    };
    let mut rows: Vec<GroupRow> = groups.into_iter().map(row).collect();
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    rows
}
