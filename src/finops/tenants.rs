//! Whose a session is.
//!
//! Tenants are told apart by Oracle's own mapping rules, so that what a database administrator has
//! can be used as it is: a rule gives a consumer group, which stands for a tenant (`[tenants]`), or
//! names the tenant itself. A session that no rule fits is [`UNMAPPED`], and what belongs to nobody
//! is [`IDLE`]: both rows always exist, so that shares add up to the whole.
//!
//! Callers: `cli` (groups, cost).

use std::collections::BTreeMap;
use std::path::Path;

use super::mapping::{DEFAULT_CONSUMER_GROUP, Given, Rule, RuleSet, SessionAttributes, identifier};
use super::rules_file::{Idle, RulesFile, RulesFileError};

/// Sessions that no rule fits, or several that contradict each other.
pub const UNMAPPED: &str = "(unmapped)";
/// Idle capacity and the instance's own work.
pub const IDLE: &str = "(idle)";

/// Why a session is of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A rule says so.
    Rule,
    /// Its user's initial group says so.
    InitialGroup,
    /// No rule fits.
    NoRule,
    /// Rules that fit equally well say different things.
    Ambiguous,
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The tenant; [`UNMAPPED`] if none is.
    pub tenant: &'a str,
    /// The rule that says so (of several that agree, the first).
    pub rule: Option<&'a Rule>,
    /// Why.
    pub why: Why,
}

/// All tenants.
#[derive(Clone, Debug)]
pub struct Tenants {
    rules: RuleSet,
    of_group: BTreeMap<String, String>,
    idle: Idle,
}

impl Tenants {
    /// Reads `tenants.toml`.
    ///
    /// # Errors
    /// It can't be read, or what of it can't be.
    pub fn load(path: &Path) -> Result<Tenants, RulesFileError> {
        Tenants::new(&RulesFile::read(path)?, path)
    }

    /// The tenants of a document; `path` is for messages.
    ///
    /// # Errors
    /// Rules or priorities that can't be.
    pub fn new(file: &RulesFile, path: &Path) -> Result<Tenants, RulesFileError> {
        let of_group = file.tenants.iter();
        let of_group = of_group.map(|(group, tenant)| (identifier(group), tenant.clone()));
        Ok(Tenants {
            rules: file.rule_set(path)?,
            of_group: of_group.collect(),
            idle: file.idle.unwrap_or_default(),
        })
    }

    /// What becomes of what belongs to nobody, unless the caller is told otherwise.
    pub fn idle(&self) -> Idle {
        self.idle
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// All tenants that a session can be of, sorted, with [`UNMAPPED`]; [`IDLE`] is no session's.
    pub fn names(&self) -> Vec<&str> {
        let of_rules = self.rules.rules().iter().map(|rule| self.of_rule(rule));
        let mut names: Vec<&str> = of_rules
            .chain(self.of_group.values().map(String::as_str))
            .chain([UNMAPPED])
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whose a session is.
    pub fn tenant_of(&self, session: &SessionAttributes) -> Verdict<'_> {
        match self.rules.given(session) {
            Given::Rule(rule) => self.by_rule(rule),
            Given::Ambiguous(rules) => {
                let all = || {
                    rules
                        .iter()
                        .map(|rule| self.of_rule(&self.rules.rules()[*rule]))
                };
                let first = all().next();
                match rules.first() {
                    Some(rule) if all().all(|tenant| Some(tenant) == first) => self.by_rule(*rule),
                    _ => unmapped(Why::Ambiguous),
                }
            }
            Given::InitialGroup => {
                let user = session.oracle_user.as_deref();
                match self.rules.privileges.initial_group(user) {
                    Some((group, _)) => Verdict {
                        tenant: self.of_group.get(group).map_or(group, String::as_str),
                        rule: None,
                        why: Why::InitialGroup,
                    },
                    None => unmapped(Why::NoRule),
                }
            }
            Given::Default | Given::Explicit => Verdict {
                tenant: self
                    .of_group
                    .get(DEFAULT_CONSUMER_GROUP)
                    .map_or(UNMAPPED, String::as_str),
                rule: None,
                why: Why::NoRule,
            },
        }
    }

    fn by_rule(&self, rule: usize) -> Verdict<'_> {
        let rule = &self.rules.rules()[rule];
        Verdict {
            tenant: self.of_rule(rule),
            rule: Some(rule),
            why: Why::Rule,
        }
    }

    fn of_rule<'a>(&'a self, rule: &'a Rule) -> &'a str {
        let of_group = |group: &'a str| self.of_group.get(group).map_or(group, String::as_str);
        let group = || rule.group.as_deref().map_or(UNMAPPED, of_group);
        rule.tenant.as_deref().unwrap_or_else(group)
    }
}

fn unmapped(why: Why) -> Verdict<'static> {
    Verdict {
        tenant: UNMAPPED,
        rule: None,
        why,
    }
}
