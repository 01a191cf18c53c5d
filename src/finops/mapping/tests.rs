//! Winners against an evaluator written another way, and what the documents say.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn rule(attribute: Attribute, value: &str, group: &str) -> Rule {
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

/// The rules as the documents tell them, one sentence after the other: all rules are put in one list
/// with what ranks them, and the smallest wins. `Err`: several are smallest and differ.
fn by_the_book(
    all: &[Rule],
    numbers: &BTreeMap<String, i64>,
    insensitive: &[Attribute],
    grants: Option<&[(String, String)]>,
    s: &SessionAttributes,
) -> Result<Option<String>, ()> {
    let mut list: Vec<(i64, u8, String)> = Vec::new();
    for r in all {
        let opt = |v: &Option<String>| v.clone();
        let dot = |parts: Vec<Option<String>>| {
            parts
                .into_iter()
                .reduce(|a, b| Some(format!("{}.{}", a?, b?)))
                .flatten()
        };
        let text = match r.attribute {
            A::OracleUser => opt(&s.oracle_user),
            A::ServiceName => opt(&s.service_name),
            A::ClientOsUser => opt(&s.client_os_user),
            A::ClientMachine => opt(&s.client_machine),
            A::ClientId => opt(&s.client_id),
            A::ModuleName => opt(&s.module_name),
            A::OracleFunction => opt(&s.oracle_function),
            A::ClientProgram => {
                opt(&s.client_program).map(|p| p.chars().take_while(|c| *c != '@').collect())
            }
            A::ModuleNameAction => dot(vec![opt(&s.module_name), opt(&s.action)]),
            A::ServiceModule => dot(vec![opt(&s.service_name), opt(&s.module_name)]),
            A::ServiceModuleAction => dot(vec![
                opt(&s.service_name),
                opt(&s.module_name),
                opt(&s.action),
            ]),
        };
        let Some(mut text) = text else { continue };
        let mut value = r.value.clone();
        if r.attribute == A::OracleUser {
            value = value.to_uppercase();
        }
        if insensitive.contains(&r.attribute) {
            (text, value) = (text.to_lowercase(), value.to_lowercase());
        }
        let plain = matches!(r.attribute, A::OracleUser | A::ClientId | A::OracleFunction);
        let (fits, exact) = if plain {
            (text == value, true)
        } else {
            let (t, v): (Vec<char>, Vec<char>) = (text.chars().collect(), value.chars().collect());
            (like(&t, &v), !has_wildcard(&v))
        };
        if !fits {
            continue;
        }
        let target = r.group.clone().unwrap();
        let may = match grants {
            None => true,
            Some(_) if target == "DEFAULT_CONSUMER_GROUP" => true,
            Some(given) => given.iter().any(|(to, of)| {
                *of == target && (to == "PUBLIC" || Some(to) == s.oracle_user.as_ref())
            }),
        };
        if !may {
            continue;
        }
        let number = numbers.get(&r.attribute.name().to_lowercase()).copied();
        let last = if r.attribute == A::ClientId { 11 } else { 12 };
        list.push((number.unwrap_or(last), u8::from(!exact), target));
    }
    list.sort();
    let Some(first) = list.first() else {
        return Ok(None);
    };
    let ties = list.iter().filter(|x| (x.0, x.1) == (first.0, first.1));
    match ties.clone().all(|x| x.2 == first.2) {
        true => Ok(Some(first.2.clone())),
        false => Err(()),
    }
}

fn has_wildcard(v: &[char]) -> bool {
    match v {
        [] => false,
        ['\\', '%' | '_' | '\\', rest @ ..] => has_wildcard(rest),
        ['%' | '_', ..] => true,
        [_, rest @ ..] => has_wildcard(rest),
    }
}

fn like(t: &[char], v: &[char]) -> bool {
    match (t, v) {
        ([], []) => true,
        (_, ['%', rest @ ..]) => (0..=t.len()).any(|n| like(&t[n..], rest)),
        ([c, more @ ..], ['\\', e @ ('%' | '_' | '\\'), rest @ ..]) => c == e && like(more, rest),
        ([_, more @ ..], ['_', rest @ ..]) => like(more, rest),
        ([c, more @ ..], [e, rest @ ..]) => c == e && like(more, rest),
        _ => false,
    }
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop::sample::select(Attribute::ALL.to_vec())
}

