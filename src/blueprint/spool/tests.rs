//! Spools of many shapes, and files that are damaged or hostile.

use std::fs;

use super::*;

const TABLES: &str = "\
\"ADDR\",\"INDX\",\"INST_ID\",\"KQFTAOBJ\",\"KQFTANAM\",\"KQFTATYP\",\"KQFTARSZ\",\"KQFTACOC\"
\"00\",0,1,100,\"X$KQFTA\",4,80,11
\"00\",1,1,101,\"X$KSUSE\",2,10216,3
";
const COLUMNS: &str = "\
KQFCOOFF,KQFCOSIZ,KQFCODTY,KQFCOTYP,KQFCONAM,KQFCOTAB,KQFCOTOB,KQFCOCNO,KQFCONEW
2172,2,2,11,KSUSESER,1,101,3,x
0,8,23,9,ADDR,1,101,1,y
2168,4,2,11,KSUSENUM,1,101,2,z
";

fn spool(files: &[(&str, &str)]) -> Result<Spool, SpoolError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let wanted = Wanted {
        tables: &BTreeSet::from(["X$KSUSE"]),
        views: &BTreeSet::from(["GV$SESSION"]),
    };
    read(directory.path(), "spool", &wanted)
}

fn error(files: &[(&str, &str)]) -> String {
    spool(files).unwrap_err().to_string()
}

#[test]
fn tables_are_known_by_header_in_any_order() {
    let found = spool(&[
        ("whatever.csv", COLUMNS),
        ("another.csv", TABLES),
        ("notes.csv", "a,b\n1,2\n"),
        ("readme.txt", "x"),
    ])
    .unwrap();
    let table = &found.facts.tables["X$KSUSE"];
    let names: Vec<&str> = table
        .table
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["ADDR", "KSUSENUM", "KSUSESER"]);
    assert_eq!(
        (
            table.table.rsz,
            table.table.columns[2].off,
            table.table.columns[2].siz
        ),
        (10216, 2172, 2)
    );
    assert!(!table.table.functions_known);
    assert_eq!(table.extra["KSUSESER"]["KQFCONEW"], "x");
    assert_eq!(found.ignored.len(), 1);
    assert_eq!(found.facts.sources[0].detail, "spool of X$KQFTA, X$KQFCO");
}

/// Without markup SQL*Plus pads columns and may talk before and after them.
#[test]
fn plain_sqlplus_output_is_read() {
    let text = "\nSession altered.\n\n                INDX,ADDR            \n\
                \n                   0,0000000069000000\n                   1,00000000690027E8\n\n2 rows selected.\n";
    let text = text.replace(
        "00027E8\n",
        "00027E8\n                INDX,ADDR            \n",
    );
    let found = spool(&[
        ("x_ksuse_addr.csv", &text),
        ("x_ksupr_addr.csv", "ADDR,INDX\n6A000000,0\n"),
    ])
    .unwrap();
    assert_eq!(
        found.facts.rows["X$KSUSE"].value,
        [0x6900_0000, 0x6900_27e8]
    );
    assert_eq!(found.facts.rows["X$KSUPR"].value, [0x6a00_0000]);
}

#[test]
fn names_and_identity() {
    let found = spool(&[
        (
            "i.csv",
            "INSTANCE_NAME,VERSION,VERSION_FULL\n\"O\",\"19.0.0.0.0\",\"19.3.0.0.0\"\n",
        ),
        ("d.csv", "PLATFORM_NAME\n\"Linux x86 64-bit\"\n"),
        ("n.csv", "PARAMETER,VALUE\nNLS_CHARACTERSET,AL32UTF8\n"),
        ("s.csv", "STATISTIC#,NAME,CLASS\n2,c,8\n0,a,1\n"),
        (
            "e.csv",
            "EVENT#,NAME,WAIT_CLASS#,PARAMETER1\n0,null event,0,\n1,\"log, \"\"x\"\"\",5,p\n",
        ),
        ("c.csv", "COMMAND_TYPE,COMMAND_NAME\n0,\n3,SELECT\n"),
    ])
    .unwrap()
    .facts;
    let value = |s: &Option<crate::blueprint::facts::Said<String>>| s.clone().unwrap().value;
    assert_eq!(value(&found.release), "19.3.0.0.0");
    assert_eq!(value(&found.port), "Linux x86-64");
    assert_eq!(value(&found.charset), "AL32UTF8");
    let statistics = found.statistics.unwrap().value;
    assert_eq!(statistics.len(), 3);
    assert_eq!(
        (statistics[2].name.as_str(), statistics[2].class),
        ("c", Some(8))
    );
    assert_eq!(found.events.unwrap().value[1].name, "log, \"x\"");
    assert_eq!(found.commands.unwrap().value.len(), 1);
}

