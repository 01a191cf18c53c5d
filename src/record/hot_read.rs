//! Reading a hot file back, whoever is writing it and wherever it ends.
//!
//! For: the batches of an Arrow IPC stream that are proven by their sums (`hot_sums`), or, of a stream
//! that came without sums, those that are complete. Every length and offset is checked before it is
//! used. Not for: writing. Callers: `close`, `source`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow::ipc::{MessageHeader, RecordBatch as IpcBatch, root_as_message};

use super::error::RecordError;
use super::hot::storable;
use super::hot_sums::{Proof, Stretch, sums_path};
use super::proof::disagreement;

const CONTINUATION: [u8; 4] = [0xFF; 4];
/// Far above the metadata of any batch of a few hundred flat columns.
const MAX_METADATA_BYTES: u64 = 16 << 20;

/// One complete message: its metadata, then its body.
struct Message {
    bytes: Buffer,
    metadata: std::ops::Range<usize>,
}

/// Reads the proven batches of a hot file, whoever is writing it and wherever it ends.
///
/// What was being written at the end is no error: it sets [`HotReader::truncated`]. What has a sum that
/// isn't right, or is complete but not valid, is [`RecordError::Damaged`], after all that comes before.
pub(super) struct HotReader {
    path: PathBuf,
    file: File,
    offset: u64,
    /// Where what can be read ends: with sums, what they prove.
    end: u64,
    /// `None`: it came without sums.
    stretches: Option<Vec<Stretch>>,
    /// The stretch being read.
    proven: Option<(Stretch, Vec<u8>)>,
    /// What is wrong behind the end.
    fault: Option<RecordError>,
    /// Something is behind the end.
    more: bool,
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
    done: bool,
    truncated: bool,
}

impl HotReader {
    /// Opens the file and reads its schema. `schema()` is `None` if the file ends before that.
    pub(super) fn open(path: &Path) -> Result<HotReader, RecordError> {
        let Extent {
            file,
            end,
            stretches,
            fault,
            more,
        } = Extent::of(path)?;
        let mut reader = HotReader {
            path: path.to_path_buf(),
            file,
            offset: 0,
            end,
            stretches,
            proven: None,
            fault,
            more,
            schema: None,
            dictionaries: HashMap::new(),
            done: false,
            truncated: false,
        };
        match reader.next_message()? {
            Some(message) => reader.decode(&message).map(|_| ())?,
            None => reader.truncated = true,
        }
        if reader.schema.is_none() && !reader.truncated {
            return Err(RecordError::damaged(
                path,
                0,
                "it doesn't begin with a schema",
            ));
        }
        Ok(reader)
    }

    /// The columns, or `None` if the file ends before they are known.
    pub(super) fn schema(&self) -> Option<SchemaRef> {
        self.schema.clone()
    }

    /// Where what is proven ends; without sums, the file.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether there are sums that prove what is read.
    pub(super) fn proven(&self) -> bool {
        self.stretches.is_some()
    }

    /// Whether something is behind what is proven or complete (known when all batches are read).
    pub(super) fn truncated(&self) -> bool {
        self.truncated
    }

