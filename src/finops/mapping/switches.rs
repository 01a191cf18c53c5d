//! Manual switches, given as events: no sample shows that one was called.
//!
//! SWITCH_CONSUMER_GROUP_FOR_SESS and _FOR_USER of DBMS_RESOURCE_MANAGER, and
//! SWITCH_CURRENT_CONSUMER_GROUP of DBMS_SESSION (Administrator's Guide 11.1). Callers: `track`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A call of a switch procedure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManualSwitch {
    /// When; one without a time counts from the session's login on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// All sessions of this user…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// … or this one…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<u32>,
    /// … with this SERIAL#.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_no: Option<u32>,
    /// The new group.
    pub group: String,
    /// Whether the session called it itself (SWITCH_CURRENT_CONSUMER_GROUP), which needs the
    /// privilege.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub current: bool,
    /// Owner of the procedure that called it: then that user's privilege counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// INITIAL_GROUP_ON_ERROR: without the privilege, true puts the session into its initial group;
    /// false raises an error and leaves it where it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub initial_group_on_error: bool,
}

/// The session that a switch may be meant for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// SID.
    pub sid: u32,
    /// SERIAL#.
    pub serial_no: u32,
    /// User.
    pub user: Option<&'a str>,
}

impl ManualSwitch {
    /// Whether it is meant for this session.
    pub fn is_for(&self, target: Target<'_>) -> bool {
        let user = self.user.as_deref().is_none_or(|u| Some(u) == target.user);
        let sid = self.sid.is_none_or(|sid| sid == target.sid);
        let serial = self.serial_no.is_none_or(|n| n == target.serial_no);
        (self.user.is_some() || self.sid.is_some()) && user && sid && serial
    }

    /// Whether a session that logged on then (µs since the epoch) was there already: a switch pertains to the sessions
    /// that there are when it is called (Administrator's Guide 11.1).
    pub fn reaches(&self, logon_us: Option<i64>) -> bool {
        self.at.is_none() || logon_us.is_none_or(|logon| self.at_us() >= logon)
    }

    /// When, in µs since the epoch; the beginning of time where it has none.
    pub fn at_us(&self) -> i64 {
        self.at.map_or(i64::MIN, |at| at.as_microsecond())
    }
}
