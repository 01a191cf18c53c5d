//! A row's values by column name, without a copy of the names in each row.
//!
//! Thousands of sessions with over a hundred columns each, and their processes: names are kept once.
//!
//! Callers: `snapshot`, `cli`.

use std::collections::HashMap;
use std::ops::Index;
use std::sync::Arc;

use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

/// Column names with their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    order: Vec<String>,
    places: HashMap<String, usize>,
}

impl Names {
    /// These names, which all differ, in this order.
    pub fn new(names: impl IntoIterator<Item = String>) -> Names {
        let order: Vec<String> = names.into_iter().collect();
        let places = order.iter().cloned().zip(0..).collect();
        Names { order, places }
    }

    /// These and more names, behind them.
    pub fn with(&self, more: impl IntoIterator<Item = &'static str>) -> Names {
        let more = more.into_iter().map(str::to_owned);
        Names::new(self.order.iter().cloned().chain(more))
    }

    /// The names, in the order of the values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// The place of a name among the values of each row.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

/// One row's values: of a session, a process, a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct RowValues {
    /// Names, shared by all rows of a snapshot.
    pub names: Arc<Names>,
    /// Values, in the names' order.
    pub values: Vec<Json>,
}

impl RowValues {
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

impl From<Map<String, Json>> for RowValues {
    fn from(row: Map<String, Json>) -> RowValues {
        let (names, values): (Vec<String>, _) = row.into_iter().unzip();
        RowValues {
            names: Arc::new(Names::new(names)),
            values,
        }
    }
}

/// An object, its members in the names' order.
impl Serialize for RowValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(&self.values))
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

impl Named for Json {
    fn named(&self, column: &str) -> Option<&Json> {
        self.get(column)
    }
}

impl Named for RowValues {
    fn named(&self, column: &str) -> Option<&Json> {
        self.get(column)
    }
}

/// The value of a column; null when there is no such column.
impl Index<&str> for RowValues {
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
        let session = RowValues { names, values };
        assert_eq!(session["sid"], 7);
        assert_eq!(session["event"], "null event");
        assert_eq!(session["block_gets"], 8);
        assert_eq!(
            (session.get("nothing"), &session["nothing"]),
            (None, &Json::Null)
        );
        let text = serde_json::to_string(&session).unwrap();
        assert_eq!(text, r#"{"sid":7,"event":"null event","block_gets":8}"#);
        let map = serde_json::from_str::<Map<String, Json>>(&text).unwrap();
        assert_eq!(RowValues::from(map), session);
    }
}
