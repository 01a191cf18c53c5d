//! A draft blueprint from what sources say and the hints for their release.
//!
//! Columns, row sizes, fixed variables and names come from executable, spool or traces; members that
//! are no columns, arrays, rules and codes from hints. Where both speak of the same bytes the source
//! is right and the hint is recorded as absent, with the reason. What no source gives is listed under
//! `x-partial`.
//!
//! It reads no memory. Callers: `cli`, `sample` (attach without a registered blueprint).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::banner::{Banner, banner};
use super::checks;
use super::columns;
use super::elf::ExeReader;
use super::error::ExtractError;
use super::facts::{Facts, Said, Table, Variable};
use super::hints::{Amendment, HintField, HintStruct, Hints, HintsFile, Place};
use super::kqf;
use super::model::{
    AbsentColumn, Anchor, Array, ArrayLayout, Blueprint, Dictionaries, Field, Identity,
    SCHEMA_VERSION, Source, SourceKind, Status, Struct,
};
use super::runs;

/// Id of the executable among the sources.
const EXECUTABLE: &str = "executable";
/// The platform where no source names it.
const UNKNOWN_PORT: &str = "unknown";
/// The table without which nothing can be read.
const SESSIONS: &str = "X$KSUSE";

/// Extracts a draft blueprint from the executable at `path`.
///
/// # Errors
/// The file isn't a readable `oracle` executable, contradicts itself, is of a release without
/// hints, or the result breaks a semantic rule.
pub fn from_executable(path: &Path, hints: &Hints) -> Result<Blueprint, ExtractError> {
    assemble(&executable(path, hints)?, hints)
}

/// What the executable at `path` says. The hints tell which tables are needed.
///
/// # Errors
/// The file isn't a readable `oracle` executable, contradicts itself, or is of a release without
/// hints.
pub fn executable(path: &Path, hints: &Hints) -> Result<Facts, ExtractError> {
    let exe = ExeReader::open(path)?;
    let symbols = exe.symbols(kqf::SYMBOLS)?;
    kqf::require(&exe, &symbols)?;
    let texts = banner(&exe)?;
    let hints = hints.for_release(&texts.release)?;
    let tables = |optional: bool| -> Vec<&str> {
        let structs = hints.structs.iter().filter(|s| s.optional || !optional);
        structs.filter_map(|s| s.table.as_deref()).collect()
    };
    let said = |value: String| Said::new(value, EXECUTABLE);
    let mut facts = Facts {
        sources: vec![source(&exe, &texts)],
        build_id: exe.build_id().map(str::to_owned).map(said),
        port: Some(said(exe.port().to_owned())),
        ..Facts::default()
    };
    for table in kqf::tables(&exe, &symbols, &tables(false), &tables(true))? {
        if !kqf::row_size_fits(&table) {
            let found = table.rsz.to_string();
            return Err(exe.damaged(table.name, 0, "a row size within reason", found));
        }
        let name = table.name.clone();
        facts.tables.insert(name, Table::new(table, EXECUTABLE));
    }
    let statistics = kqf::statistics(&exe, &symbols)?;
    facts.statistics = (!statistics.is_empty()).then(|| Said::new(statistics, EXECUTABLE));
    for symbol in symbols.absolute {
        let variable = Variable {
            address: symbol.value,
            size: symbol.size,
            ctype: None,
        };
        // A name may stand twice; the first one is what a debugger shows.
        facts
            .variables
            .entry(symbol.name)
            .or_insert_with(|| Said::new(variable, EXECUTABLE));
    }
    facts.release = Some(said(texts.release));
    facts.banner = texts.banner.map(said);
    Ok(facts)
}

fn source(exe: &ExeReader, texts: &Banner) -> Source {
    let label = texts
        .label
        .as_deref()
        .map(|l| format!(", {l}"))
        .unwrap_or_default();
    Source {
        id: EXECUTABLE.into(),
        kind: SourceKind::Executable,
        // The build-id identifies it; hashing half a gigabyte would add nothing.
        sha256: None,
        // Only the file's name: a blueprint is the same wherever the software is installed.
        detail: format!(
            "{}{label}",
            exe.path().file_name().unwrap_or_default().display()
        ),
    }
}

