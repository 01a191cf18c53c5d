//! The blueprints there are: shipped ones, and those in directories of the user.
//!
//! A blueprint is chosen by the build-id of the executable, else by release and platform, each
//! exactly: never the nearest or latest. What is chosen by release, and every draft, still has to pass
//! acceptance on the live instance; synthetic and partial ones are never chosen by release.
//!
//! Directories, in this order: those in `$SGASCOPE_BLUEPRINTS` (separated by `:`), then
//! `$XDG_CONFIG_HOME/sgascope/blueprints` or `~/.config/sgascope/blueprints`. A file that can't be
//! used is a [`Problem`] to be shown, and doesn't keep the others from being used.
//!
//! Callers: `sample` (selection for a live instance), `cli`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checks;
use super::load::MAX_BYTES;
use super::model::{Blueprint, Status};

/// Most files of a directory.
const MAX_FILES: usize = 10_000;

/// `blueprints/index.json`: what is shipped, with hashes.
const INDEX: &str = include_str!("../../blueprints/index.json");

/// The shipped files by their name in the index.
const SHIPPED: &[(&str, &str)] = &[
    (
        "drafts/11.2.0.4.json",
        include_str!("../../blueprints/drafts/11.2.0.4.json"),
    ),
    (
        "drafts/12.1.0.1.json",
        include_str!("../../blueprints/drafts/12.1.0.1.json"),
    ),
    (
        "drafts/12.1.0.2.json",
        include_str!("../../blueprints/drafts/12.1.0.2.json"),
    ),
    (
        "drafts/12.2.0.1.json",
        include_str!("../../blueprints/drafts/12.2.0.1.json"),
    ),
    (
        "drafts/19.3.json",
        include_str!("../../blueprints/drafts/19.3.json"),
    ),
    (
        "drafts/23.5.json",
        include_str!("../../blueprints/drafts/23.5.json"),
    ),
    (
        "drafts/23.6.json",
        include_str!("../../blueprints/drafts/23.6.json"),
    ),
    (
        "synthetic/sgasim-19.3.json",
        include_str!("../../blueprints/synthetic/sgasim-19.3.json"),
    ),
];

/// The index of the shipped blueprints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Version of the index form: "1.0".
    pub index: String,
    /// One entry a file.
    pub blueprints: Vec<IndexEntry>,
}

/// One shipped blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// The blueprint's id.
    pub id: String,
    /// File below `blueprints/`.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Build-id, where the blueprint is for one exact executable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Full release.
    pub release: String,
    /// Platform.
    pub port: String,
    /// How far it has been proven.
    pub status: Status,
}

impl IndexEntry {
    /// The entry for a blueprint whose file holds `bytes`.
    pub fn of(blueprint: &Blueprint, file: &str, bytes: &[u8]) -> IndexEntry {
        IndexEntry {
            id: blueprint.id.clone(),
            file: file.to_owned(),
            sha256: sha256(bytes),
            build_id: blueprint.identity.build_id.clone(),
            release: blueprint.identity.release.clone(),
            port: blueprint.identity.port.clone(),
            status: blueprint.status,
        }
    }
}

/// Where a blueprint comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Part of the program; the file below `blueprints/`.
    Shipped(String),
    /// A file of the user.
    File(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Shipped(file) => write!(f, "shipped {file}"),
            Origin::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A usable blueprint and where it comes from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its origin.
    pub origin: Origin,
    /// The blueprint.
    pub blueprint: Blueprint,
}

/// A file or directory that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// File, directory or shipped name.
    pub origin: String,
    /// Why.
    pub reason: String,
}

/// Several blueprints claim one build-id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "build-id {build_id} is claimed by {first} and by {second}: remove one, or name one with --blueprint"
)]
pub struct Ambiguous {
    /// The build-id.
    pub build_id: String,
    /// One.
    pub first: String,
    /// Another.
    pub second: String,
}

/// A blueprint that may be used for an executable.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The blueprint and its origin.
    pub entry: &'a Entry,
    /// Whether the build-id is the same; else only release and platform are.
    pub same_build: bool,
    /// Whether it must first pass acceptance on live memory.
    pub needs_acceptance: bool,
}

