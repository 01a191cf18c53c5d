//! Hot files: Arrow IPC streams that grow by whole batches.
//!
//! For: appending batches with append-only dictionaries, so that a text is written once per file;
//! reading all complete batches of a stream that may end anywhere.
//! Not for: rotation and closing. Callers: `recorder`, `close`, `reader`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::{DictionaryHandling, IpcWriteOptions, StreamWriter};
use arrow::ipc::{MessageHeader, RecordBatch as IpcBatch, root_as_message};

use super::error::RecordError;

const CONTINUATION: [u8; 4] = [0xFF; 4];
/// Far above the metadata of any batch of a few hundred flat columns.
const MAX_METADATA_BYTES: u64 = 16 << 20;

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

    /// The column's values of all `batches`, coded by this dictionary.
    fn encode(&mut self, columns: &[&ArrayRef]) -> Result<ArrayRef, ArrowError> {
        let mut keys = Vec::with_capacity(columns.iter().map(|c| c.len()).sum());
        for column in columns {
            let column = column.as_dictionary::<Int32Type>();
            let values = column.values().as_string::<i32>();
            let mut known: Vec<Option<i32>> = vec![None; values.len()];
            for key in column.keys() {
                let Some(key) = key.map(|key| key as usize).filter(|k| values.is_valid(*k)) else {
                    keys.push(None);
                    continue;
                };
                if known[key].is_none() {
                    known[key] = Some(self.code(values.value(key))?);
                }
                keys.push(known[key]);
            }
        }
        let values = match &self.array {
            Some(array) => Arc::clone(array),
            None => {
                let array: ArrayRef = Arc::new(StringArray::from_iter_values(&self.texts));
                Arc::clone(self.array.insert(array))
            }
        };
        let coded = DictionaryArray::try_new(Int32Array::from(keys), values)?;
        Ok(Arc::new(coded))
    }
}

/// A hot file being written. Its length on disk only ever ends at a whole batch as far as this
/// process can help it: a write that fails half-way is cut off again and kept for the next try.
pub(super) struct HotFile {
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    file: File,
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

    /// Encodes all rows of `batches` (of this file's schema) as one batch, not yet on disk.
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
            columns.push(match dictionary {
                Some(dictionary) => dictionary.encode(&parts)?,
                None => {
                    let parts: Vec<&dyn Array> = parts.iter().map(|c| c.as_ref()).collect();
                    arrow::compute::concat(&parts)?
                }
            });
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }

    /// Hands everything encoded to the operating system. After an error nothing is lost: the file
    /// ends where it ended before, and the next call tries again.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        let bytes = self.writer.get_mut();
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .seek(SeekFrom::Start(self.good_bytes))
            .and_then(|_| self.file.write_all(bytes));
        if let Err(error) = written {
            let cut = self.file.set_len(self.good_bytes);
            let error = cut.err().unwrap_or(error);
            return Err(RecordError::io(&self.path, error));
        }
        self.good_bytes += bytes.len() as u64;
        bytes.clear();
        Ok(())
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
            .map_err(|e| RecordError::io(&self.path, e))
    }
}

/// Reads the complete batches of a hot file, whoever is writing it and wherever it ends.
///
/// An incomplete last message is no error: it sets [`HotReader::truncated`]. A message that is
/// complete but not valid is [`RecordError::Damaged`].
pub(super) struct HotReader {
    path: PathBuf,
    file: File,
    offset: u64,
    end: u64,
    decoder: StreamDecoder,
    done: bool,
    truncated: bool,
}

impl HotReader {
    /// Opens the file and reads its schema. `schema()` is `None` if the file ends before that.
    pub(super) fn open(path: &Path) -> Result<HotReader, RecordError> {
        let file = File::open(path).map_err(|e| RecordError::io(path, e))?;
        let end = file.metadata().map_err(|e| RecordError::io(path, e))?.len();
        let mut reader = HotReader {
            path: path.to_path_buf(),
            file,
            offset: 0,
            end,
            decoder: StreamDecoder::new(),
            done: false,
            truncated: false,
        };
        if let Some(message) = reader.next_message()? {
            reader.decode(message)?;
            if let Some(schema) = reader.decoder.schema() {
                let odd = schema.fields().iter().find(|f| !storable(f.data_type()));
                if let Some(field) = odd {
                    let detail = format!(
                        "column {} has type {}, which no recording has",
                        field.name(),
                        field.data_type()
                    );
                    return Err(RecordError::damaged(path, 0, detail));
                }
            }
        } else {
            reader.truncated = true;
        }
        Ok(reader)
    }

    /// The columns, or `None` if the file ends before they are known.
    pub(super) fn schema(&self) -> Option<SchemaRef> {
        self.decoder.schema()
    }

    /// Whether the file ends within a message (known when all batches are read).
    pub(super) fn truncated(&self) -> bool {
        self.truncated
    }

