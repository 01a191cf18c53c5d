//! What sources say, before hints are added: one form for executable, spool and trace.
//!
//! Every fact keeps the ids of the sources that say it, the one that is quoted first. Combining two
//! sets of facts is `merge`'s work, making a blueprint of them `assemble`'s.
//!
//! Callers: `assemble` (executable), `spool`, `trace`, `merge`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::kqf::KqfTable;
use super::model::{EventName, Source, StatisticName};

/// A fact and the ids of the sources that say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// The fact.
    pub value: T,
    /// Ids of the sources, the first one is quoted.
    pub by: Vec<String>,
}

impl<T> Said<T> {
    /// A fact of one source.
    pub fn new(value: T, by: &str) -> Said<T> {
        Said {
            value,
            by: vec![by.to_owned()],
        }
    }

    /// The source that is quoted.
    pub fn source(&self) -> &str {
        self.by.first().map_or("", String::as_str)
    }

    /// "also in a, b" where other sources agree.
    pub fn also(&self) -> Option<String> {
        let others = self.by.get(1..).filter(|o| !o.is_empty())?;
        Some(format!("the same in {}", others.join(", ")))
    }
}

/// A fixed SGA variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Run-time address.
    pub address: u64,
    /// Bytes, 0 when not known.
    pub size: u64,
    /// C type, where the source names it.
    pub ctype: Option<String>,
}

/// The text of a fixed view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewText {
    /// The query.
    pub text: String,
    /// Whether it is all there.
    pub complete: bool,
}

/// A fixed table with its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Row size and columns.
    pub table: KqfTable,
    /// Sources of the row size.
    pub by: Vec<String>,
    /// Sources of each column.
    pub columns_by: BTreeMap<String, Vec<String>>,
    /// Columns of the dictionary that this program doesn't know, by column: name and text.
    pub extra: BTreeMap<String, BTreeMap<String, String>>,
}

impl Table {
    /// A table as one source shows it.
    pub fn new(table: KqfTable, by: &str) -> Table {
        let columns_by = table
            .columns
            .iter()
            .map(|c| (c.name.clone(), vec![by.to_owned()]))
            .collect();
        Table {
            table,
            by: vec![by.to_owned()],
            columns_by,
            extra: BTreeMap::new(),
        }
    }
}

/// A shared-memory area of a running instance; valid for one start of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Area {
    /// `Fixed Size`, `Variable Size`, `Redo Buffers`, `skgm overhead`.
    pub name: String,
    /// SysV id of its segment.
    pub shmid: i64,
    /// Address at which it is attached.
    #[serde(serialize_with = "as_hex")]
    pub address: u64,
    /// Bytes of the segment, or of the part of it where several areas share one.
    pub bytes: u64,
}

fn as_hex<S: serde::Serializer>(value: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&format!("{value:#x}"))
}

/// All that one source says, or several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The sources.
    pub sources: Vec<Source>,
    /// GNU build-id, lower-case hex.
    pub build_id: Option<Said<String>>,
    /// Full release.
    pub release: Option<Said<String>>,
    /// Platform, e.g. "Linux x86-64".
    pub port: Option<Said<String>>,
    /// Banner line.
    pub banner: Option<Said<String>>,
    /// Database character set.
    pub charset: Option<Said<String>>,
    /// DB_NAME of the database that the source speaks of.
    pub db_name: Option<Said<String>>,
    /// Fixed tables by name.
    pub tables: BTreeMap<String, Table>,
    /// Fixed SGA variables by name.
    pub variables: BTreeMap<String, Said<Variable>>,
    /// Statistics in STATISTIC# order.
    pub statistics: Option<Said<Vec<StatisticName>>>,
    /// Wait events in EVENT# order.
    pub events: Option<Said<Vec<EventName>>>,
    /// SQL command names by code.
    pub commands: Option<Said<BTreeMap<u32, String>>>,
    /// Texts of fixed views by name.
    pub views: BTreeMap<String, Said<ViewText>>,
    /// What a source should have said and didn't, for people.
    pub remarks: Vec<String>,
    /// Row addresses of X$ tables in row order, for one start of the instance.
    pub rows: BTreeMap<String, Said<Vec<u64>>>,
    /// Shared-memory areas, for one start of the instance.
    pub areas: Option<Said<Vec<Area>>>,
}
