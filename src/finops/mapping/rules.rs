//! Rules, made ready to be matched.
//!
//! Callers: `evaluate`, and whoever loads rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, SessionAttributes};
use super::priorities::Priorities;
use super::privileges::Privileges;
use crate::filter::Pattern;

/// A mapping rule: sessions of which this attribute has this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it looks at.
    pub attribute: Attribute,
    /// Value or pattern, as DBA_RSRC_GROUP_MAPPINGS shows it.
    pub value: String,
    /// Consumer group; a rule that only tells tenants apart has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Tenant; by default what `tenants` says of the group, else the group itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// How values are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// Attributes in whose values `%`, `_` and `\` have a meaning.
    pub patterns: BTreeSet<Attribute>,
    /// Attributes that are compared without regard to case. Nothing public states Oracle's rule:
    /// by default case matters, and rules that miss only by case are named.
    pub insensitive: BTreeSet<Attribute>,
}

impl Default for Matching {
    fn default() -> Matching {
        let all = Attribute::ALL.into_iter();
        Matching {
            patterns: all.filter(|a| a.takes_patterns()).collect(),
            insensitive: BTreeSet::new(),
        }
    }
}

/// Why rules can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The same attribute and value twice.
    #[error(
        "rules {first} and {second} both map {attribute} {value:?}; expected one of them (a later \
         SET_CONSUMER_GROUP_MAPPING replaces the earlier one): remove the one that is out of date"
    )]
    Twice {
        /// Number of the earlier, from 1.
        first: usize,
        /// Number of the later.
        second: usize,
        /// Their attribute.
        attribute: Attribute,
        /// Their value.
        value: String,
    },
    /// A rule that maps to nothing.
    #[error("rule {number} ({attribute} {value:?}) has neither group nor tenant; give one")]
    NoTarget {
        /// Its number, from 1.
        number: usize,
        /// Its attribute.
        attribute: Attribute,
        /// Its value.
        value: String,
    },
}

/// Name of a user or group as the dictionary keeps it: upper case, or as it stands in double quotes.
pub fn identifier(text: &str) -> String {
    let text = text.trim();
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.map_or_else(|| text.to_uppercase(), str::to_owned)
}

/// A name of the dictionary as [`identifier`] reads it: in double quotes where it isn't upper case.
pub fn quoted(name: &str) -> String {
    match identifier(name) == name {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

/// A rule's value, parsed.
#[derive(Clone, Debug)]
enum Form {
    Exact(String),
    Pattern(Pattern),
}

#[derive(Clone, Debug)]
struct Ready {
    /// Place of the rule among those given.
    rule: usize,
    form: Form,
    insensitive: bool,
}

impl Ready {
    fn is_exact(&self) -> bool {
        matches!(self.form, Form::Exact(_))
    }

    fn matches(&self, text: &str) -> bool {
        match (&self.form, self.insensitive) {
            (Form::Exact(value), false) => value == text,
            (Form::Exact(value), true) => *value == text.to_lowercase(),
            (Form::Pattern(pattern), false) => pattern.matches(text),
            (Form::Pattern(pattern), true) => pattern.matches(&text.to_lowercase()),
        }
    }
}

/// A rule that fits a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) rule: usize,
    pub(super) exact: bool,
}

/// All that decides on groups.
#[derive(Clone, Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    ready: BTreeMap<Attribute, Vec<Ready>>,
    /// The same rules, compared without regard to case.
    loose: BTreeMap<Attribute, Vec<Ready>>,
    /// The order of attributes.
    pub priorities: Priorities,
    /// Who may switch to what.
    pub privileges: Privileges,
    /// Groups of the active plan, if it is known: others run in OTHER_GROUPS.
    pub in_plan: Option<BTreeSet<String>>,
}

