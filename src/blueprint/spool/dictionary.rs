//! From rows of spooled tables to facts: joins, numbers, lists by their numbers.
//!
//! It reads no file. Callers: `spool`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::banner;
use super::super::facts::{Area, Facts, Said, Table, Variable, ViewText};
use super::super::kqf::{KqfColumn, KqfTable, MAX_STATISTICS, row_size_fits};
use super::super::model::{EventName, Source, StatisticName};
use super::super::view_text;
use super::files::{Content, Kind, Row};
use super::{SpoolError, Wanted};

/// Largest number of a list that is told by number (events, statistics).
const MAX_NUMBER: u64 = MAX_STATISTICS as u64;

/// One file's rows, with the words for errors about them.
struct Part<'a> {
    path: &'a Path,
    rows: &'a Content,
}

impl Part<'_> {
    fn form(&self, row: &Row, expected: String, found: &str) -> SpoolError {
        SpoolError::Form {
            path: self.path.to_owned(),
            line: row.line,
            expected,
            found: format!("{found:?}"),
        }
    }

    /// A whole number; NULL and a missing column are `None`.
    fn number(&self, row: &Row, name: &str) -> Result<Option<u64>, SpoolError> {
        let Some(text) = row.text(name) else {
            return Ok(None);
        };
        let number = text.parse().map(Some);
        number.map_err(|_| self.form(row, format!("a whole number in {name}"), text))
    }

    fn needed(&self, row: &Row, name: &str) -> Result<u64, SpoolError> {
        let number = self.number(row, name)?;
        number.ok_or_else(|| self.form(row, format!("a whole number in {name}"), ""))
    }

    /// A number of few bits, e.g. KQFCODTY.
    fn small<T: TryFrom<u64> + Default>(&self, row: &Row, name: &str) -> Result<T, SpoolError> {
        let Some(number) = self.number(row, name)? else {
            return Ok(T::default());
        };
        T::try_from(number).map_err(|_| {
            let text = number.to_string();
            self.form(row, format!("a number within bounds in {name}"), &text)
        })
    }

    fn address(&self, row: &Row, name: &str) -> Result<u64, SpoolError> {
        let text = row.text(name).unwrap_or_default();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        u64::from_str_radix(digits, 16)
            .map_err(|_| self.form(row, format!("an address in hex in {name}"), text))
    }

    fn name(&self, row: &Row, column: &str) -> Result<String, SpoolError> {
        let name = row.text(column).map(str::to_owned);
        name.ok_or_else(|| self.form(row, format!("a name in {column}"), ""))
    }

    /// A list in the order of its numbers, each once; numbers that are missing give the default.
    fn by_number<T: Default + Clone>(
        &self,
        number: &str,
        each: impl Fn(&Row) -> Result<T, SpoolError>,
    ) -> Result<Vec<T>, SpoolError> {
        let mut found: BTreeMap<u64, T> = BTreeMap::new();
        for row in self.rows {
            let at = self.needed(row, number)?;
            if at >= MAX_NUMBER || found.insert(at, each(row)?).is_some() {
                let expected = format!("each {number} once and below {MAX_NUMBER}");
                return Err(self.form(row, expected, &at.to_string()));
            }
        }
        let len = found.last_key_value().map_or(0, |(last, _)| last + 1);
        let mut out = vec![T::default(); len as usize];
        for (at, value) in found {
            out[at as usize] = value;
        }
        Ok(out)
    }
}

