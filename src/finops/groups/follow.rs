//! Sessions followed over a recording, by one set of rules or several.
//!
//! Callers: the rest of `groups`.

use std::collections::HashMap;

use super::rows::{Known, Row, attributes};
use crate::analyze::texts::Texts;
use crate::finops::directives::{Plans, Scope};
use crate::finops::mapping::{ManualSwitch, RuleSet, SessionAttributes, Switch, Tracker};
use crate::finops::rules_file::{RulesFile, RulesFileError};
use crate::finops::tenants::Tenants;

/// All that a file of rules declares, ready.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Mapping rules, priorities, privileges.
    pub rules: RuleSet,
    /// Manual switches, oldest first.
    pub manual: Vec<ManualSwitch>,
    /// Plan directives.
    pub plans: Plans,
    /// Over what limits count.
    pub scope: Scope,
    /// Whose a session is, if the document tells tenants apart.
    pub tenants: Option<Tenants>,
}

impl Declared {
    /// What a document declares; `path` is for messages.
    ///
    /// # Errors
    /// Rules or priorities that can't be.
    pub fn of(file: &RulesFile, path: &std::path::Path) -> Result<Declared, RulesFileError> {
        let tenants = file.has_tenants().then(|| Tenants::new(file, path));
        Ok(Declared {
            tenants: tenants.transpose()?,
            rules: file.of_groups().rule_set(path)?,
            manual: file.manual_switches(),
            plans: file.plans(),
            scope: file.limits_count.unwrap_or_default(),
        })
    }
}

/// A session of a recording: source, SID, SERIAL#.
pub(super) type Key = (usize, u32, u32);

/// A session.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) instance: String,
    pub(super) sid: u32,
    pub(super) serial_no: u32,
    pub(super) session: SessionAttributes,
    /// One for each set of rules.
    pub(super) trackers: Vec<Tracker>,
    /// Manual switches meant for it, by set of rules.
    manual: Vec<Vec<usize>>,
    /// When the next of them is due, µs since the epoch.
    next_manual_us: i64,
    fields: [u32; 8],
    pub(super) first_us: i64,
    pub(super) last_us: i64,
}

/// All sessions.
pub(super) struct Sessions<'a> {
    declared: Vec<&'a Declared>,
    places: HashMap<Key, usize>,
    pub(super) all: Vec<Followed>,
}

impl<'a> Sessions<'a> {
    pub(super) fn new(declared: Vec<&'a Declared>) -> Sessions<'a> {
        Sessions {
            declared,
            places: HashMap::new(),
            all: Vec::new(),
        }
    }

    /// Takes a row: the place of its session, and by set of rules what was switched.
    pub(super) fn see(
        &mut self,
        source: (usize, &str),
        row: &Row,
        texts: &Texts,
        known: Known,
    ) -> (usize, Vec<(usize, Switch)>) {
        let key = (source.0, row.sid, row.serial_no);
        let Some(place) = self.places.get(&key).copied() else {
            let followed = self.log_in(source.1, row, texts, known);
            self.all.push(followed);
            let place = self.all.len() - 1;
            self.places.insert(key, place);
            return (place, self.look(place, row, None));
        };
        let followed = &mut self.all[place];
        followed.last_us = row.time_us;
        if followed.fields == row.fields && row.time_us < followed.next_manual_us {
            return (place, Vec::new());
        }
        followed.fields = row.fields;
        let session = attributes(texts, &row.fields, known.unknown);
        (place, self.look(place, row, Some(session)))
    }

    fn log_in(&self, instance: &str, row: &Row, texts: &Texts, known: Known) -> Followed {
        let session = attributes(texts, &row.fields, known.unknown);
        let login = |d: &&Declared| Tracker::login(&d.rules, &session, row.time_us);
        let trackers: Vec<Tracker> = self.declared.iter().map(login).collect();
        let manual = self
            .declared
            .iter()
            .zip(&trackers)
            .map(|(declared, tracker)| {
                let target = tracker.target(row.sid, row.serial_no);
                let all = declared.manual.iter().enumerate();
                all.filter(|(_, s)| s.is_for(target) && s.reaches(row.logon_us))
                    .map(|(i, _)| i)
                    .collect()
            });
        Followed {
            instance: instance.to_owned(),
            sid: row.sid,
            serial_no: row.serial_no,
            manual: manual.collect(),
            trackers,
            session,
            next_manual_us: i64::MIN,
            fields: row.fields,
            first_us: row.time_us,
            last_us: row.time_us,
        }
    }

    fn look(
        &mut self,
        place: usize,
        row: &Row,
        session: Option<SessionAttributes>,
    ) -> Vec<(usize, Switch)> {
        let followed = &mut self.all[place];
        if let Some(session) = session {
            followed.session = session;
        }
        let mut found = Vec::new();
        followed.next_manual_us = i64::MAX;
        for (set, declared) in self.declared.iter().enumerate() {
            let meant = followed.manual[set].iter().map(|i| &declared.manual[*i]);
            let manual: Vec<&ManualSwitch> = meant.collect();
            let tracker = &mut followed.trackers[set];
            let switches =
                tracker.observe(&declared.rules, &followed.session, row.time_us, &manual);
            found.extend(switches.into_iter().map(|switch| (set, switch)));
            let due = manual
                .iter()
                .map(|s| s.at_us())
                .find(|at| *at > row.time_us);
            followed.next_manual_us = followed.next_manual_us.min(due.unwrap_or(i64::MAX));
        }
        found
    }
}
