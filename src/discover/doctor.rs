//! Can an instance be attached, and if not, exactly why and the least that would do.
//!
//! For: the verb `doctor`. Unlike the rest of `discover` it really attaches, each segment for a
//! moment, because only the kernel's answer counts.

use std::fs::File;

use serde::Serialize;

use super::account::{Credentials, group_text, owner_or_root, user_text};
use super::instance::{Evidence, Instance, Readable, Segment};
use super::procfs::ProcRoot;
use super::readable::rights_advice;
use super::scan::survey;
use crate::memory::{AttachError, SysvSpace};

/// How a check went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Worth knowing, not in the way.
    Warn,
    /// In the way.
    Fail,
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// SID, where the check concerns an instance.
    pub sid: Option<String>,
    /// What was checked: a fixed word, e.g. `segment`.
    pub check: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was found.
    pub detail: String,
    /// What to do; empty when there is nothing to do.
    pub advice: String,
}

/// All checks in one word: what the exit code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every instance asked for can be read.
    Ok,
    /// At least one can't, for want of rights.
    NoPermission,
    /// There is no such instance, or its memory is not there.
    NoInstance,
}

/// What [`diagnose`] found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnosis {
    /// All checks in one word.
    pub verdict: Verdict,
    /// The checks, in the order they were made.
    pub findings: Vec<Finding>,
}

/// Checks instance `sid`, or all instances of this host.
pub fn diagnose(sid: Option<&str>) -> Diagnosis {
    diagnose_under(&ProcRoot::default(), sid)
}

/// The same under another `/proc`.
pub fn diagnose_under(root: &ProcRoot, sid: Option<&str>) -> Diagnosis {
    let survey = survey(root);
    let credentials = Credentials::read(&root.proc.join("self/status")).unwrap_or_default();
    let mut report = Report::default();
    for problem in &survey.problems {
        report.add("proc", Outcome::Warn, problem.clone(), "");
    }
    report.add("rights", Outcome::Ok, rights_text(&credentials), "");
    let asked: Vec<&Instance> = survey
        .instances
        .iter()
        .filter(|i| sid.is_none_or(|sid| i.sid == sid))
        .collect();
    found(&mut report, sid, &survey.instances, &asked);
    for orphan in &survey.orphans {
        report.add(
            "orphan",
            Outcome::Warn,
            format!(
                "segment {} ({} bytes): {}",
                orphan.shmid, orphan.size, orphan.why
            ),
            "if it is a dead instance's, its owner can free it with Oracle's sysresv or ipcrm",
        );
    }
    for instance in &asked {
        report.sid = Some(instance.sid.clone());
        check_instance(&mut report, instance);
    }
    report.finish(asked.is_empty())
}

fn found(report: &mut Report, sid: Option<&str>, all: &[Instance], asked: &[&Instance]) {
    let names: Vec<&str> = all.iter().map(|i| i.sid.as_str()).collect();
    let (outcome, advice) = if asked.is_empty() {
        (
            Outcome::Fail,
            "start the instance, or run on its host and in its pid namespace: its PMON process \
             (ora_pmon_<SID>) must show in /proc",
        )
    } else {
        (Outcome::Ok, "")
    };
    let detail = match (sid, names.is_empty()) {
        (_, true) => "no PMON process was found on this host".into(),
        (Some(sid), _) if asked.is_empty() => {
            format!("no instance {sid}; there are {}", names.join(", "))
        }
        _ => format!("found {}", names.join(", ")),
    };
    report.add("instances", outcome, detail, advice);
}

/// Findings as they are made.
#[derive(Default)]
struct Report {
    sid: Option<String>,
    findings: Vec<Finding>,
    no_permission: bool,
}

impl Report {
    fn add(&mut self, check: &'static str, outcome: Outcome, detail: String, advice: &str) {
        self.findings.push(Finding {
            sid: self.sid.clone(),
            check,
            outcome,
            detail,
            advice: advice.to_string(),
        });
    }

    fn refuse(&mut self, check: &'static str, detail: String, advice: &str) {
        self.no_permission = true;
        self.add(check, Outcome::Fail, detail, advice);
    }

    fn finish(self, none: bool) -> Diagnosis {
        let failed = self.findings.iter().any(|f| f.outcome == Outcome::Fail);
        let verdict = match (none, self.no_permission, failed) {
            (true, _, _) | (_, false, true) => Verdict::NoInstance,
            (_, true, _) => Verdict::NoPermission,
            _ => Verdict::Ok,
        };
        Diagnosis {
            verdict,
            findings: self.findings,
        }
    }
}

fn rights_text(credentials: &Credentials) -> String {
    let groups: Vec<String> = std::iter::once(credentials.gid)
        .chain(credentials.groups.iter().copied())
        .map(|gid| gid.to_string())
        .collect();
    let yes = |has: bool| if has { "yes" } else { "no" };
    format!(
        "we are uid {}, groups {}; CAP_IPC_OWNER {}, CAP_SYS_PTRACE {}",
        credentials.uid,
        groups.join(" "),
        yes(credentials.overrides_ipc()),
        yes(credentials.inspects_any())
    )
}

