//! What systemd is told (sd_notify(3)): ready, what is done now, that it still is, and stopping.
//!
//! Nothing is told where no service manager asked for it (`NOTIFY_SOCKET`). The watchdog is petted
//! only when the writer of every instance has made progress since it was petted last.
//!
//! Callers: `cli::record`.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// How often the status line is renewed at most.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// Share of the watchdog's time after which it is petted; systemd advises a half.
const PET_SHARE: u32 = 3;

/// What one recorder of this process has done.
#[derive(Clone, Default)]
struct Place {
    ready: bool,
    ended: bool,
    progress: bool,
    status: String,
}

struct State {
    places: Vec<Place>,
    watchdog: Option<Duration>,
    petted: Instant,
    told_status: Option<Instant>,
    ready: bool,
    stopping: bool,
}

/// All recorders of this process before the service manager.
#[derive(Clone)]
pub(super) struct Notifier(Arc<Mutex<State>>);

/// One recorder's part in it.
#[derive(Clone)]
pub(super) struct Seat {
    notifier: Notifier,
    index: usize,
}

impl Notifier {
    pub(super) fn new(recorders: usize) -> Notifier {
        let state = State {
            places: vec![Place::default(); recorders],
            watchdog: sd_notify::watchdog_enabled(),
            petted: Instant::now(),
            told_status: None,
            ready: false,
            stopping: false,
        };
        Notifier(Arc::new(Mutex::new(state)))
    }

    pub(super) fn seat(&self, index: usize) -> Seat {
        Seat {
            notifier: self.clone(),
            index,
        }
    }
}

impl State {
    fn settled(&mut self) {
        if !self.ready && self.places.iter().all(|p| p.ready || p.ended) {
            self.ready = true;
            tell(&[NotifyState::Ready]);
        }
    }

    fn pet_if_due(&mut self) {
        let Some(watchdog) = self.watchdog else {
            return;
        };
        let all = self.places.iter().all(|p| p.progress || p.ended);
        if all && self.petted.elapsed() >= watchdog / PET_SHARE {
            self.petted = Instant::now();
            self.places.iter_mut().for_each(|p| p.progress = false);
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn tell_status(&mut self) {
        self.told_status = Some(Instant::now());
        let running = self.places.iter().filter(|p| !p.ended);
        let all: Vec<&str> = running.map(|p| p.status.as_str()).collect();
        tell(&[NotifyState::Status(&all.join("; "))]);
    }
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, State> {
        let lock = self.notifier.0.lock();
        lock.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn with(&self, change: impl FnOnce(&mut Place)) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if let Some(place) = state.places.get_mut(self.index) {
            change(place);
        }
        state
    }

    /// Recording has begun, or waits for its instance as it was asked to.
    pub(super) fn ready(&self) {
        self.with(|place| place.ready = true).settled();
    }

    /// The writer did what there was to do.
    pub(super) fn progress(&self) {
        self.with(|place| place.progress = true).pet_if_due();
    }

    /// The longest time in which a writer that has nothing to do must come back to say so.
    pub(super) fn patience(&self) -> Duration {
        let watchdog = self.state().watchdog;
        watchdog.map_or(Duration::MAX, |time| time / (2 * PET_SHARE))
    }

    /// What it does, for `systemctl status`; `now`: something changed.
    pub(super) fn status(&self, text: impl FnOnce() -> String, now: bool) {
        let recent = |s: &State| s.told_status.is_some_and(|t| t.elapsed() < STATUS_EVERY);
        if !now && recent(&self.state()) {
            return;
        }
        self.with(|place| place.status = text()).tell_status();
    }

    /// It is ending on request.
    pub(super) fn stopping(&self) {
        let mut state = self.state();
        if !state.stopping {
            state.stopping = true;
            tell(&[NotifyState::Stopping]);
        }
    }

    /// It has ended, however.
    pub(super) fn ended(&self) {
        self.with(|place| place.ended = true).settled();
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager can't be told");
    }
}
