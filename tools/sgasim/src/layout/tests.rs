//! Consistency of the release tables.

use super::*;
use crate::layout::tables::exe_spec;

const RELEASES: [&str; 3] = ["12.1", "19.3", "23.5"];

fn layout(short: &str) -> Layout {
    Layout::of_release(short).unwrap()
}

/// Every pair of members is either apart or the very same bytes (KSUSEP1 and KSUSEP1R), lengths included.
fn assert_no_overlap(what: &str, row: &RowLayout) {
    let mut spans: Vec<(u64, u64, &str)> = Vec::new();
    for column in &row.columns {
        let start = u64::from(column.offset);
        spans.push((start, start + u64::from(column.stored_width()), column.name));
        if let Some(length) = column.length_offset() {
            spans.push((
                u64::from(length),
                u64::from(length + column.length_width),
                column.name,
            ));
        }
    }
    for (i, a) in spans.iter().enumerate() {
        assert!(a.1 <= row.rows.stride, "{what}: {a:?} ends behind the row");
        for b in &spans[i + 1..] {
            let same = a.0 == b.0 && a.1 == b.1;
            assert!(
                same || a.1 <= b.0 || b.1 <= a.0,
                "{what}: {a:?} and {b:?} overlap"
            );
        }
    }
}

#[test]
fn members_do_not_overlap_and_fit_in_their_rows() {
    for short in RELEASES {
        let layout = layout(short);
        assert_no_overlap(&format!("{short} session"), &layout.session);
        assert_no_overlap(&format!("{short} process"), &layout.process);
        let mut revealed = layout.clone();
        revealed.reveal();
        assert_no_overlap(&format!("{short} revealed"), &revealed.session);
        let end = |c: &Column| u64::from(c.offset + c.stored_width());
        let last = revealed.session.columns.iter().map(end).max().unwrap();
        assert!(last <= revealed.session.rows.stride, "{short} revealed");
    }
}

#[test]
fn every_release_has_every_member_that_the_engine_writes() {
    use crate::engine::fields::{Num, ProcNum, ProcText, Text};
    for short in RELEASES {
        let layout = layout(short);
        let mut revealed = layout.clone();
        revealed.reveal();
        for name in Num::COLUMNS.iter().chain(Text::COLUMNS) {
            // what only a revealed layout stores stands once, behind the rows of the plain one
            let places = revealed.session.columns.iter().filter(|c| c.name == *name);
            let places: Vec<u32> = places.map(|c| c.offset).collect();
            let [place] = places[..] else {
                panic!("{short}: session {name} stands at {places:?}");
            };
            let added = u64::from(place) >= layout.session.rows.stride;
            assert_eq!(
                layout.session.column(name).is_none(),
                added,
                "{short}: {name}"
            );
        }
        for name in ProcNum::COLUMNS.iter().chain(ProcText::COLUMNS) {
            assert!(
                layout.process.column(name).is_some(),
                "{short}: process {name}"
            );
        }
    }
}

/// Distances that are the same in all public layouts.
#[test]
fn hidden_members_lie_at_their_anchors() {
    for short in RELEASES {
        let layout = layout(short);
        let at = |name: &str| i64::from(layout.session.column(name).unwrap().offset);
        assert_eq!(at("(owner)"), 8);
        assert_eq!(at("KSUSESEQ") - at("(statistics)"), 24);
        assert_eq!(at("KSUSESQH") - at("(sql_id_high)"), 4);
        assert_eq!(at("KSUSESQH") - at("KSUSESQL"), 12);
        assert_eq!(at("KSUSEPHA") - at("(prev_sql_id_high)"), 4);
        assert_eq!(at("KSUSEFIX") - at("(module_action)"), 8);
        assert_eq!(at("KSUSELTM") - at("(wait_stamp)"), 4);
        assert_eq!(at("KSUSELTM") - at("(call_stamp)"), 8);
        assert_eq!(at("KSUSETIM") - at("KSUSESEQ"), 32);
    }
}

