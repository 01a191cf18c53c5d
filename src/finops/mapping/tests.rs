//! What the documents say of rules, privileges, switches and priorities.

use std::collections::BTreeMap;

use super::*;

pub(super) fn rule(attribute: Attribute, value: &str, group: &str) -> Rule {
    Rule {
        attribute,
        value: value.into(),
        group: Some(group.into()),
        tenant: None,
    }
}

fn rules(rules: Vec<Rule>) -> RuleSet {
    with(rules, Privileges::default())
}

fn with(rules: Vec<Rule>, privileges: Privileges) -> RuleSet {
    RuleSet::new(
        rules,
        &Matching::default(),
        Priorities::default(),
        privileges,
    )
    .unwrap()
}

fn user(name: &str) -> SessionAttributes {
    SessionAttributes {
        oracle_user: Some(name.into()),
        ..SessionAttributes::default()
    }
}

fn group(rules: &RuleSet, session: &SessionAttributes) -> Option<String> {
    rules.evaluate(session, None).group
}

fn grants(of: &[(&str, &str)]) -> Privileges {
    let grant = |(grantee, group): &(&str, &str)| Grant {
        grantee: (*grantee).into(),
        group: (*group).into(),
        grant_option: false,
    };
    Privileges {
        grants: Some(of.iter().map(grant).collect()),
        users: BTreeMap::new(),
    }
}

use Attribute as A;

#[test]
fn an_exact_value_stands_before_a_pattern_and_patterns_tie() {
    let set = rules(vec![
        rule(A::ModuleName, "BACK%", "G1"),
        rule(A::ModuleName, "%UP", "G2"),
        rule(A::ModuleName, "BACKUP", "G3"),
    ]);
    let mut session = user("SCOTT");
    session.module_name = Some("BACKUP".into());
    let found = set.evaluate(&session, None);
    assert_eq!(found.group.as_deref(), Some("G3"));
    assert_eq!(
        found.rules,
        [
            (0, Outcome::BehindExact(2)),
            (1, Outcome::BehindExact(2)),
            (2, Outcome::Won)
        ]
    );
    session.module_name = Some("BACK IT UP".into());
    let found = set.evaluate(&session, None);
    assert_eq!(
        (found.group, found.by),
        (None, Given::Ambiguous(vec![0, 1]))
    );
}

#[test]
fn a_program_is_compared_without_what_follows_the_at_sign() {
    let set = rules(vec![
        rule(A::ClientProgram, "sqlplus", "G1"),
        rule(A::ClientProgram, "rman@%", "G2"),
    ]);
    let mut session = user("SCOTT");
    session.client_program = Some("sqlplus@app01 (TNS V1-V3)".into());
    assert_eq!(group(&set, &session).as_deref(), Some("G1"));
    session.client_program = Some("rman@backup01 (TNS V1-V3)".into());
    assert_eq!(
        group(&set, &session).as_deref(),
        Some(DEFAULT_CONSUMER_GROUP)
    );
}

#[test]
fn a_windows_machine_needs_no_doubled_backslash() {
    let mut session = user("SCOTT");
    session.client_machine = Some("WORKGROUP\\DESKTOP-7Q2K".into());
    for value in [
        "WORKGROUP\\DESKTOP-7Q2K",
        "WORKGROUP\\\\DESKTOP-7Q2K",
        "WORKGROUP\\%",
    ] {
        let set = rules(vec![rule(A::ClientMachine, value, "G1")]);
        let expected = if value.ends_with("\\%") {
            DEFAULT_CONSUMER_GROUP
        } else {
            "G1"
        };
        assert_eq!(group(&set, &session).as_deref(), Some(expected), "{value}");
    }
    let set = rules(vec![rule(A::ClientMachine, "WORKGROUP\\\\%", "G1")]);
    assert_eq!(group(&set, &session).as_deref(), Some("G1"));
}

#[test]
fn rules_that_miss_by_case_are_named() {
    let set = rules(vec![
        rule(A::ModuleName, "backup", "G1"),
        rule(A::OracleUser, "scott", "G2"),
    ]);
    let mut session = user("SCOTT");
    session.module_name = Some("BACKUP".into());
    let found = set.evaluate(&session, None);
    assert_eq!((found.group.as_deref(), found.near), (Some("G2"), vec![0]));
}

#[test]
fn what_the_source_cannot_tell_leaves_rules_undecided() {
    let set = rules(vec![
        rule(A::ServiceName, "SALES", "HIGH_PRIORITY"),
        rule(A::OracleUser, "SCOTT", "MED_PRIORITY"),
        rule(A::OracleFunction, "BACKUP", "BATCH_GROUP"),
    ]);
    let mut session = user("SCOTT");
    session.unknown = Fields::default()
        .with(Field::ServiceName)
        .with(Field::OracleFunction);
    let found = set.evaluate(&session, None);
    assert_eq!(found.group.as_deref(), Some("MED_PRIORITY"));
    // the function stands behind the user, so it can change nothing
    assert_eq!(found.undecided, [(0, Field::ServiceName)]);
}

