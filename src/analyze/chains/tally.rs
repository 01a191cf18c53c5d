//! Time by chain and by final blocker, over many looks.
//!
//! Every active session begins a chain in every look, as in ash_wait_chains: one that waits for
//! nobody is a chain of itself. Time is the sum of the samples' own weights. Callers: `cli`.

use std::collections::HashMap;

use arrow::array::RecordBatch;

use super::batches::{Columns, Details, NEEDED, Texts, WANTED};
use super::follow::{End, Links, SHOWN_DEPTH, Way, follow};
use super::graph::{Next, Route, Session, edges};
use super::labels::{EVENT2, PROGRAM2};
use super::table::{ChainRow, ChainTable, ChainsMeta, FinalBlocker, FinalRow, Node};
use crate::analyze::cube::{Sparse, add_to, step_of};
use crate::analyze::error::AnalyzeError;
use crate::analyze::filter::{Filter, column_name};
use crate::analyze::report::{ReportOptions, report_recording};
use crate::analyze::timeline::Steps;
use crate::record::{Reader, RecordError, ScanOptions};

/// What chains are made of, and which.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChainsOptions {
    /// Columns that stand for a session, beside those of samples `program2` and `event2`.
    pub groups: Vec<String>,
    /// Conditions on the session at the head of a chain.
    pub filters: Vec<Filter>,
    /// First `sample_time` wanted, microseconds since 1970-01-01 UTC.
    pub from_us: Option<i64>,
    /// First `sample_time` no longer wanted, microseconds since 1970-01-01 UTC.
    pub to_us: Option<i64>,
    /// Chains, and final blockers, of the result; all if `None`.
    pub top: Option<usize>,
    /// Only this instance of a recording; all if `None`.
    pub instance: Option<String>,
    /// Steps in which time is wanted too.
    pub steps: Option<Steps>,
}

