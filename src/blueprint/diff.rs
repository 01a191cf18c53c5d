//! What differs between two blueprints: fields moved, added, removed or resized, row sizes, anchors,
//! arrays and rules.
//!
//! It judges nothing. Callers: `cli` (`blueprint diff`).

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::model::{Anchor, Array, Blueprint, Field, Struct, View};
use super::view_text;

/// Kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only in the second.
    Added,
    /// Only in the first.
    Removed,
    /// Another offset or address.
    Moved,
    /// Another size.
    Resized,
    /// Anything else about it: storage, value, way.
    Changed,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its kind.
    pub change: Change,
    /// What differs: `ksuse.KSUSESER`, `anchor ksusga_`, `rule status_mask`.
    pub what: String,
    /// In the first; `None` where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// In the second; `None` where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Moved => "moved",
            Change::Resized => "resized",
            Change::Changed => "changed",
        };
        let side = |v: &Option<String>| v.clone().unwrap_or_else(|| "-".into());
        write!(
            f,
            "{change:<8} {:<32} {} -> {}",
            self.what,
            side(&self.first),
            side(&self.second)
        )
    }
}

/// All differences, structures first, in the order of the first blueprint, then what only the second
/// has. Sources, evidence and confidence are not compared.
pub fn diff(first: &Blueprint, second: &Blueprint) -> Vec<Difference> {
    let mut out = Vec::new();
    for name in names(&first.structs, &second.structs, |s| &s.name) {
        match (first.strukt(name), second.strukt(name)) {
            (Some(a), Some(b)) => structures(a, b, &mut out),
            (a, b) => one_sided(
                format!("struct {name}"),
                a.map(struct_text),
                b.map(struct_text),
                &mut out,
            ),
        }
    }
    for name in names(&first.anchors, &second.anchors, |a| &a.name) {
        anchors(name, first.anchor(name), second.anchor(name), &mut out);
    }
    for name in names(&first.arrays, &second.arrays, |a| &a.name) {
        let (a, b) = (first.array(name), second.array(name));
        let way = |array: &Array| word(&array.layout);
        let what = format!("array {name}");
        match (a.map(way), b.map(way)) {
            (Some(a), Some(b)) if a != b => {
                push(Change::Changed, what, Some(a), Some(b), &mut out);
            }
            (Some(_), Some(_)) => {}
            (a, b) => one_sided(what, a, b, &mut out),
        }
    }
    let rules: BTreeSet<&String> = first.rules.keys().chain(second.rules.keys()).collect();
    for name in rules {
        let value = |b: &Blueprint| b.rules.get(name).map(|r| r.value.to_string());
        match (value(first), value(second)) {
            (Some(a), Some(b)) if a != b => {
                push(
                    Change::Changed,
                    format!("rule {name}"),
                    Some(a),
                    Some(b),
                    &mut out,
                );
            }
            (Some(_), Some(_)) => {}
            (a, b) => one_sided(format!("rule {name}"), a, b, &mut out),
        }
    }
    views(first, second, &mut out);
    out
}

/// Texts of views; one that is cut doesn't differ from one that begins so.
fn views(first: &Blueprint, second: &Blueprint, out: &mut Vec<Difference>) {
    let names: BTreeSet<&String> = first.views.keys().chain(second.views.keys()).collect();
    for name in names {
        let what = format!("view {name}");
        let shown = |view: &View| format!("{} bytes", view.text.len());
        match (first.views.get(name), second.views.get(name)) {
            (Some(a), Some(b)) => {
                let (x, y) = (view_text::normal(&a.text), view_text::normal(&b.text));
                let agree = x == y
                    || (!a.complete && y.starts_with(&x))
                    || (!b.complete && x.starts_with(&y));
                if !agree {
                    push(Change::Changed, what, Some(shown(a)), Some(shown(b)), out);
                }
            }
            (a, b) => one_sided(what, a.map(shown), b.map(shown), out),
        }
    }
}

/// Names of both lists, those of the first in its order, then the second's own.
fn names<'a, T>(first: &'a [T], second: &'a [T], name: impl Fn(&T) -> &str) -> Vec<&'a str> {
    let mut out: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for item in first.iter().chain(second) {
        let name = name(item);
        if seen.insert(name) {
            out.push(name);
        }
    }
    out
}

fn push(
    change: Change,
    what: String,
    first: Option<String>,
    second: Option<String>,
    out: &mut Vec<Difference>,
) {
    out.push(Difference {
        change,
        what,
        first,
        second,
    });
}