#[test]
fn the_release_comes_from_the_fullest_text() {
    let of = |files: &[(&str, &str)]| spool(files).unwrap().facts.release.unwrap().value;
    let instance = ("i.csv", "INSTANCE_NAME,VERSION\nO,12.1.0.2.0\n");
    assert_eq!(of(&[instance]), "12.1.0.2.0");
    let version = (
        "v.csv",
        "BANNER,BANNER_FULL\n\"x\",\"Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production\nVersion 19.3.0.0.0\"\n",
    );
    assert_eq!(
        of(&[("i.csv", "INSTANCE_NAME,VERSION\nO,19.0.0.0.0\n"), version]),
        "19.3.0.0.0"
    );
}

#[test]
fn joins_that_disagree_are_decided_by_the_count_or_refused() {
    let odd = COLUMNS.replace("KSUSESER,1,101", "KSUSESER,1,999");
    let found = spool(&[("a.csv", TABLES), ("b.csv", &odd)]).unwrap();
    assert_eq!(found.facts.tables["X$KSUSE"].table.columns.len(), 3);
    let stated = TABLES.replace("10216,3", "10216,7");
    let text = error(&[("a.csv", &stated), ("b.csv", &odd)]);
    assert!(
        text.contains("3 columns by KQFCOTAB, 2 by KQFCOTOB") && text.contains('7'),
        "{text}"
    );
}

#[test]
fn bad_files_are_told_with_file_and_line() {
    let text = error(&[
        ("a.csv", TABLES),
        ("b.csv", &COLUMNS.replace("2172,", "two,")),
    ]);
    assert!(
        text.contains("b.csv, line 2") && text.contains("\"two\""),
        "{text}"
    );
    let text = error(&[
        ("a.csv", TABLES),
        ("b.csv", &COLUMNS.replace("2172,", "70000,")),
    ]);
    assert!(text.contains("KQFCOOFF"), "{text}");
    let text = error(&[
        ("a.csv", TABLES),
        ("b.csv", &COLUMNS.replace("2172,", "2172,5,")),
    ]);
    assert!(text.contains("9 fields"), "{text}");
    let text = error(&[("a.csv", TABLES), ("b.csv", TABLES)]);
    assert!(text.contains("both hold X$KQFTA"), "{text}");
    let text = error(&[("s.csv", "STATISTIC#,NAME\n4000000000,a\n")]);
    assert!(text.contains("below"), "{text}");
    let huge = TABLES.replace("10216", "99999999");
    let text = error(&[("a.csv", &huge), ("b.csv", COLUMNS)]);
    assert!(text.contains("row size"), "{text}");
    assert!(error(&[]).contains("no file"));
}

#[test]
fn texts_of_views_are_complete_or_not() {
    let of = |text: &str| {
        let found = spool(&[("v.csv", text)]).unwrap().facts.views;
        assert_eq!(found.len(), 1, "only the wanted one");
        found["GV$SESSION"].value.clone()
    };
    let whole = "VIEW_NAME,VIEW_DEFINITION\nGV$SESSION,\"select a,\n 'x' from b\"\nV$X,select 1\n";
    let view = of(whole);
    assert_eq!(
        (view.text.as_str(), view.complete),
        ("select a,\n 'x' from b", true)
    );
    let stated = "VIEW_NAME,COMPLETE,VIEW_DEFINITION\nGV$SESSION,N,select a from b\n";
    assert!(!of(stated).complete);
    assert!(of(&stated.replace(",N,", ",Y,")).complete);
    assert!(!of(&stated.replace(",N,select a from b", ",Y,select (a from b")).complete);
}

#[test]
fn hostile_files_end_soon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.csv");
    let file = fs::File::create(&path).unwrap();
    // A sparse gigabyte without a line end.
    file.set_len(1 << 30).unwrap();
    let start = std::time::Instant::now();
    let none = BTreeSet::new();
    let wanted = Wanted {
        tables: &none,
        views: &none,
    };
    assert!(read(directory.path(), "spool", &wanted).is_err());
    fs::write(&path, ",".repeat(1_000_000)).unwrap();
    let text = read(directory.path(), "spool", &wanted)
        .unwrap_err()
        .to_string();
    assert!(text.contains("2000 fields"), "{text}");
    assert!(start.elapsed().as_secs() < 5);
}
