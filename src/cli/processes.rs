//! `dump --processes` and `dump --resource-limit`: what a dump shows beside sessions.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::args::{DumpArgs, Format};
use super::{Exit, Failure, print};
use crate::analyze::resource_limit::{self, LimitWatch, Usage};
use crate::decode::dates::rfc3339;
use crate::discover::{OsFact, OsProcesses};
use crate::sample::parallel::in_parallel;
use crate::sample::{Attachment, Names, ProcessSnapshot, RowValues, Slots, Snapshot};

/// Time between two looks at the limits.
const LOOK: Duration = Duration::from_secs(1);

/// Columns that the operating system gives.
const OS_COLUMNS: [&str; 7] = [
    "os_alive",
    "os_pid",
    "os_state",
    "os_cpu_s",
    "os_threads",
    "os_start_time",
    "os_cmdline",
];

/// Columns of the table of processes for people.
const PROCESS_TABLE: &[&str] = &[
    "pid",
    "spid",
    "serial_no",
    "role",
    "background",
    "program",
    "pga_used_mem",
    "pga_alloc_mem",
    "os_alive",
    "os_state",
    "os_cpu_s",
    "os_start_time",
];

/// Columns of the table of limits for people.
const LIMIT_TABLE: &[&str] = &[
    "resource_name",
    "current_utilization",
    "limit_value",
    "percent_used",
    "head_room",
    "error_at_limit",
    "observed_maximum",
    "observed_s",
    "trend_per_hour",
    "exhausted_in_s",
];

/// What was asked for beside sessions.
pub struct Parts {
    processes: Option<Vec<RowValues>>,
    limits: Option<Vec<RowValues>>,
    absent: Vec<(String, String)>,
}

impl Parts {
    /// Reads what the arguments ask for; with `--watch` that takes as long.
    ///
    /// # Errors
    /// When the blueprint can't show processes.
    pub fn take(attachment: &Attachment, args: &DumpArgs) -> Result<Parts, Failure> {
        let mut parts = Parts {
            processes: None,
            limits: None,
            absent: Vec::new(),
        };
        if args.resource_limit {
            let [processes, sessions] = watch_limits(attachment, args.watch)?;
            parts.limits = Some([processes, sessions].map(|l| l.to_row().into()).into());
            let absent = resource_limit::ABSENT.iter();
            parts
                .absent
                .extend(absent.map(|(c, why)| (format!("resource_limit.{c}"), (*why).to_owned())));
        }
        if args.processes {
            let snapshot = ProcessSnapshot::take(attachment)?;
            let os = os_processes(attachment);
            let absent = snapshot.absent.iter();
            parts
                .absent
                .extend(absent.map(|(c, why)| (format!("processes.{c}"), why.clone())));
            let mut rows = snapshot.processes;
            let facts = in_parallel(&rows, || (), |(), row| look(&os, row));
            let own = OS_COLUMNS.iter().copied();
            let names = Arc::new(
                rows.first()
                    .map_or_else(Names::default, |r| r.names.with(own)),
            );
            for (row, fact) in rows.iter_mut().zip(facts) {
                if let OsFact::Unknown(why) = &fact
                    && !parts.absent.iter().any(|(c, _)| c == "processes.os_alive")
                {
                    let columns = OS_COLUMNS.iter();
                    parts
                        .absent
                        .extend(columns.map(|c| (format!("processes.{c}"), why.clone())));
                }
                row.values.extend(os_values(row, &fact));
                row.names = names.clone();
            }
            parts.processes = Some(rows);
        }
        Ok(parts)
    }

    /// Whether anything was asked for.
    pub fn asked(&self) -> bool {
        self.processes.is_some() || self.limits.is_some()
    }

    /// Adds the reasons of what is missing to `absent` of a dump's `meta`.
    pub fn explain(&self, meta: &mut Map<String, Json>) {
        if let Some(Json::Object(absent)) = meta.get_mut("absent") {
            let own = self.absent.iter().cloned();
            absent.extend(own.map(|(c, why)| (c, why.into())));
        }
    }

