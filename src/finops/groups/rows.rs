//! Rows of `samples`, with what rules look at.
//!
//! Callers: the rest of `groups`.

use arrow::array::{Array, RecordBatch};

use crate::analyze::columns::{Lookup, Numbers, ON_CPU, STATE_COLUMN, flags, times};
use crate::analyze::texts::Texts;
use crate::analyze::{AnalyzeError, Filter, Value};
use crate::finops::mapping::{Field, Fields, SessionAttributes};
use crate::record::{Reader, RecordError, ScanOptions};

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First `sample_time` wanted, microseconds since 1970-01-01 UTC.
    pub from_us: Option<i64>,
    /// First `sample_time` no longer wanted.
    pub to_us: Option<i64>,
    /// Only this instance; all if `None`.
    pub instance: Option<String>,
    /// Conditions on the rows.
    pub filters: Vec<Filter>,
}

/// Fields that samples have, in the order of [`Row::fields`].
pub(super) const FIELDS: [Field; 8] = [
    Field::OracleUser,
    Field::ServiceName,
    Field::ClientOsUser,
    Field::ClientProgram,
    Field::ClientMachine,
    Field::ClientId,
    Field::ModuleName,
    Field::Action,
];

/// A user's session at one moment. Texts are numbers of [`Texts`], 0 for null.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) time_us: i64,
    pub(super) weight_us: u64,
    pub(super) sid: u32,
    pub(super) serial_no: u32,
    /// LOGON_TIME, µs since the epoch, in whole seconds.
    pub(super) logon_us: Option<i64>,
    pub(super) active: bool,
    pub(super) on_cpu: bool,
    pub(super) fields: [u32; 8],
    pub(super) actual: u32,
    pub(super) sql_id: u32,
    pub(super) seq_no: Option<u64>,
    pub(super) sql_exec_id: Option<u64>,
    pub(super) blocker: Option<u32>,
}

/// What rules look at, of the fields of a row.
pub(super) fn attributes(texts: &Texts, fields: &[u32; 8], unknown: Fields) -> SessionAttributes {
    let mut session = SessionAttributes {
        unknown,
        ..SessionAttributes::default()
    };
    for (field, number) in FIELDS.into_iter().zip(fields) {
        session.set(field, texts.get(*number).map(str::to_owned));
    }
    session
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Columns that every recording has.
const NEEDED: [&str; 5] = [
    "sample_time",
    "weight_us",
    "session_id",
    "is_active",
    STATE_COLUMN,
];
/// Columns that are read where they are there.
const WANTED: [&str; 8] = [
    "session_serial_no",
    "logon_time",
    "session_kind",
    "resource_consumer_group",
    "sql_id",
    "seq_no",
    "sql_exec_id",
    "blocking_session",
];

struct Columns<'a> {
    time: &'a arrow::array::TimestampMicrosecondArray,
    weight: Numbers<'a>,
    sid: Numbers<'a>,
    logon: Option<&'a arrow::array::TimestampMicrosecondArray>,
    active: &'a arrow::array::BooleanArray,
    state: Lookup<'a, bool>,
    kind: Option<Lookup<'a, bool>>,
    fields: Vec<Option<Lookup<'a, u32>>>,
    actual: Option<Lookup<'a, u32>>,
    sql_id: Option<Lookup<'a, u32>>,
    numbers: [Option<Numbers<'a>>; 4],
    filters: Vec<(&'a Filter, Lookup<'a, bool>)>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch, filters: &'a [Filter]) -> Result<Columns<'a>, AnalyzeError> {
        let there = |name: &str| batch.column_by_name(name).is_some();
        let words = |name: &str| there(name).then(|| Lookup::of(batch, name)).transpose();
        let number = |name: &str| there(name).then(|| Numbers::of(batch, name)).transpose();
        let fields = FIELDS.map(|f| f.column().unwrap_or_default());
        let conditions = filters.iter();
        let conditions = conditions.map(|f| Ok((f, Lookup::of(batch, &f.column)?)));
        Ok(Columns {
            time: times(batch, "sample_time")?,
            weight: Numbers::of(batch, "weight_us")?,
            sid: Numbers::of(batch, "session_id")?,
            logon: there("logon_time")
                .then(|| times(batch, "logon_time"))
                .transpose()?,
            active: flags(batch, "is_active")?,
            state: Lookup::of(batch, STATE_COLUMN)?,
            kind: there("session_kind")
                .then(|| Lookup::of(batch, "session_kind"))
                .transpose()?,
            fields: fields
                .iter()
                .map(|name| words(name))
                .collect::<Result<_, _>>()?,
            actual: words("resource_consumer_group")?,
            sql_id: words("sql_id")?,
            numbers: [
                number("session_serial_no")?,
                number("seq_no")?,
                number("sql_exec_id")?,
                number("blocking_session")?,
            ],
            filters: conditions.collect::<Result<_, AnalyzeError>>()?,
        })
    }

    /// A row, if it is of a user's session and wanted.
    fn row(&mut self, row: usize, texts: &mut Texts) -> Option<Row> {
        // kinds came later than recordings; rows from elsewhere have none
        let is_user = |v: &Value| matches!(v, Value::Null) || *v == Value::Text("USER".into());
        if !self.kind.as_mut().is_none_or(|kind| kind.get(row, is_user)) {
            return None;
        }
        let wanted = |(filter, column): &mut (&Filter, Lookup<'_, bool>)| {
            column.get(row, |value| filter.matches(value))
        };
        if !self.filters.iter_mut().all(wanted) {
            return None;
        }
        let mut word = |column: &mut Option<Lookup<'_, u32>>| {
            let column = column.as_mut();
            column.map_or(0, |column| column.get(row, |v| texts.number(text(v))))
        };
        let mut fields = [0; 8];
        for (field, column) in fields.iter_mut().zip(&mut self.fields) {
            *field = word(column);
        }
        let (actual, sql_id) = (word(&mut self.actual), word(&mut self.sql_id));
        let [serial_no, seq_no, sql_exec_id, blocker] = self
            .numbers
            .each_ref()
            .map(|column| column.as_ref().and_then(|c| c.get_valid(row)));
        Some(Row {
            time_us: self.time.value(row),
            weight_us: self.weight.get(row),
            sid: self.sid.get(row) as u32,
            serial_no: serial_no.unwrap_or(0) as u32,
            logon_us: self
                .logon
                .filter(|logon| logon.is_valid(row))
                .map(|logon| logon.value(row)),
            active: self.active.is_valid(row) && self.active.value(row),
            on_cpu: self.state.get(row, |v| *v == Value::Text(ON_CPU.into())),
            fields,
            actual,
            sql_id,
            seq_no,
            sql_exec_id,
            blocker: blocker.map(|sid| sid as u32),
        })
    }
}