/// A draft blueprint from the facts of one source, or of several merged.
///
/// # Errors
/// No source names the release or shows X$KSUSE's columns, there are no hints for the release, or
/// the result breaks a semantic rule.
pub fn assemble(facts: &Facts, hints: &Hints) -> Result<Blueprint, ExtractError> {
    let release = facts.release.as_ref().ok_or(ExtractError::Missing {
        what: "the release",
        advice: "add the executable, a trace with its header, or V$INSTANCE",
    })?;
    if !facts.tables.contains_key(SESSIONS) {
        return Err(ExtractError::Missing {
            what: "the columns of X$KSUSE",
            advice: "add the executable, or a spool of X$KQFTA and X$KQFCO",
        });
    }
    let blueprint = build(facts, &release.value, &hints.for_release(&release.value)?);
    let findings = checks::check(&blueprint, &[]);
    match findings
        .iter()
        .find(|f| f.severity == checks::Severity::Error)
    {
        None => Ok(blueprint),
        Some(finding) => Err(ExtractError::Incoherent {
            origin: facts
                .sources
                .iter()
                .map(|s| s.detail.as_str())
                .collect::<Vec<_>>()
                .join(" and "),
            finding: finding.to_string(),
        }),
    }
}

fn build(facts: &Facts, release: &str, hints: &HintsFile) -> Blueprint {
    let text = |said: &Option<Said<String>>| said.as_ref().map(|s| s.value.clone());
    let anchors = anchors(facts, hints);
    let mut structs = structs(facts, hints, &anchors);
    let mut partial = Vec::new();
    let arrays = arrays(facts, hints, &anchors, &structs, &mut partial);
    drop_dangling(&mut structs);
    let mut sources = facts.sources.clone();
    sources.extend(hints.sources.iter().cloned());
    let identity = Identity {
        build_id: text(&facts.build_id),
        release: release.to_owned(),
        port: text(&facts.port).unwrap_or_else(|| UNKNOWN_PORT.to_owned()),
        banner: text(&facts.banner),
    };
    Blueprint {
        schema: SCHEMA_VERSION.into(),
        id: id(facts, &identity),
        status: Status::Draft,
        identity,
        sources,
        charset: text(&facts.charset),
        anchors,
        structs,
        arrays,
        rules: hints.rules.clone(),
        dictionaries: dictionaries(facts, hints),
        extra: extra(facts, hints, partial),
    }
}

/// `19.3.0.0.0-linux-x86-64-<first 12 digits of the build-id>`; without a build-id the kind and the
/// digest of the first source that has one.
fn id(facts: &Facts, identity: &Identity) -> String {
    let port = identity.port.to_ascii_lowercase().replace(' ', "-");
    let short = |hex: &str| hex.get(..12).unwrap_or(hex).to_owned();
    let tail = match &identity.build_id {
        Some(hex) => short(hex),
        None => facts
            .sources
            .iter()
            .find_map(|s| Some(format!("{}-{}", s.id, short(s.sha256.as_deref()?))))
            .unwrap_or_else(|| "no-build-id".to_owned()),
    };
    format!("{}-{port}-{tail}", identity.release)
}

fn anchors(facts: &Facts, hints: &HintsFile) -> Vec<Anchor> {
    let anchor = |name: &String| {
        facts.variables.get(name).map(|said| Anchor {
            name: name.clone(),
            address: said.value.address,
            size: said.value.size,
            ctype: said.value.ctype.clone(),
            source: said.source().to_owned(),
        })
    };
    hints.anchors.iter().filter_map(anchor).collect()
}

