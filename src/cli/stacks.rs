//! The files of stacks that `report` writes beside its table.

use std::path::Path;

use super::args::StackArgs;
use super::{Exit, Failure};
use crate::analyze::{Grouping, ReportTable};
use crate::export::{Stacks, flame, speedscope, stacks};
use crate::filter::column_name;

/// Columns of the stacks, the root's first.
fn columns(args: &StackArgs) -> Vec<String> {
    match args.flame_by.is_empty() {
        true => stacks::BY.map(str::to_owned).to_vec(),
        false => args.flame_by.iter().map(|name| column_name(name)).collect(),
    }
}

/// The grouping that stacks are made of, if any file of them is wanted.
pub fn grouping(args: &StackArgs) -> Option<Grouping> {
    let wanted = args.flame.is_some() || args.speedscope.is_some() || args.folded.is_some();
    let mut columns = columns(args);
    columns.push(stacks::CLASS.to_owned());
    wanted.then_some(Grouping {
        columns,
        steps: None,
    })
}

/// Writes the files.
pub fn write(args: &StackArgs, table: &ReportTable, recording: &str) -> Result<(), Failure> {
    let stacks = Stacks::of(table, &columns(args));
    if let Some(path) = &args.flame {
        let meta = &table.meta;
        let time = |us: Option<i64>| {
            let time = us.and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
            time.map_or("?".to_owned(), |time| {
                time.strftime("%Y-%m-%d %H:%M:%S").to_string()
            })
        };
        let aas = meta
            .aas
            .map_or(String::new(), |aas| format!(", AAS {aas:.2}"));
        let subtitle = format!(
            "{} to {} UTC, {:.1} s active{aas}; {}",
            time(meta.from_us),
            time(meta.to_us),
            meta.total_seconds,
            stacks.columns.join(" > "),
        );
        file(
            path,
            &flame::svg(
                &stacks,
                &format!("Active session time: {recording}"),
                &subtitle,
            ),
        )?;
    }
    if let Some(path) = &args.speedscope {
        let document = speedscope::document(&stacks, recording);
        file(path, &(serde_json::to_string(&document)? + "\n"))?;
    }
    if let Some(path) = &args.folded {
        file(path, &stacks.folded())?;
    }
    Ok(())
}

fn file(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        let message = format!("{}: can't be written: {error}", path.display());
        Failure::new(Exit::Usage, message)
    })
}
