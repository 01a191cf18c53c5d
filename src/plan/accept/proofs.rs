//! Proving the layout of cursor handles, and both high words of SQL_ID, by the MD5 of texts.

use super::{Accepted, Trial, Verdict};
use crate::memory::TargetAddr;
use crate::plan::arrays::read_uint;
use crate::plan::handle::{self, HandleLayout};

impl Trial<'_> {
    /// Proves the handle layout and both high words of SQL_ID by the MD5 of texts.
    pub(super) fn handles(&mut self, used: &[TargetAddr]) {
        let Some(kglhd) = self.blueprint.strukt("kglhd").cloned() else {
            return;
        };
        let claim = |name: &str| kglhd.field(name).map(|f| f.offset);
        let claimed = HandleLayout {
            id_high: claim("sql_id_high"),
            id_low: claim("sql_id_low"),
            text_len: claim("text_len"),
            text: claim("text"),
        };
        let current = self.proofs(used, &claimed, ["KSUSESQL", "KSUSESQH", "sql_id_high"]);
        let previous = self.proofs(used, &claimed, ["KSUSEPSQ", "KSUSEPHA", "prev_sql_id_high"]);
        let both = current.plus(&previous);
        let verdict = |offset: Option<u64>, (agreed, tested): (usize, usize)| match offset {
            Some(offset) if agreed > 0 && agreed * 2 >= tested => Verdict::Accepted(offset),
            _ if tested == 0 => Verdict::Untested,
            _ => Verdict::Refused,
        };
        // one MD5 proof can't come by chance; that many handles were freed meanwhile says nothing
        let proof = (both.text.0, both.text.0.max(both.text.1.min(1)));
        for (name, offset, score) in [
            ("text", claimed.text, proof),
            ("text_len", claimed.text_len, both.length),
            ("sql_id_high", claimed.id_high, both.handle_id),
            ("sql_id_low", claimed.id_low, both.handle_id),
        ] {
            if offset.is_some() {
                self.accepted
                    .record("kglhd", name, verdict(offset, score), score);
            }
        }
        let keep = |name: &str, accepted: &Accepted| match accepted
            .verdicts
            .get(&("kglhd".to_owned(), name.to_owned()))
        {
            Some(Verdict::Accepted(offset)) => Some(*offset),
            // texts are proven one by one
            Some(Verdict::Untested) => claim(name),
            _ => None,
        };
        self.accepted.handle = HandleLayout {
            id_high: keep("sql_id_high", &self.accepted),
            id_low: keep("sql_id_low", &self.accepted),
            text_len: keep("text_len", &self.accepted),
            text: keep("text", &self.accepted),
        };
        let row = self.row_struct_name();
        for (name, score) in [
            ("sql_id_high", current.row_id),
            ("prev_sql_id_high", previous.row_id),
        ] {
            if let Some(offset) = self.session_field(name).map(|f| f.offset) {
                self.accepted
                    .record(&row, name, verdict(Some(offset), score), score);
            }
        }
    }

    fn proofs(&self, used: &[TargetAddr], layout: &HandleLayout, names: [&str; 3]) -> Proofs {
        let mut proofs = Proofs::default();
        let field = |name| self.session_field(name).map(|f| (f.offset, f.size));
        let [Some(address), Some(hash), high] = names.map(field) else {
            return proofs;
        };
        for row in used {
            let value = |(offset, size): (u64, u64)| {
                read_uint(self.space, row.checked_add(offset)?, size).ok()
            };
            let (Some(at), Some(hash)) = (value(address), value(hash)) else {
                continue;
            };
            if at == 0 || hash == 0 {
                continue;
            }
            let at = TargetAddr(at);
            let proven = handle::proven_text(self.space, at, layout, hash as u32, None);
            proofs.text.1 += 1;
            let Ok((id, text)) = proven else {
                continue;
            };
            proofs.text.0 += 1;
            let score = |right: bool, tally: &mut (usize, usize)| {
                tally.1 += 1;
                tally.0 += usize::from(right);
            };
            score(
                handle::claimed_id(self.space, at, layout) == Some(id),
                &mut proofs.handle_id,
            );
            let length = layout
                .text_len
                .and_then(|o| read_uint(self.space, at.checked_add(o)?, 4).ok());
            score(length == Some(text.len() as u64), &mut proofs.length);
            if let Some(high) = high {
                score(value(high) == Some(id >> 32), &mut proofs.row_id);
            }
        }
        proofs
    }
}

/// Tallies (agreed, tested) of the MD5 proofs.
#[derive(Clone, Copy, Default)]
struct Proofs {
    text: (usize, usize),
    length: (usize, usize),
    handle_id: (usize, usize),
    row_id: (usize, usize),
}

impl Proofs {
    fn plus(&self, other: &Proofs) -> Proofs {
        let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
        Proofs {
            text: add(self.text, other.text),
            length: add(self.length, other.length),
            handle_id: add(self.handle_id, other.handle_id),
            row_id: add(self.row_id, other.row_id),
        }
    }
}
