//! How the sampling thread is scheduled.
//!
//! For: ticks that are taken in time on a busy host. Only the sampling thread is meant: the one that
//! decodes and writes may lag behind, by as many ticks as there are frames.
//!
//! Not for: deciding any of it; without wishes the thread is as its process is.

use std::io;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::memory::{ThreadPriority, set_thread_priority};

/// Wishes for the sampling thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadOptions {
    /// Processors that it may run on; empty: all.
    pub affinity: Vec<usize>,
    /// Its priority.
    pub priority: Option<ThreadPriority>,
}

impl ThreadOptions {
    /// Makes them true for the calling thread.
    ///
    /// # Errors
    /// There is no such processor, or no right to the priority; the message says which.
    pub fn apply(&self) -> io::Result<()> {
        let told = |what: String, e: io::Error| io::Error::new(e.kind(), format!("{what}: {e}"));
        if !self.affinity.is_empty() {
            let what = || {
                format!(
                    "can't keep the sampling thread on processors {:?}",
                    self.affinity
                )
            };
            let mut set = CpuSet::new();
            for cpu in &self.affinity {
                set.set(*cpu).map_err(|e| told(what(), e.into()))?;
            }
            sched_setaffinity(Pid::from_raw(0), &set).map_err(|e| told(what(), e.into()))?;
        }
        if let Some(priority) = self.priority {
            set_thread_priority(priority).map_err(|e| {
                let what = format!(
                    "can't give the sampling thread {priority:?}; it takes root, CAP_SYS_NICE or a limit (ulimit -e, -r)"
                );
                told(what, e)
            })?;
        }
        Ok(())
    }
}
