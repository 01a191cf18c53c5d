//! `groups import`: what a DBA has, to a file of rules.

use super::super::args::GroupsImportArgs;
use super::super::{Exit, Failure};
use super::print;
use crate::finops::import::Import;
use crate::finops::rules_file::RulesFile;

pub fn run(args: &GroupsImportArgs) -> Result<Exit, Failure> {
    let mut import = Import::default();
    for (at, path) in args.files.iter().enumerate() {
        if path.extension().is_none_or(|e| e != "toml") {
            import.add(path)?;
            continue;
        }
        if at > 0 {
            let message = format!(
                "{}: a file of rules comes first, what changes it after it",
                path.display()
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        import = Import::onto(RulesFile::read(path)?);
    }
    let output = args.output.as_deref();
    // what can't be used is better said now than when it is
    import.file.rule_set(output.unwrap_or("-".as_ref()))?;
    let text = import.file.to_toml()?;
    match output {
        None => print(&text)?,
        Some(path) => std::fs::write(path, &text).map_err(|e| {
            Failure::new(
                Exit::Damaged,
                format!("can't write {}: {e}", path.display()),
            )
        })?,
    }
    for note in &import.notes {
        tracing::warn!("{note}");
    }
    let file = &import.file;
    if let Some(path) = output {
        print(&format!(
            "{} rules, {} privileges, {} directives, {} switches in {}\n",
            file.rules.len(),
            file.privileges.as_ref().map_or(0, Vec::len),
            file.directives.len(),
            file.switches.len(),
            path.display()
        ))?;
    }
    Ok(Exit::Ok)
}
