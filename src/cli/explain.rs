//! `blueprint explain`: what sampling by a blueprint costs.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::{Format, SourceArgs};
use super::{Exit, Failure, table};
use crate::decode::columns::{needs_of, sample_columns};
use crate::plan::{Accepted, Plan, arrays, compile};
use crate::sample::pacer::monotonic_ns;
use crate::sample::{AttachError, Attachment};
use crate::walk::explain::{Explanation, Part, explain};
use crate::walk::{GateFields, Select, Walker};

/// Sweeps of which the middle one is told.
const SWEEPS: usize = 41;

/// What sweeps of an instance or image took.
struct Measured {
    slots: usize,
    selected: usize,
    middle_ns: u64,
    kind: &'static str,
}

pub fn run(file: Option<&Path>, source: &SourceArgs, format: Format) -> Result<Exit, Failure> {
    let alone = file.filter(|_| source.instance.is_empty() && source.image.is_none());
    let (id, plan, measured) = match alone {
        Some(path) => {
            let mut blueprint = super::blueprint::load(path)?;
            // no rows to prove anything by: as it is where every claim holds
            for field in blueprint.structs.iter_mut().flat_map(|s| &mut s.fields) {
                field.accept = None;
            }
            let row = arrays::find(&blueprint, "sessions")
                .map_err(AttachError::from)?
                .row
                .clone();
            let accepted = Arc::new(Accepted::default());
            let needs = needs_of(&sample_columns());
            let plan = compile(&blueprint, &accepted, &row, &GateFields::NEEDS, &needs)
                .map_err(AttachError::from)?;
            (blueprint.id, plan, None)
        }
        None => on_memory(file, source)?,
    };
    let found = explain(&plan).ok_or_else(|| {
        Failure::new(
            Exit::NoBlueprint,
            format!("{id}: its rows can't be read word by word"),
        )
    })?;
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            let measured = measured.map(|m| {
                json!({"memory": m.kind, "slots": m.slots, "active": m.selected, "sweep_ns": m.middle_ns})
            });
            let document = json!({"blueprint_id": id, "cost": found, "measured": measured});
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
        }
        Format::Table => {
            writeln!(out, "{id}: what a sampled row costs\n")?;
            print(&mut out, &found)?;
            if let Some(m) = measured {
                writeln!(
                    out,
                    "\nMeasured here ({}): {} slots, {} active, {} us a sweep (middle of {SWEEPS})",
                    m.kind,
                    m.slots,
                    m.selected,
                    m.middle_ns.div_ceil(1000)
                )?;
            }
        }
        Format::Jsonl | Format::Csv => {
            return Err(Failure::new(Exit::Usage, "explain prints -f table or json"));
        }
    }
    Ok(Exit::Ok)
}

/// The plan as it holds on an instance or image, and what sweeping it takes.
fn on_memory(
    file: Option<&Path>,
    source: &SourceArgs,
) -> Result<(String, Plan, Option<Measured>), Failure> {
    let given = file.map(Path::to_owned).or_else(|| source.blueprint());
    let attachment = Attachment::open(&source.source(), given.as_deref())?;
    let bound = attachment.bind_sessions(&needs_of(&sample_columns()))?;
    let (plan, slots) = (bound.plan.clone(), bound.rows.len());
    let idle = attachment.events.idle_mask();
    let select = Select::Active { idle };
    let mut walker = Walker::new(bound, select).ok_or_else(|| attachment.lacks_gate())?;
    let mut frame = walker.frame();
    let mut took: Vec<u64> = (0..SWEEPS)
        .map(|_| {
            let start = monotonic_ns();
            walker.sweep(&mut frame, || monotonic_ns() - start);
            monotonic_ns() - start
        })
        .collect();
    took.sort_unstable();
    let measured = Measured {
        slots,
        selected: frame.len(),
        middle_ns: took[SWEEPS / 2],
        kind: attachment.space.kind(),
    };
    Ok((attachment.blueprint.id.clone(), plan, Some(measured)))
}

fn print(out: &mut impl Write, found: &Explanation) -> Result<(), Failure> {
    let names = [
        "  part",
        "of",
        "fields",
        "words",
        "runs",
        "lines",
        "reads if not mapped",
    ];
    let mut rows = table::new(&names);
    let part = |name: &str, of: &str, p: &Part| {
        vec![
            name.to_owned(),
            of.to_owned(),
            p.fields.to_string(),
            p.words.to_string(),
            p.runs.to_string(),
            range(p.lines_least, p.lines_most),
            format!(
                "{} ({} bytes of gaps)",
                p.unmapped_reads, p.unmapped_gap_bytes
            ),
        ]
    };
    rows.add_row(part("  gate", "every row", &found.gate));
    rows.add_row(part("  spans", "active rows", &found.spans));
    if found.tails.fields > 0 {
        rows.add_row(vec![
            "  tails".into(),
            "long texts".into(),
            found.tails.fields.to_string(),
            found.tails.words.to_string(),
            found.tails.fields.to_string(),
            String::new(),
            "with the spans".into(),
        ]);
    }
    for chase in &found.chases {
        rows.add_row(vec![
            format!("  behind {}", chase.pointer),
            "active rows".into(),
            String::new(),
            chase.bytes.div_ceil(8).to_string(),
            "1".into(),
            range(chase.lines_least, chase.lines_most),
            "1".into(),
        ]);
    }
    table::right(&mut rows, &[2, 3, 4, 5]);
    write!(out, "{}", table::render(&rows))?;
    writeln!(
        out,
        "\n  guard: a second reading of all {} words of an active row, from lines that are here already; up to {} more\n  kept: {} bytes a row",
        found.guard.words,
        found.guard.retries,
        found.row_words * 8
    )?;
    writeln!(
        out,
        "\n  Lines of a row that begins on one (64 bytes each):"
    )?;
    let mut rows = table::new(&["  offset", "part", "words", "fields"]);
    for line in &found.lines {
        rows.add_row(vec![
            format!("  {}", line.offset),
            match line.gate {
                true => "gate",
                false if line.tail_words == line.words => "tails",
                false => "spans",
            }
            .into(),
            line.words.to_string(),
            line.fields.join(" "),
        ]);
    }
    table::right(&mut rows, &[2]);
    write!(out, "{}", table::render(&rows))?;
    Ok(())
}

fn range<T: PartialEq + std::fmt::Display>(least: T, most: T) -> String {
    if least == most {
        least.to_string()
    } else {
        format!("{least}-{most}")
    }
}
