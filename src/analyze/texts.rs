//! Distinct texts by number, for rows that are kept or compared by the thousand.
//!
//! Not for: values of other types (`symbols`). Callers: [`super::chains`], `finops`.

use std::collections::HashMap;

/// Distinct texts, numbered from 1; 0 is null.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Texts {
    /// The number of a text; a new one if it is new.
    pub(crate) fn number(&mut self, text: Option<&str>) -> u32 {
        let Some(text) = text else {
            return 0;
        };
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        self.texts.push(text.to_owned());
        let number = self.texts.len() as u32;
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// The text of a number; none for null.
    pub(crate) fn get(&self, number: u32) -> Option<&str> {
        let at = (number as usize).checked_sub(1)?;
        self.texts.get(at).map(String::as_str)
    }
}
