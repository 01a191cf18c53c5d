//! Wait classes in the order and the colours that Oracle's own pages taught people.
//!
//! Order and hues follow Enterprise Manager's chart of active sessions: CPU green at the bottom,
//! I/O blue above it, then what hurts in reds and browns. Colours are in `page.css` by key; classes
//! that some eyes can't tell by colour have a pattern too.

use crate::analyze::Value;

/// A wait class.
pub(super) struct Class {
    /// As V$EVENT_NAME has it.
    pub(super) name: &'static str,
    /// Of its colour.
    pub(super) key: &'static str,
    /// The lines drawn over it, as an SVG path in a square of 8.
    pub(super) pattern: Option<&'static str>,
}

const fn class(name: &'static str, key: &'static str, pattern: Option<&'static str>) -> Class {
    Class { name, key, pattern }
}

/// Key of what has no class or one that isn't known.
pub(super) const UNKNOWN: &str = "none";

/// All classes from the bottom of a stack to its top.
pub(super) const CLASSES: [Class; 15] = [
    class("ON CPU", "cpu", None),
    class("Scheduler", "scheduler", Some("M0 8L8 0")),
    class("User I/O", "user-io", None),
    class("System I/O", "system-io", Some("M2 2h1M6 6h1")),
    class("Concurrency", "concurrency", Some("M0 0L8 8")),
    class(
        "Application",
        "application",
        Some("M0 8L8 0M-2 2L2 -2M6 10L10 6"),
    ),
    class("Commit", "commit", None),
    class("Configuration", "configuration", Some("M0 4H8")),
    class("Administrative", "administrative", Some("M4 0V8")),
    class("Network", "network", Some("M2 2h1M6 6h1")),
    class("Queueing", "queueing", Some("M0 4H8M4 0V8")),
    class("Cluster", "cluster", Some("M0 0L8 8M0 8L8 0")),
    class("Other", "other", None),
    class("Idle", "idle", None),
    class("", UNKNOWN, None),
];

/// The place of a class in a stack.
pub(super) fn rank(value: &Value) -> usize {
    let name = value.to_string();
    let known = CLASSES.iter().position(|class| class.name == name);
    known.unwrap_or(CLASSES.len() - 1)
}

/// The key of its colour.
pub(super) fn key(value: &Value) -> &'static str {
    CLASSES.get(rank(value)).map_or(UNKNOWN, |class| class.key)
}
