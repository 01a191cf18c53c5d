//! Conditions against an evaluator that was written apart, and what errors look like.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const COLUMNS: [(&str, Kind); 6] = [
    ("event", Kind::Text),
    ("sql_id", Kind::Text),
    ("p1", Kind::Number),
    ("session_id", Kind::Number),
    ("is_active", Kind::Bool),
    ("sample_time", Kind::Time),
];

fn columns() -> Vec<(String, Kind)> {
    COLUMNS.map(|(name, kind)| (name.to_owned(), kind)).to_vec()
}

type Cells = BTreeMap<String, Value<'static>>;

struct Named<'a>(&'a [String], &'a Cells);

impl Row for Named<'_> {
    fn value(&self, column: usize) -> Value<'_> {
        self.1.get(&self.0[column]).cloned().unwrap_or(Value::Null)
    }
}

fn truth(text: &str, row: &Cells) -> Truth {
    let bound = Expr::parse(text).unwrap().bind(&columns()).unwrap();
    bound.truth(&Named(bound.columns(), row))
}

fn error(text: &str) -> String {
    match Expr::parse(text).and_then(|e| e.bind(&columns())) {
        Ok(_) => panic!("{text} is no error"),
        Err(error) => error.to_string(),
    }
}

/// A condition as the test sees it: its SQL, and what it should say of a row.
#[derive(Clone, Debug)]
enum Sql {
    And(Vec<Sql>),
    Or(Vec<Sql>),
    Not(Box<Sql>),
    Number(&'static str, &'static str, i64),
    Text(&'static str, &'static str, String),
    Like(&'static str, bool, String),
    In(&'static str, bool, Vec<Option<i64>>),
    Between(&'static str, bool, i64, i64),
    Null(&'static str, bool),
    Flag,
    After(i64),
}

fn written(sql: &Sql, upper: bool) -> String {
    let word = |word: &str| {
        if upper {
            word.to_uppercase()
        } else {
            word.to_owned()
        }
    };
    let not = |negated: bool| if negated { word("not ") } else { String::new() };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match sql {
        Sql::And(parts) | Sql::Or(parts) => {
            let joint = word(if matches!(sql, Sql::And(_)) {
                " and "
            } else {
                " or\n"
            });
            let parts: Vec<String> = parts
                .iter()
                .map(|p| format!("({})", written(p, !upper)))
                .collect();
            parts.join(&joint)
        }
        Sql::Not(part) => format!("{} ({})", word("not"), written(part, !upper)),
        Sql::Number(column, operator, n) => format!("{}{operator} {n}", word(column)),
        Sql::Text(column, operator, text) => format!("{column} {operator}{}", quoted(text)),
        Sql::Like(column, negated, pattern) => {
            format!(
                "{column} {}{} {} {} '!'",
                not(*negated),
                word("like"),
                quoted(pattern),
                word("escape")
            )
        }
        Sql::In(column, negated, list) => {
            let list: Vec<String> = list
                .iter()
                .map(|n| n.map_or("null".to_owned(), |n| n.to_string()))
                .collect();
            format!(
                "{column} {}{} ({})",
                not(*negated),
                word("in"),
                list.join(" , ")
            )
        }
        Sql::Between(column, negated, low, high) => {
            format!(
                "{column} {}{} {low} {} {high}",
                not(*negated),
                word("between"),
                word("and")
            )
        }
        Sql::Null(column, negated) => {
            format!("{column} {} {}{}", word("is"), not(*negated), word("null"))
        }
        Sql::Flag => word("is_active"),
        Sql::After(seconds) => {
            let time = jiff::Timestamp::from_second(*seconds).unwrap();
            format!("sample_time >= '{time}'")
        }
    }
}

/// LIKE by trying everything: slow and plain.
fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['!', c, rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
        ['%', rest @ ..] => (0..=text.len()).any(|n| like(&text[n..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        [c, rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
    }
}

fn expected(sql: &Sql, row: &Cells) -> Option<bool> {
    let number = |column: &str| match row.get(column) {
        Some(Value::Int(n)) => Some(*n),
        _ => None,
    };
    let text = |column: &str| match row.get(column) {
        Some(Value::Text(text)) => Some(text.to_string()),
        _ => None,
    };
    fn by<T: PartialOrd>(operator: &str, a: T, b: T) -> bool {
        match operator {
            "=" => a == b,
            "<>" | "!=" => a != b,
            "<" => a < b,
            "<=" => a <= b,
            ">" => a > b,
            ">=" => a >= b,
            _ => unreachable!(),
        }
    }
    match sql {
        Sql::And(parts) => {
            let all: Vec<_> = parts.iter().map(|p| expected(p, row)).collect();
            if all.contains(&Some(false)) {
                Some(false)
            } else if all.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        Sql::Or(parts) => {
            let all: Vec<_> = parts.iter().map(|p| expected(p, row)).collect();
            if all.contains(&Some(true)) {
                Some(true)
            } else if all.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        Sql::Not(part) => Some(!expected(part, row)?),
        Sql::Number(column, operator, n) => Some(by(operator, number(column)?, i128::from(*n))),
        Sql::Text(column, operator, wanted) => Some(by(operator, text(column)?, wanted.clone())),
        Sql::Like(column, negated, pattern) => {
            let text: Vec<char> = text(column)?.chars().collect();
            let pattern: Vec<char> = pattern.chars().collect();
            Some(like(&text, &pattern) != *negated)
        }
        Sql::In(column, negated, list) => {
            let value = number(column)?;
            if list.iter().flatten().any(|n| i128::from(*n) == value) {
                Some(!negated)
            } else if list.contains(&None) {
                None
            } else {
                Some(*negated)
            }
        }
        Sql::Between(column, negated, low, high) => {
            let value = number(column)?;
            Some((i128::from(*low) <= value && value <= i128::from(*high)) != *negated)
        }
        Sql::Null(column, negated) => {
            let null = matches!(row.get(*column), None | Some(Value::Null));
            Some(null != *negated)
        }
        Sql::Flag => match row.get("is_active") {
            Some(Value::Bool(active)) => Some(*active),
            _ => None,
        },
        Sql::After(seconds) => match row.get("sample_time") {
            Some(Value::Time(time)) => Some(*time >= seconds * 1_000_000),
            _ => None,
        },
    }
}

fn any_sql() -> impl Strategy<Value = Sql> {
    let numbers = || prop::sample::select(vec!["p1", "session_id"]);
    let texts = || prop::sample::select(vec!["event", "sql_id"]);
    let operator = || prop::sample::select(vec!["=", "!=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (numbers(), operator(), -3i64..4).prop_map(|(c, o, n)| Sql::Number(c, o, n)),
        (texts(), operator(), "[ab'é]{0,3}").prop_map(|(c, o, t)| Sql::Text(c, o, t)),
        (texts(), any::<bool>(), "([abé%_]|![%_!]){0,5}").prop_map(|(c, n, p)| Sql::Like(c, n, p)),
        (
            numbers(),
            any::<bool>(),
            prop::collection::vec(prop::option::weighted(0.8, -3i64..4), 1..4)
        )
            .prop_map(|(c, n, l)| Sql::In(c, n, l)),
        (numbers(), any::<bool>(), -3i64..4, -3i64..4)
            .prop_map(|(c, n, a, b)| Sql::Between(c, n, a, b)),
        (prop_oneof![numbers(), texts()], any::<bool>()).prop_map(|(c, n)| Sql::Null(c, n)),
        Just(Sql::Flag),
        (0i64..3).prop_map(Sql::After),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Sql::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Sql::Or),
            inner.prop_map(|part| Sql::Not(Box::new(part))),
        ]
    })
}

fn any_row() -> impl Strategy<Value = Cells> {
    let number = || prop::option::of((-3i64..4).prop_map(|n| Value::Int(i128::from(n))));
    let text = || prop::option::of("[ab'é%_!]{0,4}".prop_map(|t| Value::Text(t.into())));
    let flag = prop::option::of(any::<bool>().prop_map(Value::Bool));
    let time = prop::option::of((0i64..3_000_000).prop_map(Value::Time));
    (text(), text(), number(), number(), flag, time).prop_map(|(a, b, c, d, e, f)| {
        let values = [a, b, c, d, e, f].into_iter();
        COLUMNS
            .iter()
            .zip(values)
            .filter_map(|((name, _), value)| Some(((*name).to_owned(), value?)))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conditions_hold_as_sql_says(sql in any_sql(), row in any_row(), upper in any::<bool>()) {
        let text = written(&sql, upper);
        let expected = match expected(&sql, &row) {
            None => Truth::Unknown,
            Some(true) => Truth::True,
            Some(false) => Truth::False,
        };
        prop_assert_eq!(truth(&text, &row), expected, "{}", text);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[a-z0-9_'%()<>=!,. \\-\"é]{0,40}") {
        if let Err(error) = Expr::parse(&text) {
            prop_assert!(error.at() <= text.len() && text.is_char_boundary(error.at()));
            prop_assert!(error.to_string().ends_with('^'));
        }
    }

    #[test]
    fn the_window_leaves_out_only_what_does_not_match(
        low in 0i64..9, high in 0i64..9, time in 0i64..9, first in 0..4usize, second in 0..4usize,
    ) {
        let operators = [">", ">=", "=", "<="];
        let at = |s: i64| jiff::Timestamp::from_second(s).unwrap();
        let text = format!(
            "sample_time {} '{}' and sample_time {} '{}' and p1 is null",
            operators[first], at(low), operators[second], at(high),
        );
        let (from, to) = Expr::parse(&text).unwrap().window("sample_time");
        let time_us = time * 1_000_000;
        let row = Cells::from([("sample_time".to_owned(), Value::Time(time_us))]);
        let inside = from.is_none_or(|f| time_us >= f) && to.is_none_or(|t| time_us < t);
        prop_assert!(inside || truth(&text, &row) != Truth::True);
    }
}

#[test]
fn numbers_are_compared_exactly() {
    let row = Cells::from([("p1".to_owned(), Value::Int(18_446_744_073_709_551_615))]);
    assert_eq!(truth("p1 = 18446744073709551615", &row), Truth::True);
    assert_eq!(
        truth("p1 < 18446744073709551615.000000000000000001", &row),
        Truth::True
    );
    assert_eq!(truth("p1 > 18446744073709551614.9", &row), Truth::True);
    assert_eq!(truth("p1 = '18446744073709551615'", &row), Truth::True);
    assert_eq!(truth("p1 like '184%615'", &row), Truth::True);
    assert_eq!(truth("-1 < P1", &row), Truth::True);
}

#[test]
fn names_may_be_short_upper_quoted_or_v_dollars() {
    let expr =
        Expr::parse("SID = 1 and \"EVENT\" = 'x' and serial# in (1) and Service like '%'").unwrap();
    assert_eq!(
        expr.columns(),
        ["session_id", "event", "session_serial_no", "service_name"]
    );
}

#[test]
fn errors_point_at_the_place() {
    assert_eq!(
        error("event = 'a' and evnt like 'b%'"),
        "no column `evnt`; is it event?\n  event = 'a' and evnt like 'b%'\n                  ^"
    );
    assert_eq!(
        error("event = 'é' or\np1 = 'x'"),
        "\"x\" is no number of at most 20 digits before the point and 18 behind it\n  p1 = 'x'\n       ^"
    );
    for (text, message, at) in [
        ("", "a column or a value is expected", 0),
        ("event", "this is a text: compare it", 0),
        ("event =", "a column or a value", 7),
        ("event = 'a", "closing '", 8),
        ("event = 5", "write '5'", 8),
        ("p1 = event", "a text can't be compared with a number", 5),
        ("p1 = 1 p1 = 2", "AND, OR or the end", 7),
        ("(p1 = 1", "AND, OR or )", 7),
        ("p1 = 1)", "no ( to this )", 6),
        ("p1 in ()", "a column or a value", 7),
        ("p1 in (session_id)", "IN lists values", 7),
        ("p1 between 1 or 2", "AND is expected", 13),
        ("event like 'a!b' escape '!'", "after the escape", 11),
        ("sample_time > 'soon'", "is no time", 14),
        ("sample_time like '2%'", "a time has no LIKE", 0),
        ("p1 = 1e5", "is no number", 5),
        ("p1 = 1 ; drop", "`;` isn't part", 7),
        ("frobnicate = 1", "there are: event, sql_id", 0),
    ] {
        let parsed = Expr::parse(text).and_then(|e| e.bind(&columns()).map(|_| e));
        let error = parsed.unwrap_err();
        assert!(error.message().contains(message), "{text}: {error}");
        assert_eq!(error.at(), at, "{text}: {error}");
    }
}

#[test]
fn depth_is_limited() {
    let deep = |n: usize| format!("{}p1 = 1{}", "(".repeat(n), ")".repeat(n));
    assert!(Expr::parse(&deep(60)).is_ok());
    assert!(error(&deep(100_000)).contains("in each other"));
    assert!(error(&format!("{} p1 = 1", "not ".repeat(100_000))).contains("in each other"));
}
