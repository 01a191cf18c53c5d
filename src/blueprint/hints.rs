//! What an executable can't say, as data: `blueprints/hints/*.json`.
//!
//! A hints file says for which releases it is (`applies_to`: prefixes of the full release), which
//! public sources it rests on, and claims: members of structures, arrays, version rules, names.
//! Every claim carries its source, its confidence and the test by which live rows accept it. The
//! files that apply to a release are merged; no release is known to the code.
//!
//! The shipped files are part of the program; a directory given by the user takes their place.
//!
//! Callers: `assemble`, `cli`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::model::{
    AbsentColumn, Accept, Array, Confidence, Dictionaries, Guard, Rule, Source, Stored,
};

/// Version of the hints form that is read.
pub const HINTS_VERSION: &str = "1.0";
/// Largest hints file in bytes, and most files of a directory.
const MAX_BYTES: u64 = 4 << 20;
const MAX_FILES: usize = 256;

/// The shipped files.
const SHIPPED: [(&str, &str); 4] = [
    (
        "common.json",
        include_str!("../../blueprints/hints/common.json"),
    ),
    ("12.json", include_str!("../../blueprints/hints/12.json")),
    ("19.json", include_str!("../../blueprints/hints/19.json")),
    ("23.json", include_str!("../../blueprints/hints/23.json")),
];

/// Why hints can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HintsError {
    /// A directory or file can't be read.
    #[error("can't read hints {}: {source}", path.display())]
    Read {
        /// Directory or file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not of the form that `blueprints/schema/hints-1.0.schema.json` asks for.
    #[error("hints {origin}: {reason}")]
    Form {
        /// File.
        origin: String,
        /// Expected and found, with line and column.
        reason: String,
    },
    /// No file is for this release.
    #[error(
        "no hints are for release {release}; there are some for {known}: give a blueprint with --blueprint"
    )]
    NoFamily {
        /// The release looked for.
        release: String,
        /// Prefixes that are known.
        known: String,
    },
    /// Two files that apply claim the same thing.
    #[error("hints for release {release}: {name} is claimed twice, by {first} and {second}")]
    Twice {
        /// The release.
        release: String,
        /// What.
        name: String,
        /// File that claimed it first.
        first: String,
        /// The other.
        second: String,
    },
}

/// Where a hinted member stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Place {
    /// At a fixed offset.
    Offset {
        /// Bytes from the start.
        offset: u64,
    },
    /// Counted from a column of the same structure.
    Relative {
        /// The column.
        relative_to: String,
        /// Bytes from it.
        delta: i64,
    },
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintField {
    /// As in a blueprint; an X$ column's name is used only where the executable doesn't give it.
    pub name: String,
    /// Where it stands.
    pub at: Place,
    /// Bytes; 0 only for text with a length elsewhere.
    pub size: u64,
    /// How it is stored.
    pub stored: Stored,
    /// Bound of text whose length is elsewhere.
    #[serde(default)]
    pub max: Option<u64>,
    /// Structure an address leads to.
    #[serde(default)]
    pub to: Option<String>,
    /// Other offsets to try.
    #[serde(default)]
    pub alternatives: Vec<u64>,
    /// Whether every 8-byte step is tried at last.
    #[serde(default)]
    pub scan: bool,
    /// Test on live rows.
    pub accept: Accept,
    /// Id of the source.
    pub source: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Evidence in words.
    pub evidence: String,
}

/// Claims about one structure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintStruct {
    /// Name inside blueprints.
    pub name: String,
    /// The X$ table whose rows these are, to be taken from the executable.
    #[serde(default)]
    pub table: Option<String>,
    /// The anchor at which the structure stands; its size is the structure's.
    #[serde(default)]
    pub anchor: Option<String>,
    /// Whether an executable without that table is read all the same.
    #[serde(default)]
    pub optional: bool,
    /// How torn reads are noticed.
    #[serde(default)]
    pub guard: Option<Guard>,
    /// Members.
    #[serde(default)]
    pub fields: Vec<HintField>,
    /// Members that are known not to be known, with the reason.
    #[serde(default)]
    pub absent: Vec<AbsentColumn>,
}

