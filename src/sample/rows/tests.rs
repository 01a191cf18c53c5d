//! Tests of what side tables are made of.

use crate::decode::columns::{Home, SIDES, sample_columns};

/// A column of a side table must be found changed by the words that it needs.
#[test]
fn side_columns_say_what_they_are_made_of() {
    for c in sample_columns() {
        let beyond_words = ["sql_id", "os_pid"].contains(&c.ash);
        let told = !c.needs().is_empty() || beyond_words;
        assert!(
            matches!(c.home, Home::Sample | Home::Event) || told,
            "{}",
            c.ash
        );
    }
}

#[test]
fn keys_of_side_tables_are_no_other_columns() {
    for side in &SIDES {
        let known = sample_columns().into_iter().find(|c| c.ash == side.key);
        assert_eq!(known.is_some(), side.home == Home::Event, "{}", side.key);
        for name in side.while_waiting {
            let column = sample_columns().into_iter().find(|c| c.ash == *name);
            assert_eq!(column.map(|c| c.home), Some(side.home), "{name}");
        }
    }
}
