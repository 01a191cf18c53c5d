//! Typed access to the columns of a batch by name.
//!
//! Callers: the rest of `analyze`.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::error::AnalyzeError;
use super::value::Value;

/// The column `name` of `batch`.
pub(crate) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, AnalyzeError> {
    batch.column_by_name(name).ok_or_else(|| {
        let names: Vec<String> = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        AnalyzeError::NoColumn {
            column: name.to_owned(),
            available: names.join(", "),
        }
    })
}

fn wrong_type(name: &str, found: &DataType, expected: &'static str) -> AnalyzeError {
    AnalyzeError::ColumnType {
        column: name.to_owned(),
        found: found.to_string(),
        expected,
    }
}

/// Rows of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chosen<'a> {
    /// So many, from one on.
    From(usize, usize),
    /// Some, by their numbers.
    Some(&'a [u32]),
}

impl<'a> Chosen<'a> {
    /// These `rows` of a batch of `all` in pieces of `most` at most. They are all if they are as many.
    pub(super) fn pieces(
        rows: &'a [u32],
        all: usize,
        most: usize,
    ) -> impl Iterator<Item = Chosen<'a>> {
        let pieces = rows.chunks(most.max(1)).enumerate();
        pieces.map(move |(number, piece)| match rows.len() == all {
            true => Chosen::From(number * most, piece.len()),
            false => Chosen::Some(piece),
        })
    }

    pub(super) fn len(self) -> usize {
        match self {
            Chosen::From(_, count) => count,
            Chosen::Some(rows) => rows.len(),
        }
    }

    /// Gives `to` the place of each row among these, and its number.
    #[inline]
    pub(super) fn each(self, mut to: impl FnMut(usize, usize)) {
        match self {
            Chosen::From(first, count) => (0..count).for_each(|at| to(at, first + at)),
            Chosen::Some(rows) => {
                let rows = rows.iter().enumerate();
                rows.for_each(|(at, row)| to(at, *row as usize));
            }
        }
    }

    /// What `get` says of each row, in `out`.
    #[inline]
    pub(super) fn gather<T>(self, out: &mut Vec<T>, mut get: impl FnMut(usize) -> T) {
        out.clear();
        match self {
            Chosen::From(first, count) => out.extend((first..first + count).map(get)),
            Chosen::Some(rows) => out.extend(rows.iter().map(|row| get(*row as usize))),
        }
    }
}

/// A column of whole numbers that are never negative.
pub(crate) enum Numbers<'a> {
    Short(&'a arrow::array::UInt32Array),
    Long(&'a arrow::array::UInt64Array),
    /// Distinct numbers, and for each row which of them.
    Coded(Vec<Option<u64>>, &'a arrow::array::Int32Array),
}

impl<'a> Numbers<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Result<Numbers<'a>, AnalyzeError> {
        let array = column(batch, name)?;
        if let Some(array) = array.as_primitive_opt::<UInt32Type>() {
            return Ok(Numbers::Short(array));
        }
        if let Some(array) = array.as_primitive_opt::<UInt64Type>() {
            return Ok(Numbers::Long(array));
        }
        if let Some(coded) = array.as_dictionary_opt::<Int32Type>() {
            let values = coded.values();
            let values = match (values.as_primitive_opt(), values.as_primitive_opt()) {
                (Some(short), _) => Some(Numbers::Short(short)),
                (_, Some(long)) => Some(Numbers::Long(long)),
                _ => None,
            };
            if let Some(values) = values {
                let values = (0..coded.values().len()).map(|row| values.get_valid(row));
                return Ok(Numbers::Coded(values.collect(), coded.keys()));
            }
        }
        Err(wrong_type(name, array.data_type(), "UInt32 or UInt64"))
    }

    /// The value of a row, 0 where there is none.
    pub(crate) fn get(&self, row: usize) -> u64 {
        self.get_valid(row).unwrap_or(0)
    }

    /// The values of `rows` in `out`, `none` where there is none.
    pub(super) fn all(&self, rows: Chosen<'_>, none: u64, out: &mut Vec<u64>) {
        match self {
            Numbers::Short(array) if array.null_count() == 0 => {
                let values = array.values();
                rows.gather(out, |row| u64::from(values[row]));
            }
            Numbers::Long(array) if array.null_count() == 0 => {
                let values = array.values();
                rows.gather(out, |row| values[row]);
            }
            Numbers::Coded(values, keys) if keys.null_count() == 0 => {
                let values: Vec<u64> = values.iter().map(|v| v.unwrap_or(none)).collect();
                let keys = keys.values();
                match values.as_slice() {
                    [same] => rows.gather(out, |_| *same),
                    _ => rows.gather(out, |row| values[keys[row] as usize]),
                }
            }
            _ => rows.gather(out, |row| self.get_valid(row).unwrap_or(none)),
        }
    }

    /// The value of a row, if there is one.
    pub(crate) fn get_valid(&self, row: usize) -> Option<u64> {
        match self {
            Numbers::Short(array) => array.is_valid(row).then(|| u64::from(array.value(row))),
            Numbers::Long(array) => array.is_valid(row).then(|| array.value(row)),
            Numbers::Coded(values, keys) => match keys.is_valid(row) {
                true => values.get(keys.value(row) as usize).copied().flatten(),
                false => None,
            },
        }
    }
}

/// A column of flags.
pub(crate) fn flags<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a arrow::array::BooleanArray, AnalyzeError> {
    let array = column(batch, name)?;
    array
        .as_boolean_opt()
        .ok_or_else(|| wrong_type(name, array.data_type(), "Boolean"))
}

/// A column of times, in microseconds since 1970-01-01 UTC.
pub(crate) fn times<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a arrow::array::TimestampMicrosecondArray, AnalyzeError> {
    let array = column(batch, name)?;
    array
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| wrong_type(name, array.data_type(), "Timestamp(µs)"))
}