/// Chains of a recording. Idle blockers are in it only if it was made with idle sessions.
///
/// # Errors
/// [`AnalyzeError::Record`] if the recording can't be read or lacks a column, and as [`Chains::add`].
pub fn chains_recording(
    reader: &Reader,
    options: &ChainsOptions,
) -> Result<ChainTable, AnalyzeError> {
    let mut chains = Chains::new(options.clone());
    let window = ReportOptions {
        groups: vec!["session_kind".into()],
        from_us: options.from_us,
        to_us: options.to_us,
        instance: options.instance.clone(),
        ..ReportOptions::default()
    };
    let watched = report_recording(reader, &window)?.meta;
    let known = match reader.schema("samples") {
        Ok(schema) => schema,
        // an idle instance: ticks, but no sample ever
        Err(RecordError::NoTable { .. }) => return Ok(chains.finish(watched.elapsed_seconds)),
        Err(error) => return Err(error.into()),
    };
    let mut columns: Vec<String> = NEEDED.map(str::to_owned).to_vec();
    for name in WANTED {
        match known.column_with_name(name) {
            Some(_) => columns.push(name.to_owned()),
            None => chains.absent(name, "the recording has no such column"),
        }
    }
    columns.extend(chains.own_columns());
    let mut unique: Vec<String> = Vec::new();
    for name in columns {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    for (host, instance) in reader.instances("samples")? {
        if options.instance.as_ref().is_some_and(|i| *i != instance) {
            continue;
        }
        let scan = ScanOptions {
            from_us: options.from_us,
            to_us: options.to_us,
            columns: Some(unique.clone()),
            host: Some(host),
            instance: Some(instance),
        };
        for batch in reader.scan("samples", &scan)?.in_order() {
            chains.add(&batch?)?;
        }
        chains.close();
    }
    chains.meta.ticks = watched.ticks;
    chains.meta.forced = reader.recording().forced();
    Ok(chains.finish(watched.elapsed_seconds))
}

/// Chains being summed up.
pub struct Chains {
    options: ChainsOptions,
    texts: Texts,
    links: Links,
    look: Look,
    tallies: HashMap<u32, Tally>,
    finals: HashMap<FinalKey, Ended>,
    meta: ChainsMeta,
}

/// The look whose rows are being collected: a tick's rows come together.
#[derive(Default)]
struct Look {
    key: Option<(u64, i64)>,
    weight_us: u64,
    sessions: Vec<Session>,
    details: Vec<Details>,
}

/// A session as it was last seen.
#[derive(Clone, Copy)]
struct Seen {
    sid: u32,
    serial_no: u32,
    details: Details,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum FinalKey {
    /// SID, SERIAL#, whether idle: the time behind a session while it idles is told apart.
    Session(u32, u32, bool),
    /// Instance if another one, SID.
    Elsewhere(Option<u32>, u32),
    Unknown,
    Cycle,
}

/// Time of the sessions whose chain ends somewhere.
#[derive(Default)]
struct Ended {
    weight_us: u64,
    samples: u64,
    last: Option<Seen>,
    first_us: i64,
    last_us: i64,
    sums: Sparse,
}

struct Tally {
    weight_us: u64,
    samples: u64,
    first_us: i64,
    last_us: i64,
    ends: HashMap<FinalKey, Ended>,
    nodes: Vec<Seen>,
    sums: Sparse,
}

impl Chains {
    /// No look yet.
    pub fn new(mut options: ChainsOptions) -> Chains {
        for name in &mut options.groups {
            *name = column_name(name);
        }
        Chains {
            options,
            texts: Texts::default(),
            links: Links::default(),
            look: Look::default(),
            tallies: HashMap::new(),
            finals: HashMap::new(),
            meta: ChainsMeta::default(),
        }
    }

    /// Columns of samples that the groups and filters need.
    fn own_columns(&self) -> Vec<String> {
        let groups = self.options.groups.iter();
        let stored = groups.filter(|name| ![PROGRAM2, EVENT2].contains(&name.as_str()));
        let filters = self.options.filters.iter().map(|f| &f.column);
        stored.chain(filters).cloned().collect()
    }

    /// Notes that a column can't be had, and why; only those that chains want are kept.
    pub fn absent(&mut self, column: &str, why: &str) {
        if WANTED.contains(&column) {
            self.meta.absent.insert(column.to_owned(), why.to_owned());
        }
    }

    /// Adds samples in the order of their ticks, of one instance until [`Chains::close`].
    ///
    /// # Errors
    /// [`AnalyzeError::NoColumn`] or [`AnalyzeError::ColumnType`] if a column that chains, groups or
    /// filters need is not there or not of its type.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), AnalyzeError> {
        let groups = self.options.groups.clone();
        let filters = self.options.filters.clone();
        let mut columns = Columns::of(batch, &groups, &filters)?;
        for row in 0..batch.num_rows() {
            let key = (columns.sample_id.get(row), columns.time.value(row));
            if self.look.key != Some(key) {
                self.close();
                self.look.key = Some(key);
                self.look.weight_us = columns.weight.get(row);
            }
            let (session, details) = columns.session(row, &mut self.texts, &mut self.links);
            self.look.sessions.push(session);
            self.look.details.push(details);
        }
        Ok(())
    }

    /// Counts the look whose rows were added last. [`Chains::finish`] does it too.
    pub fn close(&mut self) {
        let look = std::mem::take(&mut self.look);
        let Some((_, time_us)) = look.key else {
            return;
        };
        let next = edges(&look.sessions);
        let labels = self.labels(&look, &next);
        let ways = follow(&next, &mut self.links, &|i| {
            labels.get(i).copied().unwrap_or(0)
        });
        self.meta.looks += 1;
        self.meta.first_us = Some(self.meta.first_us.map_or(time_us, |t| t.min(time_us)));
        self.meta.last_us = Some(self.meta.last_us.map_or(time_us, |t| t.max(time_us)));
        for (i, way) in ways.iter().enumerate() {
            if let (true, Some(way)) = (look.details[i].head, way) {
                self.count(&look, &next, i, *way, time_us);
            }
        }
    }

    /// Each session's label; an idle one that others wait for is named.
    fn labels(&mut self, look: &Look, next: &[Next]) -> Vec<u32> {
        let mut labels: Vec<u32> = look.details.iter().map(|d| d.label).collect();
        for step in next {
            let Next::Session(i, _) = *step else { continue };
            let (session, details) = (&look.sessions[i], &look.details[i]);
            if !details.active {
                let program = self.texts.get(details.program);
                let text = format!(
                    "[idle blocker {},{}{}]",
                    session.sid,
                    session.serial_no,
                    program.map_or(String::new(), |p| format!(" ({p})"))
                );
                labels[i] = self.links.label(&text);
            }
        }
        labels
    }

    fn count(&mut self, look: &Look, next: &[Next], i: usize, way: Way, time_us: i64) {
        let seen = |i: usize| Seen {
            sid: look.sessions[i].sid,
            serial_no: look.sessions[i].serial_no,
            details: look.details[i],
        };
        let (key, last) = match way.end {
            End::Session(last) => {
                let last = seen(last);
                let idle = !last.details.active;
                (
                    FinalKey::Session(last.sid, last.serial_no, idle),
                    Some(last),
                )
            }
            End::Elsewhere(instance, sid) => (FinalKey::Elsewhere(instance, sid), None),
            End::Unknown => (FinalKey::Unknown, None),
            End::Cycle(_) => (FinalKey::Cycle, None),
        };
        let weight_us = look.weight_us;
        let blocked = next[i] != Next::Nobody;
        self.meta.total_us += weight_us;
        let step = self.options.steps.map(|steps| step_of(&steps, time_us));
        if blocked {
            self.meta.blocked_us += weight_us;
            let end = add(&mut self.finals, key, weight_us, last);
            end.last_us = time_us.max(end.last_us);
            end.first_us = time_us.min(end.first_us);
            if let Some(step) = step {
                add_to(&mut end.sums, step, weight_us);
            }
        }
        let tally = self.tallies.entry(way.chain).or_insert_with(|| Tally {
            weight_us: 0,
            samples: 0,
            first_us: time_us,
            last_us: time_us,
            ends: HashMap::new(),
            nodes: path(next, i).into_iter().map(seen).collect(),
            sums: Sparse::new(),
        });
        if let Some(step) = step {
            add_to(&mut tally.sums, step, weight_us);
        }
        tally.weight_us += weight_us;
        tally.samples += 1;
        tally.first_us = tally.first_us.min(time_us);
        tally.last_us = tally.last_us.max(time_us);
        if blocked {
            add(&mut tally.ends, key, weight_us, last);
        }
    }

    /// The result: the chains, and the final blockers, with the most time first. `watched_seconds`:
    /// how long was watched, without which there is no AAS.
    pub fn finish(mut self, watched_seconds: Option<f64>) -> ChainTable {
        self.close();
        let watched = watched_seconds.filter(|s| *s > 0.0);
        self.meta.elapsed_seconds = watched;
        self.meta.chains_total = self.tallies.len() as u64;
        let top = self.options.top.unwrap_or(usize::MAX);
        let share = |us: u64, of: u64| match of {
            0 => 0.0,
            of => 100.0 * us as f64 / of as f64,
        };
        let mut tallies: Vec<(String, u32, &Tally)> = self
            .tallies
            .iter()
            .map(|(chain, tally)| (self.links.text(*chain), *chain, tally))
            .collect();
        tallies.sort_by(|a, b| (b.2.weight_us.cmp(&a.2.weight_us)).then_with(|| a.0.cmp(&b.0)));
        tallies.truncate(top);
        let chains = tallies
            .into_iter()
            .map(|(text, chain, tally)| ChainRow {
                pct: share(tally.weight_us, self.meta.total_us),
                seconds: seconds(tally.weight_us),
                aas: watched.map(|w| seconds(tally.weight_us) / w),
                chain: text,
                nodes: tally.nodes.iter().map(|n| self.node(n)).collect(),
                final_blocker: most(&tally.ends).map(|(key, end)| self.blocker(key, end)),
                final_blockers: tally.ends.len() as u64,
                cycle: self.links.shape(chain).cycle,
                depth: self.links.shape(chain).depth as u64,
                routes: routes(self.links.shape(chain).routes),
                first_seen_us: tally.first_us,
                last_seen_us: tally.last_us,
                samples: tally.samples,
                sums: tally.sums.clone(),
            })
            .collect();
        let mut finals: Vec<(&FinalKey, &Ended)> = self.finals.iter().collect();
        finals.sort_by(|a, b| (b.1.weight_us.cmp(&a.1.weight_us)).then_with(|| a.0.cmp(b.0)));
        finals.truncate(top);
        let finals = finals
            .into_iter()
            .map(|(key, end)| FinalRow {
                pct: share(end.weight_us, self.meta.blocked_us),
                seconds: seconds(end.weight_us),
                aas: watched.map(|w| seconds(end.weight_us) / w),
                final_blocker: self.blocker(*key, end),
                samples: end.samples,
                first_seen_us: end.first_us,
                last_seen_us: end.last_us,
                sums: end.sums.clone(),
            })
            .collect();
        ChainTable {
            meta: self.meta,
            groups: self.options.groups,
            chains,
            finals,
        }
    }

    fn node(&self, seen: &Seen) -> Node {
        let text = |number: u32| self.texts.get(number).map(str::to_owned);
        let details = &seen.details;
        Node {
            sid: seen.sid,
            serial_no: seen.serial_no,
            username: text(details.username),
            event: text(details.event),
            sql_id: text(details.sql_id),
            state: text(details.state),
        }
    }

    fn blocker(&self, key: FinalKey, end: &Ended) -> FinalBlocker {
        let text = |number: u32| self.texts.get(number).map(str::to_owned);
        match (key, &end.last) {
            (FinalKey::Session(..), Some(seen)) => FinalBlocker::Session {
                sid: seen.sid,
                serial_no: seen.serial_no,
                idle: !seen.details.active,
                status: text(seen.details.status),
                username: text(seen.details.username),
                program: text(seen.details.program),
                machine: text(seen.details.machine),
                last_call_et: seen.details.last_call_et,
            },
            (FinalKey::Session(sid, ..), None) => FinalBlocker::Elsewhere {
                instance: None,
                sid,
            },
            (FinalKey::Elsewhere(instance, sid), _) => FinalBlocker::Elsewhere { instance, sid },
            (FinalKey::Cycle, _) => FinalBlocker::Cycle,
            (FinalKey::Unknown, _) => FinalBlocker::Unknown,
        }
    }
}

fn add(
    ends: &mut HashMap<FinalKey, Ended>,
    key: FinalKey,
    weight_us: u64,
    last: Option<Seen>,
) -> &mut Ended {
    let end = ends.entry(key).or_insert_with(|| Ended {
        first_us: i64::MAX,
        last_us: i64::MIN,
        ..Ended::default()
    });
    end.weight_us += weight_us;
    end.samples += 1;
    end.last = last.or(end.last);
    end
}

fn most(ends: &HashMap<FinalKey, Ended>) -> Option<(FinalKey, &Ended)> {
    let most = ends
        .iter()
        .max_by_key(|(key, end)| (end.weight_us, std::cmp::Reverse(**key)))?;
    Some((*most.0, most.1))
}

/// The sessions on the way from one, as many as a chain's text shows; a ring is entered once.
fn path(next: &[Next], from: usize) -> Vec<usize> {
    let mut path = vec![from];
    let mut at = from;
    while let Next::Session(i, _) = next[at] {
        if path.contains(&i) || path.len() == SHOWN_DEPTH {
            break;
        }
        path.push(i);
        at = i;
    }
    path
}

fn routes(bits: u8) -> Vec<Route> {
    let set = |route: &Route| bits & route.bit() != 0;
    Route::ALL.into_iter().filter(set).collect()
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
