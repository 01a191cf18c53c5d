//! An account's days, as charge periods of billing periods.
//!
//! For: [`days`]. A charge is rounded once, for its billing period, and its parts add up to it to the last
//! digit: first those of tenants, as [`super::super::statement`] makes them, then each tenant's by days, by
//! what was consumed. Callers: [`super`]'s.

use std::collections::BTreeMap;

use super::Periods;
use crate::finops::FinopsError;
use crate::finops::account::Account;
use crate::finops::money::shares;
use crate::finops::prices::{Period, Prices};
use crate::finops::quota::bounds;
use crate::finops::rules_file::Idle;
use crate::finops::statement::{Line, Statement, statement};
use crate::finops::usage::METRICS;

/// A day, µs.
pub const DAY_US: i64 = 86_400_000_000;

/// A day's charges.
#[derive(Clone, Debug)]
pub struct Day {
    /// The day, and the month that is billed.
    pub periods: Periods,
    /// What each tenant pays for it.
    pub statement: Statement,
    /// Time of instances that is the day's, µs.
    pub instance_us: i64,
}

/// The days of an account that was made by days ([`DAY_US`]), oldest first.
///
/// # Errors
/// Quantities or prices too large to be counted exactly.
pub fn days(account: &Account, prices: &Prices, idle: Idle) -> Result<Vec<Day>, FinopsError> {
    let mut months: BTreeMap<i64, Vec<Day>> = BTreeMap::new();
    for (day_us, instance_us) in instance_time(account) {
        let billing = bounds(Period::Month, day_us)?;
        months.entry(billing.0).or_default().push(Day {
            periods: Periods {
                charge: (day_us, day_us + DAY_US),
                billing,
            },
            statement: statement(account, Some(day_us), prices, idle, instance_us)?,
            instance_us,
        });
    }
    for (begin_us, days) in &mut months {
        let end_us = days.first().map_or(*begin_us, |day| day.periods.billing.1);
        let entries = account.entries.iter();
        let own = entries.filter(|((_, day), _)| (*begin_us..end_us).contains(day));
        let own = Account {
            entries: own
                .map(|(key, entry)| (key.clone(), entry.clone()))
                .collect(),
            ..Account::default()
        };
        let instance_us = days.iter().map(|day| day.instance_us).sum();
        let whole = statement(&own, None, prices, idle, instance_us)?;
        part(&whole, days);
    }
    Ok(months.into_values().flatten().collect())
}

/// Replaces the charges of days by parts of those of their month.
fn part(whole: &Statement, days: &mut [Day]) {
    for line in &whole.lines {
        let mut own: Vec<&mut Line> = Vec::new();
        for day in &mut *days {
            let lines = day.statement.lines.iter_mut();
            own.extend(lines.filter(|l| l.tenant == line.tenant));
        }
        for metric in 0..METRICS {
            let weights = own.iter().map(|line| line.entry.usage.0[metric]);
            let parts = shares(line.charges[metric], &weights.collect::<Vec<_>>());
            for (day, part) in own.iter_mut().zip(parts) {
                day.charges[metric] = part;
            }
        }
        let weights = own.iter().map(|line| line.shared.unsigned_abs());
        let parts = shares(line.shared, &weights.collect::<Vec<_>>());
        for (day, part) in own.iter_mut().zip(parts) {
            day.shared = part;
        }
    }
}

