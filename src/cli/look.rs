//! One look at an image, for verbs that read recordings otherwise: `report --image`; and `doctor
//! --image`.

use std::path::Path;

use super::Failure;
use super::args::RecordArgs;
use super::record::meta;
use crate::decode::Decoder;
use crate::decode::columns::{needs_of, sample_columns};
use crate::decode::needs::PREVIOUS_SQL_NEEDS;
use crate::discover::doctor::{Diagnosis, Finding, Outcome, Verdict};
use crate::memory::FileSpace;
use crate::record::Recorder;
use crate::sample::rows::statement_batch;
use crate::sample::{AttachError, Attachment, SampleRows, Source, SqlTexts};
use crate::walk::{Select, Walker};

/// What a single look counts for each session, ns.
const ONE_LOOK_NS: u64 = 1_000_000_000;

/// Records the sessions that are active in an image into `dir`, as one tick of a recorder would have
/// sampled them when it was captured.
///
/// # Errors
/// It can't be read, or the recording can't be written.
pub fn record(dir: &Path, args: &RecordArgs) -> Result<(), Failure> {
    let attachment = Attachment::open(&args.source.source(), args.source.blueprint().as_deref())?;
    let columns = sample_columns();
    let form = args.sql_text.form();
    let mut needs = needs_of(&columns);
    needs.extend(PREVIOUS_SQL_NEEDS.iter().filter(|_| form.is_some()));
    let bound = attachment.bind_sessions(&needs)?;
    let mut decoder = Decoder::new(&attachment.blueprint, &bound, &columns);
    let select = Select::Active {
        idle: attachment.events.idle_mask(),
    };
    let mut walker = Walker::new(bound, select).ok_or_else(|| attachment.lacks_gate())?;
    let mut frame = walker.frame();
    (frame.mono_ns, frame.wall_ns) = attachment.clocks();
    walker.sweep(&mut frame, || 0);
    frame.weight_ns = ONE_LOOK_NS;
    let mut texts = form.and_then(|form| SqlTexts::of(&attachment, form));
    if let Some(texts) = &mut texts {
        texts.look(&*attachment.space, &mut decoder, &frame);
    }
    let mut rows = SampleRows::narrow(&decoder, &attachment.name, &attachment.blueprint.id);
    rows.append(&frame, &mut decoder);
    attachment.intact()?;
    let mut recorder = Recorder::create(dir, meta(args, &attachment))?;
    for (table, batch) in rows.take_tables()? {
        recorder.write(table, &batch)?;
    }
    let fresh = texts.as_mut().map(SqlTexts::take_fresh);
    if let Some(fresh) = fresh.filter(|f| !f.is_empty()) {
        recorder.write("sql_text", &statement_batch(&fresh)?)?;
    }
    recorder.close()?;
    Ok(())
}

/// Whether an image is whole and can be read.
///
/// # Errors
/// It can't be opened, or is damaged.
pub fn diagnosis(image: &Path) -> Result<Diagnosis, Failure> {
    let file = FileSpace::open(image).map_err(AttachError::from)?;
    let mut findings = vec![ok(
        "file",
        format!(
            "{} is an image of kind {}",
            image.display(),
            file.space().kind()
        ),
    )];
    if let FileSpace::Image(image) = &file {
        image.verify()?;
        let chunks = image.chunks().len();
        findings.push(ok("checksums", format!("all {chunks} chunks agree")));
    }
    match Attachment::open(&Source::Image(image.to_owned()), None) {
        Ok(attachment) => {
            let id = &attachment.blueprint.id;
            findings.push(ok(
                "blueprint",
                format!("{id} fits: instance {}", attachment.name),
            ));
        }
        Err(AttachError::NoBlueprint(why)) => findings.push(Finding {
            outcome: Outcome::Warn,
            advice: "name one with --blueprint FILE when reading it".into(),
            ..ok("blueprint", why)
        }),
        Err(error) => return Err(error.into()),
    }
    Ok(Diagnosis {
        verdict: Verdict::Ok,
        findings,
    })
}

fn ok(check: &'static str, detail: String) -> Finding {
    Finding {
        sid: None,
        check,
        outcome: Outcome::Ok,
        detail,
        advice: String::new(),
    }
}
