//! One SQL client as a child process, kept open, asked over pipes.
//!
//! The end of an answer is known by a marker that the client is told to print after each statement.
//! A client that hangs, dies or complains is an error after at most the time-out; it never makes its
//! caller wait longer, and it is ended when the [`Client`] is dropped.
//!
//! The command is the user's own; its words are split at blanks, quotes group, no shell is involved.
//! Callers: [`super::polling`], [`super::run()`].

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::dialect::Dialect;
use crate::blueprint::sqlplus::{resolved, words};
use crate::discover::{command_line, family, process_cpu_ns, thread_cpu_ns};

/// Most bytes of a statement: what a pipe takes at once (pipe(7): 64 KiB), so that writing never waits.
pub const MAX_STATEMENT: usize = 32 << 10;
/// Most bytes of an answer.
const MAX_ANSWER: usize = 256 << 20;
/// Bytes read at once: a pipe's capacity.
const PIECE: usize = 64 << 10;
/// Lines of an answer's begin and end among which complaints are looked for.
const COMPLAINTS: usize = 8;
/// How long a client may take to log off.
const LOG_OFF: Duration = Duration::from_millis(500);
/// Characters of a client's words that an error tells.
const TOLD: usize = 600;

/// Why a client didn't answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PollError {
    /// The command has no words, or an open quote.
    #[error(
        "can't run {command:?}: expected a program and its arguments, e.g. sqlplus -s / as sysdba"
    )]
    Command {
        /// As given.
        command: String,
    },
    /// The system's reason.
    #[error("can't run {command:?}: {why}")]
    Run {
        /// As given.
        command: String,
        /// Why.
        why: String,
    },
    /// It didn't answer in time.
    #[error(
        "the SQL client {command:?} has not answered for {} s (--poll-timeout); it said so far: {said}",
        after.as_secs_f64()
    )]
    Hung {
        /// As given.
        command: String,
        /// For how long it was waited.
        after: Duration,
        /// What came until then.
        said: String,
    },
    /// It ended.
    #[error("the SQL client {command:?} ended ({status}); its last words: {said}")]
    Ended {
        /// As given.
        command: String,
        /// Its exit status.
        status: String,
        /// What it said at last.
        said: String,
    },
    /// It said that the statement is wrong.
    #[error("the SQL client {command:?} refused the statement: {said}")]
    Refused {
        /// As given.
        command: String,
        /// Its words.
        said: String,
    },
    /// An answer has no end.
    #[error("the SQL client {command:?} gave more than {MAX_ANSWER} bytes to one statement")]
    TooMuch {
        /// As given.
        command: String,
    },
}

/// A running client, connected.
pub struct Client {
    /// The command without passwords.
    pub command: String,
    dialect: Dialect,
    child: Child,
    /// Open until the end.
    stdin: Option<ChildStdin>,
    pieces: Receiver<Vec<u8>>,
    /// CPU of the thread that reads, ns.
    reading_ns: Arc<AtomicU64>,
    answer: Vec<u8>,
    asked: u64,
    timeout: Duration,
    /// The client's processes: the command's own and those that it started, but the server.
    family: Vec<i32>,
    server: Option<i32>,
}

/// CPU time used until now, ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// By the client's processes.
    pub client_ns: u64,
    /// By the database's server process; `None` where it isn't known.
    pub server_ns: Option<u64>,
    /// By the thread of this process that reads the answers; nobody is billed for it.
    pub reading_ns: u64,
}

