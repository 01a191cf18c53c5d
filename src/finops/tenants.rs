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

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(text: &str) -> Tenants {
        let path = Path::new("tenants.toml");
        Tenants::new(&RulesFile::parse(text, path).unwrap(), path).unwrap()
    }

    fn of(user: &str, module: &str) -> SessionAttributes {
        SessionAttributes {
            oracle_user: Some(user.into()),
            module_name: Some(module.into()),
            ..SessionAttributes::default()
        }
    }

    const FILE: &str = r#"
idle = "share"
[tenants]
LOW_PRIORITY = "batch"
[users.HR]
initial_group = "HR_GROUP"
[[rules]]
attribute = "ORACLE_USER"
value = "SCOTT"
tenant = "acme"
[[rules]]
attribute = "MODULE_NAME"
value = "BACKUP%"
group = "LOW_PRIORITY"
[[rules]]
attribute = "MODULE_NAME"
value = "%RUN"
group = "RUNS"
"#;

    #[test]
    fn a_session_has_a_tenant_or_is_unmapped() {
        let tenants = tenants(FILE);
        assert_eq!(tenants.idle(), Idle::Share);
        assert_eq!(tenants.names(), [UNMAPPED, "RUNS", "acme", "batch"]);
        let verdict = |user, module| {
            let session = of(user, module);
            let found = tenants.tenant_of(&session);
            (found.tenant.to_owned(), found.why, found.rule.is_some())
        };
        assert_eq!(verdict("SCOTT", "x"), ("acme".into(), Why::Rule, true));
        assert_eq!(
            verdict("SCOTT", "BACKUP"),
            ("batch".into(), Why::Rule, true)
        );
        assert_eq!(verdict("X", "A RUN"), ("RUNS".into(), Why::Rule, true));
        assert_eq!(
            verdict("X", "BACKUP RUN"),
            (UNMAPPED.into(), Why::Ambiguous, false)
        );
        assert_eq!(
            verdict("HR", "x"),
            ("HR_GROUP".into(), Why::InitialGroup, false)
        );
        assert_eq!(verdict("X", "x"), (UNMAPPED.into(), Why::NoRule, false));
    }

    #[test]
    fn rules_that_tie_for_one_tenant_are_no_tie() {
        let more = format!("{FILE}tenant = \"batch\"\n");
        let tenants = tenants(&more);
        let session = of("X", "BACKUP RUN");
        let verdict = tenants.tenant_of(&session);
        assert_eq!((verdict.tenant, verdict.why), ("batch", Why::Rule));
    }

    #[test]
    fn mistakes_are_named_with_line_and_column() {
        let error = |text: &str| {
            let path = Path::new("tenants.toml");
            let found = RulesFile::parse(text, path).and_then(|file| Tenants::new(&file, path));
            found.unwrap_err().to_string()
        };
        for (text, part) in [
            (
                "idle = \"never\"",
                "line 1, column 8: unknown variant `never`",
            ),
            (
                "\n[[rules]]\nattribute = \"SIZE\"\n",
                "line 3, column 13: unknown variant `SIZE`",
            ),
            (
                "[[rules]]\nattribut = 1\n",
                "line 2, column 1: unknown field `attribut`",
            ),
            ("idle = ", "line 1, column"),
            (
                "[priorities]\nexplicit = 2\n",
                "[priorities]: EXPLICIT must be given as 1",
            ),
            (
                "[[rules]]\nattribute = \"CLIENT_ID\"\nvalue = \"x\"\n",
                "neither group nor tenant",
            ),
            ("é = ü", "line 1, column"),
        ] {
            let found = error(text);
            assert!(
                found.starts_with("tenants.toml: ") && found.contains(part),
                "{text:?}: {found}"
            );
        }
    }
}
