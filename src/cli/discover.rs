//! `discover`: instances on this host.

use std::io::Write;

use super::args::{DiscoverArgs, Format};
use super::{Exit, Failure, instances, table};
use crate::blueprint::{ExeReader, Registry, banner};
use crate::discover::{Instance, MemoryKind, ProcRoot, Readable, Survey, survey};
use crate::sample::is_oracle;

/// What the instance's own executable says of it.
#[derive(serde::Serialize)]
struct Version {
    executable: Option<String>,
    release: Option<String>,
    build_id: Option<String>,
    /// Where the fitting blueprint comes from: `registry`, `extract`, or why there is none.
    blueprint: String,
}

pub fn run(args: &DiscoverArgs) -> Result<Exit, Failure> {
    let mut survey = survey(&ProcRoot::default());
    let all = args.instance.is_empty() || args.instance.iter().any(|n| n == instances::ALL);
    if !all {
        survey.instances.retain(|i| args.instance.contains(&i.sid));
    }
    let versions: Vec<Version> = survey.instances.iter().map(version).collect();
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Table => write!(out, "{}", text(&survey, &versions))?,
        Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "discover prints nested data: use -f table, json or jsonl",
            ));
        }
        Format::Json | Format::Jsonl => {
            let mut document = serde_json::to_value(&survey)?;
            if let Some(list) = document["instances"].as_array_mut() {
                for (instance, version) in list.iter_mut().zip(&versions) {
                    instance["version"] = serde_json::to_value(version)?;
                }
            }
            if args.format == Format::Json {
                serde_json::to_writer_pretty(&mut out, &document)?;
            } else {
                serde_json::to_writer(&mut out, &document)?;
            }
            writeln!(out)?;
        }
    }
    if survey.instances.is_empty() {
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Ok)
}

fn version(instance: &Instance) -> Version {
    let Some(exe) = instance.executable(is_oracle) else {
        let why = instance
            .executables
            .iter()
            .filter_map(|e| e.why_not.clone())
            .next_back();
        return Version {
            executable: None,
            release: None,
            build_id: None,
            blueprint: format!(
                "none: {}",
                why.unwrap_or_else(|| "no executable with kqftab found".into())
            ),
        };
    };
    let reader = ExeReader::open(&exe.path).ok();
    let build_id = reader.as_ref().and_then(ExeReader::build_id);
    let registry = Registry::of_user();
    let known = build_id.is_some_and(|id| matches!(registry.by_build_id(id), Ok(Some(_))));
    let texts = reader.as_ref().and_then(|r| banner::banner(r).ok());
    Version {
        executable: Some(exe.shown.display().to_string()),
        release: texts.map(|t| t.release),
        build_id: build_id.map(str::to_owned),
        blueprint: if known { "registry" } else { "extract" }.into(),
    }
}

fn text(survey: &Survey, versions: &[Version]) -> String {
    let mut text = String::new();
    if survey.instances.is_empty() {
        text.push_str("no instance runs here (no PMON process found)\n");
    }
    for (instance, version) in survey.instances.iter().zip(versions) {
        text.push_str(&one(instance, version));
    }
    if !survey.orphans.is_empty() {
        text.push_str("\nsegments without a live PMON\n");
        let mut rows = table::new(&[
            "  shmid",
            "key",
            "bytes",
            "owner",
            "nattch",
            "creator pid",
            "why",
        ]);
        for o in &survey.orphans {
            rows.add_row(vec![
                format!("  {}", o.shmid),
                o.key.map_or_else(|| "?".into(), |k| format!("0x{k:08x}")),
                o.size.to_string(),
                o.user.clone().unwrap_or_else(|| o.uid.to_string()),
                o.nattch.to_string(),
                o.cpid.to_string(),
                o.why.clone(),
            ]);
        }
        table::right(&mut rows, &[0, 2, 4, 5]);
        text.push_str(&table::render(&rows));
    }
    for files in &survey.orphan_files {
        text.push_str(&format!(
            "\n{} granule files of {} (like {}), {} bytes: {}\n",
            files.files,
            files.sid,
            files.example.display(),
            files.bytes,
            files.why
        ));
    }
    text
}

fn one(instance: &Instance, version: &Version) -> String {
    let memory = match instance.memory_kind() {
        MemoryKind::Sysv => "SysV segments",
        MemoryKind::DevShm => "/dev/shm granules (AMM)",
        MemoryKind::Unknown => "memory unknown",
    };
    let mut text = format!(
        "{}  PMON {}  {}  {}  {}\n",
        instance.sid,
        instance.pid,
        instance
            .user
            .clone()
            .unwrap_or_else(|| instance.uid.to_string()),
        version.release.as_deref().unwrap_or("release unknown"),
        memory,
    );
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<11} {value}\n"));
    if let Some(exe) = &version.executable {
        line("executable", exe);
    }
    if let Some(id) = &version.build_id {
        line("build-id", id);
    }
    line("blueprint", &version.blueprint);
    match &instance.readable {
        Readable::Yes => line("readable", "yes"),
        Readable::No {
            cause,
            least_privilege,
            ..
        } => {
            line("readable", &format!("no: {cause}"));
            line("", &format!("least privilege: {least_privilege}"));
        }
    }
    for note in &instance.notes {
        line("note", note);
    }
    let unknown = || "?".to_owned();
    let mut rows = table::new(&[
        "  shmid", "key", "address", "bytes", "mode", "owner", "nattch", "maps",
    ]);
    for s in &instance.segments {
        rows.add_row(vec![
            format!("  {}", s.shmid),
            s.key.map_or_else(unknown, |k| format!("0x{k:08x}")),
            s.address.map_or_else(unknown, |a| format!("{:#x}", a.0)),
            s.size.map_or_else(unknown, |n| n.to_string()),
            s.mode.map_or_else(unknown, |m| format!("{m:03o}")),
            s.user.clone().unwrap_or_else(unknown),
            s.nattch.map_or_else(unknown, |n| n.to_string()),
            s.mappings.to_string(),
        ]);
    }
    table::right(&mut rows, &[0, 2, 3, 6, 7]);
    if !instance.segments.is_empty() {
        text.push_str(&table::render(&rows));
    }
    let used = instance.granules.iter().filter(|g| g.size != Some(0));
    let bytes: u64 = used.clone().map(|g| g.mapped).sum();
    if !instance.granules.is_empty() {
        text.push_str(&format!(
            "  {} granule files in use, {bytes} bytes, {} unused\n",
            used.count(),
            instance
                .granules
                .iter()
                .filter(|g| g.size == Some(0))
                .count(),
        ));
    }
    text
}