fn one_sided(
    what: String,
    first: Option<String>,
    second: Option<String>,
    out: &mut Vec<Difference>,
) {
    let change = if first.is_none() {
        Change::Added
    } else {
        Change::Removed
    };
    push(change, what, first, second, out);
}

fn struct_text(strukt: &Struct) -> String {
    format!("{} bytes, {} fields", strukt.size, strukt.fields.len())
}

fn structures(a: &Struct, b: &Struct, out: &mut Vec<Difference>) {
    if a.size != b.size {
        let bytes = |s: &Struct| Some(format!("{} bytes", s.size));
        push(
            Change::Resized,
            format!("struct {}", a.name),
            bytes(a),
            bytes(b),
            out,
        );
    }
    for name in names(&a.fields, &b.fields, |f| &f.name) {
        let what = || format!("{}.{name}", a.name);
        match (a.field(name), b.field(name)) {
            (Some(x), Some(y)) => fields(&what(), x, y, out),
            (x, y) => one_sided(what(), x.map(field_text), y.map(field_text), out),
        }
    }
}

fn field_text(field: &Field) -> String {
    format!(
        "{} of {} at {}",
        word(&field.stored),
        field.size,
        field.offset
    )
}

/// One difference for each of place, size and storage.
fn fields(what: &str, x: &Field, y: &Field, out: &mut Vec<Difference>) {
    let mut compare = |change, a: String, b: String| {
        if a != b {
            push(change, what.to_owned(), Some(a), Some(b), out);
        }
    };
    compare(
        Change::Moved,
        format!("at {}", x.offset),
        format!("at {}", y.offset),
    );
    compare(
        Change::Resized,
        format!("{} bytes", x.size),
        format!("{} bytes", y.size),
    );
    let stored = |f: &Field| match f.max {
        Some(max) => format!("{} (max {max})", word(&f.stored)),
        None => word(&f.stored),
    };
    compare(Change::Changed, stored(x), stored(y));
}

fn anchors(name: &str, a: Option<&Anchor>, b: Option<&Anchor>, out: &mut Vec<Difference>) {
    let what = format!("anchor {name}");
    let place = |a: &Anchor| format!("{:#x}", a.address);
    match (a, b) {
        (Some(x), Some(y)) => {
            if x.address != y.address {
                push(
                    Change::Moved,
                    what.clone(),
                    Some(place(x)),
                    Some(place(y)),
                    out,
                );
            }
            if x.size != y.size && x.size != 0 && y.size != 0 {
                let bytes = |a: &Anchor| Some(format!("{} bytes", a.size));
                push(Change::Resized, what, bytes(x), bytes(y), out);
            }
        }
        (x, y) => one_sided(what, x.map(place), y.map(place), out),
    }
}

fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Stored;
    use super::super::testing;
    use super::*;

    #[test]
    fn every_kind_of_difference_is_told() {
        let a = testing::blueprint();
        let mut b = a.clone();
        assert_eq!(diff(&a, &b), []);
        let ksuse = &mut b.structs[0];
        ksuse.size = 1008;
        ksuse.fields[1].offset += 8;
        ksuse.fields[2].size = 8;
        ksuse.fields[3].stored = Stored::Raw;
        ksuse.fields.remove(4);
        ksuse
            .fields
            .push(testing::field("KSUSENEW", 900, 4, Stored::Uint));
        b.anchors[0].address += 0x10;
        b.rules.get_mut("status_mask").unwrap().value = 11.into();
        b.arrays.pop();
        let found: Vec<(Change, String)> = diff(&a, &b)
            .into_iter()
            .map(|d| (d.change, d.what))
            .collect();
        let expected = [
            (Change::Resized, "struct ksuse"),
            (Change::Moved, "ksuse.KSUSENUM"),
            (Change::Resized, "ksuse.KSUSEFLG"),
            (Change::Changed, "ksuse.KSUUDLNA"),
            (Change::Removed, "ksuse.KSUSESQL"),
            (Change::Added, "ksuse.KSUSENEW"),
            (Change::Moved, "anchor ksusga_"),
            (Change::Removed, "array events"),
            (Change::Changed, "rule status_mask"),
        ]
        .map(|(change, what)| (change, what.to_owned()));
        assert_eq!(found, expected);
        let text = diff(&a, &b)[1].to_string();
        assert!(text.contains("at 16 -> at 24"), "{text}");
    }
}
