//! Charges as rows of the FinOps Open Cost and Usage Specification (FOCUS), dataset Cost and Usage.
//!
//! For: [`rows`], what each tenant pays of each metric in a day, as parts of one origin charge, and
//! the columns of each version. Versions: 1.2 has no columns for parts, so that tenants are
//! sub-accounts; 1.3 has (`Allocated…`), and names participants anew (ServiceProviderName,
//! HostProviderName); 1.4 no longer has ProviderName and PublisherName. Source: the specification,
//! <https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec>, a page for each column.
//!
//! Not for: making charges ([`super::statement`]). Callers: `cli`.

mod columns;
mod days;
mod files;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::FinopsError;
use super::money::{last_digits, shares};
use super::prices::Prices;
use super::statement::{Line, Statement};
use super::tenants::IDLE;
use super::usage::ALL;

pub use columns::{COLUMNS, Cell, Column, Kind};
pub use days::{DAY_US, Day, days};
pub use files::{Written, write_csv, write_parquet};

/// Digits after the point of quantities and ratios.
pub const QUANTITY_DECIMALS: u32 = 12;
/// How parts are made; docs/cost.md says how.
const METHOD: &str = "sgascope-usage-share-1";

/// A version of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Version {
    /// 1.2.
    #[value(name = "1.2")]
    V1_2,
    /// 1.3.
    #[value(name = "1.3")]
    V1_3,
    /// 1.4.
    #[value(name = "1.4")]
    V1_4,
}

impl Version {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Version::V1_2 => "1.2",
            Version::V1_3 => "1.3",
            Version::V1_4 => "1.4",
        }
    }
}

/// Who charges whom, and how tenants are named.
#[derive(Clone, Debug)]
pub struct Naming {
    /// BillingAccountId and BillingAccountName.
    pub account: String,
    /// Who provides the service and issues the invoice.
    pub provider: String,
    /// Who provides the host.
    pub host_provider: String,
    /// ResourceId: the instances charged for.
    pub resource: String,
    /// Tenants are named by a hash; with this key, so that names can't be tried out.
    pub hash: Option<String>,
}

