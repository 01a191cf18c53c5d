//! Sources that agree, fill each other, contradict each other.

use super::super::facts::Area;
use super::super::kqf::KqfTable;
use super::super::model::{Source, SourceKind};
use super::*;

fn column(name: &str, off: u16, cop: u64) -> KqfColumn {
    KqfColumn {
        name: name.into(),
        dty: 2,
        typ: 11,
        lsz: 0,
        lof: 0,
        siz: 4,
        off,
        cop,
    }
}

fn facts(id: &str, kind: SourceKind) -> Facts {
    let functions_known = kind == SourceKind::Executable;
    let table = KqfTable {
        name: "X$KSUSE".into(),
        strukt: String::new(),
        typ: 2,
        flg: 1,
        rsz: 10216,
        obj: 1,
        ver: 1,
        columns: vec![
            column("KSUSENUM", 2168, 0),
            column("KSUSEWTM", 16, if functions_known { 7 } else { 0 }),
        ],
        functions_known,
    };
    let variable = Variable {
        address: 0x6000_a410,
        size: if functions_known { 0 } else { 2480 },
        ctype: (!functions_known).then(|| "ksusg".into()),
    };
    let statistic = StatisticName {
        name: "logons cumulative".into(),
        class: (!functions_known).then_some(1),
    };
    Facts {
        sources: vec![Source {
            id: id.into(),
            kind,
            sha256: None,
            detail: "a test".into(),
        }],
        release: Some(Said::new("19.3.0.0.0".into(), id)),
        tables: [("X$KSUSE".to_owned(), Table::new(table, id))].into(),
        variables: [("ksusga_".to_owned(), Said::new(variable, id))].into(),
        statistics: Some(Said::new(vec![statistic], id)),
        commands: Some(Said::new([(3, "SELECT".to_owned())].into(), id)),
        areas: Some(Said::new(
            vec![Area {
                name: "Fixed Size".into(),
                shmid: 2,
                address: 0x6000_0000,
                bytes: 4096,
            }],
            id,
        )),
        rows: [("X$KSUSE".to_owned(), Said::new(vec![16, 32], id))].into(),
        ..Facts::default()
    }
}

fn both() -> (Facts, Facts) {
    (
        facts("executable", SourceKind::Executable),
        facts("spool", SourceKind::Spool),
    )
}

#[test]
fn sources_that_agree_fill_each_other() {
    let (a, b) = both();
    for (first, second) in [(a.clone(), b.clone()), (b, a)] {
        let name = first.sources[0].id.clone();
        let merged = merge(first, second).unwrap();
        assert_eq!(merged.sources.len(), 2);
        let release = merged.release.unwrap();
        assert_eq!(release.source(), name);
        assert!(release.also().unwrap().starts_with("the same in "));
        let table = &merged.tables["X$KSUSE"];
        assert!(table.table.functions_known);
        assert_eq!(table.table.columns[1].cop, 7);
        assert_eq!(table.columns_by["KSUSENUM"].len(), 2);
        let variable = &merged.variables["ksusga_"].value;
        assert_eq!(
            (variable.size, variable.ctype.as_deref()),
            (2480, Some("ksusg"))
        );
        assert_eq!(merged.statistics.unwrap().value[0].class, Some(1));
    }
}

#[test]
fn what_only_one_says_is_taken() {
    let (mut a, mut b) = both();
    a.tables.clear();
    b.variables.clear();
    a.statistics = None;
    b.areas = None;
    let extra = column("KSUSENEW", 100, 0);
    b.tables
        .get_mut("X$KSUSE")
        .unwrap()
        .table
        .columns
        .push(extra);
    let merged = merge(a, b).unwrap();
    assert_eq!(merged.tables["X$KSUSE"].table.columns.len(), 3);
    assert_eq!(merged.variables.len(), 1);
    assert!(merged.statistics.is_some() && merged.areas.is_some());
}

#[test]
fn every_contradiction_names_both_sources_and_values() {
    type Change = fn(&mut Facts);
    let changes: [(Change, &str, &str); 10] = [
        (
            |f| f.release.as_mut().unwrap().value = "19.9.0.0.0".into(),
            "the release",
            "19.9.0.0.0",
        ),
        (
            |f| f.tables.get_mut("X$KSUSE").unwrap().table.rsz = 10224,
            "X$KSUSE: row size",
            "10224",
        ),
        (
            |f| f.tables.get_mut("X$KSUSE").unwrap().table.columns[0].off = 2160,
            "X$KSUSE.KSUSENUM: offset",
            "2160",
        ),
        (
            |f| f.tables.get_mut("X$KSUSE").unwrap().table.columns[0].siz = 2,
            "X$KSUSE.KSUSENUM: size",
            "2",
        ),
        (
            |f| f.tables.get_mut("X$KSUSE").unwrap().table.columns[0].typ = 0,
            "X$KSUSE.KSUSENUM: KQFCOTYP",
            "0",
        ),
        (
            |f| f.variables.get_mut("ksusga_").unwrap().value.address += 8,
            "ksusga_: address",
            "0x6000a418",
        ),
        (
            |f| f.statistics.as_mut().unwrap().value[0].name = "x".into(),
            "statistic 0",
            "\"x\"",
        ),
        (
            |f| {
                drop(
                    f.commands
                        .as_mut()
                        .unwrap()
                        .value
                        .insert(3, "INSERT".into()),
                )
            },
            "SQL command 3",
            "INSERT",
        ),
        (
            |f| f.areas.as_mut().unwrap().value[0].shmid = 9,
            "area 0",
            "segment 9",
        ),
        (
            |f| f.rows.get_mut("X$KSUSE").unwrap().value.push(48),
            "X$KSUSE: row 2",
            "0x30",
        ),
    ];
    for (change, what, value) in changes {
        let (a, mut b) = both();
        change(&mut b);
        let error = merge(a, b).unwrap_err();
        assert_eq!(error.what, what);
        assert_eq!(
            (error.first.as_str(), error.second.as_str()),
            ("executable", "spool")
        );
        assert!(error.second_value.contains(value), "{error}");
    }
}

#[test]
fn a_text_that_is_cut_agrees_with_one_that_begins_so() {
    let with = |id: &str, kind, text: &str, complete| {
        let view = ViewText {
            text: text.into(),
            complete,
        };
        Facts {
            views: [("GV$SESSION".to_owned(), Said::new(view, id))].into(),
            ..facts(id, kind)
        }
    };
    let whole = || {
        with(
            "executable",
            SourceKind::Executable,
            "select a, b from c",
            true,
        )
    };
    let spooled = |text: &str, complete| with("spool", SourceKind::Spool, text, complete);
    let kept =
        |first: Facts, second: Facts| merge(first, second).unwrap().views["GV$SESSION"].clone();
    for view in [
        kept(whole(), spooled("select a,\n b fr", false)),
        kept(spooled("select a, b fr", false), whole()),
    ] {
        assert_eq!(view.value, whole().views["GV$SESSION"].value);
        assert_eq!(view.source(), "executable");
        assert_eq!(view.also().as_deref(), Some("the same in spool"));
    }
    let error = merge(whole(), spooled("select a, x fr", false)).unwrap_err();
    assert_eq!(error.what, "the text of GV$SESSION from character 11");
    assert_eq!(
        (error.first_value.as_str(), error.second_value.as_str()),
        ("\"b from c\"", "\"x fr\"")
    );
    // A whole text that is shorter is another one.
    assert!(merge(whole(), spooled("select a", true)).is_err());
}