impl Client {
    /// Starts a client, sets it up and waits until it answers.
    ///
    /// # Errors
    /// See [`PollError`].
    pub fn start(command: &str, dialect: Dialect, timeout: Duration) -> Result<Client, PollError> {
        let shown = without_passwords(command);
        let wrong = || PollError::Command {
            command: shown.clone(),
        };
        let failed = |e: std::io::Error| PollError::Run {
            command: shown.clone(),
            why: e.to_string(),
        };
        let words = words(command).filter(|w| !w.is_empty()).ok_or_else(wrong)?;
        let (program, arguments) = words.split_first().ok_or_else(wrong)?;
        // both streams by one pipe, so that complaints stand where they belong
        let (output, input) = std::io::pipe().map_err(failed)?;
        let mut command_line = Command::new(resolved(program).map_err(failed)?);
        command_line
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(input.try_clone().map_err(failed)?)
            .stderr(input);
        let mut child = command_line.spawn().map_err(failed)?;
        // it holds the pipe's other end, by which the client's end would not be seen
        drop(command_line);
        let (send, pieces) = bounded(64);
        let reading_ns = Arc::new(AtomicU64::new(0));
        let spent = reading_ns.clone();
        let started = std::thread::Builder::new()
            .name("sql output".into())
            .spawn(move || read(output, &send, &spent));
        if let Err(error) = started {
            end(&mut child, None);
            return Err(failed(error));
        }
        let stdin = child.stdin.take();
        let mut client = Client {
            command: shown,
            dialect,
            child,
            stdin,
            pieces,
            reading_ns,
            answer: Vec::new(),
            asked: 0,
            timeout,
            family: Vec::new(),
            server: None,
        };
        client.ask(dialect.setup())?;
        client.look_at_family();
        Ok(client)
    }

    /// Learns which process of this host serves the client, by its own word.
    ///
    /// # Errors
    /// When it doesn't answer. `Ok(Err(why))`: it answers, but no such process is here.
    pub fn find_server(&mut self, sql: Option<&str>) -> Result<Result<i32, String>, PollError> {
        let statement = sql.unwrap_or(self.dialect.spid_sql());
        let answer = match self.ask(statement) {
            Ok(answer) => String::from_utf8_lossy(answer).into_owned(),
            Err(PollError::Refused { said, .. }) => return Ok(Err(said)),
            Err(error) => return Err(error),
        };
        let number = answer.lines().rev().find_map(|line| {
            let cell = line.trim().trim_matches('"').trim();
            cell.parse::<i32>().ok().filter(|pid| *pid > 0)
        });
        let Some(pid) = number else {
            return Ok(Err(format!("its id is no number: {}", told(&answer))));
        };
        let program = command_line(pid);
        let begins = self.dialect.server_begins();
        let fits = |line: &String| sql.is_some() || line.trim_start_matches('/').contains(begins);
        if program.filter(fits).is_none() {
            return Ok(Err(format!(
                "process {pid} of this host isn't a server process; is the database on another host?"
            )));
        }
        self.server = Some(pid);
        self.look_at_family();
        Ok(Ok(pid))
    }

    /// The client's processes are looked for again: some start others at their first statement.
    fn look_at_family(&mut self) {
        self.family = family(self.child.id().cast_signed());
        // SQL*Plus starts its server process itself when it connects without a listener
        self.family.retain(|pid| Some(*pid) != self.server);
    }

    /// CPU time used until now.
    pub fn spent(&self) -> Spent {
        Spent {
            client_ns: self.family.iter().filter_map(|p| process_cpu_ns(*p)).sum(),
            server_ns: self.server.and_then(process_cpu_ns),
            reading_ns: self.reading_ns.load(Ordering::Relaxed),
        }
    }

