//! `chains`: who waits for whom, over a live instance, an image or a recording.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::args::{ChainsArgs, Format};
use super::record::{on_signals, watch};
use super::report::window;
use super::{Exit, Failure};
use crate::analyze::chains::{ChainTable, Chains, ChainsOptions, chains_recording, render};
use crate::analyze::filter::column_name;
use crate::analyze::{AnalyzeError, Filter};
use crate::decode::columns::{dump_columns, needs_of, sample_columns};
use crate::decode::{Column, Decoder};
use crate::record::Reader;
use crate::sample::pacer::monotonic_ns;
use crate::sample::{Attachment, Ended, Jitter, SampleRows, Sampler, SamplerOptions, Source};
use crate::walk::{Frame, Select, Walker};

/// Frames that may wait to be decoded before ticks are dropped.
const FRAMES: usize = 8;
/// What a single look counts for each session, ns.
const ONE_LOOK_NS: u64 = 1_000_000_000;
/// Columns of a dump that tell more of a final blocker.
const OF_BLOCKERS: [&str; 2] = ["status", "last_call_et"];

pub fn run(args: &ChainsArgs) -> Result<Exit, Failure> {
    let (recording, words) = match args.words.split_first() {
        Some((first, rest)) if !first.contains('=') => (Some(first.as_str()), rest),
        _ => (None, args.words.as_slice()),
    };
    let filters: Vec<Filter> = words.iter().map(|w| w.parse()).collect::<Result<_, _>>()?;
    let options = ChainsOptions {
        groups: args.group.clone(),
        filters,
        top: Some(args.top),
        ..ChainsOptions::default()
    };
    let found = match recording {
        Some(dir) => recorded(args, dir, options)?,
        None => live(args, options)?,
    };
    let mut out = std::io::stdout().lock();
    write!(out, "{}", rendered(&found, args)?)?;
    let nothing = match args.finals {
        true => found.finals.is_empty(),
        false => found.chains.is_empty(),
    };
    Ok(if nothing { Exit::Nothing } else { Exit::Ok })
}

fn rendered(chains: &ChainTable, args: &ChainsArgs) -> Result<String, Failure> {
    Ok(match (args.format, args.finals) {
        (Format::Table, false) => render::table(chains),
        (Format::Table, true) => render::final_table(chains),
        (Format::Json, _) => serde_json::to_string_pretty(chains)? + "\n",
        (Format::Jsonl, false) => render::jsonl(&chains.chains)?,
        (Format::Jsonl, true) => render::jsonl(&chains.finals)?,
        (Format::Csv, false) => render::csv(chains),
        (Format::Csv, true) => {
            let message = "--final has no CSV; use -f jsonl";
            return Err(Failure::new(Exit::Usage, message));
        }
    })
}

