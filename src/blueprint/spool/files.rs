//! One CSV file: which table it holds, and its rows as that table's.
//!
//! It joins nothing: see `dictionary`. Callers: `spool`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::csv::{CsvReader, Record};
use super::SpoolError;

/// Most rows of a file (X$KQFCO has some 25,000, X$KSUSE at most 65,536).
const MAX_ROWS: usize = 1_000_000;

/// Records in which the header is looked for.
const HEADING_RECORDS: usize = 8;

/// The tables that are known by their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Variables,
    Tables,
    Columns,
    Derived,
    Sessions,
    Processes,
    Events,
    Statistics,
    Commands,
    Parameters,
    Nls,
    Instance,
    Version,
    Database,
    Areas,
    Views,
}

/// Columns without which a file isn't the table, and those that may be there; the first table whose
/// needed columns are all named is taken.
struct Shape {
    kind: Kind,
    table: &'static str,
    needs: &'static [&'static str],
    may: &'static [&'static str],
}

/// Columns that every fixed table has and that say nothing here.
const GENERIC: [&str; 4] = ["ADDR", "INDX", "INST_ID", "CON_ID"];

const SHAPES: [Shape; 16] = [
    Shape {
        kind: Kind::Variables,
        table: "X$KSMFSV",
        needs: &["KSMFSNAM", "KSMFSADR"],
        may: &["KSMFSTYP", "KSMFSSIZ"],
    },
    Shape {
        kind: Kind::Tables,
        table: "X$KQFTA",
        needs: &["INDX", "KQFTANAM", "KQFTARSZ"],
        may: &["KQFTAOBJ", "KQFTAVER", "KQFTATYP", "KQFTAFLG", "KQFTACOC"],
    },
    Shape {
        kind: Kind::Columns,
        table: "X$KQFCO",
        needs: &["KQFCONAM", "KQFCODTY", "KQFCOTYP", "KQFCOSIZ", "KQFCOOFF"],
        may: &[
            "KQFCOTAB", "KQFCOTOB", "KQFCOCNO", "KQFCOMAX", "KQFCOLSZ", "KQFCOLOF", "KQFCOIDX",
            "KQFCOIPO",
        ],
    },
    Shape {
        kind: Kind::Derived,
        table: "X$KQFDT",
        needs: &["KQFDTNAM", "KQFDTEQU"],
        may: &["KQFDTOBJ"],
    },
    Shape {
        kind: Kind::Events,
        table: "V$EVENT_NAME",
        needs: &["EVENT#", "NAME", "WAIT_CLASS#"],
        may: &[
            "EVENT_ID",
            "PARAMETER1",
            "PARAMETER2",
            "PARAMETER3",
            "WAIT_CLASS_ID",
            "WAIT_CLASS",
        ],
    },
    Shape {
        kind: Kind::Statistics,
        table: "V$STATNAME",
        needs: &["STATISTIC#", "NAME"],
        may: &["CLASS", "STAT_ID"],
    },
    Shape {
        kind: Kind::Commands,
        table: "V$SQLCOMMAND",
        needs: &["COMMAND_TYPE", "COMMAND_NAME"],
        may: &[],
    },
    Shape {
        kind: Kind::Nls,
        table: "V$NLS_PARAMETERS",
        needs: &["PARAMETER", "VALUE"],
        may: &[],
    },
    Shape {
        kind: Kind::Parameters,
        table: "V$PARAMETER",
        needs: &["NAME", "VALUE"],
        may: &[],
    },
    Shape {
        kind: Kind::Instance,
        table: "V$INSTANCE",
        needs: &["INSTANCE_NAME", "VERSION"],
        may: &["VERSION_FULL"],
    },
    Shape {
        kind: Kind::Version,
        table: "V$VERSION",
        needs: &["BANNER"],
        may: &["BANNER_FULL"],
    },
    Shape {
        kind: Kind::Database,
        table: "V$DATABASE",
        needs: &["PLATFORM_NAME"],
        may: &[],
    },
    Shape {
        kind: Kind::Areas,
        table: "X$KSMSSINFO",
        needs: &["AREA NAME", "SHMID", "SEGMENT SIZE", "START ADDR"],
        may: &["SEG_START ADDR"],
    },
    Shape {
        kind: Kind::Views,
        table: "V$FIXED_VIEW_DEFINITION",
        needs: &["VIEW_NAME", "VIEW_DEFINITION"],
        may: &["COMPLETE"],
    },
    Shape {
        kind: Kind::Sessions,
        table: "X$KSUSE",
        needs: &["INDX", "ADDR"],
        may: &[],
    },
    Shape {
        kind: Kind::Processes,
        table: "X$KSUPR",
        needs: &["INDX", "ADDR"],
        may: &[],
    },
];

impl Kind {
    /// The table's name for people.
    pub fn table(self) -> &'static str {
        SHAPES
            .iter()
            .find(|s| s.kind == self)
            .map_or("", |s| s.table)
    }
}

/// A row's fields by column name.
pub struct Row {
    /// Line of the file.
    pub line: u64,
    fields: Vec<(&'static str, String)>,
    /// Columns that aren't known.
    pub extra: BTreeMap<String, String>,
}

impl Row {
    /// The text of a column; `None` when the file hasn't got it or it is NULL.
    pub fn text(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(column, _)| *column == name)?;
        Some(field.1.as_str()).filter(|text| !text.is_empty())
    }
}

