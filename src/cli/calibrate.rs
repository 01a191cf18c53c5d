//! `blueprint calibrate`: learn a layout from memory.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::args::{CalibrateArgs, Format};
use super::{Exit, Failure};

use crate::blueprint::calibrate::calibration::TRUTH_FILES;
use crate::blueprint::calibrate::prior::fill;
use crate::blueprint::calibrate::{
    CalibrateError, Calibration, Prior, Settings, Shape, Spec, Spool, with_prior, with_truth,
    without_truth,
};
use crate::blueprint::model::Identity;
use crate::blueprint::{Blueprint, registry};
use crate::decode::columns::{Kind, Recipe};
use crate::decode::{COLUMNS, columns};
use crate::discover::{self, ProcRoot};
use crate::memory::{AddressSpace, FileError, FileSpace};
use crate::plan::Need;
use crate::plan::handle::{parse_sql_id, sql_id_of};
use crate::sample::{AttachError, Source};

impl From<CalibrateError> for Failure {
    fn from(error: CalibrateError) -> Failure {
        let exit = match error {
            CalibrateError::NotRows(_)
            | CalibrateError::NoArray
            | CalibrateError::PriorWithoutRows(_)
            | CalibrateError::SeveralArrays => Exit::NoBlueprint,
            _ => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

pub fn run(args: &CalibrateArgs) -> Result<Exit, Failure> {
    let prior = args
        .source
        .blueprint()
        .map(|p| read_prior(&p))
        .transpose()?;
    let (space, name) = open(args)?;
    let prior = prior.map(|(blueprint, sha256)| Prior {
        blueprint,
        sha256,
        sid: args.source.image.is_none().then(|| name.clone()),
    });
    let settings = Settings {
        specs: specs(),
        sql_id_of,
        parse_sql_id,
        status_masks: vec![9, 11],
        identity: Identity {
            build_id: None,
            release: args.release.clone(),
            port: "Linux x86-64".into(),
            banner: None,
        },
        id: format!("{name}-calibrated"),
    };
    let learned = learn(args, &*space, settings, prior.as_ref());
    if let Some(damage) = space.damage() {
        return Err(AttachError::from(FileError::from(damage)).into());
    }
    write(&learned?, args)
}

/// Learns, with or without truth and a prior.
fn learn(
    args: &CalibrateArgs,
    space: &dyn AddressSpace,
    settings: Settings,
    prior: Option<&Prior>,
) -> Result<Calibration, Failure> {
    Ok(match &args.truth {
        Some(truth) => {
            let rounds = args.truth_command.as_ref().map_or(1, |_| args.rounds);
            let mut first = true;
            let mut told = || {
                if let Some(command) = &args.truth_command {
                    if !first {
                        std::thread::sleep(args.interval);
                    }
                    first = false;
                    spool(command)?;
                }
                Ok(Spool::read(truth, &TRUTH_FILES)?)
            };
            let mut learned = with_truth(space, settings, rounds.into(), &mut told)?;
            if let Some(prior) = prior {
                fill(&mut learned, prior);
            }
            learned
        }
        None => {
            let mut pause = || std::thread::sleep(args.interval);
            let rounds = args.rounds.into();
            match prior {
                Some(prior) => with_prior(space, settings, prior, rounds, &mut pause)?,
                None => without_truth(space, settings, rounds, &mut pause)?,
            }
        }
    })
}

fn read_prior(path: &Path) -> Result<(Blueprint, String), Failure> {
    let bytes = fs::read(path).map_err(|e| {
        Failure::new(
            Exit::Damaged,
            format!("can't read the prior {}: {e}", path.display()),
        )
    })?;
    let blueprint =
        Blueprint::from_json(&bytes, &path.display().to_string()).map_err(AttachError::from)?;
    Ok((blueprint, registry::sha256(&bytes)))
}

fn write(calibration: &Calibration, args: &CalibrateArgs) -> Result<Exit, Failure> {
    if let Some(path) = &args.output {
        let text = calibration.blueprint.to_json_pretty()? + "\n";
        fs::write(path, text).map_err(|e| {
            Failure::new(
                Exit::Damaged,
                format!("can't write {}: {e}", path.display()),
            )
        })?;
    }
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &calibration.report)?;
            writeln!(out)?;
        }
        Format::Table => write!(out, "{}", calibration.report)?,
        Format::Jsonl | Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "calibrate prints -f table or json",
            ));
        }
    }
    Ok(Exit::Ok)
}

fn spool(command: &str) -> Result<(), CalibrateError> {
    let run = std::process::Command::new("sh")
        .args(["-c", command])
        .output();
    match run {
        Ok(end) if end.status.success() => Ok(()),
        Ok(end) => Err(CalibrateError::Command(format!(
            "the truth command ended with {}: {}",
            end.status,
            String::from_utf8_lossy(&end.stderr).trim()
        ))),
        Err(e) => Err(CalibrateError::Command(format!(
            "the truth command can't run: {e}"
        ))),
    }
}

