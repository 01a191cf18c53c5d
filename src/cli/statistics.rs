//! The statistics part of `dump`: `--stats` and `--session-io`.
//!
//! Not for: reading or adding up (that is `sample`, `decode`).

use std::io::Write;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::args::DumpArgs;
use super::{Exit, Failure, table};
use crate::decode::statistics::SESSION_IO;
use crate::plan::{Asked, StatisticPlan};
use crate::sample::{Attachment, RowValues, Snapshot, StatisticTable};

/// Unknown names that a message lists.
const LISTED: usize = 5;

/// The counters of these statistics.
///
/// # Errors
/// A name that no statistic of the instance has.
pub(super) fn statistic_plan(
    attachment: &Attachment,
    names: Vec<String>,
) -> Result<StatisticPlan, Failure> {
    compiled(attachment, &Asked::Names(names))
}

fn compiled(attachment: &Attachment, asked: &Asked) -> Result<StatisticPlan, Failure> {
    let plan = StatisticPlan::compile(&attachment.blueprint, &attachment.accepted, asked);
    plan.map_err(|unknown| {
        let some: Vec<String> = unknown
            .iter()
            .take(LISTED)
            .map(|n| format!("{n:?}"))
            .collect();
        let message = format!(
            "no statistic {} in this release; --stats all lists those of its sessions",
            some.join(", ")
        );
        Failure::new(Exit::Usage, message)
    })
}

/// What `--stats` and `--session-io` ask for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `--stats`, if given.
    listed: Option<Asked>,
    /// `--session-io`.
    session_io: bool,
}

impl Wanted {
    /// From the arguments.
    pub fn of(args: &DumpArgs) -> Wanted {
        let names = || args.stats.iter().map(|n| n.trim().to_owned()).collect();
        let listed = match args.stats.as_slice() {
            [] => None,
            [all] if all.eq_ignore_ascii_case("all") => Some(Asked::All),
            _ => Some(Asked::Names(names())),
        };
        Wanted {
            listed,
            session_io: args.session_io,
        }
    }

    /// Columns that sessions get.
    pub fn columns(&self) -> impl Iterator<Item = String> {
        let all = SESSION_IO.iter().filter(|_| self.session_io);
        all.map(|c| c.name.to_owned())
    }

    /// The counters to read, if any.
    ///
    /// # Errors
    /// A name that no statistic of the instance has.
    pub fn plan(&self, attachment: &Attachment) -> Result<Option<StatisticPlan>, Failure> {
        let known = &attachment.blueprint.dictionaries.statistics;
        let io = SESSION_IO.iter().filter(|_| self.session_io);
        // a column whose statistic the release doesn't have is absent, not wrong
        let io = io.filter(|c| known.iter().any(|s| s.name == c.statistic));
        let asked = match &self.listed {
            None if !self.session_io => return Ok(None),
            Some(Asked::All) => Asked::All,
            Some(Asked::Names(names)) => {
                let io = io.map(|c| c.statistic.to_owned());
                Asked::Names(names.iter().cloned().chain(io).collect())
            }
            None => Asked::Names(io.map(|c| c.statistic.to_owned()).collect()),
        };
        compiled(attachment, &asked).map(Some)
    }

    /// Adds the columns of `--session-io` to the sessions, and the reasons of those that can't be
    /// had.
    pub fn add_columns(&self, snapshot: &mut Snapshot) {
        let Some(statistics) = snapshot.statistics.as_ref().filter(|_| self.session_io) else {
            return;
        };
        let Some(first) = snapshot.sessions.first() else {
            return;
        };
        let own = SESSION_IO.iter().map(|c| c.name);
        let names = Arc::new(first.names.with(own));
        let at: Vec<_> = SESSION_IO
            .iter()
            .map(|c| statistics.plan.position(c.statistic))
            .collect();
        for (i, session) in snapshot.sessions.iter_mut().enumerate() {
            let values = statistics.of(i);
            let value =
                |at: &Option<usize>| at.zip(values).map(|(at, values)| values.get(at)).into();
            session.names = names.clone();
            session.values.extend(at.iter().map(value));
        }
        for (column, at) in SESSION_IO.iter().zip(at) {
            if at.is_none()
                && let Some(Json::Object(absent)) = snapshot.meta.get_mut("absent")
            {
                let why = statistics.why_absent(column.statistic);
                absent.insert(column.name.to_owned(), why.into());
            }
        }
    }

