//! `record`: sample at a steady rate into a recording.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use serde_json::json;

use super::args::{Format, RecordArgs};
use super::{Exit, Failure, instances};
use crate::decode::Decoder;
use crate::decode::columns::{needs_of, sample_columns};
use crate::decode::needs::PREVIOUS_SQL_NEEDS;
use crate::discover::Watch;
use crate::record::{
    RecordError, RecordErrorKind, Recorder, RecorderOptions, RecordingMeta, Summary,
};
use crate::sample::rows::statement_batch;
use crate::sample::sql_texts::NO_TEXTS;
use crate::sample::{
    Attachment, Ended, Owners, RunStats, SampleRows, Sampler, SamplerOptions, SqlTexts, TextForm,
    TextStats,
};
use crate::walk::{Frame, Select, Walker};

/// Frames that may wait for the writer before ticks are dropped.
const FRAMES: usize = 64;
/// Rows collected before they become a batch.
const BATCH_ROWS: usize = 8192;
/// Time after which rows become a batch anyway.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// How often the instance's life is looked at: well within the second in which we must let go.
const WATCH_EVERY: Duration = Duration::from_millis(200);

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Failure {
        let exit = match error.kind() {
            _ if matches!(error, RecordError::NoColumn { .. }) => Exit::Usage,
            RecordErrorKind::NotFound => Exit::Nothing,
            RecordErrorKind::Locked => Exit::Usage,
            RecordErrorKind::Schema | RecordErrorKind::Damaged => Exit::Damaged,
            RecordErrorKind::DiskFull | RecordErrorKind::Io => match &error {
                RecordError::Io { source, .. }
                    if source.kind() == std::io::ErrorKind::PermissionDenied =>
                {
                    Exit::NoPermission
                }
                _ => Exit::Damaged,
            },
        };
        Failure::new(exit, error.to_string())
    }
}

/// Records one instance, or several side by side, each into a directory of its name.
pub fn run(args: &RecordArgs, quiet: bool) -> Result<Exit, Failure> {
    if !instances::several(&args.source.instance) {
        return one(args, quiet);
    }
    let names = instances::names(&args.source.instance)?;
    let each = names.into_iter().map(|name| {
        let mut own = args.clone();
        own.output = args.output.join(&name);
        own.source.instance = vec![name.clone()];
        (name, own)
    });
    let ends: Vec<(String, Result<Exit, Failure>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = each
            .map(|(name, own)| (name, scope.spawn(move || one(&own, quiet))))
            .collect();
        let died = || Failure::new(Exit::Damaged, "the recording died; this is a defect");
        threads
            .into_iter()
            .map(|(name, thread)| (name, thread.join().unwrap_or_else(|_| Err(died()))))
            .collect()
    });
    instances::merged(ends).map(|_| Exit::Ok)
}

fn one(args: &RecordArgs, quiet: bool) -> Result<Exit, Failure> {
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let columns = sample_columns();
    let form = args.sql_text.form();
    let mut needs = needs_of(&columns);
    needs.extend(PREVIOUS_SQL_NEEDS.iter().filter(|_| form.is_some()));
    let bound = attachment.bind_sessions(&needs)?;
    let select = if args.idle {
        Select::Used
    } else {
        Select::Active {
            idle: attachment.events.idle_mask(),
        }
    };
    let owners = Owners::new(&attachment);
    let context = owners.context().watching(bound.rows.len());
    let decoder = Decoder::within(&attachment.blueprint, &bound, &columns, context);
    let walker = Walker::new(bound, select).ok_or_else(|| attachment.lacks_gate())?;
    let options = RecorderOptions {
        compression: args.compression,
        ..RecorderOptions::default()
    };
    let recorder = Recorder::create_with(&args.output, meta(args, &attachment), options)?;
    let rows = SampleRows::narrow(&decoder, &attachment.name, &attachment.blueprint.id);
    let texts = form.and_then(|form| SqlTexts::of(&attachment, form));
    if form.is_some() && texts.is_none() {
        tracing::warn!("no SQL text is recorded: {NO_TEXTS}");
    }
    let sampler = Sampler::start(
        walker,
        SamplerOptions {
            rate_hz: args.rate,
            jitter: args.jitter,
            duration: args.duration,
            frames: FRAMES,
            seed: crate::sample::pacer::monotonic_ns(),
        },
    )?;
    let stop = sampler.stop_flag();
    let interrupted = on_signals()?;
    let watch = watch(&attachment, stop.clone(), interrupted.clone())?;
    let progress = progress(args, quiet);
    let mut writer = Writer {
        recorder,
        rows,
        decoder,
        owners,
        texts,
        attachment,
        failed: None,
    };
    writer.consume(&sampler, &stop, &progress);
    let (stats, ended) = sampler
        .join()
        .ok_or_else(|| Failure::new(Exit::Damaged, "the sampling thread died; this is a defect"))?;
    stop.store(true, Ordering::Relaxed);
    let gone = watch.join().unwrap_or(None);
    progress.finish_and_clear();
    let Writer {
        recorder,
        owners,
        attachment,
        failed,
        texts,
        ..
    } = writer;
    drop(owners);
    let name = attachment.name.clone();
    let texts = texts.map(|t| t.stats());
    // let go of the memory before the time that closing files takes
    drop(attachment);
    let summary = recorder.close()?;
    finish(args, quiet, &name, (&stats, texts.as_ref()), &summary)?;
    if let Some(failed) = failed {
        return Err(failed);
    }
    match (ended, gone) {
        (_, Some(reason)) => Err(Failure::new(
            Exit::NoInstance,
            format!(
                "the instance went away: {reason}; the recording up to there is closed in {}",
                args.output.display()
            ),
        )),
        (Ended::NoConsumer, None) => Err(Failure::new(
            Exit::Damaged,
            "the writer ended early; this is a defect",
        )),
        (Ended::Duration | Ended::Stopped, None) => Ok(Exit::Ok),
    }
}

