//! The blueprint document as Rust types: what its JSON says, nothing else.
//!
//! A blueprint is self-contained: identity, sources of every fact, fixed variables (`anchors`),
//! structures with their fields, arrays with the way to their rows, version rules, dictionaries.
//! Nothing here is specific to a release. Unknown keys are refused except those that begin with
//! `x-`, which are kept.
//!
//! Callers: the rest of `blueprint`, `plan`, `decode`, `sample`, `cli`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::dictionaries::{Dictionaries, EventName, StatisticName, WaitClass};
pub use super::invariant::{Invariant, Kind};
pub use super::view_text::View;

/// The schema version this program writes; it reads its own and lower minor versions.
pub const SCHEMA_VERSION: &str = "1.1";

/// A blueprint: all that is needed to read one exact build of Oracle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blueprint {
    /// Version of this document's schema, "major.minor".
    pub schema: String,
    /// Name of this blueprint, unique in a registry, stamped on outputs as `blueprint_id`.
    pub id: String,
    /// How far it has been proven.
    pub status: Status,
    /// What exactly it is for.
    pub identity: Identity,
    /// Where its facts come from; other parts name a source by its `id`.
    pub sources: Vec<Source>,
    /// Database character set (Oracle's name, e.g. "AL32UTF8"); `None`: not known, text is shown
    /// as UTF-8 where it is valid and otherwise byte by byte as WE8ISO8859P1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// Fixed SGA variables.
    pub anchors: Vec<Anchor>,
    /// Structures.
    pub structs: Vec<Struct>,
    /// Arrays of structures.
    pub arrays: Vec<Array>,
    /// Version rules by name, e.g. `status_mask` = 9.
    #[serde(default)]
    pub rules: BTreeMap<String, Rule>,
    /// Texts of the fixed views by which rows are decoded, e.g. `GV$SESSION`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<String, View>,
    /// Names behind numbers.
    #[serde(default)]
    pub dictionaries: Dictionaries,
    /// `x-…` keys, kept as they are.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// How far a blueprint has been proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Collected from sources; not yet tried on live memory.
    Draft,
    /// Accepted on live memory.
    Accepted,
    /// Learned from, or checked against, live memory with truth.
    Calibrated,
    /// Describes the synthetic instance.
    Synthetic,
}

/// What exactly a blueprint is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// GNU build-id of the `oracle` executable, lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Full release, e.g. "19.3.0.0.0".
    pub release: String,
    /// Platform, e.g. "Linux x86-64".
    pub port: String,
    /// The executable's banner line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner: Option<String>,
}

/// A source of facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name by which fields refer to it.
    pub id: String,
    /// What it is.
    pub kind: SourceKind,
    /// SHA-256 of the file, lower-case hex, where it is a file of reasonable size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Title or reference for people (public reference, file name).
    pub detail: String,
}

/// Kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// The `oracle` executable's own tables.
    Executable,
    /// CSV spool of fixed tables.
    Spool,
    /// An oradebug trace file.
    Trace,
    /// A published layout: offsets quoted from public spools, programs or posts.
    Published,
    /// Public references, shipped as hints.
    Hints,
    /// Learned from live memory or an image.
    Calibration,
    /// A neighbouring release's blueprint that calibration started from.
    Prior,
}

/// How sure a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A hypothesis.
    Low,
    /// One source, or arithmetic on raw data.
    Medium,
    /// Two independent sources, or the executable itself.
    High,
}

/// A fixed SGA variable (X$KSMFSV; an absolute symbol of the executable).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Name, e.g. `ksusga_`.
    pub name: String,
    /// Address as "0x…" text.
    #[serde(with = "hex_u64")]
    pub address: u64,
    /// Size in bytes, 0 when not known.
    #[serde(default)]
    pub size: u64,
    /// C type as X$KSMFSV names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctype: Option<String>,
    /// Id of the source.
    pub source: String,
}

