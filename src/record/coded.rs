//! A closed file's columns as they lie in it: distinct values and a code for each row.
//!
//! For: scans that look at each distinct value once ([`super::Scan::coded`]). A batch is a row
//! group. A column of which all pages are dictionary-coded comes as `DictionaryArray<Int32>`, also
//! if it is one of numbers or times; any other as the Parquet crate decodes it.
//!
//! Not for: nested columns, which no recording has. Callers: `source`.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, DictionaryArray, Int32Array, Int64Array,
    PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray,
    UInt32Array, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;

use super::error::RecordError;
use super::hybrid::{Run, Stored, decode, runs};
use super::proof::ClosedFile;
use super::source::BATCH_ROWS;

/// Row groups with more rows are read in pieces, as if nothing were coded: ours have an eighth.
const MOST_ROWS: usize = 1 << 20;

/// The row groups of a closed file, one by one.
pub(super) struct Coded {
    file: Arc<ClosedFile>,
    metadata: ArrowReaderMetadata,
    /// Positions of the columns wanted.
    columns: Vec<usize>,
    groups: VecDeque<usize>,
    /// A row group that comes in pieces.
    pieces: Option<ParquetRecordBatchReader>,
}

impl Coded {
    /// The columns named `names`, as far as there are such, of the row groups `groups`.
    pub(super) fn new<'a>(
        file: ClosedFile,
        metadata: ArrowReaderMetadata,
        names: impl Iterator<Item = &'a str>,
        groups: VecDeque<usize>,
    ) -> Coded {
        let mut columns: Vec<usize> = names
            .filter_map(|name| metadata.schema().index_of(name).ok())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        Coded {
            file: Arc::new(file),
            metadata,
            columns,
            groups,
            pieces: None,
        }
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, RecordError> {
        loop {
            if let Some(pieces) = &mut self.pieces {
                match self.file.guarded(|| pieces.next().transpose())? {
                    Some(batch) => return Ok(Some(batch)),
                    None => self.pieces = None,
                }
            }
            let Some(group) = self.groups.pop_front() else {
                return Ok(None);
            };
            let rows = self.metadata.metadata().row_group(group).num_rows();
            match usize::try_from(rows) {
                Ok(0) => {}
                Ok(rows) if rows <= MOST_ROWS => {
                    return self.file.guarded(|| self.group(group, rows)).map(Some);
                }
                _ => {
                    let all = self.columns.clone();
                    self.pieces = Some(
                        self.file
                            .guarded(|| self.decoded(group, &all, BATCH_ROWS))?,
                    );
                }
            }
        }
    }

    /// A reader of some columns of a row group.
    fn decoded(
        &self,
        group: usize,
        columns: &[usize],
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader, String> {
        let file = ClosedFile::clone(&self.file);
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), columns.iter().copied());
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_batch_size(batch_rows)
            .with_row_groups(vec![group])
            .with_projection(mask)
            .build()
            .map_err(|e| e.to_string())
    }

    /// All of a row group.
    fn group(&self, group: usize, rows: usize) -> Result<RecordBatch, String> {
        let schema = self.metadata.schema();
        let flat = schema.fields().len() == self.metadata.parquet_schema().num_columns();
        if !flat {
            return Err("it has nested columns".to_owned());
        }
        let chunks = self.metadata.metadata().row_group(group).columns();
        let mut found: Vec<Option<ArrayRef>> = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let chunk = chunks.get(*column).ok_or("a row group lacks a column")?;
            let field = schema.field(*column);
            found.push(match all_true(chunk, field) {
                true => Some(Arc::new(BooleanArray::new(
                    BooleanBuffer::new_set(rows),
                    None,
                ))),
                false => {
                    let array = self.coded(chunk, field, rows);
                    array.map_err(|e| format!("column {}: {e}", field.name()))?
                }
            });
        }
        let left = self.columns.iter().zip(&found);
        let left: Vec<usize> = left.filter(|(_, a)| a.is_none()).map(|(c, _)| *c).collect();
        let mut rest = Vec::new().into_iter();
        if !left.is_empty() {
            let mut reader = self.decoded(group, &left, rows)?;
            let batch = reader.next().ok_or("a row group without rows")?;
            let batch = batch.map_err(|e| e.to_string())?;
            rest = batch.columns().to_vec().into_iter();
        }
        let mut fields: Vec<FieldRef> = Vec::with_capacity(self.columns.len());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, array) in self.columns.iter().zip(found) {
            let array = array.or_else(|| rest.next()).ok_or("a column is missing")?;
            let name = schema.field(*column).name();
            fields.push(Arc::new(Field::new(name, array.data_type().clone(), true)));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|e| e.to_string())
    }

    /// A column's distinct values and codes; `None` if it isn't stored so.
    fn coded(
        &self,
        chunk: &ColumnChunkMetaData,
        field: &Field,
        rows: usize,
    ) -> Result<Option<ArrayRef>, String> {
        let levels = chunk.column_descr().max_def_level();
        if chunk.dictionary_page_offset().is_none()
            || levels > 1
            || chunk.column_descr().max_rep_level() > 0
            || !is_known(chunk.column_type(), field.data_type())
        {
            return Ok(None);
        }
        let mut pages = SerializedPageReader::new(Arc::clone(&self.file), chunk, rows, None)
            .map_err(|e| e.to_string())?;
        let mut values = None;
        let mut codes = Codes::default();
        while codes.keys.len() < rows {
            let page = pages.get_next_page().map_err(|e| e.to_string())?;
            let most = rows - codes.keys.len();
            match page.ok_or("it has fewer values than rows")? {
                Page::DictionaryPage {
                    buf,
                    num_values,
                    encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY,
                    ..
                } => values = Some(plain(&buf, num_values, field.data_type())?),
                Page::DataPage {
                    buf,
                    num_values,
                    encoding: Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY,
                    def_level_encoding: Encoding::RLE,
                    ..
                } => codes.add(&buf, num_values, levels == 1, most)?,
                _ => return Ok(None),
            }
        }
        let values = values.ok_or("codes without a dictionary")?;
        codes.of(values).map(Some)
    }
}

