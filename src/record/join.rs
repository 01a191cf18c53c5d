//! Columns of `samples` that stand in its side tables, put back while reading.
//!
//! For: [`Joins`], which holds the side rows of one hour of one instance at a time, only the columns
//! that are asked for, and gives each batch its columns by one look-up a row: texts stay
//! dictionary-coded and aren't copied.
//!
//! Not for: which files of the table itself. Callers: `reader`.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, UInt32Array,
    new_empty_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef, Int32Type, Int64Type, Schema, UInt32Type};

use super::TIME_COLUMN;
use super::error::RecordError;
use super::hot::joined;
use super::hot_read::HotReader;
use super::layout::{self, Part};
use super::source::{Batches, Form, Source};
use crate::decode::columns::{SIDES, Side};

/// The table that side tables belong to.
const MAIN_TABLE: &str = "samples";
/// The column that is null in a sample on CPU.
const WAITING_COLUMN: &str = "event";

/// The side tables of a table.
pub(super) fn sides_of(table: &str) -> &'static [Side] {
    match table {
        MAIN_TABLE => &SIDES,
        _ => &[],
    }
}

/// A side table and the columns that it has, beside its key and time.
pub(super) struct SideFields {
    side: &'static Side,
    pub(super) fields: Vec<FieldRef>,
    /// A file of it of which nothing is proven, where all that were looked at are so: then its columns
    /// aren't known.
    pub(super) unknown: Option<PathBuf>,
}

impl SideFields {
    pub(super) fn of(side: &'static Side, schema: &Schema) -> SideFields {
        let own = |field: &&FieldRef| ![TIME_COLUMN, side.key].contains(&field.name().as_str());
        SideFields {
            side,
            fields: schema.fields().iter().filter(own).cloned().collect(),
            unknown: None,
        }
    }

    /// Of a side table whose columns aren't known: `path` ends before they are.
    pub(super) fn unknown(side: &'static Side, path: &Path) -> SideFields {
        SideFields {
            side,
            fields: Vec::new(),
            unknown: Some(path.to_path_buf()),
        }
    }
}

/// A side table lacks what rows refer to, and its file `path` is cut at `offset`. A recorder writes what
/// is referred to first, so this isn't what a flush didn't complete.
pub(super) fn cut_short(path: &Path, offset: u64) -> RecordError {
    let detail = format!(
        "rows of {MAIN_TABLE} refer to what was written there, and it is cut; the next start of a recorder keeps what is left, put a copy in its place to have it all"
    );
    RecordError::damaged(path, offset, detail)
}

/// What a scan takes from side tables.
pub(super) struct Joins {
    dir: PathBuf,
    sides: Vec<Join>,
    unjoined: u64,
}

struct Join {
    side: &'static Side,
    fields: Vec<FieldRef>,
    /// See [`SideFields::unknown`].
    unknown: Option<PathBuf>,
    loaded: Option<Loaded>,
}

/// The side rows of one hour of one instance.
struct Loaded {
    host: String,
    instance: String,
    hour_us: i64,
    rows: Rows,
    columns: Vec<ArrayRef>,
    /// A file that has more than what is proven, and where that ends.
    cut: Option<(PathBuf, u64)>,
}

type Rows = HashMap<i64, u32, BuildHasherDefault<KeyHasher>>;

