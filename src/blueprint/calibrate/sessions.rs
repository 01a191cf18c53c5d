//! Which questions make a blueprint: session rows, what their pointers lead to, the array, rules and names.
//!
//! Sources of the relations used: a session's owner pointer and SQL address, V$SESSION's STATUS rule (public texts of
//! GV$SESSION), SQL_ID as the last two words of the text's MD5. Not for: offsets, none is known here.

use std::collections::BTreeMap;
use std::time::Instant;

use super::ask::{Form, Question, Verdict, Want, ask};
use super::calibration::{CalibrateError, Calibration, Settings};
use super::compose::{Draft, SESSIONS, SOURCE, dictionaries, field, head, plain, runs, strukt};
use super::learner::{Learned, Learner};
use super::processes::Processes;
use super::report::{Line, Report};
use super::scan;
use super::shot::{POINTED_BYTES, word};
use super::truth::{Shape, Spec, Spool, addresses};
use crate::blueprint::model::{Anchor, ArrayLayout, Confidence, Field, Rule, Stored, Struct};
use crate::memory::AddressSpace;

/// Longest SQL text in bytes.
const SQL_TEXT: u64 = 4 << 20;

/// Learns the session rows from `rounds` truths; `truth` is called before the first and in each round.
///
/// # Errors
/// No usable truth, or addresses that aren't rows of this memory.
pub fn with_truth(
    space: &dyn AddressSpace,
    settings: Settings,
    rounds: usize,
    truth: &mut dyn FnMut() -> Result<Spool, CalibrateError>,
) -> Result<Calibration, CalibrateError> {
    let began = Instant::now();
    let mut spool = truth()?;
    let addrs = addresses(&spool, "x_ksuse", "ADDR", "INDX");
    if addrs.is_empty() {
        return Err(CalibrateError::NoAddresses);
    }
    let mapped = addrs.iter().all(|a| space.locate(*a, 8).is_ok());
    let learner = Learner::new(space, addrs.clone()).filter(|_| mapped);
    let learner = learner.ok_or(CalibrateError::NotRows(addrs.len()))?;
    let mut work = Work {
        space,
        settings,
        learner,
        ids: Vec::new(),
        masks: BTreeMap::new(),
    };
    let mut processes = Processes::find(space, &spool, &addrs);
    for _ in 0..rounds.max(1) {
        let (round, told) = match &mut processes {
            Ok(all) => {
                let both = || Ok::<_, CalibrateError>(all.round(&mut *truth)?.1);
                let (round, told) = work.learner.round(both)?;
                all.tell(round, &told);
                (round, told)
            }
            Err(_) => work.learner.round(&mut *truth)?,
        };
        work.tell(round, &told);
        spool = told;
    }
    let mut calibration = work.finish(&spool);
    calibration.add_processes(processes);
    calibration.report.took(began.elapsed());
    Ok(calibration)
}

struct Work<'a> {
    space: &'a dyn AddressSpace,
    settings: Settings,
    learner: Learner<'a>,
    /// Round, row, SQL_ID.
    ids: Vec<(usize, usize, u64)>,
    /// Rows that agree and disagree by STATUS mask.
    masks: BTreeMap<u64, (usize, usize)>,
}

