//! The tables that hold a recording's columns: `samples`, and beside it those that hold once what
//! hardly changes.
//!
//! For: what `sample` writes and `record` joins. Not for: the columns, see [`super::columns`].

/// The table that holds a column in recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// `samples`: it changes from sample to sample.
    Sample,
    /// `sessions`: it hardly changes while a session lives.
    Session,
    /// `cursors`: it follows from the statement being executed.
    Cursor,
    /// `event_names`: it follows from the event's number.
    Event,
}

/// A table that holds columns of `samples` once per change, under a key that `samples` has too.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// Whose columns it holds.
    pub home: Home,
    /// Its name.
    pub table: &'static str,
    /// The column that both tables have.
    pub key: &'static str,
    /// Columns that are null in a sample of which `event` is null.
    pub while_waiting: &'static [&'static str],
}

/// The side tables of `samples`, in the order of writing: all before the samples that use them.
pub const SIDES: [Side; 3] = [
    Side {
        home: Home::Session,
        table: "sessions",
        key: "session_key",
        while_waiting: &[],
    },
    Side {
        home: Home::Cursor,
        table: "cursors",
        key: "cursor_key",
        while_waiting: &[],
    },
    Side {
        home: Home::Event,
        table: "event_names",
        key: "event_no",
        while_waiting: &["wait_class", "wait_class_id"],
    },
];

/// The side table of a home; `None` for `samples` itself.
pub fn side_of(home: Home) -> Option<&'static Side> {
    SIDES.iter().find(|side| side.home == home)
}
