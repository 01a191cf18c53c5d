//! What is wrong with a condition, and where.

use std::fmt;

/// A condition that can't be understood. Shown with the place under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterError {
    /// The whole condition.
    text: String,
    /// Byte in `text` where it goes wrong.
    at: usize,
    message: String,
}

impl FilterError {
    pub(super) fn new(text: &str, at: usize, message: impl Into<String>) -> FilterError {
        FilterError {
            text: text.to_owned(),
            at: at.min(text.len()),
            message: message.into(),
        }
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The byte at which it goes wrong.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl std::error::Error for FilterError {}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line_start..).unwrap_or_default();
        let line = line.split('\n').next().unwrap_or_default();
        // What a terminal would act on, or show in another width, would move the mark.
        let shown: String = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        write!(f, "{}\n  {shown}\n  {:column$}^", self.message, "")
    }
}

/// Those of `names` that `name` may have been meant to be, the nearest first.
pub(super) fn close_names<'a>(name: &str, names: &'a [String]) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .filter_map(|known| {
            let part = name.len() >= 3 && (known.contains(name) || name.contains(known.as_str()));
            let distance = distance(name, known);
            let close = distance <= name.chars().count().div_ceil(3);
            (close || part).then_some((
                if close { distance } else { 100 + known.len() },
                known.as_str(),
            ))
        })
        .collect();
    near.sort();
    near.into_iter().take(5).map(|(_, name)| name).collect()
}

/// Letters to change, add or remove to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