/// A structure: the row of an array, the variable at an anchor, or what a pointer leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Struct {
    /// Name used inside the blueprint: `ksuse`, `ksupr`, `ksusga`, `ksled`, `kglhd`, `modact`.
    pub name: String,
    /// The X$ table whose rows these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Size in bytes; 0 when not known.
    #[serde(default)]
    pub size: u64,
    /// Fields that are stored.
    pub fields: Vec<Field>,
    /// Columns of the table that are not stored in the row, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<AbsentColumn>,
    /// How a torn read of this structure is noticed; default `stable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// What must be true of rows in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<Invariant>,
}

/// A stored field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// X$ column name (KSUSESER), or for members that are no column a lower-case name of our own
    /// (`stats_ptr`).
    pub name: String,
    /// Bytes from the start of the structure.
    pub offset: u64,
    /// Stored width in bytes (not KQFCOSIZ where that differs). 0 only for `text`: as many bytes as
    /// the sibling field `<name>_len` says.
    pub size: u64,
    /// How the bytes are stored.
    pub stored: Stored,
    /// For `text-ptr`: the most bytes of text behind the pointer. For `text` of size 0: a bound on
    /// the length read from the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// For `addr`: the structure it points to, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Other offsets to try, in this order, when `accept` refuses `offset`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<u64>,
    /// Also try every 8-byte step of the structure when all offsets fail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scan: bool,
    /// The test on live rows that this field must pass before it is used; none: the source is
    /// the executable itself and its build-id has matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Accept>,
    /// Id of the source.
    pub source: String,
    /// How sure the source is.
    pub confidence: Confidence,
    /// The evidence in words (public reference, arithmetic).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// How bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stored {
    /// Unsigned little-endian integer of 1, 2, 4 or 8 bytes.
    Uint,
    /// Signed little-endian integer of 1, 2, 4 or 8 bytes.
    Int,
    /// An 8-byte target address.
    Addr,
    /// Text in place, NUL-padded.
    Text,
    /// An 8-byte address of NUL-terminated text of at most `max` bytes.
    TextPtr,
    /// 7-byte Oracle DATE, local time.
    Date7,
    /// 4 bytes: Unix epoch seconds.
    Epoch4,
    /// 4 bytes: seconds since 1988 in months of 31 days, local time:
    /// `(((((y-1988)*12+m-1)*31+d-1)*24+h)*60+mi)*60+s`.
    Packed4,
    /// Bytes that aren't decoded.
    Raw,
}

/// A column that is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbsentColumn {
    /// X$ column name.
    pub name: String,
    /// Why, for people.
    pub reason: String,
}

/// How a torn read is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// Nothing beyond whole words.
    Word,
    /// SERIAL# read again after the row.
    Identity,
    /// All spans read again and equal.
    Stable,
    /// A change counter that is odd during a change and equal before and after.
    Paired,
}

/// Tests on live rows by which a claimed field is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    /// A pointer to an array of row pointers whose row i holds i + 1 in the slot-number field.
    SlotOrdinal,
    /// A count that fits the accepted array: all its entries are row pointers.
    ArrayCount,
    /// A pointer that is null or leads into a segment, in every used row.
    InSegment,
    /// An address of a row of the `processes` array, directly or through one owner.
    OwnerProcess,
    /// With KSUSESQH makes the SQL_ID that the handle at KSUSESQL holds, or the MD5 of its text.
    SqlId,
    /// A text whose MD5 gives the SQL_ID.
    SqlText,
    /// A pointer to (text, length) whose length is the text's.
    TextAndLength,
    /// A pointer to NUL-terminated printable text.
    PointedText,
    /// Seconds since the epoch, not in the future, not before the instance's start by more than a day.
    EpochPast,
    /// 4 bytes that are a time between the row's KSUSELTM and now, as `epoch4` or else as `packed4`;
    /// the form that fits is used, whatever `stored` says.
    Time4,
    /// Text in place that is a name: a letter first, then letters, digits and `_$#`; or empty.
    NameText,
    /// Below the number of events.
    EventNumber,
    /// A byte whose bit 0 is set exactly in rows with KSUSEFLG & 3 ≠ 0 (or a superset of them).
    UsedFlag,
    /// A table of rows whose first word points to a printable name.
    NameTable,
    /// A pointer to an array of 8-byte counters inside one segment.
    CounterArray,
    /// Decimal digits: an OS process id. Of a pointer to row pointers, or an array: KSUPROSID is
    /// digits or empty in every used row.
    PidText,
    /// Null or the address of a row of the `sessions` array.
    SessionRow,
    /// A number of counters: with it the arrays behind the accepted `counter-array` pointers stay
    /// inside their segments, and it isn't above the number of statistics known.
    CounterCount,
}

