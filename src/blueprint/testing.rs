//! A small coherent blueprint for the tests of this module.

use std::collections::BTreeMap;

use super::calibrate::compose::plain;
use super::model::{
    Accept, Anchor, Array, ArrayLayout, Blueprint, Confidence, Dictionaries, Field, Guard,
    Identity, MemberRef, Rule, SCHEMA_VERSION, Source, SourceKind, Status, Stored, Struct,
};

/// Lower-case member names used by [`blueprint`].
pub const MEANS: [&str; 4] = ["stats_ptr", "sessions", "session_count", "table_ptr"];

/// Number of fields of its `ksuse`.
pub const KSUSE_FIELDS: usize = 6;

pub fn field(name: &str, offset: u64, size: u64, stored: Stored) -> Field {
    Field {
        source: "executable".into(),
        evidence: None,
        ..plain(name, offset, size, stored, "")
    }
}

fn hinted(name: &str, offset: u64, size: u64, stored: Stored, accept: Accept) -> Field {
    Field {
        accept: Some(accept),
        source: "hints".into(),
        confidence: Confidence::Medium,
        evidence: Some("a test".into()),
        ..field(name, offset, size, stored)
    }
}

fn strukt(name: &str, table: Option<&str>, size: u64, fields: Vec<Field>) -> Struct {
    Struct {
        name: name.into(),
        table: table.map(str::to_owned),
        size,
        fields,
        ..Struct::default()
    }
}

fn member(anchor: &str, strukt: &str, field: &str) -> MemberRef {
    MemberRef {
        anchor: anchor.into(),
        strukt: strukt.into(),
        field: field.into(),
    }
}

fn anchor(name: &str, address: u64, size: u64) -> Anchor {
    Anchor {
        name: name.into(),
        address,
        size,
        ctype: None,
        source: "executable".into(),
    }
}

fn source(id: &str, kind: SourceKind) -> Source {
    Source {
        id: id.into(),
        kind,
        sha256: None,
        detail: "a test".into(),
    }
}

fn structs() -> Vec<Struct> {
    let mut ksuse = strukt(
        "ksuse",
        Some("X$KSUSE"),
        1000,
        vec![
            field("KSSPAFLG", 0, 1, Stored::Uint),
            field("KSUSENUM", 16, 4, Stored::Uint),
            field("KSUSEFLG", 20, 4, Stored::Uint),
            field("KSUUDLNA", 197, 128, Stored::Text),
            field("KSUSESQL", 400, 8, Stored::Addr),
            hinted("stats_ptr", 408, 8, Stored::Addr, Accept::CounterArray),
        ],
    );
    ksuse.guard = Some(Guard::Stable);
    let mut name = field("KSLEDNAM", 0, 8, Stored::TextPtr);
    name.max = Some(64);
    vec![
        ksuse,
        strukt("ksled", Some("X$KSLED"), 56, vec![name]),
        strukt(
            "ksusga",
            None,
            256,
            vec![
                hinted("sessions", 72, 8, Stored::Addr, Accept::SlotOrdinal),
                hinted("session_count", 80, 4, Stored::Uint, Accept::ArrayCount),
            ],
        ),
        strukt(
            "ksledt",
            None,
            8,
            vec![hinted("table_ptr", 0, 8, Stored::Addr, Accept::NameTable)],
        ),
    ]
}

fn arrays() -> Vec<Array> {
    let sessions = Array {
        name: "sessions".into(),
        row: "ksuse".into(),
        layout: ArrayLayout::Pointers {
            base: member("ksusga_", "ksusga", "sessions"),
            count: member("ksusga_", "ksusga", "session_count"),
        },
        accept: Some(Accept::SlotOrdinal),
        ordinal: Some("KSUSENUM".into()),
    };
    let events = Array {
        name: "events".into(),
        row: "ksled".into(),
        layout: ArrayLayout::Flat {
            base: member("ksledt_", "ksledt", "table_ptr"),
            stride: 56,
            count: None,
        },
        accept: Some(Accept::NameTable),
        ordinal: None,
    };
    vec![sessions, events]
}

/// A blueprint without findings.
pub fn blueprint() -> Blueprint {
    let rule = Rule {
        value: 9.into(),
        source: "hints".into(),
        confidence: Confidence::Medium,
        evidence: None,
    };
    Blueprint {
        schema: SCHEMA_VERSION.into(),
        id: "19.3.0.0.0-test".into(),
        status: Status::Synthetic,
        identity: Identity {
            build_id: Some("0123456789abcdef".into()),
            release: "19.3.0.0.0".into(),
            port: "Linux x86-64".into(),
            banner: None,
        },
        sources: vec![
            source("executable", SourceKind::Executable),
            source("hints", SourceKind::Hints),
        ],
        charset: None,
        anchors: vec![
            anchor("ksusga_", 0x6000_a410, 256),
            anchor("ksledt_", 0x6000_69f0, 8),
        ],
        structs: structs(),
        arrays: arrays(),
        rules: BTreeMap::from([("status_mask".to_owned(), rule)]),
        views: BTreeMap::new(),
        dictionaries: Dictionaries::default(),
        extra: BTreeMap::new(),
    }
}