/// Any column as values, each distinct value of a dictionary made only once.
pub(crate) enum Values<'a> {
    /// The distinct values, and for each row which of them.
    Coded(Vec<Value>, &'a arrow::array::Int32Array),
    /// One by one.
    Plain(&'a dyn Array),
}

impl<'a> Values<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Result<Values<'a>, AnalyzeError> {
        let array = column(batch, name)?;
        if let Some(coded) = array.as_dictionary_opt::<Int32Type>() {
            let texts = coded.values();
            if !plain_type(texts.data_type()) {
                return Err(wrong_type(name, array.data_type(), "a flat type"));
            }
            let values = (0..texts.len()).map(|row| plain_value(texts, row));
            return Ok(Values::Coded(values.collect(), coded.keys()));
        }
        if !plain_type(array.data_type()) {
            return Err(wrong_type(name, array.data_type(), "a flat type"));
        }
        Ok(Values::Plain(array.as_ref()))
    }
}

fn plain_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::Boolean | DataType::Timestamp(TimeUnit::Microsecond, _) => true,
        // codes of codes: of keys of a side table, whose texts are coded
        DataType::Dictionary(_, values) => plain_type(values),
        other => other.is_integer(),
    }
}

/// The value of a row.
pub(crate) fn plain_value(array: &dyn Array, row: usize) -> Value {
    if !array.is_valid(row) {
        return Value::Null;
    }
    macro_rules! number {
        ($type:ty, $variant:ident) => {
            Value::$variant(array.as_primitive::<$type>().value(row).into())
        };
    }
    match array.data_type() {
        DataType::Dictionary(..) => match array.as_dictionary_opt::<Int32Type>() {
            Some(coded) => plain_value(coded.values(), coded.keys().value(row) as usize),
            None => Value::Null,
        },
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Value::Time(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::UInt8 => number!(UInt8Type, UInt),
        DataType::UInt16 => number!(UInt16Type, UInt),
        DataType::UInt32 => number!(UInt32Type, UInt),
        DataType::UInt64 => number!(UInt64Type, UInt),
        DataType::Int8 => number!(Int8Type, Int),
        DataType::Int16 => number!(Int16Type, Int),
        DataType::Int32 => number!(Int32Type, Int),
        DataType::Int64 => number!(Int64Type, Int),
        _ => Value::Null,
    }
}

/// Columns whose value is null while a session is on CPU and is then shown as `ON CPU`.
pub(crate) const WAIT_COLUMNS: [&str; 2] = ["event", "wait_class"];
/// The column that says whether a session waits.
pub(crate) const STATE_COLUMN: &str = "session_state";
/// The state of a session that doesn't wait, and its `event` in reports.
pub(crate) const ON_CPU: &str = "ON CPU";

/// A function of one column's values, computed once for each distinct value of a dictionary.
pub(crate) struct Lookup<'a, T> {
    values: Values<'a>,
    coded: Vec<Option<T>>,
    null: Option<T>,
    cpu: Option<T>,
    state: Option<Values<'a>>,
}

impl<'a, T: Copy> Lookup<'a, T> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Result<Lookup<'a, T>, AnalyzeError> {
        let values = Values::of(batch, name)?;
        let coded = match &values {
            Values::Coded(values, _) => vec![None; values.len()],
            Values::Plain(_) => Vec::new(),
        };
        let state = match WAIT_COLUMNS.contains(&name) {
            true => Some(Values::of(batch, STATE_COLUMN)?),
            false => None,
        };
        Ok(Lookup {
            values,
            coded,
            null: None,
            cpu: None,
            state,
        })
    }

    /// `make` of the row's value.
    pub(crate) fn get(&mut self, row: usize, mut make: impl FnMut(&Value) -> T) -> T {
        match &self.values {
            Values::Coded(values, keys) if keys.is_valid(row) => {
                let code = keys.value(row) as usize;
                if let Some(known) = self.coded.get(code).copied().flatten() {
                    return known;
                }
                if let Some(value) = values.get(code).filter(|value| **value != Value::Null) {
                    let made = make(value);
                    self.coded[code] = Some(made);
                    return made;
                }
            }
            Values::Plain(array) if array.is_valid(row) => return make(&plain_value(*array, row)),
            _ => {}
        }
        if self
            .state
            .as_ref()
            .is_some_and(|state| state.is_text(row, ON_CPU))
        {
            return *self
                .cpu
                .get_or_insert_with(|| make(&Value::Text(ON_CPU.to_owned())));
        }
        *self.null.get_or_insert_with(|| make(&Value::Null))
    }
}

impl Values<'_> {
    fn is_text(&self, row: usize, text: &str) -> bool {
        match self {
            Values::Coded(values, keys) => {
                keys.is_valid(row)
                    && matches!(values.get(keys.value(row) as usize), Some(Value::Text(t)) if t == text)
            }
            Values::Plain(array) => {
                matches!(array.data_type(), DataType::Utf8)
                    && array.is_valid(row)
                    && array.as_string::<i32>().value(row) == text
            }
        }
    }
}
