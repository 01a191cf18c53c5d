//! One walk over all slots in use, decoded: what `dump` shows.
//!
//! Not for: printing, filtering (that is `cli`).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::attach::{AttachError, Attachment};
use super::pacer::{monotonic_ns, wall_ns};
use super::sql_texts::SqlTexts;
use super::statistics::{self, StatisticTable};
use crate::decode::columns::{dump_columns, needs_of};
use crate::decode::text::Charset;
use crate::decode::{Decoder, dates};
use crate::plan::StatisticPlan;
use crate::plan::handle::parse_sql_id;
use crate::walk::{Frame, Select, Walker};

/// All sessions in use at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where it was taken, when, how it went, and `absent`: column to reason.
    pub meta: Map<String, Json>,
    /// One object for each session, in slot order, with all columns of dumps (and `sql_text` if
    /// asked for).
    pub sessions: Vec<Map<String, Json>>,
    /// Statistics of the sessions, in the same order, if asked for.
    pub statistics: Option<StatisticTable>,
}

impl Snapshot {
    /// Takes a snapshot, with the proven texts of the current statements if asked for.
    ///
    /// # Errors
    /// When the blueprint lacks the fields of the gate.
    pub fn take(attachment: &Attachment, with_text: bool) -> Result<Snapshot, AttachError> {
        Self::with_statistics(attachment, with_text, None)
    }

    /// As [`Snapshot::take`], with statistics if asked for.
    ///
    /// # Errors
    /// When the blueprint lacks the fields of the gate.
    pub fn with_statistics(
        attachment: &Attachment,
        with_text: bool,
        statistics: Option<StatisticPlan>,
    ) -> Result<Snapshot, AttachError> {
        let began = monotonic_ns();
        let columns = dump_columns();
        let mut needs = needs_of(&columns);
        needs.extend(statistics.iter().flat_map(|_| statistics::NEEDS));
        let bound = attachment.bind_sessions(&needs)?;
        let mut decoder = Decoder::new(&attachment.blueprint, &bound, &columns);
        let mut walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
        let mut frame = walker.frame();
        let start = monotonic_ns();
        frame.mono_ns = start;
        frame.wall_ns = wall_ns();
        walker.sweep(&mut frame, || monotonic_ns() - start);
        frame.walk_ns = monotonic_ns() - start;
        let statistics = statistics.map(|plan| StatisticTable::read(walker.bound(), &frame, plan));
        let texts = with_text
            .then(|| texts(attachment, &frame, &mut decoder))
            .flatten();
        let mut sessions = Vec::with_capacity(frame.len());
        for i in 0..frame.len() {
            let row = decoder.row(&frame, i);
            let mut object: Map<String, Json> = decoder
                .columns()
                .zip(decoder.values(&row))
                .map(|(c, v)| (c.name.to_owned(), v.to_json()))
                .collect();
            if with_text {
                let id = object["sql_id"].as_str().and_then(parse_sql_id);
                let text = texts.as_ref().zip(id).and_then(|(t, id)| t.get(id));
                let shown = text.map_or(Json::Null, |t| t.text.as_str().into());
                object.insert("sql_text".into(), shown);
            }
            sessions.push(object);
        }
        let mut meta = meta(attachment, &decoder, &frame);
        if let Some(table) = &statistics {
            table.describe(&mut meta);
        }
        meta.insert("took_us".into(), ((monotonic_ns() - began) / 1000).into());
        Ok(Snapshot {
            meta,
            sessions,
            statistics,
        })
    }
}

/// The texts of all statements that the frame's rows show, as far as they could be proven.
fn texts(attachment: &Attachment, frame: &Frame, decoder: &mut Decoder) -> Option<SqlTexts> {
    let charset = Charset::named(attachment.blueprint.charset.as_deref());
    let mut texts = SqlTexts::new(attachment.accepted.handle, charset)?;
    for i in 0..frame.len() {
        texts.look(&*attachment.space, decoder, frame.row(i), frame.wall_ns);
    }
    Some(texts)
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