/// The days, and what of the instances' time is of each: all together is all of it.
fn instance_time(made: &Account) -> Vec<(i64, i64)> {
    let (first, last) = made.coverage.span_us.unwrap_or((0, -1));
    let mut days: Vec<i64> = made.entries.keys().map(|(_, day)| *day).collect();
    let mut day = first.div_euclid(DAY_US) * DAY_US;
    while day <= last {
        days.push(day);
        day += DAY_US;
    }
    days.sort_unstable();
    days.dedup();
    let overlap = |day: i64| {
        let time = last.min(day + DAY_US) - first.max(day);
        u128::try_from(time).unwrap_or(0)
    };
    let weights: Vec<u128> = days.iter().map(|day| overlap(*day)).collect();
    let parts = shares(i128::from(made.coverage.instance_us), &weights);
    let parts = parts.into_iter().map(|us| us as i64);
    days.into_iter().zip(parts).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{COLUMNS, Cell, Naming, Version, rows};
    use super::*;
    use crate::finops::account::Entry;
    use crate::finops::money::charge;
    use crate::finops::tenants::IDLE;

    /// Prices that no quantity is a multiple of.
    const PRICES: &str = "currency = \"EUR\"\ndecimals = 2\ninstance_hour = \"0.0333\"\n[prices]\n\
        cpu_seconds = { price = \"0.3333\", per = 7 }\nlogical_reads = { price = \"1\", per = 3 }\n";

    /// 40 days over two months, in which three tenants use thirds.
    fn account() -> Account {
        let mut account = Account::default();
        let first = 20_000 * DAY_US;
        for day in 0..40u128 {
            for (at, tenant) in ["A", "B", "C", IDLE].iter().enumerate() {
                let mut entry = Entry::default();
                let at = at as u128;
                entry.usage.0[0] = 3_333_333 * (at + 1) + day * 1_234_567 % 999_983;
                // one has nothing on most days
                entry.usage.0[2] = if at == 2 && day % 7 != 0 {
                    0
                } else {
                    10 * at + day % 3 + 1
                };
                let key = ((*tenant).to_owned(), first + day as i64 * DAY_US);
                account.entries.insert(key, entry);
            }
        }
        account.coverage.span_us = Some((first + 5_000_000_000, first + 39 * DAY_US + 7));
        account.coverage.instance_us = 2 * (39 * DAY_US - 5_000_000_000);
        account
    }

    /// A row's text or amount.
    fn cell<'a>(row: &'a [Cell], name: &str) -> &'a Cell {
        let mut columns = COLUMNS.iter().filter(|c| c.is_in(Version::V1_3));
        &row[columns.position(|c| c.name == name).unwrap()]
    }

    fn cost(row: &[Cell], name: &str) -> i128 {
        match cell(row, name) {
            Cell::Amount(amount) => *amount,
            other => panic!("{other:?}"),
        }
    }

    /// Billing period, SKU, tenant: what all days pay; and by charge period and SKU what the origin charge is.
    type Sums = (
        BTreeMap<(i64, String, String), i128>,
        BTreeMap<(i64, String), (i128, i128)>,
    );

    fn sums(days: &[Day], prices: &Prices) -> Sums {
        let naming = Naming {
            account: "x".into(),
            provider: "x".into(),
            host_provider: "x".into(),
            resource: "x".into(),
            hash: None,
        };
        let (mut billed, mut origins) = (BTreeMap::new(), BTreeMap::new());
        for day in days {
            let (statement, periods) = (&day.statement, &day.periods);
            let found = rows(
                Version::V1_3,
                statement,
                prices,
                &naming,
                periods,
                day.instance_us,
            );
            for row in found.unwrap() {
                let text = |name: &str| match cell(&row, name) {
                    Cell::Text(text) => text.clone(),
                    _ => String::new(),
                };
                let whose = (periods.billing.0, text("SkuId"), text("SubAccountId"));
                *billed.entry(whose).or_default() += cost(&row, "BilledCost");
                let origin: &mut (i128, i128) = origins
                    .entry((periods.charge.0, text("SkuId")))
                    .or_default();
                origin.0 += cost(&row, "BilledCost");
                origin.1 = cost(&row, "x_OriginCost");
            }
        }
        (billed, origins)
    }

    #[test]
    fn days_and_tenants_add_up_to_the_charge_of_the_billing_period() {
        let (account, prices) = (account(), Prices::parse(PRICES, Path::new("p")).unwrap());
        for idle in [Idle::Row, Idle::Share, Idle::Drop] {
            let days = days(&account, &prices, idle).unwrap();
            assert_eq!(days.len(), 40);
            let months: Vec<i64> = days.iter().map(|day| day.periods.billing.0).collect();
            let (billed, origins) = sums(&days, &prices);
            for (whose, (sum, origin)) in &origins {
                assert_eq!(
                    sum, origin,
                    "{whose:?} {idle:?}: parts are the origin charge"
                );
            }
            for month in [months[0], months[39]] {
                let of_month = account.entries.iter().filter(|((tenant, day), _)| {
                    bounds(Period::Month, *day).unwrap().0 == month
                        && (idle != Idle::Drop || tenant != IDLE)
                });
                let used = |at: usize| of_month.clone().map(|(_, e)| e.usage.0[at]).sum::<u128>();
                let price = |text: &str| text.parse().unwrap();
                let of_cpu = charge(used(0), price("0.3333"), 7_000_000, 2).unwrap();
                let of_reads = charge(used(2), price("1"), 3, 2).unwrap();
                let own = days.iter().filter(|day| day.periods.billing.0 == month);
                let time: i64 = own.map(|day| day.instance_us).sum();
                let of_time = match idle {
                    Idle::Drop => 0,
                    _ => charge(time as u128, price("0.0333"), 3_600_000_000, 2).unwrap(),
                };
                let of_sku = |sku: &str| {
                    let all = billed
                        .iter()
                        .filter(|((m, s, _), _)| *m == month && s == sku);
                    all.map(|(_, cost)| *cost).sum::<i128>()
                };
                let all = billed.iter().filter(|((m, ..), _)| *m == month);
                let all: i128 = all.map(|(_, cost)| *cost).sum();
                assert_eq!(all, of_cpu + of_reads + of_time, "{idle:?}");
                if idle != Idle::Share {
                    assert_eq!(of_sku("cpu_seconds"), of_cpu, "{idle:?}");
                    assert_eq!(of_sku("logical_reads"), of_reads, "{idle:?}");
                    assert_eq!(of_sku("instance_hours"), of_time, "{idle:?}");
                }
            }
            // and a tenant's are what a report over the month says
            let whole = Account {
                entries: account
                    .entries
                    .iter()
                    .filter(|((_, day), _)| bounds(Period::Month, *day).unwrap().0 == months[0])
                    .map(|(key, entry)| (key.clone(), entry.clone()))
                    .collect(),
                ..Account::default()
            };
            let own = days.iter().filter(|day| day.periods.billing.0 == months[0]);
            let time = own.map(|day| day.instance_us).sum();
            let report = statement(&whole, None, &prices, idle, time).unwrap();
            for line in report.lines.iter().filter(|line| line.tenant != IDLE) {
                let own = billed
                    .iter()
                    .filter(|((m, _, tenant), _)| *m == months[0] && *tenant == line.tenant);
                let sum: i128 = own.map(|(_, cost)| *cost).sum();
                assert_eq!(sum, line.cost(), "{} {idle:?}", line.tenant);
            }
        }
    }
}
