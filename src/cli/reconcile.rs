//! `reconcile`: gathers both sides, judges, prints. It sends no signal and runs no statement.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;

use serde_json::{Value as Json, json};

use super::args::{Format, ReconcileArgs, SeverityArg};
use super::processes::{look, os_processes, usage};
use super::{Exit, Failure};
use crate::analyze::chains;
use crate::analyze::reconcile::{
    CleanUp, Finding, Observation, Policy, ProcessFacts, SessionFacts, Severity, advice, confirmed,
    judge,
};
use crate::analyze::resource_limit::LimitWatch;
use crate::blueprint::{Blueprint, Hints};
use crate::discover::{OsFact, OsProcesses};
use crate::sample::snapshot::Extras;
use crate::sample::{Attachment, ProcessSnapshot, Snapshot};

/// One look at everything.
struct Look {
    observation: Observation,
    meta: Json,
}

pub fn run(args: &ReconcileArgs) -> Result<Exit, Failure> {
    if args.format == Format::Csv {
        return Err(Failure::new(
            Exit::Usage,
            "findings have lists in them: -f table, json or jsonl",
        ));
    }
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let os = os_processes(&attachment);
    let mut policy = Policy {
        age_s: args.age.as_secs(),
        idle_limit_s: args.idle_limit.as_secs(),
        ..Policy::default()
    };
    let mut seen = observe(&attachment, &os, args)?;
    attachment.intact()?;
    let mut findings = judge(&seen.observation, &policy);
    let mut watches: Vec<LimitWatch> = seen
        .observation
        .limits
        .iter()
        .map(|l| LimitWatch::new(*l))
        .collect();
    if let Some(pause) = args.twice {
        std::thread::sleep(pause);
        if !attachment.still_named() {
            return Err(Failure::new(
                Exit::NoInstance,
                format!(
                    "instance {} went away between the two looks",
                    attachment.name
                ),
            ));
        }
        seen = observe(&attachment, &os, args)?;
        policy.observations = 2;
        findings = confirmed(&findings, judge(&seen.observation, &policy));
        for (watch, usage) in watches.iter_mut().zip(&seen.observation.limits) {
            watch.push(pause.as_secs_f64(), *usage);
        }
    }
    drop(attachment);
    let mut out = std::io::stdout().lock();
    let counts = counts(&findings);
    let floor = floor(args);
    match args.format {
        Format::Json => {
            let mut meta = seen.meta;
            meta["policy"] = json!({
                "age_s": policy.age_s, "idle_limit_s": policy.idle_limit_s,
                "limit_share": policy.limit_share, "observations": policy.observations,
            });
            meta["findings"] = json!(counts);
            let limits: Vec<_> = watches.iter().map(LimitWatch::to_row).collect();
            findings.retain(|f| f.severity >= floor);
            let document = json!({"meta": meta, "resource_limit": limits, "findings": findings});
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for finding in findings.iter().filter(|f| f.severity >= floor) {
                serde_json::to_writer(&mut out, finding)?;
                writeln!(out)?;
            }
        }
        _ => write!(out, "{}", text(&seen, &watches, &findings, floor))?,
    }
    out.flush()?;
    let said_no = floor.max(Severity::Warn);
    let bad = findings.iter().any(|f| f.severity >= said_no);
    Ok(if bad { Exit::Nothing } else { Exit::Ok })
}

fn floor(args: &ReconcileArgs) -> Severity {
    match (args.severity, args.format) {
        (Some(SeverityArg::Error), _) => Severity::Error,
        (Some(SeverityArg::Info), _) => Severity::Info,
        (Some(SeverityArg::Warn), _) | (None, Format::Table) => Severity::Warn,
        (None, _) => Severity::Info,
    }
}

fn counts(findings: &[Finding]) -> BTreeMap<&'static str, usize> {
    let of = |s: Severity| findings.iter().filter(|f| f.severity == s).count();
    BTreeMap::from([
        ("error", of(Severity::Error)),
        ("warn", of(Severity::Warn)),
        ("info", of(Severity::Info)),
    ])
}

