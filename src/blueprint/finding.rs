//! One broken rule at one place of a blueprint, and the list that rules fill.
//!
//! Callers: `checks`, which hands findings on to everyone else.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Something that can't be used, or looks wrong.
    Warning,
    /// The blueprint must not be used.
    Error,
}

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the rule, e.g. `field-overlap`.
    pub rule: &'static str,
    /// JSON pointer of the part (RFC 6901).
    pub pointer: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: expected and found.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(
            f,
            "{severity} {} at {}: {}",
            self.rule, self.pointer, self.message
        )
    }
}

#[derive(Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
}

impl Findings {
    pub(super) fn error(&mut self, rule: &'static str, pointer: String, message: String) {
        self.push(rule, pointer, Severity::Error, message);
    }

    pub(super) fn push(
        &mut self,
        rule: &'static str,
        pointer: String,
        severity: Severity,
        message: String,
    ) {
        self.list.push(Finding {
            rule,
            pointer,
            severity,
            message,
        });
    }
}
