//! Deltas summed up by tenant and period, and those that can't be charged.
//!
//! For: [`account`], one pass over a recording. All sums are whole numbers: what is charged, what is
//! nobody's and what was refused together are the total, exactly. Not for: prices
//! ([`super::statement`]). Callers: `cli`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::FinopsError;
use super::checks::{Checks, Reason};
use super::dead_letters::Letter;
use super::deltas::read::{Coverage, Found, Window, read_deltas};
use super::deltas::sessions::Session;
use super::deltas::{Counter, CpuSource, Delta, LifeKey, Unobserved};
use super::sampled::{Sampled, Time, tenant_of};
use super::tenants::Tenants;
use super::usage::Usage;
use crate::backfill::gaps::Gap;
use crate::record::Reader;

/// How to account.
#[derive(Clone, Debug)]
pub struct AccountOptions<'a> {
    /// What of the recording.
    pub window: Window,
    /// Whose a session is; without, each user is a tenant.
    pub tenants: Option<&'a Tenants>,
    /// What is checked.
    pub checks: Checks,
    /// Length of a period, µs; without, all is one.
    pub step_us: Option<i64>,
}

/// What can't have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Ends of sessions, and gaps.
    pub times: u64,
    /// Together, µs.
    pub span_us: u64,
    /// Likely CPU, µs.
    pub cpu_us_estimate: u64,
    /// Most CPU: one CPU's all that time, µs.
    pub cpu_us_bound: u64,
    /// Temporary space that was held when they were seen last, over those times, and how inexactly it
    /// is known of what was seen: bytes × µs.
    pub temp_byte_us_bound: u128,
    /// Squares of those times, µs².
    pub squares_us: u128,
}

impl Unseen {
    fn add(&mut self, lost: &Unobserved) {
        self.times += 1;
        self.span_us += lost.span_us();
        self.cpu_us_estimate += lost.cpu_us_estimate;
        self.cpu_us_bound += lost.cpu_us_bound();
        self.temp_byte_us_bound += lost.temp_byte_us_bound;
        self.squares_us += u128::from(lost.span_us()).pow(2);
    }

    /// Adds another.
    pub fn merge(&mut self, other: &Unseen) {
        self.times += other.times;
        self.span_us += other.span_us;
        self.cpu_us_estimate += other.cpu_us_estimate;
        self.cpu_us_bound += other.cpu_us_bound;
        self.temp_byte_us_bound += other.temp_byte_us_bound;
        self.squares_us += other.squares_us;
    }

    /// Most temporary space held, bytes × µs, where it can grow by so much in a second.
    pub fn temp_byte_us_bound(&self, per_second: u64) -> u128 {
        let grown = self.squares_us.saturating_mul(u128::from(per_second)) / 2_000_000;
        self.temp_byte_us_bound.saturating_add(grown)
    }

    /// Most of something of which a session can do so much in a second.
    pub fn bound(&self, per_second: u64) -> u128 {
        u128::from(self.span_us) * u128::from(per_second) / 1_000_000
    }
}

/// A tenant's sums in a period.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// What was consumed.
    pub usage: Usage,
    /// CPU thereof that is the kernel's count, µs.
    pub os_cpu_us: u64,
    /// What can't have been seen.
    pub unseen: Unseen,
    /// CPU and DB time thereof that only the database's own history has seen, µs.
    pub filled_us: (u64, u64),
    /// Sessions that only samples have seen, as they lived between two readings; not charged.
    pub unread: u64,
    /// DB time of those, µs.
    pub unread_db_us: u64,
    /// Deltas.
    pub deltas: u64,
    /// Counters that fell.
    pub resets: u64,
    /// Sessions.
    pub sessions: HashSet<(String, LifeKey)>,
}

/// All sums.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// By tenant and begin of the period, µs since 1970 (0 without periods).
    pub entries: BTreeMap<(String, i64), Entry>,
    /// All that was read, whatever became of it.
    pub total: Usage,
    /// What was refused.
    pub refused: Usage,
    /// Deltas that were refused, by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// What was read.
    pub coverage: Coverage,
    /// Times without samples of the recorder.
    pub gaps: Vec<Gap>,
}

/// Who takes refused deltas.
pub type Refused<'a> = dyn FnMut(Letter) -> Result<(), FinopsError> + 'a;

/// Who takes charged deltas, and what can't have been seen, with the tenant.
pub type Charged<'a> = dyn FnMut(&str, &Session, Found<'_>) -> Result<(), FinopsError> + 'a;

impl Account {
    fn entry(&mut self, tenant: &str, at_us: i64, step_us: Option<i64>) -> &mut Entry {
        let period = step_us.map_or(0, |step| at_us.div_euclid(step) * step);
        self.entries.entry((tenant.to_owned(), period)).or_default()
    }

    fn charge(&mut self, session: &Session, delta: &Delta, tenant: &str, step_us: Option<i64>) {
        let entry = self.entry(tenant, delta.to_us, step_us);
        entry.usage.add(&Usage::of(delta));
        entry.deltas += 1;
        entry.resets += u64::from(delta.reset);
        match delta.cpu_source {
            CpuSource::Counter => {}
            CpuSource::Os => entry.os_cpu_us += delta.counters[Counter::Cpu as usize],
            CpuSource::Samples => {
                entry.filled_us.0 += delta.counters[Counter::Cpu as usize];
                entry.filled_us.1 += delta.counters[Counter::DbTime as usize];
            }
        }
        entry.unseen.temp_byte_us_bound += delta.temp_byte_us_bound;
        entry.sessions.insert((session.instance.clone(), delta.key));
    }