/// A correction of what the executable says of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// Structure.
    #[serde(rename = "struct")]
    pub strukt: String,
    /// Column.
    pub field: String,
    /// Its real storage, of the same width.
    #[serde(default)]
    pub stored: Option<Stored>,
    /// Structure an address leads to.
    #[serde(default)]
    pub to: Option<String>,
    /// Other offsets to try.
    #[serde(default)]
    pub alternatives: Vec<u64>,
    /// Test on live rows.
    #[serde(default)]
    pub accept: Option<Accept>,
    /// Evidence in words with its source.
    pub evidence: String,
}

/// A hints file, or several merged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintsFile {
    /// [`HINTS_VERSION`].
    pub hints: String,
    /// What it is for, in words.
    pub family: String,
    /// Prefixes of full releases; "" is a prefix of all.
    pub applies_to: Vec<String>,
    /// Public sources.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Fixed SGA variables to take from the executable.
    #[serde(default)]
    pub anchors: Vec<String>,
    /// Structures.
    #[serde(default)]
    pub structs: Vec<HintStruct>,
    /// Corrections.
    #[serde(default)]
    pub amend: Vec<Amendment>,
    /// Arrays; a flat one of stride 0 takes its row's size.
    #[serde(default)]
    pub arrays: Vec<Array>,
    /// Version rules.
    #[serde(default)]
    pub rules: BTreeMap<String, Rule>,
    /// Names behind numbers.
    #[serde(default)]
    pub dictionaries: Dictionaries,
}

/// All hints files there are.
#[derive(Clone, Debug)]
pub struct Hints {
    files: Vec<(String, HintsFile)>,
}