#[test]
fn a_rule_without_privilege_is_ignored_and_a_role_or_public_gives_it() {
    let all = || {
        vec![
            rule(A::ModuleName, "M", "OLTP"),
            rule(A::OracleUser, "SCOTT", "DEV_GROUP"),
        ]
    };
    let mut session = user("SCOTT");
    session.module_name = Some("M".into());
    let set = with(all(), grants(&[("SCOTT", "DEV_GROUP")]));
    let found = set.evaluate(&session, None);
    assert_eq!(found.group.as_deref(), Some("DEV_GROUP"));
    assert_eq!(found.rules, [(0, Outcome::NoPrivilege), (1, Outcome::Won)]);
    let set = with(all(), grants(&[("PUBLIC", "OLTP")]));
    assert_eq!(group(&set, &session).as_deref(), Some("OLTP"));
    let mut by_role = grants(&[("CLERKS", "OLTP")]);
    let roles = vec!["CLERKS".to_owned()];
    by_role.users.insert(
        "SCOTT".into(),
        User {
            initial_group: None,
            roles,
        },
    );
    assert_eq!(
        group(&with(all(), by_role), &session).as_deref(),
        Some("OLTP")
    );
    // nothing granted: the default group, which PUBLIC has
    let set = with(all(), grants(&[]));
    assert_eq!(
        group(&set, &session).as_deref(),
        Some(DEFAULT_CONSUMER_GROUP)
    );
}

#[test]
fn without_a_rule_the_initial_group_counts_unless_its_privilege_was_revoked() {
    let initial = |mut privileges: Privileges| {
        let initial_group = Some("OLTP".to_owned());
        privileges.users.insert(
            "SCOTT".into(),
            User {
                initial_group,
                roles: Vec::new(),
            },
        );
        let set = with(Vec::new(), privileges);
        set.evaluate(&user("SCOTT"), None)
    };
    let found = initial(grants(&[("SCOTT", "OLTP")]));
    assert_eq!(
        (found.group.as_deref(), found.by),
        (Some("OLTP"), Given::InitialGroup)
    );
    let found = initial(grants(&[]));
    assert_eq!(
        (found.group.as_deref(), found.by),
        (Some(DEFAULT_CONSUMER_GROUP), Given::Default)
    );
}

#[test]
fn a_group_outside_the_plan_runs_in_other_groups() {
    let mut set = rules(vec![rule(A::OracleUser, "SCOTT", "DEV_GROUP")]);
    set.in_plan = Some(["OLTP".to_owned()].into());
    let found = set.evaluate(&user("SCOTT"), None);
    assert_eq!(found.group.as_deref(), Some("DEV_GROUP"));
    assert_eq!(found.runs_in.as_deref(), Some(OTHER_GROUPS));
}

#[test]
fn login_attributes_are_read_once_and_run_time_ones_when_they_change() {
    let set = rules(vec![
        rule(A::ModuleName, "BACKUP", "LOW_PRIORITY"),
        rule(A::OracleUser, "SCOTT", "DEV_GROUP"),
        rule(A::OracleUser, "HR", "HR_GROUP"),
    ]);
    let mut session = user("SCOTT");
    let mut tracker = Tracker::login(&set, &session, 0);
    assert_eq!(tracker.now().group.as_deref(), Some("DEV_GROUP"));
    session.module_name = Some("BACKUP".into());
    let switches = tracker.observe(&set, &session, 10, &[]);
    assert_eq!(switches.len(), 1);
    assert_eq!((switches[0].after_us, switches[0].by_us), (0, 10));
    assert_eq!(switches[0].to.as_deref(), Some("LOW_PRIORITY"));
    // the same value again switches nothing
    assert_eq!(tracker.observe(&set, &session, 20, &[]), []);
    // another user is a login attribute: not looked at, not even when the module changes
    session.oracle_user = Some("HR".into());
    assert_eq!(tracker.observe(&set, &session, 30, &[]), []);
    session.module_name = None;
    let switches = tracker.observe(&set, &session, 40, &[]);
    assert_eq!(switches[0].to.as_deref(), Some("DEV_GROUP"));
}