fn structs(facts: &Facts, hints: &HintsFile, anchors: &[Anchor]) -> Vec<Struct> {
    let mut out = Vec::new();
    for hint in &hints.structs {
        let table = hint.table.as_ref().and_then(|name| facts.tables.get(name));
        let mut strukt = match table {
            Some(table) => columns::structure(table, &hint.name),
            None => Struct {
                name: hint.name.clone(),
                table: hint.table.clone(),
                size: anchor_size(hint, anchors),
                fields: Vec::new(),
                absent: Vec::new(),
                guard: None,
            },
        };
        strukt.guard = hint.guard;
        for amendment in hints.amend.iter().filter(|a| a.strukt == hint.name) {
            amend(&mut strukt, amendment);
        }
        add_members(&mut strukt, hint);
        out.push(strukt);
    }
    out
}

/// The arrays that can be found; for those that can't, runs of the row addresses that a spool gives.
fn arrays(
    facts: &Facts,
    hints: &HintsFile,
    anchors: &[Anchor],
    structs: &[Struct],
    partial: &mut Vec<String>,
) -> Vec<Array> {
    let mut out = Vec::new();
    for hint in &hints.arrays {
        let row = structs.iter().find(|s| s.name == hint.row);
        if let Some(array) = array(hint, anchors, row) {
            out.push(array);
            continue;
        }
        let table = row.and_then(|s| s.table.as_deref());
        let known = table
            .and_then(|t| facts.rows.get(t))
            .filter(|_| row.is_some_and(|s| s.size > 0));
        match known {
            Some(rows) => {
                let runs = runs::runs(&rows.value);
                partial.push(format!(
                    "array {}: its addresses hold until the instance is started again",
                    hint.name
                ));
                out.push(Array {
                    layout: ArrayLayout::Runs { runs },
                    ..hint.clone()
                });
            }
            None => partial.push(format!(
                "array {}: no source gives the way to its rows",
                hint.name
            )),
        }
    }
    out
}

fn dictionaries(facts: &Facts, hints: &HintsFile) -> Dictionaries {
    let mut out = hints.dictionaries.clone();
    if let Some(statistics) = facts
        .statistics
        .as_ref()
        .filter(|_| out.statistics.is_empty())
    {
        out.statistics.clone_from(&statistics.value);
    }
    if let Some(events) = &facts.events {
        out.events.clone_from(&events.value);
    }
    if let Some(commands) = &facts.commands {
        out.commands.extend(commands.value.clone());
    }
    out
}

/// What isn't needed to read, but worth keeping.
fn extra(
    facts: &Facts,
    hints: &HintsFile,
    mut partial: Vec<String>,
) -> BTreeMap<String, serde_json::Value> {
    let mut out = BTreeMap::new();
    if let Some(areas) = &facts.areas {
        let value = json!({"source": areas.source(), "areas": areas.value});
        out.insert("x-areas".to_owned(), value);
    }
    let mut columns = BTreeMap::new();
    for name in hints.structs.iter().filter_map(|s| s.table.as_ref()) {
        let Some(table) = facts.tables.get(name) else {
            partial.push(format!("{name}: no source shows its columns"));
            continue;
        };
        for (column, values) in &table.extra {
            columns.insert(format!("{name}.{column}"), values);
        }
    }
    if !columns.is_empty() {
        out.insert("x-columns".to_owned(), json!(columns));
    }
    if !partial.is_empty() {
        out.insert("x-partial".to_owned(), json!(partial));
    }
    out
}

fn anchor_size(hint: &HintStruct, anchors: &[Anchor]) -> u64 {
    let name = hint.anchor.as_deref();
    anchors
        .iter()
        .find(|a| Some(a.name.as_str()) == name)
        .map_or(0, |a| a.size)
}