/// Processes, sessions, the operating system, and processes again: what began or ended meanwhile is
/// marked, so that nobody takes a logon or a logoff for a leak.
fn observe(
    attachment: &Attachment,
    os: &OsProcesses,
    args: &ReconcileArgs,
) -> Result<Look, Failure> {
    let first = ProcessSnapshot::take(attachment)?;
    let snapshot = Snapshot::take(attachment, Extras::default())?;
    let before: Vec<ProcessFacts> = first
        .processes
        .iter()
        .map(|row| ProcessFacts::from_row(row, look(os, row)))
        .collect();
    let last = ProcessSnapshot::take(attachment)?;
    let now = now_of(&snapshot);
    let sessions: Vec<SessionFacts> = snapshot
        .sessions
        .iter()
        .map(|row| SessionFacts::from_row(row, now))
        .collect();
    let absent = snapshot.meta["absent"].as_object();
    let why = |column| absent.and_then(|a| a.get(column)).cloned();
    // either route is enough: Oracle's own word for the blocker, or the transactions that TX waits name
    let no_route = why("blocking_session").and_then(|_| why("xid"));
    let blockers = blockers(&snapshot, no_route.is_none(), &args.blocker);
    let os_unknown = before.iter().find_map(|p| match &p.os {
        OsFact::Unknown(why) => Some(why.clone()),
        _ => None,
    });
    let processes = join(before, &last);
    let mut meta = Json::Object(snapshot.meta.clone());
    if let Some(meta) = meta.as_object_mut() {
        meta.retain(|key, _| !["absent", "walk_us"].contains(&key.as_str()));
    }
    meta["processes"] = last.processes.len().into();
    meta["sessions"] = sessions.len().into();
    meta["recursive_sessions"] = sessions.iter().filter(|s| s.recursive).count().into();
    meta["os_unknown"] = os_unknown.into();
    meta["blockers_unknown"] = match &blockers {
        Some(_) => Json::Null,
        None => no_route.unwrap_or(Json::Null),
    };
    let observation = Observation {
        instance: match (&attachment.instance, &attachment.captured) {
            (None, None) => String::new(),
            _ => attachment.name.clone(),
        },
        now,
        processes,
        sessions,
        blockers,
        limits: usage(&last, &snapshot).to_vec(),
        clean_up: clean_up(&attachment.blueprint),
    };
    Ok(Look { observation, meta })
}

fn now_of(snapshot: &Snapshot) -> i64 {
    let time = snapshot.meta["sample_time"].as_str();
    let time: Option<jiff::Timestamp> = time.and_then(|t| t.parse().ok());
    time.map_or(0, jiff::Timestamp::as_second)
}

/// Both readings of the processes as one list; only what both show was looked for in the operating
/// system in between.
fn join(before: Vec<ProcessFacts>, last: &ProcessSnapshot) -> Vec<ProcessFacts> {
    let mut first: BTreeMap<u64, ProcessFacts> = before.into_iter().map(|p| (p.addr, p)).collect();
    let moving = |p: ProcessFacts| ProcessFacts { stable: false, ..p };
    let mut all = Vec::with_capacity(last.processes.len());
    for row in &last.processes {
        let late = ProcessFacts::from_row(row, OsFact::Unknown("it has just begun".into()));
        match first.remove(&late.addr) {
            Some(early) if early.is_same(&late) => all.push(early),
            _ => all.push(moving(late)),
        }
    }
    all.extend(first.into_values().map(moving));
    all
}

/// SIDs that others wait for: as the rows show, and as the user knows. A holder that is only inferred
/// is no ground for ending its session.
fn blockers(snapshot: &Snapshot, shown: bool, known: &[u32]) -> Option<BTreeSet<u32>> {
    let mut all: BTreeSet<u32> = known.iter().copied().collect();
    let found = chains::blockers(&snapshot.sessions).into_iter();
    all.extend(found.filter(|(_, b)| !b.inferred).map(|(sid, _)| sid));
    (shown || !all.is_empty()).then_some(all)
}

/// What the release offers, by the rules of the blueprint, or of the shipped hints where it is older
/// than these rules.
fn clean_up(blueprint: &Blueprint) -> CleanUp {
    let release = blueprint.identity.release.as_str();
    let shipped = Hints::shipped().and_then(|h| h.for_release(release)).ok();
    let since = |name: &str| -> Option<bool> {
        let own = blueprint.rule_str(name).map(str::to_owned);
        let rule = own.or_else(|| {
            let rule = shipped.as_ref()?.rules.get(name)?;
            Some(rule.value.as_str()?.to_owned())
        })?;
        Some(numbers(release)? >= numbers(&rule)?)
    };
    CleanUp {
        disconnect: since("disconnect_session_since"),
        dead_cleanup: since("dead_cleanup_since") == Some(true),
    }
}

/// The numbers of a release; `None` for anything else, and for the unknown release 0.
fn numbers(release: &str) -> Option<Vec<u32>> {
    let all: Option<Vec<u32>> = release.split('.').map(|n| n.parse().ok()).collect();
    all.filter(|n| n.first().is_some_and(|n| *n > 0))
}