/// The facts of all files.
pub fn facts(
    directory: &Path,
    source: Source,
    contents: Vec<(Kind, PathBuf, Content)>,
    wanted: &Wanted,
) -> Result<Facts, SpoolError> {
    let id = source.id.clone();
    let part = |wanted: Kind| {
        contents
            .iter()
            .find(|(kind, ..)| *kind == wanted)
            .map(|(_, path, rows)| Part { path, rows })
    };
    let said = |value: String| Said::new(value, &id);
    let mut facts = Facts {
        release: release(part(Kind::Instance), part(Kind::Version)).map(said),
        banner: first(part(Kind::Version), "BANNER").map(said),
        port: first(part(Kind::Database), "PLATFORM_NAME").map(|p| said(port(&p))),
        db_name: part(Kind::Parameters).and_then(db_name).map(said),
        charset: part(Kind::Nls).and_then(charset).map(said),
        sources: vec![source],
        ..Facts::default()
    };
    if let Some(part) = part(Kind::Variables) {
        facts.variables = variables(&part, &id)?;
    }
    if let (Some(tables), Some(columns)) = (part(Kind::Tables), part(Kind::Columns)) {
        facts.tables = join(directory, &tables, &columns, (&id, wanted.tables))?;
    }
    if let Some(part) = part(Kind::Statistics) {
        facts.statistics = Some(Said::new(statistics(&part)?, &id));
    }
    if let Some(part) = part(Kind::Events) {
        facts.events = Some(Said::new(events(&part)?, &id));
    }
    if let Some(part) = part(Kind::Commands) {
        facts.commands = Some(Said::new(commands(&part)?, &id));
    }
    if let Some(part) = part(Kind::Areas) {
        facts.areas = Some(Said::new(areas(&part)?, &id));
    }
    if let Some(part) = part(Kind::Views) {
        facts.views = views(&part, &id, wanted.views)?;
    }
    for kind in [Kind::Sessions, Kind::Processes] {
        if let Some(part) = part(kind) {
            let rows = Said::new(addresses(&part)?, &id);
            facts.rows.insert(kind.table().to_owned(), rows);
        }
    }
    Ok(facts)
}

fn first(part: Option<Part>, column: &str) -> Option<String> {
    let row = part?.rows.first()?;
    row.text(column).map(str::to_owned)
}

/// VERSION_FULL (18c on), else the version line of the banner, else VERSION, which before 18c is the
/// full release.
fn release(instance: Option<Part>, version: Option<Part>) -> Option<String> {
    let row = instance.as_ref().and_then(|part| part.rows.first());
    let column = |name| row.and_then(|row: &Row| row.text(name)).map(str::to_owned);
    let banners = version.iter().flat_map(|part| part.rows);
    let texts = banners.filter_map(|row| row.text("BANNER_FULL").or(row.text("BANNER")));
    let banner = || banner::of_lines(texts.flat_map(str::lines)).map(|b| b.release);
    column("VERSION_FULL")
        .or_else(banner)
        .or_else(|| column("VERSION"))
}

/// V$DATABASE.PLATFORM_NAME in this program's words.
fn port(platform: &str) -> String {
    match platform {
        "Linux x86 64-bit" => "Linux x86-64".to_owned(),
        "Linux ARM 64-bit" | "Linux AARCH64" => "Linux aarch64".to_owned(),
        other => other.to_owned(),
    }
}

fn charset(part: Part) -> Option<String> {
    valued(part, "PARAMETER", "NLS_CHARACTERSET")
}

fn db_name(part: Part) -> Option<String> {
    valued(part, "NAME", "db_name")
}

/// VALUE of the row of this name.
fn valued(part: Part, column: &str, name: &str) -> Option<String> {
    let row = part
        .rows
        .iter()
        .find(|row| row.text(column) == Some(name))?;
    row.text("VALUE").map(str::to_owned)
}

fn variables(part: &Part, id: &str) -> Result<BTreeMap<String, Said<Variable>>, SpoolError> {
    let mut out = BTreeMap::new();
    for row in part.rows {
        let variable = Variable {
            address: part.address(row, "KSMFSADR")?,
            size: part.number(row, "KSMFSSIZ")?.unwrap_or_default(),
            ctype: row.text("KSMFSTYP").map(str::to_owned),
        };
        out.insert(part.name(row, "KSMFSNAM")?, Said::new(variable, id));
    }
    Ok(out)
}

