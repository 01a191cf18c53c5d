//! From a fixed table's columns (X$KQFCO) to a structure: what is stored, where, how wide, how.
//!
//! The rules and their public sources:
//!
//! | rule | source |
//! |---|---|
//! | ADDR, INDX, INST_ID, CON_ID stand at offset 0 and are made when the row is shown | all published listings; Velikikh |
//! | a column with a `kqfcop` index is made or changed by a function: not stored as shown | Velikikh, xinfo (19.13, 21.5, 23.6) |
//! | offset 0 otherwise is real for KSSPAFLG, the state object's flag byte, or for the only column there (KSLEDNAM) | public 19c sampler; Canali, Lutz |
//! | where functions are not shown (X$KQFCO hides them), KQFCOTYP 7 at offset 0 passes through one | Velikikh, xinfo |
//! | KQFCOTYP 11 unsigned, 0 signed integer, 5 text in place, 6 and 7 address of text, 9 address | Velikikh, decoded listings of 21.5 |
//! | KQFCODTY 12 is a 7-byte DATE, but 4 bytes of epoch seconds where the next column begins within them | LOGON_TIME dump of a public 19c sampler; KSUSESEID 4 bytes behind KSUSESESTA in 12.1-19.3 |
//! | KQFCODTY 23 with 8 bytes is an address, unless a NUMBER has the same bytes (KSUSEP1R and KSUSEP1) | Hailey's 19.3 offsets |
//! | KQFCOSIZ of text behind a pointer is its longest text: 8 bytes up to the next column mean a pointer | Hailey's 19.3 offsets (KSUSECLID 64 bytes at 4688, next at 4696) |
//! | any other KQFCOTYP is kept as raw bytes, not guessed | |
//!
//! A field's source is the one that is quoted for its column; a column that only X$KQFCO gives is of
//! medium confidence, since a function of the server may still change it.
//!
//! It reads no file. Callers: `assemble`.

use super::facts::{Said, Table};
use super::kqf::{KqfColumn, KqfTable};
use super::model::{AbsentColumn, Confidence, Field, Stored, Struct};

/// Columns that every X$ table begins with; no row holds them.
const SYNTHETIC: [&str; 4] = ["ADDR", "INDX", "INST_ID", "CON_ID"];
/// The state object's flag byte, really at offset 0.
const FLAG: &str = "KSSPAFLG";

const DTY_NUMBER: u8 = 2;
const DTY_DATE: u8 = 12;
const DTY_RAW: u8 = 23;
const TYP_SIGNED: u8 = 0;
const TYP_TEXT: u8 = 5;
const TYP_TEXT_BY_FUNCTION: u8 = 7;
const TYP_TEXT_PTR: [u8; 2] = [6, TYP_TEXT_BY_FUNCTION];
const TYP_ADDRESS: u8 = 9;
const TYP_UNSIGNED: u8 = 11;

/// The structure of a table's rows.
pub fn structure(facts: &Table, name: &str) -> Struct {
    let table = &facts.table;
    let mut out = Struct {
        name: name.to_owned(),
        table: Some(table.name.clone()),
        size: table.rsz,
        ..Struct::default()
    };
    for column in &table.columns {
        match why_absent(table, column) {
            Some(reason) => {
                out.absent.push(AbsentColumn {
                    name: column.name.clone(),
                    reason,
                });
            }
            None => out.fields.push(field(facts, column)),
        }
    }
    out.fields.sort_by_key(|f| f.offset);
    out
}

fn is_synthetic(column: &KqfColumn) -> bool {
    column.off == 0 && SYNTHETIC.contains(&column.name.as_str())
}

fn why_absent(table: &KqfTable, column: &KqfColumn) -> Option<String> {
    if is_synthetic(column) {
        return Some("made when the row is shown".into());
    }
    if column.cop != 0 {
        let place = match column.off {
            0 => String::new(),
            off => format!(", from bytes at {off}"),
        };
        return Some(format!(
            "computed by a function of the server (kqfcop {}{place})",
            column.cop
        ));
    }
    if u64::from(column.off) >= table.rsz {
        return Some(format!(
            "offset {} is past the row's {} bytes",
            column.off, table.rsz
        ));
    }
    if column.siz == 0 {
        return Some("the dictionary gives it no size".into());
    }
    let hidden_function =
        |c: &KqfColumn| !table.functions_known && c.off == 0 && c.typ == TYP_TEXT_BY_FUNCTION;
    let at_zero =
        |c: &&KqfColumn| c.off == 0 && c.cop == 0 && !is_synthetic(c) && !hidden_function(c);
    let several = table.columns.iter().filter(at_zero).count() > 1;
    (column.off == 0 && (several || hidden_function(column)) && column.name != FLAG)
        .then(|| "offset 0 without being the row's first member: made when the row is shown".into())
}

