//! Texts that repeat from row to row and from batch to batch: each is known by a number, and gets
//! a code in the batches that show it.
//!
//! Callers: `column`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

/// The number that stands for null.
pub(super) const NULL: u32 = u32::MAX;
/// Texts known at the end of a batch; when there are more all are forgotten.
const MAX_TEXTS: usize = 1 << 14;
/// Bytes of these.
const MAX_BYTES: usize = 1 << 20;

/// The texts of one column, and the codes of the batch that is being collected.
#[derive(Default)]
pub(super) struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    bytes: usize,
    /// By a text's number its code in this batch, if it has one.
    codes: Vec<Option<i32>>,
    /// Numbers by code.
    used: Vec<u32>,
    keys: Vec<i32>,
}

impl Texts {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.bytes += text.len();
        self.numbers.insert(Arc::clone(&text), number);
        self.texts.push(text);
        self.codes.push(None);
        number
    }

    /// Adds rows by their texts' numbers.
    pub(super) fn extend(&mut self, numbers: &[u32]) {
        let (codes, used) = (&mut self.codes, &mut self.used);
        self.keys
            .extend(numbers.iter().map(|number| code_of(codes, used, *number)));
    }

    /// Adds so many rows of one text.
    pub(super) fn repeat(&mut self, number: u32, rows: usize) {
        let code = code_of(&mut self.codes, &mut self.used, number);
        self.keys.resize(self.keys.len() + rows, code);
    }

    /// The column of this batch: its texts in the order in which they first occur.
    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let text = |number: &u32| self.texts.get(*number as usize).map(|text| &**text);
        let values: StringArray = self.used.iter().map(text).collect();
        for number in self.used.drain(..) {
            self.codes[number as usize] = None;
        }
        let room = Vec::with_capacity(self.keys.len());
        let keys = std::mem::replace(&mut self.keys, room);
        let keys = Int32Array::try_new(keys.into(), nulls)?;
        let coded = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values))?;
        Ok(Arc::new(coded))
    }

    /// Between two batches: whether there were so many texts that all numbers are void now.
    pub(super) fn has_forgotten(&mut self) -> bool {
        let many = self.texts.len() > MAX_TEXTS || self.bytes > MAX_BYTES;
        if many && self.used.is_empty() {
            *self = Texts::default();
            return true;
        }
        false
    }
}

/// A text's code in this batch, from now on; 0 for null.
#[inline]
fn code_of(codes: &mut [Option<i32>], used: &mut Vec<u32>, number: u32) -> i32 {
    match codes.get_mut(number as usize) {
        Some(Some(code)) => *code,
        Some(code) => {
            let next = used.len() as i32;
            *code = Some(next);
            used.push(number);
            next
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};

    fn shown(column: &ArrayRef) -> Vec<Option<String>> {
        let column = column.as_dictionary::<Int32Type>();
        let texts = column.values().as_string::<i32>();
        let text = |key: Option<i32>| key.map(|key| texts.value(key as usize).to_owned());
        column.keys().iter().map(text).collect()
    }

    #[test]
    fn a_batch_has_the_texts_that_it_shows_and_no_other() {
        let mut texts = Texts::default();
        let (a, b) = (texts.number("a"), texts.number("b"));
        assert_eq!(texts.number("a"), a);
        texts.extend(&[b, NULL, b, a]);
        let nulls = NullBuffer::from(vec![true, false, true, true]);
        let first = texts.finish(Some(nulls)).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown(&first), [some("b"), None, some("b"), some("a")]);
        texts.extend(&[a, a]);
        let second = texts.finish(None).unwrap();
        assert_eq!(shown(&second), [some("a"), some("a")]);
        assert_eq!(second.as_dictionary::<Int32Type>().values().len(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut texts = Texts::default();
        for number in 0..MAX_TEXTS {
            texts.number(&format!("{number}"));
        }
        assert!(!texts.has_forgotten());
        let last = texts.number("one more");
        texts.extend(&[last]);
        assert!(!texts.has_forgotten(), "not while a batch uses them");
        texts.finish(None).unwrap();
        assert!(texts.has_forgotten());
        assert_eq!(texts.number("one more"), 0);
        texts.number(&"x".repeat(MAX_BYTES + 1));
        assert!(texts.has_forgotten());
    }
}
