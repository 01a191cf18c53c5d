//! A CSV file to columns.
//!
//! Callers: [`super`].

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use jiff::tz::TimeZone;

use super::error::BackfillError;
use super::header::{Header, Use};
use super::times::{self, FORMATS, Moment};
use super::{Backfill, View};
use crate::blueprint::csv::{CsvError, CsvReader, Record};
use crate::decode::columns::sample_columns;
use crate::decode::{Column, Kind, Value};
use crate::sample::rows::Builder;

/// The rows of a file, in its order.
pub(super) struct Spool {
    pub(super) view: View,
    /// Columns of recordings, and their values; null where the file hasn't the column.
    pub(super) columns: Vec<(&'static Column, Builder)>,
    /// SAMPLE_ID of each row.
    pub(super) ids: Vec<Option<i64>>,
    pub(super) moments: Vec<Moment>,
    /// Line of each row.
    pub(super) lines: Vec<u64>,
    pub(super) other_instances: u64,
    pub(super) not_taken: Vec<String>,
}

/// Reads all of a file.
pub(super) fn read(wanted: &Backfill) -> Result<Spool, BackfillError> {
    let path = wanted.csv.as_path();
    let file = File::open(path).map_err(|source| BackfillError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let mut csv = CsvReader::new(BufReader::new(file));
    let mut record = Record::default();
    let columns = sample_columns();
    let header = header(path, &mut csv, &mut record, &columns)?;
    let mut rows = Rows::new(path, &header, wanted, &columns);
    while csv.next(&mut record).map_err(|e| csv_error(path, e))? {
        rows.add(&record)?;
    }
    Ok(rows.spool)
}

fn csv_error(path: &Path, source: CsvError) -> BackfillError {
    let path = path.to_path_buf();
    match source {
        CsvError::Read { source, .. } => BackfillError::Io { path, source },
        source => BackfillError::Csv { path, source },
    }
}

fn header(
    path: &Path,
    csv: &mut CsvReader<BufReader<File>>,
    record: &mut Record,
    columns: &[&'static Column],
) -> Result<Header, BackfillError> {
    let bad = |line: u64, expected: &str, found: String| BackfillError::Content {
        path: path.to_path_buf(),
        line,
        column: String::new(),
        expected: expected.into(),
        found,
    };
    if !csv.next(record).map_err(|e| csv_error(path, e))? {
        return Err(bad(
            1,
            "a line with names of columns",
            "an empty file".into(),
        ));
    }
    let names: Vec<String> = (0..record.len()).filter_map(|i| record.get(i)).collect();
    let header = Header::of(names, columns);
    if let Some(twice) = header.twice() {
        return Err(bad(
            record.line,
            "each column once",
            format!("{twice} again"),
        ));
    }
    let has = |name: &str| {
        let place = columns.iter().position(|c| c.ash == name);
        place.is_some_and(|place| header.place(Use::Column(place)).is_some())
    };
    let time = header.place(Use::Time).or(header.place(Use::TimeUtc));
    if time.is_none() || !has("session_id") || !has("event") {
        return Err(bad(
            record.line,
            "names of columns of V$ACTIVE_SESSION_HISTORY, among them SAMPLE_TIME, SESSION_ID and EVENT \
             (SQL*Plus: SET MARKUP CSV ON)",
            header.names.join(","),
        ));
    }
    Ok(header)
}

struct Rows<'a> {
    path: &'a Path,
    header: &'a Header,
    zone: Option<&'a TimeZone>,
    /// Which INSTANCE_NUMBER is wanted; the first found, if none is said.
    instance: Option<u64>,
    said: bool,
    /// Place of SESSION_STATE if the file lacks it, and of the file's EVENT.
    state: Option<(usize, usize)>,
    active: Option<usize>,
    /// Place of SESSION_KIND if the file lacks it, and of the file's SESSION_TYPE.
    kind: Option<(usize, usize)>,
    spool: Spool,
}

impl<'a> Rows<'a> {
    fn new(
        path: &'a Path,
        header: &'a Header,
        wanted: &'a Backfill,
        columns: &[&'static Column],
    ) -> Rows<'a> {
        let place = |name: &str| columns.iter().position(|c| c.ash == name);
        let lacks = |column: &usize| header.place(Use::Column(*column)).is_none();
        let field = |name: &str| place(name).and_then(|place| header.place(Use::Column(place)));
        Rows {
            path,
            header,
            zone: wanted.zone.as_ref(),
            instance: wanted.instance_number,
            said: wanted.instance_number.is_some(),
            state: place("session_state").filter(lacks).zip(field("event")),
            active: place("is_active"),
            kind: place("session_kind")
                .filter(lacks)
                .zip(field("session_type")),
            spool: Spool {
                view: wanted.view.unwrap_or(header.view),
                columns: columns.iter().map(|c| (*c, Builder::new(c.kind))).collect(),
                ids: Vec::new(),
                moments: Vec::new(),
                lines: Vec::new(),
                other_instances: 0,
                not_taken: header.not_taken(),
            },
        }
    }

    fn bad(&self, line: u64, field: usize, expected: &str, found: &str) -> BackfillError {
        let shown: String = found.chars().take(80).collect();
        BackfillError::Content {
            path: self.path.to_path_buf(),
            line,
            column: self.header.names.get(field).cloned().unwrap_or_default(),
            expected: expected.into(),
            found: format!("{shown:?}"),
        }
    }

    fn add(&mut self, record: &Record) -> Result<(), BackfillError> {
        let (line, expected) = (record.line, self.header.names.len());
        if record.len() != expected {
            return Err(BackfillError::Content {
                path: self.path.to_path_buf(),
                line,
                column: String::new(),
                expected: format!("{expected} fields, as the first line has"),
                found: format!(
                    "{} (SQL*Plus: SET FEEDBACK OFF PAGESIZE 0 EMBEDDED ON)",
                    record.len()
                ),
            });
        }
        if !self.is_of_instance(record)? {
            self.spool.other_instances += 1;
            return Ok(());
        }
        let moment = self.moment(record)?;
        let id = match self.header.place(Use::Id) {
            Some(field) => {
                let text = record.get(field).unwrap_or_default();
                let id = text.parse().ok().filter(|id: &i64| *id >= 0);
                Some(id.ok_or_else(|| self.bad(line, field, "a whole number", &text))?)
            }
            None => None,
        };
        let mut values = vec![Value::Null; self.spool.columns.len()];
        for (field, found) in self.header.uses.iter().enumerate() {
            if let Use::Column(place) = *found {
                let text = record.get(field).unwrap_or_default();
                let kind = self.spool.columns[place].0.kind;
                values[place] = self
                    .value(kind, text)
                    .map_err(|(expected, text)| self.bad(line, field, &expected, &text))?;
            }
        }
        if let Some((state, event)) = self.state {
            let waits = record.get(event).is_some_and(|event| !event.is_empty());
            values[state] = Value::Text(if waits { "WAITING" } else { "ON CPU" }.into());
        }
        if let Some((kind, session_type)) = self.kind {
            // recursive sessions are in no view
            values[kind] = match record.get(session_type).as_deref() {
                Some("FOREGROUND") => Value::Text("USER".into()),
                Some("BACKGROUND") => Value::Text("BACKGROUND".into()),
                _ => Value::Null,
            };
        }
        if let Some(active) = self.active {
            values[active] = Value::Bool(true);
        }
        for ((_, builder), value) in self.spool.columns.iter_mut().zip(&values) {
            builder.append(value);
        }
        self.spool.ids.push(id);
        self.spool.moments.push(moment);
        self.spool.lines.push(line);
        Ok(())
    }

    /// Whether a row is of the instance wanted.
    fn is_of_instance(&mut self, record: &Record) -> Result<bool, BackfillError> {
        let Some(field) = self.header.place(Use::InstanceNumber) else {
            return Ok(true);
        };
        let text = record.get(field).unwrap_or_default();
        let number: u64 = text
            .parse()
            .map_err(|_| self.bad(record.line, field, "a whole number", &text))?;
        let wanted = *self.instance.get_or_insert(number);
        if wanted != number && !self.said {
            return Err(BackfillError::Usage(format!(
                "{}: rows of instances {wanted} and {number}; say with --instance-number which one, and import each by itself",
                self.path.display()
            )));
        }
        Ok(wanted == number)
    }

    fn moment(&self, record: &Record) -> Result<Moment, BackfillError> {
        let line = record.line;
        let utc = self.header.place(Use::TimeUtc);
        let utc = utc.and_then(|field| Some((field, record.get(field).filter(|t| !t.is_empty())?)));
        let (field, text, zone) = match (utc, self.header.place(Use::Time)) {
            (Some((field, text)), _) => (field, text, Some(&TimeZone::UTC)),
            (None, Some(field)) => (field, record.get(field).unwrap_or_default(), self.zone),
            (None, None) => (0, String::new(), None),
        };
        let spoken = times::parse(&text).ok_or_else(|| self.bad(line, field, FORMATS, &text))?;
        let Some(zone) = spoken.zone.as_ref().or(zone) else {
            return Err(BackfillError::Usage(format!(
                "{}: line {line}: {text:?} names no zone; say with --time-zone in which the database's host was, e.g. Europe/Berlin",
                self.path.display()
            )));
        };
        let expected = "a time that clocks showed: they were set forward over this one";
        spoken
            .moment(zone)
            .ok_or_else(|| self.bad(line, field, expected, &text))
    }

    /// A field's value; what was expected, and the text, if it is none.
    fn value(&self, kind: Kind, text: String) -> Result<Value<'static>, (String, String)> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let bad = |expected: &str, text: String| Err((expected.to_owned(), text));
        match kind {
            Kind::Text | Kind::Address => Ok(Value::Text(text.into())),
            // -1 is how the view says "none"
            Kind::U32 | Kind::U64 if text == "-1" => Ok(Value::Null),
            Kind::U32 => match text.parse::<u32>() {
                Ok(number) => Ok(Value::Uint(number.into())),
                Err(_) => bad(
                    "a whole number up to 4294967295 (SQL*Plus: SET NUMWIDTH 20)",
                    text,
                ),
            },
            Kind::U64 => match text.parse::<u64>() {
                Ok(number) => Ok(Value::Uint(number)),
                Err(_) => bad("a whole number (SQL*Plus: SET NUMWIDTH 20)", text),
            },
            Kind::I64 => match text.parse::<i64>() {
                Ok(number) => Ok(Value::Int(number)),
                Err(_) => bad("a whole number (SQL*Plus: SET NUMWIDTH 20)", text),
            },
            Kind::Bool => match text.to_ascii_uppercase().as_str() {
                "Y" | "YES" | "TRUE" | "1" => Ok(Value::Bool(true)),
                "N" | "NO" | "FALSE" | "0" => Ok(Value::Bool(false)),
                _ => bad("Y or N", text),
            },
            Kind::Time => {
                let Some(spoken) = times::parse(&text) else {
                    // NLS_DATE_FORMAT's default leaves the time of day away: not known then
                    return match times::is_date(&text) {
                        true => Ok(Value::Null),
                        false => bad(FORMATS, text),
                    };
                };
                let utc = TimeZone::UTC;
                let zone = spoken.zone.as_ref().or(self.zone).unwrap_or(&utc);
                // of two, the first: this is a detail of a row, not its time
                Ok(match spoken.moment(zone) {
                    Some(Moment::At(us) | Moment::Either(us, _)) => {
                        Value::Time(us.div_euclid(1_000_000))
                    }
                    None => Value::Null,
                })
            }
        }
    }
}
