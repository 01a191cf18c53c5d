//! `doctor`: can I attach, and if not, why, and what would do.

use std::io::Write;

use super::args::{DoctorArgs, Format};
use super::{Exit, Failure, look, table};
use crate::discover::doctor::{Diagnosis, Finding, Outcome, Verdict, diagnose};

pub fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let diagnosis = match &args.image {
        Some(image) => look::diagnosis(image)?,
        None => diagnosis(&args.instance),
    };
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Table => write!(out, "{}", text(&diagnosis))?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &diagnosis)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for finding in &diagnosis.findings {
                serde_json::to_writer(&mut out, finding)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            return Err(Failure::new(
                Exit::Usage,
                "doctor prints -f table, json or jsonl",
            ));
        }
    }
    Ok(match diagnosis.verdict {
        Verdict::Ok => Exit::Ok,
        Verdict::NoPermission => Exit::NoPermission,
        Verdict::NoInstance => Exit::NoInstance,
    })
}

/// Of all instances, or of those named, with the worst verdict if none can be attached.
fn diagnosis(names: &[String]) -> Diagnosis {
    if names.is_empty() || names.iter().any(|n| n == super::instances::ALL) {
        return diagnose(None);
    }
    let mut all = diagnose(names.first().map(String::as_str));
    for name in names.iter().skip(1) {
        let one = diagnose(Some(name));
        // what concerns no instance has been said
        let own = |f: &Finding| f.sid.is_some() || f.outcome == Outcome::Fail;
        all.findings.extend(one.findings.into_iter().filter(own));
        if one.verdict == Verdict::Ok || all.verdict == Verdict::NoInstance {
            all.verdict = one.verdict;
        }
    }
    all
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut rows = table::new(&["", "instance", "check", "found"]);
    for f in &diagnosis.findings {
        let mark = match f.outcome {
            Outcome::Ok => "ok",
            Outcome::Warn => "warn",
            Outcome::Fail => "FAIL",
        };
        rows.add_row(vec![
            mark.to_owned(),
            f.sid.clone().unwrap_or_default(),
            f.check.to_owned(),
            f.detail.clone(),
        ]);
        if !f.advice.is_empty() {
            rows.add_row(vec![
                String::new(),
                String::new(),
                String::new(),
                format!("→ {}", f.advice),
            ]);
        }
    }
    let verdict = match diagnosis.verdict {
        Verdict::Ok => "can be attached",
        Verdict::NoPermission => "can't be attached: no permission",
        Verdict::NoInstance => "can't be attached: no such instance",
    };
    format!("{}\n{verdict}\n", table::render(&rows))
}
