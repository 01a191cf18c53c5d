//! Truth spools: CSV files whose header names the columns, and what their cells say of the bytes of a row.
//!
//! Not for: where those bytes are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ask::{Form, Want};
use crate::memory::TargetAddr;

/// Largest spool file in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Why a spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// A file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file isn't what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Form {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Expected and found.
        reason: String,
    },
}

/// A spooled query: header names in upper case, and rows of cells. An empty cell is NULL.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<String>,
    /// Rows of as many cells as there are columns.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// Reads a CSV file; `None` when there is no such file.
    ///
    /// # Errors
    /// Not readable, too large, or rows whose cells don't match the header.
    pub fn read(path: &Path) -> Result<Option<Table>, TruthError> {
        let wrap = |source| TruthError::Read {
            path: path.to_owned(),
            source,
        };
        match std::fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrap(e)),
            Ok(meta) if meta.len() > MAX_BYTES => {
                let reason = format!("{} bytes; a spool file has at most {MAX_BYTES}", meta.len());
                return Err(TruthError::Form {
                    path: path.to_owned(),
                    line: 1,
                    reason,
                });
            }
            Ok(_) => {}
        }
        let bytes = std::fs::read(path).map_err(wrap)?;
        Table::parse(&String::from_utf8_lossy(&bytes))
            .map(Some)
            .map_err(|(line, reason)| TruthError::Form {
                path: path.to_owned(),
                line,
                reason,
            })
    }

    /// Parses CSV text; errors carry the line.
    fn parse(text: &str) -> Result<Table, (usize, String)> {
        let mut records = records(text)?.into_iter();
        let (_, header) = records
            .next()
            .ok_or((1, "expected a header, found nothing".to_owned()))?;
        let columns: Vec<String> = header
            .into_iter()
            .map(|c| c.unwrap_or_default().trim().to_ascii_uppercase())
            .collect();
        let mut rows = Vec::new();
        for (line, cells) in records {
            if cells.len() != columns.len() {
                let reason = format!("expected {} cells, found {}", columns.len(), cells.len());
                return Err((line, reason));
            }
            rows.push(cells);
        }
        Ok(Table { columns, rows })
    }

    /// Position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// All column names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// A number of a row.
    pub fn number(&self, row: &[Option<String>], column: usize) -> Option<u64> {
        row.get(column)?.as_deref()?.trim().parse().ok()
    }
}

type Record = (usize, Vec<Option<String>>);

/// Cells by RFC 4180: quotes doubled inside quotes, line ends allowed there; bare empty cells are NULL.
fn records(text: &str) -> Result<Vec<Record>, (usize, String)> {
    let (mut all, mut cells): (Vec<Record>, Vec<Option<String>>) = (Vec::new(), Vec::new());
    let (mut cell, mut quoted, mut was_quoted) = (String::new(), false, false);
    let (mut line, mut began) = (1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' | '\n' if !quoted => {
                let full = std::mem::take(&mut cell);
                let full = if was_quoted {
                    full
                } else {
                    full.trim().to_owned()
                };
                cells.push((was_quoted && !full.is_empty() || !full.is_empty()).then_some(full));
                was_quoted = false;
                if c == '\n' {
                    line += 1;
                    if cells.len() > 1 || cells[0].is_some() {
                        all.push((began, std::mem::take(&mut cells)));
                    }
                    cells.clear();
                    began = line;
                }
            }
            '\r' if !quoted => {}
            other => {
                line += usize::from(other == '\n');
                cell.push(other);
            }
        }
    }
    if quoted {
        return Err((began, "a quote is never closed".into()));
    }
    if !cell.is_empty() || !cells.is_empty() {
        cells.push(Some(cell).filter(|c| !c.is_empty()));
        all.push((began, cells));
    }
    Ok(all)
}

