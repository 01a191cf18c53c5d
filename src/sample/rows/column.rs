//! A column of `samples` being collected, a block of rows at a time.
//!
//! For: rows by the million. What [`Decoder::value`] would give row by row comes here out of loops
//! over plain numbers, and of what the same slot or the same number gave before; see
//! [`crate::decode::basis`]. Not for: tables with few rows (`builder`). Callers: [`super`].

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow::array::{BooleanBufferBuilder, TimestampMicrosecondArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Int64Type, UInt32Type, UInt64Type};
use arrow::error::ArrowError;

use super::builder::STORED_ZONE;
use super::memo::{Memo, Slots};
use super::numbers::{all, fill, numbers};
use super::texts::{NULL, Texts};
use crate::decode::{Basis, Decoder, Inputs, Key, Kind, Row, Value};
use crate::plan::FieldRef;
use crate::plan::times::is_between;

/// Rows of a block at most: the bits of a word.
pub(super) const BLOCK: usize = 64;

/// A column being collected.
pub(super) struct Column {
    place: usize,
    basis: Basis,
    values: Values,
    nulls: Nulls,
}

enum Values {
    U32(Vec<u32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    Bool(BooleanBufferBuilder),
    Time(Vec<i64>, Times),
    Text(Texts, Memory),
}

/// What is remembered of times: by what is stored, seconds since the epoch.
struct Times {
    times: Memo<Option<i64>>,
    logons: Memo<Option<i64>>,
}

/// What is remembered of texts: by what they follow from, their numbers.
enum Memory {
    Key(Key, Memo<u32>),
    Slots(Slots),
    Nothing,
}

impl Column {
    /// The decoder's column at `place`.
    pub(super) fn new(decoder: &Decoder, place: usize, kind: Kind) -> Column {
        let basis = decoder.basis(place).clone();
        let values = match kind {
            Kind::U32 => Values::U32(Vec::new()),
            Kind::U64 => Values::U64(Vec::new()),
            Kind::I64 => Values::I64(Vec::new()),
            Kind::Bool => Values::Bool(BooleanBufferBuilder::new(0)),
            Kind::Time => Values::Time(
                Vec::new(),
                Times {
                    times: Memo::new(),
                    logons: Memo::new(),
                },
            ),
            Kind::Text | Kind::Address => {
                let memory = match &basis {
                    Basis::Key(key) => Memory::Key(*key, Memo::new()),
                    Basis::Words(inputs) => Memory::Slots(Slots::new(inputs.clone())),
                    _ => Memory::Nothing,
                };
                Values::Text(Texts::default(), memory)
            }
        };
        Column {
            place,
            basis,
            values,
            nulls: Nulls::default(),
        }
    }

    /// What its rows' texts follow from, if that are words.
    pub(super) fn inputs(&self) -> Option<&Inputs> {
        match (&self.basis, &self.values) {
            (Basis::Words(inputs), Values::Text(..)) => Some(inputs),
            _ => None,
        }
    }

    /// Adds a block of rows of the decoder.
    pub(super) fn append(&mut self, decoder: &Decoder, rows: &[Row<'_>], shared: &mut Shared) {
        let basis = (&self.basis, self.place);
        let valid = match &mut self.values {
            Values::U32(out) => numbers(basis, decoder, rows, out),
            Values::U64(out) => numbers(basis, decoder, rows, out),
            Values::I64(out) => numbers(basis, decoder, rows, out),
            Values::Bool(out) => bools(basis, decoder, rows, out, shared),
            Values::Time(out, known) => times(basis, decoder, rows, out, known),
            Values::Text(texts, memory) => {
                let steady = match self.basis {
                    Basis::Words(ref inputs) if inputs.is_wide() => shared.steady,
                    _ => 0,
                };
                texts_of(basis, decoder, rows, steady, (texts, memory))
            }
        };
        self.nulls.add(valid, rows.len());
    }

    /// The rows added since the last time.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        Ok(match &mut self.values {
            Values::U32(out) => primitive::<UInt32Type>(out, nulls)?,
            Values::U64(out) => primitive::<UInt64Type>(out, nulls)?,
            Values::I64(out) => primitive::<Int64Type>(out, nulls)?,
            Values::Bool(out) => Arc::new(BooleanArray::new(out.finish(), nulls)),
            Values::Time(out, _) => {
                let times = TimestampMicrosecondArray::try_new(taken(out).into(), nulls)?;
                Arc::new(times.with_timezone(STORED_ZONE))
            }
            Values::Text(texts, memory) => {
                let column = texts.finish(nulls)?;
                if texts.has_forgotten() {
                    memory.forget();
                }
                column
            }
        })
    }
}

impl Memory {
    fn forget(&mut self) {
        match self {
            Memory::Key(_, memo) => memo.forget(),
            Memory::Slots(slots) => slots.forget(),
            Memory::Nothing => {}
        }
    }
}

/// What was collected; the same room is made for what comes next.
pub(super) fn taken<T>(out: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(out.len());
    std::mem::replace(out, room)
}

fn primitive<T: ArrowPrimitiveType>(
    out: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let column = PrimitiveArray::<T>::try_new(taken(out).into(), nulls)?;
    Ok(Arc::new(column))
}

