//! `blueprint`: extract, list, diff, check, show; `explain` and `calibrate` have files of their own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{
    BlueprintArgs, BlueprintCommand, ExtractArgs, ExtractSources, Format, SourceArgs,
};
use super::{Exit, Failure, table};

use crate::blueprint::facts::Facts;
use crate::blueprint::sqlplus::{self, SqlplusError, Workplace};
use crate::blueprint::{
    Blueprint, ExtractError, Hints, HintsError, Registry, assemble, checks, diff, executable,
    merge, show, spool, trace,
};
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
            ExtractError::Missing { .. } => Exit::NoBlueprint,
            ExtractError::Contradiction(_) => Exit::Nothing,
            _ => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<SqlplusError> for Failure {
    fn from(error: SqlplusError) -> Failure {
        let exit = match &error {
            SqlplusError::Command { .. } => Exit::Usage,
            SqlplusError::Run { .. } | SqlplusError::Failed { .. } => Exit::Nothing,
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
        BlueprintCommand::Extract(args) => extract(args),
        BlueprintCommand::List { format } => list(*format),
        BlueprintCommand::Diff {
            first,
            second,
            format,
        } => difference(first, second, *format),
        BlueprintCommand::Check { file, format } => check(file, *format),
        BlueprintCommand::Show {
            file,
            view,
            format,
            source,
        } => show(file.as_deref(), source, (view.as_deref(), *format)),
        BlueprintCommand::Explain {
            file,
            format,
            source,
        } => super::explain::run(file.as_deref(), source, *format),
        BlueprintCommand::Calibrate(a) => super::calibrate::run(a),
    }
}

/// What all the given sources say together.
fn facts(sources: &ExtractSources, hints: &Hints) -> Result<Facts, Failure> {
    let mut all: Vec<Facts> = Vec::new();
    if let Some(binary) = &sources.binary {
        all.push(executable(binary, hints)?);
    }
    if let Some(command) = &sources.sqlplus {
        let place = Workplace::new()?;
        sqlplus::run(command, place.path())?;
        all.push(spooled(place.path(), "sqlplus", hints)?);
    }
    if let Some(directory) = &sources.spool {
        all.push(spooled(directory, "spool", hints)?);
    }
    for (i, path) in sources.trace.iter().enumerate() {
        let id = match i {
            0 => "trace".to_owned(),
            i => format!("trace-{}", i + 1),
        };
        all.push(trace::facts(path, &id).map_err(ExtractError::from)?);
    }
    let mut all = all.into_iter();
    let mut together = all.next().unwrap_or_default();
    for facts in all {
        together = merge::merge(together, facts).map_err(ExtractError::from)?;
    }
    Ok(together)
}

fn spooled(directory: &Path, id: &str, hints: &Hints) -> Result<Facts, Failure> {
    let wanted = spool::Wanted {
        tables: &hints.tables(),
        views: &hints.views(),
    };
    let spool = spool::read(directory, id, &wanted).map_err(ExtractError::from)?;
    for path in &spool.ignored {
        tracing::warn!(
            "{}: holds no table that is known, passed over",
            path.display()
        );
    }
    Ok(spool.facts)
}

fn extract(args: &ExtractArgs) -> Result<Exit, Failure> {
    let hints = Hints::shipped()?;
    let facts = facts(&args.sources, &hints)?;
    let mut blueprint = assemble(&facts, &hints)?;
    let output = args.output.as_deref();
    if let Some(sid) = &args.instance {
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

fn list(format: Format) -> Result<Exit, Failure> {
    let registry = Registry::of_user();
    let mut out = std::io::stdout().lock();
    let rows: Vec<serde_json::Value> = registry.entries().iter().map(Registry::line).collect();
    match format {
        Format::Json => {
            let document = serde_json::json!({
                "blueprints": rows,
                "problems": registry.problems(),
            });
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for row in &rows {
                serde_json::to_writer(&mut out, row)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "list prints -f table, json or jsonl",
            ));
        }
        Format::Table => {
            let names = [
                "id", "release", "port", "build_id", "status", "partial", "origin",
            ];
            let mut lines = table::new(&names);
            for row in &rows {
                lines.add_row(names.map(|name| match &row[name] {
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Bool(true) => "yes".into(),
                    serde_json::Value::Bool(false) => "no".into(),
                    _ => "-".into(),
                }));
            }
            write!(out, "{}", table::render(&lines))?;
            for problem in registry.problems() {
                writeln!(out, "not usable: {}: {}", problem.origin, problem.reason)?;
            }
        }
    }
    Ok(if registry.problems().is_empty() {
        Exit::Ok
    } else {
        Exit::Nothing
    })
}

/// A file's blueprint, or the registry's one of this id.
fn named(name: &str) -> Result<Blueprint, Failure> {
    if Path::new(name).exists() {
        return load(Path::new(name));
    }
    let registry = Registry::of_user();
    let found = registry.entries().iter().find(|e| e.blueprint.id == name);
    found.map(|e| e.blueprint.clone()).ok_or_else(|| {
        Failure::new(
            Exit::Nothing,
            format!("{name}: no such file, and no blueprint of that id (see blueprint list)"),
        )
    })
}

fn difference(first: &str, second: &str, format: Format) -> Result<Exit, Failure> {
    let (a, b) = (named(first)?, named(second)?);
    let found = diff::diff(&a, &b);
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &found)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for difference in &found {
                serde_json::to_writer(&mut out, difference)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "diff prints -f table, json or jsonl",
            ));
        }
        Format::Table => {
            for difference in &found {
                writeln!(out, "{difference}")?;
            }
            writeln!(out, "{} differences: {} -> {}", found.len(), a.id, b.id)?;
        }
    }
    Ok(if found.is_empty() {
        Exit::Ok
    } else {
        Exit::Nothing
    })
}

pub(super) fn load(path: &Path) -> Result<Blueprint, Failure> {
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

/// The document as asked for: one view's text, the whole as JSON, or for people.
fn document(
    out: &mut impl Write,
    blueprint: &Blueprint,
    (view, format): (Option<&str>, Format),
) -> Result<(), Failure> {
    match (view, format) {
        (Some(name), _) => {
            let view = blueprint.views.get(&name.to_uppercase()).ok_or_else(|| {
                let known: Vec<&str> = blueprint.views.keys().map(String::as_str).collect();
                let message = format!(
                    "{} has no text of view {name}; it has {}",
                    blueprint.id,
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                );
                Failure::new(Exit::Nothing, message)
            })?;
            writeln!(out, "{}", view.text)?;
        }
        (None, Format::Json) => write!(out, "{}", blueprint.to_json_pretty()?)?,
        (None, Format::Table) => write!(out, "{}", show::summary(blueprint))?,
        (None, Format::Jsonl | Format::Csv) => {
            return Err(Failure::new(Exit::Usage, "show prints -f table or json"));
        }
    }
    Ok(())
}

fn show(
    file: Option<&Path>,
    source: &SourceArgs,
    what: (Option<&str>, Format),
) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    if let Some(path) = file.filter(|_| source.instance.is_empty() && source.image.is_none()) {
        document(&mut out, &load(path)?, what)?;
        return Ok(Exit::Ok);
    }
    let given: Option<PathBuf> = file.map(Path::to_owned).or_else(|| source.blueprint());
    let attachment = Attachment::open(&source.source(), given.as_deref())?;
    document(&mut out, &attachment.blueprint, what)?;
    if what != (None, Format::Table) {
        return Ok(Exit::Ok);
    }
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