impl Naming {
    /// The name of a tenant in files.
    pub fn tenant(&self, tenant: &str) -> String {
        let Some(key) = &self.hash else {
            return tenant.to_owned();
        };
        let mut hash = Sha256::new();
        hash.update((key.len() as u64).to_le_bytes());
        hash.update(key.as_bytes());
        hash.update(tenant.as_bytes());
        let bytes = hash.finalize();
        bytes[..16].iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// A charge period: begin and end, and those of the billing period, µs since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// Of the charge.
    pub charge: (i64, i64),
    /// Of the bill.
    pub billing: (i64, i64),
}

/// One charge of a statement to be parted.
struct Origin {
    sku: &'static str,
    what: &'static str,
    unit: String,
    /// Price of one unit.
    price: i128,
    /// Base units in one unit.
    units: u128,
    cost: i128,
    /// Quantity and cost of each line.
    parts: Vec<(u128, i128)>,
}

/// The rows of a statement, by [`COLUMNS`] of the version.
///
/// # Errors
/// Amounts too large to be counted exactly.
pub fn rows(
    version: Version,
    statement: &Statement,
    prices: &Prices,
    naming: &Naming,
    periods: &Periods,
    instance_us: i64,
) -> Result<Vec<Vec<Cell>>, FinopsError> {
    let mut found = Vec::new();
    for origin in origins(statement, prices, instance_us)? {
        let weights: Vec<u128> = origin.parts.iter().map(|(quantity, _)| *quantity).collect();
        let ratios = shares(super::money::ten_to(QUANTITY_DECIMALS), &weights);
        for (at, line) in statement.lines.iter().enumerate() {
            let (quantity, cost) = origin.parts[at];
            if quantity == 0 && cost == 0 {
                continue;
            }
            let part = Part {
                origin: &origin,
                tenant: &line.tenant,
                quantity,
                filled: match origin.sku {
                    "cpu_seconds" => Some(line.entry.filled_us.0),
                    "db_time_seconds" => Some(line.entry.filled_us.1),
                    _ => None,
                },
                cost,
                ratio: ratios[at],
            };
            let row = part.row(prices, naming, periods);
            let columns = COLUMNS.iter().zip(row);
            let own = columns.filter(|(column, _)| column.is_in(version));
            found.push(own.map(|(_, cell)| cell).collect());
        }
    }
    Ok(found)
}

fn origins(
    statement: &Statement,
    prices: &Prices,
    instance_us: i64,
) -> Result<Vec<Origin>, FinopsError> {
    let mut found = Vec::new();
    let lines = &statement.lines;
    // what is nobody's is a charge of its own then
    let is_shared = lines.iter().any(|l| l.shared != 0 && l.tenant != IDLE);
    for (at, metric) in ALL.iter().enumerate() {
        let (price, per) = prices.of[at];
        let part = |line: &Line| match is_shared && line.tenant == IDLE {
            true => (0, 0),
            false => (line.entry.usage.0[at], line.charges[at]),
        };
        let parts: Vec<(u128, i128)> = lines.iter().map(part).collect();
        let cost = parts.iter().map(|(_, cost)| cost).sum();
        if cost == 0 {
            continue;
        }
        found.push(Origin {
            sku: metric.name,
            what: metric.what,
            unit: match per {
                1 => metric.unit.to_owned(),
                per => format!("{per} {}", metric.unit),
            },
            price: last_digits(price, QUANTITY_DECIMALS)?,
            units: metric.base.saturating_mul(u128::from(per)),
            cost,
            parts,
        });
    }
    found.extend(shared(statement, prices, instance_us)?);
    Ok(found)
}

/// What is nobody's: instance hours in a row of their own, or all of it as a sum of money that is shared.
fn shared(
    statement: &Statement,
    prices: &Prices,
    instance_us: i64,
) -> Result<Option<Origin>, FinopsError> {
    let lines = &statement.lines;
    let cost: i128 = lines.iter().map(|line| line.shared).sum();
    if cost == 0 {
        return Ok(None);
    }
    let is_shared = lines.iter().any(|l| l.shared != 0 && l.tenant != IDLE);
    Ok(Some(match is_shared {
        false => Origin {
            sku: "instance_hours",
            what: "Instance hours",
            unit: "Hours".to_owned(),
            price: last_digits(prices.instance_hour, QUANTITY_DECIMALS)?,
            units: 3_600_000_000,
            cost,
            parts: lines
                .iter()
                .map(|line| match line.shared {
                    0 => (0, 0),
                    cost => (u128::try_from(instance_us).unwrap_or(0), cost),
                })
                .collect(),
        },
        true => Origin {
            sku: "shared_cost",
            what: "Instance hours and the instance's own work",
            unit: prices.currency.clone(),
            price: last_digits(Decimal::ONE, QUANTITY_DECIMALS)?,
            units: super::money::ten_to(prices.decimals).unsigned_abs(),
            cost,
            parts: lines
                .iter()
                .map(|line| (line.shared.unsigned_abs(), line.shared))
                .collect(),
        },
    }))
}

/// A tenant's part of a charge.
struct Part<'a> {
    origin: &'a Origin,
    tenant: &'a str,
    quantity: u128,
    /// What of it only imported samples have seen, where they can tell.
    filled: Option<u64>,
    cost: i128,
    ratio: i128,
}

