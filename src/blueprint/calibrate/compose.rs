//! Making a blueprint of what was learned: fields, structures, the way to an array's rows, names.
//!
//! Not for: what is certain enough to go into it.

use std::collections::BTreeMap;

use super::ask::Form;
use super::calibration::Settings;
use super::learner::Learned;
use super::report::Line;
use super::scan;
use super::truth::Spool;
use crate::blueprint::model::{
    Accept, Anchor, Array, ArrayLayout, Blueprint, Confidence, Dictionaries, EventName, Field,
    Guard, MemberRef, Rule, Run, SCHEMA_VERSION, Source, SourceKind, Status, Stored, Struct,
    WaitClass,
};
use crate::memory::TargetAddr;

/// Id of the calibration among a blueprint's sources.
pub(super) const SOURCE: &str = "calibration";
/// Longest text behind a pointer in bytes.
const POINTED_TEXT: u64 = 64;
/// What goes into a blueprint besides its identity.
pub(super) struct Draft {
    pub detail: String,
    pub anchors: Vec<Anchor>,
    pub structs: Vec<Struct>,
    pub layout: ArrayLayout,
    pub rules: BTreeMap<String, Rule>,
    pub dictionaries: Dictionaries,
}

impl Draft {
    pub(super) fn blueprint(self, settings: &Settings) -> Blueprint {
        Blueprint {
            schema: SCHEMA_VERSION.into(),
            id: settings.id.clone(),
            status: Status::Calibrated,
            identity: settings.identity.clone(),
            sources: vec![Source {
                id: SOURCE.into(),
                kind: SourceKind::Calibration,
                sha256: None,
                detail: self.detail,
            }],
            charset: None,
            anchors: self.anchors,
            structs: self.structs,
            arrays: vec![Array {
                name: "sessions".into(),
                row: "ksuse".into(),
                layout: self.layout,
                accept: Some(Accept::SlotOrdinal),
                ordinal: Some("KSUSENUM".into()),
            }],
            rules: self.rules,
            views: BTreeMap::new(),
            dictionaries: self.dictionaries,
            extra: BTreeMap::new(),
        }
    }
}

/// Names of what stands where a pointer array's address and count do.
pub(super) struct Head {
    /// Of the fixed place.
    pub name: &'static str,
    /// Of the address.
    pub base: &'static str,
    /// Of the count.
    pub count: &'static str,
    /// What speaks for it.
    pub evidence: &'static str,
}

/// The session array's.
pub(super) const SESSIONS: Head = Head {
    name: "session_array_head",
    base: "sessions",
    count: "session_count",
    evidence: "calibrated: the only place whose array holds exactly the rows of X$KSUSE",
};

/// The fixed place that holds an array's address and count, and the way to its rows.
pub(super) fn head(
    named: &Head,
    pointer: TargetAddr,
    count: TargetAddr,
) -> (Vec<Anchor>, Option<Struct>, ArrayLayout) {
    let start = pointer.min(count);
    let end = (pointer.0 + 8).max(count.0 + 4);
    let anchor = Anchor {
        name: named.name.into(),
        address: start.0,
        size: end - start.0,
        ctype: None,
        source: SOURCE.into(),
    };
    let at = |place: TargetAddr| place.0 - start.0;
    let fields = vec![
        plain(named.base, at(pointer), 8, Stored::Addr, named.evidence),
        plain(named.count, at(count), 4, Stored::Uint, named.evidence),
    ];
    let member = |field: &str| MemberRef {
        anchor: named.name.into(),
        strukt: named.name.into(),
        field: field.into(),
    };
    let layout = ArrayLayout::Pointers {
        base: member(named.base),
        count: member(named.count),
    };
    let strukt = strukt(named.name, end - start.0, fields);
    (vec![anchor], Some(strukt), layout)
}

