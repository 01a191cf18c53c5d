//! oradebug trace files: `oradebug ipc`, `oradebug dumpvar sga NAME`, `oradebug dump global_area 2`.
//!
//! Forms: the public 19.3 trace of Kyle Hailey's kit (three address columns with `0x`); Oracle Wait
//! Interface, appendix D, 9i and 10g (two address columns without); `dumpvar` as Velikikh shows it on
//! 21.5 (`struct kqftv* kqftvrt_ [0600A7408, 0600A7410) = 8F8127C0 00000000`). Tables are read by the
//! words of their header lines, never by column number. Lines and lists are bounded.
//!
//! It tells areas, segments and variables of one start of an instance, no columns. Callers: `cli`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::banner;
use super::facts::{Area, Facts, Said, Variable};
use super::model::{Source, SourceKind};

/// Largest trace that is read, and longest line that is looked at.
const MAX_BYTES: u64 = 1 << 30;
const MAX_LINE: u64 = 64 << 10;
/// Most areas, mappings, segments and variables that are kept (19.3 has some 20,000 variables).
const MAX_LIST: usize = 200_000;
/// Lines in which the header is looked for.
const HEADER_LINES: u64 = 60;

/// Why a trace can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The system's reason.
    #[error("can't read trace {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not of the expected form, or in contradiction with itself.
    #[error("trace {}, line {line}: expected {expected}, found {found}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Nothing of use in it.
    #[error(
        "trace {}: no areas and no fixed variables in it: make one with oradebug setmypid, then \
         oradebug ipc, dumpvar sga NAME or dump global_area 2", path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A segment in the trace's listing of `ipcs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Id.
    pub shmid: i64,
    /// Key.
    pub key: u32,
    /// Bytes.
    pub bytes: u64,
}

/// A span of the process map list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First address.
    pub start: u64,
    /// Bytes, as Oracle rounds them.
    pub bytes: u64,
}

/// What one trace file tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// `Instance name:`.
    pub instance: Option<String>,
    /// Release, banner and build label of the header.
    pub banner: Option<banner::Banner>,
    /// "Linux x86-64" by `System name:` and `Machine:`.
    pub port: Option<String>,
    /// Areas in the order of the trace.
    pub areas: Vec<Area>,
    /// The map list.
    pub spans: Vec<Span>,
    /// The listing of `ipcs`.
    pub segments: Vec<Segment>,
    /// Fixed SGA variables by name.
    pub variables: BTreeMap<String, Variable>,
    /// Parameter processes.
    pub processes: Option<u64>,
}

/// Reads one trace file.
///
/// # Errors
/// Not readable, lists out of form, a variable or segment that is told twice and differently, or
/// nothing of use.
pub fn read(path: &Path) -> Result<Trace, TraceError> {
    parse(path).map(|(trace, _)| trace)
}

/// The facts of one trace file; `id` names it among the sources.
///
/// # Errors
/// As [`read`].
pub fn facts(path: &Path, id: &str) -> Result<Facts, TraceError> {
    let (trace, sha256) = parse(path)?;
    let said = |value: String| Said::new(value, id);
    let variable = |(name, value): (String, Variable)| (name, Said::new(value, id));
    let label = trace.banner.as_ref().and_then(|b| b.label.clone());
    let file = path.file_name().unwrap_or_default().display().to_string();
    Ok(Facts {
        sources: vec![Source {
            id: id.to_owned(),
            kind: SourceKind::Trace,
            sha256: Some(sha256),
            detail: std::iter::once(file)
                .chain(label)
                .collect::<Vec<_>>()
                .join(", "),
        }],
        release: trace.banner.as_ref().map(|b| said(b.release.clone())),
        banner: trace.banner.and_then(|b| b.banner).map(said),
        port: trace.port.map(said),
        variables: trace.variables.into_iter().map(variable).collect(),
        areas: (!trace.areas.is_empty()).then(|| Said::new(trace.areas, id)),
        ..Facts::default()
    })
}

