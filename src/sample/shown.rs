//! A session's values by column name, without a copy of the names in each session.
//!
//! Thousands of sessions with over a hundred columns each: names are kept once, values in a row.
//!
//! Callers: `snapshot`, `cli`.

use std::collections::HashMap;
use std::ops::Index;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

/// Column names with their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    places: HashMap<String, usize>,
}

impl Names {
    /// These names, which all differ, in this order.
    pub fn new(names: impl IntoIterator<Item = String>) -> Names {
        let placed = names.into_iter().enumerate();
        Names {
            places: placed.map(|(place, name)| (name, place)).collect(),
        }
    }

    /// These and more names, behind them.
    pub fn with(&self, more: impl IntoIterator<Item = &'static str>) -> Names {
        let mut places = self.places.clone();
        let from = places.len();
        for (i, name) in more.into_iter().enumerate() {
            places.entry(name.to_owned()).or_insert(from + i);
        }
        Names { places }
    }

    /// The place of a name among the values of each session.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

/// One session's values.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionValues {
    /// Names, shared by all sessions of a snapshot.
    pub names: Arc<Names>,
    /// Values, in the names' order.
    pub values: Vec<Json>,
}

impl SessionValues {
    /// The value of a column, if there is such a column.
    pub fn get(&self, column: &str) -> Option<&Json> {
        self.values.get(self.names.place(column)?)
    }

    /// The value of a column, to be changed, if there is such a column.
    pub fn get_mut(&mut self, column: &str) -> Option<&mut Json> {
        let place = self.names.place(column)?;
        self.values.get_mut(place)
    }
}

/// Values by column name.
pub trait Named {
    /// The value of a column, if the row has it.
    fn named(&self, column: &str) -> Option<&Json>;
}

impl Named for Map<String, Json> {
    fn named(&self, column: &str) -> Option<&Json> {
        self.get(column)
    }
}

impl Named for SessionValues {
    fn named(&self, column: &str) -> Option<&Json> {
        self.get(column)
    }
}

/// The value of a column; null when there is no such column.
impl Index<&str> for SessionValues {
    type Output = Json;

    fn index(&self, column: &str) -> &Json {
        self.get(column).unwrap_or(&Json::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_name() {
        let names = Names::new(["sid", "event"].map(str::to_owned));
        let names = Arc::new(names.with(["block_gets"]));
        let values = vec![7.into(), "null event".into(), 8.into()];
        let session = SessionValues { names, values };
        assert_eq!(session["sid"], 7);
        assert_eq!(session["event"], "null event");
        assert_eq!(session["block_gets"], 8);
        assert_eq!(
            (session.get("nothing"), &session["nothing"]),
            (None, &Json::Null)
        );
    }
}
