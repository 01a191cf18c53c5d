//! What ends or turns a recording from outside: signals, and the instance going away.
//!
//! Callers: `service`, and `cli::chains` for its own short run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::Failure;
use crate::discover::Watch;
use crate::sample::Attachment;

/// How often the instance's life is looked at: well within the second in which we must let go. Most of
/// what a look costs is the thread's waking up.
const WATCH_EVERY: Duration = Duration::from_millis(400);

/// What signals asked for.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    /// SIGINT or SIGTERM: end, closing everything. A second one changes nothing.
    pub(super) stop: Arc<AtomicBool>,
    /// SIGHUP: close all files now and go on.
    pub(super) rotate: Arc<AtomicBool>,
}

impl Signals {
    pub(super) fn register() -> Result<Signals, Failure> {
        let rotate = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, rotate.clone())?;
        let stop = on_signals()?;
        Ok(Signals { stop, rotate })
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A flag that SIGINT and SIGTERM set.
pub(in crate::cli) fn on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, flag.clone())?;
    }
    Ok(flag)
}

/// A thread that stops the sampler when the instance goes away or the user interrupts, and returns
/// what went away.
pub(in crate::cli) fn watch(
    attachment: &Attachment,
    stop: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
) -> Result<JoinHandle<Option<String>>, Failure> {
    let mut watch = attachment.instance.as_ref().map(Watch::new);
    // the identity string is read through an attachment of its own lifetime: this thread ends with the run
    let attachment = attachment.clone();
    let thread = std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || {
            loop {
                if interrupted.load(Ordering::Relaxed) {
                    stop.store(true, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let gone = match watch.as_mut().map(Watch::check) {
                    Some(Err(gone)) => Some(gone.to_string()),
                    Some(Ok(())) if !attachment.still_named() => {
                        Some("its identity string changed".to_owned())
                    }
                    _ => None,
                };
                if gone.is_some() {
                    stop.store(true, Ordering::Relaxed);
                    return gone;
                }
                std::thread::sleep(WATCH_EVERY);
            }
        })?;
    Ok(thread)
}
