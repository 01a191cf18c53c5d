//! Which attribute's rules win: SET_CONSUMER_GROUP_MAPPING_PRI, DBA_RSRC_MAPPING_PRIORITY.
//!
//! Callers: `rules`.

use std::collections::BTreeMap;

use super::attribute::Attribute;

/// Why priorities can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrioritiesError {
    /// EXPLICIT isn't 1.
    #[error(
        "EXPLICIT must be given as 1: explicit switches have the highest priority; found {found}"
    )]
    Explicit {
        /// What is there.
        found: String,
    },
    /// Two attributes have the same.
    #[error(
        "{first} and {second} both have priority {priority}; each needs a number of its own, 1 to 11"
    )]
    Twice {
        /// The number.
        priority: u8,
        /// An attribute that has it.
        first: String,
        /// Another.
        second: String,
    },
    /// A number outside.
    #[error("{name} has priority {found}; expected a whole number from 1 (most important) to 11")]
    Range {
        /// The attribute.
        name: String,
        /// What is there.
        found: i64,
    },
    /// An attribute has none.
    #[error(
        "{name} has no priority; all but CLIENT_ID (11 by default) and ORACLE_FUNCTION must be given"
    )]
    Missing {
        /// The attribute.
        name: String,
    },
    /// No such attribute.
    #[error("no attribute {name}; there are: EXPLICIT, {}", names())]
    Unknown {
        /// What is there.
        name: String,
    },
}

/// Names of all attributes, for messages.
pub(super) fn names() -> String {
    Attribute::ALL.map(Attribute::name).join(", ")
}

/// The order in which attributes are looked at. EXPLICIT is 1 and stands before them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priorities {
    order: Vec<(u8, Attribute)>,
}

impl Default for Priorities {
    /// As a database is delivered: EXPLICIT 1, SERVICE_MODULE_ACTION 2, … CLIENT_ID 11.
    fn default() -> Priorities {
        Priorities {
            order: (2..).zip(Attribute::ALL).collect(),
        }
    }
}

impl Priorities {
    /// Checks what was given by name; CLIENT_ID is 11 unless it is, ORACLE_FUNCTION, which the call
    /// has no argument for, comes last.
    ///
    /// # Errors
    /// EXPLICIT isn't 1, a number is given twice or out of range, a name is missing or unknown.
    pub fn new(given: &BTreeMap<String, i64>) -> Result<Priorities, PrioritiesError> {
        let mut numbers: BTreeMap<Attribute, u8> = BTreeMap::new();
        let mut explicit = None;
        for (name, number) in given {
            if name.eq_ignore_ascii_case("explicit") {
                explicit = Some(*number);
                continue;
            }
            let unknown = || PrioritiesError::Unknown { name: name.clone() };
            let attribute = Attribute::named(name).ok_or_else(unknown)?;
            let range = || PrioritiesError::Range {
                name: attribute.name().into(),
                found: *number,
            };
            let highest = if attribute == Attribute::OracleFunction {
                12
            } else {
                11
            };
            let number = u8::try_from(*number).map_err(|_| range())?;
            if !(1..=highest).contains(&number) {
                return Err(range());
            }
            numbers.insert(attribute, number);
        }
        if explicit != Some(1) {
            let found = explicit.map_or("nothing".into(), |n| n.to_string());
            return Err(PrioritiesError::Explicit { found });
        }
        numbers.entry(Attribute::ClientId).or_insert(11);
        numbers.entry(Attribute::OracleFunction).or_insert(12);
        let missing = Attribute::ALL.iter().find(|a| !numbers.contains_key(a));
        if let Some(missing) = missing {
            let name = missing.name().into();
            return Err(PrioritiesError::Missing { name });
        }
        let mut taken: BTreeMap<u8, &'static str> = BTreeMap::from([(1, "EXPLICIT")]);
        for (attribute, priority) in &numbers {
            if let Some(first) = taken.insert(*priority, attribute.name()) {
                return Err(PrioritiesError::Twice {
                    priority: *priority,
                    first: first.into(),
                    second: attribute.name().into(),
                });
            }
        }
        let mut order: Vec<(u8, Attribute)> = numbers.into_iter().map(|(a, n)| (n, a)).collect();
        order.sort_unstable();
        Ok(Priorities { order })
    }

    /// Attributes, the most important first.
    pub fn order(&self) -> impl Iterator<Item = Attribute> + '_ {
        self.order.iter().map(|(_, attribute)| *attribute)
    }

    /// The number of an attribute, 2 to 12.
    pub fn of(&self, attribute: Attribute) -> u8 {
        let found = self.order.iter().find(|(_, a)| *a == attribute);
        found.map_or(u8::MAX, |(number, _)| *number)
    }
}