/// What a recording tells of the fields that rules look at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Fields that it doesn't tell.
    pub(super) unknown: Fields,
}

/// Fields that the recording can't tell: no such column, or null in every session though V$SESSION
/// always has a value for a user's session (its place in memory wasn't known).
fn known(reader: &Reader, columns: &[String]) -> Result<Known, AnalyzeError> {
    let mut unknown = Fields::default().with(Field::OracleFunction);
    for field in FIELDS {
        let name = field.column().unwrap_or_default();
        let missing = !columns.iter().any(|c| c == name);
        if missing || (!field.is_run_time() && is_null_throughout(reader, name)?) {
            unknown = unknown.with(field);
        }
    }
    Ok(Known { unknown })
}

fn is_null_throughout(reader: &Reader, column: &str) -> Result<bool, AnalyzeError> {
    // what hardly changes stands in the table of sessions; old recordings have it in every row
    for table in ["sessions", "samples"] {
        let options = ScanOptions {
            columns: Some(vec![column.to_owned()]),
            ..ScanOptions::default()
        };
        let scan = match reader.scan(table, &options) {
            Ok(scan) => scan,
            Err(RecordError::NoTable { .. } | RecordError::NoColumn { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for batch in scan {
            let batch = batch?;
            if batch
                .columns()
                .iter()
                .any(|c| c.logical_null_count() < c.len())
            {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// Gives all wanted rows of users' sessions in the order of time to `take`, source by source, which
/// are numbered from 0. `begin` is called before each source, with its instance's name.
///
/// # Errors
/// The recording can't be read, or lacks a column.
pub(super) fn scan(
    reader: &Reader,
    window: &Window,
    texts: &mut Texts,
    mut take: impl FnMut(usize, &str, Row, &Texts, Known),
) -> Result<Known, AnalyzeError> {
    let schema = match reader.schema("samples") {
        Ok(schema) => schema,
        // an idle instance: ticks, but no sample ever
        Err(RecordError::NoTable { .. }) => return Ok(Known::default()),
        Err(error) => return Err(error.into()),
    };
    let fields = FIELDS.iter().filter_map(|f| f.column());
    let there = |name: &&str| schema.column_with_name(name).is_some();
    let mut columns: Vec<String> = NEEDED.map(str::to_owned).to_vec();
    columns.extend(fields.chain(WANTED).filter(there).map(str::to_owned));
    let known = known(reader, &columns)?;
    for filter in &window.filters {
        for name in [filter.column.as_str(), STATE_COLUMN] {
            if !columns.iter().any(|c| c == name) {
                columns.push(name.to_owned());
            }
        }
    }
    let sources = reader.instances("samples")?.into_iter();
    let wanted = |(_, i): &(String, String)| window.instance.as_ref().is_none_or(|w| w == i);
    for (at, (host, instance)) in sources.filter(wanted).enumerate() {
        let options = ScanOptions {
            from_us: window.from_us,
            to_us: window.to_us,
            columns: Some(columns.clone()),
            host: Some(host),
            instance: Some(instance.clone()),
        };
        for batch in reader.scan("samples", &options)?.in_order() {
            let batch = batch?;
            let mut read = Columns::of(&batch, &window.filters)?;
            for row in 0..batch.num_rows() {
                if let Some(row) = read.row(row, texts) {
                    take(at, &instance, row, texts, known);
                }
            }
        }
    }
    Ok(known)
}
