//! A session's group over time.
//!
//! Rules are evaluated at login, and again when a run-time attribute changes to another value; login
//! attributes are never read again. Setting the value that is there already switches nothing. A
//! switch to the group that the session is in counts as a switch: its statistics in the group begin
//! at zero (Administrator's Guide 11.1). Callers: `groups`.

use super::attribute::{Field, SessionAttributes};
use super::evaluate::{Evaluation, Given};
use super::rules::RuleSet;
use super::switches::{ManualSwitch, Target};

/// Why a group changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The rules were evaluated again, because this field changed.
    Attribute(Field),
    /// A switch procedure was called.
    Manual,
    /// SWITCH_CURRENT_CONSUMER_GROUP failed with INITIAL_GROUP_ON_ERROR.
    OnError,
    /// A switch procedure was called without the privilege: an error, and no switch.
    Refused,
}

impl Cause {
    /// Words for it.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Attribute(Field::ModuleName) => "module changed",
            Cause::Attribute(Field::Action) => "action changed",
            Cause::Attribute(Field::ClientId) => "client identifier changed",
            Cause::Attribute(_) => "attribute changed",
            Cause::Manual => "explicit switch",
            Cause::OnError => "explicit switch failed: initial group",
            Cause::Refused => "explicit switch refused: no privilege",
        }
    }
}

/// A change of group, or one to the same group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// When the session was last seen as it was before, or its explicit switch was called, µs since the epoch.
    pub after_us: i64,
    /// When it was first seen as it is now.
    pub by_us: i64,
    /// Group before.
    pub from: Option<String>,
    /// Group now.
    pub to: Option<String>,
    /// Why.
    pub cause: Cause,
}

/// One session.
#[derive(Clone, Debug)]
pub struct Tracker {
    /// What rules see of it: login attributes as they were when it was first seen.
    seen: SessionAttributes,
    /// Group of the last explicit switch.
    explicit: Option<String>,
    /// Where it was put first.
    initial: Option<String>,
    now: Evaluation,
    last_us: i64,
    done: usize,
}

impl Tracker {
    /// A session when it logs in, or as it is first seen.
    pub fn login(rules: &RuleSet, session: &SessionAttributes, at_us: i64) -> Tracker {
        let now = rules.evaluate(session, None);
        Tracker {
            seen: session.clone(),
            explicit: None,
            initial: now.group.clone(),
            now,
            last_us: at_us,
            done: 0,
        }
    }

    /// What holds now.
    pub fn now(&self) -> &Evaluation {
        &self.now
    }

    /// The session as it is seen later; `manual` are the switches meant for it, oldest first, all of
    /// them each time. Returns what was switched since the last look.
    pub fn observe(
        &mut self,
        rules: &RuleSet,
        session: &SessionAttributes,
        at_us: i64,
        manual: &[&ManualSwitch],
    ) -> Vec<Switch> {
        let mut switches = Vec::new();
        while let Some(switch) = manual.get(self.done).filter(|s| s.at_us() <= at_us) {
            self.done += 1;
            switches.push(self.manual(rules, switch, at_us));
        }
        let changed = Field::ALL
            .into_iter()
            .find(|f| f.is_run_time() && self.seen.get(*f) != session.get(*f));
        if let Some(field) = changed {
            for field in Field::ALL.into_iter().filter(|f| f.is_run_time()) {
                self.seen.set(field, session.get(field).map(str::to_owned));
            }
            let then = rules.evaluate(&self.seen, self.explicit.as_deref());
            // without a rule that fits anew nothing is switched
            let fits = matches!(then.by, Given::Rule(_) | Given::Ambiguous(_));
            if then.group != self.now.group || (fits && then.by != self.now.by) {
                let now = then.group.clone();
                switches.push(self.switched(at_us, now, Cause::Attribute(field)));
            }
            self.now = then;
        }
        self.last_us = at_us;
        switches
    }

    fn manual(&mut self, rules: &RuleSet, switch: &ManualSwitch, at_us: i64) -> Switch {
        let user = switch.owner.as_deref().or(self.seen.oracle_user.as_deref());
        let may = !switch.current || rules.privileges.may_switch(user, &switch.group);
        let (to, cause) = match (may, switch.initial_group_on_error) {
            (true, _) => (Some(switch.group.clone()), Cause::Manual),
            (false, true) => (self.initial.clone(), Cause::OnError),
            (false, false) => (self.now.group.clone(), Cause::Refused),
        };
        // when it was called is known better than by looks, if it was told
        let told_us = switch.at.map(|_| switch.at_us());
        let found = Switch {
            after_us: told_us.unwrap_or(self.last_us),
            by_us: told_us.unwrap_or(at_us),
            ..self.switched(at_us, to.clone(), cause)
        };
        if cause != Cause::Refused {
            self.explicit = to;
            self.now = rules.evaluate(&self.seen, self.explicit.as_deref());
        }
        found
    }

    fn switched(&self, at_us: i64, to: Option<String>, cause: Cause) -> Switch {
        Switch {
            after_us: self.last_us,
            by_us: at_us,
            from: self.now.group.clone(),
            to,
            cause,
        }
    }

    /// Who this is, for [`ManualSwitch::is_for`].
    pub fn target(&self, sid: u32, serial_no: u32) -> Target<'_> {
        Target {
            sid,
            serial_no,
            user: self.seen.oracle_user.as_deref(),
        }
    }
}