fn parse(path: &Path) -> Result<(Trace, String), TraceError> {
    let wrap = |source| TraceError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(wrap)?;
    let mut input = BufReader::new(file.take(MAX_BYTES));
    let mut parser = Parser::new(path);
    let mut digest = Sha256::new();
    let mut bytes = Vec::new();
    while next_line(&mut input, &mut bytes, &mut digest).map_err(wrap)? {
        parser.line += 1;
        let text = String::from_utf8_lossy(&bytes);
        parser.take(text.trim_end())?;
    }
    let trace = parser.finish()?;
    let hex = digest
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Ok((trace, hex))
}

/// Reads a line, keeping at most [`MAX_LINE`] bytes of it; false at the end.
fn next_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    digest: &mut Sha256,
) -> std::io::Result<bool> {
    line.clear();
    if input.by_ref().take(MAX_LINE).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    digest.update(&*line);
    let mut ended = line.ends_with(b"\n");
    let mut rest = Vec::new();
    while !ended {
        rest.clear();
        ended = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut rest)? == 0
            || rest.ends_with(b"\n");
        digest.update(&rest);
    }
    Ok(true)
}

/// What the lines that follow belong to.
enum Part {
    None,
    /// Values under these column names.
    Area(Vec<String>),
    /// Sizes of the area before, under these column names.
    Sizes(Vec<String>),
    MapList,
    ProcessMap,
    /// Segments, under these column names.
    Ipcs(Vec<String>),
}

struct Parser {
    path: PathBuf,
    line: u64,
    part: Part,
    area_name: String,
    header: Vec<String>,
    system: Option<String>,
    machine: Option<String>,
    trace: Trace,
}

impl Parser {
    fn new(path: &Path) -> Parser {
        Parser {
            path: path.to_owned(),
            line: 0,
            part: Part::None,
            area_name: String::new(),
            header: Vec::new(),
            system: None,
            machine: None,
            trace: Trace::default(),
        }
    }