fn addresses(part: &Part) -> Result<Vec<u64>, SpoolError> {
    let mut rows = Vec::with_capacity(part.rows.len());
    for row in part.rows {
        rows.push((part.needed(row, "INDX")?, part.address(row, "ADDR")?));
    }
    rows.sort_unstable();
    Ok(rows.into_iter().map(|(_, address)| address).collect())
}

fn statistics(part: &Part) -> Result<Vec<StatisticName>, SpoolError> {
    let mut out = part.by_number("STATISTIC#", |row| {
        Ok(Some(StatisticName {
            name: part.name(row, "NAME")?,
            class: part
                .number(row, "CLASS")?
                .and_then(|c| u32::try_from(c).ok()),
        }))
    })?;
    let nameless = || StatisticName {
        name: String::new(),
        class: None,
    };
    Ok(out.drain(..).map(|s| s.unwrap_or_else(nameless)).collect())
}

fn events(part: &Part) -> Result<Vec<EventName>, SpoolError> {
    let mut out = part.by_number("EVENT#", |row| {
        let text = |name| row.text(name).unwrap_or_default().to_owned();
        Ok(Some(EventName {
            name: part.name(row, "NAME")?,
            parameters: [text("PARAMETER1"), text("PARAMETER2"), text("PARAMETER3")],
            wait_class_no: part.small(row, "WAIT_CLASS#")?,
        }))
    })?;
    let nameless = || EventName {
        name: String::new(),
        parameters: Default::default(),
        wait_class_no: 0,
    };
    Ok(out.drain(..).map(|e| e.unwrap_or_else(nameless)).collect())
}

fn commands(part: &Part) -> Result<BTreeMap<u32, String>, SpoolError> {
    let mut out = BTreeMap::new();
    for row in part.rows {
        // Codes without a name (0 and others) are listed too.
        if let Some(name) = row.text("COMMAND_NAME") {
            out.insert(part.small(row, "COMMAND_TYPE")?, name.to_owned());
        }
    }
    Ok(out)
}