/// Keys are hashes already, or small numbers.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_i64(i64::from(*byte));
        }
    }

    fn write_i64(&mut self, key: i64) {
        // spreads small numbers over all bits
        self.0 = (self.0 ^ key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Joins {
    /// The same, with nothing read yet.
    pub(super) fn fork(&self) -> Joins {
        let sides = self.sides.iter().map(|join| Join {
            side: join.side,
            fields: join.fields.clone(),
            unknown: join.unknown.clone(),
            loaded: None,
        });
        Joins {
            dir: self.dir.clone(),
            sides: sides.collect(),
            unjoined: 0,
        }
    }

    /// What the columns of `schema` need of these side tables.
    pub(super) fn new(dir: &Path, schema: &Schema, sides: Vec<SideFields>) -> Joins {
        let wanted = |field: &FieldRef| schema.column_with_name(field.name()).is_some();
        let mut joins: Vec<Join> = Vec::new();
        for SideFields {
            side,
            mut fields,
            unknown,
        } in sides
        {
            fields.retain(wanted);
            if !fields.is_empty() || unknown.is_some() {
                joins.push(Join {
                    side,
                    fields,
                    unknown,
                    loaded: None,
                });
            }
        }
        Joins {
            dir: dir.to_path_buf(),
            sides: joins,
            unjoined: 0,
        }
    }

    /// Columns of the table itself that are needed to find side rows.
    pub(super) fn needs(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        let sides = self.sides.iter().map(|join| join.side);
        sides.flat_map(|side| {
            let waiting = (!side.while_waiting.is_empty()).then_some(WAITING_COLUMN);
            [side.key].into_iter().chain(waiting)
        })
    }

    /// Forgets how many rows referred to nothing.
    pub(super) fn count_again(&mut self) {
        self.unjoined = 0;
    }

    /// Rows that referred to a side row that isn't there.
    pub(super) fn unjoined(&self) -> u64 {
        self.unjoined
    }

    /// Says that `part` was opened. A recorder writes side rows before the rows that refer to them,
    /// so what is read of the side tables from now on is enough for it; if it is still written to,
    /// what was read before is not.
    pub(super) fn enter(&mut self, part: &Part) {
        for join in self.sides.iter_mut().filter(|_| part.hot) {
            join.loaded = None;
        }
    }

    /// The columns that a batch of `part` (the file `path`) lacks and side tables have.
    pub(super) fn columns(
        &mut self,
        part: &Part,
        path: &Path,
        batch: &RecordBatch,
    ) -> Result<Vec<(String, ArrayRef)>, RecordError> {
        let mut columns = Vec::new();
        for join in &mut self.sides {
            let lacks = |field: &FieldRef| batch.column_by_name(field.name()).is_none();
            // a file from before there was this side table has the columns itself
            let Some(keys) = batch.column_by_name(join.side.key) else {
                continue;
            };
            if let Some(path) = &join.unknown
                && keys.null_count() < keys.len()
                && is_cut(path)?
            {
                return Err(cut_short(path, 0));
            }
            if !join.fields.iter().any(lacks) {
                continue;
            }
            let (side, fields) = (join.side, join.fields.clone());
            let loaded = join.load(&self.dir, part)?;
            let damaged = |detail: String| RecordError::damaged(path, 0, detail);
            let found = loaded.find(keys).map_err(damaged)?;
            if let Some((path, offset)) = loaded.cut.as_ref().filter(|_| found.missing > 0) {
                return Err(cut_short(path, *offset));
            }
            self.unjoined += found.missing;
            let waiting = batch.column_by_name(WAITING_COLUMN);
            for (field, values) in fields.iter().zip(&loaded.columns) {
                if !lacks(field) {
                    continue;
                }
                let name = field.name();
                let masked = waiting.filter(|_| side.while_waiting.contains(&name.as_str()));
                columns.push((name.clone(), found.column(values, masked).map_err(damaged)?));
            }
        }
        Ok(columns)
    }
}

/// The side rows that keys refer to.
struct Found<'a> {
    /// Of each key; of each distinct key, if keys are coded.
    rows: UInt32Array,
    /// The keys, if they are coded.
    coded: Option<&'a DictionaryArray<Int32Type>>,
    /// How many keys have none.
    missing: u64,
}

impl Found<'_> {
    /// The values of a column of the side table; none where `masked` is null.
    fn column(&self, values: &ArrayRef, masked: Option<&ArrayRef>) -> Result<ArrayRef, String> {
        let nulls = masked.and_then(|column| column.logical_nulls());
        let take = |rows: &UInt32Array| {
            arrow::compute::take(values, rows, None).map_err(|e| e.to_string())
        };
        let mask = |own: Option<&NullBuffer>| NullBuffer::union(own, nulls.as_ref());
        match self.coded {
            None => {
                let nulls = mask(self.rows.nulls());
                take(&UInt32Array::new(self.rows.values().clone(), nulls))
            }
            // the codes are those of the keys: no row is touched
            Some(coded) if nulls.is_none() => Ok(Arc::new(coded.with_values(take(&self.rows)?))),
            Some(coded) => {
                let codes = coded.keys();
                let codes = Int32Array::new(codes.values().clone(), mask(codes.nulls()));
                let coded = DictionaryArray::<Int32Type>::try_new(codes, take(&self.rows)?);
                Ok(Arc::new(coded.map_err(|e| e.to_string())?))
            }
        }
    }
}

/// Whether the hot file `path` is still there and ends before its columns are known.
pub(super) fn is_cut(path: &Path) -> Result<bool, RecordError> {
    match HotReader::open(path) {
        Ok(hot) => Ok(hot.schema().is_none() && hot.truncated()),
        Err(error) if error.is_gone() => Ok(false),
        Err(error) => Err(error),
    }
}

