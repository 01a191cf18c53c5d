//! Capturing: memory stands still for the reader from its first look at each page, the image is
//! what was looked at.
//!
//! In this order: the instance is opened as by any verb, which finds blueprint and arrays; then, on
//! a copy that begins empty, all rows, row after row, then all that verbs read, by the verbs' own
//! code. Nothing but pages that somebody reads is copied, and everything is read from the copy, so
//! that a pointer that moves meanwhile leads nowhere that isn't in the image.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::error::CaptureError;
use super::reach;
use crate::blueprint::model::Accept;
use crate::blueprint::{Blueprint, ExeReader, banner};
use crate::discover::{
    self, Captured, CapturedExecutable, Instance, OsFact, ProcRoot, TakenAt, Watch,
};
use crate::memory::image::{FreezingSpace, ImageWriter, Unit, Written, partial_path};
use crate::memory::{AddressSpace, TargetAddr};
use crate::sample::pacer::{monotonic_ns, wall_ns};
use crate::sample::{Attachment, Source, is_oracle};

/// Memory of a chunk, bytes: little is lost when a capture is interrupted.
const CHUNK: usize = 256 << 10;
/// The same of whole segments, whose table would be long.
const FULL_CHUNK: usize = 4 << 20;
/// Bytes of whole segments between two looks at the instance's life.
const STEP: u64 = 16 << 20;

/// What to capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureOptions {
    /// All segments, not only what the blueprint reaches.
    pub full: bool,
    /// Leave the texts of statements out.
    pub without_sql_text: bool,
    /// Go on from what an interrupted capture left behind.
    pub resume: bool,
}

/// Captures `source` into a new file `target`. `progress` is told how many bytes of how many were
/// looked at, where that is known.
///
/// # Errors
/// See [`CaptureError`].
pub fn capture(
    source: &Source,
    blueprint: Option<&Path>,
    target: &Path,
    options: CaptureOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<Written, CaptureError> {
    if options.full && options.without_sql_text {
        let message = "--full copies everything: texts of statements can't be left out of it";
        return Err(CaptureError::Asked(message.into()));
    }
    if target.exists() {
        let path = target.to_owned();
        return Err(CaptureError::Exists { path });
    }
    let live = Attachment::open(source, blueprint)?;
    let own = embedded(&live, options.without_sql_text);
    let mut captured = about(&live, options, &own);
    let chunk = if options.full { FULL_CHUNK } else { CHUNK };
    let identity = identity(&live, &captured);
    let started = serde_json::to_value(&captured.taken_at).unwrap_or_default();
    let (writer, started) =
        ImageWriter::begin(target, options.resume, chunk, (&identity, &started))?;
    if let Ok(taken_at) = serde_json::from_value(started) {
        captured.taken_at = taken_at;
    }
    let unit = match options.without_sql_text {
        true => Unit::Exact,
        false => Unit::Page,
    };
    let clock = Box::new(|_| wall_ns());
    let copy = Arc::new(FreezingSpace::new(live.space.clone(), writer, unit, clock));
    let mut watching = Watching::new(&live, target);
    reach::freeze_declared(&live, &copy, !options.without_sql_text)?;
    watching.check()?;
    if options.without_sql_text {
        copy.hide(reach::texts(&live, &*copy, &[]));
    }
    let read = live
        .on_copy(copy.clone(), own, captured.clone())
        .and_then(|attachment| reach::read_all(&attachment, !options.without_sql_text));
    // what can't be written shows as memory that can't be read
    let spids = match (read, copy.damage()) {
        (_, Some(error)) => return Err(error.into()),
        (read, None) => read?,
    };
    if options.full {
        all_memory(&copy, &mut watching, progress)?;
    }
    let os = live.os_processes();
    captured.os_processes = spids
        .into_iter()
        .map(|spid| (spid, os.look(spid)))
        .collect();
    captured.os_unknown = unknown(&captured.os_processes);
    watching.check()?;
    let regions = live.space.regions().to_vec();
    drop(live);
    finish(&copy, &regions, captured)
}

/// Ends the image: what was noticed goes into the table.
pub(super) fn finish(
    copy: &FreezingSpace,
    regions: &[crate::memory::Region],
    mut captured: Captured,
) -> Result<Written, CaptureError> {
    let (writer, torn) = copy.take()?;
    let place = |(addr, len): &(TargetAddr, u64)| (format!("{:#x}", addr.0), *len);
    captured.torn.extend(torn.places.iter().map(place));
    captured.torn_count += torn.count;
    let document = match serde_json::to_value(&captured) {
        Ok(Json::Object(document)) => document,
        _ => Map::new(),
    };
    let writer = writer.ok_or_else(|| CaptureError::Asked("the image was ended twice".into()))?;
    Ok(writer.finish(regions, document)?)
}

/// Every page of every region.
fn all_memory(
    copy: &FreezingSpace,
    watching: &mut Watching,
    progress: &dyn Fn(u64, u64),
) -> Result<(), CaptureError> {
    let regions = copy.regions().to_vec();
    let total = regions.iter().map(|r| r.len).sum();
    let mut done = 0;
    for region in regions {
        let mut at = region.start.0;
        while at < region.end().0 {
            let len = STEP.min(region.end().0 - at);
            copy.freeze(TargetAddr(at), len)?;
            at += len;
            done += len;
            progress(done, total);
            watching.check()?;
        }
    }
    Ok(())
}

/// The instance's life, so that nothing of a dead one is held.
struct Watching<'a> {
    watch: Option<Watch>,
    sid: &'a str,
    target: &'a Path,
}