    /// Whether `--stats` was given.
    pub fn lists(&self) -> bool {
        self.listed.is_some()
    }

    /// What `--stats` shows of a snapshot; `None`: it wasn't asked for.
    pub fn listed<'a>(&self, snapshot: &'a Snapshot) -> Option<Listed<'a>> {
        let table = snapshot.statistics.as_ref()?;
        let counters = &table.plan.counters;
        let place = |name: &String| {
            let mut all = counters.iter();
            all.position(|c| c.name.eq_ignore_ascii_case(name))
        };
        let positions = match self.listed.as_ref()? {
            Asked::All => None,
            Asked::Names(names) => Some(names.iter().filter_map(place).collect()),
        };
        Some(Listed { table, positions })
    }
}

/// The statistics that `--stats` shows.
pub struct Listed<'a> {
    table: &'a StatisticTable,
    /// Those named; `None`: all.
    positions: Option<Vec<usize>>,
}

impl<'a> Listed<'a> {
    /// Name and value of each statistic of session `i`; `None`: they can't be read. Of all, those
    /// that aren't 0.
    pub fn of(&self, i: usize) -> Option<impl Iterator<Item = (&'a str, u64)> + '_> {
        let none = self.table.plan.absent.contains_key("");
        let values = self.table.of(i).filter(|_| !none)?;
        let counters = &self.table.plan.counters;
        let named = self.positions.iter().flatten();
        let named = named.map(move |at| (*at, values.get(*at)));
        let all = self.positions.is_none().then(|| values.non_zero());
        let both = named.chain(all.into_iter().flatten());
        Some(both.map(|(at, value)| (counters[at].name.as_str(), value)))
    }

    /// The long list: a line for each statistic of each session.
    pub fn write(
        &self,
        out: &mut dyn Write,
        snapshot: &Snapshot,
        sessions: &[usize],
        csv: bool,
    ) -> Result<(), Failure> {
        let headers = ["sid", "serial_no", "statistic", "value"];
        let mut shown = table::new(&headers);
        if csv {
            writeln!(out, "{}", headers.join(","))?;
        }
        for &i in sessions {
            let session = &snapshot.sessions[i];
            let (sid, serial) = (&session["sid"], &session["serial_no"]);
            for (name, value) in self.of(i).into_iter().flatten() {
                if csv {
                    writeln!(
                        out,
                        "{sid},{serial},{},{value}",
                        super::print::csv_cell(name)
                    )?;
                } else {
                    let cells = [sid.to_string(), serial.to_string(), name.to_owned()];
                    shown.add_row(cells.into_iter().chain([value.to_string()]));
                }
            }
        }
        if !csv {
            table::right(&mut shown, &[0, 1, 3]);
            write!(out, "{}", table::render(&shown))?;
        }
        Ok(())
    }
}

/// A session as one JSON object: the shown columns, then `statistics` if they were asked for.
pub struct SessionJson<'a> {
    /// Its values.
    pub row: &'a RowValues,
    /// Columns to show, and their places among the values.
    pub columns: &'a [(String, Option<usize>)],
    /// Its place in the snapshot.
    pub index: usize,
    /// What `--stats` shows.
    pub listed: Option<&'a Listed<'a>>,
}

impl Serialize for SessionJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, place) in self.columns {
            let value = place.and_then(|at| self.row.values.get(at));
            map.serialize_entry(column, value.unwrap_or(&Json::Null))?;
        }
        if let Some(listed) = self.listed {
            map.serialize_entry("statistics", &Statistics(listed, self.index))?;
        }
        map.end()
    }
}

struct Statistics<'a>(&'a Listed<'a>, usize);

impl Serialize for Statistics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.of(self.1) {
            Some(values) => serializer.collect_map(values),
            None => serializer.serialize_none(),
        }
    }
}
