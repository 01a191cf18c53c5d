//! Acceptance: which claims of a blueprint hold on this memory.
//!
//! What an executable says of its own structures is taken as it is once the build-id has matched. A
//! claim that comes from anywhere else (hints) carries a test, and is used only if live rows pass it:
//! row i holds i + 1, pointers lead into segments, hashes of texts come out right. What fails, or
//! can't be tested because no row has a value, is absent with that reason.
//!
//! Rows move while they are tested, so weak tests need most rows, and a proof by MD5 needs few.

use std::collections::{BTreeMap, HashSet};

use super::PlanError;
use super::arrays::{self, RowTable, read_uint};
use super::handle::{self, HandleLayout};
use crate::blueprint::model::{Accept, Array, ArrayLayout, Blueprint, Field, Struct};
use crate::memory::{AddressSpace, TargetAddr};

/// Rows that a field's test looks at.
const SAMPLE_ROWS: usize = 256;
/// Share of rows that must pass a weak test.
const MOST: f64 = 0.9;
/// Share of a pointer array's rows that must hold their ordinal.
const ARRAY_SHARE: f64 = 0.95;
/// Fewest rows by which an array may be recognised.
const FEWEST_ROWS: usize = 4;

/// The end of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, at this offset.
    Accepted(u64),
    /// It doesn't, at any offset tried.
    Refused,
    /// No row has a value to test it on.
    Untested,
}

/// What was tested, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Structure and field.
    pub strukt: String,
    /// Field name.
    pub field: String,
    /// The end.
    pub verdict: Verdict,
    /// Rows that passed.
    pub agreed: usize,
    /// Rows that were tested.
    pub tested: usize,
}

/// All that holds on this memory.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// The session rows.
    pub sessions: RowTable,
    /// The process rows; empty when they weren't found.
    pub processes: RowTable,
    /// Tests and their ends, in order.
    pub outcomes: Vec<Outcome>,
    /// Layout of a parent cursor's handle, as far as it holds.
    pub handle: HandleLayout,
    /// Number of per-session statistics, where found.
    pub statistics: Option<u64>,
    verdicts: BTreeMap<(String, String), Verdict>,
}

impl Accepted {
    /// The offset at which a field may be read, or the reason why it may not.
    pub fn offset(&self, strukt: &str, field: &Field) -> Result<u64, String> {
        if field.accept.is_none() {
            return Ok(field.offset);
        }
        match self.verdicts.get(&(strukt.to_owned(), field.name.clone())) {
            Some(Verdict::Accepted(offset)) => Ok(*offset),
            Some(Verdict::Refused) => Err(format!(
                "{strukt}.{} was refused by live rows at every offset tried",
                field.name
            )),
            Some(Verdict::Untested) => Err(format!(
                "{strukt}.{} could not be tested: no row has a value",
                field.name
            )),
            None => Err(format!("{strukt}.{} was not tested", field.name)),
        }
    }

    fn record(
        &mut self,
        strukt: &str,
        field: &str,
        verdict: Verdict,
        (agreed, tested): (usize, usize),
    ) {
        self.verdicts
            .insert((strukt.to_owned(), field.to_owned()), verdict.clone());
        self.outcomes.push(Outcome {
            strukt: strukt.to_owned(),
            field: field.to_owned(),
            verdict,
            agreed,
            tested,
        });
    }
}

/// Tries a blueprint on memory.
///
/// # Errors
/// [`PlanError::Unfit`] when no session array is found where the blueprint says, since then nothing
/// else means anything; [`PlanError::Incomplete`] when it doesn't even say where.
pub fn accept(blueprint: &Blueprint, space: &dyn AddressSpace) -> Result<Accepted, PlanError> {
    let mut trial = Trial {
        blueprint,
        space,
        accepted: Accepted::default(),
    };
    trial.sessions()?;
    trial.used_flag();
    trial.processes();
    let used = trial.used_rows();
    trial.handles(&used);
    trial.row_fields(&used);
    Ok(trial.accepted)
}

struct Trial<'a> {
    blueprint: &'a Blueprint,
    space: &'a dyn AddressSpace,
    accepted: Accepted,
}

/// A pointer array that passed: base field offset, count field offset, addresses.
struct Found {
    base: u64,
    count: Option<u64>,
    addrs: Vec<TargetAddr>,
    score: (usize, usize),
}

