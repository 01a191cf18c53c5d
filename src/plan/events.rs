//! Wait events: EVENT# to name, parameter texts and wait class.
//!
//! The table (X$KSLED) is in the SGA, at the address in the fixed variable `ksledt_`; the name
//! strings are in the `oracle` executable's .rodata (Luca Canali, SystemTap scripts for 12.1.0.2;
//! Christoph Lutz, POUG2024 for 19.23 and 23.5). Numbering differs from release to release, so the
//! table is read from the instance itself; a blueprint's own dictionary serves images.

use crate::blueprint::model::{Blueprint, EventName, WaitClass};
use crate::memory::{AddressSpace, TargetAddr};

use super::arrays::read_uint;

/// Text at an address of the instance's executable (or of its memory): `(address, longest)`.
pub type TextAt<'a> = &'a dyn Fn(TargetAddr, usize) -> Option<String>;

/// Events beyond this number are damage (23.5 has 2,289).
const MAX_EVENTS: u64 = 16_384;
const MAX_NAME: usize = 128;

/// One wait event.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// NAME.
    pub name: String,
    /// P1TEXT, P2TEXT, P3TEXT.
    pub parameters: [String; 3],
    /// Index into [`EventTable::classes`], if the class is known.
    pub class: Option<usize>,
}

/// All events of an instance, and its wait classes.
#[derive(Clone, Debug, Default)]
pub struct EventTable {
    /// Events by EVENT#; empty when neither memory nor blueprint gives them.
    pub events: Vec<Event>,
    /// Wait classes.
    pub classes: Vec<WaitClass>,
    /// Why the table is empty or incomplete, for people.
    pub problem: Option<String>,
}

impl EventTable {
    /// The event of this number.
    pub fn get(&self, number: u64) -> Option<&Event> {
        self.events.get(usize::try_from(number).ok()?)
    }

    /// The wait class of an event.
    pub fn class_of(&self, event: &Event) -> Option<&WaitClass> {
        self.classes.get(event.class?)
    }

    /// Whether each event is of the class Idle, by EVENT#.
    pub fn idle_mask(&self) -> Box<[bool]> {
        self.events
            .iter()
            .map(|e| self.class_of(e).is_some_and(|c| c.name == "Idle"))
            .collect()
    }

    /// From the instance's own table, else from the blueprint's dictionary.
    pub fn load(blueprint: &Blueprint, space: &dyn AddressSpace, text: TextAt<'_>) -> EventTable {
        let classes = blueprint.dictionaries.wait_classes.clone();
        match live(blueprint, space, text, &classes) {
            Ok(events) => EventTable {
                events,
                classes,
                problem: None,
            },
            Err(_) if !blueprint.dictionaries.events.is_empty() => EventTable {
                events: blueprint
                    .dictionaries
                    .events
                    .iter()
                    .map(|e| Event {
                        name: e.name.clone(),
                        parameters: e.parameters.clone(),
                        class: classes.iter().position(|c| c.no == e.wait_class_no),
                    })
                    .collect(),
                classes,
                problem: None,
            },
            Err(problem) => EventTable {
                events: Vec::new(),
                classes,
                problem: Some(problem),
            },
        }
    }

    /// The table as a blueprint's dictionary holds it.
    pub fn to_dictionary(&self) -> Vec<EventName> {
        self.events
            .iter()
            .map(|e| EventName {
                name: e.name.clone(),
                parameters: e.parameters.clone(),
                wait_class_no: self.class_of(e).map_or(0, |c| c.no),
            })
            .collect()
    }
}

fn live(
    blueprint: &Blueprint,
    space: &dyn AddressSpace,
    text: TextAt<'_>,
    classes: &[WaitClass],
) -> Result<Vec<Event>, String> {
    use crate::blueprint::model::ArrayLayout;
    let array = blueprint
        .array("events")
        .ok_or("the blueprint has no array \"events\"")?;
    let row = blueprint
        .strukt(&array.row)
        .ok_or_else(|| format!("the blueprint has no structure {}", array.row))?;
    let ArrayLayout::Flat {
        base,
        stride,
        count,
    } = &array.layout
    else {
        return Err("the event table is not a flat array".into());
    };
    let pointer = blueprint
        .strukt(&base.strukt)
        .and_then(|s| s.field(&base.field))
        .map_or(0, |f| f.offset);
    let start = super::arrays::member(blueprint, &base.anchor, pointer)
        .ok_or_else(|| format!("the blueprint has no anchor {}", base.anchor))?;
    let table = TargetAddr(space.read_u64(start).map_err(|f| f.to_string())?);
    let offset = |name: &str| row.field(name).map(|f| (f.offset, f.size));
    let name_at = offset("KSLEDNAM")
        .ok_or("X$KSLED.KSLEDNAM is not in the blueprint")?
        .0;
    let mut events = Vec::new();
    for i in 0..count.unwrap_or(MAX_EVENTS).min(MAX_EVENTS) {
        let Some(at) = i.checked_mul(*stride).and_then(|o| table.checked_add(o)) else {
            break;
        };
        let field = |place: Option<(u64, u64)>| {
            let (offset, size) = place?;
            read_uint(space, at.checked_add(offset)?, size).ok()
        };
        let pointed = |name: &str| {
            field(offset(name))
                .and_then(|p| text(TargetAddr(p), MAX_NAME))
                .unwrap_or_default()
        };
        let Some(name) = field(Some((name_at, 8))).and_then(|p| text(TargetAddr(p), MAX_NAME))
        else {
            break;
        };
        if name.is_empty() || name.chars().any(char::is_control) {
            break;
        }
        let class = field(offset("KSLEDCLASS#"));
        events.push(Event {
            name,
            parameters: [pointed("KSLEDP1"), pointed("KSLEDP2"), pointed("KSLEDP3")],
            class: class.and_then(|no| classes.iter().position(|c| u64::from(c.no) == no)),
        });
    }
    if events.len() < 2 {
        return Err(format!(
            "no event names at 0x{table}: the executable's text can't be read, or {} holds something else",
            base.anchor
        ));
    }
    Ok(events)
}
