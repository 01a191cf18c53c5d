//! Small numbers for values, and for combinations of numbers.
//!
//! For: grouping without comparing texts row by row. Callers: [`super::sums`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayData, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, UInt32Type, UInt64Type};

use super::columns::{self, Lookup, ON_CPU, STATE_COLUMN, WAIT_COLUMNS};
use super::error::AnalyzeError;
use super::value::Value;

/// Hashes one `u64` by a multiplication: keys are small numbers of our own, nobody can choose them
/// to collide.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

type Mixed<V> = HashMap<u64, V, BuildHasherDefault<Mix>>;

/// Distinct values, numbered in the order they came.
#[derive(Default)]
pub(super) struct Symbols {
    known: HashMap<Value, u32>,
    /// The same for plain unsigned numbers, which come row by row.
    plain: Mixed<u32>,
    values: Vec<Value>,
}

impl Symbols {
    /// The number of `value`; a new one if it is new.
    pub(super) fn number(&mut self, value: &Value) -> u32 {
        if let Some(number) = self.known.get(value) {
            return *number;
        }
        // 2^32 distinct values don't fit into memory before this could saturate.
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.known.insert(value.clone(), number);
        self.values.push(value.clone());
        number
    }

    fn number_of_uint(&mut self, value: u64) -> u32 {
        if let Some(number) = self.plain.get(&value) {
            return *number;
        }
        let number = self.number(&Value::UInt(value));
        self.plain.insert(value, number);
        number
    }

    pub(super) fn value(&self, number: u32) -> Value {
        self.values
            .get(number as usize)
            .cloned()
            .unwrap_or(Value::Null)
    }

    /// Takes over the values of `other`: its numbers, in order, as ours.
    pub(super) fn absorb(&mut self, other: Symbols) -> Vec<u32> {
        other.values.iter().map(|v| self.number(v)).collect()
    }
}

/// Numbers the values of one column, batch after batch; a dictionary that stays is read once.
pub(super) struct Coder {
    name: String,
    dictionary: Option<ArrayData>,
    codes: Vec<Option<u32>>,
}

impl Coder {
    pub(super) fn new(name: &str) -> Coder {
        Coder {
            name: name.to_owned(),
            dictionary: None,
            codes: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The numbers of the values of `rows`, in `out`.
    pub(super) fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: &[u32],
        symbols: &mut Symbols,
        out: &mut Vec<u32>,
    ) -> Result<(), AnalyzeError> {
        out.clear();
        let array = columns::column(batch, &self.name)?;
        let of_waits = WAIT_COLUMNS.contains(&self.name.as_str());
        if let Some(coded) = array.as_dictionary_opt::<Int32Type>() {
            let data = coded.values().to_data();
            if !self.dictionary.as_ref().is_some_and(|d| d.ptr_eq(&data)) {
                self.codes = vec![None; data.len()];
                self.dictionary = Some(data);
            }
            let mut cpu = match of_waits {
                true => Some(OnCpu::of(batch)?),
                false => None,
            };
            let (keys, values) = (coded.keys(), coded.values());
            let texts = values.as_string_opt::<i32>();
            for row in rows.iter().map(|row| *row as usize) {
                let code = keys.is_valid(row).then(|| keys.value(row) as usize);
                let code = code.filter(|code| values.is_valid(*code));
                out.push(match code {
                    Some(code) => match self.codes[code] {
                        Some(number) => number,
                        None => {
                            let number = symbols.number(&match texts {
                                Some(texts) => Value::Text(texts.value(code).to_owned()),
                                None => columns::plain_value(values, code),
                            });
                            self.codes[code] = Some(number);
                            number
                        }
                    },
                    None => {
                        let on_cpu = cpu.as_mut().is_some_and(|cpu| cpu.is(row));
                        symbols.number(&match on_cpu {
                            true => Value::Text(ON_CPU.to_owned()),
                            false => Value::Null,
                        })
                    }
                });
            }
            return Ok(());
        }
        let short = array.as_primitive_opt::<UInt32Type>();
        let long = array.as_primitive_opt::<UInt64Type>();
        if (short.is_some() || long.is_some()) && array.null_count() == 0 {
            out.extend(rows.iter().map(|row| {
                let row = *row as usize;
                symbols.number_of_uint(match (short, long) {
                    (Some(short), _) => u64::from(short.value(row)),
                    (_, Some(long)) => long.value(row),
                    _ => 0,
                })
            }));
            return Ok(());
        }
        let mut lookup = Lookup::<u32>::of(batch, &self.name)?;
        for row in rows {
            out.push(lookup.get(*row as usize, |value| symbols.number(value)));
        }
        Ok(())
    }
}

/// Which rows are of sessions on CPU.
struct OnCpu<'a>(Lookup<'a, bool>);

impl<'a> OnCpu<'a> {
    fn of(batch: &'a RecordBatch) -> Result<OnCpu<'a>, AnalyzeError> {
        Ok(OnCpu(Lookup::of(batch, STATE_COLUMN)?))
    }

    fn is(&mut self, row: usize) -> bool {
        let on_cpu = |value: &Value| matches!(value, Value::Text(text) if text == ON_CPU);
        self.0.get(row, on_cpu)
    }
}

/// Combinations of numbers, numbered: a tree, each level of which adds a column.
#[derive(Default)]
pub(super) struct Combinations {
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    known: Mixed<u32>,
    /// For each combination the shorter one, and the number added.
    made_of: Vec<(u32, u32)>,
}

impl Level {
    fn number(&mut self, shorter: u32, added: u32) -> u32 {
        let key = (u64::from(shorter) << 32) | u64::from(added);
        let next = u32::try_from(self.made_of.len()).unwrap_or(u32::MAX);
        let number = *self.known.entry(key).or_insert(next);
        if number == next {
            self.made_of.push((shorter, added));
        }
        number
    }
}

impl Combinations {
    pub(super) fn new(columns: usize) -> Combinations {
        let levels = (0..columns).map(|_| Level::default());
        Combinations {
            levels: levels.collect(),
        }
    }

    /// The combinations of rows, whose numbers each `columns` gives, in `out`.
    pub(super) fn encode(&mut self, columns: &[&[u32]], rows: usize, out: &mut Vec<u32>) {
        out.clear();
        out.resize(rows, 0);
        for (level, column) in self.levels.iter_mut().zip(columns) {
            for (group, added) in out.iter_mut().zip(*column) {
                *group = level.number(*group, *added);
            }
        }
    }

    /// The combination of these numbers.
    pub(super) fn number(&mut self, numbers: impl Iterator<Item = u32>) -> u32 {
        let mut group = 0;
        for (level, added) in self.levels.iter_mut().zip(numbers) {
            group = level.number(group, added);
        }
        group
    }

    /// The numbers that a combination is made of.
    pub(super) fn made_of(&self, mut group: u32) -> Vec<u32> {
        let mut numbers = vec![0; self.levels.len()];
        for (level, number) in self.levels.iter().zip(&mut numbers).rev() {
            let Some((shorter, added)) = level.made_of.get(group as usize) else {
                break;
            };
            *number = *added;
            group = *shorter;
        }
        numbers
    }
}
