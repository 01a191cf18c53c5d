//! The file of rules: `tenants.toml`, as a person or `groups import` writes it.
//!
//! For: reading and writing it, with errors that name line and column; making its parts ready
//! ([`RulesFile::rule_set`]). Not for: deciding who is which tenant ([`super::tenants`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::directives::{Directive, Plans, Scope};
use super::files;
use super::mapping::{
    Attribute, Grant, ManualSwitch, Matching, Priorities, PrioritiesError, Privileges, Rule,
    RuleSet, RulesError, User, identifier,
};

/// Why a file of rules can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesFileError {
    /// The system's reason.
    #[error("{}: {source}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It isn't TOML, or isn't made of what a file of rules may have.
    #[error("{}: line {line}, column {column}: {message}", path.display())]
    Content {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// Rules that contradict each other.
    #[error("{}: {source}", path.display())]
    Rules {
        /// File.
        path: PathBuf,
        /// Which.
        source: RulesError,
    },
    /// Priorities that can't be.
    #[error("{}: [priorities]: {source}", path.display())]
    Priorities {
        /// File.
        path: PathBuf,
        /// Which.
        source: PrioritiesError,
    },
    /// It can't be written as TOML.
    #[error("can't be written as TOML: {0}")]
    Write(#[from] toml::ser::Error),
}

/// What becomes of what belongs to nobody: idle capacity and the instance's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// A row of its own.
    #[default]
    Row,
    /// Shared out to the tenants by what they used.
    Share,
    /// Left out.
    Drop,
}

/// How values are compared, where it isn't as documented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchingTable {
    /// Attributes in whose values `%`, `_` and `\` have a meaning; `[]` for 11.1, where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patterns: Option<BTreeSet<Attribute>>,
    /// Attributes compared without regard to case.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub insensitive: BTreeSet<Attribute>,
}

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesFile {
    /// What becomes of idle capacity and overhead; `row` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// The active plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Over what a limit without SWITCH_FOR_CALL counts; `session` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_count: Option<Scope>,
    /// How values are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<MatchingTable>,
    /// Attribute to number, `explicit` too; as a database is delivered by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priorities: Option<BTreeMap<String, i64>>,
    /// Consumer group to tenant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, String>,
    /// User to initial group and roles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, User>,
    /// The mapping.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Switch privileges; without this everybody is taken to have all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Vec<Grant>>,
    /// Plan directives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directives: Vec<Directive>,
    /// Manual switches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<ManualSwitch>,
}

impl RulesFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, or line and column of what isn't right.
    pub fn read(path: &Path) -> Result<RulesFile, RulesFileError> {
        let io = |source| RulesFileError::Io {
            path: path.to_path_buf(),
            source,
        };
        let text = files::text(path).map_err(io)?;
        RulesFile::parse(&text, path)
    }

    /// Parses a text; `path` is for messages.
    ///
    /// # Errors
    /// Line and column of what isn't right.
    pub fn parse(text: &str, path: &Path) -> Result<RulesFile, RulesFileError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let (line, column, message) = files::located(text, &error);
            RulesFileError::Content {
                path: path.to_path_buf(),
                line,
                column,
                message,
            }
        })
    }

    /// The text of the document.
    ///
    /// # Errors
    /// It can't be written as TOML.
    pub fn to_toml(&self) -> Result<String, RulesFileError> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// Rules, priorities and privileges, ready; `path` is for messages.
    ///
    /// # Errors
    /// Rules or priorities that can't be.
    pub fn rule_set(&self, path: &Path) -> Result<RuleSet, RulesFileError> {
        let mut matching = Matching::default();
        if let Some(table) = &self.matching {
            matching.insensitive.clone_from(&table.insensitive);
            if let Some(patterns) = &table.patterns {
                matching.patterns.clone_from(patterns);
            }
        }
        let priorities = match &self.priorities {
            None => Priorities::default(),
            Some(given) => Priorities::new(given).map_err(|source| RulesFileError::Priorities {
                path: path.to_path_buf(),
                source,
            })?,
        };
        let privileges = Privileges {
            grants: self.privileges.clone(),
            users: self.users.clone(),
        };
        let rules = RuleSet::new(self.rules.clone(), &matching, priorities, privileges);
        let mut rules = rules.map_err(|source| RulesFileError::Rules {
            path: path.to_path_buf(),
            source,
        })?;
        rules.in_plan = self.plans().groups();
        Ok(rules)
    }

    /// The document without what only `cost` knows: rules that name a tenant and no group are none of the Resource
    /// Manager's, and decide about no group.
    pub fn of_groups(&self) -> RulesFile {
        let mut file = self.clone();
        file.rules.retain(|rule| rule.group.is_some());
        file
    }

    /// Whether it tells tenants apart.
    pub fn has_tenants(&self) -> bool {
        !self.tenants.is_empty() || self.rules.iter().any(|rule| rule.tenant.is_some())
    }

    /// Directives and the active plan.
    pub fn plans(&self) -> Plans {
        Plans::new(self.plan.as_deref(), &self.directives)
    }

    /// Manual switches, oldest first, their names as the dictionary keeps them.
    pub fn manual_switches(&self) -> Vec<ManualSwitch> {
        let mut all = self.switches.clone();
        for switch in &mut all {
            switch.group = identifier(&switch.group);
            for name in [&mut switch.user, &mut switch.owner] {
                *name = name.as_deref().map(identifier);
            }
        }
        all.sort_by_key(ManualSwitch::at_us);
        all
    }
}
