//! Whether what is known of a call or a session passes a directive's limits.
//!
//! A recording samples: what it knows of a quantity lies between two bounds. A limit is passed for
//! certain if the lower bound is above it, possibly if only the upper is. Callers: `groups`.

use serde::Serialize;

use super::directive::Directive;

/// What is known of a quantity: it lies in between, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bounds {
    /// At least.
    pub at_least: f64,
    /// At most.
    pub at_most: f64,
}

impl Bounds {
    /// A quantity that is known.
    pub fn exactly(value: f64) -> Bounds {
        Bounds {
            at_least: value,
            at_most: value,
        }
    }
}

/// What a call, or a session, consumed; `None`: the recording doesn't tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// CPU, seconds.
    pub cpu_s: Option<Bounds>,
    /// From its beginning to its end, seconds.
    pub elapsed_s: Option<Bounds>,
    /// Read and written, megabytes (2²⁰ bytes).
    pub io_megabytes: Option<Bounds>,
    /// Requests to read and write.
    pub io_reqs: Option<Bounds>,
    /// Logical reads.
    pub io_logical: Option<Bounds>,
}

/// A limit that was, or may have been, passed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Passed {
    /// Name of the directive's parameter.
    pub limit: &'static str,
    /// Its value.
    pub allowed: u64,
    /// What was used, in the same unit.
    pub used: Bounds,
    /// Whether the lower bound is above the limit.
    pub certain: bool,
}

/// Switch limits of a directive: name, value, and what of a usage it is about.
fn limits(
    directive: &Directive,
    usage: &Usage,
) -> [(&'static str, Option<u64>, Option<Bounds>); 5] {
    [
        ("SWITCH_TIME", directive.switch_time, usage.cpu_s),
        (
            "SWITCH_ELAPSED_TIME",
            directive.switch_elapsed_time,
            usage.elapsed_s,
        ),
        (
            "SWITCH_IO_MEGABYTES",
            directive.switch_io_megabytes,
            usage.io_megabytes,
        ),
        ("SWITCH_IO_REQS", directive.switch_io_reqs, usage.io_reqs),
        (
            "SWITCH_IO_LOGICAL",
            directive.switch_io_logical,
            usage.io_logical,
        ),
    ]
}

/// The limits that this usage passes ("exceeds"): one that is just reached isn't.
pub fn passed(directive: &Directive, usage: &Usage) -> Vec<Passed> {
    let all = limits(directive, usage).into_iter();
    let passes = |(limit, allowed, used): (&'static str, Option<u64>, Option<Bounds>)| {
        let (allowed, used) = (allowed?, used?);
        (used.at_most > allowed as f64).then_some(Passed {
            limit,
            allowed,
            used,
            certain: used.at_least > allowed as f64,
        })
    };
    all.filter_map(passes).collect()
}

/// Limits of a directive that this usage tells nothing of.
pub fn untold(directive: &Directive, usage: &Usage) -> Vec<&'static str> {
    let all = limits(directive, usage).into_iter();
    let untold = all.filter(|(_, allowed, used)| allowed.is_some() && used.is_none());
    let never = [
        ("SWITCH_ESTIMATE", directive.switch_estimate),
        ("MAX_EST_EXEC_TIME", directive.max_est_exec_time.is_some()),
        ("SESSION_PGA_LIMIT", directive.session_pga_limit.is_some()),
        (
            "ACTIVE_SESS_POOL_P1",
            directive.active_sess_pool_p1.is_some(),
        ),
    ];
    let never = never
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| name);
    untold.map(|(name, _, _)| name).chain(never).collect()
}