/// Bytes from the column to the next stored one, or to the end of the row.
fn gap(table: &KqfTable, column: &KqfColumn) -> u64 {
    let stored = table
        .columns
        .iter()
        .filter(|c| why_absent(table, c).is_none());
    let next = stored
        .map(|c| u64::from(c.off))
        .filter(|&off| off > u64::from(column.off))
        .min();
    next.unwrap_or(table.rsz) - u64::from(column.off)
}

/// Stored form, stored width and bound of text; evidence where the width isn't KQFCOSIZ.
struct Form {
    stored: Stored,
    size: u64,
    max: Option<u64>,
    evidence: Option<String>,
}

impl Form {
    fn plain(stored: Stored, size: u64) -> Form {
        Form {
            stored,
            size,
            max: None,
            evidence: None,
        }
    }

    fn because(self, evidence: String) -> Form {
        Form {
            evidence: Some(evidence),
            ..self
        }
    }
}

fn field(facts: &Table, column: &KqfColumn) -> Field {
    let table = &facts.table;
    let form = form(table, column);
    let by = facts.columns_by.get(&column.name).unwrap_or(&facts.by);
    let said = Said {
        value: (),
        by: by.clone(),
    };
    let evidence: Vec<String> = form.evidence.into_iter().chain(said.also()).collect();
    let confidence = if table.functions_known {
        Confidence::High
    } else {
        Confidence::Medium
    };
    Field {
        name: column.name.clone(),
        offset: u64::from(column.off),
        size: form.size,
        stored: form.stored,
        max: form.max,
        to: None,
        alternatives: Vec::new(),
        scan: false,
        accept: None,
        source: said.source().to_owned(),
        confidence,
        evidence: (!evidence.is_empty()).then(|| evidence.join("; ")),
    }
}

fn form(table: &KqfTable, column: &KqfColumn) -> Form {
    let (siz, gap) = (column.siz, gap(table, column));
    match (column.dty, column.typ) {
        (DTY_DATE, _) => date(siz, gap),
        (_, typ) if TYP_TEXT_PTR.contains(&typ) => pointed_text(siz, gap),
        (_, TYP_TEXT) => text(siz, gap),
        (DTY_RAW, TYP_ADDRESS | TYP_UNSIGNED) if siz == 8 && gap >= 8 => {
            if shares_bytes_with_number(table, column) {
                Form::plain(Stored::Uint, 8).because("the bytes of a NUMBER column, as RAW".into())
            } else {
                Form::plain(Stored::Addr, 8)
            }
        }
        (_, TYP_UNSIGNED) => integer(Stored::Uint, siz, gap),
        (_, TYP_SIGNED) => integer(Stored::Int, siz, gap),
        _ => {
            let evidence = format!("KQFCODTY {} with KQFCOTYP {}", column.dty, column.typ);
            Form::plain(Stored::Raw, siz.min(gap)).because(evidence)
        }
    }
}

fn shares_bytes_with_number(table: &KqfTable, column: &KqfColumn) -> bool {
    table
        .columns
        .iter()
        .any(|c| c.off == column.off && c.siz == column.siz && c.dty == DTY_NUMBER && c.cop == 0)
}

fn narrower(siz: u64, gap: u64) -> String {
    format!("KQFCOSIZ {siz}, but the next column begins {gap} bytes later")
}

fn date(siz: u64, gap: u64) -> Form {
    match gap {
        7.. => Form::plain(Stored::Date7, 7),
        4..=6 => Form::plain(Stored::Epoch4, 4).because(narrower(siz, gap)),
        _ => Form::plain(Stored::Raw, gap).because(narrower(siz, gap)),
    }
}

fn pointed_text(siz: u64, gap: u64) -> Form {
    if gap < 8 {
        return Form::plain(Stored::Raw, gap).because(narrower(siz, gap));
    }
    Form {
        max: Some(siz),
        ..Form::plain(Stored::TextPtr, 8)
    }
}

fn text(siz: u64, gap: u64) -> Form {
    if siz <= gap {
        Form::plain(Stored::Text, siz)
    } else if gap == 8 {
        let form = Form {
            max: Some(siz),
            ..Form::plain(Stored::TextPtr, 8)
        };
        form.because(narrower(siz, gap))
    } else {
        Form::plain(Stored::Text, gap).because(narrower(siz, gap))
    }
}

