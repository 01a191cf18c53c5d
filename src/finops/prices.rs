//! What consumption costs: `prices.toml`.
//!
//! For: [`Prices`], read with errors that say where. No floating-point number is taken: prices are
//! texts. Not for: charging ([`super::statement`]). Callers: the rest of `finops`, `cli`.

use std::collections::BTreeMap;
use std::path::Path;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::usage::{ALL, METRICS};
use super::{FinopsError, files};

/// The shipped example, which applies without a file.
pub const EXAMPLE: &str = include_str!("../../examples/prices.toml");
const EXAMPLE_PATH: &str = "examples/prices.toml";
/// Most digits after the point.
const MAX_DECIMALS: u32 = 12;

/// Prices, limits, quotas.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// Currency by ISO 4217, or a name for units of one's own.
    pub currency: String,
    /// Digits after the point that charges are rounded to.
    pub decimals: u32,
    /// For each hour of an instance that was recorded.
    pub instance_hour: Decimal,
    /// Price of each metric, for that many of its units; 0 where there is none.
    pub of: [(Decimal, u64); METRICS],
    /// What one session can do.
    pub limits: Limits,
    /// Budgets.
    pub quotas: Vec<Quota>,
}

/// The most that one session can do in a second.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// CPUs of the host; 0: as many as the recording says.
    pub cpus: u64,
    /// Logical reads.
    pub logical_reads: u64,
    /// Physical reads.
    pub physical_reads: u64,
    /// Growth of temporary space, bytes.
    pub temp_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cpus: 0,
            logical_reads: 5_000_000,
            physical_reads: 1_000_000,
            temp_bytes: 16 << 30,
        }
    }
}

/// Over what a budget counts, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A day.
    Day,
    /// From Monday on.
    Week,
    /// A calendar month.
    Month,
}

/// A tenant's budget.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Whose.
    pub tenant: String,
    /// Over what.
    pub period: Period,
    /// How much, in the currency.
    #[serde(deserialize_with = "exact")]
    pub budget: Decimal,
    /// From this part of the budget on it warns, percent.
    #[serde(default = "warn_percent")]
    pub warn_percent: u32,
    /// Below this part what was told is over, percent.
    #[serde(default = "clear_percent")]
    pub clear_percent: u32,
}

fn warn_percent() -> u32 {
    80
}

fn clear_percent() -> u32 {
    75
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    currency: String,
    #[serde(default = "decimals")]
    decimals: u32,
    #[serde(default, deserialize_with = "exact")]
    instance_hour: Decimal,
    #[serde(default)]
    prices: BTreeMap<String, Price>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    quotas: Vec<Quota>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    #[serde(deserialize_with = "exact")]
    price: Decimal,
    #[serde(default = "one")]
    per: u64,
}

/// A number written as a text.
fn exact<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    let text = String::deserialize(from)?;
    Decimal::from_str_exact(text.trim()).map_err(|e| {
        serde::de::Error::custom(format!("a decimal number expected, found {text:?}: {e}"))
    })
}

fn decimals() -> u32 {
    6
}

fn one() -> u64 {
    1
}

impl Prices {
    /// Reads a file; without one, the shipped example applies.
    ///
    /// # Errors
    /// It can't be read, or what of it isn't right.
    pub fn load(path: Option<&Path>) -> Result<Prices, FinopsError> {
        match path {
            None => Prices::parse(EXAMPLE, Path::new(EXAMPLE_PATH)),
            Some(path) => {
                let text = files::text(path).map_err(FinopsError::io(path))?;
                Prices::parse(&text, path)
            }
        }
    }

