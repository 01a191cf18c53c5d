//! Real operating-system processes for the process rows: this program again, under the command line of an Oracle
//! server process, asleep until it is killed.
//!
//! They hold no memory of the instance. Part of the engine; `main` calls [`sleep_if_server`].

use std::collections::HashMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Environment variable by which the program knows that it is to sleep.
const ENVIRONMENT: &str = "SGASIM_SERVER";

/// Sleeps for ever if this process was started as a server process.
pub fn sleep_if_server() {
    if std::env::var_os(ENVIRONMENT).is_none() {
        return;
    }
    loop {
        // SAFETY: pause only waits for a signal.
        unsafe { libc::pause() };
    }
}

/// The server processes by process slot.
#[derive(Debug)]
pub struct Servers {
    sid: String,
    children: HashMap<usize, Child>,
}

impl Servers {
    /// None yet.
    pub fn new(sid: &str) -> Servers {
        Servers {
            sid: sid.to_string(),
            children: HashMap::new(),
        }
    }

    /// Starts the process of slot `p` with the command line that Oracle gives to such a program.
    pub fn start(&mut self, p: usize, program: &str) -> io::Result<u32> {
        let role = program
            .strip_suffix(')')
            .and_then(|rest| rest.rsplit_once('('));
        let line = match role {
            Some((_, role)) => format!("ora_{}_{}", role.to_lowercase(), self.sid),
            None => format!("oracle{} (LOCAL=NO)", self.sid),
        };
        self.start_as(p, &line)
    }

    /// Starts a process of any command line in the place of slot `p`'s.
    pub fn start_as(&mut self, p: usize, line: &str) -> io::Result<u32> {
        self.end(p);
        let mut program = Command::new(std::env::current_exe()?);
        program
            .arg0(line)
            .env_clear()
            .env(ENVIRONMENT, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
        unsafe {
            program.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = program.spawn()?;
        let pid = child.id();
        self.children.insert(p, child);
        Ok(pid)
    }

    /// Ends the process of slot `p` and collects it, so that its number is free.
    pub fn end(&mut self, p: usize) {
        if let Some(mut child) = self.children.remove(&p) {
            // One that has ended already is collected all the same.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.children.values_mut() {
            let _ = child.kill();
        }
        for child in self.children.values_mut() {
            let _ = child.wait();
        }
    }
}