fn check_instance(report: &mut Report, instance: &Instance) {
    check_namespace(report, instance);
    check_maps(report, instance);
    if instance.same_ipc_namespace() {
        for segment in &instance.segments {
            check_segment(report, segment);
        }
    }
    check_granules(report, instance);
    check_pages(report, instance);
    check_executable(report, instance);
    if let Readable::No {
        cause,
        least_privilege,
        permission: false,
    } = &instance.readable
    {
        report.add("memory", Outcome::Fail, cause.clone(), least_privilege);
    }
}

fn check_namespace(report: &mut Report, instance: &Instance) {
    match (instance.ipc_namespace.same, &instance.readable) {
        (Some(true), _) => report.add("namespace", Outcome::Ok, "same IPC namespace".into(), ""),
        (
            Some(false),
            Readable::No {
                cause,
                least_privilege,
                ..
            },
        ) => report.refuse("namespace", cause.clone(), least_privilege),
        _ => report.add(
            "namespace",
            Outcome::Warn,
            "the instance's IPC namespace can't be read: it is taken for ours".into(),
            "",
        ),
    }
}

fn check_maps(report: &mut Report, instance: &Instance) {
    if instance.maps_readable {
        let detail = format!(
            "maps of PMON (pid {}) are readable: {} segments, {} granule files",
            instance.pid,
            instance.segments.len(),
            instance.granules.len()
        );
        return report.add("maps", Outcome::Ok, detail, "");
    }
    let owner = user_text(instance.uid, instance.user.as_deref());
    report.refuse(
        "maps",
        format!("maps of PMON (pid {}, {owner}) can't be read", instance.pid),
        &format!(
            "run as {}, or give the reader CAP_SYS_PTRACE; the same user may still be refused \
             when the executable is set-group-id for another group",
            owner_or_root(instance.uid, instance.user.as_deref())
        ),
    );
}

fn check_segment(report: &mut Report, segment: &Segment) {
    let mode = segment.mode.unwrap_or(0);
    let owner = user_text(segment.uid.unwrap_or(0), segment.user.as_deref());
    let group = group_text(segment.gid.unwrap_or(0), segment.group.as_deref());
    let (word, worst) = match segment.evidence {
        Evidence::Maps => ("segment", Outcome::Fail),
        Evidence::Owner => ("candidate segment", Outcome::Warn),
    };
    let what = format!(
        "{word} {} (owner {owner}, group {group}, mode {mode:03o})",
        segment.shmid
    );
    if segment.marked_for_removal {
        return report.add(
            "segment",
            worst,
            format!("{what} is marked for removal: its instance is ending"),
            "start the instance again",
        );
    }
    // A candidate's address isn't known, and doesn't matter for whether it can be attached.
    let mut at = segment.clone();
    at.address = at.address.or(Some(crate::memory::TargetAddr(0)));
    let attached = at
        .at()
        .map_or(Ok(()), |at| SysvSpace::attach(&[at]).map(drop));
    match attached {
        Ok(()) => report.add(
            "segment",
            Outcome::Ok,
            format!("{what} can be attached"),
            "",
        ),
        Err(AttachError::Denied { .. }) => report.refuse(
            "segment",
            format!("{what} can't be attached: no permission"),
            &rights_advice(
                mode,
                &owner_or_root(segment.uid.unwrap_or(0), segment.user.as_deref()),
                &group,
            ),
        ),
        Err(e) => report.add("segment", worst, e.to_string(), "run discover again"),
    }
}

fn check_granules(report: &mut Report, instance: &Instance) {
    let used: Vec<_> = instance
        .granules
        .iter()
        .filter(|g| g.size != Some(0))
        .collect();
    if used.is_empty() {
        return;
    }
    for granule in &used {
        if let Err(e) = File::open(&granule.path) {
            let detail = format!("{} can't be opened: {e}", granule.path.display());
            if e.kind() == std::io::ErrorKind::PermissionDenied {
                let advice = "run as the file's owner or root, or as a member of its group";
                return report.refuse("granules", detail, advice);
            }
            return report.add("granules", Outcome::Fail, detail, "run discover again");
        }
    }
    let detail = format!("{} granule files in use can be opened", used.len());
    report.add("granules", Outcome::Ok, detail, "");
}

fn check_pages(report: &mut Report, instance: &Instance) {
    let huge = |wanted| {
        let mut segments = instance.segments.iter();
        segments.any(|s| s.huge_pages == wanted)
    };
    let detail = match (huge(Some(true)), huge(Some(false))) {
        (true, false) => "the SGA is of huge pages",
        (true, true) => "the SGA is partly of huge pages",
        (false, true) => "the SGA is of 4 KiB pages: a reader needs page tables of its own for it",
        (false, false) => return,
    };
    report.add("pages", Outcome::Ok, detail.into(), "");
}

fn check_executable(report: &mut Report, instance: &Instance) {
    let readable: Vec<String> = instance
        .executables
        .iter()
        .filter(|e| e.readable)
        .map(|e| e.shown.display().to_string())
        .collect();
    if readable.is_empty() {
        let tried: Vec<String> = instance
            .executables
            .iter()
            .map(|e| {
                let why = e.why_not.as_deref().unwrap_or("");
                format!("{} ({why})", e.shown.display())
            })
            .collect();
        return report.add(
            "executable",
            Outcome::Warn,
            format!("can't be read: {}", tried.join(", ")),
            "give the blueprint with --blueprint FILE, or run as the owner of ORACLE_HOME",
        );
    }
    report.add("executable", Outcome::Ok, readable.join(", "), "");
}