    /// Asks one statement (or several) and waits for all of the answer.
    ///
    /// # Errors
    /// See [`PollError`]. After [`PollError::Hung`] or [`PollError::Ended`] it is of no use any more.
    pub fn ask(&mut self, statement: &str) -> Result<&[u8], PollError> {
        self.asked += 1;
        let marker = format!("sgascope-{}-{}-done", std::process::id(), self.asked);
        let text = format!("{}\n{}", statement.trim_end(), self.dialect.say(&marker));
        self.answer.clear();
        let until = Instant::now() + self.timeout;
        // one write; that it fits is the caller's duty (MAX_STATEMENT)
        let written = self.stdin.as_mut().map(|i| i.write_all(text.as_bytes()));
        if !matches!(written, Some(Ok(()))) {
            return Err(self.ended());
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.answer.extend_from_slice(&piece),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(PollError::Hung {
                        command: self.command.clone(),
                        after: self.timeout,
                        said: told(&String::from_utf8_lossy(&self.answer)),
                    });
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
            }
            if let Some(end) = before_marker(&self.answer, marker.as_bytes()) {
                self.answer.truncate(end);
                return match complaint(&self.answer, self.dialect) {
                    Some(said) => Err(PollError::Refused {
                        command: self.command.clone(),
                        said,
                    }),
                    None => Ok(&self.answer),
                };
            }
            if self.answer.len() > MAX_ANSWER {
                return Err(PollError::TooMuch {
                    command: self.command.clone(),
                });
            }
        }
    }

    /// The client's end, with what it said at last.
    fn ended(&mut self) -> PollError {
        // what was on its way comes within moments of the end
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_millis(200)) {
            if self.answer.len() < MAX_ANSWER {
                self.answer.extend_from_slice(&piece);
            }
        }
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => "it closed its streams".to_owned(),
        };
        PollError::Ended {
            command: self.command.clone(),
            status,
            said: told(&String::from_utf8_lossy(&self.answer)),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // the end of its input is how a client is told to log off
        drop(self.stdin.take());
        end(&mut self.child, self.server);
    }
}