impl Trial<'_> {
    fn sessions(&mut self) -> Result<(), PlanError> {
        let array = arrays::find(self.blueprint, "sessions")?.clone();
        let row = self.strukt(&array.row)?.clone();
        let reach = row.size.max(reach_of(&row));
        if let Some(addrs) = arrays::runs(&array.layout) {
            self.accepted.sessions = RowTable::place(self.space, addrs, reach);
            return Ok(());
        }
        let ordinal = array
            .ordinal
            .as_deref()
            .and_then(|name| row.field(name))
            .map(|f| (f.offset, f.size))
            .ok_or_else(|| self.incomplete("the slot-number field of the sessions array"))?;
        let ArrayLayout::Pointers { base, count } = &array.layout else {
            return Err(self.incomplete("a pointer array for sessions"));
        };
        let holder = self.strukt(&base.strukt)?.clone();
        let base_field = holder
            .field(&base.field)
            .ok_or_else(|| self.incomplete(&format!("{}.{}", base.strukt, base.field)))?;
        let check = |addrs: &[TargetAddr]| {
            arrays::ordinals(self.space, addrs, ordinal.0, ordinal.1, usize::MAX)
        };
        let found = self
            .pointer_candidates(&array, base_field)
            .into_iter()
            .find_map(|offset| self.try_array(&array, offset, holder.field(&count.field), &check));
        let Some(found) = found else {
            return Err(PlanError::Unfit {
                id: self.blueprint.id.clone(),
                what: format!(
                    "the session pointer array at {} (0x{:x})",
                    base.anchor,
                    self.blueprint.anchor(&base.anchor).map_or(0, |a| a.address)
                ),
                expected: "a pointer to row pointers whose row i holds i + 1".into(),
                found: "no such array at any offset tried".into(),
            });
        };
        self.accepted.record(
            &base.strukt,
            &base.field,
            Verdict::Accepted(found.base),
            found.score,
        );
        if let Some(at) = found.count {
            self.accepted.record(
                &count.strukt,
                &count.field,
                Verdict::Accepted(at),
                found.score,
            );
        }
        self.accepted.sessions = RowTable::place(self.space, found.addrs, reach);
        Ok(())
    }

    /// The in-use flag: set in some rows, and nearly only in rows that say what kind of session
    /// they are. (At another offset stands the state object's type, alike in all rows.)
    fn used_flag(&mut self) {
        let row = self.row_struct_name();
        let (Some(flag), Some(kind)) = (
            self.session_field("KSSPAFLG"),
            self.session_field("KSUSEFLG"),
        ) else {
            return;
        };
        if flag.accept.is_none() {
            return;
        }
        let value = |addr: &TargetAddr, offset: u64, size: u64| {
            read_uint(self.space, addr.checked_add(offset)?, size).ok()
        };
        let mut result = (Verdict::Untested, (0, 0));
        for offset in std::iter::once(flag.offset).chain(flag.alternatives.iter().copied()) {
            let set = self
                .accepted
                .sessions
                .addrs
                .iter()
                .filter(|addr| value(addr, offset, 1).is_some_and(|v| v & 1 != 0));
            let mut score = (0, 0);
            for addr in set {
                score.1 += 1;
                let known = value(addr, kind.offset, kind.size).is_some_and(|k| k & 3 != 0);
                score.0 += usize::from(known);
            }
            let fits = score.1 > 0 && score.0 as f64 >= score.1 as f64 * MOST;
            if fits {
                result = (Verdict::Accepted(offset), score);
                break;
            }
            if score.1 > 0 {
                result = (Verdict::Refused, score);
            }
        }
        self.accepted.record(&row, "KSSPAFLG", result.0, result.1);
    }

    fn processes(&mut self) {
        let Some(array) = self.blueprint.array("processes").cloned() else {
            return;
        };
        let Some(row) = self.blueprint.strukt(&array.row).cloned() else {
            return;
        };
        let ArrayLayout::Pointers { base, count } = &array.layout else {
            return;
        };
        let Some(holder) = self.blueprint.strukt(&base.strukt).cloned() else {
            return;
        };
        let Some(base_field) = holder.field(&base.field) else {
            return;
        };
        let reach = row.size.max(reach_of(&row));
        // the owner chain of the sessions in use is the proof: it ends at rows of this array
        let owners = self.session_owners();
        let check = |addrs: &[TargetAddr]| {
            let rows: HashSet<TargetAddr> = addrs.iter().copied().collect();
            let placed = addrs
                .iter()
                .filter(|a| self.space.locate(**a, reach).is_ok())
                .count();
            if rows.len() != addrs.len() || placed < addrs.len() {
                return (0, addrs.len());
            }
            let hit = owners
                .iter()
                .filter(|(direct, grand)| rows.contains(direct) || rows.contains(grand))
                .count();
            (hit, owners.len())
        };
        let found = self
            .pointer_candidates(&array, base_field)
            .into_iter()
            .find_map(|offset| self.try_array(&array, offset, holder.field(&count.field), &check));
        match found {
            Some(found) => {
                self.accepted.record(
                    &base.strukt,
                    &base.field,
                    Verdict::Accepted(found.base),
                    found.score,
                );
                if let Some(at) = found.count {
                    self.accepted.record(
                        &count.strukt,
                        &count.field,
                        Verdict::Accepted(at),
                        found.score,
                    );
                }
                self.accepted.processes = RowTable::place(self.space, found.addrs, reach);
            }
            None => self.accepted.record(
                &base.strukt,
                &base.field,
                Verdict::Refused,
                (0, owners.len()),
            ),
        }
    }

    /// Owner and owner's owner of the sessions that claim to be in use.
    fn session_owners(&self) -> Vec<(TargetAddr, TargetAddr)> {
        let Some(offset) = self.session_field("owner").map(|f| f.offset) else {
            return Vec::new();
        };
        self.used_rows()
            .iter()
            .filter_map(|row| {
                let owner = TargetAddr(self.space.read_u64(row.checked_add(offset)?).ok()?);
                let above = self.space.read_u64(owner.checked_add(offset)?).ok()?;
                Some((owner, TargetAddr(above)))
            })
            .collect()
    }

    /// Offsets to try for a pointer member, most trusted first.
    fn pointer_candidates(&self, array: &Array, field: &Field) -> Vec<u64> {
        let mut offsets = vec![field.offset];
        offsets.extend(&field.alternatives);
        if field.scan
            && let ArrayLayout::Pointers { base, .. } = &array.layout
            && let Some(anchor) = self.blueprint.anchor(&base.anchor)
        {
            offsets.extend((0..anchor.size.min(1 << 16)).step_by(8));
        }
        offsets
    }

    /// Tries the pointer at one offset: with the claimed count, else with any count member that
    /// stands in the 32 bytes behind the pointer.
    fn try_array(
        &self,
        array: &Array,
        offset: u64,
        count: Option<&Field>,
        check: &dyn Fn(&[TargetAddr]) -> (usize, usize),
    ) -> Option<Found> {
        let ArrayLayout::Pointers { base, .. } = &array.layout else {
            return None;
        };
        let at = arrays::member(self.blueprint, &base.anchor, offset)?;
        let table = TargetAddr(self.space.read_u64(at).ok()?);
        let entry = self.space.read_u64(table).ok()?;
        self.space.locate(TargetAddr(entry), 8).ok();
        let claimed: Vec<u64> = count
            .map(|f| {
                std::iter::once(f.offset)
                    .chain(f.alternatives.iter().copied())
                    .collect()
            })
            .unwrap_or_default();
        let near = (8..=32).step_by(4).map(|d| offset + d);
        let mut best: Option<Found> = None;
        for count_at in claimed.into_iter().chain(near) {
            let Some(place) = arrays::member(self.blueprint, &base.anchor, count_at) else {
                continue;
            };
            let Ok(n) = self.space.read_u32(place) else {
                continue;
            };
            if (n as usize) < FEWEST_ROWS || u64::from(n) > arrays::MAX_ROWS {
                continue;
            }
            let Ok(addrs) = arrays::pointer_array(self.space, table, u64::from(n)) else {
                continue;
            };
            let score = check(&addrs);
            let share = score.0 as f64 / score.1.max(1) as f64;
            // of several counts that fit, the largest is the array's length
            if score.1 > 0
                && share >= ARRAY_SHARE
                && best.as_ref().is_none_or(|b| b.addrs.len() < addrs.len())
            {
                best = Some(Found {
                    base: offset,
                    count: Some(count_at),
                    addrs,
                    score,
                });
            }
        }
        best
    }

    /// Rows that claim to be in use, as far as a sample goes.
    fn used_rows(&self) -> Vec<TargetAddr> {
        let flag = self
            .session_field("KSSPAFLG")
            .and_then(|f| Some((self.accepted.offset(&self.row_struct_name(), f).ok()?, 1)));
        let kind = self.session_field("KSUSEFLG").map(|f| (f.offset, f.size));
        let (Some(flag), Some(kind)) = (flag, kind) else {
            return Vec::new();
        };
        let value = |row: &TargetAddr, (offset, size): (u64, u64)| {
            read_uint(self.space, row.checked_add(offset)?, size).ok()
        };
        let table = &self.accepted.sessions;
        table
            .addrs
            .iter()
            .zip(&table.spots)
            .filter(|(_, spot)| spot.is_ok())
            .map(|(addr, _)| *addr)
            .filter(|row| {
                value(row, flag).is_some_and(|f| f & 1 != 0)
                    && value(row, kind).is_some_and(|f| f & 3 != 0)
            })
            .take(SAMPLE_ROWS)
            .collect()
    }

    /// Proves the handle layout and both high words of SQL_ID by the MD5 of texts.
    fn handles(&mut self, used: &[TargetAddr]) {
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
        let texts = verdict(claimed.text, proof);
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
            _ => None,
        };
        self.accepted.handle = HandleLayout {
            id_high: keep("sql_id_high", &self.accepted),
            id_low: keep("sql_id_low", &self.accepted),
            text_len: keep("text_len", &self.accepted),
            text: matches!(texts, Verdict::Accepted(_))
                .then_some(claimed.text)
                .flatten(),
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
            let Some((id, text)) = proven else {
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

    /// Tests every claimed field of the session row that has a test and none yet.
    fn row_fields(&mut self, used: &[TargetAddr]) {
        let Ok(row) = self.blueprint_row().cloned() else {
            return;
        };
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
            if matches!(result.0, Verdict::Accepted(_)) {
                self.trust_target(field);
            }
        }
    }

    /// The members of a structure that an accepted pointer leads to were tested with the pointer.
    fn trust_target(&mut self, pointer: &Field) {
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
                self.accepted.record(
                    &target.name,
                    &field.name,
                    Verdict::Accepted(field.offset),
                    (0, 0),
                );
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
                let now = jiff::Timestamp::now().as_second();
                Some((0..=now + 86_400).contains(&(value as i64)) && value > 946_684_800)
            }
            Accept::TextAndLength => self.text_and_length(pointer, field),
            Accept::PointedText => Some(self.pointed_text(pointer, field.max.unwrap_or(64))),
            Accept::PidText => {
                let mut text = [0u8; 8];
                self.space.read(at, &mut text).ok()?;
                let n = text.iter().position(|b| *b == 0).unwrap_or(8);
                Some(n > 0 && text[..n].iter().all(u8::is_ascii_digit))
            }
            // these are proven elsewhere (arrays, handles) or need no value test of their own
            Accept::SlotOrdinal
            | Accept::ArrayCount
            | Accept::SqlId
            | Accept::SqlText
            | Accept::EventNumber
            | Accept::UsedFlag
            | Accept::NameTable
            | Accept::SessionRow
            | Accept::CounterCount => None,
        }
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

    fn strukt(&self, name: &str) -> Result<&Struct, PlanError> {
        self.blueprint
            .strukt(name)
            .ok_or_else(|| self.incomplete(&format!("the structure {name}")))
    }

    fn blueprint_row(&self) -> Result<&Struct, PlanError> {
        let array = arrays::find(self.blueprint, "sessions")?;
        self.strukt(&array.row)
    }

    fn row_struct_name(&self) -> String {
        self.blueprint_row()
            .map_or_else(|_| String::new(), |s| s.name.clone())
    }

    fn session_field(&self, name: &str) -> Option<&Field> {
        self.blueprint_row().ok()?.field(name)
    }

    fn incomplete(&self, what: &str) -> PlanError {
        PlanError::Incomplete {
            id: self.blueprint.id.clone(),
            what: what.to_owned(),
        }
    }
}

/// Bytes up to the end of the last field.
fn reach_of(strukt: &Struct) -> u64 {
    strukt
        .fields
        .iter()
        .map(|f| f.offset.saturating_add(f.size))
        .max()
        .unwrap_or(8)
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
