//! `cost export`: charges as FOCUS rows.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;

use super::super::args::{ExportArgs, ExportFormat};
use super::super::{Exit, Failure};
use super::Asked;
use crate::finops::focus::{Cell, DAY_US, Naming, days, rows, write_csv, write_parquet};
use crate::finops::{FinopsError, files};

pub fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    let asked = Asked::of(&args.account)?;
    let naming = naming(args, &asked)?;
    let made = asked.sums(Some(DAY_US))?;
    let prices = &asked.rules.prices;
    let idle = asked.idle(args.idle);
    // by begin of the billing period
    let mut files: BTreeMap<i64, Vec<Vec<Cell>>> = BTreeMap::new();
    for day in days(&made, prices, idle)? {
        let (statement, periods) = (&day.statement, &day.periods);
        let found = rows(
            args.focus,
            statement,
            prices,
            &naming,
            periods,
            day.instance_us,
        )?;
        files.entry(periods.billing.0).or_default().extend(found);
    }
    let mut out = std::io::stdout().lock();
    let mut all = 0;
    for (billing_us, rows) in files.iter().filter(|(_, rows)| !rows.is_empty()) {
        let month = Timestamp::from_microsecond(*billing_us)
            .map_err(|_| FinopsError::TooLarge("a time"))?
            .strftime("%Y-%m");
        let name = match args.format {
            ExportFormat::Csv => format!("focus-{}.csv", args.focus.name()),
            ExportFormat::Parquet => format!("focus-{}.parquet", args.focus.name()),
        };
        let path = args
            .output
            .join(format!("billing_period={month}"))
            .join(name);
        let write = match args.format {
            ExportFormat::Csv => write_csv,
            ExportFormat::Parquet => write_parquet,
        };
        let written = write(&path, args.focus, rows, prices.decimals)?;
        all += written.rows;
        writeln!(out, "{} rows to {}", written.rows, written.path.display())?;
    }
    let refused: u64 = made.reasons.values().sum();
    if refused > 0 {
        tracing::warn!(
            "{refused} deltas were refused and aren't in the files; cost deltas --ledger DIR keeps them with the reason"
        );
    }
    Ok(if all == 0 { Exit::Nothing } else { Exit::Ok })
}

fn naming(args: &ExportArgs, asked: &Asked) -> Result<Naming, Failure> {
    let hash = match (&args.hash_key, args.hash_tenant) {
        (Some(path), _) => Some(files::text(path).map_err(FinopsError::io(path))?),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    let runs = &asked.reader.recording().runs;
    let mut instances: Vec<String> = runs
        .iter()
        .map(|run| format!("{}/{}", run.meta.host, run.meta.instance))
        .collect();
    instances.sort();
    instances.dedup();
    Ok(Naming {
        account: args.billing_account.clone(),
        provider: args.provider.clone(),
        host_provider: args.host_provider.clone(),
        resource: instances.join(","),
        hash,
    })
}
