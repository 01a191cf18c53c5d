//! Tests of triggers: their grammar and where its errors point. Judging ticks is tested with a real
//! recorder.

use super::*;

fn point(text: &str) -> (usize, String) {
    match parse(text) {
        Err(TriggerError::Syntax { at, expected, .. }) => (at, expected),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_forms_that_there_are() {
    let count = |words: &[&str]| {
        let filters = words.iter().map(|w| w.parse().unwrap()).collect();
        Figure::Count(filters)
    };
    let greater = |figure, limit| Expression::Compare(figure, Comparison::Greater, limit);
    assert_eq!(parse("active > 50"), Ok(greater(count(&[]), 50.0)));
    let lock = "enq: TX - row lock contention";
    let event = format!("event={lock}");
    let expected = Expression::Compare(count(&[&event]), Comparison::AtLeast, 5.0);
    assert_eq!(
        parse(&format!("count(event=\"{lock}\") >= 5")),
        Ok(expected.clone())
    );
    assert_eq!(parse(&format!("count( 'event={lock}' )>=5")), Ok(expected));
    let aas = Figure::Aas(vec!["wait_class=Concurrency".parse().unwrap()]);
    assert_eq!(
        parse("aas(\"wait_class=Concurrency\") > 10"),
        Ok(greater(aas, 10.0))
    );
    let two = count(&["username!=SYS", "session_id=7"]);
    assert_eq!(
        parse("COUNT(username != SYS, sid=7) > 0.5"),
        Ok(greater(two, 0.5))
    );
}

#[test]
fn and_binds_closer_than_or() {
    let figure = |f| {
        Box::new(Expression::Compare(
            Figure::Tick(f),
            Comparison::Greater,
            0.0,
        ))
    };
    let (m, d, t) = (
        figure(TickFigure::Missed),
        figure(TickFigure::Dropped),
        figure(TickFigure::Torn),
    );
    let or = parse("missed > 0 or dropped > 0 and torn > 0").unwrap();
    let inner = Expression::And(d.clone(), t.clone());
    assert_eq!(or, Expression::Or(m.clone(), Box::new(inner)));
    let grouped = parse("(missed > 0 or dropped > 0) and not torn > 0").unwrap();
    let left = Expression::Or(m, d);
    let right = Expression::Not(t);
    assert_eq!(grouped, Expression::And(Box::new(left), Box::new(right)));
}

#[test]
fn errors_show_where() {
    assert_eq!(point("").0, 0);
    assert_eq!(point("actve > 5").0, 0);
    assert_eq!(
        point("active 5"),
        (7, "a comparison: > >= < <= = !=".to_owned())
    );
    assert_eq!(point("active > many"), (9, "a number".to_owned()));
    assert_eq!(
        point("active > 5 active"),
        (11, "`and`, `or` or the end".to_owned())
    );
    assert_eq!(point("count(event) > 5"), (11, "`=` or `!=`".to_owned()));
    assert_eq!(
        point("count(event=\"x > 5"),
        (12, "a closing \"".to_owned())
    );
    assert_eq!(
        point("count(\"nothing\") > 5"),
        (6, "column=value".to_owned())
    );
    assert_eq!(point("(active > 5"), (11, "`)`".to_owned()));
    assert_eq!(point("active > 5 ! missed > 1").0, 11);
    let deep = format!("{}active > 5{}", "(".repeat(100), ")".repeat(100));
    assert_eq!(point(&deep).1, "an expression less deep");
    let shown = parse("aktiv > 5").unwrap_err().to_string();
    assert!(
        shown.ends_with("found `aktiv`\n  aktiv > 5\n  ^"),
        "{shown}"
    );
}

#[test]
fn an_average_is_over_its_window() {
    let mut window = Window::default();
    for _ in 0..1000 {
        window.push(100_000_000, 4);
    }
    assert_eq!(window.average(), 4.0);
    // five seconds of 8: half of the window
    for _ in 0..50 {
        window.push(100_000_000, 8);
    }
    assert!((window.average() - 6.0).abs() < 0.1, "{}", window.average());
    assert!(window.ticks.len() <= 100);
}
