//! What consumption costs whom: an account with prices.
//!
//! For: [`Statement`]; charges of a metric are rounded once, for all together, and parted by
//! quantities so that parts add up to it to the last digit. Not for: printing, files ([`super::focus`]).
//! Callers: `cli`, the rest of `finops`.

use rust_decimal::Decimal;

use super::FinopsError;
use super::account::{Account, Entry};
use super::money::{charge, last_digits, shares};
use super::prices::Prices;
use super::rules_file::Idle;
use super::tenants::{IDLE, UNMAPPED};
use super::usage::{ALL, METRICS, Usage};

/// A tenant's line.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Whose; [`IDLE`] and [`UNMAPPED`] are there always.
    pub tenant: String,
    /// What was consumed.
    pub entry: Entry,
    /// Charge of each metric, last digits.
    pub charges: [i128; METRICS],
    /// Part of what nobody used: instance hours, and with [`Idle::Share`] of all that is nobody's.
    pub shared: i128,
}

impl Line {
    /// All charges, last digits.
    pub fn cost(&self) -> i128 {
        self.charges.iter().sum::<i128>() + self.shared
    }
}

/// All lines of a period.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Sorted by tenant.
    pub lines: Vec<Line>,
    /// All that is charged, by metric, last digits: the origin charges.
    pub charges: [i128; METRICS],
    /// Instance hours, last digits.
    pub instance: i128,
    /// What was left out ([`Idle::Drop`]), last digits.
    pub dropped: i128,
    /// All quantities of the lines.
    pub usage: Usage,
}

impl Statement {
    /// All that is charged, last digits: the sum of the lines, exactly.
    pub fn cost(&self) -> i128 {
        self.charges.iter().sum::<i128>() + self.instance
    }
}

/// The line of a tenant; made if there is none.
fn line<'a>(lines: &'a mut Vec<Line>, tenant: &str) -> &'a mut Line {
    let at = match lines.binary_search_by(|line| line.tenant.as_str().cmp(tenant)) {
        Ok(at) => at,
        Err(at) => {
            let new = Line {
                tenant: tenant.to_owned(),
                ..Line::default()
            };
            lines.insert(at, new);
            at
        }
    };
    &mut lines[at]
}

/// The statement of an account: of one period, or of all.
///
/// # Errors
/// Quantities or prices too large to be counted exactly.
pub fn statement(
    account: &Account,
    period: Option<i64>,
    prices: &Prices,
    idle: Idle,
    instance_us: i64,
) -> Result<Statement, FinopsError> {
    let mut lines = Vec::new();
    for tenant in account.tenants() {
        let entry = match period {
            None => Some(account.of(tenant)),
            Some(at) => account.entries.get(&(tenant.to_owned(), at)).cloned(),
        };
        if let Some(entry) = entry {
            line(&mut lines, tenant).entry = entry;
        }
    }
    line(&mut lines, UNMAPPED);
    line(&mut lines, IDLE);
    let mut dropped = 0;
    if idle == Idle::Drop {
        let mut alone = vec![std::mem::take(line(&mut lines, IDLE))];
        lines.retain(|line| line.tenant != IDLE && !line.tenant.is_empty());
        let (charges, _) = charge_all(&mut alone, prices)?;
        dropped = charges.iter().sum::<i128>() + instance_hours(prices, instance_us)?;
    }
    let (charges, usage) = charge_all(&mut lines, prices)?;
    let instance = match idle {
        Idle::Drop => 0,
        Idle::Row | Idle::Share => instance_hours(prices, instance_us)?,
    };
    if idle != Idle::Drop {
        line(&mut lines, IDLE).shared += instance;
    }
    if idle == Idle::Share {
        share_idle(&mut lines);
    }
    Ok(Statement {
        lines,
        charges,
        instance,
        dropped,
        usage,
    })
}