    fn form(&self, expected: impl Into<String>, found: impl Into<String>) -> TraceError {
        TraceError::Form {
            path: self.path.clone(),
            line: self.line,
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn full(&self) -> TraceError {
        self.form(format!("at most {MAX_LIST} entries of a list"), "more")
    }

    fn take(&mut self, line: &str) -> Result<(), TraceError> {
        if self.line <= HEADER_LINES {
            self.header_line(line);
        }
        if self.begins_part(line) {
            return Ok(());
        }
        match std::mem::replace(&mut self.part, Part::None) {
            Part::Area(columns) => self.area(&columns, line),
            Part::Sizes(columns) => self.sizes(&columns, line),
            Part::MapList => {
                self.part = Part::MapList;
                self.span(line)
            }
            Part::ProcessMap => {
                self.part = Part::ProcessMap;
                Ok(())
            }
            Part::Ipcs(columns) => self.segment(columns, line),
            Part::None => self.variable(line),
        }
    }

    fn header_line(&mut self, line: &str) {
        let value = |name: &str| Some(line.strip_prefix(name)?.trim().to_owned());
        if let Some(label) = value("Build label:") {
            self.header.push(label);
        } else if line.starts_with("Version ") || line.starts_with("Oracle Database ") {
            self.header.push(line.to_owned());
        }
        let trace = &mut self.trace;
        trace.instance = trace.instance.take().or_else(|| value("Instance name:"));
        self.system = self.system.take().or_else(|| value("System name:"));
        self.machine = self.machine.take().or_else(|| value("Machine:"));
    }

    /// Whether the line is a heading that says what follows.
    fn begins_part(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains("Dumping process map") {
            self.part = Part::ProcessMap;
        } else if line.contains("End of process map dump")
            || line.contains("Process Map list mappings completed")
        {
            self.part = Part::None;
        } else if line.contains("Process Map list mappings started") {
            self.part = Part::MapList;
        } else if words.first() == Some(&"Area") && words.get(1).is_some_and(|w| w.starts_with('#'))
        {
            // Area #0 `Fixed Size' containing Subareas 2-2
            let name = line
                .split_once('`')
                .and_then(|(_, rest)| rest.split_once('\''));
            self.area_name = name.map(|(name, _)| name.to_owned()).unwrap_or_default();
            self.part = Part::None;
        } else if words.starts_with(&["Area", "Subarea", "Shmid"]) {
            self.part = Part::Area(header_names(&words));
        } else if words.starts_with(&["Subarea", "size", "Segment", "size"]) {
            self.part = Part::Sizes(header_names(&words));
        } else if words.contains(&"shmid") && words.contains(&"bytes") {
            self.part = Part::Ipcs(words.iter().map(|w| (*w).to_owned()).collect());
        } else if line.starts_with("------") || line.starts_with("*** ") {
            self.part = Part::None;
        } else if let Some(rest) = line.strip_prefix("Maximum processes:") {
            let number = rest.trim_start_matches([' ', '=']).trim();
            self.trace.processes = self.trace.processes.or_else(|| number.parse().ok());
        } else {
            return false;
        }
        true
    }

    /// The value of the first of these columns that the header names.
    fn column<'a>(columns: &[String], values: &[&'a str], names: &[&str]) -> Option<&'a str> {
        let at = names
            .iter()
            .find_map(|name| columns.iter().position(|c| c == name))?;
        values.get(at).copied()
    }

    fn area(&mut self, columns: &[String], line: &str) -> Result<(), TraceError> {
        let values: Vec<&str> = line.split_whitespace().collect();
        let shmid = Self::column(columns, &values, &["shmid"]).and_then(|v| v.parse().ok());
        // The address in use, as the dumping process sees it.
        let address = Self::column(
            columns,
            &values,
            &["actual addr", "segment addr", "stable addr"],
        )
        .and_then(hex);
        let (Some(shmid), Some(address)) = (shmid, address) else {
            return Err(self.form(
                format!("numbers under the columns {}", columns.join(", ")),
                format!("{line:?}"),
            ));
        };
        if self.trace.areas.len() >= MAX_LIST {
            return Err(self.full());
        }
        self.trace.areas.push(Area {
            name: self.area_name.clone(),
            shmid,
            address,
            bytes: 0,
        });
        Ok(())
    }

    fn sizes(&mut self, columns: &[String], line: &str) -> Result<(), TraceError> {
        let values: Vec<&str> = line.split_whitespace().collect();
        let subarea = Self::column(columns, &values, &["subarea size"]).and_then(hex);
        let segment = Self::column(columns, &values, &["segment size"]).and_then(hex);
        let Some(subarea) = subarea else {
            return Err(self.form("sizes in hex", format!("{line:?}")));
        };
        if let Some(area) = self.trace.areas.last_mut() {
            // Where the segment holds more than this area, the area's own size counts.
            area.bytes = segment.map_or(subarea, |whole| whole.min(subarea));
        }
        Ok(())
    }

    /// `Start 0x60000000, length 12582912 bytes`
    fn span(&mut self, line: &str) -> Result<(), TraceError> {
        let words: Vec<&str> = line.split([' ', ',']).filter(|w| !w.is_empty()).collect();
        let after = |name: &str| {
            let at = words.iter().position(|w| w.eq_ignore_ascii_case(name))?;
            words.get(at + 1).copied()
        };
        let start = after("Start").and_then(hex);
        let bytes = after("length").and_then(|v| v.parse().ok());
        let (Some(start), Some(bytes)) = (start, bytes) else {
            return Err(self.form("Start 0x…, length … bytes", format!("{line:?}")));
        };
        if self.trace.spans.len() >= MAX_LIST {
            return Err(self.full());
        }
        self.trace.spans.push(Span { start, bytes });
        Ok(())
    }

    fn segment(&mut self, columns: Vec<String>, line: &str) -> Result<(), TraceError> {
        let values: Vec<&str> = line.split_whitespace().collect();
        let number = |name: &str| Self::column(&columns, &values, &[name]);
        let key = number("key")
            .and_then(hex)
            .and_then(|k| u32::try_from(k).ok());
        let shmid = number("shmid").and_then(|v| v.parse().ok());
        let bytes = number("bytes").and_then(|v| v.parse().ok());
        let (Some(key), Some(shmid), Some(bytes)) = (key, shmid, bytes) else {
            // The listing ends with whatever comes next.
            return Ok(());
        };
        if self.trace.segments.len() >= MAX_LIST {
            return Err(self.full());
        }
        self.trace.segments.push(Segment { shmid, key, bytes });
        self.part = Part::Ipcs(columns);
        Ok(())
    }

    /// `ub4 name_ [060001000, 060001004) = 00000001`, else nothing of ours.
    fn variable(&mut self, line: &str) -> Result<(), TraceError> {
        let Some((name, variable)) = variable(line) else {
            return Ok(());
        };
        if let Some(known) = self.trace.variables.get(&name) {
            let same = known.address == variable.address && known.size == variable.size;
            let place = |v: &Variable| format!("{} bytes at {:#x}", v.size, v.address);
            return if same {
                Ok(())
            } else {
                Err(self.form(format!("{name} with {}", place(known)), place(&variable)))
            };
        }
        if self.trace.variables.len() >= MAX_LIST {
            return Err(self.full());
        }
        self.trace.variables.insert(name, variable);
        Ok(())
    }

    fn finish(mut self) -> Result<Trace, TraceError> {
        for area in &self.trace.areas {
            let listed = self.trace.segments.iter().find(|s| s.shmid == area.shmid);
            if let Some(segment) = listed.filter(|s| s.bytes < area.bytes) {
                return Err(self.form(
                    format!(
                        "segment {} to hold {}, {} bytes",
                        area.shmid, area.name, area.bytes
                    ),
                    format!("{} bytes in the listing of ipcs", segment.bytes),
                ));
            }
        }
        if self.trace.areas.is_empty() && self.trace.variables.is_empty() {
            return Err(TraceError::Empty { path: self.path });
        }
        self.trace.banner = banner::of_lines(self.header.iter().map(String::as_str));
        self.trace.port = match (self.system.as_deref(), self.machine.as_deref()) {
            (Some("Linux"), Some("x86_64")) => Some("Linux x86-64".into()),
            (Some("Linux"), Some("aarch64")) => Some("Linux aarch64".into()),
            _ => None,
        };
        Ok(self.trace)
    }
}

/// Column names of a header line in lower case; `Addr` and `size` belong to the word before.
fn header_names(words: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in words.iter().map(|w| w.to_ascii_lowercase()) {
        match out.last_mut() {
            Some(last) if word == "addr" || word == "size" => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => out.push(word),
        }
    }
    out
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).ok()
}

/// Name and place of a variable: `TYPE NAME [START, END) = words`.
fn variable(line: &str) -> Option<(String, Variable)> {
    let (head, rest) = line.split_once('[')?;
    let (range, tail) = rest.split_once(')')?;
    if !tail.trim_start().starts_with('=') {
        return None;
    }
    let (start, end) = range.split_once(',')?;
    let (start, end) = (hex(start.trim())?, hex(end.trim())?);
    let head = head.trim();
    let (ctype, name) = head.rsplit_once(char::is_whitespace).unwrap_or(("", head));
    let plain = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'#'));
    plain.then(|| {
        let variable = Variable {
            address: start,
            size: end.saturating_sub(start),
            ctype: (!ctype.trim().is_empty()).then(|| ctype.trim().to_owned()),
        };
        (name.to_owned(), variable)
    })
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
