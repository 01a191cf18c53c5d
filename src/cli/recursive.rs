//! `dump --recursive only --watch TIME`: how long the sessions live that V$SESSION hides.

use std::io::Write;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::args::{DumpArgs, RecursiveArg};
use super::{Exit, Failure, print};
use crate::decode::columns::needs_of;
use crate::decode::{COLUMNS, Decoder};
use crate::sample::recursives::{Life, Watch};
use crate::sample::snapshot::share;
use crate::sample::{Attachment, Jitter, Sampler, SamplerOptions};
use crate::walk::{Select, Walker};

/// Looks a second: a recursive session often lives for milliseconds only.
const RATE_HZ: f64 = 100.0;
/// Frames in the pool.
const FRAMES: usize = 16;

const COLUMNS_SHOWN: [&str; 10] = [
    "sid",
    "serial_no",
    "serves_sid",
    "serves_serial_no",
    "first_seen_s",
    "last_seen_s",
    "lived_at_least_s",
    "looks",
    "began_while_watched",
    "ended_while_watched",
];

/// Watches one instance and prints what was seen.
pub fn watch(args: &DumpArgs, time: Duration, out: &mut dyn Write) -> Result<Exit, Failure> {
    if args.recursive != RecursiveArg::Only || !args.filters.is_empty() || !args.columns.is_empty()
    {
        return Err(Failure::new(
            Exit::Usage,
            "--watch goes with --recursive only, without conditions and --columns",
        ));
    }
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let (watch, slots) = follow(&attachment, time)?;
    let summary = summary(&attachment, &watch, slots);
    let lives = watch.lives();
    let mut meta = summary;
    meta.extend(lifetimes(&lives));
    let rows: Vec<Map<String, Json>> = lives.iter().map(object).collect();
    let document = json!({"meta": meta, "recursive": rows});
    if !print::machine(out, args.format, &document, &rows, &COLUMNS_SHOWN)? {
        let shown = print::table(&rows.iter().collect::<Vec<_>>(), &COLUMNS_SHOWN);
        writeln!(out, "{shown}")?;
        for (name, value) in &meta {
            writeln!(out, "{name}: {}", print::plain(value))?;
        }
    }
    out.flush()?;
    Ok(if rows.is_empty() {
        Exit::Nothing
    } else {
        Exit::Ok
    })
}

/// Looks at all sessions in use again and again.
fn follow(attachment: &Attachment, time: Duration) -> Result<(Watch, usize), Failure> {
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|c| ["paddr", "serial_no", "session_kind"].contains(&c.name))
        .collect();
    let bound = attachment.bind_sessions(&needs_of(&columns))?;
    let decoder = Decoder::new(&attachment.blueprint, &bound, &columns);
    let rows = bound.rows.addrs.clone();
    let walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
    let options = SamplerOptions {
        rate_hz: RATE_HZ,
        jitter: Jitter::Uniform,
        duration: Some(time),
        frames: FRAMES,
        seed: crate::sample::pacer::monotonic_ns(),
    };
    let sampler = Sampler::start(walker, options)?;
    let mut watch = Watch::default();
    while let Ok(frame) = sampler.frames.recv() {
        watch.look(&frame, &decoder, &rows);
        sampler.give_back(frame);
        if !attachment.still_named() {
            return Err(Failure::new(
                Exit::NoInstance,
                "the instance went away: its identity string changed",
            ));
        }
    }
    sampler.join();
    Ok((watch, rows.len()))
}

fn summary(attachment: &Attachment, watch: &Watch, slots: usize) -> Map<String, Json> {
    let looks = watch.looks.max(1) as f64;
    let part = |of: u64| share(watch.seen as usize, of as usize);
    let mut meta = Map::new();
    meta.insert("instance_name".into(), attachment.name.as_str().into());
    meta.insert("looks".into(), watch.looks.into());
    meta.insert("slots".into(), slots.into());
    let average = (watch.seen as f64 / looks * 100.0).round() / 100.0;
    meta.insert("at_once_on_average".into(), average.into());
    meta.insert("at_once_at_most".into(), watch.peak.into());
    meta.insert(
        "share_of_slots".into(),
        part(watch.looks * slots as u64).into(),
    );
    meta.insert("share_of_used".into(), part(watch.in_use).into());
    meta.insert("not_kept".into(), watch.uncounted.into());
    meta
}

/// How many there were, and for how long those lived that both began and ended meanwhile. Between
/// two looks nothing is seen: a life is up to two periods longer, and some are missed wholly.
fn lifetimes(lives: &[Life]) -> Map<String, Json> {
    let mut whole: Vec<u64> = lives
        .iter()
        .filter(|l| l.began && l.ended)
        .map(Life::at_least_ns)
        .collect();
    whole.sort_unstable();
    let at = |part: f64| match whole.len() {
        0 => Json::Null,
        n => seconds(whole[((n - 1) as f64 * part).round() as usize]),
    };
    let mut meta = Map::new();
    meta.insert("count".into(), lives.len().into());
    meta.insert("whole_lives".into(), whole.len().into());
    meta.insert("lived_at_least_median_s".into(), at(0.5));
    meta.insert("lived_at_least_p95_s".into(), at(0.95));
    meta.insert("lived_at_least_max_s".into(), at(1.0));
    meta.insert("longer_by_at_most_s".into(), (2.0 / RATE_HZ).into());
    meta
}

fn seconds(ns: u64) -> Json {
    ((ns / 1_000) as f64 / 1e6).into()
}

fn object(life: &Life) -> Map<String, Json> {
    let (sid, serial) = life.session;
    let values = [
        sid.into(),
        serial.into(),
        life.serves.map(|s| s.0).into(),
        life.serves.map(|s| s.1).into(),
        seconds(life.first_ns),
        seconds(life.last_ns),
        seconds(life.at_least_ns()),
        life.looks.into(),
        life.began.into(),
        life.ended.into(),
    ];
    COLUMNS_SHOWN
        .iter()
        .map(|c| (*c).to_owned())
        .zip(values)
        .collect()
}
