//! Which blueprint a live instance is read with when none is given.
//!
//! In this order: the registry's one with exactly the executable's build-id; else one extracted from
//! the executable, completed by hints; else, when the executable can't be read or nothing can be made
//! of it, the registry's ones for exactly the instance's release and platform, each of which must
//! first be accepted by the live rows. Nothing is ever taken as nearest or latest, and of several
//! different ones that fit none is taken.
//!
//! Callers: `attach`.

use super::attach::{AttachError, Attachment, Target};
use crate::blueprint::registry::{Ambiguous, Entry, Registry};
use crate::blueprint::{self, Blueprint, ExeReader, Hints, banner, diff};
use crate::discover::{self, Instance, ProcRoot};

/// How a blueprint was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// By the user.
    Given,
    /// By the build-id of the executable, from the registry.
    BuildId,
    /// Made from the executable.
    Executable,
    /// It stands in the image.
    Embedded,
    /// By release and platform from the registry, accepted by live rows.
    Release,
}

impl Selected {
    /// The word that outputs are stamped with.
    pub fn word(self) -> &'static str {
        match self {
            Selected::Given => "given",
            Selected::BuildId => "build-id",
            Selected::Executable => "executable",
            Selected::Embedded => "embedded",
            Selected::Release => "release",
        }
    }
}

/// Selects a blueprint for an instance and tries it.
///
/// # Errors
/// None is found, none fits, or several different ones do.
pub(super) fn attach(target: &Target, instance: &Instance) -> Result<Attachment, AttachError> {
    let registry = Registry::of_user();
    let ambiguous = |e: Ambiguous| AttachError::NoBlueprint(e.to_string());
    let build_id = target.exe.and_then(ExeReader::build_id);
    let known = build_id.map(|id| registry.by_build_id(id)).transpose();
    if let Some(Some(entry)) = known.map_err(ambiguous)? {
        return target.accept(entry.blueprint.clone(), Selected::BuildId, false);
    }
    let why = match extracted(target.exe, instance) {
        Ok(blueprint) => return target.accept(blueprint, Selected::Executable, false),
        Err(why) => why,
    };
    let nothing = |more: String| {
        AttachError::NoBlueprint(format!(
            "no blueprint for instance {}: {why}; {more}",
            instance.sid
        ))
    };
    let release = release(target.exe, instance)
        .map_err(|e| nothing(format!("its release isn't known either: {e}; {ADVICE}")))?;
    let port = target.exe.map_or_else(own_port, ExeReader::port);
    let candidates = registry
        .candidates(build_id, &release, port)
        .map_err(ambiguous)?;
    let mut fitting: Vec<(&Entry, Attachment)> = Vec::new();
    let mut refused = described(&registry, &release, port);
    for candidate in candidates {
        let entry = candidate.entry;
        match target.accept(entry.blueprint.clone(), Selected::Release, false) {
            Ok(attachment) => fitting.push((entry, attachment)),
            Err(e) => refused.push(format!("{}: {e}", entry.origin)),
        }
    }
    if let Some((a, b)) = different(&fitting) {
        return Err(nothing(format!(
            "of those for release {release} on {port} several that differ fit: {} ({}) and {} ({}); \
             remove one, or name one with --blueprint FILE",
            a.blueprint.id, a.origin, b.blueprint.id, b.origin
        )));
    }
    if fitting.is_empty() {
        let tried = match refused.as_slice() {
            [] => "there is none".to_owned(),
            some => some.join("; "),
        };
        return Err(nothing(format!(
            "of those for release {release} on {port} none fits: {tried}; {ADVICE}"
        )));
    }
    // All the same: the best proven one stands first.
    Ok(fitting.swap_remove(0).1)
}

const ADVICE: &str = "run as its owner or root, or name one with --blueprint FILE";

/// One made from the executable, or why there is none.
fn extracted(exe: Option<&ExeReader>, instance: &Instance) -> Result<Blueprint, String> {
    let Some(exe) = exe else {
        let tried: Vec<String> = instance
            .executables
            .iter()
            .map(|e| {
                let why = e.why_not.as_deref().unwrap_or("no kqftab in it");
                format!("{} ({why})", e.shown.display())
            })
            .collect();
        return Err(format!(
            "its executable can't be read, so neither its build-id nor its layouts are known (tried {})",
            if tried.is_empty() {
                "nothing: PMON's environment is unreadable".to_owned()
            } else {
                tried.join(", ")
            }
        ));
    };
    let path = exe.path();
    let failed = |e: String| format!("extracting one from {} failed: {e}", path.display());
    let hints = Hints::shipped().map_err(|e| failed(e.to_string()))?;
    blueprint::from_executable(path, &hints).map_err(|e| failed(e.to_string()))
}

/// The full release: from the executable, else from what the alert log says of the instance's start.
fn release(exe: Option<&ExeReader>, instance: &Instance) -> Result<String, String> {
    if let Some(exe) = exe {
        return banner::banner(exe)
            .map(|b| b.release)
            .map_err(|e| e.to_string());
    }
    let start = discover::last_start(&ProcRoot::default(), instance)?;
    match banner::of_lines(start.lines.iter().map(String::as_str)) {
        Some(banner) => Ok(banner.release),
        None => Err(format!(
            "{}: no single release in the lines of the last start",
            start.path.display()
        )),
    }
}

/// The platform of this host, which is the instance's: they share the kernel.
fn own_port() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "Linux aarch64"
    } else {
        "Linux x86-64"
    }
}

/// Those for the release that only describe it: rows can't accept what has no way to them.
fn described(registry: &Registry, release: &str, port: &str) -> Vec<String> {
    let fits = |entry: &&Entry| {
        let identity = &entry.blueprint.identity;
        identity.release == release
            && identity.port == port
            && entry.blueprint.array("sessions").is_none()
    };
    let line = |entry: &Entry| {
        format!(
            "{} is partial: it has no array `sessions`, so that live rows can't accept it",
            entry.origin
        )
    };
    registry.entries().iter().filter(fits).map(line).collect()
}

/// The first two that would show different things.
fn different<'a>(fitting: &[(&'a Entry, Attachment)]) -> Option<(&'a Entry, &'a Entry)> {
    let (first, _) = fitting.first()?;
    let other = fitting.iter().map(|(entry, _)| *entry).find(|other| {
        let (a, b) = (&first.blueprint, &other.blueprint);
        a.charset != b.charset || a.dictionaries != b.dictionaries || !diff::diff(a, b).is_empty()
    })?;
    Some((first, other))
}
