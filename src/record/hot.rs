//! Hot files: Arrow IPC streams that grow by whole batches.
//!
//! For: appending batches with append-only dictionaries, so that a text is written once per file.
//! Not for: reading them back (`hot_read`), rotation, closing. Callers: `recorder`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, NullBufferBuilder, RecordBatch,
    StringArray,
};
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{DictionaryHandling, IpcWriteOptions, StreamWriter};

use super::error::RecordError;
use super::hot_sums::HotSums;

/// Whether `data_type` can be a column of a recorded table: flat, and text only as `Utf8` or
/// `Dictionary(Int32, Utf8)`.
pub(super) fn storable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(key, value) => **key == DataType::Int32 && **value == DataType::Utf8,
        DataType::Boolean | DataType::Utf8 | DataType::Timestamp(..) => true,
        other => other.is_integer() || matches!(other, DataType::Float32 | DataType::Float64),
    }
}

/// Texts of one dictionary column, in the order they first occurred in the file.
#[derive(Default)]
struct Dictionary {
    codes: HashMap<String, i32>,
    texts: Vec<String>,
    bytes: usize,
    array: Option<ArrayRef>,
}

impl Dictionary {
    fn code(&mut self, text: &str) -> Result<i32, ArrowError> {
        if let Some(code) = self.codes.get(text) {
            return Ok(*code);
        }
        let code =
            i32::try_from(self.texts.len()).map_err(|_| ArrowError::DictionaryKeyOverflowError)?;
        self.codes.insert(text.to_owned(), code);
        self.texts.push(text.to_owned());
        self.bytes += text.len();
        self.array = None;
        Ok(code)
    }

    /// By a column's own code ours; 0 where no row has it. Rows without a value have one too, and don't
    /// matter: they come out as null whatever it is.
    fn ours(&mut self, own: &[i32], values: &StringArray) -> Result<Vec<i32>, ArrowError> {
        let mut shown = vec![false; values.len()];
        match shown.as_mut_slice() {
            [one] => *one = !own.is_empty(),
            shown => own.iter().for_each(|key| {
                if let Some(shown) = shown.get_mut(*key as usize) {
                    *shown = true;
                }
            }),
        }
        let mut ours = vec![0; values.len()];
        for (key, ours) in ours.iter_mut().enumerate().filter(|(key, _)| shown[*key]) {
            if values.is_valid(key) {
                *ours = self.code(values.value(key))?;
            }
        }
        Ok(ours)
    }

    /// The column's values of all `columns`, coded by this dictionary.
    fn encode(&mut self, columns: &[&ArrayRef]) -> Result<ArrayRef, ArrowError> {
        let rows = columns.iter().map(|c| c.len()).sum();
        let mut keys: Vec<i32> = Vec::with_capacity(rows);
        let mut there = NullBufferBuilder::new(rows);
        for column in columns {
            let column = column.as_dictionary::<Int32Type>();
            let values = column.values().as_string::<i32>();
            let own = column.keys().values();
            let nulls = column.logical_nulls().filter(|n| n.null_count() > 0);
            let ours = self.ours(own, values)?;
            match ours.as_slice() {
                [] => keys.resize(keys.len() + own.len(), 0),
                [one] => keys.resize(keys.len() + own.len(), *one),
                ours => {
                    let coded = own.iter().map(|key| ours.get(*key as usize).copied());
                    keys.extend(coded.map(Option::unwrap_or_default));
                }
            }
            match nulls {
                None => there.append_n_non_nulls(column.len()),
                Some(nulls) => there.append_buffer(&nulls),
            }
        }
        let values = match &self.array {
            Some(array) => Arc::clone(array),
            None => {
                let array: ArrayRef = Arc::new(StringArray::from_iter_values(&self.texts));
                Arc::clone(self.array.insert(array))
            }
        };
        let keys = Int32Array::try_new(keys.into(), there.finish())?;
        Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
    }
}

/// One column of many pieces; texts by this dictionary.
fn join_pieces(
    pieces: &[&ArrayRef],
    dictionary: Option<&mut Dictionary>,
) -> Result<ArrayRef, ArrowError> {
    match dictionary {
        Some(dictionary) => dictionary.encode(pieces),
        None => {
            let plain: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref()).collect();
            arrow::compute::concat(&plain)
        }
    }
}

/// One column of one or more pieces of this type; texts with one dictionary of their own.
pub(super) fn joined(data_type: &DataType, pieces: &[&ArrayRef]) -> Result<ArrayRef, ArrowError> {
    match data_type {
        DataType::Dictionary(..) => join_pieces(pieces, Some(&mut Dictionary::default())),
        _ => join_pieces(pieces, None),
    }
}

/// A hot file being written, and its sums. Its length on disk only ever ends at a whole batch as far as
/// this process can help it: a write that fails half-way is cut off again and kept for the next try.
pub(super) struct HotFile {
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    file: File,
    sums: HotSums,
    good_bytes: u64,
    ended: bool,
    writer: StreamWriter<Vec<u8>>,
    dictionaries: Vec<Option<Dictionary>>,
    schema: SchemaRef,
}

