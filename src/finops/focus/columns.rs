//! The columns that are written, and in which versions they are.
//!
//! Callers: [`super`].

use super::Version;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Null.
    Null,
    /// Text.
    Text(String),
    /// Money in last digits of the currency's.
    Amount(i128),
    /// A number with [`super::QUANTITY_DECIMALS`].
    Quantity(i128),
    /// µs since 1970.
    Time(i64),
}

/// What values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, or JSON as text.
    Text,
    /// Money.
    Amount,
    /// Any other number.
    Quantity,
    /// A time.
    Time,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Column ID.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// First version that has it.
    pub since: Version,
    /// First version that no longer has it.
    pub until: Option<Version>,
}

impl Column {
    /// Whether a version has it.
    pub fn is_in(&self, version: Version) -> bool {
        version >= self.since && self.until.is_none_or(|until| version < until)
    }
}

const fn of(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        since: Version::V1_2,
        until: None,
    }
}

const fn since_1_3(name: &'static str) -> Column {
    Column {
        since: Version::V1_3,
        ..of(name, Kind::Text)
    }
}

const fn until_1_4(name: &'static str) -> Column {
    Column {
        until: Some(Version::V1_4),
        ..of(name, Kind::Text)
    }
}

/// Those of the specification by name, then our own.
#[rustfmt::skip] // a table: one line a column
pub const COLUMNS: [Column; 47] = [
    since_1_3("AllocatedMethodDetails"),
    since_1_3("AllocatedMethodId"),
    since_1_3("AllocatedResourceId"),
    since_1_3("AllocatedResourceName"),
    since_1_3("AllocatedTags"),
    of("BilledCost", Kind::Amount),
    of("BillingAccountId", Kind::Text),
    of("BillingAccountName", Kind::Text),
    of("BillingCurrency", Kind::Text),
    of("BillingPeriodEnd", Kind::Time),
    of("BillingPeriodStart", Kind::Time),
    of("ChargeCategory", Kind::Text),
    of("ChargeClass", Kind::Text),
    of("ChargeDescription", Kind::Text),
    of("ChargeFrequency", Kind::Text),
    of("ChargePeriodEnd", Kind::Time),
    of("ChargePeriodStart", Kind::Time),
    of("ConsumedQuantity", Kind::Quantity),
    of("ConsumedUnit", Kind::Text),
    of("ContractedCost", Kind::Amount),
    of("ContractedUnitPrice", Kind::Quantity),
    of("EffectiveCost", Kind::Amount),
    since_1_3("HostProviderName"),
    of("InvoiceIssuerName", Kind::Text),
    of("ListCost", Kind::Amount),
    of("ListUnitPrice", Kind::Quantity),
    of("PricingCategory", Kind::Text),
    of("PricingQuantity", Kind::Quantity),
    of("PricingUnit", Kind::Text),
    until_1_4("ProviderName"),
    until_1_4("PublisherName"),
    of("RegionId", Kind::Text),
    of("ResourceId", Kind::Text),
    of("ResourceName", Kind::Text),
    of("ResourceType", Kind::Text),
    of("ServiceCategory", Kind::Text),
    of("ServiceName", Kind::Text),
    since_1_3("ServiceProviderName"),
    of("ServiceSubcategory", Kind::Text),
    of("SkuId", Kind::Text),
    of("SkuMeter", Kind::Text),
    of("SkuPriceId", Kind::Text),
    of("SubAccountId", Kind::Text),
    of("SubAccountName", Kind::Text),
    of("Tags", Kind::Text),
    of("x_FilledQuantity", Kind::Quantity),
    of("x_OriginCost", Kind::Amount),
];
