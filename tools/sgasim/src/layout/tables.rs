//! The X$ tables, symbols and views that the synthetic executable describes, made from a [`Layout`].
//!
//! It turns layouts into the executable's specification and writes nothing. Only `instance` calls it.

use super::{Column, Kind, Layout, RowLayout};
use crate::exe::views::{self, ViewRules};
use crate::exe::{ColSpec, ExeSpec, SymSpec, TableSpec};
use crate::names;

/// Columns of X$KSUSE that callbacks make (offset 0), in 12.1 to 23ai: name, KQFCODTY, KQFCOTYP, bytes.
/// The list is what is missing from Kyle Hailey's 19.3 spool of offsets above 0.
const COMPUTED: &[(&str, u8, u8, u64)] = &[
    ("KSSPATYP", 2, 11, 4),
    ("KSUSEPRO", 23, 11, 8),
    ("KSUSESQI", 1, 7, 13),
    ("KSUSEPSI", 1, 7, 13),
    ("KSUSEAPP", 1, 7, 64),
    ("KSUSEAPH", 2, 11, 4),
    ("KSUSEACT", 1, 7, 64),
    ("KSUSEACH", 2, 11, 4),
    ("KSUSEBLOCKER", 2, 11, 4),
    ("KSUSEFBLOCKER", 2, 11, 4),
    ("KSUSEWTM", 2, 11, 4),
    ("KSUSECTM", 2, 11, 4),
    ("KSUSEGRP", 1, 7, 32),
    ("KSUSECQD", 2, 11, 4),
    ("KSUSESVC", 1, 7, 64),
    ("KSUSEPXOPT", 2, 11, 4),
];

/// X$KSUSECST columns and the X$KSUSE columns whose bytes they show (same rows).
const WAIT_ALIASES: &[(&str, &str)] = &[
    ("KSSPAFLG", "KSSPAFLG"),
    ("KSUSENUM", "KSUSENUM"),
    ("KSUSEFLG", "KSUSEFLG"),
    ("KSUSSSEQ", "KSUSESEQ"),
    ("KSUSSOPC", "KSUSEOPC"),
    ("KSUSSP1", "KSUSEP1"),
    ("KSUSSP1R", "KSUSEP1R"),
    ("KSUSSP2", "KSUSEP2"),
    ("KSUSSP2R", "KSUSEP2R"),
    ("KSUSSP3", "KSUSEP3"),
    ("KSUSSP3R", "KSUSEP3R"),
    ("KSUSSTIM", "KSUSETIM"),
];