impl<'a> Watching<'a> {
    fn new(live: &'a Attachment, target: &'a Path) -> Watching<'a> {
        Watching {
            watch: live.instance.as_ref().map(Watch::new),
            sid: &live.name,
            target,
        }
    }

    fn check(&mut self) -> Result<(), CaptureError> {
        let gone = self.watch.as_mut().and_then(|w| w.check().err());
        gone.map_or(Ok(()), |gone| {
            Err(CaptureError::Gone {
                sid: self.sid.to_owned(),
                reason: gone.to_string(),
                partial: partial_path(self.target),
            })
        })
    }
}

/// Who is captured, and how, before any byte is copied.
fn about(live: &Attachment, options: CaptureOptions, blueprint: &Blueprint) -> Captured {
    let mut left_out = Vec::new();
    if !options.full {
        left_out.push("memory that the blueprint doesn't reach".to_owned());
    }
    if options.without_sql_text {
        left_out.push("texts of statements, and all bytes that nobody reads".to_owned());
    }
    let (mono_ns, wall_ns) = match &live.captured {
        Some(_) => live.clocks(),
        None => (monotonic_ns(), wall_ns()),
    };
    let before = live.captured.as_deref();
    Captured {
        program_version: env!("CARGO_PKG_VERSION").into(),
        host: before.map_or_else(host, |c| c.host.clone()),
        sid: live.name.clone(),
        release: live.blueprint.identity.release.clone(),
        executable: before.map_or_else(|| executable(live), |c| c.executable.clone()),
        instance: before.map_or_else(|| json!(live.instance), |c| c.instance.clone()),
        alert_log: match (&live.instance, before) {
            (Some(instance), _) => alert_log(instance),
            (None, Some(c)) => c.alert_log.clone(),
            (None, None) => "no running instance".into(),
        },
        taken_at: before.map_or_else(|| TakenAt::now(wall_ns, mono_ns), |c| c.taken_at.clone()),
        full: options.full,
        left_out,
        without_sql_text: options.without_sql_text,
        torn: before.map_or_else(Vec::new, |c| c.torn.clone()),
        torn_count: before.map_or(0, |c| c.torn_count),
        os_processes: BTreeMap::new(),
        os_unknown: None,
        slice: Vec::new(),
        blueprint: serde_json::to_value(blueprint).unwrap_or_default(),
    }
}

/// The blueprint with the names of wait events, which live readers take from the executable. Where
/// texts of statements won't be there to prove SQL_IDs by, what they have proven is no claim any more.
pub(super) fn embedded(live: &Attachment, without_texts: bool) -> Blueprint {
    let mut blueprint: Blueprint = (*live.blueprint).clone();
    if !live.events.events.is_empty() {
        blueprint.dictionaries.events = live.events.to_dictionary();
    }
    for strukt in blueprint.structs.iter_mut().filter(|_| without_texts) {
        let name = strukt.name.clone();
        for field in &mut strukt.fields {
            let by_texts = matches!(field.accept, Some(Accept::SqlId | Accept::SqlText));
            if by_texts && live.accepted.is_proven(&name, field) {
                field.offset = live.accepted.offset(&name, field).unwrap_or(field.offset);
                field.accept = None;
            }
        }
    }
    blueprint
}

fn host() -> String {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|h| h.into_string().ok());
    name.unwrap_or_else(|| "unknown".into())
}

fn executable(live: &Attachment) -> CapturedExecutable {
    let instance = live.instance.as_ref();
    let Some(exe) = instance.and_then(|i| i.executable(is_oracle)) else {
        return CapturedExecutable::default();
    };
    let reader = ExeReader::open(&exe.path).ok();
    let build_id = reader.as_ref().and_then(ExeReader::build_id);
    let banner = reader.as_ref().and_then(|r| banner::banner(r).ok());
    CapturedExecutable {
        path: Some(exe.shown.display().to_string()),
        build_id: build_id.map(str::to_owned),
        banner: banner.map(|b| b.release),
    }
}

fn alert_log(instance: &Instance) -> String {
    match discover::last_start(&ProcRoot::default(), instance) {
        Ok(start) => start.path.display().to_string(),
        Err(why) => why,
    }
}

/// What must be the same when a capture is gone on with.
fn identity(live: &Attachment, captured: &Captured) -> Json {
    let pmon = live.instance.as_ref();
    let regions: Vec<String> = live
        .space
        .regions()
        .iter()
        .map(|r| format!("{} {:#x}+{}", r.name, r.start.0, r.len))
        .collect();
    json!({
        "host": captured.host,
        "sid": captured.sid,
        "pmon": pmon.map(|i| json!([i.pid, i.start_ticks])),
        "release": captured.release,
        "build_id": captured.executable.build_id,
        "blueprint": live.blueprint.id,
        "regions": regions,
        "full": captured.full,
        "without_sql_text": captured.without_sql_text,
    })
}

/// Why nothing is known of any process, if that is so.
fn unknown(facts: &BTreeMap<i32, OsFact>) -> Option<String> {
    let why = |fact: &OsFact| match fact {
        OsFact::Unknown(why) => Some(why.clone()),
        _ => None,
    };
    let all: Option<Vec<String>> = facts.values().map(why).collect();
    all?.into_iter().next()
}