/// Waits a moment for a client's own end, else ends it with all that it started, but the server.
fn end(child: &mut Child, server: Option<i32>) {
    let until = Instant::now() + LOG_OFF;
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(LOG_OFF / 50);
    }
    for pid in family(child.id().cast_signed()) {
        if Some(pid) != server {
            // one that has ended meanwhile is what is wanted
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    let _ = child.wait();
}

/// A command as it may be shown: what looks like a password in it is masked (`user/password@db`,
/// `…://user:password@host`, `password=…`).
pub fn without_passwords(command: &str) -> String {
    let masked = |(i, word): (usize, &str)| {
        let lower = word.to_ascii_lowercase();
        let secret = |from: usize| {
            let rest = word.get(from..).unwrap_or("");
            let end = rest.rfind('@').map_or("", |at| &rest[at..]);
            format!("{}***{end}", &word[..from])
        };
        if let Some(at) = lower.find("password=") {
            return format!("{}***", &word[..at + "password=".len()]);
        }
        if let Some(at) = word.find("://") {
            let begin = at + 3;
            let user = word[begin..]
                .rfind('@')
                .map(|end| &word[begin..begin + end]);
            let colon = user.and_then(|user| user.find(':'));
            return colon.map_or_else(|| word.to_owned(), |c| secret(begin + c + 1));
        }
        match word.find('/') {
            // not the program, not a path from the root or from here, not sqlplus's own `/`
            Some(at) if i > 0 && at > 0 && !word.starts_with(['.', '-', '\'', '"']) => {
                secret(at + 1)
            }
            _ => word.to_owned(),
        }
    };
    let words = command.split(' ').enumerate().map(masked);
    words.collect::<Vec<_>>().join(" ")
}

/// Hands on what the client prints, until it ends or nobody wants it.
fn read(mut output: std::io::PipeReader, send: &Sender<Vec<u8>>, spent: &AtomicU64) {
    let mut piece = vec![0u8; PIECE];
    loop {
        match output.read(&mut piece) {
            Ok(0) => return,
            Ok(n) => {
                spent.store(thread_cpu_ns(), Ordering::Relaxed);
                if send.send(piece[..n].to_vec()).is_err() {
                    return;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Where the line of the marker begins, once it stands at the end.
fn before_marker(answer: &[u8], marker: &[u8]) -> Option<usize> {
    let text = answer.trim_ascii_end();
    let begin = text.len().checked_sub(marker.len())?;
    let whole_line = begin == 0 || text[begin - 1] == b'\n';
    (whole_line && answer.ends_with(b"\n") && text.ends_with(marker)).then_some(begin)
}

/// The client's complaint and what stands with it.
fn complaint(answer: &[u8], dialect: Dialect) -> Option<String> {
    let is_end = |b: &u8| *b == b'\n';
    let first = answer.split(is_end).take(COMPLAINTS);
    let last = answer.rsplit(is_end).take(COMPLAINTS);
    let mut lines = first.chain(last);
    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    lines
        .find(|line| dialect.is_complaint(&text(line)))
        .map(|line| told(&text(line)))
}

/// The end of a text, on one line.
fn told(text: &str) -> String {
    let line = text.trim().replace('\n', " | ");
    let skip = line.chars().count().saturating_sub(TOLD);
    match line.is_empty() {
        true => "nothing".to_owned(),
        false => line.chars().skip(skip).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(script: &str) -> Result<Client, PollError> {
        let command = format!("sh -c '{script}'");
        Client::start(&command, Dialect::Psql, Duration::from_millis(400))
    }

    /// Answers each statement with what stands behind its first word; quits, sleeps, complains.
    const SCRIPT: &str = "while read -r word rest; do case $word in \
        \\\\echo) echo $rest;; row) echo $rest;; quit) echo bye >&2; exit 7;; sleep) sleep 30;; \
        wrong) echo ERROR:  no such table >&2;; esac; done";

    #[test]
    fn answers_end_at_their_marker() {
        let mut client = client(SCRIPT).unwrap();
        assert_eq!(client.ask("row a,b").unwrap(), b"a,b\n");
        assert_eq!(client.ask("nothing").unwrap(), b"");
        // a marker of an earlier statement is a row like any other
        let old = format!("row sgascope-{}-1-done", std::process::id());
        assert!(client.ask(&old).unwrap().starts_with(b"sgascope-"));
    }

    #[test]
    fn what_goes_wrong_is_told() {
        let error = |script: &str, ask: &str| {
            let mut client = client(script)?;
            client.ask(ask).map(<[u8]>::to_vec)
        };
        let refused = error(SCRIPT, "wrong").unwrap_err();
        assert!(
            matches!(&refused, PollError::Refused { said, .. } if said.contains("no such table"))
        );
        let ended = error(SCRIPT, "quit").unwrap_err().to_string();
        assert!(ended.contains("bye") && ended.contains('7'), "{ended}");
        let hung = error(SCRIPT, "sleep").unwrap_err();
        assert!(matches!(hung, PollError::Hung { .. }), "{hung}");
        let silent = error("sleep 30", "row").unwrap_err();
        assert!(matches!(silent, PollError::Hung { .. }), "{silent}");
        assert!(matches!(
            Client::start(
                "no-such-program-here",
                Dialect::Psql,
                Duration::from_secs(1)
            ),
            Err(PollError::Run { .. })
        ));
        assert!(matches!(
            Client::start("psql 'open", Dialect::Psql, Duration::from_secs(1)),
            Err(PollError::Command { .. })
        ));
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = without_passwords;
        for plain in [
            "sqlplus -s / as sysdba",
            "/u01/bin/sqlplus -s /@prod",
            "psql -X -h /tmp/x.1 -U postgres",
            "psql postgresql://anna@db/shop",
            "sh ./poll/client",
        ] {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(
            shown("sqlplus -s scott/ti@ger@prod as sysdba"),
            "sqlplus -s scott/***@prod as sysdba"
        );
        assert_eq!(shown("sqlplus scott/tiger"), "sqlplus scott/***");
        assert_eq!(
            shown("psql postgresql://anna:se:cr@et@db/shop"),
            "psql postgresql://anna:***@db/shop"
        );
        assert_eq!(
            shown("env PGPASSWORD=secret psql 'host=x password=secret'"),
            "env PGPASSWORD=*** psql 'host=x password=***"
        );
    }

    #[test]
    fn a_server_must_be_here() {
        let mut client = client(SCRIPT).unwrap();
        let me = std::process::id();
        let ask = format!("row pid\nrow {me}");
        assert_eq!(client.find_server(Some(&ask)).unwrap(), Ok(me as i32));
        assert!(client.find_server(Some("row none")).unwrap().is_err());
        assert!(client.find_server(Some("row 0")).unwrap().is_err());
        assert!(client.find_server(Some("wrong")).unwrap().is_err());
        assert!(client.spent().client_ns > 0 && client.spent().server_ns > Some(0));
    }
}
