//! A failing fixture for each semantic rule.

use super::super::model::{AbsentColumn, Confidence, Invariant, Kind, Run, View};
use super::super::testing;
use super::*;

/// The rules that a changed blueprint breaks, each with the pointer of the finding.
fn broken(change: impl FnOnce(&mut Blueprint)) -> Vec<(&'static str, String)> {
    let mut blueprint = testing::blueprint();
    change(&mut blueprint);
    check(&blueprint, &testing::MEANS)
        .into_iter()
        .map(|f| (f.rule, f.pointer))
        .collect()
}

fn one(rule: &'static str, pointer: &str) -> Vec<(&'static str, String)> {
    vec![(rule, pointer.to_owned())]
}

/// Index of a field of `ksuse`.
fn ksuse(blueprint: &Blueprint, name: &str) -> usize {
    let fields = &blueprint.structs[0].fields;
    fields.iter().position(|f| f.name == name).unwrap()
}

#[test]
fn a_good_blueprint_has_no_finding() {
    assert_eq!(check(&testing::blueprint(), &testing::MEANS), Vec::new());
    assert!(usable(&[]));
}

#[test]
fn identity_complete() {
    let found = broken(|b| b.identity.build_id = Some("ABCDEF0123".into()));
    assert_eq!(found, one("identity-complete", "/identity/build_id"));
    let found = broken(|b| b.identity.release = "19c".into());
    assert_eq!(found, one("identity-complete", "/identity/release"));
    assert_eq!(broken(|b| b.id.clear()), one("identity-complete", "/id"));
}

#[test]
fn name_unique() {
    let found = broken(|b| {
        let copy = b.structs[0].fields[0].clone();
        b.structs[0].fields.push(copy);
    });
    assert_eq!(
        found,
        one(
            "name-unique",
            &format!("/structs/0/fields/{}", testing::KSUSE_FIELDS)
        )
    );
}

