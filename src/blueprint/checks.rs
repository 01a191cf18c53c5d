//! Semantic rules that a schema can't say, each with a name and a JSON pointer in every finding.
//!
//! A blueprint without findings of severity `error` is coherent; that it fits a live instance is
//! proven by `plan` when it binds.
//!
//! Callers: `assemble`, `registry`, `cli` (`blueprint check`).

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Findings;
pub use super::finding::{Finding, Severity};
use super::load::pointer_of;
use super::model::{
    Accept, ArrayLayout, Blueprint, Field, Guard, MemberRef, SourceKind, Status, Stored, Struct,
};
use super::overlap;
use super::stated_checks as stated;
use super::statistics;

/// Names of all rules, in the order in which they run.
pub const RULES: &[&str] = &[
    "identity-complete",
    "name-unique",
    "reference-known",
    "stored-width",
    "size-contains-fields",
    "field-overlap",
    "stride-covers-type",
    "gate-known",
    "guard-supported",
    "text-terminated",
    "anchor-has-accept",
    "invariant-sound",
    "view-text-complete",
    "view-rule-agrees",
    "means-known",
    "provenance-complete",
    "statistic-known",
    "statistic-tree-acyclic",
    "identity-unique",
];

/// Applies every rule for one blueprint. `means` are the lower-case member names that the decoder
/// knows (X$ column names needn't be in it); with an empty list `means-known` is not judged.
pub fn check(blueprint: &Blueprint, means: &[&str]) -> Vec<Finding> {
    let mut out = Findings::default();
    identity_complete(blueprint, &mut out);
    name_unique(blueprint, &mut out);
    reference_known(blueprint, &mut out);
    for (at, strukt) in structs(blueprint) {
        stored_width(&at, strukt, &mut out);
        size_contains_fields(&at, strukt, &mut out);
        overlap::check(blueprint, &at, strukt, &mut out);
    }
    stride_covers_type(blueprint, &mut out);
    gate_known(blueprint, &mut out);
    for (at, strukt) in structs(blueprint) {
        guard_supported(&at, strukt, &mut out);
        text_terminated(&at, strukt, &mut out);
        stated::invariant_sound(&at, strukt, &mut out);
    }
    anchor_has_accept(blueprint, &mut out);
    stated::view_text_complete(blueprint, &mut out);
    stated::view_rule_agrees(blueprint, &mut out);
    means_known(blueprint, means, &mut out);
    provenance_complete(blueprint, &mut out);
    statistics::statistic_known(blueprint, &mut out);
    statistics::statistic_tree_acyclic(blueprint, &mut out);
    out.list
}

/// `identity-unique`: no two blueprints of a registry have the same id or build-id. Pointers begin
/// with the index of the later one.
pub fn check_registry(blueprints: &[&Blueprint]) -> Vec<Finding> {
    let mut out = Findings::default();
    let mut ids = BTreeMap::new();
    let mut builds = BTreeMap::new();
    for (i, blueprint) in blueprints.iter().enumerate() {
        if let Some(first) = ids.insert(blueprint.id.as_str(), i) {
            let message = format!("id {:?} is also that of blueprint {first}", blueprint.id);
            out.error("identity-unique", format!("/{i}/id"), message);
        }
        let Some(build) = blueprint.identity.build_id.as_deref() else {
            continue;
        };
        if let Some(first) = builds.insert(build, i) {
            let message = format!(
                "build-id {build} is also that of {:?}: only one may describe a build",
                blueprints[first].id
            );
            out.error(
                "identity-unique",
                format!("/{i}/identity/build_id"),
                message,
            );
        }
    }
    out.list
}

/// Whether no finding forbids the use of the blueprint.
pub fn usable(findings: &[Finding]) -> bool {
    findings.iter().all(|f| f.severity < Severity::Error)
}

fn structs(blueprint: &Blueprint) -> impl Iterator<Item = (String, &Struct)> {
    blueprint
        .structs
        .iter()
        .enumerate()
        .map(|(i, s)| (format!("/structs/{i}"), s))
}

pub(super) fn fields<'a>(
    at: &str,
    strukt: &'a Struct,
) -> impl Iterator<Item = (String, &'a Field)> {
    strukt
        .fields
        .iter()
        .enumerate()
        .map(move |(i, f)| (format!("{at}/fields/{i}"), f))
}

