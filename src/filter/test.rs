//! Testing rows.

use std::cmp::Ordering;

use super::like::Pattern;
use super::parse::Operator;
use super::value::Value;

/// SQL's three values of truth, in the order that makes AND the least and OR the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Truth {
    /// No.
    False,
    /// Null was compared.
    Unknown,
    /// Yes.
    True,
}

impl Truth {
    /// NOT.
    pub fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }

    fn of(truth: Option<bool>) -> Truth {
        match truth {
            None => Truth::Unknown,
            Some(true) => Truth::True,
            Some(false) => Truth::False,
        }
    }

    fn negate(self, negated: bool) -> Truth {
        if negated { self.not() } else { self }
    }
}

/// A side of a comparison, its column found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Column(usize),
    Value(Value<'static>),
}

/// One comparison of a condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Test(pub(super) Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Compare(Side, Operator, Side),
    Like(Side, Pattern, bool),
    In(Side, Vec<Value<'static>>, bool),
    Between(Side, Side, Side, bool),
    IsNull(Side, bool),
    Yes(Side),
}

impl Test {
    fn sides(&self) -> Vec<&Side> {
        match &self.0 {
            Kind::Compare(a, _, b) => vec![a, b],
            Kind::Like(a, ..) | Kind::In(a, ..) | Kind::IsNull(a, _) | Kind::Yes(a) => vec![a],
            Kind::Between(a, b, c, _) => vec![a, b, c],
        }
    }

    /// Positions in [`super::Bound::columns`] of the columns that are compared, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        for side in self.sides() {
            if let Side::Column(column) = side
                && !columns.contains(column)
            {
                columns.push(*column);
            }
        }
        columns
    }

    /// The truth for a row whose columns `value` looks up.
    pub fn truth<'v>(&self, value: &dyn Fn(usize) -> Value<'v>) -> Truth {
        let side = |side: &Side| -> Value<'v> {
            match side {
                Side::Column(column) => value(*column),
                Side::Value(value) => value.clone(),
            }
        };
        match &self.0 {
            Kind::Compare(a, operator, b) => compare(&side(a), *operator, &side(b)),
            Kind::Like(a, pattern, negated) => {
                let matches = side(a).text().map(|text| pattern.matches(&text));
                Truth::of(matches).negate(*negated)
            }
            Kind::In(a, list, negated) => {
                let value = side(a);
                let any = list.iter().map(|one| compare(&value, Operator::Equal, one));
                any.max().unwrap_or(Truth::False).negate(*negated)
            }
            Kind::Between(a, low, high, negated) => {
                let value = side(a);
                let above = compare(&value, Operator::GreaterOrEqual, &side(low));
                let below = compare(&value, Operator::LessOrEqual, &side(high));
                above.min(below).negate(*negated)
            }
            Kind::IsNull(a, negated) => Truth::of(Some((side(a) == Value::Null) != *negated)),
            Kind::Yes(a) => match side(a) {
                Value::Bool(value) => Truth::of(Some(value)),
                _ => Truth::Unknown,
            },
        }
    }
}

fn compare(a: &Value<'_>, operator: Operator, b: &Value<'_>) -> Truth {
    let holds = a.compare(b).map(|order| match operator {
        Operator::Equal => order == Ordering::Equal,
        Operator::NotEqual => order != Ordering::Equal,
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        Operator::GreaterOrEqual => order != Ordering::Less,
    });
    Truth::of(holds)
}
