//! Semantic rules about what a blueprint states beside places: invariants, texts of views, and version
//! rules against those texts.
//!
//! Callers: `checks`.

use super::checks::Severity;
use super::finding::Findings;
use super::load::pointer_of;
use super::model::{Blueprint, Field, Invariant, Kind, Stored, Struct};
use super::view_text::{self, SESSION_VIEW};

/// An invariant speaks of fields that are there, stored as its kind can judge.
pub(super) fn invariant_sound(at: &str, strukt: &Struct, out: &mut Findings) {
    for (i, invariant) in strukt.invariants.iter().enumerate() {
        if let Some(message) = unsound(strukt, invariant) {
            let message = format!(
                "{} of {}: {message}",
                invariant.kind.word(),
                invariant.field
            );
            out.error("invariant-sound", format!("{at}/invariants/{i}"), message);
        }
    }
}

fn unsound(strukt: &Struct, invariant: &Invariant) -> Option<String> {
    let is_number = |f: &Field| matches!(f.stored, Stored::Uint | Stored::Int);
    let missing = |name: &str| format!("structure {:?} has no field {name:?}", strukt.name);
    let Some(field) = strukt.field(&invariant.field) else {
        return Some(missing(&invariant.field));
    };
    let fits = match invariant.kind {
        Kind::AnyBit
        | Kind::MostlyClear
        | Kind::SlotNumber
        | Kind::EventNumber
        | Kind::NeedsOther => is_number(field),
        Kind::Date => field.stored == Stored::Date7,
        Kind::Process => field.stored == Stored::Addr,
        Kind::Text => field.stored == Stored::Text && field.size > 0,
    };
    if !fits {
        return Some(format!(
            "it can't judge what is stored as {:?}",
            field.stored
        ));
    }
    match invariant.kind {
        Kind::AnyBit | Kind::MostlyClear if invariant.mask.unwrap_or(0) == 0 => {
            Some("it needs a mask that isn't 0".to_owned())
        }
        Kind::NeedsOther => match invariant.other.as_deref() {
            None => Some("it needs the name of the other field".to_owned()),
            Some(other) => match strukt.field(other) {
                None => Some(missing(other)),
                Some(field) if !is_number(field) => Some(format!("{other} is no number")),
                Some(_) => None,
            },
        },
        _ => None,
    }
}

/// A view's text that is said to be all there looks like all of a query; one that is cut is told.
pub(super) fn view_text_complete(blueprint: &Blueprint, out: &mut Findings) {
    const RULE: &str = "view-text-complete";
    for (name, view) in &blueprint.views {
        let at = pointer_of("/views", name);
        match (view.complete, view_text::lacks(&view.text)) {
            (true, Some(lacks)) => {
                let message = format!("{name} is said to be complete, but {lacks}");
                out.error(RULE, at, message);
            }
            (false, _) => {
                let message = format!(
                    "{name} is cut after {} bytes: the executable has all of it",
                    view.text.len()
                );
                out.push(RULE, at, Severity::Info, message);
            }
            (true, None) => {}
        }
    }
}

/// A version rule says what this build's own GV$SESSION states.
pub(super) fn view_rule_agrees(blueprint: &Blueprint, out: &mut Findings) {
    let Some(view) = blueprint.views.get(SESSION_VIEW) else {
        return;
    };
    for stated in view_text::stated(&view.text) {
        let Some(rule) = blueprint.rules.get(stated.rule) else {
            continue;
        };
        if rule.value != stated.value {
            let message = format!(
                "{} is {} by {}, but {SESSION_VIEW} ({}) states {}",
                stated.rule, rule.value, rule.source, view.source, stated.expression
            );
            out.error(
                "view-rule-agrees",
                pointer_of("/rules", stated.rule),
                message,
            );
        }
    }
}
