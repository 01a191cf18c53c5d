//! `blueprint`: extract, check, show.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{BlueprintArgs, BlueprintCommand, Format, SourceArgs};
use super::{Exit, Failure, table};

use crate::blueprint::{Blueprint, ExtractError, Hints, HintsError, checks, from_executable, show};
use crate::decode::COLUMNS;
use crate::plan::Verdict;
use crate::sample::{Attachment, Source};

impl From<ExtractError> for Failure {
    fn from(error: ExtractError) -> Failure {
        let exit = match &error {
            ExtractError::Open { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Exit::NoPermission,
                std::io::ErrorKind::NotFound => Exit::Nothing,
                _ => Exit::Damaged,
            },
            _ => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<HintsError> for Failure {
    fn from(error: HintsError) -> Failure {
        Failure::new(Exit::Damaged, error.to_string())
    }
}

pub fn run(args: &BlueprintArgs) -> Result<Exit, Failure> {
    match &args.command {
        BlueprintCommand::Extract {
            binary,
            instance,
            output,
        } => extract(binary, instance.as_deref(), output.as_deref()),
        BlueprintCommand::Check { file, format } => check(file, *format),
        BlueprintCommand::Show { file, source } => show(file.as_deref(), source),
        BlueprintCommand::Calibrate(a) => super::calibrate::run(a),
    }
}

fn extract(binary: &Path, instance: Option<&str>, output: Option<&Path>) -> Result<Exit, Failure> {
    let mut blueprint = from_executable(binary, &Hints::shipped()?)?;
    if let Some(sid) = instance {
        blueprint.dictionaries.events = events_of(sid, &blueprint)?;
    }
    let text = blueprint.to_json_pretty()? + "\n";
    match output {
        Some(path) => fs::write(path, text).map_err(|e| {
            Failure::new(
                Exit::Damaged,
                format!("can't write {}: {e}", path.display()),
            )
        })?,
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(Exit::Ok)
}

/// The event names of a running instance of the same executable.
fn events_of(
    sid: &str,
    blueprint: &Blueprint,
) -> Result<Vec<crate::blueprint::model::EventName>, Failure> {
    let source = Source::Live {
        sid: Some(sid.to_owned()),
        via: crate::discover::Via::Shm,
    };
    let attachment = Attachment::open(&source, None)?;
    if attachment.blueprint.identity.build_id != blueprint.identity.build_id {
        return Err(Failure::new(
            Exit::NoBlueprint,
            format!("instance {sid} runs another executable than the one given"),
        ));
    }
    match &attachment.events.problem {
        Some(problem) => Err(Failure::new(Exit::NoBlueprint, problem.clone())),
        None => Ok(attachment.events.to_dictionary()),
    }
}

fn load(path: &Path) -> Result<Blueprint, Failure> {
    let bytes = fs::read(path).map_err(|e| {
        let failure = Failure::from(e);
        Failure::new(
            failure.exit,
            format!("can't read {}: {}", path.display(), failure.message),
        )
    })?;
    Ok(Blueprint::from_json(&bytes, &path.display().to_string())?)
}

/// Field names that recipes know, so that a blueprint's other names are worth a remark.
fn known_fields() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        crate::decode::columns::needs_of(&COLUMNS.iter().collect::<Vec<_>>())
            .into_iter()
            .flat_map(|n| std::iter::once(n.field).chain(n.via))
            .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn check(path: &Path, format: Format) -> Result<Exit, Failure> {
    let blueprint = load(path)?;
    let findings = checks::check(&blueprint, &known_fields());
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &findings)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for finding in &findings {
                serde_json::to_writer(&mut out, finding)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "check prints -f table, json or jsonl",
            ));
        }
        Format::Table => {
            for finding in &findings {
                writeln!(out, "{finding}")?;
            }
            let verdict = if checks::usable(&findings) {
                "usable"
            } else {
                "not usable"
            };
            writeln!(
                out,
                "{}: {verdict}, {} findings by {} rules",
                blueprint.id,
                findings.len(),
                checks::RULES.len()
            )?;
        }
    }
    Ok(if checks::usable(&findings) {
        Exit::Ok
    } else {
        Exit::Nothing
    })
}

fn show(file: Option<&Path>, source: &SourceArgs) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    if let Some(path) = file.filter(|_| source.instance.is_none() && source.image.is_none()) {
        write!(out, "{}", show::summary(&load(path)?))?;
        return Ok(Exit::Ok);
    }
    let given: Option<PathBuf> = file.map(Path::to_owned).or_else(|| source.blueprint());
    let attachment = Attachment::open(&source.source(), given.as_deref())?;
    write!(out, "{}", show::summary(&attachment.blueprint))?;
    writeln!(
        out,
        "\nTried on {} ({})",
        attachment.name,
        attachment.space.kind()
    )?;
    let mut rows = table::new(&["  field", "verdict", "offset", "agreed", "tested"]);
    for o in &attachment.accepted.outcomes {
        let (verdict, offset) = match o.verdict {
            Verdict::Accepted(offset) => ("accepted", offset.to_string()),
            Verdict::Refused => ("REFUSED", String::new()),
            Verdict::Untested => ("untested", String::new()),
        };
        rows.add_row(vec![
            format!("  {}.{}", o.strukt, o.field),
            verdict.to_owned(),
            offset,
            o.agreed.to_string(),
            o.tested.to_string(),
        ]);
    }
    table::right(&mut rows, &[2, 3, 4]);
    write!(out, "{}", table::render(&rows))?;
    Ok(Exit::Ok)
}
