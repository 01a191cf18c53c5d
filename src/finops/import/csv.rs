//! CSV files of the views, told apart by their columns.
//!
//! Columns are those of the Database Reference. Callers: [`super`].

use std::path::Path;

use super::apply::{grant, limit_of, map, put};
use super::{Import, ImportError};
use crate::blueprint::csv::{CsvError, CsvReader, Record};
use crate::finops::directives::Directive;
use crate::finops::mapping::{Attribute, identifier, quoted};

/// A view, and the columns that tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Mappings,
    Priority,
    Privileges,
    Directives,
    Users,
    Roles,
}

const VIEWS: [(View, &[&str]); 6] = [
    (View::Mappings, &["ATTRIBUTE", "VALUE", "CONSUMER_GROUP"]),
    (View::Priority, &["ATTRIBUTE", "PRIORITY"]),
    (View::Privileges, &["GRANTEE", "GRANTED_GROUP"]),
    (View::Directives, &["PLAN", "GROUP_OR_SUBPLAN"]),
    (View::Users, &["USERNAME", "INITIAL_RSRC_CONSUMER_GROUP"]),
    (View::Roles, &["GRANTEE", "GRANTED_ROLE"]),
];

/// Takes a CSV file; false if its first line isn't the header of a known view.
pub(super) fn add(import: &mut Import, text: &str, path: &Path) -> Result<bool, ImportError> {
    let mut csv = CsvReader::new(text.as_bytes());
    let mut record = Record::default();
    // a script may well have no CSV's quotes
    if !matches!(csv.next(&mut record), Ok(true)) {
        return Ok(false);
    }
    let header: Vec<String> = fields(&record).map(|f| f.to_ascii_uppercase()).collect();
    let has = |column: &&str| header.iter().any(|h| h == column);
    let Some((view, _)) = VIEWS.iter().find(|(_, columns)| columns.iter().all(has)) else {
        return Ok(false);
    };
    let failed = |source: CsvError| ImportError::Csv {
        path: path.to_path_buf(),
        source,
    };
    while csv.next(&mut record).map_err(failed)? {
        let row = Row {
            path,
            header: &header,
            line: record.line,
            fields: fields(&record).collect(),
        };
        if row.fields.len() != header.len() {
            let expected = format!("{} fields, as the first line has", header.len());
            return Err(row.wrong(0, &expected, &row.fields.len().to_string()));
        }
        if row
            .get("STATUS")
            .is_some_and(|s| s.eq_ignore_ascii_case("PENDING"))
        {
            import.note(path, row.line, "left out: it is pending");
            continue;
        }
        take(import, *view, &row)?;
        import.taken += 1;
    }
    Ok(true)
}

fn fields(record: &Record) -> impl Iterator<Item = String> + '_ {
    (0..record.len()).map(|i| record.get(i).unwrap_or_default())
}

struct Row<'a> {
    path: &'a Path,
    header: &'a [String],
    line: u64,
    fields: Vec<String>,
}

impl Row<'_> {
    /// The value of a column; none if it is empty or there is no such column.
    fn get(&self, column: &str) -> Option<&str> {
        let at = self.header.iter().position(|h| h == column)?;
        let value = self.fields.get(at)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    fn wrong(&self, field: usize, expected: &str, found: &str) -> ImportError {
        ImportError::Content {
            path: self.path.to_path_buf(),
            line: self.line,
            column: field as u64 + 1,
            expected: expected.to_owned(),
            found: found.chars().take(80).collect(),
        }
    }

    fn bad(&self, column: &str, expected: &str) -> ImportError {
        let at = self.header.iter().position(|h| h == column).unwrap_or(0);
        let found = format!("{:?}", self.fields.get(at).map_or("", String::as_str));
        self.wrong(at, &format!("{expected} for {column}"), &found)
    }

    fn name(&self, column: &str) -> Result<String, ImportError> {
        self.get(column)
            .map(quoted)
            .ok_or_else(|| self.bad(column, "a name"))
    }

    fn flag(&self, column: &str) -> Result<bool, ImportError> {
        match self.get(column).map(str::to_ascii_uppercase).as_deref() {
            None | Some("NO" | "FALSE" | "N") => Ok(false),
            Some("YES" | "TRUE" | "Y") => Ok(true),
            Some(_) => Err(self.bad(column, "YES, NO, TRUE or FALSE")),
        }
    }

    fn number(&self, column: &str) -> Result<Option<u64>, ImportError> {
        let Some(text) = self.get(column) else {
            return Ok(None);
        };
        let number: i64 = text
            .parse()
            .map_err(|_| self.bad(column, "a whole number"))?;
        // UNLIMITED is null in the view; a negative number is none either
        Ok(u64::try_from(number).ok())
    }
}

