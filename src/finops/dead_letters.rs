//! A ledger of charged deltas, and the letters that couldn't be delivered to it.
//!
//! For: writing each delta once, however often a recording is accounted for ([`Ledger::add`]), and
//! trying refused ones again after a fix ([`Ledger::replay`]). Both files are JSON lines and only
//! grow, but for letters that were delivered; a half-written last line of a killed program is cut.
//!
//! Not for: deciding what is refused ([`super::checks`]). Callers: `cli`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::FinopsError;
use super::checks::{Checks, Reason};
use super::deltas::Delta;
use super::deltas::sessions::Session;
use super::rows::Row;
use super::tenants::{IDLE, Tenants};

/// Name of the file of letters in a ledger's directory.
pub const LETTERS: &str = "dead-letters.jsonl";
/// Name of the file of charged rows.
pub const CHARGED: &str = "charged.jsonl";

/// A delta that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Why.
    pub reason: Reason,
    /// Found, and expected.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The delta.
    #[serde(flatten)]
    pub row: Row,
}

impl Letter {
    /// A refused delta.
    pub fn of(session: &Session, delta: &Delta, reason: Reason, detail: String) -> Letter {
        Letter {
            reason,
            detail,
            row: Row::of(session, delta),
        }
    }
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Letters that were charged now.
    pub charged: u64,
    /// Letters that had been charged before.
    pub known: u64,
    /// Letters that are still refused.
    pub refused: u64,
}

/// A directory of charged rows and dead letters.
pub struct Ledger {
    dir: PathBuf,
    charged: Appended,
    letters: Appended,
}

/// A file of lines that only grows, and what is in it.
struct Appended {
    path: PathBuf,
    ids: HashSet<String>,
    out: BufWriter<File>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl Appended {
    fn open(path: PathBuf) -> Result<Appended, FinopsError> {
        let io = |e| FinopsError::io(&path)(e);
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(io)?;
        let whole = whole_lines(&file).map_err(io)?;
        file.set_len(whole).map_err(io)?;
        let ids = lines::<Id>(&path)?.into_iter().map(|line| line.id);
        Ok(Appended {
            ids: ids.collect(),
            out: BufWriter::new(file),
            path,
        })
    }

    /// Adds a line, unless its id is there.
    fn add(&mut self, id: &str, line: &impl Serialize) -> Result<bool, FinopsError> {
        if !self.ids.insert(id.to_owned()) {
            return Ok(false);
        }
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.out
            .write_all(&bytes)
            .map_err(FinopsError::io(&self.path))?;
        Ok(true)
    }

    fn sync(&mut self) -> Result<(), FinopsError> {
        let written = self.out.flush();
        written
            .and_then(|()| self.out.get_ref().sync_data())
            .map_err(FinopsError::io(&self.path))
    }
}

/// Bytes up to the last end of a line.
fn whole_lines(file: &File) -> std::io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut at, mut whole) = (0u64, 0u64);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(whole);
        }
        if let Some(end) = bytes.iter().rposition(|b| *b == b'\n') {
            whole = at + end as u64 + 1;
        }
        let read = bytes.len();
        at += read as u64;
        reader.consume(read);
    }
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FinopsError> {
    let file = File::open(path).map_err(FinopsError::io(path))?;
    let mut found = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(FinopsError::io(path))?;
        found.push(
            serde_json::from_str(&line).map_err(|e| FinopsError::Damaged {
                path: path.to_path_buf(),
                line: at + 1,
                message: e.to_string(),
            })?,
        );
    }
    Ok(found)
}

/// The letters of a ledger's directory.
///
/// # Errors
/// The file can't be read, or a line of it isn't a letter.
pub fn letters(dir: &Path) -> Result<Vec<Letter>, FinopsError> {
    let path = dir.join(LETTERS);
    if !path.exists() {
        let message = "no ledger; give the directory that cost deltas --ledger wrote";
        let none = std::io::Error::new(std::io::ErrorKind::NotFound, message);
        return Err(FinopsError::io(&path)(none));
    }
    lines(&path)
}

impl Ledger {
    /// Opens a directory, which is made if it doesn't exist.
    ///
    /// # Errors
    /// The file system's, or a line that isn't one of a ledger.
    pub fn open(dir: &Path) -> Result<Ledger, FinopsError> {
        fs::create_dir_all(dir).map_err(FinopsError::io(dir))?;
        Ok(Ledger {
            dir: dir.to_path_buf(),
            charged: Appended::open(dir.join(CHARGED))?,
            letters: Appended::open(dir.join(LETTERS))?,
        })
    }

    /// Adds a charged delta, unless it is there. True: it wasn't.
    ///
    /// # Errors
    /// The file system's.
    pub fn add(&mut self, tenant: &str, row: Row) -> Result<bool, FinopsError> {
        let row = Row {
            tenant: Some(tenant.to_owned()),
            ..row
        };
        self.charged.add(&row.id, &row)
    }

    /// Adds a refused delta, unless it is there or was charged. True: it wasn't.
    ///
    /// # Errors
    /// The file system's.
    pub fn refuse(&mut self, letter: &Letter) -> Result<bool, FinopsError> {
        if self.charged.ids.contains(&letter.row.id) {
            return Ok(false);
        }
        self.letters.add(&letter.row.id, letter)
    }

    /// Has everything written.
    ///
    /// # Errors
    /// The file system's.
    pub fn sync(&mut self) -> Result<(), FinopsError> {
        self.charged.sync()?;
        self.letters.sync()
    }

    /// Tries all letters again. What is charged now is on disk before its letter is removed, and is
    /// known by its id if that is interrupted: each delta is charged once.
    ///
    /// # Errors
    /// The file system's, or a line that isn't a letter.
    pub fn replay(
        &mut self,
        checks: &Checks,
        tenants: Option<&Tenants>,
    ) -> Result<Replayed, FinopsError> {
        self.sync()?;
        let mut replayed = Replayed::default();
        let mut left = Vec::new();
        for letter in letters(&self.dir)? {
            let session = letter.row.session();
            let tenant = match session.is_overhead() {
                true => Ok(IDLE),
                false => checks.tenant(&session, tenants),
            };
            let possible = checks.possible(&letter.row.delta());
            match (tenant, possible) {
                (Ok(tenant), Ok(())) => match self.add(tenant, letter.row)? {
                    true => replayed.charged += 1,
                    false => replayed.known += 1,
                },
                (tenant, possible) => {
                    replayed.refused += 1;
                    let reason = tenant.err().unwrap_or(Reason::Impossible);
                    let detail = possible.err().unwrap_or_default();
                    left.push(Letter {
                        reason,
                        detail,
                        ..letter
                    });
                }
            }
        }
        self.charged.sync()?;
        self.keep(&left)?;
        Ok(replayed)
    }

    /// Replaces the file of letters by these.
    fn keep(&mut self, left: &[Letter]) -> Result<(), FinopsError> {
        let path = self.dir.join(LETTERS);
        let draft = self.dir.join("dead-letters.jsonl.new");
        let mut bytes = Vec::new();
        for letter in left {
            serde_json::to_writer(&mut bytes, letter)?;
            bytes.push(b'\n');
        }
        let io = |e| FinopsError::io(&draft)(e);
        let mut file = File::create(&draft).map_err(io)?;
        file.write_all(&bytes).map_err(io)?;
        file.sync_data().map_err(io)?;
        fs::rename(&draft, &path).map_err(FinopsError::io(&path))?;
        self.letters = Appended::open(path)?;
        Ok(())
    }
}
