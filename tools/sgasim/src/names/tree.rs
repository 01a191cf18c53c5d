//! Which statistics V$SESSTAT adds up from others, and which it shows in another unit than the one in memory.
//!
//! By a public 19c sampler, which lists them by number; names as 19.3 numbers them (Kyle Hailey's 19.3 header).
//! Data only; `engine::counters` is its only caller.

/// A statistic and the one that its count is also part of.
#[rustfmt::skip] // a table: one line an entry
pub const PART_OF: &[(&str, &str)] = &[
    ("db block gets", "session logical reads"),
    ("consistent gets", "session logical reads"),
    ("db block gets from cache", "db block gets"),
    ("db block gets from cache (fastpath)", "db block gets from cache"),
    ("db block gets direct", "db block gets"),
    ("consistent gets from cache", "consistent gets"),
    ("consistent gets direct", "consistent gets"),
    ("consistent gets pin", "consistent gets from cache"),
    ("consistent gets pin (fastpath)", "consistent gets pin"),
    ("consistent gets examination", "consistent gets from cache"),
    ("consistent gets examination (fastpath)", "consistent gets examination"),
    ("physical reads cache", "physical reads"),
    ("physical read flash cache hits", "physical reads cache"),
    ("physical reads direct", "physical reads"),
    ("physical writes direct", "physical writes"),
    ("physical writes from cache", "physical writes"),
    ("redo writes (group 0)", "redo writes"),
    ("redo writes (group 1)", "redo writes"),
    ("redo writes (group 2)", "redo writes"),
    ("redo writes (group 3)", "redo writes"),
    ("redo writes (group 4)", "redo writes"),
    ("redo writes (group 5)", "redo writes"),
    ("redo writes (group 6)", "redo writes"),
    ("redo writes (group 7)", "redo writes"),
    ("redo blocks written (group 0)", "redo blocks written"),
    ("redo blocks written (group 1)", "redo blocks written"),
    ("redo blocks written (group 2)", "redo blocks written"),
    ("redo blocks written (group 3)", "redo blocks written"),
    ("redo blocks written (group 4)", "redo blocks written"),
    ("redo blocks written (group 5)", "redo blocks written"),
    ("redo blocks written (group 6)", "redo blocks written"),
    ("redo blocks written (group 7)", "redo blocks written"),
    ("commit batch requested", "commit batch/immediate requested"),
    ("commit immediate requested", "commit batch/immediate requested"),
    ("commit batch performed", "commit batch/immediate performed"),
    ("commit immediate performed", "commit batch/immediate performed"),
    ("commit nowait requested", "commit wait/nowait requested"),
    ("commit wait requested", "commit wait/nowait requested"),
    ("commit nowait performed", "commit wait/nowait performed"),
    ("commit wait performed", "commit wait/nowait performed"),
];

/// Microseconds in memory, centiseconds in V$SESSTAT.
pub const MICROSECONDS: [&str; 7] = [
    "cluster wait time",
    "concurrency wait time",
    "application wait time",
    "user I/O wait time",
    "scheduler wait time",
    "non-idle wait time",
    "in call idle wait time",
];

/// Levels that rise and fall.
pub const LEVELS: [&str; 5] = [
    "session pga memory",
    "session uga memory",
    "temp space allocated (bytes)",
    "opened cursors current",
    "workarea memory allocated",
];

/// A time: the latest counts.
pub const LATEST: &str = "process last non-idle time";
