//! `image`: capture, info, slice.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::args::{CaptureArgs, Format, ImageArgs, ImageCommand, SliceArgs};
use super::{Exit, Failure, table};
use crate::image::{CaptureError, CaptureOptions, Info, Part, capture, slice};
use crate::memory::TargetAddr;
use crate::memory::image::{ImageError, ImageSpace, Written};

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Failure {
        let exit = match &error {
            ImageError::Io { kind, .. } => match kind {
                std::io::ErrorKind::PermissionDenied => Exit::NoPermission,
                std::io::ErrorKind::NotFound => Exit::Nothing,
                _ => Exit::Damaged,
            },
            ImageError::Busy { .. } | ImageError::Other { .. } => Exit::Usage,
            _ => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Failure {
        match error {
            CaptureError::Attach(error) => error.into(),
            CaptureError::Image(error) => error.into(),
            CaptureError::Exists { .. } | CaptureError::Asked(_) => {
                Failure::new(Exit::Usage, error.to_string())
            }
            CaptureError::Gone { .. } => Failure::new(Exit::NoInstance, error.to_string()),
        }
    }
}

pub fn run(args: &ImageArgs, quiet: bool) -> Result<Exit, Failure> {
    match &args.command {
        ImageCommand::Capture(args) => captured(args, quiet),
        ImageCommand::Info {
            file,
            verify,
            format,
        } => info(file, *verify, *format),
        ImageCommand::Slice(args) => sliced(args),
    }
}

fn captured(args: &CaptureArgs, quiet: bool) -> Result<Exit, Failure> {
    let options = CaptureOptions {
        full: args.full,
        without_sql_text: args.no_sql_text,
        resume: args.resume,
    };
    let bar = match !quiet && args.full && std::io::stderr().is_terminal() {
        true => ProgressBar::new(0),
        false => ProgressBar::hidden(),
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left")
    {
        bar.set_style(style);
    }
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let start = Instant::now();
    let (source, blueprint) = (args.source.source(), args.source.blueprint());
    let written = capture(
        &source,
        blueprint.as_deref(),
        &args.output,
        options,
        &progress,
    )?;
    bar.finish_and_clear();
    said(&args.output, &written, start, args.format)
}

fn sliced(args: &SliceArgs) -> Result<Exit, Failure> {
    let ranges = args.range.iter().map(|(start, len)| Part::Range {
        start: TargetAddr(*start),
        len: *len,
    });
    let sessions = args.sid.iter().map(|sid| Part::Session(*sid));
    let parts: Vec<Part> = ranges.chain(sessions).collect();
    let start = Instant::now();
    let written = slice(&args.file, &args.output, &parts)?;
    said(&args.output, &written, start, args.format)
}

fn said(path: &Path, written: &Written, start: Instant, format: Format) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let took_ms = start.elapsed().as_millis() as u64;
    if format == Format::Table {
        let again = match written.resumed_chunks {
            0 => String::new(),
            n => format!(", {n} of them from before"),
        };
        writeln!(
            out,
            "{}: {} bytes of memory, {} of them zero, in {} chunks{again}; {} bytes in {took_ms} ms",
            path.display(),
            written.memory_bytes,
            written.zero_bytes,
            written.chunks,
            written.file_bytes,
        )?;
        return Ok(Exit::Ok);
    }
    let document = json!({"file": path, "written": written, "took_ms": took_ms});
    match format {
        Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "it prints -f table, json or jsonl",
            ));
        }
        Format::Json => serde_json::to_writer_pretty(&mut out, &document)?,
        _ => serde_json::to_writer(&mut out, &document)?,
    }
    writeln!(out)?;
    Ok(Exit::Ok)
}

fn info(file: &Path, verify: bool, format: Format) -> Result<Exit, Failure> {
    let image = ImageSpace::open(file)?;
    let info = Info::of(&image)?;
    if verify {
        image.verify()?;
    }
    let mut out = std::io::stdout().lock();
    match format {
        Format::Table => write!(out, "{}", text(&info, verify))?,
        Format::Csv => {
            let message = "image info prints -f table, json or jsonl";
            return Err(Failure::new(Exit::Usage, message));
        }
        Format::Json | Format::Jsonl => {
            let mut document = info.document(&image);
            document["verified"] = verify.into();
            match format {
                Format::Json => serde_json::to_writer_pretty(&mut out, &document)?,
                _ => serde_json::to_writer(&mut out, &document)?,
            }
            writeln!(out)?;
        }
    }
    Ok(Exit::Ok)
}

fn text(info: &Info, verified: bool) -> String {
    let mut rows = table::new(&["", ""]);
    for (name, value) in info.lines() {
        rows.add_row(vec![name.to_owned(), value]);
    }
    let checked = match verified {
        true => "all chunks agree with their SHA-256",
        false => "not asked for (--verify)",
    };
    rows.add_row(vec!["verified".to_owned(), checked.to_owned()]);
    let mut regions = table::new(&["  region", "address", "bytes", "captured"]);
    for region in &info.regions {
        regions.add_row(vec![
            format!("  {}", region.name),
            region.start.clone(),
            region.bytes.to_string(),
            region.captured_bytes.to_string(),
        ]);
    }
    table::right(&mut regions, &[2, 3]);
    format!("{}\n{}", table::render(&rows), table::render(&regions))
}