impl HotFile {
    /// Starts the stream in `file`, which is new and empty.
    pub(super) fn start(
        file: File,
        path: PathBuf,
        schema: SchemaRef,
        stamp: Vec<(String, String)>,
    ) -> Result<HotFile, RecordError> {
        let sums = HotSums::create(&path)?;
        let options =
            IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
        let stamped = schema
            .as_ref()
            .clone()
            .with_metadata(stamp.into_iter().collect::<HashMap<_, _>>());
        let writer = StreamWriter::try_new_with_options(Vec::new(), &stamped, options)
            .map_err(|e| RecordError::damaged(&path, 0, e.to_string()))?;
        let dictionaries = schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Dictionary(..) => Some(Dictionary::default()),
                _ => None,
            })
            .collect();
        Ok(HotFile {
            path,
            rows: 0,
            file,
            sums,
            good_bytes: 0,
            ended: false,
            writer,
            dictionaries,
            schema,
        })
    }

    /// Bytes in the file and on their way to it.
    pub(super) fn bytes(&self) -> u64 {
        self.good_bytes + self.writer.get_ref().len() as u64
    }

    /// Bytes of memory held by the texts of this file.
    pub(super) fn dictionary_bytes(&self) -> usize {
        let used = self.dictionaries.iter().flatten();
        used.map(|d| 2 * d.bytes + 64 * d.texts.len()).sum()
    }

    /// Encodes all rows of `batches` (of this file's schema) as one batch, not yet on disk. Flush it
    /// before the next one: more than one batch without a sum is taken for damage.
    pub(super) fn append(&mut self, batches: &[RecordBatch]) -> Result<(), RecordError> {
        let result = self.merge(batches).and_then(|batch| {
            self.writer.write(&batch)?;
            Ok(batch.num_rows())
        });
        match result {
            Ok(rows) => {
                self.rows += rows as u64;
                Ok(())
            }
            Err(error) => Err(RecordError::damaged(
                &self.path,
                self.good_bytes,
                format!("a batch could not be encoded: {error}"),
            )),
        }
    }

    fn merge(&mut self, batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
        let mut columns = Vec::with_capacity(self.dictionaries.len());
        for (index, dictionary) in self.dictionaries.iter_mut().enumerate() {
            let parts: Vec<&ArrayRef> = batches.iter().map(|b| b.column(index)).collect();
            columns.push(join_pieces(&parts, dictionary.as_mut())?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }

    /// Hands everything encoded to the operating system, then its sum. After an error nothing is lost:
    /// the file ends where it ended before, and the next call tries again.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        let bytes = self.writer.get_mut();
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .seek(SeekFrom::Start(self.good_bytes))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(|e| RecordError::io(&self.path, e))
            .and_then(|()| self.sums.add(self.good_bytes, bytes));
        if let Err(error) = written {
            // If even this fails, the next try writes over what is there.
            let _ = self.file.set_len(self.good_bytes);
            return Err(error);
        }
        self.good_bytes += bytes.len() as u64;
        bytes.clear();
        Ok(())
    }

    /// Whether the stream was ended, even if its end isn't on disk yet.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Ends the stream and makes it durable. Can be called again after an error.
    pub(super) fn finish(&mut self) -> Result<(), RecordError> {
        if !self.ended {
            self.writer
                .finish()
                .map_err(|e| RecordError::damaged(&self.path, self.good_bytes, e.to_string()))?;
            self.ended = true;
        }
        self.flush()?;
        self.file
            .sync_all()
            .map_err(|e| RecordError::io(&self.path, e))?;
        self.sums.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::super::RecordErrorKind;
    use super::super::testing::{START_US, Sample, rows_of, samples, samples_schema};
    use super::*;
    use crate::record::hot_read::HotReader;

    #[test]
    fn a_full_disk_loses_nothing_that_was_taken() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x.arrows");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut hot = HotFile::start(full, path.clone(), samples_schema(), Vec::new()).unwrap();
        let row = Sample {
            tick: 1,
            time_us: START_US,
            weight_us: 1,
            sid: 1,
            kind: "USER",
            event: None,
            sql_id: None,
            exec: None,
            username: Some("SCOTT".to_owned()),
            p1: None,
            active: true,
        };
        let batch = samples(std::slice::from_ref(&row));
        hot.append(std::slice::from_ref(&batch)).unwrap();
        assert_eq!(hot.flush().unwrap_err().kind(), RecordErrorKind::DiskFull);
        assert_eq!(hot.finish().unwrap_err().kind(), RecordErrorKind::DiskFull);
        // There is room again.
        hot.file = File::create(&path).unwrap();
        hot.finish().unwrap();
        let mut reader = HotReader::open(&path).unwrap();
        assert_eq!(rows_of(&reader.next_batch().unwrap().unwrap()), vec![row]);
        assert!(reader.next_batch().unwrap().is_none() && !reader.truncated());
    }

    #[test]
    fn a_text_is_written_once_per_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x.arrows");
        let file = File::create(&path).unwrap();
        let mut hot = HotFile::start(file, path.clone(), samples_schema(), Vec::new()).unwrap();
        let long = "MODULE".repeat(50);
        for tick in 0..100 {
            let row = Sample {
                tick,
                time_us: START_US,
                weight_us: 1,
                sid: 1,
                kind: "USER",
                event: Some(format!("event {}", tick % 3)),
                sql_id: None,
                exec: None,
                username: Some(long.clone()),
                p1: None,
                active: true,
            };
            hot.append(&[samples(&[row])]).unwrap();
        }
        hot.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(long.len()).filter(|w| *w == long.as_bytes());
        assert_eq!(found.count(), 1);
    }
}