impl Hints {
    /// The shipped hints.
    ///
    /// # Errors
    /// None in a program whose tests have passed.
    pub fn shipped() -> Result<Hints, HintsError> {
        let parse = |(name, text): &(&str, &str)| read(text.as_bytes(), name);
        Ok(Hints {
            files: SHIPPED.iter().map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// All `*.json` files of a directory, in place of the shipped ones.
    ///
    /// # Errors
    /// Directory or a file not readable, or not of the form of hints.
    pub fn from_directory(directory: &Path) -> Result<Hints, HintsError> {
        let wrap = |path: &Path| {
            let path = path.to_owned();
            move |source| HintsError::Read { path, source }
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory)
            .map_err(wrap(directory))?
            .take(MAX_FILES)
        {
            let path = entry.map_err(wrap(directory))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let origin = path.display().to_string();
            let bytes = std::fs::metadata(&path).map_err(wrap(&path))?.len();
            if bytes > MAX_BYTES {
                let reason = format!("{bytes} bytes; a hints file has at most {MAX_BYTES}");
                return Err(HintsError::Form { origin, reason });
            }
            let text = std::fs::read(&path).map_err(wrap(&path))?;
            files.push(read(&text, &origin)?);
        }
        Ok(Hints { files })
    }

    /// The merged hints for a release.
    ///
    /// # Errors
    /// Only general files apply, or two files claim the same thing.
    pub fn for_release(&self, release: &str) -> Result<HintsFile, HintsError> {
        let fits = |file: &HintsFile| file.applies_to.iter().any(|p| release.starts_with(p));
        let mut merged = Merged::new(release);
        let mut own = false;
        for (origin, file) in self.files.iter().filter(|(_, file)| fits(file)) {
            own |= file
                .applies_to
                .iter()
                .any(|p| !p.is_empty() && release.starts_with(p));
            merged.add(origin, file)?;
        }
        if own {
            Ok(merged.file)
        } else {
            Err(self.no_family(release))
        }
    }

    /// The X$ tables that any of the files asks for.
    pub fn tables(&self) -> BTreeSet<&str> {
        self.files
            .iter()
            .flat_map(|(_, file)| &file.structs)
            .filter_map(|s| s.table.as_deref())
            .collect()
    }

    fn no_family(&self, release: &str) -> HintsError {
        let mut known: Vec<&str> = self
            .files
            .iter()
            .flat_map(|(_, file)| &file.applies_to)
            .filter(|p| !p.is_empty())
            .map(|p| p.trim_end_matches('.'))
            .collect();
        known.sort_unstable();
        HintsError::NoFamily {
            release: release.to_owned(),
            known: known.join(", "),
        }
    }
}

fn read(bytes: &[u8], origin: &str) -> Result<(String, HintsFile), HintsError> {
    let form = |reason: String| HintsError::Form {
        origin: origin.to_owned(),
        reason,
    };
    let mut file: HintsFile = serde_json::from_slice(bytes).map_err(|e| form(e.to_string()))?;
    if file.hints != HINTS_VERSION {
        let found = &file.hints;
        return Err(form(format!(
            "expected hints version {HINTS_VERSION}, found {found:?}"
        )));
    }
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    for source in &mut file.sources {
        source.sha256 = Some(hex.clone());
    }
    Ok((origin.to_owned(), file))
}

/// Hints put together, with the file that each claim came from.
struct Merged {
    file: HintsFile,
    owners: BTreeMap<String, String>,
}

impl Merged {
    fn new(release: &str) -> Merged {
        let file = HintsFile {
            hints: HINTS_VERSION.into(),
            family: release.to_owned(),
            ..HintsFile::default()
        };
        Merged {
            file,
            owners: BTreeMap::new(),
        }
    }

    fn claim(&mut self, name: String, origin: &str) -> Result<(), HintsError> {
        match self.owners.insert(name.clone(), origin.to_owned()) {
            None => Ok(()),
            Some(first) => Err(HintsError::Twice {
                release: self.file.family.clone(),
                name,
                first,
                second: origin.to_owned(),
            }),
        }
    }

    fn add(&mut self, origin: &str, file: &HintsFile) -> Result<(), HintsError> {
        for source in &file.sources {
            self.claim(format!("source {}", source.id), origin)?;
            self.file.sources.push(source.clone());
        }
        for anchor in &file.anchors {
            if !self.file.anchors.contains(anchor) {
                self.file.anchors.push(anchor.clone());
            }
        }
        for strukt in &file.structs {
            self.add_struct(origin, strukt)?;
        }
        for amendment in &file.amend {
            let name = format!("amendment of {}.{}", amendment.strukt, amendment.field);
            self.claim(name, origin)?;
            self.file.amend.push(amendment.clone());
        }
        for array in &file.arrays {
            self.claim(format!("array {}", array.name), origin)?;
            self.file.arrays.push(array.clone());
        }
        for (name, rule) in &file.rules {
            self.claim(format!("rule {name}"), origin)?;
            self.file.rules.insert(name.clone(), rule.clone());
        }
        self.add_dictionaries(origin, &file.dictionaries)
    }

    /// Several files may add members to one structure.
    fn add_struct(&mut self, origin: &str, strukt: &HintStruct) -> Result<(), HintsError> {
        for name in strukt.fields.iter().map(|f| &f.name) {
            self.claim(format!("member {}.{name}", strukt.name), origin)?;
        }
        let place = self.file.structs.iter().position(|s| s.name == strukt.name);
        let Some(known) = place.and_then(|i| self.file.structs.get_mut(i)) else {
            self.file.structs.push(strukt.clone());
            return Ok(());
        };
        known.table = known.table.take().or_else(|| strukt.table.clone());
        known.anchor = known.anchor.take().or_else(|| strukt.anchor.clone());
        known.optional |= strukt.optional;
        known.guard = known.guard.or(strukt.guard);
        known.fields.extend(strukt.fields.iter().cloned());
        known.absent.extend(strukt.absent.iter().cloned());
        Ok(())
    }

    fn add_dictionaries(&mut self, origin: &str, more: &Dictionaries) -> Result<(), HintsError> {
        if !more.events.is_empty() {
            self.claim("dictionary events".into(), origin)?;
            self.file.dictionaries.events.clone_from(&more.events);
        }
        if !more.wait_classes.is_empty() {
            self.claim("dictionary wait_classes".into(), origin)?;
            self.file
                .dictionaries
                .wait_classes
                .clone_from(&more.wait_classes);
        }
        if !more.statistics.is_empty() {
            self.claim("dictionary statistics".into(), origin)?;
            self.file
                .dictionaries
                .statistics
                .clone_from(&more.statistics);
        }
        if !more.commands.is_empty() {
            self.claim("dictionary commands".into(), origin)?;
            self.file.dictionaries.commands.clone_from(&more.commands);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "hints_tests.rs"]
mod tests;