fn identity_complete(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "identity-complete";
    let identity = &blueprint.identity;
    if let Some(build) = &identity.build_id {
        let hex = build
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex || build.len() < 8 || build.len() % 2 != 0 {
            let message = format!("expected lower-case hex of 4 bytes or more, found {build:?}");
            out.error(RULE, "/identity/build_id".into(), message);
        }
    }
    let dotted = |t: &str| {
        t.split('.').count() >= 2
            && t.split('.')
                .all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
    };
    if !dotted(&identity.release) {
        let message = format!("expected digits and dots, found {:?}", identity.release);
        out.error(RULE, "/identity/release".into(), message);
    }
    for (pointer, text) in [("/identity/port", &identity.port), ("/id", &blueprint.id)] {
        if text.is_empty() {
            out.error(RULE, pointer.into(), "expected text, found none".into());
        }
    }
}

fn name_unique(blueprint: &Blueprint, out: &mut Findings) {
    let mut unique = |at: &str, names: Vec<&str>| {
        let mut seen = BTreeSet::new();
        for (i, name) in names.into_iter().enumerate() {
            if !seen.insert(name) {
                let message = format!("the name {name:?} stands twice in {at}");
                out.error("name-unique", format!("{at}/{i}"), message);
            }
        }
    };
    let Blueprint {
        sources,
        anchors,
        arrays,
        structs: all,
        ..
    } = blueprint;
    unique("/sources", sources.iter().map(|s| &*s.id).collect());
    unique("/anchors", anchors.iter().map(|a| &*a.name).collect());
    unique("/arrays", arrays.iter().map(|a| &*a.name).collect());
    unique("/structs", all.iter().map(|s| &*s.name).collect());
    for (at, strukt) in structs(blueprint) {
        let names = strukt.fields.iter().map(|f| f.name.as_str()).collect();
        unique(&format!("{at}/fields"), names);
    }
}

fn reference_known(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "reference-known";
    for (i, array) in blueprint.arrays.iter().enumerate() {
        let at = format!("/arrays/{i}");
        let Some(row) = blueprint.strukt(&array.row) else {
            let message = format!("no structure {:?} is described", array.row);
            out.error(RULE, format!("{at}/row"), message);
            continue;
        };
        if let Some(name) = array
            .ordinal
            .as_deref()
            .filter(|name| row.field(name).is_none())
        {
            let message = format!("structure {:?} has no field {name:?}", row.name);
            out.error(RULE, format!("{at}/ordinal"), message);
        }
        for (key, member) in members(&array.layout) {
            if let Some(message) = unknown_member(blueprint, member) {
                out.error(RULE, format!("{at}/layout/{key}"), message);
            }
        }
    }
    for (at, strukt) in structs(blueprint) {
        for (at, field) in fields(&at, strukt) {
            let unknown = field
                .to
                .as_deref()
                .filter(|to| blueprint.strukt(to).is_none());
            if let Some(to) = unknown {
                let message = format!("{}: no structure {to:?} is described", field.name);
                out.error(RULE, format!("{at}/to"), message);
            }
        }
    }
}

fn members(layout: &ArrayLayout) -> Vec<(&'static str, &MemberRef)> {
    match layout {
        ArrayLayout::Pointers { base, count } => vec![("base", base), ("count", count)],
        ArrayLayout::Flat { base, .. } => vec![("base", base)],
        ArrayLayout::Runs { .. } => Vec::new(),
    }
}

fn unknown_member(blueprint: &Blueprint, member: &MemberRef) -> Option<String> {
    if blueprint.anchor(&member.anchor).is_none() {
        return Some(format!("no anchor {:?} is described", member.anchor));
    }
    match blueprint.strukt(&member.strukt) {
        None => Some(format!("no structure {:?} is described", member.strukt)),
        Some(strukt) if strukt.field(&member.field).is_none() => Some(format!(
            "structure {:?} has no field {:?}",
            member.strukt, member.field
        )),
        Some(_) => None,
    }
}

