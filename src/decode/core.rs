//! What all columns share: the fields by which a row is judged, and the columns with rules of their
//! own (status, waits, events).
//!
//! Callers: `decoder`.

use std::collections::HashSet;

use super::columns::{Blocker, Special};
use super::context::Context;
use super::decoder::Row;
use super::needs::{CORE_NEEDS, PREVIOUS_SQL_NEEDS};
use super::text::Charset;
use super::value::Value;
use crate::blueprint::Blueprint;
use crate::plan::{BoundPlan, Event, EventTable, FieldRef, Need, row, times};
use crate::walk::Quality;

/// What all columns share.
pub struct Core {
    pub(super) charset: Charset,
    /// Zone of the dates in memory.
    pub(super) zone: jiff::tz::TimeZone,
    pub(super) events: std::sync::Arc<EventTable>,
    pub(super) commands: std::collections::BTreeMap<u32, String>,
    pub(super) status_mask: u64,
    /// Bits of a packed blocker that hold the SID.
    pub(super) blocker_bits: Option<u32>,
    /// The value of KSUSEFT that is AUTO, in releases that have it.
    pub(super) failover_auto: Option<u64>,
    /// Whether waits are X$KSLWT's; else they are the row's own fields.
    pub(super) kslwt: bool,
    /// What the caller knows of rows beyond their words.
    pub(super) context: Context,
    pub(super) fields: CoreFields,
    /// Whether each event is idle, by EVENT#.
    idle: Box<[bool]>,
    /// SQL_IDs that a handle or a text has proven; see [`Core::confirm`].
    confirmed: HashSet<u64>,
    /// Some of them, at places that follow from their bits: most rows show one of these. 0: none.
    recent: Box<[u64; RECENT]>,
    /// Whether the row's own words for the current, the previous SQL_ID passed their test at attach.
    pub(super) trusted: (bool, bool),
}

pub(super) struct CoreFields {
    pub(super) kind: Option<FieldRef>,
    pub(super) idle: Option<FieldRef>,
    pub(super) event: Option<FieldRef>,
    pub(super) wait: Option<FieldRef>,
    pub(super) seq: Option<FieldRef>,
    pub(super) model: Option<FieldRef>,
    pub(super) ordinal: Option<FieldRef>,
    pub(super) sql_address: Option<FieldRef>,
    pub(super) sql_hash: Option<FieldRef>,
    pub(super) sql_high: Option<FieldRef>,
    /// Address, hash value, high word of the previous statement.
    pub(super) previous_sql: [Option<FieldRef>; 3],
    pub(super) handle_high: Option<FieldRef>,
    pub(super) handle_low: Option<FieldRef>,
    pub(super) wait_stamp: Option<FieldRef>,
    pub(super) flag2: Option<FieldRef>,
    pub(super) command: Option<FieldRef>,
    pub(super) failover: Option<FieldRef>,
    pub(super) logon: Option<FieldRef>,
    pub(super) serial: Option<FieldRef>,
    pub(super) in_wait: Option<FieldRef>,
    pub(super) wait_flags: Option<FieldRef>,
    pub(super) wait_micros: Option<FieldRef>,
    pub(super) since_micros: Option<FieldRef>,
    pub(super) remaining: Option<FieldRef>,
}

impl CoreFields {
    fn new(bound: &BoundPlan) -> CoreFields {
        let place = |need: Need| bound.plan.field(need);
        let core_need = |i: usize| place(CORE_NEEDS[i]);
        CoreFields {
            kind: place(row("KSUSEFLG")),
            ordinal: core_need(0),
            idle: core_need(1),
            event: core_need(2),
            wait: core_need(3),
            seq: place(row("KSUSESEQ")),
            model: core_need(4),
            sql_address: core_need(5),
            sql_hash: core_need(6),
            sql_high: core_need(7),
            previous_sql: PREVIOUS_SQL_NEEDS.map(place),
            handle_high: core_need(8),
            handle_low: core_need(9),
            in_wait: core_need(10),
            wait_flags: core_need(11),
            wait_micros: core_need(12),
            since_micros: core_need(13),
            remaining: core_need(14),
            wait_stamp: place(row("wait_stamp")),
            flag2: place(row("KSUSEFLG2")),
            command: place(row("KSUUDOCT")),
            failover: place(row("KSUSEFT")),
            logon: place(row("KSUSELTM")),
            serial: place(row("KSUSESER")),
        }
    }
}

/// Why one look shows no durations.
const ONE_LOOK: &str = "one look shows no durations; a recording does";

