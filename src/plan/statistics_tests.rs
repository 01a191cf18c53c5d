//! Which counters asked statistics need.

use serde_json::json;

use super::*;

/// 60 statistics named "s0" to "s59", of which s10 has the parts s11 and s30, s11 the part s12, and
/// s5 is shown in 10,000ths.
fn blueprint(rollup: &str, times: &str) -> Blueprint {
    let names: Vec<_> = (0..60).map(|n| json!({"name": format!("s{n}")})).collect();
    let rule = |value: &str| json!({"value": value, "source": "t", "confidence": "low"});
    let document = json!({
        "schema": "1.1", "id": "t", "status": "draft",
        "identity": {"release": "1.0", "port": "t"},
        "sources": [{"id": "t", "kind": "hints", "detail": "t"}],
        "anchors": [], "structs": [], "arrays": [],
        "rules": {"statistic_rollup": rule(rollup), "statistic_times": rule(times)},
        "dictionaries": {
            "statistics": names,
            "statistic_parts": {"s10": ["s11", "s30"], "s11": ["s12"], "s40": ["s55"]},
            "statistic_divisors": {"s5": 10_000},
            "statistic_maxima": ["s6"],
        },
    });
    Blueprint::from_json(document.to_string().as_bytes(), "t").unwrap()
}

fn accepted(count: u64) -> Accepted {
    let mut accepted = Accepted::default();
    accepted.statistics = Some(count);
    accepted
}

fn names(names: &[&str]) -> Asked {
    Asked::Names(names.iter().map(|n| (*n).to_owned()).collect())
}

fn compiled(rollup: &str, asked: &Asked) -> StatisticPlan {
    StatisticPlan::compile(&blueprint(rollup, "microseconds"), &accepted(50), asked).unwrap()
}

/// STATISTIC#s that a counter is made of.
fn slots(plan: &StatisticPlan, counter: &Counter) -> Vec<u64> {
    let slot = |word: u32| {
        let spans = plan.spans.iter();
        let span = spans.rev().find(|s| s.dst <= word).unwrap();
        span.offset / 8 + u64::from(word - span.dst)
    };
    counter.words.iter().map(|w| slot(*w)).collect()
}

#[test]
fn a_whole_needs_all_its_parts_and_nothing_else() {
    let plan = compiled("parts", &names(&["S10", "s5", "s12"]));
    let shown: Vec<_> = plan.counters.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(shown, ["s10", "s5", "s12"], "in the order asked for");
    assert_eq!(slots(&plan, &plan.counters[0]), [10, 11, 30, 12]);
    assert_eq!(slots(&plan, &plan.counters[2]), [12]);
    // 5 to 12 are near each other, 30 is not
    let spans: Vec<_> = plan.spans.iter().map(|s| (s.offset, s.words)).collect();
    assert_eq!(spans, [(40, 8), (240, 1)]);
    assert_eq!((plan.words, plan.reach), (9, 248));
    assert_eq!(plan.counters[1].divisor, 10_000);
}

#[test]
fn where_memory_holds_sums_a_statistic_needs_its_own_counter_only() {
    let plan = compiled("whole", &names(&["s10"]));
    assert_eq!(slots(&plan, &plan.counters[0]), [10]);
    assert_eq!(plan.words, 1);
}

#[test]
fn the_rules_of_the_release_decide_and_are_not_guessed() {
    let centiseconds = StatisticPlan::compile(
        &blueprint("parts", "as-shown"),
        &accepted(50),
        &names(&["s5"]),
    );
    assert_eq!(centiseconds.unwrap().counters[0].divisor, 1);
    let unknown = compiled("perhaps", &Asked::All);
    assert!(unknown.counters.is_empty());
    assert!(
        unknown.absent[""].contains("statistic_rollup"),
        "{unknown:?}"
    );
}

#[test]
fn what_a_session_does_not_have_is_absent_with_its_reason() {
    let plan = compiled("parts", &names(&["s50", "s40", "s49"]));
    assert_eq!(plan.counters.len(), 1);
    assert!(plan.absent["s50"].contains("a session has 50"));
    assert!(
        plan.absent["s40"].contains("s55"),
        "its part is the instance's"
    );
    let all = compiled("parts", &Asked::All);
    assert_eq!(all.counters.len(), 49, "all but s40");
    assert_eq!(all.absent.len(), 1);
    let unknown = StatisticPlan::compile(
        &blueprint("parts", "microseconds"),
        &accepted(50),
        &names(&["s1", "nothing"]),
    );
    assert_eq!(unknown, Err(vec!["nothing".to_owned()]));
}

#[test]
fn without_a_count_classes_tell_where_the_sessions_statistics_end() {
    let mut blueprint = blueprint("parts", "microseconds");
    let compile =
        |b: &Blueprint| StatisticPlan::compile(b, &Accepted::default(), &Asked::All).unwrap();
    let plan = compile(&blueprint);
    assert!(plan.absent[""].contains("how many counters"), "{plan:?}");
    for (n, statistic) in blueprint.dictionaries.statistics.iter_mut().enumerate() {
        statistic.class = Some(if n < 45 { 128 } else { 257 });
    }
    assert_eq!(compile(&blueprint).per_session, Some(45));
}

#[test]
fn a_tree_that_goes_round_ends() {
    let mut blueprint = blueprint("parts", "microseconds");
    let tree = &mut blueprint.dictionaries.statistic_parts;
    tree.insert("s12".into(), vec!["s10".into()]);
    let plan = StatisticPlan::compile(&blueprint, &accepted(50), &names(&["s10"])).unwrap();
    assert_eq!(slots(&plan, &plan.counters[0]), [10, 11, 30, 12]);
}
