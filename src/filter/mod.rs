//! Conditions on rows, as SQL writes them: `event LIKE 'db file%' AND p3 > 8 OR sql_id IS NULL`.
//!
//! For: parsing ([`Expr::parse`]), checking names and types against the columns there are
//! ([`Expr::bind`]), and testing rows of any source that can look up a column's value ([`Row`]).
//! Truth has three values as in SQL: a comparison with null is unknown, and a row is taken only if
//! the whole is true.
//!
//! ```text
//! condition  := conjunction (OR conjunction)*
//! conjunction:= factor (AND factor)*
//! factor     := NOT factor | '(' condition ')' | predicate
//! predicate  := operand (= | != | <> | < | <= | > | >=) operand
//!             | operand [NOT] LIKE 'pattern' [ESCAPE 'c']
//!             | operand [NOT] IN (literal, …)
//!             | operand [NOT] BETWEEN operand AND operand
//!             | operand IS [NOT] NULL
//!             | column of yes or no
//! operand    := column | 'text' | number | TRUE | FALSE | NULL | TIMESTAMP 'time'
//! ```
//!
//! Words of the language and names of columns may be in upper or lower case; texts are compared as
//! they are. `''` is an empty text, not null. `#` in a name is `_no` (`serial#`). Times are RFC 3339,
//! or `YYYY-MM-DD HH:MM:SS` in UTC. There is no arithmetic. Functions of a condition exist only for
//! whoever asks for them ([`Expr::parse_with`]: `count(sql_id IS NULL) > 5`).
//!
//! Not for: reading rows, or knowing what columns mean. Callers: whoever has rows: `analyze`,
//! `record`, `cli`.

mod bind;
mod error;
mod lex;
mod like;
mod parse;
mod test;
#[cfg(test)]
mod tests;
mod value;

pub use bind::{Bound, Kind};
pub use error::FilterError;
pub use like::Pattern;
pub use parse::{Call, Expr};
pub use test::{Test, Truth};
pub use value::Value;

/// Where values come from.
pub trait Row {
    /// The value of the column at this position of [`Bound::columns`].
    fn value(&self, column: usize) -> Value<'_>;
}

/// Short names of columns, as filter words and group names use them too.
const ALIASES: [(&str, &str); 5] = [
    ("sid", "session_id"),
    ("serial", "session_serial_no"),
    ("serial_no", "session_serial_no"),
    ("service", "service_name"),
    ("con", "con_name"),
];

/// The column that `name` stands for: lower case, `#` as `_no`, short names resolved.
pub fn column_name(name: &str) -> String {
    let lower = name.trim().to_ascii_lowercase().replace('#', "_no");
    let alias = ALIASES.iter().find(|(short, _)| *short == lower);
    alias.map_or(lower, |(_, column)| (*column).to_owned())
}
