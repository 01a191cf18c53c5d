//! `record`: sample at a steady rate into a recording, for seconds or for months.
//!
//! For: one thread for each instance that takes samples and writes them ([`service`], [`writer`]),
//! whatever happens meanwhile: a full disk, a stepped clock, an instance that goes and comes back.
//! Not for: the files themselves (`record`) or the samples (`sample`). Callers: `cli`.

mod burst;
mod disk;
mod feed;
mod life;
mod notify;
mod options;
mod queue;
mod service;
mod summary;
mod writer;

pub(super) use life::{on_signals, watch};
pub use options::ServiceArgs;
pub(super) use options::meta;

use super::args::RecordArgs;
use super::{Exit, Failure, instances};
use crate::memory::give_back_free_memory;
use crate::record::{RecordError, RecordErrorKind};
use notify::Notifier;

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Failure {
        let exit = match error.kind() {
            _ if matches!(error, RecordError::NoColumn { .. }) => Exit::Usage,
            RecordErrorKind::NotFound | RecordErrorKind::DiskFull => Exit::Nothing,
            RecordErrorKind::Locked => Exit::Usage,
            RecordErrorKind::Schema | RecordErrorKind::Damaged => Exit::Damaged,
            RecordErrorKind::Io => match &error {
                RecordError::Io { source, .. }
                    if source.kind() == std::io::ErrorKind::PermissionDenied =>
                {
                    Exit::NoPermission
                }
                _ => Exit::Damaged,
            },
        };
        Failure::new(exit, error.to_string())
    }
}

/// Records one instance, or several side by side, each into a directory of its name.
pub fn run(args: &RecordArgs, quiet: bool) -> Result<Exit, Failure> {
    give_back_free_memory();
    if !instances::several(&args.source.instance) {
        return service::run(args, quiet, &Notifier::new(1).seat(0));
    }
    let names = instances::names(&args.source.instance)?;
    let notifier = Notifier::new(names.len());
    let each = names.into_iter().enumerate().map(|(i, name)| {
        let mut own = args.clone();
        own.output = args.output.join(&name);
        own.source.instance = vec![name.clone()];
        (name, own, notifier.seat(i))
    });
    let ends: Vec<(String, Result<Exit, Failure>)> = std::thread::scope(|scope| {
        let run = |own: RecordArgs, seat: notify::Seat| service::run(&own, quiet, &seat);
        let threads: Vec<_> = each
            .map(|(name, own, seat)| (name, scope.spawn(move || run(own, seat))))
            .collect();
        let died = || Failure::new(Exit::Damaged, "the recording died; this is a defect");
        threads
            .into_iter()
            .map(|(name, thread)| (name, thread.join().unwrap_or_else(|_| Err(died()))))
            .collect()
    });
    instances::merged(ends).map(|_| Exit::Ok)
}
