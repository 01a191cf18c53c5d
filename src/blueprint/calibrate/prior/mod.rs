//! Learning with a neighbouring release's blueprint: members kept their order, and most of them their neighbours.
//!
//! What the bytes prove by themselves (slot number, both statements) says for sure how far those members moved. The
//! others are placed between them: by how their bytes look over all rows and rounds ([`super::sight`], [`super::looks`]), and by the
//! distances that neighbours keep ([`align`]). What isn't clearly better than all else is reported as ambiguous and left
//! out. What the prior says besides is taken over where this memory agrees ([`carry`]).
//!
//! Not for: layouts in another order; that is noticed, and nothing is claimed.

pub mod align;
mod carry;
mod fill;
mod place;

use std::time::Instant;

use super::blind::Blind;
use super::calibration::{CalibrateError, Calibration, Settings};
use super::compose::{Draft, strukt};
use super::report::Line;
use crate::blueprint::model::{Blueprint, Confidence, Field, Source, SourceKind, Struct};
use crate::memory::AddressSpace;

pub use fill::fill;
pub use place::{Placed, Verdict};

/// Id of the prior among a blueprint's sources.
pub(super) const SOURCE: &str = "prior";

/// A neighbouring release's blueprint.
#[derive(Clone, Debug)]
pub struct Prior {
    /// The blueprint.
    pub blueprint: Blueprint,
    /// SHA-256 of its file, lower-case hex.
    pub sha256: String,
    /// Name of the instance that is learned, where known: what an identity string must hold.
    pub sid: Option<String>,
}

impl Prior {
    /// The structure of the session rows.
    ///
    /// # Errors
    /// The prior describes none.
    pub fn row(&self) -> Result<&Struct, CalibrateError> {
        let of_array = self.blueprint.array("sessions").map(|a| a.row.as_str());
        self.blueprint
            .strukt(of_array.unwrap_or("ksuse"))
            .filter(|s| !s.fields.is_empty())
            .ok_or_else(|| CalibrateError::PriorWithoutRows(self.blueprint.id.clone()))
    }

    /// The prior as a source of what is taken from it.
    pub(super) fn source(&self) -> Source {
        Source {
            id: SOURCE.into(),
            kind: SourceKind::Prior,
            sha256: Some(self.sha256.clone()),
            detail: format!(
                "blueprint {} of {}, a neighbouring release",
                self.blueprint.id, self.blueprint.identity.release
            ),
        }
    }

    /// A field of the prior at a new place, with what speaks for it.
    pub(super) fn moved(&self, field: &Field, offset: u64, evidence: String) -> Field {
        Field {
            offset,
            alternatives: Vec::new(),
            scan: false,
            source: SOURCE.into(),
            confidence: Confidence::Medium,
            evidence: Some(evidence),
            ..field.clone()
        }
    }
}

/// Learns what the memory proves by itself, then what `prior` and the bytes together leave no doubt of; `pause` is
/// called between the rounds.
///
/// # Errors
/// No array of rows that hold their own numbers; a prior without session rows.
pub fn with_prior(
    space: &dyn AddressSpace,
    settings: Settings,
    prior: &Prior,
    rounds: usize,
    pause: &mut dyn FnMut(),
) -> Result<Calibration, CalibrateError> {
    let began = Instant::now();
    prior.row()?;
    let mut proven = Blind::learn(space, &settings, rounds, pause)?;
    let old = prior.row()?;
    let placed = place::place(space, &proven, old);
    let mut ksuse = std::mem::take(&mut proven.ksuse);
    proven.report.remarks.extend(placed.remarks.clone());
    if !placed.is_neighbour {
        proven.unnamed();
    }
    for one in placed.fields.iter().filter(|_| placed.is_neighbour) {
        proven.report.lines.push(line(one));
        if let Some((offset, why)) = one.certain() {
            ksuse.push(prior.moved(&one.field, offset, why));
        }
    }
    let carried = carry::carry(space, prior, &proven, &mut ksuse, placed.is_neighbour);
    proven.report.remarks.extend(carried.remarks);
    let row = Struct {
        table: old.table.clone(),
        absent: old.absent.clone(),
        ..strukt(&old.name, proven.learner.rows.len as u64, ksuse)
    };
    let draft = Draft {
        detail: format!(
            "{} rounds over {} rows, without truth, from {}",
            proven.report.rounds, proven.report.rows, prior.blueprint.id
        ),
        anchors: carried.anchors,
        structs: std::iter::once(row).chain(carried.structs).collect(),
        layout: carried.layout,
        rules: carried.rules,
        dictionaries: carried.dictionaries,
    };
    let mut blueprint = draft.blueprint(&settings);
    blueprint.sources.push(prior.source());
    blueprint.arrays.extend(carried.arrays);
    blueprint.charset.clone_from(&prior.blueprint.charset);
    let mut report = proven.report;
    report.took(began.elapsed());
    Ok(Calibration { blueprint, report })
}

fn line(one: &Placed) -> Line {
    let certain = one.certain().map(|c| c.0 as u32);
    let alternatives = match &one.verdict {
        Verdict::Open(offsets) => offsets.clone(),
        _ => Vec::new(),
    };
    Line {
        strukt: "ksuse".into(),
        field: one.field.name.clone(),
        columns: Vec::new(),
        verdict: match &one.verdict {
            Verdict::Own { .. } | Verdict::Neighbours { .. } => "learned",
            Verdict::Open(offsets) if offsets.is_empty() => "no evidence",
            Verdict::Open(_) => "ambiguous",
        },
        offset: certain,
        stored: certain.map_or_else(String::new, |_| {
            format!("{:?}", one.field.stored).to_lowercase()
        }),
        agree: match one.verdict {
            Verdict::Own { rows, .. } => rows,
            _ => 0,
        },
        disagree: 0,
        distinct: 0,
        alternatives,
    }
}