/// A column that isn't taken from a [`RowLayout`]: name, KQFCODTY, KQFCOTYP, bytes, offset.
type Plain = (&'static str, u8, u8, u64, u16);

/// Tables besides X$KSUSE, X$KSUPR and X$KSUSECST: name, C structure, typ, flg, row size, object number, callback 1,
/// callback 2, columns. Object numbers and types of the known ones: Mikhail Velikikh and public 12c lists.
type Other = (
    &'static str,
    &'static str,
    u16,
    u16,
    u64,
    u32,
    bool,
    bool,
    &'static [Plain],
);

#[rustfmt::skip]
const OTHERS: &[Other] = &[
    ("X$KQFTA", "kqftv", 4, 0, 80, 4294950912, true, false, &[("KQFTAOBJ", 2, 11, 4, 64), ("KQFTAVER", 2, 11, 2, 68), ("KQFTANAM", 1, 6, 64, 8), ("KQFTATYP", 2, 11, 2, 32), ("KQFTAFLG", 2, 11, 2, 34), ("KQFTARSZ", 2, 11, 8, 40), ("KQFTACOC", 2, 11, 4, 56)]),
    ("X$KQFCO", "kqfcc", 4, 0, 80, 4294951036, true, false, &[("KQFCOTAB", 2, 11, 4, 68), ("KQFCONAM", 1, 6, 64, 8), ("KQFCODTY", 2, 11, 1, 16), ("KQFCOTYP", 2, 11, 1, 17), ("KQFCOSIZ", 2, 11, 8, 40), ("KQFCOOFF", 2, 11, 2, 48)]),
    ("X$KQFVI", "kqfvi", 1, 0, 80, 4294950913, false, false, &[("KQFVIOBJ", 2, 11, 4, 64), ("KQFVINAM", 1, 6, 64, 8)]),
    ("X$KQFVT", "kqfvt", 1, 0, 40, 4294951157, false, false, &[("KQFTPSEL", 1, 6, 255, 0)]),
    ("X$KQFDT", "kqfdt", 1, 0, 32, 4294950914, false, false, &[("KQFDTNAM", 1, 6, 64, 8), ("KQFDTEQU", 1, 6, 64, 24)]),
    ("X$KQFSZ", "kqfsz", 1, 0, 40, 4294951017, false, false, &[("KQFSZSEQ", 2, 11, 2, 0), ("KQFSZNAM", 1, 6, 64, 8), ("KQFSZSIZ", 2, 11, 4, 32)]),
    ("X$KSLWT", "kslwt", 4, 0, 136, 4294952867, true, false, &[("KSLWTSID", 2, 11, 4, 0), ("KSLWTSEQ", 2, 11, 2, 4), ("KSLWTEVT", 2, 11, 2, 6), ("KSLWTP1", 2, 11, 8, 8), ("KSLWTP2", 2, 11, 8, 16), ("KSLWTP3", 2, 11, 8, 24), ("KSLWTINWAIT", 2, 11, 4, 36), ("KSLWTFLAGS", 2, 11, 4, 40), ("KSLWTSTIME", 2, 11, 8, 48), ("KSLWTLTIME", 2, 11, 8, 56), ("KSLWTTREM", 2, 0, 8, 64)]),
    ("X$KSUSESTA", "ksusesta", 4, 0, 32, 4294951006, true, false, &[("KSSPAFLG", 2, 11, 4, 4), ("KSUSEFLG", 2, 11, 4, 8), ("KSUSENUM", 2, 11, 4, 12), ("KSUSESTN", 2, 11, 4, 16), ("KSUSESTV", 2, 11, 8, 24)]),
    ("X$KSUMYSTA", "ksumysta", 4, 0, 32, 4294951010, true, false, &[("KSUSENUM", 2, 11, 4, 12), ("KSUSESTN", 2, 11, 4, 16), ("KSUSESTV", 2, 11, 8, 24)]),
    ("X$KSUSGSTA", "ksusgsta", 4, 0, 32, 4294951008, true, false, &[("KSUSGSTN", 2, 11, 4, 8), ("KSUSGSTV", 2, 11, 8, 16)]),
    ("X$KSUSD", "ksusdt", 1, 0, 32, 4294951007, false, false, &[("KSUSDNAM", 1, 6, 64, 0), ("KSUSDCLS", 2, 11, 4, 16)]),
    ("X$KSUSIO", "ksusio", 4, 0, 64, 4294951009, true, false, &[("KSUSENUM", 2, 11, 4, 8), ("KSUSIOBG", 2, 11, 8, 16), ("KSUSIOCG", 2, 11, 8, 24), ("KSUSIOPR", 2, 11, 8, 32), ("KSUSIOBC", 2, 11, 8, 40), ("KSUSIOCC", 2, 11, 8, 48)]),
    ("X$KSUPGS", "ksupgs", 4, 0, 40, 4294952215, true, false, &[("KSUPGSNM", 1, 5, 32, 8)]),
    ("X$KSURLMT", "ksurlmt", 4, 0, 64, 4294951396, true, false, &[("KSURLMNM", 1, 5, 30, 0), ("KSURLMCV", 2, 11, 4, 36), ("KSURLMMV", 2, 11, 4, 40)]),
    ("X$KSLEI", "kslei", 4, 0, 640, 4294951102, true, false, &[("KSLESWTS_UN", 2, 11, 8, 8), ("KSLESTMO_UN", 2, 11, 8, 16), ("KSLESTIM_UN", 2, 11, 8, 24), ("KSLESMXT_UN", 2, 11, 8, 32), ("KSLESWTS_FG", 2, 11, 8, 200), ("KSLESTIM_FG", 2, 11, 8, 216)]),
    ("X$KSLES", "ksles", 4, 0, 56, 4294951095, true, false, &[("KSLESSID", 2, 11, 4, 8), ("KSLESENUM", 2, 11, 4, 12), ("KSLESWTS", 2, 11, 8, 16), ("KSLESTIM", 2, 11, 8, 32)]),
    ("X$KSLLD", "kslld", 1, 0, 40, 4294950994, false, false, &[("KSLLDNAM", 1, 6, 64, 0), ("KSLLDADR", 23, 11, 8, 16), ("KSLLDLVL", 2, 11, 4, 24)]),
    ("X$KSLLTR", "ksllt", 4, 0, 160, 4294950993, true, false, &[("KSLLTWGT", 2, 11, 4, 72), ("KSLLTNUM", 2, 11, 2, 12), ("KSLLTLVL", 2, 11, 1, 14)]),
    ("X$KSLLW", "ksllw", 1, 0, 24, 4294951097, false, false, &[("KSLLWNAM", 1, 6, 80, 0), ("KSLLWLBL", 1, 6, 64, 8)]),
    ("X$MESSAGES", "ksbsd", 1, 0, 32, 4294950915, false, false, &[("DESCRIPTION", 1, 6, 64, 8), ("DEST", 1, 6, 64, 16)]),
    ("X$KSBDD", "ksbdd", 1, 4, 80, 4294951003, false, false, &[("KSBDDIDN", 1, 5, 5, 0), ("KSBDDDSC", 1, 5, 64, 8)]),
    ("X$KSBDP", "ksbdp", 1, 4, 32, 4294951002, false, false, &[("KSBDPNAM", 1, 5, 5, 8), ("KSBDPPRO", 23, 11, 8, 16)]),
    ("X$KSMFSV", "ksmfv", 4, 0, 40, 4294951013, true, false, &[("KSMFSNAM", 1, 6, 64, 0), ("KSMFSTYP", 1, 6, 64, 8), ("KSMFSADR", 23, 11, 8, 16), ("KSMFSSIZ", 2, 11, 4, 24)]),
    ("X$KSMMEM", "ksmmem", 4, 0, 8, 4294951012, true, false, &[("KSMMMVAL", 23, 11, 8, 0)]),
    ("X$KSMSSINFO", "ksmssi", 4, 0, 160, 4294953023, true, false, &[("AREA NAME", 1, 5, 32, 0), ("NUMAPG", 2, 11, 4, 36), ("SHMID", 2, 11, 4, 88)]),
    ("X$KSMLRU", "ksmlru", 4, 0, 96, 4294951019, true, false, &[("KSMLRCOM", 1, 5, 20, 24), ("KSMLRSIZ", 2, 11, 4, 48), ("KSMLRNUM", 2, 11, 4, 52)]),
    ("X$KCCCP", "kctcpx", 5, 0, 552, 4294951055, false, true, &[("CPTNO", 2, 0, 4, 524), ("CPSTA", 2, 11, 4, 0), ("CPFLG", 2, 11, 4, 4), ("CPDRT", 2, 11, 4, 8), ("CPRDB", 2, 11, 4, 548), ("CPLRBA_SEQ", 2, 11, 4, 12), ("CPLRBA_BNO", 2, 11, 4, 16), ("CPLRBA_BOF", 2, 11, 2, 20)]),
    ("X$KTCXB", "ktcxb", 2, 0, 392, 4294951062, false, false, &[("KSSOBFLG", 2, 11, 1, 0), ("KTCXBSES", 23, 11, 8, 96), ("KTCXBFLG", 2, 11, 4, 120), ("KXIDUSN", 2, 11, 2, 128), ("KXIDSLT", 2, 11, 2, 130), ("KXIDSQN", 2, 11, 4, 132)]),
    ("X$KSQRS", "ksqrs", 2, 0, 112, 4294951071, false, false, &[("KSQRSID1", 2, 11, 4, 80), ("KSQRSID2", 2, 11, 4, 84), ("KSQRSIDT", 1, 5, 2, 92), ("KSQRSFLG", 2, 11, 1, 111)]),
    ("X$KGLOB", "kglob", 4, 0, 600, 4294951110, true, false, &[("KGLHDADR", 23, 11, 8, 16), ("KGLHDPAR", 23, 11, 8, 24), ("KGLNAHSH", 2, 11, 4, 352), ("KGLNAOBJ", 1, 7, 1000, 448)]),
    ("X$KEWSSESV", "kewssesv", 4, 0, 32, 4294952302, true, false, &[("KSUSENUM", 2, 11, 4, 8), ("KEWSNUM", 2, 11, 4, 12), ("KEWSVAL", 2, 11, 8, 16)]),
    ("X$DUAL", "kqfdl", 1, 0, 1, 4294951101, false, false, &[("DUMMY", 1, 5, 1, 0)]),
];

/// The executable's specification for a layout.
pub fn exe_spec(layout: &Layout, pad_bytes: u64) -> ExeSpec {
    let mut tables = vec![
        row_table(
            "X$KSUSE",
            "ksuse",
            1,
            4294951004,
            &layout.session,
            &computed(&layout.session),
        ),
        row_table("X$KSUPR", "ksupr", 0, 4294951005, &layout.process, &[]),
        wait_table(layout),
        event_table(layout),
    ];
    tables.extend(OTHERS.iter().map(|o| {
        TableSpec {
            name: o.0.into(),
            struct_name: o.1.into(),
            typ: o.2,
            flg: o.3,
            rsz: o.4,
            obj: o.5,
            ver: 2,
            cb1: o.6,
            cb2: o.7,
            columns: generic()
                .into_iter()
                .chain(
                    o.8.iter()
                        .map(|&(name, dty, typ, siz, off)| plain(name, dty, typ, siz, off)),
                )
                .collect(),
        }
    }));
    // KQFTA lists tables in no useful order: by object number it is as good as any.
    tables.sort_by_key(|t| t.obj);
    ExeSpec {
        release: layout.release.into(),
        kqftap_entry: layout.kqftap_entry,
        tables,
        symbols: layout
            .fixed
            .iter()
            .map(|v| SymSpec {
                name: v.name.into(),
                address: v.address,
                size: v.size,
                ctype: v.ctype.into(),
            })
            .collect(),
        events: names::events(layout.events),
        statistics: names::statistics(layout.statistics),
        views: views::texts(ViewRules::new(layout.status_mask)),
        pad_bytes,
    }
}

fn plain(name: &str, dty: u8, typ: u8, siz: u64, off: u16) -> ColSpec {
    ColSpec {
        name: name.into(),
        dty,
        typ,
        idx: 0,
        ipo: 0,
        max: 0,
        lsz: 0,
        lof: 0,
        siz,
        off,
        cop: 0,
    }
}

/// The columns that every X$ table begins with; their offset 0 says nothing.
fn generic() -> Vec<ColSpec> {
    let mut indx = plain("INDX", 2, 11, 4, 0);
    indx.idx = 1;
    vec![
        plain("ADDR", 23, 9, 8, 0),
        indx,
        plain("INST_ID", 2, 11, 4, 0),
        plain("CON_ID", 2, 11, 2, 0),
    ]
}

/// The computed columns of X$KSUSE, each with its own triple of functions; not those that a layout stores.
fn computed(row: &RowLayout) -> Vec<ColSpec> {
    COMPUTED
        .iter()
        .enumerate()
        .filter(|(_, computed)| row.column(computed.0).is_none())
        .map(|(i, &(name, dty, typ, siz))| ColSpec {
            cop: i as u64 + 1,
            ..plain(name, dty, typ, siz, 0)
        })
        .collect()
}

fn stored(column: &Column) -> ColSpec {
    let (dty, typ) = match column.kind {
        Kind::Unsigned => (2, 11),
        Kind::Signed => (2, 0),
        Kind::Address => (23, 9),
        Kind::Text => (1, 5),
        Kind::TextPointer => (1, 6),
        Kind::Date7 | Kind::Epoch4 | Kind::Packed4 => (12, 12),
    };
    plain(
        column.name,
        dty,
        typ,
        u64::from(column.size),
        column.offset as u16,
    )
}

fn row_table(
    name: &str,
    struct_name: &str,
    flg: u16,
    obj: u32,
    row: &RowLayout,
    extra: &[ColSpec],
) -> TableSpec {
    let mut columns = generic();
    columns.retain(|c| row.column(&c.name).is_none());
    columns.extend(row.columns.iter().filter(|c| !c.is_hidden()).map(stored));
    columns.extend(extra.iter().cloned());
    TableSpec {
        name: name.into(),
        struct_name: struct_name.into(),
        typ: 2,
        flg,
        rsz: row.rows.stride,
        obj,
        ver: 12,
        cb1: false,
        cb2: false,
        columns,
    }
}

fn wait_table(layout: &Layout) -> TableSpec {
    let aliases = WAIT_ALIASES.iter().filter_map(|&(alias, of)| {
        let spec = stored(layout.session.column(of)?);
        Some(ColSpec {
            name: alias.into(),
            ..spec
        })
    });
    let seconds = ColSpec {
        cop: COMPUTED.len() as u64 + 1,
        ..plain("KSUSEWTM", 2, 11, 4, 0)
    };
    TableSpec {
        name: "X$KSUSECST".into(),
        struct_name: "ksusecst".into(),
        typ: 2,
        flg: 1,
        rsz: layout.session.rows.stride,
        obj: 4294951011,
        ver: 3,
        cb1: false,
        cb2: false,
        columns: generic()
            .into_iter()
            .chain(aliases)
            .chain([seconds])
            .collect(),
    }
}

fn event_table(layout: &Layout) -> TableSpec {
    let mut columns = generic();
    for (name, at) in ["KSLEDNAM", "KSLEDP1", "KSLEDP2", "KSLEDP3"]
        .iter()
        .zip(layout.event.texts)
    {
        columns.push(plain(name, 1, 6, 64, at as u16));
    }
    columns.push(plain(
        "KSLEDCLASSID",
        2,
        11,
        4,
        layout.event.class_id as u16,
    ));
    columns.push(plain("KSLEDCLASS#", 2, 11, 4, layout.event.class_no as u16));
    let class = ColSpec {
        cop: COMPUTED.len() as u64 + 2,
        ..plain("KSLEDCLASS", 1, 7, 64, 0)
    };
    columns.push(class);
    TableSpec {
        name: "X$KSLED".into(),
        struct_name: "ksled".into(),
        typ: 1,
        flg: 0,
        rsz: layout.event.stride,
        obj: 4294951094,
        ver: 4,
        cb1: false,
        cb2: false,
        columns,
    }
}