fn amend(strukt: &mut Struct, amendment: &Amendment) {
    let Some(field) = strukt.fields.iter_mut().find(|f| f.name == amendment.field) else {
        return;
    };
    field.stored = amendment.stored.unwrap_or(field.stored);
    field.to = amendment.to.clone().or_else(|| field.to.take());
    field.alternatives.extend(&amendment.alternatives);
    field.accept = amendment.accept.or(field.accept);
    let before = field
        .evidence
        .take()
        .map(|e| format!("{e}; "))
        .unwrap_or_default();
    field.evidence = Some(before + &amendment.evidence);
}

fn add_members(strukt: &mut Struct, hint: &HintStruct) {
    for member in &hint.fields {
        if strukt.field(&member.name).is_some() {
            continue;
        }
        strukt.absent.retain(|column| column.name != member.name);
        match resolve(strukt, member) {
            Ok(field) => strukt.fields.push(field),
            Err(reason) => {
                strukt.absent.push(AbsentColumn {
                    name: member.name.clone(),
                    reason,
                });
            }
        }
    }
    for column in &hint.absent {
        let stored = strukt.field(&column.name).is_some();
        if !stored && strukt.absent.iter().all(|known| known.name != column.name) {
            strukt.absent.push(column.clone());
        }
    }
    strukt.fields.sort_by_key(|f| f.offset);
}

/// The field of a hinted member, or why it has no place.
fn resolve(strukt: &Struct, member: &HintField) -> Result<Field, String> {
    let offset = match &member.at {
        Place::Offset { offset } => *offset,
        Place::Relative { relative_to, delta } => {
            let anchor = strukt.field(relative_to).ok_or_else(|| {
                format!("its place is counted from {relative_to}, which isn't stored")
            })?;
            anchor
                .offset
                .checked_add_signed(*delta)
                .ok_or_else(|| format!("{delta} bytes from {relative_to} lie before the row"))?
        }
    };
    let end = offset.checked_add(member.size);
    if !end.is_some_and(|end| strukt.size == 0 || end <= strukt.size) {
        return Err(format!("offset {offset} is past the {} bytes", strukt.size));
    }
    let field = field(member, offset);
    match strukt
        .fields
        .iter()
        .find(|other| checks::overlaps(other, &field))
    {
        Some(other) => Err(format!("offset {offset} holds {}", other.name)),
        None => Ok(field),
    }
}

fn field(member: &HintField, offset: u64) -> Field {
    Field {
        name: member.name.clone(),
        offset,
        size: member.size,
        stored: member.stored,
        max: member.max,
        to: member.to.clone(),
        alternatives: member.alternatives.clone(),
        scan: member.scan,
        accept: Some(member.accept),
        source: member.source.clone(),
        confidence: member.confidence,
        evidence: Some(member.evidence.clone()),
    }
}

/// An array whose anchor exists; a flat one of stride 0 takes the row's size.
fn array(hint: &Array, anchors: &[Anchor], row: Option<&Struct>) -> Option<Array> {
    let mut array = hint.clone();
    let has = |name: &str| anchors.iter().any(|a| a.name == name);
    match &mut array.layout {
        ArrayLayout::Pointers { base, count } => {
            if !has(&base.anchor) || !has(&count.anchor) {
                return None;
            }
        }
        ArrayLayout::Flat { base, stride, .. } => {
            if !has(&base.anchor) {
                return None;
            }
            if *stride == 0 {
                *stride = row.map(|s| s.size).filter(|&size| size > 0)?;
            }
        }
        ArrayLayout::Runs { .. } => {}
    }
    // An ordinal that the rows don't hold can't be tested.
    let ordinal = array.ordinal.as_deref();
    let tested = ordinal.is_none_or(|name| row.is_some_and(|s| s.field(name).is_some()));
    tested.then_some(array)
}

/// Pointers to structures that nobody described point to nothing in particular.
fn drop_dangling(structs: &mut [Struct]) {
    let names: Vec<String> = structs.iter().map(|s| s.name.clone()).collect();
    for field in structs.iter_mut().flat_map(|s| &mut s.fields) {
        if field.to.as_ref().is_some_and(|to| !names.contains(to)) {
            field.to = None;
        }
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