fn recorded(args: &ChainsArgs, dir: &str, options: ChainsOptions) -> Result<ChainTable, Failure> {
    if args.source.image.is_some() {
        let message = "name a recording or --image, not both";
        return Err(Failure::new(Exit::Usage, message));
    }
    let instance = match args.source.instance.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        _ => {
            let message = "chains of one instance at a time: name it with -I";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let reader = Reader::open(Path::new(dir))?;
    let (from_us, to_us) = window(&reader, args.from.as_deref(), args.to.as_deref())?;
    let options = ChainsOptions {
        from_us,
        to_us,
        instance,
        ..options
    };
    Ok(chains_recording(&reader, &options)?)
}

fn live(args: &ChainsArgs, options: ChainsOptions) -> Result<ChainTable, Failure> {
    if args.from.is_some() || args.to.is_some() {
        let message = "--from and --to are for recordings; name its directory first";
        return Err(Failure::new(Exit::Usage, message));
    }
    let columns = columns(&options)?;
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let bound = attachment.bind_sessions(&needs_of(&columns))?;
    let decoder = Decoder::new(&attachment.blueprint, &bound, &columns);
    let walker = Walker::new(bound, Select::Used).ok_or_else(|| attachment.lacks_gate())?;
    let mut looking = Looking {
        rows: SampleRows::new(&decoder, &attachment.name, &attachment.blueprint.id),
        chains: Chains::new(options),
        decoder,
        ticks: 0,
        watched_ns: 0,
    };
    let image = matches!(args.source.source(), Source::Image(_));
    if args.once || image {
        looking.once(walker, attachment.clocks())?;
        attachment.intact()?;
    } else {
        looking.sample(walker, &attachment, args)?;
    }
    Ok(looking.finish(&attachment))
}

/// All columns of recordings, and those of dumps that the table of blockers shows.
fn columns(options: &ChainsOptions) -> Result<Vec<&'static Column>, Failure> {
    let mut columns = sample_columns();
    let extra =
        |c: &&Column| OF_BLOCKERS.contains(&c.name) && !columns.iter().any(|k| k.ash == c.ash);
    let more: Vec<_> = dump_columns().into_iter().filter(extra).collect();
    columns.extend(more);
    // before anything is attached: a name that no column has is a usage error
    let filters = options.filters.iter().map(|f| f.column.clone());
    let groups = options.groups.iter().map(|g| column_name(g));
    for name in groups.chain(filters) {
        let derived = ["program2", "event2"].contains(&name.as_str());
        if !derived && !columns.iter().any(|c| c.ash == name) {
            let available: Vec<&str> = columns.iter().map(|c| c.ash).collect();
            return Err(AnalyzeError::NoColumn {
                column: name,
                available: format!("program2, event2, {}", available.join(", ")),
            }
            .into());
        }
    }
    Ok(columns)
}

/// Frames on their way to chains.
struct Looking {
    rows: SampleRows,
    chains: Chains,
    decoder: Decoder,
    ticks: u64,
    watched_ns: u64,
}

impl Looking {
    fn take(&mut self, frame: &Frame) -> Result<(), Failure> {
        self.rows.append(frame, &mut self.decoder);
        let (samples, _) = self.rows.take()?;
        self.chains.add(&samples)?;
        self.ticks += 1;
        self.watched_ns += frame.weight_ns;
        Ok(())
    }

    fn once(&mut self, mut walker: Walker, clocks: (u64, i64)) -> Result<(), Failure> {
        let mut frame = walker.frame();
        let start = monotonic_ns();
        (frame.mono_ns, frame.wall_ns) = clocks;
        walker.sweep(&mut frame, || monotonic_ns() - start);
        frame.weight_ns = ONE_LOOK_NS;
        self.take(&frame)
    }

    fn sample(
        &mut self,
        walker: Walker,
        attachment: &Attachment,
        args: &ChainsArgs,
    ) -> Result<(), Failure> {
        let options = SamplerOptions {
            rate_hz: args.rate,
            jitter: Jitter::Uniform,
            duration: Some(args.duration.unwrap_or(Duration::from_secs(1))),
            frames: FRAMES,
            seed: monotonic_ns(),
        };
        let sampler = Sampler::start(walker, options)?;
        let stop = sampler.stop_flag();
        let watch = watch(attachment, stop.clone(), on_signals()?)?;
        let mut failed = None;
        while let Ok(frame) = sampler.frames.recv() {
            if let Err(failure) = self.take(&frame) {
                failed = Some(failure);
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                break;
            }
            sampler.give_back(frame);
        }
        let ended = sampler.join();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let gone = watch.join().unwrap_or(None);
        match (failed, ended, gone) {
            (Some(failure), _, _) => Err(failure),
            (None, _, Some(reason)) => Err(Failure::new(
                Exit::NoInstance,
                format!("the instance went away: {reason}"),
            )),
            (None, Some((_, Ended::Duration | Ended::Stopped)), None) => Ok(()),
            (None, _, None) => Err(Failure::new(
                Exit::Damaged,
                "the sampling thread ended early; this is a defect",
            )),
        }
    }

    fn finish(mut self, attachment: &Attachment) -> ChainTable {
        for (column, why) in self.decoder.absent() {
            self.chains.absent(column.ash, why);
        }
        let mut table = self.chains.finish(Some(self.watched_ns as f64 / 1e9));
        table.meta.instance_name = Some(attachment.name.clone());
        table.meta.ticks = self.ticks;
        table.meta.forced = attachment.forced;
        table
    }
}
