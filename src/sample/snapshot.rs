//! One walk over all slots in use, decoded: what `dump` shows.
//!
//! Not for: printing, filtering (that is `cli`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::attach::{AttachError, Attachment};
use super::owners::Owners;
use super::pacer::monotonic_ns;
use super::parallel::in_parallel;
use super::recursives::served;
use super::shown::{Names, RowValues};
use super::sql_texts::{NO_TEXTS, SqlTexts, TextForm};
use super::statistics::{self, StatisticTable};
use crate::decode::columns::{dump_columns, needs_of};
use crate::decode::needs::PREVIOUS_SQL_NEEDS;
use crate::decode::text::Charset;
use crate::decode::{Decoder, Row, ShownSql, dates};
use crate::plan::{BoundPlan, Need, StatisticPlan, row};
use crate::walk::{Frame, Select, Walker};

/// Room in each session for columns that are added later.
const EXTRA: usize = 12;

/// Columns of the texts of statements, with their meaning.
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

/// What a snapshot reads beside the columns.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Texts of current and previous statements, in this form.
    pub texts: Option<TextForm>,
    /// Session statistics.
    pub statistics: Option<StatisticPlan>,
}

/// All sessions in use at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where it was taken, when, how it went, and `absent`: column to reason.
    pub meta: Map<String, Json>,
    /// One object for each session, in slot order, with all columns of dumps (and [`TEXT_COLUMNS`]
    /// if asked for).
    pub sessions: Vec<RowValues>,
    /// Statistics of the sessions, in the same order, if asked for.
    pub statistics: Option<StatisticTable>,
}

impl Snapshot {
    /// Takes a snapshot.
    ///
    /// # Errors
    /// When the blueprint lacks the fields of the gate.
    pub fn take(attachment: &Attachment, extras: Extras) -> Result<Snapshot, AttachError> {
        let columns = dump_columns();
        let mut needs = needs_of(&columns);
        needs.extend(PREVIOUS_SQL_NEEDS);
        needs.extend(extras.statistics.iter().flat_map(|_| statistics::NEEDS));
        let bound = attachment.bind_sessions(&needs)?;
        let form = extras.texts;
        let absent_texts = form.map_or_else(Vec::new, |_| absent_texts(attachment, &bound));
        let owners = Owners::new(attachment);
        let context = owners.context().serving();
        let mut decoder = Decoder::within(&attachment.blueprint, &bound, &columns, context);
        let rows = bound.rows.addrs.clone();
        let mut walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
        let mut frame = walker.frame();
        let start = monotonic_ns();
        (frame.mono_ns, frame.wall_ns) = attachment.clocks();
        walker.sweep(&mut frame, || monotonic_ns() - start);
        frame.walk_ns = monotonic_ns() - start;
        let plan = extras.statistics;
        let statistics = plan.map(|plan| StatisticTable::read(walker.bound(), &frame, plan));
        owners.look(&frame, &mut decoder);
        decoder.set_serves(served(&frame, &decoder, &rows));
        let mut texts = form.and_then(|form| SqlTexts::of(attachment, form));
        if let Some(texts) = &mut texts {
            texts.look(&*attachment.space, &mut decoder, &frame);
        }
        let sessions = sessions(&frame, &mut decoder, form.map(|_| texts.as_ref()));
        let mut meta = meta(attachment, &decoder, &frame);
        if let Some(texts) = &texts {
            meta.insert("sql_text".into(), json!(texts.stats()));
        }
        if let Some(Json::Object(absent)) = meta.get_mut("absent") {
            let texts = absent_texts.into_iter();
            absent.extend(texts.map(|(c, why)| (c.into(), why.into())));
        }
        if let Some(table) = &statistics {
            table.describe(&mut meta);
        }
        Ok(Snapshot {
            meta,
            sessions,
            statistics,
        })
    }
}

/// The values of all rows; with `texts` (perhaps none to be had) also those of [`TEXT_COLUMNS`].
fn sessions(
    frame: &Frame,
    decoder: &mut Decoder,
    texts: Option<Option<&SqlTexts>>,
) -> Vec<RowValues> {
    let own = decoder.columns().map(|c| c.name);
    let added = texts
        .iter()
        .flat_map(|_| TEXT_COLUMNS)
        .map(|(name, _)| name);
    let names = Arc::new(Names::new(own.chain(added).map(str::to_owned)));
    let text = |shown: Option<ShownSql>| -> Json {
        let found = texts.flatten().zip(shown).and_then(|(t, s)| t.get(s));
        found.map_or(Json::Null, |s| s.text.as_str().into())
    };
    let width = decoder.columns().count() + EXTRA;
    let rows: Vec<Row> = (0..frame.len()).map(|i| decoder.row(frame, i)).collect();
    let decoder = &*decoder;
    let one = |row: &Row| {
        let mut values = Vec::with_capacity(width);
        values.extend(decoder.values(row).map(|v| v.to_json()));
        if texts.is_some() {
            values.push(text(decoder.shown_sql(row.words)));
            values.push(text(decoder.shown_previous_sql(row.words)));
        }
        RowValues {
            names: names.clone(),
            values,
        }
    };
    in_parallel(&rows, || (), |(), row| one(row))
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
    let inferred: BTreeMap<&str, &str> = decoder.inferred().map(|(c, how)| (c.name, how)).collect();
    let document = json!({
        "instance_name": attachment.name,
        "blueprint_id": attachment.blueprint.id,
        "blueprint_forced": attachment.forced,
        "blueprint_selected": attachment.selected.word(),
        "db_name": attachment.db_name,
        "release": attachment.blueprint.identity.release,
        "memory": attachment.space.kind(),
        "image": image(attachment),
        "sample_time": dates::rfc3339_ns(frame.wall_ns),
        "walk_us": frame.walk_ns / 1000,
        "slots": frame.seen,
        "in_use": frame.len(),
        "torn": frame.torn,
        "faulted": frame.faulted,
        "charset": attachment.blueprint.charset,
        "charset_problem": Charset::problem(attachment.blueprint.charset.as_deref()),
        "recursive": recursive(decoder, frame),
        "absent": absent,
        "inferred": inferred,
    });
    match document {
        Json::Object(meta) => meta,
        _ => Map::new(),
    }
}

/// Of a captured image: when and where it was taken, and how many places moved while they were copied.
fn image(attachment: &Attachment) -> Json {
    attachment.captured.as_ref().map_or(Json::Null, |c| {
        json!({
            "taken_at": dates::rfc3339_ns(c.taken_at.wall_ns),
            "host": c.host,
            "torn_places": c.torn_count,
            "left_out": c.left_out,
            "slice": c.slice,
        })
    })
}

/// How many slots the sessions take that V$SESSION hides.
fn recursive(decoder: &Decoder, frame: &Frame) -> Json {
    let rows = (0..frame.len()).map(|i| frame.row(i));
    let hidden: Vec<&[u64]> = rows.filter(|words| decoder.is_recursive(words)).collect();
    let alone = |words: &&&[u64]| decoder.owners(words).1.is_some_and(|p| p.0 == 0);
    json!({
        "count": hidden.len(),
        "without_process": hidden.iter().filter(alone).count(),
        "share_of_slots": share(hidden.len(), frame.seen as usize + frame.faulted as usize),
        "share_of_used": share(hidden.len(), frame.len()),
    })
}

/// A part of a whole to four digits; 0 of nothing.
pub fn share(part: usize, whole: usize) -> f64 {
    (part as f64 / whole.max(1) as f64 * 10_000.0).round() / 10_000.0
}