fn meta(args: &RecordArgs, attachment: &Attachment) -> RecordingMeta {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|h| h.into_string().ok());
    RecordingMeta {
        host: host.unwrap_or_else(|| "unknown".into()),
        instance: attachment.name.clone(),
        blueprint_id: attachment.blueprint.id.clone(),
        forced: attachment.forced,
        rate_hz: args.rate,
        program_version: env!("CARGO_PKG_VERSION").into(),
        sql_text: args.sql_text.form().map_or("none", TextForm::name).into(),
        start: jiff::Timestamp::now(),
    }
}

/// A flag that SIGINT and SIGTERM set.
pub(super) fn on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, flag.clone())?;
    }
    Ok(flag)
}

/// A thread that stops the sampler when the instance goes away or the user interrupts, and returns
/// what went away.
pub(super) fn watch(
    attachment: &Attachment,
    stop: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<Option<String>>, Failure> {
    let mut watch = attachment.instance.as_ref().map(Watch::new);
    // the identity string is read through an attachment of its own lifetime: this thread ends with the run
    let attachment = attachment.clone();
    let thread = std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || {
            loop {
                if interrupted.load(Ordering::Relaxed) {
                    stop.store(true, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let gone = match watch.as_mut().map(Watch::check) {
                    Some(Err(gone)) => Some(gone.to_string()),
                    Some(Ok(())) if !attachment.still_named() => {
                        Some("its identity string changed".to_owned())
                    }
                    _ => None,
                };
                if gone.is_some() {
                    stop.store(true, Ordering::Relaxed);
                    return gone;
                }
                std::thread::sleep(WATCH_EVERY);
            }
        })?;
    Ok(thread)
}

/// What takes frames from the sampler and writes them.
struct Writer {
    recorder: Recorder,
    rows: SampleRows,
    decoder: Decoder,
    owners: Owners,
    texts: Option<SqlTexts>,
    attachment: Attachment,
    failed: Option<Failure>,
}

impl Writer {
    /// Until the sampler ends. An error of writing stops the sampler, not this loop, so that no
    /// frame is lost between them.
    fn consume(&mut self, sampler: &Sampler, stop: &AtomicBool, progress: &indicatif::ProgressBar) {
        let mut written = std::time::Instant::now();
        loop {
            match sampler.frames.recv_timeout(Duration::from_millis(100)) {
                Ok(frame) => {
                    self.take(&frame);
                    progress.inc(1);
                    sampler.give_back(frame);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.rows.len() >= BATCH_ROWS || written.elapsed() >= BATCH_TIME {
                self.write();
                written = std::time::Instant::now();
            }
            if self.failed.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        self.write();
    }

    fn take(&mut self, frame: &Frame) {
        if let Some(texts) = &mut self.texts {
            texts.look(&*self.attachment.space, &mut self.decoder, frame);
        }
        self.owners.look(frame, &mut self.decoder);
        self.rows.append(frame, &mut self.decoder);
    }

    fn write(&mut self) {
        if self.failed.is_none()
            && let Err(failed) = self.try_write()
        {
            self.failed = Some(failed);
        }
    }

    fn try_write(&mut self) -> Result<(), Failure> {
        for (table, batch) in self.rows.take_tables()? {
            if let Err(error) = self.recorder.write(table, &batch) {
                self.rows.lost();
                return Err(error.into());
            }
        }
        let fresh = self.texts.as_mut().map(SqlTexts::take_fresh);
        if let Some(fresh) = fresh.filter(|f| !f.is_empty()) {
            self.recorder.write("sql_text", &statement_batch(&fresh)?)?;
        }
        self.recorder.flush_if_due()?;
        Ok(())
    }
}

fn progress(args: &RecordArgs, quiet: bool) -> indicatif::ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let ticks = args.duration.map(|d| (d.as_secs_f64() * args.rate) as u64);
    let bar = match ticks {
        Some(ticks) => indicatif::ProgressBar::new(ticks),
        None => indicatif::ProgressBar::no_length(),
    };
    let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} ticks  {elapsed}");
    bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
}

fn finish(
    args: &RecordArgs,
    quiet: bool,
    name: &str,
    (stats, texts): (&RunStats, Option<&TextStats>),
    summary: &Summary,
) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if args.format != Format::Table {
        serde_json::to_writer(
            &mut out,
            &json!({"instance_name": name, "run": stats, "sql_text": texts, "files": summary.files, "rows": summary.rows, "bytes": summary.bytes}),
        )?;
        writeln!(out)?;
    } else if !quiet {
        writeln!(
            out,
            "{} ticks: {} taken, {} missed, {} dropped; {} late by over a tenth of a period, at most {} µs; a walk took {} µs on average",
            stats.ticks,
            stats.frames,
            stats.missed,
            stats.dropped,
            stats.late,
            stats.max_late_ns / 1000,
            stats.walk_ns / 1000 / stats.frames.max(1),
        )?;
        writeln!(
            out,
            "{} rows in {} files, {} bytes, in {}",
            summary.rows,
            summary.files,
            summary.bytes,
            args.output.display()
        )?;
        if let Some(texts) = texts {
            writeln!(
                out,
                "SQL text, {}: {} statements proven, {} not",
                texts.form.name(),
                texts.proven,
                texts.unproven,
            )?;
        }
    }
    for (path, why) in &summary.left_hot {
        tracing::warn!("{} stays open as it is: {why}", path.display());
    }
    Ok(())
}
