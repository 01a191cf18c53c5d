//! What must be true of the rows in use: a blueprint whose rows say otherwise describes other memory.
//!
//! An array whose rows hold their ordinals can still have all other fields elsewhere. The invariants
//! are the blueprint's data; here they are judged on a sample of rows. Rows move while they are read,
//! so a row counts against an invariant only when it violates it twice, and a small part may.
//!
//! Not for: finding places (that is the rest of `accept`). Callers: `sample`.

use super::{Accepted, SAMPLE_ROWS, read_uint};
use crate::blueprint::model::{Blueprint, Field, Invariant, Kind, Struct};
use crate::memory::{AddressSpace, TargetAddr};
use crate::plan::{PlanError, arrays};

/// Rows with something to judge below which an invariant says nothing: an idle or tiny instance.
const FEWEST: usize = 4;
/// One row in so many may violate an invariant.
const TOLERATED: usize = 10;
/// Bytes of a text that are judged.
const MAX_TEXT: usize = 256;
/// Character sets of Oracle that are UTF-8 (Globalization Support Guide, appendix A).
const UTF8: [&str; 2] = ["AL32UTF8", "UTF8"];

/// Judges all invariants of the session rows; `events` is the number of wait events, 0 when it isn't
/// known.
///
/// # Errors
/// [`PlanError::Unfit`] for the first one that too many rows violate, with an example.
pub fn verify(
    blueprint: &Blueprint,
    space: &dyn AddressSpace,
    accepted: &Accepted,
    events: usize,
) -> Result<(), PlanError> {
    let array = arrays::find(blueprint, "sessions")?;
    let Some(row) = blueprint.strukt(&array.row) else {
        return Ok(());
    };
    let judge = Judge {
        space,
        accepted,
        row,
        events: events as u64,
        utf8: blueprint
            .charset
            .as_deref()
            .is_some_and(|set| UTF8.contains(&set)),
    };
    let rows = judge.rows();
    for invariant in &row.invariants {
        if let Some((tally, violation)) = judge.violated(invariant, &rows) {
            return Err(PlanError::Unfit {
                id: blueprint.id.clone(),
                what: format!(
                    "the invariant {} of {}.{}, which {} of {} rows in use violate, as the one at \
                     {:#x}",
                    invariant.kind.word(),
                    row.name,
                    invariant.field,
                    tally.violated,
                    tally.judged,
                    violation.at.0
                ),
                expected: expected(invariant),
                found: violation.found,
            });
        }
    }
    Ok(())
}

fn expected(invariant: &Invariant) -> String {
    let mask = invariant.mask.unwrap_or(0);
    match invariant.kind {
        Kind::AnyBit => format!("a bit of {mask:#x}"),
        Kind::MostlyClear => format!("no bit of {mask:#x} in most rows"),
        Kind::SlotNumber => "the number of the slot".into(),
        Kind::EventNumber => "a number below that of events".into(),
        Kind::NeedsOther => format!(
            "0, or a {} that isn't 0",
            invariant.other.as_deref().unwrap_or("other field")
        ),
        Kind::Date => "a date of 7 bytes from 1980 to tomorrow".into(),
        Kind::Process => "the address of a process, or of what a process owns".into(),
        Kind::Text => "printable text".into(),
    }
}

/// Where a value stands that violates an invariant, and the value.
struct Violation {
    at: TargetAddr,
    found: String,
}

#[derive(Default)]
struct Tally {
    judged: usize,
    violated: usize,
}

struct Judge<'a> {
    space: &'a dyn AddressSpace,
    accepted: &'a Accepted,
    row: &'a Struct,
    events: u64,
    utf8: bool,
}