/// The texts of wanted views. COMPLETE says what SQL knows; a text of the length at which it is cut,
/// or that ends in the middle, isn't complete whatever it says.
fn views(
    part: &Part,
    id: &str,
    wanted: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Said<ViewText>>, SpoolError> {
    let mut out = BTreeMap::new();
    for row in part.rows {
        let name = part.name(row, "VIEW_NAME")?;
        if !wanted.contains(name.as_str()) {
            continue;
        }
        let text = part.name(row, "VIEW_DEFINITION")?;
        let complete = row.text("COMPLETE") != Some("N")
            && text.len() < view_text::CUT
            && view_text::lacks(&text).is_none();
        out.insert(name, Said::new(ViewText { text, complete }, id));
    }
    Ok(out)
}

fn areas(part: &Part) -> Result<Vec<Area>, SpoolError> {
    let area = |row: &Row| {
        Ok(Area {
            name: part.name(row, "AREA NAME")?,
            shmid: part.small(row, "SHMID")?,
            address: part.address(row, "START ADDR")?,
            bytes: part.needed(row, "SEGMENT SIZE")?,
        })
    };
    part.rows.iter().map(area).collect()
}

/// X$KQFTA with X$KQFCO by both keys.
fn join(
    directory: &Path,
    tables: &Part,
    columns: &Part,
    (id, wanted): (&str, &BTreeSet<&str>),
) -> Result<BTreeMap<String, Table>, SpoolError> {
    let by_index = index(columns, "KQFCOTAB")?;
    let by_object = index(columns, "KQFCOTOB")?;
    let none = Vec::new();
    let mut out = BTreeMap::new();
    for row in tables.rows {
        let name = tables.name(row, "KQFTANAM")?;
        // The others may be as odd as they like.
        if !wanted.contains(name.as_str()) {
            continue;
        }
        let object: u32 = tables.small(row, "KQFTAOBJ")?;
        let stated = tables.number(row, "KQFTACOC")?;
        let by_index = by_index.get(&tables.needed(row, "INDX")?).unwrap_or(&none);
        let by_object = by_object.get(&u64::from(object)).unwrap_or(&none);
        let Some(chosen) = choose(by_index, by_object, stated) else {
            return Err(SpoolError::Joins {
                path: directory.to_owned(),
                table: name,
                by_index: by_index.len(),
                by_object: by_object.len(),
                stated: stated.map_or("nothing".into(), |n| n.to_string()),
            });
        };
        let table = KqfTable {
            name: name.clone(),
            strukt: String::new(),
            typ: tables.small(row, "KQFTATYP")?,
            flg: tables.small(row, "KQFTAFLG")?,
            rsz: tables.needed(row, "KQFTARSZ")?,
            obj: object,
            ver: tables.small(row, "KQFTAVER")?,
            columns: Vec::new(),
            functions_known: false,
        };
        if !row_size_fits(&table) {
            let found = table.rsz.to_string();
            return Err(tables.form(row, "a row size within reason".into(), &found));
        }
        out.insert(name, with_columns(table, chosen, columns, id)?);
    }
    Ok(out)
}

fn with_columns(
    mut table: KqfTable,
    rows: &[usize],
    columns: &Part,
    id: &str,
) -> Result<Table, SpoolError> {
    let mut extra = BTreeMap::new();
    for row in rows.iter().map(|&at| &columns.rows[at]) {
        let column = column(columns, row)?;
        if !row.extra.is_empty() {
            extra.insert(column.name.clone(), row.extra.clone());
        }
        table.columns.push(column);
    }
    Ok(Table {
        extra,
        ..Table::new(table, id)
    })
}

fn column(part: &Part, row: &Row) -> Result<KqfColumn, SpoolError> {
    Ok(KqfColumn {
        name: part.name(row, "KQFCONAM")?,
        dty: part.small(row, "KQFCODTY")?,
        typ: part.small(row, "KQFCOTYP")?,
        lsz: part.small(row, "KQFCOLSZ")?,
        lof: part.small(row, "KQFCOLOF")?,
        siz: part.small(row, "KQFCOSIZ")?,
        off: part.small(row, "KQFCOOFF")?,
        cop: 0,
    })
}

/// Rows of X$KQFCO by a key, in column order where KQFCOCNO tells it.
fn index(part: &Part, key: &str) -> Result<BTreeMap<u64, Vec<usize>>, SpoolError> {
    let mut out: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
    for (at, row) in part.rows.iter().enumerate() {
        if let Some(table) = part.number(row, key)? {
            let number = part.number(row, "KQFCOCNO")?.unwrap_or_default();
            out.entry(table).or_default().push((number, at));
        }
    }
    let sorted = |(table, mut rows): (u64, Vec<(u64, usize)>)| {
        rows.sort_unstable();
        (table, rows.into_iter().map(|(_, at)| at).collect())
    };
    Ok(out.into_iter().map(sorted).collect())
}

/// The join to believe: both when they agree, else the only one that gives as many columns as stated.
fn choose<'a>(
    by_index: &'a Vec<usize>,
    by_object: &'a Vec<usize>,
    stated: Option<u64>,
) -> Option<&'a Vec<usize>> {
    if by_index == by_object {
        return Some(by_index).filter(|rows| !rows.is_empty());
    }
    let fits = |rows: &&Vec<usize>| {
        !rows.is_empty() && stated.is_none_or(|stated| stated == rows.len() as u64)
    };
    match (
        Some(by_index).filter(|r| fits(r)),
        Some(by_object).filter(|r| fits(r)),
    ) {
        (Some(_), Some(_)) => None,
        (one, other) => one.or(other),
    }
}
