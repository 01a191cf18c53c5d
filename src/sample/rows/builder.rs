//! Decoded values to Arrow columns: types, and a builder for each.
//!
//! Callers: the other files of [`super`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, StringDictionaryBuilder, TimestampMicrosecondArray,
    TimestampMicrosecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::{DataType, Int32Type, TimeUnit};

use crate::decode::{Kind, Value};

/// Zone of all stored times: UTC, as an offset, so that readers need no zone database.
pub const STORED_ZONE: &str = "+00:00";

pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(STORED_ZONE.into()))
}

pub(crate) fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub(crate) fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::U32 => DataType::UInt32,
        Kind::U64 => DataType::UInt64,
        Kind::I64 => DataType::Int64,
        Kind::Bool => DataType::Boolean,
        Kind::Text | Kind::Address => text_type(),
        Kind::Time => time_type(),
    }
}

pub(crate) enum Builder {
    U32(UInt32Builder),
    U64(UInt64Builder),
    I64(Int64Builder),
    Bool(BooleanBuilder),
    Text(StringDictionaryBuilder<Int32Type>),
    Time(TimestampMicrosecondBuilder),
}

impl Builder {
    pub(crate) fn new(kind: Kind) -> Builder {
        match kind {
            Kind::U32 => Builder::U32(UInt32Builder::new()),
            Kind::U64 => Builder::U64(UInt64Builder::new()),
            Kind::I64 => Builder::I64(Int64Builder::new()),
            Kind::Bool => Builder::Bool(BooleanBuilder::new()),
            Kind::Text | Kind::Address => Builder::Text(StringDictionaryBuilder::new()),
            Kind::Time => Builder::Time(TimestampMicrosecondBuilder::new()),
        }
    }

    pub(crate) fn append(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Builder::U32(b), Value::Uint(n)) => b.append_option(u32::try_from(*n).ok()),
            (Builder::U32(b), _) => b.append_null(),
            (Builder::U64(b), Value::Uint(n)) => b.append_value(*n),
            (Builder::U64(b), _) => b.append_null(),
            (Builder::I64(b), Value::Int(n)) => b.append_value(*n),
            (Builder::I64(b), Value::Uint(n)) => b.append_option(i64::try_from(*n).ok()),
            (Builder::I64(b), _) => b.append_null(),
            (Builder::Bool(b), Value::Bool(v)) => b.append_value(*v),
            (Builder::Bool(b), _) => b.append_null(),
            (Builder::Time(b), Value::Time(s)) => b.append_option(s.checked_mul(1_000_000)),
            (Builder::Time(b), _) => b.append_null(),
            (Builder::Text(b), Value::Text(t)) => b.append_value(t),
            (Builder::Text(b), value) if value.is_null() => b.append_null(),
            (Builder::Text(b), value) => b.append_value(value.to_text()),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::U32(b) => Arc::new(b.finish()),
            Builder::U64(b) => Arc::new(b.finish()),
            Builder::I64(b) => Arc::new(b.finish()),
            Builder::Bool(b) => Arc::new(b.finish()),
            Builder::Text(b) => Arc::new(b.finish()),
            Builder::Time(b) => Arc::new(b.finish().with_timezone(STORED_ZONE)),
        }
    }
}

/// A column of times, from microseconds since the epoch.
pub(crate) fn times(micros: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone(STORED_ZONE))
}

/// A column of times in microseconds since 1970 of which some are unknown.
pub(crate) fn optional_times(micros: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone(STORED_ZONE))
}

/// A text column of which all rows are the same.
pub(crate) fn constant(text: &str, rows: usize) -> ArrayRef {
    let mut b = StringDictionaryBuilder::<Int32Type>::new();
    b.append_values(text, rows);
    Arc::new(b.finish())
}

/// A column of texts that repeat.
pub(crate) fn text_column<'a>(texts: impl Iterator<Item = &'a str>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    texts.for_each(|text| builder.append_value(text));
    Arc::new(builder.finish())
}
