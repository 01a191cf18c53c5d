//! Which fields of a structure share bytes without design: the rule `field-overlap`.
//!
//! Callers: `checks`, `assemble` (a hint must not lie on a column).

use super::checks::{self, Severity};
use super::finding::Findings;
use super::model::{Blueprint, Field, SourceKind, Stored, Struct};

/// After so many overlaps of one structure the rest isn't listed.
const MAX_OVERLAPS: usize = 100;

/// Whether two fields share bytes without design: neither exactly the same bytes under two names
/// (KSUSEP1 and KSUSEP1R), nor parts of one field of raw bytes (a hash and its words).
pub(super) fn overlaps(a: &Field, b: &Field) -> bool {
    let end = |f: &Field| f.offset.saturating_add(f.size);
    let apart = end(a) <= b.offset || end(b) <= a.offset;
    let same = a.offset == b.offset && a.size == b.size;
    let whole = |w: &Field, part: &Field| {
        w.stored == Stored::Raw && w.offset <= part.offset && end(part) <= end(w)
    };
    !(apart || same || whole(a, b) || whole(b, a))
}

/// Overlaps that Oracle's dictionary itself claims of both columns are only warned of.
pub(super) fn check(blueprint: &Blueprint, at: &str, strukt: &Struct, out: &mut Findings) {
    let mut sorted: Vec<(String, &Field)> = checks::fields(at, strukt).collect();
    sorted.sort_by_key(|(_, f)| (f.offset, f.size));
    let mut open: Vec<&Field> = Vec::new();
    let mut found = 0;
    for (at, field) in sorted {
        open.retain(|before| before.offset.saturating_add(before.size) > field.offset);
        for before in open.iter().filter(|before| overlaps(before, field)) {
            let both = from_dictionary(blueprint, field) && from_dictionary(blueprint, before);
            let severity = if both {
                Severity::Warning
            } else {
                Severity::Error
            };
            let message = format!(
                "{} at {} ({} bytes) overlaps {} at {} ({} bytes)",
                field.name, field.offset, field.size, before.name, before.offset, before.size
            );
            out.push("field-overlap", at.clone(), severity, message);
            found += 1;
        }
        if found > MAX_OVERLAPS {
            return;
        }
        open.push(field);
    }
}

/// Whether the field comes from Oracle's own dictionary, in the executable or as it shows itself.
fn from_dictionary(blueprint: &Blueprint, field: &Field) -> bool {
    matches!(
        checks::source_kind(blueprint, &field.source),
        Some(SourceKind::Executable | SourceKind::Spool)
    )
}
