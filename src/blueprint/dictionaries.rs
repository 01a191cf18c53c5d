//! Names behind numbers: events, wait classes, statistics, SQL commands.
//!
//! Part of the document that [`super::model`] describes; it looks nothing up. Callers: `model`, and
//! everyone through it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names behind numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dictionaries {
    /// Wait events in EVENT# order. Empty: read from the instance's own table at attach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventName>,
    /// Wait classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wait_classes: Vec<WaitClass>,
    /// Statistics in STATISTIC# order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<StatisticName>,
    /// Statistics that V$SESSTAT adds up, by name: each with the ones that are direct parts of it.
    /// Whether memory holds parts or sums is the rule `statistic_rollup`. Since schema 1.1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statistic_parts: BTreeMap<String, Vec<String>>,
    /// Statistics that memory holds in a smaller unit than V$SESSTAT shows, by name: the divisor.
    /// Whether a release does is the rule `statistic_times`. Since schema 1.1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statistic_divisors: BTreeMap<String, u64>,
    /// Statistics of which the largest counts when sessions are added up, not the sum. Since
    /// schema 1.1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistic_maxima: Vec<String>,
    /// SQL command names by code (V$SQLCOMMAND).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<u32, String>,
}

/// A wait event (V$EVENT_NAME).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventName {
    /// NAME.
    pub name: String,
    /// PARAMETER1-3.
    #[serde(default, skip_serializing_if = "no_parameters")]
    pub parameters: [String; 3],
    /// WAIT_CLASS#.
    pub wait_class_no: u32,
}

fn no_parameters(p: &[String; 3]) -> bool {
    p.iter().all(String::is_empty)
}

/// A wait class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitClass {
    /// WAIT_CLASS#.
    pub no: u32,
    /// WAIT_CLASS_ID.
    pub id: u32,
    /// WAIT_CLASS.
    pub name: String,
}

/// A statistic (V$STATNAME).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticName {
    /// NAME.
    pub name: String,
    /// CLASS, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<u32>,
}