/// An array of structures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Array {
    /// `sessions`, `processes`, `events`.
    pub name: String,
    /// Name of the row structure.
    pub row: String,
    /// The way to the rows.
    pub layout: ArrayLayout,
    /// Test that the array must pass at attach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Accept>,
    /// The row field that holds the slot ordinal (row i holds i + 1), if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<String>,
}

/// The way to an array's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", deny_unknown_fields)]
pub enum ArrayLayout {
    /// A flat array of 8-byte row pointers; entry i is row i.
    Pointers {
        /// Where the address of the pointer array stands.
        base: MemberRef,
        /// Where the number of entries stands (4 bytes).
        count: MemberRef,
    },
    /// Rows one behind the other.
    Flat {
        /// Where the address of the first row stands.
        base: MemberRef,
        /// Bytes from row to row.
        stride: u64,
        /// Number of rows; `None`: until the acceptance test fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
    },
    /// Several runs of rows at fixed addresses.
    Runs {
        /// The runs in row order.
        runs: Vec<Run>,
    },
}

/// A run of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Address of the first row.
    #[serde(with = "hex_u64")]
    pub start: u64,
    /// Rows in the run.
    pub count: u64,
    /// Bytes from row to row; negative where rows descend.
    pub stride: i64,
}

/// A member of the structure at an anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRef {
    /// Anchor name.
    pub anchor: String,
    /// Structure that stands at the anchor, by name.
    #[serde(rename = "struct")]
    pub strukt: String,
    /// Field of that structure.
    pub field: String,
}

/// A version rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its value: a number or a word.
    pub value: serde_json::Value,
    /// Id of the source.
    pub source: String,
    /// How sure the source is.
    pub confidence: Confidence,
    /// The evidence in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Blueprint {
    /// The structure of this name.
    pub fn strukt(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|s| s.name == name)
    }

    /// The anchor of this name.
    pub fn anchor(&self, name: &str) -> Option<&Anchor> {
        self.anchors.iter().find(|a| a.name == name)
    }

    /// The array of this name.
    pub fn array(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|a| a.name == name)
    }

    /// Whether it says itself that parts are missing (`x-partial`).
    pub fn is_partial(&self) -> bool {
        self.extra.contains_key("x-partial")
    }

    /// The rule's value as a number.
    pub fn rule_u64(&self, name: &str) -> Option<u64> {
        self.rules.get(name)?.value.as_u64()
    }

    /// The rule's value as a word.
    pub fn rule_str(&self, name: &str) -> Option<&str> {
        self.rules.get(name)?.value.as_str()
    }
}

impl Struct {
    /// The stored field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

/// Addresses as "0x…" text in JSON, so that they survive readers with 53-bit numbers.
mod hex_u64 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&format!("{value:#x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        let text = String::deserialize(d)?;
        text.strip_prefix("0x")
            .and_then(|hex| u64::from_str_radix(hex, 16).ok())
            .ok_or_else(|| {
                D::Error::custom(format!("expected an address as \"0x…\", found {text:?}"))
            })
    }
}