#[test]
fn a_rule_that_gives_the_same_group_switches_all_the_same() {
    let set = rules(vec![
        rule(A::ModuleName, "M", "G"),
        rule(A::OracleUser, "SCOTT", "G"),
    ]);
    let mut session = user("SCOTT");
    let mut tracker = Tracker::login(&set, &session, 0);
    session.module_name = Some("M".into());
    let switches = tracker.observe(&set, &session, 1, &[]);
    assert_eq!(switches.len(), 1);
    assert_eq!(switches[0].from, switches[0].to);
}

fn manual(at: i64, group: &str, current: bool, on_error: bool) -> ManualSwitch {
    ManualSwitch {
        at: jiff::Timestamp::from_microsecond(at).ok(),
        user: Some("SCOTT".into()),
        sid: None,
        serial_no: None,
        group: group.into(),
        current,
        owner: None,
        initial_group_on_error: on_error,
    }
}

#[test]
fn an_explicit_switch_stands_above_rules_until_the_next_one() {
    let set = rules(vec![
        rule(A::ModuleName, "M", "G"),
        rule(A::OracleUser, "SCOTT", "DEV_GROUP"),
    ]);
    let mut session = user("SCOTT");
    let mut tracker = Tracker::login(&set, &session, 0);
    let to_low = manual(5, "LOW_GROUP", false, false);
    assert!(to_low.is_for(tracker.target(17, 1)));
    let switches = tracker.observe(&set, &session, 10, &[&to_low]);
    assert_eq!(
        (switches[0].cause, switches[0].to.as_deref()),
        (Cause::Manual, Some("LOW_GROUP"))
    );
    session.module_name = Some("M".into());
    assert_eq!(tracker.observe(&set, &session, 20, &[&to_low]), []);
    let now = tracker.now();
    assert_eq!(
        (now.group.as_deref(), &now.by),
        (Some("LOW_GROUP"), &Given::Explicit)
    );
    assert_eq!(now.rules[0].1, Outcome::BehindExplicit);
}

#[test]
fn a_switch_of_its_own_needs_the_privilege_of_the_user_or_of_the_procedures_owner() {
    let set = with(
        vec![rule(A::OracleUser, "SCOTT", "DEV_GROUP")],
        grants(&[("SCOTT", "DEV_GROUP"), ("APP", "OLTP")]),
    );
    let session = user("SCOTT");
    let after = |switch: ManualSwitch| {
        let mut tracker = Tracker::login(&set, &session, 0);
        let found = tracker.observe(&set, &session, 10, &[&switch]);
        (found[0].cause, tracker.now().group.clone().unwrap())
    };
    let to = |on_error| manual(5, "OLTP", true, on_error);
    assert_eq!(after(to(false)), (Cause::Refused, "DEV_GROUP".into()));
    assert_eq!(after(to(true)), (Cause::OnError, "DEV_GROUP".into()));
    let owner = Some("APP".to_owned());
    assert_eq!(
        after(ManualSwitch { owner, ..to(false) }),
        (Cause::Manual, "OLTP".into())
    );
}

#[test]
fn priorities_are_checked() {
    let all = || -> BTreeMap<String, i64> {
        let names = Attribute::ALL[..9].iter().zip(2..);
        let names = names.map(|(a, n)| (a.name().to_lowercase(), n));
        names.chain([("explicit".to_owned(), 1)]).collect()
    };
    assert_eq!(Priorities::new(&all()).unwrap(), Priorities::default());
    let changed = |name: &str, number: Option<i64>| {
        let mut all = all();
        match number {
            Some(number) => all.insert(name.into(), number),
            None => all.remove(name),
        };
        Priorities::new(&all).unwrap_err().to_string()
    };
    assert!(changed("explicit", Some(2)).starts_with("EXPLICIT must be given as 1"));
    assert!(changed("explicit", None).contains("found nothing"));
    assert!(
        changed("module_name", Some(1)).contains("EXPLICIT and MODULE_NAME both have priority 1")
    );
    assert!(changed("module_name", Some(12)).contains("expected a whole number from 1"));
    assert!(changed("module_name", None).contains("MODULE_NAME has no priority"));
    assert!(changed("modul", Some(9)).contains("no attribute modul"));
}

#[test]
fn contradictions_and_rules_without_target_are_refused() {
    let twice = vec![
        rule(A::OracleUser, "scott", "G1"),
        rule(A::OracleUser, "SCOTT", "G2"),
    ];
    let new = |rules| {
        RuleSet::new(
            rules,
            &Matching::default(),
            Priorities::default(),
            Privileges::default(),
        )
    };
    let error = new(twice).unwrap_err().to_string();
    assert!(
        error.contains("rules 1 and 2 both map ORACLE_USER"),
        "{error}"
    );
    let mut none = rule(A::OracleUser, "SCOTT", "");
    none.group = None;
    let error = new(vec![none]).unwrap_err().to_string();
    assert!(error.contains("neither group nor tenant"), "{error}");
}