/// How a view's column comes from bytes.
#[derive(Clone, Debug)]
pub enum Shape {
    /// An unsigned number; NULL where it is the second one, if given.
    Uint {
        /// Most bytes.
        widest: u8,
        /// The number that is shown as NULL.
        null: Option<u64>,
    },
    /// A signed number.
    Int,
    /// An address in hex, NULL or `00` when zero.
    Address,
    /// Text, NULL when empty.
    Text,
    /// Text behind a pointer of the row, with its length beside it in the field named.
    PointedText {
        /// Field of the length.
        length: String,
    },
    /// Date and time, NULL when zero.
    Time,
    /// A code: number and word, and the word for all other numbers.
    Code(Vec<(u64, String)>, String),
    /// One word when a bit is set and another when not.
    Flag(u64, String),
    /// A bit that is set where the cell says anything, and not where it is NULL.
    Mark(u64),
    /// One of these words; which number stands for which isn't known.
    Word(Vec<String>),
    /// The upper 32 bits of the number that a text stands for.
    HighWord(fn(&str) -> Option<u64>),
}

/// A column of a view and the field that it shows.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Column name in the spool, upper case.
    pub column: String,
    /// Pointer field of the row behind which the field is; `None`: in the row.
    pub via: Option<String>,
    /// Field name in the blueprint.
    pub field: String,
    /// How one comes from the other.
    pub shape: Shape,
}

impl Shape {
    /// Encodings to try.
    pub fn forms(&self) -> Vec<Form> {
        match self {
            Shape::Uint { .. } | Shape::Code(..) | Shape::Flag(..) | Shape::Mark(_) => {
                [1, 2, 4, 8].map(Form::Uint).to_vec()
            }
            Shape::Int => [1, 2, 4, 8].map(Form::Int).to_vec(),
            Shape::Address => vec![Form::Uint(8)],
            Shape::HighWord(_) => vec![Form::Uint(4)],
            Shape::Word(_) => vec![Form::Class(4)],
            Shape::Text | Shape::PointedText { .. } => vec![Form::Text],
            Shape::Time => vec![Form::Date7, Form::Epoch4],
        }
    }

    /// What a cell says; `None` when it says nothing, `Err` when it isn't of this shape.
    pub fn want(&self, cell: Option<&str>) -> Result<Option<Want>, String> {
        let bad = |what: &str| format!("expected {what}, found {cell:?}");
        let want = match (self, cell) {
            (Shape::Uint { null, .. }, None) => null.map(Want::Value),
            (Shape::Uint { .. }, Some(t)) => {
                Some(Want::Value(t.parse().map_err(|_| bad("a number"))?))
            }
            (Shape::Int, Some(t)) => Some(Want::Signed(t.parse().map_err(|_| bad("a number"))?)),
            (Shape::Address, None) => Some(Want::Value(0)),
            (Shape::Address, Some(t)) => Some(Want::Value(
                u64::from_str_radix(t, 16).map_err(|_| bad("an address"))?,
            )),
            (Shape::Text | Shape::PointedText { .. }, t) => {
                Some(Want::Text(t.unwrap_or_default().as_bytes().to_vec()))
            }
            (Shape::Time, None) => Some(Want::Moment {
                epoch: 0,
                slack: 0,
                date7: [0; 7],
            }),
            (Shape::Time, Some(t)) => Some(moment(t).ok_or_else(|| bad("a date and time"))?),
            (Shape::Code(codes, _), Some(t)) => match codes.iter().find(|c| c.1 == t) {
                Some((value, _)) => Some(Want::Value(*value)),
                None => Some(Want::NoneOf(codes.iter().map(|c| c.0).collect())),
            },
            (Shape::Flag(mask, yes), Some(t)) => {
                let value = if t == yes { *mask } else { 0 };
                Some(Want::Masked { mask: *mask, value })
            }
            (Shape::Mark(mask), cell) => Some(Want::Masked {
                mask: *mask,
                value: if cell.is_some() { *mask } else { 0 },
            }),
            (Shape::Word(words), cell) => {
                let known = words.iter().position(|w| Some(w.as_str()) == cell);
                known.map(|i| Want::Class(i as u32))
            }
            (Shape::HighWord(number), Some(t)) => {
                let id = number(t).ok_or_else(|| bad("an identifier"))?;
                Some(Want::Value(id >> 32))
            }
            (Shape::Int | Shape::Code(..) | Shape::Flag(..) | Shape::HighWord(_), None) => None,
        };
        Ok(want)
    }
}