fn open(args: &CalibrateArgs) -> Result<(Arc<dyn AddressSpace>, String), Failure> {
    match args.source.source() {
        Source::Image(path) => {
            let space = FileSpace::open(&path).map_err(AttachError::from)?;
            let name = path.file_name().unwrap_or_default().display().to_string();
            Ok((space.space(), name))
        }
        Source::Live { sid, via } => {
            let instances = discover::scan(&ProcRoot::default());
            let mut fitting = instances
                .iter()
                .filter(|i| sid.as_ref().is_none_or(|s| *s == i.sid));
            let (Some(instance), None) = (fitting.next(), fitting.next()) else {
                let what = sid.map_or("exactly one instance".to_owned(), |s| {
                    format!("instance {s}")
                });
                return Err(Failure::new(
                    Exit::NoInstance,
                    format!("{what} isn't running here"),
                ));
            };
            let space = discover::open_memory(instance, via).map_err(AttachError::from)?;
            Ok((Arc::from(space), instance.sid.clone()))
        }
    }
}

/// The recipes of all columns, as what a cell of V$SESSION says of a field.
pub fn specs() -> Vec<Spec> {
    let mut all: Vec<Spec> = columns::dump_columns()
        .iter()
        .flat_map(|c| spec(c))
        .collect();
    all.sort_by(|a, b| (&a.via, &a.field, &a.column).cmp(&(&b.via, &b.field, &b.column)));
    all.dedup_by(|a, b| a.column == b.column && a.field == b.field);
    debug_assert!(COLUMNS.len() >= all.len() / 3);
    all
}

fn spec(column: &columns::Column) -> Vec<Spec> {
    let view = column.name.strip_suffix("_no").map(|n| format!("{n}#"));
    let view = view
        .unwrap_or_else(|| column.name.to_owned())
        .to_ascii_uppercase();
    let one = |need: Need, shape: Shape| {
        vec![Spec {
            column: view.clone(),
            via: need.via.map(str::to_owned),
            field: need.field.to_owned(),
            shape,
        }]
    };
    let widest = if column.kind == Kind::U64 { 8 } else { 4 };
    // of two ways the second is the one of the releases that are known; a text may also stand in
    // the row, and what only a server function makes has no second place
    let recipe = match column.recipe {
        Recipe::Either(first @ Recipe::Code(..), Recipe::Special(_)) => *first,
        Recipe::Either(_, second) => *second,
        recipe => recipe,
    };
    match recipe {
        Recipe::Uint(n)
        | Recipe::UintInPlsql(n)
        | Recipe::UintIf(n, _)
        | Recipe::CountedUint(n, _, _) => one(n, Shape::Uint { widest, null: None }),
        Recipe::UintNull(n, null) => one(
            n,
            Shape::Uint {
                widest,
                null: Some(null),
            },
        ),
        Recipe::Int(n) => one(n, Shape::Int),
        Recipe::Address(n) => one(n, Shape::Address),
        // a number's other face is told by the number
        Recipe::Raw(_) if column.name.starts_with('p') && column.name.len() == 5 => Vec::new(),
        Recipe::Raw(n) => one(n, Shape::Address),
        Recipe::Text(n) => one(n, Shape::Text),
        Recipe::Time(n) => one(n, Shape::Time),
        Recipe::Code(n, codes, other) => {
            let codes = codes.iter().map(|(v, w)| (*v, (*w).to_owned())).collect();
            one(n, Shape::Code(codes, other.to_owned()))
        }
        Recipe::Flag(n, mask, yes, _) => one(n, Shape::Flag(mask, yes.to_owned())),
        // of several masks only the first one's word tells its bit both ways
        Recipe::Flags(n, masks, _) => masks.first().map_or_else(Vec::new, |(mask, word)| {
            one(n, Shape::Flag(*mask, (*word).to_owned()))
        }),
        Recipe::CountedText(n, length) => one(
            n,
            Shape::PointedText {
                length: length.field.to_owned(),
            },
        ),
        Recipe::ProcessAddress => one(crate::plan::row("owner"), Shape::Address),
        Recipe::SqlId => one(
            crate::plan::row("sql_id_high"),
            Shape::HighWord(parse_sql_id),
        ),
        Recipe::PlainSqlId(_, high, _) => one(high, Shape::HighWord(parse_sql_id)),
        Recipe::RowAddress
        | Recipe::Slot
        | Recipe::Bit(..)
        | Recipe::Since(_)
        | Recipe::Blocker(..)
        | Recipe::Either(..)
        | Recipe::Xid
        | Recipe::Special(_)
        | Recipe::Made(..)
        | Recipe::NotStored(_) => Vec::new(),
    }
}
