//! Commands to a running instance over the Unix socket `DIR/control.sock`: one JSON line there, one back.
//!
//! The server end only passes requests on to the engine's thread; the client end is what `sgasim pause` and the like
//! use. It executes nothing itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What an instance can be told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Stop changing and write `expected.json`.
    Pause,
    /// Go on.
    Resume,
    /// End cleanly.
    Stop,
    /// Mark the segments for removal and go on.
    Rmid,
    /// Write the truth spool without pausing.
    Truth(PathBuf),
    /// Write an ELF core of the memory.
    Core(PathBuf),
    /// Say what the workload's steps have cost so far.
    Cost,
    /// Pause, set the random lock graph of a seed and write `graph.json`.
    Graph(u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    ok: bool,
    message: String,
}

/// A command and where its outcome goes.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Takes the outcome, once.
    pub outcome: SyncSender<Result<String, String>>,
    /// Disconnects when the client has its answer; an instance that ends has to wait for that.
    pub delivered: Receiver<()>,
}

/// Why a command did not reach the instance or failed there.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no instance listens in {dir}: {source}; is it running (sgasim run --dir)?")]
    Connect {
        /// Directory of the instance.
        dir: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The instance ended before it answered.
    #[error("the instance in {dir} ended before it answered")]
    Gone {
        /// Directory of the instance.
        dir: String,
    },
    /// The instance could not do it.
    #[error("{0}")]
    Refused(String),
}

/// Directory handle by which a socket path stays short, however long the directory's own path is.
fn short_path(dir: &Path) -> io::Result<(File, PathBuf)> {
    let handle = File::open(dir)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", handle.as_raw_fd()));
    Ok((handle, path))
}

/// Listens in `dir` and passes each request to `engine`.
pub fn serve(dir: &Path, engine: Sender<Request>) -> io::Result<()> {
    let (_handle, path) = short_path(dir)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::thread::Builder::new()
        .name("sgasim_control".into())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away needs no answer.
                let _ = answer(&stream, &engine);
            }
        })?;
    Ok(())
}

fn answer(stream: &UnixStream, engine: &Sender<Request>) -> io::Result<()> {
    // A client that says nothing must not keep the others out.
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    // Held until the reply is written.
    let (_answered, delivered) = sync_channel(1);
    let outcome = match serde_json::from_str(&line) {
        Ok(command) => ask(command, delivered, engine),
        Err(error) => Err(format!("not a command: {error}")),
    };
    let reply = match outcome {
        Ok(message) => Reply { ok: true, message },
        Err(message) => Reply { ok: false, message },
    };
    let mut stream = stream;
    writeln!(stream, "{}", serde_json::to_string(&reply)?)
}

fn ask(
    command: Command,
    delivered: Receiver<()>,
    engine: &Sender<Request>,
) -> Result<String, String> {
    let (outcome, wait) = sync_channel(1);
    let ended = || "the instance is ending".to_string();
    engine
        .send(Request {
            command,
            outcome,
            delivered,
        })
        .map_err(|_| ended())?;
    wait.recv().map_err(|_| ended())?
}

/// Sends a command to the instance of `dir` and waits until it is done; returns the instance's message.
pub fn send(dir: &Path, command: &Command) -> Result<String, ControlError> {
    let name = dir.display().to_string();
    let connect = |source| ControlError::Connect {
        dir: name.clone(),
        source,
    };
    let (_handle, path) = short_path(dir).map_err(connect)?;
    let mut stream = UnixStream::connect(path).map_err(connect)?;
    let gone = || ControlError::Gone { dir: name.clone() };
    let line = serde_json::to_string(command).map_err(|e| ControlError::Refused(e.to_string()))?;
    writeln!(stream, "{line}").map_err(|_| gone())?;
    let mut reply = String::new();
    BufReader::new(stream)
        .read_line(&mut reply)
        .map_err(|_| gone())?;
    let reply: Reply = serde_json::from_str(&reply).map_err(|_| gone())?;
    if reply.ok {
        Ok(reply.message)
    } else {
        Err(ControlError::Refused(reply.message))
    }
}
