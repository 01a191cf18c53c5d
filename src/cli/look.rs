//! One look at an image, for verbs that read recordings otherwise: `report --image`; and `doctor
//! --image`.

use std::path::Path;

use super::Failure;
use crate::analyze::{Report, ReportOptions, ReportTable};
use crate::decode::Decoder;
use crate::decode::columns::{needs_of, sample_columns};
use crate::discover::doctor::{Diagnosis, Finding, Outcome, Verdict};
use crate::memory::FileSpace;
use crate::sample::{AttachError, Attachment, SampleRows, Source};
use crate::walk::{Select, Walker};

/// What a single look counts for each session, ns.
const ONE_LOOK_NS: u64 = 1_000_000_000;

/// A report over the sessions that are active in an image, as one tick of a recorder would have
/// sampled them.
///
/// # Errors
/// It can't be read, or a column isn't there.
pub fn report(
    image: &Path,
    blueprint: Option<&Path>,
    options: ReportOptions,
) -> Result<ReportTable, Failure> {
    let attachment = Attachment::open(&Source::Image(image.to_owned()), blueprint)?;
    let columns = sample_columns();
    let bound = attachment.bind_sessions(&needs_of(&columns))?;
    let mut decoder = Decoder::new(&attachment.blueprint, &bound, &columns);
    let select = Select::Active {
        idle: attachment.events.idle_mask(),
    };
    let mut walker = Walker::new(bound, select).ok_or_else(|| attachment.lacks_gate())?;
    let mut frame = walker.frame();
    (frame.mono_ns, frame.wall_ns) = attachment.clocks();
    walker.sweep(&mut frame, || 0);
    frame.weight_ns = ONE_LOOK_NS;
    let mut rows = SampleRows::new(
        decoder.columns(),
        &attachment.name,
        &attachment.blueprint.id,
    );
    rows.append(&frame, &mut decoder);
    attachment.intact()?;
    let (samples, ticks) = rows.take()?;
    let mut report = Report::new(options);
    report.add(&samples)?;
    report.add_ticks(&attachment.name, &ticks)?;
    let mut table = report.finish();
    table.meta.forced = attachment.forced;
    Ok(table)
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