#[test]
fn widths_differ_by_release() {
    let size = |short: &str, name: &str| layout(short).session.column(name).unwrap().size;
    assert_eq!((size("12.1", "KSUSENUM"), size("19.3", "KSUSENUM")), (2, 4));
    assert_eq!((size("12.1", "KSUSEIDL"), size("19.3", "KSUSEIDL")), (1, 2));
    assert_eq!(
        (size("12.1", "KSUUDLNA"), size("23.5", "KSUUDLNA")),
        (30, 128)
    );
}

/// Public addresses of X$KSUSE on 19.3 with 504 sessions: rows 126 and 252 follow their forerunners by 11,224 bytes.
#[test]
fn rows_of_19_lie_in_chunks() {
    let rows = layout("19.3").session.rows;
    let base = 0x1_68CA_6200;
    assert_eq!(base + rows.row_offset(1, 504), 0x1_68CA_89E8);
    assert_eq!(base + rows.row_offset(125, 504), 0x1_68DD_DE48);
    assert_eq!(base + rows.row_offset(126, 504), 0x1_68DE_0A20);
    assert_eq!(base + rows.row_offset(252, 504), 0x1_68F1_B240);
    assert_eq!(rows.bytes(504), rows.row_offset(503, 504) + rows.stride);
}

#[test]
fn rows_of_12_descend() {
    let rows = layout("12.1").session.rows;
    assert_eq!(rows.row_offset(9, 10), 0);
    assert_eq!(rows.row_offset(0, 10), 9 * rows.stride);
}

#[test]
fn fixed_variables_do_not_overlap() {
    for short in RELEASES {
        let layout = layout(short);
        assert!(layout.fixed.len() > 40);
        assert!(
            layout.fixed[0].address >= 0x6000_1000,
            "the first page is read-only"
        );
        for pair in layout.fixed.windows(2) {
            assert!(
                pair[0].address + pair[0].size <= pair[1].address,
                "{short}: {pair:?}"
            );
        }
        for name in ["ksusga_", "ksledt_", "kspssidst_", "ksqgdn_"] {
            assert!(layout.fixed_variable(name).is_some(), "{short}: {name}");
        }
    }
}

#[test]
fn executable_tables_describe_the_rows() {
    let spec = exe_spec(&layout("19.3"), 0);
    let table = |name: &str| spec.tables.iter().find(|t| t.name == name).unwrap();
    let ksuse = table("X$KSUSE");
    assert_eq!((ksuse.typ, ksuse.flg, ksuse.rsz), (2, 1, 10_216));
    let column = |name: &str| ksuse.columns.iter().find(|c| c.name == name).unwrap();
    assert_eq!(
        (
            column("KSUSESER").off,
            column("KSUSESER").siz,
            column("KSUSESER").cop
        ),
        (2172, 2, 0)
    );
    assert_eq!(
        (
            column("KSUSESESTA").off,
            column("KSUSESESTA").siz,
            column("KSUSESESTA").dty
        ),
        (2456, 7, 12)
    );
    assert_eq!(
        (
            column("KSSPAFLG").off,
            column("KSSPAFLG").siz,
            column("KSSPAFLG").cop
        ),
        (0, 1, 0)
    );
    assert!(column("KSUSEPRO").cop != 0 && column("KSUSEPRO").off == 0);
    assert!(ksuse.columns.iter().all(|c| !c.name.starts_with('(')));
    let wait = table("X$KSUSECST")
        .columns
        .iter()
        .find(|c| c.name == "KSUSSTIM")
        .unwrap();
    assert_eq!((wait.off, wait.typ), (2096, 0));
    assert!(spec.tables.len() > 30);
    let names: std::collections::HashSet<_> = spec.tables.iter().map(|t| &t.name).collect();
    assert_eq!(names.len(), spec.tables.len());
    let structs: std::collections::HashSet<_> =
        spec.tables.iter().map(|t| &t.struct_name).collect();
    assert_eq!(
        structs.len(),
        spec.tables.len(),
        "column array symbols must be distinct"
    );
}