    /// The next complete batch.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, RecordError> {
        while let Some(message) = self.next_message()? {
            if let Some(batch) = self.decode(message)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The next complete message with its framing, its bounds checked.
    fn next_message(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        if self.done || self.offset == self.end {
            self.done = true;
            return Ok(None);
        }
        let mut prefix = [0u8; 8];
        if !self.read_at(self.offset, &mut prefix)? {
            return Ok(None);
        }
        let (marker, length) = prefix.split_at(4);
        if marker != CONTINUATION {
            return Err(self.damaged("a message doesn't start with its marker"));
        }
        let metadata_len = u64::from(u32::from_le_bytes([
            length[0], length[1], length[2], length[3],
        ]));
        if metadata_len == 0 {
            self.done = true;
            return Ok(None);
        }
        if metadata_len > MAX_METADATA_BYTES {
            return Err(self.damaged("a message's metadata is longer than any real one"));
        }
        if metadata_len > self.end - self.offset - 8 {
            self.stop_truncated();
            return Ok(None);
        }
        let mut message = vec![0u8; 8 + metadata_len as usize];
        if !self.read_at(self.offset, &mut message)? {
            return Ok(None);
        }
        let body_len = self.check_metadata(&message[8..])?;
        let left = self.end - self.offset - message.len() as u64;
        if body_len > left {
            self.stop_truncated();
            return Ok(None);
        }
        let body_at = message.len();
        message.resize(body_at + body_len as usize, 0);
        if !self.read_at(self.offset + body_at as u64, &mut message[body_at..])? {
            return Ok(None);
        }
        Ok(Some(message))
    }

    /// Fills `out` from the file; `false` if it ends before (it may have been cut meanwhile).
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<bool, RecordError> {
        let read = self
            .file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(out));
        match read {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                self.stop_truncated();
                Ok(false)
            }
            Err(error) => Err(RecordError::io(&self.path, error)),
        }
    }

    fn stop_truncated(&mut self) {
        self.done = true;
        self.truncated = true;
    }

    fn damaged(&mut self, detail: impl Into<String>) -> RecordError {
        self.done = true;
        RecordError::damaged(&self.path, self.offset, detail)
    }

    /// Proves that everything the metadata says lies inside the body, and returns the body's
    /// length, so that the decoder never sees a length or an offset that can't be true.
    fn check_metadata(&mut self, metadata: &[u8]) -> Result<u64, RecordError> {
        match checked_body_length(metadata) {
            Ok(length) => Ok(length),
            Err(detail) => Err(self.damaged(detail)),
        }
    }

    fn decode(&mut self, message: Vec<u8>) -> Result<Option<RecordBatch>, RecordError> {
        let length = message.len() as u64;
        let mut buffer = Buffer::from_vec(message);
        let decoded = self.decoder.decode(&mut buffer);
        match decoded {
            Ok(batch) => {
                self.offset += length;
                Ok(batch)
            }
            Err(error) => Err(self.damaged(error.to_string())),
        }
    }
}

fn checked_body_length(metadata: &[u8]) -> Result<u64, String> {
    let message = root_as_message(metadata).map_err(|e| e.to_string())?;
    let body = u64::try_from(message.bodyLength())
        .map_err(|_| "a message's body has a negative length".to_owned())?;
    match message.header_type() {
        MessageHeader::Schema => {
            if message.header_as_schema().is_none() || body != 0 {
                return Err("a schema message without schema, or with a body".to_owned());
            }
        }
        MessageHeader::RecordBatch => {
            let batch = message.header_as_record_batch();
            check_batch(batch.ok_or("a batch message without batch")?, body)?;
        }
        MessageHeader::DictionaryBatch => {
            let dictionary = message.header_as_dictionary_batch();
            let batch = dictionary.and_then(|dictionary| dictionary.data());
            check_batch(batch.ok_or("a dictionary message without values")?, body)?;
        }
        _ => return Err("a message of a kind that no recording has".to_owned()),
    }
    Ok(body)
}

fn check_batch(batch: IpcBatch<'_>, body: u64) -> Result<(), String> {
    if batch.compression().is_some() {
        return Err("a compressed batch, which no recording has".to_owned());
    }
    let rows = batch.length();
    // Every column takes at least one bit a row.
    if rows < 0 || rows as u64 > body.saturating_mul(8) {
        return Err(format!("a batch of {rows} rows in {body} bytes"));
    }
    for node in batch.nodes().into_iter().flatten() {
        if node.length() != rows || node.null_count() < 0 || node.null_count() > rows {
            return Err("a column's length isn't that of its batch".to_owned());
        }
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length());
        let inside = buffer.offset() >= 0
            && buffer.length() >= 0
            && end.is_some_and(|end| end as u64 <= body);
        if !inside {
            return Err("a column lies outside its message".to_owned());
        }
    }
    Ok(())
}