impl Judge<'_> {
    /// Slot and address of rows that say they are in use; KSUSEFLG has no say, it is judged itself.
    fn rows(&self) -> Vec<(usize, TargetAddr)> {
        let table = &self.accepted.sessions;
        let placed = table.addrs.iter().zip(&table.spots).enumerate();
        placed
            .filter(|(_, (row, spot))| spot.is_ok() && self.in_use(**row))
            .map(|(slot, (row, _))| (slot, *row))
            .take(SAMPLE_ROWS)
            .collect()
    }

    /// Whether a state object's flag byte says so; all kinds begin with the same header.
    fn in_use(&self, object: TargetAddr) -> bool {
        let flag = self.row.field("KSSPAFLG").map(|f| self.offset(f));
        let at = flag.and_then(|flag| object.checked_add(flag));
        at.and_then(|at| read_uint(self.space, at, 1).ok())
            .is_some_and(|byte| byte & 1 != 0)
    }

    /// Where live rows accepted the field, else where the blueprint claims it.
    fn offset(&self, field: &Field) -> u64 {
        let accepted = self.accepted.offset(&self.row.name, field);
        accepted.unwrap_or(field.offset)
    }

    /// The tally and the first example, if more rows violate the invariant than may.
    fn violated(
        &self,
        invariant: &Invariant,
        rows: &[(usize, TargetAddr)],
    ) -> Option<(Tally, Violation)> {
        let field = self.row.field(&invariant.field)?;
        let offset = self.offset(field);
        let mut tally = Tally::default();
        let mut example = None;
        for (slot, row) in rows {
            let Some(at) = row.checked_add(offset) else {
                continue;
            };
            let look = || self.judge(invariant, field, (*slot, *row), at);
            let Some(first) = look() else { continue };
            tally.judged += 1;
            // A row that is just being changed is right the second time.
            if let (Err(_), Some(Err(found))) = (first, look()) {
                tally.violated += 1;
                example.get_or_insert(Violation { at, found });
            }
        }
        let most = match invariant.kind {
            Kind::MostlyClear => tally.judged / 2,
            _ => (tally.judged / TOLERATED).max(1),
        };
        let refused = tally.judged >= FEWEST && tally.violated > most;
        example.filter(|_| refused).map(|example| (tally, example))
    }

    /// Whether the value at `at` is right, or what it is instead; `None`: it says nothing.
    fn judge(
        &self,
        invariant: &Invariant,
        field: &Field,
        (slot, row): (usize, TargetAddr),
        at: TargetAddr,
    ) -> Option<Result<(), String>> {
        match invariant.kind {
            Kind::Date => return self.date(at),
            Kind::Text => return self.text(at, field),
            _ => {}
        }
        let Ok(value) = read_uint(self.space, at, field.size) else {
            return Some(Err("bytes that can't be read".into()));
        };
        let mask = invariant.mask.unwrap_or(0);
        let right = match invariant.kind {
            Kind::AnyBit => value & mask != 0,
            Kind::MostlyClear => value & mask == 0,
            Kind::SlotNumber => value == slot as u64 + 1,
            Kind::EventNumber if self.events == 0 => return None,
            Kind::EventNumber => value < self.events,
            Kind::NeedsOther if value == 0 => return None,
            Kind::NeedsOther => {
                let other = self.row.field(invariant.other.as_deref()?)?;
                let at = row.checked_add(self.offset(other))?;
                read_uint(self.space, at, other.size).is_ok_and(|other| other != 0)
            }
            Kind::Process if value == 0 => return None,
            Kind::Process => self.is_process(TargetAddr(value), self.offset(field)),
            Kind::Date | Kind::Text => return None,
        };
        Some(if right {
            Ok(())
        } else {
            Err(format!("{value:#x}"))
        })
    }

    /// An owner is a row of the processes, or has one as its owner; where their array isn't known, a
    /// process is a state object in use that has no owner.
    fn is_process(&self, owner: TargetAddr, offset: u64) -> bool {
        let above = |object: TargetAddr| self.space.read_u64(object.checked_add(offset)?).ok();

        let processes = &self.accepted.processes.addrs;
        let Some(next) = above(owner) else {
            return false;
        };
        if processes.is_empty() {
            return self.in_use(owner) && (next == 0 || above(TargetAddr(next)) == Some(0));
        }
        processes.contains(&owner) || processes.contains(&TargetAddr(next))
    }

    /// Century and year + 100, month, day, hour, minute and second + 1.
    fn date(&self, at: TargetAddr) -> Option<Result<(), String>> {
        let mut bytes = [0u8; 7];
        if self.space.read(at, &mut bytes).is_err() {
            return Some(Err("bytes that can't be read".into()));
        }
        if bytes == [0; 7] {
            return None;
        }
        let [century, year, month, day, hour, minute, second] = bytes.map(i32::from);
        let year = (century - 100) * 100 + year - 100;
        let whole = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (1..=24).contains(&hour)
            && (1..=60).contains(&minute)
            && (1..=60).contains(&second);
        // Dates are those of the server's zone, at most a day ahead of UTC.
        let now = jiff::Timestamp::from_second(self.accepted.moment.now_s).unwrap_or_default();
        let tomorrow = now.saturating_add(jiff::SignedDuration::from_hours(48));
        let last = tomorrow
            .unwrap_or(now)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let last = (
            i32::from(last.year()),
            i32::from(last.month()),
            i32::from(last.day()),
        );
        let right = whole && year >= 1980 && (year, month, day) <= last;
        Some(if right {
            Ok(())
        } else {
            Err(format!("{bytes:02x?}"))
        })
    }

    fn text(&self, at: TargetAddr, field: &Field) -> Option<Result<(), String>> {
        let mut bytes = [0u8; MAX_TEXT];
        let size = (field.size as usize).min(MAX_TEXT);
        if self.space.read(at, &mut bytes[..size]).is_err() {
            return Some(Err("bytes that can't be read".into()));
        }
        let end = bytes[..size].iter().position(|b| *b == 0).unwrap_or(size);
        let text = &bytes[..end];
        if text.is_empty() {
            return None;
        }
        let plain = text.iter().all(|b| *b >= 0x20 && *b != 0x7f);
        // A character may be cut off at the field's end.
        let decodes = !self.utf8
            || std::str::from_utf8(text).map_or_else(|e| e.error_len().is_none(), |_| true);
        Some(if plain && decodes {
            Ok(())
        } else {
            Err(format!("{:02x?}", &text[..text.len().min(16)]))
        })
    }
}