fn integer(stored: Stored, siz: u64, gap: u64) -> Form {
    let size = siz.min(gap);
    let form = match size {
        1 | 2 | 4 | 8 => Form::plain(stored, size),
        _ => Form::plain(Stored::Raw, size),
    };
    if siz > gap {
        form.because(narrower(siz, gap))
    } else {
        form
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Name, dty, typ, siz, off, cop.
    pub type Spec = (&'static str, u8, u8, u64, u16, u64);

    fn built(rsz: u64, columns: &[Spec]) -> Struct {
        let columns = columns
            .iter()
            .map(|&(name, dty, typ, siz, off, cop)| KqfColumn {
                name: name.into(),
                dty,
                typ,
                lsz: 0,
                lof: 0,
                siz,
                off,
                cop,
            })
            .collect();
        let table = KqfTable {
            name: "X$KSUSE".into(),
            strukt: "ksuse".into(),
            typ: 2,
            flg: 1,
            rsz,
            obj: 0,
            ver: 0,
            columns,
            functions_known: true,
        };
        structure(&Table::new(table, "executable"), "ksuse")
    }

    fn stored(strukt: &Struct, name: &str) -> (Stored, u64, u64) {
        let f = strukt.field(name).unwrap();
        (f.stored, f.offset, f.size)
    }

    fn reason<'a>(strukt: &'a Struct, name: &str) -> &'a str {
        &strukt
            .absent
            .iter()
            .find(|a| a.name == name)
            .unwrap()
            .reason
    }

    /// Offsets and sizes of Hailey's 19.3 listing.
    #[test]
    fn storage_follows_types_and_gaps() {
        let s = built(
            10216,
            &[
                ("ADDR", 23, 9, 8, 0, 0),
                ("CON_ID", 2, 11, 2, 0, 0),
                ("KSSPAFLG", 2, 11, 1, 0, 0),
                ("KSUSEPRO", 23, 11, 8, 0, 0),
                ("KSUSESQI", 1, 7, 13, 0, 3),
                ("KSUUDLNA", 1, 5, 128, 197, 0),
                ("KSUSETRN", 23, 9, 8, 2024, 0),
                ("KSUSEP1R", 23, 9, 8, 2072, 0),
                ("KSUSEP1", 2, 11, 8, 2072, 0),
                ("KSUSETIM", 2, 0, 4, 2096, 0),
                ("KSUSESESTA", 12, 12, 7, 2456, 0),
                ("KSUSESEID", 2, 11, 4, 2460, 0),
                ("KSUSELTM", 12, 12, 7, 3608, 0),
                ("KSUSECLID", 1, 5, 64, 4688, 0),
                ("KSUSEPGAMAN", 2, 11, 8, 4696, 0),
                ("KSUSEODD", 1, 3, 64, 5000, 0),
                ("KSUSECALC", 2, 11, 4, 6000, 9),
                ("KSUSEFAR", 2, 11, 4, 10216, 0),
                ("KSUSELAST", 2, 11, 4, 10214, 0),
            ],
        );
        assert_eq!(stored(&s, "KSSPAFLG"), (Stored::Uint, 0, 1));
        assert_eq!(stored(&s, "KSUUDLNA"), (Stored::Text, 197, 128));
        assert_eq!(stored(&s, "KSUSETRN"), (Stored::Addr, 2024, 8));
        assert_eq!(stored(&s, "KSUSEP1R"), (Stored::Uint, 2072, 8));
        assert_eq!(stored(&s, "KSUSEP1"), (Stored::Uint, 2072, 8));
        assert_eq!(stored(&s, "KSUSETIM"), (Stored::Int, 2096, 4));
        assert_eq!(stored(&s, "KSUSESESTA"), (Stored::Epoch4, 2456, 4));
        assert_eq!(stored(&s, "KSUSELTM"), (Stored::Date7, 3608, 7));
        assert_eq!(stored(&s, "KSUSECLID"), (Stored::TextPtr, 4688, 8));
        assert_eq!(s.field("KSUSECLID").unwrap().max, Some(64));
        assert!(
            s.field("KSUSECLID")
                .unwrap()
                .evidence
                .as_deref()
                .unwrap()
                .contains("8 bytes")
        );
        assert_eq!(stored(&s, "KSUSEODD"), (Stored::Raw, 5000, 64));
        assert_eq!(stored(&s, "KSUSELAST"), (Stored::Uint, 10214, 2));
        assert_eq!(reason(&s, "ADDR"), "made when the row is shown");
        assert!(reason(&s, "KSUSEPRO").contains("offset 0"));
        assert!(reason(&s, "KSUSESQI").contains("kqfcop 3"));
        assert!(reason(&s, "KSUSECALC").contains("bytes at 6000"));
        assert!(reason(&s, "KSUSEFAR").contains("past the row"));
    }

    #[test]
    fn the_only_column_at_offset_0_is_real() {
        let s = built(
            56,
            &[("INDX", 2, 11, 4, 0, 0), ("KSLEDNAM", 1, 6, 64, 0, 0)],
        );
        assert_eq!(stored(&s, "KSLEDNAM"), (Stored::TextPtr, 0, 8));
    }

    #[test]
    fn old_inline_client_identifiers_stay_text() {
        let columns = [
            ("KSUSECLID", 1, 5, 64, 3600, 0),
            ("KSUSEPGAMAN", 2, 11, 8, 3672, 0),
        ];
        assert_eq!(
            stored(&built(8568, &columns), "KSUSECLID"),
            (Stored::Text, 3600, 64)
        );
    }
}
