//! A prior beside a truth: the truth learns, the prior fills gaps.
//!
//! Only members whose neighbours on both sides were learned and moved alike are filled in. Not for: choosing between a
//! truth and a prior; what the truth told stays.

use super::super::calibration::Calibration;
use super::Prior;
use super::place::neighbourhood;
use crate::blueprint::model::{Field, Struct};

/// Adds the prior's members of the session row that the truth left out and their neighbours leave no doubt of.
pub fn fill(calibration: &mut Calibration, prior: &Prior) {
    let remarks = &mut calibration.report.remarks;
    let old = match prior.row() {
        Ok(old) => old,
        Err(error) => return remarks.push(error.to_string()),
    };
    let found = calibration.blueprint.structs.iter_mut();
    let Some(row) = found.into_iter().find(|s| s.table == old.table) else {
        return;
    };
    let known = row
        .fields
        .iter()
        .map(|f| (f.name.as_str(), (f.offset as usize, f.size as usize)))
        .collect();
    if let Err(why) = neighbourhood(old, &known) {
        return remarks.push(format!(
            "the prior fills nothing in: this memory is no neighbour of it: {why}"
        ));
    }
    let filled: Vec<Field> = missing(old, row)
        .into_iter()
        .map(|(field, shift, from, to)| {
            let evidence =
                format!("moved by {shift} from the prior, as {from} and {to} on both sides");
            prior.moved(field, (field.offset as i64 + shift) as u64, evidence)
        })
        .collect();
    let apart = |f: &Field| {
        let end = f.offset + f.size;
        let clash = |k: &&Field| k.offset < end && f.offset < k.offset + k.size;
        end <= row.size && !row.fields.iter().any(|k| clash(&k))
    };
    let filled: Vec<Field> = filled.into_iter().filter(apart).collect();
    remarks.push(format!(
        "the prior fills in {} members between neighbours that moved alike",
        filled.len()
    ));
    let structs: Vec<String> = calibration
        .blueprint
        .structs
        .iter()
        .map(|s| s.name.clone())
        .collect();
    if filled.is_empty() {
        return;
    }
    calibration.blueprint.sources.push(prior.source());
    let row = calibration.blueprint.structs.iter_mut();
    for row in row.filter(|s| s.table == old.table) {
        row.fields.extend(filled.iter().cloned().map(|mut field| {
            field.to = field.to.filter(|to| structs.contains(to));
            field
        }));
    }
}

/// Fields that only the prior has, with the shift of the learned ones next to them on both sides, and their names.
fn missing<'a>(old: &'a Struct, row: &Struct) -> Vec<(&'a Field, i64, &'a str, &'a str)> {
    let mut fields: Vec<&Field> = old.fields.iter().collect();
    fields.sort_by_key(|f| f.offset);
    let shift = |f: &Field| Some(row.field(&f.name)?.offset as i64 - f.offset as i64);
    let mut all = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        if row.field(&field.name).is_some() {
            continue;
        }
        let near = |f: &&'a Field| Some((shift(f)?, f.name.as_str()));
        let before = fields[..i].iter().rev().find_map(near);
        let after = fields[i + 1..].iter().find_map(near);
        if let (Some(before), Some(after)) = (before, after)
            && before.0 == after.0
        {
            all.push((*field, before.0, before.1, after.1));
        }
    }
    all
}