fn stored_width(at: &str, strukt: &Struct, out: &mut Findings) {
    for (at, field) in fields(at, strukt) {
        let fits = match field.stored {
            Stored::Uint | Stored::Int => matches!(field.size, 1 | 2 | 4 | 8),
            Stored::Addr | Stored::TextPtr => field.size == 8,
            Stored::Date7 => field.size == 7,
            Stored::Epoch4 | Stored::Packed4 => field.size == 4,
            // Text of size 0 has its length elsewhere: `text-terminated`.
            Stored::Text => true,
            Stored::Raw => field.size > 0,
        };
        if !fits {
            let message = format!(
                "{} can't be {:?} in {} bytes",
                field.name, field.stored, field.size
            );
            out.error("stored-width", format!("{at}/size"), message);
        }
    }
}

fn size_contains_fields(at: &str, strukt: &Struct, out: &mut Findings) {
    for (at, field) in fields(at, strukt) {
        for offset in [field.offset].iter().chain(&field.alternatives) {
            let end = offset.checked_add(field.size);
            let inside = end.is_some_and(|end| strukt.size == 0 || end <= strukt.size);
            if !inside {
                let message = format!(
                    "{} at {offset} with {} bytes ends past {} ({} bytes)",
                    field.name, field.size, strukt.name, strukt.size
                );
                out.error("size-contains-fields", at.clone(), message);
            }
        }
    }
}

pub(super) fn source_kind(blueprint: &Blueprint, id: &str) -> Option<SourceKind> {
    blueprint
        .sources
        .iter()
        .find(|s| s.id == id)
        .map(|s| s.kind)
}

fn stride_covers_type(blueprint: &Blueprint, out: &mut Findings) {
    for (i, array) in blueprint.arrays.iter().enumerate() {
        let Some(row) = blueprint.strukt(&array.row) else {
            continue;
        };
        let ends = row.fields.iter().map(|f| f.offset.saturating_add(f.size));
        let needed = ends.max().unwrap_or(0).max(row.size);
        let strides: Vec<(String, u64)> = match &array.layout {
            ArrayLayout::Pointers { .. } => Vec::new(),
            ArrayLayout::Flat { stride, .. } => vec![("layout/stride".into(), *stride)],
            ArrayLayout::Runs { runs } => runs
                .iter()
                .enumerate()
                .map(|(r, run)| (format!("layout/runs/{r}/stride"), run.stride.unsigned_abs()))
                .collect(),
        };
        for (at, stride) in strides {
            if stride < needed || stride == 0 {
                let message = format!("stride {stride} is less than a row's {needed} bytes");
                out.error("stride-covers-type", format!("/arrays/{i}/{at}"), message);
            }
        }
    }
}

/// Which slots are in use is told by KSSPAFLG and KSUSEFLG (GV$SESSION's own where clause).
fn gate_known(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "gate-known";
    let Some((i, array)) = blueprint
        .arrays
        .iter()
        .enumerate()
        .find(|(_, array)| array.name == "sessions")
    else {
        // One that says so itself serves as a description, and as a prior of calibration.
        let severity = if blueprint.is_partial() {
            Severity::Info
        } else {
            Severity::Error
        };
        let message = "no array `sessions` is described".to_owned();
        out.push(RULE, "/arrays".into(), severity, message);
        return;
    };
    let Some(row) = blueprint.strukt(&array.row) else {
        return;
    };
    for name in ["KSSPAFLG", "KSUSEFLG"] {
        let known = row.field(name).is_some_and(|f| f.stored == Stored::Uint);
        if !known {
            let message = format!("{}: {name} isn't there as an unsigned integer", row.name);
            out.error(RULE, format!("/arrays/{i}/row"), message);
        }
    }
}

fn guard_supported(at: &str, strukt: &Struct, out: &mut Findings) {
    let needs: &[&str] = match strukt.guard {
        Some(Guard::Identity) => &["KSUSESER", "KSUPRSER"],
        Some(Guard::Paired) => &["change_counter"],
        Some(Guard::Word | Guard::Stable) | None => return,
    };
    if !needs.iter().any(|name| strukt.field(name).is_some()) {
        let message = format!(
            "{}: this guard needs a field {}",
            strukt.name,
            needs.join(" or ")
        );
        out.error("guard-supported", format!("{at}/guard"), message);
    }
}

