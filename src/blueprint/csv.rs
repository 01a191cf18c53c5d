//! Comma-separated values as SQL*Plus spools them, read record by record in bounded memory.
//!
//! Fields are bare or in double quotes (doubled inside); a quoted field may hold line ends. Empty
//! lines between records, which SQL*Plus likes to print, are skipped; a byte-order mark and CR
//! before LF are dropped. A record, its fields and their number are bounded: a file that breaks a
//! bound ends with an error before more of it is read.
//!
//! It knows no table: see `spool`. Callers: `spool`.

use std::io::{self, BufRead};

/// Most fields of a record (SQL allows 1,000 columns).
pub const MAX_FIELDS: usize = 2_000;
/// Most bytes of a record.
pub const MAX_RECORD: usize = 4 << 20;

/// Why a file can't be read as CSV. Lines count from 1 and name the record's first.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The system's reason.
    #[error("line {line}: {source}")]
    Read {
        /// Where.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A record is longer than [`MAX_RECORD`] bytes.
    #[error(
        "line {line}: expected a record of at most {MAX_RECORD} bytes, found more: is this a CSV spool?"
    )]
    TooLong {
        /// Where.
        line: u64,
    },
    /// A record has more than [`MAX_FIELDS`] fields.
    #[error("line {line}: expected at most {MAX_FIELDS} fields, found more: is this a CSV spool?")]
    TooWide {
        /// Where.
        line: u64,
    },
    /// Text follows a closing quote, or a quote is never closed.
    #[error("line {line}: expected {expected}, found {found}")]
    Quotes {
        /// Where.
        line: u64,
        /// What would be right.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// One record; the fields stand in one buffer that is used again.
#[derive(Debug, Default)]
pub struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Line on which it begins, from 1.
    pub line: u64,
}