impl Work<'_> {
    fn tell(&mut self, round: usize, spool: &Spool) {
        if let Some(sessions) = spool.table("v_session") {
            self.learner
                .tell(round, sessions, "SID", &self.settings.specs);
            let columns = (sessions.column("SID"), sessions.column("SQL_ID"));
            if let (Some(sid), Some(id)) = columns {
                for row in &sessions.rows {
                    let number = row[id].as_deref().and_then(self.settings.parse_sql_id);
                    let slot = sessions.number(row, sid).filter(|s| *s > 0);
                    if let (Some(number), Some(slot)) = (number, slot) {
                        self.ids.push((round, slot as usize - 1, number));
                    }
                }
            }
        }
        if let Some(rows) = spool.table("x_ksuse") {
            let own = |c: &&String| !["ADDR", "INDX", "INST_ID", "CON_ID"].contains(&c.as_str());
            let specs: Vec<Spec> = rows
                .columns()
                .iter()
                .filter(own)
                .map(|column| {
                    let at = rows.column(column);
                    let text = |row: &Vec<Option<String>>| at.and_then(|a| row[a].clone());
                    let negative = rows
                        .rows
                        .iter()
                        .filter_map(text)
                        .any(|t| t.starts_with('-'));
                    let shape = if negative {
                        Shape::Int
                    } else {
                        Shape::Uint {
                            widest: 4,
                            null: None,
                        }
                    };
                    Spec {
                        column: column.clone(),
                        via: None,
                        field: column.clone(),
                        shape,
                    }
                })
                .collect();
            self.learner.tell(round, rows, "INDX", &specs);
        }
        self.ordinals(round);
        self.waits(round, spool);
        self.statistics(round, spool);
        self.status(spool);
    }

    /// X$KSUSE.INDX is the slot number, which each row holds too.
    fn ordinals(&mut self, round: usize) {
        let spec = Spec {
            column: "INDX".into(),
            via: None,
            field: "KSUSENUM".into(),
            shape: Shape::Uint {
                widest: 4,
                null: None,
            },
        };
        for row in 0..self.learner.rows.addrs.len() {
            self.learner
                .tell_one(&spec, round, row, Want::Value(row as u64 + 1));
        }
    }

    /// SECONDS_IN_WAIT counts from a stamp in the row; EPOCH is the time of the query.
    fn waits(&mut self, round: usize, spool: &Spool) {
        let Some(table) = spool.table("v_session_wait") else {
            return;
        };
        let columns = ["SID", "SECONDS_IN_WAIT", "EPOCH"].map(|c| table.column(c));
        let [Some(sid), Some(seconds), Some(now)] = columns else {
            return;
        };
        let spec = Spec {
            column: "SECONDS_IN_WAIT".into(),
            via: None,
            field: "wait_stamp".into(),
            shape: Shape::Time,
        };
        for row in &table.rows {
            let [Some(sid), Some(now)] = [sid, now].map(|c| table.number(row, c)) else {
                continue;
            };
            let epoch = table
                .number(row, seconds)
                .map_or(0, |s| now.saturating_sub(s));
            if (1..=self.learner.rows.addrs.len() as u64).contains(&sid) {
                let want = Want::Moment {
                    epoch: epoch as i64,
                    slack: 1,
                    date7: [0xff; 7],
                };
                self.learner.tell_one(&spec, round, sid as usize - 1, want);
            }
        }
    }

    fn statistics(&mut self, round: usize, spool: &Spool) {
        let Some(table) = spool.table("v_sesstat") else {
            return;
        };
        let columns = ["SID", "STATISTIC#", "VALUE"].map(|c| table.column(c));
        let [Some(sid), Some(index), Some(value)] = columns else {
            return;
        };
        for row in &table.rows {
            let cells = [sid, index, value].map(|c| table.number(row, c));
            if let [Some(sid), Some(index), Some(value)] = cells
                && sid > 0
                && value > 0
            {
                self.learner
                    .tell_counter(round, sid as usize - 1, index as usize, value);
            }
        }
    }

    /// Which mask on KSUSEIDL gives the STATUS that the view shows.
    fn status(&mut self, spool: &Spool) {
        let (Some(rows), Some(sessions)) = (spool.table("x_ksuse"), spool.table("v_session"))
        else {
            return;
        };
        let of_row = ["INDX", "KSUSEIDL", "KSUSEFLG"].map(|c| rows.column(c));
        let ([Some(indx), Some(idle), Some(flags)], Some(sid), Some(status)) =
            (of_row, sessions.column("SID"), sessions.column("STATUS"))
        else {
            return;
        };
        let raw: BTreeMap<u64, (u64, u64)> = rows
            .rows
            .iter()
            .filter_map(|r| {
                let n = |c| rows.number(r, c);
                Some((n(indx)?, (n(idle)?, n(flags)?)))
            })
            .collect();
        for row in &sessions.rows {
            let known = sessions.number(row, sid).and_then(|s| raw.get(&s));
            let (Some((idle, flags)), Some(shown)) = (known, row[status].as_deref()) else {
                continue;
            };
            for mask in &self.settings.status_masks {
                let tally = self.masks.entry(*mask).or_default();
                if status_word(*idle, *flags, *mask) == shown {
                    tally.0 += 1;
                } else {
                    tally.1 += 1;
                }
            }
        }
    }

    fn finish(mut self, spool: &Spool) -> Calibration {
        let answers = self.learner.answers();
        let mut report = Report {
            rows: self.learner.rows.addrs.len(),
            row_bytes: self.learner.rows.len,
            rounds: self.learner.rounds.len(),
            remarks: std::mem::take(&mut self.learner.misfits),
            ..Report::default()
        };
        let mut ksuse = Vec::new();
        let mut modact = Vec::new();
        for learned in &answers {
            let (name, fields) = match learned.via {
                None => ("ksuse", &mut ksuse),
                Some(_) => ("modact", &mut modact),
            };
            report.lines.push(Line::of(name, learned));
            fields.extend(field(learned));
        }
        self.statistics_pointer(&mut ksuse, &mut report);
        let mut structs = Vec::new();
        structs.extend(self.handle(&answers, &mut report));
        structs.extend(self.owner(&answers, &mut report));
        if !modact.is_empty() {
            structs.push(strukt("modact", 0, modact));
        }
        for (from, to) in [
            ("KSUSESQL", "kglhd"),
            ("KSUSEPSQ", "kglhd"),
            ("owner", "kssob"),
            ("modact_ptr", "modact"),
        ] {
            let known = structs.iter().any(|s: &Struct| s.name == to);
            for f in ksuse
                .iter_mut()
                .filter(|f: &&mut Field| f.name == from && known)
            {
                f.to = Some(to.to_owned());
            }
        }
        let row_bytes = self.learner.rows.len as u64;
        structs.insert(
            0,
            Struct {
                table: Some("X$KSUSE".into()),
                ..strukt("ksuse", row_bytes, ksuse)
            },
        );
        let (anchors, head, layout) = self.array(&mut report);
        structs.extend(head);
        let rules = self.rules(&mut report);
        let draft = Draft {
            detail: format!(
                "{} rounds over {} rows with a spool of V$SESSION, V$SESSTAT, V$SESSION_WAIT, X$KSUSE",
                report.rounds, report.rows
            ),
            anchors,
            structs,
            layout,
            rules,
            dictionaries: dictionaries(spool),
        };
        let blueprint = draft.blueprint(&self.settings);
        report.bytes_read += self.learner.bytes();
        Calibration { blueprint, report }
    }

    fn statistics_pointer(&self, ksuse: &mut Vec<Field>, report: &mut Report) {
        let fits = self.learner.counters();
        match fits.as_slice() {
            [(offset, agree, disagree)] => {
                let evidence =
                    format!("calibrated: {agree} counters of V$SESSTAT agree, {disagree} don't");
                ksuse.push(plain(
                    "stats_ptr",
                    u64::from(*offset),
                    8,
                    Stored::Addr,
                    &evidence,
                ));
                report
                    .remarks
                    .push(format!("stats_ptr at {offset}: {evidence}"));
            }
            [] => report
                .remarks
                .push("stats_ptr: no pointer leads to the counters of V$SESSTAT".into()),
            several => report
                .remarks
                .push(format!("stats_ptr is ambiguous: {several:?}")),
        }
    }

    /// The handle behind KSUSESQL: text proven by MD5, identifier and length.
    fn handle(&self, answers: &[Learned], report: &mut Report) -> Option<Struct> {
        let via = answers
            .iter()
            .find(|l| l.field == "KSUSESQL" && l.via.is_none())?
            .place?
            .0;
        let mut ask_behind = |name: &str, forms: Vec<Form>, wants: Vec<(usize, usize, Want)>| {
            let question = Question { forms, wants };
            let answer = ask(&self.learner.rounds, Some(via), POINTED_BYTES, &question);
            let unique = answer.verdict == Verdict::Unique;
            let offset = answer.offsets().first().copied().filter(|_| unique);
            let tally = answer
                .candidates
                .first()
                .map_or((0, 0), |c| (c.agree, c.disagree));
            report.remarks.push(format!(
                "kglhd.{name}: offsets {:?}, {} rows agree, {} don't",
                answer.offsets(),
                tally.0,
                tally.1
            ));
            offset.map(|o| {
                (
                    u64::from(o),
                    format!("calibrated: {} rows agree, {} don't", tally.0, tally.1),
                )
            })
        };
        let words = |id: u64| {
            let mut bytes = ((id >> 32) as u32).to_le_bytes().to_vec();
            bytes.extend((id as u32).to_le_bytes());
            Want::Bytes(bytes)
        };
        let ids = self
            .ids
            .iter()
            .map(|&(round, row, id)| (round, row, words(id)))
            .collect();
        let mut fields = Vec::new();
        if let Some((at, evidence)) = ask_behind("sql_id", vec![Form::Bytes], ids) {
            fields.push(plain("sql_id_high", at, 4, Stored::Uint, &evidence));
            fields.push(plain("sql_id_low", at + 4, 4, Stored::Uint, &evidence));
        }
        if let Some(proven) = self
            .learner
            .proven_texts(via, self.settings.sql_id_of, &self.ids)
        {
            let lengths = proven
                .texts
                .iter()
                .map(|(round, row, text)| (*round, *row, Want::Value(text.len() as u64)))
                .collect();
            if let Some((at, evidence)) = ask_behind("text_len", vec![Form::Uint(4)], lengths) {
                fields.push(plain("text_len", at, 4, Stored::Uint, &evidence));
                let evidence = format!(
                    "calibrated: {} of {} texts proven by MD5",
                    proven.texts.len(),
                    proven.tried
                );
                report
                    .remarks
                    .push(format!("kglhd.text at {}: {evidence}", proven.offset));
                let mut text = plain("text", u64::from(proven.offset), 0, Stored::Text, &evidence);
                text.max = Some(SQL_TEXT);
                fields.push(text);
            }
        }
        (!fields.is_empty()).then(|| strukt("kglhd", 0, fields))
    }

    /// All state objects begin alike: where a session has its owner, a process has null.
    fn owner(&self, answers: &[Learned], report: &mut Report) -> Option<Struct> {
        let at = answers
            .iter()
            .find(|l| l.field == "owner" && l.via.is_none())?
            .place?
            .0;
        let (mut nulls, mut others) = (0, 0);
        for round in &self.learner.rounds {
            for row in 0..round.after.len() {
                if let Some(owner) = round.after.row(row, Some(at)) {
                    match word(owner, at as usize) {
                        0 => nulls += 1,
                        _ => others += 1,
                    }
                }
            }
        }
        let evidence = format!(
            "calibrated: {nulls} owners of sessions have no owner at this place, {others} have one"
        );
        report
            .remarks
            .push(format!("kssob.owner at {at}: {evidence}"));
        let holds = nulls > 0 && others * 5 <= nulls;
        holds.then(|| {
            strukt(
                "kssob",
                0,
                vec![plain("owner", at.into(), 8, Stored::Addr, &evidence)],
            )
        })
    }

    /// The pointer array in the fixed area, or the runs in which the rows lie.
    fn array(&self, report: &mut Report) -> (Vec<Anchor>, Option<Struct>, ArrayLayout) {
        let rows = &self.learner.rows.addrs;
        let (found, bytes) = scan::arrays_of(self.space, rows);
        report.bytes_read += bytes;
        let at = match found.as_slice() {
            [one] => match one.counts.as_slice() {
                [count] => Some((one.pointer, *count)),
                _ => None,
            },
            _ => None,
        };
        let places: Vec<String> = found
            .iter()
            .map(|f| format!("0x{} with counts at {:?}", f.pointer, f.counts))
            .collect();
        report.remarks.push(match (at, places.as_slice()) {
            (Some((pointer, count)), _) => {
                format!("session pointer array: its address stands at 0x{pointer}, its count at 0x{count}")
            }
            (None, []) => "no pointer array holds these rows: they are listed as runs, good until the instance restarts".into(),
            (None, many) => format!(
                "the pointer array is ambiguous ({}): rows are listed as runs, good until the instance restarts",
                many.join("; ")
            ),
        });
        match at {
            Some((pointer, count)) => head(&SESSIONS, pointer, count),
            None => (Vec::new(), None, ArrayLayout::Runs { runs: runs(rows) }),
        }
    }

    fn rules(&self, report: &mut Report) -> BTreeMap<String, Rule> {
        let fits: Vec<(&u64, &(usize, usize))> = self
            .masks
            .iter()
            .filter(|(_, t)| t.0 > 0 && t.1 == 0)
            .collect();
        let tallies = format!("status_mask (agree, disagree): {:?}", self.masks);
        report.remarks.push(tallies.clone());
        let [(mask, _)] = fits.as_slice() else {
            return BTreeMap::new();
        };
        let rule = Rule {
            value: (**mask).into(),
            source: SOURCE.into(),
            confidence: Confidence::High,
            evidence: Some(tallies),
        };
        BTreeMap::from([("status_mask".to_owned(), rule)])
    }
}

/// STATUS of V$SESSION by the public view texts (10.2 to 19c), with the release's mask.
fn status_word(idle: u64, flags: u64, mask: u64) -> &'static str {
    match idle & mask {
        1 => "ACTIVE",
        0 if flags & 4096 != 0 => "CACHED",
        0 => "INACTIVE",
        2 | 3 if mask & 2 != 0 => "SNIPED",
        _ => "KILLED",
    }
}