fn text_terminated(at: &str, strukt: &Struct, out: &mut Findings) {
    for (at, field) in fields(at, strukt) {
        let length = format!("{}_len", field.name);
        let problem = match field.stored {
            Stored::Text if field.size == 0 && strukt.field(&length).is_none() => {
                format!("neither a size nor a sibling field {length}")
            }
            Stored::Text if field.size == 0 && field.max.is_none_or(|m| m == 0) => {
                "no `max` to bound the length that is read from the target".to_owned()
            }
            Stored::TextPtr if field.max.is_none_or(|m| m == 0) => {
                "no `max` to bound the text behind the pointer".to_owned()
            }
            _ => continue,
        };
        out.error("text-terminated", at, format!("{}: {problem}", field.name));
    }
}

/// What comes from hints is only believed after a test on live rows.
fn anchor_has_accept(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "anchor-has-accept";
    for (at, strukt) in structs(blueprint) {
        for (at, field) in fields(&at, strukt) {
            let hinted = source_kind(blueprint, &field.source) == Some(SourceKind::Hints);
            let tried = field.scan || !field.alternatives.is_empty();
            if field.accept.is_none() && (hinted || tried) {
                let message = format!("{} comes from hints and has no test", field.name);
                out.error(RULE, at, message);
            }
        }
    }
    for (i, array) in blueprint.arrays.iter().enumerate() {
        let ordinal = array.accept == Some(Accept::SlotOrdinal) && array.ordinal.is_none();
        if array.accept.is_none() || ordinal {
            let message = format!(
                "array {} has no test (slot-ordinal needs `ordinal`)",
                array.name
            );
            out.error(RULE, format!("/arrays/{i}"), message);
        }
    }
}

fn means_known(blueprint: &Blueprint, means: &[&str], out: &mut Findings) {
    if means.is_empty() {
        return;
    }
    for (at, strukt) in structs(blueprint) {
        for (at, field) in fields(&at, strukt) {
            let own = field.name.chars().any(|c| c.is_ascii_lowercase());
            if own && !means.contains(&field.name.as_str()) {
                let message = format!("the decoder knows no member {:?}", field.name);
                out.push(
                    "means-known",
                    pointer_of(&at, "name"),
                    Severity::Warning,
                    message,
                );
            }
        }
    }
}

fn provenance_complete(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "provenance-complete";
    let mut uses: Vec<(String, &str)> = Vec::new();
    for (i, anchor) in blueprint.anchors.iter().enumerate() {
        uses.push((format!("/anchors/{i}/source"), &anchor.source));
    }
    for (name, rule) in &blueprint.rules {
        uses.push((pointer_of("/rules", name) + "/source", &rule.source));
    }
    for (name, view) in &blueprint.views {
        uses.push((pointer_of("/views", name) + "/source", &view.source));
    }
    for (at, strukt) in structs(blueprint) {
        for (i, invariant) in strukt.invariants.iter().enumerate() {
            uses.push((format!("{at}/invariants/{i}/source"), &invariant.source));
        }
        for (at, field) in fields(&at, strukt) {
            uses.push((format!("{at}/source"), &field.source));
            let hinted = source_kind(blueprint, &field.source) == Some(SourceKind::Hints);
            if hinted && field.evidence.as_deref().is_none_or(str::is_empty) {
                let message = format!("{} comes from hints and names no evidence", field.name);
                out.error(RULE, at, message);
            }
        }
    }
    for (pointer, id) in uses {
        if source_kind(blueprint, id).is_none() {
            out.error(RULE, pointer, format!("no source {id:?} is listed"));
        }
    }
    for (i, source) in blueprint.sources.iter().enumerate() {
        if source.detail.is_empty() {
            let message = format!("source {:?} says nothing of itself", source.id);
            out.error(RULE, format!("/sources/{i}/detail"), message);
        }
    }
    let learned = blueprint
        .sources
        .iter()
        .any(|s| s.kind == SourceKind::Calibration);
    if blueprint.status == Status::Calibrated && !learned {
        let message = "calibrated, but no source is a calibration".to_owned();
        out.error(RULE, "/status".into(), message);
    }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