impl Join {
    /// The side rows for `part`.
    fn load(&mut self, dir: &Path, part: &Part) -> Result<&Loaded, RecordError> {
        let is_of = |known: &Loaded| {
            (known.hour_us, &known.host, &known.instance)
                == (part.hour_us, &part.host, &part.instance)
        };
        let loaded = match self.loaded.take().filter(is_of) {
            Some(known) => known,
            None => Loaded::read(self.side, &self.fields, dir, part)?,
        };
        Ok(self.loaded.insert(loaded))
    }
}

impl Loaded {
    fn read(
        side: &'static Side,
        fields: &[FieldRef],
        dir: &Path,
        of: &Part,
    ) -> Result<Loaded, RecordError> {
        let mut rows = Rows::default();
        let mut batches: Vec<Vec<ArrayRef>> = Vec::new();
        let mut next = 0u32;
        let mut cut = None;
        let hour = (of.host.as_str(), of.instance.as_str(), of.hour_us);
        for part in layout::parts_of_hour(dir, side.table, hour)? {
            let Some(source) = Source::open(&part)? else {
                continue;
            };
            let path = source.path.clone();
            let damaged = |detail: String| RecordError::damaged(&path, 0, detail);
            let names = fields.iter().map(|f| f.name().as_str());
            let (mut opened, _) =
                source.batches(names.chain([side.key]), |_| true, Form::default())?;
            while let Some(batch) = opened.next_batch(&path)? {
                let keys = batch.column_by_name(side.key).map(numbers);
                let keys = keys
                    .flatten()
                    .ok_or_else(|| damaged(format!("it has no column {} of numbers", side.key)))?;
                for key in keys {
                    if let Some(key) = key {
                        // a key stands for its content: another row of it says the same
                        rows.entry(key).or_insert(next);
                    }
                    next += 1;
                }
                batches.push(columns_of(&batch, fields).map_err(damaged)?);
            }
            if let Batches::Hot(hot) = &opened
                && hot.truncated()
            {
                cut = Some((path, hot.end()));
            }
        }
        let columns = fields.iter().enumerate().map(|(i, field)| {
            let pieces: Vec<&ArrayRef> = batches.iter().map(|b| &b[i]).collect();
            if pieces.is_empty() {
                return Ok(new_empty_array(field.data_type()));
            }
            joined(field.data_type(), &pieces)
                .map_err(|e| RecordError::damaged(&dir.join(side.table), 0, e.to_string()))
        });
        Ok(Loaded {
            host: of.host.clone(),
            instance: of.instance.clone(),
            hour_us: of.hour_us,
            columns: columns.collect::<Result<_, _>>()?,
            rows,
            cut,
        })
    }

    /// The side row of each key.
    fn find<'a>(&self, keys: &'a ArrayRef) -> Result<Found<'a>, String> {
        let coded = keys.as_dictionary_opt::<Int32Type>();
        let distinct = coded.map_or(keys, |coded| coded.values());
        let Some(numbers) = numbers(distinct) else {
            return Err(format!("a key of type {}", keys.data_type()));
        };
        let rows: Vec<Option<u32>> = numbers.map(|key| self.rows.get(&key?).copied()).collect();
        let rows = UInt32Array::from(rows);
        let lost = |key: usize| distinct.is_valid(key) && rows.is_null(key);
        let any = (0..distinct.len()).filter(|key| lost(*key)).count() as u64;
        let missing = match coded {
            Some(coded) if any > 0 => {
                let keys = coded.keys().iter().flatten();
                keys.filter(|key| lost(*key as usize)).count() as u64
            }
            _ => any,
        };
        Ok(Found {
            coded,
            rows,
            missing,
        })
    }
}

/// The columns `fields` of a side batch; null where its file is older than they are.
fn columns_of(batch: &RecordBatch, fields: &[FieldRef]) -> Result<Vec<ArrayRef>, String> {
    let columns = fields.iter().map(|field| {
        let (name, expected) = (field.name(), field.data_type());
        match batch.column_by_name(name) {
            None => Ok(arrow::array::new_null_array(expected, batch.num_rows())),
            Some(column) if column.data_type() == expected => Ok(Arc::clone(column)),
            Some(column) => Err(format!(
                "column {name} has type {}, the newest file has {expected}; read them by --from/--to apart",
                column.data_type()
            )),
        }
    });
    columns.collect()
}

/// The keys of a column.
fn numbers(column: &ArrayRef) -> Option<Box<dyn Iterator<Item = Option<i64>> + '_>> {
    match column.data_type() {
        DataType::Int64 => Some(Box::new(column.as_primitive::<Int64Type>().iter())),
        DataType::UInt32 => {
            let keys = column.as_primitive::<UInt32Type>().iter();
            Some(Box::new(keys.map(|key| key.map(i64::from))))
        }
        _ => None,
    }
}
