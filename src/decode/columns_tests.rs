//! The table of columns is well formed, complete, and what its page in `docs/` says.

use super::*;

#[test]
fn names_are_unique_in_each_scope() {
    for columns in [dump_columns(), sample_columns()] {
        let mut names: Vec<_> = columns
            .iter()
            .map(|c| {
                if c.scope == Scope::Dump {
                    c.name
                } else {
                    c.ash
                }
            })
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

#[test]
fn names_and_help_are_well_formed() {
    for c in COLUMNS {
        let plain = |n: &str| {
            n.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert!(plain(c.name) && plain(c.ash), "{}", c.name);
        assert!(!c.help.is_empty() && !c.help.ends_with('.'), "{}", c.name);
    }
}
