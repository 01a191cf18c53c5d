//! Tests of triggers: what may be written and where errors point. Judging ticks is tested with a real
//! recorder.

use super::*;
use crate::decode::columns::sample_columns;

fn bound(text: &str) -> Result<Trigger, FilterError> {
    Trigger::bind(&parse(text)?, &sample_columns())
}

fn point(text: &str) -> (usize, String) {
    match bound(text) {
        Err(error) => (error.at(), error.message().to_owned()),
        Ok(_) => panic!("{text} is taken"),
    }
}

#[test]
fn figures_and_functions_are_columns() {
    let trigger = bound(
        "active > 50 AND count(event = 'enq: TX - row lock contention') >= 5 OR late_ms > 0.5",
    )
    .unwrap();
    let names = trigger.condition.columns();
    let call = "count(event = 'enq: TX - row lock contention')";
    assert_eq!(names, ["active", call, "late_ms"]);
    assert!(trigger.counted[0].condition.is_none() && trigger.counted[1].condition.is_some());
    assert!(trigger.counted.iter().all(|c| c.window.is_none()));
    let averaged = bound("AAS( wait_class LIKE 'Con%' and sid <> 7 ) > 2.25 and not aas() < 1");
    let averaged = averaged.unwrap();
    assert!(averaged.counted.iter().all(|c| c.window.is_some()));
    assert_eq!(averaged.counted[0].condition.as_ref().unwrap().1.len(), 2);
}

#[test]
fn figures_are_compared_exactly() {
    let trigger = bound("late_ms > 0.5 or missed between 2 and 3").unwrap();
    let mut frame = Frame::new(1, 1);
    (frame.late_ns, frame.missed) = (500_000, 1);
    assert_eq!(trigger.holds(&frame), None);
    frame.late_ns += 1;
    assert_eq!(
        trigger.holds(&frame).unwrap(),
        "late_ms is 0.5, missed is 1"
    );
    (frame.late_ns, frame.missed) = (1_237_000, 2);
    assert_eq!(
        trigger.holds(&frame).unwrap(),
        "late_ms is 1.24, missed is 2"
    );
}

#[test]
fn errors_show_where() {
    assert_eq!(point("").0, 0);
    let (at, said) = point("actve > 5");
    assert!(at == 0 && said.contains("is it active"), "{said}");
    assert_eq!(point("active 5").0, 7);
    assert_eq!(point("active > many").0, 9);
    assert_eq!(point("active > 5 active").0, 11);
    assert_eq!(
        point("count > 5"),
        (6, "( is expected after count".to_owned())
    );
    assert_eq!(point("count(event) > 5").0, 6);
    assert_eq!(point("count(event='x > 5").0, 12);
    assert_eq!(point("count(sid = 1 > 5").0, 14);
    assert_eq!(point("count(count(sid = 1) > 1) > 5").0, 11);
    let (at, said) = point("active > 5 or count(colour = 'red') > 5");
    assert!(at == 20 && said.contains("no column `colour`"), "{said}");
    let deep = format!("{}active > 5{}", "(".repeat(100), ")".repeat(100));
    assert!(point(&deep).1.starts_with("more than 64 brackets"));
    let shown = bound("active >> 5").err().unwrap().to_string();
    assert!(shown.ends_with("\n  active >> 5\n          ^"), "{shown}");
}

#[test]
fn an_average_is_over_its_window() {
    let mut window = Window::default();
    for _ in 0..1000 {
        window.push(100_000_000, 4);
    }
    assert_eq!(window.average(), 4000);
    // five seconds of 8: half of the window
    for _ in 0..50 {
        window.push(100_000_000, 8);
    }
    assert!(
        (window.average() - 6000).abs() < 100,
        "{}",
        window.average()
    );
    assert!(window.ticks.len() <= 100);
}