/// Short values of few characters, so that many fit.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["A", "a", "AB", "A.A", "A.B", "B", "A_", "A\\B", "A.A.A", "A%", "é"]),
        3 => prop::sample::select(vec!["%", "_", "A\\_", "%B", "_.%", "A.%.%", "%\\\\B", "\\%", "a%", "A\\B", "\\"]),
    ]
    .prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(
        0.85,
        prop::sample::select(vec![
            "A", "a", "AB", "B", "A_", "A\\B", "A@h", "A.A", "%", "é", "",
        ])
        .prop_map(str::to_owned),
    )
}

prop_compose! {
    fn session()(v in prop::collection::vec(text(), 9)) -> SessionAttributes {
        let mut session = SessionAttributes::default();
        for (field, value) in Field::ALL.into_iter().zip(v) {
            session.set(field, value);
        }
        session
    }
}

prop_compose! {
    fn rule_set()(found in prop::collection::btree_map(
        (attribute(), value()),
        prop::sample::select(vec!["G1", "G2", "G3", "DEFAULT_CONSUMER_GROUP"]),
        1..25,
    )) -> Vec<Rule> {
        let mut seen = std::collections::BTreeSet::new();
        let wanted = |a: Attribute, v: &String| match a {
            A::OracleUser => v.to_uppercase(),
            _ => v.clone(),
        };
        found
            .into_iter()
            .filter(|((a, v), _)| seen.insert((*a, wanted(*a, v))))
            .map(|((a, v), g)| rule(a, &v, g))
            .collect()
    }
}

prop_compose! {
    fn numbers()(order in Just((2..=11).collect::<Vec<i64>>()).prop_shuffle()) -> BTreeMap<String, i64> {
        let names = Attribute::ALL.iter().filter(|a| **a != A::OracleFunction);
        let mut numbers: BTreeMap<String, i64> =
            names.zip(order).map(|(a, n)| (a.name().to_lowercase(), n)).collect();
        numbers.insert("explicit".into(), 1);
        numbers
    }
}

fn some_grants() -> impl Strategy<Value = Option<Vec<(String, String)>>> {
    let one = (
        prop::sample::select(vec!["A", "B", "AB", "PUBLIC", "a"]),
        prop::sample::select(vec!["G1", "G2", "G3"]),
    );
    let one = one.prop_map(|(to, of)| (to.to_owned(), of.to_owned()));
    // names of grantees are the dictionary's, so lower case is quoted there
    prop::option::of(prop::collection::vec(one, 0..6))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_winner_equals_an_evaluator_written_another_way(
        all in rule_set(),
        numbers in numbers(),
        insensitive in prop::collection::btree_set(attribute(), 0..3),
        given in some_grants(),
        sessions in prop::collection::vec(session(), 20),
    ) {
        let insensitive: std::collections::BTreeSet<Attribute> =
            insensitive.into_iter().filter(|a| *a != A::OracleUser).collect();
        // two values that differ by case only are the same to an insensitive attribute
        let mut lower = std::collections::BTreeSet::new();
        let all: Vec<Rule> = all.into_iter().filter(|r| {
            !insensitive.contains(&r.attribute) || lower.insert((r.attribute, r.value.to_lowercase()))
        }).collect();
        let matching = Matching { insensitive: insensitive.clone(), ..Matching::default() };
        let privileges = Privileges {
            grants: given.as_ref().map(|given| given.iter().map(|(to, of)| Grant {
                grantee: quoted(to), group: of.clone(), grant_option: false,
            }).collect()),
            users: BTreeMap::new(),
        };
        let priorities = Priorities::new(&numbers).unwrap();
        let set = RuleSet::new(all.clone(), &matching, priorities, privileges).unwrap();
        let insensitive: Vec<Attribute> = insensitive.into_iter().collect();
        for session in &sessions {
            let found = set.evaluate(session, None);
            let expected = by_the_book(&all, &numbers, &insensitive, given.as_deref(), session);
            let shown = match &found.by {
                Given::Ambiguous(_) => Err(()),
                Given::Default => Ok(None),
                _ => Ok(found.group.clone()),
            };
            prop_assert_eq!(shown, expected, "{:?}\n{:?}", session, found);
            prop_assert_eq!(&found.by, &set.given(session));
            let won = found.rules.iter().filter(|(_, o)| *o == Outcome::Won).count();
            prop_assert_eq!(won, usize::from(matches!(found.by, Given::Rule(_))));
        }
    }
}

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