    /// The next batch.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, RecordError> {
        while let Some(message) = self.next_message()? {
            if let Some(batch) = self.decode(&message)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The next complete message with its framing, its bounds checked.
    fn next_message(&mut self) -> Result<Option<Message>, RecordError> {
        if self.done || self.offset == self.end {
            self.done = true;
            self.truncated |= self.more;
            return self.fault.take().map_or(Ok(None), Err);
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
        Ok(Some(Message {
            bytes: Buffer::from_vec(message),
            metadata: 8..body_at,
        }))
    }

    /// Fills `out` from the file; `false` if it ends before (it may have been cut meanwhile).
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<bool, RecordError> {
        if self.stretches.is_some() {
            let stretch = self.stretch_at(offset)?;
            let from = offset.saturating_sub(stretch.0.offset) as usize;
            let bytes = stretch.1.get(from..from.saturating_add(out.len()));
            let Some(bytes) = bytes else {
                return Err(self.damaged("a message goes on behind what was written with it"));
            };
            out.copy_from_slice(bytes);
            return Ok(true);
        }
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

    /// The stretch that holds `offset`, proven.
    fn stretch_at(&mut self, offset: u64) -> Result<&(Stretch, Vec<u8>), RecordError> {
        let holds = |s: &Stretch| s.offset <= offset && offset < s.end();
        let kept = self.proven.take().filter(|(stretch, _)| holds(stretch));
        let proven = match kept {
            Some(kept) => kept,
            None => {
                let all = self.stretches.as_deref().unwrap_or_default();
                let at = all.partition_point(|stretch| stretch.end() <= offset);
                let Some(stretch) = all.get(at).copied() else {
                    return Err(self.damaged("a message begins behind what is proven"));
                };
                let mut bytes = vec![0u8; stretch.bytes as usize];
                let read = self.file.read_exact_at(&mut bytes, stretch.offset);
                read.map_err(|e| RecordError::io(&self.path, e))?;
                let found = crc32fast::hash(&bytes);
                if found != stretch.sum {
                    self.done = true;
                    let detail = disagreement("bytes", bytes.len(), stretch.sum, found);
                    return Err(RecordError::damaged(&self.path, stretch.offset, detail));
                }
                (stretch, bytes)
            }
        };
        Ok(self.proven.insert(proven))
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
        match checked_body_length(metadata, self.schema.as_deref()) {
            Ok(length) => Ok(length),
            Err(detail) => Err(self.damaged(detail)),
        }
    }

    fn decode(&mut self, message: &Message) -> Result<Option<RecordBatch>, RecordError> {
        match self.try_decode(message) {
            Ok(batch) => {
                self.offset += message.bytes.len() as u64;
                Ok(batch)
            }
            Err(error) => Err(self.damaged(error.to_string())),
        }
    }

    fn try_decode(&mut self, message: &Message) -> Result<Option<RecordBatch>, ArrowError> {
        let invalid = |detail: &str| ArrowError::IpcError(detail.to_owned());
        let head = root_as_message(&message.bytes[message.metadata.clone()])
            .map_err(|e| invalid(&e.to_string()))?;
        let body = message.bytes.slice(message.metadata.end);
        let version = head.version();
        if let Some(found) = head.header_as_schema() {
            if self.schema.is_some() {
                return Err(invalid("a second schema"));
            }
            let schema = try_fb_to_schema(found)?;
            if let Some(field) = schema.fields().iter().find(|f| !storable(f.data_type())) {
                return Err(invalid(&format!(
                    "column {} has type {}, which no recording has",
                    field.name(),
                    field.data_type()
                )));
            }
            self.schema = Some(Arc::new(schema));
            return Ok(None);
        }
        let schema = self.schema.clone().ok_or_else(|| invalid("no schema"))?;
        if let Some(dictionary) = head.header_as_dictionary_batch() {
            let known = &mut self.dictionaries;
            read_dictionary(&body, dictionary, &schema, known, &version)?;
            return Ok(None);
        }
        let batch = head
            .header_as_record_batch()
            .ok_or_else(|| invalid("no batch"))?;
        RecordBatchDecoder::try_new(&body, batch, schema, &self.dictionaries, &version)?
            .read_record_batch()
            .map(Some)
    }
}

/// A hot file and how much of it can be read.
struct Extent {
    file: File,
    end: u64,
    stretches: Option<Vec<Stretch>>,
    fault: Option<RecordError>,
    more: bool,
}

impl Extent {
    /// Opens the file and its sums, which may grow or be removed meanwhile.
    fn of(path: &Path) -> Result<Extent, RecordError> {
        let io = |e| RecordError::io(path, e);
        let file = File::open(path).map_err(io)?;
        // before the sums: all that was written by now has its sum then, but for one flush
        let before = file.metadata().map_err(io)?.len();
        let Some(proof) = Proof::read(path)? else {
            if before > 0 && !path.exists() {
                // closed meanwhile
                return Err(io(ErrorKind::NotFound.into()));
            }
            return Ok(Extent {
                file,
                end: before,
                // what has just been begun has no sums yet
                stretches: (before == 0).then(Vec::new),
                fault: None,
                more: false,
            });
        };
        let now = file.metadata().map_err(io)?.len();
        let (summed, mut stretches) = (proof.end(), proof.stretches);
        stretches.retain(|stretch| stretch.end() <= now);
        let end = stretches.last().map_or(0, Stretch::end);
        let mut fault = proof.fault;
        if now < summed {
            let detail = format!(
                "the file ends there, {summed} bytes were written; the next start of a recorder keeps what is before"
            );
            fault = Some(RecordError::damaged(path, now, detail));
        }
        if fault.is_none() && batches_between(&file, end, before) > 1 {
            let detail = format!(
                "rows without a sum from there on: {} was cut; the next start of a recorder keeps what is before",
                sums_path(path).display()
            );
            fault = Some(RecordError::damaged(path, end, detail));
        }
        Ok(Extent {
            file,
            end,
            stretches: Some(stretches),
            fault,
            more: end < before,
        })
    }
}

/// Complete batches of rows between two places in the file, as far as messages can be told there; not
/// counted past two.
fn batches_between(file: &File, mut from: u64, to: u64) -> u32 {
    let mut batches = 0;
    while batches < 2 {
        let mut prefix = [0u8; 8];
        if from + 8 > to || file.read_exact_at(&mut prefix, from).is_err() {
            break;
        }
        let [a, b, c, d, length @ ..] = prefix;
        let length = u64::from(u32::from_le_bytes(length));
        if [a, b, c, d] != CONTINUATION || length == 0 || length > MAX_METADATA_BYTES.min(to) {
            break;
        }
        let mut metadata = vec![0u8; length as usize];
        if file.read_exact_at(&mut metadata, from + 8).is_err() {
            break;
        }
        let Ok(message) = root_as_message(&metadata) else {
            break;
        };
        let body = u64::try_from(message.bodyLength()).unwrap_or(u64::MAX);
        from = (from + 8 + length).saturating_add(body);
        if from > to {
            break;
        }
        batches += u32::from(message.header_type() == MessageHeader::RecordBatch);
    }
    batches
}

fn checked_body_length(metadata: &[u8], schema: Option<&Schema>) -> Result<u64, String> {
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
            let fields = schema.ok_or("a batch before the schema")?.fields();
            let types: Vec<&DataType> = fields.iter().map(|f| f.data_type()).collect();
            let batch = message.header_as_record_batch();
            check_batch(batch.ok_or("a batch message without batch")?, body, &types)?;
        }
        MessageHeader::DictionaryBatch => {
            let dictionary = message.header_as_dictionary_batch();
            let batch = dictionary.and_then(|dictionary| dictionary.data());
            let batch = batch.ok_or("a dictionary message without values")?;
            check_batch(batch, body, &[&DataType::Utf8])?;
        }
        _ => return Err("a message of a kind that no recording has".to_owned()),
    }
    Ok(body)
}

/// Proves that a batch of columns of `types` lies inside a body of `body` bytes, every buffer as
/// long as its column needs it.
fn check_batch(batch: IpcBatch<'_>, body: u64, types: &[&DataType]) -> Result<(), String> {
    if batch.compression().is_some() {
        return Err("a compressed batch, which no recording has".to_owned());
    }
    let rows = u64::try_from(batch.length()).map_err(|_| "a negative number of rows")?;
    // Every column takes at least one bit a row.
    if rows > body.saturating_mul(8) {
        return Err(format!("a batch of {rows} rows in {body} bytes"));
    }
    let mut nodes = batch.nodes().into_iter().flatten();
    let mut buffers = batch.buffers().into_iter().flatten();
    let mut next_buffer = |at_least: u64, unit: u64| -> Result<u64, String> {
        let buffer = buffers.next().ok_or("a column has too few buffers")?;
        let offset = u64::try_from(buffer.offset()).unwrap_or(u64::MAX);
        let length = u64::try_from(buffer.length()).unwrap_or(u64::MAX);
        let inside = offset.checked_add(length).is_some_and(|end| end <= body);
        if !inside || length < at_least || length % unit != 0 {
            return Err(format!(
                "a buffer of {length} bytes at {offset} of {body}, at least {at_least} expected"
            ));
        }
        Ok(length)
    };
    for data_type in types {
        let node = nodes.next().ok_or("a batch has too few columns")?;
        let nulls = u64::try_from(node.null_count()).unwrap_or(u64::MAX);
        if u64::try_from(node.length()) != Ok(rows) || nulls > rows {
            return Err("a column's length isn't that of its batch".to_owned());
        }
        next_buffer(if nulls > 0 { rows.div_ceil(8) } else { 0 }, 1)?;
        match data_type {
            DataType::Boolean => next_buffer(rows.div_ceil(8), 1)?,
            DataType::Utf8 => {
                let offsets = if rows > 0 { (rows + 1) * 4 } else { 0 };
                next_buffer(offsets, 4)?;
                next_buffer(0, 1)?
            }
            DataType::Dictionary(..) => next_buffer(rows * 4, 4)?,
            other => {
                let width = other.primitive_width().ok_or("a column that isn't flat")? as u64;
                next_buffer(rows * width, width)?
            }
        };
    }
    if nodes.next().is_some() || buffers.next().is_some() {
        return Err("a batch has columns that its schema lacks".to_owned());
    }
    Ok(())
}