    /// The parts that were asked for, by their names in a dump's document.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &[RowValues])> {
        let all = [
            ("processes", &self.processes),
            ("resource_limit", &self.limits),
        ];
        all.into_iter()
            .filter_map(|(name, rows)| Some((name, rows.as_deref()?)))
    }

    /// Writes the parts alone: tables one after the other; CSV and JSON lines hold one kind of rows,
    /// so there only one may be asked for.
    pub fn write_instead(&self, out: &mut dyn Write, format: Format) -> Result<(), Failure> {
        if format != Format::Table && self.processes.is_some() && self.limits.is_some() {
            return Err(Failure::new(
                Exit::Usage,
                "--processes and --resource-limit are different rows: ask for one of them, or use -f json",
            ));
        }
        for (rows, shown) in [
            (&self.processes, PROCESS_TABLE),
            (&self.limits, LIMIT_TABLE),
        ] {
            let Some(rows) = rows else { continue };
            match format {
                Format::Table => {
                    let rows: Vec<&RowValues> = rows.iter().collect();
                    writeln!(out, "{}", print::table(&rows, shown))?;
                }
                Format::Csv => {
                    let names = rows.first().map(|r| r.names.iter().map(str::to_owned));
                    let all: Vec<String> = names.into_iter().flatten().collect();
                    print::write_csv(out, &rows.iter().collect::<Vec<_>>(), &all)?;
                }
                Format::Json | Format::Jsonl => {
                    for row in rows {
                        serde_json::to_writer(&mut *out, row)?;
                        writeln!(out)?;
                    }
                }
            }
        }
        out.flush()?;
        Ok(())
    }
}

/// The server processes of what is attached.
pub fn os_processes(attachment: &Attachment) -> OsProcesses {
    attachment.os_processes()
}

/// What the operating system says of a process's row.
pub fn look(os: &OsProcesses, row: &RowValues) -> OsFact {
    let spid = row.get("spid").and_then(Json::as_str);
    match spid.map(str::parse) {
        Some(Ok(spid)) => os.look(spid),
        Some(Err(_)) => OsFact::Unknown("SPID is no number".into()),
        None => OsFact::Gone,
    }
}

/// The values of [`OS_COLUMNS`].
fn os_values(row: &RowValues, fact: &OsFact) -> [Json; OS_COLUMNS.len()] {
    let has_spid = row["spid"].is_string();
    let alive = match fact {
        OsFact::Alive(_) => Some(true),
        OsFact::Gone => has_spid.then_some(false),
        OsFact::Unknown(_) => None,
    };
    let mut values = [const { Json::Null }; OS_COLUMNS.len()];
    values[0] = alive.into();
    if let OsFact::Alive(os) = fact {
        let found: [Json; OS_COLUMNS.len() - 1] = [
            os.pid.into(),
            os.state.to_string().into(),
            os.cpu_s.into(),
            os.threads.into(),
            os.started_at.map(rfc3339).into(),
            os.cmdline.clone().into(),
        ];
        values[1..].clone_from_slice(&found);
    }
    values
}

/// The use of both limits now: processes, sessions.
pub fn usage(processes: &ProcessSnapshot, sessions: &Snapshot) -> [Usage; 2] {
    let number = |key: &str| sessions.meta.get(key).and_then(Json::as_u64).unwrap_or(0);
    [
        Usage {
            name: "processes",
            current: processes.processes.len() as u64,
            limit: processes.slots as u64,
        },
        Usage {
            name: "sessions",
            current: number("in_use"),
            limit: number("slots"),
        },
    ]
}

fn watch_limits(
    attachment: &Attachment,
    time: Option<Duration>,
) -> Result<[LimitWatch; 2], Failure> {
    let look = || -> Result<[Usage; 2], Failure> {
        let used = |name, slots: Slots| Usage {
            name,
            current: slots.used,
            limit: slots.all,
        };
        Ok([
            used("processes", Slots::of_processes(attachment)?),
            used("sessions", Slots::of_sessions(attachment)?),
        ])
    };
    let mut watches = look()?.map(LimitWatch::new);
    let start = std::time::Instant::now();
    for n in 1.. {
        let due = LOOK * n;
        if time.is_none_or(|time| due > time) {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        if !attachment.still_named() {
            return Err(Failure::new(
                Exit::NoInstance,
                format!(
                    "instance {} went away while it was watched",
                    attachment.name
                ),
            ));
        }
        let seconds = start.elapsed().as_secs_f64();
        for (watch, usage) in watches.iter_mut().zip(look()?) {
            watch.push(seconds, usage);
        }
    }
    Ok(watches)
}