fn text(seen: &Look, watches: &[LimitWatch], findings: &[Finding], floor: Severity) -> String {
    let mut out = String::new();
    let shown: Vec<&Finding> = findings.iter().filter(|f| f.severity >= floor).collect();
    for same in shown.chunk_by(|a, b| (a.row, a.severity) == (b.row, b.severity)) {
        group(&mut out, same);
    }
    let n = counts(findings);
    let meta = &seen.meta;
    let _ = writeln!(
        out,
        "{} error, {} warn, {} info{}; {} processes, {} sessions ({} recursive), instance {}, {}",
        n["error"],
        n["warn"],
        n["info"],
        if floor > Severity::Info {
            " (--severity info shows all)"
        } else {
            ""
        },
        meta["processes"],
        meta["sessions"],
        meta["recursive_sessions"],
        meta["instance_name"].as_str().unwrap_or(""),
        meta["sample_time"].as_str().unwrap_or(""),
    );
    for watch in watches {
        let l = watch.last();
        let _ = writeln!(
            out,
            "{:<9} {:>6} of {:<6} {:>3.0} %, {} left before {}",
            l.name,
            l.current,
            l.limit,
            l.share() * 100.0,
            l.head_room(),
            l.error()
        );
    }
    for (key, what) in [
        ("os_unknown", "OS side unknown"),
        ("blockers_unknown", "idle blockers can't be told"),
    ] {
        if let Some(why) = meta[key].as_str() {
            let _ = writeln!(out, "{what}: {why}");
        }
    }
    out
}

/// The findings of one situation: what they have in common once, then each in a few short lines.
fn group(out: &mut String, findings: &[&Finding]) {
    let Some(first) = findings.first() else {
        return;
    };
    let level = match first.severity {
        Severity::Error => "ERROR",
        Severity::Warn => "WARN",
        Severity::Info => "info",
    };
    let _ = writeln!(
        out,
        "{level:<5} row {}, {}: {}",
        first.row, first.name, first.why
    );
    let same_advice = findings.iter().all(|f| f.advice == first.advice);
    for f in findings {
        let _ = writeln!(out, "  {}", head(f).replace(char::is_control, " "));
        let _ = writeln!(out, "    seen   {}", f.evidence.join("; "));
        if !same_advice {
            let _ = writeln!(out, "    do     {}", f.advice);
        }
        if let Some(statement) = &f.statement {
            let _ = writeln!(out, "    run    {statement}");
            let _ = writeln!(out, "    if     {}", f.identity);
        }
    }
    if same_advice {
        let _ = writeln!(out, "  do       {}", first.advice);
    }
    let w = &first.would_have_cleaned;
    if first.severity > Severity::Info && *w != advice::NOTHING {
        let _ = writeln!(out, "  would have been cleaned up by");
        let _ = writeln!(out, "    SQLNET.EXPIRE_TIME              {}", w.dcd);
        let _ = writeln!(
            out,
            "    profile IDLE_TIME               {}",
            w.profile_idle_time
        );
        let _ = writeln!(
            out,
            "    resource manager MAX_IDLE_TIME  {}",
            w.resource_manager_max_idle_time
        );
    }
    out.push('\n');
}

/// What a finding is about.
fn head(f: &Finding) -> String {
    let mut head = Vec::new();
    if let Some(sid) = f.sid {
        let serial = f.serial_no.map_or_else(|| "?".into(), |n| n.to_string());
        let user = f.username.as_deref().unwrap_or("");
        head.push(format!("SID {sid},{serial} {user}").trim_end().to_owned());
    }
    match (f.pid, &f.spid) {
        (_, Some(spid)) => head.push(format!("SPID {spid}")),
        (Some(pid), None) => head.push(format!("PID {pid}")),
        (None, None) => {}
    }
    head.extend(f.program.clone());
    head.extend(f.age_s.map(age_text));
    if head.is_empty() {
        head.push("the instance".into());
    }
    head.join("  ")
}

fn age_text(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_their_numbers() {
        assert!(numbers("19.3.0.0.0") > numbers("10.2"));
        assert!(numbers("9.2.0.8.0") < numbers("10.2"));
        assert!(numbers("10.2.0.1.0") >= numbers("10.2"));
        assert_eq!(numbers("0.0"), None, "an unknown release");
        assert_eq!(numbers("19c"), None);
    }

    #[test]
    fn ages_are_short() {
        assert_eq!(age_text(59), "59s");
        assert_eq!(age_text(600), "10m");
        assert_eq!(age_text(7300), "2h");
        assert_eq!(age_text(500_000), "5d");
    }
}