impl Record {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The field's text without blanks around it; bytes that aren't UTF-8 are replaced.
    pub fn get(&self, field: usize) -> Option<String> {
        let end = *self.ends.get(field)?;
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(
            String::from_utf8_lossy(&self.bytes[start..end])
                .trim()
                .to_owned(),
        )
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Reads records one after the other.
pub struct CsvReader<R> {
    input: R,
    line: u64,
}

/// Where in a record the next byte stands.
enum State {
    Start,
    Bare,
    Quoted,
    /// Behind a quote inside quotes: the end, or the first of two.
    Closed,
}

impl<R: BufRead> CsvReader<R> {
    /// A reader at the start of `input`.
    pub fn new(input: R) -> CsvReader<R> {
        CsvReader { input, line: 1 }
    }

    /// Reads the next record; false at the end of the input.
    ///
    /// # Errors
    /// See [`CsvError`].
    pub fn next(&mut self, record: &mut Record) -> Result<bool, CsvError> {
        loop {
            record.clear();
            record.line = self.line;
            if !self.read(record)? {
                return Ok(false);
            }
            let blank = record.len() == 1 && record.bytes.iter().all(u8::is_ascii_whitespace);
            if !blank {
                return Ok(true);
            }
        }
    }

    /// The rest of the input, read and dropped; for digests of whole files.
    ///
    /// # Errors
    /// The system's.
    pub fn drain(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.input.fill_buf()?.len();
            if bytes == 0 {
                return Ok(());
            }
            self.input.consume(bytes);
        }
    }

    fn read(&mut self, record: &mut Record) -> Result<bool, CsvError> {
        let mut state = State::Start;
        let mut seen = 0usize;
        loop {
            let line = self.line;
            let read = |source| CsvError::Read { line, source };
            let buf = self.input.fill_buf().map_err(read)?;
            if buf.is_empty() {
                if seen == 0 {
                    return Ok(false);
                }
                if matches!(state, State::Quoted) {
                    return Err(CsvError::Quotes {
                        line: record.line,
                        expected: "a closing quote",
                        found: "the end of the file".into(),
                    });
                }
                end_field(record)?;
                return Ok(true);
            }
            let mut used = 0;
            let mut done = false;
            for &byte in buf {
                used += 1;
                self.line += u64::from(byte == b'\n');
                if step(&mut state, byte, record)? {
                    done = true;
                    break;
                }
            }
            seen += used;
            self.input.consume(used);
            if done {
                return Ok(true);
            }
            if seen > MAX_RECORD {
                return Err(CsvError::TooLong { line: record.line });
            }
        }
    }
}

/// Takes one byte; true at the end of the record.
fn step(state: &mut State, byte: u8, record: &mut Record) -> Result<bool, CsvError> {
    match (&*state, byte) {
        (State::Quoted, b'"') => *state = State::Closed,
        (State::Quoted, _) => push(record, byte)?,
        (State::Closed, b'"') => {
            push(record, byte)?;
            *state = State::Quoted;
        }
        (_, b'\n') => {
            end_field(record)?;
            return Ok(true);
        }
        (_, b',') => {
            end_field(record)?;
            *state = State::Start;
        }
        (State::Start, b'"') => *state = State::Quoted,
        // Blanks before a quote, and a byte-order mark, belong to no field.
        (State::Start, b' ' | b'\t' | 0xef | 0xbb | 0xbf) => {}
        (State::Closed, b' ' | b'\t' | b'\r') => {}
        (State::Closed, other) => {
            return Err(CsvError::Quotes {
                line: record.line,
                expected: "a comma or the line's end behind a closing quote",
                found: format!("{:?}", char::from(other)),
            });
        }
        (State::Start | State::Bare, _) => {
            push(record, byte)?;
            *state = State::Bare;
        }
    }
    Ok(false)
}

fn push(record: &mut Record, byte: u8) -> Result<(), CsvError> {
    if record.bytes.len() >= MAX_RECORD {
        return Err(CsvError::TooLong { line: record.line });
    }
    record.bytes.push(byte);
    Ok(())
}

fn end_field(record: &mut Record) -> Result<(), CsvError> {
    if record.ends.len() >= MAX_FIELDS {
        return Err(CsvError::TooWide { line: record.line });
    }
    record.ends.push(record.bytes.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn all(text: &[u8]) -> Result<Vec<Vec<String>>, CsvError> {
        // A small buffer, so that records cross its ends.
        let mut reader = CsvReader::new(BufReader::with_capacity(3, text));
        let mut record = Record::default();
        let mut out = Vec::new();
        while reader.next(&mut record)? {
            out.push((0..record.len()).map(|i| record.get(i).unwrap()).collect());
        }
        Ok(out)
    }

    #[test]
    fn fields_quotes_lines_and_marks() {
        let text = b"\xef\xbb\xbf\r\n\"A\",\"B \"\"x\"\"\", \"C\"\r\n\n1,,\"two\nlines\" \n 5 ,6,7";
        let expected = [
            vec!["A", "B \"x\"", "C"],
            vec!["1", "", "two\nlines"],
            vec!["5", "6", "7"],
        ];
        assert_eq!(all(text).unwrap(), expected);
        assert_eq!(all(b"").unwrap(), Vec::<Vec<String>>::new());
        assert_eq!(all(b"a,\n").unwrap(), [["a", ""]]);
    }

    #[test]
    fn lines_are_counted_and_bad_quotes_refused() {
        let error = all(b"a,b\n\"x\"y,1\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2: expected a comma or the line's end behind a closing quote, found 'y'"
        );
        assert!(matches!(
            all(b"a\n\n\"b"),
            Err(CsvError::Quotes { line: 3, .. })
        ));
    }

    #[test]
    fn a_gigabyte_line_ends_early() {
        for (first, byte) in [(&b""[..], b'x'), (b"\"", b'x'), (b"", b' ')] {
            let mut input = first.chain(io::repeat(byte).take(1 << 30));
            let mut reader = CsvReader::new(BufReader::new(&mut input));
            let mut record = Record::default();
            assert!(matches!(
                reader.next(&mut record),
                Err(CsvError::TooLong { line: 1 })
            ));
            assert!(record.bytes.capacity() <= 2 * MAX_RECORD);
        }
    }

    #[test]
    fn a_million_columns_end_early() {
        let text = vec![b','; 1_000_000];
        assert!(matches!(all(&text), Err(CsvError::TooWide { line: 1 })));
    }
}
