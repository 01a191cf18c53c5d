//! What can't be asked of an image: it is of one moment, and nothing in it changes.

use super::args::Command;
use super::import::RecordCommand;
use super::{Exit, Failure};

/// Refuses what needs time to pass.
///
/// # Errors
/// Usage, with what to do instead.
pub fn check(command: &Command) -> Result<(), Failure> {
    let (image, asked) = match command {
        Command::Dump(a) => (&a.source.image, a.watch.map(|_| "dump --watch")),
        Command::Reconcile(a) => (&a.source.image, a.twice.map(|_| "reconcile --twice")),
        Command::Bench(a) => (&a.source.image, Some("bench")),
        Command::Record(RecordCommand::Sample(a)) => (&a.source.image, Some("record")),
        _ => return Ok(()),
    };
    match (image, asked) {
        (Some(_), Some(verb)) => Err(Failure::new(
            Exit::Usage,
            format!(
                "{verb} needs time to pass, and an image is of one moment; dump, chains, \
                 reconcile and report take --image without it"
            ),
        )),
        _ => Ok(()),
    }
}
