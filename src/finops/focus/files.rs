//! Rows to CSV and Parquet.
//!
//! Both are written beside and renamed, so that whoever reads a path sees a whole file.
//! Callers: [`super`].

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;

use super::{COLUMNS, Cell, Column, Kind, QUANTITY_DECIMALS, Version, decimal_text, time_text};
use crate::finops::FinopsError;

/// Digits that decimal numbers of files can have.
const PRECISION: u8 = 38;
const ZONE: &str = "+00:00";

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// Rows.
    pub rows: usize,
}

fn columns(version: Version) -> Vec<&'static Column> {
    COLUMNS.iter().filter(|c| c.is_in(version)).collect()
}

/// Writes a CSV file (RFC 4180, UTF-8; null is empty).
///
/// # Errors
/// The file system's.
pub fn write_csv(
    path: &Path,
    version: Version,
    rows: &[Vec<Cell>],
    decimals: u32,
) -> Result<Written, FinopsError> {
    let text = |cell: &Cell| match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => quoted(text),
        Cell::Amount(n) => decimal_text(*n, decimals),
        Cell::Quantity(n) => decimal_text(*n, QUANTITY_DECIMALS),
        Cell::Time(us) => time_text(*us),
    };
    whole(path, rows.len(), |file| {
        let mut out = BufWriter::new(file);
        let names: Vec<&str> = columns(version).iter().map(|c| c.name).collect();
        write!(out, "{}\r\n", names.join(","))?;
        for row in rows {
            let cells: Vec<String> = row.iter().map(text).collect();
            write!(out, "{}\r\n", cells.join(","))?;
        }
        out.flush()
    })
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Writes a Parquet file: money and quantities as decimal numbers, times in UTC.
///
/// # Errors
/// The file system's, or numbers of more than 38 digits.
pub fn write_parquet(
    path: &Path,
    version: Version,
    rows: &[Vec<Cell>],
    decimals: u32,
) -> Result<Written, FinopsError> {
    let batch = batch(version, rows, decimals)?;
    whole(path, rows.len(), |file| {
        let written = ArrowWriter::try_new(file, batch.schema(), None).and_then(|mut writer| {
            writer.write(&batch)?;
            writer.close()
        });
        written.map(drop).map_err(std::io::Error::other)
    })
}

fn batch(version: Version, rows: &[Vec<Cell>], decimals: u32) -> Result<RecordBatch, FinopsError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (at, column) in columns(version).iter().enumerate() {
        let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
        let scale = match column.kind {
            Kind::Amount => decimals,
            _ => QUANTITY_DECIMALS,
        };
        let array: ArrayRef = match column.kind {
            Kind::Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
                Cell::Text(text) => Some(text.as_str()),
                _ => None,
            }))),
            Kind::Amount | Kind::Quantity => {
                let numbers = cells.map(|cell| match cell {
                    Cell::Amount(n) | Cell::Quantity(n) => Some(*n),
                    _ => None,
                });
                let numbers = Decimal128Array::from_iter(numbers);
                Arc::new(numbers.with_precision_and_scale(PRECISION, scale as i8)?)
            }
            Kind::Time => {
                let times = cells.map(|cell| match cell {
                    Cell::Time(us) => Some(*us),
                    _ => None,
                });
                let times: TimestampMicrosecondArray = times.collect();
                Arc::new(times.with_timezone(ZONE))
            }
        };
        let kind = match column.kind {
            Kind::Text => DataType::Utf8,
            Kind::Amount | Kind::Quantity => DataType::Decimal128(PRECISION, scale as i8),
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())),
        };
        fields.push(Field::new(column.name, kind, true));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn whole(
    path: &Path,
    rows: usize,
    write: impl FnOnce(File) -> std::io::Result<()>,
) -> Result<Written, FinopsError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(FinopsError::io(dir))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let draft = path.with_file_name(name);
    let written = File::create(&draft).and_then(write);
    written.map_err(FinopsError::io(&draft))?;
    fs::rename(&draft, path).map_err(FinopsError::io(path))?;
    Ok(Written {
        path: path.to_path_buf(),
        rows,
    })
}
