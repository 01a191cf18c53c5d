//! Other work for all CPUs, as a host has it whose database is busy.
//!
//! Callers: [`super::run()`], `cli` (which is the busy process).

use std::process::{Child, Command, Stdio};

use crate::discover::cpus_online;

/// Argument by which this program is started as a busy process.
pub const BUSY: &str = "--busy";

/// Busy processes, one for each CPU; they end when this is dropped, or when this process ends.
pub struct Load(Vec<Child>);

impl Load {
    /// Starts them.
    ///
    /// # Errors
    /// When this program can't start itself.
    pub fn start() -> std::io::Result<Load> {
        let program = std::env::current_exe()?;
        let mut load = Load(Vec::new());
        for _ in 0..cpus_online().unwrap_or(1) {
            let child = Command::new(&program)
                .args(["bench", BUSY])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()?;
            load.0.push(child);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // one that has ended already is collected all the same
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Uses a CPU until whoever started this process is gone.
pub fn be_busy() {
    let parent = nix::unistd::getppid();
    while nix::unistd::getppid() == parent {
        for i in 0..1_000_000u64 {
            std::hint::black_box(i);
        }
    }
}
