//! Testing claimed fields of the session row on the values of rows in use.

use super::{MOST, Trial, Verdict};
use crate::blueprint::model::{Accept, Field, Struct};
use crate::memory::TargetAddr;
use crate::plan::arrays::read_uint;

impl Trial<'_> {
    /// Tests every claimed field of the session row that has a test and none yet.
    pub(super) fn row_fields(&mut self, used: &[TargetAddr]) {
        let Ok(row) = self.blueprint_row().cloned() else {
            return;
        };
        self.fields_of(&row, used);
    }

    /// Tests every claimed field of a row structure that has a test and none yet.
    pub(super) fn fields_of(&mut self, row: &Struct, used: &[TargetAddr]) {
        for field in row.fields.iter().filter(|f| f.accept.is_some()) {
            let key = (row.name.clone(), field.name.clone());
            if self.accepted.verdicts.contains_key(&key) {
                continue;
            }
            let mut result = (Verdict::Untested, (0, 0));
            for offset in std::iter::once(field.offset).chain(field.alternatives.iter().copied()) {
                let (agreed, tested) = self.test_field(used, field, offset);
                let verdict = if tested == 0 {
                    Verdict::Untested
                } else if agreed as f64 >= tested as f64 * MOST {
                    Verdict::Accepted(offset)
                } else {
                    Verdict::Refused
                };
                let done = matches!(verdict, Verdict::Accepted(_));
                if done || result.0 == Verdict::Untested {
                    result = (verdict, (agreed, tested));
                }
                if done {
                    break;
                }
            }
            self.accepted
                .record(&row.name, &field.name, result.0.clone(), result.1);
            if result.0 != Verdict::Refused {
                self.trust_target(field, &result.0);
            }
        }
    }

    /// The members of a structure that a pointer leads to share the pointer's verdict: they were
    /// tested with it.
    fn trust_target(&mut self, pointer: &Field, verdict: &Verdict) {
        let target = pointer
            .to
            .as_deref()
            .filter(|name| *name != "kglhd")
            .and_then(|name| self.blueprint.strukt(name))
            .cloned();
        let Some(target) = target else { return };
        for field in target.fields.iter().filter(|f| f.accept.is_some()) {
            let key = (target.name.clone(), field.name.clone());
            if !self.accepted.verdicts.contains_key(&key) {
                let own = match verdict {
                    Verdict::Accepted(_) => Verdict::Accepted(field.offset),
                    other => other.clone(),
                };
                self.accepted.record(&target.name, &field.name, own, (0, 0));
            }
        }
    }

    /// Rows that agree and rows that have a value to test.
    fn test_field(&self, used: &[TargetAddr], field: &Field, offset: u64) -> (usize, usize) {
        let mut tally = (0, 0);
        for row in used {
            let Some(at) = row.checked_add(offset) else {
                continue;
            };
            if let Some(right) = self.test_value(at, field) {
                tally.1 += 1;
                tally.0 += usize::from(right);
            }
        }
        tally
    }

    /// Whether the value at `at` passes the field's test; `None`: nothing to test here.
    fn test_value(&self, at: TargetAddr, field: &Field) -> Option<bool> {
        let value = match read_uint(self.space, at, field.size.min(8)) {
            Ok(value) => value,
            Err(_) => return Some(false),
        };
        let pointer = TargetAddr(value);
        match field.accept? {
            _ if value == 0 => None,
            Accept::InSegment => Some(self.space.locate(pointer, 8).is_ok()),
            Accept::CounterArray => {
                let bytes = self.accepted.statistics.unwrap_or(1).clamp(1, 1 << 16) * 8;
                Some(value % 8 == 0 && self.space.locate(pointer, bytes).is_ok())
            }
            Accept::OwnerProcess => Some(self.owner_is_process(pointer, field.offset)),
            Accept::EpochPast => {
                let now = self.accepted.moment.now_s;
                Some((0..=now + 86_400).contains(&(value as i64)) && value > 946_684_800)
            }
            Accept::TextAndLength => self.text_and_length(pointer, field),
            Accept::PointedText => Some(self.pointed_text(pointer, field.max.unwrap_or(64))),
            Accept::NameText => self.name_text(at, field.size),
            Accept::PidText => {
                let mut text = [0u8; 8];
                self.space.read(at, &mut text).ok()?;
                let n = text.iter().position(|b| *b == 0).unwrap_or(8);
                Some(n > 0 && text[..n].iter().all(u8::is_ascii_digit))
            }
            Accept::SessionRow => Some(self.accepted.sessions.addrs.contains(&pointer)),
            // these are proven elsewhere (arrays, handles) or need no value test of their own
            Accept::SlotOrdinal
            | Accept::ArrayCount
            | Accept::SqlId
            | Accept::SqlText
            | Accept::EventNumber
            | Accept::Time4
            | Accept::UsedFlag
            | Accept::NameTable
            | Accept::CounterCount => None,
        }
    }

    /// Whether a name stands there; empty text is no evidence.
    fn name_text(&self, at: TargetAddr, size: u64) -> Option<bool> {
        let mut bytes = [0u8; 128];
        let n = (size as usize).min(bytes.len());
        if self.space.read(at, &mut bytes[..n]).is_err() {
            return Some(false);
        }
        let used = bytes[..n].iter().position(|b| *b == 0).unwrap_or(n);
        let (first, rest) = bytes[..used].split_first()?;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_$#".contains(b);
        Some(first.is_ascii_alphabetic() && rest.iter().all(plain))
    }

    fn owner_is_process(&self, owner: TargetAddr, offset: u64) -> bool {
        let rows = &self.accepted.processes.addrs;
        if rows.contains(&owner) {
            return true;
        }
        owner
            .checked_add(offset)
            .and_then(|at| self.space.read_u64(at).ok())
            .is_some_and(|above| rows.contains(&TargetAddr(above)))
    }

    /// A pointer to texts with lengths behind them: every length is its text's. Empty texts are no
    /// evidence.
    fn text_and_length(&self, pointer: TargetAddr, field: &Field) -> Option<bool> {
        let target = field.to.as_deref().and_then(|n| self.blueprint.strukt(n))?;
        let mut evidence = None;
        for text in &target.fields {
            let Some(length) = target.field(&format!("{}_len", text.name)) else {
                continue;
            };
            let mut bytes = [0u8; 256];
            let size = (text.size as usize).min(bytes.len());
            let Some(at) = pointer.checked_add(text.offset) else {
                return Some(false);
            };
            if self.space.read(at, &mut bytes[..size]).is_err() {
                return Some(false);
            }
            let used = bytes[..size].iter().position(|b| *b == 0).unwrap_or(size) as u64;
            let said = pointer
                .checked_add(length.offset)
                .and_then(|at| read_uint(self.space, at, length.size).ok());
            match said {
                Some(0) if used == 0 => {}
                Some(n) if n == used => evidence = Some(true),
                _ => return Some(false),
            }
        }
        evidence
    }

    fn pointed_text(&self, pointer: TargetAddr, max: u64) -> bool {
        let mut bytes = [0u8; 128];
        let n = (max as usize).min(bytes.len());
        if self.space.read(pointer, &mut bytes[..n]).is_err() {
            return false;
        }
        let used = bytes[..n].iter().position(|b| *b == 0).unwrap_or(n);
        bytes[..used].iter().all(|b| *b >= 0x20)
    }
}