fn bools(
    (basis, place): (&Basis, usize),
    decoder: &Decoder,
    rows: &[Row<'_>],
    out: &mut BooleanBufferBuilder,
    shared: &mut Shared,
) -> u64 {
    let (mut set, mut valid) = (0u64, 0u64);
    let mut each = |value: &dyn Fn(&Row<'_>) -> Option<bool>| {
        for (i, row) in rows.iter().enumerate() {
            let value = value(row);
            valid |= u64::from(value.is_some()) << i;
            set |= u64::from(value == Some(true)) << i;
        }
    };
    match *basis {
        Basis::Nothing => {}
        Basis::Bit(field, bit) => {
            let (numbers, there) = shared.numbers(rows, field);
            valid = there;
            for (i, n) in numbers.iter().enumerate() {
                set |= (n >> bit & 1) << i;
            }
            set &= there;
        }
        Basis::Active => each(&|r| Some(decoder.is_active(r))),
        _ => each(&|r| match decoder.value(place, r) {
            Value::Bool(value) => Some(value),
            _ => None,
        }),
    }
    out.append_packed_range(0..rows.len(), &set.to_le_bytes());
    valid
}

/// What the columns of a block share: which rows are steady, and the numbers of one field, which
/// serve all columns of it that stand side by side.
pub(super) struct Shared {
    steady: u64,
    field: Option<FieldRef>,
    numbers: [u64; BLOCK],
    there: u64,
}

impl Shared {
    /// Of a block of which these rows are steady.
    pub(super) fn of(steady: u64) -> Shared {
        Shared {
            steady,
            field: None,
            numbers: [0; BLOCK],
            there: 0,
        }
    }

    /// A field's numbers, and the bits of the rows in which it is there.
    fn numbers(&mut self, rows: &[Row<'_>], field: FieldRef) -> (&[u64], u64) {
        if self.field != Some(field) {
            self.field = Some(field);
            self.there = 0;
            for (i, (n, row)) in self.numbers.iter_mut().zip(rows).enumerate() {
                *n = field.uint(row.words);
                self.there |= u64::from(!field.is_faulted(row.words)) << i;
            }
        }
        (&self.numbers[..rows.len().min(BLOCK)], self.there)
    }
}

/// Times in microseconds since the epoch.
fn times(
    (basis, place): (&Basis, usize),
    decoder: &Decoder,
    rows: &[Row<'_>],
    out: &mut Vec<i64>,
    known: &mut Times,
) -> u64 {
    let micros = |seconds: i64| seconds.checked_mul(1_000_000);
    match *basis {
        Basis::Date7(field) if field.size == 7 => fill(rows, out, |r| {
            let bytes = field.uint(r.words);
            known
                .times
                .get(bytes, || decoder.date7(bytes))
                .and_then(micros)
        }),
        Basis::Time4(field) => {
            let logon_field = decoder.logon_field().filter(|f| f.size == 7);
            fill(rows, out, |r| {
                let value = field.uint(r.words) as u32;
                if value == 0 {
                    return None;
                }
                let time = || decoder.time4(value, field.stored);
                let time = known.times.get(value.into(), time)?;
                let logon = logon_field.and_then(|field| {
                    let bytes = field.uint(r.words);
                    known.logons.get(bytes, || decoder.date7(bytes))
                });
                let now = r.wall_ns.div_euclid(1_000_000_000);
                let fits = is_between(time, logon.unwrap_or(i64::MIN), now);
                micros(time).filter(|_| fits)
            })
        }
        _ => fill(rows, out, |r| match decoder.value(place, r) {
            Value::Time(seconds) => micros(seconds),
            _ => None,
        }),
    }
}

fn texts_of(
    (basis, place): (&Basis, usize),
    decoder: &Decoder,
    rows: &[Row<'_>],
    steady: u64,
    (texts, memory): (&mut Texts, &mut Memory),
) -> u64 {
    let mut numbers = [NULL; BLOCK];
    let made = |texts: &mut Texts, row: &Row<'_>| match decoder.value(place, row) {
        Value::Text(text) => texts.number(&text),
        value if value.is_null() => NULL,
        value => texts.number(&value.to_text()),
    };
    let each = numbers.iter_mut().zip(rows);
    match memory {
        _ if matches!(basis, Basis::Nothing) => {}
        Memory::Key(key, memo) => {
            let mut last = None;
            each.for_each(|(number, row)| {
                let key = decoder.key(*key, row);
                *number = match last {
                    Some((known, number)) if known == key => number,
                    _ => memo.get(key, || made(texts, row)),
                };
                last = Some((key, *number));
            });
        }
        Memory::Slots(slots) => each.enumerate().for_each(|(i, (number, row))| {
            let steady = steady >> i & 1 != 0;
            *number = slots.get(row.slot, row.words, steady, || made(texts, row));
        }),
        Memory::Nothing => each.for_each(|(number, row)| *number = made(texts, row)),
    }
    let numbers = &numbers[..rows.len().min(BLOCK)];
    let first = numbers.first().copied().unwrap_or(NULL);
    if numbers.iter().fold(true, |same, n| same & (*n == first)) {
        texts.repeat(first, numbers.len());
        return if first == NULL { 0 } else { all(numbers.len()) };
    }
    texts.extend(numbers);
    let there = numbers.iter().enumerate();
    there.fold(0, |valid, (i, n)| valid | u64::from(*n != NULL) << i)
}

/// Which rows have a value, once one hasn't.
#[derive(Default)]
struct Nulls {
    rows: usize,
    there: Option<BooleanBufferBuilder>,
}

impl Nulls {
    /// Adds so many rows; bits of `valid` say which have a value.
    fn add(&mut self, valid: u64, rows: usize) {
        if valid != all(rows) || self.there.is_some() {
            let there = self.there.get_or_insert_with(|| {
                let mut there = BooleanBufferBuilder::new(self.rows + rows);
                there.append_n(self.rows, true);
                there
            });
            there.append_packed_range(0..rows, &valid.to_le_bytes());
        }
        self.rows += rows;
    }

    fn finish(&mut self) -> Option<NullBuffer> {
        self.rows = 0;
        let mut there = self.there.take()?;
        Some(NullBuffer::new(there.finish()))
    }
}