    /// Parses a text; `path` is for messages.
    ///
    /// # Errors
    /// What isn't right.
    pub fn parse(text: &str, path: &Path) -> Result<Prices, FinopsError> {
        let wrong = |message: String| FinopsError::Config {
            path: path.to_path_buf(),
            message,
        };
        let odd = |error: toml::de::Error| {
            let (line, column, message) = files::located(text, &error);
            wrong(format!("line {line}, column {column}: {message}"))
        };
        let table: toml::Table = toml::from_str(text).map_err(odd)?;
        if let Some(at) = float_in(&toml::Value::Table(table)) {
            return Err(wrong(format!(
                "{at} is a floating-point number, which loses digits; write it as a text, like \"0.002\""
            )));
        }
        let file: File = toml::from_str(text).map_err(odd)?;
        if file.decimals > MAX_DECIMALS {
            return Err(wrong(format!(
                "decimals: at most {MAX_DECIMALS} expected, found {}",
                file.decimals
            )));
        }
        let mut of = [(Decimal::ZERO, 1); METRICS];
        for (name, price) in &file.prices {
            let Some(at) = ALL.iter().position(|metric| metric.name == name) else {
                let known: Vec<&str> = ALL.iter().map(|metric| metric.name).collect();
                return Err(wrong(format!(
                    "prices.{name}: no such metric; there are {}",
                    known.join(", ")
                )));
            };
            if price.per == 0 {
                return Err(wrong(format!(
                    "prices.{name}: per is 0; at least 1 expected"
                )));
            }
            of[at] = (price.price, price.per);
        }
        for quota in &file.quotas {
            if quota.budget <= Decimal::ZERO || quota.clear_percent > quota.warn_percent {
                return Err(wrong(format!(
                    "quota of {}: a budget above 0 and clear_percent of at most warn_percent expected, found {}, {} and {}",
                    quota.tenant, quota.budget, quota.clear_percent, quota.warn_percent
                )));
            }
        }
        Ok(Prices {
            currency: file.currency,
            decimals: file.decimals,
            instance_hour: file.instance_hour,
            of,
            limits: file.limits,
            quotas: file.quotas,
        })
    }
}

/// Where a floating-point number stands.
fn float_in(value: &toml::Value) -> Option<String> {
    let below = |name: &str, value: &toml::Value| {
        float_in(value).map(|rest| match rest.as_str() {
            "" => name.to_owned(),
            rest => format!("{name}.{rest}"),
        })
    };
    match value {
        toml::Value::Float(_) => Some(String::new()),
        toml::Value::Table(table) => table.iter().find_map(|(name, value)| below(name, value)),
        toml::Value::Array(all) => {
            let mut all = all.iter().enumerate();
            all.find_map(|(at, value)| below(&at.to_string(), value))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let error = Prices::parse(text, Path::new("p.toml")).unwrap_err();
        error.to_string()
    }

    #[test]
    fn the_example_has_the_published_weights() {
        let prices = Prices::load(None).unwrap();
        let of = |name: &str| {
            let at = ALL.iter().position(|m| m.name == name).unwrap();
            let (price, per) = prices.of[at];
            (price.to_string(), per)
        };
        assert_eq!(of("cpu_seconds"), ("0.002".into(), 1));
        assert_eq!(of("logical_reads"), ("0.0005".into(), 10_000));
        assert_eq!(of("physical_reads"), ("0.005".into(), 1_000));
        assert_eq!(of("temp_gib"), ("0.01".into(), 1));
        assert_eq!(prices.limits, Limits::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let float = message("currency = \"X\"\n[prices]\ncpu_seconds = { price = 0.002 }\n");
        assert!(
            float.contains("prices.cpu_seconds.price is a floating-point"),
            "{float}"
        );
        let name = message("currency = \"X\"\n[prices]\ncpu = { price = \"1\" }\n");
        assert!(
            name.contains("no such metric; there are cpu_seconds"),
            "{name}"
        );
        let quota = message(
            "currency = \"X\"\n[[quotas]]\ntenant = \"A\"\nperiod = \"day\"\nbudget = \"0\"\n",
        );
        assert!(quota.contains("quota of A"), "{quota}");
        assert!(message("currency").contains("p.toml"));
    }
}