impl Core {
    pub(super) fn new(blueprint: &Blueprint, bound: &BoundPlan, context: Context) -> Core {
        let rows = blueprint
            .array("sessions")
            .and_then(|a| blueprint.strukt(&a.row));
        let trusted = |name: &str| {
            rows.and_then(|s| Some(bound.accepted.is_proven(&s.name, s.field(name)?)))
                .unwrap_or(false)
        };
        let fields = CoreFields::new(bound);
        let bits = blueprint.rule_u64("blocker_bits");
        Core {
            idle: bound.events.idle_mask(),
            confirmed: HashSet::new(),
            recent: Box::new([0; RECENT]),
            trusted: (trusted("sql_id_high"), trusted("prev_sql_id_high")),
            charset: Charset::named(blueprint.charset.as_deref()),
            zone: bound.accepted.moment.zone.clone(),
            events: bound.events.clone(),
            commands: blueprint.dictionaries.commands.clone(),
            status_mask: blueprint.rule_u64("status_mask").unwrap_or(0),
            blocker_bits: bits.filter(|b| (1..31).contains(b)).map(|b| b as u32),
            failover_auto: blueprint.rule_u64("failover_auto"),
            kslwt: blueprint.rule_str("wait_rule") == Some("kslwt")
                && fields.in_wait.is_some()
                && fields.wait_flags.is_some()
                && fields.wait_micros.is_some()
                && fields.since_micros.is_some(),
            context,
            fields,
        }
    }

    #[inline]
    pub(super) fn get(field: Option<FieldRef>, words: &[u64]) -> u64 {
        field.map_or(0, |f| f.uint(words))
    }

    /// Waiting now, by the gate's own rule: KSUSETIM = 0 and SEQ# ≠ 0.
    pub(super) fn waiting(&self, words: &[u64]) -> bool {
        self.fields.wait.is_some_and(|f| f.int(words) == 0)
            && self.fields.seq.is_none_or(|f| f.uint(words) != 0)
    }

    pub(super) fn kind(&self, words: &[u64]) -> u64 {
        Self::get(self.fields.kind, words)
    }

    pub(super) fn event(&self, words: &[u64]) -> Option<&Event> {
        self.events.get(Self::get(self.fields.event, words))
    }

    /// What can't be true of a row.
    pub(super) fn judge(&self, words: &[u64], slot: u32, waiting: bool) -> Quality {
        let f = &self.fields;
        let mut quality = Quality::CLEAN;
        let wrong_slot = f
            .ordinal
            .is_some_and(|o| o.uint(words) != u64::from(slot) + 1);
        let wrong_event =
            !self.events.events.is_empty() && f.event.is_some() && self.event(words).is_none();
        let wrong_wait = f.wait.is_some_and(|w| w.int(words) < -2);
        if wrong_slot || wrong_event || wrong_wait {
            quality = quality.with(Quality::IMPLAUSIBLE);
        }
        let background = self.kind(words) & 16 != 0;
        if background && !waiting && Self::get(f.idle, words) & 1 == 0 {
            quality = quality.with(Quality::CPU_UNSURE);
        }
        quality
    }

    /// In a call and not waiting, or waiting for an event that isn't idle. Background processes
    /// have no call bit between actions: not waiting counts (and is flagged `cpu_unsure`).
    pub(super) fn is_active(&self, r: &Row<'_>) -> bool {
        if r.waiting {
            let event = Self::get(self.fields.event, r.words) as usize;
            !self.idle.get(event).copied().unwrap_or(false)
        } else {
            Self::get(self.fields.idle, r.words) & 1 != 0 || self.kind(r.words) & 16 != 0
        }
    }

    /// Whether it executes PL/SQL, by its time-model bits.
    pub(super) fn in_plsql(&self, words: &[u64]) -> bool {
        Self::get(self.fields.model, words) & (1 << 11) != 0
    }
}

/// SQL_IDs remembered as proven; a recording goes on for months.
const MAX_CONFIRMED: usize = 1 << 18;
/// Of these, so many are found without looking them up.
const RECENT: usize = 1 << 10;