impl RuleSet {
    /// Makes rules ready. Groups' and users' names are taken as [`identifier`] reads them.
    ///
    /// # Errors
    /// The same attribute and value twice, or a rule without target.
    pub fn new(
        rules: Vec<Rule>,
        matching: &Matching,
        priorities: Priorities,
        privileges: Privileges,
    ) -> Result<RuleSet, RulesError> {
        let mut rules = rules;
        let mut seen: BTreeMap<(Attribute, String), usize> = BTreeMap::new();
        let mut ready: BTreeMap<Attribute, Vec<Ready>> = BTreeMap::new();
        let mut loose: BTreeMap<Attribute, Vec<Ready>> = BTreeMap::new();
        for (at, rule) in rules.iter_mut().enumerate() {
            rule.group = rule.group.as_deref().map(identifier);
            let value = match rule.attribute {
                Attribute::OracleUser => identifier(&rule.value),
                _ => rule.value.clone(),
            };
            if rule.group.is_none() && rule.tenant.is_none() {
                return Err(RulesError::NoTarget {
                    number: at + 1,
                    attribute: rule.attribute,
                    value: rule.value.clone(),
                });
            }
            if let Some(first) = seen.insert((rule.attribute, value.clone()), at) {
                return Err(RulesError::Twice {
                    first: first + 1,
                    second: at + 1,
                    attribute: rule.attribute,
                    value: rule.value.clone(),
                });
            }
            let made = |insensitive| Ready {
                rule: at,
                form: form(
                    &value,
                    matching.patterns.contains(&rule.attribute),
                    insensitive,
                ),
                insensitive,
            };
            let insensitive = matching.insensitive.contains(&rule.attribute);
            let of = rule.attribute;
            ready.entry(of).or_default().push(made(insensitive));
            loose.entry(of).or_default().push(made(true));
        }
        Ok(RuleSet {
            rules,
            ready,
            loose,
            priorities,
            privileges: normalized(privileges),
            in_plan: None,
        })
    }

    /// The rules, in the order given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether any rule looks at the attribute.
    pub(super) fn uses(&self, attribute: Attribute) -> bool {
        self.ready.contains_key(&attribute)
    }

    /// Rules of an attribute that look at it, whatever its value.
    pub(super) fn rules_of(&self, attribute: Attribute) -> impl Iterator<Item = usize> + '_ {
        self.ready
            .get(&attribute)
            .into_iter()
            .flatten()
            .map(|r| r.rule)
    }

    /// Rules of an attribute that fit; none where its value can't be told or is null.
    pub(super) fn hits(&self, attribute: Attribute, session: &SessionAttributes) -> Vec<Hit> {
        hits(self.ready.get(&attribute), attribute, session)
    }

    /// Rules of an attribute that would fit if case didn't matter, and don't.
    pub(super) fn near(&self, attribute: Attribute, session: &SessionAttributes) -> Vec<usize> {
        let fit = self.hits(attribute, session);
        let loose = hits(self.loose.get(&attribute), attribute, session);
        let is_near = |hit: &Hit| !fit.iter().any(|f| f.rule == hit.rule);
        loose
            .into_iter()
            .filter(is_near)
            .map(|hit| hit.rule)
            .collect()
    }
}

fn hits(ready: Option<&Vec<Ready>>, of: Attribute, session: &SessionAttributes) -> Vec<Hit> {
    let (Some(ready), Ok(Some(text))) = (ready, session.value_of(of)) else {
        return Vec::new();
    };
    let fits = ready.iter().filter(|r| r.matches(&text));
    let hit = |r: &Ready| Hit {
        rule: r.rule,
        exact: r.is_exact(),
    };
    fits.map(hit).collect()
}

/// Parses a value. A `\` before anything but `%`, `_` and `\` stands for itself (`DOMAIN\HOST`): what
/// Oracle makes of it isn't public. A value without wildcards is exact, its escapes resolved.
fn form(value: &str, patterns: bool, insensitive: bool) -> Form {
    let value = match insensitive {
        true => value.to_lowercase(),
        false => value.to_owned(),
    };
    if !patterns {
        return Form::Exact(value);
    }
    let (mut plain, mut strict, mut wild) = (String::new(), String::new(), false);
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some(next @ ('%' | '_' | '\\'))) => {
                chars.next();
                plain.push(next);
                strict.extend(['\\', next]);
            }
            ('\\', _) => {
                plain.push('\\');
                strict.push_str("\\\\");
            }
            _ => {
                wild |= c == '%' || c == '_';
                plain.push(c);
                strict.push(c);
            }
        }
    }
    match Pattern::parse(&strict, Some('\\')) {
        Ok(pattern) if wild => Form::Pattern(pattern),
        _ => Form::Exact(plain),
    }
}

fn normalized(privileges: Privileges) -> Privileges {
    let Privileges { grants, users } = privileges;
    let grants = grants.map(|grants| {
        let mut grants = grants;
        for grant in &mut grants {
            grant.grantee = identifier(&grant.grantee);
            grant.group = identifier(&grant.group);
        }
        grants
    });
    let users = users.into_iter().map(|(name, mut user)| {
        user.initial_group = user.initial_group.as_deref().map(identifier);
        user.roles
            .iter_mut()
            .for_each(|role| *role = identifier(role));
        (identifier(&name), user)
    });
    Privileges {
        grants,
        users: users.collect(),
    }
}