/// Whether a column of flags says yes in every row, by its statistics: then it need not be read.
fn all_true(chunk: &ColumnChunkMetaData, field: &Field) -> bool {
    match chunk.statistics() {
        Some(Statistics::Boolean(flags)) => {
            field.data_type() == &DataType::Boolean
                && flags.min_opt() == Some(&true)
                && flags.null_count_opt() == Some(0)
        }
        _ => false,
    }
}

/// Whether [`plain`] knows values of this type.
fn is_known(stored: Type, data_type: &DataType) -> bool {
    match data_type {
        DataType::UInt32 | DataType::Int32 => stored == Type::INT32,
        DataType::UInt64 | DataType::Int64 => stored == Type::INT64,
        DataType::Timestamp(TimeUnit::Microsecond, _) => stored == Type::INT64,
        DataType::Utf8 => stored == Type::BYTE_ARRAY,
        DataType::Dictionary(key, value) => {
            (key.as_ref(), value.as_ref()) == (&DataType::Int32, &DataType::Utf8)
                && stored == Type::BYTE_ARRAY
        }
        _ => false,
    }
}

/// `count` plainly encoded values.
fn plain(bytes: &[u8], count: u32, data_type: &DataType) -> Result<ArrayRef, String> {
    let count = count as usize;
    let numbers = |width: usize| {
        let bytes = bytes.get(..count.saturating_mul(width));
        bytes.ok_or_else(|| "a dictionary that ends within a value".to_owned())
    };
    let longs = || -> Result<ScalarBuffer<i64>, String> {
        let values = numbers(8)?.as_chunks::<8>().0.iter();
        Ok(values.map(|b| i64::from_le_bytes(*b)).collect())
    };
    let shorts = || -> Result<ScalarBuffer<i32>, String> {
        let values = numbers(4)?.as_chunks::<4>().0.iter();
        Ok(values.map(|b| i32::from_le_bytes(*b)).collect())
    };
    Ok(match data_type {
        DataType::Int64 => Arc::new(Int64Array::new(longs()?, None)),
        DataType::UInt64 => Arc::new(UInt64Array::new(
            ScalarBuffer::from(longs()?.into_inner()),
            None,
        )),
        DataType::Timestamp(_, zone) => {
            Arc::new(TimestampMicrosecondArray::new(longs()?, None).with_timezone_opt(zone.clone()))
        }
        DataType::Int32 => Arc::new(PrimitiveArray::<Int32Type>::new(shorts()?, None)),
        DataType::UInt32 => Arc::new(UInt32Array::new(
            ScalarBuffer::from(shorts()?.into_inner()),
            None,
        )),
        _ => Arc::new(texts(bytes, count)?),
    })
}