/// Rows at even distances, one run for each stretch.
pub(super) fn runs(rows: &[TargetAddr]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let least = scan::stride(rows).unwrap_or(8) as i64;
    for row in rows {
        match runs.last_mut() {
            Some(run) => {
                let last = run
                    .start
                    .wrapping_add_signed(run.stride * (run.count as i64 - 1));
                let step = row.0.wrapping_sub(last) as i64;
                if step.abs() == least && (run.count == 1 || step == run.stride) {
                    run.stride = step;
                    run.count += 1;
                } else {
                    runs.push(Run {
                        start: row.0,
                        count: 1,
                        stride: least,
                    });
                }
            }
            None => runs.push(Run {
                start: row.0,
                count: 1,
                stride: least,
            }),
        }
    }
    runs
}

pub(super) fn strukt(name: &str, size: u64, fields: Vec<Field>) -> Struct {
    Struct {
        name: name.into(),
        size,
        fields,
        guard: Some(Guard::Stable),
        ..Struct::default()
    }
}

/// A field that calibration has proven.
pub(crate) fn plain(name: &str, offset: u64, size: u64, stored: Stored, evidence: &str) -> Field {
    Field {
        name: name.into(),
        offset,
        size,
        stored,
        max: None,
        to: None,
        alternatives: Vec::new(),
        scan: false,
        accept: None,
        source: SOURCE.into(),
        confidence: Confidence::High,
        evidence: Some(evidence.into()),
    }
}

/// The blueprint's field of what was learned; `None` when its place isn't certain.
pub fn field(learned: &Learned) -> Option<Field> {
    let (offset, form) = learned.place?;
    let (stored, size) = match form {
        _ if learned.pointed => (Stored::TextPtr, 8),
        Form::Uint(_) if learned.address => (Stored::Addr, 8),
        Form::Uint(n) | Form::Class(n) => (Stored::Uint, u64::from(n)),
        Form::Int(n) => (Stored::Int, u64::from(n)),
        Form::Text => (Stored::Text, learned.size),
        Form::Bytes => (Stored::Raw, learned.size),
        Form::Date7 => (Stored::Date7, 7),
        Form::Epoch4 => (Stored::Epoch4, 4),
    };
    let line = Line::of("", learned);
    let evidence = format!(
        "calibrated: {} rows agree, {} don't, {} different values; from {}",
        line.agree,
        line.disagree,
        line.distinct,
        line.columns.join(", ")
    );
    let mut field = plain(&learned.field, offset.into(), size, stored, &evidence);
    field.max = learned.pointed.then_some(POINTED_TEXT);
    if line.disagree > 0 || learned.answer.distinct < 3 {
        field.confidence = Confidence::Medium;
    }
    Some(field)
}

/// Names of wait events and classes from the spool.
pub(super) fn dictionaries(spool: &Spool) -> Dictionaries {
    let mut all = Dictionaries::default();
    let Some(table) = spool.table("v_event_name") else {
        return all;
    };
    let names = [
        "EVENT#",
        "NAME",
        "PARAMETER1",
        "PARAMETER2",
        "PARAMETER3",
        "WAIT_CLASS#",
        "WAIT_CLASS_ID",
        "WAIT_CLASS",
    ];
    let columns = names.map(|n| table.column(n));
    let mut classes = BTreeMap::new();
    for row in &table.rows {
        let text = |i: usize| columns[i].and_then(|c| row[c].clone()).unwrap_or_default();
        let number = |i: usize| columns[i].and_then(|c| table.number(row, c)).unwrap_or(0) as u32;
        if number(0) as usize != all.events.len() {
            return Dictionaries::default();
        }
        all.events.push(EventName {
            name: text(1),
            parameters: [text(2), text(3), text(4)],
            wait_class_no: number(5),
        });
        classes.insert(
            number(5),
            WaitClass {
                no: number(5),
                id: number(6),
                name: text(7),
            },
        );
    }
    all.wait_classes = classes.into_values().collect();
    all
}