fn take(import: &mut Import, view: View, row: &Row<'_>) -> Result<(), ImportError> {
    let file = &mut import.file;
    match view {
        View::Mappings => {
            let known = Attribute::ALL.map(Attribute::name).join(", ");
            let attribute = row.get("ATTRIBUTE").and_then(Attribute::named);
            let attribute =
                attribute.ok_or_else(|| row.bad("ATTRIBUTE", &format!("one of {known}")))?;
            let value = row
                .get("VALUE")
                .ok_or_else(|| row.bad("VALUE", "a value"))?;
            let value = match attribute {
                Attribute::OracleUser => quoted(value),
                _ => value.to_owned(),
            };
            map(
                file,
                attribute,
                value,
                row.get("CONSUMER_GROUP").map(quoted),
            );
        }
        View::Priority => {
            let attribute = row.get("ATTRIBUTE").unwrap_or_default();
            let explicit = attribute.eq_ignore_ascii_case("EXPLICIT");
            if !explicit && Attribute::named(attribute).is_none() {
                let what = format!("left out: attribute {attribute:?} maps nothing here");
                import.note(row.path, row.line, &what);
                return Ok(());
            }
            let number = row.number("PRIORITY")?;
            let number = number.ok_or_else(|| row.bad("PRIORITY", "a number"))?;
            let all = file.priorities.get_or_insert_default();
            all.insert(attribute.to_ascii_lowercase(), number as i64);
        }
        View::Privileges => {
            let (grantee, group) = (row.name("GRANTEE")?, row.name("GRANTED_GROUP")?);
            grant(file, &grantee, &group, row.flag("GRANT_OPTION")?);
            if row.flag("INITIAL_GROUP")? {
                file.users.entry(grantee).or_default().initial_group = Some(group);
            }
        }
        View::Directives => {
            let mut directive = Directive {
                plan: row.name("PLAN")?,
                group: row.name("GROUP_OR_SUBPLAN")?,
                switch_group: row.get("SWITCH_GROUP").map(|g| quoted(&identifier(g))),
                switch_for_call: row.flag("SWITCH_FOR_CALL")?,
                switch_estimate: row.flag("SWITCH_ESTIMATE")?,
                ..Directive::default()
            };
            for column in row.header {
                if let Some(place) = limit_of(&mut directive, column) {
                    *place = row.number(column)?;
                }
            }
            if let Some(seconds) = row.number("SWITCH_TIME_IN_CALL")? {
                (directive.switch_time, directive.switch_for_call) = (Some(seconds), true);
            }
            put(file, directive);
        }
        View::Users => {
            let group = row.get("INITIAL_RSRC_CONSUMER_GROUP").map(quoted);
            file.users
                .entry(row.name("USERNAME")?)
                .or_default()
                .initial_group = group;
        }
        View::Roles => {
            let role = row.name("GRANTED_ROLE")?;
            let roles = &mut file.users.entry(row.name("GRANTEE")?).or_default().roles;
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
    }
    Ok(())
}
