//! Winners of random rule sets against an evaluator written another way.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::Attribute as A;
use super::tests::rule;
use super::*;

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
