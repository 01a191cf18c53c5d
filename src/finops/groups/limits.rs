//! Calls of a recording that would have passed a plan directive's limits.
//!
//! Callers: `cli`.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::blockers::{Blocked, Blockers};
use super::calls::{Open, Run, idle_between};
use super::counters::Counters;
use super::evaluate::{notes, time};
use super::follow::{Declared, Key, Sessions};
pub use super::judged::{LimitRow, LimitSum, Limits};
use super::judged::{own_notes, summed};
use super::rows::{Row, Window, scan};
use crate::analyze::AnalyzeError;
use crate::analyze::columns::times;
use crate::analyze::texts::Texts;
use crate::finops::directives::judge::{Bounds, Passed, Usage, passed, untold};
use crate::finops::directives::{Action, Directive, Scope};
use crate::record::{Reader, RecordError, ScanOptions};

/// Host and instance.
type Source = (String, String);

/// When the ticks of a source were, µs since the epoch.
type Ticks = (Source, Rc<[i64]>);

/// Times of the ticks of each source.
fn ticks(reader: &Reader, window: &Window) -> Result<Vec<Ticks>, AnalyzeError> {
    let wanted = |(_, i): &(String, String)| window.instance.as_ref().is_none_or(|w| w == i);
    let mut all = Vec::new();
    for (host, instance) in reader.instances("samples")?.into_iter().filter(wanted) {
        let options = ScanOptions {
            from_us: window.from_us,
            to_us: window.to_us,
            columns: Some(vec!["sample_time".into()]),
            host: Some(host.clone()),
            instance: Some(instance.clone()),
        };
        let mut found: Vec<i64> = Vec::new();
        match reader.scan("ticks", &options) {
            Ok(scan) => {
                for batch in scan {
                    found.extend_from_slice(times(&batch?, "sample_time")?.values());
                }
            }
            Err(RecordError::NoTable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        found.sort_unstable();
        found.dedup();
        all.push(((host, instance), found.into()));
    }
    Ok(all)
}

/// What is known of a session on its way through the recording.
#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Where the open run began.
    group: Option<String>,
    /// Where a limit has put it.
    switched: Option<String>,
    killed: bool,
    /// Consumption since its last switch.
    sum: Usage,
    sum_from_us: Option<i64>,
    /// Limits of sessions that were told of.
    told: BTreeSet<(&'static str, bool)>,
    last_active: Option<usize>,
}

/// A limit of a directive.
type Allowed = fn(&Directive) -> Option<u64>;

struct Judging<'a> {
    declared: &'a Declared,
    ticks: Vec<Rc<[i64]>>,
    counters: Counters,
    sessions: Sessions<'a>,
    states: Vec<State>,
    keys: Vec<Key>,
    found: Limits,
    untold: BTreeSet<&'static str>,
    foreign: u64,
    blockers: Blockers,
}

/// Judges the calls of a recording.
///
/// # Errors
/// The recording can't be read, or lacks a column.
pub fn limits(
    reader: &Reader,
    declared: &Declared,
    window: &Window,
) -> Result<Limits, AnalyzeError> {
    let (sources, ticks): (Vec<_>, Vec<_>) = ticks(reader, window)?.into_iter().unzip();
    let mut texts = Texts::default();
    let mut judging = Judging {
        declared,
        counters: Counters::read(reader, window, &sources)?,
        sessions: Sessions::new(vec![declared]),
        states: Vec::new(),
        keys: Vec::new(),
        found: Limits {
            longest_period_s: longest_period_s(&ticks),
            ..Limits::default()
        },
        untold: BTreeSet::new(),
        foreign: 0,
        blockers: Blockers::default(),
        ticks,
    };
    let known = scan(
        reader,
        window,
        &mut texts,
        |source, instance, row, texts, known| {
            let (place, switches) = judging.sessions.see((source, instance), &row, texts, known);
            judging
                .states
                .resize_with(judging.sessions.all.len(), State::default);
            if place == judging.keys.len() {
                judging.keys.push((source, row.sid, row.serial_no));
            }
            if !switches.is_empty() {
                let state = &mut judging.states[place];
                // every switch sets what a session used in its group to zero
                (state.switched, state.sum, state.sum_from_us) = (None, Usage::default(), None);
            }
            judging.row(place, source, row, texts);
        },
    )?;
    judging.finish(&texts);
    let mut found = judging.found;
    found.notes = notes(declared, known.unknown, true);
    found
        .notes
        .extend(own_notes(declared, &judging.untold, judging.foreign));
    found.sums = summed(&found.passed);
    Ok(found)
}

fn longest_period_s(ticks: &[Rc<[i64]>]) -> f64 {
    let pauses = ticks.iter().flat_map(|t| t.windows(2).map(|w| w[1] - w[0]));
    pauses.max().unwrap_or(0) as f64 / 1e6
}

impl Judging<'_> {
    fn row(&mut self, place: usize, source: usize, row: Row, texts: &Texts) {
        let ticks = &*Rc::clone(&self.ticks[source]);
        let Ok(tick) = ticks.binary_search(&row.time_us) else {
            // from elsewhere (record import): nobody knows what was looked at when
            self.foreign += 1;
            return;
        };
        if let Some(ended) = self.blockers.see(source, tick, &row, place, ticks) {
            self.blocked(&ended);
        }
        if !row.active {
            return;
        }
        let state = &mut self.states[place];
        let last = state.last_active.replace(tick);
        match &mut state.open {
            Some(open) if open.last == tick => {}
            Some(open) if open.last + 1 == tick => open.go_on(tick, row, ticks),
            open => {
                let ended = open.replace(Open::begin(tick, row));
                let idle = last.and_then(|last| Some((last, idle_between(last, tick, ticks)?)));
                let now = self.sessions.all[place].trackers[0].now();
                let mapped = now.runs_in.clone();
                let began_in = std::mem::replace(&mut state.group, mapped);
                if let Some(open) = ended {
                    let run = open.finish(ticks);
                    self.run(place, &run, began_in, texts);
                }
                if let Some((last, idle)) = idle {
                    let span = (self.ticks[source][last], row.time_us);
                    self.idle(place, idle, span);
                }
            }
        }
    }

    fn finish(&mut self, texts: &Texts) {
        for place in 0..self.states.len() {
            let (source, ..) = self.keys[place];
            let state = &mut self.states[place];
            let group = state.group.take();
            if let Some(open) = state.open.take() {
                let run = open.finish(&self.ticks[source]);
                self.run(place, &run, group, texts);
            }
        }
        for ended in self.blockers.finish(&self.ticks) {
            self.blocked(&ended);
        }
    }

    /// The directive of the group that a session is in: where a limit put it, else where rules do.
    fn directive(&self, place: usize, mapped: Option<String>) -> Option<(String, Directive)> {
        let group = self.states[place].switched.clone().or(mapped)?;
        let directive = self.declared.plans.of(&group)?.clone();
        Some((group, directive))
    }

    /// A run of active looks is over.
    fn run(&mut self, place: usize, run: &Run, mapped: Option<String>, texts: &Texts) {
        if self.states[place].killed {
            self.found.after_kill += 1;
            return;
        }
        self.found.runs += 1;
        self.found.cut += u64::from(run.cut);
        let Some((group, directive)) = self.directive(place, mapped) else {
            return;
        };
        let usage = self.counters.usage(self.keys[place], run);
        self.untold.extend(untold(&directive, &usage));
        let of_call = directive.switch_for_call || self.declared.scope == Scope::Call;
        let (judged, span, used) = match of_call {
            true => ("call", run.outer_us, usage),
            false => {
                let state = &mut self.states[place];
                state.sum = added(&state.sum, &usage);
                let from = *state.sum_from_us.get_or_insert(run.outer_us.0);
                ("session", (from, run.outer_us.1), state.sum)
            }
        };
        let all = passed(&directive, &used);
        for one in &all {
            // what a session used stays used: it is told once
            let news = of_call || self.states[place].told.insert((one.limit, one.certain));
            if news {
                let sql_id = texts.get(run.sql_id).map(str::to_owned);
                self.tell(place, one, (judged, span), (&group, &directive), sql_id);
            }
        }
        if all.iter().any(|one| one.certain) {
            self.act(place, &directive);
        }
    }

    /// What a limit that was passed does to the session's way on.
    fn act(&mut self, place: usize, directive: &Directive) {
        match directive.action() {
            Some(Action::KillSession) => self.states[place].killed = true,
            Some(Action::Switch(to)) if !directive.switch_for_call && self.may(place, &to) => {
                let state = &mut self.states[place];
                state.switched = Some(to);
                (state.sum, state.sum_from_us) = (Usage::default(), None);
                state.told.clear();
            }
            _ => {}
        }
    }

    fn may(&self, place: usize, group: &str) -> bool {
        let user = self.sessions.all[place].session.oracle_user.as_deref();
        self.declared.rules.privileges.may_switch(user, group)
    }

    fn tell(
        &mut self,
        place: usize,
        one: &Passed,
        (judged, span): (&'static str, (i64, i64)),
        (group, directive): (&str, &Directive),
        sql_id: Option<String>,
    ) {
        let (action, remark) = match directive.action() {
            None => ("(nothing)".to_owned(), "the directive has no SWITCH_GROUP"),
            Some(Action::Switch(to)) if !self.may(place, &to) => {
                (to, "it stays: no switch privilege")
            }
            Some(action) => {
                let remark = match (&action, directive.switch_for_call) {
                    (Action::Switch(_), true) => "until the call ends",
                    _ => "",
                };
                (action.word().to_owned(), remark)
            }
        };
        self.push(place, one, (judged, span), group, sql_id, (action, remark));
    }

    fn push(
        &mut self,
        place: usize,
        one: &Passed,
        (judged, span): (&'static str, (i64, i64)),
        group: &str,
        sql_id: Option<String>,
        (action, remark): (String, &'static str),
    ) {
        let followed = &self.sessions.all[place];
        self.found.passed.push(LimitRow {
            instance_name: followed.instance.clone(),
            sid: followed.sid,
            serial_no: followed.serial_no,
            username: followed.session.oracle_user.clone(),
            sql_id,
            consumer_group: group.to_owned(),
            judged,
            from: time(span.0),
            to: time(span.1),
            limit: one.limit,
            allowed: one.allowed,
            at_least: one.used.at_least,
            at_most: one.used.at_most,
            certain: one.certain,
            action,
            remark,
        });
    }

    /// A session was seen idle between two runs.
    fn idle(&mut self, place: usize, used: Bounds, span: (i64, i64)) {
        let mapped = self.sessions.all[place].trackers[0].now().runs_in.clone();
        let allowed: Allowed = |d| d.max_idle_time;
        self.idle_limit(
            place,
            mapped,
            ("idle time", "MAX_IDLE_TIME", allowed),
            used,
            span,
        );
    }

    /// A session was idle while others waited for it.
    fn blocked(&mut self, ended: &Blocked) {
        let Some(place) = ended.place else {
            return;
        };
        let mapped = self.sessions.all[place].trackers[0].now().runs_in.clone();
        let allowed: Allowed = |d| d.max_idle_blocker_time;
        let what = ("idle while blocking", "MAX_IDLE_BLOCKER_TIME", allowed);
        self.idle_limit(place, mapped, what, ended.used, ended.span);
    }

    fn idle_limit(
        &mut self,
        place: usize,
        mapped: Option<String>,
        (judged, limit, allowed): (&'static str, &'static str, Allowed),
        used: Bounds,
        span: (i64, i64),
    ) {
        let Some((group, directive)) = self.directive(place, mapped) else {
            return;
        };
        let passes = |allowed: &u64| used.at_most > *allowed as f64;
        let Some(allowed) = allowed(&directive).filter(passes) else {
            return;
        };
        // a call shorter than the period, or a sleep within a call, would look the same
        let one = Passed {
            limit,
            allowed,
            used,
            certain: false,
        };
        let what = (
            "KILL_SESSION".to_owned(),
            "unless it called between two looks",
        );
        self.push(place, &one, (judged, span), &group, None, what);
    }
}

/// Two consumptions together; what one of them doesn't tell the sum doesn't either.
fn added(sum: &Usage, more: &Usage) -> Usage {
    let first = *sum == Usage::default();
    let add = |a: Option<Bounds>, b: Option<Bounds>| match (a, b) {
        (Some(a), Some(b)) => Some(Bounds {
            at_least: a.at_least + b.at_least,
            at_most: a.at_most + b.at_most,
        }),
        (None, b) if first => b,
        _ => None,
    };
    Usage {
        cpu_s: add(sum.cpu_s, more.cpu_s),
        elapsed_s: add(sum.elapsed_s, more.elapsed_s),
        io_megabytes: add(sum.io_megabytes, more.io_megabytes),
        io_reqs: add(sum.io_reqs, more.io_reqs),
        io_logical: add(sum.io_logical, more.io_logical),
    }
}
