//! What must be true of a delta before it is charged to anybody.
//!
//! Not for: what becomes of those that aren't ([`super::dead_letters`]). Callers: [`super::account`].

use serde::{Deserialize, Serialize};

use super::deltas::sessions::Session;
use super::deltas::{Counter, Delta};
use super::prices::Limits;
use super::tenants::{Tenants, UNMAPPED, Why};

/// What clocks and rounding may add to an interval, µs.
const SLACK_US: i64 = 2_000_000;

/// Why a delta isn't charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A user session without USERNAME.
    NoUserName,
    /// No rule says whose it is, and every session has to be somebody's.
    UnknownTenant,
    /// Rules that fit equally well name different tenants.
    AmbiguousTenant,
    /// More than can be done in the interval.
    Impossible,
}

impl Reason {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NoUserName => "no_user_name",
            Reason::UnknownTenant => "unknown_tenant",
            Reason::AmbiguousTenant => "ambiguous_tenant",
            Reason::Impossible => "impossible",
        }
    }
}

/// What is checked.
#[derive(Clone, Debug)]
pub struct Checks {
    /// What one session can do; with the number of CPUs.
    pub limits: Limits,
    /// Every session has to be a tenant's.
    pub require_tenant: bool,
}

impl Checks {
    /// Whose a session is, or why nothing of it is charged.
    ///
    /// # Errors
    /// The reason.
    pub fn tenant<'a>(
        &self,
        session: &'a Session,
        tenants: Option<&'a Tenants>,
    ) -> Result<&'a str, Reason> {
        let user = session.attributes.oracle_user.as_deref();
        let user = user.filter(|user| !user.is_empty());
        if user.is_none() {
            return Err(Reason::NoUserName);
        }
        let tenant = match tenants {
            None => user.unwrap_or(UNMAPPED),
            Some(tenants) => {
                let verdict = tenants.tenant_of(&session.attributes);
                if verdict.why == Why::Ambiguous {
                    return Err(Reason::AmbiguousTenant);
                }
                verdict.tenant
            }
        };
        match tenant == UNMAPPED && self.require_tenant {
            true => Err(Reason::UnknownTenant),
            false => Ok(tenant),
        }
    }

    /// Whether a delta can be.
    ///
    /// # Errors
    /// What is too much: found, and the most expected.
    pub fn possible(&self, delta: &Delta) -> Result<(), String> {
        let seconds = |from_us: i64| {
            let span = delta.to_us.saturating_sub(from_us).max(0);
            span.saturating_add(SLACK_US).unsigned_abs()
        };
        // the CPU counter moves at the end of a call, so that a long one's CPU comes at once
        let cpu_us = seconds(delta.cpu_since_us).saturating_mul(self.limits.cpus.max(1));
        let most = |rate: u64| {
            let most = u128::from(seconds(delta.from_us)) * u128::from(rate) / 1_000_000;
            u64::try_from(most).unwrap_or(u64::MAX)
        };
        let counter = |c: Counter| delta.counters[c as usize];
        let all = [
            ("cpu_us", counter(Counter::Cpu), cpu_us),
            (
                "logical_reads",
                counter(Counter::LogicalReads),
                most(self.limits.logical_reads),
            ),
            (
                "physical_reads",
                counter(Counter::PhysicalReads),
                most(self.limits.physical_reads),
            ),
            (
                "temp_growth_bytes",
                delta.temp_growth_bytes,
                most(self.limits.temp_bytes),
            ),
        ];
        match all.iter().find(|(_, found, most)| found > most) {
            None => Ok(()),
            Some((name, found, most)) => Err(format!(
                "{name} is {found}, at most {most} expected in {:.3} s",
                delta.to_us.saturating_sub(delta.from_us) as f64 / 1e6
            )),
        }
    }
}
