//! A complete draft blueprint from one `oracle` executable and the hints for its release.
//!
//! Columns, row sizes, fixed variables and statistic names come from the executable; members that
//! are no columns, arrays, rules and codes from hints. Where both speak of the same bytes the
//! executable is right and the hint is recorded as absent, with the reason.
//!
//! It reads no memory. Callers: `cli`, `sample` (attach without a registered blueprint).

use std::path::Path;

use super::banner::{Banner, banner};
use super::checks;
use super::columns;
use super::elf::ExeReader;
use super::error::ExtractError;
use super::hints::{Amendment, HintField, HintStruct, Hints, HintsFile, Place};
use super::kqf;
use super::model::{
    AbsentColumn, Anchor, Array, ArrayLayout, Blueprint, Field, Identity, SCHEMA_VERSION, Source,
    SourceKind, Status, Struct,
};
use super::symbols::Symbols;

/// Id of the executable among the sources.
const EXECUTABLE: &str = "executable";

/// Extracts a draft blueprint from the executable at `path`.
///
/// # Errors
/// The file isn't a readable `oracle` executable, contradicts itself, is of a release without
/// hints, or the result breaks a semantic rule.
pub fn from_executable(path: &Path, hints: &Hints) -> Result<Blueprint, ExtractError> {
    let exe = ExeReader::open(path)?;
    let symbols = exe.symbols(kqf::SYMBOLS)?;
    kqf::require(&exe, &symbols)?;
    let texts = banner(&exe)?;
    let hints = hints.for_release(&texts.release)?;
    let blueprint = assemble(&exe, &symbols, &texts, &hints)?;
    let findings = checks::check(&blueprint, &[]);
    match findings
        .iter()
        .find(|f| f.severity == checks::Severity::Error)
    {
        None => Ok(blueprint),
        Some(finding) => Err(ExtractError::Incoherent {
            path: path.to_owned(),
            finding: finding.to_string(),
        }),
    }
}

fn assemble(
    exe: &ExeReader,
    symbols: &Symbols,
    texts: &Banner,
    hints: &HintsFile,
) -> Result<Blueprint, ExtractError> {
    let anchors = anchors(symbols, hints);
    let structs = structs(exe, symbols, hints, &anchors)?;
    let arrays = hints
        .arrays
        .iter()
        .filter_map(|a| array(a, &anchors, &structs))
        .collect();
    let mut dictionaries = hints.dictionaries.clone();
    if dictionaries.statistics.is_empty() {
        dictionaries.statistics = kqf::statistics(exe, symbols)?;
    }
    let mut sources = vec![source(exe, texts)];
    sources.extend(hints.sources.iter().cloned());
    let mut blueprint = Blueprint {
        schema: SCHEMA_VERSION.into(),
        id: id(exe, texts),
        status: Status::Draft,
        identity: Identity {
            build_id: exe.build_id().map(str::to_owned),
            release: texts.release.clone(),
            port: exe.port().into(),
            banner: texts.banner.clone(),
        },
        sources,
        charset: None,
        anchors,
        structs,
        arrays,
        rules: hints.rules.clone(),
        dictionaries,
        extra: std::collections::BTreeMap::new(),
    };
    drop_dangling(&mut blueprint.structs);
    Ok(blueprint)
}

/// `19.3.0.0.0-linux-x86-64-<first 12 digits of the build-id>`.
fn id(exe: &ExeReader, texts: &Banner) -> String {
    let port = exe.port().to_ascii_lowercase().replace(' ', "-");
    let build = exe
        .build_id()
        .map_or("no-build-id", |hex| hex.get(..12).unwrap_or(hex));
    format!("{}-{port}-{build}", texts.release)
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

fn anchors(symbols: &Symbols, hints: &HintsFile) -> Vec<Anchor> {
    let anchor = |name: &String| {
        symbols.fixed(name).map(|symbol| Anchor {
            name: name.clone(),
            address: symbol.value,
            size: symbol.size,
            ctype: None,
            source: EXECUTABLE.into(),
        })
    };
    hints.anchors.iter().filter_map(anchor).collect()
}

fn structs(
    exe: &ExeReader,
    symbols: &Symbols,
    hints: &HintsFile,
    anchors: &[Anchor],
) -> Result<Vec<Struct>, ExtractError> {
    let wanted: Vec<&str> = hints
        .structs
        .iter()
        .filter_map(|s| s.table.as_deref())
        .collect();
    let mut tables = kqf::tables(exe, symbols, &wanted)?.into_iter();
    let mut out = Vec::new();
    for hint in &hints.structs {
        let mut strukt = match hint.table.as_ref().and_then(|_| tables.next()) {
            Some(table) => {
                kqf::check_row_size(exe, &table)?;
                columns::structure(&table, &hint.name, EXECUTABLE)
            }
            None => Struct {
                name: hint.name.clone(),
                table: None,
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
    Ok(out)
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
fn array(hint: &Array, anchors: &[Anchor], structs: &[Struct]) -> Option<Array> {
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
                *stride = structs.iter().find(|s| s.name == hint.row)?.size;
            }
        }
        ArrayLayout::Runs { .. } => {}
    }
    Some(array)
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