    /// Charges a delta or refuses it.
    fn deliver(
        &mut self,
        session: &Session,
        delta: &Delta,
        tenant: &Result<String, Reason>,
        options: &AccountOptions<'_>,
        refused: &mut Refused<'_>,
        charged: &mut Charged<'_>,
    ) -> Result<(), FinopsError> {
        let usage = Usage::of(delta);
        self.total.add(&usage);
        let verdict = match tenant {
            Err(reason) => Err((*reason, String::new())),
            Ok(tenant) => match options.checks.possible(delta) {
                Ok(()) => Ok(tenant),
                Err(detail) => Err((Reason::Impossible, detail)),
            },
        };
        let (reason, detail) = match verdict {
            Ok(tenant) => {
                self.charge(session, delta, tenant, options.step_us);
                return charged(tenant, session, Found::Delta(delta));
            }
            Err(why) => why,
        };
        self.refused.add(&usage);
        *self.reasons.entry(reason).or_default() += 1;
        refused(Letter::of(session, delta, reason, detail))
    }

    /// Notes a session that only samples have seen.
    fn unread(&mut self, tenant: &str, time: &Time, step_us: Option<i64>) {
        let entry = self.entry(tenant, time.last_us, step_us);
        entry.unread += 1;
        entry.unread_db_us += time.db_us;
    }

    /// Sums of a tenant over all periods.
    pub fn of(&self, tenant: &str) -> Entry {
        let mut sum = Entry::default();
        for (_, entry) in self.entries.iter().filter(|((t, _), _)| t == tenant) {
            sum.usage.add(&entry.usage);
            sum.os_cpu_us += entry.os_cpu_us;
            sum.filled_us.0 += entry.filled_us.0;
            sum.filled_us.1 += entry.filled_us.1;
            sum.unread += entry.unread;
            sum.unread_db_us += entry.unread_db_us;
            sum.deltas += entry.deltas;
            sum.resets += entry.resets;
            sum.sessions.extend(entry.sessions.iter().cloned());
            sum.unseen.merge(&entry.unseen);
        }
        sum
    }

    /// Tenants, sorted.
    pub fn tenants(&self) -> Vec<&str> {
        let mut tenants: Vec<&str> = self.entries.keys().map(|(t, _)| t.as_str()).collect();
        tenants.dedup();
        tenants
    }
}

/// Accounts for a recording. Each refused delta is given to `refused`, each charged one to `charged`
/// with its tenant.
///
/// # Errors
/// The recording can't be read, or what `refused` and `charged` say.
pub fn account(
    reader: &Reader,
    options: &AccountOptions<'_>,
    refused: &mut Refused<'_>,
    charged: &mut Charged<'_>,
) -> Result<Account, FinopsError> {
    let mut account = Account::default();
    // attributes hardly change, and rules cost more than a look-up
    let mut known: HashMap<Session, Result<String, Reason>> = HashMap::new();
    let step = options.step_us;
    let coverage = read_deltas(reader, &options.window, &mut |session, found| {
        let tenant = match known.get(session) {
            Some(tenant) => tenant,
            None => {
                let tenant = tenant_of(session, &options.checks, options.tenants);
                known.entry(session.clone()).or_insert(tenant)
            }
        };
        match (found, tenant) {
            (Found::Delta(delta), tenant) => {
                account.deliver(session, delta, tenant, options, refused, charged)
            }
            (Found::Unobserved(lost), Ok(tenant)) => {
                account.entry(tenant, lost.to_us, step).unseen.add(lost);
                charged(tenant, session, found)
            }
            (Found::Unobserved(_), Err(_)) => Ok(()),
        }
    })?;
    account.coverage = coverage;
    Ok(account)
}

/// Fills gaps: what only the database's own history has seen, as the recorder was away, is added to the
/// account like any delta, and sessions that only the recorder's own samples have seen are noted.
///
/// # Errors
/// What `refused` and `charged` say.
pub fn fill(
    account: &mut Account,
    sampled: &Sampled,
    options: &AccountOptions<'_>,
    refused: &mut Refused<'_>,
    charged: &mut Charged<'_>,
) -> Result<(), FinopsError> {
    // samples don't tell when a session logged on
    let mut read: HashMap<(String, u32, u32), LifeKey> = HashMap::new();
    for (instance, key) in account.entries.values().flat_map(|e| &e.sessions) {
        read.insert((instance.clone(), key.sid, key.serial), *key);
    }
    for (session, delta) in &sampled.filled {
        let tenant = tenant_of(session, &options.checks, options.tenants);
        let whose = (session.instance.clone(), delta.key.sid, delta.key.serial);
        let key = read.get(&whose).copied().unwrap_or(delta.key);
        let delta = Delta { key, ..*delta };
        account.deliver(session, &delta, &tenant, options, refused, charged)?;
    }
    for (tenant, time) in &sampled.unread {
        account.unread(tenant, time, options.step_us);
    }
    account.gaps.clone_from(&sampled.gaps);
    Ok(())
}