/// The rows of a file.
pub type Content = Vec<Row>;

/// A file that was understood.
pub struct SpoolFile {
    /// What it holds.
    pub kind: Kind,
    /// Its rows.
    pub content: Content,
    /// Digest of the whole file.
    pub sha256: String,
}

/// Digests what passes through it.
struct Digesting<R> {
    inner: R,
    digest: Sha256,
}

impl<R: Read> Read for &mut Digesting<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.digest.update(&buf[..n]);
        Ok(n)
    }
}

/// Reads a file; `None` when its header names no known table.
pub fn read(path: &Path) -> Result<Option<SpoolFile>, SpoolError> {
    let wrap = |source| SpoolError::Read {
        path: path.to_owned(),
        source,
    };
    let csv = |source| SpoolError::Csv {
        path: path.to_owned(),
        source,
    };
    let mut input = Digesting {
        inner: File::open(path).map_err(wrap)?,
        digest: Sha256::new(),
    };
    let mut reader = CsvReader::new(BufReader::new(&mut input));
    let mut record = Record::default();
    let Some((shape, header)) = heading(&mut reader, &mut record, path)? else {
        return Ok(None);
    };
    let columns = columns(shape, &header);
    let form = |line: u64, expected: String, found: String| SpoolError::Form {
        path: path.to_owned(),
        line,
        expected,
        found,
    };
    let mut content = Vec::new();
    while reader.next(&mut record).map_err(csv)? {
        // Without CSV markup a heading stands on every page of 50,000 rows.
        if is_remark(&record) || is_again(&record, &header) {
            continue;
        }
        if record.len() != header.len() {
            let expected = format!("{} fields as in the header", header.len());
            return Err(form(record.line, expected, record.len().to_string()));
        }
        if content.len() >= MAX_ROWS {
            let expected = format!("at most {MAX_ROWS} rows");
            return Err(form(record.line, expected, "more".into()));
        }
        content.push(row(&record, &header, &columns));
    }
    reader.drain().map_err(wrap)?;
    drop(reader);
    let digest = input.digest.finalize();
    Ok(Some(SpoolFile {
        kind: shape.kind,
        content,
        sha256: digest.iter().map(|b| format!("{b:02x}")).collect(),
    }))
}

/// The header and the table it names: the first record that names one; SQL*Plus may say something
/// before it.
fn heading(
    reader: &mut CsvReader<impl std::io::BufRead>,
    record: &mut Record,
    path: &Path,
) -> Result<Option<(&'static Shape, Vec<String>)>, SpoolError> {
    for _ in 0..HEADING_RECORDS {
        let more = reader.next(record).map_err(|source| SpoolError::Csv {
            path: path.to_owned(),
            source,
        })?;
        if !more {
            break;
        }
        let header = header(record);
        if let Some(shape) = shape(&header, path) {
            return Ok(Some((shape, header)));
        }
    }
    Ok(None)
}

/// What SQL*Plus says among the rows unless it is told not to.
fn is_remark(record: &Record) -> bool {
    let text = record.get(0).unwrap_or_default();
    record.len() == 1
        && (text.starts_with("SQL>")
            || text.ends_with("rows selected.")
            || text.ends_with("row selected."))
}

fn is_again(record: &Record, header: &[String]) -> bool {
    let same = |(i, name): (usize, &String)| {
        record
            .get(i)
            .is_some_and(|text| text.eq_ignore_ascii_case(name))
    };
    record.len() == header.len() && header.iter().enumerate().all(same)
}

fn header(record: &Record) -> Vec<String> {
    (0..record.len())
        .filter_map(|i| record.get(i))
        .map(|name| name.to_ascii_uppercase())
        .collect()
}

fn shape(header: &[String], path: &Path) -> Option<&'static Shape> {
    let file = path.file_name().unwrap_or_default().display().to_string();
    let file = file.to_ascii_lowercase();
    SHAPES.iter().find(|shape| {
        let named = shape.needs.iter().all(|n| header.iter().any(|h| h == n));
        // INDX and ADDR stand in every fixed table.
        let whose = match shape.kind {
            Kind::Sessions => header.len() == 2 && file.contains("ksuse"),
            Kind::Processes => header.len() == 2 && file.contains("ksupr"),
            _ => true,
        };
        named && whose
    })
}

/// For each field of the header the known column, or whether it is to be kept as unknown.
enum Column {
    Known(&'static str),
    Skipped,
    Unknown,
}

fn columns(shape: &'static Shape, header: &[String]) -> Vec<Column> {
    let known = |name: &String| {
        let mut all = shape.needs.iter().chain(shape.may);
        all.find(|n| *n == name).copied()
    };
    let column = |name: &String| match known(name) {
        Some(name) => Column::Known(name),
        None if GENERIC.contains(&name.as_str()) => Column::Skipped,
        None => Column::Unknown,
    };
    header.iter().map(column).collect()
}

fn row(record: &Record, header: &[String], columns: &[Column]) -> Row {
    let mut row = Row {
        line: record.line,
        fields: Vec::new(),
        extra: BTreeMap::new(),
    };
    for (i, column) in columns.iter().enumerate() {
        let Some(text) = record.get(i) else { continue };
        match column {
            Column::Known(name) => row.fields.push((name, text)),
            Column::Unknown => {
                row.extra.insert(header[i].clone(), text);
            }
            Column::Skipped => {}
        }
    }
    row
}
