//! One walk over all slots in use, decoded: what `dump` shows.
//!
//! Not for: printing, filtering (that is `cli`).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::attach::{AttachError, Attachment};
use super::pacer::{monotonic_ns, wall_ns};
use super::sql_texts::{NO_TEXTS, SqlTexts, TextForm};
use crate::decode::columns::{PREVIOUS_SQL_NEEDS, dump_columns, needs_of};
use crate::decode::{Decoder, ShownSql, dates};
use crate::plan::{BoundPlan, Need, row};
use crate::walk::{Frame, Select, Walker};

/// The columns of texts, which a snapshot has when texts are asked for, and their meaning.
pub const TEXT_COLUMNS: [(&str, &str); 2] = [
    (
        "sql_text",
        "text of the current statement, proven by its SQL_ID",
    ),
    (
        "prev_sql_text",
        "text of the previous statement, proven by its SQL_ID",
    ),
];

/// All sessions in use at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where it was taken, when, how it went, and `absent`: column to reason.
    pub meta: Map<String, Json>,
    /// One object for each session, in slot order, with all columns of dumps (and [`TEXT_COLUMNS`]
    /// if asked for).
    pub sessions: Vec<Map<String, Json>>,
}

impl Snapshot {
    /// Takes a snapshot, with the proven texts of current and previous statements if asked for.
    ///
    /// # Errors
    /// When the blueprint lacks the fields of the gate.
    pub fn take(attachment: &Attachment, form: Option<TextForm>) -> Result<Snapshot, AttachError> {
        let columns = dump_columns();
        let mut needs = needs_of(&columns);
        needs.extend(PREVIOUS_SQL_NEEDS);
        let bound = attachment.bind_sessions(&needs)?;
        let absent_texts = form.map_or_else(Vec::new, |_| absent_texts(attachment, &bound));
        let mut decoder = Decoder::new(&attachment.blueprint, &bound, &columns);
        let mut walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
        let mut frame = walker.frame();
        let start = monotonic_ns();
        frame.mono_ns = start;
        frame.wall_ns = wall_ns();
        walker.sweep(&mut frame, || monotonic_ns() - start);
        frame.walk_ns = monotonic_ns() - start;
        let mut texts = form.and_then(|form| SqlTexts::of(attachment, form));
        if let Some(texts) = &mut texts {
            texts.look(&*attachment.space, &mut decoder, &frame);
        }
        let mut sessions = Vec::with_capacity(frame.len());
        for i in 0..frame.len() {
            let row = decoder.row(&frame, i);
            let mut object: Map<String, Json> = decoder
                .columns()
                .zip(decoder.values(&row))
                .map(|(c, v)| (c.name.to_owned(), v.to_json()))
                .collect();
            if form.is_some() {
                let text = |shown: Option<ShownSql>| -> Json {
                    let found = texts.as_ref().zip(shown).and_then(|(t, s)| t.get(s));
                    found.map_or(Json::Null, |s| s.text.as_str().into())
                };
                let current = text(decoder.shown_sql(row.words));
                let previous = text(decoder.shown_previous_sql(row.words));
                for ((name, _), shown) in TEXT_COLUMNS.into_iter().zip([current, previous]) {
                    object.insert(name.into(), shown);
                }
            }
            sessions.push(object);
        }
        let mut meta = meta(attachment, &decoder, &frame);
        if let Some(texts) = &texts {
            meta.insert("sql_text".into(), json!(texts.stats()));
        }
        if let Some(Json::Object(absent)) = meta.get_mut("absent") {
            absent.extend(
                absent_texts
                    .into_iter()
                    .map(|(c, why)| (c.into(), why.into())),
            );
        }
        Ok(Snapshot { meta, sessions })
    }
}

/// Texts that can't be had on this instance, with the reason.
fn absent_texts(attachment: &Attachment, bound: &BoundPlan) -> Vec<(&'static str, String)> {
    let [current, previous] = TEXT_COLUMNS.map(|(name, _)| name);
    if attachment.accepted.handle.text.is_none() {
        return vec![
            (current, NO_TEXTS.to_owned()),
            (previous, NO_TEXTS.to_owned()),
        ];
    }
    let missing = |need: &Need| bound.plan.field(*need).is_none();
    let of = |name, needs: [Need; 2]| {
        let need = needs.into_iter().find(missing)?;
        Some((name, bound.plan.why_absent(need).to_owned()))
    };
    let [address, hash, _] = PREVIOUS_SQL_NEEDS;
    [
        of(current, [row("KSUSESQL"), row("KSUSESQH")]),
        of(previous, [address, hash]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn meta(attachment: &Attachment, decoder: &Decoder, frame: &Frame) -> Map<String, Json> {
    let absent: BTreeMap<&str, &str> = decoder.absent().map(|(c, why)| (c.name, why)).collect();
    let document = json!({
        "instance_name": attachment.name,
        "blueprint_id": attachment.blueprint.id,
        "blueprint_forced": attachment.forced,
        "release": attachment.blueprint.identity.release,
        "memory": attachment.space.kind(),
        "sample_time": dates::rfc3339_ns(frame.wall_ns),
        "walk_us": frame.walk_ns / 1000,
        "slots": frame.seen,
        "in_use": frame.len(),
        "torn": frame.torn,
        "faulted": frame.faulted,
        "absent": absent,
    });
    match document {
        Json::Object(meta) => meta,
        _ => Map::new(),
    }
}
