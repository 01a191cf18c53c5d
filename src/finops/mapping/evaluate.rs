//! Which rule wins for a session.
//!
//! Attributes are looked at in the order of their priority; the first that has a rule that fits, and
//! to whose group the user may switch, decides. Callers: `track`, `tenants`.

use super::attribute::{Field, SessionAttributes};
use super::rules::{Hit, RuleSet};
use super::{DEFAULT_CONSUMER_GROUP, OTHER_GROUPS};

/// Who gave a session its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A switch procedure was called.
    Explicit,
    /// This rule.
    Rule(usize),
    /// The user's INITIAL_RSRC_CONSUMER_GROUP.
    InitialGroup,
    /// Nobody.
    Default,
    /// These rules of one attribute fit equally well and give different groups; Oracle's choice
    /// isn't documented.
    Ambiguous(Vec<usize>),
}

/// What became of a rule that fits a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It gives the group.
    Won,
    /// An explicit switch stands above it.
    BehindExplicit,
    /// The attribute of this rule is more important.
    BehindPriority(usize),
    /// This rule of the same attribute has the exact value, this one only a pattern.
    BehindExact(usize),
    /// This rule of the same attribute fits equally well and gives the same group.
    Same(usize),
    /// It ties with others of its attribute.
    Tied,
    /// The user may not switch to its group.
    NoPrivilege,
}

impl Outcome {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Won => "won",
            Outcome::BehindExplicit => "behind explicit switch",
            Outcome::BehindPriority(_) => "behind higher priority",
            Outcome::BehindExact(_) => "behind exact value",
            Outcome::Same(_) => "same group",
            Outcome::Tied => "ambiguous",
            Outcome::NoPrivilege => "no switch privilege",
        }
    }
}

/// What the rules say of a session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The mapped group; none where rules are ambiguous, or where the winner names only a tenant.
    pub group: Option<String>,
    /// Where it runs: the group, or OTHER_GROUPS if that isn't in the plan.
    pub runs_in: Option<String>,
    /// Who gave it.
    pub by: Given,
    /// All rules that fit, the most important first.
    pub rules: Vec<(usize, Outcome)>,
    /// Rules that might change this if the field were known, which the source can't tell.
    pub undecided: Vec<(usize, Field)>,
    /// Rules that fit but for upper and lower case.
    pub near: Vec<usize>,
}

impl RuleSet {
    /// Who gives a session its group, and no more: for callers that have many.
    pub fn given(&self, session: &SessionAttributes) -> Given {
        for attribute in self.priorities.order() {
            if !self.uses(attribute) {
                continue;
            }
            let (best, _) = self.best(&self.hits(attribute, session), session);
            match best.as_slice() {
                [] => {}
                [first, others @ ..] => {
                    let same = others.iter().all(|o| self.is_same(*o, *first));
                    return match same {
                        true => Given::Rule(*first),
                        false => Given::Ambiguous(best),
                    };
                }
            }
        }
        match self.initial(session) {
            Some(_) => Given::InitialGroup,
            None => Given::Default,
        }
    }

    /// The group that this gives.
    pub fn group_of(&self, by: &Given, session: &SessionAttributes) -> Option<&str> {
        match by {
            Given::Rule(rule) => self.rules()[*rule].group.as_deref(),
            Given::InitialGroup => self.initial(session),
            Given::Default => Some(DEFAULT_CONSUMER_GROUP),
            Given::Ambiguous(_) | Given::Explicit => None,
        }
    }

    /// All that can be said of a session. `explicit` is the group of a manual switch.
    pub fn evaluate(&self, session: &SessionAttributes, explicit: Option<&str>) -> Evaluation {
        let by = match explicit {
            Some(_) => Given::Explicit,
            None => self.given(session),
        };
        let group = explicit.or_else(|| self.group_of(&by, session));
        let group = group.map(str::to_owned);
        let mut found = Evaluation {
            runs_in: group.as_deref().map(|g| self.placed(g).to_owned()),
            group,
            by,
            rules: Vec::new(),
            undecided: Vec::new(),
            near: Vec::new(),
        };
        // the first rule of the attribute that decides
        let mut decided = None;
        for attribute in self.priorities.order().filter(|a| self.uses(*a)) {
            match session.value_of(attribute) {
                Err(field) if decided.is_none() && explicit.is_none() => {
                    let rules = self.rules_of(attribute).map(|rule| (rule, field));
                    found.undecided.extend(rules);
                }
                _ => {}
            }
            let hits = self.hits(attribute, session);
            let (best, unprivileged) = self.best(&hits, session);
            for hit in &hits {
                let outcome = match (explicit.is_some(), decided) {
                    _ if unprivileged.contains(&hit.rule) => Outcome::NoPrivilege,
                    (true, _) => Outcome::BehindExplicit,
                    (false, Some(rule)) => Outcome::BehindPriority(rule),
                    (false, None) => self.among(hit, &best, &found.by),
                };
                found.rules.push((hit.rule, outcome));
            }
            found.near.extend(self.near(attribute, session));
            decided = decided.or(best.first().copied());
        }
        found
    }

    /// What becomes of a hit of the attribute that decides.
    fn among(&self, hit: &Hit, best: &[usize], by: &Given) -> Outcome {
        match (by, best) {
            (Given::Rule(winner), _) if *winner == hit.rule => Outcome::Won,
            (Given::Rule(winner), best) if best.contains(&hit.rule) => Outcome::Same(*winner),
            (Given::Ambiguous(_), best) if best.contains(&hit.rule) => Outcome::Tied,
            (_, [first, ..]) => Outcome::BehindExact(*first),
            _ => Outcome::NoPrivilege,
        }
    }

    /// Of the hits of one attribute those that count: with privilege, and exact ones before
    /// patterns; and those without privilege.
    fn best(&self, hits: &[Hit], session: &SessionAttributes) -> (Vec<usize>, Vec<usize>) {
        let user = session.oracle_user.as_deref();
        let may = |hit: &&Hit| {
            let group = self.rules()[hit.rule].group.as_deref();
            group.is_none_or(|group| self.privileges.may_switch(user, group))
        };
        let (allowed, refused): (Vec<&Hit>, Vec<&Hit>) = hits.iter().partition(may);
        let exact = allowed.iter().any(|hit| hit.exact);
        let best = allowed.iter().filter(|hit| hit.exact == exact);
        (
            best.map(|hit| hit.rule).collect(),
            refused.iter().map(|hit| hit.rule).collect(),
        )
    }

    /// Whether two rules give the same.
    fn is_same(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.rules()[one], &self.rules()[other]);
        one.group == other.group && one.tenant == other.tenant
    }

    /// The user's initial group, where it is known and may be used.
    fn initial(&self, session: &SessionAttributes) -> Option<&str> {
        let found = self
            .privileges
            .initial_group(session.oracle_user.as_deref());
        found.filter(|(_, may)| *may).map(|(group, _)| group)
    }

    /// Where sessions of a group run.
    pub fn placed<'a>(&self, group: &'a str) -> &'a str {
        match &self.in_plan {
            Some(groups) if !groups.contains(group) => OTHER_GROUPS,
            _ => group,
        }
    }
}