impl Part<'_> {
    /// A quantity in units of the price.
    fn pricing_quantity(&self, quantity: u128) -> i128 {
        let ten = super::money::ten_to(QUANTITY_DECIMALS).unsigned_abs();
        let units = self.origin.units.max(1);
        let whole = (quantity / units).saturating_mul(ten);
        // what is left is below `units`, at most 2^50
        let rest = ((quantity % units).saturating_mul(ten) + units / 2) / units;
        i128::try_from(whole.saturating_add(rest)).unwrap_or(i128::MAX)
    }

    /// All columns of all versions, in the order of [`COLUMNS`].
    fn row(&self, prices: &Prices, naming: &Naming, periods: &Periods) -> Vec<Cell> {
        let text = |text: &str| Cell::Text(text.to_owned());
        let tenant = naming.tenant(self.tenant);
        let is_idle = self.tenant == IDLE;
        // what is nobody's is the part that isn't allocated
        let of_tenant = |value: String| match is_idle {
            true => Cell::Null,
            false => Cell::Text(value),
        };
        let quantity = self.pricing_quantity(self.quantity);
        let filled = self.filled.map(|us| self.pricing_quantity(u128::from(us)));
        let ratio = decimal_text(self.ratio, QUANTITY_DECIMALS);
        let details = format!(
            "{{\"Elements\":[{{\"AllocatedRatio\":{ratio},\"UsageUnit\":{},\"UsageQuantity\":{}}}]}}",
            json!(self.origin.unit),
            decimal_text(quantity, QUANTITY_DECIMALS)
        );
        let tags = json!({"tenant": tenant}).to_string();
        let cost = Cell::Amount(self.cost);
        let price = Cell::Quantity(self.origin.price);
        COLUMNS
            .iter()
            .map(|column| match column.name {
                "AllocatedMethodDetails" => Cell::Text(details.clone()),
                "AllocatedMethodId" => text(METHOD),
                "AllocatedResourceId" | "AllocatedResourceName" => of_tenant(tenant.clone()),
                "AllocatedTags" => of_tenant(tags.clone()),
                "BilledCost" | "ContractedCost" | "EffectiveCost" | "ListCost" => cost.clone(),
                "BillingAccountId" | "BillingAccountName" => text(&naming.account),
                "BillingCurrency" => text(&prices.currency),
                "BillingPeriodEnd" => Cell::Time(periods.billing.1),
                "BillingPeriodStart" => Cell::Time(periods.billing.0),
                "ChargeCategory" => text("Usage"),
                "ChargeDescription" => Cell::Text(format!("{} of {tenant}", self.origin.what)),
                "ChargeFrequency" => text("Usage-Based"),
                "ChargePeriodEnd" => Cell::Time(periods.charge.1),
                "ChargePeriodStart" => Cell::Time(periods.charge.0),
                "ConsumedQuantity" | "PricingQuantity" => Cell::Quantity(quantity),
                "ConsumedUnit" | "PricingUnit" => text(&self.origin.unit),
                "ContractedUnitPrice" | "ListUnitPrice" => price.clone(),
                "HostProviderName" => text(&naming.host_provider),
                "InvoiceIssuerName" | "ProviderName" | "PublisherName" | "ServiceProviderName" => {
                    text(&naming.provider)
                }
                "PricingCategory" => text("Standard"),
                "ResourceId" | "ResourceName" => text(&naming.resource),
                "ResourceType" => text("Database Instance"),
                "ServiceCategory" => text("Databases"),
                "ServiceName" => text("Oracle Database"),
                "ServiceSubcategory" => text("Relational Databases"),
                "SkuId" | "SkuPriceId" | "SkuMeter" => text(self.origin.sku),
                "SubAccountId" | "SubAccountName" => of_tenant(tenant.clone()),
                "Tags" => Cell::Text(match is_idle {
                    true => "{}".to_owned(),
                    false => tags.clone(),
                }),
                "x_FilledQuantity" => filled.map_or(Cell::Null, Cell::Quantity),
                "x_OriginCost" => Cell::Amount(self.origin.cost),
                _ => Cell::Null,
            })
            .collect()
    }
}

/// A number of last digits as text, without any rounding.
pub fn decimal_text(number: i128, decimals: u32) -> String {
    let ten = super::money::ten_to(decimals).unsigned_abs();
    let size = number.unsigned_abs();
    let sign = if number < 0 { "-" } else { "" };
    match decimals {
        0 => format!("{sign}{size}"),
        _ => format!(
            "{sign}{}.{:0width$}",
            size / ten,
            size % ten,
            width = decimals as usize
        ),
    }
}

/// A time as the specification writes it: RFC 3339 in UTC.
pub fn time_text(time_us: i64) -> String {
    Timestamp::from_microsecond(time_us).map_or_else(
        |_| time_us.to_string(),
        |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}