/// All blueprints there are.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Registry {
    /// The shipped blueprints and those in `directories`, in that order.
    pub fn load(directories: &[PathBuf]) -> Registry {
        let mut registry = Registry::default();
        registry.add_shipped(INDEX, SHIPPED);
        for directory in directories {
            registry.add_directory(directory);
        }
        registry
    }

    /// As [`Registry::load`], with the directories of this user's environment.
    pub fn of_user() -> Registry {
        Registry::load(&directories(|name| std::env::var_os(name)))
    }

    /// All usable blueprints.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What couldn't be used.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The blueprint for exactly this build-id (hex, any case). The same document in two places
    /// counts once.
    ///
    /// # Errors
    /// Two different blueprints claim the build-id.
    pub fn by_build_id(&self, build_id: &str) -> Result<Option<&Entry>, Ambiguous> {
        let own = |e: &&Entry| {
            let id = e.blueprint.identity.build_id.as_deref();
            id.is_some_and(|id| id.eq_ignore_ascii_case(build_id))
        };
        let mut fitting = self.entries.iter().filter(own);
        let first = fitting.next();
        match first.and_then(|a| fitting.find(|b| b.blueprint != a.blueprint).map(|b| (a, b))) {
            None => Ok(first),
            Some((a, b)) => Err(Ambiguous {
                build_id: build_id.to_ascii_lowercase(),
                first: a.origin.to_string(),
                second: b.origin.to_string(),
            }),
        }
    }

    /// The blueprints that may be used, best first: the one of this build-id alone if there is one,
    /// else those for exactly this release and platform that name no other build.
    ///
    /// # Errors
    /// Two different blueprints claim the build-id.
    pub fn candidates(
        &self,
        build_id: Option<&str>,
        release: &str,
        port: &str,
    ) -> Result<Vec<Candidate<'_>>, Ambiguous> {
        if let Some(entry) = build_id
            .map(|id| self.by_build_id(id))
            .transpose()?
            .flatten()
        {
            return Ok(vec![Candidate {
                entry,
                same_build: true,
                needs_acceptance: entry.blueprint.status == Status::Draft,
            }]);
        }
        let fits = |entry: &&Entry| {
            let blueprint = &entry.blueprint;
            let identity = &blueprint.identity;
            // A named build that isn't the executable's is another one's.
            let other_build = build_id.is_some() && identity.build_id.is_some();
            identity.release == release
                && identity.port == port
                && !other_build
                && blueprint.status != Status::Synthetic
                && blueprint.array("sessions").is_some()
        };
        let mut out: Vec<Candidate> = self
            .entries
            .iter()
            .filter(fits)
            .map(|entry| Candidate {
                entry,
                same_build: false,
                needs_acceptance: true,
            })
            .collect();
        let proven = |status: Status| match status {
            Status::Calibrated => 0,
            Status::Accepted => 1,
            Status::Draft | Status::Synthetic => 2,
        };
        out.sort_by_key(|c| proven(c.entry.blueprint.status));
        Ok(out)
    }

    /// An entry as one line of a list: id, release, port, build_id, status, partial, origin.
    pub fn line(entry: &Entry) -> serde_json::Value {
        let blueprint = &entry.blueprint;
        let identity = &blueprint.identity;
        serde_json::json!({
            "id": blueprint.id,
            "release": identity.release,
            "port": identity.port,
            "build_id": identity.build_id,
            "status": blueprint.status,
            "partial": blueprint.is_partial(),
            "origin": entry.origin.to_string(),
        })
    }

    fn problem(&mut self, origin: String, reason: impl Into<String>) {
        self.problems.push(Problem {
            origin,
            reason: reason.into(),
        });
    }

    fn add_shipped(&mut self, index: &str, files: &[(&str, &str)]) {
        let index: Index = match serde_json::from_str(index) {
            Ok(index) => index,
            Err(e) => return self.problem("index.json".into(), e.to_string()),
        };
        for entry in index.blueprints {
            let Some((_, text)) = files.iter().find(|(name, _)| *name == entry.file) else {
                self.problem(
                    entry.file,
                    "listed in index.json, but not part of the program",
                );
                continue;
            };
            let found = sha256(text.as_bytes());
            if found != entry.sha256 {
                let expected = &entry.sha256;
                let reason = format!("index.json says SHA-256 {expected}, the file has {found}");
                self.problem(entry.file, reason);
                continue;
            }
            self.add(text.as_bytes(), Origin::Shipped(entry.file));
        }
    }

    fn add_directory(&mut self, directory: &Path) {
        let listing = match std::fs::read_dir(directory) {
            Ok(listing) => listing,
            // Most users have no directory of their own.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return,
            Err(e) => return self.problem(directory.display().to_string(), e.to_string()),
        };
        let entries = listing
            .take(MAX_FILES)
            .filter_map(Result::ok)
            .map(|e| e.path());
        let wanted = |path: &PathBuf| {
            path.extension().is_some_and(|e| e == "json")
                && path.file_name().is_some_and(|n| n != "index.json")
        };
        let mut paths: Vec<PathBuf> = entries.filter(wanted).collect();
        paths.sort();
        for path in paths {
            match read_file(&path, MAX_BYTES as u64) {
                Ok(bytes) => self.add(&bytes, Origin::File(path)),
                Err(e) => self.problem(path.display().to_string(), e.to_string()),
            }
        }
    }

    fn add(&mut self, bytes: &[u8], origin: Origin) {
        let name = origin.to_string();
        match Blueprint::from_json(bytes, &name) {
            Err(e) => self.problem(name, e.to_string()),
            Ok(blueprint) => {
                let findings = checks::check(&blueprint, &[]);
                match findings
                    .iter()
                    .find(|f| f.severity == checks::Severity::Error)
                {
                    Some(finding) => self.problem(name, finding.to_string()),
                    None => self.entries.push(Entry { origin, blueprint }),
                }
            }
        }
    }
}

/// The content of a file that should have at most so many bytes: one byte more of a larger one, so that the caller
/// sees that it is too large.
///
/// # Errors
/// The file system's.
pub fn read_file(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// SHA-256 as lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The user's directories by environment variables.
fn directories(var: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    let mut out: Vec<PathBuf> = set("SGASCOPE_BLUEPRINTS")
        .map(|list| {
            std::env::split_paths(&list)
                .filter(|p| !p.as_os_str().is_empty())
                .collect()
        })
        .unwrap_or_default();
    let config = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".config")));
    out.extend(config.map(|c| c.join("sgascope").join("blueprints")));
    out
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