/// Texts, each behind its length in four bytes.
fn texts(mut bytes: &[u8], count: usize) -> Result<StringArray, String> {
    let short = || "a dictionary that ends within a text".to_owned();
    let mut ends: Vec<i32> = vec![0];
    let mut all: Vec<u8> = Vec::with_capacity(bytes.len());
    for _ in 0..count {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|e| e.to_string())?;
        let (text, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        all.extend_from_slice(text);
        ends.push(i32::try_from(all.len()).map_err(|e| e.to_string())?);
        bytes = rest;
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    StringArray::try_new(offsets, Buffer::from_vec(all), None).map_err(|e| e.to_string())
}

/// How many of the first `count` bits are set.
fn ones(bits: &[u8], count: usize) -> usize {
    let (whole, rest) = bits.split_at((count / 8).min(bits.len()));
    let rest = rest
        .first()
        .map_or(0, |byte| byte & ((1 << (count % 8)) - 1));
    let whole = whole.iter().map(|byte| byte.count_ones());
    (whole.sum::<u32>() + rest.count_ones()) as usize
}

fn all_there(rows: usize) -> BooleanBufferBuilder {
    let mut there = BooleanBufferBuilder::new(rows);
    there.append_n(rows, true);
    there
}

/// The codes of a column's rows.
#[derive(Default)]
struct Codes {
    /// 0 where there is no value.
    keys: Vec<i32>,
    /// Which rows have a value, once one hasn't.
    there: Option<BooleanBufferBuilder>,
}

impl Codes {
    /// Adds a page's rows, of which there may be `most`.
    fn add(
        &mut self,
        mut page: &[u8],
        count: u32,
        optional: bool,
        most: usize,
    ) -> Result<(), String> {
        let count = count as usize;
        if count > most {
            return Err("it has more values than rows".to_owned());
        }
        let begin = self.keys.len();
        let mut values = count;
        if optional {
            let (length, rest) = page
                .split_first_chunk::<4>()
                .ok_or("a page that ends within its levels")?;
            let length = u32::from_le_bytes(*length) as usize;
            let (levels, rest) = rest
                .split_at_checked(length)
                .ok_or("a page that ends within its levels")?;
            values = self.levels(levels, begin, count)?;
            page = rest;
        }
        if values > 0 {
            let (width, rest) = page.split_first().ok_or("a page without codes")?;
            self.keys.reserve(count);
            decode(rest, u32::from(*width), values, |run| match run {
                Run::Same(key, times) => {
                    self.keys.resize(self.keys.len() + times, key as i32);
                }
                Run::Each(some) => self.keys.extend(some.iter().map(|key| *key as i32)),
            })?;
        }
        if values < count {
            self.spread(begin, count);
        }
        Ok(())
    }

    /// Reads which of `count` rows have a value; how many have.
    fn levels(&mut self, levels: &[u8], begin: usize, count: usize) -> Result<usize, String> {
        let mut done = 0;
        let mut values = 0;
        runs(levels, 1, count, |stored| match stored {
            Stored::Same(1, times) => {
                if let Some(there) = &mut self.there {
                    there.append_n(times, true);
                }
                (done, values) = (done + times, values + times);
            }
            Stored::Same(_, times) => {
                let there = self.there.get_or_insert_with(|| all_there(begin + done));
                there.append_n(times, false);
                done += times;
            }
            Stored::Packed(bits, levels) => {
                let there = self.there.get_or_insert_with(|| all_there(begin + done));
                there.append_packed_range(0..levels, bits);
                values += ones(bits, levels);
                done += levels;
            }
        })?;
        Ok(values)
    }

    /// Moves the codes behind `begin` to the rows that have a value: exactly as many have one.
    fn spread(&mut self, begin: usize, count: usize) {
        let Some(there) = &self.there else {
            return;
        };
        let there = there.as_slice();
        let mut from = self.keys.len();
        self.keys.resize(begin + count, 0);
        // without a branch: what comes next is anybody's guess
        for to in (begin..begin + count).rev() {
            let has = there[to / 8] >> (to % 8) & 1;
            let key = self.keys[from.saturating_sub(1).max(begin)];
            self.keys[to] = if has == 1 { key } else { 0 };
            from -= usize::from(has);
        }
    }

    fn of(self, values: ArrayRef) -> Result<ArrayRef, String> {
        let there = self.there.map(|mut there| NullBuffer::new(there.finish()));
        let nulls = there.filter(|there| there.null_count() > 0);
        let keys = Int32Array::new(self.keys.into(), nulls);
        let coded = DictionaryArray::<Int32Type>::try_new(keys, values);
        Ok(Arc::new(coded.map_err(|e| e.to_string())?))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    use arrow::array::AsArray;
    use parquet::arrow::arrow_reader::ArrowReaderOptions;

    use super::*;
    use crate::record::testing::*;
    use crate::record::{Reader, Recorder, ScanOptions};

    /// Whether each sample is active, as read after the pages that say so were made nonsense.
    fn flags(active: impl Fn(u64) -> bool) -> Result<Vec<bool>, RecordError> {
        let temp = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(temp.path(), meta()).unwrap();
        let sample = |n: u64| Sample {
            tick: n,
            time_us: START_US + n as i64,
            weight_us: 1,
            sid: 1,
            kind: "USER",
            event: None,
            sql_id: None,
            exec: None,
            username: None,
            p1: None,
            active: active(n),
        };
        let rows: Vec<Sample> = (0..100).map(sample).collect();
        recorder.write("samples", &samples(&rows)).unwrap();
        recorder.close().unwrap();
        let reader = Reader::open(temp.path()).unwrap();
        let path = reader.parts("samples").unwrap().remove(0).path;
        // without its sum in its name nothing of the file is proven
        let unproven = path.with_extension("").with_extension("parquet");
        fs::rename(path, &unproven).unwrap();
        let file = File::options()
            .read(true)
            .write(true)
            .open(unproven)
            .unwrap();
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).unwrap();
        let column = metadata.schema().index_of("is_active").unwrap();
        let chunk = metadata.metadata().row_group(0).column(column);
        let (begin, length) = chunk.byte_range();
        file.write_all_at(&vec![0xFF; length as usize], begin)
            .unwrap();
        let wanted = ScanOptions {
            columns: Some(vec!["is_active".to_owned()]),
            ..ScanOptions::default()
        };
        let mut found = Vec::new();
        for batch in reader.scan("samples", &wanted).unwrap().coded() {
            found.extend(batch?.column(0).as_boolean().iter().flatten());
        }
        Ok(found)
    }

    #[test]
    fn flags_that_are_all_set_are_not_read() {
        assert_eq!(flags(|_| true).unwrap(), vec![true; 100]);
        assert!(flags(|n| n != 50).is_err());
        assert!(flags(|_| false).is_err());
    }
}
