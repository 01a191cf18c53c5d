//! What a calibration found, for people.
//!
//! Not for: deciding anything.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::ask::{Form, Verdict};
use super::learner::Learned;

/// Places that a line names at most.
const MAX_PLACES: usize = 8;

/// One field.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Structure.
    #[serde(rename = "struct")]
    pub strukt: String,
    /// Field.
    pub field: String,
    /// Columns of the truth that told of it.
    pub columns: Vec<String>,
    /// `learned`, `ambiguous`, `not found` or `no evidence`.
    pub verdict: &'static str,
    /// Offset, if there is one.
    pub offset: Option<u32>,
    /// How it is stored.
    pub stored: String,
    /// Rows that agree.
    pub agree: u32,
    /// Rows that don't.
    pub disagree: u32,
    /// Different values seen.
    pub distinct: usize,
    /// All places that fit, when ambiguous.
    pub alternatives: Vec<u32>,
}

/// All fields, and what it took.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// One line for each field.
    pub lines: Vec<Line>,
    /// Remarks: arrays, rules, cells that could not be used.
    pub remarks: Vec<String>,
    /// Rows of the array.
    pub rows: usize,
    /// Bytes of a row.
    pub row_bytes: usize,
    /// Rounds.
    pub rounds: usize,
    /// Bytes read of the target.
    pub bytes_read: u64,
    /// Time taken.
    pub seconds: f64,
}

fn stored(form: Form, learned: &Learned) -> String {
    match form {
        Form::Uint(_) if learned.address => "address".into(),
        Form::Uint(n) => format!("uint{n}"),
        Form::Int(n) => format!("int{n}"),
        Form::Text if learned.pointed => "pointer to text".into(),
        Form::Text => format!("text {}", learned.size),
        Form::Bytes => "bytes".into(),
        Form::Date7 => "date7".into(),
        Form::Epoch4 => "epoch4".into(),
        Form::Class(n) => format!("class{n}"),
    }
}

impl Line {
    /// The line of a field of this structure.
    pub fn of(strukt: &str, learned: &Learned) -> Line {
        let answer = &learned.answer;
        let best = answer
            .candidates
            .iter()
            .filter(|c| learned.place.is_none_or(|p| p == (c.offset, c.form)))
            .max_by_key(|c| c.agree);
        let verdict = match (answer.verdict, learned.place) {
            (Verdict::Unique, Some(_)) => "learned",
            (Verdict::Unique | Verdict::Ambiguous, _) => "ambiguous",
            (Verdict::Nowhere, _) => "not found",
            (Verdict::NoEvidence, _) => "no evidence",
        };
        let alternatives = match verdict {
            "ambiguous" => answer.offsets().into_iter().take(MAX_PLACES).collect(),
            _ => Vec::new(),
        };
        Line {
            strukt: strukt.to_owned(),
            field: learned.field.clone(),
            columns: learned.columns.iter().cloned().collect(),
            verdict,
            offset: learned.place.map(|p| p.0),
            stored: learned
                .place
                .map_or_else(String::new, |p| stored(p.1, learned)),
            agree: best.map_or(0, |c| c.agree),
            disagree: best.map_or(0, |c| c.disagree),
            distinct: answer.distinct,
            alternatives,
        }
    }
}

impl Report {
    /// Notes how long it took.
    pub fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:<20} {:<11} {:>6} {:<16} {:>7} {:>8} {:>8}  alternatives",
            "struct", "field", "verdict", "offset", "stored", "agree", "disagree", "distinct"
        )?;
        for line in &self.lines {
            let offset = line.offset.map_or_else(String::new, |o| o.to_string());
            let places: Vec<String> = line.alternatives.iter().map(u32::to_string).collect();
            writeln!(
                f,
                "{:<10} {:<20} {:<11} {:>6} {:<16} {:>7} {:>8} {:>8}  {}",
                line.strukt,
                line.field,
                line.verdict,
                offset,
                line.stored,
                line.agree,
                line.disagree,
                line.distinct,
                places.join(", ")
            )?;
        }
        for remark in &self.remarks {
            writeln!(f, "{remark}")?;
        }
        let learned = self.lines.iter().filter(|l| l.verdict == "learned").count();
        writeln!(
            f,
            "{learned} of {} fields learned; {} rows of {} bytes, {} rounds, {} bytes read in {:.1} s",
            self.lines.len(),
            self.rows,
            self.row_bytes,
            self.rounds,
            self.bytes_read,
            self.seconds
        )
    }
}
