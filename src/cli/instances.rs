//! Several instances at once: which are meant by `-I`, and one failure that doesn't hide the others.

use super::args::SourceArgs;
use super::{Exit, Failure};
use crate::discover::{self, ProcRoot};
use crate::sample::Source;

/// The word for all running instances.
pub const ALL: &str = "all";

/// Whether the user asked for several instances, however many there are.
pub fn several(names: &[String]) -> bool {
    names.len() > 1 || names.iter().any(|n| n == ALL)
}

/// The names meant: those given, each once, or those of all running instances.
///
/// # Errors
/// All are asked for and none runs.
pub fn names(given: &[String]) -> Result<Vec<String>, Failure> {
    if !given.iter().any(|n| n == ALL) {
        let mut names = given.to_vec();
        let mut seen = std::collections::HashSet::new();
        names.retain(|n| seen.insert(n.clone()));
        return Ok(names);
    }
    let mut names: Vec<String> = discover::scan(&ProcRoot::default())
        .into_iter()
        .map(|i| i.sid)
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(Failure::new(
            Exit::NoInstance,
            "no instance runs here (no PMON process found)",
        ));
    }
    Ok(names)
}

/// The sources meant, one for each instance.
///
/// # Errors
/// See [`names`].
pub fn sources(args: &SourceArgs) -> Result<Vec<Source>, Failure> {
    if !several(&args.instance) {
        return Ok(vec![args.source()]);
    }
    let one = |name: String| {
        SourceArgs {
            instance: vec![name],
            ..args.clone()
        }
        .source()
    };
    Ok(names(&args.instance)?.into_iter().map(one).collect())
}

/// Does something for each source, see [`merged`].
///
/// # Errors
/// No source succeeded.
pub fn each<T>(
    sources: &[Source],
    mut work: impl FnMut(&Source) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    merged(sources.iter().map(|s| (name(s), work(s))))
}

/// What succeeded. What failed is said on stderr and left out, unless nothing succeeded: then the
/// highest exit code is the result.
///
/// # Errors
/// Nothing succeeded.
pub fn merged<T>(
    ends: impl IntoIterator<Item = (String, Result<T, Failure>)>,
) -> Result<Vec<T>, Failure> {
    let mut done = Vec::new();
    let mut failures = Vec::new();
    for (name, end) in ends {
        match end {
            Ok(result) => done.push(result),
            Err(failure) => failures.push((name, failure)),
        }
    }
    if done.is_empty() && failures.len() == 1 {
        return failures.pop().map_or(Ok(done), |(_, failure)| Err(failure));
    }
    for (name, failure) in &failures {
        eprintln!("sgascope: {name}: {}", failure.message);
    }
    let worst = failures
        .iter()
        .map(|(_, f)| f.exit)
        .max_by_key(|e| *e as u8);
    match worst {
        Some(exit) if done.is_empty() => Err(Failure::new(
            exit,
            format!("none of {} instances could be read", failures.len()),
        )),
        _ => Ok(done),
    }
}

fn name(source: &Source) -> String {
    match source {
        Source::Live { sid, .. } => sid.clone().unwrap_or_default(),
        Source::Image(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::Via;

    fn live(sid: &str) -> Source {
        let sid = Some(sid.to_owned());
        Source::Live { sid, via: Via::Shm }
    }

    #[test]
    fn names_are_taken_once() {
        let given = ["B", "A", "B"].map(str::to_owned);
        assert_eq!(names(&given).unwrap(), ["B", "A"]);
        assert!(several(&given) && !several(&given[..1]) && several(&["all".to_owned()]));
    }

    #[test]
    fn one_failure_does_not_hide_the_others() {
        let work = |failing: &'static [&'static str]| {
            move |s: &Source| match s {
                Source::Live { sid: Some(sid), .. } if failing.contains(&sid.as_str()) => {
                    Err(Failure::new(
                        if sid == "A" {
                            Exit::NoPermission
                        } else {
                            Exit::NoBlueprint
                        },
                        "no",
                    ))
                }
                Source::Live { sid, .. } => Ok(sid.clone()),
                Source::Image(_) => Ok(None),
            }
        };
        let both = [live("A"), live("B")];
        assert_eq!(each(&both, work(&["A"])).unwrap(), [Some("B".to_owned())]);
        let none = each(&both, work(&["A", "B"])).unwrap_err();
        assert_eq!(none.exit, Exit::NoBlueprint, "the worst");
        let only = each(&both[..1], work(&["A"])).unwrap_err();
        assert_eq!(
            (only.exit, only.message.as_str()),
            (Exit::NoPermission, "no")
        );
    }
}
