//! What must be true of the rows in use, whatever the workload: by this a blueprint is refused that
//! passes every other test and still describes other memory.
//!
//! These are data; `plan` reads the rows and judges. Part of the document that [`super::model`]
//! describes. Callers: `model`, `hints`, `checks`, `plan`.

use serde::{Deserialize, Serialize};

/// A statement about one field of a row in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invariant {
    /// What is stated.
    pub kind: Kind,
    /// The field of the same structure.
    pub field: String,
    /// The bits that `any-bit` and `mostly-clear` speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<u64>,
    /// The other field that `needs-other` speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// Id of the source.
    pub source: String,
    /// The evidence in words (public reference).
    pub evidence: String,
}

/// Kinds of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// At least one bit of the mask is set.
    AnyBit,
    /// The bits of the mask are clear in at least half of the rows.
    MostlyClear,
    /// The value is the slot's number, from 1.
    SlotNumber,
    /// The value is below the number of wait events.
    EventNumber,
    /// Where the field isn't 0, the other field isn't either.
    NeedsOther,
    /// A 7-byte Oracle DATE from 1980 to tomorrow; seven zeros say nothing.
    Date,
    /// The address of a process's state object, directly or through one owner: a process has no
    /// owner. A null says nothing.
    Process,
    /// Text before the first NUL has no control characters, and is UTF-8 where the character set
    /// says so. An empty one says nothing.
    Text,
}

impl Kind {
    /// The word by which it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Kind::AnyBit => "any-bit",
            Kind::MostlyClear => "mostly-clear",
            Kind::SlotNumber => "slot-number",
            Kind::EventNumber => "event-number",
            Kind::NeedsOther => "needs-other",
            Kind::Date => "date",
            Kind::Process => "process",
            Kind::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_document() {
        for word in [
            "any-bit",
            "mostly-clear",
            "slot-number",
            "event-number",
            "needs-other",
            "date",
            "process",
            "text",
        ] {
            let kind: Kind = serde_json::from_value(word.into()).unwrap();
            assert_eq!(kind.word(), word);
        }
    }
}