impl Core {
    /// Remembers a proven SQL_ID. When there are too many all are forgotten: those that are still
    /// shown are proven again by their handles.
    pub(super) fn confirm(&mut self, sql_id: u64) {
        // 64-bit Fibonacci hashing
        let place = (sql_id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize % RECENT;
        if self.recent[place] == sql_id {
            return;
        }
        if self.confirmed.len() >= MAX_CONFIRMED {
            self.confirmed.clear();
            self.recent.fill(0);
        }
        self.confirmed.insert(sql_id);
        self.recent[place] = sql_id;
    }

    pub(super) fn is_confirmed(&self, sql_id: u64) -> bool {
        self.confirmed.contains(&sql_id)
    }

    /// What a special column lacks on this instance.
    pub(super) fn missing(&self, special: Special, bound: &BoundPlan) -> Result<(), String> {
        let need = |n: Need| {
            bound
                .plan
                .field(n)
                .map(|_| ())
                .ok_or_else(|| bound.plan.why_absent(n).to_owned())
        };
        match special {
            Special::Status if self.status_mask == 0 => {
                Err("the blueprint has no rule status_mask".into())
            }
            Special::Status | Special::Sniped => need(row("KSUSEIDL")),
            Special::SecondsInWait if self.kslwt => Ok(()),
            Special::SecondsInWait => need(row("wait_stamp")),
            Special::TimeRemaining => need(row("KSLWTTREM"))
                .and_then(|()| need(row("KSLWTINWAIT")))
                .and_then(|()| need(row("KSLWTFLAGS"))),
            Special::FailoverType => need(row("KSUSEFT")),
            Special::Age => need(row("KSUSELTM")),
            Special::OwnersServer => self.context.missing_server(),
            Special::OsPid => self.context.missing_pid(),
            Special::Serves(_) if self.context.serves.is_none() => {
                Err("it takes a look at all sessions".into())
            }
            Special::WaitObserved if self.context.watched.is_none() => Err(ONE_LOOK.into()),
            Special::WaitObserved => need(row("KSUSESER")),
            Special::TracePlanStats => need(row("KSUSEFLG2")),
            Special::Event
            | Special::EventNow
            | Special::PText(_)
            | Special::WaitClass
            | Special::WaitClassId
            | Special::WaitClassNo
            | Special::WaitClassNow
            | Special::WaitClassIdNow => match &self.events.problem {
                Some(problem) => Err(problem.clone()),
                None => need(row("KSUSEOPC")),
            },
            Special::CommandName if self.commands.is_empty() => {
                Err("the blueprint has no dictionary of commands".into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn special<'a>(&'a self, special: Special, r: &Row<'a>) -> Value<'a> {
        let words = r.words;
        match special {
            Special::Status => self.status(words),
            Special::Type | Special::SessionKind => self.session_kind(words, special),
            Special::SessionType => Value::Text(
                if self.kind(words) & 16 != 0 {
                    "BACKGROUND"
                } else {
                    "FOREGROUND"
                }
                .into(),
            ),
            Special::InVSession => Value::Bool(self.kind(words) & 1 != 0),
            Special::Sniped => Value::Bool(Self::get(self.fields.idle, words) & 2 != 0),
            Special::IsActive => Value::Bool(self.is_active(r)),
            Special::SessionState => {
                Value::Text(if r.waiting { "WAITING" } else { "ON CPU" }.into())
            }
            Special::State | Special::WaitTime if self.kslwt => self.kslwt_state(words, special),
            Special::State | Special::WaitTime => self.wait_state(words, special),
            Special::SecondsInWait if self.kslwt => Value::Uint(self.kslwt_seconds(words)),
            Special::SecondsInWait => {
                let now = r.wall_ns.div_euclid(1_000_000_000);
                match Self::get(self.fields.wait_stamp, words) as i64 {
                    0 => Value::Null,
                    stamp => Value::Uint((now - stamp).max(0) as u64),
                }
            }
            Special::TimeRemaining => self.time_remaining(words),
            Special::FailoverType => self.failover_type(words),
            Special::OwnersServer => match r.server {
                Some(word) => Value::Text(word.into()),
                None => Value::Absent,
            },
            Special::OsPid => r.os_pid.map_or(Value::Null, |pid| Value::Uint(pid.into())),
            Special::Serves(serial) => match r.serves {
                Some(session) if serial => Value::Uint(session.1.into()),
                Some(session) => Value::Uint(session.0.into()),
                None => Value::Null,
            },
            Special::WaitObserved => r.observed_us.map_or(Value::Null, Value::Uint),
            Special::Age => match self.logon(words) {
                Some(logon) => {
                    let now = r.wall_ns.div_euclid(1_000_000_000);
                    Value::Uint((now - logon).max(0) as u64)
                }
                None => Value::Null,
            },
            Special::CommandName => {
                let code = Self::get(self.fields.command, words) as u32;
                match self.commands.get(&code) {
                    Some(name) if code != 0 => Value::Text(name.as_str().into()),
                    _ => Value::Null,
                }
            }
            Special::TracePlanStats => {
                let bits = Self::get(self.fields.flag2, words) & 0x3_0000;
                match bits {
                    0x1_0000 => Value::Text("ALL EXEC".into()),
                    0x2_0000 => Value::Text("NEVER".into()),
                    0 => Value::Text("FIRST EXEC".into()),
                    _ => Value::Null,
                }
            }
            Special::ReadFlags => match r.quality.names() {
                names if names.is_empty() => Value::Null,
                names => Value::Text(names.into()),
            },
            _ => self.event_part(special, r),
        }
    }

    /// STATUS by the release's mask (11 before 18c, 9 after; GV$SESSION texts).
    fn status<'a>(&self, words: &[u64]) -> Value<'a> {
        let cached = self.kind(words) & 4096 != 0;
        let word = match Self::get(self.fields.idle, words) & self.status_mask {
            1 => "ACTIVE",
            0 if cached => "CACHED",
            0 => "INACTIVE",
            2 | 3 => "SNIPED",
            _ => "KILLED",
        };
        Value::Text(word.into())
    }

    fn session_kind<'a>(&self, words: &[u64], special: Special) -> Value<'a> {
        let word = match self.kind(words) & 19 {
            17 => "BACKGROUND",
            1 => "USER",
            2 => "RECURSIVE",
            _ if special == Special::Type => "?",
            kind if kind & 1 != 0 => "USER",
            _ => "RECURSIVE",
        };
        Value::Text(word.into())
    }

    /// STATE and WAIT_TIME by the 10.2 text over KSUSETIM, which later rows still keep.
    fn wait_state<'a>(&self, words: &[u64], special: Special) -> Value<'a> {
        let micros = self.fields.wait.map_or(-2, |f| f.int(words));
        // Oracle's ROUND is half up
        let centis = (micros + 5_000).div_euclid(10_000);
        let (state, time) = match micros {
            0 => ("WAITING", 0),
            -1 => ("WAITED SHORT TIME", -1),
            m if m < 0 => ("WAITED UNKNOWN TIME", -2),
            _ if centis == 0 => ("WAITED SHORT TIME", -1),
            _ => ("WAITED KNOWN TIME", centis),
        };
        match special {
            Special::State => Value::Text(state.into()),
            _ => Value::Int(time),
        }
    }

    /// Seconds since the epoch of the row's logon.
    pub(super) fn logon(&self, words: &[u64]) -> Option<i64> {
        let mut bytes = [0u8; 7];
        let n = self.fields.logon?.bytes(words, &mut bytes);
        times::date7(&bytes[..n], &self.zone)
    }

    /// FAILOVER_TYPE (GV$SESSION texts); AUTO exists in releases whose blueprint has the rule.
    fn failover_type<'a>(&self, words: &[u64]) -> Value<'a> {
        let word = match Self::get(self.fields.failover, words) {
            2 => "SESSION",
            4 => "SELECT",
            8 => "TRANSACTIONAL",
            code if self.failover_auto == Some(code) => "AUTO",
            _ => "NONE",
        };
        Value::Text(word.into())
    }

    /// A part of KSUSEBLOCKER or KSUSEFBLOCKER: five codes, else instance and SID packed with the
    /// release's number of bits for the SID (16 before 18c, 18 after; GV$SESSION texts).
    pub(super) fn blocker<'a>(packed: u64, bits: u32, part: Blocker) -> Value<'a> {
        let code = match packed {
            0xFFFF_FFFD..=0xFFFF_FFFF => Some("UNKNOWN"),
            0xFFFF_FFFC => Some("NO HOLDER"),
            0xFFFF_FFFB => Some("NOT IN WAIT"),
            _ => None,
        };
        match (part, code) {
            (Blocker::Status, code) => Value::Text(code.unwrap_or("VALID").into()),
            (_, Some(_)) => Value::Null,
            (Blocker::Instance, None) => Value::Uint((packed & 0x7FFF_FFFF) >> bits),
            (Blocker::Session, None) => Value::Uint(packed & ((1 << bits) - 1)),
        }
    }

    fn event_part<'a>(&'a self, special: Special, r: &Row<'a>) -> Value<'a> {
        let now = matches!(
            special,
            Special::EventNow | Special::WaitClassNow | Special::WaitClassIdNow
        );
        if now && !r.waiting {
            return Value::Null;
        }
        let Some(event) = self.event(r.words) else {
            return Value::Absent;
        };
        let text = |t: &'a str| match t {
            "" => Value::Null,
            t => Value::Text(t.into()),
        };
        if let Special::PText(i) = special {
            return text(&event.parameters[usize::from(i)]);
        }
        if matches!(special, Special::Event | Special::EventNow) {
            return text(&event.name);
        }
        let Some(class) = self.events.class_of(event) else {
            return Value::Absent;
        };
        match special {
            Special::WaitClassNo => Value::Uint(u64::from(class.no)),
            Special::WaitClassId | Special::WaitClassIdNow => Value::Uint(u64::from(class.id)),
            _ => text(&class.name),
        }
    }
}