#[test]
fn reference_known() {
    assert_eq!(
        broken(|b| b.arrays[0].ordinal = Some("KSUSENIX".into())),
        one("reference-known", "/arrays/0/ordinal")
    );
    let found = broken(|b| {
        if let ArrayLayout::Pointers { count, .. } = &mut b.arrays[0].layout {
            count.field = "nothing".into();
        }
    });
    assert_eq!(found, one("reference-known", "/arrays/0/layout/count"));
    let found = broken(|b| {
        let i = ksuse(b, "KSUSESQL");
        b.structs[0].fields[i].to = Some("nowhere".into());
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "reference-known");
}

#[test]
fn stored_width() {
    let found = broken(|b| b.structs[0].fields[1].size = 3);
    assert_eq!(found, one("stored-width", "/structs/0/fields/1/size"));
}

#[test]
fn size_contains_fields() {
    let found = broken(|b| b.structs[0].size = 100);
    assert!(
        found.iter().all(|f| f.0 == "size-contains-fields"),
        "{found:?}"
    );
    assert!(!found.is_empty());
    let found = broken(|b| {
        let i = ksuse(b, "stats_ptr");
        b.structs[0].fields[i].alternatives = vec![u64::MAX];
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "size-contains-fields");
}

#[test]
fn field_overlap_of_hints_is_an_error_and_aliases_are_none() {
    let mut blueprint = testing::blueprint();
    let i = ksuse(&blueprint, "stats_ptr");
    blueprint.structs[0].fields[i].offset = blueprint.structs[0].fields[1].offset + 2;
    let found = check(&blueprint, &[]);
    assert!(
        found
            .iter()
            .any(|f| f.rule == "field-overlap" && f.severity == Severity::Error)
    );
    assert!(!usable(&found));
    let found = broken(|b| {
        let mut alias = b.structs[0].fields[1].clone();
        alias.name = "KSUSEALIAS".into();
        b.structs[0].fields.push(alias);
    });
    assert_eq!(found, Vec::new());
}

#[test]
fn field_overlap_inside_a_wide_field_is_seen_behind_a_narrow_one() {
    let found = broken(|b| {
        let text = b.structs[0].field("KSUUDLNA").unwrap().clone();
        for (n, at) in [(0, 10), (1, 60)] {
            let mut inner = b.structs[0].fields[1].clone();
            inner.name = format!("KSUSEIN{n}");
            (inner.offset, inner.size) = (text.offset + at, 2);
            b.structs[0].fields.push(inner);
        }
    });
    assert_eq!(
        found.iter().filter(|f| f.0 == "field-overlap").count(),
        2,
        "{found:?}"
    );
}

#[test]
fn stride_covers_type() {
    let found = broken(|b| {
        if let ArrayLayout::Flat { stride, .. } = &mut b.arrays[1].layout {
            *stride = 8;
        }
    });
    assert_eq!(found, one("stride-covers-type", "/arrays/1/layout/stride"));
    let found = broken(|b| {
        let runs = vec![Run {
            start: 1 << 32,
            count: 10,
            stride: -16,
        }];
        b.arrays[1].layout = ArrayLayout::Runs { runs };
    });
    assert_eq!(
        found,
        one("stride-covers-type", "/arrays/1/layout/runs/0/stride")
    );
}

#[test]
fn gate_known() {
    let found = broken(|b| {
        let i = ksuse(b, "KSSPAFLG");
        let name = b.structs[0].fields.remove(i).name;
        b.structs[0].absent.push(AbsentColumn {
            name,
            reason: "test".into(),
        });
    });
    assert_eq!(found, one("gate-known", "/arrays/0/row"));
    assert_eq!(broken(|b| b.arrays.clear()), one("gate-known", "/arrays"));
}

#[test]
fn guard_supported() {
    let found = broken(|b| b.structs[0].guard = Some(Guard::Paired));
    assert_eq!(found, one("guard-supported", "/structs/0/guard"));
    let found = broken(|b| b.structs[1].guard = Some(Guard::Identity));
    assert_eq!(found, one("guard-supported", "/structs/1/guard"));
}

#[test]
fn text_terminated() {
    let found = broken(|b| {
        let i = ksuse(b, "KSUUDLNA");
        b.structs[0].fields[i].size = 0;
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "text-terminated");
    let found = broken(|b| b.structs[1].fields[0].max = None);
    assert_eq!(found, one("text-terminated", "/structs/1/fields/0"));
}

#[test]
fn anchor_has_accept() {
    let found = broken(|b| {
        let i = ksuse(b, "stats_ptr");
        b.structs[0].fields[i].accept = None;
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "anchor-has-accept");
    assert_eq!(
        broken(|b| b.arrays[0].accept = None),
        one("anchor-has-accept", "/arrays/0")
    );
}

#[test]
fn invariant_sound() {
    let invariant = |kind: Kind, field: &str| Invariant {
        kind,
        field: field.into(),
        mask: None,
        other: None,
        source: "hints".into(),
        evidence: "a test".into(),
    };
    let with = |invariant: Invariant| broken(|b| b.structs[0].invariants.push(invariant));
    let wrong = one("invariant-sound", "/structs/0/invariants/0");
    assert_eq!(with(invariant(Kind::SlotNumber, "KSUSENUM")), []);
    assert_eq!(with(invariant(Kind::SlotNumber, "KSUSENIX")), wrong);
    assert_eq!(with(invariant(Kind::Date, "KSUSENUM")), wrong);
    assert_eq!(with(invariant(Kind::AnyBit, "KSUSEFLG")), wrong);
    assert_eq!(with(invariant(Kind::NeedsOther, "KSUSEFLG")), wrong);
    let other = |other: &str| Invariant {
        other: Some(other.into()),
        ..invariant(Kind::NeedsOther, "KSUSEFLG")
    };
    assert_eq!(with(other("KSUSENUM")), []);
    assert_eq!(with(other("KSUUDLNA")), wrong);
    let found = with(Invariant {
        source: "hearsay".into(),
        ..other("KSUSENUM")
    });
    assert_eq!(
        found,
        one("provenance-complete", "/structs/0/invariants/0/source")
    );
}

fn with_view(text: &str, complete: bool) -> Vec<(&'static str, String)> {
    let view = View {
        text: text.into(),
        complete,
        source: "executable".into(),
        evidence: None,
    };
    broken(|b| {
        b.views.insert("GV$SESSION".into(), view);
    })
}

#[test]
fn view_text_complete() {
    let told = one("view-text-complete", "/views/GV$SESSION");
    assert_eq!(with_view("select (1) from x$ksuse", true), []);
    assert_eq!(with_view("select (1 from x$ksuse", true), told);
    assert_eq!(with_view("select (1)", true), told);
    // One that is cut is worth knowing, no error.
    assert_eq!(with_view("select (1", false), told);
    let mut blueprint = testing::blueprint();
    let text = "select (1".to_owned();
    let view = View {
        text,
        complete: false,
        source: "executable".into(),
        evidence: None,
    };
    blueprint.views.insert("GV$SESSION".into(), view);
    assert!(usable(&check(&blueprint, &[])));
}

#[test]
fn view_rule_agrees() {
    let text = "select decode(bitand(s.ksuseidl,9),1,'ACTIVE') from x$ksuse s";
    assert_eq!(with_view(text, true), []);
    assert_eq!(
        with_view(&text.replace(",9)", ",11)"), true),
        one("view-rule-agrees", "/rules/status_mask")
    );
}

#[test]
fn means_known() {
    let found = broken(|b| {
        let i = ksuse(b, "stats_ptr");
        b.structs[0].fields[i].name = "stats_pointer".into();
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "means-known");
}

#[test]
fn provenance_complete() {
    let found = broken(|b| b.structs[0].fields[1].source = "hearsay".into());
    assert_eq!(
        found,
        one("provenance-complete", "/structs/0/fields/1/source")
    );
    let found = broken(|b| {
        let i = ksuse(b, "stats_ptr");
        b.structs[0].fields[i].evidence = None;
        b.structs[0].fields[i].confidence = Confidence::Low;
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "provenance-complete");
    let found = broken(|b| b.status = Status::Calibrated);
    assert_eq!(found, one("provenance-complete", "/status"));
}

#[test]
fn identity_unique() {
    let (a, mut b) = (testing::blueprint(), testing::blueprint());
    b.id = "another".into();
    let found = check_registry(&[&a, &b]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].rule, &*found[0].pointer),
        ("identity-unique", "/1/identity/build_id")
    );
    b.identity.build_id = None;
    assert_eq!(check_registry(&[&a, &b]), Vec::new());
}

#[test]
fn every_rule_is_listed() {
    let text = include_str!("checks_tests.rs");
    for rule in RULES {
        assert!(
            text.contains(&format!("\"{rule}\"")),
            "{rule} has no failing test"
        );
    }
}

/// A dictionary of some statistics.
fn statistics(blueprint: &mut Blueprint, names: &[&str]) {
    use super::super::model::StatisticName;
    let named = |name: &&str| StatisticName {
        name: (*name).to_owned(),
        class: None,
    };
    blueprint.dictionaries.statistics = names.iter().map(named).collect();
}

fn part(blueprint: &mut Blueprint, whole: &str, parts: &[&str]) {
    let parts = parts.iter().map(|p| (*p).to_owned()).collect();
    let tree = &mut blueprint.dictionaries.statistic_parts;
    tree.insert(whole.to_owned(), parts);
}

#[test]
fn statistic_known() {
    let found = broken(|b| {
        statistics(b, &["a", "b"]);
        part(b, "a", &["b", "x"]);
    });
    assert_eq!(
        found,
        one("statistic-known", "/dictionaries/statistic_parts/a/1")
    );
    let found = broken(|b| {
        statistics(b, &["a"]);
        b.dictionaries.statistic_divisors.insert("x/y".into(), 10);
        b.dictionaries.statistic_maxima.push("z".into());
    });
    let pointers: Vec<&str> = found.iter().map(|f| f.1.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/dictionaries/statistic_divisors/x~1y",
            "/dictionaries/statistic_maxima/0"
        ]
    );
    let found = broken(|b| {
        b.dictionaries.statistic_divisors.insert("a".into(), 0);
    });
    assert_eq!(
        found,
        one("statistic-known", "/dictionaries/statistic_divisors/a")
    );
    // without names nothing can be said of them
    assert_eq!(broken(|b| part(b, "a", &["b"])), Vec::new());
}

#[test]
fn statistic_tree_acyclic() {
    let found = broken(|b| {
        part(b, "a", &["b"]);
        part(b, "b", &["c"]);
        part(b, "c", &["a"]);
    });
    let rules: Vec<&str> = found.iter().map(|f| f.0).collect();
    assert_eq!(rules, ["statistic-tree-acyclic"; 3], "{found:?}");
    let found = broken(|b| {
        part(b, "a", &["x", "y"]);
        part(b, "b", &["y"]);
    });
    assert_eq!(
        found,
        one(
            "statistic-tree-acyclic",
            "/dictionaries/statistic_parts/b/0"
        )
    );
    // a cycle beside the way up from a whole isn't gone round for ever
    let found = broken(|b| {
        part(b, "a", &["a"]);
        part(b, "b", &["c"]);
    });
    assert_eq!(
        found,
        one("statistic-tree-acyclic", "/dictionaries/statistic_parts/a")
    );
}
