//! One walk over all slots in use, decoded: what `dump` shows.
//!
//! Not for: printing, filtering (that is `cli`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::attach::{AttachError, Attachment};
use super::pacer::{monotonic_ns, wall_ns};
use super::shown::{Names, SessionValues};
use super::sql_texts::SqlTexts;
use super::statistics::{self, StatisticTable};
use crate::decode::columns::{dump_columns, needs_of};
use crate::decode::text::Charset;
use crate::decode::{Decoder, dates};
use crate::plan::StatisticPlan;
use crate::plan::handle::parse_sql_id;
use crate::walk::{Frame, Select, Walker};

/// Room in each session for columns that are added later.
const EXTRA: usize = 10;

/// All sessions in use at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where it was taken, when, how it went, and `absent`: column to reason.
    pub meta: Map<String, Json>,
    /// One object for each session, in slot order, with all columns of dumps (and `sql_text` if
    /// asked for).
    pub sessions: Vec<SessionValues>,
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
        let own = columns.iter().map(|c| c.name.to_owned());
        let names = Arc::new(Names::new(
            own.chain(with_text.then(|| "sql_text".to_owned())),
        ));
        let sql_id = names.place("sql_id");
        for i in 0..frame.len() {
            let row = decoder.row(&frame, i);
            let mut values = Vec::with_capacity(columns.len() + EXTRA);
            values.extend(decoder.values(&row).map(|v| v.to_json()));
            if with_text {
                let id = sql_id.and_then(|at| values.get(at)?.as_str().and_then(parse_sql_id));
                let text = texts.as_ref().zip(id).and_then(|(t, id)| t.get(id));
                values.push(text.map_or(Json::Null, |t| t.text.as_str().into()));
            }
            sessions.push(SessionValues {
                names: names.clone(),
                values,
            });
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
