//! Small numbers for values, and for combinations of numbers.
//!
//! For: grouping without comparing texts row by row. Callers: [`super::sums`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch};
use arrow::datatypes::{Int32Type, UInt32Type, UInt64Type};

use super::columns::{self, Chosen, Lookup, ON_CPU, STATE_COLUMN, WAIT_COLUMNS};
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
    /// How often a value was looked for.
    #[cfg(test)]
    pub(super) looked_for: u64,
}

impl Symbols {
    /// The number of `value`; a new one if it is new.
    pub(super) fn number(&mut self, value: &Value) -> u32 {
        #[cfg(test)]
        {
            self.looked_for += 1;
        }
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

/// Stands for no number yet.
const NONE: u32 = u32::MAX;

/// Numbers the values of one column, batch after batch; a dictionary that stays is read once.
pub(super) struct Coder {
    name: String,
    dictionary: Option<ArrayData>,
    /// For each distinct value of the dictionary its number, if it was wanted; then that of null,
    /// and that of a session on CPU.
    symbols: Vec<u32>,
    /// The dictionary of a dictionary, which stays when codes change, and its numbers.
    inner: Option<(ArrayData, Vec<u32>)>,
    /// For each row of the batch its place in `symbols`, or its number if there are none.
    of_rows: Vec<u32>,
}

impl Coder {
    pub(super) fn new(name: &str) -> Coder {
        Coder {
            name: name.to_owned(),
            dictionary: None,
            symbols: Vec::new(),
            inner: None,
            of_rows: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Numbers the values of `rows`.
    pub(super) fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Chosen<'_>,
        symbols: &mut Symbols,
    ) -> Result<(), AnalyzeError> {
        let array = columns::column(batch, &self.name)?;
        if let Some(coded) = array.as_dictionary_opt::<Int32Type>() {
            return self.encode_coded(coded, batch, rows, symbols);
        }
        self.symbols.clear();
        self.dictionary = None;
        let out = &mut self.of_rows;
        let short = array.as_primitive_opt::<UInt32Type>();
        let long = array.as_primitive_opt::<UInt64Type>();
        if (short.is_some() || long.is_some()) && array.null_count() == 0 {
            rows.gather(out, |row| {
                symbols.number_of_uint(match (short, long) {
                    (Some(short), _) => u64::from(short.value(row)),
                    (_, Some(long)) => long.value(row),
                    _ => 0,
                })
            });
            return Ok(());
        }
        let mut lookup = Lookup::<u32>::of(batch, &self.name)?;
        rows.gather(out, |row| lookup.get(row, |value| symbols.number(value)));
        Ok(())
    }

    fn encode_coded(
        &mut self,
        coded: &DictionaryArray<Int32Type>,
        batch: &RecordBatch,
        rows: Chosen<'_>,
        symbols: &mut Symbols,
    ) -> Result<(), AnalyzeError> {
        let (keys, values) = (coded.keys(), coded.values());
        let data = values.to_data();
        if !self.dictionary.as_ref().is_some_and(|d| d.ptr_eq(&data)) {
            self.symbols.clear();
            self.symbols.resize(data.len() + 2, NONE);
            self.dictionary = Some(data);
        }
        let null = values.len() as u32;
        let out = &mut self.of_rows;
        let codes = keys.values();
        match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => rows.gather(out, |row| codes[row] as u32),
            Some(nulls) => rows.gather(out, |row| {
                let (code, there) = (codes[row] as u32, nulls.is_valid(row));
                if there { code } else { null }
            }),
        }
        if WAIT_COLUMNS.contains(&self.name.as_str()) {
            let nulls = values.logical_nulls();
            let is_null = |code: usize| nulls.as_ref().is_some_and(|n| n.is_null(code));
            let mut null_codes: Vec<bool> = (0..values.len()).map(is_null).collect();
            null_codes.push(true);
            OnCpu::of(batch)?.mark(rows, &null_codes, out);
        }
        for code in out.iter() {
            let code = *code as usize;
            if self.symbols[code] != NONE {
                continue;
            }
            self.symbols[code] = match code as u32 {
                code if code == null => symbols.number(&Value::Null),
                code if code > null => symbols.number(&Value::Text(ON_CPU.to_owned())),
                _ => number_of(values, code, symbols, &mut self.inner),
            };
        }
        Ok(())
    }

    /// How many codes there can be; `None` if rows have numbers at once.
    fn codes(&self) -> Option<usize> {
        (!self.symbols.is_empty()).then_some(self.symbols.len())
    }

    /// What `of` says of the number of each of the rows' values, in `out`.
    pub(super) fn each(&self, of: impl Fn(u32) -> u64, out: &mut Vec<u64>) {
        out.clear();
        match self.symbols.is_empty() {
            true => out.extend(self.of_rows.iter().map(|symbol| of(*symbol))),
            false => {
                let all: Vec<u64> = self.symbols.iter().map(|symbol| of(*symbol)).collect();
                out.extend(self.of_rows.iter().map(|code| all[*code as usize]));
            }
        }
    }

    /// The number of the value of the row at this place of `rows`.
    #[inline]
    pub(super) fn symbol(&self, at: usize) -> u32 {
        let code = self.of_rows[at];
        match self.symbols.is_empty() {
            true => code,
            false => self.symbols[code as usize],
        }
    }
}

/// The number of a dictionary's value; `inner` keeps those of the dictionary behind it.
fn number_of(
    values: &ArrayRef,
    at: usize,
    symbols: &mut Symbols,
    inner: &mut Option<(ArrayData, Vec<u32>)>,
) -> u32 {
    let Some(coded) = values.as_dictionary_opt::<Int32Type>() else {
        return symbols.number(&columns::plain_value(values, at));
    };
    if coded.is_null(at) {
        return symbols.number(&Value::Null);
    }
    let data = coded.values().to_data();
    if !inner.as_ref().is_some_and(|(known, _)| known.ptr_eq(&data)) {
        let numbers = vec![NONE; data.len()];
        *inner = Some((data, numbers));
    }
    let key = coded.keys().value(at) as usize;
    let known = inner.as_mut().and_then(|(_, numbers)| numbers.get_mut(key));
    match known {
        Some(number) if *number != NONE => *number,
        known => {
            let number = symbols.number(&columns::plain_value(coded.values(), key));
            if let Some(known) = known {
                *known = number;
            }
            number
        }
    }
}

/// Which rows are of sessions on CPU.
enum OnCpu<'a> {
    /// By the codes of their states.
    Coded(Vec<bool>, &'a Int32Array),
    Plain(Lookup<'a, bool>),
}

impl<'a> OnCpu<'a> {
    fn of(batch: &'a RecordBatch) -> Result<OnCpu<'a>, AnalyzeError> {
        let states = columns::column(batch, STATE_COLUMN)?;
        if let Some(coded) = states.as_dictionary_opt::<Int32Type>()
            && let Some(texts) = coded.values().as_string_opt::<i32>()
        {
            let on_cpu = texts.iter().map(|text| text == Some(ON_CPU)).collect();
            return Ok(OnCpu::Coded(on_cpu, coded.keys()));
        }
        Ok(OnCpu::Plain(Lookup::of(batch, STATE_COLUMN)?))
    }

    /// Gives those of `codes` (of `rows`) that are one of `nulls` the code behind these, where the
    /// session is on CPU.
    fn mark(self, rows: Chosen<'_>, nulls: &[bool], codes: &mut [u32]) {
        let cpu = nulls.len() as u32;
        let mut mark = |at: usize, on_cpu: bool| {
            let code = codes[at];
            codes[at] = if nulls[code as usize] & on_cpu {
                cpu
            } else {
                code
            };
        };
        match self {
            OnCpu::Coded(values, keys) if keys.null_count() == 0 => {
                let keys = keys.values();
                rows.each(|at, row| mark(at, values[keys[row] as usize]));
            }
            OnCpu::Coded(values, keys) => rows.each(|at, row| {
                mark(at, keys.is_valid(row) && values[keys.value(row) as usize]);
            }),
            OnCpu::Plain(mut lookup) => {
                let on_cpu = |value: &Value| matches!(value, Value::Text(text) if text == ON_CPU);
                rows.each(|at, row| mark(at, lookup.get(row, on_cpu)));
            }
        }
    }
}

/// Combinations of codes that are worth a table, however few the rows.
const MOST_CODES: usize = 4_096;

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

    /// The combinations of the `rows` rows that `columns` have coded, in `out`. They are of a batch of
    /// which `of` rows are wanted; `table` is empty at its begin.
    pub(super) fn encode(
        &mut self,
        columns: &[&Coder],
        rows: usize,
        of: usize,
        table: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        out.clear();
        out.resize(rows, 0);
        let mut codes = columns.iter().map(|column| column.codes());
        let all = codes.try_fold(1usize, |all, codes| all.checked_mul(codes?));
        match all.filter(|all| *all <= MOST_CODES.max(4 * of)) {
            Some(all) => self.encode_by_table(columns, all, table, out),
            None => {
                for (level, column) in self.levels.iter_mut().zip(columns) {
                    let mut last = (NONE, NONE, 0);
                    for (at, group) in out.iter_mut().enumerate() {
                        let added = column.symbol(at);
                        if (last.0, last.1) != (*group, added) {
                            last = (*group, added, level.number(*group, added));
                        }
                        *group = last.2;
                    }
                }
            }
        }
    }

    /// All combinations of codes have a place in `table`: a row needs no search.
    fn encode_by_table(
        &mut self,
        columns: &[&Coder],
        all: usize,
        table: &mut Vec<u32>,
        out: &mut [u32],
    ) {
        if table.len() != all {
            table.clear();
            table.resize(all, NONE);
        }
        for column in columns {
            let codes = column.codes().unwrap_or(1) as u32;
            for (place, code) in out.iter_mut().zip(&column.of_rows) {
                *place = *place * codes + code;
            }
        }
        for (at, place) in out.iter_mut().enumerate() {
            let known = &mut table[*place as usize];
            if *known == NONE {
                *known = self.number(columns.iter().map(|column| column.symbol(at)));
            }
            *place = *known;
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