/// `YYYY-MM-DD HH:MM:SS`, with `T` between and a zone behind or not; server-local time.
fn moment(text: &str) -> Option<Want> {
    let plain = text.get(..19)?.replace(' ', "T");
    let t: jiff::civil::DateTime = plain.parse().ok()?;
    let zoned = t.to_zoned(jiff::tz::TimeZone::system()).ok()?;
    let year = t.year();
    let date7 = [
        u8::try_from(year / 100 + 100).ok()?,
        (year % 100 + 100) as u8,
        t.month() as u8,
        t.day() as u8,
        t.hour() as u8 + 1,
        t.minute() as u8 + 1,
        t.second() as u8 + 1,
    ];
    Some(Want::Moment {
        epoch: zoned.timestamp().as_second(),
        slack: 0,
        date7,
    })
}

/// The files of a spool that are there, by name without `.csv`.
#[derive(Clone, Debug, Default)]
pub struct Spool {
    tables: BTreeMap<String, Table>,
}

impl Spool {
    /// Reads the files of these names.
    ///
    /// # Errors
    /// One of them is damaged.
    pub fn read(dir: &Path, names: &[&str]) -> Result<Spool, TruthError> {
        let mut spool = Spool::default();
        for name in names {
            if let Some(table) = Table::read(&dir.join(format!("{name}.csv")))? {
                spool.tables.insert((*name).to_owned(), table);
            }
        }
        Ok(spool)
    }

    /// A file's table.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }
}

/// Slot addresses from a table of addresses and numbers from 1.
pub fn addresses(spool: &Spool, table: &str, address: &str, number: &str) -> Vec<TargetAddr> {
    let Some(table) = spool.table(table) else {
        return Vec::new();
    };
    let (Some(address), Some(number)) = (table.column(address), table.column(number)) else {
        return Vec::new();
    };
    let mut slots: Vec<(u64, u64)> = table
        .rows
        .iter()
        .filter_map(|row| {
            let at = u64::from_str_radix(row[address].as_deref()?, 16).ok()?;
            Some((table.number(row, number)?, at))
        })
        .collect();
    slots.sort_unstable();
    let whole = slots.iter().enumerate().all(|(i, s)| s.0 == i as u64 + 1);
    if whole {
        slots.into_iter().map(|s| TargetAddr(s.1)).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_cells() {
        let table = Table::parse("\"A\",\"B\"\n1,\"x \"\"y\"\", z\"\n,\"two\nlines\"\r\n").unwrap();
        assert_eq!(table.columns(), ["A", "B"]);
        assert_eq!(table.rows[0], [Some("1".into()), Some("x \"y\", z".into())]);
        assert_eq!(table.rows[1], [None, Some("two\nlines".into())]);
        assert!(Table::parse("A,B\n1\n").is_err() && Table::parse("A\n\"x\n").is_err());
    }

    #[test]
    fn cells_to_wants() {
        let time = Shape::Time.want(Some("2023-08-04 15:18:50")).unwrap();
        let Some(Want::Moment { date7, .. }) = time else {
            panic!("{time:?}")
        };
        assert_eq!(date7, [0x78, 0x7b, 8, 4, 0x10, 0x13, 0x33]);
        let code = Shape::Code(vec![(2, "SESSION".into())], "NONE".into());
        assert_eq!(code.want(Some("SESSION")), Ok(Some(Want::Value(2))));
        assert_eq!(code.want(Some("NONE")), Ok(Some(Want::NoneOf(vec![2]))));
        assert!(Shape::Address.want(Some("xyz")).is_err());
    }
}