fn charge_all(
    lines: &mut [Line],
    prices: &Prices,
) -> Result<([i128; METRICS], Usage), FinopsError> {
    let mut usage = Usage::default();
    for line in lines.iter() {
        usage.add(&line.entry.usage);
    }
    let mut charges = [0; METRICS];
    for at in 0..METRICS {
        let (price, per) = prices.of[at];
        let units = ALL[at].base.saturating_mul(u128::from(per));
        charges[at] = charge(usage.0[at], price, units, prices.decimals)?;
        let weights: Vec<u128> = lines.iter().map(|line| line.entry.usage.0[at]).collect();
        for (line, part) in lines.iter_mut().zip(shares(charges[at], &weights)) {
            line.charges[at] = part;
        }
    }
    Ok((charges, usage))
}

fn instance_hours(prices: &Prices, instance_us: i64) -> Result<i128, FinopsError> {
    let quantity = u128::try_from(instance_us).unwrap_or(0);
    if prices.instance_hour == Decimal::ZERO {
        return Ok(0);
    }
    charge(
        quantity,
        prices.instance_hour,
        3_600_000_000,
        prices.decimals,
    )
}

/// Parts what is nobody's by what the others cost; where nothing cost anything it stays.
fn share_idle(lines: &mut [Line]) {
    let costs: Vec<u128> = lines
        .iter()
        .map(|line| match line.tenant == IDLE {
            true => 0,
            false => u128::try_from(line.cost()).unwrap_or(0),
        })
        .collect();
    if costs.iter().all(|cost| *cost == 0) {
        return;
    }
    let Some(own) = lines.iter_mut().find(|line| line.tenant == IDLE) else {
        return;
    };
    let whole = own.cost();
    own.charges = [0; METRICS];
    own.shared = 0;
    for (line, part) in lines.iter_mut().zip(shares(whole, &costs)) {
        line.shared += part;
    }
}

/// A budget in last digits.
///
/// # Errors
/// It is too large.
pub fn budget(quota: &super::prices::Quota, prices: &Prices) -> Result<i128, FinopsError> {
    last_digits(quota.budget, prices.decimals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn account(of: &[(&str, u128, u128)]) -> Account {
        let mut account = Account::default();
        for (tenant, cpu_us, reads) in of {
            let mut entry = Entry::default();
            (entry.usage.0[0], entry.usage.0[2]) = (*cpu_us, *reads);
            account.total.add(&entry.usage);
            account.entries.insert(((*tenant).to_owned(), 0), entry);
        }
        account
    }

    fn made(idle: Idle, hour: &str) -> Statement {
        let text = format!(
            "currency = \"EUR\"\ndecimals = 2\ninstance_hour = \"{hour}\"\n[prices]\ncpu_seconds = {{ price = \"0.10\" }}\nlogical_reads = {{ price = \"1\", per = 7 }}\n"
        );
        let prices = Prices::parse(&text, Path::new("p")).unwrap();
        let of = [
            ("A", 1_234_567, 10),
            ("B", 1_234_567, 11),
            ("C", 1_234_567, 3),
            (IDLE, 9_876_543, 0),
        ];
        statement(&account(&of), None, &prices, idle, 5_400_000_000).unwrap()
    }

    fn sum(statement: &Statement) -> i128 {
        statement.lines.iter().map(Line::cost).sum()
    }

    fn of(statement: &Statement, tenant: &str) -> i128 {
        let line = statement.lines.iter().find(|l| l.tenant == tenant);
        line.map_or(-1, Line::cost)
    }

    #[test]
    fn lines_add_up_to_the_origin_charge_whatever_becomes_of_idle() {
        let row = made(Idle::Row, "2");
        // 13.580244 s at 0.10 are 1.36; 24 reads 3.43; 1.5 hours 3.00
        assert_eq!(
            (row.charges[0], row.charges[2], row.instance),
            (136, 343, 300)
        );
        assert_eq!(sum(&row), row.cost());
        assert_eq!(of(&row, UNMAPPED), 0, "the row is there");
        let share = made(Idle::Share, "2");
        assert_eq!(share.cost(), row.cost());
        assert_eq!((sum(&share), of(&share, IDLE)), (row.cost(), 0));
        let drop = made(Idle::Drop, "2");
        assert_eq!(of(&drop, IDLE), -1);
        assert_eq!(sum(&drop), drop.cost());
        // rounding is of each sum: at most one last digit off
        assert!((drop.cost() + drop.dropped - row.cost()).abs() <= 1);
    }
}
